/* insert_rows.c - objects to ids and rows, and the rows of one feed to a batch; see insert_rows.h.
 *
 * Does not read the input (insert.c) nor validate it.
 */
#include "store/insert_rows.h"
#include "store/embed.h"
#include "store/json.h"

#include <sys/random.h>
#include <uuid/uuid.h>

#define HEADER_KEY_FIXED 13 /* 'h', type and hash: the name comes after */
#define BODY_KEY_FIXED 5    /* 'b' and type */
#define UUID_TEXT 36
#define KEEP_NAMES_FROM 256 /* rows: fewer are looked up */

struct insert_sort {
    uint64_t k;
    uint32_t i;
};

/* ---- ids (contract section 7) ---------------------------------------------------------------- */

/* RFC 9562 version 7: milliseconds, the twelve bits after them, 62 random bits. */
static int uuid_v7(struct insert_rows *r, char out[UUID_TEXT + 1])
{
    unsigned char u[16];
    if (r->random.n < 8) { /* a page of random bytes for some hundred ids */
        int rc = buf_resize(&r->random, 4096);
        if (rc < 0)
            return rc;
        ssize_t n = getrandom(r->random.p, 4096, 0);
        r->random.n = n < 8 ? 0 : (size_t)n;
        if (n < 8)
            return err_from_errno(errno, "random bytes");
    }
    uint64_t ns = (uint64_t)clock_realtime_ns(), ms = ns / 1000000;
    uint64_t sub = (ns % 1000000) * 4096 / 1000000;
    put_be64(u, ms << 16 | 0x7000 | sub);
    r->random.n -= 8;
    memcpy(u + 8, r->random.p + r->random.n, 8);
    u[8] = (unsigned char)((u[8] & 0x3f) | 0x80);
    uuid_unparse_lower(u, out);
    return 0;
}

/* RFC 9562 version 5 of "tenant/type/key", in a name space of our own: version 5 of "remfs" in that
 * of DNS names. */
static int uuid_v5(struct insert_rows *r, struct slice key, char out[UUID_TEXT + 1])
{
    char tenant[STORE_NAME_MAX + 1], type[STORE_NAME_MAX + 1];
    uuid_t space, u;
    auto_buf name = BUF_INIT;
    ent_tenant_name(r->st, r->coll.tenant, tenant);
    ent_type_name(r->st, r->coll, type);
    int rc = buf_putf(&name, "%s/%s/", tenant, type);
    if (rc == 0)
        rc = buf_put(&name, key.p, key.n);
    if (rc < 0)
        return rc;
    uuid_generate_sha1(space, *uuid_get_template("dns"), "remfs", 5);
    uuid_generate_sha1(u, space, name.p, name.n);
    uuid_unparse_lower(u, out);
    return 0;
}

/* Adds the header's key (its hash to be filled in) and the name. */
static int put_name(struct insert_rows *r, struct insert_row *row, struct slice id)
{
    static const char fixed[HEADER_KEY_FIXED];
    row->key = r->keys.n;
    int rc = buf_put(&r->keys, fixed, sizeof fixed);
    if (rc == 0)
        rc = buf_put(&r->keys, id.p, id.n);
    if (rc == 0)
        rc = buf_put(&r->keys, ".json", 5);
    row->name_len = (uint16_t)(id.n + 5);
    return rc;
}

static int put_given_id(struct insert_rows *r, struct insert_row *row, struct json_val v)
{
    struct slice id = v.raw;
    int rc = 0;
    if (v.type == JSON_STRING)
        rc = json_string(v, &r->scratch, &id);
    else if (v.type != JSON_NUMBER)
        rc = err_set(ERR_INVAL, "\"id\" is neither a string nor a number");
    if (rc == 0 && (id.n == 0 || id.n > STORE_ID_MAX))
        rc = err_set(ERR_INVAL, "\"id\" has %zu bytes (1 to %d)", id.n, STORE_ID_MAX);
    return rc < 0 ? rc : put_name(r, row, id);
}

