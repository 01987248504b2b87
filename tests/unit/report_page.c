/* The parts of the report's page: texts as HTML (lib/report/html), configurations compared
 * (lib/report/config_diff). The page as a whole: tests/integration/report.sh. */
#include "tests/test.h"

#include "report/config_diff.h"
#include "report/html.h"

#include <string.h>

/* -- Texts. The entities are those of the HTML standard, section 13.1.2.4 and 13.5 */

static void assert_text(Text *out, const char *expected)
{
    assert_string_equal(out->data, expected);
    text_free(out);
}

TEST(html, markup_in_a_text_is_no_markup)
{
    Text out = {0};
    html_text(&out, "a<b & \"c\" > 'd'");
    assert_text(&out, "a&lt;b &amp; &quot;c&quot; &gt; &#39;d&#39;");
}

TEST(html, control_characters_become_blanks)
{
    Text out = {0};
    html_text(&out, "a\033[1mb\tc\x7f\nd");
    assert_text(&out, "a [1mb c \nd");
}

TEST(html, other_languages_stay)
{
    Text out = {0};
    html_element(&out, "<td>", "± λ 日本", "</td>");
    assert_text(&out, "<td>± λ 日本</td>");
}

TEST(html, blank_lines_end_paragraphs)
{
    Text out = {0};
    html_paragraphs(&out, "one\nline\n\n\ntwo\n");
    assert_text(&out, "<p>one\nline</p>\n<p>two\n</p>\n");
}

TEST(html, backquotes_are_code)
{
    Text out = {0};
    html_paragraphs(&out, "the key `a<b` and `c`");
    assert_text(&out, "<p>the key <code>a&lt;b</code> and <code>c</code></p>\n");
}

TEST(html, a_single_backquote_stays)
{
    Text out = {0};
    html_paragraphs(&out, "`code` and ` alone");
    assert_text(&out, "<p><code>code</code> and ` alone</p>\n");
}

TEST(html, no_text_gives_no_paragraph)
{
    Text out = {0};
    html_paragraphs(&out, "");
    assert_null(out.data);
}

/* -- Configurations */

static void add(ConfigDiff *d, const char *text)
{
    Error err = {0};
    Yaml *y;
    ASSERT_OK(yaml_parse(d->arena, text, strlen(text), "text", &y, &err), &err);
    config_diff_add(d, y);
}

static const ConfigKey *key_of(const ConfigDiff *d, const char *name)
{
    for (int i = 0; i < d->n_keys; i++)
        if (strcmp(d->keys[i]->key, name) == 0) return d->keys[i];
    static const ConfigKey none = {.key = "no such key"};
    assert_string_equal(none.key, name); /* fails, and prints the name */
    return &none;
}

TEST(config_diff, values_and_their_runs)
{
    Arena *a = arena_new();
    ConfigDiff d = {.arena = a};
    add(&d, "{name: x, optimizer: {name: sgd, lr: 0.1}}");
    add(&d, "{name: x, optimizer: {name: sgd, lr: 0.2}}");
    add(&d, "{name: x, optimizer: {name: sgd, lr: 0.1}}");
    const ConfigKey *lr = key_of(&d, "optimizer.lr");
    assert_int_equal(config_diff_count(&d), 1);
    assert_int_equal(lr->n_values, 2);
    assert_string_equal(lr->value[0], "0.1");
    assert_int_equal(lr->count[0], 2);
    assert_int_equal(lr->count[1], 1);
    arena_free(a);
}

TEST(config_diff, the_common_part_is_a_configuration)
{
    Arena *a = arena_new();
    ConfigDiff d = {.arena = a};
    add(&d, "{name: x, model: {hidden: [8, 4]}, methods: [{name: ema, decay: 0.9}], seed: {n: 1}}");
    add(&d, "{name: x, model: {hidden: [8, 4]}, methods: [{name: ema, decay: 0.8}], seed: {n: 2}}");
    assert_string_equal(config_diff_common(&d),
                        "name: x\nmodel:\n  hidden: [8, 4]\nmethods:\n  - name: ema\n");
    arena_free(a);
}

TEST(config_diff, a_key_that_some_lack_is_a_difference)
{
    Arena *a = arena_new();
    ConfigDiff d = {.arena = a};
    add(&d, "{optimizer: {name: sgd, momentum: 0}}");
    add(&d, "{optimizer: {name: adam, eps: 1e-8}}");
    assert_int_equal(config_diff_count(&d), 3);
    assert_int_equal(key_of(&d, "optimizer.eps")->n_runs, 1);
    assert_string_equal(config_diff_common(&d), "");
    arena_free(a);
}

TEST(config_diff, one_run_has_everything_in_common)
{
    Arena *a = arena_new();
    ConfigDiff d = {.arena = a};
    add(&d, "{name: x, methods: []}");
    assert_int_equal(config_diff_count(&d), 0);
    assert_string_equal(config_diff_common(&d), "name: x\nmethods: []\n");
    arena_free(a);
}

TEST(config_diff, more_values_than_are_kept_are_counted)
{
    Arena *a = arena_new();
    ConfigDiff d = {.arena = a};
    for (int i = 0; i < CONFIG_VALUES + 5; i++) add(&d, arena_printf(a, "{seed: %d}", i));
    const ConfigKey *seed = key_of(&d, "seed");
    assert_int_equal(seed->n_values, CONFIG_VALUES);
    assert_int_equal(seed->n_runs, CONFIG_VALUES + 5);
    assert_int_equal(config_diff_count(&d), 1);
    arena_free(a);
}
