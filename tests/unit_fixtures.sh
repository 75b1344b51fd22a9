#!/bin/bash
# unit_fixtures.sh - remfs-gen: the same seed gives the same bytes, in the shape that the benchmarks and
# the documentation promise.
# shellcheck disable=SC2016  # expressions for eval and jq are quoted on purpose
set -u

gen=${top_builddir:-$PWD}/remfs-gen
dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT
count=0

# check NAME COMMAND…: passes when the command succeeds; its output is shown when it fails.
check()
{
    local name=$1 said
    shift
    count=$((count + 1))
    if said=$("$@" 2>&1); then
        echo "ok $count - $name"
    else
        echo "not ok $count - $name"
        printf '%s\n' "$said" | head -5 | sed 's/^/# /'
    fi
}

sum()
{
    local is
    is=$(sha256sum < "$1") && is=${is%% *}
    [ "$is" = "$2" ] || { echo "is $is"; false; }
}

lines()
{
    local is
    is=$(wc -l < "$1")
    [ "$is" -eq "$2" ] || { echo "$is lines"; false; }
}

distinct()
{
    [ -z "$(sort "$1" | uniq -d)" ]
}

# within FILE MIN MAX: every line has so many bytes.
within()
{
    LC_ALL=C awk -v min="$2" -v max="$3" \
        'length($0) < min || length($0) > max { print NR ": " length($0); bad = 1 } END { exit bad }' "$1"
}

refused()
{
    "$gen" "$@" > "$dir/out" 2> "$dir/err"
    [ $? -eq 2 ] && [ ! -s "$dir/out" ] && [ -s "$dir/err" ]
}

"$gen" entities 1000 > "$dir/e.json"
"$gen" entities 1000 > "$dir/e2.json"
"$gen" entities 1000 --jsonl > "$dir/e.jsonl"
"$gen" entities 1000 --seed 7 > "$dir/e7.json"
"$gen" documents 1000 --labels "$dir/d.labels" > "$dir/d.txt"
"$gen" documents 1000 > "$dir/d2.txt"
"$gen" documents 1000 --jsonl > "$dir/d.jsonl"

check "entities: same seed, same bytes" cmp "$dir/e.json" "$dir/e2.json"
check "entities: another seed, other bytes" eval '! cmp -s "$dir/e.json" "$dir/e7.json"'
check "entities: the known bytes of 1,000" \
    sum "$dir/e.json" 5a25021814682c871c8ad73401ce1900c9b1f0deea3f8d3f8e53f6bd145d76a2
check "entities: none is an empty array" eval '[ "$("$gen" entities 0)" = "[]" ]'
check "entities: JSON Lines has a line each" lines "$dir/e.jsonl" 1000

if command -v jq > /dev/null; then
    check "entities: 1,000 in an array" jq -e 'length == 1000' "$dir/e.json"
    check "entities: their members, in this order" jq -e 'all(.[];
        keys_unsorted == ["id", "type", "name", "properties"] and
        (.properties | keys_unsorted) == ["index", "status", "priority", "team", "description"])' \
        "$dir/e.json"
    check "entities: their values" jq -e 'all(to_entries[]; .key as $i | .value |
        (.id | test("^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")) and
        (.type | IN("person", "project", "resource")) and .name == "Entity \($i)" and
        (.properties | .index == $i and (.status | IN("active", "inactive")) and
            (.priority | IN(1, 2, 3, 4, 5)) and (.team | IN("platform", "infra", "data")) and
            .description == "This is entity number \($i) with various properties."))' "$dir/e.json"
    check "entities: ids are distinct" jq -e '([.[].id] | unique | length) == 1000' "$dir/e.json"
    check "entities: every value is about as frequent as the others" jq -e '
        def spread(f): [group_by(f)[] | length] | (max / min) < 1.5;
        spread(.type) and spread(.properties.status) and spread(.properties.priority) and
        spread(.properties.team)' "$dir/e.json"
    check "entities: JSON Lines has the same entities" \
        eval 'jq -es . "$dir/e.jsonl" > "$dir/a" && jq . "$dir/e.json" > "$dir/b" && cmp "$dir/a" "$dir/b"'
    check "documents: JSON Lines has the same paragraphs" \
        eval 'jq -r .content "$dir/d.jsonl" | cmp - "$dir/d.txt"'
    check "documents: JSON Lines has the labels" \
        eval 'jq -r .topic "$dir/d.jsonl" | cmp - "$dir/d.labels"'
else
    for name in array members values ids spread lines paragraphs labels; do
        count=$((count + 1))
        echo "ok $count - $name # SKIP jq is not installed"
    done
fi

check "documents: same seed, same bytes" cmp "$dir/d.txt" "$dir/d2.txt"
check "documents: 1,000 lines" lines "$dir/d.txt" 1000
check "documents: a label for each" lines "$dir/d.labels" 1000
check "documents: all distinct" distinct "$dir/d.txt"
check "documents: 300 to 600 bytes each" within "$dir/d.txt" 300 600
check "documents: forty topics, 25 times each" \
    eval '[ "$(sort "$dir/d.labels" | uniq -c | awk "{print \$1}" | sort | uniq -c)" = "     40 25" ]'
check "documents: three topics that benchmarks ask for" \
    eval 'for t in "machine learning" "database design" "web development"; do
              grep -qx "$t" "$dir/d.labels" || exit 1; done'
check "documents: no frame was left unfilled" eval '! grep -n "[\$]" "$dir/d.txt"'

check "usage: no arguments" refused
check "usage: not a number" refused entities ten
check "usage: a negative number" refused entities -- -5
check "usage: an unknown kind" refused people 5
check "usage: help is not an error" eval '"$gen" --help | grep -q "^usage: remfs-gen"'
check "a full disk is an error" eval '! "$gen" entities 1000 > /dev/full 2> /dev/null'

echo "1..$count"
