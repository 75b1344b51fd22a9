/* kv_undo.h - what a write that failed must not have changed, for an engine whose log may bring it
 * back. A struct kv_batch that would restore the rows as they were. Knows no engine.
 *
 * Threads: no state, no locks; the caller sees to it that nobody writes meanwhile.
 */
#ifndef REMFS_KV_UNDO_H
#define REMFS_KV_UNDO_H

#include "store/kv/kv_engine.h"

/* Reads the newest committed value of a key (with its tenant): appends to v, sets *found. */
typedef int kv_undo_get_fn(void *ctx, struct slice full, struct buf *v, bool *found);

/* The present state of every row that the n batches write. *out is the caller's. */
int kv_undo_note(const struct kv_batch *const *b, int n, kv_undo_get_fn *get, void *ctx,
                 struct kv_batch **out);

/* 1 when a row is not as noted, 0 when all are. */
int kv_undo_needed(const struct kv_batch *undo, kv_undo_get_fn *get, void *ctx);

#endif
