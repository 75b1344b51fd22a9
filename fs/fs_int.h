/* fs_int.h - inside fs/: the mounted file system's state and what its files share.
 *
 * Where to look: fs.c session and loop · ops_lookup.c names to entries · ops_dir.c directories ·
 * ops_file.c open files · ops_attr.c attributes · ent_file.c an entity being read or written ·
 * ctl*.c control files · inode.c numbers · notify.c telling the kernel · errors.c what .errors
 * shows.
 *
 * Threads: requests are served by many at once. Lock order: a handle's lock, then one of
 * inodes.lock, errors.lock, sessions.lock, notify.lock (leaves: nothing is called while one of
 * these is held).
 */
#ifndef REMFS_FS_INT_H
#define REMFS_FS_INT_H

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#define FUSE_USE_VERSION 312
#include <fuse3/fuse_lowlevel.h>

#include "fs/fs.h"
#include "fs/inode.h"
#include "store/base/cleanup.h"
#include "store/base/log.h"
#include "store/store.h"

#include <pthread.h>
#include <stdatomic.h>

struct errors;
struct sessions;
struct notifier;

struct fs {
    struct store *st;
    struct fuse_session *se;
    struct inodes *inodes;
    struct errors *errors;
    struct sessions *sessions;
    struct notifier *notifier;
    double ttl; /* seconds that entries and attributes hold */
    bool read_only;
    bool list_controls;
    bool debug;
    bool single_thread;
    bool mounted;
    int64_t mounted_at; /* ns */
    char *mountpoint;
    void (*ready)(void *ctx);
    void *ready_ctx;
    /* Content that changed without the kernel's doing: what was read before may be stale after. */
    atomic_ulong changes;
    atomic_int inserting;
};

static inline struct fs *fs_of(fuse_req_t req)
{
    return fuse_req_userdata(req);
}

/* Takes the state of the content before the store is read … */
static inline unsigned long fs_stamp(struct fs *fs)
{
    return atomic_load(&fs->changes);
}

/* … and says after it whether what was read is still what is there, … */
static inline bool fs_fresh(struct fs *fs, unsigned long stamp)
{
    return atomic_load(&fs->changes) == stamp && atomic_load(&fs->inserting) == 0;
}

/* … and for how many seconds the kernel may keep it. */
static inline double fs_ttl(struct fs *fs, unsigned long stamp)
{
    return fs_fresh(fs, stamp) ? fs->ttl : 0;
}

/* Replies with the errno of rc. */
void reply_rc(fuse_req_t req, int rc);

/* ---- places: what a directory's number means ---------------------------------------------------
 */

enum level { LEVEL_ROOT = 1, LEVEL_REMFS = 2, LEVEL_TENANT = 4, LEVEL_TYPE = 8 };

struct place {
    enum level level;
    uint64_t ino;
    struct dir_attr attr; /* of the root for LEVEL_REMFS */
};

/* ERR_NOTFOUND: no such directory (any more); ERR_NOTDIR: a file. */
int place_of(struct fs *fs, uint64_t ino, struct place *out);

/* ---- attributes --------------------------------------------------------------------------------
 */

void stat_of_file(const struct file_attr *a, bool gone, struct stat *st);
void stat_of_dir(const struct dir_attr *a, struct stat *st);
/* A control file or directory by number; false: no such thing. */
bool stat_of_ctl(struct fs *fs, uint64_t ino, struct stat *st);

/* The attributes of a file that the kernel knows, whatever became of it. */
int file_attr_of(struct fs *fs, const struct file_ref *ref, struct file_attr *out);

/* ---- handles -----------------------------------------------------------------------------------
 */

enum handle_kind { HANDLE_ENT_READ, HANDLE_ENT_WRITE, HANDLE_SCRATCH, HANDLE_CTL };

struct handle { /* what fi->fh points to; the first member of each kind of handle */
    _Atomic(enum handle_kind) kind;
    atomic_uint uses;
    uint64_t nodeid;
};

/* A handle travels from the thread that opened it to others through the kernel, an order that the C
 * memory model (and ThreadSanitizer) does not see: so it is published and received. */
static inline void handle_publish(struct fuse_file_info *fi, struct handle *h,
                                  enum handle_kind kind)
{
    fi->fh = (uintptr_t)h;
    atomic_store_explicit(&h->kind, kind, memory_order_release);
}

static inline struct handle *handle_of(const struct fuse_file_info *fi)
{
    struct handle *h = (struct handle *)(uintptr_t)fi->fh;
    atomic_load_explicit(&h->kind, memory_order_acquire);
    return h;
}

/* The same the other way round, for handles without a lock: before the reply to a request that used
 * it, and before its memory goes. */
static inline void handle_done(struct handle *h)
{
    atomic_fetch_add_explicit(&h->uses, 1, memory_order_release);
}

static inline void handle_last(struct handle *h)
{
    atomic_load_explicit(&h->uses, memory_order_acquire);
}

/* One uniform row of functions per kind of open file (ops_file.c has the table). A function that
 * replies does so exactly once. */
