/* cifar -- the binary files of CIFAR-10 and CIFAR-100: records and nothing else.
 *
 *   CIFAR-10    label, then 3072 pixels
 *   CIFAR-100   coarse label (0-19), fine label (0-99), then 3072 pixels
 *   pixels      1024 red, 1024 green, 1024 blue, each 32 lines of 32
 *
 * Source: A. Krizhevsky, "The CIFAR-10 dataset", https://www.cs.toronto.edu/~kriz/cifar.html. */
#ifndef SEQLAB_DATA_CIFAR_H
#define SEQLAB_DATA_CIFAR_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum { CIFAR_SIDE = 32, CIFAR_PIXELS = 3 * CIFAR_SIDE * CIFAR_SIDE };

typedef enum CifarLabels { CIFAR_10, CIFAR_100_FINE, CIFAR_100_COARSE } CifarLabels;

int cifar_n_classes(CifarLabels labels);

/* Checks the size and every label of a whole file; *n_images is at least 1. FAIL_DATA else. */
bool cifar_check(const uint8_t *bytes, size_t n, const char *path, CifarLabels labels,
                 int64_t *n_images, Error *err) MUST_CHECK;

/* Images of a checked file to (n_images, 32, 32, 3), colours of a pixel side by side. */
void cifar_unpack(const uint8_t *bytes, int64_t n_images, CifarLabels labels, uint8_t *images,
                  int32_t *label);

#endif
