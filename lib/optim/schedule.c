/* schedule -- see schedule.h. */
#include "optim/schedule.h"

#include "base/realmath.h"

#include <string.h>

// clang-format off
#define SCHEDULE_COMMON_OPTIONS                                                                    \
    OPT_STEPS(ScheduleCommon, warmup, "0", "linear warm-up in front of the schedule"),               \
    OPT_REAL(ScheduleCommon, warmup_start, 0, 0, 1, "factor at step 0 of the warm-up")
// clang-format on

/* from at share 0, to at share 1, and the end's value past it. */
static double line(double from, double to, double share)
{
    return share >= 1 ? to : from + (to - from) * share;
}

static double half_cosine(double from, double to, double share)
{
    return share >= 1 ? to : to + (from - to) * 0.5 * (1 + real_cos_turns(0.5 * share));
}

/* -- constant */

typedef struct Constant {
    ScheduleCommon common;
} Constant;

static const Option options_constant[] = {SCHEDULE_COMMON_OPTIONS};

static double factor_constant(const void *options, int64_t step, int64_t total,
                              int64_t steps_per_epoch)
{
    (void)options, (void)step, (void)total, (void)steps_per_epoch;
    return 1;
}

static const Schedule schedule_constant = {
    .name = "constant",
    .summary = "the same learning rate throughout",
    .paper = "",
    .revision = 1,
    .options = OPTION_TABLE(Constant, options_constant),
    .factor = factor_constant,
};

/* -- step, multistep */

typedef struct Step {
    ScheduleCommon common;
    Steps step_size;
    double gamma;
} Step;

// clang-format off
static const Option options_step[] = {
    SCHEDULE_COMMON_OPTIONS,
    OPT_STEPS(Step, step_size, "30ep", "length of a step of the staircase"),
    OPT_REAL(Step, gamma, 0.1, 0, 1, "factor from one step of the staircase to the next"),
};
// clang-format on

static double factor_step(const void *options, int64_t step, int64_t total, int64_t steps_per_epoch)
{
    (void)total;
    const Step *o = options;
    int64_t size = steps_resolve(o->step_size, steps_per_epoch);
    return real_pow_whole(o->gamma, step / (size > 0 ? size : 1));
}

static const Schedule schedule_step = {
    .name = "step",
    .summary = "times gamma every step_size",
    .paper = "",
    .revision = 1,
    .options = OPTION_TABLE(Step, options_step),
    .factor = factor_step,
};

typedef struct Multistep {
    ScheduleCommon common;
    IntList milestones;
    int unit; /* 0 epochs, 1 steps */
    double gamma;
} Multistep;

// clang-format off
static const Option options_multistep[] = {
    SCHEDULE_COMMON_OPTIONS,
    {"milestones", OPTION_INTS, offsetof(Multistep, milestones), "30,60,90", 0, 1e12, NULL,
     "when to multiply by gamma, counted from the end of the warm-up"},
    OPT_ENUM(Multistep, unit, "epochs|steps", "epochs", "what milestones are counted in"),
    OPT_REAL(Multistep, gamma, 0.1, 0, 1, "factor at each milestone"),
};
// clang-format on

static double factor_multistep(const void *options, int64_t step, int64_t total,
                               int64_t steps_per_epoch)
{
    (void)total;
    const Multistep *o = options;
    int64_t unit = o->unit == 0 ? steps_per_epoch : 1, passed = 0;
    for (int i = 0; i < o->milestones.n; i++) passed += step >= o->milestones.at[i] * unit;
    return real_pow_whole(o->gamma, passed);
}

static const Schedule schedule_multistep = {
    .name = "multistep",
    .summary = "times gamma at each milestone",
    .paper = "arXiv:1512.03385",
    .revision = 1,
    .options = OPTION_TABLE(Multistep, options_multistep),
    .factor = factor_multistep,
};

/* -- cosine, linear */

typedef struct Cosine {
    ScheduleCommon common;
    double min_factor;
} Cosine;

// clang-format off
static const Option options_cosine[] = {
    SCHEDULE_COMMON_OPTIONS,
    OPT_REAL(Cosine, min_factor, 0, 0, 1, "factor that the last step comes close to"),
};
// clang-format on

static double factor_cosine(const void *options, int64_t step, int64_t total,
                            int64_t steps_per_epoch)
{
    (void)steps_per_epoch;
    const Cosine *o = options;
    return half_cosine(1, o->min_factor, (double)step / (double)total);
}

static const Schedule schedule_cosine = {
    .name = "cosine",
    .summary = "half a cosine from 1 down to min_factor",
    .paper = "arXiv:1608.03983",
    .revision = 1,
    .options = OPTION_TABLE(Cosine, options_cosine),
    .factor = factor_cosine,
};

typedef struct Linear {
    ScheduleCommon common;
    double start_factor, end_factor;
} Linear;

