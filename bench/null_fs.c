/* null_fs.c - the floor: a file system that answers at once, from memory, in the shape of a mounted
 * store.
 *
 *     remfs-null-fs MOUNTPOINT [--dir NAME=FILE]… [--size BYTES] [--all BYTES]
 *
 * Each --dir is a directory at the root with one file for each line of FILE. All of them have the
 * same JSON text of --size bytes; `.all.jsonl` in each directory has --all bytes. Caching is as
 * remfs has it: entries and attributes for a day, page caches and listings kept, writers past the
 * cache, no FLUSH for readers, cloned descriptors, as many threads. What a request costs here is
 * what the kernel and libfuse cost; what it costs more on a store is the store's.
 *
 * Made files have a size and no content. Runs in the foreground until unmounted or SIGTERM. It
 * knows nothing of the store.
 *
 * Threads: names and sizes of the given files are constant; made files are guarded by made.lock.
 */
#define FUSE_USE_VERSION 312
#include <fuse3/fuse_lowlevel.h>

#include "store/base/cleanup.h"
#include "store/base/buf.h"

#include <err.h>
#include <fcntl.h>
#include <getopt.h>
#include <uthash.h>

#define DAY 86400.0
#define DIRS_MAX 8
#define MAX_WRITE (1u << 20)
#define INO_DIR 2             /* the directories, from here on */
#define INO_ALL 16            /* their .all.jsonl, from here on */
#define INO_FILE 1024         /* the given files, from here on, directory after directory */
#define INO_MADE (1ull << 32) /* made ones */

struct entry {
    UT_hash_handle hh;
    fuse_ino_t ino;
    char name[];
};

struct dir {
    const char *name;
    struct entry *by_name;
    struct entry **list;
    size_t n;
};

static struct dir dirs[DIRS_MAX];
static int n_dirs;
static char *text;
static size_t text_n = 230, all_n = (size_t)23 << 20;
static char *all_text;

struct made_file {
    UT_hash_handle hh;
    struct {
        fuse_ino_t dir;
        char name[256];
    } key;
    fuse_ino_t ino;
};

static struct {
    pthread_mutex_t lock;
    struct made_file *by_name;
    fuse_ino_t next;
} made = {.lock = PTHREAD_MUTEX_INITIALIZER, .next = INO_MADE};

static struct dir *dir_of(fuse_ino_t ino)
{
    return ino >= INO_DIR && ino < INO_DIR + (fuse_ino_t)n_dirs ? &dirs[ino - INO_DIR] : NULL;
}

/* ---- attributes and names -------------------------------------------------------------------- */

static struct stat stat_of(fuse_ino_t ino)
{
    struct stat st = {.st_ino = ino, .st_nlink = 1, .st_uid = getuid(), .st_gid = getgid()};
    st.st_mtim.tv_sec = st.st_ctim.tv_sec = st.st_atim.tv_sec = 1700000000;
    if (ino == FUSE_ROOT_ID || dir_of(ino)) {
        st.st_mode = S_IFDIR | 0755;
        st.st_nlink = 2;
        return st;
    }
    st.st_mode = S_IFREG | 0644;
    if (ino < INO_FILE)
        st.st_size = 0; /* as a control file: direct I/O finds the end */
    else if (ino < INO_MADE)
        st.st_size = (off_t)text_n;
    else
        st.st_size = 64;
    return st;
}

static struct fuse_entry_param entry_of(fuse_ino_t ino)
{
    return (struct fuse_entry_param){.ino = ino,
                                     .generation = 1,
                                     .attr = stat_of(ino),
                                     .attr_timeout = DAY,
                                     .entry_timeout = DAY};
}

static struct made_file *find_made(fuse_ino_t dir, const char *name)
{
    struct made_file probe = {.key.dir = dir}, *f;
    snprintf(probe.key.name, sizeof probe.key.name, "%s", name);
    HASH_FIND(hh, made.by_name, &probe.key, sizeof probe.key, f);
    return f;
}

static fuse_ino_t find(fuse_ino_t parent, const char *name)
{
    if (parent == FUSE_ROOT_ID) {
        for (int i = 0; i < n_dirs; i++)
            if (strcmp(dirs[i].name, name) == 0)
                return INO_DIR + (fuse_ino_t)i;
        return 0;
    }
    struct dir *d = dir_of(parent);
    if (!d)
        return 0;
    if (strcmp(name, ".all.jsonl") == 0)
        return INO_ALL + (parent - INO_DIR);
    struct entry *e;
    HASH_FIND_STR(d->by_name, name, e);
    if (e)
        return e->ino;
    with_lock(&made.lock);
    struct made_file *f = find_made(parent, name);
    return f ? f->ino : 0;
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    fuse_ino_t ino = find(parent, name);
    struct fuse_entry_param e = {.ino = 0, .entry_timeout = DAY}; /* absence is cached as well */
    if (ino)
        e = entry_of(ino);
    fuse_reply_entry(req, &e);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)fi;
    struct stat st = stat_of(ino);
    fuse_reply_attr(req, &st, DAY);
}

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
                       struct fuse_file_info *fi)
{
    (void)attr, (void)to_set;
    op_getattr(req, ino, fi);
}

