/* eval -- `seqlab eval`: loss, top-1, top-5, a table by class and the confusion matrix of weights
 * on one split. */
#include "base/clock.h"
#include "cmd/eval_robustness.h"
#include "cmd/json_write.h"
#include "cmd/weights.h"
#include "run/evaluate.h"

#include <inttypes.h>
#include <string.h>

/* With more of them than this, a table of classes says nothing. */
enum { TABLE_CLASSES = 1024 };

/* The counts of one class, out of the confusion matrix. */
typedef struct ClassRow {
    int64_t n, n_right;
    int confused_with; /* the class most often taken for it, or -1 */
    int64_t n_confused;
} ClassRow;

static ClassRow class_row(const Evaluation *e, int c)
{
    const int64_t *row = e->confusion + (int64_t)c * e->n_classes;
    ClassRow r = {.n_right = row[c], .confused_with = -1};
    for (int k = 0; k < e->n_classes; k++) {
        r.n += row[k];
        if (k != c && row[k] > r.n_confused) r.confused_with = k, r.n_confused = row[k];
    }
    return r;
}

static const char *class_name(const Dataset *d, int c, char text[16])
{
    if (d->class_names) return d->class_names[c];
    (void)snprintf(text, 16, "%d", c);
    return text;
}

static double percent(int64_t part, int64_t whole)
{
    return whole > 0 ? 100 * (double)part / (double)whole : 0;
}

static void print_share(const char *name, int64_t part, int64_t whole)
{
    (void)printf("%s %.2f %% (%" PRId64 " of %" PRId64 ")\n", name, percent(part, whole), part,
                 whole);
}

static void print_text(const Evaluation *e, const Dataset *d, const Pass *pass)
{
    print_share("top1", e->n_top1, e->n);
    if (e->n_classes > 5) print_share("top5", e->n_top5, e->n);
    if (e->n_answers > 0) print_share("accuracy", e->n_right, e->n_answers);
    (void)printf("loss %.4f\n", e->loss);
    if (d->task.per_step) (void)printf("perplexity %.4f\n", perplexity(e->loss));
    if (e->bits_per_byte > 0) (void)printf("bits_per_byte %.4f\n", e->bits_per_byte);
    for (int i = 0; i < pass->n_metrics; i++)
        (void)printf("%s %.4f\n", pass->metrics[i].name, e->metric[i]);
    if (!e->confusion) return;
    (void)printf("\n%-20s %8s %9s  most often taken for\n", "class", "n", "top1");
    for (int c = 0; c < e->n_classes; c++) {
        char text[16], other[16];
        ClassRow r = class_row(e, c);
        (void)printf("%-20s %8" PRId64 " %7.2f %%", class_name(d, c, text), r.n,
                     percent(r.n_right, r.n));
        if (r.confused_with >= 0)
            (void)printf("  %s (%.2f %%)", class_name(d, r.confused_with, other),
                         percent(r.n_confused, r.n));
        (void)putchar('\n');
    }
}

static void print_json(const Evaluation *e, const Dataset *d, const Pass *pass, const char *split,
                       const char *png)
{
    Json j = {0};
    double n = e->n > 0 ? (double)e->n : 1;
    json_begin(&j, NULL, '{');
    json_add_text(&j, "data", d->kind->name);
    json_add_text(&j, "split", split);
    json_add_int(&j, "n", e->n);
    json_add_real(&j, "top1", (double)e->n_top1 / n);
    json_add_real(&j, "top5", (double)e->n_top5 / n);
    if (e->n_answers > 0) json_add_real(&j, "accuracy", (double)e->n_right / (double)e->n_answers);
    json_add_real(&j, "loss", e->loss);
    if (d->task.per_step) json_add_real(&j, "perplexity", perplexity(e->loss));
    if (e->bits_per_byte > 0) json_add_real(&j, "bits_per_byte", e->bits_per_byte);
    for (int i = 0; i < pass->n_metrics; i++)
        json_add_real(&j, pass->metrics[i].name, e->metric[i]);
    json_begin(&j, "classes", '[');
    for (int c = 0; e->confusion && c < e->n_classes; c++) {
        char text[16];
        ClassRow r = class_row(e, c);
        json_begin(&j, NULL, '{');
        json_add_text(&j, "name", class_name(d, c, text));
        json_add_int(&j, "n", r.n);
        json_add_real(&j, "top1", r.n > 0 ? (double)r.n_right / (double)r.n : 0);
        json_begin(&j, "predicted", '[');
        for (int k = 0; k < e->n_classes; k++)
            json_add_int(&j, NULL, e->confusion[(int64_t)c * e->n_classes + k]);
        json_end(&j, ']');
        json_end(&j, '}');
    }
    json_end(&j, ']');
    json_add_text(&j, "confusion_png", png);
    json_end(&j, '}');
    json_print(&j);
}

static bool evaluate_split(const Target *t, const Invocation *in, Network *n, Evaluation *out,
                           Error *err)
{
    LoaderOptions o = {
        .split = (SplitId)in->flags.split, .batch_size = n->eval.batch_size, .prefetch = true};
    Loader *loader = loader_new(t->data, &o, err);
    if (!loader) return false;
    *out = (Evaluation){.n_classes = t->data->task.n_classes};
    int64_t cells = (int64_t)out->n_classes * out->n_classes;
    if (out->n_classes <= TABLE_CLASSES && !t->data->text)
        out->confusion = arena_new_array(in->arena, int64_t, cells);
    const double start = clock_s();
    const bool ok = evaluate(n, loader, out, err);
    const double seconds = clock_s() - start;
    if (ok && in->flags.verbose)
        (void)fprintf(stderr, "%" PRId64 " labels in %.3f s, %.0f a second\n", out->n, seconds,
                      (double)out->n / seconds);
    loader_free(loader);
    return ok;
}

