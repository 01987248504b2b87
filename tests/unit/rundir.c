/* rundir -- the folder's life, its lock, its record read back from anything, finding it by id. */
#include "tests/test.h"

#include "io/file.h"
#include "run/run_lock.h"
#include "run/run_record.h"

#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct Setup {
    Arena *arena;
    Experiment experiment;
    const char *results;
    RunFolder run;
    Error err;
} Setup;

static Setup *setup(void)
{
    static const char text[] =
        "name: a/b\ndata: {name: shapes}\nmodel: {name: mlp}\ntrain: {steps: 10}\n";
    Arena *a = arena_new();
    Setup *s = arena_new_array(a, Setup, 1);
    s->arena = a;
    s->results = test_folder();
    ASSERT_OK(experiment_parse(&s->experiment, a, text, sizeof text - 1, &s->err), &s->err);
    memcpy(s->experiment.id, "0123456789ab", EXPERIMENT_ID);
    return s;
}

static Setup *opened(void)
{
    Setup *s = setup();
    ASSERT_OK(rundir_open(&s->run, s->results, &s->experiment, "train x.yaml", &s->err), &s->err);
    return s;
}

static void done(Setup *s)
{
    rundir_close(&s->run);
    arena_free(s->arena);
}

static char *inside(Setup *s, const char *name)
{
    return arena_printf(s->arena, "%s/a/b/0123456789ab/%s", s->results, name);
}

static char *folder_of(Setup *s)
{
    return arena_printf(s->arena, "%s/a/b/0123456789ab", s->results);
}

static void put(Setup *s, const char *name, const char *text)
{
    ASSERT_OK(file_replace(inside(s, name), text, strlen(text), &s->err), &s->err);
}

static char *content(Setup *s, const char *name)
{
    char *text;
    size_t n;
    ASSERT_OK(file_read(inside(s, name), 1 << 20, &text, &n, FAIL_RUN, &s->err), &s->err);
    char *kept = arena_string_n(s->arena, text, n);
    free(text);
    return kept;
}

TEST(rundir, path_is_results_name_id)
{
    Setup *s = setup();
    char path[4096];
    ASSERT_OK(rundir_path("results", &s->experiment, path, &s->err), &s->err);
    assert_string_equal(path, "results/a/b/0123456789ab");
    char *deep = arena_alloc(s->arena, 5000);
    memset(deep, 'x', 4090);
    ASSERT_FAILS(rundir_path(deep, &s->experiment, path, &s->err), &s->err, FAIL_RUN,
                 "path too long");
    arena_free(s->arena);
}

TEST(rundir, open_makes_folder_config_and_record)
{
    Setup *s = opened();
    assert_string_equal(s->run.path, folder_of(s));
    const char *config = content(s, "config.yaml");
    const char *first = "# seqlab " SEQLAB_VERSION ", train x.yaml\n";
    assert_memory_equal(config, first, strlen(first));
    assert_string_equal(config + strlen(first), experiment_config(&s->experiment, s->arena));
    assert_int_equal(rundir_status(s->run.path, NULL, s->arena), RUN_RUNNING);
    assert_true(file_exists(inside(s, "log.txt")));
    done(s);
}

TEST(rundir, a_command_line_stays_one_comment)
{
    Setup *s = setup();
    ASSERT_OK(rundir_open(&s->run, s->results, &s->experiment, "a\nrun: eval\xff", &s->err),
              &s->err);
    assert_non_null(strstr(content(s, "config.yaml"), ", a run: eval \nrun: train\n"));
    done(s);
}

