/* html -- see html.h. */
#include "report/html.h"

#include <string.h>

static void add_text(Text *out, const char *s, size_t n)
{
    for (size_t i = 0, plain; i < n; i += plain) {
        for (plain = 0; i + plain < n; plain++) {
            const unsigned char c = (unsigned char)s[i + plain];
            if (c < 0x20 || c == 0x7f || strchr("&<>\"'", c)) break;
        }
        if (plain > 0) {
            text_addf(out, "%.*s", (int)plain, s + i);
            continue;
        }
        plain = 1;
        text_add(out, s[i] == '&'    ? "&amp;"
                      : s[i] == '<'  ? "&lt;"
                      : s[i] == '>'  ? "&gt;"
                      : s[i] == '"'  ? "&quot;"
                      : s[i] == '\'' ? "&#39;"
                      : s[i] == '\n' ? "\n"
                                     : " ");
    }
}

void html_text(Text *out, const char *s)
{
    add_text(out, s, strlen(s));
}

void html_element(Text *out, const char *open, const char *text, const char *close)
{
    text_add(out, open);
    html_text(out, text);
    text_add(out, close);
}

/* A backquote without its second one is shown as it is. */
static void add_spans(Text *out, const char *s, size_t n)
{
    while (n > 0) {
        const char *open = memchr(s, '`', n);
        size_t before = open ? (size_t)(open - s) : n, left = n - before;
        const char *close = left > 1 ? memchr(open + 1, '`', left - 1) : NULL;
        if (!close) {
            add_text(out, s, n);
            return;
        }
        add_text(out, s, before);
        text_add(out, "<code>");
        add_text(out, open + 1, (size_t)(close - open - 1));
        text_add(out, "</code>");
        n -= (size_t)(close + 1 - s);
        s = close + 1;
    }
}

void html_paragraphs(Text *out, const char *text)
{
    for (const char *end; *text; text = end) {
        const char *blank = strstr(text, "\n\n");
        end = blank ? blank : text + strlen(text);
        if (end > text) {
            text_add(out, "<p>");
            add_spans(out, text, (size_t)(end - text));
            text_add(out, "</p>\n");
        }
        end += strspn(end, "\n");
    }
}
