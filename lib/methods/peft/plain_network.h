/* plain_network -- a network as its model builds it, without what methods make of its weights and
 * products: for looking at the linear layers that adapters sit at. */
#ifndef SEQLAB_METHODS_PEFT_PLAIN_NETWORK_H
#define SEQLAB_METHODS_PEFT_PLAIN_NETWORK_H

#include "nn/model.h"

typedef struct PlainLayer {
    Param *weight;
    bool turned; /* (in, out) */
} PlainLayer;

typedef struct PlainNetwork {
    Arena *arena;
    Graph *graph;
    Node *x, *logits;
    PlainLayer *layers; /* in the order of the network; a weight that is used twice is there once */
    int n_layers, capacity;
} PlainNetwork;

/* Builds it as `like` was (parametrize, product and observers left out; `training` as it says
 * there) over like->params, for batches of this size; new params get all that it asks for. Running
 * statistics stay as they are. After a failure there is nothing to free. */
bool plain_network(PlainNetwork *n, const ModelBuild *like, const Model *model, const void *options,
                   int64_t batch_size, Error *err) MUST_CHECK;
void plain_network_free(PlainNetwork *n);

/* "model.layers.0.mlp.up_proj" of its weight "model.layers.0.mlp.up_proj.weight". */
const char *plain_layer_name(const PlainLayer *l, Arena *a);
/* (out, in) of the weight, however it is stored. */
int64_t plain_layer_out(const PlainLayer *l);
int64_t plain_layer_in(const PlainLayer *l);

#endif
