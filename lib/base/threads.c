/* threads -- see threads.h. */
#include "base/threads.h"

#include <omp.h>
#include <sched.h>
#include <stdlib.h>

enum { THREADS_MAX = 1024 };
static int count = 1;

static int from_environment(const char *name)
{
    const char *text = getenv(name);
    return text ? atoi(text) : 0;
}

static int from_affinity(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    return CPU_COUNT(&set);
}

void threads_set(int flag)
{
    static const char *const names[] = {"OMP_NUM_THREADS", "SLURM_CPUS_PER_TASK",
                                        "SLURM_CPUS_ON_NODE"};
    int n = flag;
    for (int i = 0; n <= 0 && i < 3; i++) n = from_environment(names[i]);
    if (n <= 0) n = from_affinity();
    count = n > THREADS_MAX ? THREADS_MAX : n;
}

int threads_count(void)
{
    return count;
}

/* gcc's OpenMP takes memory for a team at each parallel region, of one thread too, and gives it
 * back at the end. A kernel that is better off with one thread says so by num_threads(1) or if(0);
 * then the body is called here and now. The linker puts `region` in front of the library's entry
 * (--wrap, in the Makefile). Inside of another region the body's loops would take a thread's share
 * of that one for all: there the library has to do it. */
void region(void (*body)(void *), void *shared, unsigned threads,
            unsigned flags) __asm__("__wrap_GOMP_parallel");
void library_region(void (*body)(void *), void *shared, unsigned threads,
                    unsigned flags) __asm__("__real_GOMP_parallel");

void region(void (*body)(void *), void *shared, unsigned threads, unsigned flags)
{
    if (threads == 1 && omp_get_level() == 0)
        body(shared);
    else
        library_region(body, shared, threads, flags);
}
