/* fs.c - the FUSE session: capabilities, the table of operations, the loop. No operation is here. */
#include "fs/fs_int.h"
#include "fs/ctl.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

#define TTL_DEFAULT_NS (INT64_C(86400) * 1000000000) /* remfs is the only writer: a day */
#define MAX_WRITE (1u << 20)

void reply_rc(fuse_req_t req, int rc)
{
    if (rc < 0)
        log_debug("%s", err_msg());
    fuse_reply_err(req, errmap_errno(rc));
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
    struct fs *fs = userdata;
    want(conn, FUSE_CAP_ATOMIC_O_TRUNC, true);
    want(conn, FUSE_CAP_READDIRPLUS, true);
    want(conn, FUSE_CAP_READDIRPLUS_AUTO, true);
    want(conn, FUSE_CAP_PARALLEL_DIROPS, true);
    want(conn, FUSE_CAP_EXPORT_SUPPORT, false);
    want(conn, FUSE_CAP_WRITEBACK_CACHE, false);
    want(conn, FUSE_CAP_HANDLE_KILLPRIV, false); /* the kernel clears set-id bits, through setattr */
    /* A page cache belongs to one version of a file (inode.h), so only an open decides on it. */
    want(conn, FUSE_CAP_AUTO_INVAL_DATA, false);
    want(conn, FUSE_CAP_EXPLICIT_INVAL_DATA, true);
    conn->max_write = MAX_WRITE;
    conn->max_readahead = MAX_WRITE;
    conn->max_background = 64;
    conn->congestion_threshold = 48;
    if (fs->ready) /* the reply to INIT follows at once; what comes before it waits in the kernel */
        fs->ready(fs->ready_ctx);
}

static const struct fuse_lowlevel_ops operations = {
    .init = op_init,
    .lookup = op_lookup,
    .forget = op_forget,
    .forget_multi = op_forget_multi,
    .getattr = op_getattr,
    .setattr = op_setattr,
    .statfs = op_statfs,
    .access = op_access,
    .getxattr = op_getxattr,
    .setxattr = op_setxattr,
    .listxattr = op_listxattr,
    .removexattr = op_removexattr,
    .mkdir = op_mkdir,
    .rmdir = op_rmdir,
    .unlink = op_unlink,
    .rename = op_rename,
    .symlink = op_symlink,
    .link = op_link,
    .mknod = op_mknod,
    .opendir = op_opendir,
    .readdir = op_readdir,
    .readdirplus = op_readdirplus,
    .releasedir = op_releasedir,
    .fsyncdir = op_fsyncdir,
    .create = op_create,
    .open = op_open,
    .read = op_read,
    .write = op_write,
    .flush = op_flush,
    .fsync = op_fsync,
    .release = op_release,
};

static int add_arg(struct fuse_args *args, const char *fmt, const char *value)
{
    auto_buf b = BUF_INIT;
    for (const char *p = fmt; *p; p++) {
        if (*p != '%') {
            if (buf_putc(&b, *p) < 0)
                return -ERR_NOMEM;
            continue;
        }
        for (const char *v = value; *v; v++) { /* libfuse splits options at commas */
            if ((*v == ',' || *v == '\\') && buf_putc(&b, '\\') < 0)
                return -ERR_NOMEM;
            if (buf_putc(&b, *v) < 0)
                return -ERR_NOMEM;
        }
    }
    const char *s = buf_cstr(&b);
    return s && fuse_opt_add_arg(args, s) == 0 ? 0 : err_set(ERR_NOMEM, "out of memory");
}

