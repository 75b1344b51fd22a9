/* ent_file.c - an entity that is open: the version that a reader pinned, the text that a writer
 * collects.
 *
 * This is where a write() goes to the store (ent_text_write) and where close() commits it
 * (ent_text_commit, in commit_text below). Contract section 2.
 *
 * Threads: a write handle's lock is held over the calls on its text.
 */
#include "fs/fs_int.h"

#include <errno.h>
#include <fcntl.h>

struct ent_reader {
    struct handle h;
    bool direct;       /* past the page cache */
    struct blob *blob; /* the version that was opened */
};

struct ent_writer {
    struct handle h;
    pthread_mutex_t lock;
    struct ent_text *text;
    uint64_t ino;
    struct coll coll;
    bool append;
    bool write_refused; /* a write was refused, and said so: the commit need not say it again */
    bool refused_noted; /* the last refusal is in .errors under … */
    uint64_t refused_ticket; /* … this ticket */
    int64_t mtime_override;  /* utimens while it is open; 0: none. Atomic (inode.c writes it). */
};

/* ---- reading --------------------------------------------------------------------------------- */

/* The current version: kept from the last open, or from the store. ERR_STALE: moved or replaced
 * meanwhile. */
static int load_version(struct fs *fs, const struct file_ref *ref, unsigned long stamp,
                        struct blob **out, struct file_attr *attr)
{
    *out = inodes_text(fs->inodes, ref->nodeid, attr);
    if (*out)
        return 0;
    auto_buf text = BUF_INIT;
    int rc = store_get(fs->st, ref->coll, ref_name(ref), &text, attr);
    /* Replaced while it was being opened: what is at the name now is as good an answer. */
    if (rc == -ERR_NOTFOUND || (rc == 0 && attr->ino != ref->ino && !ref->gone))
        return err_set(ERR_STALE, "the file was replaced");
    if (rc < 0)
        return rc;
    *out = blob_new(slice_buf(&text));
    if (!*out)
        return err_set(ERR_NOMEM, "out of memory");
    if (attr->ino == ref->ino)
        inodes_keep_text(fs->inodes, ref->nodeid, *out, attr, &fs->changes, stamp);
    return 0;
}

struct blob *ent_last_text(struct fs *fs, struct coll c, struct slice name, uint64_t ino,
                           uint64_t *version)
{
    struct file_attr attr;
    auto_buf text = BUF_INIT;
    if (!inodes_known(fs->inodes, ino) || store_get(fs->st, c, name, &text, &attr) < 0 ||
        attr.ino != ino)
        return NULL;
    *version = attr.version;
    return blob_new(slice_buf(&text));
}

static void reader_free(struct fs *fs, struct ent_reader *r)
{
    inodes_close_read(fs->inodes, r->h.nodeid, r->direct);
    blob_put(r->blob);
    free(r);
}

static int open_reader(fuse_req_t req, const struct file_ref *ref, struct fuse_file_info *fi)
{
    struct fs *fs = fs_of(req);
    struct file_attr attr;
    struct blob *blob;
    unsigned long stamp = fs_stamp(fs);
    int rc = load_version(fs, ref, stamp, &blob, &attr);
    if (rc < 0)
        return rc;
    struct ent_reader *r = calloc(1, sizeof *r);
    if (!r) {
        blob_put(blob);
        return err_set(ERR_NOMEM, "out of memory");
    }
    bool keep;
    r->h.nodeid = ref->nodeid;
    r->blob = blob;
    inodes_open_read(fs->inodes, ref->nodeid, fuse_req_ctx(req)->pid, &attr,
                     fs_fresh(fs, stamp) && attr.ino == ref->ino, &keep, &r->direct);
    fi->direct_io = r->direct;
    fi->keep_cache = keep;
    fi->noflush = 1;
    handle_publish(fi, &r->h, HANDLE_ENT_READ);
    if (fuse_reply_open(req, fi) < 0) /* the opener is gone, and no release will come */
        reader_free(fs, r);
    return 0;
}

