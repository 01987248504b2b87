/* tensor -- see tensor.h. */
#include "graph/tensor.h"

#include <stdarg.h>
#include <stdio.h>

Shape shape(int rank, ...)
{
    Shape s = {.rank = rank};
    va_list args;
    va_start(args, rank);
    for (int i = 0; i < rank && i < MAX_RANK; i++) s.dim[i] = va_arg(args, int64_t);
    va_end(args);
    return s;
}

int64_t shape_count(const Shape *s)
{
    int64_t n = 1;
    for (int i = 0; i < s->rank; i++) n *= s->dim[i];
    return n;
}

bool shape_equal(const Shape *a, const Shape *b)
{
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i]) return false;
    return true;
}

void shape_strides(const Shape *s, int64_t stride[MAX_RANK])
{
    int64_t step = 1;
    for (int i = s->rank - 1; i >= 0; i--) {
        stride[i] = step;
        step *= s->dim[i];
    }
}

const char *shape_text(const Shape *s, char out[96])
{
    int n = snprintf(out, 96, "(");
    for (int i = 0; i < s->rank; i++)
        n += snprintf(out + n, 96 - (size_t)n, "%s%lld", i ? ", " : "", (long long)s->dim[i]);
    (void)snprintf(out + n, 96 - (size_t)n, ")");
    return out;
}
