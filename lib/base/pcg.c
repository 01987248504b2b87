/* pcg -- see pcg.h. */
#include "base/pcg.h"

#include "base/realmath.h"

#include <assert.h>

Pcg pcg_seed(uint64_t state, uint64_t stream)
{
    Pcg rng = {.state = 0, .inc = (stream << 1) | 1};
    (void)pcg_next(&rng);
    rng.state += state;
    (void)pcg_next(&rng);
    return rng;
}

/* SplitMix64's finaliser (Steele, Lea & Flood 2014): spreads every input bit over the word. */
static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

uint64_t pcg_name(const char *name)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (; *name; name++) hash = (hash ^ (unsigned char)*name) * UINT64_C(1099511628211);
    return mix(hash);
}

Pcg pcg_stream(uint64_t seed, const char *purpose, uint64_t step, uint64_t tensor)
{
    uint64_t state = mix(mix(mix(seed) ^ pcg_name(purpose)) ^ step);
    return pcg_seed(mix(state ^ tensor), mix(state + tensor));
}

uint32_t pcg_next(Pcg *rng)
{
    uint64_t old = rng->state;
    rng->state = old * PCG_MULTIPLIER + rng->inc;
    uint32_t shifted = (uint32_t)(((old >> 18) ^ old) >> 27);
    uint32_t turn = (uint32_t)(old >> 59);
    return (shifted >> turn) | (shifted << (-turn & 31));
}

/* Composes the map s -> a s + c with itself by squaring. */
void pcg_advance(Pcg *rng, uint64_t delta)
{
    uint64_t a = PCG_MULTIPLIER, c = rng->inc, total_a = 1, total_c = 0;
    for (; delta > 0; delta >>= 1) {
        if (delta & 1) {
            total_a *= a;
            total_c = total_c * a + c;
        }
        c = (a + 1) * c;
        a *= a;
    }
    rng->state = total_a * rng->state + total_c;
}

uint32_t pcg_below(Pcg *rng, uint32_t bound)
{
    assert(bound >= 1);
    uint32_t threshold = -bound % bound;
    for (;;) {
        uint32_t draw = pcg_next(rng);
        if (draw >= threshold) return draw % bound;
    }
}

float pcg_uniform(Pcg *rng)
{
    return (float)(pcg_next(rng) >> 8) * 0x1p-24f;
}

double pcg_normal(Pcg *rng)
{
    double u = ((double)pcg_next(rng) + 1) * 0x1p-32; /* (0, 1] */
    double v = (double)pcg_next(rng) * 0x1p-32;
    return real_sqrt(-2 * real_log(u)) * real_cos_turns(v);
}

void pcg_permutation(Pcg *rng, int64_t *order, int64_t n)
{
    for (int64_t i = 0; i < n; i++) order[i] = i;
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = (int64_t)pcg_below(rng, (uint32_t)(i + 1));
        int64_t keep = order[i];
        order[i] = order[j];
        order[j] = keep;
    }
}
