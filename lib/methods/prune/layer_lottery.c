/* layer_lottery -- winning tickets by removing residual blocks (Jordao et al., "When Layers Play
 * the Lottery, all Tickets Win at Initialization", arXiv 2301.10835).
 *
 *   s_b = criterion(block b of the network at theta);  the p blocks with the lowest s_b go, at
 * once; the others keep their weights, and the shallower network is trained
 *
 * theta are the first values (the paper's algorithm 2, pruning at initialisation), or what another
 * run ended with, where there is a `base:` (its algorithm 1, after training: weights: first then
 * goes back to the beginning, reinit is its control). A block may go whose output has the shape of
 * its input; the first of a stage stays, and so do min_blocks in each, the authors' own guard. How
 * scores of weights make one of a block is not said in the paper: here their sum, or mean.
 *
 * Nothing is masked: the network that is trained does not have the blocks. */
#include "methods/prune/block_score.h"

#include "base/text.h"

typedef struct LayerLottery {
    BlockScoring scoring;
    int64_t p;
} LayerLottery;

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

static bool leave_out(const MethodCall *c, Reshape *out, Arena *a, Error *err)
{
    const LayerLottery *o = c->options;
    LayerTable before, after;
    Blocks blocks;
    TRY(layer_table(c->model, c->model_options, c->like, &out->architecture, a, &before, err));
    blocks_find(&before, a, &blocks);
    int *chosen = arena_new_array(a, int, o->p);
    TRY(block_scores(c, &o->scoring, &blocks, err));
    TRY(blocks_choose(&blocks, o->p, o->scoring.min_blocks, chosen, err));
    for (int64_t k = 0; k < o->p; k++)
        if (!architecture_leave_out(&out->architecture,
                                    arena_string(out->arena, blocks.at[chosen[k]].name)))
            return fail(err, FAIL_CONFIG, NULL, "more than %d blocks", NAME_LIST_MAX);
    TRY(layer_table(c->model, c->model_options, c->like, &out->architecture, a, &after, err));
    out->note = note(&before, &after, &blocks, chosen, o->p, out->arena);
    out->keep_weights = true;
    return blocks_rewind(c, &o->scoring, err);
}

static bool layer_lottery_reshape(const MethodCall *c, Reshape *out, Error *err)
{
    Arena *a = arena_new();
    const bool ok = leave_out(c, out, a, err);
    if (!ok) error_note(err, "in method 'layer_lottery'");
    arena_free(a);
    return ok;
}

// clang-format off
static const Option layer_lottery_options[] = {
    OPT_ENUM(BlockScoring, criterion, BLOCK_CRITERIA, "grasp", "what says how important a block is; the lowest go"),
    OPT_INT(LayerLottery, p, 1, 0, NAME_LIST_MAX, "blocks that go"),
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
};
