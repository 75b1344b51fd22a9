/* import.c - loading many entities: through a mount's .insert, into the store in process, and into
 * the peers that do less (LevelDB, raw puts) or otherwise (SQLite, a table of JSON).
 *
 *     remfs-bench-import --jsonl FILE --work DIR [--mount DIR] [--rounds N] [--json FILE]
 *
 * FILE has one object a line, each with a string "id". DIR is a directory to make databases in;
 * --mount is a tenant's directory on a mounted store, where a type is made for each round (and
 * stays: the store is for measuring). Every round loads the same lines once into each; nothing is
 * synced, except what an engine does on its own; opening is not timed, closing what was written is.
 *
 * Prints a table in Markdown, medians with the median absolute deviation, rounds in the JSON file.
 */
#include "bench/stat.h"
#include "store/base/buf.h"
#include "store/base/cleanup.h"
#include "store/base/clock.h"
#include "store/store.h"

#include <err.h>
#include <fcntl.h>
#include <ftw.h>
#include <getopt.h>
#include <leveldb/c.h>
#include <sqlite3.h>
#include <sys/stat.h>

#define BATCH 1000                /* puts of one LevelDB batch */
#define CHUNK ((size_t)128 << 10) /* as cat writes */

struct line {
    struct slice id, json;
};

static struct buf input = BUF_INIT;
static struct line *lines;
static size_t n_lines;
static const char *work_dir, *mount_dir;

