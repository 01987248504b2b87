/* chart_axis -- see chart_axis.h.
 *
 * Steps are 1, 2 or 5 times a power of ten (P. S. Heckbert, "Nice numbers for graph labels",
 * Graphics Gems, 1990). Powers and logarithms are realmath's, so that a figure has the same bytes
 * on every machine. */
#include "plot/chart_axis.h"

#include "base/realmath.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { EXPONENT_MAX = 300 }; /* of limits: their differences must stay finite */
static const double ln_10 = 2.302585092994045684;

static double power_of_10(int exponent)
{
    double p = real_pow_whole(10, exponent < 0 ? -exponent : exponent);
    return exponent < 0 ? 1 / p : p;
}

/* floor(log10(x)), x > 0, exact at powers of ten. */
static int decade_of(double x)
{
    int k = (int)floor(real_log(x) / ln_10);
    if (power_of_10(k + 1) <= x) k++;
    if (power_of_10(k) > x) k--;
    return k;
}

static bool usable(bool is_log, double v)
{
    if (!isfinite(v)) return false;
    return is_log ? v > 1e-300 && v < 1e300 : fabs(v) < 1e300;
}

void axis_see(AxisRange *r, bool is_log, double value)
{
    if (!usable(is_log, value)) return;
    if (value < r->low) r->low = value;
    if (value > r->high) r->high = value;
}

static AxisRange log_limits(AxisRange r, double pad)
{
    if (r.low > r.high) return (AxisRange){1, 10};
    double length = real_log(r.high) - real_log(r.low);
    if (length < 1e-9) return (AxisRange){r.low / 2, r.high * 2};
    double factor = real_exp(length * pad);
    return (AxisRange){r.low / factor, r.high * factor};
}

static AxisRange linear_limits(AxisRange r, double pad)
{
    if (r.low > r.high) return (AxisRange){0, 1};
    double length = r.high - r.low;
    double size = fabs(r.high) > fabs(r.low) ? fabs(r.high) : fabs(r.low);
    if (length <= size * 1e-12) {
        double half = size > 0 ? size * 0.1 : 0.5;
        return (AxisRange){r.low - half, r.high + half};
    }
    return (AxisRange){r.low - length * pad, r.high + length * pad};
}

AxisRange axis_limits(const ChartAxis *axis, AxisRange seen, double pad)
{
    AxisRange r = seen;
    bool low = axis->has_low && usable(axis->is_log, axis->low);
    bool high = axis->has_high && usable(axis->is_log, axis->high);
    if (low && high && axis->low < axis->high) return (AxisRange){axis->low, axis->high};
    if (low) r.low = axis->low;
    if (high) r.high = axis->high;
    if (r.low > r.high && (low || high)) r.low = r.high = low ? axis->low : axis->high;
    r = axis->is_log ? log_limits(r, pad) : linear_limits(r, pad);
    if (low && axis->low < r.high) r.low = axis->low;
    if (high && axis->high > r.low) r.high = axis->high;
    return r;
}

double axis_position(const AxisMap *m, double value)
{
    double t = m->is_log
                   ? (real_log(value) - real_log(m->low)) / (real_log(m->high) - real_log(m->low))
                   : (value - m->low) / (m->high - m->low);
    return m->from + t * (m->to - m->from);
}

bool axis_has(const AxisMap *m, double value)
{
    return usable(m->is_log, value);
}

/* 1e-05 as 1e-5, 1e+20 as 1e20. */
static void shorten_exponent(char *text)
{
    char *e = strchr(text, 'e');
    if (!e) return;
    char *from = e + 1, *to = e + 1;
    if (*from == '-') to++;
    if (*from == '-' || *from == '+') from++;
    while (*from == '0' && from[1]) from++;
    memmove(to, from, strlen(from) + 1);
}

static const char suffixes[] = " kMGTP";

/* How many thousands to take off numbers up to `size`, so that they stay short. */
static int thousands(double size)
{
    int n = 0;
    if (size < 9999.5) return 0;
    while (size >= 999.5 && n < 5) size /= 1000, n++;
    return n;
}

