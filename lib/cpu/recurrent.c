/* recurrent -- see recurrent.h. */
#include "cpu/recurrent.h"

#include <string.h>

/* Most rows of a tile of 1 to 4 vectors. */
#if defined(__AVX512F__)
enum { ROWS_1 = 12, ROWS_2 = 12, ROWS_3 = 8, ROWS_4 = 6 };
#elif defined(__AVX2__)
enum { ROWS_1 = 6, ROWS_2 = 6, ROWS_3 = 4, ROWS_4 = 3 };
#else
enum { ROWS_1 = 12, ROWS_2 = 12, ROWS_3 = 8, ROWS_4 = 6 };
#endif
enum { MOST_SUMS = 24 }; /* vectors of a tile */
/* Threads share the rows, and then never wait for each other, when the weights stay in each one's
 * L2, or when a thread's rows are so many that reading all weights each step costs it little: for n
 * rows n / 2 operations a byte, where 118 GFLOP/s a core against 100 GB/s of L3 need one. */
enum { OWN_WEIGHTS_BYTES = 768 << 10, OWN_ROWS = 12 };

/* -- The tile -- */

/* groups times `width` numbers of state, each group in segments that start anew. */
typedef struct Depth {
    int64_t groups, width;
    int64_t segment; /* floats from one segment to the next: rows * CHUNK */
} Depth;

/* p and nv are constants in each instance: all loops over them unroll. */
SIMD void tile_body(int p, int nv, const float *x, const Depth *d, const float *w, float *out)
{
    vf sum[MOST_SUMS];
#pragma GCC unroll 24
    for (int i = 0; i < p * nv; i++) sum[i] = vf_zero();
    for (int64_t group = 0; group < d->groups; group++)
        for (int64_t k = 0; k < d->width; k += CHUNK, x += d->segment) {
            const int64_t n = min64(CHUNK, d->width - k);
            for (int64_t j = 0; j < n; j++, w += nv * VL) {
                vf v[4];
#pragma GCC unroll 4
                for (int c = 0; c < nv; c++) v[c] = vf_load(w + c * VL);
#pragma GCC unroll 12
                for (int i = 0; i < p; i++) {
                    const vf h = vf_set1(x[i * CHUNK + j]);
#pragma GCC unroll 4
                    for (int c = 0; c < nv; c++) sum[i * nv + c] = vf_fma(h, v[c], sum[i * nv + c]);
                }
            }
        }
#pragma GCC unroll 24
    for (int i = 0; i < p * nv; i++) vf_store(out + i * VL, sum[i]);
}

typedef void Tile(const float *x, const Depth *d, const float *w, float *out);

#define TILE(p, nv)                                                                                \
    static void tile_##p##_##nv(const float *x, const Depth *d, const float *w, float *out)        \
    {                                                                                              \
        tile_body(p, nv, x, d, w, out);                                                            \
    }
#define NAME(p, nv)   tile_##p##_##nv,
#define THREE(X, nv)  X(1, nv) X(2, nv) X(3, nv)
#define FOUR(X, nv)   THREE(X, nv) X(4, nv)
#define SIX(X, nv)    FOUR(X, nv) X(5, nv) X(6, nv)
#define EIGHT(X, nv)  SIX(X, nv) X(7, nv) X(8, nv)
#define TWELVE(X, nv) EIGHT(X, nv) X(9, nv) X(10, nv) X(11, nv) X(12, nv)
#if defined(__AVX2__) && !defined(__AVX512F__)
#define ALL(X, row) row(SIX(X, 1)) row(SIX(X, 2)) row(FOUR(X, 3)) row(THREE(X, 4))
#else
#define ALL(X, row) row(TWELVE(X, 1)) row(TWELVE(X, 2)) row(EIGHT(X, 3)) row(SIX(X, 4))
#endif
#define PLAIN(...)  __VA_ARGS__
#define BRACED(...) {__VA_ARGS__},
ALL(TILE, PLAIN)
static Tile *const tiles[4][12] = {ALL(NAME, BRACED)};
static const int tile_rows_of[4] = {ROWS_1, ROWS_2, ROWS_3, ROWS_4};

/* -- Weights, in blocks of units: [block][k][vector][VL], lanes without a unit zero -- */

static int64_t block_units(const RecurrentWalk *w)
{
    return w->backward ? BACKWARD_VECTORS * VL : VL;
}

static int block_vectors(const RecurrentWalk *w, int64_t unit)
{
    if (!w->backward) return w->r->gates;
    return (int)min64(BACKWARD_VECTORS, ceil_div(w->r->width - unit, VL));
}

static float *block_weights(const RecurrentWalk *w, const RecurrentParts *parts, int64_t unit)
{
    return parts->weights + unit * w->r->gates * w->r->width;
}

/* VL units of one gate against all k of the state: rows of w become columns. */
static void pack_gate(const float *w, int64_t width, int64_t n_units, int64_t step, float *to)
{
    for (int64_t k = 0; k < width; k += VL) {
        const int64_t n_k = min64(VL, width - k);
        vf r[VL];
        for (int i = 0; i < VL; i++)
            r[i] = i < n_units ? vf_load_n(w + i * width + k, n_k) : vf_zero();
        vf_transpose(r);
        for (int64_t i = 0; i < n_k; i++) vf_store(to + (k + i) * step, r[i]);
    }
}

static void pack_block(const RecurrentWalk *w, int64_t unit, float *to)
{
    const int64_t H = w->r->width;
    const int nv = block_vectors(w, unit);
    for (int v = 0; v < nv && !w->backward; v++)
        pack_gate(w->r->w + (v * H + unit) * H, H, min64(VL, H - unit), nv * VL, to + v * VL);
    for (int64_t k = 0; k < w->r->gates * H && w->backward; k++)
        for (int v = 0; v < nv; v++, to += VL) {
            const int64_t from = unit + v * VL;
            vf_store(to, vf_load_n(w->r->w + k * H + from, min64(VL, H - from)));
        }
}

