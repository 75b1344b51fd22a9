/* ctl_insert.c - `.insert`: JSON in, ids out; and telling the kernel what a batch changed. */
#include "fs/ctl.h"

struct insertion {
    struct inserter *in;
    bool failed;
    uint64_t ticket; /* of an "unfinished" in .errors, 0: none */
};

/* Where ctl_insert_changed() collects: the store calls it in the thread that feeds. */
static _Thread_local struct notices *collecting;

/* Entities come and go without the kernel's doing: what it may remember of them has to be named. */
void ctl_insert_changed(void *ctx, const struct store_change *changes, size_t n)
{
    struct fs *fs = ctx;
    uint64_t told = 0;
    atomic_fetch_add(&fs->changes, 1);
    for (size_t i = 0; i < n && collecting; i++) {
        const struct store_change *c = &changes[i];
        if (c->created) {
            uint64_t dir = coll_ino(fs, c->coll);
            if (dir != told)
                notices_add_inode(collecting, told = dir); /* its times; a listing asks at opendir */
            if (inodes_maybe_absent(fs->inodes, dir, c->name))
                notices_add_entry(collecting, dir, c->name);
            continue;
        }
        uint64_t nodeid;
        switch (inodes_replaced(fs->inodes, c->ino, &nodeid)) {
        case STALE_ATTR:
            notices_add_inode(collecting, nodeid);
            break;
        case STALE_ENTRY:
            notices_add_entry(collecting, coll_ino(fs, c->coll), c->name);
            break;
        case STALE_NONE:
            break;
        }
    }
}

static struct insertion *insertion_of(struct ctl_file *f)
{
    struct insertion *s = f->state;
    if (s)
        return s;
    s = calloc(1, sizeof *s);
    if (!s) {
        err_set(ERR_NOMEM, "out of memory");
        return NULL;
    }
    if (inserter_open(f->fs->st, f->coll, 0644, f->uid, f->gid, &s->in) < 0) {
        free(s);
        return NULL;
    }
    return f->state = s;
}

int ctl_insert_write(struct ctl_file *f, const char *p, size_t n, off_t off, struct notices *l)
{
    (void)off; /* a stream: what comes is added */
    struct insertion *s = insertion_of(f);
    if (!s)
        return -ERR_NOMEM;
    collecting = l;
    atomic_fetch_add(&f->fs->inserting, 1);
    int rc = inserter_feed(s->in, p, n);
    atomic_fetch_sub(&f->fs->inserting, 1);
    collecting = NULL;
    if (rc < 0) {
        s->failed = true;
        errors_note(f->fs, f->dir_ino, f->uid, ".insert", rc);
    }
    return rc;
}

int ctl_insert_flush(struct ctl_file *f, struct notices *l)
{
    struct insertion *s = f->state;
    if (!s || s->failed)
        return 0; /* nothing came, or the write has said it */
    collecting = l;
    atomic_fetch_add(&f->fs->inserting, 1);
    int rc = inserter_finish(s->in, false);
    atomic_fetch_sub(&f->fs->inserting, 1);
    collecting = NULL;
    if (s->ticket)
        errors_withdraw(f->fs, s->ticket);
    s->ticket = rc < 0 ? errors_note(f->fs, f->dir_ino, f->uid, ".insert", rc) : 0;
    return rc;
}

ssize_t ctl_insert_read(struct ctl_file *f, fuse_req_t req, void *out, size_t n, off_t off)
{
    (void)req, (void)off;
    struct insertion *s = f->state;
    if (!s)
        return 0;
    /* The file offset counts what was written as well; what was read is counted here. */
    struct slice ids = inserter_ids(s->in);
    if (f->text.n >= ids.n)
        return 0;
    size_t left = ids.n - f->text.n;
    if (n > left)
        n = left;
    int rc = buf_put(&f->text, ids.p + f->text.n, n);
    if (rc < 0)
        return rc;
    memcpy(out, f->text.p + f->text.n - n, n);
    return (ssize_t)n;
}

void ctl_insert_release(struct ctl_file *f)
{
    struct insertion *s = f->state;
    if (!s)
        return;
    inserter_free(s->in);
    free(s);
}
