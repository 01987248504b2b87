/* bench_sequence -- kernels over sequences: attention, transforms, long convolutions, recurrences.
 *
 * FLOPs of a transform of n reals count as 2.5 n log2 n, half of what the FFT literature counts for
 * complex ones; a long convolution counts two transforms of twice its length a row, and the product
 * of spectra. The kernels' own transform of k, once a channel, is not counted. */
#include "bench/bench.h"

// clang-format off
/* batch, t, heads, head size, causal */
static const BenchCase attention_cases[] = {
    {"causal", {4, 256, 6, 64, 1}, NULL},
    {"causal", {1, 4096, 6, 64, 1}, NULL},
    {"full",   {4, 1024, 6, 64, 0}, NULL},
};
/* batch, channels, t */
static const BenchCase long_conv_cases[] = {
    {"causal", {16, 128, 1024}, NULL},
    {"causal", {16, 128, 8192}, NULL},
    {"causal", {4, 32, 65536}, NULL},
};
/* rows, n */
static const BenchCase rfft_cases[] = {
    {"2^10", {2048, 1024}, NULL},
    {"2^16", {64, 65536}, NULL},
    {"3^2 5^3", {512, 1125}, NULL},
};
/* batch, steps, width */
static const BenchCase recurrent_cases[] = {
    {"512 units", {64, 32, 512}, NULL},
    {"128 units", {64, 128, 128}, NULL},
};
/* batch, steps, channels */
static const BenchCase step_cases[] = {
    {"d 256", {16, 1024, 256}, NULL},
};
// clang-format on
#define COUNT(cases) (int)(sizeof(cases) / sizeof *(cases))

static double log2_of(int64_t n)
{
    int64_t power = 1;
    int bits = 0;
    for (; 2 * power <= n; power *= 2) bits++;
    /* straight between the powers of two: near enough to count by */
    return bits + (double)(n - power) / (double)power;
}

static double bytes_of(const BenchWork *w, int n_buffers)
{
    double floats = 0;
    for (int i = 0; i < n_buffers; i++) floats += (double)w->n_floats[i];
    return floats * sizeof(float);
}

/* -- Attention: q k v y lse, and for the gradient dy dq dk dv */

static Attention attention_of(const BenchWork *w)
{
    const int64_t *d = w->of->dim;
    return (Attention){.batch = d[0],
                       .t = d[1],
                       .s = d[1],
                       .heads = d[2],
                       .kv_heads = d[2],
                       .d = d[3],
                       .scale = 0.125f,
                       .causal = d[4] == 1,
                       .q = w->at[0],
                       .k = w->at[1],
                       .v = w->at[2]};
}

/* `products` of t x t x d a head. */
static void prepare_heads(BenchWork *w, int buffers, int products)
{
    const int64_t *d = w->of->dim;
    for (int i = 0; i < buffers; i++) w->n_floats[i] = d[0] * d[1] * d[2] * d[3];
    w->n_floats[4] = d[0] * d[1] * d[2];
    w->flops = 2.0 * products * (double)(d[0] * d[2] * d[1] * d[1] * d[3]) / (d[4] == 1 ? 2 : 1);
    w->bytes = bytes_of(w, buffers);
    (void)snprintf(w->shape, sizeof w->shape, "b%d t%d h%d d%d", (int)d[0], (int)d[1], (int)d[2],
                   (int)d[3]);
}

static void prepare_attention(BenchWork *w)
{
    prepare_heads(w, 5, 2);
    const Attention a = attention_of(w);
    w->scratch_bytes = cpu->attention_scratch(&a);
}

static void run_attention(BenchWork *w)
{
    const Attention a = attention_of(w);
    cpu->attention(&a, w->at[3], w->at[4], w->scratch);
}

static void prepare_attention_grad(BenchWork *w)
{
    prepare_heads(w, 9, 5);
    const Attention a = attention_of(w);
    w->scratch_bytes = cpu->attention_grad_scratch(&a);
}

static void run_attention_grad(BenchWork *w)
{
    const AttentionGrad g = {.forward = attention_of(w),
                             .y = w->at[3],
                             .lse = w->at[4],
                             .dy = w->at[5],
                             .dq = w->at[6],
                             .dk = w->at[7],
                             .dv = w->at[8]};
    cpu->attention_grad(&g, w->scratch);
}

const BenchGroup bench_attention = {"attention", attention_cases, COUNT(attention_cases),
                                    prepare_attention, run_attention};
