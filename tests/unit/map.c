/* map -- the tile interpreter: every op against double, reading through strides, the documented
 * order of additions against a plain implementation of it, fused programs against separate ones. */
#include "tests/test.h"

#include "base/pcg.h"
#include "base/threads.h"
#include "cpu/cpu.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static float *floats(int64_t n)
{
    float *x = malloc((size_t)(n + 1) * sizeof *x);
    assert_non_null(x);
    return x;
}

static float *uniform(Pcg *rng, int64_t n, float low, float high)
{
    float *x = floats(n);
    for (int64_t i = 0; i < n; i++) x[i] = low + (high - low) * pcg_uniform(rng);
    return x;
}

static void run(const MapProgram *p, const void *const inputs[], void *const outputs[])
{
    void *scratch = malloc(map_scratch(p) + 1);
    cpu->map_run(p, inputs, outputs, scratch);
    free(scratch);
}

static void assert_same(const float *a, const float *b, int64_t n)
{
    if (n > 0) assert_memory_equal(a, b, (size_t)n * sizeof *a);
}

/* A program over (outer, reduce, inner) whose inputs all lie densely. */
static MapProgram dense(int64_t outer, int64_t reduce, int64_t inner, int n_inputs)
{
    MapProgram p = {
        .rank = 3, .dim = {outer, reduce, inner},
             .outer = outer, .reduce = reduce, .inner = inner
    };
    p.n_inputs = n_inputs;
    for (int i = 0; i < n_inputs; i++)
        p.inputs[i].stride[0] = reduce * inner, p.inputs[i].stride[1] = inner,
        p.inputs[i].stride[2] = 1;
    return p;
}

/* -- Ops */

static double reference(MapOp op, double a, double b, double c, double p, double q)
{
    const double inner = 0.79788456080286535588 * (a + 0.044715 * a * a * a);
    switch (op) {
    case MAP_COPY:
        return a;
    case MAP_NEG:
        return -a;
    case MAP_ABS:
        return fabs(a);
    case MAP_SIGN:
        return (a > 0) - (a < 0);
    case MAP_SQUARE:
        return a * a;
    case MAP_SQRT:
        return sqrt(a);
    case MAP_RSQRT:
        return 1 / sqrt(a);
    case MAP_RECIP:
        return 1 / a;
    case MAP_EXP:
        return exp(a);
    case MAP_LOG:
        return log(a);
    case MAP_SIN:
        return sin(a);
    case MAP_COS:
        return cos(a);
    case MAP_TANH:
        return tanh(a);
    case MAP_ERF:
        return erf(a);
    case MAP_SIGMOID:
        return 1 / (1 + exp(-a));
    case MAP_RELU:
        return fmax(a, 0);
    case MAP_LEAKY:
        return a < 0 ? p * a : a;
    case MAP_GELU:
        return 0.5 * a * (1 + erf(a * 0.70710678118654752440));
    case MAP_GELU_TANH:
        return 0.5 * a * (1 + tanh(inner));
    case MAP_SILU:
        return a / (1 + exp(-a));
    case MAP_SOFTPLUS:
        return log1p(exp(a));
    case MAP_CLAMP:
        return fmin(fmax(a, p), q);
    case MAP_AFFINE:
        return p * a + q;
    case MAP_FLOOR:
        return floor(a);
    case MAP_ROUND:
        return nearbyint(a);
    case MAP_ADD:
        return a + b;
    case MAP_SUB:
        return a - b;
    case MAP_MUL:
        return a * b;
    case MAP_DIV:
        return a / b;
    case MAP_MAX:
        return fmax(a, b);
    case MAP_MIN:
        return fmin(a, b);
    case MAP_LESS:
        return a < b;
    case MAP_LESS_EQUAL:
        return a <= b;
    case MAP_EQUAL:
        return a == b;
    case MAP_WHERE:
        return a != 0 ? b : c;
    case MAP_FMA:
        return a * b + c;
    case MAP_N_OPS:
        break;
    }
    return NAN;
}

