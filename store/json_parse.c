/* json_parse.c - is this JSON? A validator that can stop and go on at any byte; see json.h.
 *
 * It decides and says why not; it allocates nothing, keeps nothing of the text, and knows nothing
 * of what is inside (reading is json_scan.c's).
 *
 * How it works: two kinds of states. Between tokens (ROOT to DONE) a switch says what may come.
 * Inside a token a table says it: step[state][byte] is the next state, 0 a refusal. Runs of plain
 * string bytes never reach the table (bytes_skip_plain). The state is one number, so a text may
 * be cut anywhere; everything a message says comes from the state and the one byte that broke it,
 * so it does not depend on where the cuts were.
 *
 * Why not a library: yajl 2.1.0 (Debian 12) is the one that validates a stream. Measured side by
 * side, one core, gcc -O2: 223-byte entities 0.2 to 0.3 GB/s against 1.2 to 1.9 here, a 3.6 KB
 * array 0.25 to 0.43 against 1.3 to 2.1. Of the 184 n_*.json in fixtures/bad it takes 26:
 * unpaired \u surrogates (12), bytes that are not UTF-8 (11: overlong forms, surrogates, beyond
 * U+10FFFF), form feed and vertical tab as white space, an unfinished string after the value; and
 * 100,000 nested arrays. json-c's tokener, strict and validating, takes 42 of them. Both
 * allocate, and neither's state can be copied.
 */
#include "store/json.h"
#include "store/json_bytes.h"
#include "store/base/err.h"

#include <stdio.h>

enum state {
    ST_BAD, /* only in the table: no such step */
    /* between tokens, white space may come */
    ST_ROOT,
    ST_VALUE,
    ST_ARRAY_FIRST,
    ST_OBJECT_FIRST,
    ST_NAME,
    ST_COLON,
    ST_AFTER,
    ST_DONE,
    /* inside a string */
    ST_STRING,
    ST_ESCAPE,
    ST_HEX1,  /* the first digit after \u */
    ST_HEX2D, /* the second, after a d: what decides about surrogates */
    ST_HEX2,
    ST_HEX3,
    ST_HEX4,
    ST_HIGH3, /* the last digits of the first half of a pair */
    ST_HIGH4,
    ST_PAIR_BACKSLASH, /* the second half must follow */
    ST_PAIR_U,
    ST_PAIR_D,
    ST_PAIR_CF,
    ST_TAIL1, /* one more byte of a UTF-8 character */
    ST_TAIL2,
    ST_TAIL3,
    ST_TAIL_E0, /* a second byte with a smaller range than 80..bf */
    ST_TAIL_ED,
    ST_TAIL_F0,
    ST_TAIL_F4,
    /* inside a number */
    ST_MINUS,
    ST_ZERO,
    ST_INT,
    ST_POINT,
    ST_FRACTION,
    ST_EXP,
    ST_EXP_SIGN,
    ST_EXP_DIGITS,
    /* inside a word */
    ST_T,
    ST_TR,
    ST_TRU,
    ST_F,
    ST_FA,
    ST_FAL,
    ST_FALS,
    ST_N,
    ST_NU,
    ST_NUL,
    ST_WORD_END, /* only in the table: the word is complete */
    ST_COUNT = ST_WORD_END
};

#define HEX_TO(st) ['0' ... '9'] = (st), ['a' ... 'f'] = (st), ['A' ... 'F'] = (st)
#define TAIL_TO(st) [0x80 ... 0xbf] = (st)
#define EXP_TO(st) ['e'] = (st), ['E'] = (st)
#define DIGIT_TO(st) ['0' ... '9'] = (st)

