/* plot_svg -- see plot_svg.h.
 *
 * Classes: sN strokes and fN fills with ink N (canvas.h). In an HTML page, what is text or axis
 * takes the page's own colour (currentColor), so that it can be read whatever the page does. */
#include "plot/plot_svg.h"

#include "io/png_write.h"
#include "plot/palette.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A length with one decimal at most: a tenth of a pixel is not to be seen. */
static void add_number(Text *t, double v)
{
    long tenths = lrint(fmax(-1e6, fmin(1e6, v)) * 10);
    if (tenths < 0) text_add(t, "-");
    tenths = labs(tenths);
    if (tenths % 10)
        text_addf(t, "%ld.%ld", tenths / 10, tenths % 10);
    else
        text_addf(t, "%ld", tenths / 10);
}

static void add_attribute(Text *t, const char *name, double v)
{
    text_addf(t, " %s=\"", name);
    add_number(t, v);
    text_add(t, "\"");
}

/* An opacity. */
static void add_share(Text *t, const char *name, double v)
{
    if (v < 0.995) text_addf(t, " %s=\".%02ld\"", name, lrint(v * 100));
}

/* `s` is clean text; a character at a time, so that a run of plain ones is one addition. */
static void add_escaped(Text *t, const char *s)
{
    for (size_t n; *s; s += n) {
        n = strcspn(s, "&<>\"'");
        if (n) {
            text_addf(t, "%.*s", (int)n, s);
            continue;
        }
        n = 1;
        text_add(t, *s == '&'   ? "&amp;"
                    : *s == '<' ? "&lt;"
                    : *s == '>' ? "&gt;"
                    : *s == '"' ? "&quot;"
                                : "&#39;");
    }
}

static void add_points(Text *t, const Point *xy, int n)
{
    text_add(t, " points=\"");
    for (int i = 0; i < n; i++) {
        if (i) text_add(t, " ");
        add_number(t, xy[i].x);
        text_add(t, ",");
        add_number(t, xy[i].y);
    }
    text_add(t, "\"");
}

static void end_element(Text *t, const char *name, const char *tip)
{
    if (!tip) {
        text_add(t, "/>\n");
        return;
    }
    text_add(t, "><title>");
    add_escaped(t, tip);
    text_addf(t, "</title></%s>\n", name);
}

static void add_line(Text *t, const Mark *s)
{
    text_addf(t, "<polyline class=\"s%d\"", (int)s->ink);
    add_points(t, s->xy, s->n);
    if (s->stroke != 1) add_attribute(t, "stroke-width", s->stroke);
    const double *dash = dash_pattern[s->dash];
    for (int i = 0; dash[i] > 0; i++) {
        text_add(t, i ? "," : " stroke-dasharray=\"");
        add_number(t, dash[i] * s->stroke);
    }
    if (dash[0] > 0) text_add(t, "\"");
    add_share(t, "stroke-opacity", s->alpha);
    end_element(t, "polyline", s->tip);
}

static void add_area(Text *t, const Mark *s)
{
    text_addf(t, "<polygon class=\"f%d\"", (int)s->ink);
    add_points(t, s->xy, s->n);
    add_share(t, "fill-opacity", s->alpha);
    end_element(t, "polygon", s->tip);
}

static void add_dot(Text *t, const Mark *s)
{
    text_addf(t, "<circle class=\"%c%d\"", s->stroke > 0 ? 's' : 'f', (int)s->ink);
    add_attribute(t, "cx", s->x);
    add_attribute(t, "cy", s->y);
    add_attribute(t, "r", s->w);
    if (s->stroke > 0) add_attribute(t, "stroke-width", s->stroke);
    end_element(t, "circle", s->tip);
}

static void add_text(Text *t, const Mark *s)
{
    text_addf(t, "<text class=\"f%d\"", (int)s->ink);
    add_attribute(t, "x", s->x);
    add_attribute(t, "y", s->y);
    add_attribute(t, "font-size", s->size);
    if (s->align > 0) text_addf(t, " text-anchor=\"%s\"", s->align < 1 ? "middle" : "end");
    if (s->bold) text_add(t, " font-weight=\"bold\"");
    if (s->upwards) {
        text_add(t, " transform=\"rotate(-90 ");
        add_number(t, s->x);
        text_add(t, " ");
        add_number(t, s->y);
        text_add(t, ")\"");
    }
    text_add(t, ">");
    add_escaped(t, s->text);
    text_add(t, "</text>\n");
}

/* RFC 4648, section 4. */
static void add_base64(Text *t, const unsigned char *data, size_t n)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
    enum { NONE = 64 };
    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i;
        unsigned long v = (unsigned long)data[i] << 16;
        if (left > 1) v |= (unsigned long)data[i + 1] << 8;
        if (left > 2) v |= data[i + 2];
        const char four[5] = {digits[v >> 18], digits[v >> 12 & 63],
                              digits[left > 1 ? v >> 6 & 63 : NONE],
                              digits[left > 2 ? v & 63 : NONE], '\0'};
        text_add(t, four);
    }
}

