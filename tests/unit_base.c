/* unit_base.c - tests of store/base: buffers, slices, errors, times. */
#include "store/base/buf.h"
#include "store/base/cleanup.h"
#include "store/base/clock.h"
#include "store/base/err.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>

/* ---- buffers --------------------------------------------------------------------------------- */

START_TEST(buf_collects_bytes)
{
    auto_buf b = BUF_INIT;
    ck_assert_int_eq(buf_puts(&b, "ab"), 0);
    ck_assert_int_eq(buf_putc(&b, '\0'), 0);
    ck_assert_int_eq(buf_put(&b, "cd", 2), 0);
    ck_assert_int_eq(buf_put(&b, NULL, 0), 0);
    ck_assert_uint_eq(b.n, 5);
    ck_assert_mem_eq(b.p, "ab\0cd", 5);
}
END_TEST

START_TEST(buf_grows_far)
{
    auto_buf b = BUF_INIT;
    for (int i = 0; i < 100000; i++)
        ck_assert_int_eq(buf_putc(&b, (char)i), 0);
    ck_assert_uint_eq(b.n, 100000);
    for (int i = 0; i < 100000; i++)
        ck_assert_int_eq(b.p[i], (char)i);
}
END_TEST

START_TEST(buf_prints)
{
    auto_buf b = BUF_INIT;
    ck_assert_int_eq(buf_putf(&b, "%d-%s", 7, "x"), 0);
    ck_assert_int_eq(buf_putf(&b, "%s", ""), 0);
    ck_assert_int_eq(buf_putf(&b, "%0300d", 1), 0);
    ck_assert_uint_eq(b.n, 303);
    ck_assert_str_eq(buf_cstr(&b) + 302, "1");
    ck_assert_uint_eq(b.n, 303); /* the NUL is not counted */
}
END_TEST

START_TEST(buf_cstr_of_nothing)
{
    auto_buf b = BUF_INIT;
    ck_assert_str_eq(buf_cstr(&b), "");
    ck_assert_uint_eq(b.n, 0);
}
END_TEST

START_TEST(buf_resizes_with_zeros)
{
    auto_buf b = BUF_INIT;
    ck_assert_int_eq(buf_puts(&b, "abcdef"), 0);
    ck_assert_int_eq(buf_resize(&b, 2), 0);
    ck_assert_int_eq(buf_resize(&b, 5), 0);
    ck_assert_uint_eq(b.n, 5);
    ck_assert_mem_eq(b.p, "ab\0\0\0", 5);
}
END_TEST

START_TEST(buf_refuses_what_cannot_be)
{
    auto_buf b = BUF_INIT;
    ck_assert_int_eq(buf_puts(&b, "keep"), 0);
    ck_assert_int_eq(buf_reserve(&b, SIZE_MAX), -ERR_NOMEM);
    ck_assert(slice_eq(slice_buf(&b), slice_str("keep")));
}
END_TEST

START_TEST(buf_is_stolen)
{
    auto_buf b = BUF_INIT;
    size_t n = 0;
    ck_assert_int_eq(buf_puts(&b, "mine"), 0);
    auto_free char *p = buf_steal(&b, &n);
    ck_assert_uint_eq(n, 4);
    ck_assert_mem_eq(p, "mine", 4);
    ck_assert_ptr_null(b.p);
    ck_assert_uint_eq(b.n, 0);
    ck_assert_uint_eq(b.cap, 0);
}
END_TEST

START_TEST(buf_is_used_again)
{
    auto_buf b = BUF_INIT;
    ck_assert_int_eq(buf_puts(&b, "first"), 0);
    char *kept = b.p;
    buf_clear(&b);
    ck_assert_int_eq(buf_puts(&b, "2nd"), 0);
    ck_assert_ptr_eq(b.p, kept); /* clearing keeps the memory */
    ck_assert(slice_eq(slice_buf(&b), slice_str("2nd")));
}
END_TEST

/* ---- slices ---------------------------------------------------------------------------------- */

static const struct {
    const char *a, *b;
    int sign;
} orders[] = {
    {"", "", 0},     {"", "a", -1},   {"a", "", 1},        {"a", "a", 0},         {"a", "b", -1},
    {"a", "aa", -1}, {"ab", "aa", 1}, {"\xff", "\x7f", 1}, {"z", "\xc3\xa4", -1},
};

