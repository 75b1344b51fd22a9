/* rename.c - moving files: within a type, between types, between tenants; one atomic step. See
 * store.h.
 *
 * What a file is follows from its name, so that moving may turn it into something else:
 *
 *              to "<id>.json"                       to another name
 *   entity     stays one (body and vector move)     scratch: its text becomes chunks
 *   draft      stays one                            empty scratch
 *   scratch    validated: an entity (empty: draft)  stays one (chunks are found by inode number,
 *                                                   and move only to another tenant)
 *
 * A file keeps inode number, version, mode, owner and times; its ctime is set. Validation is done
 * before the change stands in the queue; when the file has changed meanwhile, all of it is done
 * again.
 */
#include "store/store_int.h"
#include "store/json.h"

#define RENAME_TRIES 64
#define MOVE_BYTES_MAX ((size_t)64 << 20) /* chunks that are copied to another tenant */

/* A file on its way from one place to another. */
struct move {
    struct coll from, to;
    struct slice from_name, from_id, to_name, to_id;
    enum name_kind to_kind;
    struct commit_type *from_type, *to_type;
    struct file_attr old, now;
    /* a scratch file that is to be an entity: read and encoded for this version of it */
    bool ready;
    uint64_t ready_ino, ready_version;
    struct buf body, vec;  /* of an entity: before, or to be */
    struct buf text;       /* of an entity that is to be scratch */
    struct kv_page chunks; /* to another tenant */
};

struct rename_op {
    struct commit_op op;
    struct move src, dst; /* dst goes the other way, with EXCHANGE */
    unsigned flags;
    bool same, dst_there, drop_after;
};

static void move_free(struct move *m)
{
    buf_free(&m->body);
    buf_free(&m->vec);
    buf_free(&m->text);
    kv_page_free(&m->chunks);
}

static bool becomes_entity(const struct move *m, const struct file_attr *a)
{
    return a->kind == FILE_SCRATCH && m->to_kind == NAME_ENTITY && a->size > 0;
}

/* ---- before the queue ------------------------------------------------------------------------ */

static int encode_scratch(struct store *st, struct move *m, struct slice text)
{
    struct json_parser p;
    json_parser_init(&p, true);
    int rc = json_parser_feed(&p, text.p, text.n);
    if (rc == 0)
        rc = json_parser_finish(&p);
    buf_clear(&m->body);
    buf_clear(&m->vec);
    return rc < 0 ? rc : entity_encode(st, text, p.sparse, &m->body, &m->vec);
}

/* Reads and validates a scratch file that is about to be an entity. */
static int move_ready(struct store *st, struct move *m)
{
    struct kv_snap *snap;
    struct file_attr a;
    auto_buf text = BUF_INIT;
    m->ready = false;
    int rc = coll_check(st, m->from);
    if (rc == 0)
        rc = kv_snap_get(st->kv, m->from.tenant, &snap);
    if (rc < 0)
        return rc;
    rc = file_header(st, snap, m->from, m->from_name, &a);
    bool needed = rc == 0 && becomes_entity(m, &a);
    if (needed)
        rc = scratch_load(st, snap, m->from.tenant, a.ino, a.size, st->opt.entity_max, &text);
    kv_snap_put(st->kv, snap);
    if (rc < 0 || !needed)
        return rc;
    rc = encode_scratch(st, m, slice_buf(&text));
    m->ready = rc == 0;
    m->ready_ino = a.ino;
    m->ready_version = a.version;
    return rc;
}

/* ---- in the queue: reading ------------------------------------------------------------------- */

static int load_entity(struct commit *c, struct move *m)
{
    struct key b = key_body(m->from.type, m->from_id), v = key_vector(m->from.type, m->from_id);
    struct rec_body body;
    buf_clear(&m->body);
    buf_clear(&m->vec);
    int rc = kv_get(c->st->kv, NULL, m->from.tenant, key_slice(&b), &m->body);
    if (rc == -ERR_NOTFOUND)
        rc = err_set(ERR_CORRUPT, "%.*s has no body", (int)m->from_name.n, m->from_name.p);
    if (rc == 0)
        rc = rec_body_get(slice_buf(&m->body), &body);
    buf_clear(&m->text);
    if (rc == 0 && m->now.kind == FILE_SCRATCH)
        rc = rec_body_text(&body, &m->text);
    if (rc < 0)
        return rc;
    rc = kv_get(c->st->kv, NULL, m->from.tenant, key_slice(&v), &m->vec);
    return rc == -ERR_NOTFOUND ? 0 : rc; /* it need not have a vector */
}

