/* bits -- prints one line a kernel: its name and a hash of what it computed from fixed inputs.
 *
 * The same program is run for each ISA, for several numbers of threads and, cross-compiled, for
 * aarch64 under qemu-user: tests/integration/isa_bits.sh compares the lines. It links lib/cpu and
 * little else, so that it cross-compiles without other libraries. Usage: bits THREADS */
#include "base/threads.h"
#include "cpu/cpu.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX = 1 << 20 };
static _Alignas(64) float x[MAX], w[MAX], y[MAX], z[MAX];
static int32_t index_of[MAX];
static _Alignas(64) unsigned char scratch[1 << 26];

static void fill(float *to, int64_t n, uint64_t seed)
{
    for (int64_t i = 0; i < n; i++) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
        to[i] = (float)((int64_t)(seed >> 40) - (1 << 23)) / (float)(1 << 22);
    }
}

static void report(const char *name, const void *data, size_t bytes)
{
    const unsigned char *p = data;
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < bytes; i++) hash = (hash ^ p[i]) * UINT64_C(1099511628211);
    printf("%-20s %016llx\n", name, (unsigned long long)hash);
}

static void report_floats(const char *name, const float *data, int64_t n)
{
    report(name, data, sizeof(float) * (size_t)n);
}

static void products(void)
{
    static const int64_t sizes[][3] = {
        {60,  300, 784},
        {1,   7,   3  },
        {33,  65,  700},
        {300, 784, 60 },
        {129, 10,  100},
        {3,   75,  531},
        {231, 8,   300},
        {8,   231, 300},
        {16,  232, 299},
        {60,  96,  24 }
    };
    const EpilogueStep steps[] = {
        {.op = MAP_ADD, .operand = z},
        {.op = MAP_RELU            }
    };
    for (int i = 0; i < (int)(sizeof sizes / sizeof sizes[0]); i++) {
        for (int form = 0; form < 4; form++) {
            int64_t m = sizes[i][0], n = sizes[i][1], k = sizes[i][2];
            bool ta = form & 1, tb = form & 2;
            Gemm g = {.batch = 1,
                      .m = m,
                      .n = n,
                      .k = k,
                      .a = x,
                      .b = w,
                      .c = y,
                      .trans_a = ta,
                      .trans_b = tb,
                      .lda = ta ? m : k,
                      .ldb = tb ? k : n,
                      .ldc = n,
                      .steps = steps,
                      .n_steps = 2};
            if (cpu->gemm_scratch(&g) > sizeof scratch) abort();
            cpu->gemm(&g, scratch);
            report_floats("gemm", y, m * n);
            g.bf16 = true;
            if (cpu->gemm_scratch(&g) > sizeof scratch) abort();
            cpu->gemm(&g, scratch);
            report_floats("gemm bf16", y, m * n);
            g.bf16 = false;
            const int64_t length = tb ? k : n;
            if (length % 2 != 0) continue;
            g.codes = (const unsigned char *)x, g.scale = w, g.group = length / 2;
            for (g.format = WEIGHT_Q8; g.format <= WEIGHT_NF4; g.format++) {
                if (cpu->gemm_scratch(&g) > sizeof scratch) abort();
                cpu->gemm(&g, scratch);
                report_floats(g.format == WEIGHT_Q8 ? "gemm q8" : "gemm nf4", y, m * n);
            }
        }
    }
}

