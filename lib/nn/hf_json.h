/* hf_json -- the JSON files of a Hugging Face folder. */
#ifndef SEQLAB_NN_HF_JSON_H
#define SEQLAB_NN_HF_JSON_H

#include "io/yaml.h"

#include <jansson.h>

/* An object, which the caller owns; FAIL_DATA when there is none. */
bool hf_json_read(const char *path, json_t **out, Error *err) MUST_CHECK;

/* A number, a truth or a word as YAML text; NULL for null and what has parts. */
const char *hf_json_text(const json_t *j, Arena *a);
/* The same, or a list of such, as a node with the file's name as its place; or NULL. */
Yaml *hf_json_yaml(const json_t *j, const char *path, Arena *a);

#endif
