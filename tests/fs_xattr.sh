#!/bin/bash
# fs_xattr.sh - extended attributes: ours are read-only facts of an entity, others are not kept.
# shellcheck source=tests/lib.sh disable=SC2119 # mount_again takes options or none
. "$(dirname "$0")/lib.sh"
mount_start
mkdir -p "$MNT/ten/typ"
cd "$MNT/ten/typ" || exit 1
echo '{"a":1}' >e.json
touch draft.json
echo x >note.txt

x "kind of an entity" entity getxattr e.json user.remfs.kind
x "kind of a draft" draft getxattr draft.json user.remfs.kind
x "kind of scratch" scratch getxattr note.txt user.remfs.kind
x "id" e getxattr e.json user.remfs.id
x "tenant" ten getxattr e.json user.remfs.tenant
x "type" typ getxattr e.json user.remfs.type
says "created" "$("$FSX" getxattr e.json user.remfs.created)" "20??-??-??T??:??:??.?????????Z"
one=$("$FSX" getxattr e.json user.remfs.version)
echo '{"a":2}' >e.json
two=$("$FSX" getxattr e.json user.remfs.version)
yes "the version grows with each commit" test "$two" -gt "$one"
chmod 600 e.json
x "and only then" "$two" getxattr e.json user.remfs.version
x "scratch has no id" ENODATA getxattr note.txt user.remfs.id
x "no such attribute of ours" ENODATA getxattr e.json user.remfs.nothing
x "another attribute" ENODATA getxattr e.json user.other
x "a security attribute" EOPNOTSUPP getxattr e.json security.capability
x "ours are read-only" EPERM setxattr e.json user.remfs.id other
x "others are not kept" EOPNOTSUPP setxattr e.json user.other value
x "a directory has none" ENODATA getxattr . user.remfs.kind
if command -v getfattr >/dev/null; then
	is "they are not listed" "$(getfattr e.json note.txt)" ""
	is "but there by name" "$(getfattr --only-values -n user.remfs.id e.json)" e
else
	skip "they are not listed" "getfattr is not installed"
fi
yes "cp -a copes" cp -a e.json f.json
yes "ls -l copes" ls -l
cd / && mount_again && cd "$MNT/ten/typ" || exit 1
x "the version holds across mounts" "$two" getxattr e.json user.remfs.version
