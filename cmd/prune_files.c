/* prune_files -- pruning without training: the layer table of --dry-run, and weights in files. */
#include "cmd/prune.h"

#include "io/safetensors.h"
#include "run/checkpoint.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

static const Place place = {.file = "command line"};

/* -- Tasks of data that are not there */

typedef struct KnownTask {
    const char *data;
    int side, channels, n_classes;
} KnownTask;

static const KnownTask known_tasks[] = {
    {"mnist",         28, 1, 10 },
    {"fashion_mnist", 28, 1, 10 },
    {"cifar10",       32, 3, 10 },
    {"cifar100",      32, 3, 100},
};

static bool task_of_name(const char *data, Task *out)
{
    for (size_t i = 0; i < sizeof known_tasks / sizeof *known_tasks; i++) {
        const KnownTask *k = &known_tasks[i];
        if (strcmp(k->data, data) != 0) continue;
        *out = (Task){.sample = shape(3, (int64_t)k->side, (int64_t)k->side, (int64_t)k->channels),
                      .n_classes = k->n_classes};
        return true;
    }
    return false;
}

/* Methods that look at examples for what they do: by these scores, and by all criteria of blocks
 * and filters but two. */
static bool looks_at_data(const Experiment *e, Arena *a)
{
    static const char *const keys[] = {"score", "source"};
    for (int i = 0; i < e->n_methods; i++) {
        for (int k = 0; k < 2; k++) {
            const char *value =
                experiment_value(e, a, arena_printf(a, "methods.%d.%s", i, keys[k]));
            if (value && (strstr(value, "snip") || strstr(value, "grasp"))) return true;
        }
        const char *criterion = experiment_value(e, a, arena_printf(a, "methods.%d.criterion", i));
        if (criterion && strcmp(criterion, "l1") != 0 && strcmp(criterion, "random") != 0)
            return true;
    }
    return false;
}

/* The data where they are needed, else only what examples look like. */
static bool find_task(Target *t, Arena *a, Task *task, Error *err)
{
    const Experiment *e = &t->experiment;
    const bool needed = looks_at_data(e, a);
    const Yaml *data = yaml_get(e->root, "data");
    const bool plain =
        !yaml_get(data, "layout") && !yaml_get(data, "pool") && !yaml_get(data, "grey");
    if (!needed && plain && task_of_name(e->dataset->name, task)) return true;
    if (!datasets_open(&t->datasets, e, 1U << SPLIT_TRAIN, &t->data, err)) {
        if (needed) error_note(err, "the method's scores look at examples");
        return false;
    }
    *task = t->data->task;
    return true;
}

/* A network with first values, or those of `base`, as the methods change it before training. */
static bool prune_network(Target *t, const char *base, Arena *a, Network *n, Error *err)
{
    const Experiment *e = &t->experiment;
    NetworkOptions o = {.train = true,
                        .total_steps = steps_resolve(e->train.steps, 1),
                        .steps_per_epoch = 1,
                        .base = base};
    TRY(find_task(t, a, &o.task, err));
    o.data = t->data;
    TRY(network_new(n, e, &o, a, err));
    if (network_init(n, NULL, base, err)) return true;
    network_free(n);
    return false;
}

static bool print_table(const Network *n, const Invocation *in, const char *written,
                        const char *architecture, Error *err)
{
    Account account;
    TRY(prune_account(n, in->arena, &account, err));
    if (!in->flags.json) {
        prune_print_account(&account);
        return true;
    }
    Json j = {0};
    json_begin(&j, NULL, '{');
    if (written) json_add_text(&j, "output", written);
    if (architecture) json_add_text(&j, "architecture", architecture);
    prune_json_account(&account, &j);
    json_end(&j, '}');
    json_print(&j);
    return true;
}

bool prune_dry_run(const Invocation *in, Target *t, Error *err)
{
    Experiment *e = &t->experiment;
    Network n;
    /* All levels at once keep as many weights of each layer as one after the other. */
    for (int i = 0; i < e->n_methods; i++)
        if (strcmp(e->methods[i].method->name, "lottery") == 0) {
            TRY(yaml_override(in->arena, e->root,
                              arena_printf(in->arena, "methods.%d.control=one_shot", i), err));
            TRY(experiment_from_tree(e, in->arena, e->path, e->root, err));
        }
    if (!prune_network(t, "", in->arena, &n, err)) {
        target_close(t);
        return false;
    }
    const bool ok = print_table(&n, in, NULL, NULL, err);
    if (ok && !in->flags.quiet)
        (void)fprintf(stderr,
                      "%s: first values of seed %lld; what depends on trained weights can "
                      "come out otherwise\n",
                      e->path, (long long)e->train.seed);
    network_free(&n);
    target_close(t);
    return ok;
}

