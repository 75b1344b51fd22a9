/* stats.c - what `.stats` shows: counters of a type, a tenant or the store as a JSON object.
 *
 * Reads the catalogue and asks the engine for its size; writes nothing.
 */
#include "store/store_int.h"
#include "store/embed.h"
#include "store/json.h"

#include <stdio.h>
#include <uuid/uuid.h>

static int put_number(struct buf *out, const char *name, uint64_t v)
{
    return buf_putf(out, "  \"%s\": %llu,\n", name, (unsigned long long)v);
}

static int put_counts(struct buf *out, struct coll c, const struct store_counts *n)
{
    int rc = 0;
    if (!c.tenant)
        rc = put_number(out, "tenants", n->tenants);
    if (rc == 0 && !c.type)
        rc = put_number(out, "types", n->types);
    if (rc == 0)
        rc = put_number(out, "entities", n->entities);
    if (rc == 0)
        rc = put_number(out, "bytes", n->bytes);
    if (rc == 0)
        rc = put_number(out, "drafts", n->drafts);
    if (rc == 0)
        rc = put_number(out, "scratch_files", n->scratch);
    return rc < 0 ? rc : put_number(out, "scratch_bytes", n->scratch_bytes);
}

static int put_name(struct buf *out, const char *key, const char *name)
{
    int rc = buf_putf(out, "  \"%s\": ", key);
    if (rc == 0)
        rc = json_put_string(out, slice_str(name));
    return rc < 0 ? rc : buf_puts(out, ",\n");
}

/* "types": {"a": 3, …}, or "tenants_by_name", with the entities of each. */
struct children {
    struct store *st;
    struct buf *out;
    int n;
};

static int put_child(void *ctx, const struct dir_attr *attr)
{
    struct children *c = ctx;
    uint64_t entities = 0;
    if (ent_count(c->st, attr->coll, &entities) < 0)
        return 0; /* removed since it was listed */
    int rc = buf_puts(c->out, c->n++ ? ",\n    " : "\n    ");
    if (rc == 0)
        rc = json_put_string(c->out, slice_str(attr->name));
    return rc < 0 ? rc : buf_putf(c->out, ": %llu", (unsigned long long)entities);
}

static int put_children(struct store *st, const struct dir_attr *dir, struct buf *out)
{
    struct children c = {st, out, 0};
    int rc = buf_putf(out, "  \"entities_by_%s\": {", dir->coll.tenant ? "type" : "tenant");
    if (rc == 0)
        rc = store_dir_list(st, dir->ino, 0, put_child, &c);
    return rc < 0 ? rc : buf_puts(out, c.n ? "\n  },\n" : "},\n");
}

/* The row that it is in changes under this lock. */
static void put_uuid(struct store *st, char out[37])
{
    with_rdlock(&st->cat.lock);
    uuid_unparse_lower((const unsigned char *)st->q.meta.uuid, out);
}

static int put_store(struct store *st, struct buf *out)
{
    auto_buf engine = BUF_INIT;
    uint64_t bytes = 0;
    char uuid[37];
    put_uuid(st, uuid);
    int rc = kv_usage(st->kv, &bytes, &engine);
    if (rc == 0)
        rc = put_name(out, "uuid", uuid);
    if (rc == 0)
        rc = put_number(out, "disk_bytes", bytes);
    if (rc == 0)
        rc = put_number(out, "commits", atomic_load(&st->q.commits));
    if (rc == 0)
        rc = put_number(out, "changes", atomic_load(&st->q.changes));
    if (rc == 0)
        rc = buf_puts(out, "  \"engine\": ");
    if (rc == 0)
        rc = json_put_string(out, slice_buf(&engine));
    return rc < 0 ? rc : buf_puts(out, ",\n");
}

static int put_embedder(struct store *st, struct buf *out)
{
    int rc = buf_puts(out, "  \"embedder\": ");
    if (rc == 0)
        rc = json_put_string(out, slice_str(st->embed ? embed_name(st->embed) : "none"));
    if (rc == 0)
        rc = buf_putf(out, ",\n  \"dimensions\": %d\n", st->embed ? embed_dim(st->embed) : 0);
    return rc;
}

static int put_all(struct store *st, const struct dir_attr *dir, struct buf *out)
{
    struct coll c = dir->coll;
    struct store_counts n;
    char tenant[STORE_NAME_MAX + 1];
    int rc = store_counts(st, c, &n);
    if (rc == 0)
        rc = buf_puts(out, "{\n");
    ent_tenant_name(st, c.tenant, tenant);
    if (rc == 0 && c.tenant)
        rc = put_name(out, "tenant", tenant);
    if (rc == 0 && c.type)
        rc = put_name(out, "type", dir->name);
    if (rc == 0)
        rc = put_counts(out, c, &n);
    if (rc == 0 && !c.type)
        rc = put_children(st, dir, out);
    if (rc == 0 && !c.tenant)
        rc = put_store(st, out);
    if (rc == 0)
        rc = put_embedder(st, out);
    return rc < 0 ? rc : buf_puts(out, "}\n");
}

int store_stats_json(struct store *st, struct coll c, struct buf *out)
{
    struct dir_attr dir;
    size_t before = out->n;
    int rc = store_coll_attr(st, c, &dir);
    if (rc == 0)
        rc = put_all(st, &dir, out);
    if (rc < 0)
        out->n = before;
    return rc;
}
