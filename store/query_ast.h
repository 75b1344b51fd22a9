/* query_ast.h - a parsed statement: what was asked, before anything is planned or run.
 *
 * query_parse.c builds it, everybody else only reads. All memory of a statement comes from its
 * arena and goes with it. Fields are gathered in two sets, those of WHERE and those of the output,
 * ORDER BY and GROUP BY, since the second is only looked at in rows that the first let through; a
 * node names a field by its number (slot) in its set.
 *
 * Threads: read-only once parsed.
 */
#ifndef REMFS_QUERY_AST_H
#define REMFS_QUERY_AST_H

#include "store/json.h"
#include "store/query.h"
#include "store/query_lex.h"

#define QUERY_DEPTH_MAX 200   /* parentheses and NOTs inside one another */
#define QUERY_LIST_MAX 10000  /* values of one IN */
#define QUERY_FIELDS_MAX 1000 /* different fields of one statement's filter, or output */

/* ---- memory ---------------------------------------------------------------------------------- */

struct query_arena {
    struct query_chunk *head;
};
/* Zeroed, aligned for anything; NULL (with the message set) when out of memory. */
void *query_alloc(struct query_arena *a, size_t n);
void query_arena_free(struct query_arena *a);

/* ---- values ---------------------------------------------------------------------------------- */

/* In the order in which values sort. */
enum query_kind { KIND_NULL, KIND_FALSE, KIND_TRUE, KIND_NUMBER, KIND_STRING, KIND_OTHER };

/* A value at hand: a literal of the statement, or what a row sorts or groups by. */
struct query_value {
    enum query_kind kind;
    struct slice s;      /* KIND_STRING: decoded; KIND_OTHER: an array or object as JSON text */
    struct json_num num; /* KIND_NUMBER */
};

/* ---- fields ---------------------------------------------------------------------------------- */

enum query_virtual { V_NONE, V_ID, V_TYPE, V_TENANT, V_PATH, V_CREATED, V_MODIFIED };

struct query_step { /* .name or [index] */
    bool is_index;
    struct slice name;
    uint64_t index;
};

struct query_field {
    enum query_virtual virt; /* what the field is … */
    bool own_first;          /* … if the entity has no such member (id); or always (_id) */
    int first;               /* number of the first step's name in the set; -1: always virtual */
    int n;                   /* steps, the first included */
    struct query_step *steps;
};

struct query_fields {
    int n, cap;
    struct query_field **v;
    int n_names, cap_names;
    struct slice *names; /* different first steps, decoded */
    bool odd_names;      /* one of them is empty or has a double quote in it */
};

/* ---- expressions ----------------------------------------------------------------------------- */

enum query_op {
    OP_AND,
    OP_OR,
    OP_NOT,
    OP_CMP,
    OP_IN,
    OP_BETWEEN,
    OP_LIKE,
    OP_CONTAINS,
    OP_STARTS,
    OP_ENDS,
    OP_NULL,  /* IS NULL */
    OP_EXISTS /* the member is there, null or not */
};

/* The values of an IN: strings and numbers sorted, for a binary search. */
struct query_set {
    int n_strings, n_numbers;
    struct slice *strings;
    struct json_num *numbers;
    bool has_null, has_false, has_true;
};

enum like_form { LIKE_IS, LIKE_STARTS, LIKE_ENDS, LIKE_CONTAINS, LIKE_GENERAL };

struct query_like {
    enum like_form form; /* all but the last need no pattern matching */
    bool fold;           /* ILIKE */
    struct slice text;   /* LIKE_GENERAL: the pattern; else what is to be found */
};

struct query_node {
    enum query_op op;
    bool negated; /* NOT IN, IS NOT NULL, … (not OP_NOT, which has a kid) */
    int slot;     /* the field, in where_fields */
    enum query_cmp cmp;
    int n_kids;
    union {
        struct query_node **kids;  /* AND, OR: two or more; NOT: one */
        struct query_value *value; /* CMP, CONTAINS, STARTS, ENDS: one; BETWEEN: two */
        struct query_set *set;
        struct query_like *like;
    };
};

/* ---- statements ------------------------------------------------------------------------------ */

enum query_agg { AGG_NONE, AGG_ROWS, AGG_COUNT, AGG_DISTINCT, AGG_SUM, AGG_AVG, AGG_MIN, AGG_MAX };

struct query_item { /* a column of the output */
    enum query_agg agg;
    int slot;          /* in out_fields; -1 for COUNT(*) */
    struct slice name; /* decoded */
    bool named;        /* with AS */
};

struct query_order {
    int slot;  /* in out_fields; in a statement with aggregates a column (-1: see group) … */
    int item;  /* … by its number, or -1 … */
    int group; /* … or a GROUP BY field by its number, or -1 */
    bool desc;
};

enum query_format { FORMAT_JSONL, FORMAT_JSON, FORMAT_CSV, FORMAT_TSV, FORMAT_IDS, FORMAT_PATHS };

struct query {
    struct query_arena mem;
    struct slice text; /* a copy */
    bool empty;        /* an answer copied back: no statement, no rows */
    bool explain;
    bool tenant_level;

    bool has_from, from_all;
    bool from_open;        /* the name ends where the text ends: it may be half of one */
    struct slice from;     /* a type's name, unless from_all */
    struct slice from_src; /* as written, in text */

    int n_items; /* 0: every member */
    struct query_item *items;
    bool aggregated;

    struct query_node *where; /* NULL: every row */
    struct slice where_text;  /* as written */
    struct query_fields where_fields, out_fields;

    int n_group, *group; /* slots in out_fields */
    int n_order;
    struct query_order *order;
    struct slice order_text; /* as written */
    bool has_limit;
    uint64_t limit, offset;
    enum query_format format;
};

#endif
