/* inode.c - the table of files that the kernel knows; see inode.h. It calls neither the store nor
 * FUSE. */
#include "fs/inode.h"
#include "store/base/clock.h"
#include "store/base/cleanup.h"

#include <stdlib.h>
#include <uthash.h>
#include <utlist.h>
#include <xxhash.h>

struct node_writer { /* lives in the write handle */
    struct node_writer *next;
    int64_t *mtime;
};

struct node {
    UT_hash_handle hh; /* by nodeid */
    uint64_t nodeid, ino;
    struct coll coll;
    uint64_t lookups;
    uint64_t version;        /* of the content, as last seen */
    uint64_t cached_version; /* what the kernel's page cache may hold; 0: nothing yet */
    uint32_t readers;        /* open through the page cache */
    uint32_t writers;        /* open for writing (an entity) */
    uint32_t scratch;        /* open scratch handles */
    uint8_t kind;
    bool gone, parted, told_beside;
    struct file_attr *pinned; /* of the version that readers have; gone or parted: what remains */
    struct blob *text;        /* of the current version, kept; NULL: not */
    struct node *text_prev, *text_next; /* in the list of those that keep one, latest last */
    struct node_writer *writer_list;
    char *name;
};

struct moved { /* the current node of a file whose own number is held by an older node */
    UT_hash_handle hh;
    uint64_t ino;
    struct node *node;
};

struct reservation { /* a file that a thread was sent to look up again */
    struct reservation *next;
    uint64_t ino;
    pid_t pid;
    int64_t until; /* monotonic ns */
};

struct listing {
    UT_hash_handle hh;
    uint64_t dir_ino, changes;
    unsigned lookups; /* since the last opendir */
};

#define WALK_LOOKUPS 64
#define RESERVE_NS 1000000000

#define ABSENT_BITS (1u << 20)

struct inodes {
    pthread_mutex_t lock;
    struct node *nodes;
    struct moved *moved;
    struct reservation *reservations; /* few, and short-lived */
    struct listing *listings;
    struct node *texts;
    size_t text_bytes;
    uint64_t next_parted;
    uint64_t absent[ABSENT_BITS / 64];
};

struct inodes *inodes_new(void)
{
    struct inodes *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    pthread_mutex_init(&t->lock, NULL);
    t->next_parted = INO_PARTED_BASE;
    return t;
}

struct blob *blob_new(struct slice text)
{
    struct blob *b = malloc(sizeof *b + text.n);
    if (!b)
        return NULL;
    atomic_init(&b->refs, 1);
    b->n = text.n;
    if (text.n)
        memcpy(b->text, text.p, text.n);
    return b;
}

void blob_put(struct blob *b)
{
    if (atomic_fetch_sub(&b->refs, 1) == 1)
        free(b);
}

static void node_drop_text(struct inodes *t, struct node *n)
{
    if (!n->text)
        return;
    DL_DELETE2(t->texts, n, text_prev, text_next);
    t->text_bytes -= n->text->n;
    blob_put(n->text);
    n->text = NULL;
}

static void node_free(struct node *n)
{
    if (n->text) /* the table goes as a whole */
        blob_put(n->text);
    free(n->name);
    free(n->pinned);
    free(n);
}

void inodes_free(struct inodes *t)
{
    if (!t)
        return;
    struct node *n, *nt;
    HASH_ITER(hh, t->nodes, n, nt)
    {
        HASH_DEL(t->nodes, n);
        node_free(n);
    }
    struct moved *m, *mt;
    HASH_ITER(hh, t->moved, m, mt)
    {
        HASH_DEL(t->moved, m);
        free(m);
    }
    struct reservation *r, *rt;
    LL_FOREACH_SAFE(t->reservations, r, rt)
    {
        free(r);
    }
    struct listing *l, *lt;
    HASH_ITER(hh, t->listings, l, lt)
    {
        HASH_DEL(t->listings, l);
        free(l);
    }
    pthread_mutex_destroy(&t->lock);
    free(t);
}

static struct node *find(struct inodes *t, uint64_t nodeid)
{
    struct node *n;
    HASH_FIND(hh, t->nodes, &nodeid, sizeof nodeid, n);
    return n;
}

/* The node that a look-up of this file leads to now. */
static struct node *find_current(struct inodes *t, uint64_t ino)
{
    struct moved *m;
    HASH_FIND(hh, t->moved, &ino, sizeof ino, m);
    if (m)
        return m->node;
    struct node *n = find(t, ino);
    return n && !n->parted ? n : NULL;
}

