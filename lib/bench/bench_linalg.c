/* bench_linalg -- singular value decompositions: exact of small matrices, and the leading part of
 * those that adapters are made of. dim is rows, columns and, for the leading part, rank. */
#include "bench/bench.h"
#include "linalg/svd.h"

// clang-format off
static const BenchCase exact_cases[] = {
    {"exact",    {64, 64}, NULL},
    {"exact",    {256, 64}, NULL},
};
static const BenchCase leading_cases[] = {
    {"MiniLM",   {384, 384, 16}, NULL},
    {"T5-base",  {768, 768, 16}, NULL},
};
// clang-format on
enum { N_EXACT = 2, N_LEADING = 2, OVERSAMPLING = 10, ITERATIONS = 2 };

/* Doubles are laid into two floats each. */
static double *doubles(const BenchWork *w, int i)
{
    return (double *)(void *)w->at[i];
}

static void prepare_exact(BenchWork *w)
{
    const int64_t m = w->of->dim[0], n = w->of->dim[1];
    w->n_floats[0] = m * n;
    w->n_floats[1] = w->n_floats[2] = 2 * m * n;
    w->n_floats[3] = 2 * n;
    w->n_floats[4] = 2 * n * n;
    w->scratch_bytes = svd_jacobi_scratch(m, n);
    w->flops = 4 * (double)m * (double)(n * n) + 100 * (double)n * (double)(n * n);
    w->bytes = 8 * (double)(m * n);
    (void)snprintf(w->shape, sizeof w->shape, "%dx%d", (int)m, (int)n);
}

static void run_exact(BenchWork *w)
{
    const SvdThin p = {.m = w->of->dim[0],
                       .n = w->of->dim[1],
                       .a = doubles(w, 1),
                       .u = doubles(w, 2),
                       .s = doubles(w, 3),
                       .vt = doubles(w, 4)};
    for (int64_t i = 0; i < p.m * p.n; i++) doubles(w, 1)[i] = (double)w->at[0][i];
    (void)!svd_jacobi(&p, w->scratch, NULL);
}

static SvdTruncated leading(const BenchWork *w)
{
    return (SvdTruncated){.m = w->of->dim[0],
                          .n = w->of->dim[1],
                          .rank = w->of->dim[2],
                          .oversampling = OVERSAMPLING,
                          .iterations = ITERATIONS,
                          .a = w->at[0],
                          .u = w->at[1],
                          .vt = w->at[2],
                          .s = (double *)(void *)w->at[3],
                          .rng = pcg_stream(1, "bench", 0, 0)};
}

static void prepare_leading(BenchWork *w)
{
    const SvdTruncated p = leading(w);
    const double q = (double)(p.rank + OVERSAMPLING);
    w->n_floats[0] = p.m * p.n;
    w->n_floats[1] = p.m * p.rank;
    w->n_floats[2] = p.rank * p.n;
    w->n_floats[3] = 2 * p.rank;
    w->scratch_bytes = svd_randomised_scratch(&p);
    w->flops = (ITERATIONS + 1) * (4 * (double)(p.m * p.n) * q + 8 * (double)(p.m + p.n) * q * q);
    w->bytes = 4 * (double)(p.m * p.n) * 2 * (ITERATIONS + 1);
    (void)snprintf(w->shape, sizeof w->shape, "%dx%d rank %d", (int)p.m, (int)p.n, (int)p.rank);
}

static void run_leading(BenchWork *w)
{
    const SvdTruncated p = leading(w);
    (void)!svd_randomised(&p, w->scratch, NULL);
}

const BenchGroup bench_svd_jacobi = {"svd_jacobi", exact_cases, N_EXACT, prepare_exact, run_exact};
const BenchGroup bench_svd_randomised = {"svd_randomised", leading_cases, N_LEADING,
                                         prepare_leading, run_leading};
