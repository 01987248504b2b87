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
 * One thread owns a block of C. For each panel of k and each block of columns it packs B into L2
 * (zero-padded to whole vectors), then goes down its rows: a strip of at most TILE_ROWS rows of A
 * is swept over the columns, while the next strip is asked for. With one block of columns a strip
 * is packed into L1 when its turn comes; with more, all strips are packed before, once for all
 * blocks. Where panels are whole lines, tiles do the packing between their multiply-adds: those of
 * the first strip pack B, the others the next strip. Where a strip or a column is used too few
 * times to pay for the packing it is read in place. */
#include "cpu/epilogue.h"
#include "cpu/gemm_few.h"
#include "cpu/gemm_pack.h"

enum { K_PANEL = 256 };
/* Of packed B: what leaves room in 1 MB of L2. */
enum { BLOCK_FLOATS = 200 * 1024 };
/* Of packed A, where several blocks of columns share it. */
enum { ROWS_FLOATS = 1024 * 1024 };
/* Rows of a transposed A that are packed at once, in L2: the rows of one k are neighbours. */
enum { GROUP_ROWS = 64 / TILE_ROWS * TILE_ROWS };
/* Strips that one call packs. */
enum { A_GROUP = 32 };
/* A thread's part of C that it holds between panels of k, at most: see Block.held. */
enum { HELD_FLOATS = 1024 * 1024 };
/* Fewer strips than this read B in place when its rows are contiguous; so do up to so many rows of
 * C when those of B are no farther apart than FEW_PAGES, and any number when they are NEAR. */
enum { PACK_STRIPS = 3, IN_PLACE_ROWS = 100, FEW_PAGES = 1000, NEAR = 128 };
/* Rows of B that are farther apart are packed from end to end: each lies in a page of its own. */
enum { FAR = 4096 };
/* A transposed A is read in place when fewer tiles than this stand side by side. */
enum { PACK_TILES = 3 };
/* Tiles side by side up to which A is packed by the tiles when B is not: more of them make up for a
 * packing before. */
enum { COPY_TILES = 4 };

/* How many threads share the batch, the rows and the columns. */
typedef struct Split {
    int64_t batch, m, n;
} Split;

/* A panel of k and a block of columns within one thread's part. */
typedef struct Block {
    const Gemm *g;
    const float *a; /* a(0, first k) of this batch item */
    const float *b; /* b(first k, 0) */
    float *c;
    /* The sums of the panels before, (0, 0) of C, or NULL: they are in C. Where threads share rows
     * of C they would take lines from each other panel after panel (512 cubed on two threads: 1.58
     * ms, 1.40 with sums held apart, 1.24 without shared rows); where rows do not begin on a line,
     * every vector lies in two. */
    float *held;
    int64_t ld_held;
    PackRange range;
    int64_t depth, n0, n;
    bool first, last;
    bool b_packed, copies_b; /* copies: tiles pack what others will read */
    bool a_packed, copies_a; /* packed: nothing is to be done when a strip's turn comes */
    int64_t n_held;          /* strips that `strip` holds: strip i is at i % n_held */
    float *strip;            /* packed A */
    float *packed;           /* packed B */
} Block;

/* In multiply-adds of one k. Packing moves a number of A or B in the time of several lanes of them.
 * Threads that share rows of C also share lines, or the hardware's prefetching runs from one's
 * columns into the other's: a store then waits for the other core. */
enum { SHARED_ROW = 5 };

static int64_t split_cost(const Gemm *g, const Split *s)
{
    const int64_t batch = ceil_div(g->batch, s->batch), m = ceil_div(g->m, s->m);
    const int64_t n = ceil_div(ceil_div(g->n, VL), s->n) * VL;
    const int64_t edge = s->n > 1 ? SHARED_ROW * m : 0;
    return batch * (m * n + 2 * m + (g->trans_b ? 6 : 2) * n + edge);
}

/* The cheapest split of the threads over batch, rows and columns; rows rather than columns. */
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
            if (cost <= best_cost) best_cost = cost, best = s;
        }
    }
    return best;
}

/* A product with n columns in a block: whether a strip is used too few times to pay for packing. */
static bool reads_a_in_place(const Gemm *g, int64_t n)
{
    return g->trans_a && !g->bf16 && n <= PACK_TILES * TILE_COLS;
}

