/* option -- every type, its default, range and messages; unknown keys; canonical text. */
#include "tests/test.h"

#include "io/option.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct Toy {
    int64_t layers;
    double lr;
    bool bias;
    int act;
    unsigned augment;
    const char *file;
    IntList sizes;
    Steps warmup;
} Toy;

// clang-format off
static const Option toy_rows[] = {
    OPT_INT(Toy, layers, 4, 1, 100, "how many layers"),
    OPT_REAL(Toy, lr, 0.1, 0, 10, "learning rate"),
    OPT_BOOL(Toy, bias, true, "add a bias"),
    OPT_ENUM(Toy, act, "relu|gelu|tanh", "gelu", "activation"),
    OPT_SET(Toy, augment, "flip|crop|cutout", "flip,crop", "augmentation"),
    OPT_STRING(Toy, file, "", "a file"),
    OPT_INTS(Toy, sizes, "300,100", 1, 1000000, "hidden sizes"),
    OPT_STEPS(Toy, warmup, "500", "steps of warm-up"),
};
// clang-format on
static const OptionTable toy = OPTION_TABLE(Toy, toy_rows);

static const Yaml *map_of(Arena *a, const char *text)
{
    Yaml *y = NULL;
    Error err = {0};
    ASSERT_OK(yaml_parse(a, text, strlen(text), "t.yaml", &y, &err), &err);
    return y;
}

static Toy read_toy(Arena *a, const char *text)
{
    Toy t;
    Error err = {0};
    ASSERT_OK(option_read(&toy, text ? map_of(a, text) : NULL, NULL, "in toy", &t, &err), &err);
    return t;
}

static void refused(const char *text, const char *message)
{
    Arena *a = arena_new();
    Toy t;
    Error err = {0};
    ASSERT_FAILS(option_read(&toy, map_of(a, text), NULL, "in toy 'x'", &t, &err), &err,
                 FAIL_CONFIG, message);
    assert_int_equal(err.n_items, 1);
    arena_free(a);
}

TEST(option, absent_keys_get_their_default)
{
    static const char *const texts[] = {NULL, "", "~"};
    for (int i = 0; i < 3; i++) {
        Arena *a = arena_new();
        Toy t = read_toy(a, texts[i]);
        assert_int_equal(t.layers, 4);
        assert_true(t.lr == 0.1);
        assert_true(t.bias);
        assert_int_equal(t.act, 1);
        assert_int_equal(t.augment, 3);
        assert_null(t.file);
        assert_int_equal(t.sizes.n, 2);
        assert_int_equal(t.sizes.at[0] * 1000 + t.sizes.at[1], 300100);
        assert_true(t.warmup.count == 500 && !t.warmup.epochs);
        arena_free(a);
    }
}

TEST(option, every_type_is_read)
{
    Arena *a = arena_new();
    Toy t = read_toy(a, "{layers: 1e2, lr: 1e-3, bias: false, act: tanh, augment: [cutout, flip],"
                        " file: no, sizes: [1, 2, 3], warmup: 1.5ep}");
    assert_int_equal(t.layers, 100);
    assert_true(t.lr == 1e-3);
    assert_false(t.bias);
    assert_int_equal(t.act, 2);
    assert_int_equal(t.augment, 5);
    assert_string_equal(t.file, "no");
    assert_int_equal(t.sizes.n, 3);
    assert_int_equal(t.sizes.at[2], 3);
    assert_true(t.warmup.count == 1.5 && t.warmup.epochs);
    t = read_toy(a, "{augment: crop, sizes: 64, file: ''}"); /* one item needs no list */
    assert_int_equal(t.augment, 2);
    assert_int_equal(t.sizes.n, 1);
    assert_int_equal(t.sizes.at[0], 64);
    assert_null(t.file);
    t = read_toy(a, "{augment: [], sizes: []}");
    assert_int_equal(t.augment, 0);
    assert_int_equal(t.sizes.n, 0);
    assert_int_equal(read_toy(a, "augment: ~").augment, 0);
    arena_free(a);
}

