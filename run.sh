#!/bin/bash
# run.sh - from a fresh Debian 12 to a mounted store with sample data: installs what is missing, builds,
# mounts, loads, and shows the main job. Running it again does no harm.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./deps.sh

usage()
{
    cat << 'END'
usage: ./run.sh [--store DIR] [MOUNTPOINT]

Builds remfs, mounts a demonstration store and shows what it does.
STORE is ~/.local/share/remfs-demo unless --store names another; MOUNTPOINT is /mnt/rem where that can
be made and written, else ./mnt.
END
}

store=${XDG_DATA_HOME:-$HOME/.local/share}/remfs-demo
mnt=
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help)
        usage
        exit 0
        ;;
    --store)
        [ $# -ge 2 ] || die "--store wants a directory"
        store=$2
        shift
        ;;
    -*)
        usage >&2
        exit 2
        ;;
    *)
        [ -z "$mnt" ] || die "one mount point, please"
        mnt=$1
        ;;
    esac
    shift
done

# is_mounted DIR: a remfs is mounted there. Read from the kernel's list, which answers even when a
# daemon does not.
is_mounted()
{
    awk -v dir="$1" '$5 == dir { for (i = 7; i < NF; i++) if ($i == "-") kind = $(i + 1) }
        END { exit kind != "fuse.remfs" }' /proc/self/mountinfo
}

choose_mountpoint()
{
    if [ -z "$mnt" ]; then
        mnt=/mnt/rem
        if ! is_mounted "$mnt" && ! { mkdir -p "$mnt" && [ -w "$mnt" ]; } 2> /dev/null; then
            mnt=$PWD/mnt
        fi
    fi
    mnt=$(realpath -m -- "$mnt")
    is_mounted "$mnt" || mkdir -p "$mnt"
}

build()
{
    deps_install "${deps_build[@]}"
    configure_in build
    say "building (a minute or so the first time)"
    make -C build -j"$(jobs_count)" remfs remfs-gen > build/make.log 2>&1 || {
        tail -n 30 build/make.log
        die "the build failed; all of its output is in build/make.log"
    }
    ln -sfn build/remfs remfs
}

# The store, mounted at $mnt; one that is mounted there already stays. Where a daemon died, the directory
# cannot be listed any more (its attributes may still be cached); remfs mount clears that away.
mount_store()
{
    [ -e /dev/fuse ] || as_root modprobe fuse || die "/dev/fuse is missing: this kernel has no FUSE"
    if is_mounted "$mnt" && ls "$mnt" > /dev/null 2>&1; then
        say "$mnt is mounted already"
    else
        say "mounting $store at $mnt"
        mkdir -p "$(dirname "$store")"
        ./remfs mount "$store" "$mnt"
    fi
}

# Everything goes in by its own id or key: loading again replaces, and adds nothing.
load()
{
    say "loading 1,000 entities and 1,000 documents"
    local type demo=$mnt/demo
    for type in person project resource documents; do
        mkdir -p "$demo/$type"
    done
    ./build/remfs-gen entities 1000 --jsonl > build/entities.jsonl
    ./build/remfs-gen documents 1000 --jsonl > build/documents.jsonl
    for type in person project resource; do
        grep "\"type\": \"$type\"" build/entities.jsonl > "$demo/$type/.insert"
    done
    cat build/documents.jsonl > "$demo/documents/.insert"
}

# show COMMAND: prints it as typed at a prompt in the tenant's directory, and what it prints.
show()
{
    printf '\n\033[1mdemo$\033[0m %s\n' "$1" | if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then cat; else
        sed 's/\x1b\[[0-9]*m//g'
    fi
    (cd "$mnt/demo" && bash -o pipefail -c "$1" 2>&1) || die "that should have worked"
}

tour()
{
    local id
    id=$(sed -n 's/^{"id": "\([^"]*\)", "type": "person".*/\1/p' build/entities.jsonl | sed -n 1p)
    say "a tour: tenants and types are directories, entities are JSON files"
    show "ls"
    show "ls person | head -n 3; ls person | wc -l"
    show "cat person/$id.json; echo"
    show "jq .name person/$id.json"
    show "sed -i 's/\"priority\": [0-9]/\"priority\": 5/' person/$id.json; jq -c .properties.priority person/$id.json"
    show "echo 'no JSON' > person/new.json || tail -n 3 person/.errors"
    say "virtual files answer questions"
    show "echo \"status = 'active' AND priority > 3 LIMIT 3\" > person/.query; cat person/.query"
    show "echo \"SELECT team, COUNT(*) AS n GROUP BY team ORDER BY n DESC\" > project/.query; cat project/.query"
    show "echo 'how do neural networks learn' > documents/.search; head -n 3 documents/.search | cut -c 1-160"
}

choose_mountpoint
build
mount_store
load
tour

cat << END

The store stays mounted. Try next:
    cd $mnt/demo && ls person | head
    grep -l infra project/* | head
    echo '{"name": "me", "status": "active"}' > person/me.json
    echo "status = 'active' ORDER BY name LIMIT 5 FORMAT csv" > person/.query; cat person/.query
    ./remfs help
Unmount with:
    ./remfs umount $mnt
END
