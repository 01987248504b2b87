/* adapter -- what the adapters of this room share: which linear layers they sit at, what else is
 * trained, and the names of their tensors, which are those of Hugging Face's PEFT without its
 * prefix "base_model.model.". */
#ifndef SEQLAB_METHODS_PEFT_ADAPTER_H
#define SEQLAB_METHODS_PEFT_ADAPTER_H

#include "methods/method.h"

typedef enum AdapterBias { ADAPTER_BIAS_NONE, ADAPTER_BIAS_ALL, ADAPTER_BIAS_OWN } AdapterBias;

/* First in the options of an adapter. */
typedef struct AdapterSite {
    NameList targets; /* module names, or their ends after a dot; none: every linear layer but heads
                       */
    int bias;         /* AdapterBias */
} AdapterSite;
// clang-format off
#define ADAPTER_OPTIONS \
    OPT_NAMES(AdapterSite, targets, "adapted layers by the end of their name: [q_proj, v_proj]; none named: every linear layer but heads"), \
    OPT_ENUM(AdapterSite, bias, "none|all|own", "none", "which biases are trained: own are those of adapted layers")
// clang-format on

/* Whether p is the weight of an adapted layer. */
bool adapter_is_target(const AdapterSite *site, const Param *p);
/* Freezes p unless `site` says that it is trained: for parametrize. Tensors of adapters are not
 * asked about. */
void adapter_freeze(const MethodCall *c, const AdapterSite *site, Param *p);
/* For buffers, once the model is built: a name that no linear layer has is a mistake. */
void adapter_check(const MethodCall *c, const AdapterSite *site, Graph *g);

/* (out, in) of a layer's weight, however it is stored. */
int64_t adapter_out(const LinearProduct *l);
int64_t adapter_in(const LinearProduct *l);
/* The trained tensor `suffix` (".lora_A.weight") of l's module. A base that lacks it is no error.
 */
Param *adapter_param(const MethodCall *c, const ModelBuild *b, const LinearProduct *l,
                     const char *suffix, Shape s, Init init);

#endif
