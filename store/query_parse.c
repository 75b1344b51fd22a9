/* query_parse.c - parsing of statements: the text to a struct query; see query.h, query_ast.h and
 * query_parse.h.
 *
 * It knows the grammar of doc/query.md and nothing of stores or rows. Expressions are
 * query_expr.c's.
 */
#include "store/query_parse.h"
#include "store/base/cleanup.h"
#include "store/base/err.h"

#include <stdio.h>

#define CHUNK 4096

/* ---- memory ---------------------------------------------------------------------------------- */

struct query_chunk {
    struct query_chunk *next;
    size_t used, size;
    _Alignas(16) char bytes[];
};

void *query_alloc(struct query_arena *a, size_t n)
{
    n = (n + 15) & ~(size_t)15;
    struct query_chunk *c = a->head;
    if (!c || c->size - c->used < n) {
        size_t size = n > CHUNK ? n : CHUNK;
        c = calloc(1, sizeof *c + size);
        if (!c) {
            err_set(ERR_NOMEM, "out of memory");
            return NULL;
        }
        c->size = size;
        c->next = a->head;
        a->head = c;
    }
    void *p = c->bytes + c->used;
    c->used += n;
    return p;
}

void query_arena_free(struct query_arena *a)
{
    while (a->head) {
        struct query_chunk *c = a->head;
        a->head = c->next;
        free(c);
    }
}

/* ---- columns --------------------------------------------------------------------------------- */

static const struct {
    const char *word, *prefix;
    enum query_agg agg;
} aggregates[] = {
    {"COUNT", "count", AGG_COUNT}, {"SUM", "sum", AGG_SUM}, {"AVG", "avg", AGG_AVG},
    {"MIN", "min", AGG_MIN},       {"MAX", "max", AGG_MAX},
};

/* The aggregate whose call is at hand, or -1. */
static int at_aggregate(struct parser *p)
{
    for (int i = 0; i < (int)(sizeof aggregates / sizeof aggregates[0]); i++) {
        if (!token_is_word(&p->tok, aggregates[i].word))
            continue;
        struct token next = parser_peek(p);
        return token_is_punct(&next, '(') ? i : -1;
    }
    return -1;
}

/* count, count_status, count_distinct_status, sum_priority ... */
static int name_aggregate(struct parser *p, struct query_item *item, const char *prefix,
                          struct slice field)
{
    char head[32];
    int n = snprintf(head, sizeof head, "%s%s%s", prefix,
                     item->agg == AGG_DISTINCT ? "_distinct" : "", item->slot >= 0 ? "_" : "");
    char *name = query_alloc(p->mem, (size_t)n + field.n);
    if (!name)
        return -ERR_NOMEM;
    memcpy(name, head, (size_t)n);
    if (field.n)
        memcpy(name + n, field.p, field.n);
    item->name = slice_of(name, (size_t)n + field.n);
    return 0;
}

/* The keyword, not a field of that name. */
static bool at_distinct(struct parser *p)
{
    if (!token_is_word(&p->tok, "DISTINCT"))
        return false;
    struct token next = parser_peek(p);
    return !token_is_punct(&next, ')') && !token_is_punct(&next, '.') &&
           !token_is_punct(&next, '[');
}

static int parse_aggregate(struct parser *p, int which, struct query_item *item)
{
    struct slice field = {0};
    item->agg = aggregates[which].agg;
    item->slot = -1;
    parser_next(p);
    parser_next(p); /* the '(' */
    if (item->agg == AGG_COUNT && parser_take_punct(p, '*')) {
        item->agg = AGG_ROWS;
    } else {
        if (item->agg == AGG_COUNT && at_distinct(p)) {
            item->agg = AGG_DISTINCT;
            parser_next(p);
        }
        TRY(parser_field(p, &item->slot, &field));
    }
    TRY(parser_expect_punct(p, ')', "')' after what is to be aggregated"));
    return name_aggregate(p, item, aggregates[which].prefix, field);
}

/* An aggregate, or a field; without AS. */
static int parse_column(struct parser *p, struct query_item *item)
{
    int which = at_aggregate(p);
    *item = (struct query_item){.agg = AGG_NONE};
    return which >= 0 ? parse_aggregate(p, which, item) : parser_field(p, &item->slot, &item->name);
}

