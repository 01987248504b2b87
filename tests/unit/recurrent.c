/* recurrent -- LSTM and GRU against torch's values, and the kernels over time at sizes that fill
 * tiles, strips and blocks, against float64 written plainly here or against each other. */
#include "tests/test.h"

#include "base/pcg.h"
#include "base/threads.h"
#include "cpu/cpu.h"
#include "graph/plan.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static float *uniform(Pcg *rng, int64_t n, float low, float high)
{
    float *x = malloc((size_t)n * sizeof *x);
    assert_non_null(x);
    for (int64_t i = 0; i < n; i++) x[i] = low + (high - low) * pcg_uniform(rng);
    return x;
}

static void *scratch_of(size_t bytes)
{
    void *p = aligned_alloc(64, (bytes + 64) / 64 * 64);
    assert_non_null(p);
    return p;
}

static void assert_close(double got, double want, double most)
{
    if (!(fabs(got - want) <= most)) print_error("%.9g, not %.9g (+- %.2g)\n", got, want, most);
    assert_true(fabs(got - want) <= most);
}

/* -- torch. nn.LSTM and nn.GRU(3, 5, batch_first, bidirectional) of torch 1.13, all weights and
 * states set to wave(n, phase), in doubles; the gradients are those of sum(h wave(h, 8)) in one
 * direction. -- */

enum { B = 2, T = 4, I = 3, H = 5 };

static float *wave(Arena *arena, int64_t n, int64_t phase, float scale)
{
    float *x = arena_new_array(arena, float, n);
    for (int64_t i = 0; i < n; i++)
        x[i] = scale * (float)((double)((i * 7919 + phase * 104729) % 1009) / 1009.0 - 0.5);
    return x;
}

// clang-format off
typedef struct TorchCase {
    int gates;
    bool reverse;
    double h12[H], last1[H]; /* h[1, 2]; the last c, or h for GRU, of sequence 1 */
    double dx11[I], dw_hh7[H], dw_ih2[I], db_hh10[3]; /* rows; elements 10..12 */
} TorchCase;

static const TorchCase torch_cases[] = {
    {4, false, {0.10593565, -0.046207229, -0.055000091, -0.24342796, -0.34991016},
     {0.16222942, 0.10206103, -0.26559522, 0.003373938, -0.75542516},
     {-0.048964351, -0.016663847, 0.0035171},
     {0.00078976279, 0.0015821578, -0.0014878073, 0.0014426818, -0.00083605085},
     {0.073634428, 0.0049747879, 0.011199539}, {-0.22884798, 0.21090103, -0.083432516}},
    {4, true, {0.11193314, -0.030523292, -0.11735592, -0.17844473, -0.37814711},
     {0.34880251, -0.16375199, -0.0068141222, -0.58324774, -0.38897781},
     {-0.021418812, 0.0140223, 0.020378777},
     {0.000889863, -0.00034851294, -0.0048665104, 0.00010471879, -0.0034704376},
     {0.048679461, 0.061410063, 0.045307186}, {-0.1630635, 0.10052638, -0.20009745}},
    {3, false, {0.58327327, -0.025688324, -0.14615676, -0.034250192, -0.41849983},
     {0.24147984, 0.34068695, -0.30864198, 0.28599656, -0.44643929},
     {-0.12063009, -0.084725766, -0.0049996281},
     {-0.026399788, 0.0060200595, -0.0015538212, 0.039068561, 0.021382997},
     {-0.024619208, -0.055355348, 0.020233985}, {-0.15379255, 0.22950303, -0.11451345}},
    {3, true, {0.43840098, 0.099939146, -0.22078456, 0.054129528, -0.47163968},
     {0.58440673, -0.14059351, 0.084290407, 0.036971188, -0.31885944},
     {-0.036492272, -0.0012509344, 0.038122408},
     {-0.016190489, 0.035998266, -0.064711682, 0.016266318, -0.030084693},
     {-0.031259827, -0.056596943, 0.040789676}, {-0.096852817, 0.10472019, -0.1960435}},
};
// clang-format on

/* A few roundings of numbers below 1 through four steps. */
static void assert_row(const Plan *p, const Node *n, int64_t from, const double *want, int count)
{
    const float *got = plan_value(p, n);
    for (int i = 0; i < count; i++) assert_close((double)got[from + i], want[i], 5e-7);
}

