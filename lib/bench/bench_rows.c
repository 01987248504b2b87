/* bench_rows -- kernels over rows: softmax, norms, cross entropy; dim is rows, length. A row's exp
 * or root counts as one FLOP. */
#include "bench/bench.h"

/* Shapes of networks: long rows of vocabularies, rows of one model width, many short ones. */
// clang-format off
static const BenchCase norm_cases[] = {
    {"d 384",  {4096, 384}, NULL},
    {"d 768",  {4096, 768}, NULL},
    {"d 4096", {1024, 4096}, NULL},
};
static const BenchCase softmax_cases[] = {
    {"attention",  {6144, 256}, NULL},
    {"vocabulary", {512, 50257}, NULL},
};
static const BenchCase loss_cases[] = {
    {"classes",    {128, 10}, NULL},
    {"vocabulary", {4096, 256}, NULL},
    {"vocabulary", {4096, 50257}, NULL},
};
// clang-format on
enum {
    N_NORM = sizeof norm_cases / sizeof norm_cases[0],
    N_SOFTMAX = sizeof softmax_cases / sizeof softmax_cases[0],
    N_LOSS = sizeof loss_cases / sizeof loss_cases[0],
};
#define EPS 1e-5f

/* `reads` and `writes` arrays of all elements, in this order, and `per_element` FLOPs. */
static void prepare_rows(BenchWork *w, int reads, int writes, double per_element)
{
    const int64_t rows = w->of->dim[0], n = w->of->dim[1];
    for (int i = 0; i < reads + writes; i++) w->n_floats[i] = rows * n;
    w->flops = per_element * (double)(rows * n);
    w->bytes = 4.0 * (double)(reads + writes) * (double)(rows * n);
    (void)snprintf(w->shape, sizeof w->shape, "%dx%d", (int)rows, (int)n);
}

/* -- Softmax */

static void prepare_softmax(BenchWork *w)
{
    prepare_rows(w, 1, 1, 5);
}

static void run_softmax(BenchWork *w)
{
    cpu->softmax(w->of->dim[0], w->of->dim[1], w->at[0], w->at[1]);
}

const BenchGroup bench_softmax = {"softmax", softmax_cases, N_SOFTMAX, prepare_softmax,
                                  run_softmax};

/* -- Norms; the gain is at[0] too: any n floats do */

static void prepare_norm(BenchWork *w)
{
    prepare_rows(w, 1, 1, 8);
}

static void prepare_norm_grad(BenchWork *w)
{
    prepare_rows(w, 2, 1, 16);
    w->n_floats[3] = 2 * w->of->dim[1]; /* the gradients of gain and bias */
    w->scratch_bytes = cpu->norm_grad_scratch(w->of->dim[0], w->of->dim[1]);
}

static NormGrad norm_grad_call(const BenchWork *w)
{
    return (NormGrad){.x = w->at[0],
                      .dy = w->at[1],
                      .gain = w->at[0],
                      .eps = EPS,
                      .dx = w->at[2],
                      .dgain = w->at[3],
                      .dbias = w->at[3] + w->of->dim[1]};
}

static void run_layer_norm(BenchWork *w)
{
    cpu->layer_norm(w->of->dim[0], w->of->dim[1], w->at[0], w->at[0], w->at[0], EPS, w->at[1]);
}

static void run_layer_norm_grad(BenchWork *w)
{
    const NormGrad a = norm_grad_call(w);
    cpu->layer_norm_grad(w->of->dim[0], w->of->dim[1], &a, w->scratch);
}

static void run_rms_norm(BenchWork *w)
{
    cpu->rms_norm(w->of->dim[0], w->of->dim[1], w->at[0], w->at[0], EPS, w->at[1]);
}

static void run_rms_norm_grad(BenchWork *w)
{
    const NormGrad a = norm_grad_call(w);
    cpu->rms_norm_grad(w->of->dim[0], w->of->dim[1], &a, w->scratch);
}

const BenchGroup bench_layer_norm = {"layer_norm", norm_cases, N_NORM, prepare_norm,
                                     run_layer_norm};
const BenchGroup bench_layer_norm_grad = {"layer_norm_grad", norm_cases, N_NORM, prepare_norm_grad,
                                          run_layer_norm_grad};
const BenchGroup bench_rms_norm = {"rms_norm", norm_cases, N_NORM, prepare_norm, run_rms_norm};
const BenchGroup bench_rms_norm_grad = {"rms_norm_grad", norm_cases, N_NORM, prepare_norm_grad,
                                        run_rms_norm_grad};

/* -- Cross entropy: logits, then the loss of each row or the gradient */

static void prepare_loss(BenchWork *w)
{
    prepare_rows(w, 1, 0, 4);
    w->n_floats[1] = w->n_labels = w->of->dim[0];
    w->label_below = w->of->dim[1];
}

static void prepare_loss_grad(BenchWork *w)
{
    prepare_rows(w, 1, 1, 6);
    w->n_floats[2] = w->n_labels = w->of->dim[0];
    w->n_floats[3] = 2 * w->of->dim[0]; /* statistics of the rows: from [0, 1) they will do */
    w->label_below = w->of->dim[1];
}

static void prepare_loss_both(BenchWork *w)
{
    prepare_loss_grad(w);
    w->n_floats[4] = w->of->dim[0];
    w->scratch_bytes = cpu->cross_entropy_scratch(w->of->dim[0], w->of->dim[1]);
}

static void run_loss(BenchWork *w)
{
    cpu->cross_entropy(w->of->dim[0], w->of->dim[1], w->at[0], w->labels, 0, -1, w->at[1], NULL);
}

static void run_loss_grad(BenchWork *w)
{
    cpu->cross_entropy_grad(w->of->dim[0], w->of->dim[1], w->at[0], w->labels, 0, -1, w->at[3],
                            w->at[2], w->at[1]);
}

static void run_loss_both(BenchWork *w)
{
    const CrossEntropy c = {.rows = w->of->dim[0],
                            .n = w->of->dim[1],
                            .x = w->at[0],
                            .label = w->labels,
                            .ignore = -1,
                            .dloss = w->at[2],
                            .loss = w->at[4],
                            .stats = w->at[3],
                            .dx = w->at[1]};
    cpu->cross_entropy_both(&c, w->scratch);
}

const BenchGroup bench_cross_entropy = {"cross_entropy", loss_cases, N_LOSS, prepare_loss,
                                        run_loss};
const BenchGroup bench_cross_entropy_grad = {"cross_entropy_grad", loss_cases, N_LOSS,
                                             prepare_loss_grad, run_loss_grad};
const BenchGroup bench_cross_entropy_both = {"cross_entropy_both", loss_cases, N_LOSS,
                                             prepare_loss_both, run_loss_both};