static void set_name(struct node *n, struct coll c, struct slice name)
{
    char *copy = malloc(name.n + 1);
    if (!copy)
        return; /* the old name stays: operations on it answer ENOENT, nothing worse */
    memcpy(copy, name.p, name.n);
    copy[name.n] = '\0';
    free(n->name);
    n->name = copy;
    n->coll = c;
}

/* Takes away the thread's own reservation and those that have run out; true if others are left. */
static bool reserved_by_others(struct inodes *t, uint64_t ino, pid_t pid)
{
    struct reservation *r, *tmp;
    bool others = false;
    int64_t now = t->reservations ? clock_mono_ns() : 0;
    LL_FOREACH_SAFE(t->reservations, r, tmp)
    {
        if (r->until < now || (r->ino == ino && r->pid == pid)) {
            LL_DELETE(t->reservations, r);
            free(r);
        } else if (r->ino == ino) {
            others = true;
        }
    }
    return others;
}

static void reserve(struct inodes *t, uint64_t ino, pid_t pid)
{
    struct reservation *r = calloc(1, sizeof *r);
    if (!r)
        return; /* at worst the opener sees ESTALE */
    *r = (struct reservation){NULL, ino, pid, clock_mono_ns() + RESERVE_NS};
    LL_PREPEND(t->reservations, r);
}

static struct node *node_new(struct inodes *t, struct coll c, struct slice name,
                             const struct file_attr *attr)
{
    struct node *n = calloc(1, sizeof *n);
    if (!n)
        return NULL;
    set_name(n, c, name);
    if (!n->name) {
        free(n);
        return NULL;
    }
    n->ino = attr->ino;
    n->nodeid = attr->ino;
    if (find(t, n->nodeid)) { /* its own number is taken by readers of an older version */
        struct moved *m = calloc(1, sizeof *m);
        if (!m) {
            node_free(n);
            return NULL;
        }
        n->nodeid = t->next_parted++;
        m->ino = n->ino;
        m->node = n;
        HASH_ADD(hh, t->moved, ino, sizeof m->ino, m);
    }
    HASH_ADD(hh, t->nodes, nodeid, sizeof n->nodeid, n);
    return n;
}

int inodes_lookup(struct inodes *t, struct coll c, struct slice name, const struct file_attr *attr,
                  uint64_t *nodeid, bool *writing)
{
    with_lock(&t->lock);
    struct node *n = find_current(t, attr->ino);
    if (!n) {
        n = node_new(t, c, name, attr);
        if (!n)
            return err_set(ERR_NOMEM, "out of memory");
    }
    if (attr->version > n->version)
        n->version = attr->version;
    n->kind = attr->kind;
    n->lookups++;
    *nodeid = n->nodeid;
    *writing = n->writers > 0;
    n->told_beside |= *writing;
    return 0;
}

static void forget_moved(struct inodes *t, struct node *n)
{
    struct moved *m;
    HASH_FIND(hh, t->moved, &n->ino, sizeof n->ino, m);
    if (m && m->node == n) {
        HASH_DEL(t->moved, m);
        free(m);
    }
}

static void drop_if_unused(struct inodes *t, struct node *n)
{
    if (n->lookups || n->readers || n->writers || n->scratch)
        return;
    forget_moved(t, n);
    node_drop_text(t, n);
    HASH_DEL(t->nodes, n);
    node_free(n);
}

void inodes_forget(struct inodes *t, uint64_t nodeid, uint64_t count)
{
    with_lock(&t->lock);
    struct node *n = find(t, nodeid);
    if (!n)
        return; /* a directory or a control file */
    n->lookups = n->lookups > count ? n->lookups - count : 0;
    drop_if_unused(t, n);
}

bool inodes_ref(struct inodes *t, uint64_t nodeid, struct file_ref *out)
{
    with_lock(&t->lock);
    struct node *n = find(t, nodeid);
    if (!n)
        return false;
    out->nodeid = nodeid;
    out->ino = n->ino;
    out->coll = n->coll;
    out->kind = n->kind;
    out->gone = n->gone;
    out->parted = n->parted;
    out->writing = n->writers > 0;
    out->has_pinned = n->pinned != NULL;
    if (n->pinned)
        out->pinned = *n->pinned;
    out->name_len = strlen(n->name);
    memcpy(out->name, n->name, out->name_len + 1);
    return true;
}

static void pin(struct node *n, const struct file_attr *attr)
{
    if (n->pinned == attr)
        return;
    if (!n->pinned)
        n->pinned = malloc(sizeof *n->pinned);
    if (n->pinned)
        *n->pinned = *attr;
}

