/* conv_inner -- what the convolution kernels share: how the sums of a convolution find their
 * inputs.
 *
 * A ConvGrid describes outputs (i, j) that each sum over taps (s, t) and channels c:
 *   sum_{s, t, c} source[i * y.stride + y.tap(s), j * x.stride + x.tap(t), c] * weight[y.kernel(s),
 * x.kernel(t), c] with zeros outside the source. The forward pass is one such grid; the gradient to
 * the input is one for each residue of its pixels modulo the stride, all of stride 1. k runs over
 * (s, t, c), ascending.
 *
 * The source is copied band by band into "chunks": 16 channels of one pixel, one cache line.
 * Columns are sorted by their residue modulo x.stride, so that neighbouring outputs always read
 * neighbouring chunks, and padding is real zeros: the register tiles (conv_tile.h) need no cases.
 * Layout: [plane][line][residue][column][16], a plane being a block of channels. With few channels
 * (images) whole lines are copied instead, with their padding: all taps of a kernel row and their
 * channels are then one segment, and neighbouring outputs are a stride's pixels apart. */
#ifndef SEQLAB_CPU_CONV_INNER_H
#define SEQLAB_CPU_CONV_INNER_H

#include "cpu/gemm_tile.h"

/* Internal names get the suffix of the ISA as kernels do. */
#define conv_grid_cut          K(conv_grid_cut)
#define conv_grid_merge        K(conv_grid_merge)
#define conv_grid_share        K(conv_grid_share)
#define conv_grid_forward      K(conv_grid_forward)
#define conv_grid_backward     K(conv_grid_backward)
#define conv_axis_inside       K(conv_axis_inside)
#define conv_grid_segments     K(conv_grid_segments)
#define conv_gather            K(conv_gather)
#define conv_general_forward   K(conv_general_forward)
#define conv_general_grad_x    K(conv_general_grad_x)
#define conv_general_grad_w    K(conv_general_grad_w)
#define conv_sum_scratch       K(conv_sum_scratch)
#define conv_grad_w_scratch    K(conv_grad_w_scratch)
#define conv_grad_is_flat      K(conv_grad_is_flat)
#define conv_depthwise_forward K(conv_depthwise_forward)
#define conv_depthwise_grad_x  K(conv_depthwise_grad_x)
#define conv_depthwise_grad_w  K(conv_depthwise_grad_w)
#define conv_depthwise_scratch K(conv_depthwise_scratch)
#define conv_grouped_fits      K(conv_grouped_fits)
#define conv_grouped_forward   K(conv_grouped_forward)
#define conv_grouped_grad_x    K(conv_grouped_grad_x)
#define conv_grouped_grad_w    K(conv_grouped_grad_w)
#define conv_grouped_scratch   K(conv_grouped_scratch)
#define depthwise_3x3_fits     K(depthwise_3x3_fits)
#define depthwise_3x3_forward  K(depthwise_3x3_forward)
#define depthwise_3x3_grad_x   K(depthwise_3x3_grad_x)
#define depthwise_3x3_grad_w   K(depthwise_3x3_grad_w)
#define depthwise_3x3_scratch  K(depthwise_3x3_scratch)

/* Tap i reads `tap + i * tap_step` source pixels from the output's origin and weight `kernel + i *
 * kernel_step`. */
typedef struct ConvAxis {
    int64_t in, out, stride;
    int64_t n_taps, tap, tap_step, kernel, kernel_step;
} ConvAxis;

typedef struct ConvGrid {
    ConvAxis y, x;
    int64_t pitch;    /* floats from one source pixel to the next */
    int64_t channels; /* that one group sums over */
    bool whole_lines; /* are copied */
    int64_t n_planes;
    int64_t depth;         /* numbers in one sum */
    int64_t n_segments;    /* unless lines are whole, of at most CHUNK numbers */
    int64_t rows, n_bands; /* output rows in a band (the last may have fewer) */
    int64_t first_line, n_lines, n_residues, first_column, width; /* of a band's copy */
    int64_t output, line, plane; /* strides in floats: of neighbouring outputs, and of the copy */
    int64_t floats;              /* a band's copy */
} ConvGrid;

