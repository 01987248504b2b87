/* tensor -- dtype and shape. Row-major, up to MAX_RANK dims; rank 0 is a scalar with one element.
 */
#ifndef SEQLAB_GRAPH_TENSOR_H
#define SEQLAB_GRAPH_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MAX_RANK = 5 };

typedef enum DType { F32, I32 } DType; /* both of 4 bytes */

typedef struct Shape {
    int rank;
    int64_t dim[MAX_RANK];
} Shape;

/* shape(3, 8, 32, 32) */
Shape shape(int rank, ...);
int64_t shape_count(const Shape *s); /* elements */
bool shape_equal(const Shape *a, const Shape *b);
/* Dense row-major strides in elements. */
void shape_strides(const Shape *s, int64_t stride[MAX_RANK]);
/* "(8, 32, 32)" */
const char *shape_text(const Shape *s, char out[96]);

#endif
