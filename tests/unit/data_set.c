/* Datasets: real files against what their authors and other tools say of them, splits, errors. */
#include "base/hash.h"
#include "base/threads.h"
#include "data/loader.h"
#include "io/file.h"
#include "tests/test.h"
#include "tests/unit/data_open.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *fashion_folder = "/usr/share/datasets/fashion-mnist";

TEST(dataset, registry_is_whole)
{
    for (int i = 0; dataset_registry[i]; i++) {
        const DatasetKind *k = dataset_registry[i];
        assert_ptr_equal(dataset_find(k->name), k);
        assert_true(k->summary && k->open && k->revision >= 1 && k->options.n > 0);
        Error err = {0};
        void *options = calloc(1, k->options.bytes);
        ASSERT_OK(option_read(&k->options, NULL, NULL, "", options, &err), &err);
        free(options);
    }
    assert_null(dataset_find("nothing"));
}

/* The hash is by sha256sum over the list of what `zcat FILE | sha256sum` prints for each file. */
TEST(dataset, fashion_mnist_is_what_it_should_be)
{
    if (!file_exists(fashion_folder)) skip();
    Opened *o = opened_new("{name: fashion_mnist}", "/nowhere", SPLITS_ALL);
    ASSERT_OK(o->ok, &o->err);
    const Dataset *d = &o->data;
    assert_int_equal(d->split[SPLIT_TRAIN].n, 60000);
    assert_int_equal(d->split[SPLIT_VALID].n, 0);
    assert_int_equal(d->split[SPLIT_TEST].n, 10000);
    assert_string_equal(d->sha256,
                        "7b0688d0999122d67a4eb2b95499a3bf7c5afbfaef15b7295b9f619d9e48a0bc");
    static const int32_t labels[] = {9, 2, 1, 1, 6, 1, 4, 6, 5, 7}; /* by python's gzip */
    assert_memory_equal(d->split[SPLIT_TEST].labels, labels, sizeof labels);
    int64_t sum = 0;
    for (int64_t i = 0; i < 784; i++) sum += d->split[SPLIT_TEST].images[9999 * 784 + i];
    assert_int_equal(sum, 24390);
    opened_free(o);
}

TEST(dataset, mnist_reads_any_folder)
{
    const char *folder = test_shared("data/mnist");
    if (!folder) skip();
    char yaml[4200];
    (void)snprintf(yaml, sizeof yaml, "{name: mnist, folder: '%s'}", folder);
    Opened *o = opened_new(yaml, "/nowhere", 1u << SPLIT_TEST);
    ASSERT_OK(o->ok, &o->err);
    assert_int_equal(o->data.split[SPLIT_TRAIN].n, 0);
    assert_int_equal(o->data.split[SPLIT_TEST].n, 10000);
    /* the first ten test digits */
    static const int32_t labels[] = {7, 2, 1, 0, 4, 1, 4, 9, 5, 9};
    assert_memory_equal(o->data.split[SPLIT_TEST].labels, labels, sizeof labels);
    opened_free(o);
}

/* Pixels, labels and hash by python (gzip, hashlib); the labels also stand in the manifest. */
TEST(dataset, cifar10_tests_on_any_file)
{
    const char *file = test_shared("data/cifar10/data_batch_1_first4000.bin.gz");
    if (!file) skip();
    char yaml[4200];
    (void)snprintf(yaml, sizeof yaml, "{name: cifar10, test_file: '%s', normalize: unit}", file);
    Opened *o = opened_new(yaml, "/nowhere", 1u << SPLIT_TEST);
    ASSERT_OK(o->ok, &o->err);
    const Dataset *d = &o->data;
    assert_int_equal(d->split[SPLIT_TEST].n, 4000);
    assert_string_equal(d->sha256,
                        "34c4e46f4a90f86ffdefebadca8d076f2ce69a5bda9afcd156ae13b797025f65");
    static const int32_t labels[] = {6, 9, 9, 4, 1, 1, 2, 7, 8, 3};
    assert_memory_equal(d->split[SPLIT_TEST].labels, labels, sizeof labels);
    const uint8_t *images = d->split[SPLIT_TEST].images;
    assert_true(images[0] == 59 && images[1] == 62 && images[2] == 63);
    const uint8_t *pixel = images + 7 * 3072 + 33 * 3;
    assert_true(pixel[0] == 27 && pixel[1] == 28 && pixel[2] == 41);
    opened_free(o);
}

/* -- Small files made here */

enum { RECORD = 3073 };

/* `n` CIFAR records with label i % 10 and all pixels i; returns the path. */
static void write_records(char path[256], const char *folder, const char *name, int n)
{
    Error err = {0};
    uint8_t *bytes = calloc((size_t)n, RECORD);
    assert_non_null(bytes);
    for (int i = 0; i < n; i++) {
        memset(bytes + (size_t)i * RECORD, i, RECORD);
        bytes[(size_t)i * RECORD] = (uint8_t)(i % 10);
    }
    (void)snprintf(path, 256, "%s/%s", folder, name);
    ASSERT_OK(file_replace(path, bytes, (size_t)n * RECORD, &err), &err);
    free(bytes);
}