/* clang-format off */
static const uint8_t step[ST_COUNT][256] = {
    [ST_VALUE] = {['-'] = ST_MINUS, ['0'] = ST_ZERO, ['1' ... '9'] = ST_INT,
                  ['t'] = ST_T, ['f'] = ST_F, ['n'] = ST_N},

    [ST_STRING] = {['\\'] = ST_ESCAPE, [0x20 ... 0x21] = ST_STRING, [0x23 ... 0x5b] = ST_STRING,
                   [0x5d ... 0x7f] = ST_STRING, [0xc2 ... 0xdf] = ST_TAIL1, [0xe0] = ST_TAIL_E0,
                   [0xe1 ... 0xec] = ST_TAIL2, [0xed] = ST_TAIL_ED, [0xee ... 0xef] = ST_TAIL2,
                   [0xf0] = ST_TAIL_F0, [0xf1 ... 0xf3] = ST_TAIL3, [0xf4] = ST_TAIL_F4},
    [ST_ESCAPE] = {['"'] = ST_STRING, ['\\'] = ST_STRING, ['/'] = ST_STRING, ['b'] = ST_STRING,
                   ['f'] = ST_STRING, ['n'] = ST_STRING, ['r'] = ST_STRING, ['t'] = ST_STRING,
                   ['u'] = ST_HEX1},
    [ST_HEX1] = {['0' ... '9'] = ST_HEX2, ['a' ... 'c'] = ST_HEX2, ['e' ... 'f'] = ST_HEX2,
                 ['A' ... 'C'] = ST_HEX2, ['E' ... 'F'] = ST_HEX2, ['d'] = ST_HEX2D,
                 ['D'] = ST_HEX2D},
    [ST_HEX2D] = {['0' ... '7'] = ST_HEX3, ['8' ... '9'] = ST_HIGH3, ['a' ... 'b'] = ST_HIGH3,
                  ['A' ... 'B'] = ST_HIGH3},
    [ST_HEX2] = {HEX_TO(ST_HEX3)},
    [ST_HEX3] = {HEX_TO(ST_HEX4)},
    [ST_HEX4] = {HEX_TO(ST_STRING)},
    [ST_HIGH3] = {HEX_TO(ST_HIGH4)},
    [ST_HIGH4] = {HEX_TO(ST_PAIR_BACKSLASH)},
    [ST_PAIR_BACKSLASH] = {['\\'] = ST_PAIR_U},
    [ST_PAIR_U] = {['u'] = ST_PAIR_D},
    [ST_PAIR_D] = {['d'] = ST_PAIR_CF, ['D'] = ST_PAIR_CF},
    [ST_PAIR_CF] = {['c' ... 'f'] = ST_HEX3, ['C' ... 'F'] = ST_HEX3},
    [ST_TAIL1] = {TAIL_TO(ST_STRING)},
    [ST_TAIL2] = {TAIL_TO(ST_TAIL1)},
    [ST_TAIL3] = {TAIL_TO(ST_TAIL2)},
    [ST_TAIL_E0] = {[0xa0 ... 0xbf] = ST_TAIL1},
    [ST_TAIL_ED] = {[0x80 ... 0x9f] = ST_TAIL1},
    [ST_TAIL_F0] = {[0x90 ... 0xbf] = ST_TAIL2},
    [ST_TAIL_F4] = {[0x80 ... 0x8f] = ST_TAIL2},

    [ST_MINUS] = {['0'] = ST_ZERO, ['1' ... '9'] = ST_INT},
    [ST_ZERO] = {['.'] = ST_POINT, EXP_TO(ST_EXP)},
    [ST_INT] = {DIGIT_TO(ST_INT), ['.'] = ST_POINT, EXP_TO(ST_EXP)},
    [ST_POINT] = {DIGIT_TO(ST_FRACTION)},
    [ST_FRACTION] = {DIGIT_TO(ST_FRACTION), EXP_TO(ST_EXP)},
    [ST_EXP] = {DIGIT_TO(ST_EXP_DIGITS), ['+'] = ST_EXP_SIGN, ['-'] = ST_EXP_SIGN},
    [ST_EXP_SIGN] = {DIGIT_TO(ST_EXP_DIGITS)},
    [ST_EXP_DIGITS] = {DIGIT_TO(ST_EXP_DIGITS)},

    [ST_T] = {['r'] = ST_TR}, [ST_TR] = {['u'] = ST_TRU}, [ST_TRU] = {['e'] = ST_WORD_END},
    [ST_F] = {['a'] = ST_FA}, [ST_FA] = {['l'] = ST_FAL}, [ST_FAL] = {['s'] = ST_FALS},
    [ST_FALS] = {['e'] = ST_WORD_END},
    [ST_N] = {['u'] = ST_NU}, [ST_NU] = {['l'] = ST_NUL}, [ST_NUL] = {['l'] = ST_WORD_END},
};
/* clang-format on */

