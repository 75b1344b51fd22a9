/* unit_codec.c - codec.h: trees from strict text, reading them, building them, printing them. */
#include "store/codec.h"
#include "store/base/err.h"

#include <check.h>
#include <stdlib.h>

static struct codec_node *parse(const char *text)
{
    struct codec_node *node;
    ck_assert_msg(codec_parse(slice_str(text), &node) == 0, "%s: %s", text, err_msg());
    return node;
}

static void ck_print(const struct codec_node *node, const char *want)
{
    auto_buf b = BUF_INIT;
    ck_assert_int_eq(codec_print(node, false, &b), 0);
    ck_assert_str_eq(buf_cstr(&b), want);
}

/* What json-c's own parser changes stays as written. */
static const char *const unchanged[] = {
    "null",
    "[]",
    "{}",
    "[null,true,false,\"\",\"a/b\"]",
    "{\"a\":{\"b\":[1,{\"c\":[]}]}}",
    "[12345678901234567890123,18446744073709551616,-9223372036854775808]",
    "[1e400,0.10,1.5E-7]",
    "\"a\\u0000b\"",
    "{\"\":0}",
};

START_TEST(parse_and_print)
{
    auto_codec node = parse(unchanged[_i]);
    ck_print(node, unchanged[_i]);
}
END_TEST

static const char *const refused[] = {"", "NaN", "{'a':1}", "\"a\nb\"", "\"\\ud800\"", "[1] x"};

START_TEST(parse_refuses)
{
    struct codec_node *node;
    ck_assert_int_eq(codec_parse(slice_str(refused[_i]), &node), -ERR_INVAL);
    ck_assert_ptr_null(node);
    ck_assert_ptr_nonnull(strstr(err_msg(), "line 1, column "));
}
END_TEST

START_TEST(parse_refuses_a_nul_in_a_name)
{
    struct codec_node *node;
    ck_assert_int_eq(codec_parse(slice_str("[{\"a\\u0000b\":1}]"), &node), -ERR_INVAL);
    ck_assert_str_eq(err_msg(), "a member name with a NUL character cannot be used here");
    ck_assert_ptr_null(node);
}
END_TEST

START_TEST(read_a_tree)
{
    auto_codec node = parse("{\"s\":\"x\\u0000y\",\"i\":1e2,\"d\":0.5,\"b\":true,\"n\":null,"
                            "\"l\":[1,\"two\"],\"i\":7}");
    struct slice s;
    int64_t i = 0;
    double d = 0;
    bool b = false;
    ck_assert_int_eq(codec_type(node), JSON_OBJECT);
    ck_assert_uint_eq(codec_count(node), 6);
    ck_assert(codec_string(codec_get(node, "s"), &s) && slice_eq(s, slice_of("x\0y", 3)));
    ck_assert(codec_int(codec_get(node, "i"), &i) && i == 7); /* the last of a name */
    ck_assert(codec_double(codec_get(node, "i"), &d) && d == 7);
    ck_assert(codec_double(codec_get(node, "d"), &d) && d == 0.5);
    ck_assert(!codec_int(codec_get(node, "d"), &i) && i == 7);
    ck_assert(codec_bool(codec_get(node, "b"), &b) && b);
    ck_assert(codec_has(node, "n") && !codec_get(node, "n"));
    ck_assert(!codec_has(node, "m") && !codec_get(node, "m"));
    ck_assert_int_eq(codec_type(codec_get(node, "b")), JSON_TRUE);
    ck_assert_int_eq(codec_type(codec_get(node, "n")), JSON_NULL);
    const struct codec_node *list = codec_get(node, "l");
    ck_assert_int_eq(codec_type(list), JSON_ARRAY);
    ck_assert_uint_eq(codec_count(list), 2);
    ck_assert_int_eq(codec_type(codec_at(list, 0)), JSON_NUMBER);
    ck_assert(codec_string(codec_at(list, 1), &s) && slice_eq(s, slice_str("two")));
    ck_assert_ptr_null(codec_at(list, 2));
    ck_assert_ptr_null(codec_at(node, 0));
    ck_assert_ptr_null(codec_get(list, "l"));
    ck_assert_uint_eq(codec_count(NULL), 0);
}
END_TEST

static int collect(const char *name, struct codec_node *value, void *arg)
{
    struct buf *names = arg;
    ck_assert_int_eq(buf_puts(names, name), 0);
    return codec_type(value) == JSON_NULL ? 42 : 0;
}

START_TEST(read_each_in_order)
{
    auto_codec node = parse("{\"z\":1,\"a\":2,\"m\":null,\"b\":3}");
    auto_buf names = BUF_INIT;
    ck_assert_int_eq(codec_each(node, collect, &names), 42);
    ck_assert_str_eq(buf_cstr(&names), "zam");
    ck_assert_int_eq(codec_each(codec_get(node, "z"), collect, &names), 0);
}
END_TEST

START_TEST(build_and_print)
{
    auto_codec node = codec_new_object();
    struct codec_node *list = codec_new_array();
    ck_assert_int_eq(codec_append(list, codec_new_double(0.1)), 0);
    ck_assert_int_eq(codec_append(list, codec_new_int(INT64_MIN)), 0);
    ck_assert_int_eq(codec_set(node, "name", codec_new_string(slice_str("a \"b\"\n\xc3\xa9"))), 0);
    ck_assert_int_eq(codec_set(node, "gone", codec_new_int(1)), 0);
    ck_assert_int_eq(codec_set(node, "gone", codec_new_bool(false)), 0);
    ck_assert_int_eq(codec_set_null(node, "none"), 0);
    ck_assert_int_eq(codec_set(node, "list", list), 0);
    ck_print(node, "{\"name\":\"a \\\"b\\\"\\n\xc3\xa9\",\"gone\":false,\"none\":null,"
                   "\"list\":[0.1,-9223372036854775808]}");
    auto_buf pretty = BUF_INIT;
    auto_codec small = parse("{\"a\":[1]}");
    ck_assert_int_eq(codec_print(small, true, &pretty), 0);
    ck_assert_int_eq(json_validate(slice_buf(&pretty), true), 0);
    ck_assert_str_eq(buf_cstr(&pretty), "{\n  \"a\": [\n    1\n  ]\n}");
}
END_TEST

/* The value is taken over also where there is nothing to put it in (the leak checker watches). */
START_TEST(build_on_nothing)
{
    ck_assert_int_eq(codec_set(NULL, "a", codec_new_int(1)), -ERR_NOMEM);
    ck_assert_int_eq(codec_append(NULL, codec_new_int(1)), -ERR_NOMEM);
    auto_codec node = codec_new_object();
    ck_assert_int_eq(codec_set(node, "a", NULL), -ERR_NOMEM);
    ck_assert_uint_eq(codec_count(node), 0);
}
END_TEST

#define COUNT_OF(a) ((int)(sizeof(a) / sizeof *(a)))

int main(void)
{
    Suite *s = suite_create("codec");
    TCase *tc = tcase_create("codec");
    tcase_add_loop_test(tc, parse_and_print, 0, COUNT_OF(unchanged));
    tcase_add_loop_test(tc, parse_refuses, 0, COUNT_OF(refused));
    tcase_add_test(tc, parse_refuses_a_nul_in_a_name);
    tcase_add_test(tc, read_a_tree);
    tcase_add_test(tc, read_each_in_order);
    tcase_add_test(tc, build_and_print);
    tcase_add_test(tc, build_on_nothing);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
