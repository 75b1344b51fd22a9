#!/bin/bash
# fs_cmd.sh - contract section 8: every verb, mounted and not, its exit codes and what it says.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
export P8_DB_PATH=$STORE
cd "$T" || exit 1
export HOME=$T

# code NAME WANT COMMAND…: the exit code
code() {
	local name=$1 want=$2 got=0 out
	shift 2
	out=$("$@" 2>&1 </dev/null) || got=$?
	if [ "$got" = "$want" ]; then
		ok "$name"
	else
		not_ok "$name" "status $got, expected $want: $*" "$out"
	fi
}

# ---- help, version, usage -----------------------------------------------------------------------
code "help" 0 "$REMFS" help
code "--help" 0 "$REMFS" --help
code "nothing" 2 "$REMFS"
code "no such command" 2 "$REMFS" nonsense
code "help of no such command" 2 "$REMFS" help nonsense
for verb in mount umount status stats init import query search get put rm check version help; do
	says "help $verb" "$("$REMFS" help "$verb")" "usage: remfs $verb*"
	code "$verb --help" 0 "$REMFS" "$verb" --help
	code "$verb: an unknown option" 2 "$REMFS" "$verb" --nonsense
	says "help lists $verb" "$("$REMFS" help)" "*  $verb *"
done
for verb in mount umount import query search get put rm; do
	code "$verb without operands" 2 "$REMFS" "$verb"
done
says "version" "$("$REMFS" version)" "remfs *libfuse 3*format 1"
yes "version --json" jq -e '.remfs and .libfuse and .format == 1' <("$REMFS" version --json)
code "too many operands" 2 "$REMFS" get a/b/c d
says "with the usage" "$("$REMFS" get a/b/c d 2>&1)" "*usage: remfs get *"
says "mount options have help" "$("$REMFS" help mount)" "*query_timeout=TIME*"

# ---- a store that is not there -----------------------------------------------------------------------
for verb in "query t x=1" "search t x" "get t/p/a" stats check; do
	# shellcheck disable=SC2086 # words
	code "no store: $verb" 1 "$REMFS" $verb
done
no "nothing was made" test -e "$STORE"
says "status says so" "$("$REMFS" status)" "*no store*"
code "init" 0 "$REMFS" init
says "init again says that it is there" "$("$REMFS" init)" "*already*"
mkdir other && touch other/file
code "init of a directory that holds something else" 1 "$REMFS" init other
code "a store named twice" 2 "$REMFS" init x --store y
says "XDG_DATA_HOME" "$(unset P8_DB_PATH; XDG_DATA_HOME=$T/xdg "$REMFS" init)" "*$T/xdg/remfs"
says "HOME" "$(unset P8_DB_PATH; "$REMFS" init)" "*$T/.local/share/remfs"
says "--store before all of them" "$("$REMFS" init --store "$T/third")" "*$T/third"
says "--store before the verb" "$("$REMFS" --store "$T/third" status)" "*$T/third*"

# ---- the verbs, on the store and through the mount: the same answers ----------------------------------
printf '[\n {"id":"a1","name":"one, [two] {three}","n":1},\n {"id":"a2","s":"q\\"]","n":2}\n]\n' >array.json
printf '{"id":"l1","n":3}\n{"id":"l2","n":4}\n' >lines.jsonl
printf '{"id":"x1","n":1}\n{"id":"x2",}\n' >bad.jsonl
printf 'a,b\n1,2\n' >table.csv