static inline bool number_may_end(enum state st)
{
    return st == ST_ZERO || st == ST_INT || st == ST_FRACTION || st == ST_EXP_DIGITS;
}

static inline bool in_object(const struct json_parser *p)
{
    uint32_t top = p->depth - 1;
    return p->depth && (p->nest[top / 64] >> (top % 64) & 1);
}

/* ---- messages -------------------------------------------------------------------------------- */

static const char *const expected[ST_COUNT] = {
    [ST_ROOT] = "a value",
    [ST_VALUE] = "a value",
    [ST_ARRAY_FIRST] = "a value or ']'",
    [ST_OBJECT_FIRST] = "a member name in double quotes or '}'",
    [ST_NAME] = "a member name in double quotes after ','",
    [ST_COLON] = "':' after a member name",
    [ST_DONE] = "nothing more after the value",
    [ST_STRING] = "more of the string or its closing '\"'",
    [ST_ESCAPE] = "one of \" \\ / b f n r t u after '\\'",
    [ST_HEX1... ST_HIGH4] = "four hexadecimal digits after \\u",
    [ST_PAIR_BACKSLASH... ST_PAIR_CF] =
        "the second half of the surrogate pair (\\udc00 to \\udfff)",
    [ST_TAIL1... ST_TAIL_F4] = "the rest of a UTF-8 character",
    [ST_MINUS] = "a digit after '-'",
    [ST_POINT] = "a digit after '.'",
    [ST_EXP] = "a digit, '+' or '-' in the exponent",
    [ST_EXP_SIGN] = "a digit in the exponent",
    [ST_T... ST_TRU] = "the word true",
    [ST_F... ST_FALS] = "the word false",
    [ST_N... ST_NUL] = "the word null",
};

static const char *expected_text(const struct json_parser *p, bool at_end)
{
    if (p->state == ST_ROOT && p->object_only)
        return "an object, '{'";
    if (p->state == ST_ZERO && !at_end)
        return "'.' or the end of the number after a leading 0";
    /* the end of the text inside a number that may end there: what could follow it is missing */
    if (p->state == ST_AFTER || number_may_end(p->state))
        return in_object(p) ? "',' or '}' after a member" : "',' or ']' after an element";
    return expected[p->state];
}

static void describe_byte(unsigned char b, char *out, size_t size)
{
    if (b == '\n')
        snprintf(out, size, "a line break");
    else if (b == '\r')
        snprintf(out, size, "a carriage return");
    else if (b == '\t')
        snprintf(out, size, "a tab");
    else if (b == '\'')
        snprintf(out, size, "a single quote");
    else if (b == ' ')
        snprintf(out, size, "a space");
    else if (b > 0x20 && b < 0x7f)
        snprintf(out, size, "'%c'", b);
    else if (b < 0x80)
        snprintf(out, size, "the control character 0x%02x", b);
    else
        snprintf(out, size, "the byte 0x%02x", b);
}

/* What a control character in a string should have been. */
static const char *hint_control(unsigned char b)
{
    switch (b) {
    case '\n':
        return " (write it as \\n)";
    case '\r':
        return " (write it as \\r)";
    case '\t':
        return " (write it as \\t)";
    default:
        return " (write it as \\u and four digits)";
    }
}

