/* ctl.c - the table of control files, and an open one: from requests to its row's functions. */
#include "fs/ctl.h"

#include <errno.h>
#include <fcntl.h>

const struct ctl_row ctl_table[] = {
    {.kind = 1,
     .name = ".query",
     .levels = LEVEL_TENANT | LEVEL_TYPE,
     .listed = true,
     .mode = 0666,
     .help = "write a filter or a SELECT, read the rows as JSON Lines",
     .open = ctl_query_open,
     .read = ctl_query_read,
     .write = ctl_query_write,
     .flush = ctl_query_flush,
     .ready = ctl_query_ready,
     .ahead = ctl_query_ahead,
     .release = ctl_query_release},
    {.kind = 2,
     .name = ".search",
     .levels = LEVEL_TENANT | LEVEL_TYPE,
     .listed = true,
     .mode = 0666,
     .help = "write a text, read the entities nearest in meaning, best first",
     .open = ctl_query_open,
     .read = ctl_query_read,
     .write = ctl_query_write,
     .flush = ctl_query_flush,
     .ready = ctl_query_ready,
     .ahead = ctl_query_ahead,
     .release = ctl_query_release},
    {.kind = 3,
     .name = ".stats",
     .levels = LEVEL_TENANT | LEVEL_TYPE,
     .listed = true,
     .mode = 0444,
     .help = "counts and sizes, as a JSON object",
     .make_text = ctl_stats_text},
    {.kind = 4,
     .name = ".errors",
     .levels = LEVEL_TENANT | LEVEL_TYPE,
     .mode = 0444,
     .help = "why your last writes and queries here were refused, newest last",
     .make_text = ctl_errors_text},
    {.kind = 5,
     .name = ".insert",
     .levels = LEVEL_TYPE,
     .mode = 0666,
     .changes = true,
     .help = "write JSON objects or JSON Lines: each becomes an entity; read the ids back",
     .read = ctl_insert_read,
     .write = ctl_insert_write,
     .flush = ctl_insert_flush,
     .release = ctl_insert_release},
    {.kind = 6,
     .name = ".all.jsonl",
     .levels = LEVEL_TYPE,
     .mode = 0444,
     .help = "every entity of the type, a line each",
     .open = ctl_all_open,
     .read = ctl_all_read,
     .ready = ctl_all_ready,
     .ahead = ctl_all_ahead,
     .release = ctl_all_release},
    {.kind = 16,
     .name = ".remfs",
     .levels = LEVEL_ROOT,
     .listed = true,
     .directory = true,
     .mode = 0555,
     .help = "about this store"},
    {.kind = 17,
     .name = "version",
     .levels = LEVEL_REMFS,
     .listed = true,
     .mode = 0444,
     .help = "the version of remfs",
     .make_text = ctl_version_text},
    {.kind = 18,
     .name = "config.json",
     .levels = LEVEL_REMFS,
     .listed = true,
     .mode = 0444,
     .help = "how it is mounted",
     .make_text = ctl_config_text},
    {.kind = 19,
     .name = "stats.json",
     .levels = LEVEL_REMFS,
     .listed = true,
     .mode = 0444,
     .help = "counts and sizes of the whole store",
     .make_text = ctl_stats_text},
    {.kind = 20,
     .name = "SKILL.md",
     .levels = LEVEL_REMFS,
     .listed = true,
     .mode = 0444,
     .help = "how to use this file system, for people and agents",
     .make_text = ctl_skill_text},
};
const unsigned ctl_rows = sizeof ctl_table / sizeof ctl_table[0];

const struct ctl_row *ctl_by_name(enum level level, struct slice name)
{
    for (unsigned i = 0; i < ctl_rows; i++)
        if ((ctl_table[i].levels & level) && slice_eq(name, slice_str(ctl_table[i].name)))
            return &ctl_table[i];
    return NULL;
}

const struct ctl_row *ctl_by_kind(unsigned kind)
{
    for (unsigned i = 0; i < ctl_rows; i++)
        if (ctl_table[i].kind == kind)
            return &ctl_table[i];
    return NULL;
}