static void convolutions(void)
{
    static const int64_t sizes[][6] = {
  /* h c o kernel stride groups */
        {14, 16,  16,  3, 1, 1 },
        {15, 3,   20,  3, 2, 1 },
        {9,  32,  48,  1, 1, 1 },
        {8,  24,  24,  3, 1, 24},
        {8,  12,  18,  5, 1, 3 },
        {13, 19,  37,  3, 1, 1 },
        {17, 80,  80,  3, 2, 80},
        {7,  48,  48,  3, 1, 48},
        {14, 32,  32,  3, 2, 32},
        {13, 129, 130, 3, 1, 1 },
        {11, 32,  32,  3, 2, 16},
        {20, 16,  16,  3, 1, 4 },
        {20, 16,  16,  3, 1, 2 },
        {12, 64,  80,  1, 1, 1 },
        {13, 3,   16,  3, 1, 1 }
    };
    for (int i = 0; i < (int)(sizeof sizes / sizeof sizes[0]); i++) {
        const int64_t *s = sizes[i];
        int64_t pad = s[3] / 2, oh = (s[0] + 2 * pad - s[3]) / s[4] + 1;
        ConvShape c = {
            .n = 5,
            .h = s[0],
            .w = s[0],
            .c = s[1],
            .o = s[2],
            .kh = s[3],
            .kw = s[3],
            .oh = oh,
            .ow = oh,
            .stride = {s[4], s[4]},
            .pad = {pad,  pad },
            .dilation = {1,    1   },
            .groups = s[5]
        };
        if (cpu->conv_scratch(&c) > sizeof scratch) abort();
        int64_t n_x = c.n * c.h * c.w * c.c, n_y = c.n * oh * oh * c.o,
                n_w = c.o * c.c / c.groups * c.kh * c.kw;
        cpu->conv_forward(&c, x, w, y, scratch);
        report_floats("conv_forward", y, n_y);
        cpu->conv_grad_x(&c, z, w, y, scratch);
        report_floats("conv_grad_x", y, n_x);
        cpu->conv_grad_w(&c, x, z, y, scratch);
        report_floats("conv_grad_w", y, n_w);
    }
}

static void pools(void)
{
    PoolShape p = {
        .n = 4,
        .h = 15,
        .w = 13,
        .c = 20,
        .kh = 3,
        .kw = 3,
        .oh = 8,
        .ow = 7,
        .stride = {2, 2},
        .pad = {1, 1}
    };
    int64_t n_x = p.n * p.h * p.w * p.c, n_y = p.n * p.oh * p.ow * p.c;
    cpu->max_pool_index(&p, x, index_of);
    report("max_pool_index", index_of, sizeof(int32_t) * (size_t)n_y);
    cpu->pool_gather(&p, x, index_of, y);
    report_floats("pool_gather", y, n_y);
    cpu->pool_scatter(&p, z, index_of, y);
    report_floats("pool_scatter", y, n_x);
    cpu->avg_pool(&p, x, y);
    report_floats("avg_pool", y, n_y);
    cpu->avg_pool_grad(&p, z, y);
    report_floats("avg_pool_grad", y, n_x);
}

/* Every map op over a domain with a broadcast, once stored and summed over each kind of axis. */
static void maps(void)
{
    for (int op = 0; op < MAP_N_OPS; op++) {
        for (int shape_kind = 0; shape_kind < 2; shape_kind++) {
            MapProgram p = {
                .rank = 3, .dim = {6, 500, 33},
                     .n_inputs = 3, .n_instr = 1, .n_outputs = 2
            };
            p.inputs[0] = (MapInput){
                .stride = {16500, 33, 1}
            };
            p.inputs[1] = (MapInput){
                .stride = {0, 0, 1}
            };
            p.inputs[2] = (MapInput){
                .stride = {16500, 33, 1}
            };
            p.instr[0] =
                (MapInstr){.op = (MapOp)op, .a = 0, .b = 1, .c = 2, .p = 0.25f, .q = 0.75f};
            p.outputs[0] = (MapOutput){.kind = MAP_STORE, .reg = 3};
            p.outputs[1] = (MapOutput){.kind = MAP_SUM, .reg = 3};
            p.outer = shape_kind ? 3000 : 1;
            p.reduce = shape_kind ? 33 : 3000;
            p.inner = shape_kind ? 1 : 33;
            /* the inner == 1 case walks whole rows: one long row */
            if (shape_kind) p.outer = 6, p.reduce = 16500;
            const void *in[] = {x, w, z};
            void *out[] = {y, y + 200000};
            if (map_scratch(&p) > sizeof scratch) abort();
            cpu->map_run(&p, in, out, scratch);
            for (int64_t i = 0; i < 99000; i++)
                if (y[i] != y[i])
                    y[i] = 0; /* the sign and payload of a NaN are the processor's own */
            report_floats("map", y, 99000);
            float *sums = y + 200000;
            for (int64_t i = 0; i < p.outer * p.inner; i++)
                if (sums[i] != sums[i]) sums[i] = 0;
            report_floats("map sum", sums, p.outer * p.inner);
        }
    }
}

