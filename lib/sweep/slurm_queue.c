/* slurm_queue -- see slurm_queue.h. */
#include "sweep/slurm_queue.h"

#include "io/process.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIELDS = 5, TRIES = 3, NOT_FOUND = 127, ARRAY_MAX_DEFAULT = 1001 };

/* Of an array's tasks that are not started yet, %K is a number because of -r. */
static bool read_line(char *line, SlurmTask *out)
{
    char *at[FIELDS];
    for (int i = 0; i < FIELDS; i++) {
        at[i] = line;
        line = strchr(line, '|');
        if (!line && i < FIELDS - 1) return false;
        if (line && i < FIELDS - 1) *line++ = '\0';
    }
    char *end;
    const long task = strtol(at[1], &end, 10);
    *out = (SlurmTask){at[0], *end == '\0' && end != at[1] ? (int)task : -1, at[2], at[3], at[4]};
    return true;
}

/* Ended, but not forgotten. */
static bool has_ended(const char *state)
{
    static const char *const ended[] = {"COMPLETED", "FAILED",        "CANCELLED", "TIMEOUT",
                                        "NODE_FAIL", "OUT_OF_MEMORY", "BOOT_FAIL", "DEADLINE"};
    for (size_t i = 0; i < sizeof ended / sizeof ended[0]; i++)
        if (strcmp(ended[i], state) == 0) return true;
    return false;
}

/* A controller that is busy lets a question time out now and then. */
static bool ask_squeue(Arena *a, char **out, char **complaint, int *code, Error *err)
{
    static const char *const argv[] = {"squeue", "-h", "-r", "--me", "-o", "%F|%K|%T|%r|%o", NULL};
    for (int i = 0;; i++) {
        TRY(process_run(argv, a, out, complaint, code, err));
        if (*code == 0 || !strstr(*complaint, "timed out") || i == TRIES) return true;
        (void)sleep(1);
    }
}

bool slurm_queue_read(SlurmQueue *q, Arena *a, Error *err)
{
    char *out, *complaint;
    int code, n = 0;
    *q = (SlurmQueue){0};
    TRY(ask_squeue(a, &out, &complaint, &code, err));
    complaint[strcspn(complaint, "\n")] = '\0';
    if (code == NOT_FOUND)
        return fail(err, FAIL_RUN, NULL, "squeue is not there: Slurm is not installed here");
    if (code != 0) return fail(err, FAIL_RUN, NULL, "squeue failed: %.200s", complaint);
    for (const char *p = out; *p; p++) n += *p == '\n';
    q->tasks = arena_new_array(a, SlurmTask, n + 1);
    for (char *line = out, *end; *line; line = end) {
        end = line + strcspn(line, "\n");
        if (*end) *end++ = '\0';
        SlurmTask *t = &q->tasks[q->n];
        if (read_line(line, t) && !has_ended(t->state)) q->n++;
    }
    return true;
}

int slurm_array_max(Arena *a)
{
    static const char *const argv[] = {"scontrol", "show", "config", NULL};
    char *out;
    int code;
    if (!process_run(argv, a, &out, NULL, &code, NULL) || code != 0) return ARRAY_MAX_DEFAULT;
    const char *at = strstr(out, "MaxArraySize"), *equals = at ? strchr(at, '=') : NULL;
    const long n = equals ? strtol(equals + 1, NULL, 10) : 0;
    return n > 1 && n < 10000000 ? (int)n : ARRAY_MAX_DEFAULT;
}
