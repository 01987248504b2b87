/* architecture -- widths and blocks by name: what a model asks while it is built, and whether what
 * the architecture names is there. */
#include "nn/model.h"

#include "base/text.h"

#include <string.h>

static ModelPart *find_part(const ModelParts *parts, const char *name)
{
    for (int i = 0; i < parts->n; i++)
        if (strcmp(parts->at[i].name, name) == 0) return &parts->at[i];
    return NULL;
}

static void add_part(ModelParts *parts, ModelPart part)
{
    if (!parts || find_part(parts, part.name)) return;
    if (parts->n == parts->capacity) {
        parts->capacity = parts->capacity ? 2 * parts->capacity : 64;
        ModelPart *more = arena_new_array(parts->arena, ModelPart, parts->capacity);
        if (parts->n > 0) memcpy(more, parts->at, sizeof *more * (size_t)parts->n);
        parts->at = more;
    }
    part.name = arena_string(parts->arena, part.name);
    if (part.stream) part.stream = arena_string(parts->arena, part.stream);
    parts->at[parts->n++] = part;
}

int64_t model_width_multiple(ModelBuild *b, const char *name, int64_t wanted, int64_t multiple)
{
    const NamedCount *row = b->architecture ? count_map_find(&b->architecture->widths, name) : NULL;
    const int64_t width = row ? row->count : wanted;
    if (width % multiple)
        (void)graph_fail(b->graph, "%s: %lld channels are no multiple of %lld", name,
                         (long long)width, (long long)multiple);
    add_part(b->parts, (ModelPart){.kind = PART_WIDTH,
                                   .name = name,
                                   .wanted = wanted,
                                   .width = width,
                                   .multiple = multiple});
    return width;
}

int64_t model_width(ModelBuild *b, const char *name, int64_t wanted)
{
    return model_width_multiple(b, name, wanted, 1);
}

void model_member(ModelBuild *b, const char *layer, const char *stream, int64_t width)
{
    ModelPart *part = b->parts ? find_part(b->parts, stream) : NULL;
    if (part) part->is_stream = true;
    add_part(b->parts,
             (ModelPart){.kind = PART_MEMBER, .name = layer, .stream = stream, .width = width});
}

static bool pads(const ModelBuild *b)
{
    return b->architecture && b->architecture->residual == RESIDUAL_PAD;
}

const char *model_stream_name(const ModelBuild *b, const char *layer, const char *stream)
{
    return pads(b) ? layer : stream;
}

int64_t model_stream(ModelBuild *b, const char *layer, const char *stream, int64_t wanted)
{
    const char *name = model_stream_name(b, layer, stream);
    const int64_t width = model_width(b, name, wanted);
    ModelPart *part = b->parts ? find_part(b->parts, name) : NULL;
    if (!pads(b))
        model_member(b, layer, stream, width);
    else if (part)
        part->is_stream = true;
    return width;
}

Node *model_sum(const ModelBuild *b, Node *y, Node *x)
{
    Graph *g = b->graph;
    if (pads(b) && x->shape.rank == 4 && y->shape.rank == 4) {
        const int64_t more = y->shape.dim[3] - x->shape.dim[3];
        if (more > 0) x = pad_zero(g, x, 3, 0, more);
        if (more < 0) y = pad_zero(g, y, 3, 0, -more);
    }
    return add(g, y, x);
}

void model_centred(const ModelBuild *b, const char *to, const char *from)
{
    ModelPart *part = b->parts ? find_part(b->parts, to) : NULL;
    if (part) part->centred = arena_string(b->parts->arena, from);
}

static bool left_out(const Architecture *a, const char *name)
{
    for (int i = 0; a && i < a->without.n; i++)
        if (strcmp(a->without.at[i].name, name) == 0) return true;
    return false;
}

bool model_block(ModelBuild *b, const char *name, bool removable)
{
    const bool there = !removable || !left_out(b->architecture, name);
    add_part(b->parts,
             (ModelPart){.kind = PART_BLOCK, .name = name, .removable = removable, .there = there});
    return there;
}

Node *model_block_output(const ModelBuild *b, const char *name, Node *y)
{
    if (b->observe_block) b->observe_block(b->observer, name, y);
    return y;
}

