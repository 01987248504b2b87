/* crop -- see crop.h: the problem, the two rules that follow given densities, and whole channels.
 */
#include "methods/prune/crop.h"

#include "base/realmath.h"

#include <math.h>
#include <string.h>

void crop_start(Crop *c, const LayerTable *table, double density, unsigned fixed, Arena *a)
{
    int *place = arena_new_array(a, int, table->n_widths);
    *c = (Crop){.n_layers = table->n_rows,
                .layers = arena_new_array(a, CropLayer, table->n_rows),
                .channels = arena_new_array(a, double, table->n_widths),
                .part = arena_new_array(a, int, table->n_widths),
                .multiple = arena_new_array(a, int64_t, table->n_widths),
                .ratio = arena_new_array(a, double, table->n_widths),
                .budget = density * (double)table->weights,
                .flops = (double)INFINITY,
                .most = 1,
                .arena = a};
    for (int i = 0; i < table->n_widths; i++) {
        const ModelPart *w = &table->widths[i];
        const bool stays = ((fixed & FIXED_STREAMS) && w->is_stream) ||
                           ((fixed & FIXED_HALVES) && w->multiple > 1);
        place[i] = stays ? -1 : c->n;
        if (stays) continue;
        c->channels[c->n] = (double)table->widths[i].width;
        c->ratio[c->n] = 1;
        c->multiple[c->n] = table->widths[i].multiple;
        c->part[c->n++] = i;
    }
    for (int l = 0; l < table->n_rows; l++) {
        const LayerRow *row = &table->rows[l];
        CropLayer *k = &c->layers[l];
        *k = (CropLayer){.weights = (double)row->weights,
                         .macs = (double)row->macs,
                         .out = row->out < 0 ? -1 : place[row->out],
                         .in = row->in < 0 ? -1 : place[row->in],
                         .ins = arena_new_array(a, int, row->n_ins)};
        for (int i = 0; i < row->n_ins; i++)
            if (place[row->ins[i]] >= 0) k->ins[k->n_ins++] = place[row->ins[i]];
    }
}

/* -- By given densities */

static void solve_sqrt(Crop *c, const double p[])
{
    for (int s = 0; s < c->n; s++) {
        double weights = 0, sum = 0;
        for (int l = 0; l < c->n_layers; l++) {
            if (c->layers[l].out != s) continue;
            weights += c->layers[l].weights;
            sum += c->layers[l].weights * real_log(p[l]);
        }
        c->ratio[s] = weights > 0 ? real_exp(sum / (2 * weights)) : 1;
    }
}

/* The normal equations of the widths that are not `whole`; those that are have log r = 0. */
static void normal_equations(const Crop *c, const double p[], const bool whole[], double *matrix,
                             double *right)
{
    const int n = c->n;
    memset(matrix, 0, sizeof(double) * (size_t)n * (size_t)n);
    memset(right, 0, sizeof(double) * (size_t)n);
    for (int l = 0; l < c->n_layers; l++) {
        const CropLayer *k = &c->layers[l];
        const int side[2] = {k->out, k->in};
        for (int i = 0; i < 2; i++) {
            if (side[i] < 0 || whole[side[i]]) continue;
            right[side[i]] += k->weights * real_log(p[l]);
            for (int j = 0; j < 2; j++)
                if (side[j] >= 0 && !whole[side[j]])
                    matrix[(ptrdiff_t)side[i] * n + side[j]] += k->weights;
        }
    }
    for (int i = 0; i < n; i++)
        if (matrix[(ptrdiff_t)i * n + i] == 0) matrix[(ptrdiff_t)i * n + i] = 1;
}

/* By elimination without pivots, which a positive definite matrix does not need; x over right. */
static void eliminate(double *matrix, double *x, int n)
{
    for (int k = 0; k < n; k++) {
        for (int i = k + 1; i < n; i++) {
            double *row = matrix + (ptrdiff_t)i * n, *above = matrix + (ptrdiff_t)k * n;
            const double factor = row[k] / above[k];
            if (factor == 0) continue;
            for (int j = k; j < n; j++) row[j] -= factor * above[j];
            x[i] -= factor * x[k];
        }
    }
    for (int k = n - 1; k >= 0; k--) {
        for (int j = k + 1; j < n; j++) x[k] -= matrix[(ptrdiff_t)k * n + j] * x[j];
        x[k] /= matrix[(ptrdiff_t)k * n + k];
    }
}

