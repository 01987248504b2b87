/* conv -- 2-D convolution and its two gradients: picks the kernel for a shape.
 *
 * 1x1 convolutions are matrix products over pixels, but for a few outputs of a pixel; one channel a
 * group has kernels over channels (conv_depthwise.c, conv_depthwise_3x3.c), a few channels a group
 * too (conv_grouped.c); 3x3 of stride 1 over enough channels go by Winograd's F(4x4, 3x3)
 * (winograd.c, winograd_grad_w.c); all others sum over a ConvGrid (conv_sum.c, conv_grad_w.c). The
 * choice depends on the shape alone. */
#include "cpu/conv_inner.h"
#include "cpu/winograd.h"

static bool is_product(const ConvShape *s)
{
    return s->kh == 1 && s->kw == 1 && s->groups == 1 && s->stride[0] == 1 && s->stride[1] == 1 &&
           s->pad[0] == 0 && s->pad[1] == 0;
}

/* A product that a sum over a ConvGrid does faster, by the same additions: one panel of k, few
 * columns and lines that are not short. */
enum { FEW_COLUMNS = 64, SHORT_LINE = 16 };

static bool is_narrow(const ConvShape *s, int64_t depth, int64_t columns)
{
    return depth <= K_PANEL && columns <= FEW_COLUMNS && columns < depth && s->w > SHORT_LINE;
}

static bool is_depthwise(const ConvShape *s)
{
    return s->groups > 1 && s->groups == s->c && s->o == s->c;
}

static Gemm product_forward(const ConvShape *s, const float *x, const float *w, float *y)
{
    return (Gemm){.batch = 1,
                  .m = s->n * s->h * s->w,
                  .n = s->o,
                  .k = s->c,
                  .a = x,
                  .b = w,
                  .c = y,
                  .lda = s->c,
                  .ldb = s->c,
                  .ldc = s->o,
                  .trans_b = true};
}

static Gemm product_grad_x(const ConvShape *s, const float *dy, const float *w, float *dx)
{
    return (Gemm){.batch = 1,
                  .m = s->n * s->h * s->w,
                  .n = s->c,
                  .k = s->o,
                  .a = dy,
                  .b = w,
                  .c = dx,
                  .lda = s->o,
                  .ldb = s->c,
                  .ldc = s->c};
}

/* Of few channels, conv_grad_w.c splits the pixels; of more, it computes the same sums faster up to
 * a number of weights. */
static bool is_product_grad_w(const ConvShape *s)
{
    return is_product(s) && s->c >= 64 && s->o >= 64 && !conv_grad_is_flat(s);
}

static Gemm product_grad_w(const ConvShape *s, const float *x, const float *dy, float *dw)
{
    return (Gemm){.batch = 1,
                  .m = s->o,
                  .n = s->c,
                  .k = s->n * s->h * s->w,
                  .a = dy,
                  .b = x,
                  .c = dw,
                  .lda = s->o,
                  .ldb = s->c,
                  .ldc = s->c,
                  .trans_a = true};
}

void K(conv_forward)(const ConvShape *s, const float *x, const float *w, float *y, void *scratch)
{
    if (is_depthwise(s) && depthwise_3x3_fits(s)) {
        depthwise_3x3_forward(s, x, w, y, scratch);
    } else if (is_depthwise(s)) {
        conv_depthwise_forward(s, x, w, y, scratch);
    } else if (conv_grouped_fits(s)) {
        conv_grouped_forward(s, x, w, y, scratch);
    } else if (is_product(s) && !is_narrow(s, s->c, s->o)) {
        const Gemm g = product_forward(s, x, w, y);
        K(gemm)(&g, scratch);
    } else if (winograd_fits(s)) {
        winograd_forward(s, x, w, y, scratch);
    } else {
        conv_general_forward(s, x, w, y, scratch);
    }
}

void K(conv_grad_x)(const ConvShape *s, const float *dy, const float *w, float *dx, void *scratch)
{
    if (is_depthwise(s) && depthwise_3x3_fits(s)) {
        depthwise_3x3_grad_x(s, dy, w, dx, scratch);
    } else if (is_depthwise(s)) {
        conv_depthwise_grad_x(s, dy, w, dx, scratch);
    } else if (conv_grouped_fits(s)) {
        conv_grouped_grad_x(s, dy, w, dx, scratch);
    } else if (is_product(s) && !is_narrow(s, s->o, s->c)) {
        const Gemm g = product_grad_x(s, dy, w, dx);
        K(gemm)(&g, scratch);
    } else if (winograd_fits(s)) {
        winograd_grad_x(s, dy, w, dx, scratch);
    } else {
        conv_general_grad_x(s, dy, w, dx, scratch);
    }
}

void K(conv_grad_w)(const ConvShape *s, const float *x, const float *dy, float *dw, void *scratch)
{
    if (is_depthwise(s) && depthwise_3x3_fits(s)) {
        depthwise_3x3_grad_w(s, x, dy, dw, scratch);
    } else if (is_depthwise(s)) {
        conv_depthwise_grad_w(s, x, dy, dw, scratch);
    } else if (conv_grouped_fits(s)) {
        conv_grouped_grad_w(s, x, dy, dw, scratch);
    } else if (is_product_grad_w(s)) {
        const Gemm g = product_grad_w(s, x, dy, dw);
        K(gemm)(&g, scratch);
    } else if (winograd_grad_w_fits(s)) {
        winograd_grad_w(s, x, dy, dw, scratch);
    } else {
        conv_general_grad_w(s, x, dy, dw, scratch);
    }
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t grad_w_scratch(const ConvShape *s)
{
    if (is_product_grad_w(s)) {
        const Gemm g = product_grad_w(s, NULL, NULL, NULL);
        return K(gemm_scratch)(&g);
    }
    return winograd_grad_w_fits(s) ? winograd_grad_w_scratch(s) : conv_grad_w_scratch(s);
}

size_t K(conv_scratch)(const ConvShape *s)
{
    if (is_depthwise(s))
        return depthwise_3x3_fits(s) ? depthwise_3x3_scratch(s) : conv_depthwise_scratch(s);
    if (conv_grouped_fits(s)) return conv_grouped_scratch(s);
    const size_t grad_w = grad_w_scratch(s);
    if (winograd_fits(s)) return larger(grad_w, winograd_scratch(s));
    const size_t others = larger(grad_w, conv_sum_scratch(s));
    if (!is_product(s)) return others;
    const Gemm forward = product_forward(s, NULL, NULL, NULL),
               grad_x = product_grad_x(s, NULL, NULL, NULL);
    return larger(others, larger(K(gemm_scratch)(&forward), K(gemm_scratch)(&grad_x)));
}
