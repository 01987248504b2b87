/* rows -- kernels over contiguous rows and flat storage (softmax, cross-entropy, norms, gather and
 * scatter, random numbers, optimizer updates) against float64 written plainly here. */
#include "tests/test.h"

#include "base/pcg.h"
#include "base/threads.h"
#include "cpu/cpu.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const int64_t lengths[] = {1, 2, 7, 10, 15, 16, 17, 31, 64, 100, 333, 1000};
enum { N_LENGTHS = sizeof lengths / sizeof lengths[0], ROWS = 5 };

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

/* `units` roundings at the size of `scale`. */
static void assert_near(float got, double want, double scale, double units)
{
    const double most = units * (double)FLT_EPSILON * scale;
    if (!(fabs((double)got - want) <= most))
        print_error("%.9g, not %.9g (+- %.2g)\n", (double)got, want, most);
    assert_true(fabs((double)got - want) <= most);
}

/* -- Softmax */

static double log_sum_exp(const float *x, int64_t n)
{
    double m = -INFINITY, s = 0;
    for (int64_t i = 0; i < n; i++) m = fmax(m, (double)x[i]);
    for (int64_t i = 0; i < n; i++) s += exp((double)x[i] - m);
    return m + log(s);
}

TEST(rows, softmax_and_its_logarithm_agree_with_float64)
{
    Pcg rng = pcg_seed(1, 2);
    for (int k = 0; k < N_LENGTHS; k++) {
        const int64_t n = lengths[k];
        float *x = uniform(&rng, ROWS * n, -20, 20), *y = floats(ROWS * n), *l = floats(ROWS * n);
        cpu->softmax(ROWS, n, x, y);
        cpu->log_softmax(ROWS, n, x, l);
        for (int64_t i = 0; i < ROWS * n; i++) {
            const double want = (double)x[i] - log_sum_exp(x + i / n * n, n);
            assert_near(l[i], want, fabs(want) + 1, 4);
            /* x - max rounds at 40: 20 roundings relative */
            assert_near(y[i], exp(want), exp(want), 30);
        }
        cpu->softmax(ROWS, n, x, x);
        assert_memory_equal(x, y, (size_t)(ROWS * n) * sizeof *x);
        free(x), free(y), free(l);
    }
}

TEST(rows, softmax_survives_extreme_logits)
{
    const float x[4] = {1e30f, -1e30f, 1e30f, -INFINITY};
    float y[4];
    cpu->softmax(1, 4, x, y);
    assert_true(y[0] == 0.5f && y[1] == 0 && y[2] == 0.5f && y[3] == 0);
}

/* -- Cross-entropy */

static double target_of(int64_t n, int32_t label, int64_t j, double smoothing)
{
    return smoothing / (double)n + (j == label ? 1 - smoothing : 0);
}

TEST(rows, cross_entropy_and_its_gradient_agree_with_float64)
{
    Pcg rng = pcg_seed(2, 2);
    for (int k = 0; k < 2 * N_LENGTHS; k++) {
        const int64_t n = lengths[k / 2];
        const float smoothing = k % 2 ? 0.1f : 0;
        float *x = uniform(&rng, ROWS * n, -5, 5), *dloss = uniform(&rng, ROWS, -1, 1);
        float loss[ROWS], *dx = floats(ROWS * n);
        int32_t label[ROWS];
        for (int r = 0; r < ROWS; r++) label[r] = (int32_t)pcg_below(&rng, (uint32_t)n);
        cpu->cross_entropy(ROWS, n, x, label, smoothing, -100, loss, NULL);
        cpu->cross_entropy_grad(ROWS, n, x, label, smoothing, -100, NULL, dloss, dx);
        for (int r = 0; r < ROWS; r++) {
            const double lse = log_sum_exp(x + r * n, n);
            double want = 0;
            for (int64_t j = 0; j < n; j++) {
                const double t = target_of(n, label[r], j, (double)smoothing);
                const double log_p = (double)x[r * n + j] - lse;
                want -= t * log_p;
                assert_near(dx[r * n + j], (exp(log_p) - t) * (double)dloss[r], 1, 4);
            }
            assert_near(loss[r], want, 16, 4);
        }
        free(x), free(dloss), free(dx);
    }
}

