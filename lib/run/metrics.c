/* metrics -- see metrics.h. */
#include "run/metrics.h"

#include "base/text.h"
#include "io/file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE = 2048 };

void metric_add(MetricLine *line, const char *name, double value)
{
    assert(line->n < METRICS_MAX);
    line->at[line->n++] = (Metric){name, value};
}

/* JSON has no NaN and no infinity: they are strings. */
static void value_text(char out[40], double value)
{
    char text[32];
    text_real(text, value);
    (void)snprintf(out, 40, isfinite(value) ? "%s" : "\"%s\"", text);
}

void metric_json(const MetricLine *line, char out[LINE])
{
    char value[40];
    value_text(value, line->epoch);
    int n = snprintf(out, LINE, "{\"step\":%lld,\"epoch\":%s", (long long)line->step, value);
    for (int i = 0; i < line->n; i++) {
        value_text(value, line->at[i].value);
        int left = LINE - 2 - n; /* for the brace */
        int more = snprintf(out + n, (size_t)left, ",\"%s\":%s", line->at[i].name, value);
        if (more >= left) break; /* METRICS_MAX names of 24 letters fit */
        n += more;
    }
    (void)snprintf(out + n, (size_t)(LINE - n), "}");
}

/* -- Cutting what is past a checkpoint */

/* True for a whole line {"step":N...} of n bytes without its newline. */
static bool line_step(const char *line, size_t n, int64_t *step)
{
    static const char start[] = "{\"step\":";
    const size_t n_start = sizeof start - 1;
    char digits[24];
    if (n < n_start + 2 || memcmp(line, start, n_start) != 0 || line[n - 1] != '}') return false;
    size_t n_digits = n - n_start < sizeof digits ? n - n_start : sizeof digits - 1;
    memcpy(digits, line + n_start, n_digits);
    digits[n_digits] = '\0';
    char *end;
    errno = 0;
    *step = strtoll(digits, &end, 10);
    return end != digits && (*end == ',' || *end == '}') && errno == 0;
}

/* How many bytes of the text are kept: the lines up to `step`. What comes after the first that is
 * past it, or that is not whole, must be past it too; otherwise the file was damaged in between. */
static bool kept_bytes(const char *path, const char *text, size_t n, int64_t step, size_t *kept,
                       Error *err)
{
    bool cut = false;
    int line = 1;
    *kept = 0;
    for (size_t at = 0; at < n; line++) {
        const char *newline = memchr(text + at, '\n', n - at);
        if (!newline) break;
        size_t length = (size_t)(newline - text) - at;
        int64_t this_step;
        bool whole = line_step(text + at, length, &this_step), past = !whole || this_step > step;
        Place place = {.file = path, .line = line};
        if (cut && whole && !past)
            return fail(err, FAIL_DATA, &place,
                        "the lines before this one are damaged or out of order; --force computes "
                        "the run again");
        cut = cut || past;
        at += length + 1;
        if (!cut) *kept = at;
    }
    return true;
}

static bool open_lines(const char *folder, const char *name, int64_t step, int *fd, Error *err)
{
    char path[4096];
    FileMap map = {0};
    size_t kept = 0;
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        return fail(err, FAIL_RUN, NULL, "%.60s...: path too long", folder);
    *fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (*fd < 0) return fail_errno(err, FAIL_RUN, NULL, "%s: cannot be written", path);
    if (step >= 0) {
        TRY(file_map(path, &map, FAIL_DATA, err));
        bool ok = kept_bytes(path, (const char *)map.data, map.bytes, step, &kept, err);
        file_unmap(&map);
        TRY(ok);
    }
    if (ftruncate(*fd, (off_t)kept) != 0)
        return fail_errno(err, FAIL_RUN, NULL, "%s: cannot be cut", path);
    return true;
}

/* -- Writing */

static double wall_clock(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

bool metrics_open(MetricWriter *m, const char *folder, int64_t step, Error *err)
{
    *m = (MetricWriter){.fd = -1, .times_fd = -1};
    if (open_lines(folder, "metrics.jsonl", step, &m->fd, err) &&
        open_lines(folder, "times.jsonl", step, &m->times_fd, err) &&
        tfevents_open(&m->events, folder, wall_clock(), err))
        return true;
    metrics_close(m);
    return false;
}

/* The whole line or, where the disk is full, nothing of it. */
static bool append_line(int fd, const char *name, const MetricLine *line, Error *err)
{
    char text[LINE + 1];
    metric_json(line, text);
    size_t n = strlen(text), done = 0;
    text[n++] = '\n';
    off_t start = lseek(fd, 0, SEEK_END);
    while (done < n) {
        ssize_t wrote = write(fd, text + done, n - done);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) {
            (void)fail_errno(err, FAIL_RUN, NULL, "%s: cannot be written", name);
            if (start < 0 || ftruncate(fd, start) != 0) error_note(err, "its last line is torn");
            return false;
        }
        done += (size_t)wrote;
    }
    return true;
}

bool metrics_write(MetricWriter *m, const MetricLine *line, const MetricLine *times, Error *err)
{
    double now = wall_clock();
    TRY(append_line(m->fd, "metrics.jsonl", line, err));
    if (times) TRY(append_line(m->times_fd, "times.jsonl", times, err));
    for (int i = 0; i < line->n; i++)
        TRY(tfevents_scalar(&m->events, line->at[i].name, line->step, now, (float)line->at[i].value,
                            err));
    return true;
}

bool metrics_image(MetricWriter *m, const char *tag, int64_t step, const TfImage *image, Error *err)
{
    return tfevents_image(&m->events, tag, step, wall_clock(), image, err);
}

bool metrics_histogram(MetricWriter *m, const char *tag, int64_t step, const float *x, int64_t n,
                       Error *err)
{
    return tfevents_histogram(&m->events, tag, step, wall_clock(), x, n, err);
}

bool metrics_sync(MetricWriter *m, Error *err)
{
    if (fsync(m->fd) != 0)
        return fail_errno(err, FAIL_RUN, NULL, "metrics.jsonl: cannot be written");
    if (fsync(m->times_fd) != 0)
        return fail_errno(err, FAIL_RUN, NULL, "times.jsonl: cannot be written");
    return true;
}

bool metrics_last(const char *folder, char out[LINE], Error *err)
{
    char path[4096];
    FileMap map = {0};
    out[0] = '\0';
    if (snprintf(path, sizeof path, "%s/metrics.jsonl", folder) >= (int)sizeof path)
        return fail(err, FAIL_RUN, NULL, "%.60s...: path too long", folder);
    TRY(file_map(path, &map, FAIL_DATA, err));
    const char *text = (const char *)map.data;
    size_t end = map.bytes > 0 && text[map.bytes - 1] == '\n' ? map.bytes - 1 : 0, start = end;
    while (start > 0 && text[start - 1] != '\n') start--;
    if (end - start < LINE) {
        memcpy(out, text + start, end - start);
        out[end - start] = '\0';
    }
    file_unmap(&map);
    return true;
}

void metrics_close(MetricWriter *m)
{
    if (m->fd >= 0) (void)close(m->fd);
    if (m->times_fd >= 0) (void)close(m->times_fd);
    tfevents_close(&m->events);
    m->fd = m->times_fd = -1;
}
