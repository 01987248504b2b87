/* sweep -- see sweep.h. */
#include "sweep/sweep.h"

#include "base/text.h"
#include "run/datasets.h"
#include "sweep/absent_data.h"
#include "sweep/settings.h"

#include <stdlib.h>
#include <string.h>

/* The blocks that shape a sweep and show its results; no run has them. */
static const char *const shaping[] = {"sweep", "table", "claims", "search", "plots", "slurm"};
enum { N_SHAPING = sizeof shaping / sizeof shaping[0] };

enum { BROKEN_MAX = 50 }; /* settings that fail before the rest is not looked at */

typedef struct SweepInside {
    Arena *arena;
    SweepOptions options;
    Settings settings;
    Datasets datasets;
    AbsentData absent;
    Arena **kept; /* arenas of experiments whose options an open data set refers to */
    int n_kept, n_allocated;
    int *table; /* run numbers by hash of folder, open addressing; -1: free */
    int n_table;
} SweepInside;

/* -- Runs by their folder */

static unsigned folder_hash(const char *name, const char *id)
{
    unsigned h = 2166136261U;
    for (const char *p = name; *p; p++) h = (h ^ (unsigned char)*p) * 16777619U;
    for (const char *p = id; *p; p++) h = (h ^ (unsigned char)*p) * 16777619U;
    return h;
}

static int *slot_of(const Sweep *s, const char *name, const char *id)
{
    const SweepInside *in = s->inside;
    for (unsigned i = folder_hash(name, id);; i++) {
        int *slot = &in->table[i & (unsigned)(in->n_table - 1)];
        if (*slot < 0) return slot;
        if (strcmp(s->runs[*slot].id, id) == 0 && strcmp(s->runs[*slot].name, name) == 0)
            return slot;
    }
}

/* Room for twice as many runs, so that a chain of needs can be added at once. */
static void make_room(Sweep *s, int n)
{
    SweepInside *in = s->inside;
    if (s->n_runs + n <= in->n_allocated) return;
    in->n_allocated = 2 * (s->n_runs + n);
    SweepRun *runs = arena_new_array(in->arena, SweepRun, in->n_allocated);
    if (s->n_runs > 0) memcpy(runs, s->runs, sizeof(SweepRun) * (size_t)s->n_runs);
    s->runs = runs;
    for (in->n_table = 16; in->n_table < 4 * in->n_allocated;) in->n_table *= 2;
    in->table = arena_new_array(in->arena, int, in->n_table);
    memset(in->table, -1, sizeof(int) * (size_t)in->n_table);
    for (int i = 0; i < s->n_runs; i++)
        if (runs[i].twin < 0) *slot_of(s, runs[i].name, runs[i].id) = i;
}

static SweepRun *add_run(Sweep *s, const Experiment *e, const char *file)
{
    make_room(s, 1);
    SweepRun *run = &s->runs[s->n_runs];
    *run = (SweepRun){.file = file, .name = arena_string(s->inside->arena, e->name), .label = ""};
    memcpy(run->id, e->id, sizeof run->id);
    int *slot = slot_of(s, run->name, run->id);
    run->twin = *slot;
    if (*slot < 0) *slot = s->n_runs;
    s->n_runs++;
    return run;
}

/* -- Ids */

static bool identify(Sweep *s, Experiment *e, Arena *a, Error *err)
{
    SweepInside *in = s->inside;
    const Dataset *data;
    Error missing = {0};
    if (e->base.experiment) TRY(identify(s, e->base.experiment, a, err));
    if (e->teacher.experiment) TRY(identify(s, e->teacher.experiment, a, err));
    const char *sha = absent_data_find(&in->absent, e);
    if (!sha) {
        if (datasets_open(&in->datasets, e, SPLITS_ALL, &data, &missing))
            sha = data->sha256;
        else if (in->options.data_may_be_absent && missing.kind == FAIL_DATA)
            sha = absent_data_add(&in->absent, in->options.results, e);
    }
    if (sha)
        experiment_identify(e, a, sha);
    else
        for (int i = 0; i < missing.n_items; i++)
            (void)fail(err, missing.kind, NULL, "%s", missing.items[i].text);
    return sha != NULL;
}

/* -- From experiments to runs */

static const char **copy_words(Arena *a, const char *const words[], int n)
{
    const char **copy = arena_new_array(a, const char *, n + 1);
    for (int i = 0; i < n; i++) copy[i] = arena_string(a, words[i]);
    return copy;
}

/* The number of the run that a reference needs, added before the one that needs it. */
static int add_reference(Sweep *s, const Reference *r);

