/* conv -- convolutions and their gradients against float64 loops; bits over ISAs and threads. */
#include "tests/test.h"

#include "base/pcg.h"
#include "base/threads.h"
#include "cpu/cpu.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GUARD = 64, FILL = 0x5a };

typedef enum Pass { FORWARD, GRAD_X, GRAD_W, N_PASSES } Pass;

static size_t x_size(const ConvShape *s)
{
    return (size_t)(s->n * s->h * s->w * s->c);
}

static size_t w_size(const ConvShape *s)
{
    return (size_t)(s->o * (s->c / s->groups) * s->kh * s->kw);
}

static size_t y_size(const ConvShape *s)
{
    return (size_t)(s->n * s->oh * s->ow * s->o);
}

static size_t out_size(const ConvShape *s, Pass pass)
{
    return pass == FORWARD ? y_size(s) : pass == GRAD_X ? x_size(s) : w_size(s);
}

static float *uniform(Pcg *rng, size_t n)
{
    float *x = malloc((n + 1) * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++) x[i] = pcg_uniform(rng) * 2 - 1;
    return x;
}

/* Calls term(x index, w index, y index) for every product of the convolution. */
typedef struct Reference {
    const float *x, *w, *y; /* the two factors; the third is NULL */
    double *sum, *size;     /* of products and of their absolute values */
} Reference;

static void add_term(const Reference *r, int64_t ix, int64_t iw, int64_t iy)
{
    const int64_t at = !r->y ? iy : !r->x ? ix : iw;
    const double product = (r->x ? (double)r->x[ix] : 1) * (r->w ? (double)r->w[iw] : 1) *
                           (r->y ? (double)r->y[iy] : 1);
    r->sum[at] += product;
    r->size[at] += fabs(product);
}

static void pixel_terms(const ConvShape *s, const Reference *r, int64_t n, int64_t oy, int64_t ox,
                        int64_t o)
{
    const int64_t cg = s->c / s->groups, group = o / (s->o / s->groups);
    for (int64_t ky = 0; ky < s->kh; ky++)
        for (int64_t kx = 0; kx < s->kw; kx++) {
            const int64_t y = oy * s->stride[0] - s->pad[0] + ky * s->dilation[0];
            const int64_t x = ox * s->stride[1] - s->pad[1] + kx * s->dilation[1];
            if (y < 0 || y >= s->h || x < 0 || x >= s->w) continue;
            for (int64_t c = 0; c < cg; c++)
                add_term(r, ((n * s->h + y) * s->w + x) * s->c + group * cg + c,
                         ((o * cg + c) * s->kh + ky) * s->kw + kx,
                         ((n * s->oh + oy) * s->ow + ox) * s->o + o);
        }
}

static void reference(const ConvShape *s, const Reference *r)
{
    for (int64_t n = 0; n < s->n; n++)
        for (int64_t oy = 0; oy < s->oh; oy++)
            for (int64_t ox = 0; ox < s->ow; ox++)
                for (int64_t o = 0; o < s->o; o++) pixel_terms(s, r, n, oy, ox, o);
}

/* Runs one pass between guards; out has GUARD floats on either side, which must stay. */
static void run(const ConvShape *s, Pass pass, const float *x, const float *w, const float *y,
                float *out)
{
    const size_t asked = cpu->conv_scratch(s), bytes = (asked + 63) / 64 * 64,
                 n = out_size(s, pass);
    unsigned char *scratch = aligned_alloc(64, bytes + GUARD);
    assert_non_null(scratch);
    memset(scratch, FILL, bytes + GUARD);
    for (size_t i = 0; i < n + 2 * GUARD; i++) out[i] = 77;
    if (pass == FORWARD) cpu->conv_forward(s, x, w, out + GUARD, scratch);
    if (pass == GRAD_X) cpu->conv_grad_x(s, y, w, out + GUARD, scratch);
    if (pass == GRAD_W) cpu->conv_grad_w(s, x, y, out + GUARD, scratch);
    for (size_t i = asked; i < bytes + GUARD; i++) assert_int_equal(scratch[i], FILL);
    for (size_t i = 0; i < GUARD; i++) assert_true(out[i] == 77 && out[GUARD + n + i] == 77);
    free(scratch);
}

