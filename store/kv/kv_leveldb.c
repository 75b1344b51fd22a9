/* kv_leveldb.c - the engine "leveldb:DIRECTORY". The only file that may include LevelDB.
 *
 * Writes. LevelDB 1.23 must not be written to after a write failed on a handle: what it
 * acknowledges later on that handle can be lost (google/leveldb issue 1180). So all writes pass one
 * at a time through a kv_group; the first failure marks the handle as faulty; reads go on with it;
 * and a later commit closes and opens the database again, when there is room for the tables that
 * opening writes. A batch that failed may still lie complete in the log (when its sync failed) and
 * would come back to life at that moment. Therefore the values that it would have replaced are read
 * from the old handle at once and put back when the new one differs: a failed commit is never seen
 * by anyone.
 *
 * Syncs. LevelDB does not sync a log when it goes on to the next one, before its rows are in a
 * table. A power cut could then lose an older unsynced commit and keep a younger synced one. The
 * logs left behind are therefore synced here, along with the first sync after an unsynced commit.
 *
 * Threads and locks, in the order in which they are taken:
 * - fix: one thread at a time replaces the handle.
 * - maint: held while a compaction runs, so that no replacement waits minutes for it (trylock).
 * - handle: rwlock, shared around every use of db, exclusive to replace it. An iterator lives
 * within one shared hold, since one that is open when its database is closed aborts the process.
 * - small: guards the list of snapshots and the text of the fault.
 *
 * `unsynced` and `undo` belong to the leader of the group or to whoever holds handle exclusively.
 */
#include "store/kv/kv_group.h"
#include "store/kv/kv_ldbdir.h"
#include "store/kv/kv_undo.h"
#include "store/base/clock.h"
#include "store/base/err.h"
#include "store/base/log.h"

#include <leveldb/c.h>
#include <stdatomic.h>

#define LDB_CACHE ((size_t)8 << 20)
#define LDB_WRITE_BUFFER ((size_t)16 << 20)
#define LDB_BLOOM_BITS 10
#define LDB_BLOCK ((size_t)8 << 10)
#define LDB_RETRY_NS 100000000 /* between two attempts to open again */

/* Single reads verify block checksums and keep the blocks; scans pass over much and do neither,
 * unless they are asked to (a checksum in software is a third of the cost of a scan). */
enum read_mode { READ_GET, READ_SCAN, READ_SCAN_KEEP, READ_SCAN_VERIFY, READ_MODES };

struct ldb {
    struct kv kv;
    char *path; /* absolute: the process may change its directory */
    struct kv_group group;
    size_t write_buffer;
    leveldb_options_t *opt;
    leveldb_cache_t *cache;
    leveldb_filterpolicy_t *bloom;
    leveldb_readoptions_t *read[READ_MODES];
    leveldb_writeoptions_t *write[2]; /* [sync] */

    pthread_mutex_t fix, maint, small;
    pthread_rwlock_t handle;
    leveldb_t *db;       /* handle; NULL: could not be opened again */
    uint64_t generation; /* handle; grows when db is closed */

    atomic_bool faulty;       /* no writes on this handle */
    enum err_code fault_code; /* small */
    char fault_msg[256];      /* small */
    int64_t retry_at;         /* fix; clock_mono_ns() */
    struct kv_snap *snaps;    /* small */
    struct kv_batch *undo;    /* what a failed write would have replaced; NULL: none failed */
    bool unsynced;            /* something was committed without a sync since the last one */
};

struct kv_snap {
    struct kv_snap *prev, *next;    /* small */
    uint64_t generation;            /* of the handle it belongs to; constant */
    const leveldb_snapshot_t *snap; /* valid while the handle has that generation */
    leveldb_readoptions_t *read[READ_MODES];
};

static int ldb_reopen(struct ldb *e);

/* ---- errors ---- */

/* Takes over text. */
static int ldb_error(const struct ldb *e, char *text, const char *what)
{
    enum err_code code = ldbdir_error_code(e->path, text);
    int rc = code == ERR_BUSY ? err_set(code, "%s is in use by another process", e->path)
                              : err_set(code, "%s: %s: %s", what, e->path, text);
    leveldb_free(text);
    return rc;
}

static int fault_error(struct ldb *e)
{
    with_lock(&e->small);
    return err_set(e->fault_code, "%s", e->fault_msg);
}

