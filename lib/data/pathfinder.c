/* pathfinder -- is there a dashed path between the two discs? Pictures of 16 to 256 pixels a side,
 * as a sequence of side^2 grey values.
 *
 * The task is Linsley et al.'s (2018, arXiv:1805.08315), the sizes are those of the Long Range
 * Arena (Tay et al. 2021, arXiv:2011.04006): side 32 is its Pathfinder, 128 its Path-X, 256
 * Path256, all "hard" with contour_length 14; 9 is "intermediate" and 6 "easy". Values are bytes v,
 * read as (v / 255 - 0.5) / 0.5. With equal_contrast every dash and disc is white; otherwise the
 * contrasts are the original program's, in whose 32-pixel pictures distractors are brighter than
 * contours.
 *
 * The distance of the discs tells the label hardly at all: the best threshold on it is right for 53
 * % of 20000 pictures of the default set, whose mean distances are 12.9 (apart) and 13.4 pixels.
 *
 * Pictures are made when they are drawn, which takes no memory, or once for all: `cache` names a
 * folder for a file with all of them, a byte a pixel. Both give the same bits. */
#include "data/example_cache.h"
#include "data/generated_set.h"
#include "data/pathfinder_scene.h"

#include <string.h>

enum { MAX_PIXELS = PATHFINDER_MAX_SIDE * PATHFINDER_MAX_SIDE, PROBE_ATTEMPTS = 20000 };

typedef struct PathfinderOptions {
    GeneratedOptions generated;
    int64_t side, contour_length, distractors, distractor_length, seed_distance;
    bool equal_contrast;
    PathList cache;
} PathfinderOptions;

static const Option options[] = {
    GENERATED_OPTIONS(10000, 1000, 1000),
    OPT_INT(PathfinderOptions, side, 32, PATHFINDER_MIN_SIDE, PATHFINDER_MAX_SIDE,
            "of the pictures, in pixels; a sequence has its square"),
    OPT_INT(PathfinderOptions, contour_length, 14, 2, PATHFINDER_MAX_DASHES,
            "dashes of each of the two contours"),
    OPT_INT(PathfinderOptions, distractors, -1, -1, PATHFINDER_MAX_DISTRACTORS,
            "short dashed lines beside the contours, at most; -1: as many as the original has"),
    OPT_INT(PathfinderOptions, distractor_length, 0, 0, PATHFINDER_MAX_DASHES,
            "dashes of a distractor; 0: a third of contour_length"),
    OPT_INT(PathfinderOptions, seed_distance, 0, 0, PATHFINDER_MAX_SIDE,
            "pixels between the starts of the contours; 0: as in the original, or less in a small "
            "picture"),
    OPT_BOOL(PathfinderOptions, equal_contrast, true,
             "every dash is white; false: the original program's contrasts"),
    OPT_PATH(PathfinderOptions, cache, 1, "folder for a file with all pictures; none: make them"),
};

/* What the original program sets for its picture sizes; distractors: their dashes in all. */
typedef struct Size {
    int side, padding, n_margins, margin[2], dash_length, distractor_dashes, seed_distance;
    double thickness, continuity, disc_radius, contour_contrast, distractor_contrast;
} Size;

// clang-format off
static const Size sizes[] = {
    {32, 1, 1, {1, 0}, 2, 20, 7, 0.5, 1.0, 1.5, 2 * 0.75, 2},
    {64, 1, 1, {1, 0}, 5, 22, 12, 1, 1.8, 2.5, 0.8, 0.8},
    {128, 1, 2, {2, 3}, 5, 35, 20, 1.5, 1.8, 3, 0.9, 0.9},
    {256, 22, 1, {3, 0}, 5, 30, 27, 2, 1.8, 5, 1, 1},
};
// clang-format on