static void add_needs(Sweep *s, const Experiment *e, int needs[SWEEP_MAX_NEEDS], int *n)
{
    *n = 0;
    if (e->base.experiment) needs[(*n)++] = add_reference(s, &e->base);
    if (e->teacher.experiment) needs[(*n)++] = add_reference(s, &e->teacher);
}

static int add_reference(Sweep *s, const Reference *r)
{
    Arena *a = s->inside->arena;
    const Experiment *e = r->experiment;
    int needs[SWEEP_MAX_NEEDS], n_needs;
    add_needs(s, e, needs, &n_needs);
    make_room(s, 1);
    const int there = *slot_of(s, e->name, e->id);
    if (there >= 0) return there;
    SweepRun *run = add_run(s, e, arena_string(a, r->file));
    run->words = copy_words(a, r->words, r->n_words);
    run->n_words = r->n_words;
    run->n_needs = n_needs;
    memcpy(run->needs, needs, sizeof needs);
    const char *slash = strrchr(run->name, '/');
    run->label = slash ? slash + 1 : run->name;
    return s->n_runs - 1;
}

/* "lr" of optimizer.lr; a name is that of what stands before it: "schedule" of schedule.name,
 * "methods.0" of methods.0.name. */
static const char *short_key(const char *key, Arena *a)
{
    const char *dot = strrchr(key, '.');
    if (!dot) return key;
    if (strcmp(dot, ".name") != 0) return dot + 1;
    const char *whole = arena_string_n(a, key, (size_t)(dot - key));
    dot = strrchr(whole, '.');
    return dot && !(dot[1] >= '0' && dot[1] <= '9') ? dot + 1 : whole;
}

/* The command line's words that belong to every run: all but those that shape the sweep. */
static bool belongs_to_run(const char *word)
{
    for (size_t i = 0; i < N_SHAPING; i++) {
        const size_t n = strlen(shaping[i]);
        if (strncmp(word, shaping[i], n) == 0 && strchr(".=+", word[n])) return false;
    }
    return true;
}

/* What makes a run of one setting from the file. */
static const char **words_of(const Setting *setting, const char *const words[], int n_words,
                             Arena *a, int *n)
{
    const char **all = arena_new_array(a, const char *, n_words + setting->n + 1);
    *n = 0;
    for (int i = 0; i < n_words; i++)
        if (belongs_to_run(words[i])) all[(*n)++] = words[i];
    for (int i = 0; i < setting->n; i++) {
        const Pair *p = &setting->pairs[i];
        all[(*n)++] = arena_printf(a, "%s=%s", p->key, yaml_flow(a, p->value));
    }
    return all;
}

static void describe(Sweep *s, SweepRun *run, const Setting *setting, const Experiment *e)
{
    SweepInside *in = s->inside;
    Arena *a = in->arena;
    Text label = {0};
    SweepValue *values = arena_new_array(a, SweepValue, setting->n + 1);
    run->words = copy_words(a, e->words, e->n_words);
    run->n_words = e->n_words;
    for (int i = 0; i < setting->n; i++) {
        const Pair *p = &setting->pairs[i];
        values[i] = (SweepValue){p->key, yaml_flow(a, p->value)};
        text_addf(&label, "%s%s=%s", i ? " " : "", short_key(p->key, a), values[i].text);
    }
    run->values = values;
    run->n_values = setting->n;
    run->label = label.data ? arena_string(a, label.data) : "";
    text_free(&label);
    run->wanted = arena_new_array(a, const char *, in->options.n_wanted + 1);
    for (int i = 0; i < in->options.n_wanted; i++) {
        const char *text = experiment_value(e, a, in->options.wanted[i]);
        run->wanted[i] = text ? arena_string(a, text) : NULL;
    }
}

static bool set_values(Arena *a, Yaml *root, const Setting *setting, Error *err)
{
    for (int i = 0; i < setting->n; i++)
        TRY(yaml_put(a, root, setting->pairs[i].key, yaml_copy(a, setting->pairs[i].value), err));
    return true;
}

/* The experiment of one setting, without its id. */
static bool read_setting(const Sweep *s, const Setting *setting, const char *const words[],
                         int n_words, Arena *a, Experiment *e, Error *err)
{
    Yaml *root = yaml_copy(a, s->root);
    TRY(set_values(a, root, setting, err) && experiment_from_tree(e, a, s->path, root, err));
    e->words = words_of(setting, words, n_words, a, &e->n_words);
    return experiment_references(e, a, err);
}

