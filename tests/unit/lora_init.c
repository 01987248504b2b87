/* lora_init -- first values of LoRA's factors, on matrices whose singular vectors are known (bases
 * of cosines), and beside values that Hugging Face's PEFT 0.21.2 with torch 2.15 made of the
 * numbers of tests/model.h; there signs of vectors are arbitrary, so sizes are compared. */
#include "tests/model.h"
#include "tests/test.h"

#include "methods/peft/lora_init.h"

#include <math.h>
#include <string.h>

enum { SIZE = 384 }; /* numbers of a 16 x 24 matrix */

static Arena *arena; /* of the test that runs: layer() makes it */

static double *doubles(int64_t n)
{
    return arena_new_array(arena, double, n);
}

/* Column k of the orthonormal cosines over n points. */
static double basis(int64_t n, int64_t k, int64_t i)
{
    const double angle = 3.14159265358979323846 * ((double)i + 0.5) * (double)k / (double)n;
    return sqrt((k == 0 ? 1.0 : 2.0) / (double)n) * cos(angle);
}

/* sum over k < count of 2^-k u_k v_k^T, (out, in), or its transpose. */
static float *spectrum(int64_t out, int64_t in, int64_t count, bool turned)
{
    float *g = arena_new_array(arena, float, out *in);
    for (int64_t o = 0; o < out; o++)
        for (int64_t i = 0; i < in; i++) {
            double sum = 0;
            for (int64_t k = 0; k < count; k++)
                sum += ldexp(1, (int)-k) * basis(out, k, o) * basis(in, k, i);
            g[turned ? i * out + o : o * in + i] = (float)sum;
        }
    return g;
}

static float *numbers(const char *name, int64_t n)
{
    float *x = arena_new_array(arena, float, n);
    for (int64_t i = 0; i < n; i++) x[i] = test_number(name, i);
    return x;
}

static LoraLayer layer(int64_t out, int64_t in, int64_t rank, double scaling)
{
    arena = arena_new();
    return (LoraLayer){.name = "layer",
                       .out = out,
                       .in = in,
                       .rank = rank,
                       .scaling = scaling,
                       .a = arena_new_array(arena, float, rank *in),
                       .b = arena_new_array(arena, float, out *rank)};
}

static LoraInitResult fill(const LoraInit *o, const LoraLayer *l)
{
    Error err = {0};
    LoraInitResult result;
    ASSERT_OK(lora_init(o, l, 1, &result, &err), &err);
    return result;
}

/* s B A in double, (out, in). */
static double *product(const LoraLayer *l)
{
    double *p = doubles(l->out * l->in);
    for (int64_t o = 0; o < l->out; o++)
        for (int64_t i = 0; i < l->in; i++)
            for (int64_t k = 0; k < l->rank; k++)
                p[o * l->in + i] +=
                    l->scaling * (double)l->b[o * l->rank + k] * (double)l->a[k * l->in + i];
    return p;
}

/* B B^T G + G A^T A: what a step of gradient descent takes from W, over lr s^2. */
static double *first_step(const LoraLayer *l, const float *g)
{
    const int64_t out = l->out, in = l->in, r = l->rank;
    double *u = doubles(out * in), *bg = doubles(r * in), *ga = doubles(out * r);
    for (int64_t o = 0; o < out; o++)
        for (int64_t i = 0; i < in; i++)
            for (int64_t k = 0; k < r; k++) {
                const double x = (double)g[o * in + i];
                bg[k * in + i] += (double)l->b[o * r + k] * x;
                ga[o * r + k] += x * (double)l->a[k * in + i];
            }
    for (int64_t o = 0; o < out; o++)
        for (int64_t i = 0; i < in; i++)
            for (int64_t k = 0; k < r; k++)
                u[o * in + i] += (double)l->b[o * r + k] * bg[k * in + i] +
                                 ga[o * r + k] * (double)l->a[k * in + i];
    return u;
}

static double distance(const double *x, const double *y, double scale, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (x[i] - scale * y[i]) * (x[i] - scale * y[i]);
    return sqrt(sum);
}

static double *widen(const float *x, int64_t n)
{
    double *y = doubles(n);
    for (int64_t i = 0; i < n; i++) y[i] = (double)x[i];
    return y;
}

/* -- lora_ga */

