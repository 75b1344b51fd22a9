/* clock.c - printing times; see clock.h. */
#include "clock.h"

#include <stdio.h>

void clock_format(int64_t ns, char out[31])
{
    struct timespec ts = clock_to_timespec(ns);
    struct tm tm;
    gmtime_r(&ts.tv_sec, &tm);
    char day[21];
    strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out, 31, "%s.%09ldZ", day, ts.tv_nsec);
}
