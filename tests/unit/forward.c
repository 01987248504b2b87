/* forward -- what models compute: against torch 1.13 in float64 with weights made by a formula, and
 * with the published weights on CIFAR-10's own pictures.
 *
 * The torch modules were written for this from torchvision's and akamaster's definitions. */
#include "tests/model.h"
#include "tests/test.h"

#include "graph/plan.h"
#include "io/safetensors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* The logits of m for x, in memory of the caller's arena. */
static const float *logits(TestModel *m, const float *x)
{
    Error err = {0};
    const int64_t n = shape_count(&m->logits->shape);
    float *out = arena_new_array(m->arena, float, n);
    Plan *plan =
        plan_new(m->build.graph, &(PlanOutput){.node = m->logits, .to = out}, 1, NULL, &err);
    ASSERT_OK(plan != NULL, &err);
    ASSERT_OK(plan_allocate(plan, &err), &err);
    plan_bind(plan, m->x, x);
    plan_run(plan, 0);
    plan_free(plan);
    return out;
}

/* Two images of h x w x 3, three classes. The tolerance is that of float32 sums over up to fifty
 * layers whose values are of order 1. */
static void gained_logits_are(const char *model, const char *options, double gain, int64_t h,
                              int64_t w, const double expected[6])
{
    TestModel m = test_model(model, options, shape(3, h, w, INT64_C(3)), 3);
    test_model_allocate(&m, 2);
    test_fill(m.build.params, gain);
    float *x = arena_new_array(m.arena, float, 2 * h * w * 3);
    for (int64_t i = 0; i < 2 * h * w * 3; i++) x[i] = 2 * test_number("x", i);
    const float *y = logits(&m, x);
    for (int i = 0; i < 6; i++) {
        const double off = fabs((double)y[i] - expected[i]);
        if (off > 2e-5) print_error("logit %d: %g, not %g\n", i, (double)y[i], expected[i]);
        assert_true(off <= 2e-5);
    }
    test_model_free(&m);
}

static void logits_are(const char *model, const char *options, int64_t h, int64_t w,
                       const double expected[6])
{
    gained_logits_are(model, options, 1, h, w, expected);
}

TEST(forward, resnet18_equals_torch)
{
    logits_are("resnet18", "{}", 35, 33,
               (double[]){-0.6570905, 0.2416154, 0.07259783, -0.6470854, 0.2584963, -0.01754305});
}

TEST(forward, resnet18_with_the_cifar_stem_equals_torch)
{
    logits_are("resnet18", "{stem: cifar}", 9, 8,
               (double[]){-0.2918117, 0.1518293, 0.01237286, -0.3356826, 0.07709911, 0.02988703});
}

TEST(forward, resnet50_equals_torch)
{
    logits_are("resnet50", "{}", 35, 33,
               (double[]){-1.051629, 0.3893108, -0.3639556, -1.073716, 0.3472048, -0.3745055});
}

TEST(forward, resnet8_with_shortcut_a_equals_torch)
{
    logits_are("resnet8", "{shortcut: A}", 9, 8,
               (double[]){-0.4295189, 0.06123259, 0.1955215, -0.4207411, 0.1630474, 0.2170656});
}

TEST(forward, resnet8_with_shortcut_b_equals_torch)
{
    logits_are("resnet8", "{shortcut: B}", 9, 8,
               (double[]){-0.3265069, 0.3807626, -0.08026467, -0.4197946, 0.3174272, -0.03909927});
}

TEST(forward, conv4_equals_torch)
{
    logits_are("conv4", "{}", 9, 8,
               (double[]){-0.1866088, -0.1860325, 0.009233936, -0.1785842, -0.176982, 0.0188779});
}

TEST(forward, conv6_equals_torch)
{
    logits_are("conv6", "{}", 9, 8,
               (double[]){-0.1410289, 0.003193325, -0.1597513, -0.1454324, 0.01540885, -0.1562263});
}

/* At gain 1 the signal would fade in these, and the two images' logits be the same. */
TEST(forward, vgg11_equals_torch)
{
    gained_logits_are(
        "vgg11", "{width: 24}", 1.5, 17, 16,
        (double[]){0.5176077, 0.2945394, -0.3946144, 0.6345119, 0.2558929, -0.5782185});
}

TEST(forward, vgg16_equals_torch)
{
    gained_logits_are(
        "vgg16", "{width: 12}", 1.7, 20, 17,
        (double[]){-1.002273, -0.5663291, -1.405847, -0.9681736, -0.5702239, -1.315526});
}