/* Floats from the pixel that a tap reads for one output to the next's, at most, for a source to be
 * read in place: of pixels farther apart each has a page of its own, and many share their places in
 * L1. */
enum { CONV_NEAR = 256 };

/* Grids without bands; conv_grid_cut then fixes rows, n_bands, n_lines, plane and floats. */
ConvGrid conv_grid_forward(const ConvShape *s, bool may_copy_lines);
ConvGrid conv_grid_backward(const ConvShape *s, int64_t y_residue, int64_t x_residue);
void conv_grid_cut(ConvGrid *g, int64_t rows);

/* Backward grids of one convolution can read the same bands: those of `all`, which starts as {0},
 * is merged with each of them and then cut. */
void conv_grid_merge(ConvGrid *all, const ConvGrid *g);
void conv_grid_share(ConvGrid *g, const ConvGrid *all);

/* Outputs begin <= i < end of an axis read tap i inside the source; elsewhere it is padding. */
void conv_axis_inside(const ConvAxis *a, int64_t tap, int64_t *begin, int64_t *end);

/* n_segments entries, in the order of k; offsets are into a band's copy. */
void conv_grid_segments(const ConvGrid *g, TileSegment *segment);

/* Copies the source of output rows row..row+n_rows of one image and group; source points at the
 * group's channels. */
void conv_gather(const ConvGrid *g, const float *source, int64_t row, int64_t n_rows, float *band);

/* The cases, each with its three functions. */
void conv_general_forward(const ConvShape *s, const float *x, const float *w, float *y,
                          void *scratch);
void conv_general_grad_x(const ConvShape *s, const float *dy, const float *w, float *dx,
                         void *scratch);
void conv_general_grad_w(const ConvShape *s, const float *x, const float *dy, float *dw,
                         void *scratch);
/* Whether conv_general_grad_w adds as a product over pixels does, panel by panel. */
bool conv_grad_is_flat(const ConvShape *s);
size_t conv_sum_scratch(const ConvShape *s);    /* of the first two */
size_t conv_grad_w_scratch(const ConvShape *s); /* of the third */

void conv_depthwise_forward(const ConvShape *s, const float *x, const float *w, float *y,
                            void *scratch);
void conv_depthwise_grad_x(const ConvShape *s, const float *dy, const float *w, float *dx,
                           void *scratch);
void conv_depthwise_grad_w(const ConvShape *s, const float *x, const float *dy, float *dw,
                           void *scratch);
size_t conv_depthwise_scratch(const ConvShape *s);

/* Whether a shape should take these. */
bool conv_grouped_fits(const ConvShape *s);
void conv_grouped_forward(const ConvShape *s, const float *x, const float *w, float *y,
                          void *scratch);
void conv_grouped_grad_x(const ConvShape *s, const float *dy, const float *w, float *dx,
                         void *scratch);
void conv_grouped_grad_w(const ConvShape *s, const float *x, const float *dy, float *dw,
                         void *scratch);
size_t conv_grouped_scratch(const ConvShape *s);

/* Whether a depthwise shape should take these. */
bool depthwise_3x3_fits(const ConvShape *s);
void depthwise_3x3_forward(const ConvShape *s, const float *x, const float *w, float *y,
                           void *scratch);
void depthwise_3x3_grad_x(const ConvShape *s, const float *dy, const float *w, float *dx,
                          void *scratch);
void depthwise_3x3_grad_w(const ConvShape *s, const float *x, const float *dy, float *dw,
                          void *scratch);
size_t depthwise_3x3_scratch(const ConvShape *s);

/* Takes `bytes` from the scratch memory, 64-byte aligned; with base NULL only counts. */
typedef struct Carve {
    char *base;
    size_t used;
} Carve;

SIMD void *carve(Carve *c, size_t bytes)
{
    void *p = c->base ? c->base + c->used : NULL;
    c->used += (bytes + 63) / 64 * 64;
    return p;
}

/* Columns (output channels of a group) padded to whole vectors. */
SIMD int64_t padded_columns(int64_t n)
{
    return ceil_div(n, VL) * VL;
}

#endif
