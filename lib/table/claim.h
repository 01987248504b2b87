/* claim -- a small expression over the cells of a table, and whether the runs bear it out.
 *
 *   claims:
 *     - {say: "cosine is better at every sparsity", test: "cosine > step", rows: all}
 *     - {say: "90 % sparse costs under 2 points", test: "row(0.5) - row(0.9) < 2", column: cosine}
 *
 *   a < b <= c, ==, !=, and, or, not, + - * /, parentheses, numbers; values are scaled, as printed
 *   cosine, column("one-cycle")   the cell of this column; the claim must hold in all rows of
 * `rows` row(0.9), row("mlp", 0.9)     the cell of this row; in all columns of `column` or
 * `columns` cell(0.9, cosine)             row and column paper(CELL)                   the paper's
 * value of a cell ratio(a, b) abs(a) min(a, ...) max(a, ...) mean(a, ...) monotone(increasing) from
 * row to row of `rows`; or decreasing; of a column best(row) == "squash"         the best row of a
 * column, best(column) the best column of a row
 *
 * A comparison is tested over the seeds: where it is linear in the cells by a paired t-test when
 * all of them have the same seeds (of one cell: Student's), else by Welch's; anything else by a
 * bootstrap. */
#ifndef SEQLAB_TABLE_CLAIM_H
#define SEQLAB_TABLE_CLAIM_H

#include "table/table.h"

typedef enum Verdict {
    CLAIM_HOLDS,        /* on the means, and p < 0.05 */
    CLAIM_HOLDS_WEAKLY, /* on the means only */
    CLAIM_FAILS,
    CLAIM_NOT_RUN, /* a cell that it needs has no runs */
} Verdict;
enum { N_VERDICTS = CLAIM_NOT_RUN + 1 };
extern const char *const verdict_name[N_VERDICTS];

typedef struct Claim {
    const char *say, *test;
    const Yaml *where, *rows, *columns, *table; /* of the file; the last three may be NULL */
    int of;                                     /* which of several tables, from 0 */
    struct Expr *expr;
    /* what claim_evaluate finds */
    Verdict verdict;
    double p;             /* one-sided; NaN where nothing was tested */
    const char *by;       /* "paired t", "Student's t", "Welch's t", "bootstrap", "" */
    const char *evidence; /* "p = 0.004, 5 paired seeds", "2.3 ± 0.3" */
} Claim;

/* What may stand in a map of `claims:`. */
extern const OptionTable claim_options;

/* Reads one map of `claims:` and parses its test; mistakes have the place of the character. */
bool claim_read(Claim *c, Arena *a, const Yaml *y, Error *err) MUST_CHECK;
/* Finds the rows and columns that the test names, and decides. Fails on names the table lacks. */
bool claim_evaluate(Claim *c, const Table *t, Arena *a, Error *err) MUST_CHECK;

#endif
