/* buf.h - a growable byte buffer and a borrowed slice of bytes.
 *
 * A struct buf owns its memory; BUF_INIT is an empty one and auto_buf frees it by scope. Growth is
 * by half again. Every appending function returns 0 or -ERR_NOMEM and leaves the buffer as it was
 * on failure. A struct slice owns nothing: it is valid as long as what it points into.
 *
 * Threads: none of it locks; one thread at a time per buffer.
 */
#ifndef REMFS_BASE_BUF_H
#define REMFS_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const char *p;
    size_t n;
};

struct buf {
    char *p;    /* not NUL-terminated unless buf_cstr() was called */
    size_t n;   /* bytes used */
    size_t cap; /* bytes allocated */
};

#define BUF_INIT                                                                                   \
    {                                                                                              \
        NULL, 0, 0                                                                                 \
    }

static inline struct slice slice_of(const void *p, size_t n)
{
    return (struct slice){(const char *)p, n};
}

static inline struct slice slice_str(const char *s)
{
    return (struct slice){s, strlen(s)};
}

static inline struct slice slice_buf(const struct buf *b)
{
    return (struct slice){b->p, b->n};
}

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Bytewise order, the shorter first when one is a prefix of the other. */
int slice_cmp(struct slice a, struct slice b);

int buf_reserve(struct buf *b, size_t extra); /* room for extra more bytes */
int buf_put(struct buf *b, const void *p, size_t n);
int buf_puts(struct buf *b, const char *s);
int buf_putc(struct buf *b, char c);
int buf_putf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int buf_resize(struct buf *b, size_t n); /* grows with zero bytes, or cuts */
/* A NUL after the bytes (not counted); NULL when out of memory. Valid until the next append. */
const char *buf_cstr(struct buf *b);

static inline void buf_clear(struct buf *b)
{
    b->n = 0;
}

void buf_free(struct buf *b);
/* Moves the bytes out; b is empty afterwards. The caller frees the result. */
char *buf_steal(struct buf *b, size_t *n);

#define auto_buf __attribute__((__cleanup__(buf_free))) struct buf

/* Big-endian, so that bytes sort as the numbers do. */
static inline void put_be64(void *p, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(p, &v, 8);
}

static inline uint64_t get_be64(const void *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return __builtin_bswap64(v);
}

static inline void put_be32(void *p, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(p, &v, 4);
}

static inline uint32_t get_be32(const void *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return __builtin_bswap32(v);
}

#endif
