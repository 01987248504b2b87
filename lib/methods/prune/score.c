/* score -- see score.h: what the scores share, and those that need no gradient. */
#include "methods/prune/score.h"

#include "base/pcg.h"
#include "methods/prune/mask.h"

#include <math.h>

bool score_needs_samples(ScoreKind kind)
{
    return kind == SCORE_SNIP || kind == SCORE_SIGNED_SNIP || kind == SCORE_GRASP;
}

int64_t score_count(const Params *params)
{
    int64_t n = 0;
    for (const Param *p = params->first; p; p = p->next)
        if (is_prunable(p)) n += p->n;
    return n;
}

int64_t score_offset(const Params *params, const Param *p)
{
    int64_t n = 0;
    for (const Param *q = params->first; q; q = q->next) {
        if (!is_prunable(q)) continue;
        if (q == p) return n;
        n += q->n;
    }
    return -1;
}

bool score_graph(ScoreGraph *s, const MethodCall *c, int64_t batch, bool training, Error *err)
{
    *s = (ScoreGraph){.arena = arena_new()};
    Graph *g = s->graph = graph_new(s->arena);
    ModelBuild b = *c->like;
    b.graph = g;
    b.training = training;
    Shape x = {.rank = b.task.sample.rank + 1, .dim = {batch}};
    for (int i = 0; i < b.task.sample.rank; i++) x.dim[i + 1] = b.task.sample.dim[i];
    s->x = input(g, "x", b.task.dtype, x);
    s->label = input(g, "label", I32, shape(1, batch));
    s->logits = c->model->build(&b, c->model_options, s->x);
    g->n_updates = 0; /* the running statistics stay as they are */
    s->param = arena_new_array(s->arena, Param *, c->params->n);
    s->weight = arena_new_array(s->arena, Node *, c->params->n);
    for (Param *p = c->params->first; p; p = p->next) {
        if (!is_prunable(p)) continue;
        s->n_weights += p->n;
        s->param[s->n] = p;
        s->weight[s->n++] = param_node(g, p);
    }
    return graph_ok(g, err);
}

void score_graph_free(ScoreGraph *s)
{
    arena_free(s->arena);
    *s = (ScoreGraph){0};
}

static void magnitude(const Params *params, float *out)
{
    for (const Param *p = params->first; p; p = p->next)
        for (int64_t i = 0; is_prunable(p) && i < p->n; i++) *out++ = fabsf(p->data[i]);
}

static void draw(const Params *params, uint64_t seed, float *out)
{
    for (const Param *p = params->first; p; p = p->next) {
        if (!is_prunable(p)) continue;
        Pcg rng = pcg_stream(seed, "score", 0, pcg_name(p->name));
        for (int64_t i = 0; i < p->n; i++) *out++ = (float)pcg_normal(&rng);
    }
}

static bool check(const Params *params, const float *score, Error *err)
{
    for (const Param *p = params->first; p; p = p->next) {
        for (int64_t i = 0; is_prunable(p) && i < p->n; i++, score++)
            if (!isfinite(*score))
                return fail(err, FAIL_RUN, NULL, "the score of %s is %s at element %lld", p->name,
                            isnan(*score) ? "NaN" : "infinite", (long long)i);
    }
    return true;
}

static void times_weights(const Params *params, bool absolute, float *score)
{
    for (const Param *p = params->first; p; p = p->next) {
        for (int64_t i = 0; is_prunable(p) && i < p->n; i++, score++) {
            *score *= p->data[i];
            if (absolute) *score = fabsf(*score);
        }
    }
}

bool score_weights(const ScoreCall *s, ScoreKind kind, float *out, Error *err)
{
    const Params *params = s->call->params;
    switch (kind) {
    case SCORE_MAGNITUDE:
        magnitude(params, out);
        break;
    case SCORE_RANDOM:
        draw(params, s->call->seed, out);
        break;
    case SCORE_SNIP:
    case SCORE_SIGNED_SNIP:
    case SCORE_GRASP:
        TRY(score_loss(s, kind == SCORE_GRASP, out, err));
        times_weights(params, kind == SCORE_SNIP, out);
        break;
    case SCORE_SYNFLOW:
        TRY(score_synflow(s, out, err));
        break;
    }
    return check(params, out, err);
}
