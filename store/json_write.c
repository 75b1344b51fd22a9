/* json_write.c - the compact form, strings and doubles as JSON, and numbers by value; see json.h.
 *
 * Independent of the process's locale: strtod() only ever sees digits and an exponent, and of what
 * snprintf() prints only the digits are taken, so the radix character never matters. It may not
 * validate: json_compact() and json_number() take what json_parse.c accepted.
 */
#include "store/json.h"
#include "store/json_bytes.h"
#include "store/base/err.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- the compact form ------------------------------------------------------------------------ */

int json_compact(struct slice valid, struct buf *out)
{
    if (valid.n == 0)
        return 0;
    int rc = buf_reserve(out, valid.n);
    if (rc < 0)
        return rc;
    const char *p = valid.p, *end = p + valid.n;
    char *to = out->p + out->n;
    while (p < end) {
        if (*p == '"') {
            bool escaped;
            const char *close = bytes_string_end(p + 1, end, &escaped);
            const char *after = close ? close + 1 : end;
            memcpy(to, p, (size_t)(after - p));
            to += after - p;
            p = after;
        } else {
            /* store it either way, keep it or not: no branch to mispredict */
            *to = *p;
            to += !bytes_is_space(*p++);
        }
    }
    out->n = (size_t)(to - out->p);
    return 0;
}

/* ---- strings --------------------------------------------------------------------------------- */

/* The short escape of a byte, or 0. */
static char short_escape(unsigned char c)
{
    switch (c) {
    case '"':
    case '\\':
        return (char)c;
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return 0;
    }
}

/* The one special byte or character at *p, which moves on. */
static int put_special(struct buf *out, const unsigned char **p, const unsigned char *end)
{
    unsigned char c = **p;
    if (c >= 0x80) {
        unsigned n = utf8_len(*p, end);
        const void *bytes = n ? (const void *)*p : "\xef\xbf\xbd"; /* U+FFFD */
        *p += n ? n : 1;
        return buf_put(out, bytes, n ? n : 3);
    }
    ++*p;
    char esc[] = {'\\', short_escape(c)};
    if (esc[1])
        return buf_put(out, esc, 2);
    static const char hex[] = "0123456789abcdef";
    char unicode[] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
    return buf_put(out, unicode, 6);
}

static int put_inside(struct buf *out, const unsigned char *p, const unsigned char *end)
{
    while (p < end) {
        const unsigned char *plain = bytes_skip_plain(p, end);
        int rc = buf_put(out, p, (size_t)(plain - p));
        if (rc < 0)
            return rc;
        p = plain;
        if (p < end && (rc = put_special(out, &p, end)) < 0)
            return rc;
    }
    return 0;
}

int json_put_string(struct buf *out, struct slice s)
{
    size_t before = out->n;
    int rc = buf_reserve(out, s.n + 2);
    if (rc == 0)
        rc = buf_putc(out, '"');
    if (rc == 0 && s.n)
        rc = put_inside(out, (const unsigned char *)s.p, (const unsigned char *)s.p + s.n);
    if (rc == 0)
        rc = buf_putc(out, '"');
    if (rc < 0)
        out->n = before;
    return rc;
}

/* ---- numbers by value ------------------------------------------------------------------------ */

/* A decimal number: digits of raw from `first` to `last` (with '.' perhaps among them, neither of
 * the two being zero), times ten to the power of exp, counted behind the last. */
struct decimal {
    bool negative;
    const char *first, *last; /* first NULL: zero */
    int64_t digits;           /* from first to last */
    int64_t exp;
};

#define EXP_CAP 1000000000000000 /* past any that matters, and no sum with a length overflows */

static int64_t read_exponent(const char *p, const char *end)
{
    int64_t v = 0;
    bool negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    for (; p < end && *p >= '0' && *p <= '9'; p++)
        if (v < EXP_CAP)
            v = v * 10 + (*p - '0');
    return negative ? -v : v;
}

static void read_decimal(struct slice raw, struct decimal *d)
{
    const char *p = raw.p, *end = p + raw.n;
    int64_t seen = 0; /* digits from the first that is not zero */
    int64_t behind_point = 0;
    bool point = false;
    *d = (struct decimal){0};
    if (p < end && *p == '-') {
        d->negative = true;
        p++;
    }
    for (; p < end; p++) {
        if (*p == '.') {
            point = true;
            continue;
        }
        if (*p < '0' || *p > '9')
            break;
        behind_point += point;
        if (*p == '0' && !d->first)
            continue;
        seen++;
        if (!d->first)
            d->first = p;
        if (*p != '0') {
            d->last = p;
            d->digits = seen;
        }
    }
    if (p < end && (*p == 'e' || *p == 'E'))
        d->exp = read_exponent(p + 1, end);
    d->exp += seen - d->digits - behind_point;
}

/* At most 19 digits as one number: always fits. */
static uint64_t decimal_head(const struct decimal *d)
{
    uint64_t m = 0;
    for (const char *p = d->first; p <= d->last; p++)
        if (*p != '.')
            m = m * 10 + (uint64_t)(*p - '0');
    return m;
}

static bool decimal_to_int(const struct decimal *d, int64_t *out)
{
    if (d->exp < 0 || d->digits + d->exp > 19)
        return false;
    uint64_t m = decimal_head(d); /* with the zeros still under 10^19, which is under 2^64 */
    for (int64_t i = 0; i < d->exp; i++)
        m *= 10;
    if (m > (uint64_t)INT64_MAX + d->negative)
        return false;
    *out = (int64_t)(d->negative ? 0 - m : m);
    return true;
}

/* 768 digits decide how any double rounds; a digit that is not zero stands for all behind them. */
#define STRTOD_DIGITS 800

