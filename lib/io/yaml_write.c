/* yaml_write -- tree to text: block style, lists of scalars in one line.
 *
 * A scalar that was quoted stays a string for every reader: also for those of YAML 1.1, to whom
 * 'yes', '1_000', '0x1F' or '2020-01-01' are no strings. Text that libyaml would not give back as
 * it stands (line breaks, control characters, a byte order mark) is escaped in double quotes. */
#include "io/yaml.h"

#include "base/text.h"

#include <string.h>
#include <strings.h>

static const uint32_t NOT_UTF8 = UINT32_MAX;

/* The code point at `p` and its bytes; NOT_UTF8 and one byte when there is none. */
static uint32_t decode(const char *p, int *n)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char c = (unsigned char)*p;
    *n = 1;
    if (c < 0x80) return c;
    int bytes = c >= 0xf0 && c < 0xf8   ? 4
                : c >= 0xe0 && c < 0xf0 ? 3
                : c >= 0xc0 && c < 0xe0 ? 2
                                        : 0;
    if (bytes == 0) return NOT_UTF8;
    uint32_t value = c & (0xffu >> (bytes + 1));
    for (int i = 1; i < bytes; i++) {
        c = (unsigned char)p[i];
        if ((c & 0xc0) != 0x80) return NOT_UTF8;
        value = value << 6 | (c & 0x3f);
    }
    if (value < smallest[bytes] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
        return NOT_UTF8;
    *n = bytes;
    return value;
}

bool yaml_is_text(const char *s)
{
    for (int n; *s; s += n) {
        uint32_t c = decode(s, &n);
        if (c < 0x20 || c == 0x7f || c == NOT_UTF8) return false;
    }
    return true;
}

/* Not allowed in YAML as it stands, or a line break to it. */
static bool needs_escape(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 || c == 0xfeff ||
           c == 0xfffe || c == 0xffff;
}

/* Escapes that JSON and YAML share. */
static void write_quoted(Text *out, const char *s)
{
    text_add(out, "\"");
    for (int n; *s; s += n) {
        uint32_t c = decode(s, &n);
        if (c == NOT_UTF8)
            text_add(out, "\\ufffd"); /* the replacement character */
        else if (c == '"' || c == '\\')
            text_addf(out, "\\%c", (int)c);
        else if (c == '\n')
            text_add(out, "\\n");
        else if (needs_escape(c))
            text_addf(out, "\\u%04x", (unsigned)c);
        else
            text_addf(out, "%.*s", n, s);
    }
    text_add(out, "\"");
}

/* Some reader of YAML 1.1 or 1.2 takes the plain text for no string. */
static bool looks_typed(const char *t)
{
    static const char *const words[] = {"null", "true", "false", "yes", "no",
                                        "on",   "off",  "~",     "=",   "<<"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcasecmp(t, words[i]) == 0) return true;
    return strchr("+-.0123456789", *t) != NULL;
}

static bool plain_is_safe(const Yaml *y)
{
    const char *t = y->text;
    if (!y->quoted && yaml_is_number(y)) return true; /* -.5 starts as no word may */
    if (!*t || strpbrk(t, ":#{}[]&*!|>'\"%@`,\\") || *t == ' ' || t[strlen(t) - 1] == ' ')
        return false;
    if (strchr("-?~", *t) && !(*t == '-' && t[1] >= '0' && t[1] <= '9')) return false;
    for (const char *p = t; *p; p++)
        if ((unsigned char)*p < 0x20 || (unsigned char)*p > 0x7e) return false;
    return !y->quoted || !looks_typed(t);
}

static void write_scalar(Text *out, const Yaml *y)
{
    if (y->kind == YAML_NULL)
        text_add(out, "null");
    else if (plain_is_safe(y))
        text_add(out, y->text);
    else
        write_quoted(out, y->text);
}

static bool is_flat_list(const Yaml *y)
{
    if (y->kind != YAML_LIST) return false;
    for (const Yaml *c = y->first; c; c = c->next)
        if (c->n > 0) return false;
    return true;
}

static void write_value(Text *out, const Yaml *y, int indent);

/* `started`: the first line's indent is there already ("- name: adam"). */
static void write_children(Text *out, const Yaml *y, int indent, bool started)
{
    for (const Yaml *c = y->first; c; c = c->next, started = false) {
        if (!started) text_addf(out, "%*s", 2 * indent, "");
        if (y->kind == YAML_MAP) {
            Yaml key = {.kind = YAML_SCALAR, .text = c->key, .quoted = true};
            write_scalar(out, &key);
            text_add(out, ":");
            write_value(out, c, indent + 1);
        } else if (c->kind == YAML_MAP && c->n > 0) {
            text_add(out, "- ");
            write_children(out, c, indent + 1, true);
        } else {
            text_add(out, "-");
            write_value(out, c, indent + 1);
        }
    }
}

/* What follows "key:" or "-", with its line break. */
static void write_value(Text *out, const Yaml *y, int indent)
{
    if (y->kind == YAML_SCALAR || y->kind == YAML_NULL) {
        text_add(out, " ");
        write_scalar(out, y);
        text_add(out, "\n");
    } else if (y->n == 0) {
        text_add(out, y->kind == YAML_MAP ? " {}\n" : " []\n");
    } else if (is_flat_list(y)) {
        text_add(out, " [");
        for (const Yaml *c = y->first; c; c = c->next) {
            if (c->kind == YAML_MAP || c->kind == YAML_LIST)
                text_add(out, c->kind == YAML_MAP ? "{}" : "[]");
            else
                write_scalar(out, c);
            if (c->next) text_add(out, ", ");
        }
        text_add(out, "]\n");
    } else {
        text_add(out, "\n");
        write_children(out, y, indent, false);
    }
}

char *yaml_write(Arena *a, const Yaml *y)
{
    Text out = {0};
    if (y->n > 0 && !is_flat_list(y))
        write_children(&out, y, 0, false);
    else
        write_value(&out, y, 0);
    /* at the top there is no "key:" that the blank would follow */
    char *text = arena_string(a, !out.data ? "" : *out.data == ' ' ? out.data + 1 : out.data);
    text_free(&out);
    return text;
}

static void write_flow(Text *out, const Yaml *y)
{
    const bool map = y->kind == YAML_MAP;
    if (!map && y->kind != YAML_LIST) {
        write_scalar(out, y);
        return;
    }
    text_add(out, map ? "{" : "[");
    for (const Yaml *c = y->first; c; c = c->next) {
        Yaml key = {.kind = YAML_SCALAR, .text = c->key, .quoted = true};
        if (map) write_scalar(out, &key);
        if (map) text_add(out, ": ");
        write_flow(out, c);
        if (c->next) text_add(out, ", ");
    }
    text_add(out, map ? "}" : "]");
}

char *yaml_flow(Arena *a, const Yaml *y)
{
    Text out = {0};
    write_flow(&out, y);
    char *text = arena_string(a, out.data);
    text_free(&out);
    return text;
}
