/* unit_json.c - json.h: what is accepted and refused, the messages, and reading.
 * (Numbers and writing: unit_json_num.c.)
 *
 * The fixtures are bad/y_*.json (accept) and bad/n_*.json (refuse) below FIXTURES. Deep and
 * long inputs are made here.
 */
#include "tests/json_props.h"

#include <check.h>
#include <dirent.h>
#include <limits.h>

#ifndef FIXTURES
#define FIXTURES "fixtures"
#endif

/* ---- fixtures -------------------------------------------------------------------------------- */

/* In memory of exactly its size. */
static char *load(const char *dir, const char *name, size_t *n)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    auto_file FILE *f = fopen(path, "rb");
    ck_assert_msg(f != NULL, "%s", path);
    auto_buf b = BUF_INIT;
    char piece[4096];
    size_t got;
    while ((got = fread(piece, 1, sizeof piece, f)) > 0)
        ck_assert_int_eq(buf_put(&b, piece, got), 0);
    char *exact = malloc(b.n + !b.n);
    ck_assert_ptr_nonnull(exact);
    if (b.n)
        memcpy(exact, b.p, b.n);
    *n = b.n;
    return exact;
}

/* Calls fn with every fixture; returns how many there were. */
static int each_fixture(void (*fn)(const char *name, struct slice text))
{
    char dir[PATH_MAX];
    snprintf(dir, sizeof dir, "%s/bad", FIXTURES);
    DIR *d = opendir(dir);
    ck_assert_msg(d != NULL, "%s", dir);
    struct dirent *e;
    int count = 0;
    while ((e = readdir(d))) {
        if (!strstr(e->d_name, ".json") || e->d_name[1] != '_')
            continue;
        size_t n;
        auto_free char *text = load(dir, e->d_name, &n);
        fn(e->d_name, slice_of(text, n));
        count++;
    }
    closedir(d);
    return count;
}

static void check_verdict(const char *name, struct slice text)
{
    int rc = json_validate(text, false);
    ck_assert_msg(rc == (name[0] == 'y' ? 0 : -ERR_INVAL), "%s: %d %s", name, rc, err_msg());
}

START_TEST(fixture_verdicts)
{
    ck_assert_int_ge(each_fixture(check_verdict), 200);
}
END_TEST

static void check_splits(const char *name, struct slice text)
{
    struct props_verdict whole, v;
    for (int object_only = 0; object_only < 2; object_only++) {
        props_feed(text, object_only, text.n, text.n, &whole);
        for (size_t cut = 1; cut <= text.n; cut++) {
            props_feed(text, object_only, cut, text.n, &v);
            ck_assert_msg(props_same(&whole, &v), "%s cut at %zu: %s", name, cut, v.msg);
        }
        for (size_t size = 1; size <= 9; size++) {
            props_feed(text, object_only, size, size, &v);
            ck_assert_msg(props_same(&whole, &v), "%s in pieces of %zu: %s", name, size, v.msg);
        }
    }
}

START_TEST(fixture_splits)
{
    each_fixture(check_splits);
}
END_TEST

static void check_props(const char *name, struct slice text)
{
    (void)name;
    props_check(text);
}

START_TEST(fixture_properties)
{
    each_fixture(check_props);
}
END_TEST

/* What the parser has taken so far must be the start of something valid: close it and see. A byte
 * is tried in an order that ends every string first, so that this comes to an end. */
static void check_completable(const char *name, struct json_parser p)
{
    static const unsigned char order[] = "\"}]:0\\udelsra{\x80\x90\xa0";
    for (int steps = 0; steps < 2000; steps++) {
        if (json_parser_complete(&p))
            return;
        struct json_parser next;
        size_t i = 0;
        for (; i < sizeof order - 1; i++) {
            next = p;
            if (json_parser_feed(&next, order + i, 1) == 0)
                break;
        }
        ck_assert_msg(i < sizeof order - 1, "%s: offset %d cannot go on", name, (int)p.offset);
        p = next;
    }
    ck_abort_msg("%s: no end", name);
}

static void check_early(const char *name, struct slice text)
{
    struct json_parser p;
    json_parser_init(&p, false);
    for (size_t i = 0; i < text.n && json_parser_feed(&p, text.p + i, 1) == 0; i++)
        check_completable(name, p);
}

START_TEST(fixture_refused_as_early_as_possible)
{
    each_fixture(check_early);
}
END_TEST