static int session_args(struct fuse_args *args, const struct fs_options *opt)
{
    int rc = add_arg(args, "remfs", "");
    if (rc == 0)
        rc = add_arg(args, "-osubtype=remfs,default_permissions", "");
    if (rc == 0)
        rc = add_arg(args, "-ofsname=%", opt->source ? opt->source : "remfs");
    if (rc == 0 && opt->allow_other)
        rc = add_arg(args, "-oallow_other", "");
    if (rc == 0 && opt->debug)
        rc = add_arg(args, "-d", "");
    if (rc == 0 && opt->fuse_opts && *opt->fuse_opts)
        rc = fuse_opt_add_arg(args, "-o") == 0 && fuse_opt_add_arg(args, opt->fuse_opts) == 0
                 ? 0
                 : err_set(ERR_NOMEM, "out of memory");
    return rc;
}

static int fs_parts_new(struct fs *fs)
{
    fs->inodes = inodes_new();
    fs->errors = errors_new();
    fs->sessions = sessions_new();
    if (!fs->inodes || !fs->errors || !fs->sessions)
        return err_set(ERR_NOMEM, "out of memory");
    return 0;
}

int fs_new(struct store *st, const struct fs_options *opt, struct fs **out)
{
    struct fs *fs = calloc(1, sizeof *fs);
    if (!fs)
        return err_set(ERR_NOMEM, "out of memory");
    fs->st = st;
    fs->ttl = (double)(opt->cache_ns < 0 ? TTL_DEFAULT_NS : opt->cache_ns) / 1e9;
    fs->read_only = opt->read_only || store_read_only(st);
    fs->debug = opt->debug;
    fs->list_controls = opt->list_controls;
    fs->single_thread = opt->single_thread;
    fs->mounted_at = clock_realtime_ns();
    fs->mountpoint = strdup(opt->mountpoint);
    struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
    int rc = fs_parts_new(fs);
    if (rc == 0)
        rc = session_args(&args, opt);
    if (rc == 0 && !(fs->se = fuse_session_new(&args, &operations, sizeof operations, fs)))
        rc = err_set(ERR_INVAL, "libfuse refused the mount options");
    fuse_opt_free_args(&args);
    if (rc == 0 && fuse_session_mount(fs->se, opt->mountpoint) != 0)
        rc = err_set(ERR_IO, "cannot mount on %s", opt->mountpoint);
    if (rc == 0) {
        fs->mounted = true;
        fs->notifier = notifier_new(fs);
        if (!fs->notifier)
            rc = err_set(ERR_NOMEM, "cannot start a thread");
    }
    if (rc < 0) {
        fs_free(fs);
        return rc;
    }
    store_on_change(st, ctl_insert_changed, fs);
    store_set_mountpoint(st, opt->mountpoint);
    *out = fs;
    return 0;
}

int fs_loop(struct fs *fs, void (*ready)(void *ctx), void *ctx)
{
    fs->ready = ready;
    fs->ready_ctx = ctx;
    int rc;
    if (fs->single_thread) {
        rc = fuse_session_loop(fs->se);
    } else {
        struct fuse_loop_config *cfg = fuse_loop_cfg_create();
        if (!cfg)
            return err_set(ERR_NOMEM, "out of memory");
        fuse_loop_cfg_set_clone_fd(cfg, 1);
        fuse_loop_cfg_set_max_threads(cfg, 32); /* slow queries must not keep `ls` waiting */
        fuse_loop_cfg_set_idle_threads(cfg, 8);
        rc = fuse_session_loop_mt(fs->se, cfg);
        fuse_loop_cfg_destroy(cfg);
    }
    if (rc < 0 && rc != -EINTR && rc != -ENODEV)
        return err_from_errno(-rc, "serving %s", fs->mountpoint);
    return 0; /* a positive count is the signal that ended the loop */
}

void fs_stop(struct fs *fs)
{
    fuse_session_exit(fs->se);
}

void fs_free(struct fs *fs)
{
    if (!fs)
        return;
    if (fs->mounted)
        fuse_session_unmount(fs->se);
    notifier_free(fs->notifier);
    store_on_change(fs->st, NULL, NULL);
    if (fs->se)
        fuse_session_destroy(fs->se);
    inodes_free(fs->inodes);
    errors_free(fs->errors);
    sessions_free(fs->sessions);
    free(fs->mountpoint);
    free(fs);
}
