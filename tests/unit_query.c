/* unit_query.c - the stages of the query engine on their own; what text cases cannot show
 * (fixtures/queries has the language itself): limits, memory, streaming, errors of the store. */
#include "store/base/cleanup.h"
#include "store/base/err.h"
#include "store/query_ast.h"
#include "store/query_value.h"
#include "tests/fake_store.h"

#include <check.h>

static const struct coll person = {FAKE_TENANT, 1};

static struct slice text_of(const char *s)
{
    return slice_str(s);
}

/* Everything that the answer gives; the return is 0 or its error. */
static int ask(struct store *st, struct coll c, struct slice text, struct buf *out)
{
    struct answer *a = NULL;
    char piece[1000];
    ssize_t n = store_query(st, c, text, &a);
    if (n < 0)
        return (int)n;
    while ((n = answer_read(a, piece, sizeof piece)) > 0)
        ck_assert_int_eq(buf_put(out, piece, (size_t)n), 0);
    answer_free(a);
    return (int)n;
}

static struct store *make_rows(int n)
{
    struct store *st = fake_new();
    for (int i = 0; i < n; i++) {
        char id[16], json[128];
        snprintf(id, sizeof id, "r%06d", i);
        snprintf(json, sizeof json,
                 "{\"type\":\"x\",\"properties\":{\"n\":%d,\"status\":\"%s\",\"mod\":%d}}", i,
                 i % 2 ? "active" : "inactive", i % 7);
        fake_put(st, "person", slice_str(id), slice_str(json));
    }
    return st;
}

static size_t count_lines(const struct buf *b)
{
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++)
        n += b->p[i] == '\n';
    return n;
}

/* ---- the lexer ------------------------------------------------------------------------------- */

START_TEST(lexer_tokens)
{
    static const enum token_type types[] = {
        TOKEN_WORD,  TOKEN_COMPARE, TOKEN_NUMBER,  TOKEN_STRING, TOKEN_NAME,
        TOKEN_PUNCT, TOKEN_COMPARE, TOKEN_COMPARE, TOKEN_WORD,   TOKEN_PUNCT,
        TOKEN_WORD,  TOKEN_NUMBER,  TOKEN_BAD,     TOKEN_END,    TOKEN_END,
    };
    struct lexer lex;
    struct token t;
    lexer_init(&lex, text_of("abc <> -1.5e+3 'it''s' \"a\"\"b\"(>= <é.x 00 $"));
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        lexer_next(&lex, &t);
        ck_assert_msg(t.type == types[i], "token %zu: %d", i, (int)t.type);
    }
    ck_assert(lex.hit_end);
}
END_TEST

