/* peft_merge_dir -- see peft_merge_dir.h. */
#include "methods/peft/peft_merge_dir.h"

#include "methods/peft/peft_match.h"

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

typedef struct Merge {
    PeftMatch match;
    const PeftReport *report;
    int64_t done, total;
} Merge;

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

static bool add_changed(const Merge *m, const PeftChange *c, SafetensorsStream *s, Error *err)
{
    float *w;
    TRY(peft_model_read(c->whole ? c->whole : c->from, &w, err));
    const bool ok =
        (c->whole || peft_match_merge(&m->match, c, w, err)) && add_floats(s, c->from, w, err);
    peft_model_drop(c->from, w);
    return ok;
}

static bool add_tensor(Merge *m, const StTensor *t, SafetensorsStream *s, Error *err)
{
    int i = 0;
    while (i < m->match.n_changes && strcmp(m->match.change[i].from->name, t->name) != 0) i++;
    if (i < m->match.n_changes)
        TRY(add_changed(m, &m->match.change[i], s, err));
    else
        TRY(safetensors_stream_add(s, t->data, t->bytes, err));
    file_map_release(t->data, t->bytes);
    m->done += (int64_t)t->bytes;
    if (m->report && m->report->tick) m->report->tick(m->report->owner, m->done, m->total);
    return true;
}

static bool write_file(Merge *m, int i, const char *to, Error *err)
{
    const Safetensors *file = &m->match.model.files.file[i];
    const char *path = m->match.model.files.file_path[i], *slash = strrchr(path, '/');
    StTensor *order = arena_new_array(m->match.model.arena, StTensor, file->n_tensors);
    SafetensorsStream s;
    memcpy(order, file->tensors, sizeof *order * (size_t)file->n_tensors);
    TRY(safetensors_stream_open(&s, arena_printf(m->match.model.arena, "%s/%s", to, slash + 1),
                                order, file->n_tensors, file->metadata, file->n_metadata, err));
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
            arena_printf(m->match.model.arena, "%s/%s", m->match.model.files.path, small_files[i]);
        if (!file_exists(from)) continue;
        TRY(file_read(from, SMALL_FILE_MAX, &text, &n, FAIL_DATA, err));
        const bool ok = file_replace(
            arena_printf(m->match.model.arena, "%s/%s", to, small_files[i]), text, n, err);
        free(text);
        TRY(ok);
    }
    return true;
}

static bool write_all(Merge *m, const char *to, Error *err)
{
    const HfFiles *files = &m->match.model.files;
    for (int i = 0; i < files->n_files; i++)
        for (int j = 0; j < files->file[i].n_tensors; j++)
            m->total += (int64_t)files->file[i].tensors[j].bytes;
    for (int i = 0; i < files->n_files; i++) TRY(write_file(m, i, to, err));
    return copy_small(m, to, err);
}

bool peft_merge_dir(const char *model, const char *adapter, const char *to, bool undo,
                    const PeftReport *report, PeftMerged *out, Error *err)
{
    Merge m = {.report = report};
    TRY(peft_match_open(&m.match, model, adapter, undo, err));
    const bool ok = write_all(&m, to, err);
    *out = (PeftMerged){.bytes = m.total};
    for (int i = 0; i < m.match.n_changes; i++) {
        out->n_layers += m.match.change[i].layer != NULL;
        out->n_tensors += m.match.change[i].whole != NULL;
    }
    peft_match_close(&m.match);
    return ok;
}