static int parse_item(struct parser *p, struct query *q, int *cap)
{
    struct token at = p->tok;
    char shown[TOKEN_SHOW_MAX];
    TRY(parser_grow(p, &q->items, q->n_items, cap, sizeof *q->items));
    struct query_item *item = &q->items[q->n_items];
    TRY(parse_column(p, item));
    if (parser_take_word(p, "AS")) {
        if (p->tok.type != TOKEN_WORD && p->tok.type != TOKEN_NAME)
            return parser_expected(p, "a name after AS");
        TRY(parser_name(p, &item->name));
        item->named = true;
    }
    if (q->n_items == QUERY_FIELDS_MAX)
        return lexer_fail(&p->lex, &at, "more than %d columns", QUERY_FIELDS_MAX);
    for (int i = 0; i < q->n_items; i++) {
        struct token name = {.type = TOKEN_WORD, .src = item->name};
        if (slice_eq(q->items[i].name, item->name))
            return lexer_fail(&p->lex, &at, "two columns are named %s: name one of them with AS",
                              token_show(&name, shown));
    }
    q->aggregated |= item->agg != AGG_NONE;
    q->n_items++;
    return 0;
}

/* SELECT DISTINCT is what many will try. */
static int refuse_distinct(struct parser *p)
{
    struct token next = parser_peek(p);
    if (!token_is_word(&p->tok, "DISTINCT") ||
        (next.type != TOKEN_NAME && next.type != TOKEN_WORD && !token_is_punct(&next, '*')) ||
        token_is_word(&next, "AS") || token_is_word(&next, "FROM") ||
        token_is_word(&next, "WHERE") || token_is_word(&next, "GROUP") ||
        token_is_word(&next, "ORDER") || token_is_word(&next, "LIMIT") ||
        token_is_word(&next, "OFFSET") || token_is_word(&next, "FORMAT"))
        return 0;
    return lexer_fail(&p->lex, &p->tok,
                      "there is no SELECT DISTINCT: use GROUP BY with the same "
                      "fields, or COUNT(DISTINCT field)");
}

static int parse_items(struct parser *p, struct query *q)
{
    int cap = 0;
    p->fields = &q->out_fields;
    if (parser_take_punct(p, '*'))
        return 0;
    TRY(refuse_distinct(p));
    do
        TRY(parse_item(p, q, &cap));
    while (parser_take_punct(p, ','));
    return 0;
}

/* ---- clauses --------------------------------------------------------------------------------- */

static struct slice source_since(struct parser *p, const char *from)
{
    return slice_of(from, (size_t)(p->prev.p + p->prev.n - from));
}

static int parse_from(struct parser *p, struct query *q)
{
    if (!token_is_word(&p->tok, "FROM"))
        return 0;
    p->prev = p->tok.src;
    lexer_next_type(&p->lex, &p->tok);
    q->has_from = true;
    q->from_src = p->tok.src;
    q->from_open = p->lex.at == p->lex.text.n;
    if (parser_take_punct(p, '*')) {
        q->from_all = true;
        return 0;
    }
    if ((p->tok.type != TOKEN_WORD && p->tok.type != TOKEN_NAME) ||
        (p->tok.type == TOKEN_WORD && (p->tok.src.p[0] == '.' || p->tok.src.p[0] == '-')))
        return parser_expected(p, "a type's name or * after FROM");
    if (p->tok.src.n > STORE_NAME_MAX + 2 * (p->tok.type == TOKEN_NAME))
        return lexer_fail(&p->lex, &p->tok, "a type's name has at most %d characters",
                          STORE_NAME_MAX);
    return parser_name(p, &q->from);
}

static int parse_where(struct parser *p, struct query *q)
{
    const char *from = p->tok.src.p;
    p->fields = &q->where_fields;
    TRY(parser_expr(p, &q->where));
    q->where_text = source_since(p, from);
    return 0;
}

/* The column that bears this name, or -1. */
static int item_named(const struct query *q, struct slice name)
{
    for (int i = 0; i < q->n_items; i++)
        if (slice_eq(q->items[i].name, name))
            return i;
    return -1;
}

/* A field at hand that is but one name, and that name was given to a column with AS. */
static int at_alias(struct parser *p, const struct query *q)
{
    if (p->tok.type != TOKEN_WORD && p->tok.type != TOKEN_NAME)
        return -1;
    struct token next = parser_peek(p);
    if (token_is_punct(&next, '.') || token_is_punct(&next, '[') || token_is_punct(&next, '('))
        return -1;
    struct slice name = p->tok.src;
    if (p->tok.type == TOKEN_NAME)
        name = slice_of(name.p + 1, name.n - 2);
    int i = item_named(q, name);
    return i >= 0 && (q->items[i].named || q->items[i].agg != AGG_NONE) ? i : -1;
}

