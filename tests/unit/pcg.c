/* pcg -- against the demo output of O'Neill's C implementation, and by what each call promises. */
#include "tests/test.h"

#include "base/pcg.h"

#include <math.h>
#include <stdlib.h>

/* pcg32-demo of imneme/pcg-c-basic prints, for seed 42 and stream 54, rounds of 6 numbers, 65 coins
 * (bound 2), 33 dice (bound 6) and a shuffled deck (51 draws). This is its first round and the
 * numbers of its second. */
TEST(pcg, gives_the_published_sequence)
{
    static const uint32_t first[] = {0xa15c02b7, 0x7b47f409, 0xba1d3330,
                                     0x83d2f293, 0xbfa4784b, 0xcbed606e};
    static const uint32_t second[] = {0x74ab93ad, 0x1c1da000, 0x494ff896,
                                      0x34462f2f, 0xd308a3e5, 0x0fa83bab};
    static const char coins[] = "HHTTTHTHHHTHTTTHHHHHTTTHHHTHTHTHTTHTTTHHHHHHTTTTHHTTTTTHTTTTTTTHT";
    static const char dice[] = "341122324324335231315141564662633";
    Pcg rng = pcg_seed(42, 54);
    for (int i = 0; i < 6; i++) assert_int_equal(pcg_next(&rng), first[i]);
    for (int i = 0; i < 65; i++) assert_int_equal(pcg_below(&rng, 2) ? 'H' : 'T', coins[i]);
    for (int i = 0; i < 33; i++) assert_int_equal('1' + (int)pcg_below(&rng, 6), dice[i]);
    for (uint32_t bound = 52; bound > 1; bound--) (void)pcg_below(&rng, bound);
    for (int i = 0; i < 6; i++) assert_int_equal(pcg_next(&rng), second[i]);
}

TEST(pcg, advance_equals_stepping)
{
    static const uint64_t deltas[] = {0, 1, 2, 3, 100, 4097};
    for (size_t i = 0; i < sizeof deltas / sizeof deltas[0]; i++) {
        Pcg jumped = pcg_seed(7, 8), stepped = jumped;
        pcg_advance(&jumped, deltas[i]);
        for (uint64_t k = 0; k < deltas[i]; k++) (void)pcg_next(&stepped);
        assert_true(jumped.state == stepped.state && jumped.inc == stepped.inc);
    }
}

TEST(pcg, advance_by_minus_one_goes_back)
{
    Pcg rng = pcg_seed(7, 8);
    uint32_t draw = pcg_next(&rng);
    pcg_advance(&rng, UINT64_MAX); /* the period is 2^64 */
    assert_int_equal(pcg_next(&rng), draw);
}

TEST(pcg, below_stays_below_and_is_even)
{
    enum { BOUND = 6, DRAWS = 60000 };
    Pcg rng = pcg_seed(1, 1);
    int counts[BOUND] = {0};
    double chi2 = 0;
    for (int i = 0; i < DRAWS; i++) {
        uint32_t k = pcg_below(&rng, BOUND);
        assert_true(k < BOUND);
        counts[k]++;
    }
    for (int k = 0; k < BOUND; k++) chi2 += pow(counts[k] - DRAWS / BOUND, 2) / (DRAWS / BOUND);
    assert_true(chi2 < 20.5); /* 5 degrees of freedom: p = 0.001 */
}

/* A plain remainder would give [0, 2^30) twice as often as the rest: 5/8 of the draws would be
 * below the middle. */
TEST(pcg, below_is_unbiased_for_large_bounds)
{
    enum { DRAWS = 10000 };
    const uint32_t bound = UINT32_C(3) << 30;
    Pcg rng = pcg_seed(3, 4);
    int low = 0;
    for (int i = 0; i < DRAWS; i++) low += pcg_below(&rng, bound) < bound / 2;
    assert_true(abs(low - DRAWS / 2) < 200); /* 4 standard deviations */
}