/* -- Steps -- */

/* How many threads share the rows and how many the blocks of units. */
typedef struct Share {
    int64_t rows, blocks;
} Share;

static int64_t n_blocks(const RecurrentWalk *w)
{
    return ceil_div(w->r->width, block_units(w));
}

static Share share_work(const RecurrentWalk *w)
{
    const Recurrence *r = w->r;
    const double weights = (double)(r->gates * r->width * r->width);
    const int64_t threads = work_threads(INT64_MAX, weights * (double)r->batch);
    const int64_t most = work_threads(INT64_MAX, weights * (double)(r->batch * r->steps));
    const bool own_weights = weights * sizeof(float) <= OWN_WEIGHTS_BYTES;
    if (r->batch >= (own_weights ? 4 : OWN_ROWS) * most) return (Share){most, 1};
    if (n_blocks(w) >= threads) return (Share){1, threads};
    return (Share){min64(threads, r->batch), 1};
}

static void finish_rows(const RecurrentWalk *w, int64_t s, int64_t row, int64_t rows, int64_t unit,
                        const float *sum)
{
    const int nv = block_vectors(w, unit), together = w->backward ? 1 : nv;
    for (int64_t i = 0; i < rows; i++)
        for (int v = 0; v < nv; v += together, sum += together * VL) {
            const int64_t u = unit + v * VL;
            w->finish(w->layer, s, row + i, u, min64(VL, w->r->width - u), sum);
        }
}

static void step_part(const RecurrentWalk *w, const RecurrentParts *parts, const Share *share,
                      int64_t part, int64_t s)
{
    const Recurrence *r = w->r;
    const int64_t pr = part / share->blocks, pb = part % share->blocks;
    const int64_t row0 = part_begin(r->batch, share->rows, pr),
                  row1 = part_begin(r->batch, share->rows, pr + 1);
    const int64_t last = part_begin(n_blocks(w), share->blocks, pb + 1);
    const Depth depth = {w->backward ? r->gates : 1, r->width, r->batch * CHUNK};
    const bool product = s > 0 || w->started;
    _Alignas(64) float sum[MOST_SUMS * VL] = {0};
    for (int64_t b = part_begin(n_blocks(w), share->blocks, pb); b < last; b++) {
        const int64_t unit = b * block_units(w);
        const int nv = block_vectors(w, unit);
        const int64_t n = ceil_div(row1 - row0, tile_rows_of[nv - 1]);
        for (int64_t i = 0; i < n; i++) {
            const int64_t from = row0 + part_begin(row1 - row0, n, i),
                          rows = row0 + part_begin(row1 - row0, n, i + 1) - from;
            if (product)
                tiles[nv - 1][rows - 1](parts->state[s & 1] + from * CHUNK, &depth,
                                        block_weights(w, parts, unit), sum);
            finish_rows(w, s, from, rows, unit, sum);
        }
    }
}

void recurrent_walk(const RecurrentWalk *w, const RecurrentParts *parts)
{
    const Share share = share_work(w);
    const int64_t threads = share.rows * share.blocks, steps = w->r->steps;
#pragma omp parallel num_threads((int)threads) if (threads > 1)
    {
#pragma omp for schedule(static)
        for (int64_t b = 0; b < n_blocks(w); b++) {
            const int64_t unit = b * block_units(w);
            pack_block(w, unit, block_weights(w, parts, unit));
        }
        if (share.blocks == 1) {
#pragma omp for schedule(static)
            for (int64_t part = 0; part < threads; part++)
                for (int64_t s = 0; s < steps; s++) step_part(w, parts, &share, part, s);
        } else {
            for (int64_t s = 0; s < steps; s++) {
#pragma omp for schedule(static)
                for (int64_t part = 0; part < threads; part++) step_part(w, parts, &share, part, s);
            }
        }
    }
}

void recurrent_start(const Recurrence *r, const RecurrentParts *parts)
{
    for (int64_t row = 0; row < r->batch; row++)
        for (int64_t u = 0; u < r->width; u += VL)
            vf_store(recurrent_state(r, parts->state[0], 0, row, u),
                     vf_load_n(r->h0 + row * r->width + u, min64(VL, r->width - u)));
}

void recurrent_end(const Recurrence *r, const RecurrentParts *parts, float *dx)
{
    const int64_t H = r->width, length = r->gates * H;
    for (int64_t row = 0; row < r->batch; row++) {
        float *to = dx + (row * (r->steps + 1) + r->steps) * length;
        memcpy(to, parts->carry + row * H, (size_t)H * sizeof *to);
        memset(to + H, 0, (size_t)(length - H) * sizeof *to);
    }
}

/* -- Scratch -- */

static int64_t state_floats(const Recurrence *r)
{
    return r->gates * ceil_div(r->width, CHUNK) * CHUNK * r->batch;
}

static int64_t carry_floats(const Recurrence *r)
{
    return ceil_div(r->batch * r->width, CHUNK) * CHUNK;
}

RecurrentParts recurrent_parts(const Recurrence *r, void *scratch)
{
    float *at = scratch;
    const int64_t state = state_floats(r), carry = carry_floats(r);
    return (RecurrentParts){
        {at, at + state},
        at + 2 * state, at + 2 * state + carry
    };
}

size_t K(recurrent_scratch)(const Recurrence *r)
{
    const int64_t units = ceil_div(r->width, 2 * VL) * 2 * VL;
    const int64_t floats = 2 * state_floats(r) + carry_floats(r) + units * r->gates * r->width;
    return (size_t)floats * sizeof(float);
}
