/* key_help -- `seqlab help KEY`: what every option called KEY is, from the same tables that read
 * it. */
#include "base/text.h"
#include "run/component.h"

#include <math.h>
#include <string.h>

enum { MATCHES_MAX = 512, NAMES_MAX = 2048 };

/* One option of one block; components that have it with the same type, default, range and meaning
 * share it. */
typedef struct Match {
    const char *block, *owners, *text;
} Match;

typedef struct Search {
    Arena *arena;
    const char *block; /* the part before the last dot, or NULL: any */
    const char *last;  /* the part after it */
    Match matches[MATCHES_MAX];
    int n_matches;
    const char *names[NAMES_MAX]; /* all keys, for the nearest */
    int n_names;
} Search;

static void add_name(Search *s, const char *name)
{
    if (s->n_names < NAMES_MAX) s->names[s->n_names++] = name;
}

static void add_match(Search *s, const char *block, const char *owner, const char *text)
{
    for (int i = 0; i < s->n_matches; i++) {
        Match *m = &s->matches[i];
        if (strcmp(m->block, block) != 0 || strcmp(m->text, text) != 0) continue;
        m->owners = arena_printf(s->arena, "%s, %s", m->owners, owner);
        return;
    }
    if (s->n_matches < MATCHES_MAX) s->matches[s->n_matches++] = (Match){block, owner, text};
}

static const char *range_text(const Option *o, Arena *a)
{
    bool number = o->type == OPTION_INT || o->type == OPTION_REAL || o->type == OPTION_INTS;
    if (!number) return "";
    if (o->max >= 1e15) return arena_printf(a, "  range: >= %g\n", o->min);
    return arena_printf(a, "  range: [%g, %g]\n", o->min, o->max);
}

static const char *option_text(const Option *o, Arena *a)
{
    return arena_printf(a, "  type: %s\n  default: %s\n%s  %s\n", option_type_text(o),
                        *o->value ? o->value : "(empty)", range_text(o, a), o->help);
}

/* "methods.0" and "methods" name the same block. */
static bool block_fits(const Search *s, const char *block)
{
    if (!s->block) return true;
    size_t n = strlen(block);
    if (strncmp(s->block, block, n) != 0) return false;
    if (!s->block[n]) return true;
    return strcmp(block, component_block[COMPONENT_METHOD]) == 0 && s->block[n] == '.' &&
           s->block[n + 1] && strspn(s->block + n + 1, "0123456789") == strlen(s->block + n + 1);
}

static void search_table(Search *s, const char *block, const char *owner, const OptionTable *table)
{
    for (int i = 0; i < table->n; i++) {
        const Option *o = &table->options[i];
        add_name(s, o->name);
        if (block_fits(s, block) && strcmp(o->name, s->last) == 0)
            add_match(s, block, owner, option_text(o, s->arena));
    }
}

static void search_components(Search *s, ComponentKind kind)
{
    Component c;
    const char *names = NULL, *block = component_block[kind];
    for (int i = 0; component_at(kind, i, &c); i++) {
        names = names ? arena_printf(s->arena, "%s|%s", names, c.name) : c.name;
        search_table(s, block, arena_printf(s->arena, "%s %s", component_word[kind], c.name),
                     c.options);
    }
    if (names && s->block && block_fits(s, block) && strcmp(s->last, "name") == 0)
        add_match(s, block, component_word[kind],
                  arena_printf(s->arena, "  type: %s\n  which %s\n", names, component_word[kind]));
}

char *experiment_key_help(Arena *a, const char *key, const char **nearest)
{
    Search *s = arena_new_array(a, Search, 1);
    const char *dot = strrchr(key, '.');
    s->arena = a;
    s->last = dot ? dot + 1 : key;
    s->block = dot ? arena_string_n(a, key, (size_t)(dot - key)) : NULL;
    *nearest = NULL;
    for (const TopKey *k = experiment_keys; k->name; k++) {
        add_name(s, k->name);
        if (!s->block && strcmp(k->name, key) == 0)
            add_match(s, "", "the file's top", arena_printf(a, "  %s\n", k->help));
    }
    search_table(s, "train", "train", &train_option_table);
    for (int kind = 0; kind < N_COMPONENT_KINDS; kind++) search_components(s, (ComponentKind)kind);
    if (s->n_matches == 0) {
        *nearest = text_nearest(s->last, s->names, s->n_names);
        return NULL;
    }
    char *out = arena_string(a, "");
    for (int i = 0; i < s->n_matches; i++) {
        const Match *m = &s->matches[i];
        out = arena_printf(a, "%s%s%s%s%s  (%s)\n%s", out, i ? "\n" : "", m->block,
                           *m->block ? "." : "", s->last, m->owners, m->text);
    }
    return out;
}
