/* hf_weights -- the tensors of a Hugging Face folder; see hf_dir.h. */
#include "base/text.h"
#include "io/file.h"
#include "nn/hf_dir.h"
#include "nn/hf_files.h"
#include "nn/init.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { FILES_MAX = 512, INDEX_MAX = 1 << 26, SHOWN = 4 };

typedef HfFiles Folder;

/* What stands in front of a family's names, and may be missing in the files of bare models. */
static const char *const backbone[] = {"model.", "transformer.", "bert.", "vit.", NULL};
/* Of other tasks, or first values until they are trained. */
static const char *const heads[] = {"classifier.", "score.",      "lm_head.", "cls.",
                                    "pooler.",     "qa_outputs.", NULL};
/* Masks and tables that the library once stored, and second names of the token table. */
static const char *const passed_over[] = {"position_ids",        "attn.bias",
                                          "attn.masked_bias",    "rotary_emb.inv_freq",
                                          "embed_tokens.weight", NULL};
/* One tensor by more than one name. */
static const char *const second_name[][2] = {
    {"shared.weight",             "encoder.embed_tokens.weight"},
    {"shared.weight",             "decoder.embed_tokens.weight"},
    {"model.embed_tokens.weight", "lm_head.weight"             },
    {"transformer.wte.weight",    "lm_head.weight"             },
};

