/* residual_pad -- residual streams whose summands have widths of their own: against plain addition,
 * against the whole network with channels at zero, and the choice of such widths against tied ones.
 */
#include "tests/case.h"
#include "tests/model.h"
#include "tests/test.h"

#include "base/pcg.h"
#include "graph/plan.h"
#include "methods/prune/crop.h"

#include <math.h>
#include <string.h>

enum { BATCH = 2, CLASSES = 10, SIDE = 16 };

static TestModel model_of(const char *name, const char *options)
{
    return test_model(name, options, shape(3, (int64_t)SIDE, (int64_t)SIDE, INT64_C(3)), CLASSES);
}

/* Evaluation, or the loss and all gradients of a training step, one after the other. */
typedef struct Values {
    float *at;
    int64_t n;
} Values;

static Plan *plan_of(TestModel *m, Node *const nodes[], int n)
{
    Error err = {0};
    const PlanOptions options = {0};
    PlanOutput *outputs = arena_new_array(m->arena, PlanOutput, n);
    for (int i = 0; i < n; i++) outputs[i] = (PlanOutput){nodes[i], NULL};
    Plan *plan = plan_new(m->build.graph, outputs, n, &options, &err);
    ASSERT_OK(plan != NULL && plan_allocate(plan, &err), &err);
    return plan;
}

static Values values_of(TestModel *m, bool training)
{
    static float x[BATCH * SIDE * SIDE * 3];
    Node *nodes[512], *wrt[512];
    int n = 0;
    Values v = {0};
    test_model_build(m, BATCH, training);
    for (int64_t i = 0; i < BATCH * SIDE * SIDE * 3; i++) x[i] = test_number("x", i);
    Graph *g = m->build.graph;
    if (training) {
        for (Param *p = m->build.params->first; p; p = p->next)
            if (p->trainable) wrt[n++] = param_node(g, p);
        Node *loss = sum(g, mul(g, m->logits, m->logits), ALL_AXES, false);
        graph_grad(g, loss, NULL, wrt, n, nodes);
    }
    nodes[n++] = m->logits;
    Plan *plan = plan_of(m, nodes, n);
    plan_bind(plan, m->x, x);
    plan_run(plan, 0);
    for (int i = 0; i < n; i++) v.n += shape_count(&nodes[i]->shape);
    v.at = arena_new_array(m->arena, float, v.n);
    float *to = v.at;
    for (int i = 0; i < n; i++) {
        const int64_t count = shape_count(&nodes[i]->shape);
        memcpy(to, plan_value(plan, nodes[i]), sizeof(float) * (size_t)count);
        to += count;
    }
    plan_free(plan);
    return v;
}

TEST(residual_pad, with_equal_widths_has_the_bits_of_plain_addition)
{
    static const char *const models[][3] = {
        {"resnet8",         "{width: 4}",                           "{width: 4, residual: pad}"             },
        {"resnet20",        "{width: 4, shortcut: B}",              "{width: 4, shortcut: B, residual: pad}"},
        {"mobilenet_v2",    "{stem: cifar, width_multiplier: 0.1}",
         "{stem: cifar, width_multiplier: 0.1, residual: pad}"                                              },
        {"efficientnet_b0", "{stem: cifar, width_multiplier: 0.1}",
         "{stem: cifar, width_multiplier: 0.1, residual: pad}"                                              },
    };
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
        TestModel tied = model_of(models[i][0], models[i][1]);
        TestModel pad = model_of(models[i][0], models[i][2]);
        pad.build.architecture = pad.model->architecture(pad.options);
        assert_int_equal(pad.build.architecture->residual, RESIDUAL_PAD);
        test_model_init(&tied, BATCH, 1);
        test_model_init(&pad, BATCH, 1);
        for (int training = 0; training < 2; training++) {
            const Values x = values_of(&tied, training), y = values_of(&pad, training);
            assert_int_equal(x.n, y.n);
            assert_memory_equal(x.at, y.at, sizeof(float) * (size_t)x.n);
        }
        test_model_free(&tied);
        test_model_free(&pad);
    }
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The first channels of each tensor of `whole`; there the others become 0, but for those that are
 * only read. */
static void take_first(const Params *small, const Params *whole)
{
    for (Param *p = small->first; p; p = p->next) {
        const Param *from = params_find(whole, p->name);
        assert_non_null(from);
        const int64_t rows = from->shape.dim[0], each = from->n / rows;
        const int64_t columns = p->shape.rank > 1 ? from->shape.dim[1] : 1;
        const int64_t taps = each / columns, in = p->shape.rank > 1 ? p->shape.dim[1] : 1;
        for (int64_t r = 0; r < p->shape.dim[0]; r++)
            for (int64_t c = 0; c < least(in, columns); c++)
                memcpy(p->data + (r * in + c) * taps, from->data + (r * columns + c) * taps,
                       sizeof(float) * (size_t)taps);
        if (strstr(p->name, "running_var")) continue;
        for (int64_t i = p->shape.dim[0] * each; i < from->n; i++) from->data[i] = 0;
    }
}

