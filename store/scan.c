/* scan.c - reading entities and vectors in bulk, page by page, on a snapshot; see entity.h.
 *
 * Never writes, and judges nothing: filters are the query's.
 */
#include "store/store_int.h"

#define PAGE_ROWS 4096
#define PAGE_BYTES ((size_t)256 << 10)

int ent_snapshot(struct store *st, uint64_t tenant, struct kv_snap **out)
{
    return kv_snap_get(st->kv, tenant, out);
}

void ent_snapshot_put(struct store *st, struct kv_snap *snap)
{
    if (snap)
        kv_snap_put(st->kv, snap);
}

/* ---- one range, page by page ----------------------------------------------------------------- */

struct pager {
    struct store *st;
    struct kv_snap *snap;
    uint64_t tenant;
    struct key prefix, last;
    struct kv_page page;
    int next;
    bool end;
};

static void pager_init(struct pager *p, struct store *st, struct kv_snap *snap, uint64_t tenant,
                       struct key prefix)
{
    struct kv_page page = p->page; /* its memory is used again */
    *p = (struct pager){.st = st, .snap = snap, .tenant = tenant, .prefix = prefix, .page = page};
    p->page.n = 0;
    p->page.more = true;
}

/* 1 and *row, 0 at the end, or an error. Rows hold until the next call. */
static int pager_next(struct pager *p, struct kv_row **row)
{
    while (p->next == p->page.n) {
        if (p->end || !p->page.more) {
            p->end = true;
            return 0;
        }
        if (p->page.n) {
            struct slice k = p->page.rows[p->page.n - 1].key;
            if (k.n > KEY_MAX)
                return err_set(ERR_CORRUPT, "a key of %zu bytes", k.n);
            memcpy(p->last.p, k.p, k.n);
            p->last.n = k.n;
        }
        struct kv_range range = {.prefix = key_slice(&p->prefix),
                                 .after = key_slice(&p->last),
                                 .limit = PAGE_ROWS,
                                 .max_bytes = PAGE_BYTES};
        int rc = kv_scan(p->st->kv, p->snap, p->tenant, &range, &p->page);
        if (rc < 0)
            return rc;
        p->next = 0;
    }
    *row = &p->page.rows[p->next++];
    return 1;
}

/* ---- entities -------------------------------------------------------------------------------- */

struct ent_scan {
    struct pager rows;
    struct pager types; /* of a scan over all types: their names, in order */
    bool all;
    struct coll coll; /* the type being read */
    char type_name[STORE_NAME_MAX + 1];
    size_t type_name_len;
};

static void scan_type(struct ent_scan *s, struct coll c, struct slice name)
{
    struct pager *p = s->all ? &s->types : &s->rows;
    s->coll = c;
    s->type_name_len = name.n < STORE_NAME_MAX ? name.n : STORE_NAME_MAX;
    memcpy(s->type_name, name.p, s->type_name_len);
    pager_init(&s->rows, p->st, p->snap, c.tenant, key_body_prefix(c.type));
}

/* The next type as the snapshot has it: 1, 0 when there is none left, or an error. */
static int scan_next_type(struct ent_scan *s)
{
    struct kv_row *row;
    struct key_parts k;
    struct rec_dir dir;
    int rc = pager_next(&s->types, &row);
    if (rc <= 0)
        return rc;
    if (!key_decode(row->key, &k))
        return err_set(ERR_CORRUPT, "a type's key is damaged");
    rc = rec_dir_get(row->value, &dir);
    if (rc < 0)
        return rc;
    scan_type(s, (struct coll){s->types.tenant, (uint32_t)dir.id}, k.name);
    return 1;
}

int ent_scan_open(struct store *st, struct kv_snap *snap, struct coll c, struct ent_scan **out)
{
    struct dir_attr attr;
    *out = NULL;
    int rc = store_coll_attr(st, c, &attr);
    if (rc < 0)
        return rc;
    struct ent_scan *s = calloc(1, sizeof *s);
    if (!s)
        return err_set(ERR_NOMEM, "out of memory");
    s->all = c.type == 0;
    if (s->all) {
        struct key prefix = {.p = {'c'}, .n = 1};
        pager_init(&s->types, st, snap, c.tenant, prefix);
        s->rows.end = true;
    } else {
        s->rows.st = st;
        s->rows.snap = snap;
        scan_type(s, c, slice_str(attr.name));
    }
    *out = s;
    return 0;
}

