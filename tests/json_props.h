/* json_props.h - what must hold of the JSON code for any bytes at all, valid or not.
 *
 * Shared by unit_json.c (over the fixtures) and fuzz_json.c (over whatever the fuzzer thinks of).
 * A property that does not hold prints itself and aborts: libcheck and libFuzzer both see that.
 */
#ifndef REMFS_TESTS_JSON_PROPS_H
#define REMFS_TESTS_JSON_PROPS_H

#include "store/codec.h"
#include "store/json.h"
#include "store/base/buf.h"
#include "store/base/cleanup.h"
#include "store/base/err.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define PROPS_HOLD(cond)                                                                           \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            fprintf(stderr, "%s:%d: does not hold: %s (last error: %s)\n", __FILE__, __LINE__,     \
                    #cond, err_msg());                                                             \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* Everything a caller can see of a finished validation. */
struct props_verdict {
    int rc;
    uint64_t offset, line, column;
    bool sparse, complete;
    char msg[ERR_MSG_MAX];
};

static inline void props_end(struct json_parser *p, int rc, struct props_verdict *v)
{
    *v = (struct props_verdict){.rc = rc};
    if (rc == 0)
        v->rc = json_parser_finish(p);
    if (v->rc < 0)
        snprintf(v->msg, sizeof v->msg, "%s", err_msg());
    v->offset = p->offset;
    v->line = p->line;
    v->column = p->column;
    v->sparse = p->sparse;
    v->complete = json_parser_complete(p);
}

/* Fed in pieces of `first` bytes, then of `then` bytes. */
static inline void props_feed(struct slice s, bool object_only, size_t first, size_t then,
                              struct props_verdict *v)
{
    struct json_parser p;
    int rc = 0;
    json_parser_init(&p, object_only);
    for (size_t at = 0, n = first; at < s.n && rc == 0; at += n, n = then) {
        if (n > s.n - at)
            n = s.n - at;
        rc = json_parser_feed(&p, s.p + at, n);
    }
    props_end(&p, rc, v);
}

static inline bool props_same(const struct props_verdict *a, const struct props_verdict *b)
{
    return a->rc == b->rc && a->offset == b->offset && a->line == b->line &&
           a->column == b->column && a->sparse == b->sparse && a->complete == b->complete &&
           strcmp(a->msg, b->msg) == 0;
}

/* The compact text again, put together from what the iterators say. */
static inline void props_rebuild(struct json_val v, struct buf *out)
{
    struct json_iter it;
    struct slice key;
    struct json_val val;
    if (v.type != JSON_OBJECT && v.type != JSON_ARRAY) {
        PROPS_HOLD(buf_put(out, v.raw.p, v.raw.n) == 0);
        return;
    }
    bool object = v.type == JSON_OBJECT;
    char sep = object ? '{' : '[';
    json_iter_init(&it, v);
    for (uint64_t i = 0; json_iter_next(&it, &key, &val); i++) {
        PROPS_HOLD(buf_putc(out, sep) == 0);
        sep = ',';
        if (object) {
            PROPS_HOLD(buf_putf(out, "\"") == 0 && buf_put(out, key.p, key.n) == 0 &&
                       buf_puts(out, "\":") == 0);
        } else if (i < 8) {
            struct json_val again;
            PROPS_HOLD(json_element(v, i, &again) && again.raw.p == val.raw.p &&
                       again.raw.n == val.raw.n && again.type == val.type);
        }
        props_rebuild(val, out);
    }
    if (sep != ',')
        PROPS_HOLD(buf_putc(out, sep) == 0);
    PROPS_HOLD(buf_putc(out, object ? '}' : ']') == 0);
}

/* json_members() says what json_member() says, and both the last of a name. */
static inline void props_members(struct json_val object)
{
    enum { MAX = 12 };
    struct buf names[MAX] = {0};
    struct slice wanted[MAX];
    struct json_val last[MAX], got[MAX], one;
    bool found[MAX];
    int n = 0;
    struct json_iter it;
    struct slice key;
    struct json_val val;
    json_iter_init(&it, object);
    while (json_iter_next(&it, &key, &val)) {
        auto_buf name = BUF_INIT;
        PROPS_HOLD(json_unescape(key, &name) == 0);
        int i = 0;
        while (i < n && !slice_eq(slice_buf(&names[i]), slice_buf(&name)))
            i++;
        if (i == MAX)
            continue;
        last[i] = val;
        if (i == n) {
            names[n++] = name;
            name = (struct buf)BUF_INIT;
        }
    }
    for (int i = 0; i < n; i++)
        wanted[i] = slice_buf(&names[i]);
    json_members(object, wanted, n, got, found);
    for (int i = 0; i < n; i++) {
        PROPS_HOLD(found[i] && json_member(object, wanted[i], &one));
        PROPS_HOLD(got[i].raw.p == last[i].raw.p && got[i].raw.n == last[i].raw.n);
        PROPS_HOLD(one.raw.p == last[i].raw.p && one.raw.n == last[i].raw.n);
        PROPS_HOLD(one.type == last[i].type && got[i].type == last[i].type);
        buf_free(&names[i]);
    }
    PROPS_HOLD(!json_member(object, slice_str("\x01 not a name that JSON could spell raw"), &one));
}