static int parse_group_by(struct parser *p, struct query *q)
{
    int cap = 0;
    if (!parser_take_word(p, "GROUP"))
        return 0;
    if (!parser_take_word(p, "BY"))
        return parser_expected(p, "BY after GROUP");
    p->fields = &q->out_fields;
    do {
        struct token at = p->tok;
        TRY(parser_grow(p, &q->group, q->n_group, &cap, sizeof *q->group));
        int i = at_alias(p, q);
        if (i >= 0 && q->items[i].agg != AGG_NONE)
            return lexer_fail(&p->lex, &at, "GROUP BY takes fields, not aggregates");
        if (i >= 0)
            parser_next(p);
        else
            TRY(parser_field(p, &q->group[q->n_group], NULL));
        if (i >= 0)
            q->group[q->n_group] = q->items[i].slot;
        q->n_group++;
    } while (parser_take_punct(p, ','));
    q->aggregated = true;
    return 0;
}

static int group_of(const struct query *q, int slot)
{
    for (int i = 0; i < q->n_group; i++)
        if (q->group[i] == slot)
            return i;
    return -1;
}

/* With aggregates there are no rows left to order, only columns and groups. */
static int resolve_order(struct parser *p, struct query *q, const struct token *at,
                         const struct query_item *by, struct query_order *o)
{
    char shown[TOKEN_SHOW_MAX];
    o->slot = by->slot;
    for (int i = 0; i < q->n_items && o->item < 0; i++)
        if (q->items[i].agg == by->agg && q->items[i].slot == by->slot)
            o->item = i;
    if (o->item < 0 && by->agg == AGG_NONE)
        o->group = group_of(q, by->slot);
    bool bad = q->aggregated ? o->item < 0 && o->group < 0 : by->agg != AGG_NONE;
    if (!bad)
        return 0;
    if (!q->aggregated)
        return lexer_fail(&p->lex, at, "ORDER BY an aggregate needs that aggregate as a column");
    struct token whole = {.type = TOKEN_WORD, .src = source_since(p, at->src.p)};
    return lexer_fail(&p->lex, at, "ORDER BY %s: it is neither a column nor in GROUP BY",
                      token_show(&whole, shown));
}

static int parse_order_item(struct parser *p, struct query *q, struct query_order *o)
{
    struct token at = p->tok;
    struct query_item by;
    *o = (struct query_order){.slot = -1, .item = at_alias(p, q), .group = -1};
    if (o->item >= 0) {
        o->slot = q->items[o->item].slot;
        parser_next(p);
    } else {
        TRY(parse_column(p, &by));
        TRY(resolve_order(p, q, &at, &by, o));
    }
    o->desc = parser_take_word(p, "DESC");
    if (!o->desc)
        parser_take_word(p, "ASC");
    return 0;
}

static int parse_order_by(struct parser *p, struct query *q)
{
    int cap = 0;
    if (!parser_take_word(p, "ORDER"))
        return 0;
    if (!parser_take_word(p, "BY"))
        return parser_expected(p, "BY after ORDER");
    const char *from = p->tok.src.p;
    p->fields = &q->out_fields;
    do {
        TRY(parser_grow(p, &q->order, q->n_order, &cap, sizeof *q->order));
        TRY(parse_order_item(p, q, &q->order[q->n_order]));
        q->n_order++;
    } while (parser_take_punct(p, ','));
    q->order_text = source_since(p, from);
    return 0;
}

static int parse_limit(struct parser *p, struct query *q, bool *has_offset)
{
    for (;;) {
        if (!q->has_limit && parser_take_word(p, "LIMIT")) {
            TRY(parser_whole_number(p, "LIMIT", &q->limit));
            q->has_limit = true;
        } else if (!*has_offset && parser_take_word(p, "OFFSET")) {
            TRY(parser_whole_number(p, "OFFSET", &q->offset));
            *has_offset = true;
        } else {
            return 0;
        }
    }
}

