/* hf -- a folder of tests/golden/hf, built, filled and run on its own input. */
#ifndef SEQLAB_TESTS_HF_H
#define SEQLAB_TESTS_HF_H

#include "graph/plan.h"
#include "io/safetensors.h"
#include "nn/model.h"

typedef struct TestHf {
    Arena *arena;
    const Model *model;
    void *options;
    ModelBuild build;
    Plan *plan;
    Node *x, *output;
    Safetensors file; /* expected.safetensors */
    const StTensor *input, *expected;
    const float *logits, *expected_logits;
} TestHf;

/* task: what the folder does not say. override: option text that wins over config.json. */
TestHf test_hf(const char *name, Task task, const char *override);
/* The model's folder alone: options read, parameters not yet there. */
TestHf test_hf_config(const char *name, const char *override);
/* Builds, reads the weights of the folder, and runs on m->input; `task` must be complete. */
void test_hf_run(TestHf *m, const char *folder);
void test_hf_free(TestHf *m);
const char *test_hf_folder(const char *name);

#endif
