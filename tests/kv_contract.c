/* kv_contract.c - what kv.h promises, asked of every engine: the same tests run on "mem:" and on
 * "leveldb:". What only an engine on disk can be asked (reopening, crashes, a full disk) is in
 * kv_faults.c. Sees nothing but kv.h.
 */
#include "tests/kv_util.h"

#include <inttypes.h>
#include <stdatomic.h>

static struct kv *kv;

static void setup(void)
{
    kv_util_setup();
}

static void teardown(void)
{
    kv_close(kv);
    kv = NULL;
    kv_util_teardown();
}

static void open_engine(int i)
{
    char url[256];
    kv_util_url(i, url, sizeof url);
    ck_assert_msg(kv_open(url, NULL, &kv) == 0, "%s", err_msg());
}

/* ---- single rows ---- */

START_TEST(put_get_del)
{
    open_engine(_i);
    assert_absent(kv, 1, "a");
    put1(kv, 1, "a", "one");
    assert_value(kv, 1, "a", "one");
    put1(kv, 1, "a", "");
    assert_value(kv, 1, "a", "");
    del1(kv, 1, "a");
    assert_absent(kv, 1, "a");
    del1(kv, 1, "a");

    auto_buf v = BUF_INIT;
    buf_puts(&v, "kept ");
    put1(kv, 1, "a", "two");
    ck_assert_int_eq(kv_get(kv, NULL, 1, slice_str("a"), &v), 0);
    ck_assert(slice_eq(slice_buf(&v), slice_str("kept two")));
    ck_assert_int_eq(kv_get(kv, NULL, 1, slice_str("b"), &v), -ERR_NOTFOUND);
    ck_assert_int_eq(kv_get(kv, NULL, 1, slice_str(""), &v), -ERR_NOTFOUND);
    ck_assert(slice_eq(slice_buf(&v), slice_str("kept two")));
}
END_TEST

START_TEST(batch_last_counts)
{
    open_engine(_i);
    struct kv_batch *b = kv_batch_new(1);
    kv_put(b, slice_str("z"), slice_str("1"));
    kv_put(b, slice_str("b"), slice_str("1"));
    kv_del(b, slice_str("z"));
    kv_put(b, slice_str("b"), slice_str("2"));
    kv_put(b, slice_str("a"), slice_str("1"));
    kv_del(b, slice_str("gone"));
    kv_put(b, slice_str("gone"), slice_str("back"));
    ck_assert_int_eq(kv_batch_count(b), 7);
    ck_assert_uint_ge(kv_batch_bytes(b), 16);
    ck_assert_int_eq(kv_commit(kv, b, true), 0);
    assert_value(kv, 1, "a", "1");
    assert_value(kv, 1, "b", "2");
    assert_value(kv, 1, "gone", "back");
    assert_absent(kv, 1, "z");

    /* The same batch again, and more in it. */
    kv_put(b, slice_str("b"), slice_str("3"));
    ck_assert_int_eq(kv_commit(kv, b, false), 0);
    assert_value(kv, 1, "b", "3");

    kv_batch_clear(b, 2);
    ck_assert_int_eq(kv_batch_count(b), 0);
    ck_assert_int_eq(kv_commit(kv, b, true), 0);
    kv_put(b, slice_str("a"), slice_str("other"));
    ck_assert_int_eq(kv_commit(kv, b, false), 0);
    kv_batch_free(b);
    assert_value(kv, 1, "a", "1");
    assert_value(kv, 2, "a", "other");
}
END_TEST

START_TEST(binary_keys_and_values)
{
    open_engine(_i);
    char key[300], value[300];
    struct kv_batch *b = kv_batch_new(7);
    for (int i = 0; i < 256; i++) {
        memset(key, i, sizeof key);
        memset(value, 255 - i, sizeof value);
        kv_put(b, slice_of(key, (size_t)i + 1), slice_of(value, (size_t)i));
    }
    ck_assert_int_eq(kv_commit(kv, b, false), 0);
    kv_batch_free(b);
    for (int i = 0; i < 256; i++) {
        auto_buf v = BUF_INIT;
        memset(key, i, sizeof key);
        memset(value, 255 - i, sizeof value);
        ck_assert_int_eq(kv_get(kv, NULL, 7, slice_of(key, (size_t)i + 1), &v), 0);
        ck_assert(slice_eq(slice_buf(&v), slice_of(value, (size_t)i)));
    }
}
END_TEST

