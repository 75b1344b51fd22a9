#!/bin/bash
# fs_entity.sh - contract section 2, line by line: bytes, sizes, refusals, drafts, renames, times.
# shellcheck source=tests/lib.sh disable=SC2119 # mount_again takes options or none
. "$(dirname "$0")/lib.sh"
mount_start
mkdir -p "$MNT/t/p" "$MNT/t/q" "$MNT/u/p"
cd "$MNT/t/p" || exit 1

put() {
	printf '%s' "$2" >"$1"
}

# ---- the bytes ------------------------------------------------------------------------------------
texts=('{}' ' { "a" : 1 } ' $'\n\t{"b":[1,2,{"c":null}]}\r\n\n' '{"n":1e400,"m":12345678901234567890123,"z":-0.0}'
	'{"a":1,"a":2}' '{"u":"\u00e9\ud83d\ude00é😀\u0000"}' '{"":""}' '{"s":"\/\b\f\n\r\t\"\\"}')
for text in "${texts[@]}"; do
	put bytes.json "$text"
	is "the bytes are kept: ${text//[$'\n\r']/ }" "$(cat bytes.json; echo .)" "$text."
	is "the size is exact" "$(stat -c %s bytes.json)" "$(printf '%s' "$text" | wc -c)"
done
head -c 3000000 /dev/zero | tr '\0' x | sed 's/^/{"big":"/; s/$/"}/' >"$T/big"
cp "$T/big" big.json
yes "3 MB come back as they were" cmp "$T/big" big.json
is "depth 128" "$(printf '{"a":%s1%s}' "$(printf '[%.0s' {1..127})" "$(printf ']%.0s' {1..127})" >deep.json; stat -c %s deep.json)" 261
x "depth 129" "open=ok write=EINVAL close=EINVAL" steps deeper.json ct \
	"+{\"a\":$(printf '[%.0s' {1..128})1$(printf ']%.0s' {1..128})}"

# ---- refusals ------------------------------------------------------------------------------------
put e.json '{"v":1}'
x "definitely not JSON fails at write" "open=ok write=EINVAL close=EINVAL" steps e.json t +oops
fails_with "so that echo says it" "Invalid argument" bash -c 'echo oops >e.json'
is "the old version stays" "$(cat e.json)" '{"v":1}'
x "incomplete text fails at close" "open=ok write=ok close=EINVAL" steps e.json t '+{"v":'
x "and at fsync" "open=ok write=ok fsync=EINVAL close=EINVAL" steps e.json t '+{"v":' sync
x "completed after that it is fine" "open=ok write=ok flush=EINVAL write=ok close=ok" \
	steps e.json t '+{"v":' dup '+2}'
is "and is the new version" "$(cat e.json)" '{"v":2}'
says "the reason is in .errors, with its name" "$(printf '{"v":[1,}' 2>/dev/null >e.json; errors .)" "*e.json: *line 1*"
put e.json '{"v":1}'
for bad in '[1]' '"s"' 1 null '{"a":1}x' '{"a":1} {}' "{'a':1}" '{"a":NaN}' '{"a":01}' '{a:1}' '{"a":1,}' \
	$'{"a":"\n"}' '{"a":"\ud800"}' '{"a":"\x"}' '{"a":tru}' '{"a":.5}' $'{"a":"\xff"}' $'\xef\xbb\xbf{}'; do
	says "refused: $bad" "$("$FSX" steps e.json t "+$bad")" "*EINVAL*"
done
is "nothing of it was stored" "$(cat e.json)" '{"v":1}'
x "a hole is NUL bytes" "open=ok seek=ok write=EINVAL close=EINVAL" steps e.json t @10 '+{}'
: >e.json
is "an empty flush changes nothing" "$(cat e.json)" '{"v":1}'
x "nor does truncate(2) to nothing" ok truncate e.json 0
is "really" "$(cat e.json)" '{"v":1}'
x "truncate(2) in the middle" EINVAL truncate e.json 3
is "that neither" "$(cat e.json) $(stat -c %s e.json)" '{"v":1} 7'
mount_limit=$(jq .max_entity ../../.remfs/config.json)
is "an entity has at most 16 MiB" "$mount_limit" 16777216