// clang-format off
static const Option options_linear[] = {
    SCHEDULE_COMMON_OPTIONS,
    OPT_REAL(Linear, start_factor, 1, 0, 1, "factor at the first step"),
    OPT_REAL(Linear, end_factor, 0, 0, 1, "factor that the last step comes close to"),
};
// clang-format on

static double factor_linear(const void *options, int64_t step, int64_t total,
                            int64_t steps_per_epoch)
{
    (void)steps_per_epoch;
    const Linear *o = options;
    return line(o->start_factor, o->end_factor, (double)step / (double)total);
}

static const Schedule schedule_linear = {
    .name = "linear",
    .summary = "a line from start_factor to end_factor",
    .paper = "",
    .revision = 1,
    .options = OPTION_TABLE(Linear, options_linear),
    .factor = factor_linear,
};

/* -- inverse_sqrt */

typedef struct InverseSqrt {
    ScheduleCommon common;
} InverseSqrt;

static const Option options_inverse_sqrt[] = {SCHEDULE_COMMON_OPTIONS};

/* At update t of a warm-up of w this is sqrt(w / t): optimizer.lr is the peak, which others call
 * base_lr / sqrt(w). Without a warm-up w is one step. */
static double factor_inverse_sqrt(const void *options, int64_t step, int64_t total,
                                  int64_t steps_per_epoch)
{
    (void)total;
    const InverseSqrt *o = options;
    int64_t warmup = steps_resolve(o->common.warmup, steps_per_epoch);
    if (warmup < 1) warmup = 1;
    return real_sqrt((double)warmup / (double)(warmup + step));
}

static const Schedule schedule_inverse_sqrt = {
    .name = "inverse_sqrt",
    .summary = "falls as one over the square root of the steps since the start",
    .paper = "arXiv:1706.03762",
    .revision = 1,
    .options = OPTION_TABLE(InverseSqrt, options_inverse_sqrt),
    .factor = factor_inverse_sqrt,
};

/* -- one_cycle */

/* optimizer.lr is the peak. As torch's OneCycleLR with two phases, except that momentum stays as
 * the optimizer has it: cycling it would make an optimizer's option depend on the schedule. */
typedef struct OneCycle {
    ScheduleCommon common;
    double pct_start;
    int anneal; /* 0 cosine, 1 linear */
    double div_factor, final_div_factor;
} OneCycle;

// clang-format off
static const Option options_one_cycle[] = {
    SCHEDULE_COMMON_OPTIONS,
    OPT_REAL(OneCycle, pct_start, 0.3, 0, 1, "share of the steps that rise"),
    OPT_ENUM(OneCycle, anneal, "cos|linear", "cos", "shape of the rise and of the fall"),
    OPT_REAL(OneCycle, div_factor, 25, 1, 1e12, "the first factor is 1 / div_factor"),
    OPT_REAL(OneCycle, final_div_factor, 1e4, 1, 1e12, "the last is the first / final_div_factor"),
};
// clang-format on

/* The peak is at pct_start * total - 1, in torch too, so that the rise takes that share of all
 * steps. */
static double factor_one_cycle(const void *options, int64_t step, int64_t total,
                               int64_t steps_per_epoch)
{
    (void)steps_per_epoch;
    const OneCycle *o = options;
    double (*curve)(double, double, double) = o->anneal == 0 ? half_cosine : line;
    double first = 1 / o->div_factor, last = first / o->final_div_factor;
    double at = (double)step, peak = o->pct_start * (double)total - 1, end = (double)(total - 1);
    if (peak < 0) peak = 0;
    if (at < peak) return curve(first, 1, at / peak);
    if (peak >= end) return 1;
    return curve(1, last, (at - peak) / (end - peak));
}

static const Schedule schedule_one_cycle = {
    .name = "one_cycle",
    .summary = "up to lr and down to almost 0; momentum is not cycled",
    .paper = "arXiv:1708.07120",
    .revision = 1,
    .options = OPTION_TABLE(OneCycle, options_one_cycle),
    .factor = factor_one_cycle,
};

/* ------------------------------------------------------------------------------------------- */

const Schedule *const schedule_registry[] = {
    &schedule_constant, &schedule_step,         &schedule_multistep, &schedule_cosine,
    &schedule_linear,   &schedule_inverse_sqrt, &schedule_one_cycle, NULL};

const Schedule *schedule_find(const char *name)
{
    for (int i = 0; schedule_registry[i]; i++)
        if (strcmp(schedule_registry[i]->name, name) == 0) return schedule_registry[i];
    return NULL;
}

double schedule_factor(const Schedule *s, const void *options, int64_t step, int64_t total,
                       int64_t steps_per_epoch)
{
    const ScheduleCommon *o = options;
    int64_t warmup = steps_resolve(o->warmup, steps_per_epoch), rest = total - warmup;
    int64_t after = step - warmup;
    double factor = s->factor(options, after > 0 ? after : 0, rest > 1 ? rest : 1, steps_per_epoch);
    return after >= 0 ? factor : factor * line(o->warmup_start, 1, (double)step / (double)warmup);
}
