/* The loader: order, resuming, padding, and that a thread changes nothing. */
#include "data/loader.h"

#include "base/threads.h"
#include "tests/test.h"
#include "tests/unit/data_open.h"

#include <stdlib.h>
#include <string.h>

static Loader *loader_of(Opened *o, LoaderOptions options)
{
    Loader *l = loader_new(&o->data, &options, &o->err);
    ASSERT_OK(l != NULL, &o->err);
    return l;
}

static Opened *open_yaml(const char *yaml)
{
    Opened *o = opened_new(yaml, "", SPLITS_ALL);
    ASSERT_OK(o->ok, &o->err);
    return o;
}

#define SMALL "{name: shapes, size: 8, n_train: 105, n_test: 25, noise: 0.3}"

/* Index of the training example whose floats are x; images differ, since there is noise. */
static int64_t find_example(const Opened *o, const float *x)
{
    float y[64];
    int32_t label;
    for (int64_t i = 0; i < 105; i++) {
        dataset_example(&o->data, SPLIT_TRAIN, i, false, 0, 0, y, &label);
        if (memcmp(x, y, sizeof y) == 0) return i;
    }
    return -1;
}

TEST(loader, an_epoch_takes_every_example_at_most_once)
{
    Opened *o = open_yaml(SMALL);
    Loader *l = loader_of(
        o, (LoaderOptions){.split = SPLIT_TRAIN, .batch_size = 10, .shuffle = true, .seed = 3});
    assert_int_equal(loader_steps_per_epoch(l), 10);
    for (int64_t epoch = 0; epoch < 2; epoch++) {
        int seen[105] = {0}, total = 0;
        for (int64_t step = 10 * epoch; step < 10 * epoch + 10; step++) {
            Batch b = loader_batch(l, step);
            assert_int_equal(b.epoch, epoch);
            assert_int_equal(b.n, 10);
            for (int64_t i = 0; i < 10; i++) {
                int64_t at = find_example(o, b.x + i * 64);
                assert_true(at >= 0);
                assert_int_equal(b.label[i], at % 10);
                seen[at]++;
                total++;
            }
        }
        for (int i = 0; i < 105; i++) assert_true(seen[i] <= 1);
        assert_int_equal(total, 100);
    }
    loader_free(l);
    opened_free(o);
}

TEST(loader, epochs_and_seeds_have_their_own_order)
{
    Opened *o = open_yaml(SMALL);
    LoaderOptions options = {.split = SPLIT_TRAIN, .batch_size = 100, .shuffle = true, .seed = 3};
    Loader *l = loader_of(o, options);
    float first[100 * 64];
    memcpy(first, loader_batch(l, 0).x, sizeof first);
    assert_memory_not_equal(first, loader_batch(l, 1).x, sizeof first);
    assert_memory_equal(first, loader_batch(l, 0).x, sizeof first);
    loader_free(l);
    options.seed = 4;
    l = loader_of(o, options);
    assert_memory_not_equal(first, loader_batch(l, 0).x, sizeof first);
    loader_free(l);
    opened_free(o);
}

TEST(loader, without_shuffle_the_last_batch_is_padded)
{
    Opened *o = open_yaml(SMALL);
    Loader *l = loader_of(o, (LoaderOptions){.split = SPLIT_TEST, .batch_size = 10});
    assert_int_equal(loader_steps_per_epoch(l), 3);
    (void)loader_batch(l, 0);
    (void)loader_batch(l, 1); /* both buffers have held full batches */
    Batch b = loader_batch(l, 2);
    assert_int_equal(b.n, 5);
    for (int64_t i = 0; i < 10; i++) assert_int_equal(b.label[i], i < 5 ? (20 + i) % 10 : -1);
    static const float zeros[5 * 64];
    assert_memory_equal(b.x + 5 * 64, zeros, sizeof zeros);
    loader_free(l);
    opened_free(o);
}

TEST(loader, a_batch_may_be_larger_than_the_split_without_shuffle)
{
    Opened *o = open_yaml(SMALL);
    Loader *l = loader_of(o, (LoaderOptions){.split = SPLIT_TEST, .batch_size = 40});
    assert_int_equal(loader_steps_per_epoch(l), 1);
    assert_int_equal(loader_batch(l, 0).n, 25);
    loader_free(l);
    opened_free(o);
}

/* 64 x 128 x 128 floats a batch: large enough for the thread. */
#define LARGE                                                                                      \
    "{name: shapes, size: 128, n_train: 200, n_test: 10, augment: [crop, flip], crop_pad: 4}"
enum { LARGE_FLOATS = 64 * 128 * 128 };