/* A row longer than a block, whose largest logits come late. */
TEST(rows, cross_entropy_gradient_is_the_same_with_statistics_and_in_place)
{
    enum { N = 5003 };
    Pcg rng = pcg_seed(20, 2);
    float *x = uniform(&rng, 2 * N, -3, 3), *dx = floats(2 * N), *same = floats(2 * N);
    const float dloss[2] = {0.5f, -2};
    const int32_t label[2] = {4999, 0};
    float loss[2], stats[4];
    for (int j = 0; j < N; j++) x[j] += (float)j * 0.01f;
    cpu->cross_entropy(2, N, x, label, 0.1f, -1, loss, stats);
    for (int r = 0; r < 2; r++) {
        double most = -INFINITY;
        for (int j = 0; j < N; j++) most = fmax(most, (double)x[r * N + j]);
        const double m = (double)stats[2 * r];
        assert_true(m <= most && m >= most - 2.1);
        assert_near(stats[2 * r + 1], exp(m - log_sum_exp(x + r * N, N)), 1, 4);
    }
    cpu->cross_entropy_grad(2, N, x, label, 0.1f, -1, NULL, dloss, dx);
    cpu->cross_entropy_grad(2, N, x, label, 0.1f, -1, stats, dloss, same);
    assert_memory_equal(dx, same, 2 * N * sizeof *dx);
    cpu->cross_entropy_grad(2, N, x, label, 0.1f, -1, stats, dloss, x);
    assert_memory_equal(dx, x, 2 * N * sizeof *dx);
    free(x), free(dx), free(same);
}

/* A block that begins above all before it, by a little or by more than exponentials hold; one far
 * below. */
TEST(rows, cross_entropy_follows_rising_and_falling_logits)
{
    enum { N = 8200 };
    static const float rises[] = {1.9f, 2.3f, 40, 500, -60, -500};
    Pcg rng = pcg_seed(24, 2);
    float *x = floats(N), loss;
    const int32_t label = 7000;
    for (size_t k = 0; k < sizeof rises / sizeof rises[0]; k++) {
        for (int j = 0; j < N; j++) x[j] = pcg_uniform(&rng) + rises[k] * (float)(j / 3000);
        cpu->cross_entropy(1, N, x, &label, 0, -1, &loss, NULL);
        assert_near(loss, log_sum_exp(x, N) - (double)x[label], 1000, 2);
    }
    free(x);
}

TEST(rows, cross_entropy_takes_masked_logits_and_passes_nan_on)
{
    float x[4] = {-INFINITY, 2, -INFINITY, 2}, loss, stats[2], dx[4];
    const float one = 1;
    const int32_t label = 3;
    cpu->cross_entropy(1, 4, x, &label, 0, -1, &loss, stats);
    cpu->cross_entropy_grad(1, 4, x, &label, 0, -1, stats, &one, dx);
    assert_near(loss, 0.69314718055995, 1, 1);
    assert_true(dx[0] == 0 && dx[1] == 0.5f && dx[2] == 0 && dx[3] == -0.5f);
    x[0] = NAN;
    cpu->cross_entropy(1, 4, x, &label, 0, -1, &loss, stats);
    assert_true(isnan(loss));
}

/* Odd rows longer than two blocks, rows that are ignored or marked between others, one that rises;
 * few rows, which are stored, and many, which are streamed; over the logits too. */
TEST(rows, cross_entropy_and_its_gradient_are_the_same_together)
{
    enum { N = 4999, FEW = 9, MANY = 640 };
    Pcg rng = pcg_seed(25, 2);
    for (int k = 0; k < 4; k++) {
        const int64_t rows = k < 3 ? FEW : MANY;
        const float smoothing = k & 1 ? 0.1f : 0;
        float *some = uniform(&rng, FEW * N, -3, 3), *dloss = uniform(&rng, rows, -1, 1);
        float *x = floats(rows * N), *dx = floats(rows * N),
              *both_dx = k == 2 ? x : floats(rows * N);
        float *loss = floats(4 * rows), *stats = floats(4 * rows);
        float *scratch = malloc(cpu->cross_entropy_scratch(rows, N));
        int32_t *label = malloc((size_t)rows * sizeof *label);
        for (int64_t r = 0; r < rows; r++)
            label[r] = r % 9 == 4 ? -1 : r % 9 == 6 ? N : (int32_t)(r * 997 % N);
        for (int64_t i = 0; i < rows * N; i++) x[i] = some[i % (FEW * N)];
        for (int64_t j = 0; j < N; j++) x[7 * N + j] += (float)j * 0.01f;
        cpu->cross_entropy(rows, N, x, label, smoothing, -1, loss, stats);
        cpu->cross_entropy_grad(rows, N, x, label, smoothing, -1, stats, dloss, dx);
        const CrossEntropy c = {.rows = rows,
                                .n = N,
                                .x = x,
                                .label = label,
                                .ignore = -1,
                                .smoothing = smoothing,
                                .dloss = dloss,
                                .loss = loss + rows,
                                .stats = stats + 2 * rows,
                                .dx = both_dx};
        cpu->cross_entropy_both(&c, scratch);
        assert_memory_equal(loss, loss + rows, (size_t)rows * sizeof *loss);
        assert_memory_equal(stats, stats + 2 * rows, (size_t)(2 * rows) * sizeof *stats);
        assert_memory_equal(dx, both_dx, (size_t)(rows * N) * sizeof *dx);
        if (both_dx != x) free(both_dx);
        free(some), free(x), free(dx), free(dloss), free(loss), free(stats), free(scratch);
        free(label);
    }
}

