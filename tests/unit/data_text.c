/* text_classification and retrieval: what files become, and what is said of files that are wrong.
 */
#include "io/file.h"
#include "tests/test.h"
#include "tests/unit/data_open.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 4096 };

static void put(const char *path, const char *text, size_t n)
{
    Error err = {0};
    ASSERT_OK(file_replace(path, text, n, &err), &err);
}

/* A data set whose train_file is this text; `options` follow. */
static Opened *open_table(const char *train, const char *options)
{
    char path[ROOM], yaml[2 * ROOM];
    (void)snprintf(path, sizeof path, "%s/train.tsv", test_folder());
    put(path, train, strlen(train));
    (void)snprintf(yaml, sizeof yaml, "{name: text_classification, train_file: %s%s%s}", path,
                   *options ? ", " : "", options);
    return opened_new(yaml, "", SPLITS_ALL);
}

static void table_fails(const char *train, const char *options, FailKind kind, const char *text)
{
    Opened *o = open_table(train, options);
    ASSERT_FAILS(o->ok, &o->err, kind, text);
    opened_free(o);
}

static void assert_example(const Opened *o, SplitId split, int64_t i, const int32_t *x, int n,
                           int label)
{
    int32_t got[64], got_label;
    assert_int_equal(shape_count(&o->data.task.sample), n);
    dataset_example(&o->data, split, i, false, 0, 0, got, &got_label);
    for (int t = 0; t < n; t++) assert_int_equal(got[t], x[t]);
    assert_int_equal(got_label, label);
}

/* -- Tables */

TEST(text_set, bytes_count_from_one_and_are_padded_at_the_right)
{
    Opened *o = open_table("ab\tyes\n\xff\tno\n", "length: 4");
    ASSERT_OK(o->ok, &o->err);
    assert_example(o, SPLIT_TRAIN, 0, (int32_t[]){98, 99, 0, 0}, 4, 1);
    assert_example(o, SPLIT_TRAIN, 1, (int32_t[]){256, 0, 0, 0}, 4, 0);
    assert_int_equal(o->data.task.n_tokens, 257);
    assert_string_equal(o->data.class_names[0], "no");
    opened_free(o);
}

TEST(text_set, the_end_takes_the_last_place_of_a_text_that_is_cut)
{
    Opened *o = open_table("abcdef\ty\na\tn\n", "length: 3, eos: true");
    ASSERT_OK(o->ok, &o->err);
    assert_example(o, SPLIT_TRAIN, 0, (int32_t[]){98, 99, 257}, 3, 1);
    assert_example(o, SPLIT_TRAIN, 1, (int32_t[]){98, 257, 0}, 3, 0);
    assert_int_equal(o->data.task.n_tokens, 258);
    opened_free(o);
}

TEST(text_set, columns_are_found_by_their_names)
{
    Opened *o = open_table("id\tgold\ttext\n7\tb\tx\n8\ta\ty\n",
                           "header: true, label_column: gold, text_column: text, length: 1");
    ASSERT_OK(o->ok, &o->err);
    assert_int_equal(o->data.split[SPLIT_TRAIN].n, 2);
    assert_example(o, SPLIT_TRAIN, 0, (int32_t[]){'x' + 1}, 1, 1);
    opened_free(o);
}

TEST(text_set, labels_that_are_numbers_are_sorted_as_numbers)
{
    Opened *o = open_table("a\t10\nb\t9\nc\t-1\n", "length: 1");
    ASSERT_OK(o->ok, &o->err);
    assert_example(o, SPLIT_TRAIN, 0, (int32_t[]){98}, 1, 2);
    assert_example(o, SPLIT_TRAIN, 1, (int32_t[]){99}, 1, 1);
    assert_example(o, SPLIT_TRAIN, 2, (int32_t[]){100}, 1, 0);
    opened_free(o);
}

TEST(text_set, ends_of_lines_blank_lines_and_the_mark_of_utf8_are_no_text)
{
    Opened *o = open_table("\xef\xbb\xbf"
                           "a\ty\r\n\r\n\nb\tn",
                           "length: 2");
    ASSERT_OK(o->ok, &o->err);
    assert_int_equal(o->data.split[SPLIT_TRAIN].n, 2);
    assert_example(o, SPLIT_TRAIN, 0, (int32_t[]){98, 0}, 2, 1);
    assert_example(o, SPLIT_TRAIN, 1, (int32_t[]){99, 0}, 2, 0);
    opened_free(o);
}

