/* lottery -- winning tickets by iterative magnitude pruning (Frankle & Carbin, arXiv 1803.03635;
 * rewinding: Frankle et al., arXiv 1912.05671; of the learning rate: Renda et al., arXiv
 * 2003.02389).
 *
 * A level is a run. Level 0 trains all weights. Level j starts from what level j - 1 of the same
 * experiment ended with (which is made first where it does not exist), takes away a share of the
 * weights that are left, the smallest of each layer or of all, and sets the others back to what
 * they were after `rewind` steps of level 0, where training goes on:
 *
 *   m_j = m_{j-1} without the round(rate n) smallest |w|, n = sum m_{j-1};  w = m_j w_k
 *
 * Step, data order and schedule go on from step k; the optimizer starts anew. The controls:
 * `reinit` trains the ticket's mask from new first values and step 0, `random_mask` deals each
 * layer's mask anew, `one_shot` takes as many weights away at once, from level 0's.
 *
 * What a run must remember is in buffers: `<name>_mask`, and `<name>_rewind` when k > 0. */
#include "methods/prune/mask.h"
#include "methods/prune/rewind.h"
#include "nn/init.h"

typedef enum Control {
    CONTROL_NONE,
    CONTROL_REINIT,
    CONTROL_RANDOM_MASK,
    CONTROL_ONE_SHOT
} Control;
typedef enum RewindWhat { REWIND_WEIGHTS, REWIND_SCHEDULE } RewindWhat;
enum { LEVEL_MAX = 60 };

typedef struct Lottery {
    int64_t level;
    double rate, rate_conv, rate_output;
    int scope; /* 0: layer, 1: global */
    Steps rewind;
    int rewind_what, control;
} Lottery;

static int64_t rewind_step(const MethodCall *c)
{
    const Lottery *o = c->options;
    return steps_resolve(o->rewind, c->steps_per_epoch);
}

/* -- What is remembered */

/* Copies of all tensors, for the step that later levels go back to. */
static void lottery_buffers(const MethodCall *c, Graph *g)
{
    const Lottery *o = c->options;
    if (rewind_step(c) == 0 || o->rewind_what != REWIND_WEIGHTS) return;
    rewind_buffers(c, g);
}

/* -- Masks */

static Node *lottery_parametrize(const MethodCall *c, const ModelBuild *b, Param *p, Node *w)
{
    const Lottery *o = c->options;
    if (o->level == 0 || !is_prunable(p)) return w;
    return mul(b->graph, w, param_node(b->graph, mask_create(c, b, p)));
}

/* What is pruned stays so; the others by |w|. */
static uint32_t key_of_survivors(const void *owner, const Param *p, const Param *mask, int64_t i,
                                 int64_t flat)
{
    return mask->data[i] == 0 ? 0 : 1 + mask_key_magnitude(owner, p, mask, i, flat);
}

static int64_t survivors(const MaskGroup *group)
{
    int64_t n = 0;
    for (const Param *p = group->first; p != group->end; p = p->next) {
        const Param *mask = mask_of(group->params, p);
        for (int64_t i = 0; mask && i < p->n; i++) n += mask->data[i] != 0;
    }
    return n;
}

static void take_away(const MaskGroup *group, double rate, int64_t levels)
{
    static const MaskOrder order = {.key = key_of_survivors};
    int64_t left = survivors(group);
    for (int64_t i = 0; i < levels; i++) left -= mask_n_pruned(1 - rate, left);
    mask_lowest(group, &order, mask_group_count(group) - left);
}

static double rate_of(const Lottery *o, const Param *p, bool is_output)
{
    if (is_output && o->rate_output >= 0) return o->rate_output;
    return p->shape.rank == 4 && o->rate_conv >= 0 ? o->rate_conv : o->rate;
}

static void take_masks(const MethodCall *c)
{
    const Lottery *o = c->options;
    const int64_t levels = o->control == CONTROL_ONE_SHOT ? o->level : 1;
    Param *output = NULL;
    for (Param *p = c->params->first; p; p = p->next)
        if (is_prunable(p)) output = p;
    if (o->scope == 1) {
        Param *end = o->rate_output == 0 ? output : NULL;
        take_away(&(MaskGroup){c->params, c->params->first, end}, o->rate, levels);
        return;
    }
    for (Param *p = c->params->first; p; p = p->next)
        if (is_prunable(p))
            take_away(&(MaskGroup){c->params, p, p->next}, rate_of(o, p, p == output), levels);
}

