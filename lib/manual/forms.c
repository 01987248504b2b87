/* forms -- the JSON Schema of values that an option table names but does not read. */
#include "manual/manual.h"

#include <string.h>

#define KEY    "{\"type\": \"string\", \"minLength\": 1}"
#define NUMBER "{\"type\": \"number\"}"
#define SCALAR "{\"type\": [\"string\", \"number\", \"boolean\", \"null\"]}"

#define ITEMS(item, low, high)                                                                     \
    "{\"type\": \"array\", \"items\": " item ", \"minItems\": " #low ", \"maxItems\": " #high "}"
#define SOME(item)         "{\"type\": \"array\", \"items\": " item ", \"minItems\": 1}"
#define EITHER(one, other) "{\"anyOf\": [" one ", " other "]}"
#define OBJECT             "{\"type\": \"object\"}"
#define ONE_OF(rules)                                                                              \
    "{\"type\": \"object\", \"properties\": {" rules "}, \"minProperties\": 1, "                   \
    "\"maxProperties\": 1, \"additionalProperties\": false}"
#define RULE(name) "\"" name "\": {\"$ref\": \"#/$defs/sweep.KEY/properties/" name "\"}"

typedef struct Form {
    const char *name, *schema;
} Form;

// clang-format off
static const Form forms[] = {
    {"path",                               "{\"type\": \"string\", \"minLength\": 1}"},
    {"key",                                KEY},
    {"key or list of keys",                EITHER(KEY, SOME(KEY))},
    {"list of keys",                       "{\"type\": \"array\", \"items\": " KEY "}"},
    {"map of keys and values",             OBJECT},
    {"map of keys and rules",              "{\"$ref\": \"#/$defs/sweep.sample\"}"},
    {"map of values and texts",            OBJECT},
    {"map of values and numbers",          OBJECT},
    {"map of columns and rows",            OBJECT},
    {"list of maps",                       "{\"type\": \"array\", \"minItems\": 1, \"items\": {\"type\": \"object\", \"minProperties\": 1}}"},
    {"list of values",                     SOME("{}")},
    {"[low, high]",                        ITEMS(NUMBER, 2, 2)},
    {"[first, last] or [first, last, step]", ITEMS(NUMBER, 2, 3)},
    {"[first, last, number of values]",    ITEMS(NUMBER, 3, 3)},
    {"metric or map",                      EITHER(KEY, "{\"$ref\": \"#/$defs/table.metric\"}")},
    {"list of metrics or maps",            SOME(EITHER(KEY, "{\"$ref\": \"#/$defs/table.metric\"}"))},
    {"number or map of names and numbers", "{\"anyOf\": [" NUMBER ", {\"type\": \"null\"}, {\"type\": \"object\", \"additionalProperties\": " NUMBER "}]}"},
    {"number or title of a table",         "{\"type\": [\"integer\", \"string\"]}"},
    {"row, list of rows or all",           EITHER(SCALAR, SOME("{}"))},
    {"column",                             SCALAR},
    {"column, list of columns or all",     EITHER(SCALAR, SOME("{}"))},
    /* what stands for a swept key: values, a rule, or a block whose keys are swept */
    {"swept values", "{\"anyOf\": [" SCALAR ", " SOME("{}") ", "
                     ONE_OF(RULE("range") ", " RULE("log_range")) ", "
                     "{\"type\": \"object\", \"minProperties\": 1, \"propertyNames\": {\"not\": {\"enum\": [\"range\", \"log_range\"]}}, "
                     "\"additionalProperties\": {\"$ref\": \"#/$defs/sweep/additionalProperties\"}}]}"},
    {"drawn values", ONE_OF(RULE("uniform") ", " RULE("log_uniform") ", " RULE("int_uniform") ", " RULE("choice"))},
};
// clang-format on

const char *manual_form(const char *form)
{
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        if (strcmp(forms[i].name, form) == 0) return forms[i].schema;
    return NULL;
}
