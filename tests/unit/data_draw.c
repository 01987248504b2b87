/* Drawing an example: normalisation against its formula in double, augmentation against every
 * result that its definition allows. */
#include "data/dataset.h"
#include "tests/test.h"
#include "tests/unit/data_open.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SIDE = 8, C = 3, FLOATS = SIDE * SIDE * C, PAD = 2, PLACES = 2 * PAD + 1 };

#define SMALL "{name: shapes, size: 8, channels: 3, n_train: 400, n_test: 10, crop_pad: 2"

static Opened *open_small(const char *more)
{
    char yaml[300];
    (void)snprintf(yaml, sizeof yaml, SMALL "%s}", more);
    Opened *o = opened_new(yaml, "", SPLITS_ALL);
    ASSERT_OK(o->ok, &o->err);
    return o;
}

static void draw(const Opened *o, int64_t i, uint64_t seed, int64_t epoch, float *x)
{
    int32_t label;
    dataset_example(&o->data, SPLIT_TRAIN, i, true, seed, epoch, x, &label);
    assert_int_equal(label, i % 10);
}

static void plain(const Opened *o, int64_t i, float *x)
{
    int32_t label;
    dataset_example(&o->data, SPLIT_TRAIN, i, false, 0, 0, x, &label);
}

TEST(draw, normalises_by_mean_and_deviation)
{
    Opened *o = open_small(", normalize: imagenet");
    static const double mean[] = {0.485, 0.456, 0.406}, std[] = {0.229, 0.224, 0.225};
    float x[FLOATS];
    plain(o, 5, x);
    for (int i = 0; i < FLOATS; i++) {
        double p = o->data.split[SPLIT_TRAIN].images[5 * FLOATS + i];
        double expected = (p / 255 - mean[i % 3]) / std[i % 3];
        /* two roundings of numbers below 4.5 and 2.7: 2^-22 + 2^-23, and that of the result */
        assert_true(fabs((double)x[i] - expected) < 6e-7);
    }
    opened_free(o);
}

TEST(draw, unit_is_the_pixel_over_255)
{
    Opened *o = open_small(", normalize: unit");
    float x[FLOATS];
    plain(o, 7, x);
    for (int i = 0; i < FLOATS; i++) {
        double p = o->data.split[SPLIT_TRAIN].images[7 * FLOATS + i];
        assert_true(fabs((double)x[i] - p / 255) < 1.2e-7);
    }
    opened_free(o);
}

TEST(draw, without_augment_nothing_is_changed)
{
    Opened *o = open_small("");
    float x[FLOATS], y[FLOATS];
    plain(o, 3, x);
    draw(o, 3, 1, 1, y);
    assert_memory_equal(x, y, sizeof x);
    opened_free(o);
}

/* The image padded with black, the window at (top, left) of it, mirrored when asked. */
static void window(const Opened *o, int64_t i, int top, int left, bool mirror, float *out)
{
    float x[FLOATS];
    plain(o, i, x);
    for (int r = 0; r < SIDE; r++)
        for (int c = 0; c < SIDE; c++)
            for (int k = 0; k < C; k++) {
                int row = r + top - PAD, column = (mirror ? SIDE - 1 - c : c) + left - PAD;
                bool in = row >= 0 && row < SIDE && column >= 0 && column < SIDE;
                float black = -o->data.mean[k] / o->data.std[k];
                out[(r * SIDE + c) * C + k] = in ? x[(row * SIDE + column) * C + k] : black;
            }
}

static bool close_to(const float *x, const float *y)
{
    for (int i = 0; i < FLOATS; i++)
        if (fabsf(x[i] - y[i]) > 1e-6F) return false;
    return true;
}

/* Which window example i is, or -1. */
static int which_window(const Opened *o, int64_t i, const float *x, int n_mirrors)
{
    float y[FLOATS];
    for (int w = 0; w < PLACES * PLACES * n_mirrors; w++) {
        window(o, i, w / n_mirrors / PLACES, w / n_mirrors % PLACES, w % n_mirrors, y);
        if (close_to(x, y)) return w;
    }
    return -1;
}

