/* gemm_skinny -- products with a short side: few rows, few columns, or few k, in all four forms. */
#include "tests/test.h"

#include "base/pcg.h"
#include "base/threads.h"
#include "cpu/cpu.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PANEL = 256, ROOM = 1 << 17 };

/* C has gaps between its rows and is added to; then come a matrix, an affine map and a relu. */
typedef struct Case {
    Gemm g;
    EpilogueStep steps[3];
    float *a, *b, *c, *before, *z;
} Case;

static float *uniform(Pcg *rng)
{
    float *x = malloc(ROOM * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < ROOM; i++) x[i] = pcg_uniform(rng) * 2 - 1;
    return x;
}

static Case case_open(void)
{
    Pcg rng = pcg_seed(11, 1);
    return (Case){.a = uniform(&rng),
                  .b = uniform(&rng),
                  .c = uniform(&rng),
                  .before = uniform(&rng),
                  .z = uniform(&rng)};
}

static void case_close(Case *c)
{
    free(c->a), free(c->b), free(c->c), free(c->before), free(c->z);
}

static void run(Case *c, int form, const int64_t size[3])
{
    const int64_t m = size[0], n = size[1], k = size[2];
    const bool ta = form & 1, tb = form & 2;
    c->steps[0] = (EpilogueStep){.op = MAP_ADD, .operand = c->z, .row_stride = n + 1};
    c->steps[1] = (EpilogueStep){.op = MAP_AFFINE, .p = 0.5f, .q = 2};
    c->steps[2] = (EpilogueStep){.op = MAP_RELU};
    c->g = (Gemm){.batch = 1,
                  .m = m,
                  .n = n,
                  .k = k,
                  .a = c->a,
                  .b = c->b,
                  .c = c->c,
                  .trans_a = ta,
                  .trans_b = tb,
                  .lda = (ta ? m : k) + 3,
                  .ldb = (tb ? k : n) + 1,
                  .ldc = n + 2,
                  .accumulate = (m + n + k + form) % 2 == 0,
                  .steps = c->steps,
                  .n_steps = (int)((m + n) % 4)};
    const Gemm *g = &c->g;
    assert_true((ta ? k : m) * g->lda <= ROOM && (tb ? n : k) * g->ldb <= ROOM);
    memcpy(c->c, c->before, ROOM * sizeof(float));
    void *scratch = aligned_alloc(64, (cpu->gemm_scratch(g) + 127) / 64 * 64);
    cpu->gemm(g, scratch);
    free(scratch);
}

static float a_at(const Gemm *g, int64_t i, int64_t k)
{
    return g->a[g->trans_a ? k * g->lda + i : i * g->lda + k];
}

static float b_at(const Gemm *g, int64_t k, int64_t j)
{
    return g->b[g->trans_b ? j * g->ldb + k : k * g->ldb + j];
}

/* |got - wanted| <= (k + 6) eps (sum |a b| + what is added), the bound of a chain of so many
 * roundings. */
static void check_near(const Case *c, int64_t i, int64_t j)
{
    const Gemm *g = &c->g;
    double sum = g->accumulate ? (double)c->before[i * g->ldc + j] : 0, size = 4;
    for (int64_t k = 0; k < g->k; k++) {
        const double term = (double)a_at(g, i, k) * (double)b_at(g, k, j);
        sum += term, size += fabs(term);
    }
    if (g->n_steps > 0) sum += (double)c->z[i * (g->n + 1) + j];
    if (g->n_steps > 1) sum = sum / 2 + 2;
    if (g->n_steps > 2 && sum < 0) sum = 0;
    const double bound = (double)(g->k + 6) * (double)FLT_EPSILON / 2 * size;
    assert_true(fabs((double)g->c[i * g->ldc + j] - sum) <= bound);
}

/* The order of cpu.h in scalars: panels of chains of fused multiply-adds, then the steps. */
static void check_bits(const Case *c, int64_t i, int64_t j)
{
    const Gemm *g = &c->g;
    float sum = g->accumulate ? c->before[i * g->ldc + j] : 0;
    for (int64_t first = 0; first < g->k; first += PANEL) {
        float panel = 0;
        for (int64_t k = first; k < g->k && k < first + PANEL; k++)
            panel = fmaf(a_at(g, i, k), b_at(g, k, j), panel);
        sum = first == 0 && !g->accumulate ? panel : sum + panel;
    }
    if (g->n_steps > 0) sum += c->z[i * (g->n + 1) + j];
    if (g->n_steps > 1) sum = fmaf(0.5f, sum, 2);
    if (g->n_steps > 2 && sum < 0) sum = 0;
    assert_memory_equal(&sum, &g->c[i * g->ldc + j], sizeof sum);
}

