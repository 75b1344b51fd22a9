/* kv_faults.c - what is asked only of the engine on disk: opening again, kill -9, writes and syncs
 * that fail, a full disk. What was acknowledged is there afterwards, what failed is not, and reads
 * go on all the time.
 *
 * Faults are made by a limit on the size of files, by a small tmpfs in a mount namespace of the
 * test's own, and by fdatasync() below, which stands in front of libc's for LevelDB too.
 */
#include "tests/kv_util.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static struct kv *kv;

/* ---- fdatasync, with faults ---- */

static atomic_int log_syncs_to_fail; /* the next so many syncs of a write-ahead log fail */
static atomic_bool table_syncs_fail; /* syncs of tables fail, so that no database can be opened */
static atomic_int log_syncs;

int fdatasync(int fd)
{
    char link[64], name[512];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, name, sizeof name - 1);
    name[n > 0 ? n : 0] = '\0';
    const char *dot = strrchr(name, '.');
    bool fail = false;
    if (dot && strcmp(dot, ".log") == 0) {
        atomic_fetch_add(&log_syncs, 1);
        fail = atomic_load(&log_syncs_to_fail) > 0 && atomic_fetch_sub(&log_syncs_to_fail, 1) > 0;
    } else if (dot && strcmp(dot, ".ldb") == 0) {
        fail = atomic_load(&table_syncs_fail);
    }
    if (fail) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

/* ---- helpers ---- */

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

static void open_small(void)
{
    char url[256];
    struct kv_options opt = {.create = true, .write_buffer_bytes = 64 << 10};
    kv_util_url(1, url, sizeof url);
    ck_assert_msg(kv_open(url, &opt, &kv) == 0, "%s", err_msg());
}

static void reopen(void)
{
    kv_close(kv);
    kv = NULL;
    open_small();
}

static int try_put(const char *key, const char *value, size_t n, bool sync)
{
    struct kv_batch *b = kv_batch_new(1);
    kv_put(b, slice_str(key), slice_of(value, n));
    int rc = kv_commit(kv, b, sync);
    kv_batch_free(b);
    return rc;
}

/* Commits until the engine has recovered; anything but a disk error is a failure. */
static void put_in_the_end(const char *key, const char *value)
{
    int rc;
    while ((rc = try_put(key, value, strlen(value), true)) < 0) {
        ck_assert_msg(rc == -ERR_IO || rc == -ERR_NOSPACE, "%s", err_msg());
        sched_yield();
    }
}

static void numbered(char key[32], int i)
{
    snprintf(key, 32, "key%08d", i);
}

static void assert_numbered(int n)
{
    char key[32];
    for (int i = 0; i < n; i++) {
        numbered(key, i);
        assert_value(kv, 1, key, key);
    }
}

/* ---- opening ---- */

START_TEST(opened_again)
{
    open_small();
    char key[32];
    for (int i = 0; i < 5000; i++) {
        numbered(key, i);
        put1(kv, 1, key, key);
    }
    reopen();
    assert_numbered(5000);
}
END_TEST

START_TEST(not_there)
{
    char url[256], path[256];
    struct stat st;
    struct kv_options opt = {.create = false};
    kv_util_url(1, url, sizeof url);
    ck_assert_int_eq(kv_open(url, &opt, &kv), -ERR_NOTFOUND);
    snprintf(path, sizeof path, "%s/db", kv_util_dir);
    ck_assert_int_ne(stat(path, &st), 0);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_int_eq(kv_open(url, &opt, &kv), -ERR_NOTFOUND);
    ck_assert_int_eq(rmdir(path), 0); /* nothing was left in it */
    ck_assert_int_eq(mknod(path, S_IFREG | 0600, 0), 0);
    ck_assert_int_lt(kv_open(url, NULL, &kv), 0);
    ck_assert_int_eq(remove(path), 0);
    open_small();
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0700);
}
END_TEST

START_TEST(in_use)
{
    char url[256];
    struct kv *second = NULL;
    open_small();
    kv_util_url(1, url, sizeof url);
    ck_assert_int_eq(kv_open(url, NULL, &second), -ERR_BUSY);
    ck_assert(strstr(err_msg(), "in use") != NULL);
    kv_close(kv);
    kv = NULL;

    int ready[2], go[2];
    char byte;
    ck_assert(pipe(ready) == 0 && pipe(go) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        open_small();
        if (write(ready[1], "r", 1) == 1 && read(go[0], &byte, 1) == 1)
            kv_close(kv);
        _exit(0);
    }
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    ck_assert_int_eq(kv_open(url, NULL, &second), -ERR_BUSY);
    ck_assert_int_eq(write(go[1], "g", 1), 1);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    ck_assert_int_eq(kv_open(url, NULL, &second), 0);
    kv_close(second);
}
END_TEST

