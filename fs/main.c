/* main.c - the command `remfs`: the table of verbs, the parsing of a command line, help.
 *
 * A verb's row is all that main knows of it; the table feeds `remfs help`. Nothing here touches a
 * store.
 */
#include "fs/cmd.h"
#include "fs/mount_opts.h"
#include "store/base/log.h"

#include <getopt.h>
#include <libgen.h>
#include <stdlib.h>

#define JSON_OPTION                                                                                \
    {                                                                                              \
        0, "json", NULL, "print JSON"                                                              \
    }

const struct cmd cmd_table[] = {
    {.name = "mount",
     .synopsis = "[STORE] MOUNTPOINT [-o OPTIONS] [-f] [-d] [-s]",
     .summary = "mount a store; returns when the mount answers",
     .details = "Makes the store when there is none. SIGTERM, SIGINT and SIGHUP unmount it.",
     .options = {{'o', "options", "LIST", "mount options, see below"},
                 {'f', "foreground", NULL, "stay in the foreground"},
                 {'d', "debug", NULL, "print every request; stay in the foreground"},
                 {'s', "single-thread", NULL, "serve one request at a time"}},
     .min_operands = 1,
     .max_operands = 2,
     .run = cmd_run_mount},
    {.name = "umount",
     .synopsis = "MOUNTPOINT [--timeout SECONDS] [--lazy]",
     .summary = "unmount, and wait until the store is free",
     .options = {{0, "timeout", "SECONDS", "how long to wait for that (30)"},
                 {'l', "lazy", NULL, "detach it now, even if it is in use"}},
     .min_operands = 1,
     .max_operands = 1,
     .run = cmd_run_umount},
    {.name = "status",
     .synopsis = "[--json]",
     .summary = "the store and every mount: process, mount point, whether it answers",
     .options = {JSON_OPTION},
     .run = cmd_run_status},
    {.name = "stats",
     .synopsis = "[TENANT[/TYPE]]",
     .summary = "counts and sizes, as a JSON object",
     .options = {{0, "json", NULL, "the only form; accepted for scripts"}},
     .max_operands = 1,
     .run = cmd_run_stats},
    {.name = "init",
     .synopsis = "[STORE]",
     .summary = "make an empty store",
     .max_operands = 1,
     .run = cmd_run_init},
    {.name = "import",
     .synopsis = "TENANT/TYPE FILE… [--format json|jsonl]",
     .summary = "read JSON objects into a type: a JSON array or JSON Lines",
     .details =
         "FILE may be - for standard input. Tenant and type are made when missing. An object's\n"
         "id is its member id, else made from uri, key or name, so that importing twice\n"
         "replaces. An error names the line; what was stored before it stays.",
     .options = {{0, "format", "FORM", "json or jsonl (by default: as the first byte says)"},
                 JSON_OPTION},
     .min_operands = 2,
     .max_operands = -1,
     .run = cmd_run_import},
    {.name = "query",
     .synopsis = "TENANT[/TYPE] 'QUERY'",
     .summary = "ask a query; prints a row a line",
     .details = "The same as writing QUERY to the directory's .query and reading it.",
     .min_operands = 2,
     .max_operands = 2,
     .run = cmd_run_query},
    {.name = "search",
     .synopsis = "TENANT[/TYPE] 'TEXT'",
     .summary = "find the entities nearest in meaning; prints a row a line",
     .details = "TEXT may be a JSON object too, as for the directory's .search.",
     .min_operands = 2,
     .max_operands = 2,
     .run = cmd_run_search},
    {.name = "get",
     .synopsis = "TENANT/TYPE/ID",
     .summary = "print an entity",
     .min_operands = 1,
     .max_operands = 1,
     .run = cmd_run_get},
    {.name = "put",
     .synopsis = "TENANT/TYPE/ID [FILE]",
     .summary = "store an entity from a file or standard input",
     .details = "Tenant and type are made when missing.",
     .min_operands = 1,
     .max_operands = 2,
     .run = cmd_run_put},
    {.name = "rm",
     .synopsis = "TENANT/TYPE/ID…",
     .summary = "remove entities",
     .min_operands = 1,
     .max_operands = -1,
     .run = cmd_run_rm},
    {.name = "check",
     .synopsis = "[--json]",
     .summary = "verify a store that is not mounted; exit code 3 if something is found",
     .options = {JSON_OPTION},
     .run = cmd_run_check},
    {.name = "version",
     .synopsis = "[--json]",
     .summary = "versions of remfs, of libfuse and of the format on disk",
     .options = {JSON_OPTION},
     .run = cmd_run_version},
    {.name = "help",
     .synopsis = "[COMMAND]",
     .summary = "this help, or that of a command",
     .max_operands = 1,
     .run = cmd_run_help},
    {.name = NULL},
};

