/* adam -- Adam and AdamW: they differ in whether weight decay goes through the moments. */
#include "optim/adam.h"

#include "base/realmath.h"

/* 1 - beta^step for beta as the kernel has it, rounded to float: what the moments' weights add up
 * to. A function of step alone, so that a resumed run has the same bits. */
static double bias(double beta, int64_t step)
{
    return 1 - real_pow_whole((double)(float)beta, step);
}

void adam_update(const OptimizerUpdate *u, const AdamRule *rule)
{
    const AdamStep s = {.common = u->common,
                        .lr = (float)u->lr,
                        .beta1 = (float)rule->beta1,
                        .beta2 = (float)rule->beta2,
                        .eps = (float)rule->eps,
                        .weight_decay = u->span->weight_decay,
                        .decoupled = rule->decoupled,
                        .bias1 = bias(rule->beta1, u->step),
                        .bias2 = bias(rule->beta2, u->step)};
    cpu->adam(u->span->n, u->w, u->g, u->slots[0], u->slots[1], &s);
}

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

static void update_adam(const OptimizerUpdate *u)
{
    const Adam *o = u->options;
    adam_update(u, &(AdamRule){o->beta1, o->beta2, o->eps, false});
}

static void update_adamw(const OptimizerUpdate *u)
{
    const Adam *o = u->options;
    adam_update(u, &(AdamRule){o->beta1, o->beta2, o->eps, true});
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
