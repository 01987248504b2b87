/* gradient -- mean gradients of the loss to the weights of linear layers, a group of layers at a
 * time: what LoRA-GA looks at.
 *
 * The network is the plain one (plain_network.h) in training mode (dropout is at work), the loss
 * the ordinary one: the mean over the labels that there are. Batch i holds the examples
 * i batch_size ... of the training split, in the order of the files and without augmentation; after
 * the last it starts again. A gradient is the mean over the batches, summed in float in their
 * order.
 *
 * A layer takes 8 bytes an element while its gradient is gathered, 4 with one batch; as many layers
 * as fit into `memory` are gathered in one walk through the batches, and the batches are run again
 * for the next. The bits do not depend on it. Activations and the pass's own values come on top. */
#ifndef SEQLAB_METHODS_PEFT_GRADIENT_H
#define SEQLAB_METHODS_PEFT_GRADIENT_H

#include "data/dataset.h"
#include "methods/peft/plain_network.h"

typedef struct GradientCall {
    const Model *model;
    const void *model_options;
    const ModelBuild *like; /* with the params, which have their values */
    const Dataset *data;
    int64_t batch_size, n_batches;
    int64_t memory; /* bytes; at least one layer is gathered at a time */
    /* Which layers. */
    bool (*wants)(void *owner, const PlainLayer *l);
    /* Called once a layer, in the order of the network; `gradient` is stored as the weight is and
     * belongs to the caller. False, with err set, ends it. The weight must not change while later
     * layers wait, or they see it: write what is to change it elsewhere. */
    bool (*take)(void *owner, const PlainLayer *l, const float *gradient, Error *err);
    /* After every step of a run with every parameter that it read, or NULL: hf_map_release. */
    void (*after_read)(void *owner, const Param *p);
    void *owner;
} GradientCall;

/* Fails as `take` does, with FAIL_DATA when there are no training examples, FAIL_RUN when there is
 * no memory. */
bool gradient_each(const GradientCall *c, Error *err) MUST_CHECK;

#endif
