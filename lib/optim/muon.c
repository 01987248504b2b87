/* muon -- MomentUm Orthogonalized by Newton-Schulz (Jordan et al. 2024,
 * kellerjordan.github.io/posts/muon): a matrix moves along the nearest semi-orthogonal matrix to
 * its momentum.
 *
 * For a gradient G of shape (r, c), momentum mu, k = min(r, c):
 *   B = mu B + (1 - mu) G           U = nesterov ? mu B + (1 - mu) G : B
 *   X = U / (|U| + 1e-7)            |.| the Frobenius norm: singular values are at most 1
 *   5 times: A = X X', X = 3.4445 X - 4.7750 A X + 2.0315 A A X    (r <= c; else from the right)
 *   W = (1 - lr wd) W - lr scale X
 * The polynomial takes singular values to 0.7 .. 1.2, not to 1: its slope at 0 is what counts.
 *
 * scale: `shape` is sqrt(max(1, r / c)), Jordan's; `rms` is 0.2 sqrt(max(r, c)), with which an
 * update has about the size of AdamW's, so that its lr and weight decay carry over (Liu et al.
 * 2025, arXiv:2502.16982). Matrices are weights of two dims, and convolutions as (O, I KH KW);
 * embeddings, vectors and, unless `last` says otherwise, the last matrix, which is the output
 * layer, are updated by AdamW at lr * adamw_lr (Jordan's 3e-4 for 0.02). Of a matrix only the first
 * slot is used. */
#include "optim/adam.h"

#include <math.h>
#include <string.h>

typedef enum MuonScale { MUON_SHAPE, MUON_RMS } MuonScale;
typedef enum MuonLast { MUON_LAST_ADAMW, MUON_LAST_MUON } MuonLast;

typedef struct Muon {
    OptimizerCommon common;
    double momentum;
    bool nesterov;
    int scale, last; /* a MuonScale, a MuonLast */
    double adamw_lr, beta1, beta2, eps;
} Muon;

enum { NEWTON_SCHULZ_STEPS = 5, ALIGN_FLOATS = 16 };

// clang-format off
static const Option options_muon[] = {
    OPTIMIZER_COMMON_OPTIONS(0.02, 0),
    OPT_REAL(Muon, momentum, 0.95, 0, 0.9999, "share of the last direction that is kept"),
    OPT_BOOL(Muon, nesterov, true, "look ahead along the momentum (Nesterov)"),
    OPT_ENUM(Muon, scale, "shape|rms", "shape", "size of an update: sqrt(max(1, rows / columns)), or about AdamW's"),
    OPT_ENUM(Muon, last, "adamw|muon", "adamw", "what updates the last matrix, the output layer"),
    OPT_REAL(Muon, adamw_lr, 0.015, 1e-6, 1e3, "learning rate of what AdamW updates, as a share of lr"),
    OPT_REAL(Muon, beta1, 0.9, 0, 0.9999, "of AdamW: decay of the mean of gradients, a step"),
    OPT_REAL(Muon, beta2, 0.95, 0, 0.999999, "of AdamW: decay of the mean of squared gradients, a step"),
    OPT_REAL(Muon, eps, 1e-8, 1e-20, 1, "of AdamW: added to the root of the second moment"),
};
// clang-format on

typedef struct Matrix {
    int64_t rows, columns, side; /* side: the smaller of the two */
} Matrix;

static bool is_matrix(const Param *p)
{
    return p->trainable && p->role == ROLE_WEIGHT && p->shape.rank >= 2 && p->n > 0;
}

static bool is_last(const Param *p)
{
    for (p = p->next; p; p = p->next)
        if (is_matrix(p)) return false;
    return true;
}

static bool by_muon(const Muon *o, const Param *p)
{
    return is_matrix(p) && (o->last == MUON_LAST_MUON || !is_last(p));
}

static Matrix matrix_of(const Param *p)
{
    Matrix m = {.rows = p->shape.dim[0]};
    m.columns = p->n / m.rows;
    m.side = m.rows < m.columns ? m.rows : m.columns;
    return m;
}

/* -- Newton-Schulz */

/* c (m, n) = a b, either transposed. */
static Gemm product(const float *a, bool trans_a, const float *b, bool trans_b, float *c, int64_t m,
                    int64_t n, int64_t k)
{
    return (Gemm){.batch = 1,
                  .m = m,
                  .n = n,
                  .k = k,
                  .a = a,
                  .b = b,
                  .c = c,
                  .lda = trans_a ? m : k,
                  .ldb = trans_b ? k : n,
                  .ldc = n,
                  .trans_a = trans_a,
                  .trans_b = trans_b};
}

/* Where the pieces of the workspace lie: x, y (rows, columns), a, b (side, side), scratch. */
typedef struct Workspace {
    float *x, *y, *a, *b;
    void *scratch;
} Workspace;

