/* claim -- reads a claim, finds what its test names in the table, and gives the verdict. The
 * grammar is in claim_parse.c, a comparison's statistics in claim_test.c. */
#include "table/claim_expr.h"

#include "base/text.h"
#include "io/option.h"

#include <math.h>
#include <string.h>

const char *const verdict_name[N_VERDICTS] = {"holds", "holds weakly", "fails", "not run"};

typedef struct ClaimOptions {
    const char *say, *test;
} ClaimOptions;

// clang-format off
static const Option claim_rows[] = {
    OPT_STRING(ClaimOptions, say, "", "the claim in words; required"),
    OPT_STRING(ClaimOptions, test, "", "the claim as a comparison of cells, such as row(0.9) > row(0) + 2; required"),
    OPT_TREE(rows,    "row, list of rows or all",       "all", "in which rows it must hold"),
    OPT_TREE(column,  "column, list of columns or all", "all", "in which columns it must hold"),
    OPT_TREE(columns, "column, list of columns or all", "all", "as column"),
    OPT_TREE(table,   "number or title of a table",     "",    "which table it is about, from 1; required when there are several"),
};
const OptionTable claim_options = OPTION_TABLE(ClaimOptions, claim_rows);
// clang-format on

bool claim_read(Claim *c, Arena *a, const Yaml *y, Error *err)
{
    ClaimOptions o;
    *c = (Claim){.where = y, .p = (double)NAN, .by = "", .evidence = ""};
    if (y->kind != YAML_MAP) return yaml_fail(y, err, "expected a claim: {say: ..., test: ...}");
    TRY(option_read(&claim_options, y, NULL, "in claim", &o, err));
    const Yaml *column = yaml_get(y, "column");
    c->say = o.say;
    c->test = o.test;
    c->rows = yaml_get(y, "rows");
    c->columns = column ? column : yaml_get(y, "columns");
    c->table = yaml_get(y, "table");
    if (column && yaml_get(y, "columns"))
        return yaml_fail_key(yaml_get(y, "columns"), err, "columns: there is a column already");
    if (!c->say) return yaml_fail(y, err, "this claim says nothing: 'say' is missing");
    if (!c->test) return yaml_fail(y, err, "this claim has no test: 'test' is missing");
    return claim_parse(&c->expr, a, yaml_get(y, "test"), err);
}

/* -- Rows and columns by name */

typedef struct Uses {
    bool row, column; /* of the scope */
    bool rows;        /* the list of rows, by monotone or best(row) */
} Uses;