TEST(map, every_op_agrees_with_double)
{
    enum { N = 1501 };
    static const float p = -0.5f, q = 0.75f;
    Pcg rng = pcg_seed(1, 1);
    float *a = uniform(&rng, N, -4, 4), *b = uniform(&rng, N, -4, 4), *y = floats(N);
    float *c = uniform(&rng, N, -4, 4);
    for (int i = 0; i < 100; i++) a[i] = 0.5f * (float)(i % 17 - 8), b[i] = a[(i * 7) % 100];
    for (int op = 0; op < MAP_N_OPS; op++) {
        const bool positive = op == MAP_SQRT || op == MAP_RSQRT || op == MAP_LOG || op == MAP_RECIP;
        MapProgram m = dense(1, N, 1, 3);
        m.n_instr = m.n_outputs = 1;
        m.instr[0] = (MapInstr){.op = (MapOp)op, .a = 0, .b = 1, .c = 2, .p = p, .q = q};
        m.outputs[0] = (MapOutput){MAP_STORE, 3};
        if (positive)
            for (int i = 0; i < N; i++) a[i] = fabsf(a[i]) + 0.01f;
        run(&m, (const void *[]){a, b, c}, (void *[]){y});
        for (int i = 0; i < N; i++) {
            if (op == MAP_DIV && b[i] == 0) continue;
            const double u = (double)a[i], v = (double)b[i];
            const double want = reference((MapOp)op, u, v, (double)c[i], (double)p, (double)q);
            /* 4 ulp of the result, or of |x| <= 4 where gelu and log cancel */
            const double scale = fabs(want) + (op == MAP_GELU || op == MAP_GELU_TANH ? 4 : 0.01);
            if (!(fabs((double)y[i] - want) <= 2 * (double)FLT_EPSILON * scale))
                print_error("op %d of %g, %g: %g, not %g\n", op, u, v, (double)y[i], want);
            assert_true(fabs((double)y[i] - want) <= 2 * (double)FLT_EPSILON * scale);
        }
    }
    free(a), free(b), free(c), free(y);
}

TEST(map, nan_passes_through_selecting_ops)
{
    static const MapOp ops[] = {MAP_RELU, MAP_LEAKY, MAP_CLAMP, MAP_MAX,  MAP_MIN,
                                MAP_ABS,  MAP_ADD,   MAP_FLOOR, MAP_ROUND};
    for (int i = 0; i < (int)(sizeof ops / sizeof ops[0]); i++)
        for (int side = 0; side < 2; side++) {
            float a = side ? 1.0f : NAN, b = side ? NAN : 1.0f, y = 0;
            const bool binary = ops[i] == MAP_MAX || ops[i] == MAP_MIN || ops[i] == MAP_ADD;
            if (side && !binary) continue;
            MapProgram m = dense(1, 1, 1, 2);
            m.n_instr = m.n_outputs = 1;
            m.instr[0] = (MapInstr){.op = ops[i], .a = 0, .b = 1, .q = 1};
            m.outputs[0] = (MapOutput){MAP_STORE, 2};
            run(&m, (const void *[]){&a, &b}, (void *[]){&y});
            assert_true(isnan(y));
        }
}

/* -- Reading */

typedef struct View {
    int64_t stride[MAP_MAX_RANK], size;
} View;

/* A dense, permuted, sliced or broadcast view of a random buffer over the domain. */
static View random_view(Pcg *rng, int rank, const int64_t dim[])
{
    View v = {.size = 1};
    int order[MAP_MAX_RANK] = {0, 1, 2, 3, 4};
    const bool permuted = pcg_below(rng, 2);
    for (int k = rank - 1; k > 0 && permuted; k--) {
        const int j = (int)pcg_below(rng, (uint32_t)k + 1), keep = order[k];
        order[k] = order[j], order[j] = keep;
    }
    for (int k = rank - 1; k >= 0; k--) {
        if (pcg_below(rng, 3) == 0) continue; /* stride 0: broadcast */
        v.stride[order[k]] = v.size;
        v.size *= dim[order[k]] + (pcg_below(rng, 4) == 0 ? 2 : 0); /* a slice of a wider one */
    }
    return v;
}

