/* kernel -- the naming of kernels: K(gemm) is gemm_v3, gemm_v4 or gemm_neon, by the ISA being
 * compiled. Only files of lib/cpu include this. The prototypes come from the fields of Kernels, so
 * they cannot drift. */
#ifndef SEQLAB_CPU_KERNEL_H
#define SEQLAB_CPU_KERNEL_H

#include "cpu/cpu.h"

#define KERNEL_JOIN_(name, isa) name##_##isa
#define KERNEL_JOIN(name, isa)  KERNEL_JOIN_(name, isa)
#define K(name)                 KERNEL_JOIN(name, ISA)
#define KERNEL_TEXT_(isa)       #isa
#define KERNEL_TEXT(isa)        KERNEL_TEXT_(isa)

/* Each kernel has the type of its field in Kernels; kernels.def holds one line a kernel. */
#define KERNEL(name) extern __typeof__(*(((Kernels *)0)->name)) K(name);
#include "cpu/kernels.def"
#undef KERNEL

extern const Kernels K(kernels);

#endif