static void keep_text(struct inodes *t, struct node *n, struct blob *b)
{
    while (t->texts && t->text_bytes + b->n > INODES_TEXT_BYTES)
        node_drop_text(t, t->texts);
    atomic_fetch_add(&b->refs, 1);
    n->text = b;
    t->text_bytes += b->n;
    DL_APPEND2(t->texts, n, text_prev, text_next);
}

struct blob *inodes_text(struct inodes *t, uint64_t nodeid, struct file_attr *attr)
{
    with_lock(&t->lock);
    struct node *n = find(t, nodeid);
    if (!n || !n->text || !n->pinned || n->parted)
        return NULL;
    *attr = *n->pinned;
    atomic_fetch_add(&n->text->refs, 1);
    return n->text;
}

void inodes_keep_text(struct inodes *t, uint64_t nodeid, struct blob *b,
                      const struct file_attr *attr, const atomic_ulong *changes,
                      unsigned long stamp)
{
    if (b->n > INODES_TEXT_MAX)
        return;
    with_lock(&t->lock);
    struct node *n = find(t, nodeid);
    if (!n || n->text || n->gone || n->parted || atomic_load(changes) != stamp)
        return;
    pin(n, attr);
    if (!n->pinned)
        return;
    keep_text(t, n, b);
}

void inodes_drop_text(struct inodes *t, uint64_t ino)
{
    with_lock(&t->lock);
    struct node *n = find_current(t, ino);
    if (n)
        node_drop_text(t, n);
}

void inodes_open_read(struct inodes *t, uint64_t nodeid, pid_t pid, const struct file_attr *attr,
                      bool fresh, bool *keep, bool *direct)
{
    with_lock(&t->lock);
    struct node *n = find(t, nodeid);
    *keep = false;
    *direct = true;
    if (!n || reserved_by_others(t, n->ino, pid) || n->writers || n->parted || n->gone || !fresh)
        return;
    *keep = n->cached_version == attr->version;
    if (n->readers && !*keep)
        return; /* another reader's version is in the page cache, and this one is newer */
    *direct = false;
    n->cached_version = attr->version;
    n->readers++;
    if (!n->text)     /* kept text: it is pinned already */
        pin(n, attr); /* what remains should the file part from this node */
}

void inodes_close_read(struct inodes *t, uint64_t nodeid, bool direct)
{
    if (direct)
        return;
    with_lock(&t->lock);
    struct node *n = find(t, nodeid);
    if (n) {
        n->readers--;
        drop_if_unused(t, n);
    }
}

/* Its readers pinned the attributes of their version when they opened it. */
static void part(struct inodes *t, struct node *n)
{
    n->parted = true;
    node_drop_text(t, n);
    forget_moved(t, n);
}

void inodes_reserve(struct inodes *t, uint64_t ino, pid_t pid, bool writer)
{
    with_lock(&t->lock);
    struct node *n = find_current(t, ino);
    if (writer && n && n->readers && n->pinned && !n->gone)
        part(t, n); /* now, since the writer comes back only once */
    reserved_by_others(t, ino, pid);
    reserve(t, ino, pid);
}

bool inodes_open_write(struct inodes *t, uint64_t nodeid, pid_t pid, int64_t *mtime_override)
{
    with_lock(&t->lock);
    struct node *n = find(t, nodeid);
    if (!n)
        return true;
    reserved_by_others(t, n->ino, pid);
    if (n->parted || n->readers) {
        if (!n->parted && !n->gone)
            part(t, n);
        return false;
    }
    struct node_writer *w = calloc(1, sizeof *w);
    if (w) {
        w->mtime = mtime_override;
        LL_PREPEND(n->writer_list, w);
    }
    n->writers++;
    n->cached_version = 0;
    return true;
}

void inodes_close_write(struct inodes *t, uint64_t nodeid, int64_t *mtime_override)
{
    with_lock(&t->lock);
    struct node *n = find(t, nodeid);
    if (!n)
        return;
    struct node_writer *w, *wt;
    LL_FOREACH_SAFE(n->writer_list, w, wt)
    {
        if (w->mtime == mtime_override) {
            LL_DELETE(n->writer_list, w);
            free(w);
        }
    }
    n->writers--;
    n->cached_version = 0;
    drop_if_unused(t, n);
}

void inodes_told_beside(struct inodes *t, uint64_t nodeid)
{
    with_lock(&t->lock);
    struct node *n = find(t, nodeid);
    if (n)
        n->told_beside = true;
}

bool inodes_take_told_beside(struct inodes *t, uint64_t nodeid)
{
    with_lock(&t->lock);
    struct node *n = find(t, nodeid);
    bool told = n && n->told_beside;
    if (told)
        n->told_beside = false;
    return told;
}

