/* text_lm -- language modelling: at every step of a block of text, which token comes next.
 *
 *   text    t o   b e ,   o r          x       t o _ b
 *   block                   4          labels  o _ b e
 *
 * Parts of the text follow one another: training, validation, test. What is evaluated is cut into
 * blocks end to end, so that every token but a part's first is predicted once; the last block is
 * filled up with padding. In training the cuts lie elsewhere in every epoch, so that no token
 * always comes early in a block, where little is known about it. */
#include "data/text_units.h"

#include "base/pcg.h"
#include "data/dataset.h"
#include "data/files.h"
#include "data/recipe.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_PATHS = OPTION_LIST_MAX };
static const size_t MAX_BYTES = (size_t)1 << 36, MAX_TOKENIZER = (size_t)1 << 30;

typedef struct TextOptions {
    PathList path, valid_path, test_path, tokenizer;
    double valid, test;
    int unit;
    int64_t vocabulary, block, permute_letters;
    bool shift;
} TextOptions;

// clang-format off
static const Option options[] = {
    OPT_PATH(TextOptions, path, MAX_PATHS, "text files, plain or .gz, one after the other, to train on"),
    OPT_PATH(TextOptions, valid_path, MAX_PATHS, "text files to validate on, instead of a share of path"),
    OPT_PATH(TextOptions, test_path, MAX_PATHS, "text files to test on, instead of a share of path"),
    OPT_REAL(TextOptions, valid, 0.05, 0, 0.9, "share of path's bytes to validate on, before the test's"),
    OPT_REAL(TextOptions, test, 0.05, 0, 0.9, "share of path's bytes to test on: the last ones"),
    OPT_ENUM(TextOptions, unit, TEXT_UNIT_CHOICES, "byte", "what a token is"),
    OPT_PATH(TextOptions, tokenizer, 1, "a tokenizer.json, or a folder with one, whose tokens are taken in place of unit's"),
    OPT_INT(TextOptions, vocabulary, 1024, 257, 65536, "of unit bpe: tokens, at most; 257 are bytes and padding"),
    OPT_INT(TextOptions, block, 256, 1, 1e9, "steps of an example, in tokens"),
    OPT_INT(TextOptions, permute_letters, 0, 0, 1e15, "write the text in a cipher, each letter a-z as another one, drawn from this seed; 0: as it is"),
    OPT_BOOL(TextOptions, shift, true, "cut the training text at other places in every epoch"),
};
// clang-format on

typedef struct Part {
    const uint16_t *token;
    int64_t n;
} Part;

typedef struct TextSource {
    TextUnits units; /* the set's text, once it is opened */
    Part part[N_SPLITS];
} TextSource;

/* -- Examples */

static void draw_block(const Dataset *d, const Part *p, int64_t at, void *x, int32_t *label)
{
    const TextOptions *o = d->options;
    int32_t *token = x;
    for (int64_t t = 0; t < o->block; t++) {
        const bool inside = at + t + 1 < p->n;
        token[t] = inside ? p->token[at + t] : 0;
        label[t] = inside ? p->token[at + t + 1] : -1;
    }
}

static void draw_text(const Dataset *d, SplitId split, int64_t i, void *x, int32_t *label)
{
    const TextOptions *o = d->options;
    const TextSource *s = d->source;
    draw_block(d, &s->part[split], i * o->block, x, label);
}

/* All of an epoch's blocks are shifted alike. */
static void draw_shifted(const Dataset *d, int64_t i, uint64_t seed, int64_t epoch, void *x,
                         int32_t *label)
{
    const TextOptions *o = d->options;
    const Part *p = &((const TextSource *)d->source)->part[SPLIT_TRAIN];
    const int64_t rest = p->n - 1 - d->split[SPLIT_TRAIN].n * o->block;
    const int64_t places = rest + 1 < o->block ? rest + 1 : o->block;
    Pcg rng = pcg_stream(seed, "text_lm", (uint64_t)epoch, 0);
    const int64_t shift = o->shift ? pcg_below(&rng, (uint32_t)places) : 0;
    draw_block(d, p, i * o->block + shift, x, label);
}

/* -- Files */

/* The files of one option, end to end. */
typedef struct Joined {
    unsigned char *bytes;
    size_t n, n_mapped;
    const char *path; /* of the first */
} Joined;

/* A stretch of a joined text. */
typedef struct Stretch {
    const unsigned char *bytes;
    size_t n;
    const char *path;
} Stretch;

static bool check_file(const DataFile *f, int unit, Error *err)
{
    if (f->n == 0) return fail(err, FAIL_DATA, NULL, "%s: is empty", f->path);
    if (unit != UNIT_CHAR) return true;
    for (size_t i = 0, bytes; i < f->n; i += bytes)
        if (text_code_point(f->bytes + i, f->n - i, &bytes) < 0)
            return fail(err, FAIL_DATA, NULL,
                        "%s: byte %zu, 0x%02x, is not UTF-8; unit = byte takes any bytes", f->path,
                        i + 1, f->bytes[i]);
    return true;
}

