/* gemm -- the matrix product against a float64 loop; bits over ISAs and threads. */
#include "tests/test.h"

#include "base/pcg.h"
#include "base/threads.h"
#include "cpu/cpu.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GUARD = 64, FILL = 0x5a };

/* A product with its own memory; C lies between guard floats of a fixed value. */
typedef struct Problem {
    Gemm g;
    EpilogueStep steps[2]; /* bias, relu: some of them */
    float *a, *b, *c, *before, *bias;
    size_t n_a, n_b, n_c;
} Problem;

static float *uniform(Pcg *rng, size_t n)
{
    float *x = malloc((n + 1) * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++) x[i] = pcg_uniform(rng) * 2 - 1;
    return x;
}

static Problem problem(Pcg *rng, int64_t batch, int64_t m, int64_t n, int64_t k)
{
    Problem p = {
        .g = {.batch = batch, .m = m, .n = n, .k = k}
    };
    Gemm *g = &p.g;
    g->trans_a = pcg_below(rng, 2), g->trans_b = pcg_below(rng, 2),
    g->accumulate = pcg_below(rng, 2), g->bf16 = pcg_below(rng, 4) == 0;
    const bool relu = pcg_below(rng, 2);
    g->lda = (g->trans_a ? m : k) + pcg_below(rng, 3);
    g->ldb = (g->trans_b ? k : n) + pcg_below(rng, 3);
    g->ldc = n + pcg_below(rng, 3);
    const int64_t size_a = (g->trans_a ? k : m) * g->lda, size_b = (g->trans_b ? n : k) * g->ldb;
    g->stride_a = pcg_below(rng, 4) ? size_a : 0;
    g->stride_b = pcg_below(rng, 4) ? size_b : 0;
    g->stride_c = m * g->ldc;
    p.n_a = (size_t)(size_a * batch), p.n_b = (size_t)(size_b * batch),
    p.n_c = (size_t)(g->stride_c * batch);
    p.a = uniform(rng, p.n_a), p.b = uniform(rng, p.n_b),
    p.before = uniform(rng, p.n_c + 2 * GUARD);
    p.c = uniform(rng, p.n_c + 2 * GUARD), p.bias = uniform(rng, (size_t)n);
    g->a = p.a, g->b = p.b, g->c = p.c + GUARD;
    if (pcg_below(rng, 2)) p.steps[g->n_steps++] = (EpilogueStep){.op = MAP_ADD, .operand = p.bias};
    if (relu) p.steps[g->n_steps++] = (EpilogueStep){.op = MAP_RELU};
    return p;
}

static void problem_free(Problem *p)
{
    free(p->a), free(p->b), free(p->c), free(p->before), free(p->bias);
}

/* Runs with guard bytes behind the scratch memory. */
static void run(Problem *p)
{
    p->g.steps = p->steps;
    memcpy(p->c, p->before, (p->n_c + 2 * GUARD) * sizeof(float));
    const size_t bytes = (cpu->gemm_scratch(&p->g) + 63) / 64 * 64,
                 asked = cpu->gemm_scratch(&p->g);
    unsigned char *scratch = aligned_alloc(64, bytes + GUARD);
    assert_non_null(scratch);
    memset(scratch, FILL, bytes + GUARD);
    cpu->gemm(&p->g, scratch);
    for (size_t i = asked; i < bytes + GUARD; i++) assert_int_equal(scratch[i], FILL);
    free(scratch);
}

/* To 8 bits of significand, half to even, where bf16 asks for it. */
static float operand(const Gemm *g, float x)
{
    int exponent;
    if (!g->bf16) return x;
    const double m = frexp((double)x, &exponent);
    return (float)ldexp(nearbyint(m * 256), exponent - 8);
}

static float a_at(const Gemm *g, int64_t item, int64_t i, int64_t k)
{
    return operand(g, g->a[item * g->stride_a + (g->trans_a ? k * g->lda + i : i * g->lda + k)]);
}

static float b_at(const Gemm *g, int64_t item, int64_t k, int64_t j)
{
    return operand(g, g->b[item * g->stride_b + (g->trans_b ? j * g->ldb + k : k * g->ldb + j)]);
}

/* |got - wanted| <= (k + 4) eps sum |a b|: the bound of a chain of k roundings, here with room for
 * bias and C. */
