/* stats -- against scipy 1.10 (scipy.stats.t, ttest_ind, ttest_rel, ttest_1samp) and closed forms.
 */
#include "tests/test.h"

#include "table/stats.h"

#include <math.h>

static bool near(double got, double want, double error)
{
    if (fabs(got - want) <= error) return true;
    print_error("got %.17g, expected %.17g\n", got, want);
    return false;
}

TEST(stats, summary_is_the_mean_and_the_sample_deviation)
{
    const double x[] = {91.2, 91.5, 91.4, 91.6, 91.3}, one[] = {7};
    Summary s = stat_summary(x, 5);
    assert_true(near(s.mean, 91.4, 1e-13));
    assert_true(near(s.std, sqrt(0.025), 1e-13)); /* squares .04 .01 0 .04 .01 over 4 */
    s = stat_summary(one, 1);
    assert_true(s.mean == 7 && isnan(s.std));
}

TEST(stats, equal_numbers_have_no_spread)
{
    const double x[] = {0.1, 0.1, 0.1}; /* their sum rounds to 0.30000000000000004 */
    Summary s = stat_summary(x, 3);
    assert_true(s.mean == 0.1 && s.std == 0);
}

TEST(stats, t_tail_is_that_of_scipy)
{
    static const double at[][3] = {
  /* t, df, scipy.stats.t.sf */
        {0,      3,   0.5                   },
        {1,      1,   0.25                  }, /* Cauchy: 1/2 - atan(1)/pi */
        {2,      2,   0.09175170953613696   },
        {2.5,    4,   0.03338327240599406   },
        {-1.3,   7.5, 0.8839366105921957    },
        {12.706, 1,   0.025000401179066586  },
        {30,     3,   4.067640213581984e-05 },
        {1.96,   1e6, 0.02499803379263489   },
        {0.001,  5,   0.4996203933860988    },
        {4.7,    0.7, 0.10448645384981275   },
        {100,    10,  1.2248447777099239e-16},
    };
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
        double p = stat_t_tail(at[i][0], at[i][1]);
        /* as stats.h says; 1e-25 for the tail of 1e-16 */
        assert_true(near(p, at[i][2], 1e-9 * at[i][2] + 1e-25));
    }
}

TEST(stats, t_quantile_is_that_of_scipy)
{
    static const double at[][3] = {
  /* tail, df, scipy.stats.t.isf; where that is off, for 1 and 3.3, by mpmath */
        {0.025, 1,    12.706204736174705},
        {0.025, 2,    4.3026527299112765},
        {0.025, 4,    2.7764451051977996},
        {0.05,  9,    1.8331129326536337},
        {0.005, 3.3,  5.3443060697210845},
        {0.025, 1000, 1.9623390808264078},
    };
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++)
        assert_true(near(stat_t_quantile(at[i][0], at[i][1]), at[i][2], 1e-10 * at[i][2]));
}

TEST(stats, welch_is_ttest_ind_without_equal_variances)
{
    const double a[] = {91.2, 91.5, 91.4, 91.6, 91.3}, b[] = {90.9, 91.1, 91.3, 90.8};
    const double weight[] = {1, -1};
    const Summary at[] = {stat_summary(a, 5), stat_summary(b, 4)};
    TTest t = stat_welch(weight, at, 2, 0);
    assert_true(near(t.mean / t.std_error, 2.85175912736018, 1e-9));
    assert_true(near(t.p, 0.01679332154640674, 1e-10));
}

TEST(stats, paired_test_is_ttest_rel)
{
    const double a[] = {91.2, 91.5, 91.4, 91.6, 91.3}, c[] = {90.7, 91.1, 91.3, 91.2, 90.9};
    double d[5];
    for (int i = 0; i < 5; i++) d[i] = a[i] - c[i];
    TTest t = stat_t_test(d, 5);
    assert_true(near(t.mean / t.std_error, 5.307910421576442, 1e-9));
    assert_true(near(t.p, 0.0030273672305946887, 1e-10));
}

TEST(stats, one_sample_test_is_ttest_1samp)
{
    const double d[] = {0.1, 0.4, -0.1, 0.6}; /* of 2.1 2.4 1.9 2.6 and 2 */
    assert_true(near(stat_t_test(d, 4).p, 0.10308235955202924, 1e-10));
}

TEST(stats, without_spread_the_sign_decides)
{
    const double above[] = {2, 2}, below[] = {-2, -2};
    assert_true(stat_t_test(above, 2).p == 0);
    assert_true(stat_t_test(below, 2).p == 1);
}

static double first_mean(void *inside, const double means[])
{
    (void)inside;
    return means[0];
}

static double first_less_second(void *inside, const double means[])
{
    (void)inside;
    return means[0] - means[1];
}

/* The mean of n 0-or-1 values resampled is binomial: of 100 with 60 ones the 2.5 % and 97.5 %
 * quantiles are 0.50 and 0.69 or 0.70 (scipy.stats.binom.ppf: 50, 69). */
TEST(stats, bootstrap_of_a_share_is_binomial)
{
    Arena *a = arena_new();
    double x[100];
    for (int i = 0; i < 100; i++) x[i] = i < 60;
    const Sample sample = {x, 100};
    Bootstrap b = stat_bootstrap(&sample, 1, false, first_mean, NULL, a);
    assert_true(near(b.low, 0.50, 0.0101) && near(b.high, 0.695, 0.0151));
    assert_true(near(b.p, 1 / 10001.0, 1e-12)); /* none of the resamples is at 0 */
    arena_free(a);
}

TEST(stats, paired_bootstrap_draws_the_same_seeds)
{
    Arena *a = arena_new();
    const double x[] = {1, 5, 9, 13}, y[] = {0, 4, 8, 12}; /* always 1 less */
    const Sample samples[] = {
        {x, 4},
        {y, 4}
    };
    Bootstrap b = stat_bootstrap(samples, 2, true, first_less_second, NULL, a);
    assert_true(b.low == 1 && b.high == 1);
    b = stat_bootstrap(samples, 2, false, first_less_second, NULL, a);
    assert_true(b.low < -4 && b.high > 4);
    arena_free(a);
}

TEST(stats, bootstrap_is_the_same_every_time)
{
    Arena *a = arena_new();
    const double x[] = {1, 2, 4, 8, 16};
    const Sample sample = {x, 5};
    Bootstrap b = stat_bootstrap(&sample, 1, false, first_mean, NULL, a);
    Bootstrap c = stat_bootstrap(&sample, 1, false, first_mean, NULL, a);
    assert_true(b.low == c.low && b.high == c.high && b.p == c.p);
    arena_free(a);
}
