/* ListOps: the samples are expressions of the grammar, their labels the values that a second,
 * recursive evaluator finds, and their statistics those of the original generator. */
#include "tests/test.h"
#include "tests/unit/data_open.h"

#include <stdlib.h>
#include <string.h>

enum { END = 2, DIGIT = 3, CLOSE = 13, MIN, MAX, MED, SM };

static Opened *open_yaml(const char *yaml)
{
    Opened *o = opened_new(yaml, "", SPLITS_ALL);
    ASSERT_OK(o->ok, &o->err);
    return o;
}

typedef struct Reader {
    const int32_t *token;
    int at, depth, most_args;
} Reader;

static int by_value(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* Reads one expression; any token that the grammar does not allow fails the test. */
// NOLINTNEXTLINE(misc-no-recursion)
static int evaluate(Reader *r, int depth)
{
    int value[32], n = 0, sum = 0;
    if (depth > r->depth) r->depth = depth;
    const int32_t first = r->token[r->at++];
    if (first >= DIGIT && first < CLOSE) return first - DIGIT;
    assert_in_range(first, MIN, SM);
    while (r->token[r->at] != CLOSE) {
        value[n] = evaluate(r, depth + 1);
        sum += value[n++];
    }
    r->at++;
    assert_true(n >= 2);
    if (n > r->most_args) r->most_args = n;
    qsort(value, (size_t)n, sizeof *value, by_value);
    if (first == MIN) return value[0];
    if (first == MAX) return value[n - 1];
    if (first == SM) return sum % 10;
    return n % 2 ? value[n / 2] : (value[n / 2 - 1] + value[n / 2]) / 2;
}

/* The example of the LRA's paper is 5 by hand: [MAX 4 3 [MIN 2 3] 1 0 [MED 1 5 8 9 2]]. */
TEST(listops, the_evaluator_of_these_tests_is_right)
{
    static const int32_t token[] = {MAX, 7, 6, MIN, 5,  6, CLOSE, 4,    3,
                                    MED, 4, 8, 11,  12, 5, CLOSE, CLOSE};
    Reader r = {.token = token};
    assert_int_equal(evaluate(&r, 1), 5);
    static const int32_t even[] = {MED, 3 + 9, 3 + 1, 3 + 4, 3 + 2, CLOSE}; /* (2 + 4) / 2 */
    r = (Reader){.token = even};
    assert_int_equal(evaluate(&r, 1), 3);
    static const int32_t sum[] = {SM, 3 + 9, 3 + 8, 3 + 7, CLOSE}; /* 24 mod 10 */
    r = (Reader){.token = sum};
    assert_int_equal(evaluate(&r, 1), 4);
}

TEST(listops, labels_are_the_values_of_the_expressions)
{
    Opened *o = open_yaml("{name: listops}");
    int32_t x[128], label;
    for (int64_t i = 0; i < 1500; i++) {
        dataset_example(&o->data, SPLIT_TRAIN, i, false, 0, 0, x, &label);
        Reader r = {.token = x};
        assert_int_equal(evaluate(&r, 1), label);
        assert_int_equal(x[r.at], END);
        assert_in_range(r.at, 51, 127); /* strictly between 50 and 128 */
        assert_true(r.depth <= 6 && r.most_args <= 6);
        for (int t = r.at + 1; t < 128; t++) assert_int_equal(x[t], 0);
    }
    opened_free(o);
}

/* 2000 samples of the original's program at (6, 6, 50-128): mean length 73, mean depth 6.0. The
 * standard deviation of a length is 19, so the mean of 2000 is within 1.7 in 4 of its errors. */
TEST(listops, lengths_and_depths_are_those_of_the_original)
{
    Opened *o = open_yaml("{name: listops}");
    int32_t x[128], label;
    int length = 0, depth = 0, operators[4] = {0};
    for (int64_t i = 0; i < 2000; i++) {
        dataset_example(&o->data, SPLIT_TRAIN, i, false, 0, 0, x, &label);
        Reader r = {.token = x};
        (void)evaluate(&r, 1);
        length += r.at;
        depth += r.depth;
        operators[x[0] - MIN]++;
    }
    assert_true(abs(length - 2000 * 73) < 2000 * 2);
    assert_true(depth > 2000 * 5.9 && depth <= 2000 * 6);
    for (int k = 0; k < 4; k++) assert_in_range(operators[k], 420, 580); /* 500, 4 errors of 19 */
    opened_free(o);
}

/* lra.md's table of the full size: labels 0: 17.4 %, 9: 16.6 %, 2: 6.3 %, mean length 1046. */
TEST(listops, the_full_size_has_the_skew_of_the_original)
{
    Opened *o = open_yaml("{name: listops, max_depth: 10, max_args: 10, min_length: 500, "
                          "max_length: 2000}");
    static int32_t x[2000];
    int32_t label;
    int count[10] = {0};
    double length = 0;
    enum { N = 1000 };
    for (int64_t i = 0; i < N; i++) {
        dataset_example(&o->data, SPLIT_TEST, i, false, 0, 0, x, &label);
        count[label]++;
        for (int t = 0; t < 2000; t++) length += x[t] > END;
    }
    assert_in_range(count[0], N * 12 / 100, N * 23 / 100); /* 4 errors of 1.2 % */
    assert_in_range(count[9], N * 12 / 100, N * 22 / 100);
    assert_in_range(count[2], N * 3 / 100, N * 10 / 100);
    assert_true(length / N > 980 && length / N < 1110); /* 4 errors of 14, and their own of 10 */
    opened_free(o);
}

TEST(listops, examples_are_a_function_of_seed_split_and_number)
{
    Opened *a = open_yaml("{name: listops}");
    Opened *b = open_yaml("{name: listops, n_train: 50, n_valid: 3}");
    Opened *c = open_yaml("{name: listops, seed: 2}");
    int32_t x[128], y[128], label, same;
    for (int64_t i = 49; i >= 0; i--) {
        dataset_example(&a->data, SPLIT_TRAIN, i, false, 0, 0, x, &label);
        dataset_example(&b->data, SPLIT_TRAIN, i, true, 7, 5, y, &same);
        assert_memory_equal(x, y, sizeof x);
        assert_int_equal(label, same);
        dataset_example(&c->data, SPLIT_TRAIN, i, false, 0, 0, y, &same);
        assert_memory_not_equal(x, y, sizeof x);
    }
    assert_string_not_equal(a->data.sha256, b->data.sha256);
    assert_string_not_equal(a->data.sha256, c->data.sha256);
    opened_free(a);
    opened_free(b);
    opened_free(c);
}

static int by_tokens(const void *a, const void *b)
{
    return memcmp(a, b, 128 * sizeof(int32_t));
}

TEST(listops, splits_share_no_expression)
{
    enum { N = 1000 };
    const size_t n = N_SPLITS * (size_t)N;
    Opened *o = open_yaml("{name: listops}");
    int32_t(*x)[128] = calloc(n, sizeof *x), label;
    assert_non_null(x);
    for (int s = 0; s < N_SPLITS; s++)
        for (int64_t i = 0; i < N; i++)
            dataset_example(&o->data, (SplitId)s, i, false, 0, 0, x[(int64_t)s * N + i], &label);
    qsort(x, n, sizeof *x, by_tokens);
    for (size_t i = 1; i < n; i++) assert_memory_not_equal(x[i - 1], x[i], sizeof *x);
    free(x);
    opened_free(o);
}

TEST(listops, lengths_without_room_between_are_refused)
{
    Opened *o = opened_new("{name: listops, min_length: 60, max_length: 61}", "", SPLITS_ALL);
    ASSERT_FAILS(o->ok, &o->err, FAIL_CONFIG,
                 "min_length = 60 and max_length = 61 leave no length between them");
    opened_free(o);
}

/* Under one operator over 6 digits there are 8 tokens. */
TEST(listops, lengths_that_never_come_are_refused)
{
    Opened *o =
        opened_new("{name: listops, max_depth: 2, min_length: 8, max_length: 20}", "", SPLITS_ALL);
    ASSERT_FAILS(o->ok, &o->err, FAIL_CONFIG,
                 "0 of 100000 expressions with max_depth = 2 and max_args = 6 are longer than "
                 "min_length = 8 and shorter than max_length = 20: that is too rare");
    opened_free(o);
}

TEST(listops, a_set_takes_no_memory_and_says_what_its_tokens_are)
{
    Opened *o = open_yaml("{name: listops, n_train: 1000000000}");
    assert_int_equal(o->data.n_memory, 0);
    assert_int_equal(o->data.task.dtype, I32);
    assert_int_equal(o->data.task.n_tokens, 18);
    assert_int_equal(o->data.task.n_classes, 10);
    assert_int_equal(o->data.split[SPLIT_TRAIN].n, 1000000000);
    opened_free(o);
}