# ---- ways of writing ----------------------------------------------------------------------------------
printf '  ' >>e.json
is "appending white space" "$(cat e.json)" '{"v":1}  '
x "append is at the end of the kept text" "open=ok write=ok close=ok" steps e.json a '+ '
x "appending more than that" "open=ok write=EINVAL close=EINVAL" steps e.json a '+x'
x "overwriting in place" "open=ok seek=ok write=ok close=ok" steps e.json w @5 '+7'
is "is a new version" "$(cat e.json)" '{"v":7}   '
x "overwriting into nonsense" "open=ok seek=ok write=ok close=EINVAL" steps e.json w @5 '+}'
x "write over and cut" "open=ok write=ok truncate=ok close=ok" steps e.json w '+{"w":12}' =8
is "that works too" "$(cat e.json)" '{"w":12}'
x "a read-write handle sees what it wrote" 'open=ok write=ok seek=ok read=[{"k":1}] close=ok' \
	steps rw.json rct '+{"k":1}' @0 read
x "byte by byte" "open=ok write=ok write=ok write=ok write=ok write=ok write=ok write=ok close=ok" \
	steps rw.json t '+{' '+"' '+k' '+"' '+:' '+2' '+}'
is "it is whole" "$(cat rw.json)" '{"k":2}'
x "O_EXCL on what is there" "open=EEXIST" steps rw.json cx

# ---- readers and writers ------------------------------------------------------------------------------
put two.json '{"old":true}'
exec 3<two.json
put two.json '{"new":true,"longer":"than before"}'
is "an open handle keeps what it opened" "$(cat <&3)" '{"old":true}'
exec 3<&-
is "a new one gets the new version" "$(cat two.json)" '{"new":true,"longer":"than before"}'
coproc W { exec "$FSX" hold two.json t; }
hold=$W_PID
exec 5<&"${W[0]}" 6>&"${W[1]}" # the shell forgets W as soon as the process has ended
read -r _ <&5
echo '+{"half":' >&6
read -r _ <&5
is "what is not committed nobody sees" "$(cat two.json) $(stat -c %s two.json)" '{"new":true,"longer":"than before"} 35'
echo '+1}' >&6
read -r _ <&5
echo close >&6
read -r said <&5
is "then it closes" "$said $(cat two.json)" 'ok {"half":1}'
exec 5<&- 6>&-
wait "$hold"
rm two.json
x "an unlinked file is gone" ENOENT stat two.json

# ---- drafts ------------------------------------------------------------------------------------------
touch draft.json
is "touch makes an empty file" "$(stat -c '%s %F' draft.json)" "0 regular empty file"
yes "which is listed" test -n "$(find . -name draft.json)"
echo "COUNT(*)" >.query
before=$(cat .query)
put counted.json '{"x":1}'
after=$(cat .query)
isnt_draft=$(echo "_id = 'draft'" >.query; cat .query)
is "a draft is in no query" "$isnt_draft" ""
no "an entity is" test "$before" = "$after"
put draft.json '{"now":"filled"}'
is "until it is filled" "$(echo "_id = 'draft'" >.query; jq -r .now .query)" filled

# ---- scratch -----------------------------------------------------------------------------------------
printf 'any bytes \x00\xff' >note.txt
is "a scratch file keeps any bytes" "$(od -An -tx1 note.txt | tr -d ' \n')" 616e792062797465732000ff
yes "a scratch file of 1 MB with holes" bash -c 'truncate -s 1000000 hole.bin && printf end | dd of=hole.bin bs=1 seek=999997 conv=notrunc status=none'
is "reads as zeros where nothing was written" "$(tr -d '\0' <hole.bin)" end
x "scratch truncated in the middle" ok truncate hole.bin 5000
is "has that size" "$(stat -c %s hole.bin)" 5000
exec 3<>unlinked.tmp
echo kept >&3
rm unlinked.tmp
is "an open scratch file outlives its name" "$(cat /dev/fd/3 2>/dev/null || head -c 5 <&3)" kept
exec 3>&-

