/* step_bench -- whole training steps of models that experiment files cannot name yet: forward,
 * backward and AdamW, as the trainer runs them, on data that is in memory.
 *
 * train_step_torch.py has the same models by the same names, and train_step.sh runs the two in
 * turn. Usage: step_bench: every model, one line each; step_bench MODEL STEPS THREADS: one record
 * (JSON) as run.json has it; step_bench MODEL STEPS THREADS profile: the kernels' times below the
 * line. */
#include "base/clock.h"
#include "base/threads.h"
#include "bench/limits.h"
#include "cpu/cpu.h"
#include "graph/op.h"
#include "graph/plan.h"
#include "nn/init.h"
#include "nn/layer.h"
#include "optim/optimizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VOCABULARY = 65, MAX_STEPS = 10000, MAX_OUTPUTS = 128 };
static const Init NORMAL = {.kind = INIT_NORMAL, .a = 0.02};
static const Init ONES = {.kind = INIT_ONES};
static const LayerInit gpt_init = {
    {.kind = INIT_NORMAL, .a = 0.02},
    {.kind = INIT_ZEROS                  }
};

/* -- Models: the loss, of the inputs "x" and "label" that each makes */

static Node *norm(ModelBuild *b, const char *prefix, Node *x)
{
    const Shape s = shape(1, x->shape.dim[x->shape.rank - 1]);
    Node *gain = model_param(b, model_name(b, "%s.weight", prefix), s, ROLE_NORM, ONES);
    Node *bias = model_param(b, model_name(b, "%s.bias", prefix), s, ROLE_NORM, (Init){0});
    return layer_norm(b->graph, x, gain, bias, 1e-5f);
}

static Node *embed(ModelBuild *b, int64_t batch, int64_t steps, int64_t width, Node **table)
{
    Graph *g = b->graph;
    *table = model_param(b, "embedding.weight", shape(2, (int64_t)VOCABULARY, width),
                         ROLE_EMBEDDING, NORMAL);
    return gather(g, *table, input(g, "x", I32, shape(2, batch, steps)));
}

static Node *mean_loss(ModelBuild *b, Node *logits)
{
    Graph *g = b->graph;
    Shape s = logits->shape;
    s.rank--;
    Node *label = input(g, "label", I32, s);
    return mean(g, cross_entropy(g, logits, label, 0, -1), ALL_AXES, false);
}

/* One block of GPT-2 (Radford et al. 2019): norms first, heads of 64. */
static Node *gpt_block(ModelBuild *b, int layer, Node *x)
{
    Graph *g = b->graph;
    const int64_t B = x->shape.dim[0], T = x->shape.dim[1], C = x->shape.dim[2], D = 64;
    const Shape heads = shape(4, B, T, C / D, D);
    const char *name = model_name(b, "h.%d", layer);
    Node *in = norm(b, model_name(b, "%s.ln_1", name), x), *part[3];
    Node *qkv = layer_linear(b, model_name(b, "%s.attn.c_attn", name), in, 3 * C, true, &gpt_init);
    for (int i = 0; i < 3; i++) part[i] = reshape(g, slice(g, qkv, 2, i * C, C), heads);
    Node *y = attention(g, part[0], part[1], part[2], (Attend){.causal = true});
    y = reshape(g, y, x->shape);
    x = add(g, x, layer_linear(b, model_name(b, "%s.attn.c_proj", name), y, C, true, &gpt_init));
    in = norm(b, model_name(b, "%s.ln_2", name), x);
    y = layer_linear(b, model_name(b, "%s.mlp.c_fc", name), in, 4 * C, true, &gpt_init);
    y = gelu_tanh(g, y);
    return add(g, x, layer_linear(b, model_name(b, "%s.mlp.c_proj", name), y, C, true, &gpt_init));
}

static Node *build_char_gpt(ModelBuild *b)
{
    const int64_t B = 16, T = 256, C = 384;
    Graph *g = b->graph;
    Node *table, *x = embed(b, B, T, C, &table);
    x = add(g, x, model_param(b, "wpe.weight", shape(2, T, C), ROLE_EMBEDDING, NORMAL));
    for (int i = 0; i < 6; i++) x = gpt_block(b, i, x);
    return mean_loss(b, linear(g, norm(b, "ln_f", x), table, NULL)); /* the head is the table */
}

/* One block of long convolutions (Fu et al., arXiv:2302.06646), norm first, one kernel a channel.
 * The linear layer reads the convolution's (B, C, T) as it lies. */
