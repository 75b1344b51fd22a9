/* query_group.c - GROUP BY and aggregates; see query_group.h.
 *
 * It may not read rows: cells are handed in. Equal means equal as in a filter: numbers by value,
 * strings by their bytes; null and missing are one value here.
 */
#include "store/query_group.h"
#include "store/base/cleanup.h"
#include "store/base/err.h"

#include <xxhash.h>

#define HASH_NONFATAL_OOM 1
#define HASH_FUNCTION(p, n, hash) ((hash) = (unsigned)XXH3_64bits((p), (n)))
#define uthash_nonfatal_oom(element) (out_of_memory = true)
#include <uthash.h>

struct kept { /* a value that outlives its row */
    struct query_cell cell;
    struct query_value value;
    char *mem; /* what both point into */
};

struct seen { /* a value of COUNT(DISTINCT) */
    UT_hash_handle hh;
    size_t n;
    char bytes[];
};

struct tally { /* one aggregate of one group */
    uint64_t n;
    bool inexact; /* a sum beyond 64 bits, or of numbers that are no integers */
    int64_t sum;
    double inexact_sum;
    struct kept best; /* MIN, MAX */
    struct seen *distinct;
};

struct group {
    UT_hash_handle hh;
    struct kept *fields;
    struct tally *tallies;       /* one a column */
    struct query_value *sort_by; /* made by finish */
    size_t n;
    char bytes[];
};

struct query_groups {
    const struct query *q;
    size_t memory, used;
    struct group *table;
    struct group **sorted;
    size_t n, at;
    struct buf key, scratch;
    struct query_cell *cells;
    struct buf *numbers; /* the text of a column's number */
};

static int no_memory(void)
{
    return err_set(ERR_NOMEM, "out of memory");
}

static int use(struct query_groups *g, size_t bytes)
{
    if (bytes > g->memory - g->used)
        return err_set(ERR_NOMEM,
                       "grouping would hold more than %zu MiB: add a filter that keeps fewer rows, "
                       "or group by a field with fewer values",
                       g->memory >> 20);
    g->used += bytes;
    return 0;
}

/* ---- keeping values -------------------------------------------------------------------------- */

static int keep(struct query_groups *g, struct kept *k, const struct query_cell *cell,
                const struct query_value *v)
{
    size_t raw = cell->raw.n, text = v->kind == KIND_STRING ? v->s.n : 0;
    int rc = use(g, raw + text);
    if (rc < 0)
        return rc;
    char *mem = malloc(raw + text + 1);
    if (!mem)
        return no_memory();
    if (raw)
        memcpy(mem, cell->raw.p, raw);
    if (text)
        memcpy(mem + raw, v->s.p, text);
    if (k->mem)
        g->used -= k->cell.raw.n + (k->value.kind == KIND_STRING ? k->value.s.n : 0);
    free(k->mem);
    *k = (struct kept){.cell = *cell, .value = *v, .mem = mem};
    k->cell.raw.p = mem;
    if (v->kind == KIND_STRING)
        k->value.s.p = mem + raw;
    else if (v->kind == KIND_OTHER)
        k->value.s.p = mem;
    return 0;
}

/* Bytes that are equal where the values are. */
static int put_canonical(struct buf *out, const struct query_value *v)
{
    static const char tags[] = "nftNso";
    bool exact = v->kind == KIND_NUMBER && v->num.is_int;
    double d = v->num.d == 0 ? 0 : v->num.d; /* -0.0 is 0 */
    uint64_t length = v->s.n;
    int rc = buf_putc(out, exact ? 'i' : tags[v->kind]);
    if (rc == 0 && v->kind == KIND_NUMBER)
        rc = exact ? buf_put(out, &v->num.i, 8) : buf_put(out, &d, 8);
    if (rc < 0 || v->kind < KIND_STRING)
        return rc;
    rc = buf_put(out, &length, sizeof length);
    return rc < 0 ? rc : buf_put(out, v->s.p, v->s.n);
}

