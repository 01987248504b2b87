/* mask -- see mask.h. */
#include "methods/prune/mask.h"

#include "base/pcg.h"

#include <math.h>
#include <string.h>

enum { BINS = 2048, NAME_BYTES = 300 };

/* The digits of a key, from the top. */
static const struct {
    int low, bits;
} digit[] = {
    {21, 11},
    {10, 11},
    {0,  10},
};

bool is_prunable(const Param *p)
{
    return p->role == ROLE_WEIGHT && p->shape.rank >= 2 && !p->adapter;
}

Param *mask_create(const MethodCall *c, const ModelBuild *b, const Param *p)
{
    const char *name = model_name(b, "%s_mask", p->name);
    Param *mask = params_get(c->params, b->graph, name, p->shape, ROLE_BUFFER, false,
                             (Init){.kind = INIT_ONES});
    mask->may_lack = true;
    return mask;
}

Param *mask_of(const Params *params, const Param *p)
{
    char name[NAME_BYTES];
    if (!is_prunable(p)) return NULL;
    (void)snprintf(name, sizeof name, "%s_mask", p->name);
    return params_find(params, name);
}

int64_t mask_group_count(const MaskGroup *group)
{
    int64_t n = 0;
    for (const Param *p = group->first; p != group->end; p = p->next)
        if (mask_of(group->params, p)) n += p->n;
    return n;
}

/* Histogram of the digit at `low` over the keys whose higher bits are those of `prefix`. */
static void count(const MaskGroup *group, const MaskOrder *order, uint32_t prefix, int low,
                  int bits, int64_t bins[BINS])
{
    const int above = low + bits;
    int64_t flat = 0;
    memset(bins, 0, sizeof(int64_t) * BINS);
    for (const Param *p = group->first; p != group->end; p = p->next) {
        const Param *mask = mask_of(group->params, p);
        for (int64_t i = 0; mask && i < p->n; i++) {
            const uint32_t key = order->key(order->owner, p, mask, i, flat++);
            if (above < 32 && (key ^ prefix) >> above) continue;
            bins[key >> low & ((1u << bits) - 1)]++;
        }
    }
}

/* Masks the keys below `threshold` and the first `n_equal` of those that equal it. */
static void apply(const MaskGroup *group, const MaskOrder *order, uint32_t threshold,
                  int64_t n_equal)
{
    int64_t flat = 0;
    for (const Param *p = group->first; p != group->end; p = p->next) {
        Param *mask = mask_of(group->params, p);
        for (int64_t i = 0; mask && i < p->n; i++) {
            const uint32_t key = order->key(order->owner, p, mask, i, flat++);
            const bool pruned = key < threshold || (key == threshold && n_equal > 0);
            if (pruned && key == threshold) n_equal--;
            mask->data[i] = pruned ? 0.0f : 1.0f;
        }
    }
}

/* Walks down the digits to the key of the last weight that goes; n becomes how many of its equals
 * go with it. */
void mask_lowest(const MaskGroup *group, const MaskOrder *order, int64_t n)
{
    int64_t bins[BINS];
    uint32_t threshold = 0;
    for (size_t d = 0; d < sizeof digit / sizeof digit[0]; d++) {
        count(group, order, threshold, digit[d].low, digit[d].bits, bins);
        uint32_t bin = 0;
        while (n > bins[bin]) n -= bins[bin++];
        threshold |= bin << digit[d].low;
    }
    apply(group, order, threshold, n);
}

int64_t mask_n_pruned(double density, int64_t n)
{
    return (int64_t)floor((1 - density) * (double)n + 0.5);
}

uint32_t mask_key_magnitude(const void *owner, const Param *p, const Param *mask, int64_t i,
                            int64_t flat)
{
    (void)owner, (void)flat;
    uint32_t bits;
    const float effective = p->data[i] * mask->data[i];
    memcpy(&bits, &effective, sizeof bits);
    return bits & UINT32_C(0x7fffffff);
}

/* Floats as unsigned integers of the same order: the sign bit of positive ones set, all bits of
 * negative ones turned. No float that is not NaN becomes 0. */
uint32_t mask_key_score(const void *owner, const Param *p, const Param *mask, int64_t i,
                        int64_t flat)
{
    (void)p;
    uint32_t bits;
    const float score = ((const float *)owner)[flat] + 0.0f; /* -0 is 0 */
    if (mask->data[i] == 0) return 0;
    memcpy(&bits, &score, sizeof bits);
    return bits >> 31 ? ~bits : bits | UINT32_C(0x80000000);
}

void mask_apply(const Params *params)
{
    for (const Param *p = params->first; p; p = p->next) {
        const Param *mask = mask_of(params, p);
        for (int64_t i = 0; mask && i < p->n; i++)
            if (mask->data[i] == 0) p->data[i] = 0;
    }
}

void mask_shuffle(const Params *params, uint64_t seed)
{
    for (const Param *p = params->first; p; p = p->next) {
        Param *mask = mask_of(params, p);
        if (!mask) continue;
        Pcg rng = pcg_stream(seed, "mask_shuffle", 0, pcg_name(p->name));
        for (int64_t i = mask->n - 1; i > 0; i--) { /* Fisher-Yates */
            const int64_t j = (int64_t)pcg_below(&rng, (uint32_t)(i + 1));
            const float swapped = mask->data[i];
            mask->data[i] = mask->data[j];
            mask->data[j] = swapped;
        }
    }
}
