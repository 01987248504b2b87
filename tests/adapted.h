/* adapted -- networks under one method: what tests of adapters look at. Mostly one linear layer
 * "fc" without bias. */
#ifndef SEQLAB_TESTS_ADAPTED_H
#define SEQLAB_TESTS_ADAPTED_H

#include "methods/method.h"
#include "tests/graph64.h"
#include "tests/model.h"

typedef struct Adapted {
    Arena *arena;
    MethodCall call;
    ModelBuild build;
    Node *x, *y; /* (n, in), (n, out) */
} Adapted;

/* b's hooks are those of c's method; both stay where they are. */
void adapted_hook(ModelBuild *b, MethodCall *c);

/* Two layers with biases, fc_layers.0 (6, 4) and fc (3, 6), with first values, for a batch of 2. */
typedef struct AdaptedLayers {
    TestModel m;
    MethodCall call;
} AdaptedLayers;
void adapted_layers(AdaptedLayers *at, const char *method, const char *options);

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
