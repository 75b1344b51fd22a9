/* floor.c - what the store adds to a request: two mounts of the same shape, measured in turns.
 *
 *     remfs-bench-floor --many A B --list A B --names FILE [--pid A B] [--rounds N] [--json FILE]
 *
 * A is a directory of remfs-null-fs, B one of a store, with the same names in them. FILE lists
 * those of the --many directories, one a line; names are given, not listed, since listing would
 * warm what is to be measured cold. Every round measures every row on both sides, the first side
 * changing from round to round, so that a busy machine disturbs both alike.
 *
 * Rows measured once a round are cold by choice of names (never looked at before), by a change of
 * the directory (its cached listing is dropped), or, as root, by dropping the kernel's caches.
 * Prints a table in Markdown; the rounds themselves go to the JSON file. It knows only paths.
 */
#include "bench/stat.h"
#include "store/base/buf.h"
#include "store/base/cleanup.h"
#include "store/base/clock.h"

#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <getopt.h>
#include <sys/stat.h>

#define OPENS 2000                /* files of a round, not looked at before */
#define WRITES 1000               /* files made in a round */
#define CHUNK ((size_t)128 << 10) /* as cat reads */

enum side { FLOOR, STORE, SIDES };

enum row {
    ROW_OPEN_FIRST,
    ROW_OPEN_AGAIN,
    ROW_STAT_FIRST,
    ROW_LIST_FIRST,
    ROW_LIST_AGAIN,
    ROW_LONG_FIRST,
    ROW_LONG_AGAIN,
    ROW_ALL,
    ROW_WRITE,
    ROWS
};

static const struct {
    const char *key, *help, *unit;
    bool higher_is_better;
} rows[ROWS] = {
    [ROW_OPEN_FIRST] = {"open_first", "open+read+close, first time", "µs", false},
    [ROW_OPEN_AGAIN] = {"open_again", "open+read+close, again", "µs", false},
    [ROW_STAT_FIRST] = {"stat_first", "stat, first time", "µs", false},
    [ROW_LIST_FIRST] = {"list_first", "list names, first time", "ms", false},
    [ROW_LIST_AGAIN] = {"list_again", "list names, again", "ms", false},
    [ROW_LONG_FIRST] = {"long_first", "ls -l, kernel caches dropped", "ms", false},
    [ROW_LONG_AGAIN] = {"long_again", "ls -l, again", "ms", false},
    [ROW_ALL] = {"all_read", "read .all.jsonl", "MB/s", true},
    [ROW_WRITE] = {"write", "create+write+close", "µs", false},
};

struct bench {
    const char *many[SIDES]; /* directories with the names of the list */
    const char *list[SIDES]; /* directories to be listed and written to */
    pid_t pid[SIDES];
    char **names;
    size_t n_names;
    int rounds;
    struct samples samples[ROWS][SIDES];
    long rss[SIDES][2][3]; /* KiB: before and after; VmRSS, RssAnon, RssFile */
    size_t list_entries[SIDES], all_bytes[SIDES];
    bool can_drop;
};

static double since_us(int64_t start)
{
    return (double)(clock_mono_ns() - start) / 1e3;
}

/* ---- one measurement each -------------------------------------------------------------------- */

static double open_files(const struct bench *b, enum side side, size_t first)
{
    auto_fd int dir = open(b->many[side], O_RDONLY | O_DIRECTORY);
    if (dir < 0)
        err(1, "%s", b->many[side]);
    char text[65536];
    int64_t start = clock_mono_ns();
    for (size_t i = first; i < first + OPENS; i++) {
        int fd = openat(dir, b->names[i], O_RDONLY);
        if (fd < 0 || read(fd, text, sizeof text) <= 0)
            err(1, "%s/%s", b->many[side], b->names[i]);
        close(fd);
    }
    return since_us(start) / OPENS;
}

