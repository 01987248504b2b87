/* peft_model -- see peft_model.h. */
#include "methods/peft/peft_model.h"

#include "nn/hf_dir.h"

#include <stdlib.h>
#include <string.h>

/* Sequences that are as short as a model takes them. */
enum { STEPS = 4, SOURCE_STEPS = 2, N_CLASSES = 2 };

static int64_t option_int(const PeftModel *m, const char *name, int64_t otherwise)
{
    const char *text = option_value_text(&m->model->options, m->options, name, m->arena);
    const int64_t value = text ? strtoll(text, NULL, 10) : 0;
    return value > 0 ? value : otherwise;
}

static Task task_of(PeftModel *m)
{
    const bool classes =
        hf_files_find(&m->files, "score.weight") || hf_files_find(&m->files, "classifier.weight");
    const bool vit = strcmp(m->model->name, "vit") == 0, t5 = strcmp(m->model->name, "t5") == 0;
    const bool bert = strcmp(m->model->name, "bert") == 0;
    const int64_t side = option_int(m, "image_size", 224);
    Task task = {.sample = shape(1, (int64_t)STEPS),
                 .dtype = I32,
                 .n_tokens = option_int(m, "vocab_size", 2),
                 .n_classes = N_CLASSES,
                 .per_step = !vit && !classes,
                 .causal = !vit && !classes && !bert,
                 .source_steps = t5 ? SOURCE_STEPS : 0};
    if (vit) {
        task.sample = shape(3, side, side, option_int(m, "num_channels", 3));
        task.dtype = F32;
        task.n_tokens = 0;
    }
    return task;
}

static bool read_config(PeftModel *m, const char *folder, Error *err)
{
    Yaml *map;
    if (!hf_dir_is(folder))
        return fail(err, FAIL_DATA, NULL, "%s: there is no config.json: no model's folder", folder);
    TRY(hf_dir_config(folder, m->arena, &m->model, &map, err));
    m->options = arena_alloc(m->arena, m->model->options.bytes);
    return option_read(&m->model->options, map, NULL, "in config.json", m->options, err);
}

bool peft_model_params(const ModelBuild *like, const Model *model, const void *options, Error *err)
{
    Arena *a = arena_new();
    ModelBuild b = *like;
    Shape s = {.rank = b.task.sample.rank + 1, .dim = {1}};
    for (int i = 0; i < b.task.sample.rank; i++) s.dim[i + 1] = b.task.sample.dim[i];
    b.graph = graph_new(a);
    (void)model->build(&b, options, input(b.graph, "x", b.task.dtype, s));
    const bool ok = graph_ok(b.graph, err);
    if (!ok) error_note(err, "in model '%s'", model->name);
    arena_free(a);
    return ok;
}

static bool build(PeftModel *m, Error *err)
{
    const ModelBuild like = {.params = m->params, .task = m->task};
    TRY(peft_model_params(&like, m->model, m->options, err));
    return plain_network(&m->network, &like, m->model, m->options, 1, err);
}

static bool check_layer(const PeftModel *m, const PlainLayer *l, Error *err)
{
    char want[96], got[ST_SHAPE_TEXT];
    const StTensor *t = peft_model_tensor(m, l->weight);
    if (!t) return true;
    if (t->dtype != ST_F32 && t->dtype != ST_F16 && t->dtype != ST_BF16 && t->dtype != ST_F64)
        return fail(err, FAIL_DATA, NULL, "%s: tensor '%s' is %s, expected F32, F16, BF16 or F64",
                    m->files.path, t->name, st_dtype_name[t->dtype]);
    const Shape *s = &l->weight->shape;
    if (t->rank == s->rank && t->dim[0] == s->dim[0] && t->dim[1] == s->dim[1]) return true;
    /* classes are as many as the file has */
    if (t->rank == 2 && s->dim[0] == N_CLASSES && t->dim[1] == s->dim[1]) return true;
    return fail(err, FAIL_DATA, NULL, "%s: tensor '%s' is %s, config.json makes it %s",
                m->files.path, t->name, st_shape_text(t, got), shape_text(s, want));
}

static bool look(PeftModel *m, const char *folder, Error *err)
{
    TRY(read_config(m, folder, err));
    TRY(hf_files_open(&m->files, folder, m->arena, err));
    m->params = params_new(m->arena);
    m->task = task_of(m);
    TRY(build(m, err));
    m->tensor = arena_new_array(m->arena, const StTensor *, m->params->n);
    int i = 0;
    for (const Param *p = m->params->first; p; p = p->next)
        m->tensor[i++] = hf_files_find(&m->files, p->name);
    for (i = 0; i < m->network.n_layers; i++) TRY(check_layer(m, &m->network.layers[i], err));
    return true;
}

bool peft_model_open(PeftModel *m, const char *folder, Error *err)
{
    *m = (PeftModel){.arena = arena_new()};
    if (look(m, folder, err)) return true;
    peft_model_close(m);
    return false;
}

void peft_model_close(PeftModel *m)
{
    if (m->network.arena) plain_network_free(&m->network);
    hf_files_close(&m->files);
    arena_free(m->arena);
    *m = (PeftModel){0};
}

const StTensor *peft_model_tensor(const PeftModel *m, const Param *p)
{
    int i = 0;
    for (const Param *q = m->params->first; q; q = q->next, i++)
        if (q == p) return m->tensor[i];
    return NULL;
}

const PlainLayer *peft_model_layer(const PeftModel *m, const Param *p)
{
    for (int i = 0; i < m->network.n_layers; i++)
        if (m->network.layers[i].weight == p) return &m->network.layers[i];
    return NULL;
}

bool peft_model_read(const StTensor *t, float **out, Error *err)
{
    void *memory;
    TRY(memory_map(&memory, sizeof(float) * (size_t)t->n, err));
    *out = memory;
    safetensors_to_float(t, *out);
    file_map_release(t->data, t->bytes);
    return true;
}

void peft_model_drop(const StTensor *t, float *w)
{
    memory_unmap(w, sizeof(float) * (size_t)t->n);
}
