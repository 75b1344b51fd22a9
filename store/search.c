/* search.c - .search: the entities nearest to a text or a vector, exactly, by cosine.
 *
 * Every vector of the type (or tenant) is read in key order, compared over its int8 components, and
 * the best k are kept in a heap. A filter is part of that walk, not a step behind it: bodies are
 * read alongside the vectors (both lie in order of ids), so that k rows come back wherever k match.
 * Bodies of the hits are read at the end, as the answer is written, on the same snapshot.
 *
 * Does not know how vectors are made (embed.h) or what a filter means (query.h).
 * Threads: one struct search belongs to one answer, one thread at a time.
 */
#include "store/answer.h"
#include "store/embed.h"
#include "store/query_value.h"
#include "store/query_ast.h"
#include "store/search_req.h"
#include "store/base/cleanup.h"

#include <stdio.h>

DEFINE_CLEANUP(struct search_req, search_req_free)

#define OUT_BYTES ((size_t)128 << 10) /* answered at a time, about */

struct hit {
    float score;
    struct coll coll;
    uint16_t n;
    char id[STORE_ID_MAX];
};

struct search {
    struct store *st;
    struct coll coll;
    struct search_req *req;
    struct buf query_row; /* what is looked for, as a stored vector */
    struct vec_view query;
    struct kv_snap *snap;
    struct hit *hits; /* while scanning: a heap with the worst on top; then best first */
    int n, cap;
    int next;                 /* the hit to write next */
    uint64_t compared;        /* vectors of the right dimension */
    uint64_t other_dim;       /* vectors of another, made by another provider */
    int seen_dim;             /* one of those */
    struct query_scope scope; /* with fields */
    bool has_scope;
    char tenant_name[STORE_NAME_MAX + 1]; /* for a field _tenant */
};

/* ---- the best k ------------------------------------------------------------------------------ */

/* Does (score, id) come behind h in the answer? Ties are in order of ids, then of types. */
static bool ranks_behind(float score, struct slice id, struct coll c, const struct hit *h)
{
    if (score != h->score)
        return score < h->score;
    int order = slice_cmp(id, slice_of(h->id, h->n));
    return order ? order > 0 : c.type > h->coll.type;
}

static bool hit_behind(const struct hit *a, const struct hit *b)
{
    return ranks_behind(a->score, slice_of(a->id, a->n), a->coll, b);
}

static void swap_hits(struct hit *a, struct hit *b)
{
    struct hit t = *a;
    *a = *b;
    *b = t;
}

static void sift_down(struct hit *h, int n, int i)
{
    for (;;) {
        int worst = i, l = 2 * i + 1;
        if (l < n && hit_behind(&h[l], &h[worst]))
            worst = l;
        if (l + 1 < n && hit_behind(&h[l + 1], &h[worst]))
            worst = l + 1;
        if (worst == i)
            return;
        swap_hits(&h[i], &h[worst]);
        i = worst;
    }
}

static void sift_up(struct hit *h, int i)
{
    for (; i > 0 && hit_behind(&h[i], &h[(i - 1) / 2]); i = (i - 1) / 2)
        swap_hits(&h[i], &h[(i - 1) / 2]);
}

/* Would it be among the best k of what was seen? */
static bool is_wanted(const struct search *s, float score, const struct vec_row *row)
{
    if (s->req->has_min_score && score < s->req->min_score)
        return false;
    return s->n < s->req->limit || !ranks_behind(score, row->id, row->coll, &s->hits[0]);
}

static int add_hit(struct search *s, float score, const struct vec_row *row)
{
    if (row->id.n > STORE_ID_MAX)
        return err_set(ERR_CORRUPT, "a vector's id has %zu bytes", row->id.n);
    if (s->n == s->cap && s->n < s->req->limit) {
        int cap = s->cap ? s->cap * 2 : 16;
        struct hit *hits = realloc(s->hits, (size_t)cap * sizeof *hits);
        if (!hits)
            return err_set(ERR_NOMEM, "out of memory for %d hits", cap);
        s->hits = hits;
        s->cap = cap;
    }
    bool full = s->n == s->req->limit;
    struct hit *h = full ? &s->hits[0] : &s->hits[s->n];
    h->score = score;
    h->coll = row->coll;
    h->n = (uint16_t)row->id.n;
    memcpy(h->id, row->id.p, row->id.n);
    if (full)
        sift_down(s->hits, s->n, 0);
    else
        sift_up(s->hits, s->n++);
    return 0;
}

static void sort_hits(struct search *s)
{
    for (int n = s->n; n > 1; n--) {
        swap_hits(&s->hits[0], &s->hits[n - 1]);
        sift_down(s->hits, n - 1, 0);
    }
}

