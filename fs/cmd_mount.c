/* cmd_mount.c - `remfs mount`: checks the place, opens the store, serves until unmounted.
 *
 * Everything that a user can get wrong is found before the fork. The store is opened after it.
 */
#include "fs/cmd.h"
#include "fs/daemon.h"
#include "fs/fs.h"
#include "fs/mount_opts.h"
#include "fs/mountinfo.h"
#include "store/base/cleanup.h"
#include "store/base/log.h"

#include <dirent.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

struct mounting {
    bool usage; /* what is wrong is the options */
    struct mount_opts opts;
    struct buf store, target;
    bool foreground, debug, single_thread;
};

/* ---- the mount point ---------------------------------------------------------------------------
 */

static int run_fusermount(const char *target)
{
    pid_t pid = fork();
    if (pid == 0) {
        execlp("fusermount3", "fusermount3", "-u", "-z", "--", target, (char *)NULL);
        _exit(127);
    }
    int status;
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        return err_from_errno(errno, "fusermount3");
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0
                                                         : err_set(ERR_IO, "fusermount3 failed");
}

/* A mount whose server died: cleared away when it is ours and nobody serves it, else explained. */
static int clear_stale(const char *target)
{
    auto_free char *source = NULL;
    auto_free char *fstype = NULL;
    auto_buf where = BUF_INIT;
    pid_t owner = 0;
    int rc = mount_at(target, &source, &fstype);
    if (rc < 0)
        return rc;
    if (rc == 0 || !mount_is_remfs(fstype))
        return err_set(
            ERR_IO, "%s: a %s mount whose server is gone is there; unmount it with: umount -l %s",
            target, rc ? fstype : "FUSE", target);
    if (store_owner(source, &owner, &where) < 0)
        owner = 0;
    const char *w = buf_cstr(&where);
    if (owner && w && strcmp(w, target) == 0)
        return err_set(
            ERR_IO, "%s: process %d serves it but does not answer; unmount it with: umount -l %s",
            target, (int)owner, target);
    rc = geteuid() == 0 ? umount2(target, MNT_DETACH) : run_fusermount(target);
    if (rc < 0)
        return err_set(ERR_IO, "%s: left by a remfs that died; unmount it with: %s %s", target,
                       geteuid() == 0 ? "umount -l" : "fusermount3 -uz", target);
    fprintf(stderr, "remfs: note: %s was left mounted by a remfs that died; it was unmounted\n",
            target);
    return 0;
}

static int check_empty(const char *target)
{
    DIR *d = opendir(target);
    if (!d)
        return err_from_errno(errno, "%s", target);
    struct dirent *e;
    bool empty = true;
    while (empty && (e = readdir(d)) != NULL)
        empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
    closedir(d);
    if (!empty)
        return err_set(ERR_NOTEMPTY, "%s: the mount point is not empty (-o nonempty allows it)",
                       target);
    return 0;
}

static bool is_within(const char *path, const char *dir)
{
    size_t n = strlen(dir);
    if (n == 1)
        return true;
    return strncmp(path, dir, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

static int check_target(struct mounting *m)
{
    const char *target = m->target.p;
    struct stat st;
    struct statvfs vfs; /* stat() alone may be answered from the kernel's cache of a dead mount */
    int rc = statvfs(target, &vfs) < 0 ? errno : 0;
    if (rc == ENOTCONN && (rc = clear_stale(target)) < 0)
        return rc;
    rc = stat(target, &st) < 0 ? errno : 0;
    if (rc == ENOENT)
        return err_set(ERR_NOTFOUND, "%s: the mount point does not exist (mkdir it first)", target);
    if (rc)
        return err_from_errno(rc, "%s", target);
    if (!S_ISDIR(st.st_mode))
        return err_set(ERR_NOTDIR, "%s: the mount point is not a directory", target);
    auto_free char *source = NULL;
    auto_free char *fstype = NULL;
    rc = mount_at(target, &source, &fstype);
    if (rc < 0)
        return rc;
    if (rc == 1 && mount_is_remfs(fstype))
        return err_set(ERR_BUSY, "%s: the store %s is mounted there already", target, source);
    if (is_within(m->store.p, target))
        return err_set(ERR_INVAL, "the store %s is inside the mount point %s, and would be hidden",
                       m->store.p, target);
    return m->opts.nonempty ? 0 : check_empty(target);
}

/* ---- who may -----------------------------------------------------------------------------------
 */

static bool fuse_conf_allows(void)
{
    auto_file FILE *f = fopen("/etc/fuse.conf", "re");
    char line[256], word[32];
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, " %31s", word) == 1 && strcmp(word, "user_allow_other") == 0)
            return true;
    return false;
}

