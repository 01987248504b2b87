/* plan -- see plan.h: puts fusion and layout together, resolves addresses, runs. */
#include "graph/plan.h"

#include "base/clock.h"
#include "base/text.h"
#include "graph/layout.h"

#include <stdlib.h>
#include <string.h>

/* A unit with its addresses; those of inputs change by plan_bind, all others stand from
 * plan_allocate on. */
typedef struct Step {
    const Unit *unit;
    const void **in;
    void **out;
    void *scratch;
    double seconds, start_s, end_s; /* profile: all runs; the last one */
} Step;

/* A place that plan_bind has to write. */
typedef struct Patch {
    const Node *input;
    const void **at;
    int64_t offset_bytes;
} Patch;

typedef struct Copy {
    void *to;
    const Node *from;
} Copy;

struct Plan {
    Graph *graph;
    Arena *arena;
    Fused fused;
    Layout layout;
    PlanCost cost;
    void *memory;
    Step *steps;
    Patch *patches;
    int n_patches;
    Copy *copies; /* after the last step: outputs that no unit computes in place, then updates */
    int n_copies;
    const void **bound; /* by node id: inputs */
    Node **drawn;       /* random numbers that programs make, and their streams */
    MapDraw *draws;
    int n_drawn;
    bool profile;
    void (*after_read)(void *owner, const Param *param);
    void *reader; /* its owner */
};

/* -- Costs */

static double node_bytes(const Node *n)
{
    return (double)sizeof(float) * (double)shape_count(&n->shape);
}

static double unit_bytes(const Unit *u)
{
    double bytes = 0;
    for (int i = 0; i < u->n_roots; i++) bytes += node_bytes(u->roots[i]);
    if (u->kernel)
        for (int i = 0; i < u->kernel->n_src; i++) bytes += node_bytes(u->kernel->src[i]);
    else
        for (int i = 0; i < u->program->n_inputs; i++)
            bytes += u->program->inputs[i].is_drawn ? 0 : node_bytes(u->inputs[i]);
    return bytes;
}

static double instruction_flops(MapOp op)
{
    for (int i = 0; i < N_OPS; i++)
        if (op_table[i]->kind == OP_MAP && op_table[i]->map == op) return op_table[i]->flops_each;
    return 0;
}

static double unit_flops(const Unit *u)
{
    double flops = 0;
    if (u->kernel) return op_flops(u->kernel);
    for (int i = 0; i < u->n_roots; i++)
        if (u->roots[i]->op->kind == OP_REDUCE) flops += op_flops(u->roots[i]);
    const MapProgram *p = u->program;
    double count = (double)p->outer * (double)p->reduce * (double)p->inner;
    for (int i = 0; i < p->n_instr; i++) flops += count * instruction_flops(p->instr[i].op);
    return flops;
}

static void add_costs(Plan *p)
{
    p->cost.arena_bytes = p->layout.bytes;
    p->cost.n_kernels = p->fused.n_units;
    p->cost.n_nodes = p->graph->n_nodes;
    for (int u = 0; u < p->fused.n_units; u++) {
        p->cost.flops += unit_flops(&p->fused.units[u]);
        p->cost.bytes += unit_bytes(&p->fused.units[u]);
    }
}

PlanCost plan_cost(const Plan *p)
{
    return p->cost;
}

/* -- Making */

static void list_copies(Plan *p, const PlanOutput outputs[], int n)
{
    const Graph *g = p->graph;
    p->copies = arena_new_array(p->arena, Copy, n + g->n_updates);
    for (int i = 0; i < n; i++) {
        Node *root = node_root(outputs[i].node);
        if (outputs[i].to && p->layout.external[root->id] != outputs[i].to)
            p->copies[p->n_copies++] = (Copy){outputs[i].to, outputs[i].node};
    }
}

static void make_steps(Plan *p)
{
    int n_inputs = 0;
    p->steps = arena_new_array(p->arena, Step, p->fused.n_units);
    for (int u = 0; u < p->fused.n_units; u++) {
        const Unit *unit = &p->fused.units[u];
        int n = unit->kernel ? unit->kernel->n_src + EPILOGUE_MAX : unit->program->n_inputs;
        p->steps[u] = (Step){.unit = unit,
                             .in = arena_new_array(p->arena, const void *, n),
                             .out = arena_new_array(p->arena, void *, unit->n_roots)};
        n_inputs += n;
    }
    p->patches = arena_new_array(p->arena, Patch, n_inputs);
    p->bound = arena_new_array(p->arena, const void *, p->graph->n_nodes);
    p->draws = arena_new_array(p->arena, MapDraw, p->graph->n_nodes);
    p->drawn = arena_new_array(p->arena, Node *, p->graph->n_nodes);
}

