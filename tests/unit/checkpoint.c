/* checkpoint -- what is written is read back to the bit; kills, full disks and damage; weights of
 * other makers. The reference for conversion is C's own (float) and powers of two. */
#include "tests/test.h"

#include "base/hash.h"
#include "io/file.h"
#include "io/safetensors.h"
#include "run/checkpoint.h"
#include "run/stop.h"
#include "tests/model.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char run_id[] = "0123456789ab";

/* A small model with buffers, and its optimizer with two slots and an average. */
typedef struct Setup {
    TestModel model;
    Params *params;
    OptimizerState optimizer;
    TrainState state;
    char folder[4096];
} Setup;

/* Every number of the run follows from `fill`. */
static void set_all(Setup *s, float fill)
{
    const Params *ps = s->params;
    for (int64_t i = 0; i < ps->n_trainable; i++) {
        ps->weights[i] = fill + (float)i;
        s->optimizer.slots[0][i] = fill + 0.25f * (float)i;
        s->optimizer.slots[1][i] = fill + 0.5f * (float)i;
        s->optimizer.ema[i] = fill - (float)i;
    }
    for (int64_t i = 0; i < ps->n_other; i++) ps->others[i] = fill * 2 + (float)i;
    s->optimizer.step = (int64_t)fill;
    s->state = (TrainState){.step = (int64_t)fill,
                            .loss_sum = (double)fill / 3,
                            .loss_n = 2,
                            .hits = 3,
                            .seen = 4,
                            .best_value = (double)NAN,
                            .best_step = 5,
                            .last_loss = (double)INFINITY,
                            .wall_s = 0.1,
                            .cpu_s = 1e-300};
}

static bool is_all(const Setup *s, float fill)
{
    for (const Param *p = s->params->first; p; p = p->next)
        for (int64_t i = 0; i < p->n; i++) {
            float at = (float)(p->offset + i);
            if (!p->trainable) {
                if (p->data[i] != fill * 2 + at) return false;
            } else if (p->data[i] != fill + at ||
                       s->optimizer.slots[0][p->offset + i] != fill + 0.25f * at ||
                       s->optimizer.slots[1][p->offset + i] != fill + 0.5f * at ||
                       s->optimizer.ema[p->offset + i] != fill - at) {
                return false;
            }
        }
    return s->optimizer.step == (int64_t)fill && s->state.step == (int64_t)fill;
}

static Setup setup_of(const char *model_options)
{
    Setup s = {.model = test_model("mlp", model_options, shape(3, 4, 4, 1), 3)};
    Error err = {0};
    test_model_init(&s.model, 2, 1);
    s.params = s.model.build.params;
    const Optimizer *adam = optimizer_find("adam");
    const void *options = test_options(s.model.arena, &adam->options, "ema_decay: 0.9");
    ASSERT_OK(optimizer_start(&s.optimizer, adam, options, s.params, s.model.arena, &err), &err);
    (void)snprintf(s.folder, sizeof s.folder, "%s/checkpoint", test_folder());
    set_all(&s, 7);
    return s;
}

static Setup setup(void)
{
    return setup_of("hidden: [5]\nbatch_norm: true");
}

static void done(Setup *s)
{
    optimizer_free(&s->optimizer);
    test_model_free(&s->model);
}

static bool save(const Setup *s, Error *err)
{
    return checkpoint_write(s->folder, run_id, s->params, &s->optimizer, &s->state, err);
}

static bool load(Setup *s, Error *err)
{
    return checkpoint_read(s->folder, run_id, s->params, &s->optimizer, &s->state, err);
}

static char *beside(const Setup *s, const char *name)
{
    return arena_printf(s->model.arena, "%s/%s", s->folder, name);
}

TEST(checkpoint, reads_back_every_tensor)
{
    Setup s = setup();
    Error err = {0};
    ASSERT_OK(save(&s, &err), &err);
    set_all(&s, 100);
    ASSERT_OK(load(&s, &err), &err);
    assert_true(is_all(&s, 7));
    done(&s);
}

