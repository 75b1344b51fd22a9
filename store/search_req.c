/* search_req.c - the text of a .search to a request; see search_req.h and doc/contract.md
 * section 5.
 *
 * Looks at the text alone: whether a vector has the store's number of dimensions is search.c's to
 * say. Knows the query language only through its parser.
 */
#include "store/search_req.h"
#include "store/base/cleanup.h"
#include "store/query_ast.h"

DEFINE_CLEANUP(struct search_req, search_req_free)
DEFINE_CLEANUP(struct query, query_free)

#define VECTOR_MAX 4096 /* components */
#define FIELDS_MAX 256

/* One row a key of the JSON form. read is not called for a null, which counts as not given. */
struct key {
    const char *name;
    int (*read)(struct search_req *req, struct json_val v);
};

void search_req_free(struct search_req *req)
{
    if (!req)
        return;
    buf_free(&req->text);
    free(req->vector);
    if (req->where)
        query_filter_free(req->where);
    if (req->fields)
        query_free(req->fields);
    free(req);
}

static int set_type(const char *key, const char *expected)
{
    return err_set(ERR_INVAL, "\"%s\": expected %s", key, expected);
}

/* ---- the keys -------------------------------------------------------------------------------- */

static int read_text(struct search_req *req, struct json_val v)
{
    if (v.type != JSON_STRING)
        return set_type("text", "a string: what to look for");
    buf_clear(&req->text);
    return json_unescape(slice_of(v.raw.p + 1, v.raw.n - 2), &req->text);
}

static int read_vector(struct search_req *req, struct json_val v)
{
    if (v.type != JSON_ARRAY)
        return set_type("vector", "an array of numbers");
    auto_free float *vector = malloc(VECTOR_MAX * sizeof *vector);
    if (!vector)
        return err_set(ERR_NOMEM, "out of memory for a vector");
    struct json_iter it;
    struct json_val x;
    struct slice key;
    int n = 0;
    for (json_iter_init(&it, v); json_iter_next(&it, &key, &x); n++) {
        if (x.type != JSON_NUMBER)
            return err_set(ERR_INVAL, "\"vector\": element %d is not a number", n);
        if (n == VECTOR_MAX)
            return err_set(ERR_INVAL, "\"vector\": more than %d numbers", VECTOR_MAX);
        struct json_num num;
        json_number(x.raw, &num);
        if (!(num.d >= -1e30 && num.d <= 1e30))
            return err_set(ERR_INVAL, "\"vector\": element %d, %.*s, is out of range", n,
                           (int)(x.raw.n < 40 ? x.raw.n : 40), x.raw.p);
        vector[n] = (float)num.d;
    }
    if (n == 0)
        return set_type("vector", "at least one number");
    free(req->vector);
    req->vector = steal(&vector);
    req->dim = n;
    return 0;
}

static int read_limit(struct search_req *req, struct json_val v)
{
    struct json_num num = {.is_int = false};
    if (v.type == JSON_NUMBER)
        json_number(v.raw, &num);
    if (!num.is_int || num.i < 1 || num.i > SEARCH_LIMIT_MAX)
        return err_set(ERR_INVAL, "\"limit\": expected a whole number from 1 to %d, found %.*s",
                       SEARCH_LIMIT_MAX, (int)(v.raw.n < 40 ? v.raw.n : 40), v.raw.p);
    req->limit = (int)num.i;
    return 0;
}

static int read_min_score(struct search_req *req, struct json_val v)
{
    if (v.type != JSON_NUMBER)
        return set_type("min_score", "a number from -1 to 1");
    struct json_num num;
    json_number(v.raw, &num);
    if (!(num.d >= -1 && num.d <= 1))
        return err_set(ERR_INVAL,
                       "\"min_score\": a cosine is from -1 to 1, so %.*s would keep all or nothing",
                       (int)(v.raw.n < 40 ? v.raw.n : 40), v.raw.p);
    req->has_min_score = true;
    req->min_score = num.d;
    return 0;
}

