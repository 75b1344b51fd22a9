#!/bin/bash
# fs_concurrent.sh - many processes at once: readers beside writers, batches beside both, directories that
# come and go, one query file for all.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
MIX=$BUILD/tests/mixture
[ -x "$MIX" ] || skip_all "$MIX is not built"
MS=1000
[ -z "$LONG" ] || MS=30000

mount_start
mkdir -p "$MNT/t/p" "$MNT/t/q" "$MNT/t/r"
cd "$MNT/t" || exit 1
mixture() { # NAME WAYS
	local out
	out=$("$MIX" p "$MS" "$2")
	if [ "$SANITIZED" = thread ]; then # slowed so far, a read is cut now and then: see doc/contract.md, section 2
		says "reads and writes at once: $1" "$(tail -n 1 <<<"$out")" "[1-9]* reads, [1-9]* writes, *"
		return
	fi
	says "a reader sees one version, whole: $1" "$(tail -n 1 <<<"$out")" "[1-9]* reads, [1-9]* writes, 0 wrong, *"
	# An open that meets two renames over its file, one after the other, may end with ESTALE (doc/contract.md).
	[ "$2" != tor ] || out=$(grep -v '^open .*: Stale file handle$' <<<"$out")
	is "nothing is refused: $1" "$(head -n -1 <<<"$out")" ""
}
mixture "truncate and write" t
mixture "write over" o
mixture "write beside and rename" r
# All ways at once, renames over files that others write in place: still a rare cut read (one in some 50,000).
[ -z "$LONG" ] || mixture "all of them" tor
is "nothing is left over" "$(find p -name 'tmp.*')" ""
cd / && mount_again -o attr_timeout=0 && cd "$MNT/t" || exit 1
mixture "truncate and write, without the kernel's caches" t
mixture "write beside and rename, without the kernel's caches" r

# ---- batches beside single writes, listings and queries -------------------------------------------------
rounds=6
pids=()
for w in 1 2 3; do
	(
		for ((i = 0; i < rounds; i++)); do
			seq 300 | awk -v w="$w" -v i="$i" '{printf "{\"id\":\"k%d\",\"w\":%d,\"i\":%d}\n", $1, w, i}' >q/.insert || exit 1
		done
	) &
	pids+=($!)
done
(
	for ((i = 0; i < 100; i++)); do
		printf '{"id":"k%d","w":9,"i":%d}\n' $((i + 1)) "$i" >"q/k$((i + 1)).json" || exit 1
	done
) &
pids+=($!)
(
	for ((i = 0; i < rounds; i++)); do
		exec 3<>q/.query
		echo "SELECT w, i WHERE w IN (1, 2, 3, 9)" >&3
		cat <&3 | jq -e . >/dev/null || exit 1
		exec 3>&-
		find q -name 'k*.json' >/dev/null || exit 1
	done
) &
pids+=($!)
bad=0
for pid in "${pids[@]}"; do
	wait "$pid" || bad=$((bad + 1))
done
is "batches, single writes, queries and listings at once" "$bad" 0
is "every entity is there once" "$(find q -name 'k*.json' | sort | uniq | wc -l)" 300
is "counted so" "$(echo 'COUNT(*)' >q/.query; jq -r '.[]' q/.query)" 300
is "every one whole" "$(cat q/k*.json | jq -s 'map(select(.w and (.i != null))) | length')" 300

# ---- directories that come and go under creates -------------------------------------------------------
(
	for ((i = 0; i < 150; i++)); do
		"$FSX" mkdir churn
		"$FSX" rmdir churn
	done >/dev/null
) &
one=$!
(
	for ((i = 0; i < 150; i++)); do
		got=$("$FSX" create churn/x.json)
		[ "$got" != ok ] || rm -f churn/x.json || exit 1
		case $got in ok | ENOENT | ESTALE) ;; *) exit 1 ;; esac
	done
) &
two=$!
wait "$one"
code=0
wait "$two" || code=$?
is "a type that comes and goes under creates" "$code" 0
"$FSX" rmdir churn >/dev/null
x "it can be made again" ok mkdir churn

# ---- one file, many creators --------------------------------------------------------------------------
for i in 1 2 3 4 5 6 7 8; do
	"$FSX" create r/one.json >"$T/made$i" &
	pids[i]=$!
done
wait "${pids[@]:1:8}"
is "O_EXCL lets one in" "$(cat "$T"/made? | sort | uniq -c | tr -s ' ')" " 7 EEXIST
 1 ok"
cd / || exit 1
mount_stop
yes "check finds nothing" "$REMFS" check --store "$STORE"
