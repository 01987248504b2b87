/* method -- the registry: one line a technique. */
#include "methods/method.h"

#include <string.h>

// clang-format off
#define METHODS(M) \
    M(label_smoothing) \
    M(lora) M(adalora) M(bone) M(bitfit) M(freeze) \
    M(magnitude_mask) M(prune) M(precrop) M(lottery) M(layer_lottery) M(filter_prune) \
    M(smooth) M(squash) M(kernel_dropout) M(kernel_roughness)

#define DECLARE(name) extern const Method method_##name;
METHODS(DECLARE)

#define ROW(name) &method_##name,
const Method *const method_registry[] = {METHODS(ROW) NULL};
// clang-format on

const Method *method_find(const char *name)
{
    for (const Method *const *m = method_registry; *m; m++)
        if (!strcmp((*m)->name, name)) return *m;
    return NULL;
}
