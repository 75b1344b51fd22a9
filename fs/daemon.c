/* daemon.c - the background process of a mount, and its signals. Knows nothing of stores. */
#include "fs/daemon.h"
#include "fs/fs.h"
#include "store/base/cleanup.h"
#include "store/base/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#define READY '\001' /* no message begins with it */

/* ---- parent and child ------------------------------------------------------------------------ */

_Noreturn static void parent_wait(int fd, pid_t child)
{
    auto_buf text = BUF_INIT;
    char piece[512];
    ssize_t n;
    while ((n = read(fd, piece, sizeof piece)) > 0 || (n < 0 && errno == EINTR)) {
        if (n > 0 && text.n == 0 && piece[0] == READY)
            _exit(0);
        if (n > 0 && buf_put(&text, piece, (size_t)n) < 0)
            break;
    }
    const char *s = buf_cstr(&text);
    int status = 0;
    if (s && *s)
        fprintf(stderr, "remfs: %s\n", s);
    else if (waitpid(child, &status, 0) == child && WIFSIGNALED(status))
        fprintf(stderr, "remfs: the serving process was ended by signal %d (%s)\n",
                WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        fprintf(stderr, "remfs: the serving process ended without a message\n");
    _exit(1);
}

int daemon_fork(struct daemon_state *d)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return err_from_errno(errno, "pipe");
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) {
        int rc = err_from_errno(errno, "fork");
        close(fds[0]);
        close(fds[1]);
        return rc;
    }
    if (pid > 0) {
        close(fds[1]);
        parent_wait(fds[0], pid);
    }
    close(fds[0]);
    d->pipe = fds[1];
    return 0;
}

void daemon_ready(void *state)
{
    struct daemon_state *d = state;
    if (d->pipe < 0)
        return;
    setsid();
    if (chdir("/") < 0) /* "/" is always there; the mount's own directory must not be kept busy */
        log_warn("chdir /: %s", strerror(errno));
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd <= 2 && null >= 0; fd++)
        dup2(null, fd);
    if (null > 2)
        close(null);
    log_open("remfs", LOG_LVL_WARN, 1);
    char c = READY;
    if (write(d->pipe, &c, 1) != 1)
        log_warn("the starting process has gone");
    close(d->pipe);
    d->pipe = -1;
}

void daemon_fail(struct daemon_state *d)
{
    const char *text = err_msg();
    if (d->pipe < 0) {
        log_error("%s", text); /* stderr in the foreground, else syslog */
        return;
    }
    if (write(d->pipe, text, strlen(text)) < 0)
        log_error("%s", text);
}

/* ---- signals --------------------------------------------------------------------------------- */

/* A handler could not wake the loop without a race (it waits on a semaphore after looking at its
 * flag); a thread can: it pokes the loop's thread until the loop has returned. */
static struct {
    pthread_t taker, loop;
    struct fs *fs;
    pthread_mutex_t lock; /* guards ended */
    pthread_cond_t changed;
    bool ended, started;
} signals = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

#define POKE_NS 20000000

static void stop_set(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
}

static void on_poke(int sig)
{
    (void)sig; /* its only effect is EINTR */
}

static void poke_until_ended(void)
{
    with_lock(&signals.lock);
    while (!signals.ended) {
        struct timespec until;
        pthread_kill(signals.loop, SIGUSR1);
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += POKE_NS;
        if (until.tv_nsec >= 1000000000) {
            until.tv_nsec -= 1000000000;
            until.tv_sec++;
        }
        pthread_cond_timedwait(&signals.changed, &signals.lock, &until);
    }
}

static void *take_signals(void *unused)
{
    sigset_t set;
    int sig;
    (void)unused;
    stop_set(&set);
    sigaddset(&set, SIGUSR2); /* from daemon_signals_end() */
    while (sigwait(&set, &sig) != 0)
        continue;
    if (sig != SIGUSR2) {
        pthread_mutex_lock(&signals.lock);
        if (!signals.ended)
            fs_stop(signals.fs);
        pthread_mutex_unlock(&signals.lock);
        poke_until_ended();
    }
    return NULL;
}

int daemon_signals_block(void)
{
    sigset_t set;
    stop_set(&set);
    sigaddset(&set, SIGUSR2);
    int rc = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (rc)
        return err_from_errno(rc, "pthread_sigmask");
    signal(SIGPIPE, SIG_IGN); /* a reader that goes away is an error code, not the end */
    return 0;
}

int daemon_signals_start(struct fs *fs)
{
    struct sigaction poke = {.sa_handler = on_poke}; /* without SA_RESTART */
    sigemptyset(&poke.sa_mask);
    sigaction(SIGUSR1, &poke, NULL);
    signals.loop = pthread_self();
    signals.fs = fs;
    int rc = pthread_create(&signals.taker, NULL, take_signals, NULL);
    if (rc)
        return err_from_errno(rc, "pthread_create");
    signals.started = true;
    return 0;
}

void daemon_signals_end(void)
{
    if (!signals.started)
        return;
    pthread_mutex_lock(&signals.lock);
    signals.ended = true;
    pthread_cond_broadcast(&signals.changed);
    pthread_mutex_unlock(&signals.lock);
    pthread_kill(signals.taker, SIGUSR2);
    pthread_join(signals.taker, NULL);
    signals.started = false;
}