static void ctl_free(struct ctl_file *f)
{
    if (f->row->release)
        f->row->release(f);
    buf_free(&f->text);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

static struct ctl_file *ctl_new(fuse_req_t req, fuse_ino_t ino, const struct ctl_row *row,
                                int flags)
{
    struct ctl_file *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    const struct fuse_ctx *c = fuse_req_ctx(req);
    f->h.nodeid = ino;
    f->fs = fs_of(req);
    f->row = row;
    f->ino = ino;
    f->dir_ino = ino_ctl_dir(ino);
    f->uid = c->uid;
    f->gid = c->gid;
    f->sid = row->flush ? session_of(c->pid) : 0;
    f->flags = flags;
    pthread_mutex_init(&f->lock, NULL);
    return f;
}

void ctl_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    const struct ctl_row *row = ctl_by_kind(ino_ctl_kind(ino));
    struct place p;
    int rc = row ? place_of(fs_of(req), ino_ctl_dir(ino), &p) : -ERR_NOTFOUND;
    struct ctl_file *f = rc == 0 ? ctl_new(req, ino, row, fi->flags) : NULL;
    if (!f) {
        reply_rc(req, rc < 0 ? rc : -ERR_NOMEM);
        return;
    }
    if (p.level & (LEVEL_TENANT | LEVEL_TYPE))
        f->coll = p.attr.coll;
    if ((fi->flags & O_ACCMODE) != O_RDONLY && !row->write)
        rc = err_set(ERR_ACCESS, "%s is read-only", row->name);
    if (rc == 0 && row->open)
        rc = row->open(f);
    if (rc < 0) {
        ctl_free(f);
        reply_rc(req, rc);
        return;
    }
    handle_publish(fi, &f->h, HANDLE_CTL);
    fi->direct_io = 1;
    fi->noflush = !row->flush || (fi->flags & O_ACCMODE) == O_RDONLY;
    if (fuse_reply_open(req, fi) < 0)
        ctl_free(f);
}

static ssize_t read_text(struct ctl_file *f, char *out, size_t n, off_t off)
{
    if (!f->have_text || off == 0) { /* anew from the beginning, as /proc does */
        buf_clear(&f->text);
        int rc = f->row->make_text(f, &f->text);
        if (rc < 0)
            return rc;
        f->have_text = true;
    }
    if ((uint64_t)off >= f->text.n)
        return 0;
    size_t left = f->text.n - (size_t)off;
    if (n > left)
        n = left;
    memcpy(out, f->text.p + off, n);
    return (ssize_t)n;
}

/* Makes the bytes and replies with them; f->lock is held. */
static ssize_t read_and_reply(fuse_req_t req, struct ctl_file *f, size_t size, off_t off)
{
    auto_free char *out = malloc(size ? size : 1);
    ssize_t n = -ERR_NOMEM;
    if (out)
        n = f->row->make_text ? read_text(f, out, size, off) : f->row->read(f, req, out, size, off);
    if (n < 0)
        reply_rc(req, (int)n);
    else
        fuse_reply_buf(req, out, (size_t)n);
    return n;
}

static void ctl_read(fuse_req_t req, struct handle *h, size_t size, off_t off)
{
    struct ctl_file *f = (struct ctl_file *)h;
    const char *p;
    pthread_mutex_lock(
        &f->lock); /* over the reply too: a release that follows it waits for the rest */
    ssize_t n = f->row->ready ? (ssize_t)f->row->ready(f, size, off, &p) : 0;
    if (n > 0)
        fuse_reply_buf(req, p, (size_t)n);
    else
        n = read_and_reply(req, f, size, off);
    if (n > 0 && f->row->ahead)
        f->row->ahead(f, size);
    pthread_mutex_unlock(&f->lock);
}

static void ctl_write(fuse_req_t req, struct handle *h, const char *p, size_t n, off_t off)
{
    struct ctl_file *f = (struct ctl_file *)h;
    struct notices l = {0};
    if (!f->row->write) {
        fuse_reply_err(req, EBADF);
        return;
    }
    pthread_mutex_lock(&f->lock);
    struct notifier *notifier = f->fs->notifier;
    int rc = f->row->write(f, p, n, off, &l);
    pthread_mutex_unlock(&f->lock);
    notifier_send(notifier, &l, req, rc < 0 ? -1 : (ssize_t)n, errmap_errno(rc));
}

static void ctl_flush(fuse_req_t req, struct handle *h)
{
    struct ctl_file *f = (struct ctl_file *)h;
    struct notices l = {0};
    int rc = 0;
    pthread_mutex_lock(&f->lock);
    struct notifier *notifier = f->fs->notifier;
    if (f->row->flush)
        rc = f->row->flush(f, &l);
    pthread_mutex_unlock(&f->lock);
    notifier_send(notifier, &l, req, -1, errmap_errno(rc));
}

static void ctl_fsync(fuse_req_t req, struct handle *h)
{
    (void)h;
    reply_rc(req, store_sync(fs_of(req)->st));
}

