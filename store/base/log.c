/* log.c - messages to stderr or syslog; see log.h. */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <syslog.h>

static const char *log_ident = "remfs";
static enum log_level log_max = LOG_LVL_WARN;
static int log_to_syslog;

void log_open(const char *ident, enum log_level max, int use_syslog)
{
    log_ident = ident;
    log_max = max;
    log_to_syslog = use_syslog;
    if (use_syslog)
        openlog(ident, LOG_PID, LOG_DAEMON);
}

void log_msg(enum log_level level, const char *fmt, ...)
{
    static const int priorities[] = {LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG};
    static const char *const names[] = {"error", "warning", "info", "debug"};
    if (level > log_max)
        return;
    va_list ap;
    va_start(ap, fmt);
    if (log_to_syslog) {
        vsyslog(priorities[level], fmt, ap);
    } else {
        char text[2048];
        vsnprintf(text, sizeof text, fmt, ap);
        fprintf(stderr, "%s: %s: %s\n", log_ident, names[level], text); /* one write: lines stay whole */
    }
    va_end(ap);
}
