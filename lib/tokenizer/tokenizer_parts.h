/* tokenizer_parts -- what the files of this room share: a tokenizer taken apart. */
#ifndef SEQLAB_TOKENIZER_TOKENIZER_PARTS_H
#define SEQLAB_TOKENIZER_TOKENIZER_PARTS_H

#include "tokenizer/splits.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/vocabulary.h"

enum { BYTE_VALUES = 256, LOW_CHARACTERS = 0x180 };

typedef struct Span {
    size_t at, n;
} Span;

/* Pieces of a text, one after the other in `text`. */
typedef struct Pieces {
    Bytes text, scratch;
    Span *span;
    size_t n, capacity;
} Pieces;

void pieces_add(Pieces *p, const char *s, size_t n);    /* a piece of its own */
void pieces_extend(Pieces *p, const char *s, size_t n); /* to the last piece */

typedef enum SplitBehavior {
    SPLIT_REMOVED,
    SPLIT_ISOLATED,
    SPLIT_MERGED_WITH_PREVIOUS,
    SPLIT_MERGED_WITH_NEXT,
    SPLIT_CONTIGUOUS,
} SplitBehavior;

typedef enum Prepend { PREPEND_NEVER, PREPEND_FIRST, PREPEND_ALWAYS } Prepend;

/* A stage of the normalizer, the pre-tokenizer or the decoder; which fields mean something is known
 * to the row that loaded it. */
typedef struct Step Step;
typedef struct Loader Loader;
typedef struct StepKind StepKind;
struct Step {
    const StepKind *kind;
    const SplitPattern *pattern; /* of a regular expression; else `text` is looked for */
    Word text, content;
    SplitBehavior behavior;
    Prepend prepend;
    bool left, right, invert, lower, clean, chinese, accents, use_regex;
    int64_t start, stop;
    double growth; /* at most so many times as long a text comes out, but for a constant */
    const struct Charsmap *charsmap;
};

/* One row a type. `load` may be NULL: there is nothing to read. */
struct StepKind {
    const char *type;
    bool (*load)(Step *s, const json_t *json, Loader *l, Error *err);
    void (*normalize)(const Step *s, Word in, Bytes *out);
    /* `first`: the piece is where the whole text begins. */
    void (*split)(const Step *s, Word in, bool first, Pieces *out);
    /* Changes the tokens' texts in place (words of `arena`). */
    void (*decode)(const Step *s, Arena *arena, Word *token, size_t *n);
};
extern const StepKind normalizer_kinds[], pre_tokenizer_kinds[],
    decoder_kinds[]; /* .type NULL ends */

typedef struct Steps {
    Step *step;
    size_t n, capacity;
    double growth; /* of all, one after the other */
} Steps;

typedef struct AddedToken {
    Word content;
    int32_t id;
    bool single_word, lstrip, rstrip, normalized, special;
} AddedToken;

/* A post-processor: what stands where. */
typedef struct TemplateItem {
    int text; /* 0 or 1: that text; -1: `id` */
    int32_t id;
    uint8_t type;
} TemplateItem;
typedef struct Template {
    TemplateItem *item; /* NULL: the texts, one after the other */
    size_t n, capacity;
} Template;

typedef enum ModelKind { MODEL_BPE, MODEL_UNIGRAM, MODEL_WORDPIECE, MODEL_WORD_LEVEL } ModelKind;

typedef struct Merge {
    uint32_t rank, id; /* what the pair becomes */
} Merge;

typedef struct Model {
    ModelKind kind;
    int32_t unk; /* -1: none */
    int32_t byte_id[BYTE_VALUES];
    bool byte_fallback; /* asked for, and all of "<0x00>".."<0xFF>" are there */
    /* BPE */
    PairMap merge; /* pair of ids -> place in merges */
    const Merge *merges;
    bool fuse_unk, ignore_merges;
    bool cuts_before_space;         /* no merge crosses from another character to U+2581 */
    Word suffix;                    /* end_of_word_suffix */
    int32_t low_id[LOW_CHARACTERS]; /* of one-character tokens below that, which are most */
    /* BPE and WordPiece */
    Word prefix; /* continuing_subword_prefix */
    int64_t max_characters;
    /* Unigram */
    Trie trie;
    const double *score; /* by id */
    double unk_score;
} Model;

struct Tokenizer {
    Arena *arena;
    json_t *document;
    const char *warning;
    Vocabulary vocabulary; /* the model's */
    Vocabulary extra;      /* added tokens that the model does not have */
    int64_t max_id;        /* what is above is refused: ids are places in an array */
    Model model;
    Steps normalizers, pre_tokenizers, decoders;
    AddedToken *added;
    size_t n_added;
    Trie raw_added, normalized_added; /* index into `added` by text as it is, or normalised */
    uint8_t *special;                 /* by id */
    Template single, pair;
};

