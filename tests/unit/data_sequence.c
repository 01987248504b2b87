/* Images as sequences: layout, grey and pool of the image sets. */
#include "io/file.h"
#include "tests/test.h"
#include "tests/unit/data_open.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static Opened *open_yaml(const char *yaml)
{
    Opened *o = opened_new(yaml, "", SPLITS_ALL);
    ASSERT_OK(o->ok, &o->err);
    return o;
}

#define SHAPES "{name: shapes, size: 8, channels: 3, n_train: 60, n_test: 10"

TEST(sequence, lines_of_an_image_follow_each_other)
{
    Opened *image = open_yaml(SHAPES ", augment: [crop, flip]}");
    Opened *sequence = open_yaml(SHAPES ", augment: [crop, flip], layout: sequence}");
    float x[192], y[192];
    int32_t label, same;
    assert_int_equal(sequence->data.task.sample.rank, 2);
    assert_int_equal(sequence->data.task.sample.dim[0], 64);
    assert_int_equal(sequence->data.task.sample.dim[1], 3);
    for (int64_t i = 0; i < 60; i += 7) {
        dataset_example(&image->data, SPLIT_TRAIN, i, true, 4, 1, x, &label);
        dataset_example(&sequence->data, SPLIT_TRAIN, i, true, 4, 1, y, &same);
        assert_memory_equal(x, y, sizeof x);
        assert_int_equal(label, same);
    }
    opened_free(image);
    opened_free(sequence);
}

enum { RECORD = 3073, PIXELS = 1024 };

/* CIFAR records whose pixel j has the colours (j mod 256, j / 256, record). */
static void write_records(char path[256], const char *name)
{
    Error err = {0};
    static uint8_t bytes[2 * RECORD];
    for (int r = 0; r < 2; r++)
        for (int64_t j = 0; j < PIXELS; j++) {
            uint8_t *at = &bytes[r * RECORD + 1 + j];
            at[0] = (uint8_t)(j % 256);
            at[PIXELS] = (uint8_t)(j / 256);
            at[INT64_C(2) * PIXELS] = (uint8_t)r;
        }
    (void)snprintf(path, 256, "%s/%s", test_folder(), name);
    ASSERT_OK(file_replace(path, bytes, sizeof bytes, &err), &err);
}

/* The place in the image of every pixel of example i. */
static void places_of(const Opened *o, SplitId split, int64_t i, int place[PIXELS])
{
    static float x[3 * PIXELS];
    int32_t label;
    dataset_example(&o->data, split, i, false, 0, 0, x, &label);
    for (int64_t t = 0; t < PIXELS; t++) {
        place[t] = (int)lrintf(x[3 * t] * 255) + 256 * (int)lrintf(x[3 * t + 1] * 255);
        assert_int_equal(lrintf(x[3 * t + 2] * 255), i);
    }
}

TEST(sequence, one_permutation_serves_all_examples)
{
    char path[256], yaml[900];
    int first[PIXELS], other[PIXELS], n_seen[PIXELS] = {0}, n_fixed = 0;
    write_records(path, "a.bin");
    (void)snprintf(yaml, sizeof yaml,
                   "{name: cifar10, train_files: '%s', test_file: '%s', normalize: unit, layout: "
                   "permuted}",
                   path, path);
    Opened *o = open_yaml(yaml);
    places_of(o, SPLIT_TRAIN, 0, first);
    for (int t = 0; t < PIXELS; t++) {
        assert_in_range(first[t], 0, PIXELS - 1);
        n_seen[first[t]]++;
        n_fixed += first[t] == t;
    }
    for (int t = 0; t < PIXELS; t++) assert_int_equal(n_seen[t], 1);
    assert_true(n_fixed < 10); /* one is expected */
    places_of(o, SPLIT_TRAIN, 1, other);
    assert_memory_equal(first, other, sizeof first);
    places_of(o, SPLIT_TEST, 1, other);
    assert_memory_equal(first, other, sizeof first);
    opened_free(o);
}

/* Red, green and blue of 255 are 76, 150 and 29: what Pillow's convert("L") gives. */
TEST(sequence, grey_is_the_luma_that_others_use)
{
    char path[256], yaml[400];
    Error err = {0};
    static uint8_t bytes[RECORD];
    static float x[PIXELS];
    int32_t label;
    for (int k = 0; k < 3; k++) bytes[1 + k * PIXELS + k] = 255; /* pixel k in colour k */
    (void)snprintf(path, sizeof path, "%s/grey.bin", test_folder());
    ASSERT_OK(file_replace(path, bytes, sizeof bytes, &err), &err);
    (void)snprintf(yaml, sizeof yaml,
                   "{name: cifar10, test_file: '%s', grey: true, layout: sequence}", path);
    Opened *o = opened_new(yaml, "", 1u << SPLIT_TEST);
    ASSERT_OK(o->ok, &o->err);
    assert_int_equal(o->data.task.sample.dim[0], PIXELS);
    assert_int_equal(o->data.task.sample.dim[1], 1);
    dataset_example(&o->data, SPLIT_TEST, 0, false, 0, 0, x, &label);
    static const double grey[] = {76, 150, 29, 0};
    for (int k = 0; k < 4; k++) assert_true(fabs((double)x[k] - (grey[k] - 122.6) / 61) < 1e-5);
    opened_free(o);
}

TEST(sequence, pooled_pixels_are_means)
{
    Opened *whole = open_yaml(SHAPES ", normalize: unit}");
    Opened *pooled = open_yaml(SHAPES ", normalize: unit, pool: 3}"); /* 8 x 8 to 2 x 2 */
    float x[192], y[12];
    int32_t label;
    assert_int_equal(pooled->data.task.sample.dim[0], 2);
    for (int64_t i = 0; i < 10; i++) {
        dataset_example(&whole->data, SPLIT_TEST, i, false, 0, 0, x, &label);
        dataset_example(&pooled->data, SPLIT_TEST, i, false, 0, 0, y, &label);
        for (int k = 0; k < 12; k++) {
            const int top = k / 6 * 3, left = k / 3 % 2 * 3, channel = k % 3;
            double sum = 0;
            for (int t = 0; t < 9; t++)
                sum += (double)x[((top + t / 3) * 8 + left + t % 3) * 3 + channel];
            assert_true(fabs(sum / 9 - (double)y[k]) < 0.5 / 255 + 1e-6); /* rounded to a byte */
        }
    }
    opened_free(whole);
    opened_free(pooled);
}

TEST(sequence, options_that_do_not_suit_are_refused)
{
    static const char *const cases[][2] = {
        {"{name: shapes, grey: true}",
         "grey is for three colours; the images of shapes have 1 cha"                               },
        {SHAPES ", grey: true}",
         "mean and std of grey images of shapes are not published; set norma"                       },
        {SHAPES ", pool: 9}",                         "pool = 9 is larger than the images of shapes"},
        {SHAPES ", layout: permuted, augment: flip}",
         "augment changes images, and layout = permuted"                                            },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Opened *o = opened_new(cases[i][0], "", SPLITS_ALL);
        ASSERT_FAILS(o->ok, &o->err, FAIL_CONFIG, cases[i][1]);
        opened_free(o);
    }
}