TEST(rows, cross_entropy_ignores_one_label_and_marks_those_outside)
{
    const float x[8] = {1, 2, 3, 4, 5, 6, 7, 8}, dloss[4] = {1, 1, 1, 1};
    const int32_t label[4] = {-1, 2, -3, 1};
    float loss[4], dx[8];
    cpu->cross_entropy(4, 2, x, label, 0, -1, loss, NULL);
    cpu->cross_entropy_grad(4, 2, x, label, 0, -1, NULL, dloss, dx);
    assert_true(loss[0] == 0 && isnan(loss[1]) && isnan(loss[2]) && isfinite(loss[3]));
    assert_true(dx[0] == 0 && dx[1] == 0 && isfinite(dx[6]));
    for (int i = 2; i < 6; i++) assert_true(isnan(dx[i]));
}

TEST(rows, cross_entropy_of_equal_logits_is_the_logarithm_of_their_number)
{
    const float x[3] = {7, 7, 7};
    const int32_t label = 2;
    float loss;
    for (int smooth = 0; smooth < 2; smooth++) {
        cpu->cross_entropy(1, 3, x, &label, smooth ? 0.2f : 0, -100, &loss, NULL);
        assert_near(loss, 1.09861228866811, 1, 1);
    }
}

/* -- Norms: center for layer norm */

static double mean_of(const float *x, int64_t n)
{
    double s = 0;
    for (int64_t i = 0; i < n; i++) s += (double)x[i];
    return s / (double)n;
}

static double scale_of(const float *x, int64_t n, double m, double eps)
{
    double s = 0;
    for (int64_t i = 0; i < n; i++) s += ((double)x[i] - m) * ((double)x[i] - m);
    return 1 / sqrt(s / (double)n + eps);
}

static void check_norm(Pcg *rng, int64_t n, bool center, bool affine)
{
    const float eps = 1e-2f; /* so that rows of one element are well conditioned */
    float *x = uniform(rng, ROWS * n, -1, 3), *dy = uniform(rng, ROWS * n, -1, 1);
    float *gain = uniform(rng, n, 0.5f, 2), *bias = uniform(rng, n, -1, 1);
    float *y = floats(ROWS * n), *dx = floats(ROWS * n), *const g = affine ? gain : NULL;
    float *dgain = floats(n), *dbias = floats(n);
    void *scratch = malloc(cpu->norm_grad_scratch(ROWS, n));
    const NormGrad grad = {x, dy, g, eps, dx, dgain, dbias};
    if (center) {
        cpu->layer_norm(ROWS, n, x, g, affine ? bias : NULL, eps, y);
        cpu->layer_norm_grad(ROWS, n, &grad, scratch);
    } else {
        cpu->rms_norm(ROWS, n, x, g, eps, y);
        cpu->rms_norm_grad(ROWS, n, &grad, scratch);
    }
    for (int64_t r = 0; r < ROWS; r++) {
        const float *row = x + r * n;
        const double m = center ? mean_of(row, n) : 0, scale = scale_of(row, n, m, (double)eps);
        double sum = 0, product = 0;
        for (int64_t j = 0; j < n; j++) {
            const double d = (double)dy[r * n + j] * (g ? (double)g[j] : 1);
            sum += d, product += d * ((double)row[j] - m) * scale;
        }
        for (int64_t j = 0; j < n; j++) {
            const double hat = ((double)row[j] - m) * scale,
                         d = (double)dy[r * n + j] * (g ? (double)g[j] : 1);
            const double want = hat * (g ? (double)g[j] : 1) + (g && center ? (double)bias[j] : 0);
            assert_near(y[r * n + j], want, 8 * (1 + scale), 4);
            const double mean_d = center ? sum / (double)n : 0;
            assert_near(dx[r * n + j], scale * (d - mean_d - hat * product / (double)n),
                        scale * 16 * (1 + scale), 4);
        }
    }
    for (int64_t j = 0; j < n; j++) {
        double of_gain = 0, of_bias = 0;
        for (int64_t r = 0; r < ROWS; r++) {
            const float *row = x + r * n;
            const double m = center ? mean_of(row, n) : 0, scale = scale_of(row, n, m, (double)eps);
            of_gain += (double)dy[r * n + j] * ((double)row[j] - m) * scale;
            of_bias += (double)dy[r * n + j];
        }
        assert_near(dgain[j], of_gain, 8 * ROWS, 4);
        assert_near(dbias[j], of_bias, ROWS, 1);
    }
    free(x), free(dy), free(gain), free(bias), free(y), free(dx);
    free(dgain), free(dbias), free(scratch);
}

