/* Associative recall, induction heads, delay and selective copying: every label can be read off its
 * sequence. */
#include "data/loader.h"
#include "tests/test.h"
#include "tests/unit/data_open.h"

#include <stdlib.h>
#include <string.h>

static Opened *open_yaml(const char *yaml)
{
    Opened *o = opened_new(yaml, "", SPLITS_ALL);
    ASSERT_OK(o->ok, &o->err);
    return o;
}

TEST(associative_recall, the_label_follows_the_last_key)
{
    Opened *o = open_yaml("{name: associative_recall, n_pairs: 12, n_keys: 7, n_values: 5}");
    int32_t x[25], label;
    for (int64_t i = 0; i < 500; i++) {
        dataset_example(&o->data, SPLIT_TRAIN, i, false, 0, 0, x, &label);
        int hits = 0;
        for (int t = 0; t < 24; t += 2) {
            assert_in_range(x[t], 1, 7);
            assert_in_range(x[t + 1], 8, 12);
            if (x[t] != x[24]) continue;
            assert_int_equal(x[t + 1] - 8, label);
            hits++;
        }
        assert_true(hits >= 1);
    }
    opened_free(o);
}

/* The majority of the values in sight must not do: each sequence has a table of its own. */
TEST(associative_recall, keys_have_another_value_in_another_sequence)
{
    Opened *o = open_yaml("{name: associative_recall, n_keys: 4, n_values: 4}");
    int32_t x[33], label;
    int count[4][4] = {{0}};
    for (int64_t i = 0; i < 1600; i++) {
        dataset_example(&o->data, SPLIT_TRAIN, i, false, 0, 0, x, &label);
        count[x[32] - 1][label]++;
    }
    for (int k = 0; k < 16; k++) assert_in_range(count[k / 4][k % 4], 60, 140); /* 100, 4 of 10 */
    opened_free(o);
}

TEST(induction_heads, the_label_follows_the_first_marker)
{
    Opened *o = open_yaml("{name: induction_heads, length: 20, n_symbols: 6}");
    int32_t x[20], label;
    int places[20] = {0}, labels[6] = {0};
    for (int64_t i = 0; i < 3600; i++) {
        dataset_example(&o->data, SPLIT_TRAIN, i, false, 0, 0, x, &label);
        int first = 0, markers = 0;
        while (x[first] != 1) first++;
        for (int t = 0; t < 20; t++) markers += x[t] == 1;
        assert_int_equal(markers, 2);
        assert_int_equal(x[19], 1);
        assert_in_range(x[first + 1], 2, 7);
        assert_int_equal(x[first + 1] - 2, label);
        places[first]++;
        labels[label]++;
    }
    for (int t = 0; t < 18; t++) assert_in_range(places[t], 140, 260); /* 200, 4 errors of 14 */
    for (int k = 0; k < 6; k++) assert_in_range(labels[k], 510, 690);  /* 600, 4 errors of 22 */
    opened_free(o);
}

TEST(delay, the_label_is_the_symbol_that_far_back)
{
    Opened *o = open_yaml("{name: delay, length: 30, delay: 11, n_symbols: 4}");
    int32_t x[30], label;
    int labels[4] = {0};
    for (int64_t i = 0; i < 2000; i++) {
        dataset_example(&o->data, SPLIT_TEST, i, false, 0, 0, x, &label);
        for (int t = 0; t < 30; t++) assert_in_range(x[t], 1, 4);
        assert_int_equal(label, x[18] - 1);
        labels[label]++;
    }
    for (int k = 0; k < 4; k++) assert_in_range(labels[k], 420, 580); /* 500, 4 errors of 19 */
    opened_free(o);
}

TEST(delay, beyond_the_start_is_refused)
{
    Opened *o = opened_new("{name: delay, length: 16, delay: 16}", "", SPLITS_ALL);
    ASSERT_FAILS(o->ok, &o->err, FAIL_CONFIG,
                 "delay = 16 reaches before the start of a sequence of length = 16");
    opened_free(o);
}

