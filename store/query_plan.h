/* query_plan.h - how a statement is going to be answered: which rows are read, what is held.
 *
 * Threads: a plan belongs to one run. It borrows from the statement, which must outlive it.
 */
#ifndef REMFS_QUERY_PLAN_H
#define REMFS_QUERY_PLAN_H

#include "store/query_ast.h"

enum query_access { ACCESS_SCAN, ACCESS_IDS };

struct query_plan {
    struct coll coll; /* what is read; type 0: every type of the tenant */
    enum query_access access;
    const struct slice *ids; /* ACCESS_IDS: ascending; the filter is applied to them as well */
    int n_ids;
    bool groups; /* rows go into groups (one, without GROUP BY) */
    bool sort;   /* rows are held and sorted by the first n_order of ORDER BY */
    int n_order;
    uint64_t keep; /* sort: no more rows than these are ever held; UINT64_MAX: all */
};

/* The type that FROM names, or the directory's own. -ERR_INVAL: no such type, or not this one; 1:
 * so far, since the text ends in the midst of the name. */
int query_resolve_type(struct store *st, struct coll asked, const struct query *q,
                       struct coll *out);
int query_plan_make(struct store *st, struct coll asked, const struct query *q,
                    struct query_plan *out);

struct query_counts { /* of a finished run */
    uint64_t read, kept, rows;
};
/* EXPLAIN: the steps, a JSON object each on a line of its own. */
int query_plan_put(const struct query_plan *plan, const struct query *q, struct store *st,
                   const struct query_counts *counts, struct buf *out);

#endif
