/* plot_terminal -- see plot_terminal.h: bars, matrices and images; axes are terminal_axes.c's. */
#include "plot/plot_terminal.h"

#include "plot/chart_axis.h"
#include "plot/terminal_axes.h"

#include <math.h>
#include <string.h>

enum { WIDTH = 80, WIDTH_MIN = 20, WIDTH_MAX = 4000, HEIGHT = 16, HEIGHT_MAX = 1000 };

/* East Asian wide characters (UAX 11), by blocks. */
static bool is_wide(uint32_t c)
{
    return (c >= 0x1100 && c < 0x1160) || (c >= 0x2e80 && c < 0xa4d0) ||
           (c >= 0xac00 && c < 0xd7a4) || (c >= 0xf900 && c < 0xfb00) ||
           (c >= 0xfe30 && c < 0xfe70) || (c >= 0xff00 && c < 0xff61) ||
           (c >= 0x1f300 && c < 0x1fb00) || (c >= 0x20000 && c < 0x40000);
}

int terminal_columns(const char *s)
{
    int columns = 0;
    for (int n; *s; s += n) columns += is_wide(text_character(s, &n)) ? 2 : 1;
    return columns;
}

void terminal_repeat(const Terminal *t, const char *s, int n)
{
    for (int i = 0; i < n; i++) text_add(t->out, s);
}

/* A negative width cuts without filling up. */
void terminal_put(const Terminal *t, const char *s, int width, bool right)
{
    const char *clean = text_clean(t->arena, s), *end = clean;
    int room = width < 0 ? -width : width, used = 0;
    for (int n; *end; end += n) {
        int more = is_wide(text_character(end, &n)) ? 2 : 1;
        if (used + more > room) break;
        used += more;
    }
    int blanks = width < 0 ? 0 : room - used;
    if (right) text_addf(t->out, "%*s", blanks, "");
    text_addf(t->out, "%.*s", (int)(end - clean), clean);
    if (!right) text_addf(t->out, "%*s", blanks, "");
}

void terminal_color(const Terminal *t, int look)
{
    static const char *const codes[N_LOOKS] = {"94", "33", "32", "35", "1", "31", "36"};
    if (!t->style->color) return;
    if (look < 0)
        text_add(t->out, "\033[0m");
    else
        text_addf(t->out, "\033[%sm", codes[look % N_LOOKS]);
}

static bool has_bars(const Chart *c)
{
    for (int i = 0; i < c->n_series; i++)
        if (c->series[i].kind == SERIES_BARS) return true;
    return false;
}

static void put_bar(const Terminal *t, const ChartSeries *s, const char *value, double length)
{
    static const char *const parts[] = {"",       "\u258f", "\u258e", "\u258d",
                                        "\u258c", "\u258b", "\u258a", "\u2589"};
    int whole = (int)length, eighths = (int)((length - whole) * 8);
    terminal_color(t, s->look);
    terminal_repeat(t, t->style->utf8 ? "\u2588" : "#", whole);
    if (t->style->utf8) text_add(t->out, parts[eighths]);
    terminal_color(t, -1);
    text_addf(t->out, " %s\n", value);
}

/* The series' point in a category, or -1. */
static int bar_of(const ChartSeries *s, int category)
{
    for (int i = 0; s->kind == SERIES_BARS && i < s->n; i++)
        if (s->x[i] == category && isfinite(s->y[i])) return i;
    return -1;
}

