/* text.c - the text of an entity while it is being written: bytes collected, validated as they
 * come, and committed as a new version. See store.h, struct ent_text; contract section 2.
 *
 * What is appended goes through the validator at once, so that the write that breaks a text fails.
 * What is written elsewhere than at the end (editors of bytes in place) is validated as a whole by
 * the commit. Nothing here knows rows: the new version is made by entity.c.
 */
#include "store/store_int.h"
#include "store/json.h"

enum text_mode {
    TEXT_KEPT, /* the committed text, not fed to the validator yet */
    TEXT_FED,  /* the validator has seen all of it */
    TEXT_LATE, /* changed in place: validated at the commit */
};

struct ent_text {
    struct store *st;
    struct coll coll;
    uint64_t ino;
    char name[STORE_FILE_NAME_MAX + 1]; /* where it was at the open */
    size_t name_len;
    bool unloaded; /* the kept text has not been read yet */
    enum text_mode mode;
    struct json_parser parser;
    struct buf text;
    bool changed;       /* since the last commit */
    int64_t last_write; /* ns */
    int refused;        /* an error: the text can never become valid */
    char refusal[ERR_MSG_MAX];
};

static void text_reset(struct ent_text *t)
{
    buf_clear(&t->text);
    json_parser_init(&t->parser, true);
    t->mode = TEXT_FED;
    t->unloaded = false;
    t->refused = 0;
}

/* The committed text, of a handle that keeps it. */
static int text_load(struct ent_text *t)
{
    struct file_attr a;
    if (!t->unloaded)
        return 0;
    int rc = store_get(t->st, t->coll, slice_of(t->name, t->name_len), &t->text, &a);
    if (rc == 0 && a.ino != t->ino)
        rc = err_set(ERR_NOTFOUND, "%s was replaced", t->name);
    if (rc < 0) {
        buf_clear(&t->text);
        return rc;
    }
    t->mode = t->text.n ? TEXT_KEPT : TEXT_FED;
    t->unloaded = false;
    return 0;
}

int ent_text_open(struct store *st, struct coll c, struct slice name, uint64_t ino, bool keep,
                  struct ent_text **out)
{
    enum name_kind kind;
    struct slice id;
    *out = NULL;
    int rc = name_check_file(name, &kind, &id);
    if (rc == 0 && kind != NAME_ENTITY)
        rc = err_set(ERR_INVAL, "%.*s: an entity's name ends in .json", (int)name.n, name.p);
    if (rc < 0)
        return rc;
    struct ent_text *t = calloc(1, sizeof *t);
    if (!t)
        return err_set(ERR_NOMEM, "out of memory");
    t->st = st;
    t->coll = c;
    t->ino = ino;
    memcpy(t->name, name.p, name.n);
    t->name_len = name.n;
    text_reset(t);
    t->unloaded = keep;
    rc = text_load(t); /* now: the file may be replaced while it is open */
    if (rc < 0) {
        ent_text_free(t);
        return rc;
    }
    *out = t;
    return 0;
}

void ent_text_free(struct ent_text *t)
{
    if (!t)
        return;
    buf_free(&t->text);
    free(t);
}

/* From here on every commit fails, until the text is cut to nothing. */
static int text_refuse(struct ent_text *t, int rc)
{
    t->refused = rc;
    snprintf(t->refusal, sizeof t->refusal, "%s", err_msg());
    return rc;
}

static int refused_again(const struct ent_text *t)
{
    err_restore(t->refusal);
    return t->refused;
}

static void text_touched(struct ent_text *t)
{
    t->changed = true;
    t->last_write = clock_realtime_ns();
}

static int check_size(const struct ent_text *t, uint64_t size)
{
    uint64_t max = t->st->opt.entity_max;
    if (size > max)
        return err_set(ERR_TOOBIG, "%llu bytes (an entity has %llu at most)",
                       (unsigned long long)size, (unsigned long long)max);
    return 0;
}

static int refuse_hole(struct ent_text *t)
{
    return text_refuse(
        t, err_set(ERR_INVAL, "a hole after byte %zu: a JSON text has no NUL bytes", t->text.n));
}

static int text_append(struct ent_text *t, const void *p, size_t n)
{
    int rc = buf_reserve(&t->text, n);
    if (rc < 0)
        return rc;
    if (t->mode == TEXT_KEPT) {
        rc = json_parser_feed(&t->parser, t->text.p, t->text.n);
        if (rc < 0)
            return text_refuse(t, rc);
        t->mode = TEXT_FED;
    }
    if (t->mode == TEXT_FED) {
        rc = json_parser_feed(&t->parser, p, n);
        if (rc < 0)
            return text_refuse(t, rc);
    }
    return buf_put(&t->text, p, n);
}

