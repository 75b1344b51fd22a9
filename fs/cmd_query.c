/* cmd_query.c - `remfs query` and `remfs search`: one statement, its answer to stdout as it comes.
 */
#include "fs/cmd.h"
#include "store/base/cleanup.h"

#include <fcntl.h>

#define PIECE (128u << 10)

struct asking {
    bool search;
    const char *leaf; /* the control file */
    struct slice text;
    struct cmd_path path;
    struct cmd_place at;
};

static int pass_on(const char *p, size_t n)
{
    return fwrite(p, 1, n, stdout) == n ? 0 : err_from_errno(errno, "standard output");
}

/* ---- through the mount
 * ------------------------------------------------------------------------------ */

static int ask_mount(struct asking *q, char *piece)
{
    auto_buf path = BUF_INIT;
    int rc = cmd_path_mounted(&q->at, &q->path, q->leaf, false, &path);
    if (rc < 0)
        return rc;
    auto_fd int fd = open(path.p, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return err_from_errno(errno, "%s", path.p);
    /* In one write: a statement is parsed at every write. */
    ssize_t n = write(fd, q->text.p, q->text.n);
    if (n >= 0 && (size_t)n < q->text.n)
        return err_set(ERR_IO, "%s: short write", path.p);
    while (n >= 0 && (n = read(fd, piece, PIECE)) > 0) {
        rc = pass_on(piece, (size_t)n);
        if (rc < 0)
            return rc;
    }
    return n < 0 ? cmd_mount_error(&q->at, &q->path, q->leaf, errno) : 0;
}

/* ---- on the store
 * ------------------------------------------------------------------------------------ */

DEFINE_CLEANUP(struct answer, answer_free)

static int ask_store(struct asking *q, char *piece)
{
    struct store *st = q->at.st;
    struct coll c;
    cleanup(answer_free) struct answer *a = NULL;
    int rc = cmd_path_coll(st, &q->path, false, &c);
    if (rc == 0)
        rc = q->search ? store_search_check(st, c, q->text) : store_query_check(st, c, q->text);
    if (rc > 0) { /* unfinished: the message says what is missing */
        auto_free char *missing = strdup(err_msg());
        rc = err_set(ERR_INVAL, "%s", missing ? missing : "the statement is not finished");
    }
    if (rc == 0)
        rc = q->search ? store_search(st, c, q->text, &a) : store_query(st, c, q->text, &a);
    if (rc < 0)
        return rc;
    ssize_t n;
    while ((n = answer_read(a, piece, PIECE)) > 0) {
        rc = pass_on(piece, (size_t)n);
        if (rc < 0)
            return rc;
    }
    return (int)n;
}

static int ask(struct cmd_args *args, bool search)
{
    struct asking q = {
        .search = search,
        .leaf = search ? ".search" : ".query",
        .text = slice_str(args->operands[1]),
    };
    auto_free char *piece = malloc(PIECE);
    if (!piece)
        return cmd_fail("out of memory");
    if (cmd_path_parse(args->operands[0], 1, 2, &q.path) < 0)
        return cmd_usage(args, "%s", err_msg());
    if (q.text.n == 0)
        return cmd_usage(args, "the %s is empty", search ? "text" : "query");
    int rc = cmd_place_open(args, CMD_READ, &q.at);
    if (rc == 0 && q.text.n > STORE_QUERY_MAX)
        rc = err_set(ERR_TOOBIG, "a statement has at most %u bytes", STORE_QUERY_MAX);
    if (rc == 0)
        rc = q.at.st ? ask_store(&q, piece) : ask_mount(&q, piece);
    int code = rc < 0 ? cmd_fail_err() : cmd_flush();
    cmd_place_close(&q.at);
    return code;
}

int cmd_run_query(struct cmd_args *args)
{
    return ask(args, false);
}

int cmd_run_search(struct cmd_args *args)
{
    return ask(args, true);
}
