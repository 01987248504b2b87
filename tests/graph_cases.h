/* graph_cases -- small graphs that between them hold every op: what tests of values, gradients and
 * plans walk. */
#ifndef SEQLAB_TESTS_GRAPH_CASES_H
#define SEQLAB_TESTS_GRAPH_CASES_H

#include "base/pcg.h"
#include "graph/op.h"
#include "tests/graph64.h"

enum { TRIAL_LEAVES = 24 };

/* One graph with its inputs and their numbers, which are floats. */
typedef struct Trial {
    Arena *arena;
    Graph *g;
    Pcg rng;
    double low, high; /* range of the reals drawn next */
    int n;
    Node *leaf[TRIAL_LEAVES];
    double *data[TRIAL_LEAVES];
    Node *y; /* what the case is about */
} Trial;

int graph_case_count(void);
const char *graph_case_name(int i);
/* map reduce move index product conv pool norm loss attend time seqconv random */
const char *graph_case_group(int i);
/* False: its gradient is not the derivative of its value, on purpose. */
bool graph_case_is_smooth(int i);

/* Fails the running test when the graph is wrong. Freed by trial_free. */
Trial trial_new(int i);
void trial_free(Trial *t);
/* For tests with a graph of their own. */
Trial trial_empty(uint64_t seed);
Node *trial_real(Trial *t, Shape s);
Node *trial_whole(Trial *t, Shape s, uint32_t below);
/* The real leaves in order; returns how many. */
int trial_reals(const Trial *t, Node *out[TRIAL_LEAVES], double *data[TRIAL_LEAVES]);
/* A reference with all leaves bound. */
Graph64 *trial_reference(const Trial *t);
/* sum(x * w), w new numbers: a scalar that hears from every element. */
Node *trial_mix(Trial *t, Node *x);
void trial_check(const Trial *t);

#endif
