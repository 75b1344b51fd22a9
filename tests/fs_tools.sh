#!/bin/bash
# fs_tools.sh - the tools that people and agents use, on entities: copy, edit, archive, look.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
mount_start
mkdir -p "$MNT/t/p"
cd "$MNT/t/p" || exit 1
have() {
	command -v "$1" >/dev/null || {
		skip "$2" "$1 is not installed"
		return 1
	}
}

for i in $(seq 1 20); do
	printf '{"id":"e%d","name":"Entity %d","n":%d}\n' "$i" "$i" "$i" >"e$i.json"
done
count() {
	echo "COUNT(*)" >.query
	jq -r '.[]' .query
}
is "twenty entities" "$(count)" 20

# ---- looking ------------------------------------------------------------------------------------
is "grep -r" "$(grep -rl '"n":7}' . | sort)" ./e7.json
is "find" "$(find . -name 'e1?.json' | wc -l)" 10
is "find -newer and -size" "$(find . -size -100c -name '*.json' | wc -l)" 20
is "head -c" "$(head -c 10 e1.json)" '{"id":"e1"'
is "tail -c" "$(tail -c 4 e1.json)" ':1}'
is "wc" "$(wc -c <e1.json)" 36
is "jq over all" "$(jq -s 'map(.n) | add' e*.json)" 210
is "du -b" "$(du -b --apparent-size e1.json | cut -f1)" 36
cp e1.json "$T/e1copy"
is "md5sum of a copy" "$(md5sum <e1.json)" "$(md5sum <"$T/e1copy")"
is "dd by bytes" "$(dd if=e2.json bs=3 skip=1 count=1 status=none)" 'd":'
is "od through mmap or read" "$(grep -c Entity e3.json)" 1
is "ls -l shows sizes" "$(find . -maxdepth 1 -name e3.json -printf %s)" "$(stat -c %s e3.json)"
yes "df" df .

# ---- copying ------------------------------------------------------------------------------------
touch -d '2011-11-11 11:11:11' e1.json
chmod 600 e1.json
yes "cp -p" cp -p e1.json copy.json
is "keeps time and mode" "$(stat -c '%Y %a' copy.json)" "$(stat -c '%Y %a' e1.json)"
yes "mv" mv copy.json moved.json
is "the bytes" "$(cat moved.json)" "$(cat e1.json)"
yes "mv over another" mv moved.json e2.json
is "it was replaced" "$(cat e2.json)" "$(cat e1.json)"
yes "cp -r of the type" cp -r . ../copy
yes "equal" diff -r . ../copy
yes "cp -a out of the mount" cp -a . "$T/out"
yes "equal" diff -r . "$T/out"
yes "cp -r into the mount, beside .query and the like" cp -r "$T/out" ../in
yes "equal" diff -r . ../in
yes "mv of a type" mv ../in ../moved
yes "install" install -m 644 e1.json installed.json
if have rsync "rsync -a"; then
	yes "rsync -a out" rsync -a ./ "$T/rs/"
	yes "equal" diff -r . "$T/rs"
	mkdir ../rs
	yes "rsync -a in" rsync -a "$T/rs/" ../rs/
	yes "equal" diff -r . ../rs
	is "a second time there is nothing to do" "$(rsync -ai "$T/rs/" ../rs/ | grep '^>f')" ""
fi
yes "tar out" tar -cf "$T/all.tar" .
mkdir ../tar
yes "tar in" tar -xf "$T/all.tar" -C ../tar
yes "equal" diff -r . ../tar
is "with times" "$(stat -c %Y ../tar/e1.json)" "$(stat -c %Y e1.json)"
yes "tar with the control files" tar -cf "$T/all2.tar" .
yes "rm -r" rm -r ../copy ../moved ../rs ../tar

