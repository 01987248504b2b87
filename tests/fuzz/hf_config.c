/* fuzz/hf_config -- a folder's config.json up to the first 0xFF byte, then its
 * generation_config.json: refused with a message, or options that are read. */
#include "base/text.h"
#include "io/file.h"
#include "nn/generate_config.h"
#include "nn/hf_dir.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void demand(bool holds)
{
    if (!holds) abort();
}

static const char *made_folder(void)
{
    static char folder[64];
    Error err = {0};
    (void)snprintf(folder, sizeof folder, "/tmp/seqlab_fuzz_hf_config.%d", (int)getpid());
    demand(folder_make(folder, &err));
    return folder;
}

static void put(Arena *a, const char *folder, const char *name, const uint8_t *data, size_t n)
{
    FILE *f = fopen(arena_printf(a, "%s/%s", folder, name), "wb");
    demand(f && fwrite(data, 1, n, f) == n);
    (void)fclose(f);
}

static void check_generation(const char *folder, const Model *model, Arena *a)
{
    Error err = {0};
    Yaml *map;
    const char *note;
    GenerateOptions o;
    const bool ok = generate_config(folder, model, a, &map, &note, &err) &&
                    generate_options(map, NULL, 0, a, &o, &err);
    demand(ok == (err.n_items == 0));
    if (ok) demand(o.max_new_tokens >= 1 && o.num_beams >= 1 && o.temperature > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const uint8_t *end = n > 0 ? memchr(data, 0xFF, n) : NULL;
    const size_t n_config = end ? (size_t)(end - data) : n;
    const char *folder = made_folder();
    Arena *a = arena_new();
    Error err = {0};
    const Model *model;
    Yaml *map;
    put(a, folder, "config.json", data, n_config);
    put(a, folder, "generation_config.json", end ? end + 1 : data, end ? n - n_config - 1 : 0);
    const bool ok = hf_dir_config(folder, a, &model, &map, &err);
    demand(ok == (err.n_items == 0) && (ok || err.kind == FAIL_DATA));
    if (ok) {
        void *options = arena_alloc(a, model->options.bytes);
        demand(option_read(&model->options, map, NULL, "in config.json", options, &err) ==
               (err.n_items == 0));
        check_generation(folder, model, a);
    }
    (void)unlink(arena_printf(a, "%s/config.json", folder));
    (void)unlink(arena_printf(a, "%s/generation_config.json", folder));
    (void)rmdir(folder);
    arena_free(a);
    return 0;
}
