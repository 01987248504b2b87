/* adalora -- low-rank adapters whose ranks a budget deals out among the layers while they are
 * trained (Zhang et al. 2023, arXiv 2303.10512).
 *
 *   y = x W^T + s ((x A^T) * E) B^T,  A (r, in), E (r, 1), B (out, r),  s = alpha / (r + 1e-5)
 *   loss + orth_reg / n  sum |A A^T - I|_F + |B^T B - I|_F, over the n matrices A and B
 *
 * A, B start normal with deviation 0.02, E with zeros. After update t, of every element p of the
 * three with gradient g:
 *
 *   I' = |p g|;  I = beta1 I + (1 - beta1) I';  U = beta2 U + (1 - beta2) |I' - I|
 *
 * and the score of triplet i is I U of E_i, plus the means of I U over row i of A and column i of
 * B. Every delta_t updates, E_i becomes 0 where the score is not above the k-th lowest of all
 * layers', k = the first ranks less the budget
 *
 *   budget(t) = target + (first - target) (1 - (t - tinit) / (T - tfinal - tinit))^3
 *
 * so that E_i may come back. Update T - tfinal deals out for good. T is all updates of the run. The
 * order of events, and what counts as an equal score, are those of PEFT's RankAllocator, where the
 * gradient is that of the loss with the regulariser; here it is the one before any clipping. */
#include "methods/peft/adapter.h"

#include <math.h>
#include <string.h>

typedef struct Adalora {
    AdapterSite site;
    int64_t rank, target_rank, delta_t;
    Steps tinit, tfinal;
    double alpha, beta1, beta2, orth_reg;
} Adalora;

/* What a layer has, in the order in which it is made: one behind the other in Params. */
enum { A, E, B, N_FACTORS };
enum { TENSOR_AVERAGE = N_FACTORS, TENSOR_CHANGE = 2 * N_FACTORS };
enum { TENSOR_SCORE = 3 * N_FACTORS, TENSOR_KEPT, N_TENSORS };

typedef struct Triplets {
    Param *factor[N_FACTORS];
    Param *average[N_FACTORS], *change[N_FACTORS]; /* I and U */
    Param *score, *kept;                           /* (r); kept: 1 or 0, once dealt out for good */
} Triplets;

static const char *const factor_suffix[N_FACTORS] = {".lora_A", ".lora_E", ".lora_B"};
static const char *const average_suffix[N_FACTORS] = {".lora_A_sensitivity", ".lora_E_sensitivity",
                                                      ".lora_B_sensitivity"};
static const char *const change_suffix[N_FACTORS] = {".lora_A_uncertainty", ".lora_E_uncertainty",
                                                     ".lora_B_uncertainty"};

/* -- The network */

static Node *adalora_parametrize(const MethodCall *c, const ModelBuild *b, Param *p, Node *w)
{
    (void)b;
    const Adalora *o = c->options;
    adapter_freeze(c, &o->site, p);
    return w;
}

/* All that is in Triplets: a run that goes on finds it in the checkpoint. */
static void make_triplets(const MethodCall *c, const ModelBuild *b, const LinearProduct *l,
                          Param *factor[N_FACTORS])
{
    const Adalora *o = c->options;
    const Shape s[N_FACTORS] = {shape(2, o->rank, adapter_in(l)), shape(2, o->rank, INT64_C(1)),
                                shape(2, adapter_out(l), o->rank)};
    for (int i = 0; i < N_FACTORS; i++) {
        const Init normal = {.kind = INIT_NORMAL, .a = 0.02}, zeros = {.kind = INIT_ZEROS};
        factor[i] = adapter_param(c, b, l, factor_suffix[i], s[i], i == E ? zeros : normal);
    }
    for (int i = 0; i < N_FACTORS; i++) (void)adapter_buffer(c, b, l, average_suffix[i], s[i]);
    for (int i = 0; i < N_FACTORS; i++) (void)adapter_buffer(c, b, l, change_suffix[i], s[i]);
    (void)adapter_buffer(c, b, l, ".lora_E_score", shape(1, o->rank));
    (void)adapter_buffer(c, b, l, ".lora_E_kept", shape(1, o->rank));
}

static Node *adalora_product(const MethodCall *c, const ModelBuild *b, const LinearProduct *l,
                             Node *y)
{
    const Adalora *o = c->options;
    if (!adapter_is_target(&o->site, l->p)) return y;
    Graph *g = b->graph;
    Param *factor[N_FACTORS];
    make_triplets(c, b, l, factor);
    Node *values = reshape(g, param_node(g, factor[E]), shape(1, o->rank));
    values = affine(g, values, (float)(o->alpha / ((double)o->rank + 1e-5)), 0);
    Node *low =
        mul(g, linear(g, adapter_input(&o->site, b, l), param_node(g, factor[A]), NULL), values);
    return add(g, linear(g, low, param_node(g, factor[B]), NULL), y);
}

