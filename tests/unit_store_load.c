/* unit_store_load.c - the store under load, on both engines: bulk insertion, many threads at once,
 * a process that is killed.
 */
#include "tests/store_util.h"
#include "store/json.h"

#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* ---- insertion ------------------------------------------------------------------------------- */

static struct inserter *inserter(struct fixture *f)
{
    struct inserter *in;
    ok(inserter_open(f->st, f->c, 0644, 1, 2, &in));
    return in;
}

static int feed(struct inserter *in, const char *s)
{
    return inserter_feed(in, s, strlen(s));
}

static void ids_are(struct inserter *in, const char *want)
{
    struct slice ids = inserter_ids(in);
    ck_assert_msg(slice_eq(ids, slice_str(want)), "%.*s", (int)ids.n, ids.p);
}

static void told(void *ctx, const struct store_change *changes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        *(int *)ctx += changes[i].created ? 1 : 100;
}

START_TEST(test_insert)
{
    struct fixture f;
    fixture_open(&f, _i);
    int changes = 0;
    store_on_change(f.st, told, &changes);
    struct inserter *in = inserter(&f);
    ok(feed(in,
            "{\"id\":\"b\",\"n\":1}\n  {\"id\": \"a\"} {\"id\":7}\n\n{\"id\":\"b\",\n\"n\":2 }"));
    ids_are(in, "b\na\n7\nb\n");
    same_text(&f, f.c, "b.json", "{\"id\":\"b\",\n\"n\":2 }");
    same_text(&f, f.c, "a.json", "{\"id\": \"a\"}");
    row_is(&f, f.c, "b", "{\"id\":\"b\",\"n\":2}", ({
        struct file_attr a;
        ok(store_lookup(f.st, f.c, slice_str("b.json"), &a));
        ck_assert(a.mode == 0644 && a.uid == 1 && a.gid == 2);
        a.mtime;
    }));
    ck_assert_int_eq(changes, 3);
    ok(feed(in, "{\"id\":\"c\",\"x\":{\"y\":\"a}b"));
    ck_assert_uint_eq(inserter_count(in), 4);
    ck_assert_int_eq(inserter_finish(in, false), -ERR_INVAL);
    ok(feed(in, "c\\\"}\"}}"));
    ok(inserter_finish(in, true));
    same_text(&f, f.c, "c.json", "{\"id\":\"c\",\"x\":{\"y\":\"a}bc\\\"}\"}}");
    ck_assert_int_eq(changes, 4);
    inserter_free(in);

    struct file_attr before, after; /* an upsert keeps what is not content */
    struct file_attr v = {.mode = 0640};
    ok(store_setattr(f.st, f.c, slice_str("a.json"), &v, ATTR_MODE, &before));
    in = inserter(&f);
    ok(feed(in, "{\"id\":\"a\",\"new\":1}\n"));
    ok(store_lookup(f.st, f.c, slice_str("a.json"), &after));
    ck_assert(after.ino == before.ino && after.mode == 0640 && after.btime == before.btime);
    ck_assert_uint_gt(after.version, before.version);
    ck_assert_int_eq(changes, 104);
    v.mode = 0400; /* not even its owner may write it */
    ok(store_setattr(f.st, f.c, slice_str("a.json"), &v, ATTR_MODE, &before));
    ck_assert_int_eq(feed(in, "{\"id\":\"a\",\"new\":2}\n"), -ERR_ACCESS);
    same_text(&f, f.c, "a.json", "{\"id\":\"a\",\"new\":1}");
    inserter_free(in);
    fixture_close(&f);
}
END_TEST

