/* bytes -- the pixels of an image to normalised floats, x = byte * scale + shift with one pair a
 * channel. An element is one product and one sum, each rounded. One thread: the caller has many
 * images. */
#include "cpu/kernel.h"

void K(bytes_affine)(int64_t n, const uint8_t *restrict byte, const float scale[restrict],
                     const float shift[restrict], float *restrict x)
{
    int64_t i = 0;
    for (; i + BYTES_PERIOD <= n; i += BYTES_PERIOD)
        for (int l = 0; l < BYTES_PERIOD; l++) x[i + l] = (float)byte[i + l] * scale[l] + shift[l];
    for (int l = 0; i + l < n; l++) x[i + l] = (float)byte[i + l] * scale[l] + shift[l];
}
