/* metric_log -- see metric_log.h. */
#include "report/metric_log.h"

#include "io/file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER = 40 };

/* `at` is behind the colon; numbers that JSON lacks are strings, which strtod reads as well. */
static double number_at(const char *at, const char *end)
{
    char text[NUMBER];
    int n = 0;
    while (at < end && (*at == ' ' || *at == '"')) at++;
    while (at < end && n + 1 < NUMBER && !strchr(",}\" \n", *at)) text[n++] = *at++;
    text[n] = '\0';
    char *rest;
    double value = strtod(text, &rest);
    return rest == text ? (double)NAN : value;
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

double metric_number(const char *text, size_t n, const char *name)
{
    const char *at = text, *end = text + n, *found;
    size_t length;
    while ((at = next_name(at, end, &found, &length)) != NULL)
        if (length == strlen(name) && memcmp(found, name, length) == 0) return number_at(at, end);
    return (double)NAN;
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

static void read_line(MetricLog *log, const char *line, const char *end, const char *const names[],
                      int n_names)
{
    const char *at = line, *name;
    size_t length;
    for (int k = 0; k < n_names; k++) log->column[k][log->n] = (double)NAN;
    while ((at = next_name(at, end, &name, &length)) != NULL)
        for (int k = 0; k < n_names; k++)
            if (strlen(names[k]) == length && memcmp(names[k], name, length) == 0)
                log->column[k][log->n] = number_at(at, end);
    log->n++;
}

static int count_lines(const FileMap *map)
{
    int n = 0;
    const char *at = (const char *)map->data, *end = at + map->bytes;
    while (at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL) at++, n++;
    return n;
}

bool metric_log_read(MetricLog *log, Arena *a, const char *folder, const char *const names[],
                     int n_names, Error *err)
{
    FileMap map;
    const char *path = arena_printf(a, "%s/metrics.jsonl", folder);
    *log = (MetricLog){0};
    if (!file_exists(path)) return true;
    TRY(file_map(path, &map, FAIL_DATA, err));
    int n = map.bytes > 0 ? count_lines(&map) : 0;
    for (int k = 0; k < n_names; k++) log->column[k] = arena_new_array(a, double, n);
    const char *at = (const char *)map.data;
    for (int i = 0; i < n; i++) {
        const char *end = memchr(at, '\n', map.bytes - (size_t)(at - (const char *)map.data));
        if (!end) break;
        read_line(log, at, end, names, n_names);
        at = end + 1;
    }
    file_unmap(&map);
    return true;
}
