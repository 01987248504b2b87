/* png -- what png_write makes is read back by libpng. */
#include "tests/test.h"

#include "io/file.h"
#include "io/png_write.h"

#include <png.h>
#include <stdlib.h>
#include <string.h>

static void comes_back(int width, int height)
{
    Arena *a = arena_new();
    Error err = {0};
    const char *path = arena_printf(a, "%s/i.png", test_folder());
    size_t n = (size_t)width * (size_t)height * 3;
    uint8_t *rgb = malloc(n), *back = malloc(n);
    assert_true(rgb && back);
    for (size_t i = 0; i < n; i++) rgb[i] = (uint8_t)((uint32_t)i * 2654435761U >> 24);
    ASSERT_OK(png_write_rgb(path, rgb, width, height, &err), &err);
    png_image image = {.version = PNG_IMAGE_VERSION};
    assert_int_not_equal(png_image_begin_read_from_file(&image, path), 0);
    assert_int_equal(image.width, width);
    assert_int_equal(image.height, height);
    assert_int_equal(image.format, PNG_FORMAT_RGB);
    assert_int_not_equal(png_image_finish_read(&image, NULL, back, 0, NULL), 0);
    assert_memory_equal(back, rgb, n);
    free(rgb);
    free(back);
    arena_free(a);
}

TEST(png, pixels_come_back)
{
    comes_back(1, 1);
    comes_back(28, 28);
    comes_back(97, 5);
    comes_back(1, 300);
}

TEST(png, sides_out_of_range_are_refused)
{
    static const int sides[][2] = {
        {0,     1    },
        {1,     0    },
        {-1,    1    },
        {1,     -1   },
        {32768, 1    },
        {1,     32768}
    };
    static const uint8_t rgb[3];
    Arena *a = arena_new();
    const char *path = arena_printf(a, "%s/i.png", test_folder());
    for (size_t i = 0; i < sizeof sides / sizeof sides[0]; i++) {
        Error err = {0};
        ASSERT_FAILS(png_write_rgb(path, rgb, sides[i][0], sides[i][1], &err), &err, FAIL_RUN,
                     arena_printf(a, "%s: an image of %d x %d; expected sides of 1 to 32767", path,
                                  sides[i][0], sides[i][1]));
        assert_false(file_exists(path));
    }
    arena_free(a);
}

TEST(png, a_missing_folder_is_named)
{
    static const uint8_t rgb[3];
    Error err = {0};
    ASSERT_FAILS(png_write_rgb("/nowhere/i.png", rgb, 1, 1, &err), &err, FAIL_RUN,
                 "/nowhere/i.png: cannot be written: No such file or directory");
}
