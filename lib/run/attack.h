/* attack -- images changed a little so that a network errs: FGSM and PGD in the maximum norm.
 *
 *   v <- clip(v + step sign(dL/dv)), held within eps of the clean v, in [0, 1]
 * FGSM (Goodfellow, Shlens & Szegedy 2015, arXiv:1412.6572) is one step of length eps from the
 * clean image; PGD (Madry et al. 2018, arXiv:1706.06083) several, from a random point of the ball.
 * v is the image before it is normalised. The gradient goes through the network as it is evaluated.
 */
#ifndef SEQLAB_RUN_ATTACK_H
#define SEQLAB_RUN_ATTACK_H

#include "data/image_draw.h"
#include "run/evaluate.h"

typedef struct Attack {
    double eps, step; /* in 255ths of the pixels' range */
    int64_t steps;
    bool random_start; /* from (seed, "attack", example) */
    uint64_t seed;
} Attack;
Attack attack_fgsm(double eps);

/* The pass with the gradient, over the network's parameters. */
typedef struct Attacker {
    Network *network;
    Pass pass;
    Node *dx;
    ImageDraw draw;
    float *v, *x; /* a batch: images in [0, 1], and normalised; owned */
    size_t bytes;
} Attacker;

/* `data` is the set of images that the network is for; both must outlive the attacker. */
bool attacker_open(Attacker *a, Network *n, const Dataset *data, Error *err) MUST_CHECK;
void attacker_close(Attacker *a);

/* Attacks the images of a batch in [0, 1] (LoaderOptions.unit), the first of which is example
 * `first`, into a->v and, normalised, a->x. */
void attack_batch(Attacker *a, const Attack *how, const Batch *clean, int64_t first);
/* evaluate() of the attacked images. `unit` is a loader with LoaderOptions.unit. */
bool attack_evaluate(Attacker *a, const Attack *how, Loader *unit, Evaluation *out,
                     Error *err) MUST_CHECK;

#endif