/* The handle takes no more writes; the reason is this thread's last error. */
static void fault_set(struct ldb *e, int rc)
{
    pthread_mutex_lock(&e->small);
    /* The file system that reads serve is damaged or full, not the caller's own doing. */
    e->fault_code = rc == -ERR_NOSPACE ? ERR_NOSPACE : ERR_IO;
    snprintf(e->fault_msg, sizeof e->fault_msg, "%s", err_msg());
    pthread_mutex_unlock(&e->small);
    if (!atomic_exchange(&e->faulty, true))
        log_warn("%s; no more writes until the database could be opened again", err_msg());
}

/* ---- the handle ---- */

/* Shares the handle; on 0 the caller drops it with handle_put(). */
static int handle_get(struct ldb *e)
{
    pthread_rwlock_rdlock(&e->handle);
    if (e->db)
        return 0;
    pthread_rwlock_unlock(&e->handle);
    int rc = ldb_reopen(e);
    if (rc < 0)
        return rc;
    pthread_rwlock_rdlock(&e->handle);
    if (e->db)
        return 0;
    pthread_rwlock_unlock(&e->handle);
    return fault_error(e);
}

static void handle_put(struct ldb *e)
{
    pthread_rwlock_unlock(&e->handle);
}

/* handle_get(), and the options of a read: the snapshot's, or those for the newest state. */
static int read_begin(struct ldb *e, const struct kv_snap *snap, enum read_mode mode,
                      leveldb_readoptions_t **out)
{
    *out = NULL;
    int rc = handle_get(e);
    if (rc < 0)
        return rc;
    if (snap && snap->generation != e->generation) {
        handle_put(e);
        return err_set(ERR_CANCELED, "the view was lost when the database had to be opened again "
                                     "after a failed write; start again");
    }
    *out = snap ? snap->read[mode] : e->read[mode];
    return 0;
}

/* handle is held exclusively. Also every snapshot ends here: LevelDB's own must go before it. */
static void handle_close(struct ldb *e)
{
    if (!e->db)
        return;
    pthread_mutex_lock(&e->small);
    for (struct kv_snap *s = e->snaps; s; s = s->next)
        if (s->generation == e->generation)
            leveldb_release_snapshot(e->db, s->snap);
    pthread_mutex_unlock(&e->small);
    leveldb_close(e->db);
    e->db = NULL;
    e->generation++;
}

static int handle_open(struct ldb *e)
{
    char *err = NULL;
    e->db = leveldb_open(e->opt, e->path, &err);
    if (e->db)
        return 0;
    return ldb_error(e, err, "open");
}

static int get_into(struct ldb *e, leveldb_readoptions_t *ro, struct slice full, struct buf *v,
                    bool *found)
{
    size_t n = 0;
    char *err = NULL;
    char *p = leveldb_get(e->db, ro, full.p, full.n, &n, &err);
    int rc = 0;
    *found = p != NULL;
    if (err)
        return ldb_error(e, err, "read");
    if (p && n > 0 && !v->p) { /* LevelDB's copy is malloc's: it can be the buffer itself */
        *v = (struct buf){.p = p, .n = n, .cap = n};
        return 0;
    }
    if (p)
        rc = buf_put(v, p, n);
    leveldb_free(p);
    return rc;
}

static int db_write(struct ldb *e, const struct kv_batch *const *b, int n, bool sync)
{
    leveldb_writebatch_t *wb = leveldb_writebatch_create();
    char *err = NULL;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < b[i]->writes.n; j++) {
            const struct kv_op *op = &b[i]->writes.v[j];
            struct slice k = kv_op_key(b[i], op), v = kv_op_value(b[i], op);
            if (op->kind == KV_OP_PUT)
                leveldb_writebatch_put(wb, k.p, k.n, v.p, v.n);
            else
                leveldb_writebatch_delete(wb, k.p, k.n);
        }
    leveldb_write(e->db, e->write[sync], wb, &err);
    leveldb_writebatch_destroy(wb);
    return err ? ldb_error(e, err, "write") : 0;
}

/* The newest value of a key, with the handle held. */
static int get_newest(void *ctx, struct slice full, struct buf *v, bool *found)
{
    struct ldb *e = ctx;
    return get_into(e, e->read[READ_GET], full, v, found);
}

/* Puts back what a failed write changed after all; handle is held exclusively. Not synced: whatever
 * is committed after it stands behind it in the same log, and after a power cut the outcome of a
 * write that failed is open anyway. */
