/* attention -- the kernels over several blocks against float64 written plainly here, and what
 * builders refuse. The formula op by op: tests/graph_cases.c. */
#include "tests/test.h"

#include "base/pcg.h"
#include "base/threads.h"
#include "cpu/cpu.h"
#include "graph/plan.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* -- One problem, its numbers, and the results of the kernels */

typedef struct Problem {
    AttentionGrad g;
    int64_t n_q, n_k, n_bias;
    float *memory, *lse, *y;
    int32_t length[4];
    void *scratch;
} Problem;

static float *take(float **at, int64_t n, Pcg *rng)
{
    float *here = *at;
    for (int64_t i = 0; rng && i < n; i++) here[i] = 2 * pcg_uniform(rng) - 1;
    *at += n;
    return here;
}

static Problem problem_new(Attention a, bool bias)
{
    Problem p = {.g = {.forward = a}};
    Attention *f = &p.g.forward;
    Pcg rng = pcg_seed(3, 5);
    p.n_q = a.batch * a.t * a.heads * a.d;
    p.n_k = a.batch * a.s * a.kv_heads * a.d;
    if (bias && f->bias_row == 0) f->bias_row = a.s, f->bias_head = a.t * a.s;
    p.n_bias = bias ? (f->bias_batch ? a.batch : 1) * a.heads * a.t * a.s : 0;
    const int64_t rows = a.batch * a.heads * a.t,
                  total = 4 * p.n_q + 4 * p.n_k + 2 * p.n_bias + rows;
    p.memory = malloc((size_t)total * sizeof(float));
    float *at = p.memory;
    assert_non_null(at);
    f->q = take(&at, p.n_q, &rng);
    f->k = take(&at, p.n_k, &rng);
    f->v = take(&at, p.n_k, &rng);
    p.g.dy = take(&at, p.n_q, &rng);
    if (bias) f->bias = take(&at, p.n_bias, &rng);
    if (bias) p.g.dbias = take(&at, p.n_bias, NULL);
    p.g.dq = take(&at, p.n_q, NULL);
    p.g.dk = take(&at, p.n_k, NULL);
    p.g.dv = take(&at, p.n_k, NULL);
    p.g.y = p.y = take(&at, p.n_q, NULL);
    p.g.lse = p.lse = take(&at, rows, NULL);
    return p;
}

static void problem_run(Problem *p)
{
    const size_t forward = cpu->attention_scratch(&p->g.forward),
                 backward = cpu->attention_grad_scratch(&p->g.forward);
    const size_t bytes = (forward > backward ? forward : backward) / 64 * 64 + 64;
    p->scratch = aligned_alloc(64, bytes);
    memset(p->scratch, 0x7f, bytes); /* huge numbers where nothing was written */
    cpu->attention(&p->g.forward, p->y, p->lse, p->scratch);
    cpu->attention_grad(&p->g, p->scratch);
    free(p->scratch);
}

/* -- The same in doubles */

typedef struct Want {
    double *y, *dq, *dk, *dv, *dbias;
} Want;

static int64_t row_of(int64_t b, int64_t n, int64_t i, int64_t heads, int64_t h, int64_t d)
{
    return ((b * n + i) * heads + h) * d;
}

static double dot(const float *x, const float *y, int64_t n)
{
    double s = 0;
    for (int64_t i = 0; i < n; i++) s += (double)x[i] * (double)y[i];
    return s;
}

static double cap_of(const Attention *a, double s, double *slope)
{
    const double c = (double)a->cap, t = c > 0 ? tanh(s / c) : 0;
    *slope = (double)a->scale * (1 - t * t);
    return c > 0 ? c * t : s;
}

static bool sees(const Attention *a, int64_t b, int64_t i, int64_t j)
{
    const int64_t far = i + a->offset - j;
    return !(a->length && j >= a->length[b]) && !(a->causal && far < 0) &&
           !(a->window && (far >= a->window || -far >= a->window));
}

