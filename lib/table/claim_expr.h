/* claim_expr -- the tree of a claim's test: between claim_parse.c and claim.c. */
#ifndef SEQLAB_TABLE_CLAIM_EXPR_H
#define SEQLAB_TABLE_CLAIM_EXPR_H

#include "table/claim.h"

/* What an expression is, and what an argument may be. */
typedef enum ExprType {
    TYPE_NUMBER,
    TYPE_TRUTH,
    TYPE_VALUE, /* of a row or column: a number, a quoted text or a bare word */
    TYPE_WORD,  /* one of a few fixed words */
} ExprType;

typedef enum ExprKind {
    EXPR_NUMBER,
    EXPR_TEXT,
    EXPR_NAME, /* a bare word: a column, or the word of a TYPE_VALUE or TYPE_WORD argument */
    EXPR_CALL,
    EXPR_NEGATE,
    EXPR_ADD,
    EXPR_SUBTRACT,
    EXPR_MULTIPLY,
    EXPR_DIVIDE,
    EXPR_COMPARE, /* of a chain of n comparisons one is made, or an EXPR_AND of them */
    EXPR_AND,
    EXPR_OR,
    EXPR_NOT,
} ExprKind;

typedef enum Compare { LESS, LESS_EQUAL, GREATER, GREATER_EQUAL, EQUAL, NOT_EQUAL } Compare;

typedef enum FunctionId {
    CALL_ROW,
    CALL_COLUMN,
    CALL_CELL,
    CALL_PAPER,
    CALL_RATIO,
    CALL_ABS,
    CALL_MIN,
    CALL_MAX,
    CALL_MEAN,
    CALL_MONOTONE,
    CALL_BEST,
} FunctionId;

enum { CLAIM_ARGS = 16, CLAIM_DEPTH = 50, CLAIM_NODES = 2000 };

typedef struct Function {
    const char *name;
    FunctionId id;
    int least, most; /* arguments */
    ExprType type, arg;
    const char *words; /* of TYPE_WORD arguments: "row|column" */
    const char *usage;
} Function;

typedef struct Expr Expr;
struct Expr {
    ExprKind kind;
    ExprType type;
    Compare compare;
    const Function *function;
    double number;
    const char *text; /* of a number, text or name, as written, unquoted */
    Expr *arg[CLAIM_ARGS];
    int n;
    int at, width; /* in the test, in bytes */
    /* of an expression that is a cell, once the table is known; -1: that of the scope */
    int row, column;
    int slot; /* which of a comparison's cells it is */
};

/* A bare column, row(...), column(...) or cell(...). */
bool claim_is_cell(const Expr *e);

/* -- What claim.c and claim_test.c share */

/* Where a test is evaluated. */
typedef struct Scope {
    const Table *table;
    const Claim *claim;
    Arena *arena;
    Error *err;
    const int *rows; /* that the claim is about */
    int n_rows;
    int row, column; /* of this evaluation; -1: the test names its own */
} Scope;

typedef enum Truth { TRUTH_NO, TRUTH_UNKNOWN, TRUTH_YES } Truth;

/* One comparison's outcome, or that of the comparison which decides several. */
typedef struct Outcome {
    Truth truth;          /* on the means; unknown: a cell has no runs */
    double p;             /* of a truth: one-sided; NaN: not tested */
    const char *by;       /* which test; "" */
    const char *evidence; /* without p, which may still change */
    int row, column;      /* of the scope */
    const char *where;    /* which of the comparisons that a function stands for, or "" */
} Outcome;

/* left OP right at the scope. Fails where the paper has no value that is asked for. */
bool claim_compare(const Scope *s, Compare op, Expr *left, Expr *right, Outcome *out,
                   Error *err) MUST_CHECK;

/* The test of a claim, whose text is the scalar `y`. */
bool claim_parse(Expr **out, Arena *a, const Yaml *y, Error *err) MUST_CHECK;
/* A failure at `width` bytes from byte `at` of the scalar's text. Returns false. */
bool claim_fail(const Yaml *y, int at, int width, Error *err, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
#ifdef __clang_analyzer__ /* see base/error.h */
#define claim_fail(...) ((void)(claim_fail)(__VA_ARGS__), false)
#endif

#endif