TEST(checkpoint, doubles_survive_exactly)
{
    Setup s = setup();
    Error err = {0};
    s.state.loss_sum = 0.1 + 0.2; /* 0.30000000000000004 */
    s.state.cpu_s = 5e-324;
    s.state.best_value = (double)NAN;
    s.state.last_loss = -(double)INFINITY;
    ASSERT_OK(save(&s, &err), &err);
    TrainState wrote = s.state;
    set_all(&s, 9);
    s.state.best_value = 1;
    ASSERT_OK(load(&s, &err), &err);
    assert_true(isnan(s.state.best_value));
    s.state.best_value = wrote.best_value = 0; /* NaN's payload is not kept */
    assert_memory_equal(&s.state, &wrote, sizeof wrote);
    done(&s);
}

TEST(checkpoint, holds_the_published_names_and_the_buffers)
{
    Setup s = setup();
    Error err = {0};
    Safetensors file;
    ASSERT_OK(save(&s, &err), &err);
    ASSERT_OK(safetensors_open(&file, s.model.arena, beside(&s, "model.safetensors"), &err), &err);
    assert_int_equal(file.n_tensors, s.params->n);
    for (const Param *p = s.params->first; p; p = p->next)
        assert_non_null(safetensors_find(&file, p->name));
    assert_string_equal(safetensors_metadata(&file, "format"), "pt");
    safetensors_close(&file);
    ASSERT_OK(safetensors_open(&file, s.model.arena, beside(&s, "optimizer.safetensors"), &err),
              &err);
    const char *name = s.params->first->name;
    assert_non_null(safetensors_find(&file, arena_printf(s.model.arena, "ema.%s", name)));
    assert_non_null(safetensors_find(
        &file, arena_printf(s.model.arena, "%s.%s", s.optimizer.optimizer->slot_name[1], name)));
    safetensors_close(&file);
    done(&s);
}

TEST(checkpoint, equal_state_gives_equal_bytes)
{
    Setup s = setup();
    Error err = {0};
    char hash[2][3][HASH_HEX];
    static const char *const files[] = {"model.safetensors", "optimizer.safetensors", "state.json"};
    for (int time = 0; time < 2; time++) {
        ASSERT_OK(save(&s, &err), &err);
        for (int i = 0; i < 3; i++)
            ASSERT_OK(hash_file(beside(&s, files[i]), hash[time][i], &err), &err);
    }
    for (int i = 0; i < 3; i++) assert_string_equal(hash[0][i], hash[1][i]);
    done(&s);
}

TEST(checkpoint, without_optimizer_holds_the_model_alone)
{
    Setup s = setup();
    Error err = {0};
    ASSERT_OK(checkpoint_write(s.folder, run_id, s.params, NULL, &s.state, &err), &err);
    assert_false(file_exists(beside(&s, "optimizer.safetensors")));
    ASSERT_OK(checkpoint_read(s.folder, run_id, s.params, NULL, &s.state, &err), &err);
    ASSERT_FAILS(load(&s, &err), &err, FAIL_DATA, "optimizer.safetensors: cannot be read");
    done(&s);
}

/* -- What is wrong is said, and nothing is changed -- */

static void refused(Setup *s, const char *message)
{
    Error err = {0};
    set_all(s, 55);
    ASSERT_FAILS(load(s, &err), &err, FAIL_DATA, message);
    assert_true(is_all(s, 55));
}

TEST(checkpoint, of_another_run_is_refused)
{
    Setup s = setup();
    Error err = {0};
    ASSERT_OK(checkpoint_write(s.folder, "ba9876543210", s.params, &s.optimizer, &s.state, &err),
              &err);
    refused(&s, "is of run ba9876543210, not of 0123456789ab");
    done(&s);
}

TEST(checkpoint, of_other_shapes_names_the_tensor)
{
    Setup wide = setup_of("hidden: [6]\nbatch_norm: true"), s = setup();
    Error err = {0};
    memcpy(wide.folder, s.folder, sizeof s.folder);
    ASSERT_OK(save(&wide, &err), &err);
    refused(&s, arena_printf(s.model.arena, "tensor '%s' is (6, 16), the model's is (5, 16)",
                             s.params->first->name));
    done(&wide);
    done(&s);
}

