/* unit_store.c - the store's core on both engines: directories, entities, texts, scratch files,
 * moving, reopening, the lock, the check. Bulk and threads are unit_store_load.c's.
 */
#include "tests/store_util.h"

/* ---- names ----------------------------------------------------------------------------------- */

static int kind_of(const char *name, enum name_kind *kind)
{
    struct slice id;
    return name_check_file(slice_str(name), kind, &id);
}

START_TEST(test_names)
{
    enum name_kind kind;
    char long_name[300];
    memset(long_name, 'a', sizeof long_name);
    ck_assert_int_eq(name_check_dir(slice_str("a.B-9_")), 0);
    ck_assert_int_eq(name_check_dir(slice_str(".a")), -ERR_INVAL);
    ck_assert_int_eq(name_check_dir(slice_str("a b")), -ERR_INVAL);
    ck_assert_int_eq(name_check_dir(slice_str("")), -ERR_INVAL);
    ck_assert_int_eq(name_check_dir(slice_of(long_name, 64)), 0);
    ck_assert_int_eq(name_check_dir(slice_of(long_name, 65)), -ERR_NAMETOOLONG);
    ck_assert(kind_of("a.json", &kind) == 0 && kind == NAME_ENTITY);
    ck_assert(kind_of("a.json~", &kind) == 0 && kind == NAME_SCRATCH);
    ck_assert(kind_of(".json", &kind) == 0 && kind == NAME_SCRATCH);
    ck_assert(kind_of(".a.json", &kind) == 0 && kind == NAME_SCRATCH);
    ck_assert(kind_of("\xc3\xa4 \xe2\x82\xac.json", &kind) == 0 && kind == NAME_ENTITY);
    ck_assert_int_eq(kind_of(".", &kind), -ERR_INVAL);
    ck_assert_int_eq(kind_of("..", &kind), -ERR_INVAL);
    ck_assert_int_eq(kind_of("a\nb", &kind), -ERR_INVAL);
    ck_assert_int_eq(kind_of("a\xc2\x85", &kind), -ERR_INVAL);
    ck_assert_int_eq(kind_of("a\xff", &kind), -ERR_INVAL);
    ck_assert_int_eq(kind_of("a/b", &kind), -ERR_INVAL);
    struct slice id;
    memcpy(long_name + 240, ".json", 5);
    ck_assert_int_eq(name_check_file(slice_of(long_name, 245), &kind, &id), 0);
    ck_assert_uint_eq(id.n, 240);
    memset(long_name, 'a', sizeof long_name);
    memcpy(long_name + 241, ".json", 5);
    ck_assert_int_eq(name_check_file(slice_of(long_name, 246), &kind, &id), -ERR_NAMETOOLONG);
    ck_assert_int_eq(name_check_file(slice_of(long_name, 256), &kind, &id), -ERR_NAMETOOLONG);
}
END_TEST

/* ---- keys and values ------------------------------------------------------------------------- */

START_TEST(test_keys)
{
    struct key_parts p;
    struct key k = key_header(7, slice_str("x.json"));
    ck_assert(key_decode(key_slice(&k), &p));
    ck_assert(p.space == 'h' && p.type == 7 && slice_eq(p.name, slice_str("x.json")));
    ck_assert(p.hash == key_name_hash(slice_str("x.json")) && p.hash >> 63 == 0 && p.hash >= 64);
    k.p[9] ^= 1;
    ck_assert(!key_decode(key_slice(&k), &p));
    k = key_chunk(77, 5);
    ck_assert(key_decode(key_slice(&k), &p) && p.ino == 77 && p.chunk == 5);
    ck_assert(!key_decode(slice_of(k.p, k.n - 1), &p));
    ck_assert(!key_decode(slice_str("zebra"), &p));
}
END_TEST

