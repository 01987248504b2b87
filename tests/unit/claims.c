/* claims -- the language, its mistakes, and the verdicts over a table made by hand. p values are
 * those of scipy 1.10. */
#include "tests/test.h"

#include "table/claim.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Accuracies of three rows, two columns and five seeds; row "none" has no runs under `cosine`. */
static const char spec_text[] = "{rows: methods.0.name, columns: schedule.name, metric: {name: "
                                "test.top1, digits: 1}, paper: {step: {squash: 91.0}}}";
typedef struct Row {
    const char *row, *column;
    int n;
    double value[5];
} Row;
// clang-format off
static const Row rows[] = {
    {"squash", "step",   5, {91.2, 91.5, 91.4, 91.6, 91.3}},
    {"squash", "cosine", 5, {92.2, 92.4, 92.5, 92.5, 92.4}},
    {"prune",  "step",   5, {90.7, 91.1, 91.3, 91.2, 90.9}},
    {"prune",  "cosine", 4, {90.9, 91.1, 91.3, 90.8}},
    {"one",    "step",   1, {80.0}},
    {"one",    "cosine", 1, {81.0}},
    {"none",   "step",   2, {70.0, 70.0}},
    {"none",   "cosine", 0, {0}},
};
// clang-format on

static Yaml *parse(Arena *a, const char *text)
{
    Yaml *y = NULL;
    Error err = {0};
    ASSERT_OK(yaml_parse(a, text, strlen(text), "t.yaml", &y, &err), &err);
    return y;
}

static void make_table(Arena *a, Table *t)
{
    static const char *const seeds[] = {"1", "2", "3", "4", "5"};
    TableSpec *spec = arena_new_array(a, TableSpec, 1);
    Observation *at = arena_new_array(a, Observation, 64);
    Error err = {0};
    int n = 0;
    ASSERT_OK(table_spec_read(spec, a, parse(a, spec_text), &err), &err);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (int k = 0; k < 5; k++)
            at[n++] = (Observation){.row = {rows[i].row},
                                    .column = rows[i].column,
                                    .over = seeds[k],
                                    .setting = "",
                                    .label = "",
                                    .run = arena_printf(a, "%d", n),
                                    .done = k < rows[i].n,
                                    .values = &rows[i].value[k]};
    ASSERT_OK(table_build(t, a, spec, NULL, at, n, &err), &err);
}

/* The verdict of "{say: x, test: ...}", e.g. "holds: p = 0.003, 5 paired seeds". */
static void check(const char *claim, const char *want)
{
    Arena *a = arena_new();
    Table t;
    Claim c;
    Error err = {0};
    make_table(a, &t);
    ASSERT_OK(claim_read(&c, a, parse(a, claim), &err), &err);
    ASSERT_OK(claim_evaluate(&c, &t, a, &err), &err);
    char got[256];
    (void)snprintf(got, sizeof got, "%s: %s", verdict_name[c.verdict], c.evidence);
    assert_string_equal(got, want);
    arena_free(a);
}

static void refused(const char *claim, const char *message)
{
    Arena *a = arena_new();
    Table t;
    Claim c;
    Error err = {0};
    make_table(a, &t);
    bool ok = claim_read(&c, a, parse(a, claim), &err) && claim_evaluate(&c, &t, a, &err);
    ASSERT_FAILS(ok, &err, FAIL_CONFIG, message);
    arena_free(a);
}

TEST(claims, same_seeds_are_paired) /* scipy.stats.ttest_rel: 0.00303 */
{
    check("{say: x, test: 'row(squash) > row(prune)', column: step}",
          "holds: p = 0.003, 5 paired seeds");
}

TEST(claims, other_seeds_are_welchs) /* ttest_ind(step of squash, cosine of prune): 0.0168 */
{
    check("{say: x, test: 'cell(squash, step) > cell(prune, cosine)'}",
          "holds: p = 0.017, Welch's t, 5 and 4 seeds");
}

