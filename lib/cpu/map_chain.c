/* map_chain -- see map_chain.h.
 *
 * A pass over a tile is bound by its stores: one vector in two to four cycles on Zen 4, whatever
 * the instruction. So instructions that follow each other and are cheap are run together, VECTORS
 * vectors at a time: a value that only the next instruction reads never leaves the registers. Each
 * step is the expression of map.def in vectors, hence the same bits (tests/unit/map.c compares). */
#include "cpu/map_chain.h"

#include "cpu/simd.h"

enum { VECTORS = VL >= 16 ? 8 : 6 }; /* AVX2 and NEON need registers for operands too */

typedef int32_t vi __attribute__((vector_size(VL * sizeof(float))));

/* -- Preparation ------------------------------------------------------------------------------ */

/* The instruction as a step on the value of register `value`: which operand that is (0 a, 1 b, 2 c;
 * -1 where the instruction is not one for chains). */
static int step_of(const MapInstr *in, int value, MapStep *s)
{
    const bool a = in->a == value, b = in->b == value, c = in->c == value;
    *s = (MapStep){.p = in->p, .q = in->q};
    switch (in->op) {
    case MAP_ADD:
    case MAP_MUL:
        s->code = in->op == MAP_ADD ? STEP_ADD : STEP_MUL;
        s->u = a ? in->b : in->a;
        return a ? 0 : b ? 1 : -1;
    case MAP_SUB:
        s->code = a ? STEP_SUB : STEP_SUB_FROM;
        s->u = a ? in->b : in->a;
        return a ? 0 : b ? 1 : -1;
    case MAP_LESS:
        s->code = a ? STEP_LESS : STEP_LESS_THAN;
        s->u = a ? in->b : in->a;
        return a ? 0 : b ? 1 : -1;
    case MAP_FMA:
        s->code = a || b ? STEP_FMA : STEP_FMA_ADD;
        s->u = a ? in->b : in->a;
        s->v = a || b ? in->c : in->b;
        return a ? 0 : b ? 1 : c ? 2 : -1;
    case MAP_WHERE:
        s->code = a ? STEP_WHERE : b ? STEP_WHERE_THEN : STEP_WHERE_ELSE;
        s->u = a ? in->b : in->a;
        s->v = a || b ? in->c : in->b;
        return a ? 0 : b ? 1 : c ? 2 : -1;
    case MAP_SQUARE:
    case MAP_AFFINE:
    case MAP_RELU:
        s->code = in->op == MAP_SQUARE   ? STEP_SQUARE
                  : in->op == MAP_AFFINE ? STEP_AFFINE
                                         : STEP_RELU;
        return a ? 0 : -1;
    default:
        return -1;
    }
}

static bool is_chainable(const MapInstr *in)
{
    MapStep s;
    return step_of(in, in->a, &s) == 0;
}

static int arity(MapOp op)
{
    static const uint8_t arities[] = {
#define MAP(name, arity, cost, expression) arity,
#include "cpu/map.def"
#undef MAP
    };
    return arities[op];
}

/* Whether anything but operand `taken` of instruction `next` reads register reg. */
static bool is_read_elsewhere(const MapProgram *p, int reg, int next, int taken)
{
    for (int o = 0; o < p->n_outputs; o++)
        if (p->outputs[o].reg == reg) return true;
    for (int i = reg - p->n_inputs + 1; i < p->n_instr; i++) {
        const uint8_t source[3] = {p->instr[i].a, p->instr[i].b, p->instr[i].c};
        for (int k = 0; k < arity(p->instr[i].op); k++)
            if (source[k] == reg && !(i == next && k == taken)) return true;
    }
    return false;
}

/* Appends the steps of instruction i, in a chain that began with instruction `begin`. */
static int append_steps(const MapProgram *p, MapChains *c, int n, int begin, int i)
{
    const MapInstr *in = &p->instr[i];
    const int value = p->n_inputs + i - 1;
    MapStep s;
    int taken = i > begin ? step_of(in, value, &s) : -1;
    if (i > begin && is_read_elsewhere(p, value, i, taken))
        c->step[n++] = (MapStep){.code = STEP_STORE, .u = (uint8_t)value};
    if (taken < 0) {
        c->step[n++] = (MapStep){.code = STEP_LOAD, .u = in->a};
        (void)step_of(in, in->a, &s);
    }
    c->step[n++] = s;
    return n;
}

