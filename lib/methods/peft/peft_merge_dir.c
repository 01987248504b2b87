/* peft_merge_dir -- see peft_merge_dir.h. */
#include "methods/peft/peft_merge_dir.h"

#include "methods/peft/peft_dir.h"
#include "methods/peft/peft_merge.h"

#include <stdlib.h>
#include <string.h>

enum { SMALL_FILE_MAX = 1 << 28 };

/* What makes a folder of tensors a model with its tokenizer. */
static const char *const small_files[] = {"config.json",
                                          "generation_config.json",
                                          "model.safetensors.index.json",
                                          "tokenizer.json",
                                          "tokenizer_config.json",
                                          "tokenizer.model",
                                          "spiece.model",
                                          "special_tokens_map.json",
                                          "added_tokens.json",
                                          "vocab.json",
                                          "vocab.txt",
                                          "merges.txt",
                                          "chat_template.jinja",
                                          "preprocessor_config.json",
                                          NULL};

/* What becomes of one parameter. */
typedef struct Change {
    const StTensor *from;    /* in the model's files */
    const StTensor *whole;   /* stands for it; or NULL */
    const PlainLayer *layer; /* else: is merged with */
    const char *name;
    const StTensor *a, *b, *e, *magnitude, *block;
} Change;

typedef struct Merge {
    PeftModel model;
    PeftConfig config;
    Safetensors adapter;
    const char *path; /* the adapter's tensors */
    Change *change;
    int n_changes;
    bool undo;
    const PeftReport *report;
    int64_t done, total;
} Merge;

/* -- What belongs together */

static Change *change_of(Merge *m, const Param *p)
{
    const StTensor *from = peft_model_tensor(&m->model, p);
    for (int i = 0; i < m->n_changes; i++)
        if (m->change[i].from == from) return &m->change[i];
    Change *c = &m->change[m->n_changes++];
    *c = (Change){.from = from, .name = p->name};
    return c;
}

static bool has_shape(const Merge *m, const StTensor *t, int rank, const int64_t dim[], Error *err)
{
    char got[ST_SHAPE_TEXT], want[ST_SHAPE_TEXT];
    StTensor wanted = {.rank = rank};
    memcpy(wanted.dim, dim, sizeof(int64_t) * (size_t)rank);
    if (t->rank == rank && memcmp(t->dim, dim, sizeof(int64_t) * (size_t)rank) == 0) return true;
    return fail(err, FAIL_DATA, NULL, "%s: tensor '%s' is %s, the layer needs %s", m->path, t->name,
                st_shape_text(t, got), st_shape_text(&wanted, want));
}

static bool is_whole(const Merge *m, const Change *c, Error *err)
{
    const StTensor *need[] = {c->a, c->b, c->block};
    const bool miss = m->config.type == PEFT_MISS;
    const bool ok = miss ? need[2] != NULL
                         : need[0] && need[1] && (m->config.type != PEFT_ADALORA || c->e) &&
                               (!m->config.dora || c->magnitude);
    return ok ||
           fail(err, FAIL_DATA, NULL, "%s: the adapter of '%s' lacks a tensor", m->path, c->name);
}

static bool check_change(const Merge *m, const Change *c, Error *err)
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

static void put_tensor(Change *c, const char *suffix, const StTensor *t)
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

static bool place_tensor(Merge *m, const StTensor *t, Error *err)
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
    Change *c = change_of(m, p);
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

static bool place_all(Merge *m, Error *err)
{
    m->change = arena_new_array(m->model.arena, Change, m->adapter.n_tensors);
    for (int i = 0; i < m->adapter.n_tensors; i++)
        TRY(place_tensor(m, &m->adapter.tensors[i], err));
    for (int i = 0; i < m->n_changes; i++) TRY(check_change(m, &m->change[i], err));
    return true;
}

/* -- Writing */

/* As float, in the arena; NULL of NULL. The file's pages are not needed again. */
static const float *floats_of(const StTensor *t, Arena *a)
{
    if (!t) return NULL;
    float *x = arena_new_array(a, float, t->n);
    safetensors_to_float(t, x);
    file_map_release(t->data, t->bytes);
    return x;
}

static bool merge_layer(const Merge *m, const Change *c, float *w, Error *err)
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

