/* graph_cases -- see graph_cases.h. A case draws its leaves and returns the node; elementwise ops
 * need no case of their own, since their rows say how many sources they take and from what range.
 */
#include "tests/graph_cases.h"

#include "tests/test.h"

#include <math.h>
#include <string.h>

#define S(...)                                                                                     \
    ((Shape){.rank = (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)),                    \
             .dim = {__VA_ARGS__}})

/* -- Trials */

Trial trial_empty(uint64_t seed)
{
    Trial t = {.arena = arena_new(), .rng = pcg_seed(seed, 7), .low = -2, .high = 2};
    t.g = graph_new(t.arena);
    return t;
}

void trial_free(Trial *t)
{
    arena_free(t->arena);
}

void trial_check(const Trial *t)
{
    Error err = {0};
    ASSERT_OK(graph_ok(t->g, &err), &err);
}

static Node *leaf(Trial *t, DType dtype, Shape s)
{
    assert_in_range(t->n, 0, TRIAL_LEAVES - 1);
    Node *x = input(t->g, "x", dtype, s);
    t->leaf[t->n] = x;
    t->data[t->n] = arena_new_array(t->arena, double, shape_count(&s));
    t->n++;
    return x;
}

Node *trial_real(Trial *t, Shape s)
{
    Node *x = leaf(t, F32, s);
    double *data = t->data[t->n - 1];
    for (int64_t i = 0; i < shape_count(&s); i++)
        data[i] = (double)(float)(t->low + (t->high - t->low) * (double)pcg_uniform(&t->rng));
    return x;
}

Node *trial_whole(Trial *t, Shape s, uint32_t below)
{
    Node *x = leaf(t, I32, s);
    double *data = t->data[t->n - 1];
    for (int64_t i = 0; i < shape_count(&s); i++) data[i] = pcg_below(&t->rng, below);
    return x;
}

int trial_reals(const Trial *t, Node *out[TRIAL_LEAVES], double *data[TRIAL_LEAVES])
{
    int n = 0;
    for (int i = 0; i < t->n; i++)
        if (t->leaf[i]->dtype == F32) {
            data[n] = t->data[i];
            out[n++] = t->leaf[i];
        }
    return n;
}

Graph64 *trial_reference(const Trial *t)
{
    Graph64 *v = graph64_new(t->arena, t->g, 3);
    for (int i = 0; i < t->n; i++) graph64_bind(v, t->leaf[i], t->data[i]);
    return v;
}

Node *trial_mix(Trial *t, Node *x)
{
    t->low = -1, t->high = 1;
    return sum(t->g, mul(t->g, x, trial_real(t, x->shape)), ALL_AXES, false);
}

/* -- Elementwise ops, by their rows */

/* Far from the points where piecewise ops break: multiples of 1/4, and equal arguments. */
static void avoid_kinks(Trial *t, double low, double high)
{
    for (int k = 0; k < t->n; k++)
        for (int64_t i = 0; i < shape_count(&t->leaf[k]->shape); i++) {
            double *x = &t->data[k][i];
            while (fabs(4 * *x - rint(4 * *x)) < 0.05 || (k > 0 && fabs(*x - t->data[0][i]) < 0.05))
                *x = (double)(float)(low + (high - low) * (double)pcg_uniform(&t->rng));
        }
}

static Node *map_case(Trial *t, const Op *op)
{
    const bool given = op->test.low != 0 || op->test.high != 0;
    Node *src[3];
    t->low = given ? op->test.low : -2;
    t->high = given ? op->test.high : 2;
    for (int i = 0; i < op->arity; i++) src[i] = trial_real(t, S(3, 7));
    if (op->test.kink) avoid_kinks(t, t->low, t->high);
    const OpArgs args = {
        .map = {-0.75f, 1.25f}
    };
    return graph_node(t->g, op, src, op->arity, &args, NULL);
}

