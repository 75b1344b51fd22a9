/* query_find.c - the members that a query names, in one pass over an entity's compact text.
 *
 * json_members() walks one object member by member. Here the text is taken in blocks of 64 bytes,
 * as bit masks of quotes, colons and brackets (the technique of Langdale and Lemire, "Parsing
 * Gigabytes of JSON per Second", VLDB Journal, 2019), and only colons of the top level and of the
 * level below are looked at: a name is compared backwards from its colon. So properties and
 * metadata cost no second pass, and values that nobody asked for are never parsed.
 *
 * It gives up, and says so, wherever that would not be sound: a backslash in the text (a name could
 * be spelled with escapes, a quote could be escaped), names that have a quote in them, many names.
 * It may not decide what a value is: json.h does that for the ones that were found.
 */
#include "store/query_value.h"

#ifdef __SSE2__
#include <emmintrin.h>

#define BLOCK 64
#define NAMES_MAX 8 /* each colon is compared with every name */

struct masks { /* bit i: byte i of the block */
    uint64_t quote, backslash, colon, open, close;
};

static inline void read16(const char *p, int i, struct masks *m)
{
    __m128i x = _mm_loadu_si128((const __m128i *)(p + i));
    __m128i folded = _mm_or_si128(x, _mm_set1_epi8(0x20)); /* '[' is '{' now, ']' is '}' */
    __m128i quote = _mm_cmpeq_epi8(x, _mm_set1_epi8('"'));
    __m128i backslash = _mm_cmpeq_epi8(x, _mm_set1_epi8('\\'));
    __m128i colon = _mm_cmpeq_epi8(x, _mm_set1_epi8(':'));
    __m128i open = _mm_cmpeq_epi8(folded, _mm_set1_epi8('{'));
    __m128i close = _mm_cmpeq_epi8(folded, _mm_set1_epi8('}'));
    m->quote |= (uint64_t)(unsigned)_mm_movemask_epi8(quote) << i;
    m->backslash |= (uint64_t)(unsigned)_mm_movemask_epi8(backslash) << i;
    m->colon |= (uint64_t)(unsigned)_mm_movemask_epi8(colon) << i;
    m->open |= (uint64_t)(unsigned)_mm_movemask_epi8(open) << i;
    m->close |= (uint64_t)(unsigned)_mm_movemask_epi8(close) << i;
}

static inline struct masks read_block(const char *p, size_t left)
{
    struct masks m = {0};
    char padded[BLOCK];
    if (left < BLOCK) {
        memset(padded, ' ', sizeof padded);
        memcpy(padded, p, left);
        p = padded;
    }
    read16(p, 0, &m);
    read16(p, 16, &m);
    read16(p, 32, &m);
    read16(p, 48, &m);
    return m;
}

/* Bit i of the result: an odd number of bits are set from 0 to i. */
static inline uint64_t prefix_xor(uint64_t x)
{
    x ^= x << 1;
    x ^= x << 2;
    x ^= x << 4;
    x ^= x << 8;
    x ^= x << 16;
    x ^= x << 32;
    return x;
}

/* The member whose colon is at `colon` is called so. The name has no quote in it, so that a quote
 * in front of it is the one that opens it. */
static inline bool is_called(const char *text, size_t colon, struct slice name)
{
    if (colon < name.n + 2)
        return false;
    const char *last = text + colon - 2, *first = last - name.n + 1;
    return *last == name.p[name.n - 1] && first[-1] == '"' && memcmp(first, name.p, name.n) == 0;
}

enum level { TOP, PROPERTIES, METADATA, LEVELS };

struct finder {
    const struct query_fields *fields;
    const char *text;
    uint32_t at[LEVELS][NAMES_MAX]; /* where a value starts; 0: not there */
    enum level below;               /* what the level below the top is; TOP: nothing of interest */
};

static inline void at_colon(struct finder *f, enum level level, size_t colon)
{
    for (int i = 0; i < f->fields->n_names; i++)
        if (is_called(f->text, colon, f->fields->names[i]))
            f->at[level][i] = (uint32_t)colon + 1;
}

/* Of members with one name the last counts: a second properties undoes the first. */
static inline void enter(struct finder *f, size_t colon)
{
    static const struct slice properties = {"properties", 10}, metadata = {"metadata", 8};
    f->below = is_called(f->text, colon, properties) ? PROPERTIES
               : is_called(f->text, colon, metadata) ? METADATA
                                                     : TOP;
    if (f->below != TOP)
        memset(f->at[f->below], 0, sizeof f->at[f->below]);
}

static bool scan(struct finder *f, size_t n)
{
    uint64_t in_string = 0; /* all bits or none */
    int depth = 0;
    for (size_t base = 0; base < n; base += BLOCK) {
        struct masks m = read_block(f->text + base, n - base);
        if (m.backslash)
            return false;
        uint64_t inside = prefix_xor(m.quote) ^ in_string;
        in_string = 0 - (inside >> 63);
        uint64_t bits = (m.colon | m.open | m.close) & ~inside;
        for (; bits; bits &= bits - 1) {
            int i = __builtin_ctzll(bits);
            if (!(m.colon >> i & 1)) {
                depth += m.open >> i & 1 ? 1 : -1;
            } else if (depth == 1) {
                at_colon(f, TOP, base + (size_t)i);
                enter(f, base + (size_t)i);
            } else if (depth == 2 && f->below != TOP) {
                at_colon(f, f->below, base + (size_t)i);
            }
        }
    }
    return true;
}

bool query_find_names(const struct query_fields *fields, struct slice json, struct json_val *vals,
                      bool *found)
{
    struct finder f = {.fields = fields, .text = json.p};
    if (fields->odd_names || fields->n_names > NAMES_MAX || json.n > UINT32_MAX ||
        !scan(&f, json.n))
        return false;
    for (int i = 0; i < fields->n_names; i++) {
        uint32_t at = f.at[TOP][i]          ? f.at[TOP][i]
                      : f.at[PROPERTIES][i] ? f.at[PROPERTIES][i]
                                            : f.at[METADATA][i];
        found[i] = at && json_root(slice_of(json.p + at, json.n - at), &vals[i]);
    }
    return true;
}

#else

bool query_find_names(const struct query_fields *fields, struct slice json, struct json_val *vals,
                      bool *found)
{
    (void)fields, (void)json, (void)vals, (void)found;
    return false;
}

#endif
