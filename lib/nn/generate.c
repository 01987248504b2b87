/* generate -- see generate.h. */
#include "nn/generate.h"

#include "base/pcg.h"
#include "base/realmath.h"

#include <stdlib.h>
#include <string.h>

// clang-format off
static const Option rows[] = {
    OPT_INT(GenerateOptions, max_new_tokens, 20, 1, 1e8, "tokens after the prompt, at most"),
    OPT_BOOL(GenerateOptions, do_sample, false, "draw the next token; false: take the likeliest"),
    OPT_REAL(GenerateOptions, temperature, 1, 1e-6, 1e6, "of draws: logits are divided by it"),
    OPT_INT(GenerateOptions, top_k, 50, 0, 1e8, "of draws: only so many of the likeliest; 0: all"),
    OPT_REAL(GenerateOptions, top_p, 1, 0, 1, "of draws: only the likeliest that together have this probability"),
    OPT_INT(GenerateOptions, num_beams, 1, 1, 1024, "sequences followed side by side; 1: no beams"),
    OPT_REAL(GenerateOptions, length_penalty, 1, -100, 100, "of beams: the power of the length that a sum of log-probabilities is divided by"),
    OPT_BOOL(GenerateOptions, early_stopping, false, "of beams: stop as soon as num_beams sequences have ended"),
    OPT_INT(GenerateOptions, eos_token_id, -1, -1, 1e8, "the token that ends a sequence; -1: none"),
    OPT_INT(GenerateOptions, decoder_start_token_id, 0, 0, 1e8, "of models with a source: the first token of the target"),
    OPT_INT(GenerateOptions, seed, 1, 0, 9007199254740991, "of draws"),
};
// clang-format on
const OptionTable generate_option_table = OPTION_TABLE(GenerateOptions, rows);

/* -- One token */

/* Best first; of equals the lower row, then the lower id. */
static bool better(const ScoredToken *a, const ScoredToken *b)
{
    if (a->score != b->score) return a->score > b->score;
    return a->row != b->row ? a->row < b->row : a->id < b->id;
}

static int by_score(const void *a, const void *b)
{
    return better(a, b) ? -1 : better(b, a);
}

static int32_t likeliest(const float *logits, int64_t n)
{
    int32_t best = 0;
    for (int64_t i = 1; i < n; i++)
        if (logits[i] > logits[best]) best = (int32_t)i;
    return best;
}

int32_t generate_draw(const float *logits, int64_t n, const GenerateOptions *o, float uniform,
                      ScoredToken *s)
{
    double sum = 0, kept = 0;
    for (int64_t i = 0; i < n; i++)
        s[i] = (ScoredToken){(double)logits[i] / o->temperature, 0, (int32_t)i};
    qsort(s, (size_t)n, sizeof *s, by_score);
    const int64_t k = o->top_k > 0 && o->top_k < n ? o->top_k : n;
    const double largest = s[0].score;
    for (int64_t i = 0; i < k; i++) sum += s[i].score = real_exp(s[i].score - largest);
    int64_t m = 0;
    while (m < k && (m == 0 || kept < o->top_p * sum)) kept += s[m++].score;
    double left = (double)uniform * kept;
    for (int64_t i = 0; i < m; i++)
        if ((left -= s[i].score) < 0) return s[i].id;
    return s[m - 1].id;
}

/* -- The loop */

typedef struct Beam {
    double score; /* sum of log-probabilities; when ended, over length ^ length_penalty */
    int64_t n;
    int32_t *tokens; /* max_new_tokens */
} Beam;

typedef struct Writing {
    Decoder *d;
    const GenerateOptions *o;
    Arena *arena;
    ScoredToken *scratch; /* vocabulary, or 2 num_beams and one */
    int32_t *token;       /* of each sequence */
    Beam *going, *next, *ended;
    int64_t n_ended;
} Writing;

/* The logits after the prompt. */
static const float *read_prompt(const Writing *t, const int32_t *prompt, int64_t n)
{
    const float *logits = NULL;
    const int32_t start = (int32_t)t->o->decoder_start_token_id;
    const bool source = t->d->source_steps > 0;
    decoder_start(t->d, prompt);
    for (int64_t i = 0; i < (source ? 1 : n); i++) {
        for (int64_t j = 0; j < t->d->batch; j++) t->token[j] = source ? start : prompt[i];
        logits = decoder_step(t->d, t->token);
    }
    return logits;
}

