/* error -- see error.h. Text is formatted at once, so that an Error outlives the tree it speaks of.
 */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#undef fail /* the analyzer's macros, see error.h */
#undef fail_errno

/* Appends to a fixed buffer, cutting what does not fit. */
static void append(char *to, size_t capacity, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void append(char *to, size_t capacity, const char *format, ...)
{
    size_t used = strlen(to);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(to + used, capacity - used, format, args);
    va_end(args);
}

static void write_place(ErrorItem *item, const Place *at)
{
    if (!at || !at->file) return;
    append(item->text, ERROR_TEXT, "%s:", at->file);
    if (at->line > 0) append(item->text, ERROR_TEXT, "%d:", at->line);
    if (at->line > 0 && at->column > 0) append(item->text, ERROR_TEXT, "%d:", at->column);
    append(item->text, ERROR_TEXT, " ");
}

static bool starts_character(char c)
{
    return ((unsigned char)c & 0xc0) != 0x80; /* not a later byte of UTF-8 */
}

/* The source line, and below it ^~~~ under the place. Columns count characters, so those of several
 * bytes take one blank. Long lines are left out: a caret would not show. */
static void write_excerpt(ErrorItem *item, const Place *at)
{
    enum { LINE_MAX_SHOWN = 110 };
    if (!at || !at->line_text || at->column < 1) return;
    const char *line = at->line_text;
    size_t n = strcspn(line, "\r\n");
    int characters = 0;
    for (size_t i = 0; i < n; i++) characters += starts_character(line[i]);
    if (n > LINE_MAX_SHOWN || at->column > characters + 1) return;
    append(item->excerpt, ERROR_EXCERPT, "    %.*s\n    ", (int)n, line);
    int column = 1;
    for (size_t i = 0; column < at->column; i++) {
        if (!starts_character(line[i])) continue;
        append(item->excerpt, ERROR_EXCERPT, "%c", line[i] == '\t' ? '\t' : ' ');
        column++;
    }
    append(item->excerpt, ERROR_EXCERPT, "^");
    for (int i = 1; i < at->width && at->column + i <= characters; i++)
        append(item->excerpt, ERROR_EXCERPT, "~");
}

static ErrorItem *new_item(Error *err, FailKind kind)
{
    if (err->kind == FAIL_NONE) err->kind = kind;
    if (err->n_items == ERROR_MAX) {
        err->n_dropped++;
        return NULL;
    }
    ErrorItem *item = &err->items[err->n_items++];
    item->text[0] = item->excerpt[0] = '\0';
    return item;
}

static void add_item(Error *err, FailKind kind, const Place *at, const char *format, va_list args)
{
    ErrorItem *item = new_item(err, kind);
    if (!item) return;
    write_place(item, at);
    size_t used = strlen(item->text);
    (void)vsnprintf(item->text + used, ERROR_TEXT - used, format, args);
    write_excerpt(item, at);
}

bool fail(Error *err, FailKind kind, const Place *at, const char *format, ...)
{
    if (!err) return false;
    va_list args;
    va_start(args, format);
    add_item(err, kind, at, format, args);
    va_end(args);
    return false;
}

bool fail_errno(Error *err, FailKind kind, const Place *at, const char *format, ...)
{
    int number = errno;
    if (!err) return false;
    va_list args;
    va_start(args, format);
    int before = err->n_items;
    add_item(err, kind, at, format, args);
    va_end(args);
    if (err->n_items > before)
        append(err->items[before].text, ERROR_TEXT, ": %s", strerror(number));
    return false;
}

void error_note(Error *err, const char *format, ...)
{
    if (!err || err->n_items == 0 || err->n_dropped > 0) return;
    char *text = err->items[err->n_items - 1].text;
    append(text, ERROR_TEXT, "; ");
    size_t used = strlen(text);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text + used, ERROR_TEXT - used, format, args);
    va_end(args);
}

void error_print(const Error *err, FILE *out, bool color)
{
    for (int i = 0; i < err->n_items; i++) {
        const char *text = err->items[i].text;
        const char *colon = strstr(text, ": ");
        if (color && colon)
            (void)fprintf(out, "\033[1m%.*s:\033[0m%s\n", (int)(colon - text), text, colon + 1);
        else
            (void)fprintf(out, "%s\n", text);
        if (err->items[i].excerpt[0]) (void)fprintf(out, "%s\n", err->items[i].excerpt);
    }
    if (err->n_dropped > 0) (void)fprintf(out, "and %d more\n", err->n_dropped);
}

void error_clear(Error *err)
{
    err->kind = FAIL_NONE;
    err->n_items = err->n_dropped = 0;
}