/* A line a bar, from the left. */
static void put_bars(const Terminal *t, const Chart *c)
{
    double most = 0;
    int widest = 0, widest_series = 0;
    for (int k = 0; k < c->n_series; k++) {
        const ChartSeries *s = &c->series[k];
        int n = s->name && c->n_series > 1 ? terminal_columns(s->name) + 1 : 0;
        if (n > widest_series) widest_series = n;
        for (int i = 0; i < s->n; i++)
            if (isfinite(s->y[i])) most = fmax(most, fabs(s->y[i]));
    }
    for (int i = 0; i < c->x.n_names; i++) {
        int n = terminal_columns(c->x.names[i]);
        if (n > widest) widest = n;
    }
    if (widest > t->style->width / 3) widest = t->style->width / 3;
    if (widest_series > t->style->width / 4) widest_series = t->style->width / 4;
    int room = t->style->width - widest - widest_series - 12;
    if (c->y.label) text_addf(t->out, "%s\n", text_clean(t->arena, c->y.label));
    for (int i = 0; i < c->x.n_names; i++) {
        for (int k = 0; k < c->n_series; k++) {
            const ChartSeries *s = &c->series[k];
            int at = bar_of(s, i);
            if (at < 0) continue;
            terminal_put(t, c->x.names[i], widest, true);
            text_add(t->out, " ");
            if (widest_series) terminal_put(t, s->name ? s->name : "", widest_series, false);
            char value[TICK_TEXT];
            axis_value_text(value, s->y[at], c->y.format);
            put_bar(t, s, value, most > 0 ? fabs(s->y[at]) / most * (room > 4 ? room : 4) : 0);
        }
    }
}

static const char *shade_of(const Terminal *t, double share)
{
    static const char *const blocks[] = {" ", "\u2591", "\u2592", "\u2593", "\u2588"};
    static const char *const letters[] = {" ", ".", ":", "*", "#"};
    int i = (int)lrint(fmax(0, fmin(1, share)) * 4);
    return t->style->utf8 ? blocks[i] : letters[i];
}

static int number_width(const Chart *c, int n)
{
    int widest = 1;
    char text[TICK_TEXT];
    for (int i = 0; i < n; i++) {
        axis_value_text(text, c->texts ? c->texts[i] : c->cells[i], c->x.format);
        if ((int)strlen(text) > widest) widest = (int)strlen(text);
    }
    return widest;
}

/* Numbers in columns, or, where they have no room, shades. */
static void put_matrix(const Terminal *t, const Chart *c)
{
    int rows = c->y.n_names, columns = c->x.n_names, names = 0;
    double most = 0;
    char text[TICK_TEXT];
    for (int i = 0; i < rows * columns; i++)
        if (isfinite(c->cells[i])) most = fmax(most, c->cells[i]);
    for (int r = 0; r < rows; r++) {
        int n = terminal_columns(c->y.names[r]);
        if (n > names) names = n;
    }
    if (names > t->style->width / 4) names = t->style->width / 4;
    int width = number_width(c, rows * columns) + 1;
    if (width < 5) width = 5;
    bool numbered = names + 1 + columns * width <= t->style->width;
    int shown = t->style->width - names - 1 < columns ? t->style->width - names - 1 : columns;
    if (c->x.label) text_addf(t->out, "columns: %s\n", text_clean(t->arena, c->x.label));
    if (c->y.label) text_addf(t->out, "rows: %s\n", text_clean(t->arena, c->y.label));
    if (numbered) {
        terminal_put(t, "", names + 1, false);
        for (int k = 0; k < columns; k++) {
            text_add(t->out, " ");
            terminal_put(t, c->x.names[k], width - 1, true);
        }
        text_add(t->out, "\n");
    }
    for (int r = 0; r < rows; r++) {
        terminal_put(t, c->y.names[r], names, true);
        text_add(t->out, " ");
        for (int k = 0; k < (numbered ? columns : shown); k++) {
            int i = r * columns + k;
            axis_value_text(text, c->texts ? c->texts[i] : c->cells[i], c->x.format);
            if (numbered)
                terminal_put(t, isfinite(c->cells[i]) ? text : "", width, true);
            else
                text_add(t->out, shade_of(t, most > 0 ? c->cells[i] / most : 0));
        }
        text_add(t->out, "\n");
    }
}