static double stat_files(const struct bench *b, enum side side, size_t first)
{
    auto_fd int dir = open(b->many[side], O_RDONLY | O_DIRECTORY);
    struct stat st;
    int64_t start = clock_mono_ns();
    for (size_t i = first; i < first + OPENS; i++)
        if (fstatat(dir, b->names[i], &st, AT_SYMLINK_NOFOLLOW) != 0)
            err(1, "%s/%s", b->many[side], b->names[i]);
    return since_us(start) / OPENS;
}

static double list_names(struct bench *b, enum side side, bool with_stat)
{
    int64_t start = clock_mono_ns();
    DIR *d = opendir(b->list[side]);
    if (!d)
        err(1, "%s", b->list[side]);
    size_t n = 0;
    struct stat st;
    for (struct dirent *e; (e = readdir(d)); n++)
        if (with_stat && fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            err(1, "%s/%s", b->list[side], e->d_name);
    closedir(d);
    b->list_entries[side] = n;
    return since_us(start) / 1e3;
}

static double read_all(struct bench *b, enum side side)
{
    auto_buf path = BUF_INIT;
    static char chunk[CHUNK];
    if (buf_putf(&path, "%s/.all.jsonl", b->many[side]) < 0 || !buf_cstr(&path))
        errx(1, "out of memory");
    int64_t start = clock_mono_ns();
    auto_fd int fd = open(path.p, O_RDONLY);
    if (fd < 0)
        err(1, "%s", path.p);
    size_t total = 0;
    ssize_t n;
    while ((n = read(fd, chunk, sizeof chunk)) > 0)
        total += (size_t)n;
    if (n < 0)
        err(1, "%s", path.p);
    b->all_bytes[side] = total;
    return (double)total / since_us(start); /* bytes in a microsecond are MB in a second */
}

static double write_files(const struct bench *b, enum side side, int round)
{
    static const char format[] = "{\"name\":\"Made %d\",\"properties\":{\"index\":%d,"
                                 "\"status\":\"active\",\"description\":\"A small one.\"}}\n";
    auto_fd int dir = open(b->list[side], O_RDONLY | O_DIRECTORY);
    char name[64], text[256];
    int64_t start = clock_mono_ns();
    for (int i = 0; i < WRITES; i++) {
        snprintf(name, sizeof name, "made-%d-%d.json", round, i);
        int n = snprintf(text, sizeof text, format, i, i);
        int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
        if (fd < 0 || write(fd, text, (size_t)n) != n || close(fd) != 0)
            err(1, "%s/%s", b->list[side], name);
    }
    double us = since_us(start) / WRITES;
    for (int i = 0; i < WRITES; i++) {
        snprintf(name, sizeof name, "made-%d-%d.json", round, i);
        if (unlinkat(dir, name, 0) != 0)
            err(1, "unlink %s/%s", b->list[side], name);
    }
    return us;
}

/* A file that comes and goes: the kernel drops what it kept of the directory's listing. */
static void change_dir(const struct bench *b, enum side side)
{
    auto_fd int dir = open(b->list[side], O_RDONLY | O_DIRECTORY);
    int fd = openat(dir, "changed.tmp", O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || close(fd) != 0 || unlinkat(dir, "changed.tmp", 0) != 0)
        err(1, "%s/changed.tmp", b->list[side]);
}

static bool drop_caches(void)
{
    auto_fd int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);
    return fd >= 0 && write(fd, "2", 1) == 1; /* names and inodes; page caches stay */
}

/* ---- a run ----------------------------------------------------------------------------------- */

static void measure_side(struct bench *b, enum side side, int round)
{
    size_t first = (size_t)round * 2 * OPENS;
    double v[ROWS];
    v[ROW_OPEN_FIRST] = open_files(b, side, first);
    v[ROW_OPEN_AGAIN] = open_files(b, side, first);
    v[ROW_STAT_FIRST] = stat_files(b, side, first + OPENS);
    change_dir(b, side);
    v[ROW_LIST_FIRST] = list_names(b, side, false);
    v[ROW_LIST_AGAIN] = list_names(b, side, false);
    v[ROW_LONG_FIRST] = NAN;
    if (b->can_drop) {
        change_dir(b, side);
        drop_caches();
        v[ROW_LONG_FIRST] = list_names(b, side, true);
    } else {
        list_names(b, side, true);
    }
    v[ROW_LONG_AGAIN] = list_names(b, side, true);
    v[ROW_ALL] = read_all(b, side);
    v[ROW_WRITE] = write_files(b, side, round);
    for (int r = 0; r < ROWS; r++)
        if (isfinite(v[r]))
            samples_add(&b->samples[r][side], v[r]);
}