TEST(forward, vgg19_equals_torch)
{
    gained_logits_are(
        "vgg19", "{width: 12}", 1.7, 16, 19,
        (double[]){-0.3223649, -0.1331999, -0.6598283, -0.3089123, -0.1023364, -0.6454478});
}

TEST(forward, mobilenet_v2_equals_torch)
{
    gained_logits_are("mobilenet_v2", "{}", 1.4, 35, 33,
                      (double[]){-1.832362, 0.602668, 1.42881, -1.504187, 1.314966, 1.374802});
}

TEST(forward, mobilenet_v2_with_the_cifar_stem_equals_torch)
{
    gained_logits_are("mobilenet_v2", "{stem: cifar, width_multiplier: 0.35}", 1.4, 9, 8,
                      (double[]){1.003118, -0.781923, 0.9673864, 1.658184, -1.614733, 3.140431});
}

TEST(forward, shufflenet_v2_x0_5_equals_torch)
{
    gained_logits_are(
        "shufflenet_v2_x0_5", "{}", 1.25, 35, 33,
        (double[]){-0.8229026, -0.1268121, -0.06616764, -0.9428468, -0.1713164, 0.02018349});
}

TEST(forward, shufflenet_v2_x1_0_with_the_cifar_stem_equals_torch)
{
    gained_logits_are(
        "shufflenet_v2_x1_0", "{stem: cifar}", 1.25, 9, 8,
        (double[]){-0.2120242, -0.1972295, 0.07915705, -0.1754965, -0.1983571, 0.08945176});
}

TEST(forward, half_of_shufflenet_v2_x1_5_equals_torch)
{
    gained_logits_are(
        "shufflenet_v2_x1_5", "{width_multiplier: 0.5}", 1.25, 35, 33,
        (double[]){-0.5841958, -0.2003464, 0.01873934, -0.5865189, -0.2496695, 0.007534809});
}

TEST(forward, efficientnet_b0_equals_torch)
{
    gained_logits_are(
        "efficientnet_b0", "{width_multiplier: 0.5}", 1.6, 35, 33,
        (double[]){0.06304147, 0.07329384, -0.435363, -0.02042376, 0.05801905, -0.4147333});
}

TEST(forward, efficientnet_b0_with_the_cifar_stem_equals_torch)
{
    gained_logits_are(
        "efficientnet_b0", "{stem: cifar, width_multiplier: 0.5}", 1.65, 9, 8,
        (double[]){-0.1589655, -0.0896469, -0.2085395, -0.1556903, -0.08740449, -0.2017609});
}

TEST(forward, mlp_with_batch_norm_and_gelu_equals_torch)
{
    logits_are("mlp", "{hidden: [20, 10], batch_norm: true, activation: gelu, dropout: 0.5}", 9, 8,
               (double[]){0.2133964, 0.2986808, 0.3055617, 0.009788147, -0.1147931, -0.1501566});
}

static void mlp_is(const char *activation, const double expected[6])
{
    char options[96];
    (void)snprintf(options, sizeof options, "{hidden: [9, 7], activation: %s}", activation);
    logits_are("mlp", options, 2, 2, expected);
}

TEST(forward, mlp_with_relu_equals_torch)
{
    mlp_is("relu",
           (double[]){0.04985117, 0.08316173, -0.2767005, 0.2652629, 0.3412299, -0.2117554});
}

TEST(forward, mlp_with_leaky_relu_equals_torch)
{
    mlp_is("leaky_relu",
           (double[]){0.05171661, 0.08367462, -0.2819965, 0.2648868, 0.338684, -0.215292});
}

TEST(forward, mlp_with_tanh_equals_torch)
{
    mlp_is("tanh",
           (double[]){0.1496268, 0.1678695, -0.675568, -0.2842202, -0.2641914, -0.08048956});
}

TEST(forward, mlp_with_sigmoid_equals_torch)
{
    mlp_is("sigmoid",
           (double[]){0.08628072, 0.04475223, 0.1234197, 0.06324306, 0.01980909, 0.1574513});
}

TEST(forward, mlp_with_gelu_equals_torch)
{
    mlp_is("gelu",
           (double[]){0.00489648, 0.07598522, -0.2998686, 0.1012029, 0.1615034, -0.2393755});
}

TEST(forward, mlp_with_silu_equals_torch)
{
    mlp_is("silu",
           (double[]){-0.00281416, 0.07010117, -0.2963067, 0.02260828, 0.07969007, -0.2199466});
}

TEST(forward, mlp_with_softplus_equals_torch)
{
    mlp_is("softplus",
           (double[]){0.4458926, 0.2730474, -0.1859733, 0.4195149, 0.2738005, -0.06154528});
}

