/* target -- see target.h. */
#include "cmd/target.h"

#include "base/text.h"
#include "io/file.h"

#include <string.h>
#include <sys/stat.h>

static const Place place = {.file = "command line"};

bool target_is_file(const char *word, Arena *a)
{
    struct stat st;
    if (strcmp(word, "-") == 0) return true;
    const char *dot = strrchr(word, '.'), *slash = strrchr(word, '/');
    if (stat(word, &st) != 0) return dot && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0);
    if (!S_ISREG(st.st_mode)) return false;
    const char *name = slash ? slash + 1 : word;
    if (strcmp(name, "run.json") == 0) return false;
    return strcmp(name, "config.yaml") != 0 ||
           !file_exists(arena_printf(a, "%.*srun.json", (int)(name - word), word));
}

static bool check_words(const Invocation *in, Error *err)
{
    if (in->n_words == 0) return fail(err, FAIL_USAGE, &place, "FILE.yaml or RUN is missing");
    if (strchr(in->words[0], '=') && !target_is_file(in->words[0], in->arena))
        return fail(err, FAIL_USAGE, &place, "'%.60s' stands where FILE.yaml or RUN is expected",
                    in->words[0]);
    for (int i = 1; i < in->n_words; i++)
        if (!strchr(in->words[i], '='))
            return fail(err, FAIL_USAGE, &place, "'%.60s' is no key=value", in->words[i]);
    return true;
}

/* A run stays under the results folder that it was found in: <results>/<name>/<id>. */
static const char *results_of(Arena *a, const char *folder, const char *name, const char *otherwise)
{
    const char *id = strrchr(folder, '/');
    if (!id) return otherwise;
    size_t n = (size_t)(id - folder), m = strlen(name);
    if (n <= m + 1 || strncmp(folder + n - m, name, m) != 0 || folder[n - m - 1] != '/')
        return otherwise;
    return arena_string_n(a, folder, n - m - 1);
}

bool target_load(Target *t, const Invocation *in, Error *err)
{
    TRY(check_words(in, err));
    const char *path = in->words[0];
    *t = (Target){.results = in->flags.results,
                  .is_run = !target_is_file(path, in->arena),
                  .datasets = {.arena = in->arena}};
    if (t->is_run) {
        TRY(rundir_resolve(in->flags.results, path, t->folder, err));
        path = arena_printf(in->arena, "%s/config.yaml", t->folder);
    }
    TRY(experiment_load(&t->experiment, in->arena, path, in->words + 1, in->n_words - 1, err));
    if (t->is_run) t->results = results_of(in->arena, t->folder, t->experiment.name, t->results);
    return true;
}

/* "7f3a9c01 shape sparsity=0.9": id, last part of the name, last part of each overridden key. */
static const char *label_of(const Target *t, const Invocation *in)
{
    const char *slash = strrchr(t->experiment.name, '/');
    Text text = {0};
    text_addf(&text, "%.8s %s", t->experiment.id, slash ? slash + 1 : t->experiment.name);
    for (int i = 1; i < in->n_words; i++) {
        const char *word = in->words[i], *last = word, *equals = strchr(word, '=');
        for (const char *at = word; at < equals; at++)
            if (*at == '.') last = at + 1;
        text_addf(&text, " %.40s", last);
    }
    const char *label = arena_string(in->arena, text.data ? text.data : "");
    text_free(&text);
    return label;
}

bool target_open_data(Target *t, const Invocation *in, unsigned splits, Error *err)
{
    Experiment *e = &t->experiment;
    if (splits != SPLITS_ALL) return datasets_open(&t->datasets, e, splits, &t->data, err);
    TRY(experiment_references(e, in->arena, err));
    TRY(datasets_identify(&t->datasets, e, in->arena, &t->data, err));
    t->label = label_of(t, in);
    if (rundir_path(t->results, e, t->folder, err)) return true;
    target_close(t);
    return false;
}

void target_close(Target *t)
{
    datasets_close(&t->datasets);
}
