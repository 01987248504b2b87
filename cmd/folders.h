/* folders -- where the recipes of data sets are found. */
#ifndef SEQLAB_CMD_FOLDERS_H
#define SEQLAB_CMD_FOLDERS_H

#include "base/arena.h"

/* The first of $SEQLAB_DATA, ./data, ../share/seqlab/data and data/ beside the program that holds a
 * recipe. FAIL_DATA when none does. */
bool folder_of_recipes(Arena *a, const char **out, Error *err) MUST_CHECK;

#endif
