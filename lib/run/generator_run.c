/* generator_run -- many prompts, some at once; see generator.h. */
#include "run/generator.h"

#include <string.h>

/* One call of generator_run. */
typedef struct Work {
    Generator *g;
    const GenerateOptions *o;
    const Prompt *prompts;
    int64_t n_prompts, rows; /* rows: of the decoder */
    Decoder decoder;
    Generated out;
    Prompt *row;     /* what each begins with */
    int32_t *source; /* the longest source: others are filled up to it */
    Arena *arena;
} Work;

static int64_t longest(const Work *w)
{
    int64_t n = 0;
    for (int64_t i = 0; i < w->n_prompts; i++)
        if (w->prompts[i].n > n) n = w->prompts[i].n;
    return n;
}

/* Of what may be written, and of that with the prompt, the most. */
static void measure(const Work *w, int64_t *room, int64_t *steps)
{
    const bool source = generator_has_source(w->g);
    *room = *steps = 1;
    for (int64_t i = 0; i < w->n_prompts; i++) {
        const int64_t limit = generate_limit(w->o, w->prompts[i].n, source);
        const int64_t all = (source ? 1 : w->prompts[i].n) + limit - 1;
        if (limit > *room) *room = limit;
        if (all > *steps) *steps = all;
    }
}

static bool start(Work *w, int64_t side_by_side, bool log_probability, Error *err)
{
    const GenerateOptions *o = w->o;
    ModelBuild like = w->g->like;
    int64_t steps;
    const int64_t all = w->n_prompts * o->num_return_sequences;
    if (o->num_beams > 1 && o->num_return_sequences > o->num_beams)
        return fail(err, FAIL_CONFIG, NULL, "num_return_sequences = %lld of num_beams = %lld",
                    (long long)o->num_return_sequences, (long long)o->num_beams);
    if (o->num_beams == 1 && !o->do_sample && o->num_return_sequences > 1)
        return fail(err, FAIL_CONFIG, NULL,
                    "num_return_sequences = %lld without do_sample or beams: all would be the same",
                    (long long)o->num_return_sequences);
    w->rows = o->num_beams > 1             ? o->num_beams
              : generator_has_source(w->g) ? o->num_return_sequences
              : all < side_by_side         ? all
                                           : side_by_side;
    measure(w, &w->out.room, &steps);
    if (generator_has_source(w->g)) like.task.source_steps = longest(w);
    w->source = arena_new_array(w->arena, int32_t, longest(w) + 1);
    w->row = arena_new_array(w->arena, Prompt, w->rows);
    w->out.tokens = arena_new_array(w->arena, int32_t, w->rows * w->out.room);
    w->out.n = arena_new_array(w->arena, int64_t, w->rows);
    if (log_probability) w->out.log_probability = arena_new_array(w->arena, double, w->rows);
    return decoder_new(&w->decoder, w->g->model, w->g->model_options, &like, w->rows, steps, err);
}

static void give(const Work *w, int64_t row, int64_t text, const GeneratorSink *sink)
{
    const int32_t *tokens = w->out.tokens + row * w->out.room;
    const int64_t each = w->o->num_return_sequences, n = w->out.n[row];
    const GeneratedText given = {.prompt = text / each,
                                 .sequence = text % each,
                                 .tokens = tokens,
                                 .n = n,
                                 .log_probability =
                                     w->out.log_probability ? w->out.log_probability[row] : 0,
                                 .ended = n > 0 && token_is_end(w->o, tokens[n - 1])};
    sink->text(sink->owner, &given);
}

/* All rows are one prompt's. */
static bool one_prompt(Work *w, int64_t i, const GeneratorSink *sink, Error *err)
{
    const int64_t each = w->o->num_return_sequences;
    Prompt p = w->prompts[i];
    if (w->decoder.source_steps > p.n) {
        if (w->g->padding < 0)
            return fail(err, FAIL_CONFIG, NULL,
                        "sources of %lld and %lld tokens: the model has no padding", (long long)p.n,
                        (long long)w->decoder.source_steps);
        for (int64_t k = 0; k < w->decoder.source_steps; k++)
            w->source[k] = k < p.n ? p.tokens[k] : w->g->padding;
        p = (Prompt){w->source, w->decoder.source_steps};
    }
    w->out.first_row = i * each;
    TRY(generate(&w->decoder, w->o, &p, &w->out, err));
    for (int64_t k = 0; k < each; k++) give(w, k, i * each + k, sink);
    return true;
}

/* Rows that are left over at the end repeat the last text. */
static bool some_prompts(Work *w, int64_t from, const GeneratorSink *sink, Error *err)
{
    const int64_t each = w->o->num_return_sequences, all = w->n_prompts * each;
    for (int64_t k = 0; k < w->rows; k++)
        w->row[k] = w->prompts[(from + k < all ? from + k : all - 1) / each];
    w->out.first_row = from;
    TRY(generate(&w->decoder, w->o, w->row, &w->out, err));
    for (int64_t k = 0; k < w->rows && from + k < all; k++) give(w, k, from + k, sink);
    return true;
}

bool generator_run(Generator *g, const GenerateOptions *o, const Prompt prompts[],
                   int64_t n_prompts, int64_t side_by_side, const GeneratorSink *sink, Error *err)
{
    Work w = {.g = g, .o = o, .prompts = prompts, .n_prompts = n_prompts, .arena = arena_new()};
    bool ok = start(&w, side_by_side, sink->log_probability, err);
    const bool one = o->num_beams > 1 || generator_has_source(g);
    if (sink->token && w.rows == 1) {
        w.out.token = sink->token;
        w.out.owner = sink->owner;
    }
    for (int64_t i = 0; ok && one && i < n_prompts; i++) ok = one_prompt(&w, i, sink, err);
    for (int64_t i = 0; ok && !one && i < n_prompts * o->num_return_sequences; i += w.rows)
        ok = some_prompts(&w, i, sink, err);
    if (w.decoder.plan) decoder_free(&w.decoder);
    arena_free(w.arena);
    return ok;
}
