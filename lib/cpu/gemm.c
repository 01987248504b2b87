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
 * (zero-padded to whole vectors), then goes down its rows, a strip of at most GEMM_ROWS at a time,
 * while the next strip is asked for. A is read where it lies, transposed or not: with wide tiles,
 * to pack it costs more than it saves. So is B when its rows are near each other or are used too
 * few times.
 *
 * Parts with few rows or columns and products with few k go to gemm_skinny and gemm_thin, which
 * compute the same chains. */
#include "cpu/gemm_pack.h"
#include "cpu/gemm_skinny.h"
#include "cpu/gemm_thin.h"

/* Of packed B: what leaves room in 1 MB of L2. */
enum { BLOCK_FLOATS = 200 * 1024 };
/* Of A that is copied at once. */
enum { COPY_FLOATS = 1024 * 1024 };
/* A thread's part of C that it holds between panels of k, at most: see Block.held. */
enum { HELD_FLOATS = 1024 * 1024 };
/* Rows of C that read B in place when its rows are contiguous: up to FEW_ROWS, more the nearer the
 * rows of B are to each other (rows times their distance), and any number when they are NEAR. */
enum { FEW_ROWS = 28, IN_PLACE_FLOATS = 200 * 1024, NEAR = 128 };
/* Walks down a transposed A that a copy costs; with fewer k, it stays in L1. */
enum { WALKS = 6, COPY_DEPTH = 64 };
/* The next block of B is asked for where B has so many numbers, more than L2 holds, and C not more
 * rows than that: with more, it would wait in L2 for too long, and take the room of this one. */
enum { COMING_FLOATS = 1024 * 1024, COMING_ROWS = 600 };
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
    bool cheap; /* all steps can be done in the kernel's registers */
    bool b_packed;
    const float *copy; /* of A, or NULL */
    float *packed;     /* B */
    /* The block of B that comes next, where it lies: 0 lines when it is not to be asked for. */
    const float *coming;
    int64_t coming_lines, coming_floats;
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

/* A product with n columns in a block: whether A is copied, because it is to be rounded, or because
 * narrow tiles would walk down a transposed A too often. */
static bool copies_a(const Gemm *g, int64_t n)
{
    const bool narrow = GEMM_COLS < 4 * CHUNK;
    return g->bf16 || (narrow && g->trans_a && g->k > COPY_DEPTH && n > WALKS * GEMM_COLS);
}

/* How blocks are cut: the same for every thread. */
typedef struct Blocking {
    int64_t depth;
    int64_t rows;    /* of A that are copied at once; 0: A is read in place */
    int64_t columns; /* whole tiles */
    int64_t copy_floats, row_floats, packed_floats;
    int64_t held_floats, ld_held; /* 0: what is summed lies in C */
} Blocking;

static Blocking choose_blocking(const Gemm *g, const Split *s)
{
    const int64_t depth = max64(1, min64(g->k, K_PANEL));
    const int64_t most = min64(N_BLOCK, BLOCK_FLOATS / depth / GEMM_COLS * GEMM_COLS);
    const int64_t m = ceil_div(g->m, s->m), n = ceil_div(ceil_div(g->n, VL), s->n) * VL;
    const int64_t n_blocks = max64(1, ceil_div(n, most));
    Blocking k = {.depth = depth};
    k.columns = ceil_div(ceil_div(n, n_blocks), GEMM_COLS) * GEMM_COLS;
    k.packed_floats = gemm_tile_at(depth, min64(k.columns, n));
    k.row_floats = g->format == WEIGHT_F32 ? 0 : gemm_row_floats(depth);
    k.ld_held = ceil_div(n, CHUNK) * CHUNK + CHUNK;
    if ((g->n % CHUNK != 0 || s->n > 1) && g->k > K_PANEL && m * k.ld_held <= HELD_FLOATS)
        k.held_floats = m * k.ld_held;
    if (copies_a(g, n)) {
        k.rows = min64(m, max64(GEMM_ROWS, COPY_FLOATS / depth));
        k.copy_floats = ceil_div(k.rows, GEMM_ROWS) * gemm_strip_floats(depth);
    }
    return k;
}

static size_t thread_floats(const Blocking *k)
{
    const int64_t packed = k->copy_floats + k->row_floats + k->packed_floats;
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
    int64_t line, end_line; /* its part of the lines of B that come next */
    const float *a;         /* a(i, k) is at a + i * a_row + k * a_step */
    int64_t a_row, a_step;
} Strip;

/* Where the sums of the panels before are, for rows from s->m0 and columns from j on. */
SIMD const float *sums_before(const Block *p, const Strip *s, int64_t j, int64_t *ld)
{
    const bool held = p->held && !p->first;
    *ld = held ? p->ld_held : p->g->ldc;
    return (held ? p->held : p->c) + s->m0 * *ld + p->n0 + j;
}

