/* pathfinder_scene -- see pathfinder_scene.h.
 *
 * The generator is Linsley et al.'s (2018, arXiv:1805.08315, program `snakes2.py`) as the Long
 * Range Arena uses it (Tay et al. 2021, arXiv:2011.04006):
 *
 *   o                       pivot: the middle of the gap before a dash
 *   =====                   the dash: dash_length pixels, from tail to head
 *        . o .              next pivot: `margin` pixels after the head
 *              \\           next dash: its head is a pixel of the circle of radius margin +
 *               \\          dash_length around that pivot, drawn with the weight
 *                               cos^2 min(continuity turn, pi / 2) (1 - mask around the pixel)
 *
 * where turn is the angle between a dash and the one before. The mask holds every dash grown by
 * `margin`, anti-aliased, and a border; a dash whose own grown picture and the mask sum to 1.8 or
 * more in a pixel is drawn again, three times at most. The newest dash of a contour is not in the
 * mask yet, or its follower could never be placed.
 *
 * Where this differs: places of starts are drawn and rejected rather than listed; lines are
 * anti-aliased by their distance instead of a resampled picture of twice the size; and a dash also
 * keeps off the newest dash of the other contour, without which the two could cross and the label
 * would be meaningless. Directions are turns and computed without libm. */
#include "data/pathfinder_scene.h"

#include "base/realmath.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

enum { FULL = 250, OVERLAP = 450 }; /* the mask's 1.0, and 1.8 of it */
enum { DASH_TRIES = 3, SEED_TRIES = 60, SECOND_SEED_TRIES = 3, SNAKE_TRIES = 5 };

typedef struct Pixel {
    int y, x;
} Pixel;

/* A snake as it grows. */
typedef struct Growth {
    Snake *snake;
    Pixel pivot, head;
    double turns; /* direction of the newest dash */
} Growth;

typedef struct Search {
    const PathfinderRules *r;
    const PathfinderRing *ring;
    int margin;
    double grown; /* half width of a dash in the mask */
    Pcg *rng;
    uint8_t mask[PATHFINDER_MAX_SIDE * PATHFINDER_MAX_SIDE];
} Search;

/* -- Geometry */

/* The direction of (y, x), not both 0, in [0, 1): a first guess within 0.02 turns, then twice the
 * arc sine of sin(angle - guess) by its series, which brings the error to its fifth power. */
static double direction(double y, double x)
{
    const double length = sqrt(y * y + x * x), share = y / (fabs(y) + fabs(x));
    const double radian = 0.15915494309189535; /* in turns */
    double turns = x >= 0 ? share / 4 : 0.5 - share / 4;
    y /= length;
    x /= length;
    for (int i = 0; i < 2; i++) {
        const double e = y * real_cos_turns(turns) - x * real_sin_turns(turns);
        turns += radian * (e + e * e * e / 6);
    }
    return turns - floor(turns);
}

static Pixel step_from(Pixel p, double turns, double distance)
{
    return (Pixel){(int)ceil(p.y + distance * real_sin_turns(turns)),
                   (int)ceil(p.x + distance * real_cos_turns(turns))};
}

/* The dash that ends in `head`. */
static Dash dash_back_from(Pixel head, double turns, double length)
{
    return (Dash){
        {head.y - length * real_sin_turns(turns), head.x - length * real_cos_turns(turns)},
        {head.y,                                  head.x                                 }
    };
}

static double random_degree(Pcg *rng)
{
    return pcg_below(rng, 360) / 360.0;
}