static int64_t place(const View *v, int rank, const int64_t dim[], int64_t flat)
{
    int64_t at = 0;
    for (int k = rank - 1; k >= 0; k--) {
        at += flat % dim[k] * v->stride[k];
        flat /= dim[k];
    }
    return at;
}

TEST(map, reads_any_strides_of_any_rank)
{
    static const int64_t sizes[] = {1, 2, 3, 5, 16, 31, 64, 70};
    Pcg rng = pcg_seed(2, 1);
    for (int round = 0; round < 150; round++) {
        int64_t dim[MAP_MAX_RANK], n = 1;
        const int rank = round % (MAP_MAX_RANK + 1);
        MapProgram m = {.rank = rank, .n_inputs = 3, .n_instr = 2, .n_outputs = 2};
        for (int k = 0; k < rank; k++) {
            dim[k] = m.dim[k] = n > 3000 ? 2 : sizes[pcg_below(&rng, 8)];
            n *= dim[k];
        }
        m.outer = n, m.reduce = m.inner = 1;
        View v[3];
        float *x[3], *y[2] = {floats(n), floats(n)};
        for (int i = 0; i < 3; i++) {
            v[i] = random_view(&rng, rank, dim);
            x[i] = uniform(&rng, v[i].size, -1, 1);
            memcpy(m.inputs[i].stride, v[i].stride, sizeof v[i].stride);
        }
        m.inputs[2].is_int = true;
        for (int64_t i = 0; i < v[2].size; i++)
            ((int32_t *)x[2])[i] = (int32_t)pcg_below(&rng, 100) - 50;
        m.instr[0] = (MapInstr){.op = MAP_SUB, .a = 0, .b = 1};
        m.instr[1] = (MapInstr){.op = MAP_MUL, .a = 3, .b = 2};
        m.outputs[0] = (MapOutput){MAP_STORE, 4};
        m.outputs[1] = (MapOutput){MAP_STORE, 3};
        run(&m, (const void *[]){x[0], x[1], x[2]}, (void *[]){y[0], y[1]});
        for (int64_t i = 0; i < n; i++) {
            const float d = x[0][place(&v[0], rank, dim, i)] - x[1][place(&v[1], rank, dim, i)];
            assert_true(y[1][i] == d);
            assert_true(y[0][i] == d * (float)((int32_t *)x[2])[place(&v[2], rank, dim, i)]);
        }
        for (int i = 0; i < 3; i++) free(x[i]);
        free(y[0]), free(y[1]);
    }
}

/* -- Reductions: the order of map.h, plainly */

static float join(MapStore kind, float a, float b)
{
    return kind == MAP_SUM ? a + b : a > b || isnan(a) ? a : b;
}

static float neutral(MapStore kind)
{
    return kind == MAP_SUM ? 0.0f : -INFINITY;
}

/* Terms x[0], x[stride] ... of one block. */
static float plain_block(MapStore kind, const float *x, int64_t n, int64_t stride, bool rows)
{
    float lane[16];
    const int lanes = rows ? 16 : 4;
    for (int l = 0; l < lanes; l++) lane[l] = neutral(kind);
    for (int64_t i = 0; i < n; i++) lane[i % lanes] = join(kind, lane[i % lanes], x[i * stride]);
    for (int width = lanes / 2; width > 0; width /= 2)
        for (int l = 0; l < width; l++) lane[l] = join(kind, lane[l], lane[l + width]);
    return lane[0];
}

static float plain_reduce(MapStore kind, const float *x, int64_t n, int64_t inner)
{
    static float sums[4096];
    const int64_t rows = 8192 / inner, block = inner == 1 ? MAP_BLOCK : rows > 64 ? rows : 64;
    int64_t n_blocks = 0;
    if (n == 0) return neutral(kind);
    for (int64_t i = 0; i < n; i += block)
        sums[n_blocks++] =
            plain_block(kind, x + i * inner, n - i < block ? n - i : block, inner, inner == 1);
    for (int64_t width = 1; width < n_blocks; width *= 2)
        for (int64_t b = 0; b + width < n_blocks; b += 2 * width)
            sums[b] = join(kind, sums[b], sums[b + width]);
    return sums[0];
}