static Node *where_case(Trial *t, int arg)
{
    Node *a = trial_real(t, S(4, 5)), *b = trial_real(t, S(5)), *c = trial_real(t, S(4, 1));
    (void)arg;
    return where(t->g, less(t->g, a, scalar(t->g, 0.1f)), mul(t->g, a, b), c);
}

static Node *equal_case(Trial *t, int arg)
{
    Node *a = to_float(t->g, trial_whole(t, S(4, 6), 3));
    Node *b = to_float(t->g, trial_whole(t, S(4, 6), 3));
    (void)arg;
    return add(t->g, equal(t->g, a, b), add(t->g, less(t->g, a, b), less_equal(t->g, a, b)));
}

static Node *chain_case(Trial *t, int arg)
{
    Node *x = trial_real(t, S(6, 4, 5)), *gain = trial_real(t, S(5)), *b = trial_real(t, S(4, 1));
    (void)arg;
    Node *y = mul(t->g, gelu(t->g, add(t->g, mul(t->g, x, gain), b)), sigmoid(t->g, x));
    return sum(t->g, square(t->g, y), 1u << 1, false);
}

/* The scaled values can take x's memory while the sum still reads x; no gradient keeps x. */
static Node *in_place_case(Trial *t, int arg)
{
    Node *x = matmul(t->g, trial_real(t, S(6, 4)), trial_real(t, S(4, 5)), false, false);
    (void)arg;
    Node *parts[] = {reshape(t->g, affine(t->g, x, 2, 1), S(30)), sum(t->g, x, 1, false)};
    return concat(t->g, parts, 2, 0);
}

/* -- Gradients that are not derivatives */

static Node *straight_through_case(Trial *t, int arg)
{
    Node *x = trial_real(t, S(4, 5));
    (void)arg;
    return straight_through(t->g, round_node(t->g, x), square(t->g, x));
}

static Node *stop_gradient_case(Trial *t, int arg)
{
    Node *x = trial_real(t, S(4, 5));
    (void)arg;
    return mul(t->g, x, stop_gradient(t->g, square(t->g, x)));
}

/* -- Reductions and shapes */

static Node *sum_case(Trial *t, int axes)
{
    return sum(t->g, square(t->g, trial_real(t, S(3, 2, 4, 2))), (unsigned)axes, false);
}

static Node *mean_case(Trial *t, int axes)
{
    return mean(t->g, trial_real(t, S(3, 2, 4, 2)), (unsigned)axes, true);
}

static Node *max_case(Trial *t, int axes)
{
    return max_reduce(t->g, trial_real(t, S(3, 2, 4, 2)), (unsigned)axes, true);
}

static Node *broadcast_case(Trial *t, int arg)
{
    const Shape from[] = {S(4), S(3, 1), S(2, 1, 1), S(1, 3, 4), {0}};
    return broadcast(t->g, trial_real(t, from[arg]), S(2, 3, 4));
}

static Node *permute_case(Trial *t, int arg)
{
    static const int perm[][4] = {
        {1, 0, 2, 3},
        {0, 3, 1, 2},
        {3, 2, 1, 0}
    };
    return permute(t->g, trial_real(t, S(2, 3, 4, 2)), perm[arg]);
}

static Node *slice_case(Trial *t, int axis)
{
    Node *x = trial_real(t, S(3, 4, 5));
    return slice(t->g, square(t->g, x), axis, 1, 2);
}

static Node *pad_case(Trial *t, int axis)
{
    return pad_zero(t->g, trial_real(t, S(2, 3, 2)), axis, 2, 1);
}

static Node *concat_case(Trial *t, int axis)
{
    Node *x = trial_real(t, S(2, 3, 2)), *y = trial_real(t, S(2, 3, 2));
    Node *parts[] = {x, square(t->g, y), x};
    return concat(t->g, parts, 3, axis);
}

