/* fuzz/text_table -- a table of labelled texts of any bytes is refused with a message or read; then
 * every example has tokens and a label within what the task promises. The first byte chooses
 * between bytes and characters, a header and none, texts and pairs. */
#include "data/dataset.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LENGTH = 6, PAIRS = 1, HEADER = 2, CHARACTERS = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void demand(bool holds)
{
    if (!holds) abort();
}

static const char *options_text(Arena *a, unsigned how, int fd)
{
    return arena_printf(
        a, "{train_file: /proc/self/fd/%d, length: %d, valid: 0.3, min_count: 2, eos: true%s%s%s}",
        fd, (int)LENGTH, how & HEADER ? ", header: true" : "",
        how & CHARACTERS ? ", unit: char" : "",
        how & PAIRS ? ", text_column: 1, second_column: 3, label_column: 2" : "");
}

static void draw_all(const Dataset *d)
{
    int32_t x[2 * LENGTH], label;
    demand(d->split[SPLIT_TRAIN].n > 0 && d->task.n_classes > 1);
    for (SplitId s = 0; s < N_SPLITS; s++)
        for (int64_t i = 0; i < d->split[s].n; i++) {
            dataset_example(d, s, i, false, 0, 0, x, &label);
            demand(label >= 0 && label < d->task.n_classes);
            for (int64_t t = 0; t < shape_count(&d->task.sample); t++)
                demand(x[t] >= 0 && x[t] < d->task.n_tokens);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const unsigned how = n > 0 ? data[0] : 0;
    const size_t skip = n > 0;
    Arena *a = arena_new();
    Error err = {0};
    Dataset d;
    Yaml *y;
    const int fd = memfd_create("fuzz", 0);
    demand(fd >= 0 && write(fd, data + skip, n - skip) == (ssize_t)(n - skip));
    const DatasetKind *kind = dataset_find(how & PAIRS ? "retrieval" : "text_classification");
    const char *text = options_text(a, how, fd);
    void *options = arena_alloc(a, kind->options.bytes);
    demand(yaml_parse(a, text, strlen(text), "<text>", &y, &err) &&
           option_read(&kind->options, y, NULL, "in data", options, &err));
    if (dataset_open(&d, kind, options, "", SPLITS_ALL, a, &err)) {
        draw_all(&d);
        dataset_close(&d);
    } else {
        demand(err.n_items > 0 && (err.kind == FAIL_DATA || err.kind == FAIL_CONFIG));
    }
    (void)close(fd);
    arena_free(a);
    return 0;
}
