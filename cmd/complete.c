/* complete -- see complete.h: what both shells need. */
#include "cmd/complete.h"

#include "graph/op.h"
#include "manual/manual.h"

#include <string.h>

enum { KEYS_MAX = 2048 };

/* -- Keys */

typedef struct Collector {
    Arena *arena;
    KeyWord *at;
    int n;
} Collector;

/* Whether a block's keys can be set by a dotted path without knowing what a list holds. */
static bool is_reached(const char *block)
{
    if (!*block || strcmp(block, component_block[COMPONENT_METHOD]) == 0) return true;
    for (const TopKey *k = experiment_keys; k->name; k++)
        if (strcmp(k->name, block) == 0) return (k->kinds & MAYBE_MAP) != 0;
    return false;
}

/* a|b and b|c are a|b|c. */
static const char *merged(Arena *a, const char *all, const char *more)
{
    if (!all || !more) return all ? all : more;
    for (const char *at = more; *at;) {
        const size_t n = strcspn(at, "|");
        const char *word = arena_printf(a, "|%.*s|", (int)n, at);
        if (!strstr(arena_printf(a, "|%s|", all), word))
            all = arena_printf(a, "%s|%.*s", all, (int)n, at);
        at += n + (at[n] != '\0');
    }
    return all;
}

static void add_key(void *self, const ManualKey *k)
{
    Collector *c = self;
    if (!is_reached(k->block)) return;
    const bool listed = strcmp(k->block, component_block[COMPONENT_METHOD]) == 0;
    const char *key = *k->block
                          ? arena_printf(c->arena, "%s.%s%s", k->block, listed ? "0." : "", k->name)
                          : k->name;
    for (int i = 0; i < c->n; i++) {
        if (strcmp(c->at[i].key, key) != 0) continue;
        c->at[i].values = merged(c->arena, c->at[i].values, k->choices);
        return;
    }
    if (c->n < KEYS_MAX) c->at[c->n++] = (KeyWord){key, k->choices, k->help};
}

const KeyWord *complete_keys(Arena *a, int *n)
{
    Collector c = {.arena = a, .at = arena_new_array(a, KeyWord, KEYS_MAX)};
    const ManualVisitor visitor = {.self = &c, .key = add_key};
    manual_walk(&visitor, a);
    *n = c.n;
    return c.at;
}

const char *complete_list_names(Arena *a)
{
    Text text = {0};
    Component c;
    for (int kind = 0; kind < N_COMPONENT_KINDS; kind++)
        for (int i = 0; component_at((ComponentKind)kind, i, &c); i++)
            text_addf(&text, "%s ", c.name);
    for (int i = 0; i < N_OPS; i++) text_addf(&text, "%s ", op_table[i]->name);
    const char *names = arena_string_n(a, text.data, text.n - 1);
    text_free(&text);
    return names;
}

/* -- A command's words */

/* What a word of a usage line stands for. */
static const char *kind_of(const char *word)
{
    static const struct {
        const char *word, *kind;
    } kinds[] = {
        {"FILE.yaml", "@file"   },
        {"RUN",       "@run"    },
        {"key=value", "@key"    },
        {"KEY=VALUE", "@where"  },
        {"COMMAND",   "@command"},
        {"KEY",       "@help"   },
        {"NAME",      "@name"   },
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kinds[i].word, word) == 0) return kinds[i].kind;
    return *word >= 'a' && *word <= 'z' ? word : NULL;
}

/* A kind once. */
static void add_kind(Text *out, const char *kind, Arena *a)
{
    if (!kind) return;
    const char *there = arena_printf(a, " %s ", out->n ? out->data : "");
    if (!strstr(there, arena_printf(a, " %s ", kind)))
        text_addf(out, "%s%s", out->n ? " " : "", kind);
}

/* "FILE.yaml|RUN [key=value ...]" -> "@file @run" and "@key". What repeats stands for both. */
void complete_words(const Command *c, Arena *a, const char **first, const char **rest)
{
    static const char ends[] = " []|";
    Text texts[2] = {{0}, {0}};
    int i = 0;
    for (const char *at = c->usage; *at;) {
        const size_t n = strcspn(at, ends);
        const char *word = arena_string_n(a, at, n), *dots = strstr(word, "...");
        if (dots) word = arena_string_n(a, word, (size_t)(dots - word));
        if (*word) add_kind(&texts[i], kind_of(word), a);
        if (*word && dots && i == 0) add_kind(&texts[1], kind_of(word), a);
        at += n;
        if (*at == ' ' && texts[0].n > 0) i = 1;
        if (strncmp(at, " ...", 4) == 0 && texts[0].n && !texts[1].n)
            text_add(&texts[1], texts[0].data);
        if (*at) at++;
    }
    /* [KIND] [NAME]: the second may come without the first */
    for (const char *at = texts[1].n && *c->usage == '[' ? texts[1].data : ""; *at;) {
        const size_t n = strcspn(at, " ");
        add_kind(&texts[0], arena_string_n(a, at, n), a);
        at += n + (at[n] != '\0');
    }
    *first = arena_string(a, texts[0].n ? texts[0].data : "");
    *rest = arena_string(a, texts[1].n ? texts[1].data : "");
    text_free(&texts[0]);
    text_free(&texts[1]);
}
