/* profile -- what a profiled run measures of itself, and the trace that it writes. */
#include "tests/test.h"

#include "run/trainer.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

/* A run of 8 steps in a temporary folder, profiled or not. */
typedef struct ProfiledRun {
    Arena *arena;
    Profile *profile;
    RunRecord record;
    char folder[4096];
} ProfiledRun;

static void run(ProfiledRun *r, bool profiled)
{
    static const char text[] = "name: a/b\n"
                               "data: {name: shapes, size: 8, n_train: 40, n_test: 10}\n"
                               "model: {name: mlp, hidden: [16]}\n"
                               "optimizer: {name: adamw, lr: 0.01}\n"
                               "train: {steps: 8, batch_size: 10, eval_every: 4}\n";
    Error err = {0};
    Experiment e;
    Dataset data;
    TrainReport report = {0};
    TrainOutcome outcome;
    Arena *a = r->arena = arena_new();
    r->profile = profiled ? profile_new(a) : NULL;
    TrainFlags flags = {.results = test_folder(), .profile = r->profile};
    ASSERT_OK(experiment_parse(&e, a, text, sizeof text - 1, &err), &err);
    ASSERT_OK(dataset_open(&data, e.dataset, e.dataset_options, ".", SPLITS_ALL, a, &err), &err);
    experiment_identify(&e, a, data.sha256);
    ASSERT_OK(rundir_path(flags.results, &e, r->folder, &err), &err);
    ASSERT_OK(train_run(&e, &data, &flags, &report, &outcome, &r->record, &err), &err);
    dataset_close(&data);
}

static json_t *read_trace(const ProfiledRun *r)
{
    char path[4200];
    (void)snprintf(path, sizeof path, "%s/trace.json", r->folder);
    return json_load_file(path, 0, NULL);
}

TEST(profile, parts_add_up_to_the_run)
{
    ProfiledRun r;
    run(&r, true);
    const Profile *p = r.profile;
    double sum = 0;
    for (int part = 0; part < N_PROFILE_PARTS; part++) {
        assert_true(p->part_s[part] >= 0);
        sum += p->part_s[part];
    }
    assert_true(fabs(sum - p->total_s) < 1e-9);
    assert_true(p->total_s <= r.record.wall_s);
    assert_true(p->part_s[PROFILE_FORWARD] > 0 && p->part_s[PROFILE_BACKWARD] > 0);
    assert_true(p->part_s[PROFILE_EVALUATION] > 0 && p->part_s[PROFILE_CHECKPOINT] > 0);
    arena_free(r.arena);
}

TEST(profile, kernels_add_up_to_their_parts)
{
    ProfiledRun r;
    run(&r, true);
    const Profile *p = r.profile;
    double part_s[N_PROFILE_PARTS] = {0};
    assert_int_equal(p->n_steps, 8);
    for (int i = 0; i < p->n_kernels; i++) {
        assert_int_equal(p->kernels[i].calls, 8);
        part_s[p->kernels[i].part] += p->kernels[i].seconds;
    }
    assert_true(fabs(part_s[PROFILE_FORWARD] - p->part_s[PROFILE_FORWARD]) < 1e-9);
    assert_true(fabs(part_s[PROFILE_BACKWARD] - p->part_s[PROFILE_BACKWARD]) < 1e-9);
    assert_true(part_s[PROFILE_OPTIMIZER] == p->part_s[PROFILE_OPTIMIZER]);
    arena_free(r.arena);
}

TEST(profile, sums_by_name_keep_time_and_work)
{
    ProfiledRun r;
    run(&r, true);
    int n_ops, n_kernels;
    const ProfileKernel *ops = profile_sorted(r.profile, true, &n_ops),
                        *kernels = profile_sorted(r.profile, false, &n_kernels);
    double ops_s = 0, ops_flops = 0, kernels_s = 0, kernels_flops = 0;
    for (int i = 0; i < n_ops; i++) {
        ops_s += ops[i].seconds, ops_flops += ops[i].flops;
        assert_true(i == 0 || ops[i - 1].seconds >= ops[i].seconds);
        for (int k = 0; k < i; k++) assert_string_not_equal(ops[k].name, ops[i].name);
    }
    for (int i = 0; i < n_kernels; i++)
        kernels_s += kernels[i].seconds, kernels_flops += kernels[i].flops;
    assert_true(n_ops < n_kernels && n_kernels == r.profile->n_kernels);
    assert_true(fabs(ops_s - kernels_s) < 1e-9 && ops_flops == kernels_flops);
    /* 8 steps of batch 10: three products over 64x16 and 16x10 weights, less the gradient to x */
    double products = 0;
    for (int i = 0; i < n_ops; i++)
        if (strcmp(ops[i].name, "matmul") == 0) products = ops[i].flops;
    assert_true(products == 8 * 10 * 2.0 * (2 * 64 * 16 + 3 * 16 * 10));
    arena_free(r.arena);
}

TEST(profile, trace_parses_and_its_events_lie_within_the_run)
{
    ProfiledRun r;
    run(&r, true);
    json_t *root = read_trace(&r), *event;
    assert_non_null(root);
    const double end_us = 1e6 * r.profile->total_s + 0.01;
    double loader_end = -1;
    size_t i, n_kernels = 0;
    json_array_foreach(json_object_get(root, "traceEvents"), i, event)
    {
        if (strcmp(json_string_value(json_object_get(event, "ph")), "X") != 0) continue;
        const double ts = json_number_value(json_object_get(event, "ts")),
                     dur = json_number_value(json_object_get(event, "dur"));
        assert_true(ts >= 0 && dur >= 0 && ts + dur <= end_us);
        n_kernels += json_object_get(json_object_get(event, "args"), "flops") != NULL;
        const char *name = json_string_value(json_object_get(event, "name"));
        if (strcmp(name, "loader") != 0) continue;
        assert_true(ts >= loader_end); /* events of one row do not overlap */
        loader_end = ts + dur;
    }
    assert_true(loader_end > 0);
    assert_int_equal(n_kernels, 5 * (r.profile->n_kernels - 1)); /* five steps are traced */
    json_decref(root);
    arena_free(r.arena);
}

TEST(profile, changes_no_metric_and_without_it_there_is_no_trace)
{
    ProfiledRun with, without;
    run(&with, true);
    run(&without, false);
    assert_string_equal(with.record.final_metrics, without.record.final_metrics);
    json_t *trace = read_trace(&without);
    assert_null(trace);
    arena_free(with.arena);
    arena_free(without.arena);
}

TEST(profile, limits_follow_from_work_a_call)
{
    Arena *a = arena_new();
    Profile *p = profile_new(a);
    Error err = {0};
    ProfileKernel k = {.name = "x", .calls = 4, .seconds = 1, .flops = 4e9, .bytes = 400};
    p->kernels = &k;
    p->n_kernels = 1;
    ASSERT_OK(profile_limits(p, &err), &err);
    assert_true(fabs(k.limit_s * p->limits.flops_per_s / 4e9 - 1) < 1e-12);
    arena_free(a);
}
