/* layer_table -- the convolutions and linear layers of a model: weights, multiply-adds,
 * activations, and which chosen width is on either side of each; without data and without memory
 * for tensors. */
#ifndef SEQLAB_NN_LAYER_TABLE_H
#define SEQLAB_NN_LAYER_TABLE_H

#include "nn/model.h"

typedef struct LayerRow {
    const char *name;         /* "layer1.0.conv1" */
    Shape weight;             /* (out, in) or (O, I / groups, k, k) */
    int64_t weights;          /* elements of it */
    int64_t macs;             /* multiply-adds for one example, forward */
    int64_t activation_bytes; /* of its output, for one example */
    int out, in;     /* index into LayerTable.widths; -1: a number that the data give, or (in) one
                        channel a group. The weights grow with both. */
    int *ins, n_ins; /* under RESIDUAL_PAD the input is as wide as the widest of these, of which
                        `in` is the first */
} LayerRow;

typedef struct LayerTable {
    LayerRow *rows; /* in the order of the network */
    int n_rows;
    ModelPart *widths; /* those of kind PART_WIDTH */
    int n_widths;
    ModelPart *blocks; /* those of kind PART_BLOCK */
    int n_blocks;
    int64_t weights, macs, activation_bytes; /* sums over the rows */
    int64_t parameters;                      /* all of the model that are not buffers */
} LayerTable;

/* `like` says what the model is built for; of its hooks none is called, and its architecture gives
 * way to the one that is asked for. Where a width stands is found by building the model again with
 * more of it than of any, so that models need not say. All memory is `a`'s. Shape mistakes and
 * names that the model does not have come out as FAIL_CONFIG. */
bool layer_table(const Model *model, const void *options, const ModelBuild *like,
                 const Architecture *architecture, Arena *a, LayerTable *out,
                 Error *err) MUST_CHECK;

#endif
