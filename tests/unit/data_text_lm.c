/* Text as tokens, and blocks of it whose labels are what comes next. */
#include "data/loader.h"
#include "data/text_units.h"
#include "io/file.h"
#include "tests/test.h"
#include "tests/unit/data_open.h"

#include <stdlib.h>
#include <string.h>

static const char *write_text(const char *name, const char *text, size_t n)
{
    static char path[4200];
    Error err = {0};
    (void)snprintf(path, sizeof path, "%s/%s", test_folder(), name);
    ASSERT_OK(file_replace(path, text, n, &err), &err);
    return path;
}

/* The set text_lm over a file of `text`; `more` are further options: ", block: 4". */
static Opened *open_text(const char *text, const char *more)
{
    char yaml[4600];
    (void)snprintf(yaml, sizeof yaml, "{name: text_lm, path: %s%s}",
                   write_text("text.txt", text, strlen(text)), more);
    return opened_new(yaml, "", SPLITS_ALL);
}

static Opened *open_good(const char *text, const char *more)
{
    Opened *o = open_text(text, more);
    ASSERT_OK(o->ok, &o->err);
    return o;
}

static void example_is(const Opened *o, SplitId split, int64_t i, int n, const int32_t *x,
                       const int32_t *label)
{
    int32_t got_x[16], got_label[16];
    dataset_example(&o->data, split, i, false, 0, 0, got_x, got_label);
    assert_memory_equal(got_x, x, (size_t)n * sizeof *x);
    assert_memory_equal(got_label, label, (size_t)n * sizeof *x);
}

TEST(text_lm, labels_are_the_next_bytes_and_padding_asks_nothing)
{
    static const int32_t x[2][4] = {
        {'e' + 1, 'f' + 1, 'g' + 1, 'h' + 1},
        {'i' + 1, 0,       0,       0      }
    };
    static const int32_t label[2][4] = {
        {'f' + 1, 'g' + 1, 'h' + 1, 'i' + 1},
        {'j' + 1, -1,      -1,      -1     }
    };
    Opened *o = open_good("abcdabcdabcdabefghij", ", block: 4, valid: 0, test: 0.3");
    const Task *t = &o->data.task;
    assert_true(t->per_step && t->causal && t->dtype == I32);
    assert_int_equal(t->n_tokens, 257);
    assert_int_equal(t->n_classes, 257);
    assert_int_equal(task_n_labels(t), 4);
    assert_int_equal(o->data.split[SPLIT_VALID].n, 0);
    assert_int_equal(o->data.split[SPLIT_TEST].n, 2);
    assert_int_equal(o->data.split[SPLIT_TEST].text_bytes, 5);
    for (int i = 0; i < 2; i++) example_is(o, SPLIT_TEST, i, 4, x[i], label[i]);
    opened_free(o);
}

TEST(text_lm, parts_follow_one_another)
{
    Opened *o = open_good("aaaaaaaaaaaabbbbcccc", ", block: 3, valid: 0.2, test: 0.2");
    static const int32_t b[] = {'b' + 1, 'b' + 1, 'b' + 1}, c[] = {'c' + 1, 'c' + 1, 'c' + 1};
    assert_int_equal(o->data.split[SPLIT_TRAIN].n, 3);
    example_is(o, SPLIT_VALID, 0, 3, b, b);
    example_is(o, SPLIT_TEST, 0, 3, c, c);
    opened_free(o);
}

/* Ids in the order of code points: padding, unknown, a, b, é (U+00E9), € (U+20AC). The test part
 * has an x, which training does not know. */
TEST(text_lm, characters_are_those_of_the_training_part)
{
    static const int32_t x[] = {2, 1, 3, 0}, label[] = {1, 3, 5, -1};
    Opened *o = open_good("\xe2\x82\xac\xc3\xa9"
                          "ba\xc3\xa9"
                          "baaxb\xe2\x82\xac",
                          ", unit: char, block: 4, valid: 0, test: 0.33333");
    assert_int_equal(o->data.task.n_tokens, 6);
    assert_int_equal(o->data.split[SPLIT_TEST].text_bytes, 5);
    example_is(o, SPLIT_TEST, 0, 4, x, label);
    opened_free(o);
}

