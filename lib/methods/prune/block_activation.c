/* block_activation -- scores of blocks by what they give (block_score.h): expect_abs, hrank, pls;
 * and the graph that says it. */
#include "methods/prune/block_score.h"
#include "methods/prune/block_stats.h"

#include "graph/plan.h"

#include <math.h>
#include <string.h>

/* -- The graph */

static void add_output(void *owner, const char *block, Node *output)
{
    BlockGraph *b = owner;
    if (b->n == b->capacity) {
        const int capacity = b->capacity ? 2 * b->capacity : 32;
        const char **name = arena_new_array(b->arena, const char *, capacity);
        Node **node = arena_new_array(b->arena, Node *, capacity);
        for (int i = 0; i < b->n; i++) {
            name[i] = b->name[i];
            node[i] = b->output[i];
        }
        b->name = name;
        b->output = node;
        b->capacity = capacity;
    }
    b->name[b->n] = block;
    b->output[b->n++] = output;
}

bool block_graph(BlockGraph *b, const MethodCall *c, const char *without, int64_t batch, Error *err)
{
    *b = (BlockGraph){.arena = arena_new()};
    Graph *g = graph_new(b->arena);
    Architecture *architecture = arena_new_array(b->arena, Architecture, 1);
    ModelBuild m = *c->like;
    m.graph = g;
    m.training = false;
    m.observe_block = add_output;
    m.observer = b;
    if (without) {
        if (m.architecture) *architecture = *m.architecture;
        m.architecture = architecture;
        if (!architecture_leave_out(architecture, without))
            return fail(err, FAIL_CONFIG, NULL, "more than %d blocks", NAME_LIST_MAX);
    }
    Shape x = {.rank = m.task.sample.rank + 1, .dim = {batch}};
    for (int i = 0; i < m.task.sample.rank; i++) x.dim[i + 1] = m.task.sample.dim[i];
    b->x = input(g, "x", m.task.dtype, x);
    b->logits = c->model->build(&m, c->model_options, b->x);
    TRY(graph_ok(g, err));
    PlanOutput *outputs = arena_new_array(b->arena, PlanOutput, b->n + 1);
    outputs[0].node = b->logits;
    for (int i = 0; i < b->n; i++) outputs[i + 1].node = b->output[i];
    b->plan = plan_new(g, outputs, b->n + 1, NULL, err);
    return b->plan && plan_allocate(b->plan, err);
}

void block_graph_run(BlockGraph *b, const Samples *s, int64_t batch)
{
    plan_bind(b->plan, b->x, samples_x(s, batch));
    plan_run(b->plan, 0);
}

void block_pool(const BlockGraph *b, const Node *output, double *out)
{
    const float *value = plan_value(b->plan, output);
    const int rank = output->shape.rank;
    const int64_t batch = output->shape.dim[0], channels = output->shape.dim[rank - 1];
    const int64_t places = shape_count(&output->shape) / batch / channels;
    for (int64_t i = 0; i < batch; i++)
        for (int64_t c = 0; c < channels; c++) {
            double sum = 0;
            for (int64_t k = 0; k < places; k++)
                sum += (double)value[(i * places + k) * channels + c];
            out[i * channels + c] = sum / (double)places;
        }
}

void block_graph_free(BlockGraph *b)
{
    plan_free(b->plan);
    arena_free(b->arena);
    *b = (BlockGraph){0};
}

/* -- What a block gives */

static Node *output_of(const BlockGraph *g, const char *block)
{
    for (int i = 0; i < g->n; i++)
        if (strcmp(g->name[i], block) == 0) return g->output[i];
    return NULL;
}

static double mean_abs(const BlockGraph *g, const Node *output)
{
    const float *value = plan_value(g->plan, output);
    const int64_t n = shape_count(&output->shape);
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += fabs((double)value[i]);
    return sum / (double)n;
}

