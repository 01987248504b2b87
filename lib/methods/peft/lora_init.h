/* lora_init -- first values of LoRA's factors for one linear layer: plain matrices, no graph.
 *
 * y = W x with W (out, in) becomes y = (W - s B0 A0) x + s B A x, where A (rank, in), B (out, rank)
 * start as A0, B0; s is LoRA's scaling.
 *
 *   default        A uniform in (-1, 1) / sqrt(in), B = 0
 *   gaussian       A normal of deviation 1 / rank, B = 0
 *   pissa          W = U S V^T: A = sqrt(S_r / s) V_r^T, B = U_r sqrt(S_r / s)   arXiv 2404.02948
 *   olora          W = Q R: A the first rows of R, B the first columns of Q      arXiv 2406.01775
 *   lora_ga        from the gradient G = U S V^T of the loss to W                arXiv 2407.05000
 *   stable_output  A and B normal, each row of A and column of B of mean square length c^2, c the
 *                  scale `stable` below: the ablation "+SO" of lora_ga's paper
 *
 * lora_ga takes rows of V^T for A and columns of U for B, of the first 2 rank:
 *
 *   direction  A            B                 scale    both are multiplied by
 *   ArB2r      0 .. r       r .. 2r           stable   out^(1/4) / sqrt(gamma)
 *   A2rBr      r .. 2r      0 .. r            gd       1 / s
 *   ArBr       odd          even              unit     1
 *   random     r of 2r      the other r       weightS  mean of sqrt(sigma_i(W) / s), i < r
 *
 * Then the first step of gradient descent with a small lr changes W by -lr s^2 c^2 times the best
 * approximation of G of rank 2r, c being the scale. This is the code of the paper; variant `peft`
 * is Hugging Face's PEFT 0.21, where B is multiplied by its singular values too, `stable` scales
 * only B, weightS makes B's first singular value that of W, and `random` takes the same r for A and
 * B.
 *
 * All is a function of (matrices, options, seed, name): draws come from streams of the layer's name
 * and do not depend on other layers, threads or the ISA. Singular vectors are exact (Jacobi) where
 * min(out, in) <= LORA_INIT_EXACT, otherwise those of a randomised sketch of 4 times as many. */
#ifndef SEQLAB_METHODS_PEFT_LORA_INIT_H
#define SEQLAB_METHODS_PEFT_LORA_INIT_H

#include "base/error.h"
#include "io/option.h"

enum { LORA_INIT_EXACT = 512 };

#define LORA_INIT_CHOICES "default|gaussian|pissa|olora|lora_ga|stable_output"
typedef enum LoraInitKind {
    LORA_DEFAULT,
    LORA_GAUSSIAN,
    LORA_PISSA,
    LORA_OLORA,
    LORA_GA,
    LORA_STABLE_OUTPUT
} LoraInitKind;

#define LORA_DIRECTION_CHOICES "ArB2r|A2rBr|ArBr|random"
typedef enum LoraDirection { LORA_ARB2R, LORA_A2RBR, LORA_ARBR, LORA_RANDOM } LoraDirection;

#define LORA_SCALE_CHOICES "stable|gd|unit|weightS"
typedef enum LoraScale { LORA_STABLE, LORA_GD, LORA_UNIT, LORA_WEIGHT_S } LoraScale;

#define LORA_VARIANT_CHOICES "paper|peft"
typedef enum LoraVariant { LORA_PAPER, LORA_PEFT } LoraVariant;

typedef struct LoraInit {
    int kind;      /* LoraInitKind */
    int direction; /* LoraDirection */
    int scale;     /* LoraScale */
    int variant;   /* LoraVariant */
    double gamma;
    bool norm_clip; /* lora_ga: where max |s B A| > max |W|, both factors shrink until they agree */
    int64_t niter; /* pissa: power iterations of a sketch; -1: exact up to LORA_INIT_EXACT, 16 above
                    */
} LoraInit;

/* One layer. Matrices are row-major; w and gradient are (in, out) when turned. */
typedef struct LoraLayer {
    const char *name; /* of the module: "model.layers.0.self_attn.q_proj" */
    int64_t out, in, rank;
    double scaling; /* s */
    bool turned;
    const float *w;        /* not read by default, gaussian; by lora_ga for weightS, norm_clip */
    const float *gradient; /* lora_ga only */
    float *a, *b;          /* (rank, in), (out, rank): out */
} LoraLayer;

/* Whether s B A is to be taken from W: the kinds that do not start with B = 0. */
bool lora_init_changes(const LoraInit *o);
bool lora_init_needs_gradient(const LoraInit *o);
/* The largest rank that a layer of this size can start with. */
int64_t lora_init_max_rank(const LoraInit *o, int64_t out, int64_t in);

typedef enum LoraInitResult {
    LORA_INIT_DONE,
    LORA_INIT_ZERO_GRADIENT /* there is nothing to point at: as default, B = 0 */
} LoraInitResult;

/* Fills a and b. Fails with FAIL_CONFIG when the rank is too large for the layer (lora_ga: 2 rank;
 * pissa, olora: rank; over min(out, in)), FAIL_RUN when a matrix is not finite or there is no
 * memory; the name is in the message. Needs memory of some two or three times the matrix in
 * double for the exact decompositions, of 4 rank (out + in) for the others. */
bool lora_init(const LoraInit *o, const LoraLayer *l, uint64_t seed, LoraInitResult *result,
               Error *err) MUST_CHECK;

/* w, stored as l->turned says, loses (s B A) as a and b stand, summed in double and rounded once
 * to float. l->w is not read. */
void lora_offset(const LoraLayer *l, float *w);

#endif
