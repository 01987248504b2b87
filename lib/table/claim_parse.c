/* claim_parse -- the text of a claim's test into a tree, by recursive descent.
 *
 *   or:     and {"or" and}            compare: sum [op sum {op sum}], op: < <= > >= == !=
 *   and:    not {"and" not}           sum:     term {("+" | "-") term}
 *   not:    ["not"] compare           term:    unary {("*" | "/") unary}
 *   unary:  ["-"] primary             primary: number, "text", name, name(or, ...), (or)
 *
 * Types are checked as the tree is built, so that a mistake has the place of its operand. Depth and
 * number of nodes are bounded: any text may stand in a file. */
#include "table/claim_expr.h"

#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

// clang-format off
static const Function functions[] = {
    {"row",      CALL_ROW,      1, TABLE_ROW_KEYS,     TYPE_NUMBER, TYPE_VALUE,  NULL, "row(VALUE)"},
    {"column",   CALL_COLUMN,   1, 1,                  TYPE_NUMBER, TYPE_VALUE,  NULL, "column(VALUE)"},
    {"cell",     CALL_CELL,     2, TABLE_ROW_KEYS + 1, TYPE_NUMBER, TYPE_VALUE,  NULL, "cell(ROW, COLUMN)"},
    {"paper",    CALL_PAPER,    1, 1,                  TYPE_NUMBER, TYPE_NUMBER, NULL, "paper(CELL)"},
    {"ratio",    CALL_RATIO,    2, 2,                  TYPE_NUMBER, TYPE_NUMBER, NULL, "ratio(a, b)"},
    {"abs",      CALL_ABS,      1, 1,                  TYPE_NUMBER, TYPE_NUMBER, NULL, "abs(a)"},
    {"min",      CALL_MIN,      1, CLAIM_ARGS,         TYPE_NUMBER, TYPE_NUMBER, NULL, "min(a, ...)"},
    {"max",      CALL_MAX,      1, CLAIM_ARGS,         TYPE_NUMBER, TYPE_NUMBER, NULL, "max(a, ...)"},
    {"mean",     CALL_MEAN,     1, CLAIM_ARGS,         TYPE_NUMBER, TYPE_NUMBER, NULL, "mean(a, ...)"},
    {"monotone", CALL_MONOTONE, 1, 1,                  TYPE_TRUTH,  TYPE_WORD,   "increasing|decreasing", "monotone(increasing|decreasing)"},
    {"best",     CALL_BEST,     1, 1,                  TYPE_VALUE,  TYPE_WORD,   "row|column", "best(row) == VALUE"},
};
// clang-format on
enum { N_FUNCTIONS = sizeof functions / sizeof functions[0] };

/* -- Places */

#undef claim_fail

/* Where the scalar's text begins in its line, or NULL when it does not stand there as it is: a
 * block, a text with escapes, a word of the command line. */
static const char *text_in_line(const Yaml *y)
{
    if (!y->at.line_text || y->at.column < 1) return NULL;
    const char *at = y->at.line_text;
    for (int column = 1; column < y->at.column; column++) { /* characters, not bytes */
        if (!*at || *at == '\n') return NULL;
        at++;
        while ((*at & 0xc0) == 0x80) at++;
    }
    if (*at == '"' || *at == '\'') at++;
    return strncmp(at, y->text, strlen(y->text)) == 0 ? at : NULL;
}

static int characters(const char *from, const char *to)
{
    int n = 0;
    for (; from < to; from++) n += (*from & 0xc0) != 0x80;
    return n;
}

bool claim_fail(const Yaml *y, int at, int width, Error *err, const char *format, ...)
{
    char text[ERROR_TEXT];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    Yaml exact = *y;
    const char *begin = text_in_line(y);
    if (!begin)
        return yaml_fail(y, err, "at character %d of the test: %s",
                         characters(y->text, y->text + at) + 1, text);
    exact.at.column = characters(y->at.line_text, begin + at) + 1;
    exact.at.width = characters(begin + at, begin + at + width);
    return yaml_fail(&exact, err, "%s", text);
}
#ifdef __clang_analyzer__
#define claim_fail(...) ((void)(claim_fail)(__VA_ARGS__), false)
#endif

