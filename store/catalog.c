/* catalog.c - the tree of tenants and types in memory; see catalog.h.
 *
 * Reads the engine at open only, and never writes it: changes are dirs_change.c's, through the
 * commit queue.
 */
#include "store/catalog.h"
#include "store/key.h"
#include "store/kv/kv.h"

struct cat_dir *catalog_by_ino(struct catalog *cat, uint64_t ino)
{
    struct cat_dir *dir;
    HASH_FIND(hh_ino, cat->by_ino, &ino, sizeof ino, dir);
    return dir;
}

struct cat_dir *catalog_by_coll(struct catalog *cat, struct coll c)
{
    struct cat_key key = {c.tenant, c.type};
    struct cat_dir *dir;
    HASH_FIND(hh_key, cat->by_key, &key, sizeof key, dir);
    return dir;
}

struct cat_dir *catalog_child(struct cat_dir *parent, struct slice name)
{
    struct cat_dir *dir;
    HASH_FIND(hh_name, parent->children, name.p, name.n, dir);
    return dir;
}

unsigned catalog_children(const struct cat_dir *dir)
{
    return HASH_CNT(hh_name, dir->children);
}

void catalog_add(struct catalog *cat, struct cat_dir *parent, struct cat_dir *dir)
{
    dir->parent = parent;
    HASH_ADD(hh_ino, cat->by_ino, ino, sizeof dir->ino, dir);
    HASH_ADD(hh_key, cat->by_key, key, sizeof dir->key, dir);
    if (parent)
        HASH_ADD_KEYPTR(hh_name, parent->children, dir->name, dir->name_len, dir);
}

struct cat_dir *catalog_remove(struct catalog *cat, struct cat_dir *dir)
{
    HASH_DELETE(hh_ino, cat->by_ino, dir);
    HASH_DELETE(hh_key, cat->by_key, dir);
    if (dir->parent)
        HASH_DELETE(hh_name, dir->parent->children, dir);
    dir->parent = NULL;
    return dir;
}

struct cat_dir *cat_dir_new(struct slice name, struct cat_key key, uint64_t ino)
{
    struct cat_dir *dir = calloc(1, sizeof *dir);
    if (!dir) {
        err_set(ERR_NOMEM, "out of memory");
        return NULL;
    }
    dir->key = key;
    dir->ino = ino;
    dir->name_len = name.n < STORE_NAME_MAX ? name.n : STORE_NAME_MAX;
    if (name.n)
        memcpy(dir->name, name.p, dir->name_len);
    return dir;
}

void cat_dir_free(struct cat_dir *dir)
{
    if (!dir)
        return;
    name_set_free(dir->names);
    free(dir);
}

void cat_dir_attr(const struct cat_dir *dir, struct dir_attr *out)
{
    bool type = dir->key.type != 0;
    *out = (struct dir_attr){
        .ino = dir->ino,
        .coll = cat_coll(dir),
        .mode = dir->mode,
        .uid = dir->uid,
        .gid = dir->gid,
        .atime = dir->atime,
        .mtime = type ? dir->counts.mtime : dir->mtime,
        .ctime = type ? dir->counts.ctime : dir->ctime,
        .btime = dir->btime,
        .children = catalog_children(dir),
        .changes = dir->changes,
    };
    memcpy(out->name, dir->name, sizeof out->name);
}

void cat_dir_record(const struct cat_dir *dir, struct rec_dir *out)
{
    *out = (struct rec_dir){
        .id = dir->key.type ? dir->key.type : dir->key.tenant,
        .ino = dir->ino,
        .mode = dir->mode,
        .uid = dir->uid,
        .gid = dir->gid,
        .type_next = dir->type_next,
        .atime = dir->atime,
        .mtime = dir->mtime,
        .ctime = dir->ctime,
        .btime = dir->btime,
    };
}

/* ---- reading it all at open ------------------------------------------------------------------ */

static struct cat_dir *dir_from_row(struct slice name, const struct rec_dir *r, uint64_t tenant)
{
    struct cat_key key = {tenant ? tenant : r->id, tenant ? r->id : 0};
    struct cat_dir *dir = cat_dir_new(name, key, r->ino);
    if (!dir)
        return NULL;
    dir->mode = r->mode;
    dir->uid = r->uid;
    dir->gid = r->gid;
    dir->type_next = r->type_next;
    dir->atime = r->atime;
    dir->mtime = r->mtime;
    dir->ctime = r->ctime;
    dir->btime = r->btime;
    return dir;
}