/* Widths that would grow stay whole, and the rest is solved anew, until none would. */
static void solve_lsq(Crop *c, const double p[])
{
    const int n = c->n;
    double *matrix = arena_new_array(c->arena, double, n *n),
           *u = arena_new_array(c->arena, double, n);
    bool *whole = arena_new_array(c->arena, bool, n), again = true;
    while (again) {
        again = false;
        normal_equations(c, p, whole, matrix, u);
        eliminate(matrix, u, n);
        for (int s = 0; s < n; s++) {
            if (!(u[s] > 0)) continue;
            again = again || !whole[s];
            whole[s] = true;
        }
    }
    for (int s = 0; s < n; s++) c->ratio[s] = whole[s] ? 1 : real_exp(u[s]);
}

void crop_solve(Crop *c, CropMode mode, const double p[])
{
    if (mode != CROP_SQRT && crop_pads(c))
        crop_pad(c, mode, p);
    else if (mode == CROP_DIRECT)
        crop_direct(c);
    else if (mode == CROP_SQRT)
        solve_sqrt(c, p);
    else
        solve_lsq(c, p);
}

/* -- The budget */

static double ratio_of(const Crop *c, int s)
{
    return s < 0 ? 1 : c->ratio[s];
}

double crop_in_ratio(const Crop *c, const CropLayer *k)
{
    double widest = 0, most = 0;
    if (k->n_ins <= 1) return ratio_of(c, k->in);
    for (int i = 0; i < k->n_ins; i++) {
        widest = fmax(widest, c->ratio[k->ins[i]] * c->channels[k->ins[i]]);
        most = fmax(most, c->channels[k->ins[i]]);
    }
    return widest / most;
}

double crop_weights(const Crop *c)
{
    double sum = 0;
    for (int l = 0; l < c->n_layers; l++)
        sum +=
            c->layers[l].weights * ratio_of(c, c->layers[l].out) * crop_in_ratio(c, &c->layers[l]);
    return sum;
}

double crop_macs(const Crop *c)
{
    double sum = 0;
    for (int l = 0; l < c->n_layers; l++)
        sum += c->layers[l].macs * ratio_of(c, c->layers[l].out) * crop_in_ratio(c, &c->layers[l]);
    return sum;
}

/* r times t, kept within its bounds. */
static void multiply(Crop *c, const double *before, double t)
{
    for (int s = 0; s < c->n; s++)
        c->ratio[s] = fmin(c->most, fmax(1 / c->channels[s], t * before[s]));
}

void crop_scale(Crop *c)
{
    enum { STEPS = 60 };
    double low = 0, high = 1;
    double *before = arena_new_array(c->arena, double, c->n);
    for (int s = 0; s < c->n; s++) {
        before[s] = c->ratio[s];
        high = fmax(high, c->most / before[s]);
    }
    for (int i = 0; i < STEPS; i++) {
        const double t = (low + high) / 2;
        multiply(c, before, t);
        if (crop_weights(c) > c->budget)
            high = t;
        else
            low = t;
    }
    multiply(c, before,
             high); /* all of it where the budget is not reached, else a hair's breadth */
}

/* Channels of the layer's input. */
static double in_at(const CropLayer *k, const int64_t width[], int changed, int64_t to)
{
    int64_t widest = 0;
    for (int i = 0; i < k->n_ins; i++) {
        const int64_t w = k->ins[i] == changed ? to : width[k->ins[i]];
        if (w > widest) widest = w;
    }
    return (double)widest;
}

static double in_before(const Crop *c, const CropLayer *k)
{
    double most = 0;
    for (int i = 0; i < k->n_ins; i++) most = fmax(most, c->channels[k->ins[i]]);
    return most;
}

