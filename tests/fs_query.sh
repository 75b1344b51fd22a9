#!/bin/bash
# fs_query.sh - contract section 3 with `.query`: one file, three ways in, errors, sessions, streaming.
# What queries mean is tested elsewhere (fixtures/queries); this is about the file.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
mount_start
mkdir -p "$MNT/t/p" "$MNT/t/q" "$MNT/u"
cd "$MNT/t/p" || exit 1
for i in 1 2 3 4 5 6 7 8 9; do
	printf '{"name":"n%d","priority":%d,"status":"%s"}\n' $i $i "$([ $((i % 3)) = 0 ] && echo active || echo idle)"
done | awk '{print "{\"id\":\"e" NR "\"," substr($0, 2)}' >.insert
echo '{"name":"other"}' >../q/o.json

# ---- three ways in -----------------------------------------------------------------------------------
want='{"_path":"e9.json","id":"e9","name":"n9","priority":9,"status":"active"}'
echo "status = 'active' AND priority > 6" >.query
is "echo and cat" "$(cat .query)" "$want"
is "cat again gives it again" "$(cat .query)" "$want"
exec 3<>.query
echo "status = 'active' AND priority > 6" >&3
is "one open file" "$(cat <&3)" "$want"
echo "COUNT(*)" >&3
is "which takes another" "$(cat <&3 | jq -r '.[]')" 9
exec 3>&-
echo "priority = 1" >.query
is "_path is first, and relative to the file" "$(head -c 20 .query)" '{"_path":"e1.json","'
cd ..
echo "SELECT * FROM p WHERE priority = 1" >.query
is "a tenant's, with FROM" "$(jq -r ._path .query)" p/e1.json
yes "_path is a file" test -f "$(jq -r ._path .query)"
echo "SELECT name FROM *" >.query
is "FROM * is every type" "$(jq -s length .query)" 10
cd p || exit 1
echo "SELECT name, priority ORDER BY priority DESC LIMIT 2" >.query
is "a column list gives just those" "$(cat .query)" '{"name":"n9","priority":9}
{"name":"n8","priority":8}'
echo "priority > 100" >.query
is "no hit is nothing" "$(cat .query)" ""
yes "and success" cat .query
echo "priority > 7 FORMAT ids" >.query
is "FORMAT ids" "$(sort .query)" "e8
e9"
printf 'priority = 3' >.query
is "without a newline" "$(jq -r ._path .query)" e3.json
printf 'priority = 3\n;\n' >.query
is "with a semicolon" "$(jq -r ._path .query)" e3.json
echo 'priority = 1' >.query
is "appending with >> is a statement of its own" "$(echo 'priority = 2' >>.query; jq -r ._path .query)" e2.json

# ---- reading ----------------------------------------------------------------------------------------
echo "priority > 0 ORDER BY priority" >.query
is "head" "$(head -n 1 .query | jq -r ._path)" e1.json
is "tail" "$(tail -n 1 .query | jq -r ._path)" e9.json
is "grep" "$(grep -c idle .query)" 6
is "wc" "$(wc -l <.query)" 9
is "jq" "$(jq -s 'map(.priority) | add' .query)" 45
is "by single bytes" "$(dd if=.query bs=1 count=11 skip=4 status=none)" 'ath":"e1.js'
x "a seek to 0 reads it again" 'open=ok write=ok seek=ok read=[{"name":"n1"}] read=[] seek=ok read=[{"name":"n1"}] close=ok' \
	steps .query r '+SELECT name WHERE priority = 1' @0 read read @0 read
x "the first read starts at the beginning, whatever the offset" 'open=ok write=ok read=[{"name":"n1"}] close=ok' \
	steps .query r '+SELECT name WHERE priority = 1' read
x "a statement in two writes" 'open=ok write=ok write=ok read=[{"name":"n1"}] close=ok' \
	steps .query r '+SELECT name WHERE ' '+priority = 1' read
x "a write after a read begins anew" 'open=ok write=ok read=[{"name":"n1"}] write=ok read=[{"name":"n2"}] close=ok' \
	steps .query r '+SELECT name WHERE priority = 1' read '+SELECT name WHERE priority = 2' read
is "size 0" "$(stat -c %s .query)" 0

# ---- state is private to the open file --------------------------------------------------------------
exec 3<>.query 4<>.query
echo "priority = 3" >&3
echo "priority = 4" >&4
is "two at once, the first" "$(jq -r ._path <&3)" e3.json
is "two at once, the second" "$(jq -r ._path <&4)" e4.json
exec 3>&- 4>&-

# ---- a snapshot -------------------------------------------------------------------------------------
exec 3<>.query
echo "SELECT name WHERE priority = 5" >&3
echo '{"id":"e5","name":"changed","priority":5}' >e5.json
is "it runs at the first read" "$(cat <&3)" '{"name":"changed"}'
exec 3>&-

# ---- errors -----------------------------------------------------------------------------------------
for bad in 'priority >> 3' 'SELEC * FROM p' "status = 'x' LIMIT -1" 'a = = b' '= 3' 'LIMIT x' "name LIKE 3" ')'; do
	says "a definite error is EINVAL from write: $bad" "$("$FSX" steps .query t "+$bad"$'\n')" "open=ok write=EINVAL *"