/* Tokens go through the loader's buffers unchanged, and the last batch is padded with token 0. */
TEST(loader, batches_of_tokens_are_the_examples)
{
    Opened *o = open_yaml("{name: delay, length: 300, n_test: 25}");
    LoaderOptions options = {.split = SPLIT_TEST, .batch_size = 20, .prefetch = true};
    Loader *l = loader_new(&o->data, &options, &o->err);
    ASSERT_OK(l != NULL, &o->err);
    int32_t x[300], label, zeros[300] = {0};
    for (int64_t step = 0; step < 2; step++) {
        Batch b = loader_batch(l, step);
        for (int64_t i = 0; i < 20; i++) {
            if (step * 20 + i < 25) {
                dataset_example(&o->data, SPLIT_TEST, step * 20 + i, false, 0, 0, x, &label);
                assert_memory_equal(b.x + i * 300, x, sizeof x);
                assert_int_equal(b.label[i], label);
            } else {
                assert_memory_equal(b.x + i * 300, zeros, sizeof x);
                assert_int_equal(b.label[i], -1);
            }
        }
    }
    loader_free(l);
    opened_free(o);
}

TEST(selective_copying, the_markers_ask_for_the_symbols_in_order)
{
    enum { LENGTH = 20, COPIED = 4, ALL = LENGTH + COPIED };
    Opened *o = open_yaml("{name: selective_copying, length: 20, n_copied: 4, n_symbols: 6}");
    assert_int_equal(task_n_labels(&o->data.task), ALL);
    int32_t x[ALL], label[ALL];
    int places[LENGTH] = {0}, symbols[6] = {0};
    for (int64_t i = 0; i < 3600; i++) {
        dataset_example(&o->data, SPLIT_TRAIN, i, false, 0, 0, x, label);
        int n = 0;
        for (int t = 0; t < LENGTH; t++) {
            assert_int_equal(label[t], -1);
            if (x[t] == 1) continue;
            assert_int_equal(x[t] - 3, label[LENGTH + n++]);
            places[t]++;
            symbols[x[t] - 3]++;
        }
        assert_int_equal(n, COPIED);
        for (int t = LENGTH; t < ALL; t++) assert_int_equal(x[t], 2);
    }
    for (int t = 0; t < LENGTH; t++) assert_in_range(places[t], 612, 828); /* 720, 4.5 of 24 */
    for (int k = 0; k < 6; k++) assert_in_range(symbols[k], 2200, 2600);   /* 2400, 4 of 45 */
    opened_free(o);
}

TEST(selective_copying, symbols_must_fit)
{
    Opened *o = opened_new("{name: selective_copying, length: 4, n_copied: 5}", "", SPLITS_ALL);
    ASSERT_FAILS(o->ok, &o->err, FAIL_CONFIG, "n_copied = 5 symbols do not fit into length = 4");
    opened_free(o);
}

/* Written down once, so that a change of what a set holds cannot go without a new revision; the
 * same on every machine, since nothing in it comes from libm. */
TEST(generated_set, examples_are_the_same_bytes_everywhere)
{
    static const char *const cases[][2] = {
        {"{name: listops}",                                                         "fd9d448a680d85e4"},
        {"{name: pathfinder, contour_length: 6}",                                   "a19372e6e06746b1"},
        {"{name: pathfinder, side: 128, contour_length: 6, equal_contrast: false}",
         "ce446f65248772f7"                                                                           },
        {"{name: associative_recall}",                                              "f413396a09731dcc"},
        {"{name: induction_heads}",                                                 "f035566866748c8e"},
        {"{name: delay}",                                                           "84cfa880d29b260a"},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        enum { N = 3 };
        Opened *o = open_yaml(cases[k][0]);
        const size_t bytes = sizeof(int32_t) * (size_t)shape_count(&o->data.task.sample);
        char *x = malloc(N * (bytes + sizeof(int32_t))), hex[HASH_HEX];
        assert_non_null(x);
        for (int i = 0; i < N; i++) {
            int32_t label;
            dataset_example(&o->data, SPLIT_VALID, i, false, 0, 0, x + (size_t)i * bytes, &label);
            memcpy(x + N * bytes + (size_t)i * sizeof label, &label, sizeof label);
        }
        hash_bytes(x, N * (bytes + sizeof(int32_t)), hex);
        hex[16] = '\0';
        assert_string_equal(hex, cases[k][1]);
        free(x);
        opened_free(o);
    }
}