START_TEST(test_records)
{
    auto_buf v = BUF_INIT;
    static const char *texts[][2] = {
        {"{\"a\":1}", "{\"a\":1}"},
        {"{ \"a\": 1 }", "{\"a\":1}"},
        {"{\"a\":1}\n", "{\"a\":1}"},
        {" \t{\r\n  \"a b\" :\t\" : \\\" \" }  ", "{\"a b\":\" : \\\" \"}"},
    };
    struct rec_body got;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        auto_buf text = BUF_INIT;
        buf_clear(&v);
        ok(rec_body_put(&v, slice_str(texts[i][0]), slice_str(texts[i][1])));
        rec_body_stamp(v.p, 5, -1, 9);
        ok(rec_body_get(slice_buf(&v), &got));
        ck_assert(got.ino == 5 && got.created == -1 && got.modified == 9);
        ck_assert(slice_eq(got.compact, slice_str(texts[i][1])));
        ok(rec_body_text(&got, &text));
        ck_assert(slice_eq(slice_buf(&text), slice_str(texts[i][0])));
        for (size_t n = 0; n < v.n; n++) { /* cut short: found by the one or the other */
            int rc = rec_body_get(slice_of(v.p, n), &got);
            buf_clear(&text);
            ck_assert_int_eq(rc < 0 ? rc : rec_body_text(&got, &text), -ERR_CORRUPT);
        }
    }
    ck_assert_int_eq(rec_body_put(&v, slice_str("{ \"b\":1}"), slice_str("{\"a\":1}")), -ERR_INVAL);
    struct rec_meta m = {.format = REC_FORMAT + 1};
    char row[REC_META_BYTES];
    rec_meta_put(row, &m);
    ck_assert_int_eq(rec_meta_get(slice_of(row, sizeof row), &m), -ERR_VERSION);
}
END_TEST

/* ---- directories ----------------------------------------------------------------------------- */

static int count_dirs(void *ctx, const struct dir_attr *a)
{
    (void)a;
    ++*(int *)ctx;
    return 0;
}

START_TEST(test_dirs)
{
    struct fixture f;
    fixture_open(&f, _i);
    struct dir_attr a, t, root;
    int n = 0;
    ok(store_root_attr(f.st, &root));
    ck_assert_uint_eq(root.ino, STORE_INO_ROOT);
    ck_assert_int_eq(store_mkdir(f.st, 1, slice_str("acme"), 0755, 1, 2, &a), -ERR_EXIST);
    ck_assert_int_eq(store_mkdir(f.st, 1, slice_str("a/b"), 0755, 1, 2, &a), -ERR_INVAL);
    ok(store_dir_lookup(f.st, 1, slice_str("acme"), &a));
    ok(store_dir_lookup(f.st, a.ino, slice_str("person"), &t));
    ck_assert(t.coll.tenant == f.c.tenant && t.coll.type == f.c.type);
    ck_assert_int_eq(store_mkdir(f.st, t.ino, slice_str("x"), 0755, 1, 2, &a), -ERR_PERM);
    ok(store_dir_lookup(f.st, 1, slice_str("acme"), &a));
    ck_assert_uint_eq(a.children, 2);
    ok(store_dir_list(f.st, a.ino, 0, count_dirs, &n));
    ck_assert_int_eq(n, 2);
    ck_assert_int_eq(store_rmdir(f.st, 1, slice_str("acme")), -ERR_NOTEMPTY);
    ok(store_rename_dir(f.st, a.ino, slice_str("person"), a.ino, slice_str("people"), true));
    ck_assert_int_eq(store_dir_lookup(f.st, a.ino, slice_str("person"), &t), -ERR_NOTFOUND);
    ok(store_dir_lookup(f.st, a.ino, slice_str("people"), &t));
    ck_assert_uint_eq(t.coll.type, f.c.type);
    ck_assert_int_eq(store_rename_dir(f.st, a.ino, slice_str("people"), 1, slice_str("p"), false),
                     -ERR_XDEV);
    ck_assert_int_eq(
        store_rename_dir(f.st, a.ino, slice_str("people"), a.ino, slice_str("project"), true),
        -ERR_EXIST);
    put(&f, f.c2, "x.json", "{}");
    ck_assert_int_eq(
        store_rename_dir(f.st, a.ino, slice_str("people"), a.ino, slice_str("project"), false),
        -ERR_NOTEMPTY);
    ok(store_unlink(f.st, f.c2, slice_str("x.json"), false, NULL));
    ok(store_rename_dir(f.st, a.ino, slice_str("people"), a.ino, slice_str("project"), false));
    ck_assert_int_eq(store_coll_attr(f.st, f.c2, &t), -ERR_NOTFOUND);
    struct dir_attr v = {.mode = 0700, .uid = 9, .mtime = 123};
    ok(store_dir_setattr(f.st, a.ino, &v, ATTR_MODE | ATTR_UID | ATTR_MTIME, &t));
    fixture_reopen(&f);
    ok(store_dir_by_ino(f.st, a.ino, &t));
    ck_assert(t.mode == 0700 && t.uid == 9 && t.mtime == 123 && t.gid == a.gid);
    ok(store_dir_lookup(f.st, a.ino, slice_str("project"), &t));
    ck_assert_uint_eq(t.coll.type, f.c.type);
    ok(store_rmdir(f.st, a.ino, slice_str("project")));
    ok(store_mkdir(f.st, a.ino, slice_str("project"), 0755, 0, 0, &t));
    ck_assert_uint_gt(t.coll.type, f.c2.type); /* numbers are not used again */
    ok(store_rmdir(f.st, a.ino, slice_str("project")));
    ok(store_rmdir(f.st, 1, slice_str("acme")));
    fixture_close(&f);
}
END_TEST

