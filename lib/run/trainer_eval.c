/* trainer_eval -- the periodic evaluations of a run. */
#include "base/clock.h"
#include "io/file.h"
#include "run/robustness.h"
#include "run/training.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

bool training_eval_due(const Training *t)
{
    const int64_t step = t->state.step;
    if (t->state.loss_n == 0) return false; /* nothing since the last one */
    return step == t->total || (t->eval_every > 0 && step % t->eval_every == 0);
}

static const struct {
    const char *loss, *perplexity, *bits_per_byte, *top1, *top5, *accuracy;
} metric_name[N_SPLITS] = {
  // clang-format off
    {"train.loss", "train.perplexity", "train.bits_per_byte", "train.top1", "train.top5", "train.accuracy"},
    {"valid.loss", "valid.perplexity", "valid.bits_per_byte", "valid.top1", "valid.top5", "valid.accuracy"},
    {"test.loss",  "test.perplexity",  "test.bits_per_byte",  "test.top1",  "test.top5",  "test.accuracy" },
  // clang-format on
};

static bool evaluate_split(Training *t, SplitId split, Evaluation *out, MetricLine *line,
                           Error *err)
{
    TRY(evaluate(&t->network, t->eval_loader[split], out, err));
    const double n = (double)out->n;
    metric_add(line, metric_name[split].loss, out->loss);
    if (t->data->task.per_step)
        metric_add(line, metric_name[split].perplexity, perplexity(out->loss));
    if (out->bits_per_byte > 0)
        metric_add(line, metric_name[split].bits_per_byte, out->bits_per_byte);
    metric_add(line, metric_name[split].top1, (double)out->n_top1 / n);
    if (out->n_classes > 5) metric_add(line, metric_name[split].top5, (double)out->n_top5 / n);
    if (out->n_answers > 0)
        metric_add(line, metric_name[split].accuracy,
                   (double)out->n_right / (double)out->n_answers);
    return true;
}

static void robust_line(void *training, const char *text)
{
    training_line(training, 1, "%s", text);
}

/* What `eval:` asks besides, of the last step's network; into robustness.json too. */
static bool evaluate_robustness(Training *t, MetricLine *line, Error *err)
{
    const EvalOptions *asked = &t->experiment->eval;
    if (t->state.step < t->total || !eval_asks(asked)) return true;
    const RobustnessReport report = {robust_line, t};
    Robustness *r = arena_new_array(t->arena, Robustness, 1);
    TRY(robustness_run(&t->network, t->data, SPLIT_TEST, asked, &report, r, err));
    robustness_metrics(r, t->arena, line);
    const char *text = robustness_json(r, t->arena);
    return file_replace(arena_printf(t->arena, "%s/robustness.json", t->folder.path), text,
                        strlen(text), err);
}

/* What the model and the methods report of themselves: of the validation split where there is one.
 */
static void add_reported(const Training *t, const Evaluation *valid, const Evaluation *test,
                         MetricLine *line)
{
    const Pass *pass = &t->network.eval;
    const Evaluation *e = t->eval_loader[SPLIT_VALID] ? valid : test;
    if (!t->eval_loader[SPLIT_VALID] && !t->eval_loader[SPLIT_TEST]) return;
    for (int i = 0; i < pass->n_metrics; i++) metric_add(line, pass->metrics[i].name, e->metric[i]);
}

/* With the averaged weights in place where there are any. */
static bool keep_best(Training *t, const Evaluation *valid, Error *err)
{
    const BestBy by = (BestBy)t->experiment->train.best_by;
    const double value =
        by == BEST_VALID_LOSS ? -valid->loss : (double)valid->n_top1 / (double)valid->n;
    TrainState *s = &t->state;
    if (by == BEST_NONE || valid->n == 0) return true;
    if (!isnan(s->best_value) && !(value > s->best_value)) return true;
    s->best_value = value;
    s->best_step = s->step;
    return checkpoint_write(t->best, t->experiment->id, t->network.params, NULL, s, err);
}

static void say(Training *t, const MetricLine *line)
{
    char text[384];
    int n = 0;
    for (int i = 0; i < line->n && n < (int)sizeof text - 48; i++) {
        const char *name = line->at[i].name, *kind = strrchr(name, '.');
        bool share = kind && (strncmp(kind, ".top", 4) == 0 || strcmp(kind, ".accuracy") == 0);
        if (kind && strcmp(kind, ".top5") == 0) continue;
        n += snprintf(text + n, sizeof text - (size_t)n, share ? "  %s %.2f %%" : "  %s %.4g", name,
                      share ? 100 * line->at[i].value : line->at[i].value);
    }
    training_line(t, 0, "step %" PRId64 "/%" PRId64 "%s", t->state.step, t->total, text);
}

static bool write_lines(Training *t, const MetricLine *line, double eval_s, Error *err)
{
    MetricLine times = {.step = line->step, .epoch = line->epoch};
    const double wall = t->wall_before_s + clock_s() - t->started_s;
    metric_add(&times, "wall_s", wall);
    metric_add(&times, "eval_s", eval_s);
    metric_add(&times, "images_per_s", t->images_per_s);
    TRY(metrics_write(&t->metrics, line, &times, err));
    metric_json(line, t->folder.record.final_metrics);
    return true;
}

bool training_evaluate(Training *t, Error *err)
{
    TrainState *s = &t->state;
    const double before = clock_s();
    MetricLine line = {.step = s->step, .epoch = (double)s->step / (double)t->steps_per_epoch};
    Evaluation valid = {0}, test = {0};
    bool ok = true;
    metric_add(&line, "train.loss", s->loss_sum / (double)s->loss_n);
    metric_add(&line, "train.top1", (double)s->hits / (double)s->seen);
    metric_add(&line, "lr", training_lr(t, s->step - 1));
    optimizer_swap_ema(&t->optimizer);
    if (t->eval_loader[SPLIT_VALID]) ok = evaluate_split(t, SPLIT_VALID, &valid, &line, err);
    if (ok && t->eval_loader[SPLIT_TEST]) ok = evaluate_split(t, SPLIT_TEST, &test, &line, err);
    if (ok) ok = evaluate_robustness(t, &line, err);
    if (ok) ok = keep_best(t, &valid, err);
    if (ok) add_reported(t, &valid, &test, &line);
    optimizer_swap_ema(&t->optimizer);
    TRY(ok);
    TRY(write_lines(t, &line, clock_s() - before, err) && training_write_histograms(t, err));
    s->loss_sum = 0;
    s->loss_n = s->hits = s->seen = 0;
    t->evaluated_step = s->step;
    say(t, &line);
    return true;
}
