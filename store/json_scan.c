/* json_scan.c - reading members, elements and strings straight from validated bytes; see json.h.
 *
 * It trusts that the text is valid only for its answers, never for its memory: on damaged bytes
 * it stops with false and stays inside the slice. It may not copy (json_unescape excepted), keep
 * state, or say what is valid. Numbers by value are json_write.c's.
 *
 * Strings are passed over by their closing quote, containers in blocks of 64 bytes: one bit mask
 * each for quotes and brackets, the inside of strings from a running exclusive or over the quotes.
 * The technique is from Langdale and Lemire, "Parsing Gigabytes of JSON per Second" (VLDB Journal,
 * 2019).
 */
#include "store/json.h"
#include "store/json_bytes.h"
#include "store/base/err.h"

/* ---- passing over a value -------------------------------------------------------------------- */

#define BLOCK 64

struct block {
    uint64_t quote, backslash, open, close; /* bit i: byte i of the block */
};

#ifdef __SSE2__
static inline void block_read16(const char *p, int i, struct block *b)
{
    __m128i x = _mm_loadu_si128((const __m128i *)(p + i));
    __m128i folded = _mm_or_si128(x, _mm_set1_epi8(0x20)); /* '[' is '{' now, ']' is '}' */
    __m128i quote = _mm_cmpeq_epi8(x, _mm_set1_epi8('"'));
    __m128i backslash = _mm_cmpeq_epi8(x, _mm_set1_epi8('\\'));
    __m128i open = _mm_cmpeq_epi8(folded, _mm_set1_epi8('{'));
    __m128i close = _mm_cmpeq_epi8(folded, _mm_set1_epi8('}'));
    b->quote |= (uint64_t)(unsigned)_mm_movemask_epi8(quote) << i;
    b->backslash |= (uint64_t)(unsigned)_mm_movemask_epi8(backslash) << i;
    b->open |= (uint64_t)(unsigned)_mm_movemask_epi8(open) << i;
    b->close |= (uint64_t)(unsigned)_mm_movemask_epi8(close) << i;
}
#endif

