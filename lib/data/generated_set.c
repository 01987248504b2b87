/* generated_set -- see generated_set.h. */
#include "data/generated_set.h"

#include <string.h>

void generated_set_finish(Dataset *d, unsigned splits, Arena *a)
{
    const GeneratedOptions *o = d->options;
    const int64_t n[N_SPLITS] = {o->n_train, o->n_valid, o->n_test};
    for (int s = 0; s < N_SPLITS; s++)
        if (splits & 1u << s) d->split[s].n = n[s];
    Yaml *values = yaml_new_map(a);
    option_write(&d->kind->options, d->options, false, a, values);
    const char *recipe =
        arena_printf(a, "%s %d %s", d->kind->name, d->kind->revision, yaml_flow(a, values));
    hash_bytes(recipe, strlen(recipe), d->sha256);
}

Pcg generated_stream(const Dataset *d, SplitId split, int64_t i)
{
    const GeneratedOptions *o = d->options;
    return pcg_stream((uint64_t)o->seed, d->kind->name, (uint64_t)split, (uint64_t)i);
}
