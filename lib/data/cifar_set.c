/* cifar_set -- CIFAR-10 and CIFAR-100 (Krizhevsky 2009): 50000 + 10000 colour images of 32 x 32. */
#include "data/cifar.h"
#include "data/files.h"
#include "data/image_set.h"
#include "data/jobs.h"
#include "data/recipe.h"

enum { MAX_TRAIN_FILES = 16, MAX_FILES = MAX_TRAIN_FILES + 1, MAX_BYTES = 1 << 30 };

typedef struct CifarOptions {
    ImageOptions image;
    PathList train_files, test_file;
    int labels; /* CIFAR-100: 0 fine, 1 coarse */
} CifarOptions;

#define CIFAR_OPTIONS                                                                              \
    IMAGE_OPTIONS,                                                                                 \
        OPT_PATH(CifarOptions, train_files, MAX_TRAIN_FILES,                                       \
                 "files of the set's binary format to train on, instead of the official ones"),    \
        OPT_PATH(CifarOptions, test_file, 1,                                                       \
                 "a file of the set's binary format to test on, instead of the official one")

static const Option cifar10_options[] = {CIFAR_OPTIONS};
static const Option cifar100_options[] = {
    CIFAR_OPTIONS,
    OPT_ENUM(CifarOptions, labels, "fine|coarse", "fine", "100 classes or their 20 superclasses"),
};

typedef struct CifarKind {
    CifarLabels labels;
    int n_train_files;
    const char *train_files[5], *test_file;
    const char *const *class_names;
    float mean[4], std[4], grey_mean, grey_std; /* grey: 0 when nobody has published them */
} CifarKind;

typedef struct Unpacking {
    const DataFile *files;
    CifarLabels labels;
    int64_t n_images[MAX_FILES];
    uint8_t *images[MAX_FILES];
    int32_t *label[MAX_FILES];
} Unpacking;

static void unpack_file(void *unpacking, int i)
{
    const Unpacking *u = unpacking;
    cifar_unpack(u->files[i].bytes, u->n_images[i], u->labels, u->images[i], u->label[i]);
}

/* Makes room for the images of files first..first+n and says where each file's go. */
static bool place_part(Dataset *d, Unpacking *u, int first, int n, ImagePart *part, Error *err)
{
    void *images, *labels;
    for (int i = first; i < first + n; i++) part->n += u->n_images[i];
    TRY(dataset_memory(d, &images, (size_t)part->n * CIFAR_PIXELS, err));
    TRY(dataset_memory(d, &labels, (size_t)part->n * sizeof(int32_t), err));
    part->images = images;
    part->labels = labels;
    int64_t at = 0;
    for (int i = first; i < first + n; i++) {
        u->images[i] = (uint8_t *)images + at * CIFAR_PIXELS;
        u->label[i] = (int32_t *)labels + at;
        at += u->n_images[i];
    }
    return true;
}

/* The paths of the option, or of the official files. */
static bool find_files(Dataset *d, const PathList *given, int n_names, const char *const names[],
                       const char *data_folder, DataFile *files, int *n, Arena *a, Error *err)
{
    const int n_files = given->n ? given->n : n_names;
    for (int i = 0; i < n_files; i++, ++*n) {
        files[*n] = (DataFile){.max_bytes = MAX_BYTES, .path = path_list_at(given, i)};
        if (!given->n)
            TRY(recipe_find_file(a, data_folder, d->kind->name, NULL, names[i], &files[*n].path,
                                 err));
    }
    return true;
}

static bool unpack_all(Dataset *d, DataFile *files, int n_train, int n, CifarLabels labels,
                       ImageSet *set, Error *err)
{
    Unpacking u = {.files = files, .labels = labels};
    for (int i = 0; i < n; i++)
        TRY(cifar_check(files[i].bytes, files[i].n, files[i].path, labels, &u.n_images[i], err));
    if (n_train > 0) TRY(place_part(d, &u, 0, n_train, &set->train, err));
    if (n > n_train) TRY(place_part(d, &u, n_train, n - n_train, &set->test, err));
    jobs_run(n, unpack_file, &u);
    return true;
}

