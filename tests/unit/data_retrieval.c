/* retrieval_markov: the strings of a pair come from one chain or from two. */
#include "tests/test.h"
#include "tests/unit/data_open.h"

#include <math.h>
#include <string.h>

enum { LENGTH = 400, SYMBOLS = 4, PAIRS = 400 };

static Opened *open_chains(const char *yaml)
{
    Opened *o = opened_new(yaml, "", SPLITS_ALL);
    ASSERT_OK(o->ok, &o->err);
    return o;
}

static void count(const int32_t *x, double n[SYMBOLS][SYMBOLS])
{
    memset(n, 0, sizeof(double[SYMBOLS][SYMBOLS]));
    for (int t = 0; t + 1 < LENGTH; t++) n[x[t] - 1][x[t + 1] - 1]++;
}

/* Chi squared of two strings' transitions against one chain: (a B/A - b A/B)^2 / (a + b) summed,
 * with A, B the row totals (Numerical Recipes, 14.3.3); at most 4 x 3 degrees of freedom. */
static double difference(const int32_t *x)
{
    double a[SYMBOLS][SYMBOLS], b[SYMBOLS][SYMBOLS], chi = 0;
    count(x, a);
    count(x + LENGTH, b);
    for (int from = 0; from < SYMBOLS; from++) {
        double all_a = 0, all_b = 0;
        for (int to = 0; to < SYMBOLS; to++) all_a += a[from][to], all_b += b[from][to];
        if (all_a == 0 || all_b == 0) continue;
        for (int to = 0; to < SYMBOLS; to++) {
            const double sum = a[from][to] + b[from][to];
            const double d = a[from][to] * sqrt(all_b / all_a) - b[from][to] * sqrt(all_a / all_b);
            if (sum > 0) chi += d * d / sum;
        }
    }
    return chi;
}

/* The mean of chi squared with 12 degrees of freedom is 12 and its spread 4.9, so that of 200 pairs
 * is 12 with an error of 0.35; rare transitions only make it smaller. */
TEST(retrieval_markov, strings_of_one_label_are_of_one_chain)
{
    Opened *o = open_chains("{name: retrieval_markov, length: 400, n_symbols: 4, spread: 1}");
    int32_t x[2 * LENGTH], label;
    double sum[2] = {0}, n[2] = {0};
    for (int64_t i = 0; i < PAIRS; i++) {
        dataset_example(&o->data, SPLIT_TRAIN, i, false, 0, 0, x, &label);
        assert_in_range(label, 0, 1);
        for (int t = 0; t < 2 * LENGTH; t++) assert_in_range(x[t], 1, SYMBOLS);
        sum[label] += difference(x);
        n[label]++;
    }
    assert_true(n[1] > 160 && n[1] < 240); /* 200, 4 errors of 10 */
    assert_true(sum[1] / n[1] > 9 && sum[1] / n[1] < 13.5);
    assert_true(sum[0] / n[0] > 100);
    opened_free(o);
}

/* exp(0) for all: 1,600 x 399 transitions, 1 of 16 cells each; 5 errors of 193 */
TEST(retrieval_markov, without_spread_all_transitions_are_alike)
{
    Opened *o = open_chains("{name: retrieval_markov, length: 400, n_symbols: 4, spread: 0}");
    int32_t x[2 * LENGTH], label;
    double all[SYMBOLS][SYMBOLS] = {{0}}, one[SYMBOLS][SYMBOLS];
    for (int64_t i = 0; i < 1600; i++) {
        dataset_example(&o->data, SPLIT_TEST, i % 1000, false, 0, 0, x, &label);
        count(i < 1000 ? x : x + LENGTH, one);
        for (int c = 0; c < SYMBOLS * SYMBOLS; c++)
            all[c / SYMBOLS][c % SYMBOLS] += one[c / SYMBOLS][c % SYMBOLS];
    }
    for (int c = 0; c < SYMBOLS * SYMBOLS; c++)
        assert_true(fabs(all[c / SYMBOLS][c % SYMBOLS] - 1600 * 399 / 16.0) < 965);
    opened_free(o);
}

TEST(retrieval_markov, an_example_is_a_function_of_its_number)
{
    Opened *o = open_chains("{name: retrieval_markov, length: 400}");
    int32_t x[2 * LENGTH], y[2 * LENGTH], label, other;
    dataset_example(&o->data, SPLIT_TRAIN, 5, false, 0, 0, x, &label);
    dataset_example(&o->data, SPLIT_TRAIN, 6, false, 0, 0, y, &other);
    assert_memory_not_equal(x, y, sizeof x);
    dataset_example(&o->data, SPLIT_TRAIN, 5, true, 9, 3, y, &other);
    assert_memory_equal(x, y, sizeof x);
    assert_int_equal(label, other);
    opened_free(o);
}