static int undo_apply(struct ldb *e)
{
    const struct kv_batch *b = e->undo;
    int rc = b ? kv_undo_needed(b, get_newest, e) : 0;
    if (rc == 1) {
        rc = db_write(e, &b, 1, false);
        e->unsynced = true;
    }
    return rc;
}

/* Is there room for what opening writes: the rows of the logs as tables, and a new log? A small
 * disk never has two write buffers free; a part of it has to do there. */
static int room_check(struct ldb *e)
{
    uint64_t logs, total, room = ldbdir_room(e->path, &total), reserve = total / 64;
    int rc = ldbdir_log_bytes(e->path, &logs);
    if (rc < 0)
        return rc;
    if (reserve < (uint64_t)1 << 20)
        reserve = (uint64_t)1 << 20;
    if (reserve > 2 * e->write_buffer)
        reserve = 2 * e->write_buffer;
    if (room >= reserve + logs)
        return 0;
    return err_wrap(fault_error(e), "%s takes no writes until %llu KiB are free (%llu are)",
                    e->path, (unsigned long long)(reserve + logs) >> 10,
                    (unsigned long long)room >> 10);
}

/* 0: the handle is good. Otherwise the reason why it cannot be replaced, or not yet; the old one,
 * if there is one, still serves reads. */
static int ldb_reopen(struct ldb *e)
{
    with_lock(&e->fix);
    if (!atomic_load(&e->faulty))
        return 0;
    int64_t now = clock_mono_ns();
    if (now < e->retry_at)
        return fault_error(e);
    int rc = e->db ? room_check(e) : 0;
    if (rc < 0)
        return rc;
    if (pthread_mutex_trylock(&e->maint) != 0)
        return fault_error(e);
    e->retry_at = now + LDB_RETRY_NS;
    pthread_rwlock_wrlock(&e->handle);
    handle_close(e);
    rc = handle_open(e);
    if (rc == 0)
        e->unsynced = false; /* opening put every log into a synced table */
    if (rc == 0)
        rc = undo_apply(e);
    if (rc == 0) {
        kv_batch_free(steal(&e->undo));
        atomic_store(&e->faulty, false);
    } else {
        fault_set(e, rc);
        handle_close(e);
    }
    pthread_rwlock_unlock(&e->handle);
    pthread_mutex_unlock(&e->maint);
    if (rc == 0)
        log_info("%s was opened again and takes writes", e->path);
    return rc;
}

/* ---- reads ---- */

static int ldb_get(struct kv *kv, struct kv_snap *snap, uint64_t tenant, struct slice key,
                   struct buf *v)
{
    struct ldb *e = (struct ldb *)kv;
    char full[KV_KEY_BUF];
    leveldb_readoptions_t *ro;
    bool found = false;
    int rc = read_begin(e, snap, READ_GET, &ro);
    if (rc < 0)
        return rc;
    rc = get_into(e, ro, kv_key_full(full, tenant, key), v, &found);
    handle_put(e);
    return rc < 0 || found ? rc : err_set(ERR_NOTFOUND, "no such key");
}

static leveldb_readoptions_t *read_options_new(enum read_mode mode, const leveldb_snapshot_t *snap)
{
    leveldb_readoptions_t *ro = leveldb_readoptions_create();
    leveldb_readoptions_set_verify_checksums(ro, mode == READ_GET || mode == READ_SCAN_VERIFY);
    leveldb_readoptions_set_fill_cache(ro, mode == READ_GET || mode == READ_SCAN_KEEP);
    leveldb_readoptions_set_snapshot(ro, snap);
    return ro;
}

static int mget_with(struct ldb *e, leveldb_readoptions_t *ro, uint64_t tenant,
                     const struct slice *keys, int n, struct buf *v, bool *found)
{
    char full[KV_KEY_BUF];
    int rc = 0;
    for (int i = 0; i < n && rc == 0; i++)
        rc = get_into(e, ro, kv_key_full(full, tenant, keys[i]), &v[i], &found[i]);
    return rc;
}