static double decimal_to_double(const struct decimal *d)
{
#if FLT_EVAL_METHOD == 0
    /* both factors exact, so one rounding: Clinger, "How to Read Floating Point Numbers Accurately"
     */
    static const double ten[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                 1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (d->digits <= 15 && d->exp >= -22 && d->exp <= 22) {
        double m = (double)decimal_head(d);
        m = d->exp < 0 ? m / ten[-d->exp] : m * ten[d->exp];
        return d->negative ? -m : m;
    }
#endif
    char text[STRTOD_DIGITS + 32];
    size_t n = 0;
    int64_t exp = d->exp, used = 0;
    if (d->negative)
        text[n++] = '-';
    for (const char *p = d->first; p <= d->last && used < STRTOD_DIGITS; p++) {
        if (*p != '.') {
            text[n++] = *p;
            used++;
        }
    }
    exp += d->digits - used;
    if (used < d->digits) {
        text[n++] = '1';
        exp--;
    }
    exp = exp > 9999 ? 9999 : exp < -9999 ? -9999 : exp;
    snprintf(text + n, sizeof text - n, "e%d", (int)exp);
    int saved = errno;
    double v = strtod(text, NULL);
    errno = saved;
    return v;
}

void json_number(struct slice raw, struct json_num *out)
{
    struct decimal d;
    read_decimal(raw, &d);
    if (!d.first) {
        *out = (struct json_num){.is_int = true, .i = 0, .d = d.negative ? -0.0 : 0.0};
        return;
    }
    *out = (struct json_num){0};
    out->is_int = decimal_to_int(&d, &out->i);
    out->d = out->is_int ? (double)out->i : decimal_to_double(&d);
}

static int cmp_int_double(int64_t i, double d)
{
    if (d >= 0x1p63)
        return -1;
    if (d < -0x1p63)
        return 1;
    int64_t whole = (int64_t)d; /* toward zero; exact now */
    if (i != whole)
        return i < whole ? -1 : 1;
    double rest = d - (double)whole; /* exact: d has a fraction only where whole fits 53 bits */
    return rest > 0 ? -1 : rest < 0;
}

int json_num_cmp(const struct json_num *a, const struct json_num *b)
{
    if (a->is_int && b->is_int)
        return (a->i > b->i) - (a->i < b->i);
    if (a->is_int)
        return cmp_int_double(a->i, b->d);
    if (b->is_int)
        return -cmp_int_double(b->i, a->d);
    return (a->d > b->d) - (a->d < b->d);
}

/* ---- doubles as text ------------------------------------------------------------------------- */

#define DIGITS_MAX 17 /* enough for every double */

/* A double's significant digits, the first not zero: 0.d1 d2 d3… times ten to the power of exp. */
struct digits {
    char d[DIGITS_MAX + 1];
    int n;
    int exp;
};

static void digits_print(double d, int n, struct digits *out)
{
    char text[64];
    snprintf(text, sizeof text, "%.*e", n - 1, d);
    out->n = 0;
    const char *p = text;
    for (; *p && *p != 'e'; p++) /* the radix character, whatever it is, is no digit */
        if (*p >= '0' && *p <= '9' && out->n < DIGITS_MAX)
            out->d[out->n++] = *p;
    out->exp = (int)strtol(*p ? p + 1 : p, NULL, 10) + 1;
}

static bool digits_read_back(const struct digits *g, double d)
{
    char text[DIGITS_MAX + 16];
    snprintf(text, sizeof text, "%.*se%d", g->n, g->d, g->exp - g->n);
    struct json_num num;
    json_number(slice_str(text), &num);
    return num.d == d;
}

/* The next number of as many digits. */
static void digits_step_up(struct digits *g)
{
    int i = g->n - 1;
    while (i >= 0 && g->d[i] == '9')
        g->d[i--] = '0';
    if (i >= 0) {
        g->d[i]++;
        return;
    }
    g->d[0] = '1';
    g->exp++;
}

/* The fewest digits of d > 0 that read back. Up to 15 always do for a normal number that has such a
 * form, zeros at the end being cut; a subnormal may need any number. At a power of two the gap
 * below is half the one above, so that the neighbour of the nearest may be the one that reads back.
 */
static void digits_shortest(double d, struct digits *g)
{
    for (int n = d < DBL_MIN ? 1 : 15; n < DIGITS_MAX; n++) {
        digits_print(d, n, g);
        if (digits_read_back(g, d))
            return;
        digits_step_up(g);
        if (digits_read_back(g, d))
            return;
    }
    digits_print(d, DIGITS_MAX, g);
}

int json_put_double(struct buf *out, double d)
{
    if (!isfinite(d))
        return buf_puts(out, "null");
    if (d == 0)
        return buf_puts(out, signbit(d) ? "-0" : "0");
    struct digits g;
    digits_shortest(fabs(d), &g);
    while (g.n > 1 && g.d[g.n - 1] == '0')
        g.n--;
    char text[48];
    const char *sign = d < 0 ? "-" : "";
    if (g.exp > 21 || g.exp < -5) /* where JavaScript changes to an exponent as well */
        snprintf(text, sizeof text, "%s%c%s%.*se%d", sign, g.d[0], g.n > 1 ? "." : "", g.n - 1,
                 g.d + 1, g.exp - 1);
    else if (g.exp <= 0)
        snprintf(text, sizeof text, "%s0.%.*s%.*s", sign, -g.exp, "00000", g.n, g.d);
    else if (g.exp >= g.n)
        snprintf(text, sizeof text, "%s%.*s%.*s", sign, g.n, g.d, g.exp - g.n,
                 "00000000000000000000");
    else
        snprintf(text, sizeof text, "%s%.*s.%.*s", sign, g.exp, g.d, g.n - g.exp, g.d + g.exp);
    return buf_puts(out, text);
}
