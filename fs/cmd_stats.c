/* cmd_stats.c - `remfs stats`: counts and sizes of a store, a tenant or a type, as a JSON object.
 */
#include "fs/cmd.h"
#include "store/base/cleanup.h"

#include <fcntl.h>

static int stats_mounted(const struct cmd_place *at, const struct cmd_path *p)
{
    auto_buf path = BUF_INIT;
    char piece[8192];
    ssize_t n;
    int rc;
    if (p->tenant[0])
        rc = cmd_path_mounted(at, p, ".stats", false, &path);
    else
        rc = buf_putf(&path, "%s/.remfs/stats.json", at->root.p) < 0 || !buf_cstr(&path)
                 ? err_set(ERR_NOMEM, "out of memory")
                 : 0;
    if (rc < 0)
        return rc;
    auto_fd int fd = open(path.p, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_from_errno(errno, "%s", path.p);
    while ((n = read(fd, piece, sizeof piece)) > 0)
        fwrite(piece, 1, (size_t)n, stdout);
    return n < 0 ? err_from_errno(errno, "%s", path.p) : 0;
}

static int stats_stored(struct store *st, const struct cmd_path *p)
{
    struct coll c = {0, 0};
    auto_buf text = BUF_INIT;
    int rc = p->tenant[0] ? cmd_path_coll(st, p, false, &c) : 0;
    if (rc == 0)
        rc = store_stats_json(st, c, &text);
    if (rc == 0)
        fwrite(text.p, 1, text.n, stdout);
    return rc;
}

int cmd_run_stats(struct cmd_args *args)
{
    struct cmd_place at;
    struct cmd_path p = {0};
    if (args->n && cmd_path_parse(args->operands[0], 1, 2, &p) < 0)
        return cmd_usage(args, "%s", err_msg());
    int rc = cmd_place_open(args, CMD_READ, &at);
    if (rc == 0)
        rc = at.st ? stats_stored(at.st, &p) : stats_mounted(&at, &p);
    int code = rc < 0 ? cmd_fail_err() : cmd_flush();
    cmd_place_close(&at);
    return code;
}
