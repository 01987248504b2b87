/* long_conv -- the long convolution kernels against the sum itself in double precision, by both
 * paths, and the worked examples of the method's notes. */
#include "tests/test.h"

#include "base/pcg.h"
#include "base/threads.h"
#include "cpu/cpu.h"
#include "graph/graph.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A problem with its numbers; the transforms take over above 32 taps and 64 places. */
typedef struct Problem {
    LongConv s;
    float *u, *k, *d, *gate, *out;
    void *scratch;
    int64_t n_u, n_k;
} Problem;

static float *numbers(Pcg *rng, int64_t n)
{
    float *x = malloc((size_t)n * sizeof *x);
    assert_non_null(x);
    for (int64_t i = 0; i < n; i++) x[i] = 2 * pcg_uniform(rng) - 1;
    return x;
}

static Problem problem_new(LongConv s)
{
    Pcg rng = pcg_seed(5, (uint64_t)s.t);
    Problem p = {.s = s, .n_u = s.batch * s.channels * s.t};
    p.n_k = s.channels * s.taps * (s.mode == LONG_CONV_TWO_SIDED ? 2 : 1);
    p.u = numbers(&rng, p.n_u);
    p.gate = numbers(&rng, p.n_u);
    p.k = numbers(&rng, p.n_k);
    p.d = numbers(&rng, s.channels);
    p.out = numbers(&rng, p.n_u + p.n_k);
    p.scratch = aligned_alloc(64, (cpu->long_conv_scratch(&s) + 63) / 64 * 64);
    assert_non_null(p.scratch);
    return p;
}

static void problem_free(Problem *p)
{
    free(p->u), free(p->k), free(p->d), free(p->gate), free(p->out), free(p->scratch);
}

/* All but some taps of each row of k, or all but some places of u, to zero: then the sums are short
 * enough for long rows. */
static void thin(float *x, int64_t rows, int64_t n)
{
    for (int64_t i = 0; i < rows * n; i++)
        if (i % n != 0 && i % n != n / 3 && i % n != n - 1) x[i] = 0;
}

/* The products of the form sum(conv(u, k) * y), by which of the three the sums go to: x is u (y for
 * the sums into u), w is k (y for those into k). */
typedef struct Sums {
    const float *x, *w;
    double *to, *size; /* and the root of the sum of the squares of its terms */
} Sums;

static void form(const LongConv *s, int64_t row, bool into_k, bool into_u, Sums *o)
{
    const int64_t sides = s->mode == LONG_CONV_TWO_SIDED ? 2 : 1, h = row % s->channels;
    for (int64_t side = 0; side < sides; side++)
        for (int64_t l = 0; l < s->taps; l++) {
            const int64_t tap = (side * s->channels + h) * s->taps + l;
            if (!into_k && o->w[tap] == 0) continue;
            for (int64_t t = 0; t < s->t; t++) {
                int64_t from = side ? t + 1 + l : t - l;
                if (s->mode == LONG_CONV_CIRCULAR && from < 0) from += s->t;
                if (from < 0 || from >= s->t) continue;
                const int64_t y = row * s->t + t, u = row * s->t + from;
                const int64_t to = into_k ? tap : into_u ? u : y;
                const double term = (double)o->x[into_u ? y : u] * (double)o->w[into_k ? y : tap];
                o->to[to] += term;
                o->size[to] += term * term;
            }
        }
}

/* The roundings of a transform are spread over the row, each in proportion to the norm of the
 * whole, and those of a chain of n additions drift by about sqrt(n) / 3 (up to 512 here): at most
 * `units` epsilons of the largest root of a sum of squared terms. */
static void assert_close(const float *got, const double *want, const double *size, int64_t n,
                         double units)
{
    double most = 0;
    for (int64_t i = 0; i < n; i++) most = fmax(most, sqrt(size[i]));
    most *= units * (double)FLT_EPSILON;
    for (int64_t i = 0; i < n; i++)
        if (!(fabs((double)got[i] - want[i]) <= most)) {
            print_message("element %d: %.9g, in doubles %.9g, allowed %.3g\n", (int)i,
                          (double)got[i], want[i], most);
            assert_true(false);
        }
}

