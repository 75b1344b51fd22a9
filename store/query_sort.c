/* query_sort.c - ORDER BY; see query_sort.h.
 *
 * It may not read rows nor write them. A row is copied only once it is known to be held: most rows
 * of a large type lose against the top of the heap and cost one comparison.
 */
#include "store/query_sort.h"
#include "store/base/cleanup.h"
#include "store/base/err.h"

struct held {
    struct ent_row row; /* points behind keys, as do the keys' strings */
    size_t bytes;       /* of the whole block */
    struct query_value keys[];
};

struct query_sort {
    const struct query *q;
    int n_keys;
    uint64_t keep;
    size_t memory, used;
    struct held **rows; /* a heap with the last in order on top, once keep is reached */
    size_t n, cap, at;
    bool is_heap;
    struct query_value *keys; /* of the row that is being added … */
    struct buf *scratch;      /* … and their decoded strings */
};

int query_sort_new(const struct query *q, int n_keys, uint64_t keep, size_t memory,
                   struct query_sort **out)
{
    struct query_sort *s = *out = calloc(1, sizeof *s);
    if (s) {
        s->keys = calloc((size_t)n_keys, sizeof *s->keys);
        s->scratch = calloc((size_t)n_keys, sizeof *s->scratch);
    }
    if (!s || !s->keys || !s->scratch) {
        query_sort_free(s);
        *out = NULL;
        return err_set(ERR_NOMEM, "out of memory");
    }
    s->q = q;
    s->n_keys = n_keys;
    s->keep = keep;
    s->memory = memory;
    return 0;
}

void query_sort_free(struct query_sort *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n; i++)
        free(s->rows[i]);
    free(s->rows);
    for (int i = 0; s->scratch && i < s->n_keys; i++)
        buf_free(&s->scratch[i]);
    free(s->scratch);
    free(s->keys);
    free(s);
}

static int order(const struct query_sort *s, const struct query_value *a, const struct ent_row *ra,
                 const struct query_value *b, const struct ent_row *rb)
{
    for (int i = 0; i < s->n_keys; i++) {
        int c = query_value_cmp(&a[i], &b[i]);
        if (c)
            return s->q->order[i].desc ? -c : c;
    }
    int c = slice_cmp(ra->type_name, rb->type_name);
    return c ? c : slice_cmp(ra->id, rb->id);
}

static int order_held(const struct query_sort *s, const struct held *a, const struct held *b)
{
    return order(s, a->keys, &a->row, b->keys, &b->row);
}

/* ---- the heap -------------------------------------------------------------------------------- */

static void sift_down(struct query_sort *s, size_t i)
{
    struct held *row = s->rows[i];
    for (size_t kid; (kid = 2 * i + 1) < s->n; i = kid) {
        if (kid + 1 < s->n && order_held(s, s->rows[kid], s->rows[kid + 1]) < 0)
            kid++;
        if (order_held(s, row, s->rows[kid]) >= 0)
            break;
        s->rows[i] = s->rows[kid];
    }
    s->rows[i] = row;
}

static void make_heap(struct query_sort *s)
{
    for (size_t i = s->n / 2; i > 0; i--)
        sift_down(s, i - 1);
    s->is_heap = true;
}

/* ---- holding --------------------------------------------------------------------------------- */

static struct slice put(char **to, struct slice from)
{
    struct slice copy = slice_of(*to, from.n);
    if (from.n)
        memcpy(*to, from.p, from.n);
    *to += from.n;
    return copy;
}

static int over_memory(const struct query_sort *s)
{
    return err_set(ERR_NOMEM,
                   "ORDER BY would hold more than %zu MiB of rows: add LIMIT, or a filter that "
                   "keeps fewer",
                   s->memory >> 20);
}

/* s->keys and the row as one block. */
static int hold(struct query_sort *s, const struct ent_row *row, struct held **out)
{
    size_t n = sizeof(struct held) + (size_t)s->n_keys * sizeof *s->keys;
    size_t text = row->id.n + row->type_name.n + row->json.n;
    for (int i = 0; i < s->n_keys; i++)
        text += s->keys[i].s.n;
    if (n + text + sizeof *out > s->memory - s->used)
        return over_memory(s);
    struct held *h = *out = malloc(n + text);
    if (!h)
        return err_set(ERR_NOMEM, "out of memory");
    char *to = (char *)h + n;
    h->row = *row;
    h->row.id = put(&to, row->id);
    h->row.type_name = put(&to, row->type_name);
    h->row.json = put(&to, row->json);
    for (int i = 0; i < s->n_keys; i++) {
        h->keys[i] = s->keys[i];
        h->keys[i].s = put(&to, s->keys[i].s);
    }
    h->bytes = n + text + sizeof *out;
    s->used += h->bytes;
    return 0;
}

static int append(struct query_sort *s, const struct ent_row *row)
{
    if (s->n == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 64;
        void *rows = realloc(s->rows, cap * sizeof *s->rows);
        if (!rows)
            return err_set(ERR_NOMEM, "out of memory");
        s->rows = rows;
        s->cap = cap;
    }
    int rc = hold(s, row, &s->rows[s->n]);
    if (rc == 0)
        s->n++;
    return rc;
}

static int replace_top(struct query_sort *s, const struct ent_row *row)
{
    struct held *top = s->rows[0], *h;
    if (order(s, s->keys, row, top->keys, &top->row) >= 0)
        return 0;
    s->used -= top->bytes;
    int rc = hold(s, row, &h);
    if (rc < 0) {
        s->used += top->bytes;
        return rc;
    }
    free(top);
    s->rows[0] = h;
    sift_down(s, 0);
    return 0;
}

int query_sort_add(struct query_sort *s, const struct ent_row *row, const struct query_cell *cells)
{
    if (s->keep == 0)
        return 0;
    for (int i = 0; i < s->n_keys; i++) {
        int rc = query_cell_value(&cells[s->q->order[i].slot], &s->scratch[i], &s->keys[i]);
        if (rc < 0)
            return rc;
    }
    if (s->n < s->keep)
        return append(s, row);
    if (!s->is_heap)
        make_heap(s);
    return replace_top(s, row);
}

/* ---- giving back ----------------------------------------------------------------------------- */

static int compare(const void *a, const void *b, void *s)
{
    return order_held(s, *(struct held *const *)a, *(struct held *const *)b);
}

void query_sort_finish(struct query_sort *s)
{
    if (s->n > 1)
        qsort_r(s->rows, s->n, sizeof *s->rows, compare, s);
}

const struct ent_row *query_sort_next(struct query_sort *s)
{
    return s->at < s->n ? &s->rows[s->at++]->row : NULL;
}
