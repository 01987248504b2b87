/* svd -- singular values, eigenvalues and Cholesky beside LAPACK (LAPACKE, where it is installed)
 * and beside values of 60 and 150 digits by mpmath 1.3. Tolerances: backward stable methods err by
 * c max(m, n) eps of the norm; c = 4 here. */
#include "tests/test.h"

#include "base/pcg.h"
#include "base/threads.h"
#include "cpu/cpu.h"
#include "linalg/cholesky.h"
#include "linalg/eigh.h"
#include "linalg/svd.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#if __has_include(<lapacke.h>)
#include <lapacke.h>
#define LAPACK_PRESENT 1
#else
#define LAPACK_PRESENT 0
#endif

typedef struct Thin {
    SvdThin p;
    double *a;
    int64_t k;
} Thin;

static double *doubles(int64_t n)
{
    double *x = calloc((size_t)n + 1, sizeof *x);
    assert_non_null(x);
    return x;
}

static Thin new_thin(int64_t m, int64_t n)
{
    Pcg rng = pcg_seed((uint64_t)m, (uint64_t)n);
    const int64_t k = m < n ? m : n;
    Thin t = {.a = doubles(m * n), .k = k};
    for (int64_t i = 0; i < m * n; i++) t.a[i] = pcg_normal(&rng);
    t.p = (SvdThin){m, n, t.a, doubles(m * k), doubles(k), doubles(k * n), 0};
    return t;
}

static void free_thin(Thin *t)
{
    free(t->a), free(t->p.u), free(t->p.s), free(t->p.vt);
}

static bool decompose(const Thin *t, Error *err)
{
    void *scratch = malloc(svd_jacobi_scratch(t->p.m, t->p.n));
    const bool ok = svd_jacobi(&t->p, scratch, err);
    free(scratch);
    return ok;
}

/* Orthonormal U and V, U diag(s) V^T = A, s descending, the sign. */
static void check_thin(const Thin *t)
{
    const SvdThin *p = &t->p;
    const int64_t m = p->m, n = p->n, k = t->k;
    Error err = {0};
    ASSERT_OK(decompose(t, &err), &err);
    const double eps = 4 * (double)(m > n ? m : n) * DBL_EPSILON;
    for (int64_t i = 0; i < k; i++) {
        assert_true(p->s[i] >= 0 && (i == 0 || p->s[i] <= p->s[i - 1]));
        for (int64_t j = 0; j < k; j++) {
            double u = 0, v = 0;
            for (int64_t l = 0; l < m; l++) u += p->u[l * k + i] * p->u[l * k + j];
            for (int64_t l = 0; l < n; l++) v += p->vt[i * n + l] * p->vt[j * n + l];
            assert_true(fabs(u - (i == j)) <= eps && fabs(v - (i == j)) <= eps);
        }
        double low = 0, high = 0;
        for (int64_t l = 0; l < m; l++) {
            low = fmin(low, p->u[l * k + i]);
            high = fmax(high, p->u[l * k + i]);
        }
        assert_true(high >= -low * (1 - 0x1p-19));
    }
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            double sum = 0;
            for (int64_t l = 0; l < k; l++) sum += p->u[i * k + l] * p->s[l] * p->vt[l * n + j];
            assert_true(fabs(sum - t->a[i * n + j]) <= eps * p->s[0]);
        }
}

static const int64_t shapes[][2] = {
    {1,  1 },
    {1,  7 },
    {7,  1 },
    {2,  2 },
    {5,  3 },
    {3,  5 },
    {33, 33},
    {90, 20},
    {20, 90},
    {64, 60}
};
enum { N_SHAPES = sizeof shapes / sizeof shapes[0] };

TEST(svd, reproduces_matrices_of_many_shapes)
{
    for (size_t i = 0; i < N_SHAPES; i++) {
        Thin t = new_thin(shapes[i][0], shapes[i][1]);
        check_thin(&t);
        free_thin(&t);
    }
}