/* The tile at column j: from the kernel's registers to where it goes, unless it ends within a
 * vector or a step takes a function. */
static void multiply_tile(const Block *p, const Strip *s, int64_t j)
{
    const Gemm *g = p->g;
    _Alignas(64) float sums[GEMM_ROWS * GEMM_COLS];
    const int nv = gemm_vectors(p->n, j);
    const int64_t columns = min64(GEMM_COLS, p->n - j), n = p->n0 + j;
    const bool hold = p->held && !p->last;
    const EpiloguePlace at = {p->range.item, s->m0, n, s->rows, columns, GEMM_COLS};
    GemmTile t = {.a = s->a, .a_row = s->a_row, .a_step = s->a_step, .depth = p->depth, .at = &at};
    const bool packed = p->b_packed || columns < nv * VL;
    t.ldb = packed ? nv * VL : g->ldb;
    t.b = packed ? p->packed + gemm_tile_at(p->depth, j) : p->b + n;
    t.ldo = hold ? p->ld_held : g->ldc;
    t.out = (hold ? p->held : p->c) + s->m0 * t.ldo + n;
    t.steps = g->steps, t.n_steps = p->last ? g->n_steps : 0;
    if (g->accumulate || !p->first) t.base = sums_before(p, s, j, &t.ldbase);
    if (columns == nv * VL && (p->cheap || !p->last)) {
        gemm_kernel[nv - 1][s->rows - 1](&t);
        return;
    }
    GemmTile plain = t;
    plain.base = NULL, plain.n_steps = 0, plain.out = sums, plain.ldo = GEMM_COLS;
    gemm_kernel[nv - 1][s->rows - 1](&plain);
    K(epilogue)(t.steps, t.n_steps, &at, sums, t.base, t.ldbase, t.out, t.ldo);
}

/* What the tile at column j will read last: C and what the steps read.
 * Inlined by force: gcc drops calls of functions that do nothing but prefetch. */
SIMD void prefetch_tile(const Block *p, const Strip *s, int64_t j)
{
    const Gemm *g = p->g;
    const int64_t columns = min64(GEMM_COLS, p->n - j);
    int64_t ld;
    const float *sums = sums_before(p, s, j, &ld);
    for (int64_t i = 0; i < s->rows; i++) prefetch(sums, i * ld, columns);
    for (int e = 0; p->last && e < g->n_steps; e++) {
        const EpilogueStep *step = &g->steps[e];
        const int64_t ld_step = step->row_stride;
        const int64_t at = p->range.item * step->batch_stride + s->m0 * ld_step + p->n0 + j;
        for (int64_t i = 0; step->operand && ld_step != 0 && i < s->rows; i++)
            prefetch(step->operand, at + i * ld_step, columns);
    }
}

/* That tile's part of the next block of B and of the next strip of A. */
SIMD void prefetch_next(const Block *p, const Strip *s, int64_t j)
{
    const Gemm *g = p->g;
    const int64_t right = min64(j + GEMM_COLS, p->n);
    const int64_t k = p->depth * j / p->n, k_end = p->depth * right / p->n;
    const int64_t at = g->trans_b ? k : j,
                  end = g->trans_b ? k_end : min64(right, p->coming_floats);
    for (int64_t i = s->line; i < s->end_line; i++) prefetch(p->coming, i * g->ldb + at, end - at);
    if (p->copy || s->next_rows == 0) return;
    for (int64_t i = s->rows; !g->trans_a && i < s->rows + s->next_rows; i++)
        prefetch(s->a, i * g->lda + k, k_end - k);
    for (int64_t i = k; g->trans_a && i < k_end; i++)
        prefetch(s->a, i * g->lda + s->rows + s->next_rows - 1, 1);
}

/* Rows m0..m1 of the block. */
static void sweep_rows(const Block *p, int64_t m0, int64_t m1)
{
    const Gemm *g = p->g;
    const int64_t n_strips = ceil_div(m1 - m0, GEMM_ROWS);
    Strip s = {.a_row = p->copy ? p->depth : g->lda, .a_step = 1};
    if (g->trans_a) s.a_row = 1, s.a_step = p->copy ? STRIP_ROWS : g->lda;
    for (int64_t i = 0; i < n_strips; i++) {
        const int64_t next = gemm_strip_begin(m0, m1, i + 1);
        s.m0 = gemm_strip_begin(m0, m1, i);
        s.rows = next - s.m0;
        s.next_rows = gemm_strip_begin(m0, m1, i + 2) - next;
        if (p->coming_lines > 0) {
            s.line = part_begin(p->coming_lines, n_strips, i);
            s.end_line = part_begin(p->coming_lines, n_strips, i + 1);
        }
        s.a = p->copy ? p->copy + i * gemm_strip_floats(p->depth) : p->a + s.m0 * s.a_row;
        for (int64_t j = 0; j < p->n; j += GEMM_COLS) {
            prefetch_tile(p, &s, j);
            prefetch_next(p, &s, j);
            multiply_tile(p, &s, j);
        }
    }
}

