/* kv_mem.c - the engine "mem:": an ordered map in memory, for tests and for trying things out.
 *
 * A persistent treap (R. Seidel, C. Aragon, "Randomized search trees", 1996): a commit copies the
 * nodes on its paths and shares the rest, so that a root, once published, never changes. A snapshot
 * is a reference to a root, and a failed commit is a root that is not published. Priorities are
 * hashes of the keys: the shape depends on the keys alone, at an expected depth of 2 ln n.
 *
 * Threads: commit_lock makes one writer at a time; root_lock guards the pointer `root` only, and is
 * taken inside commit_lock. Nodes and rows are immutable but for their atomic reference counts.
 */
#include "store/kv/kv_engine.h"
#include "store/base/err.h"

#include <stdatomic.h>
#include <xxhash.h>

struct mem_row {
    atomic_uint refs;
    uint32_t klen, vlen;
    char bytes[]; /* key with its tenant, value */
};

struct mem_node {
    atomic_uint refs;
    uint64_t prio;
    struct mem_row *row;
    struct mem_node *left, *right;
};

struct kv_mem {
    struct kv kv;
    pthread_mutex_t commit_lock;
    pthread_mutex_t root_lock;
    struct mem_node *root;
    _Atomic uint64_t bytes; /* keys and values of the newest root */
};

struct kv_snap {
    struct mem_node *root;
};

/* A change under way. After an allocation failed, the tree that comes out is incomplete and has to
 * be dropped; that keeps the recursion below free of error paths. */
struct mem_edit {
    bool no_memory;
    int64_t grown; /* bytes */
};

static struct slice row_key(const struct mem_row *r)
{
    return slice_of(r->bytes, r->klen);
}

static struct slice row_value(const struct mem_row *r)
{
    return slice_of(r->bytes + r->klen, r->vlen);
}

/* ---- references ---- */

static struct mem_row *row_new(struct slice key, struct slice value)
{
    struct mem_row *r = malloc(sizeof *r + key.n + value.n);
    if (!r)
        return NULL;
    atomic_init(&r->refs, 1);
    r->klen = (uint32_t)key.n;
    r->vlen = (uint32_t)value.n;
    memcpy(r->bytes, key.p, key.n);
    if (value.n)
        memcpy(r->bytes + key.n, value.p, value.n);
    return r;
}

static struct mem_row *row_ref(struct mem_row *r)
{
    atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
    return r;
}

static void row_unref(struct mem_row *r)
{
    if (atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) == 1)
        free(r);
}

