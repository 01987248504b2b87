/* sgd -- stochastic gradient descent with momentum, in torch's form: the buffer's first value is
 * the gradient itself, undamped, and lr is outside the buffer. */
#include "optim/optimizer.h"

typedef struct Sgd {
    OptimizerCommon common;
    double momentum, dampening;
    bool nesterov;
} Sgd;

// clang-format off
static const Option options_sgd[] = {
    OPTIMIZER_COMMON_OPTIONS(0.1, 0),
    OPT_REAL(Sgd, momentum, 0, 0, 0.9999, "share of the last direction that is kept"),
    OPT_REAL(Sgd, dampening, 0, 0, 1, "share of the gradient that momentum leaves out"),
    OPT_BOOL(Sgd, nesterov, false, "look ahead along the momentum (Nesterov)"),
};
// clang-format on

static const char *conflict_sgd(const void *options)
{
    const Sgd *o = options;
    if (o->nesterov && (o->momentum == 0 || o->dampening != 0))
        return "nesterov needs a momentum above 0 and no dampening";
    return NULL;
}

static void update_sgd(const OptimizerUpdate *u)
{
    const Sgd *o = u->options;
    const SgdStep s = {.common = u->common,
                       .lr = (float)u->lr,
                       .momentum = (float)o->momentum,
                       .dampening = (float)o->dampening,
                       .weight_decay = u->span->weight_decay,
                       .nesterov = o->nesterov,
                       .first = u->step == 1};
    cpu->sgd(u->span->n, u->w, u->g, u->slots[0], &s);
}

const Optimizer optimizer_sgd = {
    .name = "sgd",
    .summary = "gradient descent with momentum",
    .paper = "Sutskever et al. 2013",
    .revision = 1,
    .options = OPTION_TABLE(Sgd, options_sgd),
    .conflict = conflict_sgd,
    .n_slots = 1,
    .slot_name = {"momentum"},
    .update = update_sgd,
};
