/* ops_recurrent -- LSTM and GRU layers.
 *
 * What the input gives to the gates is one product over all steps, outside; the kernel *_cells
 * walks the steps and leaves a trace (cpu.h): the states and what going back needs. The layer
 * itself is a view of the trace's first columns with its own rule, as batch_norm is: *_grad walks
 * back over the trace and gives the gradient to the gates, from which those to the input, to both
 * weights and to the starting state are products and sums over all steps at once. The rule gives
 * the trace nothing; when the gradient is differentiated in turn, what it does through the trace
 * arrives by the expansion of *_cells, step by step in ordinary ops, so second derivatives are
 * exact (their graphs grow with the number of steps). */
#include "cpu/cpu.h"
#include "graph/op.h"

/* -- Pieces -- */

/* Columns of part k of rows whose last axis holds parts of `width`. */
static Node *piece(Graph *g, Node *x, int k, int64_t width)
{
    return slice(g, x, x->shape.rank - 1, k * width, width);
}

/* Step t of (B, T, N) as (B, N). */
static Node *step_of(Graph *g, Node *x, int64_t t)
{
    const Shape to = shape(2, x->shape.dim[0], x->shape.dim[2]);
    return reshape(g, slice(g, x, 1, t, 1), to);
}

/* (B, N) as one step (B, 1, N). */
static Node *as_step(Graph *g, Node *x)
{
    return reshape(g, x, shape(3, x->shape.dim[0], (int64_t)1, x->shape.dim[1]));
}

static Node *one_minus(Graph *g, Node *x)
{
    return affine(g, x, -1, 1);
}

/* x (1 - x), 1 - x^2: the slopes of sigmoid and tanh by their values. */
static Node *sigmoid_slope(Graph *g, Node *s)
{
    return mul(g, s, one_minus(g, s));
}

static Node *tanh_slope(Graph *g, Node *t)
{
    return one_minus(g, square(g, t));
}

static int64_t time_of(const Node *n, int64_t steps, int64_t s)
{
    return n->args.recurrent.reverse ? steps - 1 - s : s;
}

/* The states that the steps of `h` (B, T, H) started from. */
static Node *states_before(Graph *g, Node *h, Node *h0, bool reverse)
{
    const int64_t T = h->shape.dim[1];
    Node *first = as_step(g, h0);
    if (T == 1) return first;
    Node *rest = slice(g, h, 1, reverse ? 1 : 0, T - 1);
    Node *parts[] = {reverse ? rest : first, reverse ? first : rest};
    return concat(g, parts, 2, 1);
}

/* dw of gates (B, T, N) = states (B, T, H) times w (N, H) transposed. */
static Node *weight_grad(Graph *g, Node *gates, Node *states)
{
    const int64_t rows = -1;
    Node *a = reshape(g, gates, shape(2, rows, gates->shape.dim[2]));
    Node *b = reshape(g, states, shape(2, rows, states->shape.dim[2]));
    return matmul(g, a, b, true, false);
}

static Recurrence recurrence_of(const Node *n, int64_t steps, const Node *state, int gates)
{
    return (Recurrence){.batch = state->shape.dim[0],
                        .steps = steps,
                        .width = state->shape.dim[1],
                        .gates = gates,
                        .reverse = n->args.recurrent.reverse};
}

/* One product a step: G H numbers from H, or the other way. */
static double recurrent_flops(const Recurrence *r, double each)
{
    const double units = (double)r->batch * (double)r->steps * (double)r->width;
    return units * (2.0 * r->gates * (double)r->width + each);
}

/* -- LSTM. cells: x (B, T, 4 H), w (4 H, H), h0, c0 (B, H); the trace is (B, T + 1, 6 H) -- */

enum { LSTM_X, LSTM_W, LSTM_H0, LSTM_C0, LSTM_SOURCES };
enum { LSTM_AT_H, LSTM_AT_C, LSTM_AT_I, LSTM_AT_F, LSTM_AT_G, LSTM_AT_O, LSTM_PARTS };
/* lstm_grad */
enum { LG_TRACE, LG_W, LG_C0, LG_DY };

static Recurrence lstm_of(const Node *n)
{
    return recurrence_of(n, n->src[LSTM_X]->shape.dim[1], n->src[LSTM_H0], 4);
}

