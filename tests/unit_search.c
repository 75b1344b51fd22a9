/* unit_search.c - .search on a store in memory: what is accepted, what comes back, in which order.
 *
 * Goes through store.h as the mount does; the ranking is compared with one computed here, from the
 * same embedder, by sorting everything.
 */
#include "store/embed.h"
#include "store/store.h"
#include "store/base/cleanup.h"

#include <check.h>
#include <ftw.h>
#include <math.h>
#include <stdio.h>

static struct store *st;
static struct dir_attr tenant, notes, tasks;

static void open_store(const char *embed)
{
    struct store_options opt = {.in_memory = true, .create = true, .embed = embed};
    ck_assert_msg(store_open("mem", &opt, &st) == 0, "%s", err_msg());
    ck_assert_int_eq(store_mkdir(st, STORE_INO_ROOT, slice_str("acme"), 0755, 0, 0, &tenant), 0);
    ck_assert_int_eq(store_mkdir(st, tenant.ino, slice_str("notes"), 0755, 0, 0, &notes), 0);
    ck_assert_int_eq(store_mkdir(st, tenant.ino, slice_str("tasks"), 0755, 0, 0, &tasks), 0);
}

static void setup(void)
{
    open_store(NULL);
}

static void teardown(void)
{
    store_close(st);
    st = NULL;
}

static void put(struct coll c, const char *id, const char *json)
{
    char name[300];
    struct file_attr attr;
    snprintf(name, sizeof name, "%s.json", id);
    ck_assert_msg(store_put(st, c, slice_str(name), slice_str(json), 0644, 0, 0, &attr) == 0, "%s",
                  err_msg());
}

static int read_answer(struct answer *a, struct buf *out)
{
    for (;;) {
        ck_assert_int_eq(buf_reserve(out, 1000), 0);
        ssize_t n = answer_read(a, out->p + out->n, 1000);
        if (n <= 0)
            return (int)n;
        out->n += (size_t)n;
    }
}

static int search(struct coll c, const char *text, struct buf *out)
{
    struct answer *a = NULL;
    buf_clear(out);
    int rc = store_search(st, c, slice_str(text), &a);
    if (rc < 0)
        return rc;
    rc = read_answer(a, out);
    answer_free(a);
    return rc;
}

/* The answer as a C string, good until the next. */
static const char *found(struct coll c, const char *text)
{
    static struct buf out = BUF_INIT;
    int rc = search(c, text, &out);
    ck_assert_msg(rc == 0, "%s: %s", text, err_msg());
    return buf_cstr(&out);
}

static int count_rows(const char *rows)
{
    int n = 0;
    for (; *rows; rows++)
        n += *rows == '\n';
    return n;
}

static bool starts(const char *s, const char *with)
{
    return strncmp(s, with, strlen(with)) == 0;
}

static void put_samples(void)
{
    put(notes.coll, "bread", "{\"content\":\"Baking sourdough bread at home\",\"kind\":\"food\"}");
    put(notes.coll, "cake", "{ \"content\" : \"A chocolate cake recipe\", \"kind\":\"food\" }");
    put(notes.coll, "index",
        "{\"content\":\"Choosing database indexes\",\"kind\":\"tech\","
        "\"tags\":[\"sql\",\"speed\"],\"properties\":{\"level\":3}}");
    put(notes.coll, "stars", "{\"name\":\"Stars and galaxies\",\"kind\":\"space\"}");
    put(notes.coll, "silent", "{\"kind\":\"none\",\"n\":1}");
    put(tasks.coll, "tune", "{\"description\":\"Tune the database indexes\",\"kind\":\"tech\"}");
}

/* ---- answers --------------------------------------------------------------------------------- */

