/* density -- see density.h. */
#include "methods/prune/density.h"

/* What stands beside e: the sum of a weight's dimensions over their product. Without the kernel's
 * for er, which is of linear layers. */
static double raw_density(DensityKind kind, const Shape *s)
{
    double sum = 0, product = 1;
    const int n = kind == DENSITY_ER && s->rank > 2 ? 2 : s->rank;
    for (int i = 0; i < n; i++) {
        sum += (double)s->dim[i];
        product *= (double)s->dim[i];
    }
    return sum / product;
}

/* As the authors' code: of the layers that would pass 1, those that would most become whole, all at
 * once, and the rest is shared anew; until none passes. */
static void erdos_renyi(DensityKind kind, double density, const Shape shapes[], int n, bool whole[],
                        double p[])
{
    for (int i = 0; i < n; i++) whole[i] = false;
    for (;;) {
        double budget = 0, shared = 0, most = 0;
        for (int i = 0; i < n; i++) {
            const double weights = (double)shape_count(&shapes[i]);
            const double raw = raw_density(kind, &shapes[i]);
            budget += whole[i] ? (density - 1) * weights : density * weights;
            if (whole[i]) continue;
            shared += raw * weights;
            if (raw > most) most = raw;
        }
        const double e = shared > 0 ? budget / shared : 0;
        if (e * most <= 1) {
            for (int i = 0; i < n; i++) p[i] = whole[i] ? 1 : e * raw_density(kind, &shapes[i]);
            return;
        }
        for (int i = 0; i < n; i++) whole[i] = whole[i] || raw_density(kind, &shapes[i]) == most;
    }
}

/* sum_l min(m, weights_l) grows piecewise linearly in m: the piece is found by how many layers are
 * below, from the smallest on. */
double density_water_level(double density, const double weights[], int n)
{
    double budget = 0, below = 0, level = 0;
    int left = n;
    for (int i = 0; i < n; i++) budget += density * weights[i];
    while (left > 0) {
        double next = 0; /* the smallest that is over the level */
        int same = 0;
        for (int i = 0; i < n; i++) {
            if (weights[i] <= level) continue;
            if (same == 0 || weights[i] < next) same = 0, next = weights[i];
            same += weights[i] == next;
        }
        if (same == 0 || below + next * left >= budget) break;
        level = next;
        below += next * same;
        left -= same;
    }
    return left > 0 ? (budget - below) / left : level;
}

void density_layers(DensityKind kind, double density, const Shape shapes[], int n, bool scratch[],
                    double p[])
{
    if (kind == DENSITY_ER || kind == DENSITY_ERK) {
        erdos_renyi(kind, density, shapes, n, scratch, p);
        return;
    }
    for (int i = 0; i < n; i++) p[i] = density;
    if (kind == DENSITY_UNIFORM) return;
    for (int i = 0; i < n; i++) p[i] = (double)shape_count(&shapes[i]);
    const double level = density_water_level(density, p, n);
    for (int i = 0; i < n; i++) p[i] = p[i] > level ? level / p[i] : 1;
}