static Node *transpose_case(Trial *t, int arg)
{
    (void)arg;
    return reshape(t->g, transpose(t->g, trial_real(t, S(2, 3, 4))), S(-1, 6));
}

/* -- Rows by index */

static Node *gather_case(Trial *t, int arg)
{
    Node *table = trial_real(t, arg ? S(5, 2, 3) : S(5)), *index = trial_whole(t, S(3, 4), 5);
    return gather(t->g, table, index);
}

static Node *scatter_case(Trial *t, int arg)
{
    Node *x = trial_real(t, arg ? S(3, 4, 2) : S(3, 4)), *index = trial_whole(t, S(3, 4), 5);
    return scatter_add(t->g, x, index, 6);
}

static Node *argmax_case(Trial *t, int arg)
{
    (void)arg;
    return to_float(t->g, argmax(t->g, trial_real(t, S(4, 9))));
}

/* -- Products */

enum { TRANS_A = 1, TRANS_B = 2, BATCH_A = 4, BATCH_B = 8 };

static Node *matmul_case(Trial *t, int arg)
{
    const bool ta = arg & TRANS_A, tb = arg & TRANS_B;
    Shape a = ta ? S(3, 2, 4, 3) : S(3, 2, 3, 4), b = tb ? S(3, 2, 5, 4) : S(3, 2, 4, 5);
    if (!(arg & BATCH_A)) a = S(a.dim[2], a.dim[3]);
    if (!(arg & BATCH_B)) b = S(b.dim[2], b.dim[3]);
    Node *left = trial_real(t, a), *right = trial_real(t, b);
    return matmul(t->g, left, right, ta, tb);
}

static Node *matmul_bf16_case(Trial *t, int arg)
{
    const bool ta = arg & 1, tb = arg & 2;
    Node *left = trial_real(t, ta ? S(9, 6) : S(6, 9));
    return matmul_bf16(t->g, left, trial_real(t, tb ? S(35, 9) : S(9, 35)), ta, tb);
}

/* Codes of all 32 bits in random order, one group a row or several; scales are no leaf, since they
 * get no gradient. */
static Node *quantised_case(Trial *t, int arg)
{
    const int64_t out = 37, in = 32, groups = arg & 2 ? 4 : 1, per_word = arg & 1 ? 8 : 4;
    float scale[37 * 4];
    for (int i = 0; i < 37 * 4; i++) scale[i] = 0.02f + 0.1f * pcg_uniform(&t->rng);
    Node *x = arg & 4 ? trial_real(t, S(2, 3, in)) : trial_real(t, S(5, in));
    Node *codes = trial_whole(t, S(out, in / per_word), 0x7fffffff);
    for (int64_t i = 0; i < out * in / per_word; i += 2) t->data[t->n - 1][i] *= -1;
    Node *scales = constant(t->g, S(out, groups), scale);
    return (arg & 1 ? matmul_nf4 : matmul_q8)(t->g, x, codes, scales);
}

/* With one row, either product could be the other's bias. */
static Node *two_products_case(Trial *t, int rows)
{
    Node *a = matmul(t->g, trial_real(t, S(rows + 1, 4)), trial_real(t, S(4, 5)), false, false);
    Node *b = matmul(t->g, trial_real(t, S(rows + 1, 3)), trial_real(t, S(3, 5)), false, false);
    return silu(t->g, add(t->g, a, b));
}

static Node *linear_case(Trial *t, int arg)
{
    Node *(*const activation[])(Graph *, Node *) = {relu, gelu,    gelu_tanh,
                                                    silu, sigmoid, tanh_node};
    const int rank = arg % 3 + 1;
    Node *x = trial_real(t, rank == 1 ? S(4) : rank == 2 ? S(3, 4) : S(2, 3, 4));
    Node *w = trial_real(t, S(5, 4)), *b = trial_real(t, S(5));
    return activation[arg % 6](t->g, linear(t->g, x, w, arg < 6 ? b : NULL));
}

