/* halving -- see halving.h. */
#include "sweep/halving.h"

#include "base/text.h"
#include "io/file.h"
#include "run/metric_lines.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS_MAX = 64, METRICS_BYTES_MAX = 1 << 30 };

/* One setting of the searched keys in one setting of the others: its runs differ by seed. */
typedef struct Competitor {
    const char *group, *setting;
    int *runs, n_runs;
    bool out;
    double score; /* larger is better; -inf: a run failed */
} Competitor;

typedef struct Halving {
    Pool *pool;
    const Search *search;
    Arena *arena;
    Competitor *at;
    int n;
    int64_t total, eval_every; /* steps, of the longest run */
} Halving;

/* -- Who competes */

static void add_value(Text *t, const SweepValue *v)
{
    text_addf(t, "%s=%s ", v->key, v->text);
}

static Competitor *find_competitor(Halving *h, const SweepRun *run)
{
    Text group = {0}, setting = {0};
    text_add(&group, "");
    text_add(&setting, "");
    for (int k = 0; k < run->n_values; k++)
        if (search_has(h->search, run->values[k].key))
            add_value(&setting, &run->values[k]);
        else if (strcmp(run->values[k].key, "train.seed") != 0)
            add_value(&group, &run->values[k]);
    int i = 0;
    while (i < h->n &&
           (strcmp(h->at[i].group, group.data) != 0 || strcmp(h->at[i].setting, setting.data) != 0))
        i++;
    if (i == h->n) {
        h->at[h->n++] = (Competitor){
            .group = arena_string(h->arena, group.data),
            .setting = arena_string(h->arena, setting.data),
            .runs = arena_new_array(h->arena, int, h->pool->sweep->n_runs),
        };
    }
    text_free(&group);
    text_free(&setting);
    return &h->at[i];
}

static bool read_lengths(Halving *h, int run, Error *err)
{
    Arena *a = arena_new();
    Experiment *e = arena_new_array(a, Experiment, 1);
    const Dataset *data;
    bool ok = sweep_experiment(h->pool->sweep, run, a, e, &data, err);
    if (ok) {
        const int64_t per_epoch = data->split[SPLIT_TRAIN].n / e->train.batch_size,
                      total = steps_resolve(e->train.steps, per_epoch),
                      every = steps_resolve(e->train.eval_every, per_epoch);
        if (total > h->total) h->total = total;
        if (every > h->eval_every) h->eval_every = every;
        if (every <= 0)
            ok = fail(err, FAIL_CONFIG, NULL,
                      "%s: --asha ranks settings on the way, but train.eval_every = 0", e->path);
    }
    arena_free(a);
    return ok;
}

static bool find_competitors(Halving *h, Error *err)
{
    const Sweep *s = h->pool->sweep;
    h->at = arena_new_array(h->arena, Competitor, s->n_runs);
    for (int i = 0; i < h->search->n_over; i++) {
        bool swept = false;
        for (int k = 0; k < s->n_keys; k++) swept |= strcmp(s->keys[k], h->search->over[i]) == 0;
        if (!swept)
            return yaml_fail(h->search->where, err, "search.over: '%.80s' is not swept",
                             h->search->over[i]);
    }
    for (int i = 0; i < s->n_runs; i++) {
        if (!s->runs[i].asked || s->runs[i].twin >= 0) continue;
        Competitor *c = find_competitor(h, &s->runs[i]);
        if (c->n_runs == 0) TRY(read_lengths(h, i, err));
        c->runs[c->n_runs++] = i;
    }
    return true;
}

/* -- A round */

/* The metric at the last evaluation up to `step`; NaN where there is none. */
static double metric_at(const Halving *h, int run, int64_t step)
{
    char path[4096 + 32], folder[4096], *text;
    double value = (double)NAN, at, found;
    MetricLines all = {0}, line;
    sweep_folder(h->pool->sweep, run, folder);
    (void)snprintf(path, sizeof path, "%s/metrics.jsonl", folder);
    if (!file_read(path, METRICS_BYTES_MAX, &text, &all.n, FAIL_DATA, NULL)) return value;
    all.text = text;
    while (metric_lines_next(&all, &line))
        if (metric_line_number(line.text, line.n, "step", &at) && at <= (double)step &&
            metric_line_number(line.text, line.n, h->search->by, &found))
            value = found;
    free(text);
    return value;
}