TEST(svd, vectors_are_orthonormal_where_values_are_zero)
{
    Thin t = new_thin(12, 9);
    for (int64_t i = 0; i < 12; i++) t.a[i * 9 + 3] = 0, t.a[i * 9 + 5] = t.a[i * 9 + 1];
    check_thin(&t);
    assert_true(t.p.s[6] > 0.1 && t.p.s[7] <= 50 * DBL_EPSILON && t.p.s[8] <= 50 * DBL_EPSILON);
    memset(t.a, 0, 12 * 9 * sizeof *t.a);
    check_thin(&t);
    assert_true(t.p.s[0] == 0);
    free_thin(&t);
    t = new_thin(4, 6);
    for (int64_t i = 0; i < 24; i++) t.a[i] = 1; /* rank 1, s = sqrt(24) */
    check_thin(&t);
    assert_true(fabs(t.p.s[0] - sqrt(24)) <= 8 * DBL_EPSILON);
    free_thin(&t);
}

TEST(svd, no_square_over_or_underflows)
{
    static const double scales[] = {1e300, 1e-300};
    for (int c = 0; c < 2; c++) {
        Thin t = new_thin(10, 6);
        for (int64_t i = 0; i < 60; i++) t.a[i] *= scales[c];
        check_thin(&t);
        free_thin(&t);
    }
}

/* 360360 H(8), whose elements are whole numbers: mpmath.eigsy. Its columns are of like size and
 * nearly dependent, so that theory promises eps of the norm and no more (svd.h). */
TEST(svd, hilbert_matrix_has_its_values_to_eps_of_the_norm)
{
    static const double wanted[] = {611148.57693079370455,    107432.40115016914928,
                                    9446.060311810980064,     528.8960901094593044,
                                    19.592569127230892297,    0.46642551262728634504,
                                    0.0064824214304282193142, 0.000040055418192197335302};
    Thin t = new_thin(8, 8);
    for (int i = 0; i < 64; i++) t.a[i] = 360360.0 / (i / 8 + i % 8 + 1);
    check_thin(&t);
    for (int i = 0; i < 8; i++)
        assert_true(fabs(t.p.s[i] - wanted[i]) <= 16 * DBL_EPSILON * wanted[0]);
    free_thin(&t);
}

static const double graded[6][4] = {
    {3,  -1, 2,  1 },
    {1,  2,  -1, 2 },
    {-2, 1,  3,  1 },
    {1,  1,  1,  -3},
    {2,  -2, 1,  1 },
    {1,  3,  -2, 1 }
};

/* Columns times 1, 2^-30, 2^-60, 2^-90: mpmath.svd_r with 150 digits. */
TEST(svd, values_of_a_graded_matrix_are_relatively_accurate)
{
    static const double wanted[] = {4.4721359549995793929, 4.11787833449135422e-9,
                                    3.5473231703193924033e-18, 3.2556151641133069751e-27};
    for (int wide = 0; wide < 2; wide++) {
        Thin t = wide ? new_thin(4, 6) : new_thin(6, 4);
        for (int i = 0; i < 6; i++)
            for (int j = 0; j < 4; j++)
                t.a[wide ? j * 6 + i : i * 4 + j] = ldexp(graded[i][j], -30 * j);
        check_thin(&t);
        for (int i = 0; i < 4; i++) assert_true(fabs(t.p.s[i] / wanted[i] - 1) <= 32 * DBL_EPSILON);
        free_thin(&t);
    }
}

TEST(svd, values_and_vectors_are_those_of_lapack)
{
#if LAPACK_PRESENT
    for (size_t c = 0; c < N_SHAPES; c++) {
        Thin t = new_thin(shapes[c][0], shapes[c][1]);
        const int m = (int)t.p.m, n = (int)t.p.n, k = (int)t.k;
        Error err = {0};
        ASSERT_OK(decompose(&t, &err), &err);
        double *s = doubles(k), *u = doubles(m * k), *vt = doubles(k * n);
        assert_int_equal(LAPACKE_dgesdd(LAPACK_ROW_MAJOR, 'S', m, n, t.a, n, s, u, k, vt, n), 0);
        for (int i = 0; i < k; i++) {
            assert_true(fabs(s[i] - t.p.s[i]) <= 4 * (m + n) * DBL_EPSILON * s[0]);
            double same = 0; /* cosine, up to the sign; the gaps are above 1e-4 of s[0] */
            for (int j = 0; j < n; j++) same += vt[i * n + j] * t.p.vt[i * n + j];
            assert_true(fabs(fabs(same) - 1) <= 1e-10);
        }
        free(s), free(u), free(vt);
        free_thin(&t);
    }
#else
    print_message("skipped: lapacke.h is absent (liblapacke-dev)\n");
    skip();
#endif
}

