/* bench_update -- optimizer updates and random numbers over one long array; dim is its length. The
 * lengths are those of LeNet-300-100, of ResNet-20 and of a small transformer. */
#include "bench/bench.h"

// clang-format off
static const BenchCase cases[] = {
    {"LeNet-300-100", {266610}, NULL},
    {"ResNet-20",     {272474}, NULL},
    {"char-GPT",      {10700000}, NULL},
};
static const BenchCase random_cases[] = {
    {"uniform",   {1 << 22}, NULL},
    {"bernoulli", {1 << 22}, NULL},
};
// clang-format on
enum { N_CASES = sizeof cases / sizeof cases[0] };

static void prepare_update(BenchWork *w, int reads, int writes, int arrays, double per_element)
{
    const int64_t n = w->of->dim[0];
    for (int i = 0; i < arrays; i++) w->n_floats[i] = n;
    w->flops = per_element * (double)n;
    w->bytes = 4.0 * (double)(reads + writes) * (double)n;
    (void)snprintf(w->shape, sizeof w->shape, "%d", (int)n);
}

static void prepare_sgd(BenchWork *w)
{
    prepare_update(w, 3, 2, 3, 8);
}

static void prepare_adam(BenchWork *w)
{
    prepare_update(w, 4, 3, 4, 16);
}

static void prepare_random(BenchWork *w)
{
    prepare_update(w, 0, 1, 1, 0);
}

/* Rates so small that no number of runs leads out of the ordinary numbers. */
static void run_sgd(BenchWork *w)
{
    const SgdStep s = {
        .common = {.scale = 1, .limit = 1e30f},
        .lr = 1e-9f,
        .momentum = 0.9f,
        .weight_decay = 1e-4f,
        .nesterov = true
    };
    cpu->sgd(w->of->dim[0], w->at[0], w->at[1], w->at[2], &s);
}

static void run_adam(BenchWork *w)
{
    const AdamStep s = {
        .common = {.scale = 1, .limit = 1e30f},
        .lr = 1e-9f,
        .beta1 = 0.9f,
        .beta2 = 0.999f,
        .eps = 1e-8f,
        .weight_decay = 0.01f,
        .decoupled = true,
        .bias1 = 0.5,
        .bias2 = 0.5
    };
    cpu->adam(w->of->dim[0], w->at[0], w->at[1], w->at[2], w->at[3], &s);
}

static void run_random(BenchWork *w)
{
    if (w->of == &random_cases[0])
        cpu->random_uniform(w->of->dim[0], 1, 1, w->at[0]);
    else
        cpu->random_bernoulli(w->of->dim[0], 1, 1, 0.9f, 1.0f, w->at[0]);
}

const BenchGroup bench_sgd = {"sgd", cases, N_CASES, prepare_sgd, run_sgd};
const BenchGroup bench_adam = {"adam", cases, N_CASES, prepare_adam, run_adam};
const BenchGroup bench_random = {"random", random_cases, 2, prepare_random, run_random};
