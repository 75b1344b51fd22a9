/* query_expr.c - parsing of fields, values and expressions; see query_parse.h.
 *
 * It may not know statements: what comes before and after an expression is query_parse.c's.
 * Chains of AND and OR become one node with many kids, so that only parentheses and NOT nest, and
 * these are counted: neither parsing nor evaluation can run out of stack.
 */
#include "store/query_parse.h"
#include "store/base/err.h"
#include "store/query_value.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- the parser's tools ---------------------------------------------------------------------- */

int parser_init(struct parser *p, struct slice text, struct query_arena *mem)
{
    *p = (struct parser){.mem = mem, .prev = slice_of(text.p, 0)};
    lexer_init(&p->lex, text);
    lexer_next(&p->lex, &p->tok);
    return 0;
}

void parser_next(struct parser *p)
{
    p->prev = p->tok.src;
    lexer_next(&p->lex, &p->tok);
}

struct token parser_peek(struct parser *p)
{
    struct lexer ahead = p->lex;
    struct token t;
    lexer_next(&ahead, &t);
    p->lex.hit_end |= ahead.hit_end;
    return t;
}

bool parser_take_word(struct parser *p, const char *word)
{
    bool is = token_is_word(&p->tok, word);
    if (is)
        parser_next(p);
    return is;
}

bool parser_take_punct(struct parser *p, char c)
{
    bool is = token_is_punct(&p->tok, c);
    if (is)
        parser_next(p);
    return is;
}

static bool is_one_of(const struct token *t, const char *const *words)
{
    for (; *words; words++)
        if (token_is_word(t, *words))
            return true;
    return false;
}

/* Never names of fields (unless quoted) ... */
static const char *const reserved[] = {"AND", "OR", "NOT", "NULL", "TRUE", "FALSE", "SELECT", NULL};
/* ... and these only where an operator follows. */
static const char *const clauses[] = {"FROM",   "WHERE",  "GROUP", "ORDER", "LIMIT",
                                      "OFFSET", "FORMAT", "IS",    "IN",    "BETWEEN",
                                      "LIKE",   "ILIKE",  "AS",    "BY",    NULL};
static const char *const operators[] = {"IN",       "NOT",    "BETWEEN", "LIKE", "ILIKE",
                                        "CONTAINS", "STARTS", "ENDS",    "IS",   NULL};

bool parser_operator_follows(struct parser *p)
{
    struct token t = parser_peek(p);
    return t.type == TOKEN_COMPARE || token_is_punct(&t, '.') || token_is_punct(&t, '[') ||
           is_one_of(&t, operators);
}