/* Every byte of every fixture replaced, left out, or the end. */
static void check_damage(const char *name, struct slice text)
{
    static const char with[] = "\"\\{}[],:0-e \n\x80\xed";
    (void)name;
    for (size_t at = 0; at < text.n; at++) {
        auto_free char *copy = malloc(text.n);
        memcpy(copy, text.p, text.n);
        for (size_t i = 0; i < sizeof with - 1; i++) {
            copy[at] = with[i];
            props_check(slice_of(copy, text.n));
        }
        auto_free char *cut = malloc(at + !at);
        memcpy(cut, text.p, at);
        props_check(slice_of(cut, at));
    }
}

START_TEST(fixture_damage)
{
    each_fixture(check_damage);
}
END_TEST

/* ---- depth and length ------------------------------------------------------------------------ */

static void nested(struct buf *b, const char *open, const char *close, int depth)
{
    buf_clear(b);
    for (int i = 0; i < depth; i++)
        buf_puts(b, open);
    buf_puts(b, "1");
    for (int i = 0; i < depth; i++)
        buf_puts(b, close);
}

START_TEST(depth_limit)
{
    auto_buf b = BUF_INIT;
    static const char *const shapes[][2] = {{"[", "]"}, {"{\"a\":", "}"}, {" [ ", " ] "}};
    for (size_t i = 0; i < 3; i++) {
        nested(&b, shapes[i][0], shapes[i][1], 128);
        ck_assert_int_eq(json_validate(slice_buf(&b), false), 0);
        props_check(slice_buf(&b));
        for (int depth = 129; depth <= 10000; depth += 9871) {
            nested(&b, shapes[i][0], shapes[i][1], depth);
            ck_assert_int_eq(json_validate(slice_buf(&b), false), -ERR_INVAL);
            ck_assert_ptr_nonnull(strstr(err_msg(), "nested deeper than 128 levels"));
            props_check(slice_buf(&b));
        }
    }
    nested(&b, "[", "]", 10000);
    ck_assert_int_eq(json_validate(slice_buf(&b), false), -ERR_INVAL);
    ck_assert_str_eq(err_msg(), "line 1, column 129: nested deeper than 128 levels");
}
END_TEST

/* Alternating kinds at full depth: the bits of the stack are right on the way back. */
START_TEST(depth_mixed)
{
    auto_buf b = BUF_INIT;
    for (int i = 0; i < 128; i++)
        buf_puts(&b, i * 7 % 3 ? "{\"a\":" : "[");
    buf_puts(&b, "1");
    for (int i = 127; i >= 0; i--)
        buf_puts(&b, i * 7 % 3 ? "}" : "]");
    ck_assert_int_eq(json_validate(slice_buf(&b), false), 0);
    props_check(slice_buf(&b));
    b.p[b.n - 5] = b.p[b.n - 5] == '}' ? ']' : '}';
    ck_assert_int_eq(json_validate(slice_buf(&b), false), -ERR_INVAL);
}
END_TEST

/* Strings that end, escape, or break at every place of a 16-byte step and a 64-byte block. */
START_TEST(string_lengths)
{
    static const char *const bits[] = {"",        "\\\"", "\\\\", "\xc3\xa9",
                                       "\\u00e9", "\n",   "\xff", "]"};
    for (size_t len = 0; len < 140; len++) {
        for (size_t i = 0; i < sizeof bits / sizeof *bits; i++) {
            auto_buf b = BUF_INIT;
            buf_puts(&b, "[[\"");
            for (size_t k = 0; k < len; k++)
                buf_putc(&b, (char)('a' + k % 26));
            buf_puts(&b, bits[i]);
            buf_puts(&b, "\",{\"[\":\"}\"}],2]");
            int rc = json_validate(slice_buf(&b), false);
            ck_assert_int_eq(rc, i == 5 || i == 6 ? -ERR_INVAL : 0);
            props_check(slice_buf(&b));
        }
    }
}
END_TEST

/* ---- messages -------------------------------------------------------------------------------- */

