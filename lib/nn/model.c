/* model -- the registry, and what every model goes through for its parameters. */
#include "nn/model.h"

#include <stdarg.h>
#include <string.h>

// clang-format off
#define MODELS(M) \
    M(mlp) M(lenet_300_100) \
    M(conv2) M(conv4) M(conv6) \
    M(resnet8) M(resnet20) M(resnet32) M(resnet44) M(resnet56) \
    M(resnet18) M(resnet50) \
    M(vgg11) M(vgg16) M(vgg19) \
    M(mobilenet_v2) M(efficientnet_b0) \
    M(shufflenet_v2_x0_5) M(shufflenet_v2_x1_0) M(shufflenet_v2_x1_5) M(shufflenet_v2_x2_0) \
    M(longconv) M(s4d) M(h3) M(transformer) M(lstm_classifier) M(cnn1d) \
    M(llama) M(gpt2) M(bert) M(vit) M(t5)

#define DECLARE(name) extern const Model model_##name;
MODELS(DECLARE)

#define ROW(name) &model_##name,
const Model *const model_registry[] = {MODELS(ROW) NULL};
// clang-format on

const Model *model_find(const char *name)
{
    for (const Model *const *m = model_registry; *m; m++)
        if (!strcmp((*m)->name, name)) return *m;
    return NULL;
}

const char *model_name(const ModelBuild *b, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return arena_string(b->graph->arena, text);
}

static Param *find_or_create(ModelBuild *b, const char *name, Shape s, ParamRole role, Init init)
{
    if (role == ROLE_WEIGHT && b->init != INIT_ZEROS) init = (Init){.kind = b->init};
    return params_get(b->params, b->graph, name, s, role, true, init);
}

static Node *effective(const ModelBuild *b, Param *p)
{
    Node *w = param_node(b->graph, p);
    return b->parametrize ? b->parametrize(b->owner, b, p, w) : w;
}

Node *model_param(ModelBuild *b, const char *name, Shape s, ParamRole role, Init init)
{
    return effective(b, find_or_create(b, name, s, role, init));
}

Node *model_turned_weight(ModelBuild *b, const char *name, Shape s, Init init)
{
    Param *p = find_or_create(b, name, s, ROLE_WEIGHT, init);
    p->turned = true;
    return effective(b, p);
}

Node *model_product(const ModelBuild *b, const LinearProduct *l)
{
    Node *y =
        l->turned ? matmul(b->graph, l->x, l->w, false, false) : linear(b->graph, l->x, l->w, NULL);
    return b->product ? b->product(b->owner, b, l, y) : y;
}

Param *model_buffer(ModelBuild *b, const char *name, Shape s, Init init)
{
    return params_get(b->params, b->graph, name, s, ROLE_BUFFER, false, init);
}

void model_metric(const ModelBuild *b, const char *name, Node *value)
{
    if (b->metric) b->metric(b->metrics, name, value);
}

/* In the order of MODEL_INIT_CHOICES. */
static const InitKind common_kind[] = {
    INIT_ZEROS,          INIT_HE_NORMAL,  INIT_HE_UNIFORM, INIT_XAVIER_NORMAL,
    INIT_XAVIER_UNIFORM, INIT_ORTHOGONAL, INIT_ORTHOGONAL,
};
enum { CHOICE_LSUV = sizeof common_kind / sizeof common_kind[0] - 1 };

InitKind model_common_init(const void *options)
{
    const int *init = options;
    return common_kind[*init];
}

bool model_wants_lsuv(const void *options)
{
    const int *init = options;
    return *init == CHOICE_LSUV;
}
