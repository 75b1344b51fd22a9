/* check.h - inside the store: what the two halves of store_check() share.
 *
 * check.c walks a tenant's files (headers, bodies, vectors, chunks); check_dirs.c walks the
 * catalogue and the counters and calls it for every tenant. All of it reads one snapshot and writes
 * nothing, so that it can be run on a store in use.
 */
#ifndef REMFS_CHECK_H
#define REMFS_CHECK_H

#include "store/store_int.h"

struct check {
    struct store *st;
    struct kv_snap *snap;
    uint64_t tenant;
    const char *tenant_name;
    struct rec_meta *meta;
    store_check_fn *fn;
    void *ctx;
    int64_t findings;
};

struct check_type { /* a type as its row says, and what was counted */
    uint32_t id;
    char name[STORE_NAME_MAX + 1];
    struct type_counts stored, counted;
    bool has_counts;
    UT_hash_handle hh;
};

void check_found(struct check *k, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Calls fn for every row whose key starts with space. An error of fn ends it. */
typedef int check_row_fn(struct check *k, void *ctx, const struct key_parts *key,
                         const struct kv_row *row);
int check_rows(struct check *k, char space, check_row_fn *fn, void *ctx);

/* Headers, bodies, vectors and chunks of a tenant; adds to the types' counted. */
int check_files(struct check *k, struct check_type *types);

#endif