typedef struct Pathfinder {
    PathfinderRules rules;
    double disc_radius;
    double contour_level, distractor_level, disc_level; /* of what is wholly covered; white: 255 */
    const uint8_t *cached;                              /* records of all splits, or NULL */
    int64_t first[N_SPLITS];                            /* record of a split's example 0 */
    int64_t record_bytes;                               /* the label and the pixels */
} Pathfinder;

/* -- Pictures */

static void paint(uint8_t *pixel, int side, const Dash *d, double half_width, double level)
{
    const double reach = half_width + 1;
    for (int y = 0; y < side; y++) {
        if (y < d->tail.y - reach && y < d->head.y - reach) continue;
        if (y > d->tail.y + reach && y > d->head.y + reach) break;
        for (int x = 0; x < side; x++) {
            if (x < d->tail.x - reach && x < d->head.x - reach) continue;
            if (x > d->tail.x + reach && x > d->head.x + reach) break;
            const uint8_t v = (uint8_t)(pathfinder_cover(d, half_width, y, x) * level + 0.5);
            if (v > pixel[y * side + x]) pixel[y * side + x] = v;
        }
    }
}

static void paint_snake(const Pathfinder *p, const Snake *s, double level, uint8_t *pixel)
{
    for (int i = 0; i < s->n; i++)
        paint(pixel, p->rules.side, &s->dash[i], p->rules.thickness / 2, level);
}

/* A record: the label and the pixels. */
static void make_record(const Dataset *d, SplitId split, int64_t i, uint8_t *record)
{
    const Pathfinder *p = d->source;
    const int side = p->rules.side;
    Pcg rng = generated_stream(d, split, i);
    PathfinderScene scene;
    (void)pathfinder_scene(&p->rules, &rng, 0, &scene);
    uint8_t *pixel = record + 1;
    *record = (uint8_t)scene.label;
    memset(pixel, 0, (size_t)p->record_bytes - 1);
    for (int k = 0; k < scene.n_distractors; k++)
        paint_snake(p, &scene.distractor[k], p->distractor_level, pixel);
    for (int k = 0; k < 2; k++) {
        const Dash dot = {scene.disc[k], scene.disc[k]};
        paint_snake(p, &scene.contour[k], p->contour_level, pixel);
        paint(pixel, side, &dot, p->disc_radius, p->disc_level);
    }
}

static void make_cached(void *dataset, int64_t i, uint8_t *record)
{
    const Dataset *d = dataset;
    const Pathfinder *p = d->source;
    int split = N_SPLITS - 1;
    while (i < p->first[split]) split--;
    make_record(d, (SplitId)split, i - p->first[split], record);
}

static void draw_pathfinder(const Dataset *d, SplitId split, int64_t i, void *x, int32_t *label)
{
    const Pathfinder *p = d->source;
    uint8_t made[MAX_PIXELS + 1];
    const uint8_t *record = made;
    float *value = x;
    if (p->cached)
        record = p->cached + (p->first[split] + i) * p->record_bytes;
    else
        make_record(d, split, i, made);
    *label = record[0];
    for (int64_t t = 0; t < p->record_bytes - 1; t++)
        value[t] = (float)record[1 + t] * (1 / 127.5F) - 1;
}

/* -- Opening */

static double most(double a, double b)
{
    return a > b ? a : b;
}

/* Levels such that the brightest is white: the original stretches every picture to 0..255. A line
 * thinner than a pixel covers no pixel wholly. */
static void set_levels(Pathfinder *p, const PathfinderOptions *o, const Size *s)
{
    const double covered = s->thickness < 1 ? s->thickness : 1;
    const double contour = o->equal_contrast ? 1 : s->contour_contrast;
    const double distractor = o->equal_contrast ? 1 : s->distractor_contrast;
    const double white = 255 / most(1, covered * most(contour, distractor));
    p->contour_level = contour * white;
    p->distractor_level = distractor * white;
    p->disc_level = white;
}

