/* commit.c - the queue of changes, and the one batch that a group of them becomes; see commit.h.
 *
 * It knows counters, the store's own row and the order of things; what a change does to entities
 * and files is known by the file that made the change.
 */
#include "store/store_int.h"

#include <xxhash.h>

/* A batch that was larger than this does not keep its memory. */
#define BATCH_KEEP ((size_t)8 << 20)

int commit_queue_init(struct commit_queue *q, const struct rec_meta *meta)
{
    pthread_mutex_init(&q->lock, NULL);
    q->head = NULL;
    q->tail = &q->head;
    q->meta = *meta;
    q->ino_next = meta->ino_high;
    q->version_next = meta->version_high;
    q->batch = kv_batch_new(0);
    q->group = calloc(1, sizeof *q->group);
    return q->batch && q->group ? 0 : err_set(ERR_NOMEM, "out of memory");
}

void commit_queue_free(struct commit_queue *q)
{
    if (!q->tail)
        return;
    kv_batch_free(q->batch);
    free(q->group);
    pthread_mutex_destroy(&q->lock);
}

/* ---- touches --------------------------------------------------------------------------------- */

static void touch_add(struct commit_op *op, uint64_t h)
{
    op->touch[op->n_touch++] = h;
}

void commit_touch_name(struct commit_op *op, struct coll c, struct slice name)
{
    touch_add(op, XXH3_64bits_withSeed(name.p, name.n, c.tenant * 0x9e3779b97f4a7c15u + c.type));
}

void commit_touch_ino(struct commit_op *op, uint64_t ino)
{
    touch_add(op, XXH3_64bits(&ino, sizeof ino));
}

struct touches {
    uint64_t v[COMMIT_GROUP_MAX * COMMIT_TOUCH_MAX];
    int n;
};

/* Two different names with one hash only end a group early. */
static bool touches_meet(const struct touches *t, const struct commit_op *op)
{
    for (int i = 0; i < op->n_touch; i++)
        for (int j = 0; j < t->n; j++)
            if (t->v[j] == op->touch[i])
                return true;
    return false;
}

/* ---- what prepare() uses --------------------------------------------------------------------- */

int commit_type(struct commit *c, struct coll coll, struct commit_type **out)
{
    for (int i = 0; i < c->n_types; i++) {
        *out = &c->types[i];
        if ((*out)->dir->key.tenant == coll.tenant && (*out)->dir->key.type == coll.type)
            return 0;
    }
    struct cat_dir *dir = coll.type ? catalog_by_coll(&c->st->cat, coll) : NULL;
    if (!dir)
        return err_set(ERR_NOTFOUND, "the directory was removed");
    *out = &c->types[c->n_types++];
    **out = (struct commit_type){.dir = dir, .n = dir->counts};
    return 0;
}

void commit_names_changed(struct commit *c, struct commit_type *t)
{
    t->n.mtime = t->n.ctime = c->now;
    t->dirty = t->names = true;
}

/* The batch that uses the first number of a block also reserves the block: either both are there
 * after a crash, or neither. */
uint64_t commit_new_ino(struct commit *c)
{
    uint64_t ino = c->st->q.ino_next++;
    if (ino >= c->meta.ino_high) {
        c->meta.ino_high = ino + COMMIT_INO_BLOCK;
        c->meta_dirty = true;
    }
    return ino;
}

uint64_t commit_new_version(struct commit *c)
{
    uint64_t version = c->st->q.version_next++;
    if (version >= c->meta.version_high) {
        c->meta.version_high = version + COMMIT_VERSION_BLOCK;
        c->meta_dirty = true;
    }
    return version;
}

void commit_put(struct commit *c, uint64_t tenant, struct key key, struct slice value)
{
    kv_batch_tenant(c->batch, tenant);
    kv_put(c->batch, key_slice(&key), value);
}

void commit_del(struct commit *c, uint64_t tenant, struct key key)
{
    kv_batch_tenant(c->batch, tenant);
    kv_del(c->batch, key_slice(&key));
}

void commit_name_seen(struct cat_dir *dir, uint64_t hash)
{
    if (!dir->names || name_set_add(dir->names, hash))
        return;
    name_set_free(steal(&dir->names));
}

void commit_put_header(struct commit *c, struct commit_type *t, struct slice name,
                       const struct file_attr *a)
{
    char v[REC_HEADER_BYTES];
    struct coll coll = cat_coll(t->dir);
    rec_header_put(v, a);
    if (t->dir->names)
        commit_name_seen(t->dir, key_name_hash(name));
    commit_put(c, coll.tenant, key_header(coll.type, name), slice_of(v, sizeof v));
}

void commit_count(struct commit_type *t, const struct file_attr *a, int sign)
{
    uint64_t one = (uint64_t)(int64_t)sign; /* wraps as it should */
    switch (a->kind) {
    case FILE_ENTITY:
        t->n.entities += one;
        t->n.bytes += one * a->size;
        break;
    case FILE_DRAFT:
        t->n.drafts += one;
        break;
    case FILE_SCRATCH:
        t->n.scratch += one;
        t->n.scratch_bytes += one * a->size;
        break;
    }
    t->dirty = true;
}

/* ---- a group --------------------------------------------------------------------------------- */