/* What the weight of key j is multiplied with. */
static double kept_of(const Attention *a, int64_t b, int64_t h, int64_t i, int64_t j)
{
    if (a->keep == 0) return 1;
    Pcg rng = {a->random_state, a->random_inc};
    pcg_advance(&rng, (uint64_t)(((b * a->heads + h) * a->t + i) * a->s + j));
    return pcg_uniform(&rng) < a->keep ? 1 / (double)a->keep : 0;
}

static void want_query(const Problem *p, Want *w, int64_t b, int64_t h, int64_t i)
{
    const Attention *a = &p->g.forward;
    const int64_t g = h / (a->heads / a->kv_heads), q = row_of(b, a->t, i, a->heads, h, a->d);
    const int64_t bias = b * a->bias_batch + h * a->bias_head + i * a->bias_row;
    double *prob = calloc((size_t)(2 * a->s), sizeof *prob), *slope = prob + a->s, total = 0;
    for (int64_t j = 0; j < a->s; j++) {
        const int64_t k = row_of(b, a->s, j, a->kv_heads, g, a->d);
        double s = cap_of(a, (double)a->scale * dot(a->q + q, a->k + k, a->d), &slope[j]);
        if (a->bias) s += (double)a->bias[bias + j];
        if (a->slopes) s -= (double)a->slopes[h] * fabs((double)(i + a->offset - j));
        total += prob[j] = sees(a, b, i, j) ? exp(s) : 0;
    }
    double delta = 0;
    for (int64_t j = 0; j < a->s && total > 0; j++) {
        const int64_t k = row_of(b, a->s, j, a->kv_heads, g, a->d);
        const double kept = kept_of(a, b, h, i, j);
        prob[j] /= total;
        delta += prob[j] * kept * dot(p->g.dy + q, a->v + k, a->d);
        for (int64_t c = 0; c < a->d; c++) w->y[q + c] += prob[j] * kept * (double)a->v[k + c];
    }
    for (int64_t j = 0; j < a->s; j++) {
        const int64_t k = row_of(b, a->s, j, a->kv_heads, g, a->d), at = (h * a->t + i) * a->s + j;
        const double kept = kept_of(a, b, h, i, j);
        const double ds = prob[j] * (kept * dot(p->g.dy + q, a->v + k, a->d) - delta);
        if (a->bias) w->dbias[(a->bias_batch ? b * a->heads * a->t * a->s : 0) + at] += ds;
        for (int64_t c = 0; c < a->d; c++) {
            w->dq[q + c] += ds * slope[j] * (double)a->k[k + c];
            w->dk[k + c] += ds * slope[j] * (double)a->q[q + c];
            w->dv[k + c] += prob[j] * kept * (double)p->g.dy[q + c];
        }
    }
    free(prob);
}

static void assert_all_near(const char *what, const float *got, const double *want, int64_t n)
{
    double scale = 0.1;
    for (int64_t i = 0; i < n; i++) scale = fmax(scale, fabs(want[i]));
    /* sums of up to a few hundred terms, whose factors have errors of some 10 roundings */
    const double most = 30 * (double)FLT_EPSILON * scale;
    for (int64_t i = 0; i < n; i++) {
        if (!(fabs((double)got[i] - want[i]) <= most))
            print_error("%s[%d]: %.9g, not %.9g (+- %.2g)\n", what, (int)i, (double)got[i], want[i],
                        most);
        assert_true(fabs((double)got[i] - want[i]) <= most);
    }
}

static void check(Attention a, bool bias)
{
    Problem p = problem_new(a, bias);
    double *memory = calloc((size_t)(2 * p.n_q + 2 * p.n_k + p.n_bias + 1), sizeof *memory);
    Want w = {.y = memory, .dq = memory + p.n_q};
    w.dk = w.dq + p.n_q;
    w.dv = w.dk + p.n_k;
    w.dbias = w.dv + p.n_k;
    for (int64_t b = 0; b < a.batch; b++)
        for (int64_t h = 0; h < a.heads; h++)
            for (int64_t i = 0; i < a.t; i++) want_query(&p, &w, b, h, i);
    problem_run(&p);
    assert_all_near("y", p.y, w.y, p.n_q);
    assert_all_near("dq", p.g.dq, w.dq, p.n_q);
    assert_all_near("dk", p.g.dk, w.dk, p.n_k);
    assert_all_near("dv", p.g.dv, w.dv, p.n_k);
    if (bias) assert_all_near("dbias", p.g.dbias, w.dbias, p.n_bias);
    free(p.memory);
    free(memory);
}