static int text_overwrite(struct ent_text *t, uint64_t off, const void *p, size_t n)
{
    size_t end = (size_t)off + n;
    int rc = end > t->text.n ? buf_resize(&t->text, end) : 0;
    if (rc < 0)
        return rc;
    memcpy(t->text.p + off, p, n);
    t->mode = TEXT_LATE;
    return 0;
}

int ent_text_write(struct ent_text *t, uint64_t off, const void *p, size_t n)
{
    if (n == 0)
        return 0;
    int rc = text_load(t);
    if (rc == 0 && t->refused)
        return refused_again(t);
    if (rc == 0 && off > UINT64_MAX - n)
        rc = err_set(ERR_TOOBIG, "a write past every end");
    if (rc == 0)
        rc = check_size(t, off + n);
    if (rc == 0 && off > t->text.n)
        rc = refuse_hole(t);
    if (rc == 0)
        rc = off == t->text.n ? text_append(t, p, n) : text_overwrite(t, off, p, n);
    if (rc == 0)
        text_touched(t);
    return rc;
}

int ent_text_truncate(struct ent_text *t, uint64_t size)
{
    if (size == 0) {
        text_reset(t);
        text_touched(t);
        return 0;
    }
    int rc = text_load(t);
    if (rc == 0)
        rc = check_size(t, size);
    if (rc < 0 || size == t->text.n)
        return rc;
    if (t->refused)
        return refused_again(t);
    if (size > t->text.n)
        return refuse_hole(t);
    t->text.n = size;
    t->mode = TEXT_LATE;
    text_touched(t);
    return 0;
}

ssize_t ent_text_read(struct ent_text *t, uint64_t off, void *out, size_t n)
{
    int rc = text_load(t);
    if (rc < 0)
        return rc;
    if (off >= t->text.n)
        return 0;
    if (n > t->text.n - off)
        n = t->text.n - (size_t)off;
    memcpy(out, t->text.p + off, n);
    return (ssize_t)n;
}

/* Of a kept text that was not needed yet: that of the committed file, 0 when it is gone. */
static uint64_t unloaded_size(const struct ent_text *t)
{
    struct file_attr a;
    int rc = store_lookup(t->st, t->coll, slice_of(t->name, t->name_len), &a);
    return rc == 0 && a.ino == t->ino ? a.size : 0;
}

uint64_t ent_text_size(const struct ent_text *t)
{
    return t->unloaded ? unloaded_size(t) : t->text.n;
}

bool ent_text_dirty(const struct ent_text *t)
{
    return (t->changed && t->text.n > 0) || t->refused;
}

/* ---- the commit ------------------------------------------------------------------------------ */

/* The whole is one JSON object; *sparse as the parser says. The parser is copied, since more may be
 * appended after a commit. */
static int text_validate(struct ent_text *t, bool *sparse)
{
    struct json_parser p = t->parser;
    int rc = 0;
    if (t->refused)
        return refused_again(t);
    if (t->mode != TEXT_FED) {
        json_parser_init(&p, true);
        rc = json_parser_feed(&p, t->text.p, t->text.n);
    }
    if (rc == 0)
        rc = json_parser_finish(&p);
    *sparse = p.sparse;
    return rc;
}

static int current(struct ent_text *t, const struct ent_commit *how, struct file_attr *out)
{
    int rc = store_lookup(t->st, how->coll, how->name, out);
    if (rc == 0 && out->ino != t->ino)
        rc = err_set(ERR_NOTFOUND, "%.*s was replaced", (int)how->name.n, how->name.p);
    return rc;
}

int ent_text_commit(struct ent_text *t, const struct ent_commit *how, struct file_attr *out)
{
    auto_buf body = BUF_INIT, vec = BUF_INIT;
    bool sparse = false;
    if (!ent_text_dirty(t))
        return current(t, how, out);
    enum name_kind kind;
    struct entity_put o = {
        .op = {.sync = how->sync},
        .w = {.coll = how->coll, .name = how->name, .text_size = t->text.n},
        .ino = t->ino,
        .mtime = how->mtime ? how->mtime : t->last_write,
    };
    int rc = name_check_file(how->name, &kind, &o.w.id);
    if (rc == 0 && kind != NAME_ENTITY)
        rc = err_set(ERR_NOTFOUND, "%.*s is no entity any more", (int)how->name.n, how->name.p);
    if (rc == 0)
        rc = text_validate(t, &sparse);
    if (rc == 0)
        rc = entity_encode(t->st, slice_buf(&t->text), sparse, &body, &vec);
    if (rc < 0)
        return rc;
    o.w.body = body.p;
    o.w.body_len = body.n;
    o.w.vec = slice_buf(&vec);
    rc = entity_put_run(t->st, &o);
    if (rc < 0)
        return rc;
    t->changed = false;
    if (out)
        *out = o.out;
    return 0;
}
