/* claim_test -- one comparison of a claim: true on the means or not, and what the spread over the
 * seeds says.
 *
 * The comparison is turned so that it claims d > 0 (or d >= 0), d a function of the cells' means.
 * Where d is linear, d = sum_k weight[k] mean[k] + constant, it is tested by Student's t: on its
 * value seed by seed when all cells have the same seeds, else by Welch's approximation. */
#include "table/claim_expr.h"

#include "base/text.h"
#include "table/stats.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { FEW = 6 /* below, a bootstrap says that it is of few */ };

typedef struct Comparison {
    const Scope *scope;
    const Expr *left, *right;
    double sign; /* d = sign (left - right) */
    const Cell *cell[STAT_SAMPLES_MAX];
    double weight[STAT_SAMPLES_MAX], constant; /* of d, where it is linear */
    int n;
    const Cell *absent; /* a cell without runs */
    int absent_row, absent_column;
    const TableMetric *metric;
} Comparison;

/* -- The cells of a comparison */

static bool is_call(const Expr *e, FunctionId id)
{
    return e->kind == EXPR_CALL && e->function->id == id;
}

static bool add_cell(Comparison *c, Expr *e, Error *err)
{
    const Scope *s = c->scope;
    int row = e->row < 0 ? s->row : e->row, column = e->column < 0 ? s->column : e->column;
    const Cell *cell = table_cell(s->table, row, column);
    for (e->slot = 0; e->slot < c->n; e->slot++)
        if (c->cell[e->slot] == cell) return true;
    if (c->n == STAT_SAMPLES_MAX)
        return claim_fail(yaml_get(s->claim->where, "test"), e->at, e->width, err,
                          "more than %d cells in one comparison", STAT_SAMPLES_MAX);
    if (cell->n == 0 && !c->absent) {
        c->absent = cell;
        c->absent_row = row;
        c->absent_column = column;
    }
    if (c->n == 0) c->metric = s->table->columns[column].metric;
    c->cell[c->n++] = cell;
    return true;
}

/* paper(CELL) becomes a number. */
static bool paper_value(const Comparison *c, Expr *e, Error *err)
{
    const Scope *s = c->scope;
    const Expr *of = e->arg[0];
    int row = of->row < 0 ? s->row : of->row, column = of->column < 0 ? s->column : of->column;
    const Cell *cell = table_cell(s->table, row, column);
    e->number = cell->paper;
    return cell->has_paper ||
           claim_fail(yaml_get(s->claim->where, "test"), e->at, e->width, err,
                      "the paper has no value of %s, %s", table_row_text(s->table, row, s->arena),
                      s->table->columns[column].value);
}

static bool find_cells(Comparison *c, Expr *e, Error *err)
{
    if (claim_is_cell(e)) return add_cell(c, e, err);
    if (is_call(e, CALL_PAPER)) return paper_value(c, e, err);
    for (int i = 0; i < e->n; i++) TRY(find_cells(c, e->arg[i], err));
    return true;
}

/* -- Values */

static double value_of(const Expr *e, const double means[]);

static double value_of_call(const Expr *e, const double means[])
{
    if (e->function->id == CALL_PAPER) return e->number;
    double first = value_of(e->arg[0], means), value = first;
    for (int i = 1; i < e->n; i++) {
        double next = value_of(e->arg[i], means);
        if (e->function->id == CALL_MIN)
            value = next < value ? next : value;
        else if (e->function->id == CALL_MAX)
            value = next > value ? next : value;
        else if (e->function->id == CALL_RATIO)
            value = first / next;
        else
            value += next;
    }
    if (e->function->id == CALL_ABS) return fabs(value);
    return e->function->id == CALL_MEAN ? value / e->n : value;
}

static double value_of(const Expr *e, const double means[])
{
    if (claim_is_cell(e)) return means[e->slot];
    switch (e->kind) {
    case EXPR_NEGATE:
        return -value_of(e->arg[0], means);
    case EXPR_ADD:
        return value_of(e->arg[0], means) + value_of(e->arg[1], means);
    case EXPR_SUBTRACT:
        return value_of(e->arg[0], means) - value_of(e->arg[1], means);
    case EXPR_MULTIPLY:
        return value_of(e->arg[0], means) * value_of(e->arg[1], means);
    case EXPR_DIVIDE:
        return value_of(e->arg[0], means) / value_of(e->arg[1], means);
    case EXPR_CALL:
        return value_of_call(e, means);
    default:
        return e->number;
    }
}

/* Of an expression without cells. */
static double constant_of(const Expr *e)
{
    static const double no_means[STAT_SAMPLES_MAX];
    return value_of(e, no_means);
}

static bool has_cells(const Expr *e)
{
    bool any = claim_is_cell(e);
    for (int i = 0; i < e->n && !any && !is_call(e, CALL_PAPER); i++) any = has_cells(e->arg[i]);
    return any;
}

