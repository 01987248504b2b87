/* density_skip -- see density_skip.h.
 *
 * log(1 + q e^s) is convex in s = sum log p_l, so its tangent lies below it: with the slopes
 * t_b = q prod p / (1 + q prod p) at the present p, the p that are best for sum_l t_l log p_l are
 * at least as good as the present ones for the sum itself (minorise, maximise). Those are
 * min(1, max(least_l, m t_l / weights_l)), with m at the budget. It starts at synexp, where t = 1.
 */
#include "methods/prune/density_skip.h"

#include "base/realmath.h"

#include <math.h>

enum { ROUNDS = 2000, STEPS = 80 };
static const double PI = 3.14159265358979323846;

static double slope_of(const SkipLayer *k, const double slope[])
{
    return k->block < 0 ? 1 : slope[k->block];
}

static double share(const SkipLayer *k, const double slope[], double level)
{
    return fmin(1, fmax(k->least, level * slope_of(k, slope) / k->weights));
}

/* The densities at the slopes: how far one moved at most. */
static double fill(double budget, const SkipLayer layers[], int n, const double slope[], double p[])
{
    double low = 0, high = 0, moved = 0; /* of the logarithm of m */
    for (int l = 0; l < n; l++) {
        const double whole = layers[l].weights / slope_of(&layers[l], slope);
        high = fmax(high, real_log(whole));
        low = fmin(low, real_log(layers[l].least * whole));
    }
    for (int i = 0; i < STEPS; i++) {
        const double level = (low + high) / 2;
        double sum = 0;
        for (int l = 0; l < n; l++)
            sum += layers[l].weights * share(&layers[l], slope, real_exp(level));
        if (sum > budget)
            high = level;
        else
            low = level;
    }
    for (int l = 0; l < n; l++) {
        const double now = share(&layers[l], slope, real_exp(high));
        moved = fmax(moved, fabs(now - p[l]));
        p[l] = now;
    }
    return moved;
}

static void slopes_at(const SkipLayer layers[], int n, int n_blocks, const double p[],
                      double slope[])
{
    for (int b = 0; b < n_blocks; b++) slope[b] = 1;
    for (int l = 0; l < n; l++)
        if (layers[l].block >= 0)
            slope[layers[l].block] *= p[l] * real_sqrt(4 * layers[l].fan_in / PI);
    for (int b = 0; b < n_blocks; b++) slope[b] /= 1 + slope[b];
}

void density_skips(double density, const SkipLayer layers[], int n, int n_blocks, double scratch[],
                   double p[])
{
    double budget = 0;
    for (int l = 0; l < n; l++) budget += density * layers[l].weights;
    for (int l = 0; l < n; l++) p[l] = 0;
    for (int b = 0; b < n_blocks; b++) scratch[b] = 1;
    for (int i = 0; i < ROUNDS && fill(budget, layers, n, scratch, p) > 1e-12; i++)
        slopes_at(layers, n, n_blocks, p, scratch);
}