static void check(const Problem *p)
{
    const Gemm *g = &p->g;
    for (int64_t item = 0; item < g->batch; item++)
        for (int64_t i = 0; i < g->m; i++)
            for (int64_t j = 0; j < g->n; j++) {
                const int64_t at = item * g->stride_c + i * g->ldc + j;
                double sum = 0;
                bool relu = false;
                for (int s = 0; s < g->n_steps; s++) {
                    if (p->steps[s].op == MAP_ADD) sum = (double)p->bias[j];
                    relu = relu || p->steps[s].op == MAP_RELU;
                }
                if (g->accumulate) sum += (double)p->before[GUARD + at];
                double size = fabs(sum) + 2;
                for (int64_t k = 0; k < g->k; k++) {
                    const double term = (double)a_at(g, item, i, k) * (double)b_at(g, item, k, j);
                    sum += term, size += fabs(term);
                }
                if (relu && sum < 0) sum = 0;
                const double bound = (double)(g->k + 4) * (double)FLT_EPSILON / 2 * size;
                assert_true(fabs((double)g->c[at] - sum) <= bound);
            }
}

/* What lies between the rows of C and around it is as it was. */
static void check_gaps(const Problem *p)
{
    const Gemm *g = &p->g;
    for (int64_t i = 0; i < g->batch * g->m; i++)
        for (int64_t j = g->n; j < g->ldc; j++)
            assert_true(g->c[i * g->ldc + j] == p->before[GUARD + i * g->ldc + j]);
    for (size_t i = 0; i < GUARD; i++) {
        assert_true(p->c[i] == p->before[i]);
        assert_true(p->c[GUARD + p->n_c + i] == p->before[GUARD + p->n_c + i]);
    }
}

TEST(gemm, matches_float64_over_odd_shapes_and_flags)
{
    Pcg rng = pcg_seed(1, 1);
    for (int i = 0; i < 120; i++) {
        Problem p =
            problem(&rng, 1 + pcg_below(&rng, 3), 1 + pcg_below(&rng, 40), 1 + pcg_below(&rng, 70),
                    pcg_below(&rng, 8) ? pcg_below(&rng, 60) : 250 + pcg_below(&rng, 300));
        run(&p);
        check(&p);
        check_gaps(&p);
        problem_free(&p);
    }
}

TEST(gemm, matches_float64_where_n_exceeds_a_block)
{
    Pcg rng = pcg_seed(2, 1);
    for (int i = 0; i < 4; i++) {
        Problem p = problem(&rng, 1, 17, 1040, 270);
        threads_set(1 + i);
        run(&p);
        check(&p);
        problem_free(&p);
    }
    threads_set(0);
}

TEST(gemm, matches_float64_wherever_b_is_read)
{
    static const int64_t sizes[][3] = {
        {46,  150,  0  },
        {46,  33,   16 },
        {100, 150,  32 },
        {46,  317,  272},
        {46,  1040, 16 },
        {210, 1000, 24 }, /* packed */
        {30,  4100, 260}, /* in place, the next block asked for */
    };
    Pcg rng = pcg_seed(5, 1);
    for (int i = 0; i < 21; i++) {
        const int64_t *size = sizes[i % 7];
        Problem p = problem(&rng, 1, size[0], size[1], size[2]);
        p.g.bf16 = false;
        run(&p);
        check(&p);
        check_gaps(&p);
        problem_free(&p);
    }
}

TEST(gemm, has_the_same_bits_on_every_isa_and_thread_count)
{
    static const int threads[] = {1, 2, 3, 7};
    Pcg rng = pcg_seed(3, 1);
    const char *names[4];
    const int n_isas = cpu_available(names);
    for (int i = 0; i < 12; i++) {
        Problem p = problem(&rng, 1 + i % 4, 90 + pcg_below(&rng, 60), 90 + pcg_below(&rng, 150),
                            200 + pcg_below(&rng, 300));
        float *wanted = NULL;
        for (int isa = 0; isa < n_isas; isa++)
            for (int t = 0; t < 4; t++) {
                assert_true(cpu_select(names[isa], NULL));
                threads_set(threads[t]);
                run(&p);
                if (!wanted) {
                    wanted = malloc(p.n_c * sizeof *wanted);
                    memcpy(wanted, p.g.c, p.n_c * sizeof *wanted);
                }
                assert_memory_equal(wanted, p.g.c, p.n_c * sizeof *wanted);
            }
        free(wanted);
        problem_free(&p);
    }
    threads_set(0);
    assert_true(cpu_select(NULL, NULL));
}

TEST(gemm, lets_nan_pass_through_relu)
{
    Pcg rng = pcg_seed(4, 1);
    Problem p = problem(&rng, 1, 20, 40, 30);
    p.steps[0] = (EpilogueStep){.op = MAP_RELU}, p.g.n_steps = 1, p.g.accumulate = false;
    p.a[p.g.trans_a ? 7 : 7 * p.g.lda] = NAN;
    run(&p);
    for (int64_t j = 0; j < p.g.n; j++) assert_true(isnan(p.g.c[7 * p.g.ldc + j]));
    for (int64_t j = 0; j < p.g.n; j++) assert_true(!isnan(p.g.c[6 * p.g.ldc + j]));
    problem_free(&p);
}

