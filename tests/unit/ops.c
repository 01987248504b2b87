/* ops -- every op's row is complete; gradients and second derivatives against central differences
 * in double precision. */
#include "tests/graph_cases.h"
#include "tests/test.h"

#include <math.h>
#include <string.h>

/* Central differences with this step in double: truncation about 1e-10, cancellation about 1e-9.
 * What remains is that the immediates of the rules (1/n, 1/sqrt(2)) are floats: 6e-8 relative. */
static const double STEP = 1e-5, TOLERANCE = 2e-6;

static double at_scalar(Graph64 *v, const Node *y)
{
    graph64_reset(v);
    return graph64_value(v, y)[0];
}

/* dy/d data[i] for the scalar y. */
static double slope(Graph64 *v, const Node *y, double *data)
{
    const double keep = *data;
    *data = keep + STEP;
    const double above = at_scalar(v, y);
    *data = keep - STEP;
    const double below = at_scalar(v, y);
    *data = keep;
    return (above - below) / (2 * STEP);
}

enum { MAX_CHECKED = 13 }; /* elements of a source, spread over it */

static void check_gradient(const Trial *t, const Node *y, Node *const wrt[], double *const data[],
                           Node *const grad[], int n, const char *what)
{
    Graph64 *v = trial_reference(t);
    for (int k = 0; k < n; k++) {
        const int64_t count = shape_count(&wrt[k]->shape), step = count / MAX_CHECKED + 1;
        assert_true(shape_equal(&wrt[k]->shape, &grad[k]->shape));
        graph64_reset(v);
        double *got = arena_new_array(t->arena, double, count), scale = 1;
        memcpy(got, graph64_value(v, grad[k]), sizeof(double) * (size_t)count);
        double *want = arena_new_array(t->arena, double, count);
        for (int64_t i = 0; i < count; i += step) {
            want[i] = slope(v, y, &data[k][i]);
            scale = fmax(scale, fabs(want[i]));
        }
        for (int64_t i = 0; i < count; i += step)
            if (!(fabs(got[i] - want[i]) <= TOLERANCE * scale)) {
                print_message("%s: source %d element %d: %.9g, by differences %.9g\n", what, k,
                              (int)i, got[i], want[i]);
                assert_true(false);
            }
    }
}

/* Gradient of a mix of the case's values to all its leaves. */
static int first_order(Trial *t, Node **loss, Node *wrt[], double *data[], Node *grad[])
{
    *loss = trial_mix(t, t->y);
    const int n = trial_reals(t, wrt, data);
    graph_grad(t->g, *loss, NULL, wrt, n, grad);
    trial_check(t);
    return n;
}

/* A mix of those gradients: its own gradient needs every second derivative, to dy as well, since
 * the mix's weights are leaves too. */
static Node *mix_all(Trial *t, Node *const x[], int n)
{
    Node *total = scalar(t->g, 0);
    for (int k = 0; k < n; k++) total = add(t->g, total, trial_mix(t, x[k]));
    return total;
}

static void each_case(const char *group, bool second)
{
    int n_cases = 0;
    for (int i = 0; i < graph_case_count(); i++) {
        if (!graph_case_is_smooth(i) || strcmp(graph_case_group(i), group) != 0) continue;
        Trial t = trial_new(i);
        Node *y, *wrt[TRIAL_LEAVES], *grad[TRIAL_LEAVES];
        double *data[TRIAL_LEAVES];
        int n = first_order(&t, &y, wrt, data, grad);
        if (second) {
            y = mix_all(&t, grad, n);
            graph_grad(t.g, y, NULL, wrt, n, grad);
            trial_check(&t);
        }
        check_gradient(&t, y, wrt, data, grad, n, graph_case_name(i));
        trial_free(&t);
        n_cases++;
    }
    assert_true(n_cases > 0);
}