/* Adds times * e to the linear form; false where e is not linear in the cells. */
static bool add_linear(Comparison *c, const Expr *e, double times)
{
    if (claim_is_cell(e)) {
        c->weight[e->slot] += times;
        return true;
    }
    if (!has_cells(e)) {
        c->constant += times * constant_of(e);
        return true;
    }
    switch (e->kind) {
    case EXPR_NEGATE:
        return add_linear(c, e->arg[0], -times);
    case EXPR_ADD:
        return add_linear(c, e->arg[0], times) && add_linear(c, e->arg[1], times);
    case EXPR_SUBTRACT:
        return add_linear(c, e->arg[0], times) && add_linear(c, e->arg[1], -times);
    case EXPR_MULTIPLY: {
        int number = has_cells(e->arg[0]) ? 1 : 0;
        return !has_cells(e->arg[number]) &&
               add_linear(c, e->arg[1 - number], times * constant_of(e->arg[number]));
    }
    case EXPR_DIVIDE:
        return !has_cells(e->arg[1]) && add_linear(c, e->arg[0], times / constant_of(e->arg[1]));
    default:
        break;
    }
    if (!is_call(e, CALL_MEAN)) return false;
    for (int i = 0; i < e->n; i++)
        if (!add_linear(c, e->arg[i], times / e->n)) return false;
    return true;
}

static double difference(void *inside, const double means[])
{
    const Comparison *c = inside;
    return c->sign * (value_of(c->left, means) - value_of(c->right, means));
}

/* -- Seeds */

/* Where cell `b` has the i-th seed of `a`, or -1. */
static int partner(const Cell *a, int i, const Cell *b)
{
    if (i < b->n && strcmp(a->over[i], b->over[i]) == 0) return i;
    for (int j = 0; j < b->n; j++)
        if (strcmp(a->over[i], b->over[j]) == 0) return j;
    return -1;
}

static bool share_seeds(const Comparison *c)
{
    for (int k = 1; k < c->n; k++) {
        if (c->cell[k]->n != c->cell[0]->n) return false;
        for (int i = 0; i < c->cell[0]->n; i++)
            if (partner(c->cell[0], i, c->cell[k]) < 0) return false;
    }
    return true;
}

static int fewest(const Comparison *c)
{
    int n = c->cell[0]->n;
    for (int k = 1; k < c->n; k++)
        if (c->cell[k]->n < n) n = c->cell[k]->n;
    return n;
}

/* "5 paired seeds", "5 seeds", "5 and 4 seeds". */
static const char *seeds_text(const Comparison *c, bool paired)
{
    const TableSpec *spec = c->scope->table->spec;
    const char *noun = spec->n_over == 1 && strstr(spec->over[0], "seed") ? "seeds" : "runs";
    Arena *a = c->scope->arena;
    if (paired) return arena_printf(a, c->n > 1 ? "%d paired %s" : "%d %s", c->cell[0]->n, noun);
    char *text = arena_printf(a, "%d", c->cell[0]->n);
    for (int k = 1; k < c->n; k++)
        text = arena_printf(a, k + 1 < c->n ? "%s, %d" : "%s and %d", text, c->cell[k]->n);
    return arena_printf(a, "%s %s", text, noun);
}

/* What a reader wants to see: the side that the runs decide, or the difference of both. */
static double shown_value(const Comparison *c, const double means[])
{
    double left = value_of(c->left, means), right = value_of(c->right, means);
    return !has_cells(c->right) ? left : !has_cells(c->left) ? right : left - right;
}

/* -- Tests */

/* d seed by seed, as cell 0 orders them. */
static TTest paired_test(const Comparison *c)
{
    int n = c->cell[0]->n;
    double *d = arena_new_array(c->scope->arena, double, n);
    for (int i = 0; i < n; i++) {
        d[i] = c->constant;
        for (int k = 0; k < c->n; k++)
            d[i] += c->weight[k] * c->cell[k]->values[partner(c->cell[0], i, c->cell[k])];
    }
    return stat_t_test(d, n);
}

static TTest welch_test(const Comparison *c, double *std)
{
    Summary at[STAT_SAMPLES_MAX];
    double variance = 0;
    for (int k = 0; k < c->n; k++) {
        at[k] = (Summary){c->cell[k]->n, c->cell[k]->mean, c->cell[k]->std};
        variance += c->weight[k] * c->weight[k] * at[k].std * at[k].std;
    }
    *std = sqrt(variance);
    return stat_welch(c->weight, at, c->n, c->constant);
}

static void test_linear(const Comparison *c, double shown, Outcome *out)
{
    Arena *a = c->scope->arena;
    bool paired = share_seeds(c);
    char value[64], spread[64];
    double std;
    TTest t = paired ? paired_test(c) : welch_test(c, &std);
    if (paired) std = t.std_error * sqrt(c->cell[0]->n);
    out->by = !paired ? "Welch's t" : c->n > 1 ? "paired t" : "Student's t";
    /* an equality of means without any spread is as sure as can be */
    out->p = t.std_error > 0 ? t.p : out->truth == TRUTH_YES ? 0 : 1;
    table_number(value, c->metric, shown);
    table_number(spread, c->metric, std);
    if (out->truth == TRUTH_NO)
        out->evidence = arena_printf(a, "%s ± %s", value, spread);
    else
        out->evidence = arena_printf(a, "%s%s", paired ? "" : "Welch's t, ", seeds_text(c, paired));
}