/* 20 bytes of two-byte characters, cut at 6 from the end, then at 5: moved back to a boundary. */
TEST(text_lm, no_character_is_cut_in_two)
{
    char text[23] = "";
    for (size_t i = 0; i < 11; i++) memcpy(text + 2 * i, "\xc3\xa9", 3);
    Opened *o = open_good(text, ", block: 2, unit: char, valid: 0, test: 0.23");
    assert_int_equal(o->data.split[SPLIT_TEST].text_bytes, 4); /* of 6, the first left out */
    opened_free(o);
}

/* Every epoch's blocks are end to end, begin at one shift, and more than one shift is seen; the
 * same seed and epoch give the same. */
TEST(text_lm, training_blocks_are_shifted_by_epoch)
{
    enum { N = 40, BLOCK = 8 };
    char text[N + 1] = "";
    for (int i = 0; i < N; i++) text[i] = (char)('0' + i);
    Opened *o = open_good(text, ", block: 8, valid: 0, test: 0");
    int seen[BLOCK] = {0}, n_seen = 0;
    int32_t x[BLOCK], label[BLOCK], again[BLOCK];
    assert_int_equal(o->data.split[SPLIT_TRAIN].n, 4);
    for (int64_t epoch = 0; epoch < 40; epoch++) {
        int32_t first = 0;
        for (int64_t i = 0; i < 4; i++) {
            dataset_example(&o->data, SPLIT_TRAIN, i, true, 5, epoch, x, label);
            dataset_example(&o->data, SPLIT_TRAIN, i, true, 5, epoch, again, label);
            assert_memory_equal(x, again, sizeof x);
            if (i == 0) first = x[0] - '0' - 1;
            for (int t = 0; t < BLOCK; t++) {
                assert_int_equal(x[t], '0' + 1 + first + i * BLOCK + t);
                assert_int_equal(label[t], x[t] + 1);
            }
        }
        assert_in_range(first, 0, BLOCK - 1);
        n_seen += seen[first]++ == 0;
    }
    assert_int_equal(n_seen,
                     BLOCK); /* a shift is missed by 40 draws with chance (7/8)^40 = 0.5 % */
    opened_free(o);
}

TEST(text_lm, without_shift_every_epoch_is_the_same)
{
    Opened *o = open_good("abcdefghijklm", ", block: 3, valid: 0, test: 0, shift: false");
    int32_t x[3], label[3];
    assert_int_equal(o->data.split[SPLIT_TRAIN].n, 4);
    for (int64_t epoch = 0; epoch < 9; epoch++) {
        dataset_example(&o->data, SPLIT_TRAIN, 3, true, 5, epoch, x, label);
        assert_int_equal(x[0], 'j' + 1);
        assert_int_equal(label[2], 'm' + 1);
    }
    opened_free(o);
}

TEST(text_lm, a_loader_shifts_by_its_seed_and_epoch)
{
    Opened *o = open_good("abcdefghijklmnopqrstuvwxyz", ", block: 8, valid: 0, test: 0");
    LoaderOptions options = {
        .split = SPLIT_TRAIN, .batch_size = 1, .shuffle = true, .augment = true, .seed = 7};
    Loader *l = loader_new(&o->data, &options, &o->err);
    ASSERT_OK(l != NULL, &o->err);
    int starts = 0, found[26] = {0};
    for (int64_t step = 0; step < 60; step++) {
        const Batch b = loader_batch(l, step);
        int32_t first;
        memcpy(&first, b.x, sizeof first);
        starts += found[first - 'a' - 1]++ == 0;
    }
    assert_true(starts > 8);
    loader_free(l);
    opened_free(o);
}

