/* scratch.c - the bytes of scratch files: chunks of 4 KiB by inode number.
 *
 * A chunk row holds a chunk up to the last byte written in it; a missing row, and what a short one
 * lacks, reads as zeros up to the file's size, which is in its header. So a hole costs nothing. The
 * header is found at the file's name or, after it lost that while it was open, as an orphan under
 * its number.
 *
 * Knows nothing of JSON: what becomes an entity is rename.c's.
 */
#include "store/store_int.h"

#define SCRATCH_MAX (UINT64_C(1) << 40) /* bytes */

struct scratch_op {
    struct commit_op op;
    struct coll coll;
    struct slice name;
    uint64_t ino, off; /* off: the new size for a truncation */
    const char *p;
    size_t n;
    bool again; /* there were more chunks than one batch removes */
    struct file_attr out;
};

static void scratch_op_init(struct scratch_op *o, struct coll c, struct slice name, uint64_t ino)
{
    o->coll = c;
    o->name = name;
    o->ino = ino;
    if (name.n)
        commit_touch_name(&o->op, c, name);
    commit_touch_ino(&o->op, ino);
}

/* ---- headers --------------------------------------------------------------------------------- */

static int orphan_header(struct store *st, struct kv_snap *snap, uint64_t tenant, uint64_t ino,
                         struct file_attr *a)
{
    auto_buf v = BUF_INIT;
    struct key k = key_orphan(ino);
    int rc = kv_get(st->kv, snap, tenant, key_slice(&k), &v);
    if (rc == -ERR_NOTFOUND)
        return err_set(ERR_NOTFOUND, "the file is not there any more");
    return rc < 0 ? rc : rec_header_get(slice_buf(&v), a);
}

static int scratch_header(struct store *st, struct kv_snap *snap, struct coll c, struct slice name,
                          uint64_t ino, struct file_attr *a, bool *orphan)
{
    *orphan = false;
    if (name.n && c.type) {
        int rc = file_header(st, snap, c, name, a);
        if (rc == 0 && a->ino == ino && a->kind == FILE_SCRATCH)
            return 0;
        if (rc < 0 && rc != -ERR_NOTFOUND)
            return rc;
    }
    *orphan = true;
    return orphan_header(st, snap, c.tenant, ino, a);
}

/* As scratch_header(), in prepare(); *t is the type, NULL for an orphan. */
static int op_header(struct commit *c, const struct scratch_op *o, struct file_attr *a,
                     struct commit_type **t)
{
    bool orphan;
    struct coll coll = o->coll;
    *t = NULL;
    if (o->name.n && commit_type(c, coll, t) < 0)
        coll.type = 0; /* the directory is gone: it can only be an orphan */
    int rc = scratch_header(c->st, NULL, coll, o->name, o->ino, a, &orphan);
    if (orphan)
        *t = NULL;
    return rc;
}

static void op_put_header(struct commit *c, const struct scratch_op *o, struct commit_type *t,
                          const struct file_attr *old)
{
    if (t) {
        commit_count(t, old, -1);
        commit_count(t, &o->out, 1);
        commit_put_header(c, t, o->name, &o->out);
        return;
    }
    char v[REC_HEADER_BYTES];
    rec_header_put(v, &o->out);
    commit_put(c, o->coll.tenant, key_orphan(o->ino), slice_of(v, sizeof v));
}

int store_orphan_attr(struct store *st, struct coll c, uint64_t ino, struct file_attr *out)
{
    return orphan_header(st, NULL, c.tenant, ino, out);
}

/* ---- reading --------------------------------------------------------------------------------- */

static int copy_chunk(const struct kv_row *row, uint64_t off, char *out, size_t n)
{
    struct key_parts k;
    if (!key_decode(row->key, &k) || row->value.n > CHUNK_BYTES)
        return err_set(ERR_CORRUPT, "a damaged chunk of a scratch file");
    uint64_t at = k.chunk * CHUNK_BYTES, end = at + row->value.n;
    uint64_t lo = at > off ? at : off, hi = end < off + n ? end : off + n;
    if (lo < hi)
        memcpy(out + (lo - off), row->value.p + (lo - at), hi - lo);
    return 0;
}

