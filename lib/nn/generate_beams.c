/* generate_beams -- the likeliest sequences, followed side by side; see generate.h. */
#include "nn/generate_parts.h"

#include "base/realmath.h"

typedef struct Beam {
    double sum;   /* of log-probabilities */
    double score; /* the same; when ended, over length ^ length_penalty */
    int64_t n;    /* tokens written */
    int32_t *all; /* the prompt and they */
} Beam;

typedef struct Beams {
    Writing *t;
    int64_t before; /* tokens of the prompt */
    Beam *going, *next, *ended;
    int64_t n_ended;
    float *plain; /* vocabulary: log-probabilities */
} Beams;

/* The logits after the prompt. */
static const float *read_prompt(const Beams *b)
{
    const Writing *t = b->t;
    const float *logits = NULL;
    for (int64_t i = 0; i < b->before; i++) {
        for (int64_t j = 0; j < t->d->batch; j++) t->token[j] = t->all[i];
        logits = decoder_step(t->d, t->token);
    }
    return logits;
}

/* A beam's log-probabilities are adjusted, not its logits: as the library does it. Returns what is
 * to be added to what `logits` then are. */
static double adjust(const Beams *b, const Beam *beam, const float **logits)
{
    const Writing *t = b->t;
    const int64_t n = t->d->vocabulary;
    const double log_sum = token_log_sum(*logits, n);
    if (!token_adjusts(t->o)) return beam->score - log_sum;
    for (int64_t i = 0; i < n; i++) b->plain[i] = (float)((double)(*logits)[i] - log_sum);
    token_adjust(t->adjusted, b->plain, n, (TokenHistory){beam->all, b->before + beam->n, beam->n},
                 t->o);
    *logits = t->adjusted;
    return beam->score;
}

/* The 2 num_beams best continuations. */
static int64_t continuations(const Beams *b, const float *logits, int64_t n_rows)
{
    const Writing *t = b->t;
    const int64_t n = t->d->vocabulary, max = 2 * t->d->batch;
    int64_t n_best = 0;
    for (int64_t row = 0; row < n_rows; row++, logits += n) {
        const float *x = logits;
        const double base = adjust(b, &b->going[row], &x);
        for (int64_t i = 0; i < n; i++) {
            const ScoredToken new = {base + (double)x[i], (int32_t)row, (int32_t)i};
            n_best = token_put(t->scratch, n_best, max, new);
        }
    }
    return n_best;
}

static void continue_beam(const Beams *b, Beam *to, const ScoredToken *s)
{
    const Beam *from = &b->going[s->row];
    const int64_t n = b->before + from->n;
    memcpy(to->all, from->all, sizeof(int32_t) * (size_t)n);
    to->all[n] = s->id;
    to->n = from->n + 1;
    to->score = to->sum = s->score;
}

static double penalised(const Beams *b, double score, int64_t length)
{
    return score / real_pow((double)length, b->t->o->length_penalty);
}

/* Keeps the best, from the best on; the place behind the last is the new one's. */
static void end_beam(Beams *b, const ScoredToken *s)
{
    Beam *list = b->ended, *last = &list[b->n_ended];
    continue_beam(b, last, s);
    last->score = penalised(b, last->sum, last->n);
    for (int64_t at = b->n_ended; at > 0 && list[at].score > list[at - 1].score; at--) {
        const Beam beam = list[at];
        list[at] = list[at - 1];
        list[at - 1] = beam;
    }
    if (b->n_ended < b->t->d->batch) b->n_ended++;
}

/* True when nothing that still goes on can come before the ended ones. */
static bool is_over(const Beams *b, double best, int64_t length)
{
    if (b->n_ended < b->t->d->batch) return false;
    return b->t->o->early_stopping || b->ended[b->n_ended - 1].score >= penalised(b, best, length);
}

/* Sorts the n continuations into those that end and those that go on, as many as there are beams;
 * false: none goes on. */
static bool take_step(Beams *b, int64_t n, bool last, int32_t *from)
{
    const Writing *t = b->t;
    const int64_t batch = t->d->batch;
    int64_t n_next = 0;
    for (int64_t i = 0; i < n && n_next < batch; i++) {
        const ScoredToken *s = &t->scratch[i];
        if (token_is_end(t->o, s->id) || last) {
            if (i < batch) end_beam(b, s);
            continue;
        }
        from[n_next] = s->row;
        t->token[n_next] = s->id;
        continue_beam(b, &b->next[n_next++], s);
    }
    /* fewer continuations than beams: a vocabulary smaller than that */
    for (int64_t i = n_next; n_next > 0 && i < batch; i++) {
        from[i] = from[0];
        t->token[i] = t->token[0];
        continue_beam(b, &b->next[i], &t->scratch[0]);
        b->next[i].score = -1e30;
    }
    return n_next > 0;
}

static Beam *new_beams(const Writing *t, int64_t n)
{
    Beam *list = arena_new_array(t->arena, Beam, n);
    for (int64_t i = 0; i < n; i++) {
        list[i].all = arena_new_array(t->arena, int32_t, t->width);
        memcpy(list[i].all, t->all, sizeof(int32_t) * (size_t)t->before[0]);
    }
    return list;
}

static void give(const Beams *b)
{
    Generated *out = b->t->out;
    for (int64_t i = 0; i < b->n_ended; i++) {
        const Beam *beam = &b->ended[i];
        out->n[i] = beam->n;
        memcpy(out->tokens + i * out->room, beam->all + b->before,
               sizeof(int32_t) * (size_t)beam->n);
        if (out->log_probability) out->log_probability[i] = beam->sum;
    }
}

void generate_beams(Writing *t)
{
    Beams b = {.t = t, .before = t->before[0]};
    const int64_t batch = t->d->batch, max = t->limit[0];
    b.going = new_beams(t, batch);
    b.next = new_beams(t, batch);
    b.ended = new_beams(t, batch + 1);
    b.plain = arena_new_array(t->arena, float, t->d->vocabulary);
    int32_t *from = arena_new_array(t->arena, int32_t, batch);
    const float *logits = read_prompt(&b);
    for (int64_t step = 0; step < max; step++) {
        const int64_t n = continuations(&b, logits, step == 0 ? 1 : batch);
        if (!take_step(&b, n, step + 1 == max, from) || is_over(&b, b.next[0].score, step + 1))
            break;
        Beam *going = b.going;
        b.going = b.next;
        b.next = going;
        decoder_choose(t->d, from);
        logits = decoder_step(t->d, t->token);
    }
    give(&b);
}