static inline void props_number(struct slice raw)
{
    struct json_num num;
    json_number(raw, &num);
    auto_buf text = BUF_INIT;
    PROPS_HOLD(buf_put(&text, raw.p, raw.n) == 0 && buf_cstr(&text));
    double d = strtod(text.p, NULL); /* tests run in the C locale unless they say otherwise */
    PROPS_HOLD(num.d == d);
    PROPS_HOLD(!num.is_int || num.d == (double)num.i);
    PROPS_HOLD(json_num_cmp(&num, &num) == 0);
}

static inline void props_walk(struct json_val v)
{
    struct json_iter it;
    struct slice key;
    struct json_val val;
    if (v.type == JSON_OBJECT)
        props_members(v);
    if (v.type == JSON_NUMBER)
        props_number(v.raw);
    if (v.type == JSON_STRING) {
        auto_buf scratch = BUF_INIT, again = BUF_INIT, back = BUF_INIT;
        struct slice s, t;
        PROPS_HOLD(json_string(v, &scratch, &s) == 0 && utf8_valid(s));
        PROPS_HOLD(json_put_string(&again, s) == 0);
        PROPS_HOLD(json_validate(slice_buf(&again), false) == 0);
        struct json_val w = {JSON_STRING, slice_buf(&again)};
        PROPS_HOLD(json_string(w, &back, &t) == 0 && slice_eq(s, t));
    }
    json_iter_init(&it, v);
    while (json_iter_next(&it, &key, &val))
        props_walk(val);
}

/* A tree of the text, unless a name has a NUL; printing it and parsing that gives the same print.
 */
static inline void props_codec(struct slice s)
{
    struct codec_node *node = NULL, *again = NULL;
    auto_buf text = BUF_INIT, text2 = BUF_INIT;
    if (codec_parse(s, &node) < 0) {
        PROPS_HOLD(strstr(err_msg(), "NUL character"));
        return;
    }
    PROPS_HOLD(codec_print(node, false, &text) == 0);
    PROPS_HOLD(json_validate(slice_buf(&text), false) == 0);
    PROPS_HOLD(codec_parse(slice_buf(&text), &again) == 0);
    PROPS_HOLD(codec_print(again, false, &text2) == 0);
    PROPS_HOLD(slice_eq(slice_buf(&text), slice_buf(&text2)));
    codec_free(node);
    codec_free(again);
}

static inline void props_valid(struct slice s, bool sparse)
{
    auto_buf compact = BUF_INIT, twice = BUF_INIT, rebuilt = BUF_INIT;
    struct json_val root;
    PROPS_HOLD(utf8_valid(s));
    PROPS_HOLD(json_compact(s, &compact) == 0);
    struct slice c = slice_buf(&compact);
    PROPS_HOLD(json_validate(c, false) == 0);
    PROPS_HOLD(!memchr(c.p, '\n', c.n));
    PROPS_HOLD(sparse == !slice_eq(s, c));
    PROPS_HOLD(json_compact(c, &twice) == 0 && slice_eq(c, slice_buf(&twice)));
    PROPS_HOLD(json_root(s, &root));
    props_rebuild(root, &rebuilt);
    PROPS_HOLD(slice_eq(c, slice_buf(&rebuilt)));
    props_walk(root);
    props_codec(s);
}

/* Reading damaged bytes: any answer, but no read outside (the sanitizers watch). */
static inline void props_damaged(struct slice s)
{
    struct json_val root, v;
    struct slice names[] = {slice_str("a"), slice_str("name")};
    struct json_val out[2];
    bool found[2];
    auto_buf text = BUF_INIT, decoded = BUF_INIT;
    if (json_root(s, &root)) {
        props_rebuild(root, &text);
        (void)json_member(root, names[1], &v);
        json_members(root, names, 2, out, found);
        struct slice t;
        (void)json_string(root, &decoded, &t);
    }
    buf_clear(&decoded);
    (void)json_unescape(s, &decoded);
    buf_clear(&text);
    PROPS_HOLD(json_compact(s, &text) == 0);
}

/* Any bytes as a string: valid JSON, and the same bytes back where they were UTF-8. */
static inline void props_put_string(struct slice s)
{
    auto_buf text = BUF_INIT, scratch = BUF_INIT;
    struct slice back;
    PROPS_HOLD(json_put_string(&text, s) == 0);
    PROPS_HOLD(json_validate(slice_buf(&text), false) == 0);
    struct json_val v = {JSON_STRING, slice_buf(&text)};
    PROPS_HOLD(json_string(v, &scratch, &back) == 0);
    PROPS_HOLD(utf8_valid(s) == slice_eq(s, back));
}

/* All of the above. */
static inline void props_check(struct slice s)
{
    struct props_verdict whole, pieces, object;
    props_feed(s, false, s.n, s.n, &whole);
    props_feed(s, false, 1, 1, &pieces);
    PROPS_HOLD(props_same(&whole, &pieces));
    props_feed(s, false, s.n / 2 + 1, 3, &pieces);
    PROPS_HOLD(props_same(&whole, &pieces));
    props_feed(s, true, s.n, s.n, &object);
    props_feed(s, true, 1, 1, &pieces);
    PROPS_HOLD(props_same(&object, &pieces));
    PROPS_HOLD(object.rc != 0 || whole.rc == 0);
    if (whole.rc == 0)
        props_valid(s, whole.sparse);
    else
        props_damaged(s);
    props_put_string(s);
}

#endif
