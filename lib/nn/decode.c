/* decode -- see decode.h. */
#include "nn/decode.h"

#include <string.h>

/* -- Memory */

/* Floats of the keys, and of the values, of all sequences. */
static int64_t half_floats(const KvLayer *l)
{
    return shape_count(&l->k_old->shape);
}

static int64_t kept_floats(const KvLayer layer[], int n)
{
    int64_t floats = 0;
    for (int i = 0; i < n; i++) floats += 2 * half_floats(&layer[i]);
    return floats;
}

static void bind_layers(const Decoder *d, const KvLayer layer[], int n, float *at)
{
    for (int i = 0; i < n; i++) {
        const int64_t half = half_floats(&layer[i]);
        plan_bind(d->plan, layer[i].k_old, at);
        plan_bind(d->plan, layer[i].v_old, at + half);
        at += 2 * half;
    }
}

static bool take(float **out, size_t bytes, Error *err)
{
    void *memory = NULL;
    const bool ok = memory_map(&memory, bytes, err);
    *out = memory;
    return ok;
}

static bool allocate(Decoder *d, Error *err)
{
    const KvCache *c = d->cache;
    TRY(plan_allocate(d->plan, err));
    d->keys_bytes = sizeof(float) * (size_t)kept_floats(c->layer, c->n_layers);
    d->cross_bytes = sizeof(float) * (size_t)kept_floats(c->cross, c->n_cross);
    TRY(take(&d->keys, d->keys_bytes, err));
    TRY(take(&d->spare, d->keys_bytes, err));
    TRY(take(&d->cross, d->cross_bytes, err));
    bind_layers(d, c->layer, c->n_layers, d->keys);
    bind_layers(d, c->cross, c->n_cross, d->cross);
    plan_bind(d->plan, c->position, &d->position);
    plan_bind(d->plan, c->lengths, d->lengths);
    plan_bind(d->plan, c->distances, d->distances);
    if (c->source_lengths) plan_bind(d->plan, c->source_lengths, d->source_lengths);
    return true;
}

/* -- Building */

static bool build_encoder(Decoder *d, const Model *model, const void *options, ModelBuild b,
                          Error *err)
{
    Arena *a = b.params->arena;
    Graph *g = b.graph = graph_new(a);
    KvCache *c = d->source = b.cache = arena_new_array(a, KvCache, 1);
    const int64_t steps = b.task.source_steps;
    c->encode = true;
    d->source_tokens = arena_new_array(a, int32_t, steps);
    b.task.sample = shape(1, steps);
    Node *x = input(g, "source", I32, shape(2, INT64_C(1), steps));
    (void)model->build(&b, options, x);
    TRY(graph_ok(g, err));
    if (c->n_cross == 0) return true; /* a decoder alone: what comes first is its prompt */
    PlanOutput *out = arena_new_array(a, PlanOutput, 1 + 2 * HF_MAX_LAYERS);
    int n = 0;
    for (int i = 0; i < c->n_cross; i++) {
        out[n++] = (PlanOutput){c->cross[i].k_new, NULL};
        out[n++] = (PlanOutput){c->cross[i].v_new, NULL};
    }
    if (c->source_lengths) out[n++] = (PlanOutput){c->source_lengths, NULL};
    d->source_steps = steps;
    d->encoder = plan_new(g, out, n, NULL, err);
    TRY(d->encoder && plan_allocate(d->encoder, err));
    plan_bind(d->encoder, x, d->source_tokens);
    return true;
}

static bool build_step(Decoder *d, const Model *model, const void *options, ModelBuild b,
                       Error *err)
{
    Arena *a = b.params->arena;
    Graph *g = b.graph = graph_new(a);
    KvCache *c = d->cache = b.cache = arena_new_array(a, KvCache, 1);
    *c = (KvCache){.max_steps = d->max_steps,
                   .position = input(g, "position", I32, shape(1, INT64_C(1))),
                   .lengths = input(g, "lengths", I32, shape(1, d->batch)),
                   .distances = input(g, "distances", I32, shape(1, d->max_steps))};
    if (d->encoder && d->source->source_lengths)
        c->source_lengths = input(g, "source_lengths", I32, shape(1, d->batch));
    d->tokens = arena_new_array(a, int32_t, d->batch);
    d->lengths = arena_new_array(a, int32_t, d->batch);
    d->source_lengths = arena_new_array(a, int32_t, d->batch);
    d->distances = arena_new_array(a, int32_t, d->max_steps);
    b.task.sample = shape(1, INT64_C(1));
    Node *x = input(g, "x", I32, shape(2, d->batch, INT64_C(1)));
    d->logits = model->build(&b, options, x);
    TRY(graph_ok(g, err));
    if (c->n_layers == 0)
        return fail(err, FAIL_CONFIG, NULL, "model '%s' does not go token by token", model->name);
    PlanOutput *out = arena_new_array(a, PlanOutput, 1 + 2 * HF_MAX_LAYERS);
    int n = 0;
    out[n++] = (PlanOutput){d->logits, NULL};
    for (int i = 0; i < c->n_layers; i++) {
        out[n++] = (PlanOutput){c->layer[i].k_new, NULL};
        out[n++] = (PlanOutput){c->layer[i].v_new, NULL};
    }
    d->plan = plan_new(g, out, n, NULL, err);
    TRY(d->plan && allocate(d, err));
    plan_bind(d->plan, x, d->tokens);
    return true;
}

