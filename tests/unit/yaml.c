/* yaml -- loading: kinds, places, anchors and merges, what is refused and how the messages read;
 * typed reads. Expected trees are by YAML 1.1 (sections in comments), places counted by hand. */
#include "tests/test.h"

#include "base/text.h"
#include "io/yaml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static Yaml *load(Arena *a, const char *text)
{
    Yaml *y = NULL;
    Error err = {0};
    ASSERT_OK(yaml_parse(a, text, strlen(text), "t.yaml", &y, &err), &err);
    return y;
}

/* Parsing fails with this message, and this excerpt unless it is NULL. */
static void refused_n(const char *text, size_t n, const char *message, const char *excerpt)
{
    Arena *a = arena_new();
    Yaml *y;
    Error err = {0};
    ASSERT_FAILS(yaml_parse(a, text, n, "t.yaml", &y, &err), &err, FAIL_CONFIG, message);
    if (excerpt) assert_string_equal(err.items[0].excerpt, excerpt);
    arena_free(a);
}

static void refused(const char *text, const char *message, const char *excerpt)
{
    refused_n(text, strlen(text), message, excerpt);
}

static void at(const Yaml *y, int line, int column, int width)
{
    assert_non_null(y);
    assert_string_equal(y->at.file, "t.yaml");
    assert_int_equal(y->at.line, line);
    assert_int_equal(y->at.column, column);
    assert_int_equal(y->at.width, width);
}

static void text_is(const Yaml *y, const char *text)
{
    assert_non_null(y);
    assert_int_equal(y->kind, YAML_SCALAR);
    assert_string_equal(y->text, text);
}

static char *repeat(Arena *a, const char *piece, int n)
{
    Text t = {0};
    for (int i = 0; i < n; i++) text_add(&t, piece);
    char *copy = arena_string(a, t.data ? t.data : "");
    text_free(&t);
    return copy;
}

/* -- The tree -- */

TEST(yaml, kinds_of_every_style)
{
    Arena *a = arena_new();
    Yaml *y = load(a, "plain: a b\nsingle: 'it''s'\ndouble: \"a\\tb\\u00e9\"\nlist: [1, {k: v}]\n"
                      "block:\n- x\n- y\nliteral: |\n  one\n  two\nfolded: >-\n  one\n  two\n");
    assert_int_equal(y->kind, YAML_MAP);
    assert_int_equal(y->n, 7);
    text_is(yaml_get(y, "plain"), "a b");
    text_is(yaml_get(y, "single"), "it's");
    text_is(yaml_get(y, "double"), "a\tb\xc3\xa9");
    text_is(yaml_path(y, "list.1.k"), "v");
    text_is(yaml_path(y, "block.1"), "y");
    text_is(yaml_get(y, "literal"), "one\ntwo\n");
    text_is(yaml_get(y, "folded"), "one two");
    assert_false(yaml_get(y, "plain")->quoted);
    assert_true(yaml_get(y, "single")->quoted && yaml_get(y, "double")->quoted);
    assert_true(yaml_get(y, "literal")->quoted);
    arena_free(a);
}

TEST(yaml, nulls_are_blank_tilde_and_null)
{
    Arena *a = arena_new();
    Yaml *y = load(a, "a:\nb: ~\nc: null\nd: ''\ne: 'null'\nf: Null\n");
    for (int i = 0; i < 3; i++) {
        const char key[2] = {(char)('a' + i), 0};
        assert_int_equal(yaml_get(y, key)->kind, YAML_NULL);
    }
    text_is(yaml_get(y, "d"), "");
    text_is(yaml_get(y, "e"), "null");
    text_is(yaml_get(y, "f"), "Null");
    arena_free(a);
}

TEST(yaml, empty_texts_are_empty_maps)
{
    static const char *const texts[] = {"", "\n\n", "# only a comment\n", "\xef\xbb\xbf"};
    for (int i = 0; i < 4; i++) {
        Arena *a = arena_new();
        Yaml *y = load(a, texts[i]);
        assert_int_equal(y->kind, YAML_MAP);
        assert_int_equal(y->n, 0);
        assert_int_equal(y->at.line, 1);
        arena_free(a);
    }
}