/* ---- directories ----------------------------------------------------------------------------- */

static void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino;
    fi->cache_readdir = 1;
    fi->keep_cache = 1;
    fuse_reply_open(req, fi);
}

static size_t add_entry(fuse_req_t req, char *p, size_t room, const char *name, fuse_ino_t ino,
                        off_t next, bool plus)
{
    struct fuse_entry_param e = entry_of(ino);
    return plus ? fuse_add_direntry_plus(req, p, room, name, &e, next)
                : fuse_add_direntry(req, p, room, name, &e.attr, next);
}

static void read_dir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, bool plus)
{
    struct dir *d = dir_of(ino);
    auto_free char *out = malloc(size);
    if (!out || (!d && ino != FUSE_ROOT_ID)) {
        fuse_reply_err(req, out ? ENOTDIR : ENOMEM);
        return;
    }
    size_t at = 0, n = d ? d->n : (size_t)n_dirs;
    for (size_t i = (size_t)off; i < n; i++) {
        const char *name = d ? d->list[i]->name : dirs[i].name;
        fuse_ino_t child = d ? d->list[i]->ino : INO_DIR + i;
        size_t need = add_entry(req, out + at, size - at, name, child, (off_t)i + 1, plus);
        if (need > size - at)
            break;
        at += need;
    }
    fuse_reply_buf(req, out, at);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
                       struct fuse_file_info *fi)
{
    (void)fi;
    read_dir(req, ino, size, off, false);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
                           struct fuse_file_info *fi)
{
    (void)fi;
    read_dir(req, ino, size, off, true);
}

/* ---- files ----------------------------------------------------------------------------------- */

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    bool writes = (fi->flags & O_ACCMODE) != O_RDONLY;
    fi->direct_io = writes || ino < INO_FILE;
    fi->keep_cache = 1;
    fi->noflush = !writes;
    fuse_reply_open(req, fi);
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
                      struct fuse_file_info *fi)
{
    (void)mode;
    struct made_file *f = calloc(1, sizeof *f);
    if (!f || !dir_of(parent)) {
        free(f);
        fuse_reply_err(req, EPERM);
        return;
    }
    f->key.dir = parent;
    snprintf(f->key.name, sizeof f->key.name, "%s", name);
    struct fuse_entry_param e;
    {
        with_lock(&made.lock);
        f->ino = made.next++;
        HASH_ADD(hh, made.by_name, key, sizeof f->key, f);
        e = entry_of(f->ino);
    }
    fi->direct_io = 1;
    fi->keep_cache = 1;
    e.attr_timeout = 0; /* it is about to be written */
    fuse_reply_create(req, &e, fi);
}

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct made_file *f;
    {
        with_lock(&made.lock);
        f = find_made(parent, name);
        if (f)
            HASH_DEL(made.by_name, f);
    }
    fuse_reply_err(req, f ? 0 : EPERM);
    free(f);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
                    struct fuse_file_info *fi)
{
    (void)fi;
    const char *p = ino < INO_FILE ? all_text : text;
    size_t n = ino < INO_FILE ? all_n : text_n;
    size_t at = (uint64_t)off < n ? (size_t)off : n;
    fuse_reply_buf(req, p + at, size < n - at ? size : n - at);
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *p, size_t n, off_t off,
                     struct fuse_file_info *fi)
{
    (void)ino, (void)p, (void)off, (void)fi;
    fuse_reply_write(req, n);
}

static void op_done(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino, (void)fi;
    fuse_reply_err(req, 0);
}

static void want(struct fuse_conn_info *conn, unsigned cap, bool on)
{
    if (on && (conn->capable & cap))
        conn->want |= cap;
    else
        conn->want &= ~cap;
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
    (void)userdata;
    want(conn, FUSE_CAP_ATOMIC_O_TRUNC, true);
    want(conn, FUSE_CAP_READDIRPLUS, true);
    want(conn, FUSE_CAP_READDIRPLUS_AUTO, true);
    want(conn, FUSE_CAP_PARALLEL_DIROPS, true);
    want(conn, FUSE_CAP_WRITEBACK_CACHE, false);
    want(conn, FUSE_CAP_AUTO_INVAL_DATA, false);
    want(conn, FUSE_CAP_EXPLICIT_INVAL_DATA, true);
    conn->max_write = MAX_WRITE;
    conn->max_readahead = MAX_WRITE;
    conn->max_background = 64;
    conn->congestion_threshold = 48;
}

