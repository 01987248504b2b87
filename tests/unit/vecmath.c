/* vecmath -- exp, log, tanh, erf, sin, cos and what map.def makes of them, against long double
 * libm: error in units in the last place over every 4099th float, so all magnitudes, signs,
 * subnormals, infinities and NaNs. */
#include "tests/test.h"

#include "cpu/cpu.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { PIECE = 4096, STRIDE = 4099 };

static float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* |got - want| in spacings of floats at `scale`; past the largest float the next one is 2^128. */
static long double ulps(float got, long double want, long double scale)
{
    if (isnan(want)) return isnan(got) ? 0 : INFINITY;
    if (isnan(got)) return INFINITY;
    if (isinf(got) && isinf(want)) return (got > 0) == (want > 0) ? 0 : INFINITY;
    const long double finite =
        isinf(got) ? copysignl(0x1p128L, (long double)got) : (long double)got;
    if (isinf(got) && fabsl(want) > 0x1p128L) return want * finite > 0 ? 0 : INFINITY;
    int exponent = scale == 0 ? -126 : ilogbl(scale);
    exponent = exponent < -126 ? -126 : exponent > 127 ? 127 : exponent;
    return fabsl(finite - want) / ldexpl(1, exponent - 23);
}

typedef void (*Vector)(int64_t n, const float *x, float *y);
typedef long double (*Reference)(long double x);

/* Largest error of f over the strided sweep; scale NULL: of the result itself. */
static long double worst_error(Vector f, Reference reference, Reference scale)
{
    static float x[PIECE], y[PIECE];
    long double worst = 0;
    for (uint64_t bits = 0; bits < UINT64_C(1) << 32;) {
        int n = 0;
        for (; n < PIECE && bits < UINT64_C(1) << 32; bits += STRIDE)
            x[n++] = float_of((uint32_t)bits);
        f(n, x, y);
        for (int i = 0; i < n; i++) {
            const long double want = reference((long double)x[i]);
            const long double at = scale ? scale((long double)x[i]) : want;
            const long double error = ulps(y[i], want, at);
            if (error > worst && isinf(error))
                print_error("x = %a: %a\n", (double)x[i], (double)y[i]);
            if (error > worst) worst = error;
        }
    }
    return worst;
}

