/* llama2c -- the published 260k-parameter model, imported, against what the reference program
 * prints of it (expected_greedy.tsv beside the data), and files that are none. */
#include "tests/hf.h"
#include "tests/test.h"

#include "base/realmath.h"
#include "io/file.h"
#include "nn/generate.h"
#include "nn/hf_dir.h"
#include "nn/llama2c.h"
#include "tokenizer/tokenizer.h"

#include <math.h>
#include <string.h>

enum { STEPS = 512, VOCABULARY = 512 };

typedef struct Expected {
    int n;
    int32_t id[STEPS], best[STEPS];
    double max[STEPS], first[STEPS], last[STEPS], log_sum[STEPS];
} Expected;

static bool read_expected(Expected *e)
{
    const char *path = test_shared("data/tinyllama_260k/expected_greedy.tsv");
    FILE *f = path ? fopen(path, "r") : NULL;
    char line[256];
    *e = (Expected){0};
    if (!f) return false;
    while (fgets(line, sizeof line, f)) {
        int pos, id, best, i = e->n;
        if (i == STEPS || sscanf(line, "%d\t%d\t%d\t%lf\t%lf\t%lf\t%lf", &pos, &id, &best,
                                 &e->max[i], &e->first[i], &e->last[i], &e->log_sum[i]) != 7)
            continue;
        e->id[i] = id;
        e->best[i] = best;
        e->n++;
    }
    (void)fclose(f);
    return e->n > 0;
}

/* The folder that `file` of the shared data becomes, built and run on the tokens. */
static TestHf imported(const char *file, const int32_t *ids, int64_t n)
{
    Error err = {0};
    TestHf m = {.arena = arena_new()};
    char folder[512];
    (void)snprintf(folder, sizeof folder, "%s/model", test_folder());
    ASSERT_OK(llama2c_convert(test_shared(file), folder, &err), &err);
    Yaml *y;
    ASSERT_OK(hf_dir_config(folder, m.arena, &m.model, &y, &err), &err);
    m.options = arena_alloc(m.arena, m.model->options.bytes);
    ASSERT_OK(option_read(&m.model->options, y, NULL, "here", m.options, &err), &err);
    m.build.task = (Task){.per_step = true,
                          .causal = true,
                          .dtype = I32,
                          .n_tokens = VOCABULARY,
                          .n_classes = VOCABULARY,
                          .sample = shape(1, n)};
    StTensor *input = arena_new_array(m.arena, StTensor, 1);
    *input = (StTensor){
        .dtype = ST_I32, .rank = 2, .dim = {1, n},
                .data = ids
    };
    m.input = input;
    test_hf_run(&m, folder);
    return m;
}

static double log_sum(const float *x)
{
    double max = -1e30, sum = 0;
    for (int i = 0; i < VOCABULARY; i++) max = (double)x[i] > max ? (double)x[i] : max;
    for (int i = 0; i < VOCABULARY; i++) sum += real_exp((double)x[i] - max);
    return max + real_log(sum);
}

static int best_of(const float *x)
{
    int best = 0;
    for (int i = 1; i < VOCABULARY; i++)
        if (x[i] > x[best]) best = i;
    return best;
}

static void greedy_is(const char *file)
{
    static Expected e;
    if (!read_expected(&e)) skip();
    TestHf m = imported(file, e.id, e.n);
    for (int i = 0; i < e.n; i++) {
        const float *x = m.logits + (size_t)i * VOCABULARY;
        assert_int_equal(best_of(x), e.best[i]);
        assert_true(fabs((double)x[e.best[i]] - e.max[i]) < 1e-4);
        assert_true(fabs((double)x[0] - e.first[i]) < 1e-4);
        assert_true(fabs((double)x[VOCABULARY - 1] - e.last[i]) < 1e-4);
        assert_true(fabs(log_sum(x) - e.log_sum[i]) < 1e-4);
    }
    test_hf_free(&m);
}

TEST(llama2c, legacy_file_gives_the_reference_programs_greedy_ids_and_logits)
{
    greedy_is("data/tinyllama_260k/stories260K.bin");
}

TEST(llama2c, version_1_file_gives_the_same)
{
    greedy_is("data/tinyllama_260k/stories260K_v1.bin");
}

