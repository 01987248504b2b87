/* lora_start -- see lora_start.h. No weight changes before the last factor is there: the gradients
 * of later layers are those of the network as it was. */
#include "methods/peft/lora_start.h"

#include "methods/peft/gradient.h"

#include <string.h>

typedef struct Start {
    const MethodCall *call;
    const AdapterSite *site;
    const LoraStart *o;
    double scaling;
    Arena *arena;
    int n_zero;
    const char *zero; /* the first layer whose gradient is nothing */
} Start;

static Param *param_of(const Start *s, const char *module, const char *suffix)
{
    return params_find(s->call->params, arena_printf(s->arena, "%s%s", module, suffix));
}

static bool is_target(void *owner, const PlainLayer *l)
{
    const Start *s = owner;
    return adapter_is_target(s->site, l->weight);
}

static LoraLayer layer_of(const Start *s, const PlainLayer *l)
{
    const char *name = plain_layer_name(l, s->arena);
    const Param *a = param_of(s, name, ".lora_A.weight"), *b = param_of(s, name, ".lora_B.weight");
    return (LoraLayer){.name = name,
                       .out = plain_layer_out(l),
                       .in = plain_layer_in(l),
                       .rank = a->shape.dim[0],
                       .scaling = s->scaling,
                       .turned = l->turned,
                       .w = l->weight->data,
                       .a = a->data,
                       .b = b->data};
}

static bool start_layer(void *owner, const PlainLayer *l, const float *gradient, Error *err)
{
    Start *s = owner;
    LoraInitResult result;
    LoraLayer layer = layer_of(s, l);
    layer.gradient = gradient;
    TRY(lora_init(&s->o->first, &layer, s->call->seed, &result, err));
    if (result == LORA_INIT_ZERO_GRADIENT && s->n_zero++ == 0) s->zero = layer.name;
    return true;
}

static void take_from_weight(const Start *s, const PlainLayer *l)
{
    const LoraLayer layer = layer_of(s, l);
    const Param *a = param_of(s, layer.name, ".lora_A_first"),
                *b = param_of(s, layer.name, ".lora_B_first");
    memcpy(a->data, layer.a, sizeof *layer.a * (size_t)a->n);
    memcpy(b->data, layer.b, sizeof *layer.b * (size_t)b->n);
    lora_offset(&layer, l->weight->data);
}

static bool start_all(Start *s, const PlainNetwork *n, Error *err)
{
    const MethodCall *c = s->call;
    const GradientCall gradients = {.model = c->model,
                                    .model_options = c->model_options,
                                    .like = c->like,
                                    .data = c->data,
                                    .batch_size = s->o->gradient_batch_size,
                                    .n_batches = s->o->gradient_batches,
                                    .memory = s->o->gradient_memory << 20,
                                    .wants = is_target,
                                    .take = start_layer,
                                    .owner = s};
    if (lora_init_needs_gradient(&s->o->first)) {
        TRY(gradient_each(&gradients, err));
    } else {
        for (int i = 0; i < n->n_layers; i++)
            if (is_target(s, &n->layers[i])) TRY(start_layer(s, &n->layers[i], NULL, err));
    }
    for (int i = 0; i < n->n_layers && lora_init_changes(&s->o->first); i++)
        if (is_target(s, &n->layers[i])) take_from_weight(s, &n->layers[i]);
    return true;
}

static void note_zeros(const Start *s)
{
    const MethodCall *c = s->call;
    if (s->n_zero == 0 || !c->note) return;
    Arena *a = c->params->arena;
    const char *more = s->n_zero > 1 ? arena_printf(a, " and %d more", s->n_zero - 1) : "";
    *c->note = arena_printf(a,
                            "warning: the gradient of %s%s is zero: A is random and B = 0 there, "
                            "as with init: default",
                            s->zero, more);
}

bool lora_start(const MethodCall *c, const AdapterSite *site, const LoraStart *o, double scaling,
                Error *err)
{
    PlainNetwork n;
    if (o->first.kind == LORA_DEFAULT) return true; /* params_init has done it */
    TRY(plain_network(&n, c->like, c->model, c->model_options, 1, err));
    Start s = {.call = c, .site = site, .o = o, .scaling = scaling, .arena = n.arena};
    const bool ok = start_all(&s, &n, err);
    if (ok) note_zeros(&s);
    plain_network_free(&n);
    return ok;
}

void lora_start_layer(const MethodCall *c, const LoraStart *o, const ModelBuild *b,
                      const LinearProduct *l, int64_t rank)
{
    const int64_t out = adapter_out(l), in = adapter_in(l);
    const int64_t most = lora_init_max_rank(&o->first, out, in);
    const int n = (int)(strlen(l->p->name) - strlen(".weight"));
    if (rank > most)
        (void)graph_fail(b->graph,
                         "method '%s': rank %lld is too large for init of %.*s, which is "
                         "%lld x %lld: at most %lld",
                         c->method->name, (long long)rank, n, l->p->name, (long long)out,
                         (long long)in, (long long)most);
    if (!lora_init_changes(&o->first)) return;
    (void)adapter_buffer(c, b, l, ".lora_A_first", shape(2, rank, in));
    (void)adapter_buffer(c, b, l, ".lora_B_first", shape(2, out, rank));
}
