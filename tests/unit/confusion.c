/* confusion -- the picture of a confusion matrix, read back by libpng. */
#include "tests/test.h"

#include "run/evaluate.h"

#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Seen {
    int width, height;
    uint8_t *rgb;
} Seen;

static Seen draw_and_read(int n, int64_t *counts, const char *const names[])
{
    static char path[4200];
    Evaluation e = {.n_classes = n, .confusion = counts};
    Error err = {0};
    snprintf(path, sizeof path, "%s/matrix.png", test_folder());
    ASSERT_OK(confusion_png(path, &e, names, &err), &err);
    png_image image = {.version = PNG_IMAGE_VERSION};
    assert_true(png_image_begin_read_from_file(&image, path));
    image.format = PNG_FORMAT_RGB;
    Seen s = {(int)image.width, (int)image.height, malloc(PNG_IMAGE_SIZE(image))};
    assert_true(png_image_finish_read(&image, NULL, s.rgb, 0, NULL));
    return s;
}

/* Red of the pixel (x, y): 255 in a white cell, 8 in a full one. */
static int red(const Seen *s, int x, int y)
{
    return s->rgb[3 * (y * s->width + x)];
}

enum { CELL = 64, MARGIN = 8 };

/* Red near the corner of cell (row, column) of a matrix of n <= 10 classes, where no count is
 * written: the matrix ends MARGIN before the picture's right and lower edges. */
static int cell_red(const Seen *s, int n, int row, int column)
{
    return red(s, s->width - MARGIN - (n - column) * CELL + 4,
               s->height - MARGIN - (n - row) * CELL + 4);
}

TEST(confusion, more_of_the_row_is_darker)
{
    int64_t counts[9] = {90, 10, 0, 0, 0, 50, 1, 2, 97};
    Seen s = draw_and_read(3, counts, NULL);
    assert_true(cell_red(&s, 3, 0, 0) < cell_red(&s, 3, 0, 1));
    assert_true(cell_red(&s, 3, 0, 1) < cell_red(&s, 3, 0, 2));
    assert_int_equal(cell_red(&s, 3, 1, 2), 8);
    assert_int_equal(cell_red(&s, 3, 0, 2), 255);
    free(s.rgb);
}

TEST(confusion, rows_are_true_classes)
{
    int64_t counts[4] = {0, 5, 0, 0};
    Seen s = draw_and_read(2, counts, NULL);
    assert_int_equal(cell_red(&s, 2, 0, 1), 8);
    assert_int_equal(cell_red(&s, 2, 1, 0), 255);
    free(s.rgb);
}

TEST(confusion, empty_row_is_white)
{
    int64_t counts[4] = {0};
    Seen s = draw_and_read(2, counts, NULL);
    for (int i = 0; i < 4; i++) assert_int_equal(cell_red(&s, 2, i / 2, i % 2), 255);
    free(s.rgb);
}

TEST(confusion, names_make_room_for_themselves)
{
    int64_t counts[4] = {1, 2, 3, 4};
    const char *const names[] = {"a", "a rather long name of a class"};
    Seen narrow = draw_and_read(2, counts, NULL), wide = draw_and_read(2, counts, names);
    assert_true(wide.width > narrow.width + 100);
    free(narrow.rgb);
    free(wide.rgb);
}

TEST(confusion, a_thousand_classes_fit_a_screen)
{
    enum { N = 1000 };
    int64_t *counts = calloc(N * N, sizeof *counts);
    Seen s = draw_and_read(N, counts, NULL);
    assert_in_range(s.width, N, 1200);
    assert_int_equal(s.width, s.height);
    free(counts);
    free(s.rgb);
}

TEST(confusion, unwritable_path_is_named)
{
    int64_t counts[1] = {1};
    Evaluation e = {.n_classes = 1, .confusion = counts};
    Error err = {0};
    ASSERT_FAILS(confusion_png("/nonexistent/matrix.png", &e, NULL, &err), &err, FAIL_RUN,
                 "/nonexistent/matrix.png");
}