START_TEST(tenants_apart)
{
    static const uint64_t tenant[] = {0, 1, 2, 255, 256, UINT64_MAX - 1, UINT64_MAX};
    enum { N = sizeof tenant / sizeof tenant[0] };
    char text[32];
    open_engine(_i);
    struct kv_batch *b = kv_batch_new(tenant[0]);
    for (int i = 0; i < N; i++) {
        kv_batch_tenant(b, tenant[i]);
        snprintf(text, sizeof text, "of %d", i);
        kv_put(b, slice_str("k"), slice_str(text));
        kv_put(b, slice_of("\xff\xff", 2), slice_str(text));
    }
    ck_assert(kv_caps(kv)->multi_tenant_batch);
    ck_assert_int_eq(kv_commit(kv, b, false), 0);
    kv_batch_free(b);
    for (int i = 0; i < N; i++) {
        auto_kv_page page = KV_PAGE_INIT;
        struct kv_range all = {.limit = 10};
        snprintf(text, sizeof text, "of %d", i);
        assert_value(kv, tenant[i], "k", text);
        ck_assert_int_eq(kv_scan(kv, NULL, tenant[i], &all, &page), 0);
        ck_assert_int_eq(page.n, 2);
        ck_assert(!page.more);
        ck_assert(slice_eq(page.rows[0].key, slice_str("k")));
        ck_assert(slice_eq(page.rows[1].value, slice_str(text)));
    }
    del1(kv, 256, "k");
    assert_absent(kv, 256, "k");
    assert_value(kv, 255, "k", "of 3");
    assert_absent(kv, 3, "k");
}
END_TEST

/* ---- preconditions ---- */

START_TEST(preconditions)
{
    open_engine(_i);
    struct slice one = slice_str("1"), two = slice_str("2"), empty = slice_str("");
    struct kv_batch *b = kv_batch_new(1);
    kv_expect(b, slice_str("a"), NULL);
    kv_put(b, slice_str("a"), one);
    ck_assert_int_eq(kv_commit(kv, b, false), 0);
    ck_assert_int_eq(kv_commit(kv, b, false), -ERR_CONFLICT);
    ck_assert_str_ne(err_msg(), "");

    kv_batch_clear(b, 1);
    kv_expect(b, slice_str("a"), &two);
    kv_put(b, slice_str("a"), two);
    kv_put(b, slice_str("b"), two);
    ck_assert_int_eq(kv_commit(kv, b, true), -ERR_CONFLICT);
    assert_value(kv, 1, "a", "1");
    assert_absent(kv, 1, "b");

    kv_batch_clear(b, 1);
    kv_expect(b, slice_str("a"), &one);
    kv_expect(b, slice_str("b"), NULL);
    kv_put(b, slice_str("a"), two);
    ck_assert_int_eq(kv_commit(kv, b, true), 0);
    assert_value(kv, 1, "a", "2");

    /* No writes: only asks. An empty value is not an absent one. The tenant counts. */
    kv_batch_clear(b, 1);
    kv_expect(b, slice_str("a"), &two);
    ck_assert_int_eq(kv_commit(kv, b, false), 0);
    kv_expect(b, slice_str("b"), &empty);
    ck_assert_int_eq(kv_commit(kv, b, false), -ERR_CONFLICT);
    put1(kv, 1, "b", "");
    ck_assert_int_eq(kv_commit(kv, b, false), 0);
    kv_batch_tenant(b, 2);
    kv_expect(b, slice_str("a"), NULL);
    kv_put(b, slice_str("a"), one);
    ck_assert_int_eq(kv_commit(kv, b, false), 0);
    assert_value(kv, 2, "a", "1");
    assert_value(kv, 1, "a", "2");
    kv_batch_free(b);
}
END_TEST

/* ---- limits ---- */

static int commit_sized(size_t klen, size_t vlen, int rows)
{
    auto_free char *mem = calloc(1, klen + vlen + 1);
    struct kv_batch *b = kv_batch_new(1);
    for (int i = 0; i < rows; i++) {
        if (klen)
            mem[0] = (char)('a' + i);
        kv_put(b, slice_of(mem, klen), slice_of(mem + klen, vlen));
    }
    int rc = kv_commit(kv, b, false);
    kv_batch_free(b);
    return rc;
}

