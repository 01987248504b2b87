/* rounds -- see rounds.h. */
#include "methods/prune/rounds.h"

#include "base/realmath.h"
#include "methods/prune/density.h"
#include "methods/prune/mask.h"

static int64_t n_rounds(const PruneRounds *o)
{
    if (o->iterations > 0) return o->iterations;
    return o->score == SCORE_SYNFLOW ? 100 : 1;
}

/* After `round` of `rounds`. */
static double density_at(const PruneRounds *o, int64_t round, int64_t rounds)
{
    const double done = (double)round / (double)rounds;
    if (round == rounds) return o->density;
    return o->schedule == 1 ? 1 - (1 - o->density) * done : real_exp(done * real_log(o->density));
}

/* Keeps `density` of what the scope says, by the scores. */
static void take(const PruneRounds *o, Params *params, const float *score, double density, Arena *a)
{
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

static bool rounds(const MethodCall *c, const PruneRounds *o, const Samples *samples, float *score,
                   Arena *a, Error *err)
{
    const ScoreCall call = {.call = c, .samples = samples, .temperature = o->temperature};
    const int64_t n = n_rounds(o);
    for (int64_t e = 1; e <= n; e++) {
        TRY(score_weights(&call, (ScoreKind)o->score, score, err));
        take(o, c->params, score, density_at(o, e, n), a);
    }
    return true;
}

bool prune_rounds(const MethodCall *c, const PruneRounds *o, Error *err)
{
    Samples samples = {0};
    void *score;
    const size_t bytes = sizeof(float) * (size_t)score_count(c->params);
    TRY(memory_map(&score, bytes, err));
    Arena *a = arena_new();
    bool ok = !score_needs_samples((ScoreKind)o->score) ||
              samples_draw(&samples, c->data, o->samples_per_class, o->batch_size, c->seed, err);
    ok = ok && rounds(c, o, &samples, score, a, err);
    samples_free(&samples);
    arena_free(a);
    memory_unmap(score, bytes);
    return ok;
}
