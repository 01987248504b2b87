/* yaml -- extends, overrides, building, writing, and the time that a small file takes. */
#include "tests/test.h"

#include "base/clock.h"
#include "io/file.h"
#include "io/yaml.h"

#include <stdio.h>
#include <string.h>

static Yaml *load(Arena *a, const char *text)
{
    Yaml *y = NULL;
    Error err = {0};
    ASSERT_OK(yaml_parse(a, text, strlen(text), "t.yaml", &y, &err), &err);
    return y;
}

static void text_is(const Yaml *y, const char *text)
{
    assert_non_null(y);
    assert_int_equal(y->kind, YAML_SCALAR);
    assert_string_equal(y->text, text);
}

/* -- extends -- */

static const char *put_file(Arena *a, const char *folder, const char *name, const char *text)
{
    Error err = {0};
    const char *path = arena_printf(a, "%s/%s", folder, name);
    ASSERT_OK(file_replace(path, text, strlen(text), &err), &err);
    return path;
}

static void not_composed(Arena *a, const char *path, const char *message)
{
    Error err = {0};
    Yaml *y;
    ASSERT_FAILS(yaml_load_experiment(a, path, &y, &err), &err, FAIL_CONFIG, message);
}

TEST(yaml_extends, maps_merge_and_the_rest_replaces)
{
    Arena *a = arena_new();
    Error err = {0};
    Yaml *y;
    const char *folder = test_folder();
    put_file(a, folder, "base.yaml", "model: {name: mlp, sizes: [1, 2]}\ntrain: {steps: 5}\n");
    const char *path =
        put_file(a, folder, "own.yaml", "extends: base.yaml\nmodel: {sizes: [3]}\ntrain: ~\n");
    ASSERT_OK(yaml_load_experiment(a, path, &y, &err), &err);
    text_is(yaml_path(y, "model.name"), "mlp");
    assert_int_equal(yaml_path(y, "model.sizes")->n, 1);
    text_is(yaml_path(y, "model.sizes.0"), "3");
    assert_int_equal(yaml_get(y, "train")->kind, YAML_NULL);
    assert_null(yaml_get(y, "extends"));
    assert_int_equal(y->n, 2);
    arena_free(a);
}

TEST(yaml_extends, chains_and_lists_let_the_later_win)
{
    Arena *a = arena_new();
    Error err = {0};
    Yaml *y;
    const char *folder = test_folder();
    put_file(a, folder, "a.yaml", "x: a\ny: a\nz: a\nw: a\n");
    put_file(a, folder, "b.yaml", "extends: a.yaml\nx: b\ny: b\n");
    put_file(a, folder, "c.yaml", "y: c\nz: c\n");
    const char *path = put_file(a, folder, "own.yaml", "z: own\nextends: [b.yaml, c.yaml]\n");
    ASSERT_OK(yaml_load_experiment(a, path, &y, &err), &err);
    text_is(yaml_get(y, "w"), "a");
    text_is(yaml_get(y, "x"), "b");
    text_is(yaml_get(y, "y"), "c");
    text_is(yaml_get(y, "z"), "own");
    arena_free(a);
}

TEST(yaml_extends, messages_name_the_file_that_extends)
{
    Arena *a = arena_new();
    Error err = {0};
    Yaml *y;
    double value;
    const char *folder = test_folder();
    Error made = {0};
    ASSERT_OK(folder_make(arena_printf(a, "%s/base", folder), &made), &made);
    const char *base = put_file(a, folder, "base/b.yaml", "a: 1\noptimizer: {lr: fast}\n");
    const char *path = put_file(a, folder, "own.yaml", "run: train\nextends: base/b.yaml\n");
    ASSERT_OK(yaml_load_experiment(a, path, &y, &err), &err);
    ASSERT_FAILS(yaml_real(yaml_path(y, "optimizer.lr"), &value, &err), &err, FAIL_CONFIG,
                 arena_printf(a, "%s:2:17 (from %s:2): expected a number, found the word 'fast'",
                              base, path));
    assert_string_equal(err.items[0].excerpt, "    optimizer: {lr: fast}\n"
                                              "                    ^~~~");
    assert_string_equal(yaml_get(y, "run")->from, "");
    arena_free(a);
}