START_TEST(test_insert_ids)
{
    struct fixture f;
    fixture_open(&f, _i);
    struct inserter *in = inserter(&f);
    struct store_counts n;
    ok(feed(
        in,
        "{\"uri\":\"http://x/1\"}{\"key\":\"k\"}{\"name\":\"Ann\"}{\"id\":null,\"name\":\"Ann\"}"));
    ok(feed(in, "{\"uri\":\"http://x/1\",\"again\":true}"));
    ok(store_counts(f.st, f.c, &n));
    ck_assert_uint_eq(n.entities, 3);
    struct slice ids = inserter_ids(in);
    ck_assert_uint_eq(ids.n, 5 * 37);
    ck_assert_int_eq(memcmp(ids.p, ids.p + 4 * 37, 37), 0);
    ck_assert_int_eq(memcmp(ids.p + 2 * 37, ids.p + 3 * 37, 37), 0);
    ck_assert_int_eq(ids.p[14], '5');
    ok(feed(in, "{}{}"));
    ids = inserter_ids(in);
    const char *a = ids.p + 5 * 37, *b = a + 37;
    ck_assert(a[14] == '7' && b[14] == '7' && memcmp(a, b, 37) != 0);
    ck_assert_uint_eq(inserter_count(in), 7);
    inserter_free(in);
    fixture_close(&f);
}
END_TEST

START_TEST(test_insert_refused)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"{\"id\":\"a\"}\n{\"id\":\"b\"}\n{\"id\":\"x/y\"}\n", "line 3: \"id\" is not a legal id"},
        {"{\"id\":\"a\"}\n{\"id\":\"b\",}\n", "line 2, column 11: "},
        {"{\"id\":\"a\"} {\"id\":\"b\" \"c\"}\n", "line 1, column 22: "},
        {"\n\n [{\"id\":\"a\"}]", "line 3, column 2: an array"},
        {"{\"id\":[]}", "line 1: \"id\" is neither a string nor a number"},
        {"{\"id\":\"\"}", "line 1: \"id\" has 0 bytes"},
        {"{\"id\":\"a\"}\nhello\n", "line 2, column 1: "},
        {"{\"id\":\"a\"}}\n", "line 1, column 11: "},
    };
    struct fixture f;
    fixture_open(&f, _i);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct inserter *in = inserter(&f);
        ck_assert_int_eq(feed(in, cases[i].text), -ERR_INVAL);
        ck_assert_msg(strncmp(err_msg(), cases[i].message, strlen(cases[i].message)) == 0, "%s: %s",
                      cases[i].text, err_msg());
        ck_assert_int_eq(feed(in, "{}"), -ERR_INVAL); /* it takes no more */
        ck_assert_uint_eq(inserter_count(in), 0);
        inserter_free(in);
    }
    counts_are(&f, f.c, 0, 0, 0, 0, 0);
    fixture_close(&f);
}
END_TEST

/* The same input in pieces of every size gives the same entities. */
START_TEST(test_insert_pieces)
{
    static const char text[] = "{\"id\":\"a\",\"s\":\"\\u00e4\\\"{\"}\r\n{\"id\":\"b\",\n \"o\":{}}"
                               "{\"id\":\"c\"}  {\"id\":\"d\",\"l\":[1,{\"x\":\"}\"}]}\n";
    struct fixture f;
    fixture_open(&f, 0);
    for (size_t step = 1; step < sizeof text; step++) {
        struct inserter *in = inserter(&f);
        for (size_t at = 0; at < sizeof text - 1; at += step)
            ok(inserter_feed(in, text + at,
                             sizeof text - 1 - at < step ? sizeof text - 1 - at : step));
        ok(inserter_finish(in, false));
        ids_are(in, "a\nb\nc\nd\n");
        inserter_free(in);
        same_text(&f, f.c, "b.json", "{\"id\":\"b\",\n \"o\":{}}");
        same_text(&f, f.c, "a.json", "{\"id\":\"a\",\"s\":\"\\u00e4\\\"{\"}");
    }
    fixture_close(&f);
}
END_TEST

START_TEST(test_vectors)
{
    struct fixture f;
    fixture_open(&f, _i);
    store_close(f.st);
    struct store_options opt = {.create = true};
    ok(store_open(f.path, &opt, &f.st));
    struct dir_attr a, t;
    ok(store_mkdir(f.st, STORE_INO_ROOT, slice_str("v"), 0755, 0, 0, &a));
    ok(store_mkdir(f.st, a.ino, slice_str("doc"), 0755, 0, 0, &t));
    f.c = t.coll;
    struct inserter *in = inserter(&f);
    ok(feed(in, "{\"id\":\"a\",\"content\":\"red apples\"}{\"id\":\"b\"}"));
    inserter_free(in);
    put(&f, f.c, "c.json", "{\"text\":\"green pears\"}");
    for (int round = 0; round < 2; round++) {
        struct kv_snap *snap;
        struct vec_scan *scan;
        struct vec_row row;
        int n = 0;
        ok(ent_snapshot(f.st, f.c.tenant, &snap));
        ok(vec_scan_open(f.st, snap, f.c, &scan));
        while (vec_scan_next(scan, &row) == 1)
            n++;
        vec_scan_close(scan);
        ent_snapshot_put(f.st, snap);
        ck_assert_int_eq(n, 2 - round);
        put(&f, f.c, "c.json", "{\"nothing\":1}"); /* and its vector goes */
    }
    struct rename_result r;
    ok(store_rename(f.st, f.c, slice_str("a.json"), f.c, slice_str("z.json"), 0, &r));
    fixture_close(&f);
}
END_TEST

