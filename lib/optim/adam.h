/* adam -- Adam's update of a span, for rules that hand some parameters to it. */
#ifndef SEQLAB_OPTIM_ADAM_H
#define SEQLAB_OPTIM_ADAM_H

#include "optim/optimizer.h"

typedef struct AdamRule {
    double beta1, beta2, eps;
    bool decoupled; /* AdamW */
} AdamRule;

/* slots[0] and slots[1] are the two moments. */
void adam_update(const OptimizerUpdate *u, const AdamRule *rule);

#endif
