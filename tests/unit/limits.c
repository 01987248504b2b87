/* limits, bench -- the measured limits of the machine, and the benchmark's table of kernels. */
#include "tests/test.h"

#include "base/threads.h"
#include "bench/bench.h"

#include <math.h>
#include <string.h>

static Limits simple(void)
{
    Limits l = {.threads = 1, .flops_per_s = 100, .n_levels = 2};
    l.level[0] = (MemoryLevel){.name = "L2", .bytes = 1000, .bytes_per_s = 50};
    l.level[1] = (MemoryLevel){.name = "memory", .bytes = INT64_MAX, .bytes_per_s = 10};
    return l;
}

TEST(limits, work_is_bound_by_the_slower_roof)
{
    const Limits l = simple();
    const char *roof;
    assert_true(limits_seconds(&l, 1000, 10, &roof) == 10.0);
    assert_string_equal(roof, "fma");
    assert_true(limits_seconds(&l, 10, 1000, &roof) == 20.0);
    assert_string_equal(roof, "L2");
    assert_true(limits_seconds(&l, 10, 11000, &roof) == 20.0 + 1000.0);
    assert_string_equal(roof, "memory");
}

TEST(limits, fma_chains_converge_to_one)
{
    /* x <- 15/16 x + 1/16 from [0, 1): in float64 the distance to 1 shrinks by 15/16 a round */
    float out[2 * FMA_CHAINS];
    const int before = threads_count();
    threads_set(2);
    cpu->fma_chains(20, out);
    threads_set(before);
    const double left = pow(0.9375, 20);
    for (int i = 0; i < 2 * FMA_CHAINS; i++) {
        const double start = (double)(i % FMA_CHAINS) / FMA_CHAINS;
        assert_true(fabs((double)out[i] - (1 - (1 - start) * left)) < 2e-6);
    }
}

TEST(limits, streams_copy_and_add_every_element)
{
    enum { N = 1003, ROOM = 1024 };
    static _Alignas(64) float x[ROOM], y[ROOM], z[ROOM];
    for (int i = 0; i < N; i++) x[i] = (float)i, y[i] = (float)(N - i);
    const int before = threads_count();
    for (int threads = 1; threads <= 3; threads++) {
        for (int past_cache = 0; past_cache < 2; past_cache++) {
            threads_set(threads);
            memset(z, 0, sizeof z);
            cpu->stream_copy(N, x, z, past_cache, 1);
            for (int i = 0; i < N; i++) assert_true(z[i] == x[i]);
            cpu->stream_triad(N, 2, x, y, z, past_cache, 1);
            for (int i = 0; i < N; i++) assert_true(z[i] == (float)(2 * N - i));
            assert_true(z[N] == 0);
        }
    }
    threads_set(before);
}

TEST(limits, what_is_measured_is_plausible)
{
    Limits l;
    Error err = {0};
    ASSERT_OK(limits_measure(&l, 0.01, &err), &err);
    assert_int_equal(l.threads, threads_count());
    assert_true(l.flops_per_s > 1e8 && l.flops_per_s < 1e15);
    assert_true(l.n_levels >= 1);
    assert_string_equal(l.level[l.n_levels - 1].name, "memory");
    for (int i = 0; i < l.n_levels; i++)
        assert_true(l.level[i].bytes_per_s > 1e7 && l.level[i].bytes_per_s < 1e14);
}

TEST(bench, every_case_says_what_it_is_and_costs)
{
    for (int g = 0; bench_groups[g]; g++) {
        assert_true(bench_groups[g]->n_cases > 0);
        for (int i = 0; i < bench_groups[g]->n_cases; i++) {
            BenchWork w;
            bench_prepare(&w, bench_groups[g], i);
            assert_true(strlen(w.shape) > 0 && strlen(w.of->label) <= 16);
            assert_true(w.bytes > 0 && w.n_floats[0] > 0);
        }
    }
}

static const BenchGroup *group(const char *name)
{
    for (int g = 0; bench_groups[g]; g++)
        if (strcmp(bench_groups[g]->name, name) == 0) return bench_groups[g];
    return NULL;
}

TEST(bench, costs_of_a_product_and_of_a_convolution)
{
    BenchWork w;
    bench_prepare(&w, group("gemm"), 0); /* 512 cubed */
    assert_true(w.flops == 268435456.0 && w.bytes == 3145728.0);
    bench_prepare(&w, group("conv_grad_w"), 1); /* 128 images of 32x32x16, 16 filters of 3x3 */
    assert_true(w.flops == 2.0 * 128 * 32 * 32 * 16 * 16 * 9);
    assert_true(w.bytes == 4.0 * (2 * 128 * 32 * 32 * 16 + 16 * 16 * 9));
}

TEST(bench, filter_looks_into_group_label_and_shape)
{
    BenchWork w;
    bench_prepare(&w, group("gemm"), 0);
    assert_true(bench_matches(&w, NULL) && bench_matches(&w, "GEMM nn") &&
                bench_matches(&w, "512x512"));
    assert_false(bench_matches(&w, "gemm NT"));
}

TEST(bench, a_case_runs_and_takes_time)
{
    BenchWork w;
    Error err = {0};
    bench_prepare(&w, group("map"), 0);
    ASSERT_OK(bench_open(&w, &err), &err);
    assert_true(bench_median(&w, 0.001) > 1e-9);
    bench_close(&w);
}

TEST(bench, median_of_even_and_odd_counts)
{
    double x[] = {5, 1, 3, 4};
    assert_true(bench_median_of(x, 4) == 3.5);
    assert_true(bench_median_of(x, 3) == 3);
}
