/* realmath -- each bound that realmath.h states, against libm in long double (64-bit mantissa). */
#include "tests/test.h"

#include "base/pcg.h"
#include "base/realmath.h"

#include <float.h>
#include <math.h>

enum { DRAWS = 20000 };
static const long double PI_LONG = 3.14159265358979323846264338327950288L;

static double uniform(Pcg *rng, double low, double high)
{
    uint64_t bits = (uint64_t)pcg_next(rng) << 21 ^ pcg_next(rng); /* 53 bits */
    return low + (high - low) * (double)bits * 0x1p-53;
}

static long double relative(double got, long double want)
{
    return fabsl((long double)got - want) / fabsl(want);
}

TEST(realmath, log_is_accurate_over_all_magnitudes)
{
    Pcg rng = pcg_seed(1, 1);
    long double worst = 0;
    for (int i = 0; i < DRAWS; i++) {
        double x = i % 2 ? uniform(&rng, 0.5, 2)
                         : ldexp(uniform(&rng, 1, 2), (int)pcg_below(&rng, 2045) - 1022);
        if (x != 1) worst = fmaxl(worst, relative(real_log(x), logl((long double)x)));
    }
    if (worst >= 4e-16L) print_error("worst %.3Lg\n", worst);
    assert_true(worst < 4e-16L);
}

TEST(realmath, log_of_one_and_its_neighbours)
{
    assert_true(real_log(1) == 0);
    const double near[] = {1 + DBL_EPSILON, 1 - DBL_EPSILON / 2, 1 + 1e-8, 1 - 1e-8};
    for (int i = 0; i < 4; i++)
        assert_true(relative(real_log(near[i]), logl((long double)near[i])) < 4e-16L);
}

TEST(realmath, cos_and_sin_of_turns_are_accurate)
{
    Pcg rng = pcg_seed(2, 2);
    long double worst = 0;
    for (int i = 0; i < DRAWS; i++) {
        double t = uniform(&rng, -3, 3);
        if (i % 4 == 0) t *= 1000;
        long double turn = (long double)t - floorl((long double)t);
        worst = fmaxl(worst, fabsl((long double)real_cos_turns(t) - cosl(2 * PI_LONG * turn)));
        worst = fmaxl(worst, fabsl((long double)real_sin_turns(t) - sinl(2 * PI_LONG * turn)));
    }
    if (worst >= 3e-16L) print_error("worst %.3Lg\n", worst);
    assert_true(worst < 3e-16L);
}

TEST(realmath, quarter_turns_are_exact)
{
    for (int k = -8; k <= 8; k++) {
        static const int cosine[] = {1, 0, -1, 0};
        assert_true(real_cos_turns(0.25 * k) == cosine[k & 3]);
        assert_true(real_sin_turns(0.25 * k) == cosine[(k - 1) & 3]);
    }
    assert_true(real_cos_turns(0x1p60) == 1);
    assert_true(real_cos_turns(-1e-300) == 1);
}

TEST(realmath, exp_is_accurate)
{
    Pcg rng = pcg_seed(3, 3);
    long double worst = 0;
    for (int i = 0; i < DRAWS; i++) {
        double x = i % 2 ? uniform(&rng, -1, 1) : uniform(&rng, -708, 709);
        worst = fmaxl(worst, relative(real_exp(x), expl((long double)x)));
    }
    if (worst >= 3e-16L) print_error("worst %.3Lg\n", worst);
    assert_true(worst < 3e-16L);
}

TEST(realmath, exp_ends_in_zero_and_infinity)
{
    assert_true(real_exp(0) == 1);
    assert_true(real_exp(-1e9) == 0 && real_exp(-INFINITY) == 0);
    assert_true(isinf(real_exp(1e9)) && isinf(real_exp(INFINITY)));
    assert_true(isnan(real_exp(NAN)));
    assert_true(real_exp(-745) > 0);
    assert_true(fabs(real_exp(709.7) / exp(709.7) - 1) < 1e-12);
}

TEST(realmath, pow_is_accurate)
{
    Pcg rng = pcg_seed(4, 4);
    for (int i = 0; i < DRAWS; i++) {
        double x = ldexp(uniform(&rng, 1, 2), (int)pcg_below(&rng, 40) - 20);
        double y = uniform(&rng, -20, 20);
        long double size = 1 + fabsl((long double)y * logl((long double)x));
        assert_true(relative(real_pow(x, y), powl((long double)x, (long double)y)) < 1e-15L * size);
    }
}

TEST(realmath, whole_powers_are_accurate)
{
    static const double bases[] = {0.1, 0.5, 0.9, 0.999, -1.5, 3};
    for (size_t i = 0; i < sizeof bases / sizeof bases[0]; i++) {
        assert_true(real_pow_whole(bases[i], 0) == 1);
        assert_true(real_pow_whole(bases[i], 1) == bases[i]);
        for (int n = 2; n < 300; n++)
            assert_true(relative(real_pow_whole(bases[i], n), powl((long double)bases[i], n)) <
                        n * 2e-16L);
    }
    assert_true(real_pow_whole(0, 5) == 0 && real_pow_whole(0, 0) == 1);
    assert_true(real_pow_whole(0.9, INT64_MAX) == 0);
}