static bool fail_name(const Scope *s, const Expr *e, bool row, int key)
{
    enum { NAMES = 256 };
    const char *names[NAMES];
    const Table *t = s->table;
    int n = 0;
    for (int i = 0; i < (row ? t->n_rows : t->n_columns) && n + 1 < NAMES; i++) {
        names[n++] = row ? t->rows[i].value[key] : t->columns[i].value;
        names[n++] = row ? t->rows[i].label[key] : t->columns[i].label;
    }
    const char *near = text_nearest(e->text, names, n);
    return claim_fail(yaml_get(s->claim->where, "test"), e->at, e->width, s->err,
                      "no %s of the table is '%.60s'%s%s%s", row ? "row" : "column", e->text,
                      near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static bool find_column(const Scope *s, const Expr *name, int *out)
{
    *out = table_find_column(s->table, name->text);
    return *out >= 0 || fail_name(s, name, false, 0);
}

/* n arguments of a call, from the first: a row's values. */
static bool find_row(const Scope *s, const Expr *call, int n, int *out)
{
    const char *value[TABLE_ROW_KEYS];
    int n_keys = s->table->spec->n_row_keys;
    if (n != n_keys)
        return claim_fail(yaml_get(s->claim->where, "test"), call->at, call->width, s->err,
                          "a row of this table has %d value%s", n_keys, n_keys > 1 ? "s" : "");
    for (int k = 0; k < n; k++) value[k] = call->arg[k]->text;
    *out = table_find_row(s->table, value, n);
    return *out >= 0 || fail_name(s, call->arg[n - 1], true, n - 1);
}

static bool find_names(const Scope *s, Expr *e, Uses *uses)
{
    if (e->kind == EXPR_NAME) {
        uses->row = true;
        return find_column(s, e, &e->column);
    }
    if (e->kind == EXPR_CALL) switch (e->function->id) {
        case CALL_ROW:
            uses->column = true;
            return find_row(s, e, e->n, &e->row);
        case CALL_COLUMN:
            uses->row = true;
            return find_column(s, e->arg[0], &e->column);
        case CALL_CELL:
            return find_row(s, e, e->n - 1, &e->row) &&
                   find_column(s, e->arg[e->n - 1], &e->column);
        case CALL_MONOTONE:
            uses->column = uses->rows = true;
            return true;
        default:
            break;
        }
    if (e->kind == EXPR_COMPARE && e->arg[0]->kind == EXPR_CALL &&
        e->arg[0]->function->id == CALL_BEST) {
        Expr *value = e->arg[1];
        bool row = strcmp(e->arg[0]->arg[0]->text, "row") == 0;
        if (!row) {
            uses->row = true;
            return find_column(s, value, &value->column);
        }
        uses->column = uses->rows = true;
        const char *text = value->text;
        value->row = table_find_row(s->table, &text, 1);
        return value->row >= 0 || fail_name(s, value, true, 0);
    }
    for (int i = 0; i < e->n; i++) TRY(find_names(s, e->arg[i], uses));
    return true;
}

/* `rows:` or `columns:` of the claim: all, a value, or a list of values; a row of a grouped table
 * is a list of two. */
static int find_item(const Table *t, const Yaml *y, bool rows)
{
    const char *value[TABLE_ROW_KEYS] = {y->text};
    int n = 1;
    if (rows && y->kind == YAML_LIST && y->n == TABLE_ROW_KEYS)
        for (n = 0; n < TABLE_ROW_KEYS; n++) value[n] = yaml_item(y, n)->text;
    for (int k = 0; k < n; k++)
        if (!value[k]) return -1;
    return rows ? table_find_row(t, value, n) : table_find_column(t, value[0]);
}

static bool read_list(const Scope *s, const Yaml *y, bool rows, int **out, int *n)
{
    const Table *t = s->table;
    int n_all = rows ? t->n_rows : t->n_columns;
    bool grouped = rows && t->spec->n_row_keys > 1;
    bool all = !y || (y->kind == YAML_SCALAR && strcmp(y->text, "all") == 0);
    bool many =
        y && y->kind == YAML_LIST && !(grouped && y->first && y->first->kind == YAML_SCALAR);
    *n = all ? n_all : many ? y->n : 1;
    *out = arena_new_array(s->arena, int, *n);
    for (int i = 0; i < *n; i++) {
        const Yaml *item = many ? yaml_item(y, i) : y;
        (*out)[i] = all ? i : find_item(t, item, rows);
        if ((*out)[i] < 0)
            return yaml_fail(item, s->err, "no %s of the table is this one%s",
                             rows ? "row" : "column",
                             grouped ? "; a row has two values: [a, b]" : "");
    }
    return *n > 0 || yaml_fail(y ? y : s->claim->where, s->err, "expected all, or a list of %s",
                               rows ? "rows" : "columns");
}

/* -- Truth */

static double doubt(const Outcome *x)
{
    return isnan(x->p) ? 1 : x->p;
}

/* The outcome that decides: of `and` the worst, of `or` the best. A truth of which either side is
 * enough had two chances, so its p counts twice (Bonferroni). */
static Outcome combine(const Outcome *x, const Outcome *y, bool both)
{
    bool y_is_worse = y->truth != x->truth ? y->truth < x->truth : doubt(y) > doubt(x);
    if (x->truth == TRUTH_NO && y->truth == TRUTH_NO) y_is_worse = !both; /* the first that fails */
    Outcome out = y_is_worse == both ? *y : *x;
    if (!both && out.truth == TRUTH_YES) out.p = fmin(1, 2 * out.p);
    return out;
}

static bool evaluate(const Scope *s, Expr *e, bool negate, Outcome *out);

static Expr cell_of(int row, int column)
{
    static const Function cell = {.name = "cell", .id = CALL_CELL, .type = TYPE_NUMBER};
    return (Expr){.kind = EXPR_CALL, .function = &cell, .row = row, .column = column};
}

static Compare opposite(Compare op)
{
    static const Compare other[] = {GREATER_EQUAL, GREATER, LESS_EQUAL, LESS, NOT_EQUAL, EQUAL};
    return other[op];
}

/* Each row beside the one before it; a claim about a single row says nothing. */
static bool evaluate_monotone(const Scope *s, const Expr *e, bool negate, Outcome *out)
{
    Compare op = strcmp(e->arg[0]->text, "increasing") == 0 ? GREATER : LESS;
    if (s->n_rows < 2)
        return claim_fail(yaml_get(s->claim->where, "test"), e->at, e->width, s->err,
                          "monotone needs two rows or more");
    for (int i = 1; i < s->n_rows; i++) {
        Expr here = cell_of(s->rows[i], s->column), before = cell_of(s->rows[i - 1], s->column);
        Outcome one;
        TRY(claim_compare(s, negate ? opposite(op) : op, &here, &before, &one, s->err));
        one.where =
            arena_printf(s->arena, "%s to %s", table_row_text(s->table, s->rows[i - 1], s->arena),
                         table_row_text(s->table, s->rows[i], s->arena));
        *out = i == 1 ? one : combine(out, &one, !negate);
    }
    return true;
}

/* best(row) == x: x is better than every other row; so each is compared with it. */
static bool evaluate_best(const Scope *s, const Expr *e, bool negate, Outcome *out)
{
    bool rows = strcmp(e->arg[0]->arg[0]->text, "row") == 0;
    bool is_best = (e->compare == EQUAL) != negate;
    int n = rows ? s->n_rows : s->table->n_columns, n_done = 0;
    int chosen = rows ? e->arg[1]->row : e->arg[1]->column;
    for (int i = 0; i < n; i++) {
        int other = rows ? s->rows[i] : i, column = rows ? s->column : chosen;
        Compare op = s->table->columns[column].metric->better == BETTER_LOWER ? LESS : GREATER;
        Expr x = rows ? cell_of(chosen, s->column) : cell_of(s->row, chosen);
        Expr y = rows ? cell_of(other, s->column) : cell_of(s->row, other);
        Outcome one;
        if (other == chosen) continue;
        TRY(claim_compare(s, is_best ? op : opposite(op), &x, &y, &one, s->err));
        one.where = arena_printf(s->arena, "beside %s",
                                 rows ? table_row_text(s->table, other, s->arena)
                                      : s->table->columns[other].label);
        *out = n_done++ == 0 ? one : combine(out, &one, is_best);
    }
    return n_done > 0 || claim_fail(yaml_get(s->claim->where, "test"), e->at, e->width, s->err,
                                    "there is nothing to compare it with");
}

/* `negate` stands for a `not` above, by De Morgan's rules. */
static bool evaluate(const Scope *s, Expr *e, bool negate, Outcome *out)
{
    Outcome left, right;
    switch (e->kind) {
    case EXPR_NOT:
        return evaluate(s, e->arg[0], !negate, out);
    case EXPR_AND:
    case EXPR_OR:
        TRY(evaluate(s, e->arg[0], negate, &left) && evaluate(s, e->arg[1], negate, &right));
        *out = combine(&left, &right, (e->kind == EXPR_AND) != negate);
        return true;
    case EXPR_COMPARE:
        if (e->arg[0]->kind == EXPR_CALL && e->arg[0]->function->id == CALL_BEST)
            return evaluate_best(s, e, negate, out);
        return claim_compare(s, negate ? opposite(e->compare) : e->compare, e->arg[0], e->arg[1],
                             out, s->err);
    default:
        return evaluate_monotone(s, e, negate, out);
    }
}

/* -- The verdict */

/* "0.9, cosine: " where a claim is about several of them. */
static const char *place_text(const Scope *s, const Outcome *o, int n_columns)
{
    const char *part[3] = {"", "", o->where}, *text = "";
    if (o->row >= 0 && s->n_rows > 1) part[0] = table_row_text(s->table, o->row, s->arena);
    if (o->column >= 0 && n_columns > 1) part[1] = s->table->columns[o->column].label;
    for (int i = 0; i < 3; i++)
        if (*part[i]) text = arena_printf(s->arena, "%s%s%s", text, *text ? ", " : "", part[i]);
    return *text ? arena_printf(s->arena, "%s: ", text) : "";
}

static const char *p_text(const Outcome *o, Arena *a)
{
    if (o->truth != TRUTH_YES || !*o->by) return "";
    return o->p < 0.001 ? "p < 0.001, " : arena_printf(a, "p = %.3f, ", o->p);
}

static void conclude(const Scope *s, Claim *c, const Outcome *o, int n_columns)
{
    c->by = o->by;
    c->p = o->truth == TRUTH_YES ? o->p : (double)NAN;
    if (o->truth == TRUTH_YES)
        c->verdict = o->p < 0.05 ? CLAIM_HOLDS : CLAIM_HOLDS_WEAKLY;
    else
        c->verdict = o->truth == TRUTH_NO ? CLAIM_FAILS : CLAIM_NOT_RUN;
    bool here = (c->verdict == CLAIM_FAILS || c->verdict == CLAIM_HOLDS_WEAKLY) && *o->evidence;
    c->evidence = arena_printf(s->arena, "%s%s%s", here ? place_text(s, o, n_columns) : "",
                               p_text(o, s->arena), o->evidence);
}

bool claim_evaluate(Claim *c, const Table *t, Arena *a, Error *err)
{
    Scope s = {.table = t, .claim = c, .arena = a, .err = err};
    Uses uses = {0};
    int *rows, *columns, n_columns;
    TRY(find_names(&s, c->expr, &uses));
    if (c->rows && !uses.row && !uses.rows)
        return yaml_fail(c->rows, err, "rows: this test names its rows itself");
    if (c->columns && !uses.column)
        return yaml_fail(c->columns, err, "column: this test names its columns itself");
    TRY(read_list(&s, c->rows, true, &rows, &s.n_rows));
    TRY(read_list(&s, c->columns, false, &columns, &n_columns));
    s.rows = rows;
    Outcome all = {
        .p = (double)NAN, .by = "", .evidence = "", .where = "", .row = -1, .column = -1};
    for (int i = 0; i < (uses.row ? s.n_rows : 1); i++)
        for (int j = 0; j < (uses.column ? n_columns : 1); j++) {
            Outcome one;
            s.row = uses.row ? rows[i] : -1;
            s.column = uses.column ? columns[j] : -1;
            TRY(evaluate(&s, c->expr, false, &one));
            all = i + j == 0 ? one : combine(&all, &one, true);
        }
    conclude(&s, c, &all, n_columns);
    return true;
}
