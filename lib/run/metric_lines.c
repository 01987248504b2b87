/* metric_lines -- see metric_lines.h. */
#include "run/metric_lines.h"

#include <stdlib.h>
#include <string.h>

/* What text_real writes, or a number of JSON; read within the line. */
static double number_at(const char *at, size_t n)
{
    char text[40];
    size_t length = 0;
    if (n > 0 && *at == '"') at++, n--;
    while (length < n && length + 1 < sizeof text && !strchr(",}\"", at[length])) length++;
    memcpy(text, at, length);
    text[length] = '\0';
    return strtod(text, NULL); /* takes NaN and Infinity too */
}

bool metric_line_number(const char *line, size_t n, const char *name, double *out)
{
    size_t length = strlen(name);
    const char *end = line + n, *at = line;
    while ((at = memchr(at, '"', (size_t)(end - at))) != NULL) {
        at++;
        if ((size_t)(end - at) < length + 2) return false;
        if (memcmp(at, name, length) != 0 || at[length] != '"' || at[length + 1] != ':') continue;
        at += length + 2;
        while (at < end && *at == ' ') at++;
        *out = number_at(at, (size_t)(end - at));
        return true;
    }
    return false;
}

/* The next "name": of the text; what follows its colon, or NULL. Values of metrics.jsonl hold no
 * quotes within strings, so a name is what stands between two quotes with a colon behind. */
static const char *next_name(const char *at, const char *end, const char **name, size_t *length)
{
    while ((at = memchr(at, '"', (size_t)(end - at))) != NULL) {
        const char *start = at + 1, *close = memchr(start, '"', (size_t)(end - start));
        if (!close) return NULL;
        at = close + 1;
        if (at >= end || *at != ':') continue;
        *name = start;
        *length = (size_t)(close - start);
        return at + 1;
    }
    return NULL;
}

int metric_names(const char *text, size_t n, const char *names[], int most, Arena *a)
{
    const char *at = text, *end = text + n, *name;
    size_t length;
    int found = 0;
    while (found < most && (at = next_name(at, end, &name, &length)) != NULL)
        names[found++] = arena_string_n(a, name, length);
    return found;
}

bool metric_lines_next(MetricLines *rest, MetricLines *line)
{
    const char *newline = rest->n ? memchr(rest->text, '\n', rest->n) : NULL;
    if (!newline) return false;
    *line = (MetricLines){rest->text, (size_t)(newline - rest->text)};
    rest->text = newline + 1;
    rest->n -= line->n + 1;
    return true;
}

bool metric_less_is_better(const char *metric)
{
    static const char *const words[] = {"loss",  "perplexity", "ppl",       "bits_per",
                                        "error", "time",       "bytes",     "energy",
                                        "_s",    "_ms",        "parameters"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        const char *at = strstr(metric, words[i]);
        if (at && (*words[i] != '_' || !at[strlen(words[i])])) return true; /* _s ends the name */
    }
    return false;
}

bool metric_is_test(const char *metric)
{
    return strncmp(metric, "test", 4) == 0 && (!metric[4] || metric[4] == '.');
}
