/* text_rows -- labelled texts as files have them: a table of lines, or a folder a class.
 *
 *   table   a line a row, columns apart by tabs, nothing quoted; plain or .gz
 *   folder  FOLDER/<label>/<any name>, a file a text, in the order of their names
 *
 * Nothing is copied out of a table: texts and labels point into the bytes that were read. */
#ifndef SEQLAB_DATA_TEXT_ROWS_H
#define SEQLAB_DATA_TEXT_ROWS_H

#include "data/dataset.h"

enum { TEXT_PAIR = 2, TEXT_MAX_COLUMNS = 64 };

typedef struct TextSpan {
    const uint8_t *at;
    int64_t n; /* bytes */
} TextSpan;

typedef struct TextRow {
    TextSpan text[TEXT_PAIR], label;
    int64_t line; /* of the table, from 1; 0 in a folder */
} TextRow;

typedef struct TextRows {
    const char *path;
    const TextRow *row;
    int64_t n;             /* at least 1 */
    char sha256[HASH_HEX]; /* of the content */
} TextRows;

/* Where the columns of a table are: each a number from 1 or, with a header, a name of it. */
typedef struct TextColumns {
    const char *label, *text[TEXT_PAIR];
    int n_texts;             /* 1, or TEXT_PAIR: then there is no folder form */
    bool header;             /* the first line names the columns and is no row */
    const char *skip_labels; /* rows with these, apart by blanks, are left out; or NULL */
} TextColumns;

/* Reads `path` (of a table also with .gz added) into memory of d. FAIL_DATA names the line, or the
 * file in the folder. */
bool text_rows_read(TextRows *rows, Dataset *d, const char *path, const TextColumns *c, Arena *a,
                    Error *err) MUST_CHECK;

/* The same of a folder. */
bool text_folder_read(TextRows *rows, Dataset *d, const TextColumns *c, Arena *a,
                      Error *err) MUST_CHECK;

/* Takes the next line off, without its end, \n or \r\n; false after the last. */
bool text_next_line(TextSpan *rest, TextSpan *line);
/* The columns of a line, at most TEXT_MAX_COLUMNS; how many. */
int text_split_line(TextSpan line, TextSpan column[TEXT_MAX_COLUMNS]);

/* That `skip`, words apart by blanks, has this word. */
bool text_is_skipped(const char *skip, TextSpan word);

#endif
