/* run_values -- the numbers that a finished run's folder gives a table.
 *
 * run.json holds the last evaluation, so metrics.jsonl is read only for other steps, once a run. */
#ifndef SEQLAB_TABLE_RUN_VALUES_H
#define SEQLAB_TABLE_RUN_VALUES_H

#include "run/rundir.h"
#include "table/table.h"

/* The metrics of a table, and `by` of its search (NULL: none) at the best evaluation that the first
 * metric asks for, else at the last: never at a step before the end, which says too little of a
 * setting. Bit i of *absent is set where the run has no metric i. Fails where metrics.jsonl cannot
 * be read, or a step that is asked for was not evaluated. */
bool run_values(const TableSpec *spec, const char *by, const char *folder, const RunRecord *record,
                double values[], uint32_t *absent, double *by_value, Error *err) MUST_CHECK;

#endif
