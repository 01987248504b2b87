/* llama2c -- see llama2c.h. */
#include "nn/llama2c.h"

#include "io/file.h"
#include "nn/hf_dir.h"
#include "tokenizer/tokenizer.h"

#include <string.h>

enum { SIZES = 7, LEGACY_HEADER = 28, HEADER = 256, LAYERS_MAX = 256 };
static const uint32_t MAGIC = 0x616b3432;
static const int64_t SIZE_MAX_EACH = 1 << 24;

typedef struct Header {
    int64_t dim, hidden, layers, heads, kv_heads, vocabulary, steps;
    bool tied, legacy;
    int64_t head_size, kv_dim;
} Header;

/* A kind of tensor: one a layer (the name has %d), or one in all. */
typedef struct Kind {
    const char *name;
    int64_t rows, columns; /* columns 0: a vector of rows */
    int64_t turned;        /* heads whose rows are reordered; 0: none */
} Kind;

enum { N_KINDS = 13 };

static int64_t floats_of(const Header *h, const Kind *k)
{
    const int64_t n = k->rows * (k->columns ? k->columns : 1);
    return strchr(k->name, '%') ? n * h->layers : n;
}

/* In the order of the file. */
static int kinds_of(const Header *h, Kind out[N_KINDS])
{
    const int64_t d = h->dim;
    const Kind table = {"model.embed_tokens.weight", h->vocabulary, d, 0};
    const Kind norm1 = {"model.layers.%d.input_layernorm.weight", d, 0, 0};
    const Kind norm2 = {"model.layers.%d.post_attention_layernorm.weight", d, 0, 0};
    const Kind norm = {"model.norm.weight", d, 0, 0},
               head = {"lm_head.weight", h->vocabulary, d, 0};
    const Kind attention[] = {
        {"model.layers.%d.self_attn.q_proj.weight", d,         d, h->heads   },
        {"model.layers.%d.self_attn.k_proj.weight", h->kv_dim, d, h->kv_heads},
        {"model.layers.%d.self_attn.v_proj.weight", h->kv_dim, d, 0          },
        {"model.layers.%d.self_attn.o_proj.weight", d,         d, 0          },
    };
    const Kind mlp[] = {
        {"model.layers.%d.mlp.gate_proj.weight", h->hidden, d,         0},
        {"model.layers.%d.mlp.down_proj.weight", d,         h->hidden, 0},
        {"model.layers.%d.mlp.up_proj.weight",   h->hidden, d,         0},
    };
    int n = 0;
    if (!h->legacy) {
        out[n++] = norm1;
        out[n++] = norm2;
        out[n++] = norm;
    }
    out[n++] = table;
    if (h->legacy) out[n++] = norm1;
    for (int i = 0; i < 4; i++) out[n++] = attention[i];
    if (h->legacy) out[n++] = norm2;
    for (int i = 0; i < 3; i++) out[n++] = mlp[i];
    if (h->legacy) {
        out[n++] = norm;
        /* cosines and sines, which the model computes itself */
        out[n++] = (Kind){"", h->steps, h->head_size, 0};
    }
    if (!h->tied) out[n++] = head;
    return n;
}

static bool read_header(const char *path, const FileMap *map, Header *h, Error *err)
{
    uint32_t magic = 0;
    int32_t size[SIZES], version = 0;
    if (map->bytes < LEGACY_HEADER)
        return fail(err, FAIL_DATA, NULL, "%s: is too short for a llama2.c checkpoint", path);
    memcpy(&magic, map->data, sizeof magic);
    h->legacy = magic != MAGIC;
    if (!h->legacy && map->bytes < HEADER)
        return fail(err, FAIL_DATA, NULL, "%s: is too short for a llama2.c checkpoint", path);
    if (!h->legacy) memcpy(&version, map->data + 4, sizeof version);
    if (!h->legacy && version != 1)
        return fail(err, FAIL_DATA, NULL,
                    "%s: a llama2.c checkpoint of version %d; 0 and 1 are "
                    "read",
                    path, version);
    memcpy(size, map->data + (h->legacy ? 0 : 8), sizeof size);
    h->tied = h->legacy ? size[5] > 0 : map->data[8 + sizeof size] != 0;
    if (size[5] < 0 && size[5] > -SIZE_MAX_EACH) size[5] = -size[5];
    for (int i = 0; i < SIZES; i++)
        if (size[i] < 1 || size[i] > SIZE_MAX_EACH)
            return fail(err, FAIL_DATA, NULL, "%s: is no llama2.c checkpoint: size %d is %d", path,
                        i, size[i]);
    h->dim = size[0];
    h->hidden = size[1];
    h->layers = size[2];
    h->heads = size[3];
    h->kv_heads = size[4];
    h->vocabulary = size[5];
    h->steps = size[6];
    h->head_size = h->dim / h->heads;
    h->kv_dim = h->head_size * h->kv_heads;
    if (h->dim % h->heads == 0 && h->heads % h->kv_heads == 0 && h->head_size % 2 == 0 &&
        h->layers <= LAYERS_MAX)
        return true;
    return fail(err, FAIL_DATA, NULL,
                "%s: is no llama2.c checkpoint: %lld layers of width %lld with %lld heads and "
                "%lld of keys",
                path, (long long)h->layers, (long long)h->dim, (long long)h->heads,
                (long long)h->kv_heads);
}

static bool check_length(const char *path, const FileMap *map, const Header *h, Error *err)
{
    Kind kind[N_KINDS];
    const int n = kinds_of(h, kind);
    int64_t floats = 0; /* below 13 * 2^(24 + 24 + 8) */
    for (int i = 0; i < n; i++) floats += floats_of(h, &kind[i]);
    const uint64_t want = (uint64_t)(h->legacy ? LEGACY_HEADER : HEADER) + 4 * (uint64_t)floats;
    return map->bytes == want || fail(err, FAIL_DATA, NULL, "%s: %zu bytes; its header wants %llu",
                                      path, map->bytes, (unsigned long long)want);
}

