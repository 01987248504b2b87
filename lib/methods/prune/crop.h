/* crop -- layerwise densities made into numbers of channels: a smaller dense network (PreCropping,
 * Cai et al., arXiv 2203.02549; there is no code of theirs, and where the text leaves it open the
 * rules below are ours).
 *
 * A layer of a_l weights between widths s (in) and t (out) has, when these shrink by r_s and r_t,
 * a_l r_s r_t of them. Widths that the data give, and those that are kept out, have r = 1. With p_l
 * the densities that are asked for and B the budget of weights:
 *
 *   sqrt    log r_s = sum_l a_l log p_l / (2 sum_l a_l) over the layers l that write to s
 *   lsq     min sum_l a_l (log r_s + log r_t - log p_l)^2,  r <= 1
 *   direct  max sum_l (log r_s + log r_t)  with  sum_l a_l r_s r_t <= B,  1/C <= r <= 1:
 *           what maximises SynFlow's expectation (density.h) over networks of that size
 *
 * Where each layer that writes to a residual stream has a width of its own (model.h, RESIDUAL_PAD),
 * what reads the stream is as wide as the widest of them so far: r_s there is max_j r_j C_j / max_j
 * C_j. lsq and direct then start from the solution with one width a stream and go on from it, one
 * width after the other, as far as that makes it better (crop_pad.c).
 *
 * With a second cost a layer and its own budget, and r up to `most`, direct also re-shapes a
 * network at equal FLOPs (PreConfig). */
#ifndef SEQLAB_METHODS_CROP_H
#define SEQLAB_METHODS_CROP_H

#include "nn/layer_table.h"

typedef struct CropLayer {
    double weights, macs;
    int out, in;     /* widths; -1: fixed */
    int *ins, n_ins; /* the widest of these is the input; n_ins <= 1: `in` alone */
} CropLayer;

typedef struct Crop {
    int n_layers, n; /* widths */
    CropLayer *layers;
    double *channels;  /* C of each width */
    int64_t *multiple; /* of which each width must be one */
    int *part;         /* its index in LayerTable.widths */
    double *ratio;     /* r, what the functions below find */
    double budget;     /* B, in weights */
    double flops;      /* budget in multiply-adds; INFINITY: none */
    double most;       /* largest r */
    Arena *arena;
} Crop;

typedef enum CropMode { CROP_SQRT, CROP_LSQ, CROP_DIRECT } CropMode;

/* Widths that are not cropped. */
typedef enum CropFixed {
    FIXED_STREAMS = 1, /* those of residual streams */
    FIXED_HALVES = 2   /* those that the model splits into groups */
} CropFixed;
/* All r = 1; budget = density times all weights. `fixed`: CropFixed, or'ed. */
void crop_start(Crop *c, const LayerTable *table, double density, unsigned fixed, Arena *a);
/* Sets r; p, one a layer, is read by sqrt and lsq. */
void crop_solve(Crop *c, CropMode mode, const double p[]);
/* Multiplies every r by one factor, within 1/C and `most`, so that the weights are the budget. */
void crop_scale(Crop *c);
double crop_weights(const Crop *c);
/* Of the layer's input: r, or where several are added that of the widest. */
double crop_in_ratio(const Crop *c, const CropLayer *k);
double crop_macs(const Crop *c);

typedef struct CropRounding {
    int64_t min_channels, divisor;
    double tolerance; /* of the weights, relative to the budget */
} CropRounding;
/* width[s] = round(r C / d) d, with d the divisor, or a multiple of it that the model can split,
 * between min_channels and the largest; a width that is not cropped stays as it is. Then, as long
 * as the weights are further than the tolerance from the budget, the step of one d in one width, or
 * up in one and down in another, that brings them nearest. Returns the weights. */
double crop_round(const Crop *c, const CropRounding *how, int64_t width[]);

/* -- crop_direct.c */

void crop_direct(Crop *c);

/* -- crop_pad.c */

/* Whether a layer reads what several widths are added to. */
bool crop_pads(const Crop *c);
void crop_pad(Crop *c, CropMode mode, const double p[]);

#endif