static void adalora_buffers(const MethodCall *c, Graph *g)
{
    const Adalora *o = c->options;
    if (o->target_rank > o->rank)
        (void)graph_fail(g, "method 'adalora': target_rank is %lld, above rank %lld",
                         (long long)o->target_rank, (long long)o->rank);
    adapter_check(c, &o->site, g);
}

/* The triplets whose A is `p`; false where it is none. */
static bool triplets_at(Param *p, Triplets *t)
{
    if (!p->adapter || !adapter_ends(p, factor_suffix[A])) return false;
    Param *at[N_TENSORS];
    for (int i = 0; i < N_TENSORS; i++, p = p->next) at[i] = p;
    memcpy(t->factor, at, sizeof t->factor);
    memcpy(t->average, at + TENSOR_AVERAGE, sizeof t->average);
    memcpy(t->change, at + TENSOR_CHANGE, sizeof t->change);
    t->score = at[TENSOR_SCORE];
    t->kept = at[TENSOR_KEPT];
    return true;
}

/* |A A^T - I|_F, or |B^T B - I|_F. Its gradient is 0 where it is 0. */
static Node *skewness(Graph *g, Param *p, bool columns)
{
    Node *w = param_node(g, p), *products = matmul(g, w, w, columns, !columns);
    const int64_t r = products->shape.dim[0];
    float *eye = arena_new_array(g->arena, float, r *r);
    for (int64_t i = 0; i < r; i++) eye[i * r + i] = 1;
    Node *off = sub(g, products, constant(g, products->shape, eye));
    Node *squares = sum(g, square(g, off), ALL_AXES, false);
    return square_root(g, maximum(g, squares, scalar(g, 1e-20F)));
}

static Node *adalora_loss(const MethodCall *c, const LossCall *l, Node *loss)
{
    const Adalora *o = c->options;
    Graph *g = l->graph;
    Node *all = NULL;
    int n = 0;
    for (Param *p = c->params->first; p; p = p->next) {
        Triplets t;
        if (!triplets_at(p, &t)) continue;
        Node *both = add(g, skewness(g, t.factor[A], false), skewness(g, t.factor[B], true));
        all = all ? add(g, all, both) : both;
        n += 2;
    }
    if (!all || o->orth_reg == 0) return loss;
    return add(g, loss, affine(g, all, (float)(o->orth_reg / n), 0));
}

/* -- The schedule */

static bool adalora_transform(const MethodCall *c, Error *err)
{
    const Adalora *o = c->options;
    const int64_t tinit = steps_resolve(o->tinit, c->steps_per_epoch);
    const int64_t tfinal = steps_resolve(o->tfinal, c->steps_per_epoch);
    if (tinit < c->total_steps - tfinal) return true;
    return fail(
        err, FAIL_CONFIG, NULL,
        "method 'adalora': tinit (%lld) and tfinal (%lld) leave none of %lld steps in which "
        "ranks are dealt out",
        (long long)tinit, (long long)tfinal, (long long)c->total_steps);
}

/* Ranks of all layers after update t, tinit < t <= T - tfinal. */
static int64_t budget(const Adalora *o, int64_t layers, int64_t since, int64_t span)
{
    const double left = 1 - (double)since / (double)span;
    const int64_t first = o->rank * layers, target = o->target_rank * layers;
    return (int64_t)((double)(first - target) * (left * left * left) + (double)target);
}

static void follow(const Adalora *o, const Triplets *t)
{
    const float b1 = (float)o->beta1, b2 = (float)o->beta2;
    const float rest1 = (float)(1 - o->beta1), rest2 = (float)(1 - o->beta2);
    for (int f = 0; f < N_FACTORS; f++) {
        const Param *p = t->factor[f];
        float *average = t->average[f]->data, *change = t->change[f]->data;
        for (int64_t i = 0; i < p->n; i++) {
            const float now = fabsf(p->data[i] * p->grad[i]);
            average[i] = b1 * average[i] + rest1 * now;
            change[i] = b2 * change[i] + rest2 * fabsf(now - average[i]);
        }
    }
}

/* Of n elements from `first`, `stride` apart. */
static double mean_score(const Triplets *t, int f, int64_t first, int64_t stride, int64_t n)
{
    const float *average = t->average[f]->data + first, *change = t->change[f]->data + first;
    double total = 0;
    for (int64_t i = 0; i < n; i++) total += (double)(average[i * stride] * change[i * stride]);
    return total / (double)n;
}

