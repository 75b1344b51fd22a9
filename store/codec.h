/* codec.h - JSON as a tree, for the few places that want one: schemas, configuration, statistics.
 *
 * Entities never come here (json.h reads those from their bytes). A tree is an opaque node; json-c
 * is behind it and known to codec.c alone.
 *
 * Ownership: codec_parse() and codec_new_*() give a node to the caller, who frees it or hands it to
 * codec_set() or codec_append(), which take it over in every case, also when they fail. Nodes that
 * codec_get(), codec_at() and codec_each() give are borrowed and live as long as their container.
 * A NULL node is null everywhere: reading from it finds nothing, and a failed codec_new_*() (out of
 * memory) is reported by the codec_set() or codec_append() that it is given to.
 *
 * Threads: none of it locks; one tree belongs to one thread at a time. Trees that nobody changes
 * any more may be read by many, but codec_print() counts as a change: json-c keeps the text in the
 * node.
 *
 * Errors: 0 or a negative enum err_code, with a message.
 */
#ifndef REMFS_CODEC_H
#define REMFS_CODEC_H

#include "store/base/buf.h"
#include "store/base/cleanup.h"
#include "store/json.h"

#include <stdbool.h>
#include <stdint.h>

struct codec_node;

/* Strict text (json_validate()) to a tree. -ERR_INVAL with line and column when it is not JSON, and
 * when a member's name has a NUL character, which json-c would cut short. Of members with the same
 * name the last one stays. Integers beyond 64 bits become doubles that print as they were written.
 */
int codec_parse(struct slice text, struct codec_node **out);

void codec_free(struct codec_node *node); /* NULL is allowed */
DEFINE_CLEANUP(struct codec_node, codec_free)
#define auto_codec cleanup(codec_free) struct codec_node *

/* ---- reading --------------------------------------------------------------------------------- */

enum json_type codec_type(const struct codec_node *node);
size_t codec_count(const struct codec_node *node); /* elements or members; else 0 */
/* The member of an object (a C string), or NULL: not there, null, or not an object. */
struct codec_node *codec_get(const struct codec_node *object, const char *name);
bool codec_has(const struct codec_node *object, const char *name); /* there, null included */
struct codec_node *codec_at(const struct codec_node *array, size_t index);
/* Calls fn for each member in order until it returns non-zero, which is the result; else 0. fn may
 * not change the object. */
int codec_each(const struct codec_node *object,
               int (*fn)(const char *name, struct codec_node *value, void *arg), void *arg);

/* These leave *out alone and give false when the node is of another type. */
bool codec_string(const struct codec_node *node, struct slice *out); /* borrowed, NUL follows */
bool codec_int(const struct codec_node *node, int64_t *out); /* also 1.0 and 1e2: exact integers */
bool codec_double(const struct codec_node *node, double *out);
bool codec_bool(const struct codec_node *node, bool *out);

/* ---- building -------------------------------------------------------------------------------- */

struct codec_node *codec_new_object(void);
struct codec_node *codec_new_array(void);
struct codec_node *codec_new_string(struct slice utf8);
struct codec_node *codec_new_int(int64_t v);
struct codec_node *codec_new_double(double v); /* shortest form; not finite: null */
struct codec_node *codec_new_bool(bool v);

/* name is copied. Replaces a member of that name. */
int codec_set(struct codec_node *object, const char *name, struct codec_node *value);
int codec_set_null(struct codec_node *object, const char *name);
int codec_append(struct codec_node *array, struct codec_node *value);

/* Appends the tree as text: one line, or indented by two spaces; no line break at the end. */
int codec_print(const struct codec_node *node, bool pretty, struct buf *out);

#endif
