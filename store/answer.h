/* answer.h - inside the store: how queries, searches and .all.jsonl become a struct answer.
 *
 * A producer appends rows to a buffer when asked for more; answer.c turns that into reads of any size,
 * keeps the deadline and the cancel flag, and repeats an error. A producer must look at
 * answer_poll() at least every few thousand rows.
 */
#ifndef REMFS_ANSWER_H
#define REMFS_ANSWER_H

#include "store/store.h"

struct answer_ops {
    /* Called once, at the first read (take the snapshot here). */
    int (*start)(void *self, struct answer *a);
    /* Appends at least one byte to out, usually some 64 to 256 KiB; 1: there may be more, 0: that was
     * the end, negative: an error. */
    int (*more)(void *self, struct answer *a, struct buf *out);
    void (*free)(void *self); /* always called, also when start was not */
};

/* Takes self over (frees it through ops->free also when it fails). */
int answer_new(struct store *st, const struct answer_ops *ops, void *self, struct answer **out);
/* 0, or ERR_CANCELED / ERR_TIMEOUT. Cheap: an atomic load, and the clock every 256 calls. */
int answer_poll(struct answer *a);

#endif
