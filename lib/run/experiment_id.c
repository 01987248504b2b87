/* experiment_id -- the canonical text of an experiment, and the run id that is its hash.
 *
 * One line a fact, in a format of its own, so that a change of how YAML is written moves no id:
 *
 *   numerics 2
 *   data cifar10 revision 1 sha256 6d95...
 *   data.augment = ["crop", "flip"]
 *   model resnet20 revision 1
 *   methods.0 squash revision 1
 *   methods.0.lambda = 0.01
 *   optimizer sgd revision 1
 *   optimizer.lr = 0.1
 *   schedule constant revision 1
 *   train.steps = 2000
 *   base 7f3a9c01d2e4
 *
 * An option stands here only where it differs from its default (option_write), paths never; so a
 * new option leaves old ids alone, and a changed default must raise the revision of its component.
 * Numbers are the shortest decimals that read back equal; words are quoted, numbers are not. */
#include "base/hash.h"
#include "base/text.h"
#include "run/component.h"

#include <string.h>

/* Raised by any change after which the same experiment gives other bits: a kernel's order of
 * additions, an approximation, the use of random streams, how a metric is summed, the meaning of
 * the train block. */
enum { NUMERICS_REVISION = 2 };

/* How a run is computed and watched, not what: */
static const char *const train_outside_id[] = {"eval_batch_size", "checkpoint_every", "best_by"};

static void drop_from_train(Yaml *map)
{
    for (size_t i = 0; i < sizeof train_outside_id / sizeof train_outside_id[0]; i++)
        (void)yaml_remove(map, train_outside_id[i]);
}

static void add_value(Text *out, const Yaml *y)
{
    if (y->kind == YAML_LIST) {
        text_add(out, "[");
        for (const Yaml *c = y->first; c; c = c->next) {
            add_value(out, c);
            if (c->next) text_add(out, ", ");
        }
        text_add(out, "]");
    } else if (y->kind == YAML_MAP) {
        text_add(out, "{");
        for (const Yaml *c = y->first; c; c = c->next) {
            text_add_json(out, c->key);
            text_add(out, ": ");
            add_value(out, c);
            if (c->next) text_add(out, ", ");
        }
        text_add(out, "}");
    } else if (y->quoted) {
        text_add_json(out, y->text);
    } else {
        text_add(out, y->text);
    }
}

static void add_options(Text *out, const char *prefix, const Yaml *map)
{
    for (const Yaml *y = map->first; y; y = y->next) {
        text_addf(out, "%s.%s = ", prefix, y->key);
        add_value(out, y);
        text_add(out, "\n");
    }
}

static void add_component(Text *out, const Experiment *e, ComponentKind kind, int i, Arena *a,
                          const char *data_sha256)
{
    Component c;
    const void *options;
    if (!component_chosen(e, kind, i, &c, &options)) return;
    const char *prefix = component_block[kind];
    if (kind == COMPONENT_METHOD) prefix = arena_printf(a, "%s.%d", prefix, i);
    text_addf(out, "%s %s revision %d", prefix, c.name, c.revision);
    if (kind == COMPONENT_DATA) text_addf(out, " sha256 %s", data_sha256);
    text_add(out, "\n");
    Yaml *map = yaml_new_map(a);
    option_write(c.options, options, false, a, map);
    add_options(out, prefix, map);
}

static void add_reference(Text *out, const char *word, const Reference *r)
{
    if (r->folder) text_addf(out, "%s sha256 %s\n", word, r->sha256);
    if (r->adapter) text_addf(out, "%s adapter sha256 %s\n", word, r->adapter_sha256);
    if (r->experiment) text_addf(out, "%s %s%s\n", word, r->experiment->id, r->best ? " best" : "");
}

char *experiment_canonical(const Experiment *e, Arena *a, const char *data_sha256)
{
    Text out = {0};
    text_addf(&out, "numerics %d\n", NUMERICS_REVISION);
    /* prune trains as train does: the same run */
    const bool trains = strcmp(e->run, "train") == 0 || strcmp(e->run, "prune") == 0;
    if (!trains) text_addf(&out, "run %s\n", e->run);
    add_component(&out, e, COMPONENT_DATA, 0, a, data_sha256);
    add_component(&out, e, COMPONENT_MODEL, 0, a, NULL);
    for (int i = 0; i < e->n_methods; i++) add_component(&out, e, COMPONENT_METHOD, i, a, NULL);
    add_component(&out, e, COMPONENT_OPTIMIZER, 0, a, NULL);
    add_component(&out, e, COMPONENT_SCHEDULE, 0, a, NULL);
    for (const ExperimentBlock *b = experiment_blocks; b->name; b++) {
        Yaml *map = yaml_new_map(a);
        if (!b->in_id) continue;
        option_write(b->options, (const char *)e + b->offset, false, a, map);
        if (b->options == &train_option_table) drop_from_train(map);
        add_options(&out, b->name, map);
    }
    add_reference(&out, "base", &e->base);
    add_reference(&out, "teacher", &e->teacher);
    char *text = arena_string(a, out.data);
    text_free(&out);
    return text;
}

void experiment_identify(Experiment *e, Arena *a, const char *data_sha256)
{
    char hex[HASH_HEX];
    const char *text = experiment_canonical(e, a, data_sha256);
    hash_bytes(text, strlen(text), hex);
    memcpy(e->id, hex, EXPERIMENT_ID - 1);
    e->id[EXPERIMENT_ID - 1] = '\0';
}
