/* init -- first values of parameters. Each tensor has its own stream (seed, "init", 0, its name),
 * so that adding a layer leaves the others' values alone. He et al. 2015 (arXiv 1502.01852); Glorot
 * & Bengio 2010; Saxe et al. 2014 (arXiv 1312.6120, orthogonal by QR of a normal matrix, signs
 * fixed); Mishkin & Matas 2016 (arXiv 1511.06422, LSUV). */
#ifndef SEQLAB_NN_INIT_H
#define SEQLAB_NN_INIT_H

#include "nn/model.h"

void params_init(Params *ps, uint64_t seed);
void param_init(Param *p, uint64_t seed); /* one tensor */

/* LSUV: orthogonal start, then layer by layer (in build order) scales each weight until its
 * output's variance over the batch x is within `tolerance` of 1, at most 10 rounds. */
bool lsuv_init(const Model *model, const void *options, const ModelBuild *like, const float *x,
               int64_t batch, double tolerance, Error *err) MUST_CHECK;

#endif
