/* pathfinder_scene -- where the dashes and the two discs of a Pathfinder picture are.
 *
 * Two equally long dashed contours are in every picture, and shorter distractors; one disc is at
 * the first tip of a contour, the other at the last tip of the same one (label 1) or of the other
 * (label 0). So neither counting dashes nor looking for the discs alone tells the label. */
#ifndef SEQLAB_DATA_PATHFINDER_SCENE_H
#define SEQLAB_DATA_PATHFINDER_SCENE_H

#include "base/pcg.h"

#include <stdbool.h>

enum {
    PATHFINDER_MIN_SIDE = 16,
    PATHFINDER_MAX_SIDE = 256,
    PATHFINDER_MAX_DASHES = 40,
    PATHFINDER_MAX_DISTRACTORS = 40,
    PATHFINDER_MAX_CANDIDATES = 96
};

typedef struct Point {
    double y, x; /* in pixels; the centre of the first pixel is (0, 0) */
} Point;

typedef struct Dash {
    Point tail, head;
} Dash;

typedef struct Snake {
    int n;
    Dash dash[PATHFINDER_MAX_DASHES];
    Point start, end; /* its tips */
} Snake;

typedef struct PathfinderScene {
    int margin; /* pixels around a dash that others keep off */
    Snake contour[2];
    int n_distractors;
    Snake distractor[PATHFINDER_MAX_DISTRACTORS];
    int label;     /* 1: both discs are on one contour */
    Point disc[2]; /* at the start of a contour, and at the end of one */
} PathfinderScene;

/* Where a next dash may end, seen from the middle of the gap: whole pixels on a circle. */
typedef struct PathfinderRing {
    int n;
    int dy[PATHFINDER_MAX_CANDIDATES], dx[PATHFINDER_MAX_CANDIDATES];
    double turns[PATHFINDER_MAX_CANDIDATES]; /* of its direction; 1 is a full circle, 0 along x */
} PathfinderRing;

typedef struct PathfinderRules {
    int side, padding;        /* pixels; padding: a border that dashes keep off */
    int n_margins, margin[2]; /* one of them is drawn for a picture */
    int dash_length;          /* pixels */
    double thickness;         /* pixels */
    int contour_length;       /* dashes */
    int n_distractors, distractor_length;
    double continuity;      /* larger: straighter */
    int seed_distance;      /* pixels between the starts of the contours */
    PathfinderRing ring[2]; /* one a margin; filled by pathfinder_prepare */
} PathfinderRules;

void pathfinder_prepare(PathfinderRules *r);

/* Draws a scene; an attempt that leads nowhere is followed by another one. False when max_attempts
 * (0: no limit) led nowhere. Needs about side^2 bytes of the stack. */
bool pathfinder_scene(const PathfinderRules *r, Pcg *rng, int64_t max_attempts,
                      PathfinderScene *out);

/* The share of the pixel (y, x) that a line of this half width from tail to head covers, with round
 * ends; exact where the line runs along a row or column. */
double pathfinder_cover(const Dash *d, double half_width, int y, int x);

#endif