START_TEST(lexer_sees_the_end)
{
    static const struct {
        const char *text;
        bool hit;
    } cases[] = {{"abc", true},   {"abc ", false}, {"=", false}, {"<", true},  {"<=", false},
                 {"'a'", true},   {"'a' ", false}, {"(", false}, {"12", true}, {"12 ", false},
                 {"'open", true}, {"", true},      {"  ", true}, {"!", true},  {"! ", false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct lexer lex;
        struct token t;
        lexer_init(&lex, text_of(cases[i].text));
        lexer_next(&lex, &t);
        ck_assert_msg(lex.hit_end == cases[i].hit, "'%s'", cases[i].text);
    }
}
END_TEST

START_TEST(lexer_utf8)
{
    ck_assert_int_eq(lexer_check_utf8(text_of("a = 'ä€😀'")), 0);
    ck_assert_int_eq(lexer_check_utf8(text_of("a = '\xc3")), 1);
    ck_assert_int_eq(lexer_check_utf8(text_of("a = '\xe2\x82")), 1);
    ck_assert_int_eq(lexer_check_utf8(text_of("a = '\xf0\x9f\x98")), 1);
    ck_assert_int_eq(lexer_check_utf8(text_of("a = '\xff'")), -ERR_INVAL);
    ck_assert_int_eq(lexer_check_utf8(text_of("\xc3(")), -ERR_INVAL);
    ck_assert_int_eq(lexer_check_utf8(text_of("\x80")), -ERR_INVAL);
}
END_TEST

/* ---- the parser ------------------------------------------------------------------------------ */

START_TEST(parser_tree)
{
    struct query *q;
    ck_assert_int_eq(
        query_parse(text_of("SELECT a, COUNT(b) AS n FROM t WHERE x = 1 AND (y IN (2, 1,"
                            " 'z') OR NOT x.w LIKE 'a%') GROUP BY a ORDER BY n DESC "
                            "LIMIT 5 OFFSET 6 FORMAT csv;"),
                    true, &q),
        0);
    ck_assert_int_eq(q->n_items, 2);
    ck_assert_int_eq(q->items[1].agg, AGG_COUNT);
    ck_assert(slice_eq(q->items[1].name, text_of("n")));
    ck_assert(slice_eq(q->from, text_of("t")));
    ck_assert_int_eq(q->where->op, OP_AND);
    ck_assert_int_eq(q->where->n_kids, 2);
    const struct query_node *either = q->where->kids[1];
    ck_assert_int_eq(either->op, OP_OR);
    ck_assert_int_eq(either->kids[0]->set->n_numbers, 2);
    ck_assert_int_eq(either->kids[0]->set->numbers[0].i, 1);
    ck_assert_int_eq(either->kids[1]->op, OP_NOT);
    ck_assert_int_eq(either->kids[1]->kids[0]->like->form, LIKE_STARTS);
    ck_assert_int_eq(q->where_fields.n, 3);       /* x, y, x.w … */
    ck_assert_int_eq(q->where_fields.n_names, 2); /* … under two names */
    ck_assert_int_eq(q->n_group, 1);
    ck_assert_int_eq(q->order[0].item, 1);
    ck_assert(q->order[0].desc);
    ck_assert_uint_eq(q->limit, 5);
    ck_assert_uint_eq(q->offset, 6);
    ck_assert_int_eq(q->format, FORMAT_CSV);
    query_free(q);
}
END_TEST

START_TEST(parser_limits)
{
    struct query *q;
    auto_buf text = BUF_INIT;
    buf_puts(&text, "a IN (0");
    for (int i = 1; i < QUERY_LIST_MAX; i++)
        buf_putf(&text, ",%d", i);
    size_t whole = text.n;
    buf_puts(&text, ")");
    ck_assert_int_eq(query_parse(slice_buf(&text), false, &q), 0);
    query_free(q);
    text.n = whole;
    buf_puts(&text, ",1) ");
    ck_assert_int_eq(query_parse(slice_buf(&text), false, &q), -ERR_INVAL);
    ck_assert_ptr_nonnull(strstr(err_msg(), "more than 10000 values"));

    buf_clear(&text);
    for (int i = 0; i <= QUERY_FIELDS_MAX; i++)
        buf_putf(&text, "%sf%d IS NULL", i ? " OR " : "", i);
    buf_puts(&text, "\n");
    ck_assert_int_eq(query_parse(slice_buf(&text), false, &q), -ERR_INVAL);
    ck_assert_ptr_nonnull(strstr(err_msg(), "more than 1000 different fields"));

    buf_clear(&text);
    buf_puts(&text, "a = '");
    ck_assert_int_eq(buf_resize(&text, STORE_QUERY_MAX - 1), 0);
    memset(text.p + 5, 'x', text.n - 5);
    buf_puts(&text, "'");
    ck_assert_int_eq(query_parse(slice_buf(&text), false, &q), 0);
    query_free(q);
    buf_puts(&text, "\n");
    ck_assert_int_eq(query_parse(slice_buf(&text), false, &q), -ERR_TOOBIG);
}
END_TEST

START_TEST(parser_copied_answer)
{
    struct store *st = make_rows(1);
    auto_buf big = BUF_INIT, out = BUF_INIT;
    buf_puts(&big, "{\"_path\":\"a.json\"}\n");
    ck_assert_int_eq(buf_resize(&big, STORE_QUERY_MAX + 100), 0);
    ck_assert_int_eq(store_query_check(st, person, slice_buf(&big)), 0);
    ck_assert_int_eq(ask(st, person, slice_buf(&big), &out), 0);
    ck_assert_uint_eq(out.n, 0);
    for (size_t n = 1; n < 9; n++)
        ck_assert_int_eq(store_query_check(st, person, slice_of(big.p, n)), 1);
    ck_assert_int_eq(store_query_check(st, person, text_of("{\"path\":")), -ERR_INVAL);
    ck_assert_int_eq(store_query_check(st, person, slice_of("\0", 1)), -ERR_INVAL);
    fake_free(st);
}
END_TEST

/* ---- values ---------------------------------------------------------------------------------- */

START_TEST(like_patterns)
{
    static const struct {
        const char *pattern, *text;
        bool match;
    } cases[] = {
        {"a%b%c", "aXbYc", true},
        {"a%b%c", "abc", true},
        {"a%b%c", "acb", false},
        {"%ab%ab%", "abab", true},
        {"%ab%ab%", "aba", false},
        {"_%_", "a", false},
        {"_%_", "ab", true},
        {"%_", "", false},
        {"_", "€", true},
        {"__", "€", false},
        {"%€_", "x€y", true},
        {"a%", "", false},
        {"%a_c%", "xxabcxx", true},
        {"%a_c%", "xxacxx", false},
        {"%%%", "", true},
        {"%aab", "aaab", true},
        {"%a%a%a%b", "aaaaaaaaaaaaaaaa", false},
    };
    struct query_arena mem = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct query_like *like;
        for (int fold = 0; fold < 2; fold++) {
            ck_assert_int_eq(query_like_make(&mem, text_of(cases[i].pattern), fold, &like), 0);
            ck_assert_msg(query_like_match(like, text_of(cases[i].text)) == cases[i].match,
                          "%s: %s", cases[i].pattern, cases[i].text);
        }
    }
    query_arena_free(&mem);
}
END_TEST

