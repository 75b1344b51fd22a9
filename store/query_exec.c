/* query_exec.c - a statement run, as the producer behind an answer; see query_exec.h.
 *
 * Without ORDER BY rows go from the scan to the output as they come, and the scan ends with LIMIT.
 * Otherwise the first call for output reads all rows into query_sort.c or query_group.c, and the
 * output then comes from there. It may not look into JSON (query_value.c) nor know formats.
 */
#include "store/query_exec.h"
#include "store/base/cleanup.h"
#include "store/base/err.h"
#include "store/query_format.h"
#include "store/query_group.h"
#include "store/query_plan.h"
#include "store/query_sort.h"

#define PIECE (128u << 10) /* bytes that one call makes, about */
#define MEMORY_DEFAULT ((size_t)64 << 20)

struct query_run {
    struct store *st;
    struct coll asked;
    struct query *q;
    struct query_plan plan;
    char tenant[STORE_NAME_MAX + 1];
    struct kv_snap *snap;
    struct ent_scan *scan;
    int next_id;
    struct buf body;
    struct query_scope where, out;
    struct query_sort *sort;
    struct query_groups *groups;
    struct query_writer writer;
    struct ent_row row; /* at hand */
    bool gathered;      /* sort or groups are complete */
    uint64_t skipped;
    struct query_counts counts;
};

DEFINE_CLEANUP(struct query, query_free)

/* ---- from the store -------------------------------------------------------------------------- */

/* The next of the ids that the filter names; those that are no entity are passed over. */
static int read_next_id(struct query_run *r)
{
    while (r->next_id < r->plan.n_ids) {
        int i = r->next_id++;
        struct slice id = r->plan.ids[i];
        if (id.n == 0 || id.n > STORE_ID_MAX || (i > 0 && slice_eq(id, r->plan.ids[i - 1])))
            continue;
        int rc = ent_read(r->st, r->snap, r->plan.coll, id, &r->body, &r->row);
        if (rc != -ERR_NOTFOUND)
            return rc < 0 ? rc : 1;
    }
    return 0;
}

/* 1: a row that the filter lets through is at hand; 0: the end; or an error. */
static int next_kept(struct query_run *r, struct answer *a)
{
    for (;;) {
        int rc = answer_poll(a);
        if (rc == 0)
            rc = r->scan ? ent_scan_next(r->scan, &r->row) : read_next_id(r);
        if (rc <= 0)
            return rc;
        r->counts.read++;
        if (r->q->where) {
            rc = query_scope_load(&r->where, &r->row);
            if (rc == 0)
                rc = query_eval(r->q->where, &r->where);
            if (rc < 0)
                return rc;
            if (rc != TRI_TRUE)
                continue;
        }
        r->counts.kept++;
        return 1;
    }
}

/* Reads all rows into the groups or the sorter. */
static int gather(struct query_run *r, struct answer *a)
{
    int rc;
    while ((rc = next_kept(r, a)) == 1) {
        rc = query_scope_load(&r->out, &r->row);
        if (rc == 0)
            rc = r->groups ? query_groups_add(r->groups, r->out.cells)
                           : query_sort_add(r->sort, &r->row, r->out.cells);
        if (rc < 0)
            return rc;
    }
    if (rc < 0)
        return rc;
    r->gathered = true;
    if (r->groups)
        return query_groups_finish(r->groups);
    query_sort_finish(r->sort);
    return 0;
}

/* ---- to the reader --------------------------------------------------------------------------- */

/* 1: the next result is a row (in r->row), or a group's columns (*cells). */
static int next_result(struct query_run *r, struct answer *a, const struct query_cell **cells)
{
    *cells = NULL;
    if (r->groups)
        return query_groups_next(r->groups, cells);
    if (!r->sort)
        return next_kept(r, a);
    const struct ent_row *row = query_sort_next(r->sort);
    if (row)
        r->row = *row;
    return row != NULL;
}

/* 1: the next result of the answer, past OFFSET, within LIMIT. */
static int next_answered(struct query_run *r, struct answer *a, const struct query_cell **cells)
{
    if (r->q->has_limit && r->counts.rows >= r->q->limit)
        return 0;
    int rc;
    while ((rc = next_result(r, a, cells)) == 1 && r->skipped < r->q->offset)
        r->skipped++;
    if (rc == 1)
        r->counts.rows++;
    return rc;
}

