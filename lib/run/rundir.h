/* rundir -- the run folder results/<name>/<id>/: status, lock, log, configuration.
 *
 *   config.yaml run.json metrics.jsonl times.jsonl log.txt events.out.tfevents.* checkpoint/ best/
 * run.json is replaced whole. One process at a time owns a folder: the file `lock` with host, pid
 * and Slurm job id under an fcntl lock; a dead owner's lock is taken over. */
#ifndef SEQLAB_RUN_RUNDIR_H
#define SEQLAB_RUN_RUNDIR_H

#include "run/energy.h"
#include "run/experiment.h"

typedef enum RunStatus {
    RUN_ABSENT,
    RUN_QUEUED,
    RUN_RUNNING,
    RUN_DONE,
    RUN_FAILED,
    RUN_STOPPED
} RunStatus;
enum { N_RUN_STATUSES = RUN_STOPPED + 1 };
extern const char *const run_status_name[N_RUN_STATUSES];

/* What run.json says. Times are seconds; -1 or NaN where not known. */
typedef struct RunRecord {
    RunStatus status;
    int exit_code; /* -1: the run has not ended */
    int64_t step, total_steps;
    int64_t restarts;     /* starts that continued from a checkpoint */
    double wall_s, cpu_s; /* over all starts */
    double first_step_s;  /* this process: start to the end of the first step */
    double step_ms;       /* median over this process */
    double checkpoint_s;  /* the last checkpoint's writing */
    int64_t peak_bytes, plan_bytes;
    int64_t n_parameters;
    int threads;
    double
        energy_wh; /* over all starts: RAPL where readable, else an estimate; see energy_source */
    const char *energy_source;
    double carbon_g, carbon_g_per_kwh; /* grams of CO2 equivalent; the intensity assumed */
    char data_sha256[HASH_HEX];
    const char *error;          /* of a failed run, or NULL */
    const char *host, *version; /* where and by which seqlab it ran last: as read; or NULL */
    const char *isa, *cpu;    /* of that machine: instruction set of the kernels, model; as read */
    char final_metrics[2048]; /* the last evaluation as a JSON object, or "" */
} RunRecord;

typedef struct RunFolder {
    char path[4096];
    const Experiment *experiment;
    RunRecord record;
    int lock_fd;
    FILE *log;
    char started[32];
    Energy energy;
    double energy_before_wh; /* of earlier starts */
} RunFolder;

/* results/<name>/<id>: path only, nothing is created. */
bool rundir_path(const char *results, const Experiment *e, char out[4096], Error *err) MUST_CHECK;
/* The weights that a run starts from, of e->base's run under the same results folder. FAIL_RUN when
 * that run has not finished; `out` is "" when the experiment has no base. */
bool rundir_base_weights(const char *folder, const Experiment *e, char out[4096],
                         Error *err) MUST_CHECK;
/* Status and record of a folder, without a lock; RUN_ABSENT when there is none. A `running` record
 * whose owner is dead reads as RUN_STOPPED. An unreadable run.json is RUN_ABSENT too. `record` may
 * be NULL; its texts are the arena's. */
RunStatus rundir_status(const char *path, RunRecord *record, Arena *a);

/* Creates the folder where needed, locks it, puts back what a kill left half replaced, writes
 * config.yaml and a `running` run.json, opens the log for appending. r->record carries on what an
 * earlier start knew (times, step, restarts, energy, last metrics). Fails with FAIL_RUN when
 * another live process owns it (names host and pid), or the disk does not let it. */
bool rundir_open(RunFolder *r, const char *results, const Experiment *e, const char *command_line,
                 Error *err) MUST_CHECK;
/* Empties an open folder but for its lock, log and config.yaml (--force, or a start without
 * checkpoint); the record begins anew. A kill within leaves a run to resume or one to start, never
 * a mixture. */
bool rundir_clear(RunFolder *r, Error *err) MUST_CHECK;
/* Replaces run.json by r->record, whose peak_bytes and energy it brings up to date first. */
bool rundir_save(RunFolder *r, Error *err) MUST_CHECK;
/* A line in log.txt with its time. */
void rundir_log(RunFolder *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
void rundir_close(RunFolder *r); /* unlocks; saves nothing */

/* What the user called RUN: a run folder's path (or that of its config.yaml or run.json), or an id
 * or unique prefix of one (>= 4 digits) under `results`. FAIL_USAGE when there is none, or several.
 */
bool rundir_resolve(const char *results, const char *word, char out[4096], Error *err) MUST_CHECK;

#endif
