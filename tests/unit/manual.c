/* manual -- the reference that is generated from the option tables. */
#include "tests/test.h"

#include "manual/manual.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* -- help KEY -- */

TEST(manual, key_help_lists_every_owner)
{
    Arena *a = arena_new();
    const char *near, *text = manual_key_help(a, "lr", &near);
    assert_non_null(text);
    assert_non_null(strstr(text, "optimizer.lr  ("));
    assert_non_null(strstr(text, "optimizer sgd"));
    assert_non_null(strstr(text, "optimizer adamw"));
    assert_non_null(strstr(text, "  type: number\n"));
    arena_free(a);
}

TEST(manual, key_help_takes_a_dotted_path)
{
    Arena *a = arena_new();
    const char *near, *text = manual_key_help(a, "methods.0.sparsity", &near);
    assert_non_null(text);
    assert_non_null(strstr(text, "methods.sparsity  (method magnitude_mask)\n"
                                 "  type: number\n  default: 0.9\n  range: [0, "));
    text = manual_key_help(a, "train.seed", &near);
    assert_non_null(text);
    assert_null(strstr(text, "data.seed"));
    assert_non_null(strstr(text, "train.seed  (train)\n  type: integer\n  default: 1\n"));
    arena_free(a);
}

TEST(manual, key_help_gives_the_nearest_of_an_unknown_key)
{
    Arena *a = arena_new();
    const char *near;
    assert_null(manual_key_help(a, "train.batch_sise", &near));
    assert_string_equal(near, "batch_size");
    assert_null(manual_key_help(a, "slurm.at_onec", &near));
    assert_string_equal(near, "at_once");
    assert_null(manual_key_help(a, "xyzzyplugh", &near));
    assert_null(near);
    arena_free(a);
}

TEST(manual, key_help_knows_the_rules_of_a_swept_key)
{
    Arena *a = arena_new();
    const char *near, *text = manual_key_help(a, "sweep.optimizer.lr.log_range", &near);
    assert_non_null(text);
    assert_non_null(strstr(text, "[first, last, number of values]"));
    arena_free(a);
}

TEST(manual, key_help_of_a_block_lists_its_keys)
{
    Arena *a = arena_new();
    const char *near, *text = manual_key_help(a, "search", &near);
    assert_non_null(text);
    assert_non_null(strstr(text, "keys of search: by, over, eta, min_steps\n"));
    arena_free(a);
}

TEST(manual, nearest_key_of_a_run_is_none_for_a_known_one)
{
    assert_string_equal(experiment_nearest_key("optimizer.lrr"), "lr");
    assert_null(experiment_nearest_key("optimizer.lr"));
    assert_null(experiment_nearest_key("xyzzyplugh"));
}

/* -- The walk -- */

typedef struct Seen {
    Arena *arena;
    int n_keys;
    const ManualKey *bad; /* a key without help, or that `help KEY` does not find */
} Seen;

static void look_at(void *self, const ManualKey *key)
{
    Seen *s = self;
    const char *near;
    const char *dotted =
        *key->block ? arena_printf(s->arena, "%s.%s", key->block, key->name) : key->name;
    s->n_keys++;
    const char *text = manual_key_help(s->arena, dotted, &near);
    if (strlen(key->help) < 2 || !*key->type || !text || !strstr(text, key->help)) s->bad = key;
}

TEST(manual, every_key_has_help_and_is_found_by_its_dotted_name)
{
    Seen s = {.arena = arena_new()};
    const ManualVisitor visitor = {.self = &s, .key = look_at};
    manual_walk(&visitor, s.arena);
    if (s.bad) print_message("%s.%s\n", s.bad->block, s.bad->name);
    assert_null(s.bad);
    assert_in_range(s.n_keys, 100, 5000);
    arena_free(s.arena);
}

TEST(manual, every_map_at_the_top_is_a_block)
{
    for (const TopKey *k = experiment_keys; k->name; k++) {
        int found = k->kinds == MAYBE_WORD || k->kinds == 0 || strcmp(k->name, "paper") == 0;
        for (int kind = 0; kind < N_COMPONENT_KINDS; kind++)
            found |= strcmp(component_block[kind], k->name) == 0;
        for (const ManualBlock *b = manual_blocks; b->name; b++)
            found |= strcmp(b->name, k->name) == 0;
        if (!found) print_message("%s\n", k->name);
        assert_true(found);
    }
}

/* -- Formats -- */

TEST(manual, troff_escapes_what_it_would_take_for_its_own)
{
    Text t = {0};
    manual_troff(&t, ".a-b\\c' \u00b1");
    assert_string_equal(t.data, "\\&.a\\-b\\ec\\(aq \\[u00B1]");
    text_free(&t);
}

TEST(manual, schema_is_json_with_a_definition_a_block)
{
    Text t = {0};
    Error err = {0};
    json_error_t error;
    assert_true(manual_schema(&t, &err));
    json_t *schema = json_loads(t.data, 0, &error);
    assert_non_null(schema);
    const json_t *defs = json_object_get(schema, "$defs");
    for (const ManualBlock *b = manual_blocks; b->name; b++)
        assert_non_null(json_object_get(defs, b->name));
    const json_t *seed =
        json_object_get(json_object_get(json_object_get(defs, "train"), "properties"), "seed");
    assert_string_equal(json_string_value(json_object_get(seed, "type")), "integer");
    assert_int_equal(json_integer_value(json_object_get(seed, "default")), 1);
    assert_int_equal(json_integer_value(json_object_get(seed, "minimum")), 0);
    json_decref(schema);
    text_free(&t);
}

TEST(manual, markdown_rows_have_five_cells)
{
    Text t = {0};
    int rows = 0;
    manual_markdown(&t);
    for (const char *line = t.data; *line; line += strcspn(line, "\n") + 1) {
        if (*line != '|') continue;
        int bars = 0;
        for (const char *c = line; *c != '\n'; c++)
            bars += *c == '|' && (c == line || c[-1] != '\\');
        assert_int_equal(bars, 6);
        rows++;
    }
    assert_in_range(rows, 100, 5000);
    text_free(&t);
}
