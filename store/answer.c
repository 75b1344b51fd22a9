/* answer.c - rows as a stream of bytes: reads of any size over a producer that hands out pieces,
 * with a deadline and a way to stop it; see answer.h. And the simplest producer: every entity of a
 * type.
 *
 * Threads: an answer belongs to one thread at a time, except that answer_cancel() may come from
 * any: the flag is all that is shared, and it is atomic.
 */
#include "store/answer.h"
#include "store/store_int.h"

#define POLL_CLOCK_EVERY 256
#define PIECE_BYTES ((size_t)128 << 10)

struct answer {
    struct store *st;
    const struct answer_ops *ops;
    void *self;
    struct buf buf;
    size_t taken; /* bytes of buf that were read */
    bool started, ended;
    int rc; /* the error that every later call repeats */
    char msg[ERR_MSG_MAX];
    int64_t deadline; /* monotonic ns; 0: none */
    unsigned polls;
    atomic_bool canceled;
};

int answer_new(struct store *st, const struct answer_ops *ops, void *self, struct answer **out)
{
    struct answer *a = calloc(1, sizeof *a);
    *out = a;
    if (!a) {
        ops->free(self);
        return err_set(ERR_NOMEM, "out of memory");
    }
    a->st = st;
    a->ops = ops;
    a->self = self;
    return 0;
}

void answer_free(struct answer *a)
{
    if (!a)
        return;
    a->ops->free(a->self);
    buf_free(&a->buf);
    free(a);
}

void answer_cancel(struct answer *a)
{
    atomic_store_explicit(&a->canceled, true, memory_order_relaxed);
}

int answer_poll(struct answer *a)
{
    if (atomic_load_explicit(&a->canceled, memory_order_relaxed))
        return err_set(ERR_CANCELED, "the reader went away");
    if (!a->deadline || a->polls++ % POLL_CLOCK_EVERY)
        return 0;
    if (clock_mono_ns() < a->deadline)
        return 0;
    return err_set(ERR_TIMEOUT, "more than %lld ms",
                   (long long)(a->st->opt.query_timeout_ns / 1000000));
}

static int answer_fail(struct answer *a, int rc)
{
    a->rc = rc;
    snprintf(a->msg, sizeof a->msg, "%s", err_msg());
    return rc;
}

/* Makes bytes available: 1, 0 at the end, or an error. */
static int answer_fill(struct answer *a)
{
    int rc = 0;
    if (!a->started) {
        a->started = true;
        if (a->st->opt.query_timeout_ns > 0)
            a->deadline = clock_mono_ns() + a->st->opt.query_timeout_ns;
        rc = answer_poll(a);
        if (rc == 0)
            rc = a->ops->start(a->self, a);
    }
    buf_clear(&a->buf);
    a->taken = 0;
    while (rc >= 0 && !a->ended && a->buf.n == 0) {
        rc = answer_poll(a);
        if (rc < 0)
            break;
        rc = a->ops->more(a->self, a, &a->buf);
        a->ended = rc == 0;
    }
    if (rc < 0)
        return answer_fail(a, rc);
    return a->buf.n > 0;
}

ssize_t answer_read(struct answer *a, void *out, size_t n)
{
    size_t got = 0;
    if (a->rc < 0) {
        err_restore(a->msg);
        return a->rc;
    }
    while (got < n) {
        if (a->taken == a->buf.n) {
            int rc = answer_fill(a);
            if (rc < 0 && got == 0)
                return rc;
            if (rc <= 0)
                break; /* an error is told by the next call, after what came before it */
        }
        size_t piece = a->buf.n - a->taken < n - got ? a->buf.n - a->taken : n - got;
        memcpy((char *)out + got, a->buf.p + a->taken, piece);
        a->taken += piece;
        got += piece;
    }
    return (ssize_t)got;
}

/* ---- every entity of a type ------------------------------------------------------------------ */

struct all {
    struct store *st;
    struct coll coll;
    struct kv_snap *snap;
    struct ent_scan *scan;
};

static int all_start(void *self, struct answer *a)
{
    (void)a;
    struct all *s = self;
    int rc = ent_snapshot(s->st, s->coll.tenant, &s->snap);
    return rc < 0 ? rc : ent_scan_open(s->st, s->snap, s->coll, &s->scan);
}

static int all_more(void *self, struct answer *a, struct buf *out)
{
    struct all *s = self;
    struct ent_row row;
    int rc = buf_reserve(out, PIECE_BYTES);
    for (unsigned rows = 0; rc >= 0 && out->n < PIECE_BYTES; rows++) {
        if (rows % 1024 == 1023 && (rc = answer_poll(a)) < 0)
            break;
        rc = ent_scan_next(s->scan, &row);
        if (rc <= 0)
            return rc;
        rc = buf_put(out, row.json.p, row.json.n);
        if (rc == 0)
            rc = buf_putc(out, '\n');
    }
    return rc < 0 ? rc : 1;
}

static void all_free(void *self)
{
    struct all *s = self;
    ent_scan_close(s->scan);
    ent_snapshot_put(s->st, s->snap);
    free(s);
}

int store_all(struct store *st, struct coll c, struct answer **out)
{
    static const struct answer_ops ops = {.start = all_start, .more = all_more, .free = all_free};
    *out = NULL;
    struct all *s = calloc(1, sizeof *s);
    if (!s)
        return err_set(ERR_NOMEM, "out of memory");
    s->st = st;
    s->coll = c;
    return answer_new(st, &ops, s, out);
}
