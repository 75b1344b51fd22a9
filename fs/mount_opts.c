/* mount_opts.c - parsing `-o`. A row says the name, the kind of value and where it goes; nothing is
 * done with the values here. */
#include "fs/mount_opts.h"
#include "store/base/cleanup.h"
#include "store/base/err.h"

#include <stddef.h>
#include <stdlib.h>

enum opt_kind {
    OPT_ON,     /* a flag: sets a bool */
    OPT_OFF,    /* a flag: clears it */
    OPT_SIZE,   /* bytes, with K, M or G: uint64_t */
    OPT_TIME,   /* seconds, or with ms, s, m, h: int64_t ns */
    OPT_TEXT,   /* char * */
    OPT_PASS,   /* for libfuse */
    OPT_IGNORE, /* mount(8) and fstab(5) pass it; it means nothing here */
};

struct opt_row {
    const char *name;
    enum opt_kind kind;
    size_t where; /* in struct mount_opts */
    const char *arg;
    const char *help; /* NULL: not shown */
};

#define AT(member) offsetof(struct mount_opts, member)

static const struct opt_row rows[] = {
    {"ro", OPT_ON, AT(read_only), NULL, "read-only"},
    {"rw", OPT_OFF, AT(read_only), NULL, NULL},
    {"sync", OPT_ON, AT(sync), NULL, "every close() waits for the disk"},
    {"async", OPT_OFF, AT(sync), NULL, NULL},
    {"allow_other", OPT_ON, AT(allow_other), NULL, "other users may use the mount too"},
    {"default_permissions", OPT_ON, AT(default_permissions), NULL,
     "the kernel checks permissions (always so)"},
    {"list_controls", OPT_ON, AT(list_controls), NULL,
     "ls -a shows .query, .search, .stats and .remfs (cp -r, tar and rsync then trip over them)"},
    {"nonempty", OPT_ON, AT(nonempty), NULL, "the mount point may hold files (they are hidden)"},
    {"max_entity", OPT_SIZE, AT(entity_max), "SIZE", "largest entity (16M)"},
    {"cache", OPT_SIZE, AT(cache_bytes), "SIZE", "memory for blocks of the store"},
    {"query_timeout", OPT_TIME, AT(query_timeout_ns), "TIME", "longest run of a query (no limit)"},
    {"query_memory", OPT_SIZE, AT(query_memory), "SIZE", "memory of one query for sorting (64M)"},
    {"embed", OPT_TEXT, AT(embed), "NAME", "provider of embeddings; none: no vectors"},
    {"attr_timeout", OPT_TIME, AT(attr_timeout_ns), "TIME",
     "how long the kernel keeps names and attributes (a day)"},
    {"debug", OPT_ON, AT(debug), NULL, "print every request; stays in the foreground"},
    {"noexec", OPT_PASS, 0, NULL, NULL},
    {"noatime", OPT_PASS, 0, NULL, NULL},
    {"nosuid", OPT_IGNORE, 0, NULL, NULL}, /* FUSE mounts are so in any case */
    {"nodev", OPT_IGNORE, 0, NULL, NULL},
    {"defaults", OPT_IGNORE, 0, NULL, NULL},
    {"exec", OPT_IGNORE, 0, NULL, NULL},
    {"relatime", OPT_IGNORE, 0, NULL, NULL},
    {"auto", OPT_IGNORE, 0, NULL, NULL},
    {"noauto", OPT_IGNORE, 0, NULL, NULL},
    {"user", OPT_IGNORE, 0, NULL, NULL},
    {"nouser", OPT_IGNORE, 0, NULL, NULL},
    {"users", OPT_IGNORE, 0, NULL, NULL},
    {"_netdev", OPT_IGNORE, 0, NULL, NULL},
    {"nofail", OPT_IGNORE, 0, NULL, NULL},
};
#define ROWS (sizeof rows / sizeof rows[0])

