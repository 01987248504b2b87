/* crop_pad -- widths where those that are added to a residual stream need not agree; see crop.h.
 *
 * The widest of several makes the problem one with many local optima. So the stream's one width is
 * found first, as if all were tied; then each width in turn goes to where it is best while the
 * others stay, until none moves. With s alone, u = log r_s, the sum over the layers is smooth
 * between the places where s becomes the widest of some layer's input:
 *
 *   lsq     sum_l a_l (u + v_l - log p_l)^2         is least at a mean of log p_l - v_l
 *   direct  sum_l (x a_l e^(u + v_l) - u - v_l)     at e^u = n / sum_l x a_l e^(v_l)
 *
 * over the layers that have s as their output or as the widest of their input, v_l the other side.
 * These points and the places between are all that can be best. Nothing gets worse, so that what
 * comes out is at least as good as tied widths. x is found by bisection, as in crop_direct.c; where
 * the optima jump and miss the budget, crop_scale mends it, and where tied widths were better
 * then, they stay. */
#include "methods/prune/crop.h"

#include "base/realmath.h"

#include <math.h>
#include <string.h>

enum { SWEEPS = 400, STEPS = 48 };

typedef struct Pad {
    Crop *c;
    CropMode mode;
    const double *p;
    double x; /* price of a weight, in direct */
} Pad;

bool crop_pads(const Crop *c)
{
    for (int l = 0; l < c->n_layers; l++)
        if (c->layers[l].n_ins > 1) return true;
    return false;
}

static double out_ratio(const Crop *c, const CropLayer *k)
{
    return k->out < 0 ? 1 : c->ratio[k->out];
}

/* What layer l adds to the sum that is to be small. */
static double cost(const Pad *d, int l)
{
    const CropLayer *k = &d->c->layers[l];
    const double r = out_ratio(d->c, k) * crop_in_ratio(d->c, k), u = real_log(r);
    if (d->mode == CROP_DIRECT) return d->x * k->weights * r - u;
    const double off = u - real_log(d->p[l]);
    return k->weights * off * off;
}

static bool reads(const CropLayer *k, int s)
{
    for (int i = 0; i < k->n_ins; i++)
        if (k->ins[i] == s) return true;
    return false;
}

static double cost_around(const Pad *d, int s)
{
    double sum = 0;
    for (int l = 0; l < d->c->n_layers; l++)
        if (d->c->layers[l].out == s || reads(&d->c->layers[l], s)) sum += cost(d, l);
    return sum;
}

/* r_s at which it becomes the widest that the layer reads. */
static double threshold(const Crop *c, const CropLayer *k, int s)
{
    double others = 0;
    for (int i = 0; i < k->n_ins; i++)
        if (k->ins[i] != s) others = fmax(others, c->ratio[k->ins[i]] * c->channels[k->ins[i]]);
    return others / c->channels[s];
}

/* The best r_s if it were the widest for those layers alone that it is for at `at`. */
static double best_among(const Pad *d, int s, double at)
{
    Crop *c = d->c;
    const double before = c->ratio[s];
    double weight = 0, sum = 0;
    c->ratio[s] = at;
    for (int l = 0; l < c->n_layers; l++) {
        const CropLayer *k = &c->layers[l];
        const bool is_in = reads(k, s) && threshold(c, k, s) <= at;
        if (k->out != s && !is_in) continue;
        const double other = k->out == s ? crop_in_ratio(c, k) : out_ratio(c, k);
        /* what a change of r_s multiplies */
        const double each = k->out == s ? 1 : crop_in_ratio(c, k) / at;
        if (d->mode == CROP_DIRECT) {
            weight += 1;
            sum += d->x * k->weights * other * each;
        } else {
            weight += k->weights;
            sum += k->weights * (real_log(d->p[l]) - real_log(other * each));
        }
    }
    c->ratio[s] = before;
    if (d->mode == CROP_DIRECT) return sum > 0 ? weight / sum : (double)INFINITY;
    return weight > 0 ? real_exp(sum / weight) : before;
}

