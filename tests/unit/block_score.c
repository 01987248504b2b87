/* block_score -- what is measured on activations against numpy, and the choice of blocks. */
#include "tests/model.h"
#include "tests/test.h"

#include "methods/prune/block_score.h"
#include "methods/prune/block_stats.h"

#include <math.h>
#include <string.h>

/* -- Statistics */

TEST(block_score, rank_of_what_is_constant_or_nothing)
{
    double a[35], zero[35] = {0};
    for (int i = 0; i < 35; i++) a[i] = 0.3;
    assert_int_equal(matrix_rank(a, 5, 7), 1);
    assert_int_equal(matrix_rank(zero, 7, 5), 0);
}

/* numpy.linalg.matrix_rank: 2 */
TEST(block_score, rank_counts_rows_that_are_no_sums_of_others)
{
    double a[] = {1, 2, 3, 4, 2, 4, 6, 8, 1, 0, 1, 0, 2, 2, 4, 4, 0, 0, 0, 0};
    assert_int_equal(matrix_rank(a, 5, 4), 2);
}

TEST(block_score, rank_does_not_count_what_rounding_leaves)
{
    double a[64]; /* of rank 1, but for float32 */
    int64_t n = 0;
    for (int i = 0; i < 8; i++)
        for (int j = 0; j < 8; j++) a[n++] = (double)(float)((1.7 + j) / (3 + i));
    assert_int_equal(matrix_rank(a, 8, 8), 1);
}

/* numpy */
TEST(block_score, cka_of_two_columns_and_one)
{
    double x[] = {1, 0, 0, 1, 1, 1, 0, 0}, y[] = {1, 2, 3, 0};
    centre_columns(x, 4, 2);
    centre_columns(y, 4, 1);
    assert_true(fabs(linear_cka(x, 2, y, 1, 4) - 0.7071067811865477) < 1e-14);
}

TEST(block_score, cka_does_not_see_scale_or_rotation)
{
    double x[24], turned[24];
    for (int i = 0; i < 24; i++) x[i] = (double)test_number("x", i);
    centre_columns(x, 12, 2);
    for (int64_t i = 0; i < 12; i++) {
        turned[2 * i] = 5 * (0.6 * x[2 * i] - 0.8 * x[2 * i + 1]);
        turned[2 * i + 1] = 5 * (0.8 * x[2 * i] + 0.6 * x[2 * i + 1]);
    }
    assert_true(fabs(linear_cka(x, 2, turned, 2, 12) - 1) < 1e-14);
}

/* numpy: weights as the first left singular vector of X'Y instead of by iteration, then deflation
 * of both. */
TEST(block_score, vip_is_what_singular_vectors_give)
{
    static const double x0[] = {1, 2, 0, 0, 1, 3, 2, 0, 1, 4, 1, 1,
                                3, 3, 2, 1, 5, 0, 2, 2, 4, 0, 3, 1};
    static const int label[] = {0, 1, 0, 2, 2, 1, 1, 0};
    static const double want[2][3] = {
        {1.704749208155, 0.232976316403, 0.198877281988},
        {1.187786134794, 0.665962516045, 1.070354158778}
    };
    for (int components = 1; components <= 2; components++) {
        double x[24], y[24] = {0}, scratch[2 * 8 + 2 * 3 + 3], vip[3];
        memcpy(x, x0, sizeof x);
        for (int i = 0; i < 8; i++) y[3 * i + label[i]] = 1;
        centre_columns(x, 8, 3);
        centre_columns(y, 8, 3);
        pls_vip(x, 3, y, 3, 8, components, scratch, vip);
        for (int j = 0; j < 3; j++) assert_true(fabs(vip[j] - want[components - 1][j]) < 1e-6);
    }
}

/* -- Blocks */

typedef struct Found {
    TestModel m;
    LayerTable table;
    Blocks blocks;
} Found;

static void find(Found *f, const char *model, const char *options)
{
    Error err = {0};
    f->m = test_model(model, options, shape(3, INT64_C(32), INT64_C(32), INT64_C(3)), 10);
    ASSERT_OK(layer_table(f->m.model, f->m.options, &f->m.build,
                          f->m.model->architecture(f->m.options), f->m.arena, &f->table, &err),
              &err);
    blocks_find(&f->table, f->m.arena, &f->blocks);
}

/* The paper's own counts, which have the shortcuts' convolutions: 1232, 1200, 1168. */
TEST(block_score, filters_of_the_papers_networks)
{
    static const struct {
        const char *model, *options;
        int64_t filters;
    } rows[] = {
        {"resnet32", "{shortcut: B}",                                1232},
        {"resnet32", "{shortcut: B, without: [layer1.2]}",           1200},
        {"resnet32", "{shortcut: B, without: [layer1.2, layer1.4]}", 1168},
        {"resnet56", "{shortcut: B}",                                2128}
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        Found f;
        find(&f, rows[i].model, rows[i].options);
        assert_int_equal(count_filters(&f.table), rows[i].filters);
        test_model_free(&f.m);
    }
}

TEST(block_score, the_first_block_of_a_stage_is_no_candidate)
{
    Found f;
    find(&f, "resnet20", "{shortcut: B}");
    assert_int_equal(f.blocks.n, 9);
    assert_int_equal(f.blocks.n_candidates, 6);
    for (int i = 0; i < f.blocks.n; i++) {
        assert_int_equal(f.blocks.at[i].stage, i / 3);
        assert_int_equal(f.blocks.at[i].candidate, i % 3 > 0);
    }
    test_model_free(&f.m);
}

TEST(block_score, stages_of_inverted_residuals_begin_where_the_shape_changes)
{
    Found f;
    find(&f, "mobilenet_v2", "{stem: cifar}");
    for (int i = 1; i < f.blocks.n; i++)
        assert_int_equal(f.blocks.at[i].candidate,
                         f.blocks.at[i].stage == f.blocks.at[i - 1].stage);
    assert_true(f.blocks.n_candidates > 0);
    test_model_free(&f.m);
}

/* Stages of four with scores of their place, the last stage lowest. */
static void made_up(Block at[12], Blocks *blocks)
{
    for (int i = 0; i < 12; i++) {
        const int stage = i / 4;
        at[i] = (Block){.name = "b", .stage = stage, .candidate = i % 4 > 0, .score = -stage};
    }
    *blocks = (Blocks){.at = at, .n = 12, .n_candidates = 9};
}

TEST(block_score, the_lowest_go_first_and_equals_by_place_until_the_stage_has_no_more)
{
    static const int want[] = {9, 10, 5, 6, 1};
    Block at[12];
    Blocks blocks;
    int chosen[5];
    Error err = {0};
    made_up(at, &blocks);
    ASSERT_OK(blocks_choose(&blocks, 5, 2, chosen, &err), &err);
    for (int i = 0; i < 5; i++) assert_int_equal(chosen[i], want[i]);
    ASSERT_OK(blocks_choose(&blocks, 4, 1, chosen, &err), &err);
    assert_int_equal(chosen[2], 11);
    assert_int_equal(chosen[3], 5);
}

TEST(block_score, more_blocks_than_may_go_are_a_mistake)
{
    Block at[12];
    Blocks blocks;
    int chosen[7];
    Error err = {0};
    made_up(at, &blocks);
    ASSERT_FAILS(blocks_choose(&blocks, 7, 2, chosen, &err), &err, FAIL_CONFIG,
                 "7 blocks are to go, but only 6 may: 2 stay in each stage");
}
