#!/bin/bash
# fs_insert.sh - contract section 7 and `.insert`: ids, upserts, batches, refusals; and `.all.jsonl`.
# shellcheck source=tests/lib.sh disable=SC2119 # mount_again takes options or none
. "$(dirname "$0")/lib.sh"
mount_start
mkdir -p "$MNT/t/p" "$MNT/t/q"
cd "$MNT/t/p" || exit 1

x "ids come back in order" 'open=ok write=ok flush=ok read=[b|a] close=ok' \
	steps .insert r $'+{"id":"b","v":1}\n{"id":"a","v":1}\n' dup read
is "they are entities" "$(cat a.json b.json)" '{"id":"a","v":1}{"id":"b","v":1}'
is "and listed" "$(ls)" "a.json
b.json"
ino=$(stat -c %i a.json)
chmod 600 a.json
echo '{"id":"a","v":2}' >.insert
is "the same id is an upsert" "$(cat a.json)" '{"id":"a","v":2}'
is "which keeps inode and mode" "$(stat -c '%i %a' a.json)" "$ino 600"
echo '{"id":"c"} {"id":"d"}' >.insert
is "two on a line" "$(find . -name '[cd].json' | wc -l)" 2
printf '{\n  "id": "pretty",\n  "list": [\n    1\n  ]\n}\n{"id":"next"}' >.insert
is "pretty-printed, as it was" "$(cat pretty.json)" '{
  "id": "pretty",
  "list": [
    1
  ]
}'
x "without a last newline" ok stat next.json
x "in pieces" 'open=ok write=ok write=ok write=ok read=[piece] close=ok' \
	steps .insert r '+{"id":"pi' '+ece","v"' '+:1}' read

# ---- ids ------------------------------------------------------------------------------------------
id_of() {
	"$FSX" steps .insert r "+$1"$'\n' dup read | sed 's/.*read=\[\(.*\)\].*/\1/'
}
is "a number as id" "$(id_of '{"id":42}')" 42
uuid='^[0-9a-f]{8}-[0-9a-f]{4}-%s[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$'
for member in uri key name; do
	one=$(id_of "{\"$member\":\"thing\",\"v\":1}")
	# shellcheck disable=SC2059 # the version goes into the pattern
	yes "$member: a deterministic UUID" grep -qE "$(printf "$uuid" 5)" <<<"$one"
	is "the second time it is the same" "$(id_of "{\"$member\":\"thing\",\"v\":2}")" "$one"
	is "and replaces" "$(jq .v "$one.json")" 2
done
no "another type, another id" test "$(id_of '{"name":"thing"}')" = "$(cd ../q && id_of '{"name":"thing"}')"
one=$(id_of '{"v":1}')
# shellcheck disable=SC2059
yes "nothing to go by: UUIDv7" grep -qE "$(printf "$uuid" 7)" <<<"$one"
no "and another the next time" test "$(id_of '{"v":1}')" = "$one"
is "unicode" "$(id_of '{"id":"zürich"}')" zürich

# ---- refusals --------------------------------------------------------------------------------------
for bad in '{"id":"x/y"}' '{"id":".x"}' '{"id":""}' '{"id":"a\nb"}' '{"id":null}x' '[{"id":"x"}]' '"x"' 'x' '{"id":"x",}'; do
	says "refused: $bad" "$("$FSX" steps .insert w "+$bad"$'\n')" "*EINVAL*"
done
before=$(ls)
printf '{"id":"g1"}\n{"id":"g2"}\nbroken\n{"id":"g3"}\n' >"$T/bad"
no "one bad line" bash -c "cat '$T/bad' >.insert"
says "its number and the reason are in .errors" "$(errors . | tail -n 1)" "*.insert: *line 3*"
is "the lines of that write stay or go together" "$(ls)" "$before"
says "unfinished at the end" "$("$FSX" steps .insert w '+{"id":"half"')" "open=ok write=ok close=EINVAL"
x "is not there" ENOENT stat half.json
x "an empty write" "open=ok write=ok close=ok" steps .insert w $'+\n\n'
is "nothing written, nothing read" "$("$FSX" steps .insert r read)" "open=ok read=[] close=ok"
x "a tenant has none" ENOENT stat ../.insert

# ---- the kernel knows -------------------------------------------------------------------------------
x "looked for and not found" ENOENT stat later.json
echo '{"id":"later"}' >.insert
x "found after the insert" ok stat later.json
is "read before" "$(cat later.json)" '{"id":"later"}'
echo '{"id":"later","longer":"than it was before"}' >.insert
is "and after" "$(cat later.json) $(stat -c %s later.json)" '{"id":"later","longer":"than it was before"} 44'
exec 3<later.json
echo '{"id":"later"}' >.insert
is "an open handle keeps what it opened" "$(cat <&3)" '{"id":"later","longer":"than it was before"}'
exec 3<&-
is "a listing has it" "$(find . -name later.json)" ./later.json

# ---- many -------------------------------------------------------------------------------------------
N=20000
[ -z "$SANITIZED" ] || N=3000
seq $N | awk '{printf "{\"id\":\"m%d\",\"n\":%d,\"text\":\"line %d\"}\n", $1, $1, $1}' >"$T/many"
yes "many" bash -c "cat '$T/many' >../q/.insert"
cd ../q || exit 1
rm -f ./*-*.json
is "all are there" "$(find . -name 'm*.json' | wc -l)" "$N"
is "counted" "$(echo 'COUNT(*)' >.query; jq -r '.[]' .query)" "$N"
is ".all.jsonl has each, a line each" "$(wc -l <.all.jsonl)" "$N"
is "as JSON" "$(jq -s 'map(.n) | add' .all.jsonl)" "$((N * (N + 1) / 2))"
is ".all.jsonl into .insert is the same again" "$(cat .all.jsonl >.insert; find . -name 'm*.json' | wc -l)" "$N"
is "head of it" "$(head -n 1 .all.jsonl | wc -l)" 1
is ".stats counts them" "$(jq '.. | .entities? // empty' .stats | head -n 1)" "$N"
cd / && mount_again && cd "$MNT/t/q" || exit 1
is "still there after a remount" "$(find . -name 'm*.json' | wc -l)" "$N"

# ---- what is somebody else's ---------------------------------------------------------------------------
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	cd / && mount_again -o allow_other && cd "$MNT" || exit 1
	mkdir -p other/kind && chmod 1777 other/kind
	echo '{"mine":true}' >other/kind/mine.json
	chmod 755 "$T" 2>/dev/null
	no "not replaced" setpriv --reuid 65534 --regid 65534 --clear-groups \
		sh -c "echo '{\"id\":\"mine\",\"mine\":false}' >'$MNT/other/kind/.insert'" 2>/dev/null
	is "the old version stays" "$(cat other/kind/mine.json)" '{"mine":true}'
	yes "one of their own" setpriv --reuid 65534 --regid 65534 --clear-groups \
		sh -c "echo '{\"id\":\"theirs\"}' >'$MNT/other/kind/.insert' && echo '{\"id\":\"theirs\",\"n\":2}' >'$MNT/other/kind/.insert'"
	is "replaced" "$(jq .n other/kind/theirs.json)" 2
	cd / || exit 1
fi