static const struct {
    Shape x, w;
    Conv2d conv;
} conv_forms[] = {
    {{4, {2, 5, 4, 3}}, {4, {4, 3, 3, 3}}, {.pad = {1, 1}}                               },
    {{4, {1, 6, 5, 2}}, {4, {3, 2, 3, 2}}, {.stride = {2, 1}, .pad = {1, 0}}             },
    {{4, {2, 7, 6, 2}}, {4, {2, 2, 2, 3}}, {.dilation = {2, 2}, .pad = {1, 2}}           },
    {{4, {2, 4, 4, 4}}, {4, {6, 2, 3, 3}}, {.groups = 2, .pad = {1, 1}}                  },
    {{4, {2, 5, 4, 3}}, {4, {3, 1, 3, 3}}, {.groups = 3, .pad = {1, 1}, .stride = {2, 2}}},
    {{4, {2, 3, 3, 4}}, {4, {5, 4, 1, 1}}, {.stride = {1, 1}}                            },
    {{4, {2, 4, 4, 2}}, {4, {4, 1, 3, 3}}, {.groups = 2, .pad = {1, 1}}                  },
};

static Node *conv_case(Trial *t, int arg)
{
    Node *x = trial_real(t, conv_forms[arg].x), *w = trial_real(t, conv_forms[arg].w);
    return conv2d(t->g, x, w, conv_forms[arg].conv);
}

/* -- Pooling */

static const Pool2d pool_forms[] = {
    {.kernel = {2, 2}},
    { .kernel = {3, 3},                 .stride = {2, 2}, .pad = {1, 1}},
    { .kernel = {3, 2}, .stride = {1, 2},                   .pad = {1, 1}, .exclude_pad = true},
};

static Node *max_pool_case(Trial *t, int arg)
{
    return max_pool2d(t->g, trial_real(t, S(2, 5, 6, 2)), pool_forms[arg]);
}

static Node *avg_pool_case(Trial *t, int arg)
{
    return avg_pool2d(t->g, trial_real(t, S(2, 5, 6, 2)), pool_forms[arg]);
}

static Node *global_pool_case(Trial *t, int arg)
{
    (void)arg;
    return global_avg_pool(t->g, square(t->g, trial_real(t, S(2, 3, 4, 2))));
}

/* -- Norms */

enum { GAIN = 1, BIAS = 2, RUNNING = 4 };

static Node *batch_norm_case(Trial *t, int arg)
{
    Node *x = trial_real(t, S(2, 3, 2, 3)), *mean, *variance;
    Node *gain = arg & GAIN ? trial_real(t, S(3)) : NULL,
         *bias = arg & BIAS ? trial_real(t, S(3)) : NULL;
    if (arg & RUNNING) {
        t->low = 0.5;
        mean = trial_real(t, S(3));
        variance = trial_real(t, S(3));
    } else {
        batch_moments(t->g, x, &mean, &variance);
    }
    Node *rstd = rsqrt(t->g, affine(t->g, variance, 1, 1e-5f));
    return batch_norm(t->g, x, gain, bias, mean, rstd, !(arg & RUNNING));
}

static Node *moments_case(Trial *t, int arg)
{
    Node *moments[2];
    (void)arg;
    batch_moments(t->g, trial_real(t, S(2, 3, 2, 3)), &moments[0], &moments[1]);
    return concat(t->g, moments, 2, 0);
}

static Node *layer_norm_case(Trial *t, int arg)
{
    Node *x = trial_real(t, S(2, 3, 5));
    Node *gain = arg & GAIN ? trial_real(t, S(5)) : NULL,
         *bias = arg & BIAS ? trial_real(t, S(5)) : NULL;
    return layer_norm(t->g, x, gain, bias, 1e-3f);
}

