/* entity.c - files in a type: looked up, made, described, removed, read, listed; and the rows of a
 * new version of an entity.
 *
 * What a text has to be is decided elsewhere (text.c, insert.c: validation); the bytes of scratch
 * files are scratch.c's, moving is rename.c's.
 */
#include "store/store_int.h"
#include "store/embed.h"
#include "store/json.h"

/* ---- looking --------------------------------------------------------------------------------- */

int file_header(struct store *st, struct kv_snap *snap, struct coll c, struct slice name,
                struct file_attr *a)
{
    auto_buf v = BUF_INIT;
    struct key k = key_header(c.type, name);
    int rc = kv_get(st->kv, snap, c.tenant, key_slice(&k), &v);
    if (rc == -ERR_NOTFOUND)
        return err_set(ERR_NOTFOUND, "%.*s: no such file", (int)name.n, name.p);
    if (rc == 0)
        rc = rec_header_get(slice_buf(&v), a);
    return err_wrap(rc, "%.*s", (int)name.n, name.p);
}

int store_lookup(struct store *st, struct coll c, struct slice name, struct file_attr *out)
{
    enum name_kind kind;
    struct slice id;
    int rc = name_check_file(name, &kind, &id);
    if (rc == 0)
        rc = coll_check(st, c);
    return rc < 0 ? rc : file_header(st, NULL, c, name, out);
}

static int get_scratch(struct store *st, struct coll c, struct slice name, struct buf *text,
                       struct file_attr *attr)
{
    struct kv_snap *snap;
    int rc = kv_snap_get(st->kv, c.tenant, &snap);
    if (rc < 0)
        return rc;
    rc = file_header(st, snap, c, name, attr);
    if (rc == 0)
        rc = scratch_load(st, snap, c.tenant, attr->ino, attr->size, st->opt.entity_max, text);
    kv_snap_put(st->kv, snap);
    return rc;
}

static int get_entity(struct store *st, struct coll c, struct slice name, struct slice id,
                      struct buf *text, struct file_attr *attr)
{
    struct buf v[2] = {BUF_INIT, BUF_INIT};
    bool found[2];
    struct key h = key_header(c.type, name), b = key_body(c.type, id);
    struct slice keys[2] = {key_slice(&h), key_slice(&b)};
    struct rec_body body = {0};
    int rc = kv_mget(st->kv, NULL, c.tenant, keys, 2, v, found);
    if (rc == 0 && !found[0])
        rc = err_set(ERR_NOTFOUND, "no such file");
    if (rc == 0)
        rc = rec_header_get(slice_buf(&v[0]), attr);
    if (rc == 0 && found[1] != (attr->kind == FILE_ENTITY))
        rc = err_set(ERR_CORRUPT, "header and body do not belong together");
    if (rc == 0 && found[1])
        rc = rec_body_get(slice_buf(&v[1]), &body);
    if (rc == 0)
        rc = rec_body_text(&body, text);
    buf_free(&v[0]);
    buf_free(&v[1]);
    return err_wrap(rc, "%.*s", (int)name.n, name.p);
}

int store_get(struct store *st, struct coll c, struct slice name, struct buf *text,
              struct file_attr *attr)
{
    enum name_kind kind;
    struct slice id;
    int rc = name_check_file(name, &kind, &id);
    if (rc == 0)
        rc = coll_check(st, c);
    if (rc < 0)
        return rc;
    return kind == NAME_ENTITY ? get_entity(st, c, name, id, text, attr)
                               : get_scratch(st, c, name, text, attr);
}

/* ---- listing --------------------------------------------------------------------------------- */

static bool same_cookie(struct slice a, struct slice b)
{
    const size_t n = 13; /* 'h', type and hash */
    return a.n >= n && b.n >= n && memcmp(a.p, b.p, n) == 0;
}

/* How many rows of a page may be handed out: a run of equal cookies is not cut, unless it is all
 * there is. */
static int list_cut(const struct kv_page *page)
{
    int n = page->n - 1;
    if (!page->more || page->n == 0)
        return page->n;
    while (n > 0 && same_cookie(page->rows[n - 1].key, page->rows[page->n - 1].key))
        n--;
    return n > 0 ? n : page->n;
}

