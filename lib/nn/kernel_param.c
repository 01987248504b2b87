/* kernel_param -- see kernel_param.h. */
#include "nn/kernel_param.h"

Node *kernel_param(ModelBuild *b, const char *name, Shape s, Init init, double lr)
{
    Node *w = model_param(b, name, s, ROLE_KERNEL, init);
    Param *p = params_find(b->params, name);
    if (p) {
        p->lr_multiplier = (float)lr;
        p->weight_decay_multiplier = 0;
    }
    return w;
}

Node *long_kernel(ModelBuild *b, const LongKernel *o, const char *prefix, int64_t rows,
                  int64_t width, int64_t steps)
{
    static const Init first[] = {
        {.kind = INIT_NORMAL,          .a = 0.002},
        {.kind = INIT_DECAYING_NORMAL, .a = 0.02 }
    };
    const int64_t taps = o->length > 0 && o->length < steps ? o->length : steps;
    return kernel_param(b, model_name(b, "%s.kernel", prefix), shape(3, rows, width, taps),
                        first[o->init], o->lr);
}