static Node *rms_norm_case(Trial *t, int arg)
{
    Node *x = trial_real(t, S(2, 3, 5)), *gain = arg & GAIN ? trial_real(t, S(5)) : NULL;
    return rms_norm(t->g, x, gain, 1e-3f);
}

/* -- Losses */

static Node *softmax_case(Trial *t, int arg)
{
    Node *x = trial_real(t, S(2, 3, 5));
    return arg ? log_softmax(t->g, x) : softmax(t->g, x);
}

static Node *cross_entropy_case(Trial *t, int arg)
{
    Node *x = trial_real(t, S(2, 3, 5)), *label = trial_whole(t, S(2, 3), 5);
    const float smoothing = arg & 1 ? 0.125f : 0; /* label 1 is ignored in half of the cases */
    return cross_entropy(t->g, x, label, smoothing, arg & 2 ? 1 : -1);
}

/* -- Attention */

typedef enum BiasForm {
    BIAS_NONE,
    BIAS_OF_HEADS,   /* (H, T, S) */
    BIAS_OF_BATCH,   /* (2, 1, T, S) */
    BIAS_OF_KEYS,    /* (2, H, 1, S) */
    BIAS_ALL_SHARED, /* (T, S) */
    BIAS_BY_BUCKET,  /* rows of a table, as relative positions have it */
} BiasForm;

typedef enum TurnForm { TURN_NONE, TURN_HALVES, TURN_NEIGHBOURS } TurnForm;

// clang-format off
static const struct {
    int64_t t, s, heads, kv_heads, d;
    Attend how;
    BiasForm bias;
    bool lengths, slopes;
    TurnForm turn;
} attention_forms[] = {
    {3, 4, 1, 1, 5, {.scale = 0},                            BIAS_NONE,        false, false, TURN_NONE},
    {5, 5, 2, 2, 4, {.causal = true},                        BIAS_NONE,        false, false, TURN_NONE},
    {2, 5, 4, 2, 3, {.causal = true, .offset = 3},           BIAS_NONE,        false, false, TURN_NONE},
    {4, 4, 2, 1, 2, {.scale = 0.5f, .cap = 1.5f},            BIAS_OF_HEADS,    false, false, TURN_NONE},
    {5, 6, 2, 2, 3, {.window = 2, .offset = 1},              BIAS_NONE,        true,  true,  TURN_NONE},
    {4, 6, 2, 1, 3, {.window = 3, .causal = true, .cap = 2}, BIAS_OF_HEADS,    true,  false, TURN_NONE},
    {3, 2, 1, 1, 2, {.causal = true, .offset = -1},          BIAS_NONE,        false, false, TURN_NONE}, /* a row sees nothing */
    {3, 4, 2, 2, 3, {.dropout = 0.4f, .seed = 3},            BIAS_OF_BATCH,    false, false, TURN_NONE},
    {3, 3, 2, 1, 4, {.causal = true},                        BIAS_OF_KEYS,     false, false, TURN_HALVES},
    {2, 4, 2, 2, 6, {.causal = true, .offset = 2},           BIAS_ALL_SHARED,  false, false, TURN_NEIGHBOURS},
    {1, 5, 2, 1, 4, {.offset = 4, .keys_turned = true},      BIAS_NONE,        true,  true,  TURN_HALVES},
    {3, 3, 2, 1, 4, {.dropout = 0.5f, .cap = 2},             BIAS_BY_BUCKET,   false, false, TURN_NEIGHBOURS},
};
// clang-format on
enum { ATTENTION_FORMS = sizeof attention_forms / sizeof attention_forms[0] };

/* (H, T, S) out of a table of 4 buckets. */
static Node *bucket_bias(Trial *t, int64_t heads, int64_t T, int64_t s)
{
    const int perm[] = {2, 0, 1};
    Node *table = trial_real(t, S(4, heads));
    return permute(t->g, gather(t->g, table, trial_whole(t, S(T, s), 4)), perm);
}

