/* embed.c - the table of embedding providers, and which text of an entity is embedded; see embed.h.
 *
 * Knows no provider but by its row, and JSON only through json.h.
 */
#include "store/embed.h"
#include "store/json.h"
#include "store/base/cleanup.h"
#include "store/base/err.h"

#define PROVIDER_DEFAULT "hash"

static const struct embed_ops *const providers[] = {
    &embed_hash_ops,
};
#define PROVIDERS ((int)(sizeof providers / sizeof *providers))

struct embedder {
    const struct embed_ops *ops;
    void *self;
    int dim;
};

static int set_unknown(const char *name)
{
    auto_buf known = BUF_INIT;
    for (int i = 0; i < PROVIDERS; i++) {
        int rc =
            buf_putf(&known, "%s%s (%s)", i ? ", " : "", providers[i]->name, providers[i]->help);
        if (rc < 0)
            return rc;
    }
    const char *list = buf_cstr(&known);
    return err_set(ERR_INVAL, "no embedding provider '%s'; there are: %s, and none (no vectors)",
                   name, list ? list : "");
}

int embed_open(const char *provider, struct embedder **out)
{
    const char *name = provider ? provider : PROVIDER_DEFAULT;
    size_t n = strcspn(name, ":");
    const struct embed_ops *ops = NULL;
    for (int i = 0; i < PROVIDERS && !ops; i++)
        if (slice_eq(slice_of(name, n), slice_str(providers[i]->name)))
            ops = providers[i];
    if (!ops)
        return set_unknown(name);

    auto_free struct embedder *e = calloc(1, sizeof *e);
    if (!e)
        return err_set(ERR_NOMEM, "out of memory for an embedder");
    e->ops = ops;
    int rc = ops->open(name[n] ? name + n + 1 : "", &e->self, &e->dim);
    if (rc < 0)
        return err_wrap(rc, "embedding provider '%s'", name);
    *out = steal(&e);
    return 0;
}

void embed_close(struct embedder *e)
{
    if (!e)
        return;
    e->ops->close(e->self);
    free(e);
}

int embed_dim(const struct embedder *e)
{
    return e->dim;
}

const char *embed_name(const struct embedder *e)
{
    return e->ops->name;
}

int embed_texts(struct embedder *e, const struct slice *texts, int n, float *out)
{
    return e->ops->embed(e->self, texts, n, out);
}

/* ---- entities -------------------------------------------------------------------------------- */

enum { FIELDS = 5, PLACES = 2 };

static const struct slice names[FIELDS + PLACES] = {
    {"content", 7}, {"description", 11}, {"text", 4},     {"summary", 7},
    {"name", 4},    {"properties", 10},  {"metadata", 8},
};

/* A string that is not empty: `"description": ""` shall not hide the name. */
static bool is_text(const struct json_val *v, bool found)
{
    return found && v->type == JSON_STRING && v->raw.n > 2;
}

int embed_entity_text(struct slice compact_json, struct buf *text)
{
    struct json_val root, own[FIELDS + PLACES], in[PLACES][FIELDS];
    bool has[FIELDS + PLACES], has_in[PLACES][FIELDS] = {{false}};
    if (!json_root(compact_json, &root) || root.type != JSON_OBJECT)
        return 0;
    json_members(root, names, FIELDS + PLACES, own, has);
    /* Nothing ranks above a content at the top: the usual document is done after one pass. */
    if (!is_text(&own[0], has[0]))
        for (int p = 0; p < PLACES; p++)
            if (has[FIELDS + p] && own[FIELDS + p].type == JSON_OBJECT)
                json_members(own[FIELDS + p], names, FIELDS, in[p], has_in[p]);

    for (int f = 0; f < FIELDS; f++) {
        const struct json_val *v = is_text(&own[f], has[f]) ? &own[f] : NULL;
        for (int p = 0; p < PLACES && !v; p++)
            v = is_text(&in[p][f], has_in[p][f]) ? &in[p][f] : NULL;
        if (v)
            return json_unescape(slice_of(v->raw.p + 1, v->raw.n - 2), text);
    }
    return 0;
}

int embed_entity(struct embedder *e, struct slice compact_json, struct buf *row)
{
    auto_buf text = BUF_INIT;
    int rc = embed_entity_text(compact_json, &text);
    if (rc < 0 || text.n == 0)
        return rc;
    auto_free float *v = malloc((size_t)e->dim * sizeof *v);
    if (!v)
        return err_set(ERR_NOMEM, "out of memory for a vector");
    struct slice s = slice_buf(&text);
    rc = embed_texts(e, &s, 1, v);
    return rc < 0 ? rc : vec_encode(v, e->dim, row);
}
