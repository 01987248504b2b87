/* train_dry_run -- the numbers of `seqlab train --dry-run` as a table or as JSON. */
#include "cmd/train.h"

#include "base/text.h"
#include "base/threads.h"
#include "cmd/json_write.h"
#include "run/dry_run.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* What is known about a run before it starts. */
typedef struct Forecast {
    DryRun cost;
    RunStatus status;
    RunRecord record;
    const Params *params;
} Forecast;

static void print_parameters(const Params *params)
{
    (void)printf("\n%-40s %-20s %-10s %10s\n", "parameter", "shape", "role", "elements");
    for (const Param *p = params->first; p; p = p->next) {
        char text[96];
        (void)printf("%-40s %-20s %-10s %10" PRId64 "%s\n", p->name, shape_text(&p->shape, text),
                     param_role_name[p->role], p->n,
                     p->trainable || p->role == ROLE_BUFFER ? "" : "  frozen");
    }
}

static void print_run(const Target *t, const Forecast *f)
{
    (void)printf("run         %s ", t->experiment.id);
    if (f->status == RUN_ABSENT)
        (void)printf("(new)\n");
    else if (f->status == RUN_DONE)
        (void)printf("(done)\n");
    else
        (void)printf("(%s at step %" PRId64 ")\n", run_status_name[f->status], f->record.step);
    (void)printf("folder      %s\n", t->folder);
}

static void print_memory(const DryRun *c)
{
    char peak[16], parameters[16], optimizer[16], train[16], eval[16], batch[16], data[16],
        program[16];
    text_bytes(peak, (double)c->peak_bytes);
    text_bytes(parameters, (double)c->parameter_bytes);
    text_bytes(optimizer, (double)c->optimizer_bytes);
    text_bytes(train, (double)c->train_bytes);
    text_bytes(eval, (double)c->eval_bytes);
    text_bytes(batch, (double)c->batch_bytes);
    text_bytes(data, (double)c->data_bytes);
    text_bytes(program, (double)c->program_bytes);
    (void)printf("memory      %s at peak: parameters and gradients %s, optimizer %s,\n"
                 "            training %s, evaluation %s, batches %s, data %s, program %s\n",
                 peak, parameters, optimizer, train, eval, batch, data, program);
}

static void print_text(const Target *t, const Invocation *in, const Forecast *f)
{
    const DryRun *c = &f->cost;
    char flops[16], traffic[16], step[24], total[24];
    (void)fputs(experiment_config_sources(&t->experiment, in->arena), stdout);
    (void)putchar('\n');
    print_run(t, f);
    (void)printf("data        %s, %" PRId64 " training, %" PRId64 " validation, %" PRId64
                 " test examples, sha256 %.12s\n",
                 t->data->kind->name, t->data->split[SPLIT_TRAIN].n, t->data->split[SPLIT_VALID].n,
                 t->data->split[SPLIT_TEST].n, t->data->sha256);
    (void)printf("steps       %" PRId64 ", %" PRId64 " an epoch\n", c->steps, c->steps_per_epoch);
    (void)printf("parameters  %" PRId64 "\n", c->n_parameters);
    print_memory(c);
    text_si(flops, c->flops_per_step);
    text_bytes(traffic, c->traffic_bytes);
    int digits = (int)strcspn(flops, "kMGTP");
    (void)printf("a step      %.*s %sFLOP, %s of memory traffic\n", digits, flops, flops + digits,
                 traffic);
    if (isnan(c->step_s)) {
        (void)printf("time        not measured: a step is too large to try\n");
    } else {
        text_duration(total, c->step_s * (double)c->steps);
        (void)snprintf(step, sizeof step, c->step_s < 0.1 ? "%.3g ms" : "%.0f ms", c->step_s * 1e3);
        (void)printf("time        %s a step with %d thread%s: %s, without evaluation and data\n",
                     step, threads_count(), threads_count() == 1 ? "" : "s", total);
    }
    if (in->flags.verbose) print_parameters(f->params);
}

static void print_json_parameters(Json *j, const Params *params)
{
    json_begin(j, "parameter_table", '[');
    for (const Param *p = params->first; p; p = p->next) {
        json_begin(j, NULL, '{');
        json_add_text(j, "name", p->name);
        json_begin(j, "shape", '[');
        for (int i = 0; i < p->shape.rank; i++) json_add_int(j, NULL, p->shape.dim[i]);
        json_end(j, ']');
        json_add_text(j, "role", param_role_name[p->role]);
        json_add_bool(j, "trainable", p->trainable);
        json_end(j, '}');
    }
    json_end(j, ']');
}

static bool print_json(const Target *t, const Invocation *in, const Forecast *f, Error *err)
{
    const DryRun *c = &f->cost;
    const char *config = experiment_config(&t->experiment, in->arena);
    Yaml *tree;
    TRY(yaml_parse(in->arena, config, strlen(config), "config.yaml", &tree, err));
    Json j = {0};
    json_begin(&j, NULL, '{');
    json_add_text(&j, "id", t->experiment.id);
    json_add_text(&j, "folder", t->folder);
    json_add_text(&j, "status", run_status_name[f->status]);
    json_add_int(&j, "steps", c->steps);
    json_add_int(&j, "steps_per_epoch", c->steps_per_epoch);
    json_add_int(&j, "parameters", c->n_parameters);
    json_add_int(&j, "peak_bytes", c->peak_bytes);
    json_add_int(&j, "parameter_bytes", c->parameter_bytes);
    json_add_int(&j, "optimizer_bytes", c->optimizer_bytes);
    json_add_int(&j, "train_bytes", c->train_bytes);
    json_add_int(&j, "eval_bytes", c->eval_bytes);
    json_add_int(&j, "batch_bytes", c->batch_bytes);
    json_add_int(&j, "data_bytes", c->data_bytes);
    json_add_int(&j, "program_bytes", c->program_bytes);
    json_add_real(&j, "flops_per_step", c->flops_per_step);
    json_add_real(&j, "traffic_bytes_per_step", c->traffic_bytes);
    if (isnan(c->step_s))
        json_add_raw(&j, "step_s", NULL);
    else
        json_add_real(&j, "step_s", c->step_s);
    json_add_int(&j, "threads", threads_count());
    json_add_text(&j, "data_sha256", t->data->sha256);
    json_add_yaml(&j, "config", tree);
    if (in->flags.verbose) print_json_parameters(&j, f->params);
    json_end(&j, '}');
    json_print(&j);
    return true;
}

bool train_dry_run(const Target *t, const Invocation *in, Error *err)
{
    Forecast f = {0};
    Network network;
    TRY(dry_run(&t->experiment, t->data, in->arena, &network, &f.cost, err));
    f.status = rundir_status(t->folder, &f.record, in->arena);
    f.params = network.params;
    bool ok = true;
    if (in->flags.json)
        ok = print_json(t, in, &f, err);
    else
        print_text(t, in, &f);
    network_free(&network);
    return ok;
}
