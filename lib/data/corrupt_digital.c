/* corrupt_digital -- what storing a picture small does to it. */
#include "base/realmath.h"
#include "data/corrupt_inner.h"

#include <math.h>
#include <string.h>

/* -- Pixels that are too large */

/* Of a side of n pixels made `to` pixels: those that small pixel i is the mean of, whose centres
 * lie in its box. */
static void box(int64_t n, int64_t to, int64_t i, int64_t *first, int64_t *end)
{
    const double scale = (double)n / (double)to;
    *first = (int64_t)floor((double)i * scale + 0.5);
    *end = (int64_t)floor((double)(i + 1) * scale + 0.5);
    if (*end > n) *end = n;
    if (*end <= *first) *end = *first + 1;
}

void corrupt_pixelate(const Picture *p, const double v[2], Pcg *rng)
{
    (void)rng;
    float small[CORRUPT_MAX_FLOATS] = {0};
    int64_t h = (int64_t)((double)p->h * v[0]), w = (int64_t)((double)p->w * v[0]);
    if (h < 1) h = 1;
    if (w < 1) w = 1;
    for (int64_t at = 0; at < h * w * p->c; at++) {
        const int64_t k = at % p->c;
        int64_t top, bottom, left, right;
        box(p->h, h, at / p->c / w, &top, &bottom);
        box(p->w, w, at / p->c % w, &left, &right);
        double sum = 0;
        for (int64_t i = top; i < bottom; i++)
            for (int64_t j = left; j < right; j++) sum += (double)p->x[(i * p->w + j) * p->c + k];
        small[at] = (float)(sum / (double)((bottom - top) * (right - left)));
    }
    for (int64_t at = 0; at < picture_count(p); at++) {
        const int64_t k = at % p->c, j = at / p->c % p->w, i = at / p->c / p->w;
        /* the small pixel that the centre of this one lies in */
        const int64_t row = (2 * i + 1) * h / (2 * p->h), column = (2 * j + 1) * w / (2 * p->w);
        p->x[at] = small[(row * w + column) * p->c + k];
    }
}

/* -- JPEG: colours to luma and chroma (BT.601, as JFIF), blocks of 8 x 8, their cosine transform,
 * rounding to multiples of the tables of ITU-T T.81 annex K scaled as libjpeg scales them, and back
 */

enum { BLOCK = 8, PIXELS = BLOCK * BLOCK, HALFWAY = 128 };

// clang-format off
static const uint8_t luma_table[PIXELS] = {
    16, 11, 10, 16,  24,  40,  51,  61,
    12, 12, 14, 19,  26,  58,  60,  55,
    14, 13, 16, 24,  40,  57,  69,  56,
    14, 17, 22, 29,  51,  87,  80,  62,
    18, 22, 37, 56,  68, 109, 103,  77,
    24, 35, 55, 64,  81, 104, 113,  92,
    49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103,  99,
};
static const uint8_t chroma_table[PIXELS] = {
    17, 18, 24, 47, 99, 99, 99, 99,
    18, 21, 26, 66, 99, 99, 99, 99,
    24, 26, 56, 99, 99, 99, 99, 99,
    47, 66, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
};
// clang-format on

typedef struct Jpeg {
    double wave[BLOCK][BLOCK]; /* [frequency][place], orthonormal */
    double luma[PIXELS], chroma[PIXELS];
} Jpeg;

static void scale_table(const uint8_t *table, int quality, double *out)
{
    const int scale = quality < 50 ? 5000 / quality : 200 - 2 * quality;
    for (int i = 0; i < PIXELS; i++) {
        const int step = (table[i] * scale + 50) / 100;
        out[i] = step < 1 ? 1 : step > 255 ? 255 : step;
    }
}

static void prepare(Jpeg *j, int quality)
{
    for (int f = 0; f < BLOCK; f++)
        for (int i = 0; i < BLOCK; i++)
            j->wave[f][i] =
                f == 0 ? real_sqrt(1.0 / BLOCK) : 0.5 * real_cos_turns((2 * i + 1) * f / 32.0);
    scale_table(luma_table, quality, j->luma);
    scale_table(chroma_table, quality, j->chroma);
}