static int put_made_id(struct insert_rows *r, struct insert_row *row, const struct json_val *v,
                       const bool *found)
{
    char uuid[UUID_TEXT + 1];
    for (int i = 0; i < 3; i++) {
        struct slice key;
        if (!found[i] || (v[i].type != JSON_STRING && v[i].type != JSON_NUMBER))
            continue;
        key = v[i].raw;
        int rc = v[i].type == JSON_STRING ? json_string(v[i], &r->scratch, &key) : 0;
        if (rc == 0 && key.n == 0)
            continue;
        if (rc == 0)
            rc = uuid_v5(r, key, uuid);
        return rc < 0 ? rc : put_name(r, row, slice_of(uuid, UUID_TEXT));
    }
    int rc = uuid_v7(r, uuid);
    return rc < 0 ? rc : put_name(r, row, slice_of(uuid, UUID_TEXT));
}

static int put_id(struct insert_rows *r, struct insert_row *row, struct slice object)
{
    static const struct slice names[4] = {{"id", 2}, {"uri", 3}, {"key", 3}, {"name", 4}};
    struct json_val v[4];
    bool found[4];
    json_members((struct json_val){JSON_OBJECT, object}, names, 4, v, found);
    if (!found[0] || v[0].type == JSON_NULL)
        return put_made_id(r, row, v + 1, found + 1);
    int rc = put_given_id(r, row, v[0]);
    enum name_kind kind;
    struct slice id, name = slice_of(r->keys.p + row->key + HEADER_KEY_FIXED, row->name_len);
    if (rc == 0 && (name_check_file(name, &kind, &id) < 0 || kind != NAME_ENTITY))
        rc = err_set(ERR_INVAL, "\"id\" is not a legal id: UTF-8 without '/', control characters "
                                "or a leading '.'");
    return rc;
}

/* ---- a row ----------------------------------------------------------------------------------- */

struct slice insert_rows_id(const struct insert_rows *r, size_t i)
{
    const struct insert_row *row = &r->v[i];
    return slice_of(r->keys.p + row->key + HEADER_KEY_FIXED, row->name_len - 5u);
}

static uint64_t first_bytes(struct slice id)
{
    unsigned char b[8] = {0};
    memcpy(b, id.p, id.n < 8 ? id.n : 8);
    return get_be64(b);
}

static int rows_reserve(struct insert_rows *r)
{
    if (r->n < r->cap)
        return 0;
    size_t cap = r->cap ? r->cap * 2 : 256;
    struct insert_row *v = realloc(r->v, cap * sizeof *v);
    if (!v)
        return err_set(ERR_NOMEM, "out of memory for %zu rows", cap);
    r->v = v;
    r->cap = cap;
    return 0;
}

int insert_rows_add(struct insert_rows *r, struct slice text, bool sparse)
{
    struct slice compact = text;
    int rc = rows_reserve(r);
    if (rc < 0)
        return rc;
    struct insert_row *row = &r->v[r->n];
    *row = (struct insert_row){.body = r->bodies.n, .vec = r->vecs.n, .text_len = (uint32_t)text.n};
    if (sparse) {
        buf_clear(&r->compact);
        rc = json_compact(text, &r->compact);
        compact = slice_buf(&r->compact);
    }
    if (rc == 0)
        rc = rec_body_put(&r->bodies, text, compact);
    if (rc == 0 && r->st->embed)
        rc = embed_entity(r->st->embed, compact, &r->vecs);
    if (rc == 0)
        rc = put_id(r, row, compact);
    if (rc < 0)
        return rc;
    row->body_len = (uint32_t)(r->bodies.n - row->body);
    row->vec_len = (uint32_t)(r->vecs.n - row->vec);
    char *key = r->keys.p + row->key;
    row->hash = key_name_hash(slice_of(key + HEADER_KEY_FIXED, row->name_len));
    key[0] = 'h';
    put_be32(key + 1, r->coll.type);
    put_be64(key + 5, row->hash);
    r->n++;
    row->id8 = first_bytes(insert_rows_id(r, r->n - 1));
    return 0;
}

/* ---- the order of rows ----------------------------------------------------------------------- */

static int cmp_id(const void *a, const void *b, void *ctx)
{
    const struct insert_sort *x = a, *y = b;
    if (x->k != y->k)
        return x->k < y->k ? -1 : 1;
    int c = slice_cmp(insert_rows_id(ctx, x->i), insert_rows_id(ctx, y->i));
    return c ? c : (x->i > y->i) - (x->i < y->i);
}

