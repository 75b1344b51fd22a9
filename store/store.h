/* store.h - the multi-tenant entity store: the only header of the store that fs (and bench) may see.
 *
 * A store holds tenants, a tenant holds types, a type holds files. A file in a type is
 *   - an entity: "<id>.json" with a committed JSON object,
 *   - a draft:   "<id>.json" that was created and not yet filled (empty, in no query),
 *   - scratch:   any other name; plain bytes, in no query.
 * Everything that changes goes through one commit queue (commit.c) as one atomic batch: header, body,
 * vector and counters together.
 *
 * Names are given as the file names they are on the mount. Tenants and types are addressed by number
 * (struct coll): numbers are never used again, so that a removed type gives ERR_NOTFOUND.
 *
 * Threads: every function may be called from many threads at once; one struct ent_text, struct
 * inserter or struct answer belongs to one thread at a time (answer_cancel() excepted).
 * Errors: 0 (or a count) or a negative enum err_code with its message, see base/err.h.
 */
#ifndef REMFS_STORE_H
#define REMFS_STORE_H

#include "store/base/buf.h"
#include "store/base/clock.h"
#include "store/base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct store;

#define STORE_FORMAT 1 /* of what is on disk; the same as REC_FORMAT in record.h */
#define STORE_INO_ROOT 1       /* the inode number of the store's own directory */
#define STORE_NAME_MAX 64      /* bytes of a tenant's or type's name */
#define STORE_ID_MAX 240       /* bytes of an entity's id */
#define STORE_FILE_NAME_MAX 255 /* bytes of a scratch file's name */
#define STORE_QUERY_MAX (64u << 10)
#define STORE_ENTITY_MAX_DEFAULT (16u << 20)
/* Inode numbers of tenants, types and files lie in [2, STORE_INO_LIMIT). */
#define STORE_INO_LIMIT (UINT64_C(1) << 56)

struct store_options {
    bool read_only;
    bool create;            /* make the store when there is none; else ERR_NOTFOUND */
    bool sync;              /* every commit is on stable storage before it returns */
    bool in_memory;         /* the mem engine; path is ignored (tests) */
    uint64_t entity_max;    /* bytes of one entity's text; 0: 16 MiB */
    size_t cache_bytes;     /* block cache; 0: default */
    int64_t query_timeout_ns; /* 0: no limit */
    size_t query_memory;    /* bytes one query may hold for sorting and grouping; 0: 64 MiB */
    const char *embed;      /* embedding provider; NULL: the built-in one; "none": no vectors */
};

/* path is the store's directory: `path`/lock (who has it), `path`/db (LevelDB). ERR_BUSY names the
 * process that has it; ERR_VERSION: made by a newer remfs; ERR_NOTFOUND: no store there. */
int store_open(const char *path, const struct store_options *opt, struct store **out);
void store_close(struct store *st); /* every text, inserter and answer closed before; NULL is fine */

/* Who has the store at path open: pid (0: nobody) and the mount point it told ("" if none). */
int store_owner(const char *path, pid_t *pid, struct buf *mountpoint);
/* Tells the mount point to those who ask store_owner(). */
int store_set_mountpoint(struct store *st, const char *mountpoint);

int store_sync(struct store *st); /* all that was committed is on stable storage */
bool store_read_only(const struct store *st);
uint64_t store_entity_max(const struct store *st);

/* ---- names ----------------------------------------------------------------------------------- */

enum name_kind { NAME_ENTITY, NAME_SCRATCH };

/* Tenant or type: [A-Za-z0-9_][A-Za-z0-9_.-]{0,63}. 0, ERR_INVAL or ERR_NAMETOOLONG. */
int name_check_dir(struct slice name);
/* A file in a type: kind, and the id without ".json" when it is an entity. 0, ERR_INVAL or
 * ERR_NAMETOOLONG. A name with a leading '.' is scratch. */
int name_check_file(struct slice name, enum name_kind *kind, struct slice *id);

/* ---- the catalogue: tenants and types (held in memory) --------------------------------------- */

struct coll { /* a collection: one type of one tenant; type 0: all types of the tenant */
    uint64_t tenant;
    uint32_t type;
};

struct dir_attr { /* a tenant's or a type's directory */
    uint64_t ino;
    struct coll coll; /* type 0: a tenant */
    uint32_t mode;    /* permission bits only, 07777 */
    uint32_t uid, gid;
    int64_t atime, mtime, ctime, btime; /* ns */
    uint32_t children; /* a tenant: its types; the root: its tenants; a type: 0 */
    uint64_t changes;  /* grows with every change to the list of names in it; not kept across opens */
    char name[STORE_NAME_MAX + 1];
};

int store_root_attr(struct store *st, struct dir_attr *out); /* name "" */
/* parent: ino of the root (a tenant's name) or of a tenant (a type's). */
int store_dir_lookup(struct store *st, uint64_t parent, struct slice name, struct dir_attr *out);
int store_dir_by_ino(struct store *st, uint64_t ino, struct dir_attr *out);
int store_coll_attr(struct store *st, struct coll c, struct dir_attr *out); /* type 0: the tenant's */
int store_mkdir(struct store *st, uint64_t parent, struct slice name, uint32_t mode, uint32_t uid,
                uint32_t gid, struct dir_attr *out);