static bool add_image(Text *t, const Mark *s, Error *err)
{
    void *png;
    size_t n;
    const ChartTile *i = s->image;
    TRY(png_encode("image of a plot", i->pixels, i->width, i->height, i->channels, &png, &n, err));
    text_add(t, "<image");
    add_attribute(t, "x", s->x);
    add_attribute(t, "y", s->y);
    add_attribute(t, "width", s->w);
    add_attribute(t, "height", s->h);
    text_add(t, " xlink:href=\"data:image/png;base64,");
    add_base64(t, png, n);
    text_add(t, "\"");
    end_element(t, "image", s->tip);
    free(png);
    return true;
}

static bool takes_page_color(Ink ink)
{
    return ink == INK_TEXT || ink == INK_MUTED || ink == INK_GRID || ink == INK_LOOK + 4;
}

static void add_rule(Text *t, Ink ink, Scheme scheme, SvgUse use)
{
    static const char *const shares[N_INKS] = {[INK_MUTED] = ".7", [INK_GRID] = ".14"};
    const Color c = palette[scheme][ink];
    if (use == SVG_INLINE && takes_page_color(ink)) {
        if (scheme == SCHEME_DARK) return;
        text_addf(t, ".seqlab-plot .s%d{stroke:currentColor", (int)ink);
        if (shares[ink]) text_addf(t, ";stroke-opacity:%s", shares[ink]);
        text_addf(t, "}.seqlab-plot .f%d{fill:currentColor", (int)ink);
        if (shares[ink]) text_addf(t, ";fill-opacity:%s", shares[ink]);
        text_add(t, "}\n");
        return;
    }
    text_addf(t, ".seqlab-plot .s%d{stroke:#%02x%02x%02x}.seqlab-plot .f%d{fill:#%02x%02x%02x}\n",
              (int)ink, c.r, c.g, c.b, (int)ink, c.r, c.g, c.b);
}

static void add_style(Text *t, SvgUse use)
{
    text_add(t, "<style>\n.seqlab-plot text{font-family:'DejaVu Sans',Verdana,Arial,sans-serif}\n"
                ".seqlab-plot polyline,.seqlab-plot circle[stroke-width]{fill:none}\n"
                ".seqlab-plot polyline{stroke-linejoin:round}\n"
                ".seqlab-plot polygon,.seqlab-plot text{stroke:none}\n"
                ".seqlab-plot image{image-rendering:pixelated}\n");
    text_addf(t, ".seqlab-plot .s%d,.seqlab-plot .s%d{shape-rendering:crispEdges}\n",
              (int)INK_MUTED, (int)INK_GRID);
    for (int i = 0; i < (int)N_INKS; i++) add_rule(t, (Ink)i, SCHEME_LIGHT, use);
    text_add(t, "@media (prefers-color-scheme:dark){\n");
    for (int i = 0; i < (int)N_INKS; i++) add_rule(t, (Ink)i, SCHEME_DARK, use);
    text_add(t, "}\n</style>\n");
}

static bool add_shape(Text *t, const Mark *s, Error *err)
{
    switch (s->kind) {
    case MARK_LINE:
        add_line(t, s);
        break;
    case MARK_AREA:
        add_area(t, s);
        break;
    case MARK_DOT:
        add_dot(t, s);
        break;
    case MARK_TEXT:
        add_text(t, s);
        break;
    case MARK_IMAGE:
        return add_image(t, s, err);
    }
    return true;
}

bool plot_svg(const Drawing *d, SvgUse use, Text *out, Error *err)
{
    static const char end[] = "</svg>\n";
    if (use == SVG_FILE) text_add(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    text_add(out,
             "<svg xmlns=\"http://www.w3.org/2000/svg\" "
             "xmlns:xlink=\"http://www.w3.org/1999/xlink\" class=\"seqlab-plot\" role=\"img\"");
    text_addf(out, " viewBox=\"0 0 %.0f %.0f\"", d->width, d->height);
    if (use == SVG_FILE)
        text_addf(out, " width=\"%.0f\" height=\"%.0f\"", d->width, d->height);
    else
        text_addf(out, " style=\"width:100%%;max-width:%.0fpx;height:auto\"", d->width);
    text_add(out, ">\n<title>");
    add_escaped(out, d->title);
    text_add(out, "</title>\n");
    add_style(out, use);
    if (use == SVG_FILE)
        text_addf(out, "<rect class=\"f%d\" width=\"100%%\" height=\"100%%\"/>\n", (int)INK_PAGE);
    for (int i = 0; i < d->n; i++) TRY(add_shape(out, &d->marks[i], err));
    text_add(out, end);
    size_t n = strlen(end);
    if (out->n < n || strcmp(out->data + out->n - n, end) != 0)
        return fail(err, FAIL_RUN, NULL, "out of memory");
    return true;
}