/* |got - wanted| <= (terms + 4) eps / 2 * sum |products|, of the same output or, with `largest`,
 * the largest of all. */
static void check_pass(const ConvShape *s, Pass pass, bool largest, const float *x, const float *w,
                       const float *y)
{
    const size_t n = out_size(s, pass);
    float *out = malloc((n + 2 * GUARD) * sizeof *out);
    double *sum = calloc(n + 1, sizeof *sum), *size = calloc(n + 1, sizeof *size);
    const Reference r = {pass == GRAD_X ? NULL : x, pass == GRAD_W ? NULL : w,
                         pass == FORWARD ? NULL : y, sum, size};
    reference(s, &r);
    run(s, pass, x, w, y, out);
    const int64_t terms =
        pass == GRAD_W ? s->n * s->oh * s->ow : s->kh * s->kw * (pass == FORWARD ? s->c : s->o);
    double most = 0;
    for (size_t i = 0; i < n; i++) most = fmax(most, size[i]);
    for (size_t i = 0; i < n; i++) {
        const double bound =
            (double)(terms + 4) * (double)FLT_EPSILON / 2 * ((largest ? most : size[i]) + 1e-30);
        if (!(fabs((double)out[GUARD + i] - sum[i]) <= bound))
            print_error(
                "pass %d n%d h%d w%d c%d o%d k%dx%d s%d,%d p%d,%d d%d,%d g%d at %zu: %g, not %g\n",
                (int)pass, (int)s->n, (int)s->h, (int)s->w, (int)s->c, (int)s->o, (int)s->kh,
                (int)s->kw, (int)s->stride[0], (int)s->stride[1], (int)s->pad[0], (int)s->pad[1],
                (int)s->dilation[0], (int)s->dilation[1], (int)s->groups, i, (double)out[GUARD + i],
                sum[i]);
        assert_true(fabs((double)out[GUARD + i] - sum[i]) <= bound);
    }
    free(out), free(sum), free(size);
}

static void set_outputs(ConvShape *s)
{
    s->oh = (s->h + 2 * s->pad[0] - s->dilation[0] * (s->kh - 1) - 1) / s->stride[0] + 1;
    s->ow = (s->w + 2 * s->pad[1] - s->dilation[1] * (s->kw - 1) - 1) / s->stride[1] + 1;
}

static ConvShape square(int64_t n, int64_t size, int64_t c, int64_t o, int64_t kernel,
                        int64_t stride, int64_t pad)
{
    ConvShape s = {
        .n = n,
        .h = size,
        .w = size,
        .c = c,
        .o = o,
        .kh = kernel,
        .kw = kernel,
        .stride = {stride, stride},
        .pad = {pad,    pad   },
        .dilation = {1,      1     },
        .groups = 1
    };
    set_outputs(&s);
    return s;
}

static ConvShape odd_shape(Pcg *rng)
{
    for (;;) {
        ConvShape s = {.n = 1 + pcg_below(rng, 3),
                       .groups = pcg_below(rng, 4) ? 1 : 1 + pcg_below(rng, 3)};
        s.c = s.groups * (1 + pcg_below(rng, 20)), s.o = s.groups * (1 + pcg_below(rng, 36));
        s.h = 1 + pcg_below(rng, 12), s.w = 1 + pcg_below(rng, 20);
        s.kh = 1 + pcg_below(rng, 4), s.kw = 1 + pcg_below(rng, 4);
        for (int i = 0; i < 2; i++) {
            s.stride[i] = pcg_below(rng, 2) ? 1 : 1 + pcg_below(rng, 4);
            s.pad[i] = pcg_below(rng, 4),
            s.dilation[i] = pcg_below(rng, 3) ? 1 : 1 + pcg_below(rng, 3);
        }
        if (s.dilation[0] * (s.kh - 1) + 1 > s.h + 2 * s.pad[0]) continue;
        if (s.dilation[1] * (s.kw - 1) + 1 > s.w + 2 * s.pad[1]) continue;
        set_outputs(&s);
        return s;
    }
}

