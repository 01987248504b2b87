/* lora_init -- see lora_init.h. The vectors are in lora_vectors.c. */
#include "methods/peft/lora_init.h"

#include "base/pcg.h"
#include "base/realmath.h"
#include "base/threads.h"
#include "methods/peft/lora_vectors.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 64 }; /* columns of B A at a time */

/* The `step` of the layer's streams. */
enum { DRAW_SKETCH, DRAW_WEIGHT_SKETCH, DRAW_DIRECTION };

bool lora_init_changes(const LoraInit *o)
{
    return o->kind != LORA_DEFAULT && o->kind != LORA_GAUSSIAN;
}

bool lora_init_needs_gradient(const LoraInit *o)
{
    return o->kind == LORA_GA;
}

int64_t lora_init_max_rank(const LoraInit *o, int64_t out, int64_t in)
{
    const int64_t smaller = out < in ? out : in;
    if (o->kind == LORA_GA) return smaller / 2;
    return o->kind == LORA_PISSA || o->kind == LORA_OLORA ? smaller : INT64_MAX;
}

/* -- Draws */

/* The stream of a tensor that params_init would fill. */
static Pcg tensor_stream(const LoraLayer *l, const char *suffix, uint64_t seed)
{
    char name[512];
    (void)snprintf(name, sizeof name, "%s%s", l->name, suffix);
    return pcg_stream(seed, "init", 0, pcg_name(name));
}

static Pcg layer_stream(const LoraLayer *l, uint64_t step, uint64_t seed)
{
    return pcg_stream(seed, "lora_init", step, pcg_name(l->name));
}

static void fill_normal(float *x, int64_t n, double deviation, Pcg rng)
{
    for (int64_t i = 0; i < n; i++) x[i] = (float)(deviation * pcg_normal(&rng));
}

static void start_default(const LoraLayer *l, uint64_t seed)
{
    Pcg rng = tensor_stream(l, ".lora_A.weight", seed);
    const double bound = 1 / real_sqrt((double)l->in);
    for (int64_t i = 0; i < l->rank * l->in; i++)
        l->a[i] = (float)(bound * (2 * (double)pcg_uniform(&rng) - 1));
    memset(l->b, 0, sizeof *l->b * (size_t)(l->out * l->rank));
}

static void start_gaussian(const LoraLayer *l, uint64_t seed)
{
    fill_normal(l->a, l->rank * l->in, 1 / (double)l->rank,
                tensor_stream(l, ".lora_A.weight", seed));
    memset(l->b, 0, sizeof *l->b * (size_t)(l->out * l->rank));
}

/* out^(1/4) / sqrt(gamma) */
static double stable_scale(const LoraInit *o, const LoraLayer *l)
{
    return real_sqrt(real_sqrt((double)l->out) / o->gamma);
}

static void start_stable_output(const LoraInit *o, const LoraLayer *l, uint64_t seed)
{
    const double c = stable_scale(o, l);
    fill_normal(l->a, l->rank * l->in, c / real_sqrt((double)l->in),
                tensor_stream(l, ".lora_A.weight", seed));
    fill_normal(l->b, l->out * l->rank, c / real_sqrt((double)l->out),
                tensor_stream(l, ".lora_B.weight", seed));
}

/* -- From singular vectors */

static void set_row(const LoraLayer *l, int64_t j, const float *right, double by)
{
    for (int64_t i = 0; i < l->in; i++) l->a[j * l->in + i] = (float)(by * (double)right[i]);
}

static void set_column(const LoraLayer *l, int64_t j, const float *left, double by)
{
    for (int64_t i = 0; i < l->out; i++) l->b[i * l->rank + j] = (float)(by * (double)left[i]);
}