TEST(svd, refuses_nan_and_infinities_by_their_place)
{
    Thin t = new_thin(4, 3);
    Error err = {0};
    t.a[7] = NAN;
    ASSERT_FAILS(decompose(&t, &err), &err, FAIL_RUN, "row 2, column 1 of the matrix is NaN");
    error_clear(&err);
    t.a[7] = 0, t.a[3] = -INFINITY;
    ASSERT_FAILS(decompose(&t, &err), &err, FAIL_RUN, "row 1, column 0 of the matrix is -infinite");
    free_thin(&t);
}

TEST(svd, says_that_it_has_not_converged)
{
    Thin t = new_thin(30, 20);
    t.p.max_sweeps = 2;
    Error err = {0};
    ASSERT_FAILS(decompose(&t, &err), &err, FAIL_RUN,
                 "the SVD of a 30 x 20 matrix has not converged after 2 sweeps");
    free_thin(&t);
}

/* -- Randomised: A = U diag(s) V^T with known s */

typedef struct Sketch {
    SvdTruncated p;
    float *a;
    double *s;
} Sketch;

static Sketch new_sketch(int64_t m, int64_t n, int64_t rank, double decay)
{
    Thin t = new_thin(m, n);
    Error err = {0};
    ASSERT_OK(decompose(&t, &err), &err);
    Sketch k = {.a = malloc(sizeof(float) * (size_t)(m * n)), .s = doubles(t.k)};
    for (int64_t l = 0; l < t.k; l++) k.s[l] = pow(decay, (double)l);
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            double sum = 0;
            for (int64_t l = 0; l < t.k; l++)
                sum += t.p.u[i * t.k + l] * k.s[l] * t.p.vt[l * n + j];
            k.a[i * n + j] = (float)sum;
        }
    k.p = (SvdTruncated){.m = m,
                         .n = n,
                         .rank = rank,
                         .oversampling = 8,
                         .iterations = 2,
                         .a = k.a,
                         .u = malloc(sizeof(float) * (size_t)(m * rank)),
                         .s = doubles(rank),
                         .vt = malloc(sizeof(float) * (size_t)(rank * n)),
                         .rng = pcg_stream(3, "svd", 0, 0)};
    free_thin(&t);
    return k;
}

static void free_sketch(Sketch *k)
{
    free(k->a), free(k->s), free(k->p.u), free(k->p.s), free(k->p.vt);
}

static bool sketch(const Sketch *k, Error *err)
{
    void *scratch = aligned_alloc(64, svd_randomised_scratch(&k->p));
    const bool ok = svd_randomised(&k->p, scratch, err);
    free(scratch);
    return ok;
}

/* |A - U S V^T|_2 */
static double distance(const Sketch *k)
{
    const SvdTruncated *p = &k->p;
    Thin t = new_thin(p->m, p->n);
    for (int64_t i = 0; i < p->m; i++)
        for (int64_t j = 0; j < p->n; j++) {
            double sum = (double)k->a[i * p->n + j];
            for (int64_t l = 0; l < p->rank; l++)
                sum -= (double)p->u[i * p->rank + l] * p->s[l] * (double)p->vt[l * p->n + j];
            t.a[i * p->n + j] = sum;
        }
    Error err = {0};
    ASSERT_OK(decompose(&t, &err), &err);
    const double norm = t.p.s[0];
    free_thin(&t);
    return norm;
}

/* At least s[rank] (Eckart and Young), at most what svd.h says of the expectation: a sum over the
 * tail, so that chance matters little. */
TEST(svd, randomised_error_is_within_its_bound)
{
    static const int64_t sizes[][2] = {
        {70, 50},
        {50, 70}
    };
    for (int c = 0; c < 2; c++)
        for (int iterations = 0; iterations < 3; iterations++) {
            Sketch k = new_sketch(sizes[c][0], sizes[c][1], 6, 0.9);
            k.p.iterations = iterations;
            Error err = {0};
            ASSERT_OK(sketch(&k, &err), &err);
            const double r = 6, l = 8, e = 2 * iterations + 1, t = k.s[6];
            double tail = 0;
            for (int i = 6; i < 50; i++) tail += pow(k.s[i], 2 * e);
            const double bound =
                t + pow((1 + sqrt(r / (l - 1))) * pow(t, e) + exp(1) * sqrt(r + l) / l * sqrt(tail),
                        1 / e);
            const double error = distance(&k);
            assert_true(error >= t - 1e-6 && error <= bound + 1e-6);
            if (iterations == 2) assert_true(error <= t * 1.02);
            for (int i = 0; i < 6; i++) assert_true(k.p.s[i] <= k.s[i] + 1e-6);
            free_sketch(&k);
        }
}

