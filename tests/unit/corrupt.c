/* corrupt -- corruptions against closed forms, scipy and Pillow; drawing does not depend on
 * threads. */
#include "base/threads.h"
#include "data/corrupt_inner.h"
#include "data/image_draw.h"
#include "data/loader.h"
#include "tests/test.h"
#include "tests/unit/data_open.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX = 64 * 64 };

typedef struct Case {
    Shape image;
    float x[MAX], old[MAX];
} Case;

/* Values 0, 0.1, ... 1 in an order that numpy makes as easily: (7 i mod 11) / 10. */
static Case case_of(int64_t h, int64_t w, int64_t c)
{
    Case k = {.image = shape(3, h, w, c)};
    for (int64_t i = 0; i < h * w * c; i++) k.x[i] = (float)(7 * i % 11) / 10;
    memcpy(k.old, k.x, sizeof k.x);
    return k;
}

static void apply(Case *k, CorruptionId id, int severity, int64_t example)
{
    const Corruption c = {id, severity, 3};
    corrupt(&c, &k->image, example, k->x);
}

static Case constant(int64_t side, int64_t c, float value)
{
    Case k = {.image = shape(3, side, side, c)};
    for (int64_t i = 0; i < side * side * c; i++) k.x[i] = k.old[i] = value;
    return k;
}

TEST(corrupt, every_row_has_a_name_a_family_and_a_formula)
{
    const char *at = &corruption_choices[1];
    for (int id = 0; id < N_CORRUPTIONS; id++) {
        const CorruptionInfo info = corruption_info((CorruptionId)id);
        assert_true(*info.family && *info.formula);
        assert_int_equal(strncmp(at, info.name, strlen(info.name)), 0);
        at += strlen(info.name);
        assert_int_equal(*at, id + 1 < N_CORRUPTIONS ? '|' : '\0');
        at++;
    }
}

TEST(corrupt, severity_0_changes_nothing)
{
    for (int id = 0; id < N_CORRUPTIONS; id++) {
        Case k = case_of(9, 12, 3);
        apply(&k, (CorruptionId)id, 0, 1);
        assert_memory_equal(k.x, k.old, sizeof k.x);
    }
}

TEST(corrupt, all_stay_in_0_to_1_and_change_a_colour_image)
{
    for (int id = 0; id < N_CORRUPTIONS; id++)
        for (int severity = 1; severity <= CORRUPT_SEVERITIES; severity++) {
            Case k = case_of(16, 12, 3);
            apply(&k, (CorruptionId)id, severity, 2);
            for (int i = 0; i < 16 * 12 * 3; i++) assert_true(k.x[i] >= 0 && k.x[i] <= 1);
            assert_memory_not_equal(k.x, k.old, 16 * 12 * 3 * sizeof k.x[0]);
            for (int i = 16 * 12 * 3; i < MAX; i++) assert_true(k.x[i] == k.old[i]);
        }
}

TEST(corrupt, more_severe_is_further_away)
{
    for (int id = 0; id < N_CORRUPTIONS; id++) {
        double far[2] = {0, 0};
        if (id == CORRUPT_saturate) continue; /* its first two take colour away, the others add */
        for (int end = 0; end < 2; end++)
            for (int example = 0; example < 8; example++) {
                Case k = case_of(28, 28, 1);
                /* a smooth picture: saw teeth of a pixel are gone after any blur */
                for (int i = 0; i < MAX; i++)
                    k.x[i] = k.old[i] = 0.2F + 0.6F * (float)((i / 6) % 9) / 9;
                apply(&k, (CorruptionId)id, end ? 5 : 1, example);
                for (int i = 0; i < 28 * 28; i++) far[end] += fabs((double)(k.x[i] - k.old[i]));
            }
        if (!(far[1] > far[0]))
            print_error("%s: %g, then %g\n", corruption_info((CorruptionId)id).name, far[0],
                        far[1]);
        assert_true(far[1] > far[0]);
    }
}

TEST(corrupt, a_function_of_example_and_severity)
{
    static const CorruptionId drawn[] = {CORRUPT_gaussian_noise, CORRUPT_shot_noise,
                                         CORRUPT_motion_blur, CORRUPT_fog,
                                         CORRUPT_elastic_transform};
    for (size_t i = 0; i < sizeof drawn / sizeof drawn[0]; i++) {
        Case a = case_of(12, 12, 1), b = a, other = a;
        apply(&a, drawn[i], 4, 7);
        apply(&b, drawn[i], 4, 7);
        apply(&other, drawn[i], 4, 8);
        assert_memory_equal(a.x, b.x, sizeof a.x);
        assert_memory_not_equal(a.x, other.x, sizeof a.x);
    }
}

