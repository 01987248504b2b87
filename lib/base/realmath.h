/* realmath -- log, cos and sin in double that give the same bits on every machine (libm does not
 * promise that): for random normals and learning-rate schedules. Error below 4e-16 relative (log)
 * or absolute (sin, cos) in their ranges. */
#ifndef SEQLAB_BASE_REALMATH_H
#define SEQLAB_BASE_REALMATH_H

double real_log(double x);       /* x > 0, normal */
double real_cos_turns(double t); /* cos(2 pi t), any finite t */
double real_sin_turns(double t);
double real_sqrt(double x);
double real_exp(double x);           /* |x| < 700 */
double real_pow(double x, double y); /* x > 0; relative error about 1e-15 * |y log x| */

#endif
