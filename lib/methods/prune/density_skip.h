/* density_skip -- synexp's densities (density.h) of a network whose residual blocks have a
 * shortcut.
 *
 * A layer multiplies the expectation of SynFlow's R by p sqrt(4 fan_in / pi), its gain with He
 * normal weights, E|w| = sqrt(2 / fan_in) sqrt(2 / pi). A block's branch is the product of its
 * layers, and the shortcut adds 1:
 *
 *   max  sum_b log(1 + q_b prod_(l in b) p_l) + sum_(other l) log p_l,   q_b = prod sqrt(4 fan_in /
 * pi) with sum_l weights_l p_l = density sum_l weights_l,  least_l <= p_l <= 1
 *
 * As q_b grows the shortcut matters less, and this becomes synexp. Where it is small a block is
 * worth less than what its weights do elsewhere, and falls to its least: the sum is not concave,
 * and what is found is an optimum near synexp. */
#ifndef SEQLAB_METHODS_DENSITY_SKIP_H
#define SEQLAB_METHODS_DENSITY_SKIP_H

typedef struct SkipLayer {
    double weights, fan_in, least;
    int block; /* -1: in none that has a shortcut */
} SkipLayer;

/* `scratch` holds n_blocks doubles. */
void density_skips(double density, const SkipLayer layers[], int n, int n_blocks, double scratch[],
                   double p[]);

#endif
