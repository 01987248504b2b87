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
     */
    void (*cross_entropy)(int64_t rows, int64_t n, const float *x, const int32_t *label,
                          float smoothing, int32_t ignore, float *loss);
    /* dx[r, j] = (softmax(x)[r, j] - target[r, j]) * dloss[r]; 0 in ignored rows. */
    void (*cross_entropy_grad)(int64_t rows, int64_t n, const float *x, const int32_t *label,
                               float smoothing, int32_t ignore, const float *dloss, float *dx);

    /* y = (x - mean) / sqrt(var + eps) * gain + bias over rows of length n (biased variance, two
     * passes in cache); RMS norm: y = x / sqrt(mean(x^2) + eps) * gain. gain, bias (n) or NULL. */
    void (*layer_norm)(int64_t rows, int64_t n, const float *x, const float *gain,
                       const float *bias, float eps, float *y);
    void (*rms_norm)(int64_t rows, int64_t n, const float *x, const float *gain, float eps,
                     float *y);
    /* dx for the same, one pass; gain may be NULL. */
    void (*layer_norm_grad)(int64_t rows, int64_t n, const float *x, const float *gain, float eps,
                            const float *dy, float *dx);
    void (*rms_norm_grad)(int64_t rows, int64_t n, const float *x, const float *gain, float eps,
                          const float *dy, float *dx);

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

    /* Copies a box of `rank` dims between two strided places (strides in floats; the last one 1).
     */
    void (*copy_box)(int rank, const int64_t dim[], const float *from, const int64_t from_stride[],
                     float *to, const int64_t to_stride[]);

    /* Element i is draw i of the stream (state, inc) (base/pcg.h): uniform [0, 1) with 24 bits;
     * bernoulli: value if uniform < p else 0. */
    void (*random_uniform)(int64_t n, uint64_t state, uint64_t inc, float *y);
    void (*random_bernoulli)(int64_t n, uint64_t state, uint64_t inc, float p, float value,
                             float *y);

    /* Optimizer updates over contiguous storage, one pass. Formulas are in optim/optimizer.h. */
    void (*sgd)(int64_t n, float *w, const float *g, float *momentum_buffer, float lr,
                float momentum, float dampening, float weight_decay, bool nesterov, bool first);
    void (*adam)(int64_t n, float *w, const float *g, float *m, float *v, float lr, float beta1,
                 float beta2, float eps, float weight_decay, bool decoupled, double bias1,
                 double bias2);
    void (*axpby)(int64_t n, float a, const float *x, float b,
                  float *y);                              /* y = a x + b y (EMA, scaling) */
    void (*clip_value)(int64_t n, float limit, float *x); /* x = min(max(x, -limit), limit) */
    double (*sum_squares)(int64_t n, const float *x);     /* fixed tree, in double above tiles */
    bool (*all_finite)(int64_t n, const float *x);

    /* Vector math, y may alias x; each <= 2 ulp over all of float (tests/unit/vecmath.c). */
    void (*vexp)(int64_t n, const float *x, float *y);
    void (*vlog)(int64_t n, const float *x, float *y);
    void (*vtanh)(int64_t n, const float *x, float *y);
    void (*verf)(int64_t n, const float *x, float *y);
    void (*vsin)(int64_t n, const float *x, float *y);
    void (*vcos)(int64_t n, const float *x, float *y);
} Kernels;

/* The table in use. cpu_select(NULL) takes SEQLAB_ISA if set, else the best that this CPU has;
 * cpu_select("v3") forces one. Fails with FAIL_USAGE when the name is unknown or the CPU lacks it.
 * Call once before any kernel. */
extern const Kernels *cpu;
bool cpu_select(const char *isa, Error *err) MUST_CHECK;
/* The names that this CPU can run, best first; returns how many. */
int cpu_available(const char *names[4]);

#endif