static inline void block_read(const char *p, struct block *b)
{
    *b = (struct block){0};
#ifdef __SSE2__
    block_read16(p, 0, b); /* written out: gcc does not unroll it at -O2 */
    block_read16(p, 16, b);
    block_read16(p, 32, b);
    block_read16(p, 48, b);
#else
    for (int i = 0; i < BLOCK; i++) {
        char c = p[i];
        b->quote |= (uint64_t)(c == '"') << i;
        b->backslash |= (uint64_t)(c == '\\') << i;
        b->open |= (uint64_t)(c == '{' || c == '[') << i;
        b->close |= (uint64_t)(c == '}' || c == ']') << i;
    }
#endif
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

/* The bytes that a backslash takes away from their meaning. *carry: the last byte of the block
 * before was such a backslash; set for the next. Backslashes are rare, so one step for each will
 * do. */
static inline uint64_t block_escaped(uint64_t backslash, bool *carry)
{
    uint64_t escaped = *carry;
    backslash &= ~escaped;
    *carry = false;
    while (backslash) {
        int i = __builtin_ctzll(backslash);
        if (i == 63) {
            *carry = true;
            break;
        }
        escaped |= 2ull << i;
        backslash &= ~(3ull << i);
    }
    return escaped;
}

/* Reads the block at p, of which only `left` bytes are there; the rest reads as nothing. begin: how
 * far back may be read, for one full block is quicker than a copy. */
static inline void block_read_last(const char *begin, const char *p, size_t left, struct block *b)
{
    char padded[BLOCK];
    if ((size_t)(p - begin) + left >= BLOCK) {
        block_read(p + left - BLOCK, b);
        unsigned before = (unsigned)(BLOCK - left);
        b->quote >>= before;
        b->backslash >>= before;
        b->open >>= before;
        b->close >>= before;
        return;
    }
    memset(padded, ' ', sizeof padded);
    memcpy(padded, p, left);
    block_read(padded, b);
}

/* p at '{' or '[': the byte after the closing bracket, or NULL. begin: where the text at hand
 * starts. */
static const char *skip_container(const char *begin, const char *p, const char *end)
{
    uint64_t depth = 0, in_string = 0; /* in_string: all bits or none */
    bool carry = false;
    for (; p < end; p += BLOCK) {
        struct block b;
        size_t left = (size_t)(end - p);
        if (left >= BLOCK)
            block_read(p, &b);
        else
            block_read_last(begin, p, left, &b);
        if (b.backslash | carry)
            b.quote &= ~block_escaped(b.backslash, &carry);
        uint64_t inside = prefix_xor(b.quote) ^ in_string;
        in_string = 0 - (inside >> 63);
        uint64_t open = b.open & ~inside, brackets = (b.open | b.close) & ~inside;
        for (; brackets; brackets &= brackets - 1) {
            int i = __builtin_ctzll(brackets);
            if (open >> i & 1)
                depth++;
            else if (depth <= 1)
                return depth ? p + i + 1 : NULL;
            else
                depth--;
        }
        if (left <= BLOCK)
            break;
    }
    return NULL;
}

static const char *skip_scalar(const char *p, const char *end)
{
    while (p < end && *p != ',' && *p != '}' && *p != ']' && *p != ':' && !bytes_is_space(*p))
        p++;
    return p;
}

/* The value that starts at p (no white space before it): its end, or NULL; the type in *type. */
static inline __attribute__((always_inline)) const char *
skip_value(const char *begin, const char *p, const char *end, enum json_type *type)
{
    const char *close;
    bool escaped;
    if (p == end)
        return NULL;
    switch (*p) {
    case '"':
        *type = JSON_STRING;
        close = bytes_string_end(p + 1, end, &escaped);
        return close ? close + 1 : NULL;
    case '{':
        *type = JSON_OBJECT;
        return skip_container(begin, p, end);
    case '[':
        *type = JSON_ARRAY;
        return skip_container(begin, p, end);
    case 't':
        *type = JSON_TRUE;
        return end - p >= 4 ? p + 4 : NULL;
    case 'f':
        *type = JSON_FALSE;
        return end - p >= 5 ? p + 5 : NULL;
    case 'n':
        *type = JSON_NULL;
        return end - p >= 4 ? p + 4 : NULL;
    default:
        if (*p != '-' && (*p < '0' || *p > '9'))
            return NULL;
        *type = JSON_NUMBER;
        return skip_scalar(p, end);
    }
}

bool json_root(struct slice valid, struct json_val *out)
{
    if (valid.n == 0)
        return false;
    const char *end = valid.p + valid.n, *p = bytes_skip_space(valid.p, end);
    const char *after = skip_value(valid.p, p, end, &out->type);
    if (!after)
        return false;
    out->raw = slice_of(p, (size_t)(after - p));
    return true;
}

/* ---- walking --------------------------------------------------------------------------------- */

void json_iter_init(struct json_iter *it, struct json_val container)
{
    it->object = container.type == JSON_OBJECT;
    it->p = it->end = container.raw.p;
    if ((container.type == JSON_OBJECT || container.type == JSON_ARRAY) && container.raw.n >= 2) {
        it->p = container.raw.p + 1;
        it->end = container.raw.p + container.raw.n - 1; /* without the brackets */
    }
}

/* One step's view of a container: the iterator, what it found, and how. */
struct walk {
    struct json_iter it;
    const char *begin; /* of the text at hand */
    struct slice key;
    bool escaped; /* key has an escape */
    struct json_val val;
};

static inline bool walk_stop(struct walk *w)
{
    w->it.p = w->it.end;
    return false;
}

static inline __attribute__((always_inline)) bool walk_next(struct walk *w)
{
    const char *end = w->it.end, *p = bytes_skip_space(w->it.p, end);
    w->key = slice_of(p, 0);
    w->escaped = false;
    if (w->it.object) {
        if (p == end || *p != '"')
            return walk_stop(w);
        const char *close = bytes_string_end(p + 1, end, &w->escaped);
        if (!close)
            return walk_stop(w);
        w->key = slice_of(p + 1, (size_t)(close - p - 1));
        p = bytes_skip_space(close + 1, end);
        if (p == end || *p != ':')
            return walk_stop(w);
        p = bytes_skip_space(p + 1, end);
    }
    const char *after = skip_value(w->begin, p, end, &w->val.type);
    if (!after)
        return walk_stop(w);
    w->val.raw = slice_of(p, (size_t)(after - p));
    p = bytes_skip_space(after, end);
    w->it.p = p < end && *p == ',' ? p + 1 : end;
    return true;
}

static inline void walk_init(struct walk *w, struct json_val container)
{
    json_iter_init(&w->it, container);
    w->begin = w->it.p;
}

bool json_iter_next(struct json_iter *it, struct slice *key, struct json_val *val)
{
    struct walk w = {.it = *it, .begin = it->p};
    bool more = walk_next(&w);
    *it = w.it;
    if (more) {
        *key = w.key;
        *val = w.val;
    }
    return more;
}

/* ---- names ----------------------------------------------------------------------------------- */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four digits at p, or -1. */
static int32_t hex4(const char *p, const char *end)
{
    int32_t v = 0;
    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int h = hex_value(p[i]);
        if (h < 0)
            return -1;
        v = v << 4 | h;
    }
    return v;
}

