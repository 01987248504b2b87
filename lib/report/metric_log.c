/* metric_log -- see metric_log.h. */
#include "report/metric_log.h"

#include "io/file.h"
#include "run/metric_lines.h"

#include <math.h>

static int count_lines(MetricLines rest)
{
    int n = 0;
    for (MetricLines line; metric_lines_next(&rest, &line);) n++;
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
    MetricLines rest = {(const char *)map.data, map.bytes}, line;
    const int n = count_lines(rest);
    for (int k = 0; k < n_names; k++) log->column[k] = arena_new_array(a, double, n);
    for (; metric_lines_next(&rest, &line); log->n++)
        for (int k = 0; k < n_names; k++)
            if (!metric_line_number(line.text, line.n, names[k], &log->column[k][log->n]))
                log->column[k][log->n] = (double)NAN;
    file_unmap(&map);
    return true;
}
