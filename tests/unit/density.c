/* density -- layerwise densities and tables of layers against hand-worked values and the published
 * sizes of networks. */
#include "tests/model.h"
#include "tests/test.h"

#include "methods/prune/density.h"
#include "nn/layer_table.h"

#include <math.h>

enum { LAYERS = 10 };

static Shape linear_shape(int64_t out, int64_t in)
{
    return shape(2, out, in);
}

static Shape conv_shape(int64_t out, int64_t in, int64_t k)
{
    return shape(4, out, in, k, k);
}

static int lenet(Shape s[LAYERS])
{
    s[0] = linear_shape(300, 784);
    s[1] = linear_shape(100, 300);
    s[2] = linear_shape(10, 100);
    return 3;
}

/* One channel in, 1x1 shortcuts: 77072 weights. */
static int resnet8(Shape s[LAYERS])
{
    const Shape all[LAYERS] = {conv_shape(16, 1, 3),  conv_shape(16, 16, 3), conv_shape(16, 16, 3),
                               conv_shape(32, 16, 3), conv_shape(32, 32, 3), conv_shape(32, 16, 1),
                               conv_shape(64, 32, 3), conv_shape(64, 64, 3), conv_shape(64, 32, 1),
                               linear_shape(10, 64)};
    for (int i = 0; i < LAYERS; i++) s[i] = all[i];
    return LAYERS;
}

/* Returns the weights that are kept. */
static double densities(DensityKind kind, double density, const Shape s[], int n, double p[])
{
    bool scratch[LAYERS];
    double kept = 0;
    density_layers(kind, density, s, n, scratch, p);
    for (int i = 0; i < n; i++) kept += p[i] * (double)shape_count(&s[i]);
    return kept;
}

static void assert_near(const double got[], const double want[], int n, double tolerance)
{
    for (int i = 0; i < n; i++) {
        if (fabs(got[i] - want[i]) > tolerance) print_error("layer %d: %.7f\n", i, got[i]);
        assert_true(fabs(got[i] - want[i]) <= tolerance);
    }
}

/* By the loop of rigl's sparse_utils.py, written again in Python; half a unit of the last digit. */
TEST(density, erk_of_lenet)
{
    Shape s[LAYERS];
    double p[LAYERS];
    static const double want[] = {0.07957, 0.23019, 1};
    const int n = lenet(s);
    assert_true(fabs(densities(DENSITY_ERK, 0.1, s, n, p) - 26620) < 1e-9);
    assert_near(p, want, n, 5e-6);
}

TEST(density, erk_of_resnet8)
{
    Shape s[LAYERS];
    double p[LAYERS];
    static const double want[] = {1, .4566, .4566, .32443, .21028, 1, .1532, .10063, 1, 1};
    const int n = resnet8(s);
    assert_true(fabs(densities(DENSITY_ERK, 0.2, s, n, p) - 15414.4) < 1e-9);
    assert_near(p, want, n, 5e-5);
}

/* Of linear layers both are the same; of a convolution er leaves the kernel out. */
TEST(density, er_and_erk_differ_by_the_kernel)
{
    Shape s[LAYERS];
    double er[LAYERS], erk[LAYERS];
    int n = lenet(s);
    (void)densities(DENSITY_ER, 0.1, s, n, er);
    (void)densities(DENSITY_ERK, 0.1, s, n, erk);
    assert_near(er, erk, n, 0);
    s[0] = conv_shape(100, 100, 3); /* raw 2/100 */
    s[1] = conv_shape(200, 100, 3); /* raw 3/200 */
    (void)densities(DENSITY_ER, 0.1, s, 2, er);
    assert_true(fabs(er[0] / er[1] - 4.0 / 3) < 1e-12);
    (void)densities(DENSITY_ERK, 0.1, s, 2, erk);
    assert_true(fabs(erk[0] / erk[1] - 2 * 206.0 / 306) < 1e-12);
}

TEST(density, water_of_lenet)
{
    Shape s[LAYERS];
    double p[LAYERS];
    static const double want[] = {12810 / 235200.0, 12810 / 30000.0, 1};
    const int n = lenet(s);
    (void)densities(DENSITY_SYNEXP, 0.1, s, n, p);
    assert_near(p, want, n, 1e-12);
}

/* 16 * 9, 32 * 16, 64 * 10 are whole; 15414.4 less these, over seven layers. */
TEST(density, water_of_resnet8)
{
    Shape s[LAYERS];
    double p[LAYERS], weights[LAYERS];
    static const double want[] = {1, .8754, .8754, .4377, .2188, 1, .1094, .0547, .9848, 1};
    const int n = resnet8(s);
    for (int i = 0; i < n; i++) weights[i] = (double)shape_count(&s[i]);
    assert_true(fabs(density_water_level(0.2, weights, n) - (15414.4 - 1296) / 7) < 1e-9);
    assert_true(fabs(densities(DENSITY_SYNEXP, 0.2, s, n, p) - 15414.4) < 1e-8);
    assert_near(p, want, n, 5e-5);
}

