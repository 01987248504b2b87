/* png_write -- 8-bit images to PNG (by libpng): in memory, or a file that is replaced as a whole.
 */
#ifndef SEQLAB_IO_PNG_WRITE_H
#define SEQLAB_IO_PNG_WRITE_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* pixels holds height rows of width pixels of `channels` bytes (1 grey, 3 RGB), from the top; sides
 * are 1 to 32767. *out is malloc'ed. FAIL_RUN; `name` is what the message calls the image. */
bool png_encode(const char *name, const uint8_t *pixels, int width, int height, int channels,
                void **out, size_t *n, Error *err) MUST_CHECK;

/* rgb holds height rows of width pixels of 3 bytes, from the top; sides are 1 to 32767. FAIL_RUN.
 */
bool png_write_rgb(const char *path, const uint8_t *rgb, int width, int height,
                   Error *err) MUST_CHECK;

#endif
