/* peft_write -- what a run has trained, as a folder of PEFT's; see peft_dir.h. */
#include "methods/peft/peft_dir.h"
#include "methods/peft/peft_stack.h"

#include <stdlib.h>
#include <string.h>

static const char *const method_name[] = {"lora", "adalora", "bone"};

bool peft_dir_holds(const Method *m)
{
    for (int i = 0; i < 3; i++)
        if (strcmp(m->name, method_name[i]) == 0) return true;
    return false;
}

/* -- The settings */

typedef struct Source {
    const MethodCall *call;
    Arena *arena;
} Source;

static const char *value(const Source *s, const char *option)
{
    const char *text =
        option_value_text(&s->call->method->options, s->call->options, option, s->arena);
    return text ? text : "";
}

static int64_t whole(const Source *s, const char *option)
{
    return strtoll(value(s, option), NULL, 10);
}

static double real(const Source *s, const char *option)
{
    return strtod(value(s, option), NULL);
}

static bool is(const Source *s, const char *option, const char *word)
{
    return strcmp(value(s, option), word) == 0;
}

static int64_t steps(const Source *s, const char *option)
{
    char *end;
    const char *text = value(s, option);
    Steps length = {.count = strtod(text, &end)};
    length.epochs = strcmp(end, "ep") == 0;
    return steps_resolve(length, s->call->steps_per_epoch);
}

/* Of a module, without ".weight"; NULL for other parameters. */
static const char *module_of(const Param *p, Arena *a)
{
    const size_t n = strlen(p->name), m = strlen(".weight");
    if (n <= m || strcmp(p->name + n - m, ".weight") != 0) return NULL;
    return arena_string_n(a, p->name, n - m);
}

static PeftNames find_targets(const Source *s)
{
    const Params *params = s->call->params;
    PeftNames adapted = {.at = arena_new_array(s->arena, const char *, params->n)};
    PeftNames all = {.at = arena_new_array(s->arena, const char *, params->n)};
    const char *suffix, *last = "";
    for (const Param *p = params->first; p; p = p->next) {
        const char *module =
            p->adapter ? peft_module(p->name, s->arena, &suffix) : module_of(p, s->arena);
        if (module && !p->adapter) all.at[all.n++] = module;
        if (!module || !p->adapter || strcmp(module, last) == 0) continue;
        adapted.at[adapted.n++] = last = module;
    }
    const AdapterSite *site = s->call->options;
    if (site->targets.n == 0) return peft_common_ends(&adapted, &all, s->arena);
    PeftNames named = {.at = arena_new_array(s->arena, const char *, site->targets.n)};
    for (int i = 0; i < site->targets.n; i++) named.at[named.n++] = site->targets.at[i].name;
    return named;
}

/* PEFT's model for sequences of one label always names both heads. */
static PeftNames find_saved(const Source *s, bool classes)
{
    const AdapterSite *site = s->call->options;
    PeftNames saved = {.at = arena_new_array(s->arena, const char *, site->train.n + 2)};
    for (int i = 0; i < site->train.n; i++) saved.at[saved.n++] = site->train.at[i].name;
    for (const Param *p = s->call->params->first; p && !classes; p = p->next)
        classes = p->trainable && adapter_is_class_head(p);
    if (!classes) return saved;
    saved.at[saved.n++] = "classifier";
    saved.at[saved.n++] = "score";
    return saved;
}

const char *peft_task(const Model *model, const Task *task)
{
    const char *name = model->name;
    if (strcmp(name, "t5") == 0) return "SEQ_2_SEQ_LM";
    if (strcmp(name, "llama") == 0 || strcmp(name, "gpt2") == 0)
        return task->per_step ? "CAUSAL_LM" : "SEQ_CLS";
    return strcmp(name, "bert") == 0 && !task->per_step ? "SEQ_CLS" : NULL;
}

static void settings_of(const Source *s, PeftConfig *out)
{
    PeftConfig c = *out;
    const AdapterSite *site = s->call->options;
    c.bias = site->bias;
    c.rank = whole(s, "rank");
    c.dropout = real(s, "dropout");
    c.targets = find_targets(s);
    for (const Param *p = s->call->params->first; p; p = p->next)
        c.fan_in_fan_out |= p->turned && adapter_is_target(site, p);
    if (c.type == PEFT_MISS) {
        c.fan_in_fan_out = false;
        c.miss = is(s, "form", "bat") ? MISS_BAT : is(s, "form", "mini") ? MISS_MINI : MISS_PLAIN;
        if (c.miss == MISS_MINI) c.mini_rank = whole(s, "mini_rank");
        *out = c;
        return;
    }
    c.alpha = real(s, "alpha");
    c.rslora = is(s, "rslora", "true");
    c.dora = is(s, "dora", "true");
    if (c.type == PEFT_ADALORA) {
        c.target_rank = whole(s, "target_rank");
        c.tinit = steps(s, "tinit");
        c.tfinal = steps(s, "tfinal");
        c.interval = whole(s, "delta_t");
        c.beta1 = real(s, "beta1");
        c.beta2 = real(s, "beta2");
        c.orthogonality = real(s, "orth_reg");
        c.total_steps = s->call->total_steps;
    }
    *out = c;
}

