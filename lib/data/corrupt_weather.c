/* corrupt_weather -- fog, snow, and changes of light and colour.
 *
 * With the hue and the value V = max(r, g, b) of HSV held, a colour of saturation S = (V - min) / V
 * is V - (V - c) S' / S at saturation S'; with hue and saturation held it is c V' / V at value V'.
 * So none of these turns colours into angles. */
#include "base/realmath.h"
#include "data/corrupt_inner.h"

static double value_of(const float *rgb)
{
    const float most = rgb[0] > rgb[1] ? rgb[0] : rgb[1];
    return (double)(most > rgb[2] ? most : rgb[2]);
}

static double least_of(const float *rgb)
{
    const float least = rgb[0] < rgb[1] ? rgb[0] : rgb[1];
    return (double)(least < rgb[2] ? least : rgb[2]);
}

void corrupt_brightness(const Picture *p, const double v[2], Pcg *rng)
{
    (void)rng;
    if (p->c == 1) {
        for (int64_t i = 0; i < picture_count(p); i++) p->x[i] = p->x[i] + (float)v[0];
        return;
    }
    for (int64_t i = 0; i < picture_count(p); i += 3) {
        const double old = value_of(p->x + i), now = old + v[0] < 1 ? old + v[0] : 1;
        for (int k = 0; k < 3; k++)
            p->x[i + k] = (float)(old > 0 ? (double)p->x[i + k] * now / old : now);
    }
}

void corrupt_contrast(const Picture *p, const double v[2], Pcg *rng)
{
    (void)rng;
    const int64_t n = p->h * p->w;
    for (int64_t k = 0; k < p->c; k++) {
        double mean = 0;
        for (int64_t i = 0; i < n; i++) mean += (double)p->x[i * p->c + k];
        mean /= (double)n;
        for (int64_t i = 0; i < n; i++) {
            float *x = &p->x[i * p->c + k];
            *x = (float)(((double)*x - mean) * v[0] + mean);
        }
    }
}

void corrupt_saturate(const Picture *p, const double v[2], Pcg *rng)
{
    (void)rng;
    for (int64_t i = 0; p->c == 3 && i < picture_count(p); i += 3) {
        const double value = value_of(p->x + i), least = least_of(p->x + i);
        if (value <= least) continue;
        const double old = (value - least) / value;
        double now = old * v[0] + v[1];
        if (now > 1) now = 1;
        for (int k = 0; k < 3; k++)
            p->x[i + k] = (float)(value - (value - (double)p->x[i + k]) * now / old);
    }
}

/* A grid of random numbers `cell` pixels apart, bilinear between them. */
static void add_octave(double *plane, const Picture *p, int64_t cell, double weight, Pcg *rng)
{
    float grid[CORRUPT_MAX_FLOATS];
    const Picture g = {p->h / cell + 2, p->w / cell + 2, 1, grid};
    if (picture_count(&g) > CORRUPT_MAX_FLOATS) return;
    for (int64_t i = 0; i < picture_count(&g); i++) grid[i] = pcg_uniform(rng);
    for (int64_t i = 0; i < p->h * p->w; i++) {
        const int64_t row = i / p->w, column = i % p->w;
        plane[i] += weight * (double)picture_between(grid, &g, (double)row / (double)cell,
                                                     (double)column / (double)cell, 0);
    }
}

void corrupt_fog(const Picture *p, const double v[2], Pcg *rng)
{
    double plane[CORRUPT_MAX_FLOATS] = {0}, weight = 1, least, most;
    float brightest = 0;
    const int64_t n = p->h * p->w;
    for (int64_t cell = 16; cell >= 1; cell /= 2, weight /= v[1])
        add_octave(plane, p, cell, weight, rng);
    least = most = plane[0];
    for (int64_t i = 0; i < n; i++) {
        if (plane[i] < least) least = plane[i];
        if (plane[i] > most) most = plane[i];
    }
    for (int64_t i = 0; i < picture_count(p); i++)
        if (p->x[i] > brightest) brightest = p->x[i];
    const double m = (double)brightest, range = most > least ? most - least : 1;
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < p->c; k++) {
            float *x = &p->x[i * p->c + k];
            *x = (float)(((double)*x + v[0] * (plane[i] - least) / range) * m / (m + v[0]));
        }
}

/* Light of strength `light` at a point goes to the four pixels about it. */
static void splat(double *plane, const Picture *p, double row, double column, double light)
{
    const int64_t i = (int64_t)row, j = (int64_t)column;
    if (row < 0 || column < 0 || i + 1 >= p->h || j + 1 >= p->w) return;
    const double down = row - (double)i, right = column - (double)j;
    double *at = plane + i * p->w + j;
    at[0] += light * (1 - down) * (1 - right);
    at[1] += light * (1 - down) * right;
    at[p->w] += light * down * (1 - right);
    at[p->w + 1] += light * down * right;
}

void corrupt_snow(const Picture *p, const double v[2], Pcg *rng)
{
    double plane[CORRUPT_MAX_FLOATS] = {0};
    const int64_t n = p->h * p->w;
    const int64_t n_flakes = (int64_t)(v[0] * (double)n + 0.5);
    const double turns = 0.25 + ((double)pcg_uniform(rng) - 0.5) / 4; /* down, within 45 degrees */
    const double dy = real_sin_turns(turns), dx = real_cos_turns(turns);
    for (int64_t flake = 0; flake < n_flakes; flake++) {
        const double row = (double)pcg_uniform(rng) * (double)p->h;
        const double column = (double)pcg_uniform(rng) * (double)p->w;
        const double light = 0.5 + 0.5 * (double)pcg_uniform(rng);
        for (int step = 0; step <= 2 * v[1]; step++)
            splat(plane, p, row + 0.5 * step * dy, column + 0.5 * step * dx, light);
    }
    for (int64_t i = 0; i < picture_count(p); i++) {
        const double light = plane[i / p->c] < 1 ? plane[i / p->c] : 1;
        p->x[i] = (float)((double)p->x[i] + (1 - (double)p->x[i]) * light);
    }
}
