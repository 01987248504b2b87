/* dataset -- where examples come from: a name, options, splits, and a function that writes example
 * i.
 *
 * An example is x (Task.sample, F32 or I32) and a label, or one label a step. Images are kept as
 * bytes (n, H, W, C) and turned into floats, augmented and normalised as they are drawn.
 * Augmentation is a function of (seed, epoch, example), so a resumed run, or one with another
 * number of loader threads, draws the same pixels. Other kinds of examples have a `draw` of their
 * own, which may make them on the spot: such a set takes no memory however large it is. */
#ifndef SEQLAB_DATA_DATASET_H
#define SEQLAB_DATA_DATASET_H

#include "base/hash.h"
#include "graph/task.h"
#include "io/file.h"
#include "io/option.h"

typedef enum SplitId { SPLIT_TRAIN, SPLIT_VALID, SPLIT_TEST, N_SPLITS } SplitId;
extern const char *const split_name[N_SPLITS]; /* "train", "valid", "test" */

typedef struct Dataset Dataset;
struct TextUnits;
typedef struct DatasetKind DatasetKind;
enum { DATASET_PIECES = 24 };

typedef struct Split {
    int64_t n;
    const uint8_t *images; /* base of all images that `index` refers to; NULL in a kind with draw */
    const int32_t *labels;
    const int64_t *index; /* n entries into images and labels, or NULL for 0..n-1 */
    int64_t text_bytes;   /* of the text that all labels stand for; 0: these are not text */
} Split;

struct Dataset {
    const DatasetKind *kind;
    const void *options;
    Task task;
    Shape image; /* of an example's bytes, (H, W, C); as sample unless that is a sequence */
    const char *const *class_names; /* n_classes, or NULL */
    float mean[4], std[4];  /* per channel, of x in [0, 1]; x = (pixel / 255 - mean) / std */
    Split split[N_SPLITS];  /* n = 0: there is no such split */
    char sha256[HASH_HEX];  /* of the data: part of the run id */
    struct TextUnits *text; /* how tokens stand for text (text_units.h), owned; NULL: untold */
    const void *source;     /* what the kind's draw works from, in the arena */
    FileMap file;           /* owned, or empty */
    void *memory[DATASET_PIECES]; /* owned, by memory_map */
    size_t memory_bytes[DATASET_PIECES];
    int n_memory;
};

struct DatasetKind {
    const char *name, *summary;
    int revision;
    OptionTable options;
    /* Reads, checks and splits. Missing files: FAIL_DATA with the command that gets them. Files
     * that only serve splits not in `splits` (bit i: SplitId i) are not needed. */
    bool (*open)(Dataset *d, const void *options, const char *data_folder, unsigned splits,
                 Arena *arena, Error *err);
    /* Writes example `i` of a split, which depends on nothing else, into x (Task.sample, of
     * Task.dtype) and task_n_labels() of them into label. Takes no memory; several threads may call
     * it. NULL: an image set.
     */
    void (*draw)(const Dataset *d, SplitId split, int64_t i, void *x, int32_t *label);
    /* The same for a training example that may be augmented: another one in every (seed, epoch).
     * NULL: draw. */
    void (*draw_augmented)(const Dataset *d, int64_t i, uint64_t seed, int64_t epoch, void *x,
                           int32_t *label);
};

enum { SPLITS_ALL = (1 << N_SPLITS) - 1 };

extern const DatasetKind *const dataset_registry[]; /* NULL-terminated */
const DatasetKind *dataset_find(const char *name);

/* data_folder: "data" beside the experiment's project, or $SEQLAB_DATA. `splits`: bit i is set when
 * SplitId i is wanted; the others stay empty. d->sha256 is over the uncompressed content of what
 * was read, so it does not depend on how files are packed. `options` must outlive the dataset. */
bool dataset_open(Dataset *d, const DatasetKind *kind, const void *options, const char *data_folder,
                  unsigned splits, Arena *arena, Error *err) MUST_CHECK;
void dataset_close(Dataset *d);

/* For a kind's open: memory that dataset_close gives back, at most DATASET_PIECES. dataset_own
 * hands over a piece that memory_map gave. */
bool dataset_memory(Dataset *d, void **out, size_t bytes, Error *err) MUST_CHECK;
void dataset_own(Dataset *d, void *memory, size_t bytes);

/* Options that every image set shares (first in its options struct). */
typedef struct ImageOptions {
    unsigned augment; /* bits: 0 crop, 1 flip, 2 cutout */
    int64_t crop_pad; /* pixels of zero padding around, then a random crop of the original size */
    int64_t cutout_size; /* side of the square set to the mean (x = 0); its centre is any pixel, so
                            it may stick out of the image (DeVries & Taylor 2017) */
    int normalize; /* 0 standard (the set's published mean and std), 1 unit ([0, 1]), 2 imagenet
                      (mean .485 .456 .406, std .229 .224 .225) */
    double valid;  /* examples taken from train: a count (> 1) or a share (< 1); 0: none. Which ones
                      is a function of the number of examples alone, so all seeds share the split */
    int64_t train_limit; /* use only the first n training examples after the split; 0: all */
    int layout;   /* of x: 0 image (H, W, C); 1 sequence (H W, C), line by line; 2 permuted: a
                     sequence in an order that is drawn once for all sets, splits and runs */
    bool grey;    /* three colours become one by ITU-R BT.601's weights */
    int64_t pool; /* pixels become the means of pool x pool; what is left over at the right and at
                     the bottom is dropped */
} ImageOptions;

/* Writes example `i` of a split into x (Task.sample, of Task.dtype) and its labels. augment:
 * draws from (seed, "augment", epoch, example's index): the index in the files, so that an example
 * keeps its draws whatever valid and train_limit are. */
void dataset_example(const Dataset *d, SplitId split, int64_t i, bool augment, uint64_t seed,
                     int64_t epoch, void *x, int32_t *label);

#endif