static Recurrence lstm_grad_of(const Node *n)
{
    return recurrence_of(n, n->src[LG_DY]->shape.dim[1] - 1, n->src[LG_C0], 4);
}

static void lstm_cells_run(const Call *c)
{
    Recurrence r = lstm_of(c->node);
    r.x = c->src[LSTM_X];
    r.w = c->src[LSTM_W];
    r.h0 = c->src[LSTM_H0];
    r.c0 = c->src[LSTM_C0];
    cpu->lstm(&r, c->out, c->scratch);
}

static void lstm_grad_run(const Call *c)
{
    Recurrence r = lstm_grad_of(c->node);
    r.w = c->src[LG_W];
    r.c0 = c->src[LG_C0];
    cpu->lstm_grad(&r, c->src[LG_TRACE], c->src[LG_DY], c->node->args.recurrent.start, c->out,
                   c->scratch);
}

static size_t lstm_cells_scratch(const Node *n)
{
    const Recurrence r = lstm_of(n);
    return cpu->recurrent_scratch(&r);
}

static size_t lstm_grad_scratch(const Node *n)
{
    const Recurrence r = lstm_grad_of(n);
    return cpu->recurrent_scratch(&r);
}

static double lstm_cells_flops(const Node *n)
{
    const Recurrence r = lstm_of(n);
    return recurrent_flops(&r, 70);
}

static double lstm_grad_flops(const Node *n)
{
    const Recurrence r = lstm_grad_of(n);
    return recurrent_flops(&r, 45);
}

/* One step: row (B, 6 H) of the trace from x and the state before. */
static Node *lstm_step(Graph *g, Node *x, Node *w, Node *h, Node *c)
{
    const int64_t H = h->shape.dim[1];
    Node *pre = add(g, x, matmul(g, h, w, false, true));
    Node *i = sigmoid(g, piece(g, pre, 0, H)), *f = sigmoid(g, piece(g, pre, 1, H));
    Node *t = tanh_node(g, piece(g, pre, 2, H)), *o = sigmoid(g, piece(g, pre, 3, H));
    Node *next = add(g, mul(g, f, c), mul(g, i, t));
    Node *row[] = {mul(g, o, tanh_node(g, next)), next, i, f, t, o};
    return concat(g, row, LSTM_PARTS, 1);
}

static Node *lstm_cells_expand(Graph *g, Node *y)
{
    const int64_t T = y->shape.dim[1] - 1, H = y->src[LSTM_H0]->shape.dim[1];
    Node *h = y->src[LSTM_H0], *c = y->src[LSTM_C0];
    Node **rows = arena_new_array(g->arena, Node *, T + 1);
    for (int64_t s = 0; s < T; s++) {
        const int64_t t = time_of(y, T, s);
        Node *row = lstm_step(g, step_of(g, y->src[LSTM_X], t), y->src[LSTM_W], h, c);
        h = piece(g, row, LSTM_AT_H, H);
        c = piece(g, row, LSTM_AT_C, H);
        rows[t] = as_step(g, row);
    }
    rows[T] = as_step(g, pad_zero(g, c, 1, 0, (LSTM_PARTS - 1) * H));
    return concat(g, rows, (int)T + 1, 1);
}

/* dx of one step (B, 4 H) from its row of the trace; *dc becomes the gradient to c before. */
static Node *lstm_step_back(Graph *g, Node *row, Node *before, Node *dh, Node **dc)
{
    const int64_t H = dh->shape.dim[1];
    Node *i = piece(g, row, LSTM_AT_I, H), *f = piece(g, row, LSTM_AT_F, H),
         *t = piece(g, row, LSTM_AT_G, H), *o = piece(g, row, LSTM_AT_O, H),
         *tc = tanh_node(g, piece(g, row, LSTM_AT_C, H));
    Node *to_c = add(g, *dc, mul(g, mul(g, dh, o), tanh_slope(g, tc)));
    Node *d[] = {mul(g, mul(g, to_c, t), sigmoid_slope(g, i)),
                 mul(g, mul(g, to_c, before), sigmoid_slope(g, f)),
                 mul(g, mul(g, to_c, i), tanh_slope(g, t)),
                 mul(g, mul(g, dh, tc), sigmoid_slope(g, o))};
    *dc = mul(g, to_c, f);
    return concat(g, d, 4, 1);
}

