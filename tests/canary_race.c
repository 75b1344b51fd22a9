/* canary_race.c - a race on purpose, for tsan_canary.sh.
 *
 * Two threads change a counter, one after the other, with nothing between them but a byte through
 * a pipe. To ThreadSanitizer that is as much order as a FUSE daemon has between two requests, which
 * is none; by default it takes any read() as ordered after any write() and sees no race in such a
 * daemon at all. So this program must be reported, or a silent daemon proves nothing.
 */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static int ends[2];
static int counter;

static void *second(void *arg)
{
    char byte;
    if (read(ends[0], &byte, 1) == 1)
        counter++;
    return arg;
}

int main(void)
{
    pthread_t thread;
    if (pipe(ends) < 0 || pthread_create(&thread, NULL, second, NULL) != 0)
        return 1;
    counter++;
    if (write(ends[1], "x", 1) != 1)
        return 1;
    pthread_join(thread, NULL);
    printf("%d\n", counter);
    return 0;
}