/* The bytes [off, off + n), zeros where there are none. */
static int read_range(struct store *st, struct kv_snap *snap, uint64_t tenant, uint64_t ino,
                      uint64_t off, char *out, size_t n)
{
    auto_kv_page page = KV_PAGE_INIT;
    struct key prefix = key_chunk_prefix(ino), after = {.n = 0};
    uint64_t first = off / CHUNK_BYTES, last = n ? (off + n - 1) / CHUNK_BYTES : first;
    memset(out, 0, n);
    if (first)
        after = key_chunk(ino, first - 1);
    while (n && first <= last) {
        uint64_t want = last - first + 1;
        struct kv_range range = {.prefix = key_slice(&prefix),
                                 .after = key_slice(&after),
                                 .limit = want < 1024 ? (int)want : 1024,
                                 .max_bytes = (size_t)8 << 20,
                                 .fill_cache = true};
        int rc = kv_scan(st->kv, snap, tenant, &range, &page);
        for (int i = 0; i < page.n && rc == 0; i++)
            rc = copy_chunk(&page.rows[i], off, out, n);
        if (rc < 0)
            return rc;
        if (!page.more || page.n == 0)
            return 0;
        first = get_be64(page.rows[page.n - 1].key.p + 9) + 1;
        after = key_chunk(ino, first - 1);
    }
    return 0;
}

ssize_t store_scratch_read(struct store *st, struct coll c, struct slice name, uint64_t ino,
                           uint64_t off, void *out, size_t n)
{
    struct kv_snap *snap;
    struct file_attr a;
    bool orphan;
    int rc = kv_snap_get(st->kv, c.tenant, &snap);
    if (rc < 0)
        return rc;
    rc = scratch_header(st, snap, c, name, ino, &a, &orphan);
    if (rc == 0) {
        n = off >= a.size ? 0 : a.size - off < n ? (size_t)(a.size - off) : n;
        rc = n ? read_range(st, snap, c.tenant, ino, off, out, n) : 0;
    }
    kv_snap_put(st->kv, snap);
    return rc < 0 ? rc : (ssize_t)n;
}

int scratch_load(struct store *st, struct kv_snap *snap, uint64_t tenant, uint64_t ino,
                 uint64_t size, uint64_t max, struct buf *out)
{
    if (size > max)
        return err_set(ERR_TOOBIG, "%llu bytes (%llu at most)", (unsigned long long)size,
                       (unsigned long long)max);
    size_t before = out->n;
    int rc = buf_resize(out, before + size);
    return rc < 0 || size == 0 ? rc : read_range(st, snap, tenant, ino, 0, out->p + before, size);
}

/* ---- writing --------------------------------------------------------------------------------- */

void scratch_put_text(struct commit *c, uint64_t tenant, uint64_t ino, struct slice text)
{
    for (size_t at = 0; at < text.n; at += CHUNK_BYTES) {
        size_t n = text.n - at < CHUNK_BYTES ? text.n - at : CHUNK_BYTES;
        commit_put(c, tenant, key_chunk(ino, at / CHUNK_BYTES), slice_of(text.p + at, n));
    }
}

/* One page, so that nothing is in the batch when reading fails. */
int scratch_del_chunks(struct commit *c, uint64_t tenant, uint64_t ino, uint64_t first, bool *more)
{
    auto_kv_page page = KV_PAGE_INIT;
    struct key prefix = key_chunk_prefix(ino), after = {.n = 0};
    if (first)
        after = key_chunk(ino, first - 1);
    struct kv_range range = {.prefix = key_slice(&prefix),
                             .after = key_slice(&after),
                             .limit = CHUNK_DELETES_MAX,
                             .max_bytes = (size_t)CHUNK_DELETES_MAX * 32,
                             .keys_only = true};
    int rc = kv_scan(c->st->kv, NULL, tenant, &range, &page);
    if (rc < 0)
        return rc;
    kv_batch_tenant(c->batch, tenant);
    for (int i = 0; i < page.n; i++)
        kv_del(c->batch, page.rows[i].key);
    *more = page.more;
    return 0;
}