/* -- Words */

typedef enum TokenKind { TOKEN_END, TOKEN_NUMBER, TOKEN_TEXT, TOKEN_NAME, TOKEN_SIGN } TokenKind;

typedef struct Parser {
    const Yaml *y;
    const char *text;
    Arena *arena;
    Error *err;
    TokenKind kind; /* of the word that stands next */
    int at, width;
    int depth, n_nodes;
} Parser;

static bool is_name_start(char c)
{
    return isalpha((unsigned char)c) || c == '_';
}

static int name_length(const char *s)
{
    int n = 0;
    while (is_name_start(s[n]) || isdigit((unsigned char)s[n]) || s[n] == '.') n++;
    return n;
}

/* Digits, a point, an exponent: no sign. */
static int number_length(const char *s)
{
    int n = (int)strspn(s, "0123456789");
    if (s[n] == '.') n += 1 + (int)strspn(s + n + 1, "0123456789");
    if (n > 0 && (s[n] == 'e' || s[n] == 'E')) {
        int sign = s[n + 1] == '+' || s[n + 1] == '-';
        int digits = (int)strspn(s + n + 1 + sign, "0123456789");
        if (digits > 0) n += 1 + sign + digits;
    }
    return n;
}

/* Moves on to the next word. */
static bool advance(Parser *p)
{
    p->at += p->width;
    p->at += (int)strspn(p->text + p->at, " \t\n");
    const char *s = p->text + p->at;
    p->kind = TOKEN_SIGN;
    p->width = 1;
    if (!*s) {
        p->kind = TOKEN_END;
        p->width = 0;
    } else if (isdigit((unsigned char)*s) || (*s == '.' && isdigit((unsigned char)s[1]))) {
        p->kind = TOKEN_NUMBER;
        p->width = number_length(s);
    } else if (is_name_start(*s)) {
        p->kind = TOKEN_NAME;
        p->width = name_length(s);
    } else if (*s == '"' || *s == '\'') {
        const char *end = strchr(s + 1, *s);
        if (!end) return claim_fail(p->y, p->at, 1, p->err, "this quote is not closed");
        p->kind = TOKEN_TEXT;
        p->width = (int)(end - s) + 1;
    } else if (strchr("<>=!", *s) && s[1] == '=') {
        p->width = 2;
    } else if (!strchr("<>+-*/(),", *s)) {
        while ((s[p->width] & 0xc0) == 0x80) p->width++;
        const char *hint = *s == '=' ? "; equal is '=='" : "";
        return claim_fail(p->y, p->at, p->width, p->err, "'%.*s' is no part of a test%s", p->width,
                          s, hint);
    }
    return true;
}

static bool is_next(const Parser *p, const char *word)
{
    return (p->kind == TOKEN_SIGN || p->kind == TOKEN_NAME) && (int)strlen(word) == p->width &&
           strncmp(p->text + p->at, word, (size_t)p->width) == 0;
}

static bool unexpected(const Parser *p, const char *expected)
{
    if (p->kind == TOKEN_END)
        return claim_fail(p->y, p->at, 1, p->err, "expected %s, found the end", expected);
    return claim_fail(p->y, p->at, p->width, p->err, "expected %s, found '%.*s'", expected,
                      p->width < 60 ? p->width : 60, p->text + p->at);
}

/* -- Nodes */

static Expr *node(Parser *p, ExprKind kind, ExprType type, int at)
{
    if (++p->n_nodes > CLAIM_NODES) {
        (void)claim_fail(p->y, at, 1, p->err, "this test is too long");
        return NULL;
    }
    Expr *e = arena_alloc(p->arena, sizeof *e);
    *e = (Expr){.kind = kind, .type = type, .at = at, .row = -1, .column = -1};
    return e;
}

static bool has_type(const Parser *p, const Expr *e, ExprType type)
{
    static const char *const name[] = {"a number", "a comparison", "a value", "a word"};
    ExprType is = e->kind == EXPR_NAME ? TYPE_NUMBER : e->type; /* a bare word is a column */
    if (is == type) return true;
    return claim_fail(p->y, e->at, e->width, p->err, "expected %s, found %s", name[type], name[is]);
}

