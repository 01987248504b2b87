/* tables -- what a `table:` block may say, the cells that observations give, what is best, what a
 * search chooses, and the lines of metrics.jsonl. */
#include "tests/test.h"

#include "run/metric_lines.h"
#include "table/run_values.h"
#include "table/table_write.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { RUNS = 64 };

typedef struct Made {
    Arena *a;
    TableSpec spec;
    Search search;
    Observation at[RUNS];
    int n;
    Table table;
} Made;

static Yaml *parse(Arena *a, const char *text)
{
    Yaml *y = NULL;
    Error err = {0};
    ASSERT_OK(yaml_parse(a, text, strlen(text), "t.yaml", &y, &err), &err);
    return y;
}

static Made *made_new(const char *spec)
{
    Arena *a = arena_new();
    Made *m = arena_alloc(a, sizeof *m);
    Error err = {0};
    m->a = a;
    ASSERT_OK(table_spec_read(&m->spec, a, parse(a, spec), &err), &err);
    return m;
}

/* One run of the row and column with this seed; value NAN: not done. */
static Observation *add_run(Made *m, const char *row, const char *column, const char *seed,
                            double value)
{
    double *values = arena_new_array(m->a, double, TABLE_METRICS);
    for (int i = 0; i < TABLE_METRICS; i++) values[i] = value;
    Observation *o = &m->at[m->n++];
    *o = (Observation){
        .row = {row, "x"},
        .column = column,
        .over = seed,
        .setting = "",
        .label = arena_printf(m->a, "row=%s seed=%s", row, seed),
        .run = arena_printf(m->a, "run%d", m->n),
        .done = !isnan(value),
        .values = values
    };
    return o;
}

static void build(Made *m)
{
    Error err = {0};
    ASSERT_OK(
        table_build(&m->table, m->a, &m->spec, m->search.by ? &m->search : NULL, m->at, m->n, &err),
        &err);
}

static void build_fails(Made *m, const char *message)
{
    Error err = {0};
    ASSERT_FAILS(table_build(&m->table, m->a, &m->spec, NULL, m->at, m->n, &err), &err, FAIL_CONFIG,
                 message);
    arena_free(m->a);
}

static void spec_fails(const char *text, const char *message)
{
    Arena *a = arena_new();
    TableSpec spec;
    Error err = {0};
    ASSERT_FAILS(table_spec_read(&spec, a, parse(a, text), &err), &err, FAIL_CONFIG, message);
    arena_free(a);
}

/* -- Cells */

TEST(tables, a_cell_is_the_scaled_mean_over_its_seeds)
{
    Made *m = made_new("{rows: r, columns: c, metric: {name: test.top1, scale: 100}}");
    (void)add_run(m, "a", "x", "1", 0.50);
    (void)add_run(m, "a", "x", "2", 0.75);
    (void)add_run(m, "a", "x", "3", (double)NAN); /* not done */
    (void)add_run(m, "b", "y", "1", 0.25);
    build(m);
    const Cell *c = table_cell(&m->table, 0, 0);
    assert_true(c->mean == 62.5 && fabs(c->std - 25 / sqrt(2)) < 1e-12);
    assert_int_equal(c->n, 2);
    assert_int_equal(c->n_runs, 3);
    /* tan(0.475 pi) = 12.7062047361747; the standard error is 12.5 */
    assert_true(fabs(c->high - (62.5 + 12.5 * 12.7062047361747)) < 1e-9);
    assert_int_equal(table_cell(&m->table, 0, 1)->n, 0);
    assert_int_equal(m->table.n_rows, 2);
    arena_free(m->a);
}

TEST(tables, the_best_is_by_the_metrics_direction)
{
    Made *m = made_new("{rows: r, metrics: [test.top1, test.loss, run.step_ms]}");
    (void)add_run(m, "a", NULL, "1", 3);
    (void)add_run(m, "b", NULL, "1", 5);
    build(m);
    assert_true(table_cell(&m->table, 1, 0)->best && !table_cell(&m->table, 0, 0)->best);
    assert_true(table_cell(&m->table, 0, 1)->best && !table_cell(&m->table, 1, 1)->best);
    assert_true(table_cell(&m->table, 0, 2)->best);
    arena_free(m->a);
}

