/* ops_file.c - files: create and open, and the way from a request to its kind of handle.
 *
 * The work is in ent_file.c (an entity), scratch_file.c (scratch) and ctl.c (control files).
 */
#include "fs/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>

static const struct handle_ops *const kinds[] = {
    [HANDLE_ENT_READ] = &ent_read_ops,
    [HANDLE_ENT_WRITE] = &ent_write_ops,
    [HANDLE_SCRATCH] = &scratch_ops,
    [HANDLE_CTL] = &ctl_ops,
};

static const struct handle_ops *ops_of(const struct handle *h)
{
    return kinds[h->kind];
}

static int create_file(fuse_req_t req, fuse_ino_t parent, struct slice name, mode_t mode, bool excl,
                       struct place *p, struct file_attr *attr)
{
    struct fs *fs = fs_of(req);
    const struct fuse_ctx *c = fuse_req_ctx(req);
    enum name_kind kind;
    struct slice id;
    int rc = place_of(fs, parent, p);
    if (rc < 0)
        return rc;
    if (p->level == LEVEL_REMFS)
        return err_set(ERR_ROFS, ".remfs is read-only");
    if (p->level != LEVEL_TYPE)
        return err_set(ERR_PERM, "files are in types: mkdir a type and put it there");
    rc = name_check_file(name, &kind, &id);
    if (rc < 0)
        return rc;
    rc = store_create(fs->st, p->attr.coll, name, mode & 07777, c->uid, c->gid, attr);
    if (rc == -ERR_EXIST && !excl) /* a batch made it since the kernel looked */
        rc = store_lookup(fs->st, p->attr.coll, name, attr);
    return rc;
}

static void refuse_create(fuse_req_t req, const struct place *p, const char *name, int rc)
{
    if (p->level & (LEVEL_TENANT | LEVEL_TYPE))
        errors_note(fs_of(req), p->ino, fuse_req_ctx(req)->uid, name, rc);
    reply_rc(req, rc);
}

void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
               struct fuse_file_info *fi)
{
    struct fs *fs = fs_of(req);
    struct place p = {0};
    struct file_attr attr;
    struct fuse_entry_param e;
    struct slice s = slice_str(name);
    unsigned long stamp = fs_stamp(fs);
    int rc = create_file(req, parent, s, mode, fi->flags & O_EXCL, &p, &attr);
    if (rc == 0)
        rc = entry_of_file(fs, p.attr.coll, s, &attr, stamp, &e);
    if (rc < 0) {
        refuse_create(req, &p, name, rc);
        return;
    }
    if (attr.kind == FILE_SCRATCH)
        rc = scratch_create_handle(fs, e.ino, attr.ino, p.attr.coll, fi);
    else
        rc = ent_create_handle(fs, e.ino, fuse_req_ctx(req)->pid, p.attr.coll, s, &attr, fi->flags,
                               fi);
    if (rc < 0) {
        inodes_forget(fs->inodes, e.ino, 1);
        reply_rc(req, rc);
        return;
    }
    e.attr_timeout = attr.kind == FILE_SCRATCH ? e.attr_timeout : 0;
    fuse_reply_create(req, &e, fi);
}

void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
    (void)rdev;
    struct fs *fs = fs_of(req);
    struct place p = {0};
    struct file_attr attr;
    struct fuse_entry_param e;
    struct slice s = slice_str(name);
    if (!S_ISREG(mode)) {
        fuse_reply_err(req, EPERM);
        return;
    }
    unsigned long stamp = fs_stamp(fs);
    int rc = create_file(req, parent, s, mode, true, &p, &attr);
    if (rc == 0)
        rc = entry_of_file(fs, p.attr.coll, s, &attr, stamp, &e);
    if (rc < 0)
        refuse_create(req, &p, name, rc);
    else
        fuse_reply_entry(req, &e);
}

/* The kernel is about to look the name up again and come back, once: what it finds then is to be
 * free for it. */
static void reserve_named(fuse_req_t req, const struct file_ref *ref, bool writer)
{
    struct fs *fs = fs_of(req);
    struct file_attr now;
    if (store_lookup(fs->st, ref->coll, ref_name(ref), &now) == 0)
        inodes_reserve(fs->inodes, now.ino, fuse_req_ctx(req)->pid, writer);
    err_set(ERR_STALE, "the file was replaced");
}

/* A rename that replaces a file is two steps here: in the store, then in the table of nodes. An
 * open that falls between them tries again; the kernel would do so too, but only once. */
#define OPEN_TRIES 1000

void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct fs *fs = fs_of(req);
    struct file_ref ref;
    if (ino_is_ctl(ino)) {
        ctl_open(req, ino, fi);
        return;
    }
    if (fs->read_only && (fi->flags & (O_ACCMODE | O_TRUNC)) != O_RDONLY) {
        fuse_reply_err(req, EROFS);
        return;
    }
    int rc = err_set(ERR_STALE, "not known");
    for (int i = 0; i < OPEN_TRIES && inodes_ref(fs->inodes, ino, &ref); i++) {
        if (ref.kind == FILE_SCRATCH) {
            scratch_open(req, &ref, fi);
            return;
        }
        rc = ref.parted ? -ERR_STALE : ent_open(req, &ref, fi);
        if (rc == 0)
            return;
        if (rc != -ERR_STALE)
            break;
        if (inodes_ref(fs->inodes, ino, &ref) && (ref.parted || ref.gone)) {
            reserve_named(req, &ref, (fi->flags & O_ACCMODE) != O_RDONLY);
            break;
        }
        sched_yield();
    }
    reply_rc(req, rc);
}

/* A reply lets the kernel send the next request, a release among them, while the function that
 * replied is still returning: so none of them touches a handle after its reply, but under the
 * handle's own lock.
 */
void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
    (void)ino;
    struct handle *h = handle_of(fi);
    ops_of(h)->read(req, h, size, off);
}

void op_write(fuse_req_t req, fuse_ino_t ino, const char *p, size_t n, off_t off,
              struct fuse_file_info *fi)
{
    (void)ino;
    struct handle *h = handle_of(fi);
    ops_of(h)->write(req, h, p, n, off);
}

void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino;
    struct handle *h = handle_of(fi);
    ops_of(h)->flush(req, h);
}

void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
    (void)ino, (void)datasync;
    struct handle *h = handle_of(fi);
    ops_of(h)->fsync(req, h);
}

void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino;
    struct handle *h = handle_of(fi);
    ops_of(h)->release(fs_of(req), h);
    fuse_reply_err(req, 0);
}
