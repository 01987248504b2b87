/* fuse_merge -- one unit a stored value; programs; merging; the final order.
 *
 * Paths between units are kept as two bit matrices: next[u] the units that read u, reach[u] all
 * that depend on it. */
#include "graph/fuse_merge.h"

#include <stdlib.h>
#include <string.h>

typedef struct Merger {
    Fuser *f;
    Unit *units;
    int n_units, words;
    int *unit_of;     /* by node id; follow merged_into */
    int *merged_into; /* by unit; itself while alive */
    uint64_t *next, *reach;
} Merger;

static int alive(const Merger *m, int u)
{
    while (m->merged_into[u] != u) u = m->merged_into[u];
    return u;
}

static int unit_storing(const Merger *m, const Node *base)
{
    int u = m->unit_of[base->id];
    return u < 0 ? -1 : alive(m, u);
}

/* -- Programs */

typedef struct Builder {
    const Merger *m;
    Unit *unit; /* what is built: roots are given, the rest is filled */
    MapProgram *p;
    Node *computed[MAP_MAX_INSTR]; /* by instruction */
    bool fits;
} Builder;

static const Shape *domain_of(const Node *root)
{
    return root->op->kind == OP_REDUCE ? &root->src[0]->shape : &root->shape;
}

static bool is_root(const Unit *u, const Node *n)
{
    for (int i = 0; i < u->n_roots; i++)
        if (u->roots[i] == n) return true;
    return false;
}

static bool same_input(const Builder *b, int i, const Access *a)
{
    const Node *have = b->unit->inputs[i];
    for (int k = 0; k < b->p->rank; k++)
        if (b->p->inputs[i].stride[k] != a->stride[k]) return false;
    if (have == a->base) return b->unit->input_offset[i] == a->offset;
    return have->op == &op_constant && a->base->op == &op_constant && have->shape.rank == 0 &&
           a->base->shape.rank == 0 && memcmp(have->data, a->base->data, sizeof(float)) == 0;
}

static int input_register(Builder *b, const Access *a)
{
    MapProgram *p = b->p;
    for (int i = 0; i < p->n_inputs; i++)
        if (same_input(b, i, a)) return i;
    if (p->n_inputs == MAP_MAX_INPUTS) {
        b->fits = false;
        return 0;
    }
    int i = p->n_inputs++;
    memcpy(p->inputs[i].stride, a->stride, sizeof a->stride);
    p->inputs[i].is_int = a->base->dtype == I32;
    p->inputs[i].is_drawn = a->base->op->draw && !b->m->f->stored[a->base->id];
    b->unit->inputs[i] = a->base;
    b->unit->input_offset[i] = a->offset;
    return i;
}

/* Registers of instructions are numbered from MAP_MAX_INPUTS while inputs are still being found. */
static int emit(Builder *b, Node *n);

static int operand(Builder *b, Node *n)
{
    Access a = access_of(n);
    const Fuser *f = b->m->f;
    bool own = is_root(b->unit, a.base);
    bool is_map = a.base->op->kind == OP_MAP && !f->kernel_of[a.base->id];
    if (a.identity && is_map && (own || !f->stored[a.base->id])) return emit(b, a.base);
    if (own) b->fits = false; /* it would be read before it is whole */
    return input_register(b, &a);
}

static int emit(Builder *b, Node *n)
{
    MapProgram *p = b->p;
    for (int i = 0; i < p->n_instr; i++)
        if (b->computed[i] == n) return MAP_MAX_INPUTS + i;
    int reg[3] = {0};
    for (int i = 0; i < n->n_src && b->fits; i++) reg[i] = operand(b, n->src[i]);
    if (!b->fits || p->n_instr == MAP_MAX_INSTR) {
        b->fits = false;
        return 0;
    }
    for (int i = n->n_src; i < 3; i++) reg[i] = reg[0];
    p->instr[p->n_instr] = (MapInstr){.op = n->op->map,
                                      .a = (uint8_t)reg[0],
                                      .b = (uint8_t)reg[1],
                                      .c = (uint8_t)reg[2],
                                      .p = n->args.map.p,
                                      .q = n->args.map.q};
    b->computed[p->n_instr] = n;
    return MAP_MAX_INPUTS + p->n_instr++;
}

static int root_register(Builder *b, Node *root)
{
    if (root->op->kind == OP_MAP) return emit(b, root);
    return operand(b, root->op->kind == OP_REDUCE ? root->src[0] : root);
}

/* All reductions of a program run over the same groups of the domain. */
static bool set_view(MapProgram *p, const Node *root, bool *set)
{
    int64_t outer, reduce, inner;
    if (root->op->kind != OP_REDUCE) return true;
    reduce_view(root, &outer, &reduce, &inner);
    if (*set) return p->outer == outer && p->reduce == reduce && p->inner == inner;
    p->outer = outer;
    p->reduce = reduce;
    p->inner = inner;
    *set = true;
    return true;
}