START_TEST(limits)
{
    open_engine(_i);
    const struct kv_limits *caps = kv_caps(kv);
    ck_assert_uint_ge(caps->max_key, 4096);
    ck_assert_uint_ge(caps->max_value, (size_t)64 << 20);
    ck_assert_uint_ge(caps->max_batch, (size_t)256 << 20);
    ck_assert_int_eq(commit_sized(0, 1, 1), -ERR_INVAL);
    ck_assert_int_eq(commit_sized(caps->max_key, 10, 1), 0);
    ck_assert_int_eq(commit_sized(caps->max_key + 1, 10, 1), -ERR_TOOBIG);
    ck_assert_int_eq(commit_sized(3, caps->max_value, 1), 0);
    ck_assert_int_eq(commit_sized(3, caps->max_value + 1, 1), -ERR_TOOBIG);
    ck_assert_int_eq(commit_sized(3, caps->max_value, 5), -ERR_TOOBIG);
    ck_assert(strstr(err_msg(), "batch") != NULL);

    auto_buf v = BUF_INIT;
    ck_assert_int_eq(kv_get(kv, NULL, 1, slice_of("a\0\0", 3), &v), 0);
    ck_assert_uint_eq(v.n, caps->max_value);

    auto_free char *key = calloc(1, caps->max_key + 200);
    key[0] = 'a';
    v.n = 0;
    ck_assert_int_eq(kv_get(kv, NULL, 1, slice_of(key, caps->max_key), &v), 0);
    ck_assert_int_eq(kv_get(kv, NULL, 1, slice_of(key, caps->max_key + 1), &v), -ERR_NOTFOUND);

    auto_kv_page page = KV_PAGE_INIT;
    struct kv_range r = {.limit = 5, .prefix = slice_of(key, caps->max_key)};
    ck_assert_int_eq(kv_scan(kv, NULL, 1, &r, &page), 0);
    ck_assert_int_eq(page.n, 1);
    r.after = r.prefix;
    ck_assert_int_eq(kv_scan(kv, NULL, 1, &r, &page), 0);
    ck_assert_int_eq(page.n, 0);
    r.after.n = caps->max_key + 200;
    ck_assert_int_eq(kv_scan(kv, NULL, 1, &r, &page), -ERR_INVAL);
    r = (struct kv_range){.limit = 0};
    ck_assert_int_eq(kv_scan(kv, NULL, 1, &r, &page), -ERR_INVAL);
    ck_assert_int_eq(page.n, 0);
}
END_TEST

/* ---- pages ---- */

enum { ROWS = 500 };

/* Even numbers as three-byte keys; the value is as long as the number modulo 97. */
static void fill_rows(void)
{
    char value[100];
    memset(value, 'v', sizeof value);
    struct kv_batch *b = kv_batch_new(1);
    for (int i = ROWS - 1; i >= 0; i--) {
        char key[3] = {'p', (char)(2 * i >> 8), (char)(2 * i)};
        kv_put(b, slice_of(key, 3), slice_of(value, (size_t)(2 * i % 97)));
    }
    kv_put(b, slice_str("o"), slice_str("before"));
    kv_put(b, slice_str("p"), slice_str("the prefix itself"));
    kv_put(b, slice_str("q"), slice_str("behind"));
    ck_assert_int_eq(kv_commit(kv, b, false), 0);
    kv_batch_free(b);
}

static void walk_rows(int limit, size_t max_bytes, bool keys_only)
{
    auto_kv_page page = KV_PAGE_INIT;
    auto_buf after = BUF_INIT;
    struct kv_range r = {.prefix = slice_str("p"),
                         .limit = limit,
                         .max_bytes = max_bytes,
                         .keys_only = keys_only,
                         .fill_cache = keys_only};
    int seen = -1; /* the prefix itself comes first */
    do {
        r.after = slice_buf(&after);
        ck_assert_int_eq(kv_scan(kv, NULL, 1, &r, &page), 0);
        ck_assert_int_le(page.n, limit);
        size_t bytes = 0;
        for (int i = 0; i < page.n; i++, seen++) {
            struct kv_row *row = &page.rows[i];
            char key[3] = {'p', (char)(2 * seen >> 8), (char)(2 * seen)};
            ck_assert_msg(max_bytes == 0 || bytes <= max_bytes, "%zu bytes", bytes);
            bytes += row->key.n + row->value.n;
            ck_assert(slice_eq(row->key, slice_of(key, seen < 0 ? 1 : 3)));
            size_t want = seen < 0 ? 17 : (size_t)(2 * seen % 97);
            ck_assert_uint_eq(row->value.n, keys_only ? 0 : want);
        }
        ck_assert(page.n > 0);
        ck_assert_int_eq(page.more, seen < ROWS);
        after.n = 0;
        buf_put(&after, page.rows[page.n - 1].key.p, page.rows[page.n - 1].key.n);
    } while (page.more);
    ck_assert_int_eq(seen, ROWS);
}