static Attention square_of(int64_t batch, int64_t t, int64_t heads, int64_t d)
{
    return (Attention){.batch = batch,
                       .t = t,
                       .s = t,
                       .heads = heads,
                       .kv_heads = heads,
                       .d = d,
                       .scale = 1.0f / sqrtf((float)d)};
}

TEST(attention, plain_agrees_with_float64)
{
    static const int64_t sizes[][2] = {
        {1,   8  },
        {63,  20 },
        {64,  64 },
        {65,  16 },
        {130, 33 },
        {20,  256}
    };
    for (int i = 0; i < 6; i++) check(square_of(2, sizes[i][0], 2, sizes[i][1]), false);
}

TEST(attention, causal_agrees_with_float64)
{
    static const int64_t lengths[] = {5, 64, 129, 200};
    for (int i = 0; i < 4; i++) {
        Attention a = square_of(1, lengths[i], 2, 24);
        a.causal = true;
        check(a, false);
    }
}

TEST(attention, cached_keys_agree_with_float64)
{
    static const int64_t queries[] = {1, 3, 70};
    for (int i = 0; i < 3; i++) {
        Attention a = square_of(2, queries[i], 2, 16);
        a.s = 150;
        a.offset = a.s - a.t;
        a.causal = true;
        check(a, false);
    }
}

TEST(attention, windows_agree_with_float64)
{
    static const int64_t windows[] = {1, 17, 64, 100};
    for (int i = 0; i < 8; i++) {
        Attention a = square_of(1, 170, 2, 16);
        a.window = windows[i / 2];
        a.causal = i % 2;
        check(a, false);
    }
}

TEST(attention, shared_heads_agree_with_float64)
{
    for (int64_t kv_heads = 1; kv_heads <= 3; kv_heads += 2) {
        Attention a = square_of(2, 70, 6, 16);
        a.kv_heads = kv_heads;
        a.causal = true;
        check(a, false);
    }
}

TEST(attention, cap_bias_slopes_and_padding_agree_with_float64)
{
    static const float slopes[] = {0.25f, 0.0625f};
    static const int32_t length[] = {100, 0, 7};
    for (int parts = 0; parts < 16; parts++) {
        Attention a = square_of(3, 75, 2, 8);
        a.s = 110;
        a.scale = 1;
        if (parts & 1) a.cap = 0.75f;
        if (parts & 2) a.slopes = slopes;
        if (parts & 4) a.length = length;
        check(a, parts & 8);
    }
}

/* Over several blocks, ragged ones: the draw of a weight depends on its place alone. */
TEST(attention, dropout_agrees_with_float64)
{
    for (int form = 0; form < 4; form++) {
        Attention a = square_of(2, form & 1 ? 3 : 70, 2, 16);
        a.s = 90;
        a.keep = 0.7f;
        a.random_state = 12345;
        a.random_inc = 54321;
        if (form & 2) a.cap = 1;
        check(a, form & 2);
    }
}

TEST(attention, biases_of_each_sequence_agree_with_float64)
{
    Attention a = square_of(2, 70, 2, 16);
    a.s = 80;
    a.bias_row = a.s;
    a.bias_head = a.t * a.s;
    a.bias_batch = a.heads * a.bias_head;
    check(a, true);
}

