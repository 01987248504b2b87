/* decode -- see decode.h. */
#include "nn/decode.h"

#include <string.h>

/* Floats of one sequence's keys (or values) of a layer. */
static int64_t row_floats(const Decoder *d, const KvLayer *l)
{
    return d->max_steps * l->k_old->shape.dim[2] * l->k_old->shape.dim[3];
}

static int64_t cache_floats(const Decoder *d)
{
    int64_t n = 0;
    for (int i = 0; i < d->cache->n_layers; i++)
        n += 2 * d->batch * row_floats(d, &d->cache->layer[i]);
    return n;
}

static void bind_cache(const Decoder *d)
{
    float *at = d->keys;
    for (int i = 0; i < d->cache->n_layers; i++) {
        const KvLayer *l = &d->cache->layer[i];
        const int64_t n = d->batch * row_floats(d, l);
        plan_bind(d->plan, l->k_old, at);
        plan_bind(d->plan, l->v_old, at + n);
        at += 2 * n;
    }
}

static bool allocate(Decoder *d, Error *err)
{
    TRY(plan_allocate(d->plan, err));
    plan_bind(d->plan, d->x, d->tokens);
    if (!d->cache) return true;
    void *keys = NULL, *spare = NULL;
    d->keys_bytes = sizeof(float) * (size_t)cache_floats(d);
    bool ok = memory_map(&keys, d->keys_bytes, err) && memory_map(&spare, d->keys_bytes, err);
    d->keys = keys;
    d->spare = spare;
    if (!ok) return false;
    plan_bind(d->plan, d->cache->position, &d->position);
    plan_bind(d->plan, d->cache->lengths, d->lengths);
    bind_cache(d);
    return true;
}

static bool build(Decoder *d, const Model *model, const void *options, ModelBuild *b, Error *err)
{
    Graph *g = b->graph;
    const int64_t steps = d->cache ? 1 : d->source_steps + d->max_steps;
    b->task.sample = shape(1, steps);
    d->x = input(g, "x", I32, shape(2, d->batch, steps));
    d->tokens = arena_new_array(g->arena, int32_t, d->batch * steps);
    d->lengths = arena_new_array(g->arena, int32_t, d->batch);
    if (d->cache) {
        d->cache->max_steps = d->max_steps;
        d->cache->position = input(g, "position", I32, shape(1, INT64_C(1)));
        d->cache->lengths = input(g, "lengths", I32, shape(1, d->batch));
        b->cache = d->cache;
    }
    d->logits = model->build(b, options, d->x);
    TRY(graph_ok(g, err));
    if (d->cache && d->cache->n_layers == 0)
        return fail(err, FAIL_CONFIG, NULL, "model '%s' does not go token by token", model->name);
    PlanOutput *out = arena_new_array(g->arena, PlanOutput, 1 + 2 * HF_MAX_LAYERS);
    int n = 0;
    out[n++] = (PlanOutput){d->logits, NULL};
    for (int i = 0; d->cache && i < d->cache->n_layers; i++) {
        out[n++] = (PlanOutput){d->cache->layer[i].k_new, NULL};
        out[n++] = (PlanOutput){d->cache->layer[i].v_new, NULL};
    }
    d->plan = plan_new(g, out, n, NULL, err);
    return d->plan && allocate(d, err);
}

bool decoder_new(Decoder *d, const Model *model, const void *options, const ModelBuild *like,
                 int64_t batch, int64_t max_steps, Error *err)
{
    ModelBuild b = *like;
    Arena *a = like->params->arena;
    *d = (Decoder){.batch = batch,
                   .max_steps = max_steps,
                   .vocabulary = like->task.n_classes,
                   .source_steps = like->task.source_steps};
    b.training = false;
    b.observe = NULL;
    b.task.per_step = b.task.causal = true;
    b.graph = d->graph = graph_new(a);
    if (d->source_steps == 0) d->cache = arena_new_array(a, KvCache, 1);
    if (build(d, model, options, &b, err)) return true;
    decoder_free(d);
    return false;
}