double pathfinder_cover(const Dash *d, double half_width, int y, int x)
{
    const double dy = d->head.y - d->tail.y, dx = d->head.x - d->tail.x;
    const double length2 = dy * dy + dx * dx;
    double along = length2 > 0 ? ((y - d->tail.y) * dy + (x - d->tail.x) * dx) / length2 : 0;
    along = along < 0 ? 0 : along > 1 ? 1 : along;
    const double to_y = y - (d->tail.y + along * dy), to_x = x - (d->tail.x + along * dx);
    const double distance = sqrt(to_y * to_y + to_x * to_x);
    const double right = distance + 0.5 < half_width ? distance + 0.5 : half_width;
    const double left = distance - 0.5 > -half_width ? distance - 0.5 : -half_width;
    return right > left ? right - left : 0;
}

/* -- The mask */

typedef struct Box {
    int top, bottom, left, right; /* inclusive */
} Box;

static int clamp(double at, int side)
{
    return at < 0 ? 0 : at > side - 1 ? side - 1 : (int)at;
}

static Box box_of(const Search *s, const Dash *d)
{
    const double reach = s->grown + 1;
    const int side = s->r->side;
    return (Box){clamp(fmin(d->tail.y, d->head.y) - reach, side),
                 clamp(fmax(d->tail.y, d->head.y) + reach, side),
                 clamp(fmin(d->tail.x, d->head.x) - reach, side),
                 clamp(fmax(d->tail.x, d->head.x) + reach, side)};
}

static int grown_cover(const Search *s, const Dash *d, int y, int x)
{
    return (int)(pathfinder_cover(d, s->grown, y, x) * FULL);
}

/* Whether the grown dash and the mask, with the dash `other` (or NULL) in it, sum to `limit` where
 * both are. */
static bool collides(const Search *s, const Dash *d, const Dash *other, int limit)
{
    const Box b = box_of(s, d);
    for (int y = b.top; y <= b.bottom; y++)
        for (int x = b.left; x <= b.right; x++) {
            int there = s->mask[y * s->r->side + x];
            const int own = there > 0 || other ? grown_cover(s, d, y, x) : 0;
            if (own > 0 && other) {
                const int more = grown_cover(s, other, y, x);
                if (more > there) there = more;
            }
            if (own > 0 && there > 0 && own + there >= limit) return true;
        }
    return false;
}

static void add_to_mask(Search *s, const Dash *d)
{
    const Box b = box_of(s, d);
    for (int y = b.top; y <= b.bottom; y++)
        for (int x = b.left; x <= b.right; x++) {
            uint8_t *there = &s->mask[y * s->r->side + x];
            const int own = grown_cover(s, d, y, x);
            if (own > *there) *there = (uint8_t)own;
        }
}

/* The largest of the mask in the disc of radius margin around (y, x); outside of it all is taken.
 */
static int mask_around(const Search *s, int y, int x)
{
    const int side = s->r->side, radius = s->margin;
    int most = 0;
    for (int dy = -radius; dy <= radius; dy++)
        for (int dx = -radius; dx <= radius; dx++) {
            if (dy * dy + dx * dx > radius * radius) continue;
            if (y + dy < 0 || y + dy >= side || x + dx < 0 || x + dx >= side) return FULL;
            const int there = s->mask[(y + dy) * side + x + dx];
            if (there > most) most = there;
        }
    return most;
}

static size_t n_pixels(const Search *s)
{
    return (size_t)s->r->side * (size_t)s->r->side;
}

static void clear_mask(Search *s)
{
    const int side = s->r->side, padding = s->r->padding;
    memset(s->mask, FULL, n_pixels(s));
    for (int y = padding; y < side - padding; y++)
        memset(&s->mask[y * side + padding], 0, (size_t)(side - 2 * padding));
}

static bool inside(const Search *s, Pixel p)
{
    return p.y >= 0 && p.y < s->r->side && p.x >= 0 && p.x < s->r->side;
}

/* -- Growing */