static int cmp_name(const void *a, const void *b, void *ctx)
{
    const struct insert_sort *x = a, *y = b;
    if (x->k != y->k)
        return x->k < y->k ? -1 : 1;
    return slice_cmp(insert_rows_id(ctx, x->i), insert_rows_id(ctx, y->i));
}

/* by_id: in order of ids, of equal ones only the last to come. */
static size_t sort_ids(struct insert_rows *r, size_t from, size_t to)
{
    struct insert_sort *s = r->by_id;
    size_t n = to - from, kept = 0;
    for (size_t i = 0; i < n; i++)
        s[i] = (struct insert_sort){r->v[from + i].id8, (uint32_t)(from + i)};
    qsort_r(s, n, sizeof *s, cmp_id, r);
    for (size_t i = 0; i < n; i++) {
        bool again = i + 1 < n && s[i].k == s[i + 1].k &&
                     slice_eq(insert_rows_id(r, s[i].i), insert_rows_id(r, s[i + 1].i));
        if (again)
            r->v[s[i].i].dropped = true;
        else
            s[kept++] = s[i];
    }
    return kept;
}

static void sort_names(struct insert_rows *r, size_t n)
{
    struct insert_sort *s = r->by_name;
    for (size_t i = 0; i < n; i++)
        s[i] = (struct insert_sort){r->v[r->by_id[i].i].hash, r->by_id[i].i};
    qsort_r(s, n, sizeof *s, cmp_name, r);
}

/* ---- the change ------------------------------------------------------------------------------ */

struct insert_op {
    struct commit_op op;
    struct insert_rows *rows;
    size_t n; /* in by_id and by_name */
};

static struct slice header_key(const struct insert_rows *r, const struct insert_row *row)
{
    return slice_of(r->keys.p + row->key, (size_t)HEADER_KEY_FIXED + row->name_len);
}

/* Reads all names of a type: keys only, so about a tenth of what looking each up costs. */
static int scan_names(struct commit *c, struct cat_dir *dir, struct name_set *set)
{
    auto_kv_page page = KV_PAGE_INIT;
    struct key prefix = key_header_prefix((uint32_t)dir->key.type), after = {.n = 0};
    do {
        struct kv_range range = {.prefix = key_slice(&prefix),
                                 .after = key_slice(&after),
                                 .limit = 8192,
                                 .keys_only = true};
        int rc = kv_scan(c->st->kv, NULL, dir->key.tenant, &range, &page);
        if (rc < 0)
            return rc;
        for (int i = 0; i < page.n; i++) {
            struct slice k = page.rows[i].key;
            if (k.n < HEADER_KEY_FIXED || k.n > KEY_MAX || !name_set_add(set, get_be64(k.p + 5)))
                return err_set(ERR_TOOBIG, "too many names");
            after.n = k.n;
            memcpy(after.p, k.p, k.n);
        }
    } while (page.more);
    return 0;
}

/* Begins to keep the type's names once that is cheaper than looking them up. A failure only means
 * that it goes on without. */
static void keep_names(struct insert_op *o, struct commit *c, const struct commit_type *t)
{
    struct cat_dir *dir = t->dir;
    uint64_t files = t->n.entities + t->n.drafts + t->n.scratch;
    dir->name_gets += o->n;
    if (dir->names || files > NAME_SET_MAX || dir->name_gets < KEEP_NAMES_FROM ||
        dir->name_gets * 8 < files)
        return;
    struct name_set *set = name_set_new(files + o->n);
    if (set && files && scan_names(c, dir, set) < 0)
        name_set_free(steal(&set));
    dir->names = set;
    dir->name_gets = 0;
}

/* The kernel checks who may write a file that is opened; nobody opens these. `who` has the
 * inserter's user and group. */
static bool may_write(const struct file_attr *a, const struct file_attr *who)
{
    uint32_t bit = a->uid == who->uid ? 0200 : a->gid == who->gid ? 0020 : 0002;
    return who->uid == 0 || (a->mode & bit);
}

