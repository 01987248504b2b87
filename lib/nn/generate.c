/* generate -- see generate.h. This file: one sequence a row; beams are in generate_beams.c. */
#include "nn/generate_parts.h"

#include "base/pcg.h"

int64_t generate_limit(const GenerateOptions *o, int64_t n_prompt, bool source)
{
    return o->max_length > 0 ? o->max_length - (source ? 1 : n_prompt) : o->max_new_tokens;
}

/* Everything that the row's sequence has: the prompt, or of a target its first token, and what was
 * written. */
static TokenHistory history_of(const Writing *t, int64_t row)
{
    const int64_t n = t->before[row] + t->out->n[row];
    return (TokenHistory){t->all + row * t->width, n, t->out->n[row]};
}

static int32_t next_token(const Writing *t, const float *logits, int64_t row)
{
    const GenerateOptions *o = t->o;
    const int64_t n = t->d->vocabulary;
    if (token_adjusts(o)) {
        token_adjust(t->adjusted, logits, n, history_of(t, row), o);
        logits = t->adjusted;
    }
    if (!o->do_sample) return token_likeliest(logits, n);
    Pcg rng = pcg_stream((uint64_t)o->seed, "sample", (uint64_t)t->out->n[row],
                         (uint64_t)(t->out->first_row + row));
    return token_draw(logits, n, o, pcg_uniform(&rng), t->scratch);
}

/* Writes the row's next token; false when it was the last. */
static bool write_token(const Writing *t, const float *logits, int64_t row)
{
    Generated *out = t->out;
    const int32_t id = next_token(t, logits, row);
    if (out->log_probability)
        out->log_probability[row] += (double)logits[id] - token_log_sum(logits, t->d->vocabulary);
    t->all[row * t->width + t->before[row] + out->n[row]] = id;
    out->tokens[row * out->room + out->n[row]++] = id;
    if (out->token) out->token(out->owner, row, id);
    return out->n[row] < t->limit[row] && !token_is_end(t->o, id);
}

/* Rows that are over are given their last token again and again. */
static void each_alone(const Writing *t)
{
    const int64_t batch = t->d->batch;
    int64_t n_going = batch;
    bool *over = arena_new_array(t->arena, bool, batch);
    for (int64_t step = 0; n_going > 0; step++) {
        for (int64_t i = 0; i < batch; i++) {
            const int64_t n = t->before[i] + t->out->n[i];
            t->token[i] = t->all[i * t->width + (step < n ? step : n - 1)];
        }
        const float *logits = decoder_step(t->d, t->token);
        for (int64_t i = 0; i < batch; i++) {
            if (over[i] || step + 1 < t->before[i]) continue;
            over[i] = !write_token(t, logits + i * t->d->vocabulary, i);
            n_going -= over[i];
        }
    }
}

/* -- Mistakes */

static bool check_tokens(const Decoder *d, const int32_t *token, int64_t n, Error *err)
{
    for (int64_t i = 0; i < n; i++)
        if (token[i] < 0 || token[i] >= d->vocabulary)
            return fail(err, FAIL_RUN, NULL, "token %d: the model has %lld, from 0", token[i],
                        (long long)d->vocabulary);
    return true;
}

static bool check_prompt(const Decoder *d, const GenerateOptions *o, const Prompt *p,
                         const Generated *out, Error *err)
{
    const bool source = d->source_steps > 0;
    const int64_t before = source ? 1 : p->n, limit = generate_limit(o, p->n, source);
    if (p->n < 1 || (source && p->n != d->source_steps))
        return fail(err, FAIL_RUN, NULL, "a prompt of %lld tokens", (long long)p->n);
    if (limit < 1)
        return fail(err, FAIL_RUN, NULL, "a prompt of %lld tokens, and max_length = %lld",
                    (long long)before, (long long)o->max_length);
    if (before + limit - 1 > d->max_steps || limit > out->room)
        return fail(err, FAIL_RUN, NULL, "%lld tokens after %lld: there is room for %lld",
                    (long long)limit, (long long)before,
                    (long long)(limit > out->room ? out->room : d->max_steps));
    return check_tokens(d, p->tokens, p->n, err);
}

static bool check(const Decoder *d, const GenerateOptions *o, const Prompt prompt[],
                  const Generated *out, Error *err)
{
    const int32_t start = (int32_t)o->decoder_start_token_id;
    if (o->num_beams > 1 && o->do_sample)
        return fail(err, FAIL_CONFIG, NULL, "do_sample with num_beams = %lld: beams are not drawn",
                    (long long)o->num_beams);
    if (o->num_beams > 1 && o->num_beams != d->batch)
        return fail(err, FAIL_RUN, NULL, "%lld beams in %lld sequences", (long long)o->num_beams,
                    (long long)d->batch);
    TRY(check_tokens(d, &start, d->source_steps > 0, err));
    const bool one = o->num_beams > 1 || d->source_steps > 0;
    for (int64_t i = 0; i < (one ? 1 : d->batch); i++)
        TRY(check_prompt(d, o, &prompt[i], out, err));
    return true;
}

/* -- The whole */

static void start(Writing *t, const Prompt prompt[])
{
    const Decoder *d = t->d;
    const GenerateOptions *o = t->o;
    const bool source = d->source_steps > 0, one = source || o->num_beams > 1;
    const int64_t batch = d->batch, n_best = 2 * batch + 1;
    t->width = d->max_steps + 1;
    t->all = arena_new_array(t->arena, int32_t, batch * t->width);
    t->before = arena_new_array(t->arena, int64_t, batch);
    t->limit = arena_new_array(t->arena, int64_t, batch);
    t->token = arena_new_array(t->arena, int32_t, batch);
    t->scratch = arena_new_array(t->arena, ScoredToken, d->vocabulary + n_best);
    t->adjusted = arena_new_array(t->arena, float, d->vocabulary);
    for (int64_t i = 0; i < batch; i++) {
        const Prompt *p = &prompt[one ? 0 : i];
        int32_t *to = t->all + i * t->width;
        *to = (int32_t)o->decoder_start_token_id;
        if (!source) memcpy(to, p->tokens, sizeof *to * (size_t)p->n);
        t->before[i] = source ? 1 : p->n;
        t->limit[i] = generate_limit(o, p->n, source);
        t->out->n[i] = 0;
        if (t->out->log_probability) t->out->log_probability[i] = 0;
    }
    decoder_start(t->d, prompt->tokens);
}

bool generate(Decoder *d, const GenerateOptions *o, const Prompt prompt[], Generated *out,
              Error *err)
{
    TRY(check(d, o, prompt, out, err));
    Writing t = {.d = d, .o = o, .out = out, .arena = arena_new()};
    start(&t, prompt);
    if (o->num_beams > 1)
        generate_beams(&t);
    else
        each_alone(&t);
    arena_free(t.arena);
    return true;
}
