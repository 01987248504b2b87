/* adapted -- one linear layer "fc" without bias under one method: what tests of adapters look at.
 */
#ifndef SEQLAB_TESTS_ADAPTED_H
#define SEQLAB_TESTS_ADAPTED_H

#include "methods/method.h"
#include "tests/graph64.h"

typedef struct Adapted {
    Arena *arena;
    MethodCall call;
    ModelBuild build;
    Node *x, *y; /* (n, in), (n, out) */
} Adapted;

/* Builds the layer, its weight stored (in, out) where `turned`. `at` is where it lives: hooks keep
 * its address. */
void adapted_build(Adapted *at, const char *method, const char *options, int64_t out, int64_t in,
                   bool turned);
/* The same, allocated, with first values by the seed 1 and after the method's transform. */
void adapted(Adapted *at, const char *method, const char *options, int64_t out, int64_t in,
             bool turned);
void adapted_free(Adapted *k);

Param *adapted_param(const Adapted *k, const char *name);
/* y for x by the parameters as they are. */
void adapted_run(const Adapted *k, const float *x, float *y);

/* In double precision, every tensor by its test_number, "x" too, and, with the loss sum(y "c"): y
 * against n_y values, the gradient of each tensor named against its values, to 1e-7 as they are
 * printed with nine digits. */
typedef struct Expected {
    const char *name; /* "y", or a parameter */
    const double *value;
} Expected;
void adapted_matches(Adapted *k, const Expected *expected, int n);
/* The same gradients against central differences, all parameters that are trained. */
void adapted_gradients(Adapted *k);

#endif
