/* kv_ldbdir.c - the directory of a LevelDB database, seen from outside; see kv_ldbdir.h. */
#include "store/kv/kv_ldbdir.h"
#include "store/base/cleanup.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define LOGS_MAX 64      /* LevelDB has two at a time, and a few more after a crash */
#define FULL_BYTES 65536 /* a disk with less room than this is taken for full */

struct log_list {
    uint64_t number[LOGS_MAX];
    int n;
    uint64_t newest, bytes;
};

int ldbdir_prepare(const char *dir, bool create, char **out)
{
    auto_free char *current = NULL;
    if (create && mkdir(dir, 0700) < 0 && errno != EEXIST)
        return err_from_errno(errno, "%s", dir);
    auto_free char *path = realpath(dir, NULL);
    if (!path)
        return err_from_errno(errno, "%s", dir);
    if (asprintf(&current, "%s/CURRENT", path) < 0)
        return err_set(ERR_NOMEM, "out of memory");
    if (!create && access(current, F_OK) < 0)
        return errno == ENOENT ? err_set(ERR_NOTFOUND, "%s: no database here", path)
                               : err_from_errno(errno, "%s", current);
    *out = steal(&path);
    return 0;
}

uint64_t ldbdir_room(const char *path, uint64_t *total)
{
    struct statvfs s;
    *total = 0;
    if (statvfs(path, &s) < 0)
        return UINT64_MAX;
    *total = (uint64_t)s.f_blocks * s.f_frsize;
    return (uint64_t)s.f_bavail * s.f_frsize;
}

static bool log_number(const char *name, uint64_t *number)
{
    char *end;
    *number = strtoull(name, &end, 10);
    return end != name && strcmp(end, ".log") == 0;
}

static int log_list(const char *path, struct log_list *logs)
{
    *logs = (struct log_list){.n = 0};
    DIR *d = opendir(path);
    if (!d)
        return err_from_errno(errno, "%s", path);
    for (struct dirent *ent; (ent = readdir(d));) {
        uint64_t number;
        struct stat st;
        if (!log_number(ent->d_name, &number))
            continue;
        if (fstatat(dirfd(d), ent->d_name, &st, 0) == 0)
            logs->bytes += (uint64_t)st.st_size;
        if (number > logs->newest)
            logs->newest = number;
        if (logs->n < LOGS_MAX)
            logs->number[logs->n++] = number;
    }
    closedir(d);
    return 0;
}

int ldbdir_log_bytes(const char *path, uint64_t *bytes)
{
    struct log_list logs;
    int rc = log_list(path, &logs);
    *bytes = logs.bytes;
    return rc;
}

/* A log that is gone meanwhile is in a table, which LevelDB has synced. */
static int log_sync(const char *path, uint64_t number)
{
    auto_free char *name = NULL;
    if (asprintf(&name, "%s/%06llu.log", path, (unsigned long long)number) < 0)
        return err_set(ERR_NOMEM, "out of memory");
    auto_fd int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : err_from_errno(errno, "%s", name);
    return fdatasync(fd) < 0 ? err_from_errno(errno, "sync of %s", name) : 0;
}

int ldbdir_log_sync(const char *path, bool newest_too)
{
    struct log_list logs;
    int rc = log_list(path, &logs);
    for (int i = 0; i < logs.n && rc == 0; i++)
        if (newest_too || logs.number[i] != logs.newest)
            rc = log_sync(path, logs.number[i]);
    return rc;
}

enum err_code ldbdir_error_code(const char *path, const char *text)
{
    static const struct {
        const char *part;
        enum err_code code;
    } map[] = {
        {"No space left on device", ERR_NOSPACE},
        {"Disk quota exceeded", ERR_NOSPACE},
        {"LOCK: Resource temporarily unavailable", ERR_BUSY},
        {"LOCK: already held by process", ERR_BUSY},
        {"does not exist (create_if_missing is false)", ERR_NOTFOUND},
        {"Permission denied", ERR_ACCESS},
        {"Read-only file system", ERR_ROFS},
        {"Cannot allocate memory", ERR_NOMEM},
    };
    uint64_t total;
    if (strncmp(text, "Corruption", 10) == 0)
        return ERR_CORRUPT;
    for (size_t i = 0; i < sizeof map / sizeof map[0]; i++)
        if (strstr(text, map[i].part))
            return map[i].code;
    return ldbdir_room(path, &total) < FULL_BYTES ? ERR_NOSPACE : ERR_IO;
}
