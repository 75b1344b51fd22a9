/* errors.c - what `.errors` shows: the last refusals of each user, by directory.
 *
 * Threads: errors.lock guards all of it; a leaf lock.
 */
#include "fs/fs_int.h"

#include <stdio.h>
#include <uthash.h>

#define KEPT 8         /* messages for a user at a directory */
#define STAMP_LEN 20   /* "2026-01-02T03:04:05Z" */
#define RINGS_MAX 1024 /* the oldest ring goes first */

struct refusal {
    uint64_t ticket; /* grows: the order of time; 0: empty or withdrawn */
    char *text;      /* whole lines */
};

struct ring_key {
    uint64_t dir_ino;
    uint64_t uid;
};

struct ring {
    UT_hash_handle hh;
    struct ring_key key;
    uint64_t tenant;
    struct refusal kept[KEPT];
    unsigned next;
};

struct errors {
    pthread_mutex_t lock;
    struct ring *rings;
    uint64_t tickets;
};

struct errors *errors_new(void)
{
    struct errors *e = calloc(1, sizeof *e);
    if (e)
        pthread_mutex_init(&e->lock, NULL);
    return e;
}

static void ring_free(struct errors *e, struct ring *r)
{
    HASH_DEL(e->rings, r);
    for (unsigned i = 0; i < KEPT; i++)
        free(r->kept[i].text);
    free(r);
}

void errors_free(struct errors *e)
{
    if (!e)
        return;
    struct ring *r, *tmp;
    HASH_ITER(hh, e->rings, r, tmp)
    {
        ring_free(e, r);
    }
    pthread_mutex_destroy(&e->lock);
    free(e);
}

uint64_t coll_ino(struct fs *fs, struct coll c)
{
    struct dir_attr a;
    return store_coll_attr(fs->st, c, &a) == 0 ? a.ino : 0;
}

static struct ring *ring_of(struct errors *e, uint64_t dir_ino, uid_t uid, uint64_t tenant)
{
    struct ring_key key = {dir_ino, uid};
    struct ring *r;
    HASH_FIND(hh, e->rings, &key, sizeof key, r);
    if (r)
        return r;
    if (HASH_COUNT(e->rings) >= RINGS_MAX)
        ring_free(e, e->rings);
    r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->key = key;
    r->tenant = tenant;
    HASH_ADD(hh, e->rings, key, sizeof r->key, r);
    return r;
}

uint64_t errors_note(struct fs *fs, uint64_t dir_ino, uid_t uid, const char *what, int rc)
{
    struct errors *e = fs->errors;
    struct dir_attr a;
    char when[31];
    auto_buf line = BUF_INIT;
    auto_buf msg = BUF_INIT; /* looking the directory up may set another message */
    if (buf_puts(&msg, err_msg()[0] ? err_msg() : err_name(rc)) < 0 || !buf_cstr(&msg) ||
        store_dir_by_ino(fs->st, dir_ino, &a) < 0) {
        err_restore(msg.p ? msg.p : "");
        return 0;
    }
    clock_format(clock_realtime_ns(), when);
    int failed = buf_putf(&line, "%.19sZ %s: %s\n", when, what, msg.p);
    err_restore(msg.p);
    if (failed < 0 || !buf_cstr(&line))
        return 0;
    with_lock(&e->lock);
    struct ring *r = ring_of(e, dir_ino, uid, a.coll.tenant);
    if (!r)
        return 0;
    struct refusal *last = &r->kept[(r->next + KEPT - 1) % KEPT];
    if (last->ticket && strcmp(last->text + STAMP_LEN, line.p + STAMP_LEN) == 0)
        r->next--; /* said again: bash writes twice what was refused, a query is refused again when
                      read */
    struct refusal *slot = &r->kept[r->next++ % KEPT];
    free(slot->text);
    slot->text = buf_steal(&line, NULL);
    slot->ticket = ++e->tickets;
    return slot->ticket;
}

void errors_withdraw(struct fs *fs, uint64_t ticket)
{
    struct errors *e = fs->errors;
    struct ring *r, *tmp;
    if (!ticket)
        return;
    with_lock(&e->lock);
    HASH_ITER(hh, e->rings, r, tmp)
    {
        for (unsigned i = 0; i < KEPT; i++)
            if (r->kept[i].ticket == ticket)
                r->kept[i].ticket = 0;
    }
}

static int by_ticket(const void *a, const void *b)
{
    uint64_t x = (*(const struct refusal *const *)a)->ticket;
    uint64_t y = (*(const struct refusal *const *)b)->ticket;
    return (x > y) - (x < y);
}

int errors_text(struct fs *fs, uint64_t dir_ino, uid_t uid, struct buf *out)
{
    struct errors *e = fs->errors;
    struct dir_attr a;
    int rc = store_dir_by_ino(fs->st, dir_ino, &a);
    if (rc < 0)
        return rc;
    with_lock(&e->lock);
    auto_free struct refusal **v =
        malloc((HASH_COUNT(e->rings) + 1) * KEPT * sizeof(struct refusal *));
    struct ring *r, *tmp;
    size_t n = 0;
    if (!v)
        return err_set(ERR_NOMEM, "out of memory");
    HASH_ITER(hh, e->rings, r, tmp)
    {
        bool below = a.coll.type == 0 && r->tenant == a.coll.tenant;
        if (r->key.uid != uid || (r->key.dir_ino != dir_ino && !below))
            continue;
        for (unsigned i = 0; i < KEPT; i++)
            if (r->kept[i].ticket)
                v[n++] = &r->kept[i];
    }
    qsort(v, n, sizeof *v, by_ticket);
    for (size_t i = n > KEPT ? n - KEPT : 0; i < n && rc == 0; i++)
        rc = buf_puts(out, v[i]->text);
    return rc;
}