static void score(const Triplets *t)
{
    const int64_t r = t->score->n, in = t->factor[A]->n / r, out = t->factor[B]->n / r;
    for (int64_t i = 0; i < r; i++)
        t->score->data[i] = (float)(mean_score(t, E, i, 1, 1) + mean_score(t, A, i * in, 1, in) +
                                    mean_score(t, B, i, r, out));
}

static int64_t count_up_to(const MethodCall *c, float threshold)
{
    int64_t n = 0;
    for (Param *p = c->params->first; p; p = p->next) {
        Triplets t;
        if (!triplets_at(p, &t)) continue;
        for (int64_t i = 0; i < t.score->n; i++) n += t.score->data[i] <= threshold;
    }
    return n;
}

/* The k-th lowest score, k >= 1. Scores are not negative, so that their bits, as integers, are in
 * their order: the lowest number of which k scores are not above it is found bit by bit. */
static float kth_lowest(const MethodCall *c, int64_t k)
{
    uint32_t below = 0; /* the highest bits of the answer so far */
    float threshold;
    for (int bit = 30; bit >= 0; bit--) {
        const uint32_t all_ones = below | ((UINT32_C(1) << bit) - 1);
        memcpy(&threshold, &all_ones, sizeof threshold);
        if (threshold <= INFINITY && count_up_to(c, threshold) < k) below |= UINT32_C(1) << bit;
    }
    memcpy(&threshold, &below, sizeof threshold);
    return threshold;
}

/* Leaves `ranks` triplets of all, or fewer where scores are equal. */
static void deal_out(const MethodCall *c, int64_t n, int64_t ranks)
{
    const float threshold = n > ranks ? kth_lowest(c, n - ranks) : -1;
    for (Param *p = c->params->first; p; p = p->next) {
        Triplets t;
        if (!triplets_at(p, &t)) continue;
        for (int64_t i = 0; i < t.score->n; i++) {
            t.kept->data[i] = t.score->data[i] > threshold ? 1 : 0;
            if (t.kept->data[i] == 0) t.factor[E]->data[i] = 0;
        }
    }
}

static void adalora_after_step(const MethodCall *c)
{
    const Adalora *o = c->options;
    const int64_t tinit = steps_resolve(o->tinit, c->steps_per_epoch);
    const int64_t last = c->total_steps - steps_resolve(o->tfinal, c->steps_per_epoch);
    const bool deals = c->step > tinit && (c->step == last || c->step % o->delta_t == 0);
    int64_t layers = 0;
    for (Param *p = c->params->first; p; p = p->next) {
        Triplets t;
        if (!triplets_at(p, &t)) continue;
        layers++;
        if (c->step < last) follow(o, &t);
        if (c->step <= last && deals) score(&t);
        for (int64_t i = 0; c->step > last && i < t.kept->n; i++)
            if (t.kept->data[i] == 0) t.factor[E]->data[i] = 0;
    }
    if (c->step <= last && deals)
        deal_out(c, o->rank * layers, budget(o, layers, c->step - tinit, last - tinit));
}

// clang-format off
static const Option adalora_options[] = {
    ADAPTER_OPTIONS,
    OPT_INT(Adalora, rank, 12, 1, 65536, "triplets of every layer at the start"),
    OPT_INT(Adalora, target_rank, 8, 1, 65536, "triplets that a layer has in the end, on average"),
    OPT_REAL(Adalora, alpha, 8, 0, 1e6, "B E A is scaled by alpha / rank"),
    OPT_STEPS(Adalora, tinit, "0", "updates before the budget shrinks"),
    OPT_STEPS(Adalora, tfinal, "0", "updates at the end with the last ranks"),
    OPT_INT(Adalora, delta_t, 1, 1, 1e9, "updates from one dealing out to the next"),
    OPT_REAL(Adalora, beta1, 0.85, 0, 0.999999, "memory of the sensitivity"),
    OPT_REAL(Adalora, beta2, 0.85, 0, 0.999999, "memory of how much it varies"),
    OPT_REAL(Adalora, orth_reg, 0.5, 0, 1e6, "weight of the term that keeps A's rows and B's columns orthogonal"),
};
// clang-format on

const Method method_adalora = {
    .name = "adalora",
    .family = "peft",
    .paper = "arXiv:2303.10512",
    .summary = "train low-rank factors whose ranks a shrinking budget deals out among the layers",
    .revision = 1,
    .options = OPTION_TABLE(Adalora, adalora_options),
    .buffers = adalora_buffers,
    .parametrize = adalora_parametrize,
    .product = adalora_product,
    .transform = adalora_transform,
    .loss = adalora_loss,
    .after_step = adalora_after_step,
};
