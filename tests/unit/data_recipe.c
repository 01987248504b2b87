/* Recipes: those in data/, and getting, resuming, checking and unpacking from file:// URLs. */
#include "data/files.h"
#include "data/recipe.h"
#include "io/file.h"
#include "tests/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* -- The recipes of the project */

TEST(recipe, all_are_complete)
{
    static const char *const names[] = {"cifar10", "cifar100", "fashion_mnist", "mnist",
                                        "tinyshakespeare"};
    Arena *a = arena_new();
    Error err = {0};
    Recipe *recipes;
    int n;
    ASSERT_OK(recipe_load_all(a, "data", &recipes, &n, &err), &err);
    assert_int_equal(n, sizeof names / sizeof *names);
    for (int i = 0; i < n; i++) {
        assert_string_equal(recipes[i].name, names[i]);
        assert_true(recipes[i].summary && recipes[i].licence && recipes[i].citation);
        for (int j = 0; j < recipes[i].n_files; j++) {
            RecipeItem items[RECIPE_MAX_HELD];
            int n_items = recipe_items(&recipes[i].files[j], items);
            assert_true(recipes[i].files[j].bytes > 0 && recipes[i].files[j].sha256);
            for (int k = 0; k < n_items; k++) assert_true(items[k].bytes > 0 && items[k].sha256);
        }
    }
    arena_free(a);
}

TEST(recipe, mnist_files_that_are_here_check)
{
    const char *path = test_shared("data/mnist/t10k-images-idx3-ubyte.gz");
    if (!path) skip();
    Arena *a = arena_new();
    Error err = {0};
    Recipe *recipes;
    int n;
    ASSERT_OK(recipe_load_all(a, "data", &recipes, &n, &err), &err);
    RecipeItem items[RECIPE_MAX_HELD];
    (void)recipe_items(&recipes[3].files[2], items);
    ASSERT_OK(recipe_check_item(&items[0], path, &err), &err);
    arena_free(a);
}

static void load_fails(const char *text, const char *message)
{
    Arena *a = arena_new();
    Error err = {0};
    Recipe *recipes;
    int n;
    char path[256];
    const char *folder = test_folder();
    (void)snprintf(path, sizeof path, "%s/x.yaml", folder);
    ASSERT_OK(file_replace(path, text, strlen(text), &err), &err);
    ASSERT_FAILS(recipe_load_all(a, folder, &recipes, &n, &err), &err, FAIL_CONFIG, message);
    arena_free(a);
}

TEST(recipe, names_stay_in_their_folder)
{
    load_fails("name: x\nfiles: [{name: ../y, url: u}]\n",
               "x.yaml:2:9: expected a plain file name in 'name', found '../y'");
}

TEST(recipe, a_wrong_key_is_named)
{
    load_fails("name: x\nfiles: [{name: y, ulr: u}]\n",
               "unknown key 'ulr' in files; did you mean 'url'?");
}

TEST(recipe, a_short_hash_is_refused)
{
    load_fails("name: x\nfiles: [{name: y, url: u, sha256: abc}]\n",
               "sha256: expected 64 lower-case hexadecimal digits");
}

TEST(recipe, an_archive_says_what_it_holds)
{
    load_fails("name: x\nfiles: [{name: y, url: u, unpack: tar.gz}]\n",
               "'y': unpack and holds go together");
}

/* -- Getting */

/* A source folder, a data folder, and a recipe "tiny" with one file of 100000 bytes. */
typedef struct Shop {
    const char *source, *data;
    char from[200], to[200], part[210], url[220];
    Recipe recipe;
    char sha256[HASH_HEX];
} Shop;

enum { N_BYTES = 100000 };

static void write_bytes(const char *path, size_t n)
{
    static char bytes[N_BYTES];
    Error err = {0};
    for (size_t i = 0; i < N_BYTES; i++) bytes[i] = (char)(i * i % 250);
    ASSERT_OK(file_replace(path, bytes, n, &err), &err);
}

static void shop_open(Shop *s)
{
    Error err = {0};
    memset(s, 0, sizeof *s);
    s->source = test_folder();
    s->data = test_folder();
    (void)snprintf(s->from, sizeof s->from, "%s/f.bin", s->source);
    (void)snprintf(s->to, sizeof s->to, "%s/tiny/f.bin", s->data);
    (void)snprintf(s->part, sizeof s->part, "%s.part", s->to);
    (void)snprintf(s->url, sizeof s->url, "file://%s", s->from);
    write_bytes(s->from, N_BYTES);
    ASSERT_OK(hash_file(s->from, s->sha256, &err), &err);
    s->recipe = (Recipe){.name = "tiny", .n_files = 1};
    s->recipe.files[0] =
        (RecipeFile){.name = "f.bin", .url = s->url, .sha256 = s->sha256, .bytes = N_BYTES};
}

