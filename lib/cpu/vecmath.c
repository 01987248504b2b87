/* vecmath -- vector math over arrays, y may alias x. Memory-bound loops that gcc vectorises; one
 * thread. */
#include "cpu/vecmath.h"

#include "cpu/kernel.h"

#define VECTOR_FUNCTION(name, expression)                                                          \
    void K(name)(int64_t n, const float *x, float *y)                                              \
    {                                                                                              \
        _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++)                                       \
        {                                                                                          \
            float a = x[i];                                                                        \
            y[i] = expression;                                                                     \
        }                                                                                          \
    }

VECTOR_FUNCTION(vexp, vm_exp(a))
VECTOR_FUNCTION(vlog, vm_log(a))
VECTOR_FUNCTION(vtanh, vm_tanh(a))
VECTOR_FUNCTION(verf, vm_erf(a))

/* In pieces, so that x is still there for the far arguments when y is x. */
#define PERIODIC_FUNCTION(name, function, shift)                                                   \
    void K(name)(int64_t n, const float *x, float *y)                                              \
    {                                                                                              \
        enum { PIECE = 256 };                                                                      \
        float kept[PIECE];                                                                         \
        for (int64_t lo = 0; lo < n; lo += PIECE) {                                                \
            int64_t m = n - lo < PIECE ? n - lo : PIECE;                                           \
            int far = 0;                                                                           \
            for (int64_t i = 0; i < m; i++) {                                                      \
                kept[i] = x[lo + i];                                                               \
                far |= !(vm_abs(kept[i]) < 0x1p50f);                                               \
            }                                                                                      \
            for (int64_t i = 0; i < m; i++) y[lo + i] = function(kept[i]);                         \
            if (!far) continue;                                                                    \
            for (int64_t i = 0; i < m; i++)                                                        \
                if (!(vm_abs(kept[i]) < 0x1p50f)) y[lo + i] = vm_sin_far(kept[i], shift);          \
        }                                                                                          \
    }

PERIODIC_FUNCTION(vsin, vm_sin, 0)
PERIODIC_FUNCTION(vcos, vm_cos, 1)
