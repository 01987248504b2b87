/* robustness -- see robustness.h; metrics and JSON are in robustness_text.c. */
#include "run/robustness.h"

#include "run/attack.h"
#include "run/datasets.h"
#include "run/stop.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

const char *const ood_score_name[N_OOD_SCORES] = {"softmax", "energy"};

typedef struct Asking {
    Network *network;
    const Dataset *data;
    SplitId split;
    const RobustnessReport *report;
    Robustness *out;
} Asking;

static void say(const Asking *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(const Asking *a, const char *format, ...)
{
    char text[160];
    if (!a->report || !a->report->line) return;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    a->report->line(a->report->owner, text);
}

static Loader *new_loader(const Asking *a, const Dataset *data, Corruption corruption, bool unit,
                          Error *err)
{
    const LoaderOptions o = {.split = a->split,
                             .batch_size = a->network->eval.batch_size,
                             .corruption = corruption,
                             .unit = unit,
                             .limit = a->out->asked.examples,
                             .prefetch = true};
    return loader_new(data, &o, err);
}

static RobustCell cell_of(const Evaluation *e)
{
    return (RobustCell){true, (double)e->n_top1 / (double)e->n, e->loss};
}

static bool evaluate_corruption(const Asking *a, Corruption c, RobustCell *out, Error *err)
{
    Evaluation result = {0};
    Loader *loader = new_loader(a, a->data, c, false, err);
    const bool ok = loader && evaluate(a->network, loader, &result, err);
    loader_free(loader);
    if (ok) *out = cell_of(&result);
    if (ok) a->out->n = result.n;
    return ok;
}

static bool evaluate_corruptions(const Asking *a, Error *err)
{
    Robustness *r = a->out;
    for (int id = 0; id < N_CORRUPTIONS; id++) {
        const CorruptionInfo info = corruption_info((CorruptionId)id);
        if (!(r->asked.corruptions >> id & 1)) continue;
        if (info.only_colour && a->data->image.dim[2] == 1) continue;
        for (int i = 0; i < r->asked.severities.n; i++) {
            const int severity = (int)r->asked.severities.at[i];
            const Corruption c = {(CorruptionId)id, severity, (uint64_t)r->asked.seed};
            if (r->corrupted[id][severity - 1].done) continue;
            TRY(evaluate_corruption(a, c, &r->corrupted[id][severity - 1], err));
        }
        if (r->asked.severities.n > 0)
            say(a, "%s %.2f %%", info.name, 100 * robustness_corrupted(r, id, 0));
    }
    return true;
}

static bool evaluate_attacks(const Asking *a, Attacker *attacker, Loader *unit, Error *err)
{
    Robustness *r = a->out;
    const EvalOptions *o = &r->asked;
    Evaluation result = {0};
    for (int i = 0; i < o->fgsm_eps.n; i++) {
        const Attack fgsm = attack_fgsm((double)o->fgsm_eps.at[i]);
        TRY(attack_evaluate(attacker, &fgsm, unit, &result, err));
        r->fgsm[i] = cell_of(&result);
        say(a, "fgsm %g/255 %.2f %%", fgsm.eps, 100 * r->fgsm[i].top1);
    }
    for (int i = 0; i < o->pgd_eps.n; i++) {
        const double eps = (double)o->pgd_eps.at[i];
        const Attack pgd = {.eps = eps,
                            .step =
                                o->pgd_step > 0 ? o->pgd_step : 2.5 * eps / (double)o->pgd_steps,
                            .steps = o->pgd_steps,
                            .random_start = o->pgd_random_start,
                            .seed = (uint64_t)o->seed};
        TRY(attack_evaluate(attacker, &pgd, unit, &result, err));
        r->pgd[i] = cell_of(&result);
        say(a, "pgd %g/255 %.2f %%", eps, 100 * r->pgd[i].top1);
    }
    return true;
}

static bool attack_all(const Asking *a, Error *err)
{
    Attacker attacker = {0};
    if (a->out->asked.fgsm_eps.n == 0 && a->out->asked.pgd_eps.n == 0) return true;
    Loader *unit = new_loader(a, a->data, (Corruption){0}, true, err);
    const bool ok = unit && attacker_open(&attacker, a->network, a->data, err) &&
                    evaluate_attacks(a, &attacker, unit, err);
    attacker_close(&attacker);
    loader_free(unit);
    return ok;
}

/* -- Images of no class */

/* As the network sees its own data: same layout, same normalisation. */
static bool open_foreign(const Experiment *e, const Dataset *data, const char *name,
                         unsigned splits, Dataset *out, Arena *a, Error *err)
{
    const DatasetKind *kind = dataset_find(name);
    if (!kind) return fail(err, FAIL_CONFIG, NULL, "unknown data set '%.80s'", name);
    if (data->kind->draw || kind->draw)
        return fail(err, FAIL_CONFIG, NULL, "eval.ood: %s is no set of images",
                    kind->draw ? name : data->kind->name);
    void *options = arena_alloc(a, kind->options.bytes);
    TRY(option_read(&kind->options, NULL, NULL, "in eval.ood", options, err));
    ImageOptions *image = options;
    const ImageOptions *own = data->options;
    enum { NORMALIZE_UNIT = 1 };
    image->normalize = NORMALIZE_UNIT;
    image->layout = own->layout;
    image->grey = own->grey;
    image->pool = own->pool;
    TRY(dataset_open(out, kind, options, data_folder(a, e->path), splits, a, err));
    memcpy(out->mean, data->mean, sizeof out->mean);
    memcpy(out->std, data->std, sizeof out->std);
    if (shape_equal(&out->image, &data->image)) return true;
    char theirs[96], ours[96];
    (void)fail(err, FAIL_CONFIG, NULL, "eval.ood: images of %s are %s, those of %s %s", name,
               shape_text(&out->image, theirs), data->kind->name, shape_text(&data->image, ours));
    dataset_close(out);
    return false;
}

/* Both scores of every example; labels are not looked at. */
static bool score_all(Network *n, Loader *loader, double *score[N_OOD_SCORES], int64_t *count,
                      Arena *a, Error *err)
{
    Pass *pass = &n->eval;
    const int classes = n->options.task.n_classes;
    const int32_t *no_label = arena_new_array(a, int32_t, pass->batch_size);
    *count = 0;
    for (int64_t step = 0; step < loader_steps_per_epoch(loader); step++) {
        if (stop_signal()) return fail(err, FAIL_STOPPED, NULL, "stopped during an evaluation");
        const Batch batch = loader_batch(loader, step);
        plan_bind(pass->plan, pass->x, batch.x);
        plan_bind(pass->plan, pass->label, no_label);
        plan_run(pass->plan, 0);
        const float *logits = plan_value(pass->plan, pass->logits);
        for (int64_t i = 0; i < batch.n; i++, ++*count) {
            score[OOD_SOFTMAX][*count] = ood_softmax_score(logits + i * classes, classes);
            score[OOD_ENERGY][*count] = ood_energy_score(logits + i * classes, classes);
        }
    }
    return true;
}

static bool scores_of(const Asking *a, const Dataset *data, double *score[N_OOD_SCORES],
                      int64_t *count, Arena *arena, Error *err)
{
    for (int s = 0; s < N_OOD_SCORES; s++)
        score[s] = arena_new_array(arena, double, data->split[a->split].n);
    Loader *loader = new_loader(a, data, (Corruption){0}, false, err);
    const bool ok = loader && score_all(a->network, loader, score, count, arena, err);
    loader_free(loader);
    return ok;
}

static bool detect_foreign(const Asking *a, Error *err)
{
    Robustness *r = a->out;
    if (!r->asked.ood) return true;
    Arena *arena = arena_new();
    Dataset foreign;
    double *in[N_OOD_SCORES], *out[N_OOD_SCORES];
    int64_t n_in, n_out;
    bool ok = open_foreign(a->network->experiment, a->data, r->asked.ood, 1U << a->split, &foreign,
                           arena, err);
    if (ok) {
        ok = scores_of(a, a->data, in, &n_in, arena, err) &&
             scores_of(a, &foreign, out, &n_out, arena, err);
        for (int s = 0; ok && s < N_OOD_SCORES; s++) {
            r->ood[s] = ood_figures(in[s], n_in, out[s], n_out);
            say(a, "%s, by %s: AUROC %.4f", r->asked.ood, ood_score_name[s], r->ood[s].auroc);
        }
        memcpy(r->ood_sha256, foreign.sha256, sizeof r->ood_sha256);
        dataset_close(&foreign);
    }
    arena_free(arena);
    return ok;
}

/* -- All of it */

bool robustness_check(const Experiment *e, const Dataset *data, const EvalOptions *asked,
                      Error *err)
{
    const ImageOptions *image = data->options;
    enum { LAYOUT_PERMUTED = 2 };
    char text[96];
    if (!eval_asks(asked)) return true;
    if (data->kind->draw)
        return fail(err, FAIL_CONFIG, NULL, "eval: %s is no set of images", data->kind->name);
    if (asked->corruptions && image->layout == LAYOUT_PERMUTED)
        return fail(err, FAIL_CONFIG, NULL,
                    "eval.corruptions change images, and layout = permuted leaves none");
    if (asked->corruptions && !corrupt_takes(&data->image))
        return fail(err, FAIL_CONFIG, NULL,
                    "eval.corruptions: images of %s are %s; expected 1 or 3 channels, at most %d "
                    "pixels a side and %d values",
                    data->kind->name, shape_text(&data->image, text), (int)CORRUPT_MAX_SIDE,
                    (int)CORRUPT_MAX_FLOATS);
    if (!asked->ood) return true;
    Arena *a = arena_new();
    Dataset foreign;
    const bool ok = open_foreign(e, data, asked->ood, 1U << SPLIT_TEST, &foreign, a, err);
    if (ok) dataset_close(&foreign);
    arena_free(a);
    return ok;
}

bool robustness_run(Network *n, const Dataset *data, SplitId split, const EvalOptions *asked,
                    const RobustnessReport *report, Robustness *out, Error *err)
{
    *out = (Robustness){.asked = *asked, .data = data->kind->name, .split = split_name[split]};
    const Asking a = {n, data, split, report, out};
    TRY(evaluate_corruption(&a, (Corruption){0}, &out->clean, err));
    say(&a, "clean %.2f %%", 100 * out->clean.top1);
    return evaluate_corruptions(&a, err) && attack_all(&a, err) && detect_foreign(&a, err);
}

double robustness_corrupted(const Robustness *r, int corruption, int severity)
{
    double sum = 0;
    int n = 0;
    for (int id = 0; id < N_CORRUPTIONS; id++)
        for (int s = 1; s <= CORRUPT_SEVERITIES; s++) {
            const RobustCell *cell = &r->corrupted[id][s - 1];
            if (!cell->done || (corruption >= 0 && id != corruption)) continue;
            if (severity > 0 && s != severity) continue;
            sum += cell->top1;
            n++;
        }
    return n > 0 ? sum / n : (double)NAN;
}