/* Every map op of one argument, and sums and products with a row and with a matrix, against the map
 * kernel over the plain product. */
static void check_epilogue(int64_t m, int64_t n, int64_t k)
{
    static const MapOp ops[] = {MAP_RELU, MAP_GELU,   MAP_GELU_TANH, MAP_SILU, MAP_SIGMOID,
                                MAP_TANH, MAP_AFFINE, MAP_SIN,       MAP_ADD,  MAP_MUL};
    Pcg rng = pcg_seed(5, 1);
    float *a = uniform(&rng, (size_t)(m * k)), *b = uniform(&rng, (size_t)(k * n)),
          *z = uniform(&rng, (size_t)(m * n));
    float *y = uniform(&rng, (size_t)(m * n)), *c = uniform(&rng, (size_t)(m * n));
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++)
        for (int full = 0; full < 2; full++) {
            const bool two = ops[i] == MAP_ADD || ops[i] == MAP_MUL;
            const EpilogueStep steps[] = {
                {.op = MAP_ADD, .operand = z},
                {             .op = ops[i],    .p = 0.3f,      .q = -1, .operand = z, .row_stride = full ? n : 0},
                { .op = MAP_AFFINE,             .p = 2,          .q = 0.5f}
            };
            Gemm g = {.batch = 1, .m = m, .n = n, .k = k, .a = a, .b = b, .c = y};
            g.lda = k, g.ldb = n, g.ldc = n;
            void *scratch = aligned_alloc(64, (cpu->gemm_scratch(&g) + 63) / 64 * 64);
            cpu->gemm(&g, scratch);
            g.c = c, g.steps = steps, g.n_steps = 3;
            cpu->gemm(&g, scratch);
            free(scratch);
            MapProgram p = {
                .rank = 2, .dim = {m, n},
                     .outer = m, .reduce = 1, .inner = n, .n_inputs = 3
            };
            p.inputs[0] = (MapInput){
                .stride = {n, 1}
            };
            p.inputs[1] = (MapInput){
                .stride = {0, 1}
            };
            p.inputs[2] = (MapInput){
                .stride = {full ? n : 0, 1}
            };
            p.instr[0] = (MapInstr){.op = MAP_ADD, .a = 0, .b = 1};
            p.instr[1] = (MapInstr){.op = ops[i], .a = 3, .b = two ? 2 : 3, .p = 0.3f, .q = -1};
            p.instr[2] = (MapInstr){.op = MAP_AFFINE, .a = 4, .p = 2, .q = 0.5f};
            p.n_instr = 3, p.n_outputs = 1, p.outputs[0].reg = 5;
            const void *in[] = {y, z, z};
            void *out[] = {y};
            scratch = aligned_alloc(64, (map_scratch(&p) + 64) / 64 * 64);
            cpu->map_run(&p, in, out, scratch);
            free(scratch);
            assert_memory_equal(y, c, sizeof(float) * (size_t)(m * n));
        }
    free(a), free(b), free(z), free(y), free(c);
}

TEST(gemm, an_epilogue_has_the_bits_of_the_map_ops)
{
    check_epilogue(29, 45, 300);
    check_epilogue(32, 67, 20);  /* few k */
    check_epilogue(230, 9, 300); /* few columns */
    check_epilogue(9, 230, 300); /* few rows */
}

/* bfloat16 by the bytes that torch 1.13 prints for x.to(torch.bfloat16): values on a tie go to
 * even, infinity and NaN stay. A product with the identity shows the rounded operand. */
TEST(gemm, bf16_rounds_as_torch_does)
{
    static const float x[] = {1.00390625f, 1.01171875f, 3.14159274f, -0.1f, 1e-40f, INFINITY, 0.0f};
    static const float wanted[] = {1.0f,      1.015625f, 3.140625f, -0.10009765625f,
                                   0x1p-133f, INFINITY,  0.0f};
    enum { N = sizeof x / sizeof x[0] };
    float one = 1, c[N];
    for (int right = 0; right < 2; right++) {
        Gemm g = {.batch = 1, .m = right ? 1 : N, .n = right ? N : 1, .k = 1, .c = c, .bf16 = true};
        g.a = right ? &one : x, g.b = right ? x : &one;
        g.lda = 1, g.ldb = g.ldc = g.n;
        void *scratch = aligned_alloc(64, (cpu->gemm_scratch(&g) + 63) / 64 * 64);
        cpu->gemm(&g, scratch);
        free(scratch);
        for (int i = 0; i < N; i++) assert_true(c[i] == wanted[i]);
    }
}

