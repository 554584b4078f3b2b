/* Preloaded into a process, moves its wall clock by the seconds that stand in the file WALL_CLOCK_OFFSET (one int64),
 * at any moment; where the variable is not set, in /run/wall-clock-offset, if there is one. The monotonic clock and everything that waits stay as they are, as where somebody sets a machine's date.
 * A process that sets its clock changes that file, in whole seconds, and no other process's time.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int (*true_clock)(clockid_t, struct timespec *);
static volatile int64_t *offset;

__attribute__((constructor)) static void open_clock(void)
{
    const char *name = getenv("WALL_CLOCK_OFFSET");
    int file = open(name ? name : "/run/wall-clock-offset", O_RDWR | O_CLOEXEC);
    true_clock = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    if (file >= 0) {
        void *page = mmap(NULL, sizeof *offset, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        offset = page == MAP_FAILED ? NULL : page;
        close(file);
    }
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    if (!true_clock)
        open_clock();
    int failed = true_clock(clock, now);
    if (!failed && offset && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += *offset;
    return failed;
}

int clock_settime(clockid_t clock, const struct timespec *wanted)
{
    struct timespec now;
    if (!true_clock)
        open_clock();
    if (!offset || clock != CLOCK_REALTIME || true_clock(clock, &now)) {
        errno = EINVAL;
        return -1;
    }
    *offset = wanted->tv_sec - now.tv_sec;
    return 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec exact;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &exact))
        return -1;
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *into)
{
    struct timespec exact;
    if (clock_gettime(CLOCK_REALTIME, &exact))
        return -1;
    if (into)
        *into = exact.tv_sec;
    return exact.tv_sec;
}