TEST(text_set, skipped_labels_are_no_class)
{
    Opened *o = open_table("a\tx\nb\t-\nc\ty\nd\tunsup\n", "length: 1, skip_labels: \"- unsup\"");
    ASSERT_OK(o->ok, &o->err);
    assert_int_equal(o->data.task.n_classes, 2);
    assert_int_equal(o->data.split[SPLIT_TRAIN].n, 2);
    assert_example(o, SPLIT_TRAIN, 1, (int32_t[]){'c' + 1}, 1, 1);
    opened_free(o);
}

TEST(text_set, a_share_of_train_is_kept_for_validation)
{
    Opened *o = open_table("a\tx\nb\ty\nc\tx\nd\ty\ne\tx\n", "length: 1, valid: 0.4");
    ASSERT_OK(o->ok, &o->err);
    int seen[256] = {0};
    assert_int_equal(o->data.split[SPLIT_VALID].n, 2);
    for (int64_t i = 0; i < 5; i++) {
        int32_t x, label;
        dataset_example(&o->data, i < 2 ? SPLIT_VALID : SPLIT_TRAIN, i < 2 ? i : i - 2, false, 0, 0,
                        &x, &label);
        assert_int_equal(label, (x - 'b') % 2);
        seen[x]++;
    }
    for (int c = 'a'; c <= 'e'; c++) assert_int_equal(seen[c + 1], 1);
    opened_free(o);
}

/* Characters of 1, 2, 3 and 4 bytes; their numbers as Python's sorted(set(text)) orders them. */
TEST(text_set, characters_are_numbered_by_their_code_points)
{
    Opened *o = open_table("\xf0\x9f\x98\x80z\xc3\xa9\xed\x95\x9c\ty\nz\xff\xc3\tn\n",
                           "length: 5, unit: char, min_count: 1");
    ASSERT_OK(o->ok, &o->err);
    assert_int_equal(o->data.task.n_tokens, 2 + 4);
    assert_example(o, SPLIT_TRAIN, 0, (int32_t[]){5, 2, 3, 4, 0}, 5, 1);
    assert_example(o, SPLIT_TRAIN, 1, (int32_t[]){2, 1, 1, 0, 0}, 5, 0);
    opened_free(o);
}

TEST(text_set, rare_characters_are_unknown)
{
    Opened *o = open_table("aab\ty\nc\tn\n", "length: 4, unit: char, min_count: 2, eos: true");
    ASSERT_OK(o->ok, &o->err);
    assert_int_equal(o->data.task.n_tokens, 4);
    assert_example(o, SPLIT_TRAIN, 0, (int32_t[]){3, 3, 1, 2}, 4, 1);
    opened_free(o);
}

/* Overlong, a surrogate, above 0x10ffff, cut short: RFC 3629 has none of them. */
TEST(text_set, bytes_that_are_no_utf8_are_unknown_one_by_one)
{
    Opened *o = open_table("\xc0\x80\xed\xa0\x80\xf4\x90\x80\x80\xe2\x82\ty\nx\tn\n",
                           "length: 12, unit: char, min_count: 1");
    ASSERT_OK(o->ok, &o->err);
    assert_int_equal(o->data.task.n_tokens, 3);
    assert_example(o, SPLIT_TRAIN, 0, (int32_t[]){1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0}, 12, 1);
    opened_free(o);
}

/* -- Tables that are wrong */

TEST(text_set, without_a_file_it_says_which_option)
{
    Opened *o = opened_new("{name: text_classification}", "", SPLITS_ALL);
    ASSERT_FAILS(o->ok, &o->err, FAIL_CONFIG, "text_classification: train_file is missing");
    opened_free(o);
}

TEST(text_set, an_absent_file_is_named)
{
    Opened *o = opened_new("{name: text_classification, train_file: /nowhere/x.tsv}", "", 7);
    ASSERT_FAILS(o->ok, &o->err, FAIL_DATA, "/nowhere/x.tsv is not there, nor with .gz added");
    opened_free(o);
}

TEST(text_set, too_few_columns_name_the_line)
{
    table_fails("a\tx\nb\n", "", FAIL_DATA,
                "train.tsv:2: 1 column, apart by tabs; expected 2 or more");
}

TEST(text_set, an_unknown_column_names_the_first)
{
    table_fails("id\ttext\n1\tx\n", "header: true, label_column: gold", FAIL_DATA,
                "train.tsv:1: no column is called 'gold'; the first is 'id'");
}

TEST(text_set, a_column_without_a_header_is_a_number)
{
    table_fails("1\tx\n", "label_column: gold", FAIL_CONFIG,
                "column 'gold': without a header a column is a number from 1 to 64");
}