void decoder_free(Decoder *d)
{
    plan_free(d->plan);
    memory_unmap(d->keys, d->keys ? d->keys_bytes : 0);
    memory_unmap(d->spare, d->spare ? d->keys_bytes : 0);
    *d = (Decoder){0};
}

void decoder_start(Decoder *d, const int32_t *source)
{
    const int64_t steps = d->source_steps + d->max_steps;
    d->step = 0;
    if (d->cache) return;
    memset(d->tokens, 0, sizeof(int32_t) * (size_t)(d->batch * steps));
    for (int64_t i = 0; i < d->batch; i++)
        memcpy(d->tokens + i * steps, source, sizeof(int32_t) * (size_t)d->source_steps);
}

/* The row that the step made goes to its place: x is (batch, 1, heads, D). */
static void keep_row(const Decoder *d, const Node *x, float *to)
{
    const float *from = plan_value(d->plan, x);
    const int64_t n = x->shape.dim[2] * x->shape.dim[3];
    for (int64_t i = 0; i < d->batch; i++)
        memcpy(to + (i * d->max_steps + d->step) * n, from + i * n, sizeof(float) * (size_t)n);
}

static const float *cached_step(Decoder *d, const int32_t *token)
{
    memcpy(d->tokens, token, sizeof(int32_t) * (size_t)d->batch);
    d->position = (int32_t)d->step;
    for (int64_t i = 0; i < d->batch; i++) d->lengths[i] = d->position + 1;
    plan_run(d->plan, 0);
    float *at = d->keys;
    for (int i = 0; i < d->cache->n_layers; i++) {
        const KvLayer *l = &d->cache->layer[i];
        const int64_t n = d->batch * row_floats(d, l);
        keep_row(d, l->k_new, at);
        keep_row(d, l->v_new, at + n);
        at += 2 * n;
    }
    d->step++;
    return plan_value(d->plan, d->logits);
}

/* The last of the steps that the model was given; the later ones, zeros, are not seen by it. */
static const float *whole_step(Decoder *d, const int32_t *token)
{
    const int64_t steps = d->source_steps + d->max_steps;
    for (int64_t i = 0; i < d->batch; i++)
        d->tokens[i * steps + d->source_steps + d->step] = token[i];
    plan_run(d->plan, 0);
    float *all = (float *)plan_value(d->plan, d->logits);
    const size_t bytes = sizeof(float) * (size_t)d->vocabulary;
    for (int64_t i = 0; i < d->batch; i++)
        memmove(all + i * d->vocabulary, all + (i * d->max_steps + d->step) * d->vocabulary, bytes);
    d->step++;
    return all;
}

const float *decoder_step(Decoder *d, const int32_t *token)
{
    return d->cache ? cached_step(d, token) : whole_step(d, token);
}

static void choose_tokens(const Decoder *d, const int32_t *from)
{
    const int64_t steps = d->source_steps + d->max_steps;
    int32_t *old = d->lengths; /* free without a cache */
    for (int64_t t = d->source_steps; t < d->source_steps + d->step; t++) {
        for (int64_t i = 0; i < d->batch; i++) old[i] = d->tokens[i * steps + t];
        for (int64_t i = 0; i < d->batch; i++) d->tokens[i * steps + t] = old[from[i]];
    }
}

void decoder_choose(Decoder *d, const int32_t *from)
{
    if (!d->cache) {
        choose_tokens(d, from);
        return;
    }
    int64_t at = 0;
    for (int i = 0; i < d->cache->n_layers; i++) {
        const int64_t row = row_floats(d, &d->cache->layer[i]);
        const size_t live = sizeof(float) * (size_t)(row / d->max_steps * d->step);
        for (int half = 0; half < 2; half++, at += d->batch * row)
            for (int64_t j = 0; j < d->batch; j++)
                memcpy(d->spare + at + j * row, d->keys + at + from[j] * row, live);
    }
    float *keys = d->keys;
    d->keys = d->spare;
    d->spare = keys;
    bind_cache(d);
}
