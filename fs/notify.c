/* notify.c - telling the kernel what it must forget, in a thread of its own; see fs_int.h for why.
 *
 * Threads: notifier.lock guards the queue; it is not held while the kernel is told.
 */
#include "fs/fs_int.h"

#include <errno.h>
#include <utlist.h>

struct job {
    struct job *prev, *next;
    struct notices list;
    fuse_req_t req;
    ssize_t written; /* >= 0: reply to a write; else err */
    int err;
};

struct notifier {
    struct fs *fs;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct job *jobs;
    bool stop;
};

static struct notice *add(struct notices *l)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 16;
        struct notice *v = realloc(l->v, cap * sizeof *v);
        if (!v) {
            log_error("out of memory: the kernel's caches may show an old version until remounted");
            return NULL;
        }
        l->v = v;
        l->cap = cap;
    }
    return &l->v[l->n++];
}

void notices_add_inode(struct notices *l, uint64_t ino)
{
    struct notice *n = add(l);
    if (n)
        *n = (struct notice){NOTICE_INODE, ino, NULL};
}

void notices_add_pages(struct notices *l, uint64_t ino)
{
    struct notice *n = add(l);
    if (n)
        *n = (struct notice){NOTICE_PAGES, ino, NULL};
}

void notices_add_entry(struct notices *l, uint64_t dir_ino, struct slice name)
{
    char *copy = strndup(name.p, name.n);
    struct notice *n = copy ? add(l) : NULL;
    if (n)
        *n = (struct notice){NOTICE_ENTRY, dir_ino, copy};
    else
        free(copy);
}

static void tell(struct fs *fs, struct notices *l)
{
    for (size_t i = 0; i < l->n; i++) {
        struct notice *n = &l->v[i];
        int rc;
        if (n->kind == NOTICE_ENTRY)
            rc = fuse_lowlevel_notify_inval_entry(fs->se, n->ino, n->name, strlen(n->name));
        else
            rc = fuse_lowlevel_notify_inval_inode(fs->se, n->ino, n->kind == NOTICE_PAGES ? 0 : -1,
                                                  0);
        if (rc < 0 && rc != -ENOENT && rc != -ENOTDIR && rc != -ENODEV)
            log_debug("telling the kernel of a change: %s", strerror(-rc));
        free(n->name);
    }
    free(l->v);
    *l = (struct notices){0};
}

static void reply(fuse_req_t req, ssize_t written, int err)
{
    if (!req)
        return;
    if (written >= 0)
        fuse_reply_write(req, (size_t)written);
    else
        fuse_reply_err(req, err);
}

static void *run(void *arg)
{
    struct notifier *t = arg;
    pthread_mutex_lock(&t->lock);
    for (;;) {
        while (!t->jobs && !t->stop)
            pthread_cond_wait(&t->more, &t->lock);
        struct job *j = t->jobs;
        if (!j)
            break;
        DL_DELETE(t->jobs, j);
        pthread_mutex_unlock(&t->lock);
        tell(t->fs, &j->list);
        reply(j->req, j->written, j->err);
        free(j);
        pthread_mutex_lock(&t->lock);
    }
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

struct notifier *notifier_new(struct fs *fs)
{
    struct notifier *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->fs = fs;
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->more, NULL);
    if (pthread_create(&t->thread, NULL, run, t) != 0) {
        free(t);
        return NULL;
    }
    return t;
}

void notifier_free(struct notifier *t)
{
    if (!t)
        return;
    pthread_mutex_lock(&t->lock);
    t->stop = true;
    pthread_cond_signal(&t->more);
    pthread_mutex_unlock(&t->lock);
    pthread_join(t->thread, NULL);
    pthread_cond_destroy(&t->more);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

void notifier_send(struct notifier *t, struct notices *l, fuse_req_t req, ssize_t written, int err)
{
    struct job *j = l->n ? calloc(1, sizeof *j) : NULL;
    if (!j) {
        for (size_t i = 0; i < l->n; i++)
            free(l->v[i].name);
        free(l->v);
        reply(req, written, err);
        return;
    }
    *j = (struct job){.list = *l, .req = req, .written = written, .err = err};
    *l = (struct notices){0};
    pthread_mutex_lock(&t->lock);
    DL_APPEND(t->jobs, j);
    pthread_cond_signal(&t->more);
    pthread_mutex_unlock(&t->lock);
}
