/* kernel_param -- the filters of sequence layers as parameters, which learn at a rate of their own
 * and do not decay; among them the kernels of long convolutions (Fu et al., arXiv 2302.06646).
 *
 * First values of these, with N a standard normal, j the lag, L the taps, i the unit, H the units:
 *
 *   random      0.002 N
 *   double_exp  0.02 N exp(-(j / L) floor(H / 2)^(i / H))   (the paper's Exp rows) */
#ifndef SEQLAB_NN_KERNEL_PARAM_H
#define SEQLAB_NN_KERNEL_PARAM_H

#include "nn/model.h"

/* Named `name`, with ROLE_KERNEL; learns at `lr` times the optimizer's rate. */
Node *kernel_param(ModelBuild *b, const char *name, Shape s, Init init, double lr);

/* How a model's long kernels are made; a field `kernel` of its options, with the rows below. */
typedef struct LongKernel {
    int init;       /* 0: random, 1: double_exp */
    double lr;      /* in those of the rest */
    int64_t length; /* taps at most; 0: as many as steps */
} LongKernel;

// clang-format off
#define LONG_KERNEL_OPTIONS(S, lr_default)                                                         \
    {"kernel_init", OPTION_ENUM, offsetof(S, kernel.init), "random", 0, 0, "random|double_exp",    \
     "first values of the kernels: normals, or normals that decay sooner unit by unit"},           \
    {"kernel_lr", OPTION_REAL, offsetof(S, kernel.lr), #lr_default, 0, 1000, NULL,                 \
     "learning rate of the kernels, in those of the rest"},                                        \
    {"kernel_length", OPTION_INT, offsetof(S, kernel.length), "0", 0, 1e9, NULL,                   \
     "taps of a kernel, at most; 0: as many as steps"}
// clang-format on

/* `prefix`.kernel, (rows, width, taps), for so many steps: what the methods squash, smooth and
 * kernel_dropout act on. */
Node *long_kernel(ModelBuild *b, const LongKernel *o, const char *prefix, int64_t rows,
                  int64_t width, int64_t steps);

#endif
