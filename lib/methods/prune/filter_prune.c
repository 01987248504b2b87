/* filter_prune -- filters within residual blocks go, by the scores of layer_lottery: what Jordao et
 * al. (arXiv 2301.10835) compare the removal of whole blocks with.
 *
 *   s_f = sum over the weights of filter f of the criterion;  the lowest of all layers together go
 *
 * Only channels between the convolutions of a block can: those of a residual stream are tied by its
 * additions. A filter goes with its norm and with what the next convolution makes of it; the slices
 * that stay keep their weights. A layer keeps at least one filter. match_blocks: p goes as far as
 * layer_lottery would with p blocks by the same criterion: as many filters of all convolutions are
 * left, as the paper has it, or, since a filter within a block takes twice the multiply-adds of a
 * filter of a block with it, no more multiply-adds. Equals go by (layer, filter). */
#include "methods/prune/block_score.h"

#include "base/pcg.h"
#include "methods/prune/score.h"

#include <math.h>

typedef struct FilterPrune {
    BlockScoring scoring;
    double filters; /* below 1: a share of those that may go */
    int64_t match_blocks;
    int match; /* 1: macs */
} FilterPrune;

static bool is_dense(const FilterPrune *o)
{
    return o->filters == 0 && o->match_blocks == 0;
}

/* When enough is gone. */
typedef struct Goal {
    int64_t filters; /* that go */
    int64_t macs;    /* that are left, at most; 0: any number */
} Goal;

/* A width within a block. */
typedef struct Inner {
    const char *name;
    double *score; /* (n): a channel */
    bool *gone;
    int width; /* index into LayerTable.widths */
    int64_t n, left;
} Inner;
typedef struct Filters {
    Inner *at;
    int n;
} Filters;

static bool is_inner(const LayerTable *t, const ModelPart *width)
{
    if (width->is_stream || width->multiple > 1) return false;
    for (int i = 0; i < t->n_blocks; i++)
        if (t->blocks[i].there && block_has(t->blocks[i].name, width->name)) return true;
    return false;
}

static void find_filters(const LayerTable *t, Arena *a, Filters *out)
{
    *out = (Filters){.at = arena_new_array(a, Inner, t->n_widths)};
    for (int i = 0; i < t->n_widths; i++) {
        const ModelPart *part = &t->widths[i];
        if (!is_inner(t, part)) continue;
        out->at[out->n++] = (Inner){.name = part->name,
                                    .score = arena_new_array(a, double, part->width),
                                    .gone = arena_new_array(a, bool, part->width),
                                    .width = i,
                                    .n = part->width,
                                    .left = part->width};
    }
}

/* How many filters a channel of this width has: one, or with a depthwise convolution two. */
static int64_t filters_each(const LayerTable *t, int width)
{
    int64_t n = 0;
    for (int i = 0; i < t->n_rows; i++) n += t->rows[i].out == width;
    return n;
}

/* -- Scores */

static void at_random(const Filters *f, uint64_t seed)
{
    for (int i = 0; i < f->n; i++) {
        Pcg rng = pcg_stream(seed, "filter_prune", 0, pcg_name(f->at[i].name));
        for (int64_t k = 0; k < f->at[i].n; k++) f->at[i].score[k] = (double)pcg_uniform(&rng);
    }
}

/* Adds the weights' scores to the filters that they belong to. */
static void sum_up(const Params *params, const LayerTable *t, const Filters *f, const float *score,
                   bool mean)
{
    for (int i = 0; i < f->n; i++) {
        Inner *inner = &f->at[i];
        int64_t each = 0;
        for (int r = 0; r < t->n_rows; r++) {
            if (t->rows[r].out != inner->width) continue;
            char name[300];
            (void)snprintf(name, sizeof name, "%s.weight", t->rows[r].name);
            const Param *p = params_find(params, name);
            const int64_t size = p->n / inner->n;
            const float *from = score + score_offset(params, p);
            for (int64_t k = 0; k < p->n; k++) inner->score[k / size] += (double)from[k];
            each += size;
        }
        for (int64_t k = 0; mean && k < inner->n; k++) inner->score[k] /= (double)each;
    }
}

static bool filter_scores(const MethodCall *c, const LayerTable *t, const Filters *f, Error *err)
{
    const FilterPrune *o = c->options;
    void *score;
    if (o->scoring.criterion == BLOCK_RANDOM) {
        at_random(f, c->seed);
        return true;
    }
    const size_t bytes = sizeof(float) * (size_t)score_count(c->params);
    TRY(memory_map(&score, bytes, err));
    const bool ok = weight_scores(c, &o->scoring, score, err);
    if (ok) sum_up(c->params, t, f, score, o->scoring.aggregate == 1);
    memory_unmap(score, bytes);
    return ok;
}

