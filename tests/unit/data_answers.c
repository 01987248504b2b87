/* text_to_text, arithmetic, and texts by a tokenizer. Ids are those that transformers 5.24's
 * PreTrainedTokenizerFast gives with the tokenizers of tests/golden/tokenizer. */
#include "io/file.h"
#include "tests/test.h"
#include "tests/unit/data_open.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 4096, STEPS = 64 };
#define TOKENIZER "tests/golden/tokenizer/"
#define N(list)   ((int)(sizeof(list) / sizeof *(list)))

/* A set whose train_file is this text, called train.json or so; `options` follow. */
static Opened *open_file(const char *kind, const char *name, const char *text, const char *options)
{
    char path[ROOM], yaml[2 * ROOM];
    Error err = {0};
    (void)snprintf(path, sizeof path, "%s/%s", test_folder(), name);
    ASSERT_OK(file_replace(path, text, strlen(text), &err), &err);
    (void)snprintf(yaml, sizeof yaml, "{name: %s, train_file: %s, %s}", kind, path, options);
    return opened_new(yaml, "", SPLITS_ALL);
}

static Opened *open_json(const char *text, const char *options)
{
    return open_file("text_to_text", "train.jsonl", text, options);
}

static void fails(const char *name, const char *text, const char *options, FailKind kind,
                  const char *message)
{
    Opened *o = open_file("text_to_text", name, text, options);
    ASSERT_FAILS(o->ok, &o->err, kind, message);
    opened_free(o);
}

/* The labels of the last n_asked of an example's labels; before them and behind them nothing is
 * asked. */
static void x_is(const Opened *o, int64_t i, const int32_t *x, int n)
{
    int32_t got[STEPS], label[STEPS];
    ASSERT_OK(o->ok, &o->err);
    assert_int_equal(shape_count(&o->data.task.sample), n);
    dataset_example(&o->data, SPLIT_TRAIN, i, false, 0, 0, got, label);
    for (int t = 0; t < n; t++) assert_int_equal(got[t], x[t]);
}

static void labels_are(const Opened *o, int64_t i, const int32_t *label, int n)
{
    int32_t x[STEPS], got[STEPS];
    ASSERT_OK(o->ok, &o->err);
    assert_int_equal(task_n_labels(&o->data.task), n);
    dataset_example(&o->data, SPLIT_TRAIN, i, false, 0, 0, x, got);
    for (int t = 0; t < n; t++) assert_int_equal(got[t], label[t]);
}

/* -- What is asked */

#define B(c) ((c) + 1) /* a byte's id */

TEST(text_to_text, only_the_response_is_asked)
{
    static const int32_t x[] = {B('a'), B('b'), B('>'), B('x'), B('y'), 0, 0};
    static const int32_t label[] = {-1, -1, B('x'), B('y'), 257, -1, -1};
    Opened *o = open_json("{\"q\": \"ab\", \"a\": \"xy\"}\n",
                          "prompt: '{q}>', response: '{a}', max_length: 7");
    x_is(o, 0, x, N(x));
    labels_are(o, 0, label, N(label));
    assert_int_equal(o->data.task.n_tokens, 258);
    assert_true(o->data.task.causal && o->data.task.answer);
    opened_free(o);
}

TEST(text_to_text, without_an_end_the_last_byte_is_the_last_label)
{
    static const int32_t label[] = {-1, B('x'), -1};
    Opened *o = open_json("{\"prompt\": \"ab\", \"response\": \"x\"}", "eos: false, max_length: 3");
    labels_are(o, 0, label, N(label));
    assert_int_equal(o->data.task.n_tokens, 257);
    opened_free(o);
}

/* The end of the response but for one token, then the start of the prompt. */
TEST(text_to_text, what_is_too_long_keeps_the_prompts_end_and_the_responses_start)
{
    static const int32_t x[] = {B('c'), B('d'), B('e')}, label[] = {-1, -1, B('x')};
    static const int32_t short_x[] = {B('a'), B('x'), B('y')},
                         short_label[] = {B('x'), B('y'), B('z')};
    Opened *o = open_json("{\"prompt\": \"abcde\", \"response\": \"xyz\"}"
                          "{\"prompt\": \"a\", \"response\": \"xyz\"}",
                          "max_length: 3");
    x_is(o, 0, x, N(x));
    labels_are(o, 0, label, N(label));
    x_is(o, 1, short_x, N(short_x));
    labels_are(o, 1, short_label, N(short_label));
    opened_free(o);
}

