/* butterfly -- long convolutions by a transform whose small factors are parameters (Fu et al.,
 * arXiv 2302.06646, the learned extension of its block FFT). */
#ifndef SEQLAB_NN_BUTTERFLY_H
#define SEQLAB_NN_BUTTERFLY_H

#include "nn/model.h"

/* u (B, H, T) with k (C H, S) or, with `two_sided`, (2, C H, S): (B, C H, T), whose row c H + h is
 * long_conv (graph.h) of u's h by k's. u and k have factors of their own, `prefix`.fft_u and
 * `prefix`.fft_k, that learn at `lr` times the optimizer's rate, do not decay, and start as the
 * exact transform.
 * About ten times the time of long_conv, the more the fewer rows (B H) there are to share the
 * levels' matrices, and several times its memory: what every level leaves is kept. */
Node *butterfly_conv(ModelBuild *b, const char *prefix, Node *u, Node *k, bool two_sided,
                     double lr);

#endif
