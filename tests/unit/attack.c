/* attack -- FGSM and PGD on a small network that was trained on the spot. */
#include "run/attack.h"
#include "base/threads.h"
#include "tests/test.h"

#include <math.h>
#include <string.h>

enum { SIDE = 8, PIXELS = SIDE * SIDE, BATCH = 40 };

typedef struct Setup {
    Arena *arena;
    Error err;
    Experiment experiment;
    Dataset data;
    Network network;
    Attacker attacker;
    Loader *unit;
} Setup;

static void train(Setup *s)
{
    const LoaderOptions o = {.split = SPLIT_TRAIN, .batch_size = BATCH, .shuffle = true, .seed = 1};
    Loader *loader = loader_new(&s->data, &o, &s->err);
    ASSERT_OK(loader != NULL, &s->err);
    Pass *pass = &s->network.train;
    for (int step = 0; step < 60; step++) {
        Batch b = loader_batch(loader, step);
        plan_bind(pass->plan, pass->x, b.x);
        plan_bind(pass->plan, pass->label, b.label);
        plan_run(pass->plan, (uint64_t)step);
        for (Param *p = s->network.params->first; p; p = p->next)
            for (int64_t i = 0; p->trainable && i < p->n; i++) p->data[i] -= 0.2F * p->grad[i];
    }
    loader_free(loader);
}

static Setup *setup(void)
{
    static const char text[] =
        "data: {name: shapes, size: 8, n_train: 400, n_test: 70, noise: 0.02}\n"
        "model: {name: mlp, hidden: [24]}\ntrain: {steps: 10, batch_size: 40}\n";
    Arena *a = arena_new();
    Setup *s = arena_new_array(a, Setup, 1);
    s->arena = a;
    Experiment *e = &s->experiment;
    ASSERT_OK(experiment_parse(e, a, text, sizeof text - 1, &s->err), &s->err);
    ASSERT_OK(dataset_open(&s->data, e->dataset, e->dataset_options, "", SPLITS_ALL, a, &s->err),
              &s->err);
    const NetworkOptions o = {.task = s->data.task, .train = true, .eval = true, .allocate = true};
    ASSERT_OK(network_new(&s->network, e, &o, a, &s->err), &s->err);
    ASSERT_OK(network_init(&s->network, NULL, "", &s->err), &s->err);
    train(s);
    ASSERT_OK(attacker_open(&s->attacker, &s->network, &s->data, &s->err), &s->err);
    const LoaderOptions unit = {.split = SPLIT_TEST, .batch_size = BATCH, .unit = true};
    s->unit = loader_new(&s->data, &unit, &s->err);
    ASSERT_OK(s->unit != NULL, &s->err);
    return s;
}

static void done(Setup *s)
{
    loader_free(s->unit);
    attacker_close(&s->attacker);
    network_free(&s->network);
    dataset_close(&s->data);
    arena_free(s->arena);
}

static Evaluation evaluated(Setup *s, const Attack *how)
{
    Evaluation e = {0};
    ASSERT_OK(attack_evaluate(&s->attacker, how, s->unit, &e, &s->err), &s->err);
    return e;
}

static Evaluation clean(Setup *s)
{
    const LoaderOptions o = {.split = SPLIT_TEST, .batch_size = BATCH};
    Evaluation e = {0};
    Loader *loader = loader_new(&s->data, &o, &s->err);
    ASSERT_OK(loader && evaluate(&s->network, loader, &e, &s->err), &s->err);
    loader_free(loader);
    return e;
}

TEST(attack, eps_0_is_the_clean_evaluation_to_the_bit)
{
    Setup *s = setup();
    const Attack none = attack_fgsm(0);
    const Evaluation a = evaluated(s, &none), b = clean(s);
    assert_int_equal(a.n, 70);
    assert_int_equal(a.n_top1, b.n_top1);
    assert_memory_equal(&a.loss, &b.loss, sizeof a.loss);
    done(s);
}

/* By the gradient of the last pass, which fgsm leaves behind. */
TEST(attack, fgsm_moves_every_pixel_by_eps_along_the_sign)
{
    Setup *s = setup();
    const Attack fgsm = attack_fgsm(8);
    const float eps = (float)(8.0 / 255);
    Batch b = loader_batch(s->unit, 0);
    attack_batch(&s->attacker, &fgsm, &b, 0);
    const float *g = plan_value(s->attacker.pass.plan, s->attacker.dx);
    int moved = 0;
    for (int i = 0; i < BATCH * PIXELS; i++) {
        const float to = g[i] > 0 ? b.x[i] + eps : g[i] < 0 ? b.x[i] - eps : b.x[i];
        assert_true(s->attacker.v[i] == (to < 0 ? 0 : to > 1 ? 1 : to));
        moved += s->attacker.v[i] != b.x[i];
    }
    assert_true(moved > BATCH * PIXELS / 2);
    done(s);
}

