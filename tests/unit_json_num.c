/* unit_json_num.c - json.h's numbers by value, doubles as text, and the writing functions. */
#include "tests/json_props.h"

#include <check.h>
#include <float.h>
#include <limits.h>
#include <locale.h>

/* ---- numbers --------------------------------------------------------------------------------- */

static struct json_num num_of(const char *text)
{
    struct json_num n;
    json_number(slice_str(text), &n);
    return n;
}

static const struct {
    const char *text;
    int64_t i;
} integers[] = {
    {"0", 0},
    {"-0", 0},
    {"0.000e99999999999999999999", 0},
    {"1.0", 1},
    {"1e2", 100},
    {"100e-2", 1},
    {"-1.50e1", -15},
    {"0.00012e5", 12},
    {"9223372036854775807", INT64_MAX},
    {"-9223372036854775808", INT64_MIN},
    {"922337203685477580.7e1", INT64_MAX},
    {"9223372036854775807000e-3", INT64_MAX},
    {"1e18", 1000000000000000000},
    {"9007199254740993", 9007199254740993},
    {"9007199254740993.000", 9007199254740993},
};

START_TEST(number_integers)
{
    struct json_num n = num_of(integers[_i].text);
    ck_assert(n.is_int);
    ck_assert(n.i == integers[_i].i && n.d == (double)integers[_i].i);
}
END_TEST

static const struct {
    const char *text;
    double d;
} doubles[] = {
    {"9223372036854775808", 0x1p63},
    {"-9223372036854775809", -0x1p63},
    {"18446744073709551616", 0x1p64},
    {"1e19", 1e19},
    {"1e400", INFINITY},
    {"-1e400", -INFINITY},
    {"1E99999999999999999999", INFINITY},
    {"1e-400", 0.0},
    {"1e-99999999999999999999", 0.0},
    {"0.1", 0.1},
    {"1.7976931348623157e308", DBL_MAX},
    {"1.7976931348623159e308", INFINITY},
    {"5e-324", 0x1p-1074},
    {"2.2250738585072011e-308", 0x0.fffffffffffffp-1022},
    {"0.500000000000000166533453693773481063544750213623046875", 0.5000000000000002},
    {"8.5e-1", 0.85},
    {"123456789012345678901234567890", 123456789012345678901234567890.0},
    {"9007199254740993.5", 9007199254740994.0},
};

START_TEST(number_doubles)
{
    struct json_num n = num_of(doubles[_i].text);
    ck_assert(!n.is_int);
    ck_assert_msg(n.d == doubles[_i].d, "%s: %.17g", doubles[_i].text, n.d);
}
END_TEST

/* Halfway between two doubles, and then one digit more, thousands of places later. */
START_TEST(number_very_long)
{
    auto_buf b = BUF_INIT;
    buf_puts(&b, "9007199254740993.");
    for (int i = 0; i < 5000; i++)
        buf_putc(&b, '0');
    buf_cstr(&b);
    ck_assert(num_of(b.p).is_int);
    buf_putc(&b, '1');
    buf_cstr(&b);
    struct json_num n = num_of(b.p);
    ck_assert(!n.is_int && n.d == 9007199254740994.0);
    buf_puts(&b, "e-5000");
    buf_cstr(&b);
    ck_assert(num_of(b.p).d == 0.0);
    buf_clear(&b);
    buf_puts(&b, "0.");
    for (int i = 0; i < 5000; i++)
        buf_putc(&b, '0');
    buf_puts(&b, "12e5002");
    buf_cstr(&b);
    n = num_of(b.p);
    ck_assert(n.is_int && n.i == 12);
}
END_TEST

/* Ascending; numbers in one row are equal. */
static const char *const ordered[][3] = {
    {"-1e400", "-1e999"},
    {"-1e300"},
    {"-9223372036854775809", "-9223372036854775808", "-9.223372036854775808e18"},
    {"-9223372036854775807"},
    {"-2"},
    {"-1.5"},
    {"-1", "-1.0", "-10e-1"},
    {"-0.5"},
    {"0", "-0", "0e5"},
    {"5e-324"},
    {"0.5", "5e-1"},
    {"1", "1.0"},
    {"1.0000000000000002"},
    {"9007199254740992"},
    {"9007199254740993"},
    {"9007199254740994", "9007199254740993.5"},
    {"9223372036854775807"},
    {"9223372036854775808", "9223372036854775809"},
    {"1e300"},
    {"1e400", "1e401"},
};

START_TEST(number_order)
{
    size_t n = sizeof ordered / sizeof *ordered;
    for (size_t a = 0; a < n * 3; a++) {
        for (size_t b = 0; b < n * 3; b++) {
            const char *x = ordered[a / 3][a % 3], *y = ordered[b / 3][b % 3];
            if (!x || !y)
                continue;
            struct json_num p = num_of(x), q = num_of(y);
            int want = (a / 3 > b / 3) - (a / 3 < b / 3), got = json_num_cmp(&p, &q);
            ck_assert_msg((got > 0) - (got < 0) == want, "%s and %s: %d", x, y, got);
        }
    }
}
END_TEST

