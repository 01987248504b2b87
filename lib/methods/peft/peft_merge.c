/* peft_merge -- see peft_merge.h. */
#include "methods/peft/peft_merge.h"

#include "cpu/cpu.h"

#include <math.h>
#include <string.h>

/* Scratch of one call, given back together. */
typedef struct Scratch {
    void *memory;
    size_t bytes;
} Scratch;

static bool take(Scratch *s, size_t bytes, Error *err)
{
    s->bytes = bytes;
    return memory_map(&s->memory, bytes, err);
}

static void give_back(Scratch *s)
{
    memory_unmap(s->memory, s->bytes);
}

static bool multiply(const Gemm *g, Error *err)
{
    Scratch s;
    TRY(take(&s, cpu->gemm_scratch(g), err));
    cpu->gemm(g, s.memory);
    give_back(&s);
    return true;
}

/* w += B' A with B' = B diag(scale E). */
static bool add_product(const PeftConfig *c, const PeftLayer *l, double scale, float *w, Error *err)
{
    const int64_t rank = c->rank;
    Scratch s;
    TRY(take(&s, sizeof(float) * (size_t)(l->out * rank), err));
    float *b = s.memory;
    for (int64_t i = 0; i < l->out * rank; i++)
        b[i] = (float)(scale * (double)l->b[i] * (l->e ? (double)l->e[i % rank] : 1));
    const Gemm straight = {.batch = 1,
                           .m = l->out,
                           .n = l->in,
                           .k = rank,
                           .a = b,
                           .lda = rank,
                           .b = l->a,
                           .ldb = l->in,
                           .c = w,
                           .ldc = l->in,
                           .accumulate = true};
    const Gemm turned = {.batch = 1,
                         .m = l->in,
                         .n = l->out,
                         .k = rank,
                         .a = l->a,
                         .lda = l->in,
                         .trans_a = true,
                         .b = b,
                         .ldb = rank,
                         .trans_b = true,
                         .c = w,
                         .ldc = l->out,
                         .accumulate = true};
    const bool ok = multiply(l->turned ? &turned : &straight, err);
    give_back(&s);
    return ok;
}

/* Rows of w (out, in) get the lengths that are trained. */
static void set_lengths(const PeftLayer *l, float *w)
{
    const int64_t step = l->turned ? l->out : 1, row = l->turned ? 1 : l->in;
    for (int64_t o = 0; o < l->out; o++) {
        float *v = w + o * row;
        double sum = 0;
        for (int64_t j = 0; j < l->in; j++) sum += (double)v[j * step] * (double)v[j * step];
        const double scale = sum > 0 ? (double)l->magnitude[o] / sqrt(sum) : 0;
        for (int64_t j = 0; j < l->in; j++) v[j * step] = (float)(scale * (double)v[j * step]);
    }
}

static void add_tiles(const PeftConfig *c, const PeftLayer *l, bool undo, float *w)
{
    const int64_t width = c->miss == MISS_MINI ? c->mini_rank : l->out;
    const int64_t step = l->turned ? l->out : 1, row = l->turned ? 1 : l->in;
    for (int64_t o = 0; o < l->out; o++)
        for (int64_t j = 0; j < l->in; j++) {
            const float d = l->block[j % c->rank * width + o % width];
            w[o * row + j * step] += undo ? -d : d;
        }
}

/* -- BAT */

/* m (n, n), overwritten, becomes its inverse in `out`: Gauss-Jordan with the largest pivot of each
 * column. False where there is none. */