/* The headers that are there already, into the rows' attr; `created` for the others. */
static int look_up(struct insert_op *o, struct commit *c, const struct commit_type *t)
{
    struct insert_rows *r = o->rows;
    bool empty = t->n.entities + t->n.drafts + t->n.scratch == 0;
    int n = 0;
    keep_names(o, c, t);
    for (size_t i = 0; i < o->n; i++) {
        struct insert_row *row = &r->v[r->by_name[i].i];
        row->created = true;
        if (empty || (t->dir->names && !name_set_has(t->dir->names, row->hash)))
            continue;
        r->get_rows[n] = r->by_name[i].i;
        r->get_keys[n] = header_key(r, row);
        buf_clear(&r->get_values[n++]);
    }
    int rc = kv_mget(c->st->kv, NULL, r->coll.tenant, r->get_keys, n, r->get_values, r->get_found);
    for (int i = 0; i < n && rc == 0; i++) {
        struct insert_row *row = &r->v[r->get_rows[i]];
        row->created = !r->get_found[i];
        if (!row->created)
            rc = rec_header_get(slice_buf(&r->get_values[i]), &row->attr);
        if (rc == 0 && !row->created && !may_write(&row->attr, &r->fresh)) {
            struct slice id = insert_rows_id(r, r->get_rows[i]);
            rc = err_set(ERR_ACCESS, "%.*s.json: not yours to write", (int)id.n, id.p);
        }
    }
    return rc;
}

static void number_row(struct insert_rows *r, struct insert_row *row, struct commit *c,
                       struct commit_type *t)
{
    struct file_attr *a = &row->attr;
    if (row->created) {
        *a = r->fresh;
        a->ino = commit_new_ino(c);
        a->atime = a->btime = c->now;
    } else {
        commit_count(t, a, -1);
    }
    a->kind = FILE_ENTITY;
    a->version = commit_new_version(c);
    a->size = row->text_len;
    a->mtime = a->ctime = c->now;
    commit_count(t, a, 1);
}

/* Bodies, then headers, then vectors: the order of their keys, so that the batch need not be
 * sorted. */
static void put_rows(struct insert_op *o, struct commit *c, struct cat_dir *dir)
{
    struct insert_rows *r = o->rows;
    char key[BODY_KEY_FIXED + STORE_ID_MAX];
    put_be32(key + 1, r->coll.type);
    kv_batch_tenant(c->batch, r->coll.tenant);
    key[0] = 'b';
    for (size_t i = 0; i < o->n; i++) {
        struct insert_row *row = &r->v[r->by_id[i].i];
        struct slice id = insert_rows_id(r, r->by_id[i].i);
        char *body = r->bodies.p + row->body;
        memcpy(key + BODY_KEY_FIXED, id.p, id.n);
        rec_body_stamp(body, row->attr.ino, row->attr.btime, row->attr.mtime);
        kv_put(c->batch, slice_of(key, BODY_KEY_FIXED + id.n), slice_of(body, row->body_len));
    }
    for (size_t i = 0; i < o->n; i++) {
        struct insert_row *row = &r->v[r->by_name[i].i];
        char v[REC_HEADER_BYTES];
        rec_header_put(v, &row->attr);
        kv_put(c->batch, header_key(r, row), slice_of(v, sizeof v));
        if (row->created)
            commit_name_seen(dir, row->hash);
    }
    key[0] = 'v';
    for (size_t i = 0; i < o->n; i++) {
        struct insert_row *row = &r->v[r->by_id[i].i];
        struct slice id = insert_rows_id(r, r->by_id[i].i);
        memcpy(key + BODY_KEY_FIXED, id.p, id.n);
        if (row->vec_len)
            kv_put(c->batch, slice_of(key, BODY_KEY_FIXED + id.n),
                   slice_of(r->vecs.p + row->vec, row->vec_len));
        else if (!row->created)
            kv_del(c->batch, slice_of(key, BODY_KEY_FIXED + id.n));
    }
}

static int insert_prepare(struct commit_op *op, struct commit *c)
{
    struct insert_op *o = (struct insert_op *)op;
    struct insert_rows *r = o->rows;
    struct commit_type *t;
    bool names = false;
    int rc = commit_type(c, r->coll, &t);
    if (rc == 0)
        rc = look_up(o, c, t);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < o->n; i++) {
        struct insert_row *row = &r->v[r->by_id[i].i];
        number_row(r, row, c, t);
        names |= row->created;
    }
    put_rows(o, c, t->dir);
    if (names)
        commit_names_changed(c, t);
    return 0;
}

