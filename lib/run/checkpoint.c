/* checkpoint -- writing and reading back; see checkpoint.h. Weights from elsewhere are read in
 * load_weights.c.
 *
 * A kill at any instant leaves the old checkpoint or the new one: the new one is written aside,
 * file by file and synced, and takes the old one's place by rename. What the file system gives back
 * damaged is found by sizes, names, shapes and a CRC-32 of the data, before anything is changed. */
#include "run/checkpoint.h"

#include "base/text.h"
#include "io/file.h"
#include "io/safetensors.h"

#include <jansson.h>
#include <libdeflate.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STATE_MAX = 1 << 16 };

/* -- The tensors of a training run, in one fixed order */

typedef struct TensorList {
    StTensor *at;
    int n;
} TensorList;

static void add_tensor(TensorList *list, const char *name, const Param *p, const float *data)
{
    StTensor *t = &list->at[list->n++];
    *t = (StTensor){.name = name, .dtype = ST_F32, .rank = p->shape.rank, .n = p->n, .data = data};
    memcpy(t->dim, p->shape.dim, sizeof p->shape.dim);
    t->bytes = (size_t)p->n * sizeof(float);
}

static TensorList model_tensors(const Params *params, Arena *a)
{
    TensorList list = {arena_new_array(a, StTensor, params->n), 0};
    for (const Param *p = params->first; p; p = p->next) add_tensor(&list, p->name, p, p->data);
    return list;
}

static TensorList optimizer_tensors(const Params *params, const OptimizerState *o, Arena *a)
{
    int n_slots = o->optimizer->n_slots;
    TensorList list = {arena_new_array(a, StTensor, (n_slots + 1) * params->n), 0};
    for (int s = 0; s <= n_slots; s++) {
        const float *block = s < n_slots ? o->slots[s] : o->ema;
        const char *name = s < n_slots ? o->optimizer->slot_name[s] : "ema";
        for (const Param *p = params->first; block && p; p = p->next)
            if (p->trainable)
                add_tensor(&list, arena_printf(a, "%s.%s", name, p->name), p, block + p->offset);
    }
    return list;
}

static uint32_t crc_of(const TensorList *list)
{
    uint32_t crc = 0;
    for (int i = 0; i < list->n; i++)
        crc = libdeflate_crc32(crc, list->at[i].data, list->at[i].bytes);
    return crc;
}

/* -- state.json */

typedef struct StateFile {
    char run_id[64];
    int64_t optimizer_step;
    int64_t model_crc, optimizer_crc; /* -1: no such file */
    TrainState train;
} StateFile;

typedef struct StateField {
    const char *name;
    size_t offset;
    bool is_real;
} StateField;

#define WHOLE(member, name)                                                                        \
    {                                                                                              \
        name, offsetof(StateFile, member), false                                                   \
    }
#define REAL(member, name)                                                                         \
    {                                                                                              \
        name, offsetof(StateFile, member), true                                                    \
    }
// clang-format off
static const StateField state_fields[] = {
    WHOLE(train.step, "step"),
    REAL(train.loss_sum, "loss_sum"),
    WHOLE(train.loss_n, "loss_n"),
    WHOLE(train.hits, "hits"),
    WHOLE(train.seen, "seen"),
    REAL(train.best_value, "best_value"),
    WHOLE(train.best_step, "best_step"),
    REAL(train.last_loss, "last_loss"),
    REAL(train.wall_s, "wall_s"),
    REAL(train.cpu_s, "cpu_s"),
    WHOLE(optimizer_step, "optimizer_step"),
    WHOLE(model_crc, "model_crc32"),
    WHOLE(optimizer_crc, "optimizer_crc32"),
};
// clang-format on
enum { N_FIELDS = sizeof state_fields / sizeof state_fields[0] };

/* JSON has no NaN and no infinity: they are strings, which strtod reads as they are. */
static void state_text(Text *out, const StateFile *s)
{
    text_add(out, "{\n  \"run\": ");
    text_add_json(out, s->run_id);
    for (int i = 0; i < N_FIELDS; i++) {
        const void *value = (const char *)s + state_fields[i].offset;
        text_addf(out, ",\n  \"%s\": ", state_fields[i].name);
        if (state_fields[i].is_real) {
            char text[32];
            double real = *(const double *)value;
            text_real(text, real);
            text_addf(out, isfinite(real) ? "%s" : "\"%s\"", text);
        } else {
            text_addf(out, "%lld", (long long)*(const int64_t *)value);
        }
    }
    text_add(out, "\n}\n");
}

