/* winograd -- the transforms of Winograd's F(4x4, 3x3), for one vector of channels at a time.
 *
 * A 3x3 convolution of stride 1 is cut into tiles of 4x4 outputs, each from 6x6 inputs. With
 *
 *   Y = A^T [ (G g G^T) . (B^T d B) ] A        (. elementwise; g kernel, d inputs, Y outputs)
 *
 * a tile costs 36 products a pair of channels in place of 144, and the sum over channels is 36
 * matrix products. The same form, transposed, is the gradient to the weights:
 * dg = G^T [ sum over tiles of (A dY A^T) . (B^T d B) ] G.
 *
 * The matrices come from polynomials modulo x (x - a)(x + a)(x - b)(x + b) and infinity (Toom and
 * Cook). Lavin and Gray (arXiv:1509.09308) take a = 1, b = 2; a = 3/4, b = 3/2 halves the error,
 * as points near 1 with few bits do in general (Barabasz et al., arXiv:1803.10986): over 64 random
 * channels the root mean square error is 2.2 times that of the direct sum, against 4.6 times; all
 * constants of A and B are exact. */
#ifndef SEQLAB_CPU_WINOGRAD_H
#define SEQLAB_CPU_WINOGRAD_H

#include "cpu/conv_inner.h"
#include "cpu/conv_tile.h"

/* Internal names get the suffix of the ISA as kernels do. */
#define winograd_fits           K(winograd_fits)
#define winograd_forward        K(winograd_forward)
#define winograd_grad_x         K(winograd_grad_x)
#define winograd_scratch        K(winograd_scratch)
#define winograd_grad_w_fits    K(winograd_grad_w_fits)
#define winograd_grad_w         K(winograd_grad_w)
#define winograd_grad_w_scratch K(winograd_grad_w_scratch)
#define winograd_gather         K(winograd_gather)

enum { WINO_OUT = 4, WINO_IN = 6, WINO_POINTS = WINO_IN * WINO_IN };

#define WINO_A  0.75f
#define WINO_B  1.5f
#define WINO_AA (WINO_A * WINO_A)
#define WINO_BB (WINO_B * WINO_B)
/* One over the product of a point's distances to the others. */
#define WINO_N0 (1.0f / (WINO_AA * WINO_BB))
#define WINO_NA (1.0f / (2 * WINO_AA * (WINO_AA - WINO_BB)))
#define WINO_NB (1.0f / (2 * WINO_BB * (WINO_BB - WINO_AA)))

/* y = c x + z */
SIMD vf vf_fma1(float c, vf x, vf z)
{
    return vf_fma(vf_set1(c), x, z);
}

/* r = B^T d: points 0, a, -a, and b, -b, infinity. */
SIMD void wino_input_low(const vf d[WINO_IN], vf r[3])
{
    const vf even = vf_fma1(-WINO_BB, d[2], d[4]);
    const vf odd = vf_set1(WINO_A) * vf_fma1(-WINO_BB, d[1], d[3]);
    r[0] = vf_fma1(WINO_AA * WINO_BB, d[0], vf_fma1(-(WINO_AA + WINO_BB), d[2], d[4]));
    r[1] = even + odd;
    r[2] = even - odd;
}

SIMD void wino_input_high(const vf d[WINO_IN], vf r[3])
{
    const vf even = vf_fma1(-WINO_AA, d[2], d[4]);
    const vf odd = vf_set1(WINO_B) * vf_fma1(-WINO_AA, d[1], d[3]);
    r[0] = even + odd;
    r[1] = even - odd;
    r[2] = vf_fma1(WINO_AA * WINO_BB, d[1], vf_fma1(-(WINO_AA + WINO_BB), d[3], d[5]));
}

/* y = A^T m */
SIMD void wino_output(const vf m[WINO_IN], vf y[WINO_OUT])
{
    const vf even_a = m[1] + m[2], odd_a = m[1] - m[2];
    const vf even_b = m[3] + m[4], odd_b = m[3] - m[4];
    y[0] = m[0] + even_a + even_b;
    y[1] = vf_fma1(WINO_B, odd_b, vf_set1(WINO_A) * odd_a);
    y[2] = vf_fma1(WINO_BB, even_b, vf_set1(WINO_AA) * even_a);
    y[3] = vf_fma1(WINO_BB * WINO_B, odd_b, vf_fma1(WINO_AA * WINO_A, odd_a, m[5]));
}

/* r = A y: the same halves. */
SIMD void wino_spread_low(const vf y[WINO_OUT], vf r[3])
{
    const vf even = vf_fma1(WINO_AA, y[2], y[0]);
    const vf odd = vf_set1(WINO_A) * vf_fma1(WINO_AA, y[3], y[1]);
    r[0] = y[0];
    r[1] = even + odd;
    r[2] = even - odd;
}

SIMD void wino_spread_high(const vf y[WINO_OUT], vf r[3])
{
    const vf even = vf_fma1(WINO_BB, y[2], y[0]);
    const vf odd = vf_set1(WINO_B) * vf_fma1(WINO_BB, y[3], y[1]);
    r[0] = even + odd;
    r[1] = even - odd;
    r[2] = y[3];
}