START_TEST(search_plain)
{
    put_samples();
    const char *rows = found(notes.coll, "database indexes\n");
    ck_assert_msg(starts(rows, "{\"_path\":\"index.json\",\"_score\":0."), "%s", rows);
    ck_assert_ptr_nonnull(strstr(rows, ",\"content\":\"Choosing database indexes\",\"kind\":"));
    ck_assert_int_eq(count_rows(rows), 4); /* the one without a text takes no part */
    double last = 2, score;
    for (const char *p = rows; (p = strstr(p, "\"_score\":")); last = score, p++) {
        score = atof(p + 9);
        ck_assert(score <= last);
    }
    ck_assert(starts(found(notes.coll, "  Baking SOURDOUGH bread at home  "),
                     "{\"_path\":\"bread.json\",\"_score\":1.0000,"));
}
END_TEST

START_TEST(search_json_keys)
{
    put_samples();
    ck_assert_int_eq(count_rows(found(notes.coll, "{\"text\":\"cake\",\"limit\":2}")), 2);
    ck_assert_int_eq(count_rows(found(notes.coll, "{\"text\":\"cake\",\"min_score\":0.99}")), 0);
    ck_assert_int_eq(count_rows(found(notes.coll, " {\"te\\u0078t\":\"cake recipe\","
                                                  "\"min_score\":0.5,\"mode\":\"vector\"}\n")),
                     1);
    const char *rows =
        found(notes.coll, "{\"text\":\"indexes\",\"where\":\"kind = 'food'\",\"limit\":1}");
    ck_assert_int_eq(count_rows(rows), 1);
    ck_assert_ptr_nonnull(strstr(rows, "\"kind\":\"food\""));
    ck_assert_str_eq(found(notes.coll, "{\"text\":\"indexes\",\"where\":\"kind = 'nothing'\"}"),
                     "");
    /* null is as if it were not there; of two members the last counts */
    ck_assert_int_eq(count_rows(found(notes.coll, "{\"text\":\"cake\",\"where\":null,"
                                                  "\"vector\":null,\"limit\":9,\"limit\":1}")),
                     1);
}
END_TEST

START_TEST(search_fields)
{
    put_samples();
    const char *rows =
        found(notes.coll, "{\"text\":\"Choosing database indexes\",\"limit\":1,"
                          "\"fields\":[\"kind\",\"tags[1]\",\"level\",\"nope\",\"_id\"]}");
    ck_assert_str_eq(rows, "{\"_path\":\"index.json\",\"_score\":1.0000,\"kind\":\"tech\","
                           "\"tags\":\"speed\",\"level\":3,\"nope\":null,\"_id\":\"index\"}\n");
}
END_TEST

START_TEST(search_tenant)
{
    put_samples();
    struct coll all = {.tenant = tenant.coll.tenant};
    const char *rows = found(all, "Tune the database indexes");
    ck_assert_msg(starts(rows, "{\"_path\":\"tasks/tune.json\",\"_score\":1.0000,"), "%s", rows);
    ck_assert_ptr_nonnull(strstr(rows, "\"_path\":\"notes/index.json\""));
    ck_assert_int_eq(count_rows(rows), 5);
    rows = found(all, "{\"text\":\"cake\",\"where\":\"kind = 'tech'\"}");
    ck_assert_int_eq(count_rows(rows), 2);
    ck_assert_ptr_nonnull(strstr(rows, "tasks/tune.json"));
}
END_TEST

START_TEST(search_vector)
{
    put_samples();
    struct embedder *e;
    ck_assert_int_eq(embed_open(NULL, &e), 0);
    float v[256];
    struct slice text = slice_str("A chocolate cake recipe");
    ck_assert_int_eq(embed_texts(e, &text, 1, v), 0);
    embed_close(e);
    auto_buf req = BUF_INIT;
    ck_assert_int_eq(buf_puts(&req, "{\"limit\":1,\"vector\":["), 0);
    for (int i = 0; i < 256; i++) /* of any length: a cosine does not see it */
        ck_assert_int_eq(buf_putf(&req, "%s%g", i ? "," : "", (double)v[i] * 1e-20), 0);
    ck_assert_int_eq(buf_puts(&req, "]}"), 0);
    ck_assert(
        starts(found(notes.coll, buf_cstr(&req)), "{\"_path\":\"cake.json\",\"_score\":1.00"));

    buf_clear(&req);
    ck_assert_int_eq(buf_puts(&req, "{\"vector\":[0"), 0);
    for (int i = 1; i < 256; i++)
        ck_assert_int_eq(buf_puts(&req, ",0"), 0);
    ck_assert_int_eq(buf_puts(&req, "]}"), 0);
    ck_assert_str_eq(found(notes.coll, buf_cstr(&req)), ""); /* near nothing */
}
END_TEST

