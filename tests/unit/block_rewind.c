/* block_rewind -- blocks and filters that go after training, where what is left goes back to a step
 * of the dense run: against that run itself, stopped there. */
#include "tests/case.h"
#include "tests/test.h"

#include "io/safetensors.h"
#include "run/network.h"
#include "run/trainer.h"

#include <string.h>

enum { STEPS = 8, REWIND = 3 };

static void identify(Case *c, Experiment *e)
{
    if (e->base.experiment) identify(c, e->base.experiment);
    experiment_identify(e, c->arena, c->data.sha256);
}

static void load(Case *c, const char *method)
{
    char text[1024];
    (void)snprintf(text, sizeof text,
                   "name: a/b\n"
                   "data: {name: shapes, size: 8, n_train: 60, n_test: 10}\n"
                   "train: {steps: %d, batch_size: 10, eval_every: 4}\n"
                   "model: {name: resnet20, shortcut: B, width: 4}\n"
                   "optimizer: {name: sgd, lr: 0.1, momentum: 0.9}\n"
                   "methods: [%s]\n",
                   STEPS, method);
    case_load(c, text);
    ASSERT_OK(experiment_references(&c->experiment, c->arena, &c->err), &c->err);
    identify(c, &c->experiment);
}

/* Its checkpoint, once it and what it starts from are trained. */
static const char *train(Case *c, Experiment *e, const char *results, int64_t pause_at)
{
    char folder[4096];
    TrainFlags flags = {.results = results, .pause_at = pause_at};
    TrainReport report = {0};
    TrainOutcome outcome;
    RunRecord record = {0};
    if (e->base.experiment) (void)train(c, e->base.experiment, results, 0);
    ASSERT_OK(train_run(e, &c->data, &flags, &report, &outcome, &record, &c->err), &c->err);
    ASSERT_OK(rundir_path(results, e, folder, &c->err), &c->err);
    return arena_printf(c->arena, "%s/checkpoint/model.safetensors", folder);
}

static void open_weights(Case *c, const char *path, Safetensors *out)
{
    ASSERT_OK(safetensors_open(out, c->arena, path, &c->err), &c->err);
}

static bool build(Case *c, const char *base)
{
    const NetworkOptions o = {.task = c->data.task,
                              .train = true,
                              .total_steps = STEPS,
                              .steps_per_epoch = 6,
                              .data = &c->data,
                              .base = base};
    return network_new(&c->network, &c->experiment, &o, c->arena, &c->err) &&
           network_init(&c->network, NULL, base, &c->err);
}

/* The dense run, paused at the step. */
static void paused(Case *c, Safetensors *out)
{
    load(c, "");
    open_weights(c, train(c, &c->experiment, test_folder(), REWIND), out);
}

TEST(block_rewind, blocks_start_from_the_dense_runs_step)
{
    Case dense, ticket;
    Safetensors there;
    paused(&dense, &there);
    load(&ticket, "{name: layer_lottery, criterion: expect_abs, p: 2, samples_per_class: 2, "
                  "weights: rewound, rewind: 3}");
    Experiment *before = ticket.experiment.base.experiment;
    assert_non_null(before);
    ASSERT_OK(build(&ticket, train(&ticket, before, test_folder(), 0)), &ticket.err);
    assert_int_equal(ticket.network.architecture->without.n, 2);
    assert_int_equal(network_first_step(&ticket.network), REWIND);
    int compared = 0;
    for (const Param *p = ticket.network.params->first; p; p = p->next) {
        const StTensor *t = safetensors_find(&there, p->name);
        if (strstr(p->name, "_rewind")) continue;
        assert_non_null(t);
        assert_memory_equal(t->data, p->data, sizeof(float) * (size_t)p->n);
        compared++;
    }
    assert_true(compared > 50);
    safetensors_close(&there);
    case_free(&dense);
    case_free(&ticket);
}