static Node *attention_bias(Trial *t, BiasForm form, int64_t heads, int64_t T, int64_t s)
{
    switch (form) {
    case BIAS_OF_HEADS:
        return trial_real(t, S(heads, T, s));
    case BIAS_OF_BATCH:
        return trial_real(t, S(2, 1, T, s));
    case BIAS_OF_KEYS:
        return trial_real(t, S(2, heads, 1, s));
    case BIAS_ALL_SHARED:
        return trial_real(t, S(T, s));
    case BIAS_BY_BUCKET:
        return bucket_bias(t, heads, T, s);
    default:
        return NULL;
    }
}

static Node *attention_case(Trial *t, int arg)
{
    static const float slopes[2] = {0.25f, 0.0625f};
    const int64_t T = attention_forms[arg].t, s = attention_forms[arg].s,
                  heads = attention_forms[arg].heads, kv_heads = attention_forms[arg].kv_heads,
                  d = attention_forms[arg].d;
    const TurnForm turn = attention_forms[arg].turn;
    Attend how = attention_forms[arg].how;
    Node *q = trial_real(t, S(2, T, heads, d)), *k = trial_real(t, S(2, s, kv_heads, d)),
         *v = trial_real(t, S(2, s, kv_heads, d));
    how.bias = attention_bias(t, attention_forms[arg].bias, heads, T, s);
    if (attention_forms[arg].lengths) how.lengths = trial_whole(t, S(2), (uint32_t)s + 1);
    if (attention_forms[arg].slopes) how.slopes = slopes;
    if (turn != TURN_NONE) how.rope = rope_table(t->g, 6, 4, 1, 100, 1.5);
    how.rope_interleaved = turn == TURN_NEIGHBOURS;
    return attention(t->g, q, k, v, how);
}

static Node *rope_case(Trial *t, int arg)
{
    Node *table = rope_table(t->g, 3, arg & 1 ? 4 : 6, 2, 100, 1.5);
    return rope(t->g, trial_real(t, S(2, 3, 2, 6)), table, arg & 2);
}

/* -- Over time */

enum { REVERSE = 1, STATES = 2, NO_BIAS = 4 };

static RecurrentWeights recurrent_weights(Trial *t, int64_t rows, int64_t inputs, int arg)
{
    const int64_t H = 3;
    Node *ih = trial_real(t, S(rows, inputs)), *hh = trial_real(t, S(rows, H));
    if (arg & NO_BIAS) return (RecurrentWeights){ih, hh, NULL, NULL};
    Node *b_ih = trial_real(t, S(rows)), *b_hh = trial_real(t, S(rows));
    return (RecurrentWeights){ih, hh, b_ih, b_hh};
}

/* All states and the last ones, along time. */
static Node *recurrent_case(Trial *t, int arg, bool is_lstm)
{
    Node *x = trial_real(t, S(2, 3, 2)), *h0 = NULL, *c0 = NULL;
    t->low = -0.9, t->high = 0.9;
    RecurrentWeights w = recurrent_weights(t, is_lstm ? 12 : 9, 2, arg);
    if (arg & STATES) h0 = trial_real(t, S(2, 3));
    if (arg & STATES && is_lstm) c0 = trial_real(t, S(2, 3));
    const RecurrentValues v =
        is_lstm ? lstm(t->g, x, w, h0, c0, arg & REVERSE) : gru(t->g, x, w, h0, arg & REVERSE);
    Node *parts[] = {v.h, reshape(t->g, v.h_last, S(2, 1, 3)), v.h};
    if (is_lstm) parts[2] = reshape(t->g, v.c_last, S(2, 1, 3));
    return concat(t->g, parts, is_lstm ? 3 : 2, 1);
}

static Node *lstm_case(Trial *t, int arg)
{
    return recurrent_case(t, arg, true);
}

static Node *gru_case(Trial *t, int arg)
{
    return recurrent_case(t, arg, false);
}

