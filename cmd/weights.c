/* weights -- see weights.h. */
#include "cmd/weights.h"

#include "methods/peft/peft_dir.h"
#include "nn/hf_dir.h"
#include "run/checkpoint.h"

#include <math.h>

/* The last checkpoint's weights are those of the optimizer; what is evaluated in training is their
 * moving average, where there is one. */
static bool load_averaged(const char *folder, const Experiment *e, Network *n, Error *err)
{
    OptimizerState optimizer = {0};
    TrainState state;
    TRY(optimizer_start(&optimizer, e->optimizer, e->optimizer_options, n->params, n->arena, err));
    bool ok = checkpoint_read(folder, NULL, n->params, &optimizer, &state, err);
    if (ok) optimizer_swap_ema(&optimizer);
    optimizer_free(&optimizer);
    return ok;
}

static const char *checkpoint_folder(const Target *t, const Invocation *in)
{
    return arena_printf(in->arena, "%s/%s", t->folder, in->flags.best ? "best" : "checkpoint");
}

bool weights_architecture(const Target *t, const Invocation *in, const Architecture **out,
                          Error *err)
{
    const char *file = in->flags.checkpoint;
    *out = NULL;
    if (file)
        return hf_dir_is(file) || peft_dir_is(file) || architecture_read(file, in->arena, out, err);
    const char *folder = checkpoint_folder(t, in);
    if (checkpoint_exists(folder)) return architecture_of_checkpoint(folder, in->arena, out, err);
    if (in->flags.best)
        return fail(err, FAIL_DATA, NULL,
                    "%s is not there: a run keeps it when train.best_by says by what", folder);
    return fail(err, FAIL_DATA, NULL, "%s is not there: run 'seqlab train %s' first", folder,
                in->words[0]);
}

/* What other settings than the run's own make of a failure: most likely they are its reason. */
static bool load_failed(const Invocation *in, Error *err)
{
    for (int i = 1; i < in->n_words; i++)
        error_note(err, "%.80s is not what the run was trained with", in->words[i]);
    return false;
}

/* What only training looks at, and no folder has. */
static bool is_kept_aside(const Param *p)
{
    return p->role == ROLE_BUFFER && p->may_lack;
}

/* `adapter` may be NULL. A head that the folders lack would keep the values that it has: nothing to
 * be evaluated. */
static bool load_folder(const char *folder, const char *adapter, Params *params, Error *err)
{
    for (Param *p = params->first; p; p = p->next)
        if (!is_kept_aside(p)) p->data[0] = NAN;
    TRY(hf_dir_weights(folder, params, err));
    if (adapter) TRY(peft_dir_weights(adapter, params, err));
    for (const Param *p = params->first; p; p = p->next)
        if (!is_kept_aside(p) && isnan(p->data[0]))
            return fail(err, FAIL_DATA, NULL, "%s: has no '%s'", folder, p->name);
    return true;
}

static bool load_file(const char *file, Network *n, Error *err)
{
    const char *base;
    if (!peft_dir_is(file))
        return hf_dir_is(file) ? load_folder(file, NULL, n->params, err)
                               : checkpoint_load_weights(file, n->params, err);
    return peft_dir_base(file, n->arena, &base, err) && load_folder(base, file, n->params, err);
}

bool weights_load(const Target *t, const Invocation *in, Network *n, Error *err)
{
    const Experiment *e = &t->experiment;
    const char *file = in->flags.checkpoint;
    if (file) return load_file(file, n, err);
    const char *folder = checkpoint_folder(t, in);
    const OptimizerCommon *common = e->optimizer_options;
    TrainState state;
    const bool averaged = common->ema_decay > 0 && !in->flags.best;
    const bool ok = averaged ? load_averaged(folder, e, n, err)
                             : checkpoint_read(folder, NULL, n->params, NULL, &state, err);
    return ok || !t->is_run ? ok : load_failed(in, err);
}