/* Chains of cheap instructions with column sums: the widths that chains add themselves, and others.
 */
static void chains(void)
{
    static const int64_t widths[] = {4, 8, 16, 32, 64, 128, 256, 10, 48, 300};
    for (int i = 0; i < (int)(sizeof widths / sizeof widths[0]); i++) {
        const int64_t inner = widths[i], n_rows = 60000 / inner;
        MapProgram p = {
            .rank = 2, .dim = {n_rows, inner},
                 .outer = 1, .reduce = n_rows, .inner = inner
        };
        p.n_inputs = 3, p.n_instr = 4, p.n_outputs = 3;
        p.inputs[0] = p.inputs[2] = (MapInput){
            .stride = {inner, 1}
        };
        p.inputs[1] = (MapInput){
            .stride = {0, 1}
        };
        p.instr[0] = (MapInstr){.op = MAP_SUB, .a = 0, .b = 1};
        p.instr[1] = (MapInstr){.op = MAP_LESS, .a = 1, .b = 3};
        p.instr[2] = (MapInstr){.op = MAP_WHERE, .a = 4, .b = 2, .c = 0};
        p.instr[3] = (MapInstr){.op = MAP_FMA, .a = 5, .b = 3, .c = 1};
        p.outputs[0] = (MapOutput){MAP_SUM, 5};
        p.outputs[1] = (MapOutput){MAP_SUM, 6};
        p.outputs[2] = (MapOutput){MAP_STORE, 6};
        const void *in[] = {x, w, z};
        void *out[] = {y, y + 1000, y + 2000};
        if (map_scratch(&p) > sizeof scratch) abort();
        cpu->map_run(&p, in, out, scratch);
        report_floats("map chain", y + 2000, n_rows * inner);
        report_floats("map chain sum", y, inner);
        report_floats("map chain sum", y + 1000, inner);
    }
}

static void rows(void)
{
    const int64_t n_rows = 50, n = 333;
    for (int64_t i = 0; i < n_rows; i++) index_of[i] = (int32_t)((i * 7) % n);
    cpu->softmax(n_rows, n, x, y);
    report_floats("softmax", y, n_rows * n);
    cpu->log_softmax(n_rows, n, x, y);
    report_floats("log_softmax", y, n_rows * n);
    cpu->cross_entropy(n_rows, n, x, index_of, 0.1f, -1, y, NULL);
    report_floats("cross_entropy", y, n_rows);
    cpu->cross_entropy_grad(n_rows, n, x, index_of, 0.1f, -1, NULL, w, y);
    report_floats("cross_entropy_grad", y, n_rows * n);
    if (cpu->cross_entropy_scratch(n_rows, n) > sizeof scratch) abort();
    const CrossEntropy both = {n_rows, n, x, index_of, 0.1f, -1, w, y + n_rows * n, NULL, y};
    cpu->cross_entropy_both(&both, scratch);
    report_floats("cross_entropy_both", y, n_rows * n + n_rows);
    cpu->layer_norm(n_rows, n, x, w, z, 1e-5f, y);
    report_floats("layer_norm", y, n_rows * n);
    const NormGrad grad = {x, z, w, 1e-5f, y, y + n_rows * n, y + n_rows * n + n};
    cpu->layer_norm_grad(n_rows, n, &grad, scratch);
    report_floats("layer_norm_grad", y, n_rows * n + 2 * n);
    cpu->rms_norm(n_rows, n, x, w, 1e-5f, y);
    report_floats("rms_norm", y, n_rows * n);
    cpu->rms_norm_grad(n_rows, n, &grad, scratch);
    report_floats("rms_norm_grad", y, n_rows * n + 2 * n);
    cpu->gather_rows(n_rows, n, 40, x, index_of, y);
    report_floats("gather_rows", y, n_rows * 40);
    cpu->scatter_add_rows(n_rows, n, 40, x, index_of, y);
    report_floats("scatter_add_rows", y, n * 40);
    cpu->argmax_rows(n_rows, n, x, index_of);
    report("argmax_rows", index_of, sizeof(int32_t) * (size_t)n_rows);
    cpu->random_uniform(100001, 42, 109, y);
    report_floats("random_uniform", y, 100001);
    cpu->random_bernoulli(100001, 42, 109, 0.3f, 2.0f, y);
    report_floats("random_bernoulli", y, 100001);
}

