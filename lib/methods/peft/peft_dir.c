/* peft_dir -- see peft_dir.h. This file: reading. Writing is in peft_write.c. */
#include "methods/peft/peft_dir.h"

#include "nn/hf_dir.h"
#include "nn/hf_files.h"

#include <string.h>

enum { SHOWN = 4 };

bool peft_dir_is(const char *folder)
{
    char path[4096];
    return snprintf(path, sizeof path, "%s/adapter_config.json", folder) < (int)sizeof path &&
           file_exists(path);
}

bool peft_dir_base(const char *folder, Arena *a, const char **base, Error *err)
{
    PeftConfig c;
    TRY(peft_config_read(folder, a, &c, err));
    if (!c.base)
        return fail(err, FAIL_DATA, NULL,
                    "%s/adapter_config.json: base_model_name_or_path is missing: the model's "
                    "folder",
                    folder);
    *base = arena_printf(a, "%s/%s", folder, c.base);
    if (c.base[0] != '/' && hf_dir_is(*base)) return true;
    *base = c.base;
    return hf_dir_is(c.base) ||
           fail(err, FAIL_DATA, NULL,
                "%s/adapter_config.json: base_model_name_or_path = %s: there is no such folder "
                "with a config.json, neither from the adapter's folder nor from here",
                folder, c.base);
}

bool peft_dir_hash(const char *folder, char hex[HASH_HEX], Error *err)
{
    Arena *a = arena_new();
    const bool ok = hash_file(arena_printf(a, "%s/" PEFT_WEIGHTS, folder), hex, err);
    arena_free(a);
    return ok;
}

/* -- The method */

static void add_name(PeftNames *names, const char *name)
{
    for (int i = 0; i < names->n; i++)
        if (strcmp(names->at[i], name) == 0) return;
    names->at[names->n++] = name;
}

static PeftNames adapted_modules(const Safetensors *file, Arena *a)
{
    PeftNames names = {.at = arena_new_array(a, const char *, file->n_tensors)};
    for (int i = 0; i < file->n_tensors; i++) {
        const char *suffix;
        const char *module = peft_module(peft_parameter(file->tensors[i].name, a), a, &suffix);
        if (module) add_name(&names, module);
    }
    return names;
}

/* Modules of the base that have a matrix. */
static PeftNames all_modules(const HfFiles *base, Arena *a)
{
    PeftNames names = {0};
    int n = 0;
    for (int i = 0; i < base->n_files; i++) n += base->file[i].n_tensors;
    names.at = arena_new_array(a, const char *, n);
    for (int i = 0; i < base->n_files; i++)
        for (int j = 0; j < base->file[i].n_tensors; j++) {
            const StTensor *t = &base->file[i].tensors[j];
            const size_t length = strlen(t->name), m = strlen(".weight");
            if (t->rank == 2 && length > m && strcmp(t->name + length - m, ".weight") == 0)
                names.at[names.n++] = arena_string_n(a, t->name, length - m);
        }
    return names;
}

/* What an experiment's `targets` are to say. */
static bool find_targets(const char *folder, const PeftConfig *c, const char *base, Arena *a,
                         PeftNames *out, Error *err)
{
    Safetensors file;
    HfFiles files;
    const char *path = arena_printf(a, "%s/" PEFT_WEIGHTS, folder);
    TRY(safetensors_open(&file, a, path, err));
    const PeftNames adapted = adapted_modules(&file, a);
    safetensors_close(&file);
    if (adapted.n == 0)
        return fail(err, FAIL_DATA, NULL, "%s: there is no tensor of an adapter in it", path);
    const bool ok = hf_files_open(&files, base, a, err);
    const PeftNames all = ok ? all_modules(&files, a) : (PeftNames){0};
    hf_files_close(&files);
    if (!ok) return false;
    *out = c->targets.n <= NAME_LIST_MAX && peft_names_fit(&c->targets, &adapted, &all)
               ? c->targets
               : peft_common_ends(&adapted, &all, a);
    return out->n <= NAME_LIST_MAX ||
           fail(err, FAIL_DATA, NULL,
                "%s: %d layers are adapted, and no %d names are the ends of these alone", path,
                out->n, NAME_LIST_MAX);
}

typedef struct MethodText {
    Arena *arena;
    Yaml *map;
    const char *file;
} MethodText;

static void put(const MethodText *m, const char *key, Yaml *y)
{
    y->at.file = y->key_at.file = m->file;
    yaml_append(m->arena, m->map, key, y);
}

static void put_word(const MethodText *m, const char *key, const char *word)
{
    put(m, key, yaml_new_scalar(m->arena, word, false));
}

static void put_int(const MethodText *m, const char *key, int64_t value)
{
    put_word(m, key, arena_printf(m->arena, "%lld", (long long)value));
}

static void put_real(const MethodText *m, const char *key, double value)
{
    put_word(m, key, arena_printf(m->arena, "%.17g", value));
}

static void put_names(const MethodText *m, const char *key, const PeftNames *names)
{
    Yaml *list = yaml_new_list(m->arena);
    for (int i = 0; i < names->n; i++) {
        Yaml *y = yaml_new_scalar(m->arena, names->at[i], true);
        y->at.file = m->file;
        yaml_append(m->arena, list, NULL, y);
    }
    put(m, key, list);
}

static void put_adalora(const MethodText *m, const PeftConfig *c)
{
    put_real(m, "alpha", c->alpha);
    put_int(m, "target_rank", c->target_rank);
    put_int(m, "tinit", c->tinit);
    put_int(m, "tfinal", c->tfinal);
    put_int(m, "delta_t", c->interval);
    put_real(m, "beta1", c->beta1);
    put_real(m, "beta2", c->beta2);
    put_real(m, "orth_reg", c->orthogonality);
}