enum { CONSTANT = 4, COMPLEX = 8 };

static Node *scan_case(Trial *t, int arg)
{
    const Shape rows = arg & COMPLEX ? S(2, 4, 2, 3) : S(2, 4, 3),
                row = arg & COMPLEX ? S(2, 3) : S(3), state = arg & COMPLEX ? S(2, 2, 3) : S(2, 3);
    Node *a = trial_real(t, arg & CONSTANT ? row : rows), *b = trial_real(t, rows);
    Node *h0 = arg & STATES ? trial_real(t, state) : NULL;
    return scan(t->g, a, b, h0, arg & REVERSE);
}

static Node *short_conv_case(Trial *t, int arg)
{
    static const int64_t taps[] = {2, 4, 7};
    Node *x = trial_real(t, S(2, 5, 3)), *w = trial_real(t, S(3, taps[arg % 3]));
    return short_conv(t->g, x, w, arg < 3 ? NULL : trial_real(t, S(3)), arg == 5);
}

/* -- Long convolutions and the real transform */

enum { GATE = 6, FIXED = 12 }; /* arg: reach + 3 skip + 6 gate, or + 12 with k or u fixed */

static Node *long_conv_case(Trial *t, int arg)
{
    const LongConvReach reach = (LongConvReach)(arg % 3);
    const Shape u = S(2, 3, 7);
    const Shape taps = reach == REACH_TWO_SIDED ? S(2, 3, 5) : S(3, 5);
    const bool fixed = arg >= FIXED, skip = arg / 3 % 2;
    Node *x = fixed && skip ? to_float(t->g, trial_whole(t, u, 3)) : trial_real(t, u);
    Node *k = fixed && !skip ? to_float(t->g, trial_whole(t, taps, 3)) : trial_real(t, taps);
    Node *d = skip ? trial_real(t, S(3)) : NULL,
         *gate = arg >= GATE && !fixed ? trial_real(t, u) : NULL;
    return long_conv(t->g, x, k, d, gate, reach);
}

static Node *rfft_case(Trial *t, int arg)
{
    static const int64_t lengths[] = {1, 2, 5, 8, 12};
    return rfft(t->g, trial_real(t, S(2, lengths[arg])));
}

static Node *irfft_case(Trial *t, int arg)
{
    static const int64_t lengths[] = {1, 2, 5, 8, 12};
    return irfft(t->g, trial_real(t, S(3, lengths[arg] / 2 + 1, 2)), lengths[arg]);
}

/* -- Random numbers */

static Node *dropout_case(Trial *t, int arg)
{
    (void)arg;
    Node *x = trial_real(t, S(4, 10));
    return add(t->g, dropout(t->g, x, 0.25f, 1, 2), random_uniform(t->g, x->shape, 1, 3));
}

/* -- The list */

typedef struct GraphCase {
    const char *group, *name;
    Node *(*build)(Trial *t, int arg);
    int n_args; /* arg runs over 0..n_args-1 */
    bool not_smooth;
} GraphCase;

