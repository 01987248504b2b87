/* adapter -- what the adapters of this room share: which linear layers they sit at, what else is
 * trained, and the names of their tensors, which are those of Hugging Face's PEFT without its
 * prefix "base_model.model.".
 *
 * Modules are named by their path or by its end after a dot: "query" is every module
 * "....query". */
#ifndef SEQLAB_METHODS_PEFT_ADAPTER_H
#define SEQLAB_METHODS_PEFT_ADAPTER_H

#include "methods/method.h"

typedef enum AdapterBias { ADAPTER_BIAS_NONE, ADAPTER_BIAS_ALL, ADAPTER_BIAS_OWN } AdapterBias;

/* First in the options of an adapter. */
typedef struct AdapterSite {
    NameList targets; /* none: every linear layer but heads */
    NameList train;   /* modules that are trained in full: PEFT's modules_to_save. The heads of
                         classifiers are too, unless `targets` names them */
    int bias;         /* AdapterBias */
    double dropout;   /* of what an adapter reads, in training */
} AdapterSite;
// clang-format off
#define ADAPTER_TRAIN(S, field) \
    OPT_NAMES(S, field, "modules that are trained in full, by the end of their name; the heads classifier and score always are")
#define ADAPTER_OPTIONS \
    OPT_NAMES(AdapterSite, targets, "adapted layers by the end of their name: [q_proj, v_proj]; none named: every linear layer but heads"), \
    ADAPTER_TRAIN(AdapterSite, train), \
    OPT_ENUM(AdapterSite, bias, "none|all|own", "none", "which biases are trained: own are those of adapted layers"), \
    OPT_REAL(AdapterSite, dropout, 0, 0, 0.999, "rate of the dropout, in training, of what the adapter reads; the frozen layer reads all")
// clang-format on

/* Whether p is the weight of an adapted layer. */
bool adapter_is_target(const AdapterSite *site, const Param *p);
/* Freezes p unless `site` says that it is trained: for parametrize. Tensors of adapters are not
 * asked about. */
void adapter_freeze(const MethodCall *c, const AdapterSite *site, Param *p);
/* For buffers, once the model is built: a name that no linear layer has is a mistake, and so is a
 * model without one. */
void adapter_check(const MethodCall *c, const AdapterSite *site, Graph *g);

/* The option `option`: a name that nothing in the model has is a mistake. */
void adapter_check_names(const MethodCall *c, Graph *g, const char *option, const NameList *names);
/* Whether p is, or belongs to, a module of `names`. */
bool adapter_is_in(const NameList *names, const Param *p);
/* Whether p belongs to the head that a task of classes adds to a pretrained model. */
bool adapter_is_class_head(const Param *p);
/* Whether p's name ends with `suffix` (".lora_A"). */
bool adapter_ends(const Param *p, const char *suffix);

/* What the adapter of l reads: l->x, with dropout in training. */
Node *adapter_input(const AdapterSite *site, const ModelBuild *b, const LinearProduct *l);
/* For buffers, of an adapter that changes the weight itself (`what`): dropout is a mistake. */
void adapter_check_no_dropout(const MethodCall *c, const AdapterSite *site, Graph *g,
                              const char *what);

/* (out, in) of a layer's weight, however it is stored. */
int64_t adapter_out(const LinearProduct *l);
int64_t adapter_in(const LinearProduct *l);
/* The trained tensor `suffix` (".lora_A.weight") of l's module. A base that lacks it is no error.
 * A vector has the role of a norm. */
Param *adapter_param(const MethodCall *c, const ModelBuild *b, const LinearProduct *l,
                     const char *suffix, Shape s, Init init);
/* What an adapter remembers of that module besides, at first zeros. */
Param *adapter_buffer(const MethodCall *c, const ModelBuild *b, const LinearProduct *l,
                      const char *suffix, Shape s);

#endif