TEST(lora_init, diagonal_gradient_gives_its_axes)
{
    LoraLayer l = layer(4, 4, 1, 1);
    const float g[16] = {4, 0, 0, 0, 0, 3, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1};
    const double want[16] = {[0] = 4, [5] = 3};
    l.gradient = g;
    assert_int_equal(fill(&(LoraInit){.kind = LORA_GA, .scale = LORA_UNIT}, &l), LORA_INIT_DONE);
    for (int i = 0; i < 4; i++) {
        assert_true(fabsf(fabsf(l.a[i]) - (i == 0 ? 1 : 0)) <= 1e-7F);
        assert_true(fabsf(fabsf(l.b[i]) - (i == 1 ? 1 : 0)) <= 1e-7F);
    }
    assert_true(distance(first_step(&l, g), want, 1, 16) <= 1e-6);
    arena_free(arena);
}

/* The first step against the best approximation of rank 2r, which the spectrum tells. */
static void check_step(const LoraInit *o, int64_t out, int64_t in, int64_t rank, double c)
{
    LoraLayer l = layer(out, in, rank, 4);
    l.gradient = spectrum(out, in, 3 * rank, false);
    l.w = spectrum(out, in, 3 * rank, false);
    const double *best = widen(spectrum(out, in, 2 * rank, false), out * in);
    fill(o, &l);
    const double *step = first_step(&l, l.gradient);
    assert_true(distance(step, best, c * c, out * in) <= 1e-4 * c * c);
    for (int64_t j = 0; j < rank; j++) /* A A^T = B^T B = c^2 I */
        for (int64_t k = 0; k < rank; k++) {
            double aa = 0, bb = 0;
            for (int64_t i = 0; i < in; i++)
                aa += (double)l.a[j * in + i] * (double)l.a[k * in + i];
            for (int64_t i = 0; i < out; i++)
                bb += (double)l.b[i * rank + j] * (double)l.b[i * rank + k];
            assert_true(fabs(aa - (j == k ? c * c : 0)) <= 1e-6 * c * c);
            assert_true(fabs(bb - (j == k ? c * c : 0)) <= 1e-6 * c * c);
        }
    arena_free(arena);
}

TEST(lora_init, every_direction_steps_to_the_best_approximation)
{
    for (int d = LORA_ARB2R; d <= LORA_RANDOM; d++)
        check_step(&(LoraInit){.kind = LORA_GA, .direction = d, .scale = LORA_UNIT}, 16, 24, 2, 1);
}

TEST(lora_init, stable_scale_of_16_outputs_and_gamma_16_is_a_half)
{
    check_step(&(LoraInit){.kind = LORA_GA, .scale = LORA_STABLE, .gamma = 16}, 16, 24, 2, 0.5);
}

TEST(lora_init, gd_scale_is_one_over_s)
{
    check_step(&(LoraInit){.kind = LORA_GA, .scale = LORA_GD}, 24, 16, 2, 0.25);
}

TEST(lora_init, weight_scale_is_the_mean_root_of_its_singular_values)
{
    const double c = (sqrt(1.0 / 4) + sqrt(0.5 / 4)) / 2; /* sigma 1 and 1/2, s = 4 */
    check_step(&(LoraInit){.kind = LORA_GA, .scale = LORA_WEIGHT_S}, 16, 24, 2, c);
}

TEST(lora_init, sketched_vectors_of_a_larger_matrix_are_as_good)
{
    check_step(&(LoraInit){.kind = LORA_GA, .scale = LORA_UNIT}, 513, 520, 2, 1);
}

/* U_B^T G V_A = 0, as no vector is in both. */
TEST(lora_init, factors_do_not_meet_in_the_gradient)
{
    LoraLayer l = layer(12, 9, 3, 1);
    l.gradient = numbers("g", 108);
    for (int d = LORA_ARB2R; d <= LORA_RANDOM; d++) {
        fill(&(LoraInit){.kind = LORA_GA, .direction = d, .scale = LORA_UNIT}, &l);
        for (int64_t j = 0; j < 3; j++)
            for (int64_t k = 0; k < 3; k++) {
                double sum = 0;
                for (int64_t o = 0; o < 12; o++)
                    for (int64_t i = 0; i < 9; i++)
                        sum += (double)l.b[o * 3 + j] * (double)l.gradient[o * 9 + i] *
                               (double)l.a[k * 9 + i];
                assert_true(fabs(sum) <= 1e-6);
            }
    }
    arena_free(arena);
}

