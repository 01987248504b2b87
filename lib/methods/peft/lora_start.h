/* lora_start -- lora's first values in a training run: lora_init.h over the network's layers, with
 * gradients from the training data where they are needed. */
#ifndef SEQLAB_METHODS_PEFT_LORA_START_H
#define SEQLAB_METHODS_PEFT_LORA_START_H

#include "methods/peft/adapter.h"
#include "methods/peft/lora_init.h"

typedef struct LoraStart {
    LoraInit first;
    int64_t gradient_batches, gradient_batch_size;
    int64_t gradient_memory; /* MiB: GradientCall.memory */
} LoraStart;

/* The rows of a field `start` of the options struct S. */
// clang-format off
#define LORA_START_OPTIONS(S) \
    {"init", OPTION_ENUM, offsetof(S, start.first.kind), "default", 0, 0, LORA_INIT_CHOICES, \
     "first values: A random and B = 0 (default, gaussian); from the weight (pissa, olora); from its gradient (lora_ga); stable_output: both random. All but the first two take s B A from the weight"}, \
    LORA_START_DETAILS(S)
/* The same without which kind it is. */
#define LORA_START_DETAILS(S) \
    {"direction", OPTION_ENUM, offsetof(S, start.first.direction), "ArB2r", 0, 0, LORA_DIRECTION_CHOICES, \
     "lora_ga: which of the gradient's first 2 rank singular vectors go into A and into B"}, \
    {"scale", OPTION_ENUM, offsetof(S, start.first.scale), "stable", 0, 0, LORA_SCALE_CHOICES, \
     "lora_ga: what the vectors are multiplied by: out^(1/4) / sqrt(gamma), 1 / s, 1, or by the weight's singular values"}, \
    {"gamma", OPTION_REAL, offsetof(S, start.first.gamma), "16", 1e-6, 1e12, NULL, \
     "lora_ga, stable_output: larger makes the first values of scale stable smaller"}, \
    {"norm_clip", OPTION_BOOL, offsetof(S, start.first.norm_clip), "false", 0, 1, NULL, \
     "lora_ga: shrink A and B until no number of s B A is larger than the largest of the weight"}, \
    {"variant", OPTION_ENUM, offsetof(S, start.first.variant), "paper", 0, 0, LORA_VARIANT_CHOICES, \
     "lora_ga: as the paper's code scales A and B, or as Hugging Face's PEFT does"}, \
    {"niter", OPTION_INT, offsetof(S, start.first.niter), "-1", -1, 1000, NULL, \
     "pissa: power iterations of a randomised decomposition; -1: an exact one up to 512 rows or columns, 16 above"}, \
    {"gradient_batches", OPTION_INT, offsetof(S, start.gradient_batches), "8", 1, 1e9, NULL, \
     "lora_ga: batches that the gradient is the mean of, the first of the training split"}, \
    {"gradient_batch_size", OPTION_INT, offsetof(S, start.gradient_batch_size), "1", 1, 65536, NULL, \
     "lora_ga: examples of such a batch"}, \
    {"gradient_memory", OPTION_INT, offsetof(S, start.gradient_memory), "1024", 0, 1e9, NULL, \
     "lora_ga: MiB for gradients held at once, one layer's at least; changes the time, not the result"}
// clang-format on

/* While the network is built: checks the rank, and, where the kind changes the weight, makes the
 * buffers `<module>.lora_A_first` and `.lora_B_first`, which keep what was taken from it:
 * W = W_frozen + s B_first A_first. */
void lora_start_layer(const MethodCall *c, const LoraStart *o, const ModelBuild *b,
                      const LinearProduct *l, int64_t rank);

/* The transform hook: fills the factors, then takes s B A from the weights. */
bool lora_start(const MethodCall *c, const AdapterSite *site, const LoraStart *o, double scaling,
                Error *err) MUST_CHECK;

#endif
