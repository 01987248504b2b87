/* text_records -- see text_records.h. */
#include "data/text_records.h"

#include <stdlib.h>
#include <string.h>

/* -- Templates */

static bool add_part(TextTemplate *t, const char *name, const char *text, bool field, Error *err)
{
    if (t->n == TEMPLATE_PARTS)
        return fail(err, FAIL_CONFIG, NULL, "%s: more than %d parts", name, TEMPLATE_PARTS);
    t->part[t->n].text = text;
    t->part[t->n++].field = field;
    return true;
}

bool text_template_read(TextTemplate *t, const char *name, const char *text, Arena *a, Error *err)
{
    *t = (TextTemplate){.n = 0};
    while (text && *text) {
        const size_t plain = strcspn(text, "{}");
        if (plain > 0) TRY(add_part(t, name, arena_string_n(a, text, plain), false, err));
        text += plain;
        if (*text == '\0') break;
        if (text[1] == text[0]) {
            TRY(add_part(t, name, arena_string_n(a, text, 1), false, err));
            text += 2;
            continue;
        }
        const size_t field = strcspn(text + 1, "{}");
        if (*text != '{' || field == 0 || text[1 + field] != '}')
            return fail(err, FAIL_CONFIG, NULL,
                        "%s: '%.20s': a field is written {name}, a brace {{ or }}", name, text);
        TRY(add_part(t, name, arena_string_n(a, text + 1, field), true, err));
        text += field + 2;
    }
    return true;
}

/* -- Records */

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void take(TextRecords *r, int64_t n)
{
    for (int64_t i = 0; i < n; i++) r->line += r->rest.at[i] == '\n';
    r->rest.at += n;
    r->rest.n -= n;
}

static void skip_space(TextRecords *r)
{
    while (r->rest.n > 0 && is_space(*r->rest.at)) take(r, 1);
}

/* A table whatever it begins with. */
static bool is_table(const char *path)
{
    const char *end = strstr(path, ".tsv");
    return end && (strcmp(end, ".tsv") == 0 || strcmp(end, ".tsv.gz") == 0);
}

void text_records_start(TextRecords *r, const char *path, TextSpan all, bool header)
{
    static const uint8_t mark[] = {0xef, 0xbb, 0xbf}; /* Windows' mark of UTF-8 */
    *r = (TextRecords){.path = path, .rest = all, .line = 1};
    if (all.n >= 3 && memcmp(all.at, mark, sizeof mark) == 0) take(r, (int64_t)sizeof mark);
    const TextSpan start = r->rest;
    skip_space(r);
    r->json = r->rest.n > 0 && !is_table(path) && (*r->rest.at == '{' || *r->rest.at == '[');
    if (r->json) {
        if (*r->rest.at == '[') take(r, 1);
        return;
    }
    TextSpan line;
    r->rest = start;
    r->line = 0;
    if (header && text_next_line(&r->rest, &line)) {
        r->n_names = text_split_line(line, r->name);
        r->line = 1;
    }
}

void text_records_end(TextRecords *r)
{
    json_decref(r->object);
    text_free(&r->text);
    *r = (TextRecords){0};
}

static bool next_object(TextRecords *r, bool *more, Error *err)
{
    json_error_t e;
    json_decref(r->object);
    r->object = NULL;
    skip_space(r);
    while (r->rest.n > 0 && (*r->rest.at == ',' || *r->rest.at == ']')) {
        take(r, 1);
        skip_space(r);
    }
    *more = r->rest.n > 0;
    if (!*more) return true;
    r->object = json_loadb((const char *)r->rest.at, (size_t)r->rest.n,
                           JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL, &e);
    if (!r->object)
        return fail(err, FAIL_DATA, NULL, "%s:%lld: %s", r->path,
                    (long long)(r->line + (e.line > 0 ? e.line - 1 : 0)), e.text);
    if (!json_is_object(r->object))
        return fail(err, FAIL_DATA, NULL, "%s:%lld: expected an object: {\"field\": ...}", r->path,
                    (long long)r->line);
    take(r, e.position);
    return true;
}

