/* fsx.c - system calls that shells lack, or whose errors they hide; for tests on a mount.
 *
 * usage: fsx OP ARG…   Prints "ok" or the errno's name ("EINVAL"), or what the operation found;
 * several steps print one word each: "write=ok close=EINVAL". The exit code is 0 unless the usage
 * is wrong: it is the words that a test compares.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

struct op {
    const char *name;
    int args; /* at least */
    const char *usage;
    void (*run)(int n, char **arg);
};

static const char *word(int rc)
{
    return rc < 0 ? strerrorname_np(errno) : "ok";
}

/* ---- one call
 * ------------------------------------------------------------------------------------ */

static void op_mkdir(int n, char **a)
{
    (void)n;
    puts(word(mkdir(a[0], 0755)));
}

static void op_rmdir(int n, char **a)
{
    (void)n;
    puts(word(rmdir(a[0])));
}

static void op_unlink(int n, char **a)
{
    (void)n;
    puts(word(unlink(a[0])));
}

static void op_stat(int n, char **a)
{
    (void)n;
    struct stat st;
    puts(word(stat(a[0], &st)));
}

static void op_create(int n, char **a)
{
    (void)n;
    int fd = open(a[0], O_WRONLY | O_CREAT | O_EXCL, 0644);
    puts(word(fd));
    if (fd >= 0)
        close(fd);
}

static void op_link(int n, char **a)
{
    (void)n;
    puts(word(link(a[0], a[1])));
}

static void op_symlink(int n, char **a)
{
    (void)n;
    puts(word(symlink(a[0], a[1])));
}

static void op_mkfifo(int n, char **a)
{
    (void)n;
    puts(word(mkfifo(a[0], 0644)));
}

static void op_truncate(int n, char **a)
{
    (void)n;
    puts(word(truncate(a[0], atoll(a[1]))));
}

static void op_rename(int n, char **a)
{
    unsigned flags = 0;
    for (int i = 2; i < n; i++)
        flags |= strcmp(a[i], "exchange") == 0 ? RENAME_EXCHANGE : RENAME_NOREPLACE;
    puts(word(renameat2(AT_FDCWD, a[0], AT_FDCWD, a[1], flags)));
}

static void op_getxattr(int n, char **a)
{
    (void)n;
    char v[4096];
    ssize_t got = getxattr(a[0], a[1], v, sizeof v);
    if (got < 0)
        puts(word(-1));
    else
        printf("%.*s\n", (int)got, v);
}

static void op_setxattr(int n, char **a)
{
    (void)n;
    puts(word(setxattr(a[0], a[1], a[2], strlen(a[2]), 0)));
}

/* ---- several steps on one open file ------------------------------------------------------------
 */

static int open_flags(const char *letters)
{
    int flags = strchr(letters, 'r') ? O_RDWR : O_WRONLY;
    if (strchr(letters, 'c'))
        flags |= O_CREAT;
    if (strchr(letters, 'x'))
        flags |= O_EXCL;
    if (strchr(letters, 't'))
        flags |= O_TRUNC;
    if (strchr(letters, 'a'))
        flags |= O_APPEND;
    return flags;
}

static void show_read(int fd)
{
    char text[65536];
    ssize_t n = read(fd, text, sizeof text);
    if (n < 0) {
        printf(" read=%s", word(-1));
        return;
    }
    while (n > 0 && text[n - 1] == '\n')
        n--;
    for (ssize_t i = 0; i < n; i++)
        if (text[i] == '\n')
            text[i] = '|';
    printf(" read=[%.*s]", (int)n, text);
}

static void show_size(int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        printf(" size=%s", word(-1));
    else
        printf(" size=%lld", (long long)st.st_size);
}

/* steps FILE FLAGS STEP…: +TEXT writes, @N seeks, =N truncates, "sync", "dup" (and closes it: a
 * flush), "read", "size"; at the end the file is closed. */
static void op_steps(int n, char **a)
{
    int fd = open(a[0], open_flags(a[1]), 0644);
    printf("open=%s", word(fd));
    for (int i = 2; i < n && fd >= 0; i++) {
        const char *s = a[i];
        if (*s == '+') {
            ssize_t len = (ssize_t)strlen(s + 1), done = write(fd, s + 1, (size_t)len);
            printf(" write=%s", done >= 0 && done < len ? "short" : word(done < 0 ? -1 : 0));
        } else if (*s == '@') {
            printf(" seek=%s", word(lseek(fd, atoll(s + 1), SEEK_SET) < 0 ? -1 : 0));
        } else if (*s == '=') {
            printf(" truncate=%s", word(ftruncate(fd, atoll(s + 1))));
        } else if (strcmp(s, "sync") == 0) {
            printf(" fsync=%s", word(fsync(fd)));
        } else if (strcmp(s, "dup") == 0) {
            printf(" flush=%s", word(close(dup(fd))));
        } else if (strcmp(s, "read") == 0) {
            show_read(fd);
        } else if (strcmp(s, "size") == 0) {
            show_size(fd);
        }
    }
    if (fd >= 0)
        printf(" close=%s", word(close(fd)));
    putchar('\n');
}

