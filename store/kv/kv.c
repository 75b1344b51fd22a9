/* kv.c - the part of the key-value interface that is the same for every engine: URLs, batches, the
 * memory of pages, limits. See kv.h; an engine is a struct kv_ops (kv_engine.h).
 *
 * Holds no lock and keeps no state of its own; it may not know what an engine is made of.
 */
#include "store/kv/kv_engine.h"
#include "store/base/err.h"

static const struct kv_ops *const engines[] = {&kv_leveldb_ops, &kv_mem_ops};

int kv_open(const char *url, const struct kv_options *opt, struct kv **out)
{
    static const struct kv_options defaults = {.create = true};
    *out = NULL;
    for (size_t i = 0; i < sizeof engines / sizeof engines[0]; i++) {
        size_t n = strlen(engines[i]->scheme);
        if (strncmp(url, engines[i]->scheme, n) == 0 && url[n] == ':')
            return engines[i]->open(url + n + 1, opt ? opt : &defaults, out);
    }
    return err_set(ERR_INVAL, "%s: no such kind of store (leveldb:DIRECTORY or mem:)", url);
}

void kv_close(struct kv *kv)
{
    if (kv)
        kv->ops->close(kv);
}

/* ---- keys ---- */

struct slice kv_key_full(char *out, uint64_t tenant, struct slice key)
{
    put_be64(out, tenant);
    if (key.n)
        memcpy(out + KV_TENANT_BYTES, key.p, key.n);
    return slice_of(out, KV_TENANT_BYTES + key.n);
}

struct slice kv_key_seek(char *out, uint64_t tenant, const struct kv_range *range)
{
    if (range->after.n == 0 || slice_cmp(range->after, range->prefix) < 0)
        return kv_key_full(out, tenant, range->prefix);
    struct slice k = kv_key_full(out, tenant, range->after);
    out[k.n] = '\0'; /* the least key that is greater */
    return slice_of(out, k.n + 1);
}

static bool key_legal(const struct kv *kv, struct slice key)
{
    return key.n > 0 && key.n <= kv->limits.max_key;
}

/* ---- reads ---- */

int kv_get(struct kv *kv, struct kv_snap *snap, uint64_t tenant, struct slice key, struct buf *v)
{
    if (!key_legal(kv, key))
        return err_set(ERR_NOTFOUND, "no such key");
    return kv->ops->get(kv, snap, tenant, key, v);
}

int kv_mget(struct kv *kv, struct kv_snap *snap, uint64_t tenant, const struct slice *keys, int n,
            struct buf *v, bool *found)
{
    for (int i = 0; i < n; i++) {
        if (!key_legal(kv, keys[i]))
            return err_set(ERR_INVAL, "a key of %zu bytes (1 to %zu)", keys[i].n,
                           kv->limits.max_key);
        found[i] = false;
    }
    return n > 0 ? kv->ops->mget(kv, snap, tenant, keys, n, v, found) : 0;
}

int kv_scan(struct kv *kv, struct kv_snap *snap, uint64_t tenant, const struct kv_range *range,
            struct kv_page *page)
{
    page->n = 0;
    page->more = false;
    buf_clear(&page->mem);
    if (range->limit <= 0)
        return err_set(ERR_INVAL, "a page of %d rows", range->limit);
    if (range->after.n > kv->limits.max_key + KV_CURSOR_SLACK)
        return err_set(ERR_INVAL, "a cursor of %zu bytes", range->after.n);
    if (range->prefix.n > kv->limits.max_key)
        return 0;
    struct kv_range r = *range;
    if (r.max_bytes == 0)
        r.max_bytes = KV_PAGE_BYTES;
    int rc = kv->ops->scan(kv, snap, tenant, &r, page);
    if (rc < 0) {
        page->n = 0;
        page->more = false;
        return rc;
    }
    for (int i = 0; i < page->n; i++) { /* offsets become pointers, now that nothing moves */
        struct kv_row *row = &page->rows[i];
        row->key.p = page->mem.p + (uintptr_t)row->key.p;
        row->value.p = page->mem.p + (uintptr_t)row->value.p;
    }
    return 0;
}

int kv_snap_get(struct kv *kv, uint64_t tenant, struct kv_snap **out)
{
    *out = NULL;
    return kv->ops->snap_get(kv, tenant, out);
}

void kv_snap_put(struct kv *kv, struct kv_snap *snap)
{
    if (snap)
        kv->ops->snap_put(kv, snap);
}

/* ---- pages ---- */

static int page_grow(struct kv_page *page, const struct kv_range *range)
{
    int cap = page->cap ? page->cap * 2 : (range->limit < 64 ? range->limit : 64);
    struct kv_row *rows = realloc(page->rows, (size_t)cap * sizeof *rows);
    if (!rows)
        return err_set(ERR_NOMEM, "out of memory for a page of %d rows", cap);
    page->rows = rows;
    page->cap = cap;
    return 0;
}

