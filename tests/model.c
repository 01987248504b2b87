/* model -- see model.h. */
#include "tests/model.h"

#include "tests/test.h"

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