TEST(yaml_extends, circles_missing_files_and_wrong_types_are_refused)
{
    Arena *a = arena_new();
    const char *folder = test_folder();
    const char *one = put_file(a, folder, "one.yaml", "extends: two.yaml\n");
    put_file(a, folder, "two.yaml", "a: 1\nextends: [./one.yaml]\n");
    not_composed(a, one, "two.yaml:2:11: extends goes in a circle: ./one.yaml is already being");
    not_composed(a, put_file(a, folder, "self.yaml", "extends: self.yaml\n"),
                 "self.yaml:1:10: extends goes in a circle");
    not_composed(a, put_file(a, folder, "m.yaml", "extends: absent.yaml\n"),
                 arena_printf(a, "m.yaml:1:10: extends: %s/absent.yaml is not there", folder));
    not_composed(a, put_file(a, folder, "t.yaml", "extends: {a: 1}\n"),
                 "t.yaml:1:10: expected a word, found a map");
    not_composed(a, put_file(a, folder, "n.yaml", "extends:\n"), "expected a word, found nothing");
    not_composed(a, put_file(a, folder, "l.yaml", "- 1\n"),
                 "l.yaml:1:1: expected a map of keys at the top");
    arena_free(a);
}

TEST(yaml_extends, are_16_files_deep)
{
    Arena *a = arena_new();
    Error err = {0};
    Yaml *y;
    const char *folder = test_folder(), *path = put_file(a, folder, "f0.yaml", "x: deep\n");
    for (int i = 1; i <= 16; i++) {
        if (i == 16) ASSERT_OK(yaml_load_experiment(a, path, &y, &err), &err);
        path = put_file(a, folder, arena_printf(a, "f%d.yaml", i),
                        arena_printf(a, "extends: f%d.yaml\n", i - 1));
    }
    text_is(yaml_get(y, "x"), "deep");
    not_composed(a, path, "extends is deeper than 16 files");
    arena_free(a);
}

/* -- Overrides -- */

static Yaml *with(Arena *a, const char *text, const char *word)
{
    Yaml *y = load(a, text);
    Error err = {0};
    ASSERT_OK(yaml_override(a, y, word, &err), &err);
    return y;
}

static void no_override(const char *text, const char *word, const char *why)
{
    Arena *a = arena_new();
    Yaml *y = load(a, text);
    Error err = {0};
    ASSERT_FAILS(yaml_override(a, y, word, &err), &err, FAIL_USAGE,
                 arena_printf(a, "command line: %s: %s", word, why));
    arena_free(a);
}

TEST(yaml_override, replaces_at_a_path)
{
    Arena *a = arena_new();
    const char *text = "a: {b: [1, {c: 2}, 3]}\n";
    text_is(yaml_path(with(a, text, "a.b.0=x"), "a.b.0"), "x");
    text_is(yaml_path(with(a, text, "a.b.0=x"), "a.b.2"), "3");
    text_is(yaml_path(with(a, text, "a.b.1.c=x"), "a.b.1.c"), "x");
    assert_int_equal(yaml_path(with(a, text, "a.b=[7]"), "a.b")->n, 1);
    text_is(yaml_path(with(a, text, "a={k: v}"), "a.k"), "v");
    assert_int_equal(yaml_path(with(a, text, "a=null"), "a")->kind, YAML_NULL);
    text_is(yaml_path(with(a, text, "a=x=y"), "a"), "x=y");
    arena_free(a);
}

TEST(yaml_override, makes_new_keys_and_maps_on_the_way)
{
    Arena *a = arena_new();
    text_is(yaml_path(with(a, "a: 1\n", "b.c.d=2"), "b.c.d"), "2");
    text_is(yaml_path(with(a, "a:\n", "a.b=2"), "a.b"), "2"); /* null stands for an empty map */
    text_is(yaml_path(with(a, "a: [~]\n", "a.0.b=2"), "a.0.b"), "2");
    text_is(yaml_path(with(a, "", "train.seed=3"), "train.seed"), "3");
    arena_free(a);
}

TEST(yaml_override, appends_to_lists)
{
    Arena *a = arena_new();
    const char *text = "methods: [{name: a}]\nnone:\n";
    Yaml *y = with(a, text, "methods+={name: ema, decay: 0.9}");
    assert_int_equal(yaml_get(y, "methods")->n, 2);
    text_is(yaml_path(y, "methods.1.name"), "ema");
    text_is(yaml_path(with(a, text, "none+=x"), "none.0"), "x");
    text_is(yaml_path(with(a, text, "new+=x"), "new.0"), "x");
    text_is(yaml_path(with(a, text, "methods.0.tags+=x"), "methods.0.tags.0"), "x");
    arena_free(a);
}

TEST(yaml_override, nothing_is_the_empty_text)
{
    Arena *a = arena_new();
    text_is(yaml_get(with(a, "a: 1\n", "a="), "a"), "");
    text_is(yaml_get(with(a, "a: 1\n", "a= "), "a"), "");
    text_is(yaml_get(with(a, "a: 1\n", "a='#x'"), "a"), "#x");
    no_override("a: 1\n", "a=#x", "'#' starts a comment; quote the value");
    arena_free(a);
}

