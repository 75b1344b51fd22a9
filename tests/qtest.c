/* qtest.c - runs the text cases of fixtures/queries (FILE.qtest) against the query engine; TAP.
 *
 *   qtest [DIR | FILE.qtest …]     default: $top_srcdir/fixtures/queries
 *   qtest --print FILE.qtest       the file with the answers as they are
 *
 * A file is read line by line:
 *   # …              a comment
 *   %type NAME       the lines "ID JSON" up to the next blank one are its entities
 *   %in NAME         the cases below are asked of that type; "%in ." of the tenant
 *   %memory N        bytes that a query may hold
 *   ? TEXT           a case: the statement, as `echo` would write it (more lines: more '?' lines; a
 *                    first line with "?-" is written without echo's newline)
 *   …                what is answered, up to the next blank line. Or, as the first line,
 *   ! invalid        refused, with the message on the lines after
 *   ! unfinished     not yet a statement, with the message
 *   ! fails          a statement, but reading the answer fails, with the message
 *
 * Of every case that is a statement each shorter text, byte by byte, must be a statement or
 * unfinished: a writer may be interrupted anywhere.
 */
#include "store/base/cleanup.h"
#include "store/base/err.h"
#include "store/json.h"
#include "store/query.h"
#include "tests/fake_store.h"

#include <glob.h>
#include <limits.h>

struct qcase {
    int line;
    struct buf text, expected, actual;
};

struct runner {
    struct store *st;
    struct coll coll;
    const char *file;
    FILE *print; /* with --print */
    int line, passed, failed;
};

static void must(int rc)
{
    if (rc < 0) {
        fprintf(stderr, "qtest: %s\n", err_msg());
        exit(2);
    }
}

/* ---- one case -------------------------------------------------------------------------------- */

/* Reads in pieces that fit nowhere, so that every border is crossed. */
static int read_all(struct answer *a, struct buf *out)
{
    char piece[77];
    ssize_t n;
    while ((n = answer_read(a, piece, sizeof piece)) > 0)
        must(buf_put(out, piece, (size_t)n));
    return (int)n;
}

static void put_error(struct buf *out, const char *kind)
{
    must(buf_putf(out, "! %s\n%s\n", kind, err_msg()));
}

static void run_query(struct runner *r, struct slice text, struct buf *out)
{
    struct answer *a = NULL;
    int checked = store_query_check(r->st, r->coll, text);
    if (checked != 0) {
        put_error(out, checked > 0 ? "unfinished" : "invalid");
        return;
    }
    int rc = store_query(r->st, r->coll, text, &a);
    if (rc == 0)
        rc = read_all(a, out);
    if (rc < 0)
        put_error(out, "fails");
    answer_free(a);
}

static bool prefixes_are_fine(struct runner *r, struct slice text, char *why, size_t size)
{
    for (size_t n = 0; n < text.n; n++) {
        int rc = store_query_check(r->st, r->coll, slice_of(text.p, n));
        if (rc >= 0)
            continue;
        snprintf(why, size, "its first %zu bytes are refused: %s", n, err_msg());
        return false;
    }
    return true;
}

static void show(const char *what, const struct buf *b)
{
    const char *p = b->p, *end = b->p + b->n;
    printf("#   %s:\n", what);
    while (p < end) {
        const char *eol = memchr(p, '\n', (size_t)(end - p));
        int n = (int)((eol ? eol : end) - p);
        printf("#     %.*s\n", n, p);
        p += n + 1;
    }
}

static void finish_case(struct runner *r, struct qcase *c)
{
    char why[ERR_MSG_MAX + 64] = "";
    if (!c->line)
        return;
    buf_clear(&c->actual);
    run_query(r, slice_buf(&c->text), &c->actual);
    bool ok = slice_eq(slice_buf(&c->actual), slice_buf(&c->expected));
    bool statement = c->actual.n < 2 || memcmp(c->actual.p, "! ", 2) != 0;
    if (ok && statement && c->text.n < 500)
        ok = prefixes_are_fine(r, slice_buf(&c->text), why, sizeof why);
    if (r->print) {
        fwrite(c->actual.p, 1, c->actual.n, r->print);
    } else {
        printf("%s %d - %s:%d\n", ok ? "ok" : "not ok", r->passed + r->failed + 1, r->file,
               c->line);
        if (!ok) {
            show("query", &c->text);
            show("expected", &c->expected);
            show("actual", &c->actual);
            if (*why)
                printf("#   %s\n", why);
        }
    }
    *(ok ? &r->passed : &r->failed) += 1;
    c->line = 0;
}

