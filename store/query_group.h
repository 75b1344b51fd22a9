/* query_group.h - GROUP BY and aggregates: rows added up, groups given back.
 *
 * Groups are kept in a hash table by the values of their fields; without GROUP BY there is one
 * group, and it is there without rows too. Over the memory allowed: -ERR_NOMEM with advice.
 *
 * Call order: new, add …, finish, next …, free. Threads: one at a time.
 */
#ifndef REMFS_QUERY_GROUP_H
#define REMFS_QUERY_GROUP_H

#include "store/query_value.h"

struct query_groups;

int query_groups_new(const struct query *q, size_t memory, struct query_groups **out);
/* cells: of q->out_fields. What has to stay is copied. */
int query_groups_add(struct query_groups *g, const struct query_cell *cells);
/* Sorts the groups: by ORDER BY, then by the fields of GROUP BY. */
int query_groups_finish(struct query_groups *g);
/* 1: *cells, one a column, good until the next call; 0: no more; or an error. */
int query_groups_next(struct query_groups *g, const struct query_cell **cells);
void query_groups_free(struct query_groups *g);

#endif
