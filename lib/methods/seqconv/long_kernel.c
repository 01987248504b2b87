/* long_kernel -- see long_kernel.h. */
#include "methods/seqconv/long_kernel.h"

#include <string.h>

bool is_long_kernel(const Param *p)
{
    static const char SUFFIX[] = ".kernel";
    const size_t n = strlen(p->name), m = sizeof SUFFIX - 1;
    return p->role == ROLE_KERNEL && n > m && strcmp(p->name + n - m, SUFFIX) == 0;
}

bool needs_long_kernel(const MethodCall *c, Error *err)
{
    for (const Param *p = c->params->first; p; p = p->next)
        if (is_long_kernel(p)) return true;
    return fail(err, FAIL_CONFIG, NULL,
                "method '%s': the model has no long-convolution kernels (longconv and h3 have)",
                c->method->name);
}