/* The three products of a step: A = X X' or X' X; A A; A X or X A. */
static void products(const Matrix *m, const Workspace *w, Gemm out[3])
{
    const bool wide = m->rows <= m->columns;
    const int64_t side = m->side, length = wide ? m->columns : m->rows;
    out[0] = product(w->x, !wide, w->x, wide, w->a, side, side, length);
    out[1] = product(w->a, false, w->a, false, w->b, side, side, side);
    out[2] = wide ? product(w->b, false, w->x, false, w->y, side, length, side)
                  : product(w->x, false, w->b, false, w->y, length, side, side);
}

static size_t padded(int64_t n)
{
    return (size_t)(n + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
}

static Workspace cut(const Matrix *m, void *workspace)
{
    const size_t n = padded(m->rows * m->columns), square = padded(m->side * m->side);
    Workspace w = {.x = workspace};
    if (!workspace) return w;
    w.y = w.x + n;
    w.a = w.y + n;
    w.b = w.a + square;
    w.scratch = w.b + square;
    return w;
}

static size_t muon_workspace(const void *options, const Param *p)
{
    if (!by_muon(options, p)) return 0;
    const Matrix m = matrix_of(p);
    const Workspace nothing = {0};
    Gemm g[3];
    size_t scratch = 0;
    products(&m, &nothing, g);
    for (int i = 0; i < 3; i++) {
        const size_t bytes = cpu->gemm_scratch(&g[i]);
        if (bytes > scratch) scratch = bytes;
    }
    return sizeof(float) * 2 * (padded(m.rows * m.columns) + padded(m.side * m.side)) + scratch;
}

/* x to about the nearest semi-orthogonal matrix. */
static void orthogonalise(const Matrix *m, Workspace *w)
{
    const int64_t n = m->rows * m->columns, square = m->side * m->side;
    const double norm = sqrt(cpu->sum_squares(n, w->x));
    cpu->axpby(n, 0, w->x, (float)(1 / (norm + 1e-7)), w->x);
    for (int step = 0; step < NEWTON_SCHULZ_STEPS; step++) {
        Gemm g[3];
        products(m, w, g);
        cpu->gemm(&g[0], w->scratch);
        cpu->gemm(&g[1], w->scratch);
        cpu->axpby(square, -4.7750F, w->a, 2.0315F, w->b);
        cpu->gemm(&g[2], w->scratch);
        cpu->axpby(n, 3.4445F, w->x, 1, w->y);
        float *const keep = w->x;
        w->x = w->y;
        w->y = keep;
    }
}

/* -- The update */

static void clip_into(const OptimizerUpdate *u, int64_t n, float *x)
{
    memcpy(x, u->g, sizeof *x * (size_t)n);
    if (u->common.scale != 1) cpu->axpby(n, 0, x, u->common.scale, x);
    if (!isfinite(u->common.limit)) return;
    for (int64_t i = 0; i < n; i++) x[i] = fminf(fmaxf(x[i], -u->common.limit), u->common.limit);
}

static void update_matrix(const OptimizerUpdate *u)
{
    const Muon *o = u->options;
    const Matrix m = matrix_of(u->span->param);
    const int64_t n = m.rows * m.columns;
    const float mu = (float)o->momentum;
    float *momentum = u->slots[0];
    Workspace w = cut(&m, u->workspace);
    clip_into(u, n, w.x);
    cpu->axpby(n, 1 - mu, w.x, mu, momentum);
    if (o->nesterov)
        cpu->axpby(n, mu, momentum, 1 - mu, w.x);
    else
        memcpy(w.x, momentum, sizeof *momentum * (size_t)n);
    orthogonalise(&m, &w);
    const double ratio = (double)m.rows / (double)m.columns;
    const double longer = (double)(m.rows > m.columns ? m.rows : m.columns);
    const double scale = o->scale == MUON_RMS ? 0.2 * sqrt(longer) : sqrt(ratio > 1 ? ratio : 1);
    const double shrink = 1 - u->lr * (double)u->span->weight_decay;
    cpu->axpby(n, (float)(-u->lr * scale), w.x, (float)shrink, u->w);
    if (u->common.ema) cpu->axpby(n, 1.0F - u->common.keep, u->w, u->common.keep, u->common.ema);
}

static void update_muon(const OptimizerUpdate *u)
{
    const Muon *o = u->options;
    if (by_muon(o, u->span->param)) {
        update_matrix(u);
        return;
    }
    OptimizerUpdate rest = *u;
    rest.lr *= o->adamw_lr;
    adam_update(&rest, &(AdamRule){o->beta1, o->beta2, o->eps, true});
}

const Optimizer optimizer_muon = {
    .name = "muon",
    .summary = "momentum orthogonalised by Newton-Schulz for matrices, AdamW for the rest",
    .paper = "Jordan et al. 2024",
    .revision = 1,
    .options = OPTION_TABLE(Muon, options_muon),
    .n_slots = 2,
    .slot_name = {"momentum", "exp_avg_sq"},
    .workspace = muon_workspace,
    .update = update_muon,
};
