/* cpu -- the kernels of the CPU backend: one table, filled once for each instruction set.
 *
 * Every file in lib/cpu except isa.c is compiled once an ISA (x86-64-v3, x86-64-v4; neon on
 * aarch64) with -DISA=v3 and so on; K(name) gives the function its suffix. Kernels take raw
 * pointers and sizes, never allocate, and never know Graph or Node. The order of every float
 * operation is fixed by the shapes alone: the bits do not depend on the ISA nor on the number of
 * threads. Pointers need 4-byte alignment unless said otherwise; 64-byte alignment is faster.
 * Scratch memory is 64-byte aligned, its contents undefined before and after. Activations are (N,
 * H, W, C), C contiguous; convolution weights are (O, I/groups, KH, KW) as in published files. */
#ifndef SEQLAB_CPU_CPU_H
#define SEQLAB_CPU_CPU_H

#include "base/error.h"
#include "cpu/map.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is done to every finished number x of a product, step after step, with the bits of the map
 * instruction: an instruction of one argument, or MAP_ADD or MAP_MUL with the number at its place
 * in `operand`, whose rows are row_stride floats apart (0: the same row for all, such as a bias)
 * and whose batch items batch_stride. The operand may not alias C. */
typedef struct EpilogueStep {
    MapOp op;
    float p, q; /* immediates of the instruction */
    const float *operand;
    int64_t row_stride, batch_stride;
} EpilogueStep;

enum { EPILOGUE_MAX = 6 };

/* How B is stored. The quantised formats hold a weight of R rows of L numbers, row-major without
 * gaps, and scale (R, L / group), group dividing L; a number is level * scale, rounded once.
 *   q8   int8 codes; level = code
 *   nf4  two codes a byte, the first in the high half, L even; level = the 16 of NormalFloat-4
 *        (Dettmers et al., arXiv:2305.14314, appendix E) */
typedef enum WeightFormat { WEIGHT_F32, WEIGHT_Q8, WEIGHT_NF4 } WeightFormat;

/* C[b] = epilogue(A[b] B[b] [+ C[b]]), for b in 0..batch-1.
 *
 *   A  (M, K) row-major with row stride lda, or (K, M) when trans_a
 *   B  (K, N) row-major with row stride ldb, or (N, K) when trans_b
 *   C  (M, N) row stride ldc; may not alias A or B
 * Strides between batch items in elements; a batch stride of 0 repeats that operand.
 * Each element of C is one chain of fused multiply-adds over k ascending within fixed panels of K;
 * panels are added in ascending order. Split over batch, M and N only. */
typedef struct Gemm {
    int64_t batch, m, n, k;
    const float *a, *b;
    float *c;
    int64_t lda, ldb, ldc;
    int64_t stride_a, stride_b, stride_c;
    bool trans_a, trans_b;
    bool accumulate;     /* add to what C holds, before the epilogue */
    WeightFormat format; /* not F32: b is NULL, ldb is L, stride_b is 0 */
    const uint8_t *codes;
    const float *scale;
    int64_t group;
    bool bf16; /* A and B are rounded to bfloat16 first, to nearest even; sums stay fp32 */
    const EpilogueStep *steps;
    int n_steps;
} Gemm;

/* A 2-D convolution (cross-correlation): input (n, h, w, c), weight (o, c/groups, kh, kw), output
 * (n, oh, ow, o). */
typedef struct ConvShape {
    int64_t n, h, w, c, o, kh, kw, oh, ow;
    int64_t stride[2], pad[2], dilation[2], groups;
} ConvShape;

/* A 2-D pooling window: input (n, h, w, c), output (n, oh, ow, c). For the average, padding counts
 * as zeros when count_pad (torch's default), otherwise the divisor is the number of pixels inside.
 */
typedef struct PoolShape {
    int64_t n, h, w, c, kh, kw, oh, ow;
    int64_t stride[2], pad[2];
    bool count_pad;
} PoolShape;

/* The gradient of layer or RMS norm over (rows, n): what it reads and what it writes. */
typedef struct NormGrad {
    const float *x, *dy, *gain; /* gain may be NULL */
    float eps;
    float *dx;            /* may be x or dy */
    float *dgain, *dbias; /* (n), NULL where not wanted */
} NormGrad;

