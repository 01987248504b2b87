/* qr -- Q orthonormal, Q R = A, R upper triangular with a diagonal >= 0. The bounds are Higham's
 * (Accuracy and Stability, 19.3), c m n 2^-53 with c = 1 at these sizes. */
#include "tests/test.h"

#include "base/pcg.h"
#include "linalg/qr.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Case {
    int64_t m, n;
    double *a, *q, *r, *scratch;
} Case;

static double *doubles(int64_t n)
{
    double *x = calloc((size_t)n, sizeof *x);
    assert_non_null(x);
    return x;
}

static Case new_case(int64_t m, int64_t n)
{
    Pcg rng = pcg_seed((uint64_t)m, (uint64_t)n);
    Case c = {m, n, doubles(m * n), doubles(m * n), doubles(n * n), doubles(m + n)};
    for (int64_t i = 0; i < m * n; i++) c.a[i] = pcg_normal(&rng);
    return c;
}

static void free_case(Case *c)
{
    free(c->a);
    free(c->q);
    free(c->r);
    free(c->scratch);
}

static double column_product(const double *x, const double *y, int64_t m, int64_t stride)
{
    double sum = 0;
    for (int64_t i = 0; i < m; i++) sum += x[i * stride] * y[i * stride];
    return sum;
}

/* `scale` is the size of A's elements. */
static void check_case(Case *c, double scale)
{
    const int64_t m = c->m, n = c->n;
    const double bound = (double)(m * n) * DBL_EPSILON + 4 * DBL_EPSILON;
    memcpy(c->q, c->a, (size_t)(m * n) * sizeof *c->q);
    qr_thin(c->q, m, n, c->r, c->scratch);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) {
            double dot = column_product(c->q + i, c->q + j, m, n);
            assert_true(fabs(dot - (i == j)) <= bound);
            if (j < i) assert_true(c->r[i * n + j] == 0);
        }
    for (int64_t i = 0; i < n; i++) assert_true(c->r[i * n + i] >= 0);
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            double sum = 0;
            for (int64_t k = 0; k <= j; k++) sum += c->q[i * n + k] * c->r[k * n + j];
            assert_true(fabs(sum - c->a[i * n + j]) <= bound * 4 * scale);
        }
}

TEST(qr, reproduces_matrices_of_many_shapes)
{
    static const int64_t shapes[][2] = {
        {1,   1  },
        {2,   1  },
        {2,   2  },
        {7,   3  },
        {16,  16 },
        {65,  64 },
        {300, 1  },
        {200, 40 },
        {128, 100}
    };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        Case c = new_case(shapes[i][0], shapes[i][1]);
        check_case(&c, 1);
        free_case(&c);
    }
}

/* numpy.linalg.qr([[2, -1], [1, 3], [-2, 4]]), signs turned so that diag(R) >= 0: R = [[3, -7/3],
 * [0, sqrt(185)/3]]. */
TEST(qr, matches_a_case_by_hand)
{
    double a[] = {2, -1, 1, 3, -2, 4}, r[4], scratch[5];
    qr_thin(a, 3, 2, r, scratch);
    assert_true(fabs(r[0] - 3) < 1e-15 * 8 && fabs(r[1] + 7.0 / 3) < 1e-15 * 8);
    assert_true(fabs(r[3] - sqrt(185) / 3) < 1e-15 * 8 && r[2] == 0);
    assert_true(fabs(a[0] - 2.0 / 3) < 1e-15 * 8 && fabs(a[4] + 2.0 / 3) < 1e-15 * 8);
}

TEST(qr, an_identity_stays)
{
    double a[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1}, want[9], scratch[6];
    memcpy(want, a, sizeof a);
    qr_thin(a, 3, 3, NULL, scratch);
    for (int i = 0; i < 9; i++) assert_true(a[i] == want[i]);
}

TEST(qr, q_is_orthonormal_when_columns_depend_on_each_other)
{
    Case c = new_case(30, 12);
    for (int64_t i = 0; i < 30; i++) {
        c.a[i * 12 + 4] = c.a[i * 12];                        /* twice the same */
        c.a[i * 12 + 7] = 0;                                  /* nothing */
        c.a[i * 12 + 11] = c.a[i * 12 + 1] - c.a[i * 12 + 2]; /* a sum of others */
    }
    check_case(&c, 1);
    memset(c.a, 0, 30 * 12 * sizeof *c.a);
    check_case(&c, 1);
    free_case(&c);
}

TEST(qr, no_square_over_or_underflows)
{
    static const double scales[] = {1e200, 1e-200};
    for (int k = 0; k < 2; k++) {
        Case c = new_case(20, 9);
        for (int64_t i = 0; i < 180; i++) c.a[i] *= scales[k];
        check_case(&c, scales[k]);
        free_case(&c);
    }
}
