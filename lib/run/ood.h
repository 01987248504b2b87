/* ood -- how well a score tells examples of the classes (in) from others (out).
 *
 * Scores, the larger the more like `in`: the largest softmax probability (Hendrycks & Gimpel 2017,
 * arXiv:1610.02136) and the negative energy log sum exp(logits) (Liu et al. 2020,
 * arXiv:2010.03759). All figures are exact: examples that tie are one threshold, and half a pair
 * each for AUROC. */
#ifndef SEQLAB_RUN_OOD_H
#define SEQLAB_RUN_OOD_H

#include <stdint.h>

typedef struct OodFigures {
    int64_t n_in, n_out;
    double auroc;             /* that an example of `in` scores above one of `out` */
    double aupr_in, aupr_out; /* average precision with `in`, or `out`, as what is looked for */
    double fpr95;             /* share of `out` above the threshold that 95 % of `in` reach */
} OodFigures;

double ood_softmax_score(const float *logits, int n);
double ood_energy_score(const float *logits, int n);

/* Sorts both; NaN counts as the least. n_in, n_out >= 1. */
OodFigures ood_figures(double *in, int64_t n_in, double *out, int64_t n_out);

#endif
