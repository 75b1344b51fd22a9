/* lock.c - the store's directory: made, told from other directories, and held by one process.
 *
 * `path`/lock is locked with flock(2) for as long as the store is open, so that the kernel lets go
 * of it however the process ends; its text says who has it: "pid\nmount point\n". Nothing here
 * opens the engine.
 */
#include "store/store_int.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#define LOCK_TEXT_MAX 4200
#define LOCK_TRIES 1000

struct lock_text {
    pid_t pid; /* 0: none */
    char mountpoint[LOCK_TEXT_MAX];
};

static void lock_read(int fd, struct lock_text *out)
{
    char text[LOCK_TEXT_MAX];
    *out = (struct lock_text){0};
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    if (n <= 0)
        return;
    text[n] = '\0';
    char *end;
    long pid = strtol(text, &end, 10);
    if (end == text || *end != '\n' || pid <= 0)
        return;
    out->pid = (pid_t)pid;
    char *mount = end + 1, *stop = strchr(mount, '\n');
    if (stop)
        *stop = '\0';
    snprintf(out->mountpoint, sizeof out->mountpoint, "%s", mount);
}

static int lock_write(int fd, const char *mountpoint)
{
    char text[LOCK_TEXT_MAX];
    int n = snprintf(text, sizeof text, "%ld\n%s\n", (long)getpid(), mountpoint);
    if (n < 0 || (size_t)n >= sizeof text)
        return err_set(ERR_NAMETOOLONG, "a mount point of %zu bytes", strlen(mountpoint));
    if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)n, 0) != n)
        return err_from_errno(errno, "the store's lock file");
    return 0;
}

/* ---- the directory --------------------------------------------------------------------------- */

static int make_dirs(const char *path)
{
    auto_free char *p = strdup(path);
    if (!p)
        return err_set(ERR_NOMEM, "out of memory");
    for (char *s = p + 1; *s; s++) {
        if (*s != '/')
            continue;
        *s = '\0';
        if (mkdir(p, 0700) < 0 && errno != EEXIST)
            return err_from_errno(errno, "%s", p);
        *s = '/';
    }
    if (mkdir(p, 0700) < 0 && errno != EEXIST)
        return err_from_errno(errno, "%s", p);
    return 0;
}

/* 1: a store, 0: empty, or an error: something else. */
static int dir_kind(const char *path)
{
    DIR *d = opendir(path);
    if (!d)
        return err_from_errno(errno, "%s", path);
    bool other = false, db = false;
    for (struct dirent *e; (e = readdir(d));) {
        const char *n = e->d_name;
        db |= strcmp(n, "db") == 0;
        other |= strcmp(n, ".") != 0 && strcmp(n, "..") != 0 && strcmp(n, "lock") != 0 &&
                 strcmp(n, "db") != 0 && strcmp(n, "lost+found") != 0;
    }
    closedir(d);
    if (db)
        return 1;
    return other ? err_set(ERR_INVAL, "%s holds other things and is not a store", path) : 0;
}

static int dir_ready(const char *path, const struct store_options *opt)
{
    struct stat sb;
    int rc = 0;
    if (stat(path, &sb) < 0) {
        if (errno != ENOENT)
            return err_from_errno(errno, "%s", path);
        if (!opt->create || opt->read_only)
            return err_set(ERR_NOTFOUND, "there is no store at %s", path);
        rc = make_dirs(path);
    } else if (!S_ISDIR(sb.st_mode)) {
        return err_set(ERR_NOTDIR, "%s is not a directory", path);
    }
    if (rc == 0)
        rc = dir_kind(path);
    if (rc == 0 && (!opt->create || opt->read_only))
        return err_set(ERR_NOTFOUND, "there is no store at %s", path);
    return rc < 0 ? rc : 0;
}

/* ---- the lock -------------------------------------------------------------------------------- */

static int busy(const char *path, const struct lock_text *who)
{
    if (who->pid == 0)
        return err_set(ERR_BUSY, "store %s is in use", path);
    if (who->mountpoint[0] == '\0')
        return err_set(ERR_BUSY, "store %s is in use by process %ld", path, (long)who->pid);
    return err_set(ERR_BUSY, "store %s is in use by process %ld (mounted on %s)", path,
                   (long)who->pid, who->mountpoint);
}

/* Somebody who only asks (store_owner()) holds the lock for an instant: then the text names nobody,
 * or somebody who is gone, and another try will do. */
static int lock_take(int fd, const char *path)
{
    struct lock_text who = {0};
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return 0;
        if (errno != EWOULDBLOCK)
            return err_from_errno(errno, "%s/lock", path);
        lock_read(fd, &who);
        if (who.pid && (kill(who.pid, 0) == 0 || errno == EPERM))
            break;
        sched_yield();
    }
    return busy(path, &who);
}

int store_lock(const char *path, const struct store_options *opt, int *out)
{
    int rc = dir_ready(path, opt);
    if (rc < 0)
        return rc;
    auto_free char *file = NULL;
    if (asprintf(&file, "%s/lock", path) < 0) {
        file = NULL;
        return err_set(ERR_NOMEM, "out of memory");
    }
    auto_fd int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_from_errno(errno, "%s", file);
    rc = lock_take(fd, path);
    if (rc == 0)
        rc = lock_write(fd, "");
    if (rc == 0) {
        *out = fd;
        fd = -1;
    }
    return rc;
}

void store_unlock(int fd)
{
    if (fd < 0)
        return;
    /* Without its text nobody is named who is gone; a failure does no harm. */
    if (ftruncate(fd, 0) < 0)
        errno = 0;
    close(fd);
}

int store_owner(const char *path, pid_t *pid, struct buf *mountpoint)
{
    auto_free char *file = NULL;
    struct lock_text who;
    *pid = 0;
    if (asprintf(&file, "%s/lock", path) < 0) {
        file = NULL;
        return err_set(ERR_NOMEM, "out of memory");
    }
    auto_fd int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : err_from_errno(errno, "%s", file);
    if (flock(fd, LOCK_SH | LOCK_NB) == 0)
        return 0; /* nobody; closing lets go */
    lock_read(fd, &who);
    *pid = who.pid;
    return mountpoint ? buf_puts(mountpoint, who.mountpoint) : 0;
}

int store_set_mountpoint(struct store *st, const char *mountpoint)
{
    return st->lock_fd < 0 ? 0 : lock_write(st->lock_fd, mountpoint);
}
