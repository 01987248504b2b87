/* mnist -- MNIST (LeCun, Cortes & Burges 1998) and Fashion-MNIST (Xiao, Rasul & Vollgraf 2017,
 * arXiv:1708.07747): the same four IDX files, 60000 + 10000 images of 28 x 28 in ten classes. */
#include "data/files.h"
#include "data/idx.h"
#include "data/image_set.h"
#include "data/recipe.h"

enum { SIDE = 28, N_CLASSES = 10, MAX_BYTES = 1 << 30 };

typedef struct MnistOptions {
    ImageOptions image;
    PathList folder;
} MnistOptions;

typedef struct MnistKind {
    const char *debian_folder;
    const OfficialFile *official;
    const char *const *class_names;
    float mean, std;
} MnistKind;

static const Option options[] = {
    IMAGE_OPTIONS,
    OPT_PATH(MnistOptions, folder, 1, "folder of the four IDX files, instead of the data folder"),
};

// clang-format off
static const OfficialFile official_mnist[] = {
    {9912422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
              "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"},
    {28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"},
    {1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
              "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"},
    {4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
           "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"},
    {0, NULL, NULL},
};

static const OfficialFile official_fashion[] = {
    /* the authors' files */
    {26421880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
               "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"},
    {29515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"},
    {4422102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
              "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"},
    {5148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
           "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"},
    /* Debian's dataset-fashion-mnist 0.0~git20200523, which packs them anew */
    {26421856, "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7",
               "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"},
    {29491, "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"},
    {4422079, "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa",
              "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"},
    {5125, "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05",
           "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"},
    {0, NULL, NULL},
};
// clang-format on

/* Images and labels of one part, checked against each other; the part owns nothing. */
static bool take_part(Dataset *d, const DataFile *images_file, const DataFile *labels_file,
                      ImagePart *part, Error *err)
{
    IdxImages images;
    IdxLabels labels;
    TRY(idx_parse_images(images_file->bytes, images_file->n, images_file->path, &images, err));
    TRY(idx_parse_labels(labels_file->bytes, labels_file->n, labels_file->path, N_CLASSES, &labels,
                         err));
    if (images.h != SIDE || images.w != SIDE)
        return fail(err, FAIL_DATA, NULL, "%s: images of %lld x %lld; %s has %d x %d",
                    images_file->path, (long long)images.h, (long long)images.w, d->kind->name,
                    SIDE, SIDE);
    if (images.n != labels.n)
        return fail(err, FAIL_DATA, NULL, "%s: %lld labels for the %lld images of %s",
                    labels_file->path, (long long)labels.n, (long long)images.n, images_file->path);
    void *memory;
    TRY(dataset_memory(d, &memory, (size_t)labels.n * sizeof(int32_t), err));
    int32_t *label = memory;
    for (int64_t i = 0; i < labels.n; i++) label[i] = labels.values[i];
    *part = (ImagePart){.n = images.n, .images = images.pixels, .labels = label};
    return true;
}

static bool find_file(Dataset *d, const MnistKind *kind, const char *data_folder, const char *name,
                      DataFile *out, Arena *a, Error *err)
{
    const MnistOptions *o = d->options;
    const char *folder = path_list_at(&o->folder, 0);
    *out = (DataFile){.max_bytes = MAX_BYTES, .official = kind->official};
    if (!folder)
        return recipe_find_file(a, data_folder, d->kind->name, kind->debian_folder, name,
                                &out->path, err);
    out->path = data_file_find(a, folder, name);
    return out->path ||
           fail(err, FAIL_DATA, NULL, "%s/%s: is not there, with or without .gz", folder, name);
}

static bool open_files(Dataset *d, const MnistKind *kind, const char *data_folder, unsigned splits,
                       Arena *a, Error *err)
{
    const MnistOptions *o = d->options;
    const bool need_train = image_set_needs_train(&o->image, splits);
    const bool need_test = image_set_needs_test(splits);
    DataFile files[4];
    int n = 0;
    static const char *const names[] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                        "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};
    for (int i = 0; i < 4; i++)
        if (i < 2 ? need_train : need_test)
            TRY(find_file(d, kind, data_folder, names[i], &files[n++], a, err));
    TRY(data_files_read(files, n, a, err));
    for (int i = 0; i < n; i++) dataset_own(d, files[i].bytes, files[i].n_mapped);
    data_files_hash(files, n, d->sha256);
    d->task.n_classes = N_CLASSES;
    d->class_names = kind->class_names;
    ImageSet set = {.h = SIDE, .w = SIDE, .c = 1, .mean = {kind->mean}, .std = {kind->std}};
    if (need_train) TRY(take_part(d, &files[0], &files[1], &set.train, err));
    if (need_test) TRY(take_part(d, &files[n - 2], &files[n - 1], &set.test, err));
    return image_set_finish(d, &set, splits, err);
}

static bool open_mnist(Dataset *d, const void *o, const char *data_folder, unsigned splits,
                       Arena *a, Error *err)
{
    (void)o;
    static const char *const digits[N_CLASSES] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
    static const MnistKind kind = {
        .official = official_mnist, .class_names = digits, .mean = 0.1307F, .std = 0.3081F};
    return open_files(d, &kind, data_folder, splits, a, err);
}

static bool open_fashion(Dataset *d, const void *o, const char *data_folder, unsigned splits,
                         Arena *a, Error *err)
{
    (void)o;
    static const char *const clothes[N_CLASSES] = {
        "T-shirt/top", "trouser", "pullover", "dress", "coat",
        "sandal",      "shirt",   "sneaker",  "bag",   "ankle boot"};
    static const MnistKind kind = {.debian_folder = "/usr/share/datasets/fashion-mnist",
                                   .official = official_fashion,
                                   .class_names = clothes,
                                   .mean = 0.2860F,
                                   .std = 0.3530F};
    return open_files(d, &kind, data_folder, splits, a, err);
}

const DatasetKind dataset_mnist = {
    .name = "mnist",
    .summary = "handwritten digits, 60000 + 10000 images of 28 x 28",
    .revision = 1,
    .options = OPTION_TABLE(MnistOptions, options),
    .open = open_mnist,
};

const DatasetKind dataset_fashion_mnist = {
    .name = "fashion_mnist",
    .summary = "pieces of clothing, 60000 + 10000 images of 28 x 28",
    .revision = 1,
    .options = OPTION_TABLE(MnistOptions, options),
    .open = open_fashion,
};