/* |s (B1 A1 - B0 A0) + lr s^2 c^2 G_2r| after a step of gradient descent. */
static double second_order(LoraLayer *l, const double *best, double lr)
{
    const int64_t out = l->out, in = l->in, r = l->rank;
    const double s = l->scaling;
    double *a = widen(l->a, r * in), *b = widen(l->b, out * r), *moved = doubles(out * in);
    const double *before = product(l);
    for (int64_t k = 0; k < r; k++)
        for (int64_t i = 0; i < in; i++)
            for (int64_t o = 0; o < out; o++)
                a[k * in + i] -= lr * s * (double)l->b[o * r + k] * (double)l->gradient[o * in + i];
    for (int64_t o = 0; o < out; o++)
        for (int64_t k = 0; k < r; k++)
            for (int64_t i = 0; i < in; i++)
                b[o * r + k] -= lr * s * (double)l->gradient[o * in + i] * (double)l->a[k * in + i];
    for (int64_t o = 0; o < out; o++)
        for (int64_t i = 0; i < in; i++) {
            for (int64_t k = 0; k < r; k++) moved[o * in + i] += s * b[o * r + k] * a[k * in + i];
            moved[o * in + i] -= before[o * in + i];
        }
    return distance(moved, best, -lr * s * s, out * in);
}

TEST(lora_init, what_a_step_misses_is_of_second_order)
{
    LoraLayer l = layer(16, 24, 2, 4);
    l.gradient = spectrum(16, 24, 6, false);
    const double *best = widen(spectrum(16, 24, 4, false), SIZE);
    fill(&(LoraInit){.kind = LORA_GA, .direction = LORA_ARBR, .scale = LORA_UNIT}, &l);
    const double whole = second_order(&l, best, 0.02), half = second_order(&l, best, 0.01);
    assert_true(whole / half > 3.8 && whole / half < 4.2);
    arena_free(arena);
}

TEST(lora_init, norm_clip_makes_the_product_as_large_as_the_weight)
{
    LoraLayer l = layer(16, 24, 2, 4);
    float *w = numbers("w", SIZE);
    for (int i = 0; i < SIZE; i++) w[i] *= 1e-3F;
    w[5] = -1e-3F;
    l.w = w;
    l.gradient = numbers("g", SIZE);
    fill(&(LoraInit){.kind = LORA_GA, .scale = LORA_UNIT, .norm_clip = true}, &l);
    const double *p = product(&l);
    double largest = 0;
    for (int i = 0; i < SIZE; i++) largest = fmax(largest, fabs(p[i]));
    assert_true(fabs(largest - 1e-3) <= 1e-9);
    arena_free(arena);
}

TEST(lora_init, norm_clip_leaves_a_small_product_alone)
{
    LoraLayer l = layer(16, 24, 2, 1), other = l;
    l.w = numbers("w", SIZE);
    l.gradient = numbers("g", SIZE);
    other = l;
    other.a = arena_new_array(arena, float, 48);
    const LoraInit with = {.kind = LORA_GA, .gamma = 1e6, .norm_clip = true};
    const LoraInit without = {.kind = LORA_GA, .gamma = 1e6};
    fill(&with, &l);
    fill(&without, &other);
    assert_memory_equal(l.a, other.a, sizeof(float) * 2 * 24);
    arena_free(arena);
}

TEST(lora_init, gradient_of_zeros_starts_as_default)
{
    LoraLayer l = layer(6, 4, 2, 1);
    l.gradient = arena_new_array(arena, float, 24);
    assert_int_equal(fill(&(LoraInit){.kind = LORA_GA, .gamma = 16}, &l), LORA_INIT_ZERO_GRADIENT);
    for (int i = 0; i < 12; i++) assert_true(l.b[i] == 0);
    for (int i = 0; i < 8; i++) assert_true(l.a[i] != 0 && fabsf(l.a[i]) <= 0.5f);
    arena_free(arena);
}

