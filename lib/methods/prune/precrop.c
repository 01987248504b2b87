/* precrop -- a smaller dense network in place of a sparse one (Cai et al., arXiv 2203.02549): how
 * much of each layer a pruner would keep becomes numbers of channels, and that network is trained
 * from first values of its own, or is the network's own, but for the channels that go.
 *
 * source   where the layerwise densities come from: by shape (density.h), or from masks by a score,
 *          over all weights together (rounds.h); the paper's own is synexp
 * mode     densities to channels (crop.h); auto: direct for synexp, which needs no densities, else
 *          lsq
 * residual tied: a residual stream is as wide as one number says; inner: it keeps its width, and
 *          only channels within blocks go, which reaches no further than that; pad: what each
 *          block adds to the stream is as wide as one number of its own says (model.h)
 * keep     none: first values of its own, as the paper has it. random: some of the network's
 *          channels, whichever, with their weights, which must do as well where these are first
 *          values. norm: those of the largest norm, for networks that are trained
 * skip_aware  synexp's densities by what a block's shortcut makes of them (density_skip.h)
 *
 * The budget is density times the weights of convolutions and linear layers, or of all but the
 * classifier's (include_classifier: false); biases and norms come on top. A layer that a pruner
 * empties counts as if one filter of it were left. With expand > 1 (PreConfig) widths may also
 * grow, to at most so many times, at no more than flops times the multiply-adds. */
#include "methods/prune/block_score.h"
#include "methods/prune/crop.h"
#include "methods/prune/crop_keep.h"
#include "methods/prune/density.h"
#include "methods/prune/density_skip.h"
#include "methods/prune/mask.h"
#include "methods/prune/rounds.h"

#include <math.h>
#include <string.h>

typedef struct Precrop {
    PruneRounds rounds;
    int source, mode, residual, keep;
    bool skip_aware, include_classifier;
    int64_t min_channels, divisor;
    double budget_tolerance, expand, flops;
} Precrop;

typedef enum Source {
    SOURCE_UNIFORM,
    SOURCE_ER,
    SOURCE_ERK,
    SOURCE_SYNEXP,
    SOURCE_MAGNITUDE,
    SOURCE_RANDOM,
    SOURCE_SNIP,
    SOURCE_GRASP,
    SOURCE_SYNFLOW
} Source;

typedef enum ResidualMode { MODE_TIED, MODE_INNER, MODE_PAD } ResidualMode;
typedef enum Mode { MODE_AUTO, MODE_SQRT, MODE_LSQ, MODE_DIRECT } Mode;

static bool is_direct(const Precrop *o)
{
    return o->mode == MODE_DIRECT ||
           (o->mode == MODE_AUTO && o->source == SOURCE_SYNEXP && !o->skip_aware);
}

/* -- Densities by masks, on a copy of the network that has them */

typedef struct Copy {
    const MethodCall *call; /* of the method */
    const char *without;    /* a weight that has no mask, or NULL */
    Params *params;
    ModelBuild like;
    MethodCall masked; /* of the copy */
} Copy;

static Node *with_mask(void *owner, const ModelBuild *b, Param *p, Node *w)
{
    const Copy *copy = owner;
    if (!is_prunable(p) || (copy->without && strcmp(copy->without, p->name) == 0)) return w;
    return mul(b->graph, w, param_node(b->graph, mask_create(&copy->masked, b, p)));
}

/* The parameters of the network and a mask of ones for each weight. */
static bool copy_network(Copy *copy, Arena *a, Error *err)
{
    const MethodCall *c = copy->call;
    copy->params = params_new(a);
    copy->like = *c->like;
    copy->like.params = copy->params;
    copy->like.parametrize = with_mask;
    copy->like.product = NULL;
    copy->like.owner = copy;
    copy->masked = *c;
    copy->masked.params = copy->params;
    copy->masked.like = &copy->like;
    ScoreGraph graph;
    const bool built = score_graph(&graph, &copy->masked, 2, true, err);
    score_graph_free(&graph);
    TRY(built && params_allocate(copy->params, err));
    for (Param *p = copy->params->first; p; p = p->next) {
        const Param *from = params_find(c->params, p->name);
        for (int64_t i = 0; i < p->n; i++) p->data[i] = from ? from->data[i] : 1;
    }
    return true;
}

static double density_of(const Params *params, const LayerRow *row)
{
    char name[300];
    (void)snprintf(name, sizeof name, "%s.weight", row->name);
    const Param *p = params_find(params, name);
    const Param *mask = p ? mask_of(params, p) : NULL;
    double kept = 0;
    if (!mask) return 1;
    for (int64_t i = 0; i < mask->n; i++) kept += (double)mask->data[i];
    return kept / (double)mask->n;
}

/* Where the classifier does not count, no row of the table is its. */
static const char *uncounted(const Precrop *o, const Params *params)
{
    const Param *last = NULL;
    for (const Param *p = params->first; p; p = p->next)
        if (is_prunable(p)) last = p;
    return o->include_classifier || !last ? NULL : last->name;
}

