/* dora -- lora with lengths of its own: against PEFT, and that it starts as the plain layer. */
#include "tests/adapted.h"
#include "tests/model.h"
#include "tests/test.h"

#include <math.h>
#include <string.h>

static const char options[] = "{rank: 2, alpha: 3, dora: true}";

/* PEFT 0.21.2, LoraConfig(r=2, lora_alpha=3, use_dora=True), out 4, in 5: the norm of V is a
 * constant to these gradients. */
TEST(dora, equals_peft)
{
    static const double y[] = {-0.276170962, 0.201642717,  0.282652775,  0.48300464,
                               -0.536203494, -0.492160493, 0.425422769,  -0.144496531,
                               0.672043181,  0.389134865,  -0.156887971, -0.323324329};
    static const double a[] = {0.226088694, -0.0607063039, 0.59408334,  0.109849929,
                               0.183164756, -0.0956430151, 0.229365382, -0.567915182,
                               0.417690501, 0.469744707};
    static const double b[] = {0.318737645,  -0.201607422, 0.267661816,  -0.367287045,
                               0.0392760362, -0.116144082, 0.0863487041, -0.10132762};
    static const double m[] = {0.228970547, 0.121277825, -0.147443786, 0.0713935171};
    static const Expected expected[] = {
        {"y",                        y},
        {"fc.lora_A.weight",         a},
        {"fc.lora_B.weight",         b},
        {"fc.lora_magnitude_vector", m}
    };
    Adapted k;
    adapted(&k, "lora", options, 4, 5, false);
    adapted_matches(&k, expected, 4);
    adapted_free(&k);
}

/* The same on transformers' Conv1D, with fan_in_fan_out=True. */
TEST(dora, equals_peft_on_turned_weights)
{
    static const double y[] = {0.186638141,  0.161901188,  0.291970237,  -0.0249907518,
                               -0.46225536,  0.172784987,  -0.54879778,  0.532548748,
                               -0.472389913, -0.240789308, 0.0301154225, -0.0971498011};
    static const double a[] = {0.157950612,  -0.0504335391, 0.431055988, 0.0522736905,
                               0.0992672174, -0.078658963,  0.210073615, -0.498338414,
                               0.388793938,  0.439796044};
    static const double b[] = {0.194535502,  -0.123047282, 0.214626341,  -0.294511468,
                               0.0431984509, -0.127743146, 0.0830516641, -0.0974586424};
    static const double m[] = {-0.252115956, -0.100345528, 0.12139424, -0.154396894};
    static const Expected expected[] = {
        {"y",                        y},
        {"fc.lora_A.weight",         a},
        {"fc.lora_B.weight",         b},
        {"fc.lora_magnitude_vector", m}
    };
    Adapted k;
    adapted(&k, "lora", options, 4, 5, true);
    adapted_matches(&k, expected, 4);
    adapted_free(&k);
}

static void starts_with_the_norms(bool turned)
{
    Adapted k;
    adapted(&k, "lora", options, 4, 5, turned);
    const Param *w = adapted_param(&k, "fc.weight"),
                *m = adapted_param(&k, "fc.lora_magnitude_vector");
    for (int64_t o = 0; o < 4; o++) {
        double squares = 0;
        for (int64_t i = 0; i < 5; i++) {
            const double value = (double)w->data[turned ? i * 4 + o : o * 5 + i];
            squares += value * value;
        }
        assert_true(fabs((double)m->data[o] - sqrt(squares)) <= 1e-6 * sqrt(squares));
    }
    adapted_free(&k);
}

TEST(dora, magnitudes_start_as_the_norms_of_the_weights)
{
    starts_with_the_norms(false);
    starts_with_the_norms(true);
}

TEST(dora, leaves_every_bit_of_the_first_output)
{
    float x[15], want[12], got[12];
    for (int i = 0; i < 15; i++) x[i] = test_number("x", i);
    for (int turned = 0; turned < 2; turned++) {
        Adapted plain, k;
        adapted(&plain, "freeze", "{}", 4, 5, turned);
        adapted(&k, "lora", options, 4, 5, turned);
        adapted_run(&plain, x, want);
        adapted_run(&k, x, got);
        assert_memory_equal(want, got, sizeof got);
        adapted_free(&plain);
        adapted_free(&k);
    }
}

/* An adapter that a file gave goes on with its own lengths. */
TEST(dora, keeps_magnitudes_that_are_there)
{
    Error err = {0};
    Adapted k;
    adapted(&k, "lora", options, 4, 5, false);
    const Param *m = adapted_param(&k, "fc.lora_magnitude_vector");
    for (int64_t i = 0; i < 4; i++) m->data[i] = (float)(i + 1);
    ASSERT_OK(k.call.method->transform(&k.call, &err), &err);
    for (int64_t i = 0; i < 4; i++) assert_true(m->data[i] == (float)(i + 1));
    adapted_free(&k);
}

TEST(dora, a_row_of_zeros_stays_zero)
{
    Error err = {0};
    float x[15], y[12];
    for (int i = 0; i < 15; i++) x[i] = test_number("x", i);
    Adapted k;
    adapted(&k, "lora", options, 4, 5, false);
    const Param *w = adapted_param(&k, "fc.weight"),
                *m = adapted_param(&k, "fc.lora_magnitude_vector");
    memset(w->data, 0, sizeof(float) * 5);
    memset(m->data, 0, sizeof(float) * 4);
    ASSERT_OK(k.call.method->transform(&k.call, &err), &err);
    adapted_run(&k, x, y);
    assert_true(y[0] == 0 && y[4] == 0 && y[8] == 0 && isfinite(y[1]) && y[1] != 0);
    adapted_free(&k);
}

TEST(dora, the_magnitude_learns_as_fast_as_b)
{
    Adapted k;
    adapted(&k, "lora", "{rank: 2, dora: true, lr_ratio: 16}", 4, 5, false);
    const Param *m = adapted_param(&k, "fc.lora_magnitude_vector");
    assert_true(m->lr_multiplier == 16 && m->trainable && m->role == ROLE_NORM);
    adapted_free(&k);
}
