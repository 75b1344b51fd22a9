#!/bin/bash
# fs_list.sh - large types: listings that are whole and stable, places that hold, memory that stays small.
# REMFS_LONG=1: 1,000,000 entities, else 100,000.
# shellcheck source=tests/lib.sh disable=SC2119 # mount_again takes options or none
. "$(dirname "$0")/lib.sh"
N=100000
[ -z "$SANITIZED" ] || N=10000
[ -z "$LONG" ] || N=1000000

rss_kb() {
	awk '/^VmRSS/ {print $2}' "/proc/$PID/status"
}
small() { # NAME KB LIMIT
	if [ -n "$SANITIZED" ]; then
		skip "$1" "sanitizers take memory of their own"
	elif [ "$2" -lt "$3" ]; then
		ok "$1"
	else
		not_ok "$1" "$2 KB, limit $3 KB"
	fi
}

names() {
	find . -mindepth 1 -maxdepth 1 ! -name '.*' -printf '%f\n'
}
listed() {
	names | wc -l
}

mount_start
small "idle: under 30 MB" "$(rss_kb)" 30000
mkdir -p "$MNT/t/p" "$MNT/t/small"
seq "$N" | awk '{printf "{\"id\":\"e%d\",\"n\":%d,\"name\":\"entity %d\",\"status\":\"active\"}\n", $1, $1, $1}' >"$T/data"
says "import through the mount" "$("$REMFS" import --store "$STORE" t/p "$T/data" 2>&1)" "$N entities in *"
cd "$MNT/t/p" || exit 1
is "every one is listed" "$(listed)" "$N"
is "once" "$(names | sort -u | wc -l)" "$N"
yes "ls -l" bash -c 'ls -lU >/dev/null'
[ -n "$LONG" ] || small "100,000 and ls -l: under 100 MB" "$(rss_kb)" 100000
is "find -size" "$(find . -name '*.json' -size +0 | wc -l)" "$N"
is "one of them" "$(jq .n "e$N.json")" "$N"
is "counted" "$(jq '[.. | .entities? // empty][0]' .stats)" "$N"

# ---- places -----------------------------------------------------------------------------------------
cd ../small || exit 1
seq 3000 | awk '{printf "{\"id\":\"s%d\"}\n", $1}' >.insert
x "telldir and seekdir" "3002 entries, 0 wrong" telldir .
x "in the root too" "3 entries, 0 wrong" telldir ../..
x "and in a tenant" "4 entries, 0 wrong" telldir ..
seq 1000 | awk '{printf "{\"id\":\"x%d\"}\n", $1}' >.insert
for i in 1 2 3; do
	x "names that stay come once while others come and go ($i)" "3000 others, 0 twice" churn . x
done
rm -f x*.json
is "ls after removals" "$(listed)" 3000
rm -f s1???.json
is "and more of them" "$(listed)" 2000
echo '{}' >new.json
is "and one more" "$(listed)" 2001
# A listing that was begun goes on over the removal of what it is at
is "rm while listing" "$(find . -name 's*.json' -delete; names)" new.json
cd / && mount_again && cd "$MNT/t/p" || exit 1
is "all listed after a remount" "$(listed)" "$N"
yes "rm of one" rm "e$N.json"
is "listed no more" "$(listed)" $((N - 1))