TEST(density, all_of_them_keep_everything_at_1)
{
    Shape s[LAYERS];
    double p[LAYERS];
    static const double ones[] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    const int n = resnet8(s);
    for (int kind = DENSITY_UNIFORM; kind <= DENSITY_SYNEXP; kind++) {
        (void)densities((DensityKind)kind, 1, s, n, p);
        assert_near(p, ones, n, 1e-12);
    }
}

/* -- layer_table */

static LayerTable table(TestModel *m, const char *name, const char *options, Shape sample)
{
    Error err = {0};
    LayerTable out;
    *m = test_model(name, options, sample, 10);
    ASSERT_OK(layer_table(m->model, m->options, &m->build, m->model->architecture(m->options),
                          m->arena, &out, &err),
              &err);
    return out;
}

/* He et al.'s networks with 1x1 shortcuts, by the closed form of 3x3 and 1x1 convolutions. */
TEST(density, weights_and_macs_of_the_published_networks)
{
    static const struct {
        const char *name;
        int64_t size, channels, weights, macs;
    } row[] = {
        {"resnet8",  32, 3, 77360,  12501632},
        {"resnet20", 32, 3, 270896, 40813184},
        {"resnet32", 32, 3, 464432, 69124736},
        {"resnet8",  28, 1, 77072,  9345920 },
        {"resnet20", 28, 1, 270608, 31021952},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        TestModel m;
        const LayerTable t = table(&m, row[i].name, "{shortcut: B}",
                                   shape(3, row[i].size, row[i].size, row[i].channels));
        assert_int_equal(t.weights, row[i].weights);
        assert_int_equal(t.macs, row[i].macs);
        test_model_free(&m);
    }
}

TEST(density, a_block_costs_what_it_does)
{
    TestModel m;
    const Shape image = shape(3, INT64_C(32), INT64_C(32), INT64_C(3));
    const LayerTable whole = table(&m, "resnet32", "{shortcut: B}", image);
    const int64_t macs = whole.macs;
    test_model_free(&m);
    const LayerTable less = table(&m, "resnet32", "{shortcut: B, without: [layer2.3]}", image);
    assert_int_equal(macs - less.macs, 4718592);
    test_model_free(&m);
}

static const char *side(const LayerTable *t, int i)
{
    return i < 0 ? "" : t->widths[i].name;
}

TEST(density, widths_are_found_on_their_sides)
{
    static const char *const want[][3] = {
        {"conv1",               "layer1",         ""              },
        {"layer1.0.conv1",      "layer1.0.conv1", "layer1"        },
        {"layer1.0.conv2",      "layer1",         "layer1.0.conv1"},
        {"layer2.0.conv1",      "layer2.0.conv1", "layer1"        },
        {"layer2.0.conv2",      "layer2",         "layer2.0.conv1"},
        {"layer2.0.shortcut.0", "layer2",         "layer1"        },
        {"layer3.0.conv1",      "layer3.0.conv1", "layer2"        },
        {"layer3.0.conv2",      "layer3",         "layer3.0.conv1"},
        {"layer3.0.shortcut.0", "layer3",         "layer2"        },
        {"linear",              "",               "layer3"        },
    };
    TestModel m;
    const LayerTable t =
        table(&m, "resnet8", "{shortcut: B}", shape(3, INT64_C(28), INT64_C(28), INT64_C(1)));
    assert_int_equal(t.n_rows, 10);
    for (int i = 0; i < t.n_rows; i++) {
        assert_string_equal(t.rows[i].name, want[i][0]);
        assert_string_equal(side(&t, t.rows[i].out), want[i][1]);
        assert_string_equal(side(&t, t.rows[i].in), want[i][2]);
    }
    assert_int_equal(t.rows[3].activation_bytes, 4 * 14 * 14 * 32);
    test_model_free(&m);
}

/* The input of fc_layers.0 is 16 pixels of conv_layers.1's channels. */
TEST(density, widths_are_found_behind_a_flattening)
{
    TestModel m;
    const LayerTable t = table(&m, "conv2", "{}", shape(3, INT64_C(8), INT64_C(8), INT64_C(1)));
    assert_string_equal(side(&t, t.rows[2].in), "conv_layers.1");
    assert_string_equal(side(&t, t.rows[2].out), "fc_layers.0");
    test_model_free(&m);
}