START_TEST(slices_order_bytewise)
{
    int c = slice_cmp(slice_str(orders[_i].a), slice_str(orders[_i].b));
    ck_assert_int_eq((c > 0) - (c < 0), orders[_i].sign);
    ck_assert_int_eq(slice_eq(slice_str(orders[_i].a), slice_str(orders[_i].b)),
                     orders[_i].sign == 0);
}
END_TEST

START_TEST(big_endian_sorts)
{
    static const uint64_t values[] = {0, 1, 255, 256, UINT32_MAX, 1ULL << 63, UINT64_MAX};
    unsigned char last[8] = {0};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        unsigned char now[8];
        put_be64(now, values[i]);
        ck_assert_uint_eq(get_be64(now), values[i]);
        if (i)
            ck_assert_int_lt(memcmp(last, now, 8), 0);
        memcpy(last, now, 8);
    }
    unsigned char four[4];
    put_be32(four, 0x01020304);
    ck_assert_mem_eq(four, "\1\2\3\4", 4);
    ck_assert_uint_eq(get_be32(four), 0x01020304);
}
END_TEST

/* ---- errors ---------------------------------------------------------------------------------- */

START_TEST(err_sets_and_wraps)
{
    int rc = err_set(ERR_NOTFOUND, "no %s", "tenant");
    ck_assert_int_eq(rc, -ERR_NOTFOUND);
    ck_assert_str_eq(err_msg(), "no tenant");
    ck_assert_int_eq(err_wrap(rc, "open %d", 3), -ERR_NOTFOUND);
    ck_assert_str_eq(err_msg(), "open 3: no tenant");
    ck_assert_int_eq(err_wrap(0, "never"), 0);
    ck_assert_str_eq(err_msg(), "open 3: no tenant");
}
END_TEST

START_TEST(err_takes_its_own_message)
{
    err_set(ERR_IO, "inner");
    err_set(ERR_CORRUPT, "outer (%s)", err_msg());
    ck_assert_str_eq(err_msg(), "outer (inner)");
}
END_TEST

START_TEST(err_cuts_long_messages)
{
    char text[3 * ERR_MSG_MAX];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    int rc = err_set(ERR_INVAL, "%s", text);
    ck_assert_uint_eq(strlen(err_msg()), ERR_MSG_MAX - 1);
    err_wrap(rc, "%s", text);
    ck_assert_uint_eq(strlen(err_msg()), ERR_MSG_MAX - 1);
}
END_TEST

START_TEST(err_wraps_a_bare_code)
{
    err_restore("");
    err_wrap(-ERR_NOSPACE, "commit");
    ck_assert_str_eq(err_msg(), "commit: disk full");
}
END_TEST

static const struct {
    int errnum;
    enum err_code code;
} errnos[] = {
    {ENOMEM, ERR_NOMEM}, {ENOSPC, ERR_NOSPACE}, {EDQUOT, ERR_NOSPACE}, {ENOENT, ERR_NOTFOUND},
    {EEXIST, ERR_EXIST}, {EACCES, ERR_ACCESS},  {EROFS, ERR_ROFS},     {EBUSY, ERR_BUSY},
    {EIO, ERR_IO},       {EPIPE, ERR_IO},       {EISDIR, ERR_ISDIR},   {ENOTDIR, ERR_NOTDIR},
};

START_TEST(err_converts_errno)
{
    ck_assert_int_eq(err_from_errno(errnos[_i].errnum, "open %s", "f"), -(int)errnos[_i].code);
    ck_assert_str_eq(err_msg() + strlen("open f: "), strerror(errnos[_i].errnum));
}
END_TEST

START_TEST(err_names_every_code)
{
    for (int i = 0; i < ERR_CODES; i++) {
        ck_assert_ptr_nonnull(err_name(i));
        ck_assert_str_eq(err_name(i), err_name(-i));
    }
    ck_assert_str_eq(err_name(ERR_CODES), "unknown error");
}
END_TEST

static void *other_thread(void *arg)
{
    (void)arg;
    static char seen[8];
    snprintf(seen, sizeof seen, "%.7s", err_msg());
    err_set(ERR_IO, "theirs");
    return seen;
}

START_TEST(err_belongs_to_its_thread)
{
    err_set(ERR_IO, "ours");
    pthread_t t;
    void *seen;
    ck_assert_int_eq(pthread_create(&t, NULL, other_thread, NULL), 0);
    ck_assert_int_eq(pthread_join(t, &seen), 0);
    ck_assert_str_eq(seen, "");
    ck_assert_str_eq(err_msg(), "ours");
}
END_TEST