static void read_memory(const struct bench *b, int when, long rss[SIDES][2][3])
{
    static const char *const keys[3] = {"VmRSS:", "RssAnon:", "RssFile:"};
    for (int side = 0; side < SIDES; side++) {
        char path[64], line[256];
        snprintf(path, sizeof path, "/proc/%d/status", (int)b->pid[side]);
        auto_file FILE *f = b->pid[side] > 0 ? fopen(path, "r") : NULL;
        while (f && fgets(line, sizeof line, f))
            for (int k = 0; k < 3; k++)
                if (strncmp(line, keys[k], strlen(keys[k])) == 0)
                    rss[side][when][k] = strtol(line + strlen(keys[k]), NULL, 10);
    }
}

/* In an order of its own: the listing's order is also that of the stored keys. */
static void shuffle(char **v, size_t n)
{
    uint64_t x = 0x9e3779b97f4a7c15u;
    for (size_t i = n; i > 1; i--) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17; /* xorshift64, Marsaglia 2003 */
        size_t j = x % i;
        char *t = v[i - 1];
        v[i - 1] = v[j];
        v[j] = t;
    }
}

static void read_names(struct bench *b, const char *file)
{
    auto_file FILE *f = fopen(file, "r");
    if (!f)
        err(1, "%s", file);
    char *line = NULL;
    size_t cap = 0, room = 0;
    for (ssize_t n; (n = getline(&line, &cap, f)) > 0;) {
        if (line[n - 1] == '\n')
            line[n - 1] = '\0';
        if (b->n_names == room) {
            room = room ? room * 2 : 1024;
            b->names = realloc(b->names, room * sizeof *b->names);
        }
        if (!b->names || !(b->names[b->n_names++] = strdup(line)))
            errx(1, "out of memory");
    }
    free(line);
    if (b->n_names < (size_t)b->rounds * 2 * OPENS)
        errx(2, "%s: %zu names, %d rounds need %d", file, b->n_names, b->rounds,
             b->rounds * 2 * OPENS);
    shuffle(b->names, b->n_names);
}

/* ---- output ---------------------------------------------------------------------------------- */

static void print_table(const struct bench *b)
{
    printf("| | null FUSE | remfs | remfs ÷ null |\n|---|---|---|---|\n");
    for (int r = 0; r < ROWS; r++) {
        double m[SIDES], mad[SIDES];
        for (int s = 0; s < SIDES; s++) {
            m[s] = samples_median(&b->samples[r][s]);
            mad[s] = samples_mad(&b->samples[r][s]);
        }
        if (!isfinite(m[FLOOR]) || !isfinite(m[STORE]))
            continue;
        printf("| %s, %s | %.2f ± %.2f | %.2f ± %.2f | %.2f |\n", rows[r].help, rows[r].unit,
               m[FLOOR], mad[FLOOR], m[STORE], mad[STORE],
               rows[r].higher_is_better ? m[FLOOR] / m[STORE] : m[STORE] / m[FLOOR]);
    }
    static const char *const when[2] = {"before", "after"};
    for (int w = 0; w < 2; w++)
        printf("| memory %s, MiB: resident (own + file) | %.1f (%.1f + %.1f) | %.1f (%.1f + %.1f) "
               "| |\n",
               when[w], (double)b->rss[FLOOR][w][0] / 1024, (double)b->rss[FLOOR][w][1] / 1024,
               (double)b->rss[FLOOR][w][2] / 1024, (double)b->rss[STORE][w][0] / 1024,
               (double)b->rss[STORE][w][1] / 1024, (double)b->rss[STORE][w][2] / 1024);
    printf("\nMedians of %d rounds ± median absolute deviation; above 1 is slower than the floor. "
           "%d files a round opened and statted, %d made; listings of %zu and %zu entries; "
           ".all.jsonl of %.1f and %.1f MB.\n",
           b->rounds, OPENS, WRITES, b->list_entries[FLOOR], b->list_entries[STORE],
           (double)b->all_bytes[FLOOR] / 1e6, (double)b->all_bytes[STORE] / 1e6);
}