START_TEST(pages)
{
    open_engine(_i);
    fill_rows();
    static const int limit[] = {1, 2, 7, 100, ROWS, ROWS + 1, ROWS + 2, 100000};
    for (size_t i = 0; i < sizeof limit / sizeof limit[0]; i++) {
        walk_rows(limit[i], 0, false);
        walk_rows(limit[i], 0, true);
        walk_rows(limit[i], 1, false);
        walk_rows(limit[i], 1000, false);
    }
}
END_TEST

static int count_range(const char *prefix, size_t np, const char *after, size_t na)
{
    auto_kv_page page = KV_PAGE_INIT;
    struct kv_range r = {
        .prefix = slice_of(prefix, np), .after = slice_of(after, na), .limit = 100000};
    ck_assert_int_eq(kv_scan(kv, NULL, 1, &r, &page), 0);
    for (int i = 1; i < page.n; i++)
        ck_assert_int_lt(slice_cmp(page.rows[i - 1].key, page.rows[i].key), 0);
    return page.n;
}

START_TEST(ranges)
{
    open_engine(_i);
    ck_assert_int_eq(count_range("", 0, "", 0), 0);
    fill_rows();
    ck_assert_int_eq(count_range("", 0, "", 0), ROWS + 3);
    ck_assert_int_eq(count_range("", 0, "o", 1), ROWS + 2);
    ck_assert_int_eq(count_range("p", 1, "", 0), ROWS + 1);
    ck_assert_int_eq(count_range("p", 1, "a", 1), ROWS + 1); /* in front of the prefix */
    ck_assert_int_eq(count_range("p", 1, "p", 1), ROWS);
    ck_assert_int_eq(count_range("p", 1, "p\0\0", 3), ROWS - 1);
    ck_assert_int_eq(count_range("p", 1, "p\0\1", 3), ROWS - 1); /* a key that is not there */
    ck_assert_int_eq(count_range("p", 1, "p\0\0\0", 4), ROWS - 1);
    ck_assert_int_eq(count_range("p", 1, "q", 1), 0); /* behind the prefix */
    ck_assert_int_eq(count_range("p\0", 2, "", 0), 128);
    ck_assert_int_eq(count_range("p\0", 2, "p\1", 2), 0);
    ck_assert_int_eq(count_range("x", 1, "", 0), 0);
    ck_assert_int_eq(count_range("", 0, "q", 1), 0);
}
END_TEST

/* ---- snapshots ---- */

START_TEST(snapshots)
{
    open_engine(_i);
    struct kv_snap *before, *between;
    struct kv_range all = {.limit = 100};
    auto_kv_page page = KV_PAGE_INIT;
    ck_assert_int_eq(kv_snap_get(kv, 1, &before), 0);
    put1(kv, 1, "a", "1");
    put1(kv, 1, "b", "1");
    ck_assert_int_eq(kv_snap_get(kv, 1, &between), 0);
    put1(kv, 1, "a", "2");
    del1(kv, 1, "b");
    put1(kv, 1, "c", "2");
    ck_assert_int_eq(kv_compact(kv), 0);

    ck_assert_int_eq(kv_scan(kv, before, 1, &all, &page), 0);
    ck_assert_int_eq(page.n, 0);
    ck_assert_int_eq(kv_scan(kv, between, 1, &all, &page), 0);
    ck_assert_int_eq(page.n, 2);
    ck_assert(slice_eq(page.rows[0].value, slice_str("1")));
    ck_assert(slice_eq(page.rows[1].key, slice_str("b")));
    ck_assert_int_eq(kv_scan(kv, NULL, 1, &all, &page), 0);
    ck_assert_int_eq(page.n, 2);
    ck_assert(slice_eq(page.rows[1].key, slice_str("c")));

    auto_buf v = BUF_INIT;
    ck_assert_int_eq(kv_get(kv, before, 1, slice_str("a"), &v), -ERR_NOTFOUND);
    ck_assert_int_eq(kv_get(kv, between, 1, slice_str("b"), &v), 0);
    ck_assert(slice_eq(slice_buf(&v), slice_str("1")));
    kv_snap_put(kv, before);
    kv_snap_put(kv, between);
    kv_snap_put(kv, NULL);
}
END_TEST