/* How blocks are cut: the same for every thread. */
typedef struct Blocking {
    int64_t depth;
    int64_t rows;    /* of A that are packed at once; 0: a strip or a group of them */
    int64_t columns; /* whole tiles */
    bool copies;     /* tiles can pack */
    int64_t strip_floats, row_floats, packed_floats;
    int64_t held_floats, ld_held; /* 0: what is summed lies in C */
} Blocking;

static Blocking choose_blocking(const Gemm *g, const Split *s)
{
    const int64_t depth = max64(1, min64(g->k, K_PANEL));
    const int64_t most = min64(N_BLOCK, BLOCK_FLOATS / depth / TILE_COLS * TILE_COLS);
    const int64_t m = ceil_div(g->m, s->m), n = ceil_div(ceil_div(g->n, VL), s->n) * VL;
    const int64_t n_blocks = max64(1, ceil_div(n, most));
    Blocking k = {.depth = depth};
    k.copies =
        !g->bf16 && g->k > 0 && g->k % CHUNK == 0 && (!g->trans_b || n <= COPY_TILES * TILE_COLS);
    k.columns = ceil_div(ceil_div(n, n_blocks), TILE_COLS) * TILE_COLS;
    k.packed_floats = gemm_tile_at(depth, min64(k.columns, n));
    k.row_floats = g->format == WEIGHT_F32 ? 0 : gemm_row_floats(depth);
    k.strip_floats = (k.copies ? 2 : 1) * gemm_strip_floats(depth);
    k.ld_held = ceil_div(n, CHUNK) * CHUNK + CHUNK;
    if ((g->n % CHUNK != 0 || s->n > 1) && g->k > K_PANEL && m * k.ld_held <= HELD_FLOATS)
        k.held_floats = m * k.ld_held;
    if (n_blocks == 1 && !k.copies && g->trans_a && !reads_a_in_place(g, n)) {
        k.rows = min64(GROUP_ROWS, ceil_div(m, TILE_ROWS) * TILE_ROWS);
        k.strip_floats = k.rows / TILE_ROWS * gemm_strip_floats(depth);
    }
    if (n_blocks > 1) {
        const int64_t row_blocks = max64(1, ceil_div(m * depth, ROWS_FLOATS));
        k.rows = ceil_div(ceil_div(m, row_blocks), TILE_ROWS) * TILE_ROWS;
        k.strip_floats = ceil_div(k.rows, TILE_ROWS) * gemm_strip_floats(depth);
    }
    return k;
}

static size_t thread_floats(const Blocking *k)
{
    const int64_t packed = k->strip_floats + k->row_floats + k->packed_floats;
    return (size_t)(ceil_div(packed, CHUNK) * CHUNK + k->held_floats);
}

size_t K(gemm_scratch)(const Gemm *g)
{
    const Split s = choose_split(g);
    const Blocking k = choose_blocking(g, &s);
    return (size_t)(s.batch * s.m * s.n) * thread_floats(&k) * sizeof(float);
}

/* A strip of rows against one block. */
typedef struct Strip {
    int64_t m0, rows, next_rows;
    bool first, a_in_place;
    const float *packed;
    float *next; /* the next one, packed or to be packed */
    TileSegment segment[K_PANEL / CHUNK];
} Strip;

/* base + the sums of the tile at column j. */
static void run_tile(const Block *p, const Strip *s, int64_t j, const TileBase *base, float *out,
                     int64_t ldo)
{
    const Gemm *g = p->g;
    const int nv = tile_vectors(p->n, j);
    const bool here = p->b_packed || p->n - j < nv * VL;
    const int64_t ldb = here ? nv * VL : g->ldb;
    const float *b = here ? p->packed + gemm_tile_at(p->depth, j) : p->b + p->n0 + j;
    if (!g->trans_a) {
        const int64_t n_segments = ceil_div(p->depth, CHUNK);
        tile_rows_add[nv - 1][s->rows - 1](s->packed, s->segment, n_segments, b, ldb, base, out,
                                           ldo);
        return;
    }
    const int64_t lda = s->a_in_place ? g->lda : STRIP_ROWS;
    const int64_t line = p->depth % CHUNK == 0 ? CHUNK : p->depth;
    const TileWalk walk = {
        {1, p->depth / max64(1, line), line},
        {0, line * lda,                   lda             },
        {0, line * ldb,                   ldb}
    };
    tile_columns_add[nv - 1][s->rows - 1](s->a_in_place ? p->a + s->m0 : s->packed, b, &walk, base,
                                          out, ldo);
}

