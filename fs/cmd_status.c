/* cmd_status.c - `remfs status`: the store in question and every remfs mount, and whether they
 * answer. */
#include "fs/cmd.h"
#include "fs/mountinfo.h"
#include "store/base/cleanup.h"

#include <sys/stat.h>

#define STATUS_ANSWER_MS 2000

struct row {
    char *store;
    char *mountpoint; /* NULL: not mounted */
    pid_t pid;        /* 0: nobody */
    const char *state;
};

struct rows {
    struct row *v;
    size_t n;
};

static void rows_free(struct rows *r)
{
    for (size_t i = 0; i < r->n; i++) {
        free(r->v[i].store);
        free(r->v[i].mountpoint);
    }
    free(r->v);
}

static int add(struct rows *r, const char *store, const char *mountpoint, pid_t pid,
               const char *state)
{
    struct row *v = realloc(r->v, (r->n + 1) * sizeof *v);
    if (!v)
        return err_set(ERR_NOMEM, "out of memory");
    r->v = v;
    struct row *row = &v[r->n];
    *row = (struct row){.pid = pid, .state = state};
    row->store = strdup(store);
    row->mountpoint = mountpoint ? strdup(mountpoint) : NULL;
    if (!row->store || (mountpoint && !row->mountpoint)) {
        free(row->store);
        free(row->mountpoint);
        return err_set(ERR_NOMEM, "out of memory");
    }
    r->n++;
    return 0;
}

static int add_mount(void *ctx, const struct mount_row *m)
{
    auto_buf where = BUF_INIT;
    pid_t pid = 0;
    if (!mount_is_remfs(m->fstype))
        return 0;
    const char *w = store_owner(m->source, &pid, &where) == 0 ? buf_cstr(&where) : NULL;
    if (!w || strcmp(w, m->target) != 0)
        pid = 0; /* whoever has the store serves another mount */
    bool answers = mount_answers(m->target, STATUS_ANSWER_MS);
    return add(ctx, m->source, m->target, pid, answers ? "answers" : "does not answer");
}

static int add_store(struct rows *r, const char *path)
{
    auto_buf where = BUF_INIT;
    pid_t pid = 0;
    struct stat st;
    for (size_t i = 0; i < r->n; i++)
        if (strcmp(r->v[i].store, path) == 0)
            return 0;
    if (stat(path, &st) < 0)
        return add(r, path, NULL, 0, "no store");
    int rc = store_owner(path, &pid, &where);
    if (rc == -ERR_NOTFOUND)
        return add(r, path, NULL, 0, "no store");
    if (rc < 0)
        return rc;
    return add(r, path, NULL, pid, pid ? "in use" : "not mounted");
}

static void print_text(const struct rows *r)
{
    int wide_store = 5, wide_mount = 11;
    for (size_t i = 0; i < r->n; i++) {
        int s = (int)strlen(r->v[i].store);
        int m = r->v[i].mountpoint ? (int)strlen(r->v[i].mountpoint) : 1;
        wide_store = s > wide_store ? s : wide_store;
        wide_mount = m > wide_mount ? m : wide_mount;
    }
    printf("%-*s  %-*s  %7s  %s\n", wide_store, "STORE", wide_mount, "MOUNT POINT", "PID", "STATE");
    for (size_t i = 0; i < r->n; i++) {
        char pid[16] = "-";
        if (r->v[i].pid)
            snprintf(pid, sizeof pid, "%d", (int)r->v[i].pid);
        printf("%-*s  %-*s  %7s  %s\n", wide_store, r->v[i].store, wide_mount,
               r->v[i].mountpoint ? r->v[i].mountpoint : "-", pid, r->v[i].state);
    }
}

static void print_json(const struct rows *r)
{
    putchar('[');
    for (size_t i = 0; i < r->n; i++) {
        const struct row *row = &r->v[i];
        printf("%s\n  {\"store\": ", i ? "," : "");
        cmd_print_json(row->store);
        fputs(", \"mountpoint\": ", stdout);
        if (row->mountpoint)
            cmd_print_json(row->mountpoint);
        else
            fputs("null", stdout);
        if (row->pid)
            printf(", \"pid\": %d", (int)row->pid);
        else
            fputs(", \"pid\": null", stdout);
        printf(", \"answers\": %s, \"state\": ",
               strcmp(row->state, "answers") == 0 ? "true" : "false");
        cmd_print_json(row->state);
        putchar('}');
    }
    puts(r->n ? "\n]" : "]");
}

int cmd_run_status(struct cmd_args *args)
{
    __attribute__((__cleanup__(rows_free))) struct rows r = {0};
    auto_buf path = BUF_INIT;
    int rc = mount_each(add_mount, &r);
    if (rc == 0)
        rc = cmd_store_path(args, NULL, &path);
    if (rc == 0)
        rc = add_store(&r, path.p);
    if (rc < 0)
        return cmd_fail_err();
    if (cmd_value(args, "json"))
        print_json(&r);
    else
        print_text(&r);
    return cmd_flush();
}
