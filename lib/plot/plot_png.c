/* plot_png -- see plot_png.h. */
#include "plot/plot_png.h"

#include "io/file.h"

#include <ft2build.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include FT_FREETYPE_H
#include FT_OUTLINE_H
#include FT_STROKER_H

enum { PIXELS_MAX = 150000000, CHUNK = 1000 };

/* Debian, Fedora, Arch, macOS. */
static const char *const fonts[] = {
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    "/usr/share/fonts/dejavu-sans-fonts/DejaVuSans.ttf",
    "/usr/share/fonts/TTF/DejaVuSans.ttf",
    "/usr/share/fonts/dejavu/DejaVuSans.ttf",
    "/usr/share/fonts/truetype/liberation/LiberationSans-Regular.ttf",
    "/usr/local/share/fonts/DejaVuSans.ttf",
    "/System/Library/Fonts/Supplemental/Arial.ttf",
};
enum { N_FONTS = sizeof fonts / sizeof fonts[0] };

typedef struct Painter {
    FT_Library library;
    FT_Face face;
    FT_Stroker stroker;
    Pixels *to;
    double scale;
    const Color *colors;
    Color color; /* of the shape in work */
    double alpha;
} Painter;

static void blend(uint8_t *to, uint8_t color, double share)
{
    *to = (uint8_t)lrint(*to + (color - *to) * share);
}

/* FreeType's rows grow upwards. */
static void paint_spans(int y, int count, const FT_Span *spans, void *user)
{
    const Painter *p = user;
    uint8_t *row = p->to->rgb + 3 * (size_t)(p->to->height - 1 - y) * (size_t)p->to->width;
    for (int i = 0; i < count; i++) {
        double share = p->alpha * spans[i].coverage / 255;
        uint8_t *at = row + 3 * (ptrdiff_t)spans[i].x;
        for (int k = 0; k < spans[i].len; k++, at += 3) {
            blend(at, p->color.r, share);
            blend(at + 1, p->color.g, share);
            blend(at + 2, p->color.b, share);
        }
    }
}

static void paint_outline(Painter *p, FT_Outline *outline)
{
    FT_Raster_Params params = {
        .flags = FT_RASTER_FLAG_AA | FT_RASTER_FLAG_DIRECT | FT_RASTER_FLAG_CLIP,
        .gray_spans = paint_spans,
        .user = p,
        .clip_box = {0, 0, p->to->width, p->to->height}
    };
    (void)FT_Outline_Render(p->library, outline, &params); /* fails only when memory ran out */
}

/* A place in CSS pixels in FreeType's 1/64 pixels. */
static FT_Vector at(const Painter *p, double x, double y)
{
    return (FT_Vector){lrint(x * p->scale * 64), lrint((p->to->height - y * p->scale) * 64)};
}

static void paint_area(Painter *p, const Point *xy, int n)
{
    FT_Outline outline;
    if (n > FT_OUTLINE_POINTS_MAX || FT_Outline_New(p->library, (FT_UInt)n, 1, &outline) != 0)
        return;
    for (int i = 0; i < n; i++) {
        outline.points[i] = at(p, xy[i].x, xy[i].y);
        outline.tags[i] = FT_CURVE_TAG_ON;
    }
    outline.contours[0] = (short)(n - 1);
    paint_outline(p, &outline);
    (void)FT_Outline_Done(p->library, &outline);
}

static void paint_stroke(Painter *p, const Point *xy, int n, double width, bool closed)
{
    FT_Outline outline;
    FT_UInt n_points = 0, n_contours = 0;
    FT_Stroker_Set(p->stroker, lrint(width * p->scale * 32), FT_STROKER_LINECAP_BUTT,
                   FT_STROKER_LINEJOIN_ROUND, 0);
    FT_Vector before = at(p, xy[0].x, xy[0].y);
    bool moved = false;
    if (FT_Stroker_BeginSubPath(p->stroker, &before, !closed) != 0) return;
    for (int i = 1; i < n; i++) {
        FT_Vector v = at(p, xy[i].x, xy[i].y);
        if (v.x == before.x && v.y == before.y) continue;
        if (FT_Stroker_LineTo(p->stroker, &v) != 0) return;
        before = v;
        moved = true;
    }
    if (!moved) return; /* FreeType's end of a path without length writes where it must not */
    if (FT_Stroker_EndSubPath(p->stroker) != 0) return;
    if (FT_Stroker_GetCounts(p->stroker, &n_points, &n_contours) != 0) return;
    if (n_points == 0 || FT_Outline_New(p->library, n_points, (FT_Int)n_contours, &outline) != 0)
        return;
    outline.n_points = outline.n_contours = 0;
    FT_Stroker_Export(p->stroker, &outline);
    paint_outline(p, &outline);
    (void)FT_Outline_Done(p->library, &outline);
}

