/* plot_spec -- see plot_spec.h. */
#include "report/plot_spec.h"

#include "run/metric_lines.h"

#include <stddef.h>

const char plot_kinds[] = "curve|sweep|pareto|histogram|images|confusion|density";

// clang-format off
static const Option rows[] = {
    OPT_ENUM(PlotSpec, kind, plot_kinds, "curve", "what is drawn; required"),
    OPT_STRING(PlotSpec, title, "", "above the plot; default: made from the rest"),
    OPT_STRING(PlotSpec, metric, "", "a metric of metrics.jsonl or, as run.NAME, a number of run.json; default: train.loss for curves, else the test or valid metric; density: density, channels or weights of each layer"),
    OPT_STRING(PlotSpec, x, "", "curve: step or epoch; sweep: a swept key; pareto: as metric, default run.parameters"),
    OPT_STRING(PlotSpec, x_label, "", "sweep: under the x axis; default: the key"),
    OPT_TREE(x_values, "map of values and numbers", "", "sweep: where the key's values stand on the x axis: {0: 100, 1: 80.04}"),
    OPT_STRING(PlotSpec, at_by, "", "sweep, pareto: the metric is that of the evaluation at which this one is best, such as valid.loss; never a test metric; default: of the last"),
    OPT_STRING(PlotSpec, group, "", "a key: a series for each of its values; default: one for each setting"),
    OPT_TREE(over,  "key or list of keys", "train.seed", "what is averaged over"),
    OPT_TREE(paper, "number or map of names and numbers", "", "the paper's values, drawn as lines: 0.91 or {ResNet-20: 0.9125}"),
    OPT_STRING(PlotSpec, tensor, "", "histogram: name of a weight tensor; default: all weights"),
    OPT_STRING(PlotSpec, unit, "", "behind the metric's name"),
    OPT_REAL(PlotSpec, scale, 1, -1e12, 1e12, "the metric is multiplied by it"),
    OPT_ENUM(PlotSpec, x_scale, "auto|linear|log", "auto", "auto: log when the values span more than a factor of 30"),
    OPT_ENUM(PlotSpec, y_scale, "auto|linear|log", "auto", "auto: log for what is no share and spans more than a factor of 50; of a histogram: linear"),
    OPT_ENUM(PlotSpec, band, "std|range|none", "std", "around the mean over the seeds: sample standard deviation, or smallest to largest"),
    OPT_INT(PlotSpec, smooth, 1, 1, 100000, "curve: mean of this many evaluations"),
    OPT_INT(PlotSpec, bins, 60, 2, 1000, "histogram: number of bins"),
    OPT_INT(PlotSpec, n, 20, 1, 400, "images: how many"),
    OPT_ENUM(PlotSpec, split, "train|valid|test", "test", "images, confusion: the examples"),
};
// clang-format on
const OptionTable plot_spec_options = OPTION_TABLE(PlotSpec, rows);

PlotSpec plot_spec_default(PlotKind kind)
{
    PlotSpec spec = {.kind = (int)kind,
                     .scale = 1,
                     .smooth = 1,
                     .bins = 60,
                     .n = 20,
                     .split = 2,
                     .over = {"train.seed"},
                     .n_over = 1};
    return spec;
}

static bool read_over(PlotSpec *spec, const Yaml *y, Error *err)
{
    spec->over[0] = "train.seed";
    spec->n_over = 1;
    if (!y) return true;
    if (y->kind == YAML_SCALAR) return yaml_string(y, &spec->over[0], err);
    if (y->kind != YAML_LIST || y->n > PLOT_OVER)
        return yaml_fail(y, err, "over: expected a key, or a list of up to %d", PLOT_OVER);
    spec->n_over = 0;
    for (const Yaml *key = y->first; key; key = key->next)
        TRY(yaml_string(key, &spec->over[spec->n_over++], err));
    return true;
}

/* `paper: 0.91`, or names and values. */
static bool read_paper(PlotSpec *spec, Arena *a, const Yaml *y, Error *err)
{
    if (!y || y->kind == YAML_NULL) return true;
    bool many = y->kind == YAML_MAP;
    if (y->kind == YAML_LIST) return yaml_fail(y, err, "paper: expected a number or a map of them");
    spec->references = arena_new_array(a, ChartReference, many ? y->n : 1);
    for (const Yaml *one = many ? y->first : y; one; one = many ? one->next : NULL) {
        ChartReference *r = &spec->references[spec->n_references];
        TRY(yaml_real(one, &r->y, err));
        r->label = many ? arena_printf(a, "paper: %s", one->key) : "paper";
        spec->n_references++;
    }
    return true;
}

static bool read_one(PlotSpec *spec, Arena *a, const Yaml *y, Error *err)
{
    *spec = (PlotSpec){0};
    if (y->kind != YAML_MAP)
        return yaml_fail(y, err, "plots: expected a map such as {kind: curve, metric: train.loss}");
    bool ok = option_read(&plot_spec_options, y, NULL, "in plots", spec, err);
    spec->where = y;
    if (!yaml_get(y, "kind")) ok = yaml_fail(y, err, "kind is missing: one of %s", plot_kinds);
    ok &= read_over(spec, yaml_get(y, "over"), err);
    ok &= read_paper(spec, a, yaml_get(y, "paper"), err);
    spec->x_values = yaml_get(y, "x_values");
    if (spec->x_values && spec->x_values->kind != YAML_MAP)
        ok = yaml_fail(spec->x_values, err, "x_values: expected a map such as {0: 100, 1: 80.04}");
    if (spec->at_by && metric_is_test(spec->at_by))
        ok = yaml_fail(yaml_get(y, "at_by"), err,
                       "at_by = '%.60s': the best step is never chosen by a test metric",
                       spec->at_by);
    if (!ok) return false;
    bool by_key = spec->kind == PLOT_SWEEP;
    if (by_key && !spec->x)
        return yaml_fail(y, err, "x is missing: a swept key, such as train.seed");
    return true;
}

bool plot_specs_read(PlotSpec **out, int *n, Arena *a, const Yaml *list, Error *err)
{
    bool ok = true;
    *out = NULL;
    *n = 0;
    if (!list || list->kind == YAML_NULL) return true;
    if (list->kind != YAML_LIST)
        return yaml_fail(list, err, "plots: expected a list such as [{kind: curve}]");
    *out = arena_new_array(a, PlotSpec, list->n);
    for (const Yaml *y = list->first; y; y = y->next) ok &= read_one(&(*out)[(*n)++], a, y, err);
    return ok;
}