/* Cross-entropy of (rows, n) and its gradient together: see Kernels.cross_entropy. */
typedef struct CrossEntropy {
    int64_t rows, n;
    const float *x;
    const int32_t *label;
    float smoothing;
    int32_t ignore;
    const float *dloss;       /* (rows) */
    float *loss, *stats, *dx; /* stats may be NULL; dx may be x */
} CrossEntropy;

/* What all updates do beside their rule, in the same pass: the gradient is g * scale, bounded by
 * +-limit (INFINITY: not); after the update ema = keep ema + (1 - keep) w, where ema is not NULL.
 */
typedef struct UpdateCommon {
    float scale, limit;
    float *ema;
    float keep;
} UpdateCommon;

typedef struct SgdStep {
    UpdateCommon common;
    float lr, momentum, dampening, weight_decay;
    bool nesterov, first;
} SgdStep;

typedef struct AdamStep {
    UpdateCommon common;
    float lr, beta1, beta2, eps, weight_decay;
    bool decoupled;
    double bias1, bias2; /* 1 - beta^t */
} AdamStep;

/* Attention of `heads` query heads in groups of heads / kv_heads that share a key and value head:
 *
 *   y[b,i,h] = sum_j p[b,h,i,j] v[b,j,g(h)],   p = softmax over the keys j that query i sees of
 *   cap tanh(scale q[b,i,h].k[b,j,g(h)] / cap) + bias[h,i,j] - slopes[h] |i + offset - j|
 *
 *   q  (batch, t, heads, d)        as a projection gives it
 *   k, v  (batch, s, kv_heads, d)  1 <= d <= 256
 *   cap 0: no tanh; slopes (heads) or NULL
 *   bias (batch, heads, t, s) by strides, 0 where it is shared; keys are neighbours; or NULL
 *
 * Query i stands at position i + offset among the keys. It sees key j if j < length[b] (length
 * NULL: all), if j <= i + offset when causal, and if |i + offset - j| < window unless window is 0.
 * A query that sees no key gets y = 0. lse (batch, heads, t) is the logarithm to base 2 of the
 * softmax's denominator, -infinity where no key is seen.
 *
 * rope, a table of rope_dims numbers a place as RopeShape's, or NULL: query i is turned by row i +
 * offset and, unless keys_turned, key j by row j, as they are loaded. keep, unless 0: p is
 * multiplied with 1 / keep where draw ((b heads + h) t + i) s + j of the PCG32 stream (state, inc)
 * is below keep, as random_bernoulli has it, else with 0. */
typedef struct Attention {
    int64_t batch, t, s, heads, kv_heads, d;
    float scale, cap;
    int64_t offset, window;
    bool causal;
    const float *q, *k, *v, *bias, *slopes;
    int64_t bias_batch, bias_head, bias_row;
    const int32_t *length;
    const float *rope;
    int64_t rope_dims;
    bool rope_interleaved, keys_turned;
    float keep;
    uint64_t random_state, random_inc;
} Attention;

/* y, lse: what attention gave; dy the gradient to y. dq, dk, dv and, unless NULL, dbias are
 * overwritten with the gradients of sum(dy * y). dbias (1 or batch, heads, 1 or t, s) is summed
 * over the batch where bias_batch is 0 and over queries where bias_row is, never over heads. */
typedef struct AttentionGrad {
    Attention forward;
    const float *y, *lse, *dy;
    float *dq, *dk, *dv, *dbias;
} AttentionGrad;

/* Rotation of pairs (Su et al., arXiv:2104.09864): x, y (batch, t, heads, d). Pair i < dims / 2 of
 * every head at place p is turned by the angle whose cosine and sine are table[p][i] and
 * table[p][dims / 2 + i]; the rest is copied. A pair is numbers (2i, 2i + 1) when interleaved, else
 * (i, i + dims / 2). inverse turns back. */
typedef struct RopeShape {
    int64_t batch, t, heads, d, dims;
    bool interleaved, inverse;
} RopeShape;
/* A recurrent layer over `steps` time steps, G gates of `width` units (LSTM: i f g o; GRU: r z n;
 * the names, the order and the layout of w are torch's). The sources of all four kernels. */