/* The escape at *p (after its backslash) into out; *p moves on. The number of bytes; 0: damaged. */
static unsigned decode_escape(const char **p, const char *end, char out[4])
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (*p == end)
        return 0;
    char c = *(*p)++;
    if (c != 'u') {
        const char *at = c ? strchr(from, c) : NULL;
        if (!at)
            return 0;
        out[0] = to[at - from];
        return 1;
    }
    int32_t ch = hex4(*p, end);
    if (ch < 0 || (ch >= 0xdc00 && ch <= 0xdfff))
        return 0;
    *p += 4;
    if (ch < 0xd800 || ch > 0xdbff)
        return utf8_encode((uint32_t)ch, out);
    if (end - *p < 6 || (*p)[0] != '\\' || (*p)[1] != 'u')
        return 0;
    int32_t low = hex4(*p + 2, end);
    if (low < 0xdc00 || low > 0xdfff)
        return 0;
    *p += 6;
    return utf8_encode(0x10000 + (((uint32_t)ch - 0xd800) << 10) + ((uint32_t)low - 0xdc00), out);
}

/* Compares decoded without decoding into memory. */
static bool escaped_name_is(struct slice key, struct slice name)
{
    const char *p = key.p, *end = key.p + key.n;
    size_t at = 0;
    while (p < end) {
        if (*p != '\\') {
            if (at == name.n || name.p[at++] != *p++)
                return false;
            continue;
        }
        char ch[4];
        p++;
        unsigned n = decode_escape(&p, end, ch);
        if (n == 0 || name.n - at < n || memcmp(name.p + at, ch, n) != 0)
            return false;
        at += n;
    }
    return at == name.n;
}

static inline bool name_is(const struct walk *w, struct slice name)
{
    return w->escaped ? escaped_name_is(w->key, name) : slice_eq(w->key, name);
}

bool json_member(struct json_val object, struct slice name, struct json_val *out)
{
    struct walk w;
    bool found = false;
    if (object.type != JSON_OBJECT)
        return false;
    walk_init(&w, object);
    while (walk_next(&w)) {
        if (name_is(&w, name)) {
            *out = w.val;
            found = true;
        }
    }
    return found;
}

void json_members(struct json_val object, const struct slice *names, int n, struct json_val *out,
                  bool *found)
{
    struct walk w;
    uint64_t lengths = 0; /* bit i: a name of i bytes (modulo 64) is wanted */
    for (int i = 0; i < n; i++) {
        found[i] = false;
        lengths |= 1ull << (names[i].n % 64);
    }
    if (object.type != JSON_OBJECT)
        return;
    walk_init(&w, object);
    while (walk_next(&w)) {
        if (!w.escaped && !(lengths >> (w.key.n % 64) & 1))
            continue;
        for (int i = 0; i < n; i++) {
            if (name_is(&w, names[i])) {
                out[i] = w.val;
                found[i] = true;
            }
        }
    }
}

bool json_element(struct json_val array, uint64_t index, struct json_val *out)
{
    struct walk w;
    if (array.type != JSON_ARRAY)
        return false;
    walk_init(&w, array);
    for (uint64_t i = 0; walk_next(&w); i++) {
        if (i == index) {
            *out = w.val;
            return true;
        }
    }
    return false;
}

/* ---- strings --------------------------------------------------------------------------------- */

int json_unescape(struct slice inside, struct buf *out)
{
    if (inside.n == 0)
        return 0;
    size_t before = out->n;
    int rc = buf_reserve(out, inside.n); /* decoding never makes it longer */
    if (rc < 0)
        return rc;
    const char *p = inside.p, *end = p + inside.n;
    while (p < end) {
        const char *plain = memchr(p, '\\', (size_t)(end - p));
        size_t n = (size_t)((plain ? plain : end) - p);
        memcpy(out->p + out->n, p, n);
        out->n += n;
        if (!plain)
            break;
        p = plain + 1;
        char ch[4];
        unsigned len = decode_escape(&p, end, ch);
        if (len == 0) {
            out->n = before;
            return err_set(ERR_INVAL, "a damaged escape in a JSON string");
        }
        memcpy(out->p + out->n, ch, len);
        out->n += len;
    }
    return 0;
}

int json_string(struct json_val v, struct buf *scratch, struct slice *s)
{
    if (v.type != JSON_STRING || v.raw.n < 2)
        return err_set(ERR_INVAL, "not a JSON string");
    struct slice inside = slice_of(v.raw.p + 1, v.raw.n - 2);
    buf_clear(scratch);
    if (inside.n == 0 || !memchr(inside.p, '\\', inside.n)) {
        *s = inside;
        return 0;
    }
    int rc = json_unescape(inside, scratch);
    if (rc == 0)
        *s = slice_buf(scratch);
    return rc;
}