/* Each filter that stays is one of the dense run's at that step. */
TEST(block_rewind, filters_start_from_the_dense_runs_step)
{
    Case dense, thin;
    Safetensors there;
    paused(&dense, &there);
    load(&thin, "{name: filter_prune, criterion: l1, filters: 9, weights: rewound, rewind: 3}");
    ASSERT_OK(build(&thin, train(&thin, thin.experiment.base.experiment, test_folder(), 0)),
              &thin.err);
    for (int i = 0; i < 9; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "layer%d.%d.conv1.weight", i / 3 + 1, i % 3);
        const Param *p = params_find(thin.network.params, name);
        const StTensor *t = safetensors_find(&there, name);
        const int64_t each = p->n / p->shape.dim[0];
        const float *row = t->data;
        for (int64_t k = 0; k < p->shape.dim[0]; k++, row += each)
            while (memcmp(row, p->data + k * each, sizeof(float) * (size_t)each) != 0) {
                row += each;
                assert_true(row < (const float *)t->data + t->n);
            }
    }
    safetensors_close(&there);
    case_free(&dense);
    case_free(&thin);
}

TEST(block_rewind, the_run_that_remembers_is_the_dense_run)
{
    static const char *const methods[] = {
        "{name: layer_lottery, p: 0, weights: rewound, rewind: 3}",
        "{name: filter_prune, weights: rewound, rewind: 3}"};
    Case dense;
    Safetensors want;
    load(&dense, "");
    open_weights(&dense, train(&dense, &dense.experiment, test_folder(), 0), &want);
    for (int k = 0; k < 2; k++) {
        Case c;
        Safetensors got;
        load(&c, methods[k]);
        assert_null(c.experiment.base.experiment);
        open_weights(&c, train(&c, &c.experiment, test_folder(), 0), &got);
        for (int i = 0; i < want.n_tensors; i++) {
            const StTensor *t = safetensors_find(&got, want.tensors[i].name);
            assert_non_null(t);
            assert_memory_equal(t->data, want.tensors[i].data, sizeof(float) * (size_t)t->n);
        }
        safetensors_close(&got);
        case_free(&c);
    }
    safetensors_close(&want);
    case_free(&dense);
}

TEST(block_rewind, criteria_share_the_dense_run)
{
    Case a, b;
    load(&a, "{name: layer_lottery, criterion: kl, p: 1, weights: rewound, rewind: 3}");
    load(&b, "{name: layer_lottery, criterion: cka, p: 3, weights: rewound, rewind: 3}");
    assert_string_equal(a.experiment.base.experiment->id, b.experiment.base.experiment->id);
    case_free(&a);
    case_free(&b);
}

TEST(block_rewind, a_step_that_is_not_in_the_run_is_named)
{
    static const char *const steps[] = {"0", "8"};
    for (int i = 0; i < 2; i++) {
        Case c;
        char method[128], text[128];
        (void)snprintf(method, sizeof method,
                       "{name: layer_lottery, p: 0, weights: rewound, rewind: %s}", steps[i]);
        (void)snprintf(text, sizeof text,
                       "weights: rewound needs a rewind between 1 and the run's 8 steps, not %s",
                       steps[i]);
        load(&c, method);
        ASSERT_FAILS(build(&c, ""), &c.err, FAIL_CONFIG, text);
        case_free(&c);
    }
}

/* Six blocks of ResNet-20 could go. */
TEST(block_rewind, blocks_that_go_can_be_a_share)
{
    static const struct {
        const char *p;
        int gone;
    } cases[] = {
        {"0.5",  3},
        {"0.34", 2},
        {"0.05", 0},
        {"2",    2}
    };
    Case c;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char method[128];
        (void)snprintf(method, sizeof method, "{name: layer_lottery, criterion: l1, p: %s}",
                       cases[i].p);
        load(&c, method);
        ASSERT_OK(build(&c, ""), &c.err);
        assert_int_equal(c.network.architecture->without.n, cases[i].gone);
        case_free(&c);
    }
    load(&c, "{name: layer_lottery, criterion: l1, p: 1.5}");
    ASSERT_FAILS(build(&c, ""), &c.err, FAIL_CONFIG,
                 "p = 1.5 is neither a number of blocks nor a share of them below 1");
    case_free(&c);
}
