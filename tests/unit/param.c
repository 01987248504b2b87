/* param -- parameters are found by name and lie side by side. */
#include "graph/param.h"

#include "tests/test.h"

#include <string.h>

typedef struct Fixture {
    Arena *arena;
    Graph *g;
    Params *ps;
    Error err;
} Fixture;

static Fixture fixture(void)
{
    Fixture f = {.arena = arena_new()};
    f.g = graph_new(f.arena);
    f.ps = params_new(f.arena);
    return f;
}

static void release(Fixture *f)
{
    params_free(f->ps);
    arena_free(f->arena);
}

static Param *get(Fixture *f, const char *name, int64_t n, ParamRole role, bool trainable)
{
    return params_get(f->ps, f->g, name, shape(1, n), role, trainable,
                      (Init){INIT_ONES, 0, 0, 0, 0});
}

TEST(param, is_created_once_and_then_found)
{
    Fixture f = fixture();
    char name[] = "layer.weight";
    Param *p = get(&f, name, 5, ROLE_WEIGHT, true);
    name[0] = 'x'; /* the name was copied */
    assert_ptr_equal(get(&f, "layer.weight", 5, ROLE_WEIGHT, true), p);
    assert_ptr_equal(params_find(f.ps, "layer.weight"), p);
    assert_null(params_find(f.ps, "layer.bias"));
    assert_int_equal(f.ps->n, 1);
    assert_true(p->lr_multiplier == 1 && p->weight_decay_multiplier == 1);
    release(&f);
}

TEST(param, of_another_shape_under_the_same_name_is_a_mistake)
{
    Fixture f = fixture();
    (void)get(&f, "w", 5, ROLE_WEIGHT, true);
    const Param *p = get(&f, "w", 6, ROLE_WEIGHT, true);
    assert_int_equal(p->shape.dim[0], 6);
    assert_int_equal(f.ps->n, 1);
    ASSERT_FAILS(graph_ok(f.g, &f.err), &f.err, FAIL_CONFIG,
                 "parameter w has shape (5); here it is (6)");
    release(&f);
}

TEST(param, new_after_allocation_is_a_mistake)
{
    Fixture f = fixture();
    (void)get(&f, "w", 5, ROLE_WEIGHT, true);
    ASSERT_OK(params_allocate(f.ps, &f.err), &f.err);
    (void)get(&f, "late", 5, ROLE_WEIGHT, true);
    assert_int_equal(f.ps->n, 1);
    ASSERT_FAILS(graph_ok(f.g, &f.err), &f.err, FAIL_CONFIG, "parameter late is new");
    release(&f);
}

TEST(param, trainable_ones_lie_side_by_side_with_their_gradients)
{
    Fixture f = fixture();
    const Param *a = get(&f, "a", 5, ROLE_WEIGHT, true), *m = get(&f, "m", 3, ROLE_BUFFER, false),
                *b = get(&f, "b", 16, ROLE_BIAS, true), *z = get(&f, "z", 7, ROLE_WEIGHT, false);
    ASSERT_OK(params_allocate(f.ps, &f.err), &f.err);
    assert_true(a->data == f.ps->weights && b->data == f.ps->weights + 16);
    assert_true(a->grad == f.ps->grads && b->grad == f.ps->grads + 16);
    assert_true(m->data == f.ps->others && z->data == f.ps->others + 16 && !m->grad && !z->grad);
    assert_int_equal(f.ps->n_trainable, 32);
    assert_int_equal(f.ps->n_other, 32);
    assert_int_equal((uintptr_t)f.ps->weights % 64, 0);
    for (int i = 0; i < 32; i++) assert_true(f.ps->weights[i] == 0);
    release(&f);
}

TEST(param, count_leaves_buffers_out)
{
    Fixture f = fixture();
    (void)get(&f, "a", 5, ROLE_WEIGHT, true);
    (void)get(&f, "m", 3, ROLE_BUFFER, false);
    (void)get(&f, "frozen", 7, ROLE_WEIGHT, false);
    assert_int_equal(f.ps->count, 12);
    release(&f);
}

TEST(param, model_without_any_can_be_allocated)
{
    Fixture f = fixture();
    ASSERT_OK(params_allocate(f.ps, &f.err), &f.err);
    assert_null(f.ps->weights);
    release(&f);
}

TEST(param, is_one_node_of_a_graph)
{
    Fixture f = fixture();
    Param *p = get(&f, "w", 5, ROLE_WEIGHT, true);
    Node *n = param_node(f.g, p);
    assert_ptr_equal(param_node(f.g, p), n);
    assert_string_equal(n->name, "w");
    assert_int_equal(n->shape.dim[0], 5);
    release(&f);
}

TEST(param, too_large_for_memory_fails_and_leaves_nothing)
{
#ifdef __SANITIZE_ADDRESS__
    skip(); /* its malloc stops the process */
#endif
    Fixture f = fixture();
    (void)params_get(f.ps, f.g, "w", shape(2, (int64_t)1 << 30, (int64_t)1 << 28), ROLE_WEIGHT,
                     true, (Init){INIT_ONES, 0, 0, 0, 0});
    ASSERT_FAILS(params_allocate(f.ps, &f.err), &f.err, FAIL_RUN, "for the parameters");
    assert_null(f.ps->weights);
    release(&f);
}