static bool join(DataFile *files, int n, int unit, Joined *out, Error *err)
{
    void *text;
    size_t bytes = 0, at = 0;
    for (int i = 0; i < n; bytes += files[i++].n) TRY(check_file(&files[i], unit, err));
    out->n = bytes;
    out->path = files[0].path;
    if (n == 1) {
        out->bytes = files[0].bytes;
        out->n_mapped = files[0].n_mapped;
        files[0].bytes = NULL;
        return true;
    }
    TRY(memory_map(&text, bytes, err));
    for (int i = 0; i < n; at += files[i++].n)
        memcpy((unsigned char *)text + at, files[i].bytes, files[i].n);
    out->bytes = text;
    out->n_mapped = bytes;
    return true;
}

/* Reads one option's files; their hashes go to the end of *hashes, under its name. */
static bool read_text(const PathList *paths, const char *name, int unit, Joined *out,
                      const char **hashes, Arena *a, Error *err)
{
    DataFile files[MAX_PATHS] = {{0}};
    if (paths->n == 0) return true;
    for (int i = 0; i < paths->n; i++)
        files[i] = (DataFile){.path = path_list_at(paths, i), .max_bytes = MAX_BYTES};
    TRY(data_files_read(files, paths->n, a, err));
    for (int i = 0; i < paths->n; i++)
        *hashes = arena_printf(a, "%s%s %s\n", *hashes, name, files[i].sha256);
    bool ok = join(files, paths->n, unit, out, err);
    data_files_free(files, paths->n);
    return ok;
}

/* The same for small and capital letters, so that a sentence still begins with a capital. What the
 * text says, and what follows what, stays; what each letter means must be learned anew. */
static void permute_letters(Joined *text, int64_t seed)
{
    enum { LETTERS = 26 };
    int64_t order[LETTERS];
    Pcg rng = pcg_stream((uint64_t)seed, "permute_letters", 0, 0);
    pcg_permutation(&rng, order, LETTERS);
    for (size_t i = 0; i < text->n; i++) {
        unsigned char *c = &text->bytes[i];
        if (*c >= 'a' && *c <= 'z') *c = (unsigned char)('a' + order[*c - 'a']);
        if (*c >= 'A' && *c <= 'Z') *c = (unsigned char)('A' + order[*c - 'A']);
    }
}

/* Not inside a character, where the text is UTF-8. */
static size_t boundary(const unsigned char *text, size_t n, size_t at)
{
    enum { MOST = 3 };
    for (int i = 0; i < MOST && at > 0 && at < n && (text[at] & 0xC0) == 0x80; i++) at--;
    return at;
}

/* Takes the last `share` of n_all bytes off `from`. */
static Stretch take_share(Stretch *from, double share, size_t n_all)
{
    const size_t take = (size_t)floor(share * (double)n_all + 0.5);
    const size_t at = boundary(from->bytes, from->n, from->n - (take < from->n ? take : from->n));
    const Stretch rest = {from->bytes + at, from->n - at, from->path};
    from->n = at;
    return rest;
}

static void divide_text(const TextOptions *o, const Joined text[N_SPLITS], Stretch out[N_SPLITS])
{
    for (int s = 0; s < N_SPLITS; s++) out[s] = (Stretch){text[s].bytes, text[s].n, text[s].path};
    if (o->test_path.n == 0)
        out[SPLIT_TEST] = take_share(&out[SPLIT_TRAIN], o->test, text[SPLIT_TRAIN].n);
    if (o->valid_path.n == 0)
        out[SPLIT_VALID] = take_share(&out[SPLIT_TRAIN], o->valid, text[SPLIT_TRAIN].n);
}

static bool encode_part(Dataset *d, SplitId id, const Stretch *text, TextSource *source, Error *err)
{
    const TextOptions *o = d->options;
    const int64_t need = id == SPLIT_TRAIN ? o->block + 1 : 2;
    void *memory;
    if (text->n == 0 && id != SPLIT_TRAIN) return true;
    TRY(dataset_memory(d, &memory, text_units_most(&source->units, text->n) * sizeof(uint16_t),
                       err));
    Part *p = &source->part[id];
    TRY(text_units_encode(&source->units, text->bytes, text->n, memory, &p->n, err));
    p->token = memory;
    if (p->n < need)
        return fail(err, FAIL_DATA, NULL,
                    "%s: %lld tokens for the %s split; block = %lld takes %lld or more", text->path,
                    (long long)p->n, split_name[id], (long long)o->block, (long long)need);
    /* in training, as many as there are at every shift */
    const int64_t room = o->shift ? p->n - o->block : p->n - 1;
    int64_t blocks = (p->n - 1 + o->block - 1) / o->block, asked = p->n - 1;
    if (id == SPLIT_TRAIN) {
        blocks = room < o->block ? 1 : room / o->block;
        asked = blocks * o->block;
    }
    d->split[id].n = blocks;
    d->split[id].text_bytes = text_units_bytes(&source->units, text->bytes, memory, asked + 1) -
                              text_units_bytes(&source->units, text->bytes, memory, 1);
    return true;
}