static int parse_format(struct parser *p, struct query *q)
{
    static const char *const words[] = {
        [FORMAT_JSONL] = "jsonl", [FORMAT_JSON] = "json", [FORMAT_CSV] = "csv",
        [FORMAT_TSV] = "tsv",     [FORMAT_IDS] = "ids",   [FORMAT_PATHS] = "paths",
    };
    if (!parser_take_word(p, "FORMAT"))
        return 0;
    for (int i = 0; i < (int)(sizeof words / sizeof words[0]); i++) {
        if (!token_is_word(&p->tok, words[i]))
            continue;
        if (q->aggregated && (i == FORMAT_IDS || i == FORMAT_PATHS))
            return lexer_fail(&p->lex, &p->tok, "aggregates have no %s: use another format",
                              words[i]);
        q->format = (enum query_format)i;
        parser_next(p);
        return 0;
    }
    return parser_expected(p, "csv, tsv, json, jsonl, ids or paths after FORMAT");
}

/* A column beside aggregates must be one that all rows of a group share. */
static int check_groups(struct parser *p, struct query *q)
{
    for (int i = 0; q->aggregated && i < q->n_items; i++) {
        struct token name = {.type = TOKEN_WORD, .src = q->items[i].name};
        char shown[TOKEN_SHOW_MAX];
        if (q->items[i].agg == AGG_NONE && group_of(q, q->items[i].slot) < 0)
            return lexer_fail(&p->lex, &p->tok,
                              "the column %s is neither an aggregate nor in GROUP BY",
                              token_show(&name, shown));
    }
    if (q->n_group && q->n_items == 0)
        return lexer_fail(&p->lex, &p->tok,
                          "GROUP BY needs columns: SELECT field, COUNT(*) ... "
                          "GROUP BY field");
    return 0;
}

/* ---- statements ------------------------------------------------------------------------------ */

/* The last clause of a statement that was there, in their order. */
enum done { DONE_ITEMS, DONE_FROM, DONE_WHERE, DONE_GROUP, DONE_ORDER, DONE_LIMIT, DONE_FORMAT };

static enum done last_done(const struct query *q, bool has_offset, bool has_format)
{
    return has_format                   ? DONE_FORMAT
           : q->has_limit || has_offset ? DONE_LIMIT
           : q->n_order                 ? DONE_ORDER
           : q->n_group                 ? DONE_GROUP
           : q->where                   ? DONE_WHERE
           : q->has_from                ? DONE_FROM
                                        : DONE_ITEMS;
}

/* text, where it may still come after that clause. */
static const char *may_follow(enum done done, int last, bool allowed, const char *text)
{
    return allowed && (int)done <= last ? text : "";
}

/* Nothing more, or a message about what could be here. */
static int parse_end(struct parser *p, struct query *q, bool filter, bool has_offset,
                     bool has_format)
{
    enum done done = last_done(q, has_offset, has_format);
    if (parser_take_punct(p, ';')) {
        p->lex.hit_end = false; /* no further text can mend what is wrong before it */
        if (p->tok.type == TOKEN_END)
            return 0;
        return parser_expected(p, "nothing after ';' (one statement at a time)");
    }
    if (p->tok.type == TOKEN_END)
        return 0;
    if (token_is_word(&p->tok, "FROM") && filter)
        return lexer_fail(&p->lex, &p->tok,
                          "FROM comes before the filter: SELECT * FROM type WHERE filter");
    if (token_is_word(&p->tok, "WHERE") && filter)
        return lexer_fail(&p->lex, &p->tok,
                          "this is a filter already: leave WHERE out, or write "
                          "SELECT ... WHERE filter");
    return parser_expected(p, "%s%s%s%s%s%s%s%s%sthe end", may_follow(done, 0, q->n_items, "',', "),
                           may_follow(done, DONE_FROM - 1, !filter, "FROM, "),
                           may_follow(done, DONE_WHERE - 1, !filter, "WHERE, "),
                           may_follow(done, DONE_WHERE, q->where != NULL, "AND, OR, "),
                           may_follow(done, DONE_GROUP - 1, !filter && q->n_items, "GROUP BY, "),
                           may_follow(done, DONE_ORDER - 1, true, "ORDER BY, "),
                           may_follow(done, DONE_LIMIT, !q->has_limit, "LIMIT, "),
                           may_follow(done, DONE_LIMIT, !has_offset, "OFFSET, "),
                           may_follow(done, DONE_FORMAT - 1, true, "FORMAT or "));
}

static int parse_tail(struct parser *p, struct query *q, bool filter)
{
    bool has_offset = false;
    TRY(parse_order_by(p, q));
    TRY(parse_limit(p, q, &has_offset));
    bool has_format = token_is_word(&p->tok, "FORMAT");
    TRY(parse_format(p, q));
    TRY(parse_end(p, q, filter, has_offset, has_format));
    return check_groups(p, q);
}