/* tokenizer("sst2: a fine film\nresult: "), then tokenizer("positive", add_special_tokens=False)
 * and
 * </s>; the decoder's input is what T5's _shift_right makes of the labels. */
TEST(text_to_text, encoder_decoder_has_source_and_shifted_target)
{
    static const int32_t x[] = {3,  8, 15, 25, 95, 3, 7, 28, 23, 56, 28, 50, 26, 62, 3,  22, 8, 14,
                                26, 9, 95, 1,  0,  0, 0, 3,  84, 54, 8,  50, 9,  50, 20, 1,  0};
    static const int32_t label[] = {3, 84, 54, 8, 50, 9, 50, 20, 1, -1, -1};
    Opened *o = open_file("text_to_text", "train.tsv", "a fine film\tpositive\n",
                          "tokenizer: " TOKENIZER "t5.json, layout: encoder_decoder, "
                          "prompt: \"sst2: {1}\\nresult: \", response: '{2}', max_length: 24, "
                          "max_target_length: 11");
    int32_t all[N(x)];
    memcpy(all, x, sizeof x);
    x_is(o, 0, all, N(x));
    labels_are(o, 0, label, N(label));
    assert_int_equal(o->data.task.source_steps, 24);
    assert_int_equal(o->data.task.n_tokens, 154);
    opened_free(o);
}

/* truncation=True, max_length=8 and 4. */
TEST(text_to_text, source_and_target_that_are_cut_keep_their_ends)
{
    static const int32_t x[] = {3, 8, 15, 25, 95, 3, 7, 1, 0, 61, 148, 7};
    static const int32_t label[] = {61, 148, 7, 1};
    Opened *o =
        open_json("{\"prompt\": \"sst2: a fine film\", \"response\": \"what a long story\"}",
                  "tokenizer: " TOKENIZER "t5.json, layout: encoder_decoder, "
                  "max_length: 8, max_target_length: 4");
    x_is(o, 0, x, N(x));
    labels_are(o, 0, label, N(label));
    opened_free(o);
}

TEST(text_to_text, llama_has_a_start_before_the_prompt_and_an_end_behind_the_response)
{
    static const int32_t prompt[] = {1, 311, 90, 285, 380, 334, 294, 311, 268, 264, 268, 66};
    static const int32_t response[] = {441, 334, 294, 333, 291, 296, 293, 266, 2};
    int32_t x[24] = {0}, label[24];
    for (int t = 0; t < 24; t++) {
        const int r = t - N(prompt);
        x[t] = r < 0 ? prompt[t] : r + 1 < N(response) ? response[r] : 0;
        label[t] = r + 1 >= 0 && r + 1 < N(response) ? response[r + 1] : -1;
    }
    Opened *o = open_json("{\"prompt\": \"What is 2+2?\", \"response\": \"It is four.\"}",
                          "tokenizer: " TOKENIZER "llama2.json, max_length: 24");
    x_is(o, 0, x, 24);
    labels_are(o, 0, label, 24);
    opened_free(o);
}

/* -- Classes that are words */

TEST(text_to_text, choices_are_the_words_first_tokens)
{
    Opened *o = open_file("text_to_text", "a.tsv", "good\tyes\nbad\t0\n",
                          "prompt: '{1}:', response: '{2}', label_words: {'no': 0, 'yes': 1}");
    ASSERT_OK(o->ok, &o->err);
    const Task *t = &o->data.task;
    assert_int_equal(t->n_choices, 2);
    assert_int_equal(t->choices[0] + t->choices[1], B('n') + B('y'));
    opened_free(o);
}