static const int64_t reduce_sizes[][3] = {
    {1,  1,     1   },
    {3,  1,     1   },
    {5,  0,     1   },
    {1,  0,     7   },
    {0,  4,     4   },
    {2,  7,     1   },
    {70, 10,    1   },
    {33, 16,    1   },
    {17, 100,   1   },
    {3,  1024,  1   },
    {3,  1025,  1   },
    {2,  5000,  1   },
    {1,  33333, 1   },
    {1,  1,     5   },
    {2,  3,     2   },
    {1,  60,    300 },
    {3,  50,    10  },
    {1,  1000,  8   },
    {1,  777,   16  },
    {2,  2049,  16  },
    {1,  1023,  32  },
    {3,  130,   64  },
    {1,  500,   96  },
    {1,  300,   128 },
    {1,  200,   256 },
    {1,  150,   257 },
    {2,  70,    1024},
    {1,  65,    1500},
};

TEST(map, reductions_keep_the_documented_order)
{
    Pcg rng = pcg_seed(3, 1);
    for (int s = 0; s < (int)(sizeof reduce_sizes / sizeof reduce_sizes[0]); s++) {
        const int64_t *d = reduce_sizes[s], n = d[0] * d[1] * d[2], n_out = d[0] * d[2];
        float *x = uniform(&rng, n, -1, 2), *term = floats(n), *y[3], *want = floats(n_out);
        MapProgram m = dense(d[0], d[1], d[2], 1);
        m.n_instr = 2, m.n_outputs = 3;
        m.instr[0] = (MapInstr){.op = MAP_AFFINE, .a = 0, .p = 0.7f, .q = 0.1f};
        m.instr[1] = (MapInstr){.op = MAP_SQUARE, .a = 1};
        m.outputs[0] = (MapOutput){MAP_SUM, 2};
        m.outputs[1] = (MapOutput){MAP_MAX_REDUCE, 1};
        m.outputs[2] = (MapOutput){MAP_SUM, 0};
        for (int o = 0; o < 3; o++) y[o] = floats(n_out);
        run(&m, (const void *[]){x}, (void *[]){y[0], y[1], y[2]});
        for (int o = 0; o < 3; o++) {
            for (int64_t i = 0; i < n; i++) {
                const float t = fmaf(0.7f, x[i], 0.1f);
                term[i] = o == 0 ? t * t : o == 1 ? t : x[i];
            }
            for (int64_t i = 0; i < n_out; i++)
                want[i] = plain_reduce(m.outputs[o].kind, term + i / d[2] * d[1] * d[2] + i % d[2],
                                       d[1], d[2]);
            assert_same(want, y[o], n_out);
        }
        for (int o = 0; o < 3; o++) free(y[o]);
        free(x), free(term), free(want);
    }
}

TEST(map, nan_wins_a_maximum)
{
    Pcg rng = pcg_seed(4, 1);
    for (int s = 5; s < (int)(sizeof reduce_sizes / sizeof reduce_sizes[0]); s++) {
        const int64_t *d = reduce_sizes[s], n = d[0] * d[1] * d[2], n_out = d[0] * d[2];
        const int64_t at = pcg_below(&rng, (uint32_t)n);
        float *x = uniform(&rng, n, -1, 1), *y = floats(n_out);
        MapProgram m = dense(d[0], d[1], d[2], 1);
        m.n_outputs = 1;
        m.outputs[0] = (MapOutput){MAP_MAX_REDUCE, 0};
        x[at] = NAN;
        run(&m, (const void *[]){x}, (void *[]){y});
        for (int64_t i = 0; i < n_out; i++)
            assert_true(!isnan(y[i]) == (i != at / (d[1] * d[2]) * d[2] + at % d[2]));
        free(x), free(y);
    }
}

