/* block_ablation -- scores of blocks by what the network says without each (block_score.h): kl and
 * cka. */
#include "methods/prune/block_score.h"
#include "methods/prune/block_stats.h"

#include "base/realmath.h"
#include "graph/plan.h"

/* What is compared, (n, width): log probabilities, or what the last block gives. */
typedef struct Said {
    double *at;
    int64_t width;
} Said;

static void log_probabilities(const float *logits, int64_t n, double *out)
{
    double most = (double)logits[0], sum = 0;
    for (int64_t k = 1; k < n; k++)
        if ((double)logits[k] > most) most = (double)logits[k];
    for (int64_t k = 0; k < n; k++) sum += real_exp((double)logits[k] - most);
    for (int64_t k = 0; k < n; k++) out[k] = (double)logits[k] - most - real_log(sum);
}

static bool say(const MethodCall *c, bool logits, const char *without, const Samples *s, Arena *a,
                Said *out, Error *err)
{
    BlockGraph g;
    const bool ok = block_graph(&g, c, without, s->batch_size, err);
    if (ok) {
        const Node *from = logits || g.n == 0 ? g.logits : g.output[g.n - 1];
        out->width = from->shape.dim[from->shape.rank - 1];
        out->at = arena_new_array(a, double, s->n * out->width);
        for (int64_t b = 0; b < s->n_batches; b++) {
            double *to = out->at + b * s->batch_size * out->width;
            block_graph_run(&g, s, b);
            if (!logits) {
                block_pool(&g, from, to);
                continue;
            }
            const float *value = plan_value(g.plan, from);
            for (int64_t i = 0; i < s->batch_size; i++)
                log_probabilities(value + i * out->width, out->width, to + i * out->width);
        }
        if (!logits) centre_columns(out->at, s->n, out->width);
    }
    block_graph_free(&g);
    return ok;
}

static double divergence(const Said *p, const Said *q, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n * p->width; i++) sum += real_exp(q->at[i]) * (q->at[i] - p->at[i]);
    return sum / (double)n;
}

bool block_ablation_scores(const MethodCall *c, const BlockScoring *o, const Samples *s,
                           Blocks *blocks, Error *err)
{
    const bool kl = o->criterion == BLOCK_KL;
    Said dense, without;
    Arena *a = arena_new();
    bool ok = say(c, kl, NULL, s, a, &dense, err);
    for (int i = 0; ok && i < blocks->n; i++) {
        Block *b = &blocks->at[i];
        if (!b->candidate) continue;
        ok = say(c, kl, b->name, s, a, &without, err);
        if (ok)
            b->score = kl ? divergence(&dense, &without, s->n)
                          : 1 - linear_cka(dense.at, dense.width, without.at, without.width, s->n);
    }
    arena_free(a);
    return ok;
}