/* Whether so many rows of C want B packed. */
static bool packs_b(const Gemm *g, int64_t rows)
{
    if (g->trans_b || g->bf16 || g->format != WEIGHT_F32) return true;
    return rows > FEW_ROWS && rows * g->ldb > IN_PLACE_FLOATS && g->ldb > NEAR;
}

/* Rows m0..m1; when `again`, what is packed of B is there from the rows before. Kernels load whole
 * vectors: of a B that is read in place, a last tile that ends within one is padded. */
static void multiply_block(Block *p, int64_t m0, int64_t m1, bool again)
{
    p->b_packed = packs_b(p->g, m1 - m0);
    const int64_t ragged = p->n % VL == 0 ? p->n : p->n / GEMM_COLS * GEMM_COLS;
    const int64_t from = p->b_packed ? 0 : ragged;
    float *to = p->packed + gemm_tile_at(p->depth, from);
    if (!again && from < p->n) {
        K(gemm_pack_b)(&p->range, p->n0 + from, p->n - from, to);
    }
    sweep_rows(p, m0, m1);
}

/* The block after this one: to its right, or the first of the next panel. */
static void find_coming(Block *p, const Blocking *size, const TilePart *t)
{
    const Gemm *g = p->g;
    const bool wraps = p->n0 + p->n >= t->n1;
    const int64_t n = wraps ? t->n0 : p->n0 + p->n, k = p->range.k0 + (wraps ? p->depth : 0);
    const int64_t rows = t->m1 - t->m0;
    p->coming_lines = 0;
    if (k >= g->k || !p->b || rows > COMING_ROWS || g->k * (t->n1 - t->n0) < COMING_FLOATS) return;
    if (!g->trans_b && packs_b(g, rows)) return; /* lines that follow each other, asked for then */
    const int64_t depth = min64(size->depth, g->k - k), columns = min64(size->columns, t->n1 - n);
    p->coming = g->b + t->item * g->stride_b + (g->trans_b ? n * g->ldb + k : k * g->ldb + n);
    p->coming_lines = g->trans_b ? columns : depth;
    p->coming_floats = g->trans_b ? depth : columns;
}

/* Few k: block after block of columns. */
static void multiply_thin(const Gemm *g, const Blocking *size, const TilePart *t, float *packed)
{
    const PackRange range = {g, t->item, 0, g->k, NULL};
    TilePart block = *t;
    for (; block.n0 < t->n1; block.n0 += size->columns) {
        block.n1 = min64(block.n0 + size->columns, t->n1);
        K(gemm_pack_b)(&range, block.n0, block.n1 - block.n0, packed);
        K(gemm_thin)(g, &block, packed);
    }
}

static void multiply_item(const Gemm *g, const Blocking *size, const TilePart *t, float *scratch)
{
    if (K(gemm_is_skinny)(g, t)) {
        K(gemm_skinny)(g, t);
        return;
    }
    if (g->k > 0 && g->k <= THIN_DEPTH && g->n >= TILE_COLS && !g->bf16 &&
        g->format == WEIGHT_F32) {
        multiply_thin(g, size, t, scratch + size->copy_floats + size->row_floats);
        return;
    }
    const int64_t item = t->item;
    const int64_t n_rows = size->rows ? size->rows : t->m1 - t->m0;
    const int64_t n_blocks = ceil_div(t->n1 - t->n0, size->columns);
    float *rows = scratch + size->copy_floats, *held = NULL;
    if (size->held_floats > 0) /* at the end of the thread's scratch; (0, 0) may lie before it */
        held = scratch + (int64_t)thread_floats(size) - size->held_floats - t->m0 * size->ld_held -
               t->n0;
    bool cheap = true;
    for (int s = 0; s < g->n_steps; s++) cheap = cheap && epilogue_is_cheap(g->steps[s].op);
    for (int64_t k = 0; k == 0 || k < g->k; k += size->depth)
        for (int64_t m = t->m0; m < t->m1; m += n_rows) {
            const int64_t m1 = min64(m + n_rows, t->m1);
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
                .cheap = cheap,
                .copy = size->rows ? scratch : NULL,
                .packed = rows + size->row_floats,
            };
            if (p.copy) K(gemm_copy_a)(&p.range, m, m1, scratch);
            for (p.n0 = t->n0; p.n0 < t->n1; p.n0 += size->columns) {
                p.n = min64(size->columns, t->n1 - p.n0);
                find_coming(&p, size, t);
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
