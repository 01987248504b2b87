/* network_reshape -- the architecture that methods choose, and how it is written down: as a file
 * that experiments extend, and in the metadata of checkpoints. */
#include "data/loader.h"
#include "io/safetensors.h"
#include "run/checkpoint.h"
#include "run/network.h"

#include <string.h>

static const Option architecture_rows[] = {
    OPT_COUNTS(Architecture, widths, 1, MODEL_WIDTH_MAX, "channels by name"),
    OPT_NAMES(Architecture, without, "blocks that are left out"),
    OPT_ENUM(Architecture, residual, RESIDUAL_CHOICES, "tied", "how residual streams are added"),
};
static const OptionTable architecture_table = OPTION_TABLE(Architecture, architecture_rows);

bool network_reshapes(const Experiment *e)
{
    for (int i = 0; i < e->n_methods; i++)
        if (e->methods[i].method->reshape) return true;
    return false;
}

/* LSUV looks at the first batch that the training sees. */
static bool first_values(Network *n, Error *err)
{
    const Experiment *e = n->experiment;
    const char *base = n->options.base ? n->options.base : "";
    if (!model_wants_lsuv(e->model_options) || *base || !n->options.data)
        return network_first_values(n, NULL, base, err);
    LoaderOptions o = {.split = SPLIT_TRAIN,
                       .batch_size = e->train.batch_size,
                       .shuffle = true,
                       .augment = true,
                       .seed = (uint64_t)e->train.seed};
    Loader *loader = loader_new(n->options.data, &o, err);
    if (!loader) return false;
    const bool ok = network_first_values(n, loader_batch(loader, 0).x, base, err);
    loader_free(loader);
    return ok;
}

/* Hook i on the network as n->architecture and n->inherited have it. */
static bool ask(Network *n, int i, Network *now, Reshape *out, Error *err)
{
    NetworkOptions o = n->options;
    o.train = o.params_only = true;
    o.eval = o.allocate = false;
    o.architecture = n->architecture;
    TRY(network_new(now, n->experiment, &o, n->arena, err));
    now->reshaped = n->reshaped;
    now->inherited = n->inherited;
    n->inherited = NULL;
    return first_values(now, err) && now->calls[i].method->reshape(&now->calls[i], out, err);
}

/* The element of `from` that comes to element i of `to`: along an axis that differs in `other`,
 * which has as many numbers for each channel in both. */
static int64_t kept_from(const Param *to, const Param *from, const Param *other, int64_t i,
                         const KeptChannels *k)
{
    int64_t at = 0, step = 1;
    for (int d = to->shape.rank - 1; d >= 0; d--) {
        const int64_t each = to->shape.dim[d] / k->n, j = i % to->shape.dim[d];
        const bool cut = other->shape.dim[d] != from->shape.dim[d];
        at += step * (cut ? k->channel[j / each] * each + j % each : j);
        step *= from->shape.dim[d];
        i /= to->shape.dim[d];
    }
    return at;
}

/* The network with one width more or less. */
static bool at_width(const Network *n, Architecture *widths, const char *name, int64_t width,
                     Network **out, Error *err)
{
    NetworkOptions o = n->options;
    o.train = o.params_only = true;
    o.eval = o.allocate = false;
    o.architecture = widths;
    *out = arena_new_array(n->arena, Network, 1);
    if (!architecture_set_width(widths, name, width))
        return fail(err, FAIL_CONFIG, NULL, "more than %d widths", COUNT_MAP_MAX);
    return network_new(*out, n->experiment, &o, n->arena, err);
}

/* Whether the two have tensors of the same shapes. */
static bool same_shapes(const Params *a, const Params *b)
{
    for (const Param *p = a->first; p; p = p->next) {
        const Param *q = params_find(b, p->name);
        if (q && !shape_equal(&p->shape, &q->shape)) return false;
    }
    return true;
}

/* n->inherited with fewer channels of one width, or in another order. Which axes of which tensors
 * have that width is seen by their shapes, since no other changes at the same time; where it stays,
 * by those of a network that has twice of it. `widths` collects those done. */
