/* cmd.h - the command `remfs`: rows of the table of verbs, and what the verbs share.
 *
 * main.c has the table; each verb is in cmd_<verb>.c; what they share is in cmd.c. A verb works on
 * the mount when the store is mounted and on the store itself when not: struct cmd_place says
 * which.
 *
 * Output goes to stdout, everything else to stderr as "remfs: …". Exit codes: enum cmd_exit.
 * Threads: the process has one, but for `mount` (daemon.h).
 */
#ifndef REMFS_CMD_H
#define REMFS_CMD_H

#include "store/base/buf.h"
#include "store/store.h"

#include <stdbool.h>
#include <sys/types.h>

enum cmd_exit { CMD_OK = 0, CMD_FAILED = 1, CMD_USAGE = 2, CMD_DAMAGE = 3 };

#define CMD_OPTIONS_MAX 8

struct cmd_option {
    char letter;      /* 0: only the long name */
    const char *name; /* NULL ends a row's options */
    const char *arg;  /* NULL: a flag */
    const char *help;
};

struct cmd_args;

struct cmd { /* one verb */
    const char *name;
    const char *synopsis; /* after the name */
    const char *summary;  /* one line */
    const char *details;  /* paragraphs for `remfs help NAME`, or NULL */
    struct cmd_option options[CMD_OPTIONS_MAX];
    int min_operands, max_operands; /* max < 0: any number */
    int (*run)(struct cmd_args *args);
};

struct cmd_args { /* a parsed command line; borrows from argv */
    const struct cmd *cmd;
    const char *values[CMD_OPTIONS_MAX]; /* by row of cmd->options; a flag's value is "" */
    const char *store;                   /* --store, or NULL */
    struct buf mount_options;            /* every -o, joined by commas */
    int n;
    char **operands;
};

/* The table, ended by a row without a name. */
extern const struct cmd cmd_table[];

int cmd_run_mount(struct cmd_args *args);
int cmd_run_umount(struct cmd_args *args);
int cmd_run_status(struct cmd_args *args);
int cmd_run_stats(struct cmd_args *args);
int cmd_run_init(struct cmd_args *args);
int cmd_run_import(struct cmd_args *args);
int cmd_run_query(struct cmd_args *args);
int cmd_run_search(struct cmd_args *args);
int cmd_run_get(struct cmd_args *args);
int cmd_run_put(struct cmd_args *args);
int cmd_run_rm(struct cmd_args *args);
int cmd_run_check(struct cmd_args *args);
int cmd_run_version(struct cmd_args *args);
int cmd_run_help(struct cmd_args *args);

/* The value of an option, "" for a flag that was given, NULL if it was not. */
const char *cmd_value(const struct cmd_args *args, const char *name);

/* "remfs: …" to stderr; the exit code CMD_FAILED or CMD_USAGE to return. */
int cmd_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int cmd_usage(const struct cmd_args *args, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* err_msg() of this thread. */
int cmd_fail_err(void);

/* Prints s as a JSON string with its quotes. */
void cmd_print_json(const char *s);
/* Flushes stdout: CMD_OK, or CMD_FAILED with a message (a full disk, say). */
int cmd_flush(void);
/* All of n bytes to a descriptor; 0 or an error. */
int cmd_write_all(int fd, const void *p, size_t n);

/* The store's absolute path: given, or --store, or $P8_DB_PATH, $XDG_DATA_HOME/remfs,
 * ~/.local/share/remfs. NUL-terminated. */
int cmd_store_path(const struct cmd_args *args, const char *given, struct buf *out);
/* An absolute path without symbolic links. The last component need not exist, nor answer. */
int cmd_resolve(const char *path, struct buf *out);

/* ---- where the store is --------------------------------------------------------------------- */

struct cmd_place {
    struct store *st; /* NULL: mounted */
    struct buf path;  /* of the store */
    struct buf root;  /* of the mount; NUL-terminated; empty when not mounted */
    pid_t owner;      /* of the mount */
};

#define CMD_READ 0u
#define CMD_WRITE 1u /* not read-only; makes the store if there is none */
/* Finds the mount or opens the store. 0 or an error: in use by a process without a mount, no store.
 */
int cmd_place_open(const struct cmd_args *args, unsigned how, struct cmd_place *out);
void cmd_place_close(struct cmd_place *p);

/* "tenant", "tenant/type" or "tenant/type/id[.json]", each part checked. */
struct cmd_path {
    char tenant[STORE_NAME_MAX + 1];
    char type[STORE_NAME_MAX + 1];      /* "" if there was none */
    char name[STORE_FILE_NAME_MAX + 1]; /* the file's name with ".json"; "" if there was none */
};
int cmd_path_parse(const char *text, int min_parts, int max_parts, struct cmd_path *out);
/* The collection in an opened store; make: mkdir what is missing. */
int cmd_path_coll(struct store *st, const struct cmd_path *p, bool make, struct coll *out);
/* "<root>/tenant[/type][/leaf]", NUL-terminated; make: mkdir tenant and type where missing. */
int cmd_path_mounted(const struct cmd_place *at, const struct cmd_path *p, const char *leaf,
                     bool make, struct buf *out);

/* An error from errno at a file of the mount: the reason from `.errors` beside it if there is one
 * for that name, else strerror(). */
int cmd_mount_error(const struct cmd_place *at, const struct cmd_path *p, const char *leaf,
                    int errnum);

#endif
