/* fuzz/yaml -- a text and, after each zero byte, an override for it. Whatever is read must be
 * written so that it reads back to the same text, with every node at a place. */
#include "io/yaml.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void demand(bool holds)
{
    if (!holds) abort();
}

/* Every node has a place; texts and keys hold no zero byte by being C strings. */
static void check(const Yaml *y, int depth)
{
    int n = 0;
    demand(y->at.file != NULL && depth <= YAML_DEPTH_MAX);
    for (const Yaml *c = y->first; c; c = c->next, n++) {
        demand((c->key != NULL) == (y->kind == YAML_MAP));
        demand(y->kind != YAML_MAP || yaml_get(y, c->key) == c);
        check(c, depth + 1);
    }
    demand(n == y->n);
    demand((y->kind == YAML_SCALAR) == (y->text != NULL && y->kind != YAML_NULL));
}

static void check_written(Arena *a, const Yaml *y)
{
    Yaml *again = NULL;
    Error err = {0};
    const char *text = yaml_write(a, y);
    if (strlen(text) > 1 << 20) return; /* escapes may pass what yaml_parse takes */
    demand(yaml_parse(a, text, strlen(text), "written", &again, &err));
    demand(strcmp(yaml_write(a, again), text) == 0);
}

static void read_all(const Yaml *y)
{
    Error err = {0};
    double real;
    int64_t whole;
    bool flag;
    const char *text;
    (void)!yaml_real(y, &real, &err);
    (void)!yaml_int(y, &whole, &err);
    (void)!yaml_bool(y, &flag, &err);
    (void)!yaml_string(y, &text, &err);
    for (const Yaml *c = y->first; c; c = c->next) read_all(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    Arena *a = arena_new();
    Error err = {0};
    Yaml *y = NULL;
    const uint8_t *zero = n ? memchr(data, 0, n) : NULL;
    size_t text_n = zero ? (size_t)(zero - data) : n;
    bool ok = yaml_parse(a, (const char *)data, text_n, "fuzz", &y, &err);
    demand(ok == (err.n_items == 0));
    if (ok) {
        check(y, 0);
        read_all(y);
        check_written(a, y);
        while (zero) {
            const char *word = (const char *)++zero;
            size_t left = n - (size_t)(zero - data);
            zero = left ? memchr(word, 0, left) : NULL;
            (void)!yaml_override(a, y, arena_string_n(a, word, strnlen(word, left)), &err);
        }
        check(y, 0);
        check_written(a, y);
    }
    arena_free(a);
    return 0;
}
