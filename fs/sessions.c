/* sessions.c - the last statement that a user wrote to `.query` or `.search`, by session id.
 *
 * `echo q > .query; cat .query` are two open files, often of two processes; what they share is the
 * user and the session. Contract section 3, item 5. A bounded table: the oldest go first.
 *
 * Threads: sessions.lock guards all of it; a leaf lock.
 */
#include "fs/ctl.h"

#include <fcntl.h>
#include <stdio.h>
#include <uthash.h>

#define ENTRIES_MAX 1024
#define BYTES_MAX (8u << 20)
#define CONTEST_NS (INT64_C(60) * 1000000000)

struct session_key {
    uint64_t ino;
    uint32_t uid;
    int32_t sid;
};

struct session {
    UT_hash_handle hh; /* uthash keeps the order of insertion: the oldest is first */
    struct session_key key;
    int64_t written; /* monotonic ns */
    size_t n;
    char *text;
};

struct sessions {
    pthread_mutex_t lock;
    struct session *all;
    size_t bytes;
};

struct sessions *sessions_new(void)
{
    struct sessions *s = calloc(1, sizeof *s);
    if (s)
        pthread_mutex_init(&s->lock, NULL);
    return s;
}

static void session_drop(struct sessions *s, struct session *e)
{
    HASH_DEL(s->all, e);
    s->bytes -= e->n;
    free(e->text);
    free(e);
}

void sessions_free(struct sessions *s)
{
    if (!s)
        return;
    struct session *e, *tmp;
    HASH_ITER(hh, s->all, e, tmp)
    {
        session_drop(s, e);
    }
    pthread_mutex_destroy(&s->lock);
    free(s);
}

/* Field 6 of /proc/PID/stat; the command in field 2 may hold anything, but ends with the last ')'.
 */
pid_t session_of(pid_t pid)
{
    char path[32], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, text, sizeof text - 1);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    const char *p = strrchr(text, ')');
    int ppid, pgrp, sid;
    char state;
    if (!p || sscanf(p + 1, " %c %d %d %d", &state, &ppid, &pgrp, &sid) != 4)
        return 0;
    return sid;
}

static struct session *session_find(struct sessions *s, const struct session_key *key)
{
    struct session *e;
    HASH_FIND(hh, s->all, key, sizeof *key, e);
    return e;
}

int sessions_put(struct sessions *s, uint64_t ino, uid_t uid, pid_t sid, struct slice text)
{
    struct session_key key = {ino, uid, sid};
    struct session *e = calloc(1, sizeof *e);
    if (!e || !(e->text = malloc(text.n + 1))) {
        free(e);
        return err_set(ERR_NOMEM, "out of memory");
    }
    if (text.n)
        memcpy(e->text, text.p, text.n);
    e->n = text.n;
    e->key = key;
    e->written = clock_mono_ns();
    with_lock(&s->lock);
    struct session *old = session_find(s, &key);
    if (old)
        session_drop(s, old);
    while (s->all && (HASH_COUNT(s->all) >= ENTRIES_MAX || s->bytes + text.n > BYTES_MAX))
        session_drop(s, s->all);
    HASH_ADD(hh, s->all, key, sizeof e->key, e);
    s->bytes += text.n;
    return 0;
}

int sessions_get(struct sessions *s, uint64_t ino, uid_t uid, pid_t sid, struct buf *out)
{
    struct session_key key = {ino, uid, sid};
    with_lock(&s->lock);
    struct session *e = session_find(s, &key), *it, *tmp, *last = NULL;
    if (!e) {
        int64_t now = clock_mono_ns();
        int recent = 0;
        HASH_ITER(hh, s->all, it, tmp)
        {
            if (it->key.ino != ino || it->key.uid != uid)
                continue;
            last = it; /* in the order of writing */
            recent += now - it->written <= CONTEST_NS;
        }
        if (recent > 1)
            return err_set(ERR_BUSY,
                           "several of your sessions wrote here within a minute: write the "
                           "statement and read the answer in one session");
        e = last;
    }
    if (!e || e->n == 0)
        return 0;
    int rc = buf_put(out, e->text, e->n);
    return rc < 0 ? rc : 1;
}
