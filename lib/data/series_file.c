/* series_file -- see series_file.h. */
#include "data/series_file.h"

#include "data/files.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NUMBER = 63 };

static const size_t MAX_FILE = (size_t)1 << 34;

typedef struct Parser {
    SeriesFile *f;
    TextRow *row;
    int64_t *first;
    int64_t line, n_values;
} Parser;

static bool is_apart(uint8_t c)
{
    return c == ' ' || c == '\t' || c == ',';
}

static TextSpan trimmed(TextSpan s)
{
    while (s.n > 0 && (is_apart(s.at[0]) || s.at[0] == '\r')) s.at++, s.n--;
    while (s.n > 0 && (is_apart(s.at[s.n - 1]) || s.at[s.n - 1] == '\r')) s.n--;
    return s;
}

/* Takes the next word off the front. */
static TextSpan next_word(TextSpan *rest)
{
    TextSpan word = {rest->at, 0};
    while (word.n < rest->n && !is_apart(word.at[word.n])) word.n++;
    *rest = trimmed((TextSpan){rest->at + word.n, rest->n - word.n});
    return word;
}

static bool number_of(TextSpan word, float *out)
{
    char text[MAX_NUMBER + 1], *end;
    if (word.n == 0 || word.n > MAX_NUMBER) return false;
    if (word.n == 1 && word.at[0] == '?') {
        *out = NAN;
        return true;
    }
    memcpy(text, word.at, (size_t)word.n);
    text[word.n] = '\0';
    *out = strtof(text, &end);
    return end == text + word.n && !isinf(*out);
}

static bool read_values(Parser *p, TextSpan rest, Error *err)
{
    float *value = p->f->value + p->n_values;
    int64_t n = 0, known = 0;
    while (rest.n > 0) {
        const TextSpan word = next_word(&rest);
        if (!number_of(word, &value[n]))
            return fail(err, FAIL_DATA, NULL, "%s:%lld: value %lld is '%.*s', no number",
                        p->f->rows.path, (long long)p->line, (long long)n + 1,
                        (int)(word.n < MAX_NUMBER ? word.n : MAX_NUMBER), (const char *)word.at);
        if (!isnan(value[n]) && known < n)
            return fail(err, FAIL_DATA, NULL, "%s:%lld: value %lld is missing", p->f->rows.path,
                        (long long)p->line, (long long)known + 1);
        known += !isnan(value[n]);
        n++;
    }
    if (known == 0)
        return fail(err, FAIL_DATA, NULL, "%s:%lld: a series without values", p->f->rows.path,
                    (long long)p->line);
    p->n_values += known;
    if (known > p->f->longest) p->f->longest = known;
    return true;
}

/* `is_ts`: the label comes last, after a colon. */
static bool read_line(Parser *p, TextSpan line, bool is_ts, Error *err)
{
    TextSpan label, values = line;
    const uint8_t *colon = memchr(line.at, ':', (size_t)line.n);
    if (is_ts) {
        const int64_t before = colon ? colon - line.at : 0;
        label = colon ? trimmed((TextSpan){colon + 1, line.n - before - 1}) : (TextSpan){0};
        values = trimmed((TextSpan){line.at, before});
        if (label.n > 0 && memchr(label.at, ':', (size_t)label.n))
            return fail(err, FAIL_DATA, NULL,
                        "%s:%lld: a series of several dimensions; one is read", p->f->rows.path,
                        (long long)p->line);
    } else {
        label = next_word(&values);
    }
    if (label.n == 0)
        return fail(err, FAIL_DATA, NULL, "%s:%lld: no label%s", p->f->rows.path,
                    (long long)p->line, is_ts ? " after a colon" : "");
    p->row[p->f->rows.n] = (TextRow){.label = label, .line = p->line};
    p->first[p->f->rows.n++] = p->n_values;
    return read_values(p, values, err);
}

static bool parse(Parser *p, TextSpan all, Error *err)
{
    static const char mark[] = "@data";
    bool is_ts = false;
    while (all.n > 0) {
        const uint8_t *end = memchr(all.at, '\n', (size_t)all.n);
        const int64_t n = end ? end - all.at : all.n;
        const TextSpan line = trimmed((TextSpan){all.at, n});
        all = (TextSpan){all.at + n + (end != NULL), all.n - n - (end != NULL)};
        p->line++;
        if (line.n == 0 || line.at[0] == '#') continue;
        if (line.at[0] != '@')
            TRY(read_line(p, line, is_ts, err));
        else if (line.n == (int64_t)strlen(mark) && memcmp(line.at, mark, strlen(mark)) == 0)
            is_ts = true;
    }
    p->first[p->f->rows.n] = p->n_values;
    if (p->f->rows.n > 0) return true;
    return fail(err, FAIL_DATA, NULL, "%s: has no series", p->f->rows.path);
}

bool series_file_read(SeriesFile *f, Dataset *d, const char *path, Arena *a, Error *err)
{
    const char *packed = arena_printf(a, "%s.gz", path);
    *f = (SeriesFile){.rows.path = file_exists(path) ? path : packed};
    if (!file_exists(f->rows.path))
        return fail(err, FAIL_DATA, NULL, "%s is not there, nor with .gz added", path);
    DataFile file = {.path = f->rows.path, .max_bytes = MAX_FILE};
    TRY(data_files_read(&file, 1, a, err));
    dataset_own(d, file.bytes, file.n_mapped);
    memcpy(f->rows.sha256, file.sha256, HASH_HEX);
    int64_t lines = 1;
    for (size_t i = 0; i < file.n; i++) lines += file.bytes[i] == '\n';
    void *value; /* a value and what parts it from the next take two bytes at least */
    TRY(dataset_memory(d, &value, (file.n / 2 + 1) * sizeof(float), err));
    Parser p = {.f = f,
                .row = arena_new_array(a, TextRow, lines),
                .first = arena_new_array(a, int64_t, lines + 1)};
    f->value = value;
    f->rows.row = p.row;
    f->first = p.first;
    return parse(&p, (TextSpan){file.bytes, (int64_t)file.n}, err);
}