static int ldb_mget(struct kv *kv, struct kv_snap *snap, uint64_t tenant, const struct slice *keys,
                    int n, struct buf *v, bool *found)
{
    struct ldb *e = (struct ldb *)kv;
    leveldb_readoptions_t *ro;
    int rc = read_begin(e, snap, READ_GET, &ro);
    if (rc < 0)
        return rc;
    if (snap || n == 1) {
        rc = mget_with(e, ro, tenant, keys, n, v, found);
    } else { /* one moment for all of them */
        const leveldb_snapshot_t *now = leveldb_create_snapshot(e->db);
        ro = read_options_new(READ_GET, now);
        rc = mget_with(e, ro, tenant, keys, n, v, found);
        leveldb_readoptions_destroy(ro);
        leveldb_release_snapshot(e->db, now);
    }
    handle_put(e);
    return rc;
}

static int scan_with(leveldb_iterator_t *it, uint64_t tenant, const struct kv_range *range,
                     struct kv_page *page)
{
    char from_mem[KV_KEY_BUF], prefix_mem[KV_KEY_BUF];
    struct slice from = kv_key_seek(from_mem, tenant, range);
    struct slice prefix = kv_key_full(prefix_mem, tenant, range->prefix);
    bool full = false;
    for (leveldb_iter_seek(it, from.p, from.n); leveldb_iter_valid(it); leveldb_iter_next(it)) {
        struct slice k, v = {NULL, 0};
        k.p = leveldb_iter_key(it, &k.n);
        if (k.n < prefix.n || memcmp(k.p, prefix.p, prefix.n) != 0)
            break;
        if (full) {
            page->more = true;
            break;
        }
        if (!range->keys_only)
            v.p = leveldb_iter_value(it, &v.n);
        int rc = kv_page_add(page, range, k, v);
        if (rc < 0)
            return rc;
        full = rc == 1;
    }
    return 0;
}

static int ldb_scan(struct kv *kv, struct kv_snap *snap, uint64_t tenant,
                    const struct kv_range *range, struct kv_page *page)
{
    struct ldb *e = (struct ldb *)kv;
    leveldb_readoptions_t *ro;
    char *err = NULL;
    enum read_mode mode = range->verify       ? READ_SCAN_VERIFY
                          : range->fill_cache ? READ_SCAN_KEEP
                                              : READ_SCAN;
    int rc = read_begin(e, snap, mode, &ro);
    if (rc < 0)
        return rc;
    leveldb_iterator_t *it = leveldb_create_iterator(e->db, ro);
    rc = scan_with(it, tenant, range, page);
    leveldb_iter_get_error(it, &err); /* also when rows came: a bad block is stepped over */
    leveldb_iter_destroy(it);
    if (err)
        rc = ldb_error(e, err, "scan");
    handle_put(e);
    return rc;
}

/* ---- snapshots ---- */

static int ldb_snap_get(struct kv *kv, uint64_t tenant, struct kv_snap **out)
{
    (void)tenant;
    struct ldb *e = (struct ldb *)kv;
    auto_free struct kv_snap *s = calloc(1, sizeof *s);
    if (!s)
        return err_set(ERR_NOMEM, "out of memory for a snapshot");
    int rc = handle_get(e);
    if (rc < 0)
        return rc;
    s->generation = e->generation;
    s->snap = leveldb_create_snapshot(e->db);
    for (int mode = 0; mode < READ_MODES; mode++)
        s->read[mode] = read_options_new(mode, s->snap);
    pthread_mutex_lock(&e->small);
    s->next = e->snaps;
    if (s->next)
        s->next->prev = s;
    e->snaps = s;
    pthread_mutex_unlock(&e->small);
    handle_put(e);
    *out = steal(&s);
    return 0;
}

static void ldb_snap_put(struct kv *kv, struct kv_snap *s)
{
    struct ldb *e = (struct ldb *)kv;
    pthread_rwlock_rdlock(&e->handle); /* not handle_get(): there may be no database to open */
    pthread_mutex_lock(&e->small);
    if (s->prev)
        s->prev->next = s->next;
    else
        e->snaps = s->next;
    if (s->next)
        s->next->prev = s->prev;
    pthread_mutex_unlock(&e->small);
    if (s->generation == e->generation)
        leveldb_release_snapshot(e->db, s->snap);
    pthread_rwlock_unlock(&e->handle);
    for (int mode = 0; mode < READ_MODES; mode++)
        leveldb_readoptions_destroy(s->read[mode]);
    free(s);
}

/* ---- commits: the callbacks of the group ---- */

static int ldb_begin(void *ctx)
{
    struct ldb *e = ctx;
    return atomic_load(&e->faulty) ? ldb_reopen(e) : 0;
}

