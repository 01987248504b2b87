/* map_tile -- one tile of a map program: its inputs made runs of floats, its instructions run over
 * them. Shared by map.c and map_tile.c. */
#ifndef SEQLAB_CPU_MAP_TILE_H
#define SEQLAB_CPU_MAP_TILE_H

#include "cpu/kernel.h"
#include "cpu/map_chain.h"
#include "cpu/map_program.h"

enum { MAP_PERIOD = 512 };

/* How an input becomes a run of floats. */
typedef enum MapReading {
    READ_IN_PLACE, /* it has the domain's own strides */
    READ_PERIODIC, /* every row reads the same, and is at most MAP_PERIOD long */
    READ_ROWS,     /* contiguous along a row: in place when the tile lies within one */
    READ_STRIDED,  /* copied element by element */
    READ_DRAWN     /* made: random numbers */
} MapReading;

/* The domain with its mergeable dims merged, its outputs given a place. */
typedef struct MapDomain {
    int rank;
    int64_t dim[MAP_MAX_RANK];
    int64_t stride[MAP_MAX_INPUTS][MAP_MAX_RANK];
    int64_t count;
    MapReading reading[MAP_MAX_INPUTS];
    int slot[MAP_MAX_INSTR];      /* a buffer, or -1 - output to write in place */
    bool copied[MAP_MAX_OUTPUTS]; /* stored from its register after the tile */
    bool streamed[MAP_MAX_INSTR]; /* written in place, past the caches, where tiles are aligned */
    bool far;    /* too large for the caches: rows that lie apart are asked for ahead */
    int64_t cut; /* tiles end at multiples of it within a row; 0: anywhere */
    MapChains chains;
} MapDomain;

/* What one thread works with. */
typedef struct MapTiler {
    const MapProgram *p;
    const MapDomain *d;
    const void *const *inputs;
    void *const *outputs;
    MapPlaces at;
    bool filled[MAP_MAX_INPUTS]; /* a periodic input stands in its buffer */
    _Alignas(64) float input_buffer[MAP_MAX_INPUTS][MAP_TILE + MAP_PERIOD];
    _Alignas(64) float buffer[MAP_MAX_INSTR][MAP_TILE];
} MapTiler;

/* One instruction over n numbers; y may be x, u or v, never an overlap of them. */
void K(map_instr)(const MapInstr *in, const float *x, const float *u, const float *v, float *y,
                  int64_t n);
void K(map_domain)(const MapProgram *p, const void *const inputs[], void *const outputs[],
                   MapDomain *d);
void K(map_tiler)(const MapProgram *p, const MapDomain *d, const void *const inputs[],
                  void *const outputs[], MapTiler *t);
/* All registers of elements flat..flat+n, n <= MAP_TILE; stored outputs are in place afterwards. */
void K(map_tile)(MapTiler *t, int64_t flat, int64_t n);

#endif
