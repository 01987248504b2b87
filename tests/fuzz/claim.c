/* fuzz/claim -- the test of a claim, of any bytes, is refused with a message at a place, or gives a
 * verdict over a table of two rows and columns. */
#include "table/claim.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void make_table(Arena *a, Table *t)
{
    static const char *const rows[] = {"a", "0.5"}, *const columns[] = {"x", "y.z"};
    static const double values[] = {1, 2, 0, 4, 8, 8, -1, 3};
    static const char text[] = "{rows: r, columns: c, metric: test.top1, paper: {x: {a: 1}}}";
    TableSpec *spec = arena_new_array(a, TableSpec, 1);
    Observation *at = arena_new_array(a, Observation, 8);
    Yaml *y;
    if (!yaml_parse(a, text, strlen(text), "table", &y, NULL)) abort();
    if (!table_spec_read(spec, a, y, NULL)) abort();
    for (int i = 0; i < 8; i++)
        at[i] = (Observation){.row = {rows[i / 4]},
                              .column = columns[i / 2 % 2],
                              .over = i % 2 ? "1" : "2",
                              .setting = "",
                              .label = "",
                              .run = &"01234567"[i],
                              .done = i < 7, /* the last cell has one seed */
                              .values = &values[i]};
    if (!table_build(t, a, spec, NULL, at, 8, NULL)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    Arena *a = arena_new();
    Yaml *claim = yaml_new_map(a);
    Table table;
    Claim c;
    Error err = {0};
    const char *text = arena_string_n(a, (const char *)data, n);
    if (n > 200) n = 200; /* every ratio costs a bootstrap */
    make_table(a, &table);
    yaml_append(a, claim, "say", yaml_new_scalar(a, "x", true));
    yaml_append(a, claim, "test",
                yaml_new_scalar(a, arena_string_n(a, text, strnlen(text, n)), true));
    bool ok = claim_read(&c, a, claim, &err) && claim_evaluate(&c, &table, a, &err);
    if (ok != (err.n_items == 0)) abort();
    if (ok && (c.verdict > CLAIM_NOT_RUN || !c.evidence)) abort();
    arena_free(a);
    return 0;
}