/* ---- entities -------------------------------------------------------------------------------- */

START_TEST(test_entity)
{
    struct fixture f;
    fixture_open(&f, _i);
    struct file_attr a, b;
    struct slice name = slice_str("a.json");
    struct dir_attr before, after;
    ok(store_coll_attr(f.st, f.c, &before));
    ok(store_create(f.st, f.c, name, 0640, 7, 8, &a));
    ck_assert(a.kind == FILE_DRAFT && a.size == 0 && a.mode == 0640 && a.uid == 7 && a.gid == 8);
    ck_assert_int_eq(store_create(f.st, f.c, name, 0640, 7, 8, &a), -ERR_EXIST);
    ok(store_coll_attr(f.st, f.c, &after));
    ck_assert(after.mtime >= before.mtime && after.changes == before.changes + 1);
    same_text(&f, f.c, "a.json", "");
    ok(store_put(f.st, f.c, name, slice_str("{ \"n\": 1 }\n"), 0600, 0, 0, &b));
    ck_assert(b.ino == a.ino && b.mode == 0640 && b.uid == 7 && b.kind == FILE_ENTITY);
    ck_assert(b.btime == a.btime && b.version > a.version && b.size == 11);
    same_text(&f, f.c, "a.json", "{ \"n\": 1 }\n");
    ck_assert_int_eq(store_put(f.st, f.c, name, slice_str("{\"n\":}"), 0, 0, 0, &b), -ERR_INVAL);
    ck_assert_int_eq(store_put(f.st, f.c, name, slice_str("[1]"), 0, 0, 0, &b), -ERR_INVAL);
    ck_assert_int_eq(store_put(f.st, f.c, slice_str("x"), slice_str("{}"), 0, 0, 0, &b),
                     -ERR_INVAL);
    struct file_attr v = {.mode = 0400, .mtime = 1000000007, .atime = 5};
    ok(store_setattr(f.st, f.c, name, &v, ATTR_MODE | ATTR_MTIME | ATTR_ATIME, &b));
    counts_are(&f, f.c, 1, 11, 0, 0, 0);
    fixture_reopen(&f);
    ok(store_lookup(f.st, f.c, name, &b));
    ck_assert(b.mode == 0400 && b.mtime == 1000000007 && b.atime == 5 && b.ino == a.ino);
    row_is(&f, f.c, "a", "{\"n\":1}", 1000000007);
    ok(store_put(f.st, f.c, name, slice_str("{}"), 0, 0, 0, &a));
    ck_assert_uint_gt(a.version, b.version);
    ok(store_create(f.st, f.c, slice_str("new.json"), 0600, 0, 0, &v));
    ck_assert_uint_gt(v.ino, a.ino);
    ok(store_unlink(f.st, f.c, name, false, &b));
    ck_assert_uint_eq(b.ino, a.ino);
    ck_assert_int_eq(store_lookup(f.st, f.c, name, &b), -ERR_NOTFOUND);
    ck_assert_int_eq(store_unlink(f.st, f.c, name, false, &b), -ERR_NOTFOUND);
    counts_are(&f, f.c, 0, 0, 1, 0, 0);
    fixture_close(&f);
}
END_TEST

struct listed {
    int n, stop;
    uint64_t cookie;
    char seen[64];
};