static void try_ratio(const Pad *d, int s, double r, double *best, double *least)
{
    Crop *c = d->c;
    const double before = c->ratio[s];
    c->ratio[s] = fmin(c->most, fmax(1 / c->channels[s], r));
    const double now = cost_around(d, s);
    if (now < *least - 1e-13 * fabs(*least)) {
        *least = now;
        *best = c->ratio[s];
    }
    c->ratio[s] = before;
}

/* Once through the widths; whether one moved. */
static bool sweep(const Pad *d)
{
    Crop *c = d->c;
    bool moved = false;
    for (int s = 0; s < c->n; s++) {
        double best = c->ratio[s], least = cost_around(d, s);
        const double low = 1 / c->channels[s];
        try_ratio(d, s, low, &best, &least);
        try_ratio(d, s, c->most, &best, &least);
        try_ratio(d, s, best_among(d, s, low), &best, &least);
        for (int l = 0; l < c->n_layers; l++) {
            if (!reads(&c->layers[l], s)) continue;
            const double at = fmax(low, threshold(c, &c->layers[l], s));
            try_ratio(d, s, at, &best, &least);
            try_ratio(d, s, best_among(d, s, at), &best, &least);
        }
        moved = moved || fabs(best / c->ratio[s] - 1) > 1e-12;
        c->ratio[s] = best;
    }
    return moved;
}

static void settle(const Pad *d, const double *start)
{
    memcpy(d->c->ratio, start, sizeof(double) * (size_t)d->c->n);
    for (int i = 0; i < SWEEPS && sweep(d); i++) continue;
}

/* One width for all that are read together. */
static void solve_tied(Crop *c, CropMode mode, const double p[])
{
    Crop tied = *c;
    int *group = arena_new_array(c->arena, int, c->n);
    tied.layers = arena_new_array(c->arena, CropLayer, c->n_layers);
    tied.ratio = arena_new_array(c->arena, double, c->n);
    for (int s = 0; s < c->n; s++) group[s] = s;
    for (int l = 0; l < c->n_layers; l++)
        for (int i = 1; i < c->layers[l].n_ins; i++)
            for (int s = 0, from = group[c->layers[l].ins[i]]; s < c->n; s++)
                if (group[s] == from) group[s] = group[c->layers[l].ins[0]];
    for (int s = 0; s < c->n; s++) tied.ratio[s] = 1;
    for (int l = 0; l < c->n_layers; l++) {
        const CropLayer *k = &c->layers[l];
        tied.layers[l] = *k;
        tied.layers[l].n_ins = 0;
        if (k->out >= 0) tied.layers[l].out = group[k->out];
        if (k->in >= 0) tied.layers[l].in = group[k->in];
    }
    crop_solve(&tied, mode, p);
    for (int s = 0; s < c->n; s++) c->ratio[s] = tied.ratio[group[s]];
}

/* Of direct, at the budget: the sum of log r over the layers' two sides. */
static double gain(Crop *c)
{
    double sum = 0;
    crop_scale(c);
    for (int l = 0; l < c->n_layers; l++)
        sum += real_log(out_ratio(c, &c->layers[l])) + real_log(crop_in_ratio(c, &c->layers[l]));
    return sum;
}

static void solve_direct(Pad *d, double *start)
{
    const double unit = (double)(2 * d->c->n_layers) / d->c->budget;
    double low = -20, high = 20; /* of log(x / unit) */
    const size_t bytes = sizeof(double) * (size_t)d->c->n;
    for (int i = 0; i < STEPS; i++) {
        const double at = (low + high) / 2;
        d->x = unit * real_exp(at);
        settle(d, start);
        if (crop_weights(d->c) > d->c->budget)
            low = at;
        else
            high = at;
    }
    double *found = arena_new_array(d->c->arena, double, d->c->n);
    const double padded = gain(d->c);
    memcpy(found, d->c->ratio, bytes);
    memcpy(d->c->ratio, start, bytes);
    if (gain(d->c) < padded) memcpy(d->c->ratio, found, bytes);
}

void crop_pad(Crop *c, CropMode mode, const double p[])
{
    Pad d = {.c = c, .mode = mode, .p = p};
    double *start = arena_new_array(c->arena, double, c->n);
    solve_tied(c, mode, p);
    memcpy(start, c->ratio, sizeof(double) * (size_t)c->n);
    if (mode == CROP_DIRECT)
        solve_direct(&d, start);
    else
        settle(&d, start);
}