START_TEST(relative_path)
{
    struct kv_options opt = {.create = true, .write_buffer_bytes = 64 << 10};
    char key[32];
    ck_assert_int_eq(chdir(kv_util_dir), 0);
    ck_assert_int_eq(kv_open("leveldb:db", &opt, &kv), 0);
    ck_assert_int_eq(chdir("/"), 0);
    for (int i = 0; i < 5000; i++) {
        numbered(key, i);
        put1(kv, 1, key, key);
    }
    ck_assert_int_eq(kv_sync(kv), 0);
    reopen();
    assert_numbered(5000);
}
END_TEST

/* ---- kill -9 ---- */

/* Puts numbered rows without a sync, and tells the pipe of each one that was acknowledged. */
static void kill9_child(int fd)
{
    char key[32];
    open_small();
    for (int i = 0;; i++) {
        numbered(key, i);
        if (try_put(key, key, strlen(key), false) < 0 || write(fd, "a", 1) != 1)
            _exit(1);
    }
}

START_TEST(kill9)
{
    int acked[2], n = 0;
    char byte[256];
    ssize_t got;
    ck_assert_int_eq(pipe(acked), 0);
    pid_t pid = fork();
    if (pid == 0)
        kill9_child(acked[1]);
    close(acked[1]);
    while (n < 5000 && (got = read(acked[0], byte, sizeof byte)) > 0)
        n += (int)got;
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    while ((got = read(acked[0], byte, sizeof byte)) > 0)
        n += (int)got;
    close(acked[0]);
    ck_assert_int_ge(n, 5000);
    open_small();
    assert_numbered(n);
}
END_TEST

/* ---- writes that fail ---- */

static void file_limit(rlim_t bytes)
{
    struct rlimit r;
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &r), 0);
    r.rlim_cur = bytes;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &r), 0);
}

START_TEST(append_fails)
{
    struct kv_snap *snap;
    auto_buf v = BUF_INIT;
    auto_free char *big = malloc(200 << 10);
    memset(big, 'b', 200 << 10);
    signal(SIGXFSZ, SIG_IGN);
    open_small();
    put1(kv, 1, "a", "before");
    ck_assert_int_eq(kv_snap_get(kv, 1, &snap), 0);

    file_limit(100 << 10);
    ck_assert_int_eq(try_put("big", big, 200 << 10, true), -ERR_IO);
    ck_assert(strstr(err_msg(), "File too large") != NULL);
    /* Reads go on, the view too. */
    assert_value(kv, 1, "a", "before");
    assert_absent(kv, 1, "big");
    ck_assert_int_eq(kv_get(kv, snap, 1, slice_str("a"), &v), 0);

    put_in_the_end("b", "after");
    assert_value(kv, 1, "a", "before");
    assert_value(kv, 1, "b", "after");
    ck_assert_int_eq(kv_get(kv, snap, 1, slice_str("a"), &v), -ERR_CANCELED);
    ck_assert_int_eq(kv_get(kv, snap, 1, slice_str("none"), &v), -ERR_CANCELED);
    kv_snap_put(kv, snap);
    ck_assert_int_eq(kv_snap_get(kv, 1, &snap), 0);
    ck_assert_int_eq(kv_get(kv, snap, 1, slice_str("b"), &v), 0);
    kv_snap_put(kv, snap);

    ck_assert_int_eq(try_put("big", big, 200 << 10, false), -ERR_IO);
    file_limit(RLIM_INFINITY);
    put_in_the_end("c", "at last");
    ck_assert_int_eq(try_put("big", big, 200 << 10, false), 0);
    reopen();
    assert_value(kv, 1, "a", "before");
    assert_value(kv, 1, "b", "after");
    assert_value(kv, 1, "c", "at last");
}
END_TEST

/* The failed batch lies complete in the log that is read when the database is opened again. */
START_TEST(sync_fails)
{
    open_small();
    put1(kv, 1, "changed", "old");
    put1(kv, 1, "deleted", "old");
    put1(kv, 2, "same key", "old");
    struct kv_batch *b = kv_batch_new(1);
    kv_put(b, slice_str("changed"), slice_str("new"));
    kv_put(b, slice_str("added"), slice_str("new"));
    kv_del(b, slice_str("deleted"));
    kv_batch_tenant(b, 2);
    kv_put(b, slice_str("same key"), slice_str("new"));
    atomic_store(&log_syncs_to_fail, 1);
    ck_assert_int_eq(kv_commit(kv, b, true), -ERR_IO);
    for (int round = 0; round < 3; round++) {
        assert_value(kv, 1, "changed", "old");
        assert_value(kv, 1, "deleted", "old");
        assert_absent(kv, 1, "added");
        assert_value(kv, 2, "same key", "old");
        if (round == 0)
            put_in_the_end("other", "x"); /* opens it again */
        else if (round == 1)
            reopen();
    }
    ck_assert_int_eq(kv_commit(kv, b, true), 0);
    kv_batch_free(b);
    assert_value(kv, 1, "changed", "new");
    assert_absent(kv, 1, "deleted");
}
END_TEST