/* Turned by the kernel rope first, or by attention as it loads: the same bits. */
static void check_turned(Attention a, bool interleaved, bool keys_turned)
{
    enum { DIMS = 12, PLACES = 160 };
    float table[PLACES * DIMS];
    for (int i = 0; i < PLACES * DIMS; i++) table[i] = cosf((float)i);
    Problem fused = problem_new(a, false), apart = problem_new(a, false);
    Attention *f = &fused.g.forward, *plain = &apart.g.forward;
    f->rope = table;
    f->rope_dims = DIMS;
    f->rope_interleaved = interleaved;
    f->keys_turned = keys_turned;
    RopeShape of_q = {a.batch, a.t, a.heads, a.d, DIMS, interleaved, false},
              of_k = {a.batch, a.s, a.kv_heads, a.d, DIMS, interleaved, false};
    const float *at_q = table + a.offset * DIMS;
    cpu->rope(&of_q, f->q, at_q, (float *)plain->q);
    if (!keys_turned) cpu->rope(&of_k, f->k, table, (float *)plain->k);
    problem_run(&fused);
    problem_run(&apart);
    of_q.inverse = of_k.inverse = true;
    float *back_q = malloc((size_t)(apart.n_q + apart.n_k) * sizeof *back_q),
          *back_k = back_q + apart.n_q;
    cpu->rope(&of_q, apart.g.dq, at_q, back_q);
    memcpy(back_k, apart.g.dk, (size_t)apart.n_k * sizeof *back_k);
    if (!keys_turned) cpu->rope(&of_k, apart.g.dk, table, back_k);
    assert_memory_equal(fused.y, apart.y, (size_t)apart.n_q * sizeof(float));
    assert_memory_equal(fused.g.dq, back_q, (size_t)apart.n_q * sizeof(float));
    assert_memory_equal(fused.g.dk, back_k, (size_t)apart.n_k * sizeof(float));
    assert_memory_equal(fused.g.dv, apart.g.dv, (size_t)apart.n_k * sizeof(float));
    free(back_q);
    free(fused.memory);
    free(apart.memory);
}

TEST(attention, turns_as_rope_does)
{
    for (int form = 0; form < 8; form++) {
        Attention a = square_of(2, form & 4 ? 2 : 70, 4, 18);
        a.kv_heads = 2;
        a.s = 140;
        a.offset = a.s - a.t;
        a.causal = true;
        check_turned(a, form & 1, form & 2);
    }
}

/* One query at a time, as decoding goes, or all at once: other loops, the same bits. */
TEST(attention, few_queries_have_the_bits_of_many)
{
    static const float slopes[] = {0.25f, 0.125f, 0.0625f, 0.5f};
    static const int32_t length[] = {150, 77};
    for (int form = 0; form < 8; form++) {
        Attention a = square_of(2, 130, 4, form & 1 ? 20 : 64);
        a.kv_heads = 2;
        a.s = 150;
        a.offset = 20;
        a.causal = true;
        if (form & 2) a.slopes = slopes, a.cap = 2, a.length = length;
        if (form & 4) a.window = 50;
        Problem all = problem_new(a, form & 2);
        problem_run(&all);
        for (int64_t i = 0; i < a.t; i += 43) {
            Attention one = all.g.forward;
            float q[2 * 4 * 64], y[2 * 4 * 64], lse[2 * 4];
            const int64_t width = a.heads * a.d;
            for (int64_t b = 0; b < 2; b++)
                memcpy(q + b * width, one.q + (b * a.t + i) * width, (size_t)width * sizeof *q);
            one.q = q;
            one.t = 1;
            one.offset += i;
            if (one.bias) one.bias += i * one.bias_row;
            void *scratch = malloc(cpu->attention_scratch(&one));
            cpu->attention(&one, y, lse, scratch);
            free(scratch);
            for (int64_t b = 0; b < 2; b++) {
                assert_memory_equal(y + b * width, all.y + (b * a.t + i) * width,
                                    (size_t)width * sizeof *y);
                for (int64_t h = 0; h < a.heads; h++)
                    assert_true(lse[b * a.heads + h] == all.lse[(b * a.heads + h) * a.t + i]);
            }
        }
        free(all.memory);
    }
}

/* -- What cannot come from a formula */

TEST(attention, survives_huge_scores)
{
    Problem p = problem_new(square_of(1, 100, 1, 16), false);
    p.g.forward.scale = 1e6f;
    problem_run(&p);
    for (int64_t i = 0; i < p.n_q; i++)
        assert_true(isfinite(p.y[i]) && isfinite(p.g.dq[i]) && isfinite(p.g.dk[i]));
    free(p.memory);
}

