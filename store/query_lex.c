/* query_lex.c - the text of a query as tokens, and errors that point into it; see query_lex.h.
 *
 * It may not know the grammar: which token is allowed where is query_parse.c's.
 */
#include "store/query_lex.h"
#include "store/base/err.h"
#include "store/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#define SHOWN_BEFORE                                                                               \
    60                 /* characters of the offending line that are shown left of the caret ...    \
                        */
#define SHOWN_AFTER 40 /* ... and from the caret on */

void lexer_init(struct lexer *lex, struct slice text)
{
    *lex = (struct lexer){.text = text};
}

static bool is_space(unsigned char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

/* Bytes of characters beyond ASCII are parts of words: names in any script need no quotes. */
static bool is_word_start(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
}

static bool is_word(unsigned char c)
{
    return is_word_start(c) || is_digit(c);
}

static bool is_type_char(unsigned char c)
{
    return c < 0x80 && (is_word(c) || c == '.' || c == '-');
}

static unsigned char byte_at(const struct lexer *lex, size_t i)
{
    return i < lex->text.n ? (unsigned char)lex->text.p[i] : '\0';
}

/* Closes the token that started at lex->at; more says that further bytes could have been its. */
static void take(struct lexer *lex, struct token *t, enum token_type type, size_t end, bool more)
{
    t->type = type;
    t->src = slice_of(lex->text.p + lex->at, end - lex->at);
    if (more && end == lex->text.n)
        lex->hit_end = true;
    lex->at = end;
}

static void take_bad(struct lexer *lex, struct token *t, size_t end, const char *why)
{
    take(lex, t, TOKEN_BAD, end, true);
    t->why = why;
}

/* 'text' or "name": a doubled quote stands for one. */
static void lex_quoted(struct lexer *lex, struct token *t, char quote)
{
    size_t i = lex->at + 1, n = lex->text.n;
    for (; i < n; i++) {
        if (lex->text.p[i] != quote)
            continue;
        if (byte_at(lex, i + 1) != (unsigned char)quote) {
            take(lex, t, quote == '\'' ? TOKEN_STRING : TOKEN_NAME, i + 1, true);
            return;
        }
        i++;
    }
    take_bad(lex, t, n,
             quote == '\'' ? "the string that starts here has no closing '"
                           : "the name that starts here has no closing \"");
}

static size_t skip_digits(const struct lexer *lex, size_t i)
{
    while (i < lex->text.n && is_digit((unsigned char)lex->text.p[i]))
        i++;
    return i;
}

static void lex_number(struct lexer *lex, struct token *t)
{
    size_t i = lex->at + (lex->text.p[lex->at] == '-'), digits = i;
    bool ok = (i = skip_digits(lex, i)) > digits;
    if (ok && byte_at(lex, i) == '.') {
        digits = ++i;
        ok = (i = skip_digits(lex, i)) > digits;
    }
    if (ok && (byte_at(lex, i) | 0x20) == 'e') {
        i++;
        if (byte_at(lex, i) == '+' || byte_at(lex, i) == '-')
            i++;
        digits = i;
        ok = (i = skip_digits(lex, i)) > digits;
    }
    if (ok && !is_word(byte_at(lex, i))) {
        take(lex, t, TOKEN_NUMBER, i, true);
        return;
    }
    while (i < lex->text.n && is_word((unsigned char)lex->text.p[i]))
        i++;
    take_bad(lex, t, i, "not a number");
}

static void take_compare(struct lexer *lex, struct token *t, enum query_cmp cmp, size_t n,
                         bool more)
{
    t->cmp = cmp;
    take(lex, t, TOKEN_COMPARE, lex->at + n, more);
}

static void lex_compare(struct lexer *lex, struct token *t, char c)
{
    char next = (char)byte_at(lex, lex->at + 1);
    if (c == '=')
        take_compare(lex, t, CMP_EQ, 1, false);
    else if (c == '!' && next == '=')
        take_compare(lex, t, CMP_NE, 2, false);
    else if (c == '!')
        take_bad(lex, t, lex->at + 1, "'!' is only part of '!='");
    else if (next == '=')
        take_compare(lex, t, c == '<' ? CMP_LE : CMP_GE, 2, false);
    else if (c == '<' && next == '>')
        take_compare(lex, t, CMP_NE, 2, false);
    else
        take_compare(lex, t, c == '<' ? CMP_LT : CMP_GT, 1, true);
}

/* False at the end of the text, which is then the token. */
static bool skip_space(struct lexer *lex, struct token *t)
{
    *t = (struct token){.type = TOKEN_END};
    while (lex->at < lex->text.n && is_space((unsigned char)lex->text.p[lex->at]))
        lex->at++;
    if (lex->at < lex->text.n)
        return true;
    take(lex, t, TOKEN_END, lex->at, true);
    return false;
}

void lexer_next(struct lexer *lex, struct token *t)
{
    if (!skip_space(lex, t))
        return;
    char c = lex->text.p[lex->at];
    if (is_word_start((unsigned char)c)) {
        size_t i = lex->at + 1;
        while (i < lex->text.n && is_word((unsigned char)lex->text.p[i]))
            i++;
        take(lex, t, TOKEN_WORD, i, true);
    } else if (c == '\'' || c == '"') {
        lex_quoted(lex, t, c);
    } else if (c == '-' || is_digit((unsigned char)c)) {
        lex_number(lex, t);
    } else if (c && strchr("=!<>", c)) {
        lex_compare(lex, t, c);
    } else if (c && strchr("()[],.;*", c)) {
        take(lex, t, TOKEN_PUNCT, lex->at + 1, false);
    } else {
        take(lex, t, TOKEN_BAD, lex->at + 1, false); /* nothing that follows can mend it */
        t->why = "a character that has no meaning here";
    }
}

void lexer_next_type(struct lexer *lex, struct token *t)
{
    if (!skip_space(lex, t))
        return;
    size_t i = lex->at;
    while (i < lex->text.n && is_type_char((unsigned char)lex->text.p[i]))
        i++;
    if (i > lex->at)
        take(lex, t, TOKEN_WORD, i, true);
    else
        lexer_next(lex, t);
}

bool token_is_word(const struct token *t, const char *word)
{
    return t->type == TOKEN_WORD && t->src.n == strlen(word) &&
           strncasecmp(t->src.p, word, t->src.n) == 0;
}

/* ---- errors ---------------------------------------------------------------------------------- */

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* Copies s without control characters, at most max bytes, cut between characters; the length. */
static size_t copy_shown(char *out, size_t max, struct slice s)
{
    size_t n = s.n;
    if (n > max) {
        n = max;
        while (n > 0 && is_continuation(s.p[n]))
            n--;
    }
    for (size_t i = 0; i < n; i++)
        out[i] = (unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f ? ' ' : s.p[i];
    return n;
}

const char *token_show(const struct token *t, char out[TOKEN_SHOW_MAX])
{
    if (t->type == TOKEN_END) {
        snprintf(out, TOKEN_SHOW_MAX, "the end");
        return out;
    }
    size_t n = copy_shown(out, 40, t->src);
    snprintf(out + n, TOKEN_SHOW_MAX - n, "%s", n < t->src.n ? "..." : "");
    return out;
}

struct place {
    size_t line, column; /* 1-based; the column in characters */
    const char *begin, *at, *end;
};

static void find_place(const struct lexer *lex, const struct token *t, struct place *pl)
{
    const char *text = lex->text.p, *stop = text + lex->text.n;
    *pl = (struct place){.line = 1, .column = 1, .begin = text, .at = t->src.p ? t->src.p : text};
    if (t->type == TOKEN_END) /* right after the last word, not behind a shell's newline */
        while (pl->at > text && is_space((unsigned char)pl->at[-1]))
            pl->at--;
    for (const char *p = text; p < pl->at; p++) {
        if (*p == '\n') {
            pl->line++;
            pl->begin = p + 1;
        }
    }
    for (const char *p = pl->begin; p < pl->at; p++)
        pl->column += !is_continuation(*p);
    pl->end = pl->at;
    while (pl->end < stop && *pl->end != '\n')
        pl->end++;
}

/* The line around the place, and the caret below it. */
static void put_excerpt(const struct place *pl, char *out, size_t size)
{
    const char *from = pl->at, *to = pl->at;
    size_t left = 0, right = 0;
    while (from > pl->begin && left < SHOWN_BEFORE)
        left += !is_continuation(*--from);
    while (to < pl->end && right < SHOWN_AFTER) {
        to++;
        while (to < pl->end && is_continuation(*to))
            to++;
        right++;
    }
    char line[(SHOWN_BEFORE + SHOWN_AFTER) * 4 + 1];
    size_t n = copy_shown(line, sizeof line - 1, slice_of(from, (size_t)(to - from)));
    while (n > 0 && line[n - 1] == ' ')
        n--;
    line[n] = '\0';
    out[0] = '\0';
    if (n == 0)
        return; /* an empty line shows nothing */
    const char *before = from > pl->begin ? "..." : "", *after = to < pl->end ? "..." : "";
    snprintf(out, size, "\n  %s%s%s\n  %*s^", before, line, after, (int)(left + strlen(before)),
             "");
}

int lexer_fail(const struct lexer *lex, const struct token *at, const char *fmt, ...)
{
    struct place pl;
    char what[400], excerpt[600];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    if (lex->text.n == 0)
        excerpt[0] = '\0', pl.line = pl.column = 1;
    else
        find_place(lex, at, &pl), put_excerpt(&pl, excerpt, sizeof excerpt);
    int rc = err_set(ERR_INVAL, "line %zu, column %zu: %s%s", pl.line, pl.column, what, excerpt);
    return lex->hit_end ? 1 : rc;
}

int lexer_check_utf8(struct slice text)
{
    if (utf8_valid(text))
        return 0;
    for (size_t cut = 1; cut <= 3 && cut <= text.n; cut++) {
        unsigned char c = (unsigned char)text.p[text.n - cut];
        if ((c & 0xc0) == 0x80)
            continue;
        size_t need = c >= 0xf0 && c < 0xf5 ? 4 : c >= 0xe0 ? 3 : 2;
        if (c >= 0xc2 && c < 0xf5 && need > cut && utf8_valid(slice_of(text.p, text.n - cut))) {
            err_set(ERR_INVAL, "the last character is cut off");
            return 1;
        }
        break;
    }
    return err_set(ERR_INVAL, "the text is not UTF-8");
}
