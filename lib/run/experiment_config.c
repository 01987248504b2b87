/* experiment_config -- the resolved configuration as YAML: every option with its value, for
 * config.yaml; and the same with the place that each value came from, for --dry-run. */
#include "base/text.h"
#include "run/component.h"

#include <string.h>

typedef struct Writer {
    Text out;
    Arena *arena;
    const Experiment *experiment;
    bool sources;
} Writer;

/* "# shape.yaml:6", "# command line", "# default" at a fixed column. */
static void add_source(Writer *w, size_t line_start, const char *dotted)
{
    enum { COLUMN = 44 };
    if (w->sources) {
        size_t n = w->out.n - line_start;
        text_addf(&w->out, "%*s# ", n < COLUMN - 1 ? (int)(COLUMN - n) : 1, "");
        const Yaml *y = yaml_path(w->experiment->root, dotted);
        const bool typed = y && y->at.line == 0;
        if (!y || y->kind == YAML_NULL)
            text_add(&w->out, "default");
        else if (typed && y->at.file && strncmp(y->at.file, "command line", 12) != 0)
            text_add(&w->out, y->at.file); /* the config.json of a pretrained model */
        else if (typed)
            text_add(&w->out, "command line");
        else
            text_addf(&w->out, "%s:%d", y->at.file, y->at.line);
    }
    text_add(&w->out, "\n");
}

/* `lead` is what stands before the key: blanks, or the dash of a list. */
static void add_pair(Writer *w, const char *lead, const char *key, Yaml *value, const char *dotted)
{
    Yaml *map = yaml_new_map(w->arena);
    const bool is_map = value->kind == YAML_MAP;
    yaml_append(w->arena, map, key, value);
    char *line = yaml_write(w->arena, map);
    line[strcspn(line, "\n")] = '\0';
    if (is_map) line = arena_printf(w->arena, "%s: %s", key, yaml_flow(w->arena, value));
    size_t start = w->out.n;
    text_addf(&w->out, "%s%s", lead, line);
    add_source(w, start, dotted);
}

static void add_options(Writer *w, const char *lead, const char *dotted, const OptionTable *table,
                        const void *options)
{
    Yaml *map = yaml_new_map(w->arena);
    option_write(table, options, true, w->arena, map);
    for (Yaml *y = map->first, *next; y; y = next) {
        next = y->next;
        add_pair(w, lead, y->key, y, arena_printf(w->arena, "%s.%s", dotted, y->key));
    }
}

static void add_component(Writer *w, ComponentKind kind, int i)
{
    Component c;
    const void *options;
    if (!component_chosen(w->experiment, kind, i, &c, &options)) return;
    bool listed = kind == COMPONENT_METHOD;
    const char *dotted = component_block[kind];
    if (!listed) text_addf(&w->out, "%s:\n", dotted);
    if (listed) dotted = arena_printf(w->arena, "%s.%d", dotted, i);
    add_pair(w, listed ? "  - " : "  ", "name", yaml_new_scalar(w->arena, c.name, true),
             arena_printf(w->arena, "%s.name", dotted));
    add_options(w, listed ? "    " : "  ", dotted, c.options, options);
}

/* As a path from this run's folder to the other's: both lie below the same results folder. With
 * `sources`, before there are folders, the file itself. */
static void add_reference(Writer *w, const char *word, const Reference *r)
{
    const Experiment *other = r->experiment;
    const char *folder = r->adapter ? r->adapter : r->folder;
    if (folder) add_pair(w, "", word, yaml_new_scalar(w->arena, folder, true), word);
    if (!other) return;
    const char *path = arena_printf(w->arena, "%s/%s/config.yaml", other->name, other->id);
    for (const char *p = w->experiment->name; p; p = strchr(p + 1, '/'))
        path = arena_printf(w->arena, "../%s", path);
    path = w->sources ? r->file : arena_printf(w->arena, "../%s", path);
    text_addf(&w->out, "%s:\n", word);
    add_pair(w, "  ", "file", yaml_new_scalar(w->arena, path, true),
             arena_printf(w->arena, "%s.file", word));
    add_pair(w, "  ", "checkpoint", yaml_new_scalar(w->arena, r->best ? "best" : "last", true),
             arena_printf(w->arena, "%s.checkpoint", word));
}

static char *write_config(const Experiment *e, Arena *a, bool sources)
{
    Writer w = {.arena = a, .experiment = e, .sources = sources};
    add_pair(&w, "", "run", yaml_new_scalar(a, e->run, true), "run");
    add_pair(&w, "", "name", yaml_new_scalar(a, e->name, true), "name");
    add_component(&w, COMPONENT_DATA, 0);
    add_component(&w, COMPONENT_MODEL, 0);
    text_add(&w.out, e->n_methods ? "methods:\n" : "methods: []\n");
    for (int i = 0; i < e->n_methods; i++) add_component(&w, COMPONENT_METHOD, i);
    add_component(&w, COMPONENT_OPTIMIZER, 0);
    add_component(&w, COMPONENT_SCHEDULE, 0);
    for (const ExperimentBlock *b = experiment_blocks; b->name; b++) {
        if (!b->always && !yaml_get(e->root, b->name)) continue;
        text_addf(&w.out, "%s:\n", b->name);
        add_options(&w, "  ", b->name, b->options, (const char *)e + b->offset);
    }
    add_reference(&w, "base", &e->base);
    add_reference(&w, "teacher", &e->teacher);
    char *text = arena_string(a, w.out.data);
    text_free(&w.out);
    return text;
}

char *experiment_config(const Experiment *e, Arena *a)
{
    return write_config(e, a, false);
}

char *experiment_config_sources(const Experiment *e, Arena *a)
{
    return write_config(e, a, true);
}

/* The options that the first words of a dotted key name, and the rest of the key. */
static const char *find_options(const Experiment *e, const char *dotted, Component *c,
                                const void **options)
{
    for (int kind = 0; kind < N_COMPONENT_KINDS; kind++) {
        const size_t n = strlen(component_block[kind]);
        const char *rest = dotted + n + 1;
        int i = 0;
        if (strncmp(dotted, component_block[kind], n) != 0 || dotted[n] != '.') continue;
        if (kind == COMPONENT_METHOD) {
            while (*rest >= '0' && *rest <= '9' && i < EXPERIMENT_MAX_METHODS)
                i = 10 * i + (*rest++ - '0');
            if (*rest++ != '.') return NULL;
        }
        return component_chosen(e, (ComponentKind)kind, i, c, options) ? rest : NULL;
    }
    return NULL;
}

const char *experiment_value(const Experiment *e, Arena *a, const char *dotted)
{
    Component c;
    const void *options;
    const char *name = find_options(e, dotted, &c, &options), *text = NULL;
    if (strcmp(dotted, "run") == 0) return e->run;
    if (strcmp(dotted, "name") == 0) return e->name;
    if (name && strcmp(name, "name") == 0) return c.name;
    if (name) text = option_value_text(c.options, options, name, a);
    for (const ExperimentBlock *b = experiment_blocks; b->name && !text; b++) {
        const size_t n = strlen(b->name);
        if (strncmp(dotted, b->name, n) == 0 && dotted[n] == '.')
            text = option_value_text(b->options, (const char *)e + b->offset, dotted + n + 1, a);
    }
    if (text) return text;
    const Yaml *y = yaml_path(e->root, dotted);
    if (!y) return NULL;
    return y->kind == YAML_SCALAR ? y->text : yaml_flow(a, y);
}
