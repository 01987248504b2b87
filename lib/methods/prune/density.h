/* density -- how much of each layer is kept, so that a share of all weights is: the layerwise
 * distributions that random pruning and smaller networks start from.
 *
 *   uniform  p_l = density
 *   er       p_l = e (in + out) / (in out)                      Mocanu et al., arXiv 1707.04780
 *   erk      p_l = e (in + out + k + k) / (in out k k)          Evci et al., arXiv 1911.11134
 *   synexp   p_l = min(1, m / weights): every layer that is not whole keeps the same number of
 *            weights. That maximises the expectation of SynFlow's R over random masks and weights,
 *            (paths) prod_l p_l E|w|, at a given number of weights: Cai et al., arXiv 2203.02549.
 *
 * e, or m, is such that sum_l p_l weights_l = density sum_l weights_l, with p_l <= 1. */
#ifndef SEQLAB_METHODS_DENSITY_H
#define SEQLAB_METHODS_DENSITY_H

#include "graph/tensor.h"

typedef enum DensityKind { DENSITY_UNIFORM, DENSITY_ER, DENSITY_ERK, DENSITY_SYNEXP } DensityKind;

/* p[i] of the layer whose weight is shapes[i], (out, in) or (out, in / groups, k, k); 0 < density
 * <= 1. `scratch` holds n bools. */
void density_layers(DensityKind kind, double density, const Shape shapes[], int n, bool scratch[],
                    double p[]);
/* The m of synexp for layers of these numbers of weights. */
double density_water_level(double density, const double weights[], int n);

#endif
