/* tables -- all tables and claims of an experiment file, with what its runs say, and their texts.
 *
 * tables_open reads the blocks `table:`, `search:` and `claims:`, expands the sweep, reads the runs
 * that are done, builds the cells and decides the claims. tables_write gives any format; report and
 * others that want one table in HTML call tables_html. */
#ifndef SEQLAB_TABLE_TABLES_H
#define SEQLAB_TABLE_TABLES_H

#include "base/text.h"
#include "sweep/sweep.h"
#include "table/claim.h"

typedef struct TableSet {
    const char *path;
    TableSpec *specs;
    Table *tables; /* n of each; 0 when the file has no `table:` */
    int n;
    Search search;
    Claim *claims;
    int n_claims;
    int n_runs, n_missing; /* folders the sweep asks for; not done */
    int n_failed;          /* of the missing */
    const char *command;   /* that makes the missing ones */
    const char *source;    /* "seqlab 0.4.1, cifar10 4d1f..., 2 hosts"; "" without runs */
} TableSet;

/* The steps one by one: read the blocks; name the keys that the sweep's runs shall carry; fill in
 * what the runs say. */
bool tables_read(TableSet *t, Arena *a, const Yaml *file, Error *err) MUST_CHECK;
const char *const *tables_wanted(const TableSet *t, Arena *a, int *n);
bool tables_collect(TableSet *t, Arena *a, const Sweep *sweep, Error *err) MUST_CHECK;
/* `seqlab sweep PATH WORDS` as a shell takes it, with --results where that is not the default. */
const char *tables_command(Arena *a, const char *path, const char *const words[], int n_words,
                           const char *results);
/* All of it. `results` is the folder of the runs. The sweep is closed again. */
bool tables_open(TableSet *t, Arena *a, const char *path, const char *const words[], int n_words,
                 const char *results, Error *err) MUST_CHECK;

/* The claims of the set with this verdict. */
int tables_count(const TableSet *t, Verdict verdict);

typedef enum TableFormat {
    FORMAT_TEXT,
    FORMAT_MD,
    FORMAT_CSV,
    FORMAT_JSON,
    FORMAT_LATEX,
    FORMAT_HTML
} TableFormat;

typedef struct TableStyle {
    bool interval; /* half the width of the 95 % interval in place of the standard deviation */
    bool runs;     /* the ids behind every cell */
    bool settings; /* what a search chose for every cell */
    bool bold;     /* of text: escape sequences for the best */
} TableStyle;

/* Appends the set in a format: HTML is a fragment, without <html>. */
void tables_write(const TableSet *t, TableFormat format, const TableStyle *style, Text *out);
/* One table, and the claims about it (also those about no table when there is but one), in HTML:
 * <table class="cells"> and <ul class="claims">, their classes are in tables_css. */
void tables_html(const TableSet *t, int i, const TableStyle *style, Text *out);
extern const char tables_css[];

#endif
