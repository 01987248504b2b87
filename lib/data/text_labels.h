/* text_labels -- classes from the words that the training rows are labelled with. */
#ifndef SEQLAB_DATA_TEXT_LABELS_H
#define SEQLAB_DATA_TEXT_LABELS_H

#include "data/text_rows.h"

enum { TEXT_MAX_CLASSES = 1000 };

typedef struct TextLabel {
    TextSpan word;
    int class;
} TextLabel;

typedef struct TextLabels {
    TextLabel *at; /* sorted by their bytes */
    int n;
    const char **names; /* by class */
} TextLabels;

/* The classes are the different labels in order: of their numbers when all are whole numbers,
 * else of their bytes. FAIL_DATA when there is one only, or more than TEXT_MAX_CLASSES. */
bool text_labels_collect(TextLabels *labels, const TextRows *rows, Arena *a, Error *err) MUST_CHECK;

/* Each row's class; FAIL_DATA names the first row with a label that is none. */
bool text_labels_apply(const TextLabels *labels, const TextRows *rows, int32_t *class,
                       Error *err) MUST_CHECK;

#endif