TEST(tables, what_prints_alike_is_equally_good)
{
    Made *m = made_new("{rows: r, metric: {name: test.top1, digits: 1}}");
    (void)add_run(m, "a", NULL, "1", 91.41);
    (void)add_run(m, "b", NULL, "1", 91.44);
    (void)add_run(m, "c", NULL, "1", 91.30);
    build(m);
    assert_true(table_cell(&m->table, 0, 0)->best && table_cell(&m->table, 1, 0)->best);
    assert_false(table_cell(&m->table, 2, 0)->best);
    arena_free(m->a);
}

TEST(tables, runs_that_differ_in_nothing_known_are_refused)
{
    Made *m = made_new("{rows: r, metric: test.top1}");
    (void)add_run(m, "a", NULL, "1", 1);
    add_run(m, "a", NULL, "1", 2)->label = "row=a seed=1 width=4";
    build_fails(m, "t.yaml:1:8: the runs 'row=a seed=1' and 'row=a seed=1 width=4' belong to one "
                   "cell and differ in nothing that is averaged over");
}

TEST(tables, one_run_of_two_settings_counts_once)
{
    Made *m = made_new("{rows: r, metric: test.top1}");
    add_run(m, "a", NULL, "1", 1)->run = "same";
    add_run(m, "a", NULL, "1", 1)->run = "same";
    build(m);
    assert_int_equal(table_cell(&m->table, 0, 0)->n, 1);
    arena_free(m->a);
}

TEST(tables, rows_are_found_by_number_and_by_label)
{
    Made *m = made_new("{rows: r, metric: test.top1, labels: {0.001: small}}");
    (void)add_run(m, "0.001", NULL, "1", 1);
    build(m);
    assert_int_equal(table_find_row(&m->table, (const char *[]){"1e-3"}, 1), 0);
    assert_int_equal(table_find_row(&m->table, (const char *[]){"small"}, 1), 0);
    assert_int_equal(table_find_row(&m->table, (const char *[]){"0.002"}, 1), -1);
    arena_free(m->a);
}

/* -- The paper's values */

TEST(tables, far_is_more_than_two_deviations_from_the_paper)
{
    Made *m = made_new("{rows: r, metric: test.top1, paper: {a: 4.2, b: 4.3}}");
    for (int i = 0; i < 2; i++) { /* mean 2, std sqrt(2): 2 std are 2.83 */
        const char *row = i ? "b" : "a";
        (void)add_run(m, row, NULL, "1", 1);
        (void)add_run(m, row, NULL, "2", 3);
    }
    m->at[2].values = m->at[3].values = arena_new_array(m->a, double, TABLE_METRICS); /* 0 0 */
    build(m);
    assert_false(table_cell(&m->table, 0, 0)->is_far);
    assert_true(table_cell(&m->table, 1, 0)->is_far);
    arena_free(m->a);
}

TEST(tables, papers_rows_and_columns_must_be_the_tables)
{
    Made *m = made_new("{rows: r, columns: c, metric: test.top1, paper: {cosine: {squish: 1}}}");
    (void)add_run(m, "squash", "cosine", "1", 1);
    build_fails(m, "t.yaml:1:59: paper: no row of the table is 'squish'; did you mean 'squash'?");
    m = made_new("{rows: r, columns: c, metric: test.top1, paper: {cosin: {squash: 1}}}");
    (void)add_run(m, "squash", "cosine", "1", 1);
    build_fails(m, "paper: no column of the table is 'cosin'; did you mean 'cosine'?");
    m = made_new("{rows: r, metric: test.top1, labels: {squish: Squash}}");
    (void)add_run(m, "squash", NULL, "1", 1);
    build_fails(m, "labels: no row of the table is 'squish'; did you mean 'squash'?");
}

