/* plain_network -- see plain_network.h. */
#include "methods/peft/plain_network.h"

#include <string.h>

static void grow(PlainNetwork *n)
{
    const int capacity = n->capacity ? 2 * n->capacity : 64;
    PlainLayer *layers = arena_new_array(n->arena, PlainLayer, capacity);
    for (int i = 0; i < n->n_layers; i++) layers[i] = n->layers[i];
    n->layers = layers;
    n->capacity = capacity;
}

/* The product hook, which changes nothing. */
static Node *note_layer(void *owner, const ModelBuild *b, const LinearProduct *l, Node *y)
{
    (void)b;
    PlainNetwork *n = owner;
    for (int i = 0; i < n->n_layers; i++)
        if (n->layers[i].weight == l->p) return y;
    if (n->n_layers == n->capacity) grow(n);
    n->layers[n->n_layers++] = (PlainLayer){.weight = l->p, .turned = l->turned};
    return y;
}

bool plain_network(PlainNetwork *n, const ModelBuild *like, const Model *model, const void *options,
                   int64_t batch_size, Error *err)
{
    *n = (PlainNetwork){.arena = arena_new()};
    n->graph = graph_new(n->arena);
    ModelBuild b = *like;
    b.graph = n->graph;
    b.parametrize = NULL;
    b.product = note_layer;
    b.owner = n;
    b.parts = NULL;
    b.observe = NULL;
    b.observe_block = NULL;
    b.metric = NULL;
    Shape s = {.rank = b.task.sample.rank + 1, .dim = {batch_size}};
    for (int i = 0; i < b.task.sample.rank; i++) s.dim[i + 1] = b.task.sample.dim[i];
    n->x = input(n->graph, "x", b.task.dtype, s);
    n->logits = model->build(&b, options, n->x);
    n->graph->n_updates = 0; /* the running statistics stay as they are */
    if (graph_ok(n->graph, err)) return true;
    error_note(err, "in model '%s'", model->name);
    plain_network_free(n);
    return false;
}

void plain_network_free(PlainNetwork *n)
{
    arena_free(n->arena);
    *n = (PlainNetwork){0};
}

const char *plain_layer_name(const PlainLayer *l, Arena *a)
{
    const size_t n = strlen(l->weight->name), m = strlen(".weight");
    const bool ends = n > m && strcmp(l->weight->name + n - m, ".weight") == 0;
    return arena_string_n(a, l->weight->name, ends ? n - m : n);
}

int64_t plain_layer_out(const PlainLayer *l)
{
    return l->weight->shape.dim[l->turned ? 1 : 0];
}

int64_t plain_layer_in(const PlainLayer *l)
{
    return l->weight->shape.dim[l->turned ? 0 : 1];
}