int parser_expected(struct parser *p, const char *fmt, ...)
{
    char what[256], found[TOKEN_SHOW_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    if (p->tok.type == TOKEN_BAD)
        return lexer_fail(&p->lex, &p->tok, "%s", p->tok.why);
    return lexer_fail(&p->lex, &p->tok, "expected %s, found %s", what, token_show(&p->tok, found));
}

int parser_expect_punct(struct parser *p, char c, const char *what)
{
    return parser_take_punct(p, c) ? 0 : parser_expected(p, "%s", what);
}

void *parser_copy(struct parser *p, const void *bytes, size_t n)
{
    char *copy = query_alloc(p->mem, n + 1);
    if (copy && n)
        memcpy(copy, bytes, n);
    return copy;
}

/* The token before, as an error names it. */
static const char *after(struct parser *p, char out[TOKEN_SHOW_MAX])
{
    struct token t = {.type = TOKEN_WORD, .src = p->prev};
    return token_show(&t, out);
}

/* The inside of a quoted token, doubled quotes made single. */
static int decode_quoted(struct parser *p, struct slice src, struct slice *out)
{
    char quote = src.p[0];
    struct slice in = slice_of(src.p + 1, src.n - 2);
    *out = in;
    if (!in.n || !memchr(in.p, quote, in.n))
        return 0;
    char *to = query_alloc(p->mem, in.n);
    if (!to)
        return -ERR_NOMEM;
    size_t n = 0;
    for (size_t i = 0; i < in.n; i++) {
        to[n++] = in.p[i];
        i += in.p[i] == quote;
    }
    *out = slice_of(to, n);
    return 0;
}

int parser_name(struct parser *p, struct slice *out)
{
    if (p->tok.type == TOKEN_NAME)
        TRY(decode_quoted(p, p->tok.src, out));
    else
        *out = p->tok.src;
    parser_next(p);
    return 0;
}

int parser_whole_number(struct parser *p, const char *what, uint64_t *out)
{
    uint64_t v = 0;
    bool ok = p->tok.type == TOKEN_NUMBER;
    for (size_t i = 0; ok && i < p->tok.src.n; i++) {
        unsigned digit = (unsigned)(p->tok.src.p[i] - '0');
        ok = digit <= 9 && !__builtin_mul_overflow(v, 10, &v) &&
             !__builtin_add_overflow(v, digit, &v) && v <= INT64_MAX;
    }
    if (!ok)
        return parser_expected(p, "a whole number after %s", what);
    *out = v;
    parser_next(p);
    return 0;
}

/* ---- fields ---------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    enum query_virtual virt;
    bool own_first;
} virtuals[] = {
    {"_id", V_ID, false},
    {"_type", V_TYPE, false},
    {"_tenant", V_TENANT, false},
    {"_path", V_PATH, false},
    {"_created", V_CREATED, false},
    {"_modified", V_MODIFIED, false},
    {"id", V_ID, true},
    {"type", V_TYPE, true},
    {"created_at", V_CREATED, true},
    {"modified_at", V_MODIFIED, true},
};

static bool same_field(const struct query_field *a, const struct query_field *b)
{
    if (a->n != b->n)
        return false;
    for (int i = 0; i < a->n; i++) {
        const struct query_step *x = &a->steps[i], *y = &b->steps[i];
        if (x->is_index != y->is_index || x->index != y->index || !slice_eq(x->name, y->name))
            return false;
    }
    return true;
}

int parser_grow(struct parser *p, void *array, int n, int *cap, size_t size)
{
    if (n < *cap)
        return 0;
    int more = *cap ? *cap * 2 : 4;
    void *old, *bigger = query_alloc(p->mem, (size_t)more * size);
    if (!bigger)
        return -ERR_NOMEM;
    memcpy(&old, array, sizeof old); /* a pointer of whatever type */
    if (n)
        memcpy(bigger, old, (size_t)n * size);
    memcpy(array, &bigger, sizeof bigger);
    *cap = more;
    return 0;
}

static int first_name(struct parser *p, struct slice name, int *out)
{
    struct query_fields *f = p->fields;
    for (int i = 0; i < f->n_names; i++) {
        if (slice_eq(f->names[i], name)) {
            *out = i;
            return 0;
        }
    }
    TRY(parser_grow(p, &f->names, f->n_names, &f->cap_names, sizeof *f->names));
    *out = f->n_names;
    f->names[f->n_names++] = name;
    f->odd_names |= name.n == 0 || memchr(name.p, '"', name.n);
    return 0;
}

static int add_field(struct parser *p, const struct query_field *field, const struct token *at,
                     int *slot)
{
    struct query_fields *f = p->fields;
    for (int i = 0; i < f->n; i++) {
        if (same_field(f->v[i], field)) {
            *slot = i;
            return 0;
        }
    }
    if (f->n == QUERY_FIELDS_MAX)
        return lexer_fail(&p->lex, at, "more than %d different fields", QUERY_FIELDS_MAX);
    struct query_field *copy = parser_copy(p, field, sizeof *field);
    if (!copy)
        return -ERR_NOMEM;
    for (size_t i = 0; i < sizeof virtuals / sizeof virtuals[0]; i++) {
        if (slice_eq(copy->steps[0].name, slice_str(virtuals[i].name))) {
            copy->virt = virtuals[i].virt;
            copy->own_first = virtuals[i].own_first;
        }
    }
    copy->first = -1;
    if (copy->virt == V_NONE || copy->own_first)
        TRY(first_name(p, copy->steps[0].name, &copy->first));
    TRY(parser_grow(p, &f->v, f->n, &f->cap, sizeof(struct query_field *)));
    *slot = f->n;
    f->v[f->n++] = copy;
    return 0;
}