#define ASSERT_WITHIN(limit, f, reference, scale)                                                  \
    do {                                                                                           \
        const long double worst_ = worst_error(f, reference, scale);                               \
        if (!(worst_ <= (limit))) print_error("%s: %.3Lf ulp\n", #f, worst_);                      \
        assert_true(worst_ <= (limit));                                                            \
    } while (0)

TEST(vecmath, exp_is_within_2_ulp)
{
    ASSERT_WITHIN(2, cpu->vexp, expl, NULL);
}

TEST(vecmath, log_is_within_2_ulp)
{
    ASSERT_WITHIN(2, cpu->vlog, logl, NULL);
}

TEST(vecmath, tanh_is_within_2_ulp)
{
    ASSERT_WITHIN(2, cpu->vtanh, tanhl, NULL);
}

TEST(vecmath, erf_is_within_2_ulp)
{
    ASSERT_WITHIN(2, cpu->verf, erfl, NULL);
}

TEST(vecmath, sin_is_within_2_ulp)
{
    ASSERT_WITHIN(2, cpu->vsin, sinl, NULL);
}

TEST(vecmath, cos_is_within_2_ulp)
{
    ASSERT_WITHIN(2, cpu->vcos, cosl, NULL);
}

/* -- Derived functions, as one-instruction programs */

static void run_op(MapOp op, int64_t n, const float *x, float *y)
{
    MapProgram p = {.rank = 1, .dim = {n}, .n_inputs = 1, .n_instr = 1, .n_outputs = 1};
    p.outer = n, p.reduce = 1, p.inner = 1;
    p.inputs[0].stride[0] = 1;
    p.instr[0] = (MapInstr){.op = op};
    p.outputs[0] = (MapOutput){.kind = MAP_STORE, .reg = 1};
    cpu->map_run(&p, (const void *[]){x}, (void *[]){y}, NULL);
}

#define OP_FUNCTION(name, op)                                                                      \
    static void name(int64_t n, const float *x, float *y)                                          \
    {                                                                                              \
        run_op(op, n, x, y);                                                                       \
    }
OP_FUNCTION(sigmoid, MAP_SIGMOID)
OP_FUNCTION(softplus, MAP_SOFTPLUS)
OP_FUNCTION(silu, MAP_SILU)
OP_FUNCTION(gelu, MAP_GELU)
OP_FUNCTION(gelu_tanh, MAP_GELU_TANH)

static long double sigmoid_of(long double x)
{
    return 1 / (1 + expl(-x));
}

static long double softplus_of(long double x)
{
    return x > 0 ? x + log1pl(expl(-x)) : log1pl(expl(x));
}

static long double silu_of(long double x)
{
    return x * sigmoid_of(x); /* NaN at -inf, as torch's */
}

static long double gelu_of(long double x)
{
    return 0.5L * x * (1 + erfl(x * 0.70710678118654752440L));
}

static long double gelu_tanh_of(long double x)
{
    const long double inner = 0.79788456080286535588L * (x + 0.044715L * x * x * x);
    return 0.5L * x * (1 + tanhl(inner));
}

/* silu and sigmoid lose digits where the result is subnormal: x times half a spacing of sigmoid. */
static long double silu_scale(long double x)
{
    return fmaxl(fabsl(silu_of(x)), fabsl(x) * 0x1p-126L);
}

/* 1 + erf cancels for negative x: the error is one of the formula's terms, x / 2. */
static long double half(long double x)
{
    return x / 2;
}

TEST(vecmath, sigmoid_is_within_4_ulp)
{
    ASSERT_WITHIN(4, sigmoid, sigmoid_of, NULL);
}

TEST(vecmath, softplus_is_within_4_ulp)
{
    ASSERT_WITHIN(4, softplus, softplus_of, NULL);
}

TEST(vecmath, silu_is_within_4_ulp_of_its_scale)
{
    ASSERT_WITHIN(4, silu, silu_of, silu_scale);
}

TEST(vecmath, gelu_is_within_4_ulp_of_its_scale)
{
    ASSERT_WITHIN(4, gelu, gelu_of, half);
}

TEST(vecmath, gelu_tanh_is_within_4_ulp_of_its_scale)
{
    ASSERT_WITHIN(4, gelu_tanh, gelu_tanh_of, half);
}

/* -- Single values */

static float one(Vector f, float x)
{
    float y = 77;
    f(1, &x, &y);
    return y;
}

static bool same(float a, float b)
{
    return isnan(a) ? isnan(b) : memcmp(&a, &b, sizeof a) == 0;
}

TEST(vecmath, special_arguments_give_the_exact_values_of_c)
{
    static const float arguments[] = {0.0f, -0.0f, INFINITY, -INFINITY, NAN, 1.0f};
    const struct {
        Vector f;
        Reference reference;
    } functions[] = {
        {cpu->vexp,  expl },
        {cpu->vlog,  logl },
        {cpu->vtanh, tanhl},
        {cpu->verf,  erfl },
        {cpu->vsin,  sinl },
        {cpu->vcos,  cosl }
    };
    for (int f = 0; f < 6; f++)
        for (int i = 0; i < 5; i++) {
            const float want = (float)functions[f].reference((long double)arguments[i]);
            assert_true(same(one(functions[f].f, arguments[i]), want));
        }
    assert_true(same(one(cpu->vlog, 1), 0.0f));
    assert_true(isnan(one(cpu->vlog, -1)));
}

TEST(vecmath, exp_reaches_subnormals_and_overflows_where_it_must)
{
    assert_true(same(one(cpu->vexp, -103.9f), 0x1p-149f)); /* e^-103.97 is half of it */
    assert_true(same(one(cpu->vexp, -104.1f), 0.0f));
    assert_true(isfinite(one(cpu->vexp, 88.72283f))); /* the last below log(2^128) */
    assert_true(isinf(one(cpu->vexp, 88.7229f)));
}

TEST(vecmath, log_takes_subnormals)
{
    assert_true(ulps(one(cpu->vlog, 0x1p-149f), -149 * 0.693147180559945309417L, 64) <= 1);
    assert_true(ulps(one(cpu->vlog, FLT_MIN / 2), -127 * 0.693147180559945309417L, 64) <= 1);
}

TEST(vecmath, sin_reduces_the_largest_float)
{
    /* mpmath, 60 digits: sin(FLT_MAX) = -0.521876523333..., cos(FLT_MAX) = 0.853021039830... */
    assert_true(fabsf(one(cpu->vsin, FLT_MAX) + 0.5218765f) < 1e-6f);
    assert_true(fabsf(one(cpu->vcos, FLT_MAX) - 0.8530210f) < 1e-6f);
}

TEST(vecmath, result_does_not_depend_on_place_or_aliasing)
{
    const Vector functions[] = {cpu->vexp, cpu->vlog, cpu->vtanh, cpu->verf, cpu->vsin, cpu->vcos};
    enum { N = 300 };
    for (int f = 0; f < 6; f++) {
        float x[N], y[N], alone;
        for (int i = 0; i < N; i++) x[i] = 0.01f + 0.037f * (float)i;
        x[290] = 0x1p90f, x[7] = -0x1p60f;
        functions[f](N, x, y);
        for (int i = 0; i < N; i++) {
            functions[f](1, x + i, &alone);
            assert_true(same(alone, y[i]));
        }
        functions[f](N, x, x);
        for (int i = 0; i < N; i++) assert_true(same(x[i], y[i]));
    }
}
