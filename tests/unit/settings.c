/* settings -- what a sweep: block expands to. Expected lists are written by hand; log ranges are
 * numpy.geomspace's, rounded to six digits. */
#include "tests/test.h"

#include "base/text.h"
#include "sweep/settings.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool expand(Arena *a, const char *text, Settings *out, Error *err)
{
    Yaml *y = NULL;
    ASSERT_OK(yaml_parse(a, text, strlen(text), "s.yaml", &y, err), err);
    return settings_read(out, a, yaml_get(y, "sweep"), err);
}

/* "lr=0.1 seed=1; lr=0.1 seed=2": all settings in order. */
static void expands_to(const char *text, const char *expected)
{
    Arena *a = arena_new();
    Error err = {0};
    Settings s;
    Text all = {0};
    ASSERT_OK(expand(a, text, &s, &err), &err);
    text_add(&all, "");
    for (int i = 0; i < s.n; i++) {
        if (i) text_add(&all, "; ");
        for (int k = 0; k < s.at[i].n; k++)
            text_addf(&all, "%s%s=%s", k ? " " : "", s.at[i].pairs[k].key,
                      yaml_flow(a, s.at[i].pairs[k].value));
    }
    assert_string_equal(all.data, expected);
    text_free(&all);
    arena_free(a);
}

static void is_refused(const char *text, const char *message)
{
    Arena *a = arena_new();
    Error err = {0};
    Settings s;
    ASSERT_FAILS(expand(a, text, &s, &err), &err, FAIL_CONFIG, message);
    arena_free(a);
}

TEST(settings, no_block_is_one_setting)
{
    expands_to("name: x", "");
}

TEST(settings, lists_are_multiplied_and_the_last_varies_fastest)
{
    expands_to("sweep: {lr: [0.1, 1], train.seed: [1, 2]}",
               "lr=0.1 train.seed=1; lr=0.1 train.seed=2; lr=1 train.seed=1; lr=1 train.seed=2");
}

TEST(settings, values_may_be_lists_maps_and_null)
{
    expands_to("sweep: {methods: [[], [{name: squash}]], base: [null]}",
               "methods=[] base=null; methods=[{name: squash}] base=null");
}

TEST(settings, a_range_includes_its_end)
{
    expands_to("sweep: {a: {range: [1, 3]}}", "a=1; a=2; a=3");
    expands_to("sweep: {a: {range: [0, 0.3, 0.1]}}", "a=0; a=0.1; a=0.2; a=0.3");
    expands_to("sweep: {a: {range: [3, 1, -1]}}", "a=3; a=2; a=1");
}

TEST(settings, a_log_range_has_equal_ratios)
{
    expands_to("sweep: {a: {log_range: [1e-4, 1e-1, 4]}}", "a=0.0001; a=0.001; a=0.01; a=0.1");
    expands_to("sweep: {a: {log_range: [1, 2, 3]}}", "a=1; a=1.41421; a=2");
}

TEST(settings, together_moves_in_step)
{
    expands_to("sweep: {together: [{a: 1, b: 2}, {a: 3}], c: [5, 6]}",
               "a=1 b=2 c=5; a=1 b=2 c=6; a=3 c=5; a=3 c=6");
}

TEST(settings, nested_maps_are_dotted_keys)
{
    expands_to("sweep: {train: {seed: {range: [1, 2]}}}", "train.seed=1; train.seed=2");
}

TEST(settings, exclude_leaves_out_what_agrees_with_a_whole_line)
{
    expands_to("sweep: {a: [1, 2], b: [x, y], exclude: [{a: 1.0, b: x}]}",
               "a=1 b=y; a=2 b=x; a=2 b=y");
    expands_to("sweep: {a: [1, 2, 3], exclude: [{a: [1, 3]}]}", "a=2");
    expands_to("sweep: {a: [[1], [1, 2]], exclude: [{a: [[1.0]]}]}", "a=[1, 2]");
    expands_to("sweep: {a: [[1], [1, 2]], exclude: [{a: [1, 2]}]}", "a=[1]");
}

TEST(settings, samples_lie_in_their_range_and_keep_their_values_when_more_are_drawn)
{
    Arena *a = arena_new();
    Error err = {0};
    Settings few, more;
    ASSERT_OK(expand(a,
                     "sweep: {sample: {n: 3, seed: 7, lr: {log_uniform: [1e-4, 1e-1]}, "
                     "w: {int_uniform: [2, 4]}}}",
                     &few, &err),
              &err);
    ASSERT_OK(expand(a,
                     "sweep: {sample: {n: 200, seed: 7, w: {int_uniform: [2, 4]}, "
                     "x: {choice: [u, v]}, lr: {log_uniform: [1e-4, 1e-1]}}}",
                     &more, &err),
              &err);
    int low = 0, seen[5] = {0}, u = 0;
    for (int i = 0; i < more.n; i++) {
        const double lr = strtod(more.at[i].pairs[2].value->text, NULL);
        const int w = atoi(more.at[i].pairs[0].value->text);
        assert_true(lr >= 1e-4 && lr <= 1e-1 && w >= 2 && w <= 4);
        low += lr < 3.1623e-3; /* the geometric middle */
        seen[w]++;
        u += strcmp(more.at[i].pairs[1].value->text, "u") == 0;
        if (i < few.n) {
            assert_string_equal(more.at[i].pairs[2].value->text, few.at[i].pairs[0].value->text);
            assert_string_equal(more.at[i].pairs[0].value->text, few.at[i].pairs[1].value->text);
        }
    }
    /* 200 draws: five standard deviations of a fair coin are 35 */
    assert_true(abs(low - 100) < 35 && abs(u - 100) < 35);
    assert_true(seen[2] > 33 && seen[3] > 33 && seen[4] > 33);
    arena_free(a);
}

TEST(settings, mistakes_are_named)
{
    is_refused("sweep: {a: []}", "expected a list of values");
    is_refused("sweep: {a: {range: [1, 5, -1]}}", "cannot be walked");
    is_refused("sweep: {a: {range: [1]}}", "expected [first, last]");
    is_refused("sweep: {a: {log_range: [0, 1, 3]}}", "two numbers above 0");
    is_refused("sweep: {a: {uniform: [0, 1]}}", "in 'sample: {n: ...}' only");
    is_refused("sweep: {a: [1], together: [{a: 2}]}", "'a' is swept twice");
    is_refused("sweep: {together: [3]}", "expected a map of keys that move in step");
    is_refused("sweep: {lr: [1], exclude: [{lf: 1}]}", "'lf' is not swept; did you mean 'lr'?");
    is_refused("sweep: {a: [1], exclude: [{a: 1}]}", "every setting is excluded");
    is_refused("sweep: {sample: {seed: 1}}", "sample: expected a map");
    is_refused("sweep: {sample: {n: 2, a: {log_uniform: [0, 1]}}}", "two numbers above 0");
    is_refused("sweep: {a: {range: [1, 1e5]}, b: {range: [1, 2]}}", "over 100000 runs");
    is_refused("sweep: {a: {range: [1, 1e300]}}", "at most 100000 runs");
}
