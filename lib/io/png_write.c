/* png_write -- see png_write.h. */
#include "io/png_write.h"

#include "io/file.h"

#include <png.h>
#include <stdlib.h>

enum { PNG_SIDE_MAX = 32767 };

bool png_encode(const char *name, const uint8_t *pixels, int width, int height, int channels,
                void **out, size_t *n, Error *err)
{
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = (png_uint_32)width,
                       .height = (png_uint_32)height,
                       .format = channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB};
    *out = NULL;
    *n = 0;
    if (width < 1 || height < 1 || width > PNG_SIDE_MAX || height > PNG_SIDE_MAX)
        return fail(err, FAIL_RUN, NULL, "%s: an image of %d x %d; expected sides of 1 to %d", name,
                    width, height, PNG_SIDE_MAX);
    png_alloc_size_t bytes = PNG_IMAGE_PNG_SIZE_MAX(image);
    void *memory = malloc(bytes);
    if (!memory) return fail(err, FAIL_RUN, NULL, "%s: out of memory", name);
    if (!png_image_write_to_memory(&image, memory, &bytes, 0, pixels, 0, NULL)) {
        free(memory);
        return fail(err, FAIL_RUN, NULL, "%s: %s", name, image.message);
    }
    *out = memory;
    *n = bytes;
    return true;
}

bool png_write_rgb(const char *path, const uint8_t *rgb, int width, int height, Error *err)
{
    void *memory;
    size_t n = 0;
    TRY(png_encode(path, rgb, width, height, 3, &memory, &n, err));
    bool ok = file_replace(path, memory, n, err);
    free(memory);
    return ok;
}