/* ---- groups ---------------------------------------------------------------------------------- */

static void free_tally(struct tally *t)
{
    struct seen *s, *next;
    HASH_ITER(hh, t->distinct, s, next)
    {
        HASH_DEL(t->distinct, s);
        free(s);
    }
    free(t->best.mem);
}

static void free_group(const struct query *q, struct group *gr)
{
    for (int i = 0; gr->fields && i < q->n_group; i++)
        free(gr->fields[i].mem);
    for (int i = 0; gr->tallies && i < q->n_items; i++)
        free_tally(&gr->tallies[i]);
    free(gr->fields);
    free(gr->tallies);
    free(gr->sort_by);
    free(gr);
}

static int insert_group(struct query_groups *g, struct group *gr)
{
    bool out_of_memory = false;
    HASH_ADD_KEYPTR(hh, g->table, gr->bytes, gr->n, gr);
    if (!out_of_memory) {
        g->n++;
        return 0;
    }
    free_group(g->q, gr);
    return no_memory();
}

static int new_group(struct query_groups *g, const struct query_cell *cells, struct group **out)
{
    const struct query *q = g->q;
    size_t n = sizeof(struct group) + g->key.n;
    int rc = use(g, n + (size_t)q->n_group * sizeof(struct kept) +
                        (size_t)q->n_items * sizeof(struct tally) + sizeof(void *));
    if (rc < 0)
        return rc;
    struct group *gr = *out = calloc(1, n);
    if (!gr)
        return no_memory();
    gr->n = g->key.n;
    if (gr->n)
        memcpy(gr->bytes, g->key.p, gr->n);
    gr->fields = calloc((size_t)q->n_group + 1, sizeof *gr->fields);
    gr->tallies = calloc((size_t)q->n_items + 1, sizeof *gr->tallies);
    if (!gr->fields || !gr->tallies) {
        free_group(q, gr);
        return no_memory();
    }
    for (int i = 0; i < q->n_group && rc == 0; i++) {
        struct query_value v;
        const struct query_cell *cell = &cells[q->group[i]];
        rc = query_cell_value(cell, &g->scratch, &v);
        if (rc == 0)
            rc = keep(g, &gr->fields[i], cell, &v);
    }
    if (rc < 0) {
        free_group(q, gr);
        return rc;
    }
    return insert_group(g, gr);
}

static int find_group(struct query_groups *g, const struct query_cell *cells, struct group **out)
{
    buf_clear(&g->key);
    for (int i = 0; i < g->q->n_group; i++) {
        struct query_value v;
        int rc = query_cell_value(&cells[g->q->group[i]], &g->scratch, &v);
        if (rc == 0)
            rc = put_canonical(&g->key, &v);
        if (rc < 0)
            return rc;
    }
    const char *key = g->key.n ? g->key.p : "";
    HASH_FIND(hh, g->table, key, g->key.n, *out);
    return *out ? 0 : new_group(g, cells, out);
}

int query_groups_new(const struct query *q, size_t memory, struct query_groups **out)
{
    struct query_groups *g = *out = calloc(1, sizeof *g);
    if (!g)
        return no_memory();
    g->q = q;
    g->memory = memory;
    g->cells = calloc((size_t)q->n_items + 1, sizeof *g->cells);
    g->numbers = calloc((size_t)q->n_items + 1, sizeof *g->numbers);
    struct group *only;
    int rc = g->cells && g->numbers ? 0 : no_memory();
    if (rc == 0 && q->n_group == 0)
        rc = find_group(g, NULL, &only);
    if (rc < 0) {
        query_groups_free(g);
        *out = NULL;
    }
    return rc;
}