TEST(draw, crops_and_flips_are_windows_of_the_padded_image)
{
    Opened *o = open_small(", augment: [crop, flip]");
    int seen[PLACES * PLACES * 2] = {0};
    float x[FLOATS];
    for (int64_t i = 0; i < 400; i++) {
        draw(o, i, 9, i % 3, x);
        int w = which_window(o, i, x, 2);
        assert_true(w >= 0);
        seen[w]++;
    }
    /* each of 50 is expected 8 times: none missing has probability 0.98 for a fair draw */
    for (int w = 0; w < PLACES * PLACES * 2; w++) assert_true(seen[w] > 0 && seen[w] < 24);
    opened_free(o);
}

TEST(draw, depends_on_seed_and_epoch_alone)
{
    Opened *o = open_small(", augment: [crop, flip, cutout], cutout_size: 3");
    float x[FLOATS], y[FLOATS];
    int same_seed = 0, same_epoch = 0;
    for (int64_t i = 0; i < 50; i++) {
        draw(o, i, 1, 4, x);
        draw(o, i, 1, 4, y);
        assert_memory_equal(x, y, sizeof x);
        draw(o, i, 2, 4, y);
        same_seed += memcmp(x, y, sizeof x) == 0;
        draw(o, i, 1, 5, y);
        same_epoch += memcmp(x, y, sizeof x) == 0;
    }
    assert_true(same_seed < 5 && same_epoch < 5);
    opened_free(o);
}

TEST(draw, an_example_keeps_its_draws_whatever_the_split)
{
    Opened *whole = open_small(", augment: [crop, flip]");
    Opened *part = open_small(", augment: [crop, flip], valid: 100");
    float x[FLOATS], y[FLOATS];
    int32_t label;
    for (int64_t i = 0; i < 300; i += 17) {
        dataset_example(&part->data, SPLIT_TRAIN, i, true, 3, 2, x, &label);
        dataset_example(&whole->data, SPLIT_TRAIN, part->data.split[SPLIT_TRAIN].index[i], true, 3,
                        2, y, &label);
        assert_memory_equal(x, y, sizeof x);
    }
    opened_free(whole);
    opened_free(part);
}

TEST(draw, cutout_sets_a_square_to_the_mean)
{
    Opened *o = open_small(", augment: cutout, cutout_size: 4");
    float x[FLOATS], y[FLOATS];
    double area = 0;
    for (int64_t i = 0; i < 400; i++) {
        draw(o, i, 5, 0, x);
        plain(o, i, y);
        int top = SIDE, left = SIDE, bottom = -1, right = -1, n = 0;
        for (int p = 0; p < SIDE * SIDE; p++) {
            bool cut = x[p * C] == 0 && x[p * C + 1] == 0 && x[p * C + 2] == 0;
            assert_true(cut || memcmp(x + p * C, y + p * C, C * sizeof *x) == 0);
            if (!cut) continue;
            n++;
            top = p / SIDE < top ? p / SIDE : top;
            bottom = p / SIDE > bottom ? p / SIDE : bottom;
            left = p % SIDE < left ? p % SIDE : left;
            right = p % SIDE > right ? p % SIDE : right;
        }
        assert_int_equal(n, (bottom - top + 1) * (right - left + 1)); /* a filled rectangle */
        assert_true(bottom - top < 4 && right - left < 4);
        area += n;
    }
    /* a centre at 0..7 leaves 2 3 4 4 4 4 4 3 lines: 3.5 of 4, squared; deviation 3.5 / sqrt(400)
     */
    assert_true(fabs(area / 400 - 12.25) < 0.6);
    opened_free(o);
}

TEST(draw, a_crop_past_the_image_is_black)
{
    char yaml[] = "{name: shapes, size: 8, n_train: 40, n_test: 10, crop_pad: 60, augment: crop}";
    Opened *o = opened_new(yaml, "", SPLITS_ALL);
    ASSERT_OK(o->ok, &o->err);
    int n_black = 0;
    for (int64_t i = 0; i < 40; i++) {
        float x[SIDE * SIDE];
        int32_t label, n = 0;
        dataset_example(&o->data, SPLIT_TRAIN, i, true, 1, 0, x, &label);
        for (int p = 0; p < SIDE * SIDE; p++) n += x[p] == x[0];
        n_black += n == SIDE * SIDE;
    }
    assert_true(n_black > 30); /* a window meets the image with probability (15 / 121)^2 */
    opened_free(o);
}