static void reader_read(fuse_req_t req, struct handle *h, size_t size, off_t off)
{
    struct blob *b = ((struct ent_reader *)h)->blob;
    /* Once the reply is written the reader may close and the last reference go, while
     * AddressSanitizer looks at what was written after the call: so the bytes are held across it.
     */
    atomic_fetch_add(&b->refs, 1);
    handle_done(h);
    size_t n = b->n, at = (uint64_t)off < n ? (size_t)off : n;
    fuse_reply_buf(req, b->text + at, size < n - at ? size : n - at);
    blob_put(b);
}

static void reader_write(fuse_req_t req, struct handle *h, const char *p, size_t n, off_t off)
{
    (void)h, (void)p, (void)n, (void)off;
    fuse_reply_err(req, EBADF);
}

static void reader_flush(fuse_req_t req, struct handle *h)
{
    (void)h;
    fuse_reply_err(req, 0);
}

static void reader_fsync(fuse_req_t req, struct handle *h)
{
    (void)h;
    reply_rc(req, store_sync(fs_of(req)->st));
}

static void reader_release(struct fs *fs, struct handle *h)
{
    handle_last(h);
    reader_free(fs, (struct ent_reader *)h);
}

const struct handle_ops ent_read_ops = {
    .read = reader_read,
    .write = reader_write,
    .flush = reader_flush,
    .fsync = reader_fsync,
    .release = reader_release,
};

/* ---- writing --------------------------------------------------------------------------------- */

