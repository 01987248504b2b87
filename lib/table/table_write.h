/* table_write -- what the writers of a table's formats share: between table_*.c. */
#ifndef SEQLAB_TABLE_TABLE_WRITE_H
#define SEQLAB_TABLE_TABLE_WRITE_H

#include "table/tables.h"

/* A cell as it is printed; what it has not is "". */
typedef struct CellText {
    char mean[64];       /* "91.4", or "-" without runs */
    char spread[64];     /* "0.2" */
    char n[16];          /* "5" */
    char paper[64];      /* "91.7" */
    char difference[64]; /* "-0.3" */
    bool is_far, best;
} CellText;
CellText cell_text(const Table *t, int row, int column, const TableStyle *style);

/* "mean ± sample std, n seeds; paper in brackets, difference after it"; "" where cells are plain.
 */
const char *table_legend(const Table *t, const TableStyle *style, char out[160]);
/* "1 run of 40 missing (1 failed): seqlab sweep shape.yaml"; "" when all are done. */
void tables_missing(const TableSet *t, Text *out);
/* "0.9, step" of a cell. */
void cell_name(const Table *t, int row, int column, Text *out);
/* "lr=0.1: 7f3a9c01d2e4 ..." of a cell: what the style asks for; false when that is nothing. */
bool cell_runs(const Table *t, int row, int column, const TableStyle *style, Text *out);
/* Columns of UTF-8. */
int text_columns(const char *s);

void table_write_text(const TableSet *t, const TableStyle *style, Text *out);
void table_write_md(const TableSet *t, const TableStyle *style, Text *out);
void table_write_latex(const TableSet *t, const TableStyle *style, Text *out);
void table_write_csv(const TableSet *t, Text *out);
void table_write_json(const TableSet *t, Text *out);

#endif
