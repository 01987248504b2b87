/* conv_norm -- what the families built of convolution and batch norm share: VGG, MobileNetV2,
 * ShuffleNetV2, EfficientNet. */
#ifndef SEQLAB_NN_CONV_NORM_H
#define SEQLAB_NN_CONV_NORM_H

#include "nn/layer.h"

/* Weights He normal by fan-out, the bias zero. As torch does, the groups' outputs are all counted.
 */
LayerInit init_fan_out(ConvLayer c);

/* `prefix`.N, a convolution, and `prefix`.N+1, its batch norm. init NULL: init_fan_out. */
Node *conv_norm(ModelBuild *b, const char *prefix, int n, Node *x, ConvLayer c,
                const LayerInit *init);
/* The same with a kernel for each channel of x: padded so that stride 1 keeps the size. */
Node *depthwise_norm(ModelBuild *b, const char *prefix, int n, Node *x, int64_t kernel,
                     int64_t stride, const LayerInit *init);

/* NULL when x are images that can be halved that many times; else the mistake is on record and the
 * node stands for what cannot be built. */
Node *images_too_small(ModelBuild *b, const Node *x, int times);

/* The nearest multiple of 8 that is not more than a tenth below, at least 8: how the mobile
 * networks round scaled channels. */
int64_t channels_by_eight(double wanted);

#endif