static void check_bound(const ConvShape *s, bool largest, Pcg *rng)
{
    float *x = uniform(rng, x_size(s)), *w = uniform(rng, w_size(s)), *y = uniform(rng, y_size(s));
    for (Pass pass = FORWARD; pass < N_PASSES; pass++) check_pass(s, pass, largest, x, w, y);
    free(x), free(w), free(y);
}

static void check_all(const ConvShape *s, Pcg *rng)
{
    check_bound(s, false, rng);
}

TEST(conv, matches_float64_over_odd_shapes)
{
    Pcg rng = pcg_seed(1, 2);
    for (int i = 0; i < 80; i++) {
        const ConvShape s = odd_shape(&rng);
        check_all(&s, &rng);
    }
}

TEST(conv, matches_float64_when_depthwise)
{
    Pcg rng = pcg_seed(2, 2);
    for (int i = 0; i < 20; i++) {
        ConvShape s = odd_shape(&rng);
        s.c = s.o = s.groups = 2 + pcg_below(&rng, 80);
        check_all(&s, &rng);
    }
}

/* Blocks of outputs that are whole, cut at each border, or wholly in it; whole and ragged vectors
 * of channels, more than are summed at once, and pixels a power of two apart. */
TEST(conv, matches_float64_when_depthwise_3x3)
{
    Pcg rng = pcg_seed(2, 3);
    for (int i = 0; i < 60; i++) {
        const int64_t stride = 1 + i % 2, pad = stride == 1 ? pcg_below(&rng, 3) : 1;
        const int64_t many = i % 4 < 2 ? 270 : 256, whole = 16 * (1 + pcg_below(&rng, 3));
        const int64_t few = i % 3 ? 2 + pcg_below(&rng, 40) : whole, c = i % 9 ? few : many;
        ConvShape s = square(1 + pcg_below(&rng, 3), 3 + pcg_below(&rng, 11), c, c, 3, stride, pad);
        s.w = 3 + pcg_below(&rng, 11), s.groups = c;
        set_outputs(&s);
        check_all(&s, &rng);
    }
}

/* Several groups in a vector, also at borders, with rows longer than a tile and taps of every
 * count. */
TEST(conv, matches_float64_with_few_channels_a_group)
{
    Pcg rng = pcg_seed(2, 4);
    for (int i = 0; i < 60; i++) {
        ConvShape s = odd_shape(&rng);
        if (i % 10 == 0) s = square(2, 21, 16, 16, 3, 1 + i / 10 % 2, 1);
        s.c = s.o = 16 * (1 + pcg_below(&rng, 3)), s.groups = s.c / (2 << i % 3);
        check_all(&s, &rng);
    }
}

TEST(conv, matches_float64_on_the_shapes_of_residual_nets)
{
    Pcg rng = pcg_seed(3, 2);
    const ConvShape shapes[] = {square(1, 28, 3, 16, 3, 1, 1),  square(2, 14, 16, 32, 3, 2, 1),
                                square(3, 8, 64, 64, 3, 1, 1),  square(2, 16, 16, 32, 1, 2, 0),
                                square(2, 9, 20, 40, 1, 1, 0),  square(1, 33, 1, 20, 5, 1, 0),
                                square(1, 40, 16, 16, 3, 1, 1), square(2, 16, 3, 24, 8, 8, 0)};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) check_all(&shapes[i], &rng);
}

/* Colour images: one to several in a block of sums, with rows whose taps are all inside and others;
 * more columns than one tile. */
