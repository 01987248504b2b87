/* rfft -- the real transform against closed forms and the defining sum in double precision. */
#include "tests/test.h"

#include "base/pcg.h"
#include "cpu/cpu.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

static const int64_t lengths[] = {1, 2, 3, 4, 6, 7, 16, 30, 49, 97, 128, 784};
enum { N_LENGTHS = sizeof lengths / sizeof lengths[0], ROWS = 19 };

typedef struct Rows {
    float *x, *y, *back;
    void *scratch;
} Rows;

static Rows rows_new(int64_t n)
{
    Pcg rng = pcg_seed(3, (uint64_t)n);
    const size_t bytes = sizeof(float) * (size_t)(ROWS * (n + 2));
    Rows r = {malloc(bytes), malloc(bytes), malloc(bytes),
              aligned_alloc(64, (cpu->rfft_scratch(ROWS, n) + 63) / 64 * 64)};
    assert_true(r.x && r.y && r.back && r.scratch);
    for (int64_t i = 0; i < ROWS * n; i++) r.x[i] = 2 * pcg_uniform(&rng) - 1;
    return r;
}

static void rows_free(Rows *r)
{
    free(r->x), free(r->y), free(r->back), free(r->scratch);
}

TEST(rfft, is_the_sum)
{
    for (int k = 0; k < N_LENGTHS; k++) {
        const int64_t n = lengths[k], bins = n / 2 + 1;
        /* each of some log2 n passes (n for a prime) rounds numbers of size sqrt(n) */
        const double most = 4 * (double)FLT_EPSILON * sqrt((double)n);
        Rows r = rows_new(n);
        cpu->rfft(ROWS, n, r.x, r.y, r.scratch);
        for (int64_t i = 0; i < ROWS * bins; i += 5) {
            double re = 0, im = 0;
            for (int64_t t = 0; t < n; t++) {
                const double turn = 2 * acos(-1.0) * (double)(i % bins * t % n) / (double)n;
                re += (double)r.x[i / bins * n + t] * cos(turn);
                im -= (double)r.x[i / bins * n + t] * sin(turn);
            }
            assert_true(fabs((double)r.y[2 * i] - re) <= most);
            assert_true(fabs((double)r.y[2 * i + 1] - im) <= most);
        }
        rows_free(&r);
    }
}

TEST(rfft, is_undone_by_irfft)
{
    for (int k = 0; k < N_LENGTHS; k++) {
        const int64_t n = lengths[k];
        Rows r = rows_new(n);
        cpu->rfft(ROWS, n, r.x, r.y, r.scratch);
        cpu->irfft(ROWS, n, r.y, r.back, r.scratch);
        for (int64_t i = 0; i < ROWS * n; i++)
            assert_true(fabs((double)r.back[i] - (double)r.x[i]) <= 8 * (double)FLT_EPSILON);
        rows_free(&r);
    }
}

/* The impulse at p has bins e^(-2 pi i p f / n). */
TEST(rfft, of_an_impulse_is_a_wave)
{
    const int64_t n = 4096, p = 1237;
    Rows r = rows_new(n);
    for (int64_t i = 0; i < n; i++) r.x[i] = i == p;
    cpu->rfft(1, n, r.x, r.y, r.scratch);
    for (int64_t f = 0; f <= n / 2; f++) {
        const double turn = 2 * acos(-1.0) * (double)(p * f % n) / (double)n;
        assert_true(fabs((double)r.y[2 * f] - cos(turn)) <= 6 * (double)FLT_EPSILON);
        assert_true(fabs((double)r.y[2 * f + 1] + sin(turn)) <= 6 * (double)FLT_EPSILON);
    }
    rows_free(&r);
}

TEST(rfft, irfft_does_not_read_what_a_real_row_cannot_have)
{
    const int64_t n = 8;
    Rows r = rows_new(n);
    float y[10] = {3, 0, 1, 2, 0, 0, 0, 0, 1, 0}, other[8];
    cpu->irfft(1, n, y, r.back, r.scratch);
    y[1] = 7, y[9] = -5;
    cpu->irfft(1, n, y, other, r.scratch);
    assert_memory_equal(r.back, other, sizeof other);
    rows_free(&r);
}