static double since_ms(int64_t start)
{
    return (double)(clock_mono_ns() - start) / 1e6;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

/* "DIR/name" for one round, empty. */
static char *fresh_path(const char *name)
{
    char *path;
    if (asprintf(&path, "%s/%s", work_dir, name) < 0)
        errx(1, "out of memory");
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return path;
}

static void done_with(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- one load each ------------------------------------------------------------------------- */

static double load_leveldb(void)
{
    auto_free char *path = fresh_path("leveldb"), *why = NULL;
    leveldb_options_t *opt = leveldb_options_create();
    leveldb_options_set_create_if_missing(opt, 1);
    leveldb_writeoptions_t *how = leveldb_writeoptions_create();
    leveldb_t *db = leveldb_open(opt, path, &why);
    if (!db)
        errx(1, "LevelDB: %s", why);
    int64_t start = clock_mono_ns();
    leveldb_writebatch_t *batch = leveldb_writebatch_create();
    for (size_t i = 0; i < n_lines; i++) {
        leveldb_writebatch_put(batch, lines[i].id.p, lines[i].id.n, lines[i].json.p,
                               lines[i].json.n);
        if ((i + 1) % BATCH == 0 || i + 1 == n_lines) {
            leveldb_write(db, how, batch, &why);
            leveldb_writebatch_clear(batch);
        }
    }
    double ms = since_ms(start);
    if (why)
        errx(1, "LevelDB: %s", why);
    leveldb_writebatch_destroy(batch);
    leveldb_writeoptions_destroy(how);
    leveldb_close(db);
    leveldb_options_destroy(opt);
    done_with(path);
    return ms;
}

static void sql(sqlite3 *db, const char *text)
{
    if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
        errx(1, "SQLite: %s: %s", text, sqlite3_errmsg(db));
}

static double load_sqlite(bool indexes)
{
    auto_free char *path = fresh_path("sqlite");
    if (mkdir(path, 0700) != 0)
        err(1, "%s", path);
    auto_buf file = BUF_INIT;
    sqlite3 *db;
    if (buf_putf(&file, "%s/db", path) < 0 || !buf_cstr(&file) ||
        sqlite3_open(file.p, &db) != SQLITE_OK)
        errx(1, "SQLite: cannot open %s/db", path);
    sql(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-65536;"
            "CREATE TABLE e(id TEXT PRIMARY KEY, body TEXT);");
    if (indexes)
        sql(db, "CREATE INDEX e_status ON e(json_extract(body,'$.properties.status'));"
                "CREATE INDEX e_priority ON e(json_extract(body,'$.properties.priority'));"
                "CREATE INDEX e_team ON e(json_extract(body,'$.properties.team'));");
    sqlite3_stmt *put;
    if (sqlite3_prepare_v2(db, "INSERT OR REPLACE INTO e VALUES(?,?)", -1, &put, NULL) != SQLITE_OK)
        errx(1, "SQLite: %s", sqlite3_errmsg(db));
    int64_t start = clock_mono_ns();
    sql(db, "BEGIN");
    for (size_t i = 0; i < n_lines; i++) {
        sqlite3_bind_text(put, 1, lines[i].id.p, (int)lines[i].id.n, SQLITE_STATIC);
        sqlite3_bind_text(put, 2, lines[i].json.p, (int)lines[i].json.n, SQLITE_STATIC);
        if (sqlite3_step(put) != SQLITE_DONE)
            errx(1, "SQLite: %s", sqlite3_errmsg(db));
        sqlite3_reset(put);
    }
    sql(db, "COMMIT");
    double ms = since_ms(start);
    sqlite3_finalize(put);
    sqlite3_close(db);
    done_with(path);
    return ms;
}

static double load_sqlite_plain(void)
{
    return load_sqlite(false);
}

static double load_sqlite_indexed(void)
{
    return load_sqlite(true);
}

static void must(int rc)
{
    if (rc < 0)
        errx(1, "%s", err_msg());
}

static double load_store(const char *embed)
{
    auto_free char *path = fresh_path("store");
    struct store_options opt = {.create = true, .embed = embed};
    struct store *st;
    struct dir_attr tenant, type;
    struct inserter *in;
    must(store_open(path, &opt, &st));
    must(store_mkdir(st, STORE_INO_ROOT, slice_str("bench"), 0755, 0, 0, &tenant));
    must(store_mkdir(st, tenant.ino, slice_str("entity"), 0755, 0, 0, &type));
    int64_t start = clock_mono_ns();
    must(inserter_open(st, type.coll, 0644, 0, 0, &in));
    for (size_t at = 0; at < input.n; at += CHUNK)
        must(inserter_feed(in, input.p + at, input.n - at < CHUNK ? input.n - at : CHUNK));
    must(inserter_finish(in, false));
    double ms = since_ms(start);
    if (inserter_count(in) != n_lines)
        errx(1, "%llu of %zu stored", (unsigned long long)inserter_count(in), n_lines);
    inserter_free(in);
    store_close(st);
    done_with(path);
    return ms;
}

static double load_store_plain(void)
{
    return load_store("none");
}

static double load_store_vectors(void)
{
    return load_store(NULL);
}

static double load_mount(void)
{
    static int round;
    auto_free char *dir = NULL, *file = NULL;
    if (asprintf(&dir, "%s/import-%d-%d", mount_dir, (int)getpid(), round++) < 0 ||
        asprintf(&file, "%s/.insert", dir) < 0)
        errx(1, "out of memory");
    if (mkdir(dir, 0755) != 0)
        err(1, "%s", dir);
    int64_t start = clock_mono_ns();
    int fd = open(file, O_WRONLY);
    if (fd < 0)
        err(1, "%s", file);
    for (size_t at = 0; at < input.n;) {
        ssize_t n = write(fd, input.p + at, input.n - at < CHUNK ? input.n - at : CHUNK);
        if (n <= 0)
            err(1, "%s", file);
        at += (size_t)n;
    }
    if (close(fd) != 0)
        err(1, "%s", file);
    double ms = since_ms(start);
    return ms;
}

/* ---- a run --------------------------------------------------------------------------------- */

struct subject {
    const char *key, *help;
    double (*load)(void);
    struct samples samples;
};

static struct subject subjects[] = {
    {"leveldb", "LevelDB, raw puts", load_leveldb, {.n = 0}},
    {"sqlite", "SQLite, one table", load_sqlite_plain, {.n = 0}},
    {"sqlite_indexed", "SQLite, three indexes", load_sqlite_indexed, {.n = 0}},
    {"store", "remfs store in process, no vectors", load_store_plain, {.n = 0}},
    {"store_vectors", "remfs store in process", load_store_vectors, {.n = 0}},
    {"mount", "remfs mount, .insert", load_mount, {.n = 0}},
};
#define SUBJECTS ((int)(sizeof subjects / sizeof *subjects))

static void read_input(const char *file)
{
    auto_fd int fd = open(file, O_RDONLY);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0 || buf_resize(&input, (size_t)st.st_size) < 0 ||
        read(fd, input.p, input.n) != (ssize_t)input.n)
        err(1, "%s", file);
    size_t cap = 0;
    for (const char *p = input.p, *end = p + input.n, *next; p < end; p = next) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        next = nl ? nl + 1 : end;
        struct slice json = slice_of(p, (size_t)((nl ? nl : end) - p));
        const char *id = memmem(json.p, json.n, "\"id\"", 4);
        id = id ? memchr(id + 4, '"', (size_t)(json.p + json.n - id - 4)) : NULL;
        const char *q = id ? memchr(id + 1, '"', (size_t)(json.p + json.n - id - 1)) : NULL;
        if (!q)
            errx(1, "%s: line %zu has no \"id\"", file, n_lines + 1);
        if (n_lines == cap) {
            cap = cap ? cap * 2 : 1024;
            lines = realloc(lines, cap * sizeof *lines);
            if (!lines)
                errx(1, "out of memory");
        }
        lines[n_lines++] =
            (struct line){.id = slice_of(id + 1, (size_t)(q - id - 1)), .json = json};
    }
}

