/* kv_engine.h - what an engine behind kv.h has to offer, and what kv.c does for all of them.
 *
 * For the files in store/kv/ only. kv.c checks arguments and limits, refuses commits on a read-only
 * store and seals batches (sorted by key, one operation for a key) before it calls an engine; so an
 * engine meets neither an empty or too long key, nor a batch that ran out of memory while it was
 * collected. Keys of operations and of kv_key_full() carry the tenant in front, 8 bytes big-endian.
 */
#ifndef REMFS_KV_ENGINE_H
#define REMFS_KV_ENGINE_H

#include "store/kv/kv.h"

#define KV_TENANT_BYTES 8
#define KV_MAX_KEY 4096                 /* bytes, without the tenant */
#define KV_MAX_VALUE ((size_t)64 << 20) /* bytes */
#define KV_MAX_BATCH ((size_t)256 << 20)
#define KV_CURSOR_SLACK 64              /* kv_range.after may be this much longer than a key */
#define KV_PAGE_BYTES ((size_t)1 << 20) /* kv_range.max_bytes when it is 0 */
/* Room for a tenant, the longest cursor and the byte that makes it "greater than". */
#define KV_KEY_BUF (KV_TENANT_BYTES + KV_MAX_KEY + KV_CURSOR_SLACK + 1)

enum kv_op_kind { KV_OP_PUT, KV_OP_DEL, KV_OP_EXPECT_VALUE, KV_OP_EXPECT_ABSENT };

/* One row of a batch. Its key (with the tenant) lies at off in the batch's memory, the value right
 * behind it; offsets, since the memory moves while it grows. */
struct kv_op {
    size_t off;
    uint32_t klen; /* bytes, with the tenant */
    uint32_t vlen; /* bytes; 0 for a delete */
    uint32_t seq;  /* order of arrival: of equal keys the greatest counts */
    enum kv_op_kind kind;
};

struct kv_oplist {
    struct kv_op *v;
    int n, cap;
};

struct kv_batch {
    uint64_t tenant; /* of the next operation */
    bool many_tenants;
    struct buf mem;
    struct kv_oplist writes;  /* puts and deletes; sorted and unique once sealed */
    struct kv_oplist expects; /* preconditions, as they came */
    uint32_t seq;
    bool sorted;   /* writes are in strictly growing order of keys */
    int rc;        /* the first failure while collecting, reported by kv_commit() */
    char msg[160]; /* its message */
};

/* The head of every engine's own struct. Constant after open, so read without a lock. */
struct kv {
    const struct kv_ops *ops;
    struct kv_limits limits;
    bool read_only;
};

/* Unless a slot says otherwise: called from many threads at once, returns 0 or a negative err_code
 * with its message set, owns nothing that is handed in beyond the call, and blocks only on the disk
 * and on the engine's own locks. struct kv_snap is the engine's own type. */
struct kv_ops {
    const char *scheme; /* what stands before the ':' of a URL */

    /* rest: what follows the ':'. opt is never NULL. Sets *out to a struct that starts with a
     * filled struct kv, owned by the caller until close; nothing is left behind on failure. One
     * thread. */
    int (*open)(const char *rest, const struct kv_options *opt, struct kv **out);

    /* Frees everything, puts written bytes on stable storage. No other call is under way. */
    void (*close)(struct kv *kv);

    /* Appends to v. ERR_NOTFOUND (and every failure) leaves v as it was. */
    int (*get)(struct kv *kv, struct kv_snap *snap, uint64_t tenant, struct slice key,
               struct buf *v);

    /* n >= 1 gets of one moment, also without a snapshot. On failure v may hold part of it. */
    int (*mget)(struct kv *kv, struct kv_snap *snap, uint64_t tenant, const struct slice *keys,
                int n, struct buf *v, bool *found);

    /* b is sealed and only read; it may have no writes. All or nothing: preconditions and writes
     * are one step with respect to every other commit, and a failure leaves nothing behind that a
     * later read could see. */
    int (*commit)(struct kv *kv, const struct kv_batch *b, bool sync);

    /* 1 or 0 after ERR_UNKNOWN. NULL: the engine always knows. */
    int (*resolve)(struct kv *kv, const struct kv_batch *b);

    /* Everything whose commit returned before this call is on stable storage afterwards. */
    int (*sync)(struct kv *kv);

    /* Fills page (reset by kv.c) with kv_page_add(). range->limit > 0, max_bytes > 0. kv.c turns
     * the offsets into pointers afterwards, and empties the page on failure. */
    int (*scan)(struct kv *kv, struct kv_snap *snap, uint64_t tenant, const struct kv_range *range,
                struct kv_page *page);

    /* *out is the caller's until snap_put(), which never fails. A snapshot may be read from many
     * threads at once. */
    int (*snap_get)(struct kv *kv, uint64_t tenant, struct kv_snap **out);
    void (*snap_put)(struct kv *kv, struct kv_snap *snap);

    /* See kv_watch() and kv_lease_ms(). NULL: nobody else can write (an exclusive lock is held). */
    int (*watch)(struct kv *kv, kv_change_fn *fn, void *ctx);
    int64_t (*lease_ms)(struct kv *kv);

    /* May take minutes; reads and commits go on meanwhile. */
    int (*compact)(struct kv *kv);

    /* Appends to text, which may be NULL. */
    int (*usage)(struct kv *kv, uint64_t *bytes, struct buf *text);
};

extern const struct kv_ops kv_leveldb_ops;
extern const struct kv_ops kv_mem_ops;

static inline struct slice kv_op_key(const struct kv_batch *b, const struct kv_op *op)
{
    return slice_of(b->mem.p + op->off, op->klen);
}

static inline struct slice kv_op_value(const struct kv_batch *b, const struct kv_op *op)
{
    return slice_of(b->mem.p + op->off + op->klen, op->vlen);
}

static inline struct slice kv_key_bare(struct slice full)
{
    return slice_of(full.p + KV_TENANT_BYTES, full.n - KV_TENANT_BYTES);
}

/* Does the stored value (NULL: there is none) meet the precondition? */
static inline bool kv_op_holds(const struct kv_batch *b, const struct kv_op *op,
                               const struct slice *stored)
{
    if (op->kind == KV_OP_EXPECT_ABSENT)
        return !stored;
    return stored && slice_eq(*stored, kv_op_value(b, op));
}

/* Sets ERR_CONFLICT with a message that shows the key. */
int kv_op_conflict(const struct kv_batch *b, const struct kv_op *op);

/* The write of this key (with the tenant) in a sealed batch, or NULL. O(log n). */
const struct kv_op *kv_batch_find(const struct kv_batch *b, struct slice full);

/* Tenant and key in out (KV_KEY_BUF bytes); the result points into it. */
struct slice kv_key_full(char *out, uint64_t tenant, struct slice key);

/* Where a scan of the range starts: the smallest key that can be in it. As kv_key_full(). */
struct slice kv_key_seek(char *out, uint64_t tenant, const struct kv_range *range);

/* Appends one row; 1 when the page is full after it, 0 when it is not, or an error. full is the key
 * with its tenant. */
int kv_page_add(struct kv_page *page, const struct kv_range *range, struct slice full,
                struct slice value);

#endif