void K(map_chains)(const MapProgram *p, MapChains *c)
{
    int n = 0;
    for (int i = 0; i < p->n_instr;) {
        int end = i;
        while (end < p->n_instr && is_chainable(&p->instr[end])) end++;
        c->first[i] = (uint8_t)n;
        c->length[i] = (uint8_t)(end - i > 1 ? end - i : 0);
        if (c->length[i] == 0) {
            i++;
            continue;
        }
        for (int k = i; k < end; k++) n = append_steps(p, c, n, i, k);
        c->step[n++] = (MapStep){.code = STEP_STORE, .u = (uint8_t)(p->n_inputs + end - 1)};
        i = end;
        c->first[i] = (uint8_t)n;
    }
}

/* -- Running ---------------------------------------------------------------------------------- */

typedef struct Step {
    MapStepCode code;
    float p, q;
    float *u, *v;
} Step;

SIMD vf less(vf a, vf b)
{
    return (vf)((vi)(a < b) & (vi)vf_set1(1.0f));
}

SIMD vf where(vf condition, vf a, vf b)
{
    const vi chosen = (vi)(condition != vf_zero());
    return (vf)((chosen & (vi)a) | (~chosen & (vi)b));
}

/* Vector j of an operand; `left` elements lie in the last block, of which vector j may have none. */
SIMD int64_t width(int64_t left, int j)
{
    const int64_t n = left - j * VL;
    return n < 0 ? 0 : n < VL ? n : VL;
}

SIMD vf load(const float *p, int j, bool whole, int64_t left)
{
    return whole ? vf_load(p + j * VL) : vf_load_n(p + j * VL, width(left, j));
}

#define EACH(result)                                                                               \
    do {                                                                                           \
        _Pragma("GCC unroll 8") for (int j = 0; j < VECTORS; j++) x[j] = (result);                 \
    } while (0);                                                                                   \
    break
#define U load(s->u + i, j, whole, left)
#define V load(s->v + i, j, whole, left)

/* All steps over elements i..i+VECTORS*VL, or the `left` that there are. */
SIMD void run_block(const Step *s, const Step *end, int64_t i, bool whole, int64_t left)
{
    vf x[VECTORS];
#pragma GCC unroll 8
    for (int j = 0; j < VECTORS; j++) x[j] = vf_zero();
    for (; s < end; s++)
        switch (s->code) {
        case STEP_LOAD:
            EACH(U);
        case STEP_STORE:
#pragma GCC unroll 8
            for (int j = 0; j < VECTORS; j++)
                if (whole)
                    vf_store(s->u + i + j * VL, x[j]);
                else
                    vf_store_n(s->u + i + j * VL, x[j], width(left, j));
            break;
        case STEP_ADD:
            EACH(x[j] + U);
        case STEP_SUB:
            EACH(x[j] - U);
        case STEP_SUB_FROM:
            EACH(U - x[j]);
        case STEP_MUL:
            EACH(x[j] * U);
        case STEP_SQUARE:
            EACH(x[j] * x[j]);
        case STEP_FMA:
            EACH(vf_fma(x[j], U, V));
        case STEP_FMA_ADD:
            EACH(vf_fma(U, V, x[j]));
        case STEP_AFFINE:
            EACH(vf_fma(vf_set1(s->p), x[j], vf_set1(s->q)));
        case STEP_RELU:
            EACH(vf_relu(x[j]));
        case STEP_LESS:
            EACH(less(x[j], U));
        case STEP_LESS_THAN:
            EACH(less(U, x[j]));
        case STEP_WHERE:
            EACH(where(x[j], U, V));
        case STEP_WHERE_THEN:
            EACH(where(U, x[j], V));
        case STEP_WHERE_ELSE:
            EACH(where(U, V, x[j]));
        }
}

void K(map_chain_run)(const MapChains *c, int from, int to, float *const reg[], int64_t n)
{
    enum { BLOCK = VECTORS * VL };
    Step step[MAP_MAX_STEPS];
    for (int k = from; k < to; k++) {
        const MapStep *s = &c->step[k];
        step[k] = (Step){(MapStepCode)s->code, s->p, s->q, reg[s->u], reg[s->v]};
    }
    int64_t i = 0;
    for (; i + BLOCK <= n; i += BLOCK) run_block(step + from, step + to, i, true, BLOCK);
    if (i < n) run_block(step + from, step + to, i, false, n - i);
}