static int list_rows(const struct kv_page *page, int n, file_list_fn *fn, void *ctx)
{
    for (int i = 0; i < n; i++) {
        struct key_parts k;
        struct file_attr a;
        if (!key_decode(page->rows[i].key, &k))
            return err_set(ERR_CORRUPT, "a file's key is damaged");
        int rc = rec_header_get(page->rows[i].value, &a);
        if (rc < 0)
            return err_wrap(rc, "%.*s", (int)k.name.n, k.name.p);
        rc = fn(ctx, k.name, k.hash, &a);
        if (rc != 0)
            return rc;
    }
    return 0;
}

int store_list(struct store *st, struct coll c, uint64_t cookie, int limit, file_list_fn *fn,
               void *ctx)
{
    auto_kv_page page = KV_PAGE_INIT;
    struct key prefix = key_header_prefix(c.type), after = {.n = 0};
    int rc = coll_check(st, c);
    if (rc < 0)
        return rc;
    if (cookie) { /* past every name with this hash: no key is as short as this one */
        after = prefix;
        put_be64(after.p + after.n, cookie + 1);
        after.n += 8;
    }
    struct kv_range range = {.prefix = key_slice(&prefix),
                             .after = key_slice(&after),
                             .limit = limit < 2 ? 2 : limit,
                             .fill_cache = true};
    rc = kv_scan(st->kv, NULL, c.tenant, &range, &page);
    return rc < 0 ? rc : list_rows(&page, list_cut(&page), fn, ctx);
}

/* ---- making ---------------------------------------------------------------------------------- */

struct file_op {
    struct commit_op op;
    struct coll coll;
    struct slice name, id;
    enum name_kind kind;
    unsigned mask;
    struct file_attr values, out;
    bool keep_orphan;
    bool drop_after; /* its chunks are too many for one batch */
};

static int file_op_init(struct file_op *o, struct coll c, struct slice name)
{
    o->coll = c;
    o->name = name;
    o->op.bytes = 512;
    commit_touch_name(&o->op, c, name);
    return name_check_file(name, &o->kind, &o->id);
}

static int create_prepare(struct commit_op *op, struct commit *c)
{
    struct file_op *o = (struct file_op *)op;
    struct commit_type *t;
    struct file_attr old;
    int rc = commit_type(c, o->coll, &t);
    if (rc < 0)
        return rc;
    rc = file_header(c->st, NULL, o->coll, o->name, &old);
    if (rc != -ERR_NOTFOUND)
        return rc < 0 ? rc : err_set(ERR_EXIST, "%.*s is there already", (int)o->name.n, o->name.p);
    o->out = o->values;
    o->out.kind = o->kind == NAME_ENTITY ? FILE_DRAFT : FILE_SCRATCH;
    o->out.ino = commit_new_ino(c);
    o->out.version = commit_new_version(c);
    o->out.atime = o->out.mtime = o->out.ctime = o->out.btime = c->now;
    commit_put_header(c, t, o->name, &o->out);
    commit_count(t, &o->out, 1);
    commit_names_changed(c, t);
    return 0;
}

int store_create(struct store *st, struct coll c, struct slice name, uint32_t mode, uint32_t uid,
                 uint32_t gid, struct file_attr *out)
{
    struct file_op o = {.op = {.prepare = create_prepare},
                        .values = {.mode = mode & 07777, .uid = uid, .gid = gid}};
    int rc = file_op_init(&o, c, name);
    if (rc == 0)
        rc = commit_run(st, &o.op);
    if (rc == 0 && out)
        *out = o.out;
    return rc;
}

/* ---- describing ------------------------------------------------------------------------------ */

/* `modified` lies in the body too, for queries. */
static int stamp_body(struct commit *c, const struct file_op *o)
{
    auto_buf v = BUF_INIT;
    struct rec_body b;
    struct key k = key_body(o->coll.type, o->id);
    int rc = kv_get(c->st->kv, NULL, o->coll.tenant, key_slice(&k), &v);
    if (rc == 0)
        rc = rec_body_get(slice_buf(&v), &b);
    if (rc < 0)
        return err_wrap(rc, "%.*s", (int)o->name.n, o->name.p);
    rec_body_stamp(v.p, b.ino, b.created, o->out.mtime);
    commit_put(c, o->coll.tenant, k, slice_buf(&v));
    return 0;
}