Plan *plan_new(Graph *g, const PlanOutput outputs[], int n, const PlanOptions *options, Error *err)
{
    static const PlanOptions defaults = {0};
    const PlanOptions *o = options ? options : &defaults;
    if (!graph_ok(g, err)) return NULL;
    Arena *arena = arena_new();
    Plan *p = arena_new_array(arena, Plan, 1);
    p->graph = g;
    p->arena = arena;
    p->fused = fuse(g, outputs, n, o->no_fuse, arena);
    p->layout = layout_values(g, &p->fused, outputs, n, o->no_reuse, arena);
    add_costs(p);
    list_copies(p, outputs, n);
    make_steps(p);
    return p;
}

/* -- Addresses */

static void *stored_at(const Plan *p, const Node *root)
{
    if (p->layout.external[root->id]) return p->layout.external[root->id];
    if (p->layout.offset[root->id] >= 0) return (char *)p->memory + p->layout.offset[root->id];
    return NULL;
}

static const void *address(const Plan *p, const Node *root)
{
    if (root->op == &op_constant) return root->data;
    if (root->op == &op_param) return root->param->data;
    if (root->op == &op_input) return p->bound[root->id];
    return stored_at(p, root);
}

static void resolve_input(Plan *p, const void **at, Node *n, int64_t offset)
{
    const Node *root = node_root(n);
    const char *base = address(p, root);
    int64_t bytes = offset * (int64_t)sizeof(float);
    *at = base ? base + bytes : NULL;
    if (root->op == &op_input) p->patches[p->n_patches++] = (Patch){root, at, bytes};
}

static const MapDraw *draw_of(Plan *p, Node *n)
{
    for (int i = 0; i < p->n_drawn; i++)
        if (p->drawn[i] == n) return &p->draws[i];
    p->drawn[p->n_drawn] = n;
    return &p->draws[p->n_drawn++];
}

static void resolve_step(Plan *p, Step *s, int u)
{
    const Unit *unit = s->unit;
    if (unit->kernel) {
        for (int i = 0; i < unit->kernel->n_src; i++)
            resolve_input(p, &s->in[i], unit->kernel->src[i], 0);
        for (int i = 0; unit->epilogue && i < unit->epilogue->n; i++)
            if (unit->epilogue->operand[i])
                resolve_input(p, &s->in[unit->kernel->n_src + i], unit->epilogue->operand[i], 0);
    } else {
        for (int i = 0; i < unit->program->n_inputs; i++) {
            if (unit->program->inputs[i].is_drawn)
                s->in[i] = draw_of(p, unit->inputs[i]);
            else
                resolve_input(p, &s->in[i], unit->inputs[i], unit->input_offset[i]);
        }
    }
    for (int i = 0; i < unit->n_roots; i++) s->out[i] = stored_at(p, unit->roots[i]);
    if (p->layout.scratch[u] >= 0) s->scratch = (char *)p->memory + p->layout.scratch[u];
}

bool plan_allocate(Plan *p, Error *err)
{
    TRY(memory_map(&p->memory, (size_t)p->layout.bytes, err));
    for (int u = 0; u < p->fused.n_units; u++) resolve_step(p, &p->steps[u], u);
    for (int i = 0; i < p->graph->n_updates; i++) {
        const Update *update = &p->graph->updates[i];
        p->copies[p->n_copies++] = (Copy){update->param->data, update->value};
    }
    return true;
}

void plan_free(Plan *p)
{
    if (!p) return;
    memory_unmap(p->memory, (size_t)p->layout.bytes);
    arena_free(p->arena);
}

void plan_bind(Plan *p, const Node *input, const void *data)
{
    p->bound[input->id] = data;
    for (int i = 0; i < p->n_patches; i++)
        if (p->patches[i].input == input)
            *p->patches[i].at = (const char *)data + p->patches[i].offset_bytes;
}

const void *plan_value(const Plan *p, const Node *n)
{
    return address(p, node_root((Node *)n));
}

/* -- Running */

