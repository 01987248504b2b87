/* json_write -- one JSON value written piece by piece, for --json.
 *
 * `key` is NULL for items of a list and for the outermost value. Commas are put where they belong.
 * A number that JSON lacks is written as text ("NaN"), as in metrics.jsonl. */
#ifndef SEQLAB_CMD_JSON_WRITE_H
#define SEQLAB_CMD_JSON_WRITE_H

#include "base/text.h"
#include "io/yaml.h"

typedef struct Json {
    Text text;
    bool comma; /* something stands before in the open bracket */
} Json;

void json_begin(Json *j, const char *key, char bracket);         /* '{' or '[' */
void json_end(Json *j, char bracket);                            /* '}' or ']' */
void json_add_text(Json *j, const char *key, const char *value); /* NULL: null */
void json_add_int(Json *j, const char *key, int64_t value);
void json_add_real(Json *j, const char *key, double value);
void json_add_bool(Json *j, const char *key, bool value);
void json_add_raw(Json *j, const char *key, const char *value); /* is JSON already; "": null */
void json_add_yaml(Json *j, const char *key, const Yaml *value);

/* To stdout, with a newline; frees. */
void json_print(Json *j);

#endif