static bool all_layers_live(const MethodCall *c, Error *err)
{
    const Lottery *o = c->options;
    for (Param *p = c->params->first; p; p = p->next)
        if (is_prunable(p) && survivors(&(MaskGroup){c->params, p, p->next}) == 0)
            return fail(err, FAIL_RUN, NULL,
                        "method 'lottery': %s has no weights left at level %lld", p->name,
                        (long long)o->level);
    return true;
}

/* -- Weights */

/* First values of another seed than the run's. */
static void draw_again(const MethodCall *c)
{
    const uint64_t other = c->seed ^ UINT64_C(0x7265696e6974); /* "reinit" */
    for (Param *p = c->params->first; p; p = p->next)
        if (!rewind_is_memory(p)) param_init(p, p->role == ROLE_BUFFER ? c->seed : other);
}

static void rewind_weights(const MethodCall *c)
{
    if (rewind_step(c) > 0) {
        rewind_load(c->params);
        return;
    }
    for (Param *p = c->params->first; p; p = p->next)
        if (!rewind_is_memory(p)) param_init(p, c->seed);
}

static bool lottery_transform(const MethodCall *c, Error *err)
{
    const Lottery *o = c->options;
    if (rewind_step(c) >= c->total_steps)
        return fail(err, FAIL_CONFIG, NULL,
                    "method 'lottery': rewind is step %lld, and the run has %lld steps",
                    (long long)rewind_step(c), (long long)c->total_steps);
    if (rewind_step(c) == 0 && model_wants_lsuv(c->model_options))
        return fail(err, FAIL_CONFIG, NULL,
                    "method 'lottery': first values by lsuv depend on data and cannot be drawn "
                    "again; give rewind a step, such as 1");
    if (o->level == 0) return true;
    take_masks(c);
    TRY(all_layers_live(c, err));
    if (o->control == CONTROL_RANDOM_MASK) mask_shuffle(c->params, c->seed);
    if (o->control == CONTROL_REINIT)
        draw_again(c);
    else if (o->rewind_what == REWIND_WEIGHTS)
        rewind_weights(c);
    mask_apply(c->params);
    return true;
}

static int64_t lottery_first_step(const MethodCall *c)
{
    const Lottery *o = c->options;
    return o->level > 0 && o->control != CONTROL_REINIT ? rewind_step(c) : 0;
}

static void lottery_after_step(const MethodCall *c)
{
    const Lottery *o = c->options;
    if (o->level > 0) {
        if (c->step == c->total_steps) mask_apply(c->params);
    } else if (c->step == rewind_step(c)) {
        rewind_save(c->params);
    }
}

/* -- The level before */

static int lottery_predecessor(const void *options, Arena *a, MethodSetting out[2])
{
    const Lottery *o = options;
    if (o->level == 0) return 0;
    const int64_t before = o->control == CONTROL_ONE_SHOT ? 0 : o->level - 1;
    out[0] = (MethodSetting){"level", arena_printf(a, "%lld", (long long)before)};
    out[1] = (MethodSetting){"control", "none"};
    return 2;
}

// clang-format off
static const Option lottery_options[] = {
    OPT_INT(Lottery, level, 1, 0, LEVEL_MAX, "how often weights are taken away; 0: the dense run. Starts from the level before"),
    OPT_REAL(Lottery, rate, 0.2, 0, 0.99, "share of the weights left that a level takes away"),
    OPT_REAL(Lottery, rate_conv, -1, -1, 0.99, "the same for convolutions, in scope layer; -1: rate"),
    OPT_REAL(Lottery, rate_output, -1, -1, 0.99, "the same for the last layer; -1: rate; in scope global, 0 leaves that layer whole"),
    OPT_ENUM(Lottery, scope, "layer|global", "layer", "the smallest weights of each layer, or of all layers together"),
    OPT_STEPS(Lottery, rewind, "0", "step of level 0 that a level goes back to"),
    OPT_ENUM(Lottery, rewind_what, "weights|schedule", "weights", "weights and schedule, or the schedule alone: learning-rate rewinding"),
    OPT_ENUM(Lottery, control, "none|reinit|random_mask|one_shot", "none", "the ticket's mask with other first values; another mask of as many weights a layer; as many weights taken away at once, from level 0"),
};
// clang-format on

const Method method_lottery = {
    .name = "lottery",
    .family = "prune",
    .paper = "arXiv:1803.03635",
    .summary = "iterative magnitude pruning with rewinding: every level a run from the one before",
    .revision = 1,
    .options = OPTION_TABLE(Lottery, lottery_options),
    .buffers = lottery_buffers,
    .predecessor = lottery_predecessor,
    .parametrize = lottery_parametrize,
    .transform = lottery_transform,
    .first_step = lottery_first_step,
    .after_step = lottery_after_step,
};
