/* lanes -- sums and maxima over a contiguous row in 16 fixed lanes: element i goes to lane i % 16,
 * then a tree. */
#ifndef SEQLAB_CPU_LANES_H
#define SEQLAB_CPU_LANES_H

#include <stdint.h>

enum { LANES = 16 };

static inline float lanes_sum_tree(float lane[LANES])
{
    for (int width = LANES / 2; width > 0; width /= 2)
        for (int l = 0; l < width; l++) lane[l] += lane[l + width];
    return lane[0];
}

/* Sum over i of `expression` in i. */
#define LANES_SUM(result, n, expression)                                                           \
    do {                                                                                           \
        float lane_[LANES] = {0};                                                                  \
        int64_t base_ = 0;                                                                         \
        for (; base_ + LANES <= (n); base_ += LANES)                                               \
            for (int l_ = 0; l_ < LANES; l_++) {                                                   \
                const int64_t i = base_ + l_;                                                      \
                lane_[l_] += (expression);                                                         \
            }                                                                                      \
        for (int l_ = 0; base_ + l_ < (n); l_++) {                                                 \
            const int64_t i = base_ + l_;                                                          \
            lane_[l_] += (expression);                                                             \
        }                                                                                          \
        (result) = lanes_sum_tree(lane_);                                                          \
    } while (0)

/* Threads for `work` elements: one below about 20 us of work. */
static inline int lanes_threads(int64_t work, int64_t rows, int threads)
{
    int64_t useful = work / 16384;
    if (useful < threads) threads = useful < 1 ? 1 : (int)useful;
    return rows < threads ? (rows < 1 ? 1 : (int)rows) : threads;
}

#define ROWS_PARALLEL(work, rows)                                                                  \
    const int threads_ = lanes_threads((work), (rows), threads_count());                           \
    _Pragma("omp parallel for schedule(static) num_threads(threads_) if (threads_ > 1)")

#endif