static double shown_of(void *inside, const double means[])
{
    return shown_value(inside, means);
}

static void test_bootstrap(Comparison *c, double shown, Outcome *out)
{
    Arena *a = c->scope->arena;
    bool paired = share_seeds(c);
    Sample samples[STAT_SAMPLES_MAX];
    for (int k = 0; k < c->n; k++) {
        double *x = arena_new_array(a, double, c->cell[k]->n);
        for (int i = 0; i < c->cell[k]->n; i++) /* in the order of cell 0 when paired */
            x[i] = c->cell[k]->values[paired ? partner(c->cell[0], i, c->cell[k]) : i];
        samples[k] = (Sample){x, c->cell[k]->n};
    }
    Bootstrap claimed = stat_bootstrap(samples, c->n, paired, difference, c, a);
    Bootstrap interval = stat_bootstrap(samples, c->n, paired, shown_of, c, a);
    out->by = "bootstrap";
    out->p = claimed.p;
    const char *few = fewest(c) < FEW ? ", few" : "";
    const char *what = arena_printf(a, "95 %% %.4g to %.4g by bootstrap, %s%s", interval.low,
                                    interval.high, seeds_text(c, paired), few);
    out->evidence = out->truth == TRUTH_NO ? arena_printf(a, "%.4g, %s", shown, what) : what;
}

/* == and !=: an equality cannot be shown by a test, only seen where nothing varies. */
static void test_equality(const Comparison *c, Compare op, double shown, Outcome *out)
{
    Arena *a = c->scope->arena;
    bool varies = false;
    for (int k = 0; k < c->n; k++) varies |= c->cell[k]->std > 0;
    if (!varies) out->p = 0;
    char value[64];
    table_number(value, c->metric, shown);
    if (op == EQUAL && out->truth == TRUTH_YES)
        out->evidence = varies ? "equal means" : "the same every time";
    else
        out->evidence = arena_printf(a, "%s, not tested", value);
}

/* -- */

/* What rounding leaves of a difference that is 0. */
static double snap(double difference, double left, double right)
{
    return fabs(difference) <= 1e-12 * fmax(fabs(left), fabs(right)) ? 0 : difference;
}

static bool is_true(Compare op, double d)
{
    switch (op) {
    case LESS:
    case GREATER:
        return d > 0;
    case LESS_EQUAL:
    case GREATER_EQUAL:
        return d >= 0;
    case EQUAL:
        return d == 0;
    default:
        return d != 0 && !isnan(d);
    }
}

static void decide(Comparison *c, Compare op, Outcome *out)
{
    double means[STAT_SAMPLES_MAX];
    Arena *a = c->scope->arena;
    for (int k = 0; k < c->n; k++) means[k] = c->cell[k]->mean;
    double left = value_of(c->left, means), right = value_of(c->right, means);
    double shown = shown_value(c, means);
    out->truth = is_true(op, snap(c->sign * (left - right), left, right)) ? TRUTH_YES : TRUTH_NO;
    out->evidence = "";
    if (c->n == 0) {
        out->p = 0;
        return;
    }
    if (fewest(c) == 1) {
        char value[64];
        table_number(value, c->metric, shown);
        out->evidence = arena_printf(a, out->truth == TRUTH_NO ? "%s, n = 1" : "n = 1", value);
    } else if (op == EQUAL || op == NOT_EQUAL) {
        test_equality(c, op, shown, out);
    } else if (add_linear(c, c->left, c->sign) && add_linear(c, c->right, -c->sign)) {
        test_linear(c, shown, out);
    } else {
        test_bootstrap(c, shown, out);
    }
}

bool claim_compare(const Scope *s, Compare op, Expr *left, Expr *right, Outcome *out, Error *err)
{
    Comparison *c = arena_alloc(s->arena, sizeof *c);
    *c = (Comparison){.scope = s, .left = left, .right = right};
    c->sign = op == LESS || op == LESS_EQUAL ? -1 : 1;
    *out = (Outcome){.p = (double)NAN, .by = "", .where = "", .row = s->row, .column = s->column};
    TRY(find_cells(c, left, err) && find_cells(c, right, err));
    if (c->absent) {
        out->truth = TRUTH_UNKNOWN;
        out->evidence = arena_printf(s->arena, "%s at %s, %s",
                                     c->absent->n_runs > 0 ? "no runs" : "the sweep has no runs",
                                     table_row_text(s->table, c->absent_row, s->arena),
                                     s->table->columns[c->absent_column].label);
    } else {
        decide(c, op, out);
    }
    return true;
}
