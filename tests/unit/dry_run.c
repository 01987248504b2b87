/* dry_run -- the cost of a run before it starts, against counts by hand. */
#include "tests/test.h"

#include "base/clock.h"
#include "run/dry_run.h"

#include <math.h>
#include <string.h>

typedef struct Case {
    Arena *arena;
    Experiment experiment;
    Dataset data;
    Network network;
    DryRun cost;
    Error err;
} Case;

/* 96 images of 8 x 8, a layer of 64 to 16 and one of 16 to 10, batches of 32. */
static bool run_case(Case *c, const char *optimizer, int batch_size)
{
    c->arena = arena_new();
    c->err = (Error){0};
    const char *text = arena_printf(c->arena,
                                    "data: {name: shapes, size: 8, n_train: 96, n_test: 10}\n"
                                    "model: {name: mlp, hidden: 16}\n"
                                    "optimizer: {%s}\n"
                                    "train: {steps: 2ep, batch_size: %d}\n",
                                    optimizer, batch_size);
    ASSERT_OK(experiment_parse(&c->experiment, c->arena, text, strlen(text), &c->err), &c->err);
    ASSERT_OK(dataset_open(&c->data, c->experiment.dataset, c->experiment.dataset_options, "data",
                           SPLITS_ALL, c->arena, &c->err),
              &c->err);
    return dry_run(&c->experiment, &c->data, c->arena, &c->network, &c->cost, &c->err);
}

static void end_case(Case *c)
{
    network_free(&c->network);
    dataset_close(&c->data);
    arena_free(c->arena);
}

TEST(dry_run, counts_steps_and_parameters)
{
    Case c;
    ASSERT_OK(run_case(&c, "name: sgd", 32), &c.err);
    assert_int_equal(c.cost.steps_per_epoch, 3);
    assert_int_equal(c.cost.steps, 6);
    assert_int_equal(c.cost.n_parameters, 64 * 16 + 16 + 16 * 10 + 10);
    end_case(&c);
}

/* Three products of 2 B I O a layer (forward, to the weights, to the input), the last of them not
 * for the first layer; biases, activation and loss add less than a tenth. */
TEST(dry_run, counts_the_products_of_a_step)
{
    Case c;
    ASSERT_OK(run_case(&c, "name: sgd", 32), &c.err);
    double products = 2.0 * 32 * (2 * 64 * 16 + 3 * 16 * 10);
    assert_true(c.cost.flops_per_step >= products && c.cost.flops_per_step < 1.1 * products);
    end_case(&c);
}

TEST(dry_run, optimizer_memory_is_its_slots_and_average)
{
    Case adam, averaged;
    ASSERT_OK(run_case(&adam, "name: adam", 32), &adam.err);
    ASSERT_OK(run_case(&averaged, "name: adam, ema_decay: 0.9", 32), &averaged.err);
    /* at least the elements; each tensor is padded to 16 floats */
    assert_in_range(adam.cost.optimizer_bytes, 2 * 4 * 1210, 2 * 4 * (1210 + 4 * 15));
    assert_int_equal(2 * averaged.cost.optimizer_bytes, 3 * adam.cost.optimizer_bytes);
    end_case(&adam);
    end_case(&averaged);
}

/* Or what this process, with the tests before, has held already. */
TEST(dry_run, peak_is_the_sum_of_its_parts)
{
    Case c;
    const int64_t before = clock_peak_bytes();
    ASSERT_OK(run_case(&c, "name: sgd", 32), &c.err);
    const DryRun *d = &c.cost;
    const int64_t sum = d->parameter_bytes + d->optimizer_bytes + d->train_bytes + d->eval_bytes +
                        d->batch_bytes + d->data_bytes + d->program_bytes;
    assert_true(d->peak_bytes >= sum && (d->peak_bytes == sum || d->peak_bytes >= before));
    assert_true(d->peak_bytes <= (sum > clock_peak_bytes() ? sum : clock_peak_bytes()));
    end_case(&c);
}

/* Two batches for training and two for the test, and the order of 96 images. */
TEST(dry_run, counts_the_batches_of_all_splits)
{
    Case c;
    ASSERT_OK(run_case(&c, "name: sgd", 32), &c.err);
    assert_int_equal(c.cost.batch_bytes, 2 * 2 * 32 * (64 * 4 + 4) + 96 * 8);
    end_case(&c);
}

TEST(dry_run, small_step_is_measured)
{
    Case c;
    ASSERT_OK(run_case(&c, "name: sgd", 32), &c.err);
    assert_true(c.cost.step_s > 0 && c.cost.step_s < 1);
    end_case(&c);
}

TEST(dry_run, parameters_name_their_shapes)
{
    Case c;
    ASSERT_OK(run_case(&c, "name: sgd", 32), &c.err);
    const Param *p = params_find(c.network.params, "fc.weight");
    assert_non_null(p);
    assert_true(p->shape.rank == 2 && p->shape.dim[0] == 10 && p->shape.dim[1] == 16);
    end_case(&c);
}

TEST(dry_run, batch_larger_than_the_data_is_named)
{
    Case c;
    ASSERT_FAILS(run_case(&c, "name: sgd", 97), &c.err, FAIL_CONFIG, "97");
    end_case(&c);
}
