/* killwriter.c - writes entities and keeps a record of what close() accepted; later compares.
 *
 * usage: killwriter write DIR LOG ID     until the mount dies (exit 0) or another error (exit 1)
 *        killwriter verify DIR LOG       every acknowledged write is there whole (exit 0), or not
 * (1)
 *
 * A file "w<ID>-<k>.json" is written over and over, k in [0, FILES). The text of version v says v
 * and is padded to a size that depends on v, so that a mixture of two versions shows. The log is
 * outside of the mount: a line "name v" after each close() that returned 0. A version newer than
 * the last acknowledged one may be there (its answer was lost with the daemon), but only the next
 * one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILES 40
#define TEXT_MAX 20000

static size_t make_text(char *out, const char *name, unsigned long v)
{
    size_t pad = (v * 7919) % (v % 10 == 0 ? 16000 : 600);
    int n = snprintf(out, TEXT_MAX, "{\"name\": \"%s\", \"v\": %lu, \"pad\": \"", name, v);
    memset(out + n, 'a' + (int)(v % 26), pad);
    int m = snprintf(out + n + pad, TEXT_MAX - (size_t)n - pad, "\", \"end\": %lu}\n", v);
    return (size_t)n + pad + (size_t)m;
}

/* What every call gives once the daemon is gone. */
static int mount_died(int errnum)
{
    return errnum == ENOTCONN || errnum == ECONNABORTED || errnum == EIO || errnum == ESTALE ||
           errnum == EINTR;
}

static int fail(const char *what, const char *name)
{
    int saved = errno;
    if (mount_died(saved))
        return 0;
    fprintf(stderr, "%s %s: %s\n", what, name, strerror(saved));
    return 1;
}

static int write_all(const char *dir, const char *log, const char *id)
{
    static char text[TEXT_MAX];
    char name[64], path[4096], line[128];
    int out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (out < 0)
        return fail("open", log);
    for (unsigned long i = 0;; i++) {
        unsigned long v = i / FILES + 1;
        snprintf(name, sizeof name, "w%s-%lu.json", id, i % FILES);
        snprintf(path, sizeof path, "%s/%s", dir, name);
        size_t n = make_text(text, name, v);
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
        if (fd < 0)
            return fail("open", name);
        ssize_t done = write(fd, text, n);
        int bad = done != (ssize_t)n;
        int saved = errno;
        if (close(fd) < 0)
            return fail("close", name);
        errno = saved;
        if (bad)
            return done < 0 ? fail("write", name) : (fprintf(stderr, "short write\n"), 1);
        int m = snprintf(line, sizeof line, "%s %lu\n", name, v);
        if (write(out, line, (size_t)m) != m)
            return fail("write", log);
    }
}

struct last { /* the last acknowledged version of a file */
    char name[64];
    unsigned long v;
};

static int holds(const char *dir, const struct last *l)
{
    static char want[TEXT_MAX], got[TEXT_MAX + 1];
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, l->name);
    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, got, sizeof got);
    if (fd >= 0)
        close(fd);
    for (unsigned long v = l->v; n >= 0 && v <= l->v + 1; v++)
        if (make_text(want, l->name, v) == (size_t)n && memcmp(want, got, (size_t)n) == 0)
            return 1;
    printf("%s: version %lu was acknowledged; there are %zd bytes: %.60s\n", l->name, l->v, n,
           n > 0 ? got : "");
    return 0;
}

static int verify(const char *dir, const char *log)
{
    static struct last all[FILES * 64];
    size_t n = 0, writes = 0, lost = 0;
    char name[64];
    unsigned long v;
    FILE *f = fopen(log, "r");
    if (!f)
        return fail("open", log) + 1;
    while (fscanf(f, "%63s %lu", name, &v) == 2) {
        size_t i = 0;
        writes++;
        while (i < n && strcmp(all[i].name, name) != 0)
            i++;
        if (i == n && n++ == sizeof all / sizeof all[0])
            return 1;
        snprintf(all[i].name, sizeof all[i].name, "%s", name);
        all[i].v = v;
    }
    fclose(f);
    for (size_t i = 0; i < n; i++)
        lost += !holds(dir, &all[i]);
    printf("%zu writes acknowledged, %zu files, %zu lost\n", writes, n, lost);
    return lost > 0 || n == 0;
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "write") == 0)
        return write_all(argv[2], argv[3], argv[4]);
    if (argc == 4 && strcmp(argv[1], "verify") == 0)
        return verify(argv[2], argv[3]);
    fprintf(stderr, "usage: killwriter write DIR LOG ID | verify DIR LOG\n");
    return 2;
}