/* ---- scopes ---------------------------------------------------------------------------------- */

START_TEST(scope_closes_and_keeps_errno)
{
    int copy;
    {
        auto_fd int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        copy = fd;
        errno = E2BIG;
    }
    ck_assert_int_eq(errno, E2BIG);
    ck_assert_int_eq(fcntl(copy, F_GETFD), -1);
}
END_TEST

START_TEST(scope_unlocks)
{
    pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    {
        with_lock(&m);
        ck_assert_int_eq(pthread_mutex_trylock(&m), EBUSY);
    }
    ck_assert_int_eq(pthread_mutex_trylock(&m), 0);
    ck_assert_int_eq(pthread_mutex_unlock(&m), 0);
}
END_TEST

START_TEST(steal_empties_the_variable)
{
    auto_free char *a = strdup("x");
    auto_free char *b = steal(&a);
    ck_assert_ptr_null(a);
    ck_assert_str_eq(b, "x");
}
END_TEST

/* ---- times ----------------------------------------------------------------------------------- */

static const struct {
    int64_t ns;
    const char *text;
} times[] = {
    {0, "1970-01-01T00:00:00.000000000Z"},
    {1, "1970-01-01T00:00:00.000000001Z"},
    {-1, "1969-12-31T23:59:59.999999999Z"},
    {1767323045678901234, "2026-01-02T03:04:05.678901234Z"},
    {951782400000000000, "2000-02-29T00:00:00.000000000Z"},
    {INT64_MAX, "2262-04-11T23:47:16.854775807Z"},
};

START_TEST(clock_formats)
{
    char out[31];
    clock_format(times[_i].ns, out);
    ck_assert_str_eq(out, times[_i].text);
}
END_TEST

START_TEST(clock_goes_to_timespec_and_back)
{
    struct timespec ts = clock_to_timespec(times[_i].ns);
    ck_assert_int_ge(ts.tv_nsec, 0);
    ck_assert_int_lt(ts.tv_nsec, 1000000000);
    ck_assert_int_eq(clock_from_timespec(ts), times[_i].ns);
}
END_TEST

START_TEST(clock_moves_on)
{
    int64_t a = clock_mono_ns();
    ck_assert_int_ge(clock_mono_ns(), a);
    ck_assert_int_gt(clock_realtime_ns(), times[3].ns - (int64_t)10 * 365 * 86400 * 1000000000);
}
END_TEST

#define COUNT(a) (int)(sizeof(a) / sizeof *(a))

int main(void)
{
    Suite *s = suite_create("base");
    TCase *buf = tcase_create("buf");
    tcase_add_test(buf, buf_collects_bytes);
    tcase_add_test(buf, buf_grows_far);
    tcase_add_test(buf, buf_prints);
    tcase_add_test(buf, buf_cstr_of_nothing);
    tcase_add_test(buf, buf_resizes_with_zeros);
    tcase_add_test(buf, buf_refuses_what_cannot_be);
    tcase_add_test(buf, buf_is_stolen);
    tcase_add_test(buf, buf_is_used_again);
    tcase_add_loop_test(buf, slices_order_bytewise, 0, COUNT(orders));
    tcase_add_test(buf, big_endian_sorts);
    suite_add_tcase(s, buf);

    TCase *err = tcase_create("err");
    tcase_add_test(err, err_sets_and_wraps);
    tcase_add_test(err, err_takes_its_own_message);
    tcase_add_test(err, err_cuts_long_messages);
    tcase_add_test(err, err_wraps_a_bare_code);
    tcase_add_loop_test(err, err_converts_errno, 0, COUNT(errnos));
    tcase_add_test(err, err_names_every_code);
    tcase_add_test(err, err_belongs_to_its_thread);
    suite_add_tcase(s, err);

    TCase *scope = tcase_create("scope");
    tcase_add_test(scope, scope_closes_and_keeps_errno);
    tcase_add_test(scope, scope_unlocks);
    tcase_add_test(scope, steal_empties_the_variable);
    suite_add_tcase(s, scope);

    TCase *clock = tcase_create("clock");
    tcase_add_loop_test(clock, clock_formats, 0, COUNT(times));
    tcase_add_loop_test(clock, clock_goes_to_timespec_and_back, 0, COUNT(times));
    tcase_add_test(clock, clock_moves_on);
    suite_add_tcase(s, clock);

    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
