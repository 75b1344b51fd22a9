# shellcheck shell=bash
# deps.sh - sourced by run.sh and test.sh: the Debian 12 packages that remfs needs, how they get
# installed, and how a build directory is made. Runs nothing by itself.

# To build and run.
# shellcheck disable=SC2034  # used by the scripts that source this
deps_build=(
    gcc libc6-dev make autoconf automake pkg-config
    libfuse3-dev fuse3 libleveldb-dev libjson-c-dev libxxhash-dev uuid-dev uthash-dev libunistring-dev
    jq
)
# To test: unit tests, the tools that mounted tests drive, sanitizers, fuzzers, linters.
# shellcheck disable=SC2034
deps_test=(
    check libsqlite3-dev clang libclang-rt-dev llvm shellcheck
    attr e2fsprogs file git procps psmisc python3 rsync sqlite3 util-linux vim xxd
)

say()
{
    printf '== %s\n' "$*"
}

die()
{
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# as_root COMMAND…
as_root()
{
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo > /dev/null; then
        sudo "$@"
    else
        die "this needs root (there is no sudo): $*"
    fi
}

# deps_install PACKAGE…: installs those that are missing; asks apt for nothing when all are there.
deps_install()
{
    local package missing=()
    command -v dpkg-query > /dev/null || {
        say "not a Debian system: taking for granted that these are installed: $*"
        return 0
    }
    for package in "$@"; do
        # shellcheck disable=SC2016  # the format is dpkg's
        [ "$(dpkg-query -W -f '${db:Status-Status}\n' "$package" 2> /dev/null | head -n 1)" = installed ] ||
            missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    say "installing ${missing[*]}"
    as_root apt-get -q update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install \
        "${missing[@]}"
}

# How many jobs make may run: a core each, but no more than memory carries (1 GB a compiler).
jobs_count()
{
    local cores memory
    cores=$(nproc)
    memory=$(awk '/^MemTotal:/ { print int($2 / 1048576) }' /proc/meminfo)
    [ "${memory:-1}" -ge 1 ] || memory=1
    echo $((cores < memory ? cores : memory))
}

# configure_in DIR OPTION…: a build directory below the source, configured with these options; the
# configure script is made first when it is missing or older than what it is made of.
configure_in()
{
    local dir=$1
    shift
    local top=$PWD
    if [ ! -f configure ] || [ ! -f Makefile.in ] || [ ! -f build-aux/tap-driver.sh ] ||
        [ configure.ac -nt configure ]; then
        say "autoreconf"
        autoreconf -i
    fi
    mkdir -p "$dir"
    if [ ! -f "$dir/Makefile" ] || [ "$(cat "$dir/.options" 2> /dev/null)" != "$*" ]; then
        say "configure $dir $*"
        (cd "$dir" && "$top/configure" "$@" > configure.log) || {
            tail -n 20 "$dir/configure.log"
            return 1
        }
        printf '%s\n' "$*" > "$dir/.options"
    fi
}
