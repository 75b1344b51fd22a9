/* fs.h - the mounted store: what main.c and cmd_mount.c see of the FUSE side.
 *
 * fs.c opens the FUSE session and its loop; the operations are in ops_*.c, control files in
 * ctl_*.c.
 *
 * Threads: one thread makes, runs and frees a struct fs; fs_stop() may come from a signal handler.
 */
#ifndef REMFS_FS_H
#define REMFS_FS_H

#include "store/store.h"

struct fs;

struct fs_options {
    const char *mountpoint; /* absolute */
    const char *source;     /* what /proc/mounts shows as the device: the store's path */
    const char *fuse_opts;  /* further mount options for libfuse, comma separated, or NULL */
    bool debug;             /* libfuse prints every request to stderr */
    bool single_thread;
    bool read_only; /* entities and directories; statements can be written to .query and .search */
    bool list_controls; /* readdir shows .query, .search, .stats and .remfs */
    bool allow_other;   /* always together with default_permissions */
    int64_t cache_ns;   /* entry and attribute timeouts; < 0: the default, a day */
};

/* Mounts; requests are answered once fs_loop() runs. The store is borrowed and outlives it. */
int fs_new(struct store *st, const struct fs_options *opt, struct fs **out);
/* Serves until unmounted or told to stop. ready, when not NULL, is called once the kernel's INIT
 * was answered (the mount answers from then on). 0, or an error. */
int fs_loop(struct fs *fs, void (*ready)(void *ctx), void *ctx);
void fs_stop(struct fs *fs); /* async-signal-safe */
void fs_free(struct fs *fs); /* unmounts if still mounted */

/* -ERR_… to errno; also for positive codes. errmap.c */
int errmap_errno(int rc);

#endif
