/* cifar -- see cifar.h. */
#include "data/cifar.h"

enum { PLANE = CIFAR_SIDE * CIFAR_SIDE, N_COARSE = 20, N_FINE = 100 };

int cifar_n_classes(CifarLabels labels)
{
    return labels == CIFAR_10 ? 10 : labels == CIFAR_100_FINE ? N_FINE : N_COARSE;
}

static size_t n_label_bytes(CifarLabels labels)
{
    return labels == CIFAR_10 ? 1 : 2;
}

static bool check_label(const char *path, int64_t i, int label, int n_classes, Error *err)
{
    if (label < n_classes) return true;
    return fail(err, FAIL_DATA, NULL, "%s: label %d of image %lld; expected 0 to %d", path, label,
                (long long)i, n_classes - 1);
}

bool cifar_check(const uint8_t *bytes, size_t n, const char *path, CifarLabels labels,
                 int64_t *n_images, Error *err)
{
    const size_t record = n_label_bytes(labels) + CIFAR_PIXELS;
    if (n == 0) return fail(err, FAIL_DATA, NULL, "%s: holds no images", path);
    if (n % record != 0)
        return fail(err, FAIL_DATA, NULL,
                    "%s: %zu bytes; expected whole records of %zu bytes (%zu label%s, %d pixels)",
                    path, n, record, record - CIFAR_PIXELS, labels == CIFAR_10 ? "" : "s",
                    CIFAR_PIXELS);
    *n_images = (int64_t)(n / record);
    for (int64_t i = 0; i < *n_images; i++) {
        const uint8_t *at = bytes + (size_t)i * record;
        TRY(check_label(path, i, at[0], labels == CIFAR_10 ? 10 : N_COARSE, err));
        if (labels != CIFAR_10) TRY(check_label(path, i, at[1], N_FINE, err));
    }
    return true;
}

void cifar_unpack(const uint8_t *bytes, int64_t n_images, CifarLabels labels, uint8_t *images,
                  int32_t *label)
{
    const size_t n_labels = n_label_bytes(labels);
    for (int64_t i = 0; i < n_images; i++) {
        const uint8_t *red = bytes + n_labels, *green = red + PLANE, *blue = green + PLANE;
        label[i] = labels == CIFAR_100_FINE ? bytes[1] : bytes[0];
        for (int64_t j = 0; j < PLANE; j++) {
            images[3 * j] = red[j];
            images[3 * j + 1] = green[j];
            images[3 * j + 2] = blue[j];
        }
        images += CIFAR_PIXELS;
        bytes += n_labels + CIFAR_PIXELS;
    }
}