static int count_files(void *ctx, struct slice name, uint64_t cookie, const struct file_attr *a)
{
    struct listed *l = ctx;
    (void)a;
    l->seen[atoi(name.p + 1)]++;
    l->cookie = cookie;
    l->n++;
    return l->n == l->stop;
}

START_TEST(test_list)
{
    struct fixture f;
    fixture_open(&f, _i);
    for (int i = 0; i < 50; i++) {
        char name[32];
        snprintf(name, sizeof name, "e%d.json", i);
        put(&f, f.c, name, "{\"a\":1}");
    }
    struct listed l = {.n = 0};
    int last;
    do { /* pages of seven */
        last = l.n;
        ok(store_list(f.st, f.c, l.cookie, 7, count_files, &l));
    } while (l.n > last);
    ck_assert_int_eq(l.n, 50);
    for (int i = 0; i < 50; i++)
        ck_assert_int_eq(l.seen[i], 1);
    l = (struct listed){.stop = 3};
    ck_assert_int_eq(store_list(f.st, f.c, 0, 100, count_files, &l), 1);
    ck_assert_int_eq(l.n, 3);
    l.stop = 0;
    ok(store_list(f.st, f.c, l.cookie, 100, count_files, &l));
    ck_assert_int_eq(l.n, 50);
    struct answer *a;
    char line[16];
    ok(store_all(f.st, f.c, &a));
    for (int i = 0; i < 50; i++) {
        ck_assert_int_eq(answer_read(a, line, 8), 8);
        ck_assert_int_eq(memcmp(line, "{\"a\":1}\n", 8), 0);
    }
    ck_assert_int_eq(answer_read(a, line, 8), 0);
    answer_free(a);
    ok(store_all(f.st, f.c, &a));
    answer_cancel(a);
    ck_assert_int_eq(answer_read(a, line, 8), -ERR_CANCELED);
    answer_free(a);
    fixture_close(&f);
}
END_TEST

/* ---- texts ----------------------------------------------------------------------------------- */

static struct ent_text *text_at(struct fixture *f, const char *name, bool keep)
{
    struct file_attr a;
    struct ent_text *t;
    if (store_lookup(f->st, f->c, slice_str(name), &a) < 0)
        ok(store_create(f->st, f->c, slice_str(name), 0644, 0, 0, &a));
    ok(ent_text_open(f->st, f->c, slice_str(name), a.ino, keep, &t));
    return t;
}

static int commit_at(struct fixture *f, struct ent_text *t, const char *name)
{
    struct file_attr a;
    struct ent_commit how = {.name = slice_str(name), .coll = f->c};
    return ent_text_commit(t, &how, &a);
}