TEST(text_set, an_empty_label_names_the_line)
{
    table_fails("a\tx\nb\t\n", "", FAIL_DATA, "train.tsv:2: the label, column 2, is empty");
}

TEST(text_set, an_empty_table_has_no_rows)
{
    table_fails("", "", FAIL_DATA, "train.tsv: has no rows");
    table_fails("text\tlabel\n", "header: true, label_column: label", FAIL_DATA, "has no rows");
}

TEST(text_set, one_class_is_too_few)
{
    table_fails("a\tx\nb\tx\n", "", FAIL_DATA, "train.tsv: all have the label 'x'");
}

TEST(text_set, labels_that_are_texts_are_found)
{
    char table[ROOM] = "a\tb\nb\t";
    memset(table + 6, 'w', 300);
    table_fails(table, "", FAIL_DATA, "train.tsv:2: a label of 300 bytes; at most 200");
}

TEST(text_set, too_many_labels_are_found)
{
    char *table = calloc(1001, 8), *at = table;
    for (int i = 0; i < 1001; i++) at += sprintf(at, "a\t%d\n", i);
    table_fails(table, "", FAIL_DATA, "train.tsv:1001: more than 1000 different labels");
    free(table);
}

TEST(text_set, a_huge_line_is_refused)
{
    const size_t n = (1 << 24) + 8;
    char *table = malloc(n + 1);
    memset(table, 'x', n);
    memcpy(table, "a\ty\n", 4);
    table[n] = '\0';
    table_fails(table, "", FAIL_DATA, "train.tsv:2: a line of 16777220 bytes; at most 16777216");
    free(table);
}

TEST(text_set, an_unknown_label_of_the_test_names_its_line)
{
    char path[ROOM], options[2 * ROOM];
    (void)snprintf(path, sizeof path, "%s/test.tsv", test_folder());
    put(path, "a\tx\nb\tz\n", 8);
    (void)snprintf(options, sizeof options, "test_file: %s", path);
    table_fails("a\tx\nb\ty\n", options, FAIL_DATA,
                "test.tsv:2: label 'z' is not among those to train on: x, y");
}

/* -- Folders */

static void put_text(const char *folder, const char *class, const char *name, const char *text)
{
    char path[ROOM];
    Error err = {0};
    (void)snprintf(path, sizeof path, "%s/%s", folder, class);
    ASSERT_OK(folder_make(path, &err), &err);
    (void)snprintf(path, sizeof path, "%s/%s/%s", folder, class, name);
    put(path, text, strlen(text));
}

static Opened *open_folder(const char *folder, const char *options)
{
    char yaml[2 * ROOM];
    (void)snprintf(yaml, sizeof yaml, "{name: text_classification, train_file: %s, length: 3%s}",
                   folder, options);
    return opened_new(yaml, "", SPLITS_ALL);
}

/* As IMDB comes: train/{neg,pos,unsup} beside files that are no texts. */
TEST(text_set, a_folder_a_class)
{
    const char *folder = test_folder();
    char other[ROOM];
    put_text(folder, "pos", "1_9.txt", "b\tc\n");
    put_text(folder, "pos", "0_9.txt", "a");
    put_text(folder, "neg", "5_1.txt", "");
    put_text(folder, "unsup", "0_0.txt", "z");
    (void)snprintf(other, sizeof other, "%s/urls_pos.txt", folder);
    put(other, "u", 1);
    Opened *o = open_folder(folder, ", skip_labels: unsup");
    ASSERT_OK(o->ok, &o->err);
    assert_int_equal(o->data.split[SPLIT_TRAIN].n, 3);
    assert_example(o, SPLIT_TRAIN, 0, (int32_t[]){0, 0, 0}, 3, 0);
    assert_example(o, SPLIT_TRAIN, 1, (int32_t[]){98, 0, 0}, 3, 1);
    assert_example(o, SPLIT_TRAIN, 2, (int32_t[]){99, 10, 100}, 3, 1);
    opened_free(o);
}

TEST(text_set, the_hash_of_a_folder_sees_a_text_in_another_class)
{
    const char *one = test_folder(), *other = test_folder();
    put_text(one, "a", "1", "x");
    put_text(one, "b", "2", "yz");
    put_text(other, "a", "1", "xy");
    put_text(other, "b", "2", "z");
    Opened *o = open_folder(one, ""), *p = open_folder(other, "");
    ASSERT_OK(o->ok && p->ok, &o->err);
    assert_string_not_equal(o->data.sha256, p->data.sha256);
    opened_free(o);
    opened_free(p);
}

