/* evaluate -- loss, top-1, top-5 and the confusion matrix of a network over one split. */
#ifndef SEQLAB_RUN_EVALUATE_H
#define SEQLAB_RUN_EVALUATE_H

#include "data/loader.h"
#include "run/network.h"

typedef struct Evaluation {
    int64_t n, n_top1, n_top5;  /* of labels: one an example, or one a step */
    int64_t n_answers, n_right; /* of a Task with answers: examples, and those answered rightly */
    double loss; /* mean natural-log loss; the sum runs over examples in order, whatever the batch
                    size */
    double bits_per_byte; /* the loss as a cost of the text, whatever its tokens are; 0: no text */
    double metric[PASS_METRICS_MAX]; /* in the order of the pass's, means over the batches */
    int n_classes;
    int64_t
        *confusion; /* (true, predicted), n_classes^2, or NULL when not asked for; the caller's */
} Evaluation;

/* e to a mean loss: of language models. */
double perplexity(double loss);

/* The class with the largest of n logits, the lowest of those that tie. */
int predicted_class(const float *logits, int n);

/* `loader` must be of the eval kind (no shuffling, no augmentation) with the pass's batch size. No
 * allocation. Stops early (false, FAIL_STOPPED) when a signal asks to. out->confusion is zeroed and
 * filled when not NULL. A tie counts for the lower class, as in argmax. */
bool evaluate(Network *n, Loader *loader, Evaluation *out, Error *err) MUST_CHECK;

/* The x to evaluate in place of that of the loader's batch `step`. */
typedef const float *EvaluateChange(void *owner, const Batch *batch, int64_t step);
bool evaluate_changed(Network *n, Loader *loader, EvaluateChange *change, void *owner,
                      Evaluation *out, Error *err) MUST_CHECK;

/* The matrix as a PNG: rows true classes, columns predicted, darker is more (share of the row),
 * counts in the cells up to 20 classes. */
bool confusion_png(const char *path, const Evaluation *e, const char *const class_names[],
                   Error *err) MUST_CHECK;

#endif
