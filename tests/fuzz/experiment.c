/* fuzz/experiment -- an experiment file of any bytes is refused with a message or read; what was
 * read is written as configuration, which reads again to the same id. */
#include "run/experiment.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char sha[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    Arena *a = arena_new();
    Experiment e, again;
    Error err = {0};
    if (experiment_parse(&e, a, (const char *)data, n, &err)) {
        experiment_identify(&e, a, sha);
        const char *config = experiment_config_sources(&e, a);
        if (!experiment_parse(&again, a, config, strlen(config), &err)) abort();
        experiment_identify(&again, a, sha);
        if (strcmp(e.id, again.id) != 0 || strcmp(e.name, again.name) != 0) abort();
    } else if (err.n_items == 0 || err.kind == FAIL_NONE) {
        abort();
    }
    arena_free(a);
    return 0;
}
