/* init_data -- the examples whose gradients `seqlab init --method lora-ga` looks at: a file of JSON
 * lines, or an experiment's data. */
#include "cmd/init.h"

#include "nn/hf_dir.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_BYTES = 1 << 24 };

static bool ends(const char *s, const char *suffix)
{
    const size_t n = strlen(s), m = strlen(suffix);
    return n > m && strcmp(s + n - m, suffix) == 0;
}

/* Whether the lines have a text, which is learned whole; they have a prompt and a response else. */
static bool look_at_lines(const char *path, bool *text, Error *err)
{
    char *line = NULL;
    size_t room = 0;
    FILE *f = fopen(path, "re");
    if (!f) return fail_errno(err, FAIL_DATA, NULL, "%s: cannot be read", path);
    const ssize_t n = getline(&line, &room, f);
    (void)fclose(f);
    json_t *j = n > 0 && n < LINE_MAX_BYTES ? json_loadb(line, (size_t)n, 0, NULL) : NULL;
    const bool pair = json_object_get(j, "prompt") && json_object_get(j, "response");
    *text = !pair && json_object_get(j, "text");
    json_decref(j);
    free(line);
    return pair || *text ||
           fail(err, FAIL_DATA, &(Place){.file = path, .line = 1},
                "expected a line such as {\"text\": ...} or {\"prompt\": ..., \"response\": ...}");
}

static Yaml *word(Arena *a, const char *text)
{
    Yaml *y = yaml_new_scalar(a, text, true);
    y->at.file = "command line";
    return y;
}

static bool data_of_lines(const Invocation *in, const InitKeys *keys, Yaml **out, Error *err)
{
    Arena *a = in->arena;
    const Model *model;
    bool text = false;
    TRY(look_at_lines(in->flags.data, &text, err));
    Yaml *options, *map = yaml_new_map(a);
    TRY(hf_dir_config(in->flags.model, a, &model, &options, err));
    yaml_append(a, map, "name", word(a, "text_to_text"));
    yaml_append(a, map, "train_file", word(a, in->flags.data));
    yaml_append(a, map, "tokenizer", word(a, in->flags.model));
    yaml_append(a, map, "max_length",
                yaml_new_scalar(a, arena_printf(a, "%lld", (long long)keys->max_length), false));
    if (strcmp(model->name, "t5") == 0) yaml_append(a, map, "layout", word(a, "encoder_decoder"));
    if (text) {
        yaml_append(a, map, "prompt", word(a, ""));
        yaml_append(a, map, "response", word(a, "{text}"));
    }
    *out = map;
    return true;
}

static bool data_of_experiment(const Invocation *in, Yaml **out, Error *err)
{
    Yaml *root;
    TRY(yaml_load_experiment(in->arena, in->flags.data, &root, err));
    const Yaml *data = yaml_get(root, "data");
    if (!data) return fail(err, FAIL_CONFIG, &(Place){.file = in->flags.data}, "'data' is missing");
    *out = yaml_copy(in->arena, data);
    return true;
}

bool init_open_data(const Invocation *in, const InitKeys *keys, Datasets *sets, const Dataset **out,
                    Error *err)
{
    static const char text[] = "run: init\nname: init\ntrain: {steps: 1, batch_size: 1}\n";
    Arena *a = in->arena;
    Experiment *e = arena_new_array(a, Experiment, 1);
    Yaml *root, *data = NULL;
    const bool is_experiment = ends(in->flags.data, ".yaml") || ends(in->flags.data, ".yml");
    TRY(is_experiment ? data_of_experiment(in, &data, err) : data_of_lines(in, keys, &data, err));
    TRY(yaml_parse(a, text, sizeof text - 1, "command line", &root, err));
    yaml_set(a, root, "data", data);
    yaml_set(a, root, "base", word(a, in->flags.model));
    TRY(experiment_from_tree(e, a, in->flags.data, root, err));
    *sets = (Datasets){.arena = a};
    if (datasets_open(sets, e, 1U << SPLIT_TRAIN, out, err)) return true;
    datasets_close(sets);
    return false;
}
