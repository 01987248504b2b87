/* data_open -- see data_open.h. */
#include "tests/unit/data_open.h"

#include "tests/test.h"

#include <stdlib.h>
#include <string.h>

Opened *opened_new(const char *yaml, const char *data_folder, unsigned splits)
{
    static const char *const also[] = {"name", NULL};
    Opened *o = calloc(1, sizeof *o);
    assert_non_null(o);
    o->arena = arena_new();
    Yaml *y;
    ASSERT_OK(yaml_parse(o->arena, yaml, strlen(yaml), "<text>", &y, &o->err), &o->err);
    const DatasetKind *kind = dataset_find(yaml_get(y, "name")->text);
    assert_non_null(kind);
    void *options = arena_alloc(o->arena, kind->options.bytes);
    ASSERT_OK(option_read(&kind->options, y, also, "in data", options, &o->err), &o->err);
    o->ok = dataset_open(&o->data, kind, options, data_folder, splits, o->arena, &o->err);
    return o;
}

void opened_free(Opened *o)
{
    dataset_close(&o->data);
    arena_free(o->arena);
    free(o);
}
