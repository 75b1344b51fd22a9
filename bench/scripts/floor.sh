#!/bin/bash
# floor.sh - measures a mounted store against the floor (a file system that answers from memory) and
# against its peers in loading. Needs FUSE, a build, and about 500 MB in a temporary directory.
#
#     bench/scripts/floor.sh [--build DIR] [--out DIR] [--rounds N] [--entities N]
#
# Makes a store of its own with N entities (100,000) in one type and 10,000 in another, mounts it and
# the floor, runs remfs-bench-floor and remfs-bench-import, unmounts, removes all but the results:
# floor.md, floor.json, import.md, import.json in --out (the current directory).
set -euo pipefail

build=$PWD out=$PWD rounds=9 entities=100000
while [ $# -gt 0 ]; do
    case $1 in
    --build) build=$(cd "$2" && pwd) ;;
    --out) mkdir -p "$2" && out=$(cd "$2" && pwd) ;;
    --rounds) rounds=$2 ;;
    --entities) entities=$2 ;;
    *)
        sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
    esac
    shift 2
done
for program in remfs remfs-gen remfs-null-fs remfs-bench-floor; do
    if [ ! -x "$build/$program" ]; then
        echo "$0: $build/$program is missing: build first, or say --build DIR" >&2
        exit 1
    fi
done

work=$(mktemp -d "${TMPDIR:-/tmp}/remfs-floor.XXXXXX")
null_pid='' remfs_pid=''

finish()
{
    local pid
    mountpoint -q "$work/null" && umount "$work/null"
    mountpoint -q "$work/rem" && umount "$work/rem"
    for pid in $null_pid $remfs_pid; do
        wait "$pid" || true
    done
    rm -rf "$work"
}
trap finish EXIT

# wait_mounted DIR PID: until DIR is mounted, or the process that should do it is gone.
wait_mounted()
{
    while ! mountpoint -q "$1"; do
        kill -0 "$2" 2>/dev/null || {
            echo "$0: nothing was mounted on $1" >&2
            exit 1
        }
        read -r -t 0.05 < "$work/never" || true
    done
}

mkdir "$work/null" "$work/rem" "$work/db"
mkfifo "$work/never"
exec 9<> "$work/never"

"$build/remfs-gen" entities "$entities" --jsonl > "$work/many.jsonl"
"$build/remfs-gen" entities 10000 --seed 2 --jsonl > "$work/list.jsonl"
for type in many list; do
    sed -n 's/^{"id": *"\([^"]*\)".*/\1.json/p' "$work/$type.jsonl" > "$work/$type.names"
done
bytes=$(wc -c < "$work/many.jsonl")

# The rounds cannot use more names than there are.
max=$((entities / 4000))
[ "$rounds" -le "$max" ] || rounds=$max

"$build/remfs" mount --store "$work/store" "$work/rem" -f 9>&- &
remfs_pid=$!
"$build/remfs-null-fs" --dir "many=$work/many.names" --dir "list=$work/list.names" \
    --size $((bytes / entities)) --all "$bytes" "$work/null" 9>&- &
null_pid=$!
wait_mounted "$work/rem" "$remfs_pid"
wait_mounted "$work/null" "$null_pid"

mkdir "$work/rem/bench"
for type in many list; do
    mkdir "$work/rem/bench/$type"
    cat "$work/$type.jsonl" > "$work/rem/bench/$type/.insert"
done

"$build/remfs-bench-floor" --many "$work/null/many" "$work/rem/bench/many" \
    --list "$work/null/list" "$work/rem/bench/list" --names "$work/many.names" \
    --pid "$null_pid" "$remfs_pid" --rounds "$rounds" --json "$out/floor.json" |
    tee "$out/floor.md"

if [ -x "$build/remfs-bench-import" ]; then
    echo
    "$build/remfs-bench-import" --jsonl "$work/many.jsonl" --work "$work/db" \
        --mount "$work/rem/bench" --rounds 5 --json "$out/import.json" | tee "$out/import.md"
fi