TEST(corrupt, brightness_adds_to_grey)
{
    static const float added[] = {.05F, .1F, .15F, .2F, .3F};
    for (int severity = 1; severity <= 5; severity++) {
        Case k = case_of(8, 8, 1);
        apply(&k, CORRUPT_brightness, severity, 0);
        for (int i = 0; i < 64; i++) {
            const float to = k.old[i] + added[severity - 1];
            assert_true(k.x[i] == (to > 1 ? 1 : to));
        }
    }
}

TEST(corrupt, brightness_of_a_colour_is_its_value)
{
    /* colorsys: rgb(.2, .4, .1) has h .2777778, s .75, v .4; at v .6 it is (.3, .6, .15) */
    Case k = constant(1, 3, 0);
    k.x[0] = .2F, k.x[1] = .4F, k.x[2] = .1F;
    apply(&k, CORRUPT_brightness, 4, 0);
    assert_true(fabs((double)k.x[0] - .3) < 1e-7 && fabs((double)k.x[1] - .6) < 1e-7 &&
                fabs((double)k.x[2] - .15) < 1e-7);
}

TEST(corrupt, saturation_is_that_of_hsv)
{
    /* colorsys: s .75 times .1 is .075: (.38, .4, .37) */
    Case k = constant(1, 3, 0);
    k.x[0] = .2F, k.x[1] = .4F, k.x[2] = .1F;
    apply(&k, CORRUPT_saturate, 2, 0);
    assert_true(fabs((double)k.x[0] - .38) < 1e-7 && fabs((double)k.x[1] - .4) < 1e-7 &&
                fabs((double)k.x[2] - .37) < 1e-7);
}

TEST(corrupt, contrast_keeps_the_mean_and_scales_about_it)
{
    Case k = case_of(11, 4, 1); /* 44 values: their mean is 0.5 */
    apply(&k, CORRUPT_contrast, 5, 0);
    for (int i = 0; i < 44; i++)
        assert_true(fabs((double)k.x[i] - (((double)k.old[i] - 0.5) * 0.15 + 0.5)) < 1e-7);
}

/* Kernels sum to 1, boxes are means, a flat field is its own DC coefficient; 0.6 is 153 / 255,
 * whose distance to 128 times 8 is a multiple of the table's first step at no quality: half a step
 * of at most 20 / 8 levels is left. */
TEST(corrupt, what_only_averages_keeps_a_constant_image)
{
    static const CorruptionId still[] = {
        CORRUPT_gaussian_blur, CORRUPT_defocus_blur,      CORRUPT_motion_blur, CORRUPT_contrast,
        CORRUPT_pixelate,      CORRUPT_elastic_transform, CORRUPT_saturate,
    };
    for (size_t i = 0; i < sizeof still / sizeof still[0]; i++)
        for (int severity = 1; severity <= 5; severity++) {
            Case k = constant(14, 3, 0.6F);
            apply(&k, still[i], severity, 5);
            for (int at = 0; at < 14 * 14 * 3; at++)
                assert_true(fabs((double)k.x[at] - 0.6) < 2e-7);
        }
    for (int severity = 1; severity <= 5; severity++) {
        Case k = constant(14, 3, 0.6F);
        apply(&k, CORRUPT_jpeg_compression, severity, 5);
        for (int at = 0; at < 14 * 14 * 3; at++)
            assert_true(fabs((double)k.x[at] - 0.6) < 20 / 8.0 / 2 / 255 + 1e-6);
    }
}

TEST(corrupt, gaussian_blur_is_scipys)
{
    /* scipy 1.10 gaussian_filter(x, 1, mode='nearest', truncate=4) in float64 */
    static const int at[] = {0, 3, 14, 31, 35};
    static const double expected[] = {.35207806, .61437668, .55360115, .4958775, .43816003};
    static const double at_4[] = {.31929281, .67555715, .59247431, .55805948, .4338727};
    Case k = case_of(6, 6, 1), k4 = k;
    apply(&k, CORRUPT_gaussian_blur, 5, 0);
    apply(&k4, CORRUPT_gaussian_blur, 4, 0);
    for (int i = 0; i < 5; i++) {
        assert_true(fabs((double)k.x[at[i]] - expected[i]) < 1e-7);
        assert_true(fabs((double)k4.x[at[i]] - at_4[i]) < 1e-7);
    }
}