static void check_sizes(const float *x, const float *want, int n, float relative)
{
    for (int i = 0; i < n; i++)
        if (fabsf(fabsf(x[i]) - want[i]) > relative * fmaxf(0.1f, want[i])) {
            print_error("[%d]: %.8g, not %.8g\n", i, (double)x[i], (double)want[i]);
            assert_true(false);
        }
}

/* peft.LoraConfig(r=2, lora_alpha=6, use_rslora=True, init_lora_weights="lora_ga") */
static LoraLayer peft_layer(void)
{
    LoraLayer l = layer(8, 6, 2, 4.242640687119285);
    l.w = numbers("w", 48);
    l.gradient = numbers("g", 48);
    return l;
}

TEST(lora_init, variant_peft_stable_is_as_the_library_has_it)
{
    static const float a[12] = {0.3824442F, 0.2399051F, 0.267583F,   0.0129993F,
                                0.4556049F, 0.7189134F, 0.5542837F,  0.5552536F,
                                0.4323108F, 0.4403707F, 0.05527143F, 0.02426913F};
    static const float b[16] = {0.05432321F, 0.001361446F, 0.04867657F,  0.009965226F,
                                0.1533293F,  0.007113036F, 0.1560851F,   0.1946162F,
                                0.2215344F,  0.1043898F,   0.1090051F,   0.1605382F,
                                0.1888029F,  0.1876342F,   0.001056566F, 0.04318132F};
    const LoraLayer l = peft_layer();
    fill(&(LoraInit){.kind = LORA_GA, .variant = LORA_PEFT, .gamma = 16}, &l);
    check_sizes(l.a, a, 12, 1e-5f);
    check_sizes(l.b, b, 16, 1e-5f);
    arena_free(arena);
}

TEST(lora_init, variant_peft_weight_scale_is_as_the_library_has_it)
{
    static const float a[12] = {0.5542837F,  0.5552536F,  0.4323108F, 0.4403707F,
                                0.05527143F, 0.02426913F, 0.3815747F, 0.6780589F,
                                0.07396568F, 0.3688229F,  0.4966767F, 0.08029643F};
    static const float b[16] = {0.1458557F, 0.1310218F, 0.3393886F, 0.1174027F,
                                0.3651944F, 0.369814F,  0.3848102F, 0.3764607F,
                                0.5625649F, 0.5343175F, 0.5202146F, 0.2629088F,
                                0.2049294F, 0.4553725F, 0.8031114F, 0.002548324F};
    const LoraLayer l = peft_layer();
    const LoraInit o = {
        .kind = LORA_GA, .variant = LORA_PEFT, .direction = LORA_ARBR, .scale = LORA_WEIGHT_S};
    fill(&o, &l);
    check_sizes(l.a, a, 12, 1e-5f);
    check_sizes(l.b, b, 16, 1e-4f); /* its sketch of W has rank columns only */
    arena_free(arena);
}

/* -- pissa, olora */

static void check_pissa(int64_t niter)
{
    LoraLayer l = layer(16, 24, 2, 4);
    l.w = spectrum(16, 24, 6, false);
    const double *best = widen(spectrum(16, 24, 2, false), SIZE);
    fill(&(LoraInit){.kind = LORA_PISSA, .niter = niter}, &l);
    assert_true(distance(product(&l), best, 1, SIZE) <= 1e-6);
    arena_free(arena);
}

TEST(lora_init, pissa_is_the_best_approximation_of_the_weight)
{
    check_pissa(-1);
}

TEST(lora_init, pissa_by_power_iterations_is_the_same)
{
    check_pissa(4);
}

/* init_lora_weights="pissa" */
TEST(lora_init, pissa_shares_the_singular_values_as_the_library_does)
{
    static const float a[12] = {0.2257047F, 0.2686264F, 0.03372933F, 0.2194713F,
                                0.2320746F, 0.2834389F, 0.3137827F,  0.198176F,
                                0.1258887F, 0.1268149F, 0.224217F,   0.1708882F};
    static const float b[16] = {0.03282931F, 0.2653528F,  0.3794811F,  0.01200324F,
                                0.3449534F,  0.02956956F, 0.06947631F, 0.1943474F,
                                0.07809925F, 0.1018972F,  0.1632124F,  0.01463255F,
                                0.0269133F,  0.2816787F,  0.06510567F, 0.2236019F};
    const LoraLayer l = peft_layer();
    fill(&(LoraInit){.kind = LORA_PISSA, .niter = -1}, &l);
    check_sizes(l.a, a, 12, 1e-5f);
    check_sizes(l.b, b, 16, 1e-5f);
    arena_free(arena);
}