TEST(yaml, places_of_every_kind_of_node)
{
    Arena *a = arena_new();
    Yaml *y = load(a, "run: train\nmodel: {name: mlp, sizes: [16, 'ab']}\nnone:\nlist:\n  - x\n");
    at(y, 1, 1, 1);
    at(yaml_get(y, "run"), 1, 6, 5);
    assert_int_equal(yaml_get(y, "run")->key_at.column, 1);
    assert_int_equal(yaml_get(y, "run")->key_at.width, 3);
    at(yaml_get(y, "model"), 2, 8, 1);
    at(yaml_path(y, "model.name"), 2, 15, 3);
    assert_int_equal(yaml_path(y, "model.name")->key_at.column, 9);
    at(yaml_path(y, "model.sizes"), 2, 27, 1);
    at(yaml_path(y, "model.sizes.0"), 2, 28, 2);
    at(yaml_path(y, "model.sizes.1"), 2, 32, 4);
    at(yaml_get(y, "none"), 3, 6, 1);
    at(yaml_path(y, "list.0"), 5, 5, 1);
    assert_memory_equal(yaml_path(y, "list.0")->at.line_text, "  - x\n", 6);
    arena_free(a);
}

TEST(yaml, crlf_lines_count_once)
{
    Arena *a = arena_new();
    Yaml *y = load(a, "a: 1\r\nb:\r\n  c: 2\r\n");
    at(yaml_path(y, "b.c"), 3, 6, 1);
    text_is(yaml_path(y, "b.c"), "2");
    assert_memory_equal(yaml_path(y, "b.c")->at.line_text, "  c: 2\r\n", 8);
    arena_free(a);
}

TEST(yaml, other_breaks_of_yaml_1_1_keep_lines_and_excerpts_together)
{
    Arena *a = arena_new(); /* YAML 1.1, 4.1.4: b-char is LF, CR, NEL, LS or PS */
    Yaml *y = load(a, "# 1\r# 2\xc2\x85# 3\xe2\x80\xa8# 4\xe2\x80\xa9k: v\n");
    at(yaml_get(y, "k"), 5, 4, 1);
    assert_memory_equal(yaml_get(y, "k")->at.line_text, "k: v\n", 5);
    arena_free(a);
}

TEST(yaml, byte_order_mark_moves_no_column)
{
    Arena *a = arena_new();
    Yaml *y = load(a, "\xef\xbb\xbfkey: v\n");
    at(yaml_get(y, "key"), 1, 6, 1);
    assert_int_equal(yaml_get(y, "key")->key_at.column, 1);
    arena_free(a);
}

TEST(yaml, columns_count_characters_and_the_caret_stands_below)
{
    Arena *a = arena_new();
    Yaml *y = load(a, "n\xc3\xa4me: {\xe6\x97\xa5: x, lr: b\xc3\xa4h}\n");
    Error err = {0};
    double lr;
    text_is(yaml_path(y, "n\xc3\xa4me.\xe6\x97\xa5"), "x");
    ASSERT_FAILS(yaml_real(yaml_path(y, "n\xc3\xa4me.lr"), &lr, &err), &err, FAIL_CONFIG,
                 "t.yaml:1:18: expected a number, found the word 'b\xc3\xa4h'");
    assert_string_equal(err.items[0].excerpt, "    n\xc3\xa4me: {\xe6\x97\xa5: x, lr: b\xc3\xa4h}\n"
                                              "                     ^~~");
    arena_free(a);
}

TEST(yaml, paths_reach_maps_and_lists_and_nothing_else)
{
    Arena *a = arena_new();
    Yaml *y = load(a, "a: {b: [x, {c: d}]}\n'0': zero\n");
    text_is(yaml_path(y, "a.b.1.c"), "d");
    text_is(yaml_path(y, "0"), "zero"); /* a map's key may look like a number */
    assert_ptr_equal(yaml_path(y, ""), y);
    assert_null(yaml_path(y, "a.b.2"));
    assert_null(yaml_path(y, "a.b.-1"));
    assert_null(yaml_path(y, "a.b.99999999999999999999"));
    assert_null(yaml_path(y, "a.b.0.x"));
    assert_null(yaml_path(y, "a.x.c"));
    assert_null(yaml_get(yaml_path(y, "a.b"), "c"));
    assert_null(yaml_item(yaml_get(y, "a"), 0));
    arena_free(a);
}

/* -- Anchors, aliases, merge keys -- */

TEST(yaml, alias_is_a_copy_at_its_anchors_place)
{
    Arena *a = arena_new();
    Yaml *y = load(a, "a: &x {k: [1, 2]}\nb: *x\nc: [*x]\n");
    text_is(yaml_path(y, "b.k.1"), "2");
    assert_ptr_not_equal(yaml_get(y, "a"), yaml_get(y, "b"));
    at(yaml_path(y, "b.k.1"), 1, 15, 1);
    assert_int_equal(yaml_get(y, "b")->key_at.line, 2);
    assert_null(yaml_path(y, "c.0")->key); /* the anchor's key is not the alias's */
    assert_null(yaml_path(y, "c.0")->key_at.file);
    arena_free(a);
}

