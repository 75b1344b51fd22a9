/* fuzz_key.c - any bytes as a key, a file name and a directory name: no crash, and what decodes
 * encodes to the same bytes. */
#include "store/key.h"
#include "store/store.h"

#include <stdint.h>
#include <stdlib.h>

static struct key encode(const struct key_parts *k)
{
    switch (k->space) {
    case 'm':
        return key_meta();
    case 't':
        return key_tenant(k->name);
    case 'c':
        return key_type(k->name);
    case 's':
        return key_counters(k->type);
    case 'h':
        return key_header(k->type, k->name);
    case 'b':
        return key_body(k->type, k->name);
    case 'v':
        return key_vector(k->type, k->name);
    case 'x':
        return key_chunk(k->ino, k->chunk);
    default:
        return key_orphan(k->ino);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice s = slice_of(data, n);
    struct key_parts parts;
    if (key_decode(s, &parts)) {
        struct key k = encode(&parts);
        if (!slice_eq(key_slice(&k), s))
            abort();
    }
    enum name_kind kind;
    struct slice id;
    if (name_check_file(s, &kind, &id) == 0) {
        if (n == 0 || n > STORE_FILE_NAME_MAX || memchr(data, '/', n) || memchr(data, 0, n))
            abort();
        if (kind == NAME_ENTITY && (id.n == 0 || id.n > STORE_ID_MAX || id.n + 5 != n))
            abort();
        struct key k = key_header(1, s);
        if (!key_decode(key_slice(&k), &parts) || !slice_eq(parts.name, s))
            abort();
    }
    if (name_check_dir(s) == 0 && (n == 0 || n > STORE_NAME_MAX || data[0] == '.'))
        abort();
    return 0;
}
