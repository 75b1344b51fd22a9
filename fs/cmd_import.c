/* cmd_import.c - `remfs import`: files of JSON objects into a type, in pieces, through `.insert` or
 * the store's inserter. Reads JSON Lines (and objects one after another) and a JSON array of
 * objects. */
#include "fs/cmd.h"
#include "fs/json_split.h"
#include "store/base/cleanup.h"

#include <fcntl.h>

#define PIECE (128u << 10)
#define PROGRESS_NS 1000000000

enum form { FORM_UNKNOWN, FORM_LINES, FORM_ARRAY };

struct importing {
    struct cmd_place at;
    struct cmd_path path;
    struct coll coll;      /* not mounted */
    struct inserter *in;   /* not mounted: of the present file */
    int fd;                /* mounted: `.insert` of the present file */
    uint64_t bytes, count; /* count: of the files before */
    int64_t begun, shown;
    enum form form; /* as given */
};

/* ---- where the objects go: the mount or the store
 * ------------------------------------------------- */

static int sink_open(struct importing *im)
{
    if (im->at.st)
        return inserter_open(im->at.st, im->coll, 0644, geteuid(), getegid(), &im->in);
    auto_buf path = BUF_INIT;
    int rc = cmd_path_mounted(&im->at, &im->path, ".insert", true, &path);
    if (rc < 0)
        return rc;
    im->fd = open(path.p, O_RDWR | O_CLOEXEC);
    return im->fd < 0 ? err_from_errno(errno, "%s", path.p) : 0;
}

static int sink_feed(struct importing *im, const char *p, size_t n)
{
    if (im->at.st)
        return inserter_feed(im->in, p, n);
    while (n > 0) {
        ssize_t done = write(im->fd, p, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return cmd_mount_error(&im->at, &im->path, ".insert", errno);
        p += done;
        n -= (size_t)done;
    }
    return 0;
}

/* The commit of what is left: close() of a second descriptor flushes, and the ids can still be
 * read. */
static int sink_finish(struct importing *im)
{
    if (im->at.st)
        return inserter_finish(im->in, false);
    int twin = dup(im->fd);
    if (twin < 0)
        return err_from_errno(errno, "dup");
    return close(twin) < 0 ? cmd_mount_error(&im->at, &im->path, ".insert", errno) : 0;
}

static uint64_t sink_count(struct importing *im)
{
    if (im->at.st)
        return im->in ? inserter_count(im->in) : 0;
    uint64_t lines = 0;
    auto_free char *piece = im->fd >= 0 ? malloc(PIECE) : NULL;
    ssize_t n;
    while (piece && (n = read(im->fd, piece, PIECE)) > 0)
        for (ssize_t i = 0; i < n; i++)
            lines += piece[i] == '\n';
    return lines;
}

static void sink_close(struct importing *im)
{
    inserter_free(im->in);
    im->in = NULL;
    if (im->fd >= 0)
        close(im->fd);
    im->fd = -1;
}

/* ---- one file -----------------------------------------------------------------------------------
 */

static enum form sniff(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '[')
            return FORM_ARRAY;
        if (p[i] != ' ' && p[i] != '\t' && p[i] != '\n' && p[i] != '\r')
            return FORM_LINES;
    }
    return FORM_UNKNOWN;
}

static void show_progress(struct importing *im, bool last)
{
    int64_t now = clock_mono_ns();
    if (!isatty(STDERR_FILENO) || (!last && now - im->shown < PROGRESS_NS) ||
        (last && im->shown == im->begun))
        return;
    im->shown = now;
    double s = (double)(now - im->begun) / 1e9;
    fprintf(stderr, "\r%.1f MB, %.1f MB/s %s", (double)im->bytes / 1e6, (double)im->bytes / 1e6 / s,
            last ? "\n" : "");
}

static int copy_in(struct importing *im, int fd)
{
    auto_free char *piece = malloc(PIECE);
    struct json_split split = {0};
    enum form form = im->form;
    ssize_t n;
    if (!piece)
        return err_set(ERR_NOMEM, "out of memory");
    while ((n = read(fd, piece, PIECE)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_from_errno(errno, "read");
        if (form == FORM_UNKNOWN)
            form = sniff(piece, (size_t)n);
        int rc = form == FORM_ARRAY ? json_split_feed(&split, piece, (size_t)n) : 0;
        if (rc == 0)
            rc = sink_feed(im, piece, (size_t)n);
        if (rc < 0)
            return rc;
        im->bytes += (uint64_t)n;
        show_progress(im, false);
    }
    int rc = form == FORM_ARRAY ? json_split_end(&split) : 0;
    return rc < 0 ? rc : sink_finish(im);
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcasecmp(s + n - m, end) == 0;
}

static int import_file(struct importing *im, const char *name)
{
    bool from_stdin = strcmp(name, "-") == 0;
    if (ends_with(name, ".csv") || ends_with(name, ".tsv"))
        return err_set(ERR_UNSUPPORTED, "%s: import reads JSON and JSON Lines, not CSV", name);
    auto_fd int fd = from_stdin ? dup(STDIN_FILENO) : open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_from_errno(errno, "%s", name);
    int rc = sink_open(im);
    if (rc == 0)
        rc = err_wrap(copy_in(im, fd), "%s", from_stdin ? "standard input" : name);
    im->count += sink_count(im);
    sink_close(im);
    return rc;
}

/* ---- the verb
 * ------------------------------------------------------------------------------------ */

static int parse_form(const struct cmd_args *args, enum form *out)
{
    const char *text = cmd_value(args, "format");
    *out = FORM_UNKNOWN;
    if (!text)
        return 0;
    if (strcasecmp(text, "csv") == 0)
        return err_set(ERR_UNSUPPORTED, "import reads JSON and JSON Lines, not CSV");
    if (strcasecmp(text, "jsonl") == 0)
        *out = FORM_LINES;
    else if (strcasecmp(text, "json") != 0) /* json: an array or objects, as it turns out */
        return err_set(ERR_INVAL, "--format %s: expected json or jsonl", text);
    return 0;
}

static int report(const struct cmd_args *args, struct importing *im)
{
    double s = (double)(clock_mono_ns() - im->begun) / 1e9;
    double rate = s > 0 ? (double)im->count / s : 0;
    show_progress(im, true);
    if (cmd_value(args, "json"))
        printf("{\"imported\": %llu, \"bytes\": %llu, \"seconds\": %.3f}\n",
               (unsigned long long)im->count, (unsigned long long)im->bytes, s);
    else
        printf("%llu entities in %.2f s (%.0f a second)\n", (unsigned long long)im->count, s, rate);
    return cmd_flush();
}

int cmd_run_import(struct cmd_args *args)
{
    struct importing im = {.fd = -1};
    int rc = parse_form(args, &im.form);
    if (rc == 0)
        rc = cmd_path_parse(args->operands[0], 2, 2, &im.path);
    if (rc < 0)
        return cmd_usage(args, "%s", err_msg());
    rc = cmd_place_open(args, CMD_WRITE, &im.at);
    if (rc < 0)
        return cmd_fail_err();
    if (im.at.st)
        rc = cmd_path_coll(im.at.st, &im.path, true, &im.coll);
    im.begun = im.shown = clock_mono_ns();
    for (int i = 1; i < args->n && rc == 0; i++)
        rc = import_file(&im, args->operands[i]);
    int code = rc < 0 ? cmd_fail_err() : CMD_OK;
    if (report(args, &im) != CMD_OK)
        code = CMD_FAILED;
    cmd_place_close(&im.at);
    return code;
}