START_TEST(many_gets)
{
    open_engine(_i);
    struct kv_snap *snap;
    put1(kv, 1, "a", "A");
    put1(kv, 1, "c", "");
    ck_assert_int_eq(kv_snap_get(kv, 1, &snap), 0);
    put1(kv, 1, "b", "B");
    struct slice keys[] = {slice_str("c"), slice_str("b"), slice_str("a"), slice_str("a")};
    for (int with = 0; with < 2; with++) {
        struct buf v[4] = {BUF_INIT, BUF_INIT, BUF_INIT, BUF_INIT};
        bool found[4] = {false, true, false, false};
        buf_puts(&v[3], "+");
        ck_assert_int_eq(kv_mget(kv, with ? snap : NULL, 1, keys, 4, v, found), 0);
        ck_assert(found[0] && found[2] && found[3]);
        ck_assert_int_eq(found[1], !with);
        ck_assert_uint_eq(v[0].n, 0);
        ck_assert(slice_eq(slice_buf(&v[1]), slice_str(with ? "" : "B")));
        ck_assert(slice_eq(slice_buf(&v[2]), slice_str("A")));
        ck_assert(slice_eq(slice_buf(&v[3]), slice_str("+A")));
        for (int i = 0; i < 4; i++)
            buf_free(&v[i]);
    }
    kv_snap_put(kv, snap);
    ck_assert_int_eq(kv_mget(kv, NULL, 1, keys, 0, NULL, NULL), 0);
}
END_TEST

/* ---- against a model ---- */

enum { MODEL_KEYS = 64 };

static void model_check(struct kv_snap *snap, const int *model)
{
    auto_kv_page page = KV_PAGE_INIT;
    struct kv_range r = {.limit = MODEL_KEYS + 1};
    ck_assert_int_eq(kv_scan(kv, snap, 1, &r, &page), 0);
    int row = 0;
    for (int k = 0; k < MODEL_KEYS; k++) {
        if (model[k] == 0)
            continue;
        char key = (char)(k * 4);
        ck_assert_int_lt(row, page.n);
        ck_assert(slice_eq(page.rows[row].key, slice_of(&key, 1)));
        ck_assert(slice_eq(page.rows[row].value, slice_of(&model[k], sizeof(int))));
        row++;
    }
    ck_assert_int_eq(row, page.n);
}

START_TEST(random_model)
{
    open_engine(_i);
    int model[MODEL_KEYS] = {0}, old[MODEL_KEYS];
    unsigned seed = 42;
    struct kv_snap *snap = NULL;
    struct kv_batch *b = kv_batch_new(1);
    for (int step = 1; step <= 2000; step++) {
        kv_batch_clear(b, 1);
        for (int ops = (int)(rand_r(&seed) % 6); ops >= 0; ops--) {
            int k = (int)(rand_r(&seed) % MODEL_KEYS);
            char key = (char)(k * 4);
            model[k] = rand_r(&seed) % 3 ? step * 8 + ops : 0;
            if (model[k])
                kv_put(b, slice_of(&key, 1), slice_of(&model[k], sizeof(int)));
            else
                kv_del(b, slice_of(&key, 1));
        }
        ck_assert_int_eq(kv_commit(kv, b, false), 0);
        if (step % 50 == 0) {
            if (snap)
                model_check(snap, old);
            kv_snap_put(kv, snap);
            ck_assert_int_eq(kv_snap_get(kv, 1, &snap), 0);
            memcpy(old, model, sizeof old);
            model_check(NULL, model);
        }
    }
    kv_snap_put(kv, snap);
    kv_batch_free(b);
}
END_TEST

/* ---- threads ---- */

enum { THREADS = 8, ROUNDS = 100 };

