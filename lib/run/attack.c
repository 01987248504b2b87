/* attack -- see attack.h. */
#include "run/attack.h"

#include "base/pcg.h"

#include <string.h>

Attack attack_fgsm(double eps)
{
    return (Attack){.eps = eps, .step = eps, .steps = 1};
}

static int64_t batch_floats(const Pass *pass)
{
    return shape_count(&pass->x->shape);
}

bool attacker_open(Attacker *a, Network *n, const Dataset *data, Error *err)
{
    void *memory;
    *a = (Attacker){.network = n};
    if (data->kind->draw)
        return fail(err, FAIL_CONFIG, NULL, "%s is no set of images: there is nothing to attack",
                    data->kind->name);
    TRY(network_input_pass(n, &a->pass, &a->dx, err));
    a->bytes = 2 * sizeof(float) * (size_t)batch_floats(&a->pass);
    if (!memory_map(&memory, a->bytes, err)) {
        attacker_close(a);
        return false;
    }
    a->v = memory;
    a->x = a->v + batch_floats(&a->pass);
    image_draw_prepare(&a->draw, data);
    return true;
}

void attacker_close(Attacker *a)
{
    memory_unmap(a->v, a->v ? a->bytes : 0);
    plan_free(a->pass.plan);
    *a = (Attacker){0};
}

static void start_at_random(Attacker *a, const Attack *how, int64_t n, int64_t first)
{
    const int64_t size = batch_floats(&a->pass) / a->pass.batch_size;
    const float eps = (float)(how->eps / 255);
    for (int64_t i = 0; i < n; i++) {
        Pcg rng = pcg_stream(how->seed, "attack", 0, (uint64_t)(first + i));
        for (int64_t k = 0; k < size; k++) {
            float *v = &a->v[i * size + k], to = *v + (2 * pcg_uniform(&rng) - 1) * eps;
            *v = to < 0 ? 0 : to > 1 ? 1 : to;
        }
    }
}

/* One step of n values, within the ball about `clean`. A gradient of 0 or NaN moves nothing. */
static void ascend(float *restrict v, const float *restrict dv, const float *restrict clean,
                   int64_t n, float step, float eps)
{
    for (int64_t i = 0; i < n; i++) {
        const float low = clean[i] - eps < 0 ? 0 : clean[i] - eps;
        const float high = clean[i] + eps > 1 ? 1 : clean[i] + eps;
        const float to = dv[i] > 0 ? v[i] + step : dv[i] < 0 ? v[i] - step : v[i];
        v[i] = to < low ? low : to > high ? high : to;
    }
}

/* dx has the sign of dv: x = (v - mean) / std. */
void attack_batch(Attacker *a, const Attack *how, const Batch *clean, int64_t first)
{
    const int64_t all = batch_floats(&a->pass);
    const int64_t size = all / a->pass.batch_size;
    const float eps = (float)(how->eps / 255), step = (float)(how->step / 255);
    memcpy(a->v, clean->x, (size_t)all * sizeof *a->v);
    if (how->random_start) start_at_random(a, how, clean->n, first);
    for (int64_t i = 0; i < how->steps; i++) {
        image_normalise(&a->draw, size * clean->n, a->v, a->x);
        plan_bind(a->pass.plan, a->pass.x, a->x);
        plan_bind(a->pass.plan, a->pass.label, clean->label);
        plan_run(a->pass.plan, 0);
        ascend(a->v, plan_value(a->pass.plan, a->dx), clean->x, size * clean->n, step, eps);
    }
    image_normalise(&a->draw, size * clean->n, a->v, a->x);
}

typedef struct Attacking {
    Attacker *attacker;
    const Attack *how;
} Attacking;

static const float *attacked(void *attacking, const Batch *batch, int64_t step)
{
    const Attacking *a = attacking;
    attack_batch(a->attacker, a->how, batch, step * a->attacker->pass.batch_size);
    return a->attacker->x;
}

bool attack_evaluate(Attacker *a, const Attack *how, Loader *unit, Evaluation *out, Error *err)
{
    Attacking attacking = {a, how};
    return evaluate_changed(a->network, unit, attacked, &attacking, out, err);
}
