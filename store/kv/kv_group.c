/* kv_group.c - the queue of commits in front of an engine; see kv_group.h. The scheme is the one of
 * LevelDB's own writer queue (db/db_impl.cc, DBImpl::Write), with preconditions. It is needed on
 * top of that one because only here a failed write can stop the writes that wait behind it.
 *
 * It knows batches, not what an engine does with them.
 */
#include "store/kv/kv_group.h"
#include "store/base/err.h"

struct kv_waiter {
    const struct kv_batch *b;
    bool sync;
    bool done; /* rc and msg are set; guarded by the group's lock */
    int rc;
    char msg[256];
    pthread_cond_t wake; /* done, or now at the head */
    struct kv_waiter *next;
};

void kv_group_init(struct kv_group *g, const struct kv_group_ops *ops, void *ctx)
{
    *g = (struct kv_group){.ops = ops, .ctx = ctx};
    g->tail = &g->head;
    pthread_mutex_init(&g->lock, NULL);
}

void kv_group_destroy(struct kv_group *g)
{
    pthread_mutex_destroy(&g->lock);
}

/* The waiters from the head on that may share one write. A write that need not be synced does not
 * wait for a sync; pure syncs keep to themselves since they can fail where a commit did not. */
static int group_collect(const struct kv_group *g, struct kv_waiter **out)
{
    const struct kv_waiter *head = g->head;
    size_t bytes = 0;
    int n = 0;
    for (struct kv_waiter *w = g->head; w && n < KV_GROUP_MAX; w = w->next) {
        if (!w->b != !head->b || (w->sync && !head->sync))
            break;
        if (n > 0 && w->b && bytes + kv_batch_bytes(w->b) > KV_GROUP_BYTES)
            break;
        if (w->b)
            bytes += kv_batch_bytes(w->b);
        out[n++] = w;
    }
    return n;
}

/* Does a precondition of b look at a key that one of these batches writes? */
static bool group_overlaps(const struct kv_batch *b, const struct kv_batch *const *before, int n)
{
    for (int i = 0; i < b->expects.n; i++)
        for (int j = 0; j < n; j++)
            if (kv_batch_find(before[j], kv_op_key(b, &b->expects.v[i])))
                return true;
    return false;
}

static void waiter_set(struct kv_waiter *w, int rc)
{
    w->rc = rc;
    if (rc < 0)
        snprintf(w->msg, sizeof w->msg, "%s", err_msg());
}

/* Works off waiters from the front and returns how many: a commit whose precondition depends on a
 * write of this same group is left for the next one. */
static int group_run(struct kv_group *g, struct kv_waiter **w, int n)
{
    const struct kv_batch *batch[KV_GROUP_MAX];
    struct kv_waiter *writer[KV_GROUP_MAX];
    int writers = 0, i, rc = g->ops->begin(g->ctx);
    if (rc < 0) {
        for (i = 0; i < n; i++)
            waiter_set(w[i], rc);
        return n;
    }
    for (i = 0; i < n; i++) {
        const struct kv_batch *b = w[i]->b;
        if (b && b->expects.n > 0) {
            if (group_overlaps(b, batch, writers))
                break;
            rc = g->ops->check(g->ctx, b);
            if (rc < 0) {
                waiter_set(w[i], rc);
                continue;
            }
        }
        waiter_set(w[i], 0);
        if (b && b->writes.n > 0) {
            writer[writers] = w[i];
            batch[writers++] = b;
        }
    }
    if (writers > 0) {
        rc = g->ops->write(g->ctx, batch, writers, w[0]->sync);
        for (int j = 0; j < writers && rc < 0; j++)
            waiter_set(writer[j], rc);
    } else if (!w[0]->b) {
        rc = g->ops->write(g->ctx, NULL, 0, true);
        for (int j = 0; j < i; j++)
            waiter_set(w[j], rc);
    }
    return i;
}

int kv_group_commit(struct kv_group *g, const struct kv_batch *b, bool sync)
{
    struct kv_waiter *group[KV_GROUP_MAX];
    struct kv_waiter me = {.b = b, .sync = sync, .wake = PTHREAD_COND_INITIALIZER};
    pthread_mutex_lock(&g->lock);
    *g->tail = &me;
    g->tail = &me.next;
    while (!me.done && g->head != &me)
        pthread_cond_wait(&me.wake, &g->lock);
    if (!me.done) {
        int n = group_collect(g, group);
        pthread_mutex_unlock(&g->lock);
        n = group_run(g, group, n);
        pthread_mutex_lock(&g->lock);
        g->head = group[n - 1]->next;
        if (!g->head)
            g->tail = &g->head;
        for (int i = 0; i < n; i++) {
            group[i]->done = true; /* under the lock: its owner is gone once it is dropped */
            if (group[i] != &me)
                pthread_cond_signal(&group[i]->wake);
        }
        if (g->head)
            pthread_cond_signal(&g->head->wake);
    }
    pthread_mutex_unlock(&g->lock);
    pthread_cond_destroy(&me.wake);
    if (me.rc < 0)
        err_restore(me.msg);
    return me.rc;
}