/* `left` OP `right`, both of type `want`. */
static Expr *pair(Parser *p, ExprKind kind, ExprType want, Expr *left, Expr *right)
{
    if (!has_type(p, left, want) || !has_type(p, right, want)) return NULL;
    Expr *e = node(p, kind, want, left->at);
    if (!e) return NULL;
    e->arg[0] = left;
    e->arg[1] = right;
    e->n = 2;
    e->width = right->at + right->width - left->at;
    return e;
}

static Expr *parse_or(Parser *p);
static Expr *parse_unary(Parser *p);

/* -- Calls */

static const Function *find_function(const char *name, int n)
{
    for (int i = 0; i < N_FUNCTIONS; i++)
        if ((int)strlen(functions[i].name) == n && strncmp(functions[i].name, name, (size_t)n) == 0)
            return &functions[i];
    return NULL;
}

static void unknown_function(const Parser *p, const Expr *name)
{
    const char *names[N_FUNCTIONS];
    for (int i = 0; i < N_FUNCTIONS; i++) names[i] = functions[i].name;
    const char *near = text_nearest(name->text, names, N_FUNCTIONS);
    (void)claim_fail(p->y, name->at, name->width, p->err, "unknown function '%.60s'%s%s%s",
                     name->text, near ? "; did you mean '" : "", near ? near : "",
                     near ? "'?" : "");
}

static bool is_literal(const Expr *e)
{
    return e->kind == EXPR_NUMBER || e->kind == EXPR_TEXT || e->kind == EXPR_NAME;
}

static bool listed(const char *choices, const char *word)
{
    const size_t n = strlen(word);
    const char *at = choices;
    while (strncmp(at, word, n) != 0 || (at[n] != '|' && at[n])) {
        at = strchr(at, '|');
        if (!at) return false;
        at++;
    }
    return true;
}

bool claim_is_cell(const Expr *e)
{
    if (e->kind == EXPR_NAME) return true;
    return e->kind == EXPR_CALL && (e->function->id == CALL_ROW || e->function->id == CALL_COLUMN ||
                                    e->function->id == CALL_CELL);
}

static bool check_argument(const Parser *p, const Function *f, const Expr *arg)
{
    switch (f->arg) {
    case TYPE_VALUE:
        return is_literal(arg) || claim_fail(p->y, arg->at, arg->width, p->err,
                                             "expected a value of the table, as in %s", f->usage);
    case TYPE_WORD:
        return (arg->kind == EXPR_NAME && listed(f->words, arg->text)) ||
               claim_fail(p->y, arg->at, arg->width, p->err, "expected %s, as in %s", f->words,
                          f->usage);
    default:
        if (f->id == CALL_PAPER && !claim_is_cell(arg))
            return claim_fail(p->y, arg->at, arg->width, p->err,
                              "expected a cell, as in paper(row(0.9))");
        return has_type(p, arg, TYPE_NUMBER);
    }
}

/* The name has been read, the parenthesis stands next. */
static Expr *parse_call(Parser *p, Expr *e)
{
    const Function *f = find_function(e->text, e->width);
    if (!f) {
        unknown_function(p, e);
        return NULL;
    }
    e->kind = EXPR_CALL;
    e->type = f->type;
    e->function = f;
    if (!advance(p)) return NULL;
    for (bool more = !is_next(p, ")"); more;) {
        Expr *arg = e->n < f->most ? parse_or(p) : NULL;
        if (!arg) {
            if (e->n == f->most) (void)unexpected(p, "')'");
            return NULL;
        }
        if (!check_argument(p, f, arg)) return NULL;
        e->arg[e->n++] = arg;
        more = is_next(p, ",");
        if (more && !advance(p)) return NULL;
    }
    if (!is_next(p, ")")) {
        (void)unexpected(p, e->n < f->most ? "',' or ')'" : "')'");
        return NULL;
    }
    e->width = p->at + 1 - e->at;
    if (e->n < f->least) {
        (void)claim_fail(p->y, e->at, e->width, p->err, "expected %s", f->usage);
        return NULL;
    }
    return advance(p) ? e : NULL;
}

