/* confusion -- the confusion matrix as a picture, for evaluate.h's confusion_png.
 *
 * Rows are true classes, columns what was predicted. A cell's shade is the square root of its share
 * of the row, since a confusion of one percent must still be seen beside a diagonal of ninety. Up
 * to COUNTED classes the counts stand in the cells; up to NAMED classes each row and column has its
 * name, above that every tenth its number. */
#include "run/evaluate.h"

#include "io/png_write.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { COUNTED = 20, NAMED = 60, NAME_MAX_SHOWN = 14 };
enum { GLYPH_W = 5, GLYPH_H = 7, ADVANCE = 6, GAP = 4, MARGIN = 8 };

/* Letters of 5 by 7 points, a row a number, its highest bit of five on the left. Small letters are
 * drawn as capitals; what has no picture, as a box. */
// clang-format off
static const uint8_t glyphs[128][GLYPH_H] = {
    ['0'] = {14, 17, 19, 21, 25, 17, 14},
    ['1'] = { 4, 12, 20,  4,  4,  4, 31},
    ['2'] = {14, 17,  1,  6,  8, 16, 31},
    ['3'] = {14, 17,  1,  6,  1, 17, 14},
    ['4'] = {17, 17, 17, 31,  1,  1,  1},
    ['5'] = {31, 16, 16, 30,  1,  1, 30},
    ['6'] = {14, 16, 16, 30, 17, 17, 14},
    ['7'] = {31,  1,  2,  2,  4,  4,  4},
    ['8'] = {14, 17, 17, 14, 17, 17, 14},
    ['9'] = {14, 17, 17, 15,  1,  1, 14},
    ['A'] = {14, 17, 17, 31, 17, 17, 17},
    ['B'] = {30, 17, 17, 30, 17, 17, 30},
    ['C'] = {15, 16, 16, 16, 16, 16, 15},
    ['D'] = {30, 17, 17, 17, 17, 17, 30},
    ['E'] = {31, 16, 16, 30, 16, 16, 31},
    ['F'] = {31, 16, 16, 30, 16, 16, 16},
    ['G'] = {15, 16, 16, 19, 17, 17, 15},
    ['H'] = {17, 17, 17, 31, 17, 17, 17},
    ['I'] = {31,  4,  4,  4,  4,  4, 31},
    ['J'] = { 1,  1,  1,  1, 17, 17, 14},
    ['K'] = {17, 18, 20, 24, 20, 18, 17},
    ['L'] = {16, 16, 16, 16, 16, 16, 31},
    ['M'] = {17, 27, 21, 17, 17, 17, 17},
    ['N'] = {17, 25, 25, 21, 19, 19, 17},
    ['O'] = {14, 17, 17, 17, 17, 17, 14},
    ['P'] = {30, 17, 17, 30, 16, 16, 16},
    ['Q'] = {14, 17, 17, 17, 21, 18, 13},
    ['R'] = {30, 17, 17, 30, 20, 18, 17},
    ['S'] = {15, 16, 16, 14,  1,  1, 30},
    ['T'] = {31,  4,  4,  4,  4,  4,  4},
    ['U'] = {17, 17, 17, 17, 17, 17, 14},
    ['V'] = {17, 17, 17, 17, 10, 10,  4},
    ['W'] = {17, 17, 17, 17, 21, 27, 17},
    ['X'] = {17, 10, 10,  4, 10, 10, 17},
    ['Y'] = {17, 17, 10,  4,  4,  4,  4},
    ['Z'] = {31,  1,  2,  4,  8, 16, 31},
    ['-'] = { 0,  0,  0, 14,  0,  0,  0},
    ['_'] = { 0,  0,  0,  0,  0,  0, 31},
    ['/'] = { 1,  1,  2,  4,  8, 16, 16},
    ['.'] = { 0,  0,  0,  0,  0, 12, 12},
    [' '] = {0},
};
static const uint8_t glyph_unknown[GLYPH_H] = {31, 17, 17, 17, 17, 17, 31};
// clang-format on

typedef struct Picture {
    uint8_t *rgb;
    int width, height;
} Picture;

