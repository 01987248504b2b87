/* stats -- means over seeds, their spread, and what may be concluded from it.
 *
 * All in double and by base/realmath.h, so that a table and a verdict are the same on every
 * machine. Probabilities are one-sided: P(T >= t). */
#ifndef SEQLAB_TABLE_STATS_H
#define SEQLAB_TABLE_STATS_H

#include "base/arena.h"

#include <stdbool.h>
#include <stdint.h>

/* Of n numbers, n >= 1. With n = 1 there is no spread: std is NaN. */
typedef struct Summary {
    int n;
    double mean;
    double std; /* of the sample: n - 1 in the denominator */
} Summary;
Summary stat_summary(const double *x, int n);

/* P(T >= t) of Student's t distribution with df > 0 degrees of freedom; relative error below 1e-11
 * for df up to 1e4, 1e-9 up to 1e7. */
double stat_t_tail(double t, double df);
/* The t that P(T >= t) = tail belongs to, 0 < tail <= 1/2. */
double stat_t_quantile(double tail, double df);

/* A test of the hypothesis that a mean is at most 0, against that it is above. */
typedef struct TTest {
    double mean, std_error;
    double df; /* NaN when there is no spread */
    double p;  /* one-sided; without any spread 0 where the mean is above 0, else 1 */
} TTest;
/* Student's: of n >= 2 numbers; of differences it is the paired test. */
TTest stat_t_test(const double *x, int n);
/* Welch's, for sum_k weight[k] mean[k] + constant over independent samples, each of n >= 2: weights
 * 1 and -1 give the test of two means. Degrees of freedom by Welch-Satterthwaite: B. L. Welch,
 * Biometrika 34, 1947. */
TTest stat_welch(const double weight[], const Summary at[], int n, double constant);

/* A function of the samples' means. */
typedef double (*StatFunction)(void *inside, const double means[]);
typedef struct Sample {
    const double *x;
    int n;
} Sample;

enum { STAT_RESAMPLES = 10000, STAT_SAMPLES_MAX = 64 };
typedef struct Bootstrap {
    double low, high; /* the percentile interval that holds 95 % of the resamples */
    double p;         /* share of the resamples at or below 0, counting what was measured as one */
} Bootstrap;
/* Draws each sample anew with replacement, the same numbers of all samples when they are `paired`
 * (all of the same n). Always the same stream of PCG32. With few numbers it is only a sketch: n of
 * them have no more than n^n resamples. Source: B. Efron, R. Tibshirani, "An Introduction to the
 * Bootstrap", 1993, sections 13.3 and 15. */
Bootstrap stat_bootstrap(const Sample samples[], int n, bool paired, StatFunction f, void *inside,
                         Arena *a);

#endif