verbs() {
	local how=$1
	says "$how: import of an array" "$("$REMFS" import t/p array.json 2>&1)" "2 entities in *"
	says "$how: import of lines" "$("$REMFS" import t/p lines.jsonl array.json 2>&1)" "4 entities in *"
	says "$how: import from stdin" "$("$REMFS" import t/p - <lines.jsonl 2>&1)" "2 entities in *"
	is "$how: import --json" "$("$REMFS" import t/p lines.jsonl --json | jq .imported)" 2
	is "$how: the bytes" "$("$REMFS" get t/p/a1)" '{"id":"a1","name":"one, [two] {three}","n":1}'
	is "$how: with .json too" "$("$REMFS" get t/p/a2.json)" '{"id":"a2","s":"q\"]","n":2}'
	code "$how: import of a bad file" 1 "$REMFS" import t/p bad.jsonl
	says "$how: names file and line" "$("$REMFS" import t/p bad.jsonl 2>&1)" "*bad.jsonl: *line 2*"
	for text in '[{"id":"y"} {"id":"z"}]' '[{"id":"y"},]' '[1]' '[{"id":"y"}' '[{"id":"y"}] x' 'a,b' '['; do
		printf '%s' "$text" >wrong.json
		code "$how: import refuses $text" 1 "$REMFS" import t/w wrong.json
	done
	seq 20000 | awk 'BEGIN {print "["} {printf "%s{\"id\":\"r%d\",\"t\":\"],[ {\\\" %d\"}", (NR > 1 ? ",\n" : ""), $1, $1} END {print "]"}' >large.json
	says "$how: a large array, in pieces" "$("$REMFS" import t/large large.json 2>&1)" "20000 entities in *"
	is "$how: the last of it" "$("$REMFS" get t/large/r20000)" '{"id":"r20000","t":"],[ {\" 20000"}'
	printf '[ ]' >empty.json
	says "$how: an empty array" "$("$REMFS" import t/w empty.json 2>&1)" "0 entities in *"
	says "$how: CSV is refused" "$("$REMFS" import t/p table.csv 2>&1)" "remfs: table.csv: import reads JSON*CSV*"
	code "$how: with code 1" 1 "$REMFS" import t/p table.csv
	code "$how: import of no file" 1 "$REMFS" import t/p nofile.json
	code "$how: import into a bad name" 2 "$REMFS" import t/.p lines.jsonl
	code "$how: import into a tenant" 2 "$REMFS" import t lines.jsonl

	is "$how: query" "$("$REMFS" query t/p 'n >= 3 ORDER BY n' | jq -r ._path)" "l1.json
l2.json"
	is "$how: query of a tenant" "$("$REMFS" query t 'SELECT n FROM p WHERE n = 4')" '{"n":4}'
	is "$how: no hit" "$("$REMFS" query t/p 'n > 1000')" ""
	code "$how: a bad query" 1 "$REMFS" query t/p 'n >> 3'
	says "$how: with the reason" "$("$REMFS" query t/p 'n >> 3' 2>&1 >/dev/null)" "remfs: *^*"
	code "$how: an unfinished one" 1 "$REMFS" query t/p 'n >'
	code "$how: no such type" 1 "$REMFS" query t/nope 'n > 3'
	says "$how: says so" "$("$REMFS" query t/nope 'n > 3' 2>&1)" "remfs: there is no type 'nope'"
	says "$how: no such tenant" "$("$REMFS" query nope 'n > 3' 2>&1)" "remfs: there is no tenant 'nope'"
	is "$how: search" "$("$REMFS" search t/p 'one two three' | head -n 1 | jq -r ._path)" a1.json
	code "$how: a bad search" 1 "$REMFS" search t/p '{"text":1}'

	is "$how: put from stdin" "$(echo '{"v":1}' | "$REMFS" put t/p/put1 && "$REMFS" get t/p/put1)" '{"v":1}'
	is "$how: put of a file" "$("$REMFS" put t/p/put1.json array-one.json && "$REMFS" get t/p/put1)" '{"one":1}'
	code "$how: put of no JSON" 1 "$REMFS" put t/p/put2 table.csv
	says "$how: with the reason" "$("$REMFS" put t/p/put2 table.csv 2>&1)" "remfs: *line 1*"
	code "$how: which leaves nothing" 1 "$REMFS" get t/p/put2
	printf '{"half":' >half.json
	code "$how: put of half a text" 1 "$REMFS" put t/p/put1 half.json
	is "$how: the old one stays" "$("$REMFS" get t/p/put1)" '{"one":1}'
	code "$how: put of nothing" 1 "$REMFS" put t/p/put2
	code "$how: get of nobody" 1 "$REMFS" get t/p/nobody
	code "$how: a bad path" 2 "$REMFS" get t/p/../p/a1
	code "$how: another" 2 "$REMFS" get t/p
	code "$how: a third" 2 "$REMFS" get t/p/.query
	code "$how: rm" 0 "$REMFS" rm t/p/put1 t/p/l2.json
	code "$how: they are gone" 1 "$REMFS" get t/p/put1
	code "$how: rm of nobody" 1 "$REMFS" rm t/p/put1
	yes "$how: stats of the store" jq -e . <("$REMFS" stats)
	is "$how: stats of a type" "$("$REMFS" stats t/p | jq '[.. | .entities? // empty][0]')" 3
	yes "$how: stats of a tenant" jq -e . <("$REMFS" stats t)
	code "$how: stats of nobody" 1 "$REMFS" stats nobody
	fails_with "$how: a full disk under stdout" "No space" bash -c "'$REMFS' get t/p/a1 >/dev/full"
}
echo -n '{"one":1}' >array-one.json
verbs store
code "check" 0 "$REMFS" check
is "check --json" "$("$REMFS" check --json | jq -c .)" '{"findings":[],"count":0}'
"$REMFS" rm t/p/a1 t/p/a2 t/p/l1
mount_start
verbs mounted
is "the mount saw it all" "$(ls "$MNT/t/p")" "a1.json
a2.json
l1.json"