/* ---- the walk -------------------------------------------------------------------------------- */

/* The bodies of one type, kept at or behind the vector that is looked at. */
struct bodies {
    struct ent_scan *scan;
    struct coll coll;
    struct ent_row row;
    bool have; /* row holds one */
};

static void bodies_close(struct bodies *b)
{
    if (b->scan)
        ent_scan_close(b->scan);
    b->scan = NULL;
}

/* 1: b->row is the vector's entity; 0: there is none; or an error. */
static int bodies_seek(struct bodies *b, const struct search *s, const struct vec_row *vec)
{
    if (!b->scan || b->coll.type != vec->coll.type) {
        bodies_close(b);
        b->coll = vec->coll;
        b->have = false;
        int rc = ent_scan_open(s->st, s->snap, b->coll, &b->scan);
        if (rc < 0)
            return rc;
        rc = ent_scan_next(b->scan, &b->row);
        if (rc < 0)
            return rc;
        b->have = rc > 0;
    }
    int order = -1;
    while (b->have && (order = slice_cmp(b->row.id, vec->id)) < 0) {
        int rc = ent_scan_next(b->scan, &b->row);
        if (rc < 0)
            return rc;
        b->have = rc > 0;
    }
    return b->have && order == 0;
}

/* 1: takes part; 0: of another dimension; or an error. */
static int decode(struct search *s, const struct vec_row *row, struct vec_view *v)
{
    if (!vec_decode(row->row, v))
        return err_set(ERR_CORRUPT,
                       "the stored vector of '%.*s' is damaged: see `remfs check`, or write "
                       "the entity again",
                       (int)row->id.n, row->id.p);
    if (v->dim == s->query.dim) {
        s->compared++;
        return 1;
    }
    s->other_dim++;
    s->seen_dim = v->dim;
    return 0;
}

static int consider(struct search *s, struct bodies *bodies, const struct vec_row *row)
{
    struct vec_view v;
    int rc = decode(s, row, &v);
    if (rc <= 0)
        return rc;
    float score = vec_cosine(&s->query, &v);
    if (!is_wanted(s, score, row))
        return 0;
    if (s->req->where) {
        rc = bodies_seek(bodies, s, row);
        if (rc > 0)
            rc = query_filter_match(s->req->where, &bodies->row);
        if (rc <= 0)
            return rc;
    }
    return add_hit(s, score, row);
}

static int walk(struct search *s, struct answer *a, struct vec_scan *scan)
{
    __attribute__((__cleanup__(bodies_close))) struct bodies bodies = {.scan = NULL};
    struct vec_row row;
    int rc;
    while ((rc = vec_scan_next(scan, &row)) > 0) {
        rc = answer_poll(a);
        if (rc == 0)
            rc = consider(s, &bodies, &row);
        if (rc < 0)
            return rc;
    }
    return rc;
}

static int embed_question(struct search *s)
{
    struct embedder *e = store_embedder(s->st);
    if (s->req->vector)
        return vec_encode(s->req->vector, s->req->dim, &s->query_row);
    auto_free float *v = malloc((size_t)embed_dim(e) * sizeof *v);
    if (!v)
        return err_set(ERR_NOMEM, "out of memory for a vector");
    struct slice text = slice_buf(&s->req->text);
    int rc = embed_texts(e, &text, 1, v);
    return rc < 0 ? rc : vec_encode(v, embed_dim(e), &s->query_row);
}

static int search_start(void *self, struct answer *a)
{
    struct search *s = self;
    if (s->req->empty)
        return 0;
    int rc = embed_question(s);
    if (rc < 0 || s->query_row.n == 0) /* nothing in it to look for: no row is near it */
        return rc;
    vec_decode(slice_buf(&s->query_row), &s->query);
    rc = ent_snapshot(s->st, s->coll.tenant, &s->snap);
    struct vec_scan *scan = NULL;
    if (rc == 0)
        rc = vec_scan_open(s->st, s->snap, s->coll, &scan);
    if (rc < 0)
        return rc;
    rc = walk(s, a, scan);
    vec_scan_close(scan);
    if (rc < 0)
        return rc;
    if (s->other_dim > 0 && s->compared == 0)
        return err_set(ERR_INVAL,
                       "the stored vectors have %d dimensions, this mount's embedder makes %d: "
                       "mount with the provider that they were made with",
                       s->seen_dim, s->query.dim);
    sort_hits(s);
    return 0;
}

/* ---- the answer ------------------------------------------------------------------------------ */