/* All fields that an entity can be asked for, more than one pass finds at once. */
START_TEST(scope_many_fields)
{
    auto_buf text = BUF_INIT, json = BUF_INIT;
    struct query_filter *f;
    buf_puts(&json, "{\"properties\":{\"z\":0");
    for (int i = 0; i < 150; i++) {
        buf_putf(&text, "%sf%d = %d", i ? " AND " : "", i, i);
        if (i % 3 == 0)
            buf_putf(&json, ",\"f%d\":%d", i, i);
    }
    buf_puts(&json, "},\"metadata\":{\"f0\":99");
    for (int i = 0; i < 150; i++)
        if (i % 3 == 1)
            buf_putf(&json, ",\"f%d\":%d", i, i);
    buf_puts(&json, "}");
    for (int i = 0; i < 150; i++)
        if (i % 3 == 2)
            buf_putf(&json, ",\"f%d\":%d", i, i);
    buf_puts(&json, "}");
    struct ent_row row = {.id = text_of("a"), .type_name = text_of("t"), .json = slice_buf(&json)};
    ck_assert_int_eq(query_filter_parse(slice_buf(&text), &f), 0);
    ck_assert_int_eq(query_filter_match(f, &row), 1);
    query_filter_free(f);
}
END_TEST

static uint32_t seed = 1;

static unsigned below(unsigned n)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 16) % n;
}