/* Read, add one, commit if nobody else did: no addition may be lost. */
static void *counter_thread(void *arg)
{
    bool sync = arg != NULL;
    struct kv_batch *b = kv_batch_new(1);
    for (int done = 0; done < ROUNDS;) {
        auto_buf v = BUF_INIT;
        uint64_t n = 0;
        int rc = kv_get(kv, NULL, 1, slice_str("counter"), &v);
        ck_assert(rc == 0 || rc == -ERR_NOTFOUND);
        struct slice was = slice_buf(&v);
        if (rc == 0)
            memcpy(&n, v.p, sizeof n);
        n++;
        kv_batch_clear(b, 1);
        kv_expect(b, slice_str("counter"), rc == 0 ? &was : NULL);
        kv_put(b, slice_str("counter"), slice_of(&n, sizeof n));
        rc = kv_commit(kv, b, sync);
        ck_assert_msg(rc == 0 || rc == -ERR_CONFLICT, "%s", err_msg());
        done += rc == 0;
    }
    kv_batch_free(b);
    return NULL;
}

static void run_threads(int n, void *(*fn)(void *), void *arg)
{
    pthread_t t[THREADS];
    for (int i = 0; i < n; i++)
        ck_assert_int_eq(pthread_create(&t[i], NULL, fn, arg), 0);
    for (int i = 0; i < n; i++)
        pthread_join(t[i], NULL);
}

START_TEST(threads_counter)
{
    open_engine(_i);
    run_threads(THREADS, counter_thread, NULL);
    run_threads(2, counter_thread, kv);
    auto_buf v = BUF_INIT;
    uint64_t n;
    ck_assert_int_eq(kv_get(kv, NULL, 1, slice_str("counter"), &v), 0);
    memcpy(&n, v.p, sizeof n);
    ck_assert_uint_eq(n, (THREADS + 2) * ROUNDS);
}
END_TEST

static atomic_int next_writer, writers_left;

/* Puts the same number under two keys in every batch, and one row of its own. */
static void *pair_writer(void *arg)
{
    (void)arg;
    int me = atomic_fetch_add(&next_writer, 1);
    struct kv_batch *b = kv_batch_new(1);
    for (int i = 0; i < ROUNDS; i++) {
        char own[32];
        int number = me * ROUNDS + i;
        snprintf(own, sizeof own, "row/%d/%d", me, i);
        kv_batch_clear(b, 1);
        kv_put(b, slice_str("right"), slice_of(&number, sizeof number));
        kv_put(b, slice_str("left"), slice_of(&number, sizeof number));
        kv_put(b, slice_str(own), slice_of(&number, sizeof number));
        ck_assert_msg(kv_commit(kv, b, i % 10 == 0) == 0, "%s", err_msg());
        if (i % 25 == 0)
            ck_assert_int_eq(kv_sync(kv), 0);
    }
    kv_batch_free(b);
    atomic_fetch_sub(&writers_left, 1);
    return NULL;
}

static void *pair_reader(void *arg)
{
    (void)arg;
    struct slice keys[] = {slice_str("left"), slice_str("right")};
    auto_kv_page page = KV_PAGE_INIT;
    do {
        struct buf v[2] = {BUF_INIT, BUF_INIT};
        bool found[2];
        struct kv_snap *snap;
        struct kv_range r = {.prefix = slice_str("row/"), .limit = 100000};
        ck_assert_int_eq(kv_mget(kv, NULL, 1, keys, 2, v, found), 0);
        ck_assert(found[0] == found[1] && slice_eq(slice_buf(&v[0]), slice_buf(&v[1])));
        ck_assert_int_eq(kv_snap_get(kv, 1, &snap), 0);
        ck_assert_int_eq(kv_scan(kv, snap, 1, &r, &page), 0);
        int n = page.n;
        ck_assert_int_eq(kv_scan(kv, snap, 1, &r, &page), 0);
        ck_assert_int_eq(n, page.n);
        kv_snap_put(kv, snap);
        buf_free(&v[0]);
        buf_free(&v[1]);
    } while (atomic_load(&writers_left) > 0);
    return NULL;
}

