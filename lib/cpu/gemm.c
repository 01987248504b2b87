/* gemm -- C[b] = act(A[b] B[b] + bias [+ C[b]]).
 *
 * Order: k is cut into panels of K_PANEL. A panel's sum is one chain of fused multiply-adds from
 * zero, k ascending; panels are added in ascending order (to C's old value first, when
 * accumulating), then the bias, then the activation. K_PANEL is the same on every ISA; how M and N
 * are cut changes nothing.
 *
 * One thread owns a block of C. For each panel of k it packs its columns of B into L2 (zero-padded
 * to whole vectors), then goes down its rows: a strip of at most TILE_ROWS rows of A is packed into
 * L1 and swept over the columns. Where a strip or a column is used too few times to pay for the
 * packing it is read in place. */
#include "cpu/gemm_tile.h"

#include <string.h>

enum { K_PANEL = 256, N_BLOCK = 512 };
/* Fewer strips than this read B in place when its rows are contiguous. */
enum { PACK_STRIPS = 3 };
/* A transposed A is read in place when fewer tiles than this stand side by side. */
enum { PACK_TILES = 3 };

enum { STRIP_FLOATS = K_PANEL * CHUNK };

/* How many threads share the batch, the rows and the columns. */
typedef struct Split {
    int64_t batch, m, n;
} Split;

/* A panel of k within one thread's block. */
typedef struct Panel {
    const Gemm *g;
    const float *a; /* a(0, first k) of this batch item */
    const float *b;
    float *c;
    int64_t depth;
    bool first, last;
    float *strip;  /* packed A: STRIP_FLOATS */
    float *packed; /* packed B: K_PANEL * N_BLOCK */
} Panel;

/* In multiply-adds of one k. Packing moves a number of A or B in the time of several lanes of them.
 */
static int64_t split_cost(const Gemm *g, const Split *s)
{
    const int64_t batch = ceil_div(g->batch, s->batch), m = ceil_div(g->m, s->m);
    const int64_t n = ceil_div(ceil_div(g->n, VL), s->n) * VL;
    return batch * (m * n + 2 * m + (g->trans_b ? 6 : 2) * n);
}

/* The cheapest split of the threads over batch, rows and columns. */
static Split choose_split(const Gemm *g)
{
    Split best = {1, 1, 1};
    const double work = (double)g->batch * (double)g->m * (double)g->n * (double)g->k;
    const int64_t threads = work_threads(INT64_MAX, work);
    if (threads == 1) return best;
    int64_t best_cost = INT64_MAX;
    for (int64_t batch = 1; batch <= threads; batch++) {
        if (threads % batch != 0) continue;
        for (int64_t m = 1; m <= threads / batch; m++) {
            const Split s = {batch, m, threads / batch / m};
            const int64_t cost = split_cost(g, &s);
            if (cost < best_cost) best_cost = cost, best = s;
        }
    }
    return best;
}

static size_t thread_floats(const Gemm *g)
{
    const int64_t columns = min64(N_BLOCK, ceil_div(g->n, VL) * VL);
    return STRIP_FLOATS + (size_t)(min64(g->k, K_PANEL) * columns);
}

size_t K(gemm_scratch)(const Gemm *g)
{
    const Split s = choose_split(g);
    return (size_t)(s.batch * s.m * s.n) * thread_floats(g) * sizeof(float);
}

/* to[k][0..width) = B(k, 0..n), zero from n on; rows of B are contiguous. */
static void pack_columns(const float *b, int64_t ldb, int64_t depth, int64_t n, int64_t width,
                         float *to)
{
    for (int64_t k = 0; k < depth; k++, b += ldb, to += width)
        for (int64_t j = 0; j < width; j += VL)
            vf_store(to + j, n - j >= VL ? vf_load(b + j) : vf_load_n(b + j, max64(0, n - j)));
}

/* The same from B transposed: column j is contiguous at b + j * ldb. */
static void pack_columns_transposed(const float *b, int64_t ldb, int64_t depth, int64_t n,
                                    int64_t width, float *to)
{
    for (int64_t j = 0; j < width; j += VL)
        for (int64_t k = 0; k < depth; k += VL) {
            const int64_t n_k = min64(VL, depth - k);
            vf r[VL];
            for (int i = 0; i < VL; i++) {
                const float *from = b + (j + i) * ldb + k;
                r[i] = j + i >= n ? vf_zero() : n_k == VL ? vf_load(from) : vf_load_n(from, n_k);
            }
            vf_transpose(r);
            for (int64_t i = 0; i < n_k; i++) vf_store(to + (k + i) * width + j, r[i]);
        }
}

