/* settings -- see settings.h. */
#include "sweep/settings.h"

#include "base/text.h"
#include "sweep/axis.h"
#include "sweep/sweep.h"

#include <stdlib.h>
#include <string.h>

enum { AXES_MAX = 64, KEYS_MAX = 256 };

typedef struct Reader {
    Arena *arena;
    Axis axes[AXES_MAX];
    int n_axes;
    const char *keys[KEYS_MAX];
    int n_keys;
    const Yaml *exclude;
    Error *err;
} Reader;

static bool is_number(const Yaml *y, double *out)
{
    return yaml_is_number(y) && yaml_real(y, out, NULL);
}

bool settings_equal(const Yaml *x, const Yaml *y)
{
    double p, q;
    if (x->kind != y->kind || x->n != y->n) return false;
    const Yaml *d = y->first;
    for (const Yaml *c = x->first; c; c = c->next, d = d->next)
        if (!settings_equal(c, d) || (c->key && strcmp(c->key, d->key) != 0)) return false;
    if (x->kind != YAML_SCALAR) return true;
    if (is_number(x, &p) && is_number(y, &q)) return p == q;
    return strcmp(x->text, y->text) == 0;
}

// clang-format off
static const Option rows[] = {
    OPT_TREE(together, "list of maps",         "", "keys that move in step: a map of values for each setting"),
    OPT_TREE(sample,   "map of keys and rules", "", "random settings, the same for the same seed: {n: 20, seed: 1, optimizer.lr: {log_uniform: [1e-4, 1e-1]}}"),
    OPT_TREE(exclude,  "list of maps",         "", "settings that agree with all keys of a map are left out; a list of values means any of them"),
};
// clang-format on
const OptionTable settings_options = OPTION_TREE_TABLE(rows);

/* -- Axes */

static bool knows(const Reader *r, const char *key)
{
    for (int i = 0; i < r->n_keys; i++)
        if (strcmp(r->keys[i], key) == 0) return true;
    return false;
}

/* Each key belongs to one axis. */
static bool note_keys(Reader *r, const Axis *axis, const Yaml *y)
{
    const int before = r->n_keys;
    for (int i = 0; i < axis->n; i++)
        for (int k = 0; k < axis->at[i].n; k++) {
            const char *key = axis->at[i].pairs[k].key;
            bool own = false;
            for (int j = before; j < r->n_keys; j++) own |= strcmp(r->keys[j], key) == 0;
            if (own) continue;
            if (knows(r, key)) return yaml_fail_key(y, r->err, "'%.80s' is swept twice", key);
            if (r->n_keys == KEYS_MAX)
                return yaml_fail_key(y, r->err, "over %d keys are swept", KEYS_MAX);
            r->keys[r->n_keys++] = key;
        }
    return true;
}

static bool add_axis(Reader *r, const Yaml *y, bool (*read)(Axis *, Arena *, const Yaml *, Error *))
{
    if (r->n_axes == AXES_MAX) return yaml_fail_key(y, r->err, "over %d parts", AXES_MAX);
    Axis *axis = &r->axes[r->n_axes++];
    return read(axis, r->arena, y, r->err) && note_keys(r, axis, y);
}

/* `train: {seed: [1, 2]}` is train.seed, as the command line's sweep.train.seed= makes it. The last
 * of two that name one key counts: it is the command line's. */
static bool add_key(Reader *r, const char *prefix, const Yaml *y)
{
    const char *key = *prefix ? arena_printf(r->arena, "%s.%s", prefix, y->key) : y->key;
    if (y->kind == YAML_MAP && !axis_is_rule(y)) {
        for (const Yaml *c = y->first; c; c = c->next) TRY(add_key(r, key, c));
        return y->n > 0 || yaml_fail(y, r->err, "%.80s: expected values", key);
    }
    if (r->n_axes == AXES_MAX) return yaml_fail_key(y, r->err, "over %d parts", AXES_MAX);
    Axis *axis = &r->axes[r->n_axes];
    TRY(axis_of_key(axis, r->arena, key, y, r->err));
    for (int i = 0; i < r->n_axes; i++) {
        if (r->axes[i].at[0].n != 1 || strcmp(r->axes[i].at[0].pairs[0].key, key) != 0) continue;
        if (y->at.line > 0) break;
        r->axes[i] = *axis;
        return true;
    }
    r->n_axes++;
    return note_keys(r, axis, y);
}