int kv_page_add(struct kv_page *page, const struct kv_range *range, struct slice full,
                struct slice value)
{
    struct slice key = kv_key_bare(full);
    size_t vlen = range->keys_only ? 0 : value.n;
    if (page->n == page->cap) {
        int rc = page_grow(page, range);
        if (rc < 0)
            return rc;
    }
    if (page->mem.cap - page->mem.n < key.n + vlen) {
        /* The first row reserves for a few dozen more: most pages are full ones. */
        size_t extra = page->mem.cap ? 0 : (size_t)(range->limit < 64 ? range->limit : 64) * 64;
        int rc = buf_reserve(&page->mem, key.n + vlen + extra);
        if (rc < 0)
            return rc;
    }
    struct kv_row *row = &page->rows[page->n++];
    char *p = page->mem.p + page->mem.n;
    memcpy(p, key.p, key.n);
    if (vlen)
        memcpy(p + key.n, value.p, vlen);
    row->key = slice_of((char *)(uintptr_t)page->mem.n, key.n);
    row->value = slice_of((char *)(uintptr_t)(page->mem.n + key.n), vlen);
    page->mem.n += key.n + vlen;
    return page->n >= range->limit || page->mem.n > range->max_bytes;
}

void kv_page_free(struct kv_page *page)
{
    free(page->rows);
    buf_free(&page->mem);
    *page = (struct kv_page)KV_PAGE_INIT;
}

/* ---- batches ---- */

struct kv_batch *kv_batch_new(uint64_t tenant)
{
    struct kv_batch *b = calloc(1, sizeof *b);
    if (b)
        kv_batch_clear(b, tenant);
    return b;
}

void kv_batch_free(struct kv_batch *b)
{
    if (!b)
        return;
    free(b->writes.v);
    free(b->expects.v);
    buf_free(&b->mem);
    free(b);
}

void kv_batch_clear(struct kv_batch *b, uint64_t tenant)
{
    b->tenant = tenant;
    b->many_tenants = false;
    buf_clear(&b->mem);
    b->writes.n = b->expects.n = 0;
    b->seq = 0;
    b->sorted = true;
    b->rc = 0;
    b->msg[0] = '\0';
}

void kv_batch_tenant(struct kv_batch *b, uint64_t tenant)
{
    if (tenant != b->tenant && (b->writes.n || b->expects.n))
        b->many_tenants = true;
    b->tenant = tenant;
}

static void batch_fail(struct kv_batch *b, int rc)
{
    b->rc = rc;
    snprintf(b->msg, sizeof b->msg, "%s", err_msg());
}

static int batch_check(const struct kv_batch *b, size_t klen, size_t vlen)
{
    if (klen == 0)
        return err_set(ERR_INVAL, "an empty key");
    if (klen > KV_MAX_KEY)
        return err_set(ERR_TOOBIG, "a key of %zu bytes (%d at most)", klen, KV_MAX_KEY);
    if (vlen > KV_MAX_VALUE)
        return err_set(ERR_TOOBIG, "a value of %zu bytes (%zu at most)", vlen, KV_MAX_VALUE);
    if (b->mem.n + KV_TENANT_BYTES + klen + vlen > KV_MAX_BATCH)
        return err_set(ERR_TOOBIG, "a batch of more than %zu bytes", KV_MAX_BATCH);
    return 0;
}

static int oplist_reserve(struct kv_oplist *l)
{
    if (l->n < l->cap)
        return 0;
    int cap = l->cap ? l->cap * 2 : 16;
    struct kv_op *v = realloc(l->v, (size_t)cap * sizeof *v);
    if (!v)
        return err_set(ERR_NOMEM, "out of memory for a batch of %d operations", cap);
    l->v = v;
    l->cap = cap;
    return 0;
}

static void batch_add(struct kv_batch *b, struct kv_oplist *l, enum kv_op_kind kind,
                      struct slice key, struct slice value)
{
    if (b->rc < 0)
        return;
    int rc = batch_check(b, key.n, value.n);
    if (rc == 0)
        rc = oplist_reserve(l);
    if (rc == 0)
        rc = buf_reserve(&b->mem, KV_TENANT_BYTES + key.n + value.n);
    if (rc < 0) {
        batch_fail(b, rc);
        return;
    }
    struct kv_op *op = &l->v[l->n];
    *op = (struct kv_op){.off = b->mem.n,
                         .klen = (uint32_t)(KV_TENANT_BYTES + key.n),
                         .vlen = (uint32_t)value.n,
                         .seq = b->seq++,
                         .kind = kind};
    char *p = b->mem.p + b->mem.n;
    put_be64(p, b->tenant);
    memcpy(p + KV_TENANT_BYTES, key.p, key.n);
    if (value.n)
        memcpy(p + op->klen, value.p, value.n);
    b->mem.n += op->klen + value.n;
    if (l == &b->writes && l->n > 0 && b->sorted)
        b->sorted = slice_cmp(kv_op_key(b, op - 1), kv_op_key(b, op)) < 0;
    l->n++;
}

