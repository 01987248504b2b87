/* eval_options -- the `eval:` and `energy:` blocks of an experiment file.
 *
 * eval: what the last evaluation of a training run asks besides the loss and the accuracy, and what
 * `seqlab eval --robustness` asks of a run. It is part of a run's id, since metrics depend on it.
 * energy: assumptions about the machine, which are not. */
#ifndef SEQLAB_RUN_EVAL_OPTIONS_H
#define SEQLAB_RUN_EVAL_OPTIONS_H

#include "io/option.h"

enum { EVAL_MAX_EPS = 6 }; /* of an attack */

typedef struct EvalOptions {
    unsigned corruptions; /* bit i: CorruptionId i */
    IntList severities;
    IntList fgsm_eps, pgd_eps; /* in 1/255 of the pixels' range */
    int64_t pgd_steps;
    double pgd_step; /* in 1/255; 0: 2.5 eps / steps */
    bool pgd_random_start;
    const char *ood; /* a data set's name, or NULL */
    int64_t examples, seed;
} EvalOptions;
extern const OptionTable eval_option_table;

/* Whether there is anything to do. */
bool eval_asks(const EvalOptions *o);
/* All corruptions at all severities, FGSM at 1, 2, 4 and 8, PGD at 2 and 8; the rest as it is. */
void eval_ask_standard(EvalOptions *o);

typedef struct EnergyOptions {
    double core_power_w, carbon_g_per_kwh;
} EnergyOptions;
extern const OptionTable energy_option_table;

#endif
