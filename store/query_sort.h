/* query_sort.h - ORDER BY: rows held with their keys, sorted, given back.
 *
 * With LIMIT a heap with the worst row on top holds no more than what is wanted; without, every row
 * is held. Over the memory allowed: -ERR_NOMEM with advice. Ties go by type, then id.
 *
 * Call order: new, add …, finish, next …, free. Threads: one at a time.
 */
#ifndef REMFS_QUERY_SORT_H
#define REMFS_QUERY_SORT_H

#include "store/query_value.h"

struct query_sort;

/* n_keys: how many of q->order count. keep: rows to hold at most, UINT64_MAX for all. q must
 * outlive it. */
int query_sort_new(const struct query *q, int n_keys, uint64_t keep, size_t memory,
                   struct query_sort **out);
/* cells: of q->out_fields, for that row. Everything is copied that has to stay. */
int query_sort_add(struct query_sort *s, const struct ent_row *row, const struct query_cell *cells);
void query_sort_finish(struct query_sort *s);
/* The next row in order, or NULL; owned by s. */
const struct ent_row *query_sort_next(struct query_sort *s);
void query_sort_free(struct query_sort *s);

#endif