static int load_counts(struct kv *kv, struct cat_dir *dir)
{
    auto_buf v = BUF_INIT;
    struct key k = key_counters((uint32_t)dir->key.type);
    int rc = kv_get(kv, NULL, dir->key.tenant, key_slice(&k), &v);
    return rc < 0 ? rc : rec_counts_get(slice_buf(&v), &dir->counts);
}

/* One row ('t' in tenant 0, 'c' in another) into the catalogue. */
static int load_row(struct catalog *cat, struct kv *kv, struct cat_dir *parent,
                    const struct kv_row *row)
{
    struct key_parts k;
    struct rec_dir r;
    if (!key_decode(row->key, &k))
        return err_set(ERR_CORRUPT, "a directory's key is damaged");
    int rc = rec_dir_get(row->value, &r);
    if (rc < 0)
        return err_wrap(rc, "%.*s", (int)k.name.n, k.name.p);
    struct cat_dir *dir = dir_from_row(k.name, &r, parent->key.tenant);
    if (!dir)
        return -ERR_NOMEM;
    if (catalog_by_ino(cat, dir->ino) || catalog_by_coll(cat, cat_coll(dir))) {
        cat_dir_free(dir);
        return err_set(ERR_CORRUPT, "%.*s: its number belongs to another directory too",
                       (int)k.name.n, k.name.p);
    }
    rc = dir->key.type ? load_counts(kv, dir) : 0;
    catalog_add(cat, parent, dir);
    return err_wrap(rc, "%s: its counters", dir->name);
}

static int load_children(struct catalog *cat, struct kv *kv, struct cat_dir *parent)
{
    auto_kv_page page = KV_PAGE_INIT;
    struct key last = {.n = 0};
    char space = parent->key.tenant ? 'c' : 't';
    do {
        struct kv_range range = {
            .prefix = slice_of(&space, 1), .after = key_slice(&last), .limit = 1000};
        int rc = kv_scan(kv, NULL, parent->key.tenant, &range, &page);
        for (int i = 0; i < page.n && rc == 0; i++)
            rc = load_row(cat, kv, parent, &page.rows[i]);
        if (rc < 0)
            return rc;
        if (page.n) {
            struct slice k = page.rows[page.n - 1].key;
            last.n = k.n;
            memcpy(last.p, k.p, k.n); /* key_decode() has checked its length */
        }
    } while (page.more);
    return 0;
}

int catalog_load(struct catalog *cat, struct kv *kv, const struct rec_meta *m)
{
    *cat = (struct catalog){0};
    pthread_rwlock_init(&cat->lock, NULL);
    struct cat_dir *root = cat_dir_new(slice_of(NULL, 0), (struct cat_key){0, 0}, STORE_INO_ROOT);
    if (!root)
        return -ERR_NOMEM;
    root->mode = m->mode;
    root->uid = m->uid;
    root->gid = m->gid;
    root->atime = m->atime;
    root->mtime = m->mtime;
    root->ctime = m->ctime;
    root->btime = m->btime;
    catalog_add(cat, NULL, cat->root = root);
    int rc = load_children(cat, kv, root);
    for (struct cat_dir *t = root->children; t && rc == 0; t = t->hh_name.next)
        rc = err_wrap(load_children(cat, kv, t), "tenant %s", t->name);
    return rc;
}

void catalog_free(struct catalog *cat)
{
    if (!cat->root)
        return;
    struct cat_dir *dir, *next;
    HASH_ITER(hh_name, cat->root->children, dir, next)
    {
        HASH_CLEAR(hh_name, dir->children);
    }
    HASH_CLEAR(hh_name, cat->root->children);
    HASH_CLEAR(hh_key, cat->by_key);
    HASH_ITER(hh_ino, cat->by_ino, dir, next)
    {
        HASH_DELETE(hh_ino, cat->by_ino, dir);
        cat_dir_free(dir);
    }
    cat->root = NULL;
    pthread_rwlock_destroy(&cat->lock);
}
