/* kv_ldbdir.h - what kv_leveldb.c has to know of a database without LevelDB's help: the room on its
 * disk, its write-ahead logs, the meaning of its error texts. Does not include LevelDB.
 *
 * Threads: no state, no locks; any thread. path is the database's directory.
 */
#ifndef REMFS_KV_LDBDIR_H
#define REMFS_KV_LDBDIR_H

#include "store/base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* The absolute name of dir in *out, the caller's to free: the process may change its directory.
 * With create, makes dir; without, a dir that holds no database is ERR_NOTFOUND (LevelDB itself
 * would leave a log and a lock in it). */
int ldbdir_prepare(const char *dir, bool create, char **out);

/* Bytes that an ordinary user may still write; *total is the size of the file system. UINT64_MAX
 * (and *total 0) when it cannot be told: then the attempt itself has to show. */
uint64_t ldbdir_room(const char *path, uint64_t *total);

/* The sum of the sizes of all write-ahead logs. */
int ldbdir_log_bytes(const char *path, uint64_t *bytes);

/* Puts the logs on stable storage; the newest, which LevelDB syncs itself, only if asked to. */
int ldbdir_log_sync(const char *path, bool newest_too);

/* The kind of an error that LevelDB's C interface reports as text. */
enum err_code ldbdir_error_code(const char *path, const char *text);

#endif
