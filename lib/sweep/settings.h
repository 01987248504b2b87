/* settings -- what a `sweep:` block says: an ordered list of settings, each some keys with values.
 *
 * The block's form is described in sweep.h. */
#ifndef SEQLAB_SWEEP_SETTINGS_H
#define SEQLAB_SWEEP_SETTINGS_H

#include "io/option.h"

typedef struct Pair {
    const char *key;   /* dotted */
    const Yaml *value; /* its place is where the file gives it, its key_at that of the swept key */
} Pair;

/* Some keys set together. */
typedef struct Setting {
    Pair *pairs;
    int n;
} Setting;

typedef struct Settings {
    Setting *at;
    int n;
    const char **keys; /* all swept keys, in the file's order */
    int n_keys;
} Settings;

/* What stands in `sweep:` besides swept keys. */
extern const OptionTable settings_options;

/* Expands a block; NULL or null gives one setting without keys. Fails with FAIL_CONFIG on a
 * malformed block, on more than SWEEP_MAX_RUNS settings, and when `exclude` leaves none. */
bool settings_read(Settings *out, Arena *a, const Yaml *sweep, Error *err) MUST_CHECK;

/* Both are the same: equal numbers, equal words, or lists and maps of such in the same order. */
bool settings_equal(const Yaml *x, const Yaml *y);

#endif
