/* graph -- tensor expressions: built once, differentiated, planned (plan.h), run many times.
 *
 * A Node is one tensor-valued expression; model code builds nodes with the functions below and
 * nothing is computed while building. Gradient rules emit nodes too, so graph_grad works on its own
 * output: second derivatives are exact.
 *
 * Errors: a mistake of shapes is found while building. The first one is kept in the graph
 * (graph_error), the builder returns a harmless node, and whoever asked for the model reports it
 * before anything runs; so model code stays free of checks. Conventions: images are (N, H, W, C);
 * linear weights (out, in); convolution weights (O, I/groups, KH, KW). Binary elementwise builders
 * broadcast by NumPy's rule. All memory belongs to the arena given to graph_new. */
#ifndef SEQLAB_GRAPH_GRAPH_H
#define SEQLAB_GRAPH_GRAPH_H

#include "base/arena.h"
#include "base/error.h"
#include "graph/tensor.h"

typedef struct Graph Graph;
typedef struct Node Node;
typedef struct Op Op;
typedef struct Param Param; /* param.h */
Shape param_shape(const Param *p);
const char *param_name(const Param *p);

/* The small parameters of an op; each op's row in ops_*.c says which member it reads. */
typedef union OpArgs {
    struct {
        float p, q;
    } map; /* immediates of a map op */
    struct {
        bool trans_a, trans_b;
        bool back; /* matmul_q8, matmul_nf4: times the weight, not its transpose */
        bool bf16; /* the operands are rounded to bfloat16, in the gradients' products too */
    } matmul;
    struct {
        int64_t stride[2], pad[2], dilation[2], groups;
        int64_t size[2]; /* conv_grad_x: (h, w) of x; conv_grad_w: (kh, kw) */
    } conv;
    struct {
        int64_t kernel[2], stride[2], pad[2];
        int64_t size[2]; /* of the input plane, for the ops that go back to it */
        bool count_pad;
    } pool;
    struct {
        int axis, n_axes; /* the reduced (or joined) group of adjacent axes */
    } axis;
    struct {
        int perm[MAX_RANK];
    } permute;
    struct {
        int64_t start[MAX_RANK];
    } slice; /* the shape says how much */
    struct {
        int64_t before[MAX_RANK];
    } pad;
    struct {
        float smoothing;
        int32_t ignore;
    } cross_entropy;
    struct {
        float eps;
    } norm;
    struct {
        int index; /* from 1: which further result of the kernel */
    } part;
    struct {
        bool gain, bias; /* which of the optional sources are there */
    } batch_norm;
    struct {
        float scale, cap;
        int64_t offset, window;
        bool causal;
        bool bias, slopes, lengths, rope; /* which of the optional sources are there */
        bool bias_grad;                   /* attention_grad gives that of the bias too */
        bool rope_interleaved, keys_turned;
        float keep; /* of dropout; 0: none */
        uint64_t seed, stream;
    } attention;
    struct {
        bool interleaved, inverse;
    } rope;
    struct {
        bool reverse;
        bool start; /* the gradients: with that to the starting state */
    } recurrent;
    struct {
        bool reverse, lagged; /* cpu.h ScanShape */
    } scan;
    struct {
        bool silu;
    } short_conv;
    struct {
        int reach;       /* LongConvReach */
        bool skip, gate; /* which of the optional sources are there */
    } long_conv;
    struct {
        int64_t n; /* reals of a row, for irfft */
    } rfft;
    struct {
        uint64_t seed;
        uint64_t stream; /* names the tensor; the step enters at run time */
        float p, value;
    } random;
} OpArgs;

struct Node {
    const Op *op;
    DType dtype;
    Shape shape;
    int id; /* position in graph order, which is a topological order */
    int n_src;
    Node **src;
    OpArgs args;
    const char *name; /* of an input, a parameter, or a node named by graph_name; else NULL */
    Param *param;     /* op_param only */
    const void *data; /* op_constant only */
};

/* A value that a run copies into a parameter's storage at the end of each step (running
 * statistics). */
typedef struct Update {
    Param *param;
    Node *value;
} Update;

struct Graph {
    Arena *arena;
    Node **nodes; /* by id */
    int n_nodes, capacity;
    Update *updates;
    int n_updates, update_capacity;
    Error *error; /* first mistake of the building code */
    bool bf16;    /* all products are those of matmul_bf16; set before building */
};

Graph *graph_new(Arena *arena);
/* True when nothing went wrong so far; otherwise copies the first mistake into err (kind
 * FAIL_CONFIG). */
