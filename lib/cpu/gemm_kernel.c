/* gemm_kernel -- see gemm_kernel.h. The loops over p and nv unroll completely: p and nv are
 * constants in each instance. */
#include "cpu/gemm_kernel.h"

/* Asks for the lines of out early enough: the walk through b has driven them out of L1, and stores
 * that miss wait for each other. */
SIMD void prefetch_out(int p, int nv, const GemmTile *t)
{
#pragma GCC unroll 6
    for (int i = 0; i < p; i++)
        for (int j = 0; j < nv * VL; j += CHUNK) __builtin_prefetch(t->out + i * t->ldo + j, 1, 3);
}

/* One step of the epilogue. */
SIMD void apply_step(int p, int nv, const GemmTile *t, const EpilogueStep *s,
                     vf sum[][GEMM_VECTORS])
{
    const EpiloguePlace *at = t->at;
    const int64_t from = at->item * s->batch_stride + at->m0 * s->row_stride + at->n0;
    const int64_t ld = s->row_stride;
    const vf scale = vf_set1(s->p), shift = vf_set1(s->q);
#define EACH(expression)                                                                           \
    _Pragma("GCC unroll 6") for (int i = 0; i < p; i++)                                            \
        _Pragma("GCC unroll 4") for (int j = 0; j < nv; j++) sum[i][j] = (expression)
    switch (s->op) {
    case MAP_ADD:
        EACH(sum[i][j] + vf_load(s->operand + from + i * ld + j * VL));
        break;
    case MAP_MUL:
        EACH(sum[i][j] * vf_load(s->operand + from + i * ld + j * VL));
        break;
    case MAP_AFFINE:
        EACH(vf_fma(scale, sum[i][j], shift));
        break;
    default:
        EACH(vf_relu(sum[i][j]));
    }
#undef EACH
}

SIMD void kernel_body(int p, int nv, const GemmTile *t)
{
    vf sum[GEMM_ROWS][GEMM_VECTORS];
#pragma GCC unroll 6
    for (int i = 0; i < p; i++)
#pragma GCC unroll 4
        for (int j = 0; j < nv; j++) sum[i][j] = vf_zero();
    const float *a = t->a, *b = t->b;
    const int64_t a_row = t->a_row, a_step = t->a_step, ldb = t->ldb;
    const int64_t last = max64(0, t->depth - CHUNK);
    for (int64_t k = 0, end = last;; end = t->depth) {
#pragma GCC unroll 4
        for (; k < end; k++, a += a_step, b += ldb) {
            vf w[GEMM_VECTORS];
#pragma GCC unroll 4
            for (int j = 0; j < nv; j++) w[j] = vf_load(b + j * VL);
#pragma GCC unroll 6
            for (int i = 0; i < p; i++) {
                const vf x = vf_set1(a[i * a_row]);
#pragma GCC unroll 4
                for (int j = 0; j < nv; j++) sum[i][j] = vf_fma(x, w[j], sum[i][j]);
            }
        }
        if (k == t->depth) break;
        prefetch_out(p, nv, t);
    }
    if (t->base)
#pragma GCC unroll 6
        for (int i = 0; i < p; i++)
#pragma GCC unroll 4
            for (int j = 0; j < nv; j++)
                sum[i][j] = vf_load(t->base + i * t->ldbase + j * VL) + sum[i][j];
    for (int s = 0; s < t->n_steps; s++) apply_step(p, nv, t, &t->steps[s], sum);
#pragma GCC unroll 6
    for (int i = 0; i < p; i++)
#pragma GCC unroll 4
        for (int j = 0; j < nv; j++) vf_store(t->out + i * t->ldo + j * VL, sum[i][j]);
}

#define INSTANCE(p, nv)                                                                            \
    static void kernel_##p##_##nv(const GemmTile *t)                                               \
    {                                                                                              \
        const GemmTile tile = *t;                                                                  \
        kernel_body(p, nv, &tile);                                                                 \
    }
#define NAME(p, nv)     kernel_##p##_##nv,
#define EACH_ROW(X, nv) X(1, nv) X(2, nv) X(3, nv) X(4, nv) X(5, nv) X(6, nv)

EACH_ROW(INSTANCE, 1)
EACH_ROW(INSTANCE, 2)
#if defined(__AVX512F__) || defined(__ARM_NEON)
EACH_ROW(INSTANCE, 3)
EACH_ROW(INSTANCE, 4)
#endif

GemmKernel *const gemm_kernel[GEMM_VECTORS][GEMM_ROWS] = {
    {EACH_ROW(NAME, 1)},
    {EACH_ROW(NAME, 2)},
#if defined(__AVX512F__) || defined(__ARM_NEON)
    {EACH_ROW(NAME, 3)},
    {EACH_ROW(NAME, 4)},
#endif
};
