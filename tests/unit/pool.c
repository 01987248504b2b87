/* pool -- maximum and average pooling against plain loops; bits over ISAs and threads. */
#include "tests/test.h"

#include "base/pcg.h"
#include "base/threads.h"
#include "cpu/cpu.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static float *uniform(Pcg *rng, int64_t n)
{
    float *x = malloc((size_t)(n + 1) * sizeof *x);
    assert_non_null(x);
    for (int64_t i = 0; i < n; i++) x[i] = (float)pcg_below(rng, 9) - 4; /* many equal values */
    return x;
}

static PoolShape odd_shape(Pcg *rng)
{
    PoolShape s = {.n = 1 + pcg_below(rng, 3), .c = 1 + pcg_below(rng, 90)};
    s.kh = 1 + pcg_below(rng, 3), s.kw = 1 + pcg_below(rng, 3);
    s.h = s.kh + pcg_below(rng, 9), s.w = s.kw + pcg_below(rng, 9);
    s.stride[0] = 1 + pcg_below(rng, 3), s.stride[1] = 1 + pcg_below(rng, 3);
    s.pad[0] = pcg_below(rng, (uint32_t)s.kh / 2 + 1),
    s.pad[1] = pcg_below(rng, (uint32_t)s.kw / 2 + 1);
    s.oh = (s.h + 2 * s.pad[0] - s.kh) / s.stride[0] + 1;
    s.ow = (s.w + 2 * s.pad[1] - s.kw) / s.stride[1] + 1;
    s.count_pad = pcg_below(rng, 2);
    return s;
}

static int64_t in_size(const PoolShape *s)
{
    return s->n * s->h * s->w * s->c;
}

static int64_t out_size(const PoolShape *s)
{
    return s->n * s->oh * s->ow * s->c;
}

/* Input pixel (y * w + x) of window position k of output o, or -1 in the padding. */
static int64_t pixel_of(const PoolShape *s, int64_t o, int64_t k)
{
    const int64_t y = o / s->ow % s->oh * s->stride[0] - s->pad[0] + k / s->kw;
    const int64_t x = o % s->ow * s->stride[1] - s->pad[1] + k % s->kw;
    return y < 0 || y >= s->h || x < 0 || x >= s->w ? -1 : y * s->w + x;
}

static const float *pixel(const PoolShape *s, const float *x, int64_t o, int64_t at)
{
    return x + (o / (s->oh * s->ow) * s->h * s->w + at) * s->c;
}

static int64_t first_maximum(const PoolShape *s, const float *x, int64_t o, int64_t c)
{
    int64_t best = -1;
    for (int64_t k = 0; k < s->kh * s->kw; k++) {
        const int64_t at = pixel_of(s, o, k);
        if (at < 0) continue;
        if (best < 0 || pixel(s, x, o, at)[c] > pixel(s, x, o, best)[c]) best = at;
    }
    return best;
}

TEST(pool, finds_the_first_maximum_of_every_window)
{
    Pcg rng = pcg_seed(1, 3);
    for (int i = 0; i < 40; i++) {
        const PoolShape s = odd_shape(&rng);
        float *x = uniform(&rng, in_size(&s)), *y = uniform(&rng, out_size(&s));
        int32_t *index = malloc((size_t)out_size(&s) * sizeof *index);
        cpu->max_pool_index(&s, x, index);
        cpu->pool_gather(&s, x, index, y);
        for (int64_t o = 0; o < s.n * s.oh * s.ow; o++)
            for (int64_t c = 0; c < s.c; c++) {
                const int64_t wanted = first_maximum(&s, x, o, c);
                assert_int_equal(index[o * s.c + c], wanted);
                assert_true(y[o * s.c + c] == pixel(&s, x, o, wanted)[c]);
            }
        free(x), free(y), free(index);
    }
}

TEST(pool, takes_nan_as_the_maximum)
{
    const PoolShape s = {
        .n = 1, .h = 2, .w = 2, .c = 1, .kh = 2, .kw = 2, .oh = 1, .ow = 1, .stride = {2, 2}
    };
    for (int32_t i = 0; i < 4; i++) {
        float x[4] = {1, 2, 3, INFINITY};
        int32_t index = -1;
        x[i] = NAN;
        cpu->max_pool_index(&s, x, &index);
        assert_int_equal(index, i);
    }
}

TEST(pool, scatter_is_the_transpose_of_gather)
{
    Pcg rng = pcg_seed(2, 3);
    for (int i = 0; i < 30; i++) {
        const PoolShape s = odd_shape(&rng);
        float *x = uniform(&rng, in_size(&s)), *y = uniform(&rng, out_size(&s)),
              *dy = uniform(&rng, out_size(&s));
        float *dx = uniform(&rng, in_size(&s));
        int32_t *index = malloc((size_t)out_size(&s) * sizeof *index);
        cpu->max_pool_index(&s, x, index);
        cpu->pool_gather(&s, x, index, y);
        cpu->pool_scatter(&s, dy, index, dx);
        double left = 0,
               right = 0; /* <gather x, dy> = <x, scatter dy>: small integers, so exactly */
        for (int64_t o = 0; o < out_size(&s); o++) left += (double)y[o] * (double)dy[o];
        for (int64_t o = 0; o < in_size(&s); o++) right += (double)x[o] * (double)dx[o];
        assert_true(left == right);
        free(x), free(y), free(dy), free(dx), free(index);
    }
}

