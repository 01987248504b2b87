/* peer_dnnl -- oneDNN (2.6): matrix product, convolutions, softmax, layer norm.
 *
 * A convolution takes the layouts that oneDNN likes best, whose reorders are not counted, and the
 * fastest of its algorithms that a caller could ask for (direct, Winograd, its own choice). */
#include "tests/bench/peer.h"

#if __has_include(<dnnl.h>)
#include "base/clock.h"

#include <dnnl.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ARGS = 6 };

typedef struct Dnnl {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_t primitive;
    int n_args;
    dnnl_exec_arg_t args[MAX_ARGS];
} Dnnl;

/* Calls do not fail on valid shapes; a benchmark may stop where one does. */
static void check(dnnl_status_t status)
{
    if (status != dnnl_success) abort();
}

static Dnnl *start(int threads)
{
    omp_set_num_threads(threads);
    Dnnl *d = calloc(1, sizeof *d);
    check(dnnl_engine_create(&d->engine, dnnl_cpu, 0));
    check(dnnl_stream_create(&d->stream, d->engine, dnnl_stream_default_flags));
    return d;
}

static void run_dnnl(void *state, BenchWork *w)
{
    (void)w;
    Dnnl *d = state;
    check(dnnl_primitive_execute(d->primitive, d->stream, d->n_args, d->args));
    check(dnnl_stream_wait(d->stream));
}

static void close_dnnl(void *state)
{
    Dnnl *d = state;
    for (int i = 0; i < d->n_args; i++) check(dnnl_memory_destroy(d->args[i].memory));
    if (d->primitive) check(dnnl_primitive_destroy(d->primitive));
    check(dnnl_stream_destroy(d->stream));
    check(dnnl_engine_destroy(d->engine));
    free(d);
}

/* Memory of the primitive's own layout as one more argument. */
static void add_arg(Dnnl *d, int arg, const dnnl_memory_desc_t *md)
{
    dnnl_memory_t memory;
    void *data;
    check(dnnl_memory_create(&memory, md, d->engine, DNNL_MEMORY_ALLOCATE));
    check(dnnl_memory_get_data_handle(memory, &data));
    float *x = data;
    for (size_t i = 0; i < dnnl_memory_desc_get_size(md) / sizeof *x; i++)
        x[i] = (float)((i * 7919) % 1009) / 1009.0f - 0.5f;
    d->args[d->n_args++] = (dnnl_exec_arg_t){arg, memory};
}

static void add_queried(Dnnl *d, int arg, const_dnnl_primitive_desc_t pd, dnnl_query_t what)
{
    add_arg(d, arg, dnnl_primitive_desc_query_md(pd, what, 0));
}

/* -- Matrix product */

static void *open_gemm(const BenchWork *w, int threads)
{
    omp_set_num_threads(threads);
    return (void *)(uintptr_t)w; /* anything but NULL: there is no state */
}

static void run_gemm(void *state, BenchWork *w)
{
    (void)state;
    const Gemm *g = &w->call.gemm;
    const bool adds = w->n_floats[3] > 0;
    if (adds) memcpy(w->at[2], w->at[3], sizeof(float) * (size_t)w->n_floats[3]);
    check(dnnl_sgemm(g->trans_a ? 'T' : 'N', g->trans_b ? 'T' : 'N', g->m, g->n, g->k, 1, w->at[0],
                     g->lda, w->at[1], g->ldb, adds ? 1.0f : 0.0f, w->at[2], g->ldc));
}

static void close_gemm(void *state)
{
    (void)state;
}

/* -- Convolution; pass 0 forward, 1 gradient to x, 2 to w */

static void describe(const ConvShape *s, dnnl_memory_desc_t m[3])
{
    const bool grouped = s->groups > 1;
    const dnnl_dims_t src = {s->n, s->c, s->h, s->w}, dst = {s->n, s->o, s->oh, s->ow};
    const dnnl_dims_t plain = {s->o, s->c, s->kh, s->kw};
    const dnnl_dims_t by_group = {s->groups, s->o / s->groups, s->c / s->groups, s->kh, s->kw};
    check(dnnl_memory_desc_init_by_tag(&m[0], 4, src, dnnl_f32, dnnl_format_tag_any));
    check(dnnl_memory_desc_init_by_tag(&m[1], grouped ? 5 : 4, grouped ? by_group : plain, dnnl_f32,
                                       dnnl_format_tag_any));
    check(dnnl_memory_desc_init_by_tag(&m[2], 4, dst, dnnl_f32, dnnl_format_tag_any));
}

/* NULL when oneDNN has no such implementation. */
static dnnl_primitive_desc_t conv_pd(const Dnnl *p, const ConvShape *s, int pass,
                                     dnnl_alg_kind_t algorithm, dnnl_primitive_desc_t hint)
{
    const dnnl_dims_t stride = {s->stride[0], s->stride[1]}, pad = {s->pad[0], s->pad[1]};
    dnnl_memory_desc_t m[3];
    dnnl_convolution_desc_t d;
    dnnl_primitive_desc_t pd;
    describe(s, m);
    if (pass == 0)
        check(dnnl_convolution_forward_desc_init(&d, dnnl_forward_training, algorithm, &m[0], &m[1],
                                                 NULL, &m[2], stride, pad, pad));
    if (pass == 1)
        check(dnnl_convolution_backward_data_desc_init(&d, algorithm, &m[0], &m[1], &m[2], stride,
                                                       pad, pad));
    if (pass == 2)
        check(dnnl_convolution_backward_weights_desc_init(&d, algorithm, &m[0], &m[1], NULL, &m[2],
                                                          stride, pad, pad));
    if (dnnl_primitive_desc_create(&pd, &d, NULL, p->engine, hint) != dnnl_success) return NULL;
    return pd;
}

