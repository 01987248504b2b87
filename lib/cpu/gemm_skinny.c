/* gemm_skinny -- see gemm_skinny.h.
 *
 * Lanes lie along the large operand's rows or columns, here its lines x(k, line), the few lines of
 * the small operand are broadcast: sum(i, line) is the chain over k ascending that the tiles give,
 * panel by panel, whichever operand is which. The small operand is packed for each panel.
 *
 *   down    lines contiguous along k in memory: VL lines by VL k are transposed in registers and
 *           used at once; the sums stay in registers through the panel. The limit is the shuffles,
 *           64 for 256 numbers with 16 lanes, up to 4 small lines, then the multiply-adds
 *   across  lines that are neighbours for each k: VL k at a time from end to end, since a walk down
 *           one column of vectors takes one line from each page; the sums lie in L1 */
#include "cpu/gemm_skinny.h"

#include "cpu/epilogue.h"

/* Lines of the large operand at a time: sums of SKINNY times as many fill L1. */
enum { LINES = 512 };
/* A large operand of so many numbers comes from L2 however it is walked: the kernel, which keeps
 * the sums in registers, then beats the way across. So it does where few rows of C read rows of B
 * that are no farther apart than FAR, unless they would read them twice (two strips, up to so many
 * rows) or a line or two at a time. */
enum { NEAR_FLOATS = 64 * 1024, FAR = 2500, TWICE_ROWS = 10 };

/* One panel of k; x(k, line) and s(i, k) from the panel's first k on. */
typedef struct Panel {
    const Gemm *g;
    const TilePart *part;
    bool rows_are_few; /* the large operand is B */
    const float *x;
    int64_t ldx, lines;
    int64_t few, depth;
    bool first, last;
    const float *s; /* (depth, few) */
} Panel;

static bool goes_down(const Gemm *g, const TilePart *t)
{
    return t->m1 - t->m0 <= t->n1 - t->n0 ? g->trans_b : !g->trans_a;
}

bool K(gemm_is_skinny)(const Gemm *g, const TilePart *t)
{
    const int64_t rows = t->m1 - t->m0, columns = t->n1 - t->n0, lines = max64(rows, columns);
    if (min64(rows, columns) > SKINNY || lines < TILE_COLS || g->k == 0) return false;
    if (g->bf16 || g->format != WEIGHT_F32) return false;
    if (goes_down(g, t)) return true;
    if (lines * g->k <= NEAR_FLOATS) return false;
    const bool across = rows > GEMM_ROWS || GEMM_COLS < 4 * CHUNK;
    return rows > columns || g->ldb > FAR || (across && rows <= TWICE_ROWS);
}

/* r[l] lane i = x(k + l, line i), zero where there is none. */
SIMD void load_block(const float *x, int64_t ldx, int64_t n_k, int64_t lines, vf r[VL])
{
    if (n_k == VL && lines >= VL)
#pragma GCC unroll 16
        for (int i = 0; i < VL; i++) r[i] = vf_load(x + i * ldx);
    else
        for (int i = 0; i < VL; i++) r[i] = i < lines ? vf_load_n(x + i * ldx, n_k) : vf_zero();
    vf_transpose(r);
}