static void ctl_release(struct fs *fs, struct handle *h)
{
    (void)fs;
    struct ctl_file *f = (struct ctl_file *)h;
    /* Nobody reads any more. The answer lives: only a read could close it, and none can come. */
    struct answer *ahead = atomic_load(&f->ahead);
    if (ahead)
        answer_cancel(ahead);
    pthread_mutex_lock(&f->lock);
    pthread_mutex_unlock(&f->lock);
    ctl_free(f);
}

const struct handle_ops ctl_ops = {
    .read = ctl_read,
    .write = ctl_write,
    .flush = ctl_flush,
    .fsync = ctl_fsync,
    .release = ctl_release,
};

/* ---- streams --------------------------------------------------------------------------------- */

void stream_close(struct stream *s)
{
    answer_free(s->answer);
    buf_free(&s->ahead);
    s->answer = NULL;
    s->pos = 0;
    s->taken = 0;
    s->ahead_done = false;
    s->large = false;
}

static void interrupted(fuse_req_t req, void *data)
{
    (void)req;
    answer_cancel(data);
}

/* The next bytes, from those made ahead if there are some. */
static ssize_t stream_next(struct stream *s, char *out, size_t n)
{
    size_t got = s->ahead.n - s->taken;
    if (got > n)
        got = n;
    if (got) {
        memcpy(out, s->ahead.p + s->taken, got);
        s->taken += got;
    }
    if (got < n && !s->ahead_done) {
        ssize_t more = answer_read(s->answer, out + got, n - got);
        if (more < 0 && got == 0)
            return more;
        got += more > 0 ? (size_t)more : 0; /* an error is repeated at the next read */
    } else if (got == 0) {
        return s->ahead_rc;
    }
    s->pos += got;
    return (ssize_t)got;
}

size_t stream_ready(struct stream *s, size_t n, off_t off, const char **p)
{
    if (!s->answer || (uint64_t)off != s->pos || n == 0 || s->ahead.n - s->taken < n)
        return 0;
    *p = s->ahead.p + s->taken;
    s->taken += n;
    s->pos += n;
    return n;
}

void stream_ahead(struct stream *s, struct ctl_file *f, size_t n)
{
    if (!s->answer || !s->large || s->ahead_done || s->taken < s->ahead.n)
        return;
    buf_clear(&s->ahead);
    s->taken = 0;
    if (buf_reserve(&s->ahead, n) < 0)
        return;
    atomic_store(&f->ahead, s->answer);
    ssize_t got = answer_read(s->answer, s->ahead.p, n);
    atomic_store(&f->ahead, NULL);
    if (got > 0) {
        s->ahead.n = (size_t)got;
    } else {
        s->ahead_rc = got;
        s->ahead_done = true;
    }
}

ssize_t stream_read(struct stream *s, struct ctl_file *f, fuse_req_t req, void *out, size_t n,
                    off_t off)
{
    if (s->answer && (uint64_t)off < s->pos)
        stream_close(s);
    if (!s->answer) {
        int rc = s->again(f, &s->answer);
        if (rc < 0)
            return rc;
    }
    s->large = s->pos > 0;
    fuse_req_interrupt_func(req, interrupted, s->answer);
    ssize_t got = 1;
    while (s->pos < (uint64_t)off && got > 0) { /* read and throw away up to the place asked for */
        uint64_t left = (uint64_t)off - s->pos;
        got = stream_next(s, out, left < n ? (size_t)left : n);
    }
    if (got > 0)
        got = stream_next(s, out, n);
    fuse_req_interrupt_func(req, NULL, NULL);
    if (got == -ERR_CANCELED)
        stream_close(s); /* a read that is tried again starts over and skips to its place */
    return got;
}

static int all_again(struct ctl_file *f, struct answer **out)
{
    return store_all(f->fs->st, f->coll, out);
}

int ctl_all_open(struct ctl_file *f)
{
    struct stream *s = calloc(1, sizeof *s);
    if (!s)
        return err_set(ERR_NOMEM, "out of memory");
    s->again = all_again;
    f->state = s;
    return 0;
}

ssize_t ctl_all_read(struct ctl_file *f, fuse_req_t req, void *out, size_t n, off_t off)
{
    return stream_read(f->state, f, req, out, n, off);
}

size_t ctl_all_ready(struct ctl_file *f, size_t n, off_t off, const char **p)
{
    return stream_ready(f->state, n, off, p);
}

void ctl_all_ahead(struct ctl_file *f, size_t n)
{
    stream_ahead(f->state, f, n);
}

void ctl_all_release(struct ctl_file *f)
{
    if (f->state)
        stream_close(f->state);
    free(f->state);
}