TEST(conv, matches_float64_on_colour_images)
{
    Pcg rng = pcg_seed(3, 3);
    ConvShape shapes[] = {square(1, 37, 3, 16, 3, 1, 1), square(5, 11, 3, 9, 3, 1, 1),
                          square(2, 19, 3, 50, 3, 2, 1), square(3, 12, 3, 16, 3, 1, 2),
                          square(2, 13, 3, 16, 3, 1, 0), square(3, 2, 3, 16, 3, 1, 1)};
    shapes[2].dilation[0] = 2, shapes[2].pad[0] = 2, shapes[3].w = 30;
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        set_outputs(&shapes[i]);
        check_all(&shapes[i], &rng);
    }
}

/* More pixels than a panel and not whole panels of them, fewer, more inputs than outputs. */
TEST(conv, gradient_of_a_product_over_pixels_matches_float64)
{
    Pcg rng = pcg_seed(3, 4);
    const ConvShape shapes[] = {square(3, 10, 64, 83, 1, 1, 0), square(2, 13, 90, 64, 1, 1, 0),
                                square(1, 5, 64, 64, 1, 1, 0)};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        float *x = uniform(&rng, x_size(&shapes[i])), *y = uniform(&rng, y_size(&shapes[i]));
        check_pass(&shapes[i], GRAD_W, false, x, NULL, y);
        free(x), free(y);
    }
}

/* 1x1 over pixels that are read in place: as a product of few columns, and by strides. */
TEST(conv, matches_float64_by_one_tap_in_place)
{
    Pcg rng = pcg_seed(3, 5);
    ConvShape shapes[] = {square(2, 17, 40, 9, 1, 1, 0), square(1, 19, 24, 70, 1, 1, 0),
                          square(2, 18, 33, 40, 1, 2, 0), square(2, 16, 34, 20, 1, 3, 0)};
    shapes[2].stride[0] = 1, shapes[3].groups = 2;
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        set_outputs(&shapes[i]);
        check_all(&shapes[i], &rng);
    }
}

/* Tiles of 4x4 outputs that stick out on two sides, paddings 0 to 2, ragged channels. A tile's
 * outputs share their rounding errors, so an output over few taps is bounded by its neighbours. */
TEST(conv, matches_float64_by_winograd_at_odd_sizes)
{
    Pcg rng = pcg_seed(6, 2);
    ConvShape shapes[] = {square(2, 13, 17, 19, 3, 1, 1), square(3, 12, 16, 33, 3, 1, 0),
                          square(2, 11, 20, 16, 3, 1, 2), square(6, 7, 24, 40, 3, 1, 1),
                          square(4, 9, 16, 16, 3, 1, 1)};
    shapes[4].w = 23, shapes[4].pad[0] = 0, shapes[4].pad[1] = 2;
    set_outputs(&shapes[4]);
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        check_bound(&shapes[i], true, &rng);
}

/* What the direct kernel computes: one chain of fused multiply-adds over (row, column, channel). */
static float direct_sum(const ConvShape *s, const float *x, const float *w, int64_t oy, int64_t ox,
                        int64_t o)
{
    float sum = 0;
    for (int64_t tap = 0; tap < 9; tap++) {
        const int64_t y = oy - s->pad[0] + tap / 3, i = ox - s->pad[1] + tap % 3;
        if (y < 0 || y >= s->h || i < 0 || i >= s->w) continue;
        for (int64_t c = 0; c < s->c; c++)
            sum = fmaf(x[(y * s->w + i) * s->c + c], w[(o * s->c + c) * 9 + tap], sum);
    }
    return sum;
}

/* Measured here, over the outputs' root mean square: 8.7e-7 against 4.3e-7 of the direct sum in the
 * root mean square, 4.0e-6 against 3.0e-6 at most. */