static bool open_joined(Dataset *d, TextSource *source, const Joined text[N_SPLITS],
                        unsigned splits, Arena *a, Error *err)
{
    const TextOptions *o = d->options;
    Stretch part[N_SPLITS];
    divide_text(o, text, part);
    if (!d->text)
        TRY(text_units_learn(&source->units, (TextUnit)o->unit, o->vocabulary,
                             part[SPLIT_TRAIN].bytes, part[SPLIT_TRAIN].n, a, err));
    d->text = &source->units;
    d->task = (Task){.sample = shape(1, o->block),
                     .dtype = I32,
                     .n_tokens = source->units.n_tokens,
                     .n_classes = (int)source->units.n_tokens,
                     .per_step = true,
                     .causal = true};
    bool ok = true;
    for (int s = 0; ok && s < N_SPLITS; s++)
        if (splits & 1u << s) ok = encode_part(d, (SplitId)s, &part[s], source, err);
    return ok;
}

/* The tokenizer that the options name. */
static bool read_tokenizer(Dataset *d, TextUnits *units, const char **hashes, Arena *a, Error *err)
{
    const TextOptions *o = d->options;
    const char *path = path_list_at(&o->tokenizer, 0);
    struct stat st;
    Tokenizer *t;
    if (!path) return true;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        path = arena_printf(a, "%s/tokenizer.json", path);
    DataFile file = {.path = path, .max_bytes = MAX_TOKENIZER};
    TRY(data_files_read(&file, 1, a, err));
    *hashes = arena_printf(a, "%stokenizer %s\n", *hashes, file.sha256);
    const bool ok = tokenizer_parse(&t, file.bytes, file.n, path, err);
    data_files_free(&file, 1);
    TRY(ok && text_units_given(units, t, err));
    d->text = units;
    return true;
}

static bool open_paths(Dataset *d, const PathList *path, unsigned splits, Arena *a, Error *err)
{
    const TextOptions *o = d->options;
    const PathList *paths[N_SPLITS] = {path, &o->valid_path, &o->test_path};
    const char *hashes = "";
    Joined text[N_SPLITS] = {{0}};
    bool ok = true;
    if (o->valid + o->test >= 1)
        return fail(err, FAIL_CONFIG, NULL, "valid = %g and test = %g leave nothing to train on",
                    o->valid, o->test);
    for (int s = 0; ok && s < N_SPLITS; s++)
        ok = read_text(paths[s], split_name[s], o->unit, &text[s], &hashes, a, err);
    TextSource *source = arena_new_array(a, TextSource, 1);
    d->source = source;
    ok = ok && read_tokenizer(d, &source->units, &hashes, a, err);
    hash_bytes(hashes, strlen(hashes), d->sha256);
    for (int s = 0; ok && o->permute_letters > 0 && s < N_SPLITS; s++)
        permute_letters(&text[s], o->permute_letters);
    ok = ok && open_joined(d, source, text, splits, a, err);
    for (int s = 0; s < N_SPLITS; s++) memory_unmap(text[s].bytes, text[s].n_mapped);
    return ok;
}

static bool open_text_lm(Dataset *d, const void *options_, const char *data_folder, unsigned splits,
                         Arena *a, Error *err)
{
    const TextOptions *o = options_;
    (void)data_folder;
    if (o->path.n == 0)
        return fail(err, FAIL_CONFIG, NULL, "text_lm: path is missing: a text file or a list");
    return open_paths(d, &o->path, splits, a, err);
}

static bool open_tinyshakespeare(Dataset *d, const void *options_, const char *data_folder,
                                 unsigned splits, Arena *a, Error *err)
{
    const TextOptions *o = options_;
    const char *path;
    if (o->path.n > 0) return open_paths(d, &o->path, splits, a, err);
    TRY(recipe_find_file(a, data_folder, d->kind->name, NULL, "input.txt", &path, err));
    PathList *one = arena_new_array(a, PathList, 1);
    one->n = 1;
    (void)snprintf(one->text, sizeof one->text, "%s", path);
    return open_paths(d, one, splits, a, err);
}

const DatasetKind dataset_text_lm = {
    .name = "text_lm",
    .summary = "language modelling of text files: the next byte, character or piece",
    .revision = 1,
    .options = OPTION_TABLE(TextOptions, options),
    .open = open_text_lm,
    .draw = draw_text,
    .draw_augmented = draw_shifted,
};

const DatasetKind dataset_tinyshakespeare = {
    .name = "tinyshakespeare",
    .summary = "language modelling of plays, 1.1 MB (Karpathy 2015)",
    .revision = 1,
    .options = OPTION_TABLE(TextOptions, options),
    .open = open_tinyshakespeare,
    .draw = draw_text,
    .draw_augmented = draw_shifted,
};
