/* metrics -- lines as JSON, cutting past a checkpoint, whole lines on a full disk. Expected bytes
 * are written by hand. */
#include "tests/test.h"

#include "io/file.h"
#include "run/metric_lines.h"
#include "run/metrics.h"
#include "run/stop.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *inside(const char *folder, const char *name)
{
    static char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void put(const char *folder, const char *name, const char *text)
{
    Error err = {0};
    ASSERT_OK(file_replace(inside(folder, name), text, strlen(text), &err), &err);
}

static void holds(const char *folder, const char *name, const char *text)
{
    char *got;
    size_t n;
    Error err = {0};
    ASSERT_OK(file_read(inside(folder, name), 1 << 20, &got, &n, FAIL_RUN, &err), &err);
    assert_string_equal(got, text);
    assert_int_equal(n, strlen(text));
    free(got);
}

static MetricLine line_of(int64_t step, double loss)
{
    MetricLine line = {.step = step, .epoch = (double)step / 400};
    metric_add(&line, "train.loss", loss);
    return line;
}

TEST(metrics, a_line_is_one_object)
{
    char text[2048];
    MetricLine line = line_of(200, 1.834);
    metric_add(&line, "lr", 0.1);
    metric_json(&line, text);
    assert_string_equal(text, "{\"step\":200,\"epoch\":0.5,\"train.loss\":1.834,\"lr\":0.1}");
}

TEST(metrics, what_json_cannot_say_is_a_word)
{
    char text[2048];
    MetricLine line = line_of(0, (double)NAN);
    metric_add(&line, "up", (double)INFINITY);
    metric_add(&line, "down", -(double)INFINITY);
    metric_json(&line, text);
    assert_string_equal(text, "{\"step\":0,\"epoch\":0,\"train.loss\":\"NaN\",\"up\":\"Infinity\","
                              "\"down\":\"-Infinity\"}");
}

TEST(metrics, numbers_read_back_to_the_same_bits)
{
    static const double values[] = {1.0 / 3, 0.1, 5e-324, 1.7976931348623157e308, -2.5e-7, 1e22};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char text[2048];
        MetricLine line = line_of(1, values[i]);
        metric_json(&line, text);
        json_t *j = json_loads(text, 0, NULL);
        double back = json_number_value(json_object_get(j, "train.loss"));
        assert_memory_equal(&back, &values[i], sizeof back);
        json_decref(j);
    }
}

TEST(metrics, a_full_line_is_still_json)
{
    char text[2048];
    MetricLine line = {.step = INT64_MAX, .epoch = 1.0 / 3};
    for (int i = 0; i < METRICS_MAX; i++)
        metric_add(&line, "a_metric_with_a_name_of_48_letters_which_is_a_lot",
                   -1.2345678901234567e-300);
    metric_json(&line, text);
    json_t *j = json_loads(text, 0, NULL);
    assert_true(json_is_object(j));
    assert_int_equal(json_integer_value(json_object_get(j, "step")), INT64_MAX);
    json_decref(j);
}

TEST(metrics, writes_metrics_and_times_apart)
{
    const char *folder = test_folder();
    MetricWriter m;
    Error err = {0};
    MetricLine line = line_of(4, 2), times = {.step = 4, .epoch = 0.01};
    metric_add(&times, "wall_s", 1.5);
    ASSERT_OK(metrics_open(&m, folder, -1, &err), &err);
    ASSERT_OK(metrics_write(&m, &line, &times, &err), &err);
    ASSERT_OK(metrics_write(&m, &line, NULL, &err), &err);
    ASSERT_OK(metrics_sync(&m, &err), &err);
    metrics_close(&m);
    holds(folder, "metrics.jsonl",
          "{\"step\":4,\"epoch\":0.01,\"train.loss\":2}\n"
          "{\"step\":4,\"epoch\":0.01,\"train.loss\":2}\n");
    holds(folder, "times.jsonl", "{\"step\":4,\"epoch\":0.01,\"wall_s\":1.5}\n");
}

/* Opens with `before` at `step` and says what is left. */
static void cut(const char *before, int64_t step, const char *after)
{
    const char *folder = test_folder();
    MetricWriter m;
    Error err = {0};
    put(folder, "metrics.jsonl", before);
    ASSERT_OK(metrics_open(&m, folder, step, &err), &err);
    metrics_close(&m);
    holds(folder, "metrics.jsonl", after);
}

