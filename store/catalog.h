/* catalog.h - inside the store: the tenants and types, held in memory.
 *
 * A tree of three levels (root, tenants, types) with three ways in: by inode number, by number
 * (struct coll), by name within a parent. It is filled at open; afterwards only the leader of the
 * commit queue (commit.h) changes it, after its batch was committed, under the lock held for
 * writing. So everybody else reads under the lock held for reading and copies what it needs, and
 * the leader itself reads without a lock.
 *
 * Lock order: nothing is locked and no engine is called while catalog.lock is held.
 */
#ifndef REMFS_CATALOG_H
#define REMFS_CATALOG_H

#include "store/name_set.h"
#include "store/record.h"

#include <pthread.h>
#include <stdatomic.h>
#include <uthash.h>

struct cat_key {
    uint64_t tenant, type;
};

struct cat_dir { /* the root (coll 0, 0), a tenant (type 0), a type */
    uint64_t ino;
    struct cat_key key;
    uint32_t mode, uid, gid;
    uint32_t type_next;                 /* a tenant's next type */
    int64_t atime, mtime, ctime, btime; /* a type's mtime and ctime: in counts */
    uint64_t changes;
    struct type_counts counts; /* a type's */
    /* The leader's own, also without the lock: see name_set.h. */
    struct name_set *names; /* NULL: not kept */
    uint64_t name_gets;     /* look-ups in the engine that it would have saved */
    struct cat_dir *parent;
    struct cat_dir *children; /* by name */
    char name[STORE_NAME_MAX + 1];
    size_t name_len;
    UT_hash_handle hh_name, hh_ino, hh_key;
};

struct catalog {
    pthread_rwlock_t lock;
    struct cat_dir *root;
    struct cat_dir *by_ino, *by_key; /* all, the root too */
};

struct kv;

/* Reads all of it from the engine. meta is the store's own row. */
int catalog_load(struct catalog *cat, struct kv *kv, const struct rec_meta *meta);
void catalog_free(struct catalog *cat);

/* The lock is held, or the caller leads. NULL when there is none. */
struct cat_dir *catalog_by_ino(struct catalog *cat, uint64_t ino);
struct cat_dir *catalog_by_coll(struct catalog *cat, struct coll c);
struct cat_dir *catalog_child(struct cat_dir *parent, struct slice name);
unsigned catalog_children(const struct cat_dir *dir);

/* The leader, with the lock held for writing. dir is the catalogue's from then on; remove gives it
 * back to be freed. */
void catalog_add(struct catalog *cat, struct cat_dir *parent, struct cat_dir *dir);
struct cat_dir *catalog_remove(struct catalog *cat, struct cat_dir *dir);

/* A new one that is not in the catalogue yet; NULL: out of memory. */
struct cat_dir *cat_dir_new(struct slice name, struct cat_key key, uint64_t ino);
void cat_dir_free(struct cat_dir *dir);
void cat_dir_attr(const struct cat_dir *dir, struct dir_attr *out);
void cat_dir_record(const struct cat_dir *dir, struct rec_dir *out);

static inline struct coll cat_coll(const struct cat_dir *dir)
{
    return (struct coll){dir->key.tenant, (uint32_t)dir->key.type};
}

#endif
