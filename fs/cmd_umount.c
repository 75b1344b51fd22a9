/* cmd_umount.c - `remfs umount`: unmounts, and waits until the store is free for the next command.
 */
#include "fs/cmd.h"
#include "fs/mountinfo.h"
#include "store/base/cleanup.h"

#include <poll.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define TIMEOUT_DEFAULT_S 30

/* 0, or an error whose message is for the user. */
static int unmount_as_root(const char *target, bool lazy)
{
    if (umount2(target, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) == 0)
        return 0;
    if (errno == EBUSY)
        return err_set(ERR_BUSY,
                       "%s is in use: a process has a file open or its directory there "
                       "(fuser -vm %s shows them; --lazy detaches it now)",
                       target, target);
    return err_from_errno(errno, "%s", target);
}

/* fusermount3 is setuid; it prints its own message. */
static int unmount_as_user(const char *target, bool lazy)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        execlp("fusermount3", "fusermount3", lazy ? "-uz" : "-u", "--", target, (char *)NULL);
        _exit(127);
    }
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        return err_from_errno(errno, "fusermount3");
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return err_set(ERR_IO, "fusermount3 is missing (package fuse3)");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return err_set(ERR_IO, "%s could not be unmounted", target);
    return 0;
}

/* Until the process has ended, and with it its hold on the store. */
static int wait_for_end(int pidfd, pid_t pid, const char *store, int timeout_s)
{
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    int64_t until = clock_mono_ns() + (int64_t)timeout_s * 1000000000;
    for (;;) {
        int64_t left = (until - clock_mono_ns()) / 1000000;
        int rc = poll(&p, 1, left > 0 ? (int)left : 0);
        if (rc > 0)
            return 0;
        if (rc == 0)
            return err_set(ERR_TIMEOUT,
                           "unmounted, but process %d still has the store %s after %d s", (int)pid,
                           store, timeout_s);
        if (errno != EINTR)
            return err_from_errno(errno, "poll");
    }
}

static int parse_timeout(const char *text)
{
    char *end;
    if (!text)
        return TIMEOUT_DEFAULT_S;
    long n = strtol(text, &end, 10);
    return *text && !*end && n >= 0 && n <= 86400 ? (int)n : -1;
}

static int unmount(const char *path, bool lazy, int timeout_s)
{
    auto_buf target = BUF_INIT;
    auto_buf where = BUF_INIT;
    auto_free char *source = NULL;
    auto_free char *fstype = NULL;
    pid_t owner = 0;
    int rc = cmd_resolve(path, &target);
    if (rc == 0)
        rc = mount_at(target.p, &source, &fstype);
    if (rc < 0)
        return rc;
    if (rc == 0 || !mount_is_remfs(fstype))
        return err_set(ERR_INVAL, "%s is not a mount point of remfs", target.p);
    /* Of another process: this mount was left by one that died, and there is nothing to wait for.
     */
    const char *w = store_owner(source, &owner, &where) == 0 ? buf_cstr(&where) : NULL;
    bool served = w && owner > 0 && strcmp(w, target.p) == 0;
    auto_fd int pidfd = served ? (int)syscall(SYS_pidfd_open, owner, 0) : -1;
    rc = geteuid() == 0 ? unmount_as_root(target.p, lazy) : unmount_as_user(target.p, lazy);
    if (rc == 0 && pidfd >= 0)
        rc = wait_for_end(pidfd, owner, source, timeout_s);
    return rc;
}

int cmd_run_umount(struct cmd_args *args)
{
    int timeout_s = parse_timeout(cmd_value(args, "timeout"));
    if (timeout_s < 0)
        return cmd_usage(args, "--timeout: expected a number of seconds");
    int rc = unmount(args->operands[0], cmd_value(args, "lazy"), timeout_s);
    return rc < 0 ? cmd_fail_err() : CMD_OK;
}