void inodes_set_mtime(struct inodes *t, uint64_t nodeid, int64_t mtime)
{
    with_lock(&t->lock);
    struct node *n = find(t, nodeid);
    if (!n)
        return;
    struct node_writer *w;
    LL_FOREACH(n->writer_list, w)
    {
        __atomic_store_n(w->mtime, mtime, __ATOMIC_RELAXED);
    }
}

void inodes_open_scratch(struct inodes *t, uint64_t nodeid)
{
    with_lock(&t->lock);
    struct node *n = find(t, nodeid);
    if (n)
        n->scratch++;
}

void inodes_close_scratch(struct inodes *t, uint64_t nodeid, bool *drop)
{
    with_lock(&t->lock);
    struct node *n = find(t, nodeid);
    *drop = false;
    if (!n)
        return;
    n->scratch--;
    *drop = n->gone && n->scratch == 0;
    drop_if_unused(t, n);
}

bool inodes_scratch_open(struct inodes *t, uint64_t ino)
{
    with_lock(&t->lock);
    struct node *n = find_current(t, ino);
    return n && n->scratch > 0;
}

void inodes_renamed(struct inodes *t, struct coll c, struct slice name,
                    const struct file_attr *attr)
{
    with_lock(&t->lock);
    struct node *n = find_current(t, attr->ino);
    if (!n)
        return;
    set_name(n, c, name);
    node_drop_text(t, n);
    n->kind = attr->kind;
    n->version = attr->version;
}

void inodes_gone(struct inodes *t, const struct file_attr *last, struct blob *text,
                 uint64_t version)
{
    with_lock(&t->lock);
    struct node *n = find_current(t, last->ino);
    if (n) {
        n->gone = true;
        node_drop_text(t, n);
        pin(n, last);
    }
    if (n && text && version == last->version)
        keep_text(t, n, text);
    if (text)
        blob_put(text);
}

bool inodes_known(struct inodes *t, uint64_t ino)
{
    with_lock(&t->lock);
    return find_current(t, ino) != NULL;
}

enum inode_stale inodes_replaced(struct inodes *t, uint64_t ino, uint64_t *nodeid)
{
    with_lock(&t->lock);
    struct node *n = find_current(t, ino);
    if (!n) /* parted, and not looked up since: the kernel may still lead the name to the old node
             */
        return find(t, ino) ? STALE_ENTRY : STALE_NONE;
    *nodeid = n->nodeid;
    node_drop_text(t, n);
    if (!n->readers)
        return STALE_ATTR;
    part(t, n);
    return STALE_ENTRY;
}

static uint32_t absent_bit(uint64_t dir_ino, struct slice name)
{
    return (uint32_t)(XXH3_64bits_withSeed(name.p, name.n, dir_ino) & (ABSENT_BITS - 1));
}

void inodes_note_absent(struct inodes *t, uint64_t dir_ino, struct slice name)
{
    uint32_t b = absent_bit(dir_ino, name);
    __atomic_fetch_or(&t->absent[b / 64], UINT64_C(1) << b % 64, __ATOMIC_SEQ_CST);
}

bool inodes_maybe_absent(struct inodes *t, uint64_t dir_ino, struct slice name)
{
    uint32_t b = absent_bit(dir_ino, name);
    return __atomic_load_n(&t->absent[b / 64], __ATOMIC_SEQ_CST) >> b % 64 & 1;
}

bool inodes_listing_current(struct inodes *t, uint64_t dir_ino, uint64_t changes)
{
    with_lock(&t->lock);
    struct listing *l;
    HASH_FIND(hh, t->listings, &dir_ino, sizeof dir_ino, l);
    if (!l) {
        l = calloc(1, sizeof *l);
        if (!l)
            return false;
        l->dir_ino = dir_ino;
        l->changes = changes;
        l->lookups = WALK_LOOKUPS + 1;
        HASH_ADD(hh, t->listings, dir_ino, sizeof l->dir_ino, l);
        return false;
    }
    bool same = l->changes == changes;
    l->changes = changes;
    l->lookups = same ? 0 : WALK_LOOKUPS + 1;
    return same;
}

bool inodes_listing_walked(struct inodes *t, uint64_t dir_ino)
{
    with_lock(&t->lock);
    struct listing *l;
    HASH_FIND(hh, t->listings, &dir_ino, sizeof dir_ino, l);
    return l && l->lookups <= WALK_LOOKUPS && l->lookups++ == WALK_LOOKUPS;
}

size_t inodes_count(struct inodes *t)
{
    with_lock(&t->lock);
    return HASH_COUNT(t->nodes);
}
