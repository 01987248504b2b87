/* bench_gemm -- matrix products; dim is m, n, k, and the label says which operands are transposed,
 * and whether a matrix is added in the epilogue: at[3], which peers copy to C first. */
#include "bench/bench.h"

#include <string.h>

// clang-format off
static const BenchCase cases[] = {
    {"NN", {512, 512, 512}, NULL},        {"NN", {1024, 1024, 1024}, NULL},     {"NT", {1024, 1024, 1024}, NULL},
    {"TN", {1024, 1024, 1024}, NULL},     {"TT", {1024, 1024, 1024}, NULL},     {"NN", {2048, 2048, 2048}, NULL},
    /* transformers: forward, gradient to the input, gradient to the weight */
    {"NN", {128, 768, 768}, NULL},        {"NT", {128, 768, 768}, NULL},        {"TN", {768, 768, 128}, NULL},
    {"NN", {128, 3072, 768}, NULL},       {"NT", {128, 768, 3072}, NULL},       {"TN", {768, 3072, 128}, NULL},
    {"NN", {4096, 384, 384}, NULL},       {"NT", {4096, 384, 384}, NULL},       {"TN", {384, 384, 4096}, NULL},
    {"NN", {4096, 384, 1536}, NULL},      {"NT", {4096, 1536, 384}, NULL},      {"TN", {1536, 384, 4096}, NULL},
    {"NN", {64, 64, 4096}, NULL},         {"NT", {64, 64, 4096}, NULL},         {"TN", {64, 64, 4096}, NULL},
    {"NN", {256, 50257, 256}, NULL},      {"NT", {256, 50257, 256}, NULL},      {"TN", {256, 50257, 256}, NULL},
    /* LeNet-300-100 at batch 60 */
    {"NT", {60, 300, 784}, NULL},         {"NT", {60, 100, 300}, NULL},         {"NT", {60, 10, 100}, NULL},
    {"NN", {60, 300, 100}, NULL},         {"TN", {300, 784, 60}, NULL},         {"TN", {100, 300, 60}, NULL},
    /* low-rank adapters of rank 8 on 2048 tokens: forward, gradients to the input, to the factors; and another rank */
    {"NT", {2048, 8, 512}, NULL},         {"NT", {2048, 8, 1408}, NULL},        {"NT", {2048, 512, 8}, NULL},
    {"NT", {2048, 1408, 8}, NULL},        {"NN", {2048, 8, 1408}, NULL},        {"NN", {2048, 512, 8}, NULL},
    {"TN", {8, 512, 2048}, NULL},         {"TN", {512, 8, 2048}, NULL},         {"TN", {1408, 8, 2048}, NULL},
    {"NT", {2048, 16, 1408}, NULL},       {"NT", {2048, 1408, 32}, NULL},       {"NT + y", {2048, 1408, 8}, NULL},
    /* thin and tall */
    {"NT", {1, 1024, 1024}, NULL},        {"NN", {8, 1024, 1024}, NULL},        {"NT", {100000, 64, 64}, NULL},
};
// clang-format on

static void prepare(BenchWork *w)
{
    const int64_t m = w->of->dim[0], n = w->of->dim[1], k = w->of->dim[2];
    const bool trans_a = w->of->label[0] == 'T', trans_b = w->of->label[1] == 'T';
    w->call.gemm = (Gemm){.batch = 1,
                          .m = m,
                          .n = n,
                          .k = k,
                          .lda = trans_a ? m : k,
                          .ldb = trans_b ? k : n,
                          .ldc = n,
                          .trans_a = trans_a,
                          .trans_b = trans_b};
    w->n_floats[0] = m * k;
    w->n_floats[1] = k * n;
    w->n_floats[2] = m * n;
    w->flops = 2.0 * (double)m * (double)n * (double)k;
    w->bytes = 4.0 * (double)(m * k + k * n + m * n);
    if (strchr(w->of->label, 'y')) {
        w->n_floats[3] = m * n;
        w->bytes += 4.0 * (double)(m * n);
    }
    w->scratch_bytes = cpu->gemm_scratch(&w->call.gemm);
    (void)snprintf(w->shape, sizeof w->shape, "%dx%dx%d", (int)m, (int)n, (int)k);
}

static void run(BenchWork *w)
{
    Gemm *g = &w->call.gemm;
    g->a = w->at[0];
    g->b = w->at[1];
    g->c = w->at[2];
    const EpilogueStep add = {.op = MAP_ADD, .operand = w->at[3], .row_stride = g->n};
    g->steps = &add;
    g->n_steps = w->n_floats[3] > 0;
    cpu->gemm(g, w->scratch);
}

const BenchGroup bench_gemm = {"gemm", cases, sizeof cases / sizeof cases[0], prepare, run};
