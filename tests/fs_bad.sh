#!/bin/bash
# fs_bad.sh - text that is no entity is refused through every way in, and nothing of it stays.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
mount_start -o max_entity=16M
mkdir -p "$MNT/t/p"
cd "$MNT/t/p" || exit 1
printf '{"keep":1}' >old.json

# refused NAME FILE: by write or close, over an old entity and as a new one, and by rename
refused() {
	local name=$1 file=$2 got="" out
	out=$(dd if="$file" of=old.json bs=1M status=none 2>&1 && echo accepted)
	[[ $out == *accepted* ]] && got="$got a write was accepted;"
	cp "$file" bad.tmp || got="$got scratch refused;"
	out=$("$FSX" rename bad.tmp new.json)
	[ "$out" = EINVAL ] || [ "$out" = EFBIG ] || got="$got rename: $out;"
	[ "$(cat old.json)" = '{"keep":1}' ] || got="$got the old entity changed;"
	cmp -s "$file" bad.tmp || got="$got the scratch file changed;"
	is "$name" "$got" ""
}

accepted() {
	local name=$1 file=$2
	if cp "$file" good.json && cmp "$file" good.json; then
		ok "$name"
	else
		not_ok "$name" "$(errors . | tail -n 3)"
	fi
}

text() {
	printf '%b' "$1" >"$T/text"
}

# ---- the collected bad ones, and the good ones beside them -----------------------------------------
n=0
bad=""
for f in "$SOURCE"/fixtures/bad/n_*.json; do
	[ -e "$f" ] || continue
	[ -s "$f" ] || continue # an empty file is an empty flush
	n=$((n + 1))
	cp "$f" "$T/bad"
	out=$(refused x "$T/bad")
	[[ $out == ok* ]] || bad="$bad ${f##*/}"
done
yes "there are files in fixtures/bad" test "$n" -gt 50
is "all of fixtures/bad/n_* are refused" "$bad" ""
bad=""
for f in "$SOURCE"/fixtures/bad/y_*.json; do
	[ -e "$f" ] || continue
	{ printf '{"a":' && cat "$f" && printf '}'; } >"$T/good" # any value, and an entity is an object
	cp "$T/good" good.json 2>/dev/null && cmp -s "$T/good" good.json || bad="$bad ${f##*/}"
done
is "all of fixtures/bad/y_* are accepted, as a member" "$bad" ""

# ---- kinds of damage --------------------------------------------------------------------------------
text '{"a":"\\xff"}' && refused "invalid UTF-8" "$T/text"
text '{"a":"\\xed\\xa0\\x80"}' && refused "a surrogate in UTF-8" "$T/text"
text '{"a":"\\xc0\\xaf"}' && refused "an overlong form" "$T/text"
printf '{"a":"\\ud800"}' >"$T/text" && refused "a lone high surrogate" "$T/text"
printf '{"a":"\\udc00\\ud800"}' >"$T/text" && refused "surrogates the wrong way round" "$T/text"
printf '{"a":"x\000y"}' >"$T/text" && refused "NUL in a string" "$T/text"
printf '{}\000' >"$T/text" && refused "NUL after the object" "$T/text"
printf '\000\000\000\000' >"$T/text" && refused "NUL only" "$T/text"
printf '{"a":%s%s}' "$(printf '[%.0s' {1..10000})" "$(printf ']%.0s' {1..10000})" >"$T/text"
refused "depth 10,000" "$T/text"
printf '%s' "$(printf '{"a":%.0s' {1..10000})" >"$T/text"
refused "depth 10,000 unfinished" "$T/text"
head -c 17825792 /dev/zero | tr '\0' x | sed 's/^/{"a":"/; s/$/"}/' >"$T/text"
fails_with "17 MiB" "File too large" dd if="$T/text" of=old.json bs=1M status=none
is "the old version stays" "$(cat old.json)" '{"keep":1}'
printf '{"a":1e400,"b":-1e400,"c":1e-400,"d":123456789012345678901234567890}' >"$T/text"
accepted "numbers of any size" "$T/text"
printf '{"a":1,"a":2,"a":{"a":1,"a":2}}' >"$T/text"
accepted "repeated members" "$T/text"
printf '{"a":"\\u0000","\\u0000":"b"}' >"$T/text"
accepted "an escaped NUL" "$T/text"
printf '\xef\xbb\xbf{"a":1}' >"$T/text" && refused "a byte order mark" "$T/text"

# ---- every truncation of a good text ----------------------------------------------------------------
good='{"a":[1,-2.5e+3,true,null],"b":{"c":"\u00e9\\"},"d":"é"}'
accepted=0
for ((i = 1; i < ${#good}; i++)); do
	got=$("$FSX" steps old.json t "+${good:0:i}")
	[[ $got == *EINVAL* ]] || accepted=$((accepted + 1))
done
is "no truncation of a text is accepted" "$accepted" 0
x "the whole is" "open=ok write=ok close=ok" steps whole.json ct "+$good"
is "still the old one" "$(cat old.json)" '{"keep":1}'

# ---- one changed byte in an .insert --------------------------------------------------------------------
printf '{"id":"i1"}\n{"id":"i2"}\n{"id":i3}\n' >"$T/text"
no "a bad line in .insert" bash -c "cat '$T/text' >.insert"
says ".errors has its number" "$(errors . | tail -n 1)" "*line 3*"
says "at most 8 messages of a user are kept" "$(grep -c 'T..:..:..Z ' .errors)" "[1-8]"
is "the entity is still what it was" "$(cat old.json)" '{"keep":1}'
