/* dirs_change.c - making, removing, renaming and describing tenants and types.
 *
 * Each is a change of its own in the commit queue ("alone"), so that nothing else is decided
 * against a tree that is about to change. Files in types are not its business, beyond "is it
 * empty?".
 */
#include "store/store_int.h"

struct dir_op {
    struct commit_op op;
    uint64_t parent, to_parent, ino;
    struct slice name, to;
    bool noreplace;
    unsigned mask;
    struct dir_attr values;
    struct cat_dir *dir;    /* the one made, removed, renamed or described */
    struct cat_dir *victim; /* the one replaced */
    struct cat_dir *made;   /* not yet the catalogue's */
    bool nothing;           /* all is as asked already */
    struct dir_attr out;
};

/* ---- rows ------------------------------------------------------------------------------------ */

static void put_dir(struct commit *c, const struct cat_dir *dir, struct slice name,
                    const struct rec_dir *r)
{
    char v[REC_DIR_BYTES];
    rec_dir_put(v, r);
    if (dir->key.type)
        commit_put(c, dir->key.tenant, key_type(name), slice_of(v, sizeof v));
    else
        commit_put(c, 0, key_tenant(name), slice_of(v, sizeof v));
}

static void put_type_counts(struct commit *c, const struct cat_dir *dir,
                            const struct type_counts *n)
{
    char v[REC_COUNTS_BYTES];
    rec_counts_put(v, n);
    commit_put(c, dir->key.tenant, key_counters((uint32_t)dir->key.type), slice_of(v, sizeof v));
}

static void del_dir(struct commit *c, const struct cat_dir *dir)
{
    struct slice name = slice_of(dir->name, dir->name_len);
    if (dir->key.type) {
        commit_del(c, dir->key.tenant, key_type(name));
        commit_del(c, dir->key.tenant, key_counters((uint32_t)dir->key.type));
    } else {
        commit_del(c, 0, key_tenant(name));
    }
}

/* The parent's times, and its next type's number. */
static void put_parent(struct commit *c, const struct cat_dir *parent, uint32_t type_next)
{
    if (parent->key.tenant == 0) {
        c->meta.mtime = c->meta.ctime = c->now;
        c->meta_dirty = true;
        return;
    }
    struct rec_dir r;
    cat_dir_record(parent, &r);
    r.mtime = r.ctime = c->now;
    r.type_next = type_next;
    put_dir(c, parent, slice_of(parent->name, parent->name_len), &r);
}

static void publish_parent(struct commit *c, struct cat_dir *parent)
{
    parent->mtime = parent->ctime = c->now;
    parent->changes++;
}

static int find_parent(struct commit *c, uint64_t ino, struct cat_dir **out)
{
    *out = catalog_by_ino(&c->st->cat, ino);
    if (!*out)
        return err_set(ERR_NOTFOUND, "the directory was removed");
    if ((*out)->key.type)
        return err_set(ERR_PERM, "a type holds entities, not directories");
    return 0;
}

/* ---- mkdir ----------------------------------------------------------------------------------- */

static int mkdir_prepare(struct commit_op *op, struct commit *c)
{
    struct dir_op *o = (struct dir_op *)op;
    struct cat_dir *parent;
    int rc = find_parent(c, o->parent, &parent);
    if (rc < 0)
        return rc;
    if (catalog_child(parent, o->name))
        return err_set(ERR_EXIST, "%.*s is there already", (int)o->name.n, o->name.p);
    bool tenant = parent->key.tenant == 0;
    struct cat_key key = {tenant ? c->meta.tenant_next : parent->key.tenant,
                          tenant ? 0 : parent->type_next};
    struct cat_dir *dir = cat_dir_new(o->name, key, commit_new_ino(c));
    if (!dir)
        return -ERR_NOMEM;
    dir->mode = o->values.mode;
    dir->uid = o->values.uid;
    dir->gid = o->values.gid;
    dir->type_next = 1;
    dir->atime = dir->mtime = dir->ctime = dir->btime = c->now;
    dir->counts.mtime = dir->counts.ctime = c->now;
    o->made = dir;
    struct rec_dir r;
    cat_dir_record(dir, &r);
    put_dir(c, dir, o->name, &r);
    if (tenant)
        c->meta.tenant_next++;
    else
        put_type_counts(c, dir, &dir->counts);
    put_parent(c, parent, parent->type_next + 1);
    return 0;
}

static void mkdir_publish(struct commit_op *op, struct commit *c)
{
    struct dir_op *o = (struct dir_op *)op;
    struct cat_dir *parent = catalog_by_ino(&c->st->cat, o->parent);
    struct cat_dir *dir = steal(&o->made);
    if (dir->key.type)
        parent->type_next++;
    publish_parent(c, parent);
    catalog_add(&c->st->cat, parent, dir);
    cat_dir_attr(dir, &o->out);
}