static bool starts(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

static bool ends(const char *s, const char *suffix)
{
    const size_t n = strlen(s), m = strlen(suffix);
    return n >= m && strcmp(s + n - m, suffix) == 0;
}

static const char *bare(const char *name)
{
    for (int i = 0; backbone[i]; i++)
        if (starts(name, backbone[i])) return name + strlen(backbone[i]);
    return name;
}

static bool is_head(const char *name)
{
    for (int i = 0; heads[i]; i++)
        if (starts(bare(name), heads[i])) return true;
    return false;
}

/* -- Opening */

static bool open_file(Folder *f, const char *name, Error *err)
{
    for (int i = 0; i < f->n_files; i++)
        if (ends(f->file_path[i], name)) return true;
    if (f->n_files == FILES_MAX || strchr(name, '/'))
        return fail(err, FAIL_DATA, NULL, "%s: the index names %s", f->path,
                    strchr(name, '/') ? "a file outside of the folder" : "too many files");
    const char *path = arena_printf(f->arena, "%s/%s", f->path, name);
    Safetensors *s = &f->file[f->n_files];
    TRY(safetensors_open(s, f->arena, path, err));
    f->file_path[f->n_files] = path;
    f->used[f->n_files++] = arena_new_array(f->arena, bool, s->n_tensors);
    return true;
}

static bool open_index(Folder *f, const char *path, Error *err)
{
    char *text;
    size_t n;
    TRY(file_read(path, INDEX_MAX, &text, &n, FAIL_DATA, err));
    json_t *index = json_loadb(text, n, 0, NULL), *map = json_object_get(index, "weight_map");
    free(text);
    bool ok = json_is_object(map);
    if (!ok) (void)fail(err, FAIL_DATA, NULL, "%s: 'weight_map' is missing", path);
    const char *name;
    json_t *file;
    json_object_foreach(map, name, file)
    {
        if (ok && !json_is_string(file))
            ok = fail(err, FAIL_DATA, NULL, "%s: no file stands for '%.80s'", path, name);
        ok = ok && open_file(f, json_string_value(file), err);
    }
    json_decref(index);
    return ok;
}

bool hf_files_open(HfFiles *f, const char *folder, Arena *a, Error *err)
{
    *f = (HfFiles){.path = folder, .arena = a};
    f->file = arena_new_array(a, Safetensors, FILES_MAX);
    f->file_path = arena_new_array(a, const char *, FILES_MAX);
    f->used = arena_new_array(a, bool *, FILES_MAX);
    const char *index = arena_printf(a, "%s/model.safetensors.index.json", folder);
    return file_exists(index) ? open_index(f, index, err) : open_file(f, "model.safetensors", err);
}

void hf_files_close(HfFiles *f)
{
    for (int i = 0; i < f->n_files; i++) safetensors_close(&f->file[i]);
    f->n_files = 0;
}

/* -- Finding */

static const StTensor *named(const Folder *f, const char *name)
{
    for (int i = 0; i < f->n_files; i++) {
        const StTensor *t = safetensors_find(&f->file[i], name);
        if (!t) continue;
        f->used[i][t - f->file[i].tensors] = true;
        return t;
    }
    return NULL;
}

/* Layer norms' parameters in the first BERT files. */
static const char *old_name(const Folder *f, const char *name)
{
    const size_t n = strlen(name);
    if (ends(name, "LayerNorm.weight"))
        return arena_printf(f->arena, "%.*sgamma", (int)(n - strlen("weight")), name);
    if (ends(name, "LayerNorm.bias"))
        return arena_printf(f->arena, "%.*sbeta", (int)(n - strlen("bias")), name);
    return name;
}

const StTensor *hf_files_find(HfFiles *f, const char *name)
{
    const StTensor *t = named(f, name);
    if (!t) t = named(f, bare(name));
    if (!t) t = named(f, old_name(f, name));
    if (!t) t = named(f, old_name(f, bare(name)));
    for (size_t i = 0; !t && i < sizeof second_name / sizeof second_name[0]; i++)
        if (strcmp(name, second_name[i][0]) == 0) t = named(f, second_name[i][1]);
    return t;
}

static bool check_tensor(const Folder *f, const StTensor *t, const Param *p, Error *err)
{
    char want[96], got[96];
    Shape s = {.rank = t->rank < MAX_RANK ? t->rank : MAX_RANK};
    for (int i = 0; i < s.rank; i++) s.dim[i] = t->dim[i];
    if (t->dtype != ST_F32 && t->dtype != ST_F16 && t->dtype != ST_BF16 && t->dtype != ST_F64)
        return fail(err, FAIL_DATA, NULL, "%s: tensor '%s' is %s, expected F32, F16, BF16 or F64",
                    f->path, t->name, st_dtype_name[t->dtype]);
    if (t->rank == s.rank && shape_equal(&s, &p->shape)) return true;
    return fail(err, FAIL_DATA, NULL, "%s: tensor '%s' is %s, the model's is %s", f->path, t->name,
                shape_text(&s, got), shape_text(&p->shape, want));
}

static bool may_remain(const char *name)
{
    bool ok = is_head(name);
    for (int i = 0; passed_over[i]; i++) ok = ok || ends(name, passed_over[i]);
    return ok;
}

static bool check_unused(const Folder *f, Error *err)
{
    int n = 0;
    for (int i = 0; i < f->n_files; i++)
        for (int j = 0; j < f->file[i].n_tensors; j++) {
            const char *name = f->file[i].tensors[j].name;
            if (f->used[i][j] || may_remain(name) || n++ >= SHOWN) continue;
            (void)fail(err, FAIL_DATA, NULL, "%s: the model has no parameter for tensor '%s'",
                       f->path, name);
        }
    if (n > SHOWN)
        (void)fail(err, FAIL_DATA, NULL, "%s: nor for %d more tensors", f->path, n - SHOWN);
    return n == 0;
}

static bool check_all(Folder *f, const Params *params, const StTensor **found, Error *err)
{
    bool ok = true;
    int i = 0, n_missing = 0;
    for (const Param *p = params->first; p; p = p->next, i++) {
        found[i] = hf_files_find(f, p->name);
        if (found[i] && !check_tensor(f, found[i], p, err)) ok = false;
        if (found[i] || p->may_lack ||
            (is_head(p->name) && strcmp(p->name, "lm_head.weight") != 0) || n_missing++ >= SHOWN)
            continue;
        ok = fail(err, FAIL_DATA, NULL, "%s: parameter '%s' is not there", f->path, p->name);
    }
    if (n_missing > SHOWN)
        (void)fail(err, FAIL_DATA, NULL, "%s: and %d more of %d parameters are not there", f->path,
                   n_missing - SHOWN, params->n);
    return check_unused(f, err) && ok;
}

bool hf_dir_weights(const char *folder, Params *params, Error *err)
{
    Folder f;
    Arena *a = arena_new();
    const StTensor **found = arena_new_array(a, const StTensor *, params->n);
    const bool ok = hf_files_open(&f, folder, a, err) && check_all(&f, params, found, err);
    int i = 0;
    for (const Param *p = params->first; ok && p; p = p->next, i++)
        if (found[i]) safetensors_to_float(found[i], p->data);
    hf_files_close(&f);
    arena_free(a);
    return ok;
}

/* -- Mapping */

static bool is_readable_in_place(const Param *p, const StTensor *t)
{
    return !p->trainable && t->dtype == ST_F32 && (uintptr_t)t->data % sizeof(float) == 0;
}

static bool lend_all(Params *params, const StTensor **found, uint64_t seed, Error *err)
{
    int i = 0;
    for (Param *p = params->first; p; p = p->next, i++)
        if (found[i] && is_readable_in_place(p, found[i])) params_lend(params, p, found[i]->data);
    TRY(params_allocate(params, err));
    i = 0;
    for (Param *p = params->first; p; p = p->next, i++) {
        if (p->lent) continue;
        if (!found[i]) {
            param_init(p, seed);
            continue;
        }
        safetensors_to_float(found[i], p->data);
        file_map_release(found[i]->data, found[i]->bytes);
    }
    return true;
}

bool hf_dir_map(const char *folder, Params *params, uint64_t seed, HfMap *map, Error *err)
{
    Folder f;
    Arena *a = arena_new();
    const StTensor **found = arena_new_array(a, const StTensor *, params->n);
    const bool ok = hf_files_open(&f, folder, a, err) && check_all(&f, params, found, err) &&
                    lend_all(params, found, seed, err);
    *map = (HfMap){.arena = f.arena, .files = f.file, .n_files = f.n_files};
    if (!ok) hf_map_close(map);
    return ok;
}

void hf_map_close(HfMap *map)
{
    for (int i = 0; i < map->n_files; i++) safetensors_close(&map->files[i]);
    arena_free(map->arena);
    *map = (HfMap){0};
}

void hf_map_release(void *unused, const Param *p)
{
    (void)unused;
    if (p->lent) file_map_release(p->data, sizeof(float) * (size_t)p->n);
}

bool hf_dir_hash(const char *folder, char hex[HASH_HEX], Error *err)
{
    Folder f;
    Arena *a = arena_new();
    bool ok = hf_files_open(&f, folder, a, err);
    if (ok && f.n_files == 1) ok = hash_file(f.file_path[0], hex, err);
    Text all = {0};
    for (int i = 0; ok && f.n_files > 1 && i < f.n_files; i++) {
        ok = hash_file(f.file_path[i], hex, err);
        text_addf(&all, "%s %s\n", f.file_path[i] + strlen(folder) + 1, hex);
    }
    if (ok && f.n_files > 1) hash_bytes(all.data, all.n, hex);
    text_free(&all);
    hf_files_close(&f);
    arena_free(a);
    return ok;
}

/* -- Writing */

bool hf_dir_write_weights(const char *folder, const Params *params, Error *err)
{
    Arena *a = arena_new();
    StTensor *t = arena_new_array(a, StTensor, params->n);
    const char *metadata[1][2] = {
        {"format", "pt"}
    };
    int n = 0;
    for (const Param *p = params->first; p; p = p->next, n++) {
        t[n] = (StTensor){.name = p->name,
                          .dtype = ST_F32,
                          .rank = p->shape.rank,
                          .n = p->n,
                          .data = p->data,
                          .bytes = sizeof(float) * (size_t)p->n};
        memcpy(t[n].dim, p->shape.dim, sizeof p->shape.dim);
    }
    const char *path = arena_printf(a, "%s/model.safetensors", folder);
    const bool ok = safetensors_write(path, t, n, metadata, 1, err);
    arena_free(a);
    return ok;
}