/* -- Search */

static Made *made_search(const char *by)
{
    Made *m = made_new("{rows: r, metric: test.top1}");
    Error err = {0};
    const char *text = arena_printf(m->a, "{by: %s, over: [optimizer.lr]}", by);
    ASSERT_OK(search_read(&m->search, parse(m->a, text), &err), &err);
    static const char *const settings[] = {"lr=0.1", "lr=0.3", "lr=1"};
    static const double valid[] = {0.5, 0.7, 0.9};
    for (int i = 0; i < 6; i++) { /* test is highest where valid is lowest */
        Observation *o = add_run(m, "a", NULL, i % 2 ? "2" : "1", 10 - i / 2);
        o->setting = settings[i / 2];
        o->by = valid[i / 2];
    }
    m->at[5].done = false; /* the last setting lacks a seed */
    return m;
}

TEST(tables, a_search_keeps_the_setting_that_validation_likes_best)
{
    Made *m = made_search("valid.top1");
    build(m);
    const Cell *c = table_cell(&m->table, 0, 0);
    assert_string_equal(c->setting, "lr=0.3"); /* lr=1 has fewer seeds done */
    assert_true(c->mean == 9 && c->n == 2);
    arena_free(m->a);
}

TEST(tables, a_search_by_a_loss_keeps_the_lowest)
{
    Made *m = made_search("valid.loss");
    build(m);
    assert_string_equal(table_cell(&m->table, 0, 0)->setting, "lr=0.1");
    arena_free(m->a);
}

TEST(tables, no_choice_is_made_by_a_test_metric)
{
    Arena *a = arena_new();
    Search s;
    Error err = {0};
    ASSERT_FAILS(search_read(&s, parse(a, "{by: test.top1, over: optimizer.lr}"), &err), &err,
                 FAIL_CONFIG, "t.yaml:1:6: by = 'test.top1': a setting is never chosen by a test");
    arena_free(a);
    spec_fails("{rows: r, metric: {name: valid.top1, at: 'best:test.loss'}}",
               "t.yaml:1:42: at = 'best:test.loss': the best step is never chosen by a test");
}

/* -- The block */

TEST(tables, mistakes_of_the_block_have_their_place)
{
    spec_fails("{metric: test.top1}", "t.yaml:1:1: 'rows' is missing");
    spec_fails("{rows: r}", "'metric' is missing");
    spec_fails("{rows: r, metric: {name: test.top1, digts: 1}}",
               "t.yaml:1:37: unknown key 'digts' in metric; did you mean 'digits'?");
    spec_fails("{rows: r, colums: c, metric: a}",
               "t.yaml:1:11: unknown key 'colums' in table; did you mean 'columns'?");
    spec_fails("{rows: r, columns: c, metrics: [a, b]}", "with columns there is one metric");
    spec_fails("{rows: [a, b, c], metric: a}", "rows: at most 2 keys");
    spec_fails("{rows: r, metric: {name: a, at: 1.5}}",
               "expected last, best:METRIC, reach:METRIC or a step");
    spec_fails("{rows: r, metric: {name: run.wall_s, at: 3}}", "at the end of a run only");
    spec_fails("{rows: r, metric: {name: a, better: larger}}", "expected auto|higher|lower|none");
}

/* -- metrics.jsonl and run.json */

static double number_in(const char *line, const char *name)
{
    double value = -1;
    return metric_line_number(line, strlen(line), name, &value) ? value : -2;
}

TEST(tables, numbers_of_a_line_are_found_by_their_whole_name)
{
    const char *line =
        "{\"step\":200,\"epoch\":0.5,\"train.loss\":1.5e-3,\"loss\":\"NaN\",\"lr\":2}";
    assert_true(number_in(line, "step") == 200);
    assert_true(number_in(line, "train.loss") == 1.5e-3);
    assert_true(isnan(number_in(line, "loss")));
    assert_true(number_in(line, "lr") == 2);
    assert_true(number_in(line, "rain.loss") == -2);
    assert_true(number_in("{\"x\":\"Infinity\"}", "x") > 1e308);
}