TEST(text_to_text, words_that_begin_alike_are_refused)
{
    fails("a.tsv", "x\t0\n", "prompt: '{1}', response: '{2}', label_words: {same: 0, story: 1}",
          FAIL_CONFIG, "label_words: 'same' and 'story' begin with the same token");
}

/* -- Files */

TEST(text_to_text, lines_a_list_and_tables_say_the_same)
{
    static const int32_t x[] = {B('q'), B('7'), 0}, label[] = {B('7'), 257, -1};
    // clang-format off
    static const struct {
        const char *name, *text, *options;
    } file[] = {
        {"a.jsonl", "\n {\"p\": \"q\", \"r\": 7}\r\n", "prompt: '{p}', response: '{r}', max_length: 3"},
        {"a.json", "[{\"r\": 7,\n\"p\": \"q\"}\n,\n{\"r\": 1, \"p\": \"\"}]\n", "prompt: '{p}', response: '{r}', max_length: 3"},
        {"a.tsv", "p\tr\nq\t7\n", "header: true, prompt: '{p}', response: '{r}', max_length: 3"},
        {"b.tsv", "{\tq\t7\n", "prompt: '{2}', response: '{3}', max_length: 3"},
    };
    // clang-format on
    for (int i = 0; i < N(file); i++) {
        Opened *o = open_file("text_to_text", file[i].name, file[i].text, file[i].options);
        x_is(o, 0, x, N(x));
        labels_are(o, 0, label, N(label));
        opened_free(o);
    }
}

TEST(text_to_text, mistakes_in_files_have_their_line)
{
    // clang-format off
    static const struct {
        const char *name, *text, *options, *message;
    } bad[] = {
        {"a.jsonl", "{\"prompt\": \"a\", \"response\": \"b\"}\n\n{\"prompt\": \"a\", \"answer\": \"b\"}\n", "", "a.jsonl:3: no field 'response'; the first is 'prompt'"},
        {"a.jsonl", "{\"prompt\": \"a\", \"response\": \"b\"}\n{\"prompt\": \"a\",\n", "", "a.jsonl:3: "},
        {"a.jsonl", "{\"prompt\": [1], \"response\": \"b\"}", "", "a.jsonl:1: field 'prompt' is a list; expected text"},
        {"a.jsonl", "{\"prompt\": null, \"response\": \"b\"}", "", "field 'prompt' is null; expected text"},
        {"a.json", "[1, 2]", "", "a.json:1: "},
        {"a.jsonl", "{\"prompt\": \"\", \"response\": \"\"}", "eos: false", "a.jsonl:1: the response is empty"},
        {"a.tsv", "a\tb\nc\n", "prompt: '{1}', response: '{2}'", "a.tsv:2: 1 column, apart by tabs; {2} is number 2"},
        {"a.tsv", "text\tlabel\nc\t1\n", "header: true, prompt: '{sentence}'", "a.tsv:1: no column is called 'sentence'; the first is 'text'"},
        {"a.tsv", "a\tb\n", "prompt: '{text}'", "a.tsv:1: a table without a header"},
        {"a.tsv", "a\t2\n", "prompt: '{1}', response: '{2}', label_words: {no: 0, yes: 1}", "a.tsv:1: '2' is none of label_words"},
        {"a.tsv", "", "prompt: '{1}'", "a.tsv: has no rows"},
    };
    // clang-format on
    for (int i = 0; i < N(bad); i++)
        fails(bad[i].name, bad[i].text, bad[i].options, FAIL_DATA, bad[i].message);
}

TEST(text_to_text, mistakes_in_options_are_named)
{
    static const char good[] = "{\"prompt\": \"a\", \"response\": \"b\"}";
    fails("a.jsonl", good, "prompt: '{prompt'", FAIL_CONFIG,
          "prompt: '{prompt': a field is written");
    fails("a.jsonl", good, "response: 'a } b'", FAIL_CONFIG, "response: '} b': a field is written");
    fails("a.jsonl", good, "tokenizer: " TOKENIZER "t5.json, eos_token: <end>", FAIL_CONFIG,
          "eos_token = '<end>' is no token of ");
    fails("a.jsonl", good, "tokenizer: " TOKENIZER "words.json, eos: false, vocab_size: 3",
          FAIL_CONFIG, "vocab_size = 3; the tokenizer has ");
    fails("a.jsonl", good, "tokenizer: nowhere.json", FAIL_DATA, "nowhere.json");
}

