/* peft_init_dir -- see peft_init_dir.h. */
#include "methods/peft/peft_init_dir.h"

#include "base/text.h"
#include "methods/peft/peft_dir.h"
#include "methods/peft/peft_stack.h"
#include "nn/hf_dir.h"

#include <math.h>
#include <string.h>

/* One tensor that is written. */
typedef enum ItemKind { ITEM_A, ITEM_B, ITEM_MAGNITUDE, ITEM_BLOCK } ItemKind;
static const char *const item_suffix[] = {".lora_A.weight", ".lora_B.weight",
                                          ".lora_magnitude_vector", ".miss_block"};
typedef struct Item {
    const PlainLayer *layer;
    ItemKind kind;
} Item;

/* A layer's factors; a == NULL: not there. */
typedef struct Factors {
    float *a, *b, *magnitude;
    size_t bytes; /* of all, one behind the other from a on */
} Factors;

typedef struct Maker {
    const PeftFirst *o;
    PeftModel model;
    AdapterSite site;
    const PlainLayer **layer; /* that are adapted */
    int n_layers, n_zero;
    Factors *kept; /* of each, where gradients made them; or NULL */
    const PlainLayer *now_at;
    Factors now;
    const PeftReport *report;
    int64_t done, total;
} Maker;

/* -- Which layers */

static bool name_targets(Maker *m, Error *err)
{
    const PeftNames *names = &m->o->config.targets;
    const char **modules = arena_new_array(m->model.arena, const char *, m->model.network.n_layers);
    if (names->n > NAME_LIST_MAX)
        return fail(err, FAIL_USAGE, NULL, "targets: %d names; at most %d", names->n,
                    NAME_LIST_MAX);
    for (int i = 0; i < m->model.network.n_layers; i++) {
        const char *name = plain_layer_name(&m->model.network.layers[i], m->model.arena);
        const char *dot = strrchr(name, '.');
        modules[i] = dot ? dot + 1 : name;
    }
    for (int i = 0; i < names->n; i++) {
        int k = 0;
        while (k < m->model.network.n_layers &&
               !peft_is_end(plain_layer_name(&m->model.network.layers[k], m->model.arena),
                            names->at[i]))
            k++;
        m->site.targets.at[m->site.targets.n++].name = names->at[i];
        if (k < m->model.network.n_layers) continue;
        const char *near = text_nearest(names->at[i], modules, m->model.network.n_layers);
        return fail(err, FAIL_USAGE, NULL, "targets: no linear layer is named '%.80s'%s%s%s",
                    names->at[i], near ? "; did you mean '" : "", near ? near : "",
                    near ? "'?" : "");
    }
    return true;
}

static bool choose_layers(Maker *m, Error *err)
{
    const PlainNetwork *n = &m->model.network;
    TRY(name_targets(m, err));
    m->layer = arena_new_array(m->model.arena, const PlainLayer *, n->n_layers);
    for (int i = 0; i < n->n_layers; i++) {
        const PlainLayer *l = &n->layers[i];
        if (!adapter_is_target(&m->site, l->weight)) continue;
        const StTensor *t = peft_model_tensor(&m->model, l->weight);
        if (!t)
            return fail(err, FAIL_DATA, NULL, "%s: parameter '%s' is not there",
                        m->model.files.path, l->weight->name);
        m->layer[m->n_layers++] = l;
        m->total += (int64_t)t->bytes;
    }
    return m->n_layers > 0 ||
           fail(err, FAIL_DATA, NULL, "%s: the model has no linear layer to adapt",
                m->model.files.path);
}

/* -- One layer */

static bool has_factors(const Maker *m)
{
    return m->o->config.type == PEFT_LORA;
}

static bool take_factors(const Maker *m, const PlainLayer *l, Factors *f, Error *err)
{
    const int64_t r = m->o->config.rank, out = plain_layer_out(l), in = plain_layer_in(l);
    void *memory;
    f->bytes = sizeof(float) * (size_t)(r * in + out * r + out);
    TRY(memory_map(&memory, f->bytes, err));
    f->a = memory;
    f->b = f->a + r * in;
    f->magnitude = f->b + out * r;
    return true;
}