START_TEST(search_nothing)
{
    ck_assert_str_eq(found(notes.coll, "anything"), ""); /* an empty type */
    put_samples();
    ck_assert_str_eq(found(notes.coll, "?!"), ""); /* nothing to embed */
    /* An answer that `cp -r` copied back. */
    const char *copy = "{\"_path\":\"a.json\",\"_score\":1.0000}\n{\"_path\":\"b.json\"}\n";
    ck_assert_int_eq(store_search_check(st, notes.coll, slice_str(copy)), 0);
    ck_assert_str_eq(found(notes.coll, copy), "");
}
END_TEST

START_TEST(search_sees_every_commit)
{
    struct file_attr gone;
    put(notes.coll, "a", "{\"content\":\"violet\"}");
    ck_assert_int_eq(count_rows(found(notes.coll, "violet")), 1);
    put(notes.coll, "a", "{\"content\":\"crimson\"}");
    ck_assert(starts(found(notes.coll, "crimson"), "{\"_path\":\"a.json\",\"_score\":1.0000"));
    put(notes.coll, "a", "{\"other\":1}"); /* the vector goes with the text */
    ck_assert_str_eq(found(notes.coll, "crimson"), "");
    put(notes.coll, "a", "{\"content\":\"crimson\"}");
    ck_assert_int_eq(store_unlink(st, notes.coll, slice_str("a.json"), false, &gone), 0);
    ck_assert_str_eq(found(notes.coll, "crimson"), "");
}
END_TEST

/* It runs at the first read, on what is there then, and stays with that. */
START_TEST(search_snapshot)
{
    put(notes.coll, "a", "{\"content\":\"violet one\"}");
    struct answer *a;
    ck_assert_int_eq(store_search(st, notes.coll, slice_str("violet"), &a), 0);
    put(notes.coll, "b", "{\"content\":\"violet two\"}");
    char c;
    ck_assert_int_eq(answer_read(a, &c, 1), 1);
    put(notes.coll, "c", "{\"content\":\"violet three\"}");
    auto_buf out = BUF_INIT;
    ck_assert_int_eq(read_answer(a, &out), 0);
    ck_assert_int_eq(count_rows(buf_cstr(&out)), 2);
    answer_free(a);
}
END_TEST

START_TEST(search_canceled)
{
    put_samples();
    struct answer *a;
    char text[64];
    ck_assert_int_eq(store_search(st, notes.coll, slice_str("cake"), &a), 0);
    answer_cancel(a);
    ck_assert_int_eq(answer_read(a, text, sizeof text), -ERR_CANCELED);
    answer_free(a);
    ck_assert_int_eq(store_search(st, notes.coll, slice_str("cake"), &a), 0);
    answer_free(a); /* never read */
}
END_TEST

/* ---- the ranking, against sorting everything ------------------------------------------------- */

enum { MANY = 600 };

struct ranked {
    float score;
    int group;
    char id[16];
};

static int rank_cmp(const void *x, const void *y)
{
    const struct ranked *a = x, *b = y;
    if (a->score != b->score)
        return a->score < b->score ? 1 : -1;
    return strcmp(a->id, b->id);
}

static void stored_vector(struct embedder *e, const char *text, struct buf *row)
{
    float v[256];
    struct slice s = slice_str(text);
    ck_assert_int_eq(embed_texts(e, &s, 1, v), 0);
    ck_assert_int_eq(vec_encode(v, 256, row), 0);
}