typedef struct Pen {
    int scale;    /* pixels a point */
    bool upwards; /* text runs from below to above */
    uint8_t grey;
} Pen;

static void fill(Picture *p, int x, int y, int w, int h, const uint8_t color[3])
{
    for (int j = y < 0 ? 0 : y; j < y + h && j < p->height; j++)
        for (int i = x < 0 ? 0 : x; i < x + w && i < p->width; i++)
            memcpy(p->rgb + 3 * ((size_t)j * (size_t)p->width + (size_t)i), color, 3);
}

static const uint8_t *glyph(char c)
{
    if (c >= 'a' && c <= 'z') c = (char)(c - 'a' + 'A');
    if (c == ' ') return glyphs[' '];
    unsigned char at = (unsigned char)c;
    if (at >= 128) return glyph_unknown;
    for (int row = 0; row < GLYPH_H; row++)
        if (glyphs[at][row]) return glyphs[at];
    return glyph_unknown;
}

static int text_width(const char *text, int scale)
{
    return ((int)strlen(text) * ADVANCE - 1) * scale;
}

/* x, y: the top left corner of upright text, the bottom left one of text that runs upwards. */
static void write_text(Picture *p, int x, int y, const char *text, Pen pen)
{
    const uint8_t color[3] = {pen.grey, pen.grey, pen.grey};
    int s = pen.scale;
    for (int k = 0; text[k]; k++) {
        const uint8_t *rows = glyph(text[k]);
        for (int j = 0; j < GLYPH_H; j++)
            for (int i = 0; i < GLYPH_W; i++) {
                if (!(rows[j] >> (GLYPH_W - 1 - i) & 1)) continue;
                int along = (k * ADVANCE + i) * s, down = j * s;
                if (pen.upwards)
                    fill(p, x + down, y - along - s, s, s, color);
                else
                    fill(p, x + along, y + down, s, s, color);
            }
    }
}

/* Where everything stands, in pixels. */
typedef struct Layout {
    int n;
    int cell;        /* side of a cell */
    int scale;       /* of letters */
    int count_scale; /* of the counts in the cells; 0: none */
    int left, top;   /* corner of the matrix */
    char (*names)[NAME_MAX_SHOWN + 1];
} Layout;

static int longest_count(const Evaluation *e)
{
    int longest = 1;
    char text[24];
    for (int64_t i = 0; i < (int64_t)e->n_classes * e->n_classes; i++) {
        int n = snprintf(text, sizeof text, "%" PRId64, e->confusion[i]);
        if (n > longest) longest = n;
    }
    return longest;
}

static void name_classes(Layout *l, const char *const class_names[])
{
    for (int c = 0; c < l->n; c++) {
        if (class_names)
            (void)snprintf(l->names[c], sizeof l->names[c], "%.*s", NAME_MAX_SHOWN, class_names[c]);
        else
            (void)snprintf(l->names[c], sizeof l->names[c], "%d", c);
        if (l->n > NAMED) (void)snprintf(l->names[c], sizeof l->names[c], "%d", c);
    }
}

static void lay_out(Layout *l, const Evaluation *e)
{
    enum { SIDE = 960, CELL_MAX = 64, CELL_MIN = 20 };
    bool counted = l->n <= COUNTED;
    l->scale = l->n <= COUNTED ? 2 : 1;
    if (counted) {
        int wide = longest_count(e) * ADVANCE + GAP;
        l->count_scale = l->n <= COUNTED / 2 ? 2 : 1;
        l->cell = wide * l->count_scale > CELL_MIN ? wide * l->count_scale : CELL_MIN;
        if (l->n <= COUNTED / 2 && l->cell < CELL_MAX) l->cell = CELL_MAX;
        if (l->cell < GLYPH_H * l->scale + GAP) l->cell = GLYPH_H * l->scale + GAP;
    } else {
        l->cell = SIDE / l->n > 0 ? SIDE / l->n : 1;
        if (l->n <= NAMED && l->cell < GLYPH_H + GAP) l->cell = GLYPH_H + GAP;
        if (l->cell > CELL_MIN) l->cell = CELL_MIN;
    }
    int widest = 0;
    for (int c = 0; c < l->n; c++) {
        int w = text_width(l->names[c], l->scale);
        if (w > widest) widest = w;
    }
    /* the axis' title, then the names, then the matrix */
    l->left = l->top = MARGIN + 2 * GLYPH_H + 2 * GAP + widest + GAP;
}