static int ldb_check(void *ctx, const struct kv_batch *b)
{
    struct ldb *e = ctx;
    int rc = handle_get(e);
    if (rc < 0)
        return rc;
    for (int i = 0; i < b->expects.n && rc == 0; i++) {
        const struct kv_op *op = &b->expects.v[i];
        auto_buf v = BUF_INIT;
        bool found;
        rc = get_newest(e, kv_op_key(b, op), &v, &found);
        struct slice stored = slice_buf(&v);
        if (rc == 0 && !kv_op_holds(b, op, found ? &stored : NULL))
            rc = kv_op_conflict(b, op);
    }
    handle_put(e);
    return rc;
}

/* After a failed write, with the handle shared: for the time when the log is read again. */
static void undo_note(struct ldb *e, const struct kv_batch *const *b, int n)
{
    kv_batch_free(e->undo);
    if (kv_undo_note(b, n, get_newest, e, &e->undo) < 0)
        log_error("%s: a failed commit may show up again: %s", e->path, err_msg());
}

static int ldb_write(void *ctx, const struct kv_batch *const *b, int n, bool sync)
{
    struct ldb *e = ctx;
    int rc = handle_get(e);
    if (rc < 0)
        return rc;
    rc = db_write(e, b, n, sync);
    if (rc < 0) {
        fault_set(e, rc);
        undo_note(e, b, n);
        rc = fault_error(e); /* undo_note() may have left another message */
    } else if (!sync) {
        e->unsynced = true;
    } else if (e->unsynced) {
        int old = ldbdir_log_sync(e->path, false);
        if (old == 0)
            e->unsynced = false;
        else
            fault_set(e, old);
        /* What was committed here is safe in the newest log; a pure sync was about the others. */
        rc = n == 0 ? old : 0;
    }
    handle_put(e);
    return rc;
}

static const struct kv_group_ops ldb_group_ops = {
    .begin = ldb_begin, .check = ldb_check, .write = ldb_write};

static int ldb_commit(struct kv *kv, const struct kv_batch *b, bool sync)
{
    return kv_group_commit(&((struct ldb *)kv)->group, b, sync);
}

static int ldb_sync(struct kv *kv)
{
    return kv_group_commit(&((struct ldb *)kv)->group, NULL, true);
}

/* ---- open and close ---- */

static void ldb_locks_init(struct ldb *e)
{
    pthread_rwlockattr_t attr;
    pthread_rwlockattr_init(&attr);
    /* Or a steady stream of readers would keep a handle from being replaced. */
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&e->handle, &attr);
    pthread_rwlockattr_destroy(&attr);
    pthread_mutex_init(&e->fix, NULL);
    pthread_mutex_init(&e->maint, NULL);
    pthread_mutex_init(&e->small, NULL);
    kv_group_init(&e->group, &ldb_group_ops, e);
}

static void ldb_free(struct ldb *e)
{
    for (int mode = 0; mode < READ_MODES; mode++)
        leveldb_readoptions_destroy(e->read[mode]);
    for (int i = 0; i < 2; i++)
        leveldb_writeoptions_destroy(e->write[i]);
    leveldb_options_destroy(e->opt);
    leveldb_cache_destroy(e->cache);
    leveldb_filterpolicy_destroy(e->bloom);
    kv_group_destroy(&e->group);
    pthread_rwlock_destroy(&e->handle);
    pthread_mutex_destroy(&e->fix);
    pthread_mutex_destroy(&e->maint);
    pthread_mutex_destroy(&e->small);
    kv_batch_free(e->undo);
    free(e->path);
    free(e);
}

static void ldb_options_init(struct ldb *e, const struct kv_options *opt)
{
    e->write_buffer = opt->write_buffer_bytes ? opt->write_buffer_bytes : LDB_WRITE_BUFFER;
    e->cache = leveldb_cache_create_lru(opt->cache_bytes ? opt->cache_bytes : LDB_CACHE);
    e->bloom = leveldb_filterpolicy_create_bloom(LDB_BLOOM_BITS);
    e->opt = leveldb_options_create();
    leveldb_options_set_create_if_missing(e->opt, opt->create);
    leveldb_options_set_paranoid_checks(e->opt, 0);
    leveldb_options_set_write_buffer_size(e->opt, e->write_buffer);
    leveldb_options_set_cache(e->opt, e->cache);
    leveldb_options_set_filter_policy(e->opt, e->bloom);
    /* Twice LevelDB's own: a scan gains a quarter; more would make the checksum of a single read
     * cost more than the read. */
    leveldb_options_set_block_size(e->opt, LDB_BLOCK);
    /* Uncompressed: reading decides how a query feels, and snappy is another third of a scan. */
    leveldb_options_set_compression(e->opt, leveldb_no_compression);
    for (int mode = 0; mode < READ_MODES; mode++)
        e->read[mode] = read_options_new(mode, NULL);
    for (int i = 0; i < 2; i++) {
        e->write[i] = leveldb_writeoptions_create();
        leveldb_writeoptions_set_sync(e->write[i], (uint8_t)i);
    }
}