void axis_value_text(char out[TICK_TEXT], double value, TickFormat format)
{
    double size = fabs(value);
    if (format == TICKS_PERCENT) {
        (void)snprintf(out, TICK_TEXT, "%.4g%%", value * 100);
    } else if (size > 0 && (size < 0.99995e-3 || size >= 999.5e15)) {
        (void)snprintf(out, TICK_TEXT, "%.3g", value);
    } else {
        int n = thousands(size);
        (void)snprintf(out, TICK_TEXT, n ? "%.3g%c" : "%.4g", value / power_of_10(3 * n),
                       suffixes[n]);
    }
    shorten_exponent(out);
}

/* Labels of one axis have the same number of decimals and the same suffix; 10^k divides the step.
 */
static void label(Tick *t, double size, int k, TickFormat format)
{
    if (t->value == 0) {
        (void)snprintf(t->text, sizeof t->text, format == TICKS_PERCENT ? "0%%" : "0");
        return;
    }
    int n = format == TICKS_PERCENT ? 0 : thousands(size);
    int decimals = 3 * n - k;
    if (format == TICKS_PERCENT) decimals = -k - 2;
    if (decimals < 0) decimals = 0;
    if (format == TICKS_PERCENT)
        (void)snprintf(t->text, sizeof t->text, "%.*f%%", decimals > 12 ? 12 : decimals,
                       t->value * 100);
    else if (size < 0.99995e-3 || size >= 999.5e15 || decimals > 12)
        axis_value_text(t->text, t->value, format);
    else if (n)
        (void)snprintf(t->text, sizeof t->text, "%.*f%c", decimals, t->value / power_of_10(3 * n),
                       suffixes[n]);
    else
        (void)snprintf(t->text, sizeof t->text, "%.*f", decimals, t->value);
}

static void linear_ticks(Ticks *t, AxisRange r, int about, TickFormat format)
{
    static const int steps[] = {1, 2, 5, 10}; /* the last is the first of the next k */
    double raw = (r.high - r.low) / about, size = fmax(fabs(r.low), fabs(r.high));
    if (raw < size * 1e-13) raw = size * 1e-13;
    int k = decade_of(raw), s = 0;
    /* a step just above one that would give exactly `about` intervals is meant to be that one */
    while (s < 3 && steps[s] * power_of_10(k) < raw * (1 - 1e-9)) s++;
    if (s == 3) s = 0, k++;
    double step = steps[s] * power_of_10(k);
    double first = ceil(r.low / step - 1e-9), last = floor(r.high / step + 1e-9);
    t->n = 0;
    for (int n = 0; first + n <= last && n < TICKS_MAX; n++) {
        double i = first + n;
        Tick *at = &t->at[t->n++];
        at->value = k < 0 ? i * steps[s] / power_of_10(-k) : i * step;
        label(at, size, k, format);
    }
}

/* The multiples of 1, 2 and 5 between; or of every digit, unlabelled. */
static bool is_labelled(int digit, int k, int stride, bool digits_too)
{
    if (digit == 1) return k % stride == 0;
    return digits_too && (digit == 2 || digit == 5);
}

static void log_ticks(Ticks *t, AxisRange r, int about, TickFormat format)
{
    int low = decade_of(r.low), high = decade_of(r.high), whole = 0;
    for (int k = low; k <= high; k++)
        if (power_of_10(k) >= r.low * (1 - 1e-12)) whole++;
    int stride = about > 1 ? (whole + about - 1) / about : whole;
    if (stride < 1) stride = 1;
    bool digits_too = 3 * whole <= about;
    t->n = 0;
    for (int k = low; k <= high; k++) {
        for (int digit = 1; digit <= 9; digit++) {
            double v = digit * power_of_10(k);
            if (k < 0) v = digit / power_of_10(-k);
            if (v < r.low * (1 - 1e-12) || v > r.high * (1 + 1e-12) || t->n == TICKS_MAX) continue;
            bool labelled = is_labelled(digit, k, stride, digits_too);
            if (!labelled && (high - low > 7 || stride > 1)) continue;
            Tick *at = &t->at[t->n++];
            at->value = v;
            at->text[0] = '\0';
            if (labelled) axis_value_text(at->text, v, format);
        }
    }
}

void axis_ticks(Ticks *t, AxisRange limits, bool is_log, int about, TickFormat format)
{
    if (about < 1) about = 1;
    if (is_log) {
        log_ticks(t, limits, about, format);
        int labels = 0;
        for (int i = 0; i < t->n; i++) labels += t->at[i].text[0] != '\0';
        if (labels >= 2 || limits.high > limits.low * 20) return;
    }
    linear_ticks(t, limits, about, format);
}
