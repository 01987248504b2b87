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
 * The mask may be taken between two steps, where nothing may allocate: the threshold is found by
 * three passes of counting over the 31 bits of the magnitudes, whose order as integers is their
 * order as floats. */
#include "methods/method.h"

#include <math.h>
#include <string.h>

typedef struct MagnitudeMask {
    double sparsity;
    int scope; /* 0: global, 1: layer */
    Steps at;
} MagnitudeMask;

enum { BINS = 2048, NAME_BYTES = 300 };

/* The digits of a magnitude's 31 bits, from the top. */
static const struct {
    int low, bits;
} digit[] = {
    {20, 11},
    {10, 10},
    {0,  10},
};

/* The parameters from `first` up to `end` (not included) are pruned together. */
typedef struct Group {
    const Params *params;
    Param *first, *end;
} Group;

static bool prunable(const Param *p)
{
    return p->role == ROLE_WEIGHT && p->shape.rank >= 2 && p->trainable;
}

static Param *mask_of(const Params *params, const Param *p)
{
    char name[NAME_BYTES];
    if (!prunable(p)) return NULL;
    (void)snprintf(name, sizeof name, "%s_mask", p->name);
    return params_find(params, name);
}

static uint32_t magnitude(const Param *p, const Param *mask, int64_t i)
{
    uint32_t bits;
    const float effective = p->data[i] * mask->data[i];
    memcpy(&bits, &effective, sizeof bits);
    return bits & UINT32_C(0x7fffffff);
}

/* Histogram of the digit at `low` over the magnitudes whose higher bits are those of `prefix`.
 * Returns how many there are. */
static int64_t count(const Group *group, uint32_t prefix, int low, int bits, int64_t bins[BINS])
{
    const int above = low + bits;
    int64_t n = 0;
    memset(bins, 0, sizeof(int64_t) * BINS);
    for (const Param *p = group->first; p != group->end; p = p->next) {
        const Param *mask = mask_of(group->params, p);
        for (int64_t i = 0; mask && i < p->n; i++) {
            const uint32_t m = magnitude(p, mask, i);
            if ((m ^ prefix) >> above) continue;
            bins[m >> low & ((1u << bits) - 1)]++;
            n++;
        }
    }
    return n;
}

/* Zeroes the magnitudes below `threshold` and the first `n_equal` of those that equal it. */
static void apply(const Group *group, uint32_t threshold, int64_t n_equal)
{
    for (const Param *p = group->first; p != group->end; p = p->next) {
        Param *mask = mask_of(group->params, p);
        for (int64_t i = 0; mask && i < p->n; i++) {
            const uint32_t m = magnitude(p, mask, i);
            const bool pruned = m < threshold || (m == threshold && n_equal > 0);
            if (pruned && m == threshold) n_equal--;
            mask->data[i] = pruned ? 0.0f : 1.0f;
        }
    }
}

/* Walks down the digits to the magnitude that the last pruned weight has; `left` becomes how many
 * of its equals go with it. */
static void prune(const Group *group, double sparsity)
{
    int64_t bins[BINS], left = 0;
    uint32_t threshold = 0;
    for (size_t d = 0; d < sizeof digit / sizeof digit[0]; d++) {
        const int64_t n = count(group, threshold, digit[d].low, digit[d].bits, bins);
        if (d == 0) left = (int64_t)floor(sparsity * (double)n + 0.5);
        uint32_t bin = 0;
        while (left > bins[bin]) left -= bins[bin++];
        threshold |= bin << digit[d].low;
    }
    apply(group, threshold, left);
}

static void take_mask(const MethodCall *c)
{
    const MagnitudeMask *o = c->options;
    if (o->sparsity == 0) return;
    if (o->scope == 0) {
        prune(&(Group){c->params, c->params->first, NULL}, o->sparsity);
        return;
    }
    for (Param *p = c->params->first; p; p = p->next)
        prune(&(Group){c->params, p, p->next}, o->sparsity);
}

static Node *magnitude_mask_parametrize(const MethodCall *c, const ModelBuild *b, Param *p, Node *w)
{
    const MagnitudeMask *o = c->options;
    if (o->sparsity == 0 || !prunable(p)) return w;
    const char *name = model_name(b, "%s_mask", p->name);
    Param *mask = params_get(c->params, b->graph, name, p->shape, ROLE_BUFFER, false,
                             (Init){.kind = INIT_ONES});
    return mul(b->graph, w, param_node(b->graph, mask));
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
