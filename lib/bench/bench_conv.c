/* bench_conv -- convolutions and their two gradients; dim is n, size (height and width), channels
 * in and out, kernel, stride, groups (0: 1); padded so that a stride of 1 keeps the size. */
#include "bench/bench.h"

// clang-format off
static const BenchCase cases[] = {
    {"ResNet-20",  {128, 32, 3, 16, 3, 1}, NULL},
    {"ResNet-20",  {128, 32, 16, 16, 3, 1}, NULL},
    {"ResNet-20",  {128, 32, 16, 32, 3, 2}, NULL},
    {"ResNet-20",  {128, 16, 32, 32, 3, 1}, NULL},
    {"ResNet-20",  {128, 16, 32, 64, 3, 2}, NULL},
    {"ResNet-20",  {128, 8, 64, 64, 3, 1}, NULL},
    {"ResNet-50",  {8, 224, 3, 64, 7, 2}, NULL},
    {"ResNet-50",  {8, 56, 64, 64, 3, 1}, NULL},
    {"ResNet-50",  {8, 28, 128, 128, 3, 1}, NULL},
    {"ResNet-50",  {8, 14, 256, 256, 3, 1}, NULL},
    {"ResNet-50",  {8, 7, 512, 512, 3, 1}, NULL},
    {"ResNet-50",  {8, 56, 64, 256, 1, 1}, NULL},
    {"ResNet-50",  {8, 28, 512, 128, 1, 1}, NULL},
    {"ResNet-50",  {8, 14, 1024, 256, 1, 1}, NULL},
    {"ResNet-50",  {8, 7, 512, 2048, 1, 1}, NULL},
    {"ResNet-50",  {8, 56, 256, 512, 1, 2}, NULL},
    {"Conv-6",     {60, 16, 128, 128, 3, 1}, NULL},
    {"depthwise",  {32, 56, 128, 128, 3, 1, 128}, NULL},
    {"depthwise",  {32, 14, 512, 512, 3, 1, 512}, NULL},
    {"depthwise",  {32, 28, 256, 256, 3, 2, 256}, NULL},
    {"MobileNetV2", {32, 112, 32, 32, 3, 1, 32}, NULL},
    {"MobileNetV2", {32, 7, 960, 960, 3, 1, 960}, NULL},
    {"MobileNetV2", {32, 112, 96, 96, 3, 2, 96}, NULL},
    {"MobileNetV2", {32, 14, 576, 576, 3, 2, 576}, NULL},
    {"ResNeXt-50", {8, 56, 128, 128, 3, 1, 32}, NULL},
    {"ShuffleNet", {32, 28, 240, 60, 1, 1, 3}, NULL},
};
// clang-format on
enum { N_CASES = sizeof cases / sizeof cases[0] };

/* Buffers: x, w, y, or their gradients; each pass reads two of them and writes the third. */
static void prepare(BenchWork *w)
{
    const int64_t *d = w->of->dim, pad = d[4] / 2, out = (d[1] + 2 * pad - d[4]) / d[5] + 1;
    const int64_t groups = d[6] > 0 ? d[6] : 1;
    ConvShape *s = &w->call.conv;
    *s = (ConvShape){
        .n = d[0],
        .h = d[1],
        .w = d[1],
        .c = d[2],
        .o = d[3],
        .kh = d[4],
        .kw = d[4],
        .oh = out,
        .ow = out,
        .stride = {d[5], d[5]},
        .pad = {pad,  pad },
        .dilation = {1,    1   },
        .groups = groups,
    };
    w->n_floats[0] = s->n * s->h * s->w * s->c;
    w->n_floats[1] = s->o * s->c / groups * s->kh * s->kw;
    w->n_floats[2] = s->n * out * out * s->o;
    const int64_t taps = s->c / groups * s->kh * s->kw; /* of one output */
    w->flops = 2.0 * (double)w->n_floats[2] * (double)taps;
    w->bytes = 4.0 * (double)(w->n_floats[0] + w->n_floats[1] + w->n_floats[2]);
    w->scratch_bytes = cpu->conv_scratch(s);
    const int n = snprintf(w->shape, sizeof w->shape, "n%d %dx%d %d->%d k%d s%d", (int)d[0],
                           (int)d[1], (int)d[1], (int)d[2], (int)d[3], (int)d[4], (int)d[5]);
    if (groups > 1 && groups < s->c)
        (void)snprintf(w->shape + n, sizeof w->shape - (size_t)n, " g%d", (int)groups);
}

static void forward(BenchWork *w)
{
    cpu->conv_forward(&w->call.conv, w->at[0], w->at[1], w->at[2], w->scratch);
}

static void grad_x(BenchWork *w)
{
    cpu->conv_grad_x(&w->call.conv, w->at[2], w->at[1], w->at[0], w->scratch);
}

static void grad_w(BenchWork *w)
{
    cpu->conv_grad_w(&w->call.conv, w->at[0], w->at[2], w->at[1], w->scratch);
}

const BenchGroup bench_conv_forward = {"conv_forward", cases, N_CASES, prepare, forward};
const BenchGroup bench_conv_grad_x = {"conv_grad_x", cases, N_CASES, prepare, grad_x};
const BenchGroup bench_conv_grad_w = {"conv_grad_w", cases, N_CASES, prepare, grad_w};
