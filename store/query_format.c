/* query_format.c - rows to text; see query_format.h.
 *
 * It may not decide which rows or columns there are. JSON values are spliced in as they are stored,
 * never taken apart and put together again, except the strings of CSV and TSV.
 */
#include "store/query_format.h"
#include "store/base/cleanup.h"
#include "store/base/err.h"

#define COLUMNS_MAX 64 /* of SELECT * in CSV: what one pass of json_members() finds */

int query_put_row(struct buf *out, const struct ent_row *row, bool tenant_level, struct slice extra)
{
    char path[STORE_NAME_MAX + 1 + STORE_ID_MAX + 6];
    auto_buf long_path = BUF_INIT;
    struct buf text = {path, 0, sizeof path}; /* no allocation: every legal name fits */
    struct buf *to = row->type_name.n + row->id.n + 6 <= sizeof path ? &text : &long_path;
    int rc = query_put_path(to, row, tenant_level);
    if (rc == 0)
        rc = buf_reserve(out, row->json.n + to->n + extra.n + 16);
    if (rc == 0)
        rc = buf_put(out, "{\"_path\":", 9);
    if (rc == 0)
        rc = json_put_string(out, slice_buf(to));
    if (rc == 0 && extra.n)
        rc = buf_putc(out, ',');
    if (rc == 0)
        rc = buf_put(out, extra.p, extra.n);
    if (rc == 0 && row->json.n > 2) /* not {} */
        rc = buf_putc(out, ',');
    if (rc == 0)
        rc = buf_put(out, row->json.p + 1, row->json.n - 1);
    return rc < 0 ? rc : buf_putc(out, '\n');
}

/* ---- columns --------------------------------------------------------------------------------- */

/* Decoded names and "name": texts lie in one buffer each, that is complete before slices are taken
 * from it. */
static int add_name(struct query_writer *w, size_t *ends, int i, struct slice name)
{
    int rc = buf_put(&w->names_text, name.p, name.n);
    ends[2 * i] = w->names_text.n;
    if (rc == 0)
        rc = json_put_string(&w->keys_text, name);
    if (rc == 0)
        rc = buf_putc(&w->keys_text, ':');
    ends[2 * i + 1] = w->keys_text.n;
    return rc;
}

static int take_names(struct query_writer *w, const size_t *ends, int n)
{
    w->names = calloc((size_t)n + 1, sizeof *w->names);
    w->keys = calloc((size_t)n + 1, sizeof *w->keys);
    if (!w->names || !w->keys)
        return err_set(ERR_NOMEM, "out of memory");
    size_t name = 0, key = 0;
    for (int i = 0; i < n; i++) {
        w->names[i] = slice_of(w->names_text.p + name, ends[2 * i] - name);
        w->keys[i] = slice_of(w->keys_text.p + key, ends[2 * i + 1] - key);
        name = ends[2 * i];
        key = ends[2 * i + 1];
    }
    w->n_names = n;
    return 0;
}

int query_writer_init(struct query_writer *w, const struct query *q)
{
    *w = (struct query_writer){.q = q};
    if (q->n_items == 0)
        return 0;
    auto_free size_t *ends = calloc(2 * (size_t)q->n_items, sizeof *ends);
    if (!ends)
        return err_set(ERR_NOMEM, "out of memory");
    int rc = 0;
    for (int i = 0; i < q->n_items && rc == 0; i++)
        rc = add_name(w, ends, i, q->items[i].name);
    return rc < 0 ? rc : take_names(w, ends, q->n_items);
}

void query_writer_free(struct query_writer *w)
{
    free(w->names);
    free(w->keys);
    buf_free(&w->names_text);
    buf_free(&w->keys_text);
    buf_free(&w->scratch);
    *w = (struct query_writer){0};
}

/* SELECT * as a table: _path and the members of the first row. */
static int names_of_row(struct query_writer *w, const struct ent_row *row)
{
    size_t ends[2 * (COLUMNS_MAX + 1)];
    struct slice key, seen[COLUMNS_MAX];
    struct json_val v;
    struct json_iter it;
    int n = 1, rc = add_name(w, ends, 0, slice_str("_path"));
    json_iter_init(&it, (struct json_val){JSON_OBJECT, row->json});
    while (rc == 0 && n <= COLUMNS_MAX && json_iter_next(&it, &key, &v)) {
        bool again = slice_eq(key, slice_str("_path"));
        for (int i = 1; i < n; i++)
            again |= slice_eq(seen[i - 1], key);
        if (again)
            continue;
        buf_clear(&w->scratch);
        seen[n - 1] = key;
        rc = json_unescape(key, &w->scratch);
        if (rc == 0)
            rc = add_name(w, ends, n++, slice_buf(&w->scratch));
    }
    return rc < 0 ? rc : take_names(w, ends, n);
}

/* ---- values ---------------------------------------------------------------------------------- */

static int put_json(struct buf *out, const struct query_cell *cell)
{
    if (cell->kind == KIND_NULL)
        return buf_put(out, "null", 4);
    return cell->plain ? json_put_string(out, cell->raw) : buf_put(out, cell->raw.p, cell->raw.n);
}

/* lone: the only value of its line, which is quoted when empty: a blank line is no row. */
static int put_csv(struct buf *out, struct slice s, bool lone)
{
    bool quote = lone && s.n == 0;
    for (size_t i = 0; i < s.n && !quote; i++)
        quote = s.p[i] == '"' || s.p[i] == ',' || s.p[i] == '\n' || s.p[i] == '\r';
    if (!quote)
        return buf_put(out, s.p, s.n);
    int rc = buf_putc(out, '"');
    for (size_t i = 0; i < s.n && rc == 0; i++)
        rc = s.p[i] == '"' ? buf_put(out, "\"\"", 2) : buf_putc(out, s.p[i]);
    return rc < 0 ? rc : buf_putc(out, '"');
}