static void check_against_torch(const TorchCase *c)
{
    Arena *arena = arena_new();
    Graph *g = graph_new(arena);
    const int64_t N = c->gates * H;
    Node *in[] = {
        constant(g, shape(3, (int64_t)B, (int64_t)T, (int64_t)I), wave(arena, B * T * I, 5, 4)),
        constant(g, shape(2, N, (int64_t)I), wave(arena, N * I, 1, 1)),
        constant(g, shape(2, N, (int64_t)H), wave(arena, N * H, 2, 1)),
        constant(g, shape(1, N), wave(arena, N, 3, 1)),
        constant(g, shape(1, N), wave(arena, N, 4, 1))};
    const RecurrentWeights w = {in[1], in[2], in[3], in[4]};
    const Shape state = shape(2, (int64_t)B, (int64_t)H);
    Node *h0 = constant(g, state, wave(arena, B * H, 6, 1)),
         *c0 = constant(g, state, wave(arena, B * H, 7, 1));
    const RecurrentValues v =
        c->gates == 4 ? lstm(g, in[0], w, h0, c0, c->reverse) : gru(g, in[0], w, h0, c->reverse);
    Node *mix = constant(g, v.h->shape, wave(arena, B * T * H, 8, 1)), *grad[5];
    graph_grad(g, sum(g, mul(g, v.h, mix), ALL_AXES, false), NULL, in, 5, grad);
    Node *last = c->gates == 4 ? v.c_last : v.h_last;
    const PlanOutput out[] = {{.node = v.h},     {.node = last},    {.node = grad[0]},
                              {.node = grad[1]}, {.node = grad[2]}, {.node = grad[4]}};
    Error err = {0};
    Plan *p = plan_new(g, out, 6, NULL, &err);
    assert_non_null(p);
    ASSERT_OK(plan_allocate(p, &err), &err);
    plan_run(p, 0);
    assert_row(p, v.h, (1 * T + 2) * H, c->h12, H);
    assert_row(p, last, H, c->last1, H);
    assert_row(p, grad[0], (1 * T + 1) * I, c->dx11, I);
    assert_row(p, grad[2], 7 * H, c->dw_hh7, H);
    assert_row(p, grad[1], 2 * I, c->dw_ih2, I);
    assert_row(p, grad[4], 10, c->db_hh10, 3);
    plan_free(p);
    arena_free(arena);
}

TEST(recurrent, lstm_has_the_values_and_gradients_of_torch)
{
    for (int i = 0; i < 2; i++) check_against_torch(&torch_cases[i]);
}

TEST(recurrent, gru_has_the_values_and_gradients_of_torch)
{
    for (int i = 2; i < 4; i++) check_against_torch(&torch_cases[i]);
}

TEST(recurrent, layers_refuse_what_does_not_fit)
{
    Arena *arena = arena_new();
    const Shape x = shape(3, (int64_t)B, (int64_t)T, (int64_t)I);
    for (int i = 0; i < 2; i++) {
        Graph *g = graph_new(arena);
        Node *w = input(g, "w", F32, shape(2, (int64_t)12, (int64_t)3)),
             *in = input(g, "x", F32, x);
        Node *h0 = input(g, "h0", F32, shape(2, (int64_t)3, (int64_t)3));
        if (i == 0) (void)gru(g, in, (RecurrentWeights){w, w, NULL, NULL}, NULL, false);
        if (i == 1) (void)lstm(g, in, (RecurrentWeights){w, w, NULL, NULL}, h0, NULL, false);
        Error err = {0};
        ASSERT_FAILS(graph_ok(g, &err), &err, FAIL_CONFIG,
                     i == 0
                         ? "gru: input (2, 4, 3) with weights (12, 3) and (12, 3); expected (B, "
                           "T, I), (3 H, I), (3 H, H), biases (3 H) and states (B, H)"
                         : "lstm: input (2, 4, 3) with weights (12, 3) and (12, 3); expected (B, "
                           "T, I), (4 H, I), (4 H, H), biases (4 H) and states (B, H)");
    }
    arena_free(arena);
}