typedef struct Recurrence {
    int64_t batch, steps, width; /* B, T, H */
    int gates;                   /* G: 4 for LSTM, 3 for GRU */
    bool reverse;                /* walk from the last step to the first */
    const float *x;              /* (B, T, G H): what the input gives to the gates, with biases */
    const float *w;              /* (G H, H): what the state before gives to them */
    const float *bias;           /* (3 H), GRU only: added to w h before the reset gate */
    const float *h0, *c0;        /* (B, H): the starting state; c0 for LSTM only */
} Recurrence;

/* A linear recurrence over rows of d numbers: y_t = a_t y_(t-1) + b_t, t - 1 being the step walked
 * before t, and h0 (or nothing) before the first. */
typedef struct ScanShape {
    int64_t batch, steps, d;
    bool complex;  /* a row is d real parts, then d imaginary parts */
    bool constant; /* a is one row for all steps and sequences */
    bool reverse;  /* walk from the last step to the first */
    bool lagged;   /* the factor is the conjugate of that of the step walked before, conj(a_(t-1)):
                      what the gradient of a scan that is not lagged needs */
} ScanShape;

/* Rows (batch, steps, channels), channels contiguous; 1 <= taps <= 16. */
typedef struct ShortConvShape {
    int64_t batch, steps, channels, taps;
} ShortConvShape;
/* A convolution of rows (batch, channels, t) along t, each channel with its own kernel of `taps` <=
 * t taps:
 *
 *   causal     y[t] = sum_{0 <= l} k[l] u[t - l]
 *   circular   the same with u[t - l] read modulo the row's length
 *   two sided  k (2, channels, taps): y[t] = sum_{l >= 0} k[0][l] u[t - l] + k[1][l] u[t + 1 + l]
 *
 * T is contiguous: a transform then runs along a row, needs no batch of 16 channels and stays in L2
 * up to t = 64K, where 16 interleaved rows would not. */
typedef enum LongConvMode {
    LONG_CONV_CAUSAL,
    LONG_CONV_CIRCULAR,
    LONG_CONV_TWO_SIDED
} LongConvMode;
typedef struct LongConv {
    int64_t batch, channels, t, taps;
    LongConvMode mode;
} LongConv;

/* Both gradients of a long convolution: what they read, what they write; d may be NULL. */
typedef struct LongConvGrads {
    const float *u, *dy, *k, *d;
    float *du, *dk;
} LongConvGrads;

