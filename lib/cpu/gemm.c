/* gemm -- C[b] = epilogue(A[b] B[b] [+ C[b]]).
 *
 * Order: k is cut into panels of K_PANEL. A panel's sum is one chain of fused multiply-adds from
 * zero, k ascending; panels are added in ascending order (to C's old value first, when
 * accumulating), then come the steps of the epilogue. K_PANEL is the same on every ISA; how M and N
 * are cut changes nothing.
 *
 * bf16: the operands are rounded where they are packed, then multiplied as fp32. A product of two
 * bfloat16 is exact in fp32, so an element is still one chain of fp32 additions, the same on every
 * ISA. vdpbf16ps would be twice as fast (235 against 118 GFLOP/s on a Zen 4 core), but it flushes
 * subnormals, NEON's bfdot rounds differently again, and either of them imitated with fp32 takes a
 * comparison and a mask for each addition.
 *
 * One thread owns a block of C. For each block of k, one panel or two, it packs its columns of B
 * into L2 (zero-padded to whole vectors), then goes down its rows: a strip of at most TILE_ROWS
 * rows of A is packed into L1 and swept over the columns, while the next strip is asked for. Where
 * a strip or a column is used too few times to pay for the packing it is read in place. */
#include "cpu/epilogue.h"
#include "cpu/gemm_pack.h"

enum { K_PANEL = 256, BLOCK_PANELS = 2 };
/* Of packed B: what leaves room in 1 MB of L2. */
enum { BLOCK_FLOATS = 160 * 1024 };
/* Strips of a transposed A that are packed at once. */
enum { A_GROUP = 4 };
/* Fewer strips than this read B in place when its rows are contiguous. */
enum { PACK_STRIPS = 3 };
/* A transposed A is read in place when fewer tiles than this stand side by side. */
enum { PACK_TILES = 3 };

/* How many threads share the batch, the rows and the columns. */
typedef struct Split {
    int64_t batch, m, n;
} Split;

/* A block of k and of columns within one thread's part. */
typedef struct Block {
    const Gemm *g;
    const float *a; /* a(0, first k) of this batch item */
    const float *b; /* b(first k, 0) */
    float *c;
    PackRange range;
    int64_t depth, n0, n;
    bool first, last;
    bool b_packed;
    float *strip;  /* packed A */
    float *packed; /* packed B */
} Block;

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

/* How deep and how wide blocks are. */
static int64_t block_depth(const Gemm *g)
{
    const int64_t panels = max64(1, ceil_div(g->k, K_PANEL));
    return ceil_div(panels, ceil_div(panels, BLOCK_PANELS)) * K_PANEL;
}

static int64_t block_columns(const Gemm *g)
{
    const int64_t depth = max64(1, min64(g->k, block_depth(g)));
    return min64(N_BLOCK, BLOCK_FLOATS / depth / TILE_COLS * TILE_COLS);
}

/* Packed A: one strip, or a group of them when A is transposed. */
static int64_t strip_floats(const Gemm *g)
{
    return (g->trans_a ? A_GROUP : 1) * gemm_strip_floats(min64(g->k, block_depth(g)));
}

static size_t thread_floats(const Gemm *g)
{
    const int64_t columns = min64(block_columns(g), ceil_div(g->n, VL) * VL);
    const int64_t depth = min64(g->k, block_depth(g));
    const int64_t rows = g->format == WEIGHT_F32 ? 0 : gemm_row_floats(depth);
    const int64_t floats = strip_floats(g) + rows + depth * columns;
    return (size_t)(ceil_div(floats, CHUNK) * CHUNK);
}

size_t K(gemm_scratch)(const Gemm *g)
{
    const Split s = choose_split(g);
    return (size_t)(s.batch * s.m * s.n) * thread_floats(g) * sizeof(float);
}

/* A place that a tile's numbers are added to: row i is at p + i * ld; NULL where there is none. */
typedef struct Base {
    const float *p;
    int64_t ld;
} Base;