/* The columns of the row at hand, in the order of the items. */
static int load_columns(struct query_run *r, struct query_cell *columns)
{
    int rc = query_scope_load(&r->out, &r->row);
    for (int i = 0; rc == 0 && i < r->q->n_items; i++)
        columns[i] = r->out.cells[r->q->items[i].slot];
    return rc;
}

static int write_result(struct query_run *r, struct buf *out, const struct query_cell *cells)
{
    if (cells)
        return query_write_row(&r->writer, out, NULL, cells);
    if (r->q->n_items == 0)
        return query_write_row(&r->writer, out, &r->row, NULL);
    struct query_cell columns[r->q->n_items]; /* at most QUERY_FIELDS_MAX: 40 KiB */
    int rc = load_columns(r, columns);
    return rc < 0 ? rc : query_write_row(&r->writer, out, &r->row, columns);
}

static int explain(struct query_run *r, struct answer *a, struct buf *out)
{
    const struct query_cell *cells;
    int rc;
    while ((rc = next_answered(r, a, &cells)) == 1)
        continue;
    return rc < 0 ? rc : query_plan_put(&r->plan, r->q, r->st, &r->counts, out);
}

static int run_more(void *self, struct answer *a, struct buf *out)
{
    struct query_run *r = self;
    const struct query_cell *cells;
    size_t enough = out->n + PIECE;
    int rc = 0;
    if (r->q->empty)
        return 0;
    if ((r->groups || r->sort) && !r->gathered)
        rc = gather(r, a);
    if (rc == 0 && r->q->explain)
        return explain(r, a, out);
    while (rc == 0 && out->n < enough) {
        rc = next_answered(r, a, &cells);
        if (rc == 0)
            return query_write_end(&r->writer, out);
        if (rc == 1)
            rc = write_result(r, out, cells);
    }
    return rc < 0 ? rc : 1;
}

/* ---- beginning and end ----------------------------------------------------------------------- */

static size_t memory_allowed(struct store *st)
{
    size_t n = store_opts(st)->query_memory;
    return n ? n : MEMORY_DEFAULT;
}

static int run_start(void *self, struct answer *a)
{
    struct query_run *r = self;
    (void)a;
    if (r->q->empty)
        return 0;
    int rc = query_plan_make(r->st, r->asked, r->q, &r->plan);
    if (rc == 0)
        rc = query_scope_init(&r->where, &r->q->where_fields);
    if (rc == 0)
        rc = query_scope_init(&r->out, &r->q->out_fields);
    if (rc == 0)
        rc = query_writer_init(&r->writer, r->q);
    if (rc == 0 && r->plan.sort)
        rc = query_sort_new(r->q, r->plan.n_order, r->plan.keep, memory_allowed(r->st), &r->sort);
    if (rc == 0 && r->plan.groups)
        rc = query_groups_new(r->q, memory_allowed(r->st), &r->groups);
    if (rc == 0)
        rc = ent_snapshot(r->st, r->asked.tenant, &r->snap);
    if (rc == 0 && r->plan.access == ACCESS_SCAN)
        rc = ent_scan_open(r->st, r->snap, r->plan.coll, &r->scan);
    ent_tenant_name(r->st, r->asked.tenant, r->tenant);
    r->where.tenant = r->out.tenant = slice_str(r->tenant);
    r->where.tenant_level = r->out.tenant_level = r->q->tenant_level;
    return rc;
}

static void run_free(void *self)
{
    struct query_run *r = self;
    if (r->scan)
        ent_scan_close(r->scan);
    if (r->snap)
        ent_snapshot_put(r->st, r->snap);
    query_sort_free(r->sort);
    query_groups_free(r->groups);
    query_writer_free(&r->writer);
    query_scope_free(&r->where);
    query_scope_free(&r->out);
    buf_free(&r->body);
    query_free(r->q);
    free(r);
}

int query_run(struct store *st, struct coll asked, struct query *q, struct answer **out)
{
    static const struct answer_ops ops = {run_start, run_more, run_free};
    cleanup(query_free) struct query *mine = q;
    struct query_run *r = calloc(1, sizeof *r);
    if (!r)
        return err_set(ERR_NOMEM, "out of memory");
    r->st = st;
    r->asked = asked;
    r->q = steal(&mine);
    return answer_new(st, &ops, r, out);
}