/* Layers whose weights are shared by the threads and one whose rows are; widths with a rest. */
static void recurrent_layers(void)
{
    static const int64_t sizes[][3] = {
  /* B T H */
        {5,  7, 200},
        {64, 9, 33 },
        {1,  3, 5  }
    };
    float *const trace = y, *const dx = y + (MAX / 2);
    for (int i = 0; i < 6; i++) {
        const int64_t B = sizes[i / 2][0], T = sizes[i / 2][1], H = sizes[i / 2][2];
        Recurrence r = {.batch = B, .steps = T, .width = H, .gates = 4, .reverse = i & 1};
        r.x = x, r.w = w, r.bias = w + 500, r.h0 = z, r.c0 = z + B * H;
        if (cpu->recurrent_scratch(&r) > sizeof scratch) abort();
        cpu->lstm(&r, trace, scratch);
        report_floats("lstm", trace, B * (T + 1) * 6 * H);
        cpu->lstm_grad(&r, trace, z, true, dx, scratch);
        report_floats("lstm_grad", dx, B * (T + 1) * 4 * H);
        r.gates = 3;
        cpu->gru(&r, trace, scratch);
        report_floats("gru", trace, B * T * 5 * H);
        cpu->gru_grad(&r, trace, z, true, dx, scratch);
        report_floats("gru_grad", dx, B * (T + 1) * 3 * H);
    }
}

/* Factors below 1, so that nothing overflows. */
static void over_time(void)
{
    const ShortConvShape c[2] = {
        {3, 300, 37, 4 },
        {2, 29,  64, 13}
    };
    for (int64_t i = 0; i < MAX; i++) y[i] = w[i] * 0.25f;
    for (int i = 0; i < 16; i++) {
        ScanShape s = {.batch = 3, .steps = 150, .d = i & 1 ? 150 : 37};
        s.complex = i & 2, s.constant = i & 4, s.reverse = i & 8;
        const int64_t row = s.complex ? 2 * s.d : s.d, all = s.steps * row;
        float *const out = z + (MAX / 2), *const da = out + 3 * all;
        cpu->scan(&s, y, x, w, out);
        report_floats("scan", out, 3 * all);
        cpu->scan_grad(&s, y, x, w, w, out, all, da, s.constant ? row : all);
        report_floats("scan_grad", out, 3 * (all + (s.constant ? row : all)));
    }
    for (int i = 0; i < 2; i++) {
        const int64_t n = c[i].batch * c[i].steps * c[i].channels;
        if (cpu->short_conv_scratch(&c[i]) > sizeof scratch) abort();
        cpu->short_conv(&c[i], x, w, i ? NULL : w + 5000, i == 0, y, scratch);
        report_floats("short_conv", y, n);
        cpu->short_conv_grad_x(&c[i], x, w, y, scratch);
        report_floats("short_conv_grad_x", y, n);
        cpu->short_conv_grad_w(&c[i], x, w, y, scratch);
        report_floats("short_conv_grad_w", y, c[i].channels * c[i].taps);
    }
    fill(z, MAX, 3);
}