/* ERR_NOTEMPTY while it holds types, entities, drafts or scratch files. */
int store_rmdir(struct store *st, uint64_t parent, struct slice name);
/* Both under the same parent, else ERR_XDEV. An existing target must be empty (ERR_NOTEMPTY), or
 * noreplace gives ERR_EXIST. */
int store_rename_dir(struct store *st, uint64_t parent, struct slice from, uint64_t to_parent,
                     struct slice to, bool noreplace);

/* The children after `cookie` (0: from the first), in the order they were made (by inode number, which
 * is the cookie). Stops when fn returns non-zero, and returns that. */
typedef int dir_list_fn(void *ctx, const struct dir_attr *attr);
int store_dir_list(struct store *st, uint64_t ino, uint64_t cookie, dir_list_fn *fn, void *ctx);

/* ---- files ----------------------------------------------------------------------------------- */

enum file_kind { FILE_ENTITY = 1, FILE_DRAFT, FILE_SCRATCH };

struct file_attr {
    uint64_t ino;
    uint64_t version; /* grows with every commit of new content; an ino and a version name a content */
    enum file_kind kind;
    uint32_t mode; /* permission bits only, 07777 */
    uint32_t uid, gid;
    int64_t atime, mtime, ctime, btime; /* ns */
    uint64_t size;
};

#define ATTR_MODE (1u << 0)
#define ATTR_UID (1u << 1)
#define ATTR_GID (1u << 2)
#define ATTR_ATIME (1u << 3)
#define ATTR_MTIME (1u << 4)

int store_dir_setattr(struct store *st, uint64_t ino, const struct dir_attr *values, unsigned mask,
                      struct dir_attr *out);

int store_lookup(struct store *st, struct coll c, struct slice name, struct file_attr *out);
/* An empty draft or scratch file; ERR_EXIST. */
int store_create(struct store *st, struct coll c, struct slice name, uint32_t mode, uint32_t uid,
                 uint32_t gid, struct file_attr *out);
int store_setattr(struct store *st, struct coll c, struct slice name, const struct file_attr *values,
                  unsigned mask, struct file_attr *out);
/* keep_orphan: a scratch file that is still open: its bytes stay readable and writable through
 * store_scratch_*() until store_orphan_drop(ino) (or the next open of the store). */
int store_unlink(struct store *st, struct coll c, struct slice name, bool keep_orphan,
                 struct file_attr *gone);
int store_orphan_drop(struct store *st, struct coll c, uint64_t ino);

#define STORE_RENAME_NOREPLACE 1u
#define STORE_RENAME_EXCHANGE 2u
#define STORE_RENAME_KEEP_ORPHAN 4u /* as in store_unlink(), for the file that is replaced */

struct rename_result {
    struct file_attr moved;    /* the file now at the new name */
    bool replaced;             /* a file was there before … */
    struct file_attr other;    /* … this one (with EXCHANGE: now at the old name) */
};

/* One atomic step, also between types and tenants. Scratch renamed to "<id>.json" is validated and
 * becomes an entity (ERR_INVAL: both stay as they were); an entity renamed to another name becomes
 * scratch. A draft stays a draft or becomes an empty scratch file. */
int store_rename(struct store *st, struct coll c, struct slice name, struct coll to_c,
                 struct slice to_name, unsigned flags, struct rename_result *out);

/* The whole text of an entity as written (empty for a draft), with the attributes of that same moment. */
int store_get(struct store *st, struct coll c, struct slice name, struct buf *text,
              struct file_attr *attr);

/* A page of a type's files in a fixed order that does not depend on what comes and goes: after
 * `cookie` (0: from the first). Every cookie handed to fn may be used later, at any time, to go on after
 * that file. Two files never share a cookie within a page's end: equal cookies come together. */
typedef int file_list_fn(void *ctx, struct slice name, uint64_t cookie, const struct file_attr *attr);
int store_list(struct store *st, struct coll c, uint64_t cookie, int limit, file_list_fn *fn,
               void *ctx);

/* Scratch bytes, by inode number (name: where it was last known; an orphan is found by ino). */
ssize_t store_scratch_read(struct store *st, struct coll c, struct slice name, uint64_t ino,
                           uint64_t off, void *out, size_t n);
/* ERR_TOOBIG over 1 TiB, or when the type's directory is gone. */
int store_scratch_write(struct store *st, struct coll c, struct slice name, uint64_t ino,
                        uint64_t off, const void *p, size_t n, struct file_attr *out);
int store_scratch_truncate(struct store *st, struct coll c, struct slice name, uint64_t ino,
                           uint64_t size, struct file_attr *out);
/* Attributes of an orphan; ERR_NOTFOUND. */
int store_orphan_attr(struct store *st, struct coll c, uint64_t ino, struct file_attr *out);

/* ---- one entity being written ---------------------------------------------------------------- */

struct ent_text; /* collects the bytes of a write handle, validates as they come */

