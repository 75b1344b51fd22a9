/* mount_opts.h - the `-o` options of `remfs mount`: one typed table, each row with its help.
 *
 * Threads: no state. Errors: ERR_INVAL with a message that says what would be right.
 */
#ifndef REMFS_MOUNT_OPTS_H
#define REMFS_MOUNT_OPTS_H

#include "store/base/buf.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct mount_opts {
    bool read_only;
    bool list_controls;
    bool sync;
    bool allow_other; /* default_permissions is always on (fs.c) */
    bool default_permissions;
    bool nonempty;
    bool debug;
    uint64_t entity_max;      /* bytes; 0: the default */
    uint64_t cache_bytes;     /* 0: the default */
    uint64_t query_memory;    /* bytes; 0: the default */
    int64_t query_timeout_ns; /* 0: none */
    int64_t attr_timeout_ns;  /* < 0: the default */
    char *embed;              /* NULL: the default; owned */
    struct buf pass;          /* what libfuse gets, comma separated */
};

#define MOUNT_OPTS_INIT                                                                            \
    {                                                                                              \
        .attr_timeout_ns = -1                                                                      \
    }

/* A comma-separated list ("\," is a comma in a value); "" is fine. May be called several times: the
 * later one wins. */
int mount_opts_parse(const char *text, struct mount_opts *o);
void mount_opts_free(struct mount_opts *o);
/* One line an option. */
void mount_opts_help(FILE *out);

#endif
