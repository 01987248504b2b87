/* key_help -- `seqlab help KEY`: what every key called KEY is. */
#include "manual/manual.h"

#include <string.h>

enum { MATCHES_MAX = 512, NAMES_MAX = 4096 };

/* One key of one block; owners that have it with the same type, default, range and meaning share
 * it. */
typedef struct Match {
    const char *block, *owners, *text;
} Match;

typedef struct Search {
    Arena *arena;
    const char *whole; /* as asked, without list numbers: "methods.lambda" of methods.0.lambda */
    const char *block; /* the part before the last dot, or NULL: any */
    const char *last;  /* the part after it */
    Match matches[MATCHES_MAX];
    int n_matches;
    const char *names[NAMES_MAX]; /* all keys, for the nearest */
    int n_names;
    const char *keys; /* those of the block that `whole` names, or NULL */
} Search;

/* "methods.0.lambda" -> "methods.lambda". */
static const char *without_numbers(const char *key, Arena *a)
{
    char *copy = arena_string(a, key), *to = copy;
    for (const char *at = copy; *at;) {
        const size_t digits = *at == '.' ? strspn(at + 1, "0123456789") : 0;
        if (digits > 0 && (at[1 + digits] == '.' || !at[1 + digits]))
            at += 1 + digits;
        else
            *to++ = *at++;
    }
    *to = '\0';
    return copy;
}

/* A swept key stands for the KEY of sweep.KEY, and table.metrics is a list of table.metric. */
static bool block_fits(const Search *s, const char *block)
{
    const size_t n = strlen(block);
    if (!s->block || strcmp(s->block, block) == 0) return true;
    if (n > 0 && strncmp(s->block, block, n) == 0 && strcmp(s->block + n, "s") == 0) return true;
    return strcmp(block, "sweep.KEY") == 0 && strncmp(s->block, "sweep.", 6) == 0;
}

static void add_match(Search *s, const ManualKey *key, const char *text)
{
    for (int i = 0; i < s->n_matches; i++) {
        Match *m = &s->matches[i];
        if (strcmp(m->block, key->block) != 0 || strcmp(m->text, text) != 0) continue;
        m->owners = arena_printf(s->arena, "%s, %s", m->owners, key->owner);
        return;
    }
    if (s->n_matches < MATCHES_MAX)
        s->matches[s->n_matches++] = (Match){key->block, key->owner, text};
}

static const char *text_of(const ManualKey *k, Arena *a)
{
    const bool top = !*k->block, named = strcmp(k->name, "name") == 0 && k->choices;
    char *text = arena_printf(a, "  type: %s\n", k->type);
    if (!top && !named)
        text = arena_printf(a, "%s  default: %s\n", text, *k->value ? k->value : "(none)");
    if (*k->range) text = arena_printf(a, "%s  range: %s\n", text, k->range);
    return arena_printf(a, "%s  %s\n", text, k->help);
}

static void look_at(void *self, const ManualKey *key)
{
    Search *s = self;
    if (s->n_names < NAMES_MAX) s->names[s->n_names++] = key->name;
    if (block_fits(s, key->block) && strcmp(key->name, s->last) == 0)
        add_match(s, key, text_of(key, s->arena));
    if (*key->block && strcmp(key->block, s->whole) == 0) {
        const char *before = s->keys ? s->keys : "";
        const size_t n = strlen(key->name), end = strlen(before);
        const char *at = strstr(before, key->name);
        while (at && !((at == before || at[-1] == ' ') && (at[n] == ',' || !at[n])))
            at = strstr(at + 1, key->name);
        if (!at) s->keys = arena_printf(s->arena, "%s%s%s", before, end ? ", " : "", key->name);
    }
}

char *manual_key_help(Arena *a, const char *key, const char **nearest)
{
    Search *s = arena_new_array(a, Search, 1);
    s->arena = a;
    s->whole = without_numbers(key, a);
    const char *dot = strrchr(s->whole, '.');
    s->last = dot ? dot + 1 : s->whole;
    s->block = dot ? arena_string_n(a, s->whole, (size_t)(dot - s->whole)) : NULL;
    *nearest = NULL;
    const ManualVisitor visitor = {.self = s, .key = look_at};
    manual_walk(&visitor, a);
    char *out = arena_string(a, "");
    for (int i = 0; i < s->n_matches; i++) {
        const Match *m = &s->matches[i];
        out = arena_printf(a, "%s%s%s%s%s  (%s)\n%s", out, i ? "\n" : "", m->block,
                           *m->block ? "." : "", s->last, m->owners, m->text);
    }
    if (s->keys)
        out = arena_printf(a, "%s%skeys of %s: %s\n", out, s->n_matches ? "\n" : "", s->whole,
                           s->keys);
    if (*out) return out;
    *nearest = text_nearest(s->last, s->names, s->n_names);
    return NULL;
}
