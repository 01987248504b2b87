/* stats -- see stats.h. */
#include "table/stats.h"

#include "base/pcg.h"
#include "base/realmath.h"

#include <math.h>
#include <stdlib.h>

Summary stat_summary(const double *x, int n)
{
    double sum = 0, squares = 0;
    bool same = true;
    for (int i = 0; i < n; i++) {
        sum += x[i];
        same = same && x[i] == x[0];
    }
    /* of equal numbers the mean is that number, whatever the rounding of their sum */
    double mean = same ? x[0] : sum / n;
    for (int i = 0; i < n; i++) squares += (x[i] - mean) * (x[i] - mean);
    return (Summary){n, mean, n > 1 ? real_sqrt(squares / (n - 1)) : (double)NAN};
}

/* -- Student's t distribution */

/* log Gamma(x), x > 0, by Stirling's series above 16, where its first term left out is below 1e-17;
 * below, x is raised by Gamma(x + 1) = x Gamma(x). Abramowitz and Stegun 6.1.41. */
static double log_gamma(double x)
{
    static const double half_log_two_pi = 0.91893853320467274178;
    double product = 1;
    while (x < 16) product *= x, x += 1;
    double r = 1 / x, r2 = r * r;
    double series = 1.0 / 1188 - r2 * (691.0 / 360360 - r2 / 156);
    series =
        r * (1.0 / 12 - r2 * (1.0 / 360 - r2 * (1.0 / 1260 - r2 * (1.0 / 1680 - r2 * series))));
    return (x - 0.5) * real_log(x) - x + half_log_two_pi + series - real_log(product);
}

/* The continued fraction of the incomplete beta function (Abramowitz and Stegun 26.5.8), from the
 * left by Lentz's method; it converges fast for x < (a + 1) / (a + b + 2). */
static double beta_fraction(double a, double b, double x)
{
    enum { TERMS = 10000 };
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    if (fabs(d) < tiny) d = tiny;
    d = 1 / d;
    double value = d;
    for (int m = 1; m < TERMS; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        for (int half = 0; half < 2; half++) {
            double k = half ? odd : even;
            d = 1 + k * d;
            c = 1 + k / c;
            if (fabs(d) < tiny) d = tiny;
            if (fabs(c) < tiny) c = tiny;
            d = 1 / d;
            value *= c * d;
        }
        if (fabs(c * d - 1) < 1e-15) break;
    }
    return value;
}

/* I_x(a, b), with y = 1 - x given as it is exact where x is near 1. */
static double beta_share(double a, double b, double x, double y)
{
    if (x <= 0) return 0;
    if (y <= 0) return 1;
    double front = real_exp(log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * real_log(x) +
                            b * real_log(y));
    if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(a, b, x) / a;
    return 1 - front * beta_fraction(b, a, y) / b;
}

/* P(|T| >= |t|) = I_x(df / 2, 1 / 2) at x = df / (df + t^2): Abramowitz and Stegun 26.7.1. */
double stat_t_tail(double t, double df)
{
    if (isnan(t) || isnan(df)) return (double)NAN;
    double square = t * t, whole = df + square;
    double both = whole > 1e300 ? 0 : beta_share(df / 2, 0.5, df / whole, square / whole);
    return t >= 0 ? both / 2 : 1 - both / 2;
}

/* By bisection: the tail falls in t. */
double stat_t_quantile(double tail, double df)
{
    double low = 0, high = 1;
    while (stat_t_tail(high, df) > tail && high < 1e100) low = high, high *= 2;
    for (int i = 0; i < 200; i++) {
        double middle = low + (high - low) / 2;
        if (middle <= low || middle >= high) break;
        if (stat_t_tail(middle, df) > tail)
            low = middle;
        else
            high = middle;
    }
    return high;
}

/* -- Tests */

static TTest t_test(double mean, double std_error, double df)
{
    TTest t = {.mean = mean, .std_error = std_error, .df = df};
    if (std_error > 0)
        t.p = stat_t_tail(mean / std_error, df);
    else
        t.df = (double)NAN, t.p = mean > 0 ? 0 : 1;
    return t;
}

TTest stat_t_test(const double *x, int n)
{
    Summary s = stat_summary(x, n);
    return t_test(s.mean, s.std / real_sqrt(n), n - 1);
}

TTest stat_welch(const double weight[], const Summary at[], int n, double constant)
{
    double mean = constant, variance = 0, below = 0;
    for (int k = 0; k < n; k++) {
        double part = weight[k] * weight[k] * at[k].std * at[k].std / at[k].n;
        mean += weight[k] * at[k].mean;
        variance += part;
        below += part * part / (at[k].n - 1);
    }
    return t_test(mean, real_sqrt(variance), below > 0 ? variance * variance / below : 1);
}

/* -- Bootstrap */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y ? 1 : 0;
}

static void resample(const Sample samples[], int n, bool paired, Pcg *rng, double means[])
{
    for (int k = 0; k < n; k++) means[k] = 0;
    if (paired && n > 0)
        for (int i = 0; i < samples[0].n; i++) {
            uint32_t drawn = pcg_below(rng, (uint32_t)samples[0].n);
            for (int k = 0; k < n; k++) means[k] += samples[k].x[drawn];
        }
    else
        for (int k = 0; k < n; k++)
            for (int i = 0; i < samples[k].n; i++)
                means[k] += samples[k].x[pcg_below(rng, (uint32_t)samples[k].n)];
    for (int k = 0; k < n; k++) means[k] /= samples[k].n;
}

Bootstrap stat_bootstrap(const Sample samples[], int n, bool paired, StatFunction f, void *inside,
                         Arena *a)
{
    double means[STAT_SAMPLES_MAX], *value = arena_new_array(a, double, STAT_RESAMPLES);
    Pcg rng = pcg_stream(0, "bootstrap", 0, 0);
    int n_below = 0;
    for (int i = 0; i < STAT_RESAMPLES; i++) {
        resample(samples, n, paired, &rng, means);
        value[i] = f(inside, means);
        if (!(value[i] > 0)) n_below++; /* NaN supports nothing */
    }
    qsort(value, STAT_RESAMPLES, sizeof *value, by_value);
    int cut = STAT_RESAMPLES / 40; /* 2.5 % at each end */
    return (Bootstrap){value[cut], value[STAT_RESAMPLES - 1 - cut],
                       (n_below + 1.0) / (STAT_RESAMPLES + 1.0)};
}