TEST(checkpoint, with_fewer_tensors_names_the_missing_one)
{
    Setup plain = setup_of("hidden: [5]"), s = setup();
    Error err = {0};
    memcpy(plain.folder, s.folder, sizeof s.folder);
    ASSERT_OK(save(&plain, &err), &err);
    refused(&s, "model.safetensors: tensor '");
    done(&plain);
    done(&s);
}

TEST(checkpoint, a_flipped_bit_is_found)
{
    Setup s = setup();
    Error err = {0};
    static const char *const files[] = {"model.safetensors", "optimizer.safetensors"};
    for (int i = 0; i < 2; i++) {
        ASSERT_OK(save(&s, &err), &err);
        char *data;
        size_t n;
        ASSERT_OK(file_read(beside(&s, files[i]), 1 << 20, &data, &n, FAIL_RUN, &err), &err);
        data[n - 2] ^= 0x40;
        ASSERT_OK(file_replace(beside(&s, files[i]), data, n, &err), &err);
        free(data);
        refused(&s, "damaged: the CRC-32 of its tensors is not the one in state.json");
        set_all(&s, 7);
    }
    done(&s);
}

TEST(checkpoint, any_truncation_is_found)
{
    Setup s = setup();
    Error err = {0};
    static const char *const files[] = {"model.safetensors", "optimizer.safetensors", "state.json"};
    for (int i = 0; i < 3; i++) {
        struct stat st;
        set_all(&s, 7);
        ASSERT_OK(save(&s, &err), &err);
        assert_int_equal(stat(beside(&s, files[i]), &st), 0);
        for (int part = 15; part >= 0; part--) {
            assert_int_equal(truncate(beside(&s, files[i]), st.st_size * part / 16), 0);
            refused(&s, files[i]);
        }
    }
    done(&s);
}

TEST(checkpoint, a_state_of_rubbish_is_refused)
{
    static const char *const bad[] = {"",
                                      "[]",
                                      "{}",
                                      "nonsense",
                                      "{\"run\": 3}",
                                      "{\"run\": \"0123456789ab\"}",
                                      "{\"run\": \"0123456789ab\", \"step\": \"many\"}"};
    Setup s = setup();
    Error err = {0};
    ASSERT_OK(save(&s, &err), &err);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ASSERT_OK(file_replace(beside(&s, "state.json"), bad[i], strlen(bad[i]), &err), &err);
        refused(&s, "state.json: ");
    }
    done(&s);
}

/* -- Kills and full disks -- */

TEST(checkpoint, between_the_two_renames_the_old_one_is_read)
{
    Setup s = setup();
    Error err = {0};
    assert_false(checkpoint_exists(s.folder));
    ASSERT_OK(save(&s, &err), &err);
    assert_int_equal(rename(s.folder, arena_printf(s.model.arena, "%s.old", s.folder)), 0);
    assert_true(checkpoint_exists(s.folder));
    set_all(&s, 8);
    ASSERT_OK(load(&s, &err), &err);
    assert_true(is_all(&s, 7));
    set_all(&s, 8);
    ASSERT_OK(save(&s, &err), &err); /* and the next one takes its place */
    ASSERT_OK(load(&s, &err), &err);
    assert_true(is_all(&s, 8));
    assert_false(file_exists(arena_printf(s.model.arena, "%s.old", s.folder)));
    done(&s);
}

/* Writes checkpoints of 1000, 1001, ... until it is killed; each whole one is counted in a pipe. */
static void write_for_ever(Setup *s, int counter)
{
    Error err = {0};
    for (float fill = 1000;; fill++) {
        set_all(s, fill);
        if (!save(s, &err)) _exit(3);
        if (write(counter, "x", 1) != 1) _exit(4);
    }
}

TEST(checkpoint, a_kill_at_any_time_leaves_a_whole_one)
{
    enum { KILLS = 12 };
    Setup s = setup();
    Error err = {0};
    uint32_t random = 12345;
    set_all(&s, 999);
    ASSERT_OK(save(&s, &err), &err);
    for (int kill_number = 0; kill_number < KILLS; kill_number++) {
        int counter[2];
        assert_int_equal(pipe(counter), 0);
        pid_t child = fork();
        if (child == 0) write_for_ever(&s, counter[1]);
        random = random * 1664525 + 1013904223;
        (void)usleep(random >> 20); /* up to 4 ms: some checkpoints */
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
        (void)close(counter[1]);
        char done_text[4096];
        ssize_t n = read(counter[0], done_text, sizeof done_text);
        (void)close(counter[0]);
        float before = kill_number == 0 ? 999 : (float)s.state.step;
        assert_true(checkpoint_exists(s.folder));
        ASSERT_OK(load(&s, &err), &err);
        float now = (float)s.state.step;
        assert_true(is_all(&s, now));
        /* the last that was whole, or the one whose rename was just done */
        float last = n > 0 ? 999 + (float)n : before;
        assert_true(now == last || now == (n > 0 ? last + 1 : 1000));
    }
    done(&s);
}

