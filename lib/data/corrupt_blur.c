/* corrupt_blur -- means over neighbours, and the elastic move. */
#include "base/realmath.h"
#include "data/corrupt_inner.h"

#include <math.h>
#include <string.h>

enum { MAX_REACH = 16 };

/* One line of n values `stride` apart, edges repeated. */
static void blur_line(double *x, int64_t n, int64_t stride, const double *tap, int64_t reach)
{
    double line[CORRUPT_MAX_SIDE] = {0};
    for (int64_t i = 0; i < n; i++) line[i] = x[i * stride];
    for (int64_t i = 0; i < n; i++) {
        double sum = 0;
        for (int64_t k = -reach; k <= reach; k++) {
            const int64_t at = i + k < 0 ? 0 : i + k >= n ? n - 1 : i + k;
            sum += tap[k + reach] * line[at];
        }
        x[i * stride] = sum;
    }
}

void blur_plane(double *x, int64_t h, int64_t w, double sigma)
{
    double tap[2 * MAX_REACH + 1] = {0}, sum = 0;
    int64_t reach = (int64_t)(4 * sigma + 0.5);
    if (reach > MAX_REACH) reach = MAX_REACH;
    for (int64_t k = -reach; k <= reach; k++)
        sum += tap[k + reach] = real_exp(-0.5 * (double)(k * k) / (sigma * sigma));
    for (int64_t k = 0; k <= 2 * reach; k++) tap[k] /= sum;
    for (int64_t i = 0; i < h; i++) blur_line(x + i * w, w, 1, tap, reach);
    for (int64_t j = 0; j < w; j++) blur_line(x + j, h, w, tap, reach);
}

void corrupt_gaussian_blur(const Picture *p, const double v[2], Pcg *rng)
{
    (void)rng;
    double plane[CORRUPT_MAX_FLOATS];
    const int64_t n = p->h * p->w;
    for (int64_t k = 0; k < p->c; k++) {
        for (int64_t i = 0; i < n; i++) plane[i] = (double)p->x[i * p->c + k];
        blur_plane(plane, p->h, p->w, v[0]);
        for (int64_t i = 0; i < n; i++) p->x[i * p->c + k] = (float)plane[i];
    }
}

/* A pixel at distance d of the disc's centre counts min(1, r + 1/2 - d): its share of the disc, to
 * first order. */
void corrupt_defocus_blur(const Picture *p, const double v[2], Pcg *rng)
{
    (void)rng;
    float old[CORRUPT_MAX_FLOATS];
    double weight[2 * MAX_REACH + 1][2 * MAX_REACH + 1] = {{0}}, total = 0;
    const int64_t reach = (int64_t)ceil(v[0]);
    for (int64_t i = -reach; i <= reach; i++)
        for (int64_t j = -reach; j <= reach; j++) {
            const double inside = v[0] + 0.5 - real_sqrt((double)(i * i + j * j));
            weight[i + reach][j + reach] = inside < 0 ? 0 : inside > 1 ? 1 : inside;
            total += weight[i + reach][j + reach];
        }
    memcpy(old, p->x, sizeof old[0] * (size_t)picture_count(p));
    for (int64_t at = 0; at < picture_count(p); at++) {
        const int64_t k = at % p->c, column = at / p->c % p->w, row = at / p->c / p->w;
        double sum = 0;
        for (int64_t i = -reach; i <= reach; i++)
            for (int64_t j = -reach; j <= reach; j++)
                sum += weight[i + reach][j + reach] *
                       (double)picture_at(old, p, row + i, column + j, k);
        p->x[at] = (float)(sum / total);
    }
}

void corrupt_motion_blur(const Picture *p, const double v[2], Pcg *rng)
{
    float old[CORRUPT_MAX_FLOATS];
    const double turns = ((double)pcg_uniform(rng) - 0.5) / 4; /* -45 to 45 degrees */
    const double dy = real_sin_turns(turns), dx = real_cos_turns(turns);
    const int half = (int)v[0]; /* two samples a pixel of length, and the middle */
    memcpy(old, p->x, sizeof old[0] * (size_t)picture_count(p));
    for (int64_t at = 0; at < picture_count(p); at++) {
        const int64_t k = at % p->c, column = at / p->c % p->w, row = at / p->c / p->w;
        double sum = 0;
        for (int s = -half; s <= half; s++)
            sum += (double)picture_between(old, p, (double)row + 0.5 * s * dy,
                                           (double)column + 0.5 * s * dx, k);
        p->x[at] = (float)(sum / (2 * half + 1));
    }
}

void corrupt_elastic_transform(const Picture *p, const double v[2], Pcg *rng)
{
    double field[2][CORRUPT_MAX_FLOATS] = {{0}}, square = 0;
    float old[CORRUPT_MAX_FLOATS];
    const int64_t n = p->h * p->w;
    for (int axis = 0; axis < 2; axis++) {
        for (int64_t i = 0; i < n; i++) field[axis][i] = 2 * (double)pcg_uniform(rng) - 1;
        blur_plane(field[axis], p->h, p->w, v[1]);
        for (int64_t i = 0; i < n; i++) square += field[axis][i] * field[axis][i];
    }
    const double scale = square > 0 ? v[0] / real_sqrt(square / (double)n) : 0;
    memcpy(old, p->x, sizeof old[0] * (size_t)picture_count(p));
    for (int64_t i = 0; i < n; i++) {
        const int64_t row = i / p->w, column = i % p->w;
        const double y = (double)row + scale * field[0][i];
        const double x = (double)column + scale * field[1][i];
        for (int64_t k = 0; k < p->c; k++) p->x[i * p->c + k] = picture_between(old, p, y, x, k);
    }
}
