#!/bin/bash
# fs_tree.sh - contract section 1: tenants, types, names, control files, listings.
# shellcheck source=tests/lib.sh disable=SC2119 # mount_again takes options or none
. "$(dirname "$0")/lib.sh"
mount_start
cd "$MNT" || exit 1

yes "mkdir of a tenant" mkdir t1
yes "mkdir of a type" mkdir t1/person
yes "mkdir -p of both" mkdir -p t2/doc
x "mkdir again" EEXIST mkdir t1
x "mkdir of a type again" EEXIST mkdir t1/person
x "a directory in a type" EPERM mkdir t1/person/sub
x "a file beside tenants" EPERM create file
x "a file beside types" EPERM create t1/file
x "rmdir of a tenant with types" ENOTEMPTY rmdir t1
is "ls of the root" "$(ls)" "t1
t2"
is "ls -a of the root" "$(ls -A)" "t1
t2"
yes "/.remfs is there by name" test -d .remfs
is "nlink counts subdirectories" "$(stat -c %h t1 .)" "3
5"

# ---- names of tenants and types: [A-Za-z0-9_][A-Za-z0-9_.-]{0,63} -------------------------------
for name in a A_b.c-d 0 _ "$(printf 'n%.0s' {1..64})"; do
	x "tenant '$name'" ok mkdir "$name"
	x "type '$name'" ok mkdir "t1/$name"
	rmdir "$name" "t1/$name"
done
bad=0
for byte in $(seq 1 255); do
	printf -v c '%b' "\\x$(printf %02x "$byte")"
	[[ $c == [A-Za-z0-9_./-] ]] && continue
	for got in "$("$FSX" mkdir "x${c}y")" "$("$FSX" mkdir "t1/x${c}y")"; do
		[ "$got" = EINVAL ] || bad=$((bad + 1))
	done
done
is "every other byte in a directory's name is EINVAL" "$bad" 0
x "a leading dot" EINVAL mkdir .hidden
x "a leading dash" EINVAL mkdir -x
x "a leading dot in a tenant" EINVAL mkdir t1/.hidden
x "65 bytes" ENAMETOOLONG mkdir "$(printf 'n%.0s' {1..65})"
x "4000 bytes" ENAMETOOLONG mkdir "$(printf 'n%.0s' {1..4000})"
x "looking such a name up" ENAMETOOLONG stat "$(printf 'n%.0s' {1..65})"
x "looking a control character up" EINVAL stat $'a\nb'
x "a name that is not there" ENOENT stat nobody
x "a dot file that is not there" ENOENT stat .git
x "a path through what is not there" ENOENT stat nobody/x/y.json

# ---- ids: 1 to 240 bytes of UTF-8 ------------------------------------------------------------------
long=$(printf 'i%.0s' {1..240})
for id in a 'with space' 'zürich' '日本語' '🦉' 'a.b.c' "quote'\"" '*?[]' '-rf' 'a=b,c:d' '%2F' "$long"; do
	printf '{}' >"t1/person/$id.json" || true
	is "id '$id'" "$(cat "t1/person/$id.json")" '{}'
done
is "they are all listed" "$(find t1/person -name '*.json' | wc -l)" 12
bad=0
for byte in $(seq 1 31) 127; do
	printf -v c '%b' "\\x$(printf %02x "$byte")"
	[ "$("$FSX" create "t1/person/x${c}y.json")" = EINVAL ] || bad=$((bad + 1))
	[ "$("$FSX" create "t1/person/x${c}y")" = EINVAL ] || bad=$((bad + 1))
done
is "control characters in a file's name are EINVAL" "$bad" 0
for seq in '\xff' '\xc0\xaf' '\xed\xa0\x80' '\xf4\x90\x80\x80' '\xe2\x82' '\x80' '\xc2\x85'; do
	printf -v c '%b' "$seq"
	x "invalid UTF-8 or a control character $seq" EINVAL create "t1/person/a${c}.json"
done
x "an id of 241 bytes" ENAMETOOLONG create "t1/person/i$long.json"
x "a scratch name of 256 bytes" ENAMETOOLONG create "t1/person/$(printf 's%.0s' {1..256})"
x "a scratch name of 255 bytes" ok create "t1/person/$(printf 's%.0s' {1..255})"
x "a name of 4000 bytes" ENAMETOOLONG create "t1/person/$(printf 's%.0s' {1..4000}).json"