/* -- Weights in a file */

bool prune_is_weights(const char *word)
{
    static const char end[] = ".safetensors";
    const size_t n = strlen(word);
    return n > sizeof end - 1 && strcmp(word + n - (sizeof end - 1), end) == 0;
}

/* Of weights in RUN/checkpoint/ the run's data and model, else empty. */
static bool start_tree(const Invocation *in, Yaml **out, Error *err)
{
    static const char text[] = "run: prune\nname: prune\ndata: {name: cifar10}\nmodel: {}\n"
                               "methods: [{}]\ntrain: {steps: 1, batch_size: 2}\n";
    Arena *a = in->arena;
    Yaml *config;
    const char *path = in->words[0], *slash = strrchr(path, '/');
    const char *run =
        arena_printf(a, "%.*s../config.yaml", slash ? (int)(slash + 1 - path) : 0, path);
    TRY(yaml_parse(a, text, sizeof text - 1, "command line", out, err));
    if (!file_exists(run)) return true;
    TRY(yaml_load(a, run, &config, err));
    const char *const blocks[] = {"data", "model"};
    for (int i = 0; i < 2; i++)
        if (yaml_get(config, blocks[i]))
            yaml_set(a, *out, blocks[i], yaml_copy(a, yaml_get(config, blocks[i])));
    return true;
}

/* The share that stays as the method's density, or where it has none that which goes as its p, of
 * blocks, or filters. A trained network keeps its weights unless the words say otherwise. */
static bool apply_share(const Invocation *in, Yaml *root, const char *method, Error *err)
{
    static const char *const shares[] = {"p", "filters"};
    const Flags *f = &in->flags;
    Arena *a = in->arena;
    const Method *m = method_find(method);
    const double density = isnan(f->density) ? 1 - f->ratio : f->density;
    if (strcmp(method, "precrop") == 0) TRY(yaml_override(a, root, "methods.0.keep=norm", err));
    if (isnan(density)) return true;
    if (!m || option_find(&m->options, "density"))
        return yaml_override(a, root, arena_printf(a, "methods.0.density=%.10g", density), err);
    for (int i = 0; i < 2; i++)
        if (option_find(&m->options, shares[i]))
            return yaml_override(
                a, root, arena_printf(a, "methods.0.%s=%.10g", shares[i], 1 - density), err);
    return fail(err, FAIL_USAGE, &place, "method '%s' takes no --ratio and no --density", method);
}

/* The words: those of `method.` belong to the only method. */
static bool apply_words(const Invocation *in, Yaml *root, Error *err)
{
    Arena *a = in->arena;
    const char *method = in->flags.method ? in->flags.method : "prune";
    TRY(yaml_override(a, root, arena_printf(a, "methods.0.name=%s", method), err));
    TRY(apply_share(in, root, method, err));
    for (int i = 1; i < in->n_words; i++) {
        const char *word = in->words[i];
        if (!strchr(word, '='))
            return fail(err, FAIL_USAGE, &place, "'%.60s' is no key=value", word);
        if (strncmp(word, "method.", 7) == 0) word = arena_printf(a, "methods.0.%s", word + 7);
        TRY(yaml_override(a, root, word, err));
    }
    if (!yaml_path(root, "model.name"))
        return fail(err, FAIL_USAGE, &place,
                    "%s lies in no run's folder: say what model it is of, model.name=resnet20",
                    in->words[0]);
    return true;
}

/* What the weights' metadata say of their architecture. */
static bool apply_architecture(const Invocation *in, Yaml *root, Error *err)
{
    Safetensors file;
    Yaml *y = NULL;
    TRY(safetensors_open(&file, in->arena, in->words[0], err));
    const char *text = safetensors_metadata(&file, CHECKPOINT_ARCHITECTURE);
    bool ok = !text || yaml_parse(in->arena, arena_string(in->arena, text), strlen(text),
                                  in->words[0], &y, err);
    safetensors_close(&file);
    Yaml *model = (Yaml *)yaml_get(root, "model");
    for (const Yaml *c = ok && y ? y->first : NULL; c; c = c->next)
        yaml_set(in->arena, model, c->key, yaml_copy(in->arena, c));
    return ok;
}

/* What only training needs. */
static bool is_left_out(const Param *p)
{
    const char *ends[] = {"_mask", "_rewind"};
    const size_t n = strlen(p->name);
    for (int i = 0; i < 2; i++) {
        const size_t m = strlen(ends[i]);
        if (p->role == ROLE_BUFFER && n > m && strcmp(p->name + n - m, ends[i]) == 0) return true;
    }
    return false;
}