/* Those from the head on that may share a batch. The queue's lock is held. */
static int group_collect(const struct commit_queue *q, struct commit_op **out)
{
    struct touches seen = {.n = 0};
    const struct commit_op *head = q->head;
    size_t bytes = 0;
    int n = 0;
    for (struct commit_op *op = q->head; op && n < COMMIT_GROUP_MAX; op = op->next) {
        /* A change that need not be synced may wait for a sync that is under way anyhow, but a sync
         * is not forced on those that came first. */
        if (n > 0 && (op->alone || (op->sync && !head->sync) || touches_meet(&seen, op) ||
                      bytes + op->bytes > COMMIT_GROUP_BYTES))
            break;
        memcpy(seen.v + seen.n, op->touch, (size_t)op->n_touch * sizeof *op->touch);
        seen.n += op->n_touch;
        bytes += op->bytes;
        out[n++] = op;
        if (op->alone)
            break;
    }
    return n;
}

static void op_result(struct commit_op *op, int rc)
{
    op->rc = rc;
    if (rc < 0)
        snprintf(op->msg, sizeof op->msg, "%s", err_msg());
}

static void put_counters(struct commit *c)
{
    for (int i = 0; i < c->n_types; i++) {
        const struct commit_type *t = &c->types[i];
        char v[REC_COUNTS_BYTES];
        if (!t->dirty)
            continue;
        rec_counts_put(v, &t->n);
        commit_put(c, t->dir->key.tenant, key_counters((uint32_t)t->dir->key.type),
                   slice_of(v, sizeof v));
    }
    if (c->meta_dirty) {
        char v[REC_META_BYTES];
        rec_meta_put(v, &c->meta);
        commit_put(c, 0, key_meta(), slice_of(v, sizeof v));
    }
}

static void group_publish(struct commit *c, struct commit_op **ops, int n)
{
    with_wrlock(&c->st->cat.lock);
    c->st->q.meta = c->meta;
    for (int i = 0; i < c->n_types; i++) {
        c->types[i].dir->counts = c->types[i].n;
        c->types[i].dir->changes += c->types[i].names;
    }
    for (int i = 0; i < n; i++)
        if (ops[i]->rc >= 0 && ops[i]->publish)
            ops[i]->publish(ops[i], c);
}

/* Prepares, commits and publishes; every op has its result afterwards. The leader, no lock held. */
static void group_run(struct store *st, struct commit_op **ops, int n)
{
    struct commit_queue *q = &st->q;
    struct commit *c = q->group;
    c->st = st;
    c->batch = q->batch;
    c->now = clock_realtime_ns();
    c->meta = q->meta;
    c->meta_dirty = false;
    c->n_types = 0;
    kv_batch_clear(c->batch, 0);
    int good = 0;
    for (int i = 0; i < n; i++) {
        op_result(ops[i], ops[i]->prepare(ops[i], c));
        good += ops[i]->rc >= 0;
    }
    if (good == 0)
        return;
    put_counters(c);
    int rc = kv_batch_count(c->batch) ? kv_commit(st->kv, c->batch, ops[0]->sync) : 0;
    for (int i = 0; i < n && rc < 0; i++)
        if (ops[i]->rc >= 0)
            op_result(ops[i], rc);
    if (rc < 0)
        return;
    group_publish(c, ops, n);
    atomic_fetch_add_explicit(&q->commits, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&q->changes, (uint64_t)good, memory_order_relaxed);
}

static void batch_trim(struct commit_queue *q)
{
    if (kv_batch_bytes(q->batch) <= BATCH_KEEP)
        return;
    struct kv_batch *small = kv_batch_new(0);
    if (!small)
        return;
    kv_batch_free(q->batch);
    q->batch = small;
}

/* Takes a group off the queue and wakes its members. The queue's lock is held. */
static void queue_pop(struct commit_queue *q, struct commit_op **ops, int n,
                      const struct commit_op *me)
{
    q->head = ops[n - 1]->next;
    if (!q->head)
        q->tail = &q->head;
    for (int i = 0; i < n; i++) {
        ops[i]->done = true; /* its owner may go once the lock is dropped */
        if (ops[i] != me)
            pthread_cond_signal(&ops[i]->wake);
    }
    if (q->head)
        pthread_cond_signal(&q->head->wake);
}

int commit_run(struct store *st, struct commit_op *op)
{
    struct commit_queue *q = &st->q;
    struct commit_op *ops[COMMIT_GROUP_MAX];
    if (st->opt.read_only)
        return err_set(ERR_ROFS, "the store is open for reading only");
    op->sync |= st->opt.sync;
    op->next = NULL;
    op->done = false;
    pthread_cond_init(&op->wake, NULL);
    pthread_mutex_lock(&q->lock);
    *q->tail = op;
    q->tail = &op->next;
    while (!op->done && q->head != op)
        pthread_cond_wait(&op->wake, &q->lock);
    if (!op->done) {
        int n = group_collect(q, ops);
        pthread_mutex_unlock(&q->lock);
        group_run(st, ops, n);
        batch_trim(q);
        pthread_mutex_lock(&q->lock);
        queue_pop(q, ops, n, op);
    }
    pthread_mutex_unlock(&q->lock);
    pthread_cond_destroy(&op->wake);
    if (op->rc < 0)
        err_restore(op->msg);
    return op->rc;
}