/* ---- threads --------------------------------------------------------------------------------- */

#define WRITERS 8
#define ROUNDS 150

struct worker {
    struct fixture *f;
    pthread_t thread;
    unsigned seed;
    int n;
    _Atomic bool *stop;
};

static void work_once(struct worker *w, struct coll c, const char *name, struct slice n)
{
    struct store *st = w->f->st;
    struct file_attr a;
    struct rename_result r;
    char to[32];
    switch (rand_r(&w->seed) % 8) {
    case 0:
        store_unlink(st, c, n, false, NULL);
        break;
    case 1:
        snprintf(to, sizeof to, "e%d%s", rand_r(&w->seed) % 20,
                 rand_r(&w->seed) % 3 ? ".json" : "~");
        store_rename(st, c, n, rand_r(&w->seed) % 2 ? w->f->c : w->f->other, slice_str(to),
                     rand_r(&w->seed) % 2 ? STORE_RENAME_EXCHANGE : 0, &r);
        break;
    case 2:
        store_create(st, c, n, 0644, 0, 0, &a);
        break;
    case 3:
        a = (struct file_attr){.mtime = w->n};
        store_setattr(st, c, n, &a, ATTR_MTIME, &a);
        break;
    case 4:
        if (store_lookup(st, c, n, &a) == 0 && a.kind == FILE_SCRATCH)
            store_scratch_write(st, c, n, a.ino, (uint64_t)rand_r(&w->seed) % 9000, "{}", 2, &a);
        break;
    default:
        if (strchr(name, '.'))
            ok(store_put(st, c, n, slice_str("{\"a\": [1, 2]}"), 0644, 0, 0, &a));
    }
}

static void *writer(void *p)
{
    struct worker *w = p;
    for (w->n = 0; w->n < ROUNDS; w->n++) {
        char name[32];
        struct coll all[] = {w->f->c, w->f->c2, w->f->other};
        snprintf(name, sizeof name, "e%d%s", rand_r(&w->seed) % 20,
                 rand_r(&w->seed) % 3 ? ".json" : "~");
        work_once(w, all[rand_r(&w->seed) % 3], name, slice_str(name));
    }
    return NULL;
}

static void stats_are_json(struct store *st, struct coll c)
{
    auto_buf out = BUF_INIT;
    ok(store_stats_json(st, c, &out));
    ok(json_validate(slice_buf(&out), true));
}

/* Every snapshot is whole: all rows decode, and the check finds nothing while others write. */
static void *reader(void *p)
{
    struct worker *w = p;
    while (!atomic_load(w->stop)) {
        struct kv_snap *snap;
        struct ent_scan *scan;
        struct ent_row row;
        int rc;
        ok(ent_snapshot(w->f->st, w->f->c.tenant, &snap));
        ok(ent_scan_open(w->f->st, snap, (struct coll){w->f->c.tenant, 0}, &scan));
        while ((rc = ent_scan_next(scan, &row)) == 1)
            ck_assert(slice_eq(row.json, slice_str("{\"a\":[1,2]}")) ||
                      slice_eq(row.json, slice_str("{}")));
        ck_assert_int_eq(rc, 0);
        ent_scan_close(scan);
        ent_snapshot_put(w->f->st, snap);
        no_findings(w->f);
        stats_are_json(w->f->st, (struct coll){0, 0});
        w->n++;
    }
    return NULL;
}