static const struct opt_row *row_of(const char *name)
{
    static const struct opt_row for_others = {"x-", OPT_IGNORE, 0, NULL, NULL};
    for (size_t i = 0; i < ROWS; i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    /* "x-" and "X-" are for userspace, by mount(8). */
    return strncmp(name, "x-", 2) == 0 || strncmp(name, "X-", 2) == 0 ? &for_others : NULL;
}

#define NAME_MAX_LEN 40

/* How many letters to change, add or leave out (Levenshtein), a row of the matrix at a time. */
static size_t distance(const char *a, const char *b)
{
    size_t row[NAME_MAX_LEN + 1], nb = strlen(b);
    if (nb > NAME_MAX_LEN)
        return NAME_MAX_LEN;
    for (size_t j = 0; j <= nb; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[nb];
}

static int unknown(const char *name)
{
    const struct opt_row *nearest = NULL;
    size_t least = 3; /* two mistakes are a slip, more are another word */
    for (size_t i = 0; i < ROWS; i++) {
        size_t d = rows[i].help ? distance(name, rows[i].name) : NAME_MAX_LEN;
        if (d < least) {
            least = d;
            nearest = &rows[i];
        }
    }
    if (nearest)
        return err_set(ERR_INVAL, "unknown mount option '%s': did you mean '%s'?", name,
                       nearest->name);
    return err_set(ERR_INVAL, "unknown mount option '%s' (see remfs help mount)", name);
}

static int parse_size(const char *name, const char *value, uint64_t *out)
{
    char *end;
    errno = 0;
    unsigned long long n = strtoull(value, &end, 10);
    unsigned shift = 0;
    if (*end == 'K' || *end == 'k')
        shift = 10;
    else if (*end == 'M' || *end == 'm')
        shift = 20;
    else if (*end == 'G' || *end == 'g')
        shift = 30;
    end += shift != 0;
    if (value[0] < '0' || value[0] > '9' || *end || errno || n > (UINT64_MAX >> 1) >> shift)
        return err_set(ERR_INVAL, "%s=%s: expected a size such as 4096, 512K, 16M or 1G", name,
                       value);
    *out = (uint64_t)n << shift;
    return 0;
}

static int parse_time(const char *name, const char *value, int64_t *out)
{
    static const struct {
        const char *unit;
        double ns;
    } units[] = {{"", 1e9}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
    char *end;
    double n = strtod(value, &end);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (value[0] < '0' || value[0] > '9' || strcmp(end, units[i].unit) != 0)
            continue;
        if (n * units[i].ns < 9e18) {
            *out = (int64_t)(n * units[i].ns);
            return 0;
        }
    }
    return err_set(ERR_INVAL, "%s=%s: expected a time such as 30, 1.5s, 250ms or 5m", name, value);
}

static int apply(struct mount_opts *o, const struct opt_row *row, const char *word,
                 const char *value)
{
    void *where = (char *)o + row->where;
    if (row->arg && (!value || !*value))
        return err_set(ERR_INVAL, "the mount option %s needs a value: %s=%s", row->name, row->name,
                       row->arg);
    if (!row->arg && value && row->kind != OPT_IGNORE)
        return err_set(ERR_INVAL, "the mount option %s takes no value", row->name);
    switch (row->kind) {
    case OPT_ON:
    case OPT_OFF:
        *(bool *)where = row->kind == OPT_ON;
        return 0;
    case OPT_SIZE:
        return parse_size(row->name, value, where);
    case OPT_TIME:
        return parse_time(row->name, value, where);
    case OPT_TEXT:
        free(*(char **)where);
        *(char **)where = strdup(value);
        return *(char **)where ? 0 : err_set(ERR_NOMEM, "out of memory");
    case OPT_PASS:
        if (o->pass.n && buf_putc(&o->pass, ',') < 0)
            return -ERR_NOMEM;
        return buf_puts(&o->pass, word) < 0 || !buf_cstr(&o->pass) ? -ERR_NOMEM : 0;
    case OPT_IGNORE:
        return 0;
    }
    return 0;
}

int mount_opts_parse(const char *text, struct mount_opts *o)
{
    auto_buf word = BUF_INIT;
    int rc = 0;
    while (*text && rc == 0) {
        buf_clear(&word);
        for (; *text && *text != ','; text++) {
            if (text[0] == '\\' && text[1])
                text++;
            if (buf_putc(&word, *text) < 0)
                return err_set(ERR_NOMEM, "out of memory");
        }
        text += *text == ',';
        if (word.n == 0)
            continue;
        char *name = (char *)buf_cstr(&word);
        if (!name)
            return err_set(ERR_NOMEM, "out of memory");
        char *value = strchr(name, '=');
        if (value)
            *value++ = '\0';
        const struct opt_row *row = row_of(name);
        rc = row ? apply(o, row, name, value) : unknown(name);
    }
    return rc;
}

void mount_opts_free(struct mount_opts *o)
{
    free(o->embed);
    o->embed = NULL;
    buf_free(&o->pass);
}

void mount_opts_help(FILE *out)
{
    for (size_t i = 0; i < ROWS; i++) {
        char left[40];
        if (!rows[i].help)
            continue;
        snprintf(left, sizeof left, "%s%s%s", rows[i].name, rows[i].arg ? "=" : "",
                 rows[i].arg ? rows[i].arg : "");
        fprintf(out, "  %-22s %s\n", left, rows[i].help);
    }
}