TEST(text_lm, valid_and_test_may_be_files_of_their_own)
{
    char yaml[20000], train[4200], valid[4200];
    static const int32_t v[] = {'v' + 1, 'v' + 1, 'v' + 1}, w[] = {'v' + 1, 'w' + 1, 'w' + 1};
    (void)snprintf(train, sizeof train, "%s", write_text("a.txt", "aaaaaaaaaa", 10));
    (void)snprintf(valid, sizeof valid, "%s", write_text("v.txt", "vvvv", 4));
    (void)snprintf(yaml, sizeof yaml,
                   "{name: text_lm, path: [%s, %s], valid_path: [%s, %s], block: 3, test: 0}",
                   train, train, valid, write_text("w.txt", "www", 3));
    Opened *o = opened_new(yaml, "", SPLITS_ALL);
    ASSERT_OK(o->ok, &o->err);
    assert_int_equal(o->data.split[SPLIT_TRAIN].n, 5);
    assert_int_equal(o->data.split[SPLIT_VALID].n, 2);
    assert_int_equal(o->data.split[SPLIT_TEST].n, 0);
    example_is(o, SPLIT_VALID, 0, 3, v, v);
    example_is(o, SPLIT_VALID, 1, 3, w, (const int32_t[]){'w' + 1, 'w' + 1, 'w' + 1});
    opened_free(o);
}

TEST(text_lm, its_hash_tells_what_is_trained_on)
{
    char yaml[3][9600], a[4200], b[4200];
    char hash[3][HASH_HEX];
    (void)snprintf(a, sizeof a, "%s", write_text("a.txt", "aaaaaaaaaa", 10));
    (void)snprintf(b, sizeof b, "%s", write_text("b.txt", "bbbbbbbbbb", 10));
    (void)snprintf(yaml[0], sizeof yaml[0],
                   "{name: text_lm, block: 2, valid: 0, path: %s, test_path: %s}", a, b);
    (void)snprintf(yaml[1], sizeof yaml[1],
                   "{name: text_lm, block: 2, valid: 0, path: %s, test_path: %s}", b, a);
    (void)snprintf(yaml[2], sizeof yaml[2],
                   "{name: text_lm, block: 2, valid: 0, test: 0.5, path: [%s, %s]}", a, b);
    for (int i = 0; i < 3; i++) {
        Opened *o = opened_new(yaml[i], "", SPLITS_ALL);
        ASSERT_OK(o->ok, &o->err);
        memcpy(hash[i], o->data.sha256, HASH_HEX);
        opened_free(o);
    }
    assert_string_not_equal(hash[0], hash[1]);
    assert_string_not_equal(hash[0], hash[2]);
    assert_string_not_equal(hash[1], hash[2]);
}

/* "the" and " the" are learned; the test's labels are the tokens after the first. GPT-2's alphabet
 * begins with '!', after which come the printable signs of ASCII. */
TEST(text_lm, pieces_are_learned_from_the_training_part)
{
    char text[200];
    for (size_t i = 0; i < 168; i++) text[i] = "the the\n"[i % 8];
    text[167] = 'n';
    text[168] = '\0';
    Opened *o = open_good(text, ", unit: bpe, vocabulary: 260, block: 4, valid: 0, test: 0.0476");
    static const int32_t x[] = {258, 259, 0, 0}, label[] = {259, 1 + 'n' - '!', -1, -1};
    assert_int_equal(o->data.task.n_tokens, 260);
    example_is(o, SPLIT_TEST, 0, 4, x, label);
    assert_int_equal(o->data.split[SPLIT_TEST].text_bytes, 5); /* " the" and "n" */
    opened_free(o);
}

/* -- UTF-8, by the table of RFC 3629, section 4 */