TEST(yaml_override, wrong_paths_are_usage_errors)
{
    const char *text = "a: {b: [1, 2]}\ns: word\n";
    no_override(text, "a.b.2=x", "item 2 of a list of 2; the first is 0");
    no_override(text, "a.b.2.c=x", "item 2 of a list of 2; the first is 0");
    no_override(text, "a.b.-1=x", "'-1' is not the number of a list's item");
    no_override(text, "a.b.first=x", "'first' is not the number of a list's item");
    no_override(text, "s.x=1", "'s' is a value: nothing stands below it");
    no_override(text, "a.b.0.x=1", "'0' is a value: nothing stands below it");
    no_override(text, "s+=1", "'s' is not a list");
    no_override(text, "a+=1", "'a' is not a list");
    no_override(text, "a..b=1", "an empty name in the path");
    no_override(text, ".a=1", "an empty name in the path");
    no_override(text, "a.=1", "an empty name in the path");
    no_override(text, "+=1", "an empty name in the path");
    no_override(text, "a", "expected key=value");
    no_override(text, "=1", "expected key=value");
    no_override("~\n", "a=1", "'a' has no map to stand in");
    no_override(text, "a\x01=1", "the path is not text");
    no_override(text, "a\xff=1", "the path is not text");
}

TEST(yaml_override, wrong_values_are_usage_errors)
{
    no_override("a: 1\n", "a=[1, 2", "the value is refused: not YAML: ");
    no_override("a: 1\n", "a={b: 1, b: 2}", "the value is refused: key 'b' stands twice");
    no_override("a: 1\n", "a=*x", "the value is refused: alias *x has no anchor");
}

TEST(yaml_override, depth_and_names_are_bounded)
{
    Arena *a = arena_new();
    char word[1024] = "a";
    for (int i = 1; i < 64; i++) strcat(word, ".a");
    strcat(word, "=1");
    assert_int_equal(yaml_height(with(a, "", word)), 64);
    word[strlen(word) - 2] = '\0';
    no_override("", arena_printf(a, "%s=[1]", word), "nested deeper than 64 levels");
    memset(word, 'k', 128);
    (void)snprintf(word + 128, 8, "=1");
    no_override("", word, "a name of over 127 bytes");
    arena_free(a);
}

TEST(yaml_override, later_mistakes_stand_at_the_word)
{
    Arena *a = arena_new();
    Error err = {0};
    int64_t seed;
    Yaml *y = with(a, "train: {seed: 1}\n", "train.seed=three");
    ASSERT_FAILS(yaml_int(yaml_path(y, "train.seed"), &seed, &err), &err, FAIL_USAGE,
                 "command line: train.seed=three: expected an integer, found the word 'three'");
    assert_string_equal(err.items[0].excerpt, "");
    error_clear(&err);
    ASSERT_FAILS(yaml_fail_key(yaml_path(y, "train.seed"), &err, "unknown"), &err, FAIL_USAGE,
                 "command line: train.seed=three: unknown");
    arena_free(a);
}

/* -- Building and writing -- */

static bool equal(const Yaml *x, const Yaml *y)
{
    if (x->kind != y->kind || x->n != y->n) return false;
    if (x->kind == YAML_SCALAR &&
        (strcmp(x->text, y->text) != 0 || yaml_is_number(x) != yaml_is_number(y)))
        return false;
    const Yaml *d = y->first;
    for (const Yaml *c = x->first; c; c = c->next, d = d->next)
        if ((x->kind == YAML_MAP && strcmp(c->key, d->key) != 0) || !equal(c, d)) return false;
    return true;
}

TEST(yaml_write, what_is_written_reads_back_equal)
{
    static const char *const texts[] = {
        "a: {b: [1, -.5, +2, 1e-3, x y, 'it''s', \"q\\\"\\\\\\n\\t\", '', ~, {}, []]}\n",
        "- [[1, 2], [{a: 1, b: [{c: d}]}]]\n- - - x\n- {a: {b: {}}}\n",
        "'': empty\n'<<': {x: 1}\n'null': 1\n'0.5': 91\n'a: b': c\n'# x': y\n'- z': w\n",
        "[]\n",
        "{}\n",
        "word\n",
        "'3'\n",
        "[a, b]\n",
        "~\n",
        "a: \"\\u0085\\u2028\\u2029\\ufeff\\ufffe\\x7f\\x80\\x01\\U0001f600\"\n",
        "a: n\xc3\xa4h \xe6\x97\xa5\n",
        "a: '  lead'\nb: 'trail  '\nc: two  blanks\nd: '...'\ne: '---'\nf: '? x'\ng: -x\nh: '%'\n",
        "a: |\n  one\n\n   two\nb: >\n  f\n  g\n"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        Arena *a = arena_new();
        Yaml *y = load(a, texts[i]);
        const char *text = yaml_write(a, y);
        Yaml *again = load(a, text);
        if (!equal(y, again)) print_error("case %zu:\n%s", i, text);
        assert_true(equal(y, again));
        assert_string_equal(yaml_write(a, again), text);
        arena_free(a);
    }
}

