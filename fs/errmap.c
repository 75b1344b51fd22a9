/* errmap.c - the store's error codes to errno, in one place; contract section 9. */
#include "fs/fs.h"

#include <errno.h>

int errmap_errno(int rc)
{
    static const int map[ERR_CODES] = {
        [ERR_OK] = 0,
        [ERR_NOMEM] = ENOMEM,
        [ERR_INVAL] = EINVAL,
        [ERR_NOTFOUND] = ENOENT,
        [ERR_EXIST] = EEXIST,
        [ERR_CONFLICT] = EAGAIN,
        [ERR_STALE] = ESTALE,
        [ERR_TOOBIG] = EFBIG,
        [ERR_NAMETOOLONG] = ENAMETOOLONG,
        [ERR_NOSPACE] = ENOSPC,
        [ERR_IO] = EIO,
        [ERR_BUSY] = EBUSY,
        [ERR_TIMEOUT] = ETIMEDOUT,
        [ERR_NOTEMPTY] = ENOTEMPTY,
        [ERR_ISDIR] = EISDIR,
        [ERR_NOTDIR] = ENOTDIR,
        [ERR_PERM] = EPERM,
        [ERR_ACCESS] = EACCES,
        [ERR_ROFS] = EROFS,
        [ERR_CORRUPT] = EIO,
        [ERR_UNKNOWN] = EIO,
        [ERR_CANCELED] = EINTR,
        [ERR_VERSION] = EIO,
        [ERR_XDEV] = EXDEV,
        [ERR_UNSUPPORTED] = EOPNOTSUPP,
    };
    int c = rc < 0 ? -rc : rc;
    return c < ERR_CODES ? map[c] : EIO;
}