enum { UNITS = 16 };

static double *zeros(int64_t n)
{
    double *x = calloc((size_t)n, sizeof *x);
    assert_non_null(x);
    return x;
}

static void check_forward(Problem *p, bool d, bool gate)
{
    const LongConv *s = &p->s;
    double *want = zeros(p->n_u), *size = zeros(p->n_u);
    Sums o = {p->u, p->k, want, size};
    for (int64_t row = 0; row < s->batch * s->channels; row++) form(s, row, false, false, &o);
    for (int64_t i = 0; i < p->n_u; i++) {
        const double skip = (double)p->d[i / s->t % s->channels] * (double)p->u[i];
        want[i] = (want[i] + (d ? skip : 0)) * (gate ? (double)p->gate[i] : 1);
        size[i] += skip * skip;
    }
    cpu->long_conv(s, p->u, p->k, d ? p->d : NULL, gate ? p->gate : NULL, p->out, p->scratch);
    assert_close(p->out, want, size, p->n_u, UNITS);
    free(want), free(size);
}

static void check_grad_u(Problem *p)
{
    const LongConv *s = &p->s;
    double *want = zeros(p->n_u), *size = zeros(p->n_u);
    Sums o = {p->u, p->k, want, size};
    for (int64_t row = 0; row < s->batch * s->channels; row++) form(s, row, false, true, &o);
    for (int64_t i = 0; i < p->n_u; i++)
        want[i] += (double)p->d[i / s->t % s->channels] * (double)p->u[i];
    cpu->long_conv_grad_u(s, p->u, p->k, p->d, p->out, p->scratch);
    assert_close(p->out, want, size, p->n_u, UNITS);
    free(want), free(size);
}

static void check_grad_k(Problem *p)
{
    const LongConv *s = &p->s;
    double *want = zeros(p->n_k), *size = zeros(p->n_k);
    Sums o = {p->u, p->gate, want, size};
    for (int64_t row = 0; row < s->batch * s->channels; row++) form(s, row, true, false, &o);
    cpu->long_conv_grad_k(s, p->u, p->gate, p->out, p->scratch);
    assert_close(p->out, want, size, p->n_k, UNITS);
    free(want), free(size);
}

/* Three ways to have many or few taps, one and several channels and rows. */
static void each_shape(void (*check)(Problem *), LongConvMode mode)
{
    static const int64_t shapes[][4] = {
        {1, 1, 1,   1  },
        {2, 3, 2,   2  },
        {1, 2, 17,  5  },
        {2, 2, 100, 100},
        {3, 1, 255, 64 },
        {2, 2, 300, 32 },
        {2, 2, 257, 257},
        {3, 2, 512, 500},
        {1, 3, 600, 65 },
        {2, 1, 769, 769}, /* 5 256 points */
    };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        const int64_t *n = shapes[i];
        Problem p = problem_new((LongConv){n[0], n[1], n[2], n[3], mode});
        check(&p);
        problem_free(&p);
    }
}

static void forward(Problem *p)
{
    check_forward(p, true, true);
    check_forward(p, false, false);
}

TEST(long_conv, causal_is_the_sum)
{
    each_shape(forward, LONG_CONV_CAUSAL);
}

TEST(long_conv, circular_is_the_sum)
{
    each_shape(forward, LONG_CONV_CIRCULAR);
}

TEST(long_conv, two_sided_is_the_sum)
{
    each_shape(forward, LONG_CONV_TWO_SIDED);
}

TEST(long_conv, causal_gradient_to_u_is_the_sum)
{
    each_shape(check_grad_u, LONG_CONV_CAUSAL);
}

TEST(long_conv, circular_gradient_to_u_is_the_sum)
{
    each_shape(check_grad_u, LONG_CONV_CIRCULAR);
}