/* u = G g */
SIMD void wino_kernel(const vf g[3], vf u[WINO_IN])
{
    const vf even_a = vf_fma1(WINO_AA, g[2], g[0]), even_b = vf_fma1(WINO_BB, g[2], g[0]);
    u[0] = vf_set1(WINO_N0) * g[0];
    u[1] = vf_set1(WINO_NA) * vf_fma1(WINO_A, g[1], even_a);
    u[2] = vf_set1(WINO_NA) * vf_fma1(-WINO_A, g[1], even_a);
    u[3] = vf_set1(WINO_NB) * vf_fma1(WINO_B, g[1], even_b);
    u[4] = vf_set1(WINO_NB) * vf_fma1(-WINO_B, g[1], even_b);
    u[5] = g[2];
}

/* g = G^T u */
SIMD void wino_kernel_transposed(const vf u[WINO_IN], vf g[3])
{
    const vf even_a = vf_set1(WINO_NA) * (u[1] + u[2]), odd_a = vf_set1(WINO_NA) * (u[1] - u[2]);
    const vf even_b = vf_set1(WINO_NB) * (u[3] + u[4]), odd_b = vf_set1(WINO_NB) * (u[3] - u[4]);
    g[0] = vf_fma1(WINO_N0, u[0], even_a + even_b);
    g[1] = vf_fma1(WINO_B, odd_b, vf_set1(WINO_A) * odd_a);
    g[2] = vf_fma1(WINO_BB, even_b, vf_fma1(WINO_AA, even_a, u[5]));
}

/* The tiles of a batch of images, in the order (image, row, column). Inputs (n, h, w, c), outputs
 * (n, oh, ow, o). */
typedef struct WinoTiles {
    int64_t h, w, c, oh, ow, o, pad[2];
    int64_t lines, columns, n; /* tiles of an image, and of the batch */
} WinoTiles;

typedef struct WinoTile {
    int64_t image, y, x; /* of the first output */
} WinoTile;

SIMD WinoTile wino_tile(const WinoTiles *g, int64_t i)
{
    const int64_t column = i % g->columns, line = i / g->columns;
    return (WinoTile){line / g->lines, line % g->lines * WINO_OUT, column * WINO_OUT};
}

SIMD WinoTiles wino_tiles(const ConvShape *s)
{
    WinoTiles g = {.h = s->h, .w = s->w, .c = s->c, .oh = s->oh, .ow = s->ow, .o = s->o};
    g.pad[0] = s->pad[0], g.pad[1] = s->pad[1];
    g.lines = ceil_div(g.oh, WINO_OUT), g.columns = ceil_div(g.ow, WINO_OUT);
    g.n = s->n * g.lines * g.columns;
    return g;
}

SIMD const float *wino_ahead(const float *p, int64_t offset)
{
    return (const float *)((uintptr_t)p + (uintptr_t)offset * sizeof *p);
}

/* About where the tiles from `tile` on will begin to read the images, of `image` floats each, that
 * the tiles before have not read. */
SIMD const float *wino_next(const WinoTiles *g, const float *images, int64_t image, int64_t tile)
{
    const int64_t tiles = g->lines * g->columns;
    return wino_ahead(images, tile / tiles * image + tile % tiles * image / tiles);
}

SIMD int64_t wino_chunks(int64_t channels)
{
    return ceil_div(channels, CHUNK);
}

/* Tiles in a block, at most: what is transformed at once should stay in L2. */
enum { WINO_BLOCK = 32 };

/* Floats from one point of transformed inputs to the next, and of products or transformed dy. They
 * are constants, as they are in 36 addresses; the odd number of cache lines keeps the points of a
 * tile out of each other's sets. */
enum { WINO_PLANE = (WINO_BLOCK + 1) * CHUNK, WINO_WIDE_PLANE = WINO_BLOCK * TILE_COLS + CHUNK };

/* Floats of a block's transformed inputs. */
SIMD int64_t wino_input_floats(int64_t channels)
{
    return wino_chunks(channels) * WINO_POINTS * WINO_PLANE;
}

/* to[(c / 16 * 36 + e) * WINO_PLANE + t * 16 + c % 16] = (B^T d B)[e][c] of tiles first + t, t <
 * n_tiles <= WINO_BLOCK. Of a ragged last block of channels only whole vectors are written. */
void winograd_gather(const WinoTiles *g, const float *x, int64_t first, int64_t n_tiles, float *to);

/* Whether a shape should take these paths; then pad <= 2, which the two passes need. */
bool winograd_fits(const ConvShape *s);
void winograd_forward(const ConvShape *s, const float *x, const float *w, float *y, void *scratch);
void winograd_grad_x(const ConvShape *s, const float *dy, const float *w, float *dx, void *scratch);
size_t winograd_scratch(const ConvShape *s); /* of both */

bool winograd_grad_w_fits(const ConvShape *s);
void winograd_grad_w(const ConvShape *s, const float *x, const float *dy, float *dw, void *scratch);
size_t winograd_grad_w_scratch(const ConvShape *s);

#endif
