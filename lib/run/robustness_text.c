/* robustness_text -- what was found, as metrics of a run and as robustness.json. */
#include "base/text.h"
#include "run/robustness.h"

#include <math.h>

static void add_attack(const RobustCell cells[], const IntList *eps, const char *name,
                       const char *split, Arena *a, MetricLine *line)
{
    for (int i = 0; i < eps->n; i++)
        if (cells[i].done)
            metric_add(line, arena_printf(a, "%s.%s_%d.top1", split, name, (int)eps->at[i]),
                       cells[i].top1);
}

void robustness_metrics(const Robustness *r, Arena *a, MetricLine *line)
{
    const double all = robustness_corrupted(r, -1, 0);
    if (!isnan(all)) metric_add(line, arena_printf(a, "%s.corrupted.top1", r->split), all);
    for (int s = 1; s <= CORRUPT_SEVERITIES; s++) {
        const double mean = robustness_corrupted(r, -1, s);
        if (!isnan(mean))
            metric_add(line, arena_printf(a, "%s.corrupted.severity_%d.top1", r->split, s), mean);
    }
    add_attack(r->fgsm, &r->asked.fgsm_eps, "fgsm", r->split, a, line);
    add_attack(r->pgd, &r->asked.pgd_eps, "pgd", r->split, a, line);
    for (int s = 0; s < N_OOD_SCORES; s++) {
        const OodFigures *f = &r->ood[s];
        const char *prefix = arena_printf(a, "%s.ood.%s", r->split, ood_score_name[s]);
        if (f->n_in == 0) continue;
        metric_add(line, arena_printf(a, "%s.auroc", prefix), f->auroc);
        metric_add(line, arena_printf(a, "%s.fpr95", prefix), f->fpr95);
    }
}

/* -- JSON */

static void add_real(Text *out, const char *name, double value)
{
    char text[32];
    text_real(text, value);
    text_addf(out, isfinite(value) ? "\"%s\": %s" : "\"%s\": \"%s\"", name, text);
}

static void add_cell(Text *out, const RobustCell *cell)
{
    add_real(out, "top1", cell->top1);
    text_add(out, ", ");
    add_real(out, "loss", cell->loss);
}

static void add_corruptions(Text *out, const Robustness *r)
{
    bool first = true;
    text_add(out, ",\n  \"corruptions\": [");
    for (int id = 0; id < N_CORRUPTIONS; id++)
        for (int s = 1; s <= CORRUPT_SEVERITIES; s++) {
            const RobustCell *cell = &r->corrupted[id][s - 1];
            const CorruptionInfo info = corruption_info((CorruptionId)id);
            if (!cell->done) continue;
            text_addf(out, "%s\n    {\"name\": \"%s\", \"family\": \"%s\", \"severity\": %d, ",
                      first ? "" : ",", info.name, info.family, s);
            add_cell(out, cell);
            text_add(out, "}");
            first = false;
        }
    text_add(out, first ? "],\n  " : "\n  ],\n  ");
    add_real(out, "corrupted_top1", robustness_corrupted(r, -1, 0));
}

static void add_attacks(Text *out, const char *name, const RobustCell cells[], const IntList *eps,
                        const Robustness *r)
{
    bool first = true;
    text_addf(out, ",\n  \"%s\": [", name);
    for (int i = 0; i < eps->n; i++) {
        if (!cells[i].done) continue;
        text_addf(out, "%s\n    {\"eps_255ths\": %d, ", first ? "" : ",", (int)eps->at[i]);
        if (cells == r->pgd) {
            text_addf(out, "\"steps\": %d, ", (int)r->asked.pgd_steps);
            add_real(out, "step_255ths",
                     r->asked.pgd_step > 0 ? r->asked.pgd_step
                                           : 2.5 * (double)eps->at[i] / (double)r->asked.pgd_steps);
            text_addf(out, ", \"random_start\": %s, ",
                      r->asked.pgd_random_start ? "true" : "false");
        }
        add_cell(out, &cells[i]);
        text_add(out, "}");
        first = false;
    }
    text_add(out, first ? "]" : "\n  ]");
}

static void add_ood(Text *out, const Robustness *r)
{
    text_add(out, ",\n  \"ood\": ");
    if (r->ood[0].n_in == 0) {
        text_add(out, "null");
        return;
    }
    text_add(out, "{\"data\": ");
    text_add_json(out, r->asked.ood);
    text_addf(out, ", \"sha256\": \"%s\", \"n\": %lld", r->ood_sha256, (long long)r->ood[0].n_out);
    for (int s = 0; s < N_OOD_SCORES; s++) {
        const OodFigures *f = &r->ood[s];
        text_addf(out, ",\n    \"%s\": {", ood_score_name[s]);
        add_real(out, "auroc", f->auroc);
        text_add(out, ", ");
        add_real(out, "aupr_in", f->aupr_in);
        text_add(out, ", ");
        add_real(out, "aupr_out", f->aupr_out);
        text_add(out, ", ");
        add_real(out, "fpr95", f->fpr95);
        text_add(out, "}");
    }
    text_add(out, "\n  }");
}

char *robustness_json(const Robustness *r, Arena *a)
{
    Text out = {0};
    text_addf(&out,
              "{\n  \"data\": \"%s\",\n  \"split\": \"%s\",\n  \"n\": %lld,\n  \"seed\": %lld,\n  "
              "\"clean\": {",
              r->data, r->split, (long long)r->n, (long long)r->asked.seed);
    add_cell(&out, &r->clean);
    text_add(&out, "}");
    add_corruptions(&out, r);
    add_attacks(&out, "fgsm", r->fgsm, &r->asked.fgsm_eps, r);
    add_attacks(&out, "pgd", r->pgd, &r->asked.pgd_eps, r);
    add_ood(&out, r);
    text_add(&out, "\n}\n");
    char *text = arena_string(a, out.data);
    text_free(&out);
    return text;
}
