/* axis -- one factor of a sweep's product: a key's values, keys that move in step, or samples. */
#ifndef SEQLAB_SWEEP_AXIS_H
#define SEQLAB_SWEEP_AXIS_H

#include "sweep/settings.h"

typedef struct Axis {
    Setting *at;
    int n;
} Axis;

/* `y` stands for `key`: a list, one value, {range: [first, last, step]} or {log_range: [first,
 * last, n]}. */
bool axis_of_key(Axis *out, Arena *a, const char *key, const Yaml *y, Error *err) MUST_CHECK;
/* A list of maps. */
bool axis_together(Axis *out, Arena *a, const Yaml *y, Error *err) MUST_CHECK;
/* {n: 20, seed: 1, key: {uniform: [low, high]}, ...}; also log_uniform, int_uniform, choice. */
bool axis_sample(Axis *out, Arena *a, const Yaml *y, Error *err) MUST_CHECK;

/* The rules, and what stands in `sample:` besides keys. */
extern const OptionTable axis_rule_options, axis_sample_options;

/* The map is a rule such as {range: [1, 3]}, no nesting of keys. */
bool axis_is_rule(const Yaml *y);

#endif