static void drop_factors(Factors *f)
{
    memory_unmap(f->a, f->bytes);
    *f = (Factors){0};
}

/* Lengths of the rows (out) of w. At the start they are the merged weight's. */
static void row_lengths(const PlainLayer *l, const float *w, float *out)
{
    const int64_t n_out = plain_layer_out(l), in = plain_layer_in(l);
    const int64_t step = l->turned ? n_out : 1, row = l->turned ? 1 : in;
    for (int64_t o = 0; o < n_out; o++) {
        double sum = 0;
        for (int64_t j = 0; j < in; j++) {
            const double x = (double)w[o * row + j * step];
            sum += x * x;
        }
        out[o] = (float)sqrt(sum);
    }
}

static bool fill_factors(Maker *m, const PlainLayer *l, const float *w, const float *gradient,
                         Factors *f, Error *err)
{
    LoraInitResult result;
    const LoraLayer layer = {.name = plain_layer_name(l, m->model.arena),
                             .out = plain_layer_out(l),
                             .in = plain_layer_in(l),
                             .rank = m->o->config.rank,
                             .scaling = peft_scaling(&m->o->config),
                             .turned = l->turned,
                             .w = w,
                             .gradient = gradient,
                             .a = f->a,
                             .b = f->b};
    TRY(lora_init(&m->o->first, &layer, m->o->seed, &result, err));
    m->n_zero += result == LORA_INIT_ZERO_GRADIENT;
    if (m->o->config.dora) row_lengths(l, w, f->magnitude);
    return true;
}

static bool needs_weight(const Maker *m)
{
    return m->o->config.dora || lora_init_changes(&m->o->first);
}

/* Into m->now. */
static bool make_factors(Maker *m, const PlainLayer *l, Error *err)
{
    const StTensor *t = peft_model_tensor(&m->model, l->weight);
    float *w = NULL;
    m->now_at = NULL;
    drop_factors(&m->now);
    TRY(take_factors(m, l, &m->now, err));
    bool ok = !needs_weight(m) || peft_model_read(t, &w, err);
    ok = ok && fill_factors(m, l, w, NULL, &m->now, err);
    if (w) peft_model_drop(t, w);
    if (ok) m->now_at = l;
    m->done += (int64_t)t->bytes;
    if (m->report && m->report->tick) m->report->tick(m->report->owner, m->done, m->total);
    return ok;
}

static bool factors_of(Maker *m, const PlainLayer *l, const Factors **out, Error *err)
{
    for (int i = 0; m->kept && i < m->n_layers; i++)
        if (m->layer[i] == l) {
            *out = &m->kept[i];
            return true;
        }
    if (m->now_at != l) TRY(make_factors(m, l, err));
    *out = &m->now;
    return true;
}

/* -- From gradients */

static int place_of(const Maker *m, const PlainLayer *l)
{
    int i = 0;
    while (i < m->n_layers && strcmp(m->layer[i]->weight->name, l->weight->name) != 0) i++;
    return i;
}

static bool wants_gradient(void *owner, const PlainLayer *l)
{
    const Maker *m = owner;
    return place_of(m, l) < m->n_layers;
}

/* `l` is of the network that runs; ours has the same names. */
static bool take_gradient(void *owner, const PlainLayer *l, const float *gradient, Error *err)
{
    Maker *m = owner;
    const int i = place_of(m, l);
    const StTensor *t = peft_model_tensor(&m->model, m->layer[i]->weight);
    m->done += (int64_t)t->bytes;
    if (m->report && m->report->tick) m->report->tick(m->report->owner, m->done, m->total);
    return take_factors(m, m->layer[i], &m->kept[i], err) &&
           fill_factors(m, m->layer[i], l->weight->data, gradient, &m->kept[i], err);
}

