/* post_processor -- where the special tokens stand around one text, or two. */
#include "tokenizer/tokenizer_parts.h"

static void add_item(Template *t, Arena *a, TemplateItem item)
{
    ARRAY_ROOM(a, t->item, t->n, t->capacity, 1);
    t->item[t->n++] = item;
}

/* The tokens that a name of a template stands for. */
static bool add_special(Template *out, const json_t *specials, Word name, uint8_t type, Loader *l,
                        Error *err)
{
    const json_t *ids = json_object_get(json_object_getn(specials, name.at, name.n), "ids");
    if (!json_is_array(ids))
        return LOAD_FAIL(l, err, "TemplateProcessing: special token '%.60s' has no ids", name.at);
    for (size_t i = 0; i < json_array_size(ids); i++) {
        const json_t *id = json_array_get(ids, i);
        const int64_t value = json_is_integer(id) ? json_integer_value(id) : -1;
        if (value < 0 || !tokenizer_token(l->t, value > INT32_MAX ? -1 : (int32_t)value, NULL))
            return LOAD_FAIL(l, err, "TemplateProcessing: '%.60s' has an id that no token has",
                             name.at);
        add_item(out, l->t->arena, (TemplateItem){-1, (int32_t)value, type});
    }
    return true;
}

static bool load_template(Template *out, const json_t *list, const json_t *specials, int n_texts,
                          Loader *l, Error *err)
{
    if (!json_is_array(list)) return LOAD_FAIL(l, err, "TemplateProcessing: a template is missing");
    int seen[2] = {0, 0};
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        const json_t *special = json_object_get(entry, "SpecialToken");
        const json_t *piece = special ? special : json_object_get(entry, "Sequence");
        int64_t type;
        Word name;
        TRY(load_count(piece, "type_id", 0, &type, l, err));
        TRY(load_text(piece, "id", "", &name, l, err));
        if (type > 1) return LOAD_FAIL(l, err, "TemplateProcessing: a type_id is above 1");
        if (special) {
            TRY(add_special(out, specials, name, (uint8_t)type, l, err));
            continue;
        }
        const int text = strcmp(name.at, "B") == 0;
        if ((!text && strcmp(name.at, "A") != 0) || text >= n_texts || seen[text]++)
            return LOAD_FAIL(l, err, "TemplateProcessing: '%.20s' is no text here, or twice",
                             name.at);
        add_item(out, l->t->arena, (TemplateItem){text, 0, (uint8_t)type});
    }
    if (!out->item) add_item(out, l->t->arena, (TemplateItem){0, 0, 0});
    return true;
}

/* ["[SEP]", 102] */
static bool load_named(const json_t *json, const char *key, int32_t *id, Loader *l, Error *err)
{
    const json_t *value = json_array_get(json_object_get(json, key), 1);
    const int64_t n = json_is_integer(value) ? json_integer_value(value) : -1;
    if (n < 0 || n > INT32_MAX || !tokenizer_token(l->t, (int32_t)n, NULL))
        return LOAD_FAIL(l, err, "post_processor.%s is not [token, id] with an id in use", key);
    *id = (int32_t)n;
    return true;
}

/* [CLS] A [SEP] B [SEP]; RoBERTa has its separator twice between the texts, and no types. */
static bool load_cls_sep(const json_t *json, bool roberta, Loader *l, Error *err)
{
    Tokenizer *t = l->t;
    int32_t cls, sep;
    TRY(load_named(json, "cls", &cls, l, err));
    TRY(load_named(json, "sep", &sep, l, err));
    const TemplateItem head[] = {
        {-1, cls, 0},
        {0,  0,   0},
        {-1, sep, 0}
    };
    for (int i = 0; i < 3; i++) {
        add_item(&t->single, t->arena, head[i]);
        add_item(&t->pair, t->arena, head[i]);
    }
    if (roberta) add_item(&t->pair, t->arena, (TemplateItem){-1, sep, 0});
    add_item(&t->pair, t->arena, (TemplateItem){1, 0, !roberta});
    add_item(&t->pair, t->arena, (TemplateItem){-1, sep, !roberta});
    return true;
}

bool load_post_processor(const json_t *json, Loader *l, Error *err)
{
    Tokenizer *t = l->t;
    if (!json || json_is_null(json)) return true;
    Word type;
    TRY(load_text(json, "type", "", &type, l, err));
    if (strcmp(type.at, "Sequence") == 0) {
        const json_t *list = json_object_get(json, "processors");
        for (size_t i = 0; i < json_array_size(list); i++)
            TRY(load_post_processor(json_array_get(list, i), l, err));
        return true;
    }
    if (strcmp(type.at, "ByteLevel") == 0) return true; /* offsets only */
    if (t->single.item) return LOAD_FAIL(l, err, "more than one post-processor adds tokens");
    if (strcmp(type.at, "BertProcessing") == 0) return load_cls_sep(json, false, l, err);
    if (strcmp(type.at, "RobertaProcessing") == 0) return load_cls_sep(json, true, l, err);
    if (strcmp(type.at, "TemplateProcessing") != 0)
        return LOAD_FAIL(l, err, "post_processor type '%.40s' is not known", type.at);
    const json_t *specials = json_object_get(json, "special_tokens");
    TRY(load_template(&t->single, json_object_get(json, "single"), specials, 1, l, err));
    return load_template(&t->pair, json_object_get(json, "pair"), specials, 2, l, err);
}
