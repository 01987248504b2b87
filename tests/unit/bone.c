/* bone -- the three forms against the paper's definitions by hand and against PEFT. */
#include "tests/adapted.h"
#include "tests/model.h"
#include "tests/test.h"

#include <math.h>
#include <string.h>

static void set(const Adapted *k, const char *name, const float *values)
{
    const Param *p = adapted_param(k, name);
    memcpy(p->data, values, sizeof(float) * (size_t)p->n);
}

/* The layer's W' by its outputs for unit vectors, `in` of them, three at a time. */
static void effective(const Adapted *k, int64_t out, int64_t in, float *w)
{
    for (int64_t first = 0; first < in; first += 3) {
        float x[3 * 16] = {0}, y[3 * 16];
        for (int64_t i = 0; i < 3 && first + i < in; i++) x[i * in + first + i] = 1;
        adapted_run(k, x, y);
        for (int64_t i = 0; i < 3 && first + i < in; i++)
            for (int64_t o = 0; o < out; o++) w[o * in + first + i] = y[i * out + o];
    }
}

/* D = [[1, 2], [3, 4]]: columns 0, 2, 4 are D's row 0, and 1, 3 its row 1. */
TEST(bone, shards_of_the_input_share_a_row)
{
    static const float zeros[10] = {0}, d[] = {1, 2, 3, 4};
    static const float want[] = {1, 3, 1, 3, 1, 2, 4, 2, 4, 2};
    float got[10], x[15] = {1, 10, 100, 1000, 10000}, y[6];
    Adapted k;
    adapted(&k, "bone", "{rank: 2}", 2, 5, false);
    set(&k, "fc.weight", zeros);
    set(&k, "fc.miss_block", d);
    effective(&k, 2, 5, got);
    for (int i = 0; i < 10; i++) assert_true(got[i] == want[i]);
    adapted_run(&k, x, y);
    assert_true(y[0] == 13131 && y[1] == 24242);
    adapted_free(&k);
}

/* W = [[1, 2], [3, 4]], B = [[0.1, 0], [0, 0.2]]: W + W B + B. */
TEST(bone, bat_multiplies_and_adds_its_block)
{
    static const float w[] = {1, 2, 3, 4}, guide[] = {0.1F, 0, 0, 0.2F};
    static const float want[] = {1.2F, 2.4F, 3.3F, 5.0F};
    float got[4];
    Adapted k;
    adapted(&k, "bone", "{rank: 2, form: bat}", 2, 2, false);
    set(&k, "fc.weight", w);
    set(&k, "fc.miss_block", guide);
    effective(&k, 2, 2, got);
    for (int i = 0; i < 4; i++) assert_true(fabsf(got[i] - want[i]) <= 1e-6F);
    adapted_free(&k);
}

/* An input of 2 is one shard of rank 3, whose last row does nothing. */
TEST(bone, a_rank_above_the_inputs_is_one_shard)
{
    static const float zeros[4] = {0}, d[] = {1, 2, 3, 4, 5, 6}, want[] = {1, 3, 2, 4};
    float got[4];
    Adapted k;
    adapted(&k, "bone", "{rank: 3}", 2, 2, false);
    set(&k, "fc.weight", zeros);
    set(&k, "fc.miss_block", d);
    effective(&k, 2, 2, got);
    for (int i = 0; i < 4; i++) assert_true(got[i] == want[i]);
    adapted_free(&k);
}

TEST(bone, zeros_leave_every_bit_of_the_output)
{
    static const char *const options[] = {"{rank: 4}", "{rank: 4, form: bat}",
                                          "{rank: 4, form: mini, mini_rank: 2}"};
    float x[24], want[24], got[24];
    for (int i = 0; i < 24; i++) x[i] = test_number("x", i);
    for (int form = 0; form < 3; form++)
        for (int turned = 0; turned < 2; turned++) {
            Adapted plain, k;
            adapted(&plain, "freeze", "{}", 8, 8, turned);
            adapted(&k, "bone", options[form], 8, 8, turned);
            adapted_run(&plain, x, want);
            adapted_run(&k, x, got);
            assert_memory_equal(want, got, sizeof got);
            adapted_free(&plain);
            adapted_free(&k);
        }
}

TEST(bone, mini_with_a_row_for_each_output_is_the_default)
{
    float d[18], x[15], want[18], got[18];
    Adapted k, mini;
    for (int i = 0; i < 15; i++) x[i] = test_number("x", i);
    for (int i = 0; i < 18; i++) d[i] = test_number("d", i);
    adapted(&k, "bone", "{rank: 3}", 6, 5, false);
    adapted(&mini, "bone", "{rank: 3, form: mini, mini_rank: 6}", 6, 5, false);
    set(&k, "fc.miss_block", d);
    set(&mini, "fc.miss_block", d);
    adapted_run(&k, x, want);
    adapted_run(&mini, x, got);
    assert_memory_equal(want, got, sizeof got);
    adapted_free(&k);
    adapted_free(&mini);
}

/* The same weight the other way round. */
static void turning_changes_nothing(const char *options)
{
    enum { OUT = 4, IN = 6, MOST = 24 };
    float w[MOST], turned[MOST], d[MOST], x[3 * IN], want[3 * OUT], got[3 * OUT];
    Adapted a, b;
    for (int i = 0; i < MOST; i++) w[i] = test_number("w", i), d[i] = test_number("d", i);
    for (int i = 0; i < MOST; i++) turned[i % IN * OUT + i / IN] = w[i];
    for (int i = 0; i < 3 * IN; i++) x[i] = test_number("x", i);
    adapted(&a, "bone", options, OUT, IN, false);
    adapted(&b, "bone", options, OUT, IN, true);
    set(&a, "fc.weight", w);
    set(&b, "fc.weight", turned);
    set(&a, "fc.miss_block", d);
    set(&b, "fc.miss_block", d);
    adapted_run(&a, x, want);
    adapted_run(&b, x, got);
    for (int i = 0; i < 3 * OUT; i++) assert_true(fabsf(want[i] - got[i]) <= 1e-5F);
    adapted_free(&a);
    adapted_free(&b);
}