static int setattr_prepare(struct commit_op *op, struct commit *c)
{
    struct file_op *o = (struct file_op *)op;
    struct file_attr *a = &o->out;
    const struct file_attr *v = &o->values;
    struct commit_type *t;
    int rc = commit_type(c, o->coll, &t);
    if (rc == 0)
        rc = file_header(c->st, NULL, o->coll, o->name, a);
    if (rc < 0)
        return rc;
    a->mode = o->mask & ATTR_MODE ? v->mode & 07777 : a->mode;
    a->uid = o->mask & ATTR_UID ? v->uid : a->uid;
    a->gid = o->mask & ATTR_GID ? v->gid : a->gid;
    a->atime = o->mask & ATTR_ATIME ? v->atime : a->atime;
    a->mtime = o->mask & ATTR_MTIME ? v->mtime : a->mtime;
    a->ctime = c->now;
    if ((o->mask & ATTR_MTIME) && a->kind == FILE_ENTITY && (rc = stamp_body(c, o)) < 0)
        return rc;
    commit_put_header(c, t, o->name, a);
    return 0;
}

int store_setattr(struct store *st, struct coll c, struct slice name,
                  const struct file_attr *values, unsigned mask, struct file_attr *out)
{
    struct file_op o = {.op = {.prepare = setattr_prepare}, .values = *values, .mask = mask};
    int rc = file_op_init(&o, c, name);
    if (rc == 0)
        rc = commit_run(st, &o.op);
    if (rc == 0 && out)
        *out = o.out;
    return rc;
}

/* ---- removing -------------------------------------------------------------------------------- */

int file_remove_rows(struct commit *c, struct coll coll, struct slice name, struct slice id,
                     const struct file_attr *a, bool keep_orphan, bool *drop_after)
{
    *drop_after = false;
    if (a->kind == FILE_SCRATCH) {
        bool more = false;
        *drop_after = !keep_orphan && !scratch_is_small(a);
        if (keep_orphan || *drop_after) {
            char v[REC_HEADER_BYTES];
            rec_header_put(v, a);
            commit_put(c, coll.tenant, key_orphan(a->ino), slice_of(v, sizeof v));
        } else {
            int rc = scratch_del_chunks(c, coll.tenant, a->ino, 0, &more);
            if (rc < 0)
                return rc;
        }
    }
    commit_del(c, coll.tenant, key_header(coll.type, name));
    if (a->kind == FILE_ENTITY) {
        commit_del(c, coll.tenant, key_body(coll.type, id));
        commit_del(c, coll.tenant, key_vector(coll.type, id));
    }
    return 0;
}

static int unlink_prepare(struct commit_op *op, struct commit *c)
{
    struct file_op *o = (struct file_op *)op;
    struct commit_type *t;
    int rc = commit_type(c, o->coll, &t);
    if (rc == 0)
        rc = file_header(c->st, NULL, o->coll, o->name, &o->out);
    if (rc == 0)
        rc = file_remove_rows(c, o->coll, o->name, o->id, &o->out, o->keep_orphan, &o->drop_after);
    if (rc < 0)
        return rc;
    commit_count(t, &o->out, -1);
    commit_names_changed(c, t);
    o->out.ctime = c->now;
    return 0;
}

int store_unlink(struct store *st, struct coll c, struct slice name, bool keep_orphan,
                 struct file_attr *gone)
{
    struct file_op o = {.op = {.prepare = unlink_prepare}, .keep_orphan = keep_orphan};
    int rc = file_op_init(&o, c, name);
    if (rc == 0)
        rc = commit_run(st, &o.op);
    if (rc == 0 && o.drop_after)
        rc = store_orphan_drop(st, c, o.out.ino);
    if (rc == 0 && gone)
        *gone = o.out;
    return rc;
}

/* ---- a new version of an entity -------------------------------------------------------------- */