TEST(text_to_text, braces_are_written_twice)
{
    static const int32_t x[] = {B('{'), B('a'), B('}')};
    Opened *o = open_json("{\"prompt\": \"a\", \"response\": \"b\"}",
                          "prompt: '{{{prompt}}}', max_length: 3");
    x_is(o, 0, x, N(x));
    opened_free(o);
}

TEST(text_to_text, gsm8k_is_read_as_it_is)
{
    const char *train = test_shared("data/gsm8k/train.jsonl.gz");
    char yaml[ROOM];
    if (!train) skip();
    (void)snprintf(yaml, sizeof yaml,
                   "{name: text_to_text, train_file: %.*s, prompt: \"{question}\\n\", "
                   "response: '{answer}', max_length: 64, valid: 100}",
                   (int)(strlen(train) - 3), train);
    Opened *o = opened_new(yaml, "", SPLITS_ALL);
    ASSERT_OK(o->ok, &o->err);
    assert_int_equal(o->data.split[SPLIT_TRAIN].n, 7473 - 100);
    assert_int_equal(o->data.split[SPLIT_VALID].n, 100);
    opened_free(o);
}

/* -- Classification by a tokenizer */

static Opened *open_pairs(int length, const char *first, const char *second)
{
    char table[ROOM], options[ROOM];
    (void)snprintf(table, sizeof table, "1\t%s\t%s\n0\tx\ty\n", first, second);
    (void)snprintf(options, sizeof options,
                   "label_column: 1, text_column: 2, second_column: 3, length: %d, "
                   "tokenizer: " TOKENIZER "bert.json",
                   length);
    return open_file("text_classification", "pairs.tsv", table, options);
}

static void pair_is(int length, const char *first, const char *second, const int32_t *x)
{
    Opened *o = open_pairs(length, first, second);
    x_is(o, 0, x, length);
    assert_false(o->data.task.pair);
    opened_free(o);
}

/* tokenizer(a, b, truncation="longest_first", max_length=..., padding="max_length") */
TEST(text_set, two_texts_are_one_sequence_as_bert_reads_it)
{
    static const char a[] = "The film was great fun to watch.", b[] = "It was not boring.";
    static const int32_t at_32[] = {2,   156, 34,  100, 96,  129, 199, 103, 35, 218, 234,
                                    34,  127, 124, 46,  106, 199, 104, 139, 3,  187, 199,
                                    103, 41,  106, 104, 30,  161, 213, 131, 12, 3};
    static const int32_t at_14[] = {2, 156, 34, 100, 96, 129, 199, 3, 187, 199, 103, 41, 106, 3};
    static const int32_t at_9[] = {2, 156, 34, 100, 3, 187, 199, 103, 3};
    static const int32_t turned_9[] = {2, 187, 199, 103, 3, 156, 34, 100, 3};
    static const int32_t at_4[] = {2, 156, 3, 3};
    pair_is(32, a, b, at_32);
    pair_is(14, a, b, at_14);
    pair_is(9, a, b, at_9);
    pair_is(9, b, a, turned_9);
    pair_is(4, a, b, at_4);
}

TEST(text_set, a_text_of_a_tokenizer_is_cut_before_its_end_and_padded)
{
    static const int32_t cut[] = {2, 156, 34, 100, 96, 3};
    static const int32_t padded[] = {2, 29, 34, 213, 102, 34, 100, 96, 129, 3, 0, 0};
    Opened *o =
        open_file("text_classification", "a.tsv", "The film was great fun to watch.\t1\nx\t0\n",
                  "length: 6, tokenizer: " TOKENIZER "bert.json");
    x_is(o, 0, cut, N(cut));
    opened_free(o);
    o = open_file("text_classification", "a.tsv", "a fine film\t1\nx\t0\n",
                  "length: 12, tokenizer: " TOKENIZER "bert.json");
    x_is(o, 0, padded, N(padded));
    opened_free(o);
}

