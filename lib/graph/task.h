/* task -- what an example looks like and what is asked about it: what a data set promises and what
 * a model is built for. */
#ifndef SEQLAB_GRAPH_TASK_H
#define SEQLAB_GRAPH_TASK_H

#include "graph/tensor.h"

typedef struct Task {
    Shape sample;         /* of one example's x, without the batch: (H, W, C) for images */
    DType dtype;          /* of x: F32, or I32 for tokens */
    int64_t n_tokens;     /* I32: tokens are 0..n_tokens-1, and 0 is padding; F32: 0 */
    int n_classes;        /* a label is 0..n_classes-1 */
    bool per_step;        /* a label for every step of the sample's first axis, -1 where nothing is
                             asked; otherwise one label an example */
    int64_t source_steps; /* per_step: so many of the first steps are a source, with no labels; what
                             follows is asked about, and a model may read the two apart */
    bool causal;          /* labels are what comes next: no step may see a later one */
    bool pair;            /* the sample is two sequences, (2, ...), and the label is about both */
    bool answer;          /* per_step: an example's labels are one answer, right as a whole */
    const int32_t *choices; /* answer: only these n_choices labels can come first, and the first one
                               decides; or NULL */
    int n_choices;
} Task;

static inline int64_t task_n_labels(const Task *t)
{
    return t->per_step ? t->sample.dim[0] - t->source_steps : 1;
}

#endif
