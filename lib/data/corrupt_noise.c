/* corrupt_noise -- noise of every value on its own. */
#include "base/realmath.h"
#include "data/corrupt_inner.h"

#include <math.h>

void corrupt_gaussian_noise(const Picture *p, const double v[2], Pcg *rng)
{
    for (int64_t i = 0; i < picture_count(p); i++)
        p->x[i] = (float)((double)p->x[i] + v[0] * pcg_normal(rng));
}

void corrupt_speckle_noise(const Picture *p, const double v[2], Pcg *rng)
{
    for (int64_t i = 0; i < picture_count(p); i++)
        p->x[i] = (float)((double)p->x[i] * (1 + v[0] * pcg_normal(rng)));
}

/* Two draws a value always, so that one value's fate does not move the next one's draws. */
void corrupt_impulse_noise(const Picture *p, const double v[2], Pcg *rng)
{
    for (int64_t i = 0; i < picture_count(p); i++) {
        const bool hit = (double)pcg_uniform(rng) < v[0];
        const bool white = pcg_next(rng) >> 31;
        if (hit) p->x[i] = white ? 1 : 0;
    }
}

/* log n!: Stirling's series, whose error is below 1 / (1680 n^7) < 3e-11 from n = 10 on. */
static double log_factorial(int64_t n)
{
    static const double half_log_2pi = 0.91893853320467274178;
    double product = 1;
    if (n < 10) {
        for (int64_t i = 2; i <= n; i++) product *= (double)i;
        return real_log(product);
    }
    const double x = (double)n, x2 = x * x;
    return (x + 0.5) * real_log(x) - x + half_log_2pi + 1 / (12 * x) - 1 / (360 * x * x2) +
           1 / (1260 * x * x2 * x2);
}

/* Inversion of the distribution function, its terms taken from the mode outwards, so that a mean of
 * 500 takes some 20 terms and not 500. One draw. */
static int64_t poisson(double mean, Pcg *rng)
{
    double u = ((double)pcg_next(rng) + 0.5) * 0x1p-32;
    if (mean <= 0) return 0;
    const int64_t mode = (int64_t)floor(mean);
    double up = real_exp((double)mode * real_log(mean) - mean - log_factorial(mode)), down = up;
    int64_t high = mode, low = mode;
    u -= up;
    while (u >= 0 && (up > 1e-18 || down > 1e-18)) {
        up *= mean / (double)++high;
        u -= up;
        if (u < 0) return high;
        if (low == 0) {
            down = 0;
            continue;
        }
        down *= (double)low-- / mean;
        u -= down;
        if (u < 0) return low;
    }
    return mode; /* also the 1e-16 that rounding leaves over */
}

void corrupt_shot_noise(const Picture *p, const double v[2], Pcg *rng)
{
    for (int64_t i = 0; i < picture_count(p); i++)
        p->x[i] = (float)((double)poisson((double)p->x[i] * v[0], rng) / v[0]);
}