TEST(claims, one_cell_is_tested_against_a_number) /* ttest_1samp against 91.3: t = 1.414, 0.1151 */
{
    check("{say: x, test: 'row(squash) > 91.3', column: step}", "holds weakly: p = 0.115, 5 seeds");
}

TEST(claims, a_linear_combination_is_tested_as_one) /* ttest_1samp of a - c - 0.3: p = 0.2132 */
{
    check("{say: x, test: '2 * row(squash) - row(squash) - row(prune) > 0.3', column: step}",
          "holds weakly: p = 0.213, 5 paired seeds");
}

TEST(claims, a_failure_shows_the_value_and_its_spread)
{
    check("{say: x, test: 'row(squash) - row(prune) > 2', column: step}", "fails: 0.4 ± 0.2");
}

TEST(claims, one_seed_holds_weakly)
{
    check("{say: x, test: 'cosine > step', rows: [one]}", "holds weakly: n = 1");
}

TEST(claims, all_rows_must_hold)
{
    check("{say: x, test: 'cosine > step', rows: [squash, one]}", "holds weakly: one: n = 1");
    check("{say: x, test: 'step < cosine - 0.5', rows: [squash, prune]}",
          "fails: prune: 0.5 ± 0.3");
}

TEST(claims, a_cell_without_runs_is_not_run)
{
    check("{say: x, test: 'cosine > step', rows: [squash, none]}",
          "not run: no runs at none, cosine");
}

TEST(claims, what_fails_elsewhere_fails_although_a_cell_is_not_run)
{
    check("{say: x, test: 'cosine < 91 or cosine > 91.5', rows: [none, prune]}",
          "fails: prune: 91.0 ± 0.2");
}

TEST(claims, ratios_are_bootstrapped)
{
    check("{say: x, test: 'ratio(cell(squash, step), cell(none, step)) >= 1.2'}",
          "holds: p < 0.001, 95 % 1.304 to 1.307 by bootstrap, 5 and 2 seeds, few");
}

TEST(claims, not_turns_every_comparison)
{
    check("{say: x, test: 'not (row(squash) <= row(prune) or 1 > 2)', column: step}",
          "holds: p = 0.003, 5 paired seeds");
}

TEST(claims, either_of_two_counts_twice) /* 2 * 0.00303 */
{
    check("{say: x, test: 'row(prune) > 99 or row(squash) > row(prune)', column: step}",
          "holds: p = 0.006, 5 paired seeds");
}

TEST(claims, chains_are_all_of_their_links)
{
    check("{say: x, test: '90 < row(prune) < row(squash) < 92', column: step}",
          "holds: p = 0.003, 5 paired seeds");
}

TEST(claims, paper_is_a_number)
{
    check("{say: x, test: 'abs(row(squash) - paper(row(squash))) < 1', column: step}",
          "holds: p < 0.001, 95 % 0.28 to 0.52 by bootstrap, 5 seeds, few");
    refused("{say: x, test: 'cosine > paper(cosine)', rows: [squash]}",
            "t.yaml:1:26: the paper has no value of squash, cosine");
}

TEST(claims, monotone_goes_from_row_to_row)
{
    check("{say: x, test: 'monotone(decreasing)', rows: [squash, prune], column: step}",
          "holds: p = 0.003, 5 paired seeds");
    check("{say: x, test: 'monotone(increasing)', rows: [squash, prune], column: step}",
          "fails: squash to prune: -0.4 ± 0.2");
}

TEST(claims, best_is_better_than_every_other)
{
    check("{say: x, test: 'best(row) == \"squash\"', rows: [squash, prune], column: step}",
          "holds: p = 0.003, 5 paired seeds");
    check("{say: x, test: 'best(column) == step', rows: [one]}",
          "fails: beside cosine: -1.0, n = 1");
}

