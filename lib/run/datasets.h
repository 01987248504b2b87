/* datasets -- the data sets that are open, each once however many experiments use it; and with them
 * the ids of experiments, which cover the data. */
#ifndef SEQLAB_RUN_DATASETS_H
#define SEQLAB_RUN_DATASETS_H

#include "run/experiment.h"

typedef struct DatasetsItem DatasetsItem;
/* Starts with an arena, the rest zero. */
typedef struct Datasets {
    Arena *arena;
    DatasetsItem *first;
    int n;
} Datasets;

/* $SEQLAB_DATA; else data/ in the nearest folder above `file` (an experiment; NULL: none) that has
 * one; else ./data. */
const char *data_folder(Arena *a, const char *file);

/* The experiment's data with these splits (bit i: SplitId i). They stay open until datasets_close,
 * and refer to the experiment's options: those must live as long where `d->n` grew. */
bool datasets_open(Datasets *d, const Experiment *e, unsigned splits, const Dataset **out,
                   Error *err) MUST_CHECK;
/* As datasets_open with all splits, for the experiment and those that it refers to (base, teacher);
 * sets their ids. Only texts of a moment come from `a`. */
bool datasets_identify(Datasets *d, Experiment *e, Arena *a, const Dataset **out,
                       Error *err) MUST_CHECK;
void datasets_close(Datasets *d);

#endif