static uint8_t final_register(const MapProgram *p, int reg)
{
    return (uint8_t)(reg < MAP_MAX_INPUTS ? reg : reg - MAP_MAX_INPUTS + p->n_inputs);
}

/* Fills the program and inputs of `unit` from its roots; false when they do not fit one program. */
static bool build_program(const Merger *m, Unit *unit)
{
    const Shape *domain = domain_of(unit->roots[0]);
    MapProgram *p = unit->program;
    Builder b = {.m = m, .unit = unit, .p = p, .fits = true};
    int reg[MAP_MAX_OUTPUTS];
    bool view_set = false;
    *p = (MapProgram){.rank = domain->rank, .outer = shape_count(domain), .reduce = 1, .inner = 1};
    memcpy(p->dim, domain->dim, sizeof domain->dim);
    for (int i = 0; i < unit->n_roots && b.fits; i++) {
        Node *root = unit->roots[i];
        if (!shape_equal(domain_of(root), domain) || !set_view(p, root, &view_set)) return false;
        reg[i] = root_register(&b, root);
    }
    if (!b.fits) return false;
    for (int i = 0; i < p->n_instr; i++) {
        MapInstr *in = &p->instr[i];
        in->a = final_register(p, in->a);
        in->b = final_register(p, in->b);
        in->c = final_register(p, in->c);
    }
    p->n_outputs = unit->n_roots;
    for (int i = 0; i < unit->n_roots; i++)
        p->outputs[i] = (MapOutput){unit->roots[i]->op->reduce, final_register(p, reg[i])};
    return true;
}

/* -- Units and their paths */

static uint64_t *row(uint64_t *matrix, const Merger *m, int u)
{
    return matrix + (size_t)u * (size_t)m->words;
}

static bool bit(const uint64_t *bits, int i)
{
    return bits[i / 64] >> (i % 64) & 1;
}

static void set_bit(uint64_t *bits, int i)
{
    bits[i / 64] |= UINT64_C(1) << (i % 64);
}

static void link_from(Merger *m, const Node *base, int to)
{
    int from = m->unit_of[node_root((Node *)base)->id];
    if (from >= 0 && from != to) set_bit(row(m->next, m, from), to);
}

static void add_unit(Merger *m, Node *n)
{
    if (n->op->kind == OP_PART) {
        Unit *of = &m->units[m->unit_of[n->src[0]->id]];
        m->unit_of[n->id] = m->unit_of[n->src[0]->id];
        of->roots[of->n_roots++] = n;
        return;
    }
    Node *kernel = m->f->kernel_of[n->id], *joined = m->f->joined[n->id];
    if (joined && joined->id < n->id) return; /* is in that one's unit */
    Unit *u = &m->units[m->n_units];
    *u = (Unit){.kernel = kernel, .n_roots = 1, .roots = {n}};
    if (joined) {
        u->kernel = u->roots[0] = joined;
        u->roots[u->n_roots++] = n;
        m->unit_of[joined->id] = m->n_units;
    }
    if (kernel)
        u->epilogue = m->f->epilogue_of[kernel->id];
    else
        u->program = arena_new_array(m->f->arena, MapProgram, 1);
    m->unit_of[n->id] = m->merged_into[m->n_units] = m->n_units;
    m->n_units++;
}

static void make_units(Merger *m)
{
    Fuser *f = m->f;
    int count = 0; /* parts and joined kernels too, which have no unit of their own */
    m->unit_of = arena_new_array(f->arena, int, f->n);
    for (int id = 0; id < f->n; id++) {
        bool own = f->stored[id] && f->graph->nodes[id]->op->kind != OP_LEAF;
        m->unit_of[id] = -1;
        count += own;
    }
    m->units = arena_new_array(f->arena, Unit, count);
    m->merged_into = arena_new_array(f->arena, int, count);
    for (int id = 0; id < f->n; id++)
        if (f->stored[id] && f->graph->nodes[id]->op->kind != OP_LEAF)
            add_unit(m, f->graph->nodes[id]);
    m->words = (count + 63) / 64;
    m->next = arena_new_array(f->arena, uint64_t, (size_t)count * (size_t)m->words);
    m->reach = arena_new_array(f->arena, uint64_t, (size_t)count * (size_t)m->words);
}

/* Adds to what each unit reaches what its readers do; whether that was anything new. Once is enough
 * while readers come later, but a unit of joined kernels stands where the first of them does. */
