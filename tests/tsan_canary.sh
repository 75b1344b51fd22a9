#!/bin/bash
# tsan_canary.sh - ThreadSanitizer, as the tests run it, reports a race between two requests.
set -u

echo "1..1"
case ${REMFS_SANITIZED:-} in
*thread*) ;;
*)
    echo "ok 1 - a planted race is reported # SKIP not a build with ThreadSanitizer"
    exit 0
    ;;
esac
if said=$("${top_builddir:-$PWD}/tests/canary_race" 2>&1) || [[ $said != *"data race"* ]]; then
    echo "not ok 1 - a planted race is reported"
    printf '%s\n' "${said:-nothing was reported}" | head -n 20 | sed 's/^/# /'
else
    echo "ok 1 - a planted race is reported"
fi
