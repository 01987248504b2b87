/* train_memory -- what a training step takes from the system, counted from inside a run;
 * no_alloc.sh counts the calls of malloc from outside. */
#include "tests/test.h"

#include "run/trainer.h"

#include <malloc.h>

typedef struct Watch {
    int64_t taken;    /* blocks taken from the system, after step 2 */
    size_t heap;      /* bytes of malloc in use then */
    int64_t n_steps;  /* that were compared with it */
    int64_t n_differ; /* of these */
} Watch;

static void after_step(void *owner, int64_t first, int64_t step, int64_t total, double loss,
                       double images_per_s)
{
    (void)first, (void)total, (void)loss, (void)images_per_s;
    Watch *w = owner;
    struct mallinfo2 heap = mallinfo2();
    size_t in_use = heap.uordblks + heap.hblkhd;
    if (step < 2) return;
    if (step == 2) {
        w->taken = memory_count();
        w->heap = in_use;
        return;
    }
    w->n_steps++;
    w->n_differ += memory_count() != w->taken || in_use != w->heap;
}

TEST(train_memory, steps_take_nothing)
{
    static const char text[] =
        "name: a/b\n"
        "data: {name: shapes, size: 8, n_train: 60, n_test: 10, augment: [crop, flip, cutout]}\n"
        "model: {name: mlp, hidden: [16], dropout: 0.5, batch_norm: true}\n"
        "methods: [{name: label_smoothing}, {name: magnitude_mask, sparsity: 0.5, at: 5}]\n"
        "optimizer: {name: adamw, clip_norm: 1, ema_decay: 0.9}\n"
        "train: {steps: 40, batch_size: 10, eval_every: 0}\n";
    Arena *a = arena_new();
    Error err = {0};
    Experiment e;
    Dataset data;
    Watch watch = {0};
    TrainReport report = {.owner = &watch, .progress = after_step};
    TrainFlags flags = {.results = test_folder()};
    TrainOutcome outcome;
    RunRecord record;
    ASSERT_OK(experiment_parse(&e, a, text, sizeof text - 1, &err), &err);
    ASSERT_OK(dataset_open(&data, e.dataset, e.dataset_options, ".", SPLITS_ALL, a, &err), &err);
    experiment_identify(&e, a, data.sha256);
    ASSERT_OK(train_run(&e, &data, &flags, &report, &outcome, &record, &err), &err);
    dataset_close(&data);
    assert_int_equal(watch.n_steps, 38);
    assert_int_equal(watch.n_differ, 0);
    arena_free(a);
}