TEST(dataset, packing_does_not_change_the_hash)
{
    char plain[256], packed[256], command[600], yaml[600];
    const char *folder = test_folder();
    write_records(plain, folder, "a.bin", 20);
    (void)snprintf(packed, sizeof packed, "%s/b.bin.gz", folder);
    (void)snprintf(command, sizeof command, "gzip -1 <%s >%s", plain, packed);
    if (system(command) != 0) skip();
    (void)snprintf(yaml, sizeof yaml, "{name: cifar10, test_file: '%s'}", plain);
    Opened *a = opened_new(yaml, "/nowhere", 1u << SPLIT_TEST);
    (void)snprintf(yaml, sizeof yaml, "{name: cifar10, test_file: '%s'}", packed);
    Opened *b = opened_new(yaml, "/nowhere", 1u << SPLIT_TEST);
    ASSERT_OK(a->ok && b->ok, &b->err);
    assert_string_equal(a->data.sha256, b->data.sha256);
    opened_free(a);
    opened_free(b);
}

TEST(dataset, several_files_stand_in_their_order)
{
    char a[256], b[256], yaml[700];
    const char *folder = test_folder();
    write_records(a, folder, "a.bin", 3);
    write_records(b, folder, "b.bin", 2);
    (void)snprintf(yaml, sizeof yaml, "{name: cifar10, train_files: ['%s', '%s']}", a, b);
    Opened *o = opened_new(yaml, "/nowhere", 1u << SPLIT_TRAIN);
    ASSERT_OK(o->ok, &o->err);
    static const int32_t labels[] = {0, 1, 2, 0, 1};
    assert_int_equal(o->data.split[SPLIT_TRAIN].n, 5);
    assert_memory_equal(o->data.split[SPLIT_TRAIN].labels, labels, sizeof labels);
    assert_int_equal(o->data.split[SPLIT_TRAIN].images[4 * 3072], 1);
    opened_free(o);
}

TEST(dataset, missing_files_name_the_command_that_gets_them)
{
    Opened *o = opened_new("{name: cifar10}", "/nowhere", SPLITS_ALL);
    ASSERT_FAILS(o->ok, &o->err, FAIL_DATA,
                 "cifar10 is not in /nowhere/: cifar10/data_batch_1.bin is missing; run 'seqlab "
                 "data get cifar10' on a machine with a network");
    opened_free(o);
}

TEST(dataset, a_folder_without_the_files_is_named)
{
    Opened *o = opened_new("{name: mnist, folder: /nowhere}", "data", 1u << SPLIT_TEST);
    ASSERT_FAILS(o->ok, &o->err, FAIL_DATA,
                 "/nowhere/t10k-images-idx3-ubyte: is not there, with or without .gz");
    opened_free(o);
}

TEST(dataset, labels_and_images_must_agree)
{
    Error err = {0};
    char path[256], yaml[256];
    const char *folder = test_folder();
    static uint8_t images[16 + 784] = {0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 28, 0, 0, 0, 28};
    static const uint8_t labels[] = {0, 0, 8, 1, 0, 0, 0, 2, 5, 6};
    (void)snprintf(path, sizeof path, "%s/t10k-images-idx3-ubyte", folder);
    ASSERT_OK(file_replace(path, images, sizeof images, &err), &err);
    (void)snprintf(path, sizeof path, "%s/t10k-labels-idx1-ubyte", folder);
    ASSERT_OK(file_replace(path, labels, sizeof labels, &err), &err);
    (void)snprintf(yaml, sizeof yaml, "{name: mnist, folder: '%s'}", folder);
    Opened *o = opened_new(yaml, "data", 1u << SPLIT_TEST);
    ASSERT_FAILS(o->ok, &o->err, FAIL_DATA, "2 labels for the 1 images of");
    opened_free(o);
}

/* -- Splits */

#define SHAPES "{name: shapes, size: 8, n_train: 500, n_test: 40"

TEST(dataset, valid_and_train_share_nothing_and_leave_nothing_out)
{
    Opened *o = opened_new(SHAPES ", valid: 120}", "", SPLITS_ALL);
    ASSERT_OK(o->ok, &o->err);
    const Split *train = &o->data.split[SPLIT_TRAIN], *valid = &o->data.split[SPLIT_VALID];
    assert_int_equal(train->n, 380);
    assert_int_equal(valid->n, 120);
    int seen[500] = {0};
    for (int64_t i = 0; i < 380; i++) seen[train->index[i]]++;
    for (int64_t i = 0; i < 120; i++) seen[valid->index[i]]++;
    for (int i = 0; i < 500; i++) assert_int_equal(seen[i], 1);
    /* drawn at random: not the head, not the tail, and classes mixed */
    assert_true(valid->index[0] < 50 && valid->index[119] > 450);
    opened_free(o);
}

