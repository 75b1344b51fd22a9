/* record.c - values to bytes and back; see record.h and doc/FORMAT.md.
 *
 * Neither reads nor writes the engine, and does not judge what a text says.
 */
#include "store/record.h"

#include <endian.h>

#define FORM 1

static char *put8(char *p, uint8_t v)
{
    *p = (char)v;
    return p + 1;
}

static char *put16(char *p, uint16_t v)
{
    v = htole16(v);
    memcpy(p, &v, 2);
    return p + 2;
}

static char *put32(char *p, uint32_t v)
{
    v = htole32(v);
    memcpy(p, &v, 4);
    return p + 4;
}

static char *put64(char *p, uint64_t v)
{
    v = htole64(v);
    memcpy(p, &v, 8);
    return p + 8;
}

/* Reads on from p; the callers have checked the length. */
static uint8_t get8(const char **p)
{
    return (uint8_t) * (*p)++;
}

static uint16_t get16(const char **p)
{
    uint16_t v;
    memcpy(&v, *p, 2);
    *p += 2;
    return le16toh(v);
}

static uint32_t get32(const char **p)
{
    uint32_t v;
    memcpy(&v, *p, 4);
    *p += 4;
    return le32toh(v);
}

static uint64_t get64(const char **p)
{
    uint64_t v;
    memcpy(&v, *p, 8);
    *p += 8;
    return le64toh(v);
}

static int corrupt(const char *what, struct slice v)
{
    return err_set(ERR_CORRUPT, "%s: %zu bytes that are none (form %d)", what, v.n,
                   v.n ? (unsigned char)v.p[0] : -1);
}

/* ---- the store ------------------------------------------------------------------------------- */

void rec_meta_put(char out[REC_META_BYTES], const struct rec_meta *m)
{
    char *p = put32(out, m->format);
    memcpy(p, m->uuid, sizeof m->uuid);
    p += sizeof m->uuid;
    p = put32(p, m->mode);
    p = put32(p, m->uid);
    p = put32(p, m->gid);
    p = put32(p, 0);
    p = put64(p, m->ino_high);
    p = put64(p, m->version_high);
    p = put64(p, m->tenant_next);
    p = put64(p, (uint64_t)m->atime);
    p = put64(p, (uint64_t)m->mtime);
    p = put64(p, (uint64_t)m->ctime);
    put64(p, (uint64_t)m->btime);
}

int rec_meta_get(struct slice v, struct rec_meta *m)
{
    const char *p = v.p;
    if (v.n < 4)
        return corrupt("the store's meta row", v);
    *m = (struct rec_meta){.format = get32(&p)};
    if (m->format > REC_FORMAT)
        return err_set(ERR_VERSION, "made by a newer remfs (format %u, this one reads %u)",
                       m->format, REC_FORMAT);
    if (m->format == 0 || v.n != REC_META_BYTES)
        return corrupt("the store's meta row", v);
    memcpy(m->uuid, p, sizeof m->uuid);
    p += sizeof m->uuid;
    m->mode = get32(&p);
    m->uid = get32(&p);
    m->gid = get32(&p);
    p += 4;
    m->ino_high = get64(&p);
    m->version_high = get64(&p);
    m->tenant_next = get64(&p);
    m->atime = (int64_t)get64(&p);
    m->mtime = (int64_t)get64(&p);
    m->ctime = (int64_t)get64(&p);
    m->btime = (int64_t)get64(&p);
    return 0;
}

/* ---- directories ----------------------------------------------------------------------------- */

void rec_dir_put(char out[REC_DIR_BYTES], const struct rec_dir *d)
{
    char *p = put8(out, FORM);
    p = put8(p, 0);
    p = put16(p, (uint16_t)d->mode);
    p = put32(p, d->uid);
    p = put32(p, d->gid);
    p = put32(p, d->type_next);
    p = put32(p, 0);
    p = put64(p, d->id);
    p = put64(p, d->ino);
    p = put64(p, (uint64_t)d->atime);
    p = put64(p, (uint64_t)d->mtime);
    p = put64(p, (uint64_t)d->ctime);
    put64(p, (uint64_t)d->btime);
}

