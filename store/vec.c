/* vec.c - stored vectors: int8 components with a length, and the cosine of two; see embed.h, vec.h.
 *
 * Knows no text, no entity and no engine. Rounding to int8 (symmetric, scaled by the largest
 * component) moves a cosine by less than a hundredth; the stored norm is that of the rounded
 * components, so that a vector's cosine with itself is 1 again.
 */
#include "store/vec.h"
#include "store/embed.h"
#include "store/base/err.h"

#include <math.h>
#include <stdlib.h>

#if defined(__x86_64__) || defined(__i386__)
#define VEC_X86 1
#include <immintrin.h>
#endif

#define VEC_FORM 1
#define VEC_HEAD 8 /* form, zero, dim, norm */

/* The largest magnitude; an infinity or a NaN is larger than all. Floats without their sign are in
 * the order of their bits, and integers take a quarter of the time. */
static uint32_t max_bits(const float *v, int dim)
{
    uint32_t max = 0;
    for (int i = 0; i < dim; i++) {
        uint32_t bits;
        memcpy(&bits, &v[i], sizeof bits);
        bits &= 0x7fffffff;
        max = bits > max ? bits : max;
    }
    return max;
}

/* v scaled so that max becomes 127, rounded; the sum of squares. */
static int32_t quantize(const float *v, int dim, float max, int8_t *q)
{
    float up = max < 1e-30F ? 1e30F : 1; /* 127 / max would be infinite */
    float scale = 127 / (max * up);
    int32_t sum = 0;
    for (int i = 0; i < dim; i++) {
        float x = v[i] * up * scale;
        int32_t r = (int32_t)(x + (x < 0 ? -0.5F : 0.5F));
        q[i] = (int8_t)r;
        sum += r * r;
    }
    return sum;
}

int vec_encode(const float *v, int dim, struct buf *row)
{
    if (dim < 1 || dim > VEC_DIM_MAX)
        return err_set(ERR_INVAL, "a vector of %d dimensions: 1 to %d can be stored", dim,
                       VEC_DIM_MAX);
    uint32_t bits = max_bits(v, dim);
    if (bits >= 0x7f800000)
        return err_set(ERR_INVAL, "a component of the vector is not a finite number");
    if (bits == 0)
        return 0;
    int rc = buf_reserve(row, VEC_HEAD + (size_t)dim);
    if (rc < 0)
        return rc;
    float max;
    memcpy(&max, &bits, sizeof max);
    uint8_t *p = (uint8_t *)row->p + row->n;
    float norm = sqrtf((float)quantize(v, dim, max, (int8_t *)p + VEC_HEAD));
    memcpy(&bits, &norm, sizeof bits);
    p[0] = VEC_FORM;
    p[1] = 0;
    p[2] = (uint8_t)dim;
    p[3] = (uint8_t)(dim >> 8);
    for (int i = 0; i < 4; i++)
        p[4 + i] = (uint8_t)(bits >> (8 * i));
    row->n += VEC_HEAD + (size_t)dim;
    return 0;
}

bool vec_decode(struct slice row, struct vec_view *out)
{
    const uint8_t *p = (const uint8_t *)row.p;
    if (row.n < VEC_HEAD + 1 || p[0] != VEC_FORM || p[1] != 0)
        return false;
    out->dim = p[2] | p[3] << 8;
    if (out->dim > VEC_DIM_MAX || row.n != VEC_HEAD + (size_t)out->dim)
        return false;
    uint32_t bits = p[4] | (uint32_t)p[5] << 8 | (uint32_t)p[6] << 16 | (uint32_t)p[7] << 24;
    memcpy(&out->norm, &bits, sizeof bits);
    out->q = (const int8_t *)p + VEC_HEAD;
    return isfinite(out->norm) && out->norm >= 1; /* the largest component is 127 */
}

float vec_cosine(const struct vec_view *a, const struct vec_view *b)
{
    if (a->dim != b->dim)
        return 0; /* of different spaces: nothing in common */
    float c = (float)vec_dot(a->q, b->q, a->dim) / (a->norm * b->norm);
    return c > 1 ? 1 : c < -1 ? -1 : c;
}

int32_t vec_dot_scalar(const int8_t *a, const int8_t *b, int n)
{
    int32_t sum = 0;
    for (int i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

#ifdef VEC_X86

bool vec_has_avx2(void)
{
    return __builtin_cpu_supports("avx2") != 0;
}

__attribute__((target("avx2"))) static inline __m256i widen(const int8_t *p)
{
    return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)p));
}

__attribute__((target("avx2"))) int32_t vec_dot_avx2(const int8_t *a, const int8_t *b, int n)
{
    __m256i s0 = _mm256_setzero_si256(), s1 = s0;
    int i = 0;
    for (; i + 32 <= n; i += 32) {
        s0 = _mm256_add_epi32(s0, _mm256_madd_epi16(widen(a + i), widen(b + i)));
        s1 = _mm256_add_epi32(s1, _mm256_madd_epi16(widen(a + i + 16), widen(b + i + 16)));
    }
    __m256i s = _mm256_add_epi32(s0, s1);
    __m128i h = _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
    h = _mm_add_epi32(h, _mm_shuffle_epi32(h, 0x4e));
    h = _mm_add_epi32(h, _mm_shuffle_epi32(h, 0xb1));
    return _mm_cvtsi128_si32(h) + vec_dot_scalar(a + i, b + i, n - i);
}

int32_t vec_dot(const int8_t *a, const int8_t *b, int n)
{
    return vec_has_avx2() ? vec_dot_avx2(a, b, n) : vec_dot_scalar(a, b, n);
}

#else

bool vec_has_avx2(void)
{
    return false;
}

int32_t vec_dot_avx2(const int8_t *a, const int8_t *b, int n)
{
    return vec_dot_scalar(a, b, n);
}

int32_t vec_dot(const int8_t *a, const int8_t *b, int n)
{
    return vec_dot_scalar(a, b, n);
}

#endif