# ---- control files --------------------------------------------------------------------------------
is "an empty type is empty" "$(ls -A t2/doc)" ""
is "a tenant lists its types" "$(ls -A t2)" doc
for f in .query .search .stats .errors .insert .all.jsonl; do
	x "$f is there by name" ok stat "t2/doc/$f"
	no "$f is not listed" grep -qxF -- "$f" <(ls -A t2/doc)
done
is "control files have size 0" "$(stat -c %s t2/doc/.query t2/doc/.stats t2/doc/.all.jsonl)" "0
0
0"
is "and are regular files" "$(stat -c %F t2/doc/.query)" "regular empty file"
for f in version config.json stats.json SKILL.md; do
	yes "/.remfs/$f says something" test -n "$(cat ".remfs/$f")"
done
yes "config.json is JSON" jq -e . .remfs/config.json
yes "stats.json is JSON" jq -e . .remfs/stats.json
yes "a tenant's .stats is JSON" jq -e . t1/.stats
yes "a type's .stats is JSON" jq -e . t1/person/.stats
x "nothing can be made in /.remfs" EROFS create .remfs/x
x "nor a directory" EROFS mkdir .remfs/x
x "mkdir of .remfs" EEXIST mkdir .remfs
x "a control file cannot be moved" EPERM rename t1/.query t1/person/x.json
x "nor replaced" EPERM rename t1/person/a.json t1/person/.query
is "an empty query file" "$(cat t1/.query)" ""
is "du counts nothing for control files" "$(du -sb --apparent-size t2/doc/.query | cut -f1)" 0

# ---- what there is none of ------------------------------------------------------------------------
x "hard links" EPERM link t1/person/a.json t1/person/b.json
x "symbolic links" EPERM symlink a.json t1/person/l.json
x "fifos" EPERM mkfifo t1/person/fifo
x "unlink of a directory" EISDIR unlink t1/person
x "rmdir of a file" ENOTDIR rmdir t1/person/a.json
x "a file as a directory" ENOTDIR stat t1/person/a.json/x

# ---- moving directories ----------------------------------------------------------------------------
x "a type gets another name" ok rename t2/doc t2/docs
x "a tenant gets another name" ok rename t2 t3
is "and is there under it" "$(ls t3)" docs
mkdir t1/empty t1/other
x "an empty type is replaced" ok rename t1/empty t1/other
x "one that is not empty is not" ENOTEMPTY rename t1/other t1/person
x "nor any with NOREPLACE" EEXIST rename t1/other t1/person noreplace
x "a bad new name" EINVAL rename t1/other t1/.other
x "a type to the root" EPERM rename t1/other other
x "a file to a tenant" EPERM rename t1/person/a.json t1/a.json

# ---- removing, and what stays ------------------------------------------------------------------------
yes "rm -r of a tenant" rm -r t3
x "it is gone" ENOENT stat t3
ino=$(stat -c %i t1 t1/person t1/person/a.json)
chmod 750 t1/person
touch -d '2001-02-03 04:05:06.789' t1/person
cd / && mount_again && cd "$MNT" || exit 1
is "inode numbers hold across mounts" "$(stat -c %i t1 t1/person t1/person/a.json)" "$ino"
is "mode and time of a directory too" "$(stat -c '%a %.3Y' t1/person)" "750 981173106.789"
is "and the names" "$(find t1/person -name '*.json' | wc -l)" 12
rm -r t1
is "nothing left" "$(ls)" ""

# ---- -o list_controls ---------------------------------------------------------------------------------
mkdir -p t1/person
echo '{"a":1}' >t1/person/a.json
cd / && mount_again -o list_controls && cd "$MNT" || exit 1
is "a type lists .query .search .stats" "$(ls -A t1/person)" ".query
.search
.stats
a.json"
is "a tenant too" "$(ls -A t1)" ".query
.search
.stats
person"
is "the root lists .remfs" "$(ls -A)" ".remfs
t1"
yes "rm -r gets past them" rm -r t1