static Node *long_conv_block(ModelBuild *b, int layer, Node *x)
{
    Graph *g = b->graph;
    const int64_t T = x->shape.dim[1], C = x->shape.dim[2];
    const char *name = model_name(b, "layers.%d", layer);
    const Init normal = {.kind = INIT_NORMAL, .a = 1}, kernel = {.kind = INIT_NORMAL, .a = 0.002};
    const Init torch = {.kind = INIT_TORCH_DEFAULT, .fan_in = C};
    Node *k = model_param(b, model_name(b, "%s.kernel", name), shape(2, C, T), ROLE_WEIGHT, kernel);
    Node *d = model_param(b, model_name(b, "%s.D", name), shape(1, C), ROLE_WEIGHT, normal);
    Node *w =
        model_param(b, model_name(b, "%s.weight", name), shape(2, 2 * C, C), ROLE_WEIGHT, torch);
    Node *bias = model_param(b, model_name(b, "%s.bias", name), shape(1, 2 * C), ROLE_BIAS, torch);
    Node *u = transpose(g, norm(b, model_name(b, "%s.norm", name), x));
    Node *y = gelu(g, long_conv(g, u, k, d, NULL, REACH_CAUSAL));
    y = add(g, matmul(g, y, w, true, true), bias);
    Node *gate = sigmoid(g, slice(g, y, 2, C, C));
    return add(g, x, mul(g, slice(g, y, 2, 0, C), gate));
}

/* Images as sequences of numbers: 1024 pixels, ten classes. */
static Node *build_long_conv(ModelBuild *b)
{
    const int64_t B = 50, T = 1024, C = 128;
    Graph *g = b->graph;
    Node *x = input(g, "x", F32, shape(3, B, T, (int64_t)1));
    x = layer_linear(b, "encoder", x, C, true, &layer_init_torch);
    for (int i = 0; i < 6; i++) x = long_conv_block(b, i, x);
    x = mean(g, norm(b, "norm", x), 1u << 1, false);
    return mean_loss(b, layer_linear(b, "decoder", x, 10, true, &layer_init_torch));
}

static Node *build_lstm(ModelBuild *b)
{
    const int64_t B = 32, T = 128, H = 512;
    const Init torch = {.kind = INIT_TORCH_DEFAULT, .fan_in = H};
    Graph *g = b->graph;
    Node *table, *x = embed(b, B, T, H, &table);
    const RecurrentWeights w = {
        model_param(b, "lstm.weight_ih_l0", shape(2, 4 * H, H), ROLE_WEIGHT, torch),
        model_param(b, "lstm.weight_hh_l0", shape(2, 4 * H, H), ROLE_WEIGHT, torch),
        model_param(b, "lstm.bias_ih_l0", shape(1, 4 * H), ROLE_BIAS, torch),
        model_param(b, "lstm.bias_hh_l0", shape(1, 4 * H), ROLE_BIAS, torch),
    };
    Node *h = lstm(g, x, w, NULL, NULL, false).h;
    return mean_loss(b, layer_linear(b, "decoder", h, VOCABULARY, true, &layer_init_torch));
}

typedef struct StepModel {
    const char *name;
    Node *(*build)(ModelBuild *b);
    int classes, steps;
} StepModel;

static const StepModel models[] = {
    {"char_gpt",  build_char_gpt,  VOCABULARY, 5 },
    {"long_conv", build_long_conv, 10,         5 },
    {"lstm",      build_lstm,      VOCABULARY, 10},
};
enum { N_MODELS = sizeof models / sizeof *models };

/* -- Running */

typedef struct Training {
    Arena *arena;
    Plan *plan;
    Params *params;
    Node *loss;
    OptimizerState optimizer;
} Training;

static void must(bool ok, const Error *err)
{
    if (ok) return;
    error_print(err, stderr, false);
    exit(2);
}

/* Numbers of no meaning, the same in each run. */
static void bind_inputs(const Training *t, const Graph *g, int classes)
{
    for (int i = 0; i < g->n_nodes; i++) {
        const Node *n = g->nodes[i];
        if (n->op != &op_input) continue;
        const int64_t count = shape_count(&n->shape);
        int32_t *data = arena_new_array(t->arena, int32_t, count);
        for (int64_t k = 0; k < count; k++) {
            const int64_t number = (k * 7919 + k / 7) % 1009;
            const float real = (float)number / 1009.0f;
            data[k] = (int32_t)(number % classes);
            if (n->dtype == F32) memcpy(&data[k], &real, sizeof real);
        }
        plan_bind(t->plan, n, data);
    }
}

