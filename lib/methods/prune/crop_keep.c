/* crop_keep -- see crop_keep.h. */
#include "methods/prune/crop_keep.h"

#include "base/pcg.h"

#include <string.h>

/* The sum of squares of each channel's weights, over all layers that write to the width. */
static void norms(const Params *params, const LayerTable *t, int width, double out[])
{
    const int64_t n = t->widths[width].width;
    for (int r = 0; r < t->n_rows; r++) {
        char name[300];
        (void)snprintf(name, sizeof name, "%s.weight", t->rows[r].name);
        const Param *p = t->rows[r].out == width ? params_find(params, name) : NULL;
        const int64_t each = p ? p->n / n : 0;
        for (int64_t i = 0; p && i < p->n; i++)
            out[i / each] += (double)p->data[i] * (double)p->data[i];
    }
}

/* What has been chosen so far. */
typedef struct Choice {
    const LayerTable *table;
    KeptChannels *kept;
    int n;
} Choice;

static const KeptChannels *kept_of(const Choice *c, const char *width)
{
    for (int i = 0; i < c->n; i++)
        if (strcmp(c->kept[i].width, width) == 0) return &c->kept[i];
    return NULL;
}

static const ModelPart *find_width(const LayerTable *t, const char *name)
{
    for (int i = 0; name && i < t->n_widths; i++)
        if (strcmp(t->widths[i].name, name) == 0) return &t->widths[i];
    return NULL;
}

/* The channels that a shortcut without weights puts at places of `now` kept ones; -1: free. */
static void place_centred(const Choice *c, const ModelPart *w, int64_t now, int64_t channel[])
{
    const ModelPart *from = find_width(c->table, w->centred);
    const KeptChannels *k = from ? kept_of(c, from->name) : NULL;
    for (int64_t i = 0; i < now; i++) channel[i] = -1;
    if (!from) return;
    const int64_t n = k ? k->n : from->width;
    for (int64_t j = 0; j < n; j++) {
        const int64_t before = (k ? k->channel[j] : j) + (w->width - from->width) / 2;
        const int64_t after = j + (now - n) / 2;
        if (after >= 0 && after < now && before >= 0 && before < w->width) channel[after] = before;
    }
}

/* The best of the others at the free places, in ascending order. */
static void fill(int64_t channel[], int64_t now, const double score[], bool taken[], int64_t n)
{
    int64_t free = 0, next = 0;
    for (int64_t i = 0; i < now; i++) {
        if (channel[i] >= 0) taken[channel[i]] = true;
        free += channel[i] < 0;
    }
    bool *chosen = taken + n;
    for (int64_t k = 0; k < free; k++) {
        int64_t best = -1;
        for (int64_t i = 0; i < n; i++)
            if (!taken[i] && !chosen[i] && (best < 0 || score[i] > score[best])) best = i;
        chosen[best] = true;
    }
    for (int64_t i = 0; i < now; i++) {
        if (channel[i] >= 0) continue;
        while (!chosen[next]) next++;
        channel[i] = next++;
    }
}

static void choose(const MethodCall *c, Choice *choice, int width, int64_t now, bool by_norm,
                   Arena *a)
{
    const ModelPart *w = &choice->table->widths[width];
    if (w->multiple > 1) return; /* which channels a half has changes from unit to unit */
    double *score = arena_new_array(a, double, w->width);
    bool *taken = arena_new_array(a, bool, 2 * w->width);
    int64_t *channel = arena_new_array(a, int64_t, now);
    Pcg rng = pcg_stream(c->seed, "precrop", 0, pcg_name(w->name));
    if (by_norm)
        norms(c->params, choice->table, width, score);
    else
        for (int64_t i = 0; i < w->width; i++) score[i] = (double)pcg_uniform(&rng);
    place_centred(choice, w, now, channel);
    fill(channel, now, score, taken, w->width);
    bool same = now == w->width;
    for (int64_t i = 0; i < now; i++) same = same && channel[i] == i;
    if (same) return;
    choice->kept[choice->n++] =
        (KeptChannels){.width = arena_string(a, w->name), .channel = channel, .n = now};
}

void keep_channels(const MethodCall *c, const LayerTable *table, bool by_norm, Reshape *out)
{
    Arena *a = out->arena;
    Choice choice = {.table = table, .kept = arena_new_array(a, KeptChannels, table->n_widths)};
    for (int i = 0; i < table->n_widths; i++) {
        const NamedCount *row = count_map_find(&out->architecture.widths, table->widths[i].name);
        choose(c, &choice, i, row ? row->count : table->widths[i].width, by_norm, a);
    }
    out->keep_weights = true;
    out->kept = choice.kept;
    out->n_kept = choice.n;
}
