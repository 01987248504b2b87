/* text -- the few string helpers that several rooms share. */
#ifndef SEQLAB_BASE_TEXT_H
#define SEQLAB_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The candidate nearest to `word` (insertions, deletions, substitutions and swaps of neighbours),
 * or NULL when none is close enough to be a likely slip: at most 2 edits and half the word. The
 * first of several. */
const char *text_nearest(const char *word, const char *const candidates[], int n);

/* "512", "1.2k", "3.45M": whole numbers below 1000 in full, else three significant digits with an
 * SI suffix (1000s). */
void text_si(char out[16], double value);
/* "12.3 MiB" (1024s). */
void text_bytes(char out[16], double bytes);
/* "4.0 s", "3 min 20 s", "2 h 05 min". */
void text_duration(char out[24], double seconds);

/* A growing text buffer; starts zeroed, freed by text_free. */
typedef struct Text {
    char *data; /* always 0-terminated once something was added; NULL before */
    size_t n, capacity;
} Text;
void text_add(Text *t, const char *s);
void text_addf(Text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_add_json(Text *t, const char *s);  /* quoted and escaped */
void text_add_shell(Text *t, const char *s); /* as one word of a shell, quoted where it has to be */
void text_free(Text *t);

/* Few digits that read back as the same double: whole numbers below 1e15 in full, others with as
 * few significant digits as it takes; "NaN", "Infinity", "-Infinity" unquoted. */
void text_real(char out[32], double value);

#endif
