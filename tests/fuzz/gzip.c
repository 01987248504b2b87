/* fuzz/gzip -- a whole file, given through memory that has a name; at most 1 MiB may come out. */
#include "base/arena.h"
#include "io/file.h"

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
    enum { OUT_MAX = 1 << 20 };
    char path[64];
    unsigned char *out = NULL;
    size_t out_n = 0, mapped = 0;
    Error err = {0};
    int fd = memfd_create("fuzz", 0);
    demand(fd >= 0 && write(fd, data, n) == (ssize_t)n);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    bool ok = gzip_read(path, OUT_MAX, &out, &out_n, &mapped, &err);
    demand(ok == (err.n_items == 0) && (ok || err.kind == FAIL_DATA));
    demand(!ok || (out_n <= OUT_MAX && (out_n == 0 || out != NULL)));
    unsigned sum = 0;
    for (size_t i = 0; ok && i < out_n; i++) sum += out[i];
    demand(sum <= 255u * OUT_MAX);
    if (ok) memory_unmap(out, mapped);
    (void)close(fd);
    return 0;
}
