/* fuzz/npy -- a whole file; what is accepted must lie inside it and fill it to its end. */
#include "io/npy.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void demand(bool holds)
{
    if (!holds) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    Error err = {0};
    StTensor t;
    bool ok = npy_parse(data, n, "fuzz", &t, &err);
    demand(ok == (err.n_items == 0) && (ok || err.kind == FAIL_DATA));
    if (!ok) return 0;
    const uint8_t *begin = t.data;
    demand(begin >= data + 10 && begin + t.bytes == data + n);
    demand(t.rank >= 0 && t.rank <= ST_MAX_RANK);
    demand((size_t)t.n * (size_t)st_dtype_bytes[t.dtype] == t.bytes);
    float *values = malloc((size_t)t.n * sizeof *values + 1);
    if (values) safetensors_to_float(&t, values);
    free(values);
    return 0;
}
