/* error -- failures that carry their kind, their place and one sentence.
 *
 * A function that can fail returns bool (or a pointer) and takes `Error *err` last. It reports by
 * `return fail(err, ...)`, which always returns false. An Error collects up to ERROR_MAX messages,
 * so that a validator can go on and report every mistake of a file at once; the kind, and so the
 * exit code, is that of the first. Nothing in lib/ prints or exits. */
#ifndef SEQLAB_BASE_ERROR_H
#define SEQLAB_BASE_ERROR_H

#include <stdbool.h>
#include <stdio.h>

/* The kind of a failure is the exit code of the process (README, "Exit codes"). */
typedef enum FailKind {
    FAIL_NONE = 0,
    FAIL_RUN = 1,      /* the run failed: NaN loss, disk full, our own bug */
    FAIL_USAGE = 2,    /* a command, a flag or an override word */
    FAIL_CONFIG = 3,   /* an experiment file */
    FAIL_DATA = 4,     /* data missing, damaged or not to be had without a network */
    FAIL_SWEEP = 5,    /* a sweep ended and some of its runs failed */
    FAIL_CLAIM = 6,    /* a claim of a table does not hold */
    FAIL_STOPPED = 75, /* stopped by a signal, with a checkpoint: run it again (EX_TEMPFAIL) */
} FailKind;

/* Where something stands. `file` and `line_text` are not owned and only read during the call that
 * takes the Place. line and column count from 1, columns in characters of UTF-8; 0 means "not
 * known". */
typedef struct Place {
    const char *file;      /* path as the user gave it, "command line", or NULL */
    const char *line_text; /* start of that line in the loaded text (ends at \n or \0), or NULL */
    int line, column;
    int width; /* columns to underline: ^~~~; 0 and 1 draw the ^ alone */
} Place;

enum { ERROR_MAX = 20, ERROR_TEXT = 640, ERROR_EXCERPT = 320 };

typedef struct ErrorItem {
    char text[ERROR_TEXT];       /* "file:line:column: what is wrong; what was expected" */
    char excerpt[ERROR_EXCERPT]; /* the source line and a line with a caret, or "" */
} ErrorItem;

typedef struct Error {
    FailKind kind; /* of the first failure; FAIL_NONE when there is none */
    int n_items;
    int n_dropped; /* failures past ERROR_MAX */
    ErrorItem items[ERROR_MAX];
} Error;

/* Adds one failure; `at` may be NULL. Returns false, always. err may be NULL (nothing is kept). */
bool fail(Error *err, FailKind kind, const Place *at, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* As fail, with ": <strerror(errno)>" appended; errno is read at entry. */
bool fail_errno(Error *err, FailKind kind, const Place *at, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Appends "; <note>" to the last failure (context that a caller further up knows); nothing when
 * that failure was dropped. */
void error_note(Error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints every item, its excerpt below it; `color` puts what stands before the first ": " (the
 * place) in bold. */
void error_print(const Error *err, FILE *out, bool color);

void error_clear(Error *err);

#ifdef __clang_analyzer__ /* sees one file at a time: it has to be told that these give false */
#define fail(...)       ((void)(fail)(__VA_ARGS__), false)
#define fail_errno(...) ((void)(fail_errno)(__VA_ARGS__), false)
#endif

#define TRY(call)                                                                                  \
    do {                                                                                           \
        if (!(call)) return false;                                                                 \
    } while (0)

#define MUST_CHECK __attribute__((warn_unused_result))

#endif
