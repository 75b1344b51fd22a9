#!/bin/bash
# fs_kill.sh - kill -9 of the daemon under eight writers: what close() accepted is there whole, `check` is
# clean, the dead mount point is cleared by the next mount. REMFS_LONG=1: 50 rounds, else 5.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
WRITER=$BUILD/tests/killwriter
[ -x "$WRITER" ] || skip_all "$WRITER is not built"
ROUNDS=5
[ -z "$LONG" ] || ROUNDS=50

enough_written() {
	[ -e "$T/log" ] && [ "$(wc -l <"$T/log")" -ge "$1" ]
}

mount_start
mkdir -p "$MNT/t/p" "$MNT/t/q"
for round in $(seq "$ROUNDS"); do
	rm -rf "$T/log" "$T/said"
	rm -f "$MNT"/t/p/*.json
	pids=()
	for id in 1 2 3 4 5 6 7 8; do
		"$WRITER" write "$MNT/t/p" "$T/log" "$id" 2>>"$T/said" &
		pids+=($!)
	done
	# A batch under way as well
	(while seq 2000 | awk '{printf "{\"id\":\"i%d\",\"n\":%d}\n", $1, $1}' >"$MNT/t/q/.insert"; do :; done) 2>/dev/null &
	pids+=($!)
	poll_until 20 enough_written $((RANDOM % 3000 / SLOW + 200))
	mount_kill
	bad=0
	for pid in "${pids[@]:0:8}"; do
		wait "$pid" || bad=$((bad + 1))
	done
	wait
	is "round $round: the writers saw only the mount die" "$bad $(cat "$T/said")" "0 "
	out=$("$REMFS" check --store "$STORE" 2>&1)
	code=$?
	is "round $round: check finds nothing" "$code" 0
	[ "$code" = 0 ] || printf '%s\n' "$out" | head -n 5 | sed 's/^/# /'
	mount_start 2>/dev/null
	grep -v 'was left mounted by a remfs that died' "$T/stderr" >"$T/stderr2"
	says "round $round: the dead mount was cleared, with a note" "$(cat "$T/stderr")" "remfs: note: $MNT *"
	cp "$T/stderr2" "$T/stderr"
	yes "round $round: every acknowledged write is there whole" "$WRITER" verify "$MNT/t/p" "$T/log"
	# A draft was created, and not filled when the end came: jq says nothing of an empty file
	broken=$(jq 'has("end")' "$MNT"/t/p/*.json 2>&1 | grep -cvx true)
	is "round $round: every file is a whole entity or a draft" "$broken" 0
done
x "and writing goes on" "open=ok write=ok close=ok" steps "$MNT/t/p/after.json" ct '+{"v":1}'
