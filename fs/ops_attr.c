/* ops_attr.c - attributes: getattr, setattr, statfs, access and extended attributes. */
#include "fs/ctl.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#define BLOCK 4096

static void stat_times(struct stat *st, int64_t atime, int64_t mtime, int64_t ctime)
{
    st->st_atim = clock_to_timespec(atime);
    st->st_mtim = clock_to_timespec(mtime);
    st->st_ctim = clock_to_timespec(ctime);
}

void stat_of_file(const struct file_attr *a, bool gone, struct stat *st)
{
    *st = (struct stat){
        .st_ino = a->ino,
        .st_mode = S_IFREG | a->mode,
        .st_nlink = gone ? 0 : 1,
        .st_uid = a->uid,
        .st_gid = a->gid,
        .st_size = (off_t)a->size,
        .st_blocks = (blkcnt_t)((a->size + 511) / 512),
        .st_blksize = BLOCK,
    };
    stat_times(st, a->atime, a->mtime, a->ctime);
}

void stat_of_dir(const struct dir_attr *a, struct stat *st)
{
    *st = (struct stat){
        .st_ino = a->ino,
        .st_mode = S_IFDIR | a->mode,
        .st_nlink = 2 + a->children + (a->ino == STORE_INO_ROOT),
        .st_uid = a->uid,
        .st_gid = a->gid,
        .st_size = BLOCK,
        .st_blocks = BLOCK / 512,
        .st_blksize = BLOCK,
    };
    stat_times(st, a->atime, a->mtime, a->ctime);
}

bool stat_of_ctl(struct fs *fs, uint64_t ino, struct stat *st)
{
    const struct ctl_row *row = ctl_by_kind(ino_ctl_kind(ino));
    struct place p;
    if (!row || place_of(fs, ino_ctl_dir(ino), &p) < 0)
        return false;
    *st = (struct stat){
        .st_ino = ino,
        .st_mode = (row->directory ? S_IFDIR : S_IFREG) | row->mode,
        .st_nlink = row->directory ? 2 : 1,
        .st_uid = p.attr.uid,
        .st_gid = p.attr.gid,
        .st_blksize = BLOCK,
    };
    if (row->changes) /* owner, group and others: write where they may write to the directory */
        st->st_mode &= (p.attr.mode & 0222) | ~(mode_t)0222;
    /* Not the time of the look, as in /proc: tar would see a file that changes as it is read. */
    stat_times(st, fs->mounted_at, fs->mounted_at, fs->mounted_at);
    return true;
}

/* What the node itself remembers; false: it has to be asked of the store. */
static bool remembered(struct fs *fs, const struct file_ref *ref, struct file_attr *out)
{
    if (ref->gone && ref->kind == FILE_SCRATCH &&
        store_orphan_attr(fs->st, ref->coll, ref->ino, out) == 0)
        return true;
    if (!ref->has_pinned || !(ref->gone || ref->parted))
        return false;
    *out = ref->pinned;
    return true;
}

int file_attr_of(struct fs *fs, const struct file_ref *ref, struct file_attr *out)
{
    struct file_ref now;
    if (remembered(fs, ref, out))
        return 0;
    int rc = store_lookup(fs->st, ref->coll, ref_name(ref), out);
    bool ours = rc == 0 && out->ino == ref->ino;
    /* It may have parted or gone meanwhile, and what was read be another version's. */
    if (inodes_ref(fs->inodes, ref->nodeid, &now) && remembered(fs, &now, out))
        return 0;
    if (ours || (rc < 0 && rc != -ERR_NOTFOUND))
        return rc;
    if (ref->has_pinned) { /* being replaced at this moment */
        *out = ref->pinned;
        return 0;
    }
    return err_set(ERR_STALE, "the file was replaced");
}

