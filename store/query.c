/* query.c - the doors to the query language: store_query() and its check, filters on their own.
 *
 * See query.h and store.h. Everything else is in the stages; this only ties them together.
 */
#include "store/query.h"
#include "store/base/cleanup.h"
#include "store/base/err.h"
#include "store/query_exec.h"
#include "store/query_parse.h"
#include "store/query_plan.h"
#include "store/query_value.h"

DEFINE_CLEANUP(struct query, query_free)

int store_query_check(struct store *st, struct coll c, struct slice text)
{
    cleanup(query_free) struct query *q = NULL;
    struct coll found;
    int rc = query_parse(text, c.type == 0, &q);
    if (rc != 0 || q->empty)
        return rc;
    return query_resolve_type(st, c, q, &found);
}

int store_query(struct store *st, struct coll c, struct slice text, struct answer **out)
{
    cleanup(query_free) struct query *q = NULL;
    *out = NULL;
    int rc = query_parse(text, c.type == 0, &q);
    if (rc != 0)
        return rc < 0 ? rc : -ERR_INVAL; /* unfinished: the message says what is missing */
    return query_run(st, c, steal(&q), out);
}

/* ---- filters on their own -------------------------------------------------------------------- */

struct query_filter {
    struct query_arena mem;
    struct query_fields fields;
    struct query_node *root;
};

DEFINE_CLEANUP(struct query_filter, query_filter_free)

static int parse_filter(struct query_filter *f, struct slice text)
{
    struct parser p;
    char *copy = query_alloc(&f->mem, text.n + 1);
    if (!copy)
        return -ERR_NOMEM;
    if (text.n)
        memcpy(copy, text.p, text.n);
    TRY(parser_init(&p, slice_of(copy, text.n), &f->mem));
    p.fields = &f->fields;
    TRY(parser_expr(&p, &f->root));
    return p.tok.type == TOKEN_END ? 0 : parser_expected(&p, "AND, OR or the end of the filter");
}

int query_filter_parse(struct slice text, struct query_filter **out)
{
    *out = NULL;
    if (text.n > STORE_QUERY_MAX)
        return err_set(ERR_TOOBIG, "a filter has at most %u bytes", STORE_QUERY_MAX);
    TRY(lexer_check_utf8(text));
    cleanup(query_filter_free) struct query_filter *f = calloc(1, sizeof *f);
    if (!f)
        return err_set(ERR_NOMEM, "out of memory");
    TRY(parse_filter(f, text));
    *out = steal(&f);
    return 0;
}

#define FEW 16 /* fields whose scope fits on the stack */

static int match_in(const struct query_filter *f, struct query_scope *sc, const struct ent_row *row)
{
    int rc = query_scope_load(sc, row);
    if (rc == 0)
        rc = query_eval(f->root, sc);
    return rc < 0 ? rc : rc == TRI_TRUE;
}

/* Called for single rows far from one another: nothing is allocated for the usual filter. */
int query_filter_match(const struct query_filter *f, const struct ent_row *row)
{
    struct query_cell cells[FEW];
    struct json_val vals[FEW + 2];
    bool found[FEW + 2];
    struct query_scope sc = {.fields = &f->fields, .cells = cells, .vals = vals, .found = found};
    int rc;
    if (f->fields.n > FEW) {
        rc = query_scope_init(&sc, &f->fields);
        if (rc == 0)
            rc = match_in(f, &sc, row);
        query_scope_free(&sc);
        return rc;
    }
    rc = match_in(f, &sc, row);
    buf_free(&sc.path);
    buf_free(&sc.scratch);
    return rc;
}

void query_filter_free(struct query_filter *f)
{
    if (!f)
        return;
    query_arena_free(&f->mem);
    free(f);
}