/* Of maps (batch, h, w, channels). */
static double mean_rank(const BlockGraph *g, const Node *output, Arena *a)
{
    const float *value = plan_value(g->plan, output);
    const int64_t *d = output->shape.dim, places = d[1] * d[2];
    double *map = arena_new_array(a, double, places), sum = 0;
    for (int64_t i = 0; i < d[0]; i++)
        for (int64_t c = 0; c < d[3]; c++) {
            for (int64_t k = 0; k < places; k++)
                map[k] = (double)value[(i * places + k) * d[3] + c];
            sum += (double)matrix_rank(map, d[1], d[2]);
        }
    return sum / (double)(d[0] * d[3] * (d[1] > d[2] ? d[1] : d[2]));
}

static bool by_size(BlockGraph *g, const BlockScoring *o, const Samples *s, Blocks *blocks,
                    Error *err)
{
    for (int64_t b = 0; b < s->n_batches; b++) {
        block_graph_run(g, s, b);
        for (int i = 0; i < blocks->n; i++) {
            Block *block = &blocks->at[i];
            const Node *output = block->candidate ? output_of(g, block->name) : NULL;
            if (!output) continue;
            if (o->criterion == BLOCK_HRANK && output->shape.rank != 4)
                return fail(err, FAIL_CONFIG, NULL, "hrank needs blocks that give images");
            const double now =
                o->criterion == BLOCK_HRANK ? mean_rank(g, output, g->arena) : mean_abs(g, output);
            block->score += now / (double)s->n_batches;
        }
    }
    return true;
}

/* -- How much of the labels a block explains */

static int64_t channels_of(const BlockGraph *g, const Block *b)
{
    const Node *output = b->candidate ? output_of(g, b->name) : NULL;
    return output ? output->shape.dim[output->shape.rank - 1] : 0;
}

/* The columns of all candidates, one after the other. */
static void collect(BlockGraph *g, const Samples *s, const Blocks *blocks, int64_t m, double *x)
{
    double *pooled = arena_new_array(g->arena, double, s->batch_size *m);
    for (int64_t b = 0; b < s->n_batches; b++) {
        block_graph_run(g, s, b);
        for (int64_t k = 0, first = 0; k < blocks->n; k++) {
            const int64_t n = channels_of(g, &blocks->at[k]);
            if (n == 0) continue;
            block_pool(g, output_of(g, blocks->at[k].name), pooled);
            for (int64_t i = 0; i < s->batch_size; i++)
                memcpy(x + (b * s->batch_size + i) * m + first, pooled + i * n,
                       sizeof(double) * (size_t)n);
            first += n;
        }
    }
}

static void by_labels(BlockGraph *g, const MethodCall *c, const BlockScoring *o, const Samples *s,
                      Blocks *blocks)
{
    const int64_t classes = c->like->task.n_classes;
    int64_t m = 0, first = 0;
    for (int i = 0; i < blocks->n; i++) m += channels_of(g, &blocks->at[i]);
    double *x = arena_new_array(g->arena, double, s->n *m);
    double *y = arena_new_array(g->arena, double, s->n *classes);
    double *scratch = arena_new_array(g->arena, double, 2 * s->n + 2 * m + classes);
    double *vip = arena_new_array(g->arena, double, m);
    collect(g, s, blocks, m, x);
    for (int64_t i = 0; i < s->n; i++) y[i * classes + s->label[i]] = 1;
    centre_columns(x, s->n, m);
    centre_columns(y, s->n, classes);
    pls_vip(x, m, y, classes, s->n, (int)o->components, scratch, vip);
    for (int i = 0; i < blocks->n; i++) {
        const int64_t n = channels_of(g, &blocks->at[i]);
        double sum = 0;
        for (int64_t k = 0; k < n; k++) sum += vip[first++];
        if (n > 0) blocks->at[i].score = sum / (double)n;
    }
}

bool block_activation_scores(const MethodCall *c, const BlockScoring *o, const Samples *s,
                             Blocks *blocks, Error *err)
{
    BlockGraph g;
    bool ok = block_graph(&g, c, NULL, s->batch_size, err);
    if (ok && o->criterion == BLOCK_PLS)
        by_labels(&g, c, o, s, blocks);
    else
        ok = ok && by_size(&g, o, s, blocks, err);
    block_graph_free(&g);
    return ok;
}