static bool by_score(const MethodCall *c, ScoreKind kind, const LayerTable *t, double p[], Arena *a,
                     Error *err)
{
    const Precrop *o = c->options;
    PruneRounds rounds = o->rounds;
    Copy copy = {.call = c, .without = uncounted(o, c->params)};
    rounds.score = (int)kind;
    rounds.scope = SCOPE_GLOBAL;
    bool ok = copy_network(&copy, a, err) && prune_rounds(&copy.masked, &rounds, err);
    for (int l = 0; ok && l < t->n_rows; l++) p[l] = density_of(copy.params, &t->rows[l]);
    params_free(copy.params);
    return ok;
}

/* q of the blocks whose shortcut is the identity. */
static void by_skips(const Precrop *o, const LayerTable *t, double p[], Arena *a)
{
    SkipLayer *layers = arena_new_array(a, SkipLayer, t->n_rows);
    for (int l = 0; l < t->n_rows; l++) {
        const LayerRow *row = &t->rows[l];
        layers[l] = (SkipLayer){.weights = (double)row->weights,
                                .least = 1 / (double)row->weight.dim[0],
                                .fan_in = (double)row->weights / (double)row->weight.dim[0],
                                .block = -1};
        for (int b = 0; b < t->n_blocks; b++)
            if (t->blocks[b].removable && block_has(t->blocks[b].name, row->name))
                layers[l].block = b;
    }
    density_skips(o->rounds.density, layers, t->n_rows, t->n_blocks,
                  arena_new_array(a, double, t->n_blocks), p);
}

/* p of each layer; *n_empty counts those that a pruner leaves nothing of. */
static bool find_densities(const MethodCall *c, const LayerTable *t, double p[], int *n_empty,
                           Arena *a, Error *err)
{
    static const ScoreKind kinds[] = {SCORE_MAGNITUDE, SCORE_RANDOM, SCORE_SNIP, SCORE_GRASP,
                                      SCORE_SYNFLOW};
    static const DensityKind shapes_kind[] = {DENSITY_UNIFORM, DENSITY_ER, DENSITY_ERK,
                                              DENSITY_SYNEXP};
    const Precrop *o = c->options;
    *n_empty = 0;
    if (o->skip_aware) {
        by_skips(o, t, p, a);
    } else if (o->source >= SOURCE_MAGNITUDE && o->rounds.density < 1) {
        TRY(by_score(c, kinds[o->source - SOURCE_MAGNITUDE], t, p, a, err));
    } else {
        Shape *shapes = arena_new_array(a, Shape, t->n_rows);
        for (int l = 0; l < t->n_rows; l++) shapes[l] = t->rows[l].weight;
        density_layers(o->source < SOURCE_MAGNITUDE ? shapes_kind[o->source] : DENSITY_UNIFORM,
                       o->rounds.density, shapes, t->n_rows, arena_new_array(a, bool, t->n_rows),
                       p);
    }
    for (int l = 0; l < t->n_rows; l++) {
        if (p[l] > 0) continue;
        p[l] = 1 / (double)t->rows[l].weight.dim[0];
        (*n_empty)++;
    }
    return true;
}

/* -- Channels */

static const char *note(const LayerTable *before, double budget, double tolerance, double weights,
                        int n_empty, Arena *a)
{
    const char *empty =
        n_empty ? arena_printf(a, "; layer collapse: %d layers have no weight left", n_empty) : "";
    const bool off = fabs(weights - budget) > tolerance * budget;
    return arena_printf(a, "%.0f of %lld weights (density %.4f), budget %.0f%s%s", weights,
                        (long long)before->weights, weights / (double)before->weights, budget,
                        off ? ", which these widths do not reach" : "", empty);
}

static bool crop_network(const MethodCall *c, const LayerTable *t, Reshape *out, Arena *a,
                         Error *err)
{
    const Precrop *o = c->options;
    const CropMode mode = is_direct(o) ? CROP_DIRECT : o->mode == MODE_SQRT ? CROP_SQRT : CROP_LSQ;
    const CropRounding rounding = {o->min_channels, o->divisor, o->budget_tolerance};
    double *p = arena_new_array(a, double, t->n_rows);
    int n_empty = 0;
    Crop crop;
    if (mode != CROP_DIRECT) TRY(find_densities(c, t, p, &n_empty, a, err));
    crop_start(&crop, t, o->rounds.density,
               (o->residual == MODE_INNER ? FIXED_STREAMS : 0) | (o->keep ? FIXED_HALVES : 0), a);
    if (o->expand > 1) {
        crop.most = o->expand;
        crop.flops = o->flops * (double)t->macs;
    }
    const double budget = crop.budget;
    crop_solve(&crop, mode, p);
    if (isfinite(crop.flops))
        crop.budget = crop_weights(&crop); /* less where the multiply-adds bind */
    else
        crop_scale(&crop);
    int64_t *width = arena_new_array(a, int64_t, crop.n);
    const double weights = crop_round(&crop, &rounding, width);
    for (int s = 0; s < crop.n; s++) {
        const ModelPart *part = &t->widths[crop.part[s]];
        if (width[s] != part->width &&
            !architecture_set_width(&out->architecture, arena_string(out->arena, part->name),
                                    width[s]))
            return fail(err, FAIL_CONFIG, NULL, "more than %d widths", COUNT_MAP_MAX);
    }
    out->note = note(t, budget, o->budget_tolerance, weights, n_empty, out->arena);
    if (o->keep) keep_channels(c, t, o->keep == KEEP_NORM, out);
    return true;
}