/* Columns n0..n0+n of the panel, tile by tile: a tile of width w starting at column j is at depth *
 * j. */
static void pack_b(const Panel *p, int64_t n0, int64_t n)
{
    const Gemm *g = p->g;
    for (int64_t j = 0; j < n; j += TILE_COLS) {
        const int64_t width = tile_vectors(n, j) * VL, used = min64(width, n - j);
        float *to = p->packed + j * p->depth;
        if (g->trans_b)
            pack_columns_transposed(p->b + (n0 + j) * g->ldb, g->ldb, p->depth, used, width, to);
        else
            pack_columns(p->b + n0 + j, g->ldb, p->depth, used, width, to);
    }
}

/* Rows of A into segments of CHUNK k: strip[segment][row][k]. */
static void pack_rows(const float *a, int64_t lda, int64_t rows, int64_t depth, float *strip)
{
    for (int64_t k = 0; k < depth; k += CHUNK, strip += TILE_ROWS_NARROW * CHUNK)
        for (int64_t i = 0; i < rows; i++) {
            const float *from = a + i * lda + k;
            float *to = strip + i * CHUNK;
            if (depth - k >= CHUNK)
                for (int j = 0; j < CHUNK; j += VL) vf_store(to + j, vf_load(from + j));
            else
                memcpy(to, from, (size_t)(depth - k) * sizeof *to);
        }
}

/* A transposed: strip[k][row]. */
static void pack_transposed_rows(const float *a, int64_t lda, int64_t rows, int64_t depth,
                                 float *strip)
{
    for (int64_t k = 0; k < depth; k++, a += lda, strip += CHUNK)
        for (int64_t i = 0; i < rows; i += VL)
            vf_store(strip + i, rows - i >= VL ? vf_load(a + i) : vf_load_n(a + i, rows - i));
}

/* c = act(tile + bias [+ c]) over the rows and columns of C that the tile covers. */
static void finish_tile(const Panel *p, const float *tile, float *c, const float *bias,
                        int64_t rows, int64_t columns)
{
    const Gemm *g = p->g;
    const bool relu = p->last && g->activation == ACT_RELU;
    const bool add = g->accumulate || !p->first;
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < columns; j += VL) {
            const int64_t n = min64(VL, columns - j);
            float *to = c + i * g->ldc + j;
            vf x = vf_load(tile + i * TILE_COLS + j);
            if (add) x = vf_load_n(to, n) + x;
            if (bias) x = x + vf_load_n(bias + j, n);
            if (relu) x = vf_relu(x);
            if (n == VL)
                vf_store(to, x);
            else
                vf_store_n(to, x, n);
        }
    }
}

/* One strip of rows against columns n0..n0+n. */
static void sweep_strip(const Panel *p, int64_t m0, int64_t rows, int64_t n0, int64_t n,
                        bool b_packed)
{
    const Gemm *g = p->g;
    _Alignas(64) float tile[TILE_ROWS * TILE_COLS];
    TileSegment segment[K_PANEL / CHUNK];
    const int64_t n_segments = ceil_div(p->depth, CHUNK);
    const bool a_in_place = g->trans_a && n <= PACK_TILES * TILE_COLS;
    if (!g->trans_a) {
        pack_rows(p->a + m0 * g->lda, g->lda, rows, p->depth, p->strip);
        for (int64_t s = 0; s < n_segments; s++)
            segment[s] = (TileSegment){(int32_t)(s * TILE_ROWS_NARROW * CHUNK),
                                       (int32_t)min64(CHUNK, p->depth - s * CHUNK)};
    } else if (!a_in_place) {
        pack_transposed_rows(p->a + m0, g->lda, rows, p->depth, p->strip);
    }
    const float *bias = p->last ? g->bias : NULL;
    const bool plain =
        p->first && !g->accumulate && !bias && !(p->last && g->activation != ACT_NONE);
    for (int64_t j = 0; j < n; j += TILE_COLS) {
        const int nv = tile_vectors(n, j);
        const bool whole = n - j >= nv * VL;
        const bool here = b_packed || !whole;
        const float *b = here ? p->packed + j * p->depth : p->b + n0 + j;
        const int64_t ldb = here ? nv * VL : g->ldb;
        float *c = p->c + m0 * g->ldc + n0 + j;
        float *out = plain && whole ? c : tile;
        const int64_t ldo = plain && whole ? g->ldc : TILE_COLS;
        if (g->trans_a) {
            const TileWalk walk = {
                {1, 1, p->depth                   },
                {0, 0, a_in_place ? g->lda : CHUNK},
                {0, 0, ldb                        }
            };
            tile_columns[nv - 1][rows - 1](a_in_place ? p->a + m0 : p->strip, b, &walk, out, ldo);
        } else {
            tile_rows[nv - 1][rows - 1](p->strip, segment, n_segments, b, ldb, out, ldo);
        }
        if (out == tile)
            finish_tile(p, tile, c, bias ? bias + n0 + j : NULL, rows, min64(nv * VL, n - j));
    }
}