/* The slope of the loss along the gradient's sign is the gradient's 1-norm. */
TEST(attack, gradient_is_that_of_the_loss)
{
    Setup *s = setup();
    const Attack none = attack_fgsm(0);
    Batch b = loader_batch(s->unit, 0);
    attack_batch(&s->attacker, &none, &b, 0);
    static float g[BATCH * PIXELS], x[BATCH * PIXELS];
    memcpy(g, plan_value(s->attacker.pass.plan, s->attacker.dx), sizeof g);
    const double h = 1e-3;
    double norm = 0, loss[2] = {0, 0};
    Pass *pass = &s->network.eval;
    for (int side = 0; side < 2; side++) {
        for (int i = 0; i < BATCH * PIXELS; i++) {
            const float sign = g[i] > 0 ? 1 : g[i] < 0 ? -1 : 0;
            x[i] = s->attacker.x[i] + (side ? 1 : -1) * (float)h * sign;
            if (side) norm += fabs((double)g[i]);
        }
        plan_bind(pass->plan, pass->x, x);
        plan_bind(pass->plan, pass->label, b.label);
        plan_run(pass->plan, 0);
        const float *each = plan_value(pass->plan, pass->loss);
        for (int i = 0; i < BATCH; i++) loss[side] += (double)each[i];
    }
    /* a ReLU or two turn over within h; float32 losses of some 60 in all give 1e-5 / h of 300 */
    assert_true(fabs((loss[1] - loss[0]) / (2 * h) / norm - 1) < 0.01);
    done(s);
}

TEST(attack, losses_rise_with_eps_and_pgd_beats_fgsm)
{
    Setup *s = setup();
    const Attack small = attack_fgsm(2), large = attack_fgsm(8);
    const Attack pgd = {.eps = 8, .step = 2, .steps = 10};
    const double none = clean(s).loss, at_2 = evaluated(s, &small).loss;
    const double at_8 = evaluated(s, &large).loss, best = evaluated(s, &pgd).loss;
    assert_true(none < at_2 && at_2 < at_8 && at_8 <= best);
    done(s);
}

TEST(attack, pgd_stays_in_the_ball_and_in_the_pixels)
{
    Setup *s = setup();
    const Attack pgd = {.eps = 4, .step = 3, .steps = 5, .random_start = true, .seed = 2};
    const float eps = (float)(4.0 / 255);
    Batch b = loader_batch(s->unit, 1);
    attack_batch(&s->attacker, &pgd, &b, BATCH);
    int at_edge = 0;
    for (int i = 0; i < (int)b.n * PIXELS; i++) {
        const float v = s->attacker.v[i];
        assert_true(v >= 0 && v <= 1 && v >= b.x[i] - eps && v <= b.x[i] + eps);
        at_edge += v == b.x[i] - eps || v == b.x[i] + eps;
    }
    assert_true(at_edge > 0);
    done(s);
}

TEST(attack, a_random_start_depends_on_seed_and_example)
{
    Setup *s = setup();
    Attack start = {.eps = 4, .step = 0, .steps = 1, .random_start = true, .seed = 2};
    static float one[BATCH * PIXELS], other[BATCH * PIXELS];
    Batch b = loader_batch(s->unit, 0);
    attack_batch(&s->attacker, &start, &b, 0);
    memcpy(one, s->attacker.v, sizeof one);
    attack_batch(&s->attacker, &start, &b, 1);
    memcpy(other, s->attacker.v, sizeof other);
    assert_memory_not_equal(one, other, sizeof one);
    start.seed = 3;
    attack_batch(&s->attacker, &start, &b, 0);
    assert_memory_not_equal(one, s->attacker.v, sizeof one);
    start.seed = 2;
    attack_batch(&s->attacker, &start, &b, 0);
    assert_memory_equal(one, s->attacker.v, sizeof one);
    done(s);
}

TEST(attack, bits_do_not_depend_on_threads)
{
    Setup *s = setup();
    const Attack pgd = {.eps = 4, .step = 1, .steps = 4, .random_start = true};
    static float one[BATCH * PIXELS];
    Batch b = loader_batch(s->unit, 0);
    threads_set(1);
    attack_batch(&s->attacker, &pgd, &b, 0);
    memcpy(one, s->attacker.v, sizeof one);
    threads_set(3);
    attack_batch(&s->attacker, &pgd, &b, 0);
    assert_memory_equal(one, s->attacker.v, sizeof one);
    threads_set(0);
    done(s);
}
