/* err.c - error codes and their message; see err.h. */
#include "err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char message[ERR_MSG_MAX];

int err_vset(enum err_code code, const char *fmt, va_list ap)
{
    char text[ERR_MSG_MAX];
    vsnprintf(text, sizeof text, fmt, ap); /* the arguments may include err_msg() itself */
    memcpy(message, text, strlen(text) + 1);
    return -(int)code;
}

int err_set(enum err_code code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int rc = err_vset(code, fmt, ap);
    va_end(ap);
    return rc;
}

int err_wrap(int rc, const char *fmt, ...)
{
    if (rc >= 0)
        return rc;
    char text[ERR_MSG_MAX];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof text)
        snprintf(text + n, sizeof text - (size_t)n, ": %s", message[0] ? message : err_name(rc));
    memcpy(message, text, strlen(text) + 1);
    return rc;
}

static enum err_code code_of_errno(int errnum)
{
    switch (errnum) {
    case ENOMEM:
        return ERR_NOMEM;
    case ENOSPC:
    case EDQUOT:
        return ERR_NOSPACE;
    case ENOENT:
        return ERR_NOTFOUND;
    case EEXIST:
        return ERR_EXIST;
    case EACCES:
        return ERR_ACCESS;
    case EPERM:
        return ERR_PERM;
    case EROFS:
        return ERR_ROFS;
    case EBUSY:
        return ERR_BUSY;
    case ENOTDIR:
        return ERR_NOTDIR;
    case EISDIR:
        return ERR_ISDIR;
    case ENOTEMPTY:
        return ERR_NOTEMPTY;
    case EINVAL:
        return ERR_INVAL;
    default:
        return ERR_IO;
    }
}

int err_from_errno(int errnum, const char *fmt, ...)
{
    char text[ERR_MSG_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return err_set(code_of_errno(errnum), "%s: %s", text, strerror(errnum));
}

const char *err_msg(void)
{
    return message;
}

void err_restore(const char *msg)
{
    snprintf(message, sizeof message, "%s", msg);
}

const char *err_name(int code)
{
    static const char *const names[ERR_CODES] = {
        [ERR_OK] = "success",
        [ERR_NOMEM] = "out of memory",
        [ERR_INVAL] = "invalid",
        [ERR_NOTFOUND] = "not found",
        [ERR_EXIST] = "exists already",
        [ERR_CONFLICT] = "conflict",
        [ERR_STALE] = "stored version is newer",
        [ERR_TOOBIG] = "too large",
        [ERR_NAMETOOLONG] = "name too long",
        [ERR_NOSPACE] = "disk full",
        [ERR_IO] = "input/output error",
        [ERR_BUSY] = "in use",
        [ERR_TIMEOUT] = "over the time limit",
        [ERR_NOTEMPTY] = "not empty",
        [ERR_ISDIR] = "is a directory",
        [ERR_NOTDIR] = "not a directory",
        [ERR_PERM] = "not permitted",
        [ERR_ACCESS] = "permission denied",
        [ERR_ROFS] = "read-only",
        [ERR_CORRUPT] = "damaged",
        [ERR_UNKNOWN] = "outcome unknown",
        [ERR_CANCELED] = "canceled",
        [ERR_VERSION] = "newer format",
        [ERR_XDEV] = "across stores or tenants",
        [ERR_UNSUPPORTED] = "not supported",
    };
    int c = code < 0 ? -code : code;
    return c < ERR_CODES ? names[c] : "unknown error";
}