/* -- Fusion */

enum { FUSED_INPUTS = 4 };

/* A random chain over four inputs: full, per column, per row, one number. */
static MapProgram random_program(Pcg *rng, int64_t rows, int64_t inner)
{
    static const MapOp ops[] = {MAP_ADD,   MAP_SUB,    MAP_MUL,  MAP_FMA,  MAP_RELU, MAP_AFFINE,
                                MAP_WHERE, MAP_LESS,   MAP_TANH, MAP_ADD,  MAP_MUL,  MAP_SUB,
                                MAP_MAX,   MAP_SQUARE, MAP_NEG,  MAP_CLAMP};
    MapProgram p = {
        .rank = 2, .dim = {rows, inner},
             .outer = 1, .reduce = rows, .inner = inner
    };
    p.n_inputs = FUSED_INPUTS;
    p.inputs[0].stride[0] = inner, p.inputs[0].stride[1] = 1;
    p.inputs[1].stride[1] = 1;
    p.inputs[2].stride[0] = 1;
    p.n_instr = 2 + (int)pcg_below(rng, 10);
    for (int i = 0; i < p.n_instr; i++) {
        const uint32_t n = (uint32_t)(FUSED_INPUTS + i);
        const bool onward = i > 0 && pcg_below(rng, 3) > 0; /* mostly from the one before */
        p.instr[i] = (MapInstr){.op = ops[pcg_below(rng, 16)], .p = 0.5f, .q = 0.25f};
        p.instr[i].a = (uint8_t)pcg_below(rng, n);
        p.instr[i].b = (uint8_t)pcg_below(rng, n);
        p.instr[i].c = (uint8_t)pcg_below(rng, n);
        uint8_t *const source[3] = {&p.instr[i].a, &p.instr[i].b, &p.instr[i].c};
        if (onward) *source[pcg_below(rng, 3)] = (uint8_t)(n - 1);
    }
    p.n_outputs = 3;
    const uint32_t n = (uint32_t)(FUSED_INPUTS + p.n_instr);
    p.outputs[0] = (MapOutput){MAP_STORE, (uint8_t)(n - 1)};
    p.outputs[1] = (MapOutput){MAP_SUM, (uint8_t)(n - 1 - pcg_below(rng, (uint32_t)p.n_instr))};
    p.outputs[2] = (MapOutput){MAP_STORE, (uint8_t)pcg_below(rng, n)};
    return p;
}

/* The same, an instruction at a time: value[r] is the whole of register r. */
static void run_apart(const MapProgram *p, float *value[], float *sum)
{
    const int64_t n = p->reduce * p->inner;
    for (int i = 0; i < p->n_instr; i++) {
        MapProgram one = dense(1, p->reduce, p->inner, 3);
        one.n_instr = one.n_outputs = 1;
        one.instr[0] = p->instr[i];
        one.instr[0].a = 0, one.instr[0].b = 1, one.instr[0].c = 2;
        one.outputs[0] = (MapOutput){MAP_STORE, 3};
        value[p->n_inputs + i] = floats(n);
        run(&one,
            (const void *[]){value[p->instr[i].a], value[p->instr[i].b], value[p->instr[i].c]},
            (void *[]){value[p->n_inputs + i]});
    }
    MapProgram last = dense(1, p->reduce, p->inner, 1);
    last.n_outputs = 1;
    last.outputs[0] = (MapOutput){MAP_SUM, 0};
    run(&last, (const void *[]){value[p->outputs[1].reg]}, (void *[]){sum});
}

