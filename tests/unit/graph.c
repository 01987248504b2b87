/* graph -- mistakes of model code are kept, the first one, with shapes in the text. */
#include "tests/graph_cases.h"
#include "tests/test.h"

static Node *floats(Graph *g, int rank, int64_t a, int64_t b, int64_t c, int64_t d)
{
    return input(g, "x", F32, shape(rank, a, b, c, d));
}

static Node *whole(Graph *g, int64_t n)
{
    return input(g, "label", I32, shape(1, n));
}

/* The expression, built in a graph g, is a mistake with this text. */
#define ASSERT_MISTAKE(expression, text)                                                           \
    do {                                                                                           \
        Error err = {0};                                                                           \
        Arena *arena = arena_new();                                                                \
        Graph *g = graph_new(arena);                                                               \
        assert_non_null(expression);                                                               \
        ASSERT_FAILS(graph_ok(g, &err), &err, FAIL_CONFIG, (text));                                \
        arena_free(arena);                                                                         \
    } while (0)

TEST(graph, products_of_other_inner_sizes_name_both_shapes)
{
    ASSERT_MISTAKE(matmul(g, floats(g, 2, 3, 4, 0, 0), floats(g, 2, 5, 4, 0, 0), true, true),
                   "matmul: (3, 4) transposed and (5, 4) transposed do not go together");
}

TEST(graph, products_of_other_batches_are_a_mistake)
{
    ASSERT_MISTAKE(matmul(g, floats(g, 3, 2, 3, 4, 0), floats(g, 3, 3, 4, 5, 0), false, false),
                   "matmul: (2, 3, 4) and (3, 4, 5) do not go together");
}

TEST(graph, linear_names_input_and_weight)
{
    ASSERT_MISTAKE(linear(g, floats(g, 2, 3, 4, 0, 0), floats(g, 2, 5, 6, 0, 0), NULL),
                   "linear: input (3, 4) does not fit weight (5, 6)");
}

TEST(graph, convolution_of_other_channels_is_a_mistake)
{
    ASSERT_MISTAKE(
        conv2d(g, floats(g, 4, 1, 8, 8, 3), floats(g, 4, 4, 3, 3, 3), (Conv2d){.groups = 3}),
        "conv2d: input (1, 8, 8, 3) does not fit weight (4, 3, 3, 3) in 3 groups");
}

TEST(graph, convolution_larger_than_its_input_is_a_mistake)
{
    ASSERT_MISTAKE(
        conv2d(g, floats(g, 4, 1, 2, 2, 3), floats(g, 4, 4, 3, 5, 5), (Conv2d){0}),
        "conv2d: weight (4, 3, 5, 5) is larger than input (1, 2, 2, 3) with its padding");
}

TEST(graph, pooling_checks_window_and_padding)
{
    ASSERT_MISTAKE(max_pool2d(g, floats(g, 4, 1, 8, 8, 3),
                              (Pool2d){
                                  .kernel = {2, 2},
                                    .pad = {2, 0}
    }),
                   "pooling: window 2, stride 2, padding 2 over (1, 8, 8, 3)");
    ASSERT_MISTAKE(avg_pool2d(g, floats(g, 2, 8, 8, 0, 0),
                              (Pool2d){
                                  .kernel = {2, 2}
    }),
                   "pooling: expected images (N, H, W, C), found (8, 8)");
}

TEST(graph, norms_want_one_gain_a_channel)
{
    ASSERT_MISTAKE(layer_norm(g, floats(g, 2, 3, 4, 0, 0), floats(g, 1, 3, 0, 0, 0), NULL, 1e-5f),
                   "layer_norm: input (3, 4) needs gain and bias of its last axis");
    ASSERT_MISTAKE(batch_norm(g, floats(g, 2, 3, 4, 0, 0), NULL, NULL, floats(g, 1, 3, 0, 0, 0),
                              floats(g, 1, 4, 0, 0, 0), true),
                   "batch_norm: input (3, 4) needs one number a channel");
}

TEST(graph, cross_entropy_wants_one_integer_a_row)
{
    ASSERT_MISTAKE(cross_entropy(g, floats(g, 2, 3, 4, 0, 0), whole(g, 4), 0, -1),
                   "cross_entropy: scores (3, 4) do not fit labels (4)");
    ASSERT_MISTAKE(cross_entropy(g, floats(g, 2, 3, 4, 0, 0), floats(g, 1, 3, 0, 0, 0), 0, -1),
                   "cross_entropy: scores (3, 4) do not fit labels (3), which are not integers");
}

TEST(graph, gather_wants_an_integer_index)
{
    ASSERT_MISTAKE(gather(g, floats(g, 2, 3, 4, 0, 0), floats(g, 1, 3, 0, 0, 0)),
                   "gather: rows of (3, 4) by index (3), which is not of integers");
}

TEST(graph, dropout_rate_must_leave_something)
{
    ASSERT_MISTAKE(dropout(g, floats(g, 1, 4, 0, 0, 0), 1, 0, 0),
                   "dropout: rate 1 is outside [0, 1)");
}

TEST(graph, elementwise_shapes_that_do_not_broadcast_are_named)
{
    ASSERT_MISTAKE(add(g, floats(g, 2, 3, 4, 0, 0), floats(g, 1, 3, 0, 0, 0)),
                   "add: shapes (3, 4) and (3) do not go together");
}