TEST(rundir, record_reads_back)
{
    Setup *s = opened();
    RunRecord *r = &s->run.record, back;
    r->status = RUN_DONE;
    r->exit_code = 0;
    r->step = r->total_steps = 2000;
    r->restarts = 2;
    r->wall_s = 1.0 / 3;
    r->cpu_s = 12.5;
    r->first_step_s = 0.021;
    r->step_ms = 1.25;
    r->checkpoint_s = 0.004;
    r->plan_bytes = 1 << 20;
    r->n_parameters = 266610;
    memcpy(r->data_sha256, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
           HASH_HEX);
    (void)snprintf(r->final_metrics, sizeof r->final_metrics,
                   "{\"step\":2000,\"epoch\":0.1,\"test.loss\":\"NaN\",\"test.top1\":90.33}");
    ASSERT_OK(rundir_save(&s->run, &s->err), &s->err);
    assert_int_equal(rundir_status(s->run.path, &back, s->arena), RUN_DONE);
    assert_int_equal(back.exit_code, 0);
    assert_int_equal(back.step, 2000);
    assert_int_equal(back.total_steps, 2000);
    assert_int_equal(back.restarts, 2);
    assert_true(back.wall_s == 1.0 / 3 && back.cpu_s == 12.5 && back.first_step_s == 0.021);
    assert_true(back.step_ms == 1.25 && back.checkpoint_s == 0.004);
    assert_int_equal(back.plan_bytes, 1 << 20);
    assert_int_equal(back.n_parameters, 266610);
    assert_true(back.peak_bytes > 1 << 20);
    assert_int_equal(back.threads, r->threads);
    assert_string_equal(back.data_sha256, r->data_sha256);
    assert_string_equal(back.final_metrics, r->final_metrics);
    assert_non_null(back.energy_source);
    assert_true(back.energy_wh >= 0);
    assert_null(back.error);
    done(s);
}

TEST(rundir, record_is_json_with_null_for_what_is_not_known)
{
    Setup *s = opened();
    json_t *j = json_loads(content(s, "run.json"), 0, NULL);
    assert_true(json_is_object(j));
    static const char *const null[] = {"exit_code", "step_ms", "first_step_s", "step",
                                       "error",     "metrics", "ended"};
    for (size_t i = 0; i < sizeof null / sizeof null[0]; i++)
        assert_true(json_is_null(json_object_get(j, null[i])));
    static const char *const word[] = {"id", "name", "status", "seqlab", "isa", "host", "started"};
    for (size_t i = 0; i < sizeof word / sizeof word[0]; i++)
        assert_true(json_is_string(json_object_get(j, word[i])));
    assert_int_equal(strlen(json_string_value(json_object_get(j, "started"))),
                     strlen("2026-02-01T12:34:56Z"));
    json_decref(j);
    done(s);
}

TEST(rundir, an_error_that_is_not_utf8_still_gives_json)
{
    Setup *s = opened();
    RunRecord back;
    s->run.record.status = RUN_FAILED;
    s->run.record.error = "\xc3\xa4 \xff \"x\"\n \xe2\x82"; /* ae, a lone byte, a cut euro sign */
    ASSERT_OK(rundir_save(&s->run, &s->err), &s->err);
    assert_int_equal(rundir_status(s->run.path, &back, s->arena), RUN_FAILED);
    assert_string_equal(back.error, "\xc3\xa4 ? \"x\"\n ??");
    done(s);
}

TEST(rundir, slurm_ids_are_recorded)
{
    (void)setenv("SLURM_JOB_ID", "37", 1);
    (void)setenv("SLURM_ARRAY_TASK_ID", "1", 1);
    Setup *s = opened();
    (void)unsetenv("SLURM_JOB_ID");
    (void)unsetenv("SLURM_ARRAY_TASK_ID");
    assert_non_null(strstr(content(s, "run.json"),
                           "\"slurm\": {\"job_id\": \"37\", \"array_job_id\": null, "
                           "\"array_task_id\": \"1\", \"restart_count\": null}"));
    done(s);
}

/* -- Garbage -- */