static bool start_pissa(const LoraInit *o, const LoraLayer *l, uint64_t seed, Error *err)
{
    LoraVectors v;
    TRY(lora_vectors(&v, l, l->w, l->rank, o->niter, layer_stream(l, DRAW_SKETCH, seed), err));
    for (int64_t j = 0; j < l->rank; j++) {
        const double root = real_sqrt(v.s[j] / l->scaling);
        set_row(l, j, v.right + j * l->in, root);
        set_column(l, j, v.left + j * l->out, root);
    }
    lora_vectors_free(&v);
    return true;
}

/* Which of the first 2 rank triplets go into A and B. */
static void choose(const LoraInit *o, const LoraLayer *l, uint64_t seed, int64_t *order,
                   int64_t *for_a, int64_t *for_b)
{
    const int64_t r = l->rank;
    Pcg rng = layer_stream(l, DRAW_DIRECTION, seed);
    if (o->direction == LORA_RANDOM) pcg_permutation(&rng, order, 2 * r);
    for (int64_t j = 0; j < r; j++) {
        switch ((LoraDirection)o->direction) {
        case LORA_ARB2R:
            for_a[j] = j;
            for_b[j] = r + j;
            break;
        case LORA_A2RBR:
            for_a[j] = r + j;
            for_b[j] = j;
            break;
        case LORA_ARBR:
            for_a[j] = 2 * j + 1;
            for_b[j] = 2 * j;
            break;
        case LORA_RANDOM:
            for_a[j] = order[j];
            for_b[j] = o->variant == LORA_PEFT ? order[j] : order[r + j];
            break;
        }
    }
}

/* What A and B are multiplied by; `first` is the singular value of B's first column. */
static bool find_scales(const LoraInit *o, const LoraLayer *l, double first, uint64_t seed,
                        double *for_a, double *for_b, Error *err)
{
    LoraVectors v;
    const bool peft = o->variant == LORA_PEFT;
    *for_a = *for_b = 1;
    switch ((LoraScale)o->scale) {
    case LORA_UNIT:
        return true;
    case LORA_STABLE:
        *for_b = stable_scale(o, l);
        if (!peft) *for_a = *for_b;
        return true;
    case LORA_GD:
        *for_a = *for_b = 1 / l->scaling;
        return true;
    case LORA_WEIGHT_S:
        break;
    }
    TRY(lora_vectors(&v, l, l->w, l->rank, LORA_VECTORS_GA,
                     layer_stream(l, DRAW_WEIGHT_SKETCH, seed), err));
    double sum = 0;
    for (int64_t j = 0; j < l->rank; j++) sum += real_sqrt(v.s[j] / l->scaling);
    if (!peft)
        *for_a = *for_b = sum / (double)l->rank;
    else if (first > 0)
        *for_b = v.s[0] / first;
    lora_vectors_free(&v);
    return true;
}

static bool start_ga(const LoraInit *o, const LoraLayer *l, uint64_t seed, Error *err)
{
    LoraVectors v;
    const int64_t r = l->rank;
    double by_a = 1, by_b = 1;
    TRY(lora_vectors(&v, l, l->gradient, 2 * r, LORA_VECTORS_GA, layer_stream(l, DRAW_SKETCH, seed),
                     err));
    Arena *arena = arena_new();
    int64_t *order = arena_new_array(arena, int64_t, 2 * r);
    int64_t *for_a = arena_new_array(arena, int64_t, r);
    int64_t *for_b = arena_new_array(arena, int64_t, r);
    choose(o, l, seed, order, for_a, for_b);
    const bool ok = find_scales(o, l, v.s[for_b[0]], seed, &by_a, &by_b, err);
    for (int64_t j = 0; ok && j < r; j++) {
        const double own = o->variant == LORA_PEFT ? v.s[for_b[j]] : 1;
        set_row(l, j, v.right + for_a[j] * l->in, by_a);
        set_column(l, j, v.left + for_b[j] * l->out, by_b * own);
    }
    arena_free(arena);
    lora_vectors_free(&v);
    return ok;
}

/* -- s B A */

