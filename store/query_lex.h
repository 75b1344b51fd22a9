/* query_lex.h - the text of a query as tokens, and errors that point into it.
 *
 * The lexer knows no keyword: a word is a word, and the parser says what it means. It notes whether
 * it has looked at the end of the text (hit_end). That is what tells unfinished from wrong: a
 * parser that fails before the lexer has seen the end would fail on every longer text as well.
 *
 * Ownership: tokens point into the text. Threads: a struct lexer belongs to one thread.
 */
#ifndef REMFS_QUERY_LEX_H
#define REMFS_QUERY_LEX_H

#include "store/base/buf.h"

#include <stdbool.h>

enum token_type {
    TOKEN_END,
    TOKEN_WORD,   /* a bare name or a keyword */
    TOKEN_NAME,   /* "odd key", with the quotes */
    TOKEN_STRING, /* 'text', with the quotes */
    TOKEN_NUMBER,
    TOKEN_COMPARE, /* = != <> < <= > >= */
    TOKEN_PUNCT,   /* ( ) [ ] , . ; * */
    TOKEN_BAD      /* why says what is the matter */
};

enum query_cmp { CMP_EQ, CMP_NE, CMP_LT, CMP_LE, CMP_GT, CMP_GE };

struct token {
    enum token_type type;
    enum query_cmp cmp; /* TOKEN_COMPARE */
    struct slice src;   /* as written; empty at the end */
    const char *why;    /* TOKEN_BAD: a constant string */
};

struct lexer {
    struct slice text;
    size_t at;
    bool hit_end;
};

void lexer_init(struct lexer *lex, struct slice text);
void lexer_next(struct lexer *lex, struct token *out);
/* As lexer_next(), where a type's name is expected: [A-Za-z0-9_.-]+ is one TOKEN_WORD. */
void lexer_next_type(struct lexer *lex, struct token *out);

bool token_is_word(const struct token *t, const char *word); /* case does not matter (ASCII) */
static inline bool token_is_punct(const struct token *t, char c)
{
    return t->type == TOKEN_PUNCT && t->src.p[0] == c;
}

/* Sets the message "line L, column C: <text>", the offending line and a caret under the token.
 * Columns count characters. 1 when the lexer has seen the end (more text could mend it), else
 * -ERR_INVAL. */
int lexer_fail(const struct lexer *lex, const struct token *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4), cold));

/* The token as an error names it ("AND", "the end", a long one cut short), into out. */
#define TOKEN_SHOW_MAX 64
const char *token_show(const struct token *t, char out[TOKEN_SHOW_MAX]);

/* Where UTF-8 goes wrong: 0 valid; 1 the last character is cut off by the end of the text;
 * -ERR_INVAL. */
int lexer_check_utf8(struct slice text);

#endif
