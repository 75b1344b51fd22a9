/* kv_util.h - shared by the tests of store/kv: a directory of one's own, the engines' URLs, and
 * rows by text. For one test at a time in a process; threads may use the row functions.
 */
#ifndef REMFS_TESTS_KV_UTIL_H
#define REMFS_TESTS_KV_UTIL_H

#include "store/kv/kv.h"
#include "store/base/err.h"

#include <check.h>
#include <ftw.h>
#include <stdlib.h>

#define KV_UTIL_ENGINES 2 /* 0 mem, 1 leveldb */

static char kv_util_dir[128];

static inline void kv_util_setup(void)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(kv_util_dir, sizeof kv_util_dir, "%s/kv_test_XXXXXX", tmp ? tmp : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(kv_util_dir));
}

static inline int kv_util_remove(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static inline void kv_util_teardown(void)
{
    nftw(kv_util_dir, kv_util_remove, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void kv_util_url(int engine, char *url, size_t n)
{
    if (engine == 0)
        snprintf(url, n, "mem:");
    else
        snprintf(url, n, "leveldb:%s/db", kv_util_dir);
}

static inline void put1(struct kv *kv, uint64_t tenant, const char *key, const char *value)
{
    struct kv_batch *b = kv_batch_new(tenant);
    kv_put(b, slice_str(key), slice_str(value));
    ck_assert_msg(kv_commit(kv, b, false) == 0, "%s", err_msg());
    kv_batch_free(b);
}

static inline void del1(struct kv *kv, uint64_t tenant, const char *key)
{
    struct kv_batch *b = kv_batch_new(tenant);
    kv_del(b, slice_str(key));
    ck_assert_msg(kv_commit(kv, b, false) == 0, "%s", err_msg());
    kv_batch_free(b);
}

static inline void assert_value(struct kv *kv, uint64_t tenant, const char *key, const char *value)
{
    auto_buf v = BUF_INIT;
    ck_assert_msg(kv_get(kv, NULL, tenant, slice_str(key), &v) == 0, "%s: %s", key, err_msg());
    ck_assert(slice_eq(slice_buf(&v), slice_str(value)));
}

static inline void assert_absent(struct kv *kv, uint64_t tenant, const char *key)
{
    auto_buf v = BUF_INIT;
    ck_assert_int_eq(kv_get(kv, NULL, tenant, slice_str(key), &v), -ERR_NOTFOUND);
    ck_assert_uint_eq(v.n, 0);
}

#endif