static bool add_setting(Sweep *s, const Setting *setting, const char *const words[], int n_words,
                        Error *err)
{
    SweepInside *in = s->inside;
    Arena *a = arena_new();
    Experiment *e = arena_new_array(a, Experiment, 1);
    const int opened = in->datasets.n;
    const bool ok = read_setting(s, setting, words, n_words, a, e, err) && identify(s, e, a, err);
    if (ok) {
        int needs[SWEEP_MAX_NEEDS], n_needs;
        add_needs(s, e, needs, &n_needs);
        SweepRun *run = add_run(s, e, s->path);
        run->asked = true;
        run->n_needs = n_needs;
        memcpy(run->needs, needs, sizeof needs);
        describe(s, run, setting, e);
    }
    if (in->datasets.n == opened) {
        arena_free(a);
        return ok;
    }
    Arena **kept = arena_new_array(in->arena, Arena *, in->n_kept + 1);
    if (in->n_kept > 0) memcpy(kept, in->kept, sizeof(Arena *) * (size_t)in->n_kept);
    kept[in->n_kept++] = a;
    in->kept = kept;
    return ok;
}

/* Settings mostly make the same mistakes. */
static void merge_errors(const Error *from, Error *into)
{
    for (int i = 0; i < from->n_items; i++) {
        bool known = false;
        for (int k = 0; k < into->n_items; k++)
            known |= strcmp(into->items[k].text, from->items[i].text) == 0;
        if (known) continue;
        (void)fail(into, from->kind, NULL, "%s", from->items[i].text);
        if (into->n_items > 0 && into->n_dropped == 0)
            into->items[into->n_items - 1] = from->items[i];
    }
}

static bool add_settings(Sweep *s, const char *const words[], int n_words, Error *err)
{
    const Settings *all = &s->inside->settings;
    int broken = 0;
    for (int i = 0; i < all->n && broken < BROKEN_MAX; i++) {
        Error one = {0};
        if (add_setting(s, &all->at[i], words, n_words, &one)) continue;
        broken++;
        merge_errors(&one, err);
    }
    return broken == 0;
}

/* What shapes the sweep is no part of a run. */
static Yaml *tree_of_runs(Arena *a, const Yaml *root)
{
    Yaml *copy = yaml_copy(a, root);
    for (size_t i = 0; i < N_SHAPING; i++) (void)yaml_remove(copy, shaping[i]);
    return copy;
}

bool sweep_open(Sweep *s, Arena *a, const char *path, const char *const words[], int n_words,
                const SweepOptions *options, Error *err)
{
    SweepInside *in = arena_new_array(a, SweepInside, 1);
    Yaml *root;
    bool ok = true;
    *in = (SweepInside){.arena = a, .options = *options, .datasets = {.arena = a}};
    in->absent.arena = a;
    *s = (Sweep){.path = arena_string(a, path), .inside = in};
    TRY(yaml_load_experiment(a, s->path, &root, err));
    for (int i = 0; i < n_words; i++) ok &= yaml_override(a, root, words[i], err);
    if (!ok || !settings_read(&in->settings, a, yaml_get(root, "sweep"), err)) return false;
    s->file = root;
    s->root = tree_of_runs(a, root);
    s->keys = in->settings.keys;
    s->n_keys = in->settings.n_keys;
    /* the top's keys, once; the trees of the runs lack those that shape the sweep */
    ok = experiment_check_keys(root, err);
    if (add_settings(s, words, n_words, err) && ok) return true;
    sweep_close(s);
    return false;
}

void sweep_close(Sweep *s)
{
    SweepInside *in = s->inside;
    datasets_close(&in->datasets);
    for (int i = 0; i < in->n_kept; i++) arena_free(in->kept[i]);
    in->n_kept = 0;
}

/* -- What is asked for later */

bool sweep_experiment(const Sweep *s, int i, Arena *a, Experiment *out, const Dataset **data,
                      Error *err)
{
    const SweepRun *run = &s->runs[i];
    TRY(experiment_load(out, a, run->file, run->words, run->n_words, err));
    TRY(experiment_references(out, a, err));
    TRY(datasets_identify(&s->inside->datasets, out, a, data, err));
    return strcmp(out->id, run->id) == 0 ||
           fail(err, FAIL_RUN, NULL, "%s: changed while it was being run", run->file);
}

void sweep_folder(const Sweep *s, int i, char out[4096])
{
    (void)snprintf(out, 4096, "%s/%s/%s", s->inside->options.results, s->runs[i].name,
                   s->runs[i].id);
}
