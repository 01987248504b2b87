/* block_score -- see block_score.h: which blocks may go, scores by weights, and the choice. */
#include "methods/prune/block_score.h"

#include "base/pcg.h"
#include "methods/prune/mask.h"
#include "methods/prune/rewind.h"
#include "methods/prune/score.h"
#include "nn/init.h"

#include <math.h>
#include <string.h>

void blocks_find(const LayerTable *table, Arena *a, Blocks *out)
{
    *out = (Blocks){.at = arena_new_array(a, Block, table->n_blocks)};
    for (int i = 0; i < table->n_blocks; i++) {
        const ModelPart *part = &table->blocks[i];
        const Block *before = out->n > 0 ? &out->at[out->n - 1] : NULL;
        if (!part->there) continue;
        const size_t n = strcspn(part->name, ".");
        const bool begins = !before || !part->removable ||
                            strncmp(before->name, part->name, n) != 0 || before->name[n] != '.';
        out->at[out->n++] = (Block){
            .name = part->name, .stage = before ? before->stage + begins : 0, .candidate = !begins};
        out->n_candidates += !begins;
    }
}

bool block_has(const char *block, const char *name)
{
    const size_t n = strlen(block);
    return strncmp(block, name, n) == 0 && name[n] == '.';
}

/* -- By weights */

static bool needs_samples(int criterion)
{
    return criterion != BLOCK_L1 && criterion != BLOCK_RANDOM;
}

bool weight_scores(const MethodCall *c, const BlockScoring *o, float *out, Error *err)
{
    static const ScoreKind kinds[] = {SCORE_GRASP, SCORE_SNIP, SCORE_SIGNED_SNIP, SCORE_MAGNITUDE};
    Samples samples = {0};
    const ScoreCall call = {.call = c, .samples = &samples, .temperature = o->temperature};
    bool ok = !needs_samples(o->criterion) ||
              samples_draw(&samples, c->data, o->samples_per_class, o->batch_size, c->seed, err);
    ok = ok && score_weights(&call, kinds[o->criterion], out, err);
    samples_free(&samples);
    return ok;
}

static double sum_of(const Params *params, const float *score, const char *block, bool mean)
{
    double sum = 0;
    int64_t n = 0;
    for (const Param *p = params->first; p; p = p->next) {
        if (!is_prunable(p)) continue;
        if (block_has(block, p->name)) {
            for (int64_t i = 0; i < p->n; i++) sum += (double)score[i];
            n += p->n;
        }
        score += p->n;
    }
    return mean && n > 0 ? sum / (double)n : sum;
}

static bool by_weights(const MethodCall *c, const BlockScoring *o, Blocks *blocks, Error *err)
{
    void *score;
    const size_t bytes = sizeof(float) * (size_t)score_count(c->params);
    TRY(memory_map(&score, bytes, err));
    const bool ok = weight_scores(c, o, score, err);
    for (int i = 0; ok && i < blocks->n; i++)
        if (blocks->at[i].candidate)
            blocks->at[i].score = sum_of(c->params, score, blocks->at[i].name, o->aggregate == 1);
    memory_unmap(score, bytes);
    return ok;
}

static void at_random(uint64_t seed, Blocks *blocks)
{
    for (int i = 0; i < blocks->n; i++) {
        Pcg rng = pcg_stream(seed, "block_score", 0, pcg_name(blocks->at[i].name));
        blocks->at[i].score = (double)pcg_uniform(&rng);
    }
}

/* -- All of them */

static bool by_activations(const MethodCall *c, const BlockScoring *o, Blocks *blocks, Error *err)
{
    Samples samples = {0};
    const bool ablates = o->criterion == BLOCK_KL || o->criterion == BLOCK_CKA;
    const bool ok =
        samples_draw(&samples, c->data, o->samples_per_class, o->batch_size, c->seed, err) &&
        (ablates ? block_ablation_scores(c, o, &samples, blocks, err)
                 : block_activation_scores(c, o, &samples, blocks, err));
    samples_free(&samples);
    return ok;
}

