/* cmd_version.c - `remfs version`: of the program, of libfuse, of the format on disk. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "fs/cmd.h"

#define FUSE_USE_VERSION 312
#include <fuse3/fuse_lowlevel.h>
#include <stdio.h>

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0"
#endif

int cmd_run_version(struct cmd_args *args)
{
    if (cmd_value(args, "json"))
        printf("{\"remfs\": \"%s\", \"libfuse\": \"%s\", \"format\": %d}\n", PACKAGE_VERSION,
               fuse_pkgversion(), STORE_FORMAT);
    else
        printf("remfs %s\nlibfuse %s\nformat %d\n", PACKAGE_VERSION, fuse_pkgversion(),
               STORE_FORMAT);
    return cmd_flush();
}
