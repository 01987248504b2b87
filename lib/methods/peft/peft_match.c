/* peft_match -- see peft_match.h. */
#include "methods/peft/peft_match.h"

#include "methods/peft/peft_dir.h"
#include "methods/peft/peft_merge.h"

#include <string.h>

static PeftChange *change_of(PeftMatch *m, const Param *p)
{
    const StTensor *from = peft_model_tensor(&m->model, p);
    for (int i = 0; i < m->n_changes; i++)
        if (m->change[i].from == from) return &m->change[i];
    PeftChange *c = &m->change[m->n_changes++];
    *c = (PeftChange){.from = from, .name = p->name};
    return c;
}

static bool has_shape(const PeftMatch *m, const StTensor *t, int rank, const int64_t dim[],
                      Error *err)
{
    char got[ST_SHAPE_TEXT], want[ST_SHAPE_TEXT];
    StTensor wanted = {.rank = rank};
    memcpy(wanted.dim, dim, sizeof(int64_t) * (size_t)rank);
    if (t->rank == rank && memcmp(t->dim, dim, sizeof(int64_t) * (size_t)rank) == 0) return true;
    return fail(err, FAIL_DATA, NULL, "%s: tensor '%s' is %s, the layer needs %s", m->path, t->name,
                st_shape_text(t, got), st_shape_text(&wanted, want));
}

static bool is_whole(const PeftMatch *m, const PeftChange *c, Error *err)
{
    const StTensor *need[] = {c->a, c->b, c->block};
    const bool miss = m->config.type == PEFT_MISS;
    const bool ok = miss ? need[2] != NULL
                         : need[0] && need[1] && (m->config.type != PEFT_ADALORA || c->e) &&
                               (!m->config.dora || c->magnitude);
    return ok ||
           fail(err, FAIL_DATA, NULL, "%s: the adapter of '%s' lacks a tensor", m->path, c->name);
}

static bool check_change(const PeftMatch *m, const PeftChange *c, Error *err)
{
    if (!c->layer) return true;
    const int64_t out = plain_layer_out(c->layer), in = plain_layer_in(c->layer);
    const int64_t r = m->config.rank, mini = m->config.mini_rank;
    TRY(is_whole(m, c, err));
    if (m->config.type == PEFT_MISS) {
        const bool fits = m->config.miss != MISS_MINI || out % mini == 0;
        if (!fits)
            return fail(err, FAIL_DATA, NULL, "%s: mini_r = %lld does not divide the outputs of %s",
                        m->path, (long long)mini, c->name);
        return m->config.miss == MISS_BAT
                   ? has_shape(m, c->block, 3, (int64_t[]){out / r, r, r}, err)
                   : has_shape(m, c->block, 2,
                               (int64_t[]){r, m->config.miss == MISS_MINI ? mini : out}, err);
    }
    return has_shape(m, c->a, 2, (int64_t[]){r, in}, err) &&
           has_shape(m, c->b, 2, (int64_t[]){out, r}, err) &&
           (!c->e || has_shape(m, c->e, 2, (int64_t[]){r, 1}, err)) &&
           (!c->magnitude || has_shape(m, c->magnitude, 1, (int64_t[]){out}, err));
}

static void put_tensor(PeftChange *c, const char *suffix, const StTensor *t)
{
    if (strncmp(suffix, ".lora_A", 7) == 0)
        c->a = t;
    else if (strncmp(suffix, ".lora_B", 7) == 0)
        c->b = t;
    else if (strcmp(suffix, ".lora_E") == 0)
        c->e = t;
    else if (strcmp(suffix, ".miss_block") == 0)
        c->block = t;
    else
        c->magnitude = t;
}

static bool place_tensor(PeftMatch *m, const StTensor *t, Error *err)
{
    const char *suffix, *name = peft_parameter(t->name, m->model.arena);
    const char *module = peft_module(name, m->model.arena, &suffix);
    if (module) name = arena_printf(m->model.arena, "%s.weight", module);
    const Param *p = peft_find_parameter(m->model.params, name);
    const StTensor *from = p ? peft_model_tensor(&m->model, p) : NULL;
    const PlainLayer *layer = module && p ? peft_model_layer(&m->model, p) : NULL;
    if (!from || (module && !layer))
        return fail(err, FAIL_DATA, NULL, "%s: the model has no %s for tensor '%s'", m->path,
                    module ? "linear layer" : "parameter", t->name);
    PeftChange *c = change_of(m, p);
    if (module) {
        c->layer = layer;
        put_tensor(c, suffix, t);
        return true;
    }
    if (m->undo)
        return fail(err, FAIL_DATA, NULL,
                    "%s: '%s' was trained in full: it cannot be taken out of a model", m->path,
                    name);
    c->whole = t;
    return has_shape(m, t, from->rank, from->dim, err);
}

static bool place_all(PeftMatch *m, Error *err)
{
    m->change = arena_new_array(m->model.arena, PeftChange, m->adapter.n_tensors);
    for (int i = 0; i < m->adapter.n_tensors; i++)
        TRY(place_tensor(m, &m->adapter.tensors[i], err));
    for (int i = 0; i < m->n_changes; i++) TRY(check_change(m, &m->change[i], err));
    return true;
}

/* As float, in the arena; NULL of NULL. The file's pages are not needed again. */
static const float *floats_of(const StTensor *t, Arena *a)
{
    if (!t) return NULL;
    float *x = arena_new_array(a, float, t->n);
    safetensors_to_float(t, x);
    file_map_release(t->data, t->bytes);
    return x;
}

bool peft_match_merge(const PeftMatch *m, const PeftChange *c, float *w, Error *err)
{
    Arena *a = arena_new();
    const PeftLayer l = {.name = c->name,
                         .out = plain_layer_out(c->layer),
                         .in = plain_layer_in(c->layer),
                         .turned = c->layer->turned,
                         .a = floats_of(c->a, a),
                         .b = floats_of(c->b, a),
                         .e = floats_of(c->e, a),
                         .magnitude = floats_of(c->magnitude, a),
                         .block = floats_of(c->block, a)};
    const bool ok = peft_merge(&m->config, &l, w, m->undo, err);
    arena_free(a);
    return ok;
}

bool peft_match_open(PeftMatch *m, const char *model, const char *adapter, bool undo, Error *err)
{
    *m = (PeftMatch){.undo = undo};
    TRY(peft_model_open(&m->model, model, err));
    m->path = arena_printf(m->model.arena, "%s/" PEFT_WEIGHTS, adapter);
    bool ok = peft_config_read(adapter, m->model.arena, &m->config, err) &&
              safetensors_open(&m->adapter, m->model.arena, m->path, err);
    if (ok) {
        ok = place_all(m, err);
        if (!ok) safetensors_close(&m->adapter);
    }
    if (!ok) peft_model_close(&m->model);
    return ok;
}

void peft_match_close(PeftMatch *m)
{
    safetensors_close(&m->adapter);
    peft_model_close(&m->model);
}

bool peft_match_params(const char *model, const char *adapter, Params *params, Error *err)
{
    PeftMatch m;
    bool ok = true;
    TRY(peft_match_open(&m, model, adapter, false, err));
    for (int i = 0; ok && i < m.n_changes; i++) {
        const PeftChange *c = &m.change[i];
        Param *p = params_find(params, c->name);
        if (!p)
            ok = fail(err, FAIL_DATA, NULL, "%s: the model has no parameter '%s'", m.path, c->name);
        else if (c->whole)
            safetensors_to_float(c->whole, p->data);
        else
            ok = peft_match_merge(&m, c, p->data, err);
    }
    peft_match_close(&m);
    return ok;
}