static Node *lstm_grad_expand(Graph *g, Node *y)
{
    Node *trace = y->src[LG_TRACE], *dy = y->src[LG_DY], *dx = NULL;
    const int64_t T = dy->shape.dim[1] - 1, H = dy->shape.dim[2];
    Node *dc = step_of(g, dy, T), **rows = arena_new_array(g->arena, Node *, T + 1);
    for (int64_t s = T - 1; s >= 0; s--) {
        const int64_t t = time_of(y, T, s);
        Node *dh = step_of(g, dy, t), *before = y->src[LG_C0];
        if (dx) dh = add(g, dh, matmul(g, dx, y->src[LG_W], false, false));
        if (s > 0) before = piece(g, step_of(g, trace, time_of(y, T, s - 1)), LSTM_AT_C, H);
        dx = lstm_step_back(g, step_of(g, trace, t), before, dh, &dc);
        rows[t] = as_step(g, dx);
    }
    if (y->args.recurrent.start) rows[T] = as_step(g, pad_zero(g, dc, 1, 0, 3 * H));
    return concat(g, rows, (int)y->shape.dim[1], 1);
}

/* The layer is a view: rows of h, and c after the last step, of the trace. Its further sources are
 * those of the cells and the trace. */
static void lstm_rule(Graph *g, Node *y, Node *dy, const bool want[], Node *dx[])
{
    Node **from = y->src + 1, *trace = from[LSTM_SOURCES], **d = dx + 1;
    const bool *wanted = want + 1, start = wanted[LSTM_C0];
    const int64_t B = y->shape.dim[0], T = y->shape.dim[1] - 1, H = y->shape.dim[2];
    Node *src[] = {trace, from[LSTM_W], from[LSTM_C0], dy};
    OpArgs args = {
        .recurrent = {y->args.recurrent.reverse, start}
    };
    const Shape to = shape(3, B, T + start, 4 * H);
    Node *whole = graph_node(g, &op_lstm_grad, src, 4, &args, &to);
    Node *gates = slice(g, whole, 1, 0, T), *h = slice(g, y, 1, 0, T);
    d[LSTM_X] = gates;
    if (start) d[LSTM_C0] = piece(g, step_of(g, whole, T), 0, H);
    if (wanted[LSTM_H0])
        d[LSTM_H0] = matmul(g, step_of(g, gates, time_of(y, T, 0)), from[LSTM_W], false, false);
    if (wanted[LSTM_W]) {
        Node *before = states_before(g, h, from[LSTM_H0], y->args.recurrent.reverse);
        d[LSTM_W] = weight_grad(g, gates, before);
    }
}

const Op op_lstm = {
    .name = "lstm",
    .formula = "i f g o of x + w h; c = f c + i g; h = o tanh(c), over time",
    .kind = OP_VIEW,
    .arity = -1,
    .grad = lstm_rule,
};
const Op op_lstm_cells = {
    .name = "lstm_cells",
    .formula = "h c i f g o of every step, and the last c",
    .kind = OP_KERNEL,
    .arity = 4,
    .expand = lstm_cells_expand,
    .run = lstm_cells_run,
    .scratch = lstm_cells_scratch,
    .flops = lstm_cells_flops,
};
const Op op_lstm_grad = {
    .name = "lstm_grad",
    .formula = "the gradient to x, backward through time",
    .kind = OP_KERNEL,
    .arity = 4,
    .expand = lstm_grad_expand,
    .run = lstm_grad_run,
    .scratch = lstm_grad_scratch,
    .flops = lstm_grad_flops,
};

/* -- GRU. cells: x (B, T, 3 H), w (3 H, H), bias (3 H), h0 (B, H); the trace is (B, T, 5 H) -- */

enum { GRU_X, GRU_W, GRU_BIAS, GRU_H0, GRU_SOURCES };
enum { GRU_AT_H, GRU_AT_R, GRU_AT_Z, GRU_AT_N, GRU_AT_U, GRU_PARTS };
/* gru_grad */
enum { GG_TRACE, GG_W, GG_H0, GG_DY };

static Recurrence gru_of(const Node *n)
{
    return recurrence_of(n, n->src[GRU_X]->shape.dim[1], n->src[GRU_H0], 3);
}

