/* widths -- what layer_table says of every family of models that takes widths, against the families
 * themselves built at other widths and with fewer blocks. */
#include "tests/model.h"
#include "tests/test.h"

#include "base/pcg.h"
#include "nn/layer_table.h"

#include <string.h>

static const char *const families[] = {
    "lenet_300_100",  "conv4",    "vgg11",        "resnet8",
    "resnet18",       "resnet50", "mobilenet_v2", "shufflenet_v2_x0_5",
    "efficientnet_b0"};
enum { N_FAMILIES = sizeof families / sizeof families[0] };

typedef struct Tabled {
    TestModel m;
    Architecture *architecture;
    LayerTable before, after;
} Tabled;

static void start(Tabled *t, const char *name)
{
    Error err = {0};
    const bool stem = strncmp(name, "mobile", 6) == 0 || strncmp(name, "shuffle", 7) == 0;
    t->m = test_model(name, stem ? "{stem: cifar}" : "{}",
                      shape(3, INT64_C(32), INT64_C(32), INT64_C(3)), 10);
    t->architecture = arena_new_array(t->m.arena, Architecture, 1);
    ASSERT_OK(
        layer_table(t->m.model, t->m.options, &t->m.build, NULL, t->m.arena, &t->before, &err),
        &err);
}

static void build_again(Tabled *t)
{
    Error err = {0};
    ASSERT_OK(layer_table(t->m.model, t->m.options, &t->m.build, t->architecture, t->m.arena,
                          &t->after, &err),
              &err);
}

static int64_t scaled(const Tabled *t, int64_t weights, int side)
{
    if (side < 0) return weights;
    return weights * t->after.widths[side].width / t->before.widths[side].width;
}

/* Weights and multiply-adds grow with the widths on either side, and with nothing else. */
TEST(widths, every_layer_is_as_wide_as_its_two_sides_say)
{
    Pcg rng = pcg_seed(1, 2);
    for (int f = 0; f < N_FAMILIES; f++) {
        Tabled t;
        start(&t, families[f]);
        assert_true(t.before.n_widths > 1);
        for (int i = 0; i < t.before.n_widths; i++) {
            const ModelPart *w = &t.before.widths[i];
            const int64_t steps = 1 + pcg_below(&rng, (uint32_t)(w->width / w->multiple));
            assert_true(architecture_set_width(t.architecture, w->name, steps * w->multiple));
        }
        build_again(&t);
        assert_int_equal(t.after.n_rows, t.before.n_rows);
        for (int i = 0; i < t.before.n_rows; i++) {
            const LayerRow *a = &t.before.rows[i], *b = &t.after.rows[i];
            assert_int_equal(b->weights, scaled(&t, scaled(&t, a->weights, a->out), a->in));
            assert_int_equal(b->macs, scaled(&t, scaled(&t, a->macs, a->out), a->in));
        }
        test_model_free(&t.m);
    }
}

TEST(widths, every_width_is_on_some_side)
{
    for (int f = 0; f < N_FAMILIES; f++) {
        Tabled t;
        start(&t, families[f]);
        for (int i = 0; i < t.before.n_widths; i++) {
            int out = 0, in = 0;
            for (int k = 0; k < t.before.n_rows; k++) {
                out += t.before.rows[k].out == i;
                in += t.before.rows[k].in == i;
            }
            if (out == 0 || in == 0) print_error("%s\n", t.before.widths[i].name);
            assert_true(out > 0 && in > 0);
        }
        test_model_free(&t.m);
    }
}

TEST(widths, all_blocks_that_can_go_may_go_together)
{
    for (int f = 3; f < N_FAMILIES; f++) {
        Tabled t;
        int gone = 0;
        start(&t, families[f]);
        for (int i = 0; i < t.before.n_blocks; i++) {
            if (!t.before.blocks[i].removable) continue;
            assert_true(architecture_leave_out(t.architecture, t.before.blocks[i].name));
            gone++;
        }
        build_again(&t);
        assert_true(gone > 0 && gone < t.before.n_blocks);
        assert_int_equal(t.after.n_blocks, t.before.n_blocks);
        assert_true(t.after.macs < t.before.macs);
        for (int i = 0; i < t.after.n_blocks; i++)
            assert_true(t.after.blocks[i].there != t.after.blocks[i].removable);
        test_model_free(&t.m);
    }
}

TEST(widths, halves_of_shufflenet_need_an_even_number)
{
    Error err = {0};
    LayerTable table;
    Tabled t;
    start(&t, "shufflenet_v2_x0_5");
    assert_true(architecture_set_width(t.architecture, "stage3", 31));
    ASSERT_FAILS(
        layer_table(t.m.model, t.m.options, &t.m.build, t.architecture, t.m.arena, &table, &err),
        &err, FAIL_CONFIG, "stage3: 31 channels are no multiple of 2");
    test_model_free(&t.m);
}
