/* init -- first values of parameters. Each tensor has its own stream (seed, "init", 0, its name),
 * so that adding a layer leaves the others' values alone. He et al. 2015 (arXiv 1502.01852); Glorot
 * & Bengio 2010; Saxe et al. 2014 (arXiv 1312.6120, orthogonal by QR of a normal matrix, signs
 * fixed); Mishkin & Matas 2016 (arXiv 1511.06422, LSUV). */
#ifndef SEQLAB_NN_INIT_H
#define SEQLAB_NN_INIT_H

#include "nn/model.h"

/* Deviations and bounds, with n the fan-in (He; a model that wants the fan-out puts it there):
 *
 *   normal            a                     uniform          (-a, a)
 *   truncated_normal  a, redrawn beyond 2a  constant         a
 *   he_normal         gain / sqrt(n)        he_uniform       gain sqrt(3 / n)        gain sqrt(2)
 *   xavier_normal     gain sqrt(2 / (n + fan_out))           gain 1
 *   xavier_uniform    gain sqrt(6 / (n + fan_out))           gain 1
 *   orthogonal        the (out, rest) matrix has orthonormal rows or columns, times gain (1)
 *   torch_default     uniform in (-1, 1) / sqrt(n), torch's kaiming_uniform with a = sqrt(5)
 *   uniform_positive  uniform in (0, a)
 *   decaying_normal   a exp(-(j / L) floor(H / 2)^(i / H)) at lag j of channel i, of (..., H, L):
 *                     each channel forgets sooner than the one before (arXiv 2302.06646) */
void params_init(Params *ps, uint64_t seed);
void param_init(Param *p, uint64_t seed); /* one tensor */

/* LSUV, after params_init of a model built with orthogonal weights: layer by layer (in build order)
 * scales each weight until its output's variance over the batch x is within `tolerance` of 1, at
 * most 10 rounds. `like` is how the parameters were built; its batch norms see the batch, and no
 * running statistic moves. Fails when a layer's output does not vary. */
bool lsuv_init(const Model *model, const void *options, const ModelBuild *like, const float *x,
               int64_t batch, double tolerance, Error *err) MUST_CHECK;

#endif
