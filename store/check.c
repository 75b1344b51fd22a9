/* check.c - are a tenant's files what their rows say? Header against body, body against text,
 * vector against body, chunk against header. See check.h.
 *
 * Writes nothing and repairs nothing.
 */
#include "store/check.h"
#include "store/embed.h"
#include "store/json.h"

#include <stdio.h>

void check_found(struct check *k, const char *fmt, ...)
{
    char what[512], line[ERR_MSG_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    k->findings++;
    if (k->tenant_name)
        snprintf(line, sizeof line, "tenant %s: %s", k->tenant_name, what);
    else
        snprintf(line, sizeof line, "%s", what);
    if (k->fn)
        k->fn(k->ctx, line);
}

int check_rows(struct check *k, char space, check_row_fn *fn, void *ctx)
{
    auto_kv_page page = KV_PAGE_INIT;
    auto_buf after = BUF_INIT;
    do {
        struct kv_range range = {.verify = true,
                                 .prefix = slice_of(&space, 1),
                                 .after = slice_buf(&after),
                                 .limit = 4096};
        int rc = kv_scan(k->st->kv, k->snap, k->tenant, &range, &page);
        for (int i = 0; i < page.n && rc == 0; i++) {
            struct key_parts key;
            if (key_decode(page.rows[i].key, &key))
                rc = fn(k, ctx, &key, &page.rows[i]);
            else
                check_found(k, "a key of %zu bytes in '%c' that is damaged", page.rows[i].key.n,
                            space);
        }
        buf_clear(&after);
        if (rc == 0 && page.n)
            rc = buf_put(&after, page.rows[page.n - 1].key.p, page.rows[page.n - 1].key.n);
        if (rc < 0)
            return rc;
    } while (page.more);
    return 0;
}

/* ---- the files of a tenant ------------------------------------------------------------------- */

struct scratch_size { /* scratch files by inode number */
    uint64_t ino, size;
    UT_hash_handle hh;
};

struct files {
    struct check_type *types;
    struct scratch_size *scratch;
    struct buf mem, text; /* for the row at hand */
};

static struct check_type *type_of(struct files *f, uint32_t id)
{
    struct check_type *t;
    HASH_FIND(hh, f->types, &id, sizeof id, t);
    return t;
}

static int add_scratch(struct check *k, struct files *f, const struct file_attr *a)
{
    struct scratch_size *s;
    HASH_FIND(hh, f->scratch, &a->ino, sizeof a->ino, s);
    if (s) {
        check_found(k, "two scratch files with inode number %llu", (unsigned long long)a->ino);
        return 0;
    }
    s = malloc(sizeof *s);
    if (!s)
        return err_set(ERR_NOMEM, "out of memory");
    s->ino = a->ino;
    s->size = a->size;
    HASH_ADD(hh, f->scratch, ino, sizeof s->ino, s);
    return 0;
}

/* 1: there, in f->mem; 0: not. */
static int fetch(struct check *k, struct files *f, struct key key)
{
    buf_clear(&f->mem);
    int rc = kv_get(k->st->kv, k->snap, k->tenant, key_slice(&key), &f->mem);
    return rc == -ERR_NOTFOUND ? 0 : rc < 0 ? rc : 1;
}

static int check_entity(struct check *k, struct files *f, const struct check_type *t,
                        const struct key_parts *key, struct slice id, const struct file_attr *a)
{
    struct rec_body b;
    int rc = fetch(k, f, key_body(key->type, id));
    if (rc < 0)
        return rc;
    if (rc == 0)
        check_found(k, "%s/%.*s: its body is missing", t->name, (int)key->name.n, key->name.p);
    else if (rec_body_get(slice_buf(&f->mem), &b) < 0)
        check_found(k, "%s/%.*s: %s", t->name, (int)key->name.n, key->name.p, err_msg());
    else if (b.ino != a->ino || b.text_len != a->size || b.created != a->btime ||
             b.modified != a->mtime)
        check_found(k, "%s/%.*s: header and body differ", t->name, (int)key->name.n, key->name.p);
    return 0;
}

static int check_header(struct check *k, void *ctx, const struct key_parts *key,
                        const struct kv_row *row)
{
    struct files *f = ctx;
    struct check_type *t = type_of(f, key->type);
    struct file_attr a;
    enum name_kind kind;
    struct slice id;
    int len = (int)key->name.n;
    if (!t) {
        check_found(k, "%.*s: of type %u, which is not there", len, key->name.p, key->type);
        return 0;
    }
    if (rec_header_get(row->value, &a) < 0 || name_check_file(key->name, &kind, &id) < 0) {
        check_found(k, "%s/%.*s: %s", t->name, len, key->name.p, err_msg());
        return 0;
    }
    if ((kind == NAME_SCRATCH) != (a.kind == FILE_SCRATCH))
        check_found(k, "%s/%.*s: is of another kind than its name says", t->name, len, key->name.p);
    if (a.ino >= k->meta->ino_high || a.version >= k->meta->version_high)
        check_found(k, "%s/%.*s: has a number that was never given out", t->name, len, key->name.p);
    struct commit_type counter = {.n = t->counted};
    commit_count(&counter, &a, 1);
    t->counted = counter.n;
    if (a.kind == FILE_SCRATCH)
        return add_scratch(k, f, &a);
    if (a.kind == FILE_DRAFT && a.size)
        check_found(k, "%s/%.*s: a draft that is not empty", t->name, len, key->name.p);
    return a.kind == FILE_ENTITY ? check_entity(k, f, t, key, id, &a) : 0;
}

static int check_orphan(struct check *k, void *ctx, const struct key_parts *key,
                        const struct kv_row *row)
{
    struct file_attr a;
    if (rec_header_get(row->value, &a) == 0 && a.ino == key->ino && a.kind == FILE_SCRATCH)
        return add_scratch(k, ctx, &a);
    check_found(k, "the header of unlinked file %llu is damaged", (unsigned long long)key->ino);
    return 0;
}

static int has_header(struct check *k, struct files *f, uint32_t type, struct slice id)
{
    char name[STORE_ID_MAX + 5];
    if (id.n > STORE_ID_MAX)
        return 0;
    memcpy(name, id.p, id.n);
    memcpy(name + id.n, ".json", 5);
    return fetch(k, f, key_header(type, slice_of(name, id.n + 5)));
}

static int check_body(struct check *k, void *ctx, const struct key_parts *key,
                      const struct kv_row *row)
{
    struct files *f = ctx;
    const struct check_type *t = type_of(f, key->type);
    const char *type = t ? t->name : "?";
    struct rec_body b;
    struct file_attr a;
    int rc = has_header(k, f, key->type, key->name), len = (int)key->name.n;
    if (rc < 0)
        return rc;
    if (rc == 0 || rec_header_get(slice_buf(&f->mem), &a) < 0 || a.kind != FILE_ENTITY)
        check_found(k, "%s/%.*s: a body without a header", type, len, key->name.p);
    if (rec_body_get(row->value, &b) < 0)
        return 0; /* its header has told */
    buf_clear(&f->text);
    buf_clear(&f->mem);
    rc = rec_body_text(&b, &f->text);
    if (rc == -ERR_CORRUPT || (rc == 0 && json_validate(slice_buf(&f->text), true) < 0))
        check_found(k, "%s/%.*s: %s", type, len, key->name.p, err_msg());
    else if (rc < 0 || (rc = json_compact(slice_buf(&f->text), &f->mem)) < 0)
        return rc;
    else if (!slice_eq(b.compact, slice_buf(&f->mem)))
        check_found(k, "%s/%.*s: its compact form is not that of its text", type, len, key->name.p);
    return 0;
}

static int check_vector(struct check *k, void *ctx, const struct key_parts *key,
                        const struct kv_row *row)
{
    struct files *f = ctx;
    const struct check_type *t = type_of(f, key->type);
    const char *type = t ? t->name : "?";
    struct vec_view v;
    int rc = fetch(k, f, key_body(key->type, key->name)), len = (int)key->name.n;
    if (rc < 0)
        return rc;
    if (rc == 0)
        check_found(k, "%s/%.*s: a vector without an entity", type, len, key->name.p);
    if (!vec_decode(row->value, &v))
        check_found(k, "%s/%.*s: its vector is damaged", type, len, key->name.p);
    else if (k->st->embed && v.dim != embed_dim(k->st->embed))
        check_found(k, "%s/%.*s: its vector has %d dimensions, not %d", type, len, key->name.p,
                    v.dim, embed_dim(k->st->embed));
    return 0;
}

static int check_chunk(struct check *k, void *ctx, const struct key_parts *key,
                       const struct kv_row *row)
{
    struct files *f = ctx;
    struct scratch_size *s;
    HASH_FIND(hh, f->scratch, &key->ino, sizeof key->ino, s);
    if (!s)
        check_found(k, "a chunk of file %llu, which is not there", (unsigned long long)key->ino);
    else if (row->value.n > CHUNK_BYTES || key->chunk > UINT64_MAX / CHUNK_BYTES - 1 ||
             key->chunk * CHUNK_BYTES + row->value.n > s->size)
        check_found(k, "a chunk of file %llu past its end", (unsigned long long)key->ino);
    return 0;
}

int check_files(struct check *k, struct check_type *types)
{
    struct files f = {.types = types};
    int rc = check_rows(k, 'h', check_header, &f);
    if (rc == 0)
        rc = check_rows(k, 'o', check_orphan, &f);
    if (rc == 0)
        rc = check_rows(k, 'b', check_body, &f);
    if (rc == 0)
        rc = check_rows(k, 'v', check_vector, &f);
    if (rc == 0)
        rc = check_rows(k, 'x', check_chunk, &f);
    struct scratch_size *s, *next;
    HASH_ITER(hh, f.scratch, s, next)
    {
        HASH_DEL(f.scratch, s);
        free(s);
    }
    buf_free(&f.mem);
    buf_free(&f.text);
    return rc;
}
