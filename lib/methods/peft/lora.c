/* lora -- low-rank adapters beside frozen weights (Hu et al. 2021, arXiv 2106.09685).
 *
 *   y = x W^T + s (x A^T) B^T,  A (r, in) uniform in (-1, 1) / sqrt(in),  B (out, r) = 0
 *
 * with s = alpha / r, or alpha / sqrt(r) (rsLoRA, arXiv 2312.03732). lr_ratio is LoRA+'s: B learns
 * that many times faster than A (arXiv 2402.12354), and so do biases. dora: dora.h. Other first
 * values of A and B: lora_init.h. The weight that B A stands for is never made: a step costs
 * r (in + out) multiply-adds a token beside the frozen product. */
#include "methods/peft/dora.h"
#include "methods/peft/lora_start.h"

#include <math.h>

typedef struct Lora {
    AdapterSite site;
    int64_t rank;
    double alpha, lr_ratio;
    bool rslora, dora;
    LoraStart start;
} Lora;

static double scaling(const Lora *o)
{
    const double rank = (double)o->rank;
    return o->alpha / (o->rslora ? sqrt(rank) : rank);
}

static Node *lora_parametrize(const MethodCall *c, const ModelBuild *b, Param *p, Node *w)
{
    (void)b;
    const Lora *o = c->options;
    adapter_freeze(c, &o->site, p);
    if (p->role == ROLE_BIAS && p->trainable) p->lr_multiplier = (float)o->lr_ratio;
    return w;
}

static Node *lora_product(const MethodCall *c, const ModelBuild *b, const LinearProduct *l, Node *y)
{
    const Lora *o = c->options;
    if (!adapter_is_target(&o->site, l->p)) return y;
    Graph *g = b->graph;
    const Init uniform = {.kind = INIT_TORCH_DEFAULT}, zeros = {.kind = INIT_ZEROS};
    Param *down =
        adapter_param(c, b, l, ".lora_A.weight", shape(2, o->rank, adapter_in(l)), uniform);
    Param *up = adapter_param(c, b, l, ".lora_B.weight", shape(2, adapter_out(l), o->rank), zeros);
    up->lr_multiplier = (float)o->lr_ratio;
    lora_start_layer(c, &o->start, b, l, o->rank);
    Node *low = affine(g, linear(g, adapter_input(&o->site, b, l), param_node(g, down), NULL),
                       (float)scaling(o), 0);
    y = add(g, linear(g, low, param_node(g, up), NULL), y);
    if (!o->dora) return y;
    return dora_scaled(c, b, l, &(LowRank){down, up, (float)scaling(o)}, y);
}

static void lora_buffers(const MethodCall *c, Graph *g)
{
    const Lora *o = c->options;
    adapter_check(c, &o->site, g);
    if (o->dora) adapter_check_no_dropout(c, &o->site, g, "dora");
}

static bool lora_transform(const MethodCall *c, Error *err)
{
    const Lora *o = c->options;
    TRY(lora_start(c, &o->site, &o->start, scaling(o), err));
    return !o->dora || dora_start(c, (float)scaling(o), err);
}

// clang-format off
static const Option lora_options[] = {
    ADAPTER_OPTIONS,
    OPT_INT(Lora, rank, 8, 1, 65536, "columns of B and rows of A"),
    OPT_REAL(Lora, alpha, 8, 0, 1e6, "B A is scaled by alpha / rank"),
    OPT_BOOL(Lora, rslora, false, "scale by alpha / sqrt(rank)"),
    OPT_BOOL(Lora, dora, false, "train the length of each output's weights apart from their direction (DoRA)"),
    OPT_REAL(Lora, lr_ratio, 1, 0, 1e6, "learning rate of B over that of A (LoRA+: 16)"),
    LORA_START_OPTIONS(Lora),
};
// clang-format on

const Method method_lora = {
    .name = "lora",
    .family = "peft",
    .paper = "arXiv:2106.09685",
    .summary = "train low-rank factors beside frozen weights",
    .revision = 1,
    .options = OPTION_TABLE(Lora, lora_options),
    .buffers = lora_buffers,
    .parametrize = lora_parametrize,
    .product = lora_product,
    .transform = lora_transform,
};
