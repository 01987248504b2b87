/* run_record -- run.json: the record of a run, the machine it ran on, and reading it back. */
#ifndef SEQLAB_RUN_RUN_RECORD_H
#define SEQLAB_RUN_RUN_RECORD_H

#include "run/rundir.h"

/* The file's text. What is not known (-1, NaN, empty) is null; text that is not UTF-8 gets '?' in
 * place of its bytes. */
char *run_record_text(const RunFolder *r, Arena *a);

/* Reads it back, from any bytes; false where they are no object with a known status. Fields that
 * are missing or of another type read as not known. */
bool run_record_parse(const char *text, size_t n, RunRecord *out, Arena *a);

/* The number that run.json calls `name`, such as "step_ms": false where there is none of that name.
 * NaN when it is not known. */
bool run_record_number(const RunRecord *r, const char *name, double *out);
/* The i-th such name, or NULL past the last. */
const char *run_record_name(int i);

/* A record of which nothing is known yet. */
RunRecord run_record_unknown(void);

/* The name of this machine. */
void run_host(char out[256]);

#endif