TEST(recurrent, scans_and_short_convolutions_refuse_what_does_not_fit)
{
    Arena *arena = arena_new();
    Graph *g[2] = {graph_new(arena), graph_new(arena)};
    Error err = {0}, other = {0};
    Node *b = input(g[0], "b", F32, shape(3, (int64_t)2, (int64_t)4, (int64_t)3));
    (void)scan(g[0], slice(g[0], b, 1, 0, 2), b, NULL, false);
    ASSERT_FAILS(graph_ok(g[0], &err), &err, FAIL_CONFIG, "scan: factor (2, 2, 3) for (2, 4, 3)");
    Node *x = input(g[1], "x", F32, shape(3, (int64_t)2, (int64_t)4, (int64_t)3));
    (void)short_conv(g[1], x, input(g[1], "w", F32, shape(2, (int64_t)3, (int64_t)17)), NULL,
                     false);
    ASSERT_FAILS(graph_ok(g[1], &other), &other, FAIL_CONFIG,
                 "short_conv: input (2, 4, 3) with weights (3, 17); expected (B, T, C) and (C, K), "
                 "K <= 16");
    arena_free(arena);
}

/* -- Sizes with whole and ragged tiles -- */

static double sigmoid64(double x)
{
    return 1 / (1 + exp(-x));
}

/* Row j of w (., width) times h. */
static double dot(const float *w, const float *h, int64_t width, int64_t j)
{
    double s = 0;
    for (int64_t k = 0; k < width; k++) s += (double)w[j * width + k] * (double)h[k];
    return s;
}

typedef struct Sizes {
    int64_t B, T, H;
} Sizes;
static const Sizes sizes[] = {
    {1,  2, 3 },
    {13, 3, 37},
    {29, 2, 48},
    {7,  3, 65}
};
enum { N_SIZES = sizeof sizes / sizeof sizes[0] };

typedef struct Job {
    Recurrence r;
    float *x, *w, *bias, *h0, *c0, *trace, *dy, *dx;
    void *scratch;
} Job;

static Job job_of(Pcg *rng, const Sizes *s, int gates, bool reverse)
{
    Job j = {.x = uniform(rng, s->B * s->T * gates * s->H, -2, 2),
             .w = uniform(rng, gates * s->H * s->H, -0.4f, 0.4f),
             .bias = uniform(rng, gates * s->H, -1, 1),
             .h0 = uniform(rng, s->B * s->H, -1, 1),
             .c0 = uniform(rng, s->B * s->H, -1, 1),
             .trace = uniform(rng, s->B * (s->T + 1) * 6 * s->H, 0, 0),
             .dy = uniform(rng, s->B * (s->T + 1) * s->H, -1, 1),
             .dx = uniform(rng, s->B * (s->T + 1) * gates * s->H, 0, 0)};
    j.r = (Recurrence){.batch = s->B, .steps = s->T, .width = s->H, .gates = gates};
    j.r.reverse = reverse;
    j.r.x = j.x, j.r.w = j.w, j.r.bias = j.bias, j.r.h0 = j.h0, j.r.c0 = j.c0;
    j.scratch = scratch_of(cpu->recurrent_scratch(&j.r));
    return j;
}

static void job_free(Job *j)
{
    free(j->x), free(j->w), free(j->bias), free(j->h0), free(j->c0);
    free(j->trace), free(j->dy), free(j->dx), free(j->scratch);
}

static int64_t time_of(const Recurrence *r, int64_t s)
{
    return r->reverse ? r->steps - 1 - s : s;
}

/* Each step from the floats of the one before: sums of 65 terms, then functions with slope 1. */
static const double STEP_ERROR = 4e-6;

static void check_lstm_step(const Job *j, int64_t b, int64_t s)
{
    const int64_t n = j->r.width, steps = j->r.steps, t = time_of(&j->r, s);
    const float *rows = j->trace + b * (steps + 1) * 6 * n, *row = rows + t * 6 * n;
    const float *before = s > 0 ? rows + time_of(&j->r, s - 1) * 6 * n : NULL;
    const float *h = before ? before : j->h0 + b * n, *c = before ? before + n : j->c0 + b * n;
    for (int64_t u = 0; u < n; u++) {
        double v[4];
        for (int g = 0; g < 4; g++) {
            v[g] = (double)j->x[(b * steps + t) * 4 * n + g * n + u] + dot(j->w, h, n, g * n + u);
            v[g] = g == 2 ? tanh(v[g]) : sigmoid64(v[g]);
            assert_close((double)row[(2 + g) * n + u], v[g], STEP_ERROR);
        }
        const double next = v[1] * (double)c[u] + v[0] * v[2];
        assert_close((double)row[n + u], next, STEP_ERROR);
        assert_close((double)row[u], v[3] * tanh(next), STEP_ERROR);
        if (s == steps - 1) assert_true(rows[steps * 6 * n + u] == row[n + u]);
    }
}