static void put_lora(const MethodText *m, const PeftConfig *c)
{
    put_real(m, "alpha", c->alpha);
    if (c->rslora) put_word(m, "rslora", "true");
    if (c->dora) put_word(m, "dora", "true");
}

static void put_bone(const MethodText *m, const PeftConfig *c)
{
    static const char *const form[] = {"miss", "bat", "mini"};
    put_word(m, "form", form[c->miss]);
    if (c->miss == MISS_MINI) put_int(m, "mini_rank", c->mini_rank);
}

/* Heads of classes are trained in any case. */
static PeftNames trained_modules(const PeftConfig *c, Arena *a)
{
    PeftNames out = {.at = arena_new_array(a, const char *, c->saved.n)};
    for (int i = 0; i < c->saved.n; i++)
        if (strcmp(c->saved.at[i], "classifier") != 0 && strcmp(c->saved.at[i], "score") != 0)
            out.at[out.n++] = c->saved.at[i];
    return out;
}

bool peft_dir_method(const char *folder, const char *base, Arena *a, Yaml **out, Error *err)
{
    static const char *const name[] = {"lora", "adalora", "bone"};
    static const char *const bias[] = {"none", "all", "own"};
    PeftConfig c;
    PeftNames targets = {0};
    TRY(peft_config_read(folder, a, &c, err));
    TRY(find_targets(folder, &c, base, a, &targets, err));
    const PeftNames train = trained_modules(&c, a);
    const MethodText m = {.arena = a,
                          .map = yaml_new_map(a),
                          .file = arena_printf(a, "%s/adapter_config.json", folder)};
    if (train.n > NAME_LIST_MAX)
        return fail(err, FAIL_DATA, NULL, "%s: modules_to_save: at most %d are read", m.file,
                    NAME_LIST_MAX);
    put_word(&m, "name", name[c.type]);
    put_int(&m, "rank", c.rank);
    /* DoRA's and BAT's is another one, of a product that is not made here */
    if (c.dropout > 0 && !c.dora && (c.type != PEFT_MISS || c.miss != MISS_BAT))
        put_real(&m, "dropout", c.dropout);
    if (c.type == PEFT_LORA) put_lora(&m, &c);
    if (c.type == PEFT_ADALORA) put_adalora(&m, &c);
    if (c.type == PEFT_MISS) put_bone(&m, &c);
    put_names(&m, "targets", &targets);
    if (train.n > 0) put_names(&m, "train", &train);
    put_word(&m, "bias", bias[c.bias]);
    *out = m.map;
    return true;
}

/* -- Tensors */

Param *peft_find_parameter(const Params *params, const char *name)
{
    Param *p = params_find(params, name);
    if (p) return p;
    for (p = params->first; p; p = p->next) {
        const char *dot = strchr(p->name, '.');
        if (dot && strcmp(dot + 1, name) == 0) return p;
    }
    return NULL;
}

static bool check_tensor(const char *path, const StTensor *t, const Param *p, Error *err)
{
    char want[96], got[ST_SHAPE_TEXT];
    if (t->dtype != ST_F32 && t->dtype != ST_F16 && t->dtype != ST_BF16 && t->dtype != ST_F64)
        return fail(err, FAIL_DATA, NULL, "%s: tensor '%s' is %s, expected F32, F16, BF16 or F64",
                    path, t->name, st_dtype_name[t->dtype]);
    if (t->rank == p->shape.rank &&
        memcmp(t->dim, p->shape.dim, sizeof(int64_t) * (size_t)t->rank) == 0)
        return true;
    return fail(err, FAIL_DATA, NULL, "%s: tensor '%s' is %s, the model's is %s", path, t->name,
                st_shape_text(t, got), shape_text(&p->shape, want));
}

static bool check_all(const char *path, const Safetensors *file, const Params *params,
                      Param **found, Arena *a, Error *err)
{
    bool ok = true;
    int n_unknown = 0, n_missing = 0;
    for (int i = 0; i < file->n_tensors; i++) {
        const StTensor *t = &file->tensors[i];
        found[i] = peft_find_parameter(params, peft_parameter(t->name, a));
        if (found[i] && !check_tensor(path, t, found[i], err)) ok = false;
        if (!found[i] && n_unknown++ < SHOWN)
            ok = fail(err, FAIL_DATA, NULL, "%s: the model has no parameter for tensor '%s'", path,
                      t->name);
    }
    for (const Param *p = params->first; p; p = p->next) {
        if (!p->adapter || p->role == ROLE_BUFFER) continue;
        int i = 0;
        while (i < file->n_tensors && found[i] != p) i++;
        if (i == file->n_tensors && n_missing++ < SHOWN)
            ok = fail(err, FAIL_DATA, NULL, "%s: '%s%s' is not there", path, PEFT_PREFIX, p->name);
    }
    return ok;
}

bool peft_dir_weights(const char *folder, Params *params, Error *err)
{
    Safetensors file;
    Arena *a = arena_new();
    const char *path = arena_printf(a, "%s/" PEFT_WEIGHTS, folder);
    bool ok = safetensors_open(&file, a, path, err);
    if (ok) {
        Param **found = arena_new_array(a, Param *, file.n_tensors);
        ok = check_all(path, &file, params, found, a, err);
        for (int i = 0; ok && i < file.n_tensors; i++)
            safetensors_to_float(&file.tensors[i], found[i]->data);
        safetensors_close(&file);
    }
    arena_free(a);
    return ok;
}