TEST(conv, winograd_error_is_at_most_three_times_that_of_the_direct_sum)
{
    Pcg rng = pcg_seed(7, 2);
    const ConvShape s = square(1, 16, 64, 24, 3, 1, 1);
    const size_t n = y_size(&s);
    float *x = uniform(&rng, x_size(&s)), *w = uniform(&rng, w_size(&s));
    float *out = malloc((n + 2 * GUARD) * sizeof *out);
    double *sum = calloc(n, sizeof *sum), *size = calloc(n, sizeof *size);
    const Reference r = {x, w, NULL, sum, size};
    double ours = 0, direct = 0, ours_most = 0, direct_most = 0;
    reference(&s, &r);
    run(&s, FORWARD, x, w, NULL, out);
    for (size_t i = 0; i < n; i++) {
        const int64_t pixel = (int64_t)i / s.o;
        const double a = fabs((double)out[GUARD + i] - sum[i]);
        const double b = fabs(
            (double)direct_sum(&s, x, w, pixel / s.ow, pixel % s.ow, (int64_t)i % s.o) - sum[i]);
        ours += a * a, direct += b * b;
        ours_most = fmax(ours_most, a), direct_most = fmax(direct_most, b);
    }
    assert_true(sqrt(ours) > 1.2 * sqrt(direct)); /* this shape does go by Winograd */
    assert_true(sqrt(ours) < 3 * sqrt(direct));
    assert_true(ours_most < 3 * direct_most);
    free(x), free(w), free(out), free(sum), free(size);
}

/* Many weights take longer chains (winograd_grad_w.c): some of them, over several blocks of tiles.
 */
TEST(conv, winograd_gradient_of_many_weights_matches_float64)
{
    Pcg rng = pcg_seed(8, 2);
    const ConvShape s = square(5, 13, 132, 130, 3, 1, 1);
    float *x = uniform(&rng, x_size(&s)), *dy = uniform(&rng, y_size(&s));
    float *out = malloc((w_size(&s) + 2 * GUARD) * sizeof *out);
    run(&s, GRAD_W, x, NULL, dy, out);
    for (int i = 0; i < 40; i++) {
        const int64_t o = pcg_below(&rng, 130), c = pcg_below(&rng, 132), tap = i % 9;
        double sum = 0, size = 0;
        for (int64_t at = 0; at < s.n * s.oh * s.ow; at++) {
            const int64_t row = at / s.ow, y = row % s.oh + tap / 3 - 1,
                          j = at % s.ow + tap % 3 - 1;
            if (y < 0 || y >= s.h || j < 0 || j >= s.w) continue;
            const double product =
                (double)dy[at * s.o + o] * (double)x[((row / s.oh * s.h + y) * s.w + j) * s.c + c];
            sum += product, size += fabs(product);
        }
        const double got = (double)out[GUARD + (o * s.c + c) * 9 + tap];
        assert_true(fabs(got - sum) <= 20 * (double)FLT_EPSILON * size);
    }
    free(x), free(dy), free(out);
}

/* All bits of `pass` on every ISA with 1, 2, 3 and 7 threads. */
static void check_bits(const ConvShape *s, Pass pass, const float *x, const float *w,
                       const float *y)
{
    static const int threads[] = {1, 2, 3, 7};
    const char *names[4];
    const int n_isas = cpu_available(names);
    const size_t n = out_size(s, pass) + 2 * GUARD;
    float *wanted = malloc(n * sizeof *wanted), *got = malloc(n * sizeof *got);
    for (int isa = 0; isa < n_isas; isa++)
        for (int t = 0; t < 4; t++) {
            assert_true(cpu_select(names[isa], NULL));
            threads_set(threads[t]);
            run(s, pass, x, w, y, isa + t == 0 ? wanted : got);
            if (isa + t > 0) assert_memory_equal(wanted, got, n * sizeof *got);
        }
    free(wanted), free(got);
    threads_set(0);
    assert_true(cpu_select(NULL, NULL));
}

