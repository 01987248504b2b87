/* fuzz/safetensors -- a whole file; what is accepted must lie inside it and tile its data. */
#include "io/safetensors.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void demand(bool holds)
{
    if (!holds) abort();
}

static void check_tensor(const Safetensors *s, const StTensor *t, const uint8_t *data, size_t n)
{
    const uint8_t *begin = t->data;
    demand(begin >= data + 8 && begin <= data + n && t->bytes <= (size_t)(data + n - begin));
    demand(t->rank >= 0 && t->rank <= ST_MAX_RANK);
    int64_t product = 1;
    for (int i = 0; i < t->rank; i++) product *= t->dim[i];
    demand(product == t->n && (size_t)product * (size_t)st_dtype_bytes[t->dtype] == t->bytes);
    demand(safetensors_find(s, t->name) == t);
    float *values = malloc((size_t)t->n * sizeof *values + 1);
    if (values) safetensors_to_float(t, values);
    free(values);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    Arena *a = arena_new();
    Error err = {0};
    Safetensors s;
    bool ok = safetensors_parse(&s, a, data, n, "fuzz", &err);
    demand(ok == (err.n_items == 0) && (ok || err.kind == FAIL_DATA));
    size_t bytes = 0;
    for (int i = 0; ok && i < s.n_tensors; i++) {
        check_tensor(&s, &s.tensors[i], data, n);
        bytes += s.tensors[i].bytes;
    }
    demand(!ok || bytes <= n - 8);
    for (int i = 0; ok && i < s.n_metadata; i++)
        demand(safetensors_metadata(&s, s.metadata[i][0]) != NULL);
    arena_free(a);
    return 0;
}