static const char *hint_utf8(enum state st, unsigned char b)
{
    bool tail = b >= 0x80 && b < 0xc0;
    if (st == ST_STRING)
        return b == 0xc0 || b == 0xc1 ? " (not UTF-8: an overlong form)" : " (not UTF-8)";
    if (!tail)
        return " (not UTF-8: a character is cut short)";
    switch (st) {
    case ST_TAIL_E0:
    case ST_TAIL_F0:
        return " (not UTF-8: an overlong form)";
    case ST_TAIL_ED:
        return " (not UTF-8: half of a surrogate pair)";
    case ST_TAIL_F4:
        return " (not UTF-8: beyond U+10FFFF)";
    default:
        return "";
    }
}

/* Where a value or a name should be: the habits of other languages. */
static const char *hint_value(const struct json_parser *p, unsigned char b)
{
    bool name = p->state == ST_NAME || p->state == ST_OBJECT_FIRST;
    switch (b) {
    case '\'':
        return " (strings take double quotes)";
    case '/':
    case '#':
        return " (JSON has no comments)";
    case '+':
    case '.':
        return name ? "" : " (a number starts with a digit or '-')";
    case 'T':
    case 'F':
    case 'N':
    case 'I':
        return name ? "" : " (the only words are true, false and null)";
    case '}':
    case ']':
        return p->state == ST_NAME || (p->state == ST_VALUE && !in_object(p))
                   ? " (one ',' too many)"
                   : "";
    case 0xef:
        return p->offset == 0 ? " (text starts without a byte order mark)" : "";
    default:
        return "";
    }
}

static const char *hint_text(const struct json_parser *p, unsigned char b)
{
    switch (p->state) {
    case ST_ROOT:
    case ST_VALUE:
    case ST_ARRAY_FIRST:
    case ST_OBJECT_FIRST:
    case ST_NAME:
        return hint_value(p, b);
    case ST_STRING:
        return b < 0x20 ? hint_control(b) : hint_utf8(ST_STRING, b);
    case ST_TAIL1 ... ST_TAIL_F4:
        return hint_utf8(p->state, b);
    case ST_HEX2D:
        return step[ST_HEX2][b] ? " (the second half of a surrogate pair without the first)" : "";
    case ST_AFTER:
    case ST_DONE:
        return b == '/' || b == '#' ? " (JSON has no comments)" : "";
    case ST_MINUS:
        return b == 'I' ? " (infinity is not a JSON number)" : "";
    default:
        return "";
    }
}

static int __attribute__((cold, noinline)) refuse_byte(struct json_parser *p, unsigned char b)
{
    p->failed = true;
    bool opens = (b == '{' || b == '[') && p->depth == JSON_DEPTH_MAX &&
                 (p->state == ST_VALUE || p->state == ST_ARRAY_FIRST);
    if (opens)
        return err_set(ERR_INVAL, "line %llu, column %llu: nested deeper than %d levels",
                       (unsigned long long)p->line, (unsigned long long)p->column, JSON_DEPTH_MAX);
    char found[40];
    describe_byte(b, found, sizeof found);
    return err_set(ERR_INVAL, "line %llu, column %llu: expected %s, found %s%s",
                   (unsigned long long)p->line, (unsigned long long)p->column,
                   expected_text(p, false), found, hint_text(p, b));
}

static int __attribute__((cold, noinline)) refuse_end(struct json_parser *p)
{
    p->failed = true;
    char open[64] = "";
    if (p->depth == 1)
        snprintf(open, sizeof open, " (%s is not closed)", in_object(p) ? "an object" : "an array");
    else if (p->depth > 1)
        snprintf(open, sizeof open, " (%u objects and arrays are not closed)", (unsigned)p->depth);
    return err_set(ERR_INVAL, "line %llu, column %llu: expected %s, found the end of the text%s",
                   (unsigned long long)p->line, (unsigned long long)p->column,
                   expected_text(p, true), open);
}

static int __attribute__((cold, noinline)) refuse_again(const struct json_parser *p)
{
    return err_set(ERR_INVAL, "line %llu, column %llu: the text was refused here",
                   (unsigned long long)p->line, (unsigned long long)p->column);
}

/* ---- the machine ----------------------------------------------------------------------------- */

enum outcome { RUN_DONE, RUN_MORE, RUN_BAD };

