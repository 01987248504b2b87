/* Data of tokens in a network: they arrive as integers, and a table too small for them is found. */
#include "data/loader.h"
#include "nn/layer.h"
#include "run/network.h"
#include "tests/test.h"

#include <math.h>
#include <string.h>

enum { WIDTH = 4, BATCH = 5, LENGTH = 12 };

/* The mean of a table's rows, then a linear layer; the option gives the table's rows. */
typedef struct Bag {
    int init;
    int64_t rows;
} Bag;

static const Option bag_options[] = {
    MODEL_OPTION_INIT(Bag),
    OPT_INT(Bag, rows, 0, 0, 1000, "rows of the table; 0: as the data need"),
};

static Node *bag_build(ModelBuild *b, const void *options, Node *x)
{
    const Bag *o = options;
    const Init normal = {.kind = INIT_NORMAL, .a = 1};
    Node *table = model_param(b, "table", shape(2, o->rows ? o->rows : b->task.n_tokens, WIDTH),
                              ROLE_EMBEDDING, normal);
    Node *bag = mean(b->graph, gather(b->graph, table, x), 1u << 1, false);
    return layer_linear(b, "fc", bag, b->task.n_classes, true, &layer_init_torch);
}

static const Model bag_model = {
    .name = "bag",
    .summary = "of these tests",
    .revision = 1,
    .options = OPTION_TABLE(Bag, bag_options),
    .build = bag_build,
    .init = model_common_init,
};

typedef struct Case {
    Arena *arena;
    Experiment experiment;
    Dataset data;
    Network network;
    Error err;
} Case;

/* Opens delay's data and builds `model` (NULL: an mlp) for it. */
static bool build(Case *c, const Model *model, const Bag *options)
{
    static const char text[] = "data: {name: delay, length: 12, delay: 3, n_symbols: 6}\n"
                               "model: {name: mlp, hidden: 16}\n"
                               "train: {steps: 10, batch_size: 5}\n";
    memset(c, 0, sizeof *c);
    c->arena = arena_new();
    Experiment *e = &c->experiment;
    ASSERT_OK(experiment_parse(e, c->arena, text, strlen(text), &c->err), &c->err);
    Bag *bag = arena_new_array(c->arena, Bag, 1);
    if (model) {
        *bag = *options;
        e->model = model;
        e->model_options = bag;
    }
    ASSERT_OK(dataset_open(&c->data, e->dataset, e->dataset_options, "data", SPLITS_ALL, c->arena,
                           &c->err),
              &c->err);
    const NetworkOptions o = {.task = c->data.task,
                              .train = true,
                              .eval = true,
                              .allocate = true,
                              .total_steps = 10,
                              .steps_per_epoch = 5};
    return network_new(&c->network, e, &o, c->arena, &c->err);
}

static void end_case(Case *c)
{
    network_free(&c->network);
    dataset_close(&c->data);
    arena_free(c->arena);
}

static const float *values_of(const Case *c, const char *name)
{
    for (const Param *p = c->network.params->first; p; p = p->next)
        if (strcmp(p->name, name) == 0) return p->data;
    assert_true(false);
    return NULL;
}

/* The logits of a batch, by hand in double. */
TEST(tokens, reach_the_table_as_the_data_give_them)
{
    Case c;
    ASSERT_OK(build(&c, &bag_model, &(Bag){0}), &c.err);
    ASSERT_OK(network_init(&c.network, NULL, "", &c.err), &c.err);
    const LoaderOptions o = {.split = SPLIT_TEST, .batch_size = BATCH};
    Loader *l = loader_new(&c.data, &o, &c.err);
    ASSERT_OK(l != NULL, &c.err);
    const Batch batch = loader_batch(l, 1);
    Pass *pass = &c.network.eval;
    plan_bind(pass->plan, pass->x, batch.x);
    plan_bind(pass->plan, pass->label, batch.label);
    plan_run(pass->plan, 0);
    const float *logits = plan_value(pass->plan, pass->logits), *table = values_of(&c, "table");
    const float *w = values_of(&c, "fc.weight"), *bias = values_of(&c, "fc.bias");
    for (int64_t i = 0; i < BATCH; i++) {
        int32_t token[LENGTH], label;
        double bag[WIDTH] = {0};
        dataset_example(&c.data, SPLIT_TEST, BATCH + i, false, 0, 0, token, &label);
        for (int t = 0; t < LENGTH; t++)
            for (int k = 0; k < WIDTH; k++) bag[k] += (double)table[token[t] * WIDTH + k] / LENGTH;
        for (int j = 0; j < 6; j++) {
            double y = (double)bias[j];
            for (int k = 0; k < WIDTH; k++) y += bag[k] * (double)w[j * WIDTH + k];
            /* 12 + 4 float additions of numbers below 4 */
            assert_true(fabs(y - (double)logits[i * 6 + j]) < 16 * 4 * 6e-8 * 4);
        }
    }
    loader_free(l);
    end_case(&c);
}

TEST(tokens, a_table_with_too_few_rows_is_refused)
{
    Case c;
    ASSERT_FAILS(build(&c, &bag_model, &(Bag){.rows = 6}), &c.err, FAIL_CONFIG,
                 "a table of 6 rows for data of 7 tokens; in model 'bag', whose data are tokens");
    end_case(&c);
}

TEST(tokens, a_model_of_reals_is_told_what_the_data_are)
{
    Case c;
    ASSERT_FAILS(build(&c, NULL, NULL), &c.err, FAIL_CONFIG,
                 "in model 'mlp', whose data are tokens");
    end_case(&c);
}
