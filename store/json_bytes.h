/* json_bytes.h - finding the few bytes of JSON text that matter, many at a time; UTF-8 by
 * character.
 *
 * Private to json_parse.c, json_scan.c and json_write.c: everything here is inline and works on
 * [p, end) only, never a byte outside. SSE2 where the compiler has it (every x86-64), else eight
 * bytes in a 64-bit word (the "is any byte less than n / equal to n" tests of Sean Anderson's Bit
 * Twiddling Hacks), else, for the last bytes, one at a time.
 *
 * It may not decide what is valid JSON: that is json_parse.c's.
 */
#ifndef REMFS_JSON_BYTES_H
#define REMFS_JSON_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define BYTES_LOW 0x0101010101010101ull  /* 1 in every byte */
#define BYTES_HIGH 0x8080808080808080ull /* the top bit of every byte */

/* A top bit somewhere if a byte is c (others above it may be set too: only zero or not counts). */
static inline uint64_t bytes_have(uint64_t word, unsigned char c)
{
    uint64_t x = word ^ (BYTES_LOW * c);
    return (x - BYTES_LOW) & ~x & BYTES_HIGH;
}

/* Not the inside of a plain string: '"', '\\', a control character, or not ASCII. */
static inline bool bytes_is_special(unsigned char c)
{
    return c == '"' || c == '\\' || c < 0x20 || c >= 0x80;
}

/* The first special byte, or end. */
static inline const unsigned char *bytes_skip_plain(const unsigned char *p,
                                                    const unsigned char *end)
{
#ifdef __SSE2__
    while (end - p >= 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)p);
        /* signed: bytes from 0x80 up are negative, so that one comparison finds both ends */
        __m128i m = _mm_cmplt_epi8(x, _mm_set1_epi8(0x20));
        m = _mm_or_si128(m, _mm_cmpeq_epi8(x, _mm_set1_epi8('"')));
        m = _mm_or_si128(m, _mm_cmpeq_epi8(x, _mm_set1_epi8('\\')));
        unsigned bits = (unsigned)_mm_movemask_epi8(m);
        if (bits)
            return p + __builtin_ctz(bits);
        p += 16;
    }
#endif
    while (end - p >= 8) {
        uint64_t w;
        memcpy(&w, p, 8);
        uint64_t low = (w - BYTES_LOW * 0x20) & ~w & BYTES_HIGH;
        if (low | (w & BYTES_HIGH) | bytes_have(w, '"') | bytes_have(w, '\\'))
            break;
        p += 8;
    }
    while (p < end && !bytes_is_special(*p))
        p++;
    return p;
}

/* The first '"' or '\\', or end. For text that was validated. */
static inline const char *bytes_find_quote(const char *p, const char *end)
{
#ifdef __SSE2__
    while (end - p >= 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)p);
        __m128i m = _mm_or_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8('"')),
                                 _mm_cmpeq_epi8(x, _mm_set1_epi8('\\')));
        unsigned bits = (unsigned)_mm_movemask_epi8(m);
        if (bits)
            return p + __builtin_ctz(bits);
        p += 16;
    }
#endif
    while (end - p >= 8) {
        uint64_t w;
        memcpy(&w, p, 8);
        if (bytes_have(w, '"') | bytes_have(w, '\\'))
            break;
        p += 8;
    }
    while (p < end && *p != '"' && *p != '\\')
        p++;
    return p;
}

/* After the opening quote: the closing one, or NULL when there is none. *escaped: with an escape.
 */
static inline const char *bytes_string_end(const char *p, const char *end, bool *escaped)
{
    *escaped = false;
    for (;;) {
        p = bytes_find_quote(p, end);
        if (p == end)
            return NULL;
        if (*p == '"')
            return p;
        *escaped = true;
        if (end - p < 2)
            return NULL;
        p += 2; /* the escape and the byte it covers; \u's digits are plain */
    }
}

static inline bool bytes_is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static inline const char *bytes_skip_space(const char *p, const char *end)
{
    if (p < end && (unsigned char)*p > ' ') /* nearly always in compact text */
        return p;
    while (p < end && bytes_is_space(*p))
        p++;
    return p;
}

/* The length of the UTF-8 character (RFC 3629) at p, 1 to 4; 0: what is there is not one. */
static inline unsigned utf8_len(const unsigned char *p, const unsigned char *end)
{
    if (p == end)
        return 0;
    unsigned char c = p[0];
    if (c < 0x80)
        return 1;
    unsigned n = c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
    if (n == 0 || (size_t)(end - p) < n)
        return 0;
    /* the second byte's range rules out overlong forms, surrogates, and what is over U+10FFFF */
    unsigned char lo = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    unsigned char hi = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < lo || p[1] > hi)
        return 0;
    for (unsigned i = 2; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

/* Writes the character (at most U+10FFFF) as UTF-8; the number of bytes. */
static inline unsigned utf8_encode(uint32_t ch, char out[4])
{
    if (ch < 0x80) {
        out[0] = (char)ch;
        return 1;
    }
    unsigned n = ch < 0x800 ? 2 : ch < 0x10000 ? 3 : 4;
    for (unsigned i = n - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (ch & 0x3f));
        ch >>= 6;
    }
    out[0] = (char)((n == 2 ? 0xc0 : n == 3 ? 0xe0 : 0xf0) | ch);
    return n;
}

#endif