TEST(option, steps_and_epochs)
{
    static const struct {
        const char *text;
        double count;
        bool epochs;
    } good[] = {
        {"0",       0,    false},
        {"500it",   500,  false},
        {"1e4",     1e4,  false},
        {"1e+4it",  1e4,  false},
        {"10ep",    10,   true },
        {"'10ep'",  10,   true },
        {"1e-05ep", 1e-5, true },
        {"2e1ep",   20,   true }
    };
    static const char *const bad[] = {"ep",    "10 ep", "-5",    "10eps",
                                      "1.2.3", "two",   "1e4e4", "5 it"};
    Arena *a = arena_new();
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        Toy t = read_toy(a, arena_printf(a, "warmup: %s", good[i].text));
        assert_true(t.warmup.count == good[i].count && t.warmup.epochs == good[i].epochs);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        refused(arena_printf(a, "warmup: %s", bad[i]),
                arena_printf(a,
                             "t.yaml:1:9: warmup = '%s': expected a number of steps, or epochs "
                             "such as 10ep",
                             bad[i]));
    refused("warmup: 2.5", "warmup = 2.5: expected a whole number of steps");
    refused("warmup: 1e13", "warmup = 1e13 is outside [0, 1e+12]; the default is 500");
    refused("warmup: 1e999", "warmup = 1e999 is outside [0, 1e+12]");
    arena_free(a);
}

TEST(option, steps_resolve_by_the_length_of_an_epoch)
{
    assert_int_equal(steps_resolve((Steps){2000, false}, 7), 2000);
    assert_int_equal(steps_resolve((Steps){10, true}, 391), 3910);
    assert_int_equal(steps_resolve((Steps){0.5, true}, 391), 196); /* 195.5, up */
    assert_int_equal(steps_resolve((Steps){1e12, true}, INT64_C(1) << 40), INT64_MAX);
}

TEST(option, ranges_are_inclusive_and_name_the_default)
{
    Arena *a = arena_new();
    assert_true(read_toy(a, "lr: 10").lr == 10);
    assert_true(read_toy(a, "lr: 0").lr == 0);
    arena_free(a);
    refused("lr: 100", "t.yaml:1:5: lr = 100 is outside [0, 10]; the default is 0.1");
    refused("layers: 0", "t.yaml:1:9: layers = 0 is outside [1, 100]; the default is 4");
    refused("sizes: [5, 0]", "t.yaml:1:12: sizes = 0 is outside [1, 1e+06]");
    refused("sizes: 0", "t.yaml:1:8: sizes = 0 is outside");
}

TEST(option, wrong_types_say_what_was_expected)
{
    refused("layers: three", "t.yaml:1:9: expected an integer, found the word 'three'");
    refused("layers: 2.5", "t.yaml:1:9: expected an integer, found 2.5");
    refused("lr: [1]", "t.yaml:1:5: expected a number, found a list");
    refused("lr: nan", "t.yaml:1:5: expected a number, found the word 'nan'");
    refused("lr: ~", "t.yaml:1:5: expected a number, found nothing");
    refused("bias: yes", "t.yaml:1:7: expected true or false; 'yes' is a word here");
    refused("act: {a: 1}", "t.yaml:1:6: expected a word, found a map");
    refused("file: [a]", "t.yaml:1:7: expected a word, found a list");
    refused("sizes: [a]", "t.yaml:1:9: expected an integer, found the word 'a'");
    refused("warmup: [1]", "t.yaml:1:9: expected a word, found a list");
    refused("[1]", "t.yaml:1:1: expected a map of options in toy 'x'");
}

TEST(option, unknown_choices_name_the_nearest)
{
    refused("act: gleu", "t.yaml:1:6: act = 'gleu': expected relu|gelu|tanh; did you mean 'gelu'?");
    refused("act: softplus", "act = 'softplus': expected relu|gelu|tanh");
    refused("augment: [flip, corp]",
            "t.yaml:1:17: augment = 'corp': expected flip|crop|cutout; did you mean 'crop'?");
}

TEST(option, lists_are_bounded)
{
    Arena *a = arena_new();
    char text[256] = "sizes: [1";
    for (int i = 1; i < OPTION_LIST_MAX; i++) strcat(text, ",1");
    assert_int_equal(read_toy(a, arena_printf(a, "%s]", text)).sizes.n, OPTION_LIST_MAX);
    refused(arena_printf(a, "%s,1]", text), "t.yaml:1:8: sizes: at most 32 numbers");
    arena_free(a);
}

TEST(option, unknown_keys_name_the_nearest)
{
    Arena *a = arena_new();
    Toy t;
    Error err = {0};
    refused("a: 1", "t.yaml:1:1: unknown key 'a' in toy 'x'");
    refused("lyers: 3", "t.yaml:1:1: unknown key 'lyers' in toy 'x'; did you mean 'layers'?");
    static const char *const also[] = {"name", NULL};
    ASSERT_OK(option_read(&toy, map_of(a, "{name: [x], layers: 2}"), also, "in toy", &t, &err),
              &err);
    assert_int_equal(t.layers, 2);
    ASSERT_FAILS(option_read(&toy, map_of(a, "nmae: x"), also, "in toy", &t, &err), &err,
                 FAIL_CONFIG, "unknown key 'nmae' in toy; did you mean 'name'?");
    arena_free(a);
}

