/* cmd_rm.c - `remfs rm`: removes entities. */
#include "fs/cmd.h"
#include "store/base/cleanup.h"

static int absent(const struct cmd_path *p)
{
    return err_set(ERR_NOTFOUND, "there is no entity %s/%s/%s", p->tenant, p->type, p->name);
}

static int rm_mounted(const struct cmd_place *at, const struct cmd_path *p)
{
    auto_buf path = BUF_INIT;
    int rc = cmd_path_mounted(at, p, p->name, false, &path);
    if (rc < 0)
        return rc;
    if (unlink(path.p) == 0)
        return 0;
    return errno == ENOENT ? absent(p) : err_from_errno(errno, "%s", path.p);
}

static int rm_stored(struct store *st, const struct cmd_path *p)
{
    struct coll c;
    struct file_attr gone;
    int rc = cmd_path_coll(st, p, false, &c);
    if (rc < 0)
        return rc;
    rc = store_unlink(st, c, slice_str(p->name), false, &gone);
    return rc == -ERR_NOTFOUND ? absent(p) : rc;
}

int cmd_run_rm(struct cmd_args *args)
{
    struct cmd_place at;
    struct cmd_path p;
    for (int i = 0; i < args->n; i++) /* all are looked at before the first goes */
        if (cmd_path_parse(args->operands[i], 3, 3, &p) < 0)
            return cmd_usage(args, "%s", err_msg());
    if (cmd_place_open(args, CMD_WRITE, &at) < 0)
        return cmd_fail_err();
    int code = CMD_OK;
    for (int i = 0; i < args->n; i++) {
        int rc = cmd_path_parse(args->operands[i], 3, 3, &p);
        if (rc == 0)
            rc = at.st ? rm_stored(at.st, &p) : rm_mounted(&at, &p);
        if (rc < 0)
            code = cmd_fail_err();
    }
    cmd_place_close(&at);
    return code;
}
