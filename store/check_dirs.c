/* check_dirs.c - store_check(): the store's own row, the tenants, their types and counters; and
 * rows that belong to nobody. Files are check.c's. See check.h.
 *
 * The catalogue is read from the snapshot, not from memory: what is on disk is what is in question.
 */
#include "store/check.h"

/* ---- one tenant ------------------------------------------------------------------------------ */

static int add_type(struct check *k, void *ctx, const struct key_parts *key,
                    const struct kv_row *row)
{
    struct check_type **types = ctx, *t;
    struct rec_dir d;
    if (rec_dir_get(row->value, &d) < 0 || name_check_dir(key->name) < 0) {
        check_found(k, "type %.*s: %s", (int)key->name.n, key->name.p, err_msg());
        return 0;
    }
    uint32_t id = (uint32_t)d.id;
    HASH_FIND(hh, *types, &id, sizeof id, t);
    if (t) {
        check_found(k, "types %s and %.*s have one number", t->name, (int)key->name.n, key->name.p);
        return 0;
    }
    if (d.ino >= k->meta->ino_high)
        check_found(k, "type %.*s: has a number that was never given out", (int)key->name.n,
                    key->name.p);
    t = calloc(1, sizeof *t);
    if (!t)
        return err_set(ERR_NOMEM, "out of memory");
    t->id = id;
    memcpy(t->name, key->name.p, key->name.n);
    HASH_ADD(hh, *types, id, sizeof t->id, t);
    return 0;
}

static int add_counts(struct check *k, void *ctx, const struct key_parts *key,
                      const struct kv_row *row)
{
    struct check_type **types = ctx, *t;
    uint32_t id = key->type;
    HASH_FIND(hh, *types, &id, sizeof id, t);
    if (!t)
        check_found(k, "counters of type %u, which is not there", id);
    else if (rec_counts_get(row->value, &t->stored) < 0)
        check_found(k, "type %s: %s", t->name, err_msg());
    else
        t->has_counts = true;
    return 0;
}

static void compare_one(struct check *k, const struct check_type *t, const char *what,
                        uint64_t stored, uint64_t counted)
{
    if (stored != counted)
        check_found(k, "type %s: its counters say %llu %s, there are %llu", t->name,
                    (unsigned long long)stored, what, (unsigned long long)counted);
}

static void compare_counts(struct check *k, const struct check_type *t)
{
    if (!t->has_counts) {
        check_found(k, "type %s: its counters are missing", t->name);
        return;
    }
    compare_one(k, t, "entities", t->stored.entities, t->counted.entities);
    compare_one(k, t, "bytes", t->stored.bytes, t->counted.bytes);
    compare_one(k, t, "drafts", t->stored.drafts, t->counted.drafts);
    compare_one(k, t, "scratch files", t->stored.scratch, t->counted.scratch);
    compare_one(k, t, "scratch bytes", t->stored.scratch_bytes, t->counted.scratch_bytes);
}

/* A key of none of the kinds that a tenant has. */
static int check_strays(struct check *k, const char *known)
{
    for (int c = 0; c < 256; c++) {
        char space = (char)c;
        auto_kv_page page = KV_PAGE_INIT;
        struct kv_range range = {.prefix = slice_of(&space, 1), .limit = 1000, .keys_only = true};
        if (c && strchr(known, c))
            continue;
        int rc = kv_scan(k->st->kv, k->snap, k->tenant, &range, &page);
        if (rc < 0)
            return rc;
        if (page.n)
            check_found(k, "%d%s keys that start with byte %d, which no key does", page.n,
                        page.more ? " or more" : "", c);
    }
    return 0;
}

static int load_meta(struct check *k, struct kv_snap *snap)
{
    auto_buf v = BUF_INIT;
    struct key key = key_meta();
    int rc = kv_get(k->st->kv, snap, 0, key_slice(&key), &v);
    return rc < 0 ? rc : rec_meta_get(slice_buf(&v), k->meta);
}