static int ldb_open(const char *rest, const struct kv_options *opt, struct kv **out)
{
    auto_free char *path = NULL;
    if (!*rest)
        return err_set(ERR_INVAL, "leveldb: needs a directory");
    int rc = ldbdir_prepare(rest, opt->create, &path);
    if (rc < 0)
        return rc;
    struct ldb *e = calloc(1, sizeof *e);
    if (!e)
        return err_set(ERR_NOMEM, "out of memory for a store");
    e->kv = (struct kv){.ops = &kv_leveldb_ops,
                        .limits = {KV_MAX_KEY, KV_MAX_VALUE, KV_MAX_BATCH, true},
                        .read_only = opt->read_only};
    e->path = steal(&path);
    e->generation = 1;
    ldb_locks_init(e);
    ldb_options_init(e, opt);
    rc = handle_open(e);
    if (rc < 0) {
        ldb_free(e);
        return rc;
    }
    *out = &e->kv;
    return 0;
}

/* Or whoever opens it next would see the commit that failed. */
static void undo_before_close(struct ldb *e)
{
    int rc = -ERR_IO;
    for (int i = 0; i < 3 && rc < 0; i++) {
        e->retry_at = 0;
        rc = ldb_reopen(e);
    }
    if (rc < 0)
        log_error("%s: a failed commit may show up again: %s", e->path, err_msg());
}

static void ldb_close(struct kv *kv)
{
    struct ldb *e = (struct ldb *)kv;
    if (e->undo)
        undo_before_close(e);
    if (e->unsynced && ldbdir_log_sync(e->path, true) < 0)
        log_error("close: %s", err_msg());
    pthread_rwlock_wrlock(&e->handle);
    handle_close(e);
    pthread_rwlock_unlock(&e->handle);
    ldb_free(e);
}

/* ---- care ---- */

static int ldb_compact(struct kv *kv)
{
    struct ldb *e = (struct ldb *)kv;
    int rc = handle_get(e); /* opens it again, if that has to be, before maint forbids it */
    if (rc < 0)
        return rc;
    handle_put(e);
    with_lock(&e->maint);
    rc = handle_get(e);
    if (rc < 0)
        return rc;
    leveldb_compact_range(e->db, NULL, 0, NULL, 0);
    handle_put(e);
    return 0;
}

static int ldb_usage(struct kv *kv, uint64_t *bytes, struct buf *text)
{
    struct ldb *e = (struct ldb *)kv;
    static const char last[] = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";
    const char *from = "", *to = last;
    size_t from_n = 0, to_n = sizeof last - 1;
    uint64_t tables = 0, logs = 0;
    int rc = handle_get(e);
    if (rc < 0)
        return rc;
    leveldb_approximate_sizes(e->db, 1, &from, &from_n, &to, &to_n, &tables);
    char *stats = text ? leveldb_property_value(e->db, "leveldb.stats") : NULL;
    handle_put(e);
    rc = ldbdir_log_bytes(e->path, &logs);
    *bytes = tables + logs;
    if (rc == 0 && stats)
        rc = buf_puts(text, stats);
    leveldb_free(stats);
    if (rc == 0 && text && atomic_load(&e->faulty)) {
        fault_error(e);
        rc = buf_putf(text, "no writes: %s\n", err_msg());
    }
    return rc;
}

const struct kv_ops kv_leveldb_ops = {
    .scheme = "leveldb",
    .open = ldb_open,
    .close = ldb_close,
    .get = ldb_get,
    .mget = ldb_mget,
    .commit = ldb_commit,
    .sync = ldb_sync,
    .scan = ldb_scan,
    .snap_get = ldb_snap_get,
    .snap_put = ldb_snap_put,
    .compact = ldb_compact,
    .usage = ldb_usage,
};