// clang-format off
static const GraphCase cases[] = {
    {"map",     "where",            where_case,            1,               false},
    {"map",     "comparisons",      equal_case,            1,               false},
    {"map",     "chain",            chain_case,            1,               false},
    {"map",     "in_place",         in_place_case,         1,               false},
    {"map",     "straight_through", straight_through_case, 1,               true },
    {"map",     "stop_gradient",    stop_gradient_case,    1,               true },
    {"reduce",  "sum",              sum_case,              16,              false},
    {"reduce",  "mean",             mean_case,             16,              false},
    {"reduce",  "max_reduce",       max_case,              16,              false},
    {"move",    "broadcast",        broadcast_case,        5,               false},
    {"move",    "permute",          permute_case,          3,               false},
    {"move",    "slice",            slice_case,            3,               false},
    {"move",    "pad",              pad_case,              3,               false},
    {"move",    "concat",           concat_case,           3,               false},
    {"move",    "transpose",        transpose_case,        1,               false},
    {"index",   "gather",           gather_case,           2,               false},
    {"index",   "scatter_add",      scatter_case,          2,               false},
    {"index",   "argmax",           argmax_case,           1,               false},
    {"product", "matmul",           matmul_case,           16,              false},
    {"product", "matmul_bf16",      matmul_bf16_case,      4,               true },
    {"product", "quantised",        quantised_case,        8,               false},
    {"product", "two_products",     two_products_case,     2,               false},
    {"product", "linear",           linear_case,           12,              false},
    {"conv",    "conv2d",           conv_case,             7,               false},
    {"pool",    "max_pool",         max_pool_case,         3,               false},
    {"pool",    "avg_pool",         avg_pool_case,         3,               false},
    {"pool",    "global_avg_pool",  global_pool_case,      1,               false},
    {"norm",    "batch_norm",       batch_norm_case,       8,               false},
    {"norm",    "batch_moments",    moments_case,          1,               false},
    {"norm",    "layer_norm",       layer_norm_case,       4,               false},
    {"norm",    "rms_norm",         rms_norm_case,         2,               false},
    {"loss",    "softmax",          softmax_case,          2,               false},
    {"loss",    "cross_entropy",    cross_entropy_case,    4,               false},
    {"attend",  "attention",        attention_case,        ATTENTION_FORMS, false},
    {"attend",  "rope",             rope_case,             4,               false},
    {"time",    "lstm",             lstm_case,             8,               false},
    {"time",    "gru",              gru_case,              8,               false},
    {"time",    "scan",             scan_case,             16,              false},
    {"time",    "short_conv",       short_conv_case,       6,               false},
    {"seqconv", "long_conv",        long_conv_case,        18,              false},
    {"seqconv", "rfft",             rfft_case,             5,               false},
    {"seqconv", "irfft",            irfft_case,            5,               false},
    {"random",  "dropout",          dropout_case,          1,               false},
};
// clang-format on
enum { N_CASES = sizeof cases / sizeof cases[0] };

/* Splits a number into a row of the list and its argument, or the map op past the list. */
static const GraphCase *find_case(int i, int *arg, const Op **op)
{
    for (int k = 0; k < N_CASES; i -= cases[k++].n_args)
        if (i < cases[k].n_args) {
            *arg = i;
            return &cases[k];
        }
    for (int k = 0; k < N_OPS; k++) {
        const bool is_map = op_table[k]->kind == OP_MAP && op_table[k] != &op_to_float;
        if (is_map && i-- == 0) *op = op_table[k];
    }
    return NULL;
}

int graph_case_count(void)
{
    int n = 0;
    for (int k = 0; k < N_CASES; k++) n += cases[k].n_args;
    for (int k = 0; k < N_OPS; k++) n += op_table[k]->kind == OP_MAP && op_table[k] != &op_to_float;
    return n;
}

const char *graph_case_name(int i)
{
    int arg;
    const Op *op = NULL;
    const GraphCase *c = find_case(i, &arg, &op);
    return c ? c->name : op->name;
}

const char *graph_case_group(int i)
{
    int arg;
    const Op *op = NULL;
    const GraphCase *c = find_case(i, &arg, &op);
    return c ? c->group : "map";
}

bool graph_case_is_smooth(int i)
{
    int arg;
    const Op *op = NULL;
    const GraphCase *c = find_case(i, &arg, &op);
    return !c || !c->not_smooth;
}

Trial trial_new(int i)
{
    int arg;
    const Op *op = NULL;
    const GraphCase *c = find_case(i, &arg, &op);
    Trial t = trial_empty(100 + (uint64_t)i);
    t.y = c ? c->build(&t, arg) : map_case(&t, op);
    trial_check(&t);
    return t;
}
