/* map_chain -- runs of cheap instructions whose intermediate values stay in registers. */
#ifndef SEQLAB_CPU_MAP_CHAIN_H
#define SEQLAB_CPU_MAP_CHAIN_H

#include "cpu/kernel.h"

/* What a step does to the value in the registers; u and v are its operands in memory. */
typedef enum MapStepCode {
    STEP_LOAD,       /* u */
    STEP_STORE,      /* to u */
    STEP_STREAM,     /* the same, past the caches */
    STEP_SUM,        /* added to the ring u */
    STEP_SUM_FOLDED, /* the same for a ring of half a block */
    STEP_HOLD_0,     /* sums whose ring stays in registers: the first, the second */
    STEP_HOLD_1,
    STEP_HOLD_0_FOLDED,
    STEP_HOLD_1_FOLDED,
    STEP_ADD,
    STEP_SUB,      /* value - u */
    STEP_SUB_FROM, /* u - value */
    STEP_MUL,
    STEP_SQUARE,
    STEP_FMA,     /* value u + v */
    STEP_FMA_ADD, /* u v + value */
    STEP_AFFINE,  /* p value + q */
    STEP_RELU,
    STEP_LESS,       /* value < u */
    STEP_LESS_THAN,  /* u < value */
    STEP_WHERE,      /* value ? u : v */
    STEP_WHERE_THEN, /* u ? value : v */
    STEP_WHERE_ELSE, /* u ? v : value */
} MapStepCode;

typedef struct MapStep {
    uint8_t code, u, v; /* registers of the program; of a sum, the output */
    float p, q;
} MapStep;

enum { MAP_MAX_STEPS = 3 * MAP_MAX_INSTR + MAP_MAX_OUTPUTS };

/* Where the registers of a program lie for one tile. The accumulators of a column sum are a ring of
 * 4 inner floats, which the tile's elements walk round. */
typedef struct MapPlaces {
    float *reg[MAP_MAX_REGS];     /* inputs are only read */
    bool still[MAP_MAX_REGS];     /* every block of the chain reads the same: reg is not advanced */
    bool streamed[MAP_MAX_REGS];  /* written past the caches: a large output, u aligned */
    float *ring[MAP_MAX_OUTPUTS]; /* of the outputs that chains sum */
} MapPlaces;

/* The steps of a program: instruction i starts a chain of length[i] instructions (0: it runs alone)
 * whose steps are first[i]..first[i + length[i]]. */
typedef struct MapChains {
    MapStep step[MAP_MAX_STEPS];
    uint8_t first[MAP_MAX_INSTR + 1], length[MAP_MAX_INSTR];
    int64_t ring;                 /* floats; 0: chains sum nothing */
    bool summed[MAP_MAX_OUTPUTS]; /* by the chains themselves */
} MapChains;

/* shortest: the number of instructions that make a chain. */
void K(map_chains)(const MapProgram *p, int shortest, MapChains *c);
/* Whether a row of so many elements comes back in every block at the same place. */
bool K(map_chain_repeats)(int64_t row);
/* Steps from..to over n elements. */
void K(map_chain_run)(const MapChains *c, int from, int to, const MapPlaces *at, int64_t n);

#endif
