/* ood -- figures of detection against values by hand; the curves of 4 by 4 examples fit on paper.
 */
#include "run/ood.h"
#include "tests/test.h"

#include <math.h>
#include <string.h>

static void near(double a, double b)
{
    if (!(fabs(a - b) < 1e-12)) print_error("%.15g, expected %.15g\n", a, b);
    assert_true(fabs(a - b) < 1e-12);
}

TEST(ood, figures_by_hand)
{
    /* in order: in .9, in .8, out .7, in .6, out .55, out .54, in .53, out .4 */
    double in[] = {.53, .9, .6, .8}, out[] = {.4, .7, .55, .54};
    const OodFigures f = ood_figures(in, 4, out, 4);
    near(f.auroc, (4 + 4 + 3 + 1) / 16.0);
    near(f.aupr_in, (1.0 + 1 + 3 / 4.0 + 4 / 7.0) / 4);
    /* from below: out .4, in .53, out .54, out .55, in .6, out .7 */
    near(f.aupr_out, (1.0 + 2 / 3.0 + 3 / 4.0 + 4 / 6.0) / 4);
    near(f.fpr95, 3 / 4.0);
}

TEST(ood, ties_are_one_threshold)
{
    /* in: 2 2 1; out: 2 1 1 0. Pairs: in 2 beats three and ties one, twice; in 1 beats one, ties 2
     */
    double in[] = {2, 1, 2}, out[] = {1, 2, 0, 1};
    const OodFigures f = ood_figures(in, 3, out, 4);
    near(f.auroc, (3.5 + 3.5 + 2) / 12);
    near(f.aupr_in, 2 / 3.0 * (2 / 3.0) + 1 / 3.0 * (3 / 6.0));
    near(f.aupr_out, 1 / 4.0 * 1 + 2 / 4.0 * (3 / 4.0) + 1 / 4.0 * (4 / 7.0));
    near(f.fpr95, 3 / 4.0);
}

TEST(ood, all_equal_is_chance)
{
    double in[] = {1, 1, 1}, out[] = {1, 1, 1, 1, 1};
    const OodFigures f = ood_figures(in, 3, out, 5);
    near(f.auroc, 0.5);
    near(f.aupr_in, 3 / 8.0);
    near(f.aupr_out, 5 / 8.0);
    near(f.fpr95, 1);
}

TEST(ood, apart_is_perfect_and_upside_down_is_zero)
{
    double in[] = {3, 4}, out[] = {1, 2};
    OodFigures f = ood_figures(in, 2, out, 2);
    near(f.auroc, 1);
    near(f.aupr_in, 1);
    near(f.aupr_out, 1);
    near(f.fpr95, 0);
    f = ood_figures(out, 2, in, 2);
    near(f.auroc, 0);
    near(f.fpr95, 1);
}

/* 20 in: 95 % of them are 19, so the least one of them does not count. */
TEST(ood, fpr95_leaves_out_one_in_twenty)
{
    double in[20], out[4] = {2.5, 1.5, 0.5, -1};
    for (int i = 0; i < 20; i++) in[i] = i; /* the 19th from above is 1 */
    near(ood_figures(in, 20, out, 4).fpr95, 0.5);
}

TEST(ood, nan_counts_as_the_least)
{
    double in[] = {(double)NAN, 1}, out[] = {0, -5};
    near(ood_figures(in, 2, out, 2).auroc, 0.5);
}

/* Every pair, against the sum over pairs. */
TEST(ood, auroc_is_the_share_of_pairs)
{
    double in[60], out[45], pairs = 0;
    for (int i = 0; i < 60; i++) in[i] = (i * 37 % 23) + 2;
    for (int i = 0; i < 45; i++) out[i] = i * 31 % 19;
    for (int i = 0; i < 60; i++)
        for (int j = 0; j < 45; j++) pairs += in[i] > out[j] ? 1 : in[i] == out[j] ? 0.5 : 0;
    near(ood_figures(in, 60, out, 45).auroc, pairs / (60 * 45));
}

TEST(ood, scores_by_libm)
{
    const float logits[] = {1, 2, 3, -4};
    const double sum = exp(1) + exp(2) + exp(3) + exp(-4);
    assert_true(fabs(ood_softmax_score(logits, 4) - exp(3) / sum) < 1e-14);
    assert_true(fabs(ood_energy_score(logits, 4) - log(sum)) < 1e-14);
    const float large[] = {1000, -1000}; /* no overflow */
    near(ood_softmax_score(large, 2), 1);
    near(ood_energy_score(large, 2), 1000);
}