static void put_random(struct buf *out, int depth, const char *more)
{
    static const char *const names[] = {"a", "b", "properties", "metadata", "aa", "x\"", ":a", "{"};
    static const char *const values[] = {"1",      "\"a\"", "\"\\\":1\"", "null", "[1,{\"a\":2}]",
                                         "\"}{\"", "-2e5",  "\"\"",       "[]",   "{}",
                                         "[[{}]]", "true"};
    unsigned n = below(6);
    buf_putc(out, '{');
    for (unsigned i = 0; i < n; i++) {
        /* escapes only once in a while: most texts must take the quick way */
        unsigned plain = below(20) ? 5 : 8, value = below(12);
        const char *name = names[below(plain == 5 ? 5 : 8)];
        if (plain == 5 && value == 2)
            value = 1;
        buf_puts(out, i ? "," : "");
        json_put_string(out, slice_str(name));
        buf_putc(out, ':');
        if (depth < 3 && below(3))
            put_random(out, depth + 1, "");
        else
            buf_puts(out, values[value]);
        if (below(4) == 0 && name[0] == 'a') {
            auto_buf pad = BUF_INIT;
            buf_resize(&pad, below(70));
            if (pad.n)
                memset(pad.p, 'p', pad.n);
            buf_puts(out, ",\"pad\":");
            json_put_string(out, slice_buf(&pad));
        }
    }
    buf_putf(out, "%s%s}", n && *more ? "," : "", more);
}

/* A member whose name has an escape turns the quick way off, and changes nothing else. */
START_TEST(scope_quick_way)
{
    static const char text[] = "a = 1 OR b.a = 1 OR properties.a = 1 OR metadata = 1 OR aa = 1 OR "
                               "EXISTS(properties) OR \":a\" = 1";
    struct query *q;
    struct query_scope quick, general;
    struct json_val vals[16];
    bool found[16];
    int quickly = 0;
    ck_assert_int_eq(query_parse(slice_str(text), false, &q), 0);
    ck_assert_int_eq(query_scope_init(&quick, &q->where_fields), 0);
    ck_assert_int_eq(query_scope_init(&general, &q->where_fields), 0);
    for (int round = 0; round < 20000; round++) {
        auto_buf one = BUF_INIT, two = BUF_INIT;
        uint32_t again = seed;
        put_random(&one, 0, "");
        seed = again;
        put_random(&two, 0, "\"\\u007a\":0");
        ck_assert_int_eq(json_validate(slice_buf(&one), true), 0);
        struct ent_row row = {.json = slice_buf(&one)}, row2 = {.json = slice_buf(&two)};
        quickly += query_find_names(&q->where_fields, row.json, vals, found);
        ck_assert(!query_find_names(&q->where_fields, row2.json, vals, found));
        query_scope_load(&quick, &row);
        query_scope_load(&general, &row2);
        for (int i = 0; i < q->where_fields.n; i++) {
            ck_assert_msg(quick.cells[i].found == general.cells[i].found &&
                              quick.cells[i].kind == general.cells[i].kind,
                          "field %d of %s", i, buf_cstr(&one));
            if (quick.cells[i].found)
                ck_assert_msg(slice_eq(quick.cells[i].raw, general.cells[i].raw), "field %d of %s",
                              i, buf_cstr(&one));
        }
    }
    ck_assert_int_gt(quickly, 5000);
    query_scope_free(&quick);
    query_scope_free(&general);
    query_free(q);
}
END_TEST