START_TEST(threads_pairs)
{
    open_engine(_i);
    pthread_t readers[2];
    atomic_store(&writers_left, THREADS);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&readers[i], NULL, pair_reader, NULL), 0);
    run_threads(THREADS, pair_writer, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(readers[i], NULL);
    auto_kv_page page = KV_PAGE_INIT;
    struct kv_range r = {.prefix = slice_str("row/"), .limit = 100000};
    ck_assert_int_eq(kv_scan(kv, NULL, 1, &r, &page), 0);
    ck_assert_int_eq(page.n, THREADS * ROUNDS);
}
END_TEST

/* ---- the rest ---- */

static void ignore_change(void *ctx, uint64_t tenant, struct slice key)
{
    (void)ctx;
    (void)tenant;
    (void)key;
}

START_TEST(care)
{
    open_engine(_i);
    fill_rows();
    uint64_t bytes = 0;
    auto_buf text = BUF_INIT;
    ck_assert_int_eq(kv_sync(kv), 0);
    ck_assert_int_eq(kv_compact(kv), 0);
    ck_assert_int_eq(kv_usage(kv, &bytes, &text), 0);
    ck_assert_uint_gt(bytes, 0);
    ck_assert_uint_gt(text.n, 0);
    ck_assert_int_eq(kv_usage(kv, &bytes, NULL), 0);
    ck_assert_int_eq(kv_watch(kv, ignore_change, NULL), 0);
    ck_assert_int_eq(kv_lease_ms(kv), INT64_MAX);
    struct kv_batch *b = kv_batch_new(1);
    ck_assert_int_eq(kv_resolve(kv, b), -ERR_UNSUPPORTED);
    kv_batch_free(b);
    kv_batch_free(NULL);
    kv_close(NULL);
    ck_assert_int_eq(count_range("p", 1, "", 0), ROWS + 1);
}
END_TEST

START_TEST(read_only)
{
    char url[256];
    struct kv_options opt = {.create = true, .read_only = true};
    open_engine(_i);
    put1(kv, 1, "a", "1");
    kv_close(kv);
    kv_util_url(_i, url, sizeof url);
    ck_assert_int_eq(kv_open(url, &opt, &kv), 0);
    struct kv_batch *b = kv_batch_new(1);
    kv_put(b, slice_str("b"), slice_str("1"));
    ck_assert_int_eq(kv_commit(kv, b, false), -ERR_ROFS);
    kv_batch_free(b);
    ck_assert_int_eq(kv_sync(kv), 0);
    assert_absent(kv, 1, "b");
}
END_TEST

START_TEST(urls)
{
    struct kv *none;
    static const char *const bad[] = {"", "mem", "level:/tmp", "leveldb", "leveldb:", "mem:x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_int_eq(kv_open(bad[i], NULL, &none), -ERR_INVAL);
        ck_assert(none == NULL);
    }
}
END_TEST

static Suite *contract_suite(void)
{
    Suite *s = suite_create("kv_contract");
    TCase *tc = tcase_create("every engine");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, put_get_del, 0, KV_UTIL_ENGINES);
    tcase_add_loop_test(tc, batch_last_counts, 0, KV_UTIL_ENGINES);
    tcase_add_loop_test(tc, binary_keys_and_values, 0, KV_UTIL_ENGINES);
    tcase_add_loop_test(tc, tenants_apart, 0, KV_UTIL_ENGINES);
    tcase_add_loop_test(tc, preconditions, 0, KV_UTIL_ENGINES);
    tcase_add_loop_test(tc, limits, 0, KV_UTIL_ENGINES);
    tcase_add_loop_test(tc, pages, 0, KV_UTIL_ENGINES);
    tcase_add_loop_test(tc, ranges, 0, KV_UTIL_ENGINES);
    tcase_add_loop_test(tc, snapshots, 0, KV_UTIL_ENGINES);
    tcase_add_loop_test(tc, many_gets, 0, KV_UTIL_ENGINES);
    tcase_add_loop_test(tc, random_model, 0, KV_UTIL_ENGINES);
    tcase_add_loop_test(tc, threads_counter, 0, KV_UTIL_ENGINES);
    tcase_add_loop_test(tc, threads_pairs, 0, KV_UTIL_ENGINES);
    tcase_add_loop_test(tc, care, 0, KV_UTIL_ENGINES);
    tcase_add_loop_test(tc, read_only, 0, KV_UTIL_ENGINES);
    tcase_add_test(tc, urls);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(contract_suite());
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