START_TEST(sync_fails_then_close)
{
    open_small();
    put1(kv, 1, "a", "old");
    for (int i = 0; i < 2; i++) { /* the second within the pause between two recoveries */
        atomic_store(&log_syncs_to_fail, 1);
        ck_assert_int_eq(try_put("a", "new", 3, true), -ERR_IO);
        if (i == 0)
            put_in_the_end("b", "x");
    }
    reopen();
    assert_value(kv, 1, "a", "old");
}
END_TEST

START_TEST(pure_sync_fails)
{
    open_small();
    put1(kv, 1, "a", "1");
    atomic_store(&log_syncs_to_fail, 1);
    ck_assert_int_eq(kv_sync(kv), -ERR_IO);
    assert_value(kv, 1, "a", "1");
    put_in_the_end("b", "2");
    ck_assert_int_eq(kv_sync(kv), 0);
    reopen();
    assert_value(kv, 1, "a", "1");
}
END_TEST

/* When it cannot even be opened again, reads say why, and each later one tries. */
START_TEST(open_fails)
{
    auto_buf v = BUF_INIT;
    int rc;
    open_small();
    put1(kv, 1, "a", "1");
    atomic_store(&log_syncs_to_fail, 1);
    ck_assert_int_eq(try_put("b", "2", 1, true), -ERR_IO);
    atomic_store(&table_syncs_fail, true);
    ck_assert_int_eq(try_put("b", "2", 1, true), -ERR_IO);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(kv_get(kv, NULL, 1, slice_str("a"), &v), -ERR_IO);
        ck_assert_str_ne(err_msg(), "");
        struct kv_snap *snap;
        ck_assert_int_eq(kv_snap_get(kv, 1, &snap), -ERR_IO);
    }
    atomic_store(&table_syncs_fail, false);
    while ((rc = kv_get(kv, NULL, 1, slice_str("a"), &v)) == -ERR_IO)
        sched_yield();
    ck_assert_int_eq(rc, 0);
    ck_assert(slice_eq(slice_buf(&v), slice_str("1")));
    assert_absent(kv, 1, "b");
    ck_assert_int_eq(try_put("b", "2", 1, true), 0);
}
END_TEST

/* ---- faults among threads ---- */

enum { WRITERS = 4, ATTEMPTS = 4000, FAULTS = 5 };

static char outcome[WRITERS][ATTEMPTS]; /* 'a' acknowledged, 'f' failed, 0 not tried */
static atomic_int faults_left, next_writer;
static atomic_bool writers_done;

static void fault_key(char key[32], int writer, int i)
{
    snprintf(key, 32, "w%d/%06d", writer, i);
}

/* Each row is tried once; until every fault was met and some rows more. */
static void *fault_writer(void *arg)
{
    (void)arg;
    int me = atomic_fetch_add(&next_writer, 1), after = 0;
    char key[32];
    for (int i = 0; i < ATTEMPTS && after < 20; i++) {
        fault_key(key, me, i);
        int rc = try_put(key, key, strlen(key), i % 2 == 0);
        outcome[me][i] = rc == 0 ? 'a' : 'f';
        if (rc < 0) { /* wait for the recovery with a row of no interest */
            put_in_the_end("recovered", key);
        } else if (i % 10 == 9 && atomic_load(&faults_left) > 0) {
            atomic_fetch_sub(&faults_left, 1);
            atomic_store(&log_syncs_to_fail, 1);
        }
        if (atomic_load(&faults_left) <= 0)
            after++;
    }
    return NULL;
}

static void *fault_reader(void *arg)
{
    (void)arg;
    auto_kv_page page = KV_PAGE_INIT;
    while (!atomic_load(&writers_done)) {
        struct kv_snap *snap;
        struct kv_range r = {.prefix = slice_str("w"), .limit = 50};
        auto_buf after = BUF_INIT;
        ck_assert_msg(kv_snap_get(kv, 1, &snap) == 0, "%s", err_msg());
        do {
            int rc = kv_scan(kv, snap, 1, &r, &page);
            ck_assert_msg(rc == 0 || rc == -ERR_CANCELED, "%s", err_msg());
            if (page.n == 0)
                break;
            buf_clear(&after);
            buf_put(&after, page.rows[page.n - 1].key.p, page.rows[page.n - 1].key.n);
            r.after = slice_buf(&after);
        } while (page.more);
        kv_snap_put(kv, snap);
    }
    return NULL;
}