const BenchGroup bench_attention_grad = {"attention_grad", attention_cases, COUNT(attention_cases),
                                         prepare_attention_grad, run_attention_grad};

/* -- Long convolution: u, k, and what comes out */

static LongConv long_conv_of(const BenchWork *w)
{
    const int64_t *d = w->of->dim;
    return (LongConv){.batch = d[0], .channels = d[1], .t = d[2], .taps = d[2]};
}

static void prepare_long_conv(BenchWork *w)
{
    const LongConv s = long_conv_of(w);
    const double rows = (double)(s.batch * s.channels), n = 2.0 * (double)s.t;
    const double transform = 2.5 * n * log2_of(2 * s.t);
    w->n_floats[0] = w->n_floats[2] = s.batch * s.channels * s.t;
    w->n_floats[1] = s.channels * s.taps;
    w->flops = rows * (2 * transform + 3 * n);
    w->bytes = bytes_of(w, 3);
    w->scratch_bytes = cpu->long_conv_scratch(&s);
    (void)snprintf(w->shape, sizeof w->shape, "b%d c%d t%d", (int)s.batch, (int)s.channels,
                   (int)s.t);
}

static void run_long_conv(BenchWork *w)
{
    const LongConv s = long_conv_of(w);
    cpu->long_conv(&s, w->at[0], w->at[1], NULL, NULL, w->at[2], w->scratch);
}

static void run_long_conv_grad_u(BenchWork *w)
{
    const LongConv s = long_conv_of(w);
    cpu->long_conv_grad_u(&s, w->at[0], w->at[1], NULL, w->at[2], w->scratch);
}

static void run_long_conv_grad_k(BenchWork *w)
{
    const LongConv s = long_conv_of(w);
    cpu->long_conv_grad_k(&s, w->at[0], w->at[2], w->at[1], w->scratch);
}

static void run_long_conv_grads(BenchWork *w)
{
    const LongConv s = long_conv_of(w);
    cpu->long_conv_grads(
        &s, &(LongConvGrads){w->at[0], w->at[2], w->at[1], NULL, w->at[3], w->at[4]}, w->scratch);
}

static void prepare_long_conv_grads(BenchWork *w)
{
    const LongConv s = long_conv_of(w);
    prepare_long_conv(w);
    w->n_floats[3] = w->n_floats[0];
    w->n_floats[4] = w->n_floats[1];
    w->flops *= 1.5;
    w->bytes = bytes_of(w, 5);
    w->scratch_bytes = cpu->long_conv_scratch(&s);
}

#define LONG_CONV(name)                                                                            \
    const BenchGroup bench_##name = {#name, long_conv_cases, COUNT(long_conv_cases),               \
                                     prepare_long_conv, run_##name};
LONG_CONV(long_conv)
LONG_CONV(long_conv_grad_u)
LONG_CONV(long_conv_grad_k)
const BenchGroup bench_long_conv_grads = {"long_conv_grads", long_conv_cases,
                                          COUNT(long_conv_cases), prepare_long_conv_grads,
                                          run_long_conv_grads};

/* -- Transforms */

static void prepare_rfft(BenchWork *w)
{
    const int64_t rows = w->of->dim[0], n = w->of->dim[1];
    w->n_floats[0] = rows * n;
    w->n_floats[1] = rows * (n / 2 + 1) * 2;
    w->flops = (double)rows * 2.5 * (double)n * log2_of(n);
    w->bytes = bytes_of(w, 2);
    w->scratch_bytes = cpu->rfft_scratch(rows, n);
    (void)snprintf(w->shape, sizeof w->shape, "%dx%d", (int)rows, (int)n);
}

static void run_rfft(BenchWork *w)
{
    cpu->rfft(w->of->dim[0], w->of->dim[1], w->at[0], w->at[1], w->scratch);
}

static void run_irfft(BenchWork *w)
{
    cpu->irfft(w->of->dim[0], w->of->dim[1], w->at[1], w->at[0], w->scratch);
}

const BenchGroup bench_rfft = {"rfft", rfft_cases, COUNT(rfft_cases), prepare_rfft, run_rfft};
const BenchGroup bench_irfft = {"irfft", rfft_cases, COUNT(rfft_cases), prepare_rfft, run_irfft};

/* -- Recurrent layers: x, w, h0, c0, bias, trace, dy, dx */

static Recurrence recurrence_of(const BenchWork *w, int gates)
{
    const int64_t *d = w->of->dim;
    return (Recurrence){.batch = d[0],
                        .steps = d[1],
                        .width = d[2],
                        .gates = gates,
                        .x = w->at[0],
                        .w = w->at[1],
                        .h0 = w->at[2],
                        .c0 = gates == 4 ? w->at[3] : NULL,
                        .bias = gates == 3 ? w->at[4] : NULL};
}