TEST(corrupt, pixelate_is_pillows_box_and_back)
{
    /* Pillow, mode F: resize((n, n), BOX).resize((s, s), BOX) with n = int(s c); six pixels and the
     * sum of i x_i, whose float32 rounding is below 0.1 */
    static const struct {
        int side, severity;
        double x[6], sum;
    } expected[] = {
        {12, 5, {.425, .425, .65, .6, .275, .4}, 5089.5  },
        {28, 3, {0, .7, .65, .45, .8, .3},       153209.1},
        {28, 1, {0, .7, .3, .8, .7, .3},         153158.4},
        {32, 4, {0, .5, .5, .5, .35, 0},         261477.3},
    };
    for (size_t e = 0; e < sizeof expected / sizeof expected[0]; e++) {
        const int s = expected[e].side, at[] = {0, 1, 2, s + 3, s * s / 2 + 5, s * s - 1};
        Case k = case_of(s, s, 1);
        double sum = 0;
        apply(&k, CORRUPT_pixelate, expected[e].severity, 0);
        for (int i = 0; i < 6; i++) assert_true(fabs((double)k.x[at[i]] - expected[e].x[i]) < 1e-6);
        for (int i = 0; i < s * s; i++) sum += i * (double)k.x[i];
        assert_true(fabs(sum - expected[e].sum) < 0.5);
    }
}

TEST(corrupt, jpeg_is_libjpegs_within_its_rounding)
{
    /* Pillow, quality 50, of (3 (i mod 16) + 5 (i / 16) + 9 (i i mod 7)) mod 200 + 20: the first
     * row and half of the last, since a coefficient of the fourth block, -0.4983 steps, becomes -1
     * there. libjpeg rounds pixels to bytes and its transform is in whole numbers. */
    static const int first[] = {20, 28, 42, 53, 59, 58, 53, 48, 58, 66, 79, 88, 89, 80, 68, 59};
    static const int last[] = {117, 126, 130, 121, 108, 108, 126, 144};
    Case k = constant(16, 1, 0);
    for (int i = 0; i < 256; i++)
        k.x[i] = (float)((3 * (i % 16) + 5 * (i / 16) + i * i % 7 * 9) % 200 + 20) / 255;
    apply(&k, CORRUPT_jpeg_compression, 4, 0);
    for (int i = 0; i < 16; i++) {
        assert_true(fabs(255 * (double)k.x[i] - first[i]) < 1.5);
        if (i < 8) assert_true(fabs(255 * (double)k.x[240 + i] - last[i]) < 1.5);
    }
}

TEST(corrupt, impulse_share_is_the_parameter)
{
    int black = 0, white = 0, n = 0;
    for (int example = 0; example < 40; example++) {
        Case k = constant(28, 1, 0.5F);
        apply(&k, CORRUPT_impulse_noise, 5, example);
        for (int i = 0; i < 28 * 28; i++, n++) {
            black += k.x[i] == 0;
            white += k.x[i] == 1;
            assert_true(k.x[i] == 0 || k.x[i] == 1 || k.x[i] == 0.5F);
        }
    }
    /* n p = 1097.6 each, 4 standard deviations of sqrt(n p (1 - p)) = 32.6 */
    assert_true(abs(black - 1098) < 130 && abs(white - 1098) < 130);
    assert_int_equal(n, 31360);
}

static void moments(CorruptionId id, int severity, float value, double *mean, double *variance)
{
    double sum = 0, square = 0;
    const int n = 40 * 28 * 28;
    for (int example = 0; example < 40; example++) {
        Case k = constant(28, 1, value);
        apply(&k, id, severity, example);
        for (int i = 0; i < 28 * 28; i++) {
            sum += (double)k.x[i];
            square += (double)k.x[i] * (double)k.x[i];
        }
    }
    *mean = sum / n;
    *variance = square / n - *mean * *mean;
}

/* Of 31360 draws the mean is off by 4 s / 177, the variance by 4 sqrt(2) / 177 = 3.2 % of itself.
 */
TEST(corrupt, noises_have_their_mean_and_variance)
{
    double mean, variance;
    moments(CORRUPT_gaussian_noise, 5, 0.5F, &mean, &variance);
    assert_true(fabs(mean - 0.5) < 4 * 0.1 / 177 && fabs(variance / 0.01 - 1) < 0.032);
    moments(CORRUPT_speckle_noise, 5, 0.4F, &mean, &variance);
    assert_true(fabs(mean - 0.4) < 4 * 0.08 / 177 && fabs(variance / 0.0064 - 1) < 0.032);
    moments(CORRUPT_shot_noise, 1, 0.5F, &mean, &variance); /* Poisson(250) / 500 */
    assert_true(fabs(mean - 0.5) < 4 * 0.0317 / 177 && fabs(variance / 0.001 - 1) < 0.032);
    moments(CORRUPT_shot_noise, 5, 0.04F, &mean, &variance); /* Poisson(2) / 50 */
    assert_true(fabs(mean - 0.04) < 4 * 0.0283 / 177 && fabs(variance / 0.0008 - 1) < 0.04);
}

