/* weights -- the weights that a command is to use of a target: --checkpoint's, the run's best or
 * its last. */
#ifndef SEQLAB_CMD_WEIGHTS_H
#define SEQLAB_CMD_WEIGHTS_H

#include "cmd/target.h"
#include "run/network.h"

/* The architecture that they are of, for NetworkOptions; NULL: the published one. */
bool weights_architecture(const Target *t, const Invocation *in, const Architecture **out,
                          Error *err) MUST_CHECK;
/* Into n->params: of a run that keeps a moving average, that. --checkpoint is a safetensors file or
 * a Hugging Face folder, or an adapter's, with the weights of the model that it names. */
bool weights_load(const Target *t, const Invocation *in, Network *n, Error *err) MUST_CHECK;

#endif