TEST(text_set, a_length_without_room_for_a_token_is_refused)
{
    Opened *o = open_pairs(2, "a", "b");
    ASSERT_FAILS(o->ok, &o->err, FAIL_DATA, "length = 2 has no room for what the tokenizer adds");
    opened_free(o);
}

/* -- Sums */

/* Reads an example's line back: "12+7=19\n". */
static void read_sum(const Opened *o, SplitId split, int64_t i, long long n[3], char *sign)
{
    int32_t x[STEPS], label[STEPS];
    char line[STEPS + 2] = "";
    const int steps = (int)o->data.task.sample.dim[0];
    dataset_example(&o->data, split, i, false, 0, 0, x, label);
    bool asked = false;
    for (int t = 0, at = 0; t < steps; t++) {
        asked = asked || label[t] >= 0;
        if (x[t] > 0) line[at++] = (char)(x[t] - 1);
        if (x[t] > 0) assert_true(asked == (x[t] - 1 == '=' || strchr(line, '=') != NULL));
        if (label[t] - 1 == '\n') line[at++] = '\n';
    }
    assert_int_equal(sscanf(line, "%lld%c%lld=%lld\n", &n[0], sign, &n[1], &n[2]), 4);
    assert_int_equal(line[strlen(line) - 1], '\n');
}

TEST(arithmetic, lines_are_true)
{
    Opened *o = opened_new("{name: arithmetic, operation: all, n_test: 300}", "", SPLITS_ALL);
    int seen[128] = {0};
    for (int64_t i = 0; i < 300; i++) {
        long long n[3];
        char sign;
        read_sum(o, SPLIT_TEST, i, n, &sign);
        seen[(int)sign]++;
        assert_int_equal(n[2], sign == '+' ? n[0] + n[1] : sign == '-' ? n[0] - n[1] : n[0] * n[1]);
    }
    assert_true(seen['+'] > 50 && seen['-'] > 50 && seen['*'] > 50);
    opened_free(o);
}

TEST(arithmetic, no_problem_of_the_test_was_trained_on)
{
    Opened *o = opened_new("{name: arithmetic, max_operand: 30}", "", SPLITS_ALL);
    bool trained[31][31] = {{0}};
    long long n[3];
    char sign;
    for (int64_t i = 0; i < 4000; i++) {
        read_sum(o, SPLIT_TRAIN, i, n, &sign);
        trained[n[0]][n[1]] = true;
    }
    for (int64_t i = 0; i < 500; i++) {
        read_sum(o, SPLIT_TEST, i, n, &sign);
        assert_false(trained[n[0]][n[1]]);
    }
    opened_free(o);
}

/* -- Ciphers */

TEST(text_lm, a_cipher_moves_letters_alike_in_both_cases_and_nothing_else)
{
    int32_t x[STEPS], label[STEPS], to[26];
    bool used[26] = {false};
    char path[ROOM], yaml[2 * ROOM];
    Error err = {0};
    static const char text[] = "abcdefghijklmnopqrstuvwxyz, ABCDEFGHIJKLMNOPQRSTUVWXYZ. 12\n";
    (void)snprintf(path, sizeof path, "%s/text.txt", test_folder());
    ASSERT_OK(file_replace(path, text, strlen(text), &err), &err);
    (void)snprintf(yaml, sizeof yaml,
                   "{name: text_lm, path: %s, permute_letters: 3, block: 57, "
                   "valid: 0, test: 0, shift: false}",
                   path);
    Opened *o = opened_new(yaml, "", SPLITS_ALL);
    ASSERT_OK(o->ok, &o->err);
    dataset_example(&o->data, SPLIT_TRAIN, 0, false, 0, 0, x, label);
    for (int i = 0; i < 26; i++) {
        to[i] = x[i] - B('a');
        assert_true(to[i] >= 0 && to[i] < 26 && !used[to[i]]);
        used[to[i]] = true;
        assert_int_equal(x[28 + i] - B('A'), to[i]);
    }
    assert_int_equal(x[26], B(','));
    assert_int_equal(x[56], B('1'));
    opened_free(o);
}
