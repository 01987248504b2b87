/* prune_table -- the layers of a network before and after pruning, as text or JSON. */
#include "cmd/prune.h"

#include <inttypes.h>

bool prune_account(const Network *n, Arena *a, Account *out, Error *err)
{
    const Experiment *e = n->experiment;
    const Architecture *before =
        e->model->architecture ? e->model->architecture(e->model_options) : NULL;
    return account(e->model, e->model_options, &n->like, before, n->architecture, n->params, a, out,
                   err);
}

static int64_t channels(const LayerRow *row)
{
    return row ? row->weight.dim[0] : 0;
}

static void print_row(const AccountRow *row)
{
    char before[16], after[16], memory_before[16], memory_after[16];
    const LayerRow *b = row->before, *a = row->after;
    text_si(before, (double)b->macs);
    text_si(after, a ? (double)a->macs : 0);
    text_bytes(memory_before, (double)b->activation_bytes);
    text_bytes(memory_after, a ? (double)a->activation_bytes : 0);
    (void)printf("%-28s %6" PRId64 " %6" PRId64 " %10" PRId64 " %10" PRId64 " %7.2f %% %7s %7s %9s "
                 "%9s\n",
                 b->name, channels(b), channels(a), b->weights, row->kept, 100 * row->density,
                 before, after, memory_before, memory_after);
}

void prune_print_account(const Account *c)
{
    char before[16], after[16], sparse[16], memory_before[16], memory_after[16];
    const LayerTable *b = &c->before, *a = &c->after;
    (void)printf("%-28s %13s %21s %9s %15s %19s\n", "", "channels", "weights", "", "multiply-adds",
                 "activations");
    (void)printf("%-28s %6s %6s %10s %10s %9s %7s %7s %9s %9s\n", "layer", "before", "after",
                 "before", "kept", "", "before", "after", "before", "after");
    for (int i = 0; i < c->n_rows; i++) print_row(&c->rows[i]);
    text_si(before, (double)b->macs);
    text_si(after, (double)a->macs);
    text_si(sparse, c->sparse_macs);
    text_bytes(memory_before, (double)b->activation_bytes);
    text_bytes(memory_after, (double)a->activation_bytes);
    (void)printf("%-28s %6s %6s %10" PRId64 " %10" PRId64 " %7.2f %% %7s %7s %9s %9s\n", "all", "",
                 "", b->weights, c->kept, 100 * (double)c->kept / (double)b->weights, before, after,
                 memory_before, memory_after);
    (void)printf("parameters %" PRId64 " -> %" PRId64
                 "; %s multiply-adds an example if masked weights cost nothing\n",
                 b->parameters, a->parameters, sparse);
}

static void json_side(Json *j, const char *key, const LayerRow *row)
{
    json_begin(j, key, '{');
    json_add_int(j, "channels", channels(row));
    json_add_int(j, "weights", row ? row->weights : 0);
    json_add_int(j, "macs", row ? row->macs : 0);
    json_add_int(j, "activation_bytes", row ? row->activation_bytes : 0);
    json_end(j, '}');
}

static void json_total(Json *j, const char *key, const LayerTable *t)
{
    json_begin(j, key, '{');
    json_add_int(j, "parameters", t->parameters);
    json_add_int(j, "weights", t->weights);
    json_add_int(j, "macs", t->macs);
    json_add_int(j, "activation_bytes", t->activation_bytes);
    json_end(j, '}');
}

void prune_json_account(const Account *c, Json *j)
{
    json_begin(j, "layers", '[');
    for (int i = 0; i < c->n_rows; i++) {
        const AccountRow *row = &c->rows[i];
        json_begin(j, NULL, '{');
        json_add_text(j, "name", row->before->name);
        json_side(j, "before", row->before);
        json_side(j, "after", row->after);
        json_add_int(j, "kept", row->kept);
        json_add_real(j, "density", row->density);
        json_end(j, '}');
    }
    json_end(j, ']');
    json_total(j, "before", &c->before);
    json_total(j, "after", &c->after);
    json_add_int(j, "kept", c->kept);
    json_add_real(j, "sparse_macs", c->sparse_macs);
}