static void getattr_file(fuse_req_t req, struct fs *fs, const struct file_ref *ref,
                         struct fuse_file_info *fi, unsigned long stamp)
{
    struct file_attr a;
    if (ref->writing) /* before the look: a commit after it sees the mark, one before it is seen */
        inodes_told_beside(fs->inodes, ref->nodeid);
    int rc = file_attr_of(fs, ref, &a);
    if (rc < 0) {
        reply_rc(req, rc);
        return;
    }
    double ttl = ref->writing ? 0 : fs_ttl(fs, stamp);
    uint64_t size;
    if (fi && fi->fh && ent_handle_size(handle_of(fi), &size) && size != a.size) {
        a.size = size;
        ttl = 0;
    }
    struct stat st;
    stat_of_file(&a, ref->gone, &st);
    fuse_reply_attr(req, &st, ttl);
}

void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct fs *fs = fs_of(req);
    struct file_ref ref;
    struct stat st;
    unsigned long stamp = fs_stamp(fs);
    if (ino_is_ctl(ino)) {
        if (stat_of_ctl(fs, ino, &st))
            fuse_reply_attr(req, &st, 0);
        else
            fuse_reply_err(req, ENOENT);
        return;
    }
    if (ino != STORE_INO_ROOT && inodes_ref(fs->inodes, ino, &ref)) {
        getattr_file(req, fs, &ref, fi, stamp);
        return;
    }
    struct place p;
    int rc = place_of(fs, ino, &p);
    if (rc < 0) {
        reply_rc(req, rc);
        return;
    }
    stat_of_dir(&p.attr, &st);
    fuse_reply_attr(req, &st, fs_ttl(fs, stamp));
}

/* ---- setattr --------------------------------------------------------------------------------- */

struct wanted { /* the part of a setattr that is not the size */
    unsigned mask;
    uint32_t mode, uid, gid;
    int64_t atime, mtime;
};

static void wanted_of(const struct stat *attr, int to_set, struct wanted *w)
{
    int64_t now = clock_realtime_ns();
    *w = (struct wanted){.mode = attr->st_mode & 07777, .uid = attr->st_uid, .gid = attr->st_gid};
    if (to_set & FUSE_SET_ATTR_MODE)
        w->mask |= ATTR_MODE;
    if (to_set & FUSE_SET_ATTR_UID)
        w->mask |= ATTR_UID;
    if (to_set & FUSE_SET_ATTR_GID)
        w->mask |= ATTR_GID;
    if (to_set & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_ATIME_NOW)) {
        w->mask |= ATTR_ATIME;
        w->atime = to_set & FUSE_SET_ATTR_ATIME_NOW ? now : clock_from_timespec(attr->st_atim);
    }
    if (to_set & (FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_MTIME_NOW)) {
        w->mask |= ATTR_MTIME;
        w->mtime = to_set & FUSE_SET_ATTR_MTIME_NOW ? now : clock_from_timespec(attr->st_mtim);
    }
}

static int setattr_meta(struct fs *fs, const struct file_ref *ref, const struct wanted *w,
                        struct file_attr *out)
{
    if (ref->gone || ref->parted) /* fchmod of a file without a name: nothing to keep it in */
        return file_attr_of(fs, ref, out);
    struct file_attr v = {
        .mode = w->mode, .uid = w->uid, .gid = w->gid, .atime = w->atime, .mtime = w->mtime};
    int rc = store_setattr(fs->st, ref->coll, ref_name(ref), &v, w->mask, out);
    if (rc == 0 && (w->mask & ATTR_MTIME))
        inodes_set_mtime(fs->inodes, ref->nodeid, w->mtime);
    return rc;
}