TEST(rows, layer_norm_and_its_gradient_agree_with_float64)
{
    Pcg rng = pcg_seed(3, 2);
    for (int k = 0; k < N_LENGTHS; k++)
        for (int affine = 0; affine < 2; affine++) check_norm(&rng, lengths[k], true, affine);
}

TEST(rows, rms_norm_and_its_gradient_agree_with_float64)
{
    Pcg rng = pcg_seed(4, 2);
    for (int k = 0; k < N_LENGTHS; k++)
        for (int affine = 0; affine < 2; affine++) check_norm(&rng, lengths[k], false, affine);
}

/* The first 64 numbers are what the kernel guesses the mean from: here it lies 16 deviations off.
 */
TEST(rows, layer_norm_survives_a_row_that_begins_unlike_the_rest)
{
    enum { N = 16384 };
    Pcg rng = pcg_seed(25, 2);
    float *x = uniform(&rng, N, 999.5f, 1000.5f), *y = floats(N);
    for (int j = 0; j < 64; j++) x[j] = 0;
    cpu->layer_norm(1, N, x, NULL, NULL, 0, y);
    const double m = mean_of(x, N), scale = scale_of(x, N, m, 0);
    for (int j = 0; j < N; j++) assert_near(y[j], ((double)x[j] - m) * scale, 1000 * scale, 8);
    free(x), free(y);
}

/* -- Rows by index */

TEST(rows, gather_takes_rows_and_marks_those_outside)
{
    Pcg rng = pcg_seed(5, 2);
    const int32_t index[6] = {3, 0, -1, 3, 4, 2};
    float *table = uniform(&rng, 4 * 37, -1, 1), y[6 * 37];
    cpu->gather_rows(6, 4, 37, table, index, y);
    for (int i = 0; i < 6; i++)
        for (int j = 0; j < 37; j++) {
            const bool inside = index[i] >= 0 && index[i] < 4;
            assert_true(inside ? y[i * 37 + j] == table[index[i] * 37 + j] : isnan(y[i * 37 + j]));
        }
    free(table);
}

/* The product and the sum of a byte and floats of 24 bits are exact in double before they are
 * rounded. */
TEST(rows, bytes_are_scaled_and_shifted_with_two_roundings)
{
    enum { N = 3 * BYTES_PERIOD + 29 };
    Pcg rng = pcg_seed(5, 3);
    uint8_t byte[N];
    float *scale = uniform(&rng, BYTES_PERIOD, 0, 1), *shift = uniform(&rng, BYTES_PERIOD, -3, 3);
    float y[N];
    for (int i = 0; i < N; i++) byte[i] = (uint8_t)pcg_below(&rng, 256);
    cpu->bytes_affine(N, byte, scale, shift, y);
    for (int i = 0; i < N; i++) {
        const float product = (float)((double)byte[i] * (double)scale[i % BYTES_PERIOD]);
        const float want = (float)((double)product + (double)shift[i % BYTES_PERIOD]);
        assert_true(y[i] == want);
    }
    free(scale), free(shift);
}

