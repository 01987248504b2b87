/* dataset -- the registry, and what opening and closing have in common. */
#include "data/dataset.h"

#include "data/text_units.h"

#include <string.h>

const char *const split_name[N_SPLITS] = {"train", "valid", "test"};

extern const DatasetKind dataset_mnist, dataset_fashion_mnist, dataset_cifar10, dataset_cifar100,
    dataset_shapes, dataset_listops, dataset_pathfinder, dataset_associative_recall,
    dataset_induction_heads, dataset_delay, dataset_selective_copying, dataset_text_lm,
    dataset_tinyshakespeare, dataset_retrieval_markov, dataset_text_classification,
    dataset_retrieval, dataset_series, dataset_text_to_text, dataset_arithmetic;

// clang-format off
const DatasetKind *const dataset_registry[] = {
    &dataset_fashion_mnist, &dataset_mnist, &dataset_cifar10, &dataset_cifar100,
    &dataset_shapes,
    &dataset_listops, &dataset_pathfinder,
    &dataset_associative_recall, &dataset_induction_heads, &dataset_delay, &dataset_selective_copying,
    &dataset_text_lm, &dataset_tinyshakespeare,
    &dataset_retrieval_markov, &dataset_text_classification, &dataset_retrieval, &dataset_series,
    &dataset_text_to_text, &dataset_arithmetic,
    NULL,
};
// clang-format on

const DatasetKind *dataset_find(const char *name)
{
    for (int i = 0; dataset_registry[i]; i++)
        if (strcmp(dataset_registry[i]->name, name) == 0) return dataset_registry[i];
    return NULL;
}

bool dataset_open(Dataset *d, const DatasetKind *kind, const void *options, const char *data_folder,
                  unsigned splits, Arena *arena, Error *err)
{
    memset(d, 0, sizeof *d);
    d->kind = kind;
    d->options = options;
    if (kind->open(d, options, data_folder, splits, arena, err)) return true;
    dataset_close(d);
    return false;
}

void dataset_close(Dataset *d)
{
    for (int i = 0; i < d->n_memory; i++) memory_unmap(d->memory[i], d->memory_bytes[i]);
    file_unmap(&d->file);
    if (d->text) text_units_free(d->text);
    memset(d, 0, sizeof *d);
}

void dataset_own(Dataset *d, void *memory, size_t bytes)
{
    d->memory[d->n_memory] = memory;
    d->memory_bytes[d->n_memory] = bytes;
    d->n_memory++;
}

bool dataset_memory(Dataset *d, void **out, size_t bytes, Error *err)
{
    TRY(memory_map(out, bytes, err));
    dataset_own(d, *out, bytes);
    return true;
}
