/* adam -- Adam and AdamW: they differ in whether weight decay goes through the moments. */
#include "optim/optimizer.h"

#include "base/realmath.h"
#include "cpu/cpu.h"

typedef struct Adam {
    OptimizerCommon common;
    double beta1, beta2, eps;
} Adam;

/* eps stays above 0: 0 / 0 would be the update of a weight that never had a gradient. */
// clang-format off
#define MOMENT_OPTIONS                                                                             \
    OPT_REAL(Adam, beta1, 0.9, 0, 0.9999, "decay of the mean of gradients, a step"),               \
    OPT_REAL(Adam, beta2, 0.999, 0, 0.999999, "decay of the mean of squared gradients, a step"),   \
    OPT_REAL(Adam, eps, 1e-8, 1e-20, 1, "added to the root of the second moment")

static const Option options_adam[] = {OPTIMIZER_COMMON_OPTIONS(1e-3, 0), MOMENT_OPTIONS};
static const Option options_adamw[] = {OPTIMIZER_COMMON_OPTIONS(1e-3, 0.01), MOMENT_OPTIONS};
// clang-format on

/* 1 - beta^step for beta as the kernel has it, rounded to float: what the moments' weights add up
 * to. A function of step alone, so that a resumed run has the same bits. */
static double bias(double beta, int64_t step)
{
    return 1 - real_pow_whole((double)(float)beta, step);
}

static void update_adam(const void *options, int64_t step, double lr, float weight_decay, int64_t n,
                        float *w, const float *g, float *const slots[])
{
    const Adam *o = options;
    cpu->adam(n, w, g, slots[0], slots[1], (float)lr, (float)o->beta1, (float)o->beta2,
              (float)o->eps, weight_decay, false, bias(o->beta1, step), bias(o->beta2, step));
}

static void update_adamw(const void *options, int64_t step, double lr, float weight_decay,
                         int64_t n, float *w, const float *g, float *const slots[])
{
    const Adam *o = options;
    cpu->adam(n, w, g, slots[0], slots[1], (float)lr, (float)o->beta1, (float)o->beta2,
              (float)o->eps, weight_decay, true, bias(o->beta1, step), bias(o->beta2, step));
}

const Optimizer optimizer_adam = {
    .name = "adam",
    .summary = "Adam; weight decay is added to the gradient",
    .paper = "arXiv:1412.6980",
    .revision = 1,
    .options = OPTION_TABLE(Adam, options_adam),
    .n_slots = 2,
    .slot_name = {"exp_avg", "exp_avg_sq"},
    .update = update_adam,
};

const Optimizer optimizer_adamw = {
    .name = "adamw",
    .summary = "Adam with decoupled weight decay",
    .paper = "arXiv:1711.05101",
    .revision = 1,
    .options = OPTION_TABLE(Adam, options_adamw),
    .n_slots = 2,
    .slot_name = {"exp_avg", "exp_avg_sq"},
    .update = update_adamw,
};