/* Channels on the two sides make a layer's weights: whole numbers, so exact. */
static double weights_at(const Crop *c, const int64_t width[], int changed, int64_t to)
{
    double sum = 0;
    for (int l = 0; l < c->n_layers; l++) {
        const CropLayer *k = &c->layers[l];
        double weights = k->weights;
        if (k->out >= 0)
            weights =
                weights * (double)(k->out == changed ? to : width[k->out]) / c->channels[k->out];
        if (k->n_ins > 0) weights = weights * in_at(k, width, changed, to) / in_before(c, k);
        sum += weights;
    }
    return sum;
}

/* Least common multiple of the divisor and of what the model asks. */
static int64_t step_of(const Crop *c, const CropRounding *how, int s)
{
    int64_t step = how->divisor;
    while (step % c->multiple[s]) step += how->divisor;
    return step;
}

/* At most the largest, at least min_channels, in whole steps but where the largest is none. */
static int64_t bounded(const Crop *c, const CropRounding *how, int s, int64_t channels)
{
    const int64_t step = step_of(c, how, s);
    const int64_t most = (int64_t)(c->most * c->channels[s]) / c->multiple[s] * c->multiple[s];
    int64_t least = (how->min_channels + step - 1) / step * step;
    if (least < step) least = step;
    if (channels < least) channels = least;
    return channels > most ? most : channels;
}

/* The best of the steps so far. */
typedef struct Step {
    int first, second; /* widths; second -1: one alone */
    int64_t to_first, to_second;
    double off; /* of the weights, from the budget */
} Step;

static void consider(const Crop *c, int64_t width[], Step step, Step *best)
{
    const int64_t before = width[step.first];
    width[step.first] = step.to_first;
    step.off = fabs(weights_at(c, width, step.second, step.to_second) - c->budget);
    width[step.first] = before;
    if (step.off < best->off) *best = step;
}

static int64_t next_width(const Crop *c, const CropRounding *how, const int64_t width[], int s,
                          int sign)
{
    const int64_t step = step_of(c, how, s), whole = width[s] / step * step;
    /* from a largest that is no multiple, down to the one below */
    return bounded(c, how, s, sign < 0 && whole < width[s] ? whole : whole + sign * step);
}

/* The step of one divisor in one width that brings the weights nearest to the budget or, where none
 * brings them nearer, that of one width up and another down. False when neither does. */
static bool improve(const Crop *c, const CropRounding *how, int64_t width[], double *weights)
{
    const double before = fabs(*weights - c->budget);
    Step best = {.first = -1, .second = -1, .off = before};
    for (int s = 0; s < c->n; s++)
        for (int sign = -1; sign <= 1; sign += 2)
            consider(c, width, (Step){s, -1, next_width(c, how, width, s, sign), 0, 0}, &best);
    for (int s = 0; best.first < 0 && s < c->n; s++)
        for (int t = 0; t < c->n; t++)
            if (t != s)
                consider(c, width,
                         (Step){s, t, next_width(c, how, width, s, 1),
                                next_width(c, how, width, t, -1), 0},
                         &best);
    if (best.first < 0) return false;
    width[best.first] = best.to_first;
    if (best.second >= 0) width[best.second] = best.to_second;
    *weights = weights_at(c, width, -1, 0);
    return true;
}

double crop_round(const Crop *c, const CropRounding *how, int64_t width[])
{
    for (int s = 0; s < c->n; s++) {
        const int64_t step = step_of(c, how, s);
        const double steps = floor(c->ratio[s] * c->channels[s] / (double)step + 0.5);
        /* a width that stays whole stays so although it is no multiple */
        const bool whole = c->ratio[s] >= 1 && c->most <= 1;
        width[s] = bounded(c, how, s, whole ? (int64_t)c->channels[s] : (int64_t)steps * step);
    }
    double weights = weights_at(c, width, -1, 0);
    while (fabs(weights - c->budget) > how->tolerance * c->budget)
        if (!improve(c, how, width, &weights)) break;
    return weights;
}