TEST(claims, equality_is_seen_where_nothing_varies)
{
    check("{say: x, test: 'row(none) == 70', column: step}", "holds: the same every time");
    check("{say: x, test: 'row(prune) == 70', column: step}", "fails: 91.0, not tested");
}

TEST(claims, numbers_alone_need_no_runs)
{
    check("{say: x, test: '1 + 2 * 3 == 7 and -2 < 1 and 8 / 2 / 2 == 2 and (1 - 2) - 3 == -4'}",
          "holds: ");
    check("{say: x, test: 'max(1, 3, 2) == 3 and min(4, 2) == 2 and mean(1, 2, 6) == 3'}",
          "holds: ");
}

/* -- Mistakes */

TEST(claims, a_mistake_has_the_place_of_its_character)
{
    refused("{say: x, test: 'step > 1 + '}", "t.yaml:1:28: expected a number, a column, a function "
                                             "or '(', found the end");
    refused("{say: x, test: \"step ? 1\"}", "t.yaml:1:22: '?' is no part of a test");
    refused("{say: x, test: 'step = 1'}", "t.yaml:1:22: '=' is no part of a test; equal is '=='");
    refused("{say: x, test: step > 1 1}", "t.yaml:1:25: expected an operator, found '1'");
    refused("{say: x, test: '(step > 1'}", "t.yaml:1:26: expected ')', found the end");
    refused("{say: ü, test: 'step > \"a'}", "t.yaml:1:24: this quote is not closed");
}

TEST(claims, a_folded_test_counts_its_characters)
{
    refused("say: x\ntest: >-\n  step >\n  ? 1\n",
            "t.yaml:2:7: at character 8 of the test: '?' is no part of a test");
}

TEST(claims, unknown_names_have_the_nearest)
{
    refused("{say: x, test: 'cosin > 1'}",
            "t.yaml:1:17: no column of the table is 'cosin'; did you mean 'cosine'?");
    refused("{say: x, test: 'row(squish) > 1'}",
            "t.yaml:1:21: no row of the table is 'squish'; did you mean 'squash'?");
    refused("{say: x, test: 'ratoi(1, 2) > 1'}",
            "t.yaml:1:17: unknown function 'ratoi'; did you mean 'ratio'?");
    refused("{say: x, tst: '1 > 2'}", "unknown key 'tst' in claim; did you mean 'test'?");
}

TEST(claims, types_are_checked)
{
    refused("{say: x, test: 'step'}", "t.yaml:1:17: expected a comparison such as row(0.9)");
    refused("{say: x, test: '(step > 1) + 1 > 2'}",
            "t.yaml:1:17: expected a number, found a comparison");
    refused("{say: x, test: 'row(1 + 1) > 2'}",
            "t.yaml:1:21: expected a value of the table, as in row(VALUE)");
    refused("{say: x, test: 'paper(3) > 2'}", "t.yaml:1:23: expected a cell");
    refused("{say: x, test: 'monotone(up)'}", "expected increasing|decreasing");
    refused("{say: x, test: 'best(row) > 1'}", "best is compared by == or !=");
    refused("{say: x, test: 'cell(squash) > 1'}", "t.yaml:1:17: expected cell(ROW, COLUMN)");
    refused("{say: x, test: 'row(squash, 1) > 1'}", "a row of this table has 1 value");
}

TEST(claims, rows_that_the_test_names_itself_are_refused)
{
    refused("{say: x, test: 'row(squash) > 1', rows: all}",
            "t.yaml:1:41: rows: this test names its rows itself");
    refused("{say: x, test: 'step > 1', column: step}",
            "column: this test names its columns itself");
    refused("{say: x, test: 'step > 1', rows: [sqush]}", "no row of the table is this one");
}

TEST(claims, depth_is_bounded)
{
    Arena *a = arena_new();
    char text[4096] = "{say: x, test: '";
    for (int i = 0; i < 1000; i++) strcat(text, "(");
    refused(strcat(text, "'}"), "this test is nested too deeply");
    arena_free(a);
}