TEST(long_conv, two_sided_gradient_to_u_is_the_sum)
{
    each_shape(check_grad_u, LONG_CONV_TWO_SIDED);
}

TEST(long_conv, causal_gradient_to_k_is_the_sum)
{
    each_shape(check_grad_k, LONG_CONV_CAUSAL);
}

TEST(long_conv, circular_gradient_to_k_is_the_sum)
{
    each_shape(check_grad_k, LONG_CONV_CIRCULAR);
}

TEST(long_conv, two_sided_gradient_to_k_is_the_sum)
{
    each_shape(check_grad_k, LONG_CONV_TWO_SIDED);
}

/* Rows of every number of passes, up to where threads share a row. */
TEST(long_conv, is_the_sum_for_rows_of_every_number_of_passes)
{
    static const int64_t lengths[] = {1024, 1500, 3000, 5000, 20000, 65536, 132000};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        Problem p = problem_new((LongConv){1, 1, lengths[i], lengths[i], LONG_CONV_CAUSAL});
        thin(p.k, 1, lengths[i]);
        check_forward(&p, true, false);
        problem_free(&p);
    }
}

TEST(long_conv, gradients_of_long_rows_are_the_sum)
{
    static const int64_t lengths[] = {4096, 132000};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        Problem p = problem_new((LongConv){1, 1, lengths[i], lengths[i], LONG_CONV_TWO_SIDED});
        double *want = zeros(p.n_k), *size = zeros(p.n_k);
        thin(p.u, 1, lengths[i]);
        thin(p.k, 2, lengths[i]);
        check_grad_u(&p);
        /* u has three places; each gives one term for every dy */
        for (int64_t from = 0; from < p.s.t; from++)
            for (int64_t t = 0; p.u[from] != 0 && t < p.s.t; t++) {
                const int64_t tap = t >= from ? t - from : p.s.taps + from - t - 1;
                const double term = (double)p.u[from] * (double)p.gate[t];
                want[tap] += term;
                size[tap] += term * term;
            }
        cpu->long_conv_grad_k(&p.s, p.u, p.gate, p.out, p.scratch);
        assert_close(p.out, want, size, p.n_k, UNITS);
        free(want), free(size);
        problem_free(&p);
    }
}

/* One chunk of the batch, several, and threads that share a row. */
TEST(long_conv, both_gradients_at_once_have_the_bits_of_each)
{
    static const int64_t shapes[][4] = {
        {2, 2,  60,     60 },
        {3, 20, 256,    256},
        {5, 3,  1500,   999},
        {2, 1,  132000, 500},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0] * 3; i++) {
        const int64_t *n = shapes[i / 3];
        Problem p = problem_new((LongConv){n[0], n[1], n[2], n[3], (LongConvMode)(i % 3)});
        float *both = malloc((size_t)(p.n_u + p.n_k) * sizeof *both);
        assert_non_null(both);
        cpu->long_conv_grads(&p.s, &(LongConvGrads){p.u, p.gate, p.k, p.d, both, both + p.n_u},
                             p.scratch);
        cpu->long_conv_grad_u(&p.s, p.gate, p.k, p.d, p.out, p.scratch);
        cpu->long_conv_grad_k(&p.s, p.u, p.gate, p.out + p.n_u, p.scratch);
        assert_memory_equal(both, p.out, (size_t)(p.n_u + p.n_k) * sizeof *both);
        free(both);
        problem_free(&p);
    }
}