/* In the dtype that the model has, in pieces: none is wider than a double. */
static bool add_floats(SafetensorsStream *s, const StTensor *t, const float *x, Error *err)
{
    enum { PIECE = 1 << 14 };
    double piece[PIECE];
    const size_t width = (size_t)st_dtype_bytes[t->dtype];
    for (int64_t i = 0; i < t->n; i += PIECE) {
        const int64_t n = t->n - i < PIECE ? t->n - i : PIECE;
        safetensors_from_float(t->dtype, x + i, n, piece);
        TRY(safetensors_stream_add(s, piece, width * (size_t)n, err));
    }
    return true;
}

static bool add_changed(const Merge *m, const Change *c, SafetensorsStream *s, Error *err)
{
    float *w;
    TRY(peft_model_read(c->whole ? c->whole : c->from, &w, err));
    const bool ok = (c->whole || merge_layer(m, c, w, err)) && add_floats(s, c->from, w, err);
    peft_model_drop(c->from, w);
    return ok;
}

static bool add_tensor(Merge *m, const StTensor *t, SafetensorsStream *s, Error *err)
{
    int i = 0;
    while (i < m->n_changes && strcmp(m->change[i].from->name, t->name) != 0) i++;
    if (i < m->n_changes)
        TRY(add_changed(m, &m->change[i], s, err));
    else
        TRY(safetensors_stream_add(s, t->data, t->bytes, err));
    file_map_release(t->data, t->bytes);
    m->done += (int64_t)t->bytes;
    if (m->report && m->report->tick) m->report->tick(m->report->owner, m->done, m->total);
    return true;
}

static bool write_file(Merge *m, int i, const char *to, Error *err)
{
    const Safetensors *file = &m->model.files.file[i];
    const char *path = m->model.files.file_path[i], *slash = strrchr(path, '/');
    StTensor *order = arena_new_array(m->model.arena, StTensor, file->n_tensors);
    SafetensorsStream s;
    memcpy(order, file->tensors, sizeof *order * (size_t)file->n_tensors);
    TRY(safetensors_stream_open(&s, arena_printf(m->model.arena, "%s/%s", to, slash + 1), order,
                                file->n_tensors, file->metadata, file->n_metadata, err));
    for (int j = 0; j < file->n_tensors; j++)
        if (!add_tensor(m, &order[j], &s, err)) {
            safetensors_stream_abandon(&s);
            return false;
        }
    return safetensors_stream_commit(&s, err);
}

static bool copy_small(const Merge *m, const char *to, Error *err)
{
    for (int i = 0; small_files[i]; i++) {
        char *text;
        size_t n;
        const char *from =
            arena_printf(m->model.arena, "%s/%s", m->model.files.path, small_files[i]);
        if (!file_exists(from)) continue;
        TRY(file_read(from, SMALL_FILE_MAX, &text, &n, FAIL_DATA, err));
        const bool ok =
            file_replace(arena_printf(m->model.arena, "%s/%s", to, small_files[i]), text, n, err);
        free(text);
        TRY(ok);
    }
    return true;
}

static bool merge_all(Merge *m, const char *to, Error *err)
{
    TRY(place_all(m, err));
    for (int i = 0; i < m->model.files.n_files; i++)
        for (int j = 0; j < m->model.files.file[i].n_tensors; j++)
            m->total += (int64_t)m->model.files.file[i].tensors[j].bytes;
    for (int i = 0; i < m->model.files.n_files; i++) TRY(write_file(m, i, to, err));
    return copy_small(m, to, err);
}

bool peft_merge_dir(const char *model, const char *adapter, const char *to, bool undo,
                    const PeftReport *report, PeftMerged *out, Error *err)
{
    Merge m = {.undo = undo, .report = report};
    TRY(peft_model_open(&m.model, model, err));
    m.path = arena_printf(m.model.arena, "%s/" PEFT_WEIGHTS, adapter);
    bool ok = peft_config_read(adapter, m.model.arena, &m.config, err) &&
              safetensors_open(&m.adapter, m.model.arena, m.path, err);
    if (ok) {
        ok = merge_all(&m, to, err);
        safetensors_close(&m.adapter);
    }
    *out = (PeftMerged){.bytes = m.total};
    for (int i = 0; i < m.n_changes; i++) {
        out->n_layers += m.change[i].layer != NULL;
        out->n_tensors += m.change[i].whole != NULL;
    }
    peft_model_close(&m.model);
    return ok;
}
