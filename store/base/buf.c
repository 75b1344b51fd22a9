/* buf.c - a growable byte buffer; see buf.h. */
#include "buf.h"
#include "err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int slice_cmp(struct slice a, struct slice b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n ? memcmp(a.p, b.p, n) : 0;
    return c ? c : (a.n > b.n) - (a.n < b.n);
}

int buf_reserve(struct buf *b, size_t extra)
{
    size_t need;
    if (__builtin_add_overflow(b->n, extra, &need))
        return err_set(ERR_NOMEM, "out of memory");
    if (need <= b->cap)
        return 0;
    size_t cap = b->cap + b->cap / 2;
    if (cap < need)
        cap = need;
    if (cap < 64)
        cap = 64;
    char *p = realloc(b->p, cap);
    if (!p)
        return err_set(ERR_NOMEM, "out of memory for %zu bytes", cap);
    b->p = p;
    b->cap = cap;
    return 0;
}

int buf_put(struct buf *b, const void *p, size_t n)
{
    if (n == 0)
        return 0;
    if (b->cap - b->n < n) {
        int rc = buf_reserve(b, n);
        if (rc < 0)
            return rc;
    }
    memcpy(b->p + b->n, p, n);
    b->n += n;
    return 0;
}

int buf_puts(struct buf *b, const char *s)
{
    return buf_put(b, s, strlen(s));
}

int buf_putc(struct buf *b, char c)
{
    return buf_put(b, &c, 1);
}

int buf_putf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        return err_set(ERR_INVAL, "a format that cannot be printed");
    int rc = buf_reserve(b, (size_t)n + 1);
    if (rc < 0)
        return rc;
    va_start(ap, fmt);
    vsnprintf(b->p + b->n, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->n += (size_t)n;
    return 0;
}

int buf_resize(struct buf *b, size_t n)
{
    if (n > b->n) {
        int rc = buf_reserve(b, n - b->n);
        if (rc < 0)
            return rc;
        memset(b->p + b->n, 0, n - b->n);
    }
    b->n = n;
    return 0;
}

const char *buf_cstr(struct buf *b)
{
    if (buf_reserve(b, 1) < 0)
        return NULL;
    b->p[b->n] = '\0';
    return b->p;
}

void buf_free(struct buf *b)
{
    free(b->p);
    *b = (struct buf)BUF_INIT;
}

char *buf_steal(struct buf *b, size_t *n)
{
    char *p = b->p;
    if (n)
        *n = b->n;
    *b = (struct buf)BUF_INIT;
    return p;
}