/* What the tile at column j copies: of B the tile to its right, when nothing else has been packed
 * yet; or its share of the next strip, in rows of A or, when A is transposed, in numbers of k. */
static TileCopy choose_copy(const Block *p, const Strip *s, int64_t j)
{
    const Gemm *g = p->g;
    const int64_t right = j + TILE_COLS, n_chunks = p->depth / CHUNK;
    if (p->copies_b && s->first) {
        const int64_t lines = p->n - right >= TILE_COLS ? CHUNK : 0;
        return (TileCopy){p->b + p->n0 + right,
                          p->packed + gemm_tile_at(p->depth, right),
                          lines,
                          lines * n_chunks,
                          TILE_COLS,
                          g->ldb,
                          TILE_COLS,
                          CHUNK * g->ldb,
                          CHUNK * TILE_COLS,
                          TILE_COLS};
    }
    const int64_t n_tiles = ceil_div(p->n, TILE_COLS), tile = j / TILE_COLS;
    if (!p->copies_a || s->next_rows == 0) return (TileCopy){0};
    const float *a = p->a + (s->m0 + s->rows) * (g->trans_a ? 1 : g->lda);
    if (!g->trans_a) {
        const int64_t row = part_begin(s->next_rows, n_tiles, tile),
                      rows = part_begin(s->next_rows, n_tiles, tile + 1) - row;
        return (TileCopy){a + row * g->lda,
                          s->next + row * CHUNK,
                          rows,
                          rows * n_chunks,
                          CHUNK,
                          g->lda,
                          CHUNK,
                          CHUNK,
                          STRIP_ROWS * CHUNK,
                          rows * g->lda};
    }
    const int64_t lines = ceil_div(p->depth, n_tiles * n_chunks);
    const int64_t k = min64(p->depth, tile * lines * n_chunks), end = k + lines * n_chunks;
    const int64_t n = min64(p->depth, end) - k;
    return (TileCopy){a + k * g->lda,
                      s->next + k * STRIP_ROWS,
                      lines,
                      n,
                      s->next_rows,
                      g->lda,
                      STRIP_ROWS,
                      lines * g->lda,
                      lines * STRIP_ROWS,
                      end < p->depth ? n * g->lda : s->next_rows - k * g->lda};
}

/* Where the sums of the panels before are, for rows from s->m0 and columns from j on. */
SIMD const float *sums_before(const Block *p, const Strip *s, int64_t j, int64_t *ld)
{
    const bool held = p->held && !p->first;
    *ld = held ? p->ld_held : p->g->ldc;
    return (held ? p->held : p->c) + s->m0 * *ld + p->n0 + j;
}

/* The tile at column j, added to C when it is to be. The sums go to C at once when they are whole
 * vectors and nothing else is to be done to them. */
static void multiply_tile(const Block *p, const Strip *s, int64_t j)
{
    const Gemm *g = p->g;
    _Alignas(64) float tile[TILE_ROWS * TILE_COLS];
    const int64_t columns = min64(TILE_COLS, p->n - j);
    float *c = p->c + s->m0 * g->ldc + p->n0 + j;
    const int n_steps = p->last ? g->n_steps : 0;
    const float *ahead = s->next + j / TILE_COLS * ceil_div(p->depth, CHUNK) * TILE_AHEAD * CHUNK;
    TileBase base = {NULL, g->ldc, ahead, choose_copy(p, s, j)};
    if (g->accumulate || !p->first) base.p = sums_before(p, s, j, &base.ld);
    if (n_steps == 0 && columns % VL == 0 && !(p->held && !p->last)) {
        run_tile(p, s, j, &base, c, g->ldc);
        return;
    }
    if (base.p && columns % VL != 0) { /* tiles load whole vectors */
        for (int64_t i = 0; i < s->rows; i++)
            for (int64_t v = 0; v < columns; v += VL)
                vf_store(tile + i * TILE_COLS + v,
                         vf_load_n(base.p + i * base.ld + v, min64(VL, columns - v)));
        base.p = tile, base.ld = TILE_COLS;
    }
    if (p->held && !p->last) { /* whole vectors, there is room for them */
        run_tile(p, s, j, &base, p->held + s->m0 * p->ld_held + p->n0 + j, p->ld_held);
        return;
    }
    run_tile(p, s, j, &base, tile, TILE_COLS);
    const EpiloguePlace at = {p->range.item, s->m0, p->n0 + j, s->rows, columns};
    K(epilogue)(g->steps, n_steps, &at, tile, NULL, 0, c, g->ldc);
}