TEST(rundir, an_unreadable_record_is_absent)
{
    static const char *const bad[] = {"",
                                      "{",
                                      "[]",
                                      "null",
                                      "\xff\xfe",
                                      "{\"status\": 3}",
                                      "{\"status\": \"absent\"}",
                                      "{\"status\": \"finished\"}",
                                      "{\"status\": \"done\", \"step\": 1e999}",
                                      "{\"status\": \"done\", \"step\": 99999999999999999999}"};
    Setup *s = opened();
    RunRecord r;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        put(s, "run.json", bad[i]);
        assert_int_equal(rundir_status(s->run.path, &r, s->arena), RUN_ABSENT);
        assert_int_equal(r.step, -1);
    }
    assert_int_equal(rundir_status("/nowhere", &r, s->arena), RUN_ABSENT);
    done(s);
}

TEST(rundir, fields_of_other_types_read_as_not_known)
{
    Setup *s = opened();
    RunRecord r;
    put(s, "run.json",
        "{\"status\": \"done\", \"step\": \"many\", \"wall_s\": [], \"exit_code\": 1e9, "
        "\"error\": {}, \"data_sha256\": \"short\", \"metrics\": [1], \"threads\": -4}");
    assert_int_equal(rundir_status(s->run.path, &r, s->arena), RUN_DONE);
    assert_int_equal(r.step, -1);
    assert_true(isnan(r.wall_s));
    assert_int_equal(r.exit_code, -1);
    assert_int_equal(r.threads, -1);
    assert_null(r.error);
    assert_string_equal(r.data_sha256, "");
    assert_string_equal(r.final_metrics, "");
    done(s);
}

/* -- The lock -- */

TEST(rundir, a_folder_in_use_names_host_and_process)
{
    Setup *s = opened();
    RunFolder other;
    char host[256];
    run_host(host);
    const char *message = arena_printf(s->arena, "%s: is being run on host %s by process %d",
                                       folder_of(s), host, (int)getpid());
    ASSERT_FAILS(rundir_open(&other, s->results, &s->experiment, "", &s->err), &s->err, FAIL_RUN,
                 message);
    done(s);
}

TEST(rundir, asking_for_the_status_does_not_unlock)
{
    Setup *s = opened();
    RunFolder other;
    assert_int_equal(rundir_status(s->run.path, NULL, s->arena), RUN_RUNNING);
    assert_int_equal(rundir_status(s->run.path, NULL, s->arena), RUN_RUNNING);
    assert_false(rundir_open(&other, s->results, &s->experiment, "", &s->err));
    done(s);
}