START_TEST(filter_alone)
{
    struct query_filter *f = NULL;
    struct ent_row row = {.id = text_of("a\"b"),
                          .type_name = text_of("t"),
                          .json = text_of("{\"s\":\"x\\ny\",\"n\":5}")};
    static const struct {
        const char *text;
        int match;
    } cases[] = {{"s = 'x\ny'", 1},  {"s STARTS WITH 'x\n'", 1}, {"n > 5", 0},
                 {"m > 5", 0},       {"_id = 'a\"b'", 1},        {"_path = 'a\"b.json'", 1},
                 {"_type = 't'", 1}, {"_tenant IS NULL", 1},     {"NOT n = 4 AND n < 6 ", 1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ck_assert_int_eq(query_filter_parse(text_of(cases[i].text), &f), 0);
        ck_assert_msg(query_filter_match(f, &row) == cases[i].match, "%s", cases[i].text);
        query_filter_free(f);
    }
    ck_assert_int_eq(query_filter_parse(text_of("n > "), &f), 1);
    ck_assert_ptr_null(f);
    ck_assert_int_eq(query_filter_parse(text_of("n > 1 LIMIT 5"), &f), -ERR_INVAL);
    ck_assert_int_eq(query_filter_parse(text_of(""), &f), 1);
    query_filter_free(NULL);
}
END_TEST

START_TEST(rows_as_lines)
{
    auto_buf out = BUF_INIT;
    struct ent_row row = {.id = text_of("a\"\\"), .type_name = text_of("t"), .json = text_of("{}")};
    query_put_row(&out, &row, true, text_of("\"_score\":0.5"));
    row.json = text_of("{\"x\":1}");
    query_put_row(&out, &row, false, text_of("\"_score\":0.5"));
    query_put_row(&out, &row, false, text_of(""));
    ck_assert_str_eq(buf_cstr(&out), "{\"_path\":\"t/a\\\"\\\\.json\",\"_score\":0.5}\n"
                                     "{\"_path\":\"a\\\"\\\\.json\",\"_score\":0.5,\"x\":1}\n"
                                     "{\"_path\":\"a\\\"\\\\.json\",\"x\":1}\n");
}
END_TEST

/* ---- running --------------------------------------------------------------------------------- */

START_TEST(run_reads_no_more_than_needed)
{
    struct store *st = make_rows(1000);
    auto_buf out = BUF_INIT;
    ck_assert_int_eq(ask(st, person, text_of("LIMIT 3"), &out), 0);
    ck_assert_uint_eq(count_lines(&out), 3);
    ck_assert_uint_eq(fake_rows_read(st), 3);
    ck_assert_int_eq(ask(st, person, text_of("_id IN ('r000007', 'r000009', 'gone')"), &out), 0);
    ck_assert_uint_eq(fake_rows_read(st), 5);
    struct answer *a;
    char some[10];
    ck_assert_int_eq(store_query(st, person, text_of("*"), &a), 0);
    ck_assert_uint_eq(fake_rows_read(st), 5); /* nothing runs before the first read */
    answer_free(a);
    st = (fake_free(st), make_rows(20000));
    ck_assert_int_eq(store_query(st, person, text_of("*"), &a), 0);
    ck_assert_int_eq(answer_read(a, some, sizeof some), 10);
    ck_assert_uint_lt(fake_rows_read(st), 2500); /* a piece, not the type */
    answer_free(a);
    fake_free(st);
}
END_TEST

START_TEST(run_streams_everything)
{
    struct store *st = make_rows(20000);
    auto_buf out = BUF_INIT;
    ck_assert_int_eq(ask(st, person, text_of("status = 'active'"), &out), 0);
    ck_assert_uint_eq(count_lines(&out), 10000);
    buf_clear(&out);
    ck_assert_int_eq(ask(st, person, text_of("COUNT(*), SUM(n), MAX(n) WHERE n >= 10000"), &out),
                     0);
    ck_assert_str_eq(buf_cstr(&out), "{\"count\":10000,\"sum_n\":149995000,\"max_n\":19999}\n");
    fake_free(st);
}
END_TEST

/* The heap gives what the full sort gives. */
START_TEST(run_heap_is_sort)
{
    struct store *st = make_rows(3000);
    for (int limit = 1; limit < 3200; limit = limit * 3 + 1) {
        auto_buf all = BUF_INIT, some = BUF_INIT;
        char text[100];
        ck_assert_int_eq(ask(st, person, text_of("ORDER BY mod DESC, status FORMAT ids"), &all), 0);
        snprintf(text, sizeof text, "ORDER BY mod DESC, status LIMIT %d OFFSET 5 FORMAT ids",
                 limit);
        ck_assert_int_eq(ask(st, person, text_of(text), &some), 0);
        size_t from = 5 * 8, n = (size_t)limit * 8;
        if (n > all.n - from)
            n = all.n - from;
        ck_assert(slice_eq(slice_of(all.p + from, n), slice_buf(&some)));
    }
    fake_free(st);
}
END_TEST

START_TEST(run_memory)
{
    struct store *st = make_rows(5000);
    auto_buf out = BUF_INIT;
    fake_options(st)->query_memory = 200 << 10;
    ck_assert_int_eq(ask(st, person, text_of("ORDER BY n"), &out), -ERR_NOMEM);
    ck_assert_ptr_nonnull(strstr(err_msg(), "add LIMIT"));
    ck_assert_int_eq(ask(st, person, text_of("ORDER BY n DESC LIMIT 100"), &out), 0);
    ck_assert_int_eq(ask(st, person, text_of("n < 100 ORDER BY n"), &out), 0);
    ck_assert_int_eq(ask(st, person, text_of("COUNT(DISTINCT n)"), &out), -ERR_NOMEM);
    ck_assert_int_eq(ask(st, person, text_of("COUNT(DISTINCT mod)"), &out), 0);
    ck_assert_int_eq(ask(st, person, text_of("COUNT(*) GROUP BY n"), &out), -ERR_NOMEM);
    fake_options(st)->query_memory = 0;
    ck_assert_int_eq(ask(st, person, text_of("ORDER BY n"), &out), 0);
    fake_free(st);
}
END_TEST

START_TEST(run_stops_when_told)
{
    static const char *const texts[] = {"*",          "n < 0",     "COUNT(*)",
                                        "ORDER BY n", "EXPLAIN *", "COUNT(*) GROUP BY n"};
    struct store *st = make_rows(2000);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        auto_buf out = BUF_INIT;
        fake_poll_fails(st, 1000, -ERR_CANCELED);
        ck_assert_int_eq(ask(st, person, text_of(texts[i]), &out), -ERR_CANCELED);
    }
    fake_free(st);
}
END_TEST

