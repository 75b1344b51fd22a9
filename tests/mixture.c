/* mixture.c - readers beside writers on a few entities: a reader must see one version, whole.
 *
 * usage: mixture DIR MILLISECONDS     Prints "N reads, N writes, N wrong"; exit 1 if any was wrong.
 *
 * Versions differ in size and in every byte of their padding. Writers replace the text in the three
 * ways that programs use: truncate and write, write over and truncate after, write beside and
 * rename.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FILES 3
#define READERS 3
#define WRITERS 3
#define SIZE_MAX_TEXT 300000
#define READ_PIECE 4096 /* many reads a file, so that a commit falls between two */

struct tally {
    unsigned long reads, writes, wrong, refused;
};

static long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static size_t make_text(char *out, unsigned long v)
{
    size_t pad = (v * 104729) % (v % 8 == 0 ? 200000 : 9000);
    int n = sprintf(out, "{\"v\": %lu, \"pad\": \"", v);
    memset(out + n, 'a' + (int)(v % 26), pad);
    return (size_t)n + pad + (size_t)sprintf(out + n + pad, "\", \"end\": %lu}", v);
}

static bool is_whole(const char *text, size_t n)
{
    static char want[SIZE_MAX_TEXT];
    unsigned long v;
    if (n == 0 || sscanf(text, "{\"v\": %lu", &v) != 1)
        return false;
    return make_text(want, v) == n && memcmp(want, text, n) == 0;
}

static void read_one(const char *path, struct tally *t)
{
    static char text[SIZE_MAX_TEXT];
    struct stat st;
    size_t n = 0;
    ssize_t got = 0;
    int fd = open(path, O_RDONLY);
    if (fd < 0) {
        if (errno != ENOENT) {
            printf("open %s to read: %s\n", path, strerror(errno));
            t->refused++;
        }
        return;
    }
    int statted = fstat(fd, &st);
    while (n < sizeof text - 1 && (got = read(fd, text + n, READ_PIECE)) > 0)
        n += (size_t)got;
    text[n] = '\0';
    t->reads++;
    if (got < 0 || statted < 0 || !is_whole(text, n)) {
        t->wrong++;
        printf("%s: %zu bytes read (fstat: %lld) are no version: %.40s … %.40s (%s)\n", path, n,
               (long long)st.st_size, text, n > 40 ? text + n - 40 : "", strerror(errno));
    }
    close(fd);
}

static void write_one(const char *dir, const char *path, char way, unsigned long v, struct tally *t)
{
    static char text[SIZE_MAX_TEXT];
    char beside[4096];
    size_t n = make_text(text, v);
    int flags = O_WRONLY | O_CREAT | (way == 't' ? O_TRUNC : 0);
    const char *step = "open";
    snprintf(beside, sizeof beside, "%s/tmp.%d", dir, (int)getpid());
    int fd = open(way == 'r' ? beside : path, flags, 0644);
    bool fine = fd >= 0;
    if (fine)
        step = "write", fine = write(fd, text, n) == (ssize_t)n;
    if (fine && way == 'o')
        step = "ftruncate", fine = ftruncate(fd, (off_t)n) == 0;
    int saved = errno;
    if (fd >= 0 && close(fd) < 0 && fine)
        step = "close", fine = false, saved = errno;
    errno = saved;
    if (fine && way == 'r')
        step = "rename", fine = rename(beside, path) == 0;
    t->writes++;
    if (!fine) {
        t->refused++;
        printf("%s of %s (way %c): %s\n", step, path, way, strerror(errno));
    }
}

static void work(const char *dir, const char *ways, bool reader, int id, long until,
                 struct tally *t)
{
    char path[4096];
    for (unsigned long i = 0; now_ms() < until; i++) {
        snprintf(path, sizeof path, "%s/f%lu.json", dir, (i + (unsigned)id) % FILES);
        if (reader)
            read_one(path, t);
        else
            write_one(dir, path, ways[i % strlen(ways)], i * WRITERS + (unsigned)id + 1, t);
    }
}

int main(int argc, char **argv)
{
    if (argc != 4 || !argv[3][0]) {
        fprintf(stderr, "usage: mixture DIR MILLISECONDS WAYS\n");
        return 2;
    }
    struct tally all = {0}, first = {0};
    for (int i = 0; i < FILES; i++) { /* before its first commit a file is an empty draft */
        char path[4096];
        snprintf(path, sizeof path, "%s/f%d.json", argv[1], i);
        write_one(argv[1], path, 't', 1, &first);
    }
    fflush(stdout);
    long until = now_ms() + atol(argv[2]);
    int pipes[2];
    if (pipe(pipes) < 0)
        return 2;
    for (int i = 0; i < READERS + WRITERS; i++) {
        if (fork() == 0) {
            struct tally t = {0};
            work(argv[1], argv[3], i < READERS, i, until, &t);
            fflush(stdout);
            _exit(write(pipes[1], &t, sizeof t) == sizeof t ? 0 : 1);
        }
    }
    close(pipes[1]);
    struct tally t;
    while (read(pipes[0], &t, sizeof t) == sizeof t) {
        all.reads += t.reads;
        all.writes += t.writes;
        all.wrong += t.wrong;
        all.refused += t.refused;
    }
    while (wait(NULL) > 0)
        continue;
    printf("%lu reads, %lu writes, %lu wrong, %lu refused\n", all.reads, all.writes, all.wrong,
           all.refused);
    return all.wrong > 0 || all.refused > 0 || all.reads == 0 || all.writes == 0;
}