static const struct {
    const char *text, *msg;
} messages[] = {
    {"", "line 1, column 1: expected a value, found the end of the text"},
    {"oops\n", "line 1, column 1: expected a value, found 'o'"},
    {"{\n  \"a\" }", "line 2, column 7: expected ':' after a member name, found '}'"},
    {"{\"a\":1", "line 1, column 7: expected ',' or '}' after a member, found the end of the text "
                 "(an object is not closed)"},
    {"[[1", "line 1, column 4: expected ',' or ']' after an element, found the end of the text "
            "(2 objects and arrays are not closed)"},
    {"{\"a\":\"b",
     "line 1, column 8: expected more of the string or its closing '\"', found the end "
     "of the text (an object is not closed)"},
    {"{\"a\":1,}", "line 1, column 8: expected a member name in double quotes after ',', found '}' "
                   "(one ',' too many)"},
    {"[1,]", "line 1, column 4: expected a value, found ']' (one ',' too many)"},
    {"{\"a\":}", "line 1, column 6: expected a value, found '}'"},
    {"{'a':1}", "line 1, column 2: expected a member name in double quotes or '}', found a single "
                "quote (strings take double quotes)"},
    {"{\n\"a\":NaN}", "line 2, column 5: expected a value, found 'N' (the only words are true, "
                      "false and null)"},
    {"[nul1]", "line 1, column 5: expected the word null, found '1'"},
    {"[01]",
     "line 1, column 3: expected '.' or the end of the number after a leading 0, found '1'"},
    {"[+1]",
     "line 1, column 2: expected a value or ']', found '+' (a number starts with a digit or "
     "'-')"},
    {"[-Infinity]",
     "line 1, column 3: expected a digit after '-', found 'I' (infinity is not a JSON "
     "number)"},
    {"[1.]", "line 1, column 4: expected a digit after '.', found ']'"},
    {"\"a\nb\"", "line 1, column 3: expected more of the string or its closing '\"', found a line "
                 "break (write it as \\n)"},
    {"\"\\x41\"", "line 1, column 3: expected one of \" \\ / b f n r t u after '\\', found 'x'"},
    {"\"\\u12g\"", "line 1, column 6: expected four hexadecimal digits after \\u, found 'g'"},
    {"\"\\ud83d\"", "line 1, column 8: expected the second half of the surrogate pair (\\udc00 to "
                    "\\udfff), found '\"'"},
    {"\"\\udc00\"", "line 1, column 5: expected four hexadecimal digits after \\u, found 'c' (the "
                    "second half of a surrogate pair without the first)"},
    {"\"\xff\"",
     "line 1, column 2: expected more of the string or its closing '\"', found the byte "
     "0xff (not UTF-8)"},
    {"\"\xe0\x80\x80\"", "line 1, column 3: expected the rest of a UTF-8 character, found the byte "
                         "0x80 (not UTF-8: an overlong form)"},
    {"\xef\xbb\xbf{}",
     "line 1, column 1: expected a value, found the byte 0xef (text starts without "
     "a byte order mark)"},
    {"{}\n{}", "line 2, column 1: expected nothing more after the value, found '{'"},
    {"[1 // one\n]",
     "line 1, column 4: expected ',' or ']' after an element, found '/' (JSON has no "
     "comments)"},
};

START_TEST(message_texts)
{
    ck_assert_int_eq(json_validate(slice_str(messages[_i].text), false), -ERR_INVAL);
    ck_assert_str_eq(err_msg(), messages[_i].msg);
}
END_TEST

START_TEST(message_object_only)
{
    ck_assert_int_eq(json_validate(slice_str(" [1]"), true), -ERR_INVAL);
    ck_assert_str_eq(err_msg(), "line 1, column 2: expected an object, '{', found '['");
    ck_assert_int_eq(json_validate(slice_str(" {}"), true), 0);
}
END_TEST

START_TEST(message_after_a_failure)
{
    struct json_parser p;
    json_parser_init(&p, false);
    ck_assert_int_eq(json_parser_feed(&p, "[1,\n,", 5), -ERR_INVAL);
    ck_assert_int_eq((int)p.offset, 4);
    ck_assert_int_eq(json_parser_feed(&p, "2]", 2), -ERR_INVAL);
    ck_assert_str_eq(err_msg(), "line 2, column 1: the text was refused here");
    ck_assert_int_eq(json_parser_finish(&p), -ERR_INVAL);
    ck_assert(!json_parser_complete(&p));
}
END_TEST

/* ---- reading --------------------------------------------------------------------------------- */

static struct json_val root_of(const char *text)
{
    struct json_val v;
    ck_assert_int_eq(json_validate(slice_str(text), false), 0);
    ck_assert(json_root(slice_str(text), &v));
    return v;
}

static void ck_raw(struct json_val v, const char *want)
{
    ck_assert_msg(slice_eq(v.raw, slice_str(want)), "%.*s, not %s", (int)v.raw.n, v.raw.p, want);
}

