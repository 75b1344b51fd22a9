# shellcheck shell=bash
# lib.sh - sourced by every test on a mount: a private place, a mount that is polled for, TAP lines, and an
# end that demands a daemon which went away by itself, with status 0 and nothing on its stderr.
#
# A script calls mount_start, then ok / not_ok / is / yes / no / says / fails_with, and ends; the rest is
# done by the trap. Nothing here waits for a time: pause() is only ever called between two looks at a
# condition, in loops that end.
#
#   T       a private directory outside the mount      MNT     the mount point
#   STORE   the store's directory                      PID     the daemon's process
#   FSX     tests/fsx: system calls that shells lack

set -u
export LC_ALL=C.UTF-8
unset P8_DB_PATH XDG_DATA_HOME CDPATH

REMFS=${REMFS:-${top_builddir:-$PWD}/remfs}
case $REMFS in /*) ;; *) REMFS=$PWD/$REMFS ;; esac
BUILD=$(dirname "$REMFS")
SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
FSX=$BUILD/tests/fsx
SANITIZED=${REMFS_SANITIZED:-}
LONG=${REMFS_LONG:-}
export BUILD SOURCE FSX SANITIZED LONG

# A sanitizer makes everything slower by about so much: bounds of time and size are stretched by it.
SLOW=1
[ -z "$SANITIZED" ] || SLOW=8

skip_all() {
	echo "1..0 # SKIP $*"
	trap - EXIT
	[ -z "${T:-}" ] || rm -rf "$T"
	exit 0
}

[ -e /dev/fuse ] || skip_all "/dev/fuse is missing"
[ -x "$REMFS" ] || skip_all "$REMFS is not built"
if [ "$(id -u)" != 0 ] && ! command -v fusermount3 >/dev/null; then
	skip_all "mounting needs root or fusermount3"
fi

T=$(mktemp -d "${TMPDIR:-/tmp}/remfs-test.XXXXXX")
MNT=$T/mnt
STORE=$T/store
PID=
mkdir "$MNT"
mkfifo "$T/never"
exec {LIB_NEVER}<>"$T/never"

# ---- TAP ----------------------------------------------------------------------------------------

TEST_N=0
TEST_BAD=0

# A name is one line, and '#' would begin a TAP directive
test_name() {
	local name=${1//#/\\#}
	printf '%s' "${name//[$'\n\r']/ }"
}

ok() {
	TEST_N=$((TEST_N + 1))
	printf 'ok %d - %s\n' "$TEST_N" "$(test_name "$1")"
}

# not_ok NAME [DIAGNOSTIC…]
not_ok() {
	TEST_N=$((TEST_N + 1))
	TEST_BAD=$((TEST_BAD + 1))
	printf 'not ok %d - %s\n' "$TEST_N" "$(test_name "$1")"
	shift
	[ $# -eq 0 ] || { printf '%s\n' "$@" | head -c 2000 | sed 's/^/# /' && echo; }
}

# skip NAME REASON
skip() {
	TEST_N=$((TEST_N + 1))
	printf 'ok %d - %s # SKIP %s\n' "$TEST_N" "$(test_name "$1")" "$2"
}

# is NAME GOT WANT
is() {
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		not_ok "$1" "got:  $2" "want: $3"
	fi
}

# says NAME TEXT PATTERN: a glob that the whole text has to match
says() {
	# shellcheck disable=SC2053 # the pattern is meant to be one
	if [[ $2 == $3 ]]; then
		ok "$1"
	else
		not_ok "$1" "got:      $2" "expected: $3"
	fi
}

# yes NAME COMMAND…: it succeeds
yes() {
	local name=$1 out
	shift
	if out=$("$@" 2>&1); then
		ok "$name"
	else
		not_ok "$name" "status $? of: $*" "$out"
	fi
}

# no NAME COMMAND…: it fails
no() {
	local name=$1 out
	shift
	if out=$("$@" 2>&1); then
		not_ok "$name" "succeeded: $*" "$out"
	else
		ok "$name"
	fi
}

# fails_with NAME TEXT COMMAND…: it fails, and its output contains TEXT
fails_with() {
	local name=$1 text=$2 out
	shift 2
	if out=$("$@" 2>&1); then
		not_ok "$name" "succeeded: $*" "$out"
	elif [[ $out == *"$text"* ]]; then
		ok "$name"
	else
		not_ok "$name" "got:      $out" "expected: …$text…"
	fi
}

# x NAME WANT OP ARG…: what fsx says of system calls ("ok", or errno names)
x() {
	local name=$1 want=$2 got
	shift 2
	got=$("$FSX" "$@" 2>&1)
	is "$name" "$got" "$want"
}

# ---- waiting ------------------------------------------------------------------------------------

pause() {
	read -rt 0.02 -u "$LIB_NEVER" || true
}

# poll_until SECONDS COMMAND…: 0 as soon as it succeeds, 1 when the time is over
poll_until() {
	local until=$((SECONDS + $1 * SLOW))
	shift
	while ! "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$until" ] || return 1
		pause
	done
}

process_ended() {
	local state
	[ -e "/proc/$1/stat" ] || return 0
	state=$(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null)
	[ "${state%% *}" = Z ] || [ -z "$state" ]
}

# ---- the mount ----------------------------------------------------------------------------------

mount_answers() {
	[ -r "$MNT/.remfs/version" ]
}

mount_or_death() {
	mount_answers || process_ended "$PID"
}

# mount_start [-o OPTIONS …]: a daemon in the foreground of its own job; its stderr goes to a file
mount_start() {
	: >"$T/stderr" && : >"$T/stdout"
	"$REMFS" mount "$STORE" "$MNT" -f "$@" >>"$T/stdout" 2>>"$T/stderr" {LIB_NEVER}>&- &
	PID=$!
	if ! poll_until 20 mount_or_death || ! mount_answers; then
		echo "Bail out! the mount does not answer: $(head -c 500 "$T/stderr")"
		exit 1
	fi
}

# libfuse ends its threads by cancelling them. One that is inside read() at that moment leaves
# ThreadSanitizer's runtime in a state that it calls an error, after all the work: "finished with ignores
# enabled", made by libfuse3, and status 66. That, alone, is not a finding.
tsan_farewell() { # STATUS [FILE of its words]
	local said=${2:-$T/stderr}
	[ "$SANITIZED" = thread ] && [ "$1" = 66 ] && [ ! -s "$T/stdout" ] && [ ! -s "$said" ] && return # cut off
	[ "$SANITIZED" = thread ] && [ "$1" = 66 ] && [ ! -s "$T/stdout" ] &&
		grep -q 'finished with ignores enabled, created at:' "$said" && grep -q 'libfuse3' "$said" &&
		! grep -q 'WARNING: ThreadSanitizer\|remfs:' "$said"
}

# Asks for the end and judges it. mount_stop [NAME]
mount_stop() {
	local name=${1:-the daemon ended by itself with status 0, silently} status=0 out
	[ -n "$PID" ] || return 0
	out=$("$REMFS" umount "$MNT" --timeout $((30 * SLOW)) 2>&1) || status=$?
	if [ "$status" != 0 ]; then
		not_ok "$name" "umount: $out" "$(find /proc/[0-9]*/cwd /proc/[0-9]*/fd -lname "$MNT*" -printf '%p -> %l\n' 2>/dev/null)"
		kill -TERM "$PID"
	fi
	poll_until 30 process_ended "$PID" || kill -KILL "$PID"
	local code=0
	wait "$PID" || code=$?
	PID=
	if tsan_farewell "$code"; then
		code=0
		: >"$T/stderr"
	fi
	if [ "$code" != 0 ] || [ -s "$T/stderr" ] || [ -s "$T/stdout" ]; then
		not_ok "$name" "status $code" "$(cat "$T/stdout" "$T/stderr")"
	elif [ "$status" = 0 ]; then
		ok "$name"
	fi
}

# mount_again [-o …]: unmount, mount; nothing of it may be noticed
mount_again() {
	mount_stop "unmounted, for a remount"
	mount_start "$@"
}

# kill -9 of the daemon, and the dead mount cleared away as `remfs mount` does it
mount_kill() {
	kill -KILL "$PID"
	wait "$PID" 2>/dev/null
	PID=
}

# The reasons in the `.errors` of a directory, newest last
errors() {
	cat "$1/.errors"
}

lib_end() {
	local code=$?
	trap - EXIT
	cd /
	exec 3>&- 4>&- 5>&- 6>&-
	[ "$code" = 0 ] || not_ok "the script ran to its end" "status $code"
	mount_stop
	local left
	# shellcheck disable=SC2013 # T has no white space
	for left in $(awk -v t="$T/" 'index($5, t) == 1 && / - fuse.remfs / {print $5}' /proc/self/mountinfo); do
		umount -l "$left" 2>/dev/null || fusermount3 -uz "$left"
	done
	rm -rf "$T"
	echo "1..$TEST_N"
	[ "$TEST_BAD" = 0 ] || exit 1
	exit 0
}
trap lib_end EXIT
trap 'exit 130' INT
trap 'exit 141' PIPE
trap 'exit 143' TERM