/* Ragged blocks, a group of heads, and each part of the score. */
static void attentions(void)
{
    static const float slopes[4] = {0.5f, 0.25f, 0.125f, 0.0625f};
    static const int32_t length[2] = {150, 77};
    for (int form = 0; form < 6; form++) {
        Attention a = {.batch = 2,
                       .t = form == 5 ? 2 : 130, /* the form for a few queries */
                       .s = 150,
                       .heads = 4,
                       .kv_heads = form & 1 ? 2 : 4,
                       .d = form & 2 ? 20 : 64,
                       .scale = 0.2f,
                       .offset = 20,
                       .causal = form != 1,
                       .window = form == 1 ? 50 : 0,
                       .cap = form == 2 ? 2.0f : 0,
                       .q = x,
                       .k = w,
                       .v = z,
                       .bias = form == 3 || form == 5 ? x : NULL,
                       .rope = form >= 4 ? x : NULL,
                       .rope_dims = 16,
                       .rope_interleaved = form == 5,
                       .keep = form == 4 ? 0.75f : 0,
                       .random_state = 7,
                       .random_inc = 9,
                       .slopes = form == 3 ? slopes : NULL,
                       .length = form == 0 ? length : NULL};
        const int64_t n_q = a.batch * a.t * a.heads * a.d, n_k = a.batch * a.s * a.kv_heads * a.d,
                      rows = a.batch * a.heads * a.t, n_bias = a.bias ? a.heads * a.t * a.s : 0;
        a.bias_row = a.s;
        a.bias_head = a.t * a.s;
        if (cpu->attention_scratch(&a) > sizeof scratch) abort();
        if (cpu->attention_grad_scratch(&a) > sizeof scratch) abort();
        float *lse = y + n_q, *gradient = lse + rows;
        cpu->attention(&a, y, lse, scratch);
        report_floats("attention", y, n_q + rows);
        AttentionGrad g = {.forward = a, .y = y, .lse = lse, .dy = z, .dq = gradient};
        g.dk = g.dq + n_q;
        g.dv = g.dk + n_k;
        g.dbias = a.bias ? g.dv + n_k : NULL;
        cpu->attention_grad(&g, scratch);
        report_floats("attention_grad", gradient, n_q + 2 * n_k + n_bias);
    }
    for (int form = 0; form < 4; form++) {
        const RopeShape r = {3, 50, 7, 40, form & 1 ? 40 : 28, form & 1, form & 2};
        cpu->rope(&r, x, w, y);
        report_floats("rope", y, r.batch * r.t * r.heads * r.d);
    }
}

static void updates(void)
{
    const int64_t n = 100003;
    float *m = z + 200000, *v = z + 400000;
    for (int64_t i = 0; i < n; i++) v[i] = v[i] * v[i];
    memcpy(y, w, sizeof(float) * (size_t)n);
    const UpdateCommon common = {0.75f, 1.5f, z + 600000, 0.9f};
    const AdamStep adam = {common, 1e-3f, 0.9f, 0.999f, 1e-8f, 0.01f, true, 0.1, 0.001};
    const SgdStep sgd = {common, 0.1f, 0.9f, 0.0f, 5e-4f, true, false};
    cpu->adam(n, y, x, m, v, &adam);
    report_floats("adam", y, n);
    cpu->sgd(n, y, x, m, &sgd);
    report_floats("sgd", y, n);
    report_floats("ema", z + 600000, n);
    cpu->axpby(n, 0.25f, x, 0.75f, y);
    report_floats("axpby", y, n);
    double s = cpu->sum_squares(n, y);
    report("sum_squares", &s, sizeof s);
    y[n - 1] = 0x1p127f * 2;
    const bool finite[2] = {cpu->all_finite(n, y), cpu->all_finite(n - 1, y)};
    report("all_finite", finite, sizeof finite);
}