/* The weight made floats by the definition in double, one rounding a number; levels as printed in
 * appendix E of arXiv:2305.14314. */
TEST(gemm, quantised_products_have_the_bits_of_the_dequantised_weight)
{
    static const double nf4[] = {-1,
                                 -0.6961928009986877,
                                 -0.5250730514526367,
                                 -0.39491748809814453,
                                 -0.28444138169288635,
                                 -0.18477343022823334,
                                 -0.09105003625154495,
                                 0,
                                 0.07958029955625534,
                                 0.16093020141124725,
                                 0.24611230194568634,
                                 0.33791524171829224,
                                 0.44070982933044434,
                                 0.5626170039176941,
                                 0.7229568362236023,
                                 1};
    enum { ROWS = 130, LENGTH = 576, GROUP = 64, M = 33 };
    Pcg rng = pcg_seed(6, 1);
    float *a = uniform(&rng, M * LENGTH), *scale = uniform(&rng, ROWS * LENGTH / GROUP);
    float *w = uniform(&rng, ROWS * LENGTH), *c[2];
    uint8_t codes[ROWS * LENGTH];
    for (int i = 0; i < ROWS * LENGTH; i++) codes[i] = (uint8_t)pcg_below(&rng, 256);
    for (int i = 0; i < 2; i++) c[i] = uniform(&rng, M * LENGTH);
    for (int form = 0; form < 4; form++) {
        const bool q8 = form & 1, trans = form & 2;
        for (int i = 0; i < ROWS * LENGTH; i++) {
            const uint8_t byte = codes[q8 ? i : i / 2];
            const double level =
                q8 ? byte - (byte > 127 ? 256 : 0) : nf4[i % 2 ? byte % 16 : byte / 16];
            w[i] = (float)(level * (double)scale[i / GROUP]);
        }
        Gemm g = {.batch = 1, .m = M, .a = a, .b = w, .c = c[0], .ldb = LENGTH, .trans_b = trans};
        g.n = g.ldc = trans ? ROWS : LENGTH, g.k = g.lda = trans ? LENGTH : ROWS;
        for (int i = 0; i < 2; i++) {
            void *scratch = aligned_alloc(64, (cpu->gemm_scratch(&g) + 63) / 64 * 64);
            cpu->gemm(&g, scratch);
            free(scratch);
            g.format = q8 ? WEIGHT_Q8 : WEIGHT_NF4;
            g.b = NULL, g.codes = codes, g.scale = scale, g.group = GROUP, g.c = c[1];
        }
        assert_memory_equal(c[0], c[1], sizeof(float) * (size_t)(M * g.n));
    }
    free(a), free(scale), free(w), free(c[0]), free(c[1]);
}

/* A row's numbers do not depend on how many rows there are, whichever path they take. */
TEST(gemm, few_rows_have_the_bits_of_many)
{
    enum { M = 40, N = 75, K = 531 };
    Pcg rng = pcg_seed(7, 1);
    const char *names[4];
    const int n_isas = cpu_available(names);
    float *a = uniform(&rng, M * K), *b = uniform(&rng, N * K), *bias = uniform(&rng, N);
    float *many = uniform(&rng, M * N), *few = uniform(&rng, M * N);
    const EpilogueStep steps[] = {
        {.op = MAP_ADD, .operand = bias}
    };
    for (int isa = 0; isa < n_isas; isa++)
        for (int m = 1; m <= 6; m++)
            for (int trans_a = 0; trans_a < 2; trans_a++) {
                assert_true(cpu_select(names[isa], NULL));
                Gemm g = {.batch = 1, .m = M, .n = N, .k = K, .a = a, .b = b, .c = many};
                g.trans_a = trans_a, g.trans_b = true, g.steps = steps, g.n_steps = 1;
                g.lda = trans_a ? M : K, g.ldb = K, g.ldc = N;
                for (int i = 0; i < 2; i++) {
                    void *scratch = aligned_alloc(64, (cpu->gemm_scratch(&g) + 127) / 64 * 64);
                    cpu->gemm(&g, scratch);
                    free(scratch);
                    g.m = m, g.c = few;
                }
                assert_memory_equal(many, few, sizeof(float) * (size_t)(m * N));
            }
    assert_true(cpu_select(NULL, NULL));
    free(a), free(b), free(bias), free(many), free(few);
}
