/* name_set.c - a set of fingerprints by open addressing; see name_set.h. Knows nothing of types. */
#include "store/name_set.h"

#include <stdlib.h>

/* The hash is uniform: its low half is the fingerprint, spread over the table by a multiplication
 * (Fibonacci hashing; Knuth, The Art of Computer Programming, volume 3, section 6.4). */
static uint32_t print_of(uint64_t hash)
{
    uint32_t p = (uint32_t)hash;
    return p ? p : 1;
}

static size_t slot_of(const struct name_set *s, uint32_t print)
{
    return (size_t)((print * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (s->cap - 1);
}

struct name_set *name_set_new(size_t names)
{
    struct name_set *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    for (s->cap = 1024; s->cap < names * 2; s->cap *= 2)
        continue;
    s->v = calloc(s->cap, sizeof *s->v);
    if (s->v)
        return s;
    free(s);
    return NULL;
}

void name_set_free(struct name_set *s)
{
    if (!s)
        return;
    free(s->v);
    free(s);
}

static bool put(struct name_set *s, uint32_t print)
{
    size_t i = slot_of(s, print);
    while (s->v[i] && s->v[i] != print)
        i = (i + 1) & (s->cap - 1);
    bool made = !s->v[i];
    s->v[i] = print;
    return made;
}

static bool grow(struct name_set *s)
{
    struct name_set larger = {.cap = s->cap * 2};
    larger.v = calloc(larger.cap, sizeof *larger.v);
    if (!larger.v)
        return false;
    for (size_t i = 0; i < s->cap; i++)
        if (s->v[i])
            put(&larger, s->v[i]);
    free(s->v);
    s->v = larger.v;
    s->cap = larger.cap;
    return true;
}

bool name_set_add(struct name_set *s, uint64_t hash)
{
    if (s->n * 2 >= s->cap && (s->n >= NAME_SET_MAX || !grow(s)))
        return false;
    s->n += put(s, print_of(hash));
    return true;
}

bool name_set_has(const struct name_set *s, uint64_t hash)
{
    uint32_t print = print_of(hash);
    size_t i = slot_of(s, print);
    while (s->v[i] && s->v[i] != print)
        i = (i + 1) & (s->cap - 1);
    return s->v[i] != 0;
}
