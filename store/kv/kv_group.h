/* kv_group.h - one writer at a time for an engine, and one write for many waiting commits.
 *
 * Committers stand in a queue. The one at its head leads: it takes those behind it that may share
 * its write, checks their preconditions, writes once, and hands every one its result. So ten
 * threads that want their commit on the disk share a sync, and the engine knows that when a write
 * failed no other write is on its way behind it.
 *
 * Threads: kv_group_commit() from any. The callbacks are called by the leader only, never two at
 * once, with no lock held; what one leader's callbacks wrote in memory the next leader's see.
 */
#ifndef REMFS_KV_GROUP_H
#define REMFS_KV_GROUP_H

#include "store/kv/kv_engine.h"

#define KV_GROUP_MAX 64                  /* commits in one write */
#define KV_GROUP_BYTES ((size_t)1 << 20) /* no commit joins a write that is this large already */

struct kv_group_ops {
    /* Before anything of a group: can the engine write at all? An error is everyone's result. */
    int (*begin)(void *ctx);
    /* Do all preconditions of b hold in what is committed? 0, ERR_CONFLICT or another error. */
    int (*check)(void *ctx, const struct kv_batch *b);
    /* Writes the n >= 0 batches, in order, as one. n == 0: only the sync (of all that was written
     * before) is asked for. */
    int (*write)(void *ctx, const struct kv_batch *const *b, int n, bool sync);
};

struct kv_waiter;

struct kv_group {
    const struct kv_group_ops *ops;
    void *ctx;
    pthread_mutex_t lock;           /* guards the queue; innermost: nothing is locked under it */
    struct kv_waiter *head, **tail; /* the waiters live on their threads' stacks */
};

void kv_group_init(struct kv_group *g, const struct kv_group_ops *ops, void *ctx);
void kv_group_destroy(struct kv_group *g); /* nobody waits any more */

/* b is sealed; NULL: sync what was written before (sync must be true). */
int kv_group_commit(struct kv_group *g, const struct kv_batch *b, bool sync);

#endif
