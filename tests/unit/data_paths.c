/* Options that are paths: what a relative one is relative to, and that no id sees them. */
#include "io/file.h"
#include "io/option.h"
#include "tests/test.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct Paths {
    PathList one, many;
} Paths;
static const Option rows[] = {OPT_PATH(Paths, one, 1, "one"), OPT_PATH(Paths, many, 3, "many")};
static const OptionTable table = OPTION_TABLE(Paths, rows);

static bool read_text(Arena *a, const char *text, const char *name, Paths *out, Error *err)
{
    Yaml *y;
    ASSERT_OK(yaml_parse(a, text, strlen(text), name, &y, err), err);
    return option_read(&table, y, NULL, "in test", out, err);
}

TEST(paths, belong_to_the_folder_of_their_file)
{
    Arena *a = arena_new();
    Error err = {0};
    Paths p;
    ASSERT_OK(read_text(a, "{one: ../x.bin, many: [/y, ./z]}", "/dir/sub/f.yaml", &p, &err), &err);
    assert_string_equal(path_list_at(&p.one, 0), "/dir/sub/../x.bin");
    assert_string_equal(path_list_at(&p.many, 0), "/y");
    assert_string_equal(path_list_at(&p.many, 1), "/dir/sub/z");
    assert_null(path_list_at(&p.many, 2));
    arena_free(a);
}

TEST(paths, a_relative_file_belongs_to_the_current_folder)
{
    Arena *a = arena_new();
    Error err = {0};
    Paths p;
    char here[2048], expected[4096];
    assert_non_null(getcwd(here, sizeof here));
    ASSERT_OK(read_text(a, "{one: x.bin}", "sub/f.yaml", &p, &err), &err);
    (void)snprintf(expected, sizeof expected, "%s/sub/x.bin", here);
    assert_string_equal(path_list_at(&p.one, 0), expected);
    arena_free(a);
}

TEST(paths, of_the_command_line_belong_to_the_current_folder)
{
    Arena *a = arena_new();
    Error err = {0};
    Paths p;
    char here[2048], expected[4096];
    assert_non_null(getcwd(here, sizeof here));
    Yaml *y;
    ASSERT_OK(yaml_parse(a, "{one: x}", 8, "/dir/f.yaml", &y, &err), &err);
    ASSERT_OK(yaml_override(a, y, "one=../a/b.gz", &err), &err);
    ASSERT_OK(option_read(&table, y, NULL, "in test", &p, &err), &err);
    (void)snprintf(expected, sizeof expected, "%s/../a/b.gz", here);
    assert_string_equal(path_list_at(&p.one, 0), expected);
    arena_free(a);
}

TEST(paths, are_none_by_default)
{
    Arena *a = arena_new();
    Error err = {0};
    Paths p;
    ASSERT_OK(read_text(a, "{}", "f.yaml", &p, &err), &err);
    assert_int_equal(p.one.n, 0);
    assert_null(path_list_at(&p.one, 0));
    arena_free(a);
}

TEST(paths, too_many_are_refused)
{
    Arena *a = arena_new();
    Error err = {0};
    Paths p;
    ASSERT_FAILS(read_text(a, "{many: [a, b, c, d]}", "f.yaml", &p, &err), &err, FAIL_CONFIG,
                 "f.yaml:1:18: many: at most 3 paths");
    arena_free(a);
}

TEST(paths, are_written_for_a_reader_but_not_for_an_id)
{
    Arena *a = arena_new();
    Error err = {0};
    Paths p, again;
    ASSERT_OK(read_text(a, "{one: x, many: [y, z]}", "/d/f.yaml", &p, &err), &err);
    Yaml *canonical = yaml_new_map(a), *whole = yaml_new_map(a);
    option_write(&table, &p, false, a, canonical);
    assert_int_equal(canonical->n, 0);
    option_write(&table, &p, true, a, whole);
    ASSERT_OK(read_text(a, yaml_write(a, whole), "/elsewhere/g.yaml", &again, &err), &err);
    assert_string_equal(path_list_at(&again.one, 0), "/d/x");
    assert_string_equal(path_list_at(&again.many, 1), "/d/z");
    arena_free(a);
}