static void start(Training *t, const StepModel *m)
{
    Error err = {0};
    t->arena = arena_new();
    t->params = params_new(t->arena);
    Graph *g = graph_new(t->arena);
    ModelBuild b = {.graph = g, .params = t->params, .training = true, .seed = 1};
    t->loss = m->build(&b);
    must(graph_ok(g, &err) && params_allocate(t->params, &err), &err);
    params_init(t->params, 1);
    Node *wrt[MAX_OUTPUTS], *grad[MAX_OUTPUTS];
    PlanOutput outputs[MAX_OUTPUTS + 1] = {
        {t->loss, NULL}
    };
    int n = 0;
    for (Param *p = t->params->first; p && n < MAX_OUTPUTS; p = p->next)
        wrt[n++] = param_node(g, p);
    graph_grad(g, t->loss, NULL, wrt, n, grad);
    for (int i = 0; i < n; i++) outputs[1 + i] = (PlanOutput){grad[i], wrt[i]->param->grad};
    t->plan = plan_new(g, outputs, n + 1, NULL, &err);
    must(t->plan && plan_allocate(t->plan, &err), &err);
    bind_inputs(t, g, m->classes);
    void *options = arena_alloc(t->arena, optimizer_adamw.options.bytes);
    must(option_read(&optimizer_adamw.options, NULL, NULL, "in the benchmark", options, &err),
         &err);
    must(optimizer_start(&t->optimizer, &optimizer_adamw, options, t->params, t->arena, &err),
         &err);
}

static void step(Training *t, int i)
{
    plan_run(t->plan, (uint64_t)i);
    if (optimizer_step(&t->optimizer, 1e-3, NULL)) return;
    (void)fprintf(stderr, "step_bench: a gradient is not finite\n");
    exit(2);
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

typedef struct StepTime {
    double median_ms, first_step_s, flops;
    float loss;
} StepTime;

static StepTime measure(const StepModel *m, int steps, bool profile)
{
    static double times[MAX_STEPS];
    Training t = {0};
    StepTime result = {0};
    start(&t, m);
    for (int i = 0; i < steps; i++) {
        if (i == 1) plan_profile(t.plan, profile);
        const double before = clock_s();
        step(&t, i);
        times[i] = clock_s() - before;
        if (i == 0) result.first_step_s = clock_process_s();
    }
    if (profile) {
        char *text = plan_text(t.plan);
        printf("(seconds of %d runs)\n%s", steps - 1, text);
        free(text);
    }
    const int warm = steps / 4;
    qsort(times + warm, (size_t)(steps - warm), sizeof *times, by_value);
    result.median_ms = 1e3 * times[warm + (steps - warm) / 2];
    result.flops = plan_cost(t.plan).flops;
    result.loss = *(const float *)plan_value(t.plan, t.loss);
    optimizer_free(&t.optimizer);
    plan_free(t.plan);
    params_free(t.params);
    arena_free(t.arena);
    return result;
}

static void print_all(void)
{
    for (int threads = 1; threads <= 2; threads++) {
        Limits limits;
        Error err = {0};
        threads_set(threads);
        must(limits_measure(&limits, 0.3, &err), &err);
        for (int i = 0; i < N_MODELS; i++) {
            const StepTime t = measure(&models[i], models[i].steps, false);
            const double rate = t.flops / t.median_ms * 1e3;
            printf("%-10s isa %s, %d threads  %9.2f ms a step  %6.1f GFLOP/s, %2.0f %% of the "
                   "limit; loss %.4f\n",
                   models[i].name, cpu->isa, threads, t.median_ms, rate / 1e9,
                   100 * rate / limits.flops_per_s, (double)t.loss);
            (void)fflush(stdout);
        }
    }
}

static void print_one(const StepModel *m, int steps, bool profile)
{
    const StepTime t = measure(m, steps, profile);
    printf("{\"model\": \"%s\", \"step_ms\": %.4f, \"first_step_s\": %.3f, \"peak_bytes\": %lld, "
           "\"gflop\": %.2f, \"loss\": %.5f}\n",
           m->name, t.median_ms, t.first_step_s, (long long)clock_peak_bytes(), t.flops / 1e9,
           (double)t.loss);
}

int main(int argc, char **argv)
{
    Error err = {0};
    must(cpu_select(NULL, &err), &err);
    if (argc < 4) {
        print_all();
        return 0;
    }
    const int steps = atoi(argv[2]);
    threads_set(atoi(argv[3]));
    for (int i = 0; i < N_MODELS; i++)
        if (!strcmp(models[i].name, argv[1]) && steps > 0 && steps <= MAX_STEPS) {
            print_one(&models[i], steps, argc > 4);
            return 0;
        }
    (void)fprintf(stderr, "step_bench: no model %s, or not 1 to %d steps\n", argv[1], MAX_STEPS);
    return 2;
}
