/* schedule -- the learning rate's factor as a function of the step; warm-up goes in front of any.
 *
 * Every schedule ends with the run: `total` is all its steps. The values are those of torch's
 * schedulers of the same name, where it has one; tests/unit/schedule.c holds what torch gave. */
#ifndef SEQLAB_OPTIM_SCHEDULE_H
#define SEQLAB_OPTIM_SCHEDULE_H

#include "io/option.h"

/* Every schedule's options start with these. The warm-up stands in front: the schedule itself sees
 * step - warmup of total - warmup, and its first factor is what the warm-up rises to. */
typedef struct ScheduleCommon {
    Steps warmup;        /* linear over this many steps; 0: none */
    double warmup_start; /* at step 0, as a share of that first factor */
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

/* constant, step, multistep, cosine, linear, inverse_sqrt, one_cycle; NULL-terminated */
extern const Schedule *const schedule_registry[];
const Schedule *schedule_find(const char *name); /* NULL when there is none of that name */

/* The factor with warm-up; its cosine is base/realmath's: the same bits on every machine. */
double schedule_factor(const Schedule *s, const void *options, int64_t step, int64_t total,
                       int64_t steps_per_epoch);

#endif
