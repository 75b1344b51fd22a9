#!/bin/bash
# fs_full.sh - a full disk under the store: ENOSPC, reads go on, nothing acknowledged is lost, writes go on
# once there is space again. On a small ext4 in a file; needs root.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || skip_all "mounting a loop device needs root"
command -v mkfs.ext4 >/dev/null || skip_all "mkfs.ext4 is not installed"
DISK=$T/disk
mkdir "$DISK"
truncate -s 40M "$T/image"
mkfs.ext4 -q -F -m 0 -O ^has_journal "$T/image" || skip_all "mkfs.ext4 failed"
mount -o loop "$T/image" "$DISK" 2>/dev/null || skip_all "no loop device"
disk_end() {
	cd / || exit 1
	mount_stop
	umount "$DISK" 2>/dev/null || umount -l "$DISK"
	lib_end
}
trap disk_end EXIT

STORE=$DISK/store
mount_start
mkdir -p "$MNT/t/p"
cd "$MNT/t/p" || exit 1
# LevelDB turns a log into a table before it lets go of it: what is freed must hold both.
fallocate -l 22M "$DISK/ballast" || dd if=/dev/zero of="$DISK/ballast" bs=1M count=22 status=none

# About 100 KB each that do not compress
: >"$T/accepted"
failed=""
for i in $(seq 1 3000); do
	{ printf '{"n":%d,"r":"' "$i" && head -c 75000 /dev/urandom | base64 -w 0 && printf '"}'; } >"$T/text"
	if ! failed=$(dd if="$T/text" of="f$i.json" bs=256K status=none 2>&1); then
		break
	fi
	printf '%s f%d.json\n' "$(md5sum <"$T/text")" "$i" >>"$T/accepted"
done
says "a full disk is ENOSPC" "$failed" "*No space left*"
n=$(wc -l <"$T/accepted")
yes "after some were written" test "$n" -gt 50

all_there() {
	local sum name
	while read -r sum _ name; do
		[ "$(md5sum <"$name" | cut -d' ' -f1)" = "$sum" ] || {
			echo "$name"
			return 1
		}
	done <"$T/accepted"
}
yes "reads go on, and nothing is lost" all_there
# shellcheck disable=SC2016 # for the shell below
yes "queries too" bash -c 'echo "SELECT n WHERE n = 7" >.query && [ "$(cat .query)" = "{\"n\":7}" ]'
is "listings too" "$(find . -name 'f1.json')" ./f1.json
no "another write fails as well" dd if="$T/text" of=more.json bs=256K status=none
says "the reason is in .errors or the errno's" "$(dd if="$T/text" of=more.json bs=256K 2>&1)" "*No space*"

rm "$DISK/ballast"
can_write() {
	dd if="$T/text" of=again.json bs=256K status=none
}
yes "with space again, writes go on" poll_until 10 can_write
yes "what was written is there" cmp "$T/text" again.json
for i in $(seq 1 20); do
	dd if="$T/text" of="g$i.json" bs=256K status=none || break
	printf '%s g%d.json\n' "$(md5sum <"$T/text")" "$i" >>"$T/accepted"
done
is "twenty more" "$(find . -name 'g*.json' -size +0 | wc -l)" 20
yes "nothing is lost" all_there
yes "an entity can be removed" rm f1.json
sed -i '1d' "$T/accepted"
cd / || exit 1
# What the daemon says of a full disk, it may say
sed -i '/[Nn]o space left\|full/d' "$T/stderr"
mount_stop
yes "check finds nothing" "$REMFS" check --store "$STORE"
mount_start
cd "$MNT/t/p" || exit 1
yes "nothing is lost after a remount" all_there