/* sum (p, TILE_COLS) = the sums of one vector of lines. */
SIMD void down(int p, const Panel *q, int64_t line, float *sum)
{
    const float *s = q->s;
    const int64_t ldx = q->ldx;
    _Alignas(64) float block[VL * VL];
    vf acc[SKINNY];
#pragma GCC unroll 16
    for (int i = 0; i < p; i++) acc[i] = vf_zero();
    for (int64_t k = 0; k < q->depth; k += VL, s += VL * p) {
        const float *x = q->x + line * ldx + k;
        const int64_t n_k = min64(VL, q->depth - k);
        vf r[VL];
#pragma GCC unroll 16
        for (int i = 0; i < VL; i++) prefetch(x, (VL + i) * ldx, VL);
        load_block(x, ldx, n_k, q->lines - line, r);
        if (n_k == VL) {
#pragma GCC unroll 16
            for (int l = 0; l < VL; l++)
#pragma GCC unroll 16
                for (int i = 0; i < p; i++) acc[i] = vf_fma(vf_set1(s[l * p + i]), r[l], acc[i]);
            continue;
        }
#pragma GCC unroll 16
        for (int l = 0; l < VL; l++) vf_store(block + l * VL, r[l]);
        for (int64_t l = 0; l < n_k; l++) {
            const vf y = vf_load(block + l * VL);
#pragma GCC unroll 16
            for (int i = 0; i < p; i++) acc[i] = vf_fma(vf_set1(s[l * p + i]), y, acc[i]);
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < p; i++) vf_store(sum + i * TILE_COLS, acc[i]);
}

/* sum (p, TILE_COLS) += the sums over VL k from k on, of one vector of lines. */
SIMD void across(int p, const Panel *q, int64_t k, int64_t line, float *sum)
{
    const float *x = q->x + k * q->ldx + line, *s = q->s + k * p;
    const int64_t n_k = min64(VL, q->depth - k), n = q->lines - line, ldx = q->ldx;
    vf acc[SKINNY];
#pragma GCC unroll 16
    for (int i = 0; i < p; i++) acc[i] = vf_load(sum + i * TILE_COLS);
    for (int64_t l = 0; l < n_k; l++) {
        const vf v = n >= VL ? vf_load(x + l * ldx) : vf_load_n(x + l * ldx, n);
        prefetch(x, (VL + l) * ldx, VL);
#pragma GCC unroll 16
        for (int i = 0; i < p; i++) acc[i] = vf_fma(vf_set1(s[l * p + i]), v, acc[i]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < p; i++) vf_store(sum + i * TILE_COLS, acc[i]);
}

/* The sums of lines from..to in tiles (p, TILE_COLS); line j of them: */
SIMD float *sum_at(float *sum, int64_t p, int64_t j)
{
    return sum + j / TILE_COLS * p * TILE_COLS + j % TILE_COLS;
}

typedef void SumLines(const Panel *q, int64_t from, int64_t to, float *sum);

#define SUM_LINES(p)                                                                               \
    static void down_##p(const Panel *q, int64_t from, int64_t to, float *sum)                     \
    {                                                                                              \
        for (int64_t j = 0; j < to - from; j += VL) down(p, q, from + j, sum_at(sum, p, j));       \
    }                                                                                              \
    static void across_##p(const Panel *q, int64_t from, int64_t to, float *sum)                   \
    {                                                                                              \
        for (int64_t k = 0; k < q->depth; k += VL)                                                 \
            for (int64_t j = 0; j < to - from; j += VL)                                            \
                across(p, q, k, from + j, sum_at(sum, p, j));                                      \
    }
#define DOWN_NAME(p)   down_##p,
#define ACROSS_NAME(p) across_##p,

#define TWELVE(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12)
#if defined(__AVX512F__) || defined(__ARM_NEON)
#define EACH(X) TWELVE(X) X(13) X(14) X(15) X(16)
#else
#define EACH(X) TWELVE(X)
#endif

EACH(SUM_LINES)

static SumLines *const sum_lines[2][SKINNY] = {{EACH(ACROSS_NAME)}, {EACH(DOWN_NAME)}};

/* to (TILE_COLS, TILE_COLS) = the transpose of p <= TILE_COLS rows of a tile. */
static void transpose_tile(int64_t p, const float *tile, float *to)
{
    for (int64_t i = 0; i < p; i += VL)
        for (int j = 0; j < TILE_COLS; j += VL) {
            vf r[VL];
            for (int l = 0; l < VL; l++)
                r[l] = i + l < p ? vf_load(tile + (i + l) * TILE_COLS + j) : vf_zero();
            vf_transpose(r);
            for (int l = 0; l < VL; l++) vf_store(to + (j + l) * TILE_COLS + i, r[l]);
        }
}

/* [C +] the tile and the steps to C. */
static void finish_tile(const Panel *q, const EpiloguePlace *at, float *tile)
{
    const Gemm *g = q->g;
    float *c = g->c + at->item * g->stride_c + at->m0 * g->ldc + at->n0;
    const float *base = g->accumulate || !q->first ? c : NULL;
    K(epilogue)(g->steps, q->last ? g->n_steps : 0, at, tile, base, g->ldc, c, g->ldc);
}

/* The sums of n lines from `line` on to C: (few, TILE_COLS), overwritten. */
static void finish(const Panel *q, int64_t line, int64_t n, float *sum)
{
    const TilePart *t = q->part;
    if (q->rows_are_few) {
        finish_tile(q, &(EpiloguePlace){t->item, t->m0, t->n0 + line, q->few, n, TILE_COLS}, sum);
        return;
    }
    _Alignas(64) float turned[TILE_COLS * TILE_COLS];
    for (int64_t i = 0; i < q->few; i += TILE_COLS) {
        const EpiloguePlace at = {
            t->item, t->m0 + line, t->n0 + i, n, min64(TILE_COLS, q->few - i), TILE_COLS};
        transpose_tile(at.columns, sum + i * TILE_COLS, turned);
        finish_tile(q, &at, turned);
    }
}

static void pack_small(const float *from, int64_t step, int64_t line, const Panel *q, float *to)
{
    for (int64_t k = 0; k < q->depth; k++)
        for (int64_t i = 0; i < q->few; i++) to[k * q->few + i] = from[k * step + i * line];
}

void K(gemm_skinny)(const Gemm *g, const TilePart *t)
{
    _Alignas(64) float s[K_PANEL * SKINNY], sum[LINES * SKINNY];
    const int64_t rows = t->m1 - t->m0, columns = t->n1 - t->n0;
    const int64_t a_line = g->trans_a ? 1 : g->lda, a_step = g->trans_a ? g->lda : 1;
    const int64_t b_line = g->trans_b ? g->ldb : 1, b_step = g->trans_b ? 1 : g->ldb;
    const float *a = g->a + t->item * g->stride_a + t->m0 * a_line;
    const float *b = g->b + t->item * g->stride_b + t->n0 * b_line;
    Panel q = {.g = g, .part = t, .rows_are_few = rows <= columns, .s = s};
    q.lines = q.rows_are_few ? columns : rows;
    q.few = q.rows_are_few ? rows : columns;
    const bool is_down = goes_down(g, t);
    q.ldx = q.rows_are_few ? g->ldb : g->lda;
    for (int64_t k = 0; k < g->k; k += K_PANEL) {
        q.depth = min64(K_PANEL, g->k - k);
        q.first = k == 0, q.last = k + K_PANEL >= g->k;
        q.x = q.rows_are_few ? b + k * b_step : a + k * a_step;
        if (q.rows_are_few)
            pack_small(a + k * a_step, a_step, a_line, &q, s);
        else
            pack_small(b + k * b_step, b_step, b_line, &q, s);
        for (int64_t from = 0; from < q.lines; from += LINES) {
            const int64_t to = min64(from + LINES, q.lines);
            if (!is_down)
                for (int64_t i = 0; i < ceil_div(to - from, TILE_COLS) * q.few * TILE_COLS; i += VL)
                    vf_store(sum + i, vf_zero());
            sum_lines[is_down][q.few - 1](&q, from, to, sum);
            for (int64_t j = from; j < to; j += TILE_COLS)
                finish(&q, j, min64(TILE_COLS, to - j), sum_at(sum, q.few, j - from));
        }
    }
}
