/* layer_table -- see layer_table.h. */
#include "nn/layer_table.h"

#include <string.h>

/* One building of the model. */
typedef struct Trace {
    Arena *arena;
    LayerRow *rows;
    int n, capacity;
    ModelParts parts;
    int64_t parameters;
} Trace;

static void add_row(void *owner, const char *layer, Param *weight, Node *output)
{
    Trace *t = owner;
    if (!weight || weight->shape.rank < 2) return;
    if (t->n == t->capacity) {
        t->capacity = t->capacity ? 2 * t->capacity : 64;
        LayerRow *more = arena_new_array(t->arena, LayerRow, t->capacity);
        if (t->n > 0) memcpy(more, t->rows, sizeof *more * (size_t)t->n);
        t->rows = more;
    }
    const int64_t n = shape_count(&output->shape), out = weight->shape.dim[0];
    t->rows[t->n++] = (LayerRow){.name = arena_string(t->arena, layer),
                                 .weight = weight->shape,
                                 .weights = weight->n,
                                 .macs = out > 0 ? weight->n * (n / out) : 0,
                                 .activation_bytes = (int64_t)sizeof(float) * n,
                                 .out = -1,
                                 .in = -1};
}

/* For a batch of one, as it is evaluated. */
static bool build(const Model *model, const void *options, const ModelBuild *like,
                  const Architecture *architecture, Trace *t, Error *err)
{
    ModelBuild b = *like;
    t->parts.arena = t->arena;
    b.graph = graph_new(t->arena);
    b.params = params_new(t->arena);
    b.training = false;
    b.architecture = architecture;
    b.parts = &t->parts;
    b.parametrize = NULL;
    b.product = NULL;
    b.observe = add_row;
    b.observer = t;
    Shape s = {.rank = like->task.sample.rank + 1, .dim = {1}};
    for (int i = 0; i < like->task.sample.rank; i++) s.dim[i + 1] = like->task.sample.dim[i];
    (void)model->build(&b, options, input(b.graph, "x", like->task.dtype, s));
    for (const Param *p = b.params->first; p; p = p->next)
        if (p->role != ROLE_BUFFER) t->parameters += p->n;
    return graph_ok(b.graph, err) && model_parts_check(&t->parts, architecture, model->name, err);
}

/* Marks the sides that width number i is on. */
static bool place_width(const Model *model, const void *options, const ModelBuild *like,
                        const Architecture *architecture, Arena *a, LayerTable *out, int i,
                        Error *err)
{
    Trace t = {.arena = arena_new()};
    Architecture *more = arena_new_array(t.arena, Architecture, 1);
    if (architecture) *more = *architecture;
    int64_t most = 0;
    for (int k = 0; k < out->n_widths; k++)
        if (out->widths[k].width > most) most = out->widths[k].width;
    const int64_t width = out->widths[i].width;
    bool ok = architecture_set_width(more, out->widths[i].name, (most / width + 2) * width);
    ok = ok ? build(model, options, like, more, &t, err)
            : fail(err, FAIL_CONFIG, NULL, "model '%s' has over %d widths", model->name,
                   COUNT_MAP_MAX);
    for (int k = 0; ok && k < out->n_rows; k++) {
        LayerRow *row = &out->rows[k];
        if (t.rows[k].weight.dim[0] != row->weight.dim[0]) row->out = i;
        if (t.rows[k].weight.dim[1] == row->weight.dim[1]) continue;
        if (row->n_ins == 0) {
            row->in = i;
            row->ins = arena_new_array(a, int, out->n_widths);
        }
        row->ins[row->n_ins++] = i;
    }
    arena_free(t.arena);
    return ok;
}

static ModelPart *parts_of(const ModelParts *parts, ModelPartKind kind, Arena *a, int *n)
{
    ModelPart *out = arena_new_array(a, ModelPart, parts->n);
    *n = 0;
    for (int i = 0; i < parts->n; i++)
        if (parts->at[i].kind == kind) out[(*n)++] = parts->at[i];
    return out;
}

bool layer_table(const Model *model, const void *options, const ModelBuild *like,
                 const Architecture *architecture, Arena *a, LayerTable *out, Error *err)
{
    Trace t = {.arena = a};
    TRY(build(model, options, like, architecture, &t, err));
    *out = (LayerTable){.rows = t.rows, .n_rows = t.n, .parameters = t.parameters};
    out->widths = parts_of(&t.parts, PART_WIDTH, a, &out->n_widths);
    out->blocks = parts_of(&t.parts, PART_BLOCK, a, &out->n_blocks);
    for (int i = 0; i < out->n_rows; i++) {
        out->weights += out->rows[i].weights;
        out->macs += out->rows[i].macs;
        out->activation_bytes += out->rows[i].activation_bytes;
    }
    for (int i = 0; i < out->n_widths; i++)
        TRY(place_width(model, options, like, architecture, a, out, i, err));
    return true;
}
