/* epilogue -- see epilogue.h.
 *
 * Cheap steps in a row are one pass over the tile, a vector at a time, from the sums to where they
 * go; a step that takes a function runs over the tile in L1 by the map interpreter's own loop.
 * Either way a number gets the expression of map.def, so its bits are those of the map op. */
#include "cpu/epilogue.h"

#include "cpu/map_tile.h"

/* One row through cheap steps: to[0..columns) = steps([base +] tile). */
SIMD void run_row(const EpilogueStep *steps, int n_steps, const int64_t *offset, const float *tile,
                  const float *base, float *to, int64_t columns)
{
    for (int64_t j = 0; j < columns; j += VL) {
        const int64_t n = min64(VL, columns - j);
        vf x = vf_load(tile + j);
        if (base) x = vf_load_n(base + j, n) + x;
        for (int s = 0; s < n_steps; s++) x = epilogue_apply(&steps[s], x, offset[s] + j, n);
        if (n == VL)
            vf_store(to + j, x);
        else
            vf_store_n(to + j, x, n);
    }
}

static void run_cheap(const EpilogueStep *steps, int n_steps, const EpiloguePlace *at, float *tile,
                      const float *base, int64_t ldbase, float *to, int64_t ldto)
{
    int64_t offset[EPILOGUE_MAX];
    for (int s = 0; s < n_steps; s++)
        offset[s] = at->item * steps[s].batch_stride + at->m0 * steps[s].row_stride + at->n0;
    for (int64_t i = 0; i < at->rows; i++) {
        run_row(steps, n_steps, offset, tile + i * at->ld, base ? base + i * ldbase : NULL,
                to + i * ldto, at->columns);
        for (int s = 0; s < n_steps; s++) offset[s] += steps[s].row_stride;
    }
}

void K(epilogue)(const EpilogueStep *steps, int n_steps, const EpiloguePlace *at, float *tile,
                 const float *base, int64_t ldbase, float *to, int64_t ldto)
{
    for (int begin = 0;;) {
        int end = begin;
        while (end < n_steps && epilogue_is_cheap(steps[end].op)) end++;
        if (end == n_steps) {
            run_cheap(steps + begin, end - begin, at, tile, base, ldbase, to, ldto);
            return;
        }
        if (base || end > begin)
            run_cheap(steps + begin, end - begin, at, tile, base, ldbase, tile, at->ld);
        base = NULL;
        const MapInstr in = {.op = steps[end].op, .p = steps[end].p, .q = steps[end].q};
        const int64_t columns = ceil_div(at->columns, VL) * VL;
        if (columns == at->ld) K(map_instr)(&in, tile, tile, tile, tile, at->rows * at->ld);
        for (int64_t i = 0; i < at->rows && columns < at->ld; i++) {
            float *row = tile + i * at->ld;
            K(map_instr)(&in, row, row, row, row, columns);
        }
        begin = end + 1;
    }
}