TEST(checkpoint, every_failing_write_leaves_the_old_one)
{
    Setup s = setup();
    Error err = {0};
    ASSERT_OK(save(&s, &err), &err);
    int status = 0, failures = 0;
    for (int n = 1; n < 20; n++) {
        pid_t child = fork(); /* each counts its writes from the start */
        if (child == 0) {
            char fault[32];
            (void)snprintf(fault, sizeof fault, "write:%d", n);
            (void)setenv("SEQLAB_FAULT", fault, 1);
            set_all(&s, 8);
            if (save(&s, &err)) _exit(0);
            _exit(strstr(err.items[0].text, "cannot be written: No space left") ? 1 : 2);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        if (status == 0) break;
        assert_int_equal(WEXITSTATUS(status), 1);
        failures++;
        ASSERT_OK(load(&s, &err), &err);
        assert_true(is_all(&s, 7));
        assert_false(file_exists(arena_printf(s.model.arena, "%s.new", s.folder)));
    }
    assert_true(failures >= 3); /* a write a file at least */
    assert_int_equal(status, 0);
    done(&s);
}

TEST(checkpoint, a_file_size_limit_is_an_error_and_leaves_the_old_one)
{
    Setup s = setup();
    Error err = {0};
    ASSERT_OK(save(&s, &err), &err);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit limit = {.rlim_cur = 300, .rlim_max = 300};
        stop_install();
        (void)setrlimit(RLIMIT_FSIZE, &limit);
        bool ok = save(&s, &err);
        _exit(!ok && err.kind == FAIL_RUN && strstr(err.items[0].text, "File too large") ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    ASSERT_OK(load(&s, &err), &err);
    assert_true(is_all(&s, 7));
    done(&s);
}

TEST(checkpoint, a_folder_that_cannot_be_made_is_an_error)
{
    Setup s = setup();
    Error err = {0};
    /* a file stands where a folder should: refused to root as well */
    (void)snprintf(s.folder, sizeof s.folder, "%s/file", test_folder());
    ASSERT_OK(file_replace(s.folder, "x", 1, &err), &err);
    (void)strcat(s.folder, "/checkpoint");
    ASSERT_FAILS(save(&s, &err), &err, FAIL_RUN, "/file");
    done(&s);
}

/* -- Weights of other makers -- */

/* Writes the model's tensors under prefix + name as `dtype`, each filled with `value`'s bytes. */
static const char *foreign(Setup *s, const char *prefix, StDtype dtype, const void *value,
                           const char *rename_to, bool extra)
{
    Arena *a = s->model.arena;
    Error err = {0};
    StTensor *t = arena_new_array(a, StTensor, s->params->n + 2);
    int n = 0;
    size_t width = (size_t)st_dtype_bytes[dtype];
    for (const Param *p = s->params->first; p; p = p->next, n++) {
        unsigned char *data = arena_alloc(a, width * (size_t)p->n);
        for (int64_t i = 0; i < p->n; i++) memcpy(data + width * (size_t)i, value, width);
        const char *name = n == 0 && rename_to ? rename_to : p->name;
        t[n] = (StTensor){.name = arena_printf(a, "%s%s", prefix, name),
                          .dtype = dtype,
                          .rank = p->shape.rank,
                          .n = p->n,
                          .data = data,
                          .bytes = width * (size_t)p->n};
        memcpy(t[n].dim, p->shape.dim, sizeof p->shape.dim);
    }
    static const int64_t batches = 3;
    t[n++] = (StTensor){.name = arena_printf(a, "%sbn.num_batches_tracked", prefix),
                        .dtype = ST_I64,
                        .n = 1,
                        .data = &batches,
                        .bytes = 8};
    if (extra)
        t[n++] = (StTensor){.name = arena_printf(a, "%sextra", prefix),
                            .dtype = ST_I64,
                            .n = 1,
                            .data = &batches,
                            .bytes = 8};
    const char *path = arena_printf(a, "%s/foreign.safetensors", test_folder());
    ASSERT_OK(safetensors_write(path, t, n, NULL, 0, &err), &err);
    return path;
}

static void all_equal(const Setup *s, float value)
{
    for (const Param *p = s->params->first; p; p = p->next)
        for (int64_t i = 0; i < p->n; i++) assert_true(p->data[i] == value);
}

TEST(checkpoint, weights_are_converted_from_each_float_type)
{
    Setup s = setup();
    Error err = {0};
    const double wide = 0.1;
    const uint16_t half = 0x3e00, brain = 0x3fc0; /* 1.5: 0 01111 1000000000; 0 01111111 1000000 */
    const char *path = foreign(&s, "", ST_F64, &wide, NULL, false);
    ASSERT_OK(checkpoint_load_weights(path, s.params, &err), &err);
    all_equal(&s, 0.1f);
    path = foreign(&s, "", ST_F16, &half, NULL, false);
    ASSERT_OK(checkpoint_load_weights(path, s.params, &err), &err);
    all_equal(&s, 1.5f);
    path = foreign(&s, "", ST_BF16, &brain, NULL, false);
    set_all(&s, 7);
    ASSERT_OK(checkpoint_load_weights(path, s.params, &err), &err);
    all_equal(&s, 1.5f);
    done(&s);
}

TEST(checkpoint, a_common_prefix_is_taken_off)
{
    Setup s = setup();
    Error err = {0};
    const float value = 2.5f;
    const char *path = foreign(&s, "module.model.", ST_F32, &value, NULL, false);
    ASSERT_OK(checkpoint_load_weights(path, s.params, &err), &err);
    all_equal(&s, 2.5f);
    done(&s);
}

static void load_refused(Setup *s, const char *path, int item, const char *message)
{
    Error err = {0};
    set_all(s, 55);
    assert_false(checkpoint_load_weights(path, s->params, &err));
    assert_int_equal(err.kind, FAIL_DATA);
    assert_true(err.n_items > item);
    if (!strstr(err.items[item].text, message)) print_error("%s\n", err.items[item].text);
    assert_non_null(strstr(err.items[item].text, message));
    assert_true(is_all(s, 55));
}

TEST(checkpoint, a_missing_name_gets_the_nearest_unused_one)
{
    Setup s = setup();
    const float value = 1;
    const char *name = s.params->first->name;
    const char *slip = arena_printf(s.model.arena, "%sx", name);
    const char *path = foreign(&s, "module.", ST_F32, &value, slip, false);
    load_refused(
        &s, path, 0,
        arena_printf(s.model.arena,
                     "foreign.safetensors: parameter '%s' is not there; the nearest unused "
                     "name is 'module.%s'",
                     name, slip));
    load_refused(
        &s, path, 1,
        arena_printf(s.model.arena, "the model has no parameter for tensor 'module.%s'", slip));
    done(&s);
}

TEST(checkpoint, a_tensor_that_no_parameter_takes_is_an_error)
{
    Setup s = setup();
    const float value = 1;
    load_refused(&s, foreign(&s, "", ST_F32, &value, NULL, true), 0,
                 "the model has no parameter for tensor 'extra'");
    done(&s);
}

TEST(checkpoint, weights_of_integers_are_refused)
{
    Setup s = setup();
    const int32_t value = 1;
    load_refused(&s, foreign(&s, "", ST_I32, &value, NULL, false), 0,
                 "is I32, expected F32, F16, BF16 or F64");
    done(&s);
}

TEST(checkpoint, weights_of_other_shapes_show_both)
{
    Setup other = setup_of("hidden: [6]\nbatch_norm: true"), s = setup();
    const float value = 1;
    load_refused(&s, foreign(&other, "", ST_F32, &value, NULL, false), 0,
                 "is (6, 16), the model's is (5, 16)");
    done(&other);
    done(&s);
}