static bool score(const Halving *h, Competitor *c, int64_t step, Error *err)
{
    const double sign = metric_less_is_better(h->search->by) ? -1 : 1;
    double sum = 0;
    for (int k = 0; k < c->n_runs; k++) {
        const PoolState state = h->pool->runs[c->runs[k]].state;
        const double value = metric_at(h, c->runs[k], step);
        if (state != POOL_PAUSED && state != POOL_DONE)
            sum = -(double)INFINITY;
        else if (isnan(value))
            return fail(err, FAIL_CONFIG, NULL,
                        "run %s has no '%s' up to step %lld to be ranked by",
                        h->pool->sweep->runs[c->runs[k]].id, h->search->by, (long long)step);
        else
            sum += sign * value;
    }
    c->score = sum / c->n_runs;
    return true;
}

/* Of equals the first in the file's order is better. */
static bool is_better(const Competitor *x, const Competitor *y)
{
    return x->score > y->score || (x->score == y->score && x < y);
}

/* Leaves the best one in eta of each group in; its size is counted before any of it goes out. */
static int drop_losers(Halving *h, int64_t eta)
{
    bool *loses = arena_new_array(h->arena, bool, h->n);
    int n_go_on = 0;
    for (int i = 0; i < h->n; i++) {
        int rank = 0, size = 0;
        if (h->at[i].out) continue;
        for (int k = 0; k < h->n; k++) {
            if (h->at[k].out || strcmp(h->at[k].group, h->at[i].group) != 0) continue;
            size++;
            rank += is_better(&h->at[k], &h->at[i]);
        }
        loses[i] = rank >= (size + eta - 1) / eta;
        n_go_on += !loses[i];
    }
    for (int i = 0; i < h->n; i++) {
        if (!loses[i]) continue;
        h->at[i].out = true;
        for (int k = 0; k < h->at[i].n_runs; k++) {
            PoolRun *r = &h->pool->runs[h->at[i].runs[k]];
            r->left = r->state == POOL_PAUSED;
        }
    }
    return n_go_on;
}

/* Sends everyone who is in on to `until`; 0: to the end. */
static void send_on(Halving *h, int64_t until)
{
    for (int i = 0; i < h->n; i++)
        for (int k = 0; !h->at[i].out && k < h->at[i].n_runs; k++) {
            PoolRun *r = &h->pool->runs[h->at[i].runs[k]];
            r->until = until;
            if (r->state == POOL_PAUSED) r->state = POOL_WAITING;
        }
}

static int n_in(const Halving *h)
{
    int n = 0;
    for (int i = 0; i < h->n; i++) n += !h->at[i].out;
    return n;
}

static bool play_round(Halving *h, int64_t step, const PoolReport *report, HalvingRound round,
                       Error *err)
{
    const int before = n_in(h);
    send_on(h, step);
    TRY(pool_run(h->pool, report, err));
    for (int i = 0; i < h->n; i++)
        if (!h->at[i].out) TRY(score(h, &h->at[i], step, err));
    const int after = drop_losers(h, h->search->eta);
    if (round) round(report->owner, step, before, after);
    return true;
}

static int64_t first_round(const Halving *h)
{
    if (h->search->min_steps > 0) return h->search->min_steps;
    const int64_t eta = h->search->eta, n = h->total / (eta * eta * eta);
    return n > 0 ? n : 1;
}

static bool play(Halving *h, const PoolReport *report, HalvingRound round, Error *err)
{
    TRY(find_competitors(h, err));
    int64_t step = first_round(h);
    for (int k = 0; k < ROUNDS_MAX && n_in(h) > 1; k++, step *= h->search->eta) {
        const int64_t every = h->eval_every, at = (step + every - 1) / every * every;
        if (at >= h->total) break;
        TRY(play_round(h, at, report, round, err));
    }
    send_on(h, 0);
    return pool_run(h->pool, report, err);
}

bool halving_run(Pool *p, const Search *search, const PoolReport *report, HalvingRound round,
                 Error *err)
{
    Arena *a = arena_new();
    Halving h = {.pool = p, .search = search, .arena = a, .eval_every = 1};
    const bool ok = play(&h, report, round, err);
    arena_free(a);
    return ok;
}