# ---- editing ------------------------------------------------------------------------------------
yes "sed -i" sed -i 's/Entity 5/Entity five/' e5.json
is "sed has edited" "$(jq -r .name e5.json)" "Entity five"
yes "jq to a file beside, mv" bash -c 'jq -c ".n += 1" e5.json >e5.tmp && mv e5.tmp e5.json'
is "jq has edited" "$(jq .n e5.json)" 6
no "sed -i that breaks it" sed -i 's/}$//' e5.json
is "changes nothing" "$(jq .n e5.json)" 6
rm -f sed??????
if have vim "vim"; then
	yes "vim -es" vim -u NONE -es -c '%s/Entity 6/Entity six/' -c 'wq' e6.json
	is "vim has edited" "$(jq -r .name e6.json)" "Entity six"
	yes "vim with a backup and a swap file" vim -u NONE -es --cmd 'set nocp backup writebackup backupcopy=no backupdir=. directory=.' \
		-c '%s/Entity 7/Entity seven/' -c 'wq' e7.json
	is "vim has edited" "$(jq -r .name e7.json)" "Entity seven"
	yes "vim: a new file" vim -u NONE -es -c 'call setline(1, "{\"from\":\"vim\"}")' -c 'wq' v.json
	is "it is there" "$(jq -r .from v.json)" vim
	rm -f ./*~ .*.sw?
fi
yes "tee" bash -c 'echo "{\"by\":\"tee\"}" | tee tee.json >/dev/null'
is "tee" "$(cat tee.json)" '{"by":"tee"}'
yes "dd of=" dd if=tee.json of=dd.json status=none
is "dd" "$(cat dd.json)" '{"by":"tee"}'
yes "dd in pieces with fsync" dd if="$T/out/e9.json" of=dd.json bs=5 conv=fsync status=none
is "dd" "$(cat dd.json)" "$(cat e9.json)"
yes "truncate makes a draft" truncate -s 0 tr.json
yes "touch" touch tr.json e1.json
yes "a here document" bash -c 'cat >here.json <<X
{
  "a": 1
}
X'
is "jq reads it" "$(jq .a here.json)" 1
if have python3 "python3"; then
	yes "python: json.dump, os.replace" python3 -c 'import json, os
with open("py.json.tmp", "w") as f:
    json.dump({"by": "python", "n": list(range(1000))}, f, indent=1)
    f.flush(); os.fsync(f.fileno())
os.replace("py.json.tmp", "py.json")
d = json.load(open("py.json")); assert d["n"][999] == 999
with open("py.json", "r+") as f:
    d = json.load(f); d["n"] = 1; f.seek(0); json.dump(d, f); f.truncate()
assert json.load(open("py.json"))["n"] == 1'
	yes "python: mmap" python3 -c 'import mmap
f = open("py.json", "rb"); m = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)
assert m[:1] == b"{" and m.find(b"python") > 0'
fi
is "sqlite and others lock: flock" "$(flock e1.json echo locked)" locked
if have git "git"; then
	export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
	g() {
		git --git-dir="$T/git" --work-tree="$MNT/t/p" -c user.name=t -c user.email=t@t.invalid "$@"
	}
	git init -q "$T/gitwork" 2>/dev/null && mv "$T/gitwork/.git" "$T/git"
	g config core.bare false
	yes "git add" g add -- 'e*.json'
	yes "git commit" g commit -qm first
	printf '{"n":100}' >e10.json
	is "git sees a change" "$(g status --porcelain -uno)" " M e10.json"
	yes "git checkout brings it back" g checkout -q -- e10.json
	is "the content" "$(jq .n e10.json)" 10
fi
says "nothing was refused on the way but what sed broke" "$(cat .errors)" "*Z e5.json: *"
is "and that once" "$(grep -c "^20.*Z " .errors)" 1
rm -f sed??????
left=$(find . -maxdepth 1 -type f ! -name '*.json' ! -name '.query' ! -name '.search' ! -name '.stats' ! -name .schema)
is "no litter" "$left" ""
cd / || exit 1
yes "rm -r of everything" rm -r "$MNT/t"