int store_mkdir(struct store *st, uint64_t parent, struct slice name, uint32_t mode, uint32_t uid,
                uint32_t gid, struct dir_attr *out)
{
    struct dir_op o = {
        .op = {.prepare = mkdir_prepare, .publish = mkdir_publish, .alone = true},
        .parent = parent,
        .name = name,
        .values = {.mode = mode & 07777, .uid = uid, .gid = gid},
    };
    int rc = name_check_dir(name);
    if (rc == 0)
        rc = commit_run(st, &o.op);
    cat_dir_free(o.made); /* still ours only when the commit failed */
    if (rc == 0 && out)
        *out = o.out;
    return rc;
}

/* ---- rmdir ----------------------------------------------------------------------------------- */

/* Nothing with a name in it, and no bytes of files that lost theirs while they were open. */
static int check_empty(struct commit *c, const struct cat_dir *dir)
{
    const struct type_counts *n = &dir->counts;
    if (catalog_children(dir))
        return err_set(ERR_NOTEMPTY, "%s holds %u types", dir->name, catalog_children(dir));
    if (n->entities + n->drafts + n->scratch)
        return err_set(ERR_NOTEMPTY, "%s holds %llu files", dir->name,
                       (unsigned long long)(n->entities + n->drafts + n->scratch));
    if (dir->key.type)
        return 0;
    auto_kv_page page = KV_PAGE_INIT;
    struct kv_range range = {.prefix = slice_str("o"), .limit = 1, .keys_only = true};
    int rc = kv_scan(c->st->kv, NULL, dir->key.tenant, &range, &page);
    if (rc == 0 && page.n)
        rc = err_set(ERR_CONFLICT, "%s holds a file without a name", dir->name);
    return rc;
}

static int rmdir_prepare(struct commit_op *op, struct commit *c)
{
    struct dir_op *o = (struct dir_op *)op;
    struct cat_dir *parent;
    int rc = find_parent(c, o->parent, &parent);
    if (rc < 0)
        return rc;
    o->dir = o->name.n ? catalog_child(parent, o->name) : NULL;
    if (!o->dir)
        return err_set(ERR_NOTFOUND, "%.*s: no such directory", (int)o->name.n, o->name.p);
    rc = check_empty(c, o->dir);
    if (rc < 0)
        return rc;
    del_dir(c, o->dir);
    put_parent(c, parent, parent->type_next);
    return 0;
}

static void rmdir_publish(struct commit_op *op, struct commit *c)
{
    struct dir_op *o = (struct dir_op *)op;
    publish_parent(c, o->dir->parent);
    cat_dir_free(catalog_remove(&c->st->cat, o->dir));
}

/* A tenant without types may still have bytes of unlinked files: away with them, and once more.
 * Without types no new ones come. */
static int drop_tenant_orphans(struct store *st, uint64_t parent, struct slice name)
{
    struct dir_attr attr;
    int rc = store_dir_lookup(st, parent, name, &attr);
    return rc < 0 ? rc : scratch_drop_orphans(st, attr.coll.tenant);
}

int store_rmdir(struct store *st, uint64_t parent, struct slice name)
{
    int rc = 0;
    for (int tries = 0; rc == 0; tries++) {
        struct dir_op o = {
            .op = {.prepare = rmdir_prepare, .publish = rmdir_publish, .alone = true},
            .parent = parent,
            .name = name,
        };
        rc = commit_run(st, &o.op);
        if (rc != -ERR_CONFLICT || tries > 0)
            break;
        rc = drop_tenant_orphans(st, parent, name);
    }
    return rc;
}

/* ---- rename ---------------------------------------------------------------------------------- */

static int rename_dir_prepare(struct commit_op *op, struct commit *c)
{
    struct dir_op *o = (struct dir_op *)op;
    struct cat_dir *parent;
    int rc = find_parent(c, o->parent, &parent);
    if (rc < 0)
        return rc;
    o->dir = catalog_child(parent, o->name);
    o->victim = catalog_child(parent, o->to);
    if (!o->dir)
        return err_set(ERR_NOTFOUND, "%.*s: no such directory", (int)o->name.n, o->name.p);
    if (o->victim && o->noreplace)
        return err_set(ERR_EXIST, "%.*s is there already", (int)o->to.n, o->to.p);
    o->nothing = o->victim == o->dir;
    if (o->nothing)
        return 0;
    if (o->victim && (rc = check_empty(c, o->victim)) < 0)
        return rc;
    if (o->victim)
        del_dir(c, o->victim);
    if (o->dir->key.type) { /* the counters stay where they are: their key is the number */
        struct type_counts n = o->dir->counts;
        n.ctime = c->now;
        commit_del(c, o->dir->key.tenant, key_type(o->name));
        put_type_counts(c, o->dir, &n);
    } else {
        commit_del(c, 0, key_tenant(o->name));
    }
    struct rec_dir r;
    cat_dir_record(o->dir, &r);
    r.ctime = c->now;
    put_dir(c, o->dir, o->to, &r);
    put_parent(c, parent, parent->type_next);
    return 0;
}

