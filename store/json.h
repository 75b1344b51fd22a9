/* json.h - JSON text without a tree: an incremental RFC 8259 validator, the compact form, and the
 * reading of single members straight from the bytes.
 *
 * The entity path never builds a tree: bytes are validated as they arrive, kept as written, and
 * members are found by scanning. (Trees, for the few places that want one, are codec.h's.)
 * Nothing here knows of entities, keys or files.
 *
 * Threads: no shared state; one parser belongs to one thread at a time.
 */
#ifndef REMFS_JSON_H
#define REMFS_JSON_H

#include "store/base/buf.h"

#include <stdbool.h>
#include <stdint.h>

#define JSON_DEPTH_MAX 128 /* nesting of arrays and objects; the 129th level is refused */

/* ---- validation ------------------------------------------------------------------------------ */

/* A resumable validator: RFC 8259 to the letter (no NaN, no single quotes, no raw control characters
 * in strings, no unpaired \u surrogates, no trailing text, no byte order mark), UTF-8 strictly (RFC 3629), depth limited.
 * Fixed size, no allocation: may be copied by assignment to fork the state. */
struct json_parser {
    uint64_t offset; /* bytes consumed */
    uint64_t line;   /* 1-based */
    uint64_t column; /* 1-based, in bytes */
    uint32_t state;  /* private from here on */
    uint32_t depth;
    uint32_t aux;
    bool object_only;
    bool sparse;  /* insignificant white space was seen: the compact form differs from the text */
    bool failed;
    uint64_t nest[(JSON_DEPTH_MAX + 63) / 64]; /* bit set: object, clear: array */
};

/* object_only: the value must be an object (an entity). */
void json_parser_init(struct json_parser *p, bool object_only);

/* Takes n more bytes. 0, or -ERR_INVAL: the text can no longer become valid, and the message names
 * line, column and cause ("line 2, column 7: expected ':' after a member name, found '}'"). After a
 * failure the parser refuses everything. */
int json_parser_feed(struct json_parser *p, const void *bytes, size_t n);

/* The text ends here. 0: one complete value; -ERR_INVAL: unfinished, with position and what is missing. */
int json_parser_finish(struct json_parser *p);

/* One complete value has been seen (white space may still follow). */
bool json_parser_complete(const struct json_parser *p);

/* The three above on one piece of text. */
int json_validate(struct slice text, bool object_only);

/* Appends validated text without insignificant white space: one line, no raw newline. */
int json_compact(struct slice valid, struct buf *out);

bool utf8_valid(struct slice s); /* RFC 3629: no surrogates, no overlong forms, at most U+10FFFF */

/* ---- reading --------------------------------------------------------------------------------- */

enum json_type { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/* A value inside validated text: its bytes from the first to the last, no white space around. */
struct json_val {
    enum json_type type;
    struct slice raw;
};

/* The value that starts the text (leading white space skipped). The text must have been validated;
 * a damaged one gives false, never a read outside the slice. */
bool json_root(struct slice valid, struct json_val *out);

/* The last member of that (decoded) name, or false. Names with escapes are compared decoded. */
bool json_member(struct json_val object, struct slice name, struct json_val *out);

/* Several members in one pass over the object: found[i] is out[i]'s. n at most 64. Last one counts. */
void json_members(struct json_val object, const struct slice *names, int n, struct json_val *out,
                  bool *found);

bool json_element(struct json_val array, uint64_t index, struct json_val *out);

/* Walks an object or an array: init, then next until false. key is the raw text of the name between its
 * quotes (not decoded; use json_unescape), empty for arrays. */
struct json_iter {
    const char *p, *end;
    bool object;
};
void json_iter_init(struct json_iter *it, struct json_val container);
bool json_iter_next(struct json_iter *it, struct slice *key, struct json_val *val);

/* Appends the decoded bytes of a string's inside (without the quotes), UTF-8. \u0000 gives a NUL byte. */
int json_unescape(struct slice inside, struct buf *out);
/* The text of a JSON_STRING value: *s points into the value where it has no escapes, else into
 * scratch (which is cleared first). */
int json_string(struct json_val v, struct buf *scratch, struct slice *s);

/* A number by value: exact when it is an integer that fits 64 bits, else the nearest double
 * (out of range: infinity; never an error). "1.0" and "1e2" are integers too. */
struct json_num {
    bool is_int;
    int64_t i;
    double d; /* set in both cases */
};
void json_number(struct slice raw, struct json_num *out);
/* <0, 0, >0 by value, exactly, also between an integer and a double. */
int json_num_cmp(const struct json_num *a, const struct json_num *b);

/* ---- writing --------------------------------------------------------------------------------- */

/* Appends s as a JSON string with quotes; control characters, '"' and '\\' escaped. s must be UTF-8;
 * bytes that are not become U+FFFD. */
int json_put_string(struct buf *out, struct slice s);
/* Appends the shortest decimal that reads back as d; an infinity or NaN becomes null. */
int json_put_double(struct buf *out, double d);

#endif