TEST(option, all_mistakes_are_reported_at_once)
{
    Arena *a = arena_new();
    Toy t;
    Error err = {0};
    const Yaml *y = map_of(a, "layers: x\nlr: 11\nbais: true\nact: relu\naugment: [flop]\n");
    assert_false(option_read(&toy, y, NULL, "in toy", &t, &err));
    assert_int_equal(err.n_items, 4);
    assert_int_equal(strncmp(err.items[0].text, "t.yaml:1:9: ", 12), 0);
    assert_int_equal(strncmp(err.items[1].text, "t.yaml:2:5: ", 12), 0);
    assert_int_equal(strncmp(err.items[2].text, "t.yaml:3:1: ", 12), 0);
    assert_int_equal(strncmp(err.items[3].text, "t.yaml:5:11: ", 13), 0);
    assert_string_equal(err.items[2].excerpt, "    bais: true\n    ^~~~");
    assert_int_equal(t.act, 0); /* what is right is read all the same */
    arena_free(a);
}

static const char *text_of(Arena *a, const Toy *t, bool with_defaults)
{
    Yaml *map = yaml_new_map(a);
    option_write(&toy, t, with_defaults, a, map);
    return yaml_write(a, map);
}

TEST(option, write_is_sorted_and_complete)
{
    Arena *a = arena_new();
    Toy t = read_toy(a, NULL);
    assert_string_equal(text_of(a, &t, true), "act: gelu\n"
                                              "augment: [flip, crop]\n"
                                              "bias: true\n"
                                              "file: \"\"\n"
                                              "layers: 4\n"
                                              "lr: 0.1\n"
                                              "sizes: [300, 100]\n"
                                              "warmup: 500\n");
    assert_string_equal(text_of(a, &t, false), "{}\n");
    arena_free(a);
}

TEST(option, write_gives_one_text_for_one_meaning)
{
    Arena *a = arena_new();
    Toy x =
        read_toy(a, "{layers: 1e1, lr: 0.0010, augment: [cutout, flip], sizes: 7, warmup: 1e3}");
    Toy y = read_toy(a, "{warmup: '1000it', sizes: [7], augment: [flip, cutout, flip], lr: 1e-3, "
                        "layers: 10}");
    assert_string_equal(text_of(a, &x, false), text_of(a, &y, false));
    assert_string_equal(text_of(a, &x, false), "augment: [flip, cutout]\n"
                                               "layers: 10\n"
                                               "lr: 0.001\n"
                                               "sizes: [7]\n"
                                               "warmup: 1000\n");
    arena_free(a);
}

TEST(option, what_is_written_reads_back_the_same)
{
    static const char *const texts[] = {
        "{layers: 100, lr: 0.30000000000000004, bias: false, act: relu, augment: [], file: 'yes'}",
        "{file: '12', sizes: [], warmup: 1e-05ep}", "{file: \"a: #b\\n\", warmup: 1e10ep}",
        "{lr: 1e-300, sizes: [999999, 1000000], warmup: 1e12}"};
    Arena *a = arena_new();
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        Toy t = read_toy(a, texts[i]);
        Toy again = read_toy(a, text_of(a, &t, true));
        assert_true(t.layers == again.layers && t.lr == again.lr && t.bias == again.bias);
        assert_true(t.act == again.act && t.augment == again.augment);
        assert_string_equal(t.file ? t.file : "", again.file ? again.file : "");
        assert_memory_equal(&t.sizes, &again.sizes, sizeof t.sizes);
        assert_true(t.warmup.count == again.warmup.count && t.warmup.epochs == again.warmup.epochs);
        Toy less = read_toy(a, text_of(a, &t, false));
        assert_string_equal(text_of(a, &less, true), text_of(a, &t, true));
    }
    arena_free(a);
}

TEST(option, integers_are_written_in_full)
{
    Arena *a = arena_new();
    static const Option rows[] = {
        {"sizes", OPTION_INTS, offsetof(Toy, sizes), "1", -1e19, 1e19, NULL, "numbers"}
    };
    static const OptionTable table = OPTION_TABLE(Toy, rows);
    Toy t = {
        .sizes = {2, {INT64_MAX, 9007199254740993}}
    };
    Yaml *map = yaml_new_map(a);
    option_write(&table, &t, true, a, map);
    assert_string_equal(yaml_write(a, map), "sizes: [9223372036854775807, 9007199254740993]\n");
    arena_free(a);
}

TEST(option, types_have_a_text_for_help)
{
    static const char *const texts[] = {
        "integer",          "number", "true|false",       "relu|gelu|tanh",
        "flip|crop|cutout", "text",   "list of integers", "steps (2000 or 10ep)"};
    for (int i = 0; i < toy.n; i++) assert_string_equal(option_type_text(&toy_rows[i]), texts[i]);
    assert_ptr_equal(option_find(&toy, "act"), &toy_rows[3]);
    assert_null(option_find(&toy, "acts"));
}

