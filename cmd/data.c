/* data -- `seqlab data list|get|verify`: recipes, what of them is here, getting and checking it.
 * `data tokenizer` is in data_tokenizer.c. */
#include "cmd/data_tokenizer.h"

#include "base/text.h"
#include "cmd/folders.h"
#include "cmd/json_write.h"
#include "data/recipe.h"
#include "run/datasets.h"

#include <inttypes.h>
#include <string.h>

static const Place place = {.file = "command line"};

/* What all three need. */
typedef struct Shelf {
    const char *folder; /* where data are, or go */
    Recipe *recipes;
    int n;
} Shelf;

/* The recipes named by the words after the first (all when there are none), in `chosen`. */
static bool choose(const Shelf *s, const Invocation *in, const Recipe *chosen[], int *n, Error *err)
{
    const char **names = arena_new_array(in->arena, const char *, s->n + 1);
    for (int i = 0; i < s->n; i++) names[i] = s->recipes[i].name;
    *n = 0;
    for (int i = 0; i < s->n; i++)
        if (in->n_words == 1) chosen[(*n)++] = &s->recipes[i];
    for (int w = 1; w < in->n_words; w++) {
        int i = 0;
        while (i < s->n && strcmp(names[i], in->words[w]) != 0) i++;
        if (i < s->n) {
            chosen[(*n)++] = &s->recipes[i];
            continue;
        }
        const char *near = text_nearest(in->words[w], names, s->n);
        if (near)
            return fail(err, FAIL_USAGE, &place, "unknown data '%.60s'; did you mean '%s'?",
                        in->words[w], near);
        return fail(err, FAIL_USAGE, &place,
                    "unknown data '%.60s'; 'seqlab data list' names what there is", in->words[w]);
    }
    return true;
}

static int64_t recipe_bytes(const Recipe *r)
{
    int64_t bytes = 0;
    for (int i = 0; i < r->n_files; i++) bytes += r->files[i].bytes;
    return bytes;
}

static const char *state_text(const Recipe *r, const char *folder)
{
    switch (recipe_state(r, folder)) {
    case RECIPE_ABSENT:
        return "absent";
    case RECIPE_PARTIAL:
        return "partial";
    case RECIPE_PRESENT:
        return "present";
    case RECIPE_DEBIAN:
        return "debian";
    }
    return "";
}

static void print_details(const Recipe *r)
{
    if (r->citation) (void)printf("  %s\n", r->citation);
    if (r->debian_package)
        (void)printf("  Debian package %s, in %s\n", r->debian_package, r->debian_folder);
    for (int i = 0; i < r->n_files; i++) {
        const RecipeFile *f = &r->files[i];
        (void)printf("  %s  %" PRId64 " bytes  sha256 %s\n    %s\n", f->name, f->bytes, f->sha256,
                     f->url);
    }
}

static void json_recipe(Json *j, const Recipe *r, const char *folder)
{
    json_begin(j, NULL, '{');
    json_add_text(j, "name", r->name);
    json_add_text(j, "summary", r->summary);
    json_add_text(j, "state", state_text(r, folder));
    json_add_int(j, "bytes", recipe_bytes(r));
    json_add_text(j, "licence", r->licence);
    json_add_text(j, "citation", r->citation);
    json_add_text(j, "debian_package", r->debian_package);
    json_begin(j, "files", '[');
    for (int i = 0; i < r->n_files; i++) {
        json_begin(j, NULL, '{');
        json_add_text(j, "name", r->files[i].name);
        json_add_text(j, "url", r->files[i].url);
        json_add_int(j, "bytes", r->files[i].bytes);
        json_add_text(j, "sha256", r->files[i].sha256);
        json_end(j, '}');
    }
    json_end(j, ']');
    json_end(j, '}');
}

static bool data_list(const Shelf *s, const Recipe *const chosen[], int n, const Invocation *in,
                      Error *err)
{
    (void)err;
    bool details = in->n_words > 1 || in->flags.verbose;
    int wide = (int)strlen("licence");
    for (int i = 0; i < n; i++)
        if ((int)strlen(chosen[i]->licence) > wide) wide = (int)strlen(chosen[i]->licence);
    Json j = {0};
    if (in->flags.json)
        json_begin(&j, NULL, '[');
    else
        (void)printf("%-16s %-8s %10s  %-*s  %s\n", "name", "state", "size", wide, "licence",
                     "what");
    for (int i = 0; i < n; i++) {
        const Recipe *r = chosen[i];
        char size[16];
        text_bytes(size, (double)recipe_bytes(r));
        if (in->flags.json) {
            json_recipe(&j, r, s->folder);
            continue;
        }
        (void)printf("%-16s %-8s %10s  %-*s  %s\n", r->name, state_text(r, s->folder), size, wide,
                     r->licence, r->summary);
        if (details) print_details(r);
    }
    if (in->flags.json) {
        json_end(&j, ']');
        json_print(&j);
    }
    return true;
}

/* One line of recipe_get. */
static void say(void *owner, const char *text)
{
    const Invocation *in = owner;
    if (!in->flags.quiet) (void)fprintf(stderr, "%s\n", text);
}

