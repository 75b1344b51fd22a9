/* query_parse.h - what the two halves of the parser share: query_parse.c (statements) and
 * query_expr.c (fields, values, expressions). Nobody else includes this.
 *
 * Recursive descent, one token at hand. Every parsing function gives 0, or what lexer_fail() gave:
 * 1 when the text is unfinished, -ERR_INVAL when it is wrong, -ERR_NOMEM.
 */
#ifndef REMFS_QUERY_PARSE_H
#define REMFS_QUERY_PARSE_H

#include "store/query_ast.h"

struct parser {
    struct lexer lex;
    struct token tok;  /* at hand */
    struct slice prev; /* the source of the one before */
    struct query_arena *mem;
    struct query_fields *fields; /* where the fields that are met go */
    int depth;
};

#define TRY(call)                                                                                  \
    do {                                                                                           \
        int try_rc_ = (call);                                                                      \
        if (try_rc_ != 0)                                                                          \
            return try_rc_;                                                                        \
    } while (0)

int parser_init(struct parser *p, struct slice text, struct query_arena *mem);
void parser_next(struct parser *p);
struct token parser_peek(struct parser *p);
bool parser_take_word(struct parser *p, const char *word); /* moves on if it is that */
bool parser_take_punct(struct parser *p, char c);

/* "expected <what>, found <token>", with a hint where the token suggests one. */
int parser_expected(struct parser *p, const char *fmt, ...)
    __attribute__((format(printf, 2, 3), cold));
int parser_expect_punct(struct parser *p, char c, const char *what);

/* The token at hand is followed by what follows a field in a filter: it is one, whatever it is
 * called. */
bool parser_operator_follows(struct parser *p);

/* A field, at hand; its slot in p->fields. last: the name that a column of it gets. */
int parser_field(struct parser *p, int *slot, struct slice *last);
int parser_name(struct parser *p, struct slice *out); /* a word or "name", decoded */
int parser_whole_number(struct parser *p, const char *after, uint64_t *out);
int parser_expr(struct parser *p, struct query_node **out);

/* Makes room for one more in an arena array; array is the address of its pointer. */
int parser_grow(struct parser *p, void *array, int n, int *cap, size_t size);
void *parser_copy(struct parser *p, const void *bytes, size_t n);

#endif