/* -- Tensors */

/* Of a layer that is adapted, which PEFT wraps: the layer itself is `base_layer` in there. */
static const char *bias_name(const Param *p, const AdapterSite *site, const Params *params,
                             Arena *a)
{
    const size_t n = strlen(p->name) - strlen(".bias");
    const Param *weight = params_find(params, arena_printf(a, "%.*s.weight", (int)n, p->name));
    if (!weight || !adapter_is_target(site, weight)) return p->name;
    return arena_printf(a, "%.*s.base_layer.bias", (int)n, p->name);
}

/* The name in the file of what is trained; NULL for all else. With `bias: all` PEFT has those of
 * norms in the file too, which stay as they are here. */
static const char *name_of(const Param *p, const MethodCall *c, Arena *a)
{
    const AdapterSite *site = c->options;
    const char *name = p->name;
    const bool in_full = adapter_is_in(&site->train, p) || adapter_is_class_head(p);
    const bool bias = !p->adapter && !in_full && adapter_ends(p, ".bias");
    if (!p->trainable && !(bias && site->bias == ADAPTER_BIAS_ALL)) return NULL;
    if (bias) name = bias_name(p, site, c->params, a);
    return arena_printf(a, PEFT_PREFIX "%s", name);
}

static StTensor tensor_of(const Param *p, const char *name)
{
    StTensor t = {.name = name,
                  .dtype = ST_F32,
                  .rank = p->shape.rank,
                  .n = p->n,
                  .data = p->data,
                  .bytes = sizeof(float) * (size_t)p->n};
    memcpy(t.dim, p->shape.dim, sizeof(int64_t) * (size_t)p->shape.rank);
    return t;
}

/* What A or B was when it was taken from the weight; NULL where nothing was. */
static const Param *first_of(const Param *p, const Params *params, Arena *a)
{
    const char *suffix, *module = p->adapter ? peft_module(p->name, a, &suffix) : NULL;
    if (!module || !adapter_ends(p, ".weight")) return NULL;
    const size_t n = strlen(suffix) - strlen(".weight");
    return params_find(params, arena_printf(a, "%s%.*s_first", module, (int)n, suffix));
}

static void stack(StTensor *t, const Param *p, const Param *first, Arena *a)
{
    const bool is_a = adapter_ends(p, ".lora_A.weight");
    const int64_t rank = p->shape.dim[is_a ? 0 : 1], other = p->shape.dim[is_a ? 1 : 0];
    float *both = arena_new_array(a, float, 2 * p->n);
    (is_a ? peft_stack_a : peft_stack_b)(p->data, first->data, rank, other, both);
    t->data = both;
    t->dim[is_a ? 0 : 1] *= 2;
    t->n *= 2;
    t->bytes *= 2;
}

static bool write_tensors(const char *path, const MethodCall *c, Arena *a, Error *err)
{
    StTensor *t = arena_new_array(a, StTensor, c->params->n);
    const char *metadata[1][2] = {
        {"format", "pt"}
    };
    int n = 0;
    for (const Param *p = c->params->first; p; p = p->next) {
        const char *name = name_of(p, c, a);
        if (!name) continue;
        const Param *first = first_of(p, c->params, a);
        t[n] = tensor_of(p, name);
        if (first) stack(&t[n], p, first, a);
        n++;
    }
    return safetensors_write(path, t, n, metadata, 1, err);
}

/* Whether the frozen weights are not the base's. */
static bool is_taken(const Params *params, Arena *a)
{
    for (const Param *p = params->first; p; p = p->next)
        if (p->trainable && first_of(p, params, a)) return true;
    return false;
}

static bool write_folder(const char *folder, const MethodCall *c, const PeftConfig *config,
                         Arena *a, Error *err)
{
    const char *text = peft_config_text(config, a);
    TRY(folder_remove(folder, err) && folder_make(folder, err));
    TRY(write_tensors(arena_printf(a, "%s/" PEFT_WEIGHTS, folder), c, a, err));
    return file_replace(arena_printf(a, "%s/adapter_config.json", folder), text, strlen(text), err);
}

bool peft_dir_write(const char *folder, const MethodCall *c, const Task *task, const char *base,
                    Error *err)
{
    Arena *a = arena_new();
    const Source s = {.call = c, .arena = a};
    PeftConfig config = peft_config_defaults;
    config.base = base;
    config.task = peft_task(c->model, task);
    config.saved = find_saved(&s, config.task && strcmp(config.task, "SEQ_CLS") == 0);
    for (int i = 0; i < 3; i++)
        if (strcmp(c->method->name, method_name[i]) == 0) config.type = (PeftType)i;
    settings_of(&s, &config);
    if (is_taken(c->params, a)) peft_stack_config(&config);
    const char *aside = arena_printf(a, "%s.new", folder);
    const bool ok = write_folder(aside, c, &config, a, err) && folder_replace(aside, folder, err);
    arena_free(a);
    return ok;
}