static void check_gru_step(const Job *j, int64_t b, int64_t s)
{
    const int64_t n = j->r.width, steps = j->r.steps, t = time_of(&j->r, s);
    const float *rows = j->trace + b * steps * 5 * n, *row = rows + t * 5 * n;
    const float *h = s > 0 ? rows + time_of(&j->r, s - 1) * 5 * n : j->h0 + b * n;
    const float *x = j->x + (b * steps + t) * 3 * n;
    for (int64_t k = 0; k < n; k++) {
        double u[3];
        for (int g = 0; g < 3; g++) u[g] = (double)j->bias[g * n + k] + dot(j->w, h, n, g * n + k);
        const double r = sigmoid64((double)x[k] + u[0]), z = sigmoid64((double)x[n + k] + u[1]),
                     new = tanh((double)x[2 * n + k] + r * u[2]);
        const double want[5] = {(1 - z) * new + z *(double)h[k], r, z, new, u[2]};
        for (int i = 0; i < 5; i++) assert_close((double)row[i * n + k], want[i], STEP_ERROR);
    }
}

TEST(recurrent, every_step_follows_from_the_one_before)
{
    Pcg rng = pcg_seed(1, 9);
    for (int i = 0; i < 2 * N_SIZES; i++) {
        Job l = job_of(&rng, &sizes[i / 2], 4, i & 1), g = job_of(&rng, &sizes[i / 2], 3, i & 1);
        cpu->lstm(&l.r, l.trace, l.scratch);
        cpu->gru(&g.r, g.trace, g.scratch);
        for (int64_t b = 0; b < sizes[i / 2].B; b++)
            for (int64_t s = 0; s < sizes[i / 2].T; s++) {
                check_lstm_step(&l, b, s);
                check_gru_step(&g, b, s);
            }
        job_free(&l), job_free(&g);
    }
}

/* dx_o of LSTM and dx_n of GRU at each step, which need dh of that step alone: dy, the product with
 * the gates of the step after, and for GRU what passes by z. */
static void check_back_step(const Job *j, int64_t b, int64_t s, double *direct)
{
    const int64_t n = j->r.width, steps = j->r.steps, t = time_of(&j->r, s);
    const bool gru = j->r.gates == 3;
    const int64_t N = j->r.gates * n, columns = gru ? 5 : 6;
    const float *row = j->trace + (b * (steps + !gru) + t) * columns * n;
    const int64_t later = s + 1 < steps ? time_of(&j->r, s + 1) : -1;
    const float *after = later >= 0 ? j->dx + (b * (steps + 1) + later) * N : NULL;
    const float *dx = j->dx + (b * (steps + 1) + t) * N;
    for (int64_t u = 0; u < n; u++) {
        double dh = (double)j->dy[(b * (steps + !gru) + t) * n + u] + direct[u];
        for (int64_t k = 0; k < N && after; k++) {
            const float *r = j->trace + (b * steps + later) * columns * n + n; /* GRU only */
            const double scale = gru && k >= 2 * n ? (double)r[k - 2 * n] : 1;
            dh += (double)after[k] * scale * (double)j->w[k * n + u];
        }
        if (gru) {
            const double z = (double)row[2 * n + u], new = (double)row[3 * n + u];
            assert_close((double)dx[2 * n + u], dh * (1 - z) * (1 - new *new), 4 * STEP_ERROR);
            direct[u] = dh * z;
        } else {
            const double o = (double)row[5 * n + u], tc = tanh((double)row[n + u]);
            assert_close((double)dx[3 * n + u], dh * tc * o * (1 - o), 4 * STEP_ERROR);
        }
    }
}

TEST(recurrent, every_step_back_follows_from_the_one_after)
{
    Pcg rng = pcg_seed(2, 9);
    for (int i = 0; i < 4 * N_SIZES; i++) {
        const Sizes *s = &sizes[i / 4];
        Job j = job_of(&rng, s, i & 2 ? 3 : 4, i & 1);
        if (i & 2) {
            cpu->gru(&j.r, j.trace, j.scratch);
            cpu->gru_grad(&j.r, j.trace, j.dy, true, j.dx, j.scratch);
        } else {
            cpu->lstm(&j.r, j.trace, j.scratch);
            cpu->lstm_grad(&j.r, j.trace, j.dy, true, j.dx, j.scratch);
        }
        for (int64_t b = 0; b < s->B; b++) {
            double direct[65] = {0};
            for (int64_t k = s->T - 1; k >= 0; k--) check_back_step(&j, b, k, direct);
        }
        job_free(&j);
    }
}

