/* rundir -- see rundir.h. The lock is in run_lock.c, run.json in run_record.c, finding a folder by
 * its id in run_find.c. */
#include "run/rundir.h"

#include "base/clock.h"
#include "base/threads.h"
#include "io/file.h"
#include "run/run_lock.h"
#include "run/run_record.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_MAX_BYTES = 4096, RECORD_MAX = 1 << 20 };

bool rundir_path(const char *results, const Experiment *e, char out[PATH_MAX_BYTES], Error *err)
{
    enum { LONGEST_FILE = 64 }; /* of what is put into the folder */
    int n = snprintf(out, PATH_MAX_BYTES, "%s/%s/%s", results, e->name, e->id);
    if (n < 0 || n >= PATH_MAX_BYTES - LONGEST_FILE)
        return fail(err, FAIL_RUN, NULL, "%.60s...: path too long", results);
    return true;
}

RunStatus rundir_status(const char *path, RunRecord *record, Arena *a)
{
    RunRecord r = run_record_unknown();
    char file[PATH_MAX_BYTES], *text;
    size_t n;
    if (snprintf(file, sizeof file, "%s/run.json", path) < (int)sizeof file &&
        file_read(file, RECORD_MAX, &text, &n, FAIL_RUN, NULL)) {
        if (!run_record_parse(text, n, &r, a)) r = run_record_unknown();
        free(text);
    }
    if (r.status == RUN_RUNNING && !run_lock_held(path)) r.status = RUN_STOPPED;
    if (record) *record = r;
    return r.status;
}

/* <results> of <results>/<name>/<id>. */
static bool results_of(const char *folder, const char *name, char out[PATH_MAX_BYTES])
{
    (void)snprintf(out, PATH_MAX_BYTES, "%s", folder);
    int parts = 2;
    for (const char *p = name; *p; p++) parts += *p == '/';
    for (char *slash; parts > 0 && (slash = strrchr(out, '/')); parts--) *slash = '\0';
    return parts == 0;
}

bool rundir_base_weights(const char *folder, const Experiment *e, char out[PATH_MAX_BYTES],
                         Error *err)
{
    const Experiment *base = e->base.experiment;
    char results[PATH_MAX_BYTES], path[PATH_MAX_BYTES];
    *out = '\0';
    if (e->base.folder && snprintf(out, PATH_MAX_BYTES, "%s", e->base.folder) >= PATH_MAX_BYTES)
        return fail(err, FAIL_RUN, NULL, "%.60s...: path too long", e->base.folder);
    if (!base) return true;
    if (!results_of(folder, e->name, results))
        return fail(err, FAIL_RUN, NULL, "%s: is not the folder of a run of %s", folder, e->name);
    TRY(rundir_path(results, base, path, err));
    Arena *a = arena_new();
    const bool done = rundir_status(path, NULL, a) == RUN_DONE;
    arena_free(a);
    if (!done)
        return fail(err, FAIL_RUN, NULL, "%s: the base of this run has not been trained", path);
    const int n = snprintf(out, PATH_MAX_BYTES, "%s/%s/model.safetensors", path,
                           e->base.best ? "best" : "checkpoint");
    return n < PATH_MAX_BYTES || fail(err, FAIL_RUN, NULL, "%.60s...: path too long", path);
}

/* -- Opening */

static bool inside(const RunFolder *r, const char *name, char out[PATH_MAX_BYTES], Error *err)
{
    if (snprintf(out, PATH_MAX_BYTES, "%s/%s", r->path, name) < PATH_MAX_BYTES) return true;
    return fail(err, FAIL_RUN, NULL, "%.60s...: path too long", r->path);
}

static bool remove_entry(const char *path, Error *err)
{
    struct stat st;
    if (lstat(path, &st) != 0) return true;
    if (S_ISDIR(st.st_mode)) return folder_remove(path, err);
    if (unlink(path) == 0 || errno == ENOENT) return true;
    return fail_errno(err, FAIL_RUN, NULL, "%s: cannot be removed", path);
}