START_TEST(test_text)
{
    struct fixture f;
    fixture_open(&f, _i);
    struct ent_text *t = text_at(&f, "a.json", false);
    char got[64];
    ck_assert(!ent_text_dirty(t));
    ok(commit_at(&f, t, "a.json")); /* an empty flush */
    ok(ent_text_write(t, 0, "{\"a\":", 5));
    ck_assert_int_eq(commit_at(&f, t, "a.json"), -ERR_INVAL);
    same_text(&f, f.c, "a.json", "");
    ok(ent_text_write(t, 5, "1}", 2));
    ok(commit_at(&f, t, "a.json"));
    ck_assert(!ent_text_dirty(t));
    same_text(&f, f.c, "a.json", "{\"a\":1}");
    ok(ent_text_write(t, 7, "\n", 1));
    ck_assert_int_eq(ent_text_write(t, 8, "x", 1), -ERR_INVAL);
    ck_assert_int_eq(commit_at(&f, t, "a.json"), -ERR_INVAL);
    ok(ent_text_truncate(t, 0));
    ok(commit_at(&f, t, "a.json")); /* cut to nothing: nothing happens */
    same_text(&f, f.c, "a.json", "{\"a\":1}");
    ok(ent_text_write(t, 0, "{}", 2));
    ck_assert_int_eq(ent_text_write(t, 5, "x", 1), -ERR_INVAL); /* a hole */
    ent_text_free(t);

    t = text_at(&f, "a.json", true);
    ck_assert_uint_eq(ent_text_size(t), 7);
    ok(ent_text_write(t, 5, "2", 1)); /* in place */
    ck_assert_int_eq(ent_text_read(t, 0, got, sizeof got), 7);
    ck_assert_int_eq(memcmp(got, "{\"a\":2}", 7), 0);
    ok(commit_at(&f, t, "a.json"));
    same_text(&f, f.c, "a.json", "{\"a\":2}");
    ent_text_free(t);

    t = text_at(&f, "a.json", true); /* O_APPEND: only white space can come */
    ck_assert_int_eq(ent_text_write(t, 7, "{}", 2), -ERR_INVAL);
    ent_text_free(t);
    t = text_at(&f, "a.json", true);
    ok(ent_text_write(t, 7, "\n\n", 2));
    ok(commit_at(&f, t, "a.json"));
    same_text(&f, f.c, "a.json", "{\"a\":2}\n\n");
    ok(ent_text_truncate(t, 6));
    ck_assert_int_eq(commit_at(&f, t, "a.json"), -ERR_INVAL);
    ck_assert_ptr_nonnull(strstr(err_msg(), "line 1, column 7"));
    ok(ent_text_write(t, 6, ",\"b\":1}", 7));
    ok(commit_at(&f, t, "a.json"));
    same_text(&f, f.c, "a.json", "{\"a\":2,\"b\":1}");
    ent_text_free(t);

    t = text_at(&f, "a.json", false);
    ok(ent_text_write(t, 0, "{\"late\":1}", 10));
    ok(store_unlink(f.st, f.c, slice_str("a.json"), false, NULL));
    ck_assert_int_eq(commit_at(&f, t, "a.json"), -ERR_NOTFOUND);
    put(&f, f.c, "a.json", "{}"); /* another file with that name */
    ck_assert_int_eq(commit_at(&f, t, "a.json"), -ERR_NOTFOUND);
    ent_text_free(t);
    fixture_close(&f);
}
END_TEST

START_TEST(test_text_size)
{
    struct fixture f;
    fixture_open(&f, _i);
    struct ent_text *t = text_at(&f, "a.json", false);
    auto_free char *spaces = malloc(1 << 20);
    memset(spaces, ' ', 1 << 20);
    for (uint64_t at = 0; at < STORE_ENTITY_MAX_DEFAULT; at += 1 << 20)
        ok(ent_text_write(t, at, spaces, 1 << 20));
    ck_assert_int_eq(ent_text_write(t, STORE_ENTITY_MAX_DEFAULT, " ", 1), -ERR_TOOBIG);
    ent_text_free(t);
    fixture_close(&f);
}
END_TEST

/* ---- scratch files --------------------------------------------------------------------------- */