TEST(rundir, a_killed_run_reads_as_stopped_and_is_taken_over)
{
    Setup *s = setup();
    int ready[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        bool ok = rundir_open(&s->run, s->results, &s->experiment, "", &s->err);
        (void)!write(ready[1], ok ? "y" : "n", 1);
        for (;;) (void)pause();
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(byte, 'y');
    assert_int_equal(rundir_status(folder_of(s), NULL, s->arena), RUN_RUNNING);
    assert_false(rundir_open(&s->run, s->results, &s->experiment, "", &s->err));
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(rundir_status(folder_of(s), NULL, s->arena), RUN_STOPPED);
    error_clear(&s->err);
    ASSERT_OK(rundir_open(&s->run, s->results, &s->experiment, "", &s->err), &s->err);
    (void)close(ready[0]);
    (void)close(ready[1]);
    done(s);
}

TEST(rundir, close_lets_the_next_in)
{
    Setup *s = opened();
    rundir_close(&s->run);
    assert_string_equal(content(s, "lock"), "");
    ASSERT_OK(rundir_open(&s->run, s->results, &s->experiment, "", &s->err), &s->err);
    done(s);
}

/* -- Opening again, clearing -- */

TEST(rundir, a_second_start_carries_the_record_on)
{
    Setup *s = opened();
    s->run.record.status = RUN_STOPPED;
    s->run.record.exit_code = FAIL_STOPPED;
    s->run.record.step = 1200;
    s->run.record.wall_s = 30;
    s->run.record.step_ms = 2;
    s->run.record.restarts = 1;
    s->run.record.error = "stopped by a signal";
    ASSERT_OK(rundir_save(&s->run, &s->err), &s->err);
    rundir_close(&s->run);
    ASSERT_OK(rundir_open(&s->run, s->results, &s->experiment, "", &s->err), &s->err);
    assert_int_equal(s->run.record.status, RUN_RUNNING);
    assert_int_equal(s->run.record.exit_code, -1);
    assert_int_equal(s->run.record.step, 1200);
    assert_int_equal(s->run.record.restarts, 1);
    assert_true(s->run.record.wall_s == 30);
    assert_true(isnan(s->run.record.step_ms));
    assert_null(s->run.record.error);
    done(s);
}

TEST(rundir, what_killed_writers_left_is_put_right)
{
    Setup *s = opened();
    rundir_close(&s->run);
    ASSERT_OK(folder_make(inside(s, "checkpoint.old"), &s->err), &s->err);
    put(s, "checkpoint.old/state.json", "old");
    ASSERT_OK(folder_make(inside(s, "best.new"), &s->err), &s->err);
    put(s, "run.json.tmp77", "{");
    ASSERT_OK(rundir_open(&s->run, s->results, &s->experiment, "", &s->err), &s->err);
    assert_string_equal(content(s, "checkpoint/state.json"), "old");
    assert_false(file_exists(inside(s, "checkpoint.old")));
    assert_false(file_exists(inside(s, "best.new")));
    assert_false(file_exists(inside(s, "run.json.tmp77")));
    done(s);
}

TEST(rundir, clear_keeps_lock_log_and_config)
{
    Setup *s = opened();
    put(s, "metrics.jsonl", "x");
    ASSERT_OK(folder_make(inside(s, "checkpoint"), &s->err), &s->err);
    put(s, "checkpoint/state.json", "x");
    ASSERT_OK(folder_make(inside(s, "checkpoint.old"), &s->err), &s->err);
    s->run.record.step = 7;
    s->run.record.total_steps = 10;
    rundir_log(&s->run, "before %d", 1);
    ASSERT_OK(rundir_clear(&s->run, &s->err), &s->err);
    assert_false(file_exists(inside(s, "metrics.jsonl")));
    assert_false(file_exists(inside(s, "checkpoint")));
    assert_false(file_exists(inside(s, "checkpoint.old")));
    assert_false(file_exists(inside(s, "checkpoint.gone")));
    assert_non_null(strstr(content(s, "log.txt"), "Z before 1\n"));
    assert_true(file_exists(inside(s, "config.yaml")));
    assert_int_equal(rundir_status(s->run.path, NULL, s->arena), RUN_RUNNING);
    assert_int_equal(s->run.record.step, -1);
    assert_int_equal(s->run.record.total_steps, 10);
    done(s);
}

/* Fills and clears the folder until it is killed. The metrics are there before their checkpoint. */
static void clear_for_ever(Setup *s)
{
    if (!rundir_open(&s->run, s->results, &s->experiment, "", &s->err)) _exit(1);
    for (;;) {
        bool ok = file_replace(inside(s, "metrics.jsonl"), "x", 1, &s->err) &&
                  folder_make(inside(s, "checkpoint.new"), &s->err) &&
                  file_replace(inside(s, "checkpoint.new/state.json"), "x", 1, &s->err) &&
                  folder_replace(inside(s, "checkpoint.new"), inside(s, "checkpoint"), &s->err) &&
                  rundir_clear(&s->run, &s->err);
        if (!ok) _exit(2);
    }
}

TEST(rundir, a_kill_while_clearing_leaves_no_checkpoint_without_its_metrics)
{
    enum { KILLS = 12 };
    Setup *s = setup();
    uint32_t random = 4321;
    for (int i = 0; i < KILLS; i++) {
        int status;
        pid_t child = fork();
        if (child == 0) clear_for_ever(s);
        random = random * 1664525 + 1013904223;
        (void)usleep(500 + (random >> 20)); /* up to 4 ms: some rounds */
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        if (file_exists(inside(s, "checkpoint")))
            assert_true(file_exists(inside(s, "metrics.jsonl")) &&
                        file_exists(inside(s, "checkpoint/state.json")));
    }
    arena_free(s->arena);
}

TEST(rundir, a_file_in_the_folders_place_is_an_error)
{
    Setup *s = setup();
    ASSERT_OK(file_replace(arena_printf(s->arena, "%s/a", s->results), "", 0, &s->err), &s->err);
    ASSERT_FAILS(rundir_open(&s->run, s->results, &s->experiment, "", &s->err), &s->err, FAIL_RUN,
                 "/a");
    arena_free(s->arena);
}

TEST(rundir, a_disk_that_refuses_the_record_is_an_error_and_unlocks)
{
    Setup *s = setup();
    pid_t child = fork(); /* counts its writes from the start */
    if (child == 0) {
        (void)setenv("SEQLAB_FAULT", "write:1", 1);
        bool ok = rundir_open(&s->run, s->results, &s->experiment, "", &s->err);
        bool said = s->err.kind == FAIL_RUN &&
                    strstr(s->err.items[0].text, "config.yaml: cannot be written: No space left");
        _exit(!ok && said && !run_lock_held(folder_of(s)) ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    arena_free(s->arena);
}

/* -- Finding -- */

static void make_run(Setup *s, const char *relative)
{
    const char *folder = arena_printf(s->arena, "%s/%s", s->results, relative);
    ASSERT_OK(folder_make(folder, &s->err), &s->err);
    ASSERT_OK(file_replace(arena_printf(s->arena, "%s/run.json", folder), "{}", 2, &s->err),
              &s->err);
}

static void resolves(Setup *s, const char *word, const char *relative)
{
    char out[4096];
    ASSERT_OK(rundir_resolve(s->results, word, out, &s->err), &s->err);
    assert_string_equal(out, arena_printf(s->arena, "%s/%s", s->results, relative));
}

TEST(rundir, resolve_takes_an_id_a_prefix_or_a_path)
{
    Setup *s = setup();
    make_run(s, "a/b/0123456789ab");
    make_run(s, "a/0123ffffffff");
    make_run(s, "7f3a9c01d2e4");
    resolves(s, "0123456789ab", "a/b/0123456789ab");
    resolves(s, "01234", "a/b/0123456789ab");
    resolves(s, "7f3a", "7f3a9c01d2e4");
    resolves(s, arena_printf(s->arena, "%s/a/0123ffffffff///", s->results), "a/0123ffffffff");
    resolves(s, arena_printf(s->arena, "%s/a/0123ffffffff/run.json", s->results), "a/0123ffffffff");
    arena_free(s->arena);
}

static void unresolved(Setup *s, const char *word, const char *message)
{
    char out[4096];
    Error err = {0};
    ASSERT_FAILS(rundir_resolve(s->results, word, out, &err), &err, FAIL_USAGE, message);
}

TEST(rundir, resolve_says_why_not)
{
    Setup *s = setup();
    make_run(s, "a/b/0123456789ab");
    make_run(s, "a/0123ffffffff");
    unresolved(s, "012", "012: give at least 4 digits of a run's id");
    unresolved(s, "0123", "0123: 2 runs have an id that starts so: ");
    unresolved(s, "abcd", "abcd: no run under ");
    unresolved(s, "results/x", "results/x: is neither a run folder nor the id of one");
    unresolved(s, "0123456789abc", "is neither a run folder nor the id of one");
    unresolved(s, "", ": is neither a run folder nor the id of one");
    arena_free(s->arena);
}