TEST(rows, scatter_adds_in_the_order_of_the_rows)
{
    enum { N = 200, TABLE = 7 };
    Pcg rng = pcg_seed(6, 2);
    for (int64_t width = 1; width < 200; width += 33) {
        float *x = uniform(&rng, N * width, -1, 1), *y = uniform(&rng, TABLE * width, 5, 6);
        float *want = calloc((size_t)(TABLE * width), sizeof *want);
        int32_t index[N];
        for (int i = 0; i < N; i++) index[i] = (int32_t)pcg_below(&rng, TABLE + 2) - 1;
        for (int i = 0; i < N; i++)
            for (int64_t j = 0; j < width && index[i] >= 0 && index[i] < TABLE; j++)
                want[index[i] * width + j] += x[i * width + j];
        cpu->scatter_add_rows(N, TABLE, width, x, index, y);
        assert_memory_equal(want, y, (size_t)(TABLE * width) * sizeof *y);
        free(x), free(y), free(want);
    }
}

TEST(rows, argmax_is_the_first_of_the_largest)
{
    Pcg rng = pcg_seed(7, 2);
    for (int k = 0; k < N_LENGTHS; k++) {
        const int64_t n = lengths[k];
        float *x = floats(ROWS * n);
        int32_t index[ROWS];
        for (int64_t i = 0; i < ROWS * n; i++) x[i] = (float)pcg_below(&rng, 6);
        cpu->argmax_rows(ROWS, n, x, index);
        for (int r = 0; r < ROWS; r++)
            for (int64_t j = 0; j < n; j++) {
                const float best = x[r * n + index[r]];
                assert_true(j < index[r] ? x[r * n + j] < best : x[r * n + j] <= best);
            }
        free(x);
    }
}

TEST(rows, copy_box_moves_a_box_and_nothing_else)
{
    /* (3, 4, 5) out of (6, 7, 8) at (1, 2, 3) into a buffer with gaps. */
    const int64_t dim[3] = {3, 4, 5}, from_stride[3] = {56, 8, 1}, to_stride[3] = {6, 20, 1};
    float from[336], to[80];
    for (int i = 0; i < 336; i++) from[i] = (float)i;
    for (int i = 0; i < 80; i++) to[i] = -1;
    cpu->copy_box(3, dim, from + 56 + 16 + 3, from_stride, to, to_stride);
    int moved = 0;
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 4; j++)
            for (int k = 0; k < 5; k++)
                assert_true(to[6 * i + 20 * j + k] == (float)((i + 1) * 56 + (j + 2) * 8 + k + 3));
    for (int i = 0; i < 80; i++) moved += to[i] >= 0;
    assert_int_equal(moved, 60);
    cpu->copy_box(0, dim, from + 9, from_stride, to, to_stride);
    assert_true(to[0] == 9);
}

/* Rows, transpositions with and without whole blocks, and strides of neither kind. */
TEST(rows, copy_strided_reads_through_any_strides)
{
    static const int64_t forms[][8] = {
  /* dims, strides in (.., last) order */
        {2, 40,  70, 3, 5000,  1,   90,  9000},
        {3, 32,  64, 1, 20000, 1,   40,  0   },
        {1, 130, 5,  7, 0,     1,   200, 1300},
        {3, 5,   4,  6, 200,   40,  10,  1   },
        {2, 3,   5,  7, 400,   100, 14,  2   },
    };
    Pcg rng = pcg_seed(21, 2);
    float *x = uniform(&rng, 100000, -1, 1), *y = floats(20000);
    for (int f = 0; f < 5; f++) {
        const int64_t *dim = forms[f], *stride = forms[f] + 4;
        cpu->copy_strided(4, dim, x, stride, y);
        int64_t at = 0;
        for (int64_t a = 0; a < dim[0]; a++)
            for (int64_t b = 0; b < dim[1]; b++)
                for (int64_t c = 0; c < dim[2]; c++)
                    for (int64_t d = 0; d < dim[3]; d++)
                        assert_true(
                            y[at++] ==
                            x[a * stride[0] + b * stride[1] + c * stride[2] + d * stride[3]]);
    }
    free(x), free(y);
}

