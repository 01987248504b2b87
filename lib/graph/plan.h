/* plan -- a graph made ready to run: order, fusion, epilogues, memory. After plan_new a run
 * allocates nothing.
 *
 * plan_new: reachability from the outputs and updates; elementwise chains with their strided reads
 * and the reductions at their end become map programs (fuse.c); chains that alone read a matrix
 * product go into it; liveness gives every remaining value a fixed offset in one arena, reusing
 * memory, in place where a map allows it. None of this changes a bit of the result:
 * plan_options.fuse = false gives the same bits (a test says so). */
#ifndef SEQLAB_GRAPH_PLAN_H
#define SEQLAB_GRAPH_PLAN_H

#include "graph/graph.h"
#include "graph/param.h"

typedef struct Plan Plan;

typedef struct PlanOptions {
    bool no_fuse;  /* every node its own kernel (for tests) */
    bool no_reuse; /* every value its own memory (for tests) */
} PlanOptions;

/* Outputs: `to` NULL keeps the value in the plan's memory until the next run (plan_value);
 * otherwise it is written there, e.g. a parameter's gradient to Param.grad. */
typedef struct PlanOutput {
    Node *node;
    void *to;
} PlanOutput;

/* Memory is taken by plan_allocate (so that a dry run can plan without it). The graph must outlive
 * the plan. */
Plan *plan_new(Graph *g, const PlanOutput outputs[], int n, const PlanOptions *options, Error *err);
bool plan_allocate(Plan *p, Error *err) MUST_CHECK;
void plan_free(Plan *p);

/* Storage of an input node for the following runs; not copied. */
void plan_bind(Plan *p, const Node *input, const void *data);
/* Runs all steps with the given step number (it names the random streams). Updates are written at
 * the end. */
void plan_run(Plan *p, uint64_t step);
/* After every step of a run, `read` is called with each parameter that the step read: so that pages
 * of a file can be given back (hf_dir.h). NULL: nothing is. */
void plan_after_read(Plan *p, void (*read)(void *owner, const Param *param), void *owner);
/* The value of an output (or of a parameter, constant or input); valid until the next run. */
const void *plan_value(const Plan *p, const Node *n);

typedef struct PlanCost {
    int64_t arena_bytes; /* activations and scratch */
    double flops;        /* one run */
    double bytes;        /* read and written by all kernels, one run */
    int n_kernels, n_nodes;
} PlanCost;
PlanCost plan_cost(const Plan *p);

/* One line a step: kernel, shapes, flops, offsets; for `-v` and tests. Text is malloc'ed. */
char *plan_text(const Plan *p);

/* Seconds spent in each step, summed since plan_profile(p, true); plan_text then shows them. */
void plan_profile(Plan *p, bool on);

/* Step i of plan_cost().n_kernels: one kernel call. Times are those of plan_profile. */
typedef struct PlanStep {
    const char *name;      /* of the op, or "map" */
    const Node *value;     /* the first that it stores */
    double flops, bytes;   /* of one run */
    double seconds;        /* of all runs */
    double start_s, end_s; /* of the last run, by clock_s */
} PlanStep;
PlanStep plan_step(const Plan *p, int i);
/* What plan_text says of its kernel and its values. Malloc'ed. */
char *plan_step_text(const Plan *p, int i);

#endif