static bool check_options(const Precrop *o, Error *err)
{
    if (o->mode == MODE_DIRECT && o->source != SOURCE_SYNEXP)
        return fail(err, FAIL_CONFIG, NULL,
                    "mode: direct looks at no densities: source must be synexp");
    if (o->skip_aware && (o->source != SOURCE_SYNEXP || o->mode == MODE_DIRECT))
        return fail(err, FAIL_CONFIG, NULL,
                    "skip_aware needs source: synexp, and a mode that looks at densities");
    if (o->expand > 1 && (!is_direct(o) || o->residual == MODE_PAD))
        return fail(err, FAIL_CONFIG, NULL, "expand > 1 needs source: synexp and mode: direct%s",
                    o->residual == MODE_PAD ? ", and residual: tied or inner" : "");
    if (o->keep && (o->expand > 1 || o->residual == MODE_PAD))
        return fail(err, FAIL_CONFIG, NULL, "keep has no channels to choose with %s",
                    o->expand > 1 ? "expand > 1" : "residual: pad");
    return true;
}

/* The rows that count. */
static void leave_classifier(LayerTable *t)
{
    const LayerRow *last = &t->rows[t->n_rows - 1];
    if (t->n_rows < 2 || last->out >= 0) return;
    t->weights -= last->weights;
    t->n_rows--;
}

static bool precrop_reshape(const MethodCall *c, Reshape *out, Error *err)
{
    const Precrop *o = c->options;
    LayerTable table;
    Arena *a = arena_new();
    bool ok = check_options(o, err);
    if (o->residual == MODE_PAD) out->architecture.residual = RESIDUAL_PAD;
    ok = ok && layer_table(c->model, c->model_options, c->like, &out->architecture, a, &table, err);
    if (ok && !o->include_classifier) leave_classifier(&table);
    ok = ok && crop_network(c, &table, out, a, err);
    if (!ok) error_note(err, "in method 'precrop'");
    arena_free(a);
    return ok;
}

// clang-format off
static const Option precrop_options[] = {
    OPT_REAL(PruneRounds, density, 0.2, 1e-4, 1, "share of the weights that the smaller network has"),
    OPT_ENUM(Precrop, source, "uniform|er|erk|synexp|magnitude|random|snip|grasp|synflow", "synexp",
             "where the layerwise densities come from"),
    OPT_ENUM(Precrop, mode, "auto|sqrt|lsq|direct", "auto",
             "densities to channels; auto: direct for synexp, else lsq; direct looks at no densities"),
    OPT_ENUM(Precrop, residual, "tied|inner|pad", "tied",
             "residual streams: one width a stage is chosen; or they keep theirs; or one for each block's output"),
    OPT_ENUM(Precrop, keep, "none|random|norm", "none",
             "weights of the smaller network: first values of its own; or the network's, of channels by chance, or of those with the largest norm"),
    OPT_BOOL(Precrop, skip_aware, false, "synexp's densities by what shortcuts make of them"),
    OPT_BOOL(Precrop, include_classifier, true, "the last layer's weights count in the budget"),
    OPT_INT(Precrop, min_channels, 1, 1, MODEL_WIDTH_MAX, "no width becomes smaller"),
    OPT_INT(Precrop, divisor, 1, 1, 1024, "widths are multiples of it, for speed, but for those that stay whole"),
    OPT_REAL(Precrop, budget_tolerance, 0.01, 0, 1, "widths are mended until the weights are as near to the budget, relatively"),
    OPT_REAL(Precrop, expand, 1, 1, 16, "widths may grow to as many times the model's, at no more multiply-adds (PreConfig)"),
    OPT_REAL(Precrop, flops, 1, 1e-4, 16, "share of the multiply-adds that expand > 1 may use"),
    PRUNE_ROUNDS_OPTIONS,
};
// clang-format on

const Method method_precrop = {
    .name = "precrop",
    .family = "prune",
    .paper = "arXiv:2203.02549",
    .summary =
        "train a smaller dense network, its widths from layerwise densities at initialisation",
    .revision = 1,
    .options = OPTION_TABLE(Precrop, precrop_options),
    .reshape = precrop_reshape,
};