TEST(bone, works_on_weights_that_are_stored_turned)
{
    turning_changes_nothing("{rank: 2}");
    turning_changes_nothing("{rank: 2, form: bat}");
    turning_changes_nothing("{rank: 2, form: mini, mini_rank: 2}");
}

/* PEFT 0.21.2, MissConfig(r=2), out 6, in 5. */
TEST(bone, miss_equals_peft)
{
    static const double y[] = {-0.179835463, -0.0901824325, 0.139138879,  0.409440564, -0.29527523,
                               -0.283311859, -0.518875992,  -0.570408703, 0.292684245, -0.21751691,
                               0.252944186,  0.131362168,   0.686638027,  0.645250981, -0.095698857,
                               -0.494442679, 0.150519672,   0.151066093};
    static const double d[] = {-0.212857904, -0.328862546,  -0.132259998, -0.147028378,
                               0.475322605,  -0.137812676,  0.158839598,  0.191292941,
                               -0.417585026, -0.0973810455, 0.146057415,  -0.0418186835};
    static const Expected expected[] = {
        {"y",             y},
        {"fc.miss_block", d}
    };
    Adapted k;
    adapted(&k, "bone", "{rank: 2}", 6, 5, false);
    adapted_matches(&k, expected, 2);
    adapted_free(&k);
}

/* PEFT 0.21.2, MissConfig(r=2, init_weights="bat"), out 6, in 4. */
TEST(bone, bat_equals_peft)
{
    static const double y[] = {
        -0.33848569,  0.144190215,  -0.328732196,  0.0308914963, 0.220935352,  -0.187120221,
        -0.133491108, -0.190310851, -0.0482070933, -0.134075134, 0.0360939441, -0.268356096,
        0.224037691,  -0.298037683, 0.447285252,   -0.120240718, -0.215387023, 0.200108103};
    static const double d[] = {-0.096573935, -0.28748034, -0.211883261,  -0.289623561,
                               -0.219676107, 0.138448256, -0.0985730837, 0.0430940529,
                               0.418132683,  0.103456948, 0.0274464982,  -0.0676424156};
    static const Expected expected[] = {
        {"y",             y},
        {"fc.miss_block", d}
    };
    Adapted k;
    adapted(&k, "bone", "{rank: 2, form: bat}", 6, 4, false);
    adapted_matches(&k, expected, 2);
    adapted_free(&k);
}

/* PEFT 0.21.2, MissConfig(r=3, mini_r=2, init_weights="mini"), out 6, in 7. */
TEST(bone, mini_equals_peft)
{
    static const double y[] = {-0.30324465,  0.25897401,  -0.0411972367, 0.124956428, -0.128368783,
                               -0.105054707, 0.369470993, -0.0157267332, 0.441814483, -0.0210359438,
                               0.347947722,  0.428157141, 0.191663445,   0.701392567, 0.170867742,
                               0.610141058,  0.204838479, 0.316604359};
    static const double d[] = {0.199794342,   -0.109377068, -0.344921578,
                               0.00594943415, -0.150842887, 0.200317769};
    static const Expected expected[] = {
        {"y",             y},
        {"fc.miss_block", d}
    };
    Adapted k;
    adapted(&k, "bone", "{rank: 3, form: mini, mini_rank: 2}", 6, 7, false);
    adapted_matches(&k, expected, 2);
    adapted_free(&k);
}

TEST(bone, gradients_are_central_differences)
{
    static const char *const options[] = {"{rank: 3}", "{rank: 2, form: bat}",
                                          "{rank: 4, form: mini, mini_rank: 3}"};
    for (int form = 0; form < 3; form++)
        for (int turned = 0; turned < 2; turned++) {
            Adapted k;
            adapted(&k, "bone", options[form], 6, 4, turned);
            adapted_gradients(&k);
            adapted_free(&k);
        }
}

TEST(bone, random_first_values_are_uniform_by_the_outputs)
{
    float largest = 0;
    Adapted k;
    adapted(&k, "bone", "{rank: 64, first: random}", 16, 8, false);
    const Param *d = adapted_param(&k, "fc.miss_block");
    for (int64_t i = 0; i < d->n; i++) largest = fmaxf(largest, fabsf(d->data[i]));
    assert_true(largest <= 0.25F && largest > 0.24F); /* 1 / sqrt(16), of 1024 draws */
    adapted_free(&k);
}

TEST(bone, says_what_does_not_divide)
{
    static const struct {
        const char *options, *text;
    } row[] = {
        {"{rank: 4, form: bat}",
         "method 'bone': rank is 4, which does not divide both sides of fc.weight (6, 8), as form: "
         "bat needs it"                                                                   },
        {"{rank: 2, form: mini, mini_rank: 4}",
         "method 'bone': mini_rank is 4, which does not divide the 6 outputs of fc.weight"},
    };
    for (int i = 0; i < 2; i++) {
        Error err = {0};
        Adapted k;
        adapted_build(&k, "bone", row[i].options, 6, 8, false);
        ASSERT_FAILS(graph_ok(k.build.graph, &err), &err, FAIL_CONFIG, row[i].text);
        adapted_free(&k);
    }
}