TEST(corrupt, shot_noise_of_black_is_black)
{
    Case k = constant(28, 1, 0);
    apply(&k, CORRUPT_shot_noise, 3, 0);
    assert_memory_equal(k.x, k.old, sizeof k.x);
}

/* -- As the loader draws them */

#define SMALL "{name: shapes, size: 12, channels: 3, n_train: 20, n_test: 37, noise: 0.2}"

static void all_batches(Opened *o, const LoaderOptions *options, float *out)
{
    Loader *l = loader_new(&o->data, options, &o->err);
    ASSERT_OK(l != NULL, &o->err);
    for (int64_t step = 0; step < loader_steps_per_epoch(l); step++) {
        Batch b = loader_batch(l, step);
        memcpy(out, b.x, (size_t)(b.n * 12 * 12 * 3) * sizeof *out);
        out += b.n * 12 * 12 * 3;
    }
    loader_free(l);
}

TEST(corrupt, bits_do_not_depend_on_threads_nor_on_the_batch)
{
    static const int threads[] = {1, 2, 5};
    static float x[3][37 * 12 * 12 * 3];
    Opened *o = opened_new(SMALL, "", SPLITS_ALL);
    ASSERT_OK(o->ok, &o->err);
    for (int id = 0; id < N_CORRUPTIONS; id++) {
        for (int t = 0; t < 3; t++) {
            const LoaderOptions options = {
                .split = SPLIT_TEST,
                .batch_size = 7 + 6 * t,
                .prefetch = t == 1,
                .corruption = {(CorruptionId)id, 3, 9}
            };
            threads_set(threads[t]);
            all_batches(o, &options, x[t]);
        }
        assert_memory_equal(x[0], x[1], sizeof x[0]);
        assert_memory_equal(x[0], x[2], sizeof x[0]);
    }
    threads_set(0);
    opened_free(o);
}

TEST(corrupt, unit_images_normalise_to_the_same_bits)
{
    static float plain[37 * 12 * 12 * 3], unit[37 * 12 * 12 * 3];
    Opened *o = opened_new("{name: shapes, size: 12, channels: 3, n_train: 20, n_test: 37, "
                           "normalize: imagenet, noise: 0.5}",
                           "", SPLITS_ALL);
    ASSERT_OK(o->ok, &o->err);
    const LoaderOptions normal = {.split = SPLIT_TEST, .batch_size = 37};
    LoaderOptions raw = normal;
    raw.unit = true;
    all_batches(o, &normal, plain);
    all_batches(o, &raw, unit);
    ImageDraw draw;
    image_draw_prepare(&draw, &o->data);
    for (int i = 0; i < 37 * 12 * 12 * 3; i++) assert_true(unit[i] >= 0 && unit[i] <= 1);
    image_normalise(&draw, 37 * 12 * 12 * 3, unit, unit);
    assert_memory_equal(plain, unit, sizeof plain);
    opened_free(o);
}

/* What image_normalise relies on. */
TEST(corrupt, bytes_survive_the_division_by_255)
{
    for (int p = 0; p < 256; p++) assert_true((float)p / 255 * 255 == (float)p);
}

TEST(corrupt, a_permuted_image_is_refused)
{
    Opened *o = opened_new("{name: shapes, size: 8, n_train: 20, n_test: 10, layout: permuted}", "",
                           SPLITS_ALL);
    ASSERT_OK(o->ok, &o->err);
    const LoaderOptions options = {
        .split = SPLIT_TEST, .batch_size = 10, .corruption = {CORRUPT_fog, 1, 0}
    };
    ASSERT_FAILS(loader_new(&o->data, &options, &o->err) != NULL, &o->err, FAIL_CONFIG,
                 "corruptions change images, and layout = permuted leaves none");
    opened_free(o);
}

TEST(corrupt, a_limit_takes_the_first_examples)
{
    Opened *o = opened_new(SMALL, "", SPLITS_ALL);
    ASSERT_OK(o->ok, &o->err);
    const LoaderOptions options = {.split = SPLIT_TEST, .batch_size = 10, .limit = 25};
    Loader *l = loader_new(&o->data, &options, &o->err);
    ASSERT_OK(l != NULL, &o->err);
    assert_int_equal(loader_steps_per_epoch(l), 3);
    assert_int_equal(loader_batch(l, 2).n, 5);
    loader_free(l);
    opened_free(o);
}
