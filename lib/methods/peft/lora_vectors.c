/* lora_vectors -- see lora_vectors.h. */
#include "methods/peft/lora_vectors.h"

#include "base/arena.h"
#include "linalg/qr.h"
#include "linalg/svd.h"

#include <math.h>
#include <string.h>

enum { GA_ITERATIONS = 4, PISSA_ITERATIONS = 16, SKETCH = 4 };

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* -- Singular vectors of x as it is stored, (m, n): U's columns go to `columns` (count, m), V^T's
 * rows to `rows` (count, n) */

typedef struct Stored {
    int64_t m, n, count;
    const float *x;
    double *s;
    float *columns, *rows;
} Stored;

static bool exact(const Stored *p, Error *err)
{
    const int64_t k = smaller(p->m, p->n);
    const size_t doubles = (size_t)(p->m * p->n + p->m * k + k * p->n + k);
    const size_t bytes = sizeof(double) * doubles + svd_jacobi_scratch(p->m, p->n);
    void *memory;
    TRY(memory_map(&memory, bytes, err));
    double *a = memory, *u = a + p->m * p->n, *vt = u + p->m * k, *s = vt + k * p->n;
    for (int64_t i = 0; i < p->m * p->n; i++) a[i] = (double)p->x[i];
    const SvdThin thin = {.m = p->m, .n = p->n, .a = a, .u = u, .s = s, .vt = vt};
    const bool ok = svd_jacobi(&thin, s + k, err);
    for (int64_t j = 0; ok && j < p->count; j++) {
        p->s[j] = s[j];
        for (int64_t i = 0; i < p->m; i++) p->columns[j * p->m + i] = (float)u[i * k + j];
        for (int64_t i = 0; i < p->n; i++) p->rows[j * p->n + i] = (float)vt[j * p->n + i];
    }
    memory_unmap(memory, bytes);
    return ok;
}

static bool sketched(const Stored *p, int64_t columns, int iterations, Pcg rng, Error *err)
{
    SvdTruncated t = {.m = p->m,
                      .n = p->n,
                      .rank = p->count,
                      .oversampling = columns > p->count ? columns - p->count : 0,
                      .iterations = iterations,
                      .a = p->x,
                      .s = p->s,
                      .vt = p->rows,
                      .rng = rng};
    const size_t scratch = svd_randomised_scratch(&t);
    const size_t bytes = scratch + sizeof(float) * (size_t)(p->m * p->count);
    void *memory;
    TRY(memory_map(&memory, bytes, err));
    t.u = (float *)(void *)((char *)memory + scratch);
    const bool ok = svd_randomised(&t, memory, err);
    for (int64_t j = 0; ok && j < p->count; j++)
        for (int64_t i = 0; i < p->m; i++) p->columns[j * p->m + i] = t.u[i * p->count + j];
    memory_unmap(memory, bytes);
    return ok;
}

bool lora_vectors(LoraVectors *v, const LoraLayer *l, const float *x, int64_t count, int64_t niter,
                  Pcg rng, Error *err)
{
    const size_t floats = (size_t)(count * (l->out + l->in));
    *v = (LoraVectors){.bytes = sizeof(double) * (size_t)count + sizeof(float) * floats};
    TRY(memory_map(&v->memory, v->bytes, err));
    v->s = v->memory;
    v->left = (float *)(void *)(v->s + count);
    v->right = v->left + count * l->out;
    const Stored p = {.m = l->turned ? l->in : l->out,
                      .n = l->turned ? l->out : l->in,
                      .count = count,
                      .x = x,
                      .s = v->s,
                      .columns = l->turned ? v->right : v->left,
                      .rows = l->turned ? v->left : v->right};
    const int iterations = niter >= 0                 ? (int)niter
                           : niter == LORA_VECTORS_GA ? GA_ITERATIONS
                                                      : PISSA_ITERATIONS;
    const bool is_exact = niter < 0 && smaller(p.m, p.n) <= LORA_INIT_EXACT;
    if (is_exact ? exact(&p, err) : sketched(&p, SKETCH * l->rank, iterations, rng, err))
        return true;
    lora_vectors_free(v);
    return false;
}

void lora_vectors_free(LoraVectors *v)
{
    memory_unmap(v->memory, v->bytes);
    *v = (LoraVectors){0};
}

/* -- QR */

static float weight_at(const LoraLayer *l, int64_t o, int64_t i)
{
    return l->turned ? l->w[i * l->out + o] : l->w[o * l->in + i];
}

static bool check_finite(const LoraLayer *l, Error *err)
{
    for (int64_t i = 0; i < l->out * l->in; i++)
        if (!isfinite(l->w[i]))
            return fail(err, FAIL_RUN, NULL, "element %lld of the weight is %s", (long long)i,
                        isnan(l->w[i]) ? "NaN" : "infinite");
    return true;
}

/* The first `rank` columns of Q span those of W and depend on nothing else; then R = Q^T W. */
bool lora_qr(const LoraLayer *l, Error *err)
{
    const int64_t r = l->rank, out = l->out, in = l->in;
    const size_t bytes = sizeof(double) * (size_t)(out * r + r * r + out + r + in);
    void *memory;
    TRY(check_finite(l, err));
    TRY(memory_map(&memory, bytes, err));
    double *q = memory, *square = q + out * r, *scratch = square + r * r, *row = scratch + out + r;
    for (int64_t o = 0; o < out; o++)
        for (int64_t j = 0; j < r; j++) q[o * r + j] = (double)weight_at(l, o, j);
    qr_thin(q, out, r, square, scratch);
    for (int64_t k = 0; k < out * r; k++) l->b[k] = (float)q[k];
    for (int64_t j = 0; j < r; j++) {
        memset(row, 0, sizeof *row * (size_t)in);
        for (int64_t o = 0; o < out; o++)
            for (int64_t i = r; i < in; i++) row[i] += q[o * r + j] * (double)weight_at(l, o, i);
        for (int64_t i = 0; i < in; i++)
            l->a[j * in + i] = (float)(i < r ? square[j * r + i] : row[i]);
    }
    memory_unmap(memory, bytes);
    return true;
}
