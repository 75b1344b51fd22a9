/* scratch_file.c - a scratch file that is open: plain bytes, through the page cache, at once in the
 * store.
 *
 * All handles of a scratch file see each other's writes, as on any file system.
 */
#include "fs/fs_int.h"

#include <errno.h>
#include <fcntl.h>

struct scratch {
    struct handle h;
    uint64_t ino;
    struct coll coll;
};

static int scratch_new(struct fs *fs, uint64_t nodeid, uint64_t ino, struct coll c,
                       struct fuse_file_info *fi)
{
    struct scratch *s = calloc(1, sizeof *s);
    if (!s)
        return err_set(ERR_NOMEM, "out of memory");
    s->h.nodeid = nodeid;
    s->ino = ino;
    s->coll = c;
    inodes_open_scratch(fs->inodes, nodeid);
    handle_publish(fi, &s->h, HANDLE_SCRATCH);
    fi->keep_cache = 1;
    fi->noflush = 1; /* every write is committed when it returns */
    return 0;
}

static void scratch_release(struct fs *fs, struct handle *h)
{
    handle_last(h);
    struct scratch *s = (struct scratch *)h;
    struct file_ref ref;
    bool drop;
    struct coll c = inodes_ref(fs->inodes, h->nodeid, &ref) ? ref.coll : s->coll;
    inodes_close_scratch(fs->inodes, h->nodeid, &drop);
    if (drop && store_orphan_drop(fs->st, c, s->ino) < 0)
        log_debug("an unlinked scratch file: %s", err_msg());
    free(s);
}

void scratch_open(fuse_req_t req, const struct file_ref *ref, struct fuse_file_info *fi)
{
    struct fs *fs = fs_of(req);
    struct file_attr a;
    int rc = scratch_new(fs, ref->nodeid, ref->ino, ref->coll, fi);
    if (rc == 0 && (fi->flags & O_TRUNC)) {
        rc = store_scratch_truncate(fs->st, ref->coll, ref_name(ref), ref->ino, 0, &a);
        if (rc < 0)
            scratch_release(fs, handle_of(fi));
    }
    if (rc < 0) {
        reply_rc(req, rc);
        return;
    }
    if (fuse_reply_open(req, fi) < 0)
        scratch_release(fs, handle_of(fi));
}

int scratch_create_handle(struct fs *fs, uint64_t nodeid, uint64_t ino, struct coll c,
                          struct fuse_file_info *fi)
{
    return scratch_new(fs, nodeid, ino, c, fi);
}

/* Where the file is now; its last known place when the kernel has forgotten it. */
static void scratch_ref(struct fs *fs, struct scratch *s, struct file_ref *ref)
{
    if (!inodes_ref(fs->inodes, s->h.nodeid, ref)) {
        ref->coll = s->coll;
        ref->name_len = 0;
    }
}

static void scratch_read(fuse_req_t req, struct handle *h, size_t size, off_t off)
{
    struct fs *fs = fs_of(req);
    struct scratch *s = (struct scratch *)h;
    struct file_ref ref;
    auto_free char *out = malloc(size ? size : 1);
    if (!out) {
        fuse_reply_err(req, ENOMEM);
        return;
    }
    scratch_ref(fs, s, &ref);
    ssize_t n =
        store_scratch_read(fs->st, ref.coll, ref_name(&ref), s->ino, (uint64_t)off, out, size);
    if (n == -ERR_NOTFOUND) { /* it moved between the two */
        scratch_ref(fs, s, &ref);
        n = store_scratch_read(fs->st, ref.coll, ref_name(&ref), s->ino, (uint64_t)off, out, size);
    }
    handle_done(h);
    if (n == -ERR_NOTFOUND)
        fuse_reply_err(req, ESTALE); /* it became an entity, or was replaced */
    else if (n < 0)
        reply_rc(req, (int)n);
    else
        fuse_reply_buf(req, out, (size_t)n);
}

static void scratch_write(fuse_req_t req, struct handle *h, const char *p, size_t n, off_t off)
{
    struct fs *fs = fs_of(req);
    struct scratch *s = (struct scratch *)h;
    struct file_ref ref;
    struct file_attr a;
    scratch_ref(fs, s, &ref);
    int rc = store_scratch_write(fs->st, ref.coll, ref_name(&ref), s->ino, (uint64_t)off, p, n, &a);
    if (rc == -ERR_NOTFOUND) { /* it moved between the two */
        scratch_ref(fs, s, &ref);
        rc = store_scratch_write(fs->st, ref.coll, ref_name(&ref), s->ino, (uint64_t)off, p, n, &a);
    }
    handle_done(h);
    if (rc == -ERR_NOTFOUND)
        fuse_reply_err(req, ESTALE);
    else if (rc < 0)
        reply_rc(req, rc);
    else
        fuse_reply_write(req, n);
}

static void scratch_flush(fuse_req_t req, struct handle *h)
{
    (void)h;
    fuse_reply_err(req, 0);
}

static void scratch_fsync(fuse_req_t req, struct handle *h)
{
    (void)h;
    reply_rc(req, store_sync(fs_of(req)->st));
}

const struct handle_ops scratch_ops = {
    .read = scratch_read,
    .write = scratch_write,
    .flush = scratch_flush,
    .fsync = scratch_fsync,
    .release = scratch_release,
};
