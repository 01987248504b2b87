/* rfft -- the real transform of rows of any length and its inverse, in natural order: for filters
 * and smoothing in frequency. (Long convolutions have a transform of their own: fft_right.h.)
 *
 * Lanes are rows. An even row of n is n/2 complex numbers x[2j] + i x[2j+1], and the bins come from
 * Z and its mirror image; an odd one is n complex numbers. These go through Stockham's passes of
 * radix 4, 2 and whatever primes are left as plain sums; roots of unity are rounded from doubles. A
 * row's bits depend on nothing but the row. */
#include "cpu/kernel.h"

#include "base/realmath.h"
#include "base/threads.h"
#include "cpu/lanes.h"
#include "cpu/simd.h"

typedef struct Cv {
    vf re, im;
} Cv;

static int64_t complex_length(int64_t n)
{
    return n % 2 == 0 ? n / 2 : n;
}

static int64_t root_floats(int64_t n)
{
    return (2 * n + LANES - 1) / LANES * LANES;
}

/* Two arrays of complex vectors. */
static int64_t team_floats(int64_t n)
{
    return 4 * (complex_length(n) + 1) * LANES;
}

size_t K(rfft_scratch)(int64_t rows, int64_t n)
{
    const int64_t groups = (rows + VL - 1) / VL, threads = threads_count();
    const int64_t teams = groups < threads ? groups : threads;
    return (size_t)(root_floats(n) + teams * team_floats(n)) * sizeof(float);
}

/* e(-j / n) for all j. */
static void fill_roots(int64_t n, float *root)
{
    for (int64_t j = 0; j < n; j++) {
        root[2 * j] = (float)real_cos_turns((double)j / (double)n);
        root[2 * j + 1] = (float)-real_sin_turns((double)j / (double)n);
    }
}

SIMD Cv load(const float *z, int64_t i)
{
    return (Cv){vf_load(z + 2 * i * VL), vf_load(z + (2 * i + 1) * VL)};
}

SIMD void store(float *z, int64_t i, Cv x)
{
    vf_store(z + 2 * i * VL, x.re);
    vf_store(z + (2 * i + 1) * VL, x.im);
}

SIMD Cv add(Cv a, Cv b)
{
    return (Cv){a.re + b.re, a.im + b.im};
}

SIMD Cv sub(Cv a, Cv b)
{
    return (Cv){a.re - b.re, a.im - b.im};
}

/* a + w b, w = (w[0], w[1]). */
SIMD Cv add_product(Cv a, const float *w, Cv b)
{
    const vf re = vf_set1(w[0]), im = vf_set1(w[1]);
    return (Cv){vf_fma(re, b.re, vf_fma(-im, b.im, a.re)),
                vf_fma(re, b.im, vf_fma(im, b.re, a.im))};
}

SIMD Cv product(const float *w, Cv b)
{
    return add_product((Cv){vf_zero(), vf_zero()}, w, b);
}

/* One pass: `length` is what is left to transform, in `stride` interleaved copies; the roots are of
 * order n. to[q + stride (radix p + j)] = w^(j p) sum_k w_radix^(j k) from[q + stride (p + m k)].
 */
typedef struct Pass {
    int64_t radix, length, stride, n;
    const float *root;
} Pass;

static void pass_2(const Pass *a, const float *from, float *to)
{
    const int64_t m = a->length / 2, s = a->stride;
    for (int64_t p = 0; p < m; p++)
        for (int64_t q = 0; q < s; q++) {
            const Cv x = load(from, q + s * p), y = load(from, q + s * (p + m));
            store(to, q + s * 2 * p, add(x, y));
            store(to, q + s * (2 * p + 1),
                  product(a->root + 2 * p * (a->n / a->length), sub(x, y)));
        }
}

