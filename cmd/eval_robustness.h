/* eval_robustness -- `seqlab eval --robustness`. */
#ifndef SEQLAB_CMD_EVAL_ROBUSTNESS_H
#define SEQLAB_CMD_EVAL_ROBUSTNESS_H

#include "cmd/target.h"
#include "run/network.h"

/* Of the network with its weights loaded. */
bool eval_robustness(const Target *t, const Invocation *in, Network *n, Error *err) MUST_CHECK;

#endif