TEST(forward, mlp_with_identity_equals_torch)
{
    mlp_is("identity",
           (double[]){0.1577792, 0.1938828, -0.7357798, -0.2326219, -0.2136653, -0.1707262});
}

/* -- Published weights */

enum { PICTURES = 10, PIXELS = 1024 };

/* The first records of data_batch_1, as the weights' authors normalise them: (N, 32, 32, 3). */
static bool read_cifar(float *x, int label[PICTURES])
{
    static const double mean[] = {0.485, 0.456, 0.406}, deviation[] = {0.229, 0.224, 0.225};
    static unsigned char record[1 + 3 * PIXELS];
    const char *path = test_shared("data/cifar10/data_batch_1_first4000.bin.gz");
    gzFile f = path ? gzopen(path, "rb") : NULL;
    if (!f) return false;
    for (int64_t n = 0; n < PICTURES; n++) {
        assert_int_equal(gzread(f, record, sizeof record), sizeof record);
        label[n] = record[0];
        for (int64_t i = 0; i < 3 * PIXELS; i++) {
            const int64_t c = i / PIXELS, pixel = i % PIXELS;
            x[(n * PIXELS + pixel) * 3 + c] =
                (float)((record[1 + i] / 255.0 - mean[c]) / deviation[c]);
        }
    }
    assert_int_equal(gzclose(f), Z_OK);
    return true;
}

static bool load(Params *ps, const char *file)
{
    const char *path = test_shared(file);
    if (!path) return false;
    Error err = {0};
    Arena *a = arena_new();
    Safetensors st;
    ASSERT_OK(safetensors_open(&st, a, path, &err), &err);
    for (Param *p = ps->first; p; p = p->next)
        safetensors_to_float(safetensors_find(&st, p->name), p->data);
    safetensors_close(&st);
    arena_free(a);
    return true;
}

/* Logits of the ten pictures, or NULL where the data are not here. */
static const float *published(TestModel *m, const char *model, const char *file,
                              int label[PICTURES])
{
    *m = test_model(model, "{}", shape(3, INT64_C(32), INT64_C(32), INT64_C(3)), 10);
    test_model_allocate(m, PICTURES);
    float *x = arena_new_array(m->arena, float, PICTURES *PIXELS * 3);
    return read_cifar(x, label) && load(m->build.params, file) ? logits(m, x) : NULL;
}

static void classes_are_right(const char *model, const char *file)
{
    TestModel m;
    int label[PICTURES];
    const float *y = published(&m, model, file, label);
    for (int n = 0; y && n < PICTURES; n++) {
        int best = 0;
        for (int c = 1; c < 10; c++)
            if (y[10 * n + c] > y[10 * n + best]) best = c;
        assert_int_equal(best, label[n]);
    }
    test_model_free(&m);
    if (!y) skip();
}

TEST(forward, published_resnet20_knows_its_pictures)
{
    classes_are_right("resnet20", "data/resnet_cifar10/resnet20-12fca82f.safetensors");
}

TEST(forward, published_resnet56_knows_its_pictures)
{
    classes_are_right("resnet56", "data/resnet_cifar10/resnet56-4bfd9763.safetensors");
}

/* The logits of picture 0 by a numpy forward pass, to four digits. */
TEST(forward, published_resnet20_gives_the_reference_logits)
{
    static const double expected[] = {-12.4492, -5.6982, -0.6590, 9.1207,  0.7110,
                                      4.5553,   19.8279, 0.3810,  -6.6409, -9.1128};
    TestModel m;
    int label[PICTURES];
    const float *y =
        published(&m, "resnet20", "data/resnet_cifar10/resnet20-12fca82f.safetensors", label);
    for (int c = 0; y && c < 10; c++) assert_true(fabs((double)y[c] - expected[c]) < 2e-4);
    test_model_free(&m);
    if (!y) skip();
}

/* -- Sequences: 72 steps of three numbers. The torch references sum convolutions lag by lag. */

TEST(forward, longconv_norm_last_with_two_kernels_equals_torch)
{
    logits_are("longconv", "{n_layers: 2, d_model: 6, norm: layer, order: post, kernel_length: 20}",
               9, 8,
               (double[]){-0.1005838, 0.1188672, -0.0186826, 0.07990798, 0.2654304, 0.1288596});
}

