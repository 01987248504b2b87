/* Layout of figures: that texts neither meet nor leave the figure, for charts chosen to make it
 * hard; and what the back ends make of them. */
#include "tests/test.h"

#include "base/pcg.h"
#include "plot/plot_png.h"
#include "plot/plot_svg.h"
#include "plot/plot_terminal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SERIES = 30, MAX_POINTS = 500 };

typedef struct Sample {
    double x[MAX_POINTS], y[MAX_SERIES][MAX_POINTS];
    char names[MAX_SERIES][80];
    ChartSeries series[MAX_SERIES];
    Chart chart;
    Figure figure;
} Sample;

static Sample *sample(Arena *a, int n_series, int n, const char *name)
{
    Sample *s = arena_new_array(a, Sample, 1);
    Pcg rng = pcg_seed(1, 2);
    for (int k = 0; k < n_series; k++) {
        (void)snprintf(s->names[k], sizeof s->names[k], "%s %d", name, k);
        for (int i = 0; i < n; i++) s->y[k][i] = k + 1 + 0.3 * (double)pcg_uniform(&rng);
        s->series[k] = (ChartSeries){
            .kind = SERIES_LINE, .name = s->names[k], .n = n, .x = s->x, .y = s->y[k], .look = k};
    }
    for (int i = 0; i < n; i++) s->x[i] = 1 + 37 * i;
    s->chart = (Chart){.title = "A chart",
                       .x = {.label = "step"},
                       .y = {.label = "train.loss (nats)"},
                       .series = s->series,
                       .n_series = n_series};
    s->figure = (Figure){.charts = &s->chart, .n_charts = 1};
    return s;
}

static void draw(Arena *a, const Figure *f, Drawing *d)
{
    Error err = {0};
    ASSERT_OK(figure_draw(d, a, f, &err), &err);
}

static void assert_texts_apart(Arena *a, const Figure *f)
{
    Drawing d;
    draw(a, f, &d);
    int n_texts = 0, n_wrong = 0;
    for (int i = 0; i < d.n; i++) {
        if (d.marks[i].kind != MARK_TEXT) continue;
        Box b = text_box(&d.marks[i]);
        n_texts++;
        if (b.left < 0 || b.top < 0 || b.right > d.width || b.bottom > d.height) {
            print_error("'%s' leaves the figure\n", d.marks[i].text);
            n_wrong++;
        }
        for (int k = i + 1; k < d.n; k++) {
            if (d.marks[k].kind != MARK_TEXT || !boxes_meet(b, text_box(&d.marks[k]))) continue;
            print_error("'%s' stands on '%s'\n", d.marks[i].text, d.marks[k].text);
            n_wrong++;
        }
    }
    assert_true(n_texts > 2);
    assert_int_equal(n_wrong, 0);
}

TEST(figure, texts_of_few_series_keep_apart)
{
    Arena *a = arena_new();
    assert_texts_apart(a, &sample(a, 3, 100, "squash")->figure);
    arena_free(a);
}

TEST(figure, texts_of_many_long_names_keep_apart)
{
    Arena *a = arena_new();
    Sample *s = sample(a, 30, 20, "optimizer.lr=0.001 schedule.warmup_steps=100");
    s->chart.title = "A title that is much longer than the panel is wide, so that it has to be cut "
                     "somewhere before its end, wherever that is";
    assert_texts_apart(a, &s->figure);
    arena_free(a);
}

TEST(figure, texts_of_small_panels_keep_apart)
{
    Arena *a = arena_new();
    Sample *s = sample(a, 2, 50, "series");
    for (int width = 200; width <= 800; width += 75) {
        s->figure.width = width;
        s->figure.height = 160;
        assert_texts_apart(a, &s->figure);
    }
    arena_free(a);
}

TEST(figure, texts_on_log_axes_keep_apart)
{
    Arena *a = arena_new();
    Sample *s = sample(a, 4, 100, "series");
    s->chart.x.is_log = s->chart.y.is_log = true;
    for (int i = 0; i < 100; i++) s->y[0][i] = 1e-9 * (i + 1);
    assert_texts_apart(a, &s->figure);
    arena_free(a);
}