/* Part j .. j + TILE_COLS of n of what the next strip will read, and the rows of C of this one.
 * Inlined by force: gcc drops calls of functions that do nothing but prefetch. */
SIMD void prefetch_tile(const Block *p, const Strip *s, int64_t j)
{
    const Gemm *g = p->g;
    const int64_t columns = min64(TILE_COLS, p->n - j);
    int64_t ld;
    const float *sums = sums_before(p, s, j, &ld);
    for (int64_t i = 0; i < s->rows; i++) prefetch(sums, i * ld, columns);
    if (p->a_packed || p->copies_a || g->trans_a) return;
    const int64_t from = p->depth * j / p->n, to = p->depth * (j + columns) / p->n;
    for (int64_t i = 0; i < s->next_rows; i++)
        prefetch_first(p->a, (s->m0 + s->rows + i) * g->lda + from, to - from);
}

/* The first row of each of n strips from strip i on, and the end of the last. */
static void cut_strips(int64_t m0, int64_t m1, int64_t i, int n, int64_t begin[])
{
    const int64_t n_strips = ceil_div(m1 - m0, TILE_ROWS);
    for (int q = 0; q <= n; q++)
        begin[q] = m0 + part_begin(m1 - m0, n_strips, min64(i + q, n_strips));
}

/* Packs strips i .. i + n of rows m0..m1. */
static void pack_strips(const Block *p, int64_t m0, int64_t m1, int64_t i, int n)
{
    int64_t begin[A_GROUP + 1];
    const int64_t at = i % p->n_held * gemm_strip_floats(p->depth);
    cut_strips(m0, m1, i, n, begin);
    K(gemm_pack_a)(&p->range, begin, n, p->strip + at);
}

/* Rows m0..m1 of the block. */
static void sweep_rows(const Block *p, int64_t m0, int64_t m1)
{
    const Gemm *g = p->g;
    const int64_t n_strips = ceil_div(m1 - m0, TILE_ROWS), floats = gemm_strip_floats(p->depth);
    Strip s = {.a_in_place = reads_a_in_place(g, p->n)};
    for (int32_t i = 0; i * CHUNK < p->depth; i++)
        s.segment[i] =
            (TileSegment){i * STRIP_ROWS * CHUNK, (int32_t)min64(CHUNK, p->depth - i * CHUNK)};
    for (int64_t i = 0; i < n_strips; i++) {
        int64_t begin[3]; /* of this strip and the next */
        cut_strips(m0, m1, i, 2, begin);
        const bool copied = p->copies_a && i > (p->copies_b ? 1 : 0);
        if (!p->a_packed && !s.a_in_place && !copied) pack_strips(p, m0, m1, i, 1);
        s.first = i == 0;
        s.m0 = begin[0];
        s.rows = begin[1] - begin[0];
        s.next_rows = begin[2] - begin[1];
        s.packed = p->strip + i % p->n_held * floats;
        s.next = p->strip + (i + 1) % p->n_held * floats;
        for (int64_t j = 0; j < p->n; j += TILE_COLS) {
            prefetch_tile(p, &s, j);
            multiply_tile(p, &s, j);
        }
    }
}

/* Packs columns j..j + n of the block's B. */
static void pack_columns(const Block *p, int64_t j, int64_t n)
{
    if (n > 0) K(gemm_pack_b)(&p->range, p->n0 + j, n, p->packed + gemm_tile_at(p->depth, j));
}

/* Rows m0..m1; when `again`, what is packed of B is there from the rows before. Tiles load whole
 * vectors: of a B that is read in place, at least a ragged last tile is padded. Tiles that pack
 * begin with the second column of tiles and leave the ragged one. */
static void multiply_block(Block *p, int64_t m0, int64_t m1, bool again)
{
    const Gemm *g = p->g;
    const int64_t whole = p->n / TILE_COLS * TILE_COLS;
    const bool must = g->trans_b || g->bf16 || g->format != WEIGHT_F32;
    const int64_t near = m1 - m0 <= IN_PLACE_ROWS ? FEW_PAGES : NEAR;
    p->b_packed = must || (ceil_div(m1 - m0, TILE_ROWS) >= PACK_STRIPS && g->ldb > near);
    p->copies_b = p->b_packed && !must && !again && g->k > 0 && g->k % CHUNK == 0 && g->ldb <= FAR;
    const int64_t ragged = (p->n - whole) % VL == 0 ? p->n : whole;
    if (!again && p->copies_b) {
        pack_columns(p, 0, min64(p->n, TILE_COLS));
        pack_columns(p, max64(whole, TILE_COLS), p->n - max64(whole, TILE_COLS));
    } else if (!again) {
        const int64_t from = p->b_packed ? 0 : ragged;
        pack_columns(p, from, p->n - from);
    }
    sweep_rows(p, m0, m1);
}