bool graph_ok(const Graph *g, Error *err) MUST_CHECK;
/* Records a building mistake and returns a harmless node. */
Node *graph_fail(Graph *g, const char *format, ...) __attribute__((format(printf, 2, 3)));
void graph_name(Node *n, const char *name);
void graph_update(Graph *g, Param *param, Node *value);

/* Gradients of the scalar `y` (or of sum(y * seed) when seed is not NULL) to each of wrt[n]; out[i]
 * is a zero constant node where y does not depend on it. Fails by graph_fail when an op on the way
 * has none, naming it and the reason. */
void graph_grad(Graph *g, Node *y, Node *seed, Node *const wrt[], int n, Node *out[]);

/* -- Leaves */

Node *input(Graph *g, const char *name, DType dtype, Shape s); /* bound by plan_bind before a run */
Node *param_node(Graph *g, Param *p);
Node *constant(Graph *g, Shape s, const float *data);         /* data is copied */
Node *constant_index(Graph *g, Shape s, const int32_t *data); /* I32, for gather; copied */
Node *scalar(Graph *g, float value);
Node *full(Graph *g, Shape s, float value); /* a broadcast scalar */

/* -- Elementwise (each is one map op: cpu/map.def) */

Node *neg(Graph *g, Node *x);
Node *absolute(Graph *g, Node *x);
Node *sign(Graph *g, Node *x);
Node *square(Graph *g, Node *x);
Node *square_root(Graph *g, Node *x);
Node *rsqrt(Graph *g, Node *x);
Node *reciprocal(Graph *g, Node *x);
Node *exponential(Graph *g, Node *x);
Node *logarithm(Graph *g, Node *x);
Node *sine(Graph *g, Node *x);
Node *cosine(Graph *g, Node *x);
Node *tanh_node(Graph *g, Node *x);
Node *erf_node(Graph *g, Node *x);
Node *sigmoid(Graph *g, Node *x);
Node *relu(Graph *g, Node *x); /* gradient at 0 is 0 */
Node *leaky_relu(Graph *g, Node *x, float slope);
Node *gelu(Graph *g, Node *x); /* exact */
Node *gelu_tanh(Graph *g, Node *x);
Node *silu(Graph *g, Node *x);
Node *softplus(Graph *g, Node *x);
Node *clamp(Graph *g, Node *x, float low,
            float high); /* gradient 1 inside and at the bounds, 0 outside */
Node *affine(Graph *g, Node *x, float scale, float shift); /* scale * x + shift */
Node *floor_node(Graph *g, Node *x);
Node *round_node(Graph *g, Node *x); /* half to even */

Node *add(Graph *g, Node *a, Node *b);
Node *sub(Graph *g, Node *a, Node *b);
Node *mul(Graph *g, Node *a, Node *b);
Node *divide(Graph *g, Node *a, Node *b);
Node *maximum(Graph *g, Node *a, Node *b); /* ties: all of the gradient to a */
Node *minimum(Graph *g, Node *a, Node *b);
Node *less(Graph *g, Node *a, Node *b); /* 1 or 0; no gradient */
Node *less_equal(Graph *g, Node *a, Node *b);
Node *equal(Graph *g, Node *a, Node *b);
Node *where(Graph *g, Node *condition, Node *a, Node *b); /* condition != 0 ? a : b */
Node *to_float(Graph *g, Node *x);                        /* I32 to F32 */

Node *stop_gradient(Graph *g, Node *x);
/* Value of `hard`, gradient as if it were `soft` (same shape): the straight-through estimator. */
Node *straight_through(Graph *g, Node *hard, Node *soft);

/* -- Reductions and shapes */

/* Over the axes whose bit is set in `axes`; keep leaves size-1 dims. Several separate groups of
 * axes become several nodes. */
Node *sum(Graph *g, Node *x, unsigned axes, bool keep);
Node *mean(Graph *g, Node *x, unsigned axes, bool keep);
Node *max_reduce(Graph *g, Node *x, unsigned axes,
                 bool keep); /* gradient to all maxima, shared equally */
enum { ALL_AXES = (1 << MAX_RANK) - 1 };

Node *broadcast(Graph *g, Node *x, Shape to); /* NumPy's rule */
Node *sum_to(Graph *g, Node *x, Shape to);    /* the transpose of broadcast */
Node *reshape(Graph *g, Node *x, Shape to);   /* one dim may be -1; costs nothing */
Node *permute(Graph *g, Node *x, const int perm[]);
Node *transpose(Graph *g, Node *x); /* swaps the last two axes */
Node *slice(Graph *g, Node *x, int axis, int64_t start, int64_t length);
Node *pad_zero(Graph *g, Node *x, int axis, int64_t before, int64_t after);
Node *concat(Graph *g, Node *const x[], int n, int axis);

