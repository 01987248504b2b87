/* fuzz cifar -- any bytes as a CIFAR file: what is accepted can be unpacked. The first byte chooses
 * the labels. */
#include "data/cifar.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Error err = {0};
    int64_t n;
    if (size < 1) return 0;
    const CifarLabels labels = (CifarLabels)(data[0] % 3);
    if (!cifar_check(data + 1, size - 1, "fuzz", labels, &n, &err)) return 0;
    uint8_t *images = malloc((size_t)n * CIFAR_PIXELS);
    int32_t *label = malloc((size_t)n * sizeof *label);
    if (images && label) {
        cifar_unpack(data + 1, n, labels, images, label);
        for (int64_t i = 0; i < n; i++)
            if (label[i] < 0 || label[i] >= cifar_n_classes(labels)) abort();
    }
    free(images);
    free(label);
    return 0;
}
