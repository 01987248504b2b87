/* prune -- masks by a score, at the start of a run: of fresh weights (pruning at initialisation)
 * or, with a `base:`, of trained ones.
 *
 *   effective weight = w m;  w is 0 where m is 0, at the start and at the end
 *
 * score   score.h
 * scope   global: the lowest of all weights go; layer: the same share of each layer; er, erk: a
 *         share of each layer that density.h gives
 * In round e of E the density is density^(e/E) (exponential) or 1 - (1 - density) e/E (linear),
 * with scores taken anew under the masks so far; Tanaka et al. take 100 rounds for SynFlow, and one
 * is usual for the others. What is masked stays masked. The number of kept weights is exact: n -
 * round((1 - density) n), of all or of each layer.
 *
 * shuffle deals each layer's mask anew and reinit draws new weights under it, which both ought to
 * cost nothing if only the layerwise densities matter: Su et al., arXiv 2009.11094; Frankle et al.,
 * arXiv 2009.08576. */
#include "base/realmath.h"
#include "methods/prune/density.h"
#include "methods/prune/mask.h"
#include "methods/prune/score.h"
#include "nn/init.h"

typedef struct Prune {
    int score, scope, schedule;
    double density, temperature;
    int64_t iterations, samples_per_class, batch_size;
    bool shuffle, reinit;
} Prune;

typedef enum Scope { SCOPE_GLOBAL, SCOPE_LAYER, SCOPE_ER, SCOPE_ERK } Scope;

static int64_t n_rounds(const Prune *o)
{
    if (o->iterations > 0) return o->iterations;
    return o->score == SCORE_SYNFLOW ? 100 : 1;
}

/* After `round` of `rounds`. */
static double density_at(const Prune *o, int64_t round, int64_t rounds)
{
    const double done = (double)round / (double)rounds;
    if (round == rounds) return o->density;
    return o->schedule == 1 ? 1 - (1 - o->density) * done : real_exp(done * real_log(o->density));
}

/* Keeps `density` of what the scope says, by the scores. */
static void take(const MethodCall *c, const float *score, double density, Arena *a)
{
    const Prune *o = c->options;
    Params *params = c->params;
    MaskOrder order = {.key = mask_key_score, .owner = score};
    if (o->scope == SCOPE_GLOBAL) {
        const MaskGroup all = {params, params->first, NULL};
        mask_lowest(&all, &order, mask_n_pruned(density, mask_group_count(&all)));
        return;
    }
    static const DensityKind kinds[] = {DENSITY_UNIFORM, DENSITY_UNIFORM, DENSITY_ER, DENSITY_ERK};
    Shape *shapes = arena_new_array(a, Shape, params->n);
    double *p = arena_new_array(a, double, params->n);
    int n = 0, i = 0;
    for (const Param *w = params->first; w; w = w->next)
        if (is_prunable(w)) shapes[n++] = w->shape;
    density_layers(kinds[o->scope], density, shapes, n, arena_new_array(a, bool, n), p);
    for (Param *w = params->first; w; w = w->next) {
        if (!is_prunable(w)) continue;
        mask_lowest(&(MaskGroup){params, w, w->next}, &order, mask_n_pruned(p[i++], w->n));
        order.owner = score += w->n;
    }
}

static bool rounds(const MethodCall *c, const Samples *samples, float *score, Arena *a, Error *err)
{
    const Prune *o = c->options;
    const ScoreCall call = {.call = c, .samples = samples, .temperature = o->temperature};
    const int64_t n = n_rounds(o);
    for (int64_t e = 1; e <= n; e++) {
        TRY(score_weights(&call, (ScoreKind)o->score, score, err));
        take(c, score, density_at(o, e, n), a);
    }
    return true;
}

static void zero_masked(const Params *params)
{
    for (const Param *p = params->first; p; p = p->next) {
        const Param *mask = mask_of(params, p);
        for (int64_t i = 0; mask && i < p->n; i++)
            if (mask->data[i] == 0) p->data[i] = 0;
    }
}

/* New values of everything that is trained, as a run of another seed has them. */
static void draw_again(const Params *params, uint64_t seed)
{
    for (Param *p = params->first; p; p = p->next)
        if (p->role != ROLE_BUFFER) param_init(p, seed ^ UINT64_C(0x7265696e6974)); /* "reinit" */
}

static bool find_masks(const MethodCall *c, Arena *a, Error *err)
{
    const Prune *o = c->options;
    Samples samples = {0};
    void *score;
    const size_t bytes = sizeof(float) * (size_t)score_count(c->params);
    TRY(memory_map(&score, bytes, err));
    bool ok = !score_needs_samples((ScoreKind)o->score) ||
              samples_draw(&samples, c->data, o->samples_per_class, o->batch_size, c->seed, err);
    ok = ok && rounds(c, &samples, score, a, err);
    samples_free(&samples);
    memory_unmap(score, bytes);
    return ok;
}

static bool prune_transform(const MethodCall *c, Error *err)
{
    const Prune *o = c->options;
    if (o->density == 1) return true;
    if (score_count(c->params) == 0)
        return fail(err, FAIL_CONFIG, NULL, "method 'prune': the model has no weights to mask");
    Arena *a = arena_new();
    const bool ok = find_masks(c, a, err);
    arena_free(a);
    if (!ok) {
        error_note(err, "in method 'prune'");
        return false;
    }
    if (o->shuffle) mask_shuffle(c->params, c->seed);
    if (o->reinit) draw_again(c->params, c->seed);
    zero_masked(c->params);
    return true;
}

static Node *prune_parametrize(const MethodCall *c, const ModelBuild *b, Param *p, Node *w)
{
    const Prune *o = c->options;
    if (o->density == 1 || !is_prunable(p)) return w;
    return mul(b->graph, w, param_node(b->graph, mask_create(c, b, p)));
}

/* Their gradient is 0, so momentum, decay and Adam leave them where they are; an optimizer that
 * mixes the elements of a weight (Muon) does not, and what it leaves there is taken away at the
 * end. */
static void prune_after_step(const MethodCall *c)
{
    const Prune *o = c->options;
    if (o->density < 1 && c->step == c->total_steps) zero_masked(c->params);
}

// clang-format off
static const Option prune_options[] = {
    OPT_ENUM(Prune, score, SCORE_CHOICES, "magnitude", "what says how important a weight is; the lowest go"),
    OPT_REAL(Prune, density, 0.1, 1e-6, 1, "share of the weights that is kept; 1: no masks"),
    OPT_ENUM(Prune, scope, "global|layer|er|erk", "global",
             "rank all weights together, or within each layer, of which the same share is kept or one by its shape"),
    OPT_INT(Prune, iterations, 0, 0, 10000, "rounds of scoring and masking; 0: 100 for synflow, else 1"),
    OPT_ENUM(Prune, schedule, "exponential|linear", "exponential", "of the density over the rounds"),
    OPT_INT(Prune, samples_per_class, 10, 1, 1000000, "training examples of each class that snip and grasp look at"),
    OPT_INT(Prune, batch_size, 256, 1, 1048576, "most of them at once"),
    OPT_REAL(Prune, temperature, 200, 1e-6, 1e6, "grasp divides the logits by it"),
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
