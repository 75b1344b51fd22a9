/* query_sqlite.c - random filters and orders, answered by the query engine and by SQLite; TAP.
 *
 * Flat rows of an integer, a number, a text and a boolean, each of them null or missing now and
 * then. Every statement is made in both languages from one random tree, so that three-valued logic
 * and order are compared on what SQL itself says. A column has one type, since SQLite compares
 * values of different types and this language does not.
 */
#include "store/base/cleanup.h"
#include "store/base/err.h"
#include "store/query.h"
#include "tests/fake_store.h"

#include <sqlite3.h>

#define ROWS 300
#define STATEMENTS 2000

struct pair { /* one text for each engine */
    struct buf ours, sql;
};

static uint64_t seed = 42;

/* SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014). */
static uint64_t next_random(void)
{
    uint64_t z = seed += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static int below(int n)
{
    return (int)(next_random() % (uint64_t)n);
}

static void must(int rc)
{
    if (rc < 0) {
        fprintf(stderr, "query_sqlite: %s\n", err_msg());
        exit(2);
    }
}

static void put(struct pair *p, const char *text)
{
    must(buf_puts(&p->ours, text));
    must(buf_puts(&p->sql, text));
}

/* ---- rows ------------------------------------------------------------------------------------ */

enum column { INTEGER, NUMBER, TEXT, BOOLEAN, COLUMNS };

static const char *const names[COLUMNS] = {"i", "n", "t", "b"};
static const char *const texts[] = {"",   "a",  "ab", "abc", "b",  "ba",    "A",
                                    "Ab", "zz", "ä",  "äb",  "a%", "it''s", "a_b"};
static const char *const numbers[] = {"0",   "1",   "-1",  "2.5", "-2.5",
                                      "0.1", "1e3", "100", "7",   "9007199254740993"};

/* A literal of that type: as both languages write it, with small differences. */
static void put_value(struct pair *p, enum column c)
{
    char text[32];
    switch (c) {
    case INTEGER:
        snprintf(text, sizeof text, "%d", below(12) - 3);
        put(p, text);
        break;
    case NUMBER:
        put(p, numbers[below(sizeof numbers / sizeof numbers[0])]);
        break;
    case TEXT:
        put(p, "'");
        put(p, texts[below(sizeof texts / sizeof texts[0])]);
        put(p, "'");
        break;
    default:
        put(p, below(2) ? "true" : "false");
    }
}

/* A literal of SQL as JSON. */
static void put_json(struct buf *out, struct slice sql)
{
    if (sql.p[0] != '\'') {
        must(buf_put(out, sql.p, sql.n));
        return;
    }
    must(buf_putc(out, '"'));
    for (size_t i = 1; i + 1 < sql.n; i++) {
        must(buf_putc(out, sql.p[i]));
        i += sql.p[i] == '\'';
    }
    must(buf_putc(out, '"'));
}

static void exec(sqlite3 *db, struct buf *sql)
{
    char *why = NULL;
    if (sqlite3_exec(db, buf_cstr(sql), NULL, NULL, &why) != SQLITE_OK) {
        fprintf(stderr, "query_sqlite: %s: %s\n", why, sql->p);
        exit(2);
    }
}

static void make_row(struct store *st, sqlite3 *db, int number)
{
    auto_buf json = BUF_INIT, sql = BUF_INIT;
    char id[16];
    bool first = true;
    snprintf(id, sizeof id, "r%03d", number);
    must(buf_putf(&sql, "insert into t values('%s'", id));
    must(buf_putc(&json, '{'));
    for (int c = 0; c < COLUMNS; c++) {
        struct pair value = {0};
        int kind = below(8);
        put_value(&value, (enum column)c);
        if (kind > 0) /* else missing */
            must(buf_putf(&json, "%s\"%s\":", first ? "" : ",", names[c]));
        if (kind > 1)
            put_json(&json, slice_buf(&value.sql));
        else if (kind == 1)
            must(buf_puts(&json, "null"));
        first &= kind == 0;
        must(buf_putf(&sql, ",%.*s", kind > 1 ? (int)value.sql.n : 4,
                      kind > 1 ? value.sql.p : "null"));
        buf_free(&value.ours);
        buf_free(&value.sql);
    }
    must(buf_putc(&json, '}'));
    must(buf_putc(&sql, ')'));
    fake_put(st, "t", slice_str(id), slice_buf(&json));
    exec(db, &sql);
}

/* ---- filters --------------------------------------------------------------------------------- */

static void put_list(struct pair *p, enum column c)
{
    put(p, " IN (");
    for (int i = 0, n = 1 + below(4); i < n; i++) {
        if (i)
            put(p, ", ");
        if (below(8) == 0)
            put(p, "null");
        else
            put_value(p, c);
    }
    put(p, ")");
}

/* SQLite's LIKE is told to mind the case; ILIKE is made from upper(). */
static void put_like(struct pair *p)
{
    static const char *const patterns[] = {"a%", "%b", "%a%", "_",  "__",  "%",   "a_",
                                           "",   "ab", "%_%", "A%", "%%b", "a%b", "z_%"};
    const char *pattern = patterns[below(sizeof patterns / sizeof patterns[0])];
    const char *no = below(3) == 0 ? "NOT " : "";
    bool fold = below(4) == 0;
    must(buf_putf(&p->ours, "t %s%s '%s'", no, fold ? "ILIKE" : "LIKE", pattern));
    must(buf_putf(&p->sql, fold ? "upper(t) %sLIKE upper('%s')" : "t %sLIKE '%s'", no, pattern));
}

static void put_leaf(struct pair *p)
{
    static const char *const operators[] = {" = ", " != ", " <> ", " < ", " <= ", " > ", " >= "};
    enum column c = (enum column)below(COLUMNS);
    switch (below(8)) {
    case 0:
        put(p, names[c]);
        put(p, below(2) ? " IS NULL" : " IS NOT NULL");
        return;
    case 1:
        put(p, names[c]);
        put(p, below(2) ? " NOT" : "");
        put_list(p, c);
        return;
    case 2:
        c = (enum column)below(TEXT + 1);
        put(p, names[c]);
        put(p, below(2) ? " NOT BETWEEN " : " BETWEEN ");
        put_value(p, c);
        put(p, " AND ");
        put_value(p, c);
        return;
    case 3:
        put_like(p);
        return;
    case 4:
        must(buf_puts(&p->ours, "t CONTAINS 'b'"));
        must(buf_puts(&p->sql, "instr(t, 'b') > 0"));
        return;
    default:
        put(p, names[c]);
        put(p, operators[below(sizeof operators / sizeof operators[0])]);
        put_value(p, c);
    }
}

static void put_filter(struct pair *p, int depth)
{
    int kind = depth == 0 ? 9 : below(10);
    if (kind > 5) {
        put_leaf(p);
        return;
    }
    put(p, kind == 0 ? "NOT (" : "(");
    for (int i = 0, n = kind == 0 ? 1 : 2 + below(2); i < n; i++) {
        if (i)
            put(p, kind % 2 ? " AND " : " OR ");
        put_filter(p, depth - 1);
    }
    put(p, ")");
}

static void put_order(struct pair *p)
{
    int n = below(3);
    for (int i = 0; i < n; i++) {
        put(p, i ? ", " : " ORDER BY ");
        put(p, names[below(COLUMNS)]);
        put(p, below(2) ? " DESC" : "");
    }
    must(buf_puts(&p->sql, n ? ", id" : " ORDER BY id"));
    if (below(2)) {
        char limit[64];
        snprintf(limit, sizeof limit, " LIMIT %d OFFSET %d", below(40), below(3) * below(20));
        put(p, limit);
    }
}

/* ---- the comparison -------------------------------------------------------------------------- */

static void ask_us(struct store *st, struct slice text, struct buf *out)
{
    struct answer *a;
    char piece[4096];
    ssize_t n;
    must(store_query(st, (struct coll){FAKE_TENANT, 1}, text, &a));
    while ((n = answer_read(a, piece, sizeof piece)) > 0)
        must(buf_put(out, piece, (size_t)n));
    must((int)n);
    answer_free(a);
}

static void ask_sqlite(sqlite3 *db, struct buf *sql, struct buf *out)
{
    sqlite3_stmt *s;
    if (sqlite3_prepare_v2(db, buf_cstr(sql), -1, &s, NULL) != SQLITE_OK) {
        fprintf(stderr, "query_sqlite: %s: %s\n", sqlite3_errmsg(db), sql->p);
        exit(2);
    }
    while (sqlite3_step(s) == SQLITE_ROW)
        must(buf_putf(out, "%s\n", (const char *)sqlite3_column_text(s, 0)));
    sqlite3_finalize(s);
}

static bool compare_one(struct store *st, sqlite3 *db)
{
    struct pair p = {0};
    auto_buf ours = BUF_INIT, theirs = BUF_INIT;
    must(buf_puts(&p.sql, "select id from t where "));
    put_filter(&p, 3);
    put_order(&p);
    must(buf_puts(&p.ours, " FORMAT ids"));
    ask_us(st, slice_buf(&p.ours), &ours);
    ask_sqlite(db, &p.sql, &theirs);
    bool same = slice_eq(slice_buf(&ours), slice_buf(&theirs));
    if (!same)
        printf("# %s\n# %s\n", buf_cstr(&p.ours), buf_cstr(&p.sql));
    buf_free(&p.ours);
    buf_free(&p.sql);
    return same;
}

static bool compare_aggregates(struct store *st, sqlite3 *db)
{
    struct pair p = {0};
    auto_buf ours = BUF_INIT, theirs = BUF_INIT;
    must(buf_puts(&p.ours, "SELECT b, COUNT(*), COUNT(t), COUNT(DISTINCT t), SUM(i), MIN(i), "
                           "MAX(t) WHERE "));
    must(buf_puts(&p.sql,
                  "select ifnull(case b when 1 then 'true' when 0 then 'false' end, '') || ',' || "
                  "count(*) || ',' || count(t) || ',' || count(distinct t) || ',' || "
                  "ifnull(sum(i), '') || ',' || ifnull(min(i), '') || ',' || ifnull(max(t), '') "
                  "from t where "));
    put_filter(&p, 2);
    must(buf_puts(&p.ours, " GROUP BY b FORMAT csv"));
    must(buf_puts(&p.sql, " group by b order by b"));
    ask_us(st, slice_buf(&p.ours), &ours);
    ask_sqlite(db, &p.sql, &theirs);
    const char *eol = ours.n ? memchr(ours.p, '\n', ours.n) : NULL;
    size_t header = eol ? (size_t)(eol - ours.p) + 1 : 0;
    bool same = slice_eq(slice_of(ours.p + header, ours.n - header), slice_buf(&theirs));
    if (!same)
        printf("# %s\n# ours: %.*s\n# sqlite: %.*s\n", buf_cstr(&p.ours), (int)ours.n, ours.p,
               (int)theirs.n, theirs.p);
    buf_free(&p.ours);
    buf_free(&p.sql);
    return same;
}

static int report(int number, const char *what, int wrong, int of)
{
    printf("%s %d - %s: %d of %d equal\n", wrong ? "not ok" : "ok", number, what, of - wrong, of);
    return wrong != 0;
}

int main(void)
{
    struct store *st = fake_new();
    sqlite3 *db;
    int wrong = 0, wrong_groups = 0;
    auto_buf sql = BUF_INIT;
    if (sqlite3_open(":memory:", &db) != SQLITE_OK)
        return 2;
    must(buf_puts(&sql, "pragma case_sensitive_like = on; create table t(id text, i integer, "
                        "n numeric, t text, b integer)"));
    exec(db, &sql);
    for (int i = 0; i < ROWS; i++)
        make_row(st, db, i);
    for (int i = 0; i < STATEMENTS; i++)
        wrong += !compare_one(st, db);
    for (int i = 0; i < STATEMENTS / 4; i++)
        wrong_groups += !compare_aggregates(st, db);
    printf("1..2\n");
    int failed = report(1, "filters, orders, limits", wrong, STATEMENTS);
    failed |= report(2, "groups and aggregates", wrong_groups, STATEMENTS / 4);
    sqlite3_close(db);
    fake_free(st);
    return failed;
}