static int check_rights(const struct mounting *m)
{
    if (access("/dev/fuse", F_OK) < 0)
        return err_set(ERR_IO, "/dev/fuse is missing: load the fuse module (modprobe fuse)");
    if (m->opts.allow_other && geteuid() != 0 && !fuse_conf_allows())
        return err_set(ERR_ACCESS, "allow_other needs the line user_allow_other in /etc/fuse.conf");
    return 0;
}

static int check_store_free(const struct mounting *m)
{
    pid_t owner;
    auto_buf where = BUF_INIT;
    int rc = store_owner(m->store.p, &owner, &where);
    if (rc < 0 || owner == 0)
        return 0; /* opening it says what is wrong, or makes it */
    const char *w = buf_cstr(&where);
    if (w && *w)
        return err_set(ERR_BUSY, "store %s is in use by process %d (mounted on %s)", m->store.p,
                       (int)owner, w);
    return err_set(ERR_BUSY, "store %s is in use by process %d", m->store.p, (int)owner);
}

/* ---- serving
 * ------------------------------------------------------------------------------------- */

static int serve_store(const struct mounting *m, struct store *st, struct daemon_state *d)
{
    struct fs_options opt = {
        .mountpoint = m->target.p,
        .source = m->store.p,
        .fuse_opts = m->opts.pass.n ? m->opts.pass.p : NULL,
        .debug = m->debug,
        .single_thread = m->single_thread,
        .read_only = m->opts.read_only,
        .list_controls = m->opts.list_controls,
        .allow_other = m->opts.allow_other,
        .cache_ns = m->opts.attr_timeout_ns,
    };
    struct fs *fs;
    int rc = fs_new(st, &opt, &fs);
    if (rc < 0)
        return rc;
    rc = daemon_signals_start(fs);
    if (rc == 0)
        rc = fs_loop(fs, daemon_ready, d);
    daemon_signals_end();
    fs_free(fs);
    return rc;
}

static int serve(const struct mounting *m, struct daemon_state *d)
{
    struct store_options opt = {
        .read_only = m->opts.read_only,
        .create = !m->opts.read_only,
        .sync = m->opts.sync,
        .entity_max = m->opts.entity_max,
        .cache_bytes = m->opts.cache_bytes,
        .query_timeout_ns = m->opts.query_timeout_ns,
        .query_memory = m->opts.query_memory,
        .embed = m->opts.embed,
    };
    struct store *st;
    int rc = store_open(m->store.p, &opt, &st);
    if (rc < 0)
        return rc;
    rc = serve_store(m, st, d);
    store_close(st);
    return rc;
}

static int prepare(struct cmd_args *args, struct mounting *m)
{
    const char *text = args->mount_options.n ? buf_cstr(&args->mount_options) : "";
    const char *target = args->operands[args->n - 1];
    int rc = text ? mount_opts_parse(text, &m->opts) : err_set(ERR_NOMEM, "out of memory");
    m->usage = rc == -ERR_INVAL;
    if (rc < 0)
        return rc;
    m->debug = m->opts.debug || cmd_value(args, "debug");
    m->foreground = m->debug || cmd_value(args, "foreground");
    m->single_thread = cmd_value(args, "single-thread");
    rc = cmd_resolve(target, &m->target);
    if (rc == 0)
        rc = cmd_store_path(args, args->n == 2 ? args->operands[0] : NULL, &m->store);
    if (rc == 0)
        rc = check_rights(m);
    if (rc == 0)
        rc = check_target(m);
    if (rc == 0)
        rc = check_store_free(m);
    return rc;
}

static void mounting_free(struct mounting *m)
{
    mount_opts_free(&m->opts);
    buf_free(&m->store);
    buf_free(&m->target);
}

int cmd_run_mount(struct cmd_args *args)
{
    __attribute__((__cleanup__(mounting_free))) struct mounting m = {.opts = MOUNT_OPTS_INIT};
    struct daemon_state d = {.pipe = -1};
    if (args->n == 2 && args->store)
        return cmd_usage(args, "the store is named twice: %s and --store %s", args->operands[0],
                         args->store);
    int rc = prepare(args, &m);
    if (rc < 0) {
        cmd_fail_err();
        return m.usage ? CMD_USAGE : CMD_FAILED;
    }
    if (m.foreground)
        log_open("remfs", m.debug ? LOG_LVL_DEBUG : LOG_LVL_WARN, 0);
    else if ((rc = daemon_fork(&d)) < 0)
        return cmd_fail_err();
    rc = daemon_signals_block();
    if (rc == 0)
        rc = serve(&m, &d);
    if (rc < 0)
        daemon_fail(&d);
    return rc < 0 ? CMD_FAILED : CMD_OK;
}
