/* err.h - the one currency for errors: 0, or a negative enum err_code, with a message beside it.
 *
 * The message lives in the calling thread, is at most ERR_MSG_MAX - 1 bytes, and holds until the
 * next err_set() on that thread; err_wrap() puts context in front of it on the way up. Nothing here
 * knows errno values of FUSE: fs/errmap.c turns codes into them. Engines and libraries convert at
 * their own edge (err_from_errno() for system calls).
 *
 * Threads: every function works on the caller's own thread only.
 */
#ifndef REMFS_BASE_ERR_H
#define REMFS_BASE_ERR_H

#include <stdarg.h>

enum err_code {
    ERR_OK = 0,
    ERR_NOMEM,       /* memory, or a limit on it */
    ERR_INVAL,       /* not JSON, a bad name, a bad statement */
    ERR_NOTFOUND,    /* no such key, entity, type, tenant */
    ERR_EXIST,       /* it is there already */
    ERR_CONFLICT,    /* a precondition of a batch did not hold: read again, retry */
    ERR_STALE,       /* version_field: the stored version is newer */
    ERR_TOOBIG,      /* over a limit on size */
    ERR_NAMETOOLONG, /* over a limit on the length of a name */
    ERR_NOSPACE,     /* the disk is full */
    ERR_IO,          /* the disk, or another thing outside, failed */
    ERR_BUSY,        /* in use */
    ERR_TIMEOUT,     /* over a limit on time */
    ERR_NOTEMPTY,    /* the directory holds something */
    ERR_ISDIR,
    ERR_NOTDIR,
    ERR_PERM,        /* never allowed */
    ERR_ACCESS,      /* not allowed to this user */
    ERR_ROFS,        /* read-only */
    ERR_CORRUPT,     /* stored bytes that do not make sense */
    ERR_UNKNOWN,     /* the outcome of a commit is not known */
    ERR_CANCELED,    /* the reader went away */
    ERR_VERSION,     /* the format on disk is newer than this program */
    ERR_XDEV,        /* not within one file system / tenant */
    ERR_UNSUPPORTED, /* not offered here */
    ERR_CODES
};

#define ERR_MSG_MAX 1024

/* Sets the message and returns -code. */
int err_set(enum err_code code, const char *fmt, ...) __attribute__((format(printf, 2, 3), cold));
int err_vset(enum err_code code, const char *fmt, va_list ap) __attribute__((cold));

/* Puts "<context>: " in front of the message; returns rc unchanged. A no-op for rc >= 0. */
int err_wrap(int rc, const char *fmt, ...) __attribute__((format(printf, 2, 3), cold));

/* "<context>: <strerror>" with the matching code (ENOSPC: ERR_NOSPACE, else ERR_IO, …). */
int err_from_errno(int errnum, const char *fmt, ...) __attribute__((format(printf, 2, 3), cold));

/* The message of this thread's last error; "" if there was none. Valid until the next err_set(). */
const char *err_msg(void);

/* Replaces the message without a code (for handing a message from one thread to another). */
void err_restore(const char *msg);

/* "not found", "disk full", …: a constant string for a code or its negative. */
const char *err_name(int code);

#endif
