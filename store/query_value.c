/* query_value.c - a row's fields as values, and their order; see query_value.h.
 *
 * It may not allocate per row: cells point into the row. Whether a row is wanted is
 * query_eval.c's.
 */
#include "store/query_value.h"
#include "store/base/cleanup.h"
#include "store/base/clock.h"
#include "store/base/err.h"

#define MEMBERS_MAX 64 /* names in one pass of json_members() */

int query_put_path(struct buf *out, const struct ent_row *row, bool tenant_level)
{
    int rc = 0;
    if (tenant_level) {
        rc = buf_put(out, row->type_name.p, row->type_name.n);
        if (rc == 0)
            rc = buf_putc(out, '/');
    }
    if (rc == 0)
        rc = buf_put(out, row->id.p, row->id.n);
    return rc < 0 ? rc : buf_put(out, ".json", 5);
}

int query_scope_init(struct query_scope *sc, const struct query_fields *fields)
{
    *sc = (struct query_scope){.fields = fields, .no_names = true};
    for (int i = 0; i < fields->n; i++)
        if (fields->v[i]->first >= 0)
            sc->no_names = false;
    size_t names = (size_t)fields->n_names + 2;
    sc->cells = calloc((size_t)fields->n + 1, sizeof *sc->cells);
    sc->vals = calloc(names, sizeof *sc->vals);
    sc->found = calloc(names, sizeof *sc->found);
    if (sc->cells && sc->vals && sc->found)
        return 0;
    query_scope_free(sc);
    return err_set(ERR_NOMEM, "out of memory");
}

void query_scope_free(struct query_scope *sc)
{
    free(sc->cells);
    free(sc->vals);
    free(sc->found);
    buf_free(&sc->path);
    buf_free(&sc->scratch);
    *sc = (struct query_scope){0};
}

/* ---- finding members ------------------------------------------------------------------------- */

/* The names that are not there yet, in `container`. */
static void find_missing(struct query_scope *sc, struct json_val container)
{
    const struct query_fields *f = sc->fields;
    struct slice names[MEMBERS_MAX];
    struct json_val vals[MEMBERS_MAX];
    bool found[MEMBERS_MAX];
    int which[MEMBERS_MAX];
    for (int i = 0; i < f->n_names;) {
        int n = 0;
        for (; i < f->n_names && n < MEMBERS_MAX; i++) {
            if (sc->found[i])
                continue;
            which[n] = i;
            names[n++] = f->names[i];
        }
        if (n == 0)
            return;
        json_members(container, names, n, vals, found);
        for (int k = 0; k < n; k++) {
            if (found[k]) {
                sc->vals[which[k]] = vals[k];
                sc->found[which[k]] = true;
            }
        }
    }
}

/* At the top level, then in properties, then in metadata: one pass over each that is needed. */
static void find_names(struct query_scope *sc, struct slice json)
{
    static const struct slice extra[2] = {{"properties", 10}, {"metadata", 8}};
    const struct query_fields *f = sc->fields;
    struct json_val root = {.type = JSON_OBJECT, .raw = json};
    struct slice names[MEMBERS_MAX];
    int total = f->n_names + 2;
    bool missing = false;
    for (int i = 0; i < total; i += MEMBERS_MAX) {
        int n = total - i < MEMBERS_MAX ? total - i : MEMBERS_MAX;
        for (int k = 0; k < n; k++)
            names[k] = i + k < f->n_names ? f->names[i + k] : extra[i + k - f->n_names];
        json_members(root, names, n, sc->vals + i, sc->found + i);
    }
    for (int i = 0; i < f->n_names; i++)
        missing |= !sc->found[i];
    if (missing && sc->found[f->n_names])
        find_missing(sc, sc->vals[f->n_names]);
    if (missing && sc->found[f->n_names + 1])
        find_missing(sc, sc->vals[f->n_names + 1]);
}

struct query_cell query_cell_of(struct json_val v)
{
    static const enum query_kind kinds[] = {
        [JSON_NULL] = KIND_NULL,     [JSON_FALSE] = KIND_FALSE,   [JSON_TRUE] = KIND_TRUE,
        [JSON_NUMBER] = KIND_NUMBER, [JSON_STRING] = KIND_STRING, [JSON_ARRAY] = KIND_OTHER,
        [JSON_OBJECT] = KIND_OTHER,
    };
    return (struct query_cell){.found = true, .kind = kinds[v.type], .raw = v.raw};
}

static int cell_of_virtual(struct query_scope *sc, const struct ent_row *row,
                           enum query_virtual virt, struct query_cell *out)
{
    int rc = 0;
    *out = (struct query_cell){.found = true, .plain = true, .kind = KIND_STRING};
    switch (virt) {
    case V_NONE:
        *out = (struct query_cell){.kind = KIND_NULL};
        break;
    case V_ID:
        out->raw = row->id;
        break;
    case V_TYPE:
        out->raw = row->type_name;
        break;
    case V_TENANT:
        if (sc->tenant.n == 0) /* a filter on its own is not told */
            *out = (struct query_cell){.kind = KIND_NULL};
        else
            out->raw = sc->tenant;
        break;
    case V_PATH:
        buf_clear(&sc->path);
        rc = query_put_path(&sc->path, row, sc->tenant_level);
        out->raw = slice_buf(&sc->path);
        break;
    case V_CREATED:
        clock_format(row->created, sc->created);
        out->raw = slice_of(sc->created, strlen(sc->created));
        break;
    case V_MODIFIED:
        clock_format(row->modified, sc->modified);
        out->raw = slice_of(sc->modified, strlen(sc->modified));
        break;
    }
    return rc;
}

/* The steps after the first. */
static bool follow(const struct query_field *f, struct json_val *v)
{
    for (int i = 1; i < f->n; i++) {
        const struct query_step *s = &f->steps[i];
        struct json_val next;
        if (!(s->is_index ? json_element(*v, s->index, &next) : json_member(*v, s->name, &next)))
            return false;
        *v = next;
    }
    return true;
}

int query_scope_load(struct query_scope *sc, const struct ent_row *row)
{
    const struct query_fields *f = sc->fields;
    if (!sc->no_names && !query_find_names(f, row->json, sc->vals, sc->found))
        find_names(sc, row->json);
    for (int i = 0; i < f->n; i++) {
        const struct query_field *field = f->v[i];
        sc->cells[i] = (struct query_cell){.kind = KIND_NULL};
        if (field->first >= 0 && sc->found[field->first]) {
            struct json_val v = sc->vals[field->first];
            if (follow(field, &v))
                sc->cells[i] = query_cell_of(v);
        } else if (field->n == 1) {
            int rc = cell_of_virtual(sc, row, field->virt, &sc->cells[i]);
            if (rc < 0)
                return rc;
        }
    }
    return 0;
}

/* ---- values ---------------------------------------------------------------------------------- */

int query_cell_value(const struct query_cell *cell, struct buf *scratch, struct query_value *out)
{
    *out = (struct query_value){.kind = cell->kind};
    if (cell->kind == KIND_NUMBER)
        json_number(cell->raw, &out->num);
    else if (cell->kind == KIND_STRING && !cell->plain)
        return json_string((struct json_val){JSON_STRING, cell->raw}, scratch, &out->s);
    else if (cell->kind >= KIND_STRING)
        out->s = cell->raw;
    return 0;
}

int query_value_cmp(const struct query_value *a, const struct query_value *b)
{
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->kind == KIND_NUMBER)
        return json_num_cmp(&a->num, &b->num);
    return a->kind >= KIND_STRING ? slice_cmp(a->s, b->s) : 0;
}