/* to = base + tile. */
static void add_tile(const Base *base, const float *tile, int64_t rows, int64_t columns, float *to)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j += VL)
            vf_store(to + i * TILE_COLS + j,
                     vf_load_n(base->p + i * base->ld + j, min64(VL, columns - j)) +
                         vf_load(tile + i * TILE_COLS + j));
}

/* A strip of rows against one block. */
typedef struct Strip {
    int64_t m0, rows;
    bool a_in_place;
    const float *packed;
    TileSegment segment[K_PANEL / CHUNK]; /* of a whole panel */
} Strip;

/* The sums of one panel, k0 + k .. k0 + k + depth, of the tile at column j. */
static void run_tile(const Block *p, const Strip *s, int64_t j, int64_t k, float *out, int64_t ldo)
{
    const Gemm *g = p->g;
    const int nv = tile_vectors(p->n, j);
    const bool here = p->b_packed || p->n - j < nv * VL;
    const int64_t depth = min64(K_PANEL, p->depth - k), ldb = here ? nv * VL : g->ldb;
    const float *b = here ? p->packed + j * p->depth + k * ldb : p->b + k * ldb + p->n0 + j;
    if (g->trans_a) {
        const int64_t lda = s->a_in_place ? g->lda : CHUNK;
        const float *a = s->a_in_place ? p->a + s->m0 : s->packed;
        const TileWalk walk = {
            {1, 1, depth},
            {0, 0, lda  },
            {0, 0, ldb  }
        };
        tile_columns[nv - 1][s->rows - 1](a + k * lda, b, &walk, out, ldo);
        return;
    }
    const float *a = s->packed + k * TILE_ROWS_NARROW;
    const int64_t whole = depth / CHUNK;
    if (depth % CHUNK == 0) {
        tile_rows[nv - 1][s->rows - 1](a, s->segment, whole, b, ldb, out, ldo);
        return;
    }
    TileSegment segment[K_PANEL / CHUNK];
    for (int64_t i = 0; i < whole; i++) segment[i] = s->segment[i];
    segment[whole] = (TileSegment){s->segment[whole].offset, (int32_t)(depth % CHUNK)};
    tile_rows[nv - 1][s->rows - 1](a, segment, whole + 1, b, ldb, out, ldo);
}

/* All panels of the block for the tile at column j. */
static void multiply_tile(const Block *p, const Strip *s, int64_t j)
{
    const Gemm *g = p->g;
    _Alignas(64) float tile[TILE_ROWS * TILE_COLS], sum[TILE_ROWS * TILE_COLS];
    const int64_t columns = min64(TILE_COLS, p->n - j);
    float *c = p->c + s->m0 * g->ldc + p->n0 + j;
    const int n_steps = p->last ? g->n_steps : 0;
    Base base = {g->accumulate || !p->first ? c : NULL, g->ldc};
    if (!base.p && n_steps == 0 && p->depth <= K_PANEL && columns % VL == 0) {
        run_tile(p, s, j, 0, c, g->ldc);
        return;
    }
    for (int64_t k = 0;; k += K_PANEL) {
        const bool end = k + K_PANEL >= p->depth;
        const bool start = !base.p && !end; /* the first panel is the sum so far */
        run_tile(p, s, j, k, start ? sum : tile, TILE_COLS);
        if (end) break;
        if (base.p) add_tile(&base, tile, s->rows, columns, sum);
        base = (Base){sum, TILE_COLS};
    }
    const EpiloguePlace at = {p->range.item, s->m0, p->n0 + j, s->rows, columns};
    K(epilogue)(g->steps, n_steps, &at, tile, base.p, base.ld, c, g->ldc);
}

/* Part j .. j + TILE_COLS of n of what the next strip will read, and the rows of C of this one.
 * Inlined by force: gcc drops calls of functions that do nothing but prefetch. */
