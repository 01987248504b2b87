/* component -- data sets, models, optimizers, schedules and methods seen alike: a name, a revision
 * and an option table, so that reading, writing, hashing and explaining an experiment are one loop
 * each. */
#ifndef SEQLAB_RUN_COMPONENT_H
#define SEQLAB_RUN_COMPONENT_H

#include "run/experiment.h"

typedef enum ComponentKind {
    COMPONENT_DATA,
    COMPONENT_MODEL,
    COMPONENT_METHOD,
    COMPONENT_OPTIMIZER,
    COMPONENT_SCHEDULE,
    N_COMPONENT_KINDS
} ComponentKind;

/* The block of an experiment file that chooses one ("methods": a list of them), and what messages
 * call it. */
extern const char *const component_block[N_COMPONENT_KINDS];
extern const char *const component_word[N_COMPONENT_KINDS];

typedef struct Component {
    const char *name, *summary;
    int revision;
    const OptionTable *options;
    const void *self; /* DatasetKind, Model, ... */
} Component;

/* The i-th row of the kind's registry; false past its end. */
bool component_at(ComponentKind kind, int i, Component *out);
bool component_find(ComponentKind kind, const char *name, Component *out);

/* What the experiment chose: for methods the i-th, else i = 0; *options its filled struct. False
 * when there is none. */
bool component_chosen(const Experiment *e, ComponentKind kind, int i, Component *out,
                      const void **options);

#endif