TEST(yaml, an_anchor_may_be_given_again)
{
    Arena *a = arena_new(); /* YAML 1.1, 7.1: an alias refers to the most recent node */
    Yaml *y = load(a, "a: &x 1\nb: *x\nc: &x 2\nd: *x\n&k key: 3\ne: *k\n");
    text_is(yaml_get(y, "b"), "1");
    text_is(yaml_get(y, "d"), "2");
    text_is(yaml_get(y, "e"), "key");
    arena_free(a);
}

TEST(yaml, merge_keys_yield_to_own_and_earlier_ones)
{
    Arena *a = arena_new(); /* yaml.org/type/merge.html */
    Yaml *y = load(a, "base: &b {x: 1, y: 2}\nmore: &m {y: 3, z: 4}\n"
                      "own: {<<: [*b, *m], x: 9}\none: {q: 0, <<: *m}\nquoted: {'<<': *b}\n");
    const Yaml *own = yaml_get(y, "own");
    assert_int_equal(own->n, 3);
    text_is(yaml_get(own, "x"), "9");
    text_is(yaml_get(own, "y"), "2");
    text_is(yaml_get(own, "z"), "4");
    assert_null(yaml_get(own, "<<"));
    assert_int_equal(yaml_get(own, "z")->key_at.line, 2);
    assert_int_equal(yaml_get(y, "one")->n, 3);
    text_is(yaml_path(y, "base.y"), "2"); /* the anchored map stays whole */
    assert_int_equal(yaml_path(y, "quoted.<<")->kind, YAML_MAP);
    arena_free(a);
}

TEST(yaml, wrong_anchors_and_merges_are_refused)
{
    refused("a: *x\n", "t.yaml:1:4: alias *x has no anchor &x before it", "    a: *x\n       ^~");
    refused("a: &x [*x]\n", "t.yaml:1:8: alias *x has no anchor", NULL);
    refused("a: {<<: 3}\n", "t.yaml:1:9: <<: expected a map or a list of maps", NULL);
    refused("a: {<<: {x: 1}, <<: {y: 1}}\n", "t.yaml:1:17: << stands twice", NULL);
    Arena *a = arena_new();
    refused(repeat(a, "- &a x\n", 1001), "t.yaml:1001:3: over 1000 anchors", NULL);
    arena_free(a);
}

/* -- What is refused -- */

TEST(yaml, duplicate_keys_are_refused)
{
    refused("a: 1\nb: {c: 1, d: 2, c: 3}\n", "t.yaml:2:17: key 'c' stands twice; first in line 2",
            "    b: {c: 1, d: 2, c: 3}\n                    ^");
    refused("a: 1\n\"a\": 2\n", "t.yaml:2:1: key 'a' stands twice; first in line 1",
            "    \"a\": 2\n    ^~~");
}

TEST(yaml, odd_keys_are_refused)
{
    refused("[a, b]: 1\n", "t.yaml:1:1: a key must be a word", NULL);
    refused("a: &x 1\n*x : 1\n", "t.yaml:2:1: a key must be a word", NULL);
    refused("\"a\\0b\": 1\n", "t.yaml:1:1: a zero byte in text", NULL);
    Arena *a = arena_new();
    char *longest = repeat(a, "k", 127);
    text_is(yaml_get(load(a, arena_printf(a, "%s: v", longest)), longest), "v");
    refused(arena_printf(a, "%sk: v", longest), "t.yaml:1:1: a key of 128 bytes; at most 127",
            NULL);
    arena_free(a);
}

TEST(yaml, tags_and_second_documents_are_refused)
{
    refused("a: !!str 5\n", "t.yaml:1:4: the tag tag:yaml.org,2002:str means nothing here", NULL);
    refused("a: !x [5]\n", "t.yaml:1:4: the tag !x means nothing here; leave it out", NULL);
    refused("a: !x {}\n", "the tag !x", NULL);
    refused("a: 1\n---\nb: 2\n", "t.yaml:2:1: a second document; expected one", "    ---\n    ^~~");
    Arena *a = arena_new();
    text_is(yaml_get(load(a, "---\na: 1\n...\n"), "a"), "1");
    arena_free(a);
}

