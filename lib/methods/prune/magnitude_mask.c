/* magnitude_mask -- one-shot magnitude pruning (Han et al. 2015, arXiv 1506.02626; the global scope
 * as in Frankle & Carbin, arXiv 1803.03635).
 *
 *   effective weight = w * m,  m = 0 for the round(sparsity * n) smallest |w m|, else 1
 *
 * over each weight of rank >= 2 (scope layer) or all of them together (scope global). Equal
 * magnitudes fall in the order of the parameters, then of the index. m is the buffer
 * `<name>_mask`, all ones until step `at`; w keeps its value under the mask, so a checkpoint holds
 * both, as torch's pruning does. With |w m| rather than |w|, a second mask in the same run only
 * ever takes more away. Sparsity 0 builds the dense graph.
 *
 * The mask may be taken between two steps, where nothing may allocate (mask.h). For other scores,
 * and for masks under which weights are zeros, there is the method prune. */
#include "methods/prune/mask.h"

#include <math.h>

typedef struct MagnitudeMask {
    double sparsity;
    int scope; /* 0: global, 1: layer */
    Steps at;
} MagnitudeMask;

static const MaskOrder by_magnitude = {.key = mask_key_magnitude};

/* round(sparsity n) weights of the group. */
static void prune(const MaskGroup *group, double sparsity)
{
    const int64_t n = mask_group_count(group);
    mask_lowest(group, &by_magnitude, (int64_t)floor(sparsity * (double)n + 0.5));
}

static void take_mask(const MethodCall *c)
{
    const MagnitudeMask *o = c->options;
    if (o->sparsity == 0) return;
    if (o->scope == 0) {
        prune(&(MaskGroup){c->params, c->params->first, NULL}, o->sparsity);
        return;
    }
    for (Param *p = c->params->first; p; p = p->next)
        prune(&(MaskGroup){c->params, p, p->next}, o->sparsity);
}

static Node *magnitude_mask_parametrize(const MethodCall *c, const ModelBuild *b, Param *p, Node *w)
{
    const MagnitudeMask *o = c->options;
    if (o->sparsity == 0 || !is_prunable(p)) return w;
    return mul(b->graph, w, param_node(b->graph, mask_create(c, b, p)));
}

static bool magnitude_mask_transform(const MethodCall *c, Error *err)
{
    const MagnitudeMask *o = c->options;
    const int64_t at = steps_resolve(o->at, c->steps_per_epoch);
    if (at > c->total_steps)
        return fail(err, FAIL_CONFIG, NULL,
                    "method 'magnitude_mask': at is step %lld, after the last step (%lld)",
                    (long long)at, (long long)c->total_steps);
    if (at == 0) take_mask(c);
    return true;
}

static void magnitude_mask_after_step(const MethodCall *c)
{
    const MagnitudeMask *o = c->options;
    if (c->step > 0 && c->step == steps_resolve(o->at, c->steps_per_epoch)) take_mask(c);
}

// clang-format off
static const Option magnitude_mask_options[] = {
    OPT_REAL(MagnitudeMask, sparsity, 0.9, 0, 0.999999, "share of the weights that is masked"),
    OPT_ENUM(MagnitudeMask, scope, "global|layer", "global",
             "rank magnitudes over all weights together, or within each layer"),
    OPT_STEPS(MagnitudeMask, at, "0", "when the mask is taken; 0: at initialisation"),
};
// clang-format on

const Method method_magnitude_mask = {
    .name = "magnitude_mask",
    .family = "prune",
    .paper = "arXiv:1506.02626",
    .summary = "mask the smallest weights once, and train on",
    .revision = 1,
    .options = OPTION_TABLE(MagnitudeMask, magnitude_mask_options),
    .parametrize = magnitude_mask_parametrize,
    .transform = magnitude_mask_transform,
    .after_step = magnitude_mask_after_step,
};
