/* ctl_query.c - `.query` and `.search`: a statement written, its answer read. Contract section 3.
 *
 * The statement is what was written on this open file until the first read; without one, the
 * last that the same user and session wrote (sessions.c). It is parsed at every write and runs at
 * the first read.
 */
#include "fs/ctl.h"

#include <fcntl.h>

#define KIND_SEARCH 2

struct statement {
    struct stream stream;
    struct buf text;
    bool own;        /* text was written here (not taken from the session) */
    bool reading;    /* a read has begun: the next write starts a new statement */
    bool unsaved;    /* written since the last flush */
    bool refused;    /* the last write was refused: there is nothing to answer */
    uint64_t ticket; /* of an "unfinished" in .errors, 0: none */
    uint64_t base;   /* the file offset at which the answer begins */
};

static int check(struct ctl_file *f, struct slice text)
{
    return f->row->kind == KIND_SEARCH ? store_search_check(f->fs->st, f->coll, text)
                                       : store_query_check(f->fs->st, f->coll, text);
}

static int again(struct ctl_file *f, struct answer **out)
{
    struct statement *q = f->state;
    return f->row->kind == KIND_SEARCH ? store_search(f->fs->st, f->coll, slice_buf(&q->text), out)
                                       : store_query(f->fs->st, f->coll, slice_buf(&q->text), out);
}

int ctl_query_open(struct ctl_file *f)
{
    struct statement *q = calloc(1, sizeof *q);
    if (!q)
        return err_set(ERR_NOMEM, "out of memory");
    q->stream.again = again;
    f->state = q;
    if (f->flags & O_TRUNC) /* `: > .query` */
        return sessions_put(f->fs->sessions, f->ino, f->uid, f->sid, slice_str(""));
    return 0;
}

static uint64_t note(struct ctl_file *f, int rc)
{
    return errors_note(f->fs, f->dir_ino, f->uid, f->row->name, rc);
}

static void withdraw(struct ctl_file *f, struct statement *q)
{
    if (q->ticket)
        errors_withdraw(f->fs, q->ticket);
    q->ticket = 0;
}

int ctl_query_write(struct ctl_file *f, const char *p, size_t n, off_t off, struct notices *l)
{
    (void)off, (void)l; /* a statement is a stream: what comes is added */
    struct statement *q = f->state;
    if (q->reading || !q->own) {
        stream_close(&q->stream);
        buf_clear(&q->text);
        q->reading = false;
        q->own = true;
    }
    q->refused = false;
    size_t before = q->text.n;
    int rc = 0;
    if (before + n > STORE_QUERY_MAX)
        rc = err_set(ERR_TOOBIG, "a statement has at most %u bytes", STORE_QUERY_MAX);
    if (rc == 0)
        rc = buf_put(&q->text, p, n);
    if (rc == 0)
        rc = check(f, slice_buf(&q->text));
    withdraw(f, q);
    if (rc < 0) {
        note(f, rc);
        buf_clear(&q->text);
        q->refused = true;
        q->unsaved = false;
        return rc;
    }
    q->unsaved = true;
    return 0;
}

/* 0, or EINVAL for text that is not whole. */
static int whole(struct ctl_file *f, struct statement *q)
{
    int rc = check(f, slice_buf(&q->text));
    if (rc > 0) {
        auto_buf msg = BUF_INIT;
        buf_puts(&msg, err_msg());
        const char *s = buf_cstr(&msg);
        rc = err_set(ERR_INVAL, "%s", s ? s : "unfinished");
    }
    return rc;
}

int ctl_query_flush(struct ctl_file *f, struct notices *l)
{
    (void)l;
    struct statement *q = f->state;
    if (!q->unsaved)
        return 0;
    int rc = 0;
    /* Open for reading too: asked and answered on one open file, private to it. */
    if ((f->flags & O_ACCMODE) == O_WRONLY)
        rc = sessions_put(f->fs->sessions, f->ino, f->uid, f->sid, slice_buf(&q->text));
    q->unsaved = false;
    if (rc == 0)
        rc = whole(f, q);
    withdraw(f, q);
    if (rc < 0)
        q->ticket = note(f, rc);
    return rc;
}

/* The first read: where the answer begins, and to which statement. 1: there is one; 0: never asked.
 */
static int begin(struct ctl_file *f, struct statement *q, off_t off)
{
    q->base = q->own ? (uint64_t)off : 0; /* the offset has counted what was written */
    q->reading = true;
    stream_close(&q->stream);
    if (!q->own) {
        buf_clear(&q->text);
        int rc = sessions_get(f->fs->sessions, f->ino, f->uid, f->sid, &q->text);
        if (rc < 0)
            note(f, rc);
        if (rc <= 0)
            return rc;
    }
    if (q->text.n == 0)
        return 0;
    int rc = whole(f, q);
    if (rc < 0)
        note(f, rc);
    return rc < 0 ? rc : 1;
}

ssize_t ctl_query_read(struct ctl_file *f, fuse_req_t req, void *out, size_t n, off_t off)
{
    struct statement *q = f->state;
    if (q->refused)
        return err_set(ERR_INVAL, "the statement was refused; see .errors");
    if (!q->reading || (off == 0 && q->base > 0)) {
        int rc = begin(f, q, off);
        if (rc <= 0) {
            q->reading = rc == 0 && q->own;
            return rc;
        }
    }
    if ((uint64_t)off < q->base)
        q->base = (uint64_t)off;
    ssize_t got = stream_read(&q->stream, f, req, out, n, off - (off_t)q->base);
    if (got < 0 && got != -ERR_CANCELED)
        note(f, (int)got);
    return got;
}

size_t ctl_query_ready(struct ctl_file *f, size_t n, off_t off, const char **p)
{
    struct statement *q = f->state;
    if (!q->reading || q->refused || (uint64_t)off < q->base || off == 0)
        return 0;
    return stream_ready(&q->stream, n, off - (off_t)q->base, p);
}

void ctl_query_ahead(struct ctl_file *f, size_t n)
{
    struct statement *q = f->state;
    stream_ahead(&q->stream, f, n);
}

void ctl_query_release(struct ctl_file *f)
{
    struct statement *q = f->state;
    if (!q)
        return;
    stream_close(&q->stream);
    buf_free(&q->text);
    free(q);
}
