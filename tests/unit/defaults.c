/* defaults -- every component's row is complete, and its options' defaults are golden: the run id
 * leaves out what stands at its default, so a changed default must raise the component's revision.
 *
 * tests/golden/defaults.txt holds one line an option: kind, component, revision, option, default.
 */
#include "tests/test.h"

#include "base/text.h"
#include "run/component.h"

#include <stdlib.h>
#include <string.h>

static const char GOLDEN[] = "tests/golden/defaults.txt";
static const char ACCEPT[] = "to accept: SEQLAB_ACCEPT=1 build/release/unit 'defaults.*' (rewrites "
                             "tests/golden/defaults.txt)";

enum { MAX_COMPONENTS = 200 };

/* A block of options counts as a component: its defaults stay out of the id like all others. */
static int components(Component out[MAX_COMPONENTS], const char *kind[MAX_COMPONENTS])
{
    int n = 0;
    for (int k = 0; k < N_COMPONENT_KINDS; k++)
        for (int i = 0; component_at((ComponentKind)k, i, &out[n]); i++)
            kind[n++] = component_block[k];
    for (const ExperimentBlock *b = experiment_blocks; b->name; b++) {
        kind[n] = b->name;
        out[n++] = (Component){b->name, "a block of its own", 1, b->options, NULL};
    }
    assert_true(n < MAX_COMPONENTS);
    return n;
}

TEST(defaults, every_component_has_a_summary_a_revision_and_help)
{
    Component all[MAX_COMPONENTS];
    const char *kind[MAX_COMPONENTS];
    const int n = components(all, kind);
    for (int i = 0; i < n; i++) {
        const Component *c = &all[i];
        bool ok = c->name && c->summary && *c->summary && c->revision >= 1;
        for (int j = 0; j < c->options->n; j++) {
            const Option *o = &c->options->options[j];
            ok = ok && o->help && *o->help && o->value && o->offset < c->options->bytes;
        }
        if (!ok) print_error("%s %s: summary, revision or help is missing\n", kind[i], c->name);
        assert_true(ok);
    }
}

TEST(defaults, names_are_unique_in_their_registry)
{
    Component all[MAX_COMPONENTS];
    const char *kind[MAX_COMPONENTS];
    const int n = components(all, kind);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < i; j++)
            assert_true(strcmp(kind[i], kind[j]) || strcmp(all[i].name, all[j].name));
}

/* A default out of its own range, or of another type, fails here. */
TEST(defaults, every_default_reads_back)
{
    Component all[MAX_COMPONENTS];
    const char *kind[MAX_COMPONENTS];
    const int n = components(all, kind);
    Arena *a = arena_new();
    for (int i = 0; i < n; i++) {
        Error err = {0};
        void *options = arena_alloc(a, all[i].options->bytes);
        ASSERT_OK(option_read(all[i].options, NULL, NULL, all[i].name, options, &err), &err);
    }
    arena_free(a);
}

TEST(defaults, every_method_has_a_hook_and_a_paper)
{
    for (const Method *const *m = method_registry; *m; m++) {
        assert_true((*m)->parametrize || (*m)->reshape || (*m)->transform || (*m)->loss ||
                    (*m)->after_step);
        assert_non_null((*m)->family);
        assert_non_null((*m)->paper);
    }
}

TEST(defaults, every_model_starts_with_the_option_init)
{
    for (const Model *const *m = model_registry; *m; m++) {
        const Option *first = &(*m)->options.options[0];
        assert_string_equal(first->name, "init");
        assert_int_equal(first->offset, 0);
        assert_string_equal(first->choices, MODEL_INIT_CHOICES);
        assert_non_null((*m)->build);
        assert_non_null((*m)->init);
    }
}

/* The line of (kind, component, *, option), or NULL; *revision and *value from it. */
static const char *golden_line(const char *golden, const char *kind, const char *name,
                               const char *option, int *revision, char value[256])
{
    for (const char *line = golden; line && *line; line = strchr(line, '\n') + 1) {
        char words[3][128] = {"", "", ""};
        value[0] = '\0';
        if (sscanf(line, "%127s %127s %d %127s %255[^\n]", words[0], words[1], revision, words[2],
                   value) >= 4 &&
            !strcmp(words[0], kind) && !strcmp(words[1], name) && !strcmp(words[2], option))
            return line;
        if (!strchr(line, '\n')) return NULL;
    }
    return NULL;
}

/* As it stands in a line: a word that is never empty. */
static const char *default_text(const Option *o)
{
    return *o->value ? o->value : "\"\"";
}

static char *read_golden(void)
{
    FILE *f = fopen(GOLDEN, "r");
    char *text = calloc(1, 1 << 18);
    assert_non_null(text);
    if (f) {
        const size_t n = fread(text, 1, (1 << 18) - 1, f);
        assert_true(n < (1 << 18) - 1);
        assert_int_equal(fclose(f), 0);
    }
    return text;
}

/* The first option whose default moved under an unchanged revision, or NULL. */
static const Option *moved_default(const char *kind, const Component *c, const char *golden,
                                   char before[256])
{
    for (int j = 0; j < c->options->n; j++) {
        const Option *o = &c->options->options[j];
        int revision;
        if (golden_line(golden, kind, c->name, o->name, &revision, before) &&
            c->revision <= revision && strcmp(before, default_text(o)) != 0)
            return o;
    }
    return NULL;
}

TEST(defaults, changed_default_raises_the_revision)
{
    Component all[MAX_COMPONENTS];
    const char *kind[MAX_COMPONENTS];
    const int n = components(all, kind);
    char *golden = read_golden();
    Text now = {0};
    for (int i = 0; i < n; i++) {
        char before[256];
        const Option *o = moved_default(kind[i], &all[i], golden, before);
        if (o)
            print_error(
                "%s %s: the default of %s was %s and is %s now, which would change what old "
                "run ids mean: raise the revision; then %s\n",
                kind[i], all[i].name, o->name, before, default_text(o), ACCEPT);
        assert_null(o);
        for (int j = 0; j < all[i].options->n; j++)
            text_addf(&now, "%s %s %d %s %s\n", kind[i], all[i].name, all[i].revision,
                      all[i].options->options[j].name, default_text(&all[i].options->options[j]));
    }
    if (strcmp(golden, now.data) != 0 && getenv("SEQLAB_ACCEPT")) {
        FILE *f = fopen(GOLDEN, "w");
        assert_non_null(f);
        assert_true(fputs(now.data, f) >= 0);
        assert_int_equal(fclose(f), 0);
    } else if (strcmp(golden, now.data) != 0) {
        print_error("%s is out of date (a new, renamed or removed option, or a new revision); %s\n",
                    GOLDEN, ACCEPT);
        assert_string_equal(golden, now.data);
    }
    text_free(&now);
    free(golden);
}

TEST(defaults, moved_default_is_caught)
{
    static const Option options[] = {
        {.name = "lr", .type = OPTION_REAL, .value = "0.2", .max = 1, .help = "rate"}
    };
    const OptionTable table = {options, 1, sizeof(double)};
    Component c = {"thing", "a thing", 1, &table, NULL};
    char before[256];
    assert_null(moved_default("model", &c, "model thing 1 lr 0.2\n", before));
    assert_null(moved_default("model", &c, "model thin 1 lr 0.1\n", before));
    assert_ptr_equal(moved_default("model", &c, "model x 1 lr 3\nmodel thing 1 lr 0.1\n", before),
                     &options[0]);
    assert_string_equal(before, "0.1");
    c.revision = 2;
    assert_null(moved_default("model", &c, "model thing 1 lr 0.1\n", before));
}
