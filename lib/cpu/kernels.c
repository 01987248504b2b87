/* kernels -- the table of one instruction set. */
#include "cpu/kernel.h"

const Kernels K(kernels) = {
    .isa = KERNEL_TEXT(ISA),
#define KERNEL(name) .name = K(name),
#include "cpu/kernels.def"
#undef KERNEL
};
