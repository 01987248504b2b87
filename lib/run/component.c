/* component -- see component.h. */
#include "run/component.h"

#include <string.h>

const char *const component_block[N_COMPONENT_KINDS] = {"data", "model", "methods", "optimizer",
                                                        "schedule"};
const char *const component_word[N_COMPONENT_KINDS] = {"data set", "model", "method", "optimizer",
                                                       "schedule"};

/* The registries' rows are of different types with the same fields. */
#define SEEN_ALIKE(row)                                                                            \
    (Component)                                                                                    \
    {                                                                                              \
        (row)->name, (row)->summary, (row)->revision, &(row)->options, (row),                      \
    }

bool component_at(ComponentKind kind, int i, Component *out)
{
    *out = (Component){0};
    switch (kind) {
    case COMPONENT_DATA:
        if (dataset_registry[i]) *out = SEEN_ALIKE(dataset_registry[i]);
        break;
    case COMPONENT_MODEL:
        if (model_registry[i]) *out = SEEN_ALIKE(model_registry[i]);
        break;
    case COMPONENT_METHOD:
        if (method_registry[i]) *out = SEEN_ALIKE(method_registry[i]);
        break;
    case COMPONENT_OPTIMIZER:
        if (optimizer_registry[i]) *out = SEEN_ALIKE(optimizer_registry[i]);
        break;
    case COMPONENT_SCHEDULE:
        if (schedule_registry[i]) *out = SEEN_ALIKE(schedule_registry[i]);
        break;
    case N_COMPONENT_KINDS:
        break;
    }
    return out->self != NULL;
}

bool component_find(ComponentKind kind, const char *name, Component *out)
{
    for (int i = 0; component_at(kind, i, out); i++)
        if (strcmp(out->name, name) == 0) return true;
    return false;
}

bool component_chosen(const Experiment *e, ComponentKind kind, int i, Component *out,
                      const void **options)
{
    *out = (Component){0};
    if (i != 0 && kind != COMPONENT_METHOD) return false;
    switch (kind) {
    case COMPONENT_DATA:
        *out = SEEN_ALIKE(e->dataset);
        *options = e->dataset_options;
        break;
    case COMPONENT_MODEL:
        *out = SEEN_ALIKE(e->model);
        *options = e->model_options;
        break;
    case COMPONENT_METHOD:
        if (i >= e->n_methods) return false;
        *out = SEEN_ALIKE(e->methods[i].method);
        *options = e->methods[i].options;
        break;
    case COMPONENT_OPTIMIZER:
        *out = SEEN_ALIKE(e->optimizer);
        *options = e->optimizer_options;
        break;
    case COMPONENT_SCHEDULE:
        *out = SEEN_ALIKE(e->schedule);
        *options = e->schedule_options;
        break;
    case N_COMPONENT_KINDS:
        break;
    }
    return out->self != NULL;
}