static int parse_step(struct parser *p, struct query_step *step)
{
    if (parser_take_punct(p, '[')) {
        step->is_index = true;
        TRY(parser_whole_number(p, "'['", &step->index));
        return parser_expect_punct(p, ']', "']' after the index");
    }
    parser_next(p); /* the '.' */
    if (p->tok.type != TOKEN_WORD && p->tok.type != TOKEN_NAME)
        return parser_expected(p, "a name after '.'");
    return parser_name(p, &step->name);
}

static bool is_ranking(const struct query_field *f)
{
    return f->n == 2 && slice_eq(f->steps[0].name, slice_str("embedding")) &&
           (slice_eq(f->steps[1].name, slice_str("cosine")) ||
            slice_eq(f->steps[1].name, slice_str("inner_product")));
}

/* What stands for a field but is none: a value, a keyword. */
static int not_a_field(struct parser *p)
{
    bool value = p->tok.type == TOKEN_STRING || p->tok.type == TOKEN_NUMBER;
    char found[TOKEN_SHOW_MAX];
    if (is_one_of(&p->tok, clauses))
        return lexer_fail(&p->lex, &p->tok,
                          "expected a field, found %s (a field of that name goes in double quotes)",
                          token_show(&p->tok, found));
    if (!value || p->depth == 0)
        return parser_expected(p, "a field");
    return lexer_fail(&p->lex, &p->tok,
                      "expected a field, found %s (the field goes left, the value right of the "
                      "operator)",
                      token_show(&p->tok, found));
}

int parser_field(struct parser *p, int *slot, struct slice *last)
{
    struct query_field f = {0};
    struct token at = p->tok;
    int cap = 0;
    bool word = at.type == TOKEN_WORD && !is_one_of(&at, reserved) &&
                (!is_one_of(&at, clauses) || parser_operator_follows(p));
    if (!word && at.type != TOKEN_NAME)
        return not_a_field(p);
    TRY(parser_grow(p, &f.steps, 0, &cap, sizeof *f.steps));
    TRY(parser_name(p, &f.steps[0].name));
    for (f.n = 1; token_is_punct(&p->tok, '.') || token_is_punct(&p->tok, '['); f.n++) {
        TRY(parser_grow(p, &f.steps, f.n, &cap, sizeof *f.steps));
        TRY(parse_step(p, &f.steps[f.n]));
    }
    if (token_is_punct(&p->tok, '(')) {
        if (is_ranking(&f))
            return lexer_fail(&p->lex, &at,
                              "embedding functions are not part of this version: write the text "
                              "to .search, and the filter as its \"where\"");
        return lexer_fail(&p->lex, &at, "there is no such function");
    }
    for (int i = 0; last && i < f.n; i++)
        if (!f.steps[i].is_index)
            *last = f.steps[i].name;
    return add_field(p, &f, &at, slot);
}

/* ---- values ---------------------------------------------------------------------------------- */

/* SQL allows 007, JSON does not. */
static struct slice without_zeros(struct parser *p, struct slice s)
{
    size_t sign = s.p[0] == '-', i = sign;
    while (i + 1 < s.n && s.p[i] == '0' && s.p[i + 1] >= '0' && s.p[i + 1] <= '9')
        i++;
    if (i == sign)
        return s;
    char *copy = parser_copy(p, s.p + i - sign, s.n - i + sign);
    if (copy && sign)
        copy[0] = '-';
    return copy ? slice_of(copy, s.n - i + sign) : s;
}

static int no_value(struct parser *p)
{
    char found[TOKEN_SHOW_MAX], prev[TOKEN_SHOW_MAX];
    bool name =
        p->tok.type == TOKEN_NAME || (p->tok.type == TOKEN_WORD && !is_one_of(&p->tok, reserved) &&
                                      !is_one_of(&p->tok, clauses));
    if (!name)
        return parser_expected(p, "a value after '%s'", after(p, prev));
    return lexer_fail(&p->lex, &p->tok,
                      "expected a value after '%s', found %s (a string goes in single quotes)",
                      after(p, prev), token_show(&p->tok, found));
}

