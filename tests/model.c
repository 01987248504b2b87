/* model -- see model.h. */
#include "tests/model.h"

#include "tests/test.h"

#include <math.h>
#include <string.h>

void *test_options(Arena *a, const OptionTable *table, const char *yaml)
{
    Error err = {0};
    Yaml *y = NULL;
    void *options = arena_alloc(a, table->bytes);
    ASSERT_OK(yaml_parse(a, yaml, strlen(yaml), "<text>", &y, &err), &err);
    ASSERT_OK(option_read(table, y, NULL, "test", options, &err), &err);
    return options;
}

TestModel test_model(const char *name, const char *options, Shape sample, int classes)
{
    TestModel m = {.arena = arena_new(), .model = model_find(name)};
    assert_non_null(m.model);
    m.options = test_options(m.arena, &m.model->options, options);
    m.build = (ModelBuild){
        .params = params_new(m.arena),
        .task = {.sample = sample, .n_classes = classes},
        .init = m.model->init(m.options)
    };
    return m;
}

void test_model_build(TestModel *m, int64_t batch, bool training)
{
    Shape s = {.rank = m->build.task.sample.rank + 1, .dim = {batch}};
    for (int i = 0; i < m->build.task.sample.rank; i++) s.dim[i + 1] = m->build.task.sample.dim[i];
    m->build.graph = graph_new(m->arena);
    m->build.training = training;
    m->x = input(m->build.graph, "x", F32, s);
    m->logits = m->model->build(&m->build, m->options, m->x);
}

void test_model_allocate(TestModel *m, int64_t batch)
{
    Error err = {0};
    test_model_build(m, batch, false);
    ASSERT_OK(graph_ok(m->build.graph, &err), &err);
    ASSERT_OK(params_allocate(m->build.params, &err), &err);
}

void test_model_init(TestModel *m, int64_t batch, uint64_t seed)
{
    test_model_allocate(m, batch);
    params_init(m->build.params, seed);
}

void test_model_free(TestModel *m)
{
    params_free(m->build.params);
    arena_free(m->arena);
}

float test_number(const char *name, int64_t i)
{
    uint32_t x = 0;
    for (; *name; name++) x = x * 31 + (unsigned char)*name;
    x += (uint32_t)i * UINT32_C(2654435761);
    x = (x ^ x >> 15) * UINT32_C(0x2c1b3c6d);
    x = (x ^ x >> 12) * UINT32_C(0x297a2d39);
    x ^= x >> 15;
    return (float)(x >> 8) * 0x1p-24f - 0.5f;
}

static bool ends(const char *name, const char *suffix)
{
    const size_t n = strlen(name), m = strlen(suffix);
    return n >= m && !strcmp(name + n - m, suffix);
}

void test_fill(Params *ps, double gain)
{
    for (Param *p = ps->first; p; p = p->next) {
        const bool one =
            ends(p->name, ".running_var") || (ends(p->name, ".weight") && p->shape.rank == 1);
        const int64_t fan_in = p->n / p->shape.dim[0];
        const double scale = p->shape.rank >= 2 ? gain * 2 * sqrt(3 / (double)fan_in) : 0.2;
        for (int64_t i = 0; i < p->n; i++) {
            const double u = (double)test_number(p->name, i);
            p->data[i] = (float)(one ? 1 + 0.5 * u : scale * u);
        }
    }
}