static const struct cmd *find_cmd(const char *name)
{
    for (const struct cmd *c = cmd_table; c->name; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

/* ---- help --------------------------------------------------------------------------------------
 */

static void print_overview(FILE *out)
{
    fputs("remfs: a store of JSON entities as a file system\n\nusage: remfs COMMAND …\n\n", out);
    for (const struct cmd *c = cmd_table; c->name; c++)
        fprintf(out, "  %-8s %s\n", c->name, c->summary);
    fputs("\nWith every command: --store DIR (else $P8_DB_PATH, $XDG_DATA_HOME/remfs,\n"
          "~/.local/share/remfs) and --help. Exit codes: 0 done, 1 failed, 2 usage, 3 damage "
          "found.\n",
          out);
}

static void print_option(char letter, const char *name, const char *arg, const char *help)
{
    char left[48], head[4] = "   ";
    if (letter)
        snprintf(head, sizeof head, "-%c,", letter);
    snprintf(left, sizeof left, "%s --%s%s%s", head, name, arg ? " " : "", arg ? arg : "");
    printf("  %-26s %s\n", left, help);
}

static void print_cmd(const struct cmd *c)
{
    printf("usage: remfs %s %s\n\n%s\n", c->name, c->synopsis, c->summary);
    if (c->details)
        printf("\n%s\n", c->details);
    puts("\noptions:");
    for (const struct cmd_option *o = c->options; o->name; o++)
        print_option(o->letter, o->name, o->arg, o->help);
    print_option(0, "store", "DIR", "the store");
    print_option('h', "help", NULL, "this help");
    if (c->run == cmd_run_mount) {
        puts("\nmount options (-o):");
        mount_opts_help(stdout);
    }
}

int cmd_run_help(struct cmd_args *args)
{
    if (args->n == 0) {
        print_overview(stdout);
        return cmd_flush();
    }
    const struct cmd *c = find_cmd(args->operands[0]);
    if (!c)
        return cmd_usage(args, "there is no command '%s'", args->operands[0]);
    print_cmd(c);
    return cmd_flush();
}

/* ---- a command line
 * ------------------------------------------------------------------------------ */

#define OPT_STORE 1000
#define OPT_HELP 1001
#define OPT_ROW 2000 /* + the row */

struct parser { /* what getopt_long() wants, made from a verb's row */
    struct option longs[CMD_OPTIONS_MAX + 3];
    char shorts[2 * CMD_OPTIONS_MAX + 4];
};

static void parser_init(struct parser *p, const struct cmd *c)
{
    int n = 0;
    char *s = p->shorts;
    *s++ = ':';
    *s++ = 'h';
    for (; c->options[n].name; n++) {
        const struct cmd_option *o = &c->options[n];
        p->longs[n] =
            (struct option){o->name, o->arg ? required_argument : no_argument, NULL, OPT_ROW + n};
        if (o->letter)
            *s++ = o->letter;
        if (o->letter && o->arg)
            *s++ = ':';
    }
    *s = '\0';
    p->longs[n++] = (struct option){"store", required_argument, NULL, OPT_STORE};
    p->longs[n++] = (struct option){"help", no_argument, NULL, OPT_HELP};
    p->longs[n] = (struct option){0};
}

static int row_of(const struct cmd *c, int opt)
{
    if (opt >= OPT_ROW)
        return opt - OPT_ROW;
    for (int i = 0; c->options[i].name; i++)
        if (c->options[i].letter == opt)
            return i;
    return -1;
}

static int take_option(struct cmd_args *a, int row)
{
    const struct cmd_option *o = &a->cmd->options[row];
    a->values[row] = o->arg ? optarg : "";
    if (o->letter != 'o')
        return CMD_OK;
    if ((a->mount_options.n && buf_putc(&a->mount_options, ',') < 0) ||
        buf_puts(&a->mount_options, optarg) < 0)
        return cmd_fail("out of memory");
    return CMD_OK;
}

/* CMD_OK, or the exit code. *helped: help was asked for and printed. */
static int parse(struct cmd_args *a, int argc, char **argv, bool *helped)
{
    struct parser p = {0};
    int opt, code = CMD_OK;
    parser_init(&p, a->cmd);
    opterr = 0;
    while (code == CMD_OK && (opt = getopt_long(argc, argv, p.shorts, p.longs, NULL)) != -1) {
        if (opt == OPT_HELP || opt == 'h') {
            print_cmd(a->cmd);
            *helped = true;
            return cmd_flush();
        }
        if (opt == ':')
            return cmd_usage(a, "%s needs a value", argv[optind - 1]);
        if (opt == '?' && optopt && optopt < OPT_STORE)
            return cmd_usage(a, "unknown option -%c", optopt);
        if (opt == '?')
            return cmd_usage(a, "unknown option %s", argv[optind - 1]);
        if (opt == OPT_STORE)
            a->store = optarg;
        else
            code = take_option(a, row_of(a->cmd, opt));
    }
    if (code != CMD_OK)
        return code;
    a->n = argc - optind;
    a->operands = argv + optind;
    if (a->n < a->cmd->min_operands)
        return cmd_usage(a, "%s: something is missing", a->cmd->name);
    if (a->cmd->max_operands >= 0 && a->n > a->cmd->max_operands)
        return cmd_usage(a, "'%s' is too much", a->operands[a->cmd->max_operands]);
    return CMD_OK;
}

static int run(const char *name, int argc, char **argv)
{
    struct cmd_args a = {.cmd = find_cmd(name)};
    bool helped = false;
    if (!a.cmd) {
        fprintf(stderr, "remfs: there is no command '%s' (see remfs help)\n", name);
        return CMD_USAGE;
    }
    int code = parse(&a, argc, argv, &helped);
    if (code == CMD_OK && !helped)
        code = a.cmd->run(&a);
    buf_free(&a.mount_options);
    return code;
}

/* mount(8) calls a helper as `mount.remfs STORE MOUNTPOINT [-sfnv] [-N ns] [-o …] [-t type]`, where
 * -f means "only pretend". */
static int run_mount_helper(int argc, char **argv)
{
    char *words[16] = {argv[0]};
    int n = 1;
    for (int i = 1; i < argc && n < 12; i++) {
        if (strcmp(argv[i], "-t") == 0 || strcmp(argv[i], "-N") == 0) {
            i++;
        } else if (strcmp(argv[i], "-o") == 0 && i + 1 < argc) {
            words[n++] = argv[i++];
            words[n++] = argv[i];
        } else if (argv[i][0] == '-' && strchr(argv[i], 'f')) {
            return CMD_OK;
        } else if (argv[i][0] != '-') {
            words[n++] = argv[i];
        }
    }
    return run("mount", n, words);
}

int main(int argc, char **argv)
{
    log_open("remfs", LOG_LVL_WARN, 0);
    const char *self = argc > 0 ? basename(argv[0]) : "";
    if (strcmp(self, "mount.remfs") == 0 || strcmp(self, "mount.fuse.remfs") == 0)
        return run_mount_helper(argc, argv);
    if (argc < 2) {
        print_overview(stderr);
        return CMD_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return run("help", 1, argv);
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
        return run("version", 1, argv);
    if (argv[1][0] == '/' && argc > 2) /* mount.fuse3(8): remfs STORE MOUNTPOINT -o … */
        return run_mount_helper(argc, argv);
    if (strcmp(argv[1], "--store") == 0 && argc > 3) { /* before the verb as well as after it */
        char *dir = argv[2];
        argv[1] = argv[3];
        argv[2] = "--store";
        argv[3] = dir;
    }
    return run(argv[1], argc - 1, argv + 1);
}