/* The chunk as stored, "" when it is not. */
static int chunk_get(struct commit *c, const struct scratch_op *o, uint64_t chunk, struct buf *v)
{
    struct key k = key_chunk(o->ino, chunk);
    int rc = kv_get(c->st->kv, NULL, o->coll.tenant, key_slice(&k), v);
    if (rc == 0 && v->n > CHUNK_BYTES)
        return err_set(ERR_CORRUPT, "a damaged chunk of a scratch file");
    return rc == -ERR_NOTFOUND ? 0 : rc;
}

/* Puts bytes [lo, hi) of a chunk; old is what it held. */
static void chunk_put(struct commit *c, const struct scratch_op *o, uint64_t chunk, size_t lo,
                      size_t hi, const char *p, struct slice old)
{
    char mem[CHUNK_BYTES];
    struct slice v = slice_of(p, hi - lo);
    if (lo > 0 || old.n > hi) {
        size_t n = old.n > hi ? old.n : hi;
        memset(mem, 0, n);
        if (old.n)
            memcpy(mem, old.p, old.n);
        memcpy(mem + lo, p, hi - lo);
        v = slice_of(mem, n);
    }
    commit_put(c, o->coll.tenant, key_chunk(o->ino, chunk), v);
}

static int write_prepare(struct commit_op *op, struct commit *c)
{
    struct scratch_op *o = (struct scratch_op *)op;
    struct commit_type *t;
    struct file_attr old;
    auto_buf head = BUF_INIT, tail = BUF_INIT;
    uint64_t end = o->off + o->n, first = o->off / CHUNK_BYTES, last = (end - 1) / CHUNK_BYTES;
    int rc = op_header(c, o, &old, &t);
    if (rc == 0 && (o->off % CHUNK_BYTES || (first == last && end < old.size)))
        rc = chunk_get(c, o, first, &head);
    if (rc == 0 && last != first && end % CHUNK_BYTES && end < old.size)
        rc = chunk_get(c, o, last, &tail);
    if (rc < 0)
        return rc;
    for (uint64_t i = first; i <= last; i++) {
        size_t lo = i == first ? o->off % CHUNK_BYTES : 0;
        size_t hi = i == last ? (size_t)(end - i * CHUNK_BYTES) : CHUNK_BYTES;
        struct slice before = i == first ? slice_buf(&head) : slice_of(NULL, 0);
        if (i == last && last != first)
            before = slice_buf(&tail);
        chunk_put(c, o, i, lo, hi, o->p + (i * CHUNK_BYTES + lo - o->off), before);
    }
    o->out = old;
    o->out.size = end > old.size ? end : old.size;
    o->out.version = commit_new_version(c);
    o->out.mtime = o->out.ctime = c->now;
    op_put_header(c, o, t, &old);
    return 0;
}

static int check_size(uint64_t off, size_t n)
{
    if (off > SCRATCH_MAX || n > SCRATCH_MAX - off)
        return err_set(ERR_TOOBIG, "a scratch file has 1 TiB at most");
    return 0;
}

int store_scratch_write(struct store *st, struct coll c, struct slice name, uint64_t ino,
                        uint64_t off, const void *p, size_t n, struct file_attr *out)
{
    struct scratch_op o = {
        .op = {.prepare = write_prepare, .bytes = n + 512}, .off = off, .p = p, .n = n};
    bool orphan;
    int rc = check_size(off, n);
    if (rc == 0 && n == 0)
        return scratch_header(st, NULL, c, name, ino, out ? out : &o.out, &orphan);
    scratch_op_init(&o, c, name, ino);
    if (rc == 0)
        rc = commit_run(st, &o.op);
    if (rc == 0 && out)
        *out = o.out;
    return rc;
}