static void print_table(int rounds)
{
    double floor = samples_median(&subjects[0].samples);
    printf("| | ms | entities/s | ÷ LevelDB |\n|---|---|---|---|\n");
    for (int i = 0; i < SUBJECTS; i++) {
        double m = samples_median(&subjects[i].samples);
        if (isfinite(m))
            printf("| %s | %.0f ± %.0f | %.0f | %.2f |\n", subjects[i].help, m,
                   samples_mad(&subjects[i].samples), (double)n_lines / m * 1000, m / floor);
    }
    printf("\n%zu entities, %.1f MB; medians of %d rounds ± median absolute deviation.\n", n_lines,
           (double)input.n / 1e6, rounds);
}

static void write_json(const char *file)
{
    auto_file FILE *f = fopen(file, "w");
    if (!f)
        err(1, "%s", file);
    fprintf(f, "{\"benchmark\":\"import\",\"entities\":%zu,\"bytes\":%zu,\"unit\":\"ms\"", n_lines,
            input.n);
    for (int i = 0; i < SUBJECTS; i++) {
        const struct samples *s = &subjects[i].samples;
        fprintf(f, ",\n\"%s\":{\"median\":", subjects[i].key);
        json_put_number(f, samples_median(s));
        fputs(",\"mad\":", f);
        json_put_number(f, samples_mad(s));
        fputs(",\"rounds\":[", f);
        for (int k = 0; k < s->n; k++) {
            fputs(k ? "," : "", f);
            json_put_number(f, s->v[k]);
        }
        fputs("]}", f);
    }
    fputs("}\n", f);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"jsonl", required_argument, NULL, 'i'}, {"work", required_argument, NULL, 'w'},
        {"mount", required_argument, NULL, 'm'}, {"rounds", required_argument, NULL, 'r'},
        {"json", required_argument, NULL, 'j'},  {NULL, 0, NULL, 0}};
    const char *file = NULL, *json = NULL;
    int rounds = 5;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'i')
            file = optarg;
        else if (c == 'w')
            work_dir = optarg;
        else if (c == 'm')
            mount_dir = optarg;
        else if (c == 'r')
            rounds = atoi(optarg);
        else if (c == 'j')
            json = optarg;
        else
            return 2;
    }
    if (!file || !work_dir || rounds < 1 || rounds > SAMPLES_MAX)
        errx(2, "usage: remfs-bench-import --jsonl FILE --work DIR [--mount TENANT-DIR] "
                "[--rounds N] [--json FILE]");
    read_input(file);
    for (int r = 0; r < rounds; r++)
        for (int k = 0; k < SUBJECTS; k++) {
            struct subject *s = &subjects[(r + k) % SUBJECTS]; /* another one first each round */
            if (s->load != load_mount || mount_dir)
                samples_add(&s->samples, s->load());
        }
    print_table(rounds);
    if (json)
        write_json(json);
    free(lines);
    buf_free(&input);
    return 0;
}