static int32_t next_token(const Writing *t, const float *logits, int64_t step, int64_t row)
{
    const GenerateOptions *o = t->o;
    if (!o->do_sample) return likeliest(logits, t->d->vocabulary);
    Pcg rng = pcg_stream((uint64_t)o->seed, "sample", (uint64_t)step, (uint64_t)row);
    return generate_draw(logits, t->d->vocabulary, o, pcg_uniform(&rng), t->scratch);
}

static void each_alone(const Writing *t, const float *logits, int32_t *out, int64_t *n_out)
{
    const int64_t batch = t->d->batch, max = t->o->max_new_tokens;
    const int32_t end = (int32_t)t->o->eos_token_id;
    int64_t n_going = batch;
    for (int64_t i = 0; i < batch; i++) n_out[i] = 0;
    for (int64_t step = 0; step < max; step++) {
        for (int64_t i = 0; i < batch; i++) {
            const bool over = n_out[i] < step;
            t->token[i] = over ? end : next_token(t, logits + i * t->d->vocabulary, step, i);
            if (over) continue;
            out[i * max + n_out[i]++] = t->token[i];
            n_going -= t->token[i] == end;
        }
        if (n_going == 0 || step + 1 == max) return;
        logits = decoder_step(t->d, t->token);
    }
}

/* -- Beams */

/* Puts one more into the best `max`, sorted; the list has room for one more than that. */
static int put_in(ScoredToken *list, int n, int max, ScoredToken new)
{
    int at = n;
    while (at > 0 && better(&new, &list[at - 1])) {
        list[at] = list[at - 1];
        at--;
    }
    if (at < max) list[at] = new;
    return n < max ? n + 1 : max;
}

/* The 2 num_beams best continuations. */
static int continuations(const Writing *t, const float *logits, int64_t n_rows)
{
    const int64_t n = t->d->vocabulary;
    const int max = 2 * (int)t->d->batch;
    int n_best = 0;
    for (int64_t row = 0; row < n_rows; row++, logits += n) {
        const double largest = (double)logits[likeliest(logits, n)];
        double sum = 0;
        for (int64_t i = 0; i < n; i++) sum += real_exp((double)logits[i] - largest);
        const double base = t->going[row].score - largest - real_log(sum);
        for (int64_t i = 0; i < n; i++) {
            const ScoredToken new = {base + (double)logits[i], (int32_t)row, (int32_t)i};
            if (n_best == max && !better(&new, &t->scratch[n_best - 1])) continue;
            n_best = put_in(t->scratch, n_best, max, new);
        }
    }
    return n_best;
}

static void continue_beam(const Writing *t, Beam *to, const ScoredToken *s)
{
    const Beam *from = &t->going[s->row];
    memcpy(to->tokens, from->tokens, sizeof(int32_t) * (size_t)from->n);
    to->tokens[from->n] = s->id;
    to->n = from->n + 1;
    to->score = s->score;
}

static double penalised(const Writing *t, double score, int64_t length)
{
    return score / real_pow((double)length, t->o->length_penalty);
}

/* Keeps the best, from the best on; the place behind the last is the new one's. */
static void end_beam(Writing *t, const ScoredToken *s)
{
    Beam *list = t->ended, *last = &list[t->n_ended];
    continue_beam(t, last, s);
    last->score = penalised(t, last->score, last->n);
    for (int64_t at = t->n_ended; at > 0 && list[at].score > list[at - 1].score; at--) {
        const Beam beam = list[at];
        list[at] = list[at - 1];
        list[at - 1] = beam;
    }
    if (t->n_ended < t->d->batch) t->n_ended++;
}

/* True when nothing that still goes on can come before the ended ones. */
static bool is_over(const Writing *t, double best, int64_t length)
{
    if (t->n_ended < t->d->batch) return false;
    return t->o->early_stopping || t->ended[t->n_ended - 1].score >= penalised(t, best, length);
}

