/* prune -- masks by a score, at the start of a run: of fresh weights (pruning at initialisation)
 * or, with a `base:`, of trained ones.
 *
 *   effective weight = w m;  w is 0 where m is 0, at the start and at the end
 *
 * score   score.h
 * scope   global: the lowest of all weights go; layer: the same share of each layer; er, erk: a
 *         share of each layer that density.h gives
 * rounds  rounds.h; Tanaka et al. take 100 for SynFlow, and one is usual for the others
 *
 * The number of kept weights is exact: n - round((1 - density) n), of all or of each layer.
 *
 * shuffle deals each layer's mask anew and reinit draws new weights under it, which both ought to
 * cost nothing if only the layerwise densities matter: Su et al., arXiv 2009.11094; Frankle et al.,
 * arXiv 2009.08576. */
#include "methods/prune/mask.h"
#include "methods/prune/rounds.h"
#include "nn/init.h"

typedef struct Prune {
    PruneRounds rounds;
    bool shuffle, reinit;
} Prune;

/* New values of everything that is trained, as a run of another seed has them. */
static void draw_again(const Params *params, uint64_t seed)
{
    for (Param *p = params->first; p; p = p->next)
        if (p->role != ROLE_BUFFER) param_init(p, seed ^ UINT64_C(0x7265696e6974)); /* "reinit" */
}

static bool prune_transform(const MethodCall *c, Error *err)
{
    const Prune *o = c->options;
    if (o->rounds.density == 1) return true;
    if (score_count(c->params) == 0)
        return fail(err, FAIL_CONFIG, NULL, "method 'prune': the model has no weights to mask");
    if (!prune_rounds(c, &o->rounds, err)) {
        error_note(err, "in method 'prune'");
        return false;
    }
    if (o->shuffle) mask_shuffle(c->params, c->seed);
    if (o->reinit) draw_again(c->params, c->seed);
    mask_apply(c->params);
    return true;
}

static Node *prune_parametrize(const MethodCall *c, const ModelBuild *b, Param *p, Node *w)
{
    const Prune *o = c->options;
    if (o->rounds.density == 1 || !is_prunable(p)) return w;
    return mul(b->graph, w, param_node(b->graph, mask_create(c, b, p)));
}

/* Their gradient is 0, so momentum, decay and Adam leave them where they are; an optimizer that
 * mixes the elements of a weight (Muon) does not, and what it leaves there is taken away at the
 * end. */
static void prune_after_step(const MethodCall *c)
{
    const Prune *o = c->options;
    if (o->rounds.density < 1 && c->step == c->total_steps) mask_apply(c->params);
}

// clang-format off
static const Option prune_options[] = {
    OPT_ENUM(PruneRounds, score, SCORE_CHOICES, "magnitude", "what says how important a weight is; the lowest go"),
    OPT_REAL(PruneRounds, density, 0.1, 1e-6, 1, "share of the weights that is kept; 1: no masks"),
    OPT_ENUM(PruneRounds, scope, "global|layer|er|erk", "global",
             "rank all weights together, or within each layer, of which the same share is kept or one by its shape"),
    PRUNE_ROUNDS_OPTIONS,
    OPT_BOOL(Prune, shuffle, false, "deal each layer's mask anew at random"),
    OPT_BOOL(Prune, reinit, false, "draw new weights once the masks are known"),
};
// clang-format on

const Method method_prune = {
    .name = "prune",
    .family = "prune",
    .paper = "arXiv:2006.05467",
    .summary =
        "mask the least important weights at the start: magnitude, SNIP, GraSP, SynFlow, random",
    .revision = 1,
    .options = OPTION_TABLE(Prune, prune_options),
    .parametrize = prune_parametrize,
    .transform = prune_transform,
    .after_step = prune_after_step,
};