static void run_step(const Step *s, uint64_t step)
{
    const Unit *unit = s->unit;
    if (!unit->kernel) {
        cpu->map_run(unit->program, s->in, s->out, s->scratch);
        return;
    }
    Call call = {
        .node = unit->kernel, .src = s->in, .out = s->out[0], .scratch = s->scratch, .step = step};
    EpilogueStep steps[EPILOGUE_MAX];
    if (unit->epilogue) {
        call.steps = steps;
        call.n_steps = unit->epilogue->n;
        for (int i = 0; i < call.n_steps; i++) {
            steps[i] = unit->epilogue->steps[i];
            steps[i].operand = s->in[unit->kernel->n_src + i];
        }
    }
    for (int i = 1; i < unit->n_roots; i++)
        call.part[unit->roots[i]->op->kind == OP_PART ? unit->roots[i]->args.part.index : 0] =
            s->out[i];
    unit->kernel->op->run(&call);
}

void plan_after_read(Plan *p, void (*read)(void *owner, const Param *param), void *owner)
{
    p->after_read = read;
    p->reader = owner;
}

static void tell(const Plan *p, Node *n)
{
    const Node *root = node_root(n);
    if (root->op == &op_param) p->after_read(p->reader, root->param);
}

static void tell_reads(const Plan *p, const Unit *unit)
{
    if (!unit->kernel) {
        for (int i = 0; i < unit->program->n_inputs; i++)
            if (!unit->program->inputs[i].is_drawn) tell(p, unit->inputs[i]);
        return;
    }
    for (int i = 0; i < unit->kernel->n_src; i++) tell(p, unit->kernel->src[i]);
    for (int i = 0; unit->epilogue && i < unit->epilogue->n; i++)
        if (unit->epilogue->operand[i]) tell(p, unit->epilogue->operand[i]);
}

void plan_run(Plan *p, uint64_t step)
{
    for (int i = 0; i < p->n_drawn; i++) p->drawn[i]->op->draw(p->drawn[i], step, &p->draws[i]);
    for (int u = 0; u < p->fused.n_units; u++) {
        Step *s = &p->steps[u];
        if (p->profile) s->start_s = clock_s();
        run_step(s, step);
        if (p->after_read) tell_reads(p, s->unit);
        if (!p->profile) continue;
        s->end_s = clock_s();
        s->seconds += s->end_s - s->start_s;
    }
    for (int i = 0; i < p->n_copies; i++)
        memcpy(p->copies[i].to, plan_value(p, p->copies[i].from),
               sizeof(float) * (size_t)shape_count(&p->copies[i].from->shape));
}

/* -- For people */

void plan_profile(Plan *p, bool on)
{
    p->profile = on;
    for (int u = 0; u < p->fused.n_units; u++) p->steps[u].seconds = 0;
}

static void describe(const Unit *u, Text *t)
{
    char shape[96];
    if (u->kernel) {
        text_add(t, u->kernel->op->name);
        for (int i = 0; u->epilogue && i < u->epilogue->n; i++)
            text_addf(t, ", %s", u->epilogue->taken[i]->op->name);
    } else {
        text_addf(t, "map of %d inputs, %d instructions:", u->program->n_inputs,
                  u->program->n_instr);
    }
    for (int i = 0; i < u->n_roots; i++)
        text_addf(t, " %s#%d%s", u->roots[i]->op->name, u->roots[i]->id,
                  shape_text(&u->roots[i]->shape, shape));
}

PlanStep plan_step(const Plan *p, int i)
{
    const Step *s = &p->steps[i];
    const Unit *u = s->unit;
    return (PlanStep){.name = u->kernel ? u->kernel->op->name : "map",
                      .value = u->roots[0],
                      .flops = unit_flops(u),
                      .bytes = unit_bytes(u),
                      .seconds = s->seconds,
                      .start_s = s->start_s,
                      .end_s = s->end_s};
}

char *plan_step_text(const Plan *p, int i)
{
    Text t = {0};
    describe(p->steps[i].unit, &t);
    return t.data;
}

char *plan_text(const Plan *p)
{
    Text t = {0};
    for (int u = 0; u < p->fused.n_units; u++) {
        const Unit *unit = &p->fused.units[u];
        char flops[16], bytes[16];
        text_si(flops, unit_flops(unit));
        text_bytes(bytes, unit_bytes(unit));
        if (p->profile) text_addf(&t, "%10.6f s  ", p->steps[u].seconds);
        text_addf(&t, "%4d  %8s FLOP  %10s  at %lld  ", u, flops, bytes,
                  (long long)p->layout.offset[unit->roots[0]->id]);
        describe(unit, &t);
        text_add(&t, "\n");
    }
    return t.data;
}