static bool set_rules(Pathfinder *p, const PathfinderOptions *o, Error *err)
{
    const Size *s = sizes;
    while (s->side < o->side) s++;
    PathfinderRules *r = &p->rules;
    r->side = (int)o->side;
    r->padding = s->padding;
    r->n_margins = s->n_margins;
    memcpy(r->margin, s->margin, sizeof r->margin);
    r->dash_length = s->dash_length;
    r->thickness = s->thickness;
    r->continuity = s->continuity;
    r->contour_length = (int)o->contour_length;
    r->distractor_length =
        (int)(o->distractor_length ? o->distractor_length : o->contour_length / 3);
    if (r->distractor_length < 1) r->distractor_length = 1;
    r->n_distractors = (int)o->distractors;
    if (r->n_distractors < 0) r->n_distractors = s->distractor_dashes / r->distractor_length;
    r->seed_distance = (int)o->seed_distance;
    if (r->seed_distance == 0) {
        r->seed_distance = (r->side - 1) / 4; /* the first start is twice this from every side */
        if (r->seed_distance > s->seed_distance) r->seed_distance = s->seed_distance;
    }
    if (4 * r->seed_distance >= r->side)
        return fail(err, FAIL_CONFIG, NULL,
                    "seed_distance = %d is too large: a start stands twice as far from every side "
                    "of a picture of side = %d",
                    r->seed_distance, r->side);
    p->disc_radius = s->disc_radius;
    set_levels(p, o, s);
    pathfinder_prepare(r);
    return true;
}

/* Fails when such pictures are so rare that drawing one would take for ever. */
static bool check_acceptance(const Pathfinder *p, Arena *a, Error *err)
{
    Pcg rng = pcg_stream(0, "pathfinder", 0, 0);
    PathfinderScene *scene = arena_new_array(a, PathfinderScene, 1);
    if (pathfinder_scene(&p->rules, &rng, PROBE_ATTEMPTS, scene)) return true;
    return fail(
        err, FAIL_CONFIG, NULL,
        "contour_length = %d is too long for side = %d: none of %d attempts could place two",
        p->rules.contour_length, p->rules.side, PROBE_ATTEMPTS);
}

/* The file holds all splits, whichever are wanted now, so that one serves every run. */
static bool open_cache(Dataset *d, Pathfinder *p, const char *folder, Arena *a, Error *err)
{
    const GeneratedOptions *o = d->options;
    const ExampleCache cache = {
        .path = arena_printf(a, "%s/pathfinder-%.12s.examples", folder, d->sha256),
        .key = d->sha256,
        .n = o->n_train + o->n_valid + o->n_test,
        .record_bytes = p->record_bytes,
        .make = make_cached,
        .owner = d};
    TRY(folder_make(folder, err));
    return example_cache_open(&cache, &d->file, &p->cached, err);
}

static bool open_pathfinder(Dataset *d, const void *options_, const char *data_folder,
                            unsigned splits, Arena *a, Error *err)
{
    (void)data_folder;
    static const char *const names[] = {"apart", "connected"};
    const PathfinderOptions *o = options_;
    Pathfinder *p = arena_new_array(a, Pathfinder, 1);
    TRY(set_rules(p, o, err));
    TRY(check_acceptance(p, a, err));
    p->record_bytes = o->side * o->side + 1;
    p->first[SPLIT_VALID] = o->generated.n_train;
    p->first[SPLIT_TEST] = o->generated.n_train + o->generated.n_valid;
    d->source = p;
    d->task.sample = shape(2, o->side * o->side, INT64_C(1));
    d->task.dtype = F32;
    d->task.n_classes = 2;
    d->class_names = names;
    generated_set_finish(d, splits, a);
    const char *folder = path_list_at(&o->cache, 0);
    return !folder || open_cache(d, p, folder, a, err);
}

const DatasetKind dataset_pathfinder = {
    .name = "pathfinder",
    .summary = "are two discs joined by a dashed path? a sequence of pixels; needs no files",
    .revision = 1,
    .options = OPTION_TABLE(PathfinderOptions, options),
    .open = open_pathfinder,
    .draw = draw_pathfinder,
};
