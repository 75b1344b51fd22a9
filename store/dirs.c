/* dirs.c - looking at tenants and types: by name, by number, listed, counted.
 *
 * Copies what is asked for out of the catalogue under its lock; never writes (dirs_change.c does),
 * and never calls the engine.
 */
#include "store/store_int.h"

int store_root_attr(struct store *st, struct dir_attr *out)
{
    with_rdlock(&st->cat.lock);
    cat_dir_attr(st->cat.root, out);
    return 0;
}

int store_dir_lookup(struct store *st, uint64_t parent, struct slice name, struct dir_attr *out)
{
    with_rdlock(&st->cat.lock);
    struct cat_dir *p = catalog_by_ino(&st->cat, parent);
    struct cat_dir *dir = p && name.n ? catalog_child(p, name) : NULL;
    if (!dir)
        return err_set(ERR_NOTFOUND, "%.*s: no such directory", (int)name.n, name.p);
    cat_dir_attr(dir, out);
    return 0;
}

int store_dir_by_ino(struct store *st, uint64_t ino, struct dir_attr *out)
{
    with_rdlock(&st->cat.lock);
    struct cat_dir *dir = catalog_by_ino(&st->cat, ino);
    if (!dir)
        return err_set(ERR_NOTFOUND, "the directory was removed");
    cat_dir_attr(dir, out);
    return 0;
}

int store_coll_attr(struct store *st, struct coll c, struct dir_attr *out)
{
    with_rdlock(&st->cat.lock);
    struct cat_dir *dir = catalog_by_coll(&st->cat, c);
    if (!dir)
        return err_set(ERR_NOTFOUND, "the directory was removed");
    cat_dir_attr(dir, out);
    return 0;
}

int coll_check(struct store *st, struct coll c)
{
    with_rdlock(&st->cat.lock);
    return c.type && catalog_by_coll(&st->cat, c)
               ? 0
               : err_set(ERR_NOTFOUND, "the directory was removed");
}

/* ---- listing --------------------------------------------------------------------------------- */

struct dir_copies {
    struct dir_attr *v;
    size_t n;
};

static int by_ino(const void *a, const void *b)
{
    const struct dir_attr *x = a, *y = b;
    return (x->ino > y->ino) - (x->ino < y->ino);
}

static int copy_children(struct store *st, uint64_t ino, uint64_t cookie, struct dir_copies *out)
{
    with_rdlock(&st->cat.lock);
    struct cat_dir *dir = catalog_by_ino(&st->cat, ino);
    if (!dir)
        return err_set(ERR_NOTFOUND, "the directory was removed");
    out->v = malloc((catalog_children(dir) + 1) * sizeof *out->v);
    if (!out->v)
        return err_set(ERR_NOMEM, "out of memory");
    for (struct cat_dir *c = dir->children; c; c = c->hh_name.next)
        if (c->ino > cookie)
            cat_dir_attr(c, &out->v[out->n++]);
    return 0;
}

int store_dir_list(struct store *st, uint64_t ino, uint64_t cookie, dir_list_fn *fn, void *ctx)
{
    struct dir_copies all = {NULL, 0};
    int rc = copy_children(st, ino, cookie, &all);
    auto_free struct dir_attr *v = all.v;
    if (rc < 0)
        return rc;
    qsort(v, all.n, sizeof *v, by_ino);
    for (size_t i = 0; i < all.n && rc == 0; i++)
        rc = fn(ctx, &v[i]);
    return rc;
}

/* ---- counting -------------------------------------------------------------------------------- */

static void counts_add(struct store_counts *out, const struct cat_dir *type)
{
    const struct type_counts *n = &type->counts;
    out->types++;
    out->entities += n->entities;
    out->bytes += n->bytes;
    out->drafts += n->drafts;
    out->scratch += n->scratch;
    out->scratch_bytes += n->scratch_bytes;
}

static void counts_add_tenant(struct store_counts *out, const struct cat_dir *tenant)
{
    out->tenants++;
    for (const struct cat_dir *t = tenant->children; t; t = t->hh_name.next)
        counts_add(out, t);
}

int store_counts(struct store *st, struct coll c, struct store_counts *out)
{
    *out = (struct store_counts){0};
    with_rdlock(&st->cat.lock);
    struct cat_dir *dir = catalog_by_coll(&st->cat, c);
    if (!dir)
        return err_set(ERR_NOTFOUND, "the directory was removed");
    if (c.type) {
        counts_add(out, dir);
        out->tenants = 1;
    } else if (c.tenant) {
        counts_add_tenant(out, dir);
    } else {
        for (const struct cat_dir *t = dir->children; t; t = t->hh_name.next)
            counts_add_tenant(out, t);
    }
    return 0;
}

int ent_count(struct store *st, struct coll c, uint64_t *entities)
{
    struct store_counts n;
    int rc = store_counts(st, c, &n);
    *entities = n.entities;
    return rc;
}

/* ---- names ----------------------------------------------------------------------------------- */

int ent_type_by_name(struct store *st, uint64_t tenant, struct slice name, uint32_t *type)
{
    with_rdlock(&st->cat.lock);
    struct cat_dir *t = tenant ? catalog_by_coll(&st->cat, (struct coll){tenant, 0}) : NULL;
    struct cat_dir *dir = t && name.n ? catalog_child(t, name) : NULL;
    if (!dir)
        return err_set(ERR_NOTFOUND, "%.*s: no such type", (int)name.n, name.p);
    *type = (uint32_t)dir->key.type;
    return 0;
}

void ent_type_name(struct store *st, struct coll c, char out[STORE_NAME_MAX + 1])
{
    with_rdlock(&st->cat.lock);
    struct cat_dir *dir = catalog_by_coll(&st->cat, c);
    out[0] = '\0';
    if (dir)
        memcpy(out, dir->name, sizeof dir->name);
}

void ent_tenant_name(struct store *st, uint64_t tenant, char out[STORE_NAME_MAX + 1])
{
    ent_type_name(st, (struct coll){tenant, 0}, out);
}
