/* experiment -- reads an experiment file into typed choices; see experiment.h. The id and the
 * resolved text are in experiment_id.c and experiment_config.c. */
#include "run/experiment.h"

#include "base/text.h"
#include "run/component.h"

#include <string.h>

/* -- Schema */

// clang-format off
static const Option train_rows[] = {
    OPT_STEPS(TrainOptions, steps, "0", "length of the run in optimizer updates, or in epochs: 10ep; required"),
    OPT_INT(TrainOptions, batch_size, 128, 1, 1048576, "examples in a training step"),
    OPT_INT(TrainOptions, eval_batch_size, 0, 0, 1048576,
            "examples evaluated at once; 0: batch_size; changes memory and time only, not the run's id"),
    OPT_INT(TrainOptions, seed, 1, 0, 9007199254740991, "of first values, data order, augmentation and dropout"),
    OPT_STEPS(TrainOptions, eval_every, "1ep", "between evaluations; the last step is always evaluated; 0: only that"),
    OPT_STEPS(TrainOptions, checkpoint_every, "0", "between checkpoints; 0: with every evaluation; not part of the run's id"),
    OPT_ENUM(TrainOptions, compute, "f32|bf16", "f32",
             "bf16: operands of matrix products are rounded to bfloat16, forward and backward; sums, weights and all else stay f32"),
    OPT_ENUM(TrainOptions, best_by, "none|valid.top1|valid.loss", "none",
             "what best/ is chosen by, never a test metric; not part of the run's id"),
};
const OptionTable train_option_table = OPTION_TABLE(TrainOptions, train_rows);

const ExperimentBlock experiment_blocks[] = {
    {"train",  &train_option_table,  offsetof(Experiment, train),  true,  true},
    {"eval",   &eval_option_table,   offsetof(Experiment, eval),   true,  false},
    {"energy", &energy_option_table, offsetof(Experiment, energy), false, false},
    {NULL, NULL, 0, false, false},
};

const TopKey experiment_keys[] = {
    {"run",       MAYBE_WORD,             true,  "the command that the file is for: train (the default), prune, init, distill or eval"},
    {"name",      MAYBE_WORD,             true,  "the run's folder below results/; default: the file's name without .yaml"},
    {"data",      MAYBE_MAP,              true,  "the data set: {name: ..., its options}; required"},
    {"model",     MAYBE_MAP,              true,  "the model: {name: ..., its options}; required"},
    {"methods",   MAYBE_LIST,             true,  "techniques, applied in this order: [{name: ..., its options}, ...]"},
    {"optimizer", MAYBE_MAP,              true,  "{name: ..., its options}; default: {name: adam}"},
    {"schedule",  MAYBE_MAP,              true,  "of the learning rate: {name: ..., its options}; default: {name: constant}"},
    {"train",     MAYBE_MAP,              true,  "length, batch size, seed, evaluations; train.steps is required"},
    {"eval",      MAYBE_MAP,              true,  "what the last evaluation asks besides loss and accuracy: corruptions, attacks, foreign images"},
    {"energy",    MAYBE_MAP,              true,  "assumptions of the energy and carbon estimates; not part of the run's id"},
    {"paper",     MAYBE_MAP,              false, "what is reproduced: {id: ..., table: ...}"},
    {"sweep",     MAYBE_MAP,              false, "lists of values to run: the product of them"},
    {"table",     MAYBE_MAP | MAYBE_LIST, false, "how the results of a sweep are shown beside the paper's"},
    {"claims",    MAYBE_LIST,             false, "what the results should show: [{say: ..., test: ...}, ...]"},
    {"search",    MAYBE_MAP,              false, "which setting of the swept keys is the best: {by: valid.top1, over: [optimizer.lr], ...}"},
    {"plots",     MAYBE_LIST,             false, "what is drawn of the results: [{kind: curve, metric: valid.loss}, ...]"},
    {"slurm",     MAYBE_MAP,              false, "how the jobs of a sweep are submitted"},
    {"base",      MAYBE_MAP | MAYBE_WORD, true,  "what is started from: a Hugging Face folder, or the experiment whose trained weights are: a file, or {file: ..., set: {key: value}, same: [key, ...], checkpoint: last or best}"},
    {"teacher",   MAYBE_MAP | MAYBE_WORD, true,  "the experiment whose trained model teaches: as base"},
    {"extends",   0,                      true,  "a file, or a list of files, that this one adds to: maps are merged key by key, all else is replaced"},
    {NULL, 0, false, NULL},
};
// clang-format on