static void writer_free(struct fs *fs, struct ent_writer *w)
{
    inodes_close_write(fs->inodes, w->h.nodeid, &w->mtime_override);
    ent_text_free(w->text);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

/* old: the text of a file that lost its name while it was being opened, or NULL. */
static int text_open(struct fs *fs, struct coll c, struct slice name, uint64_t ino, int flags,
                     const struct blob *old, struct ent_text **out)
{
    bool keep = !(flags & O_TRUNC);
    int rc = ent_text_open(fs->st, c, name, ino, keep && !old, out);
    if (rc == 0 && keep && old && (rc = ent_text_write(*out, 0, old->text, old->n)) < 0)
        ent_text_free(*out);
    return rc;
}

static int writer_new(struct fs *fs, uint64_t nodeid, pid_t pid, struct coll c, struct slice name,
                      const struct file_attr *attr, int flags, const struct blob *old,
                      struct ent_writer **out)
{
    struct ent_writer *w = calloc(1, sizeof *w);
    if (!w)
        return err_set(ERR_NOMEM, "out of memory");
    int rc = text_open(fs, c, name, attr->ino, flags, old, &w->text);
    if (rc < 0) {
        free(w);
        return rc;
    }
    w->h.nodeid = nodeid;
    w->ino = attr->ino;
    w->coll = c;
    w->append = flags & O_APPEND;
    pthread_mutex_init(&w->lock, NULL);
    if (!inodes_open_write(fs->inodes, nodeid, pid, &w->mtime_override)) {
        ent_text_free(w->text);
        pthread_mutex_destroy(&w->lock);
        free(w);
        return err_set(ERR_STALE, "open for reading: look it up again");
    }
    *out = w;
    return 0;
}

static void writer_reply_info(struct ent_writer *w, struct fuse_file_info *fi)
{
    fi->direct_io = 1; /* what is not committed must not get into the shared page cache */
    fi->keep_cache = 1;
    handle_publish(fi, &w->h, HANDLE_ENT_WRITE);
}

static int open_writer(fuse_req_t req, const struct file_ref *ref, struct fuse_file_info *fi)
{
    struct fs *fs = fs_of(req);
    struct file_attr attr;
    struct ent_writer *w;
    struct blob *old = ref->gone ? inodes_text(fs->inodes, ref->nodeid, &attr) : NULL;
    int rc = file_attr_of(fs, ref, &attr);
    if (rc == 0)
        rc = writer_new(fs, ref->nodeid, fuse_req_ctx(req)->pid, ref->coll, ref_name(ref), &attr,
                        fi->flags, old, &w);
    if (rc == -ERR_NOTFOUND)
        rc = err_set(ERR_STALE, "the file was replaced");
    if (old)
        blob_put(old);
    if (rc < 0)
        return rc;
    writer_reply_info(w, fi);
    if (fuse_reply_open(req, fi) < 0)
        writer_free(fs, w);
    return 0;
}

int ent_create_handle(struct fs *fs, uint64_t nodeid, pid_t pid, struct coll c, struct slice name,
                      const struct file_attr *attr, int flags, struct fuse_file_info *fi)
{
    struct ent_writer *w;
    int rc = writer_new(fs, nodeid, pid, c, name, attr, flags, NULL, &w);
    if (rc == 0)
        writer_reply_info(w, fi);
    return rc;
}

int ent_open(fuse_req_t req, const struct file_ref *ref, struct fuse_file_info *fi)
{
    return (fi->flags & O_ACCMODE) == O_RDONLY ? open_reader(req, ref, fi)
                                               : open_writer(req, ref, fi);
}

static uint64_t note_refusal(fuse_req_t req, struct ent_writer *w, int rc)
{
    struct fs *fs = fs_of(req);
    struct file_ref ref;
    const char *name = inodes_ref(fs->inodes, w->h.nodeid, &ref) ? ref.name : "";
    struct coll c = name[0] ? ref.coll : w->coll;
    return errors_note(fs, coll_ino(fs, c), fuse_req_ctx(req)->uid, name, rc);
}

static void writer_read(fuse_req_t req, struct handle *h, size_t size, off_t off)
{
    struct ent_writer *w = (struct ent_writer *)h;
    auto_free char *out = malloc(size ? size : 1);
    if (!out) {
        fuse_reply_err(req, ENOMEM);
        return;
    }
    pthread_mutex_lock(&w->lock);
    ssize_t n = ent_text_read(w->text, (uint64_t)off, out, size);
    pthread_mutex_unlock(&w->lock);
    if (n < 0)
        reply_rc(req, (int)n);
    else
        fuse_reply_buf(req, out, (size_t)n);
}

static void writer_write(fuse_req_t req, struct handle *h, const char *p, size_t n, off_t off)
{
    struct ent_writer *w = (struct ent_writer *)h;
    pthread_mutex_lock(&w->lock);
    /* The kernel's idea of the end is that of the committed file, which is not this handle's. */
    uint64_t at = w->append ? ent_text_size(w->text) : (uint64_t)off;
    __atomic_store_n(&w->mtime_override, 0, __ATOMIC_RELAXED);
    int rc = ent_text_write(w->text, at, p, n);
    w->write_refused = w->write_refused || rc < 0;
    if (rc < 0)
        note_refusal(req, w, rc);
    pthread_mutex_unlock(&w->lock);
    if (rc < 0)
        reply_rc(req, rc);
    else
        fuse_reply_write(req, n);
}

/* The commit: where close() and fsync() make a new version. The caller holds w->lock. */
static int commit_text(struct fs *fs, struct ent_writer *w, bool sync)
{
    struct file_ref ref;
    struct file_attr attr;
    if (!ent_text_dirty(w->text))
        return 0;
    if (!inodes_ref(fs->inodes, w->h.nodeid, &ref) || ref.gone)
        return 0; /* unlinked: what is written to it goes nowhere, as on any file system */
    struct ent_commit how = {
        .name = ref_name(&ref),
        .coll = ref.coll,
        .mtime = __atomic_load_n(&w->mtime_override, __ATOMIC_RELAXED),
        .sync = sync,
    };
    /* Before and after: what others read meanwhile may be either version. */
    atomic_fetch_add(&fs->changes, 1);
    int rc = ent_text_commit(w->text, &how, &attr);
    atomic_fetch_add(&fs->changes, 1);
    inodes_drop_text(fs->inodes, ref.ino);
    return rc == -ERR_NOTFOUND ? 0 : rc;
}

static void writer_commit(fuse_req_t req, struct ent_writer *w, bool sync)
{
    struct fs *fs = fs_of(req);
    pthread_mutex_lock(&w->lock);
    int rc = commit_text(fs, w, sync);
    if (w->refused_noted) { /* replaced by this try's outcome */
        errors_withdraw(fs, w->refused_ticket);
        w->refused_noted = false;
    }
    if (rc < 0 && !w->write_refused) {
        w->refused_ticket = note_refusal(req, w, rc);
        w->refused_noted = true;
    }
    struct notices l = {0};
    if (inodes_take_told_beside(fs->inodes, w->h.nodeid))
        notices_add_inode(&l, w->h.nodeid);
    pthread_mutex_unlock(&w->lock);
    notifier_send(fs->notifier, &l, req, -1, errmap_errno(rc));
}

static void writer_flush(fuse_req_t req, struct handle *h)
{
    writer_commit(req, (struct ent_writer *)h, false);
}

static void writer_fsync(fuse_req_t req, struct handle *h)
{
    struct ent_writer *w = (struct ent_writer *)h;
    pthread_mutex_lock(&w->lock);
    bool dirty = ent_text_dirty(w->text);
    pthread_mutex_unlock(&w->lock);
    if (dirty)
        writer_commit(req, w, true);
    else
        reply_rc(req, store_sync(fs_of(req)->st));
}

static void writer_release(struct fs *fs, struct handle *h)
{
    struct ent_writer *w = (struct ent_writer *)h;
    pthread_mutex_lock(&w->lock); /* whoever used it last has let go */
    pthread_mutex_unlock(&w->lock);
    writer_free(fs, w);
}

const struct handle_ops ent_write_ops = {
    .read = writer_read,
    .write = writer_write,
    .flush = writer_flush,
    .fsync = writer_fsync,
    .release = writer_release,
};

bool ent_handle_size(struct handle *h, uint64_t *size)
{
    if (h->kind == HANDLE_ENT_READ) {
        *size = ((struct ent_reader *)h)->blob->n;
        return true;
    }
    if (h->kind != HANDLE_ENT_WRITE)
        return false;
    struct ent_writer *w = (struct ent_writer *)h;
    with_lock(&w->lock);
    *size = ent_text_size(w->text);
    return true;
}

/* truncate(2) by path: a text of its own, committed at once. To nothing: an empty file is no
 * entity, so that changes nothing, as with `: > x.json`. */
static int truncate_path(struct fs *fs, const struct file_ref *ref, uint64_t size, uint64_t *shown)
{
    struct ent_text *t;
    struct file_attr attr;
    int rc = ent_text_open(fs->st, ref->coll, ref_name(ref), ref->ino, true, &t);
    if (rc < 0)
        return rc;
    rc = ent_text_truncate(t, size);
    struct ent_commit how = {.name = ref_name(ref), .coll = ref->coll};
    if (rc == 0)
        rc = ent_text_commit(t, &how, &attr);
    ent_text_free(t);
    atomic_fetch_add(&fs->changes, 1);
    inodes_drop_text(fs->inodes, ref->ino);
    if (rc == 0)
        *shown = attr.size;
    return rc;
}

int ent_truncate(struct fs *fs, const struct file_ref *ref, struct handle *h, uint64_t size,
                 uint64_t *shown)
{
    if (!h || h->kind != HANDLE_ENT_WRITE)
        return truncate_path(fs, ref, size, shown);
    struct ent_writer *w = (struct ent_writer *)h;
    with_lock(&w->lock);
    int rc = ent_text_truncate(w->text, size);
    if (rc == 0 && size == 0)
        w->write_refused = false;
    *shown = ent_text_size(w->text);
    return rc;
}
