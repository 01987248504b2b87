/* crop_keep -- a network whose channels are masked computes what its physically smaller twin does:
 * every family, streams and inner widths, shortcuts with weights and without. The masks are laid
 * down here, by shapes alone: whatever has the width as its first axis loses these rows. */
#include "tests/model.h"
#include "tests/test.h"

#include "base/pcg.h"
#include "base/text.h"
#include "methods/prune/crop_keep.h"
#include "run/network.h"

#include <math.h>
#include <string.h>

enum { BATCH = 2, CLASSES = 10, SIDE = 32, PIXELS = SIDE * SIDE * 3 };

typedef struct Twin {
    Arena *arena;
    Experiment experiment;
    Network network;
    Error err;
} Twin;

/* What the hook chose last, and how it is to. */
static Reshape *chosen;
static LayerTable chosen_from;
static bool by_norm;
static int smallest;    /* share of a width, in percent, that stays at least */
static double gain = 1; /* of the weights */

static bool crop_by_chance(const MethodCall *c, Reshape *out, Error *err)
{
    Pcg rng = pcg_seed(3, 4);
    TRY(layer_table(c->model, c->model_options, c->like, &out->architecture, out->arena,
                    &chosen_from, err));
    test_fill(c->params, gain);
    for (int i = 0; i < chosen_from.n_widths; i++) {
        const ModelPart *w = &chosen_from.widths[i];
        const int64_t least = 1 + w->width * smallest / 100;
        const int64_t now = least + pcg_below(&rng, (uint32_t)(w->width - least + 1));
        if (w->multiple == 1 && !architecture_set_width(&out->architecture, w->name, now))
            return fail(err, FAIL_RUN, NULL, "too many widths");
    }
    keep_channels(c, &chosen_from, by_norm, out);
    chosen = out;
    return true;
}

static const Method method = {.name = "crop_by_chance", .reshape = crop_by_chance};

static void start(Twin *t, const char *model, const Method *with)
{
    char *text;
    *t = (Twin){.arena = arena_new()};
    text = arena_printf(
        t->arena, "data: {name: shapes}\nmodel: %s\ntrain: {steps: 1, batch_size: 2}\n", model);
    const NetworkOptions o = {
        .task = {.sample = shape(3, (int64_t)SIDE, (int64_t)SIDE, INT64_C(3)),
                 .n_classes = CLASSES},
        .eval = true,
        .allocate = true
    };
    ASSERT_OK(experiment_parse(&t->experiment, t->arena, text, strlen(text), &t->err), &t->err);
    if (with) t->experiment.methods[t->experiment.n_methods++].method = with;
    ASSERT_OK(network_new(&t->network, &t->experiment, &o, t->arena, &t->err), &t->err);
    ASSERT_OK(network_init(&t->network, NULL, "", &t->err), &t->err);
    if (!with) test_fill(t->network.params, gain);
}

static void finish(Twin *t)
{
    network_free(&t->network);
    arena_free(t->arena);
}

/* Every width of the model as 6, or 8 of halves: small enough to be quick. */
static const char *thin(Arena *a, const char *name, const char *options)
{
    Error err = {0};
    LayerTable table;
    Text t = {0};
    TestModel m = test_model(name, arena_printf(a, "{%s}", options),
                             shape(3, (int64_t)SIDE, (int64_t)SIDE, INT64_C(3)), CLASSES);
    ASSERT_OK(layer_table(m.model, m.options, &m.build, NULL, m.arena, &table, &err), &err);
    text_addf(&t, "{name: %s%s%s, widths: {", name, *options ? ", " : "", options);
    for (int i = 0; i < table.n_widths; i++)
        text_addf(&t, "%s%s: %d", i ? ", " : "", table.widths[i].name,
                  table.widths[i].multiple > 1 ? 8 : 6 + i % 3);
    text_add(&t, "}}");
    const char *text = arena_string(a, t.data);
    text_free(&t);
    test_model_free(&m);
    return text;
}

static bool is_kept(const KeptChannels *k, int64_t channel)
{
    for (int64_t i = 0; i < k->n; i++)
        if (k->channel[i] == channel) return true;
    return false;
}

/* Zeroes in `dense` the channels that do not stay: rows of tensors that are longer in a network
 * which has more of that width. */
