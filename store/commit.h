/* commit.h - inside the store: THE place where a change becomes a batch of rows.
 *
 * A thread with a change fills a struct commit_op and calls commit_run(). Changes stand in a queue
 * in order of arrival; the one at its head leads: it takes those behind it that can go along, lets
 * each prepare its rows into one batch, adds the counters of every type touched, commits once,
 * publishes what is kept in memory, and hands every one its own result. So changes of one file
 * never cross, a type is never removed under a file that is being made in it, and many threads
 * share one sync. (The queue is that of LevelDB's db_impl.cc, DBImpl::Write, and of kv_group.h, one
 * floor up: here the changes still have to be decided, not only written.)
 *
 * What is dear (parsing, compacting, embedding) happens before commit_run(), in the caller's
 * thread.
 *
 * Threads and locks: commit_queue.lock guards the queue only and is innermost. prepare() runs in
 * the leader, one at a time in the whole store, with no lock held; publish() in the leader with the
 * catalogue's lock held for writing. What one leader wrote in memory the next one sees.
 */
#ifndef REMFS_COMMIT_H
#define REMFS_COMMIT_H

#include "store/catalog.h"
#include "store/key.h"
#include "store/kv/kv.h"

#define COMMIT_GROUP_MAX 64                  /* changes in one batch */
#define COMMIT_GROUP_BYTES ((size_t)1 << 20) /* no change joins a batch announced as this large */
#define COMMIT_TOUCH_MAX 6                   /* files one change may touch */
#define COMMIT_INO_BLOCK 4096                /* inode numbers reserved at a time */
#define COMMIT_VERSION_BLOCK (1u << 20)

struct commit;

struct commit_op {
    /* Reads what is committed, decides, and adds rows to commit_batch(). When it returns an error
     * it must have added nothing and changed no counter: look first, then write. */
    int (*prepare)(struct commit_op *op, struct commit *c);
    /* After the commit: changes the catalogue. NULL: nothing to do. Cannot fail. */
    void (*publish)(struct commit_op *op, struct commit *c);
    /* What it looks at and changes: two changes with a touch in common never share a batch, since
     * prepare() does not see rows that wait in the batch. */
    uint64_t touch[COMMIT_TOUCH_MAX];
    int n_touch;
    bool alone; /* shares a batch with nothing: directories, bulk */
    bool sync;
    size_t bytes; /* about how large its rows are */

    /* the queue's own */
    struct commit_op *next;
    pthread_cond_t wake;
    bool done;
    int rc;
    char msg[ERR_MSG_MAX];
};

void commit_touch_name(struct commit_op *op, struct coll c, struct slice name);
void commit_touch_ino(struct commit_op *op, uint64_t ino);

/* Returns what prepare() or the commit returned, with its message. ERR_ROFS on a read-only store.
 */
int commit_run(struct store *st, struct commit_op *op);

/* ---- for prepare() and publish() ------------------------------------------------------------- */

struct commit_type { /* a type that this batch touches */
    struct cat_dir *dir;
    struct type_counts n; /* as it will be */
    bool dirty;           /* n differs from what is stored */
    bool names;           /* its list of names changes */
};

struct commit {
    struct store *st;
    struct kv_batch *batch;
    int64_t now; /* ns: the time of every change in this batch */
    struct rec_meta meta;
    bool meta_dirty;
    struct commit_type types[2 * COMMIT_GROUP_MAX];
    int n_types;
};

/* The type, or ERR_NOTFOUND. The pointer holds for the life of c. */
int commit_type(struct commit *c, struct coll coll, struct commit_type **out);
/* A name came, went or changed: the directory's times. */
void commit_names_changed(struct commit *c, struct commit_type *t);
uint64_t commit_new_ino(struct commit *c);
uint64_t commit_new_version(struct commit *c);

void commit_put(struct commit *c, uint64_t tenant, struct key key, struct slice value);
void commit_del(struct commit *c, uint64_t tenant, struct key key);
/* The header of a file, which may be a new name in the type. */
void commit_put_header(struct commit *c, struct commit_type *t, struct slice name,
                       const struct file_attr *a);
/* Keeps the type's name set, if there is one, complete. hash: key_name_hash(). */
void commit_name_seen(struct cat_dir *dir, uint64_t hash);

/* Adds (sign 1) or takes away (sign -1) a file from the counters. */
void commit_count(struct commit_type *t, const struct file_attr *a, int sign);

/* ---- the queue, one in a store --------------------------------------------------------------- */

struct commit_queue {
    pthread_mutex_t lock;
    struct commit_op *head, **tail; /* they live on their threads' stacks */
    /* the leader's own */
    struct kv_batch *batch;
    struct commit *group;
    struct rec_meta meta; /* as committed; written under the catalogue's lock, as others read it */
    uint64_t ino_next, version_next;
    _Atomic uint64_t commits, changes; /* batches, and changes in them, since open */
};

int commit_queue_init(struct commit_queue *q, const struct rec_meta *meta);
void commit_queue_free(struct commit_queue *q);

#endif