bool decoder_new(Decoder *d, const Model *model, const void *options, const ModelBuild *like,
                 int64_t batch, int64_t max_steps, Error *err)
{
    ModelBuild b = *like;
    *d = (Decoder){.batch = batch, .max_steps = max_steps, .vocabulary = like->task.n_classes};
    b.training = false;
    b.observe = NULL;
    b.metric = NULL;
    b.task.per_step = b.task.causal = true;
    if ((b.task.source_steps == 0 || build_encoder(d, model, options, b, err)) &&
        build_step(d, model, options, b, err))
        return true;
    decoder_free(d);
    return false;
}

void decoder_free(Decoder *d)
{
    plan_free(d->plan);
    plan_free(d->encoder);
    memory_unmap(d->keys, d->keys ? d->keys_bytes : 0);
    memory_unmap(d->spare, d->spare ? d->keys_bytes : 0);
    memory_unmap(d->cross, d->cross ? d->cross_bytes : 0);
    *d = (Decoder){0};
}

/* -- Running */

/* One source's rows (1, S, heads, D) for every sequence. */
static float *spread(const Decoder *d, const Node *from, float *to)
{
    const int64_t n = shape_count(&from->shape);
    for (int64_t i = 0; i < d->batch; i++, to += n)
        memcpy(to, plan_value(d->encoder, from), sizeof(float) * (size_t)n);
    return to;
}

void decoder_start(Decoder *d, const int32_t *source)
{
    float *at = d->cross;
    d->step = 0;
    if (!d->encoder) return;
    memcpy(d->source_tokens, source, sizeof(int32_t) * (size_t)d->source_steps);
    plan_run(d->encoder, 0);
    for (int i = 0; i < d->source->n_cross; i++) {
        at = spread(d, d->source->cross[i].k_new, at);
        at = spread(d, d->source->cross[i].v_new, at);
    }
    if (!d->source->source_lengths) return;
    const int32_t *length = plan_value(d->encoder, d->source->source_lengths);
    for (int64_t i = 0; i < d->batch; i++) d->source_lengths[i] = *length;
}

/* The row that the step made goes to its place: x is (batch, 1, heads, D). */
static void keep_row(const Decoder *d, const Node *x, float *to)
{
    const float *from = plan_value(d->plan, x);
    const int64_t n = x->shape.dim[2] * x->shape.dim[3];
    for (int64_t i = 0; i < d->batch; i++)
        memcpy(to + (i * d->max_steps + d->step) * n, from + i * n, sizeof(float) * (size_t)n);
}

const float *decoder_step(Decoder *d, const int32_t *token)
{
    memcpy(d->tokens, token, sizeof(int32_t) * (size_t)d->batch);
    d->position = (int32_t)d->step;
    for (int64_t i = 0; i < d->batch; i++) d->lengths[i] = d->position + 1;
    for (int64_t j = 0; j <= d->step; j++) d->distances[j] = (int32_t)(d->step - j);
    plan_run(d->plan, 0);
    float *at = d->keys;
    for (int i = 0; i < d->cache->n_layers; i++) {
        const KvLayer *l = &d->cache->layer[i];
        keep_row(d, l->k_new, at);
        keep_row(d, l->v_new, at + half_floats(l));
        at += 2 * half_floats(l);
    }
    d->step++;
    return plan_value(d->plan, d->logits);
}

void decoder_choose(Decoder *d, const int32_t *from)
{
    int64_t at = 0;
    for (int i = 0; i < d->cache->n_layers; i++) {
        const int64_t half = half_floats(&d->cache->layer[i]), row = half / d->batch;
        const size_t live = sizeof(float) * (size_t)(row / d->max_steps * d->step);
        for (int part = 0; part < 2; part++, at += half)
            for (int64_t j = 0; j < d->batch; j++)
                memcpy(d->spare + at + j * row, d->keys + at + from[j] * row, live);
    }
    float *keys = d->keys;
    d->keys = d->spare;
    d->spare = keys;
    bind_layers(d, d->cache->layer, d->cache->n_layers, d->keys);
}