static void put_many(struct ranked *all, const char *question)
{
    static const char *const words[] = {"river",  "mountain", "engine", "violin", "garden",
                                        "winter", "market",   "letter", "island", "window"};
    struct embedder *e;
    auto_buf query = BUF_INIT;
    ck_assert_int_eq(embed_open(NULL, &e), 0);
    stored_vector(e, question, &query);
    struct vec_view q, v;
    ck_assert(vec_decode(slice_buf(&query), &q));
    uint32_t x = 99;
    for (int i = 0; i < MANY; i++) {
        char text[80], json[200];
        int w[3];
        for (int k = 0; k < 3; k++) {
            x = x * 1664525 + 1013904223;
            w[k] = (int)(x >> 16) % 10;
        }
        /* few different texts, so that many scores are equal */
        snprintf(text, sizeof text, "%s %s %s", words[w[0]], words[w[1]], words[w[2] % 2]);
        all[i].group = i % 50;
        snprintf(all[i].id, sizeof all[i].id, "e%x", (unsigned)(x >> 4));
        snprintf(json, sizeof json, "{\"text\":\"%s\",\"group\":%d}", text, all[i].group);
        put(notes.coll, all[i].id, json);
        auto_buf row = BUF_INIT;
        stored_vector(e, text, &row);
        ck_assert(vec_decode(slice_buf(&row), &v));
        all[i].score = vec_cosine(&q, &v);
    }
    embed_close(e);
    qsort(all, MANY, sizeof *all, rank_cmp);
}

static void check_ranking(const struct ranked *all, int group, const char *request)
{
    static const char field[] = "{\"_path\":\"";
    int i = 0;
    for (const char *p = found(notes.coll, request); *p; p = strchr(p, '\n') + 1, i++) {
        while (group >= 0 && all[i].group != group)
            i++;
        ck_assert(starts(p, field));
        p += sizeof field - 1;
        ck_assert_msg(starts(p, all[i].id) && p[strlen(all[i].id)] == '.', "%s: row %d: %.30s, %s",
                      request, i, p, all[i].id);
    }
}

START_TEST(search_ranking_is_exact)
{
    static struct ranked all[MANY];
    static const int limits[] = {1, 2, 10, 37, MANY - 1, MANY, 10000};
    put_many(all, "winter river island");
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        char req[128];
        snprintf(req, sizeof req, "{\"text\":\"winter river island\",\"limit\":%d}", limits[i]);
        ck_assert_int_eq(count_rows(found(notes.coll, req)), limits[i] < MANY ? limits[i] : MANY);
        check_ranking(all, -1, req);
        /* A filter that keeps 1 in 50: the limit is met by those that match. */
        snprintf(req, sizeof req,
                 "{\"text\":\"winter river island\",\"limit\":%d,\"where\":\"group = 7\"}",
                 limits[i]);
        ck_assert_int_eq(count_rows(found(notes.coll, req)),
                         limits[i] < MANY / 50 ? limits[i] : MANY / 50);
        check_ranking(all, 7, req);
    }
}
END_TEST

/* ---- what is refused ------------------------------------------------------------------------- */

