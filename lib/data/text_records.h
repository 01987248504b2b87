/* text_records -- rows with named fields, from JSON or from tables, and texts made of them.
 *
 *   JSON   objects, one a line or one after the other, or a list of them: {"question": "...", ...}
 *   table  a line a row, columns apart by tabs; a field is a column's number from 1 or, with a
 *          header, its name
 * A file is JSON when its first character is { or [ and its name does not end in .tsv. A template
 * is text in which {field} stands for a field's value; {{ and }} are braces. */
#ifndef SEQLAB_DATA_TEXT_RECORDS_H
#define SEQLAB_DATA_TEXT_RECORDS_H

#include "base/text.h"
#include "data/text_rows.h"

#include <jansson.h>

enum { TEMPLATE_PARTS = 32 };

typedef struct TextTemplate {
    struct {
        const char *text; /* the words themselves, or the name of a field */
        bool field;
    } part[TEMPLATE_PARTS];
    int n;
} TextTemplate;

/* `name` stands for the option in messages: FAIL_CONFIG. */
bool text_template_read(TextTemplate *t, const char *name, const char *text, Arena *a,
                        Error *err) MUST_CHECK;

typedef struct TextRecords {
    const char *path;
    TextSpan rest;
    int64_t line; /* of what was read last, from 1 */
    bool json;
    json_t *object;
    TextSpan name[TEXT_MAX_COLUMNS], column[TEXT_MAX_COLUMNS];
    int n_names, n_columns;
    Text text; /* what the last template became */
} TextRecords;

/* Over the bytes of a file, which must stay. `header`: a table's first line names its columns. */
void text_records_start(TextRecords *r, const char *path, TextSpan all, bool header);
void text_records_end(TextRecords *r);

/* The next record, or *more = false. FAIL_DATA names file and line. */
bool text_records_next(TextRecords *r, bool *more, Error *err) MUST_CHECK;
/* What the template makes of the record; until the next call. FAIL_DATA where a field is not there
 * or is no text and no number. */
bool text_records_text(TextRecords *r, const TextTemplate *t, TextSpan *out, Error *err) MUST_CHECK;

#endif
