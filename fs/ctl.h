/* ctl.h - control files: the virtual files in the tree, one row of ctl_table each.
 *
 * A control file has size 0 and is read with direct I/O, as files in /proc are. Its number says its
 * directory and its row (inode.h). What it shows or does is in ctl_<name>.c.
 *
 * Threads: the functions of one open file are called one at a time (struct ctl_file.lock is held).
 */
#ifndef REMFS_CTL_H
#define REMFS_CTL_H

#include "fs/fs_int.h"

struct ctl_file { /* an open control file */
    struct handle h;
    pthread_mutex_t lock;
    struct fs *fs;
    const struct ctl_row *row;
    uint64_t ino;     /* its own number */
    uint64_t dir_ino; /* of the directory it is in */
    struct coll coll; /* of that directory; zero at the root */
    uid_t uid;
    gid_t gid;
    pid_t sid;                      /* the opener's session id; 0: not known */
    int flags;                      /* of the open */
    void *state;                    /* the row's own */
    _Atomic(struct answer *) ahead; /* being read ahead of the reader; a release cancels it */
    struct buf text;                /* rows with make_text: made at the first read */
    bool have_text;
};

struct ctl_row {
    unsigned kind; /* 1 … INO_CTL_KINDS - 1, part of the inode number: never changes */
    const char *name;
    unsigned levels;  /* where it is: enum level bits */
    bool listed;      /* readdir shows it, under -o list_controls or in /.remfs */
    bool directory;   /* /.remfs */
    unsigned mode;    /* 0444, 0666, …; the directory's own bits guard the way to it */
    bool changes;     /* writing needs what writing to the directory needs */
    const char *help; /* one line, for SKILL.md and the manual */

    /* A file that is just text, made anew at each open: the only function it needs. */
    int (*make_text)(struct ctl_file *f, struct buf *out);

    int (*open)(struct ctl_file *f);
    /* Bytes at off; 0 at the end; negative enum err_code. req is for noticing an interrupt. */
    ssize_t (*read)(struct ctl_file *f, fuse_req_t req, void *out, size_t n, off_t off);
    /* All of n, or negative. Bytes go to notices where the kernel has to be told. */
    int (*write)(struct ctl_file *f, const char *p, size_t n, off_t off, struct notices *notices);
    int (*flush)(struct ctl_file *f, struct notices *notices);
    /* n bytes at off if they were made ahead: *p, valid until the next call on the file; else 0. */
    size_t (*ready)(struct ctl_file *f, size_t n, off_t off, const char **p);
    /* Called after a reply, to make the next bytes while the reader takes these. */
    void (*ahead)(struct ctl_file *f, size_t n);
    void (*release)(struct ctl_file *f);
};

extern const struct ctl_row ctl_table[];
extern const unsigned ctl_rows;

/* The row of a name in a directory of that level, or of a kind; NULL: none. */
const struct ctl_row *ctl_by_name(enum level level, struct slice name);
const struct ctl_row *ctl_by_kind(unsigned kind);

void ctl_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);

/* rows' functions */
int ctl_query_open(struct ctl_file *f);
ssize_t ctl_query_read(struct ctl_file *f, fuse_req_t req, void *out, size_t n, off_t off);
int ctl_query_write(struct ctl_file *f, const char *p, size_t n, off_t off, struct notices *l);
int ctl_query_flush(struct ctl_file *f, struct notices *l);
size_t ctl_query_ready(struct ctl_file *f, size_t n, off_t off, const char **p);
void ctl_query_ahead(struct ctl_file *f, size_t n);
void ctl_query_release(struct ctl_file *f);

int ctl_all_open(struct ctl_file *f);
ssize_t ctl_all_read(struct ctl_file *f, fuse_req_t req, void *out, size_t n, off_t off);
size_t ctl_all_ready(struct ctl_file *f, size_t n, off_t off, const char **p);
void ctl_all_ahead(struct ctl_file *f, size_t n);
void ctl_all_release(struct ctl_file *f);

ssize_t ctl_insert_read(struct ctl_file *f, fuse_req_t req, void *out, size_t n, off_t off);
int ctl_insert_write(struct ctl_file *f, const char *p, size_t n, off_t off, struct notices *l);
int ctl_insert_flush(struct ctl_file *f, struct notices *l);
void ctl_insert_release(struct ctl_file *f);
void ctl_insert_changed(void *ctx, const struct store_change *changes, size_t n);

int ctl_stats_text(struct ctl_file *f, struct buf *out);
int ctl_errors_text(struct ctl_file *f, struct buf *out);
int ctl_version_text(struct ctl_file *f, struct buf *out);
int ctl_config_text(struct ctl_file *f, struct buf *out);
int ctl_skill_text(struct ctl_file *f, struct buf *out);

/* A streamed answer that can be read at any offset: forwards by reading on, backwards by starting
 * again. */
struct stream {
    struct answer *answer;
    uint64_t pos;     /* of the next byte that a reader gets in turn */
    struct buf ahead; /* bytes made before they were asked for, from `taken` on */
    size_t taken;
    ssize_t ahead_rc; /* what came instead of bytes: 0 the end, or an error */
    bool ahead_done;
    bool large; /* the reader came back for more: worth reading ahead */
    int (*again)(struct ctl_file *f, struct answer **out); /* a new answer from its beginning */
};
ssize_t stream_read(struct stream *s, struct ctl_file *f, fuse_req_t req, void *out, size_t n,
                    off_t off);
size_t stream_ready(struct stream *s, size_t n, off_t off, const char **p);
void stream_ahead(struct stream *s, struct ctl_file *f, size_t n);
void stream_close(struct stream *s);

/* sessions.c: the last statement a user wrote to a control file, by session. */
struct sessions *sessions_new(void);
void sessions_free(struct sessions *s);
/* Session id of a process, 0 if it cannot be told. */
pid_t session_of(pid_t pid);
/* An empty text: cleared, also where another session's would be found. */
int sessions_put(struct sessions *s, uint64_t ino, uid_t uid, pid_t sid, struct slice text);
/* Contract section 3, item 5: 1 found (appended to out), 0 never queried, ERR_BUSY. */
int sessions_get(struct sessions *s, uint64_t ino, uid_t uid, pid_t sid, struct buf *out);

#endif