static Recurrence gru_grad_of(const Node *n)
{
    return recurrence_of(n, n->src[GG_DY]->shape.dim[1], n->src[GG_H0], 3);
}

static void gru_cells_run(const Call *c)
{
    Recurrence r = gru_of(c->node);
    r.x = c->src[GRU_X];
    r.w = c->src[GRU_W];
    r.bias = c->src[GRU_BIAS];
    r.h0 = c->src[GRU_H0];
    cpu->gru(&r, c->out, c->scratch);
}

static void gru_grad_run(const Call *c)
{
    Recurrence r = gru_grad_of(c->node);
    r.w = c->src[GG_W];
    r.h0 = c->src[GG_H0];
    cpu->gru_grad(&r, c->src[GG_TRACE], c->src[GG_DY], c->node->args.recurrent.start, c->out,
                  c->scratch);
}

static size_t gru_cells_scratch(const Node *n)
{
    const Recurrence r = gru_of(n);
    return cpu->recurrent_scratch(&r);
}

static size_t gru_grad_scratch(const Node *n)
{
    const Recurrence r = gru_grad_of(n);
    return cpu->recurrent_scratch(&r);
}

static double gru_cells_flops(const Node *n)
{
    const Recurrence r = gru_of(n);
    return recurrent_flops(&r, 50);
}

static double gru_grad_flops(const Node *n)
{
    const Recurrence r = gru_grad_of(n);
    return recurrent_flops(&r, 20);
}

/* One step: row (B, 5 H) of the trace. */
static Node *gru_step(Graph *g, Node *const src[], Node *x, Node *h)
{
    const int64_t H = h->shape.dim[1];
    Node *u = add(g, matmul(g, h, src[GRU_W], false, true), src[GRU_BIAS]);
    Node *r = sigmoid(g, add(g, piece(g, x, 0, H), piece(g, u, 0, H)));
    Node *z = sigmoid(g, add(g, piece(g, x, 1, H), piece(g, u, 1, H)));
    Node *u_n = piece(g, u, 2, H), *n = tanh_node(g, add(g, piece(g, x, 2, H), mul(g, r, u_n)));
    Node *row[] = {add(g, n, mul(g, z, sub(g, h, n))), r, z, n, u_n};
    return concat(g, row, GRU_PARTS, 1);
}

static Node *gru_cells_expand(Graph *g, Node *y)
{
    const int64_t T = y->shape.dim[1], H = y->src[GRU_H0]->shape.dim[1];
    Node *h = y->src[GRU_H0], **rows = arena_new_array(g->arena, Node *, T);
    for (int64_t s = 0; s < T; s++) {
        const int64_t t = time_of(y, T, s);
        Node *row = gru_step(g, y->src, step_of(g, y->src[GRU_X], t), h);
        h = piece(g, row, GRU_AT_H, H);
        rows[t] = as_step(g, row);
    }
    return concat(g, rows, (int)T, 1);
}

/* dx of one step (B, 3 H) from its row of the trace. */
static Node *gru_step_back(Graph *g, Node *row, Node *before, Node *dh)
{
    const int64_t H = dh->shape.dim[1];
    Node *r = piece(g, row, GRU_AT_R, H), *z = piece(g, row, GRU_AT_Z, H),
         *n = piece(g, row, GRU_AT_N, H);
    Node *to_n = mul(g, mul(g, dh, one_minus(g, z)), tanh_slope(g, n));
    Node *d[] = {mul(g, mul(g, to_n, piece(g, row, GRU_AT_U, H)), sigmoid_slope(g, r)),
                 mul(g, mul(g, dh, sub(g, before, n)), sigmoid_slope(g, z)), to_n};
    return concat(g, d, 3, 1);
}

/* du from dx (B, T, 3 H): its n times r. */
static Node *gru_hidden_grad(Graph *g, Node *dx, Node *trace)
{
    static const float is_n[3] = {0, 0, 1};
    const int64_t B = dx->shape.dim[0], T = dx->shape.dim[1], H = dx->shape.dim[2] / 3, one = 1;
    Node *gates = reshape(g, dx, shape(4, B, T, (int64_t)3, H));
    Node *r = reshape(g, piece(g, trace, GRU_AT_R, H), shape(4, B, T, one, H));
    Node *mask = constant(g, shape(2, (int64_t)3, one), is_n);
    return reshape(g, where(g, mask, mul(g, gates, r), gates), dx->shape);
}

