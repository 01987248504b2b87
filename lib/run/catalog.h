/* catalog -- the runs under a results folder: what their run.json and config.yaml say.
 *
 * The folders are listed and run.json read at once (some 20 us a run); config.yaml is read when it
 * is asked for. Memory is the arena's. */
#ifndef SEQLAB_RUN_CATALOG_H
#define SEQLAB_RUN_CATALOG_H

#include "run/rundir.h"

typedef struct CatalogRun {
    const char *folder, *name, *id; /* <results>/<name>/<id> */
    RunStatus status;
    RunRecord record;
    Yaml *config; /* catalog_config; NULL: not read, or unreadable */
    bool config_was_read;
} CatalogRun;

typedef struct Catalog {
    CatalogRun *runs; /* by name, then id */
    int n;
    Arena *arena;
} Catalog;

/* That there is no such folder means no runs. */
bool catalog_read(Catalog *c, Arena *a, const char *results, Error *err) MUST_CHECK;

/* The run's config.yaml, or NULL when it is missing or no YAML. */
const Yaml *catalog_config(Catalog *c, int i);
/* The text of a dotted key of the configuration ("model.name"), of run.json ("run.step_ms"), of the
 * last evaluation ("test.top1"), or status, name, id; NULL where there is none. */
const char *catalog_value(Catalog *c, int i, const char *key);

/* One condition such as model.d_model=128, optimizer.lr<0.01, name=quick*, status!=done. Numbers
 * compare as numbers; = and != take * and ?. */
typedef struct CatalogFilter {
    const char *key, *value;
    enum {
        FILTER_EQUAL,
        FILTER_UNEQUAL,
        FILTER_LESS,
        FILTER_MORE,
        FILTER_AT_MOST,
        FILTER_AT_LEAST
    } op;
} CatalogFilter;
/* FAIL_USAGE when the word is none. */
bool catalog_filter_read(CatalogFilter *f, Arena *a, const char *word, Error *err) MUST_CHECK;
bool catalog_matches(Catalog *c, int i, const CatalogFilter *f);

/* Why no experiment can lead to this folder any more: its configuration is missing or damaged, or
 * gives another id with this version (NULL: it is no orphan). */
const char *catalog_orphan(Catalog *c, int i);

/* Removes the folder, unless a live process owns it (FAIL_RUN). */
bool catalog_remove(const CatalogRun *run, Error *err) MUST_CHECK;

#endif
