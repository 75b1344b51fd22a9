/* mountinfo.c - reading /proc/self/mountinfo, and asking a mount whether it answers. Mounts
 * nothing. */
#include "fs/mountinfo.h"
#include "store/base/cleanup.h"
#include "store/base/err.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* \040 and the like, in place. */
static void unescape(char *s)
{
    char *to = s;
    for (; *s; s++) {
        if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
            s[3] >= '0' && s[3] <= '7') {
            *to++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
            s += 3;
        } else {
            *to++ = *s;
        }
    }
    *to = '\0';
}

/* "36 35 98:0 /root /target rw,… tag:1 - fstype source super", proc_pid_mountinfo(5). */
static bool parse_row(char *line, struct mount_row *out)
{
    char *save, *target = NULL;
    char *field = strtok_r(line, " \n", &save);
    for (int i = 0; field && strcmp(field, "-") != 0; i++) {
        if (i == 4)
            target = field;
        field = strtok_r(NULL, " \n", &save);
    }
    char *fstype = field ? strtok_r(NULL, " \n", &save) : NULL;
    char *source = fstype ? strtok_r(NULL, " \n", &save) : NULL;
    if (!target || !source)
        return false;
    unescape(target);
    unescape(source);
    *out = (struct mount_row){.target = target, .source = source, .fstype = fstype};
    return true;
}

int mount_each(mount_row_fn *fn, void *ctx)
{
    auto_file FILE *f = fopen("/proc/self/mountinfo", "re");
    if (!f)
        return err_from_errno(errno, "/proc/self/mountinfo");
    auto_free char *line = NULL;
    size_t cap = 0;
    int rc = 0;
    while (rc == 0 && getline(&line, &cap, f) >= 0) {
        struct mount_row row;
        if (parse_row(line, &row))
            rc = fn(ctx, &row);
    }
    return rc;
}

struct wanted {
    const char *target;
    char *source, *fstype;
};

static int take_if_at(void *ctx, const struct mount_row *row)
{
    struct wanted *w = ctx;
    if (strcmp(row->target, w->target) != 0)
        return 0;
    free(w->source);
    free(w->fstype);
    w->source = strdup(row->source);
    w->fstype = strdup(row->fstype);
    return w->source && w->fstype ? 0 : err_set(ERR_NOMEM, "out of memory");
}

int mount_at(const char *target, char **source, char **fstype)
{
    struct wanted w = {.target = target};
    int rc = mount_each(take_if_at, &w);
    int found = w.source != NULL;
    if (rc < 0 || !source) {
        free(w.source);
        w.source = NULL;
    }
    if (rc < 0 || !fstype) {
        free(w.fstype);
        w.fstype = NULL;
    }
    if (source)
        *source = w.source;
    if (fstype)
        *fstype = w.fstype;
    return rc < 0 ? rc : found;
}

bool mount_is_remfs(const char *fstype)
{
    return fstype && strcmp(fstype, "fuse.remfs") == 0;
}

bool mount_answers(const char *path, int timeout_ms)
{
    pid_t pid = fork();
    if (pid < 0)
        return false;
    if (pid == 0) {
        struct statvfs st; /* stat() may be answered by the kernel alone, from its cache */
        _exit(statvfs(path, &st) == 0 ? 0 : 1);
    }
    auto_fd int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int status = 1, rc;
    do
        rc = poll(&p, 1, timeout_ms);
    while (rc < 0 && errno == EINTR);
    if (fd >= 0 && rc <= 0) {
        kill(pid, SIGKILL); /* a FUSE request waits killably, so that the wait below ends */
        waitpid(pid, &status, 0);
        return false;
    }
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