/* Each stage still has a summand of its whole width; the rest is narrower, on either side. */
TEST(residual_pad, narrower_summands_are_whole_ones_with_zeros)
{
    static const char *const models[][3] = {
        {"resnet20",     "{width: 4}",
         "{width: 4, residual: pad, widths: {layer1.0.conv2: 1, layer1.2.conv2: 3, layer1.1.conv1: "
         "2,"
         " layer2.1.conv2: 5, layer2.2.conv2: 2, layer3.1.conv2: 11}}"},
        {"resnet20",     "{width: 4, shortcut: B}",
         "{width: 4, shortcut: B, residual: pad, widths: {conv1: 2, layer1.1.conv2: 3,"
         " layer2.0.conv2: 5, layer2.2.conv2: 7, layer3.0.conv2: 3}}" },
        {"mobilenet_v2", "{stem: cifar, width_multiplier: 0.1}",
         "{stem: cifar, width_multiplier: 0.1, residual: pad, widths: {features.3.conv.2: 3, "
         "features.4.conv.2: 2, features.9.conv.2: 5}}"               },
    };
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
        TestModel whole = model_of(models[i][0], models[i][1]);
        TestModel pad = model_of(models[i][0], models[i][2]);
        pad.build.architecture = pad.model->architecture(pad.options);
        test_model_allocate(&whole, BATCH);
        test_model_allocate(&pad, BATCH);
        test_fill(whole.build.params, 1.5);
        take_first(pad.build.params, whole.build.params);
        assert_true(pad.build.params->count < whole.build.params->count);
        const Values x = values_of(&whole, false), y = values_of(&pad, false);
        for (int64_t k = 0; k < x.n; k++)
            assert_true(fabsf(x.at[k] - y.at[k]) < 1e-5F * (1 + fabsf(x.at[k])));
        assert_true(fabsf(x.at[0] - x.at[CLASSES]) > 1e-4F);
        test_model_free(&whole);
        test_model_free(&pad);
    }
}

TEST(residual_pad, a_model_without_sums_says_so)
{
    Error err = {0};
    LayerTable table;
    TestModel m = model_of("vgg11", "{residual: pad}");
    ASSERT_FAILS(layer_table(m.model, m.options, &m.build, m.model->architecture(m.options),
                             m.arena, &table, &err),
                 &err, FAIL_CONFIG, "residual: pad, but model 'vgg11' has no residual streams");
    test_model_free(&m);
}

/* -- Widths */

typedef struct Problem {
    TestModel m;
    LayerTable table;
    Crop crop;
} Problem;

static void pose(Problem *p, const char *model, const char *options, double density)
{
    Error err = {0};
    p->m = model_of(model, options);
    ASSERT_OK(layer_table(p->m.model, p->m.options, &p->m.build,
                          p->m.model->architecture(p->m.options), p->m.arena, &p->table, &err),
              &err);
    crop_start(&p->crop, &p->table, density, 0, p->m.arena);
}

static const char *const padded[][2] = {
    {"resnet20",        "{residual: pad, shortcut: B}"},
    {"resnet8",         "{residual: pad}"             },
    {"mobilenet_v2",    "{residual: pad, stem: cifar}"},
    {"efficientnet_b0", "{residual: pad, stem: cifar}"},
};
enum { N_PADDED = sizeof padded / sizeof padded[0] };

/* What layer_table says of the sides, against the network built at other widths. */
TEST(residual_pad, a_layer_reads_the_widest_of_what_was_added)
{
    Pcg rng = pcg_seed(7, 8);
    for (int f = 0; f < N_PADDED; f++) {
        Problem p;
        LayerTable after;
        Error err = {0};
        bool several = false;
        pose(&p, padded[f][0], padded[f][1], 0.5);
        Architecture *other = arena_new_array(p.m.arena, Architecture, 1);
        *other = *p.m.model->architecture(p.m.options);
        for (int i = 0; i < p.table.n_widths; i++)
            assert_true(
                architecture_set_width(other, p.table.widths[i].name,
                                       1 + pcg_below(&rng, (uint32_t)p.table.widths[i].width)));
        ASSERT_OK(layer_table(p.m.model, p.m.options, &p.m.build, other, p.m.arena, &after, &err),
                  &err);
        for (int l = 0; l < after.n_rows; l++) {
            const LayerRow *row = &p.table.rows[l];
            int64_t widest = 0;
            for (int i = 0; i < row->n_ins; i++)
                if (after.widths[row->ins[i]].width > widest)
                    widest = after.widths[row->ins[i]].width;
            if (row->n_ins > 0) assert_int_equal(after.rows[l].weight.dim[1], widest);
            if (row->out >= 0)
                assert_int_equal(after.rows[l].weight.dim[0], after.widths[row->out].width);
            several = several || row->n_ins > 1;
        }
        assert_true(several);
        test_model_free(&p.m);
    }
}