void query_groups_free(struct query_groups *g)
{
    struct group *gr, *next;
    if (!g)
        return;
    HASH_ITER(hh, g->table, gr, next)
    {
        HASH_DEL(g->table, gr);
        free_group(g->q, gr);
    }
    for (int i = 0; g->numbers && i < g->q->n_items; i++)
        buf_free(&g->numbers[i]);
    free(g->numbers);
    free(g->cells);
    free(g->sorted);
    buf_free(&g->key);
    buf_free(&g->scratch);
    free(g);
}

/* ---- adding up ------------------------------------------------------------------------------- */

static void add_number(struct tally *t, const struct json_num *num)
{
    t->n++;
    t->inexact_sum += num->d;
    if (!num->is_int || __builtin_add_overflow(t->sum, num->i, &t->sum))
        t->inexact = true;
}

static int add_distinct(struct query_groups *g, struct tally *t, const struct query_value *v)
{
    bool out_of_memory = false;
    struct seen *s;
    buf_clear(&g->key);
    int rc = put_canonical(&g->key, v);
    if (rc < 0)
        return rc;
    HASH_FIND(hh, t->distinct, g->key.p, g->key.n, s);
    if (s)
        return 0;
    rc = use(g, sizeof *s + g->key.n);
    if (rc < 0)
        return rc;
    s = malloc(sizeof *s + g->key.n);
    if (!s)
        return no_memory();
    s->n = g->key.n;
    memcpy(s->bytes, g->key.p, s->n);
    HASH_ADD_KEYPTR(hh, t->distinct, s->bytes, s->n, s);
    if (out_of_memory) {
        free(s);
        return no_memory();
    }
    t->n++;
    return 0;
}

static int add_to(struct query_groups *g, struct tally *t, enum query_agg agg,
                  const struct query_cell *cell)
{
    struct query_value v;
    if (cell->kind == KIND_NULL)
        return 0;
    if (agg == AGG_COUNT) {
        t->n++;
        return 0;
    }
    if ((agg == AGG_SUM || agg == AGG_AVG) && cell->kind != KIND_NUMBER)
        return 0;
    int rc = query_cell_value(cell, &g->scratch, &v);
    if (rc < 0)
        return rc;
    if (agg == AGG_SUM || agg == AGG_AVG) {
        add_number(t, &v.num);
        return 0;
    }
    if (agg == AGG_DISTINCT)
        return add_distinct(g, t, &v);
    int c = t->best.mem ? query_value_cmp(&v, &t->best.value) : 0;
    if (t->best.mem && (agg == AGG_MIN ? c >= 0 : c <= 0))
        return 0;
    return keep(g, &t->best, cell, &v);
}

int query_groups_add(struct query_groups *g, const struct query_cell *cells)
{
    struct group *gr = g->table;
    int rc = g->q->n_group ? find_group(g, cells, &gr) : 0;
    for (int i = 0; i < g->q->n_items && rc == 0; i++) {
        const struct query_item *item = &g->q->items[i];
        if (item->agg == AGG_ROWS)
            gr->tallies[i].n++;
        else if (item->agg != AGG_NONE)
            rc = add_to(g, &gr->tallies[i], item->agg, &cells[item->slot]);
    }
    return rc;
}

/* ---- results --------------------------------------------------------------------------------- */

static const struct kept *field_of(const struct query *q, const struct group *gr, int slot)
{
    for (int i = 0; i < q->n_group; i++)
        if (q->group[i] == slot)
            return &gr->fields[i];
    return NULL; /* the parser has made sure that there is one */
}

static bool is_count(enum query_agg agg)
{
    return agg == AGG_ROWS || agg == AGG_COUNT || agg == AGG_DISTINCT;
}

/* An aggregate's number as text. */
static int put_number(const struct tally *t, enum query_agg agg, struct buf *out)
{
    buf_clear(out);
    if (is_count(agg))
        return buf_putf(out, "%llu", (unsigned long long)t->n);
    if (agg == AGG_SUM && !t->inexact)
        return buf_putf(out, "%lld", (long long)t->sum);
    double sum = t->inexact ? t->inexact_sum : (double)t->sum;
    return json_put_double(out, agg == AGG_AVG ? sum / (double)t->n : sum);
}