TEST(yaml, syntax_errors_have_place_and_excerpt)
{
    refused("a: [1, 2\nb: 3\n", "t.yaml:2:2: not YAML: ", "    b: 3\n     ^");
    refused("a: b: c\n", "t.yaml:1:5: not YAML: mapping values are not allowed in this context",
            "    a: b: c\n        ^");
    refused("a: 'x\n", "not YAML: found unexpected end of stream, while scanning a quoted scalar",
            NULL);
    refused("a:\n\tb: 1\n", "t.yaml:2:1: a tab stands here; lines are indented by blanks",
            "    \tb: 1\n    ^");
}

TEST(yaml, bytes_that_are_no_text_are_refused_at_their_place)
{
    refused("a: 1\n\xc3\xa4: x\xff\n", "t.yaml:2:5: not YAML: invalid leading UTF-8 octet", NULL);
    refused("a: 1\nbc: \x01\n", "t.yaml:2:5: not YAML: control characters are not allowed", NULL);
    refused_n("a: 1\nb\0: 1\n", 11, "t.yaml:2:2: not YAML: control characters are not allowed",
              NULL);
    refused("\xff\xfe\x61", "t.yaml:1:1: not YAML", NULL); /* UTF-16 */
    refused("a: \"x\\0y\"\n", "t.yaml:1:4: a zero byte in text", NULL);
    refused("a: \xc3", "t.yaml:1:4: not YAML: incomplete UTF-8 octet sequence", NULL);
}

TEST(yaml, depth_is_64)
{
    Arena *a = arena_new();
    char *open = repeat(a, "[", 64), *close = repeat(a, "]", 64);
    assert_int_equal(yaml_height(load(a, arena_printf(a, "%s%s", open, close))), 63);
    assert_int_equal(yaml_height(load(a, arena_printf(a, "%sx%s", open, close))), 64);
    refused(arena_printf(a, "[%sx%s]", open, close), "t.yaml:1:66: nested deeper than 64 levels",
            NULL);
    refused(repeat(a, "{a: ", 100000), "t.yaml:1:261: nested deeper than 64 levels", NULL);
    arena_free(a);
}

TEST(yaml, depth_counts_through_aliases)
{
    Arena *a = arena_new();
    char *open = repeat(a, "[", 40), *close = repeat(a, "]", 40);
    refused(arena_printf(a, "a: &a %s%s\nb: %s*a%s\n", open, close, open, close),
            "t.yaml:2:44: nested deeper than 64 levels", NULL);
    arena_free(a);
}

TEST(yaml, alias_bombs_are_refused)
{
    /* 10^9 nodes when expanded; in line 7 an alias is 111111 of them, and the 8th is too much */
    Arena *a = arena_new();
    Text t = {0};
    text_add(&t, "a: &l0 x\n");
    for (int i = 1; i < 10; i++) {
        text_addf(&t, "k%d: &l%d [", i, i);
        for (int j = 0; j < 10; j++) text_addf(&t, "*l%d,", i - 1);
        text_add(&t, "]\n");
    }
    refused(t.data, "t.yaml:7:38: too large: over 1000000 nodes after its aliases are expanded",
            NULL);
    text_free(&t);
    arena_free(a);
}

TEST(yaml, over_4096_keys_in_a_map_are_refused)
{
    Text t = {0};
    for (int i = 0; i < 4096; i++) text_addf(&t, "k%d: 1\n", i);
    Arena *a = arena_new();
    assert_int_equal(load(a, t.data)->n, 4096);
    arena_free(a);
    text_add(&t, "last: 1\n");
    refused(t.data, "t.yaml:4097:1: over 4096 keys in one map", NULL);
    text_free(&t);
}

TEST(yaml, over_16_mib_are_refused)
{
    size_t n = ((size_t)16 << 20) + 1;
    char *text = malloc(n + 1);
    assert_non_null(text);
    memset(text, '#', n);
    text[n] = '\0';
    refused_n(text, n, "t.yaml: over 16 MiB of YAML", NULL);
    free(text);
}

TEST(yaml, missing_file_and_folder_are_named)
{
    Arena *a = arena_new();
    Error err = {0};
    Yaml *y;
    ASSERT_FAILS(yaml_load(a, "/nowhere/x.yaml", &y, &err), &err, FAIL_CONFIG,
                 "/nowhere/x.yaml: cannot be read: No such file or directory");
    error_clear(&err);
    ASSERT_FAILS(yaml_load(a, "/", &y, &err), &err, FAIL_CONFIG, "/: is not a regular file");
    arena_free(a);
}

/* -- Typed reads -- */

static const Yaml *value_of(Arena *a, const char *text)
{
    return yaml_get(load(a, arena_printf(a, "v: %s\n", text)), "v");
}