static void prepare_recurrence(BenchWork *w, int gates, bool grad)
{
    const int64_t *d = w->of->dim, g = gates, units = d[0] * d[2];
    const int64_t floats[BENCH_BUFFERS] = {
        units * d[1] * g,   g * d[2] * d[2],       units, units, 3 * d[2], units * (d[1] + 1) * 6,
        units * (d[1] + 1), units * (d[1] + 1) * g};
    for (int i = 0; i < (grad ? 8 : 6); i++) w->n_floats[i] = floats[i];
    w->flops = 2.0 * (double)(units * d[1] * g * d[2]);
    w->bytes = bytes_of(w, grad ? 8 : 6) - (grad ? 4.0 * (double)floats[0] : 0); /* x is not read */
    const Recurrence r = recurrence_of(w, gates);
    w->scratch_bytes = cpu->recurrent_scratch(&r);
    (void)snprintf(w->shape, sizeof w->shape, "b%d t%d d%d", (int)d[0], (int)d[1], (int)d[2]);
}

#define RECURRENT(name, gates)                                                                     \
    static void prepare_##name(BenchWork *w)                                                       \
    {                                                                                              \
        prepare_recurrence(w, gates, false);                                                       \
    }                                                                                              \
    static void prepare_##name##_grad(BenchWork *w)                                                \
    {                                                                                              \
        prepare_recurrence(w, gates, true);                                                        \
    }                                                                                              \
    static void run_##name(BenchWork *w)                                                           \
    {                                                                                              \
        const Recurrence r = recurrence_of(w, gates);                                              \
        cpu->name(&r, w->at[5], w->scratch);                                                       \
    }                                                                                              \
    static void run_##name##_grad(BenchWork *w)                                                    \
    {                                                                                              \
        const Recurrence r = recurrence_of(w, gates);                                              \
        cpu->name##_grad(&r, w->at[5], w->at[6], false, w->at[7], w->scratch);                     \
    }                                                                                              \
    const BenchGroup bench_##name = {#name, recurrent_cases, COUNT(recurrent_cases),               \
                                     prepare_##name, run_##name};                                  \
    const BenchGroup bench_##name##_grad = {#name "_grad", recurrent_cases,                        \
                                            COUNT(recurrent_cases), prepare_##name##_grad,         \
                                            run_##name##_grad};
RECURRENT(lstm, 4)
RECURRENT(gru, 3)

/* -- Along time: a scan, and a short convolution of four taps */

static void prepare_steps(BenchWork *w, int arrays)
{
    const int64_t *d = w->of->dim;
    for (int i = 0; i < arrays; i++) w->n_floats[i] = d[0] * d[1] * d[2];
    (void)snprintf(w->shape, sizeof w->shape, "b%d t%d c%d", (int)d[0], (int)d[1], (int)d[2]);
}

static void prepare_scan(BenchWork *w)
{
    prepare_steps(w, 3);
    w->flops = 2.0 * (double)w->n_floats[0];
    w->bytes = bytes_of(w, 3);
}

static void run_scan(BenchWork *w)
{
    const ScanShape s = {.batch = w->of->dim[0], .steps = w->of->dim[1], .d = w->of->dim[2]};
    cpu->scan(&s, w->at[0], w->at[1], NULL, w->at[2]);
}

static void prepare_short_conv(BenchWork *w)
{
    const int64_t *d = w->of->dim;
    const ShortConvShape s = {d[0], d[1], d[2], 4};
    prepare_steps(w, 2);
    w->n_floats[2] = s.channels * s.taps;
    w->flops = 2.0 * (double)(w->n_floats[0] * s.taps);
    w->bytes = bytes_of(w, 3);
    w->scratch_bytes = cpu->short_conv_scratch(&s);
}

static void run_short_conv(BenchWork *w)
{
    const int64_t *d = w->of->dim;
    const ShortConvShape s = {d[0], d[1], d[2], 4};
    cpu->short_conv(&s, w->at[0], w->at[2], NULL, false, w->at[1], w->scratch);
}

const BenchGroup bench_scan = {"scan", step_cases, COUNT(step_cases), prepare_scan, run_scan};
const BenchGroup bench_short_conv = {"short_conv", step_cases, COUNT(step_cases),
                                     prepare_short_conv, run_short_conv};