static int parse_clauses(struct parser *p, struct query *q)
{
    TRY(parse_from(p, q));
    if (parser_take_word(p, "WHERE"))
        TRY(parse_where(p, q));
    TRY(parse_group_by(p, q));
    return parse_tail(p, q, false);
}

static int refuse_other_statements(struct parser *p)
{
    static const struct {
        const char *word, *instead;
    } others[] = {
        {"SEARCH", "write the text to .search"},
        {"LOOKUP", "use _id IN ('...'), or open <id>.json"},
        {"TRAVERSE", "follow the ids with _id IN ('...')"},
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (!token_is_word(&p->tok, others[i].word) || parser_operator_follows(p))
            continue;
        return lexer_fail(&p->lex, &p->tok, "%s statements are not part of this version: %s",
                          others[i].word, others[i].instead);
    }
    return 0;
}

/* A word that begins a statement, and is not the field of a filter. NOT after these two belongs to
 * the filter that follows. */
static bool at_keyword(struct parser *p, const char *word)
{
    if (!token_is_word(&p->tok, word))
        return false;
    struct token next = parser_peek(p);
    return token_is_word(&next, "NOT") || !parser_operator_follows(p);
}

static bool at_clause(struct parser *p)
{
    static const char *const words[] = {"FROM", "GROUP", "ORDER", "LIMIT", "OFFSET", "FORMAT"};
    if (at_keyword(p, "WHERE"))
        return true;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (token_is_word(&p->tok, words[i]))
            return !parser_operator_follows(p);
    return false;
}

static int parse_statement(struct parser *p, struct query *q)
{
    if (at_keyword(p, "EXPLAIN")) {
        q->explain = true;
        parser_next(p);
    }
    TRY(refuse_other_statements(p));
    if (parser_take_word(p, "SELECT")) {
        TRY(parse_items(p, q));
        return parse_clauses(p, q);
    }
    if (token_is_punct(&p->tok, '*') || at_aggregate(p) >= 0) {
        TRY(parse_items(p, q));
        return parse_clauses(p, q);
    }
    if (at_clause(p))
        return parse_clauses(p, q);
    if (p->tok.type == TOKEN_END || token_is_punct(&p->tok, ';'))
        return parser_expected(p, "a filter or SELECT");
    TRY(parse_where(p, q));
    return parse_tail(p, q, true);
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* An answer that is copied back (cp -r copies .query too) is no statement, and no error either. */
static int check_copied_answer(struct slice text, bool *is)
{
    static const struct slice mark = {"{\"_path\":", 9};
    size_t i = 0;
    while (i < text.n && text.p[i] && strchr(" \t\r\n", text.p[i]))
        i++;
    struct slice head = slice_of(text.p + i, text.n - i);
    if (head.n > mark.n)
        head.n = mark.n;
    *is = slice_eq(head, mark);
    if (*is || head.n == 0 || memcmp(head.p, mark.p, head.n) != 0)
        return 0;
    err_set(ERR_INVAL, "expected a filter or SELECT");
    return 1;
}

static int check_text(struct slice text, bool *copied)
{
    TRY(check_copied_answer(text, copied));
    if (*copied)
        return 0;
    if (text.n > STORE_QUERY_MAX)
        return err_set(ERR_TOOBIG, "a query has at most %u bytes", STORE_QUERY_MAX);
    return lexer_check_utf8(text);
}

DEFINE_CLEANUP(struct query, query_free)

int query_parse(struct slice text, bool tenant_level, struct query **out)
{
    struct parser p;
    bool copied = false;
    *out = NULL;
    TRY(check_text(text, &copied));
    cleanup(query_free) struct query *q = calloc(1, sizeof *q);
    if (!q)
        return err_set(ERR_NOMEM, "out of memory");
    q->tenant_level = tenant_level;
    q->empty = copied;
    if (!copied) {
        char *copy = query_alloc(&q->mem, text.n + 1);
        if (!copy)
            return -ERR_NOMEM;
        if (text.n)
            memcpy(copy, text.p, text.n);
        q->text = slice_of(copy, text.n);
        TRY(parser_init(&p, q->text, &q->mem));
        TRY(parse_statement(&p, q));
    }
    *out = steal(&q);
    return 0;
}

void query_free(struct query *q)
{
    if (!q)
        return;
    query_arena_free(&q->mem);
    free(q);
}
