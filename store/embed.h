/* embed.h - texts to vectors: the interface of an embedder, and the stored form of a vector.
 *
 * Providers are rows of a table in embed.c, one file each (embed_hash.c: the built-in one). A vector is
 * stored as int8 with a norm, for exact cosine over bytes (vec.c).
 *
 * Threads: an embedder may be used from many threads at once.
 */
#ifndef REMFS_EMBED_H
#define REMFS_EMBED_H

#include "store/base/buf.h"

#include <stdbool.h>

struct embedder;

struct embed_ops { /* a provider */
    const char *name;  /* "hash" */
    const char *help;  /* one line */
    int (*open)(const char *arg, void **self, int *dim); /* arg: what follows ':' in the name, or "" */
    void (*close)(void *self);
    /* n texts (UTF-8, any length) into out[n * dim], each of unit length, or all zero where the text has
     * nothing to embed. ERR_IO: out of reach. Any thread. */
    int (*embed)(void *self, const struct slice *texts, int n, float *out);
};

extern const struct embed_ops embed_hash_ops; /* the built-in one: words and parts of words */

/* provider: "hash", or another row's name with an argument ("name:arg"); ERR_INVAL lists those known. */
int embed_open(const char *provider, struct embedder **out);
void embed_close(struct embedder *e);
int embed_dim(const struct embedder *e);
const char *embed_name(const struct embedder *e);
int embed_texts(struct embedder *e, const struct slice *texts, int n, float *out);

/* The text of an entity that is embedded: the first present string of content, description, text, summary, name
 * (top level, then properties, then metadata). Appends nothing when there is none. */
int embed_entity_text(struct slice compact_json, struct buf *text);
/* The stored vector row of an entity; appends nothing when it has no text or the vector is zero. */
int embed_entity(struct embedder *e, struct slice compact_json, struct buf *row);

/* ---- the stored row: u8 form (1), u8 0, u16 dim LE, f32 norm LE of the int8s, int8[dim] ------- */

/* Appends the row; nothing when v is all zero. -ERR_INVAL: not finite, or dim over 4,096. */
int vec_encode(const float *v, int dim, struct buf *row);
struct vec_view {
    int dim;
    float norm; /* sqrt of the sum of squares of q */
    const int8_t *q;
};
bool vec_decode(struct slice row, struct vec_view *out); /* false: damaged */
/* In [-1, 1]; 0 when the dimensions differ. */
float vec_cosine(const struct vec_view *a, const struct vec_view *b);

#endif