static bool cut_width(Network *n, Architecture *widths, const KeptChannels *k, Error *err)
{
    Network *cut, *probe = NULL;
    TRY(at_width(n, widths, k->width, k->n, &cut, err));
    bool ok = true;
    if (same_shapes(cut->params, n->inherited)) {
        Architecture *twice = arena_new_array(n->arena, Architecture, 1);
        *twice = *widths;
        ok = at_width(n, twice, k->width, 2 * k->n, &probe, err);
    }
    const Params *other = probe ? probe->params : cut->params;
    for (Param *p = cut->params->first; ok && p; p = p->next) {
        const Param *from = params_find(n->inherited, p->name);
        const Param *differs = params_find(other, p->name);
        for (int64_t i = 0; from && i < p->n; i++)
            p->data[i] = from->data[kept_from(p, from, differs, i, k)];
    }
    if (probe) network_free(probe);
    if (ok) {
        params_free(n->inherited);
        n->inherited = cut->params;
        cut->params = NULL;
    }
    network_free(cut);
    return ok;
}

static bool cut_widths(Network *n, const Reshape *r, Error *err)
{
    Architecture *widths = arena_new_array(n->arena, Architecture, 1);
    *widths = *n->architecture;
    widths->residual = r->architecture.residual;
    for (int i = 0; i < r->n_kept; i++) TRY(cut_width(n, widths, &r->kept[i], err));
    return true;
}

bool network_reshape(Network *n, Error *err)
{
    const Experiment *e = n->experiment;
    for (int i = 0; i < e->n_methods; i++) {
        const Method *method = e->methods[i].method;
        if (!method->reshape) continue;
        if (!n->architecture)
            return fail(err, FAIL_CONFIG, NULL,
                        "method '%s': model '%s' has no widths or blocks to choose", method->name,
                        e->model->name);
        Network *now = arena_new_array(n->arena, Network, 1);
        Reshape *r = arena_new_array(n->arena, Reshape, 1);
        *r = (Reshape){.architecture = *n->architecture, .arena = n->arena};
        const bool ok = ask(n, i, now, r, err);
        if (ok && r->keep_weights) {
            n->inherited = now->params;
            now->params = NULL;
        }
        network_free(now);
        if (!ok || (r->keep_weights && !cut_widths(n, r, err))) return false;
        n->architecture = &r->architecture;
        n->reshaped = true;
        n->notes[i] = r->note;
    }
    return true;
}

char *architecture_text(const Architecture *architecture, Arena *a)
{
    Yaml *map = yaml_new_map(a);
    option_write(&architecture_table, architecture, false, a, map);
    return yaml_flow(a, map);
}

char *architecture_file(const Network *n, Arena *a)
{
    const Experiment *e = n->experiment;
    Yaml *root = yaml_new_map(a), *model = yaml_new_map(a), *own = yaml_new_map(a);
    yaml_append(a, model, "name", yaml_new_scalar(a, e->model->name, true));
    option_write(&e->model->options, e->model_options, false, a, model);
    option_write(&architecture_table, n->architecture, true, a, own);
    for (Yaml *y = own->first, *next; y; y = next) {
        next = y->next;
        y->next = NULL;
        yaml_set(a, model, y->key, y);
    }
    yaml_append(a, root, "model", model);
    return arena_printf(
        a, "# what the methods of %s/%s chose; an experiment takes it by `extends:`\n%s", e->name,
        e->id, yaml_write(a, root));
}

static bool parse(const char *text, const char *path, Arena *a, const Architecture **out,
                  Error *err)
{
    Yaml *y;
    Architecture *architecture = arena_new_array(a, Architecture, 1);
    const char *name = arena_printf(a, "%s: architecture", path);
    TRY(yaml_parse(a, text, strlen(text), name, &y, err));
    TRY(option_read(&architecture_table, y, NULL, "of an architecture", architecture, err));
    *out = architecture;
    return true;
}

bool architecture_read(const char *path, Arena *a, const Architecture **out, Error *err)
{
    Safetensors file;
    *out = NULL;
    TRY(safetensors_open(&file, a, path, err));
    const char *text = safetensors_metadata(&file, CHECKPOINT_ARCHITECTURE);
    const bool ok = !text || parse(arena_string(a, text), path, a, out, err);
    safetensors_close(&file);
    if (!ok) err->kind = FAIL_DATA;
    return ok;
}

bool architecture_of_checkpoint(const char *folder, Arena *a, const Architecture **out, Error *err)
{
    const char *path = arena_printf(a, "%s/model.safetensors", folder);
    const char *old = arena_printf(a, "%s.old/model.safetensors", folder);
    return architecture_read(!file_exists(path) && file_exists(old) ? old : path, a, out, err);
}
