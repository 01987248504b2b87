/* png_write -- see png_write.h. */
#include "io/png_write.h"

#include "io/file.h"

#include <png.h>
#include <stdlib.h>

enum { PNG_SIDE_MAX = 32767 };

bool png_write_rgb(const char *path, const uint8_t *rgb, int width, int height, Error *err)
{
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = (png_uint_32)width,
                       .height = (png_uint_32)height,
                       .format = PNG_FORMAT_RGB};
    if (width < 1 || height < 1 || width > PNG_SIDE_MAX || height > PNG_SIDE_MAX)
        return fail(err, FAIL_RUN, NULL, "%s: an image of %d x %d; expected sides of 1 to %d", path,
                    width, height, PNG_SIDE_MAX);
    png_alloc_size_t bytes = PNG_IMAGE_PNG_SIZE_MAX(image);
    void *memory = malloc(bytes);
    if (!memory) return fail(err, FAIL_RUN, NULL, "out of memory");
    bool ok = png_image_write_to_memory(&image, memory, &bytes, 0, rgb, 0, NULL) != 0;
    ok = ok ? file_replace(path, memory, bytes, err)
            : fail(err, FAIL_RUN, NULL, "%s: %s", path, image.message);
    free(memory);
    return ok;
}