const char *const experiment_runs[] = {"train", "prune", "init", "distill", "eval", NULL};
enum {
    N_RUNS = sizeof experiment_runs / sizeof experiment_runs[0] - 1,
    NAMES_MAX = 128,
    NAME_LENGTH_MAX = 200
};

static const char *kinds_text(int kinds)
{
    switch (kinds) {
    case MAYBE_MAP:
        return "a map";
    case MAYBE_LIST:
        return "a list of maps";
    case MAYBE_MAP | MAYBE_LIST:
        return "a map or a list";
    case MAYBE_MAP | MAYBE_WORD:
        return "a path or a map";
    default:
        return "a word";
    }
}

static bool check_key(const Yaml *y, Error *err)
{
    const char *names[NAMES_MAX];
    int n = 0;
    for (; experiment_keys[n].name; n++) {
        const TopKey *k = &experiment_keys[n];
        names[n] = k->name;
        if (strcmp(k->name, y->key) != 0) continue;
        if (k->kinds == 0)
            return yaml_fail_key(y, err, "%s: can stand in an experiment file only", k->name);
        bool fits = y->kind == YAML_NULL || (y->kind == YAML_MAP && (k->kinds & MAYBE_MAP)) ||
                    (y->kind == YAML_LIST && (k->kinds & MAYBE_LIST)) ||
                    (y->kind == YAML_SCALAR && (k->kinds & MAYBE_WORD));
        /* what is read says itself what it wants */
        return fits || k->is_read ||
               yaml_fail(y, err, "%s: expected %s", k->name, kinds_text(k->kinds));
    }
    const char *near = text_nearest(y->key, names, n);
    return yaml_fail_key(y, err, "unknown key '%.80s'%s%s%s", y->key,
                         near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

/* -- Choices */

/* "; did you mean 'x'?", and what there is when that is a short list. */
static char *hint(ComponentKind kind, const char *word, Arena *a)
{
    enum { FEW = 24 };
    const char *names[NAMES_MAX];
    Component c;
    int n = 0;
    while (n < NAMES_MAX && component_at(kind, n, &c)) names[n++] = c.name;
    const char *near = word ? text_nearest(word, names, n) : NULL;
    char *out = near ? arena_printf(a, "; did you mean '%s'?", near) : arena_string(a, "");
    if (n > FEW || n == 0)
        return near ? out : arena_printf(a, "; 'seqlab list' shows what there is");
    for (int i = 0; i < n; i++)
        out = arena_printf(a, "%s%s%s", out,
                           i      ? ", "
                           : near ? " There is: "
                                  : "; there is: ",
                           names[i]);
    return out;
}

/* Reads {name: ..., options}. `y` may be NULL or null: then `standard` is chosen. */
static bool choose(ComponentKind kind, const Yaml *y, const char *standard, Arena *a,
                   Component *out, void **options, Error *err)
{
    static const char *const also[] = {"name", NULL};
    const char *name = standard, *word = component_word[kind];
    const Yaml *named = yaml_get(y, "name");
    if (y && y->kind != YAML_NULL && y->kind != YAML_MAP)
        return yaml_fail(y, err, "%s: expected a map such as {name: %s}", component_block[kind],
                         y->kind == YAML_SCALAR ? y->text : "...");
    if (named && named->kind != YAML_NULL) {
        TRY(yaml_string(named, &name, err));
        if (!component_find(kind, name, out))
            return yaml_fail(named, err, "unknown %s '%.80s'%s", word, name, hint(kind, name, a));
    } else if (!name) {
        return yaml_fail(named ? named : y, err, "this %s has no name%s", word,
                         hint(kind, NULL, a));
    } else if (!component_find(kind, name, out)) {
        return fail(err, FAIL_CONFIG, NULL, "the default %s '%s' is not built in", word, name);
    }
    *options = arena_alloc(a, out->options->bytes);
    const char *where = kind == COMPONENT_DATA ? arena_printf(a, "in data '%s'", name)
                                               : arena_printf(a, "in %s '%s'", word, name);
    return option_read(out->options, y, also, where, *options, err);
}

static bool choose_methods(Experiment *e, Arena *a, const Yaml *list, Error *err)
{
    bool ok = true;
    if (!list || list->kind == YAML_NULL) return true;
    if (list->kind != YAML_LIST)
        return yaml_fail(list, err, "methods: expected a list such as [{name: %s}]",
                         list->kind == YAML_SCALAR ? list->text : "...");
    if (list->n > EXPERIMENT_MAX_METHODS)
        return yaml_fail(list, err, "%d methods; at most %d compose", list->n,
                         EXPERIMENT_MAX_METHODS);
    for (const Yaml *y = list->first; y; y = y->next) {
        Component c;
        void *options;
        if (choose(COMPONENT_METHOD, y, NULL, a, &c, &options, err))
            e->methods[e->n_methods++] = (MethodChoice){c.self, options};
        else
            ok = false;
    }
    return ok;
}

/* The block of the kind; without `standard` it must be there. */
static bool choose_block(const Experiment *e, ComponentKind kind, const char *standard, Arena *a,
                         Component *out, void **options, Error *err)
{
    const Yaml *y = yaml_get(e->root, component_block[kind]);
    Place file = {.file = e->path};
    if (!standard && (!y || y->kind == YAML_NULL))
        return fail(err, FAIL_CONFIG, &file, "'%s' is missing: {name: ...}%s",
                    component_block[kind], hint(kind, NULL, a));
    return choose(kind, y, standard, a, out, options, err);
}

static bool choose_all(Experiment *e, Arena *a, Error *err)
{
    Component data, model, optimizer, schedule;
    TRY(experiment_pretrained(e, a, err));
    bool ok = choose_block(e, COMPONENT_DATA, NULL, a, &data, &e->dataset_options, err);
    ok &= choose_block(e, COMPONENT_MODEL, NULL, a, &model, &e->model_options, err);
    ok &= choose_methods(e, a, yaml_get(e->root, "methods"), err);
    ok &= choose_block(e, COMPONENT_OPTIMIZER, "adam", a, &optimizer, &e->optimizer_options, err);
    ok &= choose_block(e, COMPONENT_SCHEDULE, "constant", a, &schedule, &e->schedule_options, err);
    if (!ok) return false;
    e->dataset = data.self;
    e->model = model.self;
    e->optimizer = optimizer.self;
    e->schedule = schedule.self;
    const char *conflict =
        e->optimizer->conflict ? e->optimizer->conflict(e->optimizer_options) : NULL;
    return !conflict || yaml_fail(yaml_get(e->root, "optimizer"), err, "optimizer '%s': %s",
                                  e->optimizer->name, conflict);
}

/* -- The rest */

static bool read_train(Experiment *e, Error *err)
{
    const Yaml *train = yaml_get(e->root, "train"), *steps = yaml_get(train, "steps");
    Place file = {.file = e->path};
    if (!train || train->kind == YAML_NULL)
        return fail(err, FAIL_CONFIG, &file,
                    "'train' is missing: {steps: ...} at least, in steps or epochs (10ep)");
    TRY(option_read(&train_option_table, train, NULL, "in train", &e->train, err));
    if (!steps)
        return yaml_fail_key(train, err,
                             "train.steps is missing: the length of the run, in steps "
                             "or epochs (10ep)");
    if (e->train.steps.count <= 0)
        return yaml_fail(steps, err, "steps = %s: expected more than 0", steps->text);
    return true;
}

/* "eval" and "energy": they may be left out. */
static bool read_evaluation(Experiment *e, Error *err)
{
    const Yaml *eval = yaml_get(e->root, "eval");
    bool ok = option_read(&eval_option_table, eval, NULL, "in eval", &e->eval, err);
    ok &= option_read(&energy_option_table, yaml_get(e->root, "energy"), NULL, "in energy",
                      &e->energy, err);
    if (!ok) return false;
    if (e->eval.fgsm_eps.n > EVAL_MAX_EPS || e->eval.pgd_eps.n > EVAL_MAX_EPS)
        return yaml_fail(eval, err, "fgsm_eps, pgd_eps: at most %d numbers each", EVAL_MAX_EPS);
    if (e->eval.ood && !dataset_find(e->eval.ood))
        return yaml_fail(yaml_get(eval, "ood"), err, "unknown data set '%.80s'", e->eval.ood);
    return true;
}

static bool safe_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
}

/* A path that stays below results/ and that no shell takes for something else: words of letters,
 * digits and _-. between slashes, none starting with . or - */
static bool safe_name(const char *name)
{
    if (strlen(name) > NAME_LENGTH_MAX) return false;
    bool first = true;
    for (const char *p = name; *p; p++) {
        if (first && (*p == '.' || *p == '-' || *p == '/')) return false;
        if (*p != '/' && !safe_letter(*p)) return false;
        first = *p == '/';
    }
    return !first;
}

/* shape.yaml -> shape: what a file without `name` is called. */
static const char *name_of_file(const char *path, Arena *a)
{
    const char *slash = strrchr(path, '/');
    char *name = arena_string(a, slash ? slash + 1 : path);
    char *dot = strrchr(name, '.');
    if (dot && dot != name) *dot = '\0';
    for (char *p = name; *p; p++)
        if (!safe_letter(*p)) *p = '_';
    return safe_name(name) ? name : "unnamed";
}

static bool read_names(Experiment *e, Arena *a, Error *err)
{
    const Yaml *run = yaml_get(e->root, "run"), *name = yaml_get(e->root, "name");
    bool ok = true;
    e->run = experiment_runs[0];
    e->name = name_of_file(e->path, a);
    if (run && run->kind != YAML_NULL) {
        ok = yaml_string(run, &e->run, err);
        int i = 0;
        while (ok && i < N_RUNS && strcmp(experiment_runs[i], e->run) != 0) i++;
        if (i == N_RUNS) {
            const char *near = text_nearest(e->run, experiment_runs, N_RUNS);
            ok = yaml_fail(
                run, err, "run = '%.60s': expected train, prune, init, distill or eval%s%s%s",
                e->run, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
        }
    }
    if (name && name->kind != YAML_NULL) {
        if (!yaml_string(name, &e->name, err)) return false;
        if (!safe_name(e->name))
            return yaml_fail(name, err,
                             "name = '%.80s': expected a relative path such as pruning/shape, of "
                             "letters, digits and _-., no part starting with . or -",
                             e->name);
    }
    return ok;
}

bool experiment_check_keys(const Yaml *root, Error *err)
{
    bool ok = true;
    if (root->kind != YAML_MAP) return yaml_fail(root, err, "expected a map of keys at the top");
    for (const Yaml *y = root->first; y; y = y->next)
        if (!check_key(y, err)) ok = false;
    return ok;
}

static bool read_root(Experiment *e, Arena *a, Error *err)
{
    if (e->root->kind != YAML_MAP) return experiment_check_keys(e->root, err);
    bool ok = experiment_check_keys(e->root, err);
    if (!read_names(e, a, err)) ok = false;
    if (!choose_all(e, a, err)) ok = false;
    if (!read_train(e, err)) ok = false;
    if (!read_evaluation(e, err)) ok = false;
    return ok;
}

bool experiment_load(Experiment *e, Arena *a, const char *path, const char *const words[],
                     int n_words, Error *err)
{
    bool ok = true;
    *e = (Experiment){.path = arena_string(a, path), .words = words, .n_words = n_words};
    TRY(yaml_load_experiment(a, e->path, &e->root, err));
    for (int i = 0; i < n_words; i++)
        if (!yaml_override(a, e->root, words[i], err)) ok = false;
    return read_root(e, a, err) && ok;
}

bool experiment_from_tree(Experiment *e, Arena *a, const char *path, Yaml *root, Error *err)
{
    *e = (Experiment){.path = path, .root = root};
    return read_root(e, a, err);
}

bool experiment_parse(Experiment *e, Arena *a, const char *text, size_t n, Error *err)
{
    *e = (Experiment){.path = "<text>"};
    TRY(yaml_parse(a, text, n, e->path, &e->root, err));
    return read_root(e, a, err);
}
