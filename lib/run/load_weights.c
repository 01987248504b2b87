/* load_weights -- checkpoint_load_weights: parameters from a safetensors file of any origin. */
#include "base/text.h"
#include "io/safetensors.h"
#include "run/checkpoint.h"

#include <string.h>

enum { SHOWN = 4, NAMES_MAX = 4096 };

typedef struct Weights {
    const char *path, *prefix;
    Safetensors file;
    bool *used; /* one a tensor of the file */
    Arena *arena;
} Weights;

static const StTensor *find(const Weights *w, const char *prefix, const char *name)
{
    return safetensors_find(&w->file, arena_printf(w->arena, "%s%s", prefix, name));
}

static int n_found(const Weights *w, const Params *params, const char *prefix)
{
    int n = 0;
    for (const Param *p = params->first; p; p = p->next) n += find(w, prefix, p->name) != NULL;
    return n;
}

/* What stands in front of all names: of the prefixes with which some parameter is there, the one
 * with which most are; none where that is as good. */
static const char *common_prefix(const Weights *w, const Params *params)
{
    const char *best = "";
    int best_found = n_found(w, params, "");
    for (const Param *p = params->first; p && best_found < params->n; p = p->next) {
        size_t n_name = strlen(p->name);
        bool seen = false;
        for (int i = 0; i < w->file.n_tensors; i++) {
            const char *name = w->file.tensors[i].name;
            size_t n = strlen(name);
            if (n <= n_name + 1 || name[n - n_name - 1] != '.' ||
                strcmp(name + n - n_name, p->name) != 0)
                continue;
            const char *prefix = arena_string_n(w->arena, name, n - n_name);
            int found = n_found(w, params, prefix);
            seen = true;
            if (found > best_found) {
                best = prefix;
                best_found = found;
            }
        }
        if (seen) break; /* one parameter that is there shows all prefixes */
    }
    return best;
}

static bool is_float(StDtype dtype)
{
    return dtype == ST_F32 || dtype == ST_F16 || dtype == ST_BF16 || dtype == ST_F64;
}

static bool check_tensor(const Weights *w, const StTensor *t, const Param *p, Error *err)
{
    if (!is_float(t->dtype))
        return fail(err, FAIL_DATA, NULL, "%s: tensor '%s' is %s, expected F32, F16, BF16 or F64",
                    w->path, t->name, st_dtype_name[t->dtype]);
    if (t->rank == p->shape.rank &&
        memcmp(t->dim, p->shape.dim, sizeof(int64_t) * (size_t)t->rank) == 0)
        return true;
    char want[96], got[ST_SHAPE_TEXT];
    return fail(err, FAIL_DATA, NULL, "%s: tensor '%s' is %s, the model's is %s", w->path, t->name,
                st_shape_text(t, got), shape_text(&p->shape, want));
}

/* What a run with masks has beside p, and this model has not: `<p>_mask`, or `<p>_rewind`. */
static const StTensor *beside(const Weights *w, const Params *params, const Param *p,
                              const char *suffix)
{
    const char *name = arena_printf(w->arena, "%s%s", p->name, suffix);
    return params_find(params, name) ? NULL : find(w, w->prefix, name);
}

static bool ignored(const char *name)
{
    static const char suffix[] = "num_batches_tracked"; /* torch's batch norm counts; we do not */
    size_t n = strlen(name), n_suffix = sizeof suffix - 1;
    return n >= n_suffix && strcmp(name + n - n_suffix, suffix) == 0;
}

/* Names of the file that no parameter took. */
static int unused_names(const Weights *w, const char *names[], int max)
{
    int n = 0;
    for (int i = 0; i < w->file.n_tensors && n < max; i++)
        if (!w->used[i] && !ignored(w->file.tensors[i].name)) names[n++] = w->file.tensors[i].name;
    return n;
}

static bool report_missing(const Weights *w, const Params *params, const char *const unused[],
                           int n_unused, Error *err)
{
    int n = 0;
    for (const Param *p = params->first; p; p = p->next) {
        if (p->may_lack || find(w, w->prefix, p->name) || n++ >= SHOWN) continue;
        const char *full = arena_printf(w->arena, "%s%s", w->prefix, p->name);
        const char *near = text_nearest(full, unused, n_unused);
        (void)fail(err, FAIL_DATA, NULL, "%s: parameter '%s' is not there%s%s%s", w->path, p->name,
                   near ? "; the nearest unused name is '" : "", near ? near : "", near ? "'" : "");
    }
    if (n > SHOWN)
        (void)fail(err, FAIL_DATA, NULL, "%s: and %d more of %d parameters are not there", w->path,
                   n - SHOWN, params->n);
    return n == 0;
}

static bool report_unused(const Weights *w, const char *const unused[], int n, Error *err)
{
    for (int i = 0; i < n && i < SHOWN; i++)
        (void)fail(err, FAIL_DATA, NULL, "%s: the model has no parameter for tensor '%s'", w->path,
                   unused[i]);
    if (n > SHOWN)
        (void)fail(err, FAIL_DATA, NULL, "%s: nor for %d more tensors", w->path, n - SHOWN);
    return n == 0;
}

static bool check_all(Weights *w, const Params *params, Error *err)
{
    bool ok = true;
    w->used = arena_new_array(w->arena, bool, w->file.n_tensors);
    w->prefix = common_prefix(w, params);
    for (const Param *p = params->first; p; p = p->next) {
        const StTensor *t = find(w, w->prefix, p->name);
        if (!t) continue;
        w->used[t - w->file.tensors] = true;
        if (!check_tensor(w, t, p, err)) ok = false;
        const StTensor *mask = beside(w, params, p, "_mask"),
                       *saved = beside(w, params, p, "_rewind");
        if (mask && !check_tensor(w, mask, p, err)) ok = false;
        if (mask) w->used[mask - w->file.tensors] = true;
        if (saved) w->used[saved - w->file.tensors] = true;
    }
    const char **unused = arena_new_array(w->arena, const char *, NAMES_MAX);
    int n_unused = unused_names(w, unused, NAMES_MAX);
    if (!report_missing(w, params, unused, n_unused, err)) ok = false;
    if (!report_unused(w, unused, n_unused, err)) ok = false;
    return ok;
}

static void apply_mask(const StTensor *mask, const Param *p)
{
    Arena *a = arena_new();
    float *m = arena_new_array(a, float, p->n);
    safetensors_to_float(mask, m);
    for (int64_t i = 0; i < p->n; i++) p->data[i] *= m[i];
    arena_free(a);
}

bool checkpoint_load_weights(const char *path, Params *params, Error *err)
{
    Weights w = {.path = path, .arena = arena_new()};
    bool ok = safetensors_open(&w.file, w.arena, path, err) && check_all(&w, params, err);
    for (const Param *p = params->first; ok && p; p = p->next) {
        const StTensor *t = find(&w, w.prefix, p->name);
        const StTensor *mask = t ? beside(&w, params, p, "_mask") : NULL;
        if (t) safetensors_to_float(t, p->data);
        if (mask) apply_mask(mask, p);
    }
    safetensors_close(&w.file);
    arena_free(w.arena);
    return ok;
}
