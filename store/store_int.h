/* store_int.h - inside the store: struct store, and what the files of the core share.
 *
 * Only files in store/ include this; queries and searches use entity.h.
 *
 * Threads: everything in struct store is set at open and read-only afterwards, except the catalogue
 * and the commit queue, which have their own locks (catalog.h, commit.h), and on_change, which is
 * set before the first inserter.
 */
#ifndef REMFS_STORE_INT_H
#define REMFS_STORE_INT_H

#include "store/base/cleanup.h"
#include "store/commit.h"
#include "store/entity.h"

struct store {
    struct store_options opt; /* defaults filled in; embed points to embed_name */
    char *embed_name;
    char *path; /* NULL in memory */
    int lock_fd;
    struct kv *kv;
    struct embedder *embed; /* NULL: no vectors */
    struct catalog cat;
    struct commit_queue q;
    store_change_fn *on_change;
    void *on_change_ctx;
    int64_t opened; /* ns */
};

/* lock.c: the directory and who has it. */
int store_lock(const char *path, const struct store_options *opt, int *fd);
void store_unlock(int fd);

/* ---- entity.c -------------------------------------------------------------------------------- */

/* The header at a name. ERR_NOTFOUND names the file. */
int file_header(struct store *st, struct kv_snap *snap, struct coll c, struct slice name,
                struct file_attr *a);
/* dirs.c: is the type there? ERR_NOTFOUND. */
int coll_check(struct store *st, struct coll c);

/* In prepare(): takes a file's rows away. keep_orphan: a scratch file's bytes and header stay under
 * its inode number; *drop_after: they had to, store_orphan_drop() is to follow. */
int file_remove_rows(struct commit *c, struct coll coll, struct slice name, struct slice id,
                     const struct file_attr *a, bool keep_orphan, bool *drop_after);

/* What a validated text becomes: its encoded body (inode number and times are stamped later) and
 * its vector row, appended to the two. sparse: the parser saw white space. */
int entity_encode(struct store *st, struct slice text, bool sparse, struct buf *body,
                  struct buf *vec);

/* A new version of an entity, ready but for its header. */
struct entity_write {
    struct coll coll;
    struct slice name, id;
    uint64_t text_size;
    char *body; /* encoded; stamped when its rows are made */
    size_t body_len;
    struct slice vec; /* empty: none */
};
/* In prepare(): rows and counters. old: the header before (NULL: a new file); a: the one after. */
void entity_write_rows(struct commit *c, struct commit_type *t, const struct entity_write *w,
                       const struct file_attr *old, const struct file_attr *a);

/* The change that makes such a version the current one. */
struct entity_put {
    struct commit_op op;
    struct entity_write w;
    uint64_t ino;           /* only if the file there has this number (0: any) */
    bool create;            /* there need not be a file */
    int64_t mtime;          /* 0: now */
    struct file_attr fresh; /* mode and owner of a new file */
    struct file_attr out;   /* the header after */
};
int entity_put_run(struct store *st, struct entity_put *o);

/* ---- scratch.c ------------------------------------------------------------------------------- */

#define CHUNK_BYTES 4096
#define CHUNK_DELETES_MAX 65536 /* chunk rows that one batch removes */

/* Rows of a scratch file of any length as one text; ERR_TOOBIG over max. */
int scratch_load(struct store *st, struct kv_snap *snap, uint64_t tenant, uint64_t ino,
                 uint64_t size, uint64_t max, struct buf *out);
/* Puts a text as chunks. */
void scratch_put_text(struct commit *c, uint64_t tenant, uint64_t ino, struct slice text);
/* Removes chunks from `first` on, CHUNK_DELETES_MAX at most; *more: there are others left. */
int scratch_del_chunks(struct commit *c, uint64_t tenant, uint64_t ino, uint64_t first, bool *more);
/* May the chunks go in one batch with the header? */
static inline bool scratch_is_small(const struct file_attr *a)
{
    return a->size <= (uint64_t)CHUNK_BYTES * CHUNK_DELETES_MAX / 2;
}
/* Those left from the last run. */
int scratch_drop_orphans(struct store *st, uint64_t tenant);

#endif
