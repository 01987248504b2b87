/* canvas -- see canvas.h. */
#include "plot/canvas.h"

#include <string.h>

// clang-format off
const double dash_pattern[N_DASHES][7] = {
    [DASH_NONE] = {0},
    [DASH_LONG] = {5, 2.5},
    [DASH_DOT] = {1.2, 1.8},
    [DASH_LONG_DOT] = {5, 2, 1.2, 2},
    [DASH_SHORT] = {2.5, 1.5},
    [DASH_LONG_DOT_DOT] = {7, 2, 1.2, 2, 1.2, 2},
};
// clang-format on

static Mark *add(Drawing *d)
{
    if (d->n == d->capacity) {
        int capacity = d->capacity ? 2 * d->capacity : 256;
        Mark *grown = arena_new_array(d->arena, Mark, capacity);
        if (d->n) memcpy(grown, d->marks, (size_t)d->n * sizeof *grown);
        d->marks = grown;
        d->capacity = capacity;
    }
    Mark *s = &d->marks[d->n++];
    *s = (Mark){0};
    return s;
}

static void add_points(Drawing *d, MarkKind kind, const Pen *pen, const Point *xy, int n)
{
    Point *copy = arena_new_array(d->arena, Point, n);
    memcpy(copy, xy, (size_t)n * sizeof *copy);
    *add(d) = (Mark){.kind = kind,
                     .ink = pen->ink,
                     .alpha = pen->alpha,
                     .stroke = pen->width,
                     .dash = pen->dash,
                     .tip = pen->tip ? text_clean(d->arena, pen->tip) : NULL,
                     .xy = copy,
                     .n = n};
}

void draw_line(Drawing *d, const Pen *pen, const Point *xy, int n)
{
    if (n > 1) add_points(d, MARK_LINE, pen, xy, n);
}

void draw_area(Drawing *d, const Pen *pen, const Point *xy, int n)
{
    if (n > 2) add_points(d, MARK_AREA, pen, xy, n);
}

void draw_rectangle(Drawing *d, const Pen *pen, double x, double y, double w, double h)
{
    const Point xy[] = {
        {x,     y    },
        {x + w, y    },
        {x + w, y + h},
        {x,     y + h}
    };
    draw_area(d, pen, xy, 4);
}

void draw_dot(Drawing *d, const Pen *pen, double x, double y, double radius)
{
    *add(d) = (Mark){.kind = MARK_DOT,
                     .ink = pen->ink,
                     .alpha = pen->alpha,
                     .stroke = pen->width,
                     .tip = pen->tip ? text_clean(d->arena, pen->tip) : NULL,
                     .x = x,
                     .y = y,
                     .w = radius};
}

void draw_text(Drawing *d, const Lettering *l, double x, double y, const char *text)
{
    if (!text || !*text) return;
    *add(d) = (Mark){.kind = MARK_TEXT,
                     .ink = l->ink,
                     .alpha = 1,
                     .size = l->size,
                     .align = l->align,
                     .bold = l->bold,
                     .upwards = l->upwards,
                     .x = x,
                     .y = y,
                     .text = text_clean(d->arena, text)};
}

void draw_image(Drawing *d, const ChartTile *image, double x, double y, double w, double h)
{
    *add(d) = (Mark){.kind = MARK_IMAGE,
                     .alpha = 1,
                     .x = x,
                     .y = y,
                     .w = w,
                     .h = h,
                     .image = image,
                     .tip = image->caption ? text_clean(d->arena, image->caption) : NULL};
}

enum { UNKNOWN = 0xfffd };

/* The bytes that a first byte announces; 0 when it cannot be a first one. */
static int announced(unsigned char c)
{
    if (c < 0x80) return 1;
    if (c >= 0xc2 && c < 0xe0) return 2;
    if (c >= 0xe0 && c < 0xf0) return 3;
    return c >= 0xf0 && c < 0xf5 ? 4 : 0;
}

uint32_t text_character(const char *s, int *n)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char c = (unsigned char)*s;
    int bytes = announced(c);
    *n = 1;
    if (bytes == 1) return c;
    if (bytes == 0) return UNKNOWN;
    uint32_t code = c & (0x7fu >> bytes);
    for (int i = 1; i < bytes; i++) {
        unsigned char more = (unsigned char)s[i];
        if ((more & 0xc0u) != 0x80) return UNKNOWN;
        code = code << 6 | (more & 0x3fu);
    }
    if (code < smallest[bytes] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        return UNKNOWN;
    *n = bytes;
    return code;
}

const char *text_clean(Arena *a, const char *s)
{
    char *out = arena_alloc(a, 3 * strlen(s) + 1), *to = out;
    for (int n; *s; s += n) {
        uint32_t c = text_character(s, &n);
        if (c < 0x20 || (c >= 0x7f && c < 0xa0)) {
            *to++ = ' ';
        } else if (c == UNKNOWN || c == 0xfffe || c == 0xffff) {
            memcpy(to, "\xef\xbf\xbd", 3);
            to += 3;
        } else {
            memcpy(to, s, (size_t)n);
            to += n;
        }
    }
    *to = '\0';
    return out;
}

/* Advance widths of DejaVu Sans 2.37, in thousandths of the letters' size, from the blank on. */
// clang-format off
static const short widths[] = {
    318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337,
    636, 636, 636, 636, 636, 636, 636, 636, 636, 636, 337, 337, 838, 838, 838, 531,
    1000, 684, 686, 698, 770, 632, 575, 775, 752, 295, 295, 656, 557, 863, 748, 787,
    603, 787, 695, 635, 611, 732, 684, 989, 685, 611, 685, 390, 337, 390, 838, 500,
    500, 613, 635, 550, 635, 615, 352, 635, 634, 278, 278, 579, 278, 974, 634, 612,
    635, 635, 411, 521, 392, 634, 592, 818, 592, 592, 525, 636, 337, 636, 838,
};
// clang-format on

static double advance(uint32_t c)
{
    enum { N = sizeof widths / sizeof widths[0] };
    if (c >= ' ' && c < ' ' + N) return widths[c - ' '] / 1000.0;
    if (c < 0x250) return 0.7;    /* Latin with accents */
    return c < 0x2000 ? 0.85 : 1; /* Greek, Cyrillic; signs and what is as wide as high */
}

double text_width(const char *s, double size)
{
    double sum = 0;
    for (int n; *s; s += n) sum += advance(text_character(s, &n));
    return sum * size;
}

const char *text_fit(Arena *a, const char *s, double size, double width)
{
    static const char dots[] = "\xe2\x80\xa6";
    if (text_width(s, size) <= width) return s;
    double left = width / size - 1, sum = 0;
    const char *end = s;
    for (int n; *end; end += n) {
        sum += advance(text_character(end, &n));
        if (sum > left) break;
    }
    while (end > s && end[-1] == ' ') end--;
    return arena_printf(a, "%.*s%s", (int)(end - s), s, dots);
}

Box text_box(const Mark *s)
{
    enum { UP = 76, DOWN = 22 }; /* hundredths of the size: of an A and of a p */
    double length = text_width(s->text, s->size) * (s->bold ? 1.1 : 1);
    double up = s->size * UP / 100, down = s->size * DOWN / 100;
    if (s->upwards)
        return (Box){s->x - up, s->y - length * (1 - s->align), s->x + down,
                     s->y + length * s->align};
    return (Box){s->x - length * s->align, s->y - up, s->x + length * (1 - s->align), s->y + down};
}

bool boxes_meet(Box a, Box b)
{
    return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}
