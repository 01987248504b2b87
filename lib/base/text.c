/* text -- see text.h. */
#include "base/text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORD_MAX = 64 };

/* Optimal string alignment distance: insertions, deletions, substitutions, swaps of neighbours. */
static int distance(const char *a, const char *b)
{
    int n = (int)strlen(a), m = (int)strlen(b);
    if (n > WORD_MAX || m > WORD_MAX) return WORD_MAX;
    int row[3][WORD_MAX + 1];
    for (int j = 0; j <= m; j++) row[0][j] = j;
    for (int i = 1; i <= n; i++) {
        int *now = row[i % 3], *above = row[(i + 2) % 3], *two_above = row[(i + 1) % 3];
        now[0] = i;
        for (int j = 1; j <= m; j++) {
            int best = above[j - 1] + (a[i - 1] != b[j - 1]);
            if (above[j] + 1 < best) best = above[j] + 1;
            if (now[j - 1] + 1 < best) best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                two_above[j - 2] + 1 < best)
                best = two_above[j - 2] + 1;
            now[j] = best;
        }
    }
    return row[n % 3][m];
}

const char *text_nearest(const char *word, const char *const candidates[], int n)
{
    const char *best = NULL;
    int best_distance = 3;
    for (int i = 0; i < n; i++) {
        int d = distance(word, candidates[i]);
        if (d < best_distance && 2 * d < (int)strlen(word) + 1)
            best = candidates[i], best_distance = d;
    }
    return best;
}

void text_si(char out[16], double value)
{
    static const char suffix[] = " kMGTP";
    int i = 0;
    while (isfinite(value) && fabs(value) >= 999.5 && i < 5) value /= 1000, i++;
    if (i == 0)
        (void)snprintf(out, 16, value == floor(value) ? "%.0f" : "%.3g", value);
    else
        (void)snprintf(out, 16, "%.3g%c", value, suffix[i]);
}

void text_bytes(char out[16], double bytes)
{
    static const char *const suffix[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    int i = 0;
    while (bytes >= 1000 && i < 4) bytes /= 1024, i++;
    (void)snprintf(out, 16, i == 0 ? "%.0f %s" : "%.1f %s", bytes, suffix[i]);
}

void text_duration(char out[24], double seconds)
{
    if (!(seconds >= 0)) seconds = 0;
    if (seconds < 99.5)
        (void)snprintf(out, 24, seconds < 10 ? "%.1f s" : "%.0f s", seconds);
    else if (seconds < 3600)
        (void)snprintf(out, 24, "%d min %02d s", (int)seconds / 60, (int)seconds % 60);
    else if (seconds < 3.6e8)
        (void)snprintf(out, 24, "%d h %02d min", (int)(seconds / 3600), (int)(seconds / 60) % 60);
    else
        (void)snprintf(out, 24, "years");
}

static void reserve(Text *t, size_t more)
{
    if (t->n + more + 1 <= t->capacity) return;
    size_t capacity = 2 * (t->n + more + 1);
    char *grown = realloc(t->data, capacity);
    if (!grown) return; /* what does not fit is dropped: messages only */
    t->data = grown;
    t->capacity = capacity;
}

void text_add(Text *t, const char *s)
{
    size_t n = strlen(s);
    reserve(t, n);
    if (t->n + n + 1 > t->capacity) return;
    memcpy(t->data + t->n, s, n + 1);
    t->n += n;
}

void text_addf(Text *t, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n > 0) {
        reserve(t, (size_t)n);
        if (t->n + (size_t)n + 1 <= t->capacity) {
            (void)vsnprintf(t->data + t->n, (size_t)n + 1, format, again);
            t->n += (size_t)n;
        }
    }
    va_end(again);
}

void text_add_shell(Text *t, const char *s)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789_-./=:,+@%";
    if (*s && !s[strspn(s, plain)]) {
        text_add(t, s);
        return;
    }
    text_add(t, "'");
    for (; *s; s++)
        if (*s == '\'')
            text_add(t, "'\\''");
        else
            text_addf(t, "%c", *s);
    text_add(t, "'");
}

void text_add_json(Text *t, const char *s)
{
    text_add(t, "\"");
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            text_addf(t, "\\%c", c);
        else if (c == '\n')
            text_add(t, "\\n");
        else if (c < 0x20)
            text_addf(t, "\\u%04x", c);
        else
            text_addf(t, "%c", c);
    }
    text_add(t, "\"");
}

void text_free(Text *t)
{
    free(t->data);
    *t = (Text){0};
}

void text_real(char out[32], double value)
{
    if (isnan(value)) {
        (void)snprintf(out, 32, "NaN");
        return;
    }
    if (isinf(value)) {
        (void)snprintf(out, 32, value > 0 ? "Infinity" : "-Infinity");
        return;
    }
    if (value == floor(value) && fabs(value) < 1e15) {
        (void)snprintf(out, 32, "%.0f", value); /* 20, not 2e+01 */
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        (void)snprintf(out, 32, "%.*g", digits, value);
        if (strtod(out, NULL) == value) return;
    }
}
