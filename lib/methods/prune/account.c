/* account -- see account.h. */
#include "methods/prune/account.h"

#include "methods/prune/mask.h"

#include <string.h>

static const LayerRow *find_row(const LayerTable *t, const char *name)
{
    for (int i = 0; i < t->n_rows; i++)
        if (strcmp(t->rows[i].name, name) == 0) return &t->rows[i];
    return NULL;
}

/* The weights of the layer that its mask leaves; all of them without one. */
static int64_t kept_of(const Params *params, const LayerRow *row)
{
    char name[300];
    (void)snprintf(name, sizeof name, "%s.weight", row->name);
    const Param *p = params ? params_find(params, name) : NULL;
    const Param *mask = p ? mask_of(params, p) : NULL;
    int64_t n = 0;
    if (!mask) return row->weights;
    for (int64_t i = 0; i < mask->n; i++) n += mask->data[i] != 0;
    return n;
}

bool account(const Model *model, const void *options, const ModelBuild *like,
             const Architecture *before, const Architecture *after, const Params *masks, Arena *a,
             Account *out, Error *err)
{
    *out = (Account){0};
    TRY(layer_table(model, options, like, before, a, &out->before, err));
    TRY(layer_table(model, options, like, after ? after : before, a, &out->after, err));
    out->n_rows = out->before.n_rows;
    out->rows = arena_new_array(a, AccountRow, out->n_rows);
    for (int i = 0; i < out->n_rows; i++) {
        AccountRow *row = &out->rows[i];
        row->before = &out->before.rows[i];
        row->after = find_row(&out->after, row->before->name);
        if (!row->after) continue;
        row->kept = kept_of(masks, row->after);
        row->density = (double)row->kept / (double)row->before->weights;
        out->kept += row->kept;
        out->sparse_macs +=
            (double)row->after->macs * (double)row->kept / (double)row->after->weights;
    }
    return true;
}