static void multiply_item(const Gemm *g, const Blocking *size, const TilePart *t, float *scratch)
{
    if (g->trans_b && t->m1 - t->m0 <= FEW_ROWS && !g->bf16 && g->format == WEIGHT_F32) {
        K(gemm_few)(g, t, K_PANEL);
        return;
    }
    const int64_t item = t->item;
    const int64_t n_rows = size->rows ? size->rows : t->m1 - t->m0;
    const int64_t n_blocks = ceil_div(t->n1 - t->n0, size->columns);
    float *rows = scratch + size->strip_floats, *held = NULL;
    if (size->held_floats > 0) /* at the end of the thread's scratch; (0, 0) may lie before it */
        held = scratch + (int64_t)thread_floats(size) - size->held_floats - t->m0 * size->ld_held -
               t->n0;
    for (int64_t k = 0; k == 0 || k < g->k; k += size->depth)
        for (int64_t m = t->m0; m < t->m1; m += n_rows) {
            Block p = {
                .g = g,
                .a = g->a + item * g->stride_a + (g->trans_a ? k * g->lda : k),
                .b = g->format != WEIGHT_F32
                         ? NULL
                         : g->b + item * g->stride_b + (g->trans_b ? k : k * g->ldb),
                .c = g->c + item * g->stride_c,
                .held = held,
                .ld_held = size->ld_held,
                .range = {g, item, k, min64(size->depth, g->k - k), rows},
                .depth = min64(size->depth, g->k - k),
                .first = k == 0,
                .last = k + size->depth >= g->k,
                .strip = scratch,
                .packed = rows + size->row_floats,
            };
            const int64_t m1 = min64(m + n_rows, t->m1), n_strips = ceil_div(m1 - m, TILE_ROWS);
            p.n_held = size->rows > 0 ? n_strips : size->copies ? 2 : 1;
            for (int64_t i = 0; i < n_strips && size->rows > 0 && !size->copies; i += A_GROUP)
                pack_strips(&p, m, m1, i, (int)min64(A_GROUP, n_strips - i));
            for (int64_t n = t->n0; n < t->n1; n += size->columns) {
                p.a_packed = size->rows > 0 && (!size->copies || n > t->n0);
                p.copies_a = size->copies && !p.a_packed &&
                             !reads_a_in_place(g, min64(size->columns, t->n1 - n));
                p.n0 = n;
                p.n = min64(size->columns, t->n1 - n);
                multiply_block(&p, m, m1, m > t->m0 && n_blocks == 1);
            }
        }
}

/* The block of thread t: thread t of the split owns part t of batch, rows and columns. */
static void multiply_part(const Gemm *g, const Split *s, const Blocking *size, int64_t t,
                          float *scratch)
{
    const int64_t tn = t % s->n, tm = t / s->n % s->m, tb = t / s->n / s->m;
    const int64_t vectors = ceil_div(g->n, VL);
    TilePart p = {.m0 = part_begin(g->m, s->m, tm), .m1 = part_begin(g->m, s->m, tm + 1)};
    p.n0 = min64(g->n, part_begin(vectors, s->n, tn) * VL);
    p.n1 = min64(g->n, part_begin(vectors, s->n, tn + 1) * VL);
    if (p.m0 == p.m1 || p.n0 == p.n1) return;
    const int64_t last = part_begin(g->batch, s->batch, tb + 1);
    for (p.item = part_begin(g->batch, s->batch, tb); p.item < last; p.item++)
        multiply_item(g, size, &p, scratch);
}

void K(gemm)(const Gemm *g, void *scratch)
{
    const Split s = choose_split(g);
    const Blocking size = choose_blocking(g, &s);
    const int64_t parts = s.batch * s.m * s.n;
    if (parts == 1) {
        multiply_part(g, &s, &size, 0, scratch);
        return;
    }
    const size_t floats = thread_floats(&size);
#pragma omp parallel for num_threads((int)parts) schedule(static)
    for (int64_t t = 0; t < parts; t++)
        multiply_part(g, &s, &size, t, (float *)scratch + (size_t)t * floats);
}
