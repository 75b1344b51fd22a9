#!/bin/bash
# fs_search.sh - contract sections 3 and 5 with `.search`: text or JSON in, rows with _score out.
# shellcheck source=tests/lib.sh disable=SC2119 # mount_again takes options or none
. "$(dirname "$0")/lib.sh"
mount_start
mkdir -p "$MNT/t/doc" "$MNT/t/note"
cd "$MNT/t/doc" || exit 1
cat >.insert <<'X'
{"id":"bread","content":"Knead the dough, let it rise with yeast, and bake the bread in a hot oven until the crust is brown.","lang":"en","n":1}
{"id":"stars","content":"Astronomers watch distant stars and galaxies through a telescope on a mountain.","lang":"en","n":2}
{"id":"law","content":"The court ruled that the contract was void, and the plaintiff appealed the verdict.","lang":"en","n":3}
{"id":"index","content":"A database index makes a query on a large table fast, at a cost for every write.","lang":"en","n":4}
{"id":"garden","content":"Tomatoes in the garden want sun, water and soil with compost; prune them in summer.","lang":"en","n":5}
{"id":"neural","content":"Machine learning trains a neural network on data by gradient descent.","lang":"en","n":6}
{"id":"bare","number":7}
X

# ---- ways in --------------------------------------------------------------------------------------
first() {
	jq -r ._path .search | head -n 1
}
echo "how to bake bread with yeast" >.search
is "echo and cat" "$(first)" bread.json
is "_path, then _score, come first" "$(head -n 1 .search | jq -r 'keys_unsorted[:2] | join(" ")')" "_path _score"
yes "a score is a number up to 1" jq -es 'all(._score <= 1.000001)' .search
yes "best first" jq -es 'map(._score) | . == (sort | reverse)' .search
exec 3<>.search
echo "telescope and galaxies" >&3
is "one open file" "$(jq -r ._path <&3 | head -n 1)" stars.json
echo "verdict of the court" >&3
is "which takes another" "$(jq -r ._path <&3 | head -n 1)" law.json
exec 3>&-
x "state is private" 'open=ok read=[] close=ok' steps ../note/.search r read
echo "database index for a fast query" >../.search
is "a tenant's, relative to its directory" "$(jq -r ._path ../.search | head -n 1)" doc/index.json
is "size 0" "$(stat -c %s .search)" 0
no "an entity without text is in no vector search" grep -q bare.json .search

# ---- JSON ------------------------------------------------------------------------------------------
echo '{"text":"neural network training","limit":2}' >.search
is "limit" "$(wc -l <.search)" 2
is "the nearest" "$(first)" neural.json
echo '{"text":"bread oven dough","where":"n > 3","limit":3}' >.search
is "the filter is inside: as many rows as the limit" "$(jq -s 'length, all(.n > 3)' .search)" "3
true"
echo '{"text":"tomatoes","fields":["n"],"limit":1}' >.search
is "fields" "$(jq -c 'del(._score)' .search)" '{"_path":"garden.json","n":5}'
echo '{"text":"tomatoes in the garden","mode":"vector"}' >.search
is "vector mode" "$(first)" garden.json
echo '{"text":"tomatoes","min_score":0.999999}' >.search
is "min_score" "$(cat .search)" ""

# ---- errors ----------------------------------------------------------------------------------------
for bad in '{"text":1}' '{"text":"a","mode":"x"}' '{"text":"a","limit":-1}' '{"text":"a","where":"n >> 3"}' '{"txt":"a"}' '{}' '{"text":"a"} x'; do
	says "EINVAL: $bad" "$("$FSX" steps .search t "+$bad")" "*EINVAL*"
done
fails_with "echo says it" "Invalid argument" bash -c "echo '{\"text\":1}' >.search"
says "why is in .errors" "$(errors . | tail -n 3)" "*.search: *"
says "unfinished JSON is EINVAL from close" "$("$FSX" steps .search t '+{"text":"a"')" "open=ok write=ok close=EINVAL"
head -c 65537 /dev/zero | tr '\0' a >"$T/long"
says "too long" "$("$FSX" steps .search t "+$(cat "$T/long")")" "open=ok write=EFBIG *"

# ---- sessions ----------------------------------------------------------------------------------------
echo "how to bake bread with yeast" >.search
is "another session, when only one wrote" "$(setsid -w jq -r ._path .search | head -n 1)" bread.json
setsid -w bash -c 'echo "galaxies" >.search'
fails_with "a third gets nobody's" "busy" setsid -w cat .search
is "the own stays" "$(first)" bread.json
: >.search
is ": > clears it" "$(cat .search)" ""

# ---- what is committed is found --------------------------------------------------------------------
printf '{"content":"the quick violin concerto by Sibelius"}' >violin.json
echo "violin concerto" >.search
is "found at the moment close() returned" "$(first)" violin.json
printf '{"content":"a recipe for pea soup"}' >violin.json
echo "violin concerto Sibelius" >.search
no "the old text is not" test "$(jq -r 'select(._score > 0.5) | ._path' .search)" = violin.json
echo "pea soup recipe" >.search
is "the new one is" "$(first)" violin.json
mv violin.json ../note/soup.json
is "moved with its vector" "$(echo 'pea soup recipe' >../note/.search; jq -r ._path ../note/.search)" soup.json
no "and away from here" grep -q violin .search
rm ../note/soup.json
is "removed" "$(echo 'pea soup recipe' >../note/.search; cat ../note/.search)" ""
cd / && mount_again && cd "$MNT/t/doc" || exit 1
echo "how to bake bread with yeast" >.search
is "vectors hold across mounts" "$(first)" bread.json
cd / && mount_again -o embed=none && cd "$MNT/t/doc" || exit 1
says "without embeddings a search is refused" "$("$FSX" steps .search r '+bread yeast' read)" "*E[A-Z]*"
