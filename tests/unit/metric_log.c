/* Reading metrics.jsonl while it is written (lib/report/metric_log), and what becomes of it. */
#include "tests/test.h"

#include "io/file.h"
#include "report/metric_log.h"
#include "report/plot_build.h"

#include <math.h>
#include <string.h>

static void read_text(Arena *a, const char *text, MetricLog *log)
{
    static const char *const names[] = {"step", "valid.loss"};
    const char *folder = test_folder();
    Error err = {0};
    ASSERT_OK(file_replace(arena_printf(a, "%s/metrics.jsonl", folder), text, strlen(text), &err),
              &err);
    ASSERT_OK(metric_log_read(log, a, folder, names, 2, &err), &err);
}

TEST(metric_log, columns_by_name)
{
    Arena *a = arena_new();
    MetricLog log;
    read_text(a,
              "{\"step\":2,\"train.valid.loss\":9,\"valid.loss\":1.5}\n"
              "{\"step\":4,\"valid.loss\":-2e-3}\n",
              &log);
    assert_int_equal(log.n, 2);
    assert_true(log.column[0][0] == 2 && log.column[0][1] == 4);
    assert_true(log.column[1][0] == 1.5 && log.column[1][1] == -2e-3);
    arena_free(a);
}

TEST(metric_log, absent_and_nan_are_nan)
{
    Arena *a = arena_new();
    MetricLog log;
    read_text(a, "{\"step\":2}\n{\"step\":4,\"valid.loss\":\"NaN\"}\n", &log);
    assert_int_equal(log.n, 2);
    assert_true(isnan(log.column[1][0]) && isnan(log.column[1][1]));
    arena_free(a);
}

TEST(metric_log, a_torn_last_line_is_left_out)
{
    Arena *a = arena_new();
    MetricLog log;
    read_text(a, "{\"step\":2,\"valid.loss\":1}\n{\"step\":4,\"valid.lo", &log);
    assert_int_equal(log.n, 1);
    read_text(a, "", &log);
    assert_int_equal(log.n, 0);
    arena_free(a);
}

TEST(metric_log, no_file_is_no_line)
{
    Arena *a = arena_new();
    MetricLog log;
    Error err = {0};
    static const char *const names[] = {"step"};
    ASSERT_OK(metric_log_read(&log, a, "/nonexistent", names, 1, &err), &err);
    assert_int_equal(log.n, 0);
    arena_free(a);
}

/* 1, 2, 4: mean 7/3, sample standard deviation sqrt(7/3) (statistics.stdev of Python). */
TEST(metric_log, points_are_means_with_bands)
{
    Arena *a = arena_new();
    PlotPair pairs[] = {
        {5, 4 },
        {3, 10},
        {5, 1 },
        {5, 2 }
    };
    PlotPoints p = plot_points(a, pairs, 4, PLOT_STD);
    assert_int_equal(p.n, 2);
    assert_true(p.x[0] == 3 && p.y[0] == 10 && p.low[0] == 10 && p.high[0] == 10);
    assert_true(p.x[1] == 5 && fabs(p.y[1] - 7.0 / 3) < 1e-12);
    assert_true(fabs(p.high[1] - (7.0 / 3 + 1.5275252316519468)) < 1e-12);
    p = plot_points(a, pairs, 4, PLOT_RANGE);
    assert_true(p.low[1] == 1 && p.high[1] == 4);
    arena_free(a);
}

TEST(metric_log, an_axis_is_logarithmic_from_a_span_on)
{
    static const double wide[] = {0.001, 0.01, 0.1}, narrow[] = {1, 2, 3}, zero[] = {0, 0.001, 1};
    assert_true(plot_is_log(PLOT_AUTO, wide, 3, PLOT_X_SPAN));
    assert_false(plot_is_log(PLOT_AUTO, narrow, 3, PLOT_X_SPAN));
    assert_false(plot_is_log(PLOT_AUTO, zero, 3, PLOT_X_SPAN));
    assert_true(plot_is_log(PLOT_LOG, narrow, 3, PLOT_X_SPAN));
}
