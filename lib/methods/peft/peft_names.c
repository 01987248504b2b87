/* peft_names -- see peft_names.h. */
#include "methods/peft/peft_names.h"

#include <string.h>

static const char *const suffixes[] = {".lora_A.weight",
                                       ".lora_B.weight",
                                       ".lora_magnitude_vector",
                                       ".lora_A",
                                       ".lora_E",
                                       ".lora_B",
                                       ".miss_block",
                                       NULL};

bool peft_is_end(const char *path, const char *name)
{
    const size_t n = strlen(path), m = strlen(name);
    if (n < m || strcmp(path + n - m, name) != 0) return false;
    return n == m || path[n - m - 1] == '.';
}

/* `text` with the first `old` in it replaced. */
static const char *replaced(const char *text, const char *old, const char *by, Arena *a)
{
    const char *at = strstr(text, old);
    if (!at) return text;
    return arena_printf(a, "%.*s%s%s", (int)(at - text), text, by, at + strlen(old));
}

const char *peft_parameter(const char *tensor, Arena *a)
{
    if (strncmp(tensor, PEFT_PREFIX, strlen(PEFT_PREFIX)) == 0) tensor += strlen(PEFT_PREFIX);
    tensor = replaced(tensor, ".base_layer.", ".", a);
    tensor = replaced(tensor, ".modules_to_save.", ".", a);
    tensor = replaced(tensor, ".bone_block", ".miss_block", a);
    return replaced(tensor, ".lora_magnitude_vector.weight", ".lora_magnitude_vector", a);
}

const char *peft_module(const char *parameter, Arena *a, const char **suffix)
{
    const size_t n = strlen(parameter);
    for (int i = 0; suffixes[i]; i++) {
        const size_t m = strlen(suffixes[i]);
        if (n <= m || strcmp(parameter + n - m, suffixes[i]) != 0) continue;
        *suffix = suffixes[i];
        return arena_string_n(a, parameter, n - m);
    }
    return NULL;
}

static bool any_ends(const PeftNames *names, const char *path)
{
    for (int i = 0; i < names->n; i++)
        if (peft_is_end(path, names->at[i])) return true;
    return false;
}

/* The same module, though one of the two may lack the name of the backbone in front. */
static bool holds(const PeftNames *modules, const char *path)
{
    for (int i = 0; i < modules->n; i++)
        if (peft_is_end(path, modules->at[i]) || peft_is_end(modules->at[i], path)) return true;
    return false;
}

bool peft_names_fit(const PeftNames *names, const PeftNames *adapted, const PeftNames *all)
{
    for (int i = 0; i < adapted->n; i++)
        if (!any_ends(names, adapted->at[i])) return false;
    for (int i = 0; i < all->n; i++)
        if (any_ends(names, all->at[i]) && !holds(adapted, all->at[i])) return false;
    return names->n > 0;
}

static const char *last_parts(const char *path, int parts)
{
    const char *at = path + strlen(path);
    while (at > path && (at[-1] != '.' || --parts > 0)) at--;
    return at;
}

static void add_name(PeftNames *names, const char *name)
{
    for (int i = 0; i < names->n; i++)
        if (strcmp(names->at[i], name) == 0) return;
    names->at[names->n++] = name;
}

PeftNames peft_common_ends(const PeftNames *adapted, const PeftNames *all, Arena *a)
{
    PeftNames ends = {.at = arena_new_array(a, const char *, adapted->n)};
    for (int parts = 1; parts <= 3; parts++) {
        ends.n = 0;
        for (int i = 0; i < adapted->n; i++) add_name(&ends, last_parts(adapted->at[i], parts));
        if (peft_names_fit(&ends, adapted, all)) return ends;
    }
    return *adapted;
}
