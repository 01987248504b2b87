/* pretrained -- experiments whose base is a Hugging Face folder: tests/golden/hf/gpt2. */
#include "tests/test.h"

#include "io/file.h"
#include "io/safetensors.h"
#include "run/component.h"
#include "run/datasets.h"
#include "run/network.h"

#include <stdlib.h>
#include <string.h>

#define FILE_TEXT                                                                                  \
    "data: {name: selective_copying, length: 24, n_copied: 6}\n"                                   \
    "model: {resid_pdrop: 0}\nbase: model\ntrain: {steps: 1, batch_size: 2}\n"

static void copy(Arena *a, const char *name, const char *folder, bool change)
{
    Error err = {0};
    char *bytes;
    size_t n;
    ASSERT_OK(file_read(arena_printf(a, "tests/golden/hf/gpt2/%s", name), 1 << 20, &bytes, &n,
                        FAIL_DATA, &err),
              &err);
    if (change) bytes[n - 1] ^= 1; /* a bit of a weight */
    ASSERT_OK(file_replace(arena_printf(a, "%s/%s", folder, name), bytes, n, &err), &err);
    free(bytes);
}

/* An experiment file with the folder `model` beside it. */
static const char *project(Arena *a, bool change)
{
    Error err = {0};
    const char *folder = arena_string(a, test_folder());
    const char *model = arena_printf(a, "%s/model", folder);
    ASSERT_OK(folder_make(model, &err), &err);
    copy(a, "config.json", model, false);
    copy(a, "model.safetensors", model, change);
    const char *path = arena_printf(a, "%s/a.yaml", folder);
    ASSERT_OK(file_replace(path, FILE_TEXT, strlen(FILE_TEXT), &err), &err);
    return path;
}

static Experiment load(Arena *a, const char *path, const char *const words[], int n)
{
    Error err = {0};
    Experiment e;
    ASSERT_OK(experiment_load(&e, a, path, words, n, &err), &err);
    ASSERT_OK(experiment_references(&e, a, &err), &err);
    experiment_identify(&e, a, "0123");
    return e;
}

TEST(pretrained, folder_gives_the_model_and_the_file_wins)
{
    Arena *a = arena_new();
    const Experiment e = load(a, project(a, false), NULL, 0);
    assert_string_equal(e.model->name, "gpt2");
    assert_string_equal(experiment_value(&e, a, "model.n_embd"), "16");
    assert_string_equal(experiment_value(&e, a, "model.attn_pdrop"), "0.1");
    assert_string_equal(experiment_value(&e, a, "model.resid_pdrop"), "0");
    arena_free(a);
}

TEST(pretrained, id_is_of_the_tensors_and_not_of_the_place)
{
    Arena *a = arena_new();
    const Experiment one = load(a, project(a, false), NULL, 0);
    const Experiment moved = load(a, project(a, false), NULL, 0);
    const Experiment other = load(a, project(a, true), NULL, 0);
    assert_string_not_equal(one.base.folder, moved.base.folder);
    assert_string_equal(one.id, moved.id);
    assert_string_not_equal(one.id, other.id);
    arena_free(a);
}

TEST(pretrained, resolved_text_leads_to_the_same_run)
{
    Error err = {0};
    Arena *a = arena_new();
    const Experiment e = load(a, project(a, false), NULL, 0);
    const char *text = experiment_config(&e, a),
               *path = arena_printf(a, "%s/config.yaml", test_folder());
    ASSERT_OK(file_replace(path, text, strlen(text), &err), &err);
    const Experiment again = load(a, path, NULL, 0);
    assert_string_equal(e.id, again.id);
    arena_free(a);
}

TEST(pretrained, another_model_than_the_folders_is_refused)
{
    static const char *const words[] = {"model.name=llama"};
    Error err = {0};
    Arena *a = arena_new();
    Experiment e;
    ASSERT_FAILS(experiment_load(&e, a, project(a, false), words, 1, &err), &err, FAIL_USAGE,
                 "model 'llama': base ");
    arena_free(a);
}

TEST(pretrained, network_starts_from_the_tensors)
{
    Error err = {0};
    Arena *a = arena_new();
    Experiment e = load(a, project(a, false), NULL, 0);
    Datasets sets = {.arena = a};
    const Dataset *data;
    Network n;
    ASSERT_OK(datasets_open(&sets, &e, SPLITS_ALL, &data, &err), &err);
    const NetworkOptions o = {
        .task = data->task, .train = true, .eval = true, .allocate = true, .total_steps = 1};
    ASSERT_OK(network_new(&n, &e, &o, a, &err), &err);
    ASSERT_OK(network_init(&n, NULL, e.base.folder, &err), &err);
    Safetensors file;
    const char *path = arena_printf(a, "%s/model.safetensors", e.base.folder);
    ASSERT_OK(safetensors_open(&file, a, path, &err), &err);
    const StTensor *t = safetensors_find(&file, "transformer.wpe.weight");
    assert_memory_equal(params_find(n.params, "transformer.wpe.weight")->data, t->data, t->bytes);
    safetensors_close(&file);
    network_free(&n);
    datasets_close(&sets);
    arena_free(a);
}
