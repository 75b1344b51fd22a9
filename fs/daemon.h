/* daemon.h - serving a mount in the background: fork, tell the parent, live on without a terminal.
 *
 * The child opens the store and serves it, since the engine's threads and the lock belong to a
 * process. Parent and child share a pipe: the child writes one byte when the mount answers, or the
 * text of its error. Signals: SIGTERM, SIGINT and SIGHUP are taken by a thread of their own, which
 * stops the loop.
 *
 * Threads: call these from the only thread, before others are started.
 */
#ifndef REMFS_DAEMON_H
#define REMFS_DAEMON_H

#include <stdbool.h>

struct fs;

struct daemon_state {
    int pipe; /* to the parent; -1: none (foreground, or told already) */
};

/* Forks. In the child: 0. In the parent: never returns, but exits with 0 once the child says that
 * it is ready, else prints its message and exits with 1. */
int daemon_fork(struct daemon_state *d);
/* The mount answers: leaves the terminal and releases the parent. A ready callback for fs_loop().
 */
void daemon_ready(void *state);
/* err_msg() to whoever listens: the parent's terminal, our own, or syslog. */
void daemon_fail(struct daemon_state *d);

/* Takes the signals from now on (they are blocked in every thread made later). */
int daemon_signals_block(void);
/* Calls fs_stop() at the first of them; starts a thread. The caller is the one that runs fs_loop().
 */
int daemon_signals_start(struct fs *fs);
/* fs_loop() has returned: fs is touched no more. */
void daemon_signals_end(void);

#endif
