/* freeze -- parts of a model that are not trained, such as the embeddings in full fine-tuning (Lee
 * et al. 2019, arXiv 1911.03090, freeze all but the last layers). They have neither gradients nor
 * optimizer state. Running statistics of batch norms go on. */
#include "methods/peft/adapter.h"

typedef struct Freeze {
    NameList targets;
} Freeze;

static Node *freeze_parametrize(const MethodCall *c, const ModelBuild *b, Param *p, Node *w)
{
    (void)b;
    const Freeze *o = c->options;
    if (adapter_is_in(&o->targets, p)) params_freeze(c->params, p);
    return w;
}

static void freeze_buffers(const MethodCall *c, Graph *g)
{
    const Freeze *o = c->options;
    bool any = false;
    adapter_check_names(c, g, "targets", &o->targets);
    for (const Param *p = c->params->first; p; p = p->next) any |= p->trainable;
    if (!any) (void)graph_fail(g, "method 'freeze': nothing is left to train");
}

// clang-format off
static const Option freeze_options[] = {
    OPT_NAMES(Freeze, targets, "modules and parameters that stay as they are, by the end of their name: [embeddings, layer.0]"),
};
// clang-format on

const Method method_freeze = {
    .name = "freeze",
    .family = "peft",
    .paper = "arXiv:1911.03090",
    .summary = "leave named parts of the model as they are",
    .revision = 1,
    .options = OPTION_TABLE(Freeze, freeze_options),
    .buffers = freeze_buffers,
    .parametrize = freeze_parametrize,
};