/* In pieces, since an outline holds no more than 32,767 points. */
static void paint_line(Painter *p, const Point *xy, int n, double width)
{
    for (int i = 0; i + 1 < n; i += CHUNK - 1)
        paint_stroke(p, xy + i, n - i < CHUNK ? n - i : CHUNK, width, false);
}

/* Walks along the line, and draws what lies under the pattern's odd parts. */
static void paint_dashed(Painter *p, const Mark *s)
{
    const double *pattern = dash_pattern[s->dash];
    Point *piece = malloc(((size_t)s->n + 1) * sizeof *piece);
    if (!piece) return;
    int part = 0, m = 1;
    double left = pattern[0] * s->stroke;
    piece[0] = s->xy[0];
    for (int i = 0; i + 1 < s->n; i++) {
        double x = s->xy[i].x, y = s->xy[i].y;
        double dx = s->xy[i + 1].x - x, dy = s->xy[i + 1].y - y, length = hypot(dx, dy);
        double done = 0;
        while (length - done > left) {
            done += left;
            piece[m] = (Point){x + dx * done / length, y + dy * done / length};
            if (part % 2 == 0) paint_line(p, piece, m + 1, s->stroke);
            piece[0] = piece[m];
            m = 1;
            if (pattern[++part] == 0) part = 0;
            left = pattern[part] * s->stroke;
        }
        left -= length - done;
        piece[m++] = s->xy[i + 1];
    }
    if (part % 2 == 0 && m > 1) paint_line(p, piece, m, s->stroke);
    free(piece);
}

/* Straight lines along an axis, as thick as whole pixels and on them. */
static bool paint_hairline(Painter *p, const Mark *s)
{
    const Point *v = s->xy;
    if (s->n != 2 || s->dash != DASH_NONE || (v[0].x != v[1].x && v[0].y != v[1].y)) return false;
    if (s->ink != INK_GRID && s->ink != INK_MUTED) return false;
    double w = rint(s->stroke * p->scale), unit = 1 / p->scale;
    double x0 = rint(fmin(v[0].x, v[1].x) * p->scale - w / 2),
           x1 = rint(fmax(v[0].x, v[1].x) * p->scale - w / 2);
    double y0 = rint(fmin(v[0].y, v[1].y) * p->scale - w / 2),
           y1 = rint(fmax(v[0].y, v[1].y) * p->scale - w / 2);
    x1 += w, y1 += w;
    const Point xy[] = {
        {x0 * unit, y0 * unit},
        {x1 * unit, y0 * unit},
        {x1 * unit, y1 * unit},
        {x0 * unit, y1 * unit}
    };
    paint_area(p, xy, 4);
    return true;
}

static void paint_dot(Painter *p, const Mark *s)
{
    enum { CORNERS = 24 };
    /* cos and sin of 15 degrees: the circle by turning a point */
    static const double c = 0.96592582628906829, q = 0.25881904510252076;
    Point xy[CORNERS];
    double x = s->w, y = 0;
    for (int i = 0; i < CORNERS; i++) {
        xy[i] = (Point){s->x + x, s->y + y};
        double turned = c * x - q * y;
        y = q * x + c * y;
        x = turned;
    }
    if (s->stroke > 0)
        paint_stroke(p, xy, CORNERS, s->stroke, true);
    else
        paint_area(p, xy, CORNERS);
}

/* Draws the letters (or only measures them), and gives their length in CSS pixels. */
static double paint_letters(Painter *p, const Mark *s, double start, bool draw)
{
    FT_Matrix turn = {0, -0x10000, 0x10000, 0};
    double along = start, size = s->size * p->scale;
    if (FT_Set_Char_Size(p->face, 0, lrint(size * 64), 72, 72) != 0) return 0;
    long weight = s->bold ? lrint(size * 64 / 22) : 0;
    int n = 0;
    for (const char *c = s->text; *c; c += n) {
        FT_ULong code = text_character(c, &n);
        if (FT_Load_Char(p->face, code, FT_LOAD_NO_HINTING | FT_LOAD_NO_BITMAP) != 0) continue;
        FT_Outline *outline = &p->face->glyph->outline;
        if (draw && outline->n_points > 0) {
            if (weight) (void)FT_Outline_Embolden(outline, weight);
            if (s->upwards) FT_Outline_Transform(outline, &turn);
            FT_Vector v = s->upwards ? at(p, s->x, s->y - along) : at(p, s->x + along, s->y);
            FT_Outline_Translate(outline, v.x, v.y);
            paint_outline(p, outline);
        }
        along +=
            ((double)p->face->glyph->linearHoriAdvance / 65536 + (double)weight / 64) / p->scale;
    }
    return along - start;
}