#define DERIVATIVES_OF(group)                                                                      \
    TEST(gradient, of_##group##_ops_is_a_central_difference)                                       \
    {                                                                                              \
        each_case(#group, false);                                                                  \
    }                                                                                              \
    TEST(second_derivative, of_##group##_ops_is_a_central_difference_of_the_gradient)              \
    {                                                                                              \
        each_case(#group, true);                                                                   \
    }

DERIVATIVES_OF(map)
DERIVATIVES_OF(reduce)
DERIVATIVES_OF(move)
DERIVATIVES_OF(index)
DERIVATIVES_OF(product)
DERIVATIVES_OF(conv)
DERIVATIVES_OF(pool)
DERIVATIVES_OF(norm)
DERIVATIVES_OF(loss)
DERIVATIVES_OF(attend)
DERIVATIVES_OF(time)
DERIVATIVES_OF(seqconv)
DERIVATIVES_OF(random)

/* -- The table */

static const int map_arity[MAP_N_OPS] = {
#define MAP(name, arity, ...) [MAP_##name] = (arity),
#include "cpu/map.def"
#undef MAP
};

TEST(ops, rows_are_complete)
{
    for (int i = 0; i < N_OPS; i++) {
        const Op *op = op_table[i];
        const int rules = (op->grad != NULL) + (op->expand != NULL) + (op->no_grad != NULL);
        const bool ok =
            op->name && op->formula && (op->kind == OP_LEAF ? rules == 0 : rules == 1) &&
            (op->kind == OP_KERNEL) == (op->run != NULL) &&
            (op->kind != OP_MAP || op->arity == map_arity[op->map]) && graph64_covers(op);
        if (!ok) print_message("op %d: %s\n", i, op->name ? op->name : "without a name");
        assert_true(ok);
    }
}

TEST(ops, names_are_unique)
{
    for (int i = 0; i < N_OPS; i++)
        for (int k = 0; k < i; k++) assert_string_not_equal(op_table[i]->name, op_table[k]->name);
}

TEST(ops, cases_hold_every_op)
{
    bool seen[N_OPS] = {0};
    for (int i = 0; i < graph_case_count(); i++) {
        Trial t = trial_new(i);
        Node *y, *wrt[TRIAL_LEAVES], *grad[TRIAL_LEAVES];
        double *data[TRIAL_LEAVES];
        (void)first_order(&t, &y, wrt, data, grad);
        for (int id = 0; id < t.g->n_nodes; id++)
            for (int k = 0; k < N_OPS; k++) seen[k] = seen[k] || t.g->nodes[id]->op == op_table[k];
        trial_free(&t);
    }
    for (int k = 0; k < N_OPS; k++) {
        if (op_table[k] == &op_param) continue; /* tests/unit/param.c */
        if (!seen[k]) print_message("no case holds %s\n", op_table[k]->name);
        assert_true(seen[k]);
    }
}

/* -- Rules that are not derivatives of the value */

TEST(ops, straight_through_has_the_gradient_of_the_soft_value)
{
    Trial t = trial_empty(1);
    Node *x = trial_real(&t, shape(1, (int64_t)5)), *grad;
    Node *y = straight_through(t.g, round_node(t.g, x), square(t.g, x));
    graph_grad(t.g, sum(t.g, y, ALL_AXES, false), NULL, &x, 1, &grad);
    const double *got = graph64_value(trial_reference(&t), grad);
    for (int i = 0; i < 5; i++) assert_true(got[i] == 2 * t.data[0][i]);
    trial_free(&t);
}

TEST(ops, stop_gradient_counts_as_a_constant)
{
    Trial t = trial_empty(1);
    Node *x = trial_real(&t, shape(1, (int64_t)5)), *grad;
    Node *y = mul(t.g, x, stop_gradient(t.g, square(t.g, x)));
    graph_grad(t.g, sum(t.g, y, ALL_AXES, false), NULL, &x, 1, &grad);
    const double *got = graph64_value(trial_reference(&t), grad);
    for (int i = 0; i < 5; i++) assert_true(got[i] == t.data[0][i] * t.data[0][i]);
    trial_free(&t);
}

TEST(ops, gradient_of_equal_maxima_is_shared)
{
    Trial t = trial_empty(1);
    Node *x = trial_real(&t, shape(1, (int64_t)4)), *grad;
    memcpy(t.data[0], (double[]){1, 3, 2, 3}, 4 * sizeof(double));
    graph_grad(t.g, max_reduce(t.g, x, ALL_AXES, false), NULL, &x, 1, &grad);
    const double *got = graph64_value(trial_reference(&t), grad);
    assert_true(got[0] == 0 && got[1] == 0.5 && got[2] == 0 && got[3] == 0.5);
    trial_free(&t);
}
