/* ops_dir.c - directories: listing them, and making, removing and moving what is in them. */
#include "fs/ctl.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

/* Cookies of a listing: 1 ".", 2 "..", then the control files by row, below 64; then the children
 * of the root and of tenants by inode number + 64, and files by the store's cookie (64 or more). A
 * cookie stands for a place, not for a count: it holds while names come and go. */
#define COOKIE_DOT 1
#define COOKIE_DOTDOT 2
#define COOKIE_CHILDREN 64

struct listing {
    fuse_req_t req;
    struct fs *fs;
    struct place place;
    struct buf out;
    size_t size;
    bool plus;
    unsigned long stamp;
    int rc;
};

/* 1: it did not fit. e->ino 0 and attr with number and mode: nothing to cache but the name. */
static int add_entry(struct listing *l, const char *name, const struct fuse_entry_param *e,
                     uint64_t cookie)
{
    char *p = l->out.p + l->out.n;
    size_t room = l->size - l->out.n, n;
    if (l->plus)
        n = fuse_add_direntry_plus(l->req, p, room, name, e, (off_t)cookie);
    else
        n = fuse_add_direntry(l->req, p, room, name, &e->attr, (off_t)cookie);
    if (n > room)
        return 1;
    l->out.n += n;
    return 0;
}

static int add_self(struct listing *l, const char *name, uint64_t ino, uint64_t cookie)
{
    struct fuse_entry_param e = {.attr = {.st_ino = ino, .st_mode = S_IFDIR}};
    return add_entry(l, name, &e, cookie);
}

/* Hidden, unless the mount says otherwise: a tree that is copied (cp -r, rsync, tar) is one of
 * entities, and in the copy these files are there already. What is inside /.remfs is listed. */
static int add_controls(struct listing *l, off_t off)
{
    uint64_t dir = l->place.level == LEVEL_REMFS ? STORE_INO_ROOT : l->place.ino;
    for (unsigned i = 0; i < ctl_rows; i++) {
        const struct ctl_row *row = &ctl_table[i];
        uint64_t cookie = COOKIE_DOTDOT + 1 + i;
        struct fuse_entry_param e;
        bool shown = row->listed && (l->fs->list_controls || l->place.level == LEVEL_REMFS);
        if ((uint64_t)off >= cookie || !shown || !(row->levels & l->place.level))
            continue;
        if (entry_of_ctl(l->fs, ino_ctl(dir, row->kind), &e) && add_entry(l, row->name, &e, cookie))
            return 1;
    }
    return 0;
}

static int add_dir(void *ctx, const struct dir_attr *attr)
{
    struct fuse_entry_param e;
    entry_of_dir(((struct listing *)ctx)->fs, attr, &e);
    return add_entry(ctx, attr->name, &e, attr->ino + COOKIE_CHILDREN);
}

static int add_file(void *ctx, struct slice name, uint64_t cookie, const struct file_attr *attr)
{
    struct listing *l = ctx;
    struct fuse_entry_param e = {.attr = {.st_ino = attr->ino, .st_mode = S_IFREG}};
    char text[STORE_FILE_NAME_MAX + 1];
    memcpy(text, name.p, name.n);
    text[name.n] = '\0';
    if (!l->plus)
        return add_entry(l, text, &e, cookie);
    size_t need = fuse_add_direntry_plus(l->req, NULL, 0, text, NULL, 0);
    if (need > l->size - l->out.n)
        return 1;
    l->rc = entry_of_file(l->fs, l->place.attr.coll, name, attr, l->stamp, &e);
    return l->rc < 0 ? l->rc : add_entry(l, text, &e, cookie);
}

static int list_children(struct listing *l, off_t off)
{
    uint64_t after = off < COOKIE_CHILDREN ? 0 : (uint64_t)off;
    if (l->place.level == LEVEL_REMFS)
        return 0;
    if (l->place.level != LEVEL_TYPE)
        return store_dir_list(l->fs->st, l->place.ino, after ? after - COOKIE_CHILDREN : 0, add_dir,
                              l);
    int limit = (int)((l->size - l->out.n) / (l->plus ? 192 : 64)) + 8;
    return store_list(l->fs->st, l->place.attr.coll, after, limit, add_file, l);
}

