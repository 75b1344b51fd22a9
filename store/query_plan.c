/* query_plan.c - how a statement is going to be answered; see query_plan.h.
 *
 * It reads no rows. There are two ways to rows: a scan in order of ids, and reading single entities
 * where the filter can only be true of known ids.
 */
#include "store/query_plan.h"
#include "store/base/err.h"

#include <stdio.h>

/* An error at the name after FROM; 1 when that may be half a name. */
static int from_error(const struct query *q, const char *fmt, const char *type)
{
    struct lexer lex = {.text = q->text, .hit_end = q->from_open};
    struct token at = {.type = TOKEN_WORD, .src = q->from_src};
    char shown[TOKEN_SHOW_MAX], what[256];
    snprintf(what, sizeof what, fmt, type);
    return lexer_fail(&lex, &at, "FROM %s: %s", token_show(&at, shown), what);
}

int query_resolve_type(struct store *st, struct coll asked, const struct query *q, struct coll *out)
{
    char name[STORE_NAME_MAX + 1];
    *out = asked;
    if (!q->has_from)
        return 0;
    if (asked.type) {
        ent_type_name(st, asked, name);
        if (!q->from_all && slice_eq(q->from, slice_str(name)))
            return 0;
        return from_error(q,
                          "this .query is that of the type %s (for others: the .query in the "
                          "directory above)",
                          name);
    }
    if (q->from_all)
        return 0;
    int rc = ent_type_by_name(st, asked.tenant, q->from, &out->type);
    return rc == -ERR_NOTFOUND ? from_error(q, "there is no such type%s", "") : rc;
}

/* Only _id: an entity's own member may be another id. */
static bool ids_of_node(const struct query_node *node, const struct query *q,
                        struct query_plan *plan)
{
    if (node->negated || (node->op != OP_CMP && node->op != OP_IN))
        return false;
    const struct query_field *f = q->where_fields.v[node->slot];
    if (f->n != 1 || f->virt != V_ID || f->own_first)
        return false;
    if (node->op == OP_IN) {
        plan->ids = node->set->strings;
        plan->n_ids = node->set->n_strings;
        return true;
    }
    plan->ids = &node->value->s;
    plan->n_ids = node->value->kind == KIND_STRING;
    return node->cmp == CMP_EQ;
}

static void choose_access(const struct query *q, struct query_plan *plan)
{
    const struct query_node *node = q->where;
    if (!node || plan->coll.type == 0)
        return;
    bool ids = false;
    if (node->op == OP_AND)
        for (int i = 0; i < node->n_kids && !ids; i++)
            ids = ids_of_node(node->kids[i], q, plan);
    else if (node->op != OP_OR && node->op != OP_NOT)
        ids = ids_of_node(node, q, plan);
    plan->access = ids ? ACCESS_IDS : ACCESS_SCAN;
}

/* Rows come in order of ids within a type, which is what ties are broken by: the keys from _id on
 * decide nothing more. */
static void choose_sort(const struct query *q, struct query_plan *plan)
{
    plan->n_order = q->n_order;
    for (int i = 0; i < q->n_order && plan->coll.type; i++) {
        const struct query_field *f = q->out_fields.v[q->order[i].slot];
        if (f->n == 1 && f->virt == V_ID && !f->own_first && !q->order[i].desc) {
            plan->n_order = i;
            break;
        }
    }
    plan->sort = plan->n_order > 0;
    plan->keep = UINT64_MAX;
    if (q->has_limit && q->limit <= INT64_MAX && q->offset <= INT64_MAX)
        plan->keep = q->limit + q->offset;
}

int query_plan_make(struct store *st, struct coll asked, const struct query *q,
                    struct query_plan *plan)
{
    *plan = (struct query_plan){.groups = q->aggregated};
    int rc = query_resolve_type(st, asked, q, &plan->coll);
    if (rc != 0)
        return rc < 0 ? rc : -ERR_INVAL;
    choose_access(q, plan);
    if (!plan->groups)
        choose_sort(q, plan);
    return 0;
}

/* ---- EXPLAIN --------------------------------------------------------------------------------- */

/* ,"name":"text" */
static int put_member(struct buf *out, const char *name, struct slice text)
{
    int rc = buf_putf(out, ",\"%s\":", name);
    return rc < 0 ? rc : json_put_string(out, text);
}

static int put_access(const struct query_plan *plan, const struct query *q, struct store *st,
                      const struct query_counts *counts, struct buf *out)
{
    char name[STORE_NAME_MAX + 1] = "*";
    if (plan->coll.type)
        ent_type_name(st, plan->coll, name);
    bool ids = plan->access == ACCESS_IDS;
    int rc = buf_putf(out, "{\"step\":\"%s\"", ids ? "read ids" : "scan");
    if (rc == 0)
        rc = put_member(out, "type", slice_str(name));
    if (rc == 0 && ids)
        rc = buf_putf(out, ",\"ids\":%d", plan->n_ids);
    if (rc == 0)
        rc = buf_putf(out, ",\"rows_read\":%llu}\n", (unsigned long long)counts->read);
    if (rc < 0 || !q->where)
        return rc;
    rc = buf_puts(out, "{\"step\":\"filter\"");
    if (rc == 0)
        rc = put_member(out, "where", q->where_text);
    if (rc == 0)
        rc = buf_putf(out, ",\"rows_kept\":%llu}\n", (unsigned long long)counts->kept);
    return rc;
}

static int put_groups(const struct query_plan *plan, const struct query *q, struct buf *out)
{
    if (!plan->groups)
        return 0;
    return buf_putf(out, "{\"step\":\"%s\",\"fields\":%d,\"columns\":%d}\n",
                    q->n_group ? "group" : "aggregate", q->n_group, q->n_items);
}

static int put_order(const struct query_plan *plan, const struct query *q, struct buf *out)
{
    if (!q->n_order || (plan->groups && !q->n_group))
        return 0;
    const char *how = plan->groups               ? "groups in memory"
                      : !plan->sort              ? "rows come in this order"
                      : plan->keep == UINT64_MAX ? "all rows in memory"
                                                 : "heap";
    int rc = buf_puts(out, "{\"step\":\"sort\"");
    if (rc == 0)
        rc = put_member(out, "by", q->order_text);
    if (rc == 0)
        rc = put_member(out, "how", slice_str(how));
    if (rc == 0 && plan->sort && plan->keep != UINT64_MAX)
        rc = buf_putf(out, ",\"rows_held\":%llu", (unsigned long long)plan->keep);
    return rc < 0 ? rc : buf_puts(out, "}\n");
}

int query_plan_put(const struct query_plan *plan, const struct query *q, struct store *st,
                   const struct query_counts *counts, struct buf *out)
{
    int rc = put_access(plan, q, st, counts, out);
    if (rc == 0)
        rc = put_groups(plan, q, out);
    if (rc == 0)
        rc = put_order(plan, q, out);
    if (rc == 0 && (q->has_limit || q->offset)) {
        rc = buf_puts(out, "{\"step\":\"limit\"");
        if (rc == 0 && q->has_limit)
            rc = buf_putf(out, ",\"limit\":%llu", (unsigned long long)q->limit);
        if (rc == 0)
            rc = buf_putf(out, ",\"offset\":%llu}\n", (unsigned long long)q->offset);
    }
    if (rc == 0)
        rc = buf_putf(out, "{\"step\":\"answer\",\"rows\":%llu}\n",
                      (unsigned long long)counts->rows);
    return rc;
}