/* Rows of a table: table (V, ...), index I32 of any shape (rank sum <= MAX_RANK): out is
 * index.shape + table.shape[1:]. */
Node *gather(Graph *g, Node *table, Node *index);
/* The transpose of gather: zeros of n_rows rows, plus every row of x at its index. */
Node *scatter_add(Graph *g, Node *x, Node *index, int64_t n_rows);
Node *argmax(Graph *g, Node *x); /* over the last axis, I32, no gradient */

/* -- Structured ops */

/* a (..., M, K) b (..., K, N), or transposed in their last two; leading dims equal, or absent in
 * one (shared). */
Node *matmul(Graph *g, Node *a, Node *b, bool trans_a, bool trans_b);
/* The same of a and b rounded to bfloat16, in fp32; the gradient goes through the rounding. */
Node *matmul_bf16(Graph *g, Node *a, Node *b, bool trans_a, bool trans_b);
/* x (..., in), rank >= 2, times the transpose of a stored weight (out, in) of 8 or 4 bits (cpu.h:
 * WeightFormat): codes I32 (out, in / 4) or (out, in / 8), whose bytes lie in memory as cpu.h says;
 * scale (out, in / group). Gradients go to x alone. */
Node *matmul_q8(Graph *g, Node *x, Node *codes, Node *scale);
Node *matmul_nf4(Graph *g, Node *x, Node *codes, Node *scale);
/* x (..., in) times w (out, in) transposed, plus bias (out) or NULL. */
Node *linear(Graph *g, Node *x, Node *w, Node *bias);

typedef struct Conv2d {
    int64_t stride[2], pad[2], dilation[2], groups; /* 0 in stride, dilation, groups means 1 */
} Conv2d;
Node *conv2d(Graph *g, Node *x, Node *w, Conv2d c); /* x (N, H, W, C), w (O, C/groups, KH, KW) */

typedef struct Pool2d {
    int64_t kernel[2], stride[2], pad[2]; /* 0 in stride means the kernel's size */
    bool exclude_pad;                     /* average: divide by the pixels inside */
} Pool2d;
Node *max_pool2d(Graph *g, Node *x, Pool2d p);
Node *avg_pool2d(Graph *g, Node *x, Pool2d p);
Node *global_avg_pool(Graph *g, Node *x); /* (N, H, W, C) -> (N, C) */

/* (x - mean) * rstd * gain + bias over the last axis; mean, rstd (C). When batch_statistics, mean
 * and rstd must be those of x itself (batch_moments) and the gradient to x is the total one,
 * through them. gain, bias may be NULL. */
Node *batch_norm(Graph *g, Node *x, Node *gain, Node *bias, Node *mean, Node *rstd,
                 bool batch_statistics);
void batch_moments(Graph *g, Node *x, Node **mean,
                   Node **variance); /* biased; over all axes but the last */
Node *layer_norm(Graph *g, Node *x, Node *gain, Node *bias, float eps); /* over the last axis */
Node *rms_norm(Graph *g, Node *x, Node *gain, float eps);

/* Long convolution of the rows u (B, H, T) with one kernel a channel: y = gate (conv(u, k) + d u);
 * d (H), gate (B, H, T) or NULL. k is (H, S), S <= T: y[t] = sum_s k[s] u[t - s], causal, or
 * circular; two sided it is (2, H, S), and k[1][s] u[t + 1 + s] is added. */
typedef enum LongConvReach { REACH_CAUSAL, REACH_CIRCULAR, REACH_TWO_SIDED } LongConvReach;
Node *long_conv(Graph *g, Node *u, Node *k, Node *d, Node *gate, LongConvReach reach);
/* Over the last axis: x (..., n) to X (..., n / 2 + 1, 2), X[f] = sum_t x[t] e^(-2 pi i f t / n),
 * and back: irfft(rfft(x), n) = x. irfft does not read the imaginary part of bin 0, nor of bin n
 * / 2. */
Node *rfft(Graph *g, Node *x);
Node *irfft(Graph *g, Node *x, int64_t n);

Node *softmax(Graph *g, Node *x); /* over the last axis */
Node *log_softmax(Graph *g, Node *x);
/* x (..., V), label I32 (...): losses (...) as cpu.h says; ignored rows give 0. */
Node *cross_entropy(Graph *g, Node *x, Node *label, float smoothing, int32_t ignore);