START_TEST(test_threads)
{
    struct fixture f;
    struct worker w[WRITERS + 1];
    _Atomic bool stop = false;
    fixture_open(&f, _i);
    for (int i = 0; i <= WRITERS; i++) {
        w[i] = (struct worker){.f = &f, .seed = (unsigned)i + 1, .stop = &stop};
        pthread_create(&w[i].thread, NULL, i < WRITERS ? writer : reader, &w[i]);
    }
    for (int i = 0; i < WRITERS; i++)
        pthread_join(w[i].thread, NULL);
    atomic_store(&stop, true);
    pthread_join(w[WRITERS].thread, NULL);
    stats_are_json(f.st, f.c);
    stats_are_json(f.st, (struct coll){f.c.tenant, 0});
    fixture_reopen(&f);
    fixture_close(&f); /* which checks that the counters are those of the rows */
}
END_TEST

/* A type is removed and made again while files are made in it: never a file without a type. */
static void *dir_worker(void *p)
{
    struct worker *w = p;
    struct dir_attr a, t;
    ok(store_dir_lookup(w->f->st, STORE_INO_ROOT, slice_str("acme"), &a));
    for (int i = 0; i < ROUNDS; i++) {
        if (w->n == 0) {
            store_rmdir(w->f->st, a.ino, slice_str("flux"));
            store_mkdir(w->f->st, a.ino, slice_str("flux"), 0755, 0, 0, &t);
        } else if (store_dir_lookup(w->f->st, a.ino, slice_str("flux"), &t) == 0) {
            int rc =
                store_put(w->f->st, t.coll, slice_str("x.json"), slice_str("{}"), 0, 0, 0, NULL);
            ck_assert(rc == 0 || rc == -ERR_NOTFOUND);
            store_unlink(w->f->st, t.coll, slice_str("x.json"), false, NULL);
        }
    }
    return NULL;
}

START_TEST(test_rmdir_race)
{
    struct fixture f;
    struct worker w[4];
    fixture_open(&f, _i);
    for (int i = 0; i < 4; i++) {
        w[i] = (struct worker){.f = &f, .n = i};
        pthread_create(&w[i].thread, NULL, dir_worker, &w[i]);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(w[i].thread, NULL);
    fixture_close(&f);
}
END_TEST

/* Eight threads that sync share syncs: fewer batches than changes. */
static void *sync_worker(void *p)
{
    struct worker *w = p;
    for (int i = 0; i < 10; i++) {
        char name[32];
        struct ent_text *t;
        struct file_attr a;
        snprintf(name, sizeof name, "s%d-%d.json", w->n, i);
        ok(store_create(w->f->st, w->f->c, slice_str(name), 0644, 0, 0, &a));
        ok(ent_text_open(w->f->st, w->f->c, slice_str(name), a.ino, false, &t));
        ok(ent_text_write(t, 0, "{}", 2));
        struct ent_commit how = {.name = slice_str(name), .coll = w->f->c, .sync = true};
        ok(ent_text_commit(t, &how, &a));
        ent_text_free(t);
    }
    return NULL;
}

START_TEST(test_group_commit)
{
    struct fixture f;
    struct worker w[WRITERS];
    fixture_open(&f, 1);
    for (int i = 0; i < WRITERS; i++) {
        w[i] = (struct worker){.f = &f, .n = i};
        pthread_create(&w[i].thread, NULL, sync_worker, &w[i]);
    }
    for (int i = 0; i < WRITERS; i++)
        pthread_join(w[i].thread, NULL);
    ck_assert_uint_lt(atomic_load(&f.st->q.commits), atomic_load(&f.st->q.changes));
    counts_are(&f, f.c, WRITERS * 10, WRITERS * 20, 0, 0, 0);
    fixture_close(&f);
}
END_TEST

/* ---- a disk that refuses ------------------------------------------------------------------------
 */

static void files_limit(rlim_t bytes)
{
    struct rlimit l;
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &l), 0);
    l.rlim_cur = bytes == RLIM_INFINITY ? l.rlim_max : bytes;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &l), 0);
}