/* init_lora_weights="olora" */
TEST(lora_init, olora_is_the_first_part_of_a_qr_decomposition)
{
    static const float a[12] = {0.9510235F, 0.4568253F,  0.05361781F, 0.2208658F,
                                0.1109067F, 0.1399819F,  0.0F,        0.7551648F,
                                0.3116588F, 0.01371184F, 0.3656181F,  0.2249934F};
    static const float b[16] = {0.2114054F,  0.4733701F,   0.4537901F, 0.3597502F,
                                0.1413975F,  0.5466439F,   0.4886227F, 0.2015482F,
                                0.09330799F, 0.2192549F,   0.4379263F, 0.4814534F,
                                0.4424337F,  0.002478868F, 0.3072515F, 0.1648731F};
    const LoraLayer l = peft_layer();
    fill(&(LoraInit){.kind = LORA_OLORA}, &l);
    check_sizes(l.a, a, 12, 1e-5f);
    check_sizes(l.b, b, 16, 1e-5f);
    assert_true(l.a[6] == 0);
    arena_free(arena);
}

/* A weight of rank 2 is all in its factors. */
TEST(lora_init, olora_reconstructs_a_wide_weight_of_its_rank)
{
    LoraLayer l = layer(6, 24, 2, 1);
    const float *u = numbers("u", 12), *v = numbers("v", 48);
    float *w = arena_new_array(arena, float, 144);
    for (int64_t k = 0; k < 144; k++)
        w[k] = u[k / 24 * 2] * v[k % 24] + u[k / 24 * 2 + 1] * v[24 + k % 24];
    l.w = w;
    fill(&(LoraInit){.kind = LORA_OLORA}, &l);
    assert_true(distance(product(&l), widen(w, 144), 1, 144) <= 1e-6);
    arena_free(arena);
}

/* -- All */

TEST(lora_init, storage_of_the_weight_does_not_matter)
{
    for (int kind = LORA_PISSA; kind <= LORA_GA; kind++) {
        LoraLayer l = layer(16, 24, 2, 4), turned = l;
        const LoraInit o = {.kind = kind, .niter = -1, .scale = LORA_UNIT};
        l.w = l.gradient = spectrum(16, 24, 6, false);
        turned.turned = true;
        turned.w = turned.gradient = spectrum(16, 24, 6, true);
        turned.a = arena_new_array(arena, float, 48);
        turned.b = arena_new_array(arena, float, 16 * 2);
        fill(&o, &l);
        fill(&o, &turned);
        for (int i = 0; i < 48; i++)
            assert_true(fabsf(fabsf(l.a[i]) - fabsf(turned.a[i])) <= 1e-6f);
        for (int i = 0; i < 32; i++)
            assert_true(fabsf(fabsf(l.b[i]) - fabsf(turned.b[i])) <= 1e-6f);
        arena_free(arena);
    }
}

TEST(lora_init, offset_takes_the_product_from_either_storage)
{
    for (int t = 0; t < 2; t++) {
        LoraLayer l = layer(5, 70, 2, 4); /* more than one block of columns */
        l.a = numbers("a", 140);
        l.b = numbers("b", 10);
        l.turned = t == 1;
        float *w = numbers("w", 350);
        const double *p = product(&l);
        lora_offset(&l, w);
        for (int64_t o = 0; o < 5; o++)
            for (int64_t i = 0; i < 70; i++) {
                const int64_t at = l.turned ? i * 5 + o : o * 70 + i;
                const double want = (double)test_number("w", at) - p[o * 70 + i];
                assert_true(w[at] == (float)want);
            }
        arena_free(arena);
    }
}

TEST(lora_init, default_has_the_bits_of_the_parameters_own_values)
{
    LoraLayer l = layer(6, 4, 2, 1);
    float want[8];
    Param p = {.name = "layer.lora_A.weight",
               .shape = shape(2, INT64_C(2), INT64_C(4)),
               .n = 8,
               .data = want,
               .init = {.kind = INIT_TORCH_DEFAULT}};
    param_init(&p, 1);
    fill(&(LoraInit){.kind = LORA_DEFAULT}, &l);
    assert_memory_equal(l.a, want, sizeof want);
    arena_free(arena);
}