struct handle_ops {
    void (*read)(fuse_req_t req, struct handle *h, size_t size, off_t off);
    void (*write)(fuse_req_t req, struct handle *h, const char *p, size_t n, off_t off);
    void (*flush)(fuse_req_t req, struct handle *h);
    void (*fsync)(fuse_req_t req, struct handle *h);
    void (*release)(struct fs *fs, struct handle *h);
};

extern const struct handle_ops ent_read_ops, ent_write_ops, scratch_ops, ctl_ops;

/* ent_file.c, scratch_file.c. 0: replied to. ent_open() says ERR_STALE for a file that is being
 * replaced at this moment. */
int ent_open(fuse_req_t req, const struct file_ref *ref, struct fuse_file_info *fi);
int ent_create_handle(struct fs *fs, uint64_t nodeid, pid_t pid, struct coll c, struct slice name,
                      const struct file_attr *attr, int flags, struct fuse_file_info *fi);
void scratch_open(fuse_req_t req, const struct file_ref *ref, struct fuse_file_info *fi);
int scratch_create_handle(struct fs *fs, uint64_t nodeid, uint64_t ino, struct coll c,
                          struct fuse_file_info *fi);
/* The text of an entity that is about to lose its name, for inodes_gone(); NULL when nobody can be
 * opening it. */
struct blob *ent_last_text(struct fs *fs, struct coll c, struct slice name, uint64_t ino,
                           uint64_t *version);
/* Truncation through a handle (ftruncate) or by path; size in bytes; *out are the attributes after.
 */
int ent_truncate(struct fs *fs, const struct file_ref *ref, struct handle *h, uint64_t size,
                 uint64_t *shown);
/* The size that this handle sees; false: that of the file. */
bool ent_handle_size(struct handle *h, uint64_t *size);

/* ---- errors: what `.errors` shows
 * ---------------------------------------------------------------- */

struct errors *errors_new(void);
void errors_free(struct errors *e);
/* Notes err_msg() of this thread for the user, at a directory (a type's or tenant's number). what:
 * the file's name or "". Returns a ticket for errors_withdraw(). */
uint64_t errors_note(struct fs *fs, uint64_t dir_ino, uid_t uid, const char *what, int rc);
/* An incomplete text was completed after all. */
void errors_withdraw(struct fs *fs, uint64_t ticket);
/* The user's last ones at that directory and below it, newest last. */
int errors_text(struct fs *fs, uint64_t dir_ino, uid_t uid, struct buf *out);
uint64_t coll_ino(struct fs *fs, struct coll c);

/* ---- notify: telling the kernel, in a thread of its own
 * ------------------------------------------- */

/* Telling may wait for a directory's lock in the kernel, whose holder may wait for one of our
 * threads: so a worker thread never does it, and the reply that must come after is sent by the
 * notifier. */
struct notice {
    enum { NOTICE_INODE, NOTICE_PAGES, NOTICE_ENTRY } kind; /* attributes; also content; a name */
    uint64_t ino;                                           /* NOTICE_ENTRY: of the directory */
    char *name;                                             /* owned; NOTICE_ENTRY */
};

struct notices { /* a list in the making */
    struct notice *v;
    size_t n, cap;
};

struct notifier *notifier_new(struct fs *fs);
void notifier_free(struct notifier *n);
void notices_add_inode(struct notices *l, uint64_t ino);
void notices_add_pages(struct notices *l, uint64_t ino);
void notices_add_entry(struct notices *l, uint64_t dir_ino, struct slice name);
/* Takes the list over; afterwards replies to the write with its count, or to anything else with the
 * error code (0: success). An empty list is replied to at once. req NULL: nobody waits. */
void notifier_send(struct notifier *n, struct notices *l, fuse_req_t req, ssize_t written, int err);

/* ---- operations
 * ---------------------------------------------------------------------------------- */

void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t n);
void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets);
void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
                struct fuse_file_info *fi);
void op_statfs(fuse_req_t req, fuse_ino_t ino);
void op_access(fuse_req_t req, fuse_ino_t ino, int mask);
void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size);
void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size,
                 int flags);
void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size);
void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name);
void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t newparent,
               const char *newname, unsigned int flags);
void op_symlink(fuse_req_t req, const char *link, fuse_ino_t parent, const char *name);
void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t newparent, const char *newname);
void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev);
void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
                    struct fuse_file_info *fi);
void op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi);
void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
               struct fuse_file_info *fi);
void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void op_write(fuse_req_t req, fuse_ino_t ino, const char *p, size_t n, off_t off,
              struct fuse_file_info *fi);
void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi);
void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);

/* Fills an entry for a file and counts the look-up. */
int entry_of_file(struct fs *fs, struct coll c, struct slice name, const struct file_attr *attr,
                  unsigned long stamp, struct fuse_entry_param *e);
void entry_of_dir(struct fs *fs, const struct dir_attr *attr, struct fuse_entry_param *e);
bool entry_of_ctl(struct fs *fs, uint64_t ino, struct fuse_entry_param *e);

#endif