static double average_at(const PoolShape *s, const float *x, int64_t o, int64_t c, double *share)
{
    double sum = 0, inside = 0;
    for (int64_t k = 0; k < s->kh * s->kw; k++) {
        const int64_t at = pixel_of(s, o, k);
        if (at >= 0) sum += (double)pixel(s, x, o, at)[c], inside++;
    }
    *share = 1 / (s->count_pad ? (double)(s->kh * s->kw) : inside);
    return sum * *share;
}

TEST(pool, average_and_its_gradient_match_plain_loops)
{
    Pcg rng = pcg_seed(3, 3);
    for (int i = 0; i < 40; i++) {
        const PoolShape s = odd_shape(&rng);
        float *x = uniform(&rng, in_size(&s)), *y = uniform(&rng, out_size(&s)),
              *dy = uniform(&rng, out_size(&s));
        float *dx = uniform(&rng, in_size(&s));
        double *wanted = calloc((size_t)in_size(&s), sizeof *wanted);
        cpu->avg_pool(&s, x, y);
        cpu->avg_pool_grad(&s, dy, dx);
        for (int64_t o = 0; o < s.n * s.oh * s.ow; o++)
            for (int64_t c = 0; c < s.c; c++) {
                double share;
                const double mean = average_at(&s, x, o, c, &share);
                assert_true(fabs((double)y[o * s.c + c] - mean) <=
                            (double)FLT_EPSILON * (fabs(mean) + 1));
                for (int64_t k = 0; k < s.kh * s.kw; k++) {
                    const int64_t at = pixel_of(&s, o, k);
                    if (at >= 0)
                        wanted[pixel(&s, x, o, at) + c - x] += (double)dy[o * s.c + c] * share;
                }
            }
        for (int64_t j = 0; j < in_size(&s); j++)
            assert_true(fabs((double)dx[j] - wanted[j]) <=
                        10 * (double)FLT_EPSILON * (fabs(wanted[j]) + 4));
        free(x), free(y), free(dy), free(dx), free(wanted);
    }
}

TEST(pool, divides_by_the_window_clipped_at_the_padding)
{
    /* One row of 3, windows of 2 with stride 2, rounded up: the second window hangs over the end by
     * one. */
    PoolShape s = {
        .n = 1, .h = 1, .w = 3, .c = 1, .kh = 1, .kw = 2, .oh = 1, .ow = 2, .stride = {1, 2}
    };
    const float x[3] = {1, 2, 5};
    float y[2];
    s.count_pad = true;
    cpu->avg_pool(&s, x, y);
    assert_true(y[0] == 1.5f && y[1] == 5.0f);
}

TEST(pool, has_the_same_bits_on_every_isa_and_thread_count)
{
    static const int threads[] = {1, 2, 3, 7};
    const char *names[4];
    const int n_isas = cpu_available(names);
    const PoolShape s = {
        .n = 3,
        .h = 30,
        .w = 31,
        .c = 70,
        .kh = 3,
        .kw = 3,
        .oh = 15,
        .ow = 16,
        .stride = {2, 2},
        .pad = {1, 1},
        .count_pad = false
    };
    const size_t n_in = (size_t)in_size(&s), n_out = (size_t)out_size(&s);
    Pcg rng = pcg_seed(4, 3);
    float *x = malloc(n_in * sizeof *x), *got[2] = {0};
    int32_t *index = malloc(n_out * sizeof *index);
    for (size_t i = 0; i < n_in; i++) x[i] = pcg_uniform(&rng) - 0.5f;
    for (int i = 0; i < 2; i++) got[i] = malloc((2 * n_in + 2 * n_out) * sizeof *got[i]);
    for (int isa = 0; isa < n_isas; isa++)
        for (int t = 0; t < 4; t++) {
            float *to = got[isa + t > 0];
            assert_true(cpu_select(names[isa], NULL));
            threads_set(threads[t]);
            cpu->max_pool_index(&s, x, index);
            cpu->pool_gather(&s, x, index, to);
            cpu->pool_scatter(&s, to, index, to + n_out);
            cpu->avg_pool(&s, x, to + n_out + n_in);
            cpu->avg_pool_grad(&s, to, to + 2 * n_out + n_in);
            assert_memory_equal(got[0], to, (2 * n_in + 2 * n_out) * sizeof *to);
        }
    threads_set(0);
    assert_true(cpu_select(NULL, NULL));
    free(x), free(index), free(got[0]), free(got[1]);
}