/* -- The choice */

/* A layer keeps one filter. */
static bool goal_of_filters(const FilterPrune *o, const LayerTable *t, const Filters *f, Goal *out,
                            Error *err)
{
    double most = 0;
    for (int i = 0; i < f->n; i++)
        most += (double)((f->at[i].n - 1) * filters_each(t, f->at[i].width));
    *out =
        (Goal){.filters = (int64_t)(o->filters < 1 ? floor(o->filters * most + 0.5) : o->filters)};
    return o->filters < 1 || (double)out->filters == o->filters ||
           fail(err, FAIL_CONFIG, NULL,
                "filters = %g is neither a number of filters nor a share of them below 1",
                o->filters);
}

/* As far as layer_lottery goes with so many blocks. */
static bool goal_of_blocks(const MethodCall *c, const LayerTable *t,
                           const Architecture *architecture, Arena *a, Goal *out, Error *err)
{
    const FilterPrune *o = c->options;
    Blocks blocks;
    LayerTable without;
    Architecture *smaller = arena_new_array(a, Architecture, 1);
    int *chosen = arena_new_array(a, int, o->match_blocks);
    *smaller = *architecture;
    blocks_find(t, a, &blocks);
    TRY(block_scores(c, &o->scoring, &blocks, err));
    TRY(blocks_choose(&blocks, o->match_blocks, o->scoring.min_blocks, chosen, err));
    for (int64_t k = 0; k < o->match_blocks; k++)
        if (!architecture_leave_out(smaller, blocks.at[chosen[k]].name))
            return fail(err, FAIL_CONFIG, NULL, "more than %d blocks", NAME_LIST_MAX);
    TRY(layer_table(c->model, c->model_options, c->like, smaller, a, &without, err));
    if (o->match == 1)
        *out = (Goal){.macs = without.macs};
    else
        *out = (Goal){.filters = count_filters(t) - count_filters(&without)};
    return true;
}

/* Of `macs`, those left where the width on one side of a layer has lost channels. */
static int64_t left_of(const Filters *f, int64_t macs, int width)
{
    for (int i = 0; i < f->n; i++)
        if (f->at[i].width == width) return macs / f->at[i].n * f->at[i].left;
    return macs;
}

static bool reached(const Filters *f, const LayerTable *t, Goal goal, int64_t gone)
{
    int64_t macs = 0;
    if (goal.macs == 0) return gone >= goal.filters;
    for (int i = 0; i < t->n_rows; i++)
        macs += left_of(f, left_of(f, t->rows[i].macs, t->rows[i].out), t->rows[i].in);
    return macs <= goal.macs;
}

/* The lowest filter that may go; false when there is none. */
static bool lowest(const Filters *f, int *layer, int64_t *channel)
{
    double least = INFINITY;
    *layer = -1;
    for (int i = 0; i < f->n; i++)
        for (int64_t k = 0; f->at[i].left > 1 && k < f->at[i].n; k++)
            if (!f->at[i].gone[k] && f->at[i].score[k] < least) {
                least = f->at[i].score[k];
                *layer = i;
                *channel = k;
            }
    return *layer >= 0;
}

static bool choose(const Filters *f, const LayerTable *t, Goal goal, int64_t *gone, Error *err)
{
    int layer;
    int64_t channel;
    for (*gone = 0; !reached(f, t, goal, *gone); *gone += filters_each(t, f->at[layer].width)) {
        if (!lowest(f, &layer, &channel) && goal.macs > 0)
            return fail(err, FAIL_CONFIG, NULL,
                        "one filter a layer still has more multiply-adds than match_blocks leaves");
        if (layer < 0)
            return fail(
                err, FAIL_CONFIG, NULL,
                "%lld filters are to go, but only %lld within blocks may: a layer keeps one",
                (long long)goal.filters, (long long)*gone);
        f->at[layer].gone[channel] = true;
        f->at[layer].left--;
    }
    return true;
}

/* -- What comes of it */

