/* entity.h - inside the store: reading entities in bulk, for queries, searches and .all.jsonl.
 *
 * Only files in store/ include this. See store.h for what the rest of the program sees.
 *
 * Threads: a struct ent_scan belongs to one thread at a time.
 */
#ifndef REMFS_ENTITY_H
#define REMFS_ENTITY_H

#include "store/kv/kv.h"
#include "store/store.h"

/* An entity as a row. The slices hold until the next call on the scan (or as long as the buffer that
 * they were read into). */
struct ent_row {
    struct coll coll;
    struct slice id;
    struct slice type_name;
    struct slice json;   /* the compact form: one line, validated */
    uint64_t ino;
    int64_t created, modified; /* ns */
};

struct ent_scan;

/* A snapshot over the tenant; type 0 scans all types in order of their names. In order of ids (bytewise)
 * within a type. The scan reads by pages (~256 KiB) and never holds the type in memory.
 * snap may be shared by several scans; it must outlive them. */
int ent_snapshot(struct store *st, uint64_t tenant, struct kv_snap **out);
void ent_snapshot_put(struct store *st, struct kv_snap *snap);
int ent_scan_open(struct store *st, struct kv_snap *snap, struct coll c, struct ent_scan **out);
/* 1: a row; 0: the end; negative: an error. */
int ent_scan_next(struct ent_scan *scan, struct ent_row *row);
void ent_scan_close(struct ent_scan *scan);

/* One entity by id as of the snapshot: its body is read into mem (cleared first), row points into mem
 * and id. ERR_NOTFOUND. */
int ent_read(struct store *st, struct kv_snap *snap, struct coll c, struct slice id, struct buf *mem,
             struct ent_row *row);

/* The stored vectors (rows of embed.h) of a type (or, type 0, of a tenant) in key order. */
struct vec_row {
    struct coll coll;
    struct slice id;
    struct slice row; /* for vec_decode() */
};
struct vec_scan;
int vec_scan_open(struct store *st, struct kv_snap *snap, struct coll c, struct vec_scan **out);
int vec_scan_next(struct vec_scan *scan, struct vec_row *row);
void vec_scan_close(struct vec_scan *scan);

/* Names: a type by name within a tenant (ERR_NOTFOUND), a type's or tenant's name ("" once it is gone). */
int ent_type_by_name(struct store *st, uint64_t tenant, struct slice name, uint32_t *type);
void ent_type_name(struct store *st, struct coll c, char out[STORE_NAME_MAX + 1]);
void ent_tenant_name(struct store *st, uint64_t tenant, char out[STORE_NAME_MAX + 1]);
int ent_count(struct store *st, struct coll c, uint64_t *entities); /* from the counters */

struct embedder *store_embedder(struct store *st); /* NULL: no vectors */
const struct store_options *store_opts(const struct store *st);

#endif