static void setattr_file(fuse_req_t req, struct fs *fs, const struct file_ref *ref,
                         const struct stat *attr, int to_set, struct fuse_file_info *fi)
{
    struct wanted w;
    struct file_attr a;
    uint64_t shown = 0;
    bool sized = false;
    int rc = 0;
    wanted_of(attr, to_set, &w);
    if (to_set & FUSE_SET_ATTR_SIZE) {
        if (ref->kind == FILE_SCRATCH) {
            rc = store_scratch_truncate(fs->st, ref->coll, ref_name(ref), ref->ino,
                                        (uint64_t)attr->st_size, &a);
        } else {
            struct handle *h = fi && fi->fh ? handle_of(fi) : NULL;
            rc = ent_truncate(fs, ref, h, (uint64_t)attr->st_size, &shown);
            sized = rc == 0;
            if (rc < 0)
                errors_note(fs, coll_ino(fs, ref->coll), fuse_req_ctx(req)->uid, ref->name, rc);
        }
        w.mask &= ~(unsigned)(fi ? 0 : ATTR_MTIME); /* truncate(2): the commit sets the time */
        atomic_fetch_add(&fs->changes, 1);
    }
    if (rc == 0)
        rc = w.mask ? setattr_meta(fs, ref, &w, &a) : file_attr_of(fs, ref, &a);
    if (rc < 0) {
        reply_rc(req, rc);
        return;
    }
    if (sized)
        a.size = shown;
    struct stat st;
    stat_of_file(&a, ref->gone, &st);
    fuse_reply_attr(req, &st, ref->writing || sized ? 0 : fs->ttl);
}

static void setattr_dir(fuse_req_t req, struct fs *fs, uint64_t ino, const struct stat *attr,
                        int to_set)
{
    struct wanted w;
    struct dir_attr out;
    wanted_of(attr, to_set, &w);
    struct dir_attr v = {
        .mode = w.mode, .uid = w.uid, .gid = w.gid, .atime = w.atime, .mtime = w.mtime};
    int rc = store_dir_setattr(fs->st, ino, &v, w.mask, &out);
    if (rc < 0) {
        reply_rc(req, rc);
        return;
    }
    struct stat st;
    stat_of_dir(&out, &st);
    fuse_reply_attr(req, &st, fs->ttl);
}

void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
                struct fuse_file_info *fi)
{
    struct fs *fs = fs_of(req);
    struct file_ref ref;
    if (ino_is_ctl(ino)) {
        struct stat st;
        int harmless = FUSE_SET_ATTR_SIZE | FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME |
                       FUSE_SET_ATTR_ATIME_NOW | FUSE_SET_ATTR_MTIME_NOW | FUSE_SET_ATTR_CTIME |
                       FUSE_SET_ATTR_FORCE;
        (void)attr;
        /* cp -p and tee touch and truncate them; mode and owner follow the directory's. */
        if (to_set & ~(harmless | FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID))
            fuse_reply_err(req, EPERM);
        else if (!stat_of_ctl(fs, ino, &st))
            fuse_reply_err(req, ENOENT);
        else
            fuse_reply_attr(req, &st, 0);
        return;
    }
    if (fs->read_only)
        fuse_reply_err(req, EROFS);
    else if (ino != STORE_INO_ROOT && inodes_ref(fs->inodes, ino, &ref))
        setattr_file(req, fs, &ref, attr, to_set, fi);
    else
        setattr_dir(req, fs, ino, attr, to_set);
}

/* ---- the rest -------------------------------------------------------------------------------- */

void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
    (void)ino;
    struct fs *fs = fs_of(req);
    struct statvfs v = {.f_bsize = BLOCK, .f_frsize = BLOCK};
    struct store_counts n = {0};
    int rc = store_statvfs(fs->st, &v);
    if (rc == 0)
        rc = store_counts(fs->st, (struct coll){0, 0}, &n);
    if (rc < 0) {
        reply_rc(req, rc);
        return;
    }
    uint64_t files = n.entities + n.drafts + n.scratch + n.types + n.tenants + 1;
    v.f_files = files + (UINT64_C(1) << 32); /* inode numbers do not run out */
    v.f_ffree = v.f_favail = UINT64_C(1) << 32;
    v.f_namemax = STORE_FILE_NAME_MAX;
    v.f_flag = 0;
    fuse_reply_statfs(req, &v);
}

