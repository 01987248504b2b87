/* Pathfinder: what the scenes are made of, that nothing but the path tells the label, and the file
 * that keeps the pictures. */
#include "data/example_cache.h"
#include "data/pathfinder_scene.h"
#include "tests/test.h"
#include "tests/unit/data_open.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* lra.md's 24-pixel setting: quick enough for hundreds of scenes. */
static PathfinderRules small_rules(void)
{
    PathfinderRules r = {.side = 24,
                         .padding = 1,
                         .n_margins = 1,
                         .margin = {1},
                         .dash_length = 2,
                         .thickness = 0.5,
                         .contour_length = 6,
                         .n_distractors = 2,
                         .distractor_length = 2,
                         .continuity = 1,
                         .seed_distance = 5};
    pathfinder_prepare(&r);
    return r;
}

/* Path-X's, easy. */
static PathfinderRules large_rules(void)
{
    PathfinderRules r = {
        .side = 128,
        .padding = 1,
        .n_margins = 2,
        .margin = {2, 3},
        .dash_length = 5,
        .thickness = 1.5,
        .contour_length = 6,
        .n_distractors = 8,
        .distractor_length = 2,
        .continuity = 1.8,
        .seed_distance = 20
    };
    pathfinder_prepare(&r);
    return r;
}

static double between(Point a, Point b)
{
    return hypot(a.y - b.y, a.x - b.x);
}

static Point along(const Dash *d, double share)
{
    return (Point){d->tail.y + share * (d->head.y - d->tail.y),
                   d->tail.x + share * (d->head.x - d->tail.x)};
}

/* -- Lines */

/* Pixels tile the plane, so what they cover of a column adds up to the line's width. */
TEST(pathfinder, a_line_covers_its_width)
{
    const Dash d = {
        {0.3, 0 },
        {0.3, 10}
    };
    static const double half_widths[] = {0.25, 0.5, 0.75, 1, 2.6};
    for (int k = 0; k < 5; k++) {
        double sum = 0;
        for (int y = -6; y <= 6; y++) sum += pathfinder_cover(&d, half_widths[k], y, 5);
        assert_true(fabs(sum - 2 * half_widths[k]) < 1e-12);
    }
    assert_true(pathfinder_cover(&d, 0.5, 0, 12) == 0 && pathfinder_cover(&d, 0.5, 2, 5) == 0);
}

/* -- Scenes */

static void check_snake(const Snake *s, const PathfinderRules *r, int margin, int n, double *gaps,
                        int *n_gaps)
{
    assert_int_equal(s->n, n);
    for (int i = 0; i < n; i++) {
        const double length = between(s->dash[i].tail, s->dash[i].head);
        /* ends of the first dash are pixels, rounded up */
        assert_true(fabs(length - r->dash_length) < (i == 0 ? 1.5 : 1e-9));
        if (i == 0) continue;
        /* twice the margin, less in a bend (2 margin cos(turn / 2), turn up to 90 degrees), and up
         * to the rounding of two heads and a pivot to pixels */
        const double gap = between(s->dash[i - 1].head, s->dash[i].tail);
        assert_true(gap > sqrt(2) * margin - 3 * sqrt(2) && gap < 2 * margin + 3 * sqrt(2));
        *gaps += gap / margin;
        ++*n_gaps;
    }
    assert_true(between(s->start, s->dash[0].tail) == 0);
    assert_true(between(s->end, s->dash[n - 1].head) == 0);
}

static void check_scenes(const PathfinderRules *r, int n)
{
    PathfinderScene c;
    double gaps = 0;
    int n_gaps = 0;
    for (int i = 0; i < n; i++) {
        Pcg rng = pcg_stream(11, "test", 0, (uint64_t)i);
        assert_true(pathfinder_scene(r, &rng, 0, &c));
        for (int k = 0; k < 2; k++)
            check_snake(&c.contour[k], r, c.margin, r->contour_length, &gaps, &n_gaps);
        for (int k = 0; k < c.n_distractors; k++)
            check_snake(&c.distractor[k], r, c.margin, r->distractor_length, &gaps, &n_gaps);
        /* rounded to whole pixels */
        const double apart = between(c.contour[0].start, c.contour[1].start);
        assert_true(fabs(apart - r->seed_distance) < 0.75);
    }
    gaps /= n_gaps;
    /* a bend's gap is shorter by cos(turn / 2), from 1 to 0.71 */
    assert_true(gaps > sqrt(2) && gaps < 2);
}