/* A commit that fails leaves everything as it was, in memory too; and there is life after it. */
START_TEST(test_refused)
{
    struct fixture f;
    struct file_attr a;
    int rc;
    fixture_open(&f, 1);
    signal(SIGXFSZ, SIG_IGN);
    put(&f, f.c, "a.json", "{\"a\":1}");
    files_limit(1);
    ck_assert_int_lt(store_put(f.st, f.c, slice_str("a.json"), slice_str("{}"), 0, 0, 0, &a), 0);
    ck_assert_int_lt(store_put(f.st, f.c, slice_str("b.json"), slice_str("{}"), 0, 0, 0, &a), 0);
    struct dir_attr d;
    ck_assert_int_lt(store_mkdir(f.st, STORE_INO_ROOT, slice_str("new"), 0755, 0, 0, &d), 0);
    struct inserter *in = inserter(&f);
    ck_assert_int_lt(feed(in, "{\"id\":\"c\"}"), 0);
    inserter_free(in);
    files_limit(RLIM_INFINITY);
    counts_are(&f, f.c, 1, 7, 0, 0, 0);
    ck_assert_int_eq(store_dir_lookup(f.st, STORE_INO_ROOT, slice_str("new"), &d), -ERR_NOTFOUND);
    do { /* the engine opens itself again, not at every try */
        rc = store_put(f.st, f.c, slice_str("d.json"), slice_str("{}"), 0644, 0, 0, &a);
        sched_yield();
    } while (rc < 0);
    same_text(&f, f.c, "a.json", "{\"a\":1}");
    ck_assert_int_eq(store_lookup(f.st, f.c, slice_str("b.json"), &a), -ERR_NOTFOUND);
    ck_assert_int_eq(store_lookup(f.st, f.c, slice_str("c.json"), &a), -ERR_NOTFOUND);
    fixture_reopen(&f);
    counts_are(&f, f.c, 2, 9, 0, 0, 0);
    fixture_close(&f);
}
END_TEST

/* ---- a process that is killed ---------------------------------------------------------------- */

/* Writes entities and says so on fd, one byte each, until it is killed. */
static void victim(struct fixture *f, int fd)
{
    struct store_options opt = {.create = true, .embed = "none"};
    if (store_open(f->path, &opt, &f->st) < 0)
        _exit(1);
    for (int i = 0;; i++) {
        char name[32], text[64];
        snprintf(name, sizeof name, "k%d.json", i);
        snprintf(text, sizeof text, "{\"n\": %d}", i);
        if (store_put(f->st, f->c, slice_str(name), slice_str(text), 0644, 0, 0, NULL) < 0 ||
            write(fd, "", 1) != 1)
            _exit(1);
    }
}

START_TEST(test_killed)
{
    struct fixture f;
    fixture_open(&f, 1);
    store_close(f.st);
    int fds[2];
    ck_assert_int_eq(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0)
        victim(&f, fds[1]);
    close(fds[1]);
    int acknowledged = 0;
    char byte;
    while (acknowledged < 3000 && read(fds[0], &byte, 1) == 1)
        acknowledged++;
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    while (read(fds[0], &byte, 1) == 1)
        acknowledged++;
    close(fds[0]);
    ck_assert_int_ge(acknowledged, 3000);
    fixture_start(&f); /* the lock went with the process */
    for (int i = 0; i < acknowledged; i++) {
        char name[32], text[64];
        snprintf(name, sizeof name, "k%d.json", i);
        snprintf(text, sizeof text, "{\"n\": %d}", i);
        same_text(&f, f.c, name, text);
    }
    struct file_attr old, new;
    ok(store_lookup(f.st, f.c, slice_str("k0.json"), &old));
    ok(store_create(f.st, f.c, slice_str("after.json"), 0644, 0, 0, &new));
    ck_assert_uint_gt(new.ino, old.ino);
    fixture_close(&f);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("store_load");
    TCase *t = tcase_create("load");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, test_insert, 0, 2);
    tcase_add_loop_test(t, test_insert_ids, 0, 2);
    tcase_add_loop_test(t, test_insert_refused, 0, 2);
    tcase_add_test(t, test_insert_pieces);
    tcase_add_loop_test(t, test_vectors, 1, 2);
    tcase_add_loop_test(t, test_threads, 0, 2);
    tcase_add_loop_test(t, test_rmdir_race, 0, 2);
    tcase_add_test(t, test_group_commit);
    tcase_add_test(t, test_refused);
    tcase_add_test(t, test_killed);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(suite());
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