/* Starts a snake with the dash from `tail`; false when it leaves the picture. */
static bool start_snake(const Search *s, Growth *g, Snake *snake, Pixel tail)
{
    const PathfinderRules *r = s->r;
    *g = (Growth){.snake = snake, .turns = random_degree(s->rng)};
    g->head = step_from(tail, g->turns, r->dash_length);
    g->pivot = step_from(g->head, g->turns + 0.5, r->dash_length + s->margin);
    snake->start = (Point){tail.y, tail.x};
    snake->dash[0] = (Dash){
        snake->start, {g->head.y, g->head.x}
    };
    snake->n = 1;
    return inside(s, tail) && inside(s, g->head) && inside(s, g->pivot);
}

/* A start whose dash touches nothing, `from_sides` pixels from every side. */
static bool find_start(const Search *s, Growth *g, Snake *snake, int from_sides)
{
    const uint32_t places = (uint32_t)(s->r->side - 2 * from_sides);
    for (int i = 0; i < SEED_TRIES; i++) {
        Pixel tail = {from_sides + (int)pcg_below(s->rng, places),
                      from_sides + (int)pcg_below(s->rng, places)};
        if (s->mask[tail.y * s->r->side + tail.x] == 0 && start_snake(s, g, snake, tail) &&
            !collides(s, &snake->dash[0], NULL, 0))
            return true;
    }
    return false;
}

/* Weights of the places where the next dash may end; returns their sum. */
static double weigh(const Search *s, const Growth *g, Pixel pivot, double *weight)
{
    double sum = 0;
    for (int i = 0; i < s->ring->n; i++) {
        const Pixel p = {pivot.y + s->ring->dy[i], pivot.x + s->ring->dx[i]};
        weight[i] = 0;
        if (!inside(s, p)) continue;
        double turn = fabs(s->ring->turns[i] - (g->turns - floor(g->turns)));
        turn = (turn > 0.5 ? 1 - turn : turn) * s->r->continuity;
        if (turn >= 0.25) continue;
        const double cosine = real_cos_turns(turn);
        weight[i] = cosine * cosine * (1 - mask_around(s, p.y, p.x) / (double)FULL);
        sum += weight[i];
    }
    return sum;
}

static int sample(const Search *s, const double *weight, double sum)
{
    double left = (double)pcg_uniform(s->rng) * sum;
    int last = 0;
    for (int i = 0; i < s->ring->n; i++) {
        if (weight[i] <= 0) continue;
        last = i;
        left -= weight[i];
        if (left < 0) break;
    }
    return last;
}

/* Adds a dash; `other` is the newest one of the snake that grows beside this one, or NULL. */
static bool extend(Search *s, Growth *g, const Dash *other)
{
    const double least = 1e-4;
    double weight[PATHFINDER_MAX_CANDIDATES];
    const int length = s->r->dash_length;
    const Pixel pivot = step_from(g->pivot, g->turns, length + 2 * s->margin);
    const double sum = weigh(s, g, pivot, weight);
    if (sum < least) return false;
    for (int i = 0; i < DASH_TRIES; i++) {
        const int k = sample(s, weight, sum);
        const Pixel head = {pivot.y + s->ring->dy[k], pivot.x + s->ring->dx[k]};
        const Dash dash = dash_back_from(head, s->ring->turns[k], length);
        if (collides(s, &dash, other, OVERLAP)) continue;
        add_to_mask(s, &g->snake->dash[g->snake->n - 1]);
        g->snake->dash[g->snake->n++] = dash;
        g->pivot = pivot;
        g->head = head;
        g->turns = s->ring->turns[k];
        return true;
    }
    return false;
}

static void finish_snake(Search *s, Growth *g)
{
    add_to_mask(s, &g->snake->dash[g->snake->n - 1]);
    g->snake->end = (Point){g->head.y, g->head.x};
}

