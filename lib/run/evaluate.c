/* evaluate -- see evaluate.h. */
#include "run/evaluate.h"

#include "base/realmath.h"
#include "run/stop.h"

#include <math.h>
#include <string.h>

/* How many classes come before `label` in the order of the logits; ties go to the lower class. NaN
 * comes first. */
static int rank_of(const float *logits, int n, int label)
{
    const float own = logits[label];
    int rank = 0;
    for (int k = 0; k < n; k++) {
        const float other = logits[k];
        rank += other > own || other != other || (other == own && k < label);
    }
    return rank;
}

double perplexity(double loss)
{
    return real_exp(loss);
}

static double bits_per_byte(double loss_sum, int64_t text_bytes)
{
    return text_bytes > 0 ? loss_sum / (real_log(2) * (double)text_bytes) : 0;
}

int predicted_class(const float *logits, int n)
{
    int best = 0;
    for (int k = 1; k < n; k++)
        if (logits[k] > logits[best]) best = k;
    return best;
}

static bool best_choice(const Task *t, const float *logits, int32_t label)
{
    int best = 0;
    for (int k = 1; k < t->n_choices; k++)
        if (logits[t->choices[k]] > logits[t->choices[best]]) best = k;
    return t->choices[best] == label;
}

/* Returns whether the label has the largest logit. */
static bool add_label(Evaluation *out, const float *logits, int32_t label, double *loss_sum,
                      float loss)
{
    int rank = rank_of(logits, out->n_classes, label);
    out->n++;
    out->n_top1 += rank == 0;
    out->n_top5 += rank < 5;
    *loss_sum += (double)loss;
    if (out->confusion)
        out->confusion[label * out->n_classes + predicted_class(logits, out->n_classes)]++;
    return rank == 0;
}

/* An example's labels, n of them. Where there are choices, the first one decides whether the answer
 * is right; else all do, so that it is right exactly where greedy generation would give it. */
static void add_example(Evaluation *out, const Task *t, const float *logits, const int32_t *label,
                        int64_t n, double *loss_sum, const float *loss)
{
    bool right = true, any = false;
    for (int64_t i = 0; i < n; i++) {
        const float *of = logits + i * out->n_classes;
        if (label[i] < 0) continue;
        const bool hit = add_label(out, of, label[i], loss_sum, loss[i]);
        if (!t->choices)
            right = right && hit;
        else if (!any)
            right = best_choice(t, of, label[i]);
        any = true;
    }
    out->n_answers += t->answer && any;
    out->n_right += t->answer && any && right;
}

/* NaN without the sign, which the CPU chooses. */
static double ratio(double sum, int64_t n)
{
    const double mean = sum / (double)n;
    return isnan(mean) ? (double)NAN : mean;
}

bool evaluate(Network *n, Loader *loader, Evaluation *out, Error *err)
{
    return evaluate_changed(n, loader, NULL, NULL, out, err);
}

bool evaluate_changed(Network *n, Loader *loader, EvaluateChange *change, void *owner,
                      Evaluation *out, Error *err)
{
    const int64_t steps = loader_steps_per_epoch(loader);
    const int classes = out->n_classes = n->options.task.n_classes;
    const int64_t n_labels = task_n_labels(&n->options.task);
    Pass *pass = &n->eval;
    double loss_sum = 0;
    out->n = out->n_top1 = out->n_top5 = out->n_answers = out->n_right = 0;
    memset(out->metric, 0, sizeof out->metric);
    if (out->confusion)
        memset(out->confusion, 0, sizeof out->confusion[0] * (size_t)classes * (size_t)classes);
    for (int64_t step = 0; step < steps; step++) {
        if (stop_signal()) return fail(err, FAIL_STOPPED, NULL, "stopped during an evaluation");
        Batch batch = loader_batch(loader, step);
        const float *x = change ? change(owner, &batch, step) : batch.x;
        plan_bind(pass->plan, pass->x, x);
        plan_bind(pass->plan, pass->label, batch.label);
        plan_run(pass->plan, 0);
        const float *logits = plan_value(pass->plan, pass->logits);
        const float *loss = plan_value(pass->plan, pass->loss);
        for (int64_t i = 0; i < batch.n; i++) {
            const int64_t at = i * n_labels;
            add_example(out, &n->options.task, logits + at * classes, batch.label + at, n_labels,
                        &loss_sum, loss + at);
        }
        for (int i = 0; i < pass->n_metrics; i++)
            out->metric[i] +=
                (double)*(const float *)plan_value(pass->plan, pass->metrics[i].value);
    }
    out->bits_per_byte = bits_per_byte(loss_sum, loader_text_bytes(loader));
    out->loss = ratio(loss_sum, out->n);
    for (int i = 0; i < pass->n_metrics; i++) out->metric[i] = ratio(out->metric[i], steps);
    return true;
}