/* ---- cutting and growing --------------------------------------------------------------------- */

static int truncate_prepare(struct commit_op *op, struct commit *c)
{
    struct scratch_op *o = (struct scratch_op *)op;
    struct commit_type *t;
    struct file_attr old;
    auto_buf edge = BUF_INIT;
    uint64_t chunk = o->off / CHUNK_BYTES;
    size_t keep = o->off % CHUNK_BYTES;
    o->again = false;
    int rc = op_header(c, o, &old, &t);
    bool cut = rc == 0 && o->off < old.size;
    if (cut && keep)
        rc = chunk_get(c, o, chunk, &edge);
    if (rc == 0 && cut)
        rc = scratch_del_chunks(c, o->coll.tenant, o->ino, keep ? chunk + 1 : chunk, &o->again);
    if (rc < 0)
        return rc;
    if (edge.n > keep)
        commit_put(c, o->coll.tenant, key_chunk(o->ino, chunk), slice_of(edge.p, keep));
    o->out = old;
    if (!o->again) /* else the size stays, so that the rest is still known to be there */
        o->out.size = o->off;
    o->out.version = commit_new_version(c);
    o->out.mtime = o->out.ctime = c->now;
    op_put_header(c, o, t, &old);
    return 0;
}

int store_scratch_truncate(struct store *st, struct coll c, struct slice name, uint64_t ino,
                           uint64_t size, struct file_attr *out)
{
    int rc = check_size(size, 0);
    struct scratch_op o = {.again = true};
    while (rc == 0 && o.again) {
        o = (struct scratch_op){.op = {.prepare = truncate_prepare, .bytes = 8192}, .off = size};
        scratch_op_init(&o, c, name, ino);
        rc = commit_run(st, &o.op);
    }
    if (rc == 0 && out)
        *out = o.out;
    return rc;
}

/* ---- orphans --------------------------------------------------------------------------------- */

static int drop_prepare(struct commit_op *op, struct commit *c)
{
    struct scratch_op *o = (struct scratch_op *)op;
    int rc = orphan_header(c->st, NULL, o->coll.tenant, o->ino, &o->out);
    if (rc == 0)
        rc = scratch_del_chunks(c, o->coll.tenant, o->ino, 0, &o->again);
    if (rc == 0 && !o->again)
        commit_del(c, o->coll.tenant, key_orphan(o->ino));
    return rc;
}

int store_orphan_drop(struct store *st, struct coll c, uint64_t ino)
{
    int rc = 0;
    for (bool again = true; rc == 0 && again;) {
        struct scratch_op o = {.op = {.prepare = drop_prepare, .bytes = 8192}};
        scratch_op_init(&o, c, slice_of(NULL, 0), ino);
        rc = commit_run(st, &o.op);
        again = o.again;
    }
    return rc;
}

int scratch_drop_orphans(struct store *st, uint64_t tenant)
{
    auto_kv_page page = KV_PAGE_INIT;
    struct kv_range range = {.prefix = slice_str("o"), .limit = 256, .keys_only = true};
    int rc = kv_scan(st->kv, NULL, tenant, &range, &page);
    while (rc == 0 && page.n) { /* each page is gone when the next one is read */
        for (int i = 0; i < page.n && rc == 0; i++) {
            struct key_parts k;
            if (!key_decode(page.rows[i].key, &k))
                return err_set(ERR_CORRUPT, "a damaged key of a scratch file without a name");
            rc = store_orphan_drop(st, (struct coll){tenant, 0}, k.ino);
            if (rc == -ERR_NOTFOUND)
                rc = 0; /* its last handle was closed meanwhile */
        }
        if (rc == 0)
            rc = kv_scan(st->kv, NULL, tenant, &range, &page);
    }
    return rc;
}