TEST(forward, longconv_both_ways_with_batch_norm_equals_torch)
{
    logits_are("longconv",
               "{n_layers: 2, d_model: 6, channels: 1, bidirectional: true, pool: last}", 9, 8,
               (double[]){-0.3671398, 0.02022462, -1.868618, 0.104675, -0.7629448, -0.4759214});
}

TEST(forward, s4d_lin_equals_torch)
{
    logits_are("s4d", "{n_layers: 2, d_model: 4, d_state: 8}", 9, 8,
               (double[]){0.1315687, -0.04009746, 0.2883952, 0.09323615, -0.1429683, 0.2863322});
}

TEST(forward, s4d_inv_both_ways_equals_torch)
{
    logits_are("s4d",
               "{n_layers: 1, d_model: 4, d_state: 6, start: inv, norm: layer, channels: 2, "
               "bidirectional: true}",
               9, 8,
               (double[]){0.3133419, -0.5407009, 0.2421959, 0.2637877, -0.3397011, 0.7993024});
}

/* The same references as above: the recurrence gives what the kernel gives. */
TEST(forward, s4d_by_scan_equals_torch)
{
    logits_are("s4d", "{n_layers: 2, d_model: 4, d_state: 8, path: scan}", 9, 8,
               (double[]){0.1315687, -0.04009746, 0.2883952, 0.09323615, -0.1429683, 0.2863322});
    logits_are("s4d",
               "{n_layers: 1, d_model: 4, d_state: 6, start: inv, norm: layer, channels: 2, "
               "bidirectional: true, path: scan}",
               9, 8,
               (double[]){0.3133419, -0.5407009, 0.2421959, 0.2637877, -0.3397011, 0.7993024});
}

TEST(forward, transformer_with_a_class_step_equals_torch)
{
    logits_are("transformer",
               "{n_layers: 2, d_model: 8, n_heads: 2, d_attention: 6, d_mlp: 10, pool: cls}", 9, 8,
               (double[]){0.6400749, -1.072201, 1.782738, 0.5790898, -1.191667, 1.852071});
}

TEST(forward, transformer_with_sinusoids_equals_torch)
{
    logits_are("transformer", "{n_layers: 1, d_model: 7, n_heads: 1, positions: sinusoidal}", 9, 8,
               (double[]){1.03312, -0.460412, -0.8182977, 0.9156026, -0.3716026, -0.8052163});
}

TEST(forward, lstm_classifier_of_two_layers_equals_torch)
{
    logits_are("lstm_classifier", "{n_layers: 2, d_model: 5, pool: last}", 9, 8,
               (double[]){0.06232247, 0.01687856, 0.03161445, 0.07598775, 0.08750432, -0.05155848});
}

TEST(forward, lstm_classifier_mean_of_steps_equals_torch)
{
    logits_are("lstm_classifier", "{d_model: 5}", 9, 8,
               (double[]){0.07786429, 0.05256596, -0.0769182, 0.0570477, 0.01679384, -0.09304291});
}

/* Convolutions of h3 are double sums over steps and taps, those of cnn1d torch's conv1d. */
TEST(forward, h3_equals_torch)
{
    logits_are("h3", "{n_layers: 2, d_model: 6}", 9, 8,
               (double[]){-0.076335, 0.2903151, -0.2825791, 0.09542577, 0.3619099, -0.01715799});
}

TEST(forward, h3_short_first_with_attention_equals_torch)
{
    logits_are("h3",
               "{n_layers: 3, d_model: 6, first: short, short_length: 3, kernel_length: 20, "
               "attention_layers: [1], n_heads: 2, d_mlp: 10, pool: last}",
               9, 8, (double[]){-1.383606, 1.715092, 1.081104, -0.7560202, -0.292648, -0.5305679});
}

TEST(forward, h3_with_outer_products_equals_torch)
{
    logits_are("h3", "{n_layers: 1, d_model: 6, head_dim: 3}", 9, 8,
               (double[]){0.1624542, -0.6359655, -0.9075677, 0.2441042, -0.2695774, -0.4601322});
}

TEST(forward, cnn1d_equals_torch)
{
    logits_are("cnn1d", "{n_layers: 3, d_model: 6}", 9, 8,
               (double[]){0.3597353, 0.2662303, -1.054209, 0.4113062, 0.2018323, -0.8934605});
}

TEST(forward, cnn1d_of_an_even_kernel_equals_torch)
{
    logits_are("cnn1d",
               "{n_layers: 3, d_model: 6, kernel_size: 4, dilation_cycle: 2, norm: layer, "
               "pool: last}",
               9, 8, (double[]){0.5596151, 1.450626, -5.154996, 1.005492, 0.1111755, -3.419393});
}
