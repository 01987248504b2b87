/* bitfit -- fine-tuning of the biases alone (Ben Zaken et al. 2021, arXiv 2106.10199), those of
 * layer norms among them; heads of classifiers are trained in full, as in the paper.
 *
 * The paper's smaller variant, the biases of the queries and of the mlp's first layer, is targets:
 * [query, intermediate]. norms trains the gains of norms too, of the whole model. */
#include "methods/peft/adapter.h"

typedef struct Bitfit {
    NameList targets, train;
    bool norms;
} Bitfit;

static bool is_trained(const Bitfit *o, const Param *p)
{
    if (adapter_is_class_head(p) || adapter_is_in(&o->train, p)) return true;
    if (o->norms && p->role == ROLE_NORM) return true;
    const bool bias = p->role == ROLE_BIAS || adapter_ends(p, ".bias");
    return bias && (o->targets.n == 0 || adapter_is_in(&o->targets, p));
}

static Node *bitfit_parametrize(const MethodCall *c, const ModelBuild *b, Param *p, Node *w)
{
    (void)b;
    if (!is_trained(c->options, p)) params_freeze(c->params, p);
    return w;
}

static void bitfit_buffers(const MethodCall *c, Graph *g)
{
    const Bitfit *o = c->options;
    bool any = false;
    adapter_check_names(c, g, "targets", &o->targets);
    adapter_check_names(c, g, "train", &o->train);
    for (const Param *p = c->params->first; p; p = p->next) any |= p->trainable;
    if (!any) (void)graph_fail(g, "method 'bitfit': the model has no bias to train");
}

// clang-format off
static const Option bitfit_options[] = {
    OPT_NAMES(Bitfit, targets, "modules whose biases are trained, by the end of their name; none named: all"),
    ADAPTER_TRAIN(Bitfit, train),
    OPT_BOOL(Bitfit, norms, false, "train the gains of norms too"),
};
// clang-format on

const Method method_bitfit = {
    .name = "bitfit",
    .family = "peft",
    .paper = "arXiv:2106.10199",
    .summary = "train the biases beside frozen weights",
    .revision = 1,
    .options = OPTION_TABLE(Bitfit, bitfit_options),
    .buffers = bitfit_buffers,
    .parametrize = bitfit_parametrize,
};
