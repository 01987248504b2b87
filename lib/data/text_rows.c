/* text_rows -- see text_rows.h: tables. */
#include "data/text_rows.h"

#include "data/files.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_LINE = 1 << 24, MAX_NUMBER = 3 };

/* Far more than any published set, and below what a damaged .gz may claim. */
static const size_t MAX_FILE = (size_t)1 << 34;

typedef struct Table {
    const char *path;
    const TextColumns *columns;
    int label, text[TEXT_PAIR], n; /* columns from 0, and how many a row must have */
} Table;

bool text_is_skipped(const char *skip, TextSpan word)
{
    while (skip && *skip) {
        const size_t n = strcspn(skip, " ");
        if (n > 0 && (int64_t)n == word.n && memcmp(skip, word.at, n) == 0) return true;
        skip += n + strspn(skip + n, " ");
    }
    return false;
}

bool text_next_line(TextSpan *rest, TextSpan *line)
{
    if (rest->n == 0) return false;
    const uint8_t *end = memchr(rest->at, '\n', (size_t)rest->n);
    line->at = rest->at;
    line->n = end ? end - rest->at : rest->n;
    rest->at += line->n + (end ? 1 : 0);
    rest->n -= line->n + (end ? 1 : 0);
    if (line->n > 0 && line->at[line->n - 1] == '\r') line->n--;
    return true;
}

int text_split_line(TextSpan line, TextSpan column[TEXT_MAX_COLUMNS])
{
    int n = 0;
    while (n < TEXT_MAX_COLUMNS) {
        const uint8_t *tab = line.n > 0 ? memchr(line.at, '\t', (size_t)line.n) : NULL;
        column[n++] = (TextSpan){line.at, tab ? tab - line.at : line.n};
        if (!tab) break;
        line.n -= tab + 1 - line.at;
        line.at = tab + 1;
    }
    return n;
}

static bool find_column(const Table *t, const char *name, const TextSpan *header, int n_header,
                        int *out, Error *err)
{
    const size_t n = strlen(name);
    for (int i = 0; i < n_header; i++) {
        *out = i;
        if (header[i].n == (int64_t)n && memcmp(header[i].at, name, n) == 0) return true;
    }
    const bool number = n < MAX_NUMBER && strspn(name, "0123456789") == n;
    *out = number ? (int)strtol(name, NULL, 10) - 1 : -1;
    if (*out >= 0 && *out < TEXT_MAX_COLUMNS) return true;
    if (!t->columns->header)
        return fail(err, FAIL_CONFIG, NULL,
                    "column '%.60s': without a header a column is a number from 1 to %d", name,
                    TEXT_MAX_COLUMNS);
    return fail(err, FAIL_DATA, NULL, "%s:1: no column is called '%.60s'; the first is '%.*s'",
                t->path, name, n_header > 0 && header[0].n < 60 ? (int)header[0].n : 60,
                n_header > 0 ? (const char *)header[0].at : "");
}

/* Takes the header off *rest, where there is one, and finds the columns. */
static bool open_table(Table *t, TextSpan *rest, Error *err)
{
    const TextColumns *c = t->columns;
    TextSpan line, header[TEXT_MAX_COLUMNS];
    int n = 0;
    if (c->header && text_next_line(rest, &line)) n = text_split_line(line, header);
    TRY(find_column(t, c->label, header, n, &t->label, err));
    t->n = t->label + 1;
    for (int i = 0; i < c->n_texts; i++) {
        TRY(find_column(t, c->text[i], header, n, &t->text[i], err));
        if (t->text[i] >= t->n) t->n = t->text[i] + 1;
    }
    return true;
}

static bool read_row(const Table *t, TextSpan line, int64_t number, TextRow *row, Error *err)
{
    TextSpan column[TEXT_MAX_COLUMNS];
    if (line.n > MAX_LINE)
        return fail(err, FAIL_DATA, NULL, "%s:%lld: a line of %lld bytes; at most %d are read",
                    t->path, (long long)number, (long long)line.n, MAX_LINE);
    const int n = text_split_line(line, column);
    if (n < t->n)
        return fail(err, FAIL_DATA, NULL,
                    "%s:%lld: %d column%s, apart by tabs; expected %d or more", t->path,
                    (long long)number, n, n == 1 ? "" : "s", t->n);
    *row = (TextRow){.label = column[t->label], .line = number};
    for (int i = 0; i < t->columns->n_texts; i++) row->text[i] = column[t->text[i]];
    if (row->label.n == 0)
        return fail(err, FAIL_DATA, NULL, "%s:%lld: the label, column %d, is empty", t->path,
                    (long long)number, t->label + 1);
    return true;
}

static int64_t count_lines(TextSpan rest)
{
    TextSpan line;
    int64_t n = 0;
    while (text_next_line(&rest, &line)) n++;
    return n;
}

static bool parse_table(TextRows *rows, Dataset *d, const TextColumns *c, TextSpan all, Error *err)
{
    static const uint8_t mark[] = {0xef, 0xbb, 0xbf}; /* Windows' mark of UTF-8 */
    Table t = {.path = rows->path, .columns = c};
    TextSpan line;
    void *row_;
    if (all.n >= 3 && memcmp(all.at, mark, sizeof mark) == 0) {
        all.at += sizeof mark;
        all.n -= (int64_t)sizeof mark;
    }
    TRY(open_table(&t, &all, err));
    TRY(dataset_memory(d, &row_, (size_t)count_lines(all) * sizeof(TextRow), err));
    TextRow *row = row_;
    for (int64_t number = c->header ? 2 : 1; text_next_line(&all, &line); number++) {
        if (line.n == 0) continue;
        TRY(read_row(&t, line, number, &row[rows->n], err));
        rows->n += !text_is_skipped(c->skip_labels, row[rows->n].label);
    }
    rows->row = row;
    if (rows->n > 0) return true;
    return fail(err, FAIL_DATA, NULL, "%s: has no rows", rows->path);
}

bool text_rows_read(TextRows *rows, Dataset *d, const char *path, const TextColumns *c, Arena *a,
                    Error *err)
{
    struct stat st;
    *rows = (TextRows){.path = path};
    const bool there = stat(path, &st) == 0;
    if (there && S_ISDIR(st.st_mode)) {
        if (c->n_texts == 1) return text_folder_read(rows, d, c, a, err);
        return fail(err, FAIL_DATA, NULL, "%s: is a folder; pairs are lines of a table", path);
    }
    if (!there) {
        rows->path = arena_printf(a, "%s.gz", path);
        if (!file_exists(rows->path))
            return fail(err, FAIL_DATA, NULL,
                        "%s is not there, nor with .gz added; data.train_file, valid_file and "
                        "test_file say where texts are",
                        path);
    }
    DataFile file = {.path = rows->path, .max_bytes = MAX_FILE};
    TRY(data_files_read(&file, 1, a, err));
    dataset_own(d, file.bytes, file.n_mapped);
    memcpy(rows->sha256, file.sha256, HASH_HEX);
    return parse_table(rows, d, c, (TextSpan){file.bytes, (int64_t)file.n}, err);
}