static Yaml *options_of(const Header *h, Arena *a)
{
    const struct {
        const char *name;
        int64_t value;
    } row[] = {
        {"vocab_size",              h->vocabulary},
        {"hidden_size",             h->dim       },
        {"intermediate_size",       h->hidden    },
        {"num_hidden_layers",       h->layers    },
        {"num_attention_heads",     h->heads     },
        {"num_key_value_heads",     h->kv_heads  },
        {"max_position_embeddings", h->steps     },
    };
    Yaml *y = yaml_new_map(a);
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
        yaml_append(a, y, row[i].name,
                    yaml_new_scalar(a, arena_printf(a, "%lld", (long long)row[i].value), false));
    yaml_append(a, y, "rms_norm_eps", yaml_new_scalar(a, "1e-5", false));
    yaml_append(a, y, "tie_word_embeddings", yaml_new_scalar(a, h->tied ? "true" : "false", false));
    return y;
}

/* Row 2i of a head goes to row i, row 2i + 1 to row i + D / 2. */
static void copy_rows(const Kind *k, const unsigned char *from, float *to)
{
    const int64_t columns = k->columns ? k->columns : 1;
    const int64_t head = k->turned ? k->rows / k->turned : 1, half = head / 2;
    const size_t bytes = sizeof(float) * (size_t)columns;
    for (int64_t r = 0; r < k->rows; r++) {
        const int64_t in = r % head;
        const int64_t row = k->turned ? r - in + in / 2 + in % 2 * half : r;
        memcpy(to + row * columns, from + (size_t)r * bytes, bytes);
    }
}

/* Makes the parameters, or, with `data`, fills them. */
static void walk(const Header *h, Arena *a, Params *params, Graph *g, const unsigned char *data)
{
    Kind kind[N_KINDS];
    const int n = kinds_of(h, kind);
    for (int i = 0; i < n; i++) {
        const Kind *k = &kind[i];
        const bool layered = strchr(k->name, '%') != NULL;
        const int64_t layers = layered ? h->layers : 1, each = floats_of(h, k) / layers;
        const Shape s = {
            k->columns ? 2 : 1, {k->rows, k->columns}
        };
        const ParamRole role = s.rank == 1                            ? ROLE_NORM
                               : k->rows == h->vocabulary && !layered ? ROLE_EMBEDDING
                                                                      : ROLE_WEIGHT;
        const char *rest = layered ? strchr(k->name, '%') + 2 : "";
        for (int64_t j = 0; j < layers && *k->name; j++) {
            const char *name =
                layered ? arena_printf(a, "model.layers.%lld%s", (long long)j, rest) : k->name;
            Param *p = params_get(params, g, name, s, role, true, (Init){.kind = INIT_ZEROS});
            if (data) copy_rows(k, data + 4 * (size_t)(j * each), p->data);
        }
        if (data) data += 4 * (size_t)(layers * each);
    }
}

bool llama2c_read(const char *path, Arena *a, Yaml **options, Params *params, Error *err)
{
    FileMap map;
    Header h = {0};
    TRY(file_map(path, &map, FAIL_DATA, err));
    bool ok = read_header(path, &map, &h, err) && check_length(path, &map, &h, err);
    if (ok) {
        Graph *g = graph_new(a);
        walk(&h, a, params, g, NULL);
        ok = graph_ok(g, err) && params_allocate(params, err);
        if (ok) walk(&h, a, params, g, map.data + (h.legacy ? LEGACY_HEADER : HEADER));
        *options = options_of(&h, a);
    }
    file_unmap(&map);
    return ok;
}

bool llama2c_convert(const char *path, const char *folder, Error *err)
{
    Arena *a = arena_new();
    Params *params = params_new(a);
    const Model *model = model_find("llama");
    Yaml *y;
    void *options = arena_alloc(a, model->options.bytes);
    const Task task = {.per_step = true, .causal = true};
    const bool ok = llama2c_read(path, a, &y, params, err) &&
                    option_read(&model->options, y, NULL, "in the checkpoint", options, err) &&
                    hf_dir_write(folder, model, options, &task, params, err);
    params_free(params);
    arena_free(a);
    return ok;
}

/* -- The tokenizer */

static bool write_text(Arena *a, const char *folder, const char *name, const char *text, Error *err)
{
    return file_replace(arena_printf(a, "%s/%s", folder, name), text, strlen(text), err);
}

bool llama2c_tokenizer(const char *path, const char *folder, Error *err)
{
    static const char config[] = "{\n"
                                 "  \"bos_token\": \"<s>\",\n"
                                 "  \"clean_up_tokenization_spaces\": false,\n"
                                 "  \"eos_token\": \"</s>\",\n"
                                 "  \"tokenizer_class\": \"PreTrainedTokenizerFast\",\n"
                                 "  \"unk_token\": \"<unk>\"\n"
                                 "}\n";
    static const char generation[] = "{\n"
                                     "  \"bos_token_id\": 1,\n"
                                     "  \"eos_token_id\": [1, 2]\n"
                                     "}\n";
    Arena *a = arena_new();
    Tokenizer *t = NULL;
    const bool ok = tokenizer_open(&t, path, err) && folder_make(folder, err) &&
                    tokenizer_save(t, arena_printf(a, "%s/tokenizer.json", folder), err) &&
                    write_text(a, folder, "tokenizer_config.json", config, err) &&
                    write_text(a, folder, "generation_config.json", generation, err);
    tokenizer_free(t);
    arena_free(a);
    return ok;
}