START_TEST(run_refuses)
{
    struct store *st = make_rows(1);
    struct answer *a = NULL;
    auto_buf out = BUF_INIT;
    struct coll tenant = {FAKE_TENANT, 0}, gone = {FAKE_TENANT + 1, 0};
    ck_assert_int_eq(store_query(st, person, text_of("status ="), &a), -ERR_INVAL);
    ck_assert_ptr_null(a);
    ck_assert_ptr_nonnull(strstr(err_msg(), "expected a value after '='"));
    ck_assert_int_eq(store_query(st, person, text_of(""), &a), -ERR_INVAL);
    ck_assert_int_eq(ask(st, tenant, text_of("SELECT * FROM nothing"), &out), -ERR_INVAL);
    ck_assert_int_eq(ask(st, gone, text_of("*"), &out), -ERR_NOTFOUND);
    fake_free(st);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("query");
    TCase *t = tcase_create("stages");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, lexer_tokens);
    tcase_add_test(t, lexer_sees_the_end);
    tcase_add_test(t, lexer_utf8);
    tcase_add_test(t, parser_tree);
    tcase_add_test(t, parser_limits);
    tcase_add_test(t, parser_copied_answer);
    tcase_add_test(t, like_patterns);
    tcase_add_test(t, scope_many_fields);
    tcase_add_test(t, scope_quick_way);
    tcase_add_test(t, filter_alone);
    tcase_add_test(t, rows_as_lines);
    tcase_add_test(t, run_reads_no_more_than_needed);
    tcase_add_test(t, run_streams_everything);
    tcase_add_test(t, run_heap_is_sort);
    tcase_add_test(t, run_memory);
    tcase_add_test(t, run_stops_when_told);
    tcase_add_test(t, run_refuses);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