static int row_from_body(struct slice value, struct ent_row *row)
{
    struct rec_body b;
    int rc = rec_body_get(value, &b);
    if (rc < 0)
        return err_wrap(rc, "%.*s", (int)row->id.n, row->id.p);
    row->json = b.compact;
    row->ino = b.ino;
    row->created = b.created;
    row->modified = b.modified;
    return 0;
}

int ent_scan_next(struct ent_scan *s, struct ent_row *row)
{
    const size_t head = 5; /* 'b' and the type */
    struct kv_row *kv;
    for (;;) {
        int rc = pager_next(&s->rows, &kv);
        if (rc > 0)
            break;
        if (rc == 0 && s->all)
            rc = scan_next_type(s);
        if (rc <= 0)
            return rc;
    }
    if (kv->key.n <= head)
        return err_set(ERR_CORRUPT, "an entity's key is damaged");
    row->coll = s->coll;
    row->id = slice_of(kv->key.p + head, kv->key.n - head);
    row->type_name = slice_of(s->type_name, s->type_name_len);
    int rc = row_from_body(kv->value, row);
    return rc < 0 ? rc : 1;
}

void ent_scan_close(struct ent_scan *s)
{
    if (!s)
        return;
    kv_page_free(&s->rows.page);
    kv_page_free(&s->types.page);
    free(s);
}

int ent_read(struct store *st, struct kv_snap *snap, struct coll c, struct slice id,
             struct buf *mem, struct ent_row *row)
{
    char name[STORE_NAME_MAX + 1];
    buf_clear(mem);
    if (id.n == 0 || id.n > STORE_ID_MAX)
        return err_set(ERR_NOTFOUND, "%.*s: no such entity", (int)(id.n ? 64 : 0), id.p);
    struct key k = key_body(c.type, id);
    int rc = kv_get(st->kv, snap, c.tenant, key_slice(&k), mem);
    if (rc < 0)
        return rc;
    ent_type_name(st, c, name);
    size_t body = mem->n, n = strlen(name);
    rc = buf_put(mem, name, n); /* behind the body, so that the row points into mem */
    if (rc < 0)
        return rc;
    row->coll = c;
    row->id = id;
    row->type_name = slice_of(mem->p + body, n);
    return row_from_body(slice_of(mem->p, body), row);
}

/* ---- vectors --------------------------------------------------------------------------------- */

struct vec_scan {
    struct pager rows;
};

int vec_scan_open(struct store *st, struct kv_snap *snap, struct coll c, struct vec_scan **out)
{
    struct dir_attr attr;
    *out = NULL;
    int rc = store_coll_attr(st, c, &attr);
    if (rc < 0)
        return rc;
    struct vec_scan *s = calloc(1, sizeof *s);
    if (!s)
        return err_set(ERR_NOMEM, "out of memory");
    pager_init(&s->rows, st, snap, c.tenant,
               c.type ? key_vector_prefix(c.type) : key_vector_prefix_all());
    *out = s;
    return 0;
}

int vec_scan_next(struct vec_scan *s, struct vec_row *row)
{
    const size_t head = 5; /* 'v' and the type */
    struct kv_row *kv;
    int rc = pager_next(&s->rows, &kv);
    if (rc <= 0)
        return rc;
    if (kv->key.n <= head)
        return err_set(ERR_CORRUPT, "a vector's key is damaged");
    row->coll = (struct coll){s->rows.tenant, get_be32(kv->key.p + 1)};
    row->id = slice_of(kv->key.p + head, kv->key.n - head);
    row->row = kv->value;
    return 1;
}

void vec_scan_close(struct vec_scan *s)
{
    if (!s)
        return;
    kv_page_free(&s->rows.page);
    free(s);
}
