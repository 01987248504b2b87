/* fuzz/llama2c -- a checkpoint of llama2.c of any bytes is refused with a message, or read whole:
 * its parameters are as many as its bytes say. */
#include "nn/llama2c.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void demand(bool holds)
{
    if (!holds) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char path[64];
    const int fd = memfd_create("fuzz", 0);
    demand(fd >= 0 && write(fd, data, n) == (ssize_t)n);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    Arena *a = arena_new();
    Params *params = params_new(a);
    Error err = {0};
    Yaml *map = NULL;
    const bool ok = llama2c_read(path, a, &map, params, &err);
    demand(ok == (err.n_items == 0) && (ok || err.kind == FAIL_DATA));
    if (ok) {
        int64_t floats = 0;
        for (const Param *p = params->first; p; p = p->next) floats += p->n;
        demand(map && floats > 0 && (size_t)floats * sizeof(float) < n);
    }
    params_free(params);
    arena_free(a);
    (void)close(fd);
    return 0;
}