/* Removes the entries of the folder for which `goes` says so. */
static bool remove_where(const RunFolder *r, bool (*goes)(const char *name), Error *err)
{
    bool ok = true;
    char path[PATH_MAX_BYTES];
    DIR *dir = opendir(r->path);
    if (!dir) return fail_errno(err, FAIL_RUN, NULL, "%s: cannot be read", r->path);
    for (const struct dirent *entry; ok && (entry = readdir(dir)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            goes(entry->d_name))
            ok = inside(r, entry->d_name, path, err) && remove_entry(path, err);
    (void)closedir(dir);
    return ok;
}

/* What writers that were killed left: run.json.tmp1234, checkpoint.new, checkpoint.gone. */
static bool is_left_over(const char *name)
{
    size_t n = strlen(name);
    return strstr(name, ".tmp") || (n > 4 && strcmp(name + n - 4, ".new") == 0) ||
           (n > 5 && strcmp(name + n - 5, ".gone") == 0);
}

static bool tidy(const RunFolder *r, Error *err)
{
    char path[PATH_MAX_BYTES];
    TRY(inside(r, "checkpoint", path, err) && folder_recover(path, err));
    TRY(inside(r, "best", path, err) && folder_recover(path, err));
    return remove_where(r, is_left_over, err);
}

static bool write_config(const RunFolder *r, const char *command_line, Arena *a, Error *err)
{
    char path[PATH_MAX_BYTES];
    char *line = arena_string(a, command_line ? command_line : "");
    for (char *p = line; *p; p++)
        if ((unsigned char)*p < 0x20 || (unsigned char)*p > 0x7e) *p = ' '; /* stays one comment */
    const char *text = arena_printf(a, "# seqlab %s, %s\n%s", SEQLAB_VERSION, line,
                                    experiment_config(r->experiment, a));
    TRY(inside(r, "config.yaml", path, err));
    return file_replace(path, text, strlen(text), err);
}

static bool open_log(RunFolder *r, Error *err)
{
    char path[PATH_MAX_BYTES];
    TRY(inside(r, "log.txt", path, err));
    r->log = fopen(path, "ae");
    return r->log || fail_errno(err, FAIL_RUN, NULL, "%s: cannot be written", path);
}

static void begin_record(RunFolder *r)
{
    r->record.status = RUN_RUNNING;
    r->record.exit_code = -1;
    /* texts of an arena that goes; what is known of this start is written in their place */
    r->record.error = r->record.energy_source = r->record.host = r->record.version = NULL;
    r->record.isa = r->record.cpu = NULL;
    r->record.threads = threads_count();
    r->record.first_step_s = r->record.step_ms = (double)NAN;
    r->record.peak_bytes = -1;
    r->energy_before_wh = r->record.energy_wh > 0 ? r->record.energy_wh : 0;
}

static bool open_locked(RunFolder *r, const char *command_line, Arena *a, Error *err)
{
    TRY(tidy(r, err));
    (void)rundir_status(r->path, &r->record, a);
    begin_record(r);
    TRY(write_config(r, command_line, a, err));
    TRY(open_log(r, err));
    return rundir_save(r, err);
}

bool rundir_open(RunFolder *r, const char *results, const Experiment *e, const char *command_line,
                 Error *err)
{
    *r = (RunFolder){.experiment = e, .lock_fd = -1};
    clock_iso(r->started);
    energy_start(&r->energy, e->energy.core_power_w);
    TRY(rundir_path(results, e, r->path, err));
    TRY(folder_make(r->path, err));
    TRY(run_lock_take(r->path, &r->lock_fd, err));
    Arena *a = arena_new();
    bool ok = open_locked(r, command_line, a, err);
    arena_free(a);
    if (!ok) rundir_close(r);
    return ok;
}

void rundir_close(RunFolder *r)
{
    if (r->log) (void)fclose(r->log);
    r->log = NULL;
    run_lock_release(r->lock_fd);
    r->lock_fd = -1;
}

/* -- While it is open */

static bool goes_when_cleared(const char *name)
{
    return strcmp(name, "lock") != 0 && strcmp(name, "log.txt") != 0 &&
           strcmp(name, "config.yaml") != 0 && strcmp(name, "run.json") != 0;
}

/* The order makes a kill harmless: first the status is no longer `done`, then the checkpoint goes
 * as one, so that the files which belong to it are never continued without it, nor it without them.
 */
bool rundir_clear(RunFolder *r, Error *err)
{
    char path[PATH_MAX_BYTES], gone[PATH_MAX_BYTES];
    int64_t total_steps = r->record.total_steps, plan_bytes = r->record.plan_bytes,
            n_parameters = r->record.n_parameters;
    char sha[HASH_HEX];
    memcpy(sha, r->record.data_sha256, sizeof sha);
    r->record = run_record_unknown();
    begin_record(r);
    /* what the caller may have set already, and what does not depend on earlier starts */
    r->record.total_steps = total_steps;
    r->record.plan_bytes = plan_bytes;
    r->record.n_parameters = n_parameters;
    memcpy(r->record.data_sha256, sha, sizeof sha);
    TRY(rundir_save(r, err));
    TRY(inside(r, "checkpoint.old", path, err) && folder_remove(path, err));
    TRY(inside(r, "checkpoint", path, err) && inside(r, "checkpoint.gone", gone, err));
    if (rename(path, gone) != 0 && errno != ENOENT)
        return fail_errno(err, FAIL_RUN, NULL, "%s: cannot be removed", path);
    return remove_where(r, goes_when_cleared, err);
}

bool rundir_save(RunFolder *r, Error *err)
{
    char path[PATH_MAX_BYTES];
    int64_t peak = clock_peak_bytes();
    if (peak > r->record.peak_bytes) r->record.peak_bytes = peak;
    r->record.energy_wh = r->energy_before_wh + energy_wh(&r->energy);
    r->record.energy_source = r->energy.source;
    r->record.carbon_g_per_kwh = r->experiment->energy.carbon_g_per_kwh;
    r->record.carbon_g = energy_carbon_g(r->record.energy_wh, r->record.carbon_g_per_kwh);
    TRY(inside(r, "run.json", path, err));
    Arena *a = arena_new();
    const char *text = run_record_text(r, a);
    bool ok = file_replace(path, text, strlen(text), err);
    arena_free(a);
    return ok;
}

void rundir_log(RunFolder *r, const char *format, ...)
{
    char now[32];
    va_list args;
    if (!r->log) return;
    clock_iso(now);
    (void)fprintf(r->log, "%s ", now);
    va_start(args, format);
    (void)vfprintf(r->log, format, args);
    va_end(args);
    (void)fputc('\n', r->log);
    (void)fflush(r->log);
}
