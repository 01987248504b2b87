/* threads -- see threads.h. */
#include "base/threads.h"

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