TEST(pathfinder, scenes_are_two_equal_contours_and_distractors)
{
    const PathfinderRules small = small_rules(), large = large_rules();
    check_scenes(&small, 150);
    check_scenes(&large, 15);
}

/* The smallest distance between dashes of two snakes, at 9 points of each. */
static double distance_of(const Snake *a, const Snake *b)
{
    double least = INFINITY;
    for (int i = 0; i < a->n; i++)
        for (int k = 0; k < b->n; k++)
            for (int t = 0; t < 81; t++) {
                const int row = t / 9, column = t % 9;
                const Point p = along(&a->dash[i], row / 8.0), q = along(&b->dash[k], column / 8.0);
                if (between(p, q) < least) least = between(p, q);
            }
    return least;
}

/* Grown lines of half width w sum to less than 1.8 in every pixel, so that two parallel ones are
 * further apart than 2 w - 0.8 if they run along pixels; half a pixel less if they do not. */
TEST(pathfinder, no_two_snakes_touch)
{
    const PathfinderRules r = large_rules();
    PathfinderScene c;
    for (int i = 0; i < 12; i++) {
        Pcg rng = pcg_stream(12, "test", 0, (uint64_t)i);
        assert_true(pathfinder_scene(&r, &rng, 0, &c));
        const double least = 2 * (r.thickness / 2 + c.margin) - 1.3;
        assert_true(distance_of(&c.contour[0], &c.contour[1]) > least);
        for (int k = 0; k < c.n_distractors; k++)
            for (int m = 0; m < 2; m++)
                assert_true(distance_of(&c.distractor[k], &c.contour[m]) > least);
    }
}

TEST(pathfinder, a_picture_is_positive_if_both_discs_are_on_one_contour)
{
    const PathfinderRules r = small_rules();
    PathfinderScene c;
    int seen[2][2] = {{0}};
    for (int i = 0; i < 300; i++) {
        Pcg rng = pcg_stream(13, "test", 0, (uint64_t)i);
        assert_true(pathfinder_scene(&r, &rng, 0, &c));
        const int from = between(c.disc[0], c.contour[1].start) == 0;
        const int to = between(c.disc[1], c.contour[1].end) == 0;
        assert_true(between(c.disc[0], c.contour[from].start) == 0);
        assert_true(between(c.disc[1], c.contour[to].end) == 0);
        assert_int_equal(c.label, from == to);
        seen[from][to]++;
    }
    for (int k = 0; k < 4; k++) assert_in_range(seen[k / 2][k % 2], 45, 105); /* 75, 4 of 7.5 */
}

/* The discs' distance must not tell the label. Contours start 5 pixels apart and bend freely: the
 * means differ by 0.3 pixels (measured on 40000), and 600 draws add an error of 0.27. */
TEST(pathfinder, distance_of_the_discs_does_not_tell_the_label)
{
    const PathfinderRules r = small_rules();
    PathfinderScene c;
    double sum[2] = {0};
    int n[2] = {0};
    for (int i = 0; i < 600; i++) {
        Pcg rng = pcg_stream(14, "test", 0, (uint64_t)i);
        assert_true(pathfinder_scene(&r, &rng, 0, &c));
        sum[c.label] += between(c.disc[0], c.disc[1]);
        n[c.label]++;
    }
    assert_in_range(n[1], 251, 349); /* half of them, 4 errors of 12 */
    assert_true(fabs(sum[0] / n[0] - sum[1] / n[1]) < 0.3 + 4 * 0.27);
}

/* -- Pictures */

#define SMALL "{name: pathfinder, side: 24, contour_length: 6, distractors: 2"

static Opened *open_yaml(const char *yaml)
{
    Opened *o = opened_new(yaml, "", SPLITS_ALL);
    ASSERT_OK(o->ok, &o->err);
    return o;
}

