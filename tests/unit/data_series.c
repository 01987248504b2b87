/* series: the UCR archive's two forms of files, padding and normalisation. */
#include "io/file.h"
#include "tests/test.h"
#include "tests/unit/data_open.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 4096 };

static Opened *open_path(const char *path, const char *options)
{
    char yaml[2 * ROOM];
    (void)snprintf(yaml, sizeof yaml, "{name: series, train_file: %s%s%s}", path,
                   *options ? ", " : "", options);
    return opened_new(yaml, "", SPLITS_ALL);
}

static Opened *open_text(const char *text, const char *options)
{
    char path[ROOM];
    Error err = {0};
    (void)snprintf(path, sizeof path, "%s/train.ts", test_folder());
    ASSERT_OK(file_replace(path, text, strlen(text), &err), &err);
    return open_path(path, options);
}

static void text_fails(const char *text, const char *message)
{
    Opened *o = open_text(text, "");
    ASSERT_FAILS(o->ok, &o->err, FAIL_DATA, message);
    opened_free(o);
}

static void assert_series(const Opened *o, int64_t i, const float *x, int n, int label)
{
    float got[16];
    int32_t got_label;
    assert_int_equal(o->data.task.sample.dim[0], n);
    dataset_example(&o->data, SPLIT_TRAIN, i, false, 0, 0, got, &got_label);
    for (int t = 0; t < n; t++) assert_true(got[t] == x[t]);
    assert_int_equal(got_label, label);
}

TEST(series, ts_has_the_label_after_a_colon)
{
    Opened *o = open_text("# a remark: with a colon\n@problemName x\n@data\n1,2.5,-3e1:b\r\n4:a\n",
                          "normalize: none");
    ASSERT_OK(o->ok, &o->err);
    assert_int_equal(o->data.split[SPLIT_TRAIN].n, 2);
    assert_series(o, 0, (float[]){1, 2.5F, -30}, 3, 1);
    assert_series(o, 1, (float[]){4, 0, 0}, 3, 0);
    opened_free(o);
}

TEST(series, text_has_the_label_first)
{
    Opened *o = open_text("  2  1.5\t-1,0\n1 7", "normalize: none, length: 2");
    ASSERT_OK(o->ok, &o->err);
    assert_series(o, 0, (float[]){1.5F, -1}, 2, 1);
    assert_series(o, 1, (float[]){7, 0}, 2, 0);
    opened_free(o);
}

TEST(series, what_is_missing_at_the_end_is_padding)
{
    Opened *o = open_text("1 5 3 NaN NaN\n2 1 1 1 ?\n", "normalize: none");
    ASSERT_OK(o->ok, &o->err);
    assert_series(o, 0, (float[]){5, 3, 0}, 3, 0);
    opened_free(o);
}

/* (1, 3): mean 2, std 1; constant ones become zeros; all of (1, 3, 5, 5): mean 3.5, variance 2.75
 */
TEST(series, each_is_normalised_or_all_by_the_train_set)
{
    const float a = (float)((1 - 3.5) / sqrt(2.75)), b = (float)((3 - 3.5) / sqrt(2.75));
    Opened *o = open_text("1 1 3\n2 5 5\n", "");
    ASSERT_OK(o->ok, &o->err);
    assert_series(o, 0, (float[]){-1, 1}, 2, 0);
    assert_series(o, 1, (float[]){0, 0}, 2, 1);
    opened_free(o);
    o = open_text("1 1 3\n2 5 5\n", "normalize: set");
    ASSERT_OK(o->ok, &o->err);
    assert_series(o, 0, (float[]){a, b}, 2, 0);
    opened_free(o);
}

TEST(series, files_that_are_wrong_name_the_line)
{
    text_fails("1 2 3\n2 4 x5\n", "train.ts:2: value 2 is 'x5', no number");
    text_fails("1 2 3\n2 NaN 5\n", "train.ts:2: value 1 is missing");
    text_fails("1 2 3\n2\n", "train.ts:2: a series without values");
    text_fails("@data\n1,2:a\n3,4\n", "train.ts:3: no label after a colon");
    text_fails("@data\n1,2:3,4:a\n", "train.ts:2: a series of several dimensions; one is read");
    text_fails("@problemName x\n@data\n", "train.ts: has no series");
    text_fails("1 2\n1 3\n", "train.ts: all have the label '1'");
}

TEST(series, an_absent_file_is_named)
{
    Opened *o = open_path("/nowhere/x.ts", "");
    ASSERT_FAILS(o->ok, &o->err, FAIL_DATA, "/nowhere/x.ts is not there, nor with .gz added");
    opened_free(o);
}

/* Python's float() and sums over the first line of the file give -0.7257992615525 for its first
 * value, -0.2750255988273 for its last. */
TEST(series, italy_power_demand_is_as_python_has_it)
{
    const char *found = test_shared("data/ucr/ItalyPowerDemand_TRAIN.ts.gz");
    if (!found) skip();
    char *path = realpath(found, NULL);
    Opened *o = open_path(path, "");
    free(path);
    ASSERT_OK(o->ok, &o->err);
    float x[24];
    int32_t label;
    assert_int_equal(o->data.split[SPLIT_TRAIN].n, 67);
    assert_int_equal(o->data.task.sample.dim[0], 24);
    dataset_example(&o->data, SPLIT_TRAIN, 0, false, 0, 0, x, &label);
    /* floats of values near 1, before and after */
    assert_true(fabs((double)x[0] + 0.7257992615525) < 2.5e-7);
    assert_true(fabs((double)x[23] + 0.2750255988273) < 2.5e-7);
    assert_int_equal(label, 0);
    opened_free(o);
}

/* cut -c 1-4 | sort | uniq -c: 292, 177, 10, 19, 2 */
TEST(series, ecg5000_has_its_classes)
{
    const char *found = test_shared("data/ecg5000/ECG5000_TRAIN.txt.gz");
    if (!found) skip();
    static const int want[] = {292, 177, 10, 19, 2};
    int got[5] = {0};
    char *path = realpath(found, NULL);
    Opened *o = open_path(path, "");
    free(path);
    ASSERT_OK(o->ok, &o->err);
    assert_int_equal(o->data.split[SPLIT_TRAIN].n, 500);
    assert_int_equal(o->data.task.sample.dim[0], 140);
    assert_int_equal(o->data.task.n_classes, 5);
    for (int i = 0; i < 500; i++) got[o->data.split[SPLIT_TRAIN].labels[i]]++;
    for (int c = 0; c < 5; c++) assert_int_equal(got[c], want[c]);
    opened_free(o);
}