static int read_mode(struct search_req *req, struct json_val v)
{
    (void)req;
    auto_buf mem = BUF_INIT;
    struct slice mode = {"", 0};
    if (v.type == JSON_STRING) {
        int rc = json_string(v, &mem, &mode);
        if (rc < 0)
            return rc;
    }
    if (slice_eq(mode, slice_str("vector")))
        return 0;
    if (slice_eq(mode, slice_str("keyword")) || slice_eq(mode, slice_str("hybrid")))
        return err_set(ERR_INVAL,
                       "\"mode\": this version searches by vector only, not by keyword or both; "
                       "leave \"mode\" out, and look for words with LIKE or CONTAINS in \"where\"");
    return set_type("mode", "\"vector\" (\"keyword\" and \"hybrid\" belong to later versions)");
}

static int read_where(struct search_req *req, struct json_val v)
{
    if (v.type != JSON_STRING)
        return set_type("where", "a string: a filter as in .query");
    auto_buf mem = BUF_INIT;
    struct slice text;
    int rc = json_string(v, &mem, &text);
    if (rc < 0)
        return rc;
    if (req->where)
        query_filter_free(req->where);
    req->where = NULL;
    rc = query_filter_parse(text, &req->where);
    /* The object is complete: nothing that follows could finish the filter in it. */
    if (rc > 0)
        rc = -ERR_INVAL;
    return err_wrap(rc, "\"where\"");
}

/* The field as the query language takes it, alone: else a "field" could bring a whole statement. */
static int check_field(struct slice field)
{
    auto_buf text = BUF_INIT;
    int rc = buf_puts(&text, "SELECT ");
    if (rc == 0)
        rc = buf_put(&text, field.p, field.n);
    if (rc < 0)
        return rc;
    cleanup(query_free) struct query *q = NULL;
    rc = query_parse(slice_buf(&text), false, &q);
    if (rc < 0 && rc != -ERR_INVAL)
        return rc;
    bool plain = rc == 0 && !q->explain && !q->has_from && q->n_items == 1 && !q->aggregated &&
                 !q->where && q->n_group == 0 && q->n_order == 0 && !q->has_limit &&
                 q->offset == 0 && q->format == FORMAT_JSONL && !memchr(field.p, ';', field.n);
    if (plain)
        return 0;
    return err_set(ERR_INVAL,
                   "\"fields\": '%.*s' is no field; expected a name or a path such as "
                   "title or properties.tags[0]",
                   (int)(field.n < 80 ? field.n : 80), field.p);
}

static int read_fields(struct search_req *req, struct json_val v)
{
    if (v.type != JSON_ARRAY)
        return set_type("fields", "an array of field names");
    auto_buf select = BUF_INIT, mem = BUF_INIT;
    struct json_iter it;
    struct json_val x;
    struct slice key, field;
    int n = 0;
    for (json_iter_init(&it, v); json_iter_next(&it, &key, &x); n++) {
        if (x.type != JSON_STRING)
            return err_set(ERR_INVAL, "\"fields\": element %d is not a string", n);
        if (n == FIELDS_MAX)
            return err_set(ERR_INVAL, "\"fields\": more than %d", FIELDS_MAX);
        int rc = json_string(x, &mem, &field);
        if (rc == 0)
            rc = check_field(field);
        if (rc == 0)
            rc = buf_puts(&select, n ? ", " : "SELECT ");
        if (rc == 0)
            rc = buf_put(&select, field.p, field.n);
        if (rc < 0)
            return rc;
    }
    if (n == 0)
        return set_type("fields", "at least one field name");
    if (req->fields)
        query_free(req->fields);
    req->fields = NULL;
    int rc = query_parse(slice_buf(&select), false, &req->fields);
    return err_wrap(rc > 0 ? -ERR_INVAL : rc, "\"fields\"");
}

static const struct key keys[] = {
    {"text", read_text},   {"vector", read_vector},       {"limit", read_limit},
    {"where", read_where}, {"min_score", read_min_score}, {"fields", read_fields},
    {"mode", read_mode},
};
#define KEYS ((int)(sizeof keys / sizeof *keys))