# ---- in use -------------------------------------------------------------------------------------------
for verb in check "mount $T/other -o nonempty"; do
	# shellcheck disable=SC2086 # words
	says "$verb: in use by whom" "$("$REMFS" $verb 2>&1)" "*in use by process $PID (mounted on $MNT)"
	# shellcheck disable=SC2086
	code "$verb: in use" 1 "$REMFS" $verb
done
says "status" "$("$REMFS" status)" "*$STORE*$MNT*$PID*answers*"
is "status --json" "$("$REMFS" status --json | jq -c --arg s "$STORE" '.[] | select(.store == $s) | [.mountpoint, .pid, .answers]')" \
	"[\"$MNT\",$PID,true]"
says "mounting there again" "$("$REMFS" mount "$T/third" "$MNT" 2>&1)" "*is mounted there already"

# ---- umount --------------------------------------------------------------------------------------------
code "umount of no mount" 1 "$REMFS" umount "$T/other"
code "umount of nothing" 1 "$REMFS" umount "$T/nowhere/x"
exec 4<"$MNT/t/p/a1.json"
fails_with "umount of what is in use" "in use" "$REMFS" umount "$MNT"
exec 4<&-
mount_stop
code "the store is free at once" 0 "$REMFS" check
code "umount again" 1 "$REMFS" umount "$MNT"

# ---- mount: what is refused -----------------------------------------------------------------------------
fails_with "no such mount point" "does not exist" "$REMFS" mount "$T/nowhere"
fails_with "a file" "not a directory" "$REMFS" mount "$T/array.json"
fails_with "not empty" "not empty" "$REMFS" mount "$T/other"
fails_with "a store inside its mount point" "inside the mount point" "$REMFS" mount "$T/other/s" "$T/other" -o nonempty
fails_with "an unknown option" "did you mean 'max_entity'" "$REMFS" mount "$MNT" -o max_entty=3
fails_with "another" "unknown mount option 'wibble'" "$REMFS" mount "$MNT" -o wibble
fails_with "a bad size" "expected a size" "$REMFS" mount "$MNT" -o max_entity=big
fails_with "a bad time" "expected a time" "$REMFS" mount "$MNT" -o query_timeout=-3
fails_with "a missing value" "needs a value" "$REMFS" mount "$MNT" -o cache
fails_with "a value too many" "takes no value" "$REMFS" mount "$MNT" -o ro=1
fails_with "an unknown provider" "embed" "$REMFS" mount "$MNT" -o embed=nosuchprovider
fails_with "a directory that is no store" "other" "$REMFS" mount "$T/other" "$MNT"
fails_with "read-only without a store" "" "$REMFS" mount "$T/nostore" "$MNT" -o ro
no "makes none" test -e "$T/nostore"
no "nothing was mounted" mountpoint -q "$MNT"