/* hold FILE FLAGS: opens it, then obeys single lines on stdin as the steps above; an answer a line.
 * For two processes with the file open at once. */
static void op_hold(int n, char **a)
{
    (void)n;
    char line[65536];
    int fd = open(a[0], open_flags(a[1]), 0644);
    setvbuf(stdout, NULL, _IOLBF, 0);
    puts(word(fd));
    while (fd >= 0 && fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '+')
            puts(word(write(fd, line + 1, strlen(line + 1)) < 0 ? -1 : 0));
        else if (strcmp(line, "read") == 0)
            lseek(fd, 0, SEEK_SET), show_read(fd), putchar('\n');
        else if (strcmp(line, "size") == 0)
            show_size(fd), putchar('\n');
        else if (strcmp(line, "sync") == 0)
            puts(word(fsync(fd)));
        else if (strcmp(line, "close") == 0)
            break;
    }
    if (fd >= 0)
        puts(word(close(fd)));
}

/* ---- directories
 * ---------------------------------------------------------------------------------- */

/* telldir DIR: every place that telldir() named leads back to the entry after it, in any order. */
static void op_telldir(int n, char **a)
{
    (void)n;
    DIR *d = opendir(a[0]);
    size_t cap = 1 << 16, count = 0;
    long *at = calloc(cap, sizeof *at);
    char(*names)[256] = calloc(cap, sizeof *names);
    struct dirent *e;
    if (!d || !at || !names) {
        puts(word(-1));
        exit(0);
    }
    for (;;) {
        at[count] = telldir(d);
        e = readdir(d);
        if (!e || count + 1 == cap)
            break;
        snprintf(names[count++], sizeof names[0], "%s", e->d_name);
    }
    unsigned random = 12345;
    size_t wrong = 0;
    for (int i = 0; i < 500 && count; i++) {
        random = random * 1103515245u + 12345u;
        size_t k = (random >> 8) % count;
        seekdir(d, at[k]);
        e = readdir(d);
        wrong += !e || strcmp(e->d_name, names[k]) != 0;
    }
    seekdir(d, at[count]);
    wrong += readdir(d) != NULL;
    closedir(d);
    free(at);
    free(names);
    printf("%zu entries, %zu wrong\n", count, wrong);
}

/* churn DIR PREFIX: lists DIR while "PREFIX<i>.json" are removed and made behind and before the
 * place: prints how often a name without that prefix came, and whether one came twice. */
static void op_churn(int n, char **a)
{
    (void)n;
    DIR *d = opendir(a[0]);
    struct dirent *e;
    size_t others = 0, steps = 0, twice = 0, cap = 1 << 17;
    char(*seen)[64] = calloc(cap, sizeof *seen);
    char path[4096];
    if (!d || !seen) {
        puts(word(-1));
        exit(0);
    }
    while ((e = readdir(d)) != NULL) {
        if (++steps % 50 == 0) {
            snprintf(path, sizeof path, "%s/%s%zu.json", a[0], a[1], steps % 1000);
            if (unlink(path) < 0) {
                int fd = open(path, O_WRONLY | O_CREAT, 0644);
                if (fd >= 0) {
                    if (write(fd, "{}", 2) != 2)
                        puts("a write failed");
                    close(fd);
                }
            }
        }
        if (strncmp(e->d_name, a[1], strlen(a[1])) == 0 || e->d_name[0] == '.')
            continue;
        if (others < cap)
            snprintf(seen[others], sizeof seen[0], "%.63s", e->d_name);
        others++;
    }
    closedir(d);
    qsort(seen, others < cap ? others : cap, sizeof *seen,
          (int (*)(const void *, const void *))strcmp);
    for (size_t i = 1; i < others && i < cap; i++)
        twice += strcmp(seen[i - 1], seen[i]) == 0;
    free(seen);
    printf("%zu others, %zu twice\n", others, twice);
}

static const struct op ops[] = {
    {"mkdir", 1, "DIR", op_mkdir},
    {"rmdir", 1, "DIR", op_rmdir},
    {"unlink", 1, "FILE", op_unlink},
    {"stat", 1, "FILE", op_stat},
    {"create", 1, "FILE", op_create},
    {"link", 2, "OLD NEW", op_link},
    {"symlink", 2, "TEXT NEW", op_symlink},
    {"mkfifo", 1, "NEW", op_mkfifo},
    {"truncate", 2, "FILE SIZE", op_truncate},
    {"rename", 2, "OLD NEW [exchange|noreplace]", op_rename},
    {"getxattr", 2, "FILE NAME", op_getxattr},
    {"setxattr", 3, "FILE NAME VALUE", op_setxattr},
    {"steps", 2, "FILE FLAGS STEP…", op_steps},
    {"hold", 2, "FILE FLAGS", op_hold},
    {"telldir", 1, "DIR", op_telldir},
    {"churn", 2, "DIR PREFIX", op_churn},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof ops / sizeof ops[0]; i++) {
        if (strcmp(argv[1], ops[i].name) == 0 && argc - 2 >= ops[i].args) {
            ops[i].run(argc - 2, argv + 2);
            return 0;
        }
    }
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++)
        fprintf(stderr, "fsx %s %s\n", ops[i].name, ops[i].usage);
    return 2;
}