/* The kernel checks permissions itself (default_permissions); this only says whether it is there.
 */
void op_access(fuse_req_t req, fuse_ino_t ino, int mask)
{
    (void)mask;
    struct fs *fs = fs_of(req);
    struct file_ref ref;
    struct place p;
    struct stat st;
    if (ino_is_ctl(ino) ? stat_of_ctl(fs, ino, &st)
                        : inodes_ref(fs->inodes, ino, &ref) || place_of(fs, ino, &p) == 0)
        fuse_reply_err(req, 0);
    else
        fuse_reply_err(req, ENOENT);
}

#define XATTR_PREFIX "user.remfs."

static int xattr_value(struct fs *fs, const struct file_ref *ref, const char *key, struct buf *out)
{
    static const char *const kinds[] = {
        [FILE_ENTITY] = "entity", [FILE_DRAFT] = "draft", [FILE_SCRATCH] = "scratch"};
    struct file_attr a;
    struct dir_attr d;
    int rc = file_attr_of(fs, ref, &a);
    if (rc < 0)
        return rc;
    if (strcmp(key, "kind") == 0)
        return buf_puts(out, kinds[a.kind]);
    if (strcmp(key, "id") == 0) {
        enum name_kind kind;
        struct slice id;
        if (name_check_file(ref_name(ref), &kind, &id) < 0 || kind != NAME_ENTITY)
            return err_set(ERR_NOTFOUND, "scratch files have no id");
        return buf_put(out, id.p, id.n);
    }
    if (strcmp(key, "version") == 0)
        return buf_putf(out, "%llu", (unsigned long long)a.version);
    if (strcmp(key, "created") == 0) {
        char t[31];
        clock_format(a.btime, t);
        return buf_puts(out, t);
    }
    struct coll c = ref->coll;
    if (strcmp(key, "tenant") == 0)
        c.type = 0;
    else if (strcmp(key, "type") != 0)
        return err_set(ERR_NOTFOUND, "no such attribute");
    rc = store_dir_by_ino(fs->st, coll_ino(fs, c), &d);
    return rc < 0 ? rc : buf_puts(out, d.name);
}

/* ENODATA for ours that is not there, ENOTSUP for everything else: tools then ask no more (an ls -l
 * of 100,000 files asks once, not 100,000 times). */
void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
    struct fs *fs = fs_of(req);
    struct file_ref ref;
    if (strncmp(name, XATTR_PREFIX, sizeof XATTR_PREFIX - 1) != 0) {
        fuse_reply_err(req, strncmp(name, "user.", 5) == 0 ? ENODATA : ENOTSUP);
        return;
    }
    auto_buf v = BUF_INIT;
    if (!inodes_ref(fs->inodes, ino, &ref) ||
        xattr_value(fs, &ref, name + sizeof XATTR_PREFIX - 1, &v) < 0)
        fuse_reply_err(req, ENODATA);
    else if (size == 0)
        fuse_reply_xattr(req, v.n);
    else if (size < v.n)
        fuse_reply_err(req, ERANGE);
    else
        fuse_reply_buf(req, v.p, v.n);
}

void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size,
                 int flags)
{
    (void)ino, (void)value, (void)size, (void)flags;
    bool ours = strncmp(name, XATTR_PREFIX, sizeof XATTR_PREFIX - 1) == 0;
    fuse_reply_err(req, ours ? EPERM : ENOTSUP);
}

void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
    op_setxattr(req, ino, name, NULL, 0, 0);
}

/* Ours can be asked for by name and are not listed: what is listed, mv and rsync -X copy, and they
 * cannot be set. */
void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
    (void)ino;
    if (size == 0)
        fuse_reply_xattr(req, 0);
    else
        fuse_reply_buf(req, NULL, 0);
}
