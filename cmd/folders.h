/* folders -- where data and their recipes are found. */
#ifndef SEQLAB_CMD_FOLDERS_H
#define SEQLAB_CMD_FOLDERS_H

#include "base/arena.h"

/* $SEQLAB_DATA; else data/ in the nearest folder above `file` (an experiment; NULL: none) that has
 * one; else ./data. */
const char *folder_of_data(Arena *a, const char *file);

/* The first of $SEQLAB_DATA, ./data, ../share/seqlab/data and data/ beside the program that holds a
 * recipe. FAIL_DATA when none does. */
bool folder_of_recipes(Arena *a, const char **out, Error *err) MUST_CHECK;

#endif