static Node *gru_grad_expand(Graph *g, Node *y)
{
    Node *trace = y->src[GG_TRACE], *dy = y->src[GG_DY], *carry = NULL, *du = NULL;
    const int64_t T = dy->shape.dim[1], H = dy->shape.dim[2];
    Node **rows = arena_new_array(g->arena, Node *, T + 1);
    for (int64_t s = T - 1; s >= 0; s--) {
        const int64_t t = time_of(y, T, s);
        Node *row = step_of(g, trace, t), *dh = step_of(g, dy, t), *before = y->src[GG_H0];
        if (carry) dh = add(g, add(g, dh, matmul(g, du, y->src[GG_W], false, false)), carry);
        if (s > 0) before = piece(g, step_of(g, trace, time_of(y, T, s - 1)), GRU_AT_H, H);
        rows[t] = as_step(g, gru_step_back(g, row, before, dh));
        du = step_of(g, gru_hidden_grad(g, rows[t], as_step(g, row)), 0);
        carry = mul(g, dh, piece(g, row, GRU_AT_Z, H));
    }
    if (y->args.recurrent.start) rows[T] = as_step(g, pad_zero(g, carry, 1, 0, 2 * H));
    return concat(g, rows, (int)y->shape.dim[1], 1);
}

/* As lstm_rule; u is what the cells call w h + bias. */
static void gru_rule(Graph *g, Node *y, Node *dy, const bool want[], Node *dx[])
{
    Node **from = y->src + 1, *trace = from[GRU_SOURCES], **d = dx + 1;
    const bool *wanted = want + 1, start = wanted[GRU_H0];
    const int64_t B = y->shape.dim[0], T = y->shape.dim[1], H = y->shape.dim[2];
    Node *src[] = {trace, from[GRU_W], from[GRU_H0], dy};
    OpArgs args = {
        .recurrent = {y->args.recurrent.reverse, start}
    };
    const Shape to = shape(3, B, T + start, 3 * H);
    Node *whole = graph_node(g, &op_gru_grad, src, 4, &args, &to);
    Node *gates = slice(g, whole, 1, 0, T), *du = gru_hidden_grad(g, gates, trace);
    d[GRU_X] = gates;
    if (wanted[GRU_BIAS]) d[GRU_BIAS] = sum(g, du, 1u << 0 | 1u << 1, false);
    if (start) {
        Node *first = step_of(g, du, time_of(y, T, 0));
        d[GRU_H0] = add(g, piece(g, step_of(g, whole, T), 0, H),
                        matmul(g, first, from[GRU_W], false, false));
    }
    if (wanted[GRU_W]) {
        Node *before = states_before(g, y, from[GRU_H0], y->args.recurrent.reverse);
        d[GRU_W] = weight_grad(g, du, before);
    }
}

const Op op_gru = {
    .name = "gru",
    .formula = "u = w h + bias; r z of x + u; n = tanh(x + r u); h = n + z (h - n), over time",
    .kind = OP_VIEW,
    .arity = -1,
    .grad = gru_rule,
};
const Op op_gru_cells = {
    .name = "gru_cells",
    .formula = "h r z n u of every step",
    .kind = OP_KERNEL,
    .arity = 4,
    .expand = gru_cells_expand,
    .run = gru_cells_run,
    .scratch = gru_cells_scratch,
    .flops = gru_cells_flops,
};
const Op op_gru_grad = {
    .name = "gru_grad",
    .formula = "the gradient to x, backward through time",
    .kind = OP_KERNEL,
    .arity = 4,
    .expand = gru_grad_expand,
    .run = gru_grad_run,
    .scratch = gru_grad_scratch,
    .flops = gru_grad_flops,
};

/* -- Builders -- */

static bool has_shape(const Node *n, const Shape *s)
{
    return !n || (n->dtype == F32 && shape_equal(&n->shape, s));
}

