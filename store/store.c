/* store.c - a store opened and closed: the lock, the engine, the store's own row, the catalogue,
 * the commit queue, the embedder, in this order. See store.h.
 */
#include "store/store_int.h"
#include "store/embed.h"

#include <stdio.h>
#include <sys/statvfs.h>
#include <uuid/uuid.h>

/* ---- the store's own row --------------------------------------------------------------------- */

static int meta_make(struct store *st, struct rec_meta *m)
{
    int64_t now = clock_realtime_ns();
    *m = (struct rec_meta){
        .format = REC_FORMAT,
        .ino_high = STORE_INO_ROOT + 1,
        .version_high = 1,
        .tenant_next = 1,
        .mode = 0755,
        .uid = geteuid(),
        .gid = getegid(),
        .atime = now,
        .mtime = now,
        .ctime = now,
        .btime = now,
    };
    uuid_generate((unsigned char *)m->uuid);
    char v[REC_META_BYTES];
    rec_meta_put(v, m);
    struct kv_batch *b = kv_batch_new(0);
    if (!b)
        return err_set(ERR_NOMEM, "out of memory");
    struct key k = key_meta();
    kv_put(b, key_slice(&k), slice_of(v, sizeof v));
    int rc = kv_commit(st->kv, b, true);
    kv_batch_free(b);
    return rc;
}

static int meta_load(struct store *st, struct rec_meta *m)
{
    auto_buf v = BUF_INIT;
    struct key k = key_meta();
    int rc = kv_get(st->kv, NULL, 0, key_slice(&k), &v);
    if (rc == -ERR_NOTFOUND) {
        if (st->opt.create && !st->opt.read_only)
            return meta_make(st, m);
        return err_set(ERR_NOTFOUND, "no store was made here yet");
    }
    return rc < 0 ? rc : rec_meta_get(slice_buf(&v), m);
}

/* ---- opening --------------------------------------------------------------------------------- */

static int open_engine(struct store *st)
{
    struct kv_options o = {
        .read_only = st->opt.read_only,
        .create = st->opt.create && !st->opt.read_only,
        .cache_bytes = st->opt.cache_bytes,
    };
    if (st->opt.in_memory) {
        o.create = true;
        return kv_open("mem:", &o, &st->kv);
    }
    int rc = store_lock(st->path, &st->opt, &st->lock_fd);
    if (rc < 0)
        return rc;
    auto_free char *url = NULL;
    if (asprintf(&url, "leveldb:%s/db", st->path) < 0) {
        url = NULL;
        return err_set(ERR_NOMEM, "out of memory");
    }
    return err_wrap(kv_open(url, &o, &st->kv), "store %s", st->path);
}

static int open_embedder(struct store *st)
{
    if (strcmp(st->embed_name, "none") == 0)
        return 0;
    return embed_open(st->embed_name, &st->embed);
}

/* Bytes of files that lost their names while they were open, when the last run ended first. */
static int drop_all_orphans(struct store *st)
{
    int rc = 0;
    for (struct cat_dir *t = st->cat.root->children; t && rc == 0; t = t->hh_name.next)
        rc = scratch_drop_orphans(st, t->key.tenant);
    return rc;
}

static int open_all(struct store *st)
{
    struct rec_meta meta;
    int rc = open_engine(st);
    if (rc == 0)
        rc = err_wrap(meta_load(st, &meta), "store %s", st->path ? st->path : "in memory");
    if (rc == 0)
        rc = commit_queue_init(&st->q, &meta);
    if (rc == 0)
        rc = catalog_load(&st->cat, st->kv, &meta);
    if (rc == 0)
        rc = open_embedder(st);
    if (rc == 0 && !st->opt.read_only)
        rc = drop_all_orphans(st);
    return rc;
}

static struct store *store_new(const char *path, const struct store_options *opt)
{
    struct store *st = calloc(1, sizeof *st);
    if (!st)
        return NULL;
    st->opt = *opt;
    st->lock_fd = -1;
    st->opened = clock_realtime_ns();
    st->embed_name = strdup(opt->embed ? opt->embed : "hash");
    st->path = opt->in_memory ? NULL : strdup(path);
    if (!st->embed_name || (!st->path && !opt->in_memory)) {
        free(st->embed_name);
        free(st->path);
        free(st);
        return NULL;
    }
    st->opt.embed = st->embed_name;
    if (!st->opt.entity_max)
        st->opt.entity_max = STORE_ENTITY_MAX_DEFAULT;
    if (!st->opt.query_memory)
        st->opt.query_memory = (size_t)64 << 20;
    return st;
}

int store_open(const char *path, const struct store_options *opt, struct store **out)
{
    static const struct store_options defaults = {.create = true};
    *out = NULL;
    struct store *st = store_new(path, opt ? opt : &defaults);
    if (!st)
        return err_set(ERR_NOMEM, "out of memory");
    int rc = open_all(st);
    if (rc < 0) {
        char msg[ERR_MSG_MAX];
        snprintf(msg, sizeof msg, "%s", err_msg()); /* closing must not put another in its place */
        store_close(st);
        err_restore(msg);
        return rc;
    }
    *out = st;
    return 0;
}

void store_close(struct store *st)
{
    if (!st)
        return;
    if (st->embed)
        embed_close(st->embed);
    catalog_free(&st->cat);
    commit_queue_free(&st->q);
    kv_close(st->kv);
    store_unlock(st->lock_fd);
    free(st->embed_name);
    free(st->path);
    free(st);
}

/* ---- small questions ------------------------------------------------------------------------- */

int store_sync(struct store *st)
{
    return kv_sync(st->kv);
}

bool store_read_only(const struct store *st)
{
    return st->opt.read_only;
}

uint64_t store_entity_max(const struct store *st)
{
    return st->opt.entity_max;
}

struct embedder *store_embedder(struct store *st)
{
    return st->embed;
}

const struct store_options *store_opts(const struct store *st)
{
    return &st->opt;
}

void store_on_change(struct store *st, store_change_fn *fn, void *ctx)
{
    st->on_change = fn;
    st->on_change_ctx = ctx;
}

int store_disk_usage(struct store *st, uint64_t *bytes)
{
    auto_buf text = BUF_INIT;
    return kv_usage(st->kv, bytes, &text);
}

int store_statvfs(struct store *st, struct statvfs *out)
{
    const char *path = st->path ? st->path : "/";
    return statvfs(path, out) < 0 ? err_from_errno(errno, "%s", path) : 0;
}