TEST(attention, marks_what_a_nan_reaches)
{
    Attention a = square_of(1, 70, 1, 16);
    a.causal = true;
    Problem p = problem_new(a, false);
    ((float *)p.g.forward.k)[66 * 16 + 3] = NAN; /* key 66: seen by queries 66 to 69 */
    problem_run(&p);
    for (int64_t i = 0; i < p.n_q; i++) assert_true(!isnan(p.y[i]) == (i < 66 * 16));
    free(p.memory);
}

TEST(attention, bits_do_not_depend_on_threads)
{
    Attention a = square_of(2, 150, 6, 24);
    a.kv_heads = 3;
    a.causal = true;
    Problem one = problem_new(a, true), many = problem_new(a, true);
    threads_set(1);
    problem_run(&one);
    for (int threads = 2; threads <= 7; threads += 5) {
        threads_set(threads);
        problem_run(&many);
        assert_memory_equal(one.memory, many.memory,
                            (size_t)(4 * one.n_q + 4 * one.n_k + 2 * one.n_bias) * sizeof(float));
    }
    threads_set(0);
    free(one.memory);
    free(many.memory);
}

TEST(attention, memory_grows_with_the_length_not_its_square)
{
    const Attention a = square_of(1, 1024, 6, 64), b = square_of(1, 8192, 6, 64);
    assert_true(cpu->attention_scratch(&b) <= 8 * cpu->attention_scratch(&a));
    assert_true(cpu->attention_grad_scratch(&b) <= 8 * cpu->attention_grad_scratch(&a));
}

static void assert_six(const float *got, const double want[6])
{
    for (int i = 0; i < 6; i++) assert_true(fabs((double)got[i] - want[i]) < 1e-6);
}

/* torch 2.15: y = scaled_dot_product_attention(q, k, v, is_causal=True) and the gradients of
 * y.square().sum(), with q = sin(4 i + c), k = cos(3 i + c), v = i - c for i < 3, c < 2. */
TEST(attention, agrees_with_torch)
{
    static const double y[] =
        {0, -1, 0.8669773936271667, -0.13302257657051086, 1.0158241987228394, 0.015824267640709877},
                        dq[] = {0,
                                0,
                                -0.238214910030365,
                                -0.1429230272769928,
                                -0.023129820823669434,
                                0.14579200744628906},
                        dk[] = {-0.5727390050888062, -0.16152289509773254, -0.09240768104791641,
                                -0.1155448630452156, 0.6651466488838196,   0.27706772089004517},
                        dv[] = {1.149752140045166,   -2.0210723876953125, 1.6646050214767456,
                                -0.2281423658132553, 0.9512463212013245,  0.014818288385868073};
    Attention a = square_of(1, 3, 1, 2);
    a.causal = true;
    Problem p = problem_new(a, false);
    float *const q = (float *)p.g.forward.q, *const k = (float *)p.g.forward.k,
                 *const v = (float *)p.g.forward.v, *const dy = (float *)p.g.dy;
    for (int i = 0; i < 6; i++) {
        q[i] = (float)sin(4 * (i / 2) + i % 2);
        k[i] = (float)cos(3 * (i / 2) + i % 2);
        v[i] = (float)(i / 2 - i % 2);
        dy[i] = (float)(2 * y[i]);
    }
    problem_run(&p);
    assert_six(p.y, y);
    assert_six(p.g.dq, dq);
    assert_six(p.g.dk, dk);
    assert_six(p.g.dv, dv);
    free(p.memory);
}

/* -- In a graph */

static Graph *graph_with(Arena *arena, Node **q, Node **k)
{
    Graph *g = graph_new(arena);
    *q = input(g, "q", F32, shape(4, (int64_t)1, (int64_t)3, (int64_t)4, (int64_t)2));
    *k = input(g, "k", F32, shape(4, (int64_t)1, (int64_t)5, (int64_t)2, (int64_t)2));
    return g;
}

/* The value is a view of the first part of what the kernel writes, which must not end up in memory
 * that holds the value alone. */