TEST(svd, randomised_is_exact_for_a_matrix_of_low_rank_and_for_a_whole_sketch)
{
    Error err = {0};
    Sketch k = new_sketch(60, 40, 5, 1e-3); /* rank 3 in float */
    ASSERT_OK(sketch(&k, &err), &err);
    assert_true(distance(&k) <= 1e-6);
    free_sketch(&k);
    k = new_sketch(9, 14, 9, 0.5);
    ASSERT_OK(sketch(&k, &err), &err);
    assert_true(distance(&k) <= 1e-6);
    for (int i = 0; i < 9; i++) assert_true(fabs(k.p.s[i] - k.s[i]) <= 1e-6);
    free_sketch(&k);
}

TEST(svd, randomised_takes_any_scale)
{
    static const float scales[] = {0x1p-120F, 0x1p126F};
    for (int c = 0; c < 2; c++) {
        Sketch k = new_sketch(40, 30, 4, 0.5);
        Error err = {0};
        ASSERT_OK(sketch(&k, &err), &err);
        double before[4];
        memcpy(before, k.p.s, sizeof before);
        for (int i = 0; i < 1200; i++) k.a[i] *= scales[c];
        ASSERT_OK(sketch(&k, &err), &err);
        for (int i = 0; i < 4; i++)
            assert_true(fabs(k.p.s[i] / (double)scales[c] - before[i]) <= 1e-6);
        free_sketch(&k);
    }
}

TEST(svd, randomised_has_the_same_bits_on_every_isa_and_thread_count)
{
    const char *names[4];
    const int n_isas = cpu_available(names);
    Sketch k = new_sketch(90, 70, 10, 0.9);
    Error err = {0};
    float u[900], vt[700];
    double s[10];
    for (int i = 0; i < n_isas; i++)
        for (int threads = 1; threads <= 2; threads++) {
            ASSERT_OK(cpu_select(names[i], &err), &err);
            threads_set(threads);
            ASSERT_OK(sketch(&k, &err), &err);
            if (i == 0 && threads == 1) {
                memcpy(u, k.p.u, sizeof u), memcpy(vt, k.p.vt, sizeof vt);
                memcpy(s, k.p.s, sizeof s);
            }
            assert_memory_equal(u, k.p.u, sizeof u);
            assert_memory_equal(vt, k.p.vt, sizeof vt);
            assert_memory_equal(s, k.p.s, sizeof s);
        }
    threads_set(0);
    ASSERT_OK(cpu_select(NULL, &err), &err);
    free_sketch(&k);
}

TEST(svd, randomised_refuses_ranks_and_nan)
{
    Sketch k = new_sketch(6, 4, 4, 0.5);
    Error err = {0};
    k.p.rank = 5;
    ASSERT_FAILS(sketch(&k, &err), &err, FAIL_CONFIG, "rank 5 of a 6 x 4 matrix is outside [1, 4]");
    error_clear(&err);
    k.p.rank = 0;
    ASSERT_FAILS(sketch(&k, &err), &err, FAIL_CONFIG, "rank 0 of a 6 x 4 matrix is outside [1, 4]");
    error_clear(&err);
    k.p.rank = 2, k.a[9] = INFINITY;
    ASSERT_FAILS(sketch(&k, &err), &err, FAIL_RUN, "row 2, column 1 of the matrix is infinite");
    free_sketch(&k);
}

/* -- Symmetric */

static void symmetric(double *a, int n)
{
    Pcg rng = pcg_seed(5, (uint64_t)n);
    for (int i = 0; i < n; i++)
        for (int j = 0; j <= i; j++) a[i * n + j] = a[j * n + i] = pcg_normal(&rng);
}