/* Whether weights and states fit x (B, T, I); H is read from w_hh. */
static bool recurrent_fits(Graph *g, const char *name, int gates, const Node *x,
                           const RecurrentWeights *w, const Node *h0, const Node *c0)
{
    char text_x[96], text_ih[96], text_hh[96];
    const Shape *xs = &x->shape;
    const int64_t H = w->w_hh->shape.rank == 2 ? w->w_hh->shape.dim[1] : 0;
    bool ok = x->dtype == F32 && xs->rank == 3 && xs->dim[0] > 0 && xs->dim[1] > 0 && H > 0;
    if (ok) {
        const Shape ih = shape(2, gates * H, xs->dim[2]), hh = shape(2, gates * H, H),
                    bias = shape(1, gates * H), state = shape(2, xs->dim[0], H);
        ok = has_shape(w->w_ih, &ih) && has_shape(w->w_hh, &hh) && has_shape(w->b_ih, &bias) &&
             has_shape(w->b_hh, &bias) && has_shape(h0, &state) && has_shape(c0, &state);
    }
    if (!ok)
        (void)graph_fail(g,
                         "%s: input %s with weights %s and %s; expected (B, T, I), (%d H, I), "
                         "(%d H, H), biases (%d H) and states (B, H)",
                         name, shape_text(xs, text_x), shape_text(&w->w_ih->shape, text_ih),
                         shape_text(&w->w_hh->shape, text_hh), gates, gates, gates);
    return ok;
}

static Node *state_or_zero(Graph *g, Node *state, const Node *x, int64_t width)
{
    return state ? state : full(g, shape(2, x->shape.dim[0], width), 0);
}

/* The view of the first columns, with its sources. */
static Node *recurrent_layer(Graph *g, const Op *op, Node *trace, Node *const src[], int n_src,
                             const OpArgs *args)
{
    const int64_t H = src[1]->shape.dim[1];
    Node *all[8] = {piece(g, trace, 0, H)};
    for (int i = 0; i < n_src; i++) all[1 + i] = src[i];
    all[1 + n_src] = trace;
    return graph_node(g, op, all, n_src + 2, args, NULL);
}

RecurrentValues lstm(Graph *g, Node *x, RecurrentWeights w, Node *h0, Node *c0, bool reverse)
{
    if (!recurrent_fits(g, "lstm", 4, x, &w, h0, c0)) return (RecurrentValues){x, x, x};
    const int64_t T = x->shape.dim[1], H = w.w_hh->shape.dim[1];
    Node *bias = w.b_ih && w.b_hh ? add(g, w.b_ih, w.b_hh) : w.b_ih ? w.b_ih : w.b_hh;
    Node *src[LSTM_SOURCES] = {linear(g, x, w.w_ih, bias), w.w_hh, state_or_zero(g, h0, x, H),
                               state_or_zero(g, c0, x, H)};
    const OpArgs args = {
        .recurrent = {reverse, false}
    };
    const Shape to = shape(3, x->shape.dim[0], T + 1, LSTM_PARTS * H);
    Node *trace = graph_node(g, &op_lstm_cells, src, LSTM_SOURCES, &args, &to);
    Node *y = recurrent_layer(g, &op_lstm, trace, src, LSTM_SOURCES, &args);
    Node *h = slice(g, y, 1, 0, T);
    return (RecurrentValues){h, step_of(g, h, reverse ? 0 : T - 1), step_of(g, y, T)};
}

RecurrentValues gru(Graph *g, Node *x, RecurrentWeights w, Node *h0, bool reverse)
{
    if (!recurrent_fits(g, "gru", 3, x, &w, h0, NULL)) return (RecurrentValues){x, x, NULL};
    const int64_t T = x->shape.dim[1], H = w.w_hh->shape.dim[1];
    Node *bias = w.b_hh ? w.b_hh : full(g, shape(1, 3 * H), 0);
    Node *src[GRU_SOURCES] = {linear(g, x, w.w_ih, w.b_ih), w.w_hh, bias,
                              state_or_zero(g, h0, x, H)};
    const OpArgs args = {
        .recurrent = {reverse, false}
    };
    const Shape to = shape(3, x->shape.dim[0], T, GRU_PARTS * H);
    Node *trace = graph_node(g, &op_gru_cells, src, GRU_SOURCES, &args, &to);
    Node *h = recurrent_layer(g, &op_gru, trace, src, GRU_SOURCES, &args);
    return (RecurrentValues){h, step_of(g, h, reverse ? 0 : T - 1), NULL};
}