/* -- Scans -- */

/* One channel of one sequence in doubles; rows R floats apart, imaginary parts d further. */
static void scan64(const ScanShape *s, const float *a, const float *b, const float *h0, double *y)
{
    const int64_t d = s->d, R = s->complex ? 2 * d : d;
    double u = (double)h0[0], v = s->complex ? (double)h0[d] : 0;
    for (int64_t k = 0; k < s->steps; k++) {
        const int64_t t = s->reverse ? s->steps - 1 - k : k;
        const float *f = a + (s->constant ? 0 : t * R);
        const double re = (double)f[0], im = s->complex ? (double)f[d] : 0;
        const double next = re * u - im * v + (double)b[t * R];
        v = re * v + im * u + (s->complex ? (double)b[t * R + d] : 0);
        u = next;
        y[2 * t] = u, y[2 * t + 1] = v;
    }
}

enum { SCAN_B = 3, SCAN_T = 90, SCAN_D = 70, SCAN_N = SCAN_B * SCAN_T * SCAN_D * 2 };

static ScanShape scan_form(int i)
{
    return (ScanShape){.batch = SCAN_B,
                       .steps = SCAN_T,
                       .d = SCAN_D,
                       .complex = i & 1,
                       .constant = i & 2,
                       .reverse = i & 4};
}

TEST(recurrent, scan_agrees_with_float64)
{
    Pcg rng = pcg_seed(3, 9);
    float *a = uniform(&rng, SCAN_N, -0.7f, 0.7f), *b = uniform(&rng, SCAN_N, -1, 1);
    float *h0 = uniform(&rng, SCAN_N, -1, 1), *y = uniform(&rng, SCAN_N, 0, 0);
    for (int i = 0; i < 8; i++) {
        const ScanShape s = scan_form(i);
        const int64_t R = s.complex ? 2 * s.d : s.d;
        cpu->scan(&s, a, b, h0, y);
        for (int64_t n = 0; n < s.batch; n++)
            for (int64_t c = 0; c < s.d; c++) {
                double want[2 * SCAN_T];
                const int64_t first = n * s.steps * R + c;
                scan64(&s, a + (s.constant ? c : first), b + first, h0 + n * R + c, want);
                /* |a| < 1: errors of 2 roundings a step fade, up to 1 / (1 - |a|) */
                for (int64_t t = 0; t < s.steps; t++) {
                    assert_close((double)y[first + t * R], want[2 * t], 2e-5);
                    if (s.complex)
                        assert_close((double)y[first + t * R + s.d], want[2 * t + 1], 2e-5);
                }
            }
    }
    free(a), free(b), free(h0), free(y);
}

static double inner(const float *x, const float *y, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)x[i] * (double)y[i];
    return sum;
}

/* y is linear in b, so sum(dy y) = sum(db b) when h0 = 0; and the gradient to a as defined. */
TEST(recurrent, scan_grad_is_the_transpose_and_products_with_the_step_before)
{
    Pcg rng = pcg_seed(4, 9);
    float *a = uniform(&rng, SCAN_N, -0.7f, 0.7f), *b = uniform(&rng, SCAN_N, -1, 1);
    float *dy = uniform(&rng, SCAN_N, -1, 1), *y = uniform(&rng, SCAN_N, 0, 0);
    float *g = uniform(&rng, SCAN_N, 0, 0), *da = uniform(&rng, SCAN_N, 1, 1);
    for (int i = 0; i < 8; i++) {
        const ScanShape s = scan_form(i);
        const int64_t R = s.complex ? 2 * s.d : s.d, all = s.steps * R;
        cpu->scan(&s, a, b, NULL, y);
        cpu->scan_grad(&s, a, dy, y, NULL, g, all, da, s.constant ? R : all);
        assert_close(inner(dy, y, s.batch * all), inner(g, b, s.batch * all), 1e-3);
        for (int64_t n = 0; n < s.batch; n++)
            for (int64_t c = 0; c < s.d; c++) {
                double total = 0;
                for (int64_t t = 0; t < s.steps; t++) {
                    const int64_t at = n * all + t * R + c, from = s.reverse ? t + 1 : t - 1;
                    const int64_t prev = n * all + from * R + c;
                    double want = 0;
                    if (from >= 0 && from < s.steps) {
                        want = (double)g[at] * (double)y[prev];
                        if (s.complex) want += (double)g[at + s.d] * (double)y[prev + s.d];
                    }
                    total += want;
                    if (!s.constant) assert_close((double)da[at], want, 1e-5);
                }
                if (s.constant) assert_close((double)da[n * R + c], total, 2e-4);
            }
    }
    free(a), free(b), free(dy), free(y), free(g), free(da);
}