TEST(eigh, solves_and_sorts_whatever_the_upper_triangle_holds)
{
    static const int sizes[] = {1, 2, 3, 17, 40};
    for (int c = 0; c < 5; c++) {
        const int n = sizes[c];
        double *a = doubles(n * n), *b = doubles(n * n), *w = doubles(n), *v = doubles(n * n);
        Error err = {0};
        symmetric(a, n);
        memcpy(b, a, sizeof *a * (size_t)(n * n));
        for (int i = 0; i < n; i++)
            for (int j = i + 1; j < n; j++) b[i * n + j] = NAN;
        ASSERT_OK(eigh_jacobi(b, n, w, v, &err), &err);
        const double eps = 8 * n * DBL_EPSILON, norm = fmax(fabs(w[0]), fabs(w[n - 1]));
        for (int i = 0; i < n; i++)
            for (int j = 0; j < n; j++) {
                double product = 0, dot = 0;
                for (int k = 0; k < n; k++) product += a[i * n + k] * v[k * n + j];
                for (int k = 0; k < n; k++) dot += v[k * n + i] * v[k * n + j];
                assert_true(fabs(product - w[j] * v[i * n + j]) <= eps * norm);
                assert_true(fabs(dot - (i == j)) <= eps);
            }
        for (int i = 1; i < n; i++) assert_true(w[i] >= w[i - 1]);
#if LAPACK_PRESENT
        double *wanted = doubles(n);
        assert_int_equal(LAPACKE_dsyevd(LAPACK_ROW_MAJOR, 'N', 'L', n, a, n, wanted), 0);
        for (int i = 0; i < n; i++) assert_true(fabs(w[i] - wanted[i]) <= eps * norm);
        free(wanted);
#endif
        free(a), free(b), free(w), free(v);
    }
}

/* D B^T B D of the graded matrix: mpmath.eigsy with 150 digits. */
TEST(eigh, small_values_of_a_graded_matrix_are_relatively_accurate)
{
    static const double wanted[] = {1.0599030096804514709e-53, 1.2583501674684825045e-35,
                                    1.695692197767328935e-17, 20};
    double a[16], w[4], v[16];
    for (int i = 0; i < 16; i++) {
        a[i] = 0;
        for (int k = 0; k < 6; k++) a[i] += graded[k][i / 4] * graded[k][i % 4];
        a[i] = ldexp(a[i], -30 * (i / 4 + i % 4));
    }
    Error err = {0};
    ASSERT_OK(eigh_jacobi(a, 4, w, v, &err), &err);
    for (int i = 0; i < 4; i++) assert_true(fabs(w[i] / wanted[i] - 1) <= 64 * DBL_EPSILON);
}

TEST(eigh, refuses_nan_by_its_place)
{
    double a[9] = {1, 0, 0, 0, 1, 0, 0, NAN, 1}, w[3], v[9];
    Error err = {0};
    ASSERT_FAILS(eigh_jacobi(a, 3, w, v, &err), &err, FAIL_RUN,
                 "row 2, column 1 of the matrix is NaN");
}

/* L = [[2,0,0],[6,1,0],[-8,5,3]], by hand; x = (1, 2, 3). */
TEST(cholesky, factors_and_solves_a_case_by_hand)
{
    double a[9] = {4, 0, 0, 12, 37, 0, -16, -43, 98}, b[3] = {-20, -43, 192};
    static const double l[9] = {2, 0, 0, 6, 1, 0, -8, 5, 3};
    Error err = {0};
    ASSERT_OK(cholesky(a, 3, &err), &err);
    assert_memory_equal(a, l, sizeof l);
    cholesky_solve(a, 3, b, 1);
    for (int i = 0; i < 3; i++) assert_true(fabs(b[i] - (i + 1)) <= 1e-12);
}

TEST(cholesky, names_the_pivot_that_is_not_positive)
{
    double a[4] = {1, 0, 2, 4}, b[4] = {1, 0, NAN, 4};
    Error err = {0};
    ASSERT_FAILS(cholesky(a, 2, &err), &err, FAIL_RUN,
                 "the 2 x 2 matrix is not positive definite: pivot 1 is 0");
    error_clear(&err);
    ASSERT_FAILS(cholesky(b, 2, &err), &err, FAIL_RUN, "pivot 1 is nan");
}