static bool read_axes(Reader *r, const Yaml *sweep)
{
    bool ok = true;
    for (const Yaml *y = sweep->first; y; y = y->next) {
        if (strcmp(y->key, "exclude") == 0)
            r->exclude = y;
        else if (strcmp(y->key, "together") == 0)
            ok &= add_axis(r, y, axis_together);
        else if (strcmp(y->key, "sample") == 0)
            ok &= add_axis(r, y, axis_sample);
        else
            ok &= add_key(r, "", y);
    }
    return ok;
}

/* -- Excluding */

static bool check_exclude(const Reader *r)
{
    bool ok = true;
    if (!r->exclude) return true;
    if (r->exclude->kind != YAML_LIST)
        return yaml_fail(r->exclude, r->err, "exclude: expected a list of maps {key: value}");
    for (const Yaml *line = r->exclude->first; line; line = line->next) {
        if (line->kind != YAML_MAP || line->n == 0)
            ok = yaml_fail(line, r->err, "exclude: expected a map of swept keys");
        for (const Yaml *c = line->kind == YAML_MAP ? line->first : NULL; c; c = c->next) {
            if (knows(r, c->key)) continue;
            const char *near = text_nearest(c->key, r->keys, r->n_keys);
            ok = yaml_fail_key(c, r->err, "'%.80s' is not swept%s%s%s", c->key,
                               near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
        }
    }
    return ok;
}

static bool agrees(const Setting *s, const Yaml *condition)
{
    const Yaml *value = NULL;
    for (int i = 0; i < s->n; i++)
        if (strcmp(s->pairs[i].key, condition->key) == 0) value = s->pairs[i].value;
    if (!value) return false;
    if (settings_equal(value, condition)) return true;
    const bool any_of = condition->kind == YAML_LIST;
    for (const Yaml *c = any_of ? condition->first : NULL; c; c = c->next)
        if (settings_equal(value, c)) return true;
    return false;
}

static bool excluded(const Reader *r, const Setting *s)
{
    for (const Yaml *line = r->exclude ? r->exclude->first : NULL; line; line = line->next) {
        bool all = true;
        for (const Yaml *c = line->first; c; c = c->next) all &= agrees(s, c);
        if (all) return true;
    }
    return false;
}

/* -- The product */

/* The last axis varies fastest, as nested loops would. */
static Setting combine(const Reader *r, int64_t index)
{
    int n = 0;
    int64_t at[AXES_MAX] = {0};
    for (int i = r->n_axes - 1; i >= 0; i--) {
        at[i] = index % r->axes[i].n;
        index /= r->axes[i].n;
        n += r->axes[i].at[at[i]].n;
    }
    Setting s = {arena_new_array(r->arena, Pair, n > 0 ? n : 1), 0};
    for (int i = 0; i < r->n_axes; i++) {
        const Setting *part = &r->axes[i].at[at[i]];
        for (int k = 0; k < part->n; k++) s.pairs[s.n++] = part->pairs[k];
    }
    return s;
}

static bool multiply(Reader *r, Settings *out, const Yaml *sweep)
{
    int64_t n = 1;
    for (int i = 0; i < r->n_axes; i++) {
        n *= r->axes[i].n;
        if (n > SWEEP_MAX_RUNS)
            return yaml_fail_key(sweep, r->err, "over %d runs in one sweep", SWEEP_MAX_RUNS);
    }
    out->at = arena_new_array(r->arena, Setting, n);
    for (int64_t i = 0; i < n; i++) {
        const Setting s = combine(r, i);
        if (!excluded(r, &s)) out->at[out->n++] = s;
    }
    return out->n > 0 || yaml_fail_key(r->exclude, r->err, "every setting is excluded");
}

bool settings_read(Settings *out, Arena *a, const Yaml *sweep, Error *err)
{
    *out = (Settings){0};
    Reader *r = arena_new_array(a, Reader, 1);
    r->arena = a;
    r->err = err;
    if (sweep && sweep->kind == YAML_MAP) TRY(read_axes(r, sweep));
    TRY(check_exclude(r));
    TRY(multiply(r, out, sweep));
    out->keys = arena_new_array(a, const char *, r->n_keys + 1);
    memcpy(out->keys, r->keys, sizeof(char *) * (size_t)r->n_keys);
    out->n_keys = r->n_keys;
    return true;
}
