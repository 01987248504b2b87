/* realmath -- see realmath.h. Only +, -, *, / and square root are used, which IEEE 754 fixes to the
 * bit. */
#include "base/realmath.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

static const double LN2_HIGH = 0x1.62e42fefa3800p-1, LN2_LOW = 0x1.ef35793c76730p-45;

/* x = m 2^e with m in [sqrt(1/2), sqrt(2)); log m = 2 atanh(s), s = (m - 1) / (m + 1), as an odd
 * series. */
double real_log(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int e = (int)(bits >> 52) - 1023;
    bits = (bits & ((UINT64_C(1) << 52) - 1)) | (UINT64_C(1023) << 52);
    double m;
    memcpy(&m, &bits, sizeof m);
    if (m > 1.4142135623730951) m *= 0.5, e++;
    double s = (m - 1) / (m + 1), s2 = s * s, sum = 0;
    for (int k = 23; k >= 3; k -= 2)
        sum = sum * s2 + 1.0 / k; /* s^2 < 0.03: 12 terms reach 1e-18 */
    double log_m = 2 * (s + s * s2 * sum);
    return e * LN2_HIGH + (log_m + e * LN2_LOW);
}

/* sin and cos of r in [-pi/4, pi/4] by Taylor series: the next term is below 1e-19. */
static double sin_series(double r)
{
    double r2 = r * r, sum = 0;
    for (int k = 17; k >= 3; k -= 2) sum = (1 - sum) * r2 / ((double)k * (k - 1));
    return r * (1 - sum);
}

static double cos_series(double r)
{
    double r2 = r * r, sum = 0;
    for (int k = 18; k >= 2; k -= 2) sum = (1 - sum) * r2 / ((double)k * (k - 1));
    return 1 - sum;
}

/* cos(2 pi t - shift pi / 2). Taking the nearest quarter turn off t is exact. */
static double cos_shifted(double t, int shift)
{
    double quarter = floor(t * 4 + 0.5);
    double r = (t - 0.25 * quarter) * 6.283185307179586;
    switch (((int)(quarter - 4 * floor(quarter * 0.25)) - shift) & 3) {
    case 0:
        return cos_series(r);
    case 1:
        return -sin_series(r);
    case 2:
        return -cos_series(r);
    default:
        return sin_series(r);
    }
}

double real_cos_turns(double t)
{
    return cos_shifted(t, 0);
}

double real_sin_turns(double t)
{
    return cos_shifted(t, 1);
}

double real_sqrt(double x)
{
    return sqrt(x); /* correctly rounded by IEEE 754 */
}

double real_exp(double x)
{
    if (x != x) return x;
    if (x > 709.8) return INFINITY; /* past the largest double */
    if (x < -745.2) return 0;       /* below half the smallest */
    double n = floor(x / 0.6931471805599453 + 0.5);
    double r = (x - n * LN2_HIGH) - n * LN2_LOW, sum = 1;
    for (int k = 16; k >= 1; k--) sum = 1 + sum * r / k;
    return ldexp(sum, (int)n);
}

double real_pow(double x, double y)
{
    return x == 1 || y == 0 ? 1 : real_exp(y * real_log(x));
}

double real_pow_whole(double x, int64_t n)
{
    double out = 1;
    for (; n > 0; n >>= 1, x *= x)
        if (n & 1) out *= x;
    return out;
}