TEST(figure, names_at_line_ends_keep_apart)
{
    Arena *a = arena_new();
    Sample *s = sample(a, 6, 10, "s");
    for (int k = 0; k < 6; k++) s->y[k][9] = 3; /* all end in one point */
    assert_texts_apart(a, &s->figure);
    arena_free(a);
}

TEST(figure, notes_keep_apart_and_within)
{
    Arena *a = arena_new();
    Sample *s = sample(a, 1, 20, "settings");
    ChartNote notes[20];
    s->series[0].kind = SERIES_POINTS;
    for (int i = 0; i < 20; i++) notes[i] = (ChartNote){s->x[i / 4], s->y[0][i / 4], "width=64"};
    s->chart.notes = notes;
    s->chart.n_notes = 20;
    assert_texts_apart(a, &s->figure);
    arena_free(a);
}

TEST(figure, category_names_turn_when_they_are_long)
{
    static const char *const names[] = {"constant", "cosine with restarts",
                                        "a very long name of "
                                        "a schedule with warmup",
                                        "one cycle", "step"};
    Arena *a = arena_new();
    Sample *s = sample(a, 2, 5, "series");
    for (int i = 0; i < 5; i++) s->x[i] = i;
    s->series[0].kind = s->series[1].kind = SERIES_BARS;
    s->chart.x = (ChartAxis){.label = "schedule", .names = names, .n_names = 5};
    s->figure.width = 400;
    assert_texts_apart(a, &s->figure);
    arena_free(a);
}

TEST(figure, panels_keep_apart)
{
    Arena *a = arena_new();
    Sample *s = sample(a, 3, 30, "series");
    Chart charts[5];
    for (int i = 0; i < 5; i++) charts[i] = s->chart;
    charts[3].title = NULL;
    assert_texts_apart(a, &(Figure){.title = "Five", .charts = charts, .n_charts = 5});
    arena_free(a);
}

static Chart matrix(Arena *a, int n)
{
    const char **names = arena_new_array(a, const char *, n);
    double *cells = arena_new_array(a, double, n *n);
    for (int i = 0; i < n; i++) names[i] = arena_printf(a, "class %d", i);
    for (int i = 0; i < n * n; i++) cells[i] = i % (n + 1) == 0 ? 900 : i % 7;
    return (Chart){
        .kind = CHART_HEAT,
        .title = "Confusion",
        .x = {.label = "predicted", .names = names, .n_names = n},
        .y = {.label = "true",      .names = names, .n_names = n},
        .cells = cells
    };
}

TEST(figure, texts_of_matrices_keep_apart)
{
    Arena *a = arena_new();
    const int sizes[] = {1, 2, 10, 20, 100};
    for (int i = 0; i < 5; i++) {
        Chart c = matrix(a, sizes[i]);
        assert_texts_apart(a, &(Figure){.charts = &c, .n_charts = 1});
    }
    arena_free(a);
}

TEST(figure, captions_of_images_keep_apart)
{
    Arena *a = arena_new();
    static const uint8_t pixels[16];
    ChartTile tiles[40];
    for (int i = 0; i < 40; i++)
        tiles[i] =
            (ChartTile){4, 4, 1, pixels, i % 3 ? "cat" : "a caption longer than its tile is"};
    Chart c = {.kind = CHART_IMAGES, .title = "images", .tiles = tiles, .n_tiles = 40};
    assert_texts_apart(a, &(Figure){.charts = &c, .n_charts = 1});
    arena_free(a);
}

/* The axes' rectangle is where the grid's lines are; names beside it start right of it. */
TEST(figure, legend_stands_off_the_data)
{
    Arena *a = arena_new();
    Sample *s = sample(a, 3, 50, "squash");
    Drawing d;
    draw(a, &s->figure, &d);
    double right = 0;
    for (int i = 0; i < d.n; i++)
        if (d.marks[i].kind == MARK_LINE && d.marks[i].ink == INK_GRID)
            right = fmax(right, d.marks[i].xy[1].x);
    int seen = 0;
    for (int i = 0; i < d.n; i++) {
        if (d.marks[i].kind != MARK_TEXT || strncmp(d.marks[i].text, "squash", 6) != 0) continue;
        assert_true(text_box(&d.marks[i]).left > right);
        seen++;
    }
    assert_int_equal(seen, 3);
    arena_free(a);
}

