/* png_write -- 8-bit RGB images to PNG (by libpng), written atomically. */
#ifndef SEQLAB_IO_PNG_WRITE_H
#define SEQLAB_IO_PNG_WRITE_H

#include "base/error.h"

#include <stdint.h>

/* rgb holds height rows of width pixels of 3 bytes, from the top; sides are 1 to 32767. FAIL_RUN.
 */
bool png_write_rgb(const char *path, const uint8_t *rgb, int width, int height,
                   Error *err) MUST_CHECK;

#endif