#define LINES "{\"step\":1,\"epoch\":0.1}\n{\"step\":10,\"epoch\":1,\"a\":2}\n"

TEST(metrics, lines_past_the_step_are_cut)
{
    cut(LINES "{\"step\":11,\"epoch\":1.1}\n{\"step\":20,\"epoch\":2}\n", 10, LINES);
    cut(LINES, 10, LINES);
    cut(LINES, 1000, LINES);
    cut(LINES, 9, "{\"step\":1,\"epoch\":0.1}\n");
    cut(LINES, 0, "");
}

TEST(metrics, a_new_start_cuts_everything)
{
    cut(LINES, -1, "");
    cut("no metrics at all", -1, "");
}

TEST(metrics, a_torn_last_line_is_dropped)
{
    cut(LINES "{\"step\":11,\"epo", 100, LINES);
    cut(LINES "{\"step\":11,\"epoch\":1.1}", 100, LINES); /* whole but for its newline */
    cut(LINES "{\"step\":1", 100, LINES);
    cut("{\"st", 100, "");
}

TEST(metrics, what_a_power_cut_left_at_the_end_is_dropped)
{
    cut(LINES "\n\n{\"step\":99,\"epoch\":9}\nrubbish}\n", 10, LINES);
    cut(LINES "{\"step\":,\"epoch\":9}\n{\"step\":99999999999999999999}\n", 10, LINES);
}

TEST(metrics, a_damaged_line_before_one_to_keep_is_an_error)
{
    const char *folder = test_folder();
    MetricWriter m;
    Error err = {0};
    put(folder, "metrics.jsonl", "{\"step\":1,\"epoch\":0.1}\n{\"st\n{\"step\":3,\"epoch\":1}\n");
    ASSERT_FAILS(metrics_open(&m, folder, 3, &err), &err, FAIL_DATA,
                 "metrics.jsonl:3: the lines before this one are damaged or out of order");
}

static void write_steps(const char *folder, int64_t first, int64_t last)
{
    MetricWriter m;
    Error err = {0};
    ASSERT_OK(metrics_open(&m, folder, first - 1, &err), &err);
    for (int64_t step = first; step <= last; step++) {
        MetricLine line = line_of(step, 1.0 / (double)step);
        ASSERT_OK(metrics_write(&m, &line, NULL, &err), &err);
    }
    metrics_close(&m);
}

TEST(metrics, interrupted_and_continued_equals_uninterrupted)
{
    const char *one = test_folder(), *two = test_folder();
    Error err = {0};
    write_steps(one, 1, 30);
    write_steps(two, 1, 17);
    write_steps(two, 11, 30); /* its checkpoint was at 10 */
    char *text;
    size_t n;
    ASSERT_OK(file_read(inside(one, "metrics.jsonl"), 1 << 20, &text, &n, FAIL_RUN, &err), &err);
    holds(two, "metrics.jsonl", text);
    free(text);
}

TEST(metrics, a_full_disk_leaves_whole_lines)
{
    const char *folder = test_folder();
    MetricWriter m;
    Error err = {0};
    ASSERT_OK(metrics_open(&m, folder, -1, &err), &err);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit limit = {.rlim_cur = 100, .rlim_max = 100};
        stop_install(); /* ignores XFSZ */
        (void)setrlimit(RLIMIT_FSIZE, &limit);
        MetricLine line = line_of(1, 1.0 / 3); /* 56 bytes with its newline */
        bool first = metrics_write(&m, &line, &line, &err);
        bool second = first && metrics_write(&m, &line, &line, &err);
        bool said = err.kind == FAIL_RUN &&
                    strstr(err.items[0].text, "metrics.jsonl: cannot be written: File too large");
        _exit(first && !second && said ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    metrics_close(&m);
    holds(folder, "metrics.jsonl",
          "{\"step\":1,\"epoch\":0.0025,\"train.loss\":0.3333333333333333}\n");
}

TEST(metrics, a_folder_that_is_not_there_is_an_error)
{
    MetricWriter m;
    Error err = {0};
    ASSERT_FAILS(metrics_open(&m, "/nowhere/at/all", -1, &err), &err, FAIL_RUN,
                 "/nowhere/at/all/metrics.jsonl: cannot be written: No such file");
}

TEST(metrics, costs_of_text_are_better_when_less)
{
    assert_true(metric_less_is_better("test.bits_per_byte"));
    assert_true(metric_less_is_better("valid.perplexity"));
    assert_false(metric_less_is_better("test.top1"));
}