TEST(pathfinder, pictures_are_sequences_of_grey_values)
{
    Opened *o = open_yaml(SMALL "}");
    float x[576];
    int32_t label;
    assert_int_equal(o->data.task.sample.rank, 2);
    assert_int_equal(o->data.task.sample.dim[0], 576);
    assert_int_equal(o->data.task.sample.dim[1], 1);
    assert_int_equal(o->data.n_memory, 0);
    for (int64_t i = 0; i < 50; i++) {
        int black = 0, white = 0, half = 0;
        dataset_example(&o->data, SPLIT_TRAIN, i, false, 0, 0, x, &label);
        for (int t = 0; t < 576; t++) {
            assert_true(x[t] >= -1 && x[t] <= 1);
            black += x[t] == -1;
            white += x[t] == 1;
            half += fabsf(x[t]) < 0.01F; /* the middle of a line half a pixel wide */
        }
        /* two discs of radius 1.5 have 9 pixels each that are white at the centre and around; two
         * contours of 6 dashes have 12 to 36 pixels of dash, the distractors up to 12 more */
        assert_in_range(white, 5, 18);
        assert_in_range(half, 8, 80);
        assert_true(black > 576 / 2);
    }
    opened_free(o);
}

TEST(pathfinder, pictures_are_a_function_of_seed_split_and_number)
{
    Opened *a = open_yaml(SMALL "}");
    Opened *b = open_yaml(SMALL ", n_train: 7}");
    Opened *c = open_yaml(SMALL ", seed: 2}");
    float x[576], y[576];
    int32_t label, same;
    for (int64_t i = 6; i >= 0; i--) {
        dataset_example(&a->data, SPLIT_TRAIN, i, false, 0, 0, x, &label);
        dataset_example(&b->data, SPLIT_TRAIN, i, true, 3, 2, y, &same);
        assert_memory_equal(x, y, sizeof x);
        assert_int_equal(label, same);
        dataset_example(&a->data, SPLIT_TEST, i, false, 0, 0, y, &same);
        assert_memory_not_equal(x, y, sizeof x);
        dataset_example(&c->data, SPLIT_TRAIN, i, false, 0, 0, y, &same);
        assert_memory_not_equal(x, y, sizeof x);
    }
    opened_free(a);
    opened_free(b);
    opened_free(c);
}

/* The original's contrasts at 32 pixels: 1.5 for contours, 2 for distractors, lines half a pixel
 * wide: nothing is brighter than a disc, and a distractor is as bright. */
TEST(pathfinder, the_original_contrasts_leave_distractors_brighter)
{
    Opened *o = open_yaml(SMALL ", equal_contrast: false}");
    float x[576];
    int32_t label;
    int contour = 0;
    for (int64_t i = 0; i < 20; i++) {
        dataset_example(&o->data, SPLIT_TRAIN, i, false, 0, 0, x, &label);
        for (int t = 0; t < 576; t++) contour += fabsf(x[t] - 0.5F) < 0.01F; /* 0.75 of white */
    }
    assert_true(contour > 100);
    opened_free(o);
}

TEST(pathfinder, large_pictures_stream)
{
    Opened *o = open_yaml("{name: pathfinder, side: 256, contour_length: 6, n_train: 1000000000}");
    float *x = calloc(65536, sizeof *x);
    int32_t label;
    assert_non_null(x);
    assert_int_equal(o->data.n_memory, 0);
    dataset_example(&o->data, SPLIT_TRAIN, 999999999, false, 0, 0, x, &label);
    int white = 0;
    for (int t = 0; t < 65536; t++) white += x[t] == 1;
    assert_true(white > 100); /* two discs of 5 pixels radius have 61 wholly white pixels each */
    free(x);
    opened_free(o);
}

TEST(pathfinder, starts_that_cannot_stand_are_refused)
{
    Opened *o = opened_new("{name: pathfinder, side: 32, seed_distance: 8}", "", SPLITS_ALL);
    ASSERT_FAILS(o->ok, &o->err, FAIL_CONFIG,
                 "seed_distance = 8 is too large: a start stands twice as far from every side of a "
                 "picture of side = 32");
    opened_free(o);
}

TEST(pathfinder, contours_that_do_not_fit_are_refused)
{
    Opened *o = opened_new("{name: pathfinder, side: 16, contour_length: 40}", "", SPLITS_ALL);
    ASSERT_FAILS(o->ok, &o->err, FAIL_CONFIG,
                 "contour_length = 40 is too long for side = 16: none of 20000 attempts could");
    opened_free(o);
}