TEST(yaml_write, block_style_with_short_lists_in_one_line)
{
    Arena *a = arena_new();
    Yaml *y =
        load(a, "{run: train, model: {sizes: [16, 8], none: ~}, methods: [{name: a, x: {y: 1}}, "
                "b], e: {}, l: [[1], [2, 3]]}");
    assert_string_equal(yaml_write(a, y), "run: train\n"
                                          "model:\n"
                                          "  sizes: [16, 8]\n"
                                          "  none: null\n"
                                          "methods:\n"
                                          "  - name: a\n"
                                          "    x:\n"
                                          "      y: 1\n"
                                          "  - b\n"
                                          "e: {}\n"
                                          "l:\n"
                                          "  - [1]\n"
                                          "  - [2, 3]\n");
    arena_free(a);
}

TEST(yaml_write, strings_that_look_like_other_types_stay_quoted)
{
    /* each is no string to PyYAML 6 (YAML 1.1) when it stands plain */
    static const char *const words[] = {"yes", "No",   "on",    "OFF",  "true",  "null",
                                        "~",   "0x1F", "1_000", "1:30", ".inf",  ".5",
                                        "010", "<<",   "=",     "Null", "+12e3", "2020-01-01"};
    Arena *a = arena_new();
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        assert_string_equal(yaml_write(a, yaml_new_scalar(a, words[i], true)),
                            arena_printf(a, "\"%s\"\n", words[i]));
    assert_string_equal(yaml_write(a, yaml_new_scalar(a, "yes", false)), "yes\n");
    assert_string_equal(yaml_write(a, yaml_new_scalar(a, "adam", true)), "adam\n");
    arena_free(a);
}

TEST(yaml_write, bytes_that_are_no_utf8_become_the_replacement_character)
{
    /* stray continuation, overlong slash, surrogate, past U+10FFFF, cut short: Unicode 15, table
     * 3-7 */
    static const char *const wrong[] = {"\x80", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                        "\xe6\x97"};
    Arena *a = arena_new();
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        const char *text = yaml_write(a, yaml_new_scalar(a, wrong[i], true));
        assert_int_equal(strncmp(text, "\"\\ufffd", 7), 0);
        assert_int_equal(load(a, text)->kind, YAML_SCALAR);
        assert_false(yaml_is_text(wrong[i]));
    }
    assert_true(yaml_is_text("a\xc3\xa4\xe6\x97\xa5\xf0\x9f\x98\x80"));
    arena_free(a);
}

TEST(yaml_build, sets_appends_removes_and_copies)
{
    Arena *a = arena_new();
    Yaml *map = yaml_new_map(a), *list = yaml_new_list(a);
    yaml_append(a, list, NULL, yaml_new_scalar(a, "1", false));
    yaml_append(a, list, NULL, yaml_new_scalar(a, "2", false));
    yaml_append(a, map, "list", list);
    yaml_set(a, map, "x", yaml_new_scalar(a, "old", false));
    yaml_set(a, map, "z", yaml_new_scalar(a, "end", false));
    yaml_set(a, map, "x", yaml_new_scalar(a, "new", false));
    Yaml *copy = yaml_copy(a, map);
    assert_true(yaml_remove(map, "list"));
    assert_false(yaml_remove(map, "list"));
    assert_string_equal(yaml_write(a, map), "x: new\nz: end\n");
    assert_string_equal(yaml_write(a, copy), "list: [1, 2]\nx: new\nz: end\n");
    assert_int_equal(map->n, 2);
    arena_free(a);
}

TEST(yaml_load, takes_under_a_millisecond_for_a_small_file)
{
    Arena *a = arena_new();
    Error err = {0};
    Yaml *y;
    const char *path = put_file(a, test_folder(), "small.yaml",
                                "run: train\nname: x\nmodel: {name: mlp, sizes: [16, 8]}\n"
                                "train: {steps: 100, seed: 1}\nsweep:\n  train.seed: [1, 2, 3]\n");
    double best_s = 1; /* of five: the machine is shared */
    for (int i = 0; i < 5; i++) {
        double start = clock_cpu_s();
        ASSERT_OK(yaml_load(a, path, &y, &err), &err);
        double took = clock_cpu_s() - start;
        if (took < best_s) best_s = took;
    }
    assert_true(best_s < 1e-3);
    arena_free(a);
}
