/* layer_lottery -- winning tickets by removing residual blocks (Jordao et al., "When Layers Play
 * the Lottery, all Tickets Win at Initialization", arXiv 2301.10835).
 *
 *   s_b = criterion(block b of the network at theta);  the p blocks with the lowest s_b go, at
 * once; the others keep their weights, and the shallower network is trained
 *
 * theta are the first values (the paper's algorithm 2, pruning at initialisation), or what another
 * run ended with, where there is a `base:` (its algorithm 1, after training: weights: first then
 * goes back to the beginning, reinit is its control), or with weights: rewound the same run with p
 * = 0, which is made first, whose weights and schedule at step `rewind` training goes on from. A
 * block may go whose output has the shape of its input; the first of a stage stays, and so do
 * min_blocks in each, the authors' own guard. How scores of weights make one of a block is not said
 * in the paper: here their sum, or mean.
 *
 * Nothing is masked: the network that is trained does not have the blocks. */
#include "methods/prune/block_score.h"

#include "base/text.h"

#include <math.h>

typedef struct LayerLottery {
    BlockScoring scoring;
    double p; /* blocks, or below 1 a share of those that may go */
} LayerLottery;

static bool is_dense(const LayerLottery *o)
{
    return o->p == 0;
}

static const char *note(const LayerTable *before, const LayerTable *after, const Blocks *blocks,
                        const int chosen[], int64_t n, Arena *a)
{
    Text t = {0};
    text_addf(&t, "%lld of %d blocks that could go are left out", (long long)n,
              blocks->n_candidates);
    for (int64_t k = 0; k < n; k++)
        text_addf(&t, "%s %s", k ? "," : ":", blocks->at[chosen[k]].name);
    text_addf(&t, "; %lld of %lld filters, %.2f %% fewer multiply-adds; scores",
              (long long)count_filters(after), (long long)count_filters(before),
              100 - 100 * (double)after->macs / (double)before->macs);
    for (int i = 0; i < blocks->n; i++)
        if (blocks->at[i].candidate)
            text_addf(&t, " %s %.4g", blocks->at[i].name, blocks->at[i].score);
    const char *line = arena_string(a, t.data);
    text_free(&t);
    return line;
}

static bool how_many(const LayerLottery *o, const Blocks *blocks, int64_t *n, Error *err)
{
    *n = (int64_t)(o->p < 1 ? floor(o->p * blocks->n_candidates + 0.5) : o->p);
    return o->p < 1 || (double)*n == o->p ||
           fail(err, FAIL_CONFIG, NULL,
                "p = %g is neither a number of blocks nor a share of them below 1", o->p);
}

static bool leave_out(const MethodCall *c, Reshape *out, Arena *a, Error *err)
{
    const LayerLottery *o = c->options;
    LayerTable before, after;
    Blocks blocks;
    int64_t n;
    TRY(layer_table(c->model, c->model_options, c->like, &out->architecture, a, &before, err));
    blocks_find(&before, a, &blocks);
    TRY(how_many(o, &blocks, &n, err));
    int *chosen = arena_new_array(a, int, n);
    if (n > 0) TRY(block_scores(c, &o->scoring, &blocks, err));
    TRY(blocks_choose(&blocks, n, o->scoring.min_blocks, chosen, err));
    for (int64_t k = 0; k < n; k++)
        if (!architecture_leave_out(&out->architecture,
                                    arena_string(out->arena, blocks.at[chosen[k]].name)))
            return fail(err, FAIL_CONFIG, NULL, "more than %d blocks", NAME_LIST_MAX);
    TRY(layer_table(c->model, c->model_options, c->like, &out->architecture, a, &after, err));
    out->note = note(&before, &after, &blocks, chosen, n, out->arena);
    out->keep_weights = true;
    return blocks_rewind(c, &o->scoring, is_dense(o), err);
}

static bool layer_lottery_reshape(const MethodCall *c, Reshape *out, Error *err)
{
    Arena *a = arena_new();
    const bool ok = leave_out(c, out, a, err);
    if (!ok) error_note(err, "in method 'layer_lottery'");
    arena_free(a);
    return ok;
}

/* The dense run: the same for all criteria. */
static int layer_lottery_predecessor(const void *options, Arena *a, MethodSetting out[2])
{
    const LayerLottery *o = options;
    (void)a;
    if (is_dense(o) || o->scoring.weights != SURVIVORS_REWOUND) return 0;
    out[0] = (MethodSetting){"p", "0"};
    out[1] = (MethodSetting){"criterion", "grasp"};
    return 2;
}

static int64_t layer_lottery_first_step(const MethodCall *c)
{
    const LayerLottery *o = c->options;
    return blocks_first_step(c, &o->scoring, is_dense(o));
}

static void layer_lottery_after_step(const MethodCall *c)
{
    const LayerLottery *o = c->options;
    blocks_after_step(c, &o->scoring, is_dense(o));
}

// clang-format off
static const Option layer_lottery_options[] = {
    OPT_ENUM(BlockScoring, criterion, BLOCK_CRITERIA, "grasp", "what says how important a block is; the lowest go"),
    OPT_REAL(LayerLottery, p, 1, 0, NAME_LIST_MAX, "blocks that go; below 1: the share of those that may go, to the nearest number"),
    OPT_INT(BlockScoring, components, 2, 1, 100, "of pls"),
    BLOCK_SCORING_OPTIONS,
};
// clang-format on

const Method method_layer_lottery = {
    .name = "layer_lottery",
    .family = "prune",
    .paper = "arXiv:2301.10835",
    .summary = "leave out the least important residual blocks, at initialisation or after training",
    .revision = 1,
    .options = OPTION_TABLE(LayerLottery, layer_lottery_options),
    .reshape = layer_lottery_reshape,
    .buffers = blocks_buffers,
    .predecessor = layer_lottery_predecessor,
    .first_step = layer_lottery_first_step,
    .after_step = layer_lottery_after_step,
};