static int load_chunks(struct commit *c, struct move *m)
{
    struct key prefix = key_chunk_prefix(m->old.ino);
    struct kv_range range = {
        .prefix = key_slice(&prefix), .limit = MOVE_BYTES_MAX / 1024, .max_bytes = MOVE_BYTES_MAX};
    int rc = kv_scan(c->st->kv, NULL, m->from.tenant, &range, &m->chunks);
    if (rc == 0 && m->chunks.more)
        rc =
            err_set(ERR_XDEV, "more than %zu MiB to another tenant: copy it", MOVE_BYTES_MAX >> 20);
    return rc;
}

/* What the file will be, and everything that is needed to make it so. */
static int move_plan(struct commit *c, struct move *m)
{
    m->now = m->old;
    m->now.ctime = c->now;
    if (m->old.kind == FILE_ENTITY) {
        m->now.kind = m->to_kind == NAME_ENTITY ? FILE_ENTITY : FILE_SCRATCH;
        return load_entity(c, m);
    }
    if (m->old.kind == FILE_DRAFT || (m->to_kind == NAME_ENTITY && m->old.size == 0)) {
        m->now.kind = m->to_kind == NAME_ENTITY ? FILE_DRAFT : FILE_SCRATCH;
        return 0;
    }
    if (m->to_kind == NAME_SCRATCH)
        return m->from.tenant != m->to.tenant ? load_chunks(c, m) : 0;
    m->now.kind = FILE_ENTITY;
    if (!m->ready || m->ready_ino != m->old.ino || m->ready_version != m->old.version)
        return err_set(ERR_CONFLICT, "%.*s is being written", (int)m->from_name.n, m->from_name.p);
    return 0;
}

/* ---- in the queue: writing; nothing fails here ----------------------------------------------- */

static void move_out(struct commit *c, const struct move *m)
{
    commit_del(c, m->from.tenant, key_header(m->from.type, m->from_name));
    if (m->old.kind == FILE_ENTITY) {
        commit_del(c, m->from.tenant, key_body(m->from.type, m->from_id));
        commit_del(c, m->from.tenant, key_vector(m->from.type, m->from_id));
    }
    if (m->old.kind == FILE_SCRATCH && m->now.kind == FILE_ENTITY)
        for (uint64_t i = 0; i * CHUNK_BYTES < m->old.size; i++)
            commit_del(c, m->from.tenant, key_chunk(m->old.ino, i));
    kv_batch_tenant(c->batch, m->from.tenant);
    for (int i = 0; i < m->chunks.n; i++)
        kv_del(c->batch, m->chunks.rows[i].key);
    commit_count(m->from_type, &m->old, -1);
}

static void move_in(struct commit *c, struct move *m)
{
    if (m->now.kind == FILE_ENTITY) {
        rec_body_stamp(m->body.p, m->now.ino, m->now.btime, m->now.mtime);
        commit_put(c, m->to.tenant, key_body(m->to.type, m->to_id), slice_buf(&m->body));
        if (m->vec.n)
            commit_put(c, m->to.tenant, key_vector(m->to.type, m->to_id), slice_buf(&m->vec));
    } else if (m->old.kind == FILE_ENTITY) {
        scratch_put_text(c, m->to.tenant, m->now.ino, slice_buf(&m->text));
    }
    kv_batch_tenant(c->batch, m->to.tenant);
    for (int i = 0; i < m->chunks.n; i++)
        kv_put(c->batch, m->chunks.rows[i].key, m->chunks.rows[i].value);
    commit_put_header(c, m->to_type, m->to_name, &m->now);
    commit_count(m->to_type, &m->now, 1);
}

/* ---- the change ------------------------------------------------------------------------------ */