static int check_tenant(struct check *k)
{
    struct check_type *types = NULL, *t, *next;
    int rc = kv_snap_get(k->st->kv, k->tenant, &k->snap);
    if (rc < 0)
        return rc;
    rc = load_meta(k, NULL); /* again: rows of this snapshot may have numbers given out since */
    if (rc == 0)
        rc = check_rows(k, 'c', add_type, &types);
    if (rc == 0)
        rc = check_rows(k, 's', add_counts, &types);
    if (rc == 0)
        rc = check_files(k, types);
    HASH_ITER(hh, types, t, next)
    {
        if (rc == 0)
            compare_counts(k, t);
        HASH_DEL(types, t);
        free(t);
    }
    if (rc == 0)
        rc = check_strays(k, "cshbvxo");
    kv_snap_put(k->st->kv, k->snap);
    k->snap = NULL;
    return rc;
}

/* ---- the store ------------------------------------------------------------------------------- */

struct tenants {
    struct tenant {
        uint64_t id;
        char name[STORE_NAME_MAX + 1];
    } * v;
    size_t n;
};

static int add_tenant(struct check *k, void *ctx, const struct key_parts *key,
                      const struct kv_row *row)
{
    struct tenants *all = ctx;
    struct rec_dir d;
    if (rec_dir_get(row->value, &d) < 0 || name_check_dir(key->name) < 0) {
        check_found(k, "tenant %.*s: %s", (int)key->name.n, key->name.p, err_msg());
        return 0;
    }
    if (d.id >= k->meta->tenant_next || d.ino >= k->meta->ino_high)
        check_found(k, "tenant %.*s: has a number that was never given out", (int)key->name.n,
                    key->name.p);
    struct tenant *v = realloc(all->v, (all->n + 1) * sizeof *v);
    if (!v)
        return err_set(ERR_NOMEM, "out of memory");
    all->v = v;
    v[all->n] = (struct tenant){.id = d.id};
    memcpy(v[all->n++].name, key->name.p, key->name.n);
    return 0;
}

static int by_id(const void *a, const void *b)
{
    const struct tenant *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

/* Rows of a tenant that was removed. */
static int check_removed(struct check *k, uint64_t id)
{
    auto_kv_page page = KV_PAGE_INIT;
    struct kv_range range = {.limit = 1, .keys_only = true};
    int rc = kv_scan(k->st->kv, NULL, id, &range, &page);
    if (rc == 0 && page.n)
        check_found(k, "rows of tenant number %llu, which is not there", (unsigned long long)id);
    return rc;
}

static int check_tenants(struct check *k, struct tenants *all)
{
    uint64_t next = 1, end = k->meta->tenant_next; /* as of the tenants' snapshot */
    if (all->n)
        qsort(all->v, all->n, sizeof *all->v, by_id);
    for (size_t i = 0; i <= all->n; i++) {
        uint64_t id = i < all->n ? all->v[i].id : end;
        for (; next < id; next++) {
            int rc = check_removed(k, next);
            if (rc < 0)
                return rc;
        }
        if (i == all->n)
            break;
        if (next > id)
            check_found(k, "tenant %s: has the number of another", all->v[i].name);
        next = id + 1;
        k->tenant = id;
        k->tenant_name = all->v[i].name;
        int rc = check_tenant(k);
        k->tenant_name = NULL;
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int check_root(struct check *k, struct tenants *all)
{
    int rc = kv_snap_get(k->st->kv, 0, &k->snap);
    if (rc < 0)
        return rc;
    rc = load_meta(k, k->snap);
    if (rc == 0)
        rc = check_rows(k, 't', add_tenant, all);
    if (rc == 0)
        rc = check_strays(k, "mt");
    kv_snap_put(k->st->kv, k->snap);
    k->snap = NULL;
    return rc;
}

int64_t store_check(struct store *st, store_check_fn *fn, void *ctx)
{
    struct rec_meta meta;
    struct tenants all = {NULL, 0};
    struct check k = {.st = st, .fn = fn, .ctx = ctx, .meta = &meta};
    int rc = check_root(&k, &all);
    if (rc == 0)
        rc = check_tenants(&k, &all);
    free(all.v);
    return rc < 0 ? rc : k.findings;
}