static void write_json(const struct bench *b, const char *file)
{
    static const char *const sides[SIDES] = {"null", "remfs"};
    auto_file FILE *f = fopen(file, "w");
    if (!f)
        err(1, "%s", file);
    fprintf(f, "{\"benchmark\":\"floor\",\"rounds\":%d", b->rounds);
    for (int r = 0; r < ROWS; r++) {
        fprintf(f, ",\n\"%s\":{\"unit\":\"%s\"", rows[r].key, rows[r].unit);
        for (int s = 0; s < SIDES; s++) {
            const struct samples *x = &b->samples[r][s];
            fprintf(f, ",\"%s\":{\"median\":", sides[s]);
            json_put_number(f, samples_median(x));
            fputs(",\"mad\":", f);
            json_put_number(f, samples_mad(x));
            fputs(",\"rounds\":[", f);
            for (int i = 0; i < x->n; i++) {
                fputs(i ? "," : "", f);
                json_put_number(f, x->v[i]);
            }
            fputs("]}", f);
        }
        fputc('}', f);
    }
    for (int s = 0; s < SIDES; s++)
        for (int w = 0; w < 2; w++)
            fprintf(f, ",\n\"memory_%s_%s\":{\"rss_kib\":%ld,\"anon_kib\":%ld,\"file_kib\":%ld}",
                    sides[s], w ? "after" : "before", b->rss[s][w][0], b->rss[s][w][1],
                    b->rss[s][w][2]);
    fputs("}\n", f);
}

static void set_pair(int argc, char **argv, const char *to[SIDES])
{
    if (optind >= argc)
        errx(2, "--many, --list and --pid take two values");
    to[FLOOR] = optarg;
    to[STORE] = argv[optind++];
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"many", required_argument, NULL, 'm'},
                                            {"list", required_argument, NULL, 'l'},
                                            {"pid", required_argument, NULL, 'p'},
                                            {"names", required_argument, NULL, 'n'},
                                            {"rounds", required_argument, NULL, 'r'},
                                            {"json", required_argument, NULL, 'j'},
                                            {NULL, 0, NULL, 0}};
    static struct bench b = {.rounds = 9};
    const char *pids[SIDES] = {"0", "0"}, *names = NULL, *json = NULL;
    for (int c; (c = getopt_long(argc, argv, "+", options, NULL)) != -1;) {
        if (c == 'm')
            set_pair(argc, argv, b.many);
        else if (c == 'l')
            set_pair(argc, argv, b.list);
        else if (c == 'p')
            set_pair(argc, argv, pids);
        else if (c == 'n')
            names = optarg;
        else if (c == 'r')
            b.rounds = atoi(optarg);
        else if (c == 'j')
            json = optarg;
        else
            return 2;
    }
    if (!b.many[FLOOR] || !b.list[FLOOR] || !names || b.rounds < 1 || b.rounds > SAMPLES_MAX)
        errx(2, "usage: remfs-bench-floor --many A B --list A B --names FILE [--pid A B] "
                "[--rounds N] [--json FILE]");
    for (int s = 0; s < SIDES; s++)
        b.pid[s] = (pid_t)atoi(pids[s]);
    read_names(&b, names);
    b.can_drop = drop_caches();
    read_memory(&b, 0, b.rss);
    for (int round = 0; round < b.rounds; round++)
        for (int k = 0; k < SIDES; k++)
            measure_side(&b, (enum side)((round + k) % SIDES), round);
    read_memory(&b, 1, b.rss);
    print_table(&b);
    if (json)
        write_json(&b, json);
    for (size_t i = 0; i < b.n_names; i++)
        free(b.names[i]);
    free(b.names);
    return 0;
}