TEST(attention, as_an_output_writes_its_own_numbers_only)
{
    Arena *arena = arena_new();
    Node *q, *k;
    Graph *g = graph_with(arena, &q, &k);
    float numbers[24], to[24 + 12];
    for (int i = 0; i < 24; i++) numbers[i] = (float)i / 8;
    for (int i = 0; i < 36; i++) to[i] = 77;
    const PlanOutput output = {.node = attention(g, q, k, k, (Attend){.causal = true}), .to = to};
    Error err = {0};
    Plan *p = plan_new(g, &output, 1, NULL, &err);
    ASSERT_OK(p != NULL, &err);
    ASSERT_OK(plan_allocate(p, &err), &err);
    plan_bind(p, q, numbers);
    plan_bind(p, k, numbers);
    plan_run(p, 0);
    assert_memory_equal(to, plan_value(p, output.node), 24 * sizeof *to);
    assert_true(to[0] == numbers[0] && to[5] == numbers[3]); /* query 0 sees key 0 alone */
    for (int i = 24; i < 36; i++) assert_true(to[i] == 77);
    plan_free(p);
    arena_free(arena);
}

#define ASSERT_REFUSES(call, text)                                                                 \
    do {                                                                                           \
        Arena *arena = arena_new();                                                                \
        Node *q, *k;                                                                               \
        Graph *g = graph_with(arena, &q, &k);                                                      \
        Error err = {0};                                                                           \
        (void)(call);                                                                              \
        ASSERT_FAILS(graph_ok(g, &err), &err, FAIL_CONFIG, text);                                  \
        arena_free(arena);                                                                         \
    } while (0)

TEST(attention, builders_name_what_does_not_fit)
{
    ASSERT_REFUSES(attention(g, k, q, q, (Attend){.scale = 1}),
                   "attention: queries (1, 5, 2, 2) do not go with keys (1, 3, 4, 2) and values "
                   "(1, 3, 4, 2)");
    ASSERT_REFUSES(
        attention(g, q, k, k, (Attend){.window = -1}),
        "attention: window -1, cap 0 and scale 0: expected >= 0, >= 0 and a finite number");
    ASSERT_REFUSES(attention(g, q, k, k, (Attend){.bias = scalar(g, 1)}),
                   "attention: bias (), expected (1, 4, 3, 5), where all but the last may be 1");
    ASSERT_REFUSES(attention(g, q, k, k, (Attend){.lengths = scalar(g, 1)}),
                   "attention: lengths (), expected integers (1)");
    ASSERT_REFUSES(attention(g, q, k, k, (Attend){.dropout = 1}),
                   "attention: dropout 1 is outside [0, 1)");
    ASSERT_REFUSES(
        attention(g, q, k, k, (Attend){.offset = 2, .rope = rope_table(g, 4, 2, 0, 1e4, 1)}),
        "attention: table (4, 2) with offset 2 does not reach over 3 queries and 5 keys of 2 "
        "numbers");
    ASSERT_REFUSES(rope(g, q, rope_table(g, 5, 2, 0, 1e4, 1), false),
                   "rope: input (1, 3, 4, 2) does not fit a table (5, 2)");
    ASSERT_REFUSES(rope_table(g, 3, 3, 0, 1e4, 1), "rope: 3 places of 3 numbers, theta 10000");
}

/* cos and sin of place * theta^(-2i/dims), by libm in double. */
TEST(attention, rope_tables_hold_cosines_and_sines)
{
    Arena *arena = arena_new();
    Graph *g = graph_new(arena);
    const float *table = rope_table(g, 40, 8, 100000, 1e4, 4)->data;
    for (int place = 0; place < 40; place++)
        for (int i = 0; i < 4; i++) {
            const double angle = (100000 + place) / 4.0 * pow(1e4, -i / 4.0);
            assert_true(fabs((double)table[place * 8 + i] - cos(angle)) < 1e-7);
            assert_true(fabs((double)table[place * 8 + 4 + i] - sin(angle)) < 1e-7);
        }
    arena_free(arena);
}