static void pass_4(const Pass *a, const float *from, float *to)
{
    const int64_t m = a->length / 4, s = a->stride;
    for (int64_t p = 0; p < m; p++) {
        const float *w = a->root;
        const int64_t w1 = 2 * p * (a->n / a->length);
        for (int64_t q = 0; q < s; q++) {
            const Cv x0 = load(from, q + s * p), x1 = load(from, q + s * (p + m)),
                     x2 = load(from, q + s * (p + 2 * m)), x3 = load(from, q + s * (p + 3 * m));
            const Cv even = add(x0, x2), odd = sub(x0, x2), sum = add(x1, x3), dif = sub(x1, x3);
            const Cv turned = {dif.im, -dif.re}; /* -i dif */
            store(to, q + s * 4 * p, add(even, sum));
            store(to, q + s * (4 * p + 1), product(w + w1, add(odd, turned)));
            store(to, q + s * (4 * p + 2), product(w + 2 * w1, sub(even, sum)));
            store(to, q + s * (4 * p + 3), product(w + 3 * w1, sub(odd, turned)));
        }
    }
}

static void pass_any(const Pass *a, const float *from, float *to)
{
    const int64_t r = a->radix, m = a->length / r, s = a->stride;
    for (int64_t p = 0; p < m; p++)
        for (int64_t j = 0; j < r; j++)
            for (int64_t q = 0; q < s; q++) {
                Cv sum = load(from, q + s * p);
                for (int64_t k = 1; k < r; k++)
                    sum = add_product(sum, a->root + 2 * (j * k % r * (a->n / r)),
                                      load(from, q + s * (p + m * k)));
                store(to, q + s * (r * p + j),
                      product(a->root + 2 * (j * p * (a->n / a->length)), sum));
            }
}

static int64_t next_radix(int64_t length)
{
    if (length % 4 == 0) return 4;
    for (int64_t r = 2; r * r <= length; r++)
        if (length % r == 0) return r;
    return length;
}

/* The transform of `length` complex vectors in a; returns where it is, a or b. Roots of order n, a
 * multiple of the length. */
static float *transform(int64_t length, int64_t n, const float *root, float *a, float *b)
{
    Pass pass = {.length = length, .stride = 1, .n = n, .root = root};
    while (pass.length > 1) {
        pass.radix = next_radix(pass.length);
        if (pass.radix == 4)
            pass_4(&pass, a, b);
        else if (pass.radix == 2)
            pass_2(&pass, a, b);
        else
            pass_any(&pass, a, b);
        pass.length /= pass.radix;
        pass.stride *= pass.radix;
        float *last = a;
        a = b;
        b = last;
    }
    return a;
}

/* Exchanges real and imaginary parts: a transform between two exchanges runs backwards. */
static void exchange(int64_t length, float *z)
{
    for (int64_t i = 0; i < length; i++) {
        const Cv x = load(z, i);
        store(z, i, (Cv){x.im, x.re});
    }
}

/* -- Rows in and out of the lanes; lanes past the last row are zero */

/* z[j] = x[step j], its imaginary part x[step j + 1] when the step is 2. */
static void enter(int64_t length, int64_t n, int64_t rows, const float *x, float *z)
{
    const int64_t step = n / length;
    for (int64_t j = 0; j < length; j++)
        for (int64_t r = 0; r < VL; r++) {
            z[2 * j * VL + r] = r < rows ? x[r * n + step * j] : 0;
            z[(2 * j + 1) * VL + r] = r < rows && step == 2 ? x[r * n + 2 * j + 1] : 0;
        }
}

static void put(const Cv *x, int64_t rows, int64_t pitch, float *y)
{
    float re[VL], im[VL];
    vf_store(re, x->re);
    vf_store(im, x->im);
    for (int64_t r = 0; r < rows; r++) y[r * pitch] = re[r], y[r * pitch + 1] = im[r];
}

static Cv get(int64_t rows, int64_t pitch, const float *y, bool real)
{
    float re[VL] = {0}, im[VL] = {0};
    for (int64_t r = 0; r < rows; r++) re[r] = y[r * pitch], im[r] = real ? 0 : y[r * pitch + 1];
    return (Cv){vf_load(re), vf_load(im)};
}

