/* cmd_check.c - `remfs check`: reads all of a store that is not in use, and says what does not fit.
 */
#include "fs/cmd.h"
#include "store/base/cleanup.h"

struct checking {
    bool json;
    bool any;
};

static void print_finding(void *ctx, const char *finding)
{
    struct checking *c = ctx;
    if (c->json) {
        fputs(c->any ? ",\n    " : "\n    ", stdout);
        cmd_print_json(finding);
    } else {
        puts(finding);
    }
    c->any = true;
}

int cmd_run_check(struct cmd_args *args)
{
    auto_buf path = BUF_INIT;
    struct store *st;
    struct store_options opt = {.read_only = true};
    struct checking c = {.json = cmd_value(args, "json")};
    if (cmd_store_path(args, NULL, &path) < 0 || store_open(path.p, &opt, &st) < 0)
        return cmd_fail_err();
    if (c.json)
        fputs("{\n  \"findings\": [", stdout);
    int64_t found = store_check(st, print_finding, &c);
    if (c.json)
        printf("%s],\n  \"count\": %lld\n}\n", c.any ? "\n  " : "",
               (long long)(found < 0 ? 0 : found));
    int code = CMD_OK;
    if (found < 0)
        code = cmd_fail_err();
    else if (found > 0)
        code = CMD_DAMAGE;
    if (!c.json && found >= 0)
        printf(found ? "%s: %lld found\n" : "%s: clean\n", path.p, (long long)found);
    store_close(st);
    int flushed = cmd_flush();
    return flushed == CMD_OK ? code : flushed;
}