static void write_lines(char folder[4096])
{
    (void)snprintf(folder, 4096, "%s", test_folder());
    char path[5000];
    (void)snprintf(path, sizeof path, "%s/metrics.jsonl", folder);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    (void)fputs("{\"step\":10,\"valid.loss\":0.9,\"test.top1\":0.1}\n"
                "{\"step\":20,\"valid.loss\":0.4,\"test.top1\":0.2}\n"
                "{\"step\":30,\"valid.loss\":0.6,\"test.top1\":0.3}\n"
                "{\"step\":40,\"valid.loss\":0.1,\"test.to",
                f);
    (void)fclose(f);
}

/* The value of `metric` of a run with those lines. */
static double value_at(const char *metric, const char *by, double *by_value)
{
    char folder[4096];
    Arena *a = arena_new();
    RunRecord record = {.final_metrics = "{\"step\":30,\"valid.loss\":0.6,\"test.top1\":0.3}",
                        .step_ms = 1.25};
    TableSpec spec;
    Error err = {0};
    double value[TABLE_METRICS] = {0};
    uint32_t absent;
    write_lines(folder);
    const char *text = arena_printf(a, "{rows: r, metric: %s}", metric);
    ASSERT_OK(table_spec_read(&spec, a, parse(a, text), &err), &err);
    ASSERT_OK(run_values(&spec, by, folder, &record, value, &absent, by_value, &err), &err);
    arena_free(a);
    return absent ? -1 : value[0];
}

TEST(tables, a_metric_is_taken_where_at_says)
{
    double by;
    assert_true(value_at("{name: test.top1}", NULL, &by) == 0.3);
    assert_true(value_at("{name: test.top1, at: 10}", NULL, &by) == 0.1);
    assert_true(value_at("{name: test.top1, at: 'best:valid.loss'}", "valid.loss", &by) == 0.2);
    assert_true(by == 0.4); /* at the same evaluation */
    assert_true(value_at("{name: run.step_ms}", NULL, &by) == 1.25);
    assert_true(value_at("{name: test.top5}", NULL, &by) == -1);
}

TEST(tables, a_search_looks_at_the_best_or_the_last_evaluation_but_at_no_step_before)
{
    double by = -1;
    (void)value_at("{name: test.top1}", "valid.loss", &by);
    assert_true(by == 0.6);
    (void)value_at("{name: test.top1, at: 10}", "valid.loss", &by);
    assert_true(by == 0.6);
    (void)value_at("{name: step, at: 'reach:valid.loss', value: 0.9}", "valid.loss", &by);
    assert_true(by == 0.6);
}

TEST(tables, reach_is_the_first_evaluation_as_good_as_a_value_else_the_last)
{
    double by;
    assert_true(value_at("{name: step, at: 'reach:valid.loss', value: 0.45}", NULL, &by) == 20);
    assert_true(value_at("{name: step, at: 'reach:valid.loss', value: 0.9}", NULL, &by) == 10);
    assert_true(value_at("{name: step, at: 'reach:valid.loss', value: 0.01}", NULL, &by) == 30);
}

/* As long as the row's value is not known, a run gives what is to be reached. */
TEST(tables, reach_of_a_row_starts_from_the_last_value)
{
    double by;
    const double last = value_at("{name: valid.loss}", NULL, &by);
    assert_true(last > 0);
    assert_true(value_at("{name: step, at: 'reach:valid.loss', row: lora}", NULL, &by) == last);
}

TEST(tables, reach_needs_one_thing_to_reach)
{
    spec_fails("{rows: r, metric: {name: step, at: 'reach:valid.loss'}}",
               "needs either a value or a row");
    spec_fails("{rows: r, metric: {name: step, at: 'reach:valid.loss', value: 1, row: a}}",
               "needs either a value or a row");
    spec_fails("{rows: r, metric: {name: step, at: last, value: 1}}",
               "only at: reach:METRIC has a value");
    spec_fails("{rows: r, metric: {name: step, at: 'reach:test.loss', value: 1}}",
               "never chosen by a test metric");
    spec_fails("{rows: r, columns: c, metric: {name: step, at: 'reach:valid.loss', row: a}}",
               "not in a table with columns");
}