/* out = wave in wave^T, or wave^T in wave. */
static void transform(const Jpeg *j, const double *in, bool inverse, double *out)
{
    double half[PIXELS] = {0};
    for (int pass = 0; pass < 2; pass++) {
        const double *from = pass ? half : in;
        double *to = pass ? out : half;
        for (int a = 0; a < BLOCK; a++)
            for (int b = 0; b < BLOCK; b++) {
                double sum = 0; /* over the rows; transposed as it is written */
                for (int i = 0; i < BLOCK; i++)
                    sum += (inverse ? j->wave[i][a] : j->wave[a][i]) * from[i * BLOCK + b];
                to[b * BLOCK + a] = sum;
            }
    }
}

/* The block of plane (h, w) at (top, left); edges repeated. */
static void code_block(const Jpeg *j, const double *step, double *plane, const Picture *p,
                       int64_t top, int64_t left)
{
    double block[PIXELS], code[PIXELS];
    for (int i = 0; i < PIXELS; i++) {
        const int64_t row = top + i / BLOCK < p->h ? top + i / BLOCK : p->h - 1;
        const int64_t column = left + i % BLOCK < p->w ? left + i % BLOCK : p->w - 1;
        block[i] = plane[row * p->w + column] - HALFWAY;
    }
    transform(j, block, false, code);
    for (int i = 0; i < PIXELS; i++) code[i] = nearbyint(code[i] / step[i]) * step[i];
    transform(j, code, true, block);
    for (int i = 0; i < PIXELS; i++) {
        const int64_t row = top + i / BLOCK, column = left + i % BLOCK;
        if (row < p->h && column < p->w) plane[row * p->w + column] = block[i] + HALFWAY;
    }
}

static void code_plane(const Jpeg *j, const double *step, double *plane, const Picture *p)
{
    for (int64_t top = 0; top < p->h; top += BLOCK)
        for (int64_t left = 0; left < p->w; left += BLOCK) code_block(j, step, plane, p, top, left);
}

/* y, cb, cr of a colour of 0 to 255. */
static void to_ycc(const float *rgb, double *y, double *cb, double *cr)
{
    const double r = 255 * (double)rgb[0], g = 255 * (double)rgb[1], b = 255 * (double)rgb[2];
    *y = 0.299 * r + 0.587 * g + 0.114 * b;
    *cb = HALFWAY + (b - *y) / 1.772;
    *cr = HALFWAY + (r - *y) / 1.402;
}

static void from_ycc(double y, double cb, double cr, float *rgb)
{
    const double r = y + 1.402 * (cr - HALFWAY), b = y + 1.772 * (cb - HALFWAY);
    rgb[0] = (float)(r / 255);
    rgb[1] = (float)((y - 0.299 * r - 0.114 * b) / 0.587 / 255);
    rgb[2] = (float)(b / 255);
}

void corrupt_jpeg_compression(const Picture *p, const double v[2], Pcg *rng)
{
    (void)rng;
    Jpeg j;
    double plane[3][CORRUPT_MAX_FLOATS] = {{0}};
    const int64_t n = p->h * p->w;
    prepare(&j, (int)v[0]);
    for (int64_t i = 0; i < n; i++) {
        if (p->c == 3)
            to_ycc(p->x + 3 * i, &plane[0][i], &plane[1][i], &plane[2][i]);
        else
            plane[0][i] = 255 * (double)p->x[i];
    }
    code_plane(&j, j.luma, plane[0], p);
    for (int k = 1; k < p->c; k++) code_plane(&j, j.chroma, plane[k], p);
    for (int64_t i = 0; i < n; i++) {
        if (p->c == 3)
            from_ycc(plane[0][i], plane[1][i], plane[2][i], p->x + 3 * i);
        else
            p->x[i] = (float)(plane[0][i] / 255);
    }
}