TEST(graph, gradient_of_several_numbers_is_a_mistake)
{
    Error err = {0};
    Arena *arena = arena_new();
    Graph *g = graph_new(arena);
    Node *x = floats(g, 1, 3, 0, 0, 0), *grad;
    graph_grad(g, square(g, x), NULL, &x, 1, &grad);
    ASSERT_FAILS(graph_ok(g, &err), &err, FAIL_CONFIG,
                 "gradient of a value of shape (3); expected one number");
    arena_free(arena);
}

TEST(graph, keeps_the_first_mistake)
{
    Error err = {0};
    Arena *arena = arena_new();
    Graph *g = graph_new(arena);
    Node *bad = add(g, floats(g, 1, 3, 0, 0, 0), floats(g, 1, 4, 0, 0, 0));
    (void)linear(g, bad, floats(g, 2, 5, 6, 0, 0), NULL);
    ASSERT_FAILS(graph_ok(g, &err), &err, FAIL_CONFIG, "add: shapes (3) and (4)");
    assert_int_equal(err.n_items, 1);
    arena_free(arena);
}

TEST(graph, gradient_to_what_does_not_matter_is_zero)
{
    Trial t = trial_empty(1);
    Node *x = trial_real(&t, shape(1, (int64_t)3)), *z = trial_real(&t, shape(1, (int64_t)2)),
         *grad;
    graph_grad(t.g, sum(t.g, x, ALL_AXES, false), NULL, &z, 1, &grad);
    const double *got = graph64_value(trial_reference(&t), grad);
    assert_true(grad->shape.dim[0] == 2 && got[0] == 0 && got[1] == 0);
    trial_free(&t);
}

/* The parts of a row go three ways and come back, the last one first, as one. */
TEST(graph, gradients_of_all_slices_are_joined_without_zeros)
{
    Trial t = trial_empty(1);
    Node *x = trial_real(&t, shape(2, (int64_t)2, (int64_t)6)), *grad, *y = NULL;
    for (int64_t part = 0; part < 3; part++) {
        Node *term = sum(t.g, affine(t.g, slice(t.g, x, 1, 2 * part, 2), (float)(part + 1), 0),
                         ALL_AXES, false);
        y = y ? add(t.g, y, term) : term;
    }
    graph_grad(t.g, y, NULL, &x, 1, &grad);
    assert_ptr_equal(grad->op, &op_concat);
    assert_int_equal(grad->n_src, 3);
    const double *got = graph64_value(trial_reference(&t), grad);
    for (int i = 0; i < 12; i++) assert_int_equal((int)got[i], i % 6 / 2 + 1);
    trial_free(&t);
}

TEST(graph, gradients_of_slices_apart_are_added)
{
    Trial t = trial_empty(1);
    Node *x = trial_real(&t, shape(1, (int64_t)5)), *grad;
    Node *y = add(t.g, slice(t.g, x, 0, 0, 2), slice(t.g, x, 0, 3, 2));
    graph_grad(t.g, sum(t.g, y, ALL_AXES, false), NULL, &x, 1, &grad);
    const double *got = graph64_value(trial_reference(&t), grad);
    for (int i = 0; i < 5; i++) assert_true(got[i] == (i != 2));
    trial_free(&t);
}

/* 2 M N K for a product; a convolution is one of M = N H W, K = C KH KW. */
TEST(graph, counts_two_operations_a_multiply_add)
{
    Arena *arena = arena_new();
    Graph *g = graph_new(arena);
    const Node *y = linear(g, floats(g, 3, 2, 3, 4, 0), floats(g, 2, 5, 4, 0, 0), NULL);
    assert_true(op_flops(y) == 2 * 6 * 5 * 4);
    y = conv2d(g, floats(g, 4, 2, 8, 8, 4), floats(g, 4, 6, 2, 3, 3),
               (Conv2d){
                   .groups = 2, .pad = {1, 1}
    });
    assert_true(op_flops(y) == 2.0 * (2 * 8 * 8) * 6 * (2 * 3 * 3));
    arena_free(arena);
}

TEST(graph, all_products_of_a_bf16_graph_round_their_operands)
{
    Arena *a = arena_new();
    Graph *g = graph_new(a);
    Error err = {0};
    g->bf16 = true;
    Node *x = input(g, "x", F32, shape(2, (int64_t)4, (int64_t)6));
    Node *w = input(g, "w", F32, shape(2, (int64_t)5, (int64_t)6));
    Node *v = input(g, "v", F32, shape(2, (int64_t)5, (int64_t)3));
    Node *y = matmul(g, relu(g, linear(g, x, w, NULL)), v, false, false);
    Node *wrt[] = {x, w, v}, *grad[3];
    graph_grad(g, sum(g, square(g, y), ALL_AXES, false), NULL, wrt, 3, grad);
    ASSERT_OK(graph_ok(g, &err), &err);
    int n = 0;
    for (int i = 0; i < g->n_nodes; i++)
        if (g->nodes[i]->op == &op_matmul) {
            assert_true(g->nodes[i]->args.matmul.bf16);
            n++;
        }
    assert_int_equal(n, 6); /* two forward, and each one's two gradients */
    arena_free(a);
}
