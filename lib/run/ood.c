/* ood -- see ood.h. */
#include "run/ood.h"

#include "base/realmath.h"

#include <math.h>
#include <stdlib.h>

/* sum exp(logits - largest) */
static double sum_of_exp(const float *logits, int n, double *largest)
{
    double most = (double)logits[0], total = 0;
    for (int k = 1; k < n; k++)
        if ((double)logits[k] > most) most = (double)logits[k];
    for (int k = 0; k < n; k++) {
        const double below = (double)logits[k] - most;
        if (!(below < -700)) total += real_exp(below); /* NaN goes on */
    }
    *largest = most;
    return total;
}

double ood_softmax_score(const float *logits, int n)
{
    double largest;
    return 1 / sum_of_exp(logits, n, &largest);
}

double ood_energy_score(const float *logits, int n)
{
    double largest;
    const double total = sum_of_exp(logits, n, &largest);
    return isfinite(total) ? largest + real_log(total) : total;
}

static int falling(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

static void sort(double *score, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (isnan(score[i])) score[i] = -HUGE_VAL;
    qsort(score, (size_t)n, sizeof *score, falling);
}

/* Average precision of finding `found` among both, both sorted by what is most likely first;
 * `sign` turns rising order into falling. */
static double average_precision(const double *found, int64_t n, const double *other, int64_t m,
                                double sign)
{
    double sum = 0;
    for (int64_t i = 0, j = 0; i < n;) {
        const double at = sign * found[i];
        int64_t ties = 0;
        while (i < n && sign * found[i] == at) i++, ties++;
        while (j < m && sign * other[j] >= at) j++;
        sum += (double)ties / (double)n * ((double)i / (double)(i + j));
    }
    return sum;
}

static void reverse(double *x, int64_t n)
{
    for (int64_t i = 0; i < n / 2; i++) {
        const double keep = x[i];
        x[i] = x[n - 1 - i];
        x[n - 1 - i] = keep;
    }
}

OodFigures ood_figures(double *in, int64_t n_in, double *out, int64_t n_out)
{
    OodFigures f = {.n_in = n_in, .n_out = n_out, .fpr95 = -1};
    int64_t twice = 0; /* the pairs in the right order, those that tie counted half */
    sort(in, n_in);
    sort(out, n_out);
    for (int64_t i = 0, above = 0, level = 0; i < n_in; i++) {
        while (above < n_out && out[above] > in[i]) above++;
        if (level < above) level = above;
        while (level < n_out && out[level] == in[i]) level++;
        twice += 2 * (n_out - level) + (level - above);
        const int64_t kept = i + 1;
        if (f.fpr95 < 0 && 20 * kept >= 19 * n_in) f.fpr95 = (double)level / (double)n_out;
    }
    f.auroc = (double)twice / (2 * (double)n_in * (double)n_out);
    f.aupr_in = average_precision(in, n_in, out, n_out, 1);
    reverse(in, n_in);
    reverse(out, n_out);
    f.aupr_out = average_precision(out, n_out, in, n_in, -1);
    return f;
}