TEST(text_set, a_folder_without_classes_is_an_error)
{
    Opened *o = open_folder(test_folder(), "");
    ASSERT_FAILS(o->ok, &o->err, FAIL_DATA, "has no folders with texts; expected one a class");
    opened_free(o);
}

TEST(text_set, a_folder_in_a_class_is_an_error)
{
    const char *folder = test_folder();
    put_text(folder, "a/deep", "1", "x");
    Opened *o = open_folder(folder, "");
    ASSERT_FAILS(o->ok, &o->err, FAIL_DATA, "a/deep: is no file; a class's folder holds its texts");
    opened_free(o);
}

/* -- Pairs */

static Opened *open_pairs(const char *table, const char *options)
{
    char path[ROOM], yaml[2 * ROOM];
    (void)snprintf(path, sizeof path, "%s/pairs.tsv", test_folder());
    put(path, table, strlen(table));
    (void)snprintf(yaml, sizeof yaml, "{name: retrieval, train_file: %s, length: 3%s}", path,
                   options);
    return opened_new(yaml, "", SPLITS_ALL);
}

/* The columns of the Long Range Arena's new_aan_pairs.train.tsv. */
TEST(text_set, a_pair_is_two_rows_of_tokens)
{
    Opened *o = open_pairs("1.0\tW01\tW02\tabcd\tb\n0.0\tW01\tW03\ta\tc\n", "");
    ASSERT_OK(o->ok, &o->err);
    assert_true(o->data.task.pair);
    assert_int_equal(o->data.task.sample.rank, 2);
    assert_example(o, SPLIT_TRAIN, 0, (int32_t[]){98, 99, 100, 99, 0, 0}, 6, 1);
    assert_example(o, SPLIT_TRAIN, 1, (int32_t[]){98, 0, 0, 100, 0, 0}, 6, 0);
    opened_free(o);
}

TEST(text_set, a_pair_needs_all_its_columns)
{
    Opened *o = open_pairs("1.0\tW01\tW02\ta\n", "");
    ASSERT_FAILS(o->ok, &o->err, FAIL_DATA, "pairs.tsv:1: 4 columns, apart by tabs; expected 5");
    opened_free(o);
}

/* -- Published sets; sizes and first bytes as `zcat FILE | head`, `cut` and `sort | uniq -c` give
 * them. */

static Opened *open_shared(const char *file, const char *options)
{
    char yaml[2 * ROOM];
    const char *found = test_shared(file);
    if (!found) skip();
    char *path = realpath(found, NULL);
    (void)snprintf(yaml, sizeof yaml, "{name: text_classification, train_file: %s, %s}", path,
                   options);
    free(path);
    Opened *o = opened_new(yaml, "", SPLITS_ALL);
    ASSERT_OK(o->ok, &o->err);
    return o;
}

static void assert_counts(const Opened *o, const int *counts, int n)
{
    int64_t got[8] = {0};
    const Split *s = &o->data.split[SPLIT_TRAIN];
    assert_int_equal(o->data.task.n_classes, n);
    for (int64_t i = 0; i < s->n; i++) got[s->labels[i]]++;
    for (int c = 0; c < n; c++) assert_int_equal(got[c], counts[c]);
}

TEST(text_set, sst2_is_read_packed_or_not)
{
    Opened *o = open_shared("data/glue/sst2_test.tsv.gz", "header: true, length: 4");
    assert_counts(o, (int[]){428, 444}, 2);
    assert_example(o, SPLIT_TRAIN, 0, (int32_t[]){'i' + 1, 't' + 1, ' ' + 1, '\'' + 1}, 4, 1);
    opened_free(o);
}

TEST(text_set, agnews_has_words_for_labels)
{
    Opened *o = open_shared("data/agnews/test.tsv.gz", "length: 3");
    assert_counts(o, (int[]){1900, 1900, 1900, 1900}, 4);
    assert_string_equal(o->data.class_names[1], "Sci/Tech");
    assert_example(o, SPLIT_TRAIN, 0, (int32_t[]){'U' + 1, 'n' + 1, 'i' + 1}, 3, 0);
    opened_free(o);
}

/* Python's collections.Counter finds 838 characters that stand there 15 times or more. */
TEST(text_set, nsmc_is_read_by_characters)
{
    Opened *o = open_shared("data/nsmc/ratings_test.txt.gz",
                            "header: true, label_column: label, text_column: document, "
                            "unit: char, min_count: 15, length: 8");
    assert_counts(o, (int[]){5000, 5000}, 2);
    assert_int_equal(o->data.task.n_tokens, 2 + 838);
    opened_free(o);
}