static bool extend_paths(Merger *m)
{
    uint64_t more = 0;
    for (int u = m->n_units - 1; u >= 0; u--) {
        uint64_t *reach = row(m->reach, m, u), *next = row(m->next, m, u);
        for (int v = 0; v < m->n_units; v++) {
            if (!bit(next, v)) continue;
            more |= !bit(reach, v);
            set_bit(reach, v);
            for (int w = 0; w < m->words; w++) {
                more |= row(m->reach, m, v)[w] & ~reach[w];
                reach[w] |= row(m->reach, m, v)[w];
            }
        }
    }
    return more != 0;
}

static void find_paths(Merger *m)
{
    for (int u = 0; u < m->n_units; u++) {
        Unit *unit = &m->units[u];
        if (!unit->kernel) {
            (void)build_program(m, unit); /* one root always fits: fuse.c keeps it small */
            for (int i = 0; i < unit->program->n_inputs; i++) link_from(m, unit->inputs[i], u);
            continue;
        }
        for (int i = 0; i < unit->kernel->n_src; i++) link_from(m, unit->kernel->src[i], u);
        for (int i = 0; unit->epilogue && i < unit->epilogue->n; i++)
            if (unit->epilogue->operand[i]) link_from(m, unit->epilogue->operand[i], u);
    }
    while (extend_paths(m)) continue;
}

/* Whether a path leads from a to b by way of a third unit. */
static bool detour(const Merger *m, int a, int b)
{
    const uint64_t *next = row(m->next, m, a);
    for (int w = 0; w < m->words; w++)
        for (uint64_t rest = next[w]; rest; rest &= rest - 1) {
            int x = w * 64 + __builtin_ctzll(rest);
            if (x != b && bit(row(m->reach, m, x), b)) return true;
        }
    return false;
}

/* -- Merging */

static void join_paths(Merger *m, int a, int b)
{
    uint64_t *next_a = row(m->next, m, a), *reach_a = row(m->reach, m, a);
    for (int w = 0; w < m->words; w++) {
        next_a[w] |= row(m->next, m, b)[w];
        reach_a[w] |= row(m->reach, m, b)[w];
    }
    for (int u = 0; u < m->n_units; u++) {
        uint64_t *next = row(m->next, m, u), *reach = row(m->reach, m, u);
        if (bit(next, b)) set_bit(next, a);
        next[b / 64] &= ~(UINT64_C(1) << (b % 64));
        if (u != a && (bit(reach, a) || bit(reach, b))) {
            for (int w = 0; w < m->words; w++) reach[w] |= reach_a[w];
            set_bit(reach, a);
        }
        reach[b / 64] &= ~(UINT64_C(1) << (b % 64));
    }
    next_a[a / 64] &= ~(UINT64_C(1) << (a % 64));
    reach_a[a / 64] &= ~(UINT64_C(1) << (a % 64));
    memset(row(m->next, m, b), 0, sizeof(uint64_t) * (size_t)m->words);
    memset(row(m->reach, m, b), 0, sizeof(uint64_t) * (size_t)m->words);
}

static bool merge(Merger *m, int a, int b)
{
    Unit *x = &m->units[a], *y = &m->units[b];
    if (x->kernel || y->kernel || x->n_roots + y->n_roots > MAP_MAX_OUTPUTS) return false;
    if (!shape_equal(domain_of(x->roots[0]), domain_of(y->roots[0]))) return false;
    if (detour(m, a, b) || detour(m, b, a)) return false;
    MapProgram program;
    Unit both = *x;
    both.program = &program;
    for (int i = 0; i < y->n_roots; i++) both.roots[both.n_roots++] = y->roots[i];
    if (!build_program(m, &both)) return false;
    *x->program = program;
    both.program = x->program;
    *x = both;
    m->merged_into[b] = a;
    join_paths(m, a, b);
    return true;
}

/* Units that read full-size values of each stored node or leaf, as lists by node id. */
typedef struct Readers {
    int *first;          /* by node id: entry or -1 */
    int *unit, *further; /* by entry */
} Readers;

static bool is_full(const Unit *u, int input)
{
    const MapProgram *p = u->program;
    int64_t touched = 1;
    for (int i = 0; i < p->rank; i++)
        if (p->inputs[input].stride[i] != 0) touched *= p->dim[i];
    return touched == p->outer * p->reduce * p->inner;
}

static Readers list_readers(const Merger *m)
{
    Arena *arena = m->f->arena;
    int n_entries = 0;
    Readers r = {.first = arena_new_array(arena, int, m->f->n)};
    r.unit = arena_new_array(arena, int, m->n_units *MAP_MAX_INPUTS);
    r.further = arena_new_array(arena, int, m->n_units *MAP_MAX_INPUTS);
    for (int id = 0; id < m->f->n; id++) r.first[id] = -1;
    for (int u = m->n_units - 1; u >= 0; u--) {
        const Unit *unit = &m->units[u];
        for (int i = 0; !unit->kernel && i < unit->program->n_inputs; i++) {
            int id = unit->inputs[i]->id;
            if (!is_full(unit, i)) continue;
            r.unit[n_entries] = u;
            r.further[n_entries] = r.first[id];
            r.first[id] = n_entries++;
        }
    }
    return r;
}