START_TEST(test_scratch)
{
    struct fixture f;
    fixture_open(&f, _i);
    struct file_attr a, b;
    struct slice name = slice_str("notes~");
    static char want[40000], got[40000];
    unsigned seed = 7;
    ok(store_create(f.st, f.c, name, 0600, 0, 0, &a));
    ck_assert_int_eq(a.kind, FILE_SCRATCH);
    size_t size = 0;
    for (int i = 0; i < 300; i++) { /* writes and cuts at random, against an array */
        char piece[9000];
        size_t off = (size_t)rand_r(&seed) % 30000, n = 1 + (size_t)rand_r(&seed) % sizeof piece;
        memset(piece, 'a' + i % 26, n);
        if (i % 5 == 4) {
            ok(store_scratch_truncate(f.st, f.c, name, a.ino, off, &b));
            if (off < size)
                memset(want + off, 0, size - off);
            size = off;
        } else {
            ok(store_scratch_write(f.st, f.c, name, a.ino, off, piece, n, &b));
            memcpy(want + off, piece, n);
            size = off + n > size ? off + n : size;
        }
        ck_assert_uint_eq(b.size, size);
        off = (size_t)rand_r(&seed) % 30000;
        ssize_t len = store_scratch_read(f.st, f.c, name, a.ino, off, got, 10000);
        ck_assert_int_eq(len, off >= size ? 0 : size - off < 10000 ? (ssize_t)(size - off) : 10000);
        ck_assert_int_eq(memcmp(got, want + off, (size_t)len), 0);
    }
    counts_are(&f, f.c, 0, 0, 0, 1, size);
    fixture_reopen(&f);
    ck_assert_int_eq(store_scratch_read(f.st, f.c, name, a.ino, 0, got, sizeof got), (ssize_t)size);
    ck_assert_int_eq(memcmp(got, want, size), 0);
    ck_assert_int_eq(store_scratch_write(f.st, f.c, name, a.ino, UINT64_C(1) << 41, "x", 1, &b),
                     -ERR_TOOBIG);
    ok(store_scratch_truncate(f.st, f.c, name, a.ino, UINT64_C(1) << 39, &b)); /* a hole */
    ok(store_scratch_truncate(f.st, f.c, name, a.ino, 3, &b));
    ok(store_scratch_write(f.st, f.c, name, a.ino, 0, "", 0, &b));
    ck_assert_uint_eq(b.size, 3);
    ok(store_unlink(f.st, f.c, name, true, &b)); /* open while it loses its name */
    ck_assert_int_eq(store_scratch_read(f.st, f.c, name, a.ino, 0, got, 9), 3);
    ok(store_scratch_write(f.st, f.c, name, a.ino, 3, "more", 4, &b));
    ok(store_orphan_attr(f.st, f.c, a.ino, &b));
    ck_assert_uint_eq(b.size, 7);
    counts_are(&f, f.c, 0, 0, 0, 0, 0);
    no_findings(&f);
    if (_i == 0) {
        ok(store_orphan_drop(f.st, f.c, a.ino));
    } else {
        fixture_reopen(&f); /* orphans go at the next open */
    }
    ck_assert_int_eq(store_orphan_attr(f.st, f.c, a.ino, &b), -ERR_NOTFOUND);
    ck_assert_int_eq(store_scratch_read(f.st, f.c, name, a.ino, 0, got, 9), -ERR_NOTFOUND);
    fixture_close(&f);
}
END_TEST

/* ---- moving ---------------------------------------------------------------------------------- */

static int move(struct fixture *f, struct coll c, const char *from, struct coll to_c,
                const char *to, unsigned flags, struct rename_result *r)
{
    int rc = store_rename(f->st, c, slice_str(from), to_c, slice_str(to), flags, r);
    if (rc == 0)
        no_findings(f);
    return rc;
}