static struct mem_node *node_ref(struct mem_node *t)
{
    if (t)
        atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

static void node_unref(struct mem_node *t)
{
    if (!t || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1)
        return;
    node_unref(t->left);
    node_unref(t->right);
    row_unref(t->row);
    free(t);
}

/* Takes over row, left and right, also when it fails. */
static struct mem_node *node_new(struct mem_edit *e, uint64_t prio, struct mem_row *row,
                                 struct mem_node *left, struct mem_node *right)
{
    struct mem_node *t = malloc(sizeof *t);
    if (!t) {
        e->no_memory = true;
        row_unref(row);
        node_unref(left);
        node_unref(right);
        return NULL;
    }
    atomic_init(&t->refs, 1);
    t->prio = prio;
    t->row = row;
    t->left = left;
    t->right = right;
    return t;
}

/* ---- the treap: every function borrows its trees and returns new references ---- */

/* Keys below and above key; key itself is in neither. */
static void tree_split(struct mem_edit *e, struct mem_node *t, struct slice key,
                       struct mem_node **below, struct mem_node **above)
{
    struct mem_node *part;
    if (!t) {
        *below = *above = NULL;
        return;
    }
    int c = slice_cmp(key, row_key(t->row));
    if (c == 0) {
        *below = node_ref(t->left);
        *above = node_ref(t->right);
    } else if (c < 0) {
        tree_split(e, t->left, key, below, &part);
        *above = node_new(e, t->prio, row_ref(t->row), part, node_ref(t->right));
    } else {
        tree_split(e, t->right, key, &part, above);
        *below = node_new(e, t->prio, row_ref(t->row), node_ref(t->left), part);
    }
}

/* All keys of a are below those of b. */
static struct mem_node *tree_join(struct mem_edit *e, struct mem_node *a, struct mem_node *b)
{
    if (!a || !b)
        return node_ref(a ? a : b);
    if (a->prio >= b->prio)
        return node_new(e, a->prio, row_ref(a->row), node_ref(a->left), tree_join(e, a->right, b));
    return node_new(e, b->prio, row_ref(b->row), tree_join(e, a, b->left), node_ref(b->right));
}

/* Takes over row. The node of an equal key, if there is one, has the same priority and so is met on
 * the way down before a place further below is chosen. */
static struct mem_node *tree_put(struct mem_edit *e, struct mem_node *t, uint64_t prio,
                                 struct mem_row *row)
{
    int c = t ? slice_cmp(row_key(row), row_key(t->row)) : 0;
    if (t && c == 0) {
        e->grown -= t->row->klen + t->row->vlen;
        return node_new(e, prio, row, node_ref(t->left), node_ref(t->right));
    }
    if (!t || prio > t->prio) {
        struct mem_node *below, *above;
        tree_split(e, t, row_key(row), &below, &above);
        return node_new(e, prio, row, below, above);
    }
    if (c < 0)
        return node_new(e, t->prio, row_ref(t->row), tree_put(e, t->left, prio, row),
                        node_ref(t->right));
    return node_new(e, t->prio, row_ref(t->row), node_ref(t->left),
                    tree_put(e, t->right, prio, row));
}

static const struct mem_row *tree_find(const struct mem_node *t, struct slice key)
{
    while (t) {
        int c = slice_cmp(key, row_key(t->row));
        if (c == 0)
            return t->row;
        t = c < 0 ? t->left : t->right;
    }
    return NULL;
}

/* key is in the tree. */
static struct mem_node *tree_del(struct mem_edit *e, struct mem_node *t, struct slice key)
{
    int c = slice_cmp(key, row_key(t->row));
    if (c == 0) {
        e->grown -= t->row->klen + t->row->vlen;
        return tree_join(e, t->left, t->right);
    }
    if (c < 0)
        return node_new(e, t->prio, row_ref(t->row), tree_del(e, t->left, key), node_ref(t->right));
    return node_new(e, t->prio, row_ref(t->row), node_ref(t->left), tree_del(e, t->right, key));
}

/* ---- reads ---- */

static struct mem_node *mem_root(struct kv_mem *m, struct kv_snap *snap)
{
    if (snap)
        return node_ref(snap->root);
    with_lock(&m->root_lock);
    return node_ref(m->root);
}

static int mem_mget(struct kv *kv, struct kv_snap *snap, uint64_t tenant, const struct slice *keys,
                    int n, struct buf *v, bool *found)
{
    struct mem_node *root = mem_root((struct kv_mem *)kv, snap);
    char key[KV_KEY_BUF];
    int rc = 0;
    for (int i = 0; i < n && rc == 0; i++) {
        const struct mem_row *row = tree_find(root, kv_key_full(key, tenant, keys[i]));
        if (row)
            rc = buf_put(&v[i], row_value(row).p, row->vlen);
        found[i] = row && rc == 0;
    }
    node_unref(root);
    return rc;
}

static int mem_get(struct kv *kv, struct kv_snap *snap, uint64_t tenant, struct slice key,
                   struct buf *v)
{
    bool found = false;
    int rc = mem_mget(kv, snap, tenant, &key, 1, v, &found);
    return rc < 0 || found ? rc : err_set(ERR_NOTFOUND, "no such key");
}

struct mem_scan {
    const struct kv_range *range;
    struct kv_page *page;
    struct slice from;   /* the first key wanted */
    struct slice prefix; /* with the tenant */
    bool full;
};

/* In order from `from` on: 0 to go on, 1 to stop, or an error. */
static int scan_visit(struct mem_scan *s, const struct mem_node *t)
{
    if (!t)
        return 0;
    struct slice key = row_key(t->row);
    if (slice_cmp(key, s->from) >= 0) {
        int rc = scan_visit(s, t->left);
        if (rc != 0)
            return rc;
        if (key.n < s->prefix.n || memcmp(key.p, s->prefix.p, s->prefix.n) != 0)
            return 1;
        if (s->full) {
            s->page->more = true;
            return 1;
        }
        rc = kv_page_add(s->page, s->range, key, row_value(t->row));
        if (rc < 0)
            return rc;
        s->full = rc == 1;
    }
    return scan_visit(s, t->right);
}

static int mem_scan(struct kv *kv, struct kv_snap *snap, uint64_t tenant,
                    const struct kv_range *range, struct kv_page *page)
{
    char from[KV_KEY_BUF], prefix[KV_KEY_BUF];
    struct mem_scan s = {.range = range,
                         .page = page,
                         .from = kv_key_seek(from, tenant, range),
                         .prefix = kv_key_full(prefix, tenant, range->prefix)};
    struct mem_node *root = mem_root((struct kv_mem *)kv, snap);
    int rc = scan_visit(&s, root);
    node_unref(root);
    return rc < 0 ? rc : 0;
}

static int mem_snap_get(struct kv *kv, uint64_t tenant, struct kv_snap **out)
{
    (void)tenant;
    struct kv_snap *s = malloc(sizeof *s);
    if (!s)
        return err_set(ERR_NOMEM, "out of memory for a snapshot");
    s->root = mem_root((struct kv_mem *)kv, NULL);
    *out = s;
    return 0;
}

static void mem_snap_put(struct kv *kv, struct kv_snap *snap)
{
    (void)kv;
    node_unref(snap->root);
    free(snap);
}

/* ---- commits ---- */

/* The tree after one write; borrows t. */
static struct mem_node *mem_apply(struct mem_edit *e, struct mem_node *t, const struct kv_batch *b,
                                  const struct kv_op *op)
{
    struct slice key = kv_op_key(b, op), value = kv_op_value(b, op);
    if (op->kind == KV_OP_DEL)
        return tree_find(t, key) ? tree_del(e, t, key) : node_ref(t);
    struct mem_row *row = row_new(key, value);
    if (!row) {
        e->no_memory = true;
        return NULL;
    }
    e->grown += (int64_t)(key.n + value.n);
    return tree_put(e, t, XXH3_64bits(key.p, key.n), row);
}

static int mem_check(struct mem_node *root, const struct kv_batch *b)
{
    for (int i = 0; i < b->expects.n; i++) {
        const struct kv_op *op = &b->expects.v[i];
        const struct mem_row *row = tree_find(root, kv_op_key(b, op));
        struct slice stored = row ? row_value(row) : slice_of(NULL, 0);
        if (!kv_op_holds(b, op, row ? &stored : NULL))
            return kv_op_conflict(b, op);
    }
    return 0;
}

static void mem_publish(struct kv_mem *m, struct mem_node *root)
{
    struct mem_node *old;
    pthread_mutex_lock(&m->root_lock);
    old = m->root;
    m->root = root;
    pthread_mutex_unlock(&m->root_lock);
    node_unref(old);
}

static int mem_commit(struct kv *kv, const struct kv_batch *b, bool sync)
{
    (void)sync;
    struct kv_mem *m = (struct kv_mem *)kv;
    struct mem_edit e = {0};
    with_lock(&m->commit_lock);
    struct mem_node *root = mem_root(m, NULL);
    int rc = mem_check(root, b);
    for (int i = 0; i < b->writes.n && rc == 0 && !e.no_memory; i++) {
        struct mem_node *next = mem_apply(&e, root, b, &b->writes.v[i]);
        node_unref(root);
        root = next;
    }
    if (e.no_memory)
        rc = err_set(ERR_NOMEM, "out of memory for a batch of %d operations", b->writes.n);
    if (rc < 0) {
        node_unref(root);
        return rc;
    }
    atomic_fetch_add(&m->bytes, (uint64_t)e.grown);
    mem_publish(m, root);
    return 0;
}

/* ---- the rest ---- */

static int mem_open(const char *rest, const struct kv_options *opt, struct kv **out)
{
    if (*rest)
        return err_set(ERR_INVAL, "mem:%s: nothing may follow mem:", rest);
    struct kv_mem *m = calloc(1, sizeof *m);
    if (!m)
        return err_set(ERR_NOMEM, "out of memory for a store");
    m->kv = (struct kv){.ops = &kv_mem_ops,
                        .limits = {KV_MAX_KEY, KV_MAX_VALUE, KV_MAX_BATCH, true},
                        .read_only = opt->read_only};
    pthread_mutex_init(&m->commit_lock, NULL);
    pthread_mutex_init(&m->root_lock, NULL);
    *out = &m->kv;
    return 0;
}

static void mem_close(struct kv *kv)
{
    struct kv_mem *m = (struct kv_mem *)kv;
    node_unref(m->root);
    pthread_mutex_destroy(&m->commit_lock);
    pthread_mutex_destroy(&m->root_lock);
    free(m);
}

static int mem_sync(struct kv *kv)
{
    (void)kv;
    return 0; /* memory is as stable as this engine gets */
}

static int mem_compact(struct kv *kv)
{
    (void)kv;
    return 0; /* freed rows are free already */
}

static int mem_usage(struct kv *kv, uint64_t *bytes, struct buf *text)
{
    struct kv_mem *m = (struct kv_mem *)kv;
    *bytes = atomic_load(&m->bytes);
    if (!text)
        return 0;
    return buf_putf(text, "in memory: %llu bytes of keys and values\n", (unsigned long long)*bytes);
}

const struct kv_ops kv_mem_ops = {
    .scheme = "mem",
    .open = mem_open,
    .close = mem_close,
    .get = mem_get,
    .mget = mem_mget,
    .commit = mem_commit,
    .sync = mem_sync,
    .scan = mem_scan,
    .snap_get = mem_snap_get,
    .snap_put = mem_snap_put,
    .compact = mem_compact,
    .usage = mem_usage,
};