/* Bin f of an even row from z: 2 X = Z + conj(Z') - i w^f (Z - conj(Z')), Z' = Z[n / 2 - f]. */
static Cv bin_of(const float *z, int64_t f, int64_t length, const float *root)
{
    const Cv a = load(z, f % length), b = load(z, (length - f) % length);
    const vf half = vf_set1(0.5f);
    const Cv even = {half * (a.re + b.re), half * (a.im - b.im)};
    const Cv odd = {half * (a.im + b.im), half * (b.re - a.re)};
    return add_product(even, root + 2 * f, odd);
}

/* Z[f] of an even row, times 2: X + conj(X') + i w^-f (X - conj(X')). */
static Cv unbin(const float *y, int64_t rows, int64_t f, int64_t length, const float *root)
{
    const int64_t pitch = 2 * (length + 1);
    const Cv a = get(rows, pitch, y + 2 * f, f == 0),
             b = get(rows, pitch, y + 2 * (length - f), f == 0);
    const float w[2] = {root[2 * f], -root[2 * f + 1]};
    const Cv turned = {-(a.im + b.im), a.re - b.re};
    return add_product((Cv){a.re + b.re, a.im - b.im}, w, turned);
}

static void forward_rows(int64_t n, int64_t rows, const float *x, const float *root, float *y,
                         float *a)
{
    const int64_t length = complex_length(n), bins = n / 2 + 1;
    enter(length, n, rows, x, a);
    const float *z = transform(length, n, root, a, a + 2 * (length + 1) * VL);
    for (int64_t f = 0; f < bins; f++) {
        const Cv bin = n % 2 == 0 ? bin_of(z, f, length, root) : load(z, f);
        put(&bin, rows, 2 * bins, y + 2 * f);
    }
}

static void inverse_rows(int64_t n, int64_t rows, const float *y, const float *root, float *x,
                         float *a)
{
    const int64_t length = complex_length(n), step = n / length, bins = n / 2 + 1;
    for (int64_t f = 0; f < length; f++) {
        Cv z;
        if (n % 2 == 0) {
            z = unbin(y, rows, f, length, root);
        } else {
            z = get(rows, 2 * bins, y + 2 * (f < bins ? f : n - f), f == 0);
            if (f >= bins) z.im = -z.im;
        }
        store(a, f, z);
    }
    exchange(length, a);
    float *z = transform(length, n, root, a, a + 2 * (length + 1) * VL);
    exchange(length, z);
    const float scale = 1.0f / (float)n;
    for (int64_t j = 0; j < length; j++)
        for (int64_t r = 0; r < rows; r++) {
            x[r * n + step * j] = z[2 * j * VL + r] * scale;
            if (step == 2) x[r * n + 2 * j + 1] = z[(2 * j + 1) * VL + r] * scale;
        }
}

static void run(bool forward, int64_t rows, int64_t n, const float *x, float *y, float *scratch)
{
    const int64_t groups = (rows + VL - 1) / VL, bins = 2 * (n / 2 + 1);
    const int threads = lanes_threads(16 * rows * n, groups, threads_count());
    fill_roots(n, scratch);
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t part = 0; part < threads; part++) {
        float *a = scratch + root_floats(n) + part * team_floats(n);
        for (int64_t g = groups * part / threads; g < groups * (part + 1) / threads; g++) {
            const int64_t first = g * VL, left = rows - first < VL ? rows - first : VL;
            if (forward)
                forward_rows(n, left, x + first * n, scratch, y + first * bins, a);
            else
                inverse_rows(n, left, x + first * bins, scratch, y + first * n, a);
        }
    }
}

void K(rfft)(int64_t rows, int64_t n, const float *x, float *y, void *scratch)
{
    run(true, rows, n, x, y, scratch);
}

void K(irfft)(int64_t rows, int64_t n, const float *x, float *y, void *scratch)
{
    run(false, rows, n, x, y, scratch);
}