/* What `get` would fetch. */
static bool data_announce(const Shelf *s, const Recipe *const chosen[], int n)
{
    for (int i = 0; i < n; i++) {
        const RecipeState state = recipe_state(chosen[i], s->folder);
        const bool here = state == RECIPE_DEBIAN || state == RECIPE_PRESENT;
        if (here) (void)printf("%s %s\n", chosen[i]->name, state_text(chosen[i], s->folder));
        for (int k = 0; k < chosen[i]->n_files && !here; k++) {
            char size[16];
            text_bytes(size, (double)chosen[i]->files[k].bytes);
            (void)printf("%s %s  %s  %s\n", chosen[i]->name, chosen[i]->files[k].name, size,
                         chosen[i]->files[k].url);
        }
    }
    return true;
}

static bool data_get(const Shelf *s, const Recipe *const chosen[], int n, const Invocation *in,
                     Error *err)
{
    if (in->n_words == 1) return fail(err, FAIL_USAGE, &place, "which data? 'get' needs a name");
    bool ok = true;
    if (in->flags.dry_run) return data_announce(s, chosen, n);
    for (int i = 0; i < n; i++) {
        bool packaged = recipe_state(chosen[i], s->folder) == RECIPE_DEBIAN;
        bool got = packaged || recipe_get(chosen[i], s->folder, say, (void *)(uintptr_t)in, err);
        if (got) (void)printf("%s %s\n", chosen[i]->name, state_text(chosen[i], s->folder));
        ok = ok && got;
    }
    return ok;
}

static bool fail_absent(const Recipe *r, const char *folder, Error *err)
{
    char size[16];
    text_bytes(size, (double)recipe_bytes(r));
    return fail(err, FAIL_DATA, NULL,
                "%s is not in %s/: run 'seqlab data get %s' (%s) on a machine with a network",
                r->name, folder, r->name, size);
}

/* All that are here when none is named; an absent one that is named is a failure. */
static bool data_verify(const Shelf *s, const Recipe *const chosen[], int n, const Invocation *in,
                        Error *err)
{
    bool ok = true;
    for (int i = 0; i < n; i++) {
        const Recipe *r = chosen[i];
        if (recipe_state(r, s->folder) == RECIPE_ABSENT) {
            if (in->n_words > 1) ok = fail_absent(r, s->folder, err);
            continue;
        }
        bool good = recipe_verify(r, s->folder, err);
        (void)printf("%s %s\n", r->name, good ? "ok" : "damaged or not whole");
        ok = ok && good;
    }
    return ok;
}

static const struct Action {
    const char *name;
    bool (*run)(const Shelf *, const Recipe *const[], int, const Invocation *, Error *);
} actions[] = {
    {"list",   data_list  },
    {"get",    data_get   },
    {"verify", data_verify},
};
enum { N_ACTIONS = sizeof actions / sizeof actions[0] };

static const struct Action *find_action(const char *word, Error *err)
{
    const char *names[N_ACTIONS + 1];
    names[N_ACTIONS] = "tokenizer";
    for (int i = 0; i < N_ACTIONS; i++) {
        names[i] = actions[i].name;
        if (strcmp(names[i], word) == 0) return &actions[i];
    }
    const char *near = text_nearest(word, names, N_ACTIONS + 1);
    if (near)
        (void)fail(err, FAIL_USAGE, &place, "unknown action '%.60s'; did you mean '%s'?", word,
                   near);
    else
        (void)fail(err, FAIL_USAGE, &place,
                   "unknown action '%.60s': expected list, get, verify "
                   "or tokenizer",
                   word);
    return NULL;
}

static bool data(const Invocation *in, Error *err)
{
    if (in->n_words == 0)
        return fail(err, FAIL_USAGE, &place,
                    "an action is missing: list, get, verify or tokenizer");
    if (strcmp(in->words[0], "tokenizer") == 0) return data_tokenizer(in, err);
    const struct Action *action = find_action(in->words[0], err);
    if (!action) return false;
    Shelf s = {.folder = data_folder(in->arena, NULL)};
    const char *recipes;
    int n;
    TRY(folder_of_recipes(in->arena, &recipes, err));
    TRY(recipe_load_all(in->arena, recipes, &s.recipes, &s.n, err));
    int most = s.n > in->n_words ? s.n : in->n_words;
    const Recipe **chosen = arena_new_array(in->arena, const Recipe *, most);
    TRY(choose(&s, in, chosen, &n, err));
    return action->run(&s, chosen, n, in, err);
}

const Command command_data = {
    .name = "data",
    .summary = "List, get and verify data sets; make and use tokenizers",
    .usage = "list|get|verify [NAME ...] | tokenizer train|encode|decode ...",
    .flags = "tokenizer:kind vocab-size output dry-run json",
    .help =
        "Data are in $SEQLAB_DATA, or in data/ of the current folder. 'get' needs a network,\n"
        "goes on with a partial download, and checks size and SHA-256 before a file gets its\n"
        "name; 'verify' checks what is here; 'list NAME' names the files and where they come\n"
        "from. 'debian' as state: installed by a Debian package.\n"
        "\n"
        "'tokenizer train --vocab-size N FILE ... -o tokenizer.json' makes a tokenizer of text\n"
        "files (plain or .gz), in Hugging Face's form. 'tokenizer encode tokenizer.json [FILE]'\n"
        "prints the token ids of each line, with what the tokenizer adds to a text; --json also\n"
        "the tokens. 'tokenizer decode tokenizer.json [FILE]' prints the text of each line of\n"
        "ids. Without FILE they read standard input.\n",
    .run = data,
};
