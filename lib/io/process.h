/* process -- another program's output, without a shell in between. */
#ifndef SEQLAB_IO_PROCESS_H
#define SEQLAB_IO_PROCESS_H

#include "base/arena.h"

/* Runs argv (NULL-terminated; argv[0] is looked up in PATH) with an empty stdin and waits for it.
 * *out gets what it wrote to stdout, *complaint (may be NULL) to stderr, each at most 16 MiB, the
 * arena's; *code its exit code, 127 when there is no such program, 128 + n when signal n ended it.
 * FAIL_RUN where no process can be had. */
bool process_run(const char *const argv[], Arena *a, char **out, char **complaint, int *code,
                 Error *err) MUST_CHECK;

#endif