/* {"name":value,…} of the fields asked for; null where the entity has none. */
static int project(struct search *s, const struct ent_row *row, struct buf *json)
{
    const struct query *q = s->req->fields;
    int rc = query_scope_load(&s->scope, row);
    for (int i = 0; i < q->n_items && rc == 0; i++) {
        const struct query_cell *cell = &s->scope.cells[q->items[i].slot];
        rc = buf_putc(json, i ? ',' : '{');
        if (rc == 0)
            rc = json_put_string(json, q->items[i].name);
        if (rc == 0)
            rc = buf_putc(json, ':');
        if (rc < 0)
            return rc;
        if (!cell->found || cell->kind == KIND_NULL)
            rc = buf_puts(json, "null");
        else if (cell->plain)
            rc = json_put_string(json, cell->raw);
        else
            rc = buf_put(json, cell->raw.p, cell->raw.n);
    }
    return rc < 0 ? rc : buf_putc(json, '}');
}

static int put_hit(struct search *s, const struct hit *h, struct buf *body, struct buf *out)
{
    struct ent_row row;
    int rc = ent_read(s->st, s->snap, h->coll, slice_of(h->id, h->n), body, &row);
    if (rc == -ERR_NOTFOUND)
        return err_set(ERR_CORRUPT, "'%.*s' has a vector but no body: see `remfs check`", h->n,
                       h->id);
    auto_buf json = BUF_INIT;
    if (rc == 0 && s->req->fields) {
        rc = project(s, &row, &json);
        row.json = slice_buf(&json);
    }
    if (rc < 0)
        return rc;
    char extra[32];
    float score = h->score > -0.00005F && h->score < 0 ? 0 : h->score; /* no "-0.0000" */
    int n = snprintf(extra, sizeof extra, "\"_score\":%.4f", (double)score);
    return query_put_row(out, &row, s->coll.type == 0, slice_of(extra, (size_t)n));
}

static int search_more(void *self, struct answer *a, struct buf *out)
{
    struct search *s = self;
    auto_buf body = BUF_INIT;
    size_t start = out->n;
    while (s->next < s->n && out->n - start < OUT_BYTES) {
        int rc = answer_poll(a);
        if (rc == 0)
            rc = put_hit(s, &s->hits[s->next++], &body, out);
        if (rc < 0)
            return rc;
    }
    if (s->next < s->n)
        return 1;
    if (s->snap) /* the engine keeps old versions for as long as it is held */
        ent_snapshot_put(s->st, steal(&s->snap));
    return 0;
}

static void search_free(void *self)
{
    struct search *s = self;
    if (s->snap)
        ent_snapshot_put(s->st, s->snap);
    if (s->has_scope)
        query_scope_free(&s->scope);
    search_req_free(s->req);
    buf_free(&s->query_row);
    free(s->hits);
    free(s);
}

static const struct answer_ops search_ops = {
    .start = search_start,
    .more = search_more,
    .free = search_free,
};

/* ---- store.h --------------------------------------------------------------------------------- */

/* What the text alone could not tell. */
static int check_store(struct store *st, const struct search_req *req)
{
    struct embedder *e = store_embedder(st);
    if (req->empty)
        return 0;
    if (!e)
        return err_set(ERR_INVAL,
                       "this store is open without an embedder: nothing can be searched");
    if (req->vector && req->dim != embed_dim(e))
        return err_set(ERR_INVAL, "\"vector\": found %d numbers, but vectors here (%s) have %d",
                       req->dim, embed_name(e), embed_dim(e));
    return 0;
}

int store_search_check(struct store *st, struct coll c, struct slice text)
{
    (void)c;
    cleanup(search_req_free) struct search_req *req = NULL;
    int rc = search_req_parse(text, &req);
    return rc ? rc : check_store(st, req);
}

int store_search(struct store *st, struct coll c, struct slice text, struct answer **out)
{
    cleanup(search_req_free) struct search_req *req = NULL;
    int rc = search_req_parse(text, &req);
    if (rc > 0) /* unfinished, and this is all there is */
        rc = -ERR_INVAL;
    if (rc == 0)
        rc = check_store(st, req);
    if (rc < 0)
        return rc;
    struct search *s = calloc(1, sizeof *s);
    if (!s)
        return err_set(ERR_NOMEM, "out of memory for a search");
    s->st = st;
    s->coll = c;
    s->req = steal(&req);
    if (s->req->fields) {
        rc = query_scope_init(&s->scope, &s->req->fields->out_fields);
        if (rc < 0) {
            search_free(s);
            return rc;
        }
        s->has_scope = true;
        s->scope.tenant_level = c.type == 0;
        ent_tenant_name(st, c.tenant, s->tenant_name);
        s->scope.tenant = slice_str(s->tenant_name);
    }
    return answer_new(st, &search_ops, s, out);
}
