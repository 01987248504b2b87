/* generator -- see generator.h. This file: where models come from, and prompts. */
#include "run/generator.h"

#include "io/file.h"
#include "methods/peft/peft_dir.h"
#include "methods/peft/peft_match.h"
#include "nn/hf_dir.h"

#include <stdlib.h>
#include <string.h>

static int64_t option_whole(const Model *m, const void *options, const char *name,
                            int64_t otherwise, Arena *a)
{
    const char *text = option_value_text(&m->options, options, name, a);
    return text ? strtoll(text, NULL, 10) : otherwise;
}

bool generator_has_source(const Generator *g)
{
    return g->like.task.source_steps > 0;
}

/* -- Tokenizers */

static bool take_tokenizer(Generator *g, const char *path, Error *err)
{
    Tokenizer *t;
    TRY(tokenizer_open(&t, path, err));
    /* any number of tokens: nothing is packed here */
    g->own = (TextUnits){.unit = UNIT_GIVEN, .n_tokens = tokenizer_n_ids(t), .tokenizer = t};
    g->text = &g->own;
    g->special = true;
    return true;
}

/* Of the adapter, which may have brought its own, or of the model. */
static bool find_tokenizer(Generator *g, const char *folder, const char *adapter, Error *err)
{
    const char *path = adapter ? arena_printf(g->arena, "%s/tokenizer.json", adapter) : NULL;
    if (!path || !file_exists(path)) path = arena_printf(g->arena, "%s/tokenizer.json", folder);
    return !file_exists(path) || take_tokenizer(g, path, err);
}

static void start_encoder(Generator *g)
{
    if (g->text && g->text->tokenizer) g->encoder = token_encoder_new(g->text->tokenizer);
    g->padding = (int32_t)option_whole(g->model, g->model_options, "pad_token_id", -1, g->arena);
}

/* -- Models */

/* The parameters: a model of one step has them all. None is trained, so none has a gradient. */
static bool load_folder(Generator *g, const char *folder, Error *err)
{
    ModelBuild b = g->like;
    g->params = g->like.params = b.params = params_new(g->arena);
    b.graph = graph_new(g->arena);
    const int64_t steps = generator_has_source(g) ? 2 : 1;
    b.task.sample = shape(1, steps);
    (void)g->model->build(&b, g->model_options,
                          input(b.graph, "x", I32, shape(2, INT64_C(1), steps)));
    TRY(graph_ok(b.graph, err));
    for (Param *p = b.params->first; p; p = p->next) params_freeze(b.params, p);
    return params_allocate(b.params, err) && hf_dir_weights(folder, b.params, err);
}

/* A model, or the model that an adapter is for. */
static bool open_folder(Generator *g, const char *folder, Error *err)
{
    Yaml *map;
    const char *adapter = peft_dir_is(folder) ? folder : NULL;
    if (adapter) TRY(peft_dir_base(adapter, g->arena, &folder, err));
    TRY(hf_dir_config(folder, g->arena, &g->model, &map, err));
    void *options = arena_alloc(g->arena, g->model->options.bytes);
    TRY(option_read(&g->model->options, map, NULL, "in config.json", options, err));
    g->model_options = options;
    TRY(find_tokenizer(g, folder, adapter, err));
    int64_t n = option_whole(g->model, options, "vocab_size", 0, g->arena);
    if (n == 0 && g->text) n = g->text->n_tokens;
    if (n == 0)
        return fail(err, FAIL_DATA, NULL, "%s: '%s' is no model of language", folder,
                    g->model->name);
    g->like.task = (Task){.dtype = I32,
                          .n_tokens = n,
                          .n_classes = (int)n,
                          .per_step = true,
                          .causal = true,
                          .source_steps = option_find(&g->model->options, "d_kv") ? 1 : 0};
    TRY(generate_config(folder, g->model, g->arena, &g->defaults, &g->note, err));
    return load_folder(g, folder, err) &&
           (!adapter || peft_match_params(folder, adapter, g->params, err));
}

bool generator_of_folder(Generator *g, const char *folder, Arena *a, Error *err)
{
    *g = (Generator){.arena = a};
    const bool ok = open_folder(g, folder, err);
    if (ok)
        start_encoder(g);
    else
        generator_free(g);
    return ok;
}

static bool open_network(Generator *g, const Network *n, const Dataset *data, Error *err)
{
    const Experiment *e = n->experiment;
    const char *folder = e->base.folder;
    const char *path = experiment_value(e, g->arena, "data.tokenizer");
    if (!data->task.per_step || !data->task.causal)
        return fail(err, FAIL_CONFIG, NULL,
                    "%s: %s asks for no text: the model was not trained to write", e->path,
                    data->kind->name);
    g->text = data->text;
    g->special = g->text && g->text->unit == UNIT_GIVEN;
    if (!g->text && path && *path) {
        const char *within = arena_printf(g->arena, "%s/tokenizer.json", path);
        TRY(take_tokenizer(g, file_exists(within) ? within : path, err));
    }
    if (!g->text && folder) TRY(find_tokenizer(g, folder, NULL, err));
    return !folder || generate_config(folder, e->model, g->arena, &g->defaults, &g->note, err);
}

bool generator_of_network(Generator *g, const Network *n, const Dataset *data, Error *err)
{
    const Experiment *e = n->experiment;
    *g = (Generator){
        .arena = n->arena, .model = e->model, .model_options = e->model_options, .like = n->like};
    g->like.params = n->params;
    const bool ok = open_network(g, n, data, err);
    if (ok)
        start_encoder(g);
    else
        generator_free(g);
    return ok;
}

void generator_free(Generator *g)
{
    token_encoder_free(g->encoder);
    text_units_free(&g->own);
    if (g->params) params_free(g->params);
    *g = (Generator){0};
}

/* -- Prompts */

static bool encode(Generator *g, const char *text, size_t n, Prompt *out, Error *err)
{
    if (g->encoder) {
        TokenIds ids;
        const int32_t first = g->text->unit == UNIT_BPE ? 1 : 0;
        TRY(token_encode(g->encoder, text, n, g->special, &ids, err));
        int32_t *own = arena_new_array(g->arena, int32_t, ids.n + 1);
        for (int64_t i = 0; i < ids.n; i++) own[i] = first + ids.ids[i];
        *out = (Prompt){own, ids.n};
        return true;
    }
    uint16_t *packed = arena_new_array(g->arena, uint16_t, n + 1);
    int32_t *own = arena_new_array(g->arena, int32_t, n + 1);
    out->tokens = own;
    TRY(text_units_encode(g->text, (const unsigned char *)text, n, packed, &out->n, err));
    for (int64_t i = 0; i < out->n; i++) own[i] = packed[i];
    return true;
}

bool generator_prompt(Generator *g, const char *text, size_t n, const GenerateOptions *o,
                      Prompt *out, Error *err)
{
    if (!g->text)
        return fail(err, FAIL_DATA, NULL,
                    "there is no tokenizer.json: --ids takes and prints token ids");
    TRY(encode(g, text, n, out, err));
    if (out->n > 0) return true;
    if (o->bos_token_id < 0)
        return fail(err, FAIL_DATA, NULL, "the prompt is empty, and the model has no bos_token_id");
    int32_t *start = arena_new_array(g->arena, int32_t, 1);
    *start = (int32_t)o->bos_token_id;
    *out = (Prompt){start, 1};
    return true;
}
