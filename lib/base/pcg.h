/* pcg -- PCG32 (XSH RR 64/32) random numbers with jump-ahead.
 *
 * A stream is named by (seed, purpose, step, tensor), never by a thread, so a number does not
 * depend on who draws it. Source: M. E. O'Neill, "PCG: A Family of Simple Fast Space-Efficient
 * Statistically Good Algorithms for Random Number Generation", HMC-CS-2014-0905; jump-ahead: F.
 * Brown, 1994. */
#ifndef SEQLAB_BASE_PCG_H
#define SEQLAB_BASE_PCG_H

#include <stdint.h>

#define PCG_MULTIPLIER UINT64_C(6364136223846793005)

typedef struct Pcg {
    uint64_t state;
    uint64_t inc; /* odd */
} Pcg;

/* pcg32_srandom_r of the reference: pcg_seed(42, 54) starts the published demo sequence 0xa15c02b7.
 */
Pcg pcg_seed(uint64_t state, uint64_t stream);

/* The stream of (seed, purpose, step, tensor). purpose is a short fixed word such as "init",
 * "dropout", "shuffle"; tensor is an index or pcg_name() of a parameter's name. */
Pcg pcg_stream(uint64_t seed, const char *purpose, uint64_t step, uint64_t tensor);
uint64_t pcg_name(const char *name); /* 64-bit FNV-1a, finished by SplitMix64 */

uint32_t pcg_next(Pcg *rng);
void pcg_advance(Pcg *rng, uint64_t delta); /* as delta calls of pcg_next; O(log delta) */

uint32_t pcg_below(Pcg *rng, uint32_t bound); /* unbiased, in [0, bound); bound >= 1 */
float pcg_uniform(Pcg *rng);                  /* [0, 1), a multiple of 2^-24; one draw */
double pcg_normal(Pcg *rng); /* N(0, 1); two draws always (Box-Muller, own log/cos) */

/* Fisher-Yates over 0..n-1, n < 2^32; order must hold n entries. n - 1 draws or a few more. */
void pcg_permutation(Pcg *rng, int64_t *order, int64_t n);

#endif
