#!/bin/bash
# test.sh - everything that can be checked, on a fresh Debian 12: the build without warnings, the tests,
# the tests under AddressSanitizer and UBSan, the threaded ones under ThreadSanitizer, the fuzzers. Its last
# line is "N passed, N failed, N skipped".
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1
. ./deps.sh

usage()
{
    cat << 'END'
usage: ./test.sh [--long] [--no-install]

  --long        larger inputs, more rounds (REMFS_LONG=1), ten minutes for each fuzzer
  --no-install  do not look for missing packages
Build directories are build-test/*; each keeps its logs.
END
}

fuzz_seconds=60
install=yes
while [ $# -gt 0 ]; do
    case $1 in
    --long)
        fuzz_seconds=600
        export REMFS_LONG=1
        ;;
    --no-install)
        install=no
        ;;
    -h | --help)
        usage
        exit 0
        ;;
    *)
        usage >&2
        exit 2
        ;;
    esac
    shift
done

# TSan takes every access of a FUSE daemon as ordered through /dev/fuse unless io_sync=0; UBSan only
# prints unless it is told to halt.
export TSAN_OPTIONS="io_sync=0 ignore_noninstrumented_modules=1"
export UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1"
export ASAN_OPTIONS="detect_leaks=1"

passed=0
failed=0
skipped=0
jobs=$(jobs_count)
started=$SECONDS

# result PASS|FAIL|SKIP NAME
result()
{
    case $1 in
    PASS) passed=$((passed + 1)) ;;
    SKIP) skipped=$((skipped + 1)) ;;
    *) failed=$((failed + 1)) ;;
    esac
    printf '%s: %s\n' "$1" "$2"
}

# build NAME TARGETS [OPTION…]: build-test/NAME, configured with these options, made up to TARGETS.
build()
{
    local name=$1 targets=$2 dir=build-test/$1
    shift 2
    if ! configure_in "$dir" "$@"; then
        result FAIL "$name: configure"
        return 1
    fi
    say "make in $dir"
    # shellcheck disable=SC2086  # several targets
    if ! make -C "$dir" -j"$jobs" $targets > "$dir/make.log" 2>&1; then
        grep -E -A 4 'error|warning' "$dir/make.log" | head -n 40
        result FAIL "$name: the build (see $dir/make.log)"
        return 1
    fi
    result PASS "$name: builds without a warning"
}

# count_results DIR: adds up the .trs files that automake's test driver left, one line for each result, and
# shows what failed.
count_results()
{
    local dir=$1 file kind bad any=no
    for file in "$dir"/tests/*.trs; do
        [ -f "$file" ] || continue
        any=yes
        bad=0
        while read -r _ kind _; do
            case $kind in
            PASS | XFAIL) passed=$((passed + 1)) ;;
            SKIP) skipped=$((skipped + 1)) ;;
            *) bad=$((bad + 1)) ;;
            esac
        done < <(grep '^:test-result:' "$file")
        [ $bad -gt 0 ] || continue
        failed=$((failed + bad))
        file=${file%.trs}
        printf 'FAIL: %s: %s, %d failed (see %s.log)\n' "${dir##*/}" "${file##*/}" "$bad" "$file"
        grep -E -A 3 '^(not ok|ERROR)' "$file.log" | grep -vE '^(ok|PASS|FAIL|--)' | head -n 20 |
            sed 's/^/    /'
    done
    [ $any = yes ] || result FAIL "${dir##*/}: no test has run"
}

# check NAME [TESTS]: make check in build-test/NAME (all tests unless some are named), counted.
check()
{
    local name=$1 dir=build-test/$1
    shift
    say "make check in $dir"
    rm -f "$dir"/tests/*.trs
    make -C "$dir" -j"$jobs" check ${1+"TESTS=$1"} > "$dir/check.log" 2>&1
    if ! grep -q '^# TOTAL:' "$dir/check.log"; then
        tail -n 20 "$dir/check.log"
        result FAIL "$name: make check did not end (see $dir/check.log)"
    fi
    count_results "$dir"
}

# threaded_tests: the tests that TSan is worth its time for: threads in one process, and mounts.
threaded_tests()
{
    make -s -C build-test/tsan print-threaded-tests
}

# fuzz_one NAME: a minute of a fuzzer from its seeds; what it finds stays in build-test/fuzz/NAME.
fuzz_one()
{
    local name=$1 dir=build-test/fuzz/$1
    mkdir -p "$dir/corpus"
    local seeds=(fixtures/bad)
    [ ! -d "fixtures/fuzz/$name" ] || seeds=("fixtures/fuzz/$name")
    "build-test/fuzz/tests/$name" -max_total_time="$fuzz_seconds" -timeout=10 -rss_limit_mb=2048 \
        -print_final_stats=1 -artifact_prefix="$dir/" "$dir/corpus" "${seeds[@]}" \
        > "$dir/log" 2>&1
}

fuzz()
{
    local name pids=() names=()
    say "fuzzers, $fuzz_seconds s each"
    for name in $(make -s -C build-test/fuzz print-fuzzers); do
        name=${name##*/}
        fuzz_one "$name" &
        pids+=($!)
        names+=("$name")
        [ ${#pids[@]} -lt "$jobs" ] || fuzz_wait
    done
    fuzz_wait
}

# Waits for the fuzzers of fuzz() that run.
fuzz_wait()
{
    local i
    for i in "${!pids[@]}"; do
        if wait "${pids[i]}"; then
            result PASS "fuzz: ${names[i]}, $(awk '/number_of_executed_units/ { print $2 }' \
                "build-test/fuzz/${names[i]}/log") inputs"
        else
            tail -n 30 "build-test/fuzz/${names[i]}/log"
            result FAIL "fuzz: ${names[i]} (see build-test/fuzz/${names[i]})"
        fi
    done
    pids=()
    names=()
}

if [ $install = yes ]; then
    deps_install "${deps_build[@]}" "${deps_test[@]}" || exit 1
fi
debug="CFLAGS=-O1 -g"

build plain all --enable-werror && check plain
build clang all --enable-werror CC=clang
build asan all --enable-werror --enable-sanitize=address,undefined "$debug" && check asan
build tsan all --enable-werror --enable-sanitize=thread "$debug" && check tsan "$(threaded_tests)"
build fuzz fuzzers --enable-werror --enable-fuzzers CC=clang "$debug" && fuzz

say "$((SECONDS - started)) s"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
