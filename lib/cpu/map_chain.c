/* map_chain -- see map_chain.h.
 *
 * A pass over a tile is bound by its stores: one vector in two to four cycles on Zen 4, whatever
 * the instruction. So instructions that follow each other and are cheap are run together, VECTORS
 * vectors at a time: a value that only the next instruction reads never leaves the registers, and
 * neither does one that is only summed down its columns, where their number is a power of two. Each
 * step is the expression of map.def in vectors, hence the same bits (tests/unit/map.c compares). */
#include "cpu/map_chain.h"

#include "cpu/map_program.h"

#include "cpu/simd.h"

enum { VECTORS = 8, BLOCK = VECTORS * VL };

typedef int32_t vi __attribute__((vector_size(VL * sizeof(float))));

/* -- Preparation */

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

/* Whether anything but operand `taken` of instruction `next` and the chains' sums reads reg. */
static bool is_read_elsewhere(const MapProgram *p, const MapChains *c, int reg, int next, int taken)
{
    for (int o = 0; o < p->n_outputs; o++)
        if (p->outputs[o].reg == reg && !c->summed[o]) return true;
    for (int i = reg - p->n_inputs + 1; i < p->n_instr; i++) {
        const uint8_t source[3] = {p->instr[i].a, p->instr[i].b, p->instr[i].c};
        for (int k = 0; k < 3 && k < arity(p->instr[i].op); k++)
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
    if (i > begin && is_read_elsewhere(p, c, value, i, taken))
        c->step[n++] = (MapStep){.code = STEP_STORE, .u = (uint8_t)value};
    if (taken < 0) {
        c->step[n++] = (MapStep){.code = STEP_LOAD, .u = in->a};
        (void)step_of(in, in->a, &s);
    }
    c->step[n++] = s;
    for (int o = 0; o < p->n_outputs; o++)
        if (c->ring > 0 && p->outputs[o].kind == MAP_SUM && p->outputs[o].reg == value + 1) {
            const MapStepCode code = 2 * c->ring == BLOCK ? STEP_SUM_FOLDED : STEP_SUM;
            c->step[n++] = (MapStep){.code = (uint8_t)code, .u = (uint8_t)o};
            c->summed[o] = true;
        }
    return n;
}

bool K(map_chain_repeats)(int64_t row)
{
    return BLOCK % row == 0;
}

void K(map_chains)(const MapProgram *p, int shortest, MapChains *c)
{
    const int64_t ring = 4 * p->inner;
    int n = 0;
    c->ring = (ring & (ring - 1)) == 0 && 2 * ring >= BLOCK && ring <= MAP_TILE ? ring : 0;
    for (int o = 0; o < p->n_outputs; o++) c->summed[o] = false;
    for (int i = 0; i < p->n_instr;) {
        int end = i;
        while (end < p->n_instr && is_chainable(&p->instr[end])) end++;
        c->first[i] = (uint8_t)n;
        c->length[i] = (uint8_t)(end - i >= shortest ? end - i : 0);
        if (c->length[i] == 0) {
            i++;
            continue;
        }
        for (int k = i; k < end; k++) n = append_steps(p, c, n, i, k);
        const int last = p->n_inputs + end - 1;
        if (is_read_elsewhere(p, c, last, -1, -1))
            c->step[n++] = (MapStep){.code = STEP_STORE, .u = (uint8_t)last};
        i = end;
        c->first[i] = (uint8_t)n;
    }
}

/* -- Running */

typedef struct Step {
    MapStepCode code;
    float p, q;
    float *u, *v;
    int64_t mask_u, mask_v; /* of the place in the tile: all ones, or 0 for what stands still */
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

/* Vector j of an operand; `left` elements lie in the last block, of which vector j may have none.
 */
SIMD int64_t width(int64_t left, int64_t j)
{
    const int64_t n = left - j * VL;
    return n < 0 ? 0 : n < VL ? n : VL;
}

SIMD vf load(const float *p, int64_t j, bool whole, int64_t left)
{
    return whole ? vf_load(p + j * VL) : vf_load_n(p + j * VL, width(left, j));
}

#define EACH(result)                                                                               \
    do {                                                                                           \
        _Pragma("GCC unroll 8") for (int64_t j = 0; j < VECTORS; j++) x[j] = (result);             \
    } while (0);                                                                                   \
    break
#define U load(s->u + (i & s->mask_u), j, whole, left)
#define V load(s->v + (i & s->mask_v), j, whole, left)

/* x onto a ring; one of half a block takes vectors j and j + VECTORS / 2 at the same place. */
SIMD void add_to_ring(const Step *s, const vf x[VECTORS], int64_t i, bool folded, int64_t left)
{
    float *ring = s->u + (i & s->mask_u);
#pragma GCC unroll 8
    for (int64_t j = 0; j < VECTORS; j++) {
        if (folded && j >= VECTORS / 2) continue;
        if (j * VL >= left) continue;
        vf sum = vf_load(ring + j * VL) + x[j];
        if (folded && (j + VECTORS / 2) * VL < left) sum += x[(j + VECTORS / 2) % VECTORS];
        vf_store(ring + j * VL, sum);
    }
}

/* The rings of two sums. */
typedef struct Held {
    vf sum[2][VECTORS];
} Held;

/* All steps over elements i..i+VECTORS*VL, or the `left` that there are. */
SIMD void run_block(const Step *s, const Step *end, int64_t i, bool whole, int64_t left, Held *held)
{
    vf x[VECTORS];
#pragma GCC unroll 8
    for (int64_t j = 0; j < VECTORS; j++) x[j] = vf_zero();
    for (; s < end; s++) switch (s->code) {
        case STEP_LOAD:
            EACH(U);
        case STEP_STORE:
#pragma GCC unroll 8
            for (int64_t j = 0; j < VECTORS; j++)
                if (whole)
                    vf_store(s->u + i + j * VL, x[j]);
                else
                    vf_store_n(s->u + i + j * VL, x[j], width(left, j));
            break;
        case STEP_STREAM:
#pragma GCC unroll 8
            for (int64_t j = 0; j < VECTORS; j++)
                if (whole)
                    vf_stream(s->u + i + j * VL, x[j]);
                else
                    vf_store_n(s->u + i + j * VL, x[j], width(left, j));
            break;
        case STEP_SUM:
            add_to_ring(s, x, i, false, left);
            break;
        case STEP_SUM_FOLDED:
            add_to_ring(s, x, i, true, left);
            break;
        case STEP_HOLD_0:
#pragma GCC unroll 8
            for (int j = 0; j < VECTORS; j++) held->sum[0][j] += x[j];
            break;
        case STEP_HOLD_1:
#pragma GCC unroll 8
            for (int j = 0; j < VECTORS; j++) held->sum[1][j] += x[j];
            break;
        case STEP_HOLD_0_FOLDED:
#pragma GCC unroll 8
            for (int j = 0; j < VECTORS; j++) held->sum[0][j % (VECTORS / 2)] += x[j];
            break;
        case STEP_HOLD_1_FOLDED:
#pragma GCC unroll 8
            for (int j = 0; j < VECTORS; j++) held->sum[1][j % (VECTORS / 2)] += x[j];
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
        default:
            __builtin_unreachable(); /* spares a comparison a step */
        }
}

/* Constant indices throughout, or the arrays would not live in registers. */
SIMD void hold(vf sum[VECTORS], const float *ring, bool folded)
{
#pragma GCC unroll 8
    for (int64_t j = 0; j < VECTORS; j++)
        sum[j] = folded && j >= VECTORS / 2 ? vf_zero() : vf_load(ring + j * VL);
}

SIMD void let_go(const vf sum[VECTORS], float *ring, bool folded)
{
#pragma GCC unroll 8
    for (int64_t j = 0; j < VECTORS; j++)
        if (!folded || j < VECTORS / 2) vf_store(ring + j * VL, sum[j]);
}

/* Whole blocks of n elements with one or two sums held in registers; the ring is a block, or half
 * of one. (Longer rings strip by strip gained nothing in cache and lost half from memory.) */
SIMD void run_held(const Step *step, const Step *end, float *const ring[2], int64_t n, bool folded)
{
    Held held = {0};
    hold(held.sum[0], ring[0], folded);
    hold(held.sum[1], ring[1], folded);
    for (int64_t i = 0; i + BLOCK <= n; i += BLOCK) run_block(step, end, i, true, BLOCK, &held);
    let_go(held.sum[1], ring[1], folded);
    let_go(held.sum[0], ring[0], folded);
}

/* The same steps with the sums as held ones. */
static void run_sums(const Step *step, const Step *end, bool folded, int64_t n)
{
    float *ring[2] = {step->u, step->u};
    int n_sums = 0;
    Step held[MAP_MAX_STEPS];
    const int n_steps = (int)(end - step);
    for (int k = 0; k < n_steps; k++) {
        held[k] = step[k];
        if (step[k].code != STEP_SUM && step[k].code != STEP_SUM_FOLDED) continue;
        const bool second = n_sums++ > 0;
        ring[second] = step[k].u;
        held[k].code = folded ? (second ? STEP_HOLD_1_FOLDED : STEP_HOLD_0_FOLDED)
                              : (second ? STEP_HOLD_1 : STEP_HOLD_0);
    }
    if (n_sums == 1) ring[1] = ring[0]; /* let go first, so that the one sum is what stays */
    if (folded)
        run_held(held, held + n_steps, ring, n, true);
    else
        run_held(held, held + n_steps, ring, n, false);
}

void K(map_chain_run)(const MapChains *c, int from, int to, const MapPlaces *at, int64_t n)
{
    Step step[MAP_MAX_STEPS];
    int n_sums = 0;
    for (int k = from; k < to; k++) {
        const MapStep *s = &c->step[k];
        const bool sum = s->code == STEP_SUM || s->code == STEP_SUM_FOLDED;
        n_sums += sum;
        const bool stream = s->code == STEP_STORE && at->streamed[s->u];
        step[k] = (Step){
            .code = stream ? STEP_STREAM : (MapStepCode)s->code,
            .p = s->p,
            .q = s->q,
            .u = sum ? at->ring[s->u] : at->reg[s->u],
            .v = at->reg[s->v],
            .mask_u = sum               ? c->ring - 1
                      : at->still[s->u] ? 0
                                        : -1,
            .mask_v = at->still[s->v] ? 0 : -1,
        };
    }
    int64_t i = 0;
    if (n_sums > 0 && n_sums <= 2 && c->ring <= BLOCK && n >= 2 * BLOCK) {
        run_sums(step + from, step + to, c->ring < BLOCK, n);
        i = n / BLOCK * BLOCK;
    }
    for (; i + BLOCK <= n; i += BLOCK) run_block(step + from, step + to, i, true, BLOCK, NULL);
    if (i < n) run_block(step + from, step + to, i, false, n - i, NULL);
}