static const struct {
    double d;
    const char *text;
} printed[] = {
    {0.0, "0"},
    {-0.0, "-0"},
    {1.0, "1"},
    {-2.5, "-2.5"},
    {0.1, "0.1"},
    {0.1 + 0.2, "0.30000000000000004"},
    {100.0, "100"},
    {1e20, "100000000000000000000"},
    {1e21, "1e21"},
    {123456789012345680000.0, "123456789012345680000"},
    {1e-6, "0.000001"},
    {1.5e-7, "1.5e-7"},
    {5e-324, "5e-324"},
    {0x1p-44, "5.684341886080802e-14"},
    {DBL_MIN, "2.2250738585072014e-308"},
    {DBL_MAX, "1.7976931348623157e308"},
    {9007199254740993.0, "9007199254740992"},
    {1.0 / 3, "0.3333333333333333"},
    {INFINITY, "null"},
    {NAN, "null"},
};

START_TEST(double_texts)
{
    auto_buf b = BUF_INIT;
    ck_assert_int_eq(json_put_double(&b, printed[_i].d), 0);
    ck_assert_str_eq(buf_cstr(&b), printed[_i].text);
    ck_assert_int_eq(json_validate(slice_buf(&b), false), 0);
}
END_TEST

static uint64_t next_random(uint64_t *s)
{
    /* splitmix64: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators" (2014) */
    uint64_t z = (*s += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

START_TEST(double_round_trip)
{
    uint64_t seed = 1;
    auto_buf b = BUF_INIT;
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = next_random(&seed);
        double d;
        if (i % 4 == 0)
            bits &= 0xfff0000000000000ull; /* powers of two: the gap below is the smaller one */
        memcpy(&d, &bits, 8);
        buf_clear(&b);
        ck_assert_int_eq(json_put_double(&b, d), 0);
        ck_assert_int_eq(json_validate(slice_buf(&b), false), 0);
        if (!isfinite(d))
            continue;
        struct json_num n;
        json_number(slice_buf(&b), &n);
        ck_assert_msg(n.d == d, "%.17g as %s", d, buf_cstr(&b));
        ck_assert(signbit(n.d) == signbit(d));
    }
}
END_TEST

START_TEST(locale_does_not_matter)
{
    static const char *const commas[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "fr_FR",
                                         "nl_NL.UTF-8"};
    for (size_t i = 0; i < 5 && !setlocale(LC_ALL, commas[i]); i++)
        ;
    auto_buf b = BUF_INIT;
    ck_assert_int_eq(json_put_double(&b, 1234.5678), 0);
    ck_assert_str_eq(buf_cstr(&b), "1234.5678");
    ck_assert(num_of("1234.5678").d == 1234.5678);
    ck_assert(num_of("0.12345678901234567890").d == 0.12345678901234567890);
    setlocale(LC_ALL, "C");
}
END_TEST

/* ---- writing --------------------------------------------------------------------------------- */

START_TEST(compact_form)
{
    auto_buf b = BUF_INIT;
    buf_puts(&b, "> ");
    ck_assert_int_eq(json_compact(slice_str(" {\n \"a b\" : [ 1 , \"\\\" \" ] }\r\n\t"), &b), 0);
    ck_assert_str_eq(buf_cstr(&b), "> {\"a b\":[1,\"\\\" \"]}");
}
END_TEST

START_TEST(put_strings)
{
    auto_buf b = BUF_INIT;
    ck_assert_int_eq(json_put_string(&b, slice_of("a\0\x1f\"\\/\n\r\t\b\f\x7f\xc3\xa9", 14)), 0);
    ck_assert_str_eq(buf_cstr(&b), "\"a\\u0000\\u001f\\\"\\\\/\\n\\r\\t\\b\\f\x7f\xc3\xa9\"");
    buf_clear(&b);
    ck_assert_int_eq(json_put_string(&b, slice_of(NULL, 0)), 0);
    ck_assert_str_eq(buf_cstr(&b), "\"\"");
    buf_clear(&b);
    ck_assert_int_eq(json_put_string(&b, slice_str("x\xff\xe2\x82")), 0);
    ck_assert_str_eq(buf_cstr(&b), "\"x\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}
END_TEST

START_TEST(utf8)
{
    ck_assert(utf8_valid(slice_of(NULL, 0)));
    ck_assert(utf8_valid(slice_str("plain, and longer than eight bytes")));
    ck_assert(utf8_valid(slice_str("\xc2\x80\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf")));
    static const char *const bad[] = {"\x80",         "\xc1\xbf",         "\xe0\x9f\xbf",
                                      "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
                                      "\xf5",         "12345678\xc3",     "\xe2\x82",
                                      "\xf0\x9f\x98"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!utf8_valid(slice_str(bad[i])), "%zu", i);
}
END_TEST

#define COUNT_OF(a) ((int)(sizeof(a) / sizeof *(a)))

int main(void)
{
    Suite *s = suite_create("json_num");
    TCase *num = tcase_create("numbers"), *write = tcase_create("writing");
    tcase_add_loop_test(num, number_integers, 0, COUNT_OF(integers));
    tcase_add_loop_test(num, number_doubles, 0, COUNT_OF(doubles));
    tcase_add_test(num, number_very_long);
    tcase_add_test(num, number_order);
    tcase_add_loop_test(num, double_texts, 0, COUNT_OF(printed));
    tcase_add_test(num, double_round_trip);
    tcase_add_test(num, locale_does_not_matter);
    tcase_add_test(write, compact_form);
    tcase_add_test(write, put_strings);
    tcase_add_test(write, utf8);
    suite_add_tcase(s, num);
    suite_add_tcase(s, write);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