static int put_tsv(struct buf *out, struct slice s)
{
    int rc = 0;
    for (size_t i = 0; i < s.n && rc == 0; i++) {
        const char *escape = s.p[i] == '\t'   ? "\\t"
                             : s.p[i] == '\n' ? "\\n"
                             : s.p[i] == '\r' ? "\\r"
                             : s.p[i] == '\\' ? "\\\\"
                                              : NULL;
        rc = escape ? buf_put(out, escape, 2) : buf_putc(out, s.p[i]);
    }
    return rc;
}

static int put_separated(struct query_writer *w, struct buf *out, bool first, struct slice s)
{
    bool tsv = w->q->format == FORMAT_TSV;
    int rc = first ? 0 : buf_putc(out, tsv ? '\t' : ',');
    if (rc < 0)
        return rc;
    return tsv ? put_tsv(out, s) : put_csv(out, s, w->n_names == 1);
}

static int put_cell(struct query_writer *w, struct buf *out, bool first,
                    const struct query_cell *cell)
{
    struct query_value v;
    struct slice s = cell->raw;
    if (cell->kind == KIND_NULL)
        s = slice_of("", 0);
    if (cell->kind == KIND_STRING) {
        int rc = query_cell_value(cell, &w->scratch, &v);
        if (rc < 0)
            return rc;
        s = v.s;
    }
    return put_separated(w, out, first, s);
}

/* ---- rows ------------------------------------------------------------------------------------ */

static int write_header(struct query_writer *w, struct buf *out)
{
    int rc = 0;
    for (int i = 0; i < w->n_names && rc == 0; i++)
        rc = put_separated(w, out, i == 0, w->names[i]);
    return rc < 0 ? rc : buf_putc(out, '\n');
}

/* The members that the columns of SELECT * name. */
static int write_members(struct query_writer *w, struct buf *out, const struct ent_row *row)
{
    struct json_val vals[COLUMNS_MAX];
    bool found[COLUMNS_MAX];
    auto_buf path = BUF_INIT;
    int rc = query_put_path(&path, row, w->q->tenant_level), n = w->n_names - 1;
    if (rc == 0)
        rc = put_separated(w, out, true, slice_buf(&path));
    json_members((struct json_val){JSON_OBJECT, row->json}, w->names + 1, n, vals, found);
    for (int i = 0; i < n && rc == 0; i++) {
        struct query_cell cell = {.kind = KIND_NULL};
        if (found[i])
            cell = query_cell_of(vals[i]);
        rc = put_cell(w, out, false, &cell);
    }
    return rc;
}

static int write_table_row(struct query_writer *w, struct buf *out, const struct ent_row *row,
                           const struct query_cell *cells)
{
    int rc = !w->names ? names_of_row(w, row) : 0;
    if (rc == 0 && w->rows == 0)
        rc = write_header(w, out);
    if (rc == 0 && !cells)
        rc = write_members(w, out, row);
    for (int i = 0; cells && i < w->n_names && rc == 0; i++)
        rc = put_cell(w, out, i == 0, &cells[i]);
    return rc < 0 ? rc : buf_putc(out, '\n');
}

static int write_object(struct query_writer *w, struct buf *out, const struct ent_row *row,
                        const struct query_cell *cells)
{
    if (!cells)
        return query_put_row(out, row, w->q->tenant_level, slice_of("", 0));
    int rc = 0;
    for (int i = 0; i < w->n_names && rc == 0; i++) {
        rc = buf_putc(out, i ? ',' : '{');
        if (rc == 0)
            rc = buf_put(out, w->keys[i].p, w->keys[i].n);
        if (rc == 0)
            rc = put_json(out, &cells[i]);
    }
    return rc < 0 ? rc : buf_put(out, "}\n", 2);
}

/* The line break of the row before is written with the comma, for the last row has none. */
static int write_element(struct query_writer *w, struct buf *out, const struct ent_row *row,
                         const struct query_cell *cells)
{
    int rc = buf_puts(out, w->rows ? ",\n" : "[\n");
    if (rc == 0)
        rc = write_object(w, out, row, cells);
    if (rc == 0)
        out->n--;
    return rc;
}

int query_write_row(struct query_writer *w, struct buf *out, const struct ent_row *row,
                    const struct query_cell *cells)
{
    int rc;
    switch (w->q->format) {
    case FORMAT_JSON:
        rc = write_element(w, out, row, cells);
        break;
    case FORMAT_CSV:
    case FORMAT_TSV:
        rc = write_table_row(w, out, row, cells);
        break;
    case FORMAT_IDS:
        rc = buf_put(out, row->id.p, row->id.n);
        if (rc == 0)
            rc = buf_putc(out, '\n');
        break;
    case FORMAT_PATHS:
        rc = query_put_path(out, row, w->q->tenant_level);
        if (rc == 0)
            rc = buf_putc(out, '\n');
        break;
    default:
        rc = write_object(w, out, row, cells);
    }
    w->rows++;
    return rc;
}

int query_write_end(struct query_writer *w, struct buf *out)
{
    if (w->q->format != FORMAT_JSON)
        return 0;
    return buf_puts(out, w->rows ? "\n]\n" : "[]\n");
}