# ---- mount in the background ---------------------------------------------------------------------------
owner() {
	"$REMFS" status --json | jq --arg m "$MNT" '.[] | select(.mountpoint == $m) | .pid'
}
ASAN_OPTIONS=${ASAN_OPTIONS:-}:log_path=$T/report
TSAN_OPTIONS=${TSAN_OPTIONS:-}:log_path=$T/report
export ASAN_OPTIONS TSAN_OPTIONS
code "mount returns" 0 "$REMFS" mount "$MNT" -o rw,nosuid,nodev,noauto,_netdev,nofail,x-systemd.automount
is "when it answers" "$(ls "$MNT/t")" "large
p
w"
one=$(owner)
is "in a session of its own" "$(ps -o sid= -p "$one" | tr -d ' ')" "$one"
is "in the root directory" "$(readlink "/proc/$one/cwd")" /
is "without a terminal" "$(readlink "/proc/$one/fd/0" "/proc/$one/fd/1" "/proc/$one/fd/2" | sort -u)" /dev/null
code "umount" 0 "$REMFS" umount "$MNT"
yes "and the process has gone" process_ended "$one"
# A signal ends the loop by cancelling libfuse's threads, which ThreadSanitizer cannot follow
if [[ $SANITIZED == *thread* ]]; then
	skip "signals" "not under ThreadSanitizer"
else
	for signal in TERM INT HUP; do
		code "mount with STORE" 0 "$REMFS" mount "$STORE" "$MNT"
		one=$(owner)
		kill "-$signal" "$one"
		yes "SIG$signal ends it" poll_until 20 process_ended "$one"
		no "and unmounts" mountpoint -q "$MNT"
	done
	code "single-threaded" 0 "$REMFS" mount "$MNT" -s
	one=$(owner)
	is "it answers" "$(ls "$MNT/t")" "large
p
w"
	kill -TERM "$one"
	yes "SIGTERM ends it" poll_until 20 process_ended "$one"
	no "and unmounts" mountpoint -q "$MNT"
fi
code "check after all that" 0 "$REMFS" check

# ---- a mount whose server died -----------------------------------------------------------------------
code "mount" 0 "$REMFS" mount "$MNT"
one=$(owner)
kill -KILL "$one"
poll_until 20 process_ended "$one"
says "status knows" "$("$REMFS" status)" "*does not answer*"
says "the next mount clears it away, with a note" "$("$REMFS" mount "$MNT" 2>&1)" "remfs: note: $MNT was left mounted*"
is "and answers" "$(ls "$MNT/t")" "large
p
w"
one=$(owner)
kill -KILL "$one"
poll_until 20 process_ended "$one"
says "not mounted: verbs use the store" "$("$REMFS" get t/p/a1)" '{"id":"a1",*'
code "umount of the dead one" 0 "$REMFS" umount "$MNT"
code "umount --lazy needs a mount too" 1 "$REMFS" umount --lazy "$MNT"

# ---- as mount(8) calls it ---------------------------------------------------------------------------------
ln -s "$REMFS" mount.remfs
code "mount.remfs" 0 ./mount.remfs "$STORE" "$MNT" -n -o rw
code "umount" 0 "$REMFS" umount "$MNT"
code "mount.fuse3 calls remfs STORE MOUNTPOINT" 0 "$REMFS" "$STORE" "$MNT" -o rw
code "umount" 0 "$REMFS" umount "$MNT"
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	grep -q '^user_allow_other' /etc/fuse.conf 2>/dev/null ||
		fails_with "allow_other of a user who may not" "user_allow_other" \
			setpriv --reuid 65534 --regid 65534 --clear-groups "$REMFS" mount --store /tmp "$MNT" -o allow_other
fi
for f in "$T"/report*; do
	[ ! -e "$f" ] || tsan_farewell 66 "$f" || not_ok "a report of a sanitizer" "$(head -n 40 "$f")"
done