# ---- renames -----------------------------------------------------------------------------------------
printf '{"from":"scratch"}' >x.tmp
yes "scratch becomes an entity" mv x.tmp s1.json
is "with its bytes" "$(cat s1.json)" '{"from":"scratch"}'
is "and is found" "$(echo "\"from\" = 'scratch'" >.query; jq -r ._path .query)" s1.json
printf 'not json' >y.tmp
x "one that is not JSON does not" EINVAL rename y.tmp s1.json
is "and leaves both as they were" "$(cat y.tmp s1.json)" 'not json{"from":"scratch"}'
says "with the reason in .errors" "$(errors . | tail -n 1)" "*s1.json: *"
x "nor to a new name" EINVAL rename y.tmp s2.json
x "which does not exist then" ENOENT stat s2.json
x "an entity becomes scratch" ok rename s1.json s1.old
is "in no query then" "$(echo "\"from\" = 'scratch'" >.query; cat .query)" ""
x "and an entity again" ok rename s1.old s1.json
x "NOREPLACE with a target" EEXIST rename s1.json e.json noreplace
x "NOREPLACE without" ok rename s1.json s9.json noreplace
x "EXCHANGE" ok rename s9.json e.json exchange
is "both are there" "$(cat e.json s9.json)" '{"from":"scratch"}{"w":12}'
x "EXCHANGE with what is not there" ENOENT rename e.json nobody.json exchange
x "EXCHANGE of entity and scratch that is not JSON" EINVAL rename e.json y.tmp exchange
is "changes nothing" "$(cat e.json y.tmp)" '{"from":"scratch"}not json'
ino=$(stat -c %i e.json)
x "to another type" ok rename e.json ../q/e.json
x "to another tenant" ok rename ../q/e.json ../../u/p/e.json
is "the inode number goes with it" "$(stat -c %i ../../u/p/e.json)" "$ino"
x "and back over another" ok rename ../../u/p/e.json s9.json
is "which it replaces" "$(cat s9.json)" '{"from":"scratch"}'
x "onto itself" ok rename s9.json s9.json
is "changes nothing" "$(cat s9.json)" '{"from":"scratch"}'
x "what is not there" ENOENT rename nobody.json n.json
x "to a bad name" EINVAL rename s9.json $'a\nb.json'
mkdir ../copy
cp -r ../q/. ../copy/ 2>/dev/null

# ---- attributes --------------------------------------------------------------------------------------
put attr.json '{"a":1}'
chmod 640 attr.json
touch -d '1999-12-31 23:59:59.123456789Z' attr.json
is "chmod and utimens" "$(stat -c '%a' attr.json) $(date -u -r attr.json +%FT%T.%N)" "640 1999-12-31T23:59:59.123456789"
if [ "$(id -u)" = 0 ]; then
	chown 1234:4321 attr.json
	is "chown" "$(stat -c '%u:%g' attr.json)" 1234:4321
else
	skip "chown" "not root"
fi
put attr.json '{"a":2}'
is "a new version keeps the mode" "$(stat -c %a attr.json)" 640
no "and has a new time" test attr.json -ot e.json
now=$(date +%s)
is "which is now" "$((now - $(stat -c %Y attr.json) < 5))" 1
touch -d '2020-01-01T00:00:00Z' attr.json
want=$(stat -c '%i %a %u %g %s %y' attr.json)
all=$(find . -type f ! -name '.*' -printf '%i %m %s %T@ %p\n' | sort)
cd / && mount_again && cd "$MNT/t/p" || exit 1
is "all of it holds across mounts" "$(stat -c '%i %a %u %g %s %y' attr.json)" "$want"
is "for every file" "$(find . -type f ! -name '.*' -printf '%i %m %s %T@ %p\n' | sort)" "$all"
is "_modified follows" "$(echo "_id = 'attr'" >.query; echo 'SELECT _modified WHERE _id = '"'attr'" >.query; jq -r ._modified .query)" \
	"2020-01-01T00:00:00.000000000Z"

# ---- a read-only mount ---------------------------------------------------------------------------------
cd / && mount_again -o ro && cd "$MNT/t/p" || exit 1
x "read-only: create" EROFS create new.json
x "read-only: write" "open=EROFS" steps attr.json t
x "read-only: unlink" EROFS unlink attr.json
x "read-only: mkdir" EROFS mkdir ../new
fails_with "read-only: chmod" "Read-only file system" chmod 600 attr.json
x "read-only: truncate" EROFS truncate attr.json 0
is "read-only: read" "$(cat attr.json)" '{"a":2}'
is "read-only: a query" "$(echo "_id = 'attr'" >.query; jq -c '{a}' .query)" '{"a":2}'
cd / && mount_again -o sync,max_entity=64K && cd "$MNT/t/p" || exit 1
x "-o sync" "open=ok write=ok close=ok" steps attr.json t '+{"a":3}'
head -c 70000 /dev/zero | tr '\0' ' ' >"$T/spaces"
fails_with "over max_entity" "File too large" bash -c "cat '$T/spaces' >attr.json"
is "the old version stays" "$(cat attr.json)" '{"a":3}'
