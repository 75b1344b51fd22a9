/* query_eval.c - the filter: SQL's three-valued logic over the cells of a row; see query_value.h.
 *
 * It may not allocate, except to decode a string that holds an escape, and it never looks at a row
 * itself: the scope has done that.
 */
#include "store/query_value.h"
#include "store/base/err.h"

#include <stdlib.h>
#include <unicase.h>
#include <unistr.h>

static inline int tri_not(int t)
{
    return t == TRI_TRUE ? TRI_FALSE : t == TRI_FALSE ? TRI_TRUE : t;
}

static inline int tri_of(bool b)
{
    return b ? TRI_TRUE : TRI_FALSE;
}

/* ---- patterns -------------------------------------------------------------------------------- */

static bool has_wild(struct slice s)
{
    return s.n && (memchr(s.p, '%', s.n) || memchr(s.p, '_', s.n));
}

int query_like_make(struct query_arena *a, struct slice pattern, bool fold, struct query_like **out)
{
    struct query_like *like = query_alloc(a, sizeof *like);
    if (!like)
        return -ERR_NOMEM;
    struct slice s = pattern;
    bool head = s.n && s.p[0] == '%', tail = s.n > 1 && s.p[s.n - 1] == '%';
    if (head)
        s = slice_of(s.p + 1, s.n - 1);
    if (tail)
        s.n--;
    *like = (struct query_like){.form = LIKE_GENERAL, .fold = fold, .text = pattern};
    if (!fold && !has_wild(s)) {
        like->form = head && tail ? LIKE_CONTAINS : head ? LIKE_ENDS : tail ? LIKE_STARTS : LIKE_IS;
        like->text = s;
    }
    *out = like;
    return 0;
}

static bool starts_with(struct slice s, struct slice with)
{
    return s.n >= with.n && (with.n == 0 || memcmp(s.p, with.p, with.n) == 0);
}

static bool ends_with(struct slice s, struct slice with)
{
    return s.n >= with.n && (with.n == 0 || memcmp(s.p + s.n - with.n, with.p, with.n) == 0);
}

static bool has_part(struct slice s, struct slice part)
{
    return part.n == 0 || (s.n >= part.n && memmem(s.p, s.n, part.p, part.n));
}

/* The length of the character at p; bytes that are no UTF-8 count one each. */
static size_t char_len(const char *p, const char *end, ucs4_t *ch)
{
    if ((unsigned char)*p < 0x80) {
        *ch = (unsigned char)*p;
        return 1;
    }
    int n = u8_mbtouc(ch, (const uint8_t *)p, (size_t)(end - p));
    return n > 0 ? (size_t)n : 1;
}

static ucs4_t fold_char(ucs4_t ch)
{
    return ch < 0x80 ? (ch >= 'A' && ch <= 'Z' ? ch + 32 : ch) : uc_tolower(ch);
}

/* One character of the pattern (not '%') against one of the text; both move on. */
static bool match_one(const char **p, const char *pend, const char **t, const char *tend, bool fold)
{
    ucs4_t want, have;
    size_t pn = char_len(*p, pend, &want), tn = char_len(*t, tend, &have);
    bool ok = **p == '_' || want == have || (fold && fold_char(want) == fold_char(have));
    if (ok) {
        *p += pn;
        *t += tn;
    }
    return ok;
}

/* Greedy with one way back: only the last '%' ever has to give way, for an earlier one could not
 * match any more than it does now. */
static bool match_general(struct slice pattern, struct slice s, bool fold)
{
    const char *p = pattern.p, *pend = p + pattern.n, *t = s.p, *tend = t + s.n;
    const char *again_p = NULL, *again_t = NULL;
    while (t < tend) {
        if (p < pend && *p == '%') {
            again_p = ++p;
            again_t = t;
        } else if (p < pend && match_one(&p, pend, &t, tend, fold)) {
            continue;
        } else if (again_p) {
            ucs4_t ch;
            again_t += char_len(again_t, tend, &ch);
            p = again_p;
            t = again_t;
        } else {
            return false;
        }
    }
    while (p < pend && *p == '%')
        p++;
    return p == pend;
}