static int result_of(const struct query *q, const struct group *gr, int i, struct buf *number,
                     struct query_cell *cell)
{
    enum query_agg agg = q->items[i].agg;
    const struct tally *t = &gr->tallies[i];
    *cell = (struct query_cell){.kind = KIND_NULL};
    if (agg == AGG_NONE || agg == AGG_MIN || agg == AGG_MAX) {
        const struct kept *k = agg == AGG_NONE ? field_of(q, gr, q->items[i].slot) : &t->best;
        if (k && k->mem)
            *cell = k->cell;
        return 0;
    }
    if (t->n == 0 && !is_count(agg))
        return 0;
    int rc = put_number(t, agg, number);
    bool null = rc == 0 && number->p[0] == 'n'; /* a sum out of a double's range */
    if (rc == 0 && !null)
        *cell = (struct query_cell){true, false, KIND_NUMBER, slice_buf(number)};
    return rc;
}

static int value_to_sort_by(struct query_groups *g, const struct group *gr,
                            const struct query_order *o, struct query_value *out)
{
    struct query_cell cell;
    enum query_agg agg = o->item >= 0 ? g->q->items[o->item].agg : AGG_NONE;
    if (agg == AGG_NONE) {
        *out = field_of(g->q, gr, o->slot)->value;
        return 0;
    }
    if (agg == AGG_MIN || agg == AGG_MAX) {
        *out = gr->tallies[o->item].best.value;
        return 0;
    }
    int rc = result_of(g->q, gr, o->item, &g->scratch, &cell);
    return rc < 0 ? rc : query_cell_value(&cell, NULL, out); /* a number: nothing to decode */
}

static int compare(const void *a, const void *b, void *arg)
{
    const struct query *q = arg;
    const struct group *x = *(struct group *const *)a, *y = *(struct group *const *)b;
    int c = 0;
    for (int i = 0; i < q->n_order && c == 0; i++) {
        c = query_value_cmp(&x->sort_by[i], &y->sort_by[i]);
        c = q->order[i].desc ? -c : c;
    }
    for (int i = 0; i < q->n_group && c == 0; i++)
        c = query_value_cmp(&x->fields[i].value, &y->fields[i].value);
    return c;
}

int query_groups_finish(struct query_groups *g)
{
    const struct query *q = g->q;
    size_t n = 0;
    g->sorted = calloc(g->n + 1, sizeof(struct group *));
    if (!g->sorted)
        return no_memory();
    for (struct group *gr = g->table; gr; gr = gr->hh.next) {
        g->sorted[n++] = gr;
        if (q->n_group == 0)
            break; /* one group needs no order */
        gr->sort_by = calloc((size_t)q->n_order + 1, sizeof *gr->sort_by);
        int rc = gr->sort_by ? use(g, (size_t)q->n_order * sizeof *gr->sort_by) : no_memory();
        for (int i = 0; i < q->n_order && rc == 0; i++)
            rc = value_to_sort_by(g, gr, &q->order[i], &gr->sort_by[i]);
        if (rc < 0)
            return rc;
    }
    if (n > 1)
        qsort_r(g->sorted, n, sizeof(struct group *), compare, (void *)(uintptr_t)q);
    return 0;
}

int query_groups_next(struct query_groups *g, const struct query_cell **cells)
{
    if (g->at == g->n)
        return 0;
    const struct group *gr = g->sorted[g->at++];
    for (int i = 0; i < g->q->n_items; i++) {
        int rc = result_of(g->q, gr, i, &g->numbers[i], &g->cells[i]);
        if (rc < 0)
            return rc;
    }
    *cells = g->cells;
    return 1;
}