/* The matrix goes into the run's folder. Weights from elsewhere have none, and what comes out with
 * other settings is not the run's: only where asked. */
static const char *png_path(const Target *t, const Invocation *in)
{
    if (in->flags.output) return in->flags.output;
    const bool own = !in->flags.checkpoint && !(t->is_run && in->n_words > 1);
    return !own ? NULL : arena_printf(in->arena, "%s/confusion.png", t->folder);
}

static bool report(const Target *t, const Invocation *in, const Evaluation *e, const Pass *pass,
                   Error *err)
{
    const char *png = png_path(t, in);
    if (in->flags.json)
        print_json(e, t->data, pass, split_name[in->flags.split], png);
    else
        print_text(e, t->data, pass);
    if (!png || !e->confusion) return true;
    TRY(confusion_png(png, e, t->data->class_names, err));
    if (!in->flags.quiet) (void)fprintf(stderr, "confusion matrix: %s\n", png);
    return true;
}

static bool eval_target(const Target *t, const Invocation *in, Error *err)
{
    const Experiment *e = &t->experiment;
    NetworkOptions o = {.task = t->data->task,
                        .eval = true,
                        .allocate = true,
                        .total_steps = steps_resolve(e->train.steps, 1),
                        .steps_per_epoch = 1};
    Network n = {0};
    Evaluation result;
    TRY(weights_architecture(t, in, &o.architecture, err));
    TRY(network_new(&n, e, &o, in->arena, err));
    bool ok = weights_load(t, in, &n, err);
    if (ok && in->flags.robustness)
        ok = eval_robustness(t, in, &n, err);
    else if (ok)
        ok = evaluate_split(t, in, &n, &result, err) && report(t, in, &result, &n.eval, err);
    network_free(&n);
    return ok;
}

/* Of a run that is there, what made it cannot be chosen any more: a word that could only have done
 * that would be without effect. */
static bool check_words(const Invocation *in, Error *err)
{
    static const Place place = {.file = "command line"};
    static const char *const allowed[] = {
        "data", "model", "methods", "eval", "train.eval_batch_size", "train.compute"};
    for (int i = 1; i < in->n_words; i++) {
        const char *word = in->words[i];
        bool ok = false;
        for (size_t k = 0; k < sizeof allowed / sizeof *allowed && !ok; k++) {
            const size_t n = strlen(allowed[k]);
            ok = strncmp(word, allowed[k], n) == 0 && strchr(".=+", word[n]);
        }
        if (!ok)
            return fail(
                err, FAIL_USAGE, &place,
                "%.80s: the run is trained; evaluating it takes keys of data, model, methods "
                "and eval, and train.eval_batch_size and train.compute",
                word);
    }
    return true;
}

static bool eval(const Invocation *in, Error *err)
{
    static const Place place = {.file = "command line"};
    Target *t = arena_alloc(in->arena, sizeof *t);
    if (in->flags.output && strcmp(in->flags.output, "-") == 0)
        return fail(err, FAIL_USAGE, &place, "--output=-: stdout gets the figures; name a file");
    TRY(target_load(t, in, err));
    if (t->is_run) TRY(check_words(in, err));
    /* An experiment's run is found by its id, which covers all data; otherwise one split will do.
     */
    bool by_id = !t->is_run && !in->flags.checkpoint;
    unsigned splits = by_id ? (unsigned)SPLITS_ALL : 1U << in->flags.split;
    TRY(target_open_data(t, in, splits, err));
    bool ok;
    if (t->data->split[in->flags.split].n == 0)
        ok = fail(err, FAIL_CONFIG, NULL, "%s: %s has no %s split", t->experiment.path,
                  t->data->kind->name, split_name[in->flags.split]);
    else
        ok = eval_target(t, in, err);
    target_close(t);
    return ok;
}

const Command command_eval = {
    .name = "eval",
    .summary = "Evaluate a run, or any checkpoint, on one split of the data",
    .usage = "RUN|FILE.yaml [key=value ...]",
    .flags = "checkpoint best split robustness output results threads json",
    .help =
        "Prints loss, top-1, top-5 and a table by class, and writes the confusion matrix as\n"
        "PNG. FILE.yaml without --checkpoint means the run that 'seqlab train FILE.yaml' made;\n"
        "with it, these weights in the file's model on the file's data.\n"
        "--robustness prints accuracy on corrupted images at five severities, under attacks\n"
        "by the gradient (FGSM, PGD), and how well images of another set are told apart; and\n"
        "writes robustness.json into the run's folder. The eval: keys say what is asked; of a\n"
        "RUN they may follow it: eval.corruptions='[fog, snow]' eval.severities='[1, 3]'\n"
        "eval.fgsm_eps='[1, 8]' eval.pgd_eps=8 eval.ood=mnist eval.examples=0. Without any of\n"
        "them it is all corruptions, FGSM at 1, 2, 4 and 8 and PGD at 2 and 8 255ths, on the\n"
        "first 1000 examples.\n"
        "\n"
        "After RUN, data.KEY=VALUE evaluates the run on other data than it was trained on:\n"
        "data.length=4096, data.test_file=other.tsv. Its parameters must keep their shapes:\n"
        "another length suits s4d, lstm_classifier, longconv whose model.kernel_length is set\n"
        "(of a run without one, set it to the length of training), and a transformer with\n"
        "model.positions=sinusoidal; learned positions are parameters of one length.\n",
    .computes = true,
    .run = eval,
};