/* MANIFEST.md: 0.686628 nats a token. */
TEST(llama2c, loss_of_a_text_is_the_references)
{
    static const int32_t ids[] = {1,   403, 407, 261, 378, 432, 383, 286, 261, 376, 400, 428,
                                  395, 392, 412, 444, 426, 392, 412, 444, 397, 355, 267, 352,
                                  379, 322, 265, 282, 295, 433, 335, 345, 374, 426};
    enum { N = sizeof ids / sizeof ids[0] };
    if (!test_shared("data/tinyllama_260k/stories260K.bin")) skip();
    TestHf m = imported("data/tinyllama_260k/stories260K.bin", ids, N);
    double sum = 0;
    for (int i = 0; i + 1 < N; i++) {
        const float *x = m.logits + (size_t)i * VOCABULARY;
        sum += log_sum(x) - (double)x[ids[i + 1]];
    }
    assert_true(fabs(sum / (N - 1) - 0.686628) < 2e-6);
    test_hf_free(&m);
}

/* The ids are MANIFEST.md's. */
TEST(llama2c, tokenizer_of_the_written_folder_encodes_as_the_program)
{
    static const char text[] = "Once upon a time, there was a little dog named Max.";
    static const int32_t want[] = {1,   403, 407, 261, 378, 432, 383, 286, 261,
                                   376, 400, 428, 395, 392, 412, 444, 426};
    enum { N = sizeof want / sizeof want[0] };
    const char *from = test_shared("data/tinyllama_260k/tok512.bin");
    Error err = {0};
    Tokenizer *t;
    TokenIds ids;
    char folder[512], path[600];
    if (!from) skip();
    (void)snprintf(folder, sizeof folder, "%s/made", test_folder());
    (void)snprintf(path, sizeof path, "%s/tokenizer.json", folder);
    ASSERT_OK(llama2c_tokenizer(from, folder, &err), &err);
    ASSERT_OK(tokenizer_open(&t, path, &err), &err);
    TokenEncoder *e = token_encoder_new(t);
    ASSERT_OK(token_encode(e, text, sizeof text - 1, true, &ids, &err), &err);
    assert_int_equal(ids.n, N);
    assert_memory_equal(ids.ids, want, sizeof want);
    token_encoder_free(e);
    tokenizer_free(t);
}

static void is_refused(const void *bytes, size_t n, const char *text)
{
    Error err = {0};
    char path[512];
    (void)snprintf(path, sizeof path, "%s/model.bin", test_folder());
    ASSERT_OK(file_replace(path, bytes, n, &err), &err);
    Arena *a = arena_new();
    Params *params = params_new(a);
    Yaml *y;
    ASSERT_FAILS(llama2c_read(path, a, &y, params, &err), &err, FAIL_DATA, text);
    params_free(params);
    arena_free(a);
}

TEST(llama2c, file_without_a_header_is_refused)
{
    is_refused("short", 5, "model.bin: is too short for a llama2.c checkpoint");
}

TEST(llama2c, file_that_ends_early_says_what_its_header_wants)
{
    /* 4 floats of table, 2 + 2 of norms, 4 * 4 of attention, 3 * 6 of mlp, 2 of norm, 2 of turns */
    static const int32_t header[] = {2, 3, 1, 1, 1, 2, 1};
    is_refused(header, sizeof header, "model.bin: 28 bytes; its header wants 212");
}

TEST(llama2c, version_2_is_refused)
{
    int32_t header[64] = {0x616b3432, 2};
    is_refused(header, sizeof header, "a llama2.c checkpoint of version 2; 0 and 1 are read");
}

TEST(llama2c, heads_that_do_not_divide_the_width_are_refused)
{
    static const int32_t header[] = {10, 3, 1, 3, 1, 2, 1};
    is_refused(header, sizeof header, "is no llama2.c checkpoint: 1 layers of width 10 with 3");
}

TEST(llama2c, greedy_text_behind_a_cache_is_the_reference_programs)
{
    static Expected e;
    Error err = {0};
    Decoder d;
    int32_t tokens[STEPS];
    int64_t n;
    const Prompt prompt = {e.id, 1};
    Generated out = {.tokens = tokens, .n = &n, .room = STEPS};
    if (!read_expected(&e)) skip();
    TestHf m = imported("data/tinyllama_260k/stories260K.bin", e.id, 1);
    const GenerateOptions o = {.max_new_tokens = e.n, .num_beams = 1, .repetition_penalty = 1};
    ASSERT_OK(decoder_new(&d, m.model, m.options, &m.build, 1, e.n, &err), &err);
    ASSERT_OK(generate(&d, &o, &prompt, &out, &err), &err);
    assert_int_equal(n, e.n);
    for (int i = 0; i < e.n; i++) assert_int_equal(tokens[i], e.best[i]);
    decoder_free(&d);
    test_hf_free(&m);
}
