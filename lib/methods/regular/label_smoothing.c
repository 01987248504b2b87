/* label_smoothing -- Szegedy et al. 2016 (arXiv 1512.00567), section 7.
 *
 *   q'(k) = (1 - eps) q(k) + eps u(k),  u(k) = 1 / K;   H(q', p) = (1 - eps) H(q, p) + eps H(u, p)
 *
 * eps is the option `smoothing`; the paper takes 0.1 for K = 1000. The second form is what is built
 * here: it leaves the loss that other methods made in place. Rows with label -1 count in neither
 * term; the evaluation's loss stays the plain one. */
#include "methods/method.h"

typedef struct LabelSmoothing {
    double smoothing;
} LabelSmoothing;

enum { IGNORED = -1 };

/* Mean over the rows that count of H(u, p): a row's loss with all of its target spread evenly. */
static Node *uniform_loss(const LossCall *l)
{
    Graph *g = l->graph;
    Node *rows = cross_entropy(g, l->logits, l->label, 1, IGNORED);
    Node *counted = less_equal(g, scalar(g, 0), to_float(g, l->label));
    Node *n = maximum(g, sum(g, counted, ALL_AXES, false), scalar(g, 1));
    return divide(g, sum(g, rows, ALL_AXES, false), n);
}

static Node *label_smoothing_loss(const MethodCall *c, const LossCall *l, Node *loss)
{
    const LabelSmoothing *o = c->options;
    const float eps = (float)o->smoothing;
    if (!l->training || o->smoothing == 0) return loss;
    Node *spread = affine(l->graph, uniform_loss(l), eps, 0);
    return add(l->graph, affine(l->graph, loss, 1 - eps, 0), spread);
}

// clang-format off
static const Option label_smoothing_options[] = {
    OPT_REAL(LabelSmoothing, smoothing, 0.1, 0, 1, "share of the target spread over all classes"),
};
// clang-format on

const Method method_label_smoothing = {
    .name = "label_smoothing",
    .family = "regular",
    .paper = "arXiv:1512.00567",
    .summary = "mix the one-hot targets with the uniform distribution",
    .revision = 1,
    .options = OPTION_TABLE(LabelSmoothing, label_smoothing_options),
    .loss = label_smoothing_loss,
};