static bool grow_contours(Search *s, Snake contour[2])
{
    Growth g[2];
    const int apart = s->r->seed_distance;
    if (!find_start(s, &g[0], &contour[0], 2 * apart)) return false;
    bool placed = false;
    for (int i = 0; i < SECOND_SEED_TRIES && !placed; i++) {
        const double turns = random_degree(s->rng);
        const Point first = contour[0].start;
        const Pixel tail = {(int)floor(first.y + apart * real_sin_turns(turns) + 0.5),
                            (int)floor(first.x + apart * real_cos_turns(turns) + 0.5)};
        placed = start_snake(s, &g[1], &contour[1], tail) &&
                 !collides(s, &contour[1].dash[0], &contour[0].dash[0], OVERLAP);
    }
    if (!placed) return false;
    for (int i = 1; i < s->r->contour_length; i++)
        for (int k = 0; k < 2; k++)
            if (!extend(s, &g[k], &contour[!k].dash[contour[!k].n - 1])) return false;
    finish_snake(s, &g[0]);
    finish_snake(s, &g[1]);
    return true;
}

/* -- Distractors */

static bool is_crowded(const Search *s)
{
    const size_t n = n_pixels(s);
    size_t n_free = 0;
    for (size_t i = 0; i < n; i++) n_free += s->mask[i] == 0;
    return n_free * 100 < n;
}

/* A try that fails leaves the mask as it was. */
static bool grow_distractor(Search *s, Snake *snake)
{
    uint8_t before[sizeof s->mask];
    const size_t bytes = n_pixels(s);
    Growth g;
    memcpy(before, s->mask, bytes);
    if (!find_start(s, &g, snake, 0)) return false;
    while (snake->n < s->r->distractor_length)
        if (!extend(s, &g, NULL)) {
            memcpy(s->mask, before, bytes);
            return false;
        }
    finish_snake(s, &g);
    return true;
}

static void grow_distractors(Search *s, PathfinderScene *out)
{
    out->n_distractors = 0;
    for (int i = 0; i < s->r->n_distractors && !is_crowded(s); i++)
        for (int k = 0; k < SNAKE_TRIES; k++)
            if (grow_distractor(s, &out->distractor[out->n_distractors])) {
                out->n_distractors++;
                break;
            }
}

/* -- Scenes */

static void place_discs(Pcg *rng, PathfinderScene *out)
{
    const int from = (int)(pcg_next(rng) >> 31);
    out->label = (int)(pcg_next(rng) >> 31);
    out->disc[0] = out->contour[from].start;
    out->disc[1] = out->contour[out->label ? from : !from].end;
}

bool pathfinder_scene(const PathfinderRules *r, Pcg *rng, int64_t max_attempts,
                      PathfinderScene *out)
{
    Search s;
    s.r = r;
    s.rng = rng;
    for (int64_t i = 0; max_attempts == 0 || i < max_attempts; i++) {
        const int which = r->n_margins > 1 ? (int)pcg_below(rng, (uint32_t)r->n_margins) : 0;
        out->margin = s.margin = r->margin[which];
        s.ring = &r->ring[which];
        s.grown = r->thickness / 2 + s.margin;
        clear_mask(&s);
        if (!grow_contours(&s, out->contour)) continue;
        grow_distractors(&s, out);
        place_discs(rng, out);
        return true;
    }
    return false;
}

/* Points every pixel of arc, cut to whole numbers, each once. */
void pathfinder_prepare(PathfinderRules *r)
{
    for (int m = 0; m < r->n_margins; m++) {
        PathfinderRing *ring = &r->ring[m];
        const double radius = r->dash_length + r->margin[m], pi = 3.141592653589793;
        const double arc = 1 / (2 * pi * radius); /* in turns */
        ring->n = 0;
        for (int i = 0; i * arc < 1; i++) {
            const int dy = (int)floor(radius * real_sin_turns(i * arc));
            const int dx = (int)floor(radius * real_cos_turns(i * arc));
            int k = 0;
            while (k < ring->n && (ring->dy[k] != dy || ring->dx[k] != dx)) k++;
            if (k < ring->n) continue;
            ring->dy[ring->n] = dy;
            ring->dx[ring->n] = dx;
            ring->turns[ring->n++] = direction(dy, dx);
        }
    }
}