static void assert_outcomes(void)
{
    char key[32];
    int failed = 0;
    for (int w = 0; w < WRITERS; w++)
        for (int i = 0; i < ATTEMPTS && outcome[w][i]; i++) {
            fault_key(key, w, i);
            if (outcome[w][i] == 'a')
                assert_value(kv, 1, key, key);
            else
                assert_absent(kv, 1, key);
            failed += outcome[w][i] == 'f';
        }
    ck_assert_int_gt(failed, 0);
}

START_TEST(faults_among_threads)
{
    pthread_t writer[WRITERS], reader;
    open_small();
    atomic_store(&faults_left, FAULTS);
    ck_assert_int_eq(pthread_create(&reader, NULL, fault_reader, NULL), 0);
    for (int i = 0; i < WRITERS; i++)
        ck_assert_int_eq(pthread_create(&writer[i], NULL, fault_writer, NULL), 0);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(writer[i], NULL);
    atomic_store(&writers_done, true);
    pthread_join(reader, NULL);
    atomic_store(&log_syncs_to_fail, 0);
    put_in_the_end("recovered", "x");
    assert_outcomes();
    reopen();
    assert_outcomes();
}
END_TEST

/* ---- a full disk ---- */

/* A tmpfs over the test's directory that goes away with the process; false where that is not
 * allowed. */
static bool small_disk(const char *size)
{
    char opt[64];
    snprintf(opt, sizeof opt, "size=%s", size);
    if (unshare(CLONE_NEWNS) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
        return false;
    return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("small", kv_util_dir, "tmpfs", 0, opt) == 0;
}

static void ballast(char path[256], size_t bytes)
{
    snprintf(path, 256, "%s/ballast", kv_util_dir);
    auto_fd int fd = open(path, O_CREAT | O_WRONLY, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(posix_fallocate(fd, 0, (off_t)bytes), 0);
}

START_TEST(disk_full)
{
    char path[256], key[32], value[1000];
    unsigned seed = 1;
    int n = 0, rc;
    if (!small_disk("12m"))
        return;
    ballast(path, 5 << 20);
    open_small();
    for (;; n++) {
        numbered(key, n);
        for (size_t i = 0; i < sizeof value; i++) /* so that it cannot be compressed */
            value[i] = (char)rand_r(&seed);
        memcpy(value, key, strlen(key));
        rc = try_put(key, value, sizeof value, n % 5 == 0);
        if (rc < 0)
            break;
    }
    ck_assert_msg(rc == -ERR_NOSPACE, "%s", err_msg());
    ck_assert_int_gt(n, 1000);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < n; i++) { /* readable while full, after it, and opened again */
            auto_buf v = BUF_INIT;
            numbered(key, i);
            ck_assert_msg(kv_get(kv, NULL, 1, slice_str(key), &v) == 0, "%s: %s", key, err_msg());
            ck_assert_uint_eq(v.n, sizeof value);
            ck_assert(memcmp(v.p, key, strlen(key)) == 0);
        }
        numbered(key, n);
        assert_absent(kv, 1, key);
        if (round == 0) {
            ck_assert_int_eq(try_put("x", "x", 1, true), -ERR_NOSPACE);
            ck_assert_int_eq(remove(path), 0);
            put_in_the_end("x", "room again");
        } else if (round == 1) {
            reopen();
        }
    }
    assert_value(kv, 1, "x", "room again");
    kv_close(kv);
    kv = NULL;
    umount2(kv_util_dir, MNT_DETACH);
}
END_TEST

static Suite *faults_suite(void)
{
    Suite *s = suite_create("kv_faults");
    TCase *tc = tcase_create("leveldb");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, opened_again);
    tcase_add_test(tc, not_there);
    tcase_add_test(tc, in_use);
    tcase_add_test(tc, relative_path);
    tcase_add_test(tc, kill9);
    tcase_add_test(tc, append_fails);
    tcase_add_test(tc, sync_fails);
    tcase_add_test(tc, sync_fails_then_close);
    tcase_add_test(tc, pure_sync_fails);
    tcase_add_test(tc, open_fails);
    tcase_add_test(tc, faults_among_threads);
    tcase_add_test(tc, disk_full);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(faults_suite());
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
