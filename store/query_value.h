/* query_value.h - fields of a row, three-valued logic and order over their values.
 *
 * A struct query_scope reads one set of fields out of one row after another; it finds all of them
 * in one pass over the row's bytes and copies nothing. A cell holds what a field was found to be
 * and points into the row (or into the scope, for _path and times): it is good until the next load.
 *
 * Threads: a scope belongs to one thread. Errors: only memory can fail (-ERR_NOMEM).
 */
#ifndef REMFS_QUERY_VALUE_H
#define REMFS_QUERY_VALUE_H

#include "store/query_ast.h"

struct query_cell {
    bool found; /* false: missing (kind is KIND_NULL) */
    bool plain; /* KIND_STRING: raw is the text itself, not JSON */
    enum query_kind kind;
    struct slice raw; /* JSON text, a string with its quotes */
};

struct query_scope {
    const struct query_fields *fields;
    bool tenant_level;        /* how _path looks */
    struct slice tenant;      /* its name; borrowed */
    struct query_cell *cells; /* one a field */
    struct json_val *vals;    /* one a name, and two more */
    bool *found;
    bool no_names; /* all fields are virtual */
    char created[31], modified[31];
    struct buf path;
    struct buf scratch; /* for decoding a string */
};

int query_scope_init(struct query_scope *sc, const struct query_fields *fields);
void query_scope_free(struct query_scope *sc);
int query_scope_load(struct query_scope *sc, const struct ent_row *row);

/* The values of fields->names, each at the top level, else in properties, else in metadata. False:
 * this text needs the general way, json_members(). (query_find.c) */
bool query_find_names(const struct query_fields *fields, struct slice json, struct json_val *vals,
                      bool *found);

/* "<id>.json", at a tenant's level "<type>/<id>.json". */
int query_put_path(struct buf *out, const struct ent_row *row, bool tenant_level);

enum tri { TRI_FALSE, TRI_TRUE, TRI_UNKNOWN };

/* The filter on the row that the scope (of where_fields) has loaded: enum tri, or negative. */
int query_eval(const struct query_node *node, struct query_scope *sc);

struct query_cell query_cell_of(struct json_val v);

/* The cell decoded; strings point into the row or into scratch (which is cleared first). */
int query_cell_value(const struct query_cell *cell, struct buf *scratch, struct query_value *out);

/* The order of ORDER BY: null, false, true, numbers, strings (by bytes), the rest (by bytes). */
int query_value_cmp(const struct query_value *a, const struct query_value *b);

/* Sorts the values into a set. */
int query_set_make(struct query_arena *a, const struct query_value *values, int n,
                   struct query_set **out);
/* Finds the form of a pattern. */
int query_like_make(struct query_arena *a, struct slice pattern, bool fold,
                    struct query_like **out);
bool query_like_match(const struct query_like *like, struct slice s);

#endif