START_TEST(read_members)
{
    struct json_val v,
        o = root_of(" { \"a\" : 1 , \"b\" : { \"a\" : [ 2 ] } , \"\\u0061\" : \"x\" , "
                    "\"\" : null , \"q\\\"\" : true } ");
    ck_assert(json_member(o, slice_str("a"), &v));
    ck_assert_int_eq(v.type, JSON_STRING); /* the last one, though its name is escaped */
    ck_raw(v, "\"x\"");
    ck_assert(json_member(o, slice_str(""), &v) && v.type == JSON_NULL);
    ck_assert(json_member(o, slice_of(NULL, 0), &v) && v.type == JSON_NULL);
    ck_assert(json_member(o, slice_str("q\""), &v) && v.type == JSON_TRUE);
    ck_assert(!json_member(o, slice_str("q\\\""), &v));
    ck_assert(!json_member(o, slice_str("\\u0061"), &v));
    ck_assert(json_member(o, slice_str("b"), &v));
    ck_raw(v, "{ \"a\" : [ 2 ] }");
    ck_assert(json_member(v, slice_str("a"), &v) && json_element(v, 0, &v));
    ck_raw(v, "2");
    ck_assert(!json_member(v, slice_str("a"), &v) && !json_element(o, 0, &v));
}
END_TEST

START_TEST(read_several)
{
    struct slice names[] = {slice_str("x"), slice_str("no"), slice_str("y"), slice_str("x")};
    struct json_val out[4];
    bool found[4];
    json_members(root_of("{\"y\":[],\"x\":1,\"x\":2}"), names, 4, out, found);
    ck_assert(found[0] && !found[1] && found[2] && found[3]);
    ck_raw(out[0], "2");
    ck_raw(out[2], "[]");
    ck_raw(out[3], "2");
    json_members(root_of("[1]"), names, 4, out, found);
    ck_assert(!found[0] && !found[1] && !found[2] && !found[3]);
}
END_TEST

START_TEST(read_elements)
{
    struct json_val v, a = root_of("[1, \"]\", [2,[3]], {}, null]");
    static const char *const want[] = {"1", "\"]\"", "[2,[3]]", "{}", "null"};
    for (uint64_t i = 0; i < 5; i++) {
        ck_assert(json_element(a, i, &v));
        ck_raw(v, want[i]);
    }
    ck_assert(!json_element(a, 5, &v));
    ck_assert(!json_element(root_of("[]"), 0, &v));
    ck_assert(!json_root(slice_of(NULL, 0), &v));
}
END_TEST

START_TEST(read_strings)
{
    auto_buf scratch = BUF_INIT;
    struct slice s;
    struct json_val v = root_of("\"plain\"");
    ck_assert_int_eq(json_string(v, &scratch, &s), 0);
    ck_assert(slice_eq(s, slice_str("plain")) && s.p == v.raw.p + 1);
    ck_assert_int_eq(
        json_string(root_of("\"\\b\\f\\n\\r\\t\\/\\\\\\\"\\u00e9\\ud83d\\ude00\""), &scratch, &s),
        0);
    ck_assert(slice_eq(s, slice_str("\b\f\n\r\t/\\\"\xc3\xa9\xf0\x9f\x98\x80")));
    ck_assert_int_eq(json_string(root_of("\"a\\u0000b\""), &scratch, &s), 0);
    ck_assert(slice_eq(s, slice_of("a\0b", 3)));
    ck_assert_int_eq(json_string(root_of("1"), &scratch, &s), -ERR_INVAL);
    buf_clear(&scratch);
    ck_assert_int_eq(json_unescape(slice_str("ok\\ud800"), &scratch), -ERR_INVAL);
    ck_assert_uint_eq(scratch.n, 0);
}
END_TEST

#define COUNT_OF(a) ((int)(sizeof(a) / sizeof *(a)))

int main(void)
{
    Suite *s = suite_create("json");
    TCase *fix = tcase_create("fixtures"), *msg = tcase_create("messages"),
          *read = tcase_create("reading");
    tcase_set_timeout(fix, 60);
    tcase_add_test(fix, fixture_verdicts);
    tcase_add_test(fix, fixture_splits);
    tcase_add_test(fix, fixture_properties);
    tcase_add_test(fix, fixture_refused_as_early_as_possible);
    tcase_add_test(fix, fixture_damage);
    tcase_add_test(fix, depth_limit);
    tcase_add_test(fix, depth_mixed);
    tcase_add_test(fix, string_lengths);
    tcase_add_loop_test(msg, message_texts, 0, COUNT_OF(messages));
    tcase_add_test(msg, message_object_only);
    tcase_add_test(msg, message_after_a_failure);
    tcase_add_test(read, read_members);
    tcase_add_test(read, read_several);
    tcase_add_test(read, read_elements);
    tcase_add_test(read, read_strings);
    suite_add_tcase(s, fix);
    suite_add_tcase(s, msg);
    suite_add_tcase(s, read);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
