/* requeue -- see requeue.h. */
#include "run/requeue.h"

#include "io/process.h"
#include "run/stop.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

void requeue_after_warning(Error *err)
{
    const char *job = getenv("SLURM_JOB_ID"), *array = getenv("SLURM_ARRAY_JOB_ID"),
               *task = getenv("SLURM_ARRAY_TASK_ID");
    if (!job || stop_signal() != SIGUSR1) return;
    Arena *a = arena_new();
    char *out, *complaint;
    int code;
    if (array && task) job = arena_printf(a, "%s_%s", array, task);
    const char *const argv[] = {"scontrol", "requeue", job, NULL};
    if (process_run(argv, a, &out, &complaint, &code, NULL) && code != 0) {
        complaint[strcspn(complaint, "\n")] = '\0';
        error_note(err, "job %s was not put back into the queue: %.200s", job, complaint);
    }
    arena_free(a);
}
