/* schedule -- the learning rate's factor as a function of the step; warm-up goes in front of any.
 *
 * Every schedule ends with the run: `total` is all its steps. The values are those of torch's
 * schedulers of the same name; tests/unit/schedule.c holds what torch gave. */
#ifndef SEQLAB_OPTIM_SCHEDULE_H
#define SEQLAB_OPTIM_SCHEDULE_H

#include "io/option.h"

/* constant, step, multistep, cosine, linear, one_cycle. Every schedule's options start with these.
 */
typedef struct ScheduleCommon {
    Steps
        warmup; /* over this many steps, in front; the rest sees step - warmup of total - warmup */
    double warmup_start; /* share of the schedule's first factor at step 0; rises linearly to 1 */
} ScheduleCommon;

typedef struct Schedule {
    const char *name, *summary;
    const char *paper; /* "" where there is none to name */
    int revision;
    OptionTable options;
    /* Factor at `step` (0-based: the update about to be done) of `total` >= 1, warm-up already
     * taken off both. Past the end it stays at its last value. */
    double (*factor)(const void *options, int64_t step, int64_t total, int64_t steps_per_epoch);
} Schedule;

extern const Schedule *const schedule_registry[]; /* NULL-terminated */
const Schedule *schedule_find(const char *name);  /* NULL when there is none of that name */

/* The factor with warm-up. cos is our own double polynomial: the same bits on every
 * machine. */
double schedule_factor(const Schedule *s, const void *options, int64_t step, int64_t total,
                       int64_t steps_per_epoch);

#endif
