/* hf_map -- frozen weights that stay in their file: the bits of a network that copied them, and the
 * memory that the process holds meanwhile. */
#include "tests/hf.h"
#include "tests/model.h"
#include "tests/test.h"

#include "io/file.h"
#include "nn/hf_dir.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Mapped {
    TestHf m;
    HfMap map;
} Mapped;

/* The folder `name` built for `want`'s input, its weights from `folder`, run. */
static Mapped run_mapped(const char *name, const TestHf *want, const char *folder, bool freeze,
                         bool release)
{
    Error err = {0};
    Mapped k = {.m = test_hf_config(name, "{}")};
    TestHf *m = &k.m;
    Shape s = {.rank = m->input->rank};
    for (int i = 0; i < s.rank; i++) s.dim[i] = m->input->dim[i];
    m->build.task = want->build.task;
    m->build.params = params_new(m->arena);
    m->build.graph = graph_new(m->arena);
    m->x = input(m->build.graph, "x", I32, s);
    m->output = m->model->build(&m->build, m->options, m->x);
    for (Param *p = m->build.params->first; freeze && p; p = p->next)
        params_freeze(m->build.params, p);
    ASSERT_OK(hf_dir_map(folder, m->build.params, 1, &k.map, &err), &err);
    const PlanOutput out = {m->output, NULL};
    m->plan = plan_new(m->build.graph, &out, 1, NULL, &err);
    ASSERT_OK(m->plan && plan_allocate(m->plan, &err), &err);
    if (release) plan_after_read(m->plan, hf_map_release, NULL);
    plan_bind(m->plan, m->x, m->input->data);
    plan_run(m->plan, 0);
    m->logits = plan_value(m->plan, m->output);
    return k;
}

static void mapped_free(Mapped *k)
{
    test_hf_free(&k->m);
    hf_map_close(&k->map);
}

static const Task LANGUAGE = {.per_step = true, .causal = true};

static int n_lent(const Params *ps)
{
    int n = 0;
    for (const Param *p = ps->first; p; p = p->next) n += p->lent;
    return n;
}

static void check(const char *name, int64_t source_steps, bool release)
{
    Task task = LANGUAGE;
    task.source_steps = source_steps;
    TestHf want = test_hf(name, task, "{}");
    Mapped got = run_mapped(name, &want, test_hf_folder(name), true, release);
    const Params *ps = got.m.build.params;
    assert_int_equal(n_lent(ps), ps->n);
    assert_true(ps->n_other == 0 && ps->n_trainable == 0);
    assert_memory_equal(got.m.logits, want.logits, sizeof(float) * (size_t)want.expected->n);
    mapped_free(&got);
    test_hf_free(&want);
}

TEST(hf_map, gives_the_bits_of_copied_weights)
{
    check("gpt2", 0, false);
    check("llama_tied", 0, false);
    check("t5", 14, false);
}

TEST(hf_map, pages_given_back_come_again)
{
    check("gpt2", 0, true);
    check("t5", 14, true);
}

TEST(hf_map, trained_weights_are_copied)
{
    TestHf want = test_hf("llama", LANGUAGE, "{}");
    Mapped got = run_mapped("llama", &want, test_hf_folder("llama"), false, false);
    assert_int_equal(n_lent(got.m.build.params), 0);
    assert_memory_equal(got.m.logits, want.logits, sizeof(float) * (size_t)want.expected->n);
    for (const Param *p = got.m.build.params->first; p; p = p->next) assert_non_null(p->grad);
    mapped_free(&got);
    test_hf_free(&want);
}

/* The same numbers as F64, which lose nothing on the way back. */
static const char *doubled(Arena *a, const char *name)
{
    Error err = {0};
    Safetensors s;
    const char *folder = arena_string(a, test_folder());
    ASSERT_OK(safetensors_open(&s, a, arena_printf(a, "%s/model.safetensors", test_hf_folder(name)),
                               &err),
              &err);
    for (int i = 0; i < s.n_tensors; i++) {
        StTensor *t = &s.tensors[i];
        double *wide = arena_new_array(a, double, t->n);
        for (int64_t k = 0; k < t->n; k++) wide[k] = (double)((const float *)t->data)[k];
        t->dtype = ST_F64;
        t->data = wide;
        t->bytes = sizeof *wide * (size_t)t->n;
    }
    ASSERT_OK(safetensors_write(arena_printf(a, "%s/model.safetensors", folder), s.tensors,
                                s.n_tensors, NULL, 0, &err),
              &err);
    safetensors_close(&s);
    return folder;
}