int rec_dir_get(struct slice v, struct rec_dir *d)
{
    const char *p = v.p + 2;
    if (v.n != REC_DIR_BYTES || v.p[0] != FORM)
        return corrupt("a directory", v);
    d->mode = get16(&p);
    d->uid = get32(&p);
    d->gid = get32(&p);
    d->type_next = get32(&p);
    p += 4;
    d->id = get64(&p);
    d->ino = get64(&p);
    d->atime = (int64_t)get64(&p);
    d->mtime = (int64_t)get64(&p);
    d->ctime = (int64_t)get64(&p);
    d->btime = (int64_t)get64(&p);
    return 0;
}

void rec_counts_put(char out[REC_COUNTS_BYTES], const struct type_counts *c)
{
    char *p = put64(out, FORM); /* the form and seven zeros */
    p = put64(p, c->entities);
    p = put64(p, c->bytes);
    p = put64(p, c->drafts);
    p = put64(p, c->scratch);
    p = put64(p, c->scratch_bytes);
    p = put64(p, (uint64_t)c->mtime);
    put64(p, (uint64_t)c->ctime);
}

int rec_counts_get(struct slice v, struct type_counts *c)
{
    const char *p = v.p + 8;
    if (v.n != REC_COUNTS_BYTES || v.p[0] != FORM)
        return corrupt("a type's counters", v);
    c->entities = get64(&p);
    c->bytes = get64(&p);
    c->drafts = get64(&p);
    c->scratch = get64(&p);
    c->scratch_bytes = get64(&p);
    c->mtime = (int64_t)get64(&p);
    c->ctime = (int64_t)get64(&p);
    return 0;
}

/* ---- files ----------------------------------------------------------------------------------- */

void rec_header_put(char out[REC_HEADER_BYTES], const struct file_attr *a)
{
    char *p = put8(out, FORM);
    p = put8(p, (uint8_t)a->kind);
    p = put16(p, (uint16_t)a->mode);
    p = put32(p, a->uid);
    p = put32(p, a->gid);
    p = put64(p, a->ino);
    p = put64(p, a->version);
    p = put64(p, a->size);
    p = put64(p, (uint64_t)a->atime);
    p = put64(p, (uint64_t)a->mtime);
    p = put64(p, (uint64_t)a->ctime);
    put64(p, (uint64_t)a->btime);
}

int rec_header_get(struct slice v, struct file_attr *a)
{
    const char *p = v.p + 1;
    if (v.n != REC_HEADER_BYTES || v.p[0] != FORM)
        return corrupt("a file's header", v);
    unsigned kind = get8(&p);
    if (kind < FILE_ENTITY || kind > FILE_SCRATCH)
        return err_set(ERR_CORRUPT, "a file's header of kind %u", kind);
    a->kind = (enum file_kind)kind;
    a->mode = get16(&p);
    a->uid = get32(&p);
    a->gid = get32(&p);
    a->ino = get64(&p);
    a->version = get64(&p);
    a->size = get64(&p);
    a->atime = (int64_t)get64(&p);
    a->mtime = (int64_t)get64(&p);
    a->ctime = (int64_t)get64(&p);
    a->btime = (int64_t)get64(&p);
    return 0;
}

/* ---- bodies ---------------------------------------------------------------------------------- */

/* Gaps: for every run of white space that the compact form lacks, how many bytes of the compact
 * form come before it (since the last run), then its length times two, plus one when it is not all
 * spaces; then its bytes follow. Numbers are base 128, least first, the top bit says that more
 * come. */

static char *put_number(char *p, size_t v)
{
    for (; v >= 0x80; v >>= 7)
        *p++ = (char)(v | 0x80);
    *p++ = (char)v;
    return p;
}

/* false: the bytes end, or it is over 32 bits. */
static bool get_number(const char **p, const char *end, size_t *v)
{
    *v = 0;
    for (unsigned shift = 0; *p < end && shift < 35; shift += 7) {
        unsigned char c = (unsigned char)*(*p)++;
        *v |= (size_t)(c & 0x7f) << shift;
        if (c < 0x80)
            return *v <= UINT32_MAX;
    }
    return false;
}

/* How many bytes the two have in common at their beginnings. */
static size_t common(const char *a, const char *b, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t x, y;
        memcpy(&x, a + i, 8);
        memcpy(&y, b + i, 8);
        if (x != y)
            break;
    }
    while (i < n && a[i] == b[i])
        i++;
    return i;
}

static bool all_spaces(const char *p, size_t n)
{
    while (n > 0 && p[n - 1] == ' ')
        n--;
    return n == 0;
}

#define GAP_MAX 10 /* bytes of a gap's two numbers */

