#!/bin/bash
# layers.sh - the arrows between the rooms of the house: who may include what (grep), and who may call
# whom (nm on the archives of the build directory, when there are any). doc/ARCHITECTURE.md says why.
set -u

top=${top_srcdir:-$(cd "$(dirname "$0")/.." && pwd)}
built=${top_builddir:-$PWD}
count=0

# verdict NAME LINES: passes when LINES is empty, and shows them otherwise.
verdict()
{
    count=$((count + 1))
    if [ -z "$2" ]; then
        echo "ok $count - $1"
    else
        echo "not ok $count - $1"
        printf '%s\n' "$2" | sed 's/^/# /'
    fi
}

# includes PATTERN FILE…: the include lines of these files that match PATTERN, as file:line.
includes()
{
    local pattern=$1
    shift
    [ $# -gt 0 ] || return 0
    grep -nE "^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"]($pattern)" "$@" /dev/null
}

# sources DIR…: the C files below these directories of the top.
sources()
{
    local dir
    for dir in "$@"; do
        [ ! -d "$top/$dir" ] || find "$top/$dir" -name '*.[ch]'
    done
}

# undefined ARCHIVE PATTERN: the symbols that an archive takes from elsewhere and that match.
undefined()
{
    [ ! -f "$built/$1" ] || nm -u "$built/$1" 2>/dev/null |
        awk -v lib="$1" -v pattern="^($2)" '$1 == "U" && $2 ~ pattern { print lib ": " $2 }' | sort -u
}

mapfile -t store < <(sources store)
mapfile -t base < <(sources store/base)
mapfile -t kv < <(sources store/kv)
mapfile -t fs < <(sources fs)
mapfile -t all < <(sources store fs fixtures bench tests)

verdict "sources were found" "$([ ${#store[@]} -gt 0 ] && [ ${#fs[@]} -gt 0 ] || echo "none below $top")"

# ---- foreign libraries ----------------------------------------------------------------------------

verdict "only fs/ and bench/ include libfuse" \
    "$(includes 'fuse|fuse3/' "${store[@]}" "$(sources fixtures)")"
verdict "only store/codec.c includes json-c" \
    "$(includes 'json-c/|json\.h>|json_object' "${all[@]}" | grep -v '"store/json' |
        grep -v "^$top/store/codec\.c:")"
verdict "only store/kv/kv_leveldb.c includes LevelDB" \
    "$(includes 'leveldb/' "${all[@]}" | grep -v "^$top/store/kv/kv_leveldb\.c:" |
        grep -v "^$top/bench/")"

# ---- our own rooms --------------------------------------------------------------------------------

verdict "store/ never includes fs/" "$(includes '(\.\./)*fs/' "${store[@]}")"
verdict "store/base/ includes nothing of store/ but base" \
    "$(includes 'store/' "${base[@]}" | grep -v '"store/base/')"
verdict "store/kv/ includes of store/ only base and kv" \
    "$(includes 'store/' "${kv[@]}" | grep -vE '"store/(base|kv)/')"
verdict "fs/ includes of store/ only store.h and base" \
    "$(includes '(\.\./)*store/' "${fs[@]}" | grep -vE '"store/(store\.h|base/)')"
verdict "nobody climbs out of a directory" "$(includes '\.\./' "${all[@]}")"

# ---- the same in what was built -------------------------------------------------------------------

fuse='fuse_'
json='json_object_|json_tokener_|json_util_'
leveldb='leveldb_'
verdict "libbase.a needs no foreign library" "$(undefined libbase.a "$fuse|$json|$leveldb|kv_|store_")"
verdict "libkv.a calls neither LevelDB, json-c nor libfuse" \
    "$(undefined libkv.a "$fuse|$json|$leveldb|ent_|store_")"
verdict "libkv_leveldb.a calls neither json-c nor libfuse" \
    "$(undefined libkv_leveldb.a "$fuse|$json|ent_|store_")"
verdict "libstore.a calls neither LevelDB, json-c nor libfuse" \
    "$(undefined libstore.a "$fuse|$json|$leveldb")"
verdict "libcodec.a calls neither LevelDB nor libfuse" "$(undefined libcodec.a "$fuse|$leveldb")"
verdict "libfs.a calls the store through store.h only" \
    "$(undefined libfs.a "$json|$leveldb|kv_|codec_|ent_snap|ent_scan|key_|record_")"

echo "1..$count"