/* The parser's state in registers while it runs. */
struct cursor {
    const unsigned char *p, *end;
    const unsigned char *line_start; /* where column 1 of the line is (may lie before the piece) */
    enum state st;
    bool name;   /* the string at hand is a member name */
    bool object; /* the innermost container is an object */
};

/* To the closing quote. */
static inline enum outcome run_string(struct cursor *c)
{
    for (;;) {
        if (c->st == ST_STRING) {
            c->p = bytes_skip_plain(c->p, c->end);
            if (c->p < c->end && *c->p == '"') {
                c->p++;
                return RUN_DONE;
            }
        }
        if (c->p == c->end)
            return RUN_MORE;
        enum state next = step[c->st][*c->p];
        if (next == ST_BAD)
            return RUN_BAD;
        c->st = next;
        c->p++;
    }
}

/* To the end of a number (the byte after it is not taken) or a word. */
static inline enum outcome run_scalar(struct cursor *c)
{
    for (; c->p < c->end; c->p++) {
        enum state next = step[c->st][*c->p];
        if (next == ST_WORD_END) {
            c->p++;
            return RUN_DONE;
        }
        if (next == ST_BAD) {
            bool octal = c->st == ST_ZERO && *c->p >= '0' && *c->p <= '9';
            return number_may_end(c->st) && !octal ? RUN_DONE : RUN_BAD;
        }
        c->st = next;
    }
    return RUN_MORE;
}

/* To the next byte that is not white space; false at the end of the piece. */
static inline bool run_space(struct json_parser *p, struct cursor *c)
{
    if (c->p<c->end && * c->p> ' ')
        return true;
    for (; c->p < c->end; c->p++) {
        if (!bytes_is_space((char)*c->p))
            return true;
        p->sparse = true;
        if (*c->p == '\n') {
            p->line++;
            c->line_start = c->p + 1;
        }
    }
    return false;
}

static inline bool push(struct json_parser *p, struct cursor *c, bool object)
{
    uint32_t d = p->depth;
    if (d == JSON_DEPTH_MAX)
        return false;
    uint64_t bit = 1ull << (d % 64);
    p->nest[d / 64] = object ? p->nest[d / 64] | bit : p->nest[d / 64] & ~bit;
    p->depth = d + 1;
    c->object = object;
    c->st = object ? ST_OBJECT_FIRST : ST_ARRAY_FIRST;
    c->p++;
    return true;
}

static inline enum state after_value(const struct json_parser *p)
{
    return p->depth ? ST_AFTER : ST_DONE;
}

static inline void pop(struct json_parser *p, struct cursor *c)
{
    p->depth--;
    c->object = in_object(p);
    c->st = after_value(p);
    c->p++;
}

/* One structural byte b at c->p (white space is behind us). RUN_MORE: a token of c->st starts. */
static inline enum outcome run_between(struct json_parser *p, struct cursor *c, unsigned char b)
{
    switch (c->st) {
    case ST_ROOT:
        if (p->object_only && b != '{')
            return RUN_BAD;
        break;
    case ST_ARRAY_FIRST:
        if (b == ']') {
            pop(p, c);
            return RUN_DONE;
        }
        break;
    case ST_VALUE:
        break;
    case ST_OBJECT_FIRST:
        if (b == '}') {
            pop(p, c);
            return RUN_DONE;
        }
        __attribute__((fallthrough));
    case ST_NAME:
        if (b != '"')
            return RUN_BAD;
        c->p++;
        c->name = true;
        c->st = ST_STRING;
        return RUN_MORE;
    case ST_COLON:
        if (b != ':')
            return RUN_BAD;
        c->p++;
        c->st = ST_VALUE;
        return RUN_DONE;
    case ST_AFTER:
        if (b == ',') {
            c->p++;
            c->st = c->object ? ST_NAME : ST_VALUE;
            return RUN_DONE;
        }
        if (b != (c->object ? '}' : ']'))
            return RUN_BAD;
        pop(p, c);
        return RUN_DONE;
    default:
        return RUN_BAD;
    }
    /* a value starts */
    if (b == '"') {
        c->p++;
        c->name = false;
        c->st = ST_STRING;
        return RUN_MORE;
    }
    if (b == '{' || b == '[')
        return push(p, c, b == '{') ? RUN_DONE : RUN_BAD;
    enum state next = step[ST_VALUE][b];
    if (next == ST_BAD)
        return RUN_BAD;
    c->p++;
    c->st = next;
    return RUN_MORE;
}

