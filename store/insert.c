/* insert.c - a stream of JSON objects, in pieces of any size, into entities: finds where objects
 * start and end, validates, and commits those of each piece together. See store.h, struct inserter.
 *
 * The validator decides where an object ends. It is fed a line at a time, since no JSON string
 * holds a raw newline, so one object a line costs one pass; only when a line goes on after its
 * object is it fed brace by brace. What an object becomes is insert_rows.c's.
 */
#include "store/insert_rows.h"
#include "store/json.h"

#include <stdio.h>

struct inserter {
    struct insert_rows rows;
    struct buf tail; /* an object that has begun and not ended */
    bool open;       /* there is one: its state is in parser */
    struct json_parser parser;
    uint64_t line, column; /* 1-based, of the next byte */
    struct buf ids;
    uint64_t count;
    int failed; /* an error: it takes no more */
    char msg[ERR_MSG_MAX];
};

int inserter_open(struct store *st, struct coll c, uint32_t mode, uint32_t uid, uint32_t gid,
                  struct inserter **out)
{
    *out = NULL;
    int rc = coll_check(st, c);
    if (rc < 0)
        return rc;
    struct inserter *in = calloc(1, sizeof *in);
    if (!in)
        return err_set(ERR_NOMEM, "out of memory");
    in->rows.st = st;
    in->rows.coll = c;
    in->rows.fresh = (struct file_attr){.mode = mode & 07777, .uid = uid, .gid = gid};
    in->line = in->column = 1;
    *out = in;
    return 0;
}

void inserter_free(struct inserter *in)
{
    if (!in)
        return;
    insert_rows_end(&in->rows);
    insert_rows_free(&in->rows);
    buf_free(&in->tail);
    buf_free(&in->ids);
    free(in);
}

struct slice inserter_ids(struct inserter *in)
{
    return slice_buf(&in->ids);
}

uint64_t inserter_count(const struct inserter *in)
{
    return in->count;
}

/* ---- finding objects ------------------------------------------------------------------------- */

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* n bytes without a newline among them, and then perhaps a newline. */
static void passed(struct inserter *in, size_t n, bool newline)
{
    in->column += n;
    if (newline) {
        in->line++;
        in->column = 1;
    }
}

static int check_size(struct inserter *in, uint64_t n)
{
    uint64_t max = in->rows.st->opt.entity_max;
    if (n <= max)
        return 0;
    return err_set(ERR_TOOBIG, "line %llu: %llu bytes (an entity has %llu at most)",
                   (unsigned long long)in->line, (unsigned long long)n, (unsigned long long)max);
}

/* Gives the open object's bytes [p, end) to the validator; *stop: where the object ended, or end.
 */
static int feed_line(struct inserter *in, const char *p, const char *end, const char **stop)
{
    struct json_parser ahead = in->parser;
    *stop = end;
    if (json_parser_feed(&ahead, p, (size_t)(end - p)) == 0) {
        in->parser = ahead;
        return 0;
    }
    while (p < end) {
        const char *brace = memchr(p, '}', (size_t)(end - p));
        const char *to = brace ? brace + 1 : end;
        int rc = json_parser_feed(&in->parser, p, (size_t)(to - p));
        if (rc < 0)
            return rc;
        p = to;
        if (json_parser_complete(&in->parser)) {
            *stop = p;
            return 0;
        }
    }
    return 0;
}

/* The object is whole: what came of it before this piece, and [p, end). */
static int take_object(struct inserter *in, const char *p, const char *end)
{
    struct slice text = slice_of(p, (size_t)(end - p));
    uint64_t line = in->line;
    if (in->tail.n) {
        int rc = buf_put(&in->tail, p, text.n);
        if (rc < 0)
            return rc;
        text = slice_buf(&in->tail);
    }
    while (text.n && is_space(text.p[text.n - 1]))
        text.n--;
    int rc = check_size(in, text.n);
    if (rc == 0)
        rc = insert_rows_add(&in->rows, text, in->parser.sparse);
    if (rc == -ERR_INVAL)
        rc = err_wrap(rc, "line %llu", (unsigned long long)line);
    buf_clear(&in->tail);
    in->open = false;
    return rc;
}

/* From the first byte of an object (or on in an open one); *next: where to go on. */
static int take_some(struct inserter *in, const char *p, const char *end, const char **next)
{
    const char *start = p;
    while (p < end) {
        const char *nl = memchr(p, '\n', (size_t)(end - p)), *stop;
        int rc = feed_line(in, p, nl ? nl : end, &stop);
        if (rc < 0)
            return rc;
        passed(in, (size_t)(stop - p), false);
        p = *next = stop;
        if (json_parser_complete(&in->parser))
            return take_object(in, start, stop);
        if (nl && (rc = json_parser_feed(&in->parser, nl, 1)) < 0)
            return rc;
        if (nl) {
            passed(in, 0, true);
            p = nl + 1;
        }
    }
    *next = end;
    int rc = check_size(in, in->tail.n + (size_t)(end - start));
    return rc < 0 ? rc : buf_put(&in->tail, start, (size_t)(end - start));
}

static int open_object(struct inserter *in, char first)
{
    if (first == '[')
        return err_set(ERR_INVAL,
                       "line %llu, column %llu: an array: write its objects one after "
                       "another, without '[', ',' and ']'",
                       (unsigned long long)in->line, (unsigned long long)in->column);
    json_parser_init(&in->parser, true);
    in->parser.line = in->line;
    in->parser.column = in->column;
    in->open = true;
    return 0;
}

static int split(struct inserter *in, const char *p, const char *end)
{
    while (p < end) {
        if (!in->open && is_space(*p)) {
            passed(in, 1, *p == '\n');
            p++;
            continue;
        }
        int rc = in->open ? 0 : open_object(in, *p);
        if (rc == 0)
            rc = take_some(in, p, end, &p);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* ---- feeding --------------------------------------------------------------------------------- */

static int fail(struct inserter *in, int rc)
{
    in->failed = rc;
    snprintf(in->msg, sizeof in->msg, "%s", err_msg());
    return rc;
}

static int failed_again(const struct inserter *in)
{
    err_restore(in->msg);
    return in->failed;
}

static int note_ids(struct inserter *in)
{
    for (size_t i = 0; i < in->rows.n; i++) {
        struct slice id = insert_rows_id(&in->rows, i);
        int rc = buf_put(&in->ids, id.p, id.n);
        if (rc == 0)
            rc = buf_putc(&in->ids, '\n');
        if (rc < 0)
            return rc;
    }
    in->count += in->rows.n;
    return 0;
}

int inserter_feed(struct inserter *in, const void *p, size_t n)
{
    if (in->failed)
        return failed_again(in);
    insert_rows_clear(&in->rows);
    int rc = split(in, p, (const char *)p + n);
    if (rc == 0 && in->rows.n)
        rc = insert_rows_commit(&in->rows);
    if (rc == 0)
        rc = note_ids(in);
    if (rc == 0)
        rc = insert_rows_tell(&in->rows);
    return rc < 0 ? fail(in, rc) : 0;
}

int inserter_finish(struct inserter *in, bool sync)
{
    if (in->failed)
        return failed_again(in);
    if (in->open) {
        struct json_parser p = in->parser; /* more may still come */
        int rc = json_parser_finish(&p);
        if (rc < 0)
            return rc;
    }
    return sync ? store_sync(in->rows.st) : 0;
}
