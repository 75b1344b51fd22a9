/* key.h - every key of the store, encoded and decoded. The bytes are drawn in doc/FORMAT.md.
 *
 * A key is what the engine sees inside a tenant; numbers are big-endian so that keys sort as numbers do.
 * Tenant 0 is the store itself. Nothing here reads or writes the engine.
 *
 *   tenant 0   'm'                             store meta: format version, uuid, inode high-water mark
 *              't' name                        a tenant
 *   tenant n   'c' name                        a type ("collection")
 *              's' type4                       counters of a type
 *              'h' type4 hash8 file-name       a file's header (entity, draft or scratch)
 *              'b' type4 id                    an entity's body
 *              'v' type4 id                    an entity's vector
 *              'x' ino8 chunk8                 4 KiB of a scratch file
 *              'o' ino8                        header of a scratch file that is open but has no name
 *
 * hash8 is XXH3-64 of the file name, shifted right by one (so that it fits the signed 64-bit offset
 * of a directory stream); a value below 64 is raised by 64, since those cookies belong to "." and the
 * control files: it is the readdir cookie.
 */
#ifndef REMFS_KEY_H
#define REMFS_KEY_H

#include "store/base/buf.h"

#include <stdbool.h>
#include <stdint.h>

#define KEY_MAX 320 /* no key is longer */

struct key { /* an encoded key, by value */
    char p[KEY_MAX];
    size_t n;
};

static inline struct slice key_slice(const struct key *k)
{
    return slice_of(k->p, k->n);
}

uint64_t key_name_hash(struct slice file_name);

struct key key_meta(void);
struct key key_tenant(struct slice name);
struct key key_type(struct slice name);
struct key key_counters(uint32_t type);
struct key key_header(uint32_t type, struct slice file_name);
struct key key_header_prefix(uint32_t type);
struct key key_body(uint32_t type, struct slice id);
struct key key_body_prefix(uint32_t type);
struct key key_vector(uint32_t type, struct slice id);
struct key key_vector_prefix(uint32_t type);   /* one type's */
struct key key_vector_prefix_all(void);        /* a tenant's */
struct key key_chunk(uint64_t ino, uint64_t chunk);
struct key key_chunk_prefix(uint64_t ino);
struct key key_orphan(uint64_t ino);

/* What a key is; false for bytes that are no key of ours (damage). Slices point into the key. */
struct key_parts {
    char space;        /* 'm' 't' 'c' 's' 'h' 'b' 'v' 'x' 'o' */
    uint32_t type;     /* s h b v */
    uint64_t hash;     /* h */
    uint64_t ino;      /* x o */
    uint64_t chunk;    /* x */
    struct slice name; /* t c h (file name), b v (id) */
};
bool key_decode(struct slice key, struct key_parts *out);

#endif