/* What loading a document needs at hand. */
struct Loader {
    Tokenizer *t;
    const char *name; /* stands for the path in messages */
};

/* Fails with FAIL_DATA at the loader's name. */
#define LOAD_FAIL(l, err, ...) fail((err), FAIL_DATA, &(Place){.file = (l)->name}, __VA_ARGS__)

/* Fields of a JSON object. A missing one or null gives the fallback; another type is an error. */
bool load_text(const json_t *object, const char *key, const char *fallback, Word *out, Loader *l,
               Error *err) MUST_CHECK;
bool load_flag(const json_t *object, const char *key, bool fallback, bool *out, Loader *l,
               Error *err) MUST_CHECK;
bool load_count(const json_t *object, const char *key, int64_t fallback, int64_t *out, Loader *l,
                Error *err) MUST_CHECK;
/* {"String": "..."} or {"Regex": "..."} at `key`. */
bool load_pattern(Step *s, const json_t *object, const char *key, Loader *l, Error *err) MUST_CHECK;
/* Reads a stage (flattening sequences, whose items are at `list`) by a table of kinds. */
bool load_steps(Steps *out, const json_t *json, const StepKind *kinds, const char *list, Loader *l,
                Error *err) MUST_CHECK;
bool load_model(const json_t *json, Loader *l, Error *err) MUST_CHECK;
bool load_bpe(const json_t *json, Loader *l, Error *err) MUST_CHECK;
bool load_unigram(const json_t *json, Loader *l, Error *err) MUST_CHECK;
bool load_added(const json_t *json, Loader *l, Error *err) MUST_CHECK;
bool load_post_processor(const json_t *json, Loader *l, Error *err) MUST_CHECK;
bool load_charsmap(Step *s, const json_t *json, Loader *l, Error *err) MUST_CHECK;

/* The document that stands for a llama2.c vocabulary. */
json_t *llama2_document(const unsigned char *data, size_t n, const char *name, Error *err);

void normalize_text(const Tokenizer *t, Word in, Bytes *out, Bytes *scratch);
void charsmap_normalize(const struct Charsmap *c, Word in, Bytes *out);
/* The byte-level alphabet: a character for every byte, and back (-1: none). */
int32_t byte_character(unsigned char byte);
int byte_of_character(int32_t c);

/* Cuts at the step's pattern, as its behaviour says. */
void split_by_pattern(const Step *s, Word in, Pieces *out);
/* Runs all pre-tokenizers over `in`; the result is *a or *b. */
const Pieces *pre_tokenize(const Tokenizer *t, Word in, bool first, Pieces *a, Pieces *b);

/* Scratch memory and cache of one thread. */
typedef struct Symbol {
    int32_t id, previous, next, n; /* n = 0: merged into another */
} Symbol;
typedef struct Candidate {
    uint32_t rank, id;
    int32_t at;
} Candidate;
typedef struct PathNode {
    double score;
    size_t from;
    int32_t id;
} PathNode;
typedef struct CachedWord {
    uint64_t hash;
    uint32_t key, n_key, ids, n_ids;
} CachedWord;

struct TokenEncoder {
    Arena *arena;
    const Tokenizer *t;
    int32_t *id;
    uint8_t *type;
    size_t n, capacity, n_types, type_capacity;
    Bytes normal, scratch;
    Pieces pieces[2];
    Symbol *symbol;
    size_t symbols;
    Candidate *heap;
    size_t n_heap, heaps;
    PathNode *path;
    size_t paths;
    CachedWord *cache;
    uint32_t n_cached;
    Bytes cached_text;
    int32_t *cached_id;
    size_t n_cached_ids, cached_ids;
};

static inline void encoder_put(TokenEncoder *e, int32_t id)
{
    ARRAY_ROOM(e->arena, e->id, e->n, e->capacity, 1);
    e->id[e->n++] = id;
}

/* A pre-tokenized word to ids. */
void bpe_encode(TokenEncoder *e, Word word);
void wordpiece_encode(TokenEncoder *e, Word word);
bool unigram_encode(TokenEncoder *e, Word word, Error *err) MUST_CHECK;
/* A text between added tokens. */
bool encode_words(TokenEncoder *e, Word text, bool first, Error *err) MUST_CHECK;
/* A whole text: added tokens and what is between them. */
bool encode_text(TokenEncoder *e, Word text, Error *err) MUST_CHECK;

#endif
