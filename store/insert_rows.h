/* insert_rows.h - inside the store: many new versions of entities as one batch.
 *
 * insert.c finds the objects; here each gets its id and its rows, and all of a feed become one
 * change in the commit queue. Memory is taken by the feed, not by the row: bodies, keys and vectors
 * lie in four buffers that are used again.
 *
 * Threads: belongs to the inserter, one thread at a time.
 */
#ifndef REMFS_INSERT_ROWS_H
#define REMFS_INSERT_ROWS_H

#include "store/store_int.h"

struct insert_row {
    uint64_t hash, id8; /* sort keys: of the name, and the first bytes of the id */
    size_t key;         /* where its header's key starts in `keys`; the file name follows in it */
    size_t body, vec;   /* in `bodies` and `vecs` */
    uint32_t body_len, vec_len, text_len;
    uint16_t name_len; /* with ".json" */
    bool dropped;      /* a later one of the same feed has its id */
    bool created;
    struct file_attr attr; /* before: the old header; after: the new one */
};

struct insert_rows {
    struct store *st;
    struct coll coll;
    struct file_attr fresh; /* mode and owner of new ones */
    struct insert_row *v;
    size_t n, cap;
    struct buf bodies, keys, vecs;
    struct buf compact, scratch, random; /* for the row at hand */
    /* for the look-up of what is there */
    struct insert_sort *by_id, *by_name;
    struct slice *get_keys;
    uint32_t *get_rows;
    struct buf *get_values;
    bool *get_found;
    size_t get_cap;
};

/* Adds a validated object. -ERR_INVAL: its id is none. */
int insert_rows_add(struct insert_rows *r, struct slice text, bool sparse);
/* Commits all, in one batch up to the engine's limit. */
int insert_rows_commit(struct insert_rows *r);
/* The id of a row. */
struct slice insert_rows_id(const struct insert_rows *r, size_t i);
/* Tells store_on_change()'s function. */
int insert_rows_tell(struct insert_rows *r);
/* No more is to come: what was kept for speed at the type goes. */
void insert_rows_end(struct insert_rows *r);
void insert_rows_clear(struct insert_rows *r);
void insert_rows_free(struct insert_rows *r);

#endif