TEST(figure, lines_stay_within_the_axes_own_limits)
{
    Arena *a = arena_new();
    Sample *s = sample(a, 1, 50, "loss");
    s->chart.y.has_low = s->chart.y.has_high = true;
    s->chart.y.low = 1.1, s->chart.y.high = 1.2;
    Drawing d;
    draw(a, &s->figure, &d);
    double top = 1e9, bottom = 0;
    for (int i = 0; i < d.n; i++) {
        if (d.marks[i].kind != MARK_LINE || d.marks[i].ink != INK_GRID) continue;
        top = fmin(top, d.marks[i].xy[0].y);
        bottom = fmax(bottom, d.marks[i].xy[1].y);
    }
    for (int i = 0; i < d.n; i++)
        for (int k = 0; d.marks[i].ink == INK_LOOK && k < d.marks[i].n; k++) {
            double y = d.marks[i].xy[k].y;
            if (d.marks[i].kind == MARK_LINE) assert_true(y > top - 1 && y < bottom + 1);
        }
    arena_free(a);
}

TEST(figure, a_long_line_has_few_points)
{
    enum { N = 200000 };
    Arena *a = arena_new();
    double *x = arena_new_array(a, double, N), *y = arena_new_array(a, double, N);
    Pcg rng = pcg_seed(3, 4);
    for (int i = 0; i < N; i++) x[i] = i, y[i] = (double)pcg_uniform(&rng);
    ChartSeries s = {.kind = SERIES_LINE, .n = N, .x = x, .y = y};
    Chart c = {.series = &s, .n_series = 1};
    Drawing d;
    draw(a, &(Figure){.charts = &c, .n_charts = 1}, &d);
    int n = 0;
    for (int i = 0; i < d.n; i++) n += d.marks[i].n;
    assert_in_range(n, 700, 4 * 720 + 200);
    arena_free(a);
}

TEST(figure, series_differ_without_colour)
{
    Arena *a = arena_new();
    Sample *s = sample(a, 7, 300, "s");
    Drawing d;
    draw(a, &s->figure, &d);
    bool seen[N_DASHES] = {0};
    for (int i = 0; i < d.n; i++)
        if (d.marks[i].kind == MARK_LINE && d.marks[i].ink >= INK_LOOK)
            seen[d.marks[i].dash] = true;
    for (int i = 0; i < (int)N_DASHES; i++) assert_true(seen[i]);
    arena_free(a);
}

TEST(figure, no_charts_is_an_error)
{
    Arena *a = arena_new();
    Error err = {0};
    Drawing d;
    ASSERT_FAILS(figure_draw(&d, a, &(Figure){0}, &err), &err, FAIL_RUN, "a figure of 0 plots");
    arena_free(a);
}

TEST(figure, a_tiny_figure_is_an_error)
{
    Arena *a = arena_new();
    Sample *s = sample(a, 1, 5, "s");
    Error err = {0};
    Drawing d;
    s->figure.width = 30;
    ASSERT_FAILS(figure_draw(&d, a, &s->figure, &err), &err, FAIL_RUN, "a figure of 30 x ");
    arena_free(a);
}

/* -- text ---------------------------------------------------------------------------------------
 */

