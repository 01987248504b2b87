/* conv_backbone -- the residual stack of S4 and of long convolutions (Fu et al., arXiv 2302.06646):
 * the models differ in where a layer's kernel comes from.
 *
 *   layer: y = conv(u, k) + D u, channel by channel;  GELU; dropout; linear to 2 d_model; GLU
 *   pre:   x + dropout(layer(norm(x))), and a norm at the end;  post: norm(x + dropout(layer(x)))
 *
 * With `channels` C each of the d_model inputs is convolved with C kernels, and the linear layer
 * reads the C d_model results. Padding is zeroed before every convolution.
 *
 * Where no step may see a later one, batch norm is exact in evaluation; in training its moments are
 * over all steps of the batch, the later ones too. */
#ifndef SEQLAB_NN_CONV_BACKBONE_H
#define SEQLAB_NN_CONV_BACKBONE_H

#include "nn/sequence.h"

/* First in the options of such a model. */
typedef struct ConvBackbone {
    SequenceOptions sequence;
    int norm;  /* 0: batch, 1: layer */
    int order; /* 0: pre, 1: post */
    bool tie_dropout;
    int64_t channels;
    bool bidirectional;
    int transform; /* 0: exact, 1: butterfly */
    double butterfly_lr;
} ConvBackbone;

// clang-format off
#define CONV_BACKBONE_OPTIONS(channels_default)                                                    \
    SEQUENCE_OPTIONS(6, 256, "mean|last"),                                                         \
    SEQUENCE_LM_OPTIONS,                                                                           \
    OPT_ENUM(ConvBackbone, norm, "batch|layer", "batch", "the norm of every residual block"),      \
    OPT_ENUM(ConvBackbone, order, "pre|post", "pre", "norm before the layer, or after the sum"),   \
    OPT_BOOL(ConvBackbone, tie_dropout, true, "drop a unit at all steps of a sequence or at none"), \
    OPT_INT(ConvBackbone, channels, channels_default, 1, 64, "kernels a unit"),                    \
    OPT_BOOL(ConvBackbone, bidirectional, false, "further kernels that look at the steps to come"), \
    OPT_ENUM(ConvBackbone, transform, "exact|butterfly", "exact",                                  \
             "convolve exactly, or by a transform whose factors are learned too"),                 \
    OPT_REAL(ConvBackbone, butterfly_lr, 0.1, 0, 1000,                                             \
             "learning rate of the transform's factors, in those of the rest")
// clang-format on

/* The convolutions of the layer `prefix`: u (B, H, T) to conv(u, k) + D u, (B, C H, T), with index
 * c H + h; d (C H) is D. */
typedef Node *ConvMix(ModelBuild *b, const ConvBackbone *o, const char *prefix, Node *u, Node *d);

/* Such a mix by its kernels: k (R, d_model, taps), taps <= T, with R = channels, or twice that:
 * first those that look back, then those that look ahead. */
Node *conv_by_kernels(ModelBuild *b, const ConvBackbone *o, const char *prefix, Node *u, Node *k,
                      Node *d);

/* The logits that the task asks for, of x as the data give it. */
Node *conv_backbone(ModelBuild *b, const ConvBackbone *o, ConvMix *mix, Node *x);

#endif