/* Merges u with every unit that it reads a full-size value from or, given the readers, shares a
 * full-size input with, while that succeeds. */
static void merge_around(Merger *m, const Readers *readers, int u)
{
    for (bool again = true; again;) {
        again = false;
        Unit *unit = &m->units[u];
        for (int i = 0; i < unit->program->n_inputs && !again; i++) {
            if (!is_full(unit, i)) continue;
            const Node *base = unit->inputs[i];
            int producer = unit_storing(m, base);
            if (producer >= 0 && producer != u) again = merge(m, u, producer);
            int e = readers ? readers->first[base->id] : -1;
            for (; e >= 0 && !again; e = readers->further[e]) {
                int other = alive(m, readers->unit[e]);
                if (other != u) again = merge(m, u, other);
            }
        }
    }
}

static void merge_all(Merger *m, const Readers *readers)
{
    for (int u = 0; u < m->n_units; u++)
        if (alive(m, u) == u && !m->units[u].kernel) merge_around(m, readers, u);
}

/* Values that only the program itself reads need no memory any more. */
static void drop_unread(Merger *m)
{
    bool *read = arena_new_array(m->f->arena, bool, m->f->n);
    for (int id = 0; id < m->f->n; id++)
        read[id] = m->f->asked[id] || m->f->graph->nodes[id]->op->kind == OP_REDUCE;
    for (int u = 0; u < m->n_units; u++) {
        const Unit *unit = &m->units[u];
        if (alive(m, u) != u) continue;
        for (int i = 0; unit->kernel && i < unit->kernel->n_src; i++)
            read[node_root(unit->kernel->src[i])->id] = true;
        for (int i = 0; unit->epilogue && i < unit->epilogue->n; i++)
            if (unit->epilogue->operand[i]) read[unit->epilogue->operand[i]->id] = true;
        for (int i = 0; !unit->kernel && i < unit->program->n_inputs; i++)
            read[unit->inputs[i]->id] = true;
    }
    for (int u = 0; u < m->n_units; u++) {
        Unit *unit = &m->units[u];
        int kept = 0;
        if (alive(m, u) != u || unit->kernel) continue;
        for (int i = 0; i < unit->n_roots; i++) {
            Node *root = unit->roots[i];
            m->f->stored[root->id] = read[root->id];
            if (read[root->id]) unit->roots[kept++] = root;
        }
        if (kept == unit->n_roots) continue;
        unit->n_roots = kept;
        (void)build_program(m, unit); /* no larger than before */
    }
}

/* -- The order */

static int last_root(const Unit *u)
{
    int last = 0;
    if (u->kernel) return u->roots[0]->id;
    for (int i = 0; i < u->n_roots; i++)
        if (u->roots[i]->id > last) last = u->roots[i]->id;
    return last;
}

/* Topological; of those that are ready, the one whose last value was built first. */
static Fused order_units(Merger *m)
{
    Arena *arena = m->f->arena;
    int *waits = arena_new_array(arena, int, m->n_units), n_left = 0;
    Fused out = {.units = arena_new_array(arena, Unit, m->n_units)};
    for (int u = 0; u < m->n_units; u++) {
        if (alive(m, u) != u) continue;
        n_left++;
        for (int v = 0; v < m->n_units; v++) waits[v] += bit(row(m->next, m, u), v);
    }
    while (n_left-- > 0) {
        int best = -1;
        for (int u = 0; u < m->n_units; u++)
            if (alive(m, u) == u && waits[u] == 0 &&
                (best < 0 || last_root(&m->units[u]) < last_root(&m->units[best])))
                best = u;
        waits[best] = -1;
        for (int v = 0; v < m->n_units; v++) waits[v] -= bit(row(m->next, m, best), v);
        out.units[out.n_units++] = m->units[best];
    }
    out.unit_of = arena_new_array(arena, int, m->f->n);
    for (int id = 0; id < m->f->n; id++) out.unit_of[id] = -1;
    for (int u = 0; u < out.n_units; u++)
        for (int i = 0; i < out.units[u].n_roots; i++) out.unit_of[out.units[u].roots[i]->id] = u;
    return out;
}

/* First with what a program reads from: its values need no memory then. The other way about, what
 * the backward pass computes from a value of the forward pass (the slope of gelu) would be drawn to
 * the forward program that reads the same value, and kept until it is used. */
Fused fuse_units(Fuser *f, bool no_merge)
{
    Merger m = {.f = f};
    make_units(&m);
    find_paths(&m);
    if (!no_merge) {
        merge_all(&m, NULL);
        Readers readers = list_readers(&m);
        merge_all(&m, &readers);
        drop_unread(&m);
    }
    return order_units(&m);
}