static bool write_weights(const Network *n, const char *path, Arena *a, Error *err)
{
    StTensor *tensors = arena_new_array(a, StTensor, n->params->n);
    const char *metadata[][2] = {
        {CHECKPOINT_LAYERS, checkpoint_layers(n->params, a)},
        {CHECKPOINT_ARCHITECTURE,                 n->params->architecture                     }
    };
    int count = 0;
    for (const Param *p = n->params->first; p; p = p->next) {
        if (is_left_out(p)) continue;
        StTensor *t = &tensors[count++];
        *t = (StTensor){.name = p->name,
                        .dtype = ST_F32,
                        .rank = p->shape.rank,
                        .n = p->n,
                        .data = p->data,
                        .bytes = sizeof(float) * (size_t)p->n};
        memcpy(t->dim, p->shape.dim, sizeof(int64_t) * (size_t)p->shape.rank);
    }
    return safetensors_write(path, tensors, count, metadata, n->params->architecture ? 2 : 1, err);
}

/* The model block, which experiments extend. */
static const char *architecture_yaml(const Network *n, const Invocation *in)
{
    Arena *a = in->arena;
    const char *body = NULL;
    if (n->architecture) body = strchr(architecture_file(n, a), '\n');
    if (!body) {
        Yaml *root = yaml_new_map(a);
        yaml_set(a, root, "model", yaml_copy(a, yaml_get(n->experiment->root, "model")));
        body = arena_printf(a, "\n%s", yaml_write(a, root));
    }
    return arena_printf(a, "# of %s; an experiment takes it by `extends:`%s", in->flags.output,
                        body);
}

/* Both files or none: the architecture is on the disk, under another name, before the weights are
 * written, and gets its name when they have theirs. */
static bool write_both(const Network *n, const Invocation *in, const char *yaml, Error *err)
{
    const char *text = architecture_yaml(n, in);
    FileWriter w;
    TRY(file_writer_open(&w, yaml, err));
    if (!file_writer_add(&w, text, strlen(text), err) ||
        !write_weights(n, in->flags.output, in->arena, err)) {
        file_writer_abandon(&w);
        return false;
    }
    if (file_writer_commit(&w, err)) return true;
    (void)unlink(in->flags.output);
    return false;
}

static bool write_files(const Network *n, const Invocation *in, Error *err)
{
    const char *out = in->flags.output;
    if (!out) return print_table(n, in, NULL, NULL, err);
    const char *yaml =
        arena_printf(in->arena, "%.*s.yaml", (int)(strlen(out) - strlen(".safetensors")), out);
    TRY(write_both(n, in, yaml, err));
    TRY(print_table(n, in, out, yaml, err));
    if (in->flags.quiet) return true;
    (void)fprintf(stderr, "%s, %s: %s\n", out, yaml,
                  !n->reshaped   ? "the weights of the file, zeros where masked"
                  : n->inherited ? "the weights of the file, of what stays"
                                 : "new first values: no weights are kept");
    return true;
}

static bool check_flags(const Invocation *in, Error *err)
{
    const Flags *f = &in->flags;
    if (!isnan(f->ratio) && !isnan(f->density))
        return fail(err, FAIL_USAGE, &place, "--ratio and --density say the same: give one");
    if (!f->output && !f->dry_run)
        return fail(err, FAIL_USAGE, &place, "--output=X.safetensors is missing, or --dry-run");
    if (f->output && !prune_is_weights(f->output))
        return fail(err, FAIL_USAGE, &place,
                    "--output=%.80s: expected a name ending in .safetensors", f->output);
    return true;
}

bool prune_weights(const Invocation *in, Error *err)
{
    Target *t = arena_alloc(in->arena, sizeof *t);
    Yaml *root;
    Network n;
    *t = (Target){.datasets = {.arena = in->arena}, .results = in->flags.results};
    TRY(check_flags(in, err));
    TRY(start_tree(in, &root, err));
    TRY(apply_architecture(in, root, err));
    TRY(apply_words(in, root, err));
    TRY(experiment_from_tree(&t->experiment, in->arena, in->words[0], root, err));
    bool ok = prune_network(t, in->words[0], in->arena, &n, err);
    if (ok) {
        Invocation quiet = *in;
        if (in->flags.dry_run) quiet.flags.output = NULL;
        ok = write_files(&n, &quiet, err);
        network_free(&n);
    }
    target_close(t);
    return ok;
}