bool block_scores(const MethodCall *c, const BlockScoring *o, Blocks *blocks, Error *err)
{
    if (o->criterion == BLOCK_RANDOM)
        at_random(c->seed, blocks);
    else
        TRY(o->criterion < BLOCK_RANDOM ? by_weights(c, o, blocks, err)
                                        : by_activations(c, o, blocks, err));
    for (int i = 0; i < blocks->n; i++)
        if (blocks->at[i].candidate && !isfinite(blocks->at[i].score))
            return fail(err, FAIL_RUN, NULL, "the score of block %s is not finite",
                        blocks->at[i].name);
    return true;
}

/* -- The choice */

static bool is_chosen(const int chosen[], int64_t n, int i)
{
    for (int64_t k = 0; k < n; k++)
        if (chosen[k] == i) return true;
    return false;
}

/* Blocks that the stage has left. */
static int64_t left_in(const Blocks *blocks, const int chosen[], int64_t n, int stage)
{
    int64_t left = 0;
    for (int i = 0; i < blocks->n; i++)
        left += blocks->at[i].stage == stage && !is_chosen(chosen, n, i);
    return left;
}

bool blocks_choose(const Blocks *blocks, int64_t n, int64_t min_blocks, int chosen[], Error *err)
{
    for (int64_t k = 0; k < n; k++) {
        int lowest = -1;
        for (int i = 0; i < blocks->n; i++) {
            const Block *b = &blocks->at[i];
            if (!b->candidate || is_chosen(chosen, k, i) ||
                left_in(blocks, chosen, k, b->stage) <= min_blocks)
                continue;
            if (lowest < 0 || b->score < blocks->at[lowest].score) lowest = i;
        }
        if (lowest < 0)
            return fail(err, FAIL_CONFIG, NULL,
                        "%lld blocks are to go, but only %lld may: %lld stay in each stage",
                        (long long)n, (long long)k, (long long)min_blocks);
        chosen[k] = lowest;
    }
    return true;
}

/* -- What is left */

static int64_t rewind_step(const MethodCall *c, const BlockScoring *o)
{
    return o->weights == SURVIVORS_REWOUND ? steps_resolve(o->rewind, c->steps_per_epoch) : 0;
}

bool blocks_rewind(const MethodCall *c, const BlockScoring *o, bool dense, Error *err)
{
    if (o->weights == SURVIVORS_KEPT) return true;
    if (o->weights == SURVIVORS_REWOUND) {
        const int64_t step = rewind_step(c, o);
        if (c->total_steps > 0 && (step < 1 || step >= c->total_steps))
            return fail(err, FAIL_CONFIG, NULL,
                        "weights: rewound needs a rewind between 1 and the run's %lld steps, not "
                        "%lld",
                        (long long)c->total_steps, (long long)step);
        if (!dense) rewind_load(c->params);
        return true;
    }
    if (model_wants_lsuv(c->model_options))
        return fail(err, FAIL_CONFIG, NULL,
                    "first values by lsuv depend on data and cannot be drawn again: weights must "
                    "be kept");
    params_init(c->params,
                o->weights == SURVIVORS_FIRST ? c->seed : c->seed ^ UINT64_C(0x7265696e6974));
    return true;
}

void blocks_buffers(const MethodCall *c, Graph *g)
{
    const BlockScoring *o = c->options;
    if (o->weights == SURVIVORS_REWOUND) rewind_buffers(c, g);
}

int64_t blocks_first_step(const MethodCall *c, const BlockScoring *o, bool dense)
{
    return dense ? 0 : rewind_step(c, o);
}

void blocks_after_step(const MethodCall *c, const BlockScoring *o, bool dense)
{
    if (dense && o->weights == SURVIVORS_REWOUND && c->step == rewind_step(c, o))
        rewind_save(c->params);
}

int64_t count_filters(const LayerTable *table)
{
    int64_t n = 0;
    for (int i = 0; i < table->n_rows; i++)
        if (table->rows[i].weight.rank == 4) n += table->rows[i].weight.dim[0];
    return n;
}