static void paint_text(Painter *p, const Mark *s)
{
    double length = paint_letters(p, s, 0, false);
    (void)paint_letters(p, s, -length * s->align, true);
}

/* Each pixel of the picture takes the nearest one of the tile. */
static void paint_image(Painter *p, const Mark *s)
{
    const ChartTile *t = s->image;
    int left = (int)lrint(s->x * p->scale), right = (int)lrint((s->x + s->w) * p->scale);
    int top = (int)lrint(s->y * p->scale), bottom = (int)lrint((s->y + s->h) * p->scale);
    for (int y = top < 0 ? 0 : top; y < bottom && y < p->to->height; y++) {
        for (int x = left < 0 ? 0 : left; x < right && x < p->to->width; x++) {
            int64_t row = (int64_t)(y - top) * t->height / (bottom - top);
            int64_t column = (int64_t)(x - left) * t->width / (right - left);
            const uint8_t *from = t->pixels + (row * t->width + column) * t->channels;
            uint8_t *to = p->to->rgb + 3 * ((size_t)y * (size_t)p->to->width + (size_t)x);
            for (int k = 0; k < 3; k++) to[k] = from[t->channels == 3 ? k : 0];
        }
    }
}

static void paint(Painter *p, const Mark *s)
{
    p->color = p->colors[s->ink];
    p->alpha = s->alpha;
    switch (s->kind) {
    case MARK_LINE:
        if (s->dash != DASH_NONE)
            paint_dashed(p, s);
        else if (!paint_hairline(p, s))
            paint_line(p, s->xy, s->n, s->stroke);
        break;
    case MARK_AREA:
        paint_area(p, s->xy, s->n);
        break;
    case MARK_DOT:
        paint_dot(p, s);
        break;
    case MARK_TEXT:
        paint_text(p, s);
        break;
    case MARK_IMAGE:
        paint_image(p, s);
        break;
    }
}

static bool open_font(Painter *p, Error *err)
{
    for (int i = 0; i < N_FONTS; i++)
        if (FT_New_Face(p->library, fonts[i], 0, &p->face) == 0) return true;
    fail(err, FAIL_RUN, NULL, "no font for a PNG: install fonts-dejavu-core, or write an SVG");
    error_note(err, "looked for %s", fonts[0]);
    for (int i = 1; i < N_FONTS; i++) error_note(err, "%s", fonts[i]);
    return false;
}

static bool paint_all(Painter *p, const Drawing *d, Error *err)
{
    TRY(open_font(p, err));
    if (FT_Stroker_New(p->library, &p->stroker) != 0)
        return fail(err, FAIL_RUN, NULL, "out of memory");
    for (int i = 0; i < d->n; i++) paint(p, &d->marks[i]);
    FT_Stroker_Done(p->stroker);
    return true;
}

bool plot_pixels(const Drawing *d, Scheme scheme, int scale, Pixels *out, Error *err)
{
    *out = (Pixels){.width = (int)ceil(d->width * scale), .height = (int)ceil(d->height * scale)};
    size_t n = (size_t)out->width * (size_t)out->height;
    if (n > PIXELS_MAX)
        return fail(err, FAIL_RUN, NULL, "a picture of %d x %d pixels; the most is %d pixels",
                    out->width, out->height, PIXELS_MAX);
    out->rgb = malloc(3 * n);
    Painter p = {.to = out, .scale = scale, .colors = palette[scheme]};
    if (!out->rgb || FT_Init_FreeType(&p.library) != 0) {
        free(out->rgb);
        out->rgb = NULL;
        return fail(err, FAIL_RUN, NULL, "out of memory");
    }
    for (size_t i = 0; i < n; i++) memcpy(out->rgb + 3 * i, &p.colors[INK_PAGE], 3);
    bool ok = paint_all(&p, d, err);
    (void)FT_Done_FreeType(p.library);
    if (!ok) {
        free(out->rgb);
        out->rgb = NULL;
    }
    return ok;
}
