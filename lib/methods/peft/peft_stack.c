/* peft_stack -- see peft_stack.h. */
#include "methods/peft/peft_stack.h"

#include <math.h>
#include <string.h>

void peft_stack_config(PeftConfig *c)
{
    c->rank *= 2;
    c->alpha *= c->rslora ? sqrt(2.0) : 2;
}

void peft_stack_a(const float *a, const float *a0, int64_t rank, int64_t in, float *out)
{
    const size_t n = (size_t)(rank * in);
    memcpy(out, a, sizeof(float) * n);
    memcpy(out + n, a0, sizeof(float) * n);
}

void peft_stack_b(const float *b, const float *b0, int64_t rank, int64_t n_out, float *out)
{
    for (int64_t i = 0; i < n_out * rank; i++) {
        float *row = out + i / rank * 2 * rank;
        row[i % rank] = b[i];
        row[rank + i % rank] = -b0[i];
    }
}