static bool real_of(const json_t *j, double *out)
{
    if (json_is_number(j)) {
        *out = json_number_value(j);
        return true;
    }
    const char *text = json_string_value(j);
    if (!text) return false;
    *out = strcmp(text, "NaN") == 0         ? (double)NAN
           : strcmp(text, "Infinity") == 0  ? (double)INFINITY
           : strcmp(text, "-Infinity") == 0 ? -(double)INFINITY
                                            : 0;
    return *out != 0;
}

static bool state_of(const json_t *j, const char *path, StateFile *s, Error *err)
{
    const char *run = json_string_value(json_object_get(j, "run"));
    if (!run) return fail(err, FAIL_DATA, NULL, "%s: 'run' is missing", path);
    (void)snprintf(s->run_id, sizeof s->run_id, "%s", run);
    for (int i = 0; i < N_FIELDS; i++) {
        const StateField *f = &state_fields[i];
        const json_t *value = json_object_get(j, f->name);
        void *out = (char *)s + f->offset;
        bool ok = f->is_real ? real_of(value, out) : json_is_integer(value);
        if (!ok)
            return fail(err, FAIL_DATA, NULL, "%s: '%s' is missing or no number", path, f->name);
        if (!f->is_real) *(int64_t *)out = json_integer_value(value);
    }
    if (s->train.step < 0)
        return fail(err, FAIL_DATA, NULL, "%s: step = %lld", path, (long long)s->train.step);
    return true;
}

static bool read_state(const char *path, StateFile *s, Error *err)
{
    char *text;
    size_t n;
    json_error_t why;
    TRY(file_read(path, STATE_MAX, &text, &n, FAIL_DATA, err));
    json_t *j = json_loadb(text, n, 0, &why);
    free(text);
    if (!json_is_object(j)) {
        json_decref(j);
        return fail(err, FAIL_DATA, NULL, "%s: damaged: not a JSON object", path);
    }
    bool ok = state_of(j, path, s, err);
    json_decref(j);
    return ok;
}

/* -- Writing */

const char *checkpoint_layers(const Params *params, Arena *a)
{
    Text names = {0};
    for (const Param *p = params->first; p; p = p->next)
        if (p->role != ROLE_BUFFER && p->shape.rank >= 2)
            text_addf(&names, "%s%s", names.n ? " " : "", p->name);
    const char *out = arena_string(a, names.data ? names.data : "");
    text_free(&names);
    return out;
}

/* `model`: that it is of, for the file that holds its tensors. */
static bool write_tensors(const char *folder, const char *file, const TensorList *list,
                          const Params *model, Arena *a, Error *err)
{
    /* what Hugging Face's loaders ask for before they take a file */
    const char *metadata[3][2] = {
        {"format", "pt"}
    };
    int n = 1;
    if (model) {
        metadata[n][0] = CHECKPOINT_LAYERS;
        metadata[n++][1] = checkpoint_layers(model, a);
    }
    if (model && model->architecture) {
        metadata[n][0] = CHECKPOINT_ARCHITECTURE;
        metadata[n++][1] = model->architecture;
    }
    return safetensors_write(arena_printf(a, "%s/%s", folder, file), list->at, list->n, metadata, n,
                             err);
}

static bool write_files(const char *folder, const char *run_id, const Params *params,
                        const OptimizerState *optimizer, const TrainState *state, Arena *a,
                        Error *err)
{
    StateFile s = {.train = *state, .optimizer_crc = -1};
    (void)snprintf(s.run_id, sizeof s.run_id, "%s", run_id);
    TensorList model = model_tensors(params, a);
    s.model_crc = crc_of(&model);
    TRY(write_tensors(folder, "model.safetensors", &model, params, a, err));
    if (optimizer) {
        TensorList slots = optimizer_tensors(params, optimizer, a);
        s.optimizer_step = optimizer->step;
        s.optimizer_crc = crc_of(&slots);
        TRY(write_tensors(folder, "optimizer.safetensors", &slots, NULL, a, err));
    }
    Text text = {0};
    state_text(&text, &s);
    bool ok = file_replace(arena_printf(a, "%s/state.json", folder), text.data, text.n, err);
    text_free(&text);
    return ok;
}

bool checkpoint_write(const char *folder, const char *run_id, const Params *params,
                      const OptimizerState *optimizer, const TrainState *state, Error *err)
{
    Arena *a = arena_new();
    const char *aside = arena_printf(a, "%s.new", folder);
    bool ok = folder_remove(aside, err) && folder_make(aside, err);
    if (ok) {
        ok = write_files(aside, run_id, params, optimizer, state, a, err) &&
             folder_replace(aside, folder, err);
        if (!ok && !folder_remove(aside, NULL)) error_note(err, "%s is left over", aside);
    }
    arena_free(a);
    return ok;
}

