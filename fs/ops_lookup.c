/* ops_lookup.c - names to entries: lookup and forget, places, and what an entry reply holds. */
#include "fs/ctl.h"

#include <errno.h>

int place_of(struct fs *fs, uint64_t ino, struct place *out)
{
    out->ino = ino;
    if (ino == STORE_INO_ROOT) {
        out->level = LEVEL_ROOT;
        return store_root_attr(fs->st, &out->attr);
    }
    if (ino_is_ctl(ino)) {
        const struct ctl_row *row = ctl_by_kind(ino_ctl_kind(ino));
        if (!row || !row->directory)
            return err_set(ERR_NOTDIR, "not a directory");
        out->level = LEVEL_REMFS;
        return store_root_attr(fs->st, &out->attr);
    }
    int rc = store_dir_by_ino(fs->st, ino, &out->attr);
    out->level = out->attr.coll.type ? LEVEL_TYPE : LEVEL_TENANT;
    return rc;
}

int entry_of_file(struct fs *fs, struct coll c, struct slice name, const struct file_attr *attr,
                  unsigned long stamp, struct fuse_entry_param *e)
{
    uint64_t nodeid;
    bool writing;
    int rc = inodes_lookup(fs->inodes, c, name, attr, &nodeid, &writing);
    if (rc < 0)
        return rc;
    /* Changed since the caller looked: the attributes must be those of this very node's version. */
    struct file_ref ref;
    struct file_attr now = *attr;
    if (!fs_fresh(fs, stamp) && inodes_ref(fs->inodes, nodeid, &ref) &&
        file_attr_of(fs, &ref, &now) < 0)
        now = *attr;
    *e = (struct fuse_entry_param){.ino = nodeid, .generation = 1};
    stat_of_file(&now, false, &e->attr);
    e->entry_timeout = fs->ttl;
    e->attr_timeout = writing ? 0 : fs_ttl(fs, stamp);
    return 0;
}

void entry_of_dir(struct fs *fs, const struct dir_attr *attr, struct fuse_entry_param *e)
{
    *e = (struct fuse_entry_param){.ino = attr->ino, .generation = 1};
    stat_of_dir(attr, &e->attr);
    e->entry_timeout = fs->ttl;
    /* Its times and link count change with what is in it, also by batches. */
    e->attr_timeout = atomic_load(&fs->inserting) ? 0 : fs->ttl;
}

bool entry_of_ctl(struct fs *fs, uint64_t ino, struct fuse_entry_param *e)
{
    *e = (struct fuse_entry_param){.ino = ino, .generation = 1};
    if (!stat_of_ctl(fs, ino, &e->attr))
        return false;
    e->entry_timeout = fs->ttl;
    e->attr_timeout = 0;
    return true;
}

/* "No such name", which the kernel may remember. */
static void reply_absent(fuse_req_t req, struct fs *fs, double ttl)
{
    struct fuse_entry_param e = {.ino = 0, .entry_timeout = ttl};
    if (fs->ttl > 0)
        fuse_reply_entry(req, &e);
    else
        fuse_reply_err(req, ENOENT);
}

static void lookup_dir(fuse_req_t req, struct fs *fs, struct place *p, struct slice name)
{
    struct dir_attr attr;
    struct fuse_entry_param e;
    int rc = store_dir_lookup(fs->st, p->ino, name, &attr);
    if (rc == -ERR_NOTFOUND) {
        reply_absent(req, fs, fs->ttl); /* tenants and types come only through mkdir */
        return;
    }
    if (rc < 0) {
        reply_rc(req, rc);
        return;
    }
    entry_of_dir(fs, &attr, &e);
    fuse_reply_entry(req, &e);
}

static void lookup_file(fuse_req_t req, struct fs *fs, struct place *p, struct slice name)
{
    struct file_attr attr;
    struct fuse_entry_param e;
    unsigned long stamp = fs_stamp(fs);
    int rc = store_lookup(fs->st, p->attr.coll, name, &attr);
    if (rc == -ERR_NOTFOUND) {
        inodes_note_absent(fs->inodes, p->ino, name);
        reply_absent(req, fs, fs_ttl(fs, stamp));
        return;
    }
    if (rc == 0)
        rc = entry_of_file(fs, p->attr.coll, name, &attr, stamp, &e);
    if (rc < 0) {
        reply_rc(req, rc);
        return;
    }
    if (fuse_reply_entry(req, &e) == -ENOENT) /* the asker is gone: the kernel did not count it */
        inodes_forget(fs->inodes, e.ino, 1);
    if (inodes_listing_walked(fs->inodes, p->ino)) {
        struct notices l = {0};
        notices_add_pages(&l, p->ino);
        notifier_send(fs->notifier, &l, NULL, -1, 0);
    }
}

void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct fs *fs = fs_of(req);
    struct place p;
    struct slice s = slice_str(name);
    int rc = place_of(fs, parent, &p);
    if (rc < 0) {
        reply_rc(req, rc);
        return;
    }
    const struct ctl_row *row = ctl_by_name(p.level, s);
    if (row) {
        struct fuse_entry_param e;
        uint64_t dir = p.level == LEVEL_REMFS ? STORE_INO_ROOT : p.ino;
        if (entry_of_ctl(fs, ino_ctl(dir, row->kind), &e))
            fuse_reply_entry(req, &e);
        else
            fuse_reply_err(req, ENOENT);
        return;
    }
    if (p.level == LEVEL_TYPE) {
        enum name_kind kind;
        struct slice id;
        rc = name_check_file(s, &kind, &id);
        if (rc < 0)
            reply_rc(req, rc);
        else
            lookup_file(req, fs, &p, s);
    } else if (p.level == LEVEL_REMFS) {
        reply_absent(req, fs, fs->ttl);
    } else {
        rc = name_check_dir(s);
        /* A dot file that is not there is just not there: shells and editors probe for them. */
        if (rc < 0 && s.n && s.p[0] == '.' && s.n <= STORE_NAME_MAX)
            reply_absent(req, fs, fs->ttl);
        else if (rc < 0)
            reply_rc(req, rc);
        else
            lookup_dir(req, fs, &p, s);
    }
}

void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t n)
{
    inodes_forget(fs_of(req)->inodes, ino, n);
    fuse_reply_none(req);
}

void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
    for (size_t i = 0; i < count; i++)
        inodes_forget(fs_of(req)->inodes, forgets[i].ino, forgets[i].nlookup);
    fuse_reply_none(req);
}