START_TEST(test_rename)
{
    struct fixture f;
    fixture_open(&f, _i);
    struct rename_result r;
    struct file_attr a, b;
    put(&f, f.c, "a.json", "{\"a\": 1}");
    ok(store_lookup(f.st, f.c, slice_str("a.json"), &a));
    ok(move(&f, f.c, "a.json", f.c, "b.json", 0, &r));
    ck_assert(r.moved.ino == a.ino && !r.replaced && r.moved.mtime == a.mtime);
    ok(move(&f, f.c, "b.json", f.c2, "c.json", 0, &r));
    ok(move(&f, f.c2, "c.json", f.other, "d.json", 0, &r)); /* another tenant */
    same_text(&f, f.other, "d.json", "{\"a\": 1}");
    row_is(&f, f.other, "d", "{\"a\":1}", a.mtime);
    ok(move(&f, f.other, "d.json", f.other, "d.json", 0, &r));
    ck_assert_int_eq(move(&f, f.other, "d.json", f.other, "d.json", STORE_RENAME_NOREPLACE, &r),
                     -ERR_EXIST);
    ok(move(&f, f.other, "d.json", f.c, "d.txt", 0, &r)); /* becomes scratch */
    ck_assert(r.moved.kind == FILE_SCRATCH && r.moved.ino == a.ino && r.moved.size == 8);
    same_text(&f, f.c, "d.txt", "{\"a\": 1}");
    ok(move(&f, f.c, "d.txt", f.other, "e.txt", 0, &r)); /* its chunks go with it */
    same_text(&f, f.other, "e.txt", "{\"a\": 1}");
    put(&f, f.other, "old.json", "{\"old\":true}");
    ok(move(&f, f.other, "e.txt", f.other, "old.json", 0, &r)); /* and an entity again */
    ck_assert(r.moved.kind == FILE_ENTITY && r.replaced && r.moved.ino == a.ino);
    same_text(&f, f.other, "old.json", "{\"a\": 1}");

    ok(store_create(f.st, f.c, slice_str("bad"), 0600, 0, 0, &b));
    ok(store_scratch_write(f.st, f.c, slice_str("bad"), b.ino, 0, "{]", 2, &b));
    put(&f, f.c, "x.json", "{\"x\":1}");
    ck_assert_int_eq(move(&f, f.c, "bad", f.c, "x.json", 0, &r), -ERR_INVAL);
    same_text(&f, f.c, "x.json", "{\"x\":1}");
    same_text(&f, f.c, "bad", "{]");
    ck_assert_int_eq(move(&f, f.c, "bad", f.c, "x.json", STORE_RENAME_EXCHANGE, &r), -ERR_INVAL);
    ok(store_scratch_write(f.st, f.c, slice_str("bad"), b.ino, 0, "{}", 2, &b));
    ok(move(&f, f.c, "bad", f.c, "x.json", STORE_RENAME_EXCHANGE, &r));
    ck_assert(r.replaced && r.moved.ino == b.ino && r.other.kind == FILE_SCRATCH);
    same_text(&f, f.c, "x.json", "{}");
    same_text(&f, f.c, "bad", "{\"x\":1}");
    ck_assert_int_eq(move(&f, f.c, "x.json", f.c, "gone.json", STORE_RENAME_EXCHANGE, &r),
                     -ERR_NOTFOUND);
    ck_assert_int_eq(move(&f, f.c, "x.json", f.c, "bad", STORE_RENAME_NOREPLACE, &r), -ERR_EXIST);

    ok(store_create(f.st, f.c, slice_str("d.json"), 0600, 0, 0, &b)); /* a draft */
    ok(move(&f, f.c, "d.json", f.c, "d2.json", 0, &r));
    ck_assert_int_eq(r.moved.kind, FILE_DRAFT);
    ok(move(&f, f.c, "d2.json", f.c, "plain", 0, &r));
    ck_assert_int_eq(r.moved.kind, FILE_SCRATCH);
    ok(move(&f, f.c, "plain", f.c, "d3.json", 0, &r));
    ck_assert_int_eq(r.moved.kind, FILE_DRAFT);
    ok(store_lookup(f.st, f.c, slice_str("bad"), &b));
    ok(move(&f, f.c, "d3.json", f.c, "bad", STORE_RENAME_KEEP_ORPHAN, &r));
    ok(store_orphan_attr(f.st, f.c, b.ino, &b));
    counts_are(&f, f.c, 1, 2, 0, 1, 0);
    fixture_reopen(&f);
    counts_are(&f, f.c, 1, 2, 0, 1, 0);
    fixture_close(&f);
}
END_TEST

/* Files whose chunks do not go in one batch: first nameless, then gone; and none is left over. */
START_TEST(test_large_scratch)
{
    struct fixture f;
    fixture_open(&f, _i);
    struct file_attr a, b;
    for (int round = 0; round < 2; round++) {
        ok(store_create(f.st, f.c, slice_str("big"), 0600, 0, 0, &a));
        for (uint64_t at = 0; at < 5; at++)
            ok(store_scratch_write(f.st, f.c, slice_str("big"), a.ino, at << 30, "x", 1, &b));
        ck_assert_uint_eq(b.size, (UINT64_C(4) << 30) + 1);
        ck_assert_int_eq(move(&f, f.c, "big", f.c, "big.json", 0, NULL), -ERR_TOOBIG);
        ok(move(&f, f.c, "big", f.other, "big2", 0, NULL)); /* five chunks are few enough */
        put(&f, f.other, "small.json", "{}");
        if (round == 0)
            ok(store_unlink(f.st, f.other, slice_str("big2"), false, &b));
        else
            ok(move(&f, f.other, "small.json", f.other, "big2", 0, NULL));
        ck_assert_int_eq(store_orphan_attr(f.st, f.other, a.ino, &b), -ERR_NOTFOUND);
        no_findings(&f);
    }
    fixture_close(&f);
}
END_TEST

/* ---- the directory and the lock -------------------------------------------------------------- */