static const struct {
    const char *text;
    int rc;
    const char *says;
} cases[] = {
    {"one line", 0, ""},
    {"one line\n", 0, ""},
    {"", 1, "nothing to search for"},
    {" \n", 1, "nothing to search for"},
    {"one\ntwo", -ERR_INVAL, "one line of text, or one JSON object"},
    {"{", 1, ""},
    {"{\"text\":", 1, ""},
    {"{\"text\":\"a\"", 1, ""},
    {"{\"text\":\"a\"}", 0, ""},
    {"{\"text\":\"a\"} x", -ERR_INVAL, "line 1, column 14"},
    {"{text:\"a\"}", -ERR_INVAL, "line 1, column 2"},
    {"{}", -ERR_INVAL, "expected \"text\" or \"vector\""},
    {"{\"text\":\"\"}", -ERR_INVAL, "expected \"text\" or \"vector\""},
    {"{\"text\":7}", -ERR_INVAL, "\"text\": expected a string"},
    {"{\"query\":\"a\"}", -ERR_INVAL,
     "\"query\" is no key of a search; there are: text, vector, limit, where, min_score, fields, "
     "mode"},
    {"{\"text\":\"a\",\"limit\":0}", -ERR_INVAL, "from 1 to 10000, found 0"},
    {"{\"text\":\"a\",\"limit\":10001}", -ERR_INVAL, "from 1 to 10000, found 10001"},
    {"{\"text\":\"a\",\"limit\":1.5}", -ERR_INVAL, "a whole number"},
    {"{\"text\":\"a\",\"limit\":\"5\"}", -ERR_INVAL, "a whole number"},
    {"{\"text\":\"a\",\"limit\":1e1}", 0, ""},
    {"{\"text\":\"a\",\"min_score\":2}", -ERR_INVAL, "from -1 to 1"},
    {"{\"text\":\"a\",\"min_score\":-0.5}", 0, ""},
    {"{\"text\":\"a\",\"mode\":\"vector\"}", 0, ""},
    {"{\"text\":\"a\",\"mode\":\"hybrid\"}", -ERR_INVAL, "searches by vector only"},
    {"{\"text\":\"a\",\"mode\":\"keyword\"}", -ERR_INVAL, "searches by vector only"},
    {"{\"text\":\"a\",\"mode\":\"fast\"}", -ERR_INVAL, "\"mode\": expected \"vector\""},
    {"{\"text\":\"a\",\"where\":\"kind = 'x'\"}", 0, ""},
    {"{\"text\":\"a\",\"where\":\"kind = \"}", -ERR_INVAL, "\"where\": "},
    {"{\"text\":\"a\",\"where\":\"= 3\"}", -ERR_INVAL, "\"where\": "},
    {"{\"text\":\"a\",\"where\":7}", -ERR_INVAL, "\"where\": expected a string"},
    {"{\"text\":\"a\",\"fields\":[\"a.b[0]\",\"\\\"odd key\\\"\"]}", 0, ""},
    {"{\"text\":\"a\",\"fields\":\"a\"}", -ERR_INVAL, "an array of field names"},
    {"{\"text\":\"a\",\"fields\":[]}", -ERR_INVAL, "at least one"},
    {"{\"text\":\"a\",\"fields\":[1]}", -ERR_INVAL, "element 0 is not a string"},
    {"{\"text\":\"a\",\"fields\":[\"\"]}", -ERR_INVAL, "is no field"},
    {"{\"text\":\"a\",\"fields\":[\"*\"]}", -ERR_INVAL, "is no field"},
    {"{\"text\":\"a\",\"fields\":[\"a, b\"]}", -ERR_INVAL, "is no field"},
    {"{\"text\":\"a\",\"fields\":[\"COUNT(*)\"]}", -ERR_INVAL, "is no field"},
    {"{\"text\":\"a\",\"fields\":[\"a FROM tasks\"]}", -ERR_INVAL, "is no field"},
    {"{\"text\":\"a\",\"fields\":[\"a LIMIT 3\"]}", -ERR_INVAL, "is no field"},
    {"{\"vector\":[1,2]}", -ERR_INVAL, "found 2 numbers, but vectors here (hash) have 256"},
    {"{\"vector\":[]}", -ERR_INVAL, "at least one number"},
    {"{\"vector\":[\"1\"]}", -ERR_INVAL, "element 0 is not a number"},
    {"{\"vector\":[1e400]}", -ERR_INVAL, "out of range"},
    {"{\"vector\":3}", -ERR_INVAL, "an array of numbers"},
    {"{\"vector\":[1],\"text\":\"a\"}", -ERR_INVAL, "not both"},
};

START_TEST(search_check)
{
    int rc = store_search_check(st, notes.coll, slice_str(cases[_i].text));
    ck_assert_msg(rc == cases[_i].rc, "%s: %d %s", cases[_i].text, rc, err_msg());
    if (rc != 0)
        ck_assert_msg(strstr(err_msg(), cases[_i].says) != NULL, "%s: %s", cases[_i].text,
                      err_msg());
    /* What is unfinished is an error once it is all there is. */
    struct answer *a = NULL;
    int run = store_search(st, notes.coll, slice_str(cases[_i].text), &a);
    ck_assert_int_eq(run, rc == 0 ? 0 : -ERR_INVAL);
    answer_free(a);
}
END_TEST