const Architecture *model_common_architecture(const void *options)
{
    const ModelShape *shape = options;
    return &shape->architecture;
}

bool architecture_set_width(Architecture *a, const char *name, int64_t width)
{
    CountMap *map = &a->widths;
    int i = 0;
    while (i < map->n && strcmp(map->at[i].name, name) != 0) i++;
    if (i == COUNT_MAP_MAX) return false;
    if (i == map->n) map->n++;
    map->at[i] = (NamedCount){.name = name, .count = width};
    return true;
}

bool architecture_leave_out(Architecture *a, const char *block)
{
    if (left_out(a, block)) return true;
    if (a->without.n == NAME_LIST_MAX) return false;
    a->without.at[a->without.n].from = NULL;
    a->without.at[a->without.n++].name = block;
    return true;
}

/* At the node that the name was read from, or without a place where a method chose it. */
#define FAIL_AT(fail_there, from, err, ...)                                                        \
    ((from) ? fail_there((from), (err), __VA_ARGS__) : fail((err), FAIL_CONFIG, NULL, __VA_ARGS__))

/* The nearest name that may stand there, as "; did you mean 'x'?". */
static void hint(const ModelParts *parts, const char *name, bool blocks, char out[160])
{
    const char **names = arena_new_array(parts->arena, const char *, parts->n);
    int n = 0;
    for (int i = 0; i < parts->n; i++) {
        const ModelPart *p = &parts->at[i];
        if (blocks ? p->kind == PART_BLOCK && p->removable : p->kind == PART_WIDTH)
            names[n++] = p->name;
    }
    const char *near = text_nearest(name, names, n);
    *out = '\0';
    if (near) (void)snprintf(out, 160, "; did you mean '%s'?", near);
}

static bool check_width(const ModelParts *parts, const Architecture *a, const NamedCount *row,
                        const char *model, Error *err)
{
    const ModelPart *p = find_part(parts, row->name);
    char near[160];
    if (p && p->kind == PART_WIDTH) return true;
    if (p && p->kind == PART_MEMBER)
        return p->width == row->count ||
               FAIL_AT(yaml_fail_key, row->from, err,
                       "widths: '%.80s' = %lld, but it is added to the stream '%s' of %lld "
                       "channels: set that, or residual: pad",
                       row->name, (long long)row->count, p->stream, (long long)p->width);
    for (int i = 0; i < a->without.n; i++) {
        const char *block = a->without.at[i].name;
        const size_t n = strlen(block);
        if (strncmp(row->name, block, n) == 0 && row->name[n] == '.')
            return FAIL_AT(yaml_fail_key, row->from, err,
                           "widths: '%.80s' is in the block '%.80s' that is left out", row->name,
                           block);
    }
    hint(parts, row->name, false, near);
    return FAIL_AT(yaml_fail_key, row->from, err, "widths: model '%s' has no '%.80s'%s", model,
                   row->name, near);
}

static bool check_block(const ModelParts *parts, const char *name, const Yaml *from,
                        const char *model, Error *err)
{
    const ModelPart *p = find_part(parts, name);
    char near[160];
    if (p && p->kind == PART_BLOCK)
        return p->removable ||
               FAIL_AT(yaml_fail, from, err,
                       "without: '%.80s' cannot be left out: it changes the shape", name);
    hint(parts, name, true, near);
    return FAIL_AT(yaml_fail, from, err, "without: model '%s' has no block '%.80s'%s", model, name,
                   near);
}

bool model_parts_check(const ModelParts *parts, const Architecture *architecture, const char *model,
                       Error *err)
{
    bool ok = true, sums = false;
    if (!architecture) return true;
    for (int i = 0; i < parts->n; i++) sums = sums || parts->at[i].is_stream;
    if (architecture->residual == RESIDUAL_PAD && !sums)
        ok = fail(err, FAIL_CONFIG, NULL, "residual: pad, but model '%s' has no residual streams",
                  model);
    for (int i = 0; i < architecture->widths.n; i++)
        ok &= check_width(parts, architecture, &architecture->widths.at[i], model, err);
    for (int i = 0; i < architecture->without.n; i++)
        ok &= check_block(parts, architecture->without.at[i].name, architecture->without.at[i].from,
                          model, err);
    return ok;
}