static bool open_files(Dataset *d, const CifarKind *kind, const char *data_folder, unsigned splits,
                       Arena *a, Error *err)
{
    const CifarOptions *o = d->options;
    CifarLabels labels = kind->labels;
    if (labels == CIFAR_100_FINE && o->labels == 1) labels = CIFAR_100_COARSE;
    DataFile files[MAX_FILES];
    int n = 0;
    if (image_set_needs_train(&o->image, splits))
        TRY(find_files(d, &o->train_files, kind->n_train_files, kind->train_files, data_folder,
                       files, &n, a, err));
    const int n_train = n;
    if (image_set_needs_test(splits))
        TRY(find_files(d, &o->test_file, 1, &kind->test_file, data_folder, files, &n, a, err));
    TRY(data_files_read(files, n, a, err));
    data_files_hash(files, n, d->sha256);
    d->task.n_classes = cifar_n_classes(labels);
    d->class_names = labels == kind->labels ? kind->class_names : NULL;
    ImageSet set = {.h = CIFAR_SIDE,
                    .w = CIFAR_SIDE,
                    .c = 3,
                    .grey_mean = kind->grey_mean,
                    .grey_std = kind->grey_std};
    for (int i = 0; i < 3; i++) {
        set.mean[i] = kind->mean[i];
        set.std[i] = kind->std[i];
    }
    bool ok = unpack_all(d, files, n_train, n, labels, &set, err);
    data_files_free(files, n);
    return ok && image_set_finish(d, &set, splits, err);
}

static bool open_cifar10(Dataset *d, const void *o, const char *data_folder, unsigned splits,
                         Arena *a, Error *err)
{
    (void)o;
    static const char *const names[] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                        "dog",      "frog",       "horse", "ship", "truck"};
    static const CifarKind kind = {
        .labels = CIFAR_10,
        .n_train_files = 5,
        .train_files = {"data_batch_1.bin",  "data_batch_2.bin", "data_batch_3.bin",
                        "data_batch_4.bin", "data_batch_5.bin"},
        .test_file = "test_batch.bin",
        .class_names = names,
        .mean = {0.4914F, 0.4822F,                   0.4465F                              },
        .std = {0.2470F,            0.2435F,            0.2616F},
        .grey_mean = 122.6F / 255, /* Gu et al. 2022, S4's code */
        .grey_std = 61.0F / 255,
    };
    return open_files(d, &kind, data_folder, splits, a, err);
}

static bool open_cifar100(Dataset *d, const void *o, const char *data_folder, unsigned splits,
                          Arena *a, Error *err)
{
    (void)o;
    // clang-format off
    static const char *const names[] = { /* alphabetical, as in fine_label_names.txt */
        "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle",
        "bowl", "boy", "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle",
        "chair", "chimpanzee", "clock", "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur",
        "dolphin", "elephant", "flatfish", "forest", "fox", "girl", "hamster", "house", "kangaroo", "keyboard",
        "lamp", "lawn_mower", "leopard", "lion", "lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain",
        "mouse", "mushroom", "oak_tree", "orange", "orchid", "otter", "palm_tree", "pear", "pickup_truck", "pine_tree",
        "plain", "plate", "poppy", "porcupine", "possum", "rabbit", "raccoon", "ray", "road", "rocket",
        "rose", "sea", "seal", "shark", "shrew", "skunk", "skyscraper", "snail", "snake", "spider",
        "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank", "telephone", "television", "tiger", "tractor",
        "train", "trout", "tulip", "turtle", "wardrobe", "whale", "willow_tree", "wolf", "woman", "worm",
    };
    // clang-format on
    static const CifarKind kind = {
        .labels = CIFAR_100_FINE,
        .n_train_files = 1,
        .train_files = {"train.bin"},
        .test_file = "test.bin",
        .class_names = names,
        .mean = { 0.5071F, 0.4865F, 0.4409F},
        .std = {    0.2673F, 0.2564F, 0.2762F},
    };
    return open_files(d, &kind, data_folder, splits, a, err);
}

const DatasetKind dataset_cifar10 = {
    .name = "cifar10",
    .summary = "colour photographs in ten classes, 50000 + 10000 images of 32 x 32",
    .revision = 1,
    .options = OPTION_TABLE(CifarOptions, cifar10_options),
    .open = open_cifar10,
};

const DatasetKind dataset_cifar100 = {
    .name = "cifar100",
    .summary = "colour photographs in a hundred classes, 50000 + 10000 images of 32 x 32",
    .revision = 1,
    .options = OPTION_TABLE(CifarOptions, cifar100_options),
    .open = open_cifar100,
};