static void rename_dir_publish(struct commit_op *op, struct commit *c)
{
    struct dir_op *o = (struct dir_op *)op;
    if (o->nothing)
        return;
    struct cat_dir *parent = o->dir->parent;
    if (o->victim)
        cat_dir_free(catalog_remove(&c->st->cat, o->victim));
    catalog_remove(&c->st->cat, o->dir);
    memset(o->dir->name, 0, sizeof o->dir->name);
    memcpy(o->dir->name, o->to.p, o->to.n);
    o->dir->name_len = o->to.n;
    o->dir->ctime = o->dir->counts.ctime = c->now;
    catalog_add(&c->st->cat, parent, o->dir);
    publish_parent(c, parent);
}

int store_rename_dir(struct store *st, uint64_t parent, struct slice from, uint64_t to_parent,
                     struct slice to, bool noreplace)
{
    int rc = name_check_dir(from);
    if (rc == 0)
        rc = name_check_dir(to);
    if (rc == 0 && parent != to_parent)
        rc = err_set(ERR_XDEV, "a type stays in its tenant: its entities can be moved");
    for (int tries = 0; rc == 0; tries++) {
        struct dir_op o = {
            .op = {.prepare = rename_dir_prepare, .publish = rename_dir_publish, .alone = true},
            .parent = parent,
            .name = from,
            .to = to,
            .noreplace = noreplace,
        };
        rc = commit_run(st, &o.op);
        if (rc != -ERR_CONFLICT || tries > 0)
            break;
        rc = drop_tenant_orphans(st, parent, to);
    }
    return rc;
}

/* ---- mode, owner, times ---------------------------------------------------------------------- */

static int setattr_prepare(struct commit_op *op, struct commit *c)
{
    struct dir_op *o = (struct dir_op *)op;
    struct cat_dir *dir = o->dir = catalog_by_ino(&c->st->cat, o->ino);
    if (!dir)
        return err_set(ERR_NOTFOUND, "the directory was removed");
    const struct dir_attr *v = &o->values;
    cat_dir_attr(dir, &o->out);
    o->out.ctime = c->now;
    o->out.mode = o->mask & ATTR_MODE ? v->mode & 07777 : o->out.mode;
    o->out.uid = o->mask & ATTR_UID ? v->uid : o->out.uid;
    o->out.gid = o->mask & ATTR_GID ? v->gid : o->out.gid;
    o->out.atime = o->mask & ATTR_ATIME ? v->atime : o->out.atime;
    o->out.mtime = o->mask & ATTR_MTIME ? v->mtime : o->out.mtime;
    const struct dir_attr *a = &o->out;
    if (dir->key.tenant == 0) {
        struct rec_meta *m = &c->meta;
        m->mode = a->mode;
        m->uid = a->uid;
        m->gid = a->gid;
        m->atime = a->atime;
        m->mtime = a->mtime;
        m->ctime = a->ctime;
        c->meta_dirty = true;
        return 0;
    }
    struct rec_dir r;
    cat_dir_record(dir, &r);
    r.mode = a->mode;
    r.uid = a->uid;
    r.gid = a->gid;
    r.atime = a->atime;
    r.mtime = a->mtime;
    r.ctime = a->ctime;
    put_dir(c, dir, slice_of(dir->name, dir->name_len), &r);
    if (dir->key.type) {
        struct type_counts n = dir->counts;
        n.mtime = a->mtime;
        n.ctime = a->ctime;
        put_type_counts(c, dir, &n);
    }
    return 0;
}

static void setattr_publish(struct commit_op *op, struct commit *c)
{
    (void)c;
    struct dir_op *o = (struct dir_op *)op;
    struct cat_dir *dir = o->dir;
    const struct dir_attr *a = &o->out;
    dir->mode = a->mode;
    dir->uid = a->uid;
    dir->gid = a->gid;
    dir->atime = a->atime;
    dir->mtime = dir->counts.mtime = a->mtime;
    dir->ctime = dir->counts.ctime = a->ctime;
}

int store_dir_setattr(struct store *st, uint64_t ino, const struct dir_attr *values, unsigned mask,
                      struct dir_attr *out)
{
    struct dir_op o = {
        .op = {.prepare = setattr_prepare, .publish = setattr_publish, .alone = true},
        .ino = ino,
        .values = *values,
        .mask = mask,
    };
    int rc = commit_run(st, &o.op);
    if (rc == 0 && out)
        *out = o.out;
    return rc;
}
