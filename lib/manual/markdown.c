/* markdown -- the reference of keys as Markdown: experiments/KEYS.md. */
#include "manual/manual.h"

#include <string.h>

typedef struct Page {
    Text *out;
    bool in_table;
} Page;

/* In a cell a bar would end it; < would start a tag. */
static void add_cell(Text *out, const char *s)
{
    char one[2] = "";
    for (; *s; s++) {
        one[0] = *s;
        text_add(out, *s == '|' ? "\\|" : *s == '<' ? "&lt;" : one);
    }
}

/* In code, where < is itself. */
static void add_code(Text *out, const char *s)
{
    char one[2] = "";
    if (!*s) return;
    text_add(out, "`");
    for (; *s; s++) {
        one[0] = *s;
        text_add(out, *s == '|' ? "\\|" : one);
    }
    text_add(out, "`");
}

static void block(void *self, const char *name, const char *help)
{
    Page *p = self;
    if (*name)
        text_addf(p->out, "\n## `%s`\n\n%s\n", name, help);
    else
        text_addf(p->out, "\n## The file's top\n\n%s\n", help);
    p->in_table = false;
}

static void components(void *self, ComponentKind kind, const Component c[], int n)
{
    Page *p = self;
    (void)kind;
    text_add(p->out, "\n### ");
    for (int i = 0; i < n; i++) text_addf(p->out, "%s%s", i ? ", " : "", c[i].name);
    text_add(p->out, "\n\n");
    for (int i = 0; i < n; i++)
        text_addf(p->out, "%s%s%s%s\n", n > 1 ? "* " : "", n > 1 ? c[i].name : "",
                  n > 1 ? ": " : "", c[i].summary ? c[i].summary : "");
    p->in_table = false;
}

static void key(void *self, const ManualKey *k)
{
    Page *p = self;
    if (!p->in_table)
        text_add(p->out, "\n| key | type | default | range | meaning |\n|---|---|---|---|---|\n");
    p->in_table = true;
    text_addf(p->out, "| `%s` | ", k->name);
    add_cell(p->out, k->type);
    text_add(p->out, " | ");
    add_code(p->out, k->value);
    text_add(p->out, " | ");
    add_cell(p->out, k->range);
    text_add(p->out, " | ");
    add_cell(p->out, k->help);
    text_add(p->out, " |\n");
}

void manual_markdown(Text *out)
{
    Arena *a = arena_new();
    Page page = {.out = out};
    const ManualVisitor visitor = {
        .self = &page, .block = block, .components = components, .key = key};
    text_add(out, "# Every key of an experiment file\n\n"
                  "Written by `seqlab help --format=keys`, from the tables that read the files; "
                  "`make accept` writes it anew.\n`seqlab help KEY` says the same of one key, "
                  "`README.md` how a file is written.\n");
    manual_walk(&visitor, a);
    arena_free(a);
}