/* Checked after every write: no beginning of a good search is an error. */
START_TEST(search_prefixes)
{
    const char *text = " {\"text\":\"caf\xc3\xa9 \\u00e9\",\"where\":\"a = 1\",\"limit\":20,"
                       "\"fields\":[\"a\"],\"min_score\":0.5}";
    for (size_t n = 0; n < strlen(text); n++)
        ck_assert_msg(store_search_check(st, notes.coll, slice_of(text, n)) == 1, "%zu: %s", n,
                      err_msg());
    ck_assert_int_eq(store_search_check(st, notes.coll, slice_str(text)), 0);
}
END_TEST

START_TEST(search_too_big)
{
    auto_buf text = BUF_INIT;
    ck_assert_int_eq(buf_resize(&text, STORE_QUERY_MAX + 1), 0);
    memset(text.p, 'a', text.n);
    ck_assert_int_eq(store_search_check(st, notes.coll, slice_buf(&text)), -ERR_TOOBIG);
    text.n--;
    ck_assert_int_eq(store_search_check(st, notes.coll, slice_buf(&text)), 0);
}
END_TEST

START_TEST(search_without_embedder)
{
    teardown();
    open_store("none");
    put_samples();
    ck_assert_int_eq(store_search_check(st, notes.coll, slice_str("cake")), -ERR_INVAL);
    ck_assert_ptr_nonnull(strstr(err_msg(), "without an embedder"));
}
END_TEST

static int remove_one(const char *path, const struct stat *sb, int type, struct FTW *ftw)
{
    (void)sb, (void)type, (void)ftw;
    return remove(path);
}

/* Vectors stay as they were made: another provider's search says so instead of finding nothing. */
START_TEST(search_other_dimensions)
{
    teardown();
    char dir[] = "/tmp/remfs-search-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(dir));
    struct store_options opt = {.create = true};
    ck_assert_int_eq(store_open(dir, &opt, &st), 0);
    ck_assert_int_eq(store_mkdir(st, STORE_INO_ROOT, slice_str("acme"), 0755, 0, 0, &tenant), 0);
    ck_assert_int_eq(store_mkdir(st, tenant.ino, slice_str("notes"), 0755, 0, 0, &notes), 0);
    put(notes.coll, "a", "{\"text\":\"violet\"}");
    store_close(st);
    opt.embed = "hash:128";
    ck_assert_int_eq(store_open(dir, &opt, &st), 0);
    auto_buf out = BUF_INIT;
    ck_assert_int_eq(search(notes.coll, "violet", &out), -ERR_INVAL);
    ck_assert_ptr_nonnull(strstr(err_msg(), "have 256 dimensions"));
    put(notes.coll, "b", "{\"text\":\"violet\"}"); /* those of the right kind are found */
    ck_assert_int_eq(count_rows(found(notes.coll, "violet")), 1);
    teardown();
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("search");
    TCase *tc = tcase_create("search");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, search_plain);
    tcase_add_test(tc, search_json_keys);
    tcase_add_test(tc, search_fields);
    tcase_add_test(tc, search_tenant);
    tcase_add_test(tc, search_vector);
    tcase_add_test(tc, search_nothing);
    tcase_add_test(tc, search_sees_every_commit);
    tcase_add_test(tc, search_snapshot);
    tcase_add_test(tc, search_canceled);
    tcase_add_test(tc, search_ranking_is_exact);
    tcase_add_loop_test(tc, search_check, 0, (int)(sizeof cases / sizeof *cases));
    tcase_add_test(tc, search_prefixes);
    tcase_add_test(tc, search_too_big);
    tcase_add_test(tc, search_without_embedder);
    tcase_add_test(tc, search_other_dimensions);
    suite_add_tcase(suite, tc);
    SRunner *sr = srunner_create(suite);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
