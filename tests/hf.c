/* hf -- see hf.h. */
#include "tests/hf.h"

#include "tests/test.h"

#include "nn/hf_dir.h"
#include "nn/init.h"

#include <string.h>

const char *test_hf_folder(const char *name)
{
    static char path[512];
    (void)snprintf(path, sizeof path, "tests/golden/hf/%s", name);
    return path;
}

TestHf test_hf_config(const char *name, const char *override)
{
    Error err = {0};
    Yaml *y, *more;
    TestHf m = {.arena = arena_new()};
    ASSERT_OK(hf_dir_config(test_hf_folder(name), m.arena, &m.model, &y, &err), &err);
    ASSERT_OK(yaml_parse(m.arena, override, strlen(override), "<text>", &more, &err), &err);
    for (Yaml *o = more->first; o; o = o->next) yaml_set(m.arena, y, o->key, yaml_copy(m.arena, o));
    m.options = arena_alloc(m.arena, m.model->options.bytes);
    ASSERT_OK(option_read(&m.model->options, y, NULL, "here", m.options, &err), &err);
    const char *expected = arena_printf(m.arena, "%s/expected.safetensors", test_hf_folder(name));
    ASSERT_OK(safetensors_open(&m.file, m.arena, expected, &err), &err);
    m.input = safetensors_find(&m.file, "x");
    m.expected = safetensors_find(&m.file, "logits");
    m.expected_logits = m.expected->data;
    return m;
}

void test_hf_run(TestHf *m, const char *folder)
{
    Error err = {0};
    Shape s = {.rank = m->input->rank};
    for (int i = 0; i < s.rank; i++) s.dim[i] = m->input->dim[i];
    m->build.params = params_new(m->arena);
    m->build.graph = graph_new(m->arena);
    m->x = input(m->build.graph, "x", m->input->dtype == ST_I32 ? I32 : F32, s);
    m->output = m->model->build(&m->build, m->options, m->x);
    ASSERT_OK(graph_ok(m->build.graph, &err), &err);
    ASSERT_OK(params_allocate(m->build.params, &err), &err);
    params_init(m->build.params, 1);
    ASSERT_OK(hf_dir_weights(folder, m->build.params, &err), &err);
    const PlanOutput out = {m->output, NULL};
    m->plan = plan_new(m->build.graph, &out, 1, NULL, &err);
    ASSERT_OK(m->plan && plan_allocate(m->plan, &err), &err);
    plan_bind(m->plan, m->x, m->input->data);
    plan_run(m->plan, 0);
    m->logits = plan_value(m->plan, m->output);
}

TestHf test_hf(const char *name, Task task, const char *override)
{
    TestHf m = test_hf_config(name, override);
    for (int i = 1; i < m.input->rank; i++) task.sample.dim[task.sample.rank++] = m.input->dim[i];
    task.dtype = m.input->dtype == ST_I32 ? I32 : F32;
    task.n_classes = (int)m.expected->dim[m.expected->rank - 1];
    m.build.task = task;
    test_hf_run(&m, test_hf_folder(name));
    assert_int_equal(shape_count(&m.output->shape), m.expected->n);
    return m;
}

void test_hf_free(TestHf *m)
{
    plan_free(m->plan);
    params_free(m->build.params);
    safetensors_close(&m->file);
    arena_free(m->arena);
}
