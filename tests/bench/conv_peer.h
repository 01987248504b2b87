/* conv_peer -- oneDNN's convolutions for conv_bench, direct and (where it has it) Winograd, in
 * whatever layouts it likes best; its own reorders are not counted. Without its header the peer is
 * absent. Link with -ldnnl. */
#ifndef SEQLAB_BENCH_CONV_PEER_H
#define SEQLAB_BENCH_CONV_PEER_H

#include "cpu/cpu.h"

#include <stdbool.h>
#include <stdlib.h>

#if __has_include(<dnnl.h>)
#include <dnnl.h>

enum { PEER_PRESENT = 1 };

typedef struct Peer {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_t primitive;
    dnnl_memory_t memory[3];
    dnnl_exec_arg_t args[3];
} Peer;

/* Calls cannot fail on valid shapes; a bench stops where one does. */
static inline void peer_check(dnnl_status_t status)
{
    if (status != dnnl_success) abort();
}

static inline dnnl_memory_t peer_memory(const Peer *p, const_dnnl_primitive_desc_t pd,
                                        dnnl_query_t what)
{
    const dnnl_memory_desc_t *md = dnnl_primitive_desc_query_md(pd, what, 0);
    dnnl_memory_t memory;
    void *data;
    peer_check(dnnl_memory_create(&memory, md, p->engine, DNNL_MEMORY_ALLOCATE));
    peer_check(dnnl_memory_get_data_handle(memory, &data));
    float *x = data;
    for (size_t i = 0; i < dnnl_memory_desc_get_size(md) / sizeof *x; i++)
        x[i] = (float)((i * 7919) % 1009) / 1009.0f - 0.5f;
    return memory;
}

/* pass 0 forward, 1 gradient to x, 2 to w. False: oneDNN has no such kernel. */
static inline bool peer_start(Peer *p, const ConvShape *s, int pass, bool winograd)
{
    const dnnl_alg_kind_t kind = winograd ? dnnl_convolution_winograd : dnnl_convolution_direct;
    const dnnl_dims_t src = {s->n, s->c, s->h, s->w}, dst = {s->n, s->o, s->oh, s->ow};
    const dnnl_dims_t plain = {s->o, s->c, s->kh, s->kw};
    const dnnl_dims_t grouped = {s->groups, s->o / s->groups, s->c / s->groups, s->kh, s->kw};
    const dnnl_dims_t stride = {s->stride[0], s->stride[1]}, pad = {s->pad[0], s->pad[1]};
    dnnl_memory_desc_t m[3];
    dnnl_convolution_desc_t d;
    dnnl_primitive_desc_t forward, pd;
    peer_check(dnnl_engine_create(&p->engine, dnnl_cpu, 0));
    peer_check(dnnl_stream_create(&p->stream, p->engine, dnnl_stream_default_flags));
    peer_check(dnnl_memory_desc_init_by_tag(&m[0], 4, src, dnnl_f32, dnnl_format_tag_any));
    peer_check(dnnl_memory_desc_init_by_tag(&m[1], s->groups > 1 ? 5 : 4,
                                            s->groups > 1 ? grouped : plain, dnnl_f32,
                                            dnnl_format_tag_any));
    peer_check(dnnl_memory_desc_init_by_tag(&m[2], 4, dst, dnnl_f32, dnnl_format_tag_any));
    peer_check(dnnl_convolution_forward_desc_init(&d, dnnl_forward_training, kind, &m[0], &m[1],
                                                  NULL, &m[2], stride, pad, pad));
    bool has = dnnl_primitive_desc_create(&forward, &d, NULL, p->engine, NULL) == dnnl_success;
    if (pass == 1)
        peer_check(dnnl_convolution_backward_data_desc_init(&d, kind, &m[0], &m[1], &m[2], stride,
                                                            pad, pad));
    if (pass == 2)
        peer_check(dnnl_convolution_backward_weights_desc_init(&d, kind, &m[0], &m[1], NULL, &m[2],
                                                               stride, pad, pad));
    has = has && dnnl_primitive_desc_create(&pd, &d, NULL, p->engine, pass ? forward : NULL) ==
                     dnnl_success;
    if (!has) {
        peer_check(dnnl_stream_destroy(p->stream));
        peer_check(dnnl_engine_destroy(p->engine));
        return false;
    }
    p->memory[0] = peer_memory(p, pd, pass == 1 ? dnnl_query_diff_src_md : dnnl_query_src_md);
    p->memory[1] =
        peer_memory(p, pd, pass == 2 ? dnnl_query_diff_weights_md : dnnl_query_weights_md);
    p->memory[2] = peer_memory(p, pd, pass ? dnnl_query_diff_dst_md : dnnl_query_dst_md);
    p->args[0] = (dnnl_exec_arg_t){pass == 1 ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC, p->memory[0]};
    p->args[1] =
        (dnnl_exec_arg_t){pass == 2 ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS, p->memory[1]};
    p->args[2] = (dnnl_exec_arg_t){pass ? DNNL_ARG_DIFF_DST : DNNL_ARG_DST, p->memory[2]};
    peer_check(dnnl_primitive_create(&p->primitive, pd));
    peer_check(dnnl_primitive_desc_destroy(pd));
    peer_check(dnnl_primitive_desc_destroy(forward));
    return true;
}

static inline void peer_run(Peer *p)
{
    peer_check(dnnl_primitive_execute(p->primitive, p->stream, 3, p->args));
    peer_check(dnnl_stream_wait(p->stream));
}

static inline void peer_end(Peer *p)
{
    for (int i = 0; i < 3; i++) peer_check(dnnl_memory_destroy(p->memory[i]));
    peer_check(dnnl_primitive_destroy(p->primitive));
    peer_check(dnnl_stream_destroy(p->stream));
    peer_check(dnnl_engine_destroy(p->engine));
}

#else

enum { PEER_PRESENT = 0 };

typedef struct Peer {
    int none;
} Peer;

static inline bool peer_start(Peer *p, const ConvShape *s, int pass, bool winograd)
{
    (void)p, (void)s, (void)pass, (void)winograd;
    return false;
}

static inline void peer_run(Peer *p)
{
    (void)p;
}

static inline void peer_end(Peer *p)
{
    (void)p;
}

#endif
#endif