done
fails_with "so that echo says it" "Invalid argument" bash -c 'echo "priority >> 3" >.query'
says "why is in .errors" "$(errors .)" "*Z .query: *"
says "with a caret" "$(errors . | tail -n 3)" "*^*"
says "unfinished text is EINVAL from close" "$("$FSX" steps .query t '+priority >')" "open=ok write=ok close=EINVAL"
says "and from read" "$("$FSX" steps .query r "+name = 'unfinished" read)" "open=ok write=ok read=EINVAL *"
is "a refused statement leaves no answer behind" "$(
	exec 3<>.query
	echo 'priority >> 3' >&3 2>/dev/null
	cat <&3 2>&1 | grep -c Invalid
)" 1
x "finished after that" 'open=ok write=ok flush=EINVAL write=ok read=[{"name":"n1"}] close=ok' \
	steps .query r '+SELECT name WHERE priority ' dup '+= 1' read
head -c 65537 /dev/zero | tr '\0' ' ' >"$T/long"
says "64 KiB and one byte" "$("$FSX" steps .query t "+$(cat "$T/long")")" "open=ok write=EFBIG *"
says "64 KiB" "$("$FSX" steps .query t "+priority = 1$(head -c 65524 "$T/long")")" "open=ok write=ok close=ok"
for i in 1 2 3 4 5 6 7 8 9 10; do
	echo "bad$i === $i" >.query
done 2>/dev/null
is "the last eight are kept" "$(grep -c '^20..-..-..T..:..:..Z ' .errors)" 8
says "the newest last" "$(errors . | grep -o 'bad[0-9]*' | tail -n 1)" bad10
says "a tenant's .errors has those of its types" "$(errors ..)" "*bad10*"
says "no such type" "$("$FSX" steps ../.query r '+SELECT * FROM nosuchtype' read)" "*EINVAL*"

# ---- sessions -----------------------------------------------------------------------------------------
echo "priority = 6" >.query
is "another process of the session" "$(bash -c 'jq -r ._path .query')" e6.json
is "another session of the user, when only one wrote" "$(setsid -w jq -r ._path .query)" e6.json
setsid -w bash -c 'echo "priority = 7" >.query'
is "the own last statement stays" "$(jq -r ._path .query)" e6.json
fails_with "a third session gets nobody's" "busy" setsid -w cat .query
is "the second has its own" "$(setsid -w bash -c 'echo "priority = 8" >.query; jq -r ._path .query')" e8.json
: >.query
is ": > clears it" "$(cat .query)" ""
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	cd / && mount_again -o allow_other && cd "$MNT/t/p" || exit 1
	chmod 755 "$T" "$MNT" ..
	echo "priority = 6" >.query
	other() {
		setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
	}
	is "another user has none of it" "$(other cat .query 2>&1)" ""
	is "and asks on its own" "$(other bash -c 'echo "priority = 2" >.query; cat .query' 2>&1 | jq -r ._path)" e2.json
	is "ours stays" "$(jq -r ._path .query)" e6.json
	is "errors are each user's own" "$(other bash -c 'echo "=== x" >.query' 2>/dev/null; other grep -c === .errors; grep -c === .errors)" "1
0"
else
	skip "another user" "not root"
fi
x "never queried is empty" "open=ok read=[] close=ok" steps ../../u/.query r read

# ---- a large answer ------------------------------------------------------------------------------------
N=20000
[ -z "$SANITIZED" ] || N=3000
seq $N | awk '{printf "{\"id\":\"b%d\",\"n\":%d,\"text\":\"%s\"}\n", $1, $1, "some words to make a line of this length or so, again and again"}' >../q/.insert
cd ../q || exit 1
echo "n > 0" >.query
is "all of it" "$(wc -l <.query)" "$N"
is "head stops it" "$(head -n 2 .query | wc -l)" 2
is "and again" "$(head -c 1000 .query | wc -c)" 1000
echo "n > 0 ORDER BY n DESC" >.query
is "sorted" "$(head -n 1 .query | jq .n)" "$N"
is "pieces of any size are the same" "$(dd if=.query bs=777 status=none | md5sum)" "$(dd if=.query bs=1M status=none | md5sum)"
is "in the middle" "$(dd if=.query bs=1000 skip=100 count=1 status=none | md5sum)" "$(head -c 101000 .query | tail -c 1000 | md5sum)"
for i in 1 2 3 4; do
	(exec 3<>.query; echo "SELECT n WHERE n <= ${i}00" >&3; cat <&3 | wc -l >"$T/par$i") &
	jobs[i]=$!
done
wait "${jobs[@]}"
is "four at once" "$(cat "$T"/par?)" "100
200
300
400"
cd / && mount_again -o query_timeout=1ms && cd "$MNT/t/q" || exit 1
echo "text LIKE '%a%b%c%d%e%f%g%h%i%' OR text LIKE '%q%w%e%r%t%y%' ORDER BY text" >.query
fails_with "over the time limit" "timed out" cat .query