SIMD void prefetch_tile(const Block *p, const Strip *s, int64_t j, int64_t next_rows)
{
    const Gemm *g = p->g;
    const int64_t columns = min64(TILE_COLS, p->n - j);
    for (int64_t i = 0; i < s->rows; i++) prefetch(p->c, (s->m0 + i) * g->ldc + p->n0 + j, columns);
    const int64_t from = p->depth * j / p->n, to = p->depth * (j + columns) / p->n;
    for (int64_t i = 0; i < next_rows && !g->trans_a; i++)
        prefetch_first(p->a, (s->m0 + s->rows + i) * g->lda + from, to - from);
}

/* Rows m0..m1 of the block. */
static void sweep_rows(const Block *p, int64_t m0, int64_t m1)
{
    const Gemm *g = p->g;
    const int64_t n_strips = ceil_div(m1 - m0, TILE_ROWS), floats = gemm_strip_floats(p->depth);
    const int group = g->trans_a ? A_GROUP : 1;
    Strip s = {.a_in_place = g->trans_a && !g->bf16 && p->n <= PACK_TILES * TILE_COLS};
    for (int i = 0; i < K_PANEL / CHUNK; i++)
        s.segment[i] = (TileSegment){i * TILE_ROWS_NARROW * CHUNK, CHUNK};
    for (int64_t i = 0; i < n_strips; i++) {
        int64_t begin[A_GROUP + 2]; /* of this strip and the following */
        for (int q = 0; q < A_GROUP + 2; q++)
            begin[q] = m0 + part_begin(m1 - m0, n_strips, min64(i + q, n_strips));
        if (!s.a_in_place && i % group == 0)
            K(gemm_pack_a)(&p->range, begin, (int)min64(group, n_strips - i), p->strip);
        s.m0 = begin[0];
        s.rows = begin[1] - begin[0];
        s.packed = p->strip + i % group * floats;
        for (int64_t j = 0; j < p->n; j += TILE_COLS) {
            prefetch_tile(p, &s, j, begin[2] - begin[1]);
            multiply_tile(p, &s, j);
        }
    }
}

static void multiply_block(Block *p, int64_t m0, int64_t m1)
{
    const int64_t last_tile = (p->n - 1) / TILE_COLS * TILE_COLS;
    p->b_packed = p->g->trans_b || p->g->bf16 || p->g->format != WEIGHT_F32 ||
                  ceil_div(m1 - m0, TILE_ROWS) >= PACK_STRIPS;
    const int64_t skip = p->b_packed ? 0 : (p->n - last_tile) % VL == 0 ? p->n : last_tile;
    if (skip < p->n) /* tiles load whole vectors: at least the ragged one is padded */
        K(gemm_pack_b)(&p->range, p->n0 + skip, p->n - skip, p->packed + skip * p->depth);
    sweep_rows(p, m0, m1);
}

static void multiply_item(const Gemm *g, int64_t item, int64_t m0, int64_t m1, int64_t n0,
                          int64_t n1, float *scratch)
{
    const int64_t depth = block_depth(g), n_blocks = ceil_div(n1 - n0, block_columns(g));
    const int64_t columns = ceil_div(ceil_div(n1 - n0, n_blocks), TILE_COLS) * TILE_COLS;
    const int64_t n_row_floats = g->format == WEIGHT_F32 ? 0 : gemm_row_floats(min64(g->k, depth));
    float *rows = scratch + strip_floats(g);
    for (int64_t n = n0; n < n1; n += columns)
        for (int64_t k = 0; k == 0 || k < g->k; k += depth) {
            Block p = {
                .g = g,
                .a = g->a + item * g->stride_a + (g->trans_a ? k * g->lda : k),
                .b = g->format != WEIGHT_F32
                         ? NULL
                         : g->b + item * g->stride_b + (g->trans_b ? k : k * g->ldb),
                .c = g->c + item * g->stride_c,
                .range = {g, item, k, min64(depth, g->k - k), rows},
                .depth = min64(depth, g->k - k),
                .n0 = n,
                .n = min64(columns, n1 - n),
                .first = k == 0,
                .last = k + depth >= g->k,
                .strip = scratch,
                .packed = rows + n_row_floats,
            };
            multiply_block(&p, m0, m1);
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
        multiply_item(g, i, m0, m1, n0, n1, scratch);
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