/* (s B A)[o, i .. i + n) */
static void product_row(const LoraLayer *l, int64_t o, int64_t i, int64_t n, double sum[BLOCK])
{
    for (int64_t j = 0; j < n; j++) sum[j] = 0;
    for (int64_t k = 0; k < l->rank; k++) {
        const double b = l->scaling * (double)l->b[o * l->rank + k];
        const float *a = l->a + k * l->in + i;
        for (int64_t j = 0; j < n; j++) sum[j] += b * (double)a[j];
    }
}

void lora_offset(const LoraLayer *l, float *w)
{
    const int64_t blocks = (l->in + BLOCK - 1) / BLOCK;
#pragma omp parallel for schedule(static) num_threads(threads_count()) if (blocks > 1)
    for (int64_t c = 0; c < blocks; c++) {
        const int64_t i = c * BLOCK, n = l->in - i < BLOCK ? l->in - i : BLOCK;
        double sum[BLOCK];
        for (int64_t o = 0; o < l->out; o++) {
            product_row(l, o, i, n, sum);
            for (int64_t j = 0; j < n; j++) {
                float *at = l->turned ? w + (i + j) * l->out + o : w + o * l->in + i + j;
                *at = (float)((double)*at - sum[j]);
            }
        }
    }
}

/* rho = max |W| / max |s B A| < 1 makes both as large. */
static void clip(const LoraLayer *l)
{
    double largest = 0, weight = 0, sum[BLOCK];
    for (int64_t k = 0; k < l->out * l->in; k++) weight = fmax(weight, fabs((double)l->w[k]));
    for (int64_t i = 0; i < l->in; i += BLOCK) {
        const int64_t n = l->in - i < BLOCK ? l->in - i : BLOCK;
        for (int64_t o = 0; o < l->out; o++) {
            product_row(l, o, i, n, sum);
            for (int64_t j = 0; j < n; j++) largest = fmax(largest, fabs(sum[j]));
        }
    }
    if (!(weight < largest)) return;
    const double root = real_sqrt(weight / largest);
    for (int64_t k = 0; k < l->rank * l->in; k++) l->a[k] = (float)(root * (double)l->a[k]);
    for (int64_t k = 0; k < l->out * l->rank; k++) l->b[k] = (float)(root * (double)l->b[k]);
}

/* -- All */

static bool is_zero(const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (x[i] != 0) return false;
    return true;
}

static bool start(const LoraInit *o, const LoraLayer *l, uint64_t seed, LoraInitResult *result,
                  Error *err)
{
    switch ((LoraInitKind)o->kind) {
    case LORA_DEFAULT:
        start_default(l, seed);
        return true;
    case LORA_GAUSSIAN:
        start_gaussian(l, seed);
        return true;
    case LORA_PISSA:
        return start_pissa(o, l, seed, err);
    case LORA_OLORA:
        return lora_qr(l, err);
    case LORA_GA:
        if (is_zero(l->gradient, l->out * l->in)) {
            *result = LORA_INIT_ZERO_GRADIENT;
            start_default(l, seed);
            return true;
        }
        TRY(start_ga(o, l, seed, err));
        if (o->norm_clip) clip(l);
        return true;
    case LORA_STABLE_OUTPUT:
        start_stable_output(o, l, seed);
        return true;
    }
    return false;
}

bool lora_init(const LoraInit *o, const LoraLayer *l, uint64_t seed, LoraInitResult *result,
               Error *err)
{
    const int64_t most = lora_init_max_rank(o, l->out, l->in);
    *result = LORA_INIT_DONE;
    if (l->rank > most)
        return fail(err, FAIL_CONFIG, NULL,
                    "rank %lld is too large for %s, which is %lld x %lld: at most %lld",
                    (long long)l->rank, l->name, (long long)l->out, (long long)l->in,
                    (long long)most);
    if (lora_init_changes(o) && !(l->scaling > 0))
        return fail(err, FAIL_CONFIG, NULL,
                    "the scale of B A is %g: first values other than B = 0 need one above 0",
                    l->scaling);
    if (start(o, l, seed, result, err)) return true;
    error_note(err, "for the first values of %s", l->name);
    return false;
}