bool query_like_match(const struct query_like *like, struct slice s)
{
    switch (like->form) {
    case LIKE_IS:
        return slice_eq(s, like->text);
    case LIKE_STARTS:
        return starts_with(s, like->text);
    case LIKE_ENDS:
        return ends_with(s, like->text);
    case LIKE_CONTAINS:
        return has_part(s, like->text);
    case LIKE_GENERAL:
        break;
    }
    return match_general(like->text, s, like->fold);
}

/* ---- IN -------------------------------------------------------------------------------------- */

static int cmp_strings(const void *a, const void *b)
{
    return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

static int cmp_numbers(const void *a, const void *b)
{
    return json_num_cmp(a, b);
}

int query_set_make(struct query_arena *a, const struct query_value *values, int n,
                   struct query_set **out)
{
    struct query_set *set = query_alloc(a, sizeof *set);
    if (!set)
        return -ERR_NOMEM;
    set->strings = query_alloc(a, (size_t)n * sizeof *set->strings);
    set->numbers = query_alloc(a, (size_t)n * sizeof *set->numbers);
    if (!set->strings || !set->numbers)
        return -ERR_NOMEM;
    for (int i = 0; i < n; i++) {
        const struct query_value *v = &values[i];
        if (v->kind == KIND_STRING)
            set->strings[set->n_strings++] = v->s;
        else if (v->kind == KIND_NUMBER)
            set->numbers[set->n_numbers++] = v->num;
        set->has_null |= v->kind == KIND_NULL;
        set->has_false |= v->kind == KIND_FALSE;
        set->has_true |= v->kind == KIND_TRUE;
    }
    qsort(set->strings, (size_t)set->n_strings, sizeof *set->strings, cmp_strings);
    qsort(set->numbers, (size_t)set->n_numbers, sizeof *set->numbers, cmp_numbers);
    *out = set;
    return 0;
}

/* x IN (a, b) is x = a OR x = b: unknown when nothing matches and one comparison is unknown. */
static int set_has(const struct query_set *set, const struct query_value *v)
{
    bool strings = set->n_strings > 0, numbers = set->n_numbers > 0;
    bool bools = set->has_false || set->has_true, unknown = set->has_null;
    switch (v->kind) {
    case KIND_FALSE:
    case KIND_TRUE:
        if (v->kind == KIND_TRUE ? set->has_true : set->has_false)
            return TRI_TRUE;
        unknown |= strings || numbers;
        break;
    case KIND_NUMBER:
        if (bsearch(&v->num, set->numbers, (size_t)set->n_numbers, sizeof v->num, cmp_numbers))
            return TRI_TRUE;
        unknown |= strings || bools;
        break;
    case KIND_STRING:
        if (bsearch(&v->s, set->strings, (size_t)set->n_strings, sizeof v->s, cmp_strings))
            return TRI_TRUE;
        unknown |= numbers || bools;
        break;
    default:
        unknown = true;
    }
    return unknown ? TRI_UNKNOWN : TRI_FALSE;
}

/* ---- comparisons ----------------------------------------------------------------------------- */

static bool holds(enum query_cmp cmp, int order)
{
    switch (cmp) {
    case CMP_EQ:
        return order == 0;
    case CMP_NE:
        return order != 0;
    case CMP_LT:
        return order < 0;
    case CMP_LE:
        return order <= 0;
    case CMP_GT:
        return order > 0;
    default:
        return order >= 0;
    }
}

static bool is_bool(enum query_kind k)
{
    return k == KIND_FALSE || k == KIND_TRUE;
}

/* Values that have an order among one another. */
static bool comparable(enum query_kind a, enum query_kind b)
{
    return a == b ? a == KIND_NUMBER || a == KIND_STRING || is_bool(a) : is_bool(a) && is_bool(b);
}

static int compare(const struct query_cell *cell, enum query_cmp cmp, const struct query_value *lit,
                   struct buf *scratch)
{
    if (!comparable(cell->kind, lit->kind))
        return TRI_UNKNOWN;
    /* the frequent case first: no decoding where the bytes settle it */
    if (cell->kind == KIND_STRING && !cell->plain && cmp == CMP_EQ && cell->raw.n < lit->s.n + 2)
        return TRI_FALSE;
    struct query_value v;
    int rc = query_cell_value(cell, scratch, &v);
    return rc < 0 ? rc : tri_of(holds(cmp, query_value_cmp(&v, lit)));
}

static int eval_between(const struct query_node *node, const struct query_cell *cell,
                        struct buf *scratch)
{
    int low = compare(cell, CMP_GE, &node->value[0], scratch);
    if (low < 0 || low == TRI_FALSE)
        return low;
    int high = compare(cell, CMP_LE, &node->value[1], scratch);
    if (high < 0 || high == TRI_FALSE)
        return high;
    return low == TRI_UNKNOWN ? low : high;
}

static int has_element(struct slice array, const struct query_value *lit, struct buf *scratch)
{
    struct json_iter it;
    struct slice key;
    struct json_val v;
    json_iter_init(&it, (struct json_val){JSON_ARRAY, array});
    while (json_iter_next(&it, &key, &v)) {
        struct query_cell cell = query_cell_of(v);
        int t = compare(&cell, CMP_EQ, lit, scratch);
        if (t != TRI_FALSE && t != TRI_UNKNOWN)
            return t;
    }
    return TRI_FALSE;
}

static int eval_contains(const struct query_node *node, const struct query_cell *cell,
                         struct buf *scratch)
{
    if (node->value->kind == KIND_NULL)
        return TRI_UNKNOWN;
    if (cell->kind == KIND_OTHER)
        return cell->raw.p[0] == '[' ? has_element(cell->raw, node->value, scratch) : TRI_UNKNOWN;
    if (cell->kind != KIND_STRING || node->value->kind != KIND_STRING)
        return TRI_UNKNOWN;
    struct query_value v;
    int rc = query_cell_value(cell, scratch, &v);
    return rc < 0 ? rc : tri_of(has_part(v.s, node->value->s));
}

static int eval_text(const struct query_node *node, const struct query_cell *cell,
                     struct buf *scratch)
{
    struct query_value v;
    if (cell->kind != KIND_STRING)
        return TRI_UNKNOWN;
    int rc = query_cell_value(cell, scratch, &v);
    if (rc < 0)
        return rc;
    if (node->op == OP_LIKE)
        return tri_of(query_like_match(node->like, v.s));
    return tri_of(node->op == OP_STARTS ? starts_with(v.s, node->value->s)
                                        : ends_with(v.s, node->value->s));
}

static int eval_in(const struct query_node *node, const struct query_cell *cell,
                   struct buf *scratch)
{
    struct query_value v;
    int rc = query_cell_value(cell, scratch, &v);
    return rc < 0 ? rc : set_has(node->set, &v);
}

static int eval_leaf(const struct query_node *node, struct query_scope *sc)
{
    const struct query_cell *cell = &sc->cells[node->slot];
    switch (node->op) {
    case OP_CMP:
        return compare(cell, node->cmp, node->value, &sc->scratch);
    case OP_IN:
        return eval_in(node, cell, &sc->scratch);
    case OP_BETWEEN:
        return eval_between(node, cell, &sc->scratch);
    case OP_CONTAINS:
        return eval_contains(node, cell, &sc->scratch);
    case OP_NULL:
        return tri_of(cell->kind == KIND_NULL);
    case OP_EXISTS:
        return tri_of(cell->found);
    default:
        return eval_text(node, cell, &sc->scratch);
    }
}

/* AND stops at false, OR at true; else unknown, if there was one, wins. */
static int eval_kids(const struct query_node *node, struct query_scope *sc)
{
    int stop = node->op == OP_AND ? TRI_FALSE : TRI_TRUE, result = tri_not(stop);
    for (int i = 0; i < node->n_kids; i++) {
        int t = query_eval(node->kids[i], sc);
        if (t < 0 || t == stop)
            return t;
        if (t == TRI_UNKNOWN)
            result = t;
    }
    return result;
}

int query_eval(const struct query_node *node, struct query_scope *sc)
{
    if (node->op == OP_AND || node->op == OP_OR)
        return eval_kids(node, sc);
    int t = node->op == OP_NOT ? tri_not(query_eval(node->kids[0], sc)) : eval_leaf(node, sc);
    return node->negated ? tri_not(t) : t;
}
