/* The dropout of what adapters read. The layer's weight, A and B are unit matrices, so that every
 * output says what became of the input of its number. */
#include "tests/adapted.h"
#include "tests/test.h"

#include <string.h>

enum { WIDTH = 8, ROWS = 3 };

static void set_unit(const Adapted *k, const char *name)
{
    Param *p = adapted_param(k, name);
    memset(p->data, 0, sizeof(float) * (size_t)p->n);
    for (int i = 0; i < WIDTH; i++) p->data[i * WIDTH + i] = 1;
}

/* y for x = 1, 2, 3, ... */
static void run(const char *options, bool training, float y[ROWS * WIDTH])
{
    Adapted k;
    float x[ROWS * WIDTH];
    adapted(&k, "lora", options, WIDTH, WIDTH, false);
    Param *w = adapted_param(&k, "fc.weight");
    k.build.training = training;
    k.build.seed = 7;
    const LinearProduct l = {.p = w, .w = param_node(k.build.graph, w), .x = k.x};
    k.y = model_product(&k.build, &l);
    set_unit(&k, "fc.weight");
    set_unit(&k, "fc.lora_A.weight");
    set_unit(&k, "fc.lora_B.weight");
    for (int i = 0; i < ROWS * WIDTH; i++) x[i] = (float)(i + 1);
    adapted_run(&k, x, y);
    adapted_free(&k);
}

TEST(adapter_dropout, drops_or_scales_what_the_adapter_reads_and_nothing_else)
{
    float y[ROWS * WIDTH];
    int n_dropped = 0;
    run("{rank: 8, alpha: 8, dropout: 0.75}", true, y);
    for (int i = 0; i < ROWS * WIDTH; i++) {
        const float x = (float)(i + 1);
        assert_true(y[i] == x || y[i] == x + 4 * x);
        n_dropped += y[i] == x;
    }
    assert_true(n_dropped > ROWS * WIDTH / 2 && n_dropped < ROWS * WIDTH);
}

TEST(adapter_dropout, is_not_there_outside_training)
{
    float y[ROWS * WIDTH];
    run("{rank: 8, alpha: 8, dropout: 0.75}", false, y);
    for (int i = 0; i < ROWS * WIDTH; i++) assert_true(y[i] == 2 * (float)(i + 1));
}

static void is_refused(const char *method, const char *options, const char *message)
{
    Error err = {0};
    Adapted k;
    adapted_build(&k, method, options, WIDTH, WIDTH, false);
    ASSERT_FAILS(graph_ok(k.build.graph, &err), &err, FAIL_CONFIG, message);
    adapted_free(&k);
}

TEST(adapter_dropout, has_no_meaning_for_what_changes_the_weight)
{
    is_refused("lora", "{rank: 2, dora: true, dropout: 0.1}",
               "method 'lora': dropout has no meaning for dora, which changes the weight");
    is_refused("bone", "{rank: 2, form: bat, dropout: 0.1}",
               "method 'bone': dropout has no meaning for form: bat, which changes the weight");
}