static void list(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, bool plus)
{
    struct listing l = {.req = req, .fs = fs_of(req), .size = size, .plus = plus, .out = BUF_INIT};
    l.stamp = fs_stamp(l.fs);
    int rc = place_of(l.fs, ino, &l.place);
    if (rc == 0)
        rc = buf_reserve(&l.out, size);
    bool full = false;
    if (rc == 0 && off < COOKIE_DOT)
        full = add_self(&l, ".", ino, COOKIE_DOT);
    if (rc == 0 && !full && off < COOKIE_DOTDOT)
        full = add_self(&l, "..", ino, COOKIE_DOTDOT);
    if (rc == 0 && !full)
        full = add_controls(&l, off);
    if (rc == 0 && !full)
        rc = list_children(&l, off);
    if (rc < 0 && l.out.n == 0)
        reply_rc(req, rc);
    else
        fuse_reply_buf(req, l.out.p, l.out.n);
    buf_free(&l.out);
}

void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
    (void)fi;
    list(req, ino, size, off, false);
}

void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
                    struct fuse_file_info *fi)
{
    (void)fi;
    list(req, ino, size, off, true);
}

void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct fs *fs = fs_of(req);
    struct place p;
    int rc = place_of(fs, ino, &p);
    if (rc < 0) {
        reply_rc(req, rc);
        return;
    }
    fi->fh = 0;
    fi->cache_readdir = fs->ttl > 0;
    fi->keep_cache = fs->ttl > 0 && atomic_load(&fs->inserting) == 0 &&
                     inodes_listing_current(fs->inodes, ino, p.attr.changes);
    fuse_reply_open(req, fi);
}

void op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino, (void)fi;
    fuse_reply_err(req, 0);
}

void op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
    (void)ino, (void)datasync, (void)fi;
    reply_rc(req, store_sync(fs_of(req)->st));
}

/* ---- making and removing --------------------------------------------------------------------- */

/* A refusal with its reason in `.errors`, where there is such a file. */
static void refuse(fuse_req_t req, const struct place *p, const char *name, int rc)
{
    if (p->level & (LEVEL_TENANT | LEVEL_TYPE))
        errors_note(fs_of(req), p->ino, fuse_req_ctx(req)->uid, name, rc);
    reply_rc(req, rc);
}

void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
    struct fs *fs = fs_of(req);
    const struct fuse_ctx *c = fuse_req_ctx(req);
    struct place p;
    struct dir_attr attr;
    int rc = place_of(fs, parent, &p);
    if (rc == 0 && p.level == LEVEL_REMFS)
        rc = err_set(ERR_ROFS, ".remfs is read-only");
    if (rc == 0 && p.level == LEVEL_TYPE)
        rc = err_set(ERR_PERM, "a type holds entities, not directories");
    if (rc == 0 && ctl_by_name(p.level, slice_str(name)))
        rc = err_set(ERR_EXIST, "%s is there already", name);
    if (rc == 0)
        rc = name_check_dir(slice_str(name));
    if (rc == 0)
        rc = store_mkdir(fs->st, parent, slice_str(name), mode & 07777, c->uid, c->gid, &attr);
    if (rc < 0) {
        refuse(req, &p, name, rc);
        return;
    }
    struct fuse_entry_param e;
    entry_of_dir(fs, &attr, &e);
    fuse_reply_entry(req, &e);
}

void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct fs *fs = fs_of(req);
    struct place p;
    int rc = place_of(fs, parent, &p);
    if (rc == 0 && (p.level == LEVEL_REMFS || ctl_by_name(p.level, slice_str(name))))
        rc = err_set(ERR_PERM, "%s cannot be removed", name);
    if (rc == 0 && p.level == LEVEL_TYPE)
        rc = err_set(ERR_NOTDIR, "%s is not a directory", name);
    if (rc == 0)
        rc = store_rmdir(fs->st, parent, slice_str(name));
    reply_rc(req, rc);
}

