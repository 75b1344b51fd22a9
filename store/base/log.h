/* log.h - messages to a person: stderr (foreground) or syslog (a daemon), by level.
 *
 * Threads: log_msg() may be called from any; log_open() once, before the threads start.
 */
#ifndef REMFS_BASE_LOG_H
#define REMFS_BASE_LOG_H

enum log_level { LOG_LVL_ERROR, LOG_LVL_WARN, LOG_LVL_INFO, LOG_LVL_DEBUG };

/* use_syslog: LOG_DAEMON facility under the name `ident` (borrowed for the process's life). */
void log_open(const char *ident, enum log_level max, int use_syslog);
void log_msg(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_msg(LOG_LVL_ERROR, __VA_ARGS__)
#define log_warn(...) log_msg(LOG_LVL_WARN, __VA_ARGS__)
#define log_info(...) log_msg(LOG_LVL_INFO, __VA_ARGS__)
#define log_debug(...) log_msg(LOG_LVL_DEBUG, __VA_ARGS__)

#endif
