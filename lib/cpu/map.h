/* map -- elementwise programs: what a chain of elementwise nodes, its broadcasts and the reductions
 * at its end are compiled to. A tile interpreter runs the program over blocks that stay in L1.
 *
 * The domain is a row-major box of `rank` dims. Every input is read through strides over the domain
 * (0 = broadcast), so that permutes, slices and broadcasts cost no pass of their own; every output
 * is either stored densely over the whole domain or reduced over the middle group of the view
 * (outer, reduce, inner) of the domain. Numbers are float; I32 inputs are converted on load. */
#ifndef SEQLAB_CPU_MAP_H
#define SEQLAB_CPU_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MAP_MAX_RANK = 5,
    MAP_MAX_INPUTS = 12,
    MAP_MAX_OUTPUTS = 6,
    MAP_MAX_INSTR = 48,
    MAP_MAX_REGS = 64
};

/* One line an operation of the interpreter: map.def holds MAP(NAME, arity, cost, expression in
 * a, b, c, p, q). */
typedef enum MapOp {
#define MAP(name, arity, cost, expression) MAP_##name,
#include "cpu/map.def"
#undef MAP
    MAP_N_OPS
} MapOp;

/* Registers: 0..n_inputs-1 are the inputs, n_inputs+i is the result of instruction i. */
typedef struct MapInstr {
    MapOp op;
    uint8_t a, b, c; /* source registers */
    float p, q;      /* immediates */
} MapInstr;

typedef struct MapInput {
    int64_t stride[MAP_MAX_RANK]; /* in elements, over the domain's dims; 0 broadcasts */
    bool is_int;                  /* int32_t, converted to float on load */
    bool is_drawn;                /* random: the input is a MapDraw, the strides are the domain's */
} MapInput;

/* Element i of the domain is draw i of the stream (state, inc), as cpu.h's random_uniform has it,
 * or, with `choose`, random_bernoulli. The numbers are made in the tile that reads them. */
typedef struct MapDraw {
    uint64_t state, inc;
    bool choose;
    float p, value;
} MapDraw;

typedef enum MapStore { MAP_STORE, MAP_SUM, MAP_MAX_REDUCE } MapStore;

typedef struct MapOutput {
    MapStore kind;
    uint8_t reg;
} MapOutput;

typedef struct MapProgram {
    int rank;
    int64_t dim[MAP_MAX_RANK];
    int64_t outer, reduce, inner; /* product = size of the domain; all reducing outputs share it:
                                     out is (outer, inner) */
    int n_inputs, n_instr, n_outputs;
    MapInput inputs[MAP_MAX_INPUTS];
    MapInstr instr[MAP_MAX_INSTR];
    MapOutput outputs[MAP_MAX_OUTPUTS];
} MapProgram;

/* Bytes of scratch that map_run needs (partial sums); depends on the program only. */
size_t map_scratch(const MapProgram *p);

/* The order of additions of a reduction depends on (outer, reduce, inner) alone, so a fused program
 * gives the bits of the separate ones.
 *
 * inner == 1: the row is cut into blocks of MAP_BLOCK; in a block element i goes to lane i % 16,
 * which starts at 0, and the lanes are added by a tree (8, 4, 2, 1). inner > 1: the `reduce` index
 * is cut into blocks of max(64, 8192 / inner) rows; in a block row r goes to accumulator r % 4 of
 * its column, and the four are added (0 + 2) + (1 + 3). Both: the blocks' sums are added by a
 * balanced tree, at distance 1, 2, 4 and so on. A sum over nothing is 0, a maximum -inf.
 * An output of kind MAP_STORE may be the very memory of an input that has
 * the domain's own dense strides. */
enum { MAP_BLOCK = 1024 };

#endif
