/* eval_robustness -- see eval_robustness.h: runs what is asked, prints the tables. */
#include "cmd/eval_robustness.h"

#include "io/file.h"
#include "run/robustness.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static void say(void *invocation, const char *text)
{
    const Invocation *in = invocation;
    if (in->flags.verbose && !in->flags.quiet) (void)fprintf(stderr, "%s\n", text);
}

static void print_percent(double share)
{
    if (isnan(share))
        (void)printf(" %8s", "-");
    else
        (void)printf(" %8.2f", 100 * share);
}

static bool severity_done(const Robustness *r, int severity)
{
    return !isnan(robustness_corrupted(r, -1, severity));
}

static void print_row(const Robustness *r, const char *name, int corruption)
{
    (void)printf("%-20s", name);
    for (int s = 1; s <= CORRUPT_SEVERITIES; s++)
        if (severity_done(r, s)) print_percent(robustness_corrupted(r, corruption, s));
    print_percent(robustness_corrupted(r, corruption, 0));
    (void)putchar('\n');
}

static void print_corruptions(const Robustness *r)
{
    if (isnan(robustness_corrupted(r, -1, 0))) return;
    (void)printf("\n%-20s", "top1 (%) at severity");
    for (int s = 1; s <= CORRUPT_SEVERITIES; s++)
        if (severity_done(r, s)) (void)printf(" %8d", s);
    (void)printf(" %8s\n", "mean");
    for (int id = 0; id < N_CORRUPTIONS; id++)
        if (!isnan(robustness_corrupted(r, id, 0)))
            print_row(r, corruption_info((CorruptionId)id).name, id);
    print_row(r, "mean", -1);
}

static void print_attacks(const char *name, const RobustCell cells[], const IntList *eps)
{
    for (int i = 0; i < eps->n; i++)
        if (cells[i].done)
            (void)printf("%-12s %3d/255 %8.2f %10.4f\n", name, (int)eps->at[i], 100 * cells[i].top1,
                         cells[i].loss);
}

static void print_text(const Robustness *r)
{
    const EvalOptions *o = &r->asked;
    (void)printf("%s, %s: %" PRId64 " examples\n", r->data, r->split, r->n);
    (void)printf("clean top1 %.2f %%  loss %.4f\n", 100 * r->clean.top1, r->clean.loss);
    print_corruptions(r);
    if (o->fgsm_eps.n + o->pgd_eps.n > 0)
        (void)printf("\n%-12s %7s %8s %10s\n", "attack", "eps", "top1 (%)", "loss");
    print_attacks("fgsm", r->fgsm, &o->fgsm_eps);
    print_attacks(o->pgd_random_start ? "pgd, random" : "pgd", r->pgd, &o->pgd_eps);
    if (r->ood[0].n_in == 0) return;
    (void)printf("\n%-20s %8s %8s %8s %8s\n", o->ood, "auroc", "aupr_in", "aupr_out", "fpr95");
    for (int s = 0; s < N_OOD_SCORES; s++) {
        const OodFigures *f = &r->ood[s];
        (void)printf("%-20s %8.4f %8.4f %8.4f %8.4f\n", ood_score_name[s], f->auroc, f->aupr_in,
                     f->aupr_out, f->fpr95);
    }
}

/* As the confusion matrix: weights from elsewhere have no folder, and what comes out with other
 * data or another model is not the run's. */
static const char *path_of(const Target *t, const Invocation *in)
{
    if (in->flags.output) return in->flags.output;
    if (in->flags.checkpoint) return NULL;
    for (int i = 1; t->is_run && i < in->n_words; i++)
        if (strncmp(in->words[i], "eval.", 5) != 0) return NULL;
    return arena_printf(in->arena, "%s/robustness.json", t->folder);
}

static bool write_file(const Target *t, const Invocation *in, const char *text, Error *err)
{
    const char *path = path_of(t, in);
    if (!path) return true;
    TRY(file_replace(path, text, strlen(text), err));
    if (!in->flags.quiet) (void)fprintf(stderr, "robustness: %s\n", path);
    return true;
}

bool eval_robustness(const Target *t, const Invocation *in, Network *n, Error *err)
{
    Invocation invocation = *in;
    const RobustnessReport report = {say, &invocation};
    EvalOptions asked = t->experiment.eval;
    Robustness *r = arena_new_array(in->arena, Robustness, 1);
    if (!eval_asks(&asked)) eval_ask_standard(&asked);
    TRY(robustness_check(&t->experiment, t->data, &asked, err));
    TRY(robustness_run(n, t->data, (SplitId)in->flags.split, &asked, &report, r, err));
    const char *text = robustness_json(r, in->arena);
    if (in->flags.json)
        (void)fputs(text, stdout);
    else
        print_text(r);
    return write_file(t, in, text, err);
}