typedef struct Kernels {
    const char *isa; /* "v3", "v4", "neon" */

    void (*gemm)(const Gemm *g, void *scratch);
    size_t (*gemm_scratch)(
        const Gemm *g); /* bytes; depends on shapes, flags and threads_count() only */

    /* y = conv(x, w); dx = gradient of sum(dy * y) to x; dw = the same to w. Outputs are
     * overwritten. */
    void (*conv_forward)(const ConvShape *s, const float *x, const float *w, float *y,
                         void *scratch);
    void (*conv_grad_x)(const ConvShape *s, const float *dy, const float *w, float *dx,
                        void *scratch);
    void (*conv_grad_w)(const ConvShape *s, const float *x, const float *dy, float *dw,
                        void *scratch);
    size_t (*conv_scratch)(const ConvShape *s); /* enough for each of the three */

    /* Max pooling gives the flat input index (into the (h, w) plane: y * w + x) of the first
     * maximum in row-major window order; padding never wins; NaN wins. The linear pair pool_gather
     * (y[o] = x[index[o]]) and pool_scatter (dx = its transpose, dx overwritten) are each other's
     * gradient. */
    void (*max_pool_index)(const PoolShape *s, const float *x, int32_t *index);
    void (*pool_gather)(const PoolShape *s, const float *x, const int32_t *index, float *y);
    void (*pool_scatter)(const PoolShape *s, const float *dy, const int32_t *index, float *dx);
    void (*avg_pool)(const PoolShape *s, const float *x, float *y);
    void (*avg_pool_grad)(const PoolShape *s, const float *dy, float *dx);

    /* Elementwise programs with their reductions: map.h. */
    void (*map_run)(const MapProgram *p, const void *const inputs[], void *const outputs[],
                    void *scratch);

    /* Rows of length n, contiguous: y = softmax(x), y = x - logsumexp(x). y may alias x. */
    void (*softmax)(int64_t rows, int64_t n, const float *x, float *y);
    void (*log_softmax)(int64_t rows, int64_t n, const float *x, float *y);

    /* loss[r] = -sum_j target[r, j] log_softmax(x)[r, j], target = (1 - smoothing) onehot(label) +
     * smoothing / n; 0 when label[r] == ignore. Labels outside [0, n) other than ignore give NaN.
     * stats (rows, 2) or NULL: m and 1 / sum e^(x - m), for the gradient; m is the largest x or, at
     * most 2.1, less. */
    void (*cross_entropy)(int64_t rows, int64_t n, const float *x, const int32_t *label,
                          float smoothing, int32_t ignore, float *loss, float *stats);
    /* dx[r, j] = (softmax(x)[r, j] - target[r, j]) * dloss[r]; 0 in ignored rows. stats as the loss
     * gave them, or NULL (one pass more over x). dx may be x. */
    void (*cross_entropy_grad)(int64_t rows, int64_t n, const float *x, const int32_t *label,
                               float smoothing, int32_t ignore, const float *stats,
                               const float *dloss, float *dx);
    /* The results of both, to the bit, from one pass over x. */
    void (*cross_entropy_both)(const CrossEntropy *c, void *scratch);
    size_t (*cross_entropy_scratch)(int64_t rows, int64_t n); /* bytes */

    /* y = (x - mean) / sqrt(var + eps) * gain + bias over rows of length n (biased variance, two
     * passes in cache); RMS norm: y = x / sqrt(mean(x^2) + eps) * gain. gain, bias (n) or NULL. */
    void (*layer_norm)(int64_t rows, int64_t n, const float *x, const float *gain,
                       const float *bias, float eps, float *y);
    void (*rms_norm)(int64_t rows, int64_t n, const float *x, const float *gain, float eps,
                     float *y);
    /* All gradients of the same in one pass over x and dy. */
    void (*layer_norm_grad)(int64_t rows, int64_t n, const NormGrad *a, void *scratch);
    void (*rms_norm_grad)(int64_t rows, int64_t n, const NormGrad *a, void *scratch);
    size_t (*norm_grad_scratch)(int64_t rows, int64_t n); /* bytes */

    /* Attention by blocks, forward and backward; memory grows with t + s, not with t * s. Keys are
     * walked in blocks of fixed size in ascending order (attention.c, attention_grad.c). */
    void (*attention)(const Attention *a, float *y, float *lse, void *scratch);
    size_t (*attention_scratch)(const Attention *a); /* bytes, by shapes and threads_count() */
    void (*attention_grad)(const AttentionGrad *g, void *scratch);
    size_t (*attention_grad_scratch)(const Attention *a);
    void (*rope)(const RopeShape *s, const float *x, const float *table, float *y);

    /* y[i, :] = table[index[i], :] over rows of `width`; an index outside [0, n_rows) gives NaN
     * (floats). */
    void (*gather_rows)(int64_t n, int64_t n_rows, int64_t width, const float *table,
                        const int32_t *index, float *y);
    /* y = 0; y[index[i], :] += x[i, :] for i ascending; indices outside are skipped. Split over y's
     * rows or columns. */
    void (*scatter_add_rows)(int64_t n, int64_t n_rows, int64_t width, const float *x,
                             const int32_t *index, float *y);
    /* index[r] = first j of the largest x[r, j]. */
    void (*argmax_rows)(int64_t rows, int64_t n, const float *x, int32_t *index);

    /* y = gate (conv(u, k) + d u), d (channels), gate as u, each or NULL; du = the gradient of
     * sum(dy (conv(u, k) + d u)) to u; dk = the same to k. Transforms' error: a few 1e-7 of the
     * norm of a row's largest term. Outputs may not alias inputs. */
    void (*long_conv)(const LongConv *s, const float *u, const float *k, const float *d,
                      const float *gate, float *y, void *scratch);
    void (*long_conv_grad_u)(const LongConv *s, const float *dy, const float *k, const float *d,
                             float *du, void *scratch);
    void (*long_conv_grad_k)(const LongConv *s, const float *u, const float *dy, float *dk,
                             void *scratch);
    /* Both with one transform of dy; the bits of the two alone. */
    void (*long_conv_grads)(const LongConv *s, const LongConvGrads *g, void *scratch);
    size_t (*long_conv_scratch)(const LongConv *s); /* enough for each of the four */
    /* Rows of n reals to their n / 2 + 1 bins (real, imaginary): X[f] = sum_t x[t] e^(-2 pi i f t /
     * n); and back, with 1/n, not reading the imaginary parts of bins 0 and n / 2. Any n; primes
     * cost their square. */
    void (*rfft)(int64_t rows, int64_t n, const float *x, float *y, void *scratch);
    void (*irfft)(int64_t rows, int64_t n, const float *x, float *y, void *scratch);
    size_t (*rfft_scratch)(int64_t rows, int64_t n);

    /* x[i] = byte[i] * scale[i % BYTES_PERIOD] + shift[i % BYTES_PERIOD], two roundings; one
     * thread.
     */
    void (*bytes_affine)(int64_t n, const uint8_t *byte, const float scale[], const float shift[],
                         float *x);

    /* Copies a box of `rank` dims between two strided places (strides in floats; the last one 1).
     */
    void (*copy_box)(int rank, const int64_t dim[], const float *from, const int64_t from_stride[],
                     float *to, const int64_t to_stride[]);
    /* The same to dense memory, from any strides: transpositions in blocks. rank <= MAP_MAX_RANK.
     */
    void (*copy_strided)(int rank, const int64_t dim[], const float *from, const int64_t stride[],
                         float *to);

    /* Element i is draw i of the stream (state, inc) (base/pcg.h): uniform [0, 1) with 24 bits;
     * bernoulli: value if uniform < p else 0. */
    void (*random_uniform)(int64_t n, uint64_t state, uint64_t inc, float *y);
    void (*random_bernoulli)(int64_t n, uint64_t state, uint64_t inc, float p, float value,
                             float *y);

    /* Optimizer updates over contiguous storage, one pass. Formulas are in optim/optimizer.h. */
    void (*sgd)(int64_t n, float *w, const float *g, float *momentum_buffer, const SgdStep *s);
    void (*adam)(int64_t n, float *w, const float *g, float *m, float *v, const AdamStep *s);
    void (*axpby)(int64_t n, float a, const float *x, float b, float *y); /* y = a x + b y */
    double (*sum_squares)(int64_t n, const float *x); /* fixed tree, in double above tiles */
    bool (*all_finite)(int64_t n, const float *x);

    /* LSTM (Hochreiter & Schmidhuber 1997, with forget gates), for every step in the order walked:
     *   i f g o = sigmoid, sigmoid, tanh, sigmoid of (x + w h);  c = f c + i g;  h = o tanh(c).
     * trace (B, T + 1, 6 H): row t is h c i f g o; row T is the last c, then zeros.
     * Each sum over k of w h is one chain of fused multiply-adds, k ascending, to which x is added.
     *
     * lstm_grad takes dy (B, T + 1, H), the gradient to the trace's first H columns, and gives
     * dx (B, T, 4 H), or, when `start`, (B, T + 1, 4 H), whose row T is the gradient to c0, then
     * zeros. That to h0 is dx of the first step times w. Reads x, h0 of the Recurrence never. */
    void (*lstm)(const Recurrence *r, float *trace, void *scratch);
    void (*lstm_grad)(const Recurrence *r, const float *trace, const float *dy, bool start,
                      float *dx, void *scratch);
    /* GRU (Cho et al. 2014, in the form of torch and cuDNN), with u = w h + bias:
     *   r z = sigmoid(x + u);  n = tanh(x_n + r u_n);  h = n + z (h - n).
     * trace (B, T, 5 H): h r z n u_n.
     *
     * gru_grad takes dy (B, T, H), the gradient to h, and gives dx (B, T, 3 H), or, when `start`,
     * (B, T + 1, 3 H), whose row T is what of the gradient to h0 does not go through w, then zeros.
     * The gradient to u is dx with its n times r. */
    void (*gru)(const Recurrence *r, float *trace, void *scratch);
    void (*gru_grad)(const Recurrence *r, const float *trace, const float *dy, bool start,
                     float *dx, void *scratch);
    size_t (*recurrent_scratch)(const Recurrence *r); /* enough for each of the four */

    /* y = the recurrence of s; a (B, T, [2,] d) or one row; b, y (B, T, [2,] d); h0 (B, [2,] d) or
     * NULL, never with `lagged`. One fused multiply-add a step (complex: two chained, the real part
     * of a first). y may not alias a or b. */
    void (*scan)(const ScanShape *s, const float *a, const float *b, const float *h0, float *y);
    /* The gradients of a scan that is not lagged, in one pass: g (rows as y) to b, the lagged scan
     * of dy in the other direction; da_t = g_t times the conjugate of
     * y_(t-1), rows as a, or, for constant a, one row a sequence: sums in the order walked, in
     * panels of 64 steps. Sequences of g are stride_g floats apart, those of da stride_da. */
    void (*scan_grad)(const ScanShape *s, const float *a, const float *dy, const float *y,
                      const float *h0, float *g, int64_t stride_g, float *da, int64_t stride_da);

    /* Causal depthwise convolution along t, w (C, K), its last tap the present as in torch:
     *   y[b, t, c] = bias[c] + sum_j w[c, K - 1 - j] x[b, t - j, c],  then silu when asked.
     * A chain of fused multiply-adds from the bias (or zero), j ascending. short_conv_grad_x is its
     * transpose, in the same order; short_conv_grad_w sums chains of steps ascending, cut into
     * pieces by the shape, pieces ascending. Scratch: short_conv_scratch bytes. */
    void (*short_conv)(const ShortConvShape *s, const float *x, const float *w, const float *bias,
                       bool silu, float *y, void *scratch);
    void (*short_conv_grad_x)(const ShortConvShape *s, const float *dy, const float *w, float *dx,
                              void *scratch);
    void (*short_conv_grad_w)(const ShortConvShape *s, const float *x, const float *dy, float *dw,
                              void *scratch);
    size_t (*short_conv_scratch)(const ShortConvShape *s);

    /* Vector math, y may alias x; each <= 2 ulp over all of float (tests/unit/vecmath.c). */
    void (*vexp)(int64_t n, const float *x, float *y);
    void (*vlog)(int64_t n, const float *x, float *y);
    void (*vtanh)(int64_t n, const float *x, float *y);
    void (*verf)(int64_t n, const float *x, float *y);
    void (*vsin)(int64_t n, const float *x, float *y);
    void (*vcos)(int64_t n, const float *x, float *y);

    /* What lib/bench measures the machine's limits with. fma_chains: FMA_CHAINS chains of `rounds`
     * fused multiply-adds on every thread, nothing but registers; out (threads_count(),
     * FMA_CHAINS). The streams: z = x and z = x + a y, `repeats` times; z does not overlap x and y
     * and all are 64-byte aligned; past_cache writes to memory without reading or keeping the lines
     * of z. */
    void (*fma_chains)(int64_t rounds, float *out);
    void (*stream_copy)(int64_t n, const float *x, float *z, bool past_cache, int64_t repeats);
    void (*stream_triad)(int64_t n, float a, const float *x, const float *y, float *z,
                         bool past_cache, int64_t repeats);
} Kernels;

enum { FMA_CHAINS = 192 };
/* A multiple of 1 to 4 channels and of every vector length. */
enum { BYTES_PERIOD = 48 };

/* The table in use. cpu_select(NULL) takes SEQLAB_ISA if set, else the best that this CPU has;
 * cpu_select("v3") forces one. Fails with FAIL_USAGE when the name is unknown or the CPU lacks it.
 * Call once before any kernel. */
extern const Kernels *cpu;
bool cpu_select(const char *isa, Error *err) MUST_CHECK;
/* The names that this CPU can run, best first; returns how many. */
int cpu_available(const char *names[4]);

#endif