static void write_names(Picture *p, const Layout *l)
{
    Pen pen = {.scale = l->scale};
    int half = (l->cell - GLYPH_H * l->scale) / 2;
    for (int c = 0; c < l->n; c++) {
        if (l->n > NAMED && c % 10 != 0) continue;
        const char *name = l->names[c];
        int at = c * l->cell + half;
        pen.upwards = false;
        write_text(p, l->left - GAP - text_width(name, l->scale), l->top + at, name, pen);
        pen.upwards = true;
        write_text(p, l->left + at, l->top - GAP, name, pen);
    }
    int side = l->n * l->cell;
    pen = (Pen){.scale = 2};
    write_text(p, l->left + (side - text_width("PREDICTED", 2)) / 2, MARGIN, "PREDICTED", pen);
    pen.upwards = true;
    write_text(p, MARGIN, l->top + (side + text_width("TRUE", 2)) / 2, "TRUE", pen);
}

static void draw_cell(Picture *p, const Layout *l, int row, int column, int64_t count,
                      int64_t total)
{
    static const uint8_t dark[3] = {8, 48, 107};
    double shade = total > 0 ? sqrt((double)count / (double)total) : 0;
    uint8_t color[3];
    for (int k = 0; k < 3; k++) color[k] = (uint8_t)lrint(255 - shade * (255 - dark[k]));
    int line = l->cell >= 12; /* one pixel between cells, where there is room */
    int x = l->left + column * l->cell, y = l->top + row * l->cell;
    fill(p, x + line, y + line, l->cell - line, l->cell - line, color);
    if (l->count_scale == 0 || count == 0) return;
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRId64, count);
    Pen pen = {.scale = l->count_scale, .grey = shade > 0.6 ? 255 : 0};
    write_text(p, x + (l->cell - text_width(text, pen.scale) + 1) / 2,
               y + (l->cell - GLYPH_H * pen.scale + 1) / 2, text, pen);
}

static void draw(Picture *p, const Layout *l, const Evaluation *e)
{
    static const uint8_t white[3] = {255, 255, 255}, grey[3] = {200, 200, 200};
    int side = l->n * l->cell;
    fill(p, 0, 0, p->width, p->height, white);
    fill(p, l->left - 1, l->top - 1, side + 3, side + 3, grey);
    for (int row = 0; row < l->n; row++) {
        const int64_t *counts = e->confusion + (int64_t)row * l->n;
        int64_t total = 0;
        for (int c = 0; c < l->n; c++) total += counts[c];
        for (int c = 0; c < l->n; c++) draw_cell(p, l, row, c, counts[c], total);
    }
    write_names(p, l);
}

bool confusion_png(const char *path, const Evaluation *e, const char *const class_names[],
                   Error *err)
{
    enum { CLASSES_MAX = 4000 };
    Layout l = {.n = e->n_classes};
    Picture p = {0};
    if (l.n < 1 || l.n > CLASSES_MAX)
        return fail(err, FAIL_RUN, NULL, "%s: no picture of %d classes, only of 1 to %d", path, l.n,
                    CLASSES_MAX);
    l.names = calloc((size_t)l.n, sizeof *l.names);
    if (l.names) {
        name_classes(&l, class_names);
        lay_out(&l, e);
        p.width = l.left + l.n * l.cell + MARGIN;
        p.height = l.top + l.n * l.cell + MARGIN;
        p.rgb = malloc(3 * (size_t)p.width * (size_t)p.height);
    }
    bool ok;
    if (p.rgb) {
        draw(&p, &l, e);
        ok = png_write_rgb(path, p.rgb, p.width, p.height, err);
    } else
        ok = fail(err, FAIL_RUN, NULL, "%s: no memory for the picture", path);
    free(l.names);
    free(p.rgb);
    return ok;
}