/* -- Paths -- */

typedef struct Files {
    PathList one, many;
} Files;

// clang-format off
static const Option file_rows[] = {
    OPT_PATH(Files, one, 1, "a file"),
    OPT_PATH(Files, many, 2, "files"),
};
// clang-format on
static const OptionTable files = OPTION_TABLE(Files, file_rows);

/* The text stands in a file of this name. */
static bool read_files(Arena *a, const char *name, const char *text, Files *out, Error *err)
{
    Yaml *y = NULL;
    ASSERT_OK(yaml_parse(a, text, strlen(text), name, &y, err), err);
    return option_read(&files, y, NULL, "in files", out, err);
}

TEST(option, paths_start_at_their_file)
{
    Arena *a = arena_new();
    Error err = {0};
    Files *f = arena_new_array(a, Files, 1);
    ASSERT_OK(read_files(a, "/x/y/e.yaml", "{one: ./z/d.bin, many: [/abs, ../up]}", f, &err), &err);
    assert_int_equal(f->one.n, 1);
    assert_string_equal(path_list_at(&f->one, 0), "/x/y/z/d.bin");
    assert_null(path_list_at(&f->one, 1));
    assert_null(path_list_at(&f->one, -1));
    assert_int_equal(f->many.n, 2);
    assert_string_equal(path_list_at(&f->many, 0), "/abs");
    assert_string_equal(path_list_at(&f->many, 1), "/x/y/../up");
    arena_free(a);
}

TEST(option, paths_of_the_command_line_start_at_the_current_folder)
{
    Arena *a = arena_new();
    Error err = {0};
    Files *f = arena_new_array(a, Files, 1);
    char here[4096];
    assert_non_null(getcwd(here, sizeof here));
    Yaml *y = yaml_new_map(a);
    ASSERT_OK(yaml_override(a, y, "one=a/b", &err), &err);
    ASSERT_OK(option_read(&files, y, NULL, "in files", f, &err), &err);
    assert_string_equal(path_list_at(&f->one, 0), arena_printf(a, "%s/a/b", here));
    ASSERT_OK(read_files(a, "e.yaml", "one: c", f, &err), &err);
    assert_string_equal(path_list_at(&f->one, 0), arena_printf(a, "%s/c", here));
    ASSERT_OK(read_files(a, "e.yaml", "{one: ~, many: ''}", f, &err), &err);
    assert_int_equal(f->one.n + f->many.n, 0);
    arena_free(a);
}

TEST(option, paths_are_bounded)
{
    Arena *a = arena_new();
    Error err = {0};
    Files *f = arena_new_array(a, Files, 1);
    ASSERT_FAILS(read_files(a, "/e.yaml", "one: [a, b]", f, &err), &err, FAIL_CONFIG,
                 "/e.yaml:1:10: one: at most 1 path");
    error_clear(&err);
    ASSERT_FAILS(read_files(a, "/e.yaml", "many: [a, b, c]", f, &err), &err, FAIL_CONFIG,
                 "/e.yaml:1:14: many: at most 2 paths");
    error_clear(&err);
    char *text = arena_alloc(a, PATH_LIST_BYTES + 16);
    memcpy(text, "one: /", 6);
    memset(text + 6, 'x', PATH_LIST_BYTES - 2); /* fits, with its 0 */
    ASSERT_OK(read_files(a, "/e.yaml", text, f, &err), &err);
    text[PATH_LIST_BYTES + 4] = 'x';
    ASSERT_FAILS(read_files(a, "/e.yaml", text, f, &err), &err, FAIL_CONFIG,
                 "one: more than 8192 characters of paths");
    error_clear(&err);
    ASSERT_FAILS(read_files(a, "/e.yaml", "one: {a: b}", f, &err), &err, FAIL_CONFIG,
                 "/e.yaml:1:6: expected a word, found a map");
    arena_free(a);
}

TEST(option, paths_are_no_part_of_an_id)
{
    Arena *a = arena_new();
    Error err = {0};
    Files *f = arena_new_array(a, Files, 1);
    ASSERT_OK(read_files(a, "/e.yaml", "{one: a, many: [b, c]}", f, &err), &err);
    Yaml *map = yaml_new_map(a), *whole = yaml_new_map(a);
    option_write(&files, f, false, a, map);
    assert_string_equal(yaml_write(a, map), "{}\n");
    option_write(&files, f, true, a, whole);
    assert_string_equal(yaml_write(a, whole), "many: [/b, /c]\none: /a\n");
    arena_free(a);
}