void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct fs *fs = fs_of(req);
    struct place p;
    struct file_attr gone, now;
    struct slice s = slice_str(name);
    int rc = place_of(fs, parent, &p);
    if (rc == 0 && p.level == LEVEL_REMFS)
        rc = err_set(ERR_ROFS, ".remfs is read-only");
    if (rc == 0 && ctl_by_name(p.level, s)) {
        /* Part of the directory, and gone with it: `rm -r` of a type has to get past them. */
        fuse_reply_err(req, 0);
        return;
    }
    if (rc == 0 && p.level != LEVEL_TYPE)
        rc = err_set(ERR_ISDIR, "%s is a directory", name);
    if (rc == 0)
        rc = store_lookup(fs->st, p.attr.coll, s, &now);
    struct blob *text = NULL;
    uint64_t version = 0;
    if (rc == 0 && now.kind == FILE_ENTITY)
        text = ent_last_text(fs, p.attr.coll, s, now.ino, &version);
    if (rc == 0)
        rc = store_unlink(fs->st, p.attr.coll, s,
                          now.kind == FILE_SCRATCH && inodes_scratch_open(fs->inodes, now.ino),
                          &gone);
    if (rc == 0)
        inodes_gone(fs->inodes, &gone, text, version);
    else if (text)
        blob_put(text);
    reply_rc(req, rc);
}

/* ---- moving ---------------------------------------------------------------------------------- */

static int rename_file(struct fs *fs, const struct place *from, const char *name,
                       const struct place *to, const char *newname, unsigned flags)
{
    struct rename_result r = {0};
    struct file_attr old;
    struct slice to_name = slice_str(newname);
    struct blob *text = NULL; /* of the file that is replaced */
    uint64_t version = 0;
    if (!(flags & STORE_RENAME_EXCHANGE) &&
        store_lookup(fs->st, to->attr.coll, to_name, &old) == 0) {
        if (old.kind == FILE_ENTITY)
            text = ent_last_text(fs, to->attr.coll, to_name, old.ino, &version);
        else if (old.kind == FILE_SCRATCH && inodes_scratch_open(fs->inodes, old.ino))
            flags |= STORE_RENAME_KEEP_ORPHAN;
    }
    int rc =
        store_rename(fs->st, from->attr.coll, slice_str(name), to->attr.coll, to_name, flags, &r);
    if (rc < 0) {
        if (text)
            blob_put(text);
        return rc;
    }
    atomic_fetch_add(&fs->changes, 1);
    if (r.replaced && !(flags & STORE_RENAME_EXCHANGE))
        inodes_gone(fs->inodes, &r.other, text, version);
    else if (text)
        blob_put(text);
    inodes_renamed(fs->inodes, to->attr.coll, to_name, &r.moved);
    if (r.replaced && (flags & STORE_RENAME_EXCHANGE))
        inodes_renamed(fs->inodes, from->attr.coll, slice_str(name), &r.other);
    return 0;
}

static int check_move(const struct place *from, const char *name, const struct place *to,
                      const char *newname, unsigned flags)
{
    if (from->level == LEVEL_REMFS || to->level == LEVEL_REMFS)
        return err_set(ERR_ROFS, ".remfs is read-only");
    if (ctl_by_name(from->level, slice_str(name)))
        return err_set(ERR_PERM, "%s cannot be moved", name);
    if (ctl_by_name(to->level, slice_str(newname)))
        return err_set(ERR_PERM, "%s cannot be replaced", newname);
    if (flags & ~(STORE_RENAME_NOREPLACE | STORE_RENAME_EXCHANGE))
        return err_set(ERR_INVAL, "a rename flag that is not supported");
    if (from->level != to->level)
        return err_set(ERR_PERM, "a type holds entities, a tenant types, the store tenants");
    if (from->level != LEVEL_TYPE && (flags & STORE_RENAME_EXCHANGE))
        return err_set(ERR_INVAL, "directories cannot be exchanged");
    return 0;
}

void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t newparent,
               const char *newname, unsigned int flags)
{
    struct fs *fs = fs_of(req);
    struct place from, to = {0};
    int rc = place_of(fs, parent, &from);
    if (rc == 0)
        rc = place_of(fs, newparent, &to);
    if (rc == 0)
        rc = check_move(&from, name, &to, newname, flags);
    if (rc == 0 && from.level == LEVEL_TYPE)
        rc = rename_file(fs, &from, name, &to, newname, flags);
    else if (rc == 0)
        rc = store_rename_dir(fs->st, parent, slice_str(name), newparent, slice_str(newname),
                              flags & STORE_RENAME_NOREPLACE);
    if (rc < 0)
        refuse(req, &to, newname, rc);
    else
        fuse_reply_err(req, 0);
}

void op_symlink(fuse_req_t req, const char *link, fuse_ino_t parent, const char *name)
{
    (void)link, (void)parent, (void)name;
    fuse_reply_err(req, EPERM);
}

void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t newparent, const char *newname)
{
    (void)ino, (void)newparent, (void)newname;
    fuse_reply_err(req, EPERM);
}