static int parse_value(struct parser *p, struct query_value *out)
{
    *out = (struct query_value){.kind = KIND_NULL};
    if (p->tok.type == TOKEN_STRING) {
        out->kind = KIND_STRING;
        TRY(decode_quoted(p, p->tok.src, &out->s));
    } else if (p->tok.type == TOKEN_NUMBER) {
        out->kind = KIND_NUMBER;
        json_number(without_zeros(p, p->tok.src), &out->num);
    } else if (token_is_word(&p->tok, "TRUE")) {
        out->kind = KIND_TRUE;
    } else if (token_is_word(&p->tok, "FALSE")) {
        out->kind = KIND_FALSE;
    } else if (!token_is_word(&p->tok, "NULL")) {
        return no_value(p);
    }
    parser_next(p);
    return 0;
}

static int parse_string(struct parser *p, struct slice *out)
{
    char prev[TOKEN_SHOW_MAX];
    if (p->tok.type != TOKEN_STRING)
        return parser_expected(p, "a string in single quotes after %s", after(p, prev));
    TRY(decode_quoted(p, p->tok.src, out));
    parser_next(p);
    return 0;
}

/* ---- comparisons ----------------------------------------------------------------------------- */

static int parse_in(struct parser *p, struct query_node *node)
{
    struct query_value *values = NULL;
    int n = 0, cap = 0;
    node->op = OP_IN;
    TRY(parser_expect_punct(p, '(', "'(' after IN"));
    do {
        if (n == QUERY_LIST_MAX)
            return lexer_fail(&p->lex, &p->tok, "more than %d values in a list", QUERY_LIST_MAX);
        TRY(parser_grow(p, &values, n, &cap, sizeof *values));
        TRY(parse_value(p, &values[n]));
        n++;
    } while (parser_take_punct(p, ','));
    TRY(parser_expect_punct(p, ')', "',' or ')' in the list of IN"));
    return query_set_make(p->mem, values, n, &node->set);
}

static int parse_text_operator(struct parser *p, struct query_node *node, enum query_op op)
{
    char prev[TOKEN_SHOW_MAX];
    node->op = op;
    if (!parser_take_word(p, "WITH"))
        return parser_expected(p, "WITH after %s", after(p, prev));
    node->value->kind = KIND_STRING;
    return parse_string(p, &node->value->s);
}

static int parse_like(struct parser *p, struct query_node *node, bool fold)
{
    struct slice pattern;
    node->op = OP_LIKE;
    TRY(parse_string(p, &pattern));
    return query_like_make(p->mem, pattern, fold, &node->like);
}

static int parse_between(struct parser *p, struct query_node *node)
{
    node->op = OP_BETWEEN;
    TRY(parse_value(p, &node->value[0]));
    if (!parser_take_word(p, "AND"))
        return parser_expected(p, "AND and the upper bound of BETWEEN");
    return parse_value(p, &node->value[1]);
}

static int parse_is(struct parser *p, struct query_node *node)
{
    node->op = OP_NULL;
    node->negated = parser_take_word(p, "NOT");
    if (!parser_take_word(p, "NULL"))
        return parser_expected(p,
                               node->negated ? "NULL after IS NOT" : "NULL or NOT NULL after IS");
    return 0;
}

/* What follows a field. */
static int parse_operator(struct parser *p, struct query_node *node, struct slice field)
{
    struct token shown = {.type = TOKEN_WORD, .src = field};
    char prev[TOKEN_SHOW_MAX];
    node->value = query_alloc(p->mem, 2 * sizeof *node->value);
    if (!node->value)
        return -ERR_NOMEM;
    if (p->tok.type == TOKEN_COMPARE) {
        node->op = OP_CMP;
        node->cmp = p->tok.cmp;
        parser_next(p);
        return parse_value(p, node->value);
    }
    if (parser_take_word(p, "IS"))
        return parse_is(p, node);
    node->negated = parser_take_word(p, "NOT");
    if (parser_take_word(p, "IN"))
        return parse_in(p, node);
    if (parser_take_word(p, "BETWEEN"))
        return parse_between(p, node);
    if (parser_take_word(p, "LIKE"))
        return parse_like(p, node, false);
    if (parser_take_word(p, "ILIKE"))
        return parse_like(p, node, true);
    if (parser_take_word(p, "STARTS"))
        return parse_text_operator(p, node, OP_STARTS);
    if (parser_take_word(p, "ENDS"))
        return parse_text_operator(p, node, OP_ENDS);
    if (parser_take_word(p, "CONTAINS")) {
        node->op = OP_CONTAINS;
        return parse_value(p, node->value);
    }
    if (node->negated)
        return parser_expected(p, "IN, BETWEEN, LIKE, ILIKE, CONTAINS, STARTS WITH or ENDS WITH "
                                  "after NOT");
    return parser_expected(p,
                           "an operator (= != < <= > >= IN BETWEEN LIKE CONTAINS STARTS WITH "
                           "ENDS WITH IS NULL) after %s",
                           token_show(&shown, prev));
}

