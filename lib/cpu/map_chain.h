/* map_chain -- runs of cheap instructions whose intermediate values stay in registers. */
#ifndef SEQLAB_CPU_MAP_CHAIN_H
#define SEQLAB_CPU_MAP_CHAIN_H

#include "cpu/kernel.h"

/* What a step does to the value in the registers; u and v are its operands in memory. */
typedef enum MapStepCode {
    STEP_LOAD,  /* u */
    STEP_STORE, /* to u */
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
    uint8_t code, u, v; /* registers of the program */
    float p, q;
} MapStep;

enum { MAP_MAX_STEPS = 3 * MAP_MAX_INSTR };

/* The steps of a program: instruction i starts a chain of length[i] instructions (0: it runs alone)
 * whose steps are first[i]..first[i + length[i]]. */
typedef struct MapChains {
    MapStep step[MAP_MAX_STEPS];
    uint8_t first[MAP_MAX_INSTR + 1], length[MAP_MAX_INSTR];
} MapChains;

void K(map_chains)(const MapProgram *p, MapChains *c);
/* Steps from..to over n elements; reg: where each register of the program lies. */
void K(map_chain_run)(const MapChains *c, int from, int to, float *const reg[], int64_t n);

#endif
