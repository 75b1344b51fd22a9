/* fake_store.c - the store as a few arrays; see fake_store.h. */
#include "tests/fake_store.h"

#include "store/base/cleanup.h"
#include "store/base/err.h"

#define FAKE_EPOCH (INT64_C(1767225600) * 1000000000) /* 2026-01-01T00:00:00Z */
#define FAKE_TYPES 16

struct fake_row {
    struct ent_row row;
    char *mem;
};

struct store {
    struct store_options opt;
    char types[FAKE_TYPES][STORE_NAME_MAX + 1];
    uint32_t n_types;
    struct fake_row *rows;
    size_t n, cap;
    bool sorted;
    uint64_t read, polls, poll_fails_at;
    int poll_rc;
};

struct kv_snap {
    int unused;
};

struct ent_scan {
    struct store *st;
    struct coll coll;
    size_t at;
};

struct answer {
    struct store *st;
    const struct answer_ops *ops;
    void *self;
    struct buf buf;
    size_t taken;
    bool started, ended;
    int rc;
    char msg[ERR_MSG_MAX];
};

struct store *fake_new(void)
{
    return calloc(1, sizeof(struct store));
}

void fake_free(struct store *st)
{
    for (size_t i = 0; i < st->n; i++)
        free(st->rows[i].mem);
    free(st->rows);
    free(st);
}

uint32_t fake_type(struct store *st, const char *name)
{
    uint32_t i = 0;
    while (i < st->n_types && strcmp(st->types[i], name) != 0)
        i++;
    if (i == st->n_types) {
        if (i == FAKE_TYPES)
            abort();
        snprintf(st->types[st->n_types++], STORE_NAME_MAX + 1, "%s", name);
    }
    return i + 1;
}

void fake_put(struct store *st, const char *type, struct slice id, struct slice json)
{
    uint32_t t = fake_type(st, type);
    if (st->n == st->cap) {
        st->cap = st->cap ? st->cap * 2 : 64;
        st->rows = realloc(st->rows, st->cap * sizeof *st->rows);
        if (!st->rows)
            abort();
    }
    struct fake_row *r = &st->rows[st->n];
    r->mem = malloc(id.n + json.n + 1);
    if (!r->mem)
        abort();
    memcpy(r->mem, id.p, id.n);
    memcpy(r->mem + id.n, json.p, json.n);
    int64_t created = FAKE_EPOCH + (int64_t)st->n * 1000000000;
    r->row = (struct ent_row){
        .coll = {FAKE_TENANT, t},
        .id = slice_of(r->mem, id.n),
        .type_name = slice_str(st->types[t - 1]),
        .json = slice_of(r->mem + id.n, json.n),
        .ino = st->n + 100,
        .created = created,
        .modified = created + INT64_C(3600000000000),
    };
    st->n++;
    st->sorted = false;
}

struct store_options *fake_options(struct store *st)
{
    return &st->opt;
}

uint64_t fake_rows_read(const struct store *st)
{
    return st->read;
}

void fake_poll_fails(struct store *st, uint64_t calls, int rc)
{
    st->poll_fails_at = st->polls + calls;
    st->poll_rc = rc;
}