static bool gather_gradients(Maker *m, Error *err)
{
    HfMap map;
    Params *params = params_new(m->model.arena);
    const ModelBuild like = {
        .params = params, .training = true, .seed = m->o->seed, .task = m->o->data->task};
    const GradientCall call = {.model = m->model.model,
                               .model_options = m->model.options,
                               .like = &like,
                               .data = m->o->data,
                               .batch_size = m->o->batch_size,
                               .n_batches = m->o->n_batches,
                               .memory = m->o->gradient_memory,
                               .wants = wants_gradient,
                               .take = take_gradient,
                               .after_read = hf_map_release,
                               .owner = m};
    TRY(peft_model_params(&like, m->model.model, m->model.options, err));
    for (Param *p = params->first; p; p = p->next) params_freeze(params, p);
    TRY(hf_dir_map(m->model.files.path, params, m->o->seed, &map, err));
    m->kept = arena_new_array(m->model.arena, Factors, m->n_layers);
    const bool ok = gradient_each(&call, err);
    params_free(params);
    hf_map_close(&map);
    return ok;
}

/* -- Writing */

static bool is_stacked(const Maker *m)
{
    return has_factors(m) && !m->o->as_it_is && lora_init_changes(&m->o->first);
}

static StTensor describe(const Maker *m, const Item *item)
{
    const PeftConfig *c = &m->o->config;
    const int64_t r = c->rank * (is_stacked(m) ? 2 : 1);
    const int64_t out = plain_layer_out(item->layer), in = plain_layer_in(item->layer);
    StTensor t = {.dtype = ST_F32, .rank = 2, .data = item};
    t.name = arena_printf(m->model.arena, PEFT_PREFIX "%s%s",
                          plain_layer_name(item->layer, m->model.arena), item_suffix[item->kind]);
    t.dim[0] = item->kind == ITEM_A || item->kind == ITEM_BLOCK ? r : out;
    t.dim[1] = item->kind == ITEM_A ? in : item->kind == ITEM_B ? r : out;
    if (item->kind == ITEM_MAGNITUDE) t.rank = 1;
    if (item->kind == ITEM_BLOCK && c->miss == MISS_MINI) t.dim[1] = c->mini_rank;
    if (item->kind == ITEM_BLOCK && c->miss == MISS_BAT) {
        t.rank = 3;
        t.dim[0] = out / r;
        t.dim[1] = t.dim[2] = r;
    }
    t.n = 1;
    for (int i = 0; i < t.rank; i++) t.n *= t.dim[i];
    t.bytes = sizeof(float) * (size_t)t.n;
    return t;
}

static bool add_item(Maker *m, SafetensorsStream *s, const StTensor *t, Error *err)
{
    const Item *item = t->data;
    const Factors *f = NULL;
    const int64_t r = m->o->config.rank;
    const int64_t out = plain_layer_out(item->layer), in = plain_layer_in(item->layer);
    if (item->kind != ITEM_BLOCK) TRY(factors_of(m, item->layer, &f, err));
    if (item->kind == ITEM_MAGNITUDE) return safetensors_stream_add(s, f->magnitude, t->bytes, err);
    const bool whole = item->kind != ITEM_BLOCK && !is_stacked(m);
    if (whole) return safetensors_stream_add(s, item->kind == ITEM_A ? f->a : f->b, t->bytes, err);
    void *both;
    TRY(memory_map(&both, t->bytes, err)); /* zeros, as blocks start */
    if (item->kind == ITEM_A) peft_stack_a(f->a, f->a, r, in, both);
    if (item->kind == ITEM_B) peft_stack_b(f->b, f->b, r, out, both);
    const bool ok = safetensors_stream_add(s, both, t->bytes, err);
    memory_unmap(both, t->bytes);
    return ok;
}

/* What blocks do not tile. */
static bool check_blocks(const Maker *m, const PlainLayer *l, Error *err)
{
    const PeftConfig *c = &m->o->config;
    const int64_t out = plain_layer_out(l), in = plain_layer_in(l), r = c->rank;
    const bool fits = c->miss == MISS_BAT    ? out % r == 0 && in % r == 0 && !l->turned
                      : c->miss == MISS_MINI ? out % c->mini_rank == 0
                                             : true;
    return fits ||
           fail(err, FAIL_CONFIG, NULL, "%s: blocks of rank %lld do not tile its (%lld, %lld)",
                l->weight->name, (long long)r, (long long)out, (long long)in);
}