/* -- The file */

static Opened *open_cached(const char *folder)
{
    char yaml[400];
    (void)snprintf(yaml, sizeof yaml, SMALL ", n_train: 300, n_valid: 20, n_test: 9, cache: '%s'}",
                   folder);
    return opened_new(yaml, "", SPLITS_ALL);
}

TEST(pathfinder, a_cached_picture_has_the_bits_of_a_made_one)
{
    const char *folder = test_folder();
    Opened *made = open_yaml(SMALL ", n_train: 300, n_valid: 20, n_test: 9}");
    static const int64_t at[N_SPLITS][2] = {
        {0, 299},
        {0, 19 },
        {0, 8  }
    };
    float x[576], y[576];
    int32_t label, same;
    for (int open = 0; open < 2; open++) { /* the second time it is read */
        Opened *cached = open_cached(folder);
        ASSERT_OK(cached->ok, &cached->err);
        assert_string_equal(cached->data.sha256, made->data.sha256);
        for (int k = 0; k < 2 * N_SPLITS; k++) {
            dataset_example(&made->data, (SplitId)(k / 2), at[k / 2][k % 2], false, 0, 0, x,
                            &label);
            dataset_example(&cached->data, (SplitId)(k / 2), at[k / 2][k % 2], false, 0, 0, y,
                            &same);
            assert_memory_equal(x, y, sizeof x);
            assert_int_equal(label, same);
        }
        opened_free(cached);
    }
    opened_free(made);
}

/* Ten records of four bytes, record i all i. */
static void make_record(void *n_made, int64_t i, uint8_t *record)
{
    memset(record, (int)i, 4);
    __atomic_fetch_add((int *)n_made, 1, __ATOMIC_RELAXED);
}

static bool open_records(const char *path, const char *key, int *n_made, Error *err)
{
    FileMap file = {0};
    const uint8_t *records;
    const ExampleCache c = {
        .path = path, .key = key, .n = 10, .record_bytes = 4, .make = make_record, .owner = n_made};
    bool ok = example_cache_open(&c, &file, &records, err);
    for (int i = 0; ok && i < 40; i++) assert_int_equal(records[i], i / 4);
    file_unmap(&file);
    return ok;
}

TEST(example_cache, is_made_once)
{
    char path[300];
    int n_made = 0;
    Error err = {0};
    (void)snprintf(path, sizeof path, "%s/a.examples", test_folder());
    ASSERT_OK(open_records(path, "k", &n_made, &err), &err);
    assert_int_equal(n_made, 10);
    ASSERT_OK(open_records(path, "k", &n_made, &err), &err);
    assert_int_equal(n_made, 10);
}

TEST(example_cache, of_another_recipe_is_refused)
{
    char path[300];
    int n_made = 0;
    Error err = {0};
    (void)snprintf(path, sizeof path, "%s/a.examples", test_folder());
    ASSERT_OK(open_records(path, "k", &n_made, &err), &err);
    ASSERT_FAILS(open_records(path, "m", &n_made, &err), &err, FAIL_DATA,
                 "a.examples: is not the file of these examples; remove it");
}

/* Every byte of the file counts: header, records, hashes. */
TEST(example_cache, a_changed_byte_is_found_wherever_it_is)
{
    char path[300], *bytes;
    int n_made = 0;
    size_t n;
    Error err = {0};
    (void)snprintf(path, sizeof path, "%s/a.examples", test_folder());
    ASSERT_OK(open_records(path, "k", &n_made, &err), &err);
    ASSERT_OK(file_read(path, 10000, &bytes, &n, FAIL_DATA, &err), &err);
    for (size_t i = 0; i < n; i += i < 70 ? 1 : 13) {
        Error damaged = {0};
        bytes[i] ^= 4;
        ASSERT_OK(file_replace(path, bytes, n, &err), &err);
        assert_false(open_records(path, "k", &n_made, &damaged));
        assert_int_equal(damaged.kind, FAIL_DATA);
        bytes[i] ^= 4;
    }
    ASSERT_OK(file_replace(path, bytes, n - 1, &err), &err);
    ASSERT_FAILS(open_records(path, "k", &n_made, &err), &err, FAIL_DATA,
                 "bytes are not what 10 examples take; remove it");
    free(bytes);
}
