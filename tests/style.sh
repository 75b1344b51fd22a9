#!/bin/bash
# style.sh - the house rules that a program can check: size of files, their opening comment, words that
# mark unfinished work, shell scripts without complaints.
set -u

cd "${top_srcdir:-$(dirname "$0")/..}" || exit 99
count=0

# verdict NAME LINES: passes when LINES is empty, and shows them otherwise.
verdict()
{
    count=$((count + 1))
    if [ -z "$2" ]; then
        echo "ok $count - $1"
    else
        echo "not ok $count - $1"
        printf '%s\n' "$2" | head -n 20 | sed 's/^/# /'
    fi
}

mapfile -t c < <(find store fs bench fixtures tests -name '*.[ch]' | sort)
mapfile -t scripts < <(find run.sh test.sh deps.sh .ci/run tests bench fixtures \
    \( -name '*.sh' -o -path .ci/run \) | sort)

verdict "C files open with their name and purpose" "$(for f in "${c[@]}"; do
    head -n 1 "$f" | grep -qF "/* ${f##*/} - " || echo "$f"
done)"
verdict "headers have a guard" "$(for f in "${c[@]}"; do
    [[ $f != *.h ]] || grep -q '^#ifndef REMFS_' "$f" || echo "$f"
done)"
verdict "files have at most 720 lines" \
    "$(wc -l "${c[@]}" "${scripts[@]}" | awk '$2 != "total" && $1 > 720')"
verdict "no unfinished work" "$(grep -nwE 'TO''DO|FIX''ME|XX''X|HA''CK|not imple''mented|place''holder' \
    "${c[@]}" "${scripts[@]}" ./*.am ./*/*.am configure.ac)"
verdict "no tests that wait for a time" "$(grep -nE '^[^#*]*\b(u|nano)?sleep(\(| [0-9])' \
    tests/*.[ch] tests/*.sh)"
verdict "no white space at line ends" "$(grep -nE '[[:space:]]$' "${c[@]}" "${scripts[@]}" ./*/*.am)"
if command -v shellcheck > /dev/null; then
    verdict "shellcheck has no complaints" "$(shellcheck -x -S warning -f gcc "${scripts[@]}")"
else
    count=$((count + 1))
    echo "ok $count - shellcheck has no complaints # SKIP it is not installed"
fi

echo "1..$count"