START_TEST(test_lock)
{
    struct fixture f;
    fixture_open(&f, 1);
    struct store *other;
    struct store_options opt = {.create = true, .embed = "none"};
    auto_buf mount = BUF_INIT;
    char want[64];
    pid_t pid;
    ok(store_set_mountpoint(f.st, "/mnt/x"));
    ck_assert_int_eq(store_open(f.path, &opt, &other), -ERR_BUSY);
    snprintf(want, sizeof want, "is in use by process %ld (mounted on /mnt/x)", (long)getpid());
    ck_assert_msg(strstr(err_msg(), want), "%s", err_msg());
    ok(store_owner(f.path, &pid, &mount));
    ck_assert_int_eq(pid, getpid());
    ck_assert_str_eq(buf_cstr(&mount), "/mnt/x");
    store_close(f.st);
    ok(store_owner(f.path, &pid, &mount));
    ck_assert_int_eq(pid, 0);
    opt.read_only = true;
    ok(store_open(f.path, &opt, &f.st));
    ck_assert_int_eq(store_put(f.st, f.c, slice_str("a.json"), slice_str("{}"), 0, 0, 0, NULL),
                     -ERR_ROFS);
    opt.read_only = opt.create = false;
    ck_assert_int_eq(store_open("/nonexistent/store", &opt, &other), -ERR_NOTFOUND);
    opt.create = true;
    ck_assert_int_eq(store_open("/proc", &opt, &other), -ERR_INVAL);
    fixture_close(&f);
}
END_TEST

START_TEST(test_format_newer)
{
    struct fixture f;
    fixture_open(&f, 1);
    store_close(f.st);
    char url[160], v[REC_META_BYTES] = {REC_FORMAT + 1};
    struct kv *kv;
    snprintf(url, sizeof url, "leveldb:%s/db", f.path);
    ok(kv_open(url, NULL, &kv));
    struct kv_batch *b = kv_batch_new(0);
    kv_put(b, slice_str("m"), slice_of(v, sizeof v));
    ok(kv_commit(kv, b, true));
    kv_batch_free(b);
    kv_close(kv);
    struct store_options opt = {.embed = "none"};
    ck_assert_int_eq(store_open(f.path, &opt, &f.st), -ERR_VERSION);
    ck_assert_ptr_nonnull(strstr(err_msg(), "made by a newer remfs (format 2, this one reads 1)"));
    fixture_remove(&f);
}
END_TEST

/* ---- the check ------------------------------------------------------------------------------- */

/* Changes rows behind the store's back: each has to be found. */
START_TEST(test_check)
{
    struct fixture f;
    fixture_open(&f, _i);
    put(&f, f.c, "a.json", "{\"a\": 1}");
    put(&f, f.c, "b.json", "{\"b\":1}");
    no_findings(&f);
    struct key body = key_body(f.c.type, slice_str("a"));
    struct key stray = key_body(f.c.type, slice_str("nobody"));
    struct key chunk = key_chunk(12345, 0);
    auto_buf v = BUF_INIT;
    ok(kv_get(f.st->kv, NULL, f.c.tenant, key_slice(&body), &v));
    struct kv_batch *b = kv_batch_new(f.c.tenant);
    kv_put(b, key_slice(&stray), slice_buf(&v));
    kv_put(b, key_slice(&chunk), slice_str("x"));
    kv_put(b, slice_str("zzz"), slice_str("x"));
    v.p[v.n - 2] ^= 8; /* where the white space was */
    kv_put(b, key_slice(&body), slice_buf(&v));
    body = key_body(f.c.type, slice_str("b"));
    kv_del(b, key_slice(&body));
    ok(kv_commit(f.st->kv, b, false));
    kv_batch_free(b);
    ck_assert_int_eq(store_check(f.st, NULL, NULL), 5);
    fixture_remove_unchecked(&f);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("store");
    TCase *t = tcase_create("core");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, test_names);
    tcase_add_test(t, test_keys);
    tcase_add_test(t, test_records);
    tcase_add_loop_test(t, test_dirs, 0, 2);
    tcase_add_loop_test(t, test_entity, 0, 2);
    tcase_add_loop_test(t, test_list, 0, 2);
    tcase_add_loop_test(t, test_text, 0, 2);
    tcase_add_loop_test(t, test_text_size, 0, 1);
    tcase_add_loop_test(t, test_scratch, 0, 2);
    tcase_add_loop_test(t, test_rename, 0, 2);
    tcase_add_loop_test(t, test_large_scratch, 0, 2);
    tcase_add_test(t, test_lock);
    tcase_add_test(t, test_format_newer);
    tcase_add_loop_test(t, test_check, 0, 2);
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
