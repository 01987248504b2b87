/* model -- a model of the registry built for a test, by its name and its options' YAML text. */
#ifndef SEQLAB_TESTS_MODEL_H
#define SEQLAB_TESTS_MODEL_H

#include "nn/init.h"

typedef struct TestModel {
    Arena *arena;
    const Model *model;
    void *options;
    ModelBuild build; /* may be changed before test_model_build */
    Node *x, *logits;
} TestModel;

/* Options read and checked; nothing built. classes: n_classes. */
TestModel test_model(const char *name, const char *options, Shape sample, int classes);
/* Builds for a batch; with `training`. The parameters are there afterwards, not allocated. */
void test_model_build(TestModel *m, int64_t batch, bool training);
/* Builds for evaluation and allocates. */
void test_model_allocate(TestModel *m, int64_t batch);
/* The same, with first values. */
void test_model_init(TestModel *m, int64_t batch, uint64_t seed);
void test_model_free(TestModel *m);

/* Number i of the tensor `name`, in [-0.5, 0.5): a hash that numpy computes as easily. */
float test_number(const char *name, int64_t i);
/* Values by these numbers. Variance gain^2 / fan-in for weights; norms' gains and variances about
 * 1, all else about 0. */
void test_fill(Params *ps, double gain);

/* The options of any table, from YAML text; fails the test where they are wrong. */
void *test_options(Arena *a, const OptionTable *table, const char *yaml);

#endif
