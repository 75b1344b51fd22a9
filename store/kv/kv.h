/* kv.h - the ordered key-value interface that the store stands on.
 *
 * One engine is open at a time behind a struct kv: leveldb (on disk) or mem (for tests); an engine
 * for PostgreSQL is planned, so the interface has pages and batches and no call per key where a page
 * will do. It knows nothing of tenants' names, entities or JSON.
 *
 * Keys are bytes, ordered bytewise, and belong to a tenant (a number: 8 bytes big-endian in front of
 * the key under LevelDB, a column of its own elsewhere). Values are bytes.
 *
 * Threads: every function may be called from many threads at once, except on one struct kv_batch or
 * struct kv_page, which belong to one thread at a time. No function calls back while it holds a lock.
 * Errors: 0 or a negative enum err_code with its message (base/err.h).
 */
#ifndef REMFS_KV_H
#define REMFS_KV_H

#include "store/base/buf.h"
#include "store/base/cleanup.h"

#include <stdbool.h>
#include <stdint.h>

struct kv;
struct kv_snap;
struct kv_batch;

struct kv_limits {
    size_t max_key;   /* bytes, without the tenant */
    size_t max_value; /* bytes */
    size_t max_batch; /* bytes of keys and values in one commit */
    bool multi_tenant_batch; /* one batch may span tenants atomically (kv_batch_tenant()) */
};

struct kv_options {
    bool read_only;     /* refuse commits with ERR_ROFS; leveldb still takes its lock */
    bool create;        /* make the directory if it is not there; else ERR_NOTFOUND */
    size_t cache_bytes; /* block cache; 0: the engine's default (8 MiB) */
    size_t write_buffer_bytes; /* memtable; 0: the engine's default (16 MiB) */
};

/* url: "leveldb:/dir" | "mem:". opt NULL: create, read-write, defaults. A LevelDB directory that
 * another process holds is ERR_BUSY. */
int kv_open(const char *url, const struct kv_options *opt, struct kv **out);

/* Every snapshot must have been put back; threads must be out of every other call. NULL is fine. */
void kv_close(struct kv *kv);

/* Appends the value to v. snap NULL: the latest committed. ERR_NOTFOUND leaves v as it was. */
int kv_get(struct kv *kv, struct kv_snap *snap, uint64_t tenant, struct slice key, struct buf *v);

/* n gets as of one moment; found[i] says whether v[i] was appended to. */
int kv_mget(struct kv *kv, struct kv_snap *snap, uint64_t tenant, const struct slice *keys, int n,
            struct buf *v, bool *found);

/* A batch collects puts, deletes and preconditions, and is committed whole or not at all. Keys and
 * values are copied. The last put or delete of a key in the batch counts. */
struct kv_batch *kv_batch_new(uint64_t tenant); /* NULL: out of memory */
void kv_batch_free(struct kv_batch *b);
void kv_batch_clear(struct kv_batch *b, uint64_t tenant); /* empty, to be used again */
/* Later puts, deletes and preconditions go to this tenant (needs caps.multi_tenant_batch when it
 * differs from the first). */
void kv_batch_tenant(struct kv_batch *b, uint64_t tenant);
/* Out of memory is remembered and reported by kv_commit(). */
void kv_put(struct kv_batch *b, struct slice key, struct slice value);
void kv_del(struct kv_batch *b, struct slice key);
/* The commit takes place only if key has exactly this value (NULL: is absent) at that moment. */
void kv_expect(struct kv_batch *b, struct slice key, const struct slice *value);
size_t kv_batch_bytes(const struct kv_batch *b);
int kv_batch_count(const struct kv_batch *b); /* puts and deletes */

/* 0: committed; with sync, also on stable storage. ERR_CONFLICT: a precondition did not hold;
 * ERR_TOOBIG; ERR_NOSPACE; ERR_IO; ERR_UNKNOWN: ask kv_resolve(). After any failure nothing of the
 * batch is visible, and the batch may be committed again. */
int kv_commit(struct kv *kv, struct kv_batch *b, bool sync);

/* After ERR_UNKNOWN: 1 it did commit, 0 it did not. Embedded engines never answer ERR_UNKNOWN. */
int kv_resolve(struct kv *kv, struct kv_batch *b);

/* Everything committed so far is on stable storage when this returns 0. */
int kv_sync(struct kv *kv);

/* One page of a range in key order; rows point into the page's own memory and hold until the page is
 * used again or freed. The keys are without the tenant. */
struct kv_row {
    struct slice key, value; /* value is empty with keys_only */
};

struct kv_page {
    struct kv_row *rows;
    int n;
    bool more; /* the range goes on after the last row */
    /* private to the engine */
    struct buf mem;
    int cap;
};

#define KV_PAGE_INIT                                                                               \
    {                                                                                              \
        .rows = NULL                                                                               \
    }
void kv_page_free(struct kv_page *page);
#define auto_kv_page __attribute__((__cleanup__(kv_page_free))) struct kv_page

struct kv_range {
    struct slice prefix; /* only keys that start with this */
    struct slice after;  /* only keys greater than this; empty: from the prefix on */
    int limit;           /* rows at most; > 0 */
    size_t max_bytes;    /* stop after the row that goes over this; 0: 1 MiB */
    bool keys_only;
    bool verify;         /* check the stored checksums of all that is read (ERR_CORRUPT) */
    bool fill_cache;     /* keep the blocks read in the engine's cache (false for large scans) */
};

int kv_scan(struct kv *kv, struct kv_snap *snap, uint64_t tenant, const struct kv_range *range,
            struct kv_page *page);

/* A consistent view. Held for seconds only. When the engine had to reopen itself after a failed
 * write, an older snapshot is lost: reads on it give ERR_CANCELED, and the caller starts again. */
int kv_snap_get(struct kv *kv, uint64_t tenant, struct kv_snap **out);
void kv_snap_put(struct kv *kv, struct kv_snap *snap);

/* Called after a commit by another process or engine instance, at least once per change; key.n == 0
 * means: drop all caches. Embedded engines hold an exclusive lock, so they never call it. */
typedef void kv_change_fn(void *ctx, uint64_t tenant, struct slice key);
int kv_watch(struct kv *kv, kv_change_fn *fn, void *ctx);

/* How long caches above may be trusted without hearing from kv_watch(); INT64_MAX when embedded. */
int64_t kv_lease_ms(struct kv *kv);

const struct kv_limits *kv_caps(const struct kv *kv);

/* Reclaims space of a whole tenant's range, or of all (tenant 0). May take minutes. */
int kv_compact(struct kv *kv);

/* Bytes on disk, approximately; engine's own text on its state for `remfs stats` appended to text. */
int kv_usage(struct kv *kv, uint64_t *bytes, struct buf *text);

#endif