TEST(map, fused_programs_have_the_bits_of_separate_ones)
{
    static const int64_t sizes[][2] = {
        {700, 16  },
        {100, 32  },
        {67,  64  },
        {9,   300 },
        {130, 10  },
        {40,  128 },
        {3,   1100}
    };
    Pcg rng = pcg_seed(5, 1);
    for (int round = 0; round < 140; round++) {
        const int64_t rows = sizes[round % 7][0], inner = sizes[round % 7][1], n = rows * inner;
        const MapProgram p = random_program(&rng, rows, inner);
        float *x[FUSED_INPUTS] = {uniform(&rng, n, -1, 1), uniform(&rng, inner, -1, 1),
                                  uniform(&rng, rows, -1, 1), uniform(&rng, 1, -1, 1)};
        float *value[MAP_MAX_REGS] = {0};
        float *y[3] = {floats(n), floats(inner), floats(n)}, *sum = floats(inner);
        for (int i = 0; i < FUSED_INPUTS; i++) {
            value[i] = floats(n);
            for (int64_t k = 0; k < n; k++)
                value[i][k] =
                    x[i][k / inner * p.inputs[i].stride[0] + k % inner * p.inputs[i].stride[1]];
        }
        run(&p, (const void *[]){x[0], x[1], x[2], x[3]}, (void *[]){y[0], y[1], y[2]});
        run_apart(&p, value, sum);
        assert_same(value[p.outputs[0].reg], y[0], n);
        assert_same(sum, y[1], inner);
        assert_same(value[p.outputs[2].reg], y[2], n);
        for (int i = 0; i < FUSED_INPUTS + p.n_instr; i++) free(value[i]);
        for (int i = 0; i < FUSED_INPUTS; i++) free(x[i]);
        for (int o = 0; o < 3; o++) free(y[o]);
        free(sum);
    }
}

TEST(map, a_stored_output_may_lie_over_an_input)
{
    Pcg rng = pcg_seed(6, 1);
    for (int round = 0; round < 40; round++) {
        const int64_t rows = 50 + round, inner = round % 2 ? 16 : 33, n = rows * inner;
        const MapProgram p = random_program(&rng, rows, inner);
        float *x = uniform(&rng, n, -1, 1), *row = uniform(&rng, inner, -1, 1);
        float *column = uniform(&rng, rows, -1, 1), one = 0.3f;
        float *want[3] = {floats(n), floats(inner), floats(n)},
              *y[3] = {x, floats(inner), floats(n)};
        const void *const inputs[] = {x, row, column, &one};
        run(&p, inputs, (void *const *)want);
        run(&p, inputs, (void *const *)y);
        const int64_t size[3] = {n, inner, n};
        for (int o = 0; o < 3; o++) {
            assert_same(want[o], y[o], size[o]);
            free(want[o]), free(y[o]);
        }
        free(row), free(column);
    }
}

/* -- Threads and ISAs */

TEST(map, has_the_same_bits_on_every_isa_and_thread_count)
{
    static const int threads[] = {1, 2, 3, 7};
    const char *names[4];
    const int n_isas = cpu_available(names);
    const int64_t rows = 3001, inner = 48, n = rows * inner;
    Pcg rng = pcg_seed(7, 1);
    float *x = uniform(&rng, n, -1, 1), *row = uniform(&rng, inner, -1, 1);
    float *column = uniform(&rng, rows, -1, 1), one = 0.3f;
    float *got[2][3];
    const int64_t size[3] = {n, inner, n};
    for (int o = 0; o < 3; o++) got[0][o] = floats(n), got[1][o] = floats(n);
    for (int round = 0; round < 5; round++) {
        const MapProgram p = random_program(&rng, rows, inner);
        for (int run_index = 0; run_index < 4 * n_isas; run_index++) {
            float **to = got[run_index > 0];
            assert_true(cpu_select(names[run_index / 4], NULL));
            threads_set(threads[run_index % 4]);
            run(&p, (const void *[]){x, row, column, &one}, (void *[]){to[0], to[1], to[2]});
            for (int o = 0; o < 3; o++) assert_same(got[0][o], to[o], size[o]);
        }
    }
    threads_set(0);
    assert_true(cpu_select(NULL, NULL));
    for (int o = 0; o < 3; o++) free(got[0][o]), free(got[1][o]);
    free(x), free(row), free(column);
}