static bool list_items(const Maker *m, StTensor *t, int *n, Error *err)
{
    for (int i = 0; i < m->n_layers; i++) {
        const bool factors = has_factors(m);
        const ItemKind first = factors ? ITEM_A : ITEM_BLOCK;
        const ItemKind last = !factors ? ITEM_BLOCK : m->o->config.dora ? ITEM_MAGNITUDE : ITEM_B;
        if (!factors) TRY(check_blocks(m, m->layer[i], err));
        for (ItemKind k = first; k <= last; k++) {
            Item *item = arena_new_array(m->model.arena, Item, 1);
            *item = (Item){.layer = m->layer[i], .kind = k};
            t[(*n)++] = describe(m, item);
        }
    }
    return true;
}

static bool write_tensors(Maker *m, const char *to, PeftMade *out, Error *err)
{
    const char *metadata[1][2] = {
        {"format", "pt"}
    };
    const char *path = arena_printf(m->model.arena, "%s/" PEFT_WEIGHTS, to);
    StTensor *t = arena_new_array(m->model.arena, StTensor, 3 * m->n_layers);
    SafetensorsStream s;
    int n = 0;
    TRY(list_items(m, t, &n, err));
    TRY(safetensors_stream_open(&s, path, t, n, metadata, 1, err));
    for (int i = 0; i < n; i++) {
        out->n_parameters += t[i].n;
        if (add_item(m, &s, &t[i], err)) continue;
        safetensors_stream_abandon(&s);
        return false;
    }
    return safetensors_stream_commit(&s, err);
}

static bool write_config(const Maker *m, const char *to, PeftMade *out, Error *err)
{
    Arena *a = m->model.arena;
    PeftConfig c = m->o->config;
    PeftNames adapted = {.at = arena_new_array(a, const char *, m->n_layers)};
    PeftNames all = {.at = arena_new_array(a, const char *, m->model.params->n)};
    for (int i = 0; i < m->n_layers; i++)
        adapted.at[adapted.n++] = plain_layer_name(m->layer[i], a);
    for (const Param *p = m->model.params->first; p; p = p->next) {
        const PlainLayer as_layer = {.weight = (Param *)(uintptr_t)p};
        const char *name = plain_layer_name(&as_layer, a);
        if (strcmp(name, p->name) != 0) all.at[all.n++] = name;
    }
    if (c.targets.n == 0) c.targets = peft_common_ends(&adapted, &all, a);
    for (int i = 0; i < m->n_layers && c.type == PEFT_LORA; i++)
        c.fan_in_fan_out |= m->layer[i]->turned;
    if (is_stacked(m)) peft_stack_config(&c);
    c.task = peft_task(m->model.model, &m->model.task);
    if (c.task && strcmp(c.task, "SEQ_CLS") == 0) {
        c.saved = (PeftNames){.at = arena_new_array(a, const char *, 2), .n = 2};
        c.saved.at[0] = "classifier";
        c.saved.at[1] = "score";
    }
    out->rank = c.rank;
    const char *text = peft_config_text(&c, a);
    return file_replace(arena_printf(a, "%s/adapter_config.json", to), text, strlen(text), err);
}

static bool make(Maker *m, const char *to, PeftMade *out, Error *err)
{
    TRY(choose_layers(m, err));
    if (has_factors(m) && lora_init_needs_gradient(&m->o->first)) TRY(gather_gradients(m, err));
    TRY(write_tensors(m, to, out, err));
    TRY(write_config(m, to, out, err));
    out->n_layers = m->n_layers;
    out->n_zero = m->n_zero;
    return true;
}

bool peft_init_dir(const char *model, const PeftFirst *o, const char *to, const PeftReport *report,
                   PeftMade *out, Error *err)
{
    Maker m = {.o = o, .report = report};
    *out = (PeftMade){0};
    TRY(peft_model_open(&m.model, model, err));
    const bool ok = make(&m, to, out, err);
    drop_factors(&m.now);
    for (int i = 0; m.kept && i < m.n_layers; i++) drop_factors(&m.kept[i]);
    peft_model_close(&m.model);
    return ok;
}