TEST(figure, text_is_cleaned)
{
    Arena *a = arena_new();
    assert_string_equal(text_clean(a, "a\x01\tb"), "a  b");
    assert_string_equal(text_clean(a, "\xff\xc3\xa4\xc3"), "\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd");
    assert_string_equal(text_clean(a, "\xed\xa0\x80\xef\xbf\xbf"),
                        "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    arena_free(a);
}

TEST(figure, text_that_is_too_long_is_cut)
{
    Arena *a = arena_new();
    const char *cut = text_fit(a, "optimizer.learning_rate", 10, 60);
    assert_true(text_width(cut, 10) <= 60);
    assert_true(strncmp(cut, "optimi", 6) == 0 && strcmp(cut + strlen(cut) - 3, "\u2026") == 0);
    arena_free(a);
}

/* -- back ends ----------------------------------------------------------------------------------
 */

static void svg_of(Arena *a, const Figure *f, SvgUse use, Text *out)
{
    Error err = {0};
    Drawing d;
    draw(a, f, &d);
    ASSERT_OK(plot_svg(&d, use, out, &err), &err);
}

TEST(figure, svg_escapes_names)
{
    Arena *a = arena_new();
    Sample *s = sample(a, 1, 5, "<b>&\"'\x02");
    Text svg = {0};
    svg_of(a, &s->figure, SVG_FILE, &svg);
    assert_non_null(strstr(svg.data, "&lt;b&gt;&amp;&quot;&#39;  0</text>"));
    assert_null(strstr(svg.data, "<b>"));
    text_free(&svg);
    arena_free(a);
}

TEST(figure, svg_has_a_dark_set_of_colours)
{
    Arena *a = arena_new();
    Sample *s = sample(a, 1, 5, "loss");
    Text svg = {0};
    svg_of(a, &s->figure, SVG_FILE, &svg);
    const char *dark = strstr(svg.data, "@media (prefers-color-scheme:dark)");
    assert_non_null(dark);
    assert_non_null(strstr(dark, ".seqlab-plot .f0{fill:#ececf0}"));
    text_free(&svg);
    arena_free(a);
}

TEST(figure, inline_svg_takes_the_pages_text_colour_and_background)
{
    Arena *a = arena_new();
    Sample *s = sample(a, 1, 5, "loss");
    Text svg = {0};
    svg_of(a, &s->figure, SVG_INLINE, &svg);
    assert_true(strncmp(svg.data, "<svg ", 5) == 0);
    assert_non_null(strstr(svg.data, ".f0{fill:currentColor}"));
    assert_null(strstr(svg.data, "<rect"));
    text_free(&svg);
    arena_free(a);
}

TEST(figure, svg_bytes_do_not_change)
{
    Arena *a = arena_new();
    Sample *s = sample(a, 3, 100, "loss");
    Text one = {0}, two = {0};
    svg_of(a, &s->figure, SVG_FILE, &one);
    svg_of(a, &s->figure, SVG_FILE, &two);
    assert_string_equal(one.data, two.data);
    text_free(&one);
    text_free(&two);
    arena_free(a);
}

/* False: no font on this machine, which the message says. */
static bool pixels_of(Arena *a, const Figure *f, Scheme scheme, int scale, Pixels *out)
{
    Error err = {0};
    Drawing d;
    draw(a, f, &d);
    bool ok = plot_pixels(&d, scheme, scale, out, &err);
    if (!ok && strstr(err.items[0].text, "no font for a PNG")) return false;
    ASSERT_OK(ok, &err);
    return true;
}

static int64_t pixels_unlike(const Pixels *p, int r, int g, int b)
{
    int64_t n = 0;
    for (int64_t i = 0; i < (int64_t)p->width * p->height; i++)
        n += p->rgb[3 * i] != r || p->rgb[3 * i + 1] != g || p->rgb[3 * i + 2] != b;
    return n;
}

TEST(figure, pixels_show_line_and_page)
{
    Arena *a = arena_new();
    Sample *s = sample(a, 1, 20, "loss");
    Pixels p;
    s->figure.width = 300, s->figure.height = 200;
    if (!pixels_of(a, &s->figure, SCHEME_LIGHT, 2, &p)) skip();
    assert_int_equal(p.width, 600);
    assert_int_equal(p.height, 400);
    assert_in_range(pixels_unlike(&p, 255, 255, 255), 2000, 100000);
    int64_t blue = (int64_t)p.width * p.height - pixels_unlike(&p, 0, 114, 178);
    assert_true(blue > 300);
    free(p.rgb);
    arena_free(a);
}

TEST(figure, pixels_of_the_dark_set)
{
    Arena *a = arena_new();
    Sample *s = sample(a, 1, 20, "loss");
    Pixels p;
    s->figure.width = 300, s->figure.height = 200;
    if (!pixels_of(a, &s->figure, SCHEME_DARK, 1, &p)) skip();
    assert_in_range(pixels_unlike(&p, 22, 24, 28), 1000, 40000);
    free(p.rgb);
    arena_free(a);
}

TEST(figure, an_image_is_shown_pixel_by_pixel)
{
    Arena *a = arena_new();
    static const uint8_t pixels[] = {255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9};
    ChartTile tile = {2, 2, 3, pixels, NULL};
    Chart c = {.kind = CHART_IMAGES, .tiles = &tile, .n_tiles = 1};
    Pixels p;
    if (!pixels_of(a, &(Figure){.charts = &c, .n_charts = 1}, SCHEME_LIGHT, 1, &p)) skip();
    int64_t all = (int64_t)p.width * p.height, quarter = all - pixels_unlike(&p, 255, 0, 0);
    assert_true(quarter > 100);
    assert_int_equal(all - pixels_unlike(&p, 0, 255, 0), quarter);
    assert_int_equal(all - pixels_unlike(&p, 0, 0, 255), quarter);
    assert_int_equal(all - pixels_unlike(&p, 9, 9, 9), quarter);
    free(p.rgb);
    arena_free(a);
}

static void assert_terminal(const Figure *f, const TerminalStyle *style, const char *expected)
{
    Arena *a = arena_new();
    Text out = {0};
    plot_terminal(f, style, a, &out);
    assert_string_equal(out.data, expected);
    text_free(&out);
    arena_free(a);
}

/* A straight line from the lower left to the upper right corner. */
static Figure ramp(ChartSeries *s, Chart *c)
{
    static const double x[] = {0, 10}, y[] = {0, 4};
    *s = (ChartSeries){.kind = SERIES_LINE, .name = "loss", .n = 2, .x = x, .y = y};
    *c = (Chart){.title = "Ramp",
                 .x = {.label = "step"},
                 .y = {.label = "loss (nats)"},
                 .series = s,
                 .n_series = 1};
    return (Figure){.charts = c, .n_charts = 1};
}

TEST(figure, terminal_in_braille)
{
    ChartSeries s;
    Chart c;
    Figure f = ramp(&s, &c);
    assert_terminal(&f, &(TerminalStyle){.width = 24, .height = 4, .utf8 = true},
                    "Ramp\n"
                    "loss (nats)\n"
                    "4 ┤              ⢀⣀⠤⠒⠊⠉\n"
                    "2 ┤         ⢀⣀⠤⠒⠊⠁\n"
                    "  │    ⢀⣀⠤⠒⠊⠁\n"
                    "0 ┤⣀⠤⠒⠊⠁\n"
                    "  └┬────────┬─────────┬\n"
                    "   0        5        10\n"
                    "           step\n"
                    "  a loss\n");
}

TEST(figure, terminal_in_ascii)
{
    ChartSeries s;
    Chart c;
    Figure f = ramp(&s, &c);
    assert_terminal(&f, &(TerminalStyle){.width = 24, .height = 4},
                    "Ramp\n"
                    "loss (nats)\n"
                    "4 +              .....a\n"
                    "2 +         .....\n"
                    "  |    .....\n"
                    "0 +a...\n"
                    "  ++--------+---------+\n"
                    "   0        5        10\n"
                    "           step\n"
                    "  a loss\n");
}

TEST(figure, terminal_colours_only_when_asked)
{
    Arena *a = arena_new();
    Sample *s = sample(a, 2, 30, "loss");
    Text plain = {0}, colored = {0};
    plot_terminal(&s->figure, &(TerminalStyle){.utf8 = true}, a, &plain);
    plot_terminal(&s->figure, &(TerminalStyle){.utf8 = true, .color = true}, a, &colored);
    assert_null(strchr(plain.data, '\033'));
    assert_non_null(strstr(colored.data, "\033[94m"));
    text_free(&plain);
    text_free(&colored);
    arena_free(a);
}

TEST(figure, terminal_lines_are_no_wider_than_asked)
{
    Arena *a = arena_new();
    Sample *s = sample(a, 3, 40, "a name that is longer than the terminal has columns");
    Text out = {0};
    plot_terminal(&s->figure, &(TerminalStyle){.width = 40}, a, &out);
    for (const char *at = out.data; *at; at += strcspn(at, "\n") + 1)
        assert_true(strcspn(at, "\n") <= 40);
    text_free(&out);
    arena_free(a);
}