static bool invert(double *m, int64_t n, double *out)
{
    for (int64_t i = 0; i < n * n; i++) out[i] = i % (n + 1) == 0;
    for (int64_t k = 0; k < n; k++) {
        int64_t p = k;
        for (int64_t i = k + 1; i < n; i++)
            if (fabs(m[i * n + k]) > fabs(m[p * n + k])) p = i;
        const double pivot = m[p * n + k];
        if (!(fabs(pivot) > 1e-12)) return false;
        for (int64_t j = 0; j < n; j++) {
            const double x = m[p * n + j], y = out[p * n + j];
            m[p * n + j] = m[k * n + j];
            out[p * n + j] = out[k * n + j];
            m[k * n + j] = x / pivot;
            out[k * n + j] = y / pivot;
        }
        for (int64_t i = 0; i < n; i++) {
            const double factor = m[i * n + k];
            if (i == k || factor == 0) continue;
            for (int64_t j = 0; j < n; j++) {
                m[i * n + j] -= factor * m[k * n + j];
                out[i * n + j] -= factor * out[k * n + j];
            }
        }
    }
    return true;
}

/* I + B, or its inverse. */
static bool guide_of(const float *block, int64_t r, bool undo, double *work, float *out)
{
    double *m = work, *inverse = work + r * r;
    for (int64_t i = 0; i < r * r; i++) m[i] = (double)block[i] + (i % (r + 1) == 0);
    if (undo && !invert(m, r, inverse)) return false;
    for (int64_t i = 0; i < r * r; i++) out[i] = (float)(undo ? inverse[i] : m[i]);
    return true;
}

/* rows (r, in) of one block row I: as (in, r), row i J + j holds row i of W_IJ, for i < r. */
static bool guide_rows(const PeftConfig *c, const PeftLayer *l, int64_t block, bool undo, float *w,
                       float *before, double *work, Error *err)
{
    const int64_t r = c->rank, shards = l->in / r;
    const float *b = l->block + block * r * r;
    float *guide = before + r * l->in;
    if (!guide_of(b, r, undo, work, guide))
        return fail(err, FAIL_DATA, NULL,
                    "%s: block %lld of the adapter cannot be inverted: it cannot be taken out",
                    l->name, (long long)block);
    for (int64_t i = 0; i < r * l->in; i++)
        before[i] = undo ? w[i] - b[i / l->in * r + i % r] : w[i];
    const Gemm g = {.batch = 1,
                    .m = r * shards,
                    .n = r,
                    .k = r,
                    .a = before,
                    .lda = r,
                    .b = guide,
                    .ldb = r,
                    .c = w,
                    .ldc = r};
    TRY(multiply(&g, err));
    for (int64_t i = 0; i < r * l->in && !undo; i++) w[i] += b[i / l->in * r + i % r];
    return true;
}

static bool guide_all(const PeftConfig *c, const PeftLayer *l, bool undo, float *w, Error *err)
{
    const int64_t r = c->rank;
    Scratch s;
    if (l->turned || l->out % r != 0 || l->in % r != 0)
        return fail(err, FAIL_DATA, NULL,
                    "%s: blocks of %lld do not tile a weight of (%lld, %lld)%s", l->name,
                    (long long)r, (long long)l->out, (long long)l->in,
                    l->turned ? " that is stored turned" : "");
    const size_t doubles = sizeof(double) * 2 * (size_t)(r * r);
    TRY(take(&s, doubles + sizeof(float) * (size_t)(r * l->in + r * r), err));
    float *before = (float *)(void *)((char *)s.memory + doubles);
    bool ok = true;
    for (int64_t i = 0; ok && i < l->out / r; i++)
        ok = guide_rows(c, l, i, undo, w + i * r * l->in, before, s.memory, err);
    give_back(&s);
    return ok;
}

bool peft_merge(const PeftConfig *c, const PeftLayer *l, float *w, bool undo, Error *err)
{
    if (c->type == PEFT_MISS) {
        if (c->miss == MISS_BAT) return guide_all(c, l, undo, w, err);
        add_tiles(c, l, undo, w);
        return true;
    }
    if (undo && c->dora)
        return fail(err, FAIL_DATA, NULL,
                    "%s: DoRA cannot be taken out of a merged weight: the lengths that it had "
                    "before are gone; keep the base",
                    l->name);
    TRY(add_product(c, l, undo ? -peft_scaling(c) : peft_scaling(c), w, err));
    if (c->dora) set_lengths(l, w);
    return true;
}