/* 6 Mi floats are written past the caches. */
TEST(rows, large_outputs_have_the_bits_of_small_ones)
{
    enum { N = 64, ALL = 6 << 20, FEW = 4096 };
    float *x = floats(ALL), *y = aligned_alloc(64, ALL * sizeof *y), *part = floats(FEW);
    assert_non_null(y);
    for (int i = 0; i < ALL; i++) x[i] = (float)(i % 1013) - 500;
    cpu->layer_norm(ALL / N, N, x, NULL, NULL, 1e-5f, y);
    for (int i = 0; i < ALL; i += 1 << 20) {
        cpu->layer_norm(FEW / N, N, x + i, NULL, NULL, 1e-5f, part);
        assert_memory_equal(part, y + i, FEW * sizeof *y);
    }
    const MapProgram p = {.rank = 1,
                          .dim = {ALL},
                          .outer = ALL,
                          .reduce = 1,
                          .inner = 1,
                          .n_inputs = 1,
                          .n_instr = 1,
                          .n_outputs = 1,
                          .inputs = {{.stride = {1}}},
                          .instr = {{.op = MAP_RELU}},
                          .outputs = {{MAP_STORE, 1}}};
    cpu->map_run(&p, (const void *[]){x}, (void *[]){y}, NULL);
    for (int i = 0; i < ALL; i++)
        if (y[i] != fmaxf(x[i], 0)) assert_true(false);
    free(x), free(y), free(part);
}

/* -- Random numbers */

TEST(rows, random_uniform_equals_pcg_draw_by_draw)
{
    const int64_t sizes[] = {0, 1, 15, 16, 17, 4095, 4096, 4097, 30001};
    for (int s = 0; s < 9; s++) {
        Pcg rng = pcg_seed(42, (uint64_t)s);
        float *y = floats(sizes[s]);
        cpu->random_uniform(sizes[s], rng.state, rng.inc, y);
        for (int64_t i = 0; i < sizes[s]; i++) assert_true(y[i] == pcg_uniform(&rng));
        free(y);
    }
}

TEST(rows, random_bernoulli_compares_the_same_draws)
{
    enum { N = 10001 };
    Pcg rng = pcg_seed(42, 54);
    float *y = floats(N);
    cpu->random_bernoulli(N, rng.state, rng.inc, 0.3f, 1.25f, y);
    for (int64_t i = 0; i < N; i++) assert_true(y[i] == (pcg_uniform(&rng) < 0.3f ? 1.25f : 0));
    free(y);
}

/* -- Updates */

enum { N_WEIGHTS = 4096 + 37 };

static const UpdateCommon unclipped = {1, INFINITY, NULL, 0};

TEST(rows, sgd_agrees_with_float64)
{
    Pcg rng = pcg_seed(8, 2);
    for (int form = 0; form < 8; form++) {
        const bool nesterov = form & 1, first = form & 2;
        const float momentum = form & 4 ? 0.9f : 0, dampening = nesterov ? 0 : 0.25f;
        float *w = uniform(&rng, N_WEIGHTS, -1, 1), *g = uniform(&rng, N_WEIGHTS, -1, 1);
        float *b = uniform(&rng, N_WEIGHTS, -1, 1), *w0 = floats(N_WEIGHTS),
              *b0 = floats(N_WEIGHTS);
        memcpy(w0, w, N_WEIGHTS * sizeof *w), memcpy(b0, b, N_WEIGHTS * sizeof *b);
        const SgdStep s = {unclipped, 0.1f, momentum, dampening, 0.05f, nesterov, first};
        cpu->sgd(N_WEIGHTS, w, g, b, &s);
        for (int i = 0; i < N_WEIGHTS; i++) {
            double d = (double)g[i] + (double)0.05f * (double)w0[i], v = d;
            if (!first) v = (double)momentum * (double)b0[i] + (1 - (double)dampening) * d;
            if (momentum != 0) {
                assert_near(b[i], v, 2, 2);
                d = nesterov ? d + (double)momentum * v : v;
            }
            assert_near(w[i], (double)w0[i] - (double)0.1f * d, 1, 2);
        }
        free(w), free(g), free(b), free(w0), free(b0);
    }
}