/* Outside strings the compact form has no white space, inside them both are equal: where they first
 * differ, a run starts in the text, up to the compact form's next byte. */
static int put_gaps(struct buf *out, struct slice text, struct slice compact)
{
    size_t i = 0, j = 0;
    for (;;) {
        size_t n = text.n - i < compact.n - j ? text.n - i : compact.n - j;
        size_t same = common(text.p + i, compact.p + j, n), run;
        i += same;
        j += same;
        if (i == text.n)
            return j == compact.n ? 0 : err_set(ERR_INVAL, "a compact form of another text");
        for (run = i; run < text.n && (j == compact.n || text.p[run] != compact.p[j]); run++)
            continue;
        int rc = buf_reserve(out, GAP_MAX + run - i);
        if (rc < 0)
            return rc;
        bool spaces = all_spaces(text.p + i, run - i);
        char *p = put_number(out->p + out->n, same);
        p = put_number(p, (run - i) * 2 + !spaces);
        if (!spaces) {
            memcpy(p, text.p + i, run - i);
            p += run - i;
        }
        out->n = (size_t)(p - out->p);
        i = run;
    }
}

int rec_body_put(struct buf *out, struct slice text, struct slice compact)
{
    size_t before = out->n;
    int rc = buf_reserve(out, REC_BODY_HEAD + compact.n);
    if (rc < 0)
        return rc;
    char *p = put8(out->p + out->n, FORM);
    p = put8(p, 0);
    p = put16(p, 0);
    p = put32(p, (uint32_t)text.n);
    p = put32(p, (uint32_t)compact.n);
    memset(p, 0, 24); /* stamped later */
    out->n += REC_BODY_HEAD;
    rc = buf_put(out, compact.p, compact.n);
    if (rc == 0 && text.n != compact.n)
        rc = put_gaps(out, text, compact);
    if (rc < 0)
        out->n = before;
    return rc;
}

void rec_body_stamp(char *body, uint64_t ino, int64_t created, int64_t modified)
{
    char *p = put64(body + 12, ino);
    p = put64(p, (uint64_t)created);
    put64(p, (uint64_t)modified);
}

int rec_body_get(struct slice v, struct rec_body *b)
{
    const char *p = v.p + 1;
    if (v.n < REC_BODY_HEAD || v.p[0] != FORM || v.p[1] != 0)
        return corrupt("an entity's body", v);
    p += 3;
    size_t text = get32(&p), compact = get32(&p), rest = v.n - REC_BODY_HEAD;
    if (compact > rest || compact > text || (compact == text) != (compact == rest))
        return corrupt("an entity's body", v);
    b->ino = get64(&p);
    b->created = (int64_t)get64(&p);
    b->modified = (int64_t)get64(&p);
    b->compact = slice_of(p, compact);
    b->gaps = slice_of(p + compact, rest - compact);
    b->text_len = text;
    return 0;
}

/* One gap and the compact bytes before it; at and end move on. */
static bool fill_gap(const struct rec_body *b, size_t *from, const char **at, char **to, char *end)
{
    const char *gaps_end = b->gaps.p + b->gaps.n;
    size_t same, run;
    if (!get_number(at, gaps_end, &same) || !get_number(at, gaps_end, &run))
        return false;
    bool spaces = !(run & 1);
    run /= 2;
    if (same > b->compact.n - *from || same + run > (size_t)(end - *to) ||
        (!spaces && run > (size_t)(gaps_end - *at)))
        return false;
    memcpy(*to, b->compact.p + *from, same);
    *from += same;
    *to += same;
    if (spaces) {
        memset(*to, ' ', run);
    } else {
        memcpy(*to, *at, run);
        *at += run;
    }
    *to += run;
    return true;
}

int rec_body_text(const struct rec_body *b, struct buf *out)
{
    int rc = buf_reserve(out, b->text_len);
    if (rc < 0 || b->text_len == 0)
        return rc;
    char *to = out->p + out->n, *end = to + b->text_len;
    const char *at = b->gaps.p;
    size_t from = 0;
    while (at < b->gaps.p + b->gaps.n)
        if (!fill_gap(b, &from, &at, &to, end))
            return err_set(ERR_CORRUPT, "an entity's white space is damaged");
    if (b->compact.n - from != (size_t)(end - to))
        return err_set(ERR_CORRUPT, "an entity's white space is damaged");
    memcpy(to, b->compact.p + from, b->compact.n - from);
    out->n += b->text_len;
    return 0;
}