static void mask_rest(Twin *dense, const KeptChannels *k)
{
    TestModel m = {.arena = arena_new(), .model = dense->experiment.model};
    Architecture *more = arena_new_array(m.arena, Architecture, 1);
    const ModelPart *w = &chosen_from.widths[0];
    for (int i = 0; i < chosen_from.n_widths; i++)
        if (strcmp(chosen_from.widths[i].name, k->width) == 0) w = &chosen_from.widths[i];
    assert_string_equal(w->name, k->width);
    *more = *dense->network.architecture;
    assert_true(architecture_set_width(more, k->width, 2 * w->width));
    m.options = dense->experiment.model_options;
    m.build = dense->network.like;
    m.build.params = params_new(m.arena);
    m.build.architecture = more;
    m.build.parametrize = NULL;
    m.build.product = NULL;
    m.build.parts = NULL;
    test_model_build(&m, BATCH, false);
    for (const Param *q = m.build.params->first; q; q = q->next) {
        const Param *p = params_find(dense->network.params, q->name);
        assert_non_null(p);
        const bool variance = strstr(p->name, "running_var") != NULL;
        if (variance || p->shape.dim[0] == q->shape.dim[0]) continue;
        const int64_t each = p->n / w->width;
        for (int64_t i = 0; i < p->n; i++)
            if (!is_kept(k, i / each)) p->data[i] = 0;
    }
    arena_free(m.arena);
}

static void say(Twin *t, double out[BATCH * CLASSES])
{
    static float x[BATCH * PIXELS];
    int32_t label[BATCH] = {0};
    Pass *pass = &t->network.eval;
    for (int64_t i = 0; i < BATCH * PIXELS; i++) x[i] = test_number("x", i);
    plan_bind(pass->plan, pass->x, x);
    plan_bind(pass->plan, pass->label, label);
    plan_run(pass->plan, 0);
    const float *logits = plan_value(pass->plan, pass->logits);
    for (int i = 0; i < BATCH * CLASSES; i++) out[i] = (double)logits[i];
}

static void assert_model_twins(const char *model, bool norm, int least)
{
    Twin small, dense;
    double x[BATCH * CLASSES], y[BATCH * CLASSES], most = 0, off = 0;
    by_norm = norm;
    smallest = least;
    start(&small, model, &method);
    start(&dense, model, NULL);
    assert_true(chosen->n_kept > 0);
    assert_true(small.network.params->count < dense.network.params->count);
    for (int i = 0; i < chosen->n_kept; i++) mask_rest(&dense, &chosen->kept[i]);
    say(&small, x);
    say(&dense, y);
    for (int i = 0; i < BATCH * CLASSES; i++) {
        most = fmax(most, fabs(y[i] - y[i % CLASSES]));
        off = fmax(off, fabs(x[i] - y[i]) / (1 + fabs(y[i])));
    }
    if (!(off < 1e-5) || most == 0) print_error("%s: off by %g, spread %g\n", model, off, most);
    assert_true(off < 1e-5);
    assert_true(most > 0); /* the images matter */
    finish(&small);
    finish(&dense);
}

static void assert_twins(const char *name, const char *options, bool norm)
{
    Arena *a = arena_new();
    assert_model_twins(thin(a, name, options), norm, 0);
    arena_free(a);
}

TEST(crop_keep, networks_without_sums) /* some layers in a row, one before a flattening */
{
    assert_twins("lenet_300_100", "", false);
    assert_twins("mlp", "hidden: [16, 8]", true);
    assert_twins("conv4", "", true);
    assert_twins("vgg11", "", false);
}

TEST(crop_keep, residual_networks_with_projections)
{
    assert_twins("resnet20", "shortcut: B", true);
    assert_twins("resnet8", "shortcut: B", false);
    assert_twins("resnet18", "stem: cifar", true);
}

TEST(crop_keep, bottlenecks)
{
    assert_twins("resnet50", "stem: cifar", false);
}

/* No stage may come out narrower than the one before: what its shortcut drops is still there under
 * masks. */
TEST(crop_keep, shortcuts_without_weights_keep_what_they_carry)
{
    static const char model[] =
        "{name: resnet8, shortcut: A, widths: {layer1: 5, layer2: 11, layer3: 22}}";
    assert_model_twins(model, true, 50);
    assert_model_twins(model, false, 50);
    assert_model_twins("{name: resnet20, widths: {layer1: 6, layer2: 13, layer3: 26}}", true, 50);
}

TEST(crop_keep, mobilenet_v2)
{
    assert_twins("mobilenet_v2", "stem: cifar", true);
}

TEST(crop_keep, shufflenet_v2)
{
    assert_twins("shufflenet_v2_x0_5", "stem: cifar", true);
}

TEST(crop_keep, efficientnet_b0)
{
    gain = 3; /* its gates halve what goes through */
    assert_twins("efficientnet_b0", "stem: cifar", false);
    gain = 1;
}