TEST(rows, adam_agrees_with_float64)
{
    Pcg rng = pcg_seed(9, 2);
    for (int decoupled = 0; decoupled < 2; decoupled++) {
        const double b1 = (double)0.9f, b2 = (double)0.999f, lr = (double)1e-2f, wd = (double)0.1f;
        const double bias1 = 1 - b1 * b1 * b1, bias2 = 1 - b2 * b2 * b2;
        float *w = uniform(&rng, N_WEIGHTS, -1, 1), *g = uniform(&rng, N_WEIGHTS, -1, 1);
        float *m = uniform(&rng, N_WEIGHTS, -1, 1), *v = uniform(&rng, N_WEIGHTS, 0.1f, 1);
        float *got[3] = {floats(N_WEIGHTS), floats(N_WEIGHTS), floats(N_WEIGHTS)};
        memcpy(got[0], w, N_WEIGHTS * sizeof *w), memcpy(got[1], m, N_WEIGHTS * sizeof *w);
        memcpy(got[2], v, N_WEIGHTS * sizeof *w);
        const AdamStep s = {unclipped, 1e-2f, 0.9f, 0.999f, 1e-8f, 0.1f, decoupled, bias1, bias2};
        cpu->adam(N_WEIGHTS, got[0], g, got[1], got[2], &s);
        for (int i = 0; i < N_WEIGHTS; i++) {
            const double d = (double)g[i] + (decoupled ? 0 : wd * (double)w[i]);
            const double m1 = b1 * (double)m[i] + (1 - b1) * d;
            const double v1 = b2 * (double)v[i] + (1 - b2) * d * d;
            const double step = lr * (m1 / bias1) / (sqrt(v1 / bias2) + 1e-8);
            assert_near(got[1][i], m1, 1, 2);
            assert_near(got[2][i], v1, 1, 2);
            assert_near(got[0][i], (double)w[i] * (decoupled ? 1 - lr * wd : 1) - step, 1, 2);
        }
        for (int i = 0; i < 3; i++) free(got[i]);
        free(w), free(g), free(m), free(v);
    }
}

TEST(rows, updates_clip_by_norm_then_by_value_and_move_the_average)
{
    Pcg rng = pcg_seed(10, 2);
    float *w = uniform(&rng, N_WEIGHTS, -1, 1), *g = uniform(&rng, N_WEIGHTS, -1, 1);
    float *ema = uniform(&rng, N_WEIGHTS, -1, 1), *w0 = floats(N_WEIGHTS), *e0 = floats(N_WEIGHTS);
    memcpy(w0, w, N_WEIGHTS * sizeof *w), memcpy(e0, ema, N_WEIGHTS * sizeof *w);
    const SgdStep s = {
        {0.5f, 0.3f, ema, 0.75f},
        0.125f, 0, 0, 0, false, true
    };
    cpu->sgd(N_WEIGHTS, w, g, NULL, &s);
    for (int i = 0; i < N_WEIGHTS; i++) {
        const double d = fmin(fmax(0.5 * (double)g[i], -(double)0.3f), (double)0.3f);
        assert_near(w[i], (double)w0[i] - 0.125 * d, 1, 1);
        assert_near(ema[i], 0.75 * (double)e0[i] + 0.25 * (double)w[i], 1, 1);
    }
    free(w), free(g), free(ema), free(w0), free(e0);
}

TEST(rows, axpby_is_what_it_says)
{
    Pcg rng = pcg_seed(10, 2);
    float *x = uniform(&rng, N_WEIGHTS, -1, 1), *y = uniform(&rng, N_WEIGHTS, -1, 1);
    float *z = floats(N_WEIGHTS);
    memcpy(z, y, N_WEIGHTS * sizeof *y);
    cpu->axpby(N_WEIGHTS, 0.25f, x, 0.75f, z);
    for (int i = 0; i < N_WEIGHTS; i++)
        assert_near(z[i], 0.25 * (double)x[i] + 0.75 * (double)y[i], 1, 1);
    free(x), free(y), free(z);
}

TEST(rows, sum_squares_keeps_double_precision_over_many)
{
    const int64_t sizes[] = {0, 1, 17, 4096, 4097, 300001};
    Pcg rng = pcg_seed(11, 2);
    for (int s = 0; s < 6; s++) {
        float *x = uniform(&rng, sizes[s], -1, 1);
        double want = 0;
        for (int64_t i = 0; i < sizes[s]; i++) want += (double)x[i] * (double)x[i];
        /* each piece of 4096 rounds in float, 256 additions a lane */
        assert_true(fabs(cpu->sum_squares(sizes[s], x) - want) <= 1e-5 * want);
        free(x);
    }
}

TEST(rows, all_finite_sees_one_bad_number_anywhere)
{
    const float bad[] = {NAN, INFINITY, -INFINITY};
    Pcg rng = pcg_seed(12, 2);
    float *x = uniform(&rng, N_WEIGHTS, -FLT_MAX / 2, FLT_MAX / 2);
    assert_true(cpu->all_finite(N_WEIGHTS, x) && cpu->all_finite(0, x));
    for (int i = 0; i < N_WEIGHTS; i += 511)
        for (int k = 0; k < 3; k++) {
            const float keep = x[i];
            x[i] = bad[k];
            assert_false(cpu->all_finite(N_WEIGHTS, x));
            x[i] = keep;
        }
    free(x);
}

/* -- Threads and ISAs */