/* -- Reading */

static bool has_state(const char *folder, const char *suffix)
{
    char path[4096];
    int n = snprintf(path, sizeof path, "%s%s/state.json", folder, suffix);
    return n > 0 && n < (int)sizeof path && file_exists(path);
}

bool checkpoint_exists(const char *folder)
{
    return has_state(folder, "") || has_state(folder, ".old");
}

static bool shape_fails(const char *path, const StTensor *t, const StTensor *want, Error *err)
{
    char is[ST_SHAPE_TEXT], wanted[ST_SHAPE_TEXT];
    return fail(err, FAIL_DATA, NULL, "%s: tensor '%s' is %s, the model's is %s", path, t->name,
                st_shape_text(t, is), st_shape_text(want, wanted));
}

/* Every tensor of `want` is in the file with its shape, nothing else is, and the CRC is that of
 * state.json. found gets the file's tensors in the order of `want`. */
static bool check_tensors(const Safetensors *file, const char *path, const TensorList *want,
                          int64_t crc, TensorList *found, Error *err)
{
    for (int i = 0; i < want->n; i++) {
        const StTensor *w = &want->at[i], *t = safetensors_find(file, w->name);
        if (!t) return fail(err, FAIL_DATA, NULL, "%s: tensor '%s' is missing", path, w->name);
        if (t->dtype != ST_F32)
            return fail(err, FAIL_DATA, NULL, "%s: tensor '%s' is %s, expected F32", path, w->name,
                        st_dtype_name[t->dtype]);
        if (t->rank != w->rank || memcmp(t->dim, w->dim, sizeof(int64_t) * (size_t)w->rank) != 0)
            return shape_fails(path, t, w, err);
        found->at[found->n++] = *t;
    }
    if (file->n_tensors != want->n)
        return fail(err, FAIL_DATA, NULL, "%s: %d tensors, expected %d", path, file->n_tensors,
                    want->n);
    if (crc_of(found) != crc)
        return fail(err, FAIL_DATA, NULL,
                    "%s: damaged: the CRC-32 of its tensors is not the one in state.json", path);
    return true;
}

static void copy_tensors(const TensorList *from, const TensorList *to)
{
    for (int i = 0; i < to->n; i++)
        if (to->at[i].bytes > 0)
            memcpy((void *)(uintptr_t)to->at[i].data, from->at[i].data, to->at[i].bytes);
}

/* A safetensors file of the checkpoint beside the memory that it goes to. */
typedef struct TensorFile {
    Safetensors file;
    TensorList to, from;
} TensorFile;

static bool open_tensors(TensorFile *f, const char *path, TensorList to, int64_t crc, Arena *a,
                         Error *err)
{
    f->to = to;
    f->from = (TensorList){arena_new_array(a, StTensor, to.n), 0};
    TRY(safetensors_open(&f->file, a, path, err));
    return check_tensors(&f->file, path, &f->to, crc, &f->from, err);
}

static bool open_checkpoint(const char *folder, const char *run_id, TensorFile *model,
                            TensorFile *slots, StateFile *s, Params *params,
                            const OptimizerState *optimizer, Arena *a, Error *err)
{
    TRY(read_state(arena_printf(a, "%s/state.json", folder), s, err));
    if (run_id && strcmp(run_id, s->run_id) != 0)
        return fail(err, FAIL_DATA, NULL, "%s: is of run %s, not of %s", folder, s->run_id, run_id);
    TRY(open_tensors(model, arena_printf(a, "%s/model.safetensors", folder),
                     model_tensors(params, a), s->model_crc, a, err));
    return !optimizer ||
           open_tensors(slots, arena_printf(a, "%s/optimizer.safetensors", folder),
                        optimizer_tensors(params, optimizer, a), s->optimizer_crc, a, err);
}

bool checkpoint_read(const char *folder, const char *run_id, Params *params,
                     OptimizerState *optimizer, TrainState *state, Error *err)
{
    Arena *a = arena_new();
    TensorFile model = {0}, slots = {0};
    StateFile s = {0};
    if (!has_state(folder, "") && has_state(folder, ".old"))
        folder = arena_printf(a, "%s.old", folder);
    bool ok = open_checkpoint(folder, run_id, &model, &slots, &s, params, optimizer, a, err);
    if (ok) {
        copy_tensors(&model.from, &model.to);
        copy_tensors(&slots.from, &slots.to);
        if (optimizer) optimizer->step = s.optimizer_step;
        *state = s.train;
    }
    safetensors_close(&model.file);
    safetensors_close(&slots.file);
    arena_free(a);
    return ok;
}
