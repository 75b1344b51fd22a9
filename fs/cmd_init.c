/* cmd_init.c - `remfs init`: makes an empty store. One that is there already stays as it is. */
#include "fs/cmd.h"
#include "store/base/cleanup.h"

int cmd_run_init(struct cmd_args *args)
{
    auto_buf path = BUF_INIT;
    struct store *st;
    if (args->n && args->store)
        return cmd_usage(args, "the store is named twice: %s and --store %s", args->operands[0],
                         args->store);
    if (cmd_store_path(args, args->n ? args->operands[0] : NULL, &path) < 0)
        return cmd_fail_err();
    struct store_options opt = {.read_only = true};
    int rc = store_open(path.p, &opt, &st);
    bool there = rc == 0;
    if (rc == -ERR_NOTFOUND) {
        opt = (struct store_options){.create = true};
        rc = store_open(path.p, &opt, &st);
    }
    if (rc < 0)
        return cmd_fail_err();
    store_close(st);
    printf(there ? "%s is a store already\n" : "made the store %s\n", path.p);
    return cmd_flush();
}