TEST(text_units, code_points_of_every_length)
{
    static const struct {
        const char *text;
        int32_t code;
        size_t bytes;
    } row[] = {
        {"A",                0x41,     1},
        {"\x7f",             0x7f,     1},
        {"\xc2\x80",         0x80,     2},
        {"\xdf\xbf",         0x7ff,    2},
        {"\xe0\xa0\x80",     0x800,    3},
        {"\xed\x9f\xbf",     0xd7ff,   3},
        {"\xee\x80\x80",     0xe000,   3},
        {"\xf0\x90\x80\x80", 0x10000,  4},
        {"\xf4\x8f\xbf\xbf", 0x10ffff, 4}
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        size_t bytes = 0;
        assert_int_equal(
            text_code_point((const unsigned char *)row[i].text, strlen(row[i].text), &bytes),
            row[i].code);
        assert_int_equal(bytes, row[i].bytes);
    }
}

TEST(text_units, what_is_not_utf8_is_none)
{
    static const char *const bad[] = {"\x80",
                                      "\xbf",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xe0\x9f\xbf",
                                      "\xed\xa0\x80",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf8\x88\x80\x80\x80",
                                      "\xc3",
                                      "\xe2\x82",
                                      "\xc3(",
                                      "\xff"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        size_t bytes = 0;
        assert_int_equal(text_code_point((const unsigned char *)bad[i], strlen(bad[i]), &bytes),
                         -1);
        assert_int_equal(bytes, 1);
    }
}

/* -- Bad input */

static void refused(const char *text, const char *more, FailKind kind, const char *message)
{
    Opened *o = open_text(text, more);
    ASSERT_FAILS(o->ok, &o->err, kind, message);
    opened_free(o);
}

TEST(text_lm, an_empty_file_is_refused)
{
    refused("", "", FAIL_DATA, "text.txt: is empty");
}

TEST(text_lm, a_text_shorter_than_a_block_is_refused)
{
    refused("ten bytes.", ", block: 10, valid: 0, test: 0", FAIL_DATA,
            "text.txt: 10 tokens for the train split; block = 10 takes 11 or more");
}

TEST(text_lm, one_token_is_no_test)
{
    refused("ten bytes.", ", block: 2, valid: 0, test: 0.1", FAIL_DATA,
            "text.txt: 1 tokens for the test split; block = 2 takes 2 or more");
}

TEST(text_lm, characters_need_utf8)
{
    refused("abc\xff", ", unit: char, block: 2", FAIL_DATA,
            "text.txt: byte 4, 0xff, is not UTF-8; unit = byte takes any bytes");
}

TEST(text_lm, shares_must_leave_something)
{
    refused("abcdef", ", valid: 0.5, test: 0.5", FAIL_CONFIG,
            "valid = 0.5 and test = 0.5 leave nothing to train on");
}

TEST(text_lm, a_missing_file_is_named)
{
    Opened *o = opened_new("{name: text_lm, path: /nowhere/text.txt}", "", SPLITS_ALL);
    ASSERT_FAILS(o->ok, &o->err, FAIL_DATA, "/nowhere/text.txt");
    opened_free(o);
}

TEST(text_lm, a_path_is_needed)
{
    Opened *o = opened_new("{name: text_lm}", "", SPLITS_ALL);
    ASSERT_FAILS(o->ok, &o->err, FAIL_CONFIG, "text_lm: path is missing");
    opened_free(o);
}

/* -- The real one: sizes by wc, 65 characters as its author states (char-rnn, nanoGPT). */

TEST(tinyshakespeare, has_65_characters)
{
    const char *file = test_shared("data/tinyshakespeare/input.txt.gz");
    char folder[4096];
    if (!file) {
        skip();
        return;
    }
    (void)snprintf(folder, sizeof folder, "%.*s",
                   (int)(strlen(file) - strlen("/tinyshakespeare/input.txt.gz")), file);
    Opened *o = opened_new("{name: tinyshakespeare, unit: char, block: 100}", folder, SPLITS_ALL);
    ASSERT_OK(o->ok, &o->err);
    assert_int_equal(o->data.task.n_tokens, 65 + 2);
    assert_int_equal(o->data.split[SPLIT_TEST].text_bytes, 55770 - 1); /* 0.05 of 1115394 */
    assert_int_equal(o->data.split[SPLIT_TEST].n, 558);
    int32_t x[100], label[100];
    dataset_example(&o->data, SPLIT_TRAIN, 0, false, 0, 0, x, label);
    assert_true(x[0] != x[1] &&
                x[0] == 'F' - 'A' + 15); /* "First": \n space ! $ & ' , - . 3 : ; ? A */
    opened_free(o);
}