static Dnnl *open_conv_with(const ConvShape *s, int pass, dnnl_alg_kind_t algorithm, int threads)
{
    Dnnl *d = start(threads);
    dnnl_primitive_desc_t hint = conv_pd(d, s, 0, dnnl_convolution_direct, NULL);
    dnnl_primitive_desc_t pd = conv_pd(d, s, pass, algorithm, pass ? hint : NULL);
    if (pd) {
        const dnnl_query_t x = pass == 1 ? dnnl_query_diff_src_md : dnnl_query_src_md;
        const dnnl_query_t f = pass == 2 ? dnnl_query_diff_weights_md : dnnl_query_weights_md;
        const dnnl_query_t y = pass ? dnnl_query_diff_dst_md : dnnl_query_dst_md;
        add_queried(d, pass == 1 ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC, pd, x);
        add_queried(d, pass == 2 ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS, pd, f);
        add_queried(d, pass ? DNNL_ARG_DIFF_DST : DNNL_ARG_DST, pd, y);
        check(dnnl_primitive_create(&d->primitive, pd));
        check(dnnl_primitive_desc_destroy(pd));
    }
    if (hint) check(dnnl_primitive_desc_destroy(hint));
    if (pd) return d;
    close_dnnl(d);
    return NULL;
}

/* The fastest of a few runs. */
static double try_out(Dnnl *d)
{
    double best = 1e9;
    for (int i = 0; i < 4; i++) {
        const double before = clock_s();
        run_dnnl(d, NULL);
        const double took = clock_s() - before;
        if (took < best) best = took;
    }
    return best;
}

static Dnnl *open_conv(const ConvShape *s, int pass, int threads)
{
    static const dnnl_alg_kind_t algorithms[] = {dnnl_convolution_direct, dnnl_convolution_winograd,
                                                 dnnl_convolution_auto};
    Dnnl *best = NULL;
    double best_s = 1e9;
    for (int i = 0; i < 3; i++) {
        Dnnl *d = open_conv_with(s, pass, algorithms[i], threads);
        if (!d) continue;
        const double took = try_out(d);
        Dnnl *worse = took < best_s ? best : d;
        if (took < best_s) best = d, best_s = took;
        if (worse) close_dnnl(worse);
    }
    return best;
}

static void *open_conv_forward(const BenchWork *w, int threads)
{
    return open_conv(&w->call.conv, 0, threads);
}

static void *open_conv_grad_x(const BenchWork *w, int threads)
{
    return open_conv(&w->call.conv, 1, threads);
}

static void *open_conv_grad_w(const BenchWork *w, int threads)
{
    return open_conv(&w->call.conv, 2, threads);
}

/* -- Rows */

static dnnl_memory_desc_t matrix(int64_t rows, int64_t n)
{
    const dnnl_dims_t dims = {rows, n};
    dnnl_memory_desc_t md;
    check(dnnl_memory_desc_init_by_tag(&md, 2, dims, dnnl_f32, dnnl_ab));
    return md;
}

static void *open_softmax(const BenchWork *w, int threads)
{
    Dnnl *d = start(threads);
    const dnnl_memory_desc_t md = matrix(w->of->dim[0], w->of->dim[1]);
    dnnl_softmax_desc_t sd;
    dnnl_primitive_desc_t pd;
    check(dnnl_softmax_forward_desc_init(&sd, dnnl_forward_inference, &md, 1));
    check(dnnl_primitive_desc_create(&pd, &sd, NULL, d->engine, NULL));
    check(dnnl_primitive_create(&d->primitive, pd));
    check(dnnl_primitive_desc_destroy(pd));
    add_arg(d, DNNL_ARG_SRC, &md);
    add_arg(d, DNNL_ARG_DST, &md);
    return d;
}

static void *open_layer_norm(const BenchWork *w, int threads)
{
    Dnnl *d = start(threads);
    const dnnl_memory_desc_t md = matrix(w->of->dim[0], w->of->dim[1]);
    dnnl_layer_normalization_desc_t ld;
    dnnl_primitive_desc_t pd;
    check(dnnl_layer_normalization_forward_desc_init(&ld, dnnl_forward_inference, &md, NULL, 1e-5f,
                                                     dnnl_use_scaleshift));
    check(dnnl_primitive_desc_create(&pd, &ld, NULL, d->engine, NULL));
    check(dnnl_primitive_create(&d->primitive, pd));
    add_queried(d, DNNL_ARG_SCALE_SHIFT, pd, dnnl_query_weights_md);
    check(dnnl_primitive_desc_destroy(pd));
    add_arg(d, DNNL_ARG_SRC, &md);
    add_arg(d, DNNL_ARG_DST, &md);
    return d;
}

#else

static void *open_none(const BenchWork *w, int threads)
{
    (void)w, (void)threads;
    return NULL;
}

static void run_none(void *state, BenchWork *w)
{
    (void)state, (void)w;
}

static void close_none(void *state)
{
    (void)state;
}

#define open_gemm         open_none
#define open_conv_forward open_none
#define open_conv_grad_x  open_none
#define open_conv_grad_w  open_none
#define open_softmax      open_none
#define open_layer_norm   open_none
#define run_gemm          run_none
#define run_dnnl          run_none
#define close_gemm        close_none
#define close_dnnl        close_none

#endif

#define DNNL(name)                                                                                 \
    const Peer peer_dnnl_##name = {"oneDNN", #name, false, open_##name, run_dnnl, close_dnnl};
const Peer peer_dnnl_gemm = {"oneDNN", "gemm", false, open_gemm, run_gemm, close_gemm};
DNNL(conv_forward)
DNNL(conv_grad_x)
DNNL(conv_grad_w)
DNNL(softmax)
DNNL(layer_norm)
