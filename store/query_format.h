/* query_format.h - rows to JSON Lines, JSON, CSV, TSV, ids, paths.
 *
 * Threads: a writer belongs to one run. Errors: -ERR_NOMEM.
 */
#ifndef REMFS_QUERY_FORMAT_H
#define REMFS_QUERY_FORMAT_H

#include "store/query_value.h"

struct query_writer {
    const struct query *q;
    uint64_t rows;
    struct slice *names; /* the columns of CSV and TSV, decoded; NULL before the first row */
    int n_names;
    struct buf names_text, keys_text; /* what names and keys point into */
    struct slice *keys;               /* "name": of each column, for JSON */
    struct buf scratch;
};

int query_writer_init(struct query_writer *w, const struct query *q); /* q must outlive it */
void query_writer_free(struct query_writer *w);
/* cells: one a column of q->items; or NULL for every member of the row. row is NULL for aggregates.
 */
int query_write_row(struct query_writer *w, struct buf *out, const struct ent_row *row,
                    const struct query_cell *cells);
int query_write_end(struct query_writer *w, struct buf *out);

#endif