/* ---- a file ---------------------------------------------------------------------------------- */

static void read_entity(struct runner *r, const char *type, char *line)
{
    char *json = strchr(line, ' ');
    if (!json) {
        fprintf(stderr, "%s:%d: expected ID JSON\n", r->file, r->line);
        exit(2);
    }
    *json++ = '\0';
    must(json_validate(slice_str(json), true));
    fake_put(r->st, type, slice_str(line), slice_str(json));
}

static void read_command(struct runner *r, char *line, char *type)
{
    char word[32] = "", value[STORE_NAME_MAX + 1] = "";
    sscanf(line, "%31s %64s", word, value);
    if (strcmp(word, "%type") == 0) {
        strcpy(type, value);
        fake_type(r->st, type);
    } else if (strcmp(word, "%in") == 0) {
        r->coll.type = strcmp(value, ".") ? fake_type(r->st, value) : 0;
    } else if (strcmp(word, "%memory") == 0) {
        fake_options(r->st)->query_memory = strtoull(value, NULL, 10);
    } else {
        fprintf(stderr, "%s:%d: %s?\n", r->file, r->line, word);
        exit(2);
    }
}

/* A line of a statement; the first one starts a case. */
static void read_query(struct runner *r, struct qcase *c, const char *line)
{
    bool bare = line[1] == '-';
    const char *text = line + 1 + bare;
    text += *text == ' ';
    if (!c->line) {
        c->line = r->line;
        buf_clear(&c->text);
        buf_clear(&c->expected);
    }
    must(buf_puts(&c->text, text));
    if (!bare)
        must(buf_putc(&c->text, '\n'));
}

static void read_line(struct runner *r, struct qcase *c, char *type, char *line)
{
    if (*line == '\0') {
        finish_case(r, c);
        *type = '\0';
    } else if (*type) {
        read_entity(r, type, line);
    } else if (c->line && *line != '?') {
        must(buf_putf(&c->expected, "%s\n", line));
    } else if (*line == '?') {
        read_query(r, c, line);
    } else if (*line == '%') {
        read_command(r, line, type);
    } else if (*line != '#') {
        fprintf(stderr, "%s:%d: a line outside of every case\n", r->file, r->line);
        exit(2);
    }
}

static void run_file(struct runner *r, const char *path)
{
    auto_file FILE *f = fopen(path, "r");
    auto_free char *line = NULL;
    char type[STORE_NAME_MAX + 1] = "";
    size_t cap = 0;
    ssize_t n;
    struct qcase c = {0};
    const char *slash = strrchr(path, '/');
    if (!f) {
        perror(path);
        exit(2);
    }
    r->st = fake_new();
    r->coll = (struct coll){FAKE_TENANT, 0};
    r->file = slash ? slash + 1 : path;
    r->line = 0;
    while ((n = getline(&line, &cap, f)) > 0) {
        r->line++;
        if (line[n - 1] == '\n')
            line[n - 1] = '\0';
        bool expected = c.line && *line != '?' && *line;
        char first = *line;
        if (r->print && first && !expected)
            fprintf(r->print, "%s\n", line);
        read_line(r, &c, type, line);
        if (r->print && !first)
            fputc('\n', r->print);
    }
    finish_case(r, &c);
    buf_free(&c.text);
    buf_free(&c.expected);
    buf_free(&c.actual);
    fake_free(r->st);
}

static void run_pattern(struct runner *r, const char *pattern)
{
    glob_t g;
    if (glob(pattern, 0, NULL, &g) == 0) {
        for (size_t i = 0; i < g.gl_pathc; i++)
            run_file(r, g.gl_pathv[i]);
    }
    globfree(&g);
}

int main(int argc, char **argv)
{
    struct runner r = {0};
    char pattern[PATH_MAX];
    const char *top = getenv("top_srcdir");
    int i = 1;
    if (argc > 2 && strcmp(argv[1], "--print") == 0) {
        r.print = stdout;
        i = 2;
    }
    if (i == argc) {
        snprintf(pattern, sizeof pattern, "%s/fixtures/queries/*.qtest", top ? top : ".");
        run_pattern(&r, pattern);
    }
    for (; i < argc; i++) {
        bool file = strstr(argv[i], ".qtest") != NULL;
        snprintf(pattern, sizeof pattern, "%s%s", argv[i], file ? "" : "/*.qtest");
        run_pattern(&r, pattern);
    }
    if (r.print)
        return 0;
    printf("1..%d\n", r.passed + r.failed);
    printf("# %d passed, %d failed\n", r.passed, r.failed);
    return r.failed != 0 || r.passed == 0;
}