TEST(dataset, a_share_for_valid_is_a_count)
{
    Opened *a = opened_new(SHAPES ", valid: 0.24}", "", SPLITS_ALL);
    Opened *b = opened_new(SHAPES ", valid: 120}", "", SPLITS_ALL);
    ASSERT_OK(a->ok && b->ok, &b->err);
    assert_int_equal(a->data.split[SPLIT_VALID].n, 120);
    assert_memory_equal(a->data.split[SPLIT_VALID].index, b->data.split[SPLIT_VALID].index,
                        120 * sizeof(int64_t));
    opened_free(a);
    opened_free(b);
}

TEST(dataset, only_wanted_splits_are_filled)
{
    Opened *o = opened_new(SHAPES ", valid: 120, train_limit: 7}", "", 1u << SPLIT_VALID);
    ASSERT_OK(o->ok, &o->err);
    assert_int_equal(o->data.split[SPLIT_TRAIN].n, 0);
    assert_int_equal(o->data.split[SPLIT_VALID].n, 120);
    assert_int_equal(o->data.split[SPLIT_TEST].n, 0);
    opened_free(o);
}

TEST(dataset, train_limit_counts_after_the_split)
{
    Opened *o = opened_new(SHAPES ", valid: 120, train_limit: 7}", "", SPLITS_ALL);
    ASSERT_OK(o->ok, &o->err);
    assert_int_equal(o->data.split[SPLIT_TRAIN].n, 7);
    assert_int_equal(o->data.split[SPLIT_VALID].n, 120);
    opened_free(o);
}

TEST(dataset, valid_that_takes_all_is_refused)
{
    Opened *o = opened_new(SHAPES ", valid: 500}", "", SPLITS_ALL);
    ASSERT_FAILS(o->ok, &o->err, FAIL_CONFIG, "valid = 500 takes all of the 500 training examples");
    opened_free(o);
}

TEST(dataset, valid_that_is_neither_share_nor_count_is_refused)
{
    Opened *o = opened_new(SHAPES ", valid: 1.5}", "", SPLITS_ALL);
    ASSERT_FAILS(o->ok, &o->err, FAIL_CONFIG, "valid = 1.5: expected a share below 1 or a whole");
    opened_free(o);
}

TEST(dataset, imagenet_normalisation_needs_colours)
{
    Opened *o = opened_new(SHAPES ", normalize: imagenet}", "", SPLITS_ALL);
    ASSERT_FAILS(o->ok, &o->err, FAIL_CONFIG, "normalize = imagenet is for three colours");
    opened_free(o);
}

/* -- Drawn figures */

TEST(shapes, do_not_depend_on_threads)
{
    Opened *a = opened_new("{name: shapes, size: 12, n_train: 600}", "", SPLITS_ALL);
    threads_set(7);
    Opened *b = opened_new("{name: shapes, size: 12, n_train: 600}", "", SPLITS_ALL);
    threads_set(0);
    ASSERT_OK(a->ok && b->ok, &b->err);
    assert_string_equal(a->data.sha256, b->data.sha256);
    opened_free(a);
    opened_free(b);
}

/* Written down once; the same on every machine, since nothing in it comes from libm. */
TEST(shapes, are_the_same_bytes_everywhere)
{
    Opened *o = opened_new("{name: shapes, size: 12, channels: 3, n_train: 50, n_test: 10}", "",
                           SPLITS_ALL);
    ASSERT_OK(o->ok, &o->err);
    assert_string_equal(o->data.sha256,
                        "5cbcc6dc2f46ed13151f61839a58140d65b84512c9b7ccbe70ac1f5b987ccd6b");
    opened_free(o);
}

TEST(shapes, another_seed_draws_others)
{
    Opened *a = opened_new(SHAPES ", seed: 1}", "", SPLITS_ALL);
    Opened *b = opened_new(SHAPES ", seed: 2}", "", SPLITS_ALL);
    ASSERT_OK(a->ok && b->ok, &b->err);
    assert_string_not_equal(a->data.sha256, b->data.sha256);
    opened_free(a);
    opened_free(b);
}

TEST(shapes, stated_mean_and_deviation_are_measured_ones)
{
    Opened *o = opened_new("{name: shapes, n_train: 1000, n_test: 10}", "", SPLITS_ALL);
    ASSERT_OK(o->ok, &o->err);
    double sum = 0, squares = 0;
    const int64_t n = 1000 * 784;
    for (int64_t i = 0; i < n; i++) {
        double p = o->data.split[SPLIT_TRAIN].images[i] / 255.0;
        sum += p;
        squares += p * p;
    }
    double mean = sum / (double)n, variance = squares / (double)n - mean * mean;
    /* a thousand images whose means vary by 0.25 each: 0.008; allow three of them */
    assert_true(mean > 0.5 - 0.024 && mean < 0.5 + 0.024);
    assert_true(variance > 0.26 * 0.26 && variance < 0.3 * 0.3);
    opened_free(o);
}