static bool set_widths(const Filters *f, Reshape *out, Error *err)
{
    KeptChannels *kept = arena_new_array(out->arena, KeptChannels, f->n);
    for (int i = 0; i < f->n; i++) {
        const Inner *inner = &f->at[i];
        if (inner->left == inner->n) continue;
        int64_t *channel = arena_new_array(out->arena, int64_t, inner->left), n = 0;
        for (int64_t k = 0; k < inner->n; k++)
            if (!inner->gone[k]) channel[n++] = k;
        const char *name = arena_string(out->arena, inner->name);
        kept[out->n_kept++] = (KeptChannels){.width = name, .channel = channel, .n = n};
        if (!architecture_set_width(&out->architecture, name, n))
            return fail(err, FAIL_CONFIG, NULL, "more than %d widths", COUNT_MAP_MAX);
    }
    out->kept = kept;
    out->keep_weights = true;
    return true;
}

static bool remove_filters(const MethodCall *c, Reshape *out, Arena *a, Error *err)
{
    const FilterPrune *o = c->options;
    LayerTable before, after;
    Filters filters;
    Goal goal;
    int64_t gone;
    TRY(layer_table(c->model, c->model_options, c->like, &out->architecture, a, &before, err));
    find_filters(&before, a, &filters);
    TRY(goal_of_filters(o, &before, &filters, &goal, err));
    if (o->match_blocks > 0) TRY(goal_of_blocks(c, &before, &out->architecture, a, &goal, err));
    if (!is_dense(o)) TRY(filter_scores(c, &before, &filters, err));
    TRY(choose(&filters, &before, goal, &gone, err));
    TRY(set_widths(&filters, out, err));
    TRY(layer_table(c->model, c->model_options, c->like, &out->architecture, a, &after, err));
    out->note = arena_printf(
        out->arena,
        "%lld filters go from %d of %d layers; %lld of %lld filters, %.2f %% fewer "
        "multiply-adds",
        (long long)gone, out->n_kept, filters.n, (long long)count_filters(&after),
        (long long)count_filters(&before), 100 - 100 * (double)after.macs / (double)before.macs);
    return blocks_rewind(c, &o->scoring, is_dense(o), err);
}

static bool filter_prune_reshape(const MethodCall *c, Reshape *out, Error *err)
{
    const FilterPrune *o = c->options;
    Arena *a = arena_new();
    bool ok = true;
    if (o->filters > 0 && o->match_blocks > 0)
        ok = fail(err, FAIL_CONFIG, NULL, "filters and match_blocks both say how many filters go");
    ok = ok && remove_filters(c, out, a, err);
    if (!ok) error_note(err, "in method 'filter_prune'");
    arena_free(a);
    return ok;
}

/* The dense run: the same for all criteria. */
static int filter_prune_predecessor(const void *options, Arena *a, MethodSetting out[2])
{
    const FilterPrune *o = options;
    (void)a;
    if (is_dense(o) || o->scoring.weights != SURVIVORS_REWOUND) return 0;
    out[0] = (MethodSetting){"filters", "0"};
    out[1] = (MethodSetting){"match_blocks", "0"};
    return 2;
}

static int64_t filter_prune_first_step(const MethodCall *c)
{
    const FilterPrune *o = c->options;
    return blocks_first_step(c, &o->scoring, is_dense(o));
}

static void filter_prune_after_step(const MethodCall *c)
{
    const FilterPrune *o = c->options;
    blocks_after_step(c, &o->scoring, is_dense(o));
}

// clang-format off
static const Option filter_prune_options[] = {
    OPT_ENUM(BlockScoring, criterion, WEIGHT_CRITERIA, "grasp", "what says how important a filter is; the lowest go"),
    OPT_REAL(FilterPrune, filters, 0, 0, 1000000, "filters that go; below 1: the share of those that may go, to the nearest number"),
    OPT_INT(FilterPrune, match_blocks, 0, 0, NAME_LIST_MAX, "instead: go as far as layer_lottery does with so many blocks"),
    OPT_ENUM(FilterPrune, match, "filters|macs", "filters", "match_blocks: as many filters are left as there, or at most as many multiply-adds"),
    BLOCK_SCORING_OPTIONS,
};
// clang-format on

const Method method_filter_prune = {
    .name = "filter_prune",
    .family = "prune",
    .paper = "arXiv:2301.10835",
    .summary =
        "remove the least important filters within residual blocks, keeping the others' weights",
    .revision = 1,
    .options = OPTION_TABLE(FilterPrune, filter_prune_options),
    .reshape = filter_prune_reshape,
    .buffers = blocks_buffers,
    .predecessor = filter_prune_predecessor,
    .first_step = filter_prune_first_step,
    .after_step = filter_prune_after_step,
};
