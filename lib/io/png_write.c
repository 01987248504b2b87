/* png_write -- see png_write.h. */
#include "io/png_write.h"

#include "io/file.h"

#include <png.h>
#include <stdlib.h>

bool png_write_rgb(const char *path, const uint8_t *rgb, int width, int height, Error *err)
{
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = (png_uint_32)width,
                       .height = (png_uint_32)height,
                       .format = PNG_FORMAT_RGB};
    png_alloc_size_t bytes = 0;
    if (!png_image_write_get_memory_size(image, bytes, 0, rgb, 0, NULL))
        return fail(err, FAIL_RUN, NULL, "%s: %s", path, image.message);
    void *memory = malloc(bytes);
    if (!memory) return fail(err, FAIL_RUN, NULL, "out of memory");
    bool ok = png_image_write_to_memory(&image, memory, &bytes, 0, rgb, 0, NULL) != 0;
    ok = ok ? file_replace(path, memory, bytes, err)
            : fail(err, FAIL_RUN, NULL, "%s: %s", path, image.message);
    free(memory);
    return ok;
}