/* ---- entity.h -------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    const struct ent_row *x = &((const struct fake_row *)a)->row;
    const struct ent_row *y = &((const struct fake_row *)b)->row;
    int c = slice_cmp(x->type_name, y->type_name);
    return c ? c : slice_cmp(x->id, y->id);
}

int ent_snapshot(struct store *st, uint64_t tenant, struct kv_snap **out)
{
    if (tenant != FAKE_TENANT)
        return err_set(ERR_NOTFOUND, "no such tenant");
    if (!st->sorted && st->n)
        qsort(st->rows, st->n, sizeof *st->rows, compare);
    st->sorted = true;
    *out = calloc(1, sizeof **out);
    return *out ? 0 : err_set(ERR_NOMEM, "out of memory");
}

void ent_snapshot_put(struct store *st, struct kv_snap *snap)
{
    (void)st;
    free(snap);
}

int ent_scan_open(struct store *st, struct kv_snap *snap, struct coll c, struct ent_scan **out)
{
    (void)snap;
    *out = calloc(1, sizeof **out);
    if (!*out)
        return err_set(ERR_NOMEM, "out of memory");
    **out = (struct ent_scan){.st = st, .coll = c};
    return 0;
}

int ent_scan_next(struct ent_scan *scan, struct ent_row *row)
{
    struct store *st = scan->st;
    while (scan->at < st->n) {
        *row = st->rows[scan->at++].row;
        if (scan->coll.type == 0 || row->coll.type == scan->coll.type) {
            st->read++;
            return 1;
        }
    }
    return 0;
}

void ent_scan_close(struct ent_scan *scan)
{
    free(scan);
}

int ent_read(struct store *st, struct kv_snap *snap, struct coll c, struct slice id,
             struct buf *mem, struct ent_row *row)
{
    (void)snap;
    for (size_t i = 0; i < st->n; i++) {
        const struct ent_row *r = &st->rows[i].row;
        if (r->coll.type != c.type || !slice_eq(r->id, id))
            continue;
        buf_clear(mem);
        int rc = buf_put(mem, r->json.p, r->json.n);
        *row = *r;
        row->json = slice_buf(mem);
        row->id = id;
        st->read++;
        return rc;
    }
    return err_set(ERR_NOTFOUND, "no such entity");
}

int ent_type_by_name(struct store *st, uint64_t tenant, struct slice name, uint32_t *type)
{
    (void)tenant;
    for (uint32_t i = 0; i < st->n_types; i++) {
        if (slice_eq(name, slice_str(st->types[i]))) {
            *type = i + 1;
            return 0;
        }
    }
    return err_set(ERR_NOTFOUND, "no such type");
}

void ent_type_name(struct store *st, struct coll c, char out[STORE_NAME_MAX + 1])
{
    snprintf(out, STORE_NAME_MAX + 1, "%s", st->types[c.type - 1]);
}

void ent_tenant_name(struct store *st, uint64_t tenant, char out[STORE_NAME_MAX + 1])
{
    (void)st;
    (void)tenant;
    snprintf(out, STORE_NAME_MAX + 1, "acme");
}

const struct store_options *store_opts(const struct store *st)
{
    return &st->opt;
}

/* ---- answer.h -------------------------------------------------------------------------------- */

int answer_new(struct store *st, const struct answer_ops *ops, void *self, struct answer **out)
{
    struct answer *a = *out = calloc(1, sizeof *a);
    if (!a)
        abort();
    a->st = st;
    a->ops = ops;
    a->self = self;
    return 0;
}

int answer_poll(struct answer *a)
{
    struct store *st = a->st;
    if (++st->polls != st->poll_fails_at)
        return 0;
    return err_set((enum err_code) - st->poll_rc, "%s", err_name(st->poll_rc));
}

static int fill(struct answer *a)
{
    int rc = 0;
    buf_clear(&a->buf);
    a->taken = 0;
    if (!a->started)
        rc = a->ops->start(a->self, a);
    a->started = true;
    if (rc == 0)
        rc = a->ops->more(a->self, a, &a->buf);
    a->ended = rc == 0;
    if (rc < 0) {
        a->rc = rc;
        snprintf(a->msg, sizeof a->msg, "%s", err_msg());
    }
    return rc;
}

ssize_t answer_read(struct answer *a, void *out, size_t n)
{
    size_t done = 0;
    while (done < n) {
        if (a->rc < 0) {
            err_restore(a->msg);
            return a->rc;
        }
        size_t left = a->buf.n - a->taken;
        if (left == 0) {
            if (a->ended)
                break;
            if (fill(a) < 0)
                return a->rc;
            continue;
        }
        size_t some = left < n - done ? left : n - done;
        memcpy((char *)out + done, a->buf.p + a->taken, some);
        a->taken += some;
        done += some;
    }
    return (ssize_t)done;
}

void answer_free(struct answer *a)
{
    if (!a)
        return;
    a->ops->free(a->self);
    buf_free(&a->buf);
    free(a);
}
