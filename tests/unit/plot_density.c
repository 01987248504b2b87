/* plot_density, plot_value -- what the plots of pruned networks show, of folders made here. */
#include "tests/test.h"

#include "io/file.h"
#include "io/safetensors.h"
#include "report/plot_build.h"
#include "run/checkpoint.h"
#include "run/run_record.h"

#include <math.h>
#include <string.h>

enum { MAX_RUNS = 9 };

typedef struct Made {
    PlotRun at[MAX_RUNS];
    PlotRuns runs;
    const char *root;
    Error err;
} Made;

static void start(Made *m)
{
    *m = (Made){.root = test_folder()};
    m->runs = (PlotRuns){.arena = arena_new(), .at = m->at, .name = "tests/pruned"};
}

static void finish(Made *m)
{
    arena_free(m->runs.arena);
}

/* A run that is done: a convolution `early` of (channels, 1, 1, 2) and a matrix `b.fc` of 2x4,
 * whose first `gone` weights its mask takes away. layers: the checkpoint's, or NULL. */
static PlotRun *add_run(Made *m, int64_t channels, int gone, const char *layers)
{
    Arena *a = m->runs.arena;
    PlotRun *run = &m->at[m->runs.n];
    float *conv = arena_new_array(a, float, 2 * channels);
    float fc[8], mask[8], norm[8] = {0};
    for (int64_t i = 0; i < 2 * channels; i++) conv[i] = i == 0 ? 0 : 1;
    for (int i = 0; i < 8; i++) fc[i] = 0, mask[i] = i < gone ? 0 : 1;
    const StTensor tensors[] = {
        {.name = "z.early.weight",
         .dtype = ST_F32,
         .rank = 4,
         .dim = {channels, 1, 1, 2},
         .n = 2 * channels,
         .data = conv,
         .bytes = sizeof(float) * 2 * (size_t)channels},
        {.name = "b.fc.weight",
         .dtype = ST_F32,
         .rank = 2,
         .dim = {2, 4},
         .n = 8,
         .data = fc,
         .bytes = sizeof fc                           },
        {.name = "b.fc.weight_mask",
         .dtype = ST_F32,
         .rank = 2,
         .dim = {2, 4},
         .n = 8,
         .data = mask,
         .bytes = sizeof mask                         },
        {.name = "a.norm.weight",
         .dtype = ST_F32,
         .rank = 1,
         .dim = {8},
         .n = 8,
         .data = norm,
         .bytes = sizeof norm                         },
    };
    const char *metadata[][2] = {
        {CHECKPOINT_LAYERS, layers}
    };
    run->folder = arena_printf(a, "%s/%d", m->root, m->runs.n);
    run->label = arena_printf(a, "run %d", m->runs.n);
    run->status = RUN_DONE;
    run->config = yaml_new_map(a);
    run->record = run_record_unknown();
    m->runs.n++;
    m->runs.n_done++;
    ASSERT_OK(folder_make(arena_printf(a, "%s/checkpoint", run->folder), &m->err), &m->err);
    ASSERT_OK(safetensors_write(arena_printf(a, "%s/checkpoint/model.safetensors", run->folder),
                                tensors, 4, metadata, layers ? 1 : 0, &m->err),
              &m->err);
    return run;
}

static const char order[] = "z.early.weight b.fc.weight lost.weight";

TEST(plot_density, layers_stand_in_the_order_of_the_network)
{
    Made m;
    Chart c;
    const PlotSpec spec = plot_spec_default(PLOT_DENSITY);
    start(&m);
    add_run(&m, 3, 2, order);
    ASSERT_OK(plot_density(&c, &m.runs, &spec, &m.err), &m.err);
    assert_int_equal(c.x.n_names, 2);
    assert_string_equal(c.x.names[0], "z.early");
    assert_string_equal(c.x.names[1], "b.fc");
    finish(&m);
}

TEST(plot_density, a_checkpoint_without_an_order_is_drawn_too)
{
    Made m;
    Chart c;
    const PlotSpec spec = plot_spec_default(PLOT_DENSITY);
    start(&m);
    add_run(&m, 3, 2, NULL);
    ASSERT_OK(plot_density(&c, &m.runs, &spec, &m.err), &m.err);
    assert_int_equal(c.x.n_names, 2);
    assert_string_equal(c.x.names[0], "b.fc");
    finish(&m);
}

