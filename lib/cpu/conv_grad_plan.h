/* conv_grad_plan -- how a gradient to weights is cut, and where its tiles find x. Internal to
 * conv_grad_w.c, which describes the order. */
#ifndef SEQLAB_CPU_CONV_GRAD_PLAN_H
#define SEQLAB_CPU_CONV_GRAD_PLAN_H

#include "cpu/conv_inner.h"
#include "cpu/conv_tile.h"

#define grad_plan        K(grad_plan)
#define grad_plan_runs   K(grad_plan_runs)
#define grad_plan_source K(grad_plan_source)

/* Neighbouring numbers of k from `first` on; their taps meet rows y0..y1 and columns x0..x1 of the
 * outputs inside the source. */
typedef struct GradRun {
    int64_t first, length, offset, y0, y1, x0, x1;
} GradRun;

/* A part of the outputs: several images only with all their rows. */
typedef struct Span {
    int64_t image, n_images, row, n_rows, columns;
} Span;

typedef struct GradPlan {
    ConvShape s;
    bool swapped;   /* x and dy, c and o have changed places */
    int64_t pixels; /* of one image: where the last row is shorter, fewer than the shape says */
    const float *x, *dy;
    ConvGrid grid;                  /* of an item */
    bool in_place;                  /* x is read where it is, not from a grid's copy */
    int64_t a_step[3];              /* of the tiles through x: see TileWalk */
    int64_t line;                   /* floats of a line that is read */
    int64_t whole_begin, whole_end; /* rows whose lines can go to one tile */
    TileSegment *segment;
    GradRun *run;
    int64_t n_runs;
    int64_t columns, n_tiles; /* of one group */
    int64_t images, n_items;  /* images in an item; > 1 only when an image is one band */
    int64_t n_chunks;
    int64_t n_slices; /* of each chunk, by the threads at hand: parts of all groups' tiles */
    bool slices_runs; /* or even of their runs */
    int64_t sum_floats;
    float *sums; /* n_chunks * sum_floats */
    int threads;
    int64_t copy_floats, dy_floats, chain_floats;
    float *copies, *dys, *chains; /* for each thread: an item's x, dy and unfinished chains */
} GradPlan;

/* The plan in scratch memory; with c->base NULL it only counts the bytes. */
GradPlan grad_plan(const ConvShape *s, Carve *c);
void grad_plan_runs(const GradPlan *p);

/* What the tiles read of x: a copy of it, made now, or its own place. */
const float *grad_plan_source(const GradPlan *p, const Span *b, int64_t group, float *copy);

#endif
