/* jobs -- see jobs.h. */
#include "data/jobs.h"

#include "base/threads.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

enum { MAX_HELPERS = 15 };

typedef struct Jobs {
    atomic_int next;
    int n;
    void (*job)(void *owner, int i);
    void *owner;
} Jobs;

static void *work(void *jobs_)
{
    Jobs *jobs = jobs_;
    for (int i; (i = atomic_fetch_add(&jobs->next, 1)) < jobs->n;) jobs->job(jobs->owner, i);
    return NULL;
}

void jobs_run(int n, void (*job)(void *owner, int i), void *owner)
{
    Jobs jobs = {.n = n, .job = job, .owner = owner};
    pthread_t helper[MAX_HELPERS];
    int n_wanted = threads_count() - 1, n_helpers = 0;
    if (n_wanted > n - 1) n_wanted = n - 1;
    if (n_wanted > MAX_HELPERS) n_wanted = MAX_HELPERS;
    /* signals go to the thread that started the run */
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    while (n_helpers < n_wanted && pthread_create(&helper[n_helpers], NULL, work, &jobs) == 0)
        n_helpers++;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)work(&jobs);
    for (int i = 0; i < n_helpers; i++) (void)pthread_join(helper[i], NULL);
}