/* Direct, one thread a row, several threads a row; then the real transform. */
static void long_convolutions(void)
{
    static const int64_t sizes[][4] = {
        {3, 5, 200,    200  },
        {2, 3, 1500,   40   },
        {3, 5, 1024,   1024 },
        {2, 3, 8192,   5000 },
        {1, 1, 140000, 70000}
    };
    for (int i = 0; i < 5 * 3; i++) {
        const int64_t *n = sizes[i / 3];
        const LongConv s = {n[0], n[1], n[2], n[3], (LongConvMode)(i % 3)};
        const int64_t n_u = n[0] * n[1] * n[2];
        const int64_t n_k = n[1] * n[3] * (i % 3 == LONG_CONV_TWO_SIDED ? 2 : 1);
        if (cpu->long_conv_scratch(&s) > sizeof scratch) abort();
        cpu->long_conv(&s, x, w, z, z, y, scratch);
        report_floats("long_conv", y, n_u);
        cpu->long_conv_grad_u(&s, x, w, z, y, scratch);
        report_floats("long_conv_grad_u", y, n_u);
        cpu->long_conv_grad_k(&s, x, z, y, scratch);
        report_floats("long_conv_grad_k", y, n_k);
        const LongConvGrads grads = {x, z, w, z, y, y + n_u};
        cpu->long_conv_grads(&s, &grads, scratch);
        report_floats("long_conv_grads", y, n_u + n_k);
    }
    for (int64_t n = 1; n < 1000; n = 2 * n + 1 + n % 3) {
        if (cpu->rfft_scratch(37, n) > sizeof scratch) abort();
        cpu->rfft(37, n, x, y, scratch);
        report_floats("rfft", y, 37 * 2 * (n / 2 + 1));
        cpu->irfft(37, n, x, y, scratch);
        report_floats("irfft", y, 37 * n);
    }
}

static void boxes(void)
{
    const int64_t dim[4] = {3, 5, 7, 11}, from_stride[4] = {2000, 200, 20, 1},
                  to_stride[4] = {77, 231, 11, 1};
    memset(y, 0, sizeof(float) * 1155);
    cpu->copy_box(4, dim, x, from_stride, y, to_stride);
    report_floats("copy_box", y, 1155);
    const int64_t plane[3] = {3, 70, 150}, stride[3] = {20000, 1, 80};
    cpu->copy_strided(3, plane, x, stride, y);
    report_floats("copy_strided", y, 3 * 70 * 150);
    cpu->bytes_affine(1000, (const uint8_t *)x, w, z, y);
    report_floats("bytes_affine", y, 1000);
}

/* Numbers of all magnitudes. */
static void functions(void)
{
    static const struct {
        const char *name;
        size_t field;
    } list[] = {
        {"vexp",  offsetof(Kernels, vexp) },
        {"vlog",  offsetof(Kernels, vlog) },
        {"vtanh", offsetof(Kernels, vtanh)},
        {"verf",  offsetof(Kernels, verf) },
        {"vsin",  offsetof(Kernels, vsin) },
        {"vcos",  offsetof(Kernels, vcos) },
    };
    const int64_t n = 1 << 18;
    for (int64_t i = 0; i < n; i++) {
        const uint32_t bits = (uint32_t)i * 16411u;
        memcpy(&w[i], &bits, sizeof bits);
    }
    for (int k = 0; k < (int)(sizeof list / sizeof list[0]); k++) {
        void (*f)(int64_t, const float *, float *);
        memcpy(&f, (const char *)cpu + list[k].field, sizeof f);
        f(n, w, y);
        for (int64_t i = 0; i < n; i++)
            if (y[i] != y[i]) y[i] = 0;
        report_floats(list[k].name, y, n);
    }
}

static void limits(void)
{
    const int64_t n = 100003;
    cpu->fma_chains(1000, y);
    report_floats("fma_chains", y, FMA_CHAINS);
    for (int past_cache = 0; past_cache < 2; past_cache++) {
        cpu->stream_copy(n, x, y, past_cache, 2);
        report_floats("stream_copy", y, n);
        cpu->stream_triad(n, 0.3f, x, w, y, past_cache, 2);
        report_floats("stream_triad", y, n);
    }
}

int main(int argc, char **argv)
{
    Error err = {0};
    threads_set(argc > 1 ? atoi(argv[1]) : 1);
    if (!cpu_select(NULL, &err)) {
        error_print(&err, stderr, false);
        return 2;
    }
    fill(x, MAX, 1);
    fill(w, MAX, 2);
    fill(z, MAX, 3);
    products();
    convolutions();
    pools();
    maps();
    chains();
    rows();
    recurrent_layers();
    over_time();
    attentions();
    updates();
    long_convolutions();
    boxes();
    functions();
    limits();
    return 0;
}
