/* schedule -- the learning rate's factor as a function of the step; warm-up goes in front of any.
 */
#ifndef SEQLAB_OPTIM_SCHEDULE_H
#define SEQLAB_OPTIM_SCHEDULE_H

#include "io/option.h"

/* constant, step, multistep, cosine, linear, one_cycle. Every schedule's options start with these.
 */
typedef struct ScheduleCommon {
    Steps warmup; /* linear from warmup_start to 1 over this many steps, in front; the rest sees
                     step - warmup of total - warmup */
    double warmup_start; /* factor at step 0 */
} ScheduleCommon;

typedef struct Schedule {
    const char *name, *summary, *paper;
    int revision;
    OptionTable options;
    /* Factor at `step` (0-based update about to be done) of `total`, warm-up already taken off
     * both. */
    double (*factor)(const void *options, int64_t step, int64_t total, int64_t steps_per_epoch);
} Schedule;

extern const Schedule *const schedule_registry[]; /* NULL-terminated */
const Schedule *schedule_find(const char *name);

/* The factor with warm-up. cos is our own double polynomial: the same bits on every machine. */
double schedule_factor(const Schedule *s, const void *options, int64_t step, int64_t total,
                       int64_t steps_per_epoch);

#endif
