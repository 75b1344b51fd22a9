/* cmd.c - what the verbs share: messages, the store's place, paths. No verb is here. */
#include "fs/cmd.h"
#include "fs/mountinfo.h"
#include "store/base/cleanup.h"
#include "store/base/log.h"

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <sys/stat.h>

/* ---- messages -------------------------------------------------------------------------------- */

int cmd_fail(const char *fmt, ...)
{
    va_list ap;
    fflush(stdout);
    fputs("remfs: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    return CMD_FAILED;
}

int cmd_usage(const struct cmd_args *args, const char *fmt, ...)
{
    va_list ap;
    fputs("remfs: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "\nusage: remfs %s %s\n", args->cmd->name, args->cmd->synopsis);
    return CMD_USAGE;
}

int cmd_fail_err(void)
{
    return cmd_fail("%s", err_msg());
}

const char *cmd_value(const struct cmd_args *args, const char *name)
{
    for (int i = 0; i < CMD_OPTIONS_MAX && args->cmd->options[i].name; i++)
        if (strcmp(args->cmd->options[i].name, name) == 0)
            return args->values[i];
    return NULL;
}

void cmd_print_json(const char *s)
{
    putchar('"');
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            printf("\\%c", c);
        else if (c < 0x20)
            printf("\\u%04x", c);
        else
            putchar(c);
    }
    putchar('"');
}

int cmd_flush(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return CMD_OK;
    return cmd_fail("standard output: %s", strerror(errno));
}

int cmd_write_all(int fd, const void *p, size_t n)
{
    const char *at = p;
    while (n > 0) {
        ssize_t done = write(fd, at, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return err_from_errno(errno, "write");
        at += done;
        n -= (size_t)done;
    }
    return 0;
}

/* ---- paths of the file system ---------------------------------------------------------------- */

static int no_memory(void)
{
    return err_set(ERR_NOMEM, "out of memory");
}

int cmd_resolve(const char *path, struct buf *out)
{
    char *real = realpath(path, NULL);
    if (!real) { /* the parent's, then: a dead mount point cannot be looked at */
        auto_free char *copy = strdup(path);
        if (!copy)
            return no_memory();
        size_t n = strlen(copy);
        while (n > 1 && copy[n - 1] == '/')
            copy[--n] = '\0';
        char *slash = strrchr(copy, '/');
        const char *leaf = slash ? slash + 1 : copy;
        if (slash)
            *slash = '\0';
        auto_free char *parent = realpath(!slash ? "." : slash == copy ? "/" : copy, NULL);
        if (!parent)
            return err_from_errno(errno, "%s", path);
        const char *sep = parent[1] ? "/" : "";
        return buf_putf(out, "%s%s%s", parent, sep, leaf) < 0 || !buf_cstr(out) ? no_memory() : 0;
    }
    int rc = buf_puts(out, real) < 0 || !buf_cstr(out) ? no_memory() : 0;
    free(real);
    return rc;
}

/* mkdir -p for the parents of a default store. */
static int make_parents(const char *path)
{
    auto_free char *copy = strdup(path);
    if (!copy)
        return no_memory();
    for (char *p = copy + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        if (mkdir(copy, 0700) < 0 && errno != EEXIST)
            return err_from_errno(errno, "mkdir %s", copy);
        *p = '/';
    }
    return 0;
}

static int default_store(struct buf *out)
{
    const char *env = getenv("P8_DB_PATH");
    if (env && *env)
        return buf_puts(out, env);
    env = getenv("XDG_DATA_HOME");
    if (env && *env == '/') /* the XDG rules: a relative one is ignored */
        return buf_putf(out, "%s/remfs", env);
    env = getenv("HOME");
    if (!env || !*env)
        return err_set(ERR_INVAL, "no store named: use --store DIR or set P8_DB_PATH");
    return buf_putf(out, "%s/.local/share/remfs", env);
}

int cmd_store_path(const struct cmd_args *args, const char *given, struct buf *out)
{
    auto_buf path = BUF_INIT;
    const char *named = given ? given : args->store;
    int rc = named ? buf_puts(&path, named) : default_store(&path);
    if (rc < 0)
        return rc;
    const char *s = buf_cstr(&path);
    if (!s)
        return no_memory();
    if (!*s)
        return err_set(ERR_INVAL, "the store's path is empty");
    if (!named && *s == '/') {
        rc = make_parents(s);
        if (rc < 0)
            return rc;
    }
    return cmd_resolve(s, out);
}

/* ---- the store's place -------------------------------------------------------------------------
 */

void cmd_place_close(struct cmd_place *p)
{
    store_close(p->st);
    p->st = NULL;
    buf_free(&p->path);
    buf_free(&p->root);
}

static int place_mounted(struct cmd_place *p)
{
    const char *root = buf_cstr(&p->root);
    if (!root)
        return no_memory();
    if (!mount_answers(root, MOUNT_ANSWER_MS))
        return err_set(ERR_IO,
                       "store %s is in use by process %d, whose mount on %s does not answer",
                       p->path.p, (int)p->owner, root);
    return 0;
}

int cmd_place_open(const struct cmd_args *args, unsigned how, struct cmd_place *out)
{
    *out = (struct cmd_place){0};
    int rc = cmd_store_path(args, NULL, &out->path);
    if (rc == 0)
        rc = store_owner(out->path.p, &out->owner, &out->root);
    if (rc == -ERR_NOTFOUND) { /* no store: opening says so, or makes it */
        out->owner = 0;
        rc = 0;
    }
    if (rc == 0 && out->owner && out->root.n) {
        rc = place_mounted(out);
    } else if (rc == 0) {
        struct store_options opt = {.read_only = !(how & CMD_WRITE), .create = how & CMD_WRITE};
        rc = store_open(out->path.p, &opt, &out->st);
    }
    if (rc < 0)
        cmd_place_close(out);
    return rc;
}

/* ---- paths in the store
 * -------------------------------------------------------------------------- */

static int take_dir_name(struct slice part, char out[STORE_NAME_MAX + 1])
{
    int rc = name_check_dir(part);
    if (rc < 0)
        return rc;
    memcpy(out, part.p, part.n);
    out[part.n] = '\0';
    return 0;
}

static int take_file_name(struct slice part, char out[STORE_FILE_NAME_MAX + 1])
{
    auto_buf name = BUF_INIT;
    enum name_kind kind;
    struct slice id;
    bool whole = part.n > 5 && memcmp(part.p + part.n - 5, ".json", 5) == 0;
    if (buf_put(&name, part.p, part.n) < 0 || (!whole && buf_puts(&name, ".json") < 0))
        return no_memory();
    int rc = name_check_file(slice_buf(&name), &kind, &id);
    if (rc == 0 && (kind != NAME_ENTITY || name.n > STORE_FILE_NAME_MAX))
        rc = err_set(ERR_INVAL, "'%.*s' is not an entity's id", (int)part.n, part.p);
    if (rc < 0)
        return rc;
    memcpy(out, name.p, name.n);
    out[name.n] = '\0';
    return 0;
}

int cmd_path_parse(const char *text, int min_parts, int max_parts, struct cmd_path *out)
{
    static const char *const forms[] = {"", "TENANT", "TENANT/TYPE", "TENANT/TYPE/ID"};
    const char *p = text;
    int parts = 0, rc = 0;
    *out = (struct cmd_path){0};
    while (rc == 0) {
        const char *end = strchrnul(p, '/');
        struct slice part = slice_of(p, (size_t)(end - p));
        if (part.n == 0 && *end == '\0' && parts >= min_parts)
            break; /* a slash at the end, as the shell's completion leaves it */
        if (parts == max_parts)
            return err_set(ERR_INVAL, "'%s': expected %s", text, forms[max_parts]);
        if (parts == 2)
            rc = take_file_name(part, out->name);
        else
            rc = take_dir_name(part, parts == 0 ? out->tenant : out->type);
        parts++;
        if (*end == '\0')
            break;
        p = end + 1;
    }
    if (rc == 0 && parts < min_parts)
        return err_set(ERR_INVAL, "'%s': expected %s", text, forms[min_parts]);
    return err_wrap(rc, "'%s'", text);
}

static int dir_of(struct store *st, uint64_t parent, const char *name, bool make,
                  struct dir_attr *out)
{
    struct slice s = slice_str(name);
    int rc = store_dir_lookup(st, parent, s, out);
    if (rc == -ERR_NOTFOUND && make)
        rc = store_mkdir(st, parent, s, 0755, geteuid(), getegid(), out);
    if (rc == -ERR_NOTFOUND)
        err_set(ERR_NOTFOUND, "there is no %s '%s'", parent == STORE_INO_ROOT ? "tenant" : "type",
                name);
    return rc;
}

int cmd_path_coll(struct store *st, const struct cmd_path *p, bool make, struct coll *out)
{
    struct dir_attr d;
    int rc = dir_of(st, STORE_INO_ROOT, p->tenant, make, &d);
    if (rc == 0 && p->type[0])
        rc = dir_of(st, d.ino, p->type, make, &d);
    if (rc == 0)
        *out = d.coll;
    return rc;
}

static int mounted_dir(struct buf *out, const char *what, const char *name, bool make)
{
    struct stat st;
    if (buf_putf(out, "/%s", name) < 0 || !buf_cstr(out))
        return no_memory();
    if (make && mkdir(out->p, 0755) < 0 && errno != EEXIST)
        return err_from_errno(errno, "mkdir %s", out->p);
    if (stat(out->p, &st) == 0)
        return 0;
    if (errno == ENOENT)
        return err_set(ERR_NOTFOUND, "there is no %s '%s'", what, name);
    return err_from_errno(errno, "%s", out->p);
}

int cmd_path_mounted(const struct cmd_place *at, const struct cmd_path *p, const char *leaf,
                     bool make, struct buf *out)
{
    if (buf_put(out, at->root.p, at->root.n) < 0)
        return no_memory();
    int rc = mounted_dir(out, "tenant", p->tenant, make);
    if (rc == 0 && p->type[0])
        rc = mounted_dir(out, "type", p->type, make);
    if (rc == 0 && leaf && (buf_putf(out, "/%s", leaf) < 0 || !buf_cstr(out)))
        rc = no_memory();
    return rc;
}

/* "2026-01-02T03:04:05Z name: reason": the reason, if the line is of that name. */
static const char *reason_of(const char *line, const char *name)
{
    size_t n = strlen(name);
    if (strnlen(line, 21) < 21 || line[10] != 'T' || line[19] != 'Z' || line[20] != ' ')
        return NULL;
    line += 21;
    return strncmp(line, name, n) == 0 && strncmp(line + n, ": ", 2) == 0 ? line + n + 2 : NULL;
}

int cmd_mount_error(const struct cmd_place *at, const struct cmd_path *p, const char *leaf,
                    int errnum)
{
    auto_buf path = BUF_INIT;
    auto_buf text = BUF_INIT;
    const char *reason = NULL;
    char piece[4096];
    ssize_t got = 0;
    if (cmd_path_mounted(at, p, ".errors", false, &path) == 0) {
        auto_fd int fd = open(path.p, O_RDONLY | O_CLOEXEC);
        while (fd >= 0 && (got = read(fd, piece, sizeof piece)) > 0)
            if (buf_put(&text, piece, (size_t)got) < 0)
                break;
    }
    const char *s = buf_cstr(&text);
    for (const char *line = s; line && *line;) { /* the last one of that name is ours */
        const char *found = reason_of(line, leaf);
        if (found)
            reason = found;
        const char *end = strchr(line, '\n');
        line = end ? end + 1 : NULL;
    }
    /* Only refusals are noted there; a full disk and the like are not. */
    if (!reason || (errnum != EINVAL && errnum != EFBIG && errnum != ESTALE &&
                    errnum != ETIMEDOUT && errnum != EBUSY))
        return err_from_errno(errnum, "%s", leaf);
    size_t n = strlen(reason);
    const char *next = reason; /* up to the next message: a message may have several lines */
    while ((next = strchr(next, '\n')) != NULL) {
        next++;
        if (strnlen(next, 21) == 21 && next[10] == 'T' && next[19] == 'Z') {
            n = (size_t)(next - reason);
            break;
        }
    }
    while (n > 0 && reason[n - 1] == '\n')
        n--;
    return err_set(ERR_INVAL, "%.*s", (int)n, reason);
}
