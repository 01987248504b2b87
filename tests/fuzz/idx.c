/* fuzz idx -- any bytes as an IDX file: what is accepted may be read to its end. The first byte
 * chooses images or labels. */
#include "data/idx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint64_t sink;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Error err = {0};
    IdxImages images;
    IdxLabels labels;
    uint64_t sum = 0;
    if (size < 1) return 0;
    if (data[0] % 2 == 0) {
        if (idx_parse_images(data + 1, size - 1, "fuzz", &images, &err))
            for (int64_t i = 0; i < images.n * images.h * images.w; i++) sum += images.pixels[i];
    } else if (idx_parse_labels(data + 1, size - 1, "fuzz", 10, &labels, &err)) {
        for (int64_t i = 0; i < labels.n; i++) sum += labels.values[i];
    }
    sink = sum;
    return 0;
}