static bool no_curl(void)
{
    return system("curl --version >/dev/null 2>&1") != 0;
}

static void keep_line(void *owner, const char *line)
{
    char *lines = owner;
    (void)snprintf(lines + strlen(lines), 1000 - strlen(lines), "%s\n", line);
}

TEST(recipe_get, gets_checks_and_says_so)
{
    if (no_curl()) skip();
    Shop s;
    Error err = {0};
    char lines[1000] = "", expected[400];
    shop_open(&s);
    assert_int_equal(recipe_state(&s.recipe, s.data), RECIPE_ABSENT);
    ASSERT_OK(recipe_get(&s.recipe, s.data, keep_line, lines, &err), &err);
    assert_int_equal(recipe_state(&s.recipe, s.data), RECIPE_PRESENT);
    ASSERT_OK(recipe_verify(&s.recipe, s.data, &err), &err);
    ASSERT_OK(recipe_get(&s.recipe, s.data, keep_line, lines, &err), &err);
    (void)snprintf(expected, sizeof expected,
                   "tiny/f.bin: 97.7 KiB from %s\ntiny/f.bin: is there\n", s.url);
    assert_string_equal(lines, expected);
    assert_false(file_exists(s.part));
}

/* The first bytes of the partial file are not those of the source, and stay: so it was not begun
 * anew. (The hash is left out.) */
TEST(recipe_get, goes_on_with_a_partial_file)
{
    if (no_curl()) skip();
    Shop s;
    Error err = {0};
    char folder[256], *got;
    size_t n;
    shop_open(&s);
    (void)snprintf(folder, sizeof folder, "%s/tiny", s.data);
    ASSERT_OK(folder_make(folder, &err), &err);
    ASSERT_OK(file_replace(s.part, "begun", 5, &err), &err);
    assert_int_equal(recipe_state(&s.recipe, s.data), RECIPE_PARTIAL);
    s.recipe.files[0].sha256 = NULL;
    ASSERT_OK(recipe_get(&s.recipe, s.data, NULL, NULL, &err), &err);
    ASSERT_OK(file_read(s.to, 1 << 20, &got, &n, FAIL_DATA, &err), &err);
    assert_int_equal(n, N_BYTES);
    assert_memory_equal(got, "begun", 5);
    assert_int_equal((unsigned char)got[99999], 99999L * 99999 % 250);
    free(got);
}

TEST(recipe_get, a_partial_file_of_something_else_is_got_anew)
{
    if (no_curl()) skip();
    Shop s;
    Error err = {0};
    char folder[256];
    shop_open(&s);
    (void)snprintf(folder, sizeof folder, "%s/tiny", s.data);
    ASSERT_OK(folder_make(folder, &err), &err);
    ASSERT_OK(file_replace(s.part, "begun", 5, &err), &err);
    ASSERT_OK(recipe_get(&s.recipe, s.data, NULL, NULL, &err), &err);
    ASSERT_OK(recipe_verify(&s.recipe, s.data, &err), &err);
}

TEST(recipe_get, a_wrong_hash_leaves_nothing)
{
    if (no_curl()) skip();
    Shop s;
    Error err = {0};
    shop_open(&s);
    s.sha256[0] = s.sha256[0] == '0' ? '1' : '0';
    ASSERT_FAILS(recipe_get(&s.recipe, s.data, NULL, NULL, &err), &err, FAIL_DATA,
                 "the download is damaged or the source changed");
    assert_false(file_exists(s.to));
    assert_false(file_exists(s.part));
}

TEST(recipe_get, a_missing_source_is_named)
{
    if (no_curl()) skip();
    Shop s;
    Error err = {0};
    shop_open(&s);
    (void)unlink(s.from);
    ASSERT_FAILS(recipe_get(&s.recipe, s.data, NULL, NULL, &err), &err, FAIL_DATA,
                 "f.bin cannot be downloaded: ");
}

TEST(recipe_get, without_a_network_it_says_so)
{
    if (no_curl()) skip();
    Shop s;
    Error err = {0};
    shop_open(&s);
    s.recipe.files[0].url = "http://127.0.0.1:1/f.bin"; /* nobody listens there */
    ASSERT_FAILS(recipe_get(&s.recipe, s.data, NULL, NULL, &err), &err, FAIL_DATA,
                 "there is no network, or the host does not answer");
    assert_non_null(strstr(err.items[0].text, "run 'seqlab data get tiny' again to go on"));
}

TEST(recipe_get, without_curl_it_says_so)
{
    Shop s;
    Error err = {0};
    shop_open(&s);
    char *path = getenv("PATH"), *keep = path ? strdup(path) : NULL;
    (void)setenv("PATH", s.source, 1);
    bool ok = recipe_get(&s.recipe, s.data, NULL, NULL, &err);
    if (keep) (void)setenv("PATH", keep, 1);
    free(keep);
    ASSERT_FAILS(ok, &err, FAIL_DATA, "curl is not installed (apt install curl)");
}

