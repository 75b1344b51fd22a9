/* stat.h - numbers of a benchmark: samples, their median and how far they scatter.
 *
 * Header only, for the programs in bench/. The median and the median absolute deviation are little
 * moved by a round that another process disturbed (Hampel 1974), which the mean would be.
 *
 * Threads: none of it locks.
 */
#ifndef REMFS_BENCH_STAT_H
#define REMFS_BENCH_STAT_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLES_MAX 64

struct samples {
    double v[SAMPLES_MAX];
    int n;
};

static inline void samples_add(struct samples *s, double v)
{
    if (s->n < SAMPLES_MAX)
        s->v[s->n++] = v;
}

static inline int samples_cmp(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static inline double samples_median(const struct samples *s)
{
    double v[SAMPLES_MAX];
    if (s->n == 0)
        return NAN;
    memcpy(v, s->v, (size_t)s->n * sizeof *v);
    qsort(v, (size_t)s->n, sizeof *v, samples_cmp);
    return s->n % 2 ? v[s->n / 2] : (v[s->n / 2 - 1] + v[s->n / 2]) / 2;
}

/* The median of the distances from the median. */
static inline double samples_mad(const struct samples *s)
{
    double m = samples_median(s);
    struct samples d = {.n = 0};
    for (int i = 0; i < s->n; i++)
        samples_add(&d, fabs(s->v[i] - m));
    return samples_median(&d);
}

/* A number as JSON has it: null for what was not measured. */
static inline void json_put_number(FILE *f, double v)
{
    if (isfinite(v))
        fprintf(f, "%.6g", v);
    else
        fputs("null", f);
}

#endif
