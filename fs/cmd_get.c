/* cmd_get.c - `remfs get`: an entity's bytes to stdout. */
#include "fs/cmd.h"
#include "store/base/cleanup.h"

#include <fcntl.h>

static int absent(const struct cmd_path *p)
{
    return err_set(ERR_NOTFOUND, "there is no entity %s/%s/%s", p->tenant, p->type, p->name);
}

static int get_mounted(const struct cmd_place *at, const struct cmd_path *p)
{
    auto_buf path = BUF_INIT;
    char piece[65536];
    ssize_t n;
    int rc = cmd_path_mounted(at, p, p->name, false, &path);
    if (rc < 0)
        return rc;
    auto_fd int fd = open(path.p, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? absent(p) : err_from_errno(errno, "%s", path.p);
    while ((n = read(fd, piece, sizeof piece)) > 0)
        fwrite(piece, 1, (size_t)n, stdout);
    return n < 0 ? err_from_errno(errno, "%s", path.p) : 0;
}

static int get_stored(struct store *st, const struct cmd_path *p)
{
    struct coll c;
    struct file_attr attr;
    auto_buf text = BUF_INIT;
    int rc = cmd_path_coll(st, p, false, &c);
    if (rc == 0)
        rc = store_get(st, c, slice_str(p->name), &text, &attr);
    if (rc == -ERR_NOTFOUND)
        return absent(p);
    if (rc == 0)
        fwrite(text.p, 1, text.n, stdout);
    return rc;
}

int cmd_run_get(struct cmd_args *args)
{
    struct cmd_place at;
    struct cmd_path p;
    if (cmd_path_parse(args->operands[0], 3, 3, &p) < 0)
        return cmd_usage(args, "%s", err_msg());
    int rc = cmd_place_open(args, CMD_READ, &at);
    if (rc == 0)
        rc = at.st ? get_stored(at.st, &p) : get_mounted(&at, &p);
    int code = rc < 0 ? cmd_fail_err() : cmd_flush();
    cmd_place_close(&at);
    return code;
}