void kv_put(struct kv_batch *b, struct slice key, struct slice value)
{
    batch_add(b, &b->writes, KV_OP_PUT, key, value);
}

void kv_del(struct kv_batch *b, struct slice key)
{
    batch_add(b, &b->writes, KV_OP_DEL, key, slice_of(NULL, 0));
}

void kv_expect(struct kv_batch *b, struct slice key, const struct slice *value)
{
    batch_add(b, &b->expects, value ? KV_OP_EXPECT_VALUE : KV_OP_EXPECT_ABSENT, key,
              value ? *value : slice_of(NULL, 0));
}

size_t kv_batch_bytes(const struct kv_batch *b)
{
    return b->mem.n;
}

int kv_batch_count(const struct kv_batch *b)
{
    return b->writes.n;
}

static int op_order(const void *a, const void *b, void *batch)
{
    const struct kv_op *x = a, *y = b;
    int c = slice_cmp(kv_op_key(batch, x), kv_op_key(batch, y));
    return c ? c : (x->seq > y->seq) - (x->seq < y->seq);
}

/* Sorted by key, and of equal keys only the last to arrive. */
static void batch_seal(struct kv_batch *b)
{
    if (b->sorted)
        return;
    struct kv_oplist *l = &b->writes;
    qsort_r(l->v, (size_t)l->n, sizeof *l->v, op_order, b);
    int n = 0;
    for (int i = 0; i < l->n; i++) {
        if (i + 1 < l->n && slice_eq(kv_op_key(b, &l->v[i]), kv_op_key(b, &l->v[i + 1])))
            continue;
        l->v[n++] = l->v[i];
    }
    l->n = n;
    b->sorted = true;
}

const struct kv_op *kv_batch_find(const struct kv_batch *b, struct slice full)
{
    int lo = 0, hi = b->writes.n;
    while (lo < hi) {
        int mid = lo + (hi - lo) / 2;
        int c = slice_cmp(kv_op_key(b, &b->writes.v[mid]), full);
        if (c == 0)
            return &b->writes.v[mid];
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

int kv_op_conflict(const struct kv_batch *b, const struct kv_op *op)
{
    char hex[2 * 24 + 1];
    struct slice key = kv_op_key(b, op);
    size_t n = key.n < 24 ? key.n : 24;
    for (size_t i = 0; i < n; i++)
        snprintf(hex + 2 * i, 3, "%02x", (unsigned char)key.p[i]);
    return err_set(ERR_CONFLICT, "key %s%s is not %s", hex, n < key.n ? "…" : "",
                   op->kind == KV_OP_EXPECT_ABSENT ? "absent" : "as it was read");
}

int kv_commit(struct kv *kv, struct kv_batch *b, bool sync)
{
    if (kv->read_only)
        return err_set(ERR_ROFS, "the store is open for reading only");
    if (b->rc < 0) {
        err_restore(b->msg);
        return b->rc;
    }
    if (b->many_tenants && !kv->limits.multi_tenant_batch)
        return err_set(ERR_XDEV, "one batch cannot span tenants here");
    batch_seal(b);
    return kv->ops->commit(kv, b, sync);
}

int kv_resolve(struct kv *kv, struct kv_batch *b)
{
    if (!kv->ops->resolve)
        return err_set(ERR_UNSUPPORTED, "the outcome of a commit is always known here");
    return kv->ops->resolve(kv, b);
}

/* ---- the rest ---- */

int kv_sync(struct kv *kv)
{
    return kv->read_only ? 0 : kv->ops->sync(kv);
}

int kv_watch(struct kv *kv, kv_change_fn *fn, void *ctx)
{
    return kv->ops->watch ? kv->ops->watch(kv, fn, ctx) : 0;
}

int64_t kv_lease_ms(struct kv *kv)
{
    return kv->ops->lease_ms ? kv->ops->lease_ms(kv) : INT64_MAX;
}

const struct kv_limits *kv_caps(const struct kv *kv)
{
    return &kv->limits;
}

int kv_compact(struct kv *kv)
{
    return kv->ops->compact(kv);
}

int kv_usage(struct kv *kv, uint64_t *bytes, struct buf *text)
{
    *bytes = 0;
    return kv->ops->usage(kv, bytes, text);
}