TEST(pcg, below_one_is_zero)
{
    Pcg rng = pcg_seed(3, 4);
    for (int i = 0; i < 100; i++) assert_int_equal(pcg_below(&rng, 1), 0);
}

TEST(pcg, permutation_holds_each_number_once)
{
    enum { N = 1000 };
    int64_t order[N];
    bool seen[N] = {false};
    Pcg rng = pcg_seed(9, 9);
    pcg_permutation(&rng, order, N);
    for (int i = 0; i < N; i++) {
        assert_true(order[i] >= 0 && order[i] < N && !seen[order[i]]);
        seen[order[i]] = true;
    }
}

TEST(pcg, permutations_are_equally_likely)
{
    enum { DRAWS = 24000 };
    Pcg rng = pcg_seed(5, 6);
    int counts[256] = {0}, n = 0;
    double chi2 = 0;
    for (int i = 0; i < DRAWS; i++) {
        int64_t o[4];
        pcg_permutation(&rng, o, 4);
        counts[o[0] * 64 + o[1] * 16 + o[2] * 4 + o[3]]++;
    }
    for (int k = 0; k < 256; k++) {
        if (counts[k] == 0) continue;
        chi2 += pow(counts[k] - DRAWS / 24, 2) / (DRAWS / 24);
        n++;
    }
    assert_int_equal(n, 24);
    assert_true(chi2 < 49.7); /* 23 degrees of freedom: p = 0.001 */
}

TEST(pcg, each_part_of_a_streams_name_changes_it)
{
    const Pcg rngs[] = {pcg_stream(1, "init", 0, 0),    pcg_stream(2, "init", 0, 0),
                        pcg_stream(1, "shuffle", 0, 0), pcg_stream(1, "init", 1, 0),
                        pcg_stream(1, "init", 0, 1),    pcg_stream(0, "init", 1, 1)};
    enum { N = sizeof rngs / sizeof rngs[0] };
    for (int i = 0; i < N; i++)
        for (int k = 0; k < i; k++) {
            Pcg a = rngs[i], b = rngs[k];
            assert_true(a.inc != b.inc && (a.inc & 1));
            int same = 0;
            for (int j = 0; j < 100; j++) same += pcg_next(&a) == pcg_next(&b);
            assert_int_equal(same, 0);
        }
}

/* Mean 1/2 and variance 1/12; mean 0, variance 1, kurtosis 3: each within 5 standard errors. */
TEST(pcg, uniform_and_normal_have_their_moments)
{
    enum { DRAWS = 100000 };
    Pcg rng = pcg_stream(1, "test", 0, 0);
    double u1 = 0, u2 = 0, z1 = 0, z2 = 0, z4 = 0;
    for (int i = 0; i < DRAWS; i++) {
        double u = (double)pcg_uniform(&rng), z = pcg_normal(&rng);
        assert_true(u >= 0 && u < 1 && u * 0x1p24 == floor(u * 0x1p24));
        u1 += u, u2 += (u - 0.5) * (u - 0.5);
        z1 += z, z2 += z * z, z4 += z * z * z * z;
    }
    const double error = 5 / sqrt(DRAWS);
    assert_true(fabs(u1 / DRAWS - 0.5) < error * sqrt(1.0 / 12));
    assert_true(fabs(u2 / DRAWS - 1.0 / 12) < error * sqrt(1.0 / 180));
    assert_true(fabs(z1 / DRAWS) < error);
    assert_true(fabs(z2 / DRAWS - 1) < error * sqrt(2));
    assert_true(fabs(z4 / DRAWS - 3) < error * sqrt(96));
}

TEST(pcg, a_normal_takes_two_draws)
{
    Pcg a = pcg_seed(1, 2), b = a;
    (void)pcg_normal(&a);
    pcg_advance(&b, 2);
    assert_true(a.state == b.state);
}