typedef struct Attend {
    float scale;         /* of q k; 0 means 1 / sqrt(D) */
    float cap;           /* c of c tanh(score / c); 0: none */
    bool causal;         /* query i sees keys up to i + offset */
    int64_t offset;      /* place of query 0 among the keys: S - T when keys were cached */
    int64_t window;      /* query i sees keys nearer than this to i + offset; 0: all */
    Node *bias;          /* (B, Hq, T, S), added to the scores; the first dims may be 1 or left out
                            (all but S), which shares it; or NULL */
    Node *lengths;       /* I32 (B): keys from here on are padding, or NULL */
    const float *slopes; /* Hq numbers, copied: ALiBi takes slope * distance away, or NULL */
    Node *rope;          /* from rope_table, a row a place among the keys, or NULL: queries and keys
                            are turned as they are read, query i by row i + offset, key j by row j */
    bool rope_interleaved; /* as in rope() */
    bool keys_turned;      /* the keys come from a cache that holds them turned */
    float dropout;         /* rate of the softmax's weights that become 0, the others growing by 1 /
                              (1 - rate): random_bernoulli(g, (B, Hq, T, S), ..., seed, stream) */
    uint64_t seed, stream;
} Attend;
/* softmax(q k) v with q (B, T, Hq, D), k and v (B, S, Hkv, D), D <= 256: heads before D, which is
 * what reshape makes of a projection's (B, T, Hq * D) without moving anything, and what the next
 * projection takes back. Heads h of q share head h / (Hq / Hkv) of k and v. A query that sees no
 * key gets 0. Memory grows with T + S, also backward. */
Node *attention(Graph *g, Node *q, Node *k, Node *v, Attend how);
/* (n, dims) constants for rope: cosines, then sines, of (offset + place) / factor * theta^(-2i /
 * dims), i < dims / 2; factor > 1 stretches the positions (linear scaling). */
Node *rope_table(Graph *g, int64_t n, int64_t dims, int64_t offset, double theta, double factor);
/* Rotary positions: x (B, T, H, D), table (T, dims), dims <= D even. Pairs are (i, i + dims / 2)
 * or, interleaved, (2i, 2i + 1). */
Node *rope(Graph *g, Node *x, Node *table, bool interleaved);
/* Recurrent layers over x (B, T, I). Weights, their layout and the order of gates (LSTM: i f g o;
 * GRU: r z n) are torch's: w_ih (G H, I), w_hh (G H, H), biases (G H) or NULL. h0, c0 (B, H) or
 * NULL for zero. `reverse` walks from the last step to the first; step t of h is still about x's
 * step t.
 */
typedef struct RecurrentWeights {
    Node *w_ih, *w_hh, *b_ih, *b_hh;
} RecurrentWeights;
typedef struct RecurrentValues {
    Node *h;      /* (B, T, H) */
    Node *h_last; /* (B, H), after the last step walked */
    Node *c_last; /* LSTM; NULL for GRU */
} RecurrentValues;
RecurrentValues lstm(Graph *g, Node *x, RecurrentWeights w, Node *h0, Node *c0, bool reverse);
RecurrentValues gru(Graph *g, Node *x, RecurrentWeights w, Node *h0, bool reverse);

/* The linear recurrence y_t = a_t y_(t-1) + b_t over axis 1, from h0 or zero; `reverse` runs it
 * from the last step. Real: b (B, T, D), a the same or (D), h0 (B, D). Complex: b (B, T, 2, D),
 * real parts first, a the same or (2, D), h0 (B, 2, D). */
Node *scan(Graph *g, Node *a, Node *b, Node *h0, bool reverse);
/* Causal depthwise convolution of x (B, T, C) with w (C, K), K <= 16, whose last tap is the
 * present, plus bias (C) or NULL, then silu if asked. */
Node *short_conv(Graph *g, Node *x, Node *w, Node *bias, bool silu);

/* Numbers of the stream (seed, "dropout", step, stream): the step is that of plan_run. No gradient.
 */
Node *random_uniform(Graph *g, Shape s, uint64_t seed, uint64_t stream);
Node *random_bernoulli(Graph *g, Shape s, float p, float value, uint64_t seed, uint64_t stream);
/* x * bernoulli(1 - rate) / (1 - rate); rate 0 gives x. */
Node *dropout(Graph *g, Node *x, float rate, uint64_t seed, uint64_t stream);

#endif