static struct slice between(const char *from, struct slice to)
{
    return slice_of(from, (size_t)(to.p + to.n - from));
}

static int parse_exists(struct parser *p, struct query_node *node)
{
    node->op = OP_EXISTS;
    parser_next(p);
    parser_next(p); /* the '(' */
    TRY(parser_field(p, &node->slot, NULL));
    return parser_expect_punct(p, ')', "')' after the field of EXISTS");
}

/* ---- AND, OR, NOT ---------------------------------------------------------------------------- */

static int parse_nested(struct parser *p, struct query_node **out)
{
    parser_next(p);
    TRY(parser_expr(p, out));
    if (parser_take_punct(p, ')'))
        return 0;
    return parser_expected(p, "AND, OR or ')' (a parenthesis is open)");
}

static int parse_primary(struct parser *p, struct query_node **out)
{
    if (token_is_punct(&p->tok, '('))
        return parse_nested(p, out);
    struct query_node *node = *out = query_alloc(p->mem, sizeof *node);
    if (!node)
        return -ERR_NOMEM;
    if (token_is_word(&p->tok, "EXISTS")) {
        struct token next = parser_peek(p);
        if (token_is_punct(&next, '('))
            return parse_exists(p, node);
    }
    const char *from = p->tok.src.p;
    TRY(parser_field(p, &node->slot, NULL));
    return parse_operator(p, node, between(from, p->prev));
}

static int parse_not(struct parser *p, struct query_node **out)
{
    if (p->depth > QUERY_DEPTH_MAX)
        return lexer_fail(&p->lex, &p->tok, "parentheses and NOT nest deeper than %d",
                          QUERY_DEPTH_MAX);
    p->depth++;
    if (parser_take_word(p, "NOT")) {
        struct query_node *node = *out = query_alloc(p->mem, sizeof *node);
        struct query_node **kid = query_alloc(p->mem, sizeof *kid);
        if (!node || !kid)
            return -ERR_NOMEM;
        *node = (struct query_node){.op = OP_NOT, .n_kids = 1, .kids = kid};
        TRY(parse_not(p, kid));
    } else {
        TRY(parse_primary(p, out));
    }
    p->depth--;
    return 0;
}

/* operand { word operand }: one node over all of them, or the one operand itself. */
static int parse_chain(struct parser *p, enum query_op op, const char *word,
                       int (*operand)(struct parser *, struct query_node **),
                       struct query_node **out)
{
    struct query_node **kids = NULL;
    int n = 0, cap = 0;
    do {
        TRY(parser_grow(p, &kids, n, &cap, sizeof(struct query_node *)));
        TRY(operand(p, &kids[n]));
        n++;
    } while (parser_take_word(p, word));
    *out = kids[0];
    if (n == 1)
        return 0;
    struct query_node *node = *out = query_alloc(p->mem, sizeof *node);
    if (!node)
        return -ERR_NOMEM;
    *node = (struct query_node){.op = op, .n_kids = n, .kids = kids};
    return 0;
}

static int parse_and(struct parser *p, struct query_node **out)
{
    return parse_chain(p, OP_AND, "AND", parse_not, out);
}

int parser_expr(struct parser *p, struct query_node **out)
{
    return parse_chain(p, OP_OR, "OR", parse_and, out);
}