/* -- Short convolutions -- */

TEST(recurrent, short_convolutions_agree_with_float64)
{
    enum { MOST = 2 * 300 * 35 };
    static const int64_t taps[] = {1, 2, 3, 4, 5, 16};
    Pcg rng = pcg_seed(5, 9);
    float *x = uniform(&rng, MOST, -1, 1), *w = uniform(&rng, 35 * 16, -1, 1);
    float *bias = uniform(&rng, 35, -1, 1), *got = uniform(&rng, MOST, 0, 0);
    double *back = calloc(MOST, sizeof *back), dw[35 * 16];
    for (int i = 0; i < 12; i++) {
        const ShortConvShape s = {2, i & 1 ? 300 : 9, i & 1 ? 35 : 16, taps[i / 2]};
        const int64_t n = s.batch * s.steps * s.channels, C = s.channels, K = s.taps;
        void *scratch = scratch_of(cpu->short_conv_scratch(&s));
        cpu->short_conv(&s, x, w, bias, i & 1, got, scratch);
        memset(back, 0, MOST * sizeof *back), memset(dw, 0, sizeof dw);
        for (int64_t at = 0; at < n; at++) { /* x stands for dy too */
            double y = (double)bias[at % C];
            for (int64_t j = 0; j < K && j <= at / C % s.steps; j++) {
                const int64_t tap = at % C * K + K - 1 - j;
                y += (double)w[tap] * (double)x[at - j * C];
                back[at - j * C] += (double)w[tap] * (double)x[at];
                dw[tap] += (double)x[at - j * C] * (double)x[at];
            }
            assert_close((double)got[at], i & 1 ? y * sigmoid64(y) : y, 4e-6);
        }
        cpu->short_conv_grad_x(&s, x, w, got, scratch);
        for (int64_t at = 0; at < n; at++) assert_close((double)got[at], back[at], 4e-6);
        cpu->short_conv_grad_w(&s, x, x, got, scratch);
        /* up to 600 terms, a third each on average: 1e-6 of 200 */
        for (int64_t k = 0; k < C * K; k++) assert_close((double)got[k], dw[k], 2e-4);
        free(scratch);
    }
    free(x), free(w), free(bias), free(got), free(back);
}

/* A batch too large for the caches is written past them; its sequences alone are not. */
TEST(recurrent, short_convolutions_of_a_large_batch_have_the_bits_of_its_sequences)
{
    const ShortConvShape all = {16, 128, 3072, 4}, one = {1, 128, 3072, 4};
    const int64_t n = one.steps * one.channels;
    float *x = aligned_alloc(64, (size_t)(all.batch * n) * sizeof *x);
    float *y = aligned_alloc(64, (size_t)(all.batch * n) * sizeof *y);
    float *alone = malloc((size_t)n * sizeof *alone), w[3072 * 4];
    void *scratch = scratch_of(cpu->short_conv_scratch(&all));
    assert_true(x && y && alone);
    for (int64_t i = 0; i < all.batch * n; i++) x[i] = (float)(i * 7919 % 1009) / 1009.0f - 0.5f;
    memcpy(w, x, sizeof w);
    for (int back = 0; back < 2; back++) {
        if (back)
            cpu->short_conv_grad_x(&all, x, w, y, scratch);
        else
            cpu->short_conv(&all, x, w, NULL, false, y, scratch);
        for (int64_t b = 0; b < all.batch; b += 5) {
            if (back)
                cpu->short_conv_grad_x(&one, x + b * n, w, alone, scratch);
            else
                cpu->short_conv(&one, x + b * n, w, NULL, false, alone, scratch);
            assert_memory_equal(alone, y + b * n, (size_t)n * sizeof *alone);
        }
    }
    free(x), free(y), free(alone), free(scratch);
}