/* Rows m0..m1 of columns n0..n0+n, n <= N_BLOCK, for one panel. */
static void multiply_panel(const Panel *p, int64_t m0, int64_t m1, int64_t n0, int64_t n)
{
    const int64_t n_strips = ceil_div(m1 - m0, TILE_ROWS);
    const bool pack = p->g->trans_b || n_strips >= PACK_STRIPS;
    const int64_t last_tile = (n - 1) / TILE_COLS * TILE_COLS;
    if (pack)
        pack_b(p, n0, n);
    else if ((n - last_tile) % VL !=
             0) /* the tiles load whole vectors: the ragged one needs its padding */
        pack_columns(p->b + n0 + last_tile, p->g->ldb, p->depth, n - last_tile,
                     tile_vectors(n, last_tile) * VL, p->packed + last_tile * p->depth);
    for (int64_t s = 0; s < n_strips; s++) {
        const int64_t begin = part_begin(m1 - m0, n_strips, s),
                      end = part_begin(m1 - m0, n_strips, s + 1);
        sweep_strip(p, m0 + begin, end - begin, n0, n, pack);
    }
}

static void multiply_block(const Gemm *g, int64_t item, int64_t m0, int64_t m1, int64_t n0,
                           int64_t n1, float *scratch)
{
    for (int64_t n = n0; n < n1; n += N_BLOCK)
        for (int64_t k = 0; k == 0 || k < g->k; k += K_PANEL) {
            const Panel p = {
                .g = g,
                .a = g->a + item * g->stride_a + (g->trans_a ? k * g->lda : k),
                .b = g->b + item * g->stride_b + (g->trans_b ? k : k * g->ldb),
                .c = g->c + item * g->stride_c,
                .depth = min64(K_PANEL, g->k - k),
                .first = k == 0,
                .last = k + K_PANEL >= g->k,
                .strip = scratch,
                .packed = scratch + STRIP_FLOATS,
            };
            multiply_panel(&p, m0, m1, n, min64(N_BLOCK, n1 - n));
        }
}

/* The block of thread t: thread t of the split owns part t of batch, rows and columns. */
static void multiply_part(const Gemm *g, const Split *s, int64_t t, float *scratch)
{
    const int64_t tn = t % s->n, tm = t / s->n % s->m, tb = t / s->n / s->m;
    const int64_t vectors = ceil_div(g->n, VL);
    const int64_t n0 = min64(g->n, part_begin(vectors, s->n, tn) * VL);
    const int64_t n1 = min64(g->n, part_begin(vectors, s->n, tn + 1) * VL);
    const int64_t m0 = part_begin(g->m, s->m, tm), m1 = part_begin(g->m, s->m, tm + 1);
    if (m0 == m1 || n0 == n1) return;
    const int64_t last = part_begin(g->batch, s->batch, tb + 1);
    for (int64_t i = part_begin(g->batch, s->batch, tb); i < last; i++)
        multiply_block(g, i, m0, m1, n0, n1, scratch);
}

void K(gemm)(const Gemm *g, void *scratch)
{
    const Split s = choose_split(g);
    const int64_t parts = s.batch * s.m * s.n;
    if (parts == 1) {
        multiply_part(g, &s, 0, scratch);
        return;
    }
    const size_t floats = thread_floats(g);
#pragma omp parallel for num_threads((int)parts) schedule(static)
    for (int64_t t = 0; t < parts; t++)
        multiply_part(g, &s, t, (float *)scratch + (size_t)t * floats);
}
