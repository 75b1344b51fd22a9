/* cleanup.h - memory and descriptors freed by scope, handed over by an explicit steal.
 *
 * Nothing here knows of the store or of FUSE.
 */
#ifndef REMFS_BASE_CLEANUP_H
#define REMFS_BASE_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <errno.h>
#include <pthread.h>

/* Defines cleanup_<name>(), which calls fn on a pointer variable that leaves its scope non-NULL. */
#define DEFINE_CLEANUP(type, fn)                                                                   \
    static inline void cleanup_##fn(type **p)                                                      \
    {                                                                                              \
        if (*p)                                                                                    \
            fn(*p);                                                                                \
    }

#define cleanup(fn) __attribute__((__cleanup__(cleanup_##fn)))

static inline void cleanup_free(void *p)
{
    free(*(void **)p);
}

static inline void cleanup_fd(int *fd)
{
    if (*fd >= 0) {
        int saved = errno;
        close(*fd);
        errno = saved;
    }
}

static inline void cleanup_file(FILE **f)
{
    if (*f)
        fclose(*f);
}

static inline void cleanup_unlock(pthread_mutex_t **m)
{
    if (*m)
        pthread_mutex_unlock(*m);
}

static inline void cleanup_rwunlock(pthread_rwlock_t **l)
{
    if (*l)
        pthread_rwlock_unlock(*l);
}

#define auto_free __attribute__((__cleanup__(cleanup_free)))
#define auto_fd __attribute__((__cleanup__(cleanup_fd)))
#define auto_file __attribute__((__cleanup__(cleanup_file)))

#define CLEANUP_CAT2(a, b) a##b
#define CLEANUP_CAT(a, b) CLEANUP_CAT2(a, b)

/* Hold a lock to the end of the enclosing scope. */
#define with_lock(m)                                                                               \
    __attribute__((__cleanup__(cleanup_unlock), unused)) pthread_mutex_t *CLEANUP_CAT(lock_,           \
                                                                                  __LINE__) =     \
        (pthread_mutex_lock(m), (m))
#define with_rdlock(l)                                                                             \
    __attribute__((__cleanup__(cleanup_rwunlock), unused)) pthread_rwlock_t *CLEANUP_CAT(rdlock_,      \
                                                                                     __LINE__) =  \
        (pthread_rwlock_rdlock(l), (l))
#define with_wrlock(l)                                                                             \
    __attribute__((__cleanup__(cleanup_rwunlock), unused)) pthread_rwlock_t *CLEANUP_CAT(wrlock_,      \
                                                                                     __LINE__) =  \
        (pthread_rwlock_wrlock(l), (l))

/* Take the pointer out of an automatically freed variable: steal(&p) is p, and p is NULL. */
#define steal(pp)                                                                                  \
    ({                                                                                             \
        __typeof__(*(pp)) stolen_ = *(pp);                                                         \
        *(pp) = NULL;                                                                              \
        stolen_;                                                                                   \
    })

#endif