static double side(const Problem *p, int width)
{
    for (int s = 0; s < p->crop.n; s++)
        if (p->crop.part[s] == width) return p->crop.ratio[s];
    return 1;
}

static double out_side(const Problem *p, const LayerRow *row)
{
    return row->out < 0 ? 1 : side(p, row->out);
}

/* All summands of a stream are as wide in the published network. */
static double in_side(const Problem *p, const LayerRow *row)
{
    double widest = 0;
    if (row->n_ins == 0) return 1;
    for (int i = 0; i < row->n_ins; i++) widest = fmax(widest, side(p, row->ins[i]));
    return widest;
}

static double misfit(const Problem *p, const double density[])
{
    double sum = 0;
    for (int l = 0; l < p->table.n_rows; l++) {
        const LayerRow *row = &p->table.rows[l];
        const double off = log(out_side(p, row) * in_side(p, row) / density[l]);
        sum += (double)row->weights * off * off;
    }
    return sum;
}

static double paths(const Problem *p)
{
    double sum = 0;
    for (int l = 0; l < p->table.n_rows; l++)
        sum += log(out_side(p, &p->table.rows[l])) + log(in_side(p, &p->table.rows[l]));
    return sum;
}

/* Densities by chance: nothing fits them, but own widths fit them better than common ones, and no
 * single width fits them better than it does. */
TEST(residual_pad, own_widths_fit_densities_better_than_common_ones)
{
    Pcg rng = pcg_seed(9, 10);
    Problem tied, pad;
    double density[32];
    pose(&tied, "resnet20", "{shortcut: B}", 0.3);
    pose(&pad, "resnet20", "{shortcut: B, residual: pad}", 0.3);
    for (int l = 0; l < tied.table.n_rows; l++) density[l] = 0.02 + (double)pcg_uniform(&rng);
    crop_solve(&tied.crop, CROP_LSQ, density);
    crop_solve(&pad.crop, CROP_LSQ, density);
    const double best = misfit(&pad, density);
    assert_true(best < 0.9 * misfit(&tied, density));
    for (int s = 0; s < pad.crop.n; s++) {
        const double before = pad.crop.ratio[s];
        for (double factor = 0.5; factor < 2; factor *= 1.07) {
            pad.crop.ratio[s] = fmin(1, fmax(1 / pad.crop.channels[s], factor * before));
            assert_true(misfit(&pad, density) > best * (1 - 1e-9));
        }
        pad.crop.ratio[s] = before;
    }
    test_model_free(&tied.m);
    test_model_free(&pad.m);
}

/* What direct maximises, at one budget. */
TEST(residual_pad, direct_is_no_worse_than_with_common_widths)
{
    static const double densities[] = {0.6, 0.2, 0.05};
    for (int i = 0; i < 3; i++) {
        Problem tied, pad;
        pose(&tied, "resnet8", "{shortcut: B}", densities[i]);
        pose(&pad, "resnet8", "{shortcut: B, residual: pad}", densities[i]);
        crop_solve(&tied.crop, CROP_DIRECT, NULL);
        crop_solve(&pad.crop, CROP_DIRECT, NULL);
        crop_scale(&tied.crop);
        crop_scale(&pad.crop);
        assert_true(fabs(crop_weights(&pad.crop) - pad.crop.budget) < 1e-6 * pad.crop.budget);
        assert_true(paths(&pad) >= paths(&tied) - 1e-9);
        test_model_free(&tied.m);
        test_model_free(&pad.m);
    }
}

/* -- The method */

TEST(residual_pad, precrop_comes_within_the_tolerance)
{
    static const char *const methods[] = {"source: synexp", "source: erk",
                                          "source: uniform, mode: sqrt", "source: magnitude"};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        Case c;
        char text[512];
        int64_t weights[2] = {0};
        for (int cropped = 0; cropped < 2; cropped++) {
            (void)snprintf(text, sizeof text,
                           "data: {name: shapes, size: 8, n_train: 20, n_test: 10}\n"
                           "train: {steps: 1, batch_size: 10}\nmodel: {name: resnet8}\n"
                           "methods: [%s%s%s]\n",
                           cropped ? "{name: precrop, density: 0.3, residual: pad, " : "",
                           cropped ? methods[i] : "", cropped ? "}" : "");
            case_load(&c, text);
            const NetworkOptions o = {.task = c.data.task, .eval = true, .data = &c.data};
            ASSERT_OK(network_new(&c.network, &c.experiment, &o, c.arena, &c.err), &c.err);
            for (const Param *p = c.network.params->first; p; p = p->next)
                if (p->role == ROLE_WEIGHT) weights[cropped] += p->n;
            if (cropped) assert_non_null(strstr(c.network.params->architecture, "residual: pad"));
            case_free(&c);
        }
        assert_true(fabs((double)weights[1] / (double)weights[0] / 0.3 - 1) <= 0.01);
    }
}
