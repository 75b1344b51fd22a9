/* store_util.h - a store for a test: in memory (0) or on LevelDB in a directory of its own (1),
 * with tenants acme (types person, project) and other (type person).
 */
#ifndef REMFS_TESTS_STORE_UTIL_H
#define REMFS_TESTS_STORE_UTIL_H

#include "store/store_int.h"

#include <check.h>
#include <ftw.h>
#include <stdio.h>

struct fixture {
    struct store *st;
    bool disk;
    char path[128];
    struct coll c, c2, other;
};

#define ok(call)                                                                                   \
    do {                                                                                           \
        int ok_rc_ = (int)(call);                                                                  \
        ck_assert_msg(ok_rc_ == 0, #call ": %d %s", ok_rc_, err_msg());                            \
    } while (0)

static inline void fixture_start(struct fixture *f)
{
    struct store_options opt = {.create = true, .in_memory = !f->disk, .embed = "none"};
    ok(store_open(f->path, &opt, &f->st));
}

static inline void fixture_open(struct fixture *f, int disk)
{
    struct dir_attr a, t;
    *f = (struct fixture){.disk = disk};
    strcpy(f->path, "/tmp/remfs-unit-XXXXXX");
    if (f->disk)
        ck_assert_ptr_nonnull(mkdtemp(f->path));
    fixture_start(f);
    ok(store_mkdir(f->st, STORE_INO_ROOT, slice_str("acme"), 0755, 0, 0, &a));
    ok(store_mkdir(f->st, a.ino, slice_str("person"), 0755, 0, 0, &t));
    f->c = t.coll;
    ok(store_mkdir(f->st, a.ino, slice_str("project"), 0755, 0, 0, &t));
    f->c2 = t.coll;
    ok(store_mkdir(f->st, STORE_INO_ROOT, slice_str("other"), 0755, 0, 0, &a));
    ok(store_mkdir(f->st, a.ino, slice_str("person"), 0755, 0, 0, &t));
    f->other = t.coll;
}

static inline void print_finding(void *ctx, const char *finding)
{
    (void)ctx;
    fprintf(stderr, "# %s\n", finding);
}

static inline void no_findings(struct fixture *f)
{
    ck_assert_int_eq(store_check(f->st, print_finding, NULL), 0);
}

/* A store in memory has nothing to be opened again. */
static inline void fixture_reopen(struct fixture *f)
{
    if (!f->disk)
        return;
    store_close(f->st);
    fixture_start(f);
}

static inline int remove_entry(const char *path, const struct stat *sb, int flag, struct FTW *w)
{
    (void)sb, (void)flag, (void)w;
    return remove(path);
}

static inline void fixture_remove(struct fixture *f)
{
    if (f->disk)
        nftw(f->path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void fixture_remove_unchecked(struct fixture *f)
{
    store_close(f->st);
    fixture_remove(f);
}

static inline void fixture_close(struct fixture *f)
{
    no_findings(f);
    fixture_remove_unchecked(f);
}

static inline void put(struct fixture *f, struct coll c, const char *name, const char *text)
{
    ok(store_put(f->st, c, slice_str(name), slice_str(text), 0644, 0, 0, NULL));
}

static inline void same_text(struct fixture *f, struct coll c, const char *name, const char *want)
{
    struct file_attr a;
    auto_buf text = BUF_INIT;
    ok(store_get(f->st, c, slice_str(name), &text, &a));
    ck_assert_uint_eq(a.size, strlen(want));
    ck_assert_str_eq(buf_cstr(&text), want);
}

static inline void counts_are(struct fixture *f, struct coll c, uint64_t entities, uint64_t bytes,
                              uint64_t drafts, uint64_t scratch, uint64_t scratch_bytes)
{
    struct store_counts n;
    ok(store_counts(f->st, c, &n));
    ck_assert_uint_eq(n.entities, entities);
    ck_assert_uint_eq(n.bytes, bytes);
    ck_assert_uint_eq(n.drafts, drafts);
    ck_assert_uint_eq(n.scratch, scratch);
    ck_assert_uint_eq(n.scratch_bytes, scratch_bytes);
}

/* What a query sees of an entity. */
static inline void row_is(struct fixture *f, struct coll c, const char *id, const char *json,
                          int64_t modified)
{
    struct kv_snap *snap;
    struct ent_row row;
    auto_buf mem = BUF_INIT;
    ok(ent_snapshot(f->st, c.tenant, &snap));
    ok(ent_read(f->st, snap, c, slice_str(id), &mem, &row));
    ck_assert(slice_eq(row.json, slice_str(json)));
    ck_assert_int_eq(row.modified, modified);
    ck_assert(row.type_name.n > 0);
    ent_snapshot_put(f->st, snap);
}

#endif