static int set_unknown(struct slice name)
{
    auto_buf known = BUF_INIT;
    for (int i = 0; i < KEYS; i++) {
        int rc = buf_putf(&known, "%s%s", i ? ", " : "", keys[i].name);
        if (rc < 0)
            return rc;
    }
    const char *list = buf_cstr(&known);
    return err_set(ERR_INVAL, "\"%.*s\" is no key of a search; there are: %s",
                   (int)(name.n < 80 ? name.n : 80), name.p, list ? list : "");
}

static int read_key(struct search_req *req, struct slice raw_name, struct json_val v)
{
    auto_buf name = BUF_INIT;
    int rc = json_unescape(raw_name, &name);
    if (rc < 0)
        return rc;
    for (int i = 0; i < KEYS; i++)
        if (slice_eq(slice_buf(&name), slice_str(keys[i].name)))
            return v.type == JSON_NULL ? 0 : keys[i].read(req, v);
    return set_unknown(slice_buf(&name));
}

/* ---- the two forms --------------------------------------------------------------------------- */

/* `cp -r` of a tree writes to each .search what it read from it. */
static bool is_copied_answer(struct slice text)
{
    static const char start[] = "{\"_path\":";
    size_t n = sizeof start - 1;
    return text.n >= n && memcmp(text.p, start, n) == 0;
}

static int parse_json(struct search_req *req, struct slice text)
{
    if (is_copied_answer(text)) {
        req->empty = true;
        return 0;
    }
    struct json_parser p;
    json_parser_init(&p, true);
    int rc = json_parser_feed(&p, text.p, text.n);
    if (rc < 0)
        return rc;
    if (!json_parser_complete(&p)) {
        rc = json_parser_finish(&p);
        return rc < 0 ? 1 : rc;
    }
    struct json_val root, v;
    struct json_iter it;
    struct slice name;
    if (!json_root(text, &root))
        return err_set(ERR_INVAL, "a search is one line of text, or one JSON object");
    for (json_iter_init(&it, root); json_iter_next(&it, &name, &v);)
        if ((rc = read_key(req, name, v)) < 0)
            return rc;
    if (req->vector && req->text.n > 0)
        return err_set(ERR_INVAL, "\"text\" and \"vector\": one of the two, not both");
    if (!req->vector && req->text.n == 0)
        return err_set(ERR_INVAL, "nothing to search for: expected \"text\" or \"vector\"");
    return 0;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static int parse_plain(struct search_req *req, struct slice text)
{
    if (memchr(text.p, '\n', text.n))
        return err_set(ERR_INVAL, "a search is one line of text, or one JSON object: {\"text\": "
                                  "\"…\", \"limit\": 10}");
    if (!memchr(text.p, '\0', text.n))
        return buf_put(&req->text, text.p, text.n);
    return err_set(ERR_INVAL, "a NUL character in the text of a search");
}

int search_req_parse(struct slice text, struct search_req **out)
{
    *out = NULL;
    if (text.n > STORE_QUERY_MAX)
        return err_set(ERR_TOOBIG, "a search of more than %u bytes", STORE_QUERY_MAX);
    for (; text.n > 0 && is_space(text.p[0]); text.n--)
        text.p++;
    while (text.n > 0 && is_space(text.p[text.n - 1]))
        text.n--;
    if (text.n == 0) {
        err_set(ERR_INVAL, "nothing to search for: expected a line of text, or a JSON object");
        return 1;
    }
    cleanup(search_req_free) struct search_req *req = calloc(1, sizeof *req);
    if (!req)
        return err_set(ERR_NOMEM, "out of memory for a search");
    req->limit = SEARCH_LIMIT_DEFAULT;
    int rc = text.p[0] == '{' ? parse_json(req, text) : parse_plain(req, text);
    if (rc == 0)
        *out = steal(&req);
    return rc;
}
