/* realmath -- elementary functions in double that give the same bits on every machine (libm does
 * not promise that): for random normals, learning-rate schedules and bias corrections. The bounds
 * are those that tests/unit/realmath.c demands against libm's long double. */
#ifndef SEQLAB_BASE_REALMATH_H
#define SEQLAB_BASE_REALMATH_H

#include <stdint.h>

double real_log(double x);       /* x > 0, normal; relative error below 4e-16 */
double real_cos_turns(double t); /* cos(2 pi t), any finite t; absolute error below 3e-16 */
double real_sin_turns(double t);
double real_sqrt(double x);          /* correctly rounded */
double real_exp(double x);           /* relative error below 3e-16 where the result is normal */
double real_pow(double x, double y); /* x > 0; relative error below 1e-15 (1 + |y log x|) */
/* x^n by squaring, n >= 0, any x; x^0 = 1 and x^1 = x exactly; relative error below n 2e-16. */
double real_pow_whole(double x, int64_t n);

#endif