static LoaderOptions large_options(bool prefetch)
{
    return (LoaderOptions){.split = SPLIT_TRAIN,
                           .batch_size = 64,
                           .shuffle = true,
                           .augment = true,
                           .seed = 11,
                           .prefetch = prefetch};
}

TEST(loader, a_thread_changes_no_bit)
{
    Opened *o = open_yaml(LARGE);
    Loader *with = loader_of(o, large_options(true)), *without = loader_of(o, large_options(false));
    for (int64_t step = 0; step < 7; step++) { /* over two ends of an epoch of 3 steps */
        Batch a = loader_batch(with, step), b = loader_batch(without, step);
        assert_memory_equal(a.x, b.x, LARGE_FLOATS * sizeof(float));
        assert_memory_equal(a.label, b.label, 64 * sizeof(int32_t));
        assert_int_equal(a.epoch, b.epoch);
    }
    loader_free(with);
    loader_free(without);
    opened_free(o);
}

TEST(loader, threads_share_a_batch_and_change_no_bit)
{
    Opened *o = open_yaml(LARGE);
    const LoaderOptions options = {
        .split = SPLIT_TRAIN, .batch_size = 17, .shuffle = true, .augment = true, .seed = 5};
    enum { FLOATS = 17 * 128 * 128 };
    float *first = malloc(sizeof(float) * FLOATS);
    assert_non_null(first);
    for (int threads = 1; threads <= 3; threads++) {
        threads_set(threads);
        Loader *l = loader_of(o, options);
        const Batch b = loader_batch(l, 3);
        if (threads == 1) memcpy(first, b.x, sizeof(float) * FLOATS);
        assert_memory_equal(first, b.x, sizeof(float) * FLOATS);
        loader_free(l);
    }
    threads_set(0);
    free(first);
    opened_free(o);
}

TEST(loader, any_step_can_be_asked_for)
{
    Opened *o = open_yaml(LARGE);
    Loader *with = loader_of(o, large_options(true)), *without = loader_of(o, large_options(false));
    static const int64_t steps[] = {5, 6, 2, 2, 3, 100, 4};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        Batch a = loader_batch(with, steps[i]), b = loader_batch(without, steps[i]);
        assert_memory_equal(a.x, b.x, LARGE_FLOATS * sizeof(float));
        assert_int_equal(a.epoch, steps[i] / 3);
    }
    loader_free(with);
    loader_free(without);
    opened_free(o);
}

TEST(loader, a_batch_stays_until_the_next_call)
{
    Opened *o = open_yaml(LARGE);
    Loader *l = loader_of(o, large_options(true));
    float *copy = malloc(LARGE_FLOATS * sizeof *copy);
    assert_non_null(copy);
    Batch b = loader_batch(l, 0);
    memcpy(copy, b.x, LARGE_FLOATS * sizeof *copy);
    Loader *other = loader_of(o, large_options(false));
    for (int64_t step = 0; step < 4; step++) (void)loader_batch(other, step); /* time passes */
    assert_memory_equal(copy, b.x, LARGE_FLOATS * sizeof *copy);
    free(copy);
    loader_free(other);
    loader_free(l);
    opened_free(o);
}

TEST(loader, a_batch_takes_no_memory)
{
    Opened *o = open_yaml(LARGE);
    Loader *l = loader_of(o, large_options(true));
    (void)loader_batch(l, 0);
    int64_t before = memory_count();
    for (int64_t step = 1; step < 5; step++) (void)loader_batch(l, step);
    assert_int_equal(memory_count(), before);
    assert_int_equal((uintptr_t)loader_batch(l, 5).x % 64, 0);
    loader_free(l);
    opened_free(o);
}

TEST(loader, can_be_freed_at_once)
{
    Opened *o = open_yaml(LARGE);
    for (int i = 0; i < 20; i++) {
        Loader *l = loader_of(o, large_options(true));
        if (i % 2) (void)loader_batch(l, i);
        loader_free(l);
    }
    loader_free(NULL);
    opened_free(o);
}

static void new_fails(const char *yaml, LoaderOptions options, const char *text)
{
    Opened *o = open_yaml(yaml);
    ASSERT_FAILS(loader_new(&o->data, &options, &o->err) != NULL, &o->err, FAIL_CONFIG, text);
    opened_free(o);
}

TEST(loader, an_empty_split_is_named)
{
    new_fails(SMALL, (LoaderOptions){.split = SPLIT_VALID, .batch_size = 10},
              "shapes has no valid examples; set data.valid to take some from train");
}

TEST(loader, a_batch_larger_than_the_split_is_named)
{
    new_fails(SMALL, (LoaderOptions){.split = SPLIT_TRAIN, .batch_size = 106, .shuffle = true},
              "batch_size = 106; shapes has 105 train examples, expected 1 to 105");
}
