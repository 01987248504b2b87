/* report -- all that is known of a paper's experiments, on one page of HTML.
 *
 * report_open reads the experiment files, their runs' folders, tables, claims, plots and
 * configurations; nothing is computed and nothing is written. report_html writes the page: one file
 * that asks for nothing else, without scripts, the same bytes for the same results. */
#ifndef SEQLAB_REPORT_REPORT_H
#define SEQLAB_REPORT_REPORT_H

#include "report/config_diff.h"
#include "table/tables.h"

/* What distinct runs took, over all their starts; also of those that failed. */
typedef struct ReportCost {
    double wall_s, cpu_s, energy_wh, carbon_g;
    int64_t peak_bytes; /* of the largest run */
    int n;              /* runs */
} ReportCost;

/* Distinct texts, with the number of runs that have each. */
enum { FACTS_MAX = 16 };
typedef struct FactList {
    const char *text[FACTS_MAX];
    int count[FACTS_MAX];
    int n, n_more; /* n_more: runs whose text found no room */
} FactList;
typedef enum FactKind {
    FACT_VERSION,
    FACT_HOST,
    FACT_CPU,
    FACT_ISA,
    FACT_THREADS,
    FACT_DATA,
    FACT_ENERGY, /* where the energy's figures come from */
} FactKind;
enum { N_FACTS = FACT_ENERGY + 1 };

/* One folder of a run. */
typedef struct ReportRun {
    const SweepRun *run;
    const char *folder;
    RunStatus status;
    RunRecord record;
} ReportRun;

typedef struct ReportExperiment {
    const char *path;
    const char *name;
    const char *about;   /* the file's first comment; "" */
    const Yaml *file;    /* composed, with the command line's words */
    const char *problem; /* why its runs cannot be told, such as missing data; NULL: they can */
    Sweep sweep;         /* closed: its runs stay */
    TableSet tables;
    const char *command; /* seqlab sweep FILE ... */
    ReportRun *runs;     /* each folder once, those needed by others too */
    int n_runs, n_status[N_RUN_STATUSES];
    ReportCost cost;
    FactList facts[N_FACTS];
    ConfigDiff configs;   /* of the runs that the file itself asks for */
    const char *plots;    /* HTML; "" */
    const char *no_plots; /* why there are none; "" */
} ReportExperiment;

typedef struct ReportRequest {
    const char *const *paths; /* experiment files, and folders of them */
    int n_paths;
    const char *const *words; /* key=value, for every file */
    int n_words;
    const char *results;
} ReportRequest;

typedef struct Report {
    const char *title;   /* of a folder's README.md, else its name; of one file its experiment's */
    const char *command; /* that writes this report again, without its flags */
    ReportExperiment *at;
    int n;
    const char **parts; /* files of the folders that are no experiments of their own */
    int n_parts;
    /* over all files, a run that several ask for counted once */
    int n_runs, n_status[N_RUN_STATUSES];
    ReportCost cost;
    FactList facts[N_FACTS];
    int n_claims[N_VERDICTS];
    const char *folder; /* for the page, below the results folder */
} Report;

/* Memory is the arena's. Reports the mistakes of all files; FAIL_USAGE where there is no experiment
 * file. Data that are missing are no failure: the report says so. */
bool report_open(Report *r, Arena *a, const ReportRequest *q, Error *err) MUST_CHECK;
void report_html(const Report *r, Text *out);

/* -- Between the files of this room */

/* One file's part. */
bool report_experiment(ReportExperiment *e, Arena *a, const char *path, const ReportRequest *q,
                       Error *err) MUST_CHECK;
/* Counts a run into costs and facts. `data` names the data set; NULL where it is not known. */
void report_count(ReportCost *cost, FactList facts[], const ReportRun *run, const char *data,
                  Arena *a);
/* <section> of one experiment; its id is e1, e2, ... by `number`. */
void report_section(const ReportExperiment *e, int number, Text *out);
/* <ul> of links to the section's parts. */
void report_contents(const ReportExperiment *e, int number, Text *out);
/* Tables that the page and its sections both have. */
void report_cost_table(const ReportCost *cost, const FactList *energy, Text *out);
void report_fact_table(const FactList facts[], int n_runs, Text *out);
extern const char *const verdict_class[N_VERDICTS]; /* as tables_css has them */

#endif