TEST(tinyshakespeare, absent_says_how_to_get_it)
{
    Opened *o = opened_new("{name: tinyshakespeare}", test_folder(), SPLITS_ALL);
    ASSERT_FAILS(o->ok, &o->err, FAIL_DATA, "seqlab data get tinyshakespeare");
    opened_free(o);
}

/* A word level's vocabulary, by hand: ids are the file's own, and <s> stands before the text. */
static const char GIVEN[] =
    "{\"version\":\"1.0\",\"added_tokens\":[{\"id\":1,\"content\":\"<s>\",\"special\":true}],"
    "\"normalizer\":null,\"pre_tokenizer\":{\"type\":\"WhitespaceSplit\"},"
    "\"post_processor\":{\"type\":\"TemplateProcessing\","
    "\"single\":[{\"SpecialToken\":{\"id\":\"<s>\",\"type_id\":0}},"
    "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],\"pair\":[{\"Sequence\":{\"id\":\"A\","
    "\"type_id\":0}},{\"Sequence\":{\"id\":\"B\",\"type_id\":1}}],"
    "\"special_tokens\":{\"<s>\":{\"id\":\"<s>\",\"ids\":[1],\"tokens\":[\"<s>\"]}}},"
    "\"decoder\":null,\"model\":{\"type\":\"WordLevel\",\"unk_token\":\"<unk>\","
    "\"vocab\":{\"<unk>\":0,\"<s>\":1,\"the\":2,\"cat\":3,\"sat\":4}}}";

/* The set over "the cat sat the dog", by that tokenizer with `sat` written so. */
static Opened *open_given(const char *document, const char *sat)
{
    char yaml[9000], path[4200], text[sizeof GIVEN];
    (void)snprintf(text, sizeof text, "%s", document);
    if (strstr(text, "sat")) memcpy(strstr(text, "sat"), sat, 3);
    (void)snprintf(path, sizeof path, "%s", write_text("tokenizer.json", text, strlen(text)));
    (void)snprintf(yaml, sizeof yaml,
                   "{name: text_lm, path: %s, tokenizer: %s, block: 3, valid: 0, test: 0}",
                   write_text("text.txt", "the cat sat the dog", 19), path);
    return opened_new(yaml, "", SPLITS_ALL);
}

TEST(text_lm, tokens_of_a_given_tokenizer_are_its_ids)
{
    static const int32_t x[] = {1, 2, 3}, label[] = {2, 3, 4};
    Opened *o = open_given(GIVEN, "sat");
    ASSERT_OK(o->ok, &o->err);
    assert_int_equal(o->data.task.n_classes, 5);
    example_is(o, SPLIT_TRAIN, 0, 3, x, label);
    opened_free(o);
}

TEST(text_lm, other_tokenizer_is_other_data)
{
    Opened *a = open_given(GIVEN, "sat"), *b = open_given(GIVEN, "set");
    ASSERT_OK(a->ok, &a->err);
    ASSERT_OK(b->ok, &b->err);
    assert_string_not_equal(a->data.sha256, b->data.sha256);
    opened_free(a);
    opened_free(b);
}

TEST(text_lm, file_that_is_no_tokenizer_is_refused)
{
    Opened *o = open_given("{}", "sat");
    ASSERT_FAILS(o->ok, &o->err, FAIL_DATA, "tokenizer.json");
    opened_free(o);
}