enum { BITS_ROWS = 301, BITS_N = 333, BITS = BITS_ROWS * BITS_N };

/* Everything above once, results one after the other; returns how many floats. */
static int64_t run_all(const float *x, const float *w, const int32_t *index, float *to)
{
    float *const start = to;
    static float scratch[2 * BITS];
    assert_true(cpu->norm_grad_scratch(BITS_ROWS, BITS_N) <= sizeof scratch);
    cpu->softmax(BITS_ROWS, BITS_N, x, to), to += BITS;
    cpu->log_softmax(BITS_ROWS, BITS_N, x, to), to += BITS;
    cpu->cross_entropy(BITS_ROWS, BITS_N, x, index, 0.1f, 5, to, NULL), to += BITS_ROWS;
    cpu->cross_entropy_grad(BITS_ROWS, BITS_N, x, index, 0.1f, 5, NULL, w, to), to += BITS;
    assert_true(cpu->cross_entropy_scratch(BITS_ROWS, BITS_N) <= sizeof scratch);
    const CrossEntropy both = {BITS_ROWS, BITS_N, x, index, 0.1f, 5, w, to + BITS, NULL, to};
    cpu->cross_entropy_both(&both, scratch), to += BITS + BITS_ROWS;
    cpu->layer_norm(BITS_ROWS, BITS_N, x, w, w, 1e-5f, to), to += BITS;
    const NormGrad grad = {x, w + 7, w, 1e-5f, to, to + BITS, to + BITS + BITS_N};
    cpu->layer_norm_grad(BITS_ROWS, BITS_N, &grad, scratch), to += BITS + 2 * BITS_N;
    cpu->rms_norm(BITS_ROWS, BITS_N, x, w, 1e-5f, to), to += BITS;
    const NormGrad rms = {x, w + 7, w, 1e-5f, to, to + BITS, NULL};
    cpu->rms_norm_grad(BITS_ROWS, BITS_N, &rms, scratch), to += BITS + BITS_N;
    cpu->gather_rows(BITS_ROWS, BITS_ROWS, BITS_N, x, index, to), to += BITS;
    cpu->scatter_add_rows(BITS_ROWS, BITS_ROWS, BITS_N, x, index, to), to += BITS;
    cpu->argmax_rows(BITS_ROWS, BITS_N, x, (int32_t *)to), to += BITS_ROWS;
    cpu->random_uniform(BITS, 42, 109, to), to += BITS;
    memcpy(to, x, 2 * BITS * sizeof *to);
    memset(to + 2 * BITS, 0, 2 * BITS * sizeof *to);
    const UpdateCommon common = {0.75f, 0.5f, to + 3 * BITS, 0.9f};
    const AdamStep adam = {common, 1e-3f, 0.9f, 0.999f, 1e-8f, 0.01f, true, 0.1, 0.001};
    const SgdStep sgd = {common, 0.1f, 0.9f, 0, 5e-4f, true, false};
    cpu->adam(BITS, to, w, to + BITS, to + 2 * BITS, &adam);
    cpu->sgd(BITS, to, w, to + BITS, &sgd);
    cpu->axpby(BITS, 0.3f, w, 0.7f, to);
    const double squares = cpu->sum_squares(BITS, to);
    to += 4 * BITS;
    memcpy(to, &squares, sizeof squares);
    return to + 2 - start;
}

TEST(rows, has_the_same_bits_on_every_isa_and_thread_count)
{
    static const int threads[] = {1, 2, 3, 7};
    const char *names[4];
    const int n_isas = cpu_available(names);
    Pcg rng = pcg_seed(13, 2);
    float *x = uniform(&rng, 2 * BITS, -3, 3), *w = uniform(&rng, 2 * BITS, -1, 1);
    float *got[2] = {floats(19 * BITS), floats(19 * BITS)};
    int32_t index[BITS_ROWS];
    for (int i = 0; i < BITS_ROWS; i++) index[i] = (int32_t)pcg_below(&rng, BITS_ROWS);
    for (int i = 0; i < 4 * n_isas; i++) {
        assert_true(cpu_select(names[i / 4], NULL));
        threads_set(threads[i % 4]);
        const int64_t n = run_all(x, w, index, got[i > 0]);
        assert_memory_equal(got[0], got[i > 0], (size_t)n * sizeof *x);
    }
    threads_set(0);
    assert_true(cpu_select(NULL, NULL));
    free(x), free(w), free(got[0]), free(got[1]);
}