static Expr *parse_literal(Parser *p)
{
    static const ExprKind kinds[] = {EXPR_NUMBER, EXPR_NUMBER, EXPR_TEXT, EXPR_NAME};
    static const ExprType types[] = {TYPE_NUMBER, TYPE_NUMBER, TYPE_VALUE, TYPE_NUMBER};
    TokenKind kind = p->kind;
    Expr *e = node(p, kinds[kind], types[kind], p->at);
    if (!e) return NULL;
    int quote = kind == TOKEN_TEXT;
    e->text = arena_string_n(p->arena, p->text + p->at + quote, (size_t)(p->width - 2 * quote));
    e->width = p->width;
    if (kind == TOKEN_NUMBER) {
        e->number = strtod(e->text, NULL);
        if (!isfinite(e->number)) {
            (void)claim_fail(p->y, e->at, e->width, p->err, "this number is too large");
            return NULL;
        }
    }
    return advance(p) ? e : NULL;
}

static Expr *parse_primary(Parser *p)
{
    bool word = is_next(p, "and") || is_next(p, "or") || is_next(p, "not");
    if (is_next(p, "(")) {
        int at = p->at;
        if (!advance(p)) return NULL;
        Expr *e = parse_or(p);
        if (!e) return NULL;
        if (!is_next(p, ")")) {
            (void)unexpected(p, "')'");
            return NULL;
        }
        e->width = p->at + 1 - at;
        e->at = at;
        return advance(p) ? e : NULL;
    }
    if (p->kind == TOKEN_END || p->kind == TOKEN_SIGN || word) {
        (void)unexpected(p, "a number, a column, a function or '('");
        return NULL;
    }
    Expr *e = parse_literal(p);
    return e && e->kind == EXPR_NAME && is_next(p, "(") ? parse_call(p, e) : e;
}

/* -- Operators */

static Expr *parse_unary(Parser *p)
{
    if (!is_next(p, "-")) return parse_primary(p);
    int at = p->at;
    if (p->depth >= CLAIM_DEPTH) {
        (void)claim_fail(p->y, at, 1, p->err, "this test is nested too deeply");
        return NULL;
    }
    if (!advance(p)) return NULL;
    p->depth++;
    Expr *inner = parse_unary(p);
    p->depth--;
    if (!inner || !has_type(p, inner, TYPE_NUMBER)) return NULL;
    if (inner->kind == EXPR_NUMBER) { /* a negative number is a value too: row(-1) */
        inner->number = -inner->number;
        inner->text = arena_printf(p->arena, "-%s", inner->text);
        inner->width += inner->at - at;
        inner->at = at;
        return inner;
    }
    Expr *e = node(p, EXPR_NEGATE, TYPE_NUMBER, at);
    if (!e) return NULL;
    e->arg[e->n++] = inner;
    e->width = inner->at + inner->width - at;
    return e;
}

static Expr *parse_term(Parser *p)
{
    Expr *e = parse_unary(p);
    while (e && (is_next(p, "*") || is_next(p, "/"))) {
        ExprKind kind = is_next(p, "*") ? EXPR_MULTIPLY : EXPR_DIVIDE;
        Expr *right = advance(p) ? parse_unary(p) : NULL;
        e = right ? pair(p, kind, TYPE_NUMBER, e, right) : NULL;
    }
    return e;
}

static Expr *parse_sum(Parser *p)
{
    Expr *e = parse_term(p);
    while (e && (is_next(p, "+") || is_next(p, "-"))) {
        ExprKind kind = is_next(p, "+") ? EXPR_ADD : EXPR_SUBTRACT;
        Expr *right = advance(p) ? parse_term(p) : NULL;
        e = right ? pair(p, kind, TYPE_NUMBER, e, right) : NULL;
    }
    return e;
}