TEST(hf_map, other_dtypes_are_converted_into_memory)
{
    Arena *a = arena_new();
    TestHf want = test_hf("llama", LANGUAGE, "{}");
    Mapped got = run_mapped("llama", &want, doubled(a, "llama"), true, true);
    assert_int_equal(n_lent(got.m.build.params), 0);
    assert_memory_equal(got.m.logits, want.logits, sizeof(float) * (size_t)want.expected->n);
    mapped_free(&got);
    test_hf_free(&want);
    arena_free(a);
}

TEST(hf_map, folder_without_weights_is_refused)
{
    Error err = {0};
    HfMap map;
    TestModel m = test_model("mlp", "{hidden: [6]}", shape(1, INT64_C(4)), 3);
    test_model_build(&m, 2, false);
    ASSERT_FAILS(hf_dir_map(test_folder(), m.build.params, 1, &map, &err), &err, FAIL_DATA,
                 "model.safetensors");
    assert_int_equal(map.n_files, 0);
    test_model_free(&m);
}

/* -- Memory */

/* KiB of the mapped file that are in this process's memory. */
static long resident(const char *path)
{
    char line[4096];
    bool found = false;
    long kib = 0, n;
    FILE *f = fopen("/proc/self/smaps", "r");
    if (!f) return -1;
    while (fgets(line, sizeof line, f)) {
        if (strstr(line, path)) found = true;
        if (found && sscanf(line, "Rss: %ld kB", &n) == 1) {
            kib += n;
            found = false;
        }
    }
    (void)fclose(f);
    return kib;
}

typedef struct Watch {
    const char *path;
    long most;
    bool release;
} Watch;

static void watch(void *owner, const Param *p)
{
    Watch *w = owner;
    const long now = resident(w->path);
    if (now > w->most) w->most = now;
    if (w->release) hf_map_release(NULL, p);
}

enum { WIDTH = 512, HIDDEN = 6 };

static TestModel wide(void)
{
    TestModel m =
        test_model("mlp", "{hidden: [512, 512, 512, 512, 512, 512]}", shape(1, (int64_t)WIDTH), 3);
    test_model_build(&m, 2, false);
    for (Param *p = m.build.params->first; p; p = p->next) params_freeze(m.build.params, p);
    return m;
}

/* The most that a forward pass through six weights of 1 MiB holds. */
static long pass(const char *folder, const char *path, bool release)
{
    Error err = {0};
    HfMap map;
    TestModel m = wide();
    Watch w = {.path = path, .release = release};
    float *x = arena_new_array(m.arena, float, 2 * WIDTH);
    ASSERT_OK(hf_dir_map(folder, m.build.params, 1, &map, &err), &err);
    const PlanOutput out = {m.logits, NULL};
    Plan *plan = plan_new(m.build.graph, &out, 1, NULL, &err);
    ASSERT_OK(plan && plan_allocate(plan, &err), &err);
    plan_after_read(plan, watch, &w);
    plan_bind(plan, m.x, x);
    plan_run(plan, 0);
    plan_free(plan);
    test_model_free(&m);
    hf_map_close(&map);
    return w.most;
}

TEST(hf_map, pass_that_gives_pages_back_holds_one_layer)
{
    Error err = {0};
    Arena *a = arena_new();
    const char *folder = arena_string(a, test_folder());
    const char *path = arena_printf(a, "%s/model.safetensors", folder);
    TestModel m = wide();
    ASSERT_OK(params_allocate(m.build.params, &err), &err);
    ASSERT_OK(hf_dir_write_weights(folder, m.build.params, &err), &err);
    test_model_free(&m);
    if (resident(path) < 0) skip(); /* not Linux */
    assert_true(pass(folder, path, false) >= 1024L * HIDDEN);
    assert_true(pass(folder, path, true) <= 1024 + 256); /* the system maps up to 64 KiB around */
    arena_free(a);
}
