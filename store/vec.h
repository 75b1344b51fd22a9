/* vec.h - inside the store: the dot product under vec_cosine(), in each of its forms.
 *
 * All forms give the same integer for the same bytes; vec_dot() takes the fastest that the
 * processor has. The stored form of a vector, its encoding and its cosine are in embed.h.
 *
 * Threads: no state; any thread.
 */
#ifndef REMFS_VEC_H
#define REMFS_VEC_H

#include <stdbool.h>
#include <stdint.h>

#define VEC_DIM_MAX 4096 /* so that a dot product fits 32 bits with room to spare */

/* n components each, at any alignment; values in [-127, 127]. */
int32_t vec_dot(const int8_t *a, const int8_t *b, int n);
int32_t vec_dot_scalar(const int8_t *a, const int8_t *b, int n);

/* Does this processor have AVX2? Without it vec_dot_avx2() may not be called. */
bool vec_has_avx2(void);
int32_t vec_dot_avx2(const int8_t *a, const int8_t *b, int n);

#endif
