/* profile -- see profile.h; the trace's file is in profile_trace.c. */
#include "run/profile.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

enum {
    TRACED_STEPS = 5, /* from the first on, which is slower: it touches memory */
    PART_EVENTS = 1024,
};
static const double measure_s = 0.3;

const char *const profile_part_name[N_PROFILE_PARTS] = {
    [PROFILE_FORWARD] = "forward",       [PROFILE_BACKWARD] = "backward",
    [PROFILE_LOADER] = "loader",         [PROFILE_OPTIMIZER] = "optimizer",
    [PROFILE_METHODS] = "methods",       [PROFILE_EVALUATION] = "evaluation",
    [PROFILE_CHECKPOINT] = "checkpoint", [PROFILE_REST] = "rest",
};

Profile *profile_new(Arena *arena)
{
    Profile *p = arena_new_array(arena, Profile, 1);
    p->arena = arena;
    return p;
}

/* -- During the run */

void profile_start(Profile *p, Plan *plan, const Node *loss)
{
    if (!p) return;
    const int n = plan_cost(plan).n_kernels;
    p->plan = plan;
    p->n_kernels = n + 1;
    p->kernels = arena_new_array(p->arena, ProfileKernel, n + 1);
    p->max_events = n * TRACED_STEPS + PART_EVENTS;
    p->events = arena_new_array(p->arena, ProfileEvent, p->max_events);
    for (int i = 0; i < n; i++) {
        char *text = plan_step_text(plan, i);
        const PlanStep s = plan_step(plan, i);
        const size_t n_name = strlen(s.name); /* with which the text begins */
        p->kernels[i] = (ProfileKernel){
            .name = s.name, /* of an op: a constant */
            .text = arena_string(p->arena, text + n_name + (text[n_name] == ' ')),
            .part = s.value->id <= loss->id ? PROFILE_FORWARD : PROFILE_BACKWARD,
        };
        free(text);
    }
    plan_profile(plan, true);
    p->start_s = clock_s();
}

double profile_begin(const Profile *p)
{
    return p ? clock_s() : 0;
}

static void add_event(Profile *p, ProfileEvent e)
{
    if (p->n_events < p->max_events) p->events[p->n_events++] = e;
}

static bool traced(int64_t step)
{
    return step < TRACED_STEPS;
}

void profile_end(Profile *p, ProfilePart part, double begin_s)
{
    if (!p) return;
    const double now = clock_s();
    /* the loader comes before its step's kernels, which count the step; all else after them */
    const int64_t step = part == PROFILE_LOADER ? p->n_steps : p->n_steps - 1;
    p->part_s[part] += now - begin_s;
    if (traced(step) || part == PROFILE_EVALUATION || part == PROFILE_CHECKPOINT)
        add_event(p, (ProfileEvent){part, -1, step, begin_s, now});
}

void profile_kernels(Profile *p)
{
    if (!p) return;
    const int64_t step = p->n_steps++;
    for (int i = 0; traced(step) && i < p->n_kernels - 1; i++) {
        const PlanStep s = plan_step(p->plan, i);
        add_event(p, (ProfileEvent){p->kernels[i].part, i, step, s.start_s, s.end_s});
    }
}

/* What an update must move: weights and slots read and written, gradients read. */
static ProfileKernel update_of(const Profile *p, const OptimizerState *o)
{
    const double n = (double)o->params->n_trainable, arrays = 3 + 2 * o->optimizer->n_slots;
    return (ProfileKernel){
        .name = o->optimizer->name,
        .text = arena_printf(p->arena, "update of %.0f parameters", n),
        .part = PROFILE_OPTIMIZER,
        .calls = p->n_steps,
        .seconds = p->part_s[PROFILE_OPTIMIZER],
        .bytes = (double)p->n_steps * arrays * sizeof(float) * n,
    };
}

void profile_stop(Profile *p, const OptimizerState *optimizer)
{
    if (!p) return;
    p->total_s = clock_s() - p->start_s;
    for (int i = 0; i < p->n_kernels - 1; i++) {
        const PlanStep s = plan_step(p->plan, i);
        ProfileKernel *k = &p->kernels[i];
        k->calls = p->n_steps;
        k->seconds = s.seconds;
        k->flops = (double)p->n_steps * s.flops;
        k->bytes = (double)p->n_steps * s.bytes;
        p->part_s[k->part] += s.seconds;
    }
    p->kernels[p->n_kernels - 1] = update_of(p, optimizer);
    p->plan = NULL;
    p->part_s[PROFILE_REST] = p->total_s;
    for (int part = 0; part < PROFILE_REST; part++) p->part_s[PROFILE_REST] -= p->part_s[part];
}

/* -- After it */

bool profile_limits(Profile *p, Error *err)
{
    if (!p) return true;
    TRY(limits_measure(&p->limits, measure_s, err));
    for (int i = 0; i < p->n_kernels; i++) {
        ProfileKernel *k = &p->kernels[i];
        const double calls = k->calls > 0 ? (double)k->calls : 1;
        k->limit_s = calls * limits_seconds(&p->limits, k->flops / calls, k->bytes / calls, NULL);
    }
    return true;
}

static void add_to(ProfileKernel *sum, const ProfileKernel *k)
{
    sum->calls += k->calls;
    sum->seconds += k->seconds;
    sum->flops += k->flops;
    sum->bytes += k->bytes;
    sum->limit_s += k->limit_s;
}

/* Ties by name and text, so that the order is never the sort's own. */
static int longest_first(const void *a, const void *b)
{
    const ProfileKernel *x = a, *y = b;
    if (x->seconds != y->seconds) return x->seconds < y->seconds ? 1 : -1;
    const int names = strcmp(x->name, y->name);
    return names || !x->text || !y->text ? names : strcmp(x->text, y->text);
}

ProfileKernel *profile_sorted(const Profile *p, bool by_name, int *n)
{
    ProfileKernel *out = arena_new_array(p->arena, ProfileKernel, p->n_kernels);
    *n = 0;
    for (int i = 0; i < p->n_kernels; i++) {
        const ProfileKernel *k = &p->kernels[i];
        int at = by_name ? 0 : *n;
        while (at < *n && strcmp(out[at].name, k->name) != 0) at++;
        if (at < *n) {
            add_to(&out[at], k);
            continue;
        }
        out[(*n)++] = *k;
        if (by_name) out[at].text = NULL;
    }
    qsort(out, (size_t)*n, sizeof *out, longest_first);
    return out;
}