static int look(struct rename_op *o, struct commit *c)
{
    struct move *s = &o->src, *d = &o->dst;
    int rc = commit_type(c, s->from, &s->from_type);
    if (rc == 0)
        rc = commit_type(c, s->to, &s->to_type);
    if (rc == 0)
        rc = file_header(c->st, NULL, s->from, s->from_name, &s->old);
    if (rc < 0)
        return rc;
    d->from_type = s->to_type;
    d->to_type = s->from_type;
    rc = file_header(c->st, NULL, d->from, d->from_name, &d->old);
    o->dst_there = rc == 0;
    if (rc == 0 && (o->flags & STORE_RENAME_NOREPLACE))
        return err_set(ERR_EXIST, "%.*s is there already", (int)d->from_name.n, d->from_name.p);
    return rc == -ERR_NOTFOUND && !(o->flags & STORE_RENAME_EXCHANGE) ? 0 : rc;
}

static int rename_prepare(struct commit_op *op, struct commit *c)
{
    struct rename_op *o = (struct rename_op *)op;
    struct move *s = &o->src, *d = &o->dst;
    bool exchange = o->flags & STORE_RENAME_EXCHANGE;
    int rc = look(o, c);
    if (rc < 0)
        return rc;
    if (o->same) {
        s->now = d->now = s->old;
        return 0;
    }
    rc = move_plan(c, s);
    if (rc == 0 && exchange)
        rc = move_plan(c, d);
    if (rc == 0 && o->dst_there && !exchange)
        rc = file_remove_rows(c, d->from, d->from_name, d->from_id, &d->old,
                              o->flags & STORE_RENAME_KEEP_ORPHAN, &o->drop_after);
    if (rc < 0)
        return rc;
    move_out(c, s);
    if (exchange)
        move_out(c, d);
    else if (o->dst_there)
        commit_count(d->from_type, &d->old, -1);
    move_in(c, s);
    if (exchange)
        move_in(c, d);
    else
        d->now = d->old;
    commit_names_changed(c, s->from_type);
    commit_names_changed(c, s->to_type);
    return 0;
}

static int rename_init(struct rename_op *o, struct coll c, struct slice name, struct coll to_c,
                       struct slice to_name, unsigned flags)
{
    struct move *s = &o->src, *d = &o->dst;
    o->op.prepare = rename_prepare;
    o->flags = flags;
    s->from = d->to = c;
    s->to = d->from = to_c;
    s->from_name = d->to_name = name;
    s->to_name = d->from_name = to_name;
    o->same = c.tenant == to_c.tenant && c.type == to_c.type && slice_eq(name, to_name);
    int rc = name_check_file(name, &d->to_kind, &s->from_id);
    if (rc == 0)
        rc = name_check_file(to_name, &s->to_kind, &s->to_id);
    d->to_id = s->from_id;
    d->from_id = s->to_id;
    commit_touch_name(&o->op, c, name);
    commit_touch_name(&o->op, to_c, to_name);
    return rc;
}

static int rename_once(struct store *st, struct rename_op *o)
{
    int rc = o->same ? 0 : move_ready(st, &o->src);
    if (rc == 0 && !o->same && (o->flags & STORE_RENAME_EXCHANGE))
        rc = move_ready(st, &o->dst);
    if (rc == 0) {
        o->op.bytes = 1024 + o->src.body.n + o->dst.body.n;
        rc = commit_run(st, &o->op);
    }
    return rc;
}

int store_rename(struct store *st, struct coll c, struct slice name, struct coll to_c,
                 struct slice to_name, unsigned flags, struct rename_result *out)
{
    struct rename_op o = {.flags = 0};
    if ((flags & STORE_RENAME_NOREPLACE) && (flags & STORE_RENAME_EXCHANGE))
        return err_set(ERR_INVAL, "either exchanged or not replaced");
    int rc = rename_init(&o, c, name, to_c, to_name, flags);
    for (int i = 0; rc == 0 && i < RENAME_TRIES; i++) {
        rc = rename_once(st, &o);
        if (rc != -ERR_CONFLICT)
            break;
        rc = i + 1 < RENAME_TRIES ? 0
                                  : err_set(ERR_BUSY, "%.*s is being written", (int)name.n, name.p);
    }
    move_free(&o.src);
    move_free(&o.dst);
    if (rc < 0)
        return rc;
    if (o.drop_after)
        rc = store_orphan_drop(st, to_c, o.dst.old.ino);
    if (out)
        *out = (struct rename_result){
            .moved = o.src.now, .replaced = o.dst_there && !o.same, .other = o.dst.now};
    return rc;
}
