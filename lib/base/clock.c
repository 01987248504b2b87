/* clock -- see clock.h. */
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static double read_clock(clockid_t id)
{
    struct timespec t;
    (void)clock_gettime(id, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double clock_s(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

double clock_cpu_s(void)
{
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

/* Field 22 of /proc/self/stat is the start in clock ticks since boot; the second field may hold
 * blanks. */
double clock_process_s(void)
{
    char text[1024];
    FILE *f = fopen("/proc/self/stat", "r");
    if (!f) return 0;
    size_t n = fread(text, 1, sizeof text - 1, f);
    (void)fclose(f);
    text[n] = '\0';
    char *at = strrchr(text, ')');
    unsigned long long ticks = 0;
    if (!at || sscanf(at + 2,
                      "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d "
                      "%*d %*d %llu",
                      &ticks) != 1)
        return 0;
    return read_clock(CLOCK_BOOTTIME) - (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

void clock_iso(char out[32])
{
    time_t now = time(NULL);
    struct tm t;
    if (!gmtime_r(&now, &t) || strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &t) == 0) out[0] = '\0';
}

int64_t clock_peak_bytes(void)
{
    struct rusage use;
    if (getrusage(RUSAGE_SELF, &use) != 0) return 0;
    return (int64_t)use.ru_maxrss * 1024;
}

int64_t clock_resident_bytes(void)
{
    long long all, resident = 0; /* pages */
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f) return 0;
    if (fscanf(f, "%lld %lld", &all, &resident) != 2) resident = 0;
    (void)fclose(f);
    return (int64_t)resident * sysconf(_SC_PAGESIZE);
}
