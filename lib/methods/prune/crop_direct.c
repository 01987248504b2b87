/* crop_direct -- the widths of a given number of weights (and multiply-adds) that maximise
 * sum_l (log r_s + log r_t); see crop.h.
 *
 * In u = log r this is convex. At multipliers x, y of the budgets the widths maximise
 *
 *   sum_s w_s u_s - sum_l (x a_l + y f_l) e^(u_s + u_t),   w_s: how many sides of layers s is on
 *
 * one at a time, each exactly, in turn until none moves: for cost c of the layers with s on one
 * side and d of those with s on both, w = c r + 2 d r^2. Weights fall as x grows, and multiply-adds
 * as y grows, so that x is found by bisection for each y, and y by bisection around it. */
#include "methods/prune/crop.h"

#include "base/realmath.h"

#include <math.h>

enum { SWEEPS = 20000, STEPS = 64 };

typedef struct Direct {
    Crop *c;
    double *sides; /* w */
    double x, y;
} Direct;

static double ratio_of(const Crop *c, int s)
{
    return s < 0 ? 1 : c->ratio[s];
}

/* Without the bounds: the root of c r + 2 d r^2 = w. */
static double best_ratio(double w, double c, double d)
{
    if (!(d > 0)) return c > 0 ? w / c : (double)INFINITY;
    return 2 * w / (c + real_sqrt(c * c + 8 * d * w));
}

/* Once through the widths; how far, relatively, one moved at most. */
static double sweep(const Direct *d)
{
    const Crop *c = d->c;
    double moved = 0;
    for (int s = 0; s < c->n; s++) {
        double single = 0, paired = 0;
        for (int l = 0; l < c->n_layers; l++) {
            const CropLayer *k = &c->layers[l];
            const double cost = d->x * k->weights + d->y * k->macs;
            if (k->out == s && k->in == s)
                paired += cost;
            else if (k->out == s)
                single += cost * ratio_of(c, k->in);
            else if (k->in == s)
                single += cost * ratio_of(c, k->out);
        }
        const double r =
            fmin(c->most, fmax(1 / c->channels[s], best_ratio(d->sides[s], single, paired)));
        moved = fmax(moved, fabs(r / c->ratio[s] - 1));
        c->ratio[s] = r;
    }
    return moved;
}

static void settle(const Direct *d)
{
    for (int i = 0; i < SWEEPS && sweep(d) > 1e-13; i++) continue;
}

/* The x at which the weights are the budget, or 0 where they stay below it. */
static void find_weights(Direct *d, double budget)
{
    const double unit = (double)(2 * d->c->n_layers) / budget;
    double low = -40, high = 60; /* of log(x / unit) */
    d->x = 0;
    settle(d);
    if (crop_weights(d->c) <= budget * (1 + 1e-12)) return;
    for (int i = 0; i < STEPS; i++) {
        const double at = (low + high) / 2;
        d->x = unit * real_exp(at);
        settle(d);
        if (crop_weights(d->c) > budget)
            low = at;
        else
            high = at;
    }
}

void crop_direct(Crop *c)
{
    Direct d = {.c = c, .sides = arena_new_array(c->arena, double, c->n)};
    for (int l = 0; l < c->n_layers; l++) {
        if (c->layers[l].out >= 0) d.sides[c->layers[l].out]++;
        if (c->layers[l].in >= 0) d.sides[c->layers[l].in]++;
    }
    find_weights(&d, c->budget);
    if (!isfinite(c->flops) || crop_macs(c) <= c->flops * (1 + 1e-12)) return;
    const double unit = (double)(2 * c->n_layers) / c->flops;
    double low = -40, high = 60;
    for (int i = 0; i < STEPS; i++) {
        const double at = (low + high) / 2;
        d.y = unit * real_exp(at);
        find_weights(&d, c->budget);
        if (crop_macs(c) > c->flops)
            low = at;
        else
            high = at;
    }
}