/* Worked examples of the notes on arXiv:2302.06646, done there by hand. */
TEST(long_conv, gives_the_worked_examples)
{
    const float u[5] = {1, 0, 0, 2, 0}, k[10] = {1, 2, 3, 4, 5, 10, 20, 30, 40, 50};
    const float causal[5] = {1, 2, 3, 6, 9}, two_sided[5] = {61, 42, 23, 6, 9};
    LongConv s = {1, 1, 5, 5, LONG_CONV_CAUSAL};
    Problem p = problem_new((LongConv){1, 1, 5, 5, LONG_CONV_TWO_SIDED});
    cpu->long_conv(&s, u, k, NULL, NULL, p.out, p.scratch);
    assert_memory_equal(p.out, causal, sizeof causal);
    cpu->long_conv(&p.s, u, k, NULL, NULL, p.out, p.scratch);
    assert_memory_equal(p.out, two_sided, sizeof two_sided);
    problem_free(&p);
}

/* The same row alone and at any place of a batch, with any number of threads. */
TEST(long_conv, bits_do_not_depend_on_threads_or_place)
{
    Problem p = problem_new((LongConv){5, 3, 700, 700, LONG_CONV_CAUSAL});
    float *first = malloc((size_t)p.n_u * sizeof *first);
    const int before = threads_count();
    assert_non_null(first);
    threads_set(1);
    cpu->long_conv(&p.s, p.u, p.k, p.d, NULL, first, p.scratch);
    for (int threads = 2; threads <= 7; threads++) {
        threads_set(threads);
        void *scratch = aligned_alloc(64, (cpu->long_conv_scratch(&p.s) + 63) / 64 * 64);
        assert_non_null(scratch);
        cpu->long_conv(&p.s, p.u, p.k, p.d, NULL, p.out, scratch);
        assert_memory_equal(p.out, first, (size_t)p.n_u * sizeof *first);
        free(scratch);
    }
    threads_set(before);
    const LongConv one = {1, 1, 700, 700, LONG_CONV_CAUSAL};
    cpu->long_conv(&one, p.u + 13 * 700, p.k + 700, p.d + 1, NULL, p.out, p.scratch);
    assert_memory_equal(p.out, first + 13 * 700, 700 * sizeof *first);
    free(first);
    problem_free(&p);
}

/* -- What the builders refuse */

static void refuses(Node *(*build)(Graph *g, Node *u), const char *text)
{
    Arena *arena = arena_new();
    Graph *g = graph_new(arena);
    Error err = {0};
    (void)build(g, input(g, "u", F32, shape(3, (int64_t)2, (int64_t)3, (int64_t)8)));
    ASSERT_FAILS(graph_ok(g, &err), &err, FAIL_CONFIG, text);
    arena_free(arena);
}

static Node *too_many_taps(Graph *g, Node *u)
{
    Node *k = input(g, "k", F32, shape(2, (int64_t)3, (int64_t)9));
    return long_conv(g, u, k, NULL, NULL, REACH_CAUSAL);
}

TEST(long_conv, refuses_more_taps_than_steps)
{
    refuses(too_many_taps, "long_conv: kernel (3, 9) does not fit rows (2, 3, 8)");
}

static Node *one_sided_kernel(Graph *g, Node *u)
{
    Node *k = input(g, "k", F32, shape(2, (int64_t)3, (int64_t)8));
    return long_conv(g, u, k, NULL, NULL, REACH_TWO_SIDED);
}

TEST(long_conv, refuses_one_side_of_a_kernel_of_two)
{
    refuses(one_sided_kernel, "it is (2, channels, taps)");
}

static Node *skip_of_rows(Graph *g, Node *u)
{
    Node *k = input(g, "k", F32, shape(2, (int64_t)3, (int64_t)8));
    return long_conv(g, u, k, u, NULL, REACH_CAUSAL);
}

TEST(long_conv, refuses_a_skip_that_is_not_one_number_a_channel)
{
    refuses(skip_of_rows, "long_conv: the skip's shape is (2, 3, 8), not (channels)");
}

static Node *wrong_spectrum(Graph *g, Node *u)
{
    return irfft(g, rfft(g, u), 10);
}

TEST(rfft, irfft_refuses_the_spectrum_of_another_length)
{
    refuses(wrong_spectrum, "irfft: (2, 3, 5, 2) is not (..., 6, 2), the spectrum of rows of 10");
}