/* keep: start from the committed text (an open without O_TRUNC); else from nothing. */
int ent_text_open(struct store *st, struct coll c, struct slice name, uint64_t ino, bool keep,
                  struct ent_text **out);
void ent_text_free(struct ent_text *t);
/* -ERR_INVAL: with these bytes it could never be a JSON object (they are not taken, and every later
 * commit of this text is refused until it is truncated to 0). -ERR_TOOBIG. */
int ent_text_write(struct ent_text *t, uint64_t off, const void *p, size_t n);
int ent_text_truncate(struct ent_text *t, uint64_t size);
ssize_t ent_text_read(struct ent_text *t, uint64_t off, void *out, size_t n);
uint64_t ent_text_size(const struct ent_text *t);
/* Written or truncated since the last commit (a text truncated to nothing counts as not dirty: an
 * empty flush changes nothing). */
bool ent_text_dirty(const struct ent_text *t);

struct ent_commit {
    struct slice name; /* where the file is now (it may have been renamed since the open) */
    struct coll coll;
    int64_t mtime;     /* ns; 0: the time of the last write */
    bool sync;
};

/* Validates the whole and commits it as the entity's new version, if the file at that name still has
 * the inode number of ent_text_open() (else ERR_NOTFOUND: it was removed or replaced). A text that is
 * not dirty: 0, *out is the current state. */
int ent_text_commit(struct ent_text *t, const struct ent_commit *how, struct file_attr *out);

/* Commits a whole text in one step, creating the file if need be (remfs put, tests). */
int store_put(struct store *st, struct coll c, struct slice name, struct slice text, uint32_t mode,
              uint32_t uid, uint32_t gid, struct file_attr *out);

/* ---- batched upsert (.insert) ---------------------------------------------------------------- */

struct inserter;

/* JSON objects or JSON Lines, in pieces of any size. Objects are committed in batches as they come to be
 * complete; those of one feed are in one batch (up to the engine's limit). */
int inserter_open(struct store *st, struct coll c, uint32_t mode, uint32_t uid, uint32_t gid,
                  struct inserter **out);
/* -ERR_INVAL names the line (counted from the first feed) and the reason; nothing of this feed is stored
 * then, and the inserter takes no more. */
int inserter_feed(struct inserter *in, const void *p, size_t n);
/* The end of the input: -ERR_INVAL when an object is unfinished. */
int inserter_finish(struct inserter *in, bool sync);
/* The ids stored so far, one a line, in order. Owned by the inserter, holds until the next call on it. */
struct slice inserter_ids(struct inserter *in);
uint64_t inserter_count(const struct inserter *in);
void inserter_free(struct inserter *in);

/* Told of every file that an inserter made or replaced, after its commit and before the feed or finish
 * returns, in the inserter's thread, with no lock held. */
struct store_change {
    struct coll coll;
    struct slice name;
    uint64_t ino;
    bool created;
};
typedef void store_change_fn(void *ctx, const struct store_change *changes, size_t n);
void store_on_change(struct store *st, store_change_fn *fn, void *ctx);

/* ---- answers: queries, searches, whole types, streamed --------------------------------------- */

struct answer;

/* 0: a whole statement. 1: unfinished, more bytes could complete it; the message says what is missing.
 * -ERR_INVAL: it can never become one; the message has line, column, a caret and what would be right.
 * Neither runs anything. c.type 0: a tenant's .query, where FROM names the type. */
int store_query_check(struct store *st, struct coll c, struct slice text);
int store_search_check(struct store *st, struct coll c, struct slice text);

/* Nothing runs before the first answer_read(); the snapshot is taken then. */
int store_query(struct store *st, struct coll c, struct slice text, struct answer **out);
int store_search(struct store *st, struct coll c, struct slice text, struct answer **out);
/* Every entity's compact text, a line each. */
int store_all(struct store *st, struct coll c, struct answer **out);

/* Fills out with the next bytes: the count, less than n only at the end, 0 after it; or an error
 * (ERR_TIMEOUT, ERR_CANCELED, ERR_NOMEM over query_memory, …), which every later call repeats. */
ssize_t answer_read(struct answer *a, void *out, size_t n);
/* From any thread: a running answer_read() soon returns ERR_CANCELED. */
void answer_cancel(struct answer *a);
void answer_free(struct answer *a);

/* ---- looking after it ------------------------------------------------------------------------- */

struct store_counts {
    uint64_t tenants, types, entities, bytes, drafts, scratch, scratch_bytes;
};
/* tenant 0: the whole store; type 0: the whole tenant. */
int store_counts(struct store *st, struct coll c, struct store_counts *out);
/* What .stats shows: a JSON object, several lines, ends with a newline. */
int store_stats_json(struct store *st, struct coll c, struct buf *out);

/* Verifies every header, body, vector, counter and chunk against one another; fn gets a line for each
 * finding. Returns the number of findings, or an error. */
typedef void store_check_fn(void *ctx, const char *finding);
int64_t store_check(struct store *st, store_check_fn *fn, void *ctx);

int store_disk_usage(struct store *st, uint64_t *bytes);
struct statvfs;
/* The disk that the store lies on (for df). */
int store_statvfs(struct store *st, struct statvfs *out);

#endif