static bool next_compare(const Parser *p, Compare *out)
{
    static const char *const signs[] = {"<", "<=", ">", ">=", "==", "!="};
    for (int i = 0; i <= NOT_EQUAL; i++)
        if (is_next(p, signs[i])) {
            *out = (Compare)i;
            return true;
        }
    return false;
}

static bool is_best(const Expr *e)
{
    return e->kind == EXPR_CALL && e->function->id == CALL_BEST;
}

/* Two numbers; or best(...) and a value, in this order in the tree. */
static Expr *compare(Parser *p, Compare op, Expr *left, Expr *right)
{
    Expr *e = node(p, EXPR_COMPARE, TYPE_TRUTH, left->at);
    if (!e) return NULL;
    e->compare = op;
    e->width = right->at + right->width - left->at;
    e->n = 2;
    e->arg[0] = is_best(right) ? right : left;
    e->arg[1] = is_best(right) ? left : right;
    if (!is_best(e->arg[0]))
        return has_type(p, left, TYPE_NUMBER) && has_type(p, right, TYPE_NUMBER) ? e : NULL;
    if (op != EQUAL && op != NOT_EQUAL) {
        (void)claim_fail(p->y, e->at, e->width, p->err, "best is compared by == or !=");
        return NULL;
    }
    if (is_literal(e->arg[1])) return e;
    (void)claim_fail(p->y, e->arg[1]->at, e->arg[1]->width, p->err,
                     "expected a value of the table, as in best(row) == \"squash\"");
    return NULL;
}

/* a < b <= c is a < b and b <= c. */
static Expr *parse_compare(Parser *p)
{
    Expr *left = parse_sum(p), *all = NULL;
    Compare op;
    if (!left || !next_compare(p, &op)) return left;
    while (left && next_compare(p, &op)) {
        Expr *right = advance(p) ? parse_sum(p) : NULL;
        Expr *one = right ? compare(p, op, left, right) : NULL;
        if (!one) return NULL;
        all = all ? pair(p, EXPR_AND, TYPE_TRUTH, all, one) : one;
        if (!all) return NULL;
        left = right;
    }
    return all;
}

static Expr *parse_not(Parser *p)
{
    if (!is_next(p, "not")) return parse_compare(p);
    int at = p->at;
    if (p->depth >= CLAIM_DEPTH) {
        (void)claim_fail(p->y, at, 3, p->err, "this test is nested too deeply");
        return NULL;
    }
    p->depth++;
    Expr *inner = advance(p) ? parse_not(p) : NULL;
    p->depth--;
    if (!inner || !has_type(p, inner, TYPE_TRUTH)) return NULL;
    Expr *e = node(p, EXPR_NOT, TYPE_TRUTH, at);
    if (!e) return NULL;
    e->arg[e->n++] = inner;
    e->width = inner->at + inner->width - at;
    return e;
}

static Expr *parse_and(Parser *p)
{
    Expr *e = parse_not(p);
    while (e && is_next(p, "and")) {
        Expr *right = advance(p) ? parse_not(p) : NULL;
        e = right ? pair(p, EXPR_AND, TYPE_TRUTH, e, right) : NULL;
    }
    return e;
}

static Expr *parse_or(Parser *p)
{
    if (p->depth >= CLAIM_DEPTH) {
        (void)claim_fail(p->y, p->at, 1, p->err, "this test is nested too deeply");
        return NULL;
    }
    p->depth++;
    Expr *e = parse_and(p);
    while (e && is_next(p, "or")) {
        Expr *right = advance(p) ? parse_and(p) : NULL;
        e = right ? pair(p, EXPR_OR, TYPE_TRUTH, e, right) : NULL;
    }
    p->depth--;
    return e;
}

bool claim_parse(Expr **out, Arena *a, const Yaml *y, Error *err)
{
    Parser p = {.y = y, .text = y->text, .arena = a, .err = err};
    TRY(advance(&p));
    Expr *e = parse_or(&p);
    if (!e) return false;
    if (p.kind != TOKEN_END) return unexpected(&p, "an operator");
    if (e->type != TYPE_TRUTH)
        return claim_fail(y, e->at, e->width, err,
                          "expected a comparison such as row(0.9) > row(0.5)");
    *out = e;
    return true;
}