/* Compact text has the same few bytes between tokens nearly always: taking them here, without the
 * switch, is a third of the speed. Leaves c->st true for whatever comes. */
static inline void run_usual(struct cursor *c)
{
    size_t left = (size_t)(c->end - c->p);
    if (c->st == ST_COLON && left >= 1 && c->p[0] == ':') {
        c->st = ST_VALUE;
        c->p++;
        if (left >= 2 && c->p[0] == '"') {
            c->st = ST_STRING;
            c->name = false;
            c->p++;
        }
    } else if (c->st == ST_AFTER && c->object && left >= 2 && c->p[0] == ',' && c->p[1] == '"') {
        c->st = ST_STRING;
        c->name = true;
        c->p += 2;
    }
}

/* RUN_MORE at the end of the piece, RUN_BAD with c->p at the byte that broke it. */
static inline enum outcome run(struct json_parser *p, struct cursor *c)
{
    enum outcome out;
    for (;;) {
        if (c->st <= ST_DONE) {
            if (!run_space(p, c))
                return RUN_MORE;
            out = run_between(p, c, *c->p);
            if (out == RUN_DONE)
                continue;
            if (out == RUN_BAD)
                return out;
        }
        if (c->st < ST_MINUS) {
            out = run_string(c);
            if (out != RUN_DONE)
                return out;
            c->st = c->name ? ST_COLON : after_value(p);
        } else {
            out = run_scalar(c);
            if (out != RUN_DONE)
                return out;
            c->st = after_value(p);
        }
        run_usual(c);
    }
}

void json_parser_init(struct json_parser *p, bool object_only)
{
    *p = (struct json_parser){.line = 1, .column = 1, .state = ST_ROOT, .object_only = object_only};
}

int json_parser_feed(struct json_parser *p, const void *bytes, size_t n)
{
    if (p->failed)
        return refuse_again(p);
    if (n == 0)
        return 0;
    const unsigned char *start = bytes;
    struct cursor c = {
        .p = start, .end = start + n, .st = p->state, .name = p->aux, .object = in_object(p)};
    uint64_t line = p->line;
    c.line_start = start;
    enum outcome out = run(p, &c);
    p->offset += (uint64_t)(c.p - start);
    p->column = (p->line == line ? p->column : 1) + (uint64_t)(c.p - c.line_start);
    p->state = c.st;
    p->aux = c.name;
    return out == RUN_BAD ? refuse_byte(p, *c.p) : 0;
}

bool json_parser_complete(const struct json_parser *p)
{
    return !p->failed && p->depth == 0 && (p->state == ST_DONE || number_may_end(p->state));
}

int json_parser_finish(struct json_parser *p)
{
    if (p->failed)
        return refuse_again(p);
    return json_parser_complete(p) ? 0 : refuse_end(p);
}

int json_validate(struct slice text, bool object_only)
{
    struct json_parser p;
    json_parser_init(&p, object_only);
    int rc = json_parser_feed(&p, text.p, text.n);
    return rc < 0 ? rc : json_parser_finish(&p);
}

bool utf8_valid(struct slice s)
{
    if (s.n == 0)
        return true;
    const unsigned char *p = (const unsigned char *)s.p, *end = p + s.n;
    while (p < end) {
        uint64_t w;
        if (end - p >= 8 && (memcpy(&w, p, 8), (w & BYTES_HIGH) == 0)) {
            p += 8;
            continue;
        }
        unsigned n = utf8_len(p, end);
        if (n == 0)
            return false;
        p += n;
    }
    return true;
}
