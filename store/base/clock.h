/* clock.h - times as nanoseconds since the Unix epoch in an int64_t (until the year 2262). */
#ifndef REMFS_BASE_CLOCK_H
#define REMFS_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t clock_realtime_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static inline int64_t clock_mono_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static inline struct timespec clock_to_timespec(int64_t ns)
{
    int64_t s = ns / 1000000000, r = ns % 1000000000;
    if (r < 0) {
        r += 1000000000;
        s--;
    }
    return (struct timespec){.tv_sec = (time_t)s, .tv_nsec = (long)r};
}

static inline int64_t clock_from_timespec(struct timespec ts)
{
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* "2026-01-02T03:04:05.678901234Z" (RFC 3339, UTC) into out; 31 bytes with the NUL. */
void clock_format(int64_t ns, char out[31]);

#endif
