/* plot_runs -- the runs that plots are about: those of an experiment file's sweep, or named ones.
 */
#ifndef SEQLAB_REPORT_PLOT_RUNS_H
#define SEQLAB_REPORT_PLOT_RUNS_H

#include "report/plot_spec.h"
#include "sweep/sweep.h"

typedef struct PlotRun {
    const char *folder;
    const char *label; /* "lr=0.1 seed=3", or name and id of a named run */
    RunStatus status;
    RunRecord record;
    const SweepValue *values; /* the swept keys */
    int n_values;
    const Yaml *config; /* of a named run */
    const char **wanted;
} PlotRun;

typedef struct PlotRuns {
    Arena *arena;
    PlotRun *at; /* every folder once */
    int n, n_done;
    const char *name;        /* of the experiment */
    const char *const *keys; /* that `wanted` holds the values of */
    int n_keys;
    const char *const *swept;
    int n_swept;
    const Sweep *sweep; /* NULL: named runs */
} PlotRuns;

/* Of an open sweep whose options wanted these keys; of folders of runs. */
void plot_runs_of_sweep(PlotRuns *r, Arena *a, const Sweep *s, const char *const keys[],
                        int n_keys);
bool plot_runs_of_folders(PlotRuns *r, Arena *a, const char *const folders[], int n,
                          const char *const keys[], int n_keys, Error *err) MUST_CHECK;

/* The run's value of a key as text, or NULL. */
const char *plot_run_value(const PlotRuns *r, const PlotRun *run, const char *key);

/* What tells the run's series from others in a plot: "lr=0.1 width=8" without the keys that are
 * averaged over and without x; with spec->group the value of that key; "" when nothing does. */
const char *plot_run_setting(const PlotRuns *r, const PlotRun *run, const PlotSpec *spec);

/* The last value of a metric (run.NAME: of run.json); NaN where it is not known. */
double plot_run_number(const PlotRun *run, const char *metric);

/* Whether any run has the metric. */
bool plot_runs_have(const PlotRuns *r, const char *metric);

/* Distinct settings in the order of the runs, and the number of each run's. */
typedef struct PlotSettings {
    const char **names;
    int n;
    int *of_run; /* -1: the run is left out */
} PlotSettings;
PlotSettings plot_settings(const PlotRuns *r, const PlotSpec *spec, bool done_only);

const char *plot_short_key(const char *key, Arena *a);

#endif
