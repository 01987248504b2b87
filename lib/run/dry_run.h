/* dry_run -- what a training run would cost: steps, parameters, memory, arithmetic, seconds.
 *
 * Everything but the seconds comes from the plans, before they have memory, and from what this
 * process holds by then. The seconds come from real steps on zeros, taken only when they are cheap.
 */
#ifndef SEQLAB_RUN_DRY_RUN_H
#define SEQLAB_RUN_DRY_RUN_H

#include "run/network.h"

typedef struct DryRun {
    int64_t steps, steps_per_epoch;
    int64_t n_parameters;            /* buffers not counted */
    int64_t parameter_bytes;         /* weights, gradients, buffers */
    int64_t optimizer_bytes;         /* slots and moving average */
    int64_t train_bytes, eval_bytes; /* activations and scratch of the two plans */
    int64_t batch_bytes;             /* of the loaders of all splits */
    int64_t data_bytes;              /* examples in memory, or in a mapped file */
    int64_t program_bytes;           /* the rest: code, graphs, constants */
    int64_t peak_bytes;              /* resident set when all of it has been used */
    double flops_per_step;           /* 2 per multiply-add */
    double traffic_bytes;            /* read and written by the kernels of a step */
    double step_s;                   /* measured, or NaN */
} DryRun;

/* `data` open with all splits. *network gets the planned network, whose parameters name their
 * shapes and roles; network_free it. */
bool dry_run(const Experiment *e, const Dataset *data, Arena *a, Network *network, DryRun *out,
             Error *err) MUST_CHECK;

#endif