static void beams(Writing *t, const float *logits, int32_t *out, int64_t *n_out)
{
    const int64_t batch = t->d->batch, max = t->o->max_new_tokens;
    int32_t *from = arena_new_array(t->arena, int32_t, batch);
    for (int64_t step = 0; step < max; step++) {
        const int n = continuations(t, logits, step == 0 ? 1 : batch);
        int64_t n_next = 0;
        for (int i = 0; i < n && n_next < batch; i++) {
            const ScoredToken *s = &t->scratch[i];
            if (s->id == t->o->eos_token_id || step + 1 == max) {
                if (i < batch) end_beam(t, s);
                continue;
            }
            from[n_next] = s->row;
            t->token[n_next] = s->id;
            continue_beam(t, &t->next[n_next++], s);
        }
        /* fewer continuations than beams: a vocabulary smaller than that */
        for (int64_t i = n_next; n_next > 0 && i < batch; i++) {
            from[i] = from[0];
            t->token[i] = t->token[0];
            continue_beam(t, &t->next[i], &t->scratch[0]);
            t->next[i].score = -1e30;
        }
        if (n_next == 0 || is_over(t, t->next[0].score, step + 1)) break;
        Beam *going = t->going;
        t->going = t->next;
        t->next = going;
        decoder_choose(t->d, from);
        logits = decoder_step(t->d, t->token);
    }
    for (int64_t i = 0; i < batch; i++) {
        n_out[i] = i < t->n_ended ? t->ended[i].n : 0;
        memcpy(out + i * max, t->ended[i].tokens, sizeof(int32_t) * (size_t)n_out[i]);
    }
}

static Beam *new_beams(const Writing *t, int64_t n)
{
    Beam *list = arena_new_array(t->arena, Beam, n);
    for (int64_t i = 0; i < n; i++)
        list[i].tokens = arena_new_array(t->arena, int32_t, t->o->max_new_tokens);
    return list;
}

static bool check_tokens(const Decoder *d, const int32_t *token, int64_t n, Error *err)
{
    for (int64_t i = 0; i < n; i++)
        if (token[i] < 0 || token[i] >= d->vocabulary)
            return fail(err, FAIL_RUN, NULL, "token %d: the model has %lld, from 0", token[i],
                        (long long)d->vocabulary);
    return true;
}

bool generate(Decoder *d, const GenerateOptions *o, const int32_t *prompt, int64_t n_prompt,
              int32_t *out, int64_t *n_out, Error *err)
{
    const int64_t before = d->source_steps > 0 ? 1 : n_prompt;
    if (n_prompt < 1 || (d->source_steps > 0 && n_prompt != d->source_steps))
        return fail(err, FAIL_RUN, NULL, "a prompt of %lld tokens", (long long)n_prompt);
    if (before + o->max_new_tokens - 1 > d->max_steps)
        return fail(err, FAIL_RUN, NULL, "%lld tokens after %lld: there is room for %lld",
                    (long long)o->max_new_tokens, (long long)before, (long long)d->max_steps);
    if (o->num_beams > 1 && o->num_beams != d->batch)
        return fail(err, FAIL_RUN, NULL, "%lld beams in %lld sequences", (long long)o->num_beams,
                    (long long)d->batch);
    const int32_t start = (int32_t)o->decoder_start_token_id;
    TRY(check_tokens(d, prompt, n_prompt, err));
    TRY(check_tokens(d, &start, d->source_steps > 0, err));
    Writing t = {.d = d, .o = o, .arena = arena_new()};
    const int64_t n_best = 2 * d->batch + 1;
    t.scratch = arena_new_array(t.arena, ScoredToken, d->vocabulary + n_best);
    t.token = arena_new_array(t.arena, int32_t, d->batch);
    const float *logits = read_prompt(&t, prompt, n_prompt);
    if (o->num_beams > 1) {
        t.going = new_beams(&t, d->batch);
        t.next = new_beams(&t, d->batch);
        t.ended = new_beams(&t, d->batch + 1);
        beams(&t, logits, out, n_out);
    } else {
        each_alone(&t, logits, out, n_out);
    }
    arena_free(t.arena);
    return true;
}
