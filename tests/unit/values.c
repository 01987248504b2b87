/* values -- what plans compute, in floats, against double precision, for every op, its gradient and
 * its second derivative; and the same bits however the plan is made and run. */
#include "tests/graph_cases.h"
#include "tests/test.h"

#include "base/threads.h"
#include "cpu/cpu.h"
#include "graph/plan.h"

#include <math.h>
#include <string.h>

enum { MAX_OUTPUTS = 1 + 2 * TRIAL_LEAVES };

/* The cases add at most some 60 terms of size 10 after one another, and each operation is off by at
 * most 2 ulp (1.2e-7 of its result); derivatives chain two or three of these sums. */
static const double TOLERANCE = 4e-6;

typedef struct Outputs {
    PlanOutput node[MAX_OUTPUTS];
    int n;
} Outputs;

static void put(Outputs *o, Node *n)
{
    assert_in_range(o->n, 0, MAX_OUTPUTS - 1);
    o->node[o->n++].node = n;
}

/* The case's value, its gradients and, of a mix of these, the gradients again. */
static Outputs all_outputs(Trial *t)
{
    Outputs o = {0};
    Node *wrt[TRIAL_LEAVES], *grad[TRIAL_LEAVES], *total = scalar(t->g, 0);
    double *data[TRIAL_LEAVES];
    put(&o, t->y);
    const int n = trial_reals(t, wrt, data);
    graph_grad(t->g, trial_mix(t, t->y), NULL, wrt, n, grad);
    for (int k = 0; k < n; k++) {
        put(&o, grad[k]);
        total = add(t->g, total, trial_mix(t, grad[k]));
    }
    graph_grad(t->g, total, NULL, wrt, n, grad);
    for (int k = 0; k < n; k++) put(&o, grad[k]);
    trial_check(t);
    return o;
}

static void bind_leaves(const Trial *t, Plan *p)
{
    for (int k = 0; k < t->n; k++) {
        const int64_t count = shape_count(&t->leaf[k]->shape);
        float *reals = arena_new_array(t->arena, float, count);
        int32_t *wholes = arena_new_array(t->arena, int32_t, count);
        for (int64_t i = 0; i < count; i++) {
            reals[i] = (float)t->data[k][i];
            wholes[i] = (int32_t)t->data[k][i];
        }
        plan_bind(p, t->leaf[k], t->leaf[k]->dtype == F32 ? (void *)reals : (void *)wholes);
    }
}

/* Values of all outputs, in the trial's arena. */
static void run(const Trial *t, const Outputs *o, PlanOptions options, float *value[])
{
    Error err = {0};
    Plan *p = plan_new(t->g, o->node, o->n, &options, &err);
    ASSERT_OK(p != NULL, &err);
    ASSERT_OK(plan_allocate(p, &err), &err);
    bind_leaves(t, p);
    plan_run(p, 3);
    for (int k = 0; k < o->n; k++) {
        const int64_t count = shape_count(&o->node[k].node->shape);
        value[k] = arena_new_array(t->arena, float, count);
        memcpy(value[k], plan_value(p, o->node[k].node), sizeof(float) * (size_t)count);
    }
    plan_free(p);
}

static void each_case(const char *group,
                      void (*check)(const Trial *, const Outputs *, const char *name))
{
    int n_cases = 0;
    for (int i = 0; i < graph_case_count(); i++) {
        if (strcmp(graph_case_group(i), group) != 0) continue;
        Trial t = trial_new(i);
        const Outputs o = all_outputs(&t);
        check(&t, &o, graph_case_name(i));
        trial_free(&t);
        n_cases++;
    }
    assert_true(n_cases > 0);
}

static void compare(const Trial *t, const Outputs *o, const char *name)
{
    float *value[MAX_OUTPUTS];
    Graph64 *v = trial_reference(t);
    run(t, o, (PlanOptions){0}, value);
    for (int k = 0; k < o->n; k++) {
        const int64_t count = shape_count(&o->node[k].node->shape);
        const double *want = graph64_value(v, o->node[k].node);
        double scale = 1;
        for (int64_t i = 0; i < count; i++) scale = fmax(scale, fabs(want[i]));
        for (int64_t i = 0; i < count; i++)
            if (!(fabs((double)value[k][i] - want[i]) <= TOLERANCE * scale)) {
                print_message("%s: output %d element %d: %.9g, in doubles %.9g\n", name, k, (int)i,
                              (double)value[k][i], want[i]);
                assert_true(false);
            }
    }
}

/* All outputs, then the value alone, as evaluation runs it: then more can be fused. */
static void check_values(const Trial *t, const Outputs *o, const char *name)
{
    Outputs forward = {0};
    put(&forward, t->y);
    compare(t, o, name);
    compare(t, &forward, name);
}

static void check_same(const Outputs *o, float *const a[], float *const b[], const char *name)
{
    for (int k = 0; k < o->n; k++) {
        const size_t bytes = sizeof(float) * (size_t)shape_count(&o->node[k].node->shape);
        if (memcmp(a[k], b[k], bytes) != 0) print_message("%s: output %d differs\n", name, k);
        assert_memory_equal(a[k], b[k], bytes);
    }
}

static void compare_bits(const Trial *t, const Outputs *o, const char *name)
{
    static const PlanOptions options[] = {
        {false, false},
        {false, true },
        {true,  false}
    };
    float *plain[MAX_OUTPUTS], *other[MAX_OUTPUTS];
    const char *isa[4];
    run(t, o, (PlanOptions){.no_fuse = true, .no_reuse = true}, plain);
    for (int i = 0; i < 3; i++) {
        run(t, o, options[i], other);
        check_same(o, plain, other, name);
    }
    for (int i = 0, n = cpu_available(isa); i < n; i++) {
        Error err = {0};
        ASSERT_OK(cpu_select(isa[i], &err), &err);
        run(t, o, options[0], other);
        check_same(o, plain, other, name);
    }
    Error err = {0};
    ASSERT_OK(cpu_select(NULL, &err), &err);
}

static void check_bits(const Trial *t, const Outputs *o, const char *name)
{
    Outputs forward = {0};
    put(&forward, t->y);
    compare_bits(t, o, name);
    compare_bits(t, &forward, name);
}

#define VALUES_OF(group)                                                                           \
    TEST(values, of_##group##_ops_are_those_of_doubles)                                            \
    {                                                                                              \
        each_case(#group, check_values);                                                           \
    }                                                                                              \
    TEST(values, of_##group##_ops_have_the_same_bits_in_every_plan)                                \
    {                                                                                              \
        each_case(#group, check_bits);                                                             \
    }

VALUES_OF(map)
VALUES_OF(reduce)
VALUES_OF(move)
VALUES_OF(index)
VALUES_OF(product)
VALUES_OF(conv)
VALUES_OF(pool)
VALUES_OF(norm)
VALUES_OF(loss)
VALUES_OF(attend)
VALUES_OF(time)
VALUES_OF(seqconv)
VALUES_OF(random)