TEST(tables, a_step_that_was_not_evaluated_is_named)
{
    char folder[4096];
    Arena *a = arena_new();
    RunRecord record = {0};
    TableSpec spec;
    Error err = {0};
    double value[TABLE_METRICS], by;
    uint32_t absent;
    write_lines(folder);
    ASSERT_OK(table_spec_read(&spec, a, parse(a, "{rows: r, metric: {name: a, at: 15}}"), &err),
              &err);
    ASSERT_FAILS(run_values(&spec, NULL, folder, &record, value, &absent, &by, &err), &err,
                 FAIL_CONFIG, "has no evaluation at step 15");
    arena_free(a);
}

/* -- Text */

TEST(tables, text_is_aligned_by_its_parts)
{
    Made *m = made_new("{title: T, rows: methods.0.sparsity, columns: c, metric: {name: test.top1, "
                       "digits: 1}, paper: {step: {0.5: 91.7}}}");
    (void)add_run(m, "0.5", "step", "1", 91.2);
    (void)add_run(m, "0.5", "step", "2", 91.6);
    (void)add_run(m, "0.5", "größer", "1", 9.2);
    (void)add_run(m, "0.95", "größer", "1", 10.2);
    (void)add_run(m, "0.95", "größer", "2", 10.4);
    build(m);
    TableSet set = {.specs = &m->spec,
                    .tables = &m->table,
                    .n = 1,
                    .n_runs = 6,
                    .n_missing = 2,
                    .n_failed = 1,
                    .command = "seqlab sweep t.yaml",
                    .source = "seqlab 1"};
    TableStyle style = {0};
    Text out = {0};
    table_write_text(&set, &style, &out);
    assert_string_equal(out.data,
                        "T    mean ± sample std, n seeds; paper in brackets, difference after it\n"
                        "sparsity   step                           größer\n"
                        "0.5        91.4 ± 0.3 (2) [91.7] -0.3      9.2       (1)\n"
                        "0.95       -                              10.3 ± 0.1 (2)\n"
                        "2 runs of 6 missing (1 failed): seqlab sweep t.yaml\n"
                        "seqlab 1\n");
    text_free(&out);
    arena_free(m->a);
}

TEST(tables, labels_are_escaped_in_every_markup)
{
    Made *m = made_new("{title: 'a & b', rows: r, metric: test.top1, labels: {x: '<i>|50 %_*'}}");
    (void)add_run(m, "x", NULL, "1", 1);
    build(m);
    TableSet set = {.specs = &m->spec, .tables = &m->table, .n = 1, .command = "", .source = ""};
    TableStyle style = {0};
    Text md = {0}, tex = {0}, html = {0}, csv = {0};
    tables_write(&set, FORMAT_MD, &style, &md);
    tables_write(&set, FORMAT_LATEX, &style, &tex);
    tables_write(&set, FORMAT_HTML, &style, &html);
    tables_write(&set, FORMAT_CSV, &style, &csv);
    assert_non_null(strstr(md.data, "| \\<i>\\|50 %\\_\\* | 1.000 |"));
    assert_non_null(strstr(tex.data, "$<$i$>$|50 \\%\\_{*} & $1.000$ \\\\\n"));
    assert_non_null(strstr(html.data, "<caption>a &amp; b</caption>"));
    assert_non_null(strstr(html.data, "<th scope=\"row\">&lt;i&gt;|50 %_*</th>"));
    assert_non_null(strstr(csv.data, "\na & b,x,,,test.top1,1,,,,1,,,,run1\n"));
    text_free(&md);
    text_free(&tex);
    text_free(&html);
    text_free(&csv);
    arena_free(m->a);
}