static int get_reserve(struct insert_rows *r, size_t n)
{
    if (n <= r->get_cap)
        return 0;
    size_t cap = n + n / 2;
    void *id = realloc(r->by_id, cap * sizeof *r->by_id);
    r->by_id = id ? id : r->by_id;
    void *name = realloc(r->by_name, cap * sizeof *r->by_name);
    r->by_name = name ? name : r->by_name;
    void *keys = realloc(r->get_keys, cap * sizeof *r->get_keys);
    r->get_keys = keys ? keys : r->get_keys;
    void *rows = realloc(r->get_rows, cap * sizeof *r->get_rows);
    r->get_rows = rows ? rows : r->get_rows;
    void *found = realloc(r->get_found, cap * sizeof *r->get_found);
    r->get_found = found ? found : r->get_found;
    void *values = realloc(r->get_values, cap * sizeof *r->get_values);
    r->get_values = values ? values : r->get_values;
    if (!id || !name || !keys || !rows || !found || !values)
        return err_set(ERR_NOMEM, "out of memory for %zu rows", cap);
    memset(r->get_values + r->get_cap, 0, (cap - r->get_cap) * sizeof *r->get_values);
    r->get_cap = cap;
    return 0;
}

static int commit_some(struct insert_rows *r, size_t from, size_t to)
{
    int rc = get_reserve(r, to - from);
    if (rc < 0)
        return rc;
    struct insert_op o = {.op = {.prepare = insert_prepare, .alone = true}, .rows = r};
    o.n = sort_ids(r, from, to);
    sort_names(r, o.n);
    return commit_run(r->st, &o.op);
}

int insert_rows_commit(struct insert_rows *r)
{
    const size_t max = kv_caps(r->st->kv)->max_batch / 4;
    size_t from = 0, bytes = 0;
    int rc = 0;
    for (size_t i = 0; i < r->n && rc == 0; i++) {
        bytes += 1024u + r->v[i].body_len + r->v[i].vec_len;
        if (i + 1 < r->n && bytes < max)
            continue;
        rc = commit_some(r, from, i + 1);
        from = i + 1;
        bytes = 0;
    }
    return rc;
}

int insert_rows_tell(struct insert_rows *r)
{
    size_t n = 0;
    if (!r->st->on_change || r->n == 0)
        return 0;
    auto_free struct store_change *v = malloc(r->n * sizeof *v);
    if (!v)
        return err_set(ERR_NOMEM, "out of memory");
    for (size_t i = 0; i < r->n; i++) {
        const struct insert_row *row = &r->v[i];
        if (row->dropped)
            continue;
        v[n++] = (struct store_change){
            .coll = r->coll,
            .name = slice_of(r->keys.p + row->key + HEADER_KEY_FIXED, row->name_len),
            .ino = row->attr.ino,
            .created = row->created,
        };
    }
    r->st->on_change(r->st->on_change_ctx, v, n);
    return 0;
}

static int end_prepare(struct commit_op *op, struct commit *c)
{
    struct insert_op *o = (struct insert_op *)op;
    struct cat_dir *dir = catalog_by_coll(&c->st->cat, o->rows->coll);
    if (dir) {
        name_set_free(steal(&dir->names));
        dir->name_gets = 0;
    }
    return 0;
}

void insert_rows_end(struct insert_rows *r)
{
    struct insert_op o = {.op = {.prepare = end_prepare, .alone = true}, .rows = r};
    if (r->v)
        commit_run(r->st, &o.op); /* has no rows, so nothing can fail */
}

void insert_rows_clear(struct insert_rows *r)
{
    r->n = 0;
    buf_clear(&r->bodies);
    buf_clear(&r->keys);
    buf_clear(&r->vecs);
}

void insert_rows_free(struct insert_rows *r)
{
    for (size_t i = 0; i < r->get_cap; i++)
        buf_free(&r->get_values[i]);
    free(r->by_id);
    free(r->by_name);
    free(r->get_keys);
    free(r->get_rows);
    free(r->get_found);
    free(r->get_values);
    free(r->v);
    buf_free(&r->bodies);
    buf_free(&r->keys);
    buf_free(&r->vecs);
    buf_free(&r->compact);
    buf_free(&r->scratch);
    buf_free(&r->random);
}