TEST(yaml, reals)
{
    static const struct {
        const char *text;
        double value;
    } good[] = {
        {"1e-3",   1e-3},
        {"1E+3",   1e3 },
        {"-.5",    -.5 },
        {"+2.",    2   },
        {"0",      0   },
        {"1e6",    1e6 },
        {"010",    10.0},
        {"1e-400", 0   }
    };
    static const char *const bad[] = {"nan",   ".nan", "inf",    ".inf", "-.inf", "0x10", "1_000",
                                      "1e999", "1,5",  "1e",     "e5",   "--1",   ".",    "1 2",
                                      "'1'",   "[1]",  "{a: 1}", "~",    "1.2.3", "+"};
    Arena *a = arena_new();
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        double value;
        Error err = {0};
        ASSERT_OK(yaml_real(value_of(a, good[i].text), &value, &err), &err);
        assert_true(value == good[i].value);
        assert_true(yaml_is_number(value_of(a, good[i].text)));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        double value;
        Error err = {0};
        ASSERT_FAILS(yaml_real(value_of(a, bad[i]), &value, &err), &err, FAIL_CONFIG,
                     "t.yaml:1:4: expected a number, found ");
        assert_false(yaml_is_number(value_of(a, bad[i])));
    }
    arena_free(a);
}

TEST(yaml, integers)
{
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {
        {"0",                    0               },
        {"-7",                   -7              },
        {"+7",                   7               },
        {"1e6",                  1000000         },
        {"2.5e1",                25              },
        {"9007199254740993",     9007199254740993},
        {"9223372036854775807",  INT64_MAX       },
        {"-9223372036854775808", INT64_MIN       }
    };
    static const struct {
        const char *text, *message;
    } bad[] = {
        {"2.5",                 "expected an integer, found 2.5"                },
        {"1e300",               "expected an integer, found 1e300"              },
        {"9223372036854775808", "9223372036854775808 does not fit 64 bits"      },
        {"three",               "expected an integer, found the word 'three'"   },
        {"'3'",                 "expected an integer, found the quoted text '3'"},
        {"[3]",                 "expected an integer, found a list"             },
        {"{a: 3}",              "expected an integer, found a map"              },
        {"",                    "expected an integer, found nothing"            }
    };
    Arena *a = arena_new();
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        int64_t value;
        Error err = {0};
        ASSERT_OK(yaml_int(value_of(a, good[i].text), &value, &err), &err);
        assert_int_equal(value, good[i].value);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t value;
        Error err = {0};
        ASSERT_FAILS(yaml_int(value_of(a, bad[i].text), &value, &err), &err, FAIL_CONFIG,
                     bad[i].message);
    }
    arena_free(a);
}

TEST(yaml, booleans_are_true_and_false_alone)
{
    static const char *const words[] = {"yes", "no", "on", "off", "True", "FALSE", "Yes", "N"};
    Arena *a = arena_new();
    Error err = {0};
    bool value;
    ASSERT_OK(yaml_bool(value_of(a, "true"), &value, &err), &err);
    assert_true(value);
    ASSERT_OK(yaml_bool(value_of(a, "false"), &value, &err), &err);
    assert_false(value);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        error_clear(&err);
        ASSERT_FAILS(
            yaml_bool(value_of(a, words[i]), &value, &err), &err, FAIL_CONFIG,
            arena_printf(a, "t.yaml:1:4: expected true or false; '%s' is a word here", words[i]));
    }
    error_clear(&err);
    ASSERT_FAILS(yaml_bool(value_of(a, "1"), &value, &err), &err, FAIL_CONFIG,
                 "expected true or false, found the word '1'");
    error_clear(&err);
    ASSERT_FAILS(yaml_bool(value_of(a, "'true'"), &value, &err), &err, FAIL_CONFIG,
                 "expected true or false, found the quoted text 'true'");
    arena_free(a);
}

TEST(yaml, strings_take_any_scalar)
{
    Arena *a = arena_new();
    Error err = {0};
    const char *text;
    ASSERT_OK(yaml_string(value_of(a, "no"), &text, &err), &err);
    assert_string_equal(text, "no");
    ASSERT_OK(yaml_string(value_of(a, "1e3"), &text, &err), &err);
    assert_string_equal(text, "1e3");
    ASSERT_FAILS(yaml_string(value_of(a, "~"), &text, &err), &err, FAIL_CONFIG,
                 "t.yaml:1:4: expected a word, found nothing");
    arena_free(a);
}
