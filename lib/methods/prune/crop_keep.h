/* crop_keep -- which channels of a network a smaller one is made of, so that it computes what the
 * whole one does with the others at zero. */
#ifndef SEQLAB_METHODS_CROP_KEEP_H
#define SEQLAB_METHODS_CROP_KEEP_H

#include "methods/method.h"
#include "nn/layer_table.h"

typedef enum KeepWhat { KEEP_NONE, KEEP_RANDOM, KEEP_NORM } KeepWhat;

/* Sets out->kept, and keep_weights, for the widths of out->architecture, none of them larger than
 * the table's: of each the channels with the largest sum of squares of the weights that write to it
 * or, where not by_norm, any, by seed. Where a stage begins with a shortcut without weights
 * (model_centred), the channels that it reads stay on the other side, at the places where it puts
 * them. Widths that are split into groups must stay. */
void keep_channels(const MethodCall *c, const LayerTable *table, bool by_norm, Reshape *out);

#endif
