/* mountinfo.h - the mounts of remfs that this process sees, from /proc/self/mountinfo.
 *
 * Threads: no state. Errors: 0 or a negative enum err_code.
 */
#ifndef REMFS_MOUNTINFO_H
#define REMFS_MOUNTINFO_H

#include <stdbool.h>

#define MOUNT_ANSWER_MS 5000

struct mount_row {
    const char *target; /* the mount point */
    const char *source; /* what was mounted: the store's path */
    const char *fstype; /* "fuse.remfs" for ours */
};

/* Calls fn for every mount, in the order they were made; stops when fn returns non-zero, and
 * returns that. The row holds only during the call. */
typedef int mount_row_fn(void *ctx, const struct mount_row *row);
int mount_each(mount_row_fn *fn, void *ctx);

/* The uppermost mount at exactly that absolute path: 1 with copies that the caller frees, 0 if
 * there is none. source and fstype may be NULL. */
int mount_at(const char *target, char **source, char **fstype);

bool mount_is_remfs(const char *fstype);

/* Whether the file system at path answers a statvfs within so many milliseconds. Asked in a child
 * process, since a dead file system would keep this one waiting. */
bool mount_answers(const char *path, int timeout_ms);

#endif
