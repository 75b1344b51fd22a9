/* cmd_put.c - `remfs put`: a file or stdin becomes an entity, whole or not at all. */
#include "fs/cmd.h"
#include "store/base/cleanup.h"

#include <fcntl.h>
#include <sys/stat.h>

static int read_all(const char *name, uint64_t max, struct buf *out)
{
    bool from_stdin = !name || strcmp(name, "-") == 0;
    auto_fd int fd = from_stdin ? dup(STDIN_FILENO) : open(name, O_RDONLY | O_CLOEXEC);
    const char *shown = from_stdin ? "standard input" : name;
    char piece[65536];
    ssize_t n = 0;
    if (fd < 0)
        return err_from_errno(errno, "%s", shown);
    while ((n = read(fd, piece, sizeof piece)) > 0 || (n < 0 && errno == EINTR)) {
        if (n > 0 && buf_put(out, piece, (size_t)n) < 0)
            return err_set(ERR_NOMEM, "%s: out of memory", shown);
        if (max && out->n > max)
            return err_set(ERR_TOOBIG, "%s: an entity has at most %llu bytes", shown,
                           (unsigned long long)max);
    }
    if (n < 0)
        return err_from_errno(errno, "%s", shown);
    return out->n ? 0 : err_set(ERR_INVAL, "%s is empty: an entity is a JSON object", shown);
}

static int write_and_close(int fd, struct slice text)
{
    int saved = 0;
    while (text.n > 0 && !saved) {
        ssize_t n = write(fd, text.p, text.n);
        if (n < 0 && errno != EINTR)
            saved = errno;
        if (n > 0)
            text = slice_of(text.p + n, text.n - (size_t)n);
    }
    if (close(fd) < 0 && !saved)
        saved = errno;
    return saved;
}

static int put_mounted(const struct cmd_place *at, const struct cmd_path *p, struct slice text)
{
    auto_buf path = BUF_INIT;
    int rc = cmd_path_mounted(at, p, p->name, true, &path);
    if (rc < 0)
        return rc;
    bool made = true;
    int fd = open(path.p, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 && errno == EEXIST) {
        made = false;
        fd = open(path.p, O_WRONLY | O_TRUNC | O_CLOEXEC);
    }
    if (fd < 0)
        return err_from_errno(errno, "%s", path.p);
    int errnum = write_and_close(fd, text);
    if (!errnum)
        return 0;
    rc = cmd_mount_error(at, p, p->name, errnum);
    if (made) { /* the draft that the open made, unless somebody has filled it since */
        auto_free char *message = strdup(err_msg());
        struct stat st;
        if (stat(path.p, &st) == 0 && st.st_size == 0)
            unlink(path.p);
        err_restore(message ? message : "");
    }
    return rc;
}

static int put_stored(struct store *st, const struct cmd_path *p, struct slice text)
{
    struct coll c;
    struct file_attr attr;
    mode_t mask = umask(0);
    umask(mask);
    int rc = cmd_path_coll(st, p, true, &c);
    if (rc == 0)
        rc = store_put(st, c, slice_str(p->name), text, 0666 & ~mask, geteuid(), getegid(), &attr);
    return rc;
}

int cmd_run_put(struct cmd_args *args)
{
    struct cmd_place at;
    struct cmd_path p;
    auto_buf text = BUF_INIT;
    if (cmd_path_parse(args->operands[0], 3, 3, &p) < 0)
        return cmd_usage(args, "%s", err_msg());
    int rc = cmd_place_open(args, CMD_WRITE, &at);
    if (rc == 0)
        rc = read_all(args->n == 2 ? args->operands[1] : NULL, at.st ? store_entity_max(at.st) : 0,
                      &text);
    if (rc == 0)
        rc = at.st ? put_stored(at.st, &p, slice_buf(&text))
                   : put_mounted(&at, &p, slice_buf(&text));
    int code = rc < 0 ? cmd_fail_err() : CMD_OK;
    cmd_place_close(&at);
    return code;
}
