/* schedule -- factors against torch 1.13's schedulers over 12 steps: optimizer lr 1, the lr read
 * before each optimizer.step(), scheduler.step() after it. */
#include "tests/test.h"

#include "optim/schedule.h"

#include <math.h>
#include <string.h>

enum { TOTAL = 12 };

/* steps_per_epoch is 3 throughout. */
static const void *read_options(Arena *a, const Schedule *s, const char *yaml)
{
    Error err = {0};
    Yaml *y;
    ASSERT_OK(yaml_parse(a, yaml, strlen(yaml), "<text>", &y, &err), &err);
    void *options = arena_alloc(a, s->options.bytes);
    ASSERT_OK(option_read(&s->options, y, NULL, "in schedule", options, &err), &err);
    return options;
}

static void check_factors(const char *name, const char *yaml, const double want[TOTAL])
{
    Arena *a = arena_new();
    const Schedule *s = schedule_find(name);
    const void *options = read_options(a, s, yaml);
    for (int t = 0; t < TOTAL; t++) {
        double got = schedule_factor(s, options, t, TOTAL, 3);
        if (!(fabs(got - want[t]) < 1e-11)) /* torch's were printed with 12 digits */
            print_error("%s %s: factor(%d) = %.12g, torch has %.12g\n", name, yaml, t, got,
                        want[t]);
        assert_true(fabs(got - want[t]) < 1e-11);
    }
    arena_free(a);
}

// clang-format off
TEST(schedule, constant_is_one)
{
    check_factors("constant", "{}", (double[TOTAL]){1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1});
}

/* Vaswani et al. 2017, section 5.3: lr(t) = base min(1, t / w) / sqrt(max(t, w)), here of base = sqrt(w). */
TEST(schedule, inverse_sqrt_is_the_papers)
{
    double want[TOTAL];
    for (int t = 0; t < TOTAL; t++) want[t] = t < 4 ? t / 4.0 : sqrt(4.0 / t);
    check_factors("inverse_sqrt", "{warmup: 4}", want);
}

TEST(schedule, inverse_sqrt_without_a_warmup_starts_at_one)
{
    double want[TOTAL];
    for (int t = 0; t < TOTAL; t++) want[t] = 1 / sqrt(t + 1.0);
    check_factors("inverse_sqrt", "{}", want);
}

TEST(schedule, step_equals_StepLR)
{
    static const double want[TOTAL] = {1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25,
                                       0.125, 0.125, 0.125};
    check_factors("step", "{step_size: 3, gamma: 0.5}", want);
    check_factors("step", "{step_size: 1ep, gamma: 0.5}", want);
}

TEST(schedule, multistep_equals_MultiStepLR)
{
    static const double want[TOTAL] = {1, 1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.01,
                                       0.001, 0.001, 0.001};
    check_factors("multistep", "{milestones: [2, 5, 9], unit: steps}", want);
}

TEST(schedule, multistep_counts_epochs_by_default)
{
    check_factors("multistep", "{milestones: [1, 3], gamma: 0.5}",
                  (double[TOTAL]){1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25});
}

TEST(schedule, cosine_equals_CosineAnnealingLR)
{
    check_factors("cosine", "{}", (double[TOTAL]){
        1, 0.982962913145, 0.933012701892, 0.853553390593, 0.75, 0.629409522551, 0.5,
        0.370590477449, 0.25, 0.146446609407, 0.0669872981078, 0.0170370868555});
    check_factors("cosine", "{min_factor: 0.1}", (double[TOTAL]){
        1, 0.98466662183, 0.939711431703, 0.868198051534, 0.775, 0.666468570296, 0.55,
        0.433531429704, 0.325, 0.231801948466, 0.160288568297, 0.11533337817});
}

TEST(schedule, linear_equals_LinearLR)
{
    check_factors("linear", "{start_factor: 0.2, end_factor: 0.7}", (double[TOTAL]){
        0.2, 0.241666666667, 0.283333333333, 0.325, 0.366666666667, 0.408333333333, 0.45,
        0.491666666667, 0.533333333333, 0.575, 0.616666666667, 0.658333333333});
}

TEST(schedule, one_cycle_equals_OneCycleLR)
{
    check_factors("one_cycle", "{}", (double[TOTAL]){
        0.04, 0.34978965422, 0.879285159122, 0.994415435451, 0.933012969841, 0.81174565395,
        0.647378997695, 0.462637102667, 0.283060998209, 0.133477530189, 0.0345669874254, 4e-06});
    check_factors("one_cycle",
        "{pct_start: 0.5, anneal: linear, div_factor: 10, final_div_factor: 100}", (double[TOTAL]){
        0.1, 0.28, 0.46, 0.64, 0.82, 1, 0.8335, 0.667, 0.5005, 0.334, 0.1675, 0.001});
}

/* SequentialLR of LinearLR(0.25, 1, total_iters=4) and CosineAnnealingLR(8) at milestone 4. */
TEST(schedule, warmup_stands_in_front)
{
    static const double want[TOTAL] = {
        0.25, 0.4375, 0.625, 0.8125, 1, 0.961939766256, 0.853553390593, 0.691341716183, 0.5,
        0.308658283817, 0.146446609407, 0.0380602337444};
    check_factors("cosine", "{warmup: 4, warmup_start: 0.25}", want);
}
// clang-format on

TEST(schedule, warmup_shifts_milestones)
{
    check_factors("multistep", "{warmup: 1ep, milestones: [1], gamma: 0.5}",
                  (double[TOTAL]){0, 1.0 / 3, 2.0 / 3, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5});
}

TEST(schedule, warmup_meets_the_first_factor)
{
    Arena *a = arena_new();
    const Schedule *s = schedule_find("one_cycle");
    const void *options = read_options(a, s, "{warmup: 4}");
    double first = schedule_factor(s, options, 4, 100, 3);
    assert_true(fabs(first - 0.04) < 1e-12);
    assert_true(fabs(schedule_factor(s, options, 2, 100, 3) - first / 2) < 1e-12);
    arena_free(a);
}

/* Short runs, warm-ups longer than the run, steps past the end. */
TEST(schedule, factors_stay_between_zero_and_one)
{
    static const char *const options[] = {"{}", "{warmup: 1}", "{warmup: 9}", "{warmup: 5ep}"};
    Arena *a = arena_new();
    for (int i = 0; schedule_registry[i]; i++)
        for (size_t k = 0; k < sizeof options / sizeof options[0]; k++)
            for (int64_t total = 1; total < 12; total++)
                for (int64_t t = 0; t < total + 3; t++) {
                    const Schedule *s = schedule_registry[i];
                    double f = schedule_factor(s, read_options(a, s, options[k]), t, total, 3);
                    assert_true(f >= 0 && f <= 1);
                }
    arena_free(a);
}

TEST(schedule, every_schedule_is_found_and_described)
{
    for (int i = 0; schedule_registry[i]; i++) {
        const Schedule *s = schedule_registry[i];
        assert_ptr_equal(schedule_find(s->name), s);
        assert_true(s->summary[0] && s->paper && s->revision >= 1);
        for (int k = 0; k < s->options.n; k++) assert_true(s->options.options[k].help[0]);
    }
    assert_null(schedule_find("cosin"));
}