int entity_encode(struct store *st, struct slice text, bool sparse, struct buf *body,
                  struct buf *vec)
{
    auto_buf mem = BUF_INIT;
    struct slice compact = text;
    int rc = sparse ? json_compact(text, &mem) : 0;
    if (sparse)
        compact = slice_buf(&mem);
    if (rc == 0)
        rc = rec_body_put(body, text, compact);
    if (rc == 0 && body->n > kv_caps(st->kv)->max_value)
        rc = err_set(ERR_TOOBIG, "%zu bytes are more than the engine takes", body->n);
    if (rc == 0 && st->embed)
        rc = embed_entity(st->embed, compact, vec);
    return rc;
}

void entity_write_rows(struct commit *c, struct commit_type *t, const struct entity_write *w,
                       const struct file_attr *old, const struct file_attr *a)
{
    if (old)
        commit_count(t, old, -1);
    commit_count(t, a, 1);
    rec_body_stamp(w->body, a->ino, a->btime, a->mtime);
    commit_put(c, w->coll.tenant, key_body(w->coll.type, w->id), slice_of(w->body, w->body_len));
    commit_put_header(c, t, w->name, a);
    if (w->vec.n)
        commit_put(c, w->coll.tenant, key_vector(w->coll.type, w->id), w->vec);
    else if (old && old->kind == FILE_ENTITY)
        commit_del(c, w->coll.tenant, key_vector(w->coll.type, w->id));
}

static int put_prepare(struct commit_op *op, struct commit *c)
{
    struct entity_put *o = (struct entity_put *)op;
    struct commit_type *t;
    struct file_attr old, *a = &o->out;
    int rc = commit_type(c, o->w.coll, &t);
    if (rc < 0)
        return rc;
    rc = file_header(c->st, NULL, o->w.coll, o->w.name, &old);
    bool made = rc == -ERR_NOTFOUND && o->create;
    if (rc < 0 && !made)
        return rc;
    if (!made && o->ino && old.ino != o->ino)
        return err_set(ERR_NOTFOUND, "%.*s was replaced", (int)o->w.name.n, o->w.name.p);
    if (made) {
        *a = o->fresh;
        a->ino = commit_new_ino(c);
        a->atime = a->btime = c->now;
    } else {
        *a = old;
    }
    a->kind = FILE_ENTITY;
    a->version = commit_new_version(c);
    a->size = o->w.text_size;
    a->mtime = o->mtime ? o->mtime : c->now;
    a->ctime = c->now;
    entity_write_rows(c, t, &o->w, made ? NULL : &old, a);
    if (made)
        commit_names_changed(c, t);
    return 0;
}

int entity_put_run(struct store *st, struct entity_put *o)
{
    o->op.prepare = put_prepare;
    o->op.bytes = 512 + o->w.body_len + o->w.vec.n;
    commit_touch_name(&o->op, o->w.coll, o->w.name);
    return commit_run(st, &o->op);
}

int store_put(struct store *st, struct coll c, struct slice name, struct slice text, uint32_t mode,
              uint32_t uid, uint32_t gid, struct file_attr *out)
{
    auto_buf body = BUF_INIT, vec = BUF_INIT;
    enum name_kind kind;
    struct json_parser p;
    struct entity_put o = {
        .w = {.coll = c, .name = name, .text_size = text.n},
        .create = true,
        .fresh = {.mode = mode & 07777, .uid = uid, .gid = gid},
    };
    int rc = name_check_file(name, &kind, &o.w.id);
    if (rc == 0 && kind != NAME_ENTITY)
        rc = err_set(ERR_INVAL, "%.*s: an entity's name ends in .json", (int)name.n, name.p);
    if (rc == 0 && text.n > st->opt.entity_max)
        rc = err_set(ERR_TOOBIG, "%zu bytes (an entity has %llu at most)", text.n,
                     (unsigned long long)st->opt.entity_max);
    json_parser_init(&p, true);
    if (rc == 0)
        rc = json_parser_feed(&p, text.p, text.n);
    if (rc == 0)
        rc = json_parser_finish(&p);
    if (rc == 0)
        rc = entity_encode(st, text, p.sparse, &body, &vec);
    if (rc < 0)
        return rc;
    o.w.body = body.p;
    o.w.body_len = body.n;
    o.w.vec = slice_buf(&vec);
    rc = entity_put_run(st, &o);
    if (rc == 0 && out)
        *out = o.out;
    return rc;
}