/* Packs <source>/top/{a,b} by tar and makes the recipe's file that archive. */
static void make_archive(Shop *s)
{
    char command[1000], path[300];
    Error err = {0};
    (void)snprintf(path, sizeof path, "%s/top", s->source);
    ASSERT_OK(folder_make(path, &err), &err);
    (void)snprintf(path, sizeof path, "%s/top/a", s->source);
    ASSERT_OK(file_replace(path, "AAA", 3, &err), &err);
    (void)snprintf(path, sizeof path, "%s/top/b", s->source);
    ASSERT_OK(file_replace(path, "BB", 2, &err), &err);
    (void)snprintf(command, sizeof command, "tar -czf %s -C %s top", s->from, s->source);
    assert_int_equal(system(command), 0);
    RecipeFile *f = &s->recipe.files[0];
    f->bytes = 0;
    f->sha256 = NULL;
    f->unpack = "tar.gz";
    f->n_held = 2;
    f->held[0] = (RecipeItem){.name = "a", .bytes = 3};
    f->held[1] = (RecipeItem){.name = "b", .bytes = 2};
}

TEST(recipe_get, unpacks_without_the_top_folder)
{
    if (no_curl()) skip();
    Shop s;
    Error err = {0};
    char path[300];
    shop_open(&s);
    make_archive(&s);
    ASSERT_OK(recipe_get(&s.recipe, s.data, NULL, NULL, &err), &err);
    assert_int_equal(recipe_state(&s.recipe, s.data), RECIPE_PRESENT);
    (void)snprintf(path, sizeof path, "%s/tiny/b", s.data);
    assert_true(file_exists(path));
    assert_false(file_exists(s.to)); /* the archive has gone */
}

TEST(recipe_get, an_archive_without_its_files_is_refused)
{
    if (no_curl()) skip();
    Shop s;
    Error err = {0};
    shop_open(&s);
    make_archive(&s);
    s.recipe.files[0].held[1].name = "c";
    ASSERT_FAILS(recipe_get(&s.recipe, s.data, NULL, NULL, &err), &err, FAIL_DATA,
                 "f.bin.unpacked/c: ");
    assert_int_equal(recipe_state(&s.recipe, s.data), RECIPE_ABSENT);
}

TEST(recipe, verify_reports_every_bad_file)
{
    Shop s;
    Error err = {0};
    char folder[256];
    shop_open(&s);
    (void)snprintf(folder, sizeof folder, "%s/tiny", s.data);
    ASSERT_OK(folder_make(folder, &err), &err);
    write_bytes(s.to, N_BYTES - 1);
    s.recipe.n_files = 2;
    s.recipe.files[1] = (RecipeFile){.name = "g.bin", .url = s.url};
    ASSERT_FAILS(recipe_verify(&s.recipe, s.data, &err), &err, FAIL_DATA,
                 "f.bin: 99999 bytes, the recipe says 100000: the download is damaged");
    assert_int_equal(err.n_items, 2);
    assert_non_null(strstr(err.items[1].text, "g.bin: is missing; run 'seqlab data get tiny'"));
}

TEST(recipe, a_changed_byte_is_found)
{
    Shop s;
    Error err = {0};
    shop_open(&s);
    RecipeItem item = {.name = "f.bin", .sha256 = s.sha256, .bytes = N_BYTES};
    ASSERT_OK(recipe_check_item(&item, s.from, &err), &err);
    FILE *f = fopen(s.from, "r+");
    assert_non_null(f);
    (void)fseek(f, 50000, SEEK_SET);
    (void)fputc('x', f);
    (void)fclose(f);
    ASSERT_FAILS(recipe_check_item(&item, s.from, &err), &err, FAIL_DATA, "f.bin: sha256 is ");
}

/* -- Finding */

TEST(recipe, files_are_found_packed_or_not)
{
    Arena *a = arena_new();
    Error err = {0};
    char path[300];
    const char *folder = test_folder();
    (void)snprintf(path, sizeof path, "%s/x.bin.gz", folder);
    ASSERT_OK(file_replace(path, "", 0, &err), &err);
    assert_string_equal(data_file_find(a, folder, "x.bin"), path);
    assert_string_equal(data_file_find(a, folder, "x.bin.gz"), path);
    assert_null(data_file_find(a, folder, "y.bin"));
    (void)snprintf(path, sizeof path, "%s/z.bin", folder);
    ASSERT_OK(file_replace(path, "", 0, &err), &err);
    assert_string_equal(data_file_find(a, folder, "z.bin.gz"), path);
    arena_free(a);
}
