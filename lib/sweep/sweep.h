/* sweep -- the runs that an experiment file asks for, each with its id and what it needs first.
 *
 *   sweep:                               # the product, in this order; the last varies fastest
 *     optimizer.lr: [0.01, 0.1]          # a list
 *     model.d_model: {range: [64, 256, 64]}             # 64 128 192 256; else steps of 1
 *     methods.0.lambda: {log_range: [1e-4, 1e-1, 4]}    # 4 values, equal ratios
 *     together:                          # these move in step: one map a setting
 *       - {schedule.name: step, train.steps: 10ep}
 *       - {schedule.name: cosine, train.steps: 5ep}
 *     sample:                            # n random settings, the same ones for the same seed
 *       n: 20
 *       seed: 1
 *       optimizer.weight_decay: {log_uniform: [1e-5, 1e-2]}
 *       model.width: {choice: [64, 128]}
 *     exclude:                           # a setting that agrees with all keys of a line is left
 *       - {schedule.name: step, optimizer.lr: [0.1, 0.3]} # out; a list means any of it
 *
 * A run is the file with some keys set, so that `seqlab train FILE KEY=VALUE ...` is the same run
 * (same id, same folder). `base:` and `teacher:` name runs that a run needs: they stand in the list
 * before it, once, however many need them. Without a `sweep:` block the file is one run. */
#ifndef SEQLAB_SWEEP_SWEEP_H
#define SEQLAB_SWEEP_SWEEP_H

#include "run/rundir.h"

enum { SWEEP_MAX_RUNS = 100000, SWEEP_MAX_NEEDS = 2 };

/* One swept key of one run: "optimizer.lr", "0.1" (YAML flow text). */
typedef struct SweepValue {
    const char *key, *text;
} SweepValue;

typedef struct SweepRun {
    const char *file;   /* the experiment file */
    const char **words; /* key=value: what makes this run from the file */
    int n_words;
    const char *name; /* its folder is <results>/<name>/<id> */
    char id[EXPERIMENT_ID];
    const char *label; /* "lr=0.1 seed=3": last parts of the swept keys; "" for a single run */
    const SweepValue *values; /* the swept keys in the file's order, sampled ones last */
    int n_values;
    int needs[SWEEP_MAX_NEEDS]; /* runs (by number) that must be done first */
    int n_needs;
    int twin;   /* the first run with the same folder (two settings can mean the same); or -1 */
    bool asked; /* the file's own; false: only needed by others */
    const char **wanted; /* resolved values of SweepOptions.wanted, NULL where there is none */
} SweepRun;

typedef struct SweepOptions {
    const char *results;       /* folder */
    const char *const *wanted; /* dotted keys whose resolved value each run shall carry */
    int n_wanted;
    bool data_may_be_absent; /* then the data's SHA-256 is taken from the runs that are there */
} SweepOptions;

typedef struct Sweep Sweep;
struct Sweep {
    const char *path;
    const Yaml *file; /* composed, with the command line's words */
    const Yaml
        *root; /* the same without the blocks that shape the sweep: what each run starts from */
    SweepRun *runs; /* a run stands after those it needs */
    int n_runs;
    const char **keys; /* the swept keys, in order */
    int n_keys;
    struct SweepInside *inside;
};

/* Loads `path` with the command line's words, expands it and gives every run its id; opens the data
 * for that. All mistakes of all runs are reported, each once. Memory is the arena's; sweep_close
 * gives back the data. */
bool sweep_open(Sweep *s, Arena *a, const char *path, const char *const words[], int n_words,
                const SweepOptions *options, Error *err) MUST_CHECK;
void sweep_close(Sweep *s);

/* The i-th run's experiment with its id, and its data, all splits open, until sweep_close. The
 * experiment's memory is the arena's `a`, which must live as long. */
bool sweep_experiment(const Sweep *s, int i, Arena *a, Experiment *out, const Dataset **data,
                      Error *err) MUST_CHECK;

/* <results>/<name>/<id>. */
void sweep_folder(const Sweep *s, int i, char out[4096]);

#endif