static double mean_square(const float *x, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
    return sum / (double)n;
}

/* A mean of n squares of normals has the deviation sqrt(2 / n) of its value: 4 of them. */
TEST(lora_init, gaussian_has_deviation_one_over_rank)
{
    LoraLayer l = layer(6, 2000, 4, 1);
    fill(&(LoraInit){.kind = LORA_GAUSSIAN}, &l);
    assert_true(fabs(16 * mean_square(l.a, 8000) - 1) <= 4 * sqrt(2.0 / 8000));
    for (int i = 0; i < 24; i++) assert_true(l.b[i] == 0);
    arena_free(arena);
}

TEST(lora_init, stable_output_has_rows_and_columns_of_the_stable_length)
{
    LoraLayer l = layer(1296, 2000, 4, 1); /* 1296^(1/4) = 6, gamma 9: c = 2 */
    fill(&(LoraInit){.kind = LORA_STABLE_OUTPUT, .gamma = 9}, &l);
    assert_true(fabs(2000 * mean_square(l.a, 8000) / 4 - 1) <= 4 * sqrt(2.0 / 8000));
    assert_true(fabs(1296 * mean_square(l.b, 5184) / 4 - 1) <= 4 * sqrt(2.0 / 5184));
    arena_free(arena);
}

TEST(lora_init, layers_of_other_names_and_seeds_draw_other_numbers)
{
    LoraLayer l = layer(6, 4, 2, 1), other = l;
    LoraInitResult result;
    other.a = arena_new_array(arena, float, 8);
    const LoraInit o = {.kind = LORA_GAUSSIAN};
    fill(&o, &l);
    other.name = "other";
    fill(&o, &other);
    assert_memory_not_equal(l.a, other.a, sizeof(float) * 8);
    other.name = l.name;
    assert_true(lora_init(&o, &other, 2, &result, NULL));
    assert_memory_not_equal(l.a, other.a, sizeof(float) * 8);
    fill(&o, &other);
    assert_memory_equal(l.a, other.a, sizeof(float) * 8);
    arena_free(arena);
}

/* -- Bad input */

TEST(lora_init, rank_beyond_the_matrix_is_refused)
{
    Error err = {0};
    LoraInitResult result;
    LoraLayer l = layer(6, 4, 3, 1);
    l.gradient = numbers("g", 24);
    ASSERT_FAILS(lora_init(&(LoraInit){.kind = LORA_GA, .gamma = 16}, &l, 1, &result, &err), &err,
                 FAIL_CONFIG, "rank 3 is too large for layer, which is 6 x 4: at most 2");
    arena_free(arena);
}

TEST(lora_init, gradient_with_a_nan_is_refused_by_name)
{
    Error err = {0};
    LoraInitResult result;
    LoraLayer l = layer(6, 4, 1, 1);
    float *g = numbers("g", 24);
    g[7] = NAN;
    l.gradient = g;
    ASSERT_FAILS(lora_init(&(LoraInit){.kind = LORA_GA, .gamma = 16}, &l, 1, &result, &err), &err,
                 FAIL_RUN, "for the first values of layer");
    arena_free(arena);
}

TEST(lora_init, weight_that_is_not_finite_is_refused_by_olora)
{
    Error err = {0};
    LoraInitResult result;
    LoraLayer l = layer(6, 4, 1, 1);
    float *w = numbers("w", 24);
    w[7] = INFINITY;
    l.w = w;
    ASSERT_FAILS(lora_init(&(LoraInit){.kind = LORA_OLORA}, &l, 1, &result, &err), &err, FAIL_RUN,
                 "element 7 of the weight is infinite; for the first values of layer");
    arena_free(arena);
}

TEST(lora_init, scale_of_zero_is_refused)
{
    Error err = {0};
    LoraInitResult result;
    LoraLayer l = layer(6, 4, 1, 0);
    l.w = numbers("w", 24);
    ASSERT_FAILS(lora_init(&(LoraInit){.kind = LORA_PISSA}, &l, 1, &result, &err), &err,
                 FAIL_CONFIG, "the scale of B A is 0");
    arena_free(arena);
}
