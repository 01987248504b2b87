/* init -- see init.h. Element i of a normal tensor is draw i of its stream, so that the threads can
 * share the work; the truncated one rejects, and runs in order. */
#include "nn/init.h"

#include "base/pcg.h"
#include "base/realmath.h"
#include "base/threads.h"
#include "linalg/qr.h"

enum { BLOCK = 4096 };

/* (out, in) or (O, I, KH, KW): a unit sums over I KH KW inputs and feeds O KH KW outputs. A vector
 * has its length for both. */
static void fans(const Param *p, int64_t *fan_in, int64_t *fan_out)
{
    const Shape *s = &p->shape;
    int64_t window = 1;
    for (int i = 2; i < s->rank; i++) window *= s->dim[i];
    *fan_in = p->init.fan_in ? p->init.fan_in
              : s->rank >= 2 ? s->dim[1] * window
              : s->rank == 1 ? s->dim[0]
                             : 1;
    *fan_out = p->init.fan_out ? p->init.fan_out : s->rank >= 1 ? s->dim[0] * window : 1;
}

static void fill(Param *p, double value)
{
    for (int64_t i = 0; i < p->n; i++) p->data[i] = (float)value;
}

static void fill_normal(Param *p, Pcg start, double deviation)
{
    const int64_t blocks = (p->n + BLOCK - 1) / BLOCK;
#pragma omp parallel for schedule(static) num_threads(threads_count()) if (blocks > 4)
    for (int64_t b = 0; b < blocks; b++) {
        const int64_t low = b * BLOCK, high = p->n - low < BLOCK ? p->n : low + BLOCK;
        Pcg rng = start;
        pcg_advance(&rng, 2 * (uint64_t)low);
        for (int64_t i = low; i < high; i++) p->data[i] = (float)(deviation * pcg_normal(&rng));
    }
}

static void fill_uniform(Param *p, Pcg rng, double bound)
{
    for (int64_t i = 0; i < p->n; i++)
        p->data[i] = (float)(bound * (2 * (double)pcg_uniform(&rng) - 1));
}

static void fill_positive(Param *p, Pcg rng, double bound)
{
    for (int64_t i = 0; i < p->n; i++) p->data[i] = (float)(bound * (double)pcg_uniform(&rng));
}

static void fill_truncated(Param *p, Pcg rng, double deviation)
{
    for (int64_t i = 0; i < p->n; i++) {
        double z = pcg_normal(&rng);
        while (z < -2 || z > 2) z = pcg_normal(&rng);
        p->data[i] = (float)(deviation * z);
    }
}

/* Q of a normal matrix's QR with a positive diagonal of R is uniform over the orthogonal matrices
 * (Mezzadri 2007, arXiv math-ph/0609050); a wide one is the transpose of a tall one. */
static void fill_orthogonal(Param *p, Pcg rng, double gain)
{
    if (p->n == 0) return;
    const int64_t out = p->shape.rank > 0 ? p->shape.dim[0] : 1, rest = p->n / out;
    const int64_t tall = out > rest ? out : rest, thin = out > rest ? rest : out;
    Arena *arena = arena_new();
    double *a = arena_new_array(arena, double, p->n);
    double *scratch = arena_new_array(arena, double, tall + thin);
    for (int64_t i = 0; i < p->n; i++) a[i] = pcg_normal(&rng);
    qr_thin(a, tall, thin, NULL, scratch);
    for (int64_t i = 0; i < out; i++)
        for (int64_t j = 0; j < rest; j++)
            p->data[i * rest + j] =
                (float)(gain * (out > rest ? a[i * thin + j] : a[j * thin + i]));
    arena_free(arena);
}

static void fill_decaying(Param *p, Pcg rng, double deviation)
{
    const int rank = p->shape.rank;
    const int64_t lags = rank > 0 ? p->shape.dim[rank - 1] : 1;
    const int64_t channels = rank > 1 ? p->shape.dim[rank - 2] : 1;
    const int64_t half = channels / 2;
    const double base = half > 1 ? (double)half : 1;
    fill_normal(p, rng, deviation);
    for (int64_t row = 0; lags > 0 && row < p->n / lags; row++) {
        const double power = (double)(row % channels) / (double)channels;
        const double rate = real_pow(base, power) / (double)lags;
        for (int64_t j = 0; j < lags; j++) {
            float *at = &p->data[row * lags + j];
            *at = (float)((double)*at * real_exp(-rate * (double)j));
        }
    }
}

void param_init(Param *p, uint64_t seed)
{
    const Pcg rng = pcg_stream(seed, "init", 0, pcg_name(p->name));
    const double a = p->init.a, given = p->init.gain;
    const double one = given != 0 ? given : 1, root2 = given != 0 ? given : 1.4142135623730951;
    int64_t in, out;
    fans(p, &in, &out);
    const double n = (double)(in > 0 ? in : 1), both = n + (double)out;
    switch (p->init.kind) {
    case INIT_ZEROS:
        fill(p, 0);
        return;
    case INIT_ONES:
        fill(p, 1);
        return;
    case INIT_CONSTANT:
        fill(p, a);
        return;
    case INIT_NORMAL:
        fill_normal(p, rng, a);
        return;
    case INIT_UNIFORM:
        fill_uniform(p, rng, a);
        return;
    case INIT_HE_NORMAL:
        fill_normal(p, rng, root2 / real_sqrt(n));
        return;
    case INIT_HE_UNIFORM:
        fill_uniform(p, rng, root2 * real_sqrt(3 / n));
        return;
    case INIT_XAVIER_NORMAL:
        fill_normal(p, rng, one * real_sqrt(2 / both));
        return;
    case INIT_XAVIER_UNIFORM:
        fill_uniform(p, rng, one * real_sqrt(6 / both));
        return;
    case INIT_TRUNCATED_NORMAL:
        fill_truncated(p, rng, a);
        return;
    case INIT_ORTHOGONAL:
        fill_orthogonal(p, rng, one);
        return;
    case INIT_TORCH_DEFAULT:
        fill_uniform(p, rng, one / real_sqrt(n));
        return;
    case INIT_DECAYING_NORMAL:
        fill_decaying(p, rng, a);
        return;
    case INIT_UNIFORM_POSITIVE:
        fill_positive(p, rng, a);
        return;
    }
}

void params_init(Params *ps, uint64_t seed)
{
    for (Param *p = ps->first; p; p = p->next) param_init(p, seed);
}