/* Mean over the rectangle of pixels that a character (or half of one) stands for. */
static void mean_color(const ChartTile *tile, const double box[4], int rgb[3])
{
    int x0 = (int)(box[0] * tile->width), x1 = (int)ceil(box[2] * tile->width);
    int y0 = (int)(box[1] * tile->height), y1 = (int)ceil(box[3] * tile->height);
    int64_t sum[3] = {0}, n = 0;
    for (int y = y0; y < y1 && y < tile->height; y++)
        for (int x = x0; x < x1 && x < tile->width; x++, n++)
            for (int k = 0; k < 3; k++)
                sum[k] += tile->pixels[((int64_t)y * tile->width + x) * tile->channels +
                                       (tile->channels == 3 ? k : 0)];
    for (int k = 0; k < 3; k++) rgb[k] = n ? (int)(sum[k] / n) : 0;
}

/* The upper half of a character cell has the letter's colour, the lower one its background's. */
static void put_pixels(const Terminal *t, const ChartTile *tile, int column, int row, int columns,
                       int rows)
{
    static const char ramp[] = " .:-=+*#%@";
    int high[3], low[3];
    double left = (double)column / columns, right = (double)(column + 1) / columns;
    double top = (double)row / rows, bottom = (double)(row + 1) / rows, half = (top + bottom) / 2;
    if (t->style->color && t->style->utf8) {
        mean_color(tile, (double[]){left, top, right, half}, high);
        mean_color(tile, (double[]){left, half, right, bottom}, low);
        text_addf(t->out, "\033[38;2;%d;%d;%d;48;2;%d;%d;%dm\u2580", high[0], high[1], high[2],
                  low[0], low[1], low[2]);
        return;
    }
    mean_color(tile, (double[]){left, top, right, bottom}, high);
    int grey = (299 * high[0] + 587 * high[1] + 114 * high[2]) / 1000;
    text_addf(t->out, "%c", ramp[grey * (int)(sizeof ramp - 2) / 255]);
}

static void put_images(const Terminal *t, const Chart *c)
{
    enum { COLUMNS = 24, ROWS = 12, GAP = 2 };
    int across = (t->style->width + GAP) / (COLUMNS + GAP);
    if (across < 1) across = 1;
    for (int first = 0; first < c->n_tiles; first += across) {
        int n = c->n_tiles - first < across ? c->n_tiles - first : across;
        for (int row = 0; row < ROWS; row++) {
            for (int i = first; i < first + n; i++) {
                for (int k = 0; k < COLUMNS; k++)
                    put_pixels(t, &c->tiles[i], k, row, COLUMNS, ROWS);
                if (t->style->color && t->style->utf8) text_add(t->out, "\033[0m");
                if (i + 1 < first + n) text_addf(t->out, "%*s", GAP, "");
            }
            text_add(t->out, "\n");
        }
        for (int i = first; i < first + n; i++)
            terminal_put(t, c->tiles[i].caption ? c->tiles[i].caption : "", COLUMNS + GAP, false);
        text_add(t->out, "\n");
    }
}

static void put_chart(const Terminal *t, const Chart *c)
{
    if (c->title) text_addf(t->out, "%s\n", text_clean(t->arena, c->title));
    switch (c->kind) {
    case CHART_AXES:
        if (has_bars(c))
            put_bars(t, c);
        else
            terminal_axes(t, c);
        break;
    case CHART_HEAT:
        put_matrix(t, c);
        break;
    case CHART_IMAGES:
        put_images(t, c);
        break;
    }
}

void plot_terminal(const Figure *f, const TerminalStyle *style, Arena *a, Text *out)
{
    TerminalStyle own = *style;
    if (own.width <= 0) own.width = WIDTH;
    if (own.width < WIDTH_MIN) own.width = WIDTH_MIN;
    if (own.width > WIDTH_MAX) own.width = WIDTH_MAX;
    if (own.height <= 0) own.height = HEIGHT;
    if (own.height > HEIGHT_MAX) own.height = HEIGHT_MAX;
    Terminal t = {.style = &own, .arena = a, .out = out};
    if (f->title && f->n_charts > 1) text_addf(out, "%s\n", text_clean(a, f->title));
    for (int i = 0; i < f->n_charts; i++) {
        if (i > 0) text_add(out, "\n");
        put_chart(&t, &f->charts[i]);
    }
}