/* Five of six weights are not 0; six of eight by the mask, whatever the weights are. */
TEST(plot_density, the_mask_says_what_is_kept_where_there_is_one)
{
    static const struct {
        const char *metric;
        double want[2];
    } cases[] = {
        {NULL,       {5.0 / 6, 0.75}},
        {"density",  {5.0 / 6, 0.75}},
        {"channels", {3, 2}         },
        {"weights",  {5, 6}         }
    };
    Made m;
    start(&m);
    add_run(&m, 3, 2, order);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Chart c;
        PlotSpec spec = plot_spec_default(PLOT_DENSITY);
        spec.metric = cases[i].metric;
        ASSERT_OK(plot_density(&c, &m.runs, &spec, &m.err), &m.err);
        assert_int_equal(c.n_series, 1);
        for (int k = 0; k < 2; k++) assert_true(fabs(c.series[0].y[k] - cases[i].want[k]) < 1e-12);
    }
    finish(&m);
}

TEST(plot_density, more_than_six_settings_are_counted_in_the_title)
{
    Made m;
    Chart c;
    PlotSpec spec = plot_spec_default(PLOT_DENSITY);
    start(&m);
    for (int i = 0; i < 6; i++) add_run(&m, 3, i, order);
    ASSERT_OK(plot_density(&c, &m.runs, &spec, &m.err), &m.err);
    assert_int_equal(c.n_series, 6);
    assert_string_equal(c.title, "pruned: density of each layer");
    for (int i = 0; i < 3; i++) add_run(&m, 3, i, order);
    ASSERT_OK(plot_density(&c, &m.runs, &spec, &m.err), &m.err);
    assert_int_equal(c.n_series, 6);
    assert_string_equal(c.title, "pruned: density of each layer (the first 6 of 9 settings)");
    spec.title = "Mine";
    ASSERT_OK(plot_density(&c, &m.runs, &spec, &m.err), &m.err);
    assert_string_equal(c.title, "Mine (the first 6 of 9 settings)");
    finish(&m);
}

TEST(plot_density, other_metrics_are_a_mistake)
{
    Made m;
    Chart c;
    PlotSpec spec = plot_spec_default(PLOT_DENSITY);
    start(&m);
    add_run(&m, 3, 2, order);
    spec.metric = "test.top1";
    ASSERT_FAILS(plot_density(&c, &m.runs, &spec, &m.err), &m.err, FAIL_DATA,
                 "metric of a density plot: expected density, channels or weights");
    finish(&m);
}

/* -- plot_value */

static const char lines[] =
    "{\"step\":10,\"valid.loss\":0.5,\"valid.top1\":0.7,\"test.top1\":0.60}\n"
    "{\"step\":20,\"valid.loss\":0.3,\"valid.top1\":0.6,\"test.top1\":0.65}\n"
    "{\"step\":30,\"valid.loss\":0.4,\"valid.top1\":0.8,\"test.top1\":0.62}\n";

static double value_by(const char *by, const char *metric)
{
    Made m;
    PlotSpec spec = plot_spec_default(PLOT_PARETO);
    start(&m);
    PlotRun *run = add_run(&m, 3, 2, order);
    const char *path = arena_printf(m.runs.arena, "%s/metrics.jsonl", run->folder);
    ASSERT_OK(file_replace(path, lines, sizeof lines - 1, &m.err), &m.err);
    (void)snprintf(run->record.final_metrics, sizeof run->record.final_metrics,
                   "{\"step\":30,\"valid.loss\":0.4,\"test.top1\":0.62}");
    run->record.n_parameters = 1234;
    spec.at_by = by;
    const double value = plot_value(&m.runs, run, &spec, metric);
    finish(&m);
    return value;
}

TEST(plot_value, is_the_last_or_the_one_where_another_metric_is_best)
{
    assert_true(value_by(NULL, "test.top1") == 0.62);
    assert_true(value_by("valid.loss", "test.top1") == 0.65); /* less is better */
    assert_true(value_by("valid.top1", "test.top1") == 0.62); /* more is */
    assert_true(value_by("test.top1", "valid.loss") == 0.3);
}

TEST(plot_value, of_the_run_itself_has_no_step)
{
    assert_true(value_by("valid.loss", "run.parameters") == 1234);
    assert_true(isnan(value_by("valid.loss", "run.nothing")));
}

TEST(plot_value, what_was_not_measured_is_no_number)
{
    assert_true(isnan(value_by("valid.other", "test.top1")));
    assert_true(isnan(value_by("valid.loss", "test.other")));
}