static bool next_row(TextRecords *r, bool *more)
{
    TextSpan line = {0};
    do {
        *more = text_next_line(&r->rest, &line);
        r->line++;
    } while (*more && line.n == 0);
    if (*more) r->n_columns = text_split_line(line, r->column);
    return true;
}

bool text_records_next(TextRecords *r, bool *more, Error *err)
{
    return r->json ? next_object(r, more, err) : next_row(r, more);
}

/* -- Fields */

static bool add_bytes(Text *t, const void *bytes, size_t n, Error *err)
{
    if (t->n + n + 1 > t->capacity) {
        const size_t capacity = 2 * (t->n + n + 1);
        char *data = realloc(t->data, capacity);
        if (!data) return fail(err, FAIL_RUN, NULL, "no memory for a text of %zu bytes", t->n + n);
        t->data = data;
        t->capacity = capacity;
    }
    if (n > 0) memcpy(t->data + t->n, bytes, n);
    t->n += n;
    t->data[t->n] = '\0';
    return true;
}

static bool add_json(TextRecords *r, const char *name, Error *err)
{
    static const char *const type[] = {"an object", "a list", "text",  "a number",
                                       "a number",  "true",   "false", "null"};
    char number[32];
    const json_t *v = json_object_get(r->object, name);
    if (json_is_string(v))
        return add_bytes(&r->text, json_string_value(v), json_string_length(v), err);
    if (json_is_number(v)) {
        if (json_is_integer(v))
            (void)snprintf(number, sizeof number, "%lld", (long long)json_integer_value(v));
        else
            text_real(number, json_real_value(v));
        return add_bytes(&r->text, number, strlen(number), err);
    }
    if (v)
        return fail(err, FAIL_DATA, NULL, "%s:%lld: field '%.60s' is %s; expected text", r->path,
                    (long long)r->line, name, type[json_typeof(v)]);
    const char *first = json_object_iter_key(json_object_iter(r->object));
    return fail(err, FAIL_DATA, NULL, "%s:%lld: no field '%.60s'%s%.60s%s", r->path,
                (long long)r->line, name, first ? "; the first is '" : "", first ? first : "",
                first ? "'" : "");
}

/* The column that a name or a number stands for; -1. */
static int column_of(const TextRecords *r, const char *name)
{
    enum { MAX_NUMBER = 2 };
    const size_t n = strlen(name);
    for (int i = 0; i < r->n_names; i++)
        if (r->name[i].n == (int64_t)n && memcmp(r->name[i].at, name, n) == 0) return i;
    const bool number = n <= MAX_NUMBER && strspn(name, "0123456789") == n;
    return number ? (int)strtol(name, NULL, 10) - 1 : -1;
}

static bool add_column(TextRecords *r, const char *name, Error *err)
{
    const int i = column_of(r, name);
    if (i >= 0 && i < r->n_columns)
        return add_bytes(&r->text, r->column[i].at, (size_t)r->column[i].n, err);
    if (i >= 0)
        return fail(err, FAIL_DATA, NULL,
                    "%s:%lld: %d column%s, apart by tabs; {%.60s} is number %d", r->path,
                    (long long)r->line, r->n_columns, r->n_columns == 1 ? "" : "s", name, i + 1);
    if (r->n_names > 0)
        return fail(err, FAIL_DATA, NULL, "%s:1: no column is called '%.60s'; the first is '%.*s'",
                    r->path, name, r->name[0].n < 60 ? (int)r->name[0].n : 60,
                    (const char *)r->name[0].at);
    return fail(err, FAIL_DATA, NULL,
                "%s:%lld: a table without a header, whose fields are {1}, {2} ...; found {%.60s}",
                r->path, (long long)r->line, name);
}

bool text_records_text(TextRecords *r, const TextTemplate *t, TextSpan *out, Error *err)
{
    r->text.n = 0;
    TRY(add_bytes(&r->text, "", 0, err));
    for (int i = 0; i < t->n; i++) {
        const char *text = t->part[i].text;
        if (!t->part[i].field)
            TRY(add_bytes(&r->text, text, strlen(text), err));
        else
            TRY(r->json ? add_json(r, text, err) : add_column(r, text, err));
    }
    *out = (TextSpan){(const uint8_t *)r->text.data, (int64_t)r->text.n};
    return true;
}
