/* key.c - keys to bytes and back; see key.h and doc/FORMAT.md.
 *
 * Neither reads nor writes the engine, and knows nothing of values.
 */
#include "store/key.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define COOKIE_MIN 64 /* below: "." and the control files of a listing */

uint64_t key_name_hash(struct slice file_name)
{
    uint64_t h = XXH3_64bits(file_name.p, file_name.n) >> 1;
    return h < COOKIE_MIN ? h + COOKIE_MIN : h;
}

static void key_add(struct key *k, struct slice s)
{
    /* Names are checked long before; a longer one is cut rather than written past the end. */
    size_t n = s.n < KEY_MAX - k->n ? s.n : KEY_MAX - k->n;
    if (n)
        memcpy(k->p + k->n, s.p, n);
    k->n += n;
}

static struct key key_named(char space, struct slice name)
{
    struct key k;
    k.p[0] = space;
    k.n = 1;
    key_add(&k, name);
    return k;
}

static struct key key_typed(char space, uint32_t type, struct slice name)
{
    struct key k;
    k.p[0] = space;
    put_be32(k.p + 1, type);
    k.n = 5;
    key_add(&k, name);
    return k;
}

static struct key key_inode(char space, uint64_t ino)
{
    struct key k;
    k.p[0] = space;
    put_be64(k.p + 1, ino);
    k.n = 9;
    return k;
}

struct key key_meta(void)
{
    return key_named('m', slice_of(NULL, 0));
}

struct key key_tenant(struct slice name)
{
    return key_named('t', name);
}

struct key key_type(struct slice name)
{
    return key_named('c', name);
}

struct key key_counters(uint32_t type)
{
    return key_typed('s', type, slice_of(NULL, 0));
}

struct key key_header(uint32_t type, struct slice file_name)
{
    struct key k = key_header_prefix(type);
    put_be64(k.p + k.n, key_name_hash(file_name));
    k.n += 8;
    key_add(&k, file_name);
    return k;
}

struct key key_header_prefix(uint32_t type)
{
    return key_typed('h', type, slice_of(NULL, 0));
}

struct key key_body(uint32_t type, struct slice id)
{
    return key_typed('b', type, id);
}

struct key key_body_prefix(uint32_t type)
{
    return key_typed('b', type, slice_of(NULL, 0));
}

struct key key_vector(uint32_t type, struct slice id)
{
    return key_typed('v', type, id);
}

struct key key_vector_prefix(uint32_t type)
{
    return key_typed('v', type, slice_of(NULL, 0));
}

struct key key_vector_prefix_all(void)
{
    return key_named('v', slice_of(NULL, 0));
}

struct key key_chunk(uint64_t ino, uint64_t chunk)
{
    struct key k = key_inode('x', ino);
    put_be64(k.p + k.n, chunk);
    k.n += 8;
    return k;
}

struct key key_chunk_prefix(uint64_t ino)
{
    return key_inode('x', ino);
}

struct key key_orphan(uint64_t ino)
{
    return key_inode('o', ino);
}

/* ---- decoding -------------------------------------------------------------------------------- */

static bool decode_typed(struct slice k, struct key_parts *out)
{
    size_t fixed = out->space == 'h' ? 13 : 5;
    if (k.n < fixed || (out->space == 's') != (k.n == fixed))
        return false;
    out->type = get_be32(k.p + 1);
    if (out->space == 's')
        return true;
    out->name = slice_of(k.p + fixed, k.n - fixed);
    if (out->space == 'h') {
        out->hash = get_be64(k.p + 5);
        return out->hash == key_name_hash(out->name);
    }
    return true;
}

static bool decode_inode(struct slice k, struct key_parts *out)
{
    if (k.n != (out->space == 'x' ? 17 : 9))
        return false;
    out->ino = get_be64(k.p + 1);
    if (out->space == 'x')
        out->chunk = get_be64(k.p + 9);
    return true;
}

bool key_decode(struct slice k, struct key_parts *out)
{
    *out = (struct key_parts){0};
    if (k.n == 0 || k.n > KEY_MAX)
        return false;
    out->space = k.p[0];
    switch (out->space) {
    case 'm':
        return k.n == 1;
    case 't':
    case 'c':
        out->name = slice_of(k.p + 1, k.n - 1);
        return k.n > 1;
    case 's':
    case 'h':
    case 'b':
    case 'v':
        return decode_typed(k, out);
    case 'x':
    case 'o':
        return decode_inode(k, out);
    default:
        return false;
    }
}
