/* ops -- the table of all ops, in the order of ops.def. */
#include "graph/op.h"

// clang-format off
const Op *const op_table[N_OPS] = {
#define OP(name) &op_##name,
#include "graph/ops.def"
#undef OP
};
// clang-format on
