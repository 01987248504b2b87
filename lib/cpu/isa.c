/* isa -- picks the kernel table for this CPU, or the one that SEQLAB_ISA names. */
#include "cpu/cpu.h"

#include <stdlib.h>
#include <string.h>

const Kernels *cpu;

#if defined(__x86_64__)

extern const Kernels kernels_v3, kernels_v4;

static bool has_v3(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
}

static bool has_v4(void)
{
    return has_v3() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}

static const struct {
    const Kernels *kernels;
    bool (*supported)(void);
} variants[] = {
    {&kernels_v4, has_v4},
    {&kernels_v3, has_v3}
};

#else

extern const Kernels kernels_neon;

static bool has_neon(void)
{
    return true;
}

static const struct {
    const Kernels *kernels;
    bool (*supported)(void);
} variants[] = {
    {&kernels_neon, has_neon}
};

#endif

enum { N_VARIANTS = sizeof variants / sizeof variants[0] };

int cpu_available(const char *names[4])
{
    int n = 0;
    for (int i = 0; i < N_VARIANTS; i++)
        if (variants[i].supported()) names[n++] = variants[i].kernels->isa;
    return n;
}

bool cpu_select(const char *isa, Error *err)
{
    const char *wanted = isa ? isa : getenv("SEQLAB_ISA"), *where = isa ? "isa " : "SEQLAB_ISA=";
    if (wanted && !*wanted) wanted = NULL;
    for (int i = 0; i < N_VARIANTS; i++) {
        if (wanted && strcmp(wanted, variants[i].kernels->isa) != 0) continue;
        if (variants[i].supported()) {
            cpu = variants[i].kernels;
            return true;
        }
        if (wanted)
            return fail(err, FAIL_USAGE, NULL, "%s%s: this CPU does not have it", where, wanted);
    }
    if (wanted)
        return fail(err, FAIL_USAGE, NULL, "%s%s: unknown; this build has %s", where, wanted,
#if defined(__x86_64__)
                    "v3 and v4"
#else
                    "neon"
#endif
        );
    return fail(err, FAIL_RUN, NULL, "this CPU lacks AVX2 and FMA, which seqlab needs (x86-64-v3)");
}