/* Every `every`-th element, the last ones of rows, and the gaps. */
static void check(const Case *c, int64_t every, void (*element)(const Case *, int64_t, int64_t))
{
    const Gemm *g = &c->g;
    for (int64_t i = 0; i < g->m; i++) {
        for (int64_t j = i % every; j < g->n; j += every) element(c, i, j);
        if (i % every == 0) element(c, i, g->n - 1);
        for (int64_t j = g->n; j < g->ldc; j++)
            assert_true(g->c[i * g->ldc + j] == c->before[i * g->ldc + j]);
    }
}

/* 231 lines of 299 numbers: more than gemm_skinny's NEAR_FLOATS, two panels, nothing whole. */
TEST(gemm_skinny, few_columns_match_float64)
{
    Case c = case_open();
    for (int64_t n = 1; n <= 17; n++)
        for (int form = 0; form < 4; form++) {
            run(&c, form, (int64_t[]){231, n, 299});
            check(&c, 8, check_near);
        }
    case_close(&c);
}

TEST(gemm_skinny, few_rows_match_float64)
{
    Case c = case_open();
    for (int64_t m = 1; m <= 17; m++)
        for (int form = 0; form < 4; form++) {
            run(&c, form, (int64_t[]){m, 231, 299});
            check(&c, 8, check_near);
        }
    case_close(&c);
}

TEST(gemm_skinny, few_k_match_float64)
{
    Case c = case_open();
    for (int64_t k = 1; k <= 17; k++)
        for (int form = 0; form < 4; form++) {
            run(&c, form, (int64_t[]){59 + k, 64 + k * 7 % 40, k * k % 131 + k});
            check(&c, 2, check_near);
        }
    case_close(&c);
}

static void check_isas(const int64_t sizes[][3], int n_sizes, int64_t every)
{
    Case c = case_open();
    const char *names[4];
    const int n_isas = cpu_available(names);
    for (int isa = 0; isa < n_isas; isa++)
        for (int i = 0; i < n_sizes * 4; i++) {
            assert_true(cpu_select(names[isa], NULL));
            threads_set(1 + i % 3);
            run(&c, i % 4, sizes[i / 4]);
            check(&c, every, check_bits);
        }
    threads_set(0);
    assert_true(cpu_select(NULL, NULL));
    case_close(&c);
}

TEST(gemm_skinny, few_columns_are_chains_of_fused_multiply_adds_on_every_isa)
{
    static const int64_t sizes[][3] = {
        {231, 1,  299},
        {232, 4,  301},
        {231, 8,  299},
        {231, 13, 299},
        {225, 16, 299}
    };
    check_isas(sizes, 5, 16);
}

TEST(gemm_skinny, few_rows_are_chains_of_fused_multiply_adds_on_every_isa)
{
    static const int64_t sizes[][3] = {
        {1,  231, 299},
        {3,  232, 301},
        {8,  231, 299},
        {12, 231, 299},
        {16, 225, 299}
    };
    check_isas(sizes, 5, 16);
}

TEST(gemm_skinny, few_k_are_chains_of_fused_multiply_adds_on_every_isa)
{
    static const int64_t sizes[][3] = {
        {100, 96,  8  },
        {101, 77,  1  },
        {57,  128, 16 },
        {66,  65,  128},
        {70,  544, 9  }
    };
    check_isas(sizes, 5, 4);
}

/* A row of weights for many positions: threads share columns, batch items their operand. */
TEST(gemm_skinny, batch_items_are_products_alone)
{
    const int64_t m = 8, n = 40, k = 300, items = 3;
    Pcg rng = pcg_seed(12, 1);
    float *a = uniform(&rng), *b = uniform(&rng), *all = uniform(&rng), *one = uniform(&rng);
    for (int tb = 0; tb < 2; tb++) {
        Gemm g = {.batch = items, .m = m, .n = n, .k = k, .a = a, .b = b, .c = all};
        g.lda = k, g.ldb = tb ? k : n, g.ldc = n, g.trans_b = tb;
        g.stride_b = n * k, g.stride_c = m * n;
        void *scratch = aligned_alloc(64, (cpu->gemm_scratch(&g) + 127) / 64 * 64);
        cpu->gemm(&g, scratch);
        g.batch = 1;
        for (int i = 0; i < items; i++) {
            g.b = b + i * n * k, g.c = one + i * m * n;
            cpu->gemm(&g, scratch);
        }
        free(scratch);
        assert_memory_equal(all, one, sizeof(float) * (size_t)(items * m * n));
    }
    free(a), free(b), free(all), free(one);
}
