/* json_split.h - the elements of a JSON array, streamed: turns "[{…}, {…}]" into objects one after
 * the other, in place, byte for byte at the same offset (so that line numbers hold).
 *
 * It looks at brackets, commas and quotes only; the store validates the objects. What it does check
 * is the array around them: one array of objects with a comma between each two, and nothing after
 * it.
 *
 * Threads: one at a time per struct json_split. Errors: ERR_INVAL with the line.
 */
#ifndef REMFS_JSON_SPLIT_H
#define REMFS_JSON_SPLIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_split {
    enum { SPLIT_START, SPLIT_FIRST, SPLIT_VALUE, SPLIT_INSIDE, SPLIT_AFTER, SPLIT_DONE } state;
    uint64_t line; /* from 1; 0 before the first byte */
    uint64_t depth;
    bool in_string, escaped;
};

/* The next bytes of the text, changed in place. */
int json_split_feed(struct json_split *s, char *p, size_t n);
/* The text has ended. */
int json_split_end(const struct json_split *s);

#endif