TEST(conv, has_the_same_bits_on_every_isa_and_thread_count)
{
    Pcg rng = pcg_seed(4, 2);
    ConvShape shapes[] = {square(20, 14, 16, 40, 3, 1, 1), square(5, 28, 3, 33, 3, 1, 1),
                          square(9, 17, 20, 24, 3, 2, 1),  square(3, 20, 40, 20, 1, 1, 0),
                          square(40, 7, 64, 72, 3, 1, 1),  square(6, 30, 1, 12, 5, 1, 2),
                          square(30, 20, 40, 40, 3, 1, 1), square(6, 20, 30, 44, 3, 1, 1),
                          square(7, 13, 17, 37, 3, 1, 2),  square(9, 13, 270, 270, 3, 2, 1),
                          square(19, 15, 32, 32, 3, 2, 1), square(3, 30, 48, 48, 3, 1, 1),
                          square(3, 30, 64, 64, 3, 1, 1),  square(9, 11, 3, 16, 3, 1, 1),
                          square(3, 10, 64, 83, 1, 1, 0),  square(2, 13, 90, 64, 1, 1, 0),
                          square(2, 18, 40, 9, 1, 1, 0)};
    shapes[6].groups = 40, shapes[7].groups = 2, shapes[9].groups = 270;
    shapes[10].groups = 16, shapes[11].groups = 12, shapes[12].groups = 8;
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        const ConvShape *s = &shapes[i];
        float *x = uniform(&rng, x_size(s)), *w = uniform(&rng, w_size(s)),
              *y = uniform(&rng, y_size(s));
        for (Pass pass = FORWARD; pass < N_PASSES; pass++) check_bits(s, pass, x, w, y);
        free(x), free(w), free(y);
    }
}

TEST(conv, carries_nan_from_an_input_to_its_outputs_only)
{
    Pcg rng = pcg_seed(5, 2);
    const ConvShape s = square(1, 12, 4, 20, 3, 1, 1);
    float *x = uniform(&rng, x_size(&s)), *w = uniform(&rng, w_size(&s));
    float *out = malloc((y_size(&s) + 2 * GUARD) * sizeof *out);
    x[(5 * s.w + 6) * s.c + 2] = NAN;
    run(&s, FORWARD, x, w, NULL, out);
    for (int64_t y = 0; y < s.oh; y++)
        for (int64_t i = 0; i < s.ow; i++) {
            const bool reached = y >= 4 && y <= 6 && i >= 5 && i <= 7;
            for (int64_t o = 0; o < s.o; o++)
                assert_int_equal(isnan(out[GUARD + (y * s.ow + i) * s.o + o]) != 0, reached);
        }
    free(x), free(w), free(out);
}

/* Evaluation in other batches must give the same bits. */
TEST(conv, of_a_picture_does_not_depend_on_the_batch)
{
    Pcg rng = pcg_seed(5, 3);
    const ConvShape shapes[] = {square(20, 4, 16, 16, 3, 1, 1),  square(20, 3, 24, 32, 3, 1, 1),
                                square(20, 12, 16, 20, 3, 1, 1), square(20, 8, 3, 16, 3, 1, 1),
                                square(20, 8, 16, 32, 3, 2, 1),  square(20, 6, 16, 32, 1, 1, 0)};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        ConvShape s = shapes[i];
        float *x = uniform(&rng, x_size(&s)), *w = uniform(&rng, w_size(&s));
        float *all = malloc((y_size(&s) + 2 * GUARD) * sizeof *all),
              *one = malloc((y_size(&s) + 2 * GUARD) * sizeof *one);
        run(&s, FORWARD, x, w, NULL, all);
        const size_t in = x_size(&s) / 20, out = y_size(&s) / 20;
        s.n = 1;
        for (size_t n = 0; n < 20; n++) {
            run(&s, FORWARD, x + n * in, w, NULL, one);
            assert_memory_equal(one + GUARD, all + GUARD + n * out, out * sizeof *one);
        }
        free(x), free(w), free(all), free(one);
    }
}