static const struct fuse_lowlevel_ops operations = {
    .init = op_init,
    .lookup = op_lookup,
    .getattr = op_getattr,
    .setattr = op_setattr,
    .opendir = op_opendir,
    .readdir = op_readdir,
    .readdirplus = op_readdirplus,
    .releasedir = op_done,
    .open = op_open,
    .create = op_create,
    .unlink = op_unlink,
    .read = op_read,
    .write = op_write,
    .flush = op_done,
    .release = op_done,
};

/* ---- start ----------------------------------------------------------------------------------- */

static fuse_ino_t add_file(struct dir *d, const char *name, fuse_ino_t ino)
{
    struct entry *e = malloc(sizeof *e + strlen(name) + 1);
    struct entry **list = realloc(d->list, (d->n + 1) * sizeof *list);
    if (!e || !list)
        errx(1, "out of memory");
    e->ino = ino;
    strcpy(e->name, name);
    HASH_ADD_STR(d->by_name, name, e);
    d->list = list;
    d->list[d->n++] = e;
    return ino + 1;
}

/* "NAME=FILE" */
static fuse_ino_t add_dir(char *arg, fuse_ino_t ino)
{
    char *file = strchr(arg, '=');
    if (!file || n_dirs == DIRS_MAX)
        errx(2, "--dir NAME=FILE is expected, at most %d of them", DIRS_MAX);
    *file++ = '\0';
    struct dir *d = &dirs[n_dirs++];
    d->name = arg;
    auto_file FILE *f = fopen(file, "r");
    if (!f)
        err(1, "%s", file);
    auto_free char *line = NULL;
    size_t cap = 0;
    for (ssize_t n; (n = getline(&line, &cap, f)) > 0;) {
        if (line[n - 1] == '\n')
            line[n - 1] = '\0';
        ino = add_file(d, line, ino);
    }
    return ino;
}

static void make_texts(void)
{
    text = malloc(text_n);
    all_text = malloc(all_n ? all_n : 1);
    if (!text || !all_text)
        errx(1, "out of memory");
    memset(text, ' ', text_n);
    text[0] = '{';
    text[text_n - 1] = '\n';
    text[text_n - 2] = '}';
    for (size_t at = 0; at < all_n; at += text_n)
        memcpy(all_text + at, text, text_n < all_n - at ? text_n : all_n - at);
}

static int serve(struct fuse_session *se, const char *mountpoint)
{
    if (fuse_set_signal_handlers(se) != 0 || fuse_session_mount(se, mountpoint) != 0)
        return 1;
    struct fuse_loop_config *cfg = fuse_loop_cfg_create();
    if (!cfg)
        errx(1, "out of memory");
    fuse_loop_cfg_set_clone_fd(cfg, 1);
    fuse_loop_cfg_set_max_threads(cfg, 32);
    fuse_loop_cfg_set_idle_threads(cfg, 8);
    int rc = fuse_session_loop_mt(se, cfg);
    fuse_loop_cfg_destroy(cfg);
    fuse_session_unmount(se);
    return rc < 0;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"dir", required_argument, NULL, 'd'},
                                            {"size", required_argument, NULL, 's'},
                                            {"all", required_argument, NULL, 'a'},
                                            {NULL, 0, NULL, 0}};
    fuse_ino_t ino = INO_FILE;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'd')
            ino = add_dir(optarg, ino);
        else if (c == 's')
            text_n = strtoull(optarg, NULL, 10);
        else if (c == 'a')
            all_n = strtoull(optarg, NULL, 10);
        else
            return 2;
    }
    if (optind + 1 != argc || text_n < 3)
        errx(2, "usage: remfs-null-fs [--dir NAME=FILE]… [--size BYTES] [--all BYTES] MOUNTPOINT");
    make_texts();
    char *fuse_argv[] = {argv[0], (char *)"-ofsname=null,subtype=remfs-null,default_permissions",
                         NULL};
    struct fuse_args args = FUSE_ARGS_INIT(2, fuse_argv);
    struct fuse_session *se = fuse_session_new(&args, &operations, sizeof operations, NULL);
    fuse_opt_free_args(&args);
    if (!se)
        return 1;
    int rc = serve(se, argv[optind]);
    fuse_session_destroy(se);
    return rc;
}
